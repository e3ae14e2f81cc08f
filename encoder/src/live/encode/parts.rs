//! A track's samples on their way into parts.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::delivery::Outlet;
use crate::cmaf::{Chunk, Protected, Sample, append_prft, write_chunk};
use crate::error::EncodeError;
use crate::live::{Part, TrackKeys};
use crate::protect::{ProtectedTrack, Protector, TrackClass};

/// Collects samples in decode order and writes them as CMAF chunks, with the time of their capture before each.
pub(crate) struct PartWriter<'a> {
    name: &'a str,
    /// Ticks per second.
    timescale: u32,
    /// When media time 0 was captured.
    wall: SystemTime,
    open: Chunk,
    /// Whole segments of the take so far.
    segments: u32,
    /// The open part is the first of its segment.
    begins_segment: bool,
    protection: Option<(&'a TakeProtection<'a>, ProtectedTrack<'a>)>,
}

/// How a take is encrypted.
#[derive(Debug)]
pub(crate) struct TakeProtection<'a> {
    pub(crate) protector: &'a Protector,
    /// When it begins, in seconds since the stream did: crypto periods go on over takes.
    pub(crate) start_s: f64,
    /// Seconds of a segment.
    pub(crate) segment_s: f64,
}

impl TakeProtection<'_> {
    /// Number, start and length in seconds of segment `index` of the take, counted from 0.
    fn segment(&self, index: u32) -> (u32, f64, f64) {
        let before = (self.start_s / self.segment_s).ceil() as u32;
        let start_s = self.start_s + f64::from(index) * self.segment_s;
        (
            before.saturating_add(index).saturating_add(1),
            start_s,
            self.segment_s,
        )
    }
}

impl<'a> PartWriter<'a> {
    pub(crate) fn new(name: &'a str, timescale: u32, wall: SystemTime) -> Self {
        Self {
            name,
            timescale,
            wall,
            open: Chunk {
                sequence: 1,
                ..Chunk::default()
            },
            segments: 0,
            begins_segment: true,
            protection: None,
        }
    }

    /// Encrypts everything; `entry` is the clear sample entry, `ordinal` the track's place. Gives what the init segment says.
    pub(crate) fn protect(
        &mut self,
        take: &'a TakeProtection<'a>,
        class: TrackClass,
        entry: &[u8],
        ordinal: usize,
    ) -> Result<Protected, EncodeError> {
        let track = take.protector.track(self.name, class, entry, ordinal as u32)?;
        let protected = track.init_before()?;
        self.protection = Some((take, track));
        Ok(protected)
    }

    /// Where the next sample's bytes go.
    pub(crate) fn data(&mut self) -> &mut Vec<u8> {
        &mut self.open.data
    }

    /// Adds a sample whose bytes are there.
    pub(crate) fn push(&mut self, sample: Sample) {
        self.open.samples.push(sample);
    }

    /// Ends the part, and with it the segment if it is the `last`.
    pub(crate) fn cut(&mut self, last: bool, outlet: &Outlet) -> Result<(), EncodeError> {
        let Some(first) = self.open.samples.first().copied() else {
            return Ok(());
        };
        let next = Chunk {
            sequence: self.open.sequence.wrapping_add(1),
            decode_time: self.open.end(),
            ..Chunk::default()
        };
        let mut chunk = std::mem::replace(&mut self.open, next);
        let fragment = match &mut self.protection {
            None => None,
            Some((take, track)) => {
                let segment = take.segment(self.segments);
                let chunks = std::slice::from_mut(&mut chunk);
                let fragments = track.encrypt_part(segment, self.begins_segment, chunks)?;
                let changes = track.take_changes();
                let is_first = self.segments == 0 && self.begins_segment;
                if is_first || !changes.is_empty() {
                    // Before anything that needs them is published.
                    take.protector.write_keys()?;
                    let keys = changes.into_iter().next_back();
                    outlet.keys(TrackKeys {
                        hls: keys.map(|change| change.keys).unwrap_or_default(),
                        dash: track.content_protections().to_vec(),
                    })?;
                }
                fragments.into_iter().next()
            }
        };
        self.begins_segment = last;
        self.segments += u32::from(last);
        let failed = |reason| EncodeError::packaging(self.name, reason);
        let shown = chunk
            .decode_time
            .saturating_add_signed(i64::from(first.composition_offset));
        let captured = self.wall + Duration::from_secs_f64(shown as f64 / f64::from(self.timescale));
        let mut bytes = Vec::with_capacity(chunk.data.len() + chunk.samples.len() * 16 + 256);
        append_prft(captured, shown, &mut bytes).map_err(failed)?;
        write_chunk(&chunk, fragment.as_ref(), &mut bytes).map_err(failed)?;
        outlet.part(Part {
            decode_time: chunk.decode_time,
            duration: u32::try_from(chunk.ticks()).unwrap_or(u32::MAX),
            independent: first.is_sync,
            last,
            bytes: Bytes::from(bytes),
        })
    }
}
