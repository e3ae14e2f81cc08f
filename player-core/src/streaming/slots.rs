//! The renditions of a track and what has been fetched to play them.

use std::borrow::Cow;

use core::time::Duration;

use super::context::Cx;
use super::decoding::{Abilities, Offer, best_of, family};
use super::drm::Lock;
use super::limits::Limits;
use super::listed::Listed;
use super::requests::{Purpose, Work};
use crate::abr::{Context, Rung, Upcoming};
use crate::config::AbrConfig;
use crate::input::{Decoding, RequestId};
use crate::manifest::table::{SegmentTable, Sizes};
use crate::media::fmp4::Facts;
use crate::media::sidx::SidxReader;
use crate::output::{Container, Limit, Output};
use crate::presentation::{Protection, Rendition, Resource, SegmentIndex, SegmentSource, Track};
use crate::time::{Instant, MediaTime};

/// A rendition and its state.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) rendition: Rendition,
    /// Which of [`Slots::tracks`] it is of.
    pub(crate) track: usize,
    pub(crate) index: Index,
    /// Initialization sections that are on their way or here, by their place in the index, in its order.
    pub(crate) inits: Vec<(usize, Init)>,
    /// It failed, or cannot be played here.
    pub(crate) excluded: bool,
    /// What the machine says of it.
    decoding: Decoding,
    pub(crate) lock: Lock,
    /// What its segments come in, as far as it is known.
    pub(crate) container: Container,
    /// URL of its media playlist, if it has one.
    pub(crate) playlist: Option<String>,
    /// How often it failed since the last segment that came.
    pub(crate) failures: u32,
    /// Where segments begin that it has not got.
    pub(super) lacking: Vec<MediaTime>,
    /// What the segment table says of it.
    sizes: Option<Sizes>,
}

/// A rendition that fails so many times without a success in between is not used any more.
const MAX_FAILURES: u32 = 3;
/// As many segments are remembered that a rendition has not got.
const MAX_LACKING: usize = 32;

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
    /// As a media playlist lists it, which may be read again. Its media has clocks of its own.
    Listed(Box<Listed>),
}

impl Index {
    pub(crate) fn get(&self) -> Option<&SegmentIndex> {
        match self {
            Self::Ready(index) => Some(index),
            Self::Listed(listed) => Some(&listed.playlist.index),
            _ => None,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Init {
    Loading,
    /// It must be decrypted first,
    Raw(RequestId),
    /// which is being done.
    Preparing(RequestId),
    Ready(RequestId, Option<Box<Facts>>),
    /// Of text: the bytes themselves.
    Bytes(Vec<u8>),
}

/// A track of a period.
#[derive(Debug)]
pub(crate) struct TrackSlot {
    /// Which of the presentation's periods it is in.
    pub(crate) period: usize,
    /// Without its renditions, which are slots.
    pub(crate) track: Track,
}

/// By what a track is chosen where a period begins, or when it is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Wanted {
    /// The track that was chosen by hand or played last, to be gone on with.
    pub(crate) id: String,
    pub(crate) language: String,
    pub(crate) label: String,
    pub(crate) roles: Vec<String>,
    pub(crate) channels: String,
}

impl Wanted {
    pub(crate) fn like(track: &Track) -> Self {
        Self {
            id: track.id.clone(),
            language: track.language.clone(),
            label: track.label.clone(),
            roles: track.roles.clone(),
            channels: track.channels.clone(),
        }
    }

    /// How well a track fits: the more the better.
    fn fit(&self, track: &Track) -> u32 {
        let primary = |language: &str| {
            language
                .split('-')
                .next()
                .unwrap_or_default()
                .to_ascii_lowercase()
        };
        let mut fit = u32::from(track.default) + track.priority.min(1000);
        let mut add = |fits: bool, points: u32| fit += if fits { points } else { 0 };
        add(self.id == track.id && !self.id.is_empty(), 4_000_000);
        add(
            !self.language.is_empty() && self.language.eq_ignore_ascii_case(&track.language),
            2_000_000,
        );
        add(
            !self.language.is_empty() && primary(&self.language) == primary(&track.language),
            1_000_000,
        );
        add(!self.roles.is_empty() && self.roles == track.roles, 400_000);
        add(!self.label.is_empty() && self.label == track.label, 200_000);
        add(
            !self.channels.is_empty() && self.channels == track.channels,
            100_000,
        );
        fit
    }
}

/// All renditions of a kind, in every track and period, and those of them that may be chosen now.
#[derive(Debug)]
pub(crate) struct Slots {
    /// In the order of their periods. A rendition's number stays the same, and those of periods that are gone have none.
    pub(crate) all: Vec<Slot>,
    /// Number of the first one.
    first: usize,
    /// In the order of their periods, and in these of preference.
    pub(crate) tracks: Vec<TrackSlot>,
    /// Number of the first one.
    first_track: usize,
    pub(crate) wanted: Wanted,
    /// Id of the rendition that the viewer or the application chose.
    pub(crate) manual: Option<String>,
    /// The group that sound must be of; empty if any will do.
    pub(crate) audio_group: String,
    /// The period of the ladder,
    period: usize,
    /// and its track: of [`Self::tracks`].
    track: Option<usize>,
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
            any_container: self.container != Container::Fmp4,
            patience: Duration::ZERO,
            chunks: false,
        }
    }

