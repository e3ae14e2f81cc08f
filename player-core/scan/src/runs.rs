//! Runs of segments in few bytes: a live timeline has thousands of them.
//!
//! Runs are in chunks of [`CHUNK`], each coded by itself, so that one is found by position or time in O(log n). A chunk never changes
//! once it is complete: what a newer version of a timeline repeats is shared with it.

use std::sync::Arc;

use crate::varint::{read, unzigzag, write, zigzag};

/// Runs of a chunk.
const CHUNK: usize = 64;

/// `count` segments of equal duration, one after the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Start of the first one, ticks of the media timeline.
    pub start: i64,
    /// Duration of each, ticks; more than zero.
    pub duration: u64,
    /// How many; at least one.
    pub count: u64,
    /// Position of the first one among all segments.
    pub first: u64,
    /// The manifest says when it starts, though that may follow from the run before.
    pub declared: bool,
}

impl Run {
    /// Where the last segment ends, ticks.
    pub fn end(&self) -> i64 {
        self.tick(self.count)
    }

    /// Where a segment of it starts, ticks.
    pub fn tick(&self, within: u64) -> i64 {
        if (self.duration | within) >> 31 == 0 {
            return self.start.saturating_add((self.duration * within) as i64);
        }
        let ticks = i128::from(self.duration).saturating_mul(i128::from(within));
        let ticks = ticks.saturating_add(i128::from(self.start));
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }
}

/// Runs in order and without overlap.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// Those that are complete.
    chunks: Vec<Chunk>,
    /// Code of the runs that follow, less than a chunk of them.
    tail: Vec<u8>,
    tail_len: usize,
    tail_mark: Mark,
    /// Where the first run of the tail starts, and its position; counted with segments that are gone.
    tail_start: i64,
    tail_first: u64,
    /// Where the last run ends, and its duration.
    end: i64,
    duration: u64,
    /// Segments, counted with those that are gone.
    total: u64,
    /// Runs of the first chunk that are gone, and segments in all; perhaps some of the first run that is left.
    gone: usize,
    segments_gone: u64,
    /// How often a newer version was taken over, and how many chunks are gone: each chunk has its turn at another version.
    turn: usize,
}

#[derive(Clone, Debug)]
struct Chunk {
    start: i64,
    first: u64,
    code: Arc<[u8]>,
    mark: Mark,
}

/// The text that a chunk was read from, to know it again in a newer version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Its length.
    pub bytes: u32,
    /// Line breaks in it.
    pub lines: u32,
    /// See [`fingerprint`](crate::fingerprint).
    pub hash: u32,
}

/// Bits of the first byte of a run's code.
mod bit {
    pub(super) const DECLARED: u8 = 1;
    /// It does not start where the one before ends.
    pub(super) const GAP: u8 = 2;
    pub(super) const DURATION: u8 = 4;
    /// It has more than one segment.
    pub(super) const COUNT: u8 = 8;
}

impl Runs {
    /// Adds a run behind the last one; `false` if it would begin before that ends, or is empty. `declared` as in [`Run`].
    pub fn push(&mut self, start: i64, duration: u64, count: u64, declared: bool) -> bool {
        let is_behind = start >= self.end && self.end < i64::MAX;
        if duration == 0 || count == 0 || !(is_behind || self.is_empty()) {
            return false;
        }
        if self.tail_len == 0 {
            (self.tail_start, self.tail_first) = (start, self.total);
            (self.end, self.duration) = (start, 0);
        }
        let at = self.tail.len();
        self.tail.push(0);
        let mut flags = u8::from(declared);
        if start != self.end {
            flags |= bit::GAP;
            write(&mut self.tail, start.wrapping_sub(self.end) as u64);
        }
        if duration != self.duration {
            flags |= bit::DURATION;
            write(
                &mut self.tail,
                zigzag(duration.wrapping_sub(self.duration) as i64),
            );
        }
        if count != 1 {
            flags |= bit::COUNT;
            write(&mut self.tail, count);
        }
        if let Some(byte) = self.tail.get_mut(at) {
            *byte = flags;
        }
        let run = Run {
            start,
            duration,
            count,
            ..Run::default()
        };
        (self.end, self.duration) = (run.end(), duration);
        self.total = self.total.saturating_add(count);
        self.tail_len += 1;
        if self.tail_len == CHUNK {
            self.chunks.push(Chunk {
                start: self.tail_start,
                first: self.tail_first,
                code: self.tail.as_slice().into(),
                mark: Mark::default(),
            });
            self.tail.clear();
            self.tail_len = 0;
        }
        true
    }

    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.chunks.len() * CHUNK + self.tail_len - self.gone
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many segments they have.
    pub fn segments(&self) -> u64 {
        self.total - self.segments_gone
    }

