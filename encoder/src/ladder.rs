//! The renditions to make: sizes, codecs, bitrates, and how they fit a source.

mod text;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::EncodeError;

/// The renditions a source is offered in, highest first.
///
/// ```
/// use encoder::ladder::{AudioCodec, Ladder, VideoCodec};
///
/// let ladder: Ladder = "720p:2500k:h265:crf26,360p:600k,audio:96k,audio:64k:opus".parse()?;
/// assert_eq!((ladder.video[0].height, ladder.video[0].codec), (720, VideoCodec::H265));
/// assert_eq!(ladder.video[0].crf, Some(26.0));
/// assert_eq!(ladder.audio[1].codec, AudioCodec::Opus);
/// # Ok::<(), encoder::EncodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// The video rungs.
    pub video: Vec<Rung>,
    /// The audio rungs; each is made of every sound track of the source.
    #[serde(default = "default_audio")]
    pub audio: Vec<AudioRung>,
}

/// One video rung: a box that the picture is fitted into, the bits it may use, and how it is encoded.
///
/// The box lies as the source does: a 1920×1080 rung holds 1080×1920 of an upright source. [`Ladder::fit`] gives rungs
/// whose box is the picture itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Names the rendition and its folder; letters, digits, `-` and `_`.
    pub name: String,
    /// The box's longer side in pixels; the width of a fitted rung.
    pub width: u32,
    /// The box's shorter side in pixels; the height of a fitted rung.
    pub height: u32,
    /// What it is encoded to.
    #[serde(default)]
    pub codec: VideoCodec,
    /// Target bitrate in kbit/s; with a [`crf`](Self::crf) the cap of the peaks.
    pub bitrate_kbps: u32,
    /// Constant rate factor on the encoder's own scale (0 to 51 for x264 and x265, 0 to 63 for SVT-AV1 and VP9), capped at
    /// the bitrate. None aims at the bitrate as the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crf: Option<f32>,
    /// Keeps to the bitrate at every moment (CBR); not together with a CRF.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cbr: bool,
    /// The encoder's preset, where it is not that of the whole ladder: a name for x264 and x265, 0 to 13 for SVT-AV1, 0 to 8
    /// (`cpu-used`) for VP9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// The encoder's tuning, such as `film`, `animation` or `grain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<String>,
    /// The codec's profile, such as `main` or `high`; chosen by the source's depth where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Frames per second that it has at most: the source's rate is halved until it fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_fps: Option<f64>,
    /// More options for FFmpeg's encoder, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub options: BTreeMap<String, String>,
}

/// A video codec, and the encoder for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VideoCodec {
    /// H.264 by x264.
    #[default]
    H264,
    /// HEVC by x265.
    H265,
    /// AV1 by SVT-AV1.
    Av1,
    /// VP9 by libvpx.
    Vp9,
}

/// An audio rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioRung {
    /// What it is encoded to.
    #[serde(default)]
    pub codec: AudioCodec,
    /// Target bitrate in kbit/s, of all channels together.
    pub bitrate_kbps: u32,
    /// 1, 2 or 6 (5.1). A source track with fewer channels is not given more: for such a track a rung of 6 is left out
    /// where another of its codec has fewer.
    #[serde(default = "stereo")]
    pub channels: u8,
}

/// An audio codec, and the encoder for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AudioCodec {
    /// AAC-LC by FFmpeg's own encoder.
    #[default]
    Aac,
    /// Opus by libopus.
    Opus,
}

