//! Fast-forward and rewind: pictures of an I-frame playlist or a trick-mode set, one at a time, in a source of their own. Nothing else is
//! fetched meanwhile; where it ends, playback goes on from the picture that is shown.

use core::time::Duration;

use super::{Phase, Session};
use crate::error::{ErrorKind, PlayerError};
use crate::input::{Integrity, MediaState, RequestId, TrackKind};
use crate::media::fmp4::Facts;
use crate::output::{Append, Output, PlayerEvent};
use crate::presentation::Resource;
use crate::streaming::context::{Cx, error};
use crate::streaming::requests::{JobId, Purpose, Work};
use crate::thumbnails::{Found, Shot};
use crate::time::{Instant, MediaTime};

/// Not more pictures than this.
const INTERVAL: Duration = Duration::from_millis(200);
/// Pixels that they are wide at least, where there is a choice.
const WIDTH: u32 = 640;
/// So many in a row that cannot be had end it.
const MAX_FAILURES: u32 = 3;
/// How far into a picture the playhead is put.
const LANDING: MediaTime = MediaTime::from_millis(1);
/// The viewer has moved the playhead if it is so far from where it was put.
const ELSEWHERE: MediaTime = MediaTime::from_millis(1500);

/// See the module's text.
#[derive(Debug)]
pub(super) struct Scan {
    rate: f64,
    /// Where it began to go at this rate, and when.
    from: (MediaTime, Instant),
    /// What is shown, and from when on something else may be.
    shown: MediaTime,
    due: Instant,
    /// The source is its own; the type of its buffer, once it has one.
    opened: bool,
    mime: Option<String>,
    /// The initialization section that was fetched last, and whether the buffer has it.
    init: Option<(Resource, Held)>,
    appended: bool,
    /// The picture that comes next, and its type.
    next: Option<(String, Shot, Held)>,
    /// The buffer is at work.
    busy: bool,
    failures: u32,
}

/// Something to append.
#[derive(Debug)]
enum Held {
    Loading(JobId),
    Here(RequestId, Option<Box<Facts>>),
}

impl Held {
    fn let_go(self, session: &mut Session, cx: &mut Cx<'_>) {
        match self {
            Self::Loading(job) => drop(session.shared.requests.cancel(cx, job)),
            Self::Here(request, _) => cx.send(Output::Release { request }),
        }
    }
}

impl Scan {
    fn position(&self, now: Instant) -> MediaTime {
        let (from, since) = self.from;
        from + MediaTime::from_secs_f64(now.since(since).as_secs_f64() * self.rate)
    }
}

impl Session {
    /// Goes at this rate, or at the element's again if it is zero.
    pub(super) fn scan(&mut self, cx: &mut Cx<'_>, rate: f64) {
        let rate = if rate.is_finite() {
            rate.clamp(-1000.0, 1000.0)
        } else {
            0.0
        };
        let (now, shown) = (cx.now, self.playhead.position(cx.now));
        match &mut self.scan {
            Some(_) if rate == 0.0 => return self.land(cx),
            Some(scan) => {
                scan.from = (scan.shown, now);
                scan.rate = rate;
            }
            None => {
                let plays =
                    matches!(self.phase, Phase::Playing) && self.live.is_settled() && self.view.started();
                if rate == 0.0 || !plays || self.failed || self.start.is_some() {
                    return;
                }
                self.scan = Some(Box::new(Scan {
                    rate,
                    from: (shown, now),
                    shown,
                    due: now,
                    opened: false,
                    mime: None,
                    init: None,
                    appended: false,
                    next: None,
                    busy: false,
                    failures: 0,
                }));
            }
        }
        cx.event(PlayerEvent::Scan { rate });
    }

