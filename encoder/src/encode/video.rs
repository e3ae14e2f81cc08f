//! Every video encoder: frames in, samples in a piece out, closed groups of pictures, IDR frames where the plan says.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use ffmpeg_next::codec::{self, Flags, encoder, threading};
use ffmpeg_next::util::color;
use ffmpeg_next::{Dictionary, Packet, Rational, frame, picture};

use super::options::{Keyframes, buffer_bits, encoder_name, options};
use super::{Job, is_pause};
use crate::cmaf::colour::Colour;
use crate::cmaf::{Bitrate, Bitstream, Media, Picture, Sample, Track};
use crate::error::EncodeError;
use crate::ladder::Rung;
use crate::piece::PieceWriter;
use crate::timing::FrameRate;

/// What to encode a rung with.
pub(crate) struct VideoTarget<'a> {
    pub(crate) rung: &'a Rung,
    pub(crate) preset: &'a str,
    /// 0 lets the encoder decide.
    pub(crate) threads: usize,
    /// Every how many-th frame of the source it has.
    pub(crate) divisor: u32,
    /// The source's frame that the piece begins with.
    pub(crate) first_frame: u64,
    /// What the source's container says of colour.
    pub(crate) source_colour: Colour,
}

impl VideoTarget<'_> {
    /// Decode time of the piece's first sample, in ticks.
    pub(crate) fn first_tick(&self, rate: FrameRate) -> u64 {
        self.first_frame / u64::from(self.divisor) * u64::from(rate.divided(self.divisor).frame_ticks())
    }

    /// The source's frame that is decoded at `ticks`.
    pub(crate) fn frame_at(&self, ticks: u64, rate: FrameRate) -> u64 {
        ticks / u64::from(rate.divided(self.divisor).frame_ticks()) * u64::from(self.divisor)
    }
}

/// Encodes the source's frames (`pts` is their number) until the channel closes. They begin where `piece` ends; frames that
/// it has already, and frames between those of its rate, are passed over.
pub(crate) fn encode_video(
    target: &VideoTarget<'_>,
    job: &Job<'_>,
    piece: PieceWriter,
    frames: Receiver<frame::Video>,
) -> Result<(), EncodeError> {
    let rung = target.rung;
    let rate = job.plan.rate().divided(target.divisor);
    let divisor = u64::from(target.divisor);
    let first = target.frame_at(piece.decode_time(), job.plan.rate());
    let mut stream = Stream {
        piece,
        job,
        first: (first / divisor) as i64,
        samples: Samples::new(target, rate, (first / divisor) as i64),
    };
    let keyframes = Keyframes::of_plan(job.plan, target.divisor);
    let mut opened: Option<encoder::video::Encoder> = None;
    for mut frame in frames {
        if job.is_abandoned() {
            return Err(EncodeError::Cancelled);
        }
        let number = frame.pts().and_then(|pts| u64::try_from(pts).ok()).unwrap_or(0);
        if number < first || !number.is_multiple_of(divisor) {
            continue;
        }
        let is_idr = job.plan.is_idr(number);
        let encoder = match &mut opened {
            Some(encoder) => encoder,
            None => {
                // The first frame tells the colours.
                stream.samples.look_at(&frame);
                opened.insert(open(target, &stream.samples.colour, keyframes, rate, &frame)?)
            }
        };
        // The source's own picture types must not reach the encoder; only the plan's IDR frames may.
        frame.set_kind(if is_idr {
            picture::Type::I
        } else {
            picture::Type::None
        });
        frame.set_pts(Some((number / divisor) as i64));
        encoder
            .send_frame(&frame)
            .map_err(|source| failed(rung, source))?;
        drop(frame);
        stream.take_packets(encoder)?;
    }
    if job.is_abandoned() {
        return Err(EncodeError::Cancelled);
    }
    if let Some(mut encoder) = opened {
        encoder.send_eof().map_err(|source| failed(rung, source))?;
        stream.take_packets(&mut encoder)?;
    }
    match stream.piece.track() {
        Some(_) => stream.piece.finish(),
        None => PieceWriter::nothing(job.piece),
    }
}

