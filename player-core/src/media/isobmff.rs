//! ISO base media file format (ISO/IEC 14496-12): the top-level boxes of a response.

use crate::input::Integrity;

/// Bytes that [`check`] asks for at an offset: a box header with a 64-bit size.
pub const HEADER_BYTES: usize = 16;

/// What a segment or initialization section can begin with: text has letters in the place of a box type too.
const FIRST: [&[u8; 4]; 16] = [
    b"emsg", b"free", b"ftyp", b"mdat", b"meta", b"moof", b"moov", b"pdin", b"prft", b"sidx", b"skip",
    b"ssix", b"styp", b"uuid", b"wide", b"mfra",
];

/// Goes from one top-level box to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct BoxWalker {
    offset: u64,
    length: u64,
    boxes: u32,
}

/// A top-level box that is all there.
#[derive(Clone, Copy, Debug)]
pub(super) struct TopBox {
    pub(super) kind: [u8; 4],
    /// Where its body begins,
    pub(super) offset: u64,
    /// and how many bytes that has.
    pub(super) length: u64,
}

/// Looks at the top-level boxes of a response of `length` bytes. `read` copies bytes from an offset on into a buffer, as
/// many as there are; it is asked for [`HEADER_BYTES`] a box, for at most a few thousand boxes.
///
/// ```
/// use player_core::input::Integrity;
/// use player_core::media::isobmff::check;
///
/// let segment = [0, 0, 0, 8, b'm', b'o', b'o', b'f', 0, 0, 0, 12, b'm', b'd', b'a', b't', 1, 2, 3, 4];
/// let read = |offset: u64, into: &mut [u8]| {
///     let rest = &segment[offset as usize..];
///     let n = rest.len().min(into.len());
///     into[..n].copy_from_slice(&rest[..n]);
/// };
/// assert_eq!(check(20, read), Integrity::Whole);
/// assert_eq!(check(18, read), Integrity::Truncated(2));
/// ```
pub fn check(length: u64, mut read: impl FnMut(u64, &mut [u8])) -> Integrity {
    let mut walker = BoxWalker::new(length);
    loop {
        if let Err(verdict) = walker.next(&mut read) {
            return verdict;
        }
    }
}

impl BoxWalker {
    pub(super) const fn new(length: u64) -> Self {
        Self {
            offset: 0,
            length,
            boxes: 0,
        }
    }

    /// The next box, or what all of them say together.
    pub(super) fn next(&mut self, read: &mut dyn FnMut(u64, &mut [u8])) -> Result<TopBox, Integrity> {
        /// A segment has a handful a chunk; past this nobody needs to look further.
        const MAX_BOXES: u32 = 4096;
        if self.boxes == MAX_BOXES {
            return Err(Integrity::Unchecked);
        }
        self.boxes += 1;
        if self.offset == self.length {
            return Err(if self.length == 0 {
                Integrity::Truncated(8)
            } else {
                Integrity::Whole
            });
        }
        let mut header = [0; HEADER_BYTES];
        read(self.offset, &mut header);
        self.step(&header)
    }

    fn step(&mut self, header: &[u8; HEADER_BYTES]) -> Result<TopBox, Integrity> {
        let left = self.length - self.offset;
        if left < 8 {
            return Err(Integrity::Truncated(8 - left));
        }
        let [s0, s1, s2, s3, t0, t1, t2, t3, large @ ..] = *header;
        let kind = [t0, t1, t2, t3];
        let plausible = if self.offset == 0 {
            FIRST.contains(&&kind)
        } else {
            kind.iter()
                .all(|b| b.is_ascii_alphanumeric() || *b == b' ' || *b == 0xa9)
        };
        if !plausible {
            let shown: String = header
                .iter()
                .take(12)
                .map(|b| {
                    if b.is_ascii_graphic() || *b == b' ' {
                        *b as char
                    } else {
                        '.'
                    }
                })
                .collect();
            return Err(Integrity::Foreign(shown));
        }
        let (size, head) = match u32::from_be_bytes([s0, s1, s2, s3]) {
            // Up to the end of the file.
            0 => (left, 8),
            1 => (u64::from_be_bytes(large), HEADER_BYTES as u64),
            n => (u64::from(n), 8),
        };
        if size < head {
            return Err(Integrity::Foreign(format!("a box of {size} bytes")));
        }
        if size > left {
            return Err(Integrity::Truncated(size - left));
        }
        let body = self.offset + head;
        self.offset += size;
        Ok(TopBox {
            kind,
            offset: body,
            length: size - head,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Integrity {
        check(bytes.len() as u64, |offset, into| {
            let rest = bytes.get(offset as usize..).unwrap_or_default();
            for (to, from) in into.iter_mut().zip(rest) {
                *to = *from;
            }
        })
    }

    #[test]
    fn html_is_foreign() {
        assert_eq!(
            of(b"<!DOCTYPE html><html>"),
            Integrity::Foreign("<!DOCTYPE ht".into())
        );
        assert_eq!(
            of(b"<html>\n<body>not found"),
            Integrity::Foreign("<html>.<body".into())
        );
    }

    #[test]
    fn sizes_that_lead_nowhere_end() {
        assert_eq!(
            of(&[0, 0, 0, 3, b'f', b'r', b'e', b'e', 0, 0, 0, 0]),
            Integrity::Foreign("a box of 3 bytes".into())
        );
        assert_eq!(
            of(&[
                0, 0, 0, 1, b'f', b'r', b'e', b'e', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
            ]),
            Integrity::Truncated(u64::MAX - 16)
        );
        assert_eq!(
            of(&[0, 0, 0, 0, b'm', b'd', b'a', b't', 1, 2, 3]),
            Integrity::Whole
        );
        assert_eq!(of(b""), Integrity::Truncated(8));
        assert_eq!(of(&[0, 0, 0]), Integrity::Truncated(5));
    }
}
