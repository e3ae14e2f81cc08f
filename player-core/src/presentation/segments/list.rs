//! A list of segments in few bytes: what follows from the segment before is not kept.
//!
//! Segments are in blocks of [`BLOCK`], each coded by itself, so that one is found by position or time in O(log n) and decoded in at
//! most that many steps. Most segments are one byte: the same duration as the one before, its URL with a number one higher.

use std::collections::VecDeque;

use scan::steps;
use scan::varint::{self, read, unzigzag, zigzag};

use crate::time::{ByteRange, MediaTime, WallTime};

/// Segments of a block.
pub(crate) const BLOCK: usize = 16;
/// A declared wall-clock time that differs less than this from the one that follows from the segment before is that one, microseconds.
const SAME_WALL_US: i64 = 2000;

/// A segment of the list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) start: MediaTime,
    pub(crate) duration: MediaTime,
    /// As written, not resolved.
    pub(crate) url: String,
    pub(crate) range: Option<ByteRange>,
    pub(crate) gap: bool,
    pub(crate) wall: Option<WallTime>,
    pub(crate) context: Context,
}

/// What changes seldom from one segment to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Context {
    /// 1 + index of the initialization section; 0 if there is none.
    pub(crate) init: u32,
    /// 1 + index of the keys; 0 if there are none.
    pub(crate) keys: u32,
    /// Declared bitrate, kbit/s; 0 if none.
    pub(crate) kbps: u32,
    /// Discontinuity sequence number.
    pub(crate) discontinuity: u64,
}

/// See the module's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    blocks: VecDeque<Block>,
    code: Vec<u8>,
    /// Bytes of code that are gone.
    code_gone: usize,
    /// Segments of the first block that are gone.
    gone: usize,
    len: usize,
    start: MediaTime,
    end: MediaTime,
    last: Entry,
    step: Step,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    start: MediaTime,
    /// Where its code begins, counted with what is gone.
    at: usize,
}

/// How a URL follows from the one before: a number in it rises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    /// Bytes behind the number.
    behind: usize,
    by: i64,
}

/// Bits of the first byte of a segment's code.
mod bit {
    pub(super) const DURATION: u8 = 0x01;
    /// How the URL is coded: by the last step, the same, as text, by a new step.
    pub(super) const URL: u8 = 0x06;
    pub(super) const SAME: u8 = 0x02;
    pub(super) const TEXT: u8 = 0x04;
    pub(super) const STEP: u8 = 0x06;
    pub(super) const RANGE: u8 = 0x08;
    /// The range does not begin where the one before ended.
    pub(super) const OFFSET: u8 = 0x10;
    pub(super) const GAP: u8 = 0x20;
    pub(super) const CONTEXT: u8 = 0x40;
    /// A wall-clock time that does not follow, or that is there no more.
    pub(super) const WALL: u8 = 0x80;
}

