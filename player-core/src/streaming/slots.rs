//! The renditions of a track and what has been fetched to play them.

use std::collections::BTreeMap;

use crate::abr::{Context, Rung, Upcoming};
use crate::config::AbrConfig;
use crate::input::{Host, RequestId};
use crate::presentation::{Rendition, SegmentIndex, SegmentSource, Track};
use crate::time::MediaTime;

/// A rendition and its state.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) rendition: Rendition,
    pub(crate) index: Index,
    pub(crate) inits: BTreeMap<usize, Init>,
    /// It failed, or cannot be played here.
    pub(crate) excluded: bool,
}

#[derive(Debug)]
pub(crate) enum Index {
    Unknown(String),
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
}

impl Slots {
    pub(crate) fn new(track: Track) -> Self {
        let slot = |mut rendition: Rendition| {
            let source = core::mem::replace(&mut rendition.source, SegmentSource::Playlist(String::new()));
            let index = match source {
                SegmentSource::Index(index) => Index::Ready(index),
                SegmentSource::Playlist(url) => Index::Unknown(url),
            };
            Slot {
                rendition,
                index,
                inits: BTreeMap::new(),
                excluded: false,
            }
        };
        Self {
            all: track.renditions.into_iter().map(slot).collect(),
            manual: None,
            ladder: Vec::new(),
            rungs: Vec::new(),
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

    /// Works out again which renditions may be chosen: those that are left, below the limits, or else the lowest one.
    pub(crate) fn limit(&mut self, config: &AbrConfig, host: &Host) {
        let usable: Vec<usize> = (0..self.all.len())
            .filter(|i| self.all.get(*i).is_some_and(|s| !s.excluded))
            .collect();
        let mut ladder: Vec<usize> = match self.manual.filter(|m| usable.contains(m)) {
            Some(manual) => vec![manual],
            None => {
                let max_bps = config.bandwidth_limit_kbps() * 1000.0;
                let max_height = config.height_limit();
                let below = |i: &usize| {
                    self.all.get(*i).is_some_and(|s| {
                        s.rendition.bandwidth.as_f64() <= max_bps && s.rendition.height <= max_height
                    })
                };
                let mut ladder: Vec<usize> = usable.iter().copied().filter(below).collect();
                if config.cap_to_element_size && host.width > 0 && host.height > 0 {
                    let covers = |i: &usize| {
                        self.all.get(*i).is_some_and(|s| {
                            s.rendition.width >= host.width || s.rendition.height >= host.height
                        })
                    };
                    if let Some(first) = ladder.iter().position(covers) {
                        // Everything of the size that covers the element, nothing larger.
                        let height = ladder
                            .get(first)
                            .and_then(|i| self.all.get(*i))
                            .map_or(0, |s| s.rendition.height);
                        ladder.retain(|i| self.all.get(*i).is_some_and(|s| s.rendition.height <= height));
                    }
                }
                ladder
            }
        };
        if ladder.is_empty() {
            ladder.extend(usable.first());
        }
        self.rungs = ladder
            .iter()
            .filter_map(|i| self.all.get(*i))
            .map(|slot| Rung {
                bitrate: slot.rendition.typical_bandwidth(),
            })
            .collect();
        self.ladder = ladder;
    }

    pub(crate) fn ladder(&self) -> &[usize] {
        &self.ladder
    }

    pub(crate) fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// The rung of a rendition; if it is not in the ladder now, the highest rung below it.
    pub(crate) fn rung_of(&self, rendition: usize) -> Option<usize> {
        self.ladder
            .iter()
            .rposition(|r| *r <= rendition)
            .or((!self.ladder.is_empty()).then_some(0))
    }

    pub(crate) fn upcoming_from(&self, start: MediaTime) -> UpcomingFrom<'_> {
        UpcomingFrom { slots: self, start }
    }
}

/// The segments from a point of the timeline onwards.
pub(crate) struct UpcomingFrom<'a> {
    slots: &'a Slots,
    start: MediaTime,
}

impl Upcoming for UpcomingFrom<'_> {
    fn bytes(&self, rung: usize, ahead: usize) -> Option<u64> {
        let index = self.slots.index(*self.slots.ladder.get(rung)?)?;
        index.bytes(index.position_at(self.start + TOLERANCE).checked_add(ahead)?)
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
    pub(crate) fn context<'a>(&self, slots: &'a Slots, upcoming: &'a UpcomingFrom<'a>) -> Context<'a> {
        Context {
            now: self.now,
            buffer_s: self.buffer_s,
            buffer_max_s: self.goal_s,
            ladder: slots.rungs(),
            last: self.last.and_then(|r| slots.rung_of(r)),
            segment_s: self.segment_s,
            remaining: self.remaining,
            started: self.started,
            upcoming,
        }
    }
}
