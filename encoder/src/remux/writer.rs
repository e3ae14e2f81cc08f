//! Packets of a stream into a piece.

use std::path::{Path, PathBuf};

use ffmpeg_next::mathematics::{Rescale, rescale};
use ffmpeg_next::{Packet, Rational};

use super::input::Candidate;
use super::timeline::Timeline;
use crate::cmaf::bitstream::StreamParameters;
use crate::cmaf::{Bitstream, Media, Picture, Sample, SampleEntry, Track};
use crate::error::EncodeError;
use crate::index::Kind;
use crate::packager::Stream;
use crate::piece::PieceWriter;

/// One rendition on its way from packets to a piece.
pub(super) struct StreamWriter<'a> {
    pub(super) candidate: &'a Candidate,
    timeline: &'a Timeline,
    path: PathBuf,
    piece: Option<PieceWriter>,
    bitstream: Bitstream,
    timescale: u32,
    /// Samples wait for the next packet, which tells how long they last.
    held: Option<Held>,
    /// Decode time of the first packet, in ticks of the timescale, as it is written.
    shift: Option<i64>,
    last_duration: i64,
    is_regular: bool,
    taken: i64,
}

struct Held {
    dts: i64,
    pts: i64,
    duration: i64,
    sample: Sample,
    cuts: bool,
    data: Vec<u8>,
}

impl<'a> StreamWriter<'a> {
    pub(super) fn create(
        candidate: &'a Candidate,
        timeline: &'a Timeline,
        folder: &Path,
    ) -> Result<Self, EncodeError> {
        let path = folder.join(format!("{}.mp4", candidate.name));
        let bitstream = Bitstream::of_file(&candidate.parameters)
            .map_err(|reason| EncodeError::packaging(&candidate.name, reason))?;
        let timescale = match (&candidate.kind, candidate.rate()) {
            (_, Some(rate)) => rate.timescale(),
            (Kind::Audio(sound), _) => sound.rate,
            _ => 90_000,
        };
        Ok(Self {
            candidate,
            timeline,
            path,
            piece: None,
            bitstream,
            timescale,
            held: None,
            shift: None,
            last_duration: 0,
            is_regular: candidate.is_regular(),
            taken: 0,
        })
    }

    fn ticks(&self, time: i64) -> i64 {
        time.rescale(self.candidate.time_base, Rational::new(1, self.timescale as i32))
    }

    /// A presentation time in ticks from the origin; pictures are put on their frame rate's grid where that is what was
    /// rounded away.
    fn place(&self, time: i64) -> i64 {
        let origin = self
            .timeline
            .origin_us
            .rescale(rescale::TIME_BASE, self.candidate.time_base);
        let ticks = self.ticks(time - origin);
        match self.candidate.rate() {
            Some(rate) => {
                let frame = i64::from(rate.frame_ticks());
                let nearest = (ticks as f64 / frame as f64).round() as i64 * frame;
                // A tick of the file's own clock, and one of rounding the origin.
                let slack = self.ticks(2).max(2);
                if (nearest - ticks).abs() <= slack {
                    nearest
                } else {
                    ticks
                }
            }
            None => ticks,
        }
    }

    pub(super) fn take(&mut self, packet: &Packet) -> Result<(), EncodeError> {
        let name = &self.candidate.name;
        let (Some(pts), Some(data)) = (packet.pts(), packet.data()) else {
            return Ok(());
        };
        let dts = match self.is_regular {
            true => self.taken * self.frame_ticks(),
            false => self.place(packet.dts().unwrap_or(pts)),
        };
        let pts = self.place(pts);
        self.taken += 1;
        if let Some(held) = self.held.take() {
            let lasts = dts - held.dts;
            if lasts <= 0 {
                let reason = format!(
                    "its decode times go back at {:.3} s",
                    dts as f64 / f64::from(self.timescale)
                );
                return Err(EncodeError::packaging(name, reason));
            }
            self.write(held, lasts)?;
        }
        let mut bytes = Vec::with_capacity(data.len());
        let unit = self.bitstream.append(data, &mut bytes);
        let is_video = self.candidate.is_video();
        let next_us = self
            .timeline
            .cut_us(self.piece.as_ref().map_or(1, |piece| piece.cuts() + 1));
        let next = next_us
            .checked_mul(i64::from(self.timescale))
            .map_or(i64::MAX, |ticks| ticks / 1_000_000);
        let duration = self.ticks(packet.duration()).max(0);
        let cuts = match is_video {
            true => packet.is_key() && pts >= next - self.frame_ticks() / 2,
            false => pts + duration / 2 >= next,
        };
        if is_video && cuts && !unit.is_idr {
            let reason = format!(
                "the key frame at {:.3} s leaves pictures that refer to what is before it; encode with closed groups of pictures",
                pts as f64 / f64::from(self.timescale)
            );
            return Err(EncodeError::packaging(name, reason));
        }
        self.held = Some(Held {
            dts,
            pts,
            duration,
            sample: Sample {
                duration: 0,
                size: bytes.len() as u32,
                composition_offset: 0,
                is_sync: if is_video {
                    packet.is_key() && unit.is_idr
                } else {
                    true
                },
                is_reference: unit.is_reference,
            },
            cuts,
            data: bytes,
        });
        Ok(())
    }

