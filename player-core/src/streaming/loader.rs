//! One kind of media: which segment comes next, in which rendition, and what its source buffer holds.

use std::collections::VecDeque;

use core::time::Duration;

use super::context::{Cx, error};
use super::limits::Limits;
use super::requests::{Attempt, Job, JobId, Purpose, Requests, Work};
use super::slots::{Index, Init, Moment, Slots, TOLERANCE};
use crate::abr::{Download, Flight as AbrFlight, Progress};
use crate::cmcd::Object;
use crate::error::{ErrorKind, PlayerError};
use crate::input::{AppendFailure, RequestId, TrackKind};
use crate::media::sidx::{Progress as SidxProgress, SidxError};
use crate::output::{Append, Output};
use crate::presentation::{Resource, SegmentIndex, Track};
use crate::time::{Instant, MediaTime, TimeRange};

/// Segment duration to reckon with while no index is known, seconds.
const UNKNOWN_SEGMENT_S: f64 = 4.0;
/// How often a download is looked at, if nothing is heard of it.
const ABANDON_CHECK: Duration = Duration::from_millis(250);
/// Evict only when this much has gathered, so that it is not done all the time.
const EVICT_AT_ONCE: MediaTime = MediaTime::from_millis(10_000);
/// Appends that fail one after the other before it counts as fatal.
const MAX_APPEND_FAILURES: u32 = 3;

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
}

/// A stretch of the buffer and the rendition it is of.
#[derive(Clone, Copy, Debug)]
struct Placed {
    range: TimeRange,
    rendition: usize,
}

/// A segment that has arrived and waits to be appended.
#[derive(Clone, Copy, Debug)]
struct Pending {
    request: RequestId,
    rendition: usize,
    init: Option<usize>,
    range: TimeRange,
}

/// The segment being fetched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    pub(crate) job: JobId,
    pub(crate) rendition: usize,
    pub(crate) range: TimeRange,
    init: Option<usize>,
    bytes: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Busy {
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
    append_failures: u32,
    reset: bool,
    done: bool,
    /// What the source buffer holds from here on is to be removed first.
    retracted: Option<MediaTime>,
}

impl Loader {
    pub(crate) fn new(track: Track, start: MediaTime) -> Self {
        Self {
            kind: track.kind,
            slots: Slots::new(track),
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
            retracted: None,
        }
    }

    /// End of what has been fetched without a gap.
    pub(crate) fn next(&self) -> MediaTime {
        self.next
    }

    /// The rendition of the last segment that was asked for.
    pub(crate) fn current(&self) -> Option<usize> {
        self.flight.map(|f| f.rendition).or(self.last)
    }

