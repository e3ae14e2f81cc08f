//! What to fetch next, and what becomes of it.

use core::time::Duration;

use super::piece::Extent;
use super::{
    ABANDON_CHECK, Busy, Env, Flight, Loader, MAX_BEGUN_AGAIN, MAX_EARLY, MAX_HOLES, MAX_INITS, MAX_SKIPPED,
    Pending, SEGMENTS_AT_EDGE, Stage, UNKNOWN_SEGMENT_S,
};
use crate::abr::{Download, Flight as AbrFlight, Progress};
use crate::cmcd::Object;
use crate::drm::KeyId;
use crate::error::{ErrorKind, PlayerError};
use crate::input::{Integrity, RequestId, TrackKind};
use crate::manifest::hls::MediaPlaylist;
use crate::media::fmp4::Facts;
use crate::media::sidx::{Progress as SidxProgress, SidxError};
use crate::output::{Container, Output};
use crate::presentation::{Protection, Resource, SegmentIndex};
use crate::streaming::context::{Cx, error};
use crate::streaming::keys::Cipher;
use crate::streaming::listed::Listed;
use crate::streaming::requests::{Attempt, Hope, Job, JobId, Purpose, Requests, Work};
use crate::streaming::shared::Shared;
use crate::streaming::slots::{Index, Init, Moment, Slot, TOLERANCE};
use crate::time::{Instant, MediaTime, TimeRange};

impl Loader {
    /// Starts what should be started; says when to look again.
    pub(crate) fn schedule(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, env: &Env) -> Option<Instant> {
        let fetch = self.schedule_segment(cx, shared, env);
        let refresh = self.refresh(cx, shared);
        [refresh, fetch].into_iter().flatten().min()
    }

