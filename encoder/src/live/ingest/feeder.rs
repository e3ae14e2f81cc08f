//! One publisher, or one file played for ever: frames with times that go on.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use ffmpeg_next::codec::threading;
use ffmpeg_next::format::context::Input;
use ffmpeg_next::mathematics::{Rescale, rescale};
use ffmpeg_next::{Packet, Rational, frame};

use super::interleave::Interleaver;
use crate::decode::{Clock, Sent, VideoDecoding, next_packet, send};
use crate::error::EncodeError;
use crate::live::LiveError;
use crate::source::{self, AudioStream, Source, VideoStream};
use crate::timing::FrameRate;

/// What was decoded; `pts` counts in the stream's time base.
pub(crate) enum Fed {
    Picture(frame::Video),
    Sound(frame::Audio),
}

/// Demuxes and decodes.
pub(crate) struct Feeder {
    path: PathBuf,
    input: Input,
    video: VideoDecoding,
    sound: Option<Sound>,
    held: VecDeque<Fed>,
    broken_packets: u64,
    rate: FrameRate,
    order: Order,
    is_drained: bool,
}

/// Where packets come from.
enum Order {
    File {
        interleaver: Interleaver,
        loops: bool,
        /// Frames of all rounds before this one.
        frames_before: u64,
    },
    Network(Arrival),
}

/// When a publisher's packets arrive.
struct Arrival {
    /// Since when what had gathered is being read.
    opened: Instant,
    /// It is read.
    is_fresh: bool,
    /// Wall clock less presentation time, in microseconds: the least seen, which is that of the packet that was fastest.
    offset_us: Option<i64>,
}

struct Sound {
    stream: AudioStream,
    clock: Clock,
    /// Ticks of all rounds before this one.
    before: i64,
}

impl Feeder {
    /// Plays a file, over and over if it `loops`.
    pub(crate) fn of_file(path: PathBuf, loops: bool) -> Result<Self, LiveError> {
        let source = source::open(&path)?;
        let tracks = source.video.iter().map(|video| (video.index, video.time_base));
        let sound = source.audio.first().map(|audio| (audio.index, audio.time_base));
        let interleaver = Interleaver::new(tracks.chain(sound));
        Self::new(
            source,
            Order::File {
                interleaver,
                loops,
                frames_before: 0,
            },
        )
    }

    /// Takes what a publisher sends. Its times are left as they are.
    pub(crate) fn of_publisher(path: &Path, input: Input) -> Result<Self, LiveError> {
        let mut source = source::of_input(path, input, threading::Type::Slice)?;
        (source.origin_us, source.may_jump) = (0, false);
        let arrival = Arrival {
            opened: Instant::now(),
            is_fresh: false,
            offset_us: None,
        };
        Self::new(source, Order::Network(arrival))
    }

    fn new(mut source: Source, order: Order) -> Result<Self, LiveError> {
        let rate = source.rate();
        let origin_us = source.origin_us;
        let video = VideoDecoding::of(&mut source, rate).ok_or(LiveError::NoPicture)?;
        let stream = (!source.audio.is_empty()).then(|| source.audio.swap_remove(0));
        let sound = stream.map(|stream| Sound {
            clock: Clock::new(stream.time_base, origin_us, false),
            stream,
            before: 0,
        });
        Ok(Self {
            path: source.path,
            input: source.input,
            video,
            sound,
            held: VecDeque::new(),
            broken_packets: 0,
            rate,
            order,
            is_drained: false,
        })
    }

    pub(crate) fn video(&self) -> &VideoStream {
        &self.video.stream
    }

    pub(crate) fn sound(&self) -> Option<&AudioStream> {
        self.sound.as_ref().map(|sound| &sound.stream)
    }

    pub(crate) fn is_file(&self) -> bool {
        matches!(self.order, Order::File { .. })
    }

    /// When what is presented at `pts` of the pictures was captured; of a file it is now.
    pub(crate) fn captured(&self, pts: i64) -> SystemTime {
        let now = SystemTime::now();
        let Order::Network(arrival) = &self.order else {
            return now;
        };
        let since = now
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or(Duration::ZERO);
        let now_us = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        let pts_us = pts.rescale(self.video.stream.time_base, rescale::TIME_BASE);
        // No later than now: a clock that was set back must not make pictures of the future.
        let captured_us = arrival
            .offset_us
            .map_or(now_us, |offset_us| offset_us.saturating_add(pts_us).min(now_us));
        SystemTime::UNIX_EPOCH + Duration::from_micros(captured_us.max(0).unsigned_abs())
    }

    /// The publisher's times have begun anew.
    pub(crate) fn forget_times(&mut self) {
        if let Order::Network(arrival) = &mut self.order {
            arrival.offset_us = None;
        }
    }

    /// Passes over what has gathered meanwhile.
    pub(crate) fn catch_up(&mut self) {
        if let Order::Network(arrival) = &mut self.order {
            (arrival.opened, arrival.is_fresh) = (Instant::now(), false);
        }
    }

    /// The next frame; none at the end. What a publisher sent while it was being looked at is decoded, and passed over.
    pub(crate) fn next(&mut self) -> Result<Option<Fed>, EncodeError> {
        loop {
            if let Some(fed) = self.held.pop_front() {
                return Ok(Some(fed));
            }
            if self.is_drained {
                return Ok(None);
            }
            let is_stale = match &self.order {
                Order::Network(arrival) => !arrival.is_fresh,
                Order::File { .. } => false,
            };
            match self.read()? {
                Some(packet) => self.decode(&packet)?,
                None => self.end_round()?,
            }
            if is_stale {
                self.held.clear();
            }
        }
    }

