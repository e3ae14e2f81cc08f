//! Frames on a timeline that counts samples: no drift, no overlap, holes filled.

use super::frames::Frame;
use super::{Description, silence};
use crate::video::TIMESCALE;
use crate::warnings::Warnings;

/// Where bytes of a sample are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// At this offset of the stream.
    Stream(usize),
    /// [`Group::silence`].
    Silence,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) source: Source,
    pub(crate) size: u32,
    /// Samples of a channel.
    pub(crate) duration: u32,
}

/// Samples of one description.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) description: Description,
    pub(crate) epoch: usize,
    /// When the first sample is due, in samples of a channel.
    pub(crate) start: i64,
    pub(crate) samples: Vec<Sample>,
    /// A frame of silence, if there is one for this description.
    pub(crate) silence: Option<Vec<u8>>,
    /// Where the next frame should begin, in samples of a channel.
    pub(crate) end: i64,
}

/// Where sound ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) description: Description,
    /// In samples of a channel.
    pub(crate) time: i64,
}

/// When the pictures begin and end, 90 kHz, so that sound can reach as far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// Shorter silence at either end of the pictures is left, ms: streams are interleaved that roughly, and the segments beside
/// this one have the rest.
const EDGE_MS: i64 = 500;
/// Longer holes are left, ms.
const LONGEST_MS: i64 = 60_000;
/// Frames of silence in a segment; past this, holes are left.
const MAX_SILENT: i64 = 1 << 13;

/// Puts frames on the timeline. `before` is where sound ended, if it goes on from there; `pictures` if there are any.
pub(crate) fn place(
    frames: &[Frame],
    before: Option<End>,
    pictures: Option<Span>,
    silent: Option<Description>,
    warnings: &mut Warnings,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut left = MAX_SILENT;
    // When the next frame is due by the time of its PES packet, in samples.
    let mut due: Option<i64> = None;
    for frame in frames {
        let rate = frame.description.rate;
        let duration = i64::from(frame.samples);
        let fits = |group: &Group| group.description == frame.description && group.epoch == frame.epoch;
        if !groups.last().is_some_and(fits) {
            let (start, from) = begin(frame, groups.last(), &mut due, before, pictures);
            let mut group = Group::new(frame.description, frame.epoch, from);
            if start - from >= duration && group.fill(start, duration, &mut left) {
                warnings.add("sound is missing: silence is played");
            } else if start - from >= duration {
                (group.start, group.end) = (start, start);
            }
            groups.push(group);
        } else if let Some(time) = frame.time {
            due = Some(to_samples(time, rate));
        }
        let Some(group) = groups.last_mut() else { break };
        let ahead = due.map_or(0, |due| due - group.end);
        if ahead <= -duration {
            warnings.add("sound that overlaps what is before it was left out");
            due = due.map(|due| due + duration);
            continue;
        }
        if ahead >= duration {
            warnings.add("sound is missing: silence is played");
            if !group.fill(group.end + ahead, duration, &mut left) {
                group.stretch(ahead);
            }
        }
        group.push(Source::Stream(frame.offset), frame.size, frame.samples);
        due = due.map(|due| due + duration);
    }
    if let Some(pictures) = pictures {
        reach(&mut groups, before, pictures, silent, &mut left, warnings);
    }
    groups.retain(|group| !group.samples.is_empty());
    groups
}

