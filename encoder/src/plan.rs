//! The plan of an encoding: everything that decides what the pieces are. Workers that have the same plan make pieces that fit.

mod check;
#[cfg(fuzzing)]
#[path = "fuzzing/plan.rs"]
pub mod fuzzing;
#[cfg(test)]
pub(crate) mod tests;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::account::{LeftOut, Treatment};
use crate::encode::check_rung;
use crate::error::EncodeError;
use crate::graph::{Scan, detect};
use crate::index::{Kind, Sound};
use crate::ladder::{AudioCodec, AudioRung, Ladder, Rung};
use crate::pertitle::Report;
use crate::pictures;
use crate::source::{AudioStream, Orientation, Source};
use crate::text::{self, SourceText};
use crate::timing::{FrameRate, IdrPlan};

/// What is encoded of a source, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Plan {
    version: u32,
    source: Identity,
    pub(crate) idr: IdrPlan,
    /// Whether the pictures are deinterlaced.
    pub(crate) scan: Scan,
    /// Rungs that fit the source, highest first; none without pictures.
    pub(crate) video: Vec<Rung>,
    pub(crate) audio: Vec<AudioPlan>,
    /// Which pictures are tapped for thumbnails and the poster, if any.
    pub(crate) pictures: Option<pictures::Plan>,
    /// What the ladder was chosen by, where it was made for this source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) per_title: Option<Report>,
    /// For rungs that state none of their own.
    pub(crate) preset: String,
    /// The frames at which the chunks of a video begin, from 0.
    pub(crate) chunks: Vec<u64>,
    /// Of the source, as its container states it.
    pub(crate) duration_s: Option<f64>,
    /// What is known to be done to the source before it is decoded.
    #[serde(default)]
    pub(crate) treatments: Vec<Treatment>,
    /// What is not taken of the source, and of the ladder.
    #[serde(default)]
    pub(crate) left_out: Vec<LeftOut>,
}

/// Which file it is, wherever it lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    bytes: u64,
    /// Of its first and last mebibyte.
    digest: String,
}

/// One sound rendition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AudioPlan {
    pub(crate) name: String,
    /// The stream's index in the source.
    pub(crate) stream: usize,
    pub(crate) codec: AudioCodec,
    pub(crate) bitrate_kbps: u32,
    /// ISO 639-2/T.
    pub(crate) language: String,
    pub(crate) sound: Sound,
}

/// The frames of one chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Counted from 0.
    pub(crate) chunk: usize,
    pub(crate) start: u64,
    /// The first frame after it; none for the last chunk.
    pub(crate) end: Option<u64>,
}

/// What the caller chose.
pub(crate) struct Settings<'a> {
    pub(crate) ladder: &'a Ladder,
    pub(crate) preset: &'a str,
    pub(crate) segment_s: f64,
    pub(crate) gop_s: f64,
    /// Frames at which shots begin that segments are to begin with; none for regular segments.
    pub(crate) starts: Option<Vec<u64>>,
    pub(crate) chunks: u32,
    /// Whether pictures are tapped.
    pub(crate) with_pictures: bool,
    /// What the ladder was chosen by, where it was made for this source.
    pub(crate) per_title: Option<Report>,
}

impl Plan {
    pub(crate) fn make(source: &Source, settings: &Settings<'_>) -> Result<Self, EncodeError> {
        let video = source
            .video
            .as_ref()
            .map(|video| settings.ladder.fit(video.width, video.height))
            .unwrap_or_default();
        for rung in &video {
            let preset = rung.preset.as_deref().unwrap_or(settings.preset);
            check_rung(rung, preset).map_err(|reason| EncodeError::BadLadder {
                ladder: rung.name.clone(),
                reason,
            })?;
        }
        let rate = source.rate();
        let idr = match &settings.starts {
            Some(starts) => {
                let frames_per_segment = (rate.fps() * settings.segment_s).round() as u64;
                IdrPlan::listed(rate, starts.clone(), frames_per_segment)
            }
            None => IdrPlan::regular(rate, settings.segment_s, settings.gop_s, step(&video, rate)),
        };
        let chunks = chunks(&idr, settings.chunks, source)?;
        let audio = audio(&source.audio, &settings.ladder.audio);
        Ok(Self {
            treatments: treatments(source, &audio),
            left_out: left_out(source, settings.ladder, &video),
            version: VERSION,
            source: Identity::of(&source.path)?,
            idr,
            scan: detect(&source.path)?,
            audio,
            pictures: source
                .video
                .as_ref()
                .filter(|_| settings.with_pictures)
                .map(|shown| pictures::Plan::new((shown.width, shown.height), source.duration_s, None)),
            video,
            per_title: settings.per_title.clone(),
            preset: settings.preset.to_owned(),
            chunks,
            duration_s: source.duration_s,
        })
    }

