//! From manifests to tracks and segments.

use super::{Phase, Session};
use crate::error::ErrorKind;
use crate::input::{Decoding, TrackKind};
use crate::manifest;
use crate::manifest::hls::MediaPlaylist;
use crate::output::{Output, PlayerEvent, RenditionInfo};
use crate::presentation::{Period, Protocol, Resource, SegmentSource};
use crate::streaming::context::{Cx, error};
use crate::streaming::decoding::PATIENCE;
use crate::streaming::listed::Listed;
use crate::streaming::loader::Loader;
use crate::streaming::requests::{Attempt, Hope, Job};
use crate::streaming::shared::Span;
use crate::streaming::slots::Index;
use crate::telemetry::schema::Rung;
use crate::time::{Instant, MediaTime};
use crate::url;

impl Session {
    pub(super) fn on_manifest(&mut self, cx: &mut Cx<'_>, attempt: &Attempt, body: &[u8]) {
        let first = matches!(self.phase, Phase::Manifest);
        let presentation = match self.live.read(cx.now, attempt, body) {
            Ok(Some(presentation)) => presentation,
            // A patch that does not fit: the whole is on its way.
            Ok(None) => return,
            Err(why) => {
                let message = format!("{} cannot be played: {why}", url::public(&attempt.url));
                let why = error(ErrorKind::Manifest, message);
                return if first {
                    self.fail(cx, why)
                } else {
                    self.report(cx, why)
                };
            }
        };
        if let Some(odd) = self.shared.requests.read(cx, attempt.requested_at, &presentation) {
            self.report(cx, odd);
        }
        if !first {
            return self.on_refreshed(cx, presentation);
        }
        // A media playlist without a multivariant one: it is read as the playlist of its only rendition.
        let mut presentation = presentation;
        if presentation.protocol == Protocol::Hls {
            for rendition in presentation
                .periods
                .iter_mut()
                .flat_map(|p| &mut p.tracks)
                .flat_map(|t| &mut t.renditions)
            {
                if matches!(rendition.source, SegmentSource::Index(_)) {
                    rendition.source = SegmentSource::Playlist(attempt.url.clone());
                    self.live.alone = Some(body.to_vec());
                }
            }
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
        self.declare(cx, &presentation);
        self.phase = Phase::Probing(Box::new(presentation));
        cx.send(Output::ProbeTypes { types });
    }

    pub(super) fn on_types(&mut self, cx: &mut Cx<'_>, supported: &[String]) {
        let Phase::Probing(presentation) = core::mem::replace(&mut self.phase, Phase::Playing) else {
            return;
        };
        self.live.supported = supported.to_vec();
        let live = &self.live;
        let tracks = presentation.periods.iter().flat_map(|p| &p.tracks);
        let renditions = tracks.flat_map(|t| t.renditions.iter().map(move |r| (t, r)));
        let playable = renditions.filter(|(t, r)| live.can_play(t, r).is_ok());
        let is_choice = self.abilities.ask(cx, playable);
        self.phase = Phase::Deciding(presentation, cx.now + PATIENCE);
        if !is_choice {
            self.decide(cx);
        }
    }

    /// The machine has said how well it decodes.
    pub(super) fn on_decoding(&mut self, cx: &mut Cx<'_>, answers: &[Decoding]) {
        self.abilities.answer(answers);
        if matches!(self.phase, Phase::Deciding(..)) {
            return self.decide(cx);
        }
        for loader in &mut self.loaders {
            loader.slots.judge(&self.abilities);
        }
        self.limit(cx);
    }

    /// It is known, as far as it will be, what can be played, and how well.
    pub(super) fn decide(&mut self, cx: &mut Cx<'_>) {
        let mut presentation = match core::mem::replace(&mut self.phase, Phase::Playing) {
            Phase::Deciding(presentation, _) => *presentation,
            other => {
                self.phase = other;
                return;
            }
        };
        let mut refused: Vec<String> = Vec::new();
        let periods = core::mem::take(&mut presentation.periods);
        self.live.begin(&presentation);
        self.shared.growing = presentation.live.is_some() && presentation.protocol == Protocol::Dash;
        let position = self.playhead.position(cx.now);
        // Pictures first: their requests go out first.
        for kind in [TrackKind::Video, TrackKind::Audio, TrackKind::Text] {
            let mut tracks = periods.iter().flat_map(|p| &p.tracks);
            if tracks.any(|t| t.kind == kind && t.renditions.iter().any(|r| self.live.can_play(t, r).is_ok()))
            {
                self.loaders.push(Loader::new(kind, position));
            }
        }
        if !self.loaders.iter().any(|l| !l.is_text()) {
            let mut types: Vec<String> = Vec::new();
            for track in periods.iter().flat_map(|p| &p.tracks) {
                for rendition in &track.renditions {
                    if let Err(why) = self.live.can_play(track, rendition)
                        && !types.contains(&why)
                    {
                        types.push(why);
                    }
                }
            }
            if let Some(locked) = self.no_config(&periods) {
                return self.fail(cx, locked);
            }
            let message = format!(
                "none of the stream's types can be played here: {}",
                types.join(", ")
            );
            return self.fail(cx, error(ErrorKind::Unsupported, message));
        }
        self.texts.describe(&periods);
        self.company.read(&periods);
        self.tell_known(cx);
        for period in periods {
            self.add_period(period, &mut refused);
        }
        let protocol = presentation.protocol;
        let depth = presentation.live.as_ref().and_then(|live| live.window);
        self.variables = presentation.variables;
        self.table = presentation
            .segment_table
            .map(|url| Resource { url, range: None });
        self.duration = presentation.duration;
        if presentation.live.is_none() {
            self.begin_at(cx, presentation.start);
        }
        let position = self.playhead.position(cx.now);
        let first_period = self.shared.period_at(position);
        for loader in &mut self.loaders {
            if loader.kind == TrackKind::Audio {
                loader.slots.wanted.language = cx.config.tracks.audio_language.clone();
            }
            loader.slots.enter(first_period);
            loader.slots.limit(&cx.config.abr, &self.shared.limits);
        }
        self.match_groups(cx);
        let mut warnings: Vec<String> = presentation
            .warnings
            .into_iter()
            .map(|w| format!("line {}: {}", w.line, w.message))
            .collect();
        warnings.extend(
            refused
                .into_iter()
                .map(|mime| format!("{mime} cannot be played here and is left out")),
        );
        self.loaded = Some((protocol.name(), warnings));
        if self.shared.growing {
            self.begin_growing(cx, presentation.start, depth);
        } else if self.live.is_settled() {
            self.tell_loaded(cx);
        }
        if let Some(body) = self.live.alone.take() {
            self.on_own_playlist(cx, &body);
        }
    }

    /// Tells the application what was loaded, once it is known where playback begins.
    pub(super) fn tell_loaded(&mut self, cx: &mut Cx<'_>) {
        let Some((protocol, warnings)) = self.loaded.take_if(|_| !self.preloading) else {
            return;
        };
        let infos = self.ladder();
        let pictures = self.main().is_some_and(|l| l.kind == TrackKind::Video);
        let ladder = if pictures {
            infos.iter().map(rung).collect()
        } else {
            Vec::new()
        };
        self.view.describe(cx.now, protocol, self.live.on, ladder);
        let duration = self.duration.filter(|_| !self.live.on);
        if let Some(duration) = duration {
            self.view.set_duration(duration);
        }
        let numbers = self.main().map(|main| main.slots.numbers()).unwrap_or_default();
        self.highest = numbers
            .rev()
            .find(|r| self.main().is_some_and(|main| main.slots.is_offered(*r)));
        cx.event(PlayerEvent::Loaded {
            protocol: protocol.into(),
            duration,
            live: self.live.on,
            renditions: infos,
            warnings,
        });
        self.limit(cx);
        self.tell_tracks(cx);
        self.begin_text(cx);
    }

    /// Adds a period behind the others.
    pub(super) fn add_period(&mut self, period: Period, refused: &mut Vec<String>) {
        let place = self.shared.periods.len();
        self.shared.periods.push(Span {
            id: period.id,
            start: period.start,
            end: period.duration.map(|d| period.start + d),
        });
        for mut track in period.tracks {
            let Some(loader) = self.loaders.iter_mut().find(|l| l.kind == track.kind) else {
                continue;
            };
            let live = &self.live;
            let renditions = core::mem::take(&mut track.renditions);
            for rendition in renditions {
                match live.can_play(&track, &rendition) {
                    Ok(()) => track.renditions.push(rendition),
                    Err(why) if !refused.contains(&why) => refused.push(why),
                    Err(_) => {}
                }
            }
            if !track.renditions.is_empty() {
                loader.slots.add(place, track);
            }
        }
        for loader in &mut self.loaders {
            loader.slots.judge(&self.abilities);
        }
    }

    /// Where to begin, if the application did not say it: as the author says.
    pub(super) fn begin_at(&mut self, cx: &Cx<'_>, start: Option<MediaTime>) {
        let Some(start) = start.filter(|_| self.load.start.is_none()) else {
            return;
        };
        let at = if start < MediaTime::ZERO {
            self.duration.map(|d| (d + start).max(MediaTime::ZERO))
        } else {
            Some(start)
        };
        if let Some(at) = at.filter(|at| *at > MediaTime::ZERO) {
            self.set_start(cx, at);
        }
    }

    /// Sound goes with the pictures of its group.
    fn match_groups(&mut self, cx: &Cx<'_>) {
        let Some(main) = self.loaders.first() else { return };
        let first = main
            .slots
            .ladder()
            .first()
            .copied()
            .unwrap_or_else(|| main.slots.numbers().start);
        let group = main
            .slots
            .get(first)
            .map(|slot| slot.rendition.audio_group.clone())
            .unwrap_or_default();
        for loader in &mut self.loaders {
            loader.slots.audio_group.clone_from(&group);
            loader.slots.limit(&cx.config.abr, &self.shared.limits);
        }
    }

    /// The ladder of the pictures, or of the sound if there are none, where fetching is.
    pub(super) fn ladder(&self) -> Vec<RenditionInfo> {
        let Some(main) = self.main() else {
            return Vec::new();
        };
        let numbers = main.slots.numbers();
        let of_track = numbers.filter(|r| main.slots.is_offered(*r));
        of_track
            .filter_map(|r| main.slots.get(r))
            .map(|slot| info(&slot.rendition))
            .collect()
    }

    fn on_own_playlist(&mut self, cx: &mut Cx<'_>, body: &[u8]) {
        let Some(loader) = self.loaders.first() else {
            return;
        };
        let (kind, rendition) = (loader.kind, loader.slots.numbers().start);
        let Some(url) = loader.slots.get(rendition).and_then(|slot| slot.playlist.clone()) else {
            return;
        };
        match MediaPlaylist::read(body, &url, None) {
            Ok(playlist) => self.on_read(cx, kind, rendition, playlist, cx.now),
            Err(why) => {
                let message = format!("{} cannot be played: {why}", url::public(&url));
                self.fail(cx, error(ErrorKind::Manifest, message));
            }
        }
    }

    pub(super) fn on_playlist(
        &mut self,
        cx: &mut Cx<'_>,
        kind: TrackKind,
        rendition: usize,
        job: &Job,
        attempt: &Attempt,
        body: &[u8],
    ) {
        if self.on_newer_playlist(cx, kind, rendition, attempt, body) {
            return;
        }
        let wrong = match MediaPlaylist::read(body, &attempt.url, Some(&self.variables)) {
            Ok(playlist) => {
                let index = &playlist.index;
                let is_fmp4 = playlist.container == "video/mp4" || playlist.container == "audio/mp4";
                let locked = index.keys.iter().find(|ways| self.live.is_locked(ways, is_fmp4));
                let Some(locked) = locked.cloned() else {
                    self.declare_playlist(cx, kind, rendition, &playlist, is_fmp4);
                    return self.on_read(cx, kind, rendition, playlist, attempt.requested_at);
                };
                self.shared.drm.no_config(&locked)
            }
            Err(why) => {
                let message = format!("{} cannot be played: {why}", url::public(&attempt.url));
                error(ErrorKind::Manifest, message)
            }
        };
        self.on_job_failed(cx, job, Hope::None, wrong);
    }

    /// A media playlist was read for the first time.
    fn on_read(
        &mut self,
        cx: &mut Cx<'_>,
        kind: TrackKind,
        rendition: usize,
        mut playlist: MediaPlaylist,
        asked_at: Instant,
    ) {
        let ended = playlist.ended();
        if !ended || self.live.began {
            self.align(&mut playlist);
        }
        let start = playlist.tags.start.map(|(at, _)| at);
        let is_main = self.main().is_some_and(|main| main.kind == kind);
        let listed = Listed::new(playlist, asked_at, cx.now, cx.config.live.parts);
        let from = listed.playlist.index.start();
        let to = match listed.has_parts() {
            true => listed.end_time(),
            false => listed.playlist.index.end(),
        };
        self.on_index(cx, kind, rendition, Index::Listed(Box::new(listed)));
        if is_main {
            self.take_date_ranges(cx, kind, rendition);
        }
        if ended && is_main && self.live.settle() {
            self.begin_at(cx, start);
            self.tell_loaded(cx);
            let position = self.playhead.position(cx.now);
            for (i, loader) in self.loaders.iter_mut().enumerate() {
                loader.seek(cx, &mut self.shared, position, i == 0);
            }
        }
        if !ended {
            self.hear_edge(cx.now);
        }
        if !ended && is_main {
            self.begin_live(cx, start, from, to);
        }
    }

    pub(super) fn on_sidx(
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
            Some(Ok(Some(index))) => self.on_index(cx, kind, rendition, Index::Ready(*index)),
            Some(Err(why)) => {
                let message = format!("{} cannot be played: {why}", url::public(&attempt.url));
                self.on_job_failed(cx, job, Hope::None, error(ErrorKind::Manifest, message));
            }
            _ => {}
        }
    }

