//! A media playlist that is read again: when, and what the server is asked to hold the answer for.

use core::time::Duration;

use crate::manifest::hls::{MediaPlaylist, Part, PreloadHint};
use crate::manifest::steering::with_param;
use crate::time::{Instant, MediaTime};

/// A playlist is not asked for more often, whatever it declares.
const MIN_TARGET: Duration = Duration::from_millis(500);
/// A server that holds its answers is not asked more often if it brings nothing new.
const MIN_PART: Duration = Duration::from_millis(200);
/// Target durations after which a server gives up an answer that it holds (RFC 8216bis, 6.2.5.2).
const BLOCKED: u32 = 3;
/// A server that has failed so often to hold an answer is asked like any other.
const MAX_FAILURES: u32 = 2;

/// A media playlist and when it is to be read again.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) playlist: MediaPlaylist,
    /// When it was asked for last,
    pub(crate) asked_at: Instant,
    /// and when it came.
    pub(crate) read_at: Instant,
    /// It is on its way again,
    pub(crate) loading: bool,
    /// from another pathway than last time.
    pub(crate) moving: bool,
    /// The last version brought nothing new.
    pub(crate) stale: bool,
    /// Since when nothing new has come.
    pub(crate) changed_at: Instant,
    /// How often it could not be had in a row.
    pub(crate) failures: u32,
    /// A delta update could not be used: the whole is asked for.
    pub(crate) whole: bool,
    /// Parts may be used.
    parts: bool,
}

/// The end of what a playlist lists: the number of a segment, and how many of its parts are there if it is not whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct End {
    pub(crate) number: u64,
    pub(crate) parts: usize,
}

impl Listed {
    pub(crate) fn new(playlist: MediaPlaylist, asked_at: Instant, now: Instant, parts: bool) -> Self {
        Self {
            playlist,
            asked_at,
            read_at: now,
            loading: false,
            moving: false,
            stale: false,
            changed_at: now,
            failures: 0,
            whole: false,
            parts,
        }
    }

    fn target(&self) -> Duration {
        self.playlist.target_duration().as_duration().max(MIN_TARGET)
    }

    /// When it is to be read again: a target duration after it was asked for, half of one if it had not changed (RFC 8216, 6.3.4);
    /// at once if the server holds the answer until there is something new (RFC 8216bis, 6.3.4).
    pub(crate) fn due(&self) -> Instant {
        let mut target = self.target();
        if self.can_block() {
            if !self.stale {
                return self.read_at;
            }
            let part = self.part_target().map(MediaTime::as_duration);
            target = part.map_or(target, |part| part.max(MIN_PART)) * 2;
        }
        let pause = if self.stale { target / 2 } else { target };
        // What took long to come is not asked for again at once.
        (self.asked_at + pause).max(self.read_at + pause / 4)
    }

    /// There must be something new in it by now.
    pub(crate) fn is_old(&self, now: Instant) -> bool {
        now.since(self.read_at) > self.target() * 3 / 2
    }

    /// The server holds the answer until there is something new.
    pub(crate) fn can_block(&self) -> bool {
        self.playlist.tags.server_control.can_block_reload
            && !self.playlist.ended()
            && self.failures < MAX_FAILURES
    }

    /// How long the server may hold an answer.
    pub(crate) fn patience(&self) -> Duration {
        if self.can_block() {
            self.target() * BLOCKED
        } else {
            Duration::ZERO
        }
    }

    /// It lists parts, and the server tells of them in time: what is played near its end is fetched by parts.
    pub(crate) fn has_parts(&self) -> bool {
        self.parts && self.part_target().is_some() && self.can_block()
    }

    /// No part is longer, if there are any.
    pub(crate) fn part_target(&self) -> Option<MediaTime> {
        self.playlist.tags.part_target
    }

    /// What is listed.
    pub(crate) fn end(&self) -> End {
        let (_, number) = self.playlist.index.numbers();
        let parts = self.open_parts().count();
        End { number, parts }
    }

    /// The parts of the segment that is not whole yet.
    pub(crate) fn open_parts(&self) -> impl Iterator<Item = &Part> {
        let (_, number) = self.playlist.index.numbers();
        let parts = self.playlist.parts.iter();
        parts.filter(move |part| part.number >= number)
    }

    /// Where what is listed ends, with parts.
    pub(crate) fn end_time(&self) -> MediaTime {
        let index = self.playlist.index.end();
        let last = self.playlist.parts.last();
        last.map_or(index, |part| index.max(part.start + part.duration))
    }

    /// The part that comes next, of which only the place is known.
    pub(crate) fn hint(&self) -> Option<&PreloadHint> {
        // One inside a larger resource would have an end that is not known yet.
        let usable = |hint: &&PreloadHint| !hint.is_map && hint.start == 0 && hint.length.is_none();
        self.playlist.tags.preload_hints.iter().find(usable)
    }

    /// The URL to read it from again: of the next version, and only of what is new if that is enough (RFC 8216bis, 6.2.5).
    pub(crate) fn reload(&self, url: &str, now: Instant) -> String {
        if !self.can_block() || self.stale {
            return url.to_owned();
        }
        let end = self.end();
        let part = self.has_parts().then_some(end.parts as u64);
        let skip = self.playlist.tags.server_control.can_skip_until;
        // A version that old may lack what a delta update does not repeat.
        let is_fresh = skip.is_some_and(|until| now.since(self.read_at) * 2 < until.as_duration());
        directed(url, end.number, part, is_fresh && !self.whole)
    }

    /// The URL of another rendition's playlist, of the version that is as new as this one.
    pub(crate) fn beside(&self, url: &str) -> String {
        let path = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
        let reports = &self.playlist.tags.rendition_reports;
        let of_it = reports.iter().find(|report| path(&report.url) == path(url));
        let Some(report) = of_it.filter(|_| self.can_block()) else {
            return url.to_owned();
        };
        match report.last_number {
            Some(number) => directed(url, number, report.last_part, false),
            None => url.to_owned(),
        }
    }
}

/// A playlist's URL with delivery directives (RFC 8216bis, 6.2.5): in order, as caches want them.
fn directed(url: &str, number: u64, part: Option<u64>, skip: bool) -> String {
    let mut directed = with_param(url, "_HLS_msn", &number.to_string());
    if let Some(part) = part {
        directed = with_param(&directed, "_HLS_part", &part.to_string());
    }
    if skip {
        directed = with_param(&directed, "_HLS_skip", "YES");
    }
    directed
}
