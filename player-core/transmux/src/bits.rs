//! Bits, most significant first, as headers of codecs have them.

/// Reads bits; past the end there is nothing.
#[derive(Clone, Debug)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next bit.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// Up to 32 bits.
    pub(crate) fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.bit()?);
        }
        Some(value)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.take(8).map(|byte| byte as u8)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count)?;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// An unsigned exponential-Golomb code (`ue(v)`).
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }

    /// A signed exponential-Golomb code (`se(v)`).
    pub(crate) fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        let value = if code % 2 == 1 { code / 2 + 1 } else { -(code / 2) };
        i32::try_from(value).ok()
    }
}

/// Writes bits.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are used.
    used: u32,
}

impl BitWriter {
    pub(crate) fn put(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            if self.used.is_multiple_of(8) {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> shift & 1) as u8) << (7 - self.used % 8);
            }
            self.used += 1;
        }
    }

    /// The bytes; the last one is filled with zeros.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// A NAL unit without its emulation prevention (`00 00 03` → `00 00`), at most `limit` bytes of it.
pub(crate) fn unescape(nal: &[u8], limit: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len().min(limit));
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        if out.len() == limit {
            break;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golomb_codes_are_read() {
        // 1 | 010 | 011 | 00100 | 0001000 = 0, 1, 2, 3, 7
        let bytes = [0b1010_0110, 0b0100_0001, 0b0000_0000];
        let mut bits = Bits::new(&bytes);
        let read: Vec<_> = (0..5).map(|_| bits.ue()).collect();
        assert_eq!(read, [Some(0), Some(1), Some(2), Some(3), Some(7)]);
        let mut bits = Bits::new(&bytes[..2]);
        let read: Vec<_> = (0..4).map(|_| bits.se()).collect();
        assert_eq!(read, [Some(0), Some(1), Some(-1), Some(2)]);
        assert_eq!(Bits::new(&[0; 8]).ue(), None);
        assert_eq!(Bits::new(&[]).take(1), None);
    }

    #[test]
    fn what_is_written_can_be_read() {
        let mut out = BitWriter::default();
        out.put(5, 3);
        out.put(0x1234, 16);
        out.put(1, 1);
        let bytes = out.into_bytes();
        let mut bits = Bits::new(&bytes);
        assert_eq!(
            (bits.take(3), bits.take(16), bits.bit()),
            (Some(5), Some(0x1234), Some(true))
        );
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        assert_eq!(unescape(&[0, 0, 3, 1, 0, 0, 3], 99), [0, 0, 1, 0, 0]);
        assert_eq!(unescape(&[1, 2, 3, 4], 2), [1, 2]);
    }
}
