//! Samples become fMP4: one initialization section and fragment for each description that they have.

use core::ops::Range;

use player_core::MediaTime;
use player_core::time::TimeRange;

use crate::audio::track::{Group, Source, Span, convert};
use crate::fmp4::fragment::{self, Fragment, Run};
use crate::fmp4::{Description, init};
use crate::video::access::Assembler;
use crate::video::timing::{self, Timed};
use crate::video::{self, TIMESCALE};
use crate::warnings::Warnings;

/// Ticks of a picture that nothing is known of.
const FRAME: i64 = 3003;
/// What is added to a timeline that would begin below zero: the time after which timestamps start over.
const LIFT: i64 = 1 << 33;

/// A time of the output.
pub(crate) fn media_time(time: i64) -> MediaTime {
    MediaTime::from_micros(ticks_to_micros(time, TIMESCALE))
}

/// Rounded down, as [`MediaTime::from_ticks`] does with larger numbers.
pub(crate) fn ticks_to_micros(time: i64, timescale: u32) -> i64 {
    let scale = i64::from(timescale.max(1));
    let (seconds, rest) = (time.div_euclid(scale), time.rem_euclid(scale));
    seconds
        .saturating_mul(1_000_000)
        .saturating_add(rest * 1_000_000 / scale)
}

/// Bytes to leave before the samples of a segment, so that what says where they are can be written there.
pub(crate) const fn room(bytes: usize) -> usize {
    (1 << 14) + bytes / 256
}

/// Pictures of one description.
#[derive(Debug, Default)]
pub(crate) struct Part {
    pub(crate) description: Option<video::Description>,
    pub(crate) samples: Vec<fragment::Sample>,
    /// When the first one is decoded.
    start: i64,
    /// Where they are.
    bytes: Range<usize>,
}

/// The pictures of a segment.
#[derive(Debug, Default)]
pub(crate) struct Pictures {
    pub(crate) parts: Vec<Part>,
    /// When the first is shown, and until when the last.
    pub(crate) span: Option<Span>,
    /// Samples that were left out at the start.
    pub(crate) skipped: usize,
    pub(crate) times: Vec<Timed>,
}

/// Gives the samples times and divides them by their description.
pub(crate) fn pictures(
    assembler: &Assembler<'_>,
    expected: Option<i64>,
    frame: Option<i64>,
    continuous: bool,
    warnings: &mut Warnings,
) -> Pictures {
    let coding = assembler.coding();
    let accesses = assembler.accesses.as_slice();
    let mut skipped = 0;
    if !continuous && !accesses.is_empty() {
        match accesses.iter().position(|access| access.sync) {
            Some(0) => {}
            Some(first) => {
                skipped = first;
                warnings.add("pictures before the first keyframe were left out");
            }
            None => warnings.add("no keyframe"),
        }
    }
    let last = assembler.sets.describe(coding);
    let told = last.as_ref().and_then(|last| last.picture.ticks).map(i64::from);
    let accesses = &accesses[skipped..];
    let times = timing::time(accesses, expected, frame.or(told).unwrap_or(FRAME), warnings);
    let earlier = assembler
        .epochs
        .iter()
        .map(|epoch| (epoch.end.saturating_sub(skipped), epoch.sets.describe(coding)));
    let mut pictures = Pictures {
        skipped,
        ..Pictures::default()
    };
    let mut from = 0;
    for (end, description) in earlier.chain([(accesses.len(), last)]) {
        let mut part = Part {
            description,
            ..Part::default()
        };
        let range = from..end.max(from);
        if part.description.is_none() && !range.is_empty() {
            warnings.add("pictures without parameter sets were left out");
        } else if let (Some(first), Some(time)) =
            (accesses[range.clone()].first(), times[range.clone()].first())
        {
            part.start = time.dts;
            part.bytes = first.offset..first.offset;
            for (access, time) in accesses[range.clone()].iter().zip(&times[range.clone()]) {
                part.bytes.end = access.offset + access.size;
                part.samples.push(fragment::Sample {
                    size: access.size as u32,
                    duration: time.duration,
                    delay: (time.pts - time.dts) as i32,
                    sync: access.sync,
                    disposable: access.disposable,
                });
                let end = time.pts + i64::from(time.duration);
                let span = pictures.span.get_or_insert(Span { start: time.pts, end });
                (span.start, span.end) = (span.start.min(time.pts), span.end.max(end));
            }
        }
        pictures.parts.push(part);
        from = range.end;
    }
    pictures.times = times;
    pictures
}