/// Opens the encoder for frames like `first`.
pub(crate) fn open(
    target: &VideoTarget<'_>,
    colour: &Colour,
    keyframes: Keyframes,
    rate: FrameRate,
    first: &frame::Video,
) -> Result<encoder::video::Encoder, EncodeError> {
    let rung = target.rung;
    let codec = encoder::find_by_name(encoder_name(rung.codec))
        .ok_or_else(|| failed(rung, ffmpeg_next::Error::EncoderNotFound))?;
    let context = codec::context::Context::new_with_codec(codec);
    let mut video = context.encoder().video().map_err(|source| failed(rung, source))?;
    video.set_width(rung.width);
    video.set_height(rung.height);
    video.set_format(first.format());
    video.set_time_base(rate.time_base());
    video.set_frame_rate(Some(rate.rational()));
    video.set_aspect_ratio(Rational::new(1, 1));
    video.set_flags(Flags::CLOSED_GOP);
    // Threads that take a frame each hold back as many as they are; without latency they share a frame.
    let mut threading = threading::Config::kind(match rung.tune.as_deref() {
        Some("zerolatency") => threading::Type::Slice,
        _ => threading::Type::Frame,
    });
    threading.count = target.threads;
    video.set_threading(threading);
    video.set_colorspace(first.color_space());
    video.set_color_primaries(first.color_primaries());
    video.set_color_transfer_characteristic(first.color_transfer_characteristic());
    video.set_color_range(match first.color_range() {
        color::Range::JPEG => color::Range::JPEG,
        _ => color::Range::MPEG,
    });
    let options: Dictionary<'_> = options(rung, target.preset, keyframes, colour)
        .into_iter()
        .collect();
    video
        .open_as_with(codec, options)
        .map_err(|source| failed(rung, source))
}

pub(crate) fn failed(rung: &Rung, source: ffmpeg_next::Error) -> EncodeError {
    EncodeError::Encoder {
        rendition: rung.name.clone(),
        codec: encoder_name(rung.codec),
        source,
    }
}

/// One rendition on its way from packets to segments.
struct Stream<'a> {
    piece: PieceWriter,
    job: &'a Job<'a>,
    samples: Samples<'a>,
    /// The frame, at this rendition's rate, that is sent first.
    first: i64,
}

impl Stream<'_> {
    fn take_packets(&mut self, encoder: &mut encoder::video::Encoder) -> Result<(), EncodeError> {
        loop {
            let mut packet = Packet::empty();
            match encoder.receive_packet(&mut packet) {
                Ok(()) => self.package(&packet)?,
                Err(error) if is_pause(error) => return Ok(()),
                Err(source) => return Err(failed(self.samples.target.rung, source)),
            }
        }
    }

    fn package(&mut self, packet: &Packet) -> Result<(), EncodeError> {
        let divisor = u64::from(self.samples.target.divisor);
        let frame = self.samples.frame(packet)?;
        let source_frame = frame * divisor;
        if packet.is_key() && self.job.plan.starts_segment(source_frame) {
            self.piece.cut()?;
        }
        let planned = self.job.plan.is_idr(source_frame);
        let sample = self.samples.append(packet, planned, self.piece.data())?;
        if self.piece.track().is_none() || frame == self.first.unsigned_abs() {
            let track = self.samples.track()?;
            self.piece.begin(track)?;
        }
        self.piece.push(sample);
        self.job.done.fetch_max(source_frame + divisor, Ordering::Relaxed);
        Ok(())
    }
}