    /// Everything has been fetched and appended.
    pub(crate) fn is_finished(&self) -> bool {
        self.done && self.queue.is_empty() && self.busy.is_none()
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

    /// Where buffered media begins after `position`, if `position` itself is not buffered.
    pub(crate) fn next_start(&self, position: MediaTime) -> Option<MediaTime> {
        if self.playable(position) > MediaTime::ZERO {
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

    /// Sets the type of the source buffer, once: that of the first usable rendition.
    pub(crate) fn create_buffer(&mut self, cx: &mut Cx<'_>) {
        if self.mime.is_some() {
            return;
        }
        let Some(mime) = self
            .slots
            .ladder()
            .first()
            .and_then(|i| self.slots.get(*i))
            .map(|s| s.rendition.mime())
        else {
            return;
        };
        self.mime = Some(mime.clone());
        cx.send(Output::CreateBuffer {
            kind: self.kind,
            mime,
        });
    }

    // Fetching ---------------------------------------------------------------------------------------------------------

    /// Starts what should be started; says when to look again.
    pub(crate) fn schedule(
        &mut self,
        cx: &mut Cx<'_>,
        requests: &mut Requests,
        env: &Env,
    ) -> Option<Instant> {
        // A declared gap is passed over, and a choice can fail at once: at most one round a segment or rendition.
        loop {
            if self
                .retracted
                .is_some_and(|start| self.busy.is_none() && !self.holds_past(start))
            {
                self.retracted = None;
            }
            if self.flight.is_some() || self.done || self.retracted.is_some() {
                return None;
            }
            if let Some(choice) = self.choice
                && matches!(
                    self.slots.get(choice).map(|s| &s.index),
                    Some(Index::Loading | Index::Sidx { asked: true, .. })
                )
            {
                return None;
            }
            if self
                .slots
                .any_index(self.last)
                .is_some_and(|index| self.next + TOLERANCE >= index.end())
            {
                self.done = true;
                return None;
            }
            // After a seek back what was buffered before may still be there.
            if let Some(held) = self
                .buffered
                .iter()
                .find(|r| r.start <= self.next + TOLERANCE && self.next + TOLERANCE < r.end)
            {
                self.next = held.end;
                continue;
            }
            if let Some(deadline) = self.too_early(cx, env) {
                return deadline;
            }
            let rendition = match self.choice.take().filter(|r| self.slots.ladder().contains(r)) {
                Some(rendition) => rendition,
                None => self.choose(cx, env)?,
            };
            self.follow_pathway(cx, requests, rendition);
            let object = requests.tells().then(|| self.object(rendition)).flatten();
            let slot = self.slots.get_mut(rendition)?;
            match &slot.index {
                Index::Loading => {
                    self.choice = Some(rendition);
                    return None;
                }
                Index::Unknown(url) => {
                    let resource = Resource {
                        url: url.clone(),
                        range: None,
                    };
                    slot.index = Index::Loading;
                    let kind = self.kind;
                    requests.fetch(cx, slot.work(Purpose::Playlist { kind, rendition }, resource));
                    self.choice = Some(rendition);
                    return None;
                }
                Index::Sidx { asked: true, .. } => {
                    self.choice = Some(rendition);
                    return None;
                }
                Index::Sidx { reader, .. } => {
                    let resource = Resource {
                        url: reader.url().to_owned(),
                        range: Some(reader.request()),
                    };
                    if let Index::Sidx { asked, .. } = &mut slot.index {
                        *asked = true;
                    }
                    let kind = self.kind;
                    requests.fetch(cx, slot.work(Purpose::Sidx { kind, rendition }, resource));
                    self.choice = Some(rendition);
                    return None;
                }
                Index::Ready(index) => {
                    let position = index.position_at(self.next + TOLERANCE);
                    let Some(segment) = index.get(position) else {
                        self.done = true;
                        return None;
                    };
                    if segment.gap {
                        self.next = segment.end;
                        continue;
                    }
                    let init = segment.init.filter(|i| *i < index.inits.len());
                    let missing = init.filter(|i| slot.init(*i).is_none());
                    if let (Some(i), Some(resource)) =
                        (missing, missing.and_then(|i| index.inits.get(i)).cloned())
                    {
                        let purpose = Purpose::Init {
                            kind: self.kind,
                            rendition,
                            init: i,
                        };
                        requests.fetch(cx, slot.work(purpose, resource));
                        slot.set_init(i, Init::Loading);
                    }
                    let purpose = Purpose::Segment {
                        kind: self.kind,
                        rendition,
                        start: segment.start,
                    };
                    let work = Work {
                        object,
                        ..slot.work(purpose, segment.resource)
                    };
                    let job = requests.fetch(cx, work);
                    let bytes = self.slots.bytes(rendition, position);
                    let range = TimeRange::new(segment.start, segment.end);
                    self.flight = Some(Flight {
                        job,
                        rendition,
                        range,
                        init,
                        bytes,
                    });
                    return None;
                }
            }
        }
    }

    /// Forgets the media playlist of a rendition if there is a better pathway now: it is fetched from there.
    fn follow_pathway(&mut self, cx: &Cx<'_>, requests: &Requests, rendition: usize) {
        let kind = self.kind;
        if let Some(slot) = self.slots.get_mut(rendition)
            && let (Index::Ready(_), Some(url)) = (&slot.index, &slot.playlist)
            && requests.has_moved(cx.now, kind, rendition, &slot.rendition, url)
        {
            slot.index = Index::Unknown(url.clone());
        }
    }

    /// What servers are told of the segment that comes next.
    fn object(&self, rendition: usize) -> Option<Object> {
        let slot = self.slots.get(rendition)?;
        let Index::Ready(index) = &slot.index else {
            return None;
        };
        let position = index.position_at(self.next + TOLERANCE);
        let (start, end) = index.times(position)?;
        let bandwidth = |r: &usize| self.slots.get(*r).map(|slot| slot.rendition.bandwidth);
        let mut object = Object::of(self.kind, &slot.rendition);
        let ladder = self.slots.ladder();
        for (known, r) in object
            .bitrates
            .iter_mut()
            .skip(1)
            .zip([ladder.first(), ladder.last()])
        {
            *known = r.and_then(bandwidth).unwrap_or(*known);
        }
        object.duration = end - start;
        object.next = index
            .get(position + 1)
            .map(|next| (next.resource.url, next.resource.range));
        Some(object)
    }

    /// `Some(when to look again)` if the next segment must not be fetched yet.
    fn too_early(&self, cx: &Cx<'_>, env: &Env) -> Option<Option<Instant>> {
        if env.not_after.is_some_and(|limit| self.next > limit) {
            return Some(None);
        }
        let segment = MediaTime::from_secs_f64(self.segment_s(self.next));
        let goal = self.goal(cx).max(segment + segment);
        let excess = self.level(env.position) + segment - goal;
        // Half a millisecond is rounding.
        if excess <= MediaTime::from_micros(500) {
            return None;
        }
        let wait = excess.as_secs_f64() / env.speed;
        Some((env.speed > 0.0).then(|| cx.now + Duration::from_micros((wait * 1e6) as u64 + 1)))
    }

    fn goal(&self, cx: &Cx<'_>) -> MediaTime {
        MediaTime::from_secs_f64(cx.config.buffer.goal_s * self.goal_scale)
    }

    fn segment_s(&self, at: MediaTime) -> f64 {
        let times = self
            .slots
            .any_index(self.last)
            .and_then(|index| index.times(index.position_at(at + TOLERANCE)));
        times.map_or(UNKNOWN_SEGMENT_S, |(start, end)| (end - start).as_secs_f64())
    }

    fn moment(&self, cx: &Cx<'_>, env: &Env, start: MediaTime) -> Moment {
        let remaining = self
            .slots
            .any_index(self.last)
            .map(|index| index.len().saturating_sub(index.position_at(start + TOLERANCE)));
        Moment {
            now: cx.now,
            buffer_s: (start - env.position).max(MediaTime::ZERO).as_secs_f64(),
            goal_s: self.goal(cx).as_secs_f64(),
            last: self.last.filter(|_| !self.jumped),
            segment_s: self.segment_s(start),
            remaining,
            started: env.started,
        }
    }

    fn choose(&self, cx: &mut Cx<'_>, env: &Env) -> Option<usize> {
        let ladder = self.slots.ladder();
        if !env.main {
            // Sound is chosen once: it costs little and a change can be heard.
            let keep = self.last.filter(|r| ladder.contains(r));
            let budget = cx.abr.estimate().map_or(0.0, |e| e.as_f64() / 10.0);
            let affordable = |r: &&usize| {
                self.slots
                    .get(**r)
                    .is_some_and(|s| s.rendition.bandwidth.as_f64() <= budget)
            };
            return keep
                .or_else(|| ladder.iter().rfind(affordable).copied())
                .or(ladder.first().copied());
        }
        let moment = self.moment(cx, env, self.next);
        let upcoming = self.slots.upcoming_from(self.next);
        let rung = cx.abr.choose(&moment.context(&upcoming));
        ladder.get(rung.min(ladder.len().checked_sub(1)?)).copied()
    }

    /// Asks the ABR whether the segment on its way should be given up, and does so. True if it was.
    pub(crate) fn consider_abandoning(
        &mut self,
        cx: &mut Cx<'_>,
        requests: &mut Requests,
        env: &Env,
    ) -> Option<(Job, Attempt)> {
        if !env.main || !cx.config.abr.abandonment {
            return None;
        }
        let flight = self.flight?;
        let attempt = requests.attempt(flight.job)?;
        let upcoming = self.slots.upcoming_with(flight.range.start, flight.rendition);
        let rung = upcoming.rung(flight.rendition)?;
        let abr_flight = AbrFlight {
            progress: progress(cx.now, attempt),
            rung,
            total_bytes: attempt.expected.or(flight.bytes),
        };
        if attempt.first_byte_at.is_some() {
            // That nothing came is news too.
            cx.abr.on_progress(&abr_flight.progress);
        }
        let moment = self.moment(cx, env, flight.range.start);
        let lower = cx.abr.abandon(&moment.context(&upcoming), &abr_flight)?;
        let lower = upcoming.rendition(lower.min(rung.checked_sub(1)?))?;
        let given_up = requests.cancel(cx, flight.job)?;
        self.flight = None;
        self.choice = Some(lower);
        cx.abr.on_download(&Download {
            progress: abr_flight.progress,
            rung,
            abandoned: true,
            cached: false,
        });
        Some(given_up)
    }

    /// When the segment on its way should be looked at again.
    pub(crate) fn abandon_deadline(&self, cx: &Cx<'_>, requests: &Requests, env: &Env) -> Option<Instant> {
        if !env.main || !cx.config.abr.abandonment {
            return None;
        }
        let attempt = requests.attempt(self.flight?.job)?;
        attempt.first_byte_at.map(|_| cx.now + ABANDON_CHECK)
    }

    /// Bytes have arrived for the segment on its way.
    pub(crate) fn on_progress(&self, cx: &mut Cx<'_>, requests: &Requests, job: JobId, env: &Env) {
        if !env.main || self.flight.is_none_or(|f| f.job != job) {
            return;
        }
        if let Some(attempt) = requests.attempt(job) {
            cx.abr.on_progress(&progress(cx.now, attempt));
        }
    }

    /// A segment is here; says what is wrong with the segment table, if it shows that.
    pub(crate) fn on_segment(
        &mut self,
        cx: &mut Cx<'_>,
        attempt: &Attempt,
        cached: bool,
        env: &Env,
    ) -> Option<String> {
        let Some(flight) = self.flight.take() else {
            cx.send(Output::Release {
                request: attempt.request,
            });
            return None;
        };
        if env.main {
            let upcoming = self.slots.upcoming_from(flight.range.start);
            let rung = upcoming.rung_of(flight.rendition).unwrap_or(0);
            let progress = progress(cx.now, attempt);
            cx.abr.on_download(&Download {
                progress,
                rung,
                abandoned: false,
                cached,
            });
        }
        self.next = flight.range.end;
        self.last = Some(flight.rendition);
        self.jumped = false;
        let Flight {
            rendition,
            init,
            range,
            ..
        } = flight;
        self.queue.push_back(Pending {
            request: attempt.request,
            rendition,
            init,
            range,
        });
        self.slots.check_size(rendition, range.start, attempt.bytes)
    }

    pub(crate) fn on_init(&mut self, cx: &mut Cx<'_>, rendition: usize, init: usize, attempt: &Attempt) {
        match self.slots.get_mut(rendition) {
            Some(slot) => slot.set_init(init, Init::Ready(attempt.request)),
            None => cx.send(Output::Release {
                request: attempt.request,
            }),
        }
    }

    /// Bytes of a segment index are here, from an offset on. It, once it is complete.
    pub(crate) fn on_sidx(
        &mut self,
        rendition: usize,
        offset: u64,
        bytes: &[u8],
    ) -> Result<Option<Box<SegmentIndex>>, SidxError> {
        let slot = self.slots.get_mut(rendition);
        let Some(Index::Sidx { reader, asked }) = slot.map(|slot| &mut slot.index) else {
            return Ok(None);
        };
        *asked = false;
        match reader.push(offset, bytes)? {
            SidxProgress::Need(_) => Ok(None),
            SidxProgress::Ready(index) => Ok(Some(index)),
        }
    }

    /// The segments of a rendition are known now; says what is wrong with the segment table, if it shows that.
    pub(crate) fn on_index(&mut self, rendition: usize, index: SegmentIndex) -> Option<String> {
        let known = self.slots.any_index(None).map(SegmentIndex::end);
        if let Some(slot) = self.slots.get_mut(rendition) {
            slot.index = Index::Ready(index);
        }
        if known.is_none() {
            self.done = false;
        }
        self.slots.check_table(rendition)
    }

    /// A job of this loader has failed for good: the rendition is not used any more. An error if none is left.
    pub(crate) fn on_failed(
        &mut self,
        cx: &mut Cx<'_>,
        requests: &mut Requests,
        purpose: Purpose,
        cause: PlayerError,
        limits: &Limits,
    ) -> Result<(), PlayerError> {
        let Some((_, rendition)) = purpose.track() else {
            return Ok(());
        };
        match purpose {
            Purpose::Segment { .. } => self.flight = None,
            // What waits for an initialization section that will never come would block the rest.
            Purpose::Init { .. } => {
                let queued = self
                    .queue
                    .iter()
                    .find(|p| p.rendition == rendition)
                    .map(|p| p.range.start);
                let flying = self
                    .flight
                    .filter(|f| f.rendition == rendition)
                    .map(|f| f.range.start);
                if let Some(start) = queued.or(flying) {
                    self.restart(cx, requests, start);
                }
            }
            _ => {}
        }
        self.choice = None;
        let moves = self.slots.get(rendition).is_some_and(|slot| {
            let url = slot.playlist.as_deref();
            url.is_some_and(|url| requests.has_moved(cx.now, self.kind, rendition, &slot.rendition, url))
        });
        if moves {
            // Another pathway has it: an initialization section is asked for there.
            if let (Purpose::Init { init, .. }, Some(slot)) = (purpose, self.slots.get_mut(rendition)) {
                slot.inits.retain(|(known, _)| *known != init);
            }
            return Ok(());
        }
        self.exclude(cx, rendition, limits);
        // No server answers: another rendition will not fare better.
        let hopeless = matches!(cause.kind, ErrorKind::Network | ErrorKind::Timeout);
        if hopeless || self.slots.ladder().is_empty() {
            return Err(cause);
        }
        Ok(())
    }

    fn exclude(&mut self, cx: &Cx<'_>, rendition: usize, limits: &Limits) {
        if let Some(slot) = self.slots.get_mut(rendition) {
            slot.excluded = true;
        }
        self.slots.limit(&cx.config.abr, limits);
    }

    /// Drops everything from `start` on that is not in the source buffer, and goes on from there.
    fn restart(&mut self, cx: &mut Cx<'_>, requests: &mut Requests, start: MediaTime) {
        if let Some(flight) = self.flight.take() {
            requests.cancel(cx, flight.job);
        }
        // The append in progress cannot be called back.
        let keep = usize::from(self.busy == Some(Busy::Segment));
        while self.queue.len() > keep {
            if let Some(pending) = self.queue.pop_back() {
                cx.send(Output::Release {
                    request: pending.request,
                });
            }
        }
        self.next = start;
        self.choice = None;
        self.done = false;
    }

    /// Lets go of everything ahead of the playhead that begins with a rendition which cannot be shown, and goes on from there.
    pub(crate) fn retract(
        &mut self,
        cx: &mut Cx<'_>,
        requests: &mut Requests,
        position: MediaTime,
        limits: &Limits,
    ) {
        let forbidden = |rendition: usize| {
            self.slots
                .get(rendition)
                .is_some_and(|s| limits.is_restricted(&s.rendition))
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
        let Some(start) = start else { return };
        self.restart(cx, requests, start);
        if self.busy == Some(Busy::Segment) || self.holds_past(start) {
            self.retracted = Some(self.retracted.map_or(start, |before| before.min(start)));
        }
    }

    fn holds_past(&self, start: MediaTime) -> bool {
        self.buffered.last().is_some_and(|r| r.end > start)
    }

    // Seeking ----------------------------------------------------------------------------------------------------------

    /// The playhead jumped: go on from there, unless what is here or on its way already leads on from there.
    pub(crate) fn seek(&mut self, cx: &mut Cx<'_>, requests: &mut Requests, position: MediaTime, main: bool) {
        // What is about to be removed is not held.
        let limit = self.retracted.unwrap_or(MediaTime::MAX);
        let held = self
            .buffered
            .iter()
            .map(|r| TimeRange::new(r.start, r.end.min(limit)))
            .find(|r| r.start <= position + TOLERANCE && position < r.end)
            .map(|r| r.end);
        let mut end = held.unwrap_or(position);
        let under_way = self
            .queue
            .iter()
            .map(|p| p.range)
            .chain(self.flight.map(|f| f.range));
        for range in under_way {
            if range.start <= end + TOLERANCE && range.end > end {
                end = range.end;
            }
        }
        // Where fetching would go on by itself.
        let goes_on = self.flight.map_or(self.next, |f| f.range.end);
        if (goes_on - end).max(end - goes_on) <= TOLERANCE {
            return;
        }
        self.restart(cx, requests, held.unwrap_or(position));
        // Behind what is buffered already it goes on from there.
        self.jumped = held.is_none();
        if main {
            cx.abr.on_seek();
        }
    }

    /// Lets go of every response that is held.
    pub(crate) fn release(&mut self, cx: &mut Cx<'_>) {
        for pending in self.queue.drain(..) {
            cx.send(Output::Release {
                request: pending.request,
            });
        }
        for slot in &mut self.slots.all {
            for (_, init) in core::mem::take(&mut slot.inits) {
                if let Init::Ready(request) = init {
                    cx.send(Output::Release { request });
                }
            }
        }
    }

    // The source buffer ------------------------------------------------------------------------------------------------

    /// Gives the source buffer its next job: an append, or an eviction. True if there was one: either re-opens a source whose
    /// end was declared.
    pub(crate) fn feed(&mut self, cx: &mut Cx<'_>, position: MediaTime) -> bool {
        if self.busy.is_some() || self.mime.is_none() {
            return false;
        }
        let back = MediaTime::from_secs_f64(cx.config.buffer.back_s.max(0.0));
        // A browser removes whole groups of pictures: end where a segment begins, never in the one that is playing.
        let limit = position - back;
        let held = self.placed.iter().find(|p| p.range.contains(limit));
        let old = held.map_or(limit, |p| p.range.start);
        if self
            .buffered
            .first()
            .is_some_and(|r| r.start + EVICT_AT_ONCE < old)
        {
            self.remove(cx, TimeRange::new(MediaTime::ZERO, old));
            return true;
        }
        if let Some(start) = self.retracted.filter(|start| self.holds_past(*start)) {
            let end = self.buffered.last().map_or(start, |r| r.end);
            self.remove(cx, TimeRange::new(start, end));
            self.busy = Some(Busy::Retract);
            return true;
        }
        if self.hold_until.is_some_and(|until| cx.now < until) {
            return false;
        }
        let Some(pending) = self.queue.front().copied() else {
            return false;
        };
        let Some(slot) = self.slots.get(pending.rendition) else {
            return false;
        };
        let timestamp_offset = self
            .slots
            .index(pending.rendition)
            .map_or(MediaTime::ZERO, |i| i.timestamp_offset);
        let init = pending
            .init
            .filter(|i| self.appended_init != Some((pending.rendition, *i)));
        let (request, busy) = match init {
            Some(i) => match slot.init(i) {
                Some(Init::Ready(request)) => (request, Busy::Init(pending.rendition, i)),
                _ => return false,
            },
            None => (pending.request, Busy::Segment),
        };
        let mime = slot.rendition.mime();
        let change_type = self
            .mime
            .as_deref()
            .is_some_and(|current| family(current) != family(&mime))
            .then(|| mime.clone());
        if change_type.is_some() {
            self.mime = Some(mime);
        }
        let reset = core::mem::take(&mut self.reset);
        self.busy = Some(busy);
        cx.send(Output::Append(Append {
            kind: self.kind,
            request,
            bytes: None,
            timestamp_offset,
            change_type,
            reset,
        }));
        true
    }

    fn remove(&mut self, cx: &mut Cx<'_>, range: TimeRange) {
        self.busy = Some(Busy::Remove);
        cx.send(Output::Remove {
            kind: self.kind,
            range,
        });
    }

    /// When a full buffer is tried again.
    pub(crate) fn hold_deadline(&self, now: Instant) -> Option<Instant> {
        self.hold_until.filter(|until| *until > now)
    }

    pub(crate) fn on_appended(&mut self, cx: &mut Cx<'_>, buffered: Vec<TimeRange>) {
        self.buffered = buffered;
        self.hold_until = None;
        match self.busy.take() {
            Some(Busy::Init(rendition, init)) => self.appended_init = Some((rendition, init)),
            Some(Busy::Segment) => {
                self.append_failures = 0;
                if let Some(pending) = self.queue.pop_front() {
                    cx.send(Output::Release {
                        request: pending.request,
                    });
                    self.place(pending);
                }
            }
            Some(Busy::Remove | Busy::Retract) | None => {}
        }
    }

    pub(crate) fn on_removed(&mut self, buffered: Vec<TimeRange>) {
        self.buffered = buffered;
        if matches!(self.busy, Some(Busy::Remove | Busy::Retract))
            && self.busy.take() == Some(Busy::Retract)
            && let Some(start) = self.retracted.take()
        {
            for p in &mut self.placed {
                p.range.end = p.range.end.min(start);
            }
            self.placed.retain(|p| p.range.end > p.range.start);
        }
        let start = self.buffered.first().map_or(MediaTime::MAX, |r| r.start);
        self.placed.retain(|p| p.range.end > start);
    }

    fn place(&mut self, pending: Pending) {
        let range = pending.range;
        self.placed.retain_mut(|p| {
            if p.range.start < range.start {
                p.range.end = p.range.end.min(range.start);
            } else if p.range.end > range.end {
                p.range.start = p.range.start.max(range.end);
            } else {
                return false;
            }
            p.range.end > p.range.start
        });
        self.placed.push_back(Placed {
            range,
            rendition: pending.rendition,
        });
    }

    /// The source buffer refused an append. An error if that is the end.
    pub(crate) fn on_append_failed(
        &mut self,
        cx: &mut Cx<'_>,
        requests: &mut Requests,
        reason: &AppendFailure,
        buffered: Vec<TimeRange>,
        position: MediaTime,
        limits: &Limits,
    ) -> Result<Option<PlayerError>, PlayerError> {
        self.buffered = buffered;
        let busy = self.busy.take();
        match reason {
            AppendFailure::Quota => {
                let segment = self.segment_s(self.next);
                self.goal_scale *= 0.8;
                if self.goal(cx).as_secs_f64() < 2.0 * segment {
                    let message = format!("the {} buffer is full and cannot be emptied", self.kind.name());
                    return Err(error(ErrorKind::Quota, message));
                }
                let old = position - MediaTime::from_millis(2000);
                if self.buffered.first().is_some_and(|r| r.start < old) {
                    self.remove(cx, TimeRange::new(MediaTime::ZERO, old));
                }
                self.hold_until = Some(cx.now + Duration::from_secs(1));
                Ok(None)
            }
            AppendFailure::Media(why) => {
                self.append_failures += 1;
                self.reset = true;
                self.appended_init = None;
                let pending = match busy {
                    Some(Busy::Segment | Busy::Init(..)) => self.queue.front().copied(),
                    _ => None,
                };
                let at = pending.map_or(position, |p| p.range.start);
                let at_ms = at.max(MediaTime::ZERO).as_millis();
                let message = format!(
                    "the {} source buffer refused media at {}.{:03} s: {why}",
                    self.kind.name(),
                    at_ms / 1000,
                    at_ms % 1000
                );
                let refused = error(ErrorKind::Media, message);
                let Some(pending) = pending else {
                    return Err(refused);
                };
                self.restart(cx, requests, pending.range.start);
                self.exclude(cx, pending.rendition, limits);
                if self.append_failures >= MAX_APPEND_FAILURES || self.slots.ladder().is_empty() {
                    return Err(refused);
                }
                Ok(Some(refused))
            }
        }
    }
}

fn progress(now: Instant, attempt: &Attempt) -> Progress {
    Progress {
        at: now,
        requested_at: attempt.requested_at,
        first_byte_at: attempt.first_byte_at.unwrap_or(now),
        bytes: attempt.bytes,
    }
}

/// What a source buffer distinguishes: container and codec, not profile and level.
fn family(mime: &str) -> (&str, &str) {
    let (container, codecs) = mime.split_once(';').unwrap_or((mime, ""));
    let codec = codecs.split_once('"').map_or("", |(_, c)| c);
    (container, codec.split(['.', '"']).next().unwrap_or_default())
}
