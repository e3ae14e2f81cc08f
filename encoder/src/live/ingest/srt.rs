//! Publishers by SRT: MPEG-TS, encrypted with the stream key.

use std::net::SocketAddr;
use std::path::PathBuf;

use ffmpeg_next::error::{EADDRINUSE, EADDRNOTAVAIL};
use ffmpeg_next::{Dictionary, Error, format};

use super::{Feeder, StreamKey};
use crate::error::EncodeError;
use crate::live::LiveError;
use crate::vod::CancelToken;

/// Waits at `address` for a publisher that knows `key`, and looks at what it sends; none when `cancel` ends the waiting. SRT itself
/// turns away who does not know the key, and who comes while another publishes.
pub(crate) fn accept(
    address: SocketAddr,
    key: &StreamKey,
    cancel: &CancelToken,
) -> Result<Option<Feeder>, LiveError> {
    let name = PathBuf::from(format!("srt://{address}"));
    let mut options = Dictionary::new();
    options.set("protocol_whitelist", "srt");
    options.set("format_whitelist", "mpegts");
    options.set("mode", "listener");
    options.set("passphrase", key.passphrase());
    options.set("latency", LATENCY_US);
    options.set("timeout", SILENCE_US);
    options.set("probesize", "1000000");
    options.set("analyzeduration", "1000000");
    let waiting = cancel.clone();
    let input = format::input_with_interrupt_and_dictionary(&name, move || waiting.is_cancelled(), options);
    let input = match input {
        Ok(input) => input,
        Err(_) if cancel.is_cancelled() => return Ok(None),
        // The port is taken, or none of this machine.
        Err(Error::Other { errno }) if [EADDRINUSE, EADDRNOTAVAIL].contains(&errno) => {
            let source = std::io::Error::from_raw_os_error(errno);
            let address = name.display().to_string();
            return Err(LiveError::Listen { address, source });
        }
        Err(source) => return Err(EncodeError::NotMedia { path: name, source }.into()),
    };
    Feeder::of_publisher(&name, input).map(Some)
}

/// How long a packet that was lost may be asked for again.
const LATENCY_US: &str = "120000";
/// A publisher that sends nothing for so long is gone.
const SILENCE_US: &str = "10000000";
