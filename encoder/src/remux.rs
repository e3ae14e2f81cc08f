//! Packages files that are encoded already: their packets become pieces, and the second stage does the rest.
//!
//! ```no_run
//! use encoder::remux::{PackageOptions, package};
//!
//! let options = PackageOptions::new(["1080p.mp4", "720p.mp4", "sound.m4a"], "public/videos/film");
//! let summary = package(&options, &mut |_| {})?;
//! # Ok::<(), encoder::EncodeError>(())
//! ```

use std::path::{Path, PathBuf};
use std::time::Instant;

use ffmpeg_next::codec::Parameters;
use ffmpeg_next::format::stream::{Disposition, Stream as InputStream};
use ffmpeg_next::mathematics::{Rescale, rescale};
use ffmpeg_next::{Packet, Rational, media};

use crate::account::Account;
use crate::cmaf::bitstream::StreamParameters;
use crate::cmaf::{Bitstream, Media, Picture, Sample, SampleEntry, Track};
use crate::decode::next_packet;
use crate::error::EncodeError;
use crate::extras::Extras;
use crate::index::{Kind, Sound};
use crate::packager::{Packaging, Stream};
use crate::piece::PieceWriter;
use crate::source;
use crate::storage::{self, CacheRule, Location, Scratch};
use crate::text::{self, SourceText};
use crate::timing::FrameRate;
use crate::vod::{CancelToken, Progress, Summary, VodOptions, Watch, publish};

/// Which files to package, and into what.
#[derive(Clone, Debug)]
pub struct PackageOptions {
    /// Files of the same film. Each video and sound stream in them becomes a rendition; texts become subtitles.
    pub inputs: Vec<PathBuf>,
    /// The folder to make. With an [`id`](Self::id) the video lies in `videos/<id>` of it.
    pub out: Location,
    /// Puts the video under `videos/<id>/`, as in a CDN.
    pub id: Option<String>,
    /// Segments begin at the first key frames that all videos have at least so many seconds apart.
    pub segment_s: f64,
    /// What files are made.
    pub packaging: Packaging,
    /// Replaces an earlier output.
    pub force: bool,
    /// As [`VodOptions::cache_control`].
    pub cache_control: Vec<CacheRule>,
    /// Stops it from another thread.
    pub cancel: CancelToken,
}

impl PackageOptions {
    /// Segments of 2 s or more, in files of their own.
    pub fn new(inputs: impl IntoIterator<Item = impl Into<PathBuf>>, out: impl Into<Location>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            out: out.into(),
            id: None,
            segment_s: 2.0,
            packaging: Packaging::default(),
            force: false,
            cache_control: Vec::new(),
            cancel: CancelToken::default(),
        }
    }
}

/// Packages encoded files without encoding them again.
///
/// # Errors
/// As [`crate::vod::encode`], and [`EncodeError::NotAligned`] for videos whose key frames do not let players switch between
/// them.
pub fn package(options: &PackageOptions, progress: &mut dyn FnMut(Progress)) -> Result<Summary, EncodeError> {
    let watch = Watch::start();
    let mut target = VodOptions::new(
        options.inputs.first().cloned().unwrap_or_default(),
        options.out.clone(),
    );
    target.id = options.id.clone();
    target.segment_s = options.segment_s;
    target.packaging = options.packaging.clone();
    target.force = options.force;
    target.cache_control = options.cache_control.clone();
    target.cancel = options.cancel.clone();
    target.check()?;
    crate::init_ffmpeg();
    let mut files = Vec::new();
    for path in &options.inputs {
        files.push(InputFile::open(path)?);
    }
    let mut report = Report {
        cancel: &options.cancel,
        progress,
        reported: Instant::now(),
        bytes: 0,
        total: files.iter().map(|file| file.bytes).sum::<u64>() * 2,
    };
    for file in &mut files {
        file.look(&mut report)?;
    }
    let names = name_all(&mut files);
    tracing::info!("renditions: {}", names.join(", "));
    let timeline = Timeline::of(&files, options.segment_s)?;
    let scratch = Scratch::open(&storage::scratch_for(&target.location(), "work")?)?;
    let mut streams = Vec::new();
    let mut extras = Extras::default();
    let mut account = Account::default();
    for file in files {
        let (its_streams, mut texts) = file.remux(&timeline, scratch.path(), &mut report)?;
        streams.extend(its_streams);
        account.left_out.append(&mut texts.warnings);
        extras.texts.extend(texts.finish());
    }
    // Pictures from the highest, then sound, the default track first.
    streams.sort_by_key(|stream| match &stream.kind {
        Kind::Video { width, height, .. } => (0, std::cmp::Reverse(width * height)),
        Kind::Audio(sound) => (1, std::cmp::Reverse(u32::from(sound.is_default))),
    });
    let renditions = publish(&streams, &extras, &target, progress)?;
    Ok(watch.summary(&target.location(), &renditions, account))
}

