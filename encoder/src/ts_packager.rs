//! MPEG-TS segments beside the CMAF segments of the same rendition.

use crate::cmaf::{Chunk, Track};
use crate::error::EncodeError;
use crate::index::{Container, KeyFrame, Kind, Rendition, Segment};
use crate::protect::{ProtectedTs, Protector, Scheme, TrackClass, TsKey, TsMethod, encrypt_segment};
use crate::storage::Output;
use crate::ts::{Muxer, TrackDescription};

/// Writes `<name>/<number>.ts`.
pub(crate) struct TsSink<'a> {
    name: &'a str,
    output: &'a dyn Output,
    muxer: Muxer,
    protection: Option<ProtectedTs<'a>>,
    track: Track,
    segments: Vec<Segment>,
}

impl<'a> TsSink<'a> {
    /// None for codecs that MPEG-TS does not carry, which stay in CMAF.
    pub(crate) fn create(
        name: &'a str,
        track: &Track,
        output: &'a dyn Output,
        protector: Option<(&'a Protector, TrackClass)>,
    ) -> Result<Option<Self>, EncodeError> {
        if ![b"avc1", b"hvc1", b"mp4a", b"ac-3", b"ec-3"].contains(&&track.entry.kind()) {
            return Ok(None);
        }
        let description = TrackDescription {
            entry: &track.entry.bytes,
            timescale: track.timescale,
            skipped: track.skipped,
        };
        let muxer = Muxer::new(&[description]).map_err(|reason| EncodeError::packaging(name, reason))?;
        let protection = protector.map(|(protector, class)| {
            let method = match protector.scheme() {
                Scheme::Cbcs => TsMethod::SampleAes,
                Scheme::Cenc => TsMethod::Aes128,
            };
            protector.transport_stream(class, method)
        });
        Ok(Some(Self {
            name,
            output,
            muxer,
            protection,
            track: track.clone(),
            segments: Vec::new(),
        }))
    }

    /// Writes the segment that the chunk is.
    pub(crate) fn write(&mut self, chunk: &Chunk) -> Result<(), EncodeError> {
        let wrong = |reason: String| EncodeError::packaging(self.name, reason);
        let audible = without_priming(chunk, self.track.skipped);
        let chunk = audible.as_ref().unwrap_or(chunk);
        let number = self.segments.last().map_or(1, |segment| segment.number + 1);
        let start = chunk.decode_time.saturating_sub(self.track.skipped);
        let duration = chunk.end().saturating_sub(self.track.skipped) - start;
        let seconds = |ticks: u64| ticks as f64 / f64::from(self.track.timescale);
        let key = match &mut self.protection {
            Some(protection) => protection.segment(number, seconds(start), seconds(duration))?,
            None => TsKey::Clear,
        };
        let samples = match &key {
            TsKey::Samples(aes) => Some(aes),
            TsKey::Clear | TsKey::Whole(..) => None,
        };
        let segment = self.muxer.segment(&[chunk], samples).map_err(wrong)?;
        let (bytes, i_frames) = match &key {
            // Its parts cannot be decrypted by themselves.
            TsKey::Whole(key, iv) => (encrypt_segment(segment.bytes, key, iv), Vec::new()),
            TsKey::Clear | TsKey::Samples(_) => (segment.bytes, segment.i_frames),
        };
        let shown = |index: usize| {
            let before: u64 = chunk
                .samples
                .iter()
                .take(index)
                .map(|sample| u64::from(sample.duration))
                .sum();
            let offset = chunk
                .samples
                .get(index)
                .map_or(0, |sample| sample.composition_offset);
            (chunk.decode_time + before).saturating_add_signed(i64::from(offset))
        };
        let key_frames = i_frames.into_iter().map(|frame| KeyFrame {
            start: shown(frame.sample),
            offset: frame.range.start as u64,
            bytes: frame.range.len() as u64,
        });
        self.output.write(&format!("{}/{number}.ts", self.name), &bytes)?;
        self.segments.push(Segment {
            number,
            start,
            duration,
            bytes: bytes.len() as u64,
            offset: 0,
            key_frames: key_frames.collect(),
            quality: None,
        });
        Ok(())
    }

    /// The rendition as HLS plays it.
    pub(crate) fn finish(self, kind: &Kind) -> Rendition {
        let is_video = matches!(kind, Kind::Video { .. });
        Rendition {
            name: self.name.to_owned(),
            kind: kind.clone(),
            colour: is_video.then(|| self.track.entry.colour()),
            codecs: self.track.entry.codecs,
            timescale: self.track.timescale,
            container: Container::TransportStream,
            segments: self.segments,
            protection: self.protection.map(ProtectedTs::finish),
        }
    }
}

/// The chunk without what an encoder put before the sound: a transport stream has no edit list that would say to leave it out,
/// and players take it for sound that comes too early. None where there is nothing to leave out.
fn without_priming(chunk: &Chunk, skipped: u64) -> Option<Chunk> {
    let mut audible = Chunk {
        sequence: chunk.sequence,
        decode_time: chunk.decode_time,
        ..Chunk::default()
    };
    let mut dropped = 0;
    for (index, sample) in chunk.samples.iter().enumerate() {
        if audible.decode_time + u64::from(sample.duration) > skipped {
            audible.samples = chunk.samples.get(index..)?.to_vec();
            audible.data = chunk.data.get(dropped..)?.to_vec();
            break;
        }
        audible.decode_time += u64::from(sample.duration);
        dropped += sample.size as usize;
    }
    (dropped > 0).then_some(audible)
}
