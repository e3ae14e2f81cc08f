//! What is still being made: the clock, the edge, the window, and manifests that are read again.

use core::time::Duration;

use super::Session;
use super::pace::Pace;
use crate::config::DrmConfig;
use crate::error::ErrorKind;
use crate::input::TrackKind;
use crate::manifest::dash::{Mpd, PatchOutcome};
use crate::manifest::hls::MediaPlaylist;
use crate::manifest::{self, ManifestError};
use crate::output::{Output, PlayerEvent};
use crate::presentation::{
    self, Period, Presentation, Protection, Protocol, Rendition, Resource, SegmentIndex, SegmentSource, Track,
};
use crate::streaming::context::{Cx, error};
use crate::streaming::drm::Drm;
use crate::streaming::keys::Cipher;
use crate::streaming::loader::Loader;
use crate::streaming::requests::{Attempt, Purpose};
use crate::streaming::shared::Span;
use crate::time::{Instant, MediaTime, TimeRange, WallTime};
use crate::url;

/// An MPD is not asked for more often.
const MIN_REFRESH: Duration = Duration::from_millis(1000);
/// Segments that a player stays behind the edge, where the author says nothing (RFC 8216, 6.3.3).
const SEGMENTS_BEHIND: f64 = 3.0;
/// Parts that a player stays behind the edge, where the author says nothing (RFC 8216bis, 4.4.3.8).
const PARTS_BEHIND: i64 = 3;
/// A manifest that lists segments so far past the edge goes by the clock: what is listed need not be there.
const LISTED_AHEAD: MediaTime = MediaTime::from_millis(20_000);
/// The application is told of smaller changes of the window with the next larger one.
const RANGE_STEP: MediaTime = MediaTime::from_millis(500);

/// How a presentation grows.
#[derive(Debug)]
pub(super) struct Live {
    /// The manifest, if it is to be read again.
    mpd: Option<Box<Mpd>>,
    url: String,
    asked_at: Instant,
    loading: bool,
    /// When it is to be read again.
    due: Option<Instant>,
    /// What the manifest says of it.
    pub(super) says: Option<presentation::Live>,
    /// It is one, by its manifest or its media playlists.
    pub(super) on: bool,
    /// It was one when playback began: its playlists begin where they may.
    pub(super) began: bool,
    /// Where playback begins is known.
    settled: bool,
    /// It is as soon as the time is: where the author wants it to begin, and the depth of the window.
    waiting: Option<(Option<MediaTime>, Option<MediaTime>)>,
    pub(super) range_sent: Option<TimeRange>,
    /// How far behind the edge playback is to be.
    pub(super) delay: MediaTime,
    /// The types that can be played here.
    pub(super) supported: Vec<String>,
    /// A media playlist that is the manifest itself.
    pub(super) alone: Option<Vec<u8>>,
    /// It was said that nothing new comes.
    silence_told: bool,
    /// Which key systems there may be.
    drm: DrmConfig,
    pub(super) pace: Pace,
}

impl Live {
    pub(super) fn new(now: Instant, drm: DrmConfig) -> Self {
        Self {
            mpd: None,
            url: String::new(),
            asked_at: now,
            loading: false,
            due: None,
            says: None,
            on: false,
            began: false,
            settled: false,
            waiting: None,
            range_sent: None,
            delay: MediaTime::ZERO,
            supported: Vec::new(),
            alone: None,
            silence_told: false,
            drm,
            pace: Pace::new(),
        }
    }

    /// Why segments that are protected like this cannot be played: nobody is known who has the keys.
    pub(super) fn is_locked(&self, ways: &[Protection], is_fmp4: bool) -> bool {
        Cipher::of(ways, 0, is_fmp4).is_none() && !Drm::may_open(&self.drm, ways)
    }

    /// Where playback begins is known.
    pub(super) const fn is_settled(&self) -> bool {
        self.settled
    }

