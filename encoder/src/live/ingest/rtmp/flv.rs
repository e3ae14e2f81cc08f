//! A publisher's messages as an FLV stream ("Video File Format Specification" 10, annex E).

use std::io::{self, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use crate::vod::CancelToken;

/// The beginning, for pictures and sound.
pub(super) const HEADER: [u8; 13] = [b'F', b'L', b'V', 1, 5, 0, 0, 0, 9, 0, 0, 0, 0];
pub(super) const AUDIO: u8 = 8;
pub(super) const VIDEO: u8 = 9;
pub(super) const DATA: u8 = 18;

/// One message as a tag.
pub(super) fn tag(kind: u8, time: u32, body: &[u8]) -> Vec<u8> {
    let mut tag = Vec::with_capacity(body.len() + 15);
    let [highest, high, middle, low] = time.to_be_bytes();
    tag.push(kind);
    tag.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
    tag.extend_from_slice(&[high, middle, low, highest, 0, 0, 0]);
    tag.extend_from_slice(body);
    tag.extend_from_slice(&(body.len() as u32 + 11).to_be_bytes());
    tag
}

/// A queue of tags; who writes waits for who reads.
pub(super) fn pipe(cancel: &CancelToken) -> (SyncSender<Vec<u8>>, FlvReader) {
    let (sender, tags) = sync_channel(QUEUED_TAGS);
    let reader = FlvReader {
        tags,
        current: io::Cursor::new(HEADER.to_vec()),
        cancel: cancel.clone(),
    };
    (sender, reader)
}

/// Reads what a publisher sends; it ends with the publisher, and when the stream is cancelled.
pub(crate) struct FlvReader {
    tags: Receiver<Vec<u8>>,
    current: io::Cursor<Vec<u8>>,
    cancel: CancelToken,
}

impl Read for FlvReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.current.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            match self.tags.recv_timeout(LOOK_EVERY) {
                Ok(tag) => self.current = io::Cursor::new(tag),
                Err(RecvTimeoutError::Timeout) if !self.cancel.is_cancelled() => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(0),
            }
        }
    }
}

/// A second or two of pictures and sound.
const QUEUED_TAGS: usize = 128;
const LOOK_EVERY: Duration = Duration::from_millis(100);