impl List {
    /// An empty list, whose first segment starts at `start`.
    pub(crate) fn new(start: MediaTime) -> Self {
        Self {
            start,
            end: start,
            ..Self::default()
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Segments of the first block that are gone.
    pub(crate) const fn gone(&self) -> usize {
        self.gone
    }

    /// Start of the first segment.
    pub(crate) const fn start(&self) -> MediaTime {
        self.start
    }

    /// End of the last segment.
    pub(crate) const fn end(&self) -> MediaTime {
        self.end
    }

    /// Adds a segment right behind the last one. `wall` if it is declared; else it follows from the one before.
    pub(crate) fn push(
        &mut self,
        duration: MediaTime,
        url: &str,
        range: Option<ByteRange>,
        gap: bool,
        wall: Option<WallTime>,
        context: Context,
    ) {
        let opens = (self.gone + self.len).is_multiple_of(BLOCK);
        if opens {
            self.blocks.push_back(Block {
                start: self.end,
                at: self.code_gone + self.code.len(),
            });
        }
        let follows = self.following_wall(&context);
        let before = if opens {
            Entry::default()
        } else {
            core::mem::take(&mut self.last)
        };
        if opens {
            self.step = Step::default();
        }
        let wall = match (wall, follows) {
            (Some(wall), Some(follows)) if wall.since(follows).as_micros().abs() < SAME_WALL_US => {
                Some(follows)
            }
            (Some(wall), _) => Some(wall),
            (None, follows) => follows,
        };
        let flags_at = self.code.len();
        self.code.push(0);
        let mut flags = if gap { bit::GAP } else { 0 };
        if duration != before.duration {
            flags |= bit::DURATION;
            self.number(duration.as_micros().max(0) as u64);
        }
        let mut last = before;
        flags |= self.code_url(&last.url, url);
        if let Some(range) = range {
            flags |= bit::RANGE;
            self.number(range.length);
            if last.range.map(|r| r.offset + r.length) != Some(range.offset) {
                flags |= bit::OFFSET;
                self.number(range.offset);
            }
        }
        if context != last.context {
            flags |= bit::CONTEXT;
            self.number(u64::from(context.init));
            self.number(u64::from(context.keys));
            self.number(u64::from(context.kbps));
            self.number(context.discontinuity);
        }
        let follows = if opens { None } else { follows };
        if wall != follows {
            flags |= bit::WALL;
            // 0 for none; else odd, so that it is never 0.
            let code = wall.map_or(0, |wall| zigzag(wall.as_unix_micros()) << 1 | 1);
            self.number(code);
        }
        if let Some(byte) = self.code.get_mut(flags_at) {
            *byte = flags;
        }
        last.url.clear();
        last.url.push_str(url);
        last.start = self.end;
        last.duration = duration;
        last.range = range;
        last.gap = gap;
        last.wall = wall;
        last.context = context;
        self.last = last;
        self.len += 1;
        self.end += duration;
    }

    /// A segment by position.
    pub(crate) fn get(&self, position: usize) -> Option<Entry> {
        self.decode(position, true)
    }

    /// A segment by position, but for its URL.
    pub(crate) fn facts(&self, position: usize) -> Option<Entry> {
        self.decode(position, false)
    }

    /// The first segment that ends after `t`; `len()` if there is none.
    pub(crate) fn position_at(&self, t: MediaTime) -> usize {
        if t >= self.end {
            return self.len;
        }
        let block = self
            .blocks
            .partition_point(|block| block.start <= t)
            .saturating_sub(1);
        let first = (block * BLOCK).saturating_sub(self.gone);
        let Some(mut cursor) = self.cursor(first) else {
            return self.len;
        };
        while cursor.next_entry(false).is_some() {
            if cursor.entry.start + cursor.entry.duration > t {
                return cursor.position - 1;
            }
        }
        self.len
    }

    /// Removes segments at the front.
    pub(crate) fn remove_first(&mut self, count: usize) {
        let count = count.min(self.len);
        self.start = self.facts(count).map_or(self.end, |entry| entry.start);
        self.len -= count;
        self.gone += count;
        while self.gone >= BLOCK && self.blocks.pop_front().is_some() {
            self.gone -= BLOCK;
        }
        let at = self
            .blocks
            .front()
            .map_or(self.code_gone + self.code.len(), |block| block.at);
        // Now and then, so that each byte is moved seldom.
        if (at - self.code_gone) * 2 > self.code.len() {
            self.code.drain(..at - self.code_gone);
            self.code_gone = at;
        }
    }

    /// Removes segments at the end, so that `len` are left.
    pub(crate) fn truncate(&mut self, len: usize) {
        if len >= self.len {
            return;
        }
        let block = (self.gone + len) / BLOCK;
        let first = (block * BLOCK).saturating_sub(self.gone);
        // A block is coded from its start on: what is left of it is coded anew.
        let kept: Vec<_> = (first..len).filter_map(|position| self.get(position)).collect();
        let start = self.facts(first).map_or(self.end, |entry| entry.start);
        if let Some(block) = self.blocks.get(block) {
            self.code.truncate(block.at - self.code_gone);
        }
        self.blocks.truncate(block);
        self.len = first;
        self.end = start;
        if block == 0 {
            // What was gone of it is not coded again.
            self.gone = 0;
        }
        self.last = first
            .checked_sub(1)
            .and_then(|last| self.get(last))
            .unwrap_or_default();
        for entry in kept {
            self.push(
                entry.duration,
                &entry.url,
                entry.range,
                entry.gap,
                entry.wall,
                entry.context,
            );
        }
    }

    /// Lets it start so much later.
    pub(crate) fn shift(&mut self, by: MediaTime) {
        self.start += by;
        self.end += by;
        self.last.start += by;
        for block in &mut self.blocks {
            block.start += by;
        }
    }

    /// Position of the next segment that begins a block.
    pub(crate) fn next_block(&self, position: usize) -> usize {
        ((self.gone + position) / BLOCK + 1) * BLOCK - self.gone
    }

    /// What the wall clock says behind the last segment, if nothing breaks.
    fn following_wall(&self, context: &Context) -> Option<WallTime> {
        let last = &self.last;
        (last.context.discontinuity == context.discontinuity).then_some(last.wall? + last.duration)
    }

    fn decode(&self, position: usize, with_url: bool) -> Option<Entry> {
        let mut cursor = self.cursor(position)?;
        while cursor.position <= position {
            cursor.next_entry(with_url)?;
        }
        Some(cursor.entry)
    }

    /// At the beginning of the block that a segment is in.
    fn cursor(&self, position: usize) -> Option<Cursor<'_>> {
        (position < self.len).then_some(())?;
        let block = (self.gone + position) / BLOCK;
        let at = self.blocks.get(block)?;
        let mut cursor = Cursor {
            code: self.code.get(at.at - self.code_gone..)?,
            position: block * BLOCK,
            entry: Entry {
                start: at.start,
                ..Entry::default()
            },
            step: Step::default(),
            first: true,
        };
        while cursor.position < self.gone {
            cursor.next_entry(true)?;
        }
        cursor.position -= self.gone;
        Some(cursor)
    }

    fn code_url(&mut self, before: &str, url: &str) -> u8 {
        if url == before {
            return bit::SAME;
        }
        if self.step.by != 0 && steps::leads_to(before, self.step.behind, self.step.by, url) {
            return 0;
        }
        if let Some((behind, by)) = steps::difference(before, url) {
            self.step = Step { behind, by };
            self.number(behind as u64);
            self.number(zigzag(by));
            return bit::STEP;
        }
        let shared = before
            .bytes()
            .zip(url.bytes())
            .take_while(|(a, b)| a == b)
            .count();
        let shared = (0..=shared)
            .rev()
            .find(|at| url.is_char_boundary(*at))
            .unwrap_or(0);
        self.number(shared as u64);
        self.number((url.len() - shared) as u64);
        self.code.extend(url.bytes().skip(shared));
        bit::TEXT
    }

    fn number(&mut self, number: u64) {
        varint::write(&mut self.code, number);
    }
}

/// Decodes a block.
struct Cursor<'a> {
    code: &'a [u8],
    /// Of the next segment.
    position: usize,
    entry: Entry,
    step: Step,
    first: bool,
}

