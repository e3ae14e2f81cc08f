//! One take's way from decoded frames to the encoders: pictures at a constant rate for every rung, sound without gaps.

use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

use ffmpeg_next::format::sample::Type;
use ffmpeg_next::mathematics::Rescale;
use ffmpeg_next::{ChannelLayout, Rational, format, frame};

use crate::encode::{frame_samples, sample_format};
use crate::error::EncodeError;
use crate::graph::{AudioGraph, PictureOutput, Scan, VideoGraph};
use crate::ladder::Rung;
use crate::plan::AudioPlan;
use crate::source::{AudioStream, VideoStream};
use crate::timing::FrameRate;

/// Why nothing more is taken.
pub(crate) enum Refusal {
    /// An encoder is gone; its own error says why.
    EncoderGone,
    Failed(EncodeError),
}

impl From<EncodeError> for Refusal {
    fn from(error: EncodeError) -> Self {
        Self::Failed(error)
    }
}

/// A queue to an encoder, which tells how long it was full.
pub(crate) struct Lane<T> {
    queue: SyncSender<T>,
    /// How long its sender has waited for room.
    pub(crate) blocked: Duration,
}

impl<T> Lane<T> {
    pub(crate) fn new(queue: SyncSender<T>) -> Self {
        Self {
            queue,
            blocked: Duration::ZERO,
        }
    }

    fn send(&mut self, frame: T) -> Result<(), Refusal> {
        let frame = match self.queue.try_send(frame) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(frame)) => frame,
            Err(TrySendError::Disconnected(_)) => return Err(Refusal::EncoderGone),
        };
        let began = Instant::now();
        let sent = self.queue.send(frame);
        self.blocked += began.elapsed();
        sent.map_err(|_| Refusal::EncoderGone)
    }
}

/// The pictures of a take.
pub(crate) struct PictureLine {
    graph: VideoGraph,
    lanes: Vec<Lane<frame::Video>>,
    time_base: Rational,
    /// What becomes media time 0.
    origin: i64,
    /// Where the last picture ends, less the origin.
    end: i64,
    usual: i64,
}

impl PictureLine {
    pub(crate) fn new(
        first: &frame::Video,
        stream: &VideoStream,
        rate: FrameRate,
        rungs: &[Rung],
        lanes: Vec<Lane<frame::Video>>,
    ) -> Result<Self, EncodeError> {
        let outputs: Vec<_> = rungs.iter().map(PictureOutput::of_rung).collect();
        let graph = VideoGraph::new(first, stream, Scan::AsFlagged, rate, 0, &outputs, None)?;
        Ok(Self {
            graph,
            lanes,
            time_base: stream.time_base,
            origin: first.pts().unwrap_or(0),
            end: 0,
            usual: 1.rescale(rate.time_base(), stream.time_base),
        })
    }

    /// Media time of a picture, in ticks of its stream; none where it lies so far off that it is of another take.
    pub(crate) fn place(&self, picture: &frame::Video) -> Option<i64> {
        let at = picture.pts().unwrap_or(0).saturating_sub(self.origin);
        let ahead = at.saturating_sub(self.end);
        let is_near = ahead <= self.ticks(MAX_GAP) && ahead >= -self.ticks(MAX_RETURN);
        is_near.then_some(at)
    }

    fn ticks(&self, lasting: Duration) -> i64 {
        ticks(lasting, self.time_base)
    }

    /// Seconds of a media time.
    pub(crate) fn seconds(&self, at: i64) -> f64 {
        at as f64 * f64::from(self.time_base)
    }

    pub(crate) fn push(&mut self, mut picture: frame::Video, at: i64) -> Result<(), Refusal> {
        // One that comes after those that followed it is too late.
        if at < 0 || at.saturating_add(self.usual) < self.end {
            return Ok(());
        }
        let duration = match picture.packet().duration {
            unknown if unknown <= 0 => self.usual,
            duration => duration.min(self.usual.saturating_mul(4)),
        };
        self.end = self.end.max(at.saturating_add(duration));
        picture.set_pts(Some(at));
        self.graph.push(picture)?;
        self.deliver()
    }

    pub(crate) fn finish(&mut self) -> Result<(), Refusal> {
        self.graph.finish(self.end)?;
        self.deliver()
    }

    fn deliver(&mut self) -> Result<(), Refusal> {
        loop {
            let mut delivered = false;
            for (index, lane) in self.lanes.iter_mut().enumerate() {
                if let Some(frame) = self.graph.pull(index)? {
                    delivered = true;
                    lane.send(frame)?;
                }
            }
            if !delivered {
                return Ok(());
            }
        }
    }

    /// How long the encoders have kept this from going on.
    pub(crate) fn blocked(&self) -> Duration {
        self.lanes.iter().map(|lane| lane.blocked).sum()
    }
}

/// The sound of a take, with silence where there is none.
pub(crate) struct SoundLine<'a> {
    plan: &'a AudioPlan,
    lane: Lane<frame::Audio>,
    graph: Option<AudioGraph>,
    time_base: Rational,
    /// What becomes media time 0.
    origin: i64,
    /// Where the sound ends, less the origin.
    end: i64,
    /// What silence must look like.
    like: Shape,
    /// Since when sound has come from times that do not fit.
    astray: Option<i64>,
}

