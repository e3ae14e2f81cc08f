//! Boxes inside a box that is in memory (ISO/IEC 14496-12, 4.2), and the numbers in them.

/// Bytes, most significant first.
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

/// The boxes of a body, type and body each, up to the first that cannot be.
pub(crate) struct Boxes<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn slice(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.take().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    /// A number of 64 bits, or of 32 in version 0 of a box.
    pub(crate) fn wide(&mut self, version: u8) -> Option<u64> {
        if version == 0 {
            self.u32().map(u64::from)
        } else {
            self.u64()
        }
    }

    /// Version and flags of a full box.
    pub(crate) fn full(&mut self) -> Option<(u8, u32)> {
        let word = self.u32()?;
        Some(((word >> 24) as u8, word & 0xff_ffff))
    }
}

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut cursor = Cursor(self.0);
        let (small, kind) = (cursor.u32()?, cursor.take::<4>()?);
        let size = match small {
            0 => self.0.len(),
            1 => usize::try_from(cursor.u64()?).ok()?,
            size => size as usize,
        };
        let header = self.0.len() - cursor.0.len();
        let body = self.0.get(header..size)?;
        self.0 = self.0.get(size..)?;
        Some((kind, body))
    }
}

/// The body of the first box of a type in a body.
pub(crate) fn find<'a>(body: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes(body)
        .find(|(found, _)| found == kind)
        .map(|(_, inside)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_end_at_what_cannot_be() {
        let kinds =
            |bytes: &[u8]| -> Vec<_> { Boxes(bytes).map(|(kind, body)| (kind[0], body.len())).collect() };
        let good = [0, 0, 0, 9, b'a', 0, 0, 0, 7, 0, 0, 0, 0, b'b', 0, 0, 0, 1, 2];
        assert_eq!(kinds(&good), [(b'a', 1), (b'b', 2)]);
        for size in [2, 7, 10, 0xffff_ffff_u32] {
            let mut bytes = size.to_be_bytes().to_vec();
            bytes.extend(*b"aaaa");
            bytes.push(0);
            assert_eq!(kinds(&bytes), [], "{size}");
        }
        let mut large = vec![0, 0, 0, 1, b'a', 0, 0, 0];
        for (size, found) in [(17, vec![(b'a', 1)]), (15, vec![]), (u64::MAX, vec![])] {
            large.truncate(8);
            large.extend(u64::to_be_bytes(size));
            large.push(0);
            assert_eq!(kinds(&large), found, "{size}");
        }
        assert_eq!(find(&good, b"b\0\0\0"), Some([1, 2].as_slice()));
    }
}
