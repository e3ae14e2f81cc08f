//! Requests under way: timeouts, and trying again.

use core::time::Duration;

use super::context::{Cx, error};
use crate::error::{ErrorKind, PlayerError};
use crate::input::{Input, Integrity, NetworkFailure, RequestId, TrackKind};
use crate::manifest;
use crate::media::fmp4::Facts;
use crate::output::{Deliver, Fetch, Output, RequestKind};
use crate::presentation::Resource;
use crate::time::{Instant, MediaTime};
use crate::url;

/// A segment or initialization section larger than this is none.
const MAX_MEDIA_BYTES: u64 = 512 * 1024 * 1024;
/// A key has sixteen bytes; what has many more is a web page.
const MAX_KEY_BYTES: u64 = 4096;
/// Subtitles of a whole film have a few hundred kilobytes.
const MAX_TEXT_BYTES: u64 = 16 * 1024 * 1024;

/// A piece of work that stays the same over its attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobId(u64);

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Init {
        kind: TrackKind,
        rendition: usize,
        init: usize,
        /// Its boxes cannot be seen before it is decrypted.
        opaque: bool,
    },
    Key {
        kind: TrackKind,
        rendition: usize,
    },
    Manifest,
    Playlist {
        kind: TrackKind,
        rendition: usize,
    },
    /// Bytes of a file that say where its segments are.
    Sidx {
        kind: TrackKind,
        rendition: usize,
    },
    Segment {
        kind: TrackKind,
        rendition: usize,
        start: MediaTime,
        /// It has no boxes, or they cannot be seen before it is decrypted.
        opaque: bool,
    },
    SegmentTable,
}

impl Purpose {
    pub(crate) fn request_kind(self) -> RequestKind {
        match self {
            Self::Init { .. } => RequestKind::Init,
            Self::Key { .. } => RequestKind::Key,
            Self::Manifest => RequestKind::Manifest,
            Self::Playlist { .. } | Self::Sidx { .. } => RequestKind::Playlist,
            Self::Segment { .. } => RequestKind::Segment,
            Self::SegmentTable => RequestKind::SegmentTable,
        }
    }

    /// Kind and rendition of what it belongs to.
    pub(crate) fn track(self) -> Option<(TrackKind, usize)> {
        match self {
            Self::Init { kind, rendition, .. }
            | Self::Key { kind, rendition }
            | Self::Playlist { kind, rendition }
            | Self::Sidx { kind, rendition }
            | Self::Segment { kind, rendition, .. } => Some((kind, rendition)),
            Self::Manifest | Self::SegmentTable => None,
        }
    }
}

/// How the current attempt of a job stands.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    id: JobId,
    pub(crate) purpose: Purpose,
    resource: Resource,
    attempt: u32,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Active(Attempt),
    Waiting { until: Instant },
}

impl Job {
    /// The URL that it was made for.
    pub(crate) fn url(&self) -> &str {
        &self.resource.url
    }

    /// The first byte that it asks for.
    pub(crate) fn offset(&self) -> u64 {
        self.resource.range.map_or(0, |range| range.offset)
    }
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) request: RequestId,
    pub(crate) requested_at: Instant,
    pub(crate) first_byte_at: Option<Instant>,
    pub(crate) last_byte_at: Instant,
    pub(crate) bytes: u64,
    pub(crate) expected: Option<u64>,
    pub(crate) status: u16,
    html: bool,
    retry_after: Option<Duration>,
    /// Where redirects led: what relative URLs in the body resolve against.
    pub(crate) url: String,
}

/// What an input meant for a job.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The body is here.
    Body {
        job: Job,
        attempt: Attempt,
        body: Vec<u8>,
    },
    /// The bytes are with the driver.
    Complete {
        job: Job,
        attempt: Attempt,
        cached: bool,
        integrity: Integrity,
        media: Option<Box<Facts>>,
    },
    /// An attempt failed; the job goes on by itself.
    Retrying {
        job: Job,
        attempt: Attempt,
        error: PlayerError,
    },
    /// The job failed for good.
    Failed {
        job: Job,
        attempt: Attempt,
        error: PlayerError,
    },
    /// More bytes of a job that goes on.
    Progress { job: JobId },
    /// Nothing to act on.
    Nothing,
}

#[derive(Debug, Default)]
pub(crate) struct Requests {
    jobs: Vec<Job>,
    next_job: u64,
}