#[derive(Clone, Copy)]
struct Shape {
    format: format::Sample,
    layout: ChannelLayout,
    rate: u32,
}

impl<'a> SoundLine<'a> {
    /// For sound of `stream`, if there is any; `origin` is media time 0 in ticks of `video`.
    pub(crate) fn new(
        plan: &'a AudioPlan,
        stream: Option<&AudioStream>,
        (origin, video): (i64, Rational),
        lane: Lane<frame::Audio>,
    ) -> Self {
        let time_base = stream.map_or(Rational::new(1, plan.sound.rate as i32), |stream| {
            stream.time_base
        });
        Self {
            plan,
            lane,
            graph: None,
            time_base,
            origin: origin.rescale(video, time_base),
            end: 0,
            like: Shape {
                format: format::Sample::F32(Type::Planar),
                layout: ChannelLayout::default(i32::from(plan.sound.channels)),
                rate: plan.sound.rate,
            },
            astray: None,
        }
    }

    /// Takes decoded sound. Where its times jump and those of the pictures do not, it goes on where it was.
    pub(crate) fn push(&mut self, mut sound: frame::Audio) -> Result<(), Refusal> {
        let pts = sound.pts().unwrap_or(0);
        let duration =
            (sound.samples() as i64).rescale(Rational::new(1, sound.rate() as i32), self.time_base);
        let mut at = pts.saturating_sub(self.origin);
        let ahead = at.saturating_sub(self.end);
        if ahead > ticks(MAX_GAP, self.time_base) || ahead < -ticks(MAX_RETURN, self.time_base) {
            // Pictures may jump too, in a moment: then all of it is of another take.
            let since = *self.astray.get_or_insert(pts);
            let waited = pts.saturating_sub(since);
            if (0..ticks(ASTRAY, self.time_base)).contains(&waited) {
                return Ok(());
            }
            self.origin = self.origin.saturating_add(ahead);
            at = self.end;
        }
        self.astray = None;
        // What lies under sound that is there already is too late.
        if at.saturating_add(duration / 2) < self.end {
            return Ok(());
        }
        self.like = Shape {
            format: sound.format(),
            layout: match sound.channel_layout() {
                unknown if unknown.is_empty() => ChannelLayout::default(i32::from(sound.channels().max(1))),
                layout => layout,
            },
            rate: sound.rate(),
        };
        sound.set_pts(Some(at));
        self.end = at.saturating_add(duration);
        self.feed(&sound)
    }

    /// Puts silence up to `seconds` of media time, where there is no sound.
    pub(crate) fn fill(&mut self, seconds: f64) -> Result<(), Refusal> {
        let until = (seconds / f64::from(self.time_base)) as i64;
        loop {
            let missing = until.saturating_sub(self.end);
            let sample = Rational::new(1, self.like.rate as i32);
            let samples = missing.rescale(self.time_base, sample).min(SILENCE_SAMPLES);
            if samples < SILENCE_SAMPLES {
                return Ok(());
            }
            let mut silence = silence(self.like, SILENCE_SAMPLES as usize);
            silence.set_pts(Some(self.end));
            self.end += SILENCE_SAMPLES.rescale(sample, self.time_base);
            self.feed(&silence)?;
        }
    }

    fn feed(&mut self, sound: &frame::Audio) -> Result<(), Refusal> {
        let graph = match &mut self.graph {
            Some(graph) => graph,
            None => {
                let AudioPlan { sound: to, codec, .. } = self.plan;
                self.graph.insert(AudioGraph::new(
                    sound,
                    self.time_base,
                    to.rate,
                    to.channels,
                    frame_samples(*codec),
                    sample_format(*codec),
                    TOLERANCE_S,
                )?)
            }
        };
        graph.push(sound)?;
        while let Some(frame) = graph.pull()? {
            self.lane.send(frame)?;
        }
        Ok(())
    }

    pub(crate) fn finish(&mut self) -> Result<(), Refusal> {
        if let Some(graph) = &mut self.graph {
            graph.finish(self.end)?;
            while let Some(frame) = graph.pull()? {
                // The last is no whole frame, and the pictures end about here anyway.
                if frame.samples() == frame_samples(self.plan.codec) as usize {
                    self.lane.send(frame)?;
                }
            }
        }
        Ok(())
    }
}

fn silence(shape: Shape, samples: usize) -> frame::Audio {
    let mut silence = frame::Audio::new(shape.format, samples, shape.layout);
    silence.set_rate(shape.rate);
    // The middle of unsigned samples.
    let value = match shape.format {
        format::Sample::U8(_) => 0x80,
        _ => 0,
    };
    for plane in 0..silence.planes() {
        silence.data_mut(plane).fill(value);
    }
    silence
}

fn ticks(lasting: Duration, time_base: Rational) -> i64 {
    (lasting.as_secs_f64() / f64::from(time_base)) as i64
}

/// A gap that is filled; what lies farther ahead is another take.
const MAX_GAP: Duration = Duration::from_secs(2);
/// Frames come in order: what is earlier by more has begun to count anew.
const MAX_RETURN: Duration = Duration::from_millis(500);
/// How long sound may wait for pictures to jump as it did.
const ASTRAY: Duration = Duration::from_secs(1);
/// Publishers round times to milliseconds; more would be seen at the lips.
const TOLERANCE_S: f64 = 0.04;
const SILENCE_SAMPLES: i64 = 1024;
