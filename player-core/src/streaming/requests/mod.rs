//! Requests under way: time-outs, trying again, trying elsewhere.
//!
//! What belongs to all of them lives here too: which server to prefer ([`Pathways`]), what time it is there ([`Clock`]), and what
//! servers are told ([`Cmcd`]).

mod job;
mod retry;

use core::time::Duration;

use self::job::{Cause, State};
pub(crate) use self::job::{Hope, Job, JobId, Outcome, Purpose, Work};
pub(crate) use super::attempt::Attempt;
use super::attempt::{wrong_media, wrong_text};
use super::clock::Clock;
use super::context::{Cx, error};
use super::pathways::{Pathways, Place};
use crate::cmcd::{Cmcd, Playback, Response};
use crate::error::{ErrorKind, PlayerError};
use crate::input::{Input, Load, NetworkFailure, RequestId, TrackKind};
use crate::manifest;
use crate::output::{Deliver, Fetch, LicenceRequest, Method, Output, RequestKind};
use crate::presentation::{Presentation, Rendition, Resource};
use crate::time::Instant;
use crate::url;

/// A segment or initialization section larger than this is none.
const MAX_MEDIA_BYTES: u64 = 512 * 1024 * 1024;
/// Subtitles of a whole film have a few hundred kilobytes.
const MAX_TEXT_BYTES: u64 = 16 * 1024 * 1024;
/// As much text as a clock needs.
const MAX_CLOCK_BYTES: u64 = 4096;
/// Licences have some kilobytes.
const MAX_LICENCE_BYTES: u64 = 1 << 20;

#[derive(Debug)]
pub(crate) struct Requests {
    jobs: Vec<Job>,
    next_job: u64,
    offline: bool,
    pub(crate) pathways: Pathways,
    pub(crate) clock: Clock,
    cmcd: Option<Box<Cmcd>>,
    /// When something came whole last.
    answered_at: Instant,
    /// Playback has begun: who has watched waits for what comes next.
    pub(crate) has_played: bool,
    /// The pathways that the media playlists of renditions came from.
    lists: Vec<(TrackKind, usize, String)>,
}

impl Requests {
    /// For a load, whose view has the id `view`.
    pub(crate) fn new(cx: &Cx<'_>, load: &Load, view: &str) -> Self {
        Self {
            jobs: Vec::new(),
            next_job: 0,
            offline: false,
            pathways: Pathways::default(),
            clock: Clock::new(cx.now, load.wall_clock_ms),
            cmcd: Cmcd::new(&cx.config.cmcd, view, &load.video_id, cx.now),
            lists: Vec::new(),
            answered_at: cx.now,
            has_played: false,
        }
    }

    /// Takes a version of the manifest, which was asked for at `asked`: its servers, steering, clocks. Something odd is said.
    pub(crate) fn read(
        &mut self,
        cx: &mut Cx<'_>,
        asked: Instant,
        presentation: &Presentation,
    ) -> Option<PlayerError> {
        self.pathways.read(cx.now, presentation, cx.rng);
        if let Some(cmcd) = &mut self.cmcd {
            cmcd.describe(presentation.protocol);
        }
        let clocks = presentation.live.as_ref().map(|live| live.clocks.as_slice());
        let odd = self.clock.read(cx.now, asked, clocks.unwrap_or_default())?;
        Some(error(ErrorKind::Manifest, odd))
    }

    /// Starts to fetch what is only at one place.
    pub(crate) fn start(&mut self, cx: &mut Cx<'_>, purpose: Purpose, resource: Resource) -> JobId {
        let work = Work {
            purpose,
            resource,
            rendition: None,
            object: None,
            any_container: false,
            patience: Duration::ZERO,
            chunks: false,
        };
        self.fetch(cx, work)
    }

    /// Starts to fetch, from the best place.
    pub(crate) fn fetch(&mut self, cx: &mut Cx<'_>, work: Work<'_>) -> JobId {
        let Resource { url, range } = work.resource;
        let places = match (work.rendition, work.purpose) {
            (Some(rendition), Purpose::Playlist { .. }) => self.pathways.playlists(cx.now, rendition, &url),
            (Some(rendition), purpose) => {
                let mut places = self.pathways.places(cx.now, rendition, &url);
                // A playlist leads to segments on its pathway.
                if let ([only], Some(pathway)) = (places.as_mut_slice(), self.list(purpose)) {
                    only.pathway = pathway.to_owned();
                }
                places
            }
            (None, _) => only(&url),
        };
        let mut job = Job::new(work.purpose, places);
        job.range = range;
        job.object = work.object;
        job.any_container = work.any_container;
        job.patience = work.patience;
        job.chunks = work.chunks;
        self.add(cx, job)
    }

