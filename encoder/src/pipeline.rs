//! The first stage: demux and decode once, filter, and hand the frames to one thread per encoder.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use ffmpeg_next::mathematics::Rescale;
use ffmpeg_next::{Packet, Rational, frame};

use crate::cmaf::colour::Colour;
use crate::decode::{Clock, Sent, VideoDecoding, next_packet, seek, send};
use crate::encode::{Job, VideoTarget, encode_audio, encode_video, frame_samples, sample_format};
use crate::error::EncodeError;
use crate::graph::{AudioGraph, PictureOutput, VideoGraph};
use crate::ladder::Rung;
use crate::pictures;
use crate::piece::PieceWriter;
use crate::plan::{AudioPlan, Plan, Span};
use crate::source::{AudioStream, Source, VideoStream};
use crate::text::SourceText;
use crate::work::Work;

/// Which pieces of a plan to make, and where.
pub(crate) struct Encoding<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) work: &'a Work,
    pub(crate) span: Span,
    pub(crate) rungs: Vec<&'a Rung>,
    pub(crate) sounds: Vec<&'a AudioPlan>,
    /// Whether the source's subtitles are taken too.
    pub(crate) with_texts: bool,
    /// Whether pictures are tapped for thumbnails and the poster.
    pub(crate) with_pictures: bool,
    /// Threads of each video encoder; 0 for automatic.
    pub(crate) threads: usize,
}

/// How far the encoders are.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Position {
    /// The source's video frames that every rung has, counted from the start of the video.
    pub(crate) frames: u64,
    /// Seconds that every rendition has.
    pub(crate) media_s: f64,
}

/// Frames that may wait for one encoder. Enough to even out pictures of unlike cost; at 1080p about 12 MB a rung.
const QUEUED_FRAMES: usize = 4;
const QUEUED_SOUND_FRAMES: usize = 64;
/// Containers round times to milliseconds, and some to much more.
const SOUND_TOLERANCE_S: f64 = 0.1;

/// Encodes what is not there yet; `tick` hears of the progress several times a second and may stop it.
pub(crate) fn run(
    source: Source,
    encoding: &Encoding<'_>,
    tick: &mut dyn FnMut(Position) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let Encoding { plan, work, span, .. } = encoding;
    let rate = plan.idr.rate();
    let abandoned = AtomicBool::new(false);
    let is_missing = |name: &str, chunk| !work.piece(name, chunk).is_file();
    let mut targets = Vec::new();
    for rung in encoding
        .rungs
        .iter()
        .copied()
        .filter(|rung| is_missing(&rung.name, span.chunk))
    {
        let target = VideoTarget {
            rung,
            preset: plan.preset(rung),
            threads: encoding.threads,
            divisor: rate.divisor(rung.max_fps),
            first_frame: span.start,
            source_colour: source
                .video
                .as_ref()
                .map_or(Colour::UNKNOWN, |video| video.colour),
        };
        let path = work.piece(&rung.name, span.chunk);
        let piece = match PieceWriter::resume(&path)? {
            Some(piece) => piece,
            None => PieceWriter::create(&path, target.first_tick(rate))?,
        };
        targets.push((target, path, piece));
    }
    let sounds = encoding
        .sounds
        .iter()
        .copied()
        .filter(|sound| is_missing(&sound.name, 0));
    let sounds: Vec<(&AudioPlan, _)> = sounds.map(|sound| (sound, work.piece(&sound.name, 0))).collect();
    if targets.is_empty() && sounds.is_empty() {
        return Ok(());
    }
    let starts = targets
        .iter()
        .map(|(target, _, piece)| target.frame_at(piece.decode_time(), rate));
    let first_frame = starts.min().unwrap_or(0);
    let rungs: Vec<&Rung> = targets.iter().map(|(target, ..)| target.rung).collect();
    let rungs_done: Vec<AtomicU64> = targets.iter().map(|_| AtomicU64::new(first_frame)).collect();
    let sounds_done: Vec<AtomicU64> = sounds.iter().map(|_| AtomicU64::new(0)).collect();
    let position = || {
        let frames = rungs_done.iter().map(|done| done.load(Ordering::Relaxed)).min();
        let frames_s = frames.map(|frames| rate.seconds(frames));
        let seconds = |(done, (sound, _)): (&AtomicU64, &(&AudioPlan, _))| {
            done.load(Ordering::Relaxed) as f64 / f64::from(sound.sound.rate)
        };
        let sounds_s = sounds_done.iter().zip(&sounds).map(seconds).reduce(f64::min);
        // The sound runs ahead by as much as the pictures queue, so the pictures tell how far it is.
        Position {
            frames: frames.unwrap_or(0),
            media_s: frames_s.or(sounds_s).unwrap_or(0.0),
        }
    };
    let mut tick = || tick(position());

    thread::scope(|scope| {
        let mut encoders = Encoders {
            handles: Vec::new(),
            abandoned: &abandoned,
        };
        let mut video_queues = Vec::new();
        for ((target, path, piece), done) in targets.into_iter().zip(&rungs_done) {
            let abandoned = &abandoned;
            let (queue, frames) = sync_channel(QUEUED_FRAMES);
            encoders.spawn(scope, &target.rung.name, frames, move |frames| {
                let job = Job {
                    piece: &path,
                    plan: &plan.idr,
                    abandoned,
                    done,
                };
                encode_video(&target, &job, piece, frames)
            })?;
            video_queues.push(queue);
        }
        let mut pictures = None;
        if let Some(tap) = plan
            .pictures
            .filter(|_| encoding.with_pictures && !rungs.is_empty())
        {
            let path = work.pictures(span.chunk);
            let (queue, frames) = sync_channel(QUEUED_FRAMES);
            encoders.spawn(scope, "pictures", frames, move |frames| {
                record(&path, tap, frames)
            })?;
            pictures = Some(queue);
        }
        let mut audio_queues = Vec::new();
        for ((sound, path), done) in sounds.iter().zip(&sounds_done) {
            let job = Job {
                piece: path,
                plan: &plan.idr,
                abandoned: &abandoned,
                done,
            };
            let (queue, frames) = sync_channel(QUEUED_SOUND_FRAMES);
            encoders.spawn(scope, &sound.name, frames, move |frames| {
                encode_audio(sound, &job, frames)
            })?;
            audio_queues.push((*sound, queue));
        }
        let feed = Feed {
            plan,
            texts_of: encoding.with_texts.then_some(*work),
            rungs,
            first_frame,
            end_frame: span.end,
            video_queues,
            pictures,
            audio_queues,
            abandoned: &abandoned,
        };
        // The feed owns the queues: when it is done they close, and the encoders finish.
        let fed = feed.run(source, &mut tick);
        let finished = encoders.join(matches!(fed, Fed::All), &mut tick);
        match fed {
            Fed::All => finished,
            Fed::EncoderGone => Err(finished.err().unwrap_or(EncodeError::Cancelled)),
            Fed::Failed(error) => Err(error),
        }
    })
}

