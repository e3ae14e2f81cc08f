//! What the source buffer is given, and what it says.

use core::time::Duration;

use super::piece::Extent;
use super::{Busy, EVICT_AT_ONCE, Env, Loader, MAX_APPEND_FAILURES, Pending, Placed, Stage, family};
use crate::error::{ErrorKind, PlayerError};
use crate::input::{AppendFailure, Prepared, RequestId};
use crate::media::emsg::Emsg;
use crate::output::{Append, Container, Output, Prepare};
use crate::streaming::context::{Cx, error};
use crate::streaming::shared::Shared;
use crate::streaming::slots::Init;
use crate::time::{ByteRange, Instant, MediaTime, TimeRange};

/// With less than this to be played, a segment is appended as it comes.
const BEGINNING_BELOW: MediaTime = MediaTime::from_millis(500);
/// How much sooner than it is needed the rest has to be expected.
const BEGINNING_MARGIN: f64 = 2.0;
/// What comes at once says little of how fast the rest comes.
const BEGINNING_BIAS_S: f64 = 0.05;
/// Not every packet is worth an append.
const MIN_BEGINNING_BYTES: u64 = 8192;

/// What a response that has been prepared holds beside media, on the presentation timeline.
#[derive(Debug, Default)]
pub(crate) struct Extras {
    /// What must be added to times of the media.
    pub(crate) offset: MediaTime,
    /// Where the segment starts.
    pub(crate) start: MediaTime,
    pub(crate) events: Vec<Emsg>,
    pub(crate) prepared: Option<Box<Prepared>>,
}

impl Loader {
    /// The type of the source buffer, once it is known: as declared, or else as the first segment shows it.
    pub(crate) fn buffer_type(&self) -> Option<String> {
        let rendition = self.current().or(self.slots.ladder().first().copied())?;
        let slot = self.slots.get(rendition)?;
        let declared = !slot.rendition.codecs.is_empty();
        if !slot.has_own_clock() && declared {
            return Some(slot.rendition.mime());
        }
        // Before it is read nothing is known of the container.
        slot.index.get()?;
        if declared && slot.container == Container::Fmp4 {
            return Some(slot.rendition.mime());
        }
        let front = self.queue.front()?;
        match &front.stage {
            Stage::Prepared(prepared) if !prepared.mime.is_empty() => Some(prepared.mime.clone()),
            Stage::Prepared(_) | Stage::Ready => {
                let slot = self.slots.get(front.rendition)?;
                let facts = match slot.init(front.init?)? {
                    Init::Ready(_, facts) => facts.as_ref(),
                    _ => return None,
                };
                Some(facts.map_or_else(|| slot.rendition.mime(), |facts| facts.mime()))
            }
            Stage::Raw | Stage::Preparing => None,
        }
    }

    pub(crate) fn has_buffer(&self) -> bool {
        self.mime.is_some()
    }

    /// Asks for the source buffer, once.
    pub(crate) fn create_buffer(&mut self, cx: &mut Cx<'_>, mime: String) {
        self.mime = Some(mime.clone());
        cx.send(Output::CreateBuffer {
            kind: self.kind,
            mime,
        });
    }

    /// Has what cannot be appended as it is made into what can.
    pub(crate) fn prepare(&mut self, cx: &mut Cx<'_>, shared: &Shared, mute: bool) {
        for pending in &mut self.queue {
            let Some(slot) = self.slots.get_mut(pending.rendition) else {
                continue;
            };
            let needed = pending
                .init
                .and_then(|i| slot.init(i).cloned().map(|init| (i, init)));
            let decrypt = match &pending.cipher {
                Some(cipher) => match shared.keys.decrypt(cipher) {
                    Some(decrypt) => Some(decrypt),
                    None => return,
                },
                None => None,
            };
            if let Some((place, Init::Raw(request))) = needed {
                slot.set_init(place, Init::Preparing(request));
                cx.send(Output::Prepare(Prepare {
                    request,
                    kind: self.kind,
                    container: Container::Fmp4,
                    decrypt,
                    init: None,
                    continuous: false,
                    mute: false,
                    captions: false,
                }));
            }
            if !matches!(pending.stage, Stage::Raw) {
                continue;
            }
            let init = match &needed {
                Some((_, Init::Ready(request, _))) => Some(*request),
                // It comes first: captions are told by it.
                Some(_) => return,
                None => None,
            };
            // What a transport stream holds is not always declared.
            let captions = self.captions || slot.container == Container::MpegTs;
            let (rendition, discontinuity) = (pending.rendition, pending.discontinuity);
            let follows = |(r, d, end): (usize, u64, MediaTime)| {
                r == rendition && d == discontinuity && end == pending.range.start
            };
            let continuous = self.prepared.is_some_and(follows);
            self.prepared = Some((rendition, discontinuity, pending.range.end));
            pending.stage = Stage::Preparing;
            cx.send(Output::Prepare(Prepare {
                request: pending.request,
                kind: self.kind,
                container: slot.container,
                decrypt,
                init,
                continuous,
                mute,
                captions,
            }));
        }
    }