impl Pictures {
    /// Where the next one is decoded, and how long the last one lasts.
    pub(crate) fn end(&self) -> Option<(i64, i64)> {
        let last = self.times.last()?;
        Some((last.dts + i64::from(last.duration), last.duration.into()))
    }
}

/// The sound of a segment.
#[derive(Debug, Default)]
pub(crate) struct Sound {
    pub(crate) groups: Vec<Group>,
    /// The stream that the samples are in.
    pub(crate) bytes: Vec<u8>,
}

/// All that a segment is made of.
#[derive(Debug, Default)]
pub(crate) struct Assembly {
    /// [`room`], then the samples of the pictures.
    pub(crate) out: Vec<u8>,
    pub(crate) pictures: Pictures,
    pub(crate) sound: Sound,
    /// What was added to all times, ticks.
    pub(crate) shift: i64,
    /// Tracks that there are, also where they have no samples here.
    pub(crate) declared_pictures: Option<video::Description>,
    pub(crate) declared_sound: Option<crate::audio::Description>,
}

/// An initialization section and a fragment.
struct Job {
    tracks: Vec<Description>,
    part: Option<usize>,
    group: Option<usize>,
}

/// A segment that is written.
pub(crate) struct Written {
    pub(crate) buffer: Vec<u8>,
    /// Where it begins.
    pub(crate) start: usize,
    pub(crate) tracks: Vec<Description>,
    pub(crate) times: TimeRange,
}

impl Assembly {
    /// Moves a timeline that begins below zero, for decoding times have no sign. True if it did.
    pub(crate) fn lift(&mut self) -> bool {
        let pictures = self
            .pictures
            .parts
            .iter()
            .filter(|part| !part.samples.is_empty())
            .map(|part| part.start);
        let sound = self.sound.groups.iter().map(|group| group.start);
        let shown = self.pictures.span.map(|span| span.start);
        if pictures.chain(sound).chain(shown).all(|start| start >= 0) {
            return false;
        }
        self.shift = LIFT;
        for part in &mut self.pictures.parts {
            part.start += LIFT;
        }
        for time in &mut self.pictures.times {
            time.dts += LIFT;
            time.pts += LIFT;
        }
        if let Some(span) = &mut self.pictures.span {
            span.start += LIFT;
            span.end += LIFT;
        }
        for group in &mut self.sound.groups {
            let shift = convert(LIFT, TIMESCALE, group.description.rate);
            group.start += shift;
            group.end += shift;
        }
        true
    }

    pub(crate) fn write(mut self, sequence: &mut u32) -> Written {
        let times = self.times();
        let jobs = self.jobs();
        let tracks = jobs.first().map(|job| job.tracks.clone()).unwrap_or_default();
        let mut out = core::mem::take(&mut self.out);
        if let [job] = jobs.as_slice() {
            // The pictures stay where they are.
            let header = self.header(job, sequence);
            let bytes = job
                .part
                .and_then(|part| self.pictures.parts.get(part))
                .map(|part| part.bytes.clone());
            let Range { start: at, end } = bytes.unwrap_or(out.len()..out.len());
            out.truncate(end);
            self.put_sound(job, &mut out);
            let start = match at.checked_sub(header.len()) {
                Some(start) => {
                    out[start..at].copy_from_slice(&header);
                    start
                }
                None => {
                    out.splice(..at, header);
                    0
                }
            };
            return Written {
                buffer: out,
                start,
                tracks,
                times,
            };
        }
        let mut buffer = Vec::with_capacity(out.len() + self.sound.bytes.len());
        for job in &jobs {
            buffer.extend(self.header(job, sequence));
            if let Some(part) = job.part {
                buffer.extend_from_slice(&out[self.pictures.parts[part].bytes.clone()]);
            }
            self.put_sound(job, &mut buffer);
        }
        Written {
            buffer,
            start: 0,
            tracks,
            times,
        }
    }

