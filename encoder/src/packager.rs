//! Collects one rendition's samples into segments and writes them down.

use crate::cmaf::{Chunk, Sample, Track, init_segment, media_segment};
use crate::error::EncodeError;
use crate::index::Segment;
use crate::storage::OutputDir;

/// Packages one rendition: samples in decode order in, numbered segments out.
///
/// The newest whole segment is held back until the next one is whole too, so that a tail too short to be worth a
/// request can still join it. No more than two segments are in memory.
pub(crate) struct Packager<'a> {
    output: &'a OutputDir,
    name: &'a str,
    /// Ticks per second.
    timescale: u32,
    /// Ticks decoded but not presented at the start.
    skipped: u64,
    open: Chunk,
    held: Option<Chunk>,
    decode_time: u64,
    cuts: u64,
    segments: Vec<Segment>,
}

impl<'a> Packager<'a> {
    pub(crate) fn create(output: &'a OutputDir, name: &'a str, timescale: u32) -> Result<Self, EncodeError> {
        output.folder(name)?;
        Ok(Self {
            output,
            name,
            timescale,
            skipped: 0,
            open: Chunk::default(),
            held: None,
            decode_time: 0,
            cuts: 0,
            segments: Vec::new(),
        })
    }

    /// Says how many ticks at the start are decoded but not presented.
    pub(crate) fn skip(&mut self, ticks: u64) {
        self.skipped = ticks;
    }

    /// How many segments were ended.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts
    }

    /// Where the next sample's bytes are appended, before [`push`](Self::push).
    pub(crate) fn data(&mut self) -> &mut Vec<u8> {
        &mut self.open.data
    }

    /// Adds the sample whose bytes were appended.
    pub(crate) fn push(&mut self, sample: Sample) {
        self.open.samples.push(sample);
        self.decode_time += u64::from(sample.duration);
    }

    /// Ends the open segment; the next sample starts another.
    pub(crate) fn cut(&mut self) -> Result<(), EncodeError> {
        if self.open.samples.is_empty() {
            return Ok(());
        }
        self.cuts += 1;
        let next = Chunk {
            decode_time: self.decode_time,
            ..Chunk::default()
        };
        let whole = std::mem::replace(&mut self.open, next);
        match self.held.replace(whole) {
            Some(chunk) => self.write(chunk),
            None => Ok(()),
        }
    }

    /// Writes what is left and, with `track` made from what was written, the init segment.
    pub(crate) fn finish(
        mut self,
        track: impl FnOnce(&[Segment]) -> Result<Track, String>,
    ) -> Result<Vec<Segment>, EncodeError> {
        let tail_ticks = self.decode_time - self.open.decode_time;
        if let Some(held) = &mut self.held
            && tail_ticks < u64::from(self.timescale / SHORTEST_TAIL_PER_S)
        {
            held.samples.append(&mut self.open.samples);
            held.data.append(&mut self.open.data);
        }
        self.cut()?;
        if let Some(chunk) = self.held.take() {
            self.write(chunk)?;
        }
        let init = track(&self.segments).and_then(|track| init_segment(&track));
        let init = init.map_err(|reason| EncodeError::packaging(self.name, reason))?;
        self.output.write(&format!("{}/init.mp4", self.name), &init)?;
        Ok(self.segments)
    }

    fn write(&mut self, mut chunk: Chunk) -> Result<(), EncodeError> {
        let number = self.segments.last().map_or(1, |segment| segment.number + 1);
        chunk.sequence = number;
        let ticks: u64 = chunk
            .samples
            .iter()
            .map(|sample| u64::from(sample.duration))
            .sum();
        let start = chunk.decode_time.saturating_sub(self.skipped);
        let end = (chunk.decode_time + ticks).saturating_sub(self.skipped);
        let bytes = media_segment(&[chunk]).map_err(|reason| EncodeError::packaging(self.name, reason))?;
        self.output
            .write(&format!("{}/{number}.m4s", self.name), &bytes)?;
        self.segments.push(Segment {
            number,
            start,
            duration: end - start,
            bytes: bytes.len() as u64,
        });
        Ok(())
    }
}

/// A tail shorter than this part of a second is no segment of its own.
const SHORTEST_TAIL_PER_S: u32 = 4;
