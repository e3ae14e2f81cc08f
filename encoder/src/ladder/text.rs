//! Ladders as text: `720p:2500k,640x360:600k,audio:128k`.

use super::{AudioCodec, AudioRung, Ladder, MAX_RUNGS, Rung, TOO_MANY, VideoCodec, default_audio};
use crate::error::EncodeError;

/// `720p:2500k,640x360:600k,audio:128k`: sizes as a height (of a 16:9 box) or as a box, rates in `k` or `M` bit/s.
///
/// More words may follow a rate, in any order, after colons: for video a codec (`h264`, `h265`, `av1`, `vp9`), `crf23`,
/// `cbr`, `30fps` at most, and anything else is a preset; for sound a codec (`aac`, `opus`) and channels (`1.0`, `2.0`,
/// `5.1`).
impl std::str::FromStr for Ladder {
    type Err = EncodeError;

    fn from_str(text: &str) -> Result<Self, EncodeError> {
        let bad = |reason: String| EncodeError::BadLadder {
            ladder: text.to_owned(),
            reason,
        };
        let mut ladder = Self {
            video: Vec::new(),
            audio: Vec::new(),
        };
        for entry in text.split(',').map(str::trim) {
            let (size, rest) = entry
                .split_once([':', '@', '='])
                .ok_or_else(|| bad(format!("{entry:?} has no bitrate")))?;
            let mut words = rest.split(':');
            let rate = words.next().unwrap_or_default();
            let bitrate_kbps = parse_rate_kbps(rate)
                .ok_or_else(|| bad(format!("{rate:?} is not a bitrate such as 2500k")))?;
            if size == "audio" {
                let mut rung = AudioRung {
                    bitrate_kbps,
                    ..AudioRung::default()
                };
                words.try_for_each(|word| rung.apply(word)).map_err(bad)?;
                if ladder.audio.len() >= MAX_RUNGS {
                    return Err(bad(TOO_MANY.to_owned()));
                }
                ladder.audio.push(rung);
                continue;
            }
            let (width, height) = parse_size(size)
                .ok_or_else(|| bad(format!("{size:?} is not a size such as 720p or 1280x720")))?;
            let mut rung = Rung {
                name: String::new(),
                width,
                height,
                bitrate_kbps,
                ..Rung::default()
            };
            words.try_for_each(|word| rung.apply(word)).map_err(bad)?;
            if ladder.video.len() >= MAX_RUNGS {
                return Err(bad(TOO_MANY.to_owned()));
            }
            rung.name = ladder.free_name(&rung);
            ladder.video.push(rung);
        }
        if ladder.audio.is_empty() {
            ladder.audio = default_audio();
        }
        ladder
            .video
            .sort_by_key(|rung| std::cmp::Reverse((rung.height, rung.bitrate_kbps)));
        ladder.check().map_err(bad)?;
        Ok(ladder)
    }
}

impl Ladder {
    /// A name for `rung` that no other has: its height, then its codec, then its bitrate.
    fn free_name(&self, rung: &Rung) -> String {
        let height = rung.height;
        let codec = match rung.codec {
            VideoCodec::H264 => String::new(),
            other => format!("-{}", other.name()),
        };
        let names = [
            format!("{height}p{codec}"),
            format!("{height}p{codec}-{}k", rung.bitrate_kbps),
        ];
        let is_free = |name: &&String| !self.video.iter().any(|other| other.name == **name);
        names
            .iter()
            .find(is_free)
            .or(names.last())
            .cloned()
            .unwrap_or_default()
    }
}

impl Rung {
    /// Takes one more word of a text ladder.
    fn apply(&mut self, word: &str) -> Result<(), String> {
        let codecs = [
            VideoCodec::H264,
            VideoCodec::H265,
            VideoCodec::Av1,
            VideoCodec::Vp9,
        ];
        if let Some(codec) = codecs.into_iter().find(|codec| codec.name() == word) {
            self.codec = codec;
        } else if let Some(crf) = word.strip_prefix("crf").and_then(|crf| crf.parse().ok()) {
            self.crf = Some(crf);
        } else if let Some(fps) = word.strip_suffix("fps").and_then(|fps| fps.parse().ok()) {
            self.max_fps = Some(fps);
        } else if word == "cbr" {
            self.cbr = true;
        } else if !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric()) {
            self.preset = Some(word.to_owned());
        } else {
            return Err(format!("{word:?} is no codec, crf23, cbr, 30fps or preset"));
        }
        Ok(())
    }
}

impl AudioRung {
    /// Takes one more word of a text ladder.
    fn apply(&mut self, word: &str) -> Result<(), String> {
        match word {
            "aac" => self.codec = AudioCodec::Aac,
            "opus" => self.codec = AudioCodec::Opus,
            "1.0" | "mono" => self.channels = 1,
            "2.0" | "stereo" => self.channels = 2,
            "5.1" => self.channels = 6,
            _ => {
                return Err(format!(
                    "{word:?} is no codec (aac, opus) and no channels (1.0, 2.0, 5.1)"
                ));
            }
        }
        Ok(())
    }
}

fn parse_size(text: &str) -> Option<(u32, u32)> {
    if let Some((width, height)) = text.split_once('x') {
        return Some((width.parse().ok()?, height.parse().ok()?));
    }
    let height: u32 = text
        .strip_suffix('p')?
        .parse()
        .ok()
        .filter(|height| *height <= 8192)?;
    Some(((height * 16 / 9).next_multiple_of(2), height))
}

fn parse_rate_kbps(text: &str) -> Option<u32> {
    let lower = text.trim().to_ascii_lowercase();
    let (number, factor) = match (lower.strip_suffix('k'), lower.strip_suffix('m')) {
        (Some(number), _) => (number, 1.0),
        (_, Some(number)) => (number, 1000.0),
        _ => return None,
    };
    let kbps = number.parse::<f64>().ok()? * factor;
    (kbps.is_finite() && (1.0..=1e6).contains(&kbps)).then(|| kbps.round() as u32)
}
