//! One loaded presentation, from the manifest to the last segment.

mod choices;
mod drm;
mod extras;
mod live;
mod load;
mod observe;
mod pace;
mod scan;
mod stalls;
mod text;

use core::time::Duration;

use super::context::{Cx, error};
use super::decoding::Abilities;
use super::limits::Limits;
use super::loader::{Env, Loader};
use super::playhead::Playhead;
use super::requests::{Hope, Job, Outcome, Purpose, Requests};
use super::shared::Shared;
use crate::error::{ErrorKind, PlayerError};
use crate::input::{AppendFailure, Host, Input, Load, MediaState, RequestId, TrackKind};
use crate::output::{Limit, Output, PlayerEvent};
use crate::presentation::{Presentation, Resource};
use crate::telemetry::View;
use crate::telemetry::schema::{Event, PlaybackState, Rung};
use crate::time::{Instant, MediaTime};
use crate::url;
use extras::Company;
use live::Live;
use scan::Scan;
use stalls::Stalls;
use text::Texts;

/// A halt with less than this in the buffer is the network's: browsers stop a little before the very end.
const STARVED: MediaTime = MediaTime::from_millis(500);
const STATS_INTERVAL: Duration = Duration::from_millis(500);

/// See the module's text.
pub(crate) struct Session {
    load: Load,
    view: View,
    shared: Shared,
    phase: Phase,
    loaders: Vec<Loader>,
    playhead: Playhead,
    /// The rendition under the playhead.
    visible: Option<(usize, Rung)>,
    /// What the application was told of what keeps renditions from being chosen.
    limited_by: Vec<Limit>,
    highest: Option<usize>,
    /// Of the multivariant playlist, for its media playlists.
    variables: Vec<(String, String)>,
    /// The segment table, until it is asked for.
    table: Option<Resource>,
    /// What the application is to be told once it is known where playback begins: protocol and warnings.
    loaded: Option<(&'static str, Vec<String>)>,
    live: Live,
    stalls: Stalls,
    texts: Texts,
    company: Company,
    abilities: Abilities,
    scan: Option<Box<Scan>>,
    /// It is loaded ahead: there is no source, no view, and nothing is told, until it is played.
    preloading: bool,
    source_open: bool,
    /// Where the playhead should start, until the element has been told.
    start: Option<MediaTime>,
    duration: Option<MediaTime>,
    duration_sent: Option<MediaTime>,
    end_of_stream: bool,
    failed: bool,
    stats_due: Instant,
    announced: Option<usize>,
    /// Why something could not be had or used, last.
    cause: Option<PlayerError>,
}

enum Phase {
    Manifest,
    /// Waiting to hear which types can be played.
    Probing(Box<Presentation>),
    /// Waiting, until then, to hear which codec is decoded best.
    Deciding(Box<Presentation>, Instant),
    Playing,
}

impl Session {
    /// Starts to load, to play it or only ahead.
    pub(crate) fn new(
        cx: &mut Cx<'_>,
        load: Load,
        host: Host,
        media: &MediaState,
        ids: (String, String),
        preloading: bool,
    ) -> Self {
        let mut requests = Requests::new(cx, &load, &ids.0);
        requests.set_offline(cx.now, host.offline);
        let view = View::new(&cx.config.telemetry, &load, ids, cx.now, cx.abr.name());
        let start = load.start.filter(|s| *s > MediaTime::ZERO);
        let mut session = Self {
            view,
            shared: Shared::new(
                requests,
                Limits {
                    host,
                    ..Limits::default()
                },
            ),
            phase: Phase::Manifest,
            loaders: Vec::new(),
            playhead: Playhead::new(cx.now, start.unwrap_or_default(), media),
            visible: None,
            limited_by: Vec::new(),
            highest: None,
            table: None,
            variables: Vec::new(),
            loaded: None,
            live: Live::new(cx.now, cx.config.drm.clone()),
            stalls: Stalls::new(cx.now),
            texts: Texts::default(),
            company: Company::new(load.thumbnails.as_deref()),
            abilities: Abilities::default(),
            scan: None,
            preloading,
            source_open: false,
            start,
            duration: None,
            duration_sent: None,
            end_of_stream: false,
            failed: false,
            stats_due: cx.now,
            announced: None,
            cause: None,
            load,
        };
        session.shared.drm.held = preloading;
        session.view.set_hidden(cx.now, host.hidden);
        match url::resolve(&session.load.url, &session.load.url) {
            Ok(url) => {
                let resource = Resource { url, range: None };
                session.shared.requests.start(cx, Purpose::Manifest, resource);
                if !preloading {
                    cx.send(Output::OpenSource);
                }
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

    /// Plays what was loaded ahead; false if that has failed.
    pub(crate) fn begin(
        &mut self,
        cx: &mut Cx<'_>,
        load: Load,
        host: Host,
        media: &MediaState,
        ids: (String, String),
    ) -> bool {
        if self.failed {
            return false;
        }
        self.preloading = false;
        self.shared.drm.held = false;
        // Servers have been told its id.
        let ids = (self.view.id().to_owned(), ids.1);
        self.view = View::new(&cx.config.telemetry, &load, ids, cx.now, cx.abr.name());
        self.view.set_hidden(cx.now, host.hidden);
        self.shared.limits.host = host;
        self.shared.requests.set_offline(cx.now, host.offline);
        let at = match load.start.filter(|start| *start > MediaTime::ZERO) {
            Some(start) if self.load.start != load.start => {
                self.start = Some(start);
                for loader in &mut self.loaders {
                    loader.seek(cx, &mut self.shared, start, false);
                }
                start
            }
            _ => self.playhead.state().position,
        };
        self.playhead = Playhead::new(cx.now, at, media);
        if self.load.thumbnails != load.thumbnails {
            self.company.set_sprites(load.thumbnails.as_deref());
        }
        self.load = load;
        cx.send(Output::OpenSource);
        if self.live.is_settled() {
            self.tell_loaded(cx);
        }
        self.tell_known(cx);
        true
    }

    /// Whether it is what is to be loaded.
    pub(crate) fn is_of(&self, load: &Load) -> bool {
        self.load.url == load.url
    }

    /// Whether a request is its own.
    pub(crate) fn knows(&self, request: RequestId) -> bool {
        self.shared.requests.knows(request) || self.abilities.knows(request)
    }

    /// It waits to hear which types can be played.
    pub(crate) fn is_probing(&self) -> bool {
        matches!(self.phase, Phase::Probing(_))
    }

    /// It has so much in its buffer that others may use the network.
    pub(crate) fn is_at_leisure(&self, cx: &Cx<'_>) -> bool {
        let position = self.playhead.position(cx.now);
        let enough = MediaTime::from_secs_f64(cx.config.buffer.goal_s * 0.6);
        let rested = |l: &Loader| l.is_text() || l.is_done() || l.level(position) >= enough;
        self.failed || (!self.loaders.is_empty() && self.loaders.iter().all(rested))
    }

    /// Ends the view and lets go of everything.
    pub(crate) fn close(&mut self, cx: &mut Cx<'_>) {
        self.shared.requests.close(cx);
        for loader in &mut self.loaders {
            loader.release(cx);
        }
        self.shared.keys.release(cx);
        self.drop_scan(cx);
        if self.preloading {
            return;
        }
        for beacon in self.view.end(cx.now) {
            cx.send(Output::Beacon(Box::new(beacon)));
        }
        cx.send(Output::CloseSource);
        self.shared.drm.close(cx);
    }

    /// Takes one input; [`Session::pump`] acts on it.
    pub(crate) fn handle(&mut self, cx: &mut Cx<'_>, input: Input) {
        match input {
            Input::Appended { .. } if self.scan.is_some() => self.on_picture_appended(cx, None),
            Input::AppendFailed { reason, .. } if self.scan.is_some() => {
                let wrong = match &reason {
                    AppendFailure::Media(why) => why,
                    AppendFailure::Quota => "the source buffer is full",
                };
                self.on_picture_appended(cx, Some(wrong));
            }
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
                self.stalls.refused |= matches!(reason, AppendFailure::Media(_));
                let Some(loader) = self.loaders.iter_mut().find(|l| l.kind == kind) else {
                    return;
                };
                match loader.on_append_failed(cx, &mut self.shared, &reason, buffered, position) {
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
            Input::Prepared { request, result } => {
                let shared = &mut self.shared;
                let found = self
                    .loaders
                    .iter_mut()
                    .find_map(|loader| loader.on_prepared(cx, shared, request, &result));
                if let Some(Err(error)) = found {
                    self.cause = Some(error.clone());
                    self.report(cx, error);
                }
            }
            Input::Body { .. }
            | Input::Complete { .. }
            | Input::Failed { .. }
            | Input::Progress { .. }
            | Input::Response { .. } => {
                let outcome = self.shared.requests.handle(cx, input);
                self.on_outcome(cx, outcome);
            }
            Input::Head { request, media } => {
                if let Some(job) = self.shared.requests.job_of(request)
                    && let Some(loader) = self.loaders.iter_mut().find(|l| l.is_flying(job))
                {
                    loader.on_head(media);
                }
            }
            Input::Chunk {
                request,
                end,
                bytes,
                took_us,
            } => {
                if let Some(job) = self.shared.requests.advance(cx.now, request, end)
                    && let Some(i) = self.loaders.iter().position(|l| l.is_flying(job))
                {
                    let env = self.env(cx.now, i);
                    if let Some(loader) = self.loaders.get_mut(i) {
                        loader.on_chunk(cx, end, bytes, Duration::from_micros(took_us), &env);
                    }
                }
            }
            Input::Decoding { request, answers } if self.abilities.knows(request) => {
                self.on_decoding(cx, &answers);
            }
            Input::Decoding { .. } => {}
            Input::Drm(event) => {
                let Shared { drm, requests, .. } = &mut self.shared;
                drm.handle(cx, requests, event);
            }
            Input::RemoveLicences => self.shared.drm.remove(cx),
            Input::Host(host) => {
                self.shared.limits.host = host;
                self.shared.requests.set_offline(cx.now, host.offline);
                self.view.set_hidden(cx.now, host.hidden);
                self.limit(cx);
            }
            Input::Limits { .. } => self.limit(cx),
            Input::Media(state) if self.scan.is_some() => self.on_media_of_scan(cx, state),
            Input::Media(state) => self.on_media(cx, state),
            Input::Restrict { renditions } => self.restrict(cx, renditions),
            Input::Scan(rate) => self.scan(cx, rate),
            Input::SelectRendition(id) => self.select(cx, id.as_deref()),
            Input::SelectTrack { kind, id } => self.select_track(cx, kind, id.as_deref()),
            Input::SourceOpened => self.source_open = true,
            Input::TypesSupported(types) => self.on_types(cx, &types),
            Input::Load(_) | Input::Preload(_) | Input::Tick | Input::Unload => {}
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
            self.shared.requests.has_played = self.view.started();
            loop {
                let outcome = self.shared.requests.due(cx);
                if matches!(outcome, Outcome::Nothing) {
                    break;
                }
                self.on_outcome(cx, outcome);
            }
        }
        let scans = self.scan.is_some();
        if !self.failed && scans {
            at(self.go_on_scanning(cx));
            at(self.shared.requests.deadline(cx));
        }
        if !self.failed && !scans {
            match self.phase {
                Phase::Deciding(_, until) if cx.now < until => at(Some(until)),
                _ => self.decide(cx),
            }
            at(self.keep_up(cx));
            at(self.unlock(cx));
            for i in 0..self.loaders.len() {
                at(self.fetch(cx, i));
            }
        }
        if self.preloading {
            at(self.shared.requests.deadline(cx));
            return deadline;
        }
        if !self.failed && !scans {
            self.create_buffers(cx);
            for i in 0..self.loaders.len() {
                at(self.feed(cx, i));
            }
        }
        if !self.failed && !scans {
            self.end_stream(cx);
            self.list_thumbnails(cx);
            at(self.watch(cx));
            at(self.keep_pace(cx));
            at(self.shared.requests.deadline(cx));
        }
        at(self.observe(cx));
        at(self.shared.limits.frames.deadline().filter(|_| !self.failed));
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
            self.main().filter(|main| !main.is_done()).map(Loader::next)
        };
        Env {
            position: self.playhead.position(now),
            speed: self.playhead.speed(),
            started: self.view.started(),
            not_after,
            main: i == 0,
            main_done: self.main().is_none_or(Loader::is_done),
            settled: self.live.is_settled(),
            preloading: self.preloading,
        }
    }

    /// Lets a loader fetch what it needs; says when to come back.
    fn fetch(&mut self, cx: &mut Cx<'_>, i: usize) -> Option<Instant> {
        let env = self.env(cx.now, i);
        let loader = self.loaders.get_mut(i)?;
        if let Some((job, attempt)) = loader.consider_abandoning(cx, &mut self.shared.requests, &env) {
            self.view.counters().requests_cancelled += 1;
            self.account_request(cx, &job, &attempt, true);
        }
        let loader = self.loaders.get_mut(i)?;
        let next_fetch = loader.schedule(cx, &mut self.shared, &env);
        let abandon = loader.abandon_deadline(cx, &self.shared.requests, &env);
        for trouble in core::mem::take(&mut loader.trouble) {
            if trouble.fatal {
                let cause = self.cause.take().unwrap_or(trouble);
                self.fail(cx, cause);
                return None;
            }
            self.report(cx, trouble);
        }
        if i == 0 {
            self.announce(cx);
        }
        [next_fetch, abandon].into_iter().flatten().min()
    }

    /// Gives a source buffer what has arrived; says when to come back.
    fn feed(&mut self, cx: &mut Cx<'_>, i: usize) -> Option<Instant> {
        let env = self.env(cx.now, i);
        let mute =
            i == 0 && self.loaders.len() > 1 && self.loaders.iter().any(|l| l.kind == TrackKind::Audio);
        let ready = self.source_open && self.buffers_exist();
        let loader = self.loaders.get_mut(i)?;
        if loader.is_text() {
            self.feed_text(cx, i, &env);
            return None;
        }
        loader.prepare(cx, &self.shared, mute);
        if !ready {
            return None;
        }
        let was_busy = loader.is_busy();
        let extras = loader.feed(cx, &mut self.shared, &env);
        if !was_busy && loader.is_busy() {
            self.end_of_stream = false;
        }
        let hold = loader.hold_deadline(cx.now);
        if let Some(extras) = extras {
            self.on_extras(cx, extras);
        }
        hold
    }

    /// Says which rendition is being fetched, when that changes.
    fn announce(&mut self, cx: &mut Cx<'_>) {
        let Some(loader) = self.loaders.first() else {
            return;
        };
        let current = loader.current();
        if current.is_none() || current == self.announced || self.preloading {
            return;
        }
        self.announced = current;
        if let Some(slot) = current.and_then(|r| loader.slots.get(r)) {
            let id = slot.rendition.id.clone();
            cx.event(PlayerEvent::Rendition { id, visible: false });
        }
    }

    fn buffers_exist(&self) -> bool {
        self.loaders.iter().all(|l| l.is_text() || l.has_buffer())
    }

    /// Makes all source buffers at once: browsers let none be added later.
    fn create_buffers(&mut self, cx: &mut Cx<'_>) {
        if !self.source_open || self.loaders.is_empty() || self.shared.drm.keeps_waiting() {
            return;
        }
        if !self.buffers_exist() {
            let types: Vec<Option<String>> = self
                .loaders
                .iter()
                .map(|l| {
                    if l.is_text() {
                        Some(String::new())
                    } else {
                        l.buffer_type()
                    }
                })
                .collect();
            if types.iter().any(Option::is_none) {
                return;
            }
            for (loader, mime) in self.loaders.iter_mut().zip(types) {
                if let Some(mime) = mime.filter(|_| !loader.is_text()) {
                    loader.create_buffer(cx, mime);
                }
            }
        }
        if let Some(duration) = self.duration.filter(|d| self.duration_sent != Some(*d)) {
            self.duration_sent = Some(duration);
            cx.send(Output::SetDuration { duration });
        }
        self.tell_range(cx);
        if self.live.is_settled()
            && let Some(to) = self.start.take()
        {
            cx.send(Output::Seek { to });
        }
    }

    fn end_stream(&mut self, cx: &mut Cx<'_>) {
        let finished = |l: &Loader| l.is_text() || l.is_finished();
        // Without pictures, or sound, the rest is not worth waiting for.
        let barren = self.loaders.iter().any(|l| l.is_barren() && l.is_finished());
        let all = !self.loaders.is_empty() && self.loaders.iter().all(finished);
        if !self.end_of_stream && (barren || all) {
            // Not even a type is known.
            if barren || !self.buffers_exist() {
                if self.go_back(cx) {
                    return;
                }
                let nothing = || error(ErrorKind::Segment, "nothing of the stream can be played");
                let cause = self.cause.take().unwrap_or_else(nothing);
                return self.fail(cx, cause);
            }
            self.end_of_stream = true;
            cx.send(Output::EndOfStream);
        }
    }

    // Inputs -----------------------------------------------------------------------------------------------------------

    fn on_media(&mut self, cx: &mut Cx<'_>, state: MediaState) {
        if let Some(code) = state.error {
            return self.on_element_error(cx, state, code);
        }
        let reopening = self.stalls.is_reopening();
        if self.start.is_some() || reopening {
            // The element still stands at zero; the start position is the engine's, until the viewer says otherwise.
            let before = self.playhead.state();
            let elsewhere = (state.position - before.position).max(before.position - state.position);
            let is_asked = state.seeking
                && elsewhere > MediaTime::from_millis(1000)
                && (state.position > MediaTime::ZERO || self.start.is_none());
            // Where it has landed when it was sent there.
            let has_landed = self.start.is_none() && state.seeking;
            let position = if is_asked || has_landed {
                state.position
            } else {
                before.position
            };
            let paused = if reopening { before.paused } else { state.paused };
            let state = MediaState {
                position,
                paused,
                ..state
            };
            self.playhead.report(cx.now, state);
            if is_asked {
                self.start = self.start.map(|_| position);
                self.seek_loaders(cx, position);
            }
            return;
        }
        let expected = self.playhead.position(cx.now);
        self.playhead.report(cx.now, state);
        let moved = (state.position - expected).max(expected - state.position);
        // An element reports its position late and in steps; a seek is announced.
        if state.seeking || moved > MediaTime::from_millis(1000) {
            let position = self.playhead.state().position;
            if moved > MediaTime::from_millis(1000) {
                self.on_viewer_seek(cx, position);
            }
            self.seek_loaders(cx, position);
        }
    }

    /// Nothing is to be had from here to the end: shows once more what was there before. False if that has not helped.
    fn go_back(&mut self, cx: &mut Cx<'_>) -> bool {
        let Some(main) = self.main().filter(|_| self.view.started()) else {
            return false;
        };
        let position = self.start.unwrap_or(self.playhead.state().position);
        let target = position - MediaTime::from_secs_f64(main.segment_s(position) * 1.5);
        if target <= MediaTime::ZERO || !self.stalls.may_go_back() {
            return false;
        }
        match &mut self.start {
            Some(start) => *start = target,
            None => cx.send(Output::Seek { to: target }),
        }
        self.playhead.expect(cx.now, target);
        self.seek_loaders(cx, target);
        true
    }

    fn seek_loaders(&mut self, cx: &mut Cx<'_>, position: MediaTime) {
        self.company.jumped = true;
        for (i, loader) in self.loaders.iter_mut().enumerate() {
            loader.seek(cx, &mut self.shared, position, i == 0);
        }
    }

    fn on_outcome(&mut self, cx: &mut Cx<'_>, outcome: Outcome) {
        match outcome {
            Outcome::Nothing => {}
            Outcome::Notice(error) => self.report(cx, error),
            Outcome::Progress { job } => {
                if let (Some(loader), env) = (self.loaders.first(), self.env(cx.now, 0)) {
                    loader.on_progress(cx, &self.shared.requests, job, &env);
                }
            }
            Outcome::Body { job, attempt, body } => {
                self.account_request(cx, &job, &attempt, false);
                match job.purpose {
                    Purpose::Playlist { kind, rendition } => {
                        self.on_playlist(cx, kind, rendition, &job, &attempt, &body);
                    }
                    Purpose::Sidx { kind, rendition } => {
                        self.on_sidx(cx, kind, rendition, &job, &attempt, &body);
                    }
                    Purpose::SegmentTable => self.on_table(cx, &attempt, &body),
                    Purpose::Thumbnails(source) => self.on_thumbnails(cx, source, &attempt, &body),
                    Purpose::Init {
                        kind,
                        rendition,
                        init,
                        ..
                    } => {
                        if let Some(loader) = self.loader(kind) {
                            loader.on_text_init(rendition, init, body);
                        }
                    }
                    Purpose::Segment { kind, .. } => {
                        let Some(i) = self.loaders.iter().position(|l| l.kind == kind) else {
                            return;
                        };
                        let env = self.env(cx.now, i);
                        if let Some(loader) = self.loaders.get_mut(i) {
                            loader.on_segment(cx, &attempt, false, None, body, &env);
                        }
                    }
                    _ => self.on_manifest(cx, &attempt, &body),
                }
            }
            Outcome::Complete {
                job,
                attempt,
                cached,
                integrity,
                media,
            } => {
                self.account_request(cx, &job, &attempt, false);
                if let Purpose::Picture { init } = job.purpose {
                    return self.on_picture(cx, init, attempt.request, &integrity, media);
                }
                match job.purpose {
                    Purpose::Certificate => return self.shared.drm.on_certificate(cx, attempt.request),
                    Purpose::Licence(session) => {
                        return self.shared.drm.on_licence(cx, session, attempt.request);
                    }
                    _ => {}
                }
                let Some((kind, rendition)) = job.purpose.track() else {
                    return;
                };
                if let Some(facts) = media.as_ref().and_then(|media| media.protection.as_deref()) {
                    self.on_protected(cx, kind, rendition, facts);
                }
                if let Purpose::Key { .. } = job.purpose {
                    return self.shared.keys.on_key(cx, job.url(), attempt.request);
                }
                let Some(i) = self.loaders.iter().position(|l| l.kind == kind) else {
                    return;
                };
                let env = self.env(cx.now, i);
                let Some(loader) = self.loaders.get_mut(i) else {
                    return;
                };
                if let Purpose::Init { init, .. } = job.purpose {
                    return loader.on_init(cx, rendition, init, attempt.request, &integrity, media);
                }
                if let Some(wrong) = loader.on_segment(cx, &attempt, cached, media, Vec::new(), &env) {
                    self.report(cx, error(ErrorKind::Manifest, wrong));
                }
                // Not before the first segment: it would take the line from it.
                if let Some(table) = self.table.take() {
                    self.shared.requests.start(cx, Purpose::SegmentTable, table);
                }
            }
            Outcome::Retrying { job, attempt, error } => {
                if let Some(loader) = self.loaders.iter_mut().find(|l| l.is_flying(job.id)) {
                    loader.forget_head();
                }
                self.view.counters().requests_failed += 1;
                self.account_request(cx, &job, &attempt, false);
                self.report(cx, error);
            }
            Outcome::Failed { job, attempt, error } => {
                self.view.counters().requests_failed += 1;
                self.account_request(cx, &job, &attempt, false);
                match job.purpose {
                    Purpose::Certificate => return self.shared.drm.on_no_certificate(cx, error.message),
                    Purpose::Licence(session) => {
                        return self.shared.drm.on_no_licence(session, attempt.status, &error);
                    }
                    _ => {}
                }
                let hope = self.shared.requests.hope(cx, &job, &attempt);
                self.on_job_failed(cx, &job, hope, error);
            }
        }
    }

    fn on_job_failed(&mut self, cx: &mut Cx<'_>, job: &Job, hope: Hope, cause: PlayerError) {
        match job.purpose {
            // Sizes are estimated then, as without one.
            Purpose::SegmentTable => return self.report(cx, cause),
            Purpose::Picture { .. } => return self.on_no_picture(cx, cause),
            Purpose::Thumbnails(source) => {
                self.on_no_thumbnails(cx, source);
                return self.report(cx, cause);
            }
            Purpose::Manifest if matches!(self.phase, Phase::Playing) => {
                self.live.on_failed(cx.now);
                return self.report(cx, cause);
            }
            Purpose::Key { .. } => self.shared.keys.on_failed(job.url()),
            _ => {}
        }
        let Some((kind, _)) = job.purpose.track() else {
            return self.fail(cx, cause);
        };
        let Some(loader) = self.loaders.iter_mut().find(|l| l.kind == kind) else {
            return;
        };
        let position = self.playhead.state().position;
        let hope = match loader.playable(position) {
            // There is time to see what comes.
            some if some > MediaTime::ZERO => hope.max(Hope::Outage),
            _ => hope,
        };
        // What is hinted at may never come (RFC 8216bis, 4.4.5.3).
        let was_hint = loader.is_announced(job.id);
        match loader.on_failed(cx, &mut self.shared, job.purpose, hope, cause.clone()) {
            Ok(()) if was_hint => {}
            Ok(()) => {
                if kind != TrackKind::Text {
                    self.cause = Some(cause.clone());
                }
                self.report(cx, cause);
            }
            // One can watch without subtitles.
            Err(cause) if kind == TrackKind::Text => {
                self.report(cx, cause);
                self.select_track(cx, TrackKind::Text, None);
            }
            Err(cause) => self.fail(cx, cause),
        }
    }

    fn report(&mut self, cx: &mut Cx<'_>, error: PlayerError) {
        if self.preloading {
            return;
        }
        let event = Event::Error {
            kind: error.name().into(),
            fatal: error.fatal,
            message: error.message.clone(),
        };
        self.view.event(cx.now, event);
        self.shared.requests.on_error(cx, &error);
        cx.event(PlayerEvent::Error(error));
    }

    fn fail(&mut self, cx: &mut Cx<'_>, error: PlayerError) {
        if self.failed {
            return;
        }
        self.failed = true;
        self.shared.requests.cancel_all(cx);
        let error = PlayerError { fatal: true, ..error };
        if self.preloading {
            return;
        }
        let kind = error.name();
        self.report(cx, error);
        self.view.fail(cx.now, kind);
        cx.event(PlayerEvent::State {
            state: PlaybackState::Failed,
            cause: None,
        });
    }
}
