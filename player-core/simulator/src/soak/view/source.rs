//! What becomes of media: prepared, appended, kept or refused.

use std::time::Duration;

use player_core::MediaTime;
use player_core::input::{AppendFailure, Input, Prepared, TrackKind};
use player_core::output::Prepare;
use player_core::time::TimeRange;

use super::{Event, View, Violation};
use crate::soak::streams::{Media, Packaging};

impl View<'_, '_> {
    pub(super) fn prepare(&mut self, prepare: &Prepare) -> Result<(), Violation> {
        let request = prepare.request;
        let needed = [prepare.init, prepare.decrypt.map(|decrypt| decrypt.key)];
        if needed
            .into_iter()
            .flatten()
            .any(|other| !self.bodies.contains_key(&other))
        {
            return Err(self.violation("a response is to be prepared by another that is not there"));
        }
        let Some(held) = self.bodies.get(&request) else {
            return Err(self.violation("a response is to be prepared that is not there"));
        };
        let (media, bytes) = (held.media.clone(), held.bytes);
        let fails = self.chance(self.plan.element_faults * 0.2);
        let ts = self.plan.stream.packaging == Packaging::Ts;
        let result = match &media {
            _ if fails => Err("the stream is damaged".to_owned()),
            Media::Segment {
                kind, times, muxed, ..
            } => Ok(Box::new(Prepared {
                mime: match (ts, kind) {
                    (false, _) => String::new(),
                    (true, TrackKind::Audio) => "audio/mp4; codecs=\"mp4a.40.2\"".to_owned(),
                    _ if *muxed && !prepare.mute => "video/mp4; codecs=\"avc1.64001f,mp4a.40.2\"".to_owned(),
                    _ => "video/mp4; codecs=\"avc1.64001f\"".to_owned(),
                },
                bytes,
                times: Some(*times),
                media: if ts { None } else { self.plan.stream.facts(&media) },
                ..Prepared::default()
            })),
            Media::Init { .. } => Ok(Box::new(Prepared {
                bytes,
                media: self.plan.stream.facts(&media),
                ..Prepared::default()
            })),
            Media::Key | Media::None => Err("there are no packets in it".to_owned()),
        };
        if fails {
            self.met("prepare");
        }
        self.later(
            Duration::from_millis(3),
            Event::Input(Input::Prepared { request, result }),
        );
        Ok(())
    }

    // The element ------------------------------------------------------------------------------------------------------

    pub(super) fn append(
        &mut self,
        kind: TrackKind,
        media: &Media,
        bytes: u64,
        offset: MediaTime,
        window: Option<TimeRange>,
    ) {
        let share = self.plan.element_faults;
        let held: u64 = self.stored.iter().map(|(.., bytes)| bytes).sum();
        let full = self.plan.quota_bytes.is_some_and(|most| held + bytes > most);
        let damaged = matches!(media, Media::None | Media::Key);
        let refused = if full || self.chance(share * 0.1) {
            self.met(if full { "full" } else { "quota" });
            Some(AppendFailure::Quota)
        } else if damaged || self.chance(share * 0.1) {
            self.met("refused");
            Some(AppendFailure::Media(
                "CHUNK_DEMUXER_ERROR_APPEND_FAILED".to_owned(),
            ))
        } else {
            None
        };
        if let Some(reason) = refused {
            let buffered = self.element.buffered(kind).to_vec();
            let input = Input::AppendFailed {
                kind,
                reason,
                buffered,
            };
            return self.later(Duration::from_millis(2), Event::Input(input));
        }
        let mut changed = false;
        if let Media::Segment { times, .. } = media {
            let mut range = TimeRange::new(times.start + offset, times.end + offset);
            range.start = range.start.max(MediaTime::ZERO);
            if let Some(window) = window {
                range = TimeRange::new(range.start.max(window.start), range.end.min(window.end));
            }
            if self.chance(share * 0.3) {
                self.met("hole");
                let ms = if self.chance(0.1) { 1900.0 } else { 400.0 };
                range.start += MediaTime::from_millis((self.rng.uniform() * ms) as i64);
            }
            if range.start < range.end {
                self.stored
                    .retain(|(of, at, _)| *of != kind || at.end <= range.start || at.start >= range.end);
                self.stored.push((kind, range, bytes));
                changed = self.element.append(kind, range);
            }
        }
        let buffered = self.element.buffered(kind).to_vec();
        self.later(
            Duration::from_millis(2),
            Event::Input(Input::Appended { kind, buffered }),
        );
        self.changed(changed);
    }

    pub(super) fn met(&mut self, what: &str) {
        self.trouble = self.now;
        let met = self.watched.tally.faults.entry(what.to_owned()).or_default();
        met.met += 1;
        met.recovered += 1;
    }
}
