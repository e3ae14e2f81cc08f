//! `SegmentTimeline` (ISO/IEC 23009-1, 5.3.9.6): read fast, kept as written, and turned into runs.

use super::xml::{self, Attributes, Node, Reader, Tag};
use crate::manifest::{MAX_ENTRIES, ManifestError};
use crate::presentation::{Jump, Run};

/// Runs without an end: those of a live presentation go on until it says otherwise.
pub(super) const ENDLESS: u64 = 1 << 48;

/// The `S` elements of a `SegmentTimeline`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    entries: Vec<Entry>,
    /// `@n` and `@k` of each entry; empty where none of them has either.
    sequences: Vec<(Option<u64>, u64)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Entry {
    /// [`u64::MAX`] if it is not declared.
    time: u64,
    duration: u64,
    repeat: i64,
}

/// An `S` element: `@d` segments' ticks each, `@r` + 1 of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct S {
    /// `@t`: start of the first one, ticks; where the one before ends if `None`.
    pub t: Option<u64>,
    /// `@d`: duration of each, ticks.
    pub d: u64,
    /// `@r`: how often it is repeated; below 0, up to the next `@t` or the end of the period.
    pub r: i64,
    /// `@n`: number of the first one.
    pub n: Option<u64>,
    /// `@k`: how many segments a sequence has, which lasts `@d`.
    pub k: u64,
}

/// Reads the content of the `SegmentTimeline` that has just been opened, and its end.
pub(super) fn read(reader: &mut Reader<'_>, tag: Tag<'_>) -> Result<Timeline, ManifestError> {
    let mut timeline = Timeline::default();
    if tag.empty {
        return Ok(timeline);
    }
    loop {
        let (bytes, lines) = scan(reader.rest().as_bytes(), &mut timeline);
        reader.advance(bytes, lines);
        if timeline.entries.len() > MAX_ENTRIES {
            return Err(reader.limit("too many S", MAX_ENTRIES));
        }
        // Its end, or something unusual.
        match reader.next()? {
            Node::Start(tag) => {
                if tag.name() == "S" {
                    timeline.push(S::read(tag.attributes()));
                }
                reader.raw(tag)?;
            }
            Node::End => return Ok(timeline),
            Node::Text(_) | Node::Literal(_) | Node::Eof => {}
        }
    }
}

/// Reads `S` elements in the form that everyone writes, up to anything else: `<S t="1" d="2"/>`. Says how many bytes that took and
/// how many line breaks were in them.
fn scan(text: &[u8], timeline: &mut Timeline) -> (usize, u32) {
    let (mut at, mut lines) = (0, 0);
    let byte = |at: usize| text.get(at).copied().unwrap_or(0);
    loop {
        while matches!(byte(at), b' ' | b'\n' | b'\t' | b'\r') {
            lines += u32::from(byte(at) == b'\n');
            at += 1;
        }
        let start = at;
        if !(byte(at) == b'<' && byte(at + 1) == b'S' && byte(at + 2) == b' ')
            || timeline.entries.len() > MAX_ENTRIES
        {
            return (start, lines);
        }
        at += 3;
        let mut s = S { k: 1, ..S::default() };
        loop {
            let name = byte(at);
            if name == b' ' {
                at += 1;
                continue;
            }
            if name == b'/' && byte(at + 1) == b'>' {
                at += 2;
                break;
            }
            if name == b'>' && text.get(at + 1..at + 5) == Some(b"</S>") {
                at += 5;
                break;
            }
            let quote = byte(at + 2);
            if byte(at + 1) != b'=' || !matches!(quote, b'"' | b'\'') {
                return (start, lines);
            }
            at += 3;
            let negative = byte(at) == b'-';
            at += usize::from(negative);
            let first = at;
            let mut value: u64 = 0;
            while byte(at).is_ascii_digit() {
                value = value.wrapping_mul(10).wrapping_add(u64::from(byte(at) - b'0'));
                at += 1;
            }
            // 18 digits never overflow.
            if byte(at) != quote || !(1..=18).contains(&(at - first)) || (negative && name != b'r') {
                return (start, lines);
            }
            at += 1;
            match name {
                b't' => s.t = Some(value),
                b'd' => s.d = value,
                b'r' if negative => s.r = -(value as i64),
                b'r' => s.r = value as i64,
                b'n' => s.n = Some(value),
                b'k' => s.k = value,
                _ => return (start, lines),
            }
        }
        timeline.push(s);
    }
}

impl S {
    pub(super) fn read(attributes: Attributes<'_>) -> Self {
        let mut s = Self {
            k: 1,
            ..Self::default()
        };
        for (name, value) in attributes {
            let value = xml::unescape(value);
            let value = value.trim();
            match name {
                "t" => s.t = value.parse().ok(),
                "d" => s.d = value.parse().unwrap_or(0),
                "r" => s.r = value.parse().unwrap_or(0),
                "n" => s.n = value.parse().ok(),
                "k" => s.k = value.parse().unwrap_or(1),
                _ => {}
            }
        }
        s
    }

    /// Sets or, with `None`, takes away an attribute; `false` if it cannot be done.
    pub(super) fn set(&mut self, name: &str, value: Option<&str>) -> bool {
        let value = value.map(str::trim);
        let number = value.and_then(|value| value.parse().ok());
        let count = value.and_then(|value| value.parse().ok());
        let is_number = if name == "r" {
            count.is_some()
        } else {
            number.is_some()
        };
        if value.is_some() && !is_number {
            return false;
        }
        match (name, number) {
            ("r", _) => self.r = count.unwrap_or(0),
            ("t", _) => self.t = number,
            ("n", _) => self.n = number,
            ("d", Some(d)) => self.d = d,
            ("k", _) => self.k = number.unwrap_or(1),
            _ => return false,
        }
        true
    }
}

