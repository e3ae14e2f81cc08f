//! Demux and decode once, filter, and hand the frames to one thread per encoder.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use ffmpeg_next::codec::decoder;
use ffmpeg_next::mathematics::{Rescale, rescale};
use ffmpeg_next::{Error, Packet, Rational, frame};

use crate::cmaf::aac;
use crate::encode::{AudioTarget, Job, VideoTarget, encode_audio, encode_video, is_pause};
use crate::error::EncodeError;
use crate::graph::{AudioGraph, VideoGraph};
use crate::index::Rendition;
use crate::ladder::FittedRung;
use crate::source::{AudioStream, Source, VideoStream};
use crate::storage::OutputDir;
use crate::timing::IdrPlan;

/// What to make of a source.
pub(crate) struct Work<'a> {
    pub(crate) output: &'a OutputDir,
    pub(crate) plan: &'a IdrPlan,
    pub(crate) rungs: &'a [FittedRung],
    pub(crate) preset: &'a str,
    /// Threads of each video encoder; 0 for automatic.
    pub(crate) threads: usize,
    /// The sound's rendition name and bitrate in kbit/s.
    pub(crate) audio: (&'a str, u32),
}

/// How far the encoders are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    /// Video frames that every rung has.
    pub(crate) frames: u64,
    /// Seconds that every rendition has.
    pub(crate) media_s: f64,
}

/// Frames that may wait for one encoder. Enough to even out pictures of unlike cost; at 1080p about 25 MB a rung.
const QUEUED_FRAMES: usize = 8;
const QUEUED_SOUND_FRAMES: usize = 64;

/// Encodes everything; `tick` hears of the progress several times a second and may stop it.
pub(crate) fn run(
    source: Source,
    work: &Work<'_>,
    tick: &mut dyn FnMut(Position) -> Result<(), EncodeError>,
) -> Result<Vec<Rendition>, EncodeError> {
    let abandoned = AtomicBool::new(false);
    let rungs = if source.video.is_some() { work.rungs } else { &[] };
    let rungs_done: Vec<AtomicU64> = rungs.iter().map(|_| AtomicU64::new(0)).collect();
    let audio_done = AtomicU64::new(0);
    let audio_rate = source.audio.as_ref().map(|audio| audio.rate);
    let position = || {
        let frames = rungs_done.iter().map(|done| done.load(Ordering::Relaxed)).min();
        let frames_s = frames.map(|frames| frames as f64 / work.plan.rate().fps());
        let audio_s = audio_rate.map(|rate| audio_done.load(Ordering::Relaxed) as f64 / f64::from(rate));
        // The sound runs ahead by as much as the pictures queue, so the pictures tell how far it is.
        Position {
            frames: frames.unwrap_or(0),
            media_s: frames_s.or(audio_s).unwrap_or(0.0),
        }
    };
    let mut tick = || tick(position());

    thread::scope(|scope| {
        let mut encoders = Encoders {
            handles: Vec::new(),
            abandoned: &abandoned,
        };
        let mut video_queues = Vec::new();
        for (rung, done) in rungs.iter().zip(&rungs_done) {
            let job = Job {
                output: work.output,
                plan: work.plan,
                abandoned: &abandoned,
                done,
            };
            let target = VideoTarget {
                rung,
                preset: work.preset,
                threads: work.threads,
            };
            let (queue, frames) = sync_channel(QUEUED_FRAMES);
            encoders.spawn(scope, frames, move |frames| encode_video(&target, &job, frames));
            video_queues.push(queue);
        }
        let mut audio_queue = None;
        if let Some(rate) = audio_rate {
            let job = Job {
                output: work.output,
                plan: work.plan,
                abandoned: &abandoned,
                done: &audio_done,
            };
            let (name, bitrate_kbps) = work.audio;
            let target = AudioTarget {
                name,
                rate,
                bitrate_kbps,
            };
            let (queue, frames) = sync_channel(QUEUED_SOUND_FRAMES);
            encoders.spawn(scope, frames, move |frames| encode_audio(&target, &job, frames));
            audio_queue = Some(queue);
        }
        // The feed owns the queues: when it is done they close, and the encoders finish.
        let fed = feed(source, work, video_queues, audio_queue, &mut tick);
        let finished = encoders.join(matches!(fed, Fed::All), &mut tick);
        match fed {
            Fed::All => finished,
            Fed::EncoderGone => Err(finished.err().unwrap_or(EncodeError::Cancelled)),
            Fed::Failed(error) => Err(error),
        }
    })
}

