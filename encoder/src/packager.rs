//! The second stage: reads pieces a segment at a time and writes what players load.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::cmaf::{Chunk, RateMeter, SampleEntry, Track, init_segment, media_segment, set_bitrate, sidx};
use crate::error::EncodeError;
use crate::index::{Container, KeyFrame, Kind, Rendition, Segment};
use crate::piece::PieceReader;
use crate::protect::{ProtectOptions, ProtectedTrack, Protector, TrackClass};
use crate::storage::Output;
use crate::text::Sidecar;
use crate::ts_packager::TsSink;

/// What becomes of the pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packaging {
    /// One file a rendition, with an index of its segments, in place of a file a segment.
    pub single_file: bool,
    /// Length of the parts that a segment is written in (`moof` and `mdat` each), in seconds; one part where there is none.
    pub part_s: Option<f64>,
    /// MPEG-TS for HLS beside CMAF for DASH, of the codecs that it carries. Encrypted renditions are `SAMPLE-AES` with `cbcs`
    /// and `AES-128` with `cenc`.
    pub hls_ts: bool,
    /// Files of subtitles beside those of the source.
    pub subtitles: Vec<Sidecar>,
    /// Length of a segment of subtitles in seconds, where it is to be longer than the video's; those are joined up to it.
    pub text_segment_s: Option<u32>,
    /// `SegmentTemplate@duration` in the MPD in place of a `SegmentTimeline`, where all segments have the same length.
    pub constant_duration: bool,
    /// Encryption of every rendition, if any.
    pub protection: Option<ProtectOptions>,
}

impl Packaging {
    pub(crate) fn check(&self) -> Result<(), EncodeError> {
        if self.hls_ts && self.single_file {
            return Err(EncodeError::BadOption {
                option: "--hls-ts",
                value: "with --single-file".to_owned(),
                reason: "MPEG-TS is written in a file a segment; leave one of both out".to_owned(),
            });
        }
        if let Some(protection) = &self.protection {
            protection.licensing.check()?;
        }
        match self.part_s {
            Some(part_s) if !(0.05..=30.0).contains(&part_s) => Err(EncodeError::BadOption {
                option: "--part-s",
                value: part_s.to_string(),
                reason: "use 0.05 to 30".to_owned(),
            }),
            _ => Ok(()),
        }
    }
}

/// One rendition to package.
#[derive(Clone, Debug)]
pub(crate) struct Stream {
    /// Its folder's or file's name.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// In order of time.
    pub(crate) pieces: Vec<PathBuf>,
}

/// Packages `streams`, several at a time; `scratch` is a folder for what cannot be written at once.
pub(crate) fn package(
    streams: &[Stream],
    packaging: &Packaging,
    output: &dyn Output,
    scratch: &Path,
    is_cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Packaged, EncodeError> {
    let workers = thread::available_parallelism()
        .map_or(1, NonZero::get)
        .min(streams.len());
    let protector = packaging.protection.as_ref().map(|options| {
        let classes = streams.iter().map(|stream| track_class(&stream.kind));
        Protector::new(options, classes)
    });
    let next = AtomicUsize::new(0);
    let done = Mutex::new((0..streams.len()).map(|_| None).collect::<Vec<_>>());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((index, stream)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    streams.get(index).map(|stream| (index, stream))
                } {
                    let job = Job {
                        stream,
                        ordinal: index as u32,
                        packaging,
                        protector: protector.as_ref(),
                        output,
                        scratch,
                        is_cancelled,
                    };
                    let result = job.run();
                    if result.is_err() {
                        next.store(usize::MAX / 2, Ordering::Relaxed);
                    }
                    if let Some(slot) = done.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
                        *slot = Some(result);
                    }
                }
            });
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    // An error first: what came after it was not begun.
    let (failed, whole): (Vec<_>, Vec<_>) = done.into_iter().flatten().partition(Result::is_err);
    let renditions = failed.into_iter().chain(whole).collect::<Result<Vec<_>, _>>()?;
    let (renditions, in_ts): (Vec<_>, Vec<_>) = renditions.into_iter().unzip();
    // Before anything that needs them is published.
    if let Some(protector) = &protector {
        protector.write_keys()?;
    }
    // What MPEG-TS does not carry is CMAF in HLS too.
    let for_hls = packaging.hls_ts.then(|| {
        let chosen = in_ts.into_iter().zip(&renditions);
        chosen
            .map(|(in_ts, cmaf)| in_ts.unwrap_or_else(|| cmaf.clone()))
            .collect()
    });
    Ok(Packaged { renditions, for_hls })
}