    /// Asks a licence server.
    pub(crate) fn start_licence(&mut self, cx: &mut Cx<'_>, url: &str, licence: LicenceRequest) -> JobId {
        let mut job = Job::new(Purpose::Licence(licence.session), only(url));
        job.licence = Some(licence);
        self.add(cx, job)
    }

    /// Fetches the certificate of a licence server.
    pub(crate) fn start_certificate(&mut self, cx: &mut Cx<'_>, url: &str) {
        self.add(cx, Job::new(Purpose::Certificate, only(url)));
    }

    /// The same of which there are copies at other places, the best first: a manifest with locations.
    pub(crate) fn start_at(&mut self, cx: &mut Cx<'_>, purpose: Purpose, places: Vec<Place>) -> JobId {
        self.add(cx, Job::new(purpose, places))
    }

    /// Whether the media playlist of a rendition, whose own is at `url`, is to be fetched again, from another pathway than last time.
    pub(crate) fn has_moved(
        &self,
        now: Instant,
        kind: TrackKind,
        number: usize,
        rendition: &Rendition,
        url: &str,
    ) -> bool {
        let purpose = Purpose::Playlist {
            kind,
            rendition: number,
        };
        let Some(from) = self.list(purpose) else {
            return false;
        };
        let best = self.pathways.playlists(now, rendition, url).into_iter().next();
        // When all have failed one stays.
        best.is_some_and(|best| best.pathway != from && !self.pathways.is_put_back(now, &best.pathway))
    }

    /// Whether a request under way is one of these.
    pub(crate) fn knows(&self, request: RequestId) -> bool {
        self.jobs
            .iter()
            .any(|job| matches!(&job.state, State::Active(attempt) if attempt.request == request))
    }

    /// Stops a job; gives back its attempt if one was under way.
    pub(crate) fn cancel(&mut self, cx: &mut Cx<'_>, id: JobId) -> Option<(Job, Attempt)> {
        let job = self.jobs.remove(self.jobs.iter().position(|job| job.id == id)?);
        let State::Active(attempt) = &job.state else {
            return None;
        };
        let attempt = attempt.clone();
        cx.send(Output::Cancel {
            request: attempt.request,
        });
        Some((job, attempt))
    }

    pub(crate) fn cancel_all(&mut self, cx: &mut Cx<'_>) {
        for job in self.jobs.drain(..) {
            if let State::Active(attempt) = job.state {
                cx.send(Output::Cancel {
                    request: attempt.request,
                });
            }
        }
    }

    /// The job that a request is of.
    pub(crate) fn job_of(&mut self, request: RequestId) -> Option<JobId> {
        let (i, _) = self.find(request)?;
        self.jobs.get(i).map(|job| job.id)
    }

    /// So many bytes of a response are there; the job that it is of.
    pub(crate) fn advance(&mut self, now: Instant, request: RequestId, bytes: u64) -> Option<JobId> {
        let (i, attempt) = self.find(request)?;
        if bytes > attempt.bytes {
            attempt.bytes = bytes;
            attempt.last_byte_at = now;
        }
        self.jobs.get(i).map(|job| job.id)
    }

    /// The attempt of a job that is under way now.
    pub(crate) fn attempt(&self, id: JobId) -> Option<&Attempt> {
        self.jobs
            .iter()
            .find(|job| job.id == id)
            .and_then(|job| match &job.state {
                State::Active(attempt) => Some(attempt),
                State::Held | State::Waiting { .. } => None,
            })
    }

    /// Says whether the machine is offline. What waits goes on when it is not any more, and what is under way has all its time.
    pub(crate) fn set_offline(&mut self, now: Instant, offline: bool) {
        let is_back = self.offline && !offline;
        self.offline = offline;
        for job in self.jobs.iter_mut().filter(|_| is_back) {
            match &mut job.state {
                State::Active(attempt) => attempt.runs_since = now,
                State::Held => {}
                State::Waiting { until } => *until = now,
            }
        }
    }

    // What servers are told --------------------------------------------------------------------------------------------

    /// Whether anything is told: else there is no need to describe what is fetched.
    pub(crate) fn tells(&self) -> bool {
        self.cmcd.is_some()
    }

    /// Takes how playback stands.
    pub(crate) fn observe(&mut self, cx: &mut Cx<'_>, playback: Playback) {
        if let Some(cmcd) = &mut self.cmcd {
            let wall = self.clock.at(cx.now);
            cmcd.observe(cx.now, wall, playback);
            cmcd.send(cx.now, wall, false, cx.out);
        }
    }