    /// Of the pictures, if there are any.
    fn times(&self) -> TimeRange {
        let sound = || {
            // What comes later may be due earlier.
            let spans = self.sound.groups.iter().map(Group::span);
            let whole = spans.reduce(|a, b| Span {
                start: a.start.min(b.start),
                end: a.end.max(b.end),
            });
            whole.unwrap_or(Span { start: 0, end: 0 })
        };
        let span = self.pictures.span.unwrap_or_else(sound);
        TimeRange::new(media_time(span.start), media_time(span.end))
    }

    fn jobs(&self) -> Vec<Job> {
        let mut jobs = Vec::new();
        for (at, part) in self.pictures.parts.iter().enumerate() {
            let mut groups = self
                .sound
                .groups
                .iter()
                .enumerate()
                .filter(|(_, group)| group.epoch == at)
                .peekable();
            let has_samples = !part.samples.is_empty();
            if has_samples || groups.peek().is_some() {
                let first = groups.next().map(|(group, _)| group);
                jobs.push(self.job(part, has_samples.then_some(at), first));
            }
            jobs.extend(groups.map(|(group, _)| self.job(part, None, Some(group))));
        }
        jobs
    }

    fn job(&self, pictures: &Part, part: Option<usize>, group: Option<usize>) -> Job {
        let video = pictures
            .description
            .as_ref()
            .or(self.declared_pictures.as_ref())
            .filter(|_| self.declared_pictures.is_some());
        let audio = group
            .and_then(|group| self.sound.groups.get(group))
            .map(|group| group.description);
        let audio = audio.or(self.declared_sound);
        let tracks = video
            .cloned()
            .map(Description::Video)
            .into_iter()
            .chain(audio.map(Description::Audio));
        Job {
            tracks: tracks.collect(),
            part,
            group,
        }
    }

    /// Everything up to the samples' bytes.
    fn header(&self, job: &Job, sequence: &mut u32) -> Vec<u8> {
        let mut out = init::write(&job.tracks);
        let part = job.part.and_then(|part| self.pictures.parts.get(part));
        let group = job.group.and_then(|group| self.sound.groups.get(group));
        let mut fragments = Vec::new();
        for track in &job.tracks {
            let track_id = track.track_id();
            match track {
                Description::Video(_) => fragments.extend(part.map(|part| Fragment {
                    track_id,
                    start: part.start.max(0) as u64,
                    run: Run::Video {
                        samples: &part.samples,
                    },
                    size: part.bytes.len(),
                })),
                Description::Audio(_) => fragments.extend(group.map(|group| Fragment {
                    track_id,
                    start: group.start.max(0) as u64,
                    run: Run::Audio {
                        samples: &group.samples,
                    },
                    size: group.samples.iter().map(|sample| sample.size as usize).sum(),
                })),
            }
        }
        *sequence = sequence.wrapping_add(1);
        fragment::write(&mut out, *sequence, &fragments);
        out
    }

    fn put_sound(&self, job: &Job, out: &mut Vec<u8>) {
        let Some(group) = job.group.and_then(|group| self.sound.groups.get(group)) else {
            return;
        };
        let silence = group.silence.as_deref().unwrap_or_default();
        out.reserve(group.samples.iter().map(|sample| sample.size as usize).sum());
        for sample in &group.samples {
            out.extend_from_slice(match sample.source {
                Source::Stream(at) => &self.sound.bytes[at..at + sample.size as usize],
                Source::Silence => silence,
            });
        }
    }
}
