//! What comes next of a rendition: a segment, or near the live edge a part of one (RFC 8216bis, 4.4.4.9), even one that is only
//! announced (4.4.5.3).

use core::time::Duration;

use super::{Env, Loader};
use crate::abr::{Download, Progress};
use crate::manifest::hls::Part;
use crate::presentation::{Resource, Segment, SegmentIndex};
use crate::streaming::context::Cx;
use crate::streaming::listed::{End, Listed};
use crate::streaming::shared::Shared;
use crate::streaming::slots::{Index, Slot, TOLERANCE};
use crate::time::{Instant, MediaTime, TimeRange};

/// See the module's text.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) range: TimeRange,
    pub(super) resource: Resource,
    /// Media sequence number of its segment.
    pub(super) number: u64,
    pub(super) init: Option<usize>,
    pub(super) keys: Option<usize>,
    pub(super) discontinuity: u64,
    pub(super) gap: bool,
    pub(super) extent: Extent,
}

/// How much of a segment it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extent {
    #[default]
    Whole,
    Part,
    /// It is sent as it is made.
    Growing,
    /// A part that is not listed yet: the server holds the answer until it is made. Where it will be in the list.
    Announced(End),
}

impl From<Segment> for Piece {
    fn from(segment: Segment) -> Self {
        Self {
            range: TimeRange::new(segment.start, segment.end),
            resource: segment.resource,
            number: segment.number,
            init: segment.init,
            keys: segment.keys,
            discontinuity: segment.discontinuity,
            gap: segment.gap,
            extent: Extent::Whole,
        }
    }
}

impl From<&Part> for Piece {
    fn from(part: &Part) -> Self {
        Self {
            range: TimeRange::new(part.start, part.start + part.duration),
            resource: part.resource.clone(),
            number: part.number,
            init: part.init,
            keys: part.keys,
            discontinuity: part.discontinuity,
            gap: part.gap,
            extent: Extent::Part,
        }
    }
}

fn near(a: MediaTime, b: MediaTime) -> bool {
    (a - b).max(b - a) <= TOLERANCE
}

impl Slot {
    /// Its list, if it is played by parts.
    pub(crate) fn listed_by_parts(&self) -> Option<&Listed> {
        match &self.index {
            Index::Listed(listed) if listed.has_parts() => Some(listed),
            _ => None,
        }
    }

    /// What comes next at a point of the timeline. `follows`: what comes before it, of this rendition, is there, so that decoding can go
    /// on in the middle of a segment.
    pub(super) fn piece(&self, next: MediaTime, follows: bool) -> Option<Piece> {
        let index = self.index.get()?;
        let segment = index.get(index.position_at(next + TOLERANCE));
        let Some(listed) = self.listed_by_parts() else {
            return segment.map(Piece::from);
        };
        if let Some(segment) = segment {
            if near(segment.start, next) {
                return Some(segment.into());
            }
            let mut parts = listed.playlist.parts.iter();
            let goes_on = |part: &&Part| {
                part.number == segment.number && near(part.start, next) && (follows || part.independent)
            };
            return Some(parts.find(goes_on).map_or_else(|| segment.into(), Piece::from));
        }
        let open: Vec<_> = listed.open_parts().collect();
        if let Some(exact) = open.iter().find(|part| near(part.start, next))
            && (follows || exact.independent)
        {
            return Some(Piece::from(*exact));
        }
        if !follows && !open.is_empty() {
            // Where decoding may begin, at or before what is wanted.
            let starts = |part: &&&Part| part.independent && part.start <= next + TOLERANCE;
            return open.iter().rfind(starts).map(|part| Piece::from(*part));
        }
        let end = listed.end_time();
        let hint = listed.hint().filter(|_| near(end, next))?;
        let last = listed.playlist.parts.last();
        let place = listed.end();
        Some(Piece {
            range: TimeRange::new(end, end + listed.part_target()?),
            resource: Resource {
                url: hint.url.clone(),
                range: None,
            },
            number: place.number,
            init: last.map_or_else(|| index.inits.len().checked_sub(1), |part| part.init),
            keys: last.and_then(|part| part.keys),
            discontinuity: last.map(|part| part.discontinuity).unwrap_or_default(),
            gap: false,
            extent: Extent::Announced(place),
        })
    }

    /// Where what can be fetched of it ends: with the part that is announced.
    pub(super) fn reach(&self) -> Option<MediaTime> {
        let index = self.index.get()?;
        Some(self.listed_by_parts().map_or_else(
            || index.end(),
            |listed| {
                let end = listed.end_time();
                let announced = listed.hint().and_then(|_| listed.part_target());
                end + announced.unwrap_or(MediaTime::ZERO)
            },
        ))
    }
}

impl Loader {
    /// What is fetched is fetched by parts, as long as these.
    pub(crate) fn part_target(&self) -> Option<MediaTime> {
        let slot = self.slots.get(self.current().or_else(|| self.followed())?)?;
        slot.listed_by_parts()?.part_target()
    }