    /// An error was reported.
    pub(crate) fn on_error(&mut self, cx: &Cx<'_>, error: &PlayerError) {
        if let Some(cmcd) = &mut self.cmcd {
            cmcd.on_error(cx.now, self.clock.at(cx.now), error.name());
        }
    }

    /// The view has ended.
    pub(crate) fn close(&mut self, cx: &mut Cx<'_>) {
        self.cancel_all(cx);
        if let Some(cmcd) = &mut self.cmcd {
            cmcd.close(cx.now, self.clock.at(cx.now), cx.out);
        }
    }

    // Inputs -----------------------------------------------------------------------------------------------------------

    /// Takes an input about a request. Inputs about requests that are not known (cancelled, answered twice) mean nothing.
    pub(crate) fn handle(&mut self, cx: &mut Cx<'_>, input: Input) -> Outcome {
        match input {
            Input::Response {
                request,
                status,
                url,
                content_type,
                content_length,
                retry_after_s,
                headers,
            } => {
                let now = cx.now;
                let Some((i, attempt)) = self.find(request) else {
                    return Outcome::Nothing;
                };
                attempt.status = status;
                attempt.first_byte_at = Some(now);
                attempt.last_byte_at = now;
                attempt.expected = content_length.or(attempt.expected);
                attempt.html = content_type
                    .is_some_and(|t| t.trim_start().to_ascii_lowercase().starts_with("text/html"));
                attempt.retry_after = retry_after_s.map(|s| Duration::from_secs(s.into()));
                if let Some(url) = url {
                    attempt.url = url;
                }
                attempt.headers = headers;
                self.on_head(cx, i)
            }
            Input::Progress { request, bytes } => {
                let now = cx.now;
                let Some((i, attempt)) = self.find(request) else {
                    return Outcome::Nothing;
                };
                if bytes > attempt.bytes {
                    attempt.bytes = bytes;
                    attempt.last_byte_at = now;
                    attempt.first_byte_at.get_or_insert(now);
                }
                self.jobs
                    .get(i)
                    .map_or(Outcome::Nothing, |job| Outcome::Progress { job: job.id })
            }
            Input::Body { request, body } => {
                let Some((i, attempt)) = self.find(request) else {
                    return Outcome::Nothing;
                };
                attempt.bytes = body.0.len() as u64;
                self.on_body(cx, i, body.0)
            }
            Input::Complete {
                request,
                bytes,
                integrity,
                cached,
                media,
            } => {
                let Some((i, attempt)) = self.find(request) else {
                    return Outcome::Nothing;
                };
                attempt.bytes = bytes;
                let Some((job, attempt)) = self.current(i) else {
                    return Outcome::Nothing;
                };
                let kind = job.purpose.request_kind();
                if let Some(wrong) = wrong_media(kind, attempt, job.range, &integrity, job.any_container) {
                    cx.send(Output::Release { request });
                    return self.fail_with(cx, i, ErrorKind::Segment, &wrong, Cause::Unreachable);
                }
                match self.finish(cx, i) {
                    Some((job, attempt)) => Outcome::Complete {
                        job,
                        attempt,
                        cached,
                        integrity,
                        media,
                    },
                    None => Outcome::Nothing,
                }
            }
            Input::Failed { request, reason } => {
                let Some((i, _)) = self.find(request) else {
                    return Outcome::Nothing;
                };
                match reason {
                    NetworkFailure::Connection(why) => {
                        let message = format!("no answer from the server ({why})");
                        self.fail_with(cx, i, ErrorKind::Network, &message, Cause::Unreachable)
                    }
                    NetworkFailure::TooLarge => {
                        let message = "the answer is larger than such a thing may be";
                        self.fail_with(cx, i, ErrorKind::Segment, message, Cause::Absent)
                    }
                }
            }
            _ => Outcome::Nothing,
        }
    }

    /// The headers of a response are here.
    fn on_head(&mut self, cx: &mut Cx<'_>, i: usize) -> Outcome {
        let Some((job, attempt)) = self.current(i) else {
            return Outcome::Nothing;
        };
        let (request, status, asked) = (attempt.request, attempt.status, attempt.requested_at);
        let kind = job.purpose.request_kind();
        if matches!(status, 200 | 206) && !attempt.misses(job.range) {
            // An answer that was held says what time it was then, but not when that was.
            if let (RequestKind::Manifest | RequestKind::Playlist, Some(date_ms)) =
                (kind, attempt.headers.date_ms)
                && job.patience.is_zero()
            {
                self.clock.on_date(cx.now, asked, date_ms);
            }
            return Outcome::Nothing;
        }
        cx.send(Output::Cancel { request });
        let (message, cause) = match status {
            200 | 206 => (
                "the server answered with another range".to_owned(),
                Cause::Unreachable,
            ),
            _ => {
                let cause = match status {
                    401 | 403 => Cause::Unauthorized,
                    408 | 425 | 429 | 500.. | 200..=299 => Cause::Passing,
                    _ => Cause::Absent,
                };
                (format!("the server answered {status}"), cause)
            }
        };
        self.fail_with(cx, i, ErrorKind::Http, &message, cause)
    }