/// Tells how far it is, in bytes of the inputs: each is read twice.
struct Report<'a> {
    cancel: &'a CancelToken,
    progress: &'a mut dyn FnMut(Progress),
    reported: Instant,
    bytes: u64,
    total: u64,
}

impl Report<'_> {
    fn tick(&mut self, packet: &Packet) -> Result<(), EncodeError> {
        if self.cancel.is_cancelled() {
            return Err(EncodeError::Cancelled);
        }
        self.bytes += packet.size() as u64;
        if self.reported.elapsed().as_millis() >= 200 {
            self.reported = Instant::now();
            (self.progress)(Progress::Packaging {
                bytes: self.bytes.min(self.total),
                total_bytes: self.total,
            });
        }
        Ok(())
    }
}

struct InputFile {
    path: PathBuf,
    bytes: u64,
    streams: Vec<Candidate>,
}

/// A stream that becomes a rendition.
struct Candidate {
    index: usize,
    time_base: Rational,
    parameters: Parameters,
    name: String,
    kind: Kind,
    /// ISO 639-2.
    language: String,
    /// In µs: what is shown first, and every key frame.
    first_us: Option<i64>,
    key_frames_us: Vec<i64>,
    packets: u64,
    last_us: i64,
    is_default: bool,
}

/// What all renditions share.
struct Timeline {
    origin_us: i64,
    /// Where segments begin, in µs from the origin, for pictures; every so many µs for sound alone.
    cuts_us: Vec<i64>,
    segment_us: i64,
}

impl InputFile {
    fn open(path: &Path) -> Result<Self, EncodeError> {
        let input = source::open_input(path)?;
        let mut streams = Vec::new();
        for stream in input.streams() {
            if let Some(candidate) = Candidate::of(&stream, path)? {
                streams.push(candidate);
            }
        }
        if streams.is_empty() && SourceText::open(&input, 0).is_empty() {
            return Err(EncodeError::NoStreams {
                path: path.to_owned(),
            });
        }
        Ok(Self {
            path: path.to_owned(),
            bytes: std::fs::metadata(path).map_or(0, |data| data.len()),
            streams,
        })
    }

    /// The first pass: where the key frames are.
    fn look(&mut self, report: &mut Report<'_>) -> Result<(), EncodeError> {
        let (mut input, mut broken) = (source::open_input(&self.path)?, 0);
        while let Some(packet) = next_packet(&mut input, &self.path, &mut broken)? {
            report.tick(&packet)?;
            let Some(stream) = self
                .streams
                .iter_mut()
                .find(|stream| stream.index == packet.stream())
            else {
                continue;
            };
            stream.look(&packet, &self.path)?;
        }
        Ok(())
    }

    /// The second pass: packets into pieces.
    fn remux(
        self,
        timeline: &Timeline,
        folder: &Path,
        report: &mut Report<'_>,
    ) -> Result<(Vec<Stream>, SourceText), EncodeError> {
        let (mut input, mut broken) = (source::open_input(&self.path)?, 0);
        let mut texts = SourceText::open(&input, timeline.origin_us);
        for left_out in &mut texts.warnings {
            left_out.what = format!("{}, {}", self.path.display(), left_out.what);
            tracing::warn!("{left_out}");
        }
        let mut writers = Vec::new();
        for candidate in &self.streams {
            writers.push(StreamWriter::create(candidate, timeline, folder)?);
        }
        while let Some(packet) = next_packet(&mut input, &self.path, &mut broken)? {
            report.tick(&packet)?;
            match writers
                .iter_mut()
                .find(|writer| writer.candidate.index == packet.stream())
            {
                Some(writer) => writer.take(&packet)?,
                None => {
                    texts.take(&packet);
                }
            }
        }
        let streams = writers
            .into_iter()
            .map(StreamWriter::finish)
            .collect::<Result<Vec<_>, _>>()?;
        Ok((streams, texts))
    }
}

