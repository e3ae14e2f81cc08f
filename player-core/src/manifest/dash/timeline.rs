//! `SegmentTimeline` (ISO/IEC 23009-1, 5.3.9.6): read fast, kept as written in few bytes, and turned into runs of segments, which
//! mostly they are already. What a newer version of one repeats is not read again.

use std::sync::Arc;

use memchr::memchr;

use super::xml::{self, Attributes, Node, Reader, Tag};
use scan::fingerprint;

use crate::manifest::{MAX_ENTRIES, ManifestError};
use crate::presentation::{Jump, Mark, Run, Runs};

/// Runs without an end: those of a live presentation go on until it says otherwise.
pub(super) const ENDLESS: u64 = 1 << 48;
/// Of the version before, so many timelines are compared to find the one that goes on.
const CANDIDATES: usize = 64;
/// One chunk in so many is compared with the version before, others at the next ones.
const COMPARED: usize = 32;

/// The `S` elements of a `SegmentTimeline`.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Those that are a run each: they say neither `@n` nor `@k`, do not go on without an end, and are in order.
    runs: Arc<Runs>,
    /// From the first one on that is not.
    rest: Vec<S>,
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

/// Reads the content of the `SegmentTimeline` that has just been opened, and its end. `older` are the timelines of the version before,
/// in the order of the text: those up to the one that this one continues are taken off.
pub(super) fn read(
    reader: &mut Reader<'_>,
    tag: Tag<'_>,
    older: &mut &[&Timeline],
) -> Result<Timeline, ManifestError> {
    let mut building = Building::default();
    if tag.empty {
        return Ok(building.build());
    }
    if !older.is_empty()
        && let Some(resumed) = resume(reader.rest(), older)
    {
        let (from, line) = (reader.at(), reader.line());
        let (bytes, lines) = resumed.opened;
        building.opened = (from + bytes, line + lines);
        building.marked = resumed.runs.chunks();
        building.runs = resumed.runs;
        reader.advance(resumed.bytes, resumed.lines);
    }
    loop {
        building.scan(reader);
        if building.len() > MAX_ENTRIES {
            return Err(reader.limit("too many S", MAX_ENTRIES));
        }
        // Its end, or something unusual.
        let here = (reader.at(), reader.line());
        match reader.next()? {
            Node::Start(tag) => {
                if tag.name() == "S" {
                    building.close(reader, here);
                    building.push(S::read(tag.attributes()));
                }
                reader.raw(tag)?;
            }
            Node::End => {
                building.close(reader, here);
                if building.rest.is_empty() {
                    building.runs.set_tail_mark(building.mark(reader, here));
                }
                return Ok(building.build());
            }
            Node::Text(_) | Node::Literal(_) | Node::Eof => {}
        }
    }
}

/// A timeline that is being read.
#[derive(Default)]
struct Building {
    runs: Runs,
    rest: Vec<S>,
    /// Where the text of the current chunk begins, and its line.
    opened: (usize, u32),
    /// Chunks whose text is known.
    marked: usize,
}

impl Building {
    fn len(&self) -> usize {
        self.runs.len() + self.rest.len()
    }

    fn push(&mut self, s: S) {
        push(&mut self.runs, &mut self.rest, s);
    }

    /// Something begins here, and with it the text of the first chunk or of the one after a chunk that has just become complete.
    fn close(&mut self, reader: &Reader<'_>, here: (usize, u32)) {
        if self.runs.chunks() > self.marked {
            self.runs.set_mark(self.mark(reader, here));
            self.marked = self.runs.chunks();
            self.opened = here;
        } else if self.runs.is_empty() {
            self.opened = here;
        }
    }

    /// The text of the current chunk, which ends here.
    fn mark(&self, reader: &Reader<'_>, here: (usize, u32)) -> Mark {
        let text = reader.between(self.opened.0, here.0);
        Mark {
            bytes: text.len() as u32,
            lines: here.1 - self.opened.1,
            hash: fingerprint(text) as u32,
        }
    }

