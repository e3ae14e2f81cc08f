//! Start codes of video: where there can be none.

/// Whether two zeros follow each other anywhere, as in every start code (ITU-T H.264, B.1.1).
#[inline(never)]
pub fn has_zeros(bytes: &[u8]) -> bool {
    // No branch inside, so that many bytes are looked at at a time.
    let after = bytes.get(1..).unwrap_or_default();
    bytes
        .iter()
        .zip(after)
        .fold(u8::MAX, |least, (a, b)| least.min(a | b))
        == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_found_wherever_they_are() {
        for length in 0..70 {
            let mut bytes = vec![1; length];
            assert!(!has_zeros(&bytes));
            for at in 1..length {
                bytes[at] = 0;
                assert!(!has_zeros(&bytes));
                bytes[at - 1] = 0;
                assert!(has_zeros(&bytes), "{length} {at}");
                (bytes[at], bytes[at - 1]) = (1, 1);
            }
        }
    }
}