    /// Fetches the next picture and shows it; says when to come back.
    pub(super) fn go_on_scanning(&mut self, cx: &mut Cx<'_>) -> Option<Instant> {
        let scan = self.scan.as_ref()?;
        if scan.busy {
            return None;
        }
        if scan.next.is_some() {
            self.show(cx);
            return None;
        }
        if cx.now < scan.due {
            return Some(scan.due);
        }
        let (position, rate) = (scan.position(cx.now), scan.rate);
        let ask = (INTERVAL, 2);
        let found = self
            .company
            .thumbnails
            .fast_forward(position, rate, ask, WIDTH, cx.now);
        let (mime, shots) = match found {
            Found::Fetch(need) => {
                let purpose = Purpose::Thumbnails(need.source);
                self.shared.requests.start(cx, purpose, need.resource);
                return None;
            }
            Found::Pending => return None,
            Found::Here(found) => found,
            Found::Nothing => {
                self.end_scan(cx);
                return None;
            }
        };
        let scan = self.scan.as_mut()?;
        let known = scan.opened.then_some(scan.shown);
        let Some(shot) = shots.into_iter().find(|shot| Some(shot.start) != known) else {
            // The last one is shown.
            self.end_scan(cx);
            return None;
        };
        if shot.after > Duration::ZERO {
            return Some(cx.now + shot.after);
        }
        let init = shot.init.clone();
        let held = Held::Loading(self.fetch_shot(cx, false, shot.resource.clone()));
        let has = self.scan.as_ref()?.init.as_ref().map(|(resource, _)| resource);
        if init.as_ref() != has {
            let fetched = init.map(|resource| {
                let job = self.fetch_shot(cx, true, resource.clone());
                (resource, Held::Loading(job))
            });
            let scan = self.scan.as_mut()?;
            scan.appended = false;
            if let Some((_, old)) = core::mem::replace(&mut scan.init, fetched) {
                old.let_go(self, cx);
            }
        }
        self.scan.as_mut()?.next = Some((mime, shot, held));
        None
    }

    fn fetch_shot(&mut self, cx: &mut Cx<'_>, init: bool, resource: Resource) -> JobId {
        let work = Work {
            purpose: Purpose::Picture { init },
            resource,
            rendition: None,
            object: None,
            // A range of an I-frame playlist ends in the middle of a box.
            any_container: true,
            patience: Duration::ZERO,
            chunks: false,
        };
        self.shared.requests.fetch(cx, work)
    }

    /// Part of a picture is here.
    pub(super) fn on_picture(
        &mut self,
        cx: &mut Cx<'_>,
        init: bool,
        request: RequestId,
        integrity: &Integrity,
        facts: Option<Box<Facts>>,
    ) {
        let scan = self.scan.as_mut();
        let next = scan.and_then(|scan| Some((&mut scan.init, scan.next.as_mut()?)));
        let (held, webm) = match next {
            Some((section, (mime, ..))) if init => (
                section.as_mut().map(|(_, held)| held),
                scan::contains(mime.as_bytes(), b"/webm"),
            ),
            Some((_, (mime, _, held))) => (Some(held), scan::contains(mime.as_bytes(), b"/webm")),
            None => (None, false),
        };
        let Some(held @ Held::Loading(_)) = held else {
            return cx.send(Output::Release { request });
        };
        *held = Held::Here(request, facts);
        // A transport stream, or what is encrypted: a source buffer does not take it.
        if let Integrity::Foreign(start) = integrity
            && !webm
        {
            let message = ["a picture is no fragmented MP4: it begins with \"", start, "\""].concat();
            self.on_no_picture(cx, error(ErrorKind::Segment, message));
        }
    }

    /// A picture cannot be had: another one may be.
    pub(super) fn on_no_picture(&mut self, cx: &mut Cx<'_>, cause: PlayerError) {
        self.report(cx, cause);
        let Some(scan) = &mut self.scan else { return };
        scan.failures += 1;
        scan.busy = false;
        let (next, init) = (scan.next.take(), scan.init.take());
        for held in [next.map(|(.., held)| held), init.map(|(_, held)| held)]
            .into_iter()
            .flatten()
        {
            held.let_go(self, cx);
        }
        if self
            .scan
            .as_ref()
            .is_some_and(|scan| scan.failures >= MAX_FAILURES)
        {
            self.land(cx);
        }
    }