    /// Reads a plan that was written for `source`.
    pub(crate) fn read(path: &Path, source: &Source) -> Result<Self, EncodeError> {
        let wrong = |reason: String| EncodeError::Piece {
            path: path.to_owned(),
            reason,
        };
        let json = std::fs::read(path).map_err(|source| EncodeError::InputUnreadable {
            path: path.to_owned(),
            source,
        })?;
        let plan = Self::parse(&json)
            .map_err(|reason| wrong(format!("it is no plan of this version ({reason})")))?;
        match plan.is_of(&source.path)? {
            true => Ok(plan),
            false => Err(wrong(format!(
                "it was made for another file than {}",
                source.path.display()
            ))),
        }
    }

    /// Reads what a plan's file holds; fails for what no worker can follow.
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        let plan: Self = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        plan.check()?;
        Ok(plan)
    }

    /// Whether it was made for the file at `path`.
    pub(crate) fn is_of(&self, path: &Path) -> Result<bool, EncodeError> {
        Ok(self.source == Identity::of(path)?)
    }

    /// The chunks' frames.
    pub(crate) fn spans(&self) -> impl Iterator<Item = Span> {
        let ends = self.chunks.iter().skip(1).copied().map(Some).chain([None]);
        let numbered = self.chunks.iter().copied().zip(ends).zip(0..);
        numbered.map(|((start, end), chunk)| Span { chunk, start, end })
    }

    /// The preset of a rung.
    pub(crate) fn preset<'a>(&'a self, rung: &'a Rung) -> &'a str {
        rung.preset.as_deref().unwrap_or(&self.preset)
    }

    /// Every rendition's name, kind and number of pieces.
    pub(crate) fn renditions(&self) -> impl Iterator<Item = (&str, Kind, usize)> {
        let rate = self.idr.rate();
        let video = self.video.iter().map(move |rung| {
            let kind = Kind::Video {
                width: rung.width,
                height: rung.height,
                rate: rate.divided(rate.divisor(rung.max_fps)),
            };
            (rung.name.as_str(), kind, self.chunks.len())
        });
        let audio = self
            .audio
            .iter()
            .map(|audio| (audio.name.as_str(), Kind::Audio(audio.sound.clone()), 1));
        video.chain(audio)
    }

    /// Video frames to expect, where the source's length is known.
    pub(crate) fn total_frames(&self) -> Option<u64> {
        let has_video = !self.video.is_empty();
        let duration_s = self.duration_s.filter(|_| has_video);
        duration_s.map(|seconds| (seconds * self.idr.rate().fps()).round() as u64)
    }
}

impl Identity {
    fn of(path: &Path) -> Result<Self, EncodeError> {
        let read = || -> std::io::Result<Self> {
            let mut file = File::open(path)?;
            let bytes = file.metadata()?.len();
            let mut ends = Vec::new();
            file.by_ref().take(END_BYTES).read_to_end(&mut ends)?;
            file.seek(SeekFrom::Start(bytes.saturating_sub(END_BYTES)))?;
            file.take(END_BYTES).read_to_end(&mut ends)?;
            Ok(Self {
                bytes,
                digest: format!("{:016x}", fnv1a(&ends)),
            })
        };
        read().map_err(|source| EncodeError::InputUnreadable {
            path: path.to_owned(),
            source,
        })
    }
}

/// What a source needs by what its container says.
fn treatments(source: &Source, audio: &[AudioPlan]) -> Vec<Treatment> {
    let mut treatments = Vec::new();
    if let Some(video) = &source.video {
        let stated = source
            .input
            .stream(video.index)
            .map(|stream| stream.avg_frame_rate());
        let from = stated.map_or(0.0, f64::from);
        if from.is_finite() && from > video.rate.fps() * 1.02 {
            treatments.push(Treatment::RateReduced {
                from,
                frame_rate: video.rate.fps(),
            });
        }
        let coded = (video.decoder.width(), video.decoder.height());
        let (degrees, is_mirrored) = match video.orientation {
            Orientation::Clockwise { mirrored } => (90, mirrored),
            Orientation::Counterclockwise { mirrored } => (270, mirrored),
            Orientation::Flipped {
                horizontally,
                vertically,
            } => (if vertically { 180 } else { 0 }, horizontally != vertically),
            Orientation::Upright => (0, false),
        };
        let shown = match degrees {
            90 | 270 => (video.height, video.width),
            _ => (video.width, video.height),
        };
        if shown != coded {
            treatments.push(Treatment::MadeSquare { coded, shown });
        }
        if degrees > 0 || is_mirrored {
            treatments.push(Treatment::Turned { degrees, is_mirrored });
        }
    }
    for planned in audio {
        let track = source.audio.iter().find(|track| track.index == planned.stream);
        let from_channels = track.map_or(0, |track| track.channels);
        if from_channels > planned.sound.channels {
            treatments.push(Treatment::DownMixed {
                rendition: planned.name.clone(),
                from_channels,
                channels: planned.sound.channels,
            });
        }
    }
    treatments
}