    fn on_index(&mut self, cx: &mut Cx<'_>, kind: TrackKind, rendition: usize, index: Index) {
        let length = index.get().map(|index| (index.start(), index.end()));
        let ends = !matches!(&index, Index::Listed(listed) if !listed.playlist.ended());
        let wrong = self
            .loader(kind)
            .and_then(|loader| loader.on_index(rendition, index));
        if let Some(wrong) = wrong {
            self.report(cx, error(ErrorKind::Manifest, wrong));
        }
        let Some((start, end)) = length.filter(|_| ends && kind != TrackKind::Text && !self.shared.growing)
        else {
            return;
        };
        // A later period is longer than its own segments.
        let duration = if self.shared.periods.len() > 1 {
            end
        } else {
            end - start
        };
        if self.duration.is_none_or(|d| d < duration) {
            self.duration = Some(duration);
            self.view.set_duration(duration);
        }
    }

    pub(super) fn on_table(&mut self, cx: &mut Cx<'_>, attempt: &Attempt, body: &[u8]) {
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

    /// Playback begins here, once the element can be told.
    pub(super) fn set_start(&mut self, cx: &Cx<'_>, at: MediaTime) {
        self.start = Some(at);
        self.playhead.expect(cx.now, at);
    }
}

pub(super) fn info(rendition: &crate::presentation::Rendition) -> RenditionInfo {
    RenditionInfo {
        id: rendition.id.clone(),
        bandwidth: rendition.bandwidth,
        width: rendition.width,
        height: rendition.height,
        frame_rate: rendition.frame_rate,
        codecs: rendition.codecs.clone(),
    }
}

pub(super) fn rung(info: &RenditionInfo) -> Rung {
    Rung {
        id: info.id.clone(),
        bandwidth_kbps: u32::try_from(info.bandwidth.as_kbps()).unwrap_or(u32::MAX),
        width: info.width,
        height: info.height,
    }
}