impl Candidate {
    /// None for streams that are neither pictures nor sound.
    fn of(stream: &InputStream<'_>, path: &Path) -> Result<Option<Self>, EncodeError> {
        let parameters = stream.parameters();
        let medium = parameters.medium();
        let is_cover = stream.disposition().contains(Disposition::ATTACHED_PIC);
        if !matches!(medium, media::Type::Video | media::Type::Audio) || is_cover {
            return Ok(None);
        }
        let said = StreamParameters::read(&parameters);
        Bitstream::of_file(&parameters)
            .map_err(|reason| EncodeError::packaging(&path.display().to_string(), reason))?;
        let metadata = stream.metadata();
        let tag = |name| metadata.get(name).map(str::trim).filter(|text| !text.is_empty());
        let language = text::language::header_code(tag("language").unwrap_or_default());
        let spoken = text::language::tag(&language).filter(|tag| tag != "und");
        let disposition = stream.disposition();
        let kind = match medium {
            media::Type::Video => Kind::Video {
                width: said.width,
                height: said.height,
                rate: FrameRate::of_source(stream.avg_frame_rate(), stream.rate()),
            },
            _ => Kind::Audio(Sound {
                rate: said.rate,
                channels: said.channels,
                label: tag("title").map(str::to_owned).unwrap_or_else(|| {
                    spoken
                        .as_deref()
                        .map_or_else(|| "Audio".to_owned(), text::language::name)
                }),
                language: spoken,
                is_default: false,
                describes_video: disposition.contains(Disposition::VISUAL_IMPAIRED),
                group: String::new(),
            }),
        };
        Ok(Some(Self {
            index: stream.index(),
            time_base: stream.time_base(),
            parameters,
            name: String::new(),
            kind,
            language,
            first_us: None,
            key_frames_us: Vec::new(),
            packets: 0,
            last_us: i64::MIN,
            is_default: disposition.contains(Disposition::DEFAULT),
        }))
    }

    fn rate(&self) -> Option<FrameRate> {
        match self.kind {
            Kind::Video { rate, .. } => Some(rate),
            Kind::Audio(_) => None,
        }
    }

    fn is_video(&self) -> bool {
        self.rate().is_some()
    }

    /// Whether there are as many pictures as the frame rate has in that time. Then they can be decoded at that rate, whatever
    /// a container says or leaves out of decode times (Matroska has none).
    fn is_regular(&self) -> bool {
        let Some((rate, first_us)) = self.rate().zip(self.first_us) else {
            return false;
        };
        let frames = (self.last_us - first_us) as f64 / 1e6 * rate.fps() + 1.0;
        (frames - self.packets as f64).abs() < 0.5
    }

    fn us(&self, ticks: i64) -> i64 {
        ticks.rescale(self.time_base, rescale::TIME_BASE)
    }

    fn look(&mut self, packet: &Packet, path: &Path) -> Result<(), EncodeError> {
        let Some(pts) = packet.pts() else {
            let reason = "it has packets without presentation times; convert it to MP4 first";
            return Err(EncodeError::packaging(&path.display().to_string(), reason));
        };
        let pts_us = self.us(pts);
        self.first_us = Some(self.first_us.map_or(pts_us, |first| first.min(pts_us)));
        self.packets += 1;
        self.last_us = self.last_us.max(pts_us);
        if self.is_video() && packet.is_key() {
            self.key_frames_us.push(pts_us);
        }
        Ok(())
    }
}

/// Names the renditions and puts sound into groups; returns the names.
fn name_all(files: &mut [InputFile]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut groups: Vec<(String, String)> = Vec::new();
    let streams = || files.iter().flat_map(|file| &file.streams);
    let sounds = streams().filter(|stream| !stream.is_video()).count();
    let formats = |stream: &Candidate| match &stream.kind {
        Kind::Audio(sound) => format!("{}-{}", stream.parameters.id().name(), sound.channels),
        Kind::Video { .. } => String::new(),
    };
    let mut known: Vec<String> = streams()
        .filter(|stream| !stream.is_video())
        .map(formats)
        .collect();
    known.sort();
    known.dedup();
    let has_formats = known.len() > 1;
    let codecs = |stream: &Candidate| stream.parameters.id().name();
    let mut video_codecs: Vec<&str> = streams().filter(|stream| stream.is_video()).map(codecs).collect();
    video_codecs.dedup();
    let has_codecs = video_codecs.len() > 1;
    let marked = streams()
        .filter(|stream| !stream.is_video())
        .position(|stream| stream.is_default);
    let mut number = 0;
    for stream in files.iter_mut().flat_map(|file| &mut file.streams) {
        let format = formats(stream);
        let codec = stream.parameters.id().name();
        let mut name = match &mut stream.kind {
            Kind::Video { width, height, .. } => {
                let codec = if has_codecs {
                    format!("-{codec}")
                } else {
                    String::new()
                };
                format!("{}p{codec}", (*width).min(*height))
            }
            Kind::Audio(sound) => {
                sound.is_default = number == marked.unwrap_or(0);
                number += 1;
                let suffix = if has_formats {
                    format!("-{format}")
                } else {
                    String::new()
                };
                sound.group = format!("audio{suffix}");
                let language = sound.language.as_deref().filter(|_| sounds > 1);
                // Two tracks of a group must not be called the same.
                while groups.contains(&(sound.group.clone(), sound.label.clone())) {
                    sound.label += " (2)";
                }
                groups.push((sound.group.clone(), sound.label.clone()));
                match language {
                    Some(language) => format!("audio-{language}{suffix}"),
                    None => format!("audio{suffix}"),
                }
            }
        };
        let plain = name.clone();
        let mut again = 1;
        while names.contains(&name) {
            again += 1;
            name = format!("{plain}-{again}");
        }
        stream.name.clone_from(&name);
        names.push(name);
    }
    names
}