    fn new(mut rendition: Rendition, track: usize, lock: Lock) -> Self {
        let webm = rendition.is_webm();
        let source = core::mem::replace(&mut rendition.source, SegmentSource::Playlist(String::new()));
        let (index, playlist) = match source {
            SegmentSource::Index(index) => (Index::Ready(index), None),
            SegmentSource::Playlist(url) => (Index::Unknown(url.clone()), Some(url)),
            SegmentSource::Sidx(source) => {
                let reader = Box::new(SidxReader::new(source));
                (Index::Sidx { reader, asked: false }, None)
            }
        };
        Self {
            rendition,
            track,
            index,
            inits: Vec::new(),
            excluded: false,
            decoding: Decoding::Unknown,
            lock,
            container: if webm { Container::WebM } else { Container::Fmp4 },
            playlist,
            failures: 0,
            lacking: Vec::new(),
            sizes: None,
        }
    }

    pub(crate) fn init(&self, place: usize) -> Option<&Init> {
        let found = self.inits.iter().find(|(known, _)| *known == place);
        found.map(|(_, init)| init)
    }

    pub(crate) fn set_init(&mut self, place: usize, init: Init) {
        let at = self.inits.partition_point(|(known, _)| *known < place);
        match self.inits.get_mut(at) {
            Some(known) if known.0 == place => known.1 = init,
            _ => self.inits.insert(at, (place, init)),
        }
    }

    /// Media playlists do not say what the clock of the media shows.
    pub(crate) fn has_own_clock(&self) -> bool {
        self.playlist.is_some()
    }

    /// It has not got the segment that begins here.
    pub(crate) fn lacks(&self, start: MediaTime) -> bool {
        self.lacking
            .iter()
            .any(|at| (*at - start).max(start - *at) <= TOLERANCE)
    }

    /// Counts a failure.
    pub(crate) fn has_failed_too_often(&mut self) -> bool {
        self.failures += 1;
        self.failures >= MAX_FAILURES
    }

    pub(crate) fn set_lacking(&mut self, start: MediaTime) {
        if !self.lacks(start) {
            if self.lacking.len() >= MAX_LACKING {
                self.lacking.remove(0);
            }
            self.lacking.push(start);
        }
    }

    /// Lets go of its initialization sections.
    pub(crate) fn release(&mut self, cx: &mut Cx<'_>) {
        for (_, init) in core::mem::take(&mut self.inits) {
            if let Init::Ready(request, _) | Init::Raw(request) | Init::Preparing(request) = init {
                cx.send(Output::Release { request });
            }
        }
    }
}

fn ways<'a>(rendition: &'a Rendition, track: Option<&'a Track>) -> &'a [Protection] {
    match (rendition.protection.as_slice(), track) {
        ([], Some(track)) => &track.protection,
        (own, _) => own,
    }
}

impl Slots {
    pub(crate) fn new() -> Self {
        Self {
            all: Vec::new(),
            first: 0,
            tracks: Vec::new(),
            first_track: 0,
            wanted: Wanted::default(),
            manual: None,
            audio_group: String::new(),
            period: 0,
            track: None,
            ladder: Vec::new(),
            rungs: Vec::new(),
            limited_by: Vec::new(),
        }
    }

    /// Adds a track of a period, the last one so far.
    pub(crate) fn add(&mut self, period: usize, mut track: Track) {
        let place = self.first_track + self.tracks.len();
        for rendition in core::mem::take(&mut track.renditions) {
            let lock = Lock::new(ways(&rendition, Some(&track)));
            self.all.push(Slot::new(rendition, place, lock));
        }
        self.tracks.push(TrackSlot { period, track });
    }