struct Encoders<'scope, 'env> {
    handles: Vec<ScopedJoinHandle<'scope, Result<Option<Rendition>, EncodeError>>>,
    abandoned: &'env AtomicBool,
}

impl<'scope, 'env> Encoders<'scope, 'env> {
    fn spawn<T: Send + 'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        frames: Receiver<T>,
        encode: impl FnOnce(Receiver<T>) -> Result<Option<Rendition>, EncodeError> + Send + 'scope,
    ) {
        self.handles.push(scope.spawn(move || encode(frames)));
    }

    /// Waits for every encoder, abandoning them when `is_wanted` is false or one fails.
    fn join(
        self,
        is_wanted: bool,
        tick: &mut dyn FnMut() -> Result<(), EncodeError>,
    ) -> Result<Vec<Rendition>, EncodeError> {
        let mut failure = None;
        if !is_wanted {
            self.abandoned.store(true, Ordering::Relaxed);
        }
        while is_wanted && failure.is_none() && !self.handles.iter().all(ScopedJoinHandle::is_finished) {
            thread::sleep(Duration::from_millis(10));
            if let Err(error) = tick() {
                self.abandoned.store(true, Ordering::Relaxed);
                failure = Some(error);
            }
        }
        let mut renditions = Vec::new();
        for handle in self.handles {
            match handle.join() {
                Ok(Ok(rendition)) => renditions.extend(rendition),
                // An abandoned encoder says so; the one that failed by itself says why.
                Ok(Err(EncodeError::Cancelled)) => {}
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(renditions),
        }
    }
}

/// How feeding the encoders ended.
enum Fed {
    All,
    /// An encoder closed its queue; its own error says why.
    EncoderGone,
    Failed(EncodeError),
}

/// Why feeding stopped early.
enum Stop {
    EncoderGone,
    Failed(EncodeError),
}

impl From<EncodeError> for Stop {
    fn from(error: EncodeError) -> Self {
        Self::Failed(error)
    }
}

fn feed(
    mut source: Source,
    work: &Work<'_>,
    video_queues: Vec<SyncSender<frame::Video>>,
    audio_queue: Option<SyncSender<frame::Audio>>,
    tick: &mut dyn FnMut() -> Result<(), EncodeError>,
) -> Fed {
    let clock = |time_base| Clock::new(time_base, source.origin_us, source.may_jump);
    let mut video = source.video.take().map(|stream| VideoFeed {
        clock: clock(stream.time_base),
        stream,
        graph: None,
        queues: video_queues,
        work,
    });
    let mut audio = source
        .audio
        .take()
        .zip(audio_queue)
        .map(|(stream, queue)| AudioFeed {
            clock: clock(stream.time_base),
            stream,
            graph: None,
            queue,
        });
    let result = feed_all(&mut source, &mut video, &mut audio, tick);
    // Sound without the pictures that belong to it would look finished and is not.
    let is_empty = match &video {
        Some(video) => video.graph.is_none(),
        None => audio.as_ref().is_none_or(|audio| audio.graph.is_none()),
    };
    match result {
        Ok(()) if is_empty => Fed::Failed(EncodeError::NoFrames { path: source.path }),
        Ok(()) => Fed::All,
        Err(Stop::EncoderGone) => Fed::EncoderGone,
        Err(Stop::Failed(error)) => Fed::Failed(error),
    }
}

