//! One loaded presentation, from the manifest to the last segment.

use core::time::Duration;

use super::context::{Cx, error};
use super::frames::Shown;
use super::limits::Limits;
use super::loader::{Env, Loader};
use super::playhead::Playhead;
use super::requests::{Attempt, Job, Outcome, Purpose, Requests};
use crate::cmcd::Playback;
use crate::error::{ErrorKind, PlayerError};
use crate::input::{Host, Input, Load, MediaState, TrackKind};
use crate::manifest;
use crate::manifest::hls::MediaPlaylist;
use crate::output::{Limit, Output, PlayerEvent, RenditionInfo, Stats};
use crate::presentation::{Presentation, Resource, SegmentIndex, SegmentSource, Track};
use crate::telemetry::schema::{Event, PlaybackState, RebufferCause, Rung};
use crate::telemetry::{Seen, View};
use crate::time::{Bitrate, Instant, MediaTime};
use crate::url;

/// A hole in the buffer that is jumped over at once; a longer one only when nothing is on its way that could fill it.
const SMALL_GAP: MediaTime = MediaTime::from_millis(500);
/// The playhead must stand this long before a hole.
const GAP_PATIENCE: Duration = Duration::from_millis(100);
/// How far behind a hole the playhead lands.
const GAP_LANDING: MediaTime = MediaTime::from_millis(1);
/// A halt with less than this in the buffer is the network's: browsers stop a little before the very end.
const STARVED: MediaTime = MediaTime::from_millis(500);
const STATS_INTERVAL: Duration = Duration::from_millis(500);

/// See the module's text.
pub(crate) struct Session {
    load: Load,
    view: View,
    requests: Requests,
    phase: Phase,
    loaders: Vec<Loader>,
    rungs: Vec<Rung>,
    playhead: Playhead,
    limits: Limits,
    /// What the application was told of them.
    limited_by: Vec<Limit>,
    highest: Option<usize>,
    /// The segment table, until it is asked for.
    /// Of the multivariant playlist, for its media playlists.
    variables: Vec<(String, String)>,
    table: Option<Resource>,
    source_open: bool,
    /// Where the playhead should start, until the element has been told.
    start: Option<MediaTime>,
    duration: Option<MediaTime>,
    duration_sent: Option<MediaTime>,
    end_of_stream: bool,
    failed: bool,
    stuck_since: Option<Instant>,
    stats_due: Instant,
    announced: Option<usize>,
}

enum Phase {
    Manifest,
    /// Waiting to hear which types can be played.
    Probing(Box<Presentation>),
    Playing,
}

impl Session {
    /// Starts to load.
    pub(crate) fn new(
        cx: &mut Cx<'_>,
        load: Load,
        host: Host,
        media: &MediaState,
        ids: (String, String),
    ) -> Self {
        let requests = Requests::new(cx, &load, &ids.0);
        let view = View::new(&cx.config.telemetry, &load, ids, cx.now, cx.abr.name());
        let start = load.start.filter(|s| *s > MediaTime::ZERO);
        let mut session = Self {
            view,
            requests,
            phase: Phase::Manifest,
            loaders: Vec::new(),
            rungs: Vec::new(),
            playhead: Playhead::new(cx.now, start.unwrap_or_default(), media),
            limits: Limits {
                host,
                ..Limits::default()
            },
            limited_by: Vec::new(),
            highest: None,
            table: None,
            variables: Vec::new(),
            source_open: false,
            start,
            duration: None,
            duration_sent: None,
            end_of_stream: false,
            failed: false,
            stuck_since: None,
            stats_due: cx.now,
            announced: None,
            load,
        };
        session.view.set_hidden(cx.now, host.hidden);
        session.requests.set_offline(cx.now, host.offline);
        match url::resolve(&session.load.url, &session.load.url) {
            Ok(url) => {
                session
                    .requests
                    .start(cx, Purpose::Manifest, Resource { url, range: None });
                cx.send(Output::OpenSource);
            }
            Err(why) => {
                let message = format!(
                    "the source \"{}\" cannot be loaded: {why}",
                    url::public(&session.load.url)
                );
                session.fail(cx, error(ErrorKind::Manifest, message));
            }
        }
        session
    }