    fn frame_ticks(&self) -> i64 {
        self.candidate
            .rate()
            .map_or(0, |rate| i64::from(rate.frame_ticks()))
    }

    fn write(&mut self, held: Held, lasts: i64) -> Result<(), EncodeError> {
        let name = &self.candidate.name;
        let wrong = |reason: &str| EncodeError::packaging(name, reason);
        let is_video = self.candidate.is_video();
        let shift = match self.shift {
            Some(shift) => shift,
            // Pictures: the first is decoded when it is shown. Sound before the origin is decoded and not heard.
            None => *self.shift.insert(if is_video {
                held.pts.max(0) - held.dts
            } else {
                (-held.pts).max(0)
            }),
        };
        if self.piece.is_none() {
            let start =
                u64::try_from(held.dts + shift).map_err(|_| wrong("it begins before the other streams"))?;
            let mut piece = PieceWriter::create(&self.path, start)?;
            let skipped = if is_video { 0 } else { shift.unsigned_abs() };
            piece.begin(self.track(skipped)?)?;
            self.piece = Some(piece);
        }
        let Some(piece) = &mut self.piece else {
            return Ok(());
        };
        if held.cuts {
            piece.cut()?;
        }
        piece.data().extend_from_slice(&held.data);
        let offset = if is_video { held.pts - held.dts - shift } else { 0 };
        piece.push(Sample {
            duration: u32::try_from(lasts).map_err(|_| wrong("a packet lasts too long"))?,
            composition_offset: i32::try_from(offset).map_err(|_| wrong("a picture is reordered too far"))?,
            ..held.sample
        });
        self.last_duration = lasts;
        Ok(())
    }

    fn track(&self, skipped: u64) -> Result<Track, EncodeError> {
        let Candidate { name, kind, .. } = self.candidate;
        let wrong = |reason: String| EncodeError::packaging(name, reason);
        let said = StreamParameters::read(&self.candidate.parameters);
        let (media, entry): (Media, SampleEntry) = match kind {
            Kind::Video { width, height, rate } => {
                let side = |pixels: u32| {
                    u16::try_from(pixels).map_err(|_| wrong("its sides are too long".to_owned()))
                };
                let (width, height) = (side(*width)?, side(*height)?);
                let aspect = |side: i32| u32::try_from(side).ok().filter(|side| *side > 0);
                let pixel_aspect = aspect(said.pixel_aspect.0).zip(aspect(said.pixel_aspect.1));
                let picture = Picture {
                    width,
                    height,
                    pixel_aspect: pixel_aspect.unwrap_or((1, 1)),
                    colour: said.colour,
                    bitrate: None,
                };
                let entry = self.bitstream.video_entry(&picture, rate.fps()).map_err(wrong)?;
                (Media::Video { width, height }, entry)
            }
            Kind::Audio(sound) => {
                let entry = self.bitstream.audio_entry(None).map_err(wrong)?;
                let media = Media::Audio {
                    channels: sound.channels,
                    rate: sound.rate,
                };
                (media, entry)
            }
        };
        Ok(Track {
            timescale: self.timescale,
            duration: 0,
            skipped,
            default_sample_ticks: u32::try_from(self.frame_ticks()).unwrap_or(0),
            language: self.candidate.language.clone(),
            media,
            entry,
        })
    }

    pub(super) fn finish(mut self) -> Result<Stream, EncodeError> {
        if let Some(held) = self.held.take() {
            let lasts = if held.duration > 0 {
                held.duration
            } else {
                self.last_duration
            };
            self.write(held, lasts.max(1))?;
        }
        let piece = self.piece.take();
        let piece = piece.ok_or_else(|| EncodeError::packaging(&self.candidate.name, "it has no packets"))?;
        piece.finish()?;
        Ok(Stream {
            name: self.candidate.name.clone(),
            kind: self.candidate.kind.clone(),
            pieces: vec![self.path],
        })
    }
}