impl Requests {
    pub(crate) fn start(&mut self, cx: &mut Cx<'_>, purpose: Purpose, resource: Resource) -> JobId {
        let id = JobId(self.next_job);
        self.next_job += 1;
        let attempt = fetch(cx, purpose, &resource);
        self.jobs.push(Job {
            id,
            purpose,
            resource,
            attempt: 1,
            state: State::Active(attempt),
        });
        id
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

    /// The attempt of a job that is under way now.
    pub(crate) fn attempt(&self, id: JobId) -> Option<&Attempt> {
        self.jobs
            .iter()
            .find(|job| job.id == id)
            .and_then(|job| match &job.state {
                State::Active(attempt) => Some(attempt),
                State::Waiting { .. } => None,
            })
    }

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
                attempt.retry_after = retry_after_s.map(|s| Duration::from_secs(u64::from(s.min(60))));
                if let Some(url) = url {
                    attempt.url = url;
                }
                if matches!(status, 200 | 206) {
                    return Outcome::Nothing;
                }
                cx.send(Output::Cancel { request });
                let what = self.describe(i);
                let message = format!("{what}: the server answered {status}");
                let again = status == 408 || status == 429 || status >= 500;
                self.fail(cx, i, error(ErrorKind::Http, message), again)
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
                match self.finish(cx.now, i) {
                    Some((job, attempt)) => Outcome::Body {
                        job,
                        attempt,
                        body: body.0,
                    },
                    None => Outcome::Nothing,
                }
            }
            Input::Complete {
                request,
                bytes,
                integrity,
                cached,
                media,
            } => self.complete(cx, request, bytes, integrity, cached, media),
            Input::Failed { request, reason } => {
                let Some((i, _)) = self.find(request) else {
                    return Outcome::Nothing;
                };
                let what = self.describe(i);
                match reason {
                    NetworkFailure::Connection(why) => {
                        let message = format!("{what}: no answer from the server ({why})");
                        self.fail(cx, i, error(ErrorKind::Network, message), true)
                    }
                    NetworkFailure::TooLarge => {
                        let message = format!("{what}: the answer is larger than such a thing may be");
                        self.fail(cx, i, error(ErrorKind::Segment, message), false)
                    }
                }
            }
            _ => Outcome::Nothing,
        }
    }

    fn complete(
        &mut self,
        cx: &mut Cx<'_>,
        request: RequestId,
        bytes: u64,
        integrity: Integrity,
        cached: bool,
        media: Option<Box<Facts>>,
    ) -> Outcome {
        let Some((i, attempt)) = self.find(request) else {
            return Outcome::Nothing;
        };
        attempt.bytes = bytes;
        let expected = attempt.expected;
        let html = attempt.html;
        let range = self
            .jobs
            .get(i)
            .and_then(|job| job.resource.range)
            .map(|r| r.length);
        let what = self.describe(i);
        let opaque = self.jobs.get(i).is_some_and(|job| {
            matches!(
                job.purpose,
                Purpose::Key { .. }
                    | Purpose::Init { opaque: true, .. }
                    | Purpose::Segment { opaque: true, .. }
            )
        });
        let wrong = match &integrity {
            Integrity::Foreign(_) if html => Some(format!(
                "{what}: the server answered with a web page (HTML) instead of media"
            )),
            Integrity::Foreign(start) if !opaque => Some(format!(
                "{what}: this is no media file (it begins with \"{start}\")"
            )),
            Integrity::Truncated(missing) if !opaque => {
                Some(format!("{what}: it is cut off, {missing} bytes are missing"))
            }
            _ => match expected.or(range) {
                Some(expected) if bytes < expected => {
                    Some(format!("{what}: it is cut off after {bytes} of {expected} bytes"))
                }
                _ => None,
            },
        };
        if let Some(message) = wrong {
            cx.send(Output::Release { request });
            return self.fail(cx, i, error(ErrorKind::Segment, message), true);
        }
        match self.finish(cx.now, i) {
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

    /// Acts on what is due; says what gave up. Call until it says nothing.
    pub(crate) fn due(&mut self, cx: &mut Cx<'_>) -> Outcome {
        for i in 0..self.jobs.len() {
            let Some(job) = self.jobs.get_mut(i) else { break };
            match &job.state {
                State::Waiting { until } if *until <= cx.now => {
                    job.attempt += 1;
                    job.state = State::Active(fetch(cx, job.purpose, &job.resource));
                }
                State::Active(attempt) if timeout(cx, attempt) <= cx.now => {
                    let request = attempt.request;
                    let silent = attempt.first_byte_at.is_none();
                    cx.send(Output::Cancel { request });
                    let what = self.describe(i);
                    let message = if silent {
                        "no answer in time"
                    } else {
                        "the answer stopped coming"
                    };
                    return self.fail(
                        cx,
                        i,
                        error(ErrorKind::Timeout, format!("{what}: {message}")),
                        true,
                    );
                }
                _ => {}
            }
        }
        Outcome::Nothing
    }

    /// When something will be due next.
    pub(crate) fn deadline(&self, cx: &Cx<'_>) -> Option<Instant> {
        let when = |job: &Job| match &job.state {
            State::Waiting { until } => *until,
            State::Active(attempt) => timeout(cx, attempt),
        };
        self.jobs.iter().map(when).min()
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

    fn finish(&mut self, now: Instant, i: usize) -> Option<(Job, Attempt)> {
        let job = self.jobs.remove(i);
        let State::Active(attempt) = &job.state else {
            return None;
        };
        let mut attempt = attempt.clone();
        attempt.first_byte_at.get_or_insert(now);
        attempt.last_byte_at = now;
        Some((job, attempt))
    }

    fn fail(&mut self, cx: &mut Cx<'_>, i: usize, error: PlayerError, again: bool) -> Outcome {
        let config = &cx.config.retry;
        let Some(job) = self.jobs.get_mut(i) else {
            return Outcome::Nothing;
        };
        let State::Active(attempt) = &job.state else {
            return Outcome::Nothing;
        };
        let mut attempt = attempt.clone();
        attempt.last_byte_at = cx.now;
        let attempts = match job.purpose {
            Purpose::Segment { .. } => config.segment_attempts,
            // It is not needed.
            Purpose::SegmentTable => config.manifest_attempts.min(2),
            _ => config.manifest_attempts,
        };
        if !again || job.attempt >= attempts.max(1) {
            let job = self.jobs.remove(i);
            return Outcome::Failed { job, attempt, error };
        }
        let doubled = config.backoff_ms.saturating_mul(1 << (job.attempt - 1).min(3));
        let jitter = 0.75 + 0.5 * cx.rng.next_f64();
        let pause = Duration::from_micros((doubled as f64 * 1000.0 * jitter) as u64);
        let pause = attempt.retry_after.map_or(pause, |asked| asked.max(pause));
        job.state = State::Waiting {
            until: cx.now + pause,
        };
        Outcome::Retrying {
            job: job.clone(),
            attempt,
            error,
        }
    }

    fn describe(&self, i: usize) -> String {
        let Some(job) = self.jobs.get(i) else {
            return String::new();
        };
        let name = url::public(&job.resource.url);
        let what = match job.purpose {
            Purpose::Init { .. } => "initialization section",
            Purpose::Key { .. } => "key",
            Purpose::Manifest => "manifest",
            Purpose::Playlist { .. } => "media playlist",
            Purpose::Sidx { .. } => "segment index",
            Purpose::Segment { .. } => "segment",
            Purpose::SegmentTable => "segment table",
        };
        format!("{what} {name}")
    }
}

/// Text is read in the engine.
fn is_text(purpose: Purpose) -> bool {
    purpose.track().is_some_and(|(kind, _)| kind == TrackKind::Text)
}

fn fetch(cx: &mut Cx<'_>, purpose: Purpose, resource: &Resource) -> Attempt {
    let request = cx.request_id();
    let kind = purpose.request_kind();
    let (deliver, max_bytes) = match kind {
        RequestKind::Manifest | RequestKind::Playlist => (Deliver::Body, manifest::MAX_BYTES),
        RequestKind::SegmentTable => (Deliver::Body, manifest::table::MAX_BYTES),
        RequestKind::Key => (Deliver::Handle, MAX_KEY_BYTES),
        RequestKind::Init | RequestKind::Segment if is_text(purpose) => (Deliver::Body, MAX_TEXT_BYTES),
        RequestKind::Init | RequestKind::Segment => (Deliver::Handle, MAX_MEDIA_BYTES),
    };
    cx.send(Output::Fetch(Fetch {
        request,
        url: resource.url.clone(),
        range: resource.range,
        kind,
        deliver,
        max_bytes,
    }));
    Attempt {
        request,
        requested_at: cx.now,
        first_byte_at: None,
        last_byte_at: cx.now,
        bytes: 0,
        expected: resource.range.map(|r| r.length),
        status: 0,
        html: false,
        retry_after: None,
        url: resource.url.clone(),
    }
}

fn timeout(cx: &Cx<'_>, attempt: &Attempt) -> Instant {
    let limit = match attempt.first_byte_at {
        None => cx.config.retry.ttfb_timeout_ms,
        Some(_) => cx.config.retry.stall_timeout_ms,
    };
    attempt.last_byte_at + Duration::from_millis(limit)
}
