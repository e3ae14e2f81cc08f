//! A sans-IO adaptive-bitrate player engine: HLS and DASH, ABR, buffering, telemetry.
//!
//! The engine does no I/O, has no clock, no threads and no randomness of its own. A *driver* around it fetches, appends
//! to source buffers, watches the media element, and tells the engine what happened and when; the engine answers with
//! what to do next. There are three drivers: the browser (`player-web`), the simulator (`simulator`), and the analytics
//! server's what-if. What is measured in one is true in the others.
//!
//! # The run loop
//!
//! ```
//! use player_core::input::{Input, Load};
//! use player_core::{Config, Instant, Output, Player};
//!
//! let mut now = Instant::ZERO;
//! let mut player = Player::new(Config::default(), now);
//! player.handle_input(now, Input::Load(Load { url: "https://example.com/master.m3u8".into(), ..Load::default() }));
//! let deadline = loop {
//!     match player.poll_output() {
//!         Output::Fetch(fetch) => println!("GET {}", fetch.url),
//!         Output::OpenSource => println!("new MediaSource()"),
//!         Output::Wait(deadline) => break deadline,
//!         _ => {}
//!     }
//! };
//! // … wait for the network, the element, or the deadline, then:
//! now = deadline.unwrap_or(now);
//! player.handle_input(now, Input::Tick);
//! ```
//!
//! One call of [`Player::handle_input`], then [`Player::poll_output`] until it says [`Output::Wait`]. The same inputs at
//! the same times give the same outputs, byte for byte, on every target; [`record`] writes and replays logs of them.
//!
//! Media bytes stay with the driver: it keeps the body of a [`Deliver::Handle`](output::Deliver::Handle) request under the request's
//! id, and the engine says *append response 17*. Only what the engine must read crosses over: manifests.

pub mod abr;
mod base64;
pub mod cmcd;
pub mod config;
pub mod drm;
pub mod error;
pub mod input;
pub mod json;
pub mod manifest;
pub mod media;
mod memory;
pub mod metadata;
mod number;
pub mod output;
mod player;
pub mod presentation;
pub mod record;
mod rng;
mod streaming;
pub mod telemetry;
pub mod text;
pub mod thumbnails;
pub mod time;
pub mod url;

pub use config::Config;
pub use input::Input;
pub use output::Output;
pub use player::Player;
pub use time::{Bitrate, Instant, MediaTime};