    /// A media playlist says that there is nothing to wait for; true the first time.
    pub(super) fn settle(&mut self) -> bool {
        !core::mem::replace(&mut self.settled, true)
    }

    /// The end of what may be there, by the servers' clock.
    fn edge(&self, wall: Option<WallTime>) -> Option<MediaTime> {
        self.says.as_ref()?.media_of(wall?)
    }

    /// Reads a manifest, for the first time or again; nothing if the whole has to be fetched instead of a patch.
    pub(super) fn read(
        &mut self,
        now: Instant,
        attempt: &Attempt,
        body: &[u8],
    ) -> Result<Option<Presentation>, ManifestError> {
        self.loading = false;
        let is_patch = self.mpd.is_some() && scan::contains(body.get(..1024).unwrap_or(body), b"<Patch");
        let is_mpd = !is_patch && manifest::protocol(body)? == Protocol::Dash;
        let presentation = match (is_mpd, &mut self.mpd) {
            (false, None) => manifest::parse(body, &attempt.url)?,
            (true, None) => {
                let mpd = Mpd::parse(body, &attempt.url)?;
                let presentation = mpd.presentation()?;
                self.mpd = presentation.live.is_some().then(|| Box::new(mpd));
                presentation
            }
            (true, Some(mpd)) => {
                mpd.refresh(body, &attempt.url)?;
                mpd.presentation()?
            }
            (false, Some(mpd)) => match mpd.patch(body)? {
                PatchOutcome::Applied => mpd.presentation()?,
                PatchOutcome::FetchWhole(_) => {
                    if let Some(says) = &mut self.says {
                        says.patch = None;
                    }
                    self.due = Some(now);
                    return Ok(None);
                }
            },
        };
        attempt.url.clone_into(&mut self.url);
        self.schedule(now, &presentation);
        Ok(Some(presentation))
    }

    fn schedule(&mut self, now: Instant, presentation: &Presentation) {
        self.says.clone_from(&presentation.live);
        let refresh = presentation.live.as_ref().and_then(|live| live.refresh);
        self.due = refresh.map(|pause| (self.asked_at + pause.max(MIN_REFRESH)).max(now + MIN_REFRESH / 2));
    }

    /// An event says that there is a newer manifest.
    pub(super) fn refresh(&mut self, now: Instant) {
        if self.mpd.is_some() {
            self.due = Some(now);
        }
    }

    /// A manifest could not be read again: the next attempt may fare better.
    pub(super) fn on_failed(&mut self, now: Instant) {
        self.loading = false;
        let refresh = self.says.as_ref().and_then(|says| says.refresh);
        self.due = Some(now + refresh.unwrap_or_default().max(MIN_REFRESH * 2));
    }

    /// The presentation is about to be played.
    pub(super) fn begin(&mut self, presentation: &Presentation) {
        self.on = presentation.live.is_some();
        // Of HLS the media playlists say it.
        self.settled = !self.on && presentation.protocol == Protocol::Dash;
    }

    /// Why a rendition cannot be played.
    pub(super) fn can_play(&self, track: &Track, rendition: &Rendition) -> Result<(), String> {
        let mime = rendition.mime();
        let own = [&rendition.protection, &track.protection];
        let ways = own.into_iter().find(|ways| !ways.is_empty());
        let of_segments = match &rendition.source {
            SegmentSource::Index(index) => index.keys.as_slice(),
            SegmentSource::Playlist(_) | SegmentSource::Sidx(_) => &[],
        };
        if ways
            .into_iter()
            .chain(of_segments)
            .any(|ways| self.is_locked(ways, true))
        {
            return Err(format!("{mime} (encrypted, and no licence server is known)"));
        }
        // What is not declared turns out when it is there.
        let known = track.kind == TrackKind::Text || rendition.codecs.is_empty();
        if known || self.supported.contains(&mime) {
            return Ok(());
        }
        Err(mime)
    }
}

