//! The renditions of a track and what has been fetched to play them.

use std::borrow::Cow;

use super::limits::Limits;
use super::requests::{Purpose, Work};
use crate::abr::{Context, Rung, Upcoming};
use crate::config::AbrConfig;
use crate::input::RequestId;
use crate::manifest::table::{SegmentTable, Sizes};
use crate::media::sidx::SidxReader;
use crate::output::Limit;
use crate::presentation::{Rendition, Resource, SegmentIndex, SegmentSource, Track};
use crate::time::MediaTime;

/// A rendition and its state.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) rendition: Rendition,
    pub(crate) index: Index,
    /// Initialization sections that are on their way or here, by their place in the index, in its order.
    pub(crate) inits: Vec<(usize, Init)>,
    /// It failed, or cannot be played here.
    pub(crate) excluded: bool,
    /// URL of its media playlist, if it has one.
    pub(crate) playlist: Option<String>,
    /// What the segment table says of it.
    sizes: Option<Sizes>,
}

#[derive(Debug)]
pub(crate) enum Index {
    Unknown(String),
    /// It is in the file itself, of which the next bytes are to be fetched, or on their way.
    Sidx {
        reader: Box<SidxReader>,
        asked: bool,
    },
    Loading,
    Ready(SegmentIndex),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Init {
    Loading,
    Ready(RequestId),
}

/// All renditions of a track, and those of them that may be chosen.
#[derive(Debug)]
pub(crate) struct Slots {
    pub(crate) all: Vec<Slot>,
    /// The rendition that the viewer or the application chose.
    pub(crate) manual: Option<usize>,
    ladder: Vec<usize>,
    rungs: Vec<Rung>,
    limited_by: Vec<Limit>,
}

impl Slot {
    /// Something of this rendition to fetch, from wherever it is.
    pub(crate) fn work(&self, purpose: Purpose, resource: Resource) -> Work<'_> {
        Work {
            purpose,
            resource,
            rendition: Some(&self.rendition),
            object: None,
            any_container: false,
        }
    }

    pub(crate) fn init(&self, place: usize) -> Option<Init> {
        let found = self.inits.iter().find(|(known, _)| *known == place);
        found.map(|(_, init)| *init)
    }

    pub(crate) fn set_init(&mut self, place: usize, init: Init) {
        let at = self.inits.partition_point(|(known, _)| *known < place);
        match self.inits.get_mut(at) {
            Some(known) if known.0 == place => known.1 = init,
            _ => self.inits.insert(at, (place, init)),
        }
    }
}

impl Slots {
    pub(crate) fn new(track: Track) -> Self {
        let slot = |mut rendition: Rendition| {
            let source = core::mem::replace(&mut rendition.source, SegmentSource::Playlist(String::new()));
            let (index, playlist) = match source {
                SegmentSource::Index(index) => (Index::Ready(index), None),
                SegmentSource::Playlist(url) => (Index::Unknown(url.clone()), Some(url)),
                SegmentSource::Sidx(source) => {
                    let reader = Box::new(SidxReader::new(source));
                    (Index::Sidx { reader, asked: false }, None)
                }
            };
            Slot {
                rendition,
                index,
                inits: Vec::new(),
                excluded: false,
                playlist,
                sizes: None,
            }
        };
        Self {
            all: track.renditions.into_iter().map(slot).collect(),
            manual: None,
            ladder: Vec::new(),
            rungs: Vec::new(),
            limited_by: Vec::new(),
        }
    }

    pub(crate) fn get(&self, rendition: usize) -> Option<&Slot> {
        self.all.get(rendition)
    }

    pub(crate) fn get_mut(&mut self, rendition: usize) -> Option<&mut Slot> {
        self.all.get_mut(rendition)
    }

    pub(crate) fn index(&self, rendition: usize) -> Option<&SegmentIndex> {
        match &self.all.get(rendition)?.index {
            Index::Ready(index) => Some(index),
            _ => None,
        }
    }