    fn read(&mut self) -> Result<Option<Packet>, EncodeError> {
        match &mut self.order {
            Order::File { interleaver, .. } => {
                interleaver.next(&mut self.input, &self.path, &mut self.broken_packets)
            }
            Order::Network(arrival) => {
                let began = Instant::now();
                // However a connection ends, it is the end of what is published.
                let packet = next_packet(&mut self.input, &self.path, &mut self.broken_packets)
                    .unwrap_or_else(|error| {
                        tracing::info!("{error}");
                        None
                    });
                let stream = &self.video.stream;
                if let Some(packet) = packet.as_ref().filter(|packet| packet.stream() == stream.index) {
                    arrival.note(began, packet.pts(), stream.time_base);
                }
                Ok(packet)
            }
        }
    }

    fn decode(&mut self, packet: &Packet) -> Result<(), EncodeError> {
        let index = packet.stream();
        if index == self.video.stream.index {
            self.decode_pictures(Some(packet))
        } else if self
            .sound
            .as_ref()
            .is_some_and(|sound| sound.stream.index == index)
        {
            self.decode_sound(Some(packet));
            Ok(())
        } else {
            Ok(())
        }
    }

    fn decode_pictures(&mut self, packet: Option<&Packet>) -> Result<(), EncodeError> {
        let before = match &self.order {
            Order::File { frames_before, .. } => {
                (*frames_before as i64).rescale(self.rate.time_base(), self.video.stream.time_base)
            }
            Order::Network(_) => 0,
        };
        let held = &mut self.held;
        let is_whole = self.video.decode(packet, &mut |mut frame, _| {
            let pts = frame.pts().unwrap_or(0).saturating_add(before);
            frame.set_pts(Some(pts));
            held.push_back(Fed::Picture(frame));
            Ok::<_, EncodeError>(())
        })?;
        self.broken_packets += u64::from(!is_whole);
        Ok(())
    }

    fn decode_sound(&mut self, packet: Option<&Packet>) {
        let Some(sound) = &mut self.sound else {
            return;
        };
        loop {
            let sent = send(&mut sound.stream.decoder, packet);
            let mut frame = frame::Audio::empty();
            while sound.stream.decoder.receive_frame(&mut frame).is_ok() {
                let mut frame = std::mem::replace(&mut frame, frame::Audio::empty());
                if frame.samples() == 0 || frame.rate() == 0 {
                    continue;
                }
                let samples = frame.samples() as i64;
                let duration = samples.rescale(Rational::new(1, frame.rate() as i32), sound.stream.time_base);
                let pts = sound.clock.place(frame.timestamp(), duration);
                frame.set_pts(Some(pts.saturating_add(sound.before)));
                self.held.push_back(Fed::Sound(frame));
            }
            match sent {
                Sent::Full => {}
                Sent::Taken => return,
                Sent::Broken => {
                    self.broken_packets += 1;
                    return;
                }
            }
        }
    }

    /// Takes what is left in the decoders; a file that loops begins again, where its pictures end.
    fn end_round(&mut self) -> Result<(), EncodeError> {
        self.decode_pictures(None)?;
        self.decode_sound(None);
        let video = &self.video.stream;
        let frames = self.video.end().rescale(video.time_base, self.rate.time_base());
        let Order::File {
            interleaver,
            loops: true,
            frames_before,
        } = &mut self.order
        else {
            self.is_drained = true;
            return Ok(());
        };
        if frames <= 0 {
            return Err(EncodeError::NoFrames {
                path: self.path.clone(),
            });
        }
        *frames_before += frames.unsigned_abs();
        let before = *frames_before;
        let mut source = source::open(&self.path)?;
        let origin_us = source.origin_us;
        self.video = VideoDecoding::of(&mut source, self.rate).ok_or_else(|| EncodeError::NoFrames {
            path: self.path.clone(),
        })?;
        let stream = (!source.audio.is_empty()).then(|| source.audio.swap_remove(0));
        self.sound = stream.map(|stream| Sound {
            clock: Clock::new(stream.time_base, origin_us, false),
            before: (before as i64).rescale(self.rate.time_base(), stream.time_base),
            stream,
        });
        let tracks = std::iter::once(&self.video.stream).map(|video| (video.index, video.time_base));
        let sound = self.sound.as_ref().map(|sound| &sound.stream);
        *interleaver = Interleaver::new(tracks.chain(sound.map(|sound| (sound.index, sound.time_base))));
        self.input = source.input;
        Ok(())
    }
}

impl Arrival {
    /// A packet was read since `began`.
    fn note(&mut self, began: Instant, pts: Option<i64>, time_base: Rational) {
        // Who has to be waited for is here at last, and whoever sends faster than time goes is taken as it comes.
        self.is_fresh |= began.elapsed() > WAITED || self.opened.elapsed() > LONGEST_CATCHING_UP;
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let (Some(pts), Ok(since)) = (pts, since) else {
            return;
        };
        let now_us = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        let offset_us = now_us.saturating_sub(pts.rescale(time_base, rescale::TIME_BASE));
        self.offset_us = Some(self.offset_us.map_or(offset_us, |least| least.min(offset_us)));
    }
}

/// A read that took longer had nothing to take at first.
const WAITED: Duration = Duration::from_millis(4);
const LONGEST_CATCHING_UP: Duration = Duration::from_secs(3);
