//! What of a stream can be played: the segments of every track, from the DVR window's first to the one in production. No I/O.
//!
//! Numbers are those of the stream: every track cuts at the same times, so segment *n* of one track lies beside segment *n* of
//! another. Where a track has nothing, it has a gap of that number, so that numbers stay contiguous in every playlist.

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{LiveError, Part, Take, TrackKeys, TrackKind};

/// What stays the same for as long as the stream lives (RFC 8216bis §6.2.1, §4.4.3.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Targets {
    /// EXT-X-TARGETDURATION, seconds.
    pub(super) duration_s: u32,
    /// PART-TARGET.
    pub(super) part: Duration,
    /// What a segment lasts.
    pub(super) segment: Duration,
}

impl Targets {
    fn of(take: &Take) -> Self {
        // Sound is cut at the frame nearest to the cut: at most half a frame longer, 1152 samples at 16 kHz being the longest usual.
        let longest = take.segment_target + Duration::from_millis(36);
        Self {
            duration_s: (longest.as_secs_f64().round() as u32).max(1),
            part: take.part_target,
            segment: take.segment_target,
        }
    }

    pub(super) fn duration(self) -> Duration {
        Duration::from_secs(self.duration_s.into())
    }
}

/// A take, as far as playlists need it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TakeEntry {
    /// Names its init segments.
    pub(super) id: u32,
    /// Discontinuity sequence number.
    pub(super) discontinuity: u64,
    /// Of media time 0.
    pub(super) wall: SystemTime,
    /// Its first segment.
    pub(super) first: u64,
    /// What its segments last.
    pub(super) segment: Duration,
    /// From capture to the sink, measured on the first part.
    #[serde(default)]
    pub(super) delay: Duration,
    pub(super) tracks: Vec<TrackEntry>,
    /// The publisher is still there.
    #[serde(skip)]
    pub(super) is_open: bool,
    /// Every track has something to play.
    #[serde(skip)]
    pub(super) is_ready: bool,
}

/// A track of a take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TrackEntry {
    pub(super) name: String,
    pub(super) kind: TrackKind,
    pub(super) codecs: String,
    pub(super) timescale: u32,
    pub(super) bandwidth: u64,
}

/// A segment of one track.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Segment {
    pub(super) number: u64,
    /// The id of its take.
    pub(super) take: u32,
    /// In the take, in ticks.
    pub(super) start: u64,
    /// In ticks.
    pub(super) duration: u64,
    pub(super) timescale: u32,
    pub(super) bytes: u64,
    /// The track has nothing there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_gap: bool,
    #[serde(skip)]
    pub(super) parts: Vec<PartEntry>,
    /// Nothing more comes of it.
    #[serde(skip)]
    pub(super) is_whole: bool,
    /// Its lines in a media playlist.
    #[serde(skip)]
    pub(super) text: Option<(String, String)>,
}

impl Segment {
    pub(super) fn seconds(&self) -> f64 {
        self.duration as f64 / f64::from(self.timescale.max(1))
    }

    /// From the take's beginning.
    pub(super) fn starts_at(&self) -> Duration {
        of_ticks(self.start, self.timescale)
    }

    pub(super) fn ends_at(&self) -> Duration {
        of_ticks(self.start.saturating_add(self.duration), self.timescale)
    }
}

/// A part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PartEntry {
    /// In ticks.
    pub(super) duration: u32,
    pub(super) is_independent: bool,
}

/// What manifests say of a track's keys, from a segment on to the next change, or the end of the take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct KeyChange {
    /// The first segment.
    pub(super) number: u64,
    /// The id of its take.
    pub(super) take: u32,
    #[serde(flatten)]
    pub(super) keys: TrackKeys,
}

/// The segments of one track, by number and without holes; the last may be in production.
#[derive(Clone, Debug)]
pub(super) struct TrackWindow {
    pub(super) name: String,
    pub(super) segments: VecDeque<Segment>,
    /// By their numbers, from the one that the first segment has on.
    pub(super) keys: VecDeque<KeyChange>,
    /// The first number that has not begun.
    pub(super) next: u64,
}

