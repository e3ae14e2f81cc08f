//! A track's samples on their way into parts.

use std::time::{Duration, SystemTime};

use bytes::Bytes;

use crate::cmaf::{Chunk, Sample, append_prft, write_chunk};
use crate::error::EncodeError;
use crate::live::Part;

/// Collects samples in decode order and writes them as CMAF chunks, with the time of their capture before each.
pub(crate) struct PartWriter<'a> {
    name: &'a str,
    /// Ticks per second.
    timescale: u32,
    /// When media time 0 was captured.
    wall: SystemTime,
    open: Chunk,
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
        }
    }

    /// Where the next sample's bytes go.
    pub(crate) fn data(&mut self) -> &mut Vec<u8> {
        &mut self.open.data
    }

    /// Adds a sample whose bytes are there.
    pub(crate) fn push(&mut self, sample: Sample) {
        self.open.samples.push(sample);
    }

    /// Ends the part; none where it is empty.
    pub(crate) fn cut(&mut self, last: bool) -> Result<Option<Part>, EncodeError> {
        let Some(first) = self.open.samples.first().copied() else {
            return Ok(None);
        };
        let next = Chunk {
            sequence: self.open.sequence.wrapping_add(1),
            decode_time: self.open.end(),
            ..Chunk::default()
        };
        let chunk = std::mem::replace(&mut self.open, next);
        let failed = |reason| EncodeError::packaging(self.name, reason);
        let shown = chunk
            .decode_time
            .saturating_add_signed(i64::from(first.composition_offset));
        let captured = self.wall + Duration::from_secs_f64(shown as f64 / f64::from(self.timescale));
        let mut bytes = Vec::with_capacity(chunk.data.len() + chunk.samples.len() * 16 + 256);
        append_prft(captured, shown, &mut bytes).map_err(failed)?;
        write_chunk(&chunk, None, &mut bytes).map_err(failed)?;
        Ok(Some(Part {
            decode_time: chunk.decode_time,
            duration: u32::try_from(chunk.ticks()).unwrap_or(u32::MAX),
            independent: first.is_sync,
            last,
            bytes: Bytes::from(bytes),
        }))
    }
}
