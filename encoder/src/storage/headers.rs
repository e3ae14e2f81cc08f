//! What objects are said to be, and how long they may be cached.

use std::str::FromStr;

use crate::error::EncodeError;

/// `Cache-Control` for the objects whose name matches a pattern.
///
/// ```
/// use encoder::storage::CacheRule;
///
/// let rule: CacheRule = "*.m3u8=public, max-age=10".parse()?;
/// assert!(rule.matches("hls/master.m3u8") && !rule.matches("720p/1.m4s"));
/// # Ok::<(), encoder::EncodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheRule {
    pattern: String,
    value: String,
}

impl CacheRule {
    /// Whether it is for the object `name`, which is relative to the video's place.
    pub fn matches(&self, name: &str) -> bool {
        matches(&self.pattern, name)
    }
}

impl FromStr for CacheRule {
    type Err = EncodeError;

    /// Reads `PATTERN=VALUE`; `*` in the pattern stands for any text.
    fn from_str(text: &str) -> Result<Self, EncodeError> {
        let bad = |reason: &str| EncodeError::BadOption {
            option: "--cache-control",
            value: text.to_owned(),
            reason: reason.to_owned(),
        };
        let (pattern, value) = text
            .split_once('=')
            .ok_or_else(|| bad("write a pattern and a value, as in *.m3u8=max-age=10"))?;
        let (pattern, value) = (pattern.trim(), value.trim());
        let is_header = |c: char| c == ' ' || c.is_ascii_graphic();
        if pattern.is_empty() || value.is_empty() || !value.chars().all(is_header) {
            return Err(bad(
                "write a pattern and a value of printable ASCII, as in *.m3u8=max-age=10",
            ));
        }
        Ok(Self {
            pattern: pattern.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// The last of `rules` that matches decides.
pub(crate) fn cache_control<'a>(name: &str, rules: &'a [CacheRule]) -> &'a str {
    let rule = rules.iter().rev().find(|rule| rule.matches(name));
    rule.map_or_else(|| default_cache_control(name), |rule| &rule.value)
}

/// The media type of an object by its ending.
pub(crate) fn content_type(name: &str) -> &'static str {
    match ending(name) {
        // RFC 8216, 4.
        "m3u8" => "application/vnd.apple.mpegurl",
        // ISO/IEC 23009-1, Annex C.
        "mpd" => "application/dash+xml",
        "m4s" => "video/iso.segment",
        "mp4" => "video/mp4",
        "ts" => "video/mp2t",
        "vtt" => "text/vtt",
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "json" => "application/json",
        "html" => "text/html; charset=utf-8",
        "svg" => "image/svg+xml",
        _ => "application/octet-stream",
    }
}

/// Whether an object names others, so that it may only appear when they are there.
pub(crate) fn is_manifest(name: &str) -> bool {
    matches!(ending(name), "m3u8" | "mpd")
}

fn default_cache_control(name: &str) -> &'static str {
    match ending(name) {
        "m3u8" | "mpd" | "json" => "public, max-age=60",
        "key" => "private, no-store",
        _ => "public, max-age=31536000, immutable",
    }
}

fn ending(name: &str) -> &str {
    let file = name.rsplit('/').next().unwrap_or(name);
    file.rsplit_once('.').map_or("", |(_, ending)| ending)
}

/// `*` stands for any text; everything else for itself.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(first) else {
        return false;
    };
    let (middle, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in middle.split('*') {
        let Some(at) = name.find(part) else {
            return false;
        };
        name = name.get(at + part.len()..).unwrap_or_default();
    }
    name.ends_with(last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn patterns() {
        for (pattern, name, is_match) in [
            ("*", "a/b.m4s", true),
            ("*.m4s", "a/b.m4s", true),
            ("*.m4s", "a/b.m4s.x", false),
            ("hls/*", "hls/master.m3u8", true),
            ("hls/*", "a/hls/x", false),
            ("*/1.m4s", "720p/1.m4s", true),
            ("7*p/*.m4s", "720p/1.m4s", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("hls/master.m3u8", "hls/master.m3u8", true),
            ("hls/master.m3u8", "hls/master.m3u", false),
        ] {
            assert_eq!(matches(pattern, name), is_match, "{pattern} {name}");
        }
    }

    #[test]
    fn the_last_rule_wins_and_segments_are_immutable_without_one() {
        assert!(cache_control("a/1.m4s", &[]).contains("immutable"));
        assert!(!cache_control("hls/a.m3u8", &[]).contains("immutable"));
        assert_eq!(cache_control("keys/1.key", &[]), "private, no-store");
        let rules: Vec<CacheRule> = ["*=max-age=1", "*.mpd=no-cache"]
            .iter()
            .map(|rule| rule.parse().unwrap())
            .collect();
        assert_eq!(cache_control("a/1.m4s", &rules), "max-age=1");
        assert_eq!(cache_control("dash/manifest.mpd", &rules), "no-cache");
        for bad in ["", "x", "=y", "x=", "x=a\nb"] {
            assert!(bad.parse::<CacheRule>().is_err(), "{bad:?}");
        }
    }
}