    /// Reads `S` elements in the form that everyone writes, up to anything else.
    fn scan(&mut self, reader: &mut Reader<'_>) {
        let text = reader.rest();
        let (start, line) = (reader.at(), reader.line());
        let (mut at, mut lines) = (0, 0);
        loop {
            space(text, &mut at, &mut lines);
            let Some((s, end)) = element(text, at) else { break };
            if self.len() > MAX_ENTRIES {
                break;
            }
            self.close(reader, (start + at, line + lines));
            self.push(s);
            at = end;
        }
        reader.advance(at, lines);
    }

    fn build(self) -> Timeline {
        Timeline {
            runs: Arc::new(self.runs),
            rest: self.rest,
        }
    }
}

/// Passes over space, and counts the line breaks in it.
fn space(text: &[u8], at: &mut usize, lines: &mut u32) {
    while let Some(byte @ (b' ' | b'\n' | b'\t' | b'\r')) = text.get(*at) {
        *lines += u32::from(*byte == b'\n');
        *at += 1;
    }
}

/// Reads `<S t="1" d="2"/>`, if it is in that form and on one line; also where it ends.
#[inline(always)]
fn element(text: &[u8], mut at: usize) -> Option<(S, usize)> {
    let byte = |at: usize| text.get(at).copied().unwrap_or(0);
    if !(byte(at) == b'<' && byte(at + 1) == b'S' && byte(at + 2) == b' ') {
        return None;
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
            return Some((s, at + 2));
        }
        if name == b'>' && text.get(at + 1..at + 5) == Some(b"</S>") {
            return Some((s, at + 5));
        }
        let quote = byte(at + 2);
        if byte(at + 1) != b'=' || !matches!(quote, b'"' | b'\'') {
            return None;
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
            return None;
        }
        at += 1;
        match name {
            b't' => s.t = Some(value),
            b'd' => s.d = value,
            b'r' if negative => s.r = -(value as i64),
            b'r' => s.r = value as i64,
            b'n' => s.n = Some(value),
            b'k' => s.k = value,
            _ => return None,
        }
    }
}

/// What a newer version of a timeline repeats.
struct Resumed {
    /// As it was up to a place.
    runs: Runs,
    /// How much of the text that is, and the line breaks in it.
    bytes: usize,
    lines: u32,
    /// The same, up to the chunk that has been begun.
    opened: (usize, u32),
}

/// Finds the timeline that this one goes on with, and what of it need not be read again.
fn resume(text: &[u8], older: &mut &[&Timeline]) -> Option<Resumed> {
    let (mut at, mut lines) = (0, 0);
    space(text, &mut at, &mut lines);
    let (first, end) = element(text, at)?;
    for i in 0..older.len().min(CANDIDATES) {
        if let Some(resumed) = older
            .get(i)
            .and_then(|older| older.resumed(text, first, end, lines))
        {
            *older = older.get(i + 1..).unwrap_or_default();
            return Some(resumed);
        }
    }
    None
}