impl Ladder {
    /// Reads a ladder from the JSON file that `text` names, or else from `text` itself, which may also be JSON.
    ///
    /// # Errors
    /// [`EncodeError::BadLadder`] when it is neither.
    pub fn read(text: &str) -> Result<Self, EncodeError> {
        let is_json = text.starts_with('{');
        if !is_json && !Path::new(text).is_file() {
            return text.parse();
        }
        let bad = |reason: String| EncodeError::BadLadder {
            ladder: text.to_owned(),
            reason,
        };
        let mut json = String::new();
        if is_json {
            json.push_str(text);
        } else {
            File::open(text)
                .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut json))
                .map_err(|error| bad(error.to_string()))?;
        }
        let ladder: Self = serde_json::from_str(&json).map_err(|error| bad(error.to_string()))?;
        ladder.check().map_err(bad)?;
        Ok(ladder)
    }

    /// The rungs for a source shown at `width` × `height` square pixels: none above it, and one of its own size when
    /// every rung is.
    pub fn fit(&self, width: u32, height: u32) -> Vec<Rung> {
        let fitted: Vec<Rung> = self
            .video
            .iter()
            .filter_map(|rung| fit_rung(rung, width, height))
            .collect();
        if !fitted.is_empty() {
            return fitted;
        }
        let (width, height) = (even_below(width), even_below(height));
        let pixels = f64::from(width) * f64::from(height);
        // Bits grow more slowly than pixels; three quarters is the usual power.
        let share = (pixels / (640.0 * 360.0)).powf(0.75);
        let lowest_kbps = self
            .video
            .iter()
            .map(|rung| rung.bitrate_kbps)
            .min()
            .unwrap_or(600);
        let bitrate_kbps = ((600.0 * share) as u32).clamp(64.min(lowest_kbps), lowest_kbps);
        let lowest = self.video.iter().min_by_key(|rung| rung.bitrate_kbps);
        vec![Rung {
            name: format!("{}p", width.min(height)),
            width,
            height,
            bitrate_kbps,
            ..lowest.cloned().unwrap_or_default()
        }]
    }

    /// Says what makes this ladder unusable.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.video.is_empty() {
            return Err("it has no video rung".to_owned());
        }
        if self.video.len() > MAX_RUNGS || self.audio.len() > MAX_RUNGS {
            return Err(TOO_MANY.to_owned());
        }
        for (index, rung) in self.video.iter().enumerate() {
            let name = &rung.name;
            rung.check()?;
            if self
                .video
                .iter()
                .take(index)
                .any(|other| other.name.eq_ignore_ascii_case(name))
            {
                return Err(format!("two rungs are named {name:?}"));
            }
            if rung.width < 16 || rung.height < 16 || rung.width > 8192 || rung.height > 8192 {
                return Err(format!("rung {name:?}: sides must be 16 to 8192 pixels"));
            }
        }
        for (index, rung) in self.audio.iter().enumerate() {
            if !(16..=1024).contains(&rung.bitrate_kbps) {
                return Err("the audio bitrate must be 16 to 1024 kbit/s".to_owned());
            }
            if ![1, 2, 6].contains(&rung.channels) {
                return Err("audio has 1, 2 or 6 (5.1) channels".to_owned());
            }
            let group = |rung: &AudioRung| (rung.codec, rung.channels);
            if self
                .audio
                .iter()
                .take(index)
                .any(|other| group(other) == group(rung))
            {
                return Err("two audio rungs have the same codec and channels".to_owned());
            }
        }
        Ok(())
    }
}

impl VideoCodec {
    /// What text ladders and file names call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::H265 => "h265",
            Self::Av1 => "av1",
            Self::Vp9 => "vp9",
        }
    }

    /// The end of the encoder's CRF scale.
    pub(crate) fn max_crf(self) -> f32 {
        match self {
            Self::H264 | Self::H265 => 51.0,
            Self::Av1 | Self::Vp9 => 63.0,
        }
    }
}

impl AudioCodec {
    /// What text ladders and file names call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aac => "aac",
            Self::Opus => "opus",
        }
    }
}

impl Default for Rung {
    fn default() -> Self {
        Self {
            name: "360p".to_owned(),
            width: 640,
            height: 360,
            codec: VideoCodec::default(),
            bitrate_kbps: 600,
            crf: None,
            cbr: false,
            preset: None,
            tune: None,
            profile: None,
            max_fps: None,
            options: BTreeMap::new(),
        }
    }
}

/// 1080p at 5 Mbit/s, 720p at 2.5, 480p at 1 and 360p at 0.6, with audio at 128 kbit/s.
impl Default for Ladder {
    fn default() -> Self {
        let video = [
            (1920, 1080, 5000),
            (1280, 720, 2500),
            (854, 480, 1000),
            (640, 360, 600),
        ]
        .into_iter()
        .map(|(width, height, bitrate_kbps)| Rung {
            name: format!("{height}p"),
            width,
            height,
            bitrate_kbps,
            ..Rung::default()
        })
        .collect();
        Self {
            video,
            audio: default_audio(),
        }
    }
}

impl Default for AudioRung {
    fn default() -> Self {
        Self {
            codec: AudioCodec::default(),
            bitrate_kbps: 128,
            channels: stereo(),
        }
    }
}