impl TrackWindow {
    /// The last segment of which nothing more comes; 0 = none.
    pub(super) fn last_whole(&self) -> u64 {
        self.open().map_or(self.next, |open| open.number) - 1
    }

    /// Playlists have a whole segment at least: there are players that refuse others.
    pub(super) fn can_be_listed(&self) -> bool {
        self.segments.iter().any(|segment| segment.is_whole)
    }

    /// The segment in production.
    pub(super) fn open(&self) -> Option<&Segment> {
        self.segments.back().filter(|segment| !segment.is_whole)
    }

    pub(super) fn get(&self, number: u64) -> Option<&Segment> {
        let first = self.segments.front()?.number;
        self.segments
            .get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// What a segment's keys are, if it has any.
    pub(super) fn keys(&self, segment: &Segment) -> Option<&KeyChange> {
        let mut before = self.keys.iter().rev();
        let change = before.find(|change| change.number <= segment.number)?;
        (change.take == segment.take).then_some(change)
    }

    /// What the newest keys of a take are, if it has any.
    pub(super) fn newest_keys(&self, take: u32) -> Option<&TrackKeys> {
        let mut of_take = self.keys.iter().filter(|change| change.take == take);
        of_take.next_back().map(|change| &change.keys)
    }

    fn push(&mut self, segment: Segment) {
        self.next = segment.number + 1;
        self.segments.push_back(segment);
    }
}

/// Where a part came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Index into [`Window::tracks`].
    pub(super) track: usize,
    pub(super) number: u64,
}

/// A stream's segments.
#[derive(Clone, Debug)]
pub(super) struct Window {
    pub(super) dvr: Duration,
    pub(super) targets: Option<Targets>,
    pub(super) takes: VecDeque<TakeEntry>,
    pub(super) tracks: Vec<TrackWindow>,
    pub(super) is_over: bool,
    /// Media time 0 of the first take of all.
    pub(super) epoch: Option<SystemTime>,
    pub(super) next_take: u32,
    /// Of the current take's tracks, their indices here.
    current: Vec<usize>,
}

impl Window {
    pub(super) fn new(dvr: Duration) -> Self {
        Self {
            dvr,
            targets: None,
            takes: VecDeque::new(),
            tracks: Vec::new(),
            is_over: false,
            epoch: None,
            next_take: 0,
            current: Vec::new(),
        }
    }

    /// The first number that no track has begun.
    pub(super) fn next(&self) -> u64 {
        self.tracks.iter().map(|track| track.next).max().unwrap_or(1)
    }

    /// The first number that any playlist names.
    pub(super) fn first(&self) -> u64 {
        let firsts = self
            .tracks
            .iter()
            .filter_map(|track| Some(track.segments.front()?.number));
        firsts.min().unwrap_or_else(|| self.next())
    }

    pub(super) fn take(&self, id: u32) -> Option<&TakeEntry> {
        self.takes.iter().find(|take| take.id == id)
    }

    pub(super) fn track(&self, name: &str) -> Option<usize> {
        self.tracks.iter().position(|track| track.name == name)
    }

    /// A take begins; whatever was open is closed ([`Self::close`]) before.
    pub(super) fn begin(&mut self, take: &Take) -> Result<u32, LiveError> {
        if self.is_over {
            return Err(LiveError::Output {
                reason: "the stream is over; give a new one another name".to_owned(),
            });
        }
        let wanted = Targets::of(take);
        let targets = *self.targets.get_or_insert(wanted);
        if wanted.duration_s > targets.duration_s {
            return Err(longer("segment_target", wanted.segment, targets.segment));
        }
        if wanted.part > targets.part {
            return Err(longer("part_target", wanted.part, targets.part));
        }
        // A take of which nothing came has left no mark in any playlist.
        let has_segments = |take: &TakeEntry| self.has_segments(take.id);
        if self.takes.back().is_some_and(|last| !has_segments(last)) {
            self.takes.pop_back();
        }
        let last = self.takes.back();
        let entry = TakeEntry {
            id: self.next_take,
            discontinuity: last.map_or(0, |last| last.discontinuity + 1),
            // Dates never go back, whatever the publisher's clock does.
            wall: last.map_or(take.wall, |last| take.wall.max(last.wall + self.lasts(last))),
            first: self.next(),
            segment: take.segment_target,
            delay: Duration::ZERO,
            tracks: take
                .tracks
                .iter()
                .map(|track| TrackEntry {
                    name: track.name.clone(),
                    kind: track.kind.clone(),
                    codecs: track.codecs.clone(),
                    timescale: track.timescale,
                    bandwidth: track.bandwidth,
                })
                .collect(),
            is_open: true,
            is_ready: false,
        };
        let id = entry.id;
        self.enter(entry);
        Ok(id)
    }