impl Timeline {
    /// What a newer text repeats, which begins with an `S` up to `at` bytes and `lines` line breaks.
    fn resumed(&self, text: &[u8], first: S, mut at: usize, mut lines: u32) -> Option<Resumed> {
        let start = i64::try_from(first.t?).ok()?;
        let (gone, run, within) = self.runs.find(start)?;
        (run.declared || run.first + within > 0).then_some(())?;
        let same = s_of(Run {
            count: run.count - within,
            ..run
        });
        (first.d == same.d && first.r == same.r && first.n.is_none() && first.k == 1).then_some(())?;
        // What is left of its chunk is passed over unread: if it is not what it was, then what follows is not where it must be.
        let (place, from) = self.runs.next_chunk(gone);
        let mut left = place - gone - 1;
        loop {
            let gap = memchr(b'<', text.get(at..)?)?;
            lines += text.get(at..at + gap)?.iter().filter(|b| **b == b'\n').count() as u32;
            at += gap;
            if left == 0 {
                break;
            }
            left -= usize::from(text.get(at + 1) == Some(&b'S'));
            at += 1;
        }
        let mut chunk = from;
        let mut opened = (at, lines);
        while let Some(mark) = self.runs.mark(chunk) {
            let is_there = |after| self.runs.mark(chunk + after).is_some();
            let end = at + mark.bytes as usize;
            // Its turn comes, and what is at either end is compared always.
            let compared =
                (self.runs.turn() + chunk).is_multiple_of(COMPARED) || chunk == from || !is_there(2);
            if compared && text.get(at..end).map(|text| fingerprint(text) as u32) != Some(mark.hash) {
                // The last one may have grown.
                if is_there(1) {
                    return None;
                }
                break;
            }
            opened = (at, lines);
            (at, lines) = (end, lines + mark.lines);
            chunk += 1;
        }
        if chunk <= self.runs.chunks() {
            opened = (at, lines);
        }
        (chunk > from).then(|| Resumed {
            runs: self.runs.continued(chunk, gone, run.first + within),
            bytes: at,
            lines,
            opened,
        })
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

/// The segments of a timeline.
#[derive(Debug, PartialEq)]
pub(super) struct Timed {
    pub(super) runs: Arc<Runs>,
    /// How many of their segments are meant.
    pub(super) len: u64,
    pub(super) jumps: Vec<Jump>,
}

impl PartialEq for Timeline {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Timeline {
    /// How many `S` there are.
    pub fn len(&self) -> usize {
        self.runs.len() + self.rest.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An `S` by its position.
    pub fn get(&self, position: usize) -> Option<S> {
        match position.checked_sub(self.runs.len()) {
            Some(position) => self.rest.get(position).copied(),
            None => self.runs.get(position).map(s_of),
        }
    }

    /// All of them in order.
    pub fn iter(&self) -> impl Iterator<Item = S> + '_ {
        self.runs.iter().map(s_of).chain(self.rest.iter().copied())
    }

    /// Puts an `S` before the one at a position, or at the end.
    pub(super) fn insert(&mut self, position: usize, s: S) {
        if position >= self.len() {
            push(Arc::make_mut(&mut self.runs), &mut self.rest, s);
        } else {
            let all = self.as_written();
            all.insert(position, s);
        }
    }

    pub(super) fn remove(&mut self, position: usize) {
        // That the next one follows from it must not be lost.
        if position == 0 && self.runs.get(1).is_some_and(|next| next.declared) {
            Arc::make_mut(&mut self.runs).remove_first();
        } else if position < self.len() {
            self.as_written().remove(position);
        }
    }

    pub(super) fn replace(&mut self, position: usize, s: S) {
        if let Some(old) = self.as_written().get_mut(position) {
            *old = s;
        }
    }

    /// All of them as a list, to change any: see [`Self::settle`].
    fn as_written(&mut self) -> &mut Vec<S> {
        if !self.runs.is_empty() {
            self.rest = self.iter().collect();
            self.runs = Arc::default();
        }
        &mut self.rest
    }

    /// After changes: what are runs becomes runs again.
    pub(super) fn settle(&mut self) {
        if self.runs.is_empty() {
            let mut building = Building::default();
            for s in self.rest.drain(..) {
                building.push(s);
            }
            *self = building.build();
        }
    }

    /// The segments as runs of the media timeline; the first one's number is `start_number` unless it says another.
    pub(super) fn timed(&self, span: &Span, start_number: u64) -> Timed {
        if self.rest.is_empty() {
            return Timed {
                runs: self.runs.clone(),
                // What begins after the period is not in it.
                len: span.end.map_or(u64::MAX, |end| self.runs.segments_before(end)),
                jumps: Vec::new(),
            };
        }
        let mut runs = Runs::default();
        let mut jumps = Vec::new();
        // The number that comes next, and how many segments have each.
        let (mut number, mut sequence) = (start_number, 1);
        let mut time: i64 = 0;
        let mut all = self.iter().peekable();
        while let Some(s) = all.next() {
            if let Some(t) = start_of(&s) {
                // Backwards would overlap what is there: keep the order.
                time = t.max(time);
            }
            if s.d == 0 || i64::try_from(s.d).is_err() {
                continue;
            }
            // Up to a time, rounded up.
            let until = |end: i64| {
                let span = end.saturating_sub(time).max(0) as u64;
                span.div_ceil(s.d)
            };
            let mut count = if s.r >= 0 {
                s.r as u64 + 1
            } else {
                // Up to the next S that says its time, else the end of the period.
                match (all.peek().and_then(start_of), span.end) {
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
            // More segments than ticks there cannot be.
            let k = s.k.clamp(1, s.d);
            if s.n.is_some_and(|n| n != number) || k != sequence {
                number = s.n.unwrap_or(number);
                sequence = k;
                jumps.push(Jump {
                    position: runs.segments(),
                    number,
                    sequence,
                });
            }
            let run = Run {
                start: time,
                duration: s.d,
                count,
                ..Run::default()
            };
            push_sequences(&mut runs, &run, sequence);
            number = number.saturating_add(count);
            time = run.end();
        }
        Timed {
            runs: Arc::new(runs),
            len: u64::MAX,
            jumps,
        }
    }
}

/// Adds an `S`: as a run, if it is one and all before it are.
fn push(runs: &mut Runs, rest: &mut Vec<S>, s: S) {
    if rest.is_empty() && s.r >= 0 && s.n.is_none() && s.k == 1 && s.d <= i64::MAX as u64 {
        let end = if runs.is_empty() { 0 } else { runs.end() };
        let start = s.t.map_or(Some(end), |t| i64::try_from(t).ok());
        if start.is_some_and(|start| runs.push(start, s.d, s.r as u64 + 1, s.t.is_some())) {
            return;
        }
    }
    rest.push(s);
}

fn s_of(run: Run) -> S {
    S {
        t: run.declared.then_some(run.start as u64),
        d: run.duration,
        r: (run.count - 1) as i64,
        n: None,
        k: 1,
    }
}

fn start_of(s: &S) -> Option<i64> {
    i64::try_from(s.t?).ok()
}

/// Adds a run whose segments are sequences of `sequence` segments each.
fn push_sequences(runs: &mut Runs, run: &Run, sequence: u64) {
    if run.duration.is_multiple_of(sequence) {
        let count = run.count.saturating_mul(sequence);
        runs.push(run.start, run.duration / sequence, count, false);
        return;
    }
    // The last segment of each sequence is some ticks longer: they begin where they must one by one.
    let room = (2 * MAX_ENTRIES).saturating_sub(runs.len());
    for i in 0..run.count.min(room as u64) {
        runs.push(run.tick(i), run.duration / sequence, sequence, false);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{Mpd, tree};
    use super::*;

    #[test]
    fn what_is_repeated_is_shared() {
        let text = |from: u64, to: u64| {
            let all: String = (from..to)
                .map(|i| format!("<S t=\"{}\" d=\"{}\"/>\n", 100 * i + i % 7, 90))
                .collect();
            format!("<MPD><SegmentTimeline>\n{all}</SegmentTimeline></MPD>")
        };
        let mut mpd = Mpd::parse(text(0, 1000), "https://h/").unwrap();
        let timeline = |mpd: &Mpd| mpd.root().children()[0].timeline().unwrap().clone();
        for (from, to, shared) in [
            (0, 1001, 15),
            (10, 1001, 15),
            (200, 1050, 12),
            (990, 1100, 1),
            (3000, 3100, 0),
        ] {
            let before = timeline(&mpd);
            mpd.refresh(text(from, to), "https://h/").unwrap();
            let after = timeline(&mpd);
            assert_eq!(after.runs.shared(&before.runs), shared, "{from}..{to}");
            let read = tree::document(text(from, to).as_bytes()).unwrap();
            assert_eq!(Some(&after), read.children()[0].timeline());
        }
    }

    #[test]
    fn what_a_patch_changes_is_runs_again() {
        let s = |t, d| S {
            t,
            d,
            k: 1,
            ..S::default()
        };
        let mut timeline = Timeline::default();
        for i in 0..200 {
            timeline.insert(usize::MAX, s(Some(10 * i), 10));
        }
        timeline.replace(100, s(None, 10));
        timeline.insert(50, s(None, 0));
        assert_eq!((timeline.runs.len(), timeline.rest.len()), (0, 201));
        timeline.remove(50);
        timeline.settle();
        assert_eq!((timeline.runs.len(), timeline.rest.len()), (200, 0));
        timeline.remove(0);
        assert_eq!(
            (timeline.runs.len(), timeline.get(0)),
            (199, Some(s(Some(10), 10)))
        );
        // What follows from the first one does not do so any more.
        timeline.replace(1, s(None, 10));
        timeline.remove(0);
        timeline.settle();
        assert_eq!((timeline.get(0), timeline.len()), (Some(s(None, 10)), 198));
    }
}
