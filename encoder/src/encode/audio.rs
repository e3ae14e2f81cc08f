//! Every audio encoder, packaged in segments that follow the video's.

use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use ffmpeg_next::codec::{self, encoder};
use ffmpeg_next::format::sample::Type;
use ffmpeg_next::{ChannelLayout, Dictionary, Packet, Rational, format, frame};

use super::{Job, is_pause};
use crate::cmaf::{Bitrate, Media, Sample, Track, aac, opus};
use crate::error::EncodeError;
use crate::ladder::AudioCodec;
use crate::piece::PieceWriter;
use crate::plan::AudioPlan;

/// Samples that the encoder wants in a frame.
pub(crate) fn frame_samples(codec: AudioCodec) -> u32 {
    match codec {
        AudioCodec::Aac => aac::FRAME_SAMPLES,
        // 20 ms.
        AudioCodec::Opus => 960,
    }
}

/// The form of samples that the encoder wants.
pub(crate) fn sample_format(codec: AudioCodec) -> format::Sample {
    format::Sample::F32(match codec {
        AudioCodec::Aac => Type::Planar,
        AudioCodec::Opus => Type::Packed,
    })
}

/// Encodes frames of [`frame_samples`] (`pts` in samples) until the channel closes; the last may be shorter.
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

/// Opens the encoder.
pub(crate) fn open(target: &AudioPlan) -> Result<encoder::audio::Encoder, EncodeError> {
    let codec = encoder::find_by_name(encoder_name(target.codec))
        .ok_or_else(|| failed(target, ffmpeg_next::Error::EncoderNotFound))?;
    let context = codec::context::Context::new_with_codec(codec);
    let mut audio = context
        .encoder()
        .audio()
        .map_err(|source| failed(target, source))?;
    audio.set_rate(target.sound.rate as i32);
    audio.set_format(sample_format(target.codec));
    audio.set_channel_layout(ChannelLayout::default(i32::from(target.sound.channels)));
    audio.set_bit_rate(target.bitrate_kbps as usize * 1000);
    audio.set_time_base(Rational::new(1, target.sound.rate as i32));
    let mut options = Dictionary::new();
    if target.codec == AudioCodec::Opus {
        options.set("frame_duration", "20");
        // What is declared is what is measured: it varies within a bound.
        options.set("vbr", "constrained");
        if target.sound.channels > 2 {
            options.set("mapping_family", "1");
        }
    }
    audio
        .open_as_with(codec, options)
        .map_err(|source| failed(target, source))
}

/// The name of FFmpeg's encoder.
fn encoder_name(codec: AudioCodec) -> &'static str {
    match codec {
        AudioCodec::Aac => "aac",
        AudioCodec::Opus => "libopus",
    }
}

pub(crate) fn failed(target: &AudioPlan, source: ffmpeg_next::Error) -> EncodeError {
    EncodeError::Encoder {
        rendition: target.name.clone(),
        codec: encoder_name(target.codec),
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
        let frame_samples = frame_samples(self.target.codec);
        let middle = pts + i64::from(frame_samples / 2);
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
            duration: u32::try_from(left).unwrap_or(u32::MAX).min(frame_samples),
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

/// The track; `skipped` are the samples at its start that are not presented.
pub(crate) fn track(target: &AudioPlan, skipped: u64) -> Result<Track, EncodeError> {
    let AudioPlan {
        sound, bitrate_kbps, ..
    } = target;
    let bps = bitrate_kbps * 1000;
    let bitrate = Some(Bitrate {
        buffer_bytes: 0,
        max_bps: bps,
        average_bps: bps,
    });
    let entry = match target.codec {
        AudioCodec::Aac => aac::Configuration::low_complexity(sound.rate, sound.channels)
            .ok_or_else(|| format!("AAC has no {} Hz with {} channels", sound.rate, sound.channels))
            .and_then(|configuration| configuration.entry(bitrate)),
        AudioCodec::Opus => u16::try_from(skipped)
            .ok()
            .and_then(|pre_skip| opus::Configuration::new(sound.channels, pre_skip))
            .ok_or_else(|| format!("Opus has no {} channels", sound.channels))
            .and_then(|configuration| configuration.entry(bitrate)),
    };
    let entry = entry.map_err(|reason| EncodeError::packaging(&target.name, reason))?;
    Ok(Track {
        timescale: sound.rate,
        duration: 0,
        skipped,
        default_sample_ticks: frame_samples(target.codec),
        language: target.language.clone(),
        media: Media::Audio {
            channels: sound.channels,
            rate: sound.rate,
        },
        entry,
    })
}