    /// Where the last one ends, ticks.
    pub fn end(&self) -> i64 {
        self.end
    }

    /// A run by its place among the runs.
    pub fn get(&self, place: usize) -> Option<Run> {
        let chunk = (self.gone + place) / CHUNK;
        // Those that are gone are passed over anyway.
        self.from(chunk)
            .nth(place - (chunk * CHUNK).saturating_sub(self.gone))
    }

    /// All in order.
    pub fn iter(&self) -> impl Iterator<Item = Run> {
        self.from(0)
    }

    /// The run that a segment is in. O(log n).
    pub fn run_of(&self, position: u64) -> Option<Run> {
        let position = position.checked_add(self.segments_gone)?;
        let chunk = self.chunk_where(|_, first| first <= position);
        let position = position - self.segments_gone;
        self.from(chunk).find(|run| {
            position
                .checked_sub(run.first)
                .is_some_and(|within| within < run.count)
        })
    }

    /// The runs from that chunk on which is the last one to begin before what `begins` says.
    pub fn around(&self, begins: impl Fn(i64) -> bool) -> Iter<'_> {
        self.from(self.chunk_where(|start, _| begins(start)))
    }

    /// The last chunk of which something is true, which is true of all before it; or the first.
    fn chunk_where(&self, is: impl Fn(i64, u64) -> bool) -> usize {
        let after = self.chunks.partition_point(|chunk| is(chunk.start, chunk.first));
        if after == self.chunks.len() && self.tail_len > 0 && is(self.tail_start, self.tail_first) {
            return after;
        }
        after.saturating_sub(1)
    }

    fn from(&self, chunk: usize) -> Iter<'_> {
        let mut iter = Iter {
            runs: self,
            chunk,
            code: &[],
            end: 0,
            duration: 0,
            first: 0,
        };
        iter.open();
        iter
    }

    /// How many segments begin before a tick.
    pub fn segments_before(&self, tick: i64) -> u64 {
        if tick >= self.end {
            return self.segments();
        }
        let runs = self.around(|start| start < tick);
        let begun = runs.take_while(|run| run.start < tick).last();
        begun.map_or(0, |run| {
            let span = tick.wrapping_sub(run.start) as u64;
            run.first + span.div_ceil(run.duration).min(run.count)
        })
    }

    /// Removes the first run.
    pub fn remove_first(&mut self) {
        let Some(first) = self.get(0) else { return };
        self.remove(1, first.count);
    }

    /// Removes runs at the front and segments in all, perhaps some of the first run that is left.
    fn remove(&mut self, runs: usize, segments: u64) {
        self.segments_gone = self.segments_gone.saturating_add(segments);
        self.gone += runs;
        let chunks = (self.gone / CHUNK).min(self.chunks.len());
        self.chunks.drain(..chunks);
        self.gone -= chunks * CHUNK;
        if self.is_empty() {
            *self = Self::default();
        }
    }

    // What a newer version repeats -----------------------------------------------------------------------------------

    /// The run in which a segment begins at `tick`: its place, and that segment's among its own.
    pub fn find(&self, tick: i64) -> Option<(usize, Run, u64)> {
        let chunk = self.chunk_where(|start, _| start <= tick);
        let places = (chunk * CHUNK).saturating_sub(self.gone)..;
        for (place, run) in places.zip(self.from(chunk)) {
            let span = u64::try_from(tick.checked_sub(run.start)?).ok()?;
            let within = span / run.duration;
            if within < run.count {
                return span.is_multiple_of(run.duration).then_some((place, run, within));
            }
        }
        None
    }

    /// Place of the first run of the next chunk, and that chunk: it may be the one after the last.
    pub fn next_chunk(&self, place: usize) -> (usize, usize) {
        let chunk = (self.gone + place) / CHUNK + 1;
        (chunk * CHUNK - self.gone, chunk)
    }

    /// What a chunk was read from; the one after the last is what has been begun.
    pub fn mark(&self, chunk: usize) -> Option<Mark> {
        match self.chunks.get(chunk) {
            Some(chunk) => Some(chunk.mark),
            None => (chunk == self.chunks.len() && self.tail_len > 0).then_some(self.tail_mark),
        }
    }

    /// How many chunks there are, with what has been begun.
    pub fn marks(&self) -> usize {
        self.chunks.len() + usize::from(self.tail_len > 0)
    }

    /// What differs from one version to the next, and for a chunk only by that.
    pub const fn turn(&self) -> usize {
        self.turn
    }

    /// The chunks up to one, without `runs` and `segments` at the front: a newer version that has still to be added to.
    pub fn continued(&self, chunks: usize, runs: usize, segments: u64) -> Self {
        let gone = self.gone + runs;
        let with_tail = chunks > self.chunks.len();
        let all = self.chunks.len().min(chunks);
        let mut continued = Self {
            chunks: self.chunks.get(gone / CHUNK..all).unwrap_or_default().to_vec(),
            gone: gone % CHUNK,
            segments_gone: self.segments_gone.saturating_add(segments),
            turn: self.turn.wrapping_add(1 + gone / CHUNK),
            ..Self::default()
        };
        if with_tail {
            continued.tail.clone_from(&self.tail);
            continued.tail_len = self.tail_len;
            (continued.tail_start, continued.tail_first) = (self.tail_start, self.tail_first);
            (continued.end, continued.duration, continued.total) = (self.end, self.duration, self.total);
        } else if let Some(last) = continued.from(continued.chunks.len().saturating_sub(1)).last() {
            (continued.end, continued.duration) = (last.end(), last.duration);
            continued.total = continued
                .segments_gone
                .saturating_add(last.first)
                .saturating_add(last.count);
        }
        continued
    }

    /// How many chunks are complete.
    pub fn chunks(&self) -> usize {
        self.chunks.len()
    }

    /// Says what the last complete chunk was read from.
    pub fn set_mark(&mut self, mark: Mark) {
        if let Some(chunk) = self.chunks.last_mut() {
            chunk.mark = mark;
        }
    }

    /// How many chunks are held once for both.
    pub fn shared(&self, other: &Self) -> usize {
        let codes = |runs: &Self| -> Vec<_> { runs.chunks.iter().map(|chunk| chunk.code.clone()).collect() };
        let others = codes(other);
        let is_shared = |code: &&Arc<[u8]>| others.iter().any(|other| Arc::ptr_eq(code, other));
        codes(self).iter().filter(is_shared).count()
    }

    /// Says what has been read of the chunk that has been begun.
    pub fn set_tail_mark(&mut self, mark: Mark) {
        self.tail_mark = mark;
    }
}