fn feed_all(
    source: &mut Source,
    video: &mut Option<VideoFeed<'_>>,
    audio: &mut Option<AudioFeed>,
    tick: &mut dyn FnMut() -> Result<(), EncodeError>,
) -> Result<(), Stop> {
    let mut broken_packets = 0_u64;
    loop {
        tick()?;
        let mut packet = Packet::empty();
        match packet.read(&mut source.input) {
            Ok(()) => {}
            Err(Error::Eof) => break,
            Err(Error::InvalidData) if broken_packets < MAX_BROKEN_PACKETS => {
                broken_packets += 1;
                continue;
            }
            Err(error) => {
                return Err(EncodeError::ReadFailed {
                    path: source.path.clone(),
                    source: error,
                }
                .into());
            }
        }
        if let Some(video) = video
            .as_mut()
            .filter(|video| video.stream.index == packet.stream())
        {
            broken_packets += u64::from(!video.decode(Some(&packet))?);
        } else if let Some(audio) = audio
            .as_mut()
            .filter(|audio| audio.stream.index == packet.stream())
        {
            broken_packets += u64::from(!audio.decode(Some(&packet))?);
        }
    }
    if broken_packets > 0 {
        tracing::warn!(
            packets = broken_packets,
            "parts of the source could not be decoded and were left out"
        );
    }
    if let Some(video) = video {
        video.decode(None)?;
        video.finish()?;
    }
    if let Some(audio) = audio {
        audio.decode(None)?;
        audio.finish()?;
    }
    Ok(())
}

struct VideoFeed<'a> {
    stream: VideoStream,
    clock: Clock,
    graph: Option<VideoGraph>,
    queues: Vec<SyncSender<frame::Video>>,
    work: &'a Work<'a>,
}

impl VideoFeed<'_> {
    /// Decodes a packet, or what is left without one; `false` when it was broken.
    fn decode(&mut self, packet: Option<&Packet>) -> Result<bool, Stop> {
        loop {
            let sent = send(&mut self.stream.decoder, packet);
            let mut frame = frame::Video::empty();
            while self.stream.decoder.receive_frame(&mut frame).is_ok() {
                self.push(std::mem::replace(&mut frame, frame::Video::empty()))?;
            }
            match sent {
                Sent::Full => {}
                Sent::Taken => return Ok(true),
                Sent::Broken => return Ok(false),
            }
        }
    }

    fn push(&mut self, mut frame: frame::Video) -> Result<(), Stop> {
        let duration = match frame.packet().duration {
            unknown if unknown <= 0 => 1.rescale(self.work.plan.rate().time_base(), self.stream.time_base),
            duration => duration,
        };
        let pts = self.clock.place(frame.timestamp(), duration);
        frame.set_pts(Some(pts));
        let graph = match &mut self.graph {
            Some(graph) => graph,
            None => self.graph.insert(VideoGraph::new(
                &frame,
                self.stream.time_base,
                self.stream.orientation,
                self.work.plan.rate(),
                self.work.rungs,
            )?),
        };
        graph.push(frame)?;
        self.deliver()
    }

    fn finish(&mut self) -> Result<(), Stop> {
        if let Some(graph) = &mut self.graph {
            graph.finish(self.clock.end())?;
        }
        self.deliver()
    }

    fn deliver(&mut self) -> Result<(), Stop> {
        let Some(graph) = &mut self.graph else {
            return Ok(());
        };
        loop {
            let mut delivered = false;
            for (index, queue) in self.queues.iter().enumerate() {
                if let Some(frame) = graph.pull(index)? {
                    queue.send(frame).map_err(|_| Stop::EncoderGone)?;
                    delivered = true;
                }
            }
            if !delivered {
                return Ok(());
            }
        }
    }
}

struct AudioFeed {
    stream: AudioStream,
    clock: Clock,
    graph: Option<AudioGraph>,
    queue: SyncSender<frame::Audio>,
}

impl AudioFeed {
    /// Decodes a packet, or what is left without one; `false` when it was broken.
    fn decode(&mut self, packet: Option<&Packet>) -> Result<bool, Stop> {
        loop {
            let sent = send(&mut self.stream.decoder, packet);
            let mut frame = frame::Audio::empty();
            while self.stream.decoder.receive_frame(&mut frame).is_ok() {
                self.push(std::mem::replace(&mut frame, frame::Audio::empty()))?;
            }
            match sent {
                Sent::Full => {}
                Sent::Taken => return Ok(true),
                Sent::Broken => return Ok(false),
            }
        }
    }

