//! The files and their streams: what they say of themselves, and where their key frames are.

use std::path::{Path, PathBuf};

use ffmpeg_next::codec::Parameters;
use ffmpeg_next::format::stream::{Disposition, Stream as InputStream};
use ffmpeg_next::mathematics::{Rescale, rescale};
use ffmpeg_next::{Packet, Rational, media};

use super::Report;
use super::timeline::Timeline;
use super::writer::StreamWriter;
use crate::cmaf::Bitstream;
use crate::cmaf::bitstream::StreamParameters;
use crate::decode::next_packet;
use crate::error::EncodeError;
use crate::index::{Kind, Sound};
use crate::packager::Stream;
use crate::source;
use crate::text::{self, SourceText};
use crate::timing::FrameRate;

pub(super) struct InputFile {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    pub(super) streams: Vec<Candidate>,
}

/// A stream that becomes a rendition.
pub(super) struct Candidate {
    pub(super) index: usize,
    pub(super) time_base: Rational,
    pub(super) parameters: Parameters,
    pub(super) name: String,
    pub(super) kind: Kind,
    /// ISO 639-2.
    pub(super) language: String,
    /// In µs: what is shown first, and every key frame.
    pub(super) first_us: Option<i64>,
    pub(super) key_frames_us: Vec<i64>,
    packets: u64,
    last_us: i64,
    is_default: bool,
}

impl InputFile {
    pub(super) fn open(path: &Path) -> Result<Self, EncodeError> {
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
    pub(super) fn look(&mut self, report: &mut Report<'_>) -> Result<(), EncodeError> {
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
    pub(super) fn remux(
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

    pub(super) fn rate(&self) -> Option<FrameRate> {
        match self.kind {
            Kind::Video { rate, .. } => Some(rate),
            Kind::Audio(_) => None,
        }
    }

    pub(super) fn is_video(&self) -> bool {
        self.rate().is_some()
    }

    /// Whether there are as many pictures as the frame rate has in that time. Then they can be decoded at that rate, whatever
    /// a container says or leaves out of decode times (Matroska has none).
    pub(super) fn is_regular(&self) -> bool {
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
pub(super) fn name_all(files: &mut [InputFile]) -> Vec<String> {
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