/// What [`package`] made.
pub(crate) struct Packaged {
    pub(crate) renditions: Vec<Rendition>,
    /// The same for HLS, where that plays MPEG-TS.
    pub(crate) for_hls: Option<Vec<Rendition>>,
}

fn track_class(kind: &Kind) -> TrackClass {
    match kind {
        Kind::Audio(_) => TrackClass::Audio,
        Kind::Video { width, height, .. } => TrackClass::of_pictures(*width, *height),
    }
}

struct Job<'a> {
    stream: &'a Stream,
    /// Its place among the streams.
    ordinal: u32,
    packaging: &'a Packaging,
    protector: Option<&'a Protector>,
    output: &'a dyn Output,
    scratch: &'a Path,
    is_cancelled: &'a (dyn Fn() -> bool + Sync),
}

impl Job<'_> {
    /// The rendition in CMAF, and in MPEG-TS where that is asked for and can be.
    fn run(&self) -> Result<(Rendition, Option<Rendition>), EncodeError> {
        let name = self.stream.name.as_str();
        let mut segments = Chunks::open(self.stream)?;
        let mut track = segments.track.clone();
        let mut sink = Sink::create(self, &track)?;
        let class = track_class(&self.stream.kind);
        let protector = self.protector.map(|protector| (protector, class));
        let mut ts = match self.packaging.hls_ts {
            true => TsSink::create(name, &track, self.output, protector)?,
            false => None,
        };
        while let Some(chunk) = segments.next()? {
            if (self.is_cancelled)() {
                return Err(EncodeError::Cancelled);
            }
            if let Some(ts) = &mut ts {
                ts.write(&chunk)?;
            }
            sink.write(chunk)?;
        }
        track.duration = sink.segments.last().map_or(0, Segment::end);
        let mut protected = sink.protection.as_ref().map(ProtectedTrack::init).transpose()?;
        // What was aimed at is not what it came to.
        if let Some(bitrate) = sink.rates.bitrate() {
            track.entry.set_bitrate(bitrate);
            let entries = protected.iter_mut().flat_map(|protected| &mut protected.entries);
            entries.for_each(|entry| set_bitrate(entry, bitrate));
        }
        let init = init_segment(&track, protected.as_ref())
            .map_err(|reason| EncodeError::packaging(name, reason))?;
        let protection = sink.protection.take().map(ProtectedTrack::finish);
        let (container, segments) = sink.finish(&init)?;
        let is_video = matches!(self.stream.kind, Kind::Video { .. });
        let colour = is_video.then(|| track.entry.colour());
        let SampleEntry { codecs, .. } = track.entry;
        let in_ts = ts.map(|ts| ts.finish(&self.stream.kind));
        let rendition = Rendition {
            name: name.to_owned(),
            kind: self.stream.kind.clone(),
            codecs,
            timescale: track.timescale,
            container,
            colour,
            segments,
            protection,
        };
        Ok((rendition, in_ts))
    }
}

/// The segments of a stream: its pieces one after the other, a tail too short for a request joined to what is before it.
struct Chunks<'a> {
    stream: &'a Stream,
    track: Track,
    reader: PieceReader,
    /// The next piece to open.
    next_piece: usize,
    held: Option<Chunk>,
}