/// Makes samples of an encoder's packets, in decode order.
pub(crate) struct Samples<'a> {
    target: &'a VideoTarget<'a>,
    /// The rendition's.
    rate: FrameRate,
    bitstream: Bitstream,
    /// Of the frames that the encoder gets.
    pub(crate) colour: Colour,
    /// Frames that decode times are moved by so that the first picture is decoded when it is shown. Composition offsets
    /// become negative for it, and the first picture is presented at its time on every rung, whatever its reordering.
    decode_shift: Option<i64>,
    /// The frame, at this rendition's rate, that is sent first.
    first: i64,
}

impl<'a> Samples<'a> {
    /// `first` is the number of the first frame, at `rate`, the rendition's.
    pub(crate) fn new(target: &'a VideoTarget<'a>, rate: FrameRate, first: i64) -> Self {
        Self {
            target,
            rate,
            bitstream: Bitstream::of_encoder(target.rung.codec),
            colour: Colour::UNKNOWN,
            decode_shift: None,
            first,
        }
    }

    /// Learns the colours of the frames from the first of them.
    pub(crate) fn look_at(&mut self, frame: &frame::Video) {
        self.colour = Colour::of_frame(frame)
            .or_mastered_as(&self.target.source_colour)
            .as_encoded();
    }

    fn wrong(&self, reason: impl Into<String>) -> EncodeError {
        EncodeError::packaging(&self.target.rung.name, reason)
    }

    /// The frame that a packet holds, at the rendition's rate.
    pub(crate) fn frame(&self, packet: &Packet) -> Result<u64, EncodeError> {
        let pts = packet
            .pts()
            .ok_or_else(|| self.wrong("a packet without a time"))?;
        u64::try_from(pts).map_err(|_| self.wrong(format!("a picture at {pts}")))
    }

    /// Appends a packet to `data`; `planned` says whether it must be an IDR frame.
    pub(crate) fn append(
        &mut self,
        packet: &Packet,
        planned: bool,
        data: &mut Vec<u8>,
    ) -> Result<Sample, EncodeError> {
        let (Some(pts), Some(dts), Some(bytes)) = (packet.pts(), packet.dts(), packet.data()) else {
            return Err(self.wrong("a packet without times or bytes"));
        };
        let shift = *self.decode_shift.get_or_insert(self.first - dts);
        let unit = self.bitstream.append(bytes, data);
        if unit.is_idr != planned {
            return Err(self.wrong(format!(
                "frame {pts} is {}an IDR frame",
                if planned { "not " } else { "" }
            )));
        }
        let offset = (pts - dts - shift) * i64::from(self.rate.frame_ticks());
        Ok(Sample {
            duration: self.rate.frame_ticks(),
            size: unit.size as u32,
            composition_offset: i32::try_from(offset)
                .map_err(|_| self.wrong(format!("frame {pts} is reordered too far")))?,
            is_sync: unit.is_idr,
            is_reference: unit.is_reference,
        })
    }