    /// A response has been prepared; what else was in it, or why it could not be. `None` if it is not of this loader.
    pub(crate) fn on_prepared(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        request: RequestId,
        result: &Result<Box<Prepared>, String>,
    ) -> Option<Result<(), PlayerError>> {
        for rendition in self.slots.numbers() {
            let Some(slot) = self.slots.get_mut(rendition) else {
                continue;
            };
            let of_it = |init: &Init| matches!(init, Init::Preparing(known) if *known == request);
            let Some((_, init)) = slot.inits.iter_mut().find(|(_, init)| of_it(init)) else {
                continue;
            };
            return Some(match result {
                Ok(prepared) => {
                    *init = Init::Ready(request, prepared.media.clone());
                    Ok(())
                }
                Err(why) => {
                    slot.inits.retain(|(_, init)| !of_it(init));
                    cx.send(Output::Release { request });
                    let message = format!(
                        "the initialization section of {} is not usable: {why}",
                        slot.rendition.id
                    );
                    let queued = self.queue.iter().find(|p| p.rendition == rendition);
                    let at = queued.map_or(self.next, |p| p.range.start);
                    self.restart(cx, shared, at);
                    self.bar(cx, shared, rendition, at);
                    Err(error(ErrorKind::Segment, message))
                }
            });
        }
        let pending = self.queue.iter_mut().find(|pending| pending.request == request)?;
        Some(match result {
            Ok(prepared) => {
                if prepared.media.is_some() {
                    pending.facts = prepared.media.clone();
                }
                let mut prepared = prepared.clone();
                if prepared.media.is_none() {
                    if prepared.mime.is_empty() {
                        // It is that of the one before, of which the buffer need not have heard.
                        prepared.mime.clone_from(&self.prepared_mime);
                    }
                    self.prepared_mime.clone_from(&prepared.mime);
                }
                pending.stage = Stage::Prepared(prepared);
                Ok(())
            }
            Err(why) => {
                let (start, rendition) = (pending.range.start, pending.rendition);
                let message = format!("the segment at {} s is not usable: {why}", seconds(start));
                self.restart(cx, shared, start);
                self.bar(cx, shared, rendition, start);
                Err(error(ErrorKind::Segment, message))
            }
        })
    }

    /// What must be added to the times of a segment's media; `None` while it is not known.
    fn offset(&self, shared: &mut Shared, pending: &Pending, env: &Env) -> Option<MediaTime> {
        let slot = self.slots.get(pending.rendition)?;
        if !slot.has_own_clock() {
            return Some(
                slot.index
                    .get()
                    .map_or(MediaTime::ZERO, |index| index.timestamp_offset),
            );
        }
        if let Some(offset) = shared.anchors.offset(pending.discontinuity) {
            return Some(offset);
        }
        // Sound and pictures have the same clock; the pictures set it.
        if !env.main && !env.main_done {
            return None;
        }
        let media = match &pending.stage {
            Stage::Prepared(prepared) if prepared.times.is_some() => prepared.times.map(|times| times.start),
            _ => {
                let init = pending.init.and_then(|i| slot.init(i));
                let tracks = match init {
                    Some(Init::Ready(_, Some(facts))) => facts.tracks.as_slice(),
                    _ => &[],
                };
                pending.facts.as_ref().and_then(|facts| facts.start(tracks))
            }
        };
        let start = pending.range.start;
        shared
            .anchors
            .learn(pending.discontinuity, start, media.unwrap_or(start));
        shared.anchors.offset(pending.discontinuity)
    }

