//! An origin of named test streams: what a CDN does for a player, on a network that can be told how to behave.
//!
//! - [`origin`]: the HTTP side as an axum router: byte ranges, validators, CORS, cache headers by object type, an index
//!   of the streams, and no way out of the root folder.
//! - [`shaping`]: the bottleneck link that all responses share, its capacity and latency taken from a network trace.
//! - [`faults`]: answers that go wrong on purpose.
//! - [`signing`]: URLs that expire: keys, tokens, and why one is refused.
//! - [`made`]: named test streams that are encoded when they are first asked for.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use test_streams::origin::{Origin, OriginConfig};
//! use test_streams::shaping::Shape;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let mut config = OriginConfig::new("videos");
//! config.shape = Some(Shape::constant(3000.0, Duration::from_millis(40))?);
//! let origin = Origin::open(config)?;
//! let app = axum::Router::new().nest("/videos", origin.router());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```

pub mod faults;
pub mod made;
pub mod origin;
pub mod shaping;
pub mod signing;
pub mod stop;