    fn on_body(&mut self, cx: &mut Cx<'_>, i: usize, body: Vec<u8>) -> Outcome {
        let Some((job, attempt)) = self.current(i) else {
            return Outcome::Nothing;
        };
        if let Some(wrong) = wrong_text(job.purpose.request_kind(), attempt, &body) {
            return self.fail_with(cx, i, ErrorKind::Manifest, wrong, Cause::Unreachable);
        }
        let Some((job, attempt)) = self.finish(cx, i) else {
            return Outcome::Nothing;
        };
        match job.purpose {
            Purpose::Clock => {
                let (at, asked) = (attempt.first_byte_at.unwrap_or(cx.now), attempt.requested_at);
                self.clock.on_answer(at, asked, &body, attempt.headers.date_ms);
                Outcome::Nothing
            }
            Purpose::Steering => {
                let odd = self.pathways.on_steering(cx.now, &body, &attempt.url);
                let Some(first) = odd.first() else {
                    return Outcome::Nothing;
                };
                let name = url::public(&attempt.url);
                let message = format!("steering manifest {name}: {}", first.message);
                Outcome::Notice(error(ErrorKind::Manifest, message))
            }
            _ => Outcome::Body { job, attempt, body },
        }
    }

    /// Acts on what is due; says what gave up. Call until it says nothing.
    pub(crate) fn due(&mut self, cx: &mut Cx<'_>) -> Outcome {
        self.ask(cx);
        let released = !self.pathways.is_waiting();
        for i in 0..self.jobs.len() {
            let Some(job) = self.jobs.get_mut(i) else { break };
            match &job.state {
                State::Waiting { until } if *until <= cx.now => self.activate(cx, i),
                State::Held if released => {
                    self.pathways.sort(cx.now, &mut job.places);
                    self.activate(cx, i);
                }
                State::Active(attempt) if !self.offline => {
                    let policy = cx.config.retry.policy(job.purpose.request_kind());
                    let (at, what) = attempt.time_out(policy, job.patience);
                    if at > cx.now {
                        continue;
                    }
                    let request = attempt.request;
                    cx.send(Output::Cancel { request });
                    return self.fail_with(cx, i, ErrorKind::Timeout, what, Cause::Unreachable);
                }
                _ => {}
            }
        }
        Outcome::Nothing
    }

    /// Asks the steering server and the clock, if it is time.
    fn ask(&mut self, cx: &mut Cx<'_>) {
        let steering = self
            .pathways
            .ask(cx.now)
            .map(|url| (Purpose::Steering, url, Method::Get));
        let clock = self
            .clock
            .ask(cx.now)
            .map(|(url, method)| (Purpose::Clock, url, method));
        for (purpose, url, method) in [steering, clock].into_iter().flatten() {
            let pathway = String::new();
            let mut job = Job::new(purpose, vec![Place { pathway, url }]);
            job.method = method;
            self.add(cx, job);
        }
    }

    /// When something will be due next.
    pub(crate) fn deadline(&self, cx: &Cx<'_>) -> Option<Instant> {
        let when = |job: &Job| match &job.state {
            State::Waiting { until } => Some(*until),
            State::Active(attempt) if !self.offline => {
                let policy = cx.config.retry.policy(job.purpose.request_kind());
                Some(attempt.time_out(policy, job.patience).0)
            }
            State::Active(_) | State::Held => None,
        };
        let jobs = self.jobs.iter().filter_map(when).min();
        let cmcd = self.cmcd.as_ref().and_then(|cmcd| cmcd.deadline());
        let others = [self.pathways.deadline(), self.clock.deadline(), cmcd];
        others.into_iter().flatten().chain(jobs).min()
    }

    // Attempts ---------------------------------------------------------------------------------------------------------

    fn add(&mut self, cx: &mut Cx<'_>, mut job: Job) -> JobId {
        let id = JobId(self.next_job);
        self.next_job += 1;
        job.id = id;
        job.since = cx.now;
        self.jobs.push(job);
        let i = self.jobs.len() - 1;
        let waits = self.jobs.get(i).is_some_and(|job| job.purpose.track().is_some());
        if !waits || !self.pathways.is_waiting() {
            self.activate(cx, i);
        }
        id
    }

