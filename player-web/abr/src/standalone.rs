//! An algorithm with the little that a player does around it.

use core::time::Duration;

use player_core::abr::{self, Abr, Context, Flight, NetworkMemory, Progress};
use player_core::config::AbrConfig;
use player_core::{Bitrate, Instant};

use crate::clock::Clock;
use crate::ladder::Ladder;
use crate::segments::{Ahead, Segments};

/// What a choice may rest on is at most this, seconds; a day, for a float's sake.
const MAX_S: f64 = 86_400.0;
/// Used where the caller does not say how much it buffers, seconds.
const BUFFER_MAX_S: f64 = 30.0;
/// Used where a segment's duration is no duration, seconds.
const SEGMENT_S: f64 = 4.0;

/// What it is made with.
pub type Settings = AbrConfig;

/// The moment of a question. All numbers may be anything.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// Now, milliseconds on the caller's clock.
    pub at_ms: f64,
    /// Media ahead of the playhead, seconds.
    pub buffer_s: f64,
    /// What the buffer is filled up to, seconds; not a number = 30.
    pub buffer_max_s: f64,
    /// Duration of the segment in question, seconds.
    pub segment_s: f64,
    /// The caller's index of the rendition before.
    pub last: Option<usize>,
    /// Segments left including this one; not a number = no end in sight.
    pub remaining: f64,
    /// Playback has begun; unknown = once something was downloaded.
    pub started: Option<bool>,
    /// The segment's number in the tables of sizes and qualities; not a number = unknown.
    pub number: f64,
}

/// The end of a download. All numbers may be anything; times that are none are those of the request in flight.
#[derive(Clone, Copy, Debug)]
pub struct Download {
    /// When it ended, milliseconds on the caller's clock.
    pub at_ms: f64,
    /// When it was requested.
    pub requested_at_ms: f64,
    /// When its first byte came.
    pub first_byte_at_ms: f64,
    /// Its bytes.
    pub bytes: f64,
    /// The caller's index of its rendition.
    pub index: Option<usize>,
    /// It came from a cache.
    pub cached: bool,
    /// It was given up.
    pub abandoned: bool,
}

/// An algorithm, its ladder, its clock, and the request in flight.
pub struct Standalone {
    abr: Box<dyn Abr>,
    settings: Settings,
    clock: Clock,
    ladder: Ladder,
    segments: Segments,
    request: Option<Request>,
    started: bool,
}

/// The request in flight.
#[derive(Clone, Copy, Debug)]
struct Request {
    requested_at: Instant,
    first_byte_at: Option<Instant>,
    bytes: u64,
    /// The caller's.
    index: Option<usize>,
}

impl core::fmt::Debug for Standalone {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Standalone")
            .field("abr", &self.abr.name())
            .finish_non_exhaustive()
    }
}

impl Standalone {
    /// With an empty ladder.
    pub fn new(settings: Settings) -> Self {
        Self {
            abr: abr::from_config(&settings),
            settings,
            clock: Clock::default(),
            ladder: Ladder::default(),
            segments: Segments::default(),
            request: None,
            started: false,
        }
    }

    /// The renditions, in any order: bit/s, and lines where they are known (0 = not). What was learnt of the network stays;
    /// tables of segments do not.
    pub fn set_ladder(&mut self, bitrates: &[f64], heights: &[f64]) {
        self.ladder = Ladder::new(bitrates, heights, &self.settings);
        self.segments = Segments::default();
    }

    /// Forgets the tables of segments; those that follow begin with segment number `first`.
    pub fn set_first_segment(&mut self, first: f64) {
        self.segments = Segments::from(first);
    }

    /// Sizes of a rendition's segments, bytes; what is no number or not above zero is unknown.
    pub fn set_segment_bytes(&mut self, index: usize, bytes: &[f64]) {
        self.segments.set_bytes(index, bytes);
    }

    /// Qualities of a rendition's segments, 0 to 100; what is no number is unknown.
    pub fn set_segment_quality(&mut self, index: usize, quality: &[f64]) {
        self.segments.set_quality(index, quality);
    }

    /// A media request goes out.
    pub fn on_request(&mut self, at_ms: f64, index: Option<usize>) {
        self.request = Some(Request {
            requested_at: self.clock.tell(at_ms),
            first_byte_at: None,
            bytes: 0,
            index,
        });
    }

    /// So many bytes of it have come, and the first of them came at `first_byte_at_ms`; not a number = now.
    pub fn on_progress(&mut self, at_ms: f64, bytes: f64, first_byte_at_ms: f64) {
        let at = self.clock.tell(at_ms);
        let first_byte_at = self.clock.at(first_byte_at_ms).unwrap_or(at);
        let Some(request) = &mut self.request else { return };
        request.bytes = whole(bytes);
        if request.bytes > 0 || first_byte_at_ms.is_finite() {
            let first_byte_at = *request.first_byte_at.get_or_insert(first_byte_at);
            self.abr.on_progress(&Progress {
                at,
                requested_at: request.requested_at,
                first_byte_at,
                bytes: request.bytes,
            });
        }
    }