impl Timeline {
    fn of(files: &[InputFile], segment_s: f64) -> Result<Self, EncodeError> {
        let streams = || files.iter().flat_map(|file| &file.streams);
        let videos: Vec<&Candidate> = streams().filter(|stream| stream.is_video()).collect();
        let starts = |video: bool| {
            streams()
                .filter(move |stream| stream.is_video() == video)
                .filter_map(|stream| stream.first_us)
                .min()
        };
        let no_frames = || EncodeError::NoFrames {
            path: files.first().map(|file| file.path.clone()).unwrap_or_default(),
        };
        let origin_us = starts(true).or(starts(false)).ok_or_else(no_frames)?;
        let segment_us = (segment_s * 1e6) as i64;
        let mut timeline = Self {
            origin_us,
            cuts_us: Vec::new(),
            segment_us,
        };
        let Some((first, others)) = videos.split_first() else {
            return Ok(timeline);
        };
        let frame_us = first.rate().map_or(40_000, |rate| (1e6 / rate.fps()) as i64);
        let has = |video: &Candidate, at_us: i64| {
            let index = video
                .key_frames_us
                .partition_point(|key| *key < at_us - frame_us / 2);
            video
                .key_frames_us
                .get(index)
                .is_some_and(|key| (key - at_us).abs() <= frame_us / 2)
        };
        let mut last_us = None;
        for key_us in &first.key_frames_us {
            let is_far = last_us.is_none_or(|last_us| key_us - last_us >= segment_us - frame_us / 2);
            if is_far && others.iter().all(|other| has(other, *key_us)) {
                timeline.cuts_us.push(key_us - origin_us);
                last_us = Some(*key_us);
            }
        }
        for pair in timeline.cuts_us.windows(2) {
            let &[start, end] = pair else { continue };
            if end - start > segment_us * 3 && end - start > MAX_GAP_US {
                // The rendition that lacks the key frame which the first has.
                let expected = first
                    .key_frames_us
                    .iter()
                    .find(|key| **key - origin_us >= start + segment_us);
                let lacking = others
                    .iter()
                    .find(|other| expected.is_some_and(|at_us| !has(other, *at_us)));
                let at_s = (start + segment_us) as f64 / 1e6;
                let rendition = lacking.unwrap_or(first).name.clone();
                return Err(EncodeError::NotAligned { rendition, at_s });
            }
        }
        if timeline.cuts_us.is_empty() {
            let rendition = first.name.clone();
            return Err(EncodeError::NotAligned { rendition, at_s: 0.0 });
        }
        Ok(timeline)
    }

    /// Where segment `index` begins, in µs.
    fn cut_us(&self, index: u64) -> i64 {
        if self.cuts_us.is_empty() {
            return i64::try_from(index)
                .unwrap_or(i64::MAX)
                .saturating_mul(self.segment_us);
        }
        usize::try_from(index)
            .ok()
            .and_then(|index| self.cuts_us.get(index))
            .copied()
            .unwrap_or(i64::MAX)
    }
}

/// One rendition on its way from packets to a piece.
struct StreamWriter<'a> {
    candidate: &'a Candidate,
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
    fn create(candidate: &'a Candidate, timeline: &'a Timeline, folder: &Path) -> Result<Self, EncodeError> {
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

    fn take(&mut self, packet: &Packet) -> Result<(), EncodeError> {
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

    fn finish(mut self) -> Result<Stream, EncodeError> {
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

/// Farther apart than this, and more than thrice what was asked for, key frames are no segments any more.
const MAX_GAP_US: i64 = 10_000_000;