/// Where a new group's first frame begins, and where silence before it does.
fn begin(
    frame: &Frame,
    last: Option<&Group>,
    due: &mut Option<i64>,
    before: Option<End>,
    pictures: Option<Span>,
) -> (i64, i64) {
    let rate = frame.description.rate;
    let duration = i64::from(frame.samples);
    let ended = match last {
        Some(group) => Some(convert(group.end, group.description.rate, rate)),
        None => before.map(|end| convert(end.time, end.description.rate, rate)),
    };
    let old_rate = last.map_or(rate, |group| group.description.rate);
    *due = match frame.time {
        Some(time) => Some(to_samples(time, rate)),
        None => due.map(|due| convert(due, old_rate, rate)),
    };
    let edge = i64::from(rate) * EDGE_MS / 1000;
    match (*due, ended) {
        // Within a frame it is the same time, as good as PES packets can say.
        (Some(due), Some(ended)) if (due - ended).abs() < duration => (ended, ended),
        (Some(due), Some(ended)) if due > ended => (due, ended),
        (Some(due), None) => {
            let start = pictures
                .map(|span| to_samples(span.start, rate))
                .filter(|start| due - start >= edge);
            // Whole frames before the first.
            let from = start.map_or(due, |start| due - (due - start) / duration.max(1) * duration);
            (due, from)
        }
        // What overlaps the segment before takes its place.
        (Some(due), Some(_)) => (due, due),
        (None, Some(ended)) => (ended, ended),
        (None, None) => {
            let start = pictures.map_or(0, |span| to_samples(span.start, rate));
            (start, start)
        }
    }
}

/// Silence where there are pictures, but no more sound, or none at all.
fn reach(
    groups: &mut Vec<Group>,
    before: Option<End>,
    pictures: Span,
    silent: Option<Description>,
    left: &mut i64,
    warnings: &mut Warnings,
) {
    if groups.iter().all(|group| group.samples.is_empty())
        && let Some(description) = silent
    {
        let start = to_samples(pictures.start, description.rate);
        let near = i64::from(description.rate);
        let ended = before.map(|end| convert(end.time, end.description.rate, description.rate));
        let from = ended
            .filter(|ended| (ended - start).abs() < near)
            .unwrap_or(start);
        groups.push(Group::new(description, 0, from));
    }
    let Some(group) = groups.last_mut() else { return };
    let rate = group.description.rate;
    let end = to_samples(pictures.end, rate);
    if end - group.end >= i64::from(rate) * EDGE_MS / 1000
        && group.fill(end, i64::from(super::adts::SAMPLES), left)
    {
        warnings.add("sound is missing: silence is played");
    }
}

impl Group {
    fn new(description: Description, epoch: usize, start: i64) -> Self {
        Self {
            description,
            epoch,
            start,
            samples: Vec::new(),
            silence: silence::frame(&description),
            end: start,
        }
    }

    fn push(&mut self, source: Source, size: usize, duration: u32) {
        self.samples.push(Sample {
            source,
            size: size as u32,
            duration,
        });
        self.end += i64::from(duration);
    }

    /// Whole frames of silence up to a time. False if there are none for this sound, or if it would be too long.
    fn fill(&mut self, until: i64, duration: i64, left: &mut i64) -> bool {
        let missing = until - self.end;
        if missing > i64::from(self.description.rate) * LONGEST_MS / 1000
            || duration < 1
            || missing / duration > *left
        {
            return false;
        }
        let Some(size) = self.silence.as_ref().map(Vec::len) else {
            return false;
        };
        *left -= (missing / duration).max(0);
        for _ in 0..missing / duration {
            self.push(Source::Silence, size, duration as u32);
        }
        true
    }

    /// Leaves a hole: the sample before it lasts until its end.
    fn stretch(&mut self, by: i64) {
        self.end += by;
        match self.samples.last_mut() {
            Some(last) => last.duration = u32::try_from(i64::from(last.duration) + by).unwrap_or(u32::MAX),
            None => self.start += by,
        }
    }

    /// When the first and the last sample begin and end, 90 kHz.
    pub(crate) fn span(&self) -> Span {
        let rate = self.description.rate;
        Span {
            start: convert(self.start, rate, TIMESCALE),
            end: convert(self.end, rate, TIMESCALE),
        }
    }
}

fn to_samples(time: i64, rate: u32) -> i64 {
    convert(time, TIMESCALE, rate)
}

/// From one timescale to another, to the nearest.
pub(crate) fn convert(time: i64, from: u32, to: u32) -> i64 {
    if from == to {
        return time;
    }
    let (from, to) = (i64::from(from.max(1)), i64::from(to));
    // Whole seconds apart, so that nothing overflows.
    let (seconds, rest) = (time.div_euclid(from), time.rem_euclid(from));
    seconds * to + (rest * to + from / 2) / from
}