    /// Sends the request of a job, as it stands.
    fn activate(&mut self, cx: &mut Cx<'_>, i: usize) {
        let Some(job) = self.jobs.get_mut(i) else { return };
        let request = cx.request_id();
        let kind = job.purpose.request_kind();
        let (deliver, max_bytes) = match kind {
            RequestKind::Manifest | RequestKind::Playlist | RequestKind::Thumbnails => {
                (Deliver::Body, manifest::MAX_BYTES)
            }
            RequestKind::Text => (Deliver::Body, MAX_TEXT_BYTES),
            RequestKind::SegmentTable => (Deliver::Body, manifest::table::MAX_BYTES),
            RequestKind::Steering => (Deliver::Body, manifest::steering::MAX_BYTES),
            RequestKind::Clock => (Deliver::Body, MAX_CLOCK_BYTES),
            // A key has sixteen bytes; what has many more is a web page.
            RequestKind::Key => (Deliver::Handle, MAX_CLOCK_BYTES),
            RequestKind::Certificate | RequestKind::Licence => (Deliver::Handle, MAX_LICENCE_BYTES),
            RequestKind::Init | RequestKind::Segment => (Deliver::Handle, MAX_MEDIA_BYTES),
        };
        let mut fetch = Fetch {
            request,
            url: job.url().to_owned(),
            range: job.range,
            kind,
            deliver,
            max_bytes,
            method: job.method,
            headers: Vec::new(),
            chunks: job.chunks,
            licence: job.licence,
        };
        if let Some(cmcd) = &mut self.cmcd {
            cmcd.decorate(job.object.as_ref(), &mut fetch);
        }
        job.state = State::Active(Attempt::new(cx.now, request, job.url(), job.range));
        cx.send(Output::Fetch(fetch));
    }

    fn find(&mut self, request: RequestId) -> Option<(usize, &mut Attempt)> {
        self.jobs
            .iter_mut()
            .enumerate()
            .find_map(|(i, job)| match &mut job.state {
                State::Active(attempt) if attempt.request == request => Some((i, attempt)),
                _ => None,
            })
    }

    fn current(&self, i: usize) -> Option<(&Job, &Attempt)> {
        let job = self.jobs.get(i)?;
        match &job.state {
            State::Active(attempt) => Some((job, attempt)),
            State::Held | State::Waiting { .. } => None,
        }
    }

    /// The pathway that the media playlist came from which led to this.
    fn list(&self, purpose: Purpose) -> Option<&str> {
        let (kind, rendition) = purpose.track()?;
        let found = self
            .lists
            .iter()
            .find(|list| (list.0, list.1) == (kind, rendition));
        found.map(|list| list.2.as_str())
    }

    fn finish(&mut self, cx: &Cx<'_>, i: usize) -> Option<(Job, Attempt)> {
        let job = self.jobs.remove(i);
        let State::Active(attempt) = &job.state else {
            return None;
        };
        let mut attempt = attempt.clone();
        attempt.first_byte_at.get_or_insert(cx.now);
        attempt.last_byte_at = cx.now;
        self.answered_at = cx.now;
        let took = cx.now.since(attempt.requested_at);
        if job.purpose.track().is_some() {
            self.pathways
                .on_success(cx.now, job.pathway(), attempt.bytes, took);
        }
        if let Purpose::Playlist { kind, rendition } = job.purpose {
            self.lists.retain(|list| (list.0, list.1) != (kind, rendition));
            self.lists.push((kind, rendition, job.pathway().to_owned()));
        }
        self.tell(cx, &job, &attempt, Some(took));
        Some((job, attempt))
    }

    /// To collectors of responses.
    fn tell(&mut self, cx: &Cx<'_>, job: &Job, attempt: &Attempt, took: Option<Duration>) {
        if matches!(job.purpose, Purpose::Clock | Purpose::Steering) {
            return;
        }
        if let Some(cmcd) = &mut self.cmcd {
            let response = Response {
                url: job.url(),
                status: attempt.status,
                requested: self.clock.at(attempt.requested_at),
                first_byte: attempt.first_byte_at.map(|at| at.since(attempt.requested_at)),
                last_byte: took,
                object: job.object.as_ref(),
                cmsd: &attempt.headers.cmsd,
            };
            cmcd.on_response(cx.now, &response);
        }
    }
}

/// What is at one place.
fn only(url: &str) -> Vec<Place> {
    vec![Place {
        pathway: url::host(url).to_owned(),
        url: url.to_owned(),
    }]
}