    /// Adds a track to the last period.
    pub(crate) fn insert(&mut self, period: usize, track: Track) {
        if self.tracks.last().is_none_or(|last| last.period <= period) {
            self.add(period, track);
        }
    }

    /// Adds a rendition to a track that is there.
    fn add_rendition(&mut self, track: usize, rendition: Rendition) {
        let of_track = track
            .checked_sub(self.first_track)
            .and_then(|i| self.tracks.get(i));
        let lock = Lock::new(ways(&rendition, of_track.map(|slot| &slot.track)));
        self.all.push(Slot::new(rendition, track, lock));
    }

    /// The numbers of the renditions.
    pub(crate) fn numbers(&self) -> core::ops::Range<usize> {
        self.first..self.first + self.all.len()
    }

    /// Lets go of the periods before one.
    pub(crate) fn forget(&mut self, cx: &mut Cx<'_>, period: usize) {
        let tracks = self.tracks.partition_point(|track| track.period < period);
        if tracks == 0 {
            return;
        }
        self.tracks.drain(..tracks);
        self.first_track += tracks;
        let first_track = self.first_track;
        let gone = self.all.partition_point(|slot| slot.track < first_track);
        for mut slot in self.all.drain(..gone) {
            slot.release(cx);
        }
        self.first += gone;
    }

    /// How one gets at the keys of a rendition, as its manifest says; of HLS its media playlist does.
    pub(crate) fn ways(&self, rendition: usize) -> &[Protection] {
        let Some(slot) = self.get(rendition) else {
            return &[];
        };
        let track = slot
            .track
            .checked_sub(self.first_track)
            .and_then(|i| self.tracks.get(i));
        ways(&slot.rendition, track.map(|slot| &slot.track))
    }

    pub(crate) fn get(&self, rendition: usize) -> Option<&Slot> {
        self.all.get(rendition.checked_sub(self.first)?)
    }

    pub(crate) fn get_mut(&mut self, rendition: usize) -> Option<&mut Slot> {
        self.all.get_mut(rendition.checked_sub(self.first)?)
    }

    fn track_slot(&self, track: usize) -> Option<&TrackSlot> {
        self.tracks.get(track.checked_sub(self.first_track)?)
    }

    pub(crate) fn index(&self, rendition: usize) -> Option<&SegmentIndex> {
        self.get(rendition)?.index.get()
    }

    /// An index of the current track that is known, for durations: of `rendition` if it is, else of any.
    pub(crate) fn any_index(&self, rendition: Option<usize>) -> Option<&SegmentIndex> {
        rendition
            .filter(|r| self.is_of_track(*r))
            .and_then(|r| self.index(r))
            .or_else(|| {
                self.numbers()
                    .filter(|r| self.is_of_track(*r))
                    .find_map(|r| self.index(r))
            })
    }

    /// The period of a rendition.
    pub(crate) fn period_of(&self, rendition: usize) -> Option<usize> {
        let slot = self.get(rendition)?;
        self.track_slot(slot.track).map(|track| track.period)
    }

    /// The period that the ladder is of.
    pub(crate) fn period(&self) -> usize {
        self.period
    }

    /// The track that is played.
    pub(crate) fn track(&self) -> Option<&TrackSlot> {
        self.track_slot(self.track?)
    }

    /// The rendition is of the track that is played.
    pub(crate) fn is_of_track(&self, rendition: usize) -> bool {
        self.get(rendition)
            .is_some_and(|slot| Some(slot.track) == self.track)
    }

    /// A rendition is of the track that would be chosen in its period, and not another one than was chosen by hand.
    pub(crate) fn is_wanted(&self, rendition: usize) -> bool {
        let Some(slot) = self.get(rendition) else {
            return true;
        };
        if self.is_manual() && self.is_of_track(rendition) && self.manual.as_ref() != Some(&slot.rendition.id)
        {
            return false;
        }
        let period = self.track_slot(slot.track).map(|track| track.period);
        period
            .and_then(|period| self.best(period))
            .is_none_or(|best| best == slot.track)
    }

    /// The tracks of the period that the ladder is of.
    pub(crate) fn tracks_of_period(&self) -> impl Iterator<Item = &Track> {
        let of_period = |slot: &&TrackSlot| slot.period == self.period;
        self.tracks.iter().filter(of_period).map(|slot| &slot.track)
    }

