//! MPEG transport streams (ISO/IEC 13818-1) of the same samples that CMAF segments are made of.
//!
//! One [`Muxer`] writes one rendition: pictures, sound, or both in one stream. Each call makes one segment from the tracks' chunks;
//! continuity counters and time go on from one to the next.
//!
//! - A segment begins with PAT and PMT. So does every picture where decoding can start, inside a segment too: the bytes of such
//!   a picture, as an I-frame playlist names them, can be played on their own.
//! - Such pictures come with their parameter sets. Every picture has an access unit delimiter.
//! - The clock (PCR) is in the pictures' packets, or in those of sound where there are none.
//! - Presentation time 0 has timestamp [`START`]. Decode times lie before presentation times by as much as the first segment
//!   needs.

#[cfg(fuzzing)]
#[path = "../fuzzing/ts.rs"]
pub mod fuzzing;
mod packets;
mod tables;
mod units;

use std::ops::Range;

use self::packets::{Packets, Pes};
use self::tables::{PMT_PID, Program, ProgramStream};
use self::units::{Form, Units};
use crate::cmaf::Chunk;
use crate::protect::SampleAes;

/// The timestamp of presentation time 0 in ticks of 90 kHz, for `X-TIMESTAMP-MAP` too.
pub(crate) const START: u64 = 126_000;

/// Ticks per second of all timestamps.
pub(crate) const CLOCK_HZ: u64 = 90_000;

/// Writes the segments of one rendition.
pub(crate) struct Muxer {
    tracks: Vec<Track>,
    packets: Packets,
}

/// A track as CMAF describes it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TrackDescription<'a> {
    /// The clear sample entry box.
    pub(crate) entry: &'a [u8],
    /// Ticks per second.
    pub(crate) timescale: u32,
    /// Ticks at the start that are decoded but not presented.
    pub(crate) skipped: u64,
}

/// A segment.
#[derive(Clone, Debug, Default)]
pub(crate) struct TsSegment {
    pub(crate) bytes: Vec<u8>,
    /// The pictures in it where decoding can start.
    pub(crate) i_frames: Vec<IFrame>,
}

/// A picture for an I-frame playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IFrame {
    /// Its bytes in the segment, with the tables before it.
    pub(crate) range: Range<usize>,
    /// Its place among the samples of its chunk.
    pub(crate) sample: usize,
}

struct Track {
    pid: u16,
    units: Units,
    timescale: u64,
    skipped: u64,
    /// Ticks of 90 kHz that decode times are put back by, from the first segment on.
    reordering: Option<i64>,
}

/// What becomes one PES packet.
struct Access {
    track: usize,
    /// Samples of the track's chunk.
    samples: Range<usize>,
    pts: u64,
    dts: u64,
}