impl<'a> Chunks<'a> {
    fn open(stream: &'a Stream) -> Result<Self, EncodeError> {
        let first = stream.pieces.first();
        let first = first.ok_or_else(|| EncodeError::packaging(&stream.name, "nothing was encoded"))?;
        let reader = PieceReader::open(first)?;
        Ok(Self {
            stream,
            track: reader.track().clone(),
            reader,
            next_piece: 1,
            held: None,
        })
    }

    fn next(&mut self) -> Result<Option<Chunk>, EncodeError> {
        loop {
            let Some(chunk) = self.read()? else {
                return Ok(self.held.take());
            };
            let Some(held) = &mut self.held else {
                self.held = Some(chunk);
                continue;
            };
            if chunk.decode_time != held.end() {
                let reason = format!(
                    "a gap between {} and {}; encode the pieces around it again",
                    held.end(),
                    chunk.decode_time
                );
                return Err(EncodeError::packaging(&self.stream.name, reason));
            }
            let is_short = chunk.ticks() < u64::from(self.track.timescale / SHORTEST_TAIL_PER_S);
            if is_short && self.next_piece >= self.stream.pieces.len() {
                held.samples.extend_from_slice(&chunk.samples);
                held.data.extend_from_slice(&chunk.data);
                continue;
            }
            return Ok(self.held.replace(chunk));
        }
    }

    fn read(&mut self) -> Result<Option<Chunk>, EncodeError> {
        loop {
            if let Some(chunk) = self.reader.next_chunk()? {
                return Ok(Some(chunk));
            }
            let Some(path) = self.stream.pieces.get(self.next_piece) else {
                return Ok(None);
            };
            self.next_piece += 1;
            self.reader = PieceReader::open(path)?;
            if self.reader.track() != &self.track {
                let reason =
                    "its pieces were encoded with different settings; encode them again with the same";
                return Err(EncodeError::packaging(&self.stream.name, reason));
            }
        }
    }
}

/// Where a rendition's segments go.
struct Sink<'a> {
    job: &'a Job<'a>,
    timescale: u32,
    /// Ticks decoded but not presented at the start.
    skipped: u64,
    part_ticks: Option<u64>,
    protection: Option<ProtectedTrack<'a>>,
    rates: RateMeter,
    segments: Vec<Segment>,
    /// A single file's segments wait here for the index, which comes before them.
    body: Option<(PathBuf, BufWriter<File>)>,
    offset: u64,
    sequence: u32,
}