    /// Whether a rendition may be offered to the viewer: it is of the current track, and can be played.
    pub(crate) fn is_offered(&self, rendition: usize) -> bool {
        self.is_of_track(rendition)
    }

    /// Number of a track of a period.
    pub(crate) fn find_track(&self, period: usize, id: &str) -> Option<usize> {
        let found = self
            .tracks
            .iter()
            .position(|slot| slot.period == period && slot.track.id == id);
        found.map(|at| self.first_track + at)
    }

    /// Takes over a newer version of a rendition of a track.
    pub(crate) fn update(&mut self, track: usize, rendition: Rendition) {
        let same = |slot: &&mut Slot| slot.track == track && slot.rendition.id == rendition.id;
        match self.all.iter_mut().find(same) {
            Some(slot) => {
                if let SegmentSource::Index(index) = rendition.source {
                    slot.index = Index::Ready(index);
                }
            }
            // A new one of an earlier track would have a number out of order.
            None if track + 1 == self.first_track + self.tracks.len() => self.add_rendition(track, rendition),
            None => {}
        }
    }

    /// The track of a period that fits best what is wanted.
    fn best(&self, period: usize) -> Option<usize> {
        let mut best: Option<(u32, usize)> = None;
        for (i, slot) in self.tracks.iter().enumerate() {
            let number = self.first_track + i;
            let alive = || self.all.iter().any(|s| s.track == number && !s.excluded);
            if slot.period != period || !alive() {
                continue;
            }
            let fit = self.wanted.fit(&slot.track);
            if best.is_none_or(|(known, _)| fit > known) {
                best = Some((fit, number));
            }
        }
        best.map(|(_, number)| self.best_codec(number))
    }

    /// Of a track and those of its period that hold the same pictures in other codecs the best one.
    fn best_codec(&self, track: usize) -> usize {
        let of = |number: usize| {
            let slots = self.all.iter();
            slots.filter(move |slot| slot.track == number && !slot.excluded)
        };
        let codec = |number: usize| of(number).next().map_or("", |slot| family(&slot.rendition));
        let Some(own) = self.track_slot(track).filter(|_| !codec(track).is_empty()) else {
            return track;
        };
        let (mut numbers, mut offers) = (Vec::new(), Vec::new());
        for (i, slot) in self.tracks.iter().enumerate() {
            let number = self.first_track + i;
            let (a, b) = (&slot.track, &own.track);
            let same = slot.period == own.period
                && (number == track || !["", codec(track)].contains(&codec(number)))
                && a.language == b.language
                && a.label == b.label
                && a.roles == b.roles
                && a.accessibility == b.accessibility;
            let renditions = of(number).map(|slot| (&slot.rendition, slot.decoding));
            if let Some(offer) = Offer::new(a.priority, renditions).filter(|_| same) {
                numbers.push(number);
                offers.push(offer);
            }
        }
        let best = best_of(&offers).and_then(|best| numbers.get(best));
        best.copied().unwrap_or(track)
    }

    /// Takes over what the machine says of renditions.
    /// Keys have changed: what others than `rendition` needed last does not count any more.
    pub(crate) fn forget_rotated(&mut self, rendition: usize) {
        let first = self.first;
        for (i, slot) in self.all.iter_mut().enumerate() {
            if first + i != rendition {
                slot.lock.forget_rotated();
            }
        }
    }

    pub(crate) fn judge(&mut self, abilities: &Abilities) {
        for slot in self
            .all
            .iter_mut()
            .filter(|slot| slot.decoding == Decoding::Unknown)
        {
            slot.decoding = abilities.of(&slot.rendition);
        }
    }

    /// Leaves what can be decoded smoothly; true if something cannot.
    fn keep_smooth(&self, ladder: &mut Vec<usize>) -> bool {
        let decoding = |r: usize| self.get(r).map_or(Decoding::Unknown, |slot| slot.decoding);
        let before = ladder.len();
        match ladder.iter().map(|r| decoding(*r)).max() {
            // If nothing is what the browser says that it plays, it has not understood the question.
            None | Some(Decoding::Unsupported) => {}
            Some(Decoding::Rough) => {
                ladder.retain(|r| decoding(*r) == Decoding::Rough);
                ladder.truncate(1);
            }
            Some(_) => ladder.retain(|r| decoding(*r) >= Decoding::Unknown),
        }
        ladder.len() < before
    }

