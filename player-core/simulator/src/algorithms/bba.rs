//! BBA: the buffer level says the rate.
//!
//! Huang, Johari, McKeown, Trunnell, Watson: *A Buffer-Based Approach to Rate Adaptation: Evidence from a Large Video
//! Streaming Service*, SIGCOMM 2014. The paper's buffer holds 240 s; here its parts are scaled to the buffer at hand.
//!
//! - **BBA-0** (section 4): reservoir 90/240 and cushion 126/240 of the buffer; between them the rate rises in a line from
//!   the lowest to the highest, and it changes only when the line passes the next rate above or below.
//! - **BBA-2** (sections 5 and 6): by the sizes of the next segment instead of nominal rates; reservoir of two segments (the
//!   paper's lower limit), cushion up to 90% of the buffer; until the map asks for more or the buffer shrinks, a start-up
//!   phase steps up once a segment if the buffer grew by more than 0.875 of a segment (empty) to 0.5 (cushion full).

use player_core::Bitrate;
use player_core::abr::{Abr, Context, Download, Flight, Progress};

use super::samples::{Sample, bitrate};

/// Reservoir and cushion of BBA-0 as shares of the buffer.
const RESERVOIR: f64 = 90.0 / 240.0;
const CUSHION: f64 = 126.0 / 240.0;
/// Reservoir of BBA-2, in segments.
const RESERVOIR_SEGMENTS: f64 = 2.0;
/// End of the cushion of BBA-2 as a share of the buffer.
const CUSHION_END: f64 = 0.9;
/// Growth of the buffer, in segments, that lets the start-up phase step up: with an empty buffer, with a full cushion.
const STARTUP_GROWTH: (f64, f64) = (0.875, 0.5);

/// Where the buffer is on the map: 0 in the reservoir, 1 from the end of the cushion on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Level {
    Reservoir,
    Cushion(f64),
    Full,
}

impl Level {
    fn of(buffer_s: f64, reservoir_s: f64, end_s: f64) -> Self {
        if buffer_s <= reservoir_s {
            Self::Reservoir
        } else if buffer_s >= end_s {
            Self::Full
        } else {
            Self::Cushion((buffer_s - reservoir_s) / (end_s - reservoir_s))
        }
    }

    const fn share(self) -> f64 {
        match self {
            Self::Reservoir => 0.0,
            Self::Cushion(share) => share,
            Self::Full => 1.0,
        }
    }
}

/// The paper's algorithm 1: `rate` is what a rung needs, in bit/s.
fn mapped(context: &Context<'_>, level: Level, last: usize, rate: impl Fn(usize) -> f64) -> usize {
    let highest = context.ladder.len().saturating_sub(1);
    let nominal = |rung: usize| context.ladder.get(rung).map_or(0.0, |r| r.bitrate.as_f64());
    let share = match level {
        Level::Reservoir => return 0,
        Level::Full => return highest,
        Level::Cushion(share) => share,
    };
    let allowed = nominal(0) + share * (nominal(highest) - nominal(0));
    if allowed >= rate((last + 1).min(highest)) {
        (0..=highest).rfind(|rung| rate(*rung) <= allowed).unwrap_or(0)
    } else if allowed <= rate(last.saturating_sub(1)) {
        (0..=highest)
            .find(|rung| rate(*rung) >= allowed)
            .unwrap_or(highest)
    } else {
        last
    }
}

/// BBA-0.
#[derive(Clone, Debug, Default)]
pub(super) struct Bba0 {
    bps: Option<f64>,
}

impl Abr for Bba0 {
    fn name(&self) -> &str {
        "bba0"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, download: &Download) {
        self.bps = Sample::of(download).map(|sample| sample.bps()).or(self.bps);
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let Some(last) = context.last else { return 0 };
        let reservoir_s = RESERVOIR * context.buffer_max_s;
        let level = Level::of(
            context.buffer_s,
            reservoir_s,
            reservoir_s + CUSHION * context.buffer_max_s,
        );
        let nominal = |rung: usize| context.ladder.get(rung).map_or(0.0, |r| r.bitrate.as_f64());
        mapped(context, level, last, nominal)
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.bps.map(bitrate)
    }
}

/// BBA-2.
#[derive(Clone, Debug)]
pub(super) struct Bba2 {
    startup: bool,
    last: Option<Sample>,
}

impl Bba2 {
    pub(super) const fn new() -> Self {
        Self {
            startup: true,
            last: None,
        }
    }
}

