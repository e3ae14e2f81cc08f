//! Numbers and runs of bytes taken from an input; behind its end all are zero and empty.
#![allow(dead_code, reason = "not every target takes all kinds")]

pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn u8(&mut self) -> u8 {
        self.number::<1>() as u8
    }

    pub fn flag(&mut self) -> bool {
        self.u8() & 1 == 1
    }

    pub fn u16(&mut self) -> u16 {
        self.number::<2>() as u16
    }

    pub fn u32(&mut self) -> u32 {
        self.number::<4>() as u32
    }

    pub fn u64(&mut self) -> u64 {
        self.number::<8>()
    }

    /// A number of whatever size, small ones more often.
    pub fn any(&mut self) -> u64 {
        match self.u8() {
            small @ 0..=250 => small.into(),
            251 | 252 => self.u16().into(),
            253 => self.u32().into(),
            _ => self.u64(),
        }
    }

    pub fn f64(&mut self) -> f64 {
        f64::from_bits(self.u64())
    }

    /// As many bytes as there are of `count`.
    pub fn bytes(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes with their length in two before them.
    pub fn run(&mut self) -> &'a [u8] {
        let count = self.u16();
        self.bytes(count.into())
    }

    /// Text with its length in two bytes before it.
    pub fn text(&mut self) -> String {
        String::from_utf8_lossy(self.run()).into_owned()
    }

    fn number<const BYTES: usize>(&mut self) -> u64 {
        self.bytes(BYTES)
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }
}