    /// Leaves one codec, if one offers all that they offer together.
    fn keep_codec(&self, ladder: &mut Vec<usize>) {
        let codec = |r: &usize| self.get(*r).map_or("", |slot| family(&slot.rendition));
        let mut codecs: Vec<&str> = Vec::new();
        for rendition in ladder.iter() {
            if !codecs.contains(&codec(rendition)) {
                codecs.push(codec(rendition));
            }
        }
        if codecs.len() < 2 || codecs.contains(&"") {
            return;
        }
        let offer = |of: &&str| {
            let rungs = ladder.iter().filter(|r| codec(r) == *of);
            let slots = rungs.filter_map(|r| self.get(*r));
            Offer::new(0, slots.map(|slot| (&slot.rendition, slot.decoding)))
        };
        let offers: Vec<Offer> = codecs.iter().filter_map(offer).collect();
        if let Some(best) = best_of(&offers).and_then(|best| codecs.get(best)) {
            ladder.retain(|r| codec(r) == *best);
        }
    }

    /// Goes on to a period: its track that fits best what is wanted, if it has one of this kind.
    pub(crate) fn enter(&mut self, period: usize) {
        self.period = period;
        self.track = self.best(period);
    }

    /// Works out again which renditions may be chosen: those that are left, within the limits, or else the lowest one.
    pub(crate) fn limit(&mut self, config: &AbrConfig, limits: &Limits) {
        let mut ladder: Vec<usize> = self
            .numbers()
            .filter(|i| self.is_of_track(*i) && self.get(*i).is_some_and(|s| !s.excluded))
            .collect();
        let of_group = |i: &usize| {
            self.get(*i)
                .is_some_and(|s| s.rendition.audio_group == self.audio_group)
        };
        if !self.audio_group.is_empty() && ladder.iter().any(of_group) {
            ladder.retain(of_group);
        }
        let by_hand = self.manual.as_deref().and_then(|id| {
            let chosen = |i: &&usize| {
                self.get(**i)
                    .is_some_and(|s| s.rendition.id == id && !limits.is_restricted(s))
            };
            ladder.iter().find(chosen).copied()
        });
        match by_hand {
            Some(manual) => {
                ladder = vec![manual];
                self.limited_by.clear();
            }
            None => {
                let rough = self.keep_smooth(&mut ladder);
                self.keep_codec(&mut ladder);
                let mut by = limits.apply(config, &mut ladder, |i| self.get(i));
                if rough {
                    by.insert(0, Limit::Decoding);
                }
                self.limited_by = by;
            }
        }
        self.rungs = self.rungs_of(&ladder);
        self.ladder = ladder;
    }

    /// The choice by hand is in force.
    pub(crate) fn is_manual(&self) -> bool {
        let only = match self.ladder.as_slice() {
            [only] => self.get(*only),
            _ => None,
        };
        self.manual.is_some() && only.map(|slot| &slot.rendition.id) == self.manual.as_ref()
    }

    /// What keeps higher renditions out of the ladder.
    pub(crate) fn limited_by(&self) -> &[Limit] {
        &self.limited_by
    }

    fn rungs_of(&self, ladder: &[usize]) -> Vec<Rung> {
        let slots = ladder.iter().filter_map(|i| self.get(*i));
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
        let bandwidth = |r: usize| self.get(r).map(|slot| slot.rendition.bandwidth);
        let at = ladder.partition_point(|r| bandwidth(*r) <= bandwidth(rendition));
        ladder.insert(at, rendition);
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
        self.get(rendition)?.sizes.as_ref()?.bytes(position)
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
        self.numbers().filter_map(|i| self.check_table(i)).collect()
    }

    /// A table that counts other segments than the manifest is of something else: it is dropped.
    pub(crate) fn check_table(&mut self, rendition: usize) -> Option<String> {
        let segments = self.index(rendition)?.len();
        let slot = self.get_mut(rendition)?;
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
        let slot = self.get_mut(rendition)?;
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

    /// The rung of a rendition; if it is not among them, the highest rung with no more bitrate, or else the lowest.
    pub(crate) fn rung_of(&self, rendition: usize) -> Option<usize> {
        let bandwidth = |r: usize| self.slots.get(r).map(|slot| slot.rendition.bandwidth);
        let this = bandwidth(rendition);
        self.rung(rendition)
            .or_else(|| self.ladder.iter().rposition(|r| bandwidth(*r) <= this))
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
    pub(crate) now: Instant,
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
