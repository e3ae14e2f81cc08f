//! The renditions to make: sizes, bitrates, and how they fit a source.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::EncodeError;

/// The renditions a source is offered in, highest first.
///
/// ```
/// let ladder: encoder::ladder::Ladder = "720p:2500k,360p:600k,audio:96k".parse()?;
/// assert_eq!(ladder.video[0].height, 720);
/// assert_eq!(ladder.audio.bitrate_kbps, 96);
/// # Ok::<(), encoder::EncodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladder {
    /// The video rungs.
    pub video: Vec<Rung>,
    /// The one audio rung.
    #[serde(default)]
    pub audio: AudioRung,
}

/// One video rung: a box that the picture is fitted into and the bits it may use.
///
/// The box lies as the source does: a 1920×1080 rung holds 1080×1920 of an upright source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rung {
    /// Names the rendition and its folder; letters, digits, `-` and `_`.
    pub name: String,
    /// The box's longer side in pixels.
    pub width: u32,
    /// The box's shorter side in pixels.
    pub height: u32,
    /// Target bitrate in kbit/s.
    pub bitrate_kbps: u32,
}

/// The audio rung: AAC, stereo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioRung {
    /// Target bitrate in kbit/s.
    pub bitrate_kbps: u32,
}

/// A rung at the size it has for one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FittedRung {
    /// The rendition's name.
    pub name: String,
    /// Pixels across, even.
    pub width: u32,
    /// Pixels down, even.
    pub height: u32,
    /// Target bitrate in kbit/s.
    pub bitrate_kbps: u32,
}

impl Ladder {
    /// Reads a ladder from the JSON file that `text` names, or else from `text` itself.
    ///
    /// # Errors
    /// [`EncodeError::BadLadder`] when it is neither.
    pub fn read(text: &str) -> Result<Self, EncodeError> {
        if !Path::new(text).is_file() {
            return text.parse();
        }
        let bad = |reason: String| EncodeError::BadLadder {
            ladder: text.to_owned(),
            reason,
        };
        let json = std::fs::read_to_string(text).map_err(|error| bad(error.to_string()))?;
        let ladder: Self = serde_json::from_str(&json).map_err(|error| bad(error.to_string()))?;
        ladder.check().map_err(bad)?;
        Ok(ladder)
    }

    /// The rungs for a source shown at `width` × `height` square pixels: none above it, and one of its own size when
    /// every rung is.
    pub fn fit(&self, width: u32, height: u32) -> Vec<FittedRung> {
        let fitted: Vec<FittedRung> = self
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
        vec![FittedRung {
            name: format!("{}p", width.min(height)),
            width,
            height,
            bitrate_kbps,
        }]
    }

    /// Says what makes this ladder unusable.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.video.is_empty() {
            return Err("it has no video rung".to_owned());
        }
        for (index, rung) in self.video.iter().enumerate() {
            let name = &rung.name;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return Err(format!(
                    "the name {name:?} has other characters than letters, digits, - and _"
                ));
            }
            if ["audio", "hls", "dash"].contains(&name.as_str()) {
                return Err(format!("the name {name:?} is taken by the output's own folders"));
            }
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
            if !(16..=200_000).contains(&rung.bitrate_kbps) {
                return Err(format!("rung {name:?}: the bitrate must be 16 to 200000 kbit/s"));
            }
        }
        if !(16..=512).contains(&self.audio.bitrate_kbps) {
            return Err("the audio bitrate must be 16 to 512 kbit/s".to_owned());
        }
        Ok(())
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
        })
        .collect();
        Self {
            video,
            audio: AudioRung::default(),
        }
    }
}

impl Default for AudioRung {
    fn default() -> Self {
        Self { bitrate_kbps: 128 }
    }
}

/// `720p:2500k,640x360:600k,audio:128k`: sizes as a height (of a 16:9 box) or as a box, rates in `k` or `M` bit/s.
impl std::str::FromStr for Ladder {
    type Err = EncodeError;

    fn from_str(text: &str) -> Result<Self, EncodeError> {
        let bad = |reason: String| EncodeError::BadLadder {
            ladder: text.to_owned(),
            reason,
        };
        let mut ladder = Self {
            video: Vec::new(),
            audio: AudioRung::default(),
        };
        for entry in text.split(',').map(str::trim) {
            let (size, rate) = entry
                .split_once([':', '@', '='])
                .ok_or_else(|| bad(format!("{entry:?} has no bitrate")))?;
            let bitrate_kbps = parse_rate_kbps(rate)
                .ok_or_else(|| bad(format!("{rate:?} is not a bitrate such as 2500k")))?;
            if size == "audio" {
                ladder.audio = AudioRung { bitrate_kbps };
                continue;
            }
            let (width, height) = parse_size(size)
                .ok_or_else(|| bad(format!("{size:?} is not a size such as 720p or 1280x720")))?;
            let mut name = format!("{height}p");
            if ladder.video.iter().any(|other| other.name == name) {
                name = format!("{height}p-{bitrate_kbps}k");
            }
            ladder.video.push(Rung {
                name,
                width,
                height,
                bitrate_kbps,
            });
        }
        ladder
            .video
            .sort_by_key(|rung| std::cmp::Reverse((rung.height, rung.bitrate_kbps)));
        ladder.check().map_err(bad)?;
        Ok(ladder)
    }
}

fn fit_rung(rung: &Rung, width: u32, height: u32) -> Option<FittedRung> {
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
    Some(FittedRung {
        name: rung.name.clone(),
        width: side(width),
        height: side(height),
        bitrate_kbps: rung.bitrate_kbps,
    })
}

fn even_below(side: u32) -> u32 {
    (side & !1).max(2)
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
        assert_eq!(ladder.audio.bitrate_kbps, 96);
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
            ("missing/ladder.json", "no bitrate"),
        ] {
            let error = Ladder::read(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text:?}: {error}");
        }
    }
}
