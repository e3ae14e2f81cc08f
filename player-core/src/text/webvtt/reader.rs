//! The blocks of a file (section 6.1 of the specification).

use super::settings::{Region, Settings};
use super::timestamp::{self, TimestampMap};
use super::{Entry, MAX_BLOCKS, MAX_BYTES, MAX_CUES, Slice, WebVtt, WebVttError};
use crate::presentation::Warning;
use crate::time::MediaTime;

/// No more than so many are worth reading.
const MAX_WARNINGS: usize = 100;
const TIMESTAMP_MAP: &str = "X-TIMESTAMP-MAP=";

/// A line, without its end.
#[derive(Clone, Copy)]
struct Line<'a> {
    text: &'a str,
    slice: Slice,
    number: u32,
}

struct Lines<'a> {
    text: &'a str,
    at: usize,
    number: u32,
}

enum Block {
    Cue(Entry),
    /// Its times are not understood.
    Malformed,
    /// A comment, or something unknown.
    Other,
    Region,
    Style,
}

pub(super) fn read(bytes: &[u8]) -> Result<WebVtt, WebVttError> {
    let text = decode(bytes);
    let mut reader = Reader {
        lines: Lines {
            text: &text,
            at: 0,
            number: 1,
        },
        vtt: WebVtt::default(),
    };
    reader.file()?;
    let mut vtt = reader.vtt;
    if bytes.len() > MAX_BYTES {
        let line = text.bytes().filter(|b| *b == b'\n').count() as u32 + 1;
        // Said even if so much else was odd that there is no room for it.
        vtt.warnings.truncate(MAX_WARNINGS - 1);
        vtt.warnings.push(Warning {
            line,
            message: "the file is too long: what follows is left out".to_owned(),
        });
    }
    vtt.text = text;
    Ok(vtt)
}

/// The text with LF as the only line end and without NUL and byte order mark; as much of it as is read, up to a blank line.
fn decode(bytes: &[u8]) -> String {
    let head = bytes.get(..MAX_BYTES).unwrap_or(bytes);
    let mut text = String::with_capacity(head.len());
    for chunk in head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(at) = rest.find(['\r', '\0']) {
            let (before, after) = rest.split_at_checked(at).unwrap_or_default();
            text.push_str(before);
            let is_nul = after.starts_with('\0');
            text.push(if is_nul { char::REPLACEMENT_CHARACTER } else { '\n' });
            let after = after.get(1..).unwrap_or_default();
            rest = if is_nul {
                after
            } else {
                after.strip_prefix('\n').unwrap_or(after)
            };
        }
        text.push_str(rest);
        if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    if head.len() < bytes.len() {
        let blank = text.as_bytes().windows(2).rposition(|two| two == b"\n\n");
        text.truncate(blank.unwrap_or(text.len()));
    }
    text
}

struct Reader<'a> {
    lines: Lines<'a>,
    vtt: WebVtt,
}

impl<'a> Reader<'a> {
    fn file(&mut self) -> Result<(), WebVttError> {
        let first = self.lines.next();
        let title = first.and_then(|line| {
            let title = line.text.strip_prefix("WEBVTT")?;
            (title.is_empty() || title.starts_with([' ', '\t']))
                .then(|| line.part(title.trim_matches([' ', '\t'])))
        });
        self.vtt.title = title.ok_or_else(|| self.not_webvtt())?;
        self.header();
        while let Some(line) = self.lines.next() {
            if line.text.is_empty() {
                continue;
            }
            self.lines.back(line);
            let (block, slice) = self.block();
            match block {
                Block::Cue(_) if self.vtt.entries.len() == MAX_CUES => {
                    self.warn(line.number, "there are too many cues: what follows is left out");
                    return Ok(());
                }
                Block::Cue(entry) => self.cue(line.number, entry),
                Block::Malformed => {}
                Block::Other => self.other(line),
                Block::Region => self.region(line.number, slice),
                Block::Style => self.style(line.number, slice),
            }
        }
        Ok(())
    }

    /// The lines behind the first one, up to a blank one or a cue.
    fn header(&mut self) {
        let mut slice: Option<Slice> = None;
        while let Some(line) = self.lines.next() {
            if has_arrow(line.text) {
                self.lines.back(line);
                break;
            }
            if line.text.is_empty() {
                break;
            }
            slice = Some(joined(slice, line.slice));
            if let Some(value) = line.text.strip_prefix(TIMESTAMP_MAP) {
                self.timestamp_map(line.number, value);
            }
        }
        self.vtt.header = slice.unwrap_or_default();
    }

    fn timestamp_map(&mut self, number: u32, value: &str) {
        match TimestampMap::parse(value) {
            Some(map) => {
                if map.mpegts >> 33 != 0 {
                    self.warn(number, "MPEGTS has more than 33 bits");
                }
                self.vtt.timestamp_map = Some(map);
            }
            None => self.warn(number, "X-TIMESTAMP-MAP is malformed"),
        }
    }

