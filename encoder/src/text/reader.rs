//! Reads SubRip and WebVTT as they are found: what breaks the rules is understood where it can be, and told.

use std::borrow::Cow;

use super::ass::Style;
use super::markup::{Dialect, convert};
use super::{Cue, TextTrack, settings};

/// Reads a whole file into `track`: cues, style sheets and regions, and warnings.
pub(super) fn read(bytes: &[u8], is_named_webvtt: bool, track: &mut TextTrack) {
    let text = decode(bytes, track);
    // CR LF, CR and LF each end a line (WebVTT, 4.1).
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.split('\n').collect();
    let is_webvtt = lines.first().is_some_and(|line| line.starts_with("WEBVTT"));
    if is_named_webvtt && !is_webvtt {
        track.warn("it does not begin with WEBVTT");
    }
    let mut reader = Reader {
        lines: &lines,
        dialect: match is_webvtt || is_named_webvtt {
            true => Dialect::WebVtt,
            false => Dialect::SubRip,
        },
        regions: Vec::new(),
        odd_times: 0,
        odd_settings: 0,
        track,
    };
    reader.file();
    let (odd_times, odd_settings) = (reader.odd_times, reader.odd_settings);
    track.warn_count(odd_times, "with times that are not understood left out");
    if odd_settings > 0 {
        track.warn(format!(
            "cue settings that are not understood left out: {odd_settings}"
        ));
    }
    track.tidy();
}

/// UTF-8; UTF-16 with a byte order mark; what is none of these is taken for Windows-1252, which holds Latin-1.
fn decode<'a>(bytes: &'a [u8], track: &mut TextTrack) -> Cow<'a, str> {
    if let Some((encoding, skipped)) = encoding_rs::Encoding::for_bom(bytes) {
        let rest = bytes.get(skipped..).unwrap_or_default();
        let (text, is_broken) = encoding.decode_without_bom_handling(rest);
        if is_broken {
            track.warn(format!(
                "it is not quite {}: some characters are lost",
                encoding.name()
            ));
        }
        return text;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => {
            track.warn("it is not UTF-8: taken for Windows-1252 (Latin-1)");
            encoding_rs::WINDOWS_1252.decode_without_bom_handling(bytes).0
        }
    }
}

struct Reader<'a> {
    lines: &'a [&'a str],
    dialect: Dialect,
    /// Ids of the regions so far.
    regions: Vec<String>,
    odd_times: usize,
    odd_settings: usize,
    track: &'a mut TextTrack,
}

impl Reader<'_> {
    fn file(&mut self) {
        let arrows: Vec<usize> = (0..self.lines.len())
            .filter(|at| is_times(self.line(*at)))
            .collect();
        let first = arrows.first().copied().unwrap_or(self.lines.len());
        if self.dialect == Dialect::WebVtt {
            self.preamble(first);
        }
        for (index, &at) in arrows.iter().enumerate() {
            let next = arrows.get(index + 1).copied().unwrap_or(self.lines.len());
            if self.track.cues.len() > super::MAX_CUES {
                self.track
                    .warn("there are too many cues: what follows is left out");
                return;
            }
            self.cue(at, next);
        }
    }

    fn line(&self, at: usize) -> &str {
        self.lines.get(at).copied().unwrap_or_default()
    }

    /// A cue whose times are in line `at`; the next times are in line `next`.
    fn cue(&mut self, at: usize, next: usize) {
        let Some((start_ms, end_ms, rest)) = times(self.line(at)) else {
            self.odd_times += 1;
            return;
        };
        let is_webvtt = self.dialect == Dialect::WebVtt;
        let mut id = String::new();
        let before = |lines: usize| at.checked_sub(lines).map(|at| self.line(at));
        // What follows text without a blank line is text.
        if let Some(before) = before(1).filter(|line| is_webvtt && before(2) == Some("") && !is_times(line)) {
            id = super::cue_id(before);
        }
        let (written, odd) = match is_webvtt {
            true => settings::clean(rest, &self.regions),
            // Players of SubRip put coordinates here that nobody uses.
            false => (String::new(), 0),
        };
        let body = self.lines.get(at + 1..next).unwrap_or_default();
        let text = match is_webvtt {
            true => body
                .split(|line| line.is_empty())
                .next()
                .unwrap_or_default()
                .join("\n"),
            false => subrip_text(body, next < self.lines.len()).join("\n"),
        };
        let converted = convert(&text, self.dialect, Style::default());
        self.odd_settings += odd;
        self.track.cues.push(Cue {
            id,
            start_ms,
            end_ms,
            settings: match written.is_empty() {
                true => converted.settings,
                false => written,
            },
            text: converted.text,
        });
    }

    /// Style sheets and regions before the first cue, whose times are in line `end`.
    fn preamble(&mut self, end: usize) {
        let lines = self.lines.get(..end).unwrap_or_default();
        let mut bytes = 0;
        for block in lines.split(|line| line.is_empty()).skip(1) {
            let Some((first, rest)) = block.split_first() else {
                continue;
            };
            let kind = first.trim_end();
            if !["STYLE", "REGION"].contains(&kind) || rest.is_empty() {
                continue;
            }
            let body = match kind {
                "REGION" => {
                    let (id, body) = settings::region(&rest.join(" "));
                    self.regions.extend(id);
                    body
                }
                _ => rest.join("\n").replace('\0', "\u{fffd}"),
            };
            if body.is_empty() {
                continue;
            }
            let block = format!("{kind}\n{body}");
            bytes += block.len();
            if bytes > MAX_PREAMBLE || self.track.preamble.len() >= MAX_BLOCKS {
                self.track
                    .warn("there are too many style sheets and regions: what follows is left out");
                return;
            }
            self.track.preamble.push(block);
        }
    }
}