    /// Ends the view and lets go of everything.
    pub(crate) fn close(&mut self, cx: &mut Cx<'_>) {
        self.requests.close(cx);
        for loader in &mut self.loaders {
            loader.release(cx);
        }
        for beacon in self.view.end(cx.now) {
            cx.send(Output::Beacon(Box::new(beacon)));
        }
        cx.send(Output::CloseSource);
    }

    /// Takes one input; [`Session::pump`] acts on it.
    pub(crate) fn handle(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Appended { kind, buffered } => {
                if let Some(loader) = self.loader(kind) {
                    loader.on_appended(cx, buffered);
                }
            }
            Input::AppendFailed {
                kind,
                reason,
                buffered,
            } => {
                let position = self.playhead.position(cx.now);
                let Some(loader) = self.loaders.iter_mut().find(|l| l.kind == kind) else {
                    return;
                };
                let requests = &mut self.requests;
                match loader.on_append_failed(cx, requests, &reason, buffered, position, &self.limits) {
                    Ok(Some(error)) => self.report(cx, error),
                    Ok(None) => {}
                    Err(error) => self.fail(cx, error),
                }
            }
            Input::Removed { kind, buffered } => {
                if let Some(loader) = self.loader(kind) {
                    loader.on_removed(buffered);
                }
            }
            Input::Body { .. }
            | Input::Complete { .. }
            | Input::Failed { .. }
            | Input::Progress { .. }
            | Input::Response { .. } => {
                let outcome = self.requests.handle(cx, input);
                self.on_outcome(cx, outcome);
            }
            Input::Host(host) => {
                self.limits.host = host;
                self.requests.set_offline(cx.now, host.offline);
                self.view.set_hidden(cx.now, host.hidden);
                self.limit(cx);
            }
            Input::Limits { .. } => self.limit(cx),
            Input::Media(state) => self.on_media(cx, state),
            Input::Restrict { renditions } => self.restrict(cx, renditions),
            Input::SelectRendition(id) => self.select(cx, id.as_deref()),
            Input::SourceOpened => self.source_open = true,
            Input::TypesSupported(types) => self.on_types(cx, &types),
            Input::Load(_) | Input::Prepared { .. } | Input::Tick | Input::Unload => {}
        }
    }

    /// Does everything that is due now; says when to come back.
    pub(crate) fn pump(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        let mut deadline: Option<Instant> = None;
        let mut at = |when: Option<Instant>| {
            if let Some(when) = when {
                deadline = Some(deadline.map_or(when, |d| d.min(when)));
            }
        };
        if !self.failed {
            loop {
                let outcome = self.requests.due(cx);
                if matches!(outcome, Outcome::Nothing) {
                    break;
                }
                self.on_outcome(cx, outcome);
            }
        }
        if !self.failed {
            self.create_buffers(cx);
            for i in 0..self.loaders.len() {
                at(self.drive(cx, i));
            }
            self.end_stream(cx);
            at(self.jump_gap(cx));
            at(self.requests.deadline(cx));
        }
        self.observe(cx);
        at(self.limits.frames.deadline().filter(|_| !self.failed));
        for beacon in self.view.flush(cx.now) {
            cx.send(Output::Beacon(Box::new(beacon)));
        }
        at(self.view.deadline());
        deadline
    }

    fn loader(&mut self, kind: TrackKind) -> Option<&mut Loader> {
        self.loaders.iter_mut().find(|l| l.kind == kind)
    }

    /// The loader whose downloads ABR learns from: video, or audio if there is no video.
    fn main(&self) -> Option<&Loader> {
        self.loaders.first()
    }

    fn env(&self, now: Instant, i: usize) -> Env {
        // Sound and text do not run ahead of the pictures: they would take the line from them.
        let not_after = if i == 0 {
            None
        } else {
            self.main().map(Loader::next)
        };
        Env {
            position: self.playhead.position(now),
            speed: self.playhead.speed(),
            started: self.view.started(),
            not_after,
            main: i == 0,
        }
    }

    fn drive(&mut self, cx: &mut Cx<'_>, i: usize) -> Option<Instant> {
        let env = self.env(cx.now, i);
        let loader = self.loaders.get_mut(i)?;
        if let Some((job, attempt)) = loader.consider_abandoning(cx, &mut self.requests, &env) {
            self.view.counters().requests_cancelled += 1;
            self.account_request(cx, &job, &attempt, true);
        }
        let loader = self.loaders.get_mut(i)?;
        let next_fetch = loader.schedule(cx, &mut self.requests, &env);
        let abandon = loader.abandon_deadline(cx, &self.requests, &env);
        if self.source_open && loader.feed(cx, env.position) {
            self.end_of_stream = false;
        }
        let hold = loader.hold_deadline(cx.now);
        if i == 0 {
            self.announce(cx);
        }
        [next_fetch, abandon, hold].into_iter().flatten().min()
    }

    /// Says which rendition is being fetched, when that changes.
    fn announce(&mut self, cx: &mut Cx<'_>) {
        let Some(loader) = self.loaders.first() else {
            return;
        };
        let current = loader.current();
        if current.is_none() || current == self.announced {
            return;
        }
        self.announced = current;
        if let Some(slot) = current.and_then(|r| loader.slots.get(r)) {
            let id = slot.rendition.id.clone();
            cx.event(PlayerEvent::Rendition { id, visible: false });
        }
    }

    fn create_buffers(&mut self, cx: &mut Cx<'_>) {
        if !self.source_open {
            return;
        }
        for loader in &mut self.loaders {
            loader.create_buffer(cx);
        }
        if self.loaders.is_empty() {
            return;
        }
        if let Some(duration) = self.duration.filter(|d| self.duration_sent != Some(*d)) {
            self.duration_sent = Some(duration);
            cx.send(Output::SetDuration { duration });
        }
        if let Some(to) = self.start.take() {
            cx.send(Output::Seek { to });
        }
    }

    fn end_stream(&mut self, cx: &mut Cx<'_>) {
        if !self.end_of_stream && !self.loaders.is_empty() && self.loaders.iter().all(Loader::is_finished) {
            self.end_of_stream = true;
            cx.send(Output::EndOfStream);
        }
    }

    /// Jumps over a hole that the playhead stands before.
    fn jump_gap(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        let state = *self.playhead.state();
        let waits =
            !state.paused && !state.seeking && !state.ended && state.ready_state < 3 && state.error.is_none();
        let position = state.position;
        let target = self.loaders.iter().filter_map(|l| l.next_start(position)).max();
        let Some(target) = target.filter(|_| waits) else {
            self.stuck_since = None;
            return None;
        };
        let since = *self.stuck_since.get_or_insert(cx.now);
        let fillable = self
            .loaders
            .iter()
            .any(|l| l.next_start(position).is_some_and(|start| l.next() < start));
        if target - position > SMALL_GAP && fillable {
            return None;
        }
        if cx.now.since(since) < GAP_PATIENCE {
            return Some(since + GAP_PATIENCE);
        }
        self.stuck_since = None;
        let to = target + GAP_LANDING;
        self.playhead.expect(cx.now, to);
        cx.send(Output::Seek { to });
        None
    }

    // Inputs -----------------------------------------------------------------------------------------------------------

    fn on_media(&mut self, cx: &mut Cx<'_>, state: MediaState) {
        if let Some(code) = state.error {
            self.playhead.report(cx.now, state);
            let what = match code {
                3 => "the decoder failed",
                4 => "the source is not supported",
                _ => "the media element failed",
            };
            return self.fail(cx, error(ErrorKind::Media, format!("{what} (MediaError {code})")));
        }
        if self.start.is_some() {
            // The element still stands at zero; the start position is the engine's.
            let position = self.playhead.state().position;
            return self.playhead.report(cx.now, MediaState { position, ..state });
        }
        let expected = self.playhead.position(cx.now);
        self.playhead.report(cx.now, state);
        let moved = (state.position - expected).max(expected - state.position);
        // An element reports its position late and in steps; a seek is announced.
        if state.seeking || moved > MediaTime::from_millis(1000) {
            let position = self.playhead.state().position;
            for (i, loader) in self.loaders.iter_mut().enumerate() {
                loader.seek(cx, &mut self.requests, position, i == 0);
            }
        }
    }

    fn on_outcome(&mut self, cx: &mut Cx<'_>, outcome: Outcome) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Notice(error) => self.report(cx, error),
            Outcome::Progress { job } => {
                if let (Some(loader), env) = (self.loaders.first(), self.env(cx.now, 0)) {
                    loader.on_progress(cx, &self.requests, job, &env);
                }
            }
            Outcome::Body { job, attempt, body } => {
                self.account_request(cx, &job, &attempt, false);
                match job.purpose {
                    Purpose::Playlist { kind, rendition } => {
                        self.on_playlist(cx, kind, rendition, &job, &attempt, &body)
                    }
                    Purpose::Sidx { kind, rendition } => {
                        self.on_sidx(cx, kind, rendition, &job, &attempt, &body)
                    }
                    Purpose::SegmentTable => self.on_table(cx, &attempt, &body),
                    _ => self.on_manifest(cx, &attempt, &body),
                }
            }
            Outcome::Complete { job, attempt, cached } => {
                self.account_request(cx, &job, &attempt, false);
                let Some((kind, rendition)) = job.purpose.track() else {
                    return;
                };
                let Some(i) = self.loaders.iter().position(|l| l.kind == kind) else {
                    return;
                };
                let env = self.env(cx.now, i);
                let Some(loader) = self.loaders.get_mut(i) else {
                    return;
                };
                if let Purpose::Init { init, .. } = job.purpose {
                    return loader.on_init(cx, rendition, init, &attempt);
                }
                if let Some(wrong) = loader.on_segment(cx, &attempt, cached, &env) {
                    self.report(cx, error(ErrorKind::Manifest, wrong));
                }
                // Not before the first segment: it would take the line from it.
                if let Some(table) = self.table.take() {
                    self.requests.start(cx, Purpose::SegmentTable, table);
                }
            }
            Outcome::Retrying { job, attempt, error } => {
                self.view.counters().requests_failed += 1;
                self.account_request(cx, &job, &attempt, false);
                self.report(cx, error);
            }
            Outcome::Failed { job, attempt, error } => {
                self.view.counters().requests_failed += 1;
                self.account_request(cx, &job, &attempt, false);
                self.on_job_failed(cx, &job, error);
            }
        }
    }

    fn on_job_failed(&mut self, cx: &mut Cx<'_>, job: &Job, cause: PlayerError) {
        if job.purpose == Purpose::SegmentTable {
            // Sizes are estimated then, as without one.
            return self.report(cx, cause);
        }
        let loader = job
            .purpose
            .track()
            .and_then(|(kind, _)| self.loaders.iter_mut().find(|l| l.kind == kind));
        let Some(loader) = loader else {
            return self.fail(cx, cause);
        };
        match loader.on_failed(cx, &mut self.requests, job.purpose, cause.clone(), &self.limits) {
            Ok(()) => self.report(cx, cause),
            Err(cause) => self.fail(cx, cause),
        }
    }

    fn on_manifest(&mut self, cx: &mut Cx<'_>, attempt: &Attempt, body: &[u8]) {
        let presentation = match manifest::parse(body, &attempt.url) {
            Ok(presentation) => presentation,
            Err(why) => {
                let message = format!("{} cannot be played: {why}", url::public(&attempt.url));
                return self.fail(cx, error(ErrorKind::Manifest, message));
            }
        };
        if presentation.live.is_some() {
            let message = format!(
                "{} is a live stream, which this version does not play",
                url::public(&attempt.url)
            );
            return self.fail(cx, error(ErrorKind::Unsupported, message));
        }
        if let Some(odd) = self.requests.read(cx, attempt.requested_at, &presentation) {
            self.report(cx, odd);
        }
        let mut types: Vec<String> = Vec::new();
        for track in presentation
            .periods
            .iter()
            .flat_map(|p| &p.tracks)
            .filter(|t| t.kind != TrackKind::Text)
        {
            for rendition in &track.renditions {
                let mime = rendition.mime();
                let at = types.partition_point(|known| *known < mime);
                if types.get(at) != Some(&mime) {
                    types.insert(at, mime);
                }
            }
        }
        self.phase = Phase::Probing(Box::new(presentation));
        cx.send(Output::ProbeTypes { types });
    }

    fn on_types(&mut self, cx: &mut Cx<'_>, supported: &[String]) {
        let Phase::Probing(presentation) = core::mem::replace(&mut self.phase, Phase::Playing) else {
            return;
        };
        let Presentation {
            protocol,
            mut duration,
            periods,
            segment_table,
            variables,
            warnings,
            ..
        } = *presentation;
        let mut refused: Vec<String> = Vec::new();
        let mut tracks: Vec<Track> = Vec::new();
        let period_count = periods.len();
        let period = periods.into_iter().next().unwrap_or_default();
        if period_count > 1 {
            duration = period.duration.map(|d| period.start + d);
        }
        for mut track in period.tracks {
            if track.kind == TrackKind::Text || tracks.iter().any(|t| t.kind == track.kind) {
                continue;
            }
            let encrypted = !track.protection.is_empty();
            track.renditions.retain(|r| {
                let mut mime = r.mime();
                let readable = match &r.source {
                    SegmentSource::Index(index) => index.keys.is_empty(),
                    SegmentSource::Playlist(_) | SegmentSource::Sidx(_) => true,
                };
                let mut fits = readable && supported.contains(&mime);
                if encrypted || !r.protection.is_empty() {
                    mime.push_str(" (encrypted, which this version does not play)");
                    fits = false;
                }
                if !fits && !refused.contains(&mime) {
                    refused.push(mime);
                }
                fits
            });
            if !track.renditions.is_empty() {
                tracks.push(track);
            }
        }
        // Pictures first: their requests go out first.
        if let Some(pictures) = tracks.iter().position(|t| t.kind == TrackKind::Video) {
            tracks.swap(0, pictures);
        }
        let group = tracks
            .first()
            .and_then(|t| t.renditions.first())
            .map(|r| r.audio_group.clone())
            .unwrap_or_default();
        if let Some(first) = tracks.first_mut().filter(|_| !group.is_empty()) {
            first.renditions.retain(|r| r.audio_group == group);
        }
        for track in tracks
            .iter_mut()
            .skip(1)
            .filter(|t| t.kind == TrackKind::Audio && !group.is_empty())
        {
            if track.renditions.iter().any(|r| r.audio_group == group) {
                track.renditions.retain(|r| r.audio_group == group);
            }
        }
        if tracks.is_empty() {
            let message = format!(
                "none of the stream's types can be played here: {}",
                refused.join(", ")
            );
            return self.fail(cx, error(ErrorKind::Unsupported, message));
        }
        self.variables = variables;
        self.table = segment_table.map(|url| Resource { url, range: None });
        self.duration = duration;
        let position = self.playhead.position(cx.now);
        let infos: Vec<RenditionInfo> = tracks
            .first()
            .map(|t| t.renditions.iter().map(info).collect())
            .unwrap_or_default();
        self.rungs = infos.iter().map(rung).collect();
        let ladder = if tracks.first().is_some_and(|t| t.kind == TrackKind::Video) {
            self.rungs.clone()
        } else {
            Vec::new()
        };
        self.view.describe(cx.now, protocol.name(), false, ladder);
        self.loaders = tracks
            .into_iter()
            .map(|track| Loader::new(track, position))
            .collect();
        if let Some(duration) = duration {
            self.view.set_duration(duration);
        }
        let mut warnings: Vec<String> = warnings
            .into_iter()
            .map(|w| format!("line {}: {}", w.line, w.message))
            .collect();
        warnings.extend(
            refused
                .into_iter()
                .map(|mime| format!("{mime} cannot be played here and is left out")),
        );
        if period_count > 1 {
            warnings.push(format!(
                "only the first of {period_count} periods is played by this version"
            ));
        }
        cx.event(PlayerEvent::Loaded {
            protocol: protocol.name().into(),
            duration,
            renditions: infos,
            warnings,
        });
        self.highest = self.rungs.len().checked_sub(1);
        self.limit(cx);
    }

    fn on_playlist(
        &mut self,
        cx: &mut Cx<'_>,
        kind: TrackKind,
        rendition: usize,
        job: &Job,
        attempt: &Attempt,
        body: &[u8],
    ) {
        let playlist = match MediaPlaylist::read(body, &attempt.url, Some(&self.variables)) {
            Ok(playlist) => {
                let lacking = if !playlist.ended() {
                    "a live playlist"
                } else if !playlist.index.keys.is_empty() {
                    "encrypted (EXT-X-KEY)"
                } else {
                    ""
                };
                if !lacking.is_empty() {
                    let name = url::public(&attempt.url);
                    let message = format!("{name} is {lacking}, which this version does not play");
                    return self.on_job_failed(cx, job, error(ErrorKind::Unsupported, message));
                }
                playlist
            }
            Err(why) => {
                let message = format!("{} cannot be played: {why}", url::public(&attempt.url));
                return self.on_job_failed(cx, job, error(ErrorKind::Manifest, message));
            }
        };
        self.on_index(cx, kind, rendition, playlist.index);
    }

    fn on_sidx(
        &mut self,
        cx: &mut Cx<'_>,
        kind: TrackKind,
        rendition: usize,
        job: &Job,
        attempt: &Attempt,
        body: &[u8],
    ) {
        // A server that does not know ranges answers with the whole file.
        let offset = if attempt.status == 206 { job.offset() } else { 0 };
        let read = self
            .loader(kind)
            .map(|loader| loader.on_sidx(rendition, offset, body));
        match read {
            Some(Ok(Some(index))) => self.on_index(cx, kind, rendition, *index),
            Some(Err(why)) => {
                let message = format!("{} cannot be played: {why}", url::public(&attempt.url));
                self.on_job_failed(cx, job, error(ErrorKind::Manifest, message));
            }
            _ => {}
        }
    }

    fn on_index(&mut self, cx: &mut Cx<'_>, kind: TrackKind, rendition: usize, index: SegmentIndex) {
        let duration = index.end() - index.start();
        let wrong = self
            .loader(kind)
            .and_then(|loader| loader.on_index(rendition, index));
        if let Some(wrong) = wrong {
            self.report(cx, error(ErrorKind::Manifest, wrong));
        }
        if self.duration.is_none_or(|d| d < duration) {
            self.duration = Some(duration);
            self.view.set_duration(duration);
        }
    }

    fn on_table(&mut self, cx: &mut Cx<'_>, attempt: &Attempt, body: &[u8]) {
        let table = match manifest::table::parse(body, &attempt.url) {
            Ok(table) => table,
            Err(why) => {
                let message = format!(
                    "the segment table {} is not used: {why}",
                    url::public(&attempt.url)
                );
                return self.report(cx, error(ErrorKind::Manifest, message));
            }
        };
        let loaders = self.loaders.iter_mut();
        let wrong: Vec<String> = loaders.flat_map(|l| l.slots.set_table(&table)).collect();
        for message in wrong {
            self.report(cx, error(ErrorKind::Manifest, message));
        }
    }

    // What may be chosen -----------------------------------------------------------------------------------------------

    fn limit(&mut self, cx: &mut Cx<'_>) {
        for loader in &mut self.loaders {
            loader.slots.limit(&cx.config.abr, &self.limits);
        }
        let Some(main) = self.loaders.first().filter(|l| !l.slots.is_manual()) else {
            return;
        };
        let by = main.slots.limited_by();
        let highest = main.slots.ladder().last().copied();
        // A failure, as a choice by hand, is told in its own words.
        let said = by == self.limited_by && (by.is_empty() || highest == self.highest);
        if said {
            return;
        }
        self.limited_by = by.to_vec();
        self.highest = highest;
        let id = highest
            .and_then(|r| self.rungs.get(r))
            .map(|rung| rung.id.clone())
            .unwrap_or_default();
        let names: Vec<&str> = self.limited_by.iter().map(|limit| limit.name()).collect();
        let event = Event::Limit {
            id: id.clone(),
            by: names.join(","),
        };
        self.view.event(cx.now, event);
        cx.event(PlayerEvent::Limited {
            highest: id,
            by: self.limited_by.clone(),
        });
    }

    fn restrict(&mut self, cx: &mut Cx<'_>, renditions: Vec<String>) {
        self.limits.restricted = renditions;
        self.limit(cx);
        let position = self.playhead.position(cx.now);
        let mut left = true;
        for loader in &mut self.loaders {
            let mut ladder = loader.slots.ladder().iter().filter_map(|r| loader.slots.get(*r));
            if ladder.any(|slot| !self.limits.is_restricted(&slot.rendition)) {
                loader.retract(cx, &mut self.requests, position, &self.limits);
            } else {
                left = false;
            }
        }
        if !left {
            let message = "every rendition is restricted: the lowest one is tried";
            self.report(cx, error(ErrorKind::Unsupported, message));
        }
    }

    fn select(&mut self, cx: &mut Cx<'_>, id: Option<&str>) {
        let manual = id.and_then(|id| self.rungs.iter().position(|rung| rung.id == id));
        if let (Some(id), None) = (id, manual) {
            let message = format!("there is no rendition \"{id}\": the choice stays with ABR");
            self.report(cx, error(ErrorKind::Internal, message));
        }
        if let Some(main) = self.loaders.first_mut() {
            main.slots.manual = manual;
        }
        self.limit(cx);
    }

    // Telemetry --------------------------------------------------------------------------------------------------------

    fn observe(&mut self, cx: &mut Cx<'_>) {
        let position = self.playhead.position(cx.now);
        let state = *self.playhead.state();
        let buffer = self
            .loaders
            .iter()
            .map(|l| l.playable(position))
            .min()
            .unwrap_or_default();
        let rendition = self
            .main()
            .and_then(|l| l.rendition_at(position))
            .and_then(|r| self.rungs.get(r));
        let cause = if buffer > STARVED {
            RebufferCause::Decode
        } else {
            RebufferCause::Network
        };
        let throughput = cx.abr.estimate();
        let seen = Seen {
            state: self.playback_state(&state),
            cause,
            position,
            rendition,
            buffer,
            throughput_kbps: throughput.map_or(0, |e| e.as_kbps()),
            decoded_frames: state.decoded_frames,
            dropped_frames: state.dropped_frames,
        };
        let changes = self.view.observe(cx.now, &seen);
        self.tell_servers(cx, &state, position);
        let shown = self.shown(&state, position);
        let max_share = cx.config.abr.max_dropped_frames;
        if !self.failed && self.limits.frames.observe(cx.now, shown, max_share) {
            self.limit(cx);
        }
        if let Some((state, cause)) = changes.state {
            cx.event(PlayerEvent::State { state, cause });
        }
        if let Some(id) = changes.rendition {
            cx.event(PlayerEvent::Rendition { id, visible: true });
        }
        if !self.failed && !self.loaders.is_empty() && cx.now >= self.stats_due {
            self.stats_due = cx.now + STATS_INTERVAL;
            let current = self
                .main()
                .and_then(Loader::current)
                .and_then(|r| self.rungs.get(r));
            let rendition = current.map(|r| r.id.clone()).unwrap_or_default();
            cx.event(PlayerEvent::Stats(Stats {
                buffer,
                throughput,
                rendition,
            }));
        }
    }

    /// What servers are told of how playback stands, if they are.
    fn tell_servers(&mut self, cx: &mut Cx<'_>, media: &MediaState, position: MediaTime) {
        if !self.requests.tells() {
            return;
        }
        let buffer = |kind| {
            self.loaders
                .iter()
                .find(|l| l.kind == kind)
                .map(|l| l.playable(position))
        };
        let bitrate = |rendition| {
            let rung: &Rung = self.rungs.get(rendition)?;
            Some(Bitrate::from_bps(u64::from(rung.bandwidth_kbps) * 1000))
        };
        let playback = Playback {
            state: self.view.state(),
            position,
            rate: media.rate,
            hidden: self.limits.host.hidden,
            audio: buffer(TrackKind::Audio),
            video: buffer(TrackKind::Video),
            target: MediaTime::from_secs_f64(cx.config.buffer.goal_s),
            throughput: cx.abr.estimate(),
            selected: self.main().and_then(Loader::current).and_then(bitrate),
            shown: self
                .main()
                .and_then(|l| l.rendition_at(position))
                .and_then(bitrate),
            dropped_frames: media.dropped_frames,
            latency: None,
        };
        self.requests.observe(cx, playback);
    }

    /// What is shown, while dropped frames are the decoder's doing: a hidden page drops them, and so does a screen that is asked
    /// for more frames than it has.
    fn shown(&self, media: &MediaState, position: MediaTime) -> Option<Shown> {
        let plays = self.view.state() == PlaybackState::Playing;
        if !plays || self.limits.host.hidden || media.rate > 1.0 {
            return None;
        }
        Some(Shown {
            rendition: self.main()?.rendition_at(position)?,
            decoded: media.decoded_frames,
            dropped: media.dropped_frames,
        })
    }

    fn playback_state(&self, media: &MediaState) -> PlaybackState {
        if self.failed {
            return PlaybackState::Failed;
        }
        let before = self.view.state();
        if media.ended {
            PlaybackState::Ended
        } else if media.paused {
            match (self.view.started(), media.seeking) {
                (false, _) => PlaybackState::Idle,
                (true, false) => PlaybackState::Paused,
                (true, true) => PlaybackState::Seeking,
            }
        } else if media.ready_state >= 3 && !media.seeking {
            PlaybackState::Playing
        } else if !self.view.started() {
            PlaybackState::Starting
        } else if media.seeking || before == PlaybackState::Seeking {
            // After the seek has found its place, until frames advance.
            PlaybackState::Seeking
        } else {
            PlaybackState::Rebuffering
        }
    }

    fn account_request(&mut self, cx: &Cx<'_>, job: &Job, attempt: &Attempt, cancelled: bool) {
        let counters = self.view.counters();
        counters.requests += 1;
        counters.bytes += attempt.bytes;
        let (track, rendition) = match job.purpose.track() {
            Some((kind, rendition)) => {
                let slot = self
                    .loaders
                    .iter()
                    .find(|l| l.kind == kind)
                    .and_then(|l| l.slots.get(rendition));
                (
                    kind.name().to_owned(),
                    slot.map(|s| s.rendition.id.clone()).unwrap_or_default(),
                )
            }
            None => (String::new(), String::new()),
        };
        let media_ms = match job.purpose {
            Purpose::Segment { start, .. } => Some(start.as_millis().max(0) as u64),
            _ => None,
        };
        let first = attempt.first_byte_at.unwrap_or(cx.now);
        self.view.event(
            cx.now,
            Event::Request {
                kind: job.purpose.request_kind().name().into(),
                track,
                rendition,
                media_ms,
                bytes: attempt.bytes,
                ttfb_ms: first.since(attempt.requested_at).as_millis() as u64,
                ms: cx.now.since(attempt.requested_at).as_millis() as u64,
                status: attempt.status,
                cancelled,
            },
        );
    }

    fn report(&mut self, cx: &mut Cx<'_>, error: PlayerError) {
        let event = Event::Error {
            kind: error.kind.name().into(),
            fatal: error.fatal,
            message: error.message.clone(),
        };
        self.view.event(cx.now, event);
        self.requests.on_error(cx, &error);
        cx.event(PlayerEvent::Error(error));
    }

    fn fail(&mut self, cx: &mut Cx<'_>, error: PlayerError) {
        if self.failed {
            return;
        }
        self.failed = true;
        self.requests.cancel_all(cx);
        let error = PlayerError { fatal: true, ..error };
        let kind = error.kind.name();
        self.report(cx, error);
        self.view.fail(cx.now, kind);
        cx.event(PlayerEvent::State {
            state: PlaybackState::Failed,
            cause: None,
        });
    }
}

fn info(rendition: &crate::presentation::Rendition) -> RenditionInfo {
    RenditionInfo {
        id: rendition.id.clone(),
        bandwidth: rendition.bandwidth,
        width: rendition.width,
        height: rendition.height,
        frame_rate: rendition.frame_rate,
        codecs: rendition.codecs.clone(),
    }
}

fn rung(info: &RenditionInfo) -> Rung {
    Rung {
        id: info.id.clone(),
        bandwidth_kbps: u32::try_from(info.bandwidth.as_kbps()).unwrap_or(u32::MAX),
        width: info.width,
        height: info.height,
    }
}
