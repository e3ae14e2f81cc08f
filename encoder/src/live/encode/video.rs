//! One rung: frames in, parts out as soon as their last frame is encoded.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use ffmpeg_next::{Packet, frame, picture};

use super::cutting::{Cutting, Edge};
use super::delivery::Outlet;
use super::parts::{PartWriter, TakeProtection};
use crate::cmaf::{Track, init_segment};
use crate::encode::{Keyframes, Samples, VideoTarget, is_pause, open_video, video_failed};
use crate::error::EncodeError;
use crate::live::{TrackKind, clock};
use crate::protect::TrackClass;
use crate::timing::FrameRate;

/// What an encoder has done, for those who watch whether it keeps up.
#[derive(Debug, Default)]
pub(crate) struct Load {
    frames: AtomicU64,
    busy_us: AtomicU64,
}

impl Load {
    fn add(&self, busy: Duration) {
        self.frames.fetch_add(1, Ordering::Relaxed);
        let micros = u64::try_from(busy.as_micros()).unwrap_or(u64::MAX);
        self.busy_us.fetch_add(micros, Ordering::Relaxed);
    }

    /// Frames that are encoded.
    pub(crate) fn frames(&self) -> u64 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Mean time of a frame in the encoder, since the beginning.
    pub(crate) fn mean(&self) -> Duration {
        let frames = self.frames().max(1);
        Duration::from_micros(self.busy_us.load(Ordering::Relaxed) / frames)
    }
}

/// How one rung of a take is encoded.
pub(crate) struct VideoCoder<'a> {
    pub(crate) target: VideoTarget<'a>,
    pub(crate) cutting: &'a Cutting,
    pub(crate) wall: SystemTime,
    pub(crate) burns_clock: bool,
    pub(crate) protection: Option<&'a TakeProtection<'a>>,
    pub(crate) load: &'a Load,
}

impl<'a> VideoCoder<'a> {
    fn rate(&self) -> FrameRate {
        self.cutting.rate().divided(self.target.divisor)
    }

    /// Encodes frames (`pts` is their number at the source's rate, from 0 on without a gap) until the channel closes.
    pub(crate) fn run(&'a self, frames: Receiver<frame::Video>, outlet: &Outlet) -> Result<(), EncodeError> {
        let rate = self.rate();
        let rung = self.target.rung;
        let divisor = u64::from(self.target.divisor);
        let mut stream = Stream {
            coder: self,
            samples: Samples::new(&self.target, rate, 0),
            parts: PartWriter::new(&rung.name, rate.timescale(), self.wall),
            decoded: 0,
            outlet,
        };
        let mut opened = None;
        for mut frame in frames {
            let began = Instant::now();
            let number = frame.pts().and_then(|pts| u64::try_from(pts).ok()).unwrap_or(0);
            if !number.is_multiple_of(divisor) {
                continue;
            }
            if self.burns_clock {
                // Where nothing is scaled, rungs share their pictures.
                frame = frame.clone();
                let captured = self.wall + Duration::from_secs_f64(self.cutting.rate().seconds(number));
                clock::burn(&mut frame, captured);
            }
            let encoder = match &mut opened {
                Some(encoder) => encoder,
                None => {
                    stream.samples.look_at(&frame);
                    let keyframes = Keyframes::of_plan(self.cutting.idr(), self.target.divisor);
                    let colour = stream.samples.colour;
                    opened.insert(open_video(&self.target, &colour, keyframes, rate, &frame)?)
                }
            };
            frame.set_kind(match self.cutting.edge(number) {
                Edge::Segment => picture::Type::I,
                Edge::Part | Edge::None => picture::Type::None,
            });
            frame.set_pts(Some((number / divisor) as i64));
            encoder
                .send_frame(&frame)
                .map_err(|source| video_failed(rung, source))?;
            drop(frame);
            stream.take_packets(encoder)?;
            self.load.add(began.elapsed());
        }
        if let Some(mut encoder) = opened {
            encoder.send_eof().map_err(|source| video_failed(rung, source))?;
            stream.take_packets(&mut encoder)?;
        }
        // The publisher is gone: what there is of the segment is all of it.
        stream.parts.cut(true, outlet)
    }
}

