//! The chunks of a CMAF segment that is sent as it is made (ISO/IEC 23000-19, 7.3.2.3): each ends with its `mdat`.

use core::time::Duration;

use super::isobmff::HEADER_BYTES;
use crate::time::Instant;

/// A chunk that is all there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Bytes of the response up to its end.
    pub end: u64,
    /// Its own bytes.
    pub bytes: u64,
    /// From its first byte to its last.
    pub took: Duration,
}

/// Arrivals between two chunks that are remembered: what comes in smaller pieces is measured a little less well.
const MAX_ARRIVALS: usize = 256;

/// Watches a response grow.
#[derive(Debug, Default)]
pub struct Chunks {
    /// Where the next box begins.
    at: u64,
    /// Where the chunk begins.
    start: u64,
    /// How much was there, and since when, from the first arrival on that holds bytes of the chunk.
    arrivals: Vec<(u64, Instant)>,
    /// It is not made of boxes.
    lost: bool,
}

impl Chunks {
    /// More has arrived: so many bytes are there now. `read` copies bytes from an offset on into a buffer, as many as there are. What chunks
    /// that completes is said by calling it until it says nothing.
    pub fn next(
        &mut self,
        now: Instant,
        available: u64,
        mut read: impl FnMut(u64, &mut [u8]),
    ) -> Option<Chunk> {
        if self.arrivals.last().is_none_or(|(known, _)| *known < available) {
            if self.arrivals.len() >= MAX_ARRIVALS {
                self.arrivals.pop();
            }
            self.arrivals.push((available, now));
        }
        while !self.lost && self.at + HEADER_BYTES as u64 <= available {
            let mut header = [0; HEADER_BYTES];
            read(self.at, &mut header);
            let [s0, s1, s2, s3, k0, k1, k2, k3, large @ ..] = header;
            let size = match u32::from_be_bytes([s0, s1, s2, s3]) {
                1 => u64::from_be_bytes(large),
                small => u64::from(small),
            };
            let Some(end) = self.at.checked_add(size).filter(|_| size >= 8) else {
                self.lost = true;
                return None;
            };
            if [k0, k1, k2, k3] != *b"mdat" {
                self.at = end;
                continue;
            }
            if end > available {
                return None;
            }
            let begun = self.arrivals.iter().find(|(known, _)| *known > self.start);
            let chunk = Chunk {
                end,
                bytes: end - self.start,
                took: begun.map_or(Duration::ZERO, |(_, at)| now.since(*at)),
            };
            (self.at, self.start) = (end, end);
            self.arrivals.retain(|(known, _)| *known > end);
            return Some(chunk);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(sizes: &[(&[u8; 4], usize)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (kind, size) in sizes {
            bytes.extend((*size as u32).to_be_bytes());
            bytes.extend(*kind);
            bytes.resize(bytes.len() + size - 8, 0);
        }
        bytes
    }

    fn watch(bytes: &[u8], pieces: &[(u64, usize)]) -> Vec<Chunk> {
        let mut chunks = Chunks::default();
        let mut found = Vec::new();
        for (ms, available) in pieces {
            let now = Instant::from_micros(ms * 1000);
            let held = bytes.get(..*available).unwrap_or_default();
            let read = |offset: u64, into: &mut [u8]| {
                let rest = held.get(offset as usize..).unwrap_or_default();
                for (to, from) in into.iter_mut().zip(rest) {
                    *to = *from;
                }
            };
            while let Some(chunk) = chunks.next(now, *available as u64, read) {
                found.push(chunk);
            }
        }
        found
    }

    #[test]
    fn a_chunk_ends_with_its_media_data_and_is_timed_from_its_first_byte() {
        let bytes = boxes(&[
            (b"styp", 24),
            (b"prft", 32),
            (b"moof", 100),
            (b"mdat", 1000),
            (b"moof", 100),
            (b"mdat", 500),
        ]);
        let found = watch(
            &bytes,
            &[(0, 10), (100, 200), (130, 1156), (400, 1200), (450, 1756)],
        );
        let of = |end, bytes, ms| Chunk {
            end,
            bytes,
            took: Duration::from_millis(ms),
        };
        assert_eq!(found, [of(1156, 1156, 130), of(1756, 600, 50)]);
        // Both at once: nothing is known of how long they took.
        let found = watch(&bytes, &[(7, 1756)]);
        assert_eq!(found, [of(1156, 1156, 0), of(1756, 600, 0)]);
    }

    #[test]
    fn what_is_not_made_of_boxes_has_none() {
        assert_eq!(watch(&[0; 100], &[(0, 50), (1, 100)]), []);
        let large = [&[0, 0, 0, 1], &b"mdat"[..], &[0xff; 8], &[0; 50]].concat();
        assert_eq!(watch(&large, &[(0, 66)]), []);
    }
}