    fn schedule_segment(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, env: &Env) -> Option<Instant> {
        self.is_growing = shared.growing && shared.edge.is_some();
        self.drop_announced(cx, shared);
        // A declared gap is passed over, and a choice can fail at once: at most one round a segment or rendition.
        loop {
            if self
                .retracted
                .is_some_and(|start| self.busy.is_none() && !self.holds_past(start))
            {
                self.retracted = None;
            }
            if self.flight.is_some() || self.done || self.idle || self.retracted.is_some() {
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
            let period = shared.period_at(self.next + TOLERANCE);
            if period != self.slots.period() || self.slots.track().is_none() {
                self.choice = None;
                self.slots.enter(period);
                self.slots.limit(&cx.config.abr, &shared.limits);
            }
            self.tidy_inits(cx);
            self.settle_end();
            let followed = self.followed().and_then(|r| self.slots.get(r)?.reach());
            let end = followed.or_else(|| self.slots.any_index(None).map(SegmentIndex::end));
            if self.slots.track().is_none() || end.is_some_and(|end| self.next + TOLERANCE >= end) {
                if let Some(span) = shared.periods.get(period + 1) {
                    self.pass_over(span.start.max(self.next));
                    if shared.period_at(self.next + TOLERANCE) > period {
                        continue;
                    }
                }
                // A list of what is not played any more says nothing of the others.
                if let Some(other) = self.followed().filter(|r| Some(*r) != self.current()) {
                    self.find_index(cx, shared, other);
                }
                self.done = !self.may_grow(shared);
                return None;
            }
            if let Some(until) = self.early.1.filter(|until| cx.now < *until) {
                return Some(until);
            }
            // After a seek back what was buffered before may still be there.
            if let Some(held) = self.held_from(self.next) {
                self.next = held;
                continue;
            }
            if let Some(deadline) = self.too_early(cx, env) {
                return deadline;
            }
            let chosen = self.choice.take().filter(|r| self.slots.ladder().contains(r));
            let rendition = match chosen.or_else(|| self.bound()) {
                Some(rendition) => rendition,
                None => self.choose(cx, env)?,
            };
            let Some(rendition) = self.available(rendition) else {
                self.skip(self.may_grow(shared))?;
                continue;
            };
            self.choice = Some(rendition);
            self.follow_pathway(cx, shared, rendition);
            if !self.find_index(cx, shared, rendition) || !env.settled {
                return None;
            }
            let slot = self.slots.get(rendition)?;
            let index = slot.index.get()?;
            let Some(mut piece) = slot.piece(self.next, self.follows(rendition)) else {
                // Of a list that may grow the newest version comes; another rendition may have it sooner.
                let listed = matches!(slot.index, Index::Listed(_));
                self.done = !listed && !self.may_grow(shared);
                return None;
            };
            let ahead = slot.rendition.availability_time_offset.unwrap_or_default();
            if let Some(edge) = shared
                .edge
                .map(|edge| edge + ahead)
                .filter(|edge| piece.range.end > *edge)
            {
                self.choice = None;
                return Some(cx.now + (piece.range.end - edge).as_duration());
            }
            if shared.edge.is_some_and(|edge| piece.range.end > edge)
                && self.part_target_at(piece.range.start).is_some()
            {
                piece.extent = Extent::Growing;
            }
            self.choice = None;
            if piece.range.start > self.next + TOLERANCE {
                // Nothing is listed before: a hole in the list, or a window that has moved on.
                self.pass_over(piece.range.start);
                continue;
            }
            if piece.range.end <= shared.from {
                self.pass_over(shared.from);
                continue;
            }
            if piece.gap {
                self.pass_over(piece.range.end);
                continue;
            }
            let mut rotated = None;
            let ways = piece.keys.and_then(|keys| index.keys.get(keys));
            let is_fmp4 = slot.container == Container::Fmp4;
            let cipher = ways.and_then(|ways| Cipher::of(ways, piece.number, is_fmp4));
            let ways = ways.map_or_else(|| self.slots.ways(rendition), Vec::as_slice);
            if !ways.is_empty() && cipher.is_none() {
                let named: Vec<KeyId> = match piece.keys {
                    Some(_) => key_ids(ways),
                    None => Vec::new(),
                };
                let keys = if named.is_empty() {
                    slot.lock.keys()
                } else {
                    &named
                };
                shared.drm.want(cx.now, ways, keys);
                rotated = (!named.is_empty()).then_some(named);
            }
            let position = index.position_at(self.next + TOLERANCE);
            let init = piece.init.filter(|i| *i < index.inits.len());
            let missing = init.filter(|i| slot.init(*i).is_none());
            let resource = missing.and_then(|i| index.inits.get(i)).cloned();
            let is_whole = cipher.as_ref().is_some_and(Cipher::is_whole);
            let kind = self.kind;
            if let (Some(init), Some(resource)) = (missing, resource) {
                let purpose = Purpose::Init {
                    kind,
                    rendition,
                    init,
                };
                let mut work = slot.work(purpose, resource);
                work.any_container |= is_whole;
                shared.requests.fetch(cx, work);
                if let Some(slot) = self.slots.get_mut(rendition) {
                    slot.set_init(init, Init::Loading);
                }
            }
            if let Some(cipher) = &cipher {
                shared
                    .keys
                    .want(cx, &mut shared.requests, cipher, kind, rendition);
            }
            if let (Some(keys), Some(slot)) = (rotated, self.slots.get_mut(rendition)) {
                slot.lock.rotate(keys);
            }
            let purpose = Purpose::Segment {
                kind,
                rendition,
                start: piece.range.start,
            };
            let bytes = match piece.extent {
                Extent::Whole | Extent::Growing => self.slots.bytes(rendition, position),
                Extent::Part | Extent::Announced(_) => piece.resource.range.map(|range| range.length),
            };
            let object = shared.requests.tells().then(|| self.object(rendition)).flatten();
            let slot = self.slots.get(rendition)?;
            let url = match piece.extent {
                Extent::Announced(_) => piece.resource.url.clone(),
                _ => String::new(),
            };
            let mut work = slot.work(purpose, piece.resource);
            work.any_container |= is_whole;
            work.object = object;
            work.chunks = piece.extent == Extent::Growing;
            if matches!(piece.extent, Extent::Announced(_)) {
                work.patience = slot.listed_by_parts().map_or(Duration::ZERO, Listed::patience);
            }
            let job = shared.requests.fetch(cx, work);
            self.flight = Some(Flight {
                job,
                rendition,
                range: piece.range,
                init,
                bytes,
                cipher,
                discontinuity: piece.discontinuity,
                head: None,
                fed: 0,
                extent: piece.extent,
                url,
                chunks_end: 0,
            });
            return None;
        }
    }

    /// The rendition whose playlist says what comes next: the one that is played, unless another track was chosen or it was left out.
    pub(crate) fn followed(&self) -> Option<usize> {
        let ladder = self.slots.ladder();
        let known = |r: &&usize| self.slots.index(**r).is_some();
        self.current()
            .filter(|r| ladder.contains(r))
            .or_else(|| ladder.iter().find(known).copied())
            .or_else(|| ladder.first().copied())
            .or_else(|| self.current())
    }

    /// More segments may come at the end.
    fn may_grow(&self, shared: &Shared) -> bool {
        match self
            .followed()
            .and_then(|r| self.slots.get(r))
            .map(|slot| &slot.index)
        {
            Some(Index::Listed(listed)) => !listed.playlist.ended(),
            Some(Index::Unknown(_) | Index::Loading) => true,
            _ => shared.growing,
        }
    }

    /// Sees to it that the segments of a rendition are known; true if they are.
    fn find_index(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, rendition: usize) -> bool {
        let kind = self.kind;
        let beside = self.beside(rendition);
        let Some(slot) = self.slots.get_mut(rendition) else {
            return false;
        };
        match &mut slot.index {
            Index::Ready(_) => true,
            // One that was left alone may not know the newest segments.
            Index::Listed(listed) if listed.moving => false,
            // What the server holds the answer for is on its way all the time.
            Index::Listed(listed) if listed.can_block() => !listed.is_old(cx.now),
            Index::Listed(listed) => !listed.loading && (listed.playlist.ended() || !listed.is_old(cx.now)),
            Index::Loading | Index::Sidx { asked: true, .. } => false,
            Index::Unknown(url) => {
                let url = beside.unwrap_or_else(|| url.clone());
                let resource = Resource { url, range: None };
                slot.index = Index::Loading;
                let purpose = Purpose::Playlist { kind, rendition };
                shared.requests.fetch(cx, slot.work(purpose, resource));
                false
            }
            Index::Sidx { reader, asked } => {
                *asked = true;
                let resource = Resource {
                    url: reader.url().to_owned(),
                    range: Some(reader.request()),
                };
                let purpose = Purpose::Sidx { kind, rendition };
                shared.requests.fetch(cx, slot.work(purpose, resource));
                false
            }
        }
    }

    /// Reads the media playlist in use again when it is time; says when that is.
    fn refresh(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) -> Option<Instant> {
        if self.idle || self.done {
            return None;
        }
        let rendition = self.choice.or_else(|| self.followed())?;
        let kind = self.kind;
        let slot = self.slots.get_mut(rendition)?;
        let (Index::Listed(listed), Some(url)) = (&mut slot.index, &slot.playlist) else {
            return None;
        };
        if listed.playlist.ended() || listed.loading {
            return None;
        }
        let due = listed.due();
        if due > cx.now {
            return Some(due);
        }
        let url = listed.reload(url, cx.now);
        let patience = listed.patience();
        listed.loading = true;
        listed.asked_at = cx.now;
        let purpose = Purpose::Playlist { kind, rendition };
        let resource = Resource { url, range: None };
        let work = Work {
            patience,
            ..slot.work(purpose, resource)
        };
        shared.requests.fetch(cx, work);
        None
    }

    /// The URL of a rendition's playlist that is not known yet, of the version that those of the others are at.
    fn beside(&self, rendition: usize) -> Option<String> {
        let url = self.slots.get(rendition)?.playlist.as_deref()?;
        let current = self.slots.get(self.current()?)?;
        match &current.index {
            Index::Listed(listed) => Some(listed.beside(url)),
            _ => None,
        }
    }

    /// Asks for the media playlist of a rendition again if there is a better pathway now. True if it did.
    fn follow_pathway(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, rendition: usize) -> bool {
        let kind = self.kind;
        let Some(slot) = self.slots.get_mut(rendition) else {
            return false;
        };
        let (Index::Listed(listed), Some(url)) = (&mut slot.index, &slot.playlist) else {
            return false;
        };
        let requests = &mut shared.requests;
        if listed.loading || !requests.has_moved(cx.now, kind, rendition, &slot.rendition, url) {
            return false;
        }
        listed.loading = true;
        listed.moving = true;
        listed.asked_at = cx.now;
        let url = url.clone();
        let resource = Resource { url, range: None };
        requests.fetch(cx, slot.work(Purpose::Playlist { kind, rendition }, resource));
        true
    }

    /// What servers are told of the segment that comes next.
    fn object(&self, rendition: usize) -> Option<Object> {
        let slot = self.slots.get(rendition)?;
        let index = slot.index.get()?;
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

    /// A rendition that has the next segment as far as is known: this one, or else the next lower, or else the next higher one.
    fn available(&self, rendition: usize) -> Option<usize> {
        let ladder = self.slots.ladder();
        let has = |r: &&usize| {
            self.slots.get(**r).is_some_and(|slot| {
                // After a seek the next segment began before what is next.
                let of = |index: &SegmentIndex| index.times(index.position_at(self.next + TOLERANCE));
                let start = slot
                    .index
                    .get()
                    .and_then(of)
                    .map_or(self.next, |(start, _)| start);
                !slot.lacks(start)
            })
        };
        let at = ladder.iter().position(|r| *r == rendition)?;
        let (below, above) = ladder.split_at(at + 1);
        below
            .iter()
            .rev()
            .find(has)
            .or_else(|| above.iter().find(has))
            .copied()
    }

    /// There will be nothing to play from what is next to `end`.
    fn pass_over(&mut self, end: MediaTime) {
        match self.holes.back_mut().filter(|hole| hole.end == self.next) {
            Some(hole) => hole.end = end,
            None => {
                if self.holes.len() >= MAX_HOLES {
                    self.holes.pop_front();
                }
                self.holes.push_back(TimeRange::new(self.next, end));
            }
        }
        self.next = end;
    }

    /// How much of what is ahead of a point are holes.
    fn missing(&self, position: MediaTime) -> MediaTime {
        let ahead = |hole: &TimeRange| (hole.end - hole.start.max(position)).max(MediaTime::ZERO);
        self.holes
            .iter()
            .map(ahead)
            .fold(MediaTime::ZERO, |sum, one| sum + one)
    }

    /// Lets go of initialization sections that nothing waits for, once there are many: every period and every splice has its own.
    fn tidy_inits(&mut self, cx: &mut Cx<'_>) {
        if self.slots.all.iter().map(|slot| slot.inits.len()).sum::<usize>() <= MAX_INITS {
            return;
        }
        let busy = match self.busy {
            Some(Busy::Init(rendition, init)) => Some((rendition, init)),
            _ => None,
        };
        let in_use: Vec<_> = (self.queue.iter().map(|p| (p.rendition, p.init)))
            .chain(self.flight.iter().map(|f| (f.rendition, f.init)))
            .filter_map(|(rendition, init)| Some((rendition, init?)))
            .chain(busy)
            .chain(self.appended_init)
            .collect();
        for number in self.slots.numbers() {
            let here = self.slots.is_of_track(number);
            let Some(slot) = self.slots.get_mut(number) else {
                continue;
            };
            let newest = slot.inits.last().map(|(place, _)| *place).filter(|_| here);
            slot.inits.retain(|(place, init)| {
                let stays = Some(*place) == newest || in_use.contains(&(number, *place));
                match init {
                    Init::Ready(request, _) | Init::Raw(request) if !stays => {
                        cx.send(Output::Release { request: *request });
                        false
                    }
                    _ => true,
                }
            });
        }
    }

    /// Something from `position` to what is next is here or on its way into the source buffer.
    fn holds_some(&self, position: MediaTime) -> bool {
        let ranges = self.buffered.iter().copied();
        let queued = self.queue.iter().map(|p| p.range);
        let placed = self.placed.iter().map(|p| p.range);
        self.is_text()
            || ranges
                .chain(queued)
                .chain(placed)
                .any(|range| range.end > position && range.start < self.next)
    }

    /// No rendition has the next segment: goes on behind it.
    fn skip(&mut self, grows: bool) -> Option<()> {
        let index = self.slots.any_index(self.last)?;
        let (_, end) = index.times(index.position_at(self.next + TOLERANCE))?;
        let at = self.next.max(MediaTime::ZERO).as_millis();
        self.pass_over(end);
        self.skipped += 1;
        let message = format!(
            "{} from {}.{:03} s on cannot be had in any rendition and is passed over",
            self.kind.name(),
            at / 1000,
            at % 1000
        );
        // Of what grows there will be more.
        let fatal = self.skipped > MAX_SKIPPED && !grows;
        self.trouble.push(PlayerError {
            fatal,
            ..error(ErrorKind::Segment, message)
        });
        (!fatal).then_some(())
    }

    /// `Some(when to look again)` if the next segment must not be fetched yet.
    fn too_early(&self, cx: &Cx<'_>, env: &Env) -> Option<Option<Instant>> {
        // Parts of one time are held by the server at one time.
        let slack = self.part_target().unwrap_or(MediaTime::ZERO);
        if env.not_after.is_some_and(|limit| self.next > limit + slack) {
            return Some(None);
        }
        let segment = MediaTime::from_secs_f64(self.segment_s(self.next));
        let goal = if env.preloading { segment } else { self.goal(cx) };
        let goal = goal.max(segment + segment);
        let level = match self.holds_some(env.position) {
            true => self.level(env.position) - self.missing(env.position),
            // As far as it has come behind a hole that has no end yet, there is nothing.
            false => MediaTime::ZERO,
        };
        let excess = level + segment - goal;
        // Half a millisecond is rounding.
        if excess <= MediaTime::from_micros(500) {
            return None;
        }
        let wait = excess.as_secs_f64() / env.speed;
        Some((env.speed > 0.0).then(|| cx.now + Duration::from_micros((wait * 1e6) as u64 + 1)))
    }

    pub(super) fn goal(&self, cx: &Cx<'_>) -> MediaTime {
        MediaTime::from_secs_f64(cx.config.buffer.goal_s * self.goal_scale)
    }

    pub(crate) fn segment_s(&self, at: MediaTime) -> f64 {
        if let Some(part) = self.part_target_at(at) {
            return part.as_secs_f64();
        }
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

    /// Asks the ABR whether the segment on its way should be given up, and does so. What was given up, if it was.
    pub(crate) fn consider_abandoning(
        &mut self,
        cx: &mut Cx<'_>,
        requests: &mut Requests,
        env: &Env,
    ) -> Option<(Job, Attempt)> {
        if !env.main || !cx.config.abr.abandonment {
            return None;
        }
        // Decoding cannot go on in another rendition in the middle of a segment.
        let flight = self.flight.as_ref().filter(|f| f.extent == Extent::Whole)?;
        let attempt = requests.attempt(flight.job)?;
        let upcoming = self.slots.upcoming_with(flight.range.start, flight.rendition);
        let rung = upcoming.rung(flight.rendition)?;
        let abr_flight = AbrFlight {
            progress: progress(cx.now, attempt, flight.extent),
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
        // What has not got this segment would lead back here.
        let lower = self.available(lower)?;
        if upcoming.rung(lower)? >= rung {
            return None;
        }
        let given_up = requests.cancel(cx, flight.job)?;
        self.forget_head();
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
        let attempt = requests.attempt(self.flight.as_ref()?.job)?;
        attempt.first_byte_at.map(|_| cx.now + ABANDON_CHECK)
    }

    /// Bytes have arrived for the segment on its way.
    pub(crate) fn on_progress(&self, cx: &mut Cx<'_>, requests: &Requests, job: JobId, env: &Env) {
        if !env.main || self.flight.as_ref().is_none_or(|f| f.job != job) {
            return;
        }
        let extent = self.flight.as_ref().map_or(Extent::Whole, |flight| flight.extent);
        if extent == Extent::Growing {
            return;
        }
        if let Some(attempt) = requests.attempt(job) {
            cx.abr.on_progress(&progress(cx.now, attempt, extent));
        }
    }

    /// A segment is here, or its text; says what is wrong with the segment table, if it shows that.
    pub(crate) fn on_segment(
        &mut self,
        cx: &mut Cx<'_>,
        attempt: &Attempt,
        cached: bool,
        facts: Option<Box<Facts>>,
        body: Vec<u8>,
        env: &Env,
    ) -> Option<String> {
        let Some(flight) = self.flight.take() else {
            self.let_go(cx, attempt.request);
            return None;
        };
        // Of what was sent as it was made the chunks have said how fast that went.
        if env.main && flight.extent != Extent::Growing {
            let upcoming = self.slots.upcoming_from(flight.range.start);
            let rung = upcoming.rung_of(flight.rendition).unwrap_or(0);
            let progress = progress(cx.now, attempt, flight.extent);
            cx.abr.on_download(&Download {
                progress,
                rung,
                abandoned: false,
                cached,
            });
        }
        self.next = flight.range.end;
        self.announced = match flight.extent {
            Extent::Announced(place) => Some((flight.rendition, place)),
            _ => None,
        };
        self.last = Some(flight.rendition);
        self.jumped = false;
        if self.is_text() {
            self.skipped = 0;
        }
        self.early = (0, None);
        self.begun_again = 0;
        let Flight {
            rendition,
            init,
            range,
            cipher,
            discontinuity,
            fed,
            ..
        } = flight;
        let slot = self.slots.get_mut(rendition)?;
        slot.failures = 0;
        let is_raw = match slot.container {
            Container::WebM => false,
            Container::Fmp4 => cipher.is_some() || self.captions,
            _ => true,
        };
        self.queue.push_back(Pending {
            request: attempt.request,
            rendition,
            init,
            range,
            cipher,
            discontinuity,
            stage: if is_raw { Stage::Raw } else { Stage::Ready },
            facts,
            fed,
            length: attempt.bytes,
            body,
            url: attempt.url.clone(),
        });
        self.slots.check_size(rendition, range.start, attempt.bytes)
    }

    /// An initialization section is here.
    pub(crate) fn on_init(
        &mut self,
        cx: &mut Cx<'_>,
        rendition: usize,
        init: usize,
        request: RequestId,
        integrity: &Integrity,
        facts: Option<Box<Facts>>,
    ) {
        let state = |slot: &Slot| match integrity {
            _ if slot.container == Container::WebM => Init::Ready(request, None),
            Integrity::Foreign(_) | Integrity::Truncated(_) => Init::Raw(request),
            Integrity::Unchecked | Integrity::Whole => Init::Ready(request, facts),
        };
        match self.slots.get_mut(rendition) {
            Some(slot) => slot.set_init(init, state(slot)),
            None => cx.send(Output::Release { request }),
        }
    }

    /// An initialization section of text is here.
    pub(crate) fn on_text_init(&mut self, rendition: usize, init: usize, bytes: Vec<u8>) {
        if let Some(slot) = self.slots.get_mut(rendition) {
            slot.set_init(init, Init::Bytes(bytes));
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
    pub(crate) fn on_index(&mut self, rendition: usize, index: Index) -> Option<String> {
        let known = self.slots.any_index(None).map(SegmentIndex::end);
        if let Some(slot) = self.slots.get_mut(rendition) {
            if let Index::Listed(listed) = &index {
                slot.container = container(self.kind, listed.playlist.container);
            }
            slot.index = index;
        }
        if known.is_none() {
            self.done = false;
        }
        self.slots.check_table(rendition)
    }

    /// The newer version of a live playlist that is asked for, to be filled in.
    pub(crate) fn listed(&mut self, rendition: usize) -> Option<&mut Listed> {
        match &mut self.slots.get_mut(rendition)?.index {
            Index::Listed(listed) => Some(listed),
            _ => None,
        }
    }

    /// A live playlist, to align others with.
    pub(crate) fn any_listed(&self) -> Option<&MediaPlaylist> {
        self.slots.all.iter().find_map(|slot| match &slot.index {
            Index::Listed(listed) => Some(&listed.playlist),
            _ => None,
        })
    }

    /// A job of this loader has failed. An error if nothing is left to be tried.
    pub(crate) fn on_failed(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        purpose: Purpose,
        hope: Hope,
        cause: PlayerError,
    ) -> Result<(), PlayerError> {
        let Some((_, rendition)) = purpose.track() else {
            return Ok(());
        };
        self.choice = None;
        // No server answers: another rendition will not fare better.
        let hopeless = matches!(cause.kind, ErrorKind::Network | ErrorKind::Timeout);
        match purpose {
            Purpose::Segment { start, .. } => {
                self.forget_head();
                self.flight = None;
                if self.follow_pathway(cx, shared, rendition)
                    || (!hopeless && self.is_early(cx, shared, start))
                {
                    return Ok(());
                }
                let lowest = self.slots.ladder().first().copied();
                if hopeless && hope == Hope::Outage {
                    // It may be that one only.
                    self.choice = lowest.and_then(|lowest| self.available(lowest));
                    let slot = self
                        .slots
                        .get_mut(rendition)
                        .filter(|_| lowest != Some(rendition));
                    if slot.is_some_and(|slot| slot.has_failed_too_often()) {
                        self.exclude(cx, shared, rendition);
                    }
                    return Ok(());
                }
                if hopeless
                    && hope == Hope::Answers
                    && lowest == Some(rendition)
                    && self.begun_again < MAX_BEGUN_AGAIN
                {
                    self.begun_again += 1;
                    return Ok(());
                }
                self.bar(cx, shared, rendition, start);
                return if hopeless && hope == Hope::None {
                    Err(cause)
                } else {
                    Ok(())
                };
            }
            // Another pathway has it: it is asked for there.
            Purpose::Init { init, .. } if self.follow_pathway(cx, shared, rendition) => {
                if let Some(slot) = self.slots.get_mut(rendition) {
                    slot.inits.retain(|(known, _)| *known != init);
                }
                return Ok(());
            }
            Purpose::Playlist { .. } if self.retry_list(cx, rendition) => return Ok(()),
            // What waits for an initialization section or a key that will never come would block the rest.
            Purpose::Init { .. } | Purpose::Key { .. } => {
                let queued = self
                    .queue
                    .iter()
                    .find(|p| p.rendition == rendition)
                    .map(|p| p.range.start);
                let flying = self
                    .flight
                    .as_ref()
                    .filter(|f| f.rendition == rendition)
                    .map(|f| f.range.start);
                if let Some(start) = queued.or(flying) {
                    self.restart(cx, shared, start);
                }
            }
            _ => {}
        }
        let alone = self.slots.ladder().len() < 2;
        let patient = shared.requests.has_played && self.begun_again < MAX_BEGUN_AGAIN;
        if hopeless && alone && hope != Hope::None && patient {
            self.begun_again += 1;
            self.ask_again(purpose, rendition);
            return Ok(());
        }
        self.exclude(cx, shared, rendition);
        if (hopeless && hope == Hope::None) || self.slots.ladder().is_empty() {
            return Err(cause);
        }
        Ok(())
    }

    /// What could not be had is asked for as if for the first time.
    fn ask_again(&mut self, purpose: Purpose, rendition: usize) {
        let Some(slot) = self.slots.get_mut(rendition) else {
            return;
        };
        match (purpose, &mut slot.index) {
            (Purpose::Init { init, .. }, _) => slot.inits.retain(|(known, _)| *known != init),
            (Purpose::Sidx { .. }, Index::Sidx { asked, .. }) => *asked = false,
            (Purpose::Playlist { .. }, index @ Index::Loading) => {
                *index = Index::Unknown(slot.playlist.clone().unwrap_or_default());
            }
            _ => {}
        }
    }

    /// A segment at the live edge is not there yet, it seems: the server's clock may be behind.
    fn is_early(&mut self, cx: &Cx<'_>, shared: &Shared, start: MediaTime) -> bool {
        let segment = self.segment_s(start);
        let listed = self.slots.any_index(self.last).map(SegmentIndex::end);
        let edge = shared.edge.or(listed).unwrap_or(MediaTime::MAX);
        let close = start + MediaTime::from_secs_f64(segment * SEGMENTS_AT_EDGE) > edge;
        if !close || !self.may_grow(shared) || self.early.0 >= MAX_EARLY {
            return false;
        }
        let pause = Duration::from_micros((segment * 250_000.0) as u64).max(Duration::from_millis(250));
        self.early = (self.early.0 + 1, Some(cx.now + pause));
        true
    }

    /// A newer version of a live playlist did not come: the next one may.
    fn retry_list(&mut self, cx: &Cx<'_>, rendition: usize) -> bool {
        let Some(listed) = self.listed(rendition) else {
            return false;
        };
        listed.loading = false;
        listed.moving = false;
        listed.read_at = cx.now;
        listed.stale = true;
        listed.failures += 1;
        listed.failures < 10
    }

    /// A rendition has not got the segment that starts here, or not in a form that can be played.
    pub(super) fn bar(&mut self, cx: &Cx<'_>, shared: &Shared, rendition: usize, start: MediaTime) {
        let alone = self.slots.ladder().len() < 2;
        let Some(slot) = self.slots.get_mut(rendition) else {
            return;
        };
        slot.set_lacking(start);
        if slot.has_failed_too_often() && !alone {
            self.exclude(cx, shared, rendition);
        }
    }

    fn exclude(&mut self, cx: &Cx<'_>, shared: &Shared, rendition: usize) {
        if let Some(slot) = self.slots.get_mut(rendition) {
            slot.excluded = true;
        }
        self.slots.limit(&cx.config.abr, &shared.limits);
        if self.slots.ladder().is_empty() {
            // Another track of the period may be left.
            let period = self.slots.period();
            self.slots.enter(period);
            self.slots.limit(&cx.config.abr, &shared.limits);
        }
    }
}

/// The keys that a manifest names.
fn key_ids(ways: &[Protection]) -> Vec<KeyId> {
    let mut ids: Vec<KeyId> = ways
        .iter()
        .flat_map(|way| &way.key_ids)
        .map(|id| KeyId(*id))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// What segments come in, by what their playlist says.
fn container(kind: TrackKind, mime: &str) -> Container {
    match mime {
        "video/mp2t" if kind != TrackKind::Text => Container::MpegTs,
        "audio/aac" | "audio/mpeg" | "audio/ac3" => Container::PackedAudio,
        _ => Container::Fmp4,
    }
}

fn progress(now: Instant, attempt: &Attempt, extent: Extent) -> Progress {
    let first_byte_at = attempt.first_byte_at.unwrap_or(now);
    Progress {
        at: now,
        requested_at: match extent {
            Extent::Whole | Extent::Growing | Extent::Part => attempt.requested_at,
            // The server held it: that says nothing of the network.
            Extent::Announced(_) => first_byte_at,
        },
        first_byte_at,
        bytes: attempt.bytes,
    }
}