impl Session {
    /// Does what time brings: asks for newer manifests, follows the edge; says when to come back.
    pub(super) fn keep_up(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        if self.loaders.is_empty() {
            return None;
        }
        if self.shared.growing {
            self.shared.edge = self
                .live
                .edge(self.shared.requests.clock.known(cx.now))
                .filter(|edge| self.goes_by_clock(*edge));
        }
        if let Some((start, depth)) = self.live.waiting.take() {
            self.begin_growing(cx, start, depth);
        }
        self.shared.from = MediaTime::ZERO;
        if self.live.on && self.live.settled {
            self.shared.from = self.range(cx.now).map_or(MediaTime::ZERO, |range| range.start);
            self.catch_up(cx);
        }
        self.tell_range(cx);
        let due = self.live.due.filter(|_| !self.live.loading)?;
        if due > cx.now {
            return Some(due);
        }
        self.live.loading = true;
        self.live.asked_at = cx.now;
        let says = self.live.says.as_ref();
        let patch = says
            .and_then(|says| says.patch.as_ref())
            .map(|(url, _)| url.clone());
        let locations = says.map_or(&[][..], |says| &says.locations);
        if patch.is_none() && !locations.is_empty() {
            let places = self.shared.requests.pathways.manifests(cx.now, locations);
            self.shared.requests.start_at(cx, Purpose::Manifest, places);
            return None;
        }
        let url = patch.unwrap_or_else(|| self.live.url.clone());
        let resource = Resource { url, range: None };
        self.shared.requests.start(cx, Purpose::Manifest, resource);
        None
    }

    /// How far the playhead is behind the servers' clock, if that is known.
    pub(super) fn latency(&self, now: Instant, position: MediaTime) -> Option<MediaTime> {
        let edge = self.live.edge(self.shared.requests.clock.known(now));
        Some((edge? - position).max(MediaTime::ZERO))
    }

    /// The segments that the manifest lists are not all there yet.
    fn goes_by_clock(&self, edge: MediaTime) -> bool {
        let end = self.main().and_then(last_index).map(SegmentIndex::end);
        end.is_some_and(|end| end > edge + LISTED_AHEAD)
    }

    /// What can be played now.
    fn range(&self, now: Instant) -> Option<TimeRange> {
        let main = self.main()?;
        // The period that is played may have left the manifest long ago.
        let last = last_index(main);
        let index = main.slots.any_index(main.followed()).or(last)?;
        let (mut start, mut end) = (index.start(), index.end());
        if main.part_target().is_some() {
            end = main.listed_end().map_or(end, |listed| listed.max(end));
        }
        if self.shared.growing {
            end = last.map_or(end, |last| last.end().max(end));
            let says = self.live.says.as_ref();
            if let Some(edge) = self.shared.edge {
                end = end.min(edge);
            }
            let depth = says.and_then(|says| says.window);
            let first = self
                .shared
                .periods
                .first()
                .map(|span| span.start)
                .unwrap_or_default();
            start = depth
                .map_or(first, |depth| {
                    self.live
                        .edge(self.shared.requests.clock.known(now))
                        .unwrap_or(end)
                        .min(end)
                        - depth
                })
                .max(first);
        }
        Some(TimeRange::new(start.min(end), end))
    }

    /// Tells the driver and the application what the viewer may seek in.
    pub(super) fn tell_range(&mut self, cx: &mut Cx<'_>) {
        if !self.live.on
            || !self.live.settled
            || !self.source_open
            || !self.loaders.iter().any(Loader::has_buffer)
        {
            return;
        }
        let Some(range) = self.range(cx.now) else { return };
        let far = |a: MediaTime, b: MediaTime| (a - b).max(b - a) >= RANGE_STEP;
        let told = self.live.range_sent;
        if told.is_some_and(|told| !far(told.start, range.start) && !far(told.end, range.end)) {
            return;
        }
        self.live.range_sent = Some(range);
        cx.send(Output::SetLiveRange { range });
        let edge = (range.end - self.live.delay).max(range.start);
        cx.event(PlayerEvent::Live { range, edge });
    }

