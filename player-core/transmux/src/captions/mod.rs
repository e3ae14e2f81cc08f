//! Captions inside the pictures: CEA-608 (ANSI/CTA-608-E, 47 CFR 15.119) in the SEI of AVC and HEVC (ATSC A/53 part 4).
//!
//! ```
//! use transmux::captions::{Captions, Codec};
//!
//! let mut captions = Captions::new();
//! for (time_us, nal) in [(0, [0x06, 0x80]), (33_366, [0x06, 0x80])] {
//!     captions.sei(time_us, Codec::Avc, &nal);
//! }
//! assert!(captions.end_of_segment().is_empty());
//! ```
//!
//! # What cues come of it
//!
//! Whatever is on the screen for a while is one cue, or a few if its rows do not begin in one column. When it changes, its cue ends and
//! the next one begins at the same time: at no time are two cues of one channel in the same place, and a renderer needs no other
//! rules than those of WebVTT.
//!
//! - Rows that are written on the screen (roll-up, paint-on) are shown from their first letter on as they will be, so that they do not
//!   trickle. What comes more than about a second later is another cue.
//! - **At the end of a segment** what is on the screen is cut: its cue ends at the last known time, and with the next segment another
//!   one goes on from there with the same id. Times join without a gap, so that nothing flickers; they do not overlap, so that nothing
//!   is shown twice. A consumer may lengthen the one that it has instead of adding the other, if id, text and settings are the same.
//! - Rows are lines of the renderer, counted from the nearer edge so that 15 of them and a line of margin at each end fit: sizes in
//!   percent would overlap where the renderer's lines are higher than a fifteenth of the safe area.
//!
//! Left out: text mode (T1 to T4), extended data services, flashing, the transparency of backgrounds, other character sets.

mod channel;
mod characters;
mod cues;
mod field;
mod grid;
mod sei;

use cues::Cues;
use field::Field;
use player_core::input::Caption;

/// Pictures that wait for those that are shown before them. No decoder needs to keep more.
const MAX_WAITING: usize = 32;
/// Pictures are not shown so much before others that come earlier: time has been set back, microseconds.
const SET_BACK_US: i64 = 10_000_000;

/// A video codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// AVC (H.264).
    Avc,
    /// HEVC (H.265).
    Hevc,
}

/// The captions of one stream of pictures, CC1 to CC4.
#[derive(Debug)]
pub struct Captions {
    /// In the order of time.
    waiting: Vec<Picture>,
    /// The latest time that is known.
    newest_us: Option<i64>,
    /// The time of the last picture that was read.
    read_us: i64,
    fields: [Field; 2],
    cues: Cues,
}

/// What a picture carries.
#[derive(Debug)]
struct Picture {
    time_us: i64,
    /// Field, and two bytes with parity.
    pairs: Vec<(u8, [u8; 2])>,
}

impl Default for Captions {
    fn default() -> Self {
        Self::new()
    }
}

impl Captions {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self {
            waiting: Vec::new(),
            newest_us: None,
            read_us: i64::MIN,
            fields: [
                Field::new(["CC1", "CC2"], false),
                Field::new(["CC3", "CC4"], true),
            ],
            cues: Cues::default(),
        }
    }

    /// Reads a NAL unit of type SEI, with its header and its emulation prevention bytes, of the picture that is shown at `time_us`
    /// (microseconds). NAL units come in the order of decoding. Any other is passed over.
    pub fn sei(&mut self, time_us: i64, codec: Codec, nal: &[u8]) {
        if self
            .newest_us
            .is_some_and(|newest| time_us < newest.saturating_sub(SET_BACK_US))
        {
            self.cut();
            self.forget();
        }
        self.advance(time_us);
        let mut pairs = Vec::new();
        sei::read(codec, nal, &mut |field, pair| pairs.push((field, pair)));
        if pairs.is_empty() {
            return;
        }
        // Behind those of the same time.
        let later = self
            .waiting
            .iter()
            .rev()
            .take_while(|p| p.time_us > time_us)
            .count();
        let at = self.waiting.len() - later;
        self.waiting.insert(at, Picture { time_us, pairs });
        if self.waiting.len() > MAX_WAITING {
            let first = self.waiting.remove(0);
            self.read(&first);
        }
    }

    /// Says that pictures go on up to `time_us`, as the end of the last one: what is on the screen is known to stay until then.
    /// Pictures without SEI need not be told but for this.
    pub fn advance(&mut self, time_us: i64) {
        self.newest_us = Some(self.newest_us.map_or(time_us, |newest| newest.max(time_us)));
    }

    /// The cues since the last call, in the order of their starts. What is still on the screen ends at the latest time that is
    /// known, and goes on with the next segment.
    pub fn end_of_segment(&mut self) -> Vec<Caption> {
        self.cut();
        self.cues.take()
    }

    /// Forgets everything: what comes next has nothing to do with what was before. Cues that were not asked for are lost.
    pub fn reset(&mut self) {
        *self = Self::new();
    }

    /// Reads what waits, and ends what is on the screen.
    fn cut(&mut self) {
        for picture in core::mem::take(&mut self.waiting) {
            self.read(&picture);
        }
        let Some(now) = self.newest_us else { return };
        for field in &mut self.fields {
            field.cut(now.max(self.read_us), &mut self.cues);
        }
    }

    /// All but the cues that are to be given out.
    fn forget(&mut self) {
        let cues = core::mem::take(&mut self.cues);
        self.reset();
        self.cues = cues;
    }

    fn read(&mut self, picture: &Picture) {
        let now = picture.time_us.max(self.read_us);
        self.read_us = now;
        for field in &mut self.fields {
            field.expire(now, &mut self.cues);
        }
        for (field, pair) in &picture.pairs {
            if let Some(field) = self.fields.get_mut(usize::from(*field)) {
                field.pair(now, *pair, &mut self.cues);
            }
        }
    }
}