impl Rung {
    /// Says what makes this rung unusable, whatever its size.
    pub(crate) fn check(&self) -> Result<(), String> {
        let name = &self.name;
        check_name(name)?;
        let lower = name.to_ascii_lowercase();
        let is_taken = OWN_NAMES.contains(&lower.as_str())
            || ["audio-", "text-"].iter().any(|start| lower.starts_with(start));
        if is_taken {
            return Err(format!("the name {name:?} is taken by the output's own files"));
        }
        if !(16..=200_000).contains(&self.bitrate_kbps) {
            return Err(format!("rung {name:?}: the bitrate must be 16 to 200000 kbit/s"));
        }
        let words = [&self.preset, &self.tune, &self.profile].into_iter().flatten();
        let mut words = words.chain(self.options.iter().flat_map(|(option, value)| [option, value]));
        if words.any(|word| word.len() > MAX_WORD_BYTES || word.contains(char::is_control)) {
            return Err(format!(
                "rung {name:?}: an option has more than {MAX_WORD_BYTES} bytes, or more than one line"
            ));
        }
        if self.cbr && self.crf.is_some() {
            return Err(format!("rung {name:?}: a CRF and CBR exclude each other"));
        }
        let most = self.codec.max_crf();
        if self.crf.is_some_and(|crf| !(0.0..=most).contains(&crf)) {
            return Err(format!("rung {name:?}: the CRF must be 0 to {most}"));
        }
        if self.max_fps.is_some_and(|fps| !(1.0..=240.0).contains(&fps)) {
            return Err(format!("rung {name:?}: max_fps must be 1 to 240"));
        }
        Ok(())
    }
}

/// Says what makes a rendition's name no name of a file.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(plain) {
        return Ok(());
    }
    Err(format!(
        "the name {name:?} has other characters than letters, digits, - and _, or more than {MAX_NAME_BYTES}"
    ))
}

fn fit_rung(rung: &Rung, width: u32, height: u32) -> Option<Rung> {
    let (box_width, box_height) = (rung.width.max(rung.height), rung.width.min(rung.height));
    let (box_width, box_height) = if width >= height {
        (box_width, box_height)
    } else {
        (box_height, box_width)
    };
    let scale = (f64::from(box_width) / f64::from(width)).min(f64::from(box_height) / f64::from(height));
    // A source cropped by a few lines still belongs to its class, at its own size.
    if scale > 1.06 {
        return None;
    }
    let scale = scale.min(1.0);
    let side = |source: u32| {
        let scaled = (f64::from(source) * scale / 2.0).round() as u32 * 2;
        scaled.clamp(2, even_below(source))
    };
    Some(Rung {
        width: side(width),
        height: side(height),
        ..rung.clone()
    })
}

fn default_audio() -> Vec<AudioRung> {
    vec![AudioRung::default()]
}

