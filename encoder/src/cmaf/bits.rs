//! Reads the headers of coded pictures bit by bit.

/// A reader from the most significant bit on; `None` behind the end.
#[derive(Clone, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// Bits read.
    position: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// The next `count` bits, at most 32.
    pub(super) fn read(&mut self, count: u32) -> Option<u32> {
        let mut value = 0_u64;
        for _ in 0..count {
            let byte = self.bytes.get(self.position / 8)?;
            let bit = byte >> (7 - self.position % 8) & 1;
            value = value << 1 | u64::from(bit);
            self.position += 1;
        }
        u32::try_from(value).ok()
    }

    pub(super) fn flag(&mut self) -> Option<bool> {
        self.read(1).map(|bit| bit == 1)
    }

    pub(super) fn skip(&mut self, count: usize) -> Option<()> {
        self.position += count;
        (self.position <= self.bytes.len() * 8).then_some(())
    }

    /// An Exp-Golomb code, ue(v) (ISO/IEC 14496-10 §9.1); AV1's uvlc() is the same.
    pub(super) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.read(zeros)?;
        ((1_u64 << zeros) - 1 + u64::from(rest)).try_into().ok()
    }
}

/// The payload of a NAL unit: what the bytes 00 00 03 stand for (ISO/IEC 14496-10 §7.4.1).
pub(super) fn without_emulation_prevention(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for byte in nal {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_and_codes_are_read_in_order() {
        // 1 | 010 | 011 | 00100 | 1010 and the end
        let bytes = [0b1010_0110, 0b0100_1010];
        let mut bits = Bits::new(&bytes);
        let codes: Vec<_> = (0..4).map(|_| bits.exp_golomb()).collect();
        assert_eq!(codes, [Some(0), Some(1), Some(2), Some(3)]);
        assert_eq!((bits.read(4), bits.read(1)), (Some(0b1010), None));
        assert_eq!(Bits::new(&[0; 8]).exp_golomb(), None);
        assert_eq!(Bits::new(&[1]).skip(9), None);
    }

    #[test]
    fn emulation_prevention_is_undone() {
        assert_eq!(
            without_emulation_prevention(&[1, 0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3]),
            [1, 0, 0, 1, 0, 0, 0, 0, 3]
        );
    }
}