/// What a timeline says in a period.
pub(super) struct Span {
    /// Its end, ticks of the media timeline, if known.
    pub(super) end: Option<i64>,
    /// Segments may still be added: what has no end goes on.
    pub(super) live: bool,
}

/// Runs, and how their segments are numbered.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Runs {
    pub(super) runs: Vec<Run>,
    pub(super) jumps: Vec<Jump>,
}

impl Timeline {
    /// How many `S` there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// An `S` by its position.
    pub fn get(&self, position: usize) -> Option<S> {
        let entry = self.entries.get(position)?;
        let (n, k) = self.sequences.get(position).copied().unwrap_or((None, 1));
        Some(S {
            t: (entry.time != u64::MAX).then_some(entry.time),
            d: entry.duration,
            r: entry.repeat,
            n,
            k,
        })
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = S> + '_ {
        (0..self.len()).filter_map(|i| self.get(i))
    }

    pub(super) fn push(&mut self, s: S) {
        self.insert(self.entries.len(), s);
    }

    pub(super) fn insert(&mut self, position: usize, s: S) {
        let position = position.min(self.entries.len());
        if self.sequences.is_empty() && (s.n.is_some() || s.k != 1) {
            self.sequences = vec![(None, 1); self.entries.len()];
        }
        let entry = Entry {
            time: s.t.unwrap_or(u64::MAX),
            duration: s.d,
            repeat: s.r,
        };
        self.entries.insert(position, entry);
        if !self.sequences.is_empty() || s.n.is_some() || s.k != 1 {
            self.sequences.insert(position, (s.n, s.k));
        }
    }

    pub(super) fn remove(&mut self, position: usize) {
        if position < self.entries.len() {
            self.entries.remove(position);
        }
        if position < self.sequences.len() {
            self.sequences.remove(position);
        }
    }

    pub(super) fn replace(&mut self, position: usize, s: S) {
        self.remove(position);
        self.insert(position, s);
    }

    /// The segments as runs of the media timeline; the first one's number is `start_number` unless it says another.
    pub(super) fn runs(&self, span: &Span, start_number: u64) -> Runs {
        let mut out = Out {
            runs: Vec::with_capacity(self.entries.len()),
            first: 0,
        };
        let mut jumps = Vec::new();
        // The number that comes next, and how many segments have each.
        let (mut number, mut sequence) = (start_number, 1);
        let mut time: i64 = 0;
        for (i, entry) in self.entries.iter().enumerate() {
            if let Ok(t) = i64::try_from(entry.time) {
                // Backwards would overlap what is there: keep the order.
                time = t.max(time);
            }
            let duration = match i64::try_from(entry.duration) {
                Ok(duration) if duration > 0 => duration,
                _ => continue,
            };
            // Up to a time, rounded up.
            let until = |end: i64| {
                let span = end.saturating_sub(time).max(0) as u64;
                span.div_ceil(entry.duration)
            };
            let mut count = if entry.repeat >= 0 {
                entry.repeat as u64 + 1
            } else {
                // Up to the next S that says its time, else the end of the period.
                let next = self
                    .entries
                    .get(i + 1)
                    .and_then(|next| i64::try_from(next.time).ok());
                match (next, span.end) {
                    (Some(next), _) => until(next),
                    (None, Some(end)) => until(end),
                    (None, None) if span.live => ENDLESS,
                    (None, None) => 1,
                }
            };
            // What begins after the period is not in it.
            if let Some(end) = span.end {
                count = count.min(until(end));
            }
            if count == 0 {
                continue;
            }
            if let Some((n, k)) = self.sequences.get(i) {
                // More segments than ticks there cannot be.
                let k = (*k).clamp(1, entry.duration);
                if n.is_some_and(|n| n != number) || k != sequence {
                    number = n.unwrap_or(number);
                    sequence = k;
                    jumps.push(Jump {
                        position: out.first,
                        number,
                        sequence,
                    });
                }
            }
            out.push(time, entry.duration, count, sequence);
            number = number.saturating_add(count);
            let span = i64::try_from(count).ok().and_then(|n| duration.checked_mul(n));
            match span.and_then(|span| time.checked_add(span)) {
                Some(end) => time = end,
                None => break,
            }
        }
        out.runs.shrink_to_fit();
        Runs {
            runs: out.runs,
            jumps,
        }
    }
}

/// Runs that are being made.
struct Out {
    runs: Vec<Run>,
    /// How many segments there are.
    first: u64,
}

impl Out {
    /// Adds `count` sequences of `sequence` segments each.
    fn push(&mut self, start: i64, duration: u64, count: u64, sequence: u64) {
        if duration.is_multiple_of(sequence) {
            return self.run(start, duration / sequence, count.saturating_mul(sequence));
        }
        // The last segment of each sequence is some ticks longer: they begin where they must one by one.
        let room = (2 * MAX_ENTRIES).saturating_sub(self.runs.len());
        for i in 0..count.min(room as u64) {
            let Some(start) = start.checked_add_unsigned(duration.saturating_mul(i)) else {
                break;
            };
            self.run(start, duration / sequence, sequence);
        }
    }

    fn run(&mut self, start: i64, duration: u64, count: u64) {
        match self.runs.last_mut() {
            // It goes on with the run before.
            Some(last) if last.duration == duration && time_after(last) == Some(start) => {
                last.count = last.count.saturating_add(count);
            }
            _ => self.runs.push(Run {
                start,
                duration,
                count,
                first: self.first,
            }),
        }
        self.first = self.first.saturating_add(count);
    }
}

fn time_after(run: &Run) -> Option<i64> {
    let span = run.duration.checked_mul(run.count)?;
    run.start.checked_add(i64::try_from(span).ok()?)
}