    /// An index that is known, for durations: of `rendition` if it is, else of any.
    pub(crate) fn any_index(&self, rendition: Option<usize>) -> Option<&SegmentIndex> {
        rendition
            .and_then(|r| self.index(r))
            .or_else(|| (0..self.all.len()).find_map(|r| self.index(r)))
    }

    /// Works out again which renditions may be chosen: those that are left, within the limits, or else the lowest one.
    pub(crate) fn limit(&mut self, config: &AbrConfig, limits: &Limits) {
        let mut ladder: Vec<usize> = (0..self.all.len())
            .filter(|i| self.all.get(*i).is_some_and(|s| !s.excluded))
            .collect();
        let may_be_shown = |i: &usize| {
            ladder.contains(i)
                && self
                    .all
                    .get(*i)
                    .is_some_and(|s| !limits.is_restricted(&s.rendition))
        };
        match self.manual.filter(may_be_shown) {
            Some(manual) => {
                ladder = vec![manual];
                self.limited_by.clear();
            }
            None => {
                self.limited_by = limits.apply(config, &mut ladder, |i| Some(&self.all.get(i)?.rendition));
            }
        }
        self.rungs = self.rungs_of(&ladder);
        self.ladder = ladder;
    }

    /// The choice by hand is in force.
    pub(crate) fn is_manual(&self) -> bool {
        self.manual.is_some_and(|manual| self.ladder == [manual])
    }

    /// What keeps higher renditions out of the ladder.
    pub(crate) fn limited_by(&self) -> &[Limit] {
        &self.limited_by
    }

    fn rungs_of(&self, ladder: &[usize]) -> Vec<Rung> {
        let slots = ladder.iter().filter_map(|i| self.all.get(*i));
        slots
            .map(|slot| Rung {
                bitrate: slot.rendition.typical_bandwidth(),
            })
            .collect()
    }

    pub(crate) fn ladder(&self) -> &[usize] {
        &self.ladder
    }

    /// The segments from `start` on, in the renditions that may be chosen.
    pub(crate) fn upcoming_from(&self, start: MediaTime) -> UpcomingFrom<'_> {
        UpcomingFrom {
            slots: self,
            ladder: Cow::Borrowed(&self.ladder),
            rungs: Cow::Borrowed(&self.rungs),
            start,
        }
    }

    /// The same, with a rendition among them that is under way and may not be chosen any more.
    pub(crate) fn upcoming_with(&self, start: MediaTime, rendition: usize) -> UpcomingFrom<'_> {
        if self.ladder.contains(&rendition) {
            return self.upcoming_from(start);
        }
        let mut ladder = self.ladder.clone();
        ladder.insert(ladder.partition_point(|r| *r < rendition), rendition);
        UpcomingFrom {
            slots: self,
            rungs: Cow::Owned(self.rungs_of(&ladder)),
            ladder: Cow::Owned(ladder),
            start,
        }
    }

    // Sizes ------------------------------------------------------------------------------------------------------------

    /// Bytes of a segment, if known: exactly from a byte range, else from the segment table, else from a declared bitrate.
    pub(crate) fn bytes(&self, rendition: usize, position: usize) -> Option<u64> {
        let index = self.index(rendition);
        let exact = index
            .and_then(|index| index.range(position))
            .map(|range| range.length);
        exact
            .or_else(|| self.tabled_bytes(rendition, position))
            .or_else(|| index.and_then(|index| index.bytes(position)))
            .filter(|bytes| *bytes > 0)
    }

    fn tabled_bytes(&self, rendition: usize, position: usize) -> Option<u64> {
        self.all.get(rendition)?.sizes.as_ref()?.bytes(position)
    }

    /// Takes what a table says of these renditions; says what is wrong with it.
    pub(crate) fn set_table(&mut self, table: &SegmentTable) -> Vec<String> {
        for slot in &mut self.all {
            slot.sizes = match &slot.playlist {
                Some(url) => table.of_playlist(url),
                None => table.of_representation(&slot.rendition.id),
            }
            .cloned();
        }
        (0..self.all.len()).filter_map(|i| self.check_table(i)).collect()
    }

    /// A table that counts other segments than the manifest is of something else: it is dropped.
    pub(crate) fn check_table(&mut self, rendition: usize) -> Option<String> {
        let segments = self.index(rendition)?.len();
        let slot = self.all.get_mut(rendition)?;
        let tabled = slot.sizes.as_ref()?.len();
        if tabled == segments {
            return None;
        }
        slot.sizes = None;
        let id = &slot.rendition.id;
        Some(format!(
            "the segment table has {tabled} segments for rendition {id}, and the manifest {segments}: it is not used for it"
        ))
    }

    /// A segment has arrived: a table that was wrong about its size is dropped.
    pub(crate) fn check_size(&mut self, rendition: usize, start: MediaTime, bytes: u64) -> Option<String> {
        let index = self.index(rendition)?;
        let position = index.position_at(start + TOLERANCE);
        let tabled = self.tabled_bytes(rendition, position)?;
        if tabled.abs_diff(bytes) <= tabled / 10 {
            return None;
        }
        let slot = self.all.get_mut(rendition)?;
        slot.sizes = None;
        let id = &slot.rendition.id;
        Some(format!(
            "segment {} of rendition {id} has {bytes} bytes, and the segment table says {tabled}: it is not used for it any more",
            position + 1
        ))
    }
}

