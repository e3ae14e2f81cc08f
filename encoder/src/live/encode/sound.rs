//! The sound: frames in, parts out that end near those of the pictures.

use std::sync::mpsc::Receiver;
use std::time::SystemTime;

use bytes::Bytes;
use ffmpeg_next::codec::encoder;
use ffmpeg_next::{Packet, frame};

use super::cutting::{Cutting, Edge};
use super::delivery::Outlet;
use super::parts::{PartWriter, TakeProtection};
use super::video::declared_bps;
use crate::cmaf::{Sample, Track, aac, init_segment};
use crate::encode::{audio_failed, audio_track, is_pause, open_audio};
use crate::error::EncodeError;
use crate::live::TrackKind;
use crate::plan::AudioPlan;
use crate::protect::TrackClass;

/// Encodes AAC frames (`pts` in samples, from 0 on without a gap) until the channel closes.
pub(crate) fn encode_sound(
    plan: &AudioPlan,
    cutting: &Cutting,
    wall: SystemTime,
    protection: Option<&TakeProtection<'_>>,
    frames: Receiver<frame::Audio>,
    outlet: &Outlet,
) -> Result<(), EncodeError> {
    let mut parts = PartWriter::new(&plan.name, plan.sound.rate, wall);
    // What the encoder puts before the first sample is left out, so that decode times are those of the timeline.
    let track = audio_track(plan, 0)?;
    let protected = protection.map(|take| {
        let class = TrackClass::Audio;
        parts.protect(take, class, &track.entry.bytes, outlet.place())
    });
    let init = init_segment(&track, protected.transpose()?.as_ref());
    let init = init.map_err(|reason| EncodeError::packaging(&plan.name, reason))?;
    outlet.begin(describe(plan, &track, init, cutting))?;
    let mut stream = Stream {
        plan,
        cutting,
        parts,
        next_part: 1,
        outlet,
    };
    let mut opened = None;
    for frame in frames {
        let encoder = match &mut opened {
            Some(encoder) => encoder,
            None => opened.insert(open_audio(plan)?),
        };
        encoder
            .send_frame(&frame)
            .map_err(|source| audio_failed(plan, source))?;
        stream.take_packets(encoder)?;
    }
    if let Some(mut encoder) = opened {
        encoder.send_eof().map_err(|source| audio_failed(plan, source))?;
        stream.take_packets(&mut encoder)?;
    }
    stream.parts.cut(true, outlet)
}

fn describe(plan: &AudioPlan, track: &Track, init: Vec<u8>, cutting: &Cutting) -> crate::live::Track {
    let frames_per_s = f64::from(plan.sound.rate) / f64::from(aac::FRAME_SAMPLES);
    crate::live::Track {
        name: plan.name.clone(),
        kind: TrackKind::Audio {
            rate: plan.sound.rate,
            channels: plan.sound.channels,
            language: plan.sound.language.clone(),
        },
        codecs: track.entry.codecs.clone(),
        timescale: track.timescale,
        bandwidth: declared_bps(u64::from(plan.bitrate_kbps) * 1000, frames_per_s, cutting),
        init: Bytes::from(init),
    }
}

struct Stream<'a> {
    plan: &'a AudioPlan,
    cutting: &'a Cutting,
    parts: PartWriter<'a>,
    /// The part of the take that comes after the open one.
    next_part: u64,
    outlet: &'a Outlet,
}

impl Stream<'_> {
    fn take_packets(&mut self, encoder: &mut encoder::audio::Encoder) -> Result<(), EncodeError> {
        loop {
            let mut packet = Packet::empty();
            match encoder.receive_packet(&mut packet) {
                Ok(()) => self.take(&packet)?,
                Err(error) if is_pause(error) => return Ok(()),
                Err(source) => return Err(audio_failed(self.plan, source)),
            }
        }
    }

    fn take(&mut self, packet: &Packet) -> Result<(), EncodeError> {
        let (Some(pts), Some(data)) = (packet.pts(), packet.data()) else {
            return Err(EncodeError::packaging(
                &self.plan.name,
                "a packet without time or bytes",
            ));
        };
        let Ok(start) = u64::try_from(pts) else {
            return Ok(());
        };
        self.parts.data().extend_from_slice(data);
        self.parts.push(Sample {
            duration: aac::FRAME_SAMPLES,
            size: data.len() as u32,
            composition_offset: 0,
            is_sync: true,
            is_reference: true,
        });
        // The next frame begins the next part where it is the nearest to its edge.
        let next_middle = start + u64::from(aac::FRAME_SAMPLES + aac::FRAME_SAMPLES / 2);
        let (edge, kind) = self.cutting.sound_edge(self.next_part, self.plan.sound.rate);
        if next_middle < edge {
            return Ok(());
        }
        self.next_part += 1;
        self.parts.cut(kind == Edge::Segment, self.outlet)
    }
}