    /// Adds a take, new or read again.
    pub(super) fn enter(&mut self, take: TakeEntry) {
        self.next_take = self.next_take.max(take.id.saturating_add(1));
        self.epoch.get_or_insert(take.wall);
        self.current.clear();
        for track in &take.tracks {
            let index = self.add_track(&track.name, take.first);
            self.current.push(index);
        }
        self.takes.push_back(take);
    }

    /// The index of a track, which begins with number `next` if it is new.
    pub(super) fn add_track(&mut self, name: &str, next: u64) -> usize {
        self.track(name).unwrap_or_else(|| {
            self.tracks.push(TrackWindow {
                name: name.to_owned(),
                segments: VecDeque::new(),
                keys: VecDeque::new(),
                next,
            });
            self.tracks.len() - 1
        })
    }

    fn has_segments(&self, take: u32) -> bool {
        let ends_with = |track: &TrackWindow| track.segments.back().is_some_and(|last| last.take >= take);
        self.tracks.iter().any(ends_with)
    }

    /// How long a take is: as its first track.
    pub(super) fn lasts(&self, take: &TakeEntry) -> Duration {
        let of = |track: &TrackEntry| {
            let track = self.tracks.get(self.track(&track.name)?)?;
            let last = track
                .segments
                .iter()
                .rev()
                .find(|segment| segment.take == take.id)?;
            Some(last.ends_at())
        };
        take.tracks.first().and_then(of).unwrap_or_default()
    }

    /// How long all tracks of a take have media: behind that are segments that one of them lacks, which an MPD cannot say.
    pub(super) fn is_whole_for(&self, take: &TakeEntry) -> Duration {
        let of = |track: &TrackEntry| {
            let track = self.tracks.get(self.track(&track.name)?)?;
            let mut of_take = track
                .segments
                .iter()
                .rev()
                .filter(|segment| segment.take == take.id);
            of_take.find(|segment| !segment.is_gap).map(Segment::ends_at)
        };
        take.tracks.iter().filter_map(of).min().unwrap_or_default()
    }

    /// The keys of a track of the current take, from its next segment on. Returns the track's index here.
    pub(super) fn keys(&mut self, track: usize, keys: TrackKeys) -> Result<usize, LiveError> {
        let take = self.takes.back().filter(|take| take.is_open).map(|take| take.id);
        let index = self.current.get(track).copied();
        let window = index.and_then(|index| self.tracks.get_mut(index));
        match (take, index, window) {
            (Some(take), Some(index), Some(window)) if window.open().is_none() => {
                let number = window.next;
                window.keys.push_back(KeyChange { number, take, keys });
                Ok(index)
            }
            _ => Err(LiveError::Output {
                reason: "keys change where no segment begins".to_owned(),
            }),
        }
    }

    /// Keys that are read again.
    pub(super) fn restore_keys(&mut self, track: &str, change: KeyChange) {
        let index = self.track(track);
        if let Some(track) = index.and_then(|index| self.tracks.get_mut(index)) {
            track.keys.push_back(change);
        }
    }

