//! What comes along with media: timed metadata, thumbnails.

use core::time::Duration;

use super::Session;
use crate::error::ErrorKind;
use crate::input::TrackKind;
use crate::output::{Output, PlayerEvent, ThumbnailInfo};
use crate::presentation::{Period, SegmentIndex};
use crate::streaming::context::{Cx, error};
use crate::streaming::loader::{Extras, Loader};
use crate::streaming::metadata::TimedMetadata;
use crate::streaming::requests::{Attempt, Purpose};
use crate::thumbnails::{Found, SourceId, Thumbnails};
use crate::time::{Instant, MediaTime, WallTime};

/// Pixels that a thumbnail is wide at least, where there is a choice.
const THUMBNAIL_WIDTH: u32 = 160;
/// Thumbnails are asked for once there is so much to play.
const LEISURE: MediaTime = MediaTime::from_millis(10_000);
/// Those of a live stream are listed anew no more often.
const LIST_INTERVAL: Duration = Duration::from_secs(30);

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Company {
    metadata: TimedMetadata,
    /// The playhead has jumped since the metadata was looked at.
    pub(super) jumped: bool,
    pub(super) thumbnails: Thumbnails,
    /// When they were listed last,
    listed_at: Option<Instant>,
    /// and they may have changed since.
    changed: bool,
}

impl Company {
    pub(super) fn new(sprites: Option<&str>) -> Self {
        let mut company = Self::default();
        company.thumbnails.set_sprites(sprites);
        company
    }

    /// Takes the application's file of thumbnails, in place of the one before.
    pub(super) fn set_sprites(&mut self, sprites: Option<&str>) {
        self.thumbnails.set_sprites(sprites);
        self.changed = true;
    }

    /// Takes what a manifest or its newer version says.
    pub(super) fn read(&mut self, periods: &[Period]) {
        let events = periods.iter().flat_map(|period| &period.events);
        self.metadata.add_manifest_events(events);
        self.thumbnails.set_periods(periods);
        self.changed = true;
    }
}

impl Session {
    /// What a segment held beside media.
    pub(super) fn on_extras(&mut self, cx: &mut Cx<'_>, extras: Extras) {
        let Extras {
            offset,
            start,
            events,
            prepared,
        } = extras;
        let refreshes = self.company.metadata.add_emsg(&events, start, offset);
        if !refreshes.is_empty() {
            self.live.refresh(cx.now);
        }
        if let Some(prepared) = prepared {
            self.company.metadata.add_id3(&prepared.metadata, offset);
            for warning in prepared.warnings {
                self.report(cx, error(ErrorKind::Segment, warning));
            }
            self.give_captions(cx, prepared.captions, offset);
        }
        self.tell_known(cx);
    }

    /// Takes the date ranges of the media playlist in use.
    pub(super) fn take_date_ranges(&mut self, cx: &mut Cx<'_>, kind: TrackKind, rendition: usize) {
        let Some(loader) = self.loaders.iter_mut().find(|l| l.kind == kind) else {
            return;
        };
        if let Some(listed) = loader.listed(rendition) {
            let index = &listed.playlist.index;
            let ranges = &listed.playlist.tags.date_ranges;
            self.company
                .metadata
                .add_date_ranges(ranges, &|wall| media_of(index, wall));
        }
        self.tell_known(cx);
    }

    /// Tells what has become known of timed metadata.
    pub(super) fn tell_known(&mut self, cx: &mut Cx<'_>) {
        if self.preloading {
            return;
        }
        for event in self.company.metadata.known() {
            cx.event(PlayerEvent::Metadata(event));
        }
    }

    /// Tells what the playhead enters and leaves; says when to look again.
    pub(super) fn tell_due(&mut self, cx: &mut Cx<'_>, position: MediaTime) -> Option<Instant> {
        if !self.view.started() {
            return None;
        }
        let jumped = core::mem::take(&mut self.company.jumped);
        for event in self.company.metadata.due(position, jumped) {
            cx.event(PlayerEvent::Metadata(event));
        }
        let speed = self.playhead.speed();
        let next = self.company.metadata.next_change().filter(|_| speed > 0.0)?;
        let wait = (next - position).max(MediaTime::ZERO).as_secs_f64() / speed;
        Some(cx.now + Duration::from_micros((wait * 1e6) as u64 + 1))
    }

    /// Asks for what lists thumbnails, once there is the time for it, and gives them out.
    pub(super) fn list_thumbnails(&mut self, cx: &mut Cx<'_>) {
        let position = self.playhead.position(cx.now);
        let leisure = |main: &Loader| main.is_done() || main.level(position) >= LEISURE;
        let early = self
            .company
            .listed_at
            .is_some_and(|at| cx.now.since(at) < LIST_INTERVAL);
        if !self.company.changed || early || !self.view.started() || !self.main().is_some_and(leisure) {
            return;
        }
        match self.company.thumbnails.list(THUMBNAIL_WIDTH, cx.now) {
            Found::Fetch(need) => {
                let purpose = Purpose::Thumbnails(need.source);
                self.shared.requests.start(cx, purpose, need.resource);
            }
            Found::Here(list) => {
                let thumbnails = list.iter().map(|thumbnail| ThumbnailInfo {
                    start: thumbnail.start,
                    end: thumbnail.end,
                    url: thumbnail.url(),
                });
                let thumbnails = thumbnails.collect();
                cx.send(Output::Thumbnails { thumbnails });
                self.company.changed = false;
                self.company.listed_at = Some(cx.now);
            }
            Found::Nothing => self.company.changed = false,
            Found::Pending => {}
        }
    }

    pub(super) fn on_thumbnails(
        &mut self,
        cx: &mut Cx<'_>,
        source: SourceId,
        attempt: &Attempt,
        body: &[u8],
    ) {
        let main = self.loaders.iter().find_map(Loader::any_listed);
        let start = main.map_or(MediaTime::ZERO, |list| list.index.start());
        let place = |_: &SegmentIndex| start;
        let read = self
            .company
            .thumbnails
            .loaded(source, &attempt.url, body, cx.now, &place);
        if let Err(why) = read {
            let name = crate::url::public(&attempt.url);
            self.report(
                cx,
                error(ErrorKind::Manifest, format!("{name} has no thumbnails: {why}")),
            );
        }
    }

    pub(super) fn on_no_thumbnails(&mut self, cx: &Cx<'_>, source: SourceId) {
        self.company.thumbnails.failed(source, cx.now);
    }
}

/// Where a time of the wall clock is on the timeline, by what the segments there say.
fn media_of(index: &SegmentIndex, wall: WallTime) -> Option<MediaTime> {
    let mut at = index.start();
    let mut found = None;
    // A first guess leads to a segment whose own clock counts; clocks may jump in between.
    for _ in 0..3 {
        let last = index.len().checked_sub(1)?;
        let segment = index.get(index.position_at(at).min(last))?;
        at = segment.start + wall.since(segment.wall?);
        found = Some(at);
    }
    found
}