    /// Where what is listed of what is played ends, with parts.
    pub(crate) fn listed_end(&self) -> Option<MediaTime> {
        let slot = self.slots.get(self.current().or_else(|| self.followed())?)?;
        match &slot.index {
            Index::Listed(listed) if listed.has_parts() => Some(listed.end_time()),
            index => index.get().map(SegmentIndex::end),
        }
    }

    /// The same, where what comes at a point of the timeline is a part.
    pub(super) fn part_target_at(&self, at: MediaTime) -> Option<MediaTime> {
        let slot = self.slots.get(self.current().or_else(|| self.followed())?)?;
        if let Some(listed) = slot.listed_by_parts() {
            return (at + TOLERANCE >= listed.playlist.index.end()).then(|| listed.part_target())?;
        }
        let index = slot.index.get()?;
        let (start, end) = index.times(index.position_at(at + TOLERANCE))?;
        let ahead = slot
            .rendition
            .availability_time_offset
            .filter(|_| self.is_growing)?;
        (ahead > MediaTime::ZERO && ahead < end - start).then(|| end - start - ahead)
    }

    /// A chunk of a segment that is sent as it is made is here.
    pub(crate) fn on_chunk(&mut self, cx: &mut Cx<'_>, end: u64, bytes: u64, took: Duration, env: &Env) {
        let Some(flight) = self.flight.as_mut().filter(|f| f.extent == Extent::Growing) else {
            return;
        };
        flight.chunks_end = flight.chunks_end.max(end);
        if !env.main {
            return;
        }
        let since = Instant::from_micros(cx.now.as_micros().saturating_sub(took.as_micros() as u64));
        let upcoming = self.slots.upcoming_from(flight.range.start);
        let rung = upcoming.rung_of(flight.rendition).unwrap_or(0);
        cx.abr.on_download(&Download {
            progress: Progress {
                at: cx.now,
                requested_at: since,
                first_byte_at: since,
                bytes,
            },
            rung,
            abandoned: false,
            cached: false,
        });
    }

    /// What comes next follows what is there of a rendition.
    pub(super) fn follows(&self, rendition: usize) -> bool {
        self.last == Some(rendition) && !self.jumped
    }

    /// The rendition that the next piece has to be of, because decoding can begin in no other there.
    pub(super) fn bound(&self) -> Option<usize> {
        let last = self
            .last
            .filter(|r| self.follows(*r) && self.slots.ladder().contains(r))?;
        let slot = self.slots.get(last)?;
        let listed = slot.listed_by_parts()?;
        let inside = |number: u64, index: usize| {
            index > 0 && {
                let mut parts = listed.playlist.parts.iter();
                !parts.any(|part| part.number == number && part.index == index && part.independent)
            }
        };
        let piece = slot.piece(self.next, true)?;
        let place = match piece.extent {
            Extent::Whole | Extent::Growing => return None,
            Extent::Announced(place) => place.parts,
            Extent::Part => {
                let mut parts = listed.playlist.parts.iter();
                parts.find(|part| near(part.start, piece.range.start))?.index
            }
        };
        inside(piece.number, place).then_some(last)
    }

    /// Lets go of a part that was asked for before it was listed, if the list has it elsewhere, or not at all.
    pub(super) fn drop_announced(&mut self, cx: &mut Cx<'_>, shared: &mut Shared) {
        let Some(flight) = &self.flight else { return };
        let Extent::Announced(place) = flight.extent else {
            return;
        };
        let Some(Index::Listed(listed)) = self.slots.get(flight.rendition).map(|slot| &slot.index) else {
            return;
        };
        let came = shared.requests.attempt(flight.job);
        if came.is_some_and(|attempt| attempt.first_byte_at.is_some()) {
            return;
        }
        let of_place = |part: &&Part| part.number == place.number && part.index == place.parts;
        let is_other = match listed.playlist.parts.iter().find(of_place) {
            Some(part) => !flight.is_of(&part.resource.url),
            None if listed.end() > place || listed.playlist.ended() => true,
            None => listed.hint().is_none_or(|hint| !flight.is_of(&hint.url)),
        };
        if is_other && let Some(flight) = self.flight.take() {
            shared.requests.cancel(cx, flight.job);
        }
    }

    /// Of a part that was fetched before it was listed the end is known once it is.
    pub(super) fn settle_end(&mut self) {
        let Some((rendition, place)) = self.announced else {
            return;
        };
        let listed = self.slots.get(rendition).and_then(Slot::listed_by_parts);
        let Some(listed) = listed.filter(|_| self.last == Some(rendition)) else {
            self.announced = None;
            return;
        };
        let end = listed.end();
        if end <= place {
            return;
        }
        let mut parts = listed.playlist.parts.iter();
        let found = parts.find(|part| part.number == place.number && part.index == place.parts);
        let to = match found {
            Some(part) => Some(part.start + part.duration),
            None => {
                let index = &listed.playlist.index;
                let first = index.numbers().0;
                let position = place.number.checked_sub(first).map(|p| p as usize);
                position.and_then(|p| index.times(p)).map(|(_, end)| end)
            }
        };
        if let Some(to) =
            to.filter(|to| (*to - self.next).max(self.next - *to) < MediaTime::from_millis(5000))
        {
            self.next = to;
        }
        self.announced = None;
    }
}