    /// Gives the source buffer its next job: an append, or an eviction. True if there was one: either re-opens a source whose
    /// end was declared.
    pub(crate) fn feed(&mut self, cx: &mut Cx<'_>, shared: &mut Shared, env: &Env) -> Option<Extras> {
        if self.busy.is_some() || self.mime.is_none() {
            return None;
        }
        let back = MediaTime::from_secs_f64(cx.config.buffer.back_s.max(0.0));
        // A browser removes whole groups of pictures: end where a segment begins, never in the one that is playing.
        let limit = env.position - back;
        let held = self.placed.iter().find(|p| p.range.contains(limit));
        let old = held.map_or(limit, |p| p.range.start);
        if self
            .buffered
            .first()
            .is_some_and(|r| r.start + EVICT_AT_ONCE < old)
            && self.evicted != Some(old)
        {
            // What stays although it was to be removed is not asked for again and again.
            self.evicted = Some(old);
            self.remove(cx, TimeRange::new(MediaTime::ZERO, old));
            return None;
        }
        if let Some(start) = self.retracted.filter(|start| self.holds_past(*start)) {
            let end = self.buffered.last().map_or(start, |r| r.end);
            self.remove(cx, TimeRange::new(start, end));
            self.busy = Some(Busy::Retract);
            return None;
        }
        if self.hold_until.is_some_and(|until| cx.now < until) {
            return None;
        }
        let (pending, part) = match self.queue.front() {
            Some(front) if front.fed > 0 => (
                front.clone(),
                Some((front.fed, front.length.saturating_sub(front.fed))),
            ),
            Some(front) => (front.clone(), None),
            None => self.beginning(cx, shared, env)?,
        };
        let mut extras = None;
        let slot = self.slots.get(pending.rendition)?;
        // As it was found, as it is declared, as the initialization section shows it; empty if nobody says it.
        let mime = match &pending.stage {
            Stage::Prepared(prepared) if !prepared.mime.is_empty() => prepared.mime.clone(),
            Stage::Raw | Stage::Preparing => return None,
            _ if !slot.rendition.codecs.is_empty() => slot.rendition.mime(),
            _ => match pending.init.and_then(|i| slot.init(i)) {
                Some(Init::Ready(_, Some(facts))) => facts.mime(),
                _ => String::new(),
            },
        };
        let init = pending
            .init
            .filter(|i| self.appended_init != Some((pending.rendition, *i)));
        let (request, busy) = match init {
            Some(i) => match slot.init(i) {
                Some(Init::Ready(request, _)) => (*request, Busy::Init(pending.rendition, i)),
                _ => return None,
            },
            None if self.queue.is_empty() => (pending.request, Busy::Beginning(pending.fed)),
            None => (pending.request, Busy::Segment),
        };
        let bytes = part
            .filter(|_| init.is_none())
            .map(|(offset, length)| ByteRange { offset, length });
        let timestamp_offset = self.offset(shared, &pending, env)?;
        if pending.init.is_none() {
            // It brings its own.
            self.appended_init = None;
        }
        let change_type = self
            .mime
            .as_deref()
            .is_some_and(|current| !mime.is_empty() && family(current) != family(&mime))
            .then(|| mime.clone());
        if change_type.is_some() {
            self.mime = Some(mime);
        }
        let window = self.window(shared, pending.rendition);
        let reset = core::mem::take(&mut self.reset);
        if let Some(front) = self.queue.front_mut().filter(|_| busy == Busy::Segment) {
            let facts = front.facts.as_mut();
            extras = Some(Extras {
                offset: timestamp_offset,
                start: front.range.start,
                events: facts
                    .map(|facts| core::mem::take(&mut facts.events))
                    .unwrap_or_default(),
                prepared: match &mut front.stage {
                    Stage::Prepared(prepared) => {
                        // What the append is made with, if it must be made again.
                        let rest = Prepared {
                            mime: prepared.mime.clone(),
                            times: prepared.times,
                            ..Prepared::default()
                        };
                        Some(core::mem::replace(prepared, Box::new(rest)))
                    }
                    _ => None,
                },
            });
        }
        if busy == Busy::Segment && bytes.is_some_and(|rest| rest.length == 0) {
            // All of it was appended as it came.
            self.reset |= reset;
            self.busy = Some(busy);
            let buffered = core::mem::take(&mut self.buffered);
            self.on_appended(cx, buffered);
            return extras;
        }
        if let (Busy::Beginning(_), Some(flight), Some(bytes)) = (busy, &mut self.flight, bytes) {
            flight.fed = bytes.offset + bytes.length;
        }
        self.busy = Some(busy);
        cx.send(Output::Append(Append {
            kind: self.kind,
            request,
            bytes,
            timestamp_offset,
            change_type,
            reset,
            window,
        }));
        extras
    }

