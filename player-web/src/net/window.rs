//! Which bytes of a response are wanted.

use std::ops::Range;

use player_core::input::NetworkFailure;
use player_core::time::ByteRange;

/// Cuts the wanted range out of the bytes that arrive, and bounds them.
///
/// A server may answer a range request with the whole resource and status 200 (RFC 9110, 14.2).
#[derive(Debug)]
pub(super) struct Window {
    /// Bytes to pass over before the range.
    skip: u64,
    /// Bytes of the range that have not arrived; `None` reads to the end.
    left: Option<u64>,
    taken: u64,
    max: u64,
}

impl Window {
    pub(super) fn new(range: Option<ByteRange>, status: u16, max: u64) -> Self {
        match range {
            Some(ByteRange { offset, length }) if status == 200 => Self {
                skip: offset,
                left: Some(length),
                taken: 0,
                max,
            },
            _ => Self {
                skip: 0,
                left: None,
                taken: 0,
                max,
            },
        }
    }

    /// The part of the next `length` bytes that is wanted.
    pub(super) fn admit(&mut self, length: u32) -> Result<Range<u32>, NetworkFailure> {
        let skipped = u64::from(length).min(self.skip);
        self.skip -= skipped;
        let mut wanted = u64::from(length) - skipped;
        if let Some(left) = &mut self.left {
            wanted = wanted.min(*left);
            *left -= wanted;
        }
        self.taken += wanted;
        if self.taken > self.max {
            return Err(NetworkFailure::TooLarge);
        }
        // Both fit: they are at most `length`.
        Ok(skipped as u32..(skipped + wanted) as u32)
    }

    /// Nothing that still comes is wanted.
    pub(super) fn is_satisfied(&self) -> bool {
        self.left == Some(0)
    }

    pub(super) fn taken(&self) -> u64 {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Option<ByteRange> = Some(ByteRange {
        offset: 10,
        length: 5,
    });

    #[test]
    fn a_partial_response_is_taken_as_it_is() {
        let mut window = Window::new(RANGE, 206, 100);
        assert_eq!(window.admit(5), Ok(0..5));
        assert!(!window.is_satisfied());
    }

    #[test]
    fn a_whole_response_to_a_range_request_is_cut() {
        let mut window = Window::new(RANGE, 200, 100);
        assert_eq!(window.admit(8), Ok(8..8));
        assert_eq!(window.admit(4), Ok(2..4));
        assert!(!window.is_satisfied());
        assert_eq!(window.admit(8), Ok(0..3));
        assert!(window.is_satisfied());
        assert_eq!(window.taken(), 5);
    }

    #[test]
    fn only_wanted_bytes_count_against_the_bound() {
        let mut window = Window::new(RANGE, 200, 5);
        assert_eq!(window.admit(1000), Ok(10..15));
        let mut window = Window::new(None, 200, 5);
        assert_eq!(window.admit(5), Ok(0..5));
        assert_eq!(window.admit(1), Err(NetworkFailure::TooLarge));
    }
}
