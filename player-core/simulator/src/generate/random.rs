//! Chance from a seed: the same everywhere.

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    /// A stream of its own for each key.
    pub fn of(key: &[u64]) -> Self {
        let mut rng = Self(0);
        for part in key {
            rng.0 ^= part;
            rng.0 = rng.next();
        }
        rng
    }

    /// 64 random bits.
    #[allow(clippy::should_implement_trait, reason = "it has no end")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal (Box and Muller, 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(1.0 - self.uniform())).sqrt();
        radius * libm::cos(std::f64::consts::TAU * self.uniform())
    }
}

/// FNV-1a: `Hash` of the standard library may change.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_and_normal_have_their_moments() {
        let mut rng = Rng::of(&[1, 2]);
        let n = 100_000;
        let mean = |values: &[f64]| values.iter().sum::<f64>() / f64::from(n);
        let uniform: Vec<_> = (0..n).map(|_| rng.uniform()).collect();
        assert!(uniform.iter().all(|u| (0.0..1.0).contains(u)));
        assert!((mean(&uniform) - 0.5).abs() < 0.005);
        let normal: Vec<_> = (0..n).map(|_| rng.normal()).collect();
        assert!(mean(&normal).abs() < 0.015);
        let squares: Vec<_> = normal.iter().map(|z| z * z).collect();
        assert!((mean(&squares) - 1.0).abs() < 0.02);
    }

    #[test]
    fn each_key_has_its_own_stream() {
        let first = |key: &[u64]| Rng::of(key).next();
        let keys = [first(&[1, 2]), first(&[2, 1]), first(&[1, 3]), first(&[0, 2])];
        for (i, a) in keys.iter().enumerate() {
            assert!(keys.iter().skip(i + 1).all(|b| a != b));
        }
        // The published test vector of FNV-1a.
        assert_eq!(hash("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