    /// The track, once its first packet was appended.
    pub(crate) fn track(&self) -> Result<Track, EncodeError> {
        let rung = self.target.rung;
        let side = |pixels: u32| u16::try_from(pixels).map_err(|_| self.wrong("its sides are too long"));
        let (width, height) = (side(rung.width)?, side(rung.height)?);
        let bps = rung.bitrate_kbps * 1000;
        let picture = Picture {
            width,
            height,
            pixel_aspect: (1, 1),
            colour: self.colour,
            bitrate: Some(Bitrate {
                buffer_bytes: u32::try_from(buffer_bits(rung) / 8).unwrap_or(u32::MAX),
                max_bps: bps,
                average_bps: bps,
            }),
        };
        Ok(Track {
            timescale: self.rate.timescale(),
            duration: 0,
            skipped: 0,
            default_sample_ticks: self.rate.frame_ticks(),
            language: "und".to_owned(),
            media: Media::Video { width, height },
            entry: self
                .bitstream
                .video_entry(&picture, self.rate.fps())
                .map_err(|reason| self.wrong(reason))?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicBool, AtomicU64};
    use std::sync::mpsc::sync_channel;

    use super::*;
    use crate::graph::Wired;
    use crate::ladder::VideoCodec;
    use crate::piece::PieceReader;
    use crate::timing::IdrPlan;

    /// Encodes 60 moving pictures by `plan` and gives the numbers of the sync samples and of the first in each segment.
    fn encode(rung: &Rung, plan: &IdrPlan, divisor: u32) -> (Vec<i64>, Vec<i64>, usize) {
        crate::init_ffmpeg();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("piece.mp4");
        let spec = format!(
            "testsrc2=s={}x{}:r={}:d=2.4,format=yuv420p[out0]",
            rung.width,
            rung.height,
            plan.rate()
        );
        let mut source = Wired::build("", "", "buffersink", 1, spec).unwrap();
        let (queue, frames) = sync_channel(100);
        let mut frame = frame::Video::empty();
        while source.pull(0, &mut frame).unwrap() {
            queue
                .send(std::mem::replace(&mut frame, frame::Video::empty()))
                .unwrap();
        }
        drop(queue);
        let target = VideoTarget {
            rung,
            preset: "ultrafast",
            threads: 2,
            divisor,
            first_frame: 0,
            source_colour: Colour::UNKNOWN,
        };
        let (abandoned, done) = (AtomicBool::new(false), AtomicU64::new(0));
        let job = Job {
            piece: &path,
            plan,
            abandoned: &abandoned,
            done: &done,
        };
        let piece = PieceWriter::create(&path, 0).unwrap();
        encode_video(&target, &job, piece, frames).unwrap();

        let mut reader = PieceReader::open(&path).unwrap();
        let ticks = i64::from(reader.track().default_sample_ticks);
        let (mut syncs, mut firsts, mut count) = (Vec::new(), Vec::new(), 0);
        while let Some(chunk) = reader.next_chunk().unwrap() {
            let mut time = chunk.decode_time as i64;
            for (index, sample) in chunk.samples.iter().enumerate() {
                let number = (time + i64::from(sample.composition_offset)) / ticks;
                time += i64::from(sample.duration);
                count += 1;
                syncs.extend(sample.is_sync.then_some(number));
                firsts.extend((index == 0).then_some(number));
            }
        }
        (syncs, firsts, count)
    }

    #[test]
    fn irregular_plans_hold_on_every_codec() {
        let plan = IdrPlan::listed(FrameRate::new(25, 1), vec![17, 30, 53], 50);
        for codec in [
            VideoCodec::H264,
            VideoCodec::H265,
            VideoCodec::Av1,
            VideoCodec::Vp9,
        ] {
            for crf in [None, Some(40.0)] {
                let rung = Rung {
                    codec,
                    crf,
                    width: 128,
                    height: 72,
                    bitrate_kbps: 100,
                    ..Rung::default()
                };
                let (syncs, firsts, count) = encode(&rung, &plan, 1);
                let starts = [0, 17, 30, 53];
                assert_eq!(
                    (syncs.as_slice(), firsts.as_slice(), count),
                    (&starts[..], &starts[..], 60),
                    "{codec:?} {crf:?}"
                );
            }
        }
    }

    #[test]
    fn groups_within_segments_and_fewer_frames_hold_on_every_codec() {
        let plan = IdrPlan::regular(FrameRate::new(25, 1), 1.6, 0.8, 2);
        for codec in [
            VideoCodec::H264,
            VideoCodec::H265,
            VideoCodec::Av1,
            VideoCodec::Vp9,
        ] {
            let rung = Rung {
                codec,
                width: 128,
                height: 72,
                bitrate_kbps: 100,
                ..Rung::default()
            };
            let (syncs, firsts, count) = encode(&rung, &plan, 2);
            assert_eq!(
                (syncs, firsts, count),
                (vec![0, 10, 20], vec![0, 20], 30),
                "{codec:?}"
            );
        }
    }
}