    /// The segment on its way, with the offset and length of what has arrived of it and was not appended: if the playhead waits for it,
    /// and will not have to wait again for the rest, as it comes by now.
    fn beginning(&self, cx: &Cx<'_>, shared: &Shared, env: &Env) -> Option<(Pending, Option<(u64, u64)>)> {
        let flight = self.flight.as_ref()?;
        let head = flight.head.as_ref()?;
        let slot = self.slots.get(flight.rendition)?;
        let is_raw = slot.container != Container::Fmp4 || flight.cipher.is_some() || self.captions;
        if is_raw {
            return None;
        }
        let attempt = shared.requests.attempt(flight.job)?;
        let range = flight.range;
        let pending = |length: u64| Pending {
            request: attempt.request,
            rendition: flight.rendition,
            init: flight.init,
            range,
            cipher: None,
            discontinuity: flight.discontinuity,
            stage: Stage::Ready,
            facts: Some(head.clone()),
            fed: flight.fed,
            length,
            body: Vec::new(),
            url: String::new(),
        };
        if flight.extent == Extent::Growing {
            // Each chunk as it is made.
            let length = flight.chunks_end.min(attempt.bytes).saturating_sub(flight.fed);
            return (length > 0).then(|| (pending(flight.chunks_end), Some((flight.fed, length))));
        }
        if self.playable(env.position) > BEGINNING_BELOW {
            return None;
        }
        let length = attempt.bytes.saturating_sub(flight.fed);
        let total = attempt.expected.or(flight.bytes)?.max(attempt.bytes);
        if length < MIN_BEGINNING_BYTES {
            return None;
        }
        let share = attempt.bytes as f64 / total as f64;
        let since_s = cx.now.since(attempt.first_byte_at?).as_secs_f64() + BEGINNING_BIAS_S;
        let left_s = since_s * (1.0 / share - 1.0);
        let end = range.start + MediaTime::from_secs_f64((range.end - range.start).as_secs_f64() * share);
        let ahead_s = (end - env.position.max(range.start)).as_secs_f64();
        if left_s * BEGINNING_MARGIN > ahead_s {
            return None;
        }
        Some((pending(total), Some((flight.fed, length))))
    }

    /// Of segments at the edge of a period what is in it counts.
    fn window(&self, shared: &Shared, rendition: usize) -> Option<TimeRange> {
        if shared.periods.len() < 2 {
            return None;
        }
        let period = self.slots.period_of(rendition)?;
        let span = shared.periods.get(period)?;
        let next = shared.periods.get(period + 1).map(|next| next.start);
        Some(TimeRange::new(
            span.start,
            next.or(span.end).unwrap_or(MediaTime::MAX),
        ))
    }