/// The text of a SubRip cue, which may hold blank lines: all up to the number of the next cue.
fn subrip_text<'a>(body: &'a [&'a str], has_next: bool) -> &'a [&'a str] {
    let is_number = |line: &&str| {
        let line = line.trim();
        !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
    };
    match body.split_last() {
        Some((last, text)) if has_next && is_number(last) => text,
        _ => body,
    }
}

/// Whether a line is meant to hold the times of a cue. A shorter arrow is one only between two whole times.
fn is_times(line: &str) -> bool {
    let is_short_arrow = || {
        let (start, end) = line.split_once("->")?;
        (start.matches(':').count() == 2 && end.matches(':').count() >= 2).then(|| times(line))?
    };
    line.contains("-->") || is_short_arrow().is_some()
}

/// The times of a cue and the rest of their line. Before zero is zero.
fn times(line: &str) -> Option<(u64, u64, &str)> {
    let (start, rest) = line.split_once("->")?;
    let rest = rest.trim_start();
    let end = rest.split([' ', '\t']).next()?;
    // "00:00:01, 500": a blank within the time.
    let (end_ms, after) = match time(end) {
        Some(ms) if !end.ends_with([',', '.', ':']) => (ms, rest.get(end.len()..)?),
        _ => (time(rest)?, ""),
    };
    Some((time(start.trim_end_matches('-'))?, end_ms, after.trim()))
}

/// A time in milliseconds: hours, minutes, seconds, and a fraction behind a comma or a point. What is missing is zero.
pub(super) fn time(text: &str) -> Option<u64> {
    let compact: String = text
        .chars()
        .filter(|c| !c.is_whitespace())
        .take(MAX_TIME)
        .collect();
    let is_negative = compact.starts_with('-');
    let compact = compact.trim_start_matches('-');
    let (whole, fraction) = compact.split_once([',', '.']).unwrap_or((compact, ""));
    let mut parts: Vec<&str> = whole.split(':').collect();
    let mut fraction = fraction;
    if let &[_, _, _, last] = parts.as_slice() {
        // A colon before the milliseconds.
        fraction = last;
        parts.pop();
    }
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    let mut seconds = 0_u64;
    for part in parts {
        if part.is_empty() || part.len() > 6 || !part.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = fraction.bytes().chain(std::iter::repeat(b'0')).take(3);
    let ms = digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'));
    Some(if is_negative { 0 } else { seconds * 1000 + ms })
}

const MAX_PREAMBLE: usize = 16 * 1024;
const MAX_BLOCKS: usize = 50;
const MAX_TIME: usize = 32;