    fn push(&mut self, mut frame: frame::Audio) -> Result<(), Stop> {
        if frame.samples() == 0 || frame.rate() == 0 {
            return Ok(());
        }
        let samples = frame.samples() as i64;
        let duration = samples.rescale(Rational::new(1, frame.rate() as i32), self.stream.time_base);
        let pts = self.clock.place(frame.timestamp(), duration);
        frame.set_pts(Some(pts));
        let graph = match &mut self.graph {
            Some(graph) => graph,
            None => {
                let AudioStream { time_base, rate, .. } = self.stream;
                self.graph
                    .insert(AudioGraph::new(&frame, time_base, rate, aac::FRAME_SAMPLES)?)
            }
        };
        graph.push(&frame)?;
        self.deliver()
    }

    fn finish(&mut self) -> Result<(), Stop> {
        if let Some(graph) = &mut self.graph {
            graph.finish(self.clock.end())?;
        }
        self.deliver()
    }

    fn deliver(&mut self) -> Result<(), Stop> {
        let Some(graph) = &mut self.graph else {
            return Ok(());
        };
        while let Some(frame) = graph.pull()? {
            self.queue.send(frame).map_err(|_| Stop::EncoderGone)?;
        }
        Ok(())
    }
}

enum Sent {
    Taken,
    /// The decoder wants its frames taken first.
    Full,
    Broken,
}

fn send(decoder: &mut decoder::Opened, packet: Option<&Packet>) -> Sent {
    let result = match packet {
        Some(packet) => decoder.send_packet(packet),
        None => decoder.send_eof(),
    };
    match result {
        Ok(()) | Err(Error::Eof) => Sent::Taken,
        Err(error) if is_pause(error) => Sent::Full,
        Err(_) => Sent::Broken,
    }
}

/// Places a stream's frames on the presentation's timeline, in ticks of the stream's time base.
struct Clock {
    /// Ticks to subtract: the origin, and jumps that were closed.
    offset: i64,
    next: Option<i64>,
    /// How far forward and backward a stamp may be from where it is expected; none for files whose times are right.
    max_jump: Option<(i64, i64)>,
}

impl Clock {
    fn new(time_base: Rational, origin_us: i64, may_jump: bool) -> Self {
        let ticks = |us: i64| us.rescale(rescale::TIME_BASE, time_base);
        Self {
            offset: ticks(origin_us),
            next: None,
            max_jump: may_jump.then(|| (ticks(MAX_GAP_US), ticks(MAX_RETURN_US))),
        }
    }

    /// Time for a frame stamped `stamp` that lasts `duration`; frames without a stamp follow the one before.
    fn place(&mut self, stamp: Option<i64>, duration: i64) -> i64 {
        let expected = self.next.unwrap_or(0);
        let mut pts = stamp.map_or(expected, |stamp| stamp.saturating_sub(self.offset));
        let ahead = pts.saturating_sub(expected);
        let is_jump = |(forward, backward): (i64, i64)| ahead > forward || ahead < -backward;
        if self.next.is_some() && self.max_jump.is_some_and(is_jump) {
            self.offset = self.offset.saturating_add(ahead);
            pts = expected;
        }
        self.next = Some(pts.saturating_add(duration.max(0)));
        pts
    }

    /// Where the last frame ends.
    fn end(&self) -> i64 {
        self.next.unwrap_or(0)
    }
}

/// A broadcast stream that jumps farther than this went on elsewhere; a pause is shorter.
const MAX_GAP_US: i64 = 10_000_000;
/// Decoded frames come in order, so one that is earlier than this starts a new count.
const MAX_RETURN_US: i64 = 500_000;
/// A demuxer that finds nothing but broken packets must end some time.
const MAX_BROKEN_PACKETS: u64 = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_placed_from_the_origin() {
        let mut clock = Clock::new(Rational::new(1, 1000), 1_400_000, false);
        assert_eq!(clock.place(Some(1400), 40), 0);
        assert_eq!(clock.place(None, 40), 40);
        assert_eq!(clock.place(Some(99_000), 40), 97_600);
    }

    #[test]
    fn a_broadcast_jump_is_closed() {
        let mut clock = Clock::new(Rational::new(1, 1000), 0, true);
        assert_eq!(clock.place(Some(0), 40), 0);
        assert_eq!(clock.place(Some(5000), 40), 5000);
        assert_eq!(clock.place(Some(95_000_000), 40), 5040);
        assert_eq!(clock.place(Some(95_000_040), 40), 5080);
        assert_eq!(clock.place(Some(1000), 40), 5120);
    }
}