    /// A playhead that the window has left behind goes on at its start.
    fn catch_up(&mut self, cx: &mut Cx<'_>) {
        let state = *self.playhead.state();
        if state.paused || self.start.is_some() {
            return;
        }
        let Some(range) = self.range(cx.now) else { return };
        let position = self.playhead.position(cx.now);
        let held = self
            .loaders
            .iter()
            .filter(|l| !l.is_text())
            .all(|l| l.playable(position) > MediaTime::ZERO);
        if held || position + RANGE_STEP >= range.start {
            return;
        }
        // Not quite at the start: it moves on while the first segment comes.
        let to = range.start + (range.end - range.start).min(self.live.delay);
        let message = "the playhead has fallen out of the window of the live stream and goes on in it";
        self.report(cx, error(ErrorKind::Network, message));
        self.go_to(cx, to);
        for (i, loader) in self.loaders.iter_mut().enumerate() {
            loader.seek(cx, &mut self.shared, to, i == 0);
        }
    }

    /// A live stream begins near its edge: `start` is where the author wants it, `from` and `to` what there is.
    pub(super) fn begin_live(
        &mut self,
        cx: &mut Cx<'_>,
        start: Option<MediaTime>,
        from: MediaTime,
        to: MediaTime,
    ) {
        if self.live.settled {
            return;
        }
        self.live.on = true;
        self.live.began = true;
        self.live.settled = true;
        self.live.delay = self.delay(cx);
        self.duration = Some(MediaTime::MAX);
        self.view.set_live();
        let latest = (to - self.live.delay).max(from);
        let at = match (self.load.start, start) {
            (Some(at), _) => at.max(from).min(latest),
            (None, Some(at)) if at < MediaTime::ZERO => (to + at).max(from),
            (None, Some(at)) => (from + at).min(latest),
            (None, None) => latest,
        };
        self.set_start(cx, at);
        self.tell_loaded(cx);
        for (i, loader) in self.loaders.iter_mut().enumerate() {
            loader.seek(cx, &mut self.shared, at, i == 0);
        }
    }

    /// A live presentation whose manifest lists its segments begins.
    pub(super) fn begin_growing(
        &mut self,
        cx: &mut Cx<'_>,
        start: Option<MediaTime>,
        depth: Option<MediaTime>,
    ) {
        if self.shared.requests.clock.is_pending() {
            self.live.waiting = Some((start, depth));
            return;
        }
        let edge = self.live.edge(self.shared.requests.clock.known(cx.now));
        let last = self.main().and_then(|main| {
            let last = main.slots.numbers().rev().find_map(|r| main.slots.index(r))?;
            Some((last.start(), last.end()))
        });
        let to = match (edge, last) {
            (Some(edge), Some((_, end))) if end > edge + LISTED_AHEAD => edge,
            (_, Some((_, end))) => end,
            (Some(edge), None) => edge,
            (None, None) => MediaTime::ZERO,
        };
        let first = self
            .shared
            .periods
            .first()
            .map(|span| span.start)
            .unwrap_or_default();
        let from = depth.map_or(first, |depth| (to - depth).max(first));
        self.begin_live(cx, start, from, to);
    }

    /// How far behind the edge to play.
    fn delay(&self, cx: &Cx<'_>) -> MediaTime {
        let wished = cx.config.live.latency_s.filter(|s| s.is_finite() && *s > 0.0);
        if let Some(wished) = wished {
            return MediaTime::from_secs_f64(wished);
        }
        let says = self.live.says.as_ref();
        let declared = says.and_then(|says| says.latency.and_then(|l| l.target).or(says.suggested_delay));
        let list = self.main().and_then(Loader::any_listed);
        let held_back = list.and_then(|list| list.tags.server_control.hold_back);
        if let Some(part) = self.main().and_then(Loader::part_target) {
            let held_back = list.and_then(|list| list.tags.server_control.part_hold_back);
            return held_back.unwrap_or(MediaTime::from_micros(part.as_micros() * PARTS_BEHIND));
        }
        let usual = list.map(MediaPlaylist::target_duration).or_else(|| {
            let main = self.main()?;
            let index = main.slots.numbers().find_map(|r| main.slots.index(r))?;
            index.times(0).map(|(start, end)| end - start)
        });
        let usual = usual.map(|each| MediaTime::from_secs_f64(each.as_secs_f64() * SEGMENTS_BEHIND));
        declared
            .or(held_back)
            .or(usual)
            .unwrap_or(MediaTime::from_millis(10_000))
    }