impl Cursor<'_> {
    fn next_entry(&mut self, with_url: bool) -> Option<()> {
        self.next_coded(with_url)?;
        self.position += 1;
        Some(())
    }

    fn next_coded(&mut self, with_url: bool) -> Option<()> {
        let flags = *self.code.first()?;
        self.code = self.code.get(1..)?;
        let entry = &mut self.entry;
        if !self.first {
            entry.start += entry.duration;
            entry.wall = entry.wall.map(|wall| wall + entry.duration);
        }
        self.first = false;
        if flags & bit::DURATION != 0 {
            entry.duration = MediaTime::from_micros(read(&mut self.code)? as i64);
        }
        let url = &mut entry.url;
        match flags & bit::URL {
            0 if with_url => steps::step(url, self.step.behind, self.step.by),
            bit::TEXT => {
                let shared = read(&mut self.code)? as usize;
                let length = read(&mut self.code)? as usize;
                let text = self.code.get(..length)?;
                self.code = self.code.get(length..)?;
                if with_url {
                    url.truncate(shared);
                    url.push_str(core::str::from_utf8(text).ok()?);
                }
            }
            bit::STEP => {
                self.step = Step {
                    behind: read(&mut self.code)? as usize,
                    by: unzigzag(read(&mut self.code)?),
                };
                if with_url {
                    steps::step(url, self.step.behind, self.step.by);
                }
            }
            _ => {}
        }
        entry.range = if flags & bit::RANGE != 0 {
            let length = read(&mut self.code)?;
            let offset = if flags & bit::OFFSET != 0 {
                read(&mut self.code)?
            } else {
                entry.range.map_or(0, |r| r.offset + r.length)
            };
            Some(ByteRange { offset, length })
        } else {
            None
        };
        entry.gap = flags & bit::GAP != 0;
        if flags & bit::CONTEXT != 0 {
            let before = entry.context.discontinuity;
            entry.context = Context {
                init: read(&mut self.code)? as u32,
                keys: read(&mut self.code)? as u32,
                kbps: read(&mut self.code)? as u32,
                discontinuity: read(&mut self.code)?,
            };
            if entry.context.discontinuity != before {
                entry.wall = None;
            }
        }
        if flags & bit::WALL != 0 {
            let code = read(&mut self.code)?;
            entry.wall = (code != 0).then(|| WallTime::from_unix_micros(unzigzag(code >> 1)));
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Change {
        Push(Entry),
        RemoveFirst(usize),
        Truncate(usize),
        Shift(i64),
    }

    fn entries() -> impl Strategy<Value = Entry> {
        let url = prop_oneof![
            4 => (0_u32..30).prop_map(|n| format!("seg{n}.m4s")),
            1 => (0_u32..30).prop_map(|n| format!("v/{n:05}-a.ts?x=é")),
            1 => "[a-zé0-9/]{0,12}",
        ];
        let range = prop::option::of((0_u64..3, 1_u64..4).prop_map(|(at, length)| ByteRange {
            offset: at * 100,
            length: length * 100,
        }));
        let context =
            (0_u32..3, 0_u32..2, 0_u32..2, 0_u64..3).prop_map(|(init, keys, kbps, discontinuity)| Context {
                init,
                keys,
                kbps,
                discontinuity,
            });
        let wall = prop::option::of(prop_oneof![
            Just(0_i64),
            Just(1_795_384_200_000_000),
            any::<i32>().prop_map(i64::from)
        ]);
        let duration = prop_oneof![Just(2_000_000_i64), Just(4_004_000), 1_i64..9_000_000];
        (duration, url, range, any::<bool>(), wall, context).prop_map(
            |(duration, url, range, gap, wall, context)| Entry {
                start: MediaTime::ZERO,
                duration: MediaTime::from_micros(duration),
                url,
                range,
                gap,
                wall: wall.map(WallTime::from_unix_micros),
                context,
            },
        )
    }

    fn changes() -> impl Strategy<Value = Vec<Change>> {
        let change = prop_oneof![
            20 => entries().prop_map(Change::Push),
            1 => (0_usize..40).prop_map(Change::RemoveFirst),
            1 => (0_usize..60).prop_map(Change::Truncate),
            1 => (-5_000_000_i64..5_000_000).prop_map(Change::Shift),
        ];
        prop::collection::vec(change, 0..200)
    }

    /// What a list must be like: all of it in plain sight.
    #[derive(Default)]
    struct Model {
        entries: Vec<Entry>,
        end: MediaTime,
        last: Option<Entry>,
    }

    impl Model {
        fn push(&mut self, mut entry: Entry) {
            entry.start = self.end;
            let last = self
                .last
                .as_ref()
                .filter(|last| last.context.discontinuity == entry.context.discontinuity);
            let follows = last.and_then(|last| Some(last.wall? + last.duration));
            entry.wall = match (entry.wall, follows) {
                (Some(wall), Some(follows)) if wall.since(follows).as_micros().abs() < SAME_WALL_US => {
                    Some(follows)
                }
                (wall, follows) => wall.or(follows),
            };
            self.end += entry.duration;
            self.last = Some(entry.clone());
            self.entries.push(entry);
        }
    }

    proptest! {
        #[test]
        fn a_list_keeps_everything(changes in changes()) {
            let mut list = List::new(MediaTime::ZERO);
            let mut model = Model::default();
            for change in changes {
                match change {
                    Change::Push(e) => {
                        list.push(e.duration, &e.url, e.range, e.gap, e.wall, e.context);
                        model.push(e);
                    }
                    Change::RemoveFirst(count) => {
                        list.remove_first(count);
                        model.entries.drain(..count.min(model.entries.len()));
                    }
                    Change::Truncate(len) => {
                        list.truncate(len);
                        if len < model.entries.len() {
                            model.end = model.entries[len].start;
                            model.entries.truncate(len);
                            model.last = model.entries.last().cloned();
                        }
                    }
                    Change::Shift(by) => {
                        let by = MediaTime::from_micros(by);
                        list.shift(by);
                        model.end += by;
                        for entry in &mut model.entries {
                            entry.start += by;
                        }
                        if let Some(last) = &mut model.last {
                            last.start += by;
                        }
                    }
                }
                prop_assert_eq!(list.len(), model.entries.len());
                prop_assert_eq!(list.end(), model.end);
            }
            for (position, entry) in model.entries.iter().enumerate() {
                prop_assert_eq!(list.get(position), Some(entry.clone()));
                prop_assert_eq!(list.position_at(entry.start), position);
                prop_assert_eq!(list.position_at(entry.start + entry.duration - MediaTime::from_micros(1)), position);
            }
            prop_assert_eq!(list.get(model.entries.len()), None);
            prop_assert_eq!(list.position_at(model.end), model.entries.len());
            let start = model.entries.first().map_or(model.end, |entry| entry.start);
            prop_assert_eq!(list.start(), start);
            if !model.entries.is_empty() {
                prop_assert_eq!(list.position_at(start - MediaTime::from_micros(1)), 0);
            }
        }
    }

    #[test]
    fn ten_thousand_usual_segments_are_small() {
        let mut list = List::new(MediaTime::ZERO);
        let at = WallTime::from_unix_micros(1_795_384_200_000_000);
        for i in 0..10_000_u32 {
            let wall = at + MediaTime::from_millis(4004 * i64::from(i));
            list.push(
                MediaTime::from_millis(4004),
                &format!("video/1080p/segment-{:06}.m4s?token=abcdef", i + 1),
                None,
                false,
                Some(wall),
                Context {
                    init: 1,
                    ..Context::default()
                },
            );
        }
        let bytes = list.code.len() + list.blocks.len() * size_of::<Block>();
        assert!(bytes < 80_000, "{bytes}");
        assert_eq!(
            list.get(9_999).unwrap().url,
            "video/1080p/segment-010000.m4s?token=abcdef"
        );
    }
}
