//! FFmpeg's AAC encoder, packaged in segments that follow the video's.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use ffmpeg_next::codec::{self, encoder};
use ffmpeg_next::format::sample::Type;
use ffmpeg_next::{ChannelLayout, Packet, Rational, frame};

use super::{Job, is_pause};
use crate::cmaf::{Media, Sample, Track, aac};
use crate::error::EncodeError;
use crate::piece::PieceWriter;
use crate::plan::AudioPlan;

/// Encodes frames of [`aac::FRAME_SAMPLES`] (`pts` in samples) until the channel closes; the last may be shorter.
pub(crate) fn encode_audio(
    target: &AudioPlan,
    job: &Job<'_>,
    frames: Receiver<frame::Audio>,
) -> Result<(), EncodeError> {
    let mut stream = Stream {
        piece: PieceWriter::create(job.piece, 0)?,
        job,
        target,
        origin: None,
        end: 0,
    };
    let mut opened = None;
    for frame in frames {
        if job.is_abandoned() {
            return Err(EncodeError::Cancelled);
        }
        let encoder = match &mut opened {
            Some(encoder) => encoder,
            None => opened.insert(open(target)?),
        };
        stream.end += frame.samples() as u64;
        encoder
            .send_frame(&frame)
            .map_err(|source| failed(target, source))?;
        stream.take_packets(encoder)?;
    }
    let Some(mut encoder) = opened else {
        return PieceWriter::nothing(job.piece);
    };
    if job.is_abandoned() {
        return Err(EncodeError::Cancelled);
    }
    encoder.send_eof().map_err(|source| failed(target, source))?;
    stream.take_packets(&mut encoder)?;
    stream.piece.finish()
}

fn open(target: &AudioPlan) -> Result<encoder::audio::Encoder, EncodeError> {
    let aac =
        encoder::find_by_name(CODEC).ok_or_else(|| failed(target, ffmpeg_next::Error::EncoderNotFound))?;
    let context = codec::context::Context::new_with_codec(aac);
    let mut audio = context
        .encoder()
        .audio()
        .map_err(|source| failed(target, source))?;
    audio.set_rate(target.sound.rate as i32);
    audio.set_format(ffmpeg_next::format::Sample::F32(Type::Planar));
    audio.set_channel_layout(ChannelLayout::default(i32::from(target.sound.channels)));
    audio.set_bit_rate(target.bitrate_kbps as usize * 1000);
    audio.set_time_base(Rational::new(1, target.sound.rate as i32));
    audio.open_as(aac).map_err(|source| failed(target, source))
}

fn failed(target: &AudioPlan, source: ffmpeg_next::Error) -> EncodeError {
    EncodeError::Encoder {
        rendition: target.name.clone(),
        codec: CODEC,
        source,
    }
}

/// The rendition on its way from packets to segments.
struct Stream<'a> {
    piece: PieceWriter,
    job: &'a Job<'a>,
    target: &'a AudioPlan,
    /// Time of the first packet: minus the encoder's priming.
    origin: Option<i64>,
    /// Samples that were sent.
    end: u64,
}

impl Stream<'_> {
    fn take_packets(&mut self, encoder: &mut encoder::audio::Encoder) -> Result<(), EncodeError> {
        loop {
            let mut packet = Packet::empty();
            match encoder.receive_packet(&mut packet) {
                Ok(()) => self.package(&packet)?,
                Err(error) if is_pause(error) => return Ok(()),
                Err(source) => return Err(failed(self.target, source)),
            }
        }
    }

    fn package(&mut self, packet: &Packet) -> Result<(), EncodeError> {
        let (Some(pts), Some(data)) = (packet.pts(), packet.data()) else {
            return Err(EncodeError::packaging(
                &self.target.name,
                "a packet without time or bytes",
            ));
        };
        let origin = match self.origin {
            Some(origin) => origin,
            None => {
                self.piece.begin(track(self.target, pts.min(0).unsigned_abs())?)?;
                *self.origin.insert(pts)
            }
        };
        // The frame whose start is nearest to the video's boundary starts the segment.
        let boundary = self
            .job
            .plan
            .boundary_ticks(self.piece.cuts() + 1, self.target.sound.rate);
        let middle = pts + i64::from(aac::FRAME_SAMPLES / 2);
        if pts > origin && u64::try_from(middle).is_ok_and(|middle| middle >= boundary) {
            self.piece.cut()?;
        }
        // What the encoder padded at the end is not presented: the last frame is shorter.
        let left = i64::try_from(self.end).unwrap_or(i64::MAX) - pts;
        if left <= 0 {
            return Ok(());
        }
        self.piece.data().extend_from_slice(data);
        self.piece.push(Sample {
            duration: u32::try_from(left).unwrap_or(u32::MAX).min(aac::FRAME_SAMPLES),
            size: data.len() as u32,
            composition_offset: 0,
            is_sync: true,
            is_reference: true,
        });
        self.job
            .done
            .store(u64::try_from(pts).unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }
}

fn track(target: &AudioPlan, skipped: u64) -> Result<Track, EncodeError> {
    let AudioPlan {
        sound, bitrate_kbps, ..
    } = target;
    let bps = bitrate_kbps * 1000;
    let entry = aac::entry(sound.rate, sound.channels, bps, bps)
        .ok_or_else(|| EncodeError::packaging(&target.name, format!("AAC has no {} Hz", sound.rate)))?;
    Ok(Track {
        timescale: sound.rate,
        duration: 0,
        skipped,
        default_sample_ticks: aac::FRAME_SAMPLES,
        language: target.language.clone(),
        media: Media::Audio {
            channels: sound.channels,
            rate: sound.rate,
        },
        entry,
    })
}

const CODEC: &str = "aac";