impl Muxer {
    /// A multiplexer of these tracks, at most one of them with pictures.
    pub(crate) fn new(tracks: &[TrackDescription<'_>]) -> Result<Self, String> {
        let mut made = Vec::new();
        for (track, pid) in tracks.iter().zip(FIRST_PID..) {
            made.push(Track {
                pid,
                units: Units::new(track.entry)?,
                timescale: u64::from(track.timescale.max(1)),
                skipped: track.skipped,
                reordering: None,
            });
        }
        match made.iter().filter(|track| track.units.is_picture()).count() {
            0 | 1 if !made.is_empty() => Ok(Self {
                tracks: made,
                packets: Packets::default(),
            }),
            pictures => Err(format!(
                "a transport stream of {} tracks, {pictures} of them pictures; put one picture track in each",
                made.len()
            )),
        }
    }

    /// The next segment, of one chunk a track in the tracks' order. With `encryption` its samples are encrypted, which goes for
    /// H.264, AAC and AC-3.
    pub(crate) fn segment(
        &mut self,
        chunks: &[&Chunk],
        encryption: Option<&SampleAes>,
    ) -> Result<TsSegment, String> {
        if chunks.len() != self.tracks.len() {
            return Err(format!(
                "{} chunks for {} tracks of a transport stream",
                chunks.len(),
                self.tracks.len()
            ));
        }
        let mut accesses = Vec::new();
        let mut offsets = Vec::new();
        for (index, (track, chunk)) in self.tracks.iter_mut().zip(chunks).enumerate() {
            offsets.push(sample_offsets(chunk)?);
            track.accesses(index, chunk, &mut accesses);
        }
        accesses.sort_by_key(|access| access.dts);
        let program = self.program(chunks, encryption.is_some())?;
        let clock_pid = program.clock_pid;
        let mut out = TsSegment::default();
        let mut payload = Vec::new();
        for (number, access) in accesses.iter().enumerate() {
            let (Some(track), Some(chunk), Some(offsets)) = (
                self.tracks.get(access.track),
                chunks.get(access.track),
                offsets.get(access.track),
            ) else {
                continue;
            };
            let is_picture = track.units.is_picture();
            let first = chunk.samples.get(access.samples.start);
            let is_sync = first.is_some_and(|sample| sample.is_sync);
            let start = out.bytes.len();
            if number == 0 || is_picture && is_sync {
                self.packets
                    .write_section(tables::PAT_PID, &tables::pat(), &mut out.bytes);
                self.packets
                    .write_section(PMT_PID, &program.pmt(), &mut out.bytes);
            }
            payload.clear();
            for sample in access.samples.clone() {
                let bytes = offsets
                    .get(sample)
                    .and_then(|range| chunk.data.get(range.clone()));
                let form = Form { is_sync, encryption };
                track
                    .units
                    .append(bytes.unwrap_or_default(), form, &mut payload)?;
            }
            let pes = Pes {
                pid: track.pid,
                stream_id: track.units.stream_id(),
                pts: access.pts,
                dts: access.dts,
                clock: (track.pid == clock_pid).then(|| access.dts.saturating_sub(CLOCK_LEAD)),
                is_random_access: is_sync,
                is_unbounded: is_picture,
            };
            self.packets.write_pes(&pes, &payload, &mut out.bytes);
            if is_picture && is_sync {
                out.i_frames.push(IFrame {
                    range: start..out.bytes.len(),
                    sample: access.samples.start,
                });
            }
        }
        Ok(out)
    }

    fn program(&self, chunks: &[&Chunk], is_encrypted: bool) -> Result<Program, String> {
        let mut streams = Vec::new();
        for (track, chunk) in self.tracks.iter().zip(chunks) {
            let units = &track.units;
            let (stream_type, descriptors) = if is_encrypted {
                let stream_type = units.encrypted_type().ok_or_else(|| {
                    let name = units.name();
                    format!("{name} has no SAMPLE-AES in MPEG-TS; use CMAF segments, or AES-128")
                })?;
                (stream_type, units.encrypted_descriptors(&chunk.data))
            } else {
                units.clear_type()
            };
            streams.push(ProgramStream {
                pid: track.pid,
                stream_type,
                descriptors,
            });
        }
        let pictures = self.tracks.iter().find(|track| track.units.is_picture());
        let clock = pictures.or(self.tracks.first());
        Ok(Program {
            clock_pid: clock.map_or(0, |track| track.pid),
            streams,
        })
    }
}

impl Track {
    /// The chunk's samples with their timestamps: a picture alone, frames of sound several together.
    fn accesses(&mut self, track: usize, chunk: &Chunk, out: &mut Vec<Access>) {
        let is_picture = self.units.is_picture();
        let scale = self.timescale;
        let ticks = |time: i128| {
            let scaled = time * i128::from(CLOCK_HZ) * 2 + i128::from(scale);
            i64::try_from(scaled.div_euclid(i128::from(scale) * 2)).unwrap_or_default()
        };
        let reordering = *self.reordering.get_or_insert_with(|| {
            let offsets = chunk.samples.iter().map(|sample| sample.composition_offset);
            let lowest = offsets.min().unwrap_or_default().min(0);
            ticks(-i128::from(lowest))
        });
        let mut time = i128::from(chunk.decode_time) - i128::from(self.skipped);
        let mut frames = (0, 0_u64);
        let mut decoded = i64::MIN;
        for (index, sample) in chunk.samples.iter().enumerate() {
            let start = START as i64;
            let pts = start.saturating_add(ticks(time + i128::from(sample.composition_offset)));
            let dts = start.saturating_add(ticks(time)).saturating_sub(reordering);
            // Whatever offsets say, samples stay in the order in which they are decoded.
            let dts = dts.min(pts).max(decoded);
            decoded = dts;
            time += i128::from(sample.duration);
            let (bytes, lasting) = &mut frames;
            *bytes += sample.size as usize + units::ADTS_HEADER_BYTES;
            *lasting += u64::from(sample.duration) * CLOCK_HZ / scale;
            match out.last_mut() {
                Some(open)
                    if !is_picture && index > 0 && *bytes <= SOUND_BYTES && *lasting <= SOUND_TICKS =>
                {
                    open.samples.end = index + 1;
                }
                _ => {
                    frames = (
                        sample.size as usize + units::ADTS_HEADER_BYTES,
                        u64::from(sample.duration) * CLOCK_HZ / scale,
                    );
                    out.push(Access {
                        track,
                        samples: index..index + 1,
                        pts: pts.max(0) as u64,
                        dts: dts.max(0) as u64,
                    });
                }
            }
        }
    }
}

fn sample_offsets(chunk: &Chunk) -> Result<Vec<Range<usize>>, String> {
    let mut end = 0;
    let ranges = chunk.samples.iter().map(|sample| {
        let start = end;
        end += sample.size as usize;
        start..end
    });
    let ranges: Vec<_> = ranges.collect();
    if end > chunk.data.len() {
        return Err(format!("chunk {} has less data than samples", chunk.sequence));
    }
    Ok(ranges)
}

const FIRST_PID: u16 = 0x100;
/// Packets arrive this much before they are decoded.
const CLOCK_LEAD: u64 = 63_000;
/// Frames of sound that share a PES packet: as many as take a tenth of a second, so that the clock comes as often as it must
/// (§2.7.2), and no more than a picture's share of a buffer.
const SOUND_TICKS: u64 = CLOCK_HZ / 10;
const SOUND_BYTES: usize = 2930;

#[cfg(test)]
mod tests;
