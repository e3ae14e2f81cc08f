//! Randomness from a seed, for jitter and identifiers: nothing here needs to be unpredictable.

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub(crate) fn next_f64(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// UUIDv7 (RFC 9562, section 5.7): milliseconds of the wall clock, then random bits.
    pub(crate) fn uuid_v7(&mut self, wall_clock_ms: u64) -> String {
        let (a, b) = (self.next_u64(), self.next_u64());
        let ms = wall_clock_ms & 0xffff_ffff_ffff;
        format!(
            "{:08x}-{:04x}-7{:03x}-{:04x}-{:012x}",
            ms >> 16,
            ms & 0xffff,
            a & 0xfff,
            0x8000 | ((a >> 12) & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuid_v7_has_its_form() {
        // The time of RFC 9562's example: 2022-02-22 14:22:22 -05:00.
        let id = Rng::new(1).uuid_v7(0x017f_22e2_79b0);
        assert!(id.starts_with("017f22e2-79b0-7"), "{id}");
        assert_eq!(id.len(), 36);
        assert!(
            matches!(id.as_bytes().get(19), Some(b'8' | b'9' | b'a' | b'b')),
            "{id}"
        );
    }
}
