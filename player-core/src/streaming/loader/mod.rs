//! One kind of media: which segment comes next, in which rendition, and what its source buffer holds.

mod feed;
mod fetch;
mod piece;

pub(crate) use feed::{Extras, Text};

use self::piece::Extent;
use std::collections::VecDeque;

use core::time::Duration;

use super::context::Cx;
use super::keys::Cipher;
use super::listed::End;
use super::requests::JobId;
use super::shared::Shared;
use super::slots::{Slots, TOLERANCE, Wanted};
use crate::error::PlayerError;
use crate::input::{Prepared, RequestId, TrackKind};
use crate::media::fmp4::Facts;
use crate::output::Output;
use crate::time::{Instant, MediaTime, TimeRange};

/// Segment duration to reckon with while no index is known, seconds.
const UNKNOWN_SEGMENT_S: f64 = 4.0;
/// How often a download is looked at, if nothing is heard of it.
const ABANDON_CHECK: Duration = Duration::from_millis(250);
/// Evict only when this much has gathered, so that it is not done all the time.
const EVICT_AT_ONCE: MediaTime = MediaTime::from_millis(10_000);
/// How often a segment that does not come is begun again one after the other, while there is a network.
const MAX_BEGUN_AGAIN: u32 = 5;
/// Segments that are passed over one after the other, because no rendition has them, before it counts as fatal.
const MAX_SKIPPED: u32 = 10;
/// Initialization sections that are kept, though nothing waits for them.
const MAX_INITS: usize = 24;
/// Holes that are remembered.
const MAX_HOLES: usize = 64;
/// After a seek what was missing so far from where it leads may be asked for again.
const FORGIVEN: MediaTime = MediaTime::from_millis(10_000);
/// How often a segment that should be there by the clock is asked for before it counts as missing.
const MAX_EARLY: u32 = 8;
/// So many segments from the edge may not be there yet.
const SEGMENTS_AT_EDGE: f64 = 3.0;
/// Appends that fail one after the other before it counts as fatal.
const MAX_APPEND_FAILURES: u32 = 10;
/// What is about to be shown is not replaced any more.
const REPLACE_AHEAD: MediaTime = MediaTime::from_millis(1000);

/// What the session tells its loaders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Env {
    pub(crate) position: MediaTime,
    /// Media seconds a second; zero while the playhead stands.
    pub(crate) speed: f64,
    pub(crate) started: bool,
    /// Nothing that starts later than this may be fetched yet.
    pub(crate) not_after: Option<MediaTime>,
    /// This loader's downloads teach the ABR and are chosen by it.
    pub(crate) main: bool,
    /// The first loader has everything that it will ever have.
    pub(crate) main_done: bool,
    /// It is known where playback begins.
    pub(crate) settled: bool,
    /// Only the beginning is fetched.
    pub(crate) preloading: bool,
}

/// A stretch of the buffer and the rendition it is of.
#[derive(Clone, Copy, Debug)]
struct Placed {
    range: TimeRange,
    rendition: usize,
}

/// A segment that has arrived and waits to be appended.
#[derive(Clone, Debug)]
struct Pending {
    request: RequestId,
    rendition: usize,
    init: Option<usize>,
    range: TimeRange,
    cipher: Option<Cipher>,
    discontinuity: u64,
    stage: Stage,
    facts: Option<Box<Facts>>,
    /// Bytes that the source buffer has got already,
    fed: u64,
    /// of so many.
    length: u64,
    /// Of text: its bytes,
    body: Vec<u8>,
    /// and where they are from.
    url: String,
}

#[derive(Clone, Debug)]
enum Stage {
    /// It is what a source buffer takes.
    Ready,
    /// It must be made into that,
    Raw,
    /// which is being done,
    Preparing,
    /// or has been done.
    Prepared(Box<Prepared>),
}

/// The segment being fetched.
#[derive(Clone, Debug)]
pub(crate) struct Flight {
    pub(crate) job: JobId,
    pub(crate) rendition: usize,
    pub(crate) range: TimeRange,
    init: Option<usize>,
    bytes: Option<u64>,
    cipher: Option<Cipher>,
    discontinuity: u64,
    /// What it begins with, once it is here: then the rest may be appended as it comes.
    head: Option<Box<Facts>>,
    /// Bytes that the source buffer has got already.
    fed: u64,
    extent: Extent,
    /// Of a part that was announced: its URL.
    url: String,
    /// Of what is sent as it is made: where the last chunk that is here ends.
    chunks_end: u64,
}

