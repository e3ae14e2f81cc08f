//! From the 33 bits of a timestamp to one timeline without end or jumps.

use crate::warnings::Warnings;

/// Ticks after which timestamps start over.
const WRAP: i64 = 1 << 33;
/// What lies farther from the time before, ticks, is a jump.
const JUMP: i64 = 90_000 * 10;
/// So far a stream may go back, ticks; farther is a jump.
const BACK: i64 = 90_000;
/// A jump continues this much after what was before, ticks: a frame.
const FRAME: i64 = 3003;
/// Timelines in a segment that are told apart.
const MAX_OFFSETS: usize = 8;

/// The clock of a program.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// The last timestamp of any stream, past its 33 bits.
    raw: Option<i64>,
    /// The same on the timeline of the output, within the segment.
    last: Option<i64>,
    /// From timestamps to the timeline: one more with each jump.
    offsets: Vec<i64>,
}

/// One stream's place on it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Place {
    offset: i64,
    last: Option<i64>,
}

impl Clock {
    /// A segment begins. One that does not go on from the one before begins where its timestamps say.
    pub(crate) fn begin(&mut self, continuous: bool) {
        if !continuous {
            *self = Self::default();
        }
        self.last = None;
    }

    /// Where a stream begins that has no place yet.
    pub(crate) fn place(&self) -> Place {
        Place {
            offset: self.offsets.last().copied().unwrap_or(0),
            last: None,
        }
    }

    /// A timestamp of what is no frame: it lies near the last one that was.
    pub(crate) fn near(&self, stamp: u64) -> i64 {
        nearest(stamp, self.raw) + self.offsets.last().copied().unwrap_or(0)
    }

    /// The timeline was moved by one turn of the timestamps.
    pub(crate) fn lift(&mut self) {
        self.raw = self.raw.map(|raw| raw + WRAP);
    }

    /// The decoding time of a stream's next frame, on the timeline.
    pub(crate) fn next(&mut self, place: &mut Place, stamp: u64, warnings: &mut Warnings) -> i64 {
        let raw = nearest(stamp, self.raw);
        self.raw = Some(raw);
        let Self { last, offsets, .. } = self;
        let fits = |offset: i64| {
            let time = raw + offset;
            last.is_none_or(|last| (time - last).abs() <= JUMP)
                && place.last.is_none_or(|last| time >= last - BACK)
        };
        if !fits(place.offset) {
            let known = offsets
                .iter()
                .rev()
                .chain([&0])
                .copied()
                .find(|offset| fits(*offset));
            place.offset = known.unwrap_or_else(|| {
                warnings.add("timestamps jump inside the segment: it is played on as if they did not");
                let before = place.last.or(*last).unwrap_or(raw);
                if offsets.len() == MAX_OFFSETS {
                    offsets.remove(0);
                }
                offsets.push(before + FRAME - raw);
                before + FRAME - raw
            });
        }
        let time = raw + place.offset;
        *last = Some(time);
        place.last = Some(time);
        time
    }
}

/// Of the times that a timestamp may stand for, the one nearest to another time.
fn nearest(stamp: u64, to: Option<i64>) -> i64 {
    let stamp = (stamp % WRAP as u64) as i64;
    match to {
        None => stamp,
        Some(to) => {
            let ahead = (stamp - to).rem_euclid(WRAP);
            to + if ahead < WRAP / 2 { ahead } else { ahead - WRAP }
        }
    }
}

/// A time on the timeline for another timestamp of the same frame.
pub(crate) fn beside(time: i64, stamp: u64, of: u64) -> i64 {
    let ahead = (stamp as i64 - of as i64).rem_euclid(WRAP);
    time + if ahead < WRAP / 2 { ahead } else { ahead - WRAP }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: u64 = (1 << 33) - 900;

    fn run(stamps: &[u64]) -> (Vec<i64>, usize) {
        let (mut clock, mut warnings) = (Clock::default(), Warnings::default());
        clock.begin(false);
        let mut place = clock.place();
        let times = stamps
            .iter()
            .map(|stamp| clock.next(&mut place, *stamp, &mut warnings))
            .collect();
        (times, warnings.into_text().len())
    }

    #[test]
    fn timestamps_that_start_over_go_on() {
        let top = TOP as i64;
        assert_eq!(
            run(&[TOP, TOP + 450, 0, 2100, TOP + 899]),
            (vec![top, top + 450, top + 900, top + 3000, top + 899], 0)
        );
        assert_eq!((beside(5, 3, TOP), beside(5, TOP, 3)), (908, -898));
    }

    #[test]
    fn a_jump_is_played_on_and_told() {
        let far = 90_000 * 5000;
        assert_eq!(run(&[0, 3003, far, far + 3003]), (vec![0, 3003, 6006, 9009], 1));
        assert_eq!(run(&[far, 3003]), (vec![far as i64, far as i64 + 3003], 1));
        // A frame or two that are late are not one.
        assert_eq!(run(&[9009, 3003]), (vec![9009, 3003], 0));
    }

    #[test]
    fn streams_jump_alike_although_not_at_once() {
        let (mut clock, mut warnings) = (Clock::default(), Warnings::default());
        let (mut pictures, mut sound) = (clock.place(), clock.place());
        let far = 90_000 * 1000;
        let mut step = |place: &mut Place, stamp| clock.next(place, stamp, &mut warnings);
        assert_eq!((step(&mut pictures, 9000), step(&mut sound, 8000)), (9000, 8000));
        assert_eq!(step(&mut pictures, far), 12_003);
        // Still from before the jump.
        assert_eq!(step(&mut sound, 10_000), 10_000);
        assert_eq!(step(&mut sound, far), 12_003);
        assert_eq!(warnings.into_text().len(), 1);
    }

    #[test]
    fn the_next_segment_is_near_the_last_only_if_it_goes_on() {
        let mut clock = Clock::default();
        let mut warnings = Warnings::default();
        for (continuous, time) in [(false, TOP as i64), (true, TOP as i64 + 900 + 5), (false, 5)] {
            clock.begin(continuous);
            let mut place = clock.place();
            let stamp = if time == TOP as i64 { TOP } else { 5 };
            assert_eq!(clock.next(&mut place, stamp, &mut warnings), time);
        }
    }
}