    /// A block that begins with the next line, and the lines of it that are neither its identifier nor its times.
    fn block(&mut self) -> (Block, Slice) {
        let mut block = Block::Other;
        let mut slice = None;
        let mut seen_arrow = false;
        let mut count = 0;
        while let Some(line) = self.lines.next() {
            count += 1;
            if has_arrow(line.text) {
                if count > 2 || seen_arrow {
                    // The next one begins here, without a blank line between them.
                    self.lines.back(line);
                    break;
                }
                seen_arrow = true;
                match times(line) {
                    Some((start, end, settings)) => {
                        let id = slice.take().unwrap_or_default();
                        let text = Slice::default();
                        block = Block::Cue(Entry {
                            start,
                            end,
                            id,
                            settings,
                            text,
                        });
                    }
                    None => {
                        block = Block::Malformed;
                        self.warn(line.number, "the times of a cue are malformed: it is left out");
                    }
                }
                continue;
            }
            if line.text.is_empty() {
                break;
            }
            if count == 2
                && self.vtt.entries.is_empty()
                && let Some(first) = slice.filter(|_| matches!(block, Block::Other))
            {
                let kind = match first.of(self.lines.text).trim_end_matches([' ', '\t']) {
                    "STYLE" => Some(Block::Style),
                    "REGION" => Some(Block::Region),
                    _ => None,
                };
                if let Some(kind) = kind {
                    block = kind;
                    slice = None;
                }
            }
            slice = Some(joined(slice, line.slice));
        }
        let slice = slice.unwrap_or_default();
        if let Block::Cue(entry) = &mut block {
            entry.text = slice;
        }
        (block, slice)
    }

    fn cue(&mut self, number: u32, entry: Entry) {
        if entry.end <= entry.start {
            self.warn(number, "a cue ends before it begins");
        }
        let mut odd = Vec::new();
        Settings::parse(
            entry.settings.of(self.lines.text),
            &self.vtt.regions,
            &mut |setting| {
                note(&mut odd, "setting", setting);
            },
        );
        let number = number + u32::from(entry.id != Slice::default());
        self.warn_all(number, odd);
        self.vtt.entries.push(entry);
    }

    fn region(&mut self, number: u32, slice: Slice) {
        let mut odd = Vec::new();
        let region = Region::parse(slice.of(self.lines.text), &mut |setting| {
            note(&mut odd, "region setting", setting);
        });
        self.warn_all(number, odd);
        if self.vtt.regions.len() < MAX_BLOCKS {
            self.vtt.regions.push(region);
        } else {
            self.warn(number, "there are too many regions: it is left out");
        }
    }

    fn style(&mut self, number: u32, slice: Slice) {
        if self.vtt.styles.len() < MAX_BLOCKS {
            self.vtt.styles.push(slice);
        } else {
            self.warn(number, "there are too many style sheets: it is left out");
        }
    }

    fn other(&mut self, first: Line<'a>) {
        let word = first.text.split([' ', '\t']).next().unwrap_or_default();
        match word {
            "NOTE" => {}
            "STYLE" | "REGION" if !self.vtt.entries.is_empty() => {
                self.warn(
                    first.number,
                    "a style sheet or region behind the first cue is left out",
                );
            }
            _ => match first.text.strip_prefix(TIMESTAMP_MAP) {
                // In the wrong place, but there is no doubt what it means.
                Some(value) => self.timestamp_map(first.number, value),
                None => self.warn(first.number, "a block that is no cue is left out"),
            },
        }
    }

    fn not_webvtt(&self) -> WebVttError {
        let start = self.lines.text.trim_ascii_start();
        let is_html = ["<html", "<!doctype html"].iter().any(|html| {
            let head = start.get(..html.len());
            head.is_some_and(|head| head.eq_ignore_ascii_case(html))
        });
        if is_html {
            return WebVttError::Html;
        }
        WebVttError::NotWebVtt(shown(start))
    }

    fn warn(&mut self, line: u32, message: &str) {
        self.warn_all(line, vec![message.to_owned()]);
    }

    fn warn_all(&mut self, line: u32, messages: Vec<String>) {
        for message in messages {
            if self.vtt.warnings.len() < MAX_WARNINGS {
                self.vtt.warnings.push(Warning { line, message });
            }
        }
    }
}

impl<'a> Lines<'a> {
    fn next(&mut self) -> Option<Line<'a>> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = rest.find('\n').unwrap_or(rest.len());
        let line = Line {
            text: rest.get(..length)?,
            slice: Slice {
                start: self.at as u32,
                end: (self.at + length) as u32,
            },
            number: self.number,
        };
        self.at += length + 1;
        self.number += 1;
        Some(line)
    }

    /// Makes this line the next one again.
    fn back(&mut self, line: Line<'a>) {
        self.at = line.slice.start as usize;
        self.number = line.number;
    }
}

impl Line<'_> {
    /// Where a part of the line is in the text.
    fn part(&self, part: &str) -> Slice {
        let before = part.as_ptr() as usize - self.text.as_ptr() as usize;
        let start = self.slice.start + before as u32;
        Slice {
            start,
            end: start + part.len() as u32,
        }
    }
}

/// The times of a cue, and the rest of the line.
fn times(line: Line<'_>) -> Option<(MediaTime, MediaTime, Slice)> {
    let (start, rest) = timestamp::take(line.text.trim_ascii_start())?;
    let rest = rest.trim_ascii_start().strip_prefix("-->")?;
    let (end, rest) = timestamp::take(rest.trim_ascii_start())?;
    Some((start, end, line.part(rest.trim_ascii())))
}

fn has_arrow(line: &str) -> bool {
    line.as_bytes().windows(3).any(|three| three == b"-->")
}

/// From the first line to this one, which follows it.
fn joined(slice: Option<Slice>, line: Slice) -> Slice {
    Slice {
        start: slice.map_or(line.start, |slice| slice.start),
        end: line.end,
    }
}

fn note(odd: &mut Vec<String>, what: &str, setting: &str) {
    if odd.len() < MAX_WARNINGS {
        odd.push(format!("the {what} \"{}\" is not understood", shown(setting)));
    }
}

/// The beginning of a text, for people.
fn shown(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().take(40) {
        out.push(if c.is_control() { ' ' } else { c });
    }
    out
}