impl Flight {
    /// It fetches what is there.
    fn is_of(&self, url: &str) -> bool {
        self.url == url
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Busy {
    /// The beginning of a segment, from this byte on.
    Beginning(u64),
    Init(usize, usize),
    Remove,
    /// [`Loader::retract`].
    Retract,
    Segment,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Loader {
    pub(crate) kind: TrackKind,
    pub(crate) slots: Slots,
    /// Nothing of it is played: subtitles that are off.
    pub(crate) idle: bool,
    /// Captions are taken out of its pictures.
    pub(crate) captions: bool,
    /// What went wrong since it was asked last.
    pub(crate) trouble: Vec<PlayerError>,
    mime: Option<String>,
    next: MediaTime,
    choice: Option<usize>,
    pub(crate) flight: Option<Flight>,
    queue: VecDeque<Pending>,
    busy: Option<Busy>,
    appended_init: Option<(usize, usize)>,
    buffered: Vec<TimeRange>,
    placed: VecDeque<Placed>,
    last: Option<usize>,
    /// The next segment does not follow the last one: between the two there is no change of quality to be seen.
    jumped: bool,
    goal_scale: f64,
    hold_until: Option<Instant>,
    /// Appends that failed one after the other.
    append_failures: u32,
    reset: bool,
    done: bool,
    /// What was removed last from the source buffer because it was long past ended here.
    evicted: Option<MediaTime>,
    /// What the source buffer holds from here on is to be removed first.
    retracted: Option<MediaTime>,
    /// Segments that were passed over since the last one that arrived.
    skipped: u32,
    begun_again: u32,
    /// The next segment was asked for before it was there: how often, and when it is tried again.
    early: (u32, Option<Instant>),
    /// Where nothing will be to be played of what was passed over, in order.
    holes: VecDeque<TimeRange>,
    /// The segment that was prepared last: its rendition, its discontinuity, and where it ended.
    prepared: Option<(usize, u64, MediaTime)>,
    /// The type of what was prepared last.
    prepared_mime: String,
    /// The last part that was fetched was not listed yet: its rendition, and where it will be in the list.
    announced: Option<(usize, End)>,
    /// What follows from the wall clock is still being made.
    is_growing: bool,
}

impl Loader {
    pub(crate) fn new(kind: TrackKind, start: MediaTime) -> Self {
        Self {
            kind,
            slots: Slots::new(),
            idle: kind == TrackKind::Text,
            captions: false,
            trouble: Vec::new(),
            mime: None,
            next: start,
            choice: None,
            flight: None,
            queue: VecDeque::new(),
            busy: None,
            appended_init: None,
            buffered: Vec::new(),
            placed: VecDeque::new(),
            last: None,
            jumped: false,
            goal_scale: 1.0,
            hold_until: None,
            append_failures: 0,
            reset: false,
            done: false,
            evicted: None,
            retracted: None,
            skipped: 0,
            begun_again: 0,
            early: (0, None),
            holes: VecDeque::new(),
            prepared: None,
            prepared_mime: String::new(),
            announced: None,
            is_growing: false,
        }
    }

    /// End of what has been fetched without a gap.
    pub(crate) fn next(&self) -> MediaTime {
        self.next
    }

    /// The rendition of the last segment that was asked for.
    pub(crate) fn current(&self) -> Option<usize> {
        self.flight.as_ref().map(|f| f.rendition).or(self.last)
    }

    /// Everything has been fetched.
    pub(crate) fn is_done(&self) -> bool {
        self.done || self.idle
    }

    /// Everything has been fetched and appended.
    pub(crate) fn is_finished(&self) -> bool {
        self.is_done() && self.queue.is_empty() && self.busy.is_none()
    }

    /// It has passed everything over.
    pub(crate) fn is_barren(&self) -> bool {
        !self.is_text() && self.skipped > 0 && self.buffered.is_empty() && self.placed.is_empty()
    }

    /// It has no source buffer: its cues go to the application.
    pub(crate) fn is_text(&self) -> bool {
        self.kind == TrackKind::Text
    }

    /// Media ahead of `position`, fetched or appended.
    pub(crate) fn level(&self, position: MediaTime) -> MediaTime {
        (self.next - position).max(MediaTime::ZERO)
    }

    /// Appended media ahead of `position` without a gap.
    pub(crate) fn playable(&self, position: MediaTime) -> MediaTime {
        let holds = self
            .buffered
            .iter()
            .find(|r| r.start <= position + TOLERANCE && position < r.end);
        holds.map_or(MediaTime::ZERO, |r| r.end - position)
    }

    /// Where buffered media begins after `position`, if what holds `position` ends there, or soon.
    pub(crate) fn next_start(&self, position: MediaTime, tolerance: MediaTime) -> Option<MediaTime> {
        // To the very point: an element may land before what is buffered and wait there.
        let holds = |r: &TimeRange| r.contains(position) && r.end - position > tolerance;
        if self.is_text() || self.buffered.iter().any(holds) {
            return None;
        }
        self.buffered
            .iter()
            .map(|r| r.start)
            .find(|start| *start > position)
    }

    /// The rendition at a point of the buffer.
    pub(crate) fn rendition_at(&self, position: MediaTime) -> Option<usize> {
        self.placed
            .iter()
            .rev()
            .find(|p| p.range.contains(position))
            .map(|p| p.rendition)
    }

    /// Up to where the buffer holds, from a point on, what is to be played: not what another track was chosen over.
    fn held_from(&self, from: MediaTime) -> Option<MediaTime> {
        let range = self
            .buffered
            .iter()
            .find(|r| r.start <= from + TOLERANCE && from + TOLERANCE < r.end)?;
        let limit = self.retracted.unwrap_or(MediaTime::MAX);
        let unwanted = self
            .placed
            .iter()
            .filter(|p| p.range.end > from + TOLERANCE && !self.slots.is_wanted(p.rendition))
            .map(|p| p.range.start)
            .min()
            .unwrap_or(MediaTime::MAX);
        let end = range.end.min(limit).min(unwanted);
        (end > from + TOLERANCE).then_some(end)
    }

    // Choices ----------------------------------------------------------------------------------------------------------

    /// Goes on with another track, from the playhead on: what is buffered is played until its replacement is there.
    pub(crate) fn switch(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        wanted: Wanted,
        position: MediaTime,
    ) {
        self.slots.wanted = wanted;
        self.idle = false;
        let period = shared.period_at(position);
        self.slots.enter(period);
        self.slots.limit(&cx.config.abr, &shared.limits);
        self.replace(cx, shared, position);
    }

    /// Stops to fetch subtitles.
    pub(crate) fn stop(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, position: MediaTime) {
        self.restart(cx, shared, position);
        self.idle = true;
        self.buffered.clear();
        self.placed.clear();
    }

    /// Fetches again what is ahead of the playhead and is not what should be played.
    pub(crate) fn replace(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, position: MediaTime) {
        // Pictures are replaced from a whole segment on, sound and text at once.
        let start = if self.kind == TrackKind::Video {
            let soon = position + REPLACE_AHEAD;
            let end = |p: &Placed| (p.range.contains(soon)).then_some(p.range.end);
            self.placed.iter().rev().find_map(end).unwrap_or(position)
        } else {
            position
        };
        self.restart(cx, shared, start);
    }

    /// A manifest was read again: the tracks of the period may have changed, and there may be more to fetch.
    pub(crate) fn refreshed(&mut self, cx: &Cx<'_>, shared: &Shared) {
        let period = self.slots.period();
        self.slots.enter(period);
        self.slots.limit(&cx.config.abr, &shared.limits);
        self.done = false;
    }

    /// The segment under a point is not to be had of its rendition any more.
    pub(crate) fn bar_at(&mut self, cx: &Cx<'_>, shared: &Shared, position: MediaTime) {
        let placed = self.placed.iter().rev().find(|p| p.range.contains(position));
        if let Some(Placed { range, rendition }) = placed.copied() {
            self.bar(cx, shared, rendition, range.start);
        }
    }

    // Beginnings -------------------------------------------------------------------------------------------------------

    /// It fetches its segment by this job.
    pub(crate) fn is_flying(&self, job: JobId) -> bool {
        self.flight.as_ref().is_some_and(|flight| flight.job == job)
    }

    /// It fetches by this job what was hinted at, and is not listed.
    pub(crate) fn is_announced(&self, job: JobId) -> bool {
        let mut flight = self.flight.iter().filter(|flight| flight.job == job);
        flight.any(|flight| matches!(flight.extent, Extent::Announced(_)))
    }

    /// What the segment on its way begins with is here.
    pub(crate) fn on_head(&mut self, media: Box<Facts>) {
        if let Some(flight) = &mut self.flight {
            flight.head = Some(media);
        }
    }

    /// The segment on its way comes from its first byte again.
    pub(crate) fn forget_head(&mut self) {
        if let Some(flight) = &mut self.flight {
            self.reset |= core::mem::take(&mut flight.fed) > 0;
            flight.head = None;
            flight.chunks_end = 0;
        }
    }

    // Going elsewhere --------------------------------------------------------------------------------------------------

    /// Drops everything from `start` on that is not in the source buffer, and goes on from there.
    fn restart(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, start: MediaTime) {
        if let Some(flight) = self.flight.take() {
            self.reset |= flight.fed > 0;
            shared.requests.cancel(cx, flight.job);
        }
        // The append in progress cannot be called back.
        let keep = usize::from(self.busy == Some(Busy::Segment));
        while self.queue.len() > keep {
            if let Some(pending) = self.queue.pop_back() {
                self.reset |= pending.fed > 0;
                self.let_go(cx, pending.request);
            }
        }
        self.next = start;
        self.holes.clear();
        self.early = (0, None);
        self.choice = None;
        self.done = false;
        self.prepared = None;
        self.announced = None;
    }

    /// Lets go of everything ahead of the playhead that begins with a rendition which cannot be shown, and goes on from there.
    /// True if there was something.
    pub(crate) fn retract(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, position: MediaTime) -> bool {
        let forbidden = |rendition: usize| {
            self.slots
                .get(rendition)
                .is_some_and(|s| shared.limits.is_restricted(s))
        };
        let placed = self.placed.iter().map(|p| (p.range, p.rendition));
        let queued = self.queue.iter().map(|p| (p.range, p.rendition));
        let flying = self.flight.iter().map(|f| (f.range, f.rendition));
        let start = placed
            .chain(queued)
            .chain(flying)
            .filter(|(range, rendition)| range.end > position && forbidden(*rendition))
            .map(|(range, _)| range.start.max(position))
            .min();
        let Some(start) = start else { return false };
        self.restart(cx, shared, start);
        if matches!(self.busy, Some(Busy::Segment | Busy::Beginning(_))) || self.holds_past(start) {
            self.retracted = Some(self.retracted.map_or(start, |before| before.min(start)));
        }
        true
    }

    fn holds_past(&self, start: MediaTime) -> bool {
        self.buffered.last().is_some_and(|r| r.end > start)
    }

    /// The playhead jumped: go on from there, unless what is here or on its way already leads on from there.
    pub(crate) fn seek(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, position: MediaTime, main: bool) {
        let held = self.held_from(position);
        let mut end = held.unwrap_or(position);
        let under_way = self
            .queue
            .iter()
            .map(|p| p.range)
            .chain(self.flight.as_ref().map(|f| f.range));
        for range in under_way {
            if range.start <= end + TOLERANCE && range.end > end {
                end = range.end;
            }
        }
        // Where fetching would go on by itself.
        let goes_on = self.flight.as_ref().map_or(self.next, |f| f.range.end);
        if (goes_on - end).max(end - goes_on) <= TOLERANCE {
            return;
        }
        self.restart(cx, shared, held.unwrap_or(position));
        for slot in &mut self.slots.all {
            slot.lacking
                .retain(|at| (*at - position).max(position - *at) < FORGIVEN);
        }
        // Behind what is buffered already it goes on from there.
        self.jumped = held.is_none();
        self.skipped = 0;
        if main {
            cx.abr.on_seek();
        }
    }

    /// The source is opened anew, with empty buffers: goes on from `position`.
    pub(crate) fn reopen(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, position: MediaTime) {
        self.busy = None;
        self.restart(cx, shared, position);
        self.mime = None;
        self.appended_init = None;
        self.reset = false;
        self.evicted = None;
        self.retracted = None;
        self.hold_until = None;
        self.jumped = true;
        if !self.is_text() {
            self.buffered.clear();
            self.placed.clear();
        }
    }

    /// Lets go of a response; text is not held by the driver.
    pub(super) fn let_go(&self, cx: &mut Cx<'_>, request: RequestId) {
        if !self.is_text() {
            cx.send(Output::Release { request });
        }
    }

    /// Lets go of every response that is held.
    pub(crate) fn release(&mut self, cx: &mut Cx<'_>) {
        while let Some(pending) = self.queue.pop_front() {
            self.let_go(cx, pending.request);
        }
        for slot in &mut self.slots.all {
            slot.release(cx);
        }
    }
}

/// What a source buffer distinguishes: container and codec, not profile and level.
fn family(mime: &str) -> (&str, &str) {
    let (container, codecs) = mime.split_once(';').unwrap_or((mime, ""));
    let codec = codecs.split_once('"').map_or("", |(_, c)| c);
    (container, codec.split(['.', '"']).next().unwrap_or_default())
}