    /// The next part of a track of the current take. Returns where it lies, and the gaps that came with it.
    pub(super) fn part(&mut self, track: usize, part: &Part) -> Result<(Placed, Vec<Placed>), LiveError> {
        let refused = |reason: &str| {
            Err(LiveError::Output {
                reason: reason.to_owned(),
            })
        };
        let (Some(take), Some(&index)) = (self.takes.back(), self.current.get(track)) else {
            return refused("a part of a track that no take has");
        };
        if !take.is_open {
            return refused("a part outside of a take");
        }
        let take_id = take.id;
        let timescale = take.tracks.get(track).map_or(1, |track| track.timescale);
        let Some(window) = self.tracks.get_mut(index) else {
            return refused("a part of a track that is not there");
        };
        if part.duration == 0 || part.bytes.is_empty() {
            return refused("a part without media");
        }
        let target = self.targets.map_or(Duration::MAX, |targets| targets.part);
        if of_ticks(part.duration.into(), timescale) > target + ROUNDING {
            return refused("a part is longer than the stream's part target");
        }
        let end = window.segments.back().filter(|last| last.take == take_id);
        if end.is_some_and(|last| part.decode_time < last.start.saturating_add(last.duration)) {
            return refused("a part's decode time goes back");
        }
        if window.open().is_none() {
            window.push(Segment {
                number: window.next,
                take: take_id,
                start: part.decode_time,
                duration: 0,
                timescale,
                bytes: 0,
                is_gap: false,
                parts: Vec::new(),
                is_whole: false,
                text: None,
            });
        }
        let Some(open) = window.segments.back_mut() else {
            return refused("a segment that is not there");
        };
        let end = part.decode_time.saturating_add(part.duration.into());
        open.duration = end.saturating_sub(open.start);
        open.bytes = open.bytes.saturating_add(part.bytes.len() as u64);
        open.parts.push(PartEntry {
            duration: part.duration,
            is_independent: part.independent,
        });
        open.is_whole = part.last;
        let placed = Placed {
            track: index,
            number: open.number,
        };
        let gaps = match part.last && track == 0 {
            true => self.fill_absent(placed),
            false => Vec::new(),
        };
        Ok((placed, gaps))
    }

    /// Tracks that the current take has not get a gap beside every segment of its first.
    fn fill_absent(&mut self, leader: Placed) -> Vec<Placed> {
        let mut filled = Vec::new();
        let segment = self.tracks.get(leader.track).and_then(|t| t.get(leader.number));
        let Some(segment) = segment.cloned() else {
            return filled;
        };
        let current = &self.current;
        for (index, track) in self.tracks.iter_mut().enumerate() {
            if !current.contains(&index) && track.next == segment.number {
                track.push(gap_beside(&segment, segment.number));
                filled.push(Placed {
                    track: index,
                    ..leader
                });
            }
        }
        filled
    }

    /// The current take is over: what is in production is whole, and all tracks come to the same number. Returns what is new of
    /// whole segments.
    pub(super) fn close(&mut self) -> Vec<Placed> {
        let mut closed = Vec::new();
        for (index, track) in self.tracks.iter_mut().enumerate() {
            if let Some(open) = track.segments.back_mut().filter(|open| !open.is_whole) {
                open.is_whole = true;
                closed.push(Placed {
                    track: index,
                    number: open.number,
                });
            }
        }
        closed.extend(self.fill_to(self.next()));
        if let Some(take) = self.takes.back_mut() {
            take.is_open = false;
        }
        closed
    }

    /// Gaps for every track that has not come to `next`.
    pub(super) fn fill_to(&mut self, next: u64) -> Vec<Placed> {
        let Some((take, target)) = self.takes.back().map(|take| (take.id, take.segment)) else {
            return Vec::new();
        };
        let longest = self.tracks.iter().max_by_key(|track| track.next).cloned();
        let mut filled = Vec::new();
        for (index, track) in self.tracks.iter_mut().enumerate() {
            while track.next < next {
                let number = track.next;
                let beside = longest.as_ref().and_then(|longest| longest.get(number));
                let gap = match beside {
                    Some(segment) => gap_beside(segment, number),
                    None => {
                        let last = track.segments.back().filter(|last| last.take == take);
                        let start = last.map_or(Duration::ZERO, Segment::ends_at);
                        Segment {
                            take,
                            ..gap(number, start, target)
                        }
                    }
                };
                track.push(gap);
                filled.push(Placed { track: index, number });
            }
        }
        filled
    }