/// The segments from a point of the timeline onwards.
pub(crate) struct UpcomingFrom<'a> {
    slots: &'a Slots,
    ladder: Cow<'a, [usize]>,
    rungs: Cow<'a, [Rung]>,
    start: MediaTime,
}

impl UpcomingFrom<'_> {
    /// The rendition of a rung.
    pub(crate) fn rendition(&self, rung: usize) -> Option<usize> {
        self.ladder.get(rung).copied()
    }

    /// The rung of a rendition; if it is not among them, the highest rung below it, or else the lowest.
    pub(crate) fn rung_of(&self, rendition: usize) -> Option<usize> {
        self.ladder
            .iter()
            .rposition(|r| *r <= rendition)
            .or((!self.ladder.is_empty()).then_some(0))
    }

    /// The rung of a rendition that is among them.
    pub(crate) fn rung(&self, rendition: usize) -> Option<usize> {
        self.ladder.iter().position(|r| *r == rendition)
    }

    /// Rendition and position of a segment; where the rendition's own index is not known yet, another's will do: they are cut at
    /// the same times.
    fn segment(&self, rung: usize, ahead: usize) -> Option<(usize, usize)> {
        let rendition = self.rendition(rung)?;
        let index = self.slots.any_index(Some(rendition))?;
        let position = index.position_at(self.start + TOLERANCE).checked_add(ahead)?;
        Some((rendition, position))
    }
}

impl Upcoming for UpcomingFrom<'_> {
    fn bytes(&self, rung: usize, ahead: usize) -> Option<u64> {
        let (rendition, position) = self.segment(rung, ahead)?;
        self.slots.bytes(rendition, position)
    }

    fn quality(&self, rung: usize, ahead: usize) -> Option<f64> {
        let (rendition, position) = self.segment(rung, ahead)?;
        self.slots.get(rendition)?.sizes.as_ref()?.quality(position)
    }
}

/// Segments of different renditions whose edges differ by less than this are the same in time.
pub(crate) const TOLERANCE: MediaTime = MediaTime::from_millis(20);

/// Context for the ABR; here because it borrows the slots.
pub(crate) struct Moment {
    pub(crate) now: crate::time::Instant,
    pub(crate) buffer_s: f64,
    pub(crate) goal_s: f64,
    pub(crate) last: Option<usize>,
    pub(crate) segment_s: f64,
    pub(crate) remaining: Option<usize>,
    pub(crate) started: bool,
}

impl Moment {
    pub(crate) fn context<'a>(&self, upcoming: &'a UpcomingFrom<'a>) -> Context<'a> {
        Context {
            now: self.now,
            buffer_s: self.buffer_s,
            buffer_max_s: self.goal_s,
            ladder: &upcoming.rungs,
            last: self.last.and_then(|r| upcoming.rung_of(r)),
            segment_s: self.segment_s,
            remaining: self.remaining,
            started: self.started,
            upcoming,
        }
    }
}