/// Keeps what was tapped.
fn record(path: &Path, plan: pictures::Plan, frames: Receiver<frame::Video>) -> Result<(), EncodeError> {
    let mut recorder = pictures::Recorder::open(path, plan)?;
    for frame in frames {
        let number = frame.pts().and_then(|pts| u64::try_from(pts).ok()).unwrap_or(0);
        recorder.take(&frame, number * pictures::TAP_MS)?;
    }
    Ok(())
}

struct Encoders<'scope, 'env> {
    handles: Vec<ScopedJoinHandle<'scope, Result<(), EncodeError>>>,
    abandoned: &'env AtomicBool,
}

impl<'scope, 'env> Encoders<'scope, 'env> {
    /// Starts a thread that profilers and debuggers show by `name`.
    fn spawn<T: Send + 'scope>(
        &mut self,
        scope: &'scope Scope<'scope, '_>,
        name: &str,
        frames: Receiver<T>,
        encode: impl FnOnce(Receiver<T>) -> Result<(), EncodeError> + Send + 'scope,
    ) -> Result<(), EncodeError> {
        let thread = thread::Builder::new().name(name.to_owned());
        let handle = thread.spawn_scoped(scope, move || encode(frames));
        // Those that run already must not take the end of their queues for the end of the film.
        let handle = handle.map_err(|source| {
            self.abandoned.store(true, Ordering::Relaxed);
            EncodeError::NoThread { source }
        })?;
        self.handles.push(handle);
        Ok(())
    }

    /// Waits for every encoder, abandoning them when `is_wanted` is false or one fails.
    fn join(
        self,
        is_wanted: bool,
        tick: &mut dyn FnMut() -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
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
        for handle in self.handles {
            match handle.join() {
                Ok(Ok(())) => {}
                // An abandoned encoder says so; the one that failed by itself says why.
                Ok(Err(EncodeError::Cancelled)) => {}
                Ok(Err(error)) => failure = failure.or(Some(error)),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        match failure {
            Some(error) => Err(error),
            None => Ok(()),
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

/// What the demuxing thread hands out, and to whom.
struct Feed<'a> {
    plan: &'a Plan,
    /// Where the source's subtitles go, if they are wanted.
    texts_of: Option<&'a Work>,
    rungs: Vec<&'a Rung>,
    /// The first video frame that is wanted.
    first_frame: u64,
    /// The first that is not wanted any more.
    end_frame: Option<u64>,
    video_queues: Vec<SyncSender<frame::Video>>,
    /// Where tapped pictures go, if they are wanted.
    pictures: Option<SyncSender<frame::Video>>,
    audio_queues: Vec<(&'a AudioPlan, SyncSender<frame::Audio>)>,
    /// Set while the queues are still open: an encoder whose queue closes takes what it has for the whole.
    abandoned: &'a AtomicBool,
}

impl Feed<'_> {
    fn run(self, mut source: Source, tick: &mut dyn FnMut() -> Result<(), EncodeError>) -> Fed {
        let (origin_us, may_jump) = (source.origin_us, source.may_jump);
        let clock = |time_base| Clock::new(time_base, origin_us, may_jump);
        let decoding = match self.rungs.is_empty() {
            true => None,
            false => VideoDecoding::of(&mut source, self.plan.idr.rate()),
        };
        let mut video = decoding.map(|decoding| VideoFeed {
            decoding,
            sink: VideoSink {
                graph: None,
                is_done: false,
                queues: self.video_queues,
                pictures: self.pictures,
                rungs: self.rungs,
                plan: self.plan,
                first_frame: self.first_frame,
                end_frame: self.end_frame,
            },
        });
        let mut audio: Vec<AudioFeed<'_>> = Vec::new();
        for stream in std::mem::take(&mut source.audio) {
            let is_its = |(sound, _): &&(&AudioPlan, _)| sound.stream == stream.index;
            let outputs = self
                .audio_queues
                .iter()
                .filter(is_its)
                .map(|(sound, queue)| AudioOutput {
                    sound,
                    queue: queue.clone(),
                    graph: None,
                });
            let outputs: Vec<_> = outputs.collect();
            if !outputs.is_empty() {
                audio.push(AudioFeed {
                    clock: clock(stream.time_base),
                    stream,
                    outputs,
                });
            }
        }
        drop(self.audio_queues);
        let texts = self.texts_of.filter(|work| !work.texts().is_file());
        let mut texts = texts.map(|_| SourceText::open(&source.input, source.origin_us));
        for warning in texts.iter().flat_map(|texts| &texts.warnings) {
            tracing::warn!("{warning}");
        }
        let has_texts = texts.as_ref().is_some_and(|texts| !texts.is_empty());
        // Sound is encoded from its start, and texts are read from theirs; only pictures alone can be gone to directly.
        if video.is_some()
            && audio.is_empty()
            && !has_texts
            && let Err(error) = seek(&mut source, self.plan.idr.rate(), self.first_frame)
        {
            self.abandoned.store(true, Ordering::Relaxed);
            return Fed::Failed(error);
        }
        let result = feed_all(&mut source, &mut video, &mut audio, &mut texts, tick);
        let result = match (result, texts.zip(self.texts_of)) {
            (Ok(()), Some((texts, work))) => work.write_texts(&texts.finish()).map_err(Stop::from),
            (result, _) => result,
        };
        // Sound without the pictures that belong to it would look finished and is not. A later chunk may be beyond the end.
        let is_empty = match &video {
            Some(video) => video.sink.graph.is_none() && self.first_frame == 0,
            None => audio
                .iter()
                .all(|audio| audio.outputs.iter().all(|output| output.graph.is_none())),
        };
        if result.is_err() || is_empty {
            self.abandoned.store(true, Ordering::Relaxed);
        }
        match result {
            Ok(()) if is_empty => Fed::Failed(EncodeError::NoFrames { path: source.path }),
            Ok(()) => Fed::All,
            Err(Stop::EncoderGone) => Fed::EncoderGone,
            Err(Stop::Failed(error)) => Fed::Failed(error),
        }
    }
}

fn feed_all(
    source: &mut Source,
    video: &mut Option<VideoFeed<'_>>,
    audio: &mut [AudioFeed<'_>],
    texts: &mut Option<SourceText>,
    tick: &mut dyn FnMut() -> Result<(), EncodeError>,
) -> Result<(), Stop> {
    let mut broken_packets = 0_u64;
    loop {
        tick()?;
        let has_texts = texts.as_ref().is_some_and(|texts| !texts.is_empty());
        if audio.is_empty() && !has_texts && video.as_ref().is_some_and(|video| video.sink.is_done) {
            break;
        }
        let Some(packet) = next_packet(&mut source.input, &source.path, &mut broken_packets)? else {
            break;
        };
        let index = packet.stream();
        if let Some(video) = video
            .as_mut()
            .filter(|video| video.decoding.stream.index == index)
        {
            broken_packets += u64::from(!video.sink.is_done && !video.decode(Some(&packet))?);
        } else if let Some(audio) = audio.iter_mut().find(|audio| audio.stream.index == index) {
            broken_packets += u64::from(!audio.decode(Some(&packet))?);
        } else if let Some(texts) = texts {
            texts.take(&packet);
        }
    }
    if broken_packets > 0 {
        tracing::warn!(
            packets = broken_packets,
            "parts of the source could not be decoded and were left out"
        );
    }
    if let Some(video) = video.as_mut().filter(|video| !video.sink.is_done) {
        video.decode(None)?;
        video.finish()?;
    }
    for audio in audio {
        audio.decode(None)?;
        audio.finish()?;
    }
    Ok(())
}

struct VideoFeed<'a> {
    decoding: VideoDecoding,
    sink: VideoSink<'a>,
}

/// The graph, and where its frames go.
struct VideoSink<'a> {
    graph: Option<VideoGraph>,
    /// All frames that are wanted were delivered.
    is_done: bool,
    queues: Vec<SyncSender<frame::Video>>,
    pictures: Option<SyncSender<frame::Video>>,
    rungs: Vec<&'a Rung>,
    plan: &'a Plan,
    first_frame: u64,
    end_frame: Option<u64>,
}

impl VideoFeed<'_> {
    /// Decodes a packet, or what is left without one; `false` when it was broken.
    fn decode(&mut self, packet: Option<&Packet>) -> Result<bool, Stop> {
        let sink = &mut self.sink;
        self.decoding
            .decode(packet, &mut |frame, stream| sink.push(frame, stream))
    }

    fn finish(&mut self) -> Result<(), Stop> {
        if let Some(graph) = &mut self.sink.graph {
            graph.finish(self.decoding.end())?;
        }
        self.sink.deliver()
    }
}

impl VideoSink<'_> {
    fn push(&mut self, frame: frame::Video, stream: &VideoStream) -> Result<(), Stop> {
        let graph = match &mut self.graph {
            Some(graph) => graph,
            None => {
                let outputs: Vec<_> = self
                    .rungs
                    .iter()
                    .map(|rung| PictureOutput::of_rung(rung))
                    .collect();
                let (scan, rate) = (self.plan.scan, self.plan.idr.rate());
                let tap = self.plan.pictures.filter(|_| self.pictures.is_some());
                let graph = VideoGraph::new(&frame, stream, scan, rate, self.first_frame, &outputs, tap)?;
                self.graph.insert(graph)
            }
        };
        graph.push(frame)?;
        self.deliver()
    }

    fn deliver(&mut self) -> Result<(), Stop> {
        let Some(graph) = &mut self.graph else {
            return Ok(());
        };
        loop {
            let mut delivered = false;
            if let Some(queue) = &self.pictures
                && let Some(frame) = graph.pull(self.queues.len())?
            {
                delivered = true;
                queue.send(frame).map_err(|_| Stop::EncoderGone)?;
            }
            for (index, queue) in self.queues.iter().enumerate() {
                if let Some(frame) = graph.pull(index)? {
                    delivered = true;
                    let number = frame.pts().unwrap_or(0);
                    if self.end_frame.is_some_and(|end| number >= end as i64) {
                        self.is_done = true;
                    } else {
                        queue.send(frame).map_err(|_| Stop::EncoderGone)?;
                    }
                }
            }
            if !delivered {
                return Ok(());
            }
        }
    }
}

/// One track of sound, decoded for all renditions that are made of it.
struct AudioFeed<'a> {
    stream: AudioStream,
    clock: Clock,
    outputs: Vec<AudioOutput<'a>>,
}

struct AudioOutput<'a> {
    sound: &'a AudioPlan,
    queue: SyncSender<frame::Audio>,
    graph: Option<AudioGraph>,
}

impl AudioFeed<'_> {
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
        for output in &mut self.outputs {
            let graph = match &mut output.graph {
                Some(graph) => graph,
                None => {
                    let sound = &output.sound.sound;
                    let samples = frame_samples(output.sound.codec);
                    output.graph.insert(AudioGraph::new(
                        &frame,
                        self.stream.time_base,
                        sound.rate,
                        sound.channels,
                        samples,
                        sample_format(output.sound.codec),
                        SOUND_TOLERANCE_S,
                    )?)
                }
            };
            // A graph takes the frame's data with it.
            graph.push(&frame.clone())?;
            output.deliver()?;
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Stop> {
        for output in &mut self.outputs {
            if let Some(graph) = &mut output.graph {
                graph.finish(self.clock.end())?;
            }
            output.deliver()?;
        }
        Ok(())
    }
}

impl AudioOutput<'_> {
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