    /// After everything was read again: what has no segments is no take. Where the process was killed, what was in production is a
    /// gap, since players may have seen its number.
    pub(super) fn settle(&mut self, was_killed: bool) {
        let mut takes = std::mem::take(&mut self.takes);
        takes.retain(|take| {
            let mut segments = self.tracks.iter().flat_map(|track| &track.segments);
            segments.any(|segment| segment.take == take.id)
        });
        for take in &mut takes {
            take.is_ready = true;
        }
        self.takes = takes;
        if was_killed && !self.takes.is_empty() {
            self.fill_to(self.next() + 1);
        }
        for track in &mut self.tracks {
            for segment in &mut track.segments {
                if let Some(take) = self.takes.iter().find(|take| take.id == segment.take) {
                    segment.text = Some(super::hls::settled(take, &track.name, segment));
                }
            }
        }
    }

    /// A whole segment that is read again.
    pub(super) fn restore(&mut self, track: &str, mut segment: Segment) {
        let Some(index) = self.track(track) else { return };
        segment.is_whole = true;
        if let Some(track) = self.tracks.get_mut(index)
            && (track.segments.is_empty() || track.next == segment.number)
        {
            track.push(segment);
        }
    }

    /// Lets go of what is behind the DVR window, the same numbers of every track.
    pub(super) fn trim(&mut self) {
        let Some(targets) = self.targets else { return };
        // A delta update needs six target durations to leave anything out, a player three to begin.
        let least = self.dvr.max(targets.duration() * 6).as_secs_f64();
        let first_of = |track: &TrackWindow| {
            let mut left = least;
            for segment in track.segments.iter().rev().filter(|segment| segment.is_whole) {
                left -= segment.seconds();
                if left <= 0.0 {
                    return segment.number;
                }
            }
            track
                .segments
                .front()
                .map_or(track.next, |segment| segment.number)
        };
        let tracks = self.current.iter().filter_map(|index| self.tracks.get(*index));
        let first = tracks.map(first_of).min().unwrap_or(0);
        self.forget(first);
    }

    /// Lets go of what comes after a number.
    pub(super) fn forget_after(&mut self, last: u64) {
        for track in &mut self.tracks {
            while track.segments.back().is_some_and(|segment| segment.number > last) {
                track.segments.pop_back();
            }
            track.keys.retain(|change| change.number <= last);
            track.next = track.next.min(last + 1);
        }
        self.takes.retain(|take| take.first <= last);
    }

    /// Lets go of what comes before a number.
    pub(super) fn forget(&mut self, first: u64) {
        for track in &mut self.tracks {
            while track
                .segments
                .front()
                .is_some_and(|segment| segment.number < first)
            {
                track.segments.pop_front();
            }
            while track.keys.get(1).is_some_and(|next| next.number <= first) {
                track.keys.pop_front();
            }
        }
        let oldest = self
            .tracks
            .iter()
            .filter_map(|track| Some(track.segments.front()?.take));
        let oldest = oldest.min().unwrap_or(0);
        while self.takes.len() > 1 && self.takes.front().is_some_and(|take| take.id < oldest) {
            self.takes.pop_front();
        }
    }
}

fn longer(option: &'static str, wanted: Duration, had: Duration) -> LiveError {
    LiveError::BadOption {
        option,
        reason: format!(
            "{} ms; a stream that has begun with {} ms keeps that for its players, so take at most that or another name",
            wanted.as_millis(),
            had.as_millis()
        ),
    }
}

fn gap_beside(segment: &Segment, number: u64) -> Segment {
    Segment {
        take: segment.take,
        timescale: segment.timescale,
        ..Segment {
            start: segment.start,
            duration: segment.duration,
            ..gap(number, Duration::ZERO, Duration::ZERO)
        }
    }
}

fn gap(number: u64, start: Duration, duration: Duration) -> Segment {
    let ticks = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Segment {
        number,
        take: 0,
        start: ticks(start),
        duration: ticks(duration),
        timescale: 1_000_000,
        bytes: 0,
        is_gap: true,
        parts: Vec::new(),
        is_whole: true,
        text: None,
    }
}

/// Rounded down to nanoseconds.
pub(super) fn of_ticks(ticks: u64, timescale: u32) -> Duration {
    let timescale = u64::from(timescale.max(1));
    let nanos = (ticks % timescale) * 1_000_000_000 / timescale;
    Duration::from_secs(ticks / timescale) + Duration::from_nanos(nanos)
}

/// What a part may be longer than its target, since both are rounded.
const ROUNDING: Duration = Duration::from_millis(1);