    /// Appends what is there, the initialization section first, to a source of its own.
    fn show(&mut self, cx: &mut Cx<'_>) {
        let Some(scan) = &mut self.scan else { return };
        let Some((mime, shot, Held::Here(picture, facts))) = &scan.next else {
            return;
        };
        let init = match &scan.init {
            Some((_, Held::Here(request, facts))) => Some((*request, facts.as_ref())),
            Some((_, Held::Loading(_))) => return,
            None => None,
        };
        if !scan.opened {
            scan.opened = true;
            return self.renew(cx, None);
        }
        if !self.source_open {
            return;
        }
        let change = match &scan.mime {
            Some(old) => (old != mime).then(|| mime.clone()),
            None => {
                let kind = TrackKind::Video;
                cx.send(Output::CreateBuffer {
                    kind,
                    mime: mime.clone(),
                });
                if let Some(duration) = self.duration {
                    cx.send(Output::SetDuration { duration });
                }
                None
            }
        };
        scan.mime = Some(mime.clone());
        scan.busy = true;
        let tracks = init
            .and_then(|(_, facts)| facts)
            .map_or(&[][..], |facts| facts.tracks.as_slice());
        let begins = facts.as_ref().and_then(|facts| facts.start(tracks));
        let request = match init {
            Some((request, _)) if !scan.appended => request,
            _ => *picture,
        };
        cx.send(Output::Append(Append {
            kind: TrackKind::Video,
            request,
            bytes: None,
            timestamp_offset: begins.map_or(MediaTime::ZERO, |begins| shot.start - begins),
            change_type: change,
            reset: true,
            window: None,
        }));
    }

    /// The buffer has taken, or refused, what it was given.
    pub(super) fn on_picture_appended(&mut self, cx: &mut Cx<'_>, wrong: Option<&str>) {
        let Some(scan) = self.scan.as_mut().filter(|scan| scan.busy) else {
            return;
        };
        if let Some(wrong) = wrong {
            return self.on_no_picture(cx, error(ErrorKind::Media, wrong));
        }
        scan.busy = false;
        if scan.init.is_some() && !scan.appended {
            scan.appended = true;
            return;
        }
        if let Some((_, shot, held)) = scan.next.take() {
            scan.shown = shot.start;
            scan.due = cx.now + INTERVAL;
            scan.failures = 0;
            held.let_go(self, cx);
            self.go_to(cx, shot.start + LANDING);
        }
    }

    /// The element tells where it is: where it was put, unless the viewer puts it elsewhere.
    pub(super) fn on_media_of_scan(&mut self, cx: &mut Cx<'_>, state: MediaState) {
        let Some(scan) = self.scan.as_mut().filter(|scan| scan.opened) else {
            if state.seeking {
                self.land(cx);
            }
            return self.on_media(cx, state);
        };
        let away = (state.position - scan.shown).max(scan.shown - state.position) > ELSEWHERE;
        let asked = away && state.seeking && self.source_open && state.position > MediaTime::ZERO;
        if asked {
            scan.shown = state.position;
        }
        let position = scan.shown;
        self.playhead.report(cx.now, MediaState { position, ..state });
        if state.error.is_some() || asked {
            self.land(cx);
        }
    }

    /// There is no further picture, or never was one.
    fn end_scan(&mut self, cx: &mut Cx<'_>) {
        if self.scan.as_ref().is_some_and(|scan| !scan.opened) {
            let message = "the stream has no pictures for fast-forward here";
            self.report(cx, error(ErrorKind::Unsupported, message));
        }
        self.land(cx);
    }

    /// Playback goes on from what is shown.
    fn land(&mut self, cx: &mut Cx<'_>) {
        let Some(scan) = self.scan.as_ref() else { return };
        let (opened, shown) = (scan.opened, scan.shown);
        self.drop_scan(cx);
        if opened {
            self.renew(cx, Some(shown));
        }
        cx.event(PlayerEvent::Scan { rate: 0.0 });
    }

    /// Lets go of what it holds.
    pub(super) fn drop_scan(&mut self, cx: &mut Cx<'_>) {
        let Some(scan) = self.scan.take() else { return };
        let Scan { init, next, .. } = *scan;
        for held in [next.map(|(.., held)| held), init.map(|(_, held)| held)]
            .into_iter()
            .flatten()
        {
            held.let_go(self, cx);
        }
    }
}