    /// A manifest was read again.
    pub(super) fn on_refreshed(&mut self, cx: &mut Cx<'_>, mut presentation: Presentation) {
        let ended = presentation.live.is_none();
        let mut refused = Vec::new();
        self.company.read(&presentation.periods);
        self.tell_known(cx);
        let listed = presentation
            .periods
            .first()
            .map_or(MediaTime::MAX, |period| period.start);
        for period in core::mem::take(&mut presentation.periods) {
            self.merge(period, &mut refused);
        }
        let position = self.playhead.position(cx.now);
        let back = MediaTime::from_secs_f64(cx.config.buffer.back_s);
        // What is still listed may be seeked to.
        let oldest = self.shared.period_at((position - back).min(listed));
        for loader in &mut self.loaders {
            // The one before may still be in the buffer.
            loader.slots.forget(cx, oldest.saturating_sub(1));
            loader.refreshed(cx, &self.shared);
        }
        if ended {
            self.shared.growing = false;
            self.shared.edge = None;
            self.live.due = None;
            self.live.on = false;
            self.duration = presentation.duration;
        }
    }

    /// Takes over a newer version of a period.
    fn merge(&mut self, period: Period, refused: &mut Vec<String>) {
        let same = |span: &Span| {
            if period.id.is_empty() {
                span.start == period.start
            } else {
                span.id == period.id
            }
        };
        let Some(place) = self.shared.periods.iter().rposition(same) else {
            if self
                .shared
                .periods
                .last()
                .is_some_and(|last| last.start >= period.start)
            {
                // One that comes in before others is none that could be played any more.
                return;
            }
            return self.add_period(period, refused);
        };
        if let Some(span) = self.shared.periods.get_mut(place) {
            span.end = period.duration.map(|d| period.start + d);
        }
        for mut track in period.tracks {
            let Some(loader) = self.loaders.iter_mut().find(|l| l.kind == track.kind) else {
                continue;
            };
            let Some(known) = loader.slots.find_track(place, &track.id) else {
                let renditions = core::mem::take(&mut track.renditions);
                let playable = renditions
                    .into_iter()
                    .filter(|r| self.live.can_play(&track, r).is_ok());
                track.renditions = playable.collect();
                if !track.renditions.is_empty() {
                    loader.slots.insert(place, track);
                }
                continue;
            };
            for rendition in track.renditions {
                loader.slots.update(known, rendition);
            }
        }
        for loader in &mut self.loaders {
            loader.slots.judge(&self.abilities);
        }
    }

    // Media playlists --------------------------------------------------------------------------------------------------