    /// The source buffer has something to do.
    pub(crate) fn is_busy(&self) -> bool {
        self.busy.is_some()
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
                self.skipped = 0;
                // What did not fit once may fit later.
                self.goal_scale = (self.goal_scale * 1.01).min(1.0);
                if let Some(pending) = self.queue.pop_front() {
                    cx.send(Output::Release {
                        request: pending.request,
                    });
                    self.place(pending.range, pending.rendition);
                }
            }
            Some(Busy::Beginning(_)) => {
                // The rest of it may take as long as it lasts.
                let growing = self.flight.as_ref().filter(|f| f.extent == Extent::Growing);
                if let Some((range, rendition)) = growing.map(|f| (f.range, f.rendition)) {
                    self.place(range, rendition);
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
        let buffered = &self.buffered;
        let is_held = |p: &Placed| {
            buffered
                .iter()
                .any(|r| r.start < p.range.end && p.range.start < r.end)
        };
        self.placed.retain(is_held);
    }

    fn place(&mut self, range: TimeRange, rendition: usize) {
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
        self.placed.push_back(Placed { range, rendition });
    }

    /// The source buffer refused an append. An error if that is the end.
    pub(crate) fn on_append_failed(
        &mut self,
        cx: &mut Cx<'_>,
        shared: &mut Shared,
        reason: &AppendFailure,
        buffered: Vec<TimeRange>,
        position: MediaTime,
    ) -> Result<Option<PlayerError>, PlayerError> {
        self.buffered = buffered;
        let busy = self.busy.take();
        match reason {
            AppendFailure::Quota => {
                if let Some(Busy::Beginning(from)) = busy {
                    // Nothing of it was taken. It may have come to its end meanwhile.
                    let flying = self.flight.as_mut().map(|f| &mut f.fed);
                    if let Some(fed) = self.queue.front_mut().map(|p| &mut p.fed).or(flying) {
                        *fed = from.min(*fed);
                    }
                }
                self.append_failures += 1;
                let old = position - MediaTime::from_millis(2000);
                let far = self.next.max(position + self.goal(cx));
                let behind = self.buffered.first().is_some_and(|r| r.start < old);
                let ahead = self.buffered.last().is_some_and(|r| r.end > far);
                if ahead {
                    // Left over from where the playhead was before.
                    self.remove(cx, TimeRange::new(far, MediaTime::MAX));
                } else if behind {
                    self.remove(cx, TimeRange::new(MediaTime::ZERO, old));
                }
                if self.goal(cx).as_secs_f64() * 0.8 >= 2.0 * self.segment_s(self.next) {
                    self.goal_scale *= 0.8;
                } else if self.append_failures >= MAX_APPEND_FAILURES
                    && !(ahead || behind)
                    && self.playable(position) == MediaTime::ZERO
                {
                    let message = format!("the {} buffer is full and cannot be emptied", self.kind.name());
                    return Err(error(ErrorKind::Quota, message));
                }
                self.hold_until = Some(cx.now + Duration::from_secs(1));
                Ok(None)
            }
            AppendFailure::Media(why) => {
                self.reset = true;
                self.appended_init = None;
                let pending = match busy {
                    Some(Busy::Segment | Busy::Init(..) | Busy::Beginning(_)) => {
                        let queued = self.queue.front().map(|p| (p.range.start, p.rendition));
                        queued.or(self.flight.as_ref().map(|f| (f.range.start, f.rendition)))
                    }
                    _ => None,
                };
                let at = pending.map_or(position, |(start, _)| start);
                let message = format!(
                    "the {} source buffer refused media at {} s: {why}",
                    self.kind.name(),
                    seconds(at)
                );
                let refused = error(ErrorKind::Media, message);
                let Some((start, rendition)) = pending else {
                    return Err(refused);
                };
                self.append_failures += 1;
                self.restart(cx, shared, start);
                self.bar(cx, shared, rendition, start);
                if self.append_failures >= MAX_APPEND_FAILURES {
                    return Err(refused);
                }
                Ok(Some(refused))
            }
        }
    }

    // Text -------------------------------------------------------------------------------------------------------------

    /// The bytes of the next segment of text that can be shown, with its initialization section, and what must be added to times of
    /// its media; and where it is.
    pub(crate) fn next_text(&mut self, shared: &mut Shared, env: &Env) -> Option<(Text, MediaTime)> {
        let pending = self.queue.front()?.clone();
        let slot = self.slots.get(pending.rendition)?;
        let init = match pending.init.map(|i| slot.init(i)) {
            None => None,
            Some(Some(Init::Bytes(bytes))) => Some(bytes.clone()),
            Some(_) => return None,
        };
        let offset = self.offset(shared, &pending, env)?;
        self.queue.pop_front();
        let range = pending.range;
        self.place(range, pending.rendition);
        self.buffered.push(range);
        merge(&mut self.buffered);
        let text = Text {
            body: pending.body,
            url: pending.url,
            rendition: pending.rendition,
            range,
            init,
        };
        Some((text, offset))
    }

    /// Forgets what is long past.
    pub(crate) fn trim_text(&mut self, position: MediaTime, back: MediaTime) {
        let old = position - back - EVICT_AT_ONCE;
        self.placed.retain(|p| p.range.end > old);
        for range in &mut self.buffered {
            range.start = range.start.max(old.min(range.end));
        }
        self.buffered.retain(|range| range.end > range.start);
    }
}

/// A segment of text.
#[derive(Debug)]
pub(crate) struct Text {
    pub(crate) rendition: usize,
    pub(crate) range: TimeRange,
    pub(crate) init: Option<Vec<u8>>,
    pub(crate) body: Vec<u8>,
    pub(crate) url: String,
}

fn merge(ranges: &mut Vec<TimeRange>) {
    // Insertion: there are few, and they are in order but for the last one.
    let mut at = ranges.len().saturating_sub(1);
    while at > 0
        && ranges
            .get(at - 1)
            .is_some_and(|before| ranges.get(at).is_some_and(|r| r.start < before.start))
    {
        ranges.swap(at - 1, at);
        at -= 1;
    }
    let mut merged: Vec<TimeRange> = Vec::with_capacity(ranges.len());
    for range in ranges.drain(..) {
        match merged.last_mut() {
            Some(last) if range.start <= last.end + super::TOLERANCE => last.end = last.end.max(range.end),
            _ => merged.push(range),
        }
    }
    *ranges = merged;
}

fn seconds(at: MediaTime) -> String {
    let ms = at.max(MediaTime::ZERO).as_millis();
    format!("{}.{:03}", ms / 1000, ms % 1000)
}