impl<'a> Sink<'a> {
    fn create(job: &'a Job<'a>, track: &Track) -> Result<Self, EncodeError> {
        let body = match job.packaging.single_file {
            true => {
                let path = job.scratch.join(format!("{}.body", job.stream.name));
                let file = File::create(&path).map_err(|error| EncodeError::unwritable(&path, error))?;
                Some((path, BufWriter::with_capacity(256 * 1024, file)))
            }
            false => None,
        };
        let ticks = |seconds: f64| (seconds * f64::from(track.timescale)).round() as u64;
        let protect = |protector: &'a Protector| {
            let class = track_class(&job.stream.kind);
            protector.track(&job.stream.name, class, &track.entry.bytes, job.ordinal)
        };
        Ok(Self {
            protection: job.protector.map(protect).transpose()?,
            job,
            timescale: track.timescale,
            skipped: track.skipped,
            part_ticks: job.packaging.part_s.map(ticks),
            rates: RateMeter::new(track.timescale),
            segments: Vec::new(),
            body,
            offset: 0,
            sequence: 0,
        })
    }

    fn write(&mut self, chunk: Chunk) -> Result<(), EncodeError> {
        let name = self.job.stream.name.as_str();
        let number = self.segments.last().map_or(1, |segment| segment.number + 1);
        let start = chunk.decode_time.saturating_sub(self.skipped);
        let end = chunk.end().saturating_sub(self.skipped);
        let is_video = matches!(self.job.stream.kind, Kind::Video { .. });
        chunk.samples.iter().for_each(|sample| self.rates.add(sample));
        let mut parts = split(chunk, self.part_ticks, is_video);
        for part in &mut parts {
            self.sequence += 1;
            part.sequence = self.sequence;
        }
        let seconds = |ticks: u64| ticks as f64 / f64::from(self.timescale);
        let encryption = match &mut self.protection {
            Some(protection) => {
                protection.encrypt(number, seconds(start), seconds(end - start), &mut parts)?
            }
            None => Vec::new(),
        };
        let segment = media_segment(&parts, &encryption, self.body.is_none());
        let segment = segment.map_err(|reason| EncodeError::packaging(name, reason))?;
        let bytes = segment.bytes.len() as u64;
        match &mut self.body {
            None => self
                .job
                .output
                .write(&format!("{name}/{number}.m4s"), &segment.bytes)?,
            Some((path, body)) => body
                .write_all(&segment.bytes)
                .map_err(|error| EncodeError::unwritable(path, error))?,
        }
        let key_frame = |(start, range): (u64, std::ops::Range<u64>)| KeyFrame {
            start,
            offset: range.start,
            bytes: range.end - range.start,
        };
        let key_frames = match is_video {
            true => segment.key_frames.into_iter().map(key_frame).collect(),
            false => Vec::new(),
        };
        self.segments.push(Segment {
            number,
            start,
            duration: end - start,
            bytes,
            offset: self.offset,
            quality: None,
            key_frames,
        });
        if self.body.is_some() {
            self.offset += bytes;
        }
        Ok(())
    }

    fn finish(mut self, init: &[u8]) -> Result<(Container, Vec<Segment>), EncodeError> {
        let name = self.job.stream.name.as_str();
        let Some((path, mut body)) = self.body.take() else {
            self.job.output.write(&format!("{name}/init.mp4"), init)?;
            return Ok((Container::Files, self.segments));
        };
        body.flush()
            .map_err(|error| EncodeError::unwritable(&path, error))?;
        let index = sidx(self.timescale, &self.segments);
        let index = index.map_err(|reason| EncodeError::packaging(name, reason))?;
        let head = [init, &index].concat();
        self.job
            .output
            .write_joined(&format!("{name}.mp4"), &head, &path)?;
        // The scratch folder goes as a whole later; this only frees the space earlier.
        let _ = std::fs::remove_file(&path);
        for segment in &mut self.segments {
            segment.offset += head.len() as u64;
        }
        let container = Container::SingleFile {
            init_bytes: init.len() as u64,
            index_bytes: index.len() as u64,
        };
        Ok((container, self.segments))
    }
}

/// Splits a segment into parts: at each key frame, so that it can be loaded by itself, and at the part length.
fn split(chunk: Chunk, part_ticks: Option<u64>, at_key_frames: bool) -> Vec<Chunk> {
    let has_inner_key_frame = at_key_frames && chunk.samples.iter().skip(1).any(|sample| sample.is_sync);
    if part_ticks.is_none() && !has_inner_key_frame {
        return vec![chunk];
    }
    let mut parts: Vec<Chunk> = Vec::new();
    let (mut decode_time, mut offset) = (chunk.decode_time, 0);
    let mut ticks = 0;
    for sample in &chunk.samples {
        let is_full = part_ticks.is_some_and(|part_ticks| ticks + u64::from(sample.duration) > part_ticks);
        if parts.is_empty() || is_full || (at_key_frames && sample.is_sync) {
            parts.push(Chunk {
                decode_time,
                ..Chunk::default()
            });
            ticks = 0;
        }
        let end = offset + sample.size as usize;
        if let Some(part) = parts.last_mut() {
            part.samples.push(*sample);
            part.data
                .extend_from_slice(chunk.data.get(offset..end).unwrap_or_default());
        }
        offset = end;
        decode_time += u64::from(sample.duration);
        ticks += u64::from(sample.duration);
    }
    parts
}

/// A tail shorter than this part of a second is no segment of its own.
const SHORTEST_TAIL_PER_S: u32 = 4;