impl PartialEq for Runs {
    /// As what they say: not how that is coded, nor what it was read from.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Runs {}

/// Decodes runs from a chunk on.
pub struct Iter<'a> {
    runs: &'a Runs,
    chunk: usize,
    /// What is left of the chunk.
    code: &'a [u8],
    end: i64,
    duration: u64,
    first: u64,
}

impl Iter<'_> {
    fn open(&mut self) {
        let runs = self.runs;
        self.duration = 0;
        (self.end, self.first, self.code) = match runs.chunks.get(self.chunk) {
            Some(chunk) => (chunk.start, chunk.first, &*chunk.code),
            None if self.chunk == runs.chunks.len() => (runs.tail_start, runs.tail_first, &*runs.tail),
            None => (0, 0, [].as_slice()),
        };
    }

    fn next_coded(&mut self) -> Option<Run> {
        if self.code.is_empty() {
            self.chunk += 1;
            self.open();
        }
        let flags = *self.code.first()?;
        self.code = self.code.get(1..)?;
        let mut start = self.end;
        if flags & bit::GAP != 0 {
            start = start.wrapping_add(read(&mut self.code)? as i64);
        }
        if flags & bit::DURATION != 0 {
            self.duration = self.duration.wrapping_add(unzigzag(read(&mut self.code)?) as u64);
        }
        let count = if flags & bit::COUNT != 0 {
            read(&mut self.code)?
        } else {
            1
        };
        let run = Run {
            start,
            duration: self.duration,
            count,
            first: self.first,
            declared: flags & bit::DECLARED != 0,
        };
        self.end = run.end();
        self.first = self.first.saturating_add(count);
        Some(run)
    }
}

