//! What must be done to media before a source buffer takes it: MPEG-TS and packed audio become fMP4, encrypted segments are
//! decrypted, captions are taken out of the pictures.
//!
//! The engine asks for it with [`Output::Prepare`](player_core::Output::Prepare). It is a crate beside the engine because most streams
//! need none of it: a browser loads it when it is asked for.
//!
//! One [`Transmuxer`] serves one stream of segments, and remembers from one to the next what the next may need: where timestamps and
//! sound ended, which streams there are, how they are described.
//!
//! ```
//! use transmux::{Settings, TransmuxError, Transmuxer};
//!
//! let mut transmuxer = Transmuxer::new();
//! // The answer of a captive portal.
//! let result = transmuxer.prepare(b"<html>".to_vec(), &Settings::default());
//! assert!(matches!(result, Err(TransmuxError::NotTransportStream(_))));
//! ```
//!
//! What comes out is `ftyp`, `moov`, `moof`, `mdat`, always all of them: any segment can follow any other. If the description of the
//! pictures or the sound changes inside a segment, they come once for each. Pictures have 90,000 ticks a second, sound as many as it has
//! samples. Times are those of the stream, unwrapped past 33 bits while it goes on.

mod assemble;
mod audio;
mod bits;
pub mod captions;
mod clock;
mod crypt;
mod error;
mod fmp4;
mod packed;
mod segment;
mod transmuxer;
mod ts;
mod video;
mod warnings;

pub use crypt::decrypt;
pub use error::TransmuxError;
pub use transmuxer::{Key, Ready, Settings, Transmuxer};