/// Streams that are not taken, and rungs that a source is too small for.
fn left_out(source: &Source, ladder: &Ladder, video: &[Rung]) -> Vec<LeftOut> {
    let mut left_out = source.left_out.clone();
    left_out.extend(SourceText::open(&source.input, source.origin_us).warnings);
    let is_missing = |rung: &&Rung| !video.iter().any(|fitted| fitted.name == rung.name);
    let missing: Vec<&str> = ladder
        .video
        .iter()
        .filter(is_missing)
        .map(|rung| rung.name.as_str())
        .collect();
    if let Some(shown) = source.video.as_ref().filter(|_| !missing.is_empty()) {
        left_out.push(LeftOut {
            what: missing.join(", "),
            reason: format!("larger than the source's {}x{}", shown.width, shown.height),
        });
    }
    left_out
}

/// The frames that renditions of lower frame rates share.
pub(crate) fn step(rungs: &[Rung], rate: FrameRate) -> u32 {
    rungs
        .iter()
        .map(|rung| rate.divisor(rung.max_fps))
        .max()
        .unwrap_or(1)
}

fn chunks(idr: &IdrPlan, count: u32, source: &Source) -> Result<Vec<u64>, EncodeError> {
    if count <= 1 || source.video.is_none() {
        return Ok(vec![0]);
    }
    let bad = |reason: &str| EncodeError::BadOption {
        option: "--chunk",
        value: format!("of {count}"),
        reason: reason.to_owned(),
    };
    let seconds = source.duration_s.ok_or_else(|| {
        bad("the source does not state its length, so it cannot be divided; split it by --rendition")
    })?;
    let frames = (seconds * idr.rate().fps()).round() as u64;
    let segments = idr.segment_of(frames.saturating_sub(1)) + 1;
    let count = u64::from(count);
    if segments < count {
        return Err(bad("there are fewer segments than that; use fewer chunks"));
    }
    Ok((0..count)
        .map(|chunk| idr.segment_start(chunk * segments / count))
        .collect())
}

/// The sound renditions: every track in every rung.
fn audio(tracks: &[AudioStream], rungs: &[AudioRung]) -> Vec<AudioPlan> {
    let most = tracks.iter().map(|track| track.channels).max().unwrap_or(0);
    let has_smaller = |rung: &AudioRung| {
        let is_smaller = |other: &AudioRung| other.codec == rung.codec && other.channels < rung.channels;
        rungs.iter().any(is_smaller)
    };
    // A rung that no track fills adds nothing to a smaller one.
    let rungs: Vec<&AudioRung> = rungs
        .iter()
        .filter(|rung| rung.channels <= most || !has_smaller(rung))
        .collect();
    let has_codecs = rungs
        .iter()
        .any(|rung| Some(rung.codec) != rungs.first().map(|rung| rung.codec));
    let mut plans: Vec<AudioPlan> = Vec::new();
    for rung in &rungs {
        let is_sibling = |other: &&&AudioRung| other.codec == rung.codec;
        let mut suffix = String::new();
        if has_codecs {
            suffix += &format!("-{}", rung.codec.name());
        }
        if rungs.iter().filter(is_sibling).count() > 1 {
            suffix += match rung.channels {
                1 => "-mono",
                2 => "-stereo",
                _ => "-51",
            };
        }
        for (track, number) in tracks.iter().zip(1..) {
            let language = track.language.as_deref().and_then(text::language::tag);
            let language = language.as_deref();
            let mut name = "audio".to_owned();
            if tracks.len() > 1 {
                name += &format!("-{}", language.map_or_else(|| number.to_string(), plain));
            }
            name += &suffix;
            if plans.iter().any(|plan| plan.name == name) {
                name += &format!("-{number}");
            }
            // Fewer channels in the source need fewer bits.
            let channels = rung.channels.min(if track.channels >= 6 {
                6
            } else {
                track.channels.min(2)
            });
            let bitrate_kbps = (rung.bitrate_kbps * u32::from(channels) / u32::from(rung.channels)).max(16);
            let label = track.title.clone().or_else(|| language.map(text::language::name));
            plans.push(AudioPlan {
                name,
                stream: track.index,
                codec: rung.codec,
                bitrate_kbps,
                language: text::language::header_code(track.language.as_deref().unwrap_or_default()),
                sound: Sound {
                    rate: match rung.codec {
                        AudioCodec::Aac => track.aac_rate(),
                        AudioCodec::Opus => 48_000,
                    },
                    channels,
                    language: language.map(str::to_owned),
                    label: label.unwrap_or_else(|| match tracks.len() {
                        1 => "Audio".to_owned(),
                        _ => format!("Audio {number}"),
                    }),
                    is_default: number == 1,
                    describes_video: track.describes_video,
                    group: format!("audio{suffix}"),
                },
            });
        }
    }
    plans
}

/// Letters and digits alone, for a name.
fn plain(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect()
}

/// FNV-1a: tells files apart, and is no protection.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

const VERSION: u32 = 1;
const END_BYTES: u64 = 1 << 20;