impl Iterator for Iter<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let gone = self.runs.segments_gone;
        loop {
            let run = self.next_coded()?;
            if run.first > gone || gone == 0 {
                return Some(Run {
                    first: run.first - gone,
                    ..run
                });
            }
            // Gone, or only some of it. What is the first one now has to say when it starts.
            let within = gone - run.first;
            if within < run.count {
                return Some(Run {
                    start: run.tick(within),
                    count: run.count - within,
                    first: 0,
                    declared: true,
                    ..run
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn lists() -> impl Strategy<Value = Vec<(u64, u64, u64, bool)>> {
        let gap = prop_oneof![4 => Just(0_u64), 1 => 1_u64..1_000_000];
        let duration = prop_oneof![4 => 3000_u64..3010, 1 => 1..u64::from(u32::MAX)];
        let count = prop_oneof![4 => Just(1_u64), 1 => 1_u64..1000];
        prop::collection::vec((gap, duration, count, any::<bool>()), 1..400)
    }

    proptest! {
        #[test]
        fn runs_are_kept_and_found(list in lists(), gone in 0_usize..200, begin in -1_000_000_i64..1_000_000) {
            let mut runs = Runs::default();
            let mut model = Vec::new();
            let (mut start, mut first) = (begin, 0);
            for (gap, duration, count, declared) in list {
                start += gap as i64;
                prop_assert!(runs.push(start, duration, count, declared));
                prop_assert!(!runs.push(start, duration, count, declared));
                model.push(Run { start, duration, count, first, declared });
                start += (duration * count) as i64;
                first += count;
            }
            for _ in 0..gone.min(model.len() - 1) {
                runs.remove_first();
                let removed = model.remove(0);
                model.iter_mut().for_each(|run| run.first -= removed.count);
                model[0].declared = true;
            }
            prop_assert_eq!(runs.len(), model.len());
            prop_assert!(runs.iter().eq(model.iter().copied()));
            prop_assert_eq!(runs.get(model.len()), None);
            for (place, run) in model.iter().enumerate() {
                prop_assert_eq!(runs.get(place), Some(*run));
                for within in [0, run.count / 2, run.count - 1] {
                    prop_assert_eq!(runs.run_of(run.first + within), Some(*run));
                    prop_assert_eq!(runs.find(run.tick(within)), Some((place, *run, within)));
                    prop_assert_eq!(runs.segments_before(run.tick(within)), run.first + within);
                    prop_assert_eq!(runs.segments_before(run.tick(within) + 1), run.first + within + 1);
                }
                prop_assert_eq!(runs.find(run.start + 1).is_some(), run.duration == 1 && run.count > 1);
            }
            prop_assert_eq!(runs.run_of(runs.segments()), None);
            prop_assert_eq!(runs.segments_before(i64::MIN), 0);
            prop_assert_eq!(runs.segments_before(i64::MAX), runs.segments());
        }

        #[test]
        fn a_newer_version_shares_what_it_repeats(list in lists(), place in 0_usize..400, added in 0_usize..100) {
            let mut runs = Runs::default();
            let mut start = 0;
            for (gap, duration, count, declared) in list {
                start += gap as i64;
                runs.push(start, duration, count, declared);
                start += (duration * count) as i64;
            }
            let place = place % runs.len();
            let run = runs.get(place).unwrap();
            let within = run.count / 2;
            let (_, from) = runs.next_chunk(place);
            for chunks in [from.max(1), runs.chunks(), runs.chunks() + 1] {
                let kept = if chunks > runs.chunks() { runs.len() } else { chunks * CHUNK };
                if kept <= place {
                    continue;
                }
                let mut newer = runs.continued(chunks, place, run.first + within);
                let mut expected = Runs::default();
                let rest = runs.iter().skip(place).take(kept - place).enumerate();
                for (i, run) in rest {
                    if i == 0 && run.first + within > 0 {
                        expected.push(run.tick(within), run.duration, run.count - within, true);
                    } else {
                        expected.push(run.start, run.duration, run.count, run.declared);
                    }
                }
                prop_assert_eq!(&newer, &expected);
                for _ in 0..added {
                    for runs in [&mut newer, &mut expected] {
                        runs.push(runs.end() + 5, 7, 2, false);
                    }
                }
                prop_assert_eq!(&newer, &expected);
                prop_assert_eq!((newer.end(), newer.segments()), (expected.end(), expected.segments()));
            }
        }
    }

    #[test]
    fn what_is_beyond_all_ticks_ends_there() {
        let mut runs = Runs::default();
        assert!(runs.push(i64::MAX - 10, u64::MAX, u64::MAX, true));
        assert_eq!((runs.end(), runs.segments()), (i64::MAX, u64::MAX));
        assert!(!runs.push(i64::MAX, 1, 1, true));
        assert!(runs.run_of(u64::MAX - 1).is_some());
        runs.remove_first();
        assert!(runs.is_empty() && runs.push(-5, 1, 1, true));
    }

    #[test]
    fn ten_thousand_usual_runs_are_small() {
        let mut runs = Runs::default();
        for i in 0..10_000_u64 {
            let start = runs.end();
            runs.push(start, 360_360 - 3003 * (i * i % 4), 1, true);
        }
        let code: usize = runs.chunks.iter().map(|chunk| chunk.code.len()).sum();
        let bytes = code + runs.chunks.len() * size_of::<Chunk>();
        assert!(bytes < 60_000, "{bytes}");
    }
}