    /// A media request has ended, the one in flight or one of which nothing was said before.
    pub fn on_download(&mut self, download: &Download) {
        let at = self.clock.tell(download.at_ms);
        let told = self.clock.at(download.requested_at_ms);
        let own = |request: &Request| told.is_none_or(|at| at == request.requested_at);
        let request = self.request.take_if(|request| own(request));
        let requested_at = told.or(request.map(|r| r.requested_at)).unwrap_or(at);
        let first_byte_at = self
            .clock
            .at(download.first_byte_at_ms)
            .or(request.and_then(|r| r.first_byte_at))
            .unwrap_or(requested_at);
        let index = download.index.or(request.and_then(|r| r.index));
        self.abr.on_download(&abr::Download {
            progress: Progress {
                at,
                requested_at,
                first_byte_at,
                bytes: if download.bytes.is_nan() {
                    request.map_or(0, |r| r.bytes)
                } else {
                    whole(download.bytes)
                },
            },
            rung: index.and_then(|index| self.ladder.rung(index)).unwrap_or(0),
            abandoned: download.abandoned,
            cached: download.cached,
        });
        self.started |= !download.abandoned;
    }

    /// The caller's index of the rendition to request next; `None` without a ladder.
    pub fn choose(&mut self, moment: &Moment) -> Option<usize> {
        let now = self.clock.tell(moment.at_ms);
        let (context, abr) = self.context(moment, now);
        if context.rungs.is_empty() {
            return None;
        }
        let rung = abr.choose(&context.as_context());
        self.ladder.caller(rung)
    }

    /// The caller's index of a lower rendition for which the request in flight should be given up.
    pub fn abandon(&mut self, moment: &Moment, total_bytes: f64) -> Option<usize> {
        let at = self.clock.tell(moment.at_ms);
        let request = self.request.filter(|_| self.settings.abandonment)?;
        let rung = self.ladder.rung(request.index?)?;
        let (context, abr) = self.context(moment, at);
        let flight = Flight {
            progress: Progress {
                at,
                requested_at: request.requested_at,
                first_byte_at: request.first_byte_at.unwrap_or(at),
                bytes: request.bytes,
            },
            rung,
            total_bytes: (total_bytes > 0.0).then(|| whole(total_bytes)),
        };
        let lower = abr.abandon(&context.as_context(), &flight)?;
        self.ladder.caller(lower)
    }

    /// What it reckons the network to carry.
    pub fn estimate(&self) -> Option<Bitrate> {
        self.abr.estimate()
    }

    /// The playhead jumped.
    pub fn on_seek(&mut self) {
        self.abr.on_seek();
    }

    /// What it has learnt of the network.
    pub fn memory(&self) -> Option<NetworkMemory> {
        self.abr.memory()
    }

    /// What was learnt `age_ms` ago. False if that cannot have been learnt.
    pub fn recall(&mut self, kbps: f64, spread: f64, age_ms: f64) -> bool {
        let sane = kbps.is_finite() && kbps > 0.0 && spread.is_finite() && spread >= 0.0 && age_ms >= 0.0;
        if sane {
            let memory = NetworkMemory {
                kbps,
                spread,
                unix_ms: 0,
            };
            self.abr.recall(&memory, Duration::from_millis(age_ms as u64));
        }
        sane
    }

    fn context(&mut self, moment: &Moment, now: Instant) -> (Asked<'_>, &mut dyn Abr) {
        let asked = Asked {
            now,
            moment: *moment,
            rungs: self.ladder.rungs(),
            last: moment.last.and_then(|index| self.ladder.rung(index)),
            started: moment.started.unwrap_or(self.started),
            upcoming: Ahead {
                segments: &self.segments,
                ladder: &self.ladder,
                number: moment.number,
            },
        };
        (asked, &mut *self.abr)
    }
}

/// A moment with what is known besides.
struct Asked<'a> {
    now: Instant,
    moment: Moment,
    rungs: &'a [abr::Rung],
    last: Option<usize>,
    started: bool,
    upcoming: Ahead<'a>,
}

impl Asked<'_> {
    fn as_context(&self) -> Context<'_> {
        let or = |seconds: f64, default: f64| {
            if seconds > 0.0 {
                seconds.min(MAX_S)
            } else {
                default
            }
        };
        Context {
            now: self.now,
            buffer_s: or(self.moment.buffer_s, 0.0),
            buffer_max_s: or(self.moment.buffer_max_s, BUFFER_MAX_S),
            ladder: self.rungs,
            last: self.last,
            segment_s: or(self.moment.segment_s, SEGMENT_S),
            remaining: (self.moment.remaining >= 0.0 && self.moment.remaining.is_finite())
                .then_some(self.moment.remaining as usize),
            started: self.started,
            upcoming: &self.upcoming,
        }
    }
}

/// Bytes; what is no number is none.
fn whole(bytes: f64) -> u64 {
    // Up to here a float counts every byte; no segment is larger.
    const MAX: f64 = 9_007_199_254_740_992.0;
    bytes.clamp(0.0, MAX) as u64
}