struct Stream<'a> {
    coder: &'a VideoCoder<'a>,
    samples: Samples<'a>,
    parts: PartWriter<'a>,
    /// Packets so far.
    decoded: u64,
    outlet: &'a Outlet,
}

impl Stream<'_> {
    fn take_packets(&mut self, encoder: &mut ffmpeg_next::encoder::Video) -> Result<(), EncodeError> {
        loop {
            let mut packet = Packet::empty();
            match encoder.receive_packet(&mut packet) {
                Ok(()) => self.take(&packet)?,
                Err(error) if is_pause(error) => return Ok(()),
                Err(source) => return Err(video_failed(self.coder.target.rung, source)),
            }
        }
    }

    fn take(&mut self, packet: &Packet) -> Result<(), EncodeError> {
        let divisor = u64::from(self.coder.target.divisor);
        let number = self.samples.frame(packet)? * divisor;
        let planned = self.coder.cutting.edge(number) == Edge::Segment;
        let sample = self.samples.append(packet, planned, self.parts.data())?;
        if self.decoded == 0 {
            let track = self.samples.track()?;
            let track = self.track(&track)?;
            self.outlet.begin(track)?;
        }
        self.parts.push(sample);
        self.decoded += 1;
        // Groups of pictures are closed: counted in decode order, cuts between segments are the same.
        match self.coder.cutting.edge(self.decoded * divisor) {
            Edge::None => Ok(()),
            edge => self.parts.cut(edge == Edge::Segment, self.outlet),
        }
    }

    fn track(&mut self, track: &Track) -> Result<crate::live::Track, EncodeError> {
        let rung = self.coder.target.rung;
        let protected = match self.coder.protection {
            None => None,
            Some(take) => {
                let class = TrackClass::of_pictures(rung.width, rung.height);
                Some(
                    self.parts
                        .protect(take, class, &track.entry.bytes, self.outlet.place())?,
                )
            }
        };
        let init = init_segment(track, protected.as_ref())
            .map_err(|reason| EncodeError::packaging(&rung.name, reason))?;
        let rate = self.coder.rate();
        let fraction = rate.rational();
        let side = |part: i32| part.unsigned_abs();
        Ok(crate::live::Track {
            name: rung.name.clone(),
            kind: TrackKind::Video {
                width: rung.width,
                height: rung.height,
                frame_rate: (side(fraction.numerator()), side(fraction.denominator())),
            },
            codecs: track.entry.codecs.clone(),
            timescale: track.timescale,
            bandwidth: declared_bps(
                u64::from(rung.bitrate_kbps) * 1000,
                rate.fps(),
                self.coder.cutting,
            ),
            init: Bytes::from(init),
        })
    }
}

/// What a track that is encoded at a constant `bps` needs at most over a segment: what the rate control's buffer holds more than
/// that, and the boxes of parts and frames.
pub(super) fn declared_bps(bps: u64, samples_per_s: f64, cutting: &Cutting) -> u64 {
    let ahead = bps as f64 * BUFFER_S / cutting.segment_target().as_secs_f64().max(0.1);
    let parts_per_s = 1.0 / cutting.part_target(u32::MAX).as_secs_f64().max(0.001);
    let boxes = (parts_per_s * PART_BYTES + samples_per_s * SAMPLE_BYTES) * 8.0;
    bps + (ahead + boxes) as u64
}

/// The rate control's buffer, in seconds: a short one, since what it holds comes late.
pub(crate) const BUFFER_S: f64 = 0.5;
/// `prft`, `moof` and the head of `mdat`.
const PART_BYTES: f64 = 180.0;
/// An entry of `trun`.
const SAMPLE_BYTES: f64 = 16.0;