fn stereo() -> u8 {
    2
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn even_below(side: u32) -> u32 {
    (side & !1).max(2)
}

const MAX_FILE_BYTES: u64 = 1 << 20;
/// Renditions of pictures, and of each track of sound.
const MAX_RUNGS: usize = 100;
const TOO_MANY: &str = "it has more than 100 rungs of a kind";
const MAX_NAME_BYTES: usize = 64;
const MAX_WORD_BYTES: usize = 1000;
/// What an output has beside its video renditions, in any of its folders.
const OWN_NAMES: [&str; 6] = ["analysis", "audio", "dash", "hls", "master", "thumbnails"];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sizes(width: u32, height: u32) -> Vec<(String, u32, u32)> {
        Ladder::default()
            .fit(width, height)
            .into_iter()
            .map(|r| (r.name, r.width, r.height))
            .collect()
    }

    #[test]
    fn no_rung_is_above_the_source() {
        let names = |w, h| sizes(w, h).into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
        assert_eq!(names(3840, 2160), ["1080p", "720p", "480p", "360p"]);
        assert_eq!(names(1280, 720), ["720p", "480p", "360p"]);
        assert_eq!(names(1000, 562), ["480p", "360p"]);
        assert_eq!(names(640, 360), ["360p"]);
    }

    #[test]
    fn the_aspect_ratio_is_kept() {
        assert_eq!(sizes(1440, 1080)[0], ("1080p".to_owned(), 1440, 1080));
        assert_eq!(sizes(1440, 1080)[1], ("720p".to_owned(), 960, 720));
        assert_eq!(sizes(1920, 800)[1], ("720p".to_owned(), 1280, 534));
        assert_eq!(sizes(1080, 1920)[1], ("720p".to_owned(), 720, 1280));
        assert_eq!(sizes(1918, 1078)[0], ("1080p".to_owned(), 1918, 1078));
    }

    #[test]
    fn a_small_source_gets_one_rung_of_its_own_size() {
        assert_eq!(sizes(321, 181), [("180p".to_owned(), 320, 180)]);
        assert_eq!(sizes(1, 1), [("2p".to_owned(), 2, 2)]);
        let own = Ladder::default().fit(320, 180);
        assert!((64..600).contains(&own[0].bitrate_kbps));
    }

    #[test]
    fn a_ladder_is_read_from_text() {
        let ladder: Ladder = "360p:600k, 720p@2.5M,320x240=300k,audio:96k".parse().unwrap();
        let rungs: Vec<_> = ladder
            .video
            .iter()
            .map(|r| (r.name.as_str(), r.width, r.bitrate_kbps))
            .collect();
        assert_eq!(
            rungs,
            [("720p", 1280, 2500), ("360p", 640, 600), ("240p", 320, 300)]
        );
        assert_eq!(ladder.audio[0].bitrate_kbps, 96);
        assert_eq!(ladder.audio.len(), 1);
    }

    #[test]
    fn words_after_the_rate_say_how_it_is_encoded() {
        let text = "720p:2M:crf26.5:h265:slow,720p:2M:30fps:cbr,720p:1M,audio:64k:opus,audio:384k:5.1";
        let ladder: Ladder = text.parse().unwrap();
        let names: Vec<_> = ladder.video.iter().map(|rung| rung.name.as_str()).collect();
        assert_eq!(names, ["720p-h265", "720p", "720p-1000k"]);
        let hevc = &ladder.video[0];
        assert_eq!((hevc.codec, hevc.crf), (VideoCodec::H265, Some(26.5)));
        assert_eq!(hevc.preset.as_deref(), Some("slow"));
        assert_eq!((ladder.video[1].cbr, ladder.video[1].max_fps), (true, Some(30.0)));
        assert_eq!(
            (ladder.audio[0].codec, ladder.audio[0].channels),
            (AudioCodec::Opus, 2)
        );
        assert_eq!(
            (ladder.audio[1].codec, ladder.audio[1].channels),
            (AudioCodec::Aac, 6)
        );
    }

    #[test]
    fn names_of_the_output_are_taken_and_rungs_are_bounded() {
        let named = |name: &str| {
            let json =
                format!(r#"{{"video":[{{"name":"{name}","width":640,"height":360,"bitrate_kbps":600}}]}}"#);
            Ladder::read(&json)
        };
        assert!(named("masterly").is_ok() && named(&"a".repeat(64)).is_ok());
        for name in [
            "master",
            "HLS",
            "Audio-de",
            "text-en",
            "thumbnails",
            "",
            &"a".repeat(65),
        ] {
            assert!(named(name).is_err(), "{name:?}");
        }
        let rungs = vec!["360p:600k"; 10_000].join(",");
        let sound = vec!["audio:64k"; 10_000].join(",");
        for text in [rungs, sound] {
            let error = text.parse::<Ladder>().unwrap_err().to_string();
            assert!(error.contains("more than 100"), "{error}");
        }
        // Not by chance as many as fit.
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_len(1 << 40).unwrap();
        assert!(Ladder::read(file.path().to_str().unwrap()).is_err());
    }

    #[test]
    fn a_bad_ladder_says_what_is_wrong() {
        for (text, reason) in [
            ("", "no bitrate"),
            ("720p", "no bitrate"),
            ("720:1000k", "not a size"),
            ("720p:fast", "not a bitrate"),
            ("audio:128k", "no video rung"),
            ("99999p:1M", "not a size"),
            ("8x8:100k", "sides must be"),
            ("720p:1k", "bitrate must be"),
            ("720p:1M,audio:9M", "audio bitrate"),
            ("720p:1M:crf99", "CRF must be"),
            ("720p:1M:cbr:crf20", "exclude"),
            ("720p:1M:?", "is no codec"),
            ("720p:1M,audio:96k,audio:64k", "same codec"),
            ("720p:1M,audio:96k:7.1", "no channels"),
            ("missing/ladder.json", "no bitrate"),
        ] {
            let error = Ladder::read(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