impl Abr for Bba2 {
    fn name(&self) -> &str {
        "bba2"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, download: &Download) {
        self.last = Sample::of(download).or(self.last);
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let Some(last) = context.last else { return 0 };
        let segment_s = context.segment_s.max(1e-3);
        let level = Level::of(
            context.buffer_s,
            RESERVOIR_SEGMENTS * segment_s,
            CUSHION_END * context.buffer_max_s,
        );
        let mapped = mapped(context, level, last, |rung| context.bits(rung, 0) / segment_s);
        let Some(sample) = self.last.filter(|_| self.startup) else {
            return mapped;
        };
        let growth = 1.0 - sample.seconds() / segment_s;
        if mapped > last || growth < 0.0 {
            self.startup = false;
            return mapped;
        }
        let needed = STARTUP_GROWTH.0 - (STARTUP_GROWTH.0 - STARTUP_GROWTH.1) * level.share();
        if growth > needed { last + 1 } else { last }
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.last.map(|sample| bitrate(sample.bps()))
    }

    fn on_seek(&mut self) {
        self.startup = true;
    }
}

#[cfg(test)]
mod tests {
    use player_core::Instant;
    use player_core::abr::{Rung, Upcoming};

    use super::*;

    struct Sizes([u64; 3]);

    impl Upcoming for Sizes {
        fn bytes(&self, rung: usize, _: usize) -> Option<u64> {
            self.0.get(rung).copied()
        }
    }

    fn choose(abr: &mut dyn Abr, buffer_s: f64, last: usize, kilobytes: [u64; 3]) -> usize {
        let ladder = [1000, 2000, 4000].map(|kbps| Rung {
            bitrate: Bitrate::from_bps(kbps * 1000),
        });
        abr.choose(&Context {
            now: Instant::ZERO,
            buffer_s,
            buffer_max_s: 40.0,
            ladder: &ladder,
            last: Some(last),
            segment_s: 2.0,
            remaining: None,
            started: true,
            upcoming: &Sizes(kilobytes.map(|k| k * 1000)),
        })
    }

    const NOMINAL: [u64; 3] = [250, 500, 1000];

    #[test]
    fn the_line_of_bba0_has_steps_that_depend_on_the_direction() {
        // Reservoir 15 s, cushion 21 s: 2 Mbit/s at 22 s, 4 Mbit/s at 36 s.
        let mut abr = Bba0::default();
        let cases = [
            (15.0, 2, 0),
            (21.9, 0, 0),
            (22.0, 0, 1),
            (22.0, 2, 1),
            (35.9, 1, 1),
            (36.0, 1, 2),
        ];
        for (buffer_s, last, expected) in cases {
            assert_eq!(
                choose(&mut abr, buffer_s, last, NOMINAL),
                expected,
                "{buffer_s} {last}"
            );
        }
        // Falling, a rung is kept until the line passes the one below.
        assert_eq!(choose(&mut abr, 22.1, 2, NOMINAL), 2);
        assert_eq!(choose(&mut abr, 15.1, 1, NOMINAL), 1);
    }

    #[test]
    fn bba2_goes_by_sizes() {
        // Reservoir 4 s, cushion to 36 s: 2 Mbit/s at 14.7 s.
        let mut abr = Bba2::new();
        assert_eq!(choose(&mut abr, 14.7, 0, NOMINAL), 1);
        assert_eq!(choose(&mut abr, 14.7, 0, [250, 600, 1000]), 0);
        assert_eq!(choose(&mut abr, 14.7, 0, [200, 300, 480]), 2);
    }

    #[test]
    fn bba2_starts_up_by_the_growth_of_the_buffer() {
        let mut abr = Bba2::new();
        let download = |ms: u64| Download {
            progress: Progress {
                at: Instant::from_micros(ms * 1000),
                requested_at: Instant::ZERO,
                first_byte_at: Instant::from_micros(1000),
                bytes: 250_000,
            },
            rung: 0,
            abandoned: false,
            cached: false,
        };
        // A segment of 2 s in 0.2 s: the buffer grows by nine tenths of it.
        abr.on_download(&download(200));
        assert_eq!(choose(&mut abr, 3.8, 0, NOMINAL), 1);
        abr.on_download(&download(300));
        assert_eq!(choose(&mut abr, 3.8, 0, NOMINAL), 0, "not fast enough");
        abr.on_download(&download(2100));
        assert_eq!(choose(&mut abr, 3.8, 1, NOMINAL), 0, "it shrinks: over");
        abr.on_download(&download(200));
        assert_eq!(choose(&mut abr, 3.8, 0, NOMINAL), 0);
    }
}
