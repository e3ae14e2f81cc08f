//! Cues that come more than once: one that lasts from one segment into another is in both (RFC 8216, 3.5).

use super::TextCue;
use crate::time::MediaTime;

/// Cues that are remembered; then the oldest are forgotten.
const MOST: usize = 4096;
/// Times of a cue in two segments, each rounded and mapped by the segment's own header, may differ so much, microseconds.
const TOLERANCE_US: u64 = 2000;

/// Tells cues that are new from those that have been before. Neighbours repeat cues: it remembers some thousand.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    cues: Vec<Known>,
    /// Where the next one is remembered, once there are so many.
    next: usize,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    start: MediaTime,
    end: MediaTime,
    hash: u64,
}

impl Seen {
    /// Whether a cue with these times (of the presentation), text and settings has not been asked about since [`Self::clear`].
    pub fn is_new(&mut self, cue: &TextCue) -> bool {
        let hash = hash(hash(0xcbf2_9ce4_8422_2325, &cue.settings), &cue.text);
        let (start, end) = (cue.start, cue.end);
        let is_near = |a: MediaTime, b: MediaTime| a.as_micros().abs_diff(b.as_micros()) <= TOLERANCE_US;
        let mut known = self.cues.iter();
        if known.any(|k| k.hash == hash && is_near(k.start, start) && is_near(k.end, end)) {
            return false;
        }
        let new = Known { start, end, hash };
        match self.cues.get_mut(self.next) {
            Some(oldest) => *oldest = new,
            None => self.cues.push(new),
        }
        self.next = (self.next + 1) % MOST;
        true
    }

    /// Forgets all: the renderer has none of them any more.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

/// FNV-1a, and an end that no text has.
fn hash(hash: u64, text: &str) -> u64 {
    let bytes = text.bytes().chain([0xff]);
    bytes.fold(hash, |hash, b| {
        (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cue(start: i64, text: &str) -> TextCue {
        TextCue {
            start: MediaTime::from_micros(start),
            end: MediaTime::from_micros(start + 1_000_000),
            text: text.to_owned(),
            ..TextCue::default()
        }
    }

    #[test]
    fn a_cue_is_new_once() {
        let mut seen = Seen::default();
        assert!(seen.is_new(&cue(0, "a")));
        assert!(!seen.is_new(&cue(0, "a")));
        assert!(!seen.is_new(&cue(1500, "a")));
        assert!(seen.is_new(&cue(1_000_000, "a")) && seen.is_new(&cue(0, "b")));
        let placed = TextCue {
            settings: "line:0".to_owned(),
            ..cue(0, "a")
        };
        assert!(seen.is_new(&placed) && !seen.is_new(&placed));
        // Where one text ends and the other begins counts.
        let other = TextCue {
            settings: "line:".to_owned(),
            ..cue(0, "0a")
        };
        assert!(seen.is_new(&other));
        seen.clear();
        assert!(seen.is_new(&cue(0, "a")));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut seen = Seen::default();
        for i in 0..=MOST as i64 {
            assert!(seen.is_new(&cue(i * 10_000, "a")));
        }
        assert!(!seen.is_new(&cue(10_000, "a")));
        assert!(seen.is_new(&cue(0, "a")));
        assert_eq!(seen.cues.len(), MOST);
    }
}