    /// A newer version of a playlist that is known; false if it is none.
    pub(super) fn on_newer_playlist(
        &mut self,
        cx: &mut Cx<'_>,
        kind: TrackKind,
        rendition: usize,
        attempt: &Attempt,
        body: &[u8],
    ) -> bool {
        let is_main = self.main().is_some_and(|main| main.kind == kind);
        let loader = self.loaders.iter_mut().find(|l| l.kind == kind);
        let Some(listed) = loader.and_then(|loader| loader.listed(rendition)) else {
            return false;
        };
        if core::mem::take(&mut listed.moving) {
            self.on_moved(cx, kind, rendition, attempt, body);
            return true;
        }
        listed.loading = false;
        listed.read_at = cx.now;
        let before = listed.end();
        let (wrong, ended) = match listed.playlist.refresh(body, &attempt.url) {
            Ok(refreshed) => {
                listed.failures = 0;
                listed.whole = false;
                listed.stale = refreshed.added == 0 && listed.end() == before;
                if !listed.stale {
                    listed.changed_at = cx.now;
                    self.live.silence_told = false;
                }
                let ended = listed.playlist.ended().then(|| listed.playlist.index.end());
                let jumped = refreshed.discontinued;
                (
                    jumped.then(|| "does not continue the version before".to_owned()),
                    ended,
                )
            }
            Err(ManifestError::Delta) => {
                listed.stale = core::mem::replace(&mut listed.whole, true);
                (None, None)
            }
            Err(why) => {
                listed.stale = true;
                (Some(format!("cannot be read: {why}")), None)
            }
        };
        let patience = listed.playlist.target_duration().as_duration() * 3;
        let silent = cx.now.since(listed.changed_at) > patience && ended.is_none();
        if let Some(wrong) = wrong {
            let message = format!("{} {wrong}", url::public(&attempt.url));
            self.report(cx, error(ErrorKind::Manifest, message));
        }
        if silent && is_main && !self.live.silence_told {
            self.live.silence_told = true;
            let message = format!("{} has had nothing new for some time", url::public(&attempt.url));
            self.report(cx, error(ErrorKind::Manifest, message));
        }
        if is_main {
            self.take_date_ranges(cx, kind, rendition);
        }
        self.hear_edge(cx.now);
        if let Some(end) = ended.filter(|_| is_main) {
            self.live.on = false;
            self.duration = Some(end);
            self.view.set_duration(end);
        }
        true
    }

    /// The playlist of a rendition on another pathway takes the place of the one before.
    fn on_moved(
        &mut self,
        cx: &mut Cx<'_>,
        kind: TrackKind,
        rendition: usize,
        attempt: &Attempt,
        body: &[u8],
    ) {
        let mut read = MediaPlaylist::read(body, &attempt.url, Some(&self.variables));
        if let Ok(playlist) = &mut read
            && !playlist.ended()
        {
            self.align(playlist);
        }
        let loader = self.loaders.iter_mut().find(|l| l.kind == kind);
        let Some(listed) = loader.and_then(|loader| loader.listed(rendition)) else {
            return;
        };
        listed.loading = false;
        listed.read_at = cx.now;
        match read {
            Ok(playlist) => listed.playlist = playlist,
            Err(why) => {
                let message = format!("{} cannot be read: {why}", url::public(&attempt.url));
                self.report(cx, error(ErrorKind::Manifest, message));
            }
        }
    }

    /// Puts a live playlist on the timeline of those that are known: by the wall clock, or by media sequence numbers, or by their
    /// ends.
    pub(super) fn align(&self, playlist: &mut MediaPlaylist) {
        let Some(known) = self.loaders.iter().find_map(Loader::any_listed) else {
            return;
        };
        let (old, new) = (&known.index, &playlist.index);
        let (first, next) = old.numbers();
        let (number, _) = new.numbers();
        let walls = old.get(0).zip(new.get(0)).and_then(|(a, b)| a.wall.zip(b.wall));
        let by = if let Some((old_wall, new_wall)) = walls {
            old.start() + new_wall.since(old_wall)
        } else if number >= first && number < next {
            old.times((number - first) as usize)
                .map_or(old.start(), |(start, _)| start)
        } else if let Some((start, _)) = first.checked_sub(number).and_then(|p| new.times(p as usize)) {
            old.start() - start
        } else {
            old.end() - new.end()
        };
        playlist.shift(by - new.start());
    }
}

/// The newest segments that are known, of the last period that has any.
fn last_index(loader: &Loader) -> Option<&SegmentIndex> {
    let slots = &loader.slots;
    slots.numbers().rev().find_map(|r| slots.index(r))
}
