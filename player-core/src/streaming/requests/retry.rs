//! What comes after a failure: the same again, another place, or nothing.

use core::time::Duration;

use super::job::{Cause, State};
use super::{Attempt, Hope, Job, Outcome, Purpose, Requests};
use crate::error::{ErrorKind, PlayerError};
use crate::streaming::context::{Cx, error};
use crate::url;

impl Requests {
    /// What may still come where the network failed.
    pub(crate) fn hope(&self, cx: &Cx<'_>, job: &Job, attempt: &Attempt) -> Hope {
        let outage = Duration::from_millis(cx.config.retry.outage_ms);
        if self.answered_at > job.since {
            return Hope::Answers;
        }
        if cx.now.since(self.answered_at) >= outage {
            return Hope::None;
        }
        match attempt.bytes {
            0 if self.has_played => Hope::Outage,
            0 => Hope::None,
            _ => Hope::Answers,
        }
    }

    pub(super) fn fail_with(
        &mut self,
        cx: &mut Cx<'_>,
        i: usize,
        kind: ErrorKind,
        what: &str,
        cause: Cause,
    ) -> Outcome {
        let Some(job) = self.jobs.get(i) else {
            return Outcome::Nothing;
        };
        let name = match job.purpose {
            Purpose::Certificate => "certificate",
            Purpose::Clock => "time source",
            Purpose::Init { .. } => "initialization section",
            Purpose::Key { .. } => "key",
            Purpose::Licence(_) => "licence",
            Purpose::Manifest => "manifest",
            Purpose::Picture { .. } => "picture",
            Purpose::Playlist { .. } => "media playlist",
            Purpose::Segment { .. } => "segment",
            Purpose::SegmentTable => "segment table",
            Purpose::Thumbnails(_) => "list of thumbnails",
            Purpose::Sidx { .. } => "segment index",
            Purpose::Steering => "steering manifest",
        };
        let message = format!("{name} {}: {what}", url::public(job.url()));
        self.fail(cx, i, error(kind, message), cause)
    }

    pub(super) fn fail(&mut self, cx: &mut Cx<'_>, i: usize, error: PlayerError, cause: Cause) -> Outcome {
        let Some((job, attempt)) = self.current(i) else {
            return Outcome::Nothing;
        };
        let (job, mut attempt) = (job.clone(), attempt.clone());
        attempt.last_byte_at = cx.now;
        self.tell(cx, &job, &attempt, None);
        let next = self.next(cx, i, &attempt, error.kind, cause);
        if next == Next::GiveUp {
            self.jobs.remove(i);
            match job.purpose {
                Purpose::Clock => self.clock.on_answer(cx.now, attempt.requested_at, b"", None),
                Purpose::Steering => {
                    self.pathways
                        .on_no_steering(cx.now, attempt.status, attempt.retry_after);
                }
                _ => return Outcome::Failed { job, attempt, error },
            }
            return Outcome::Notice(error);
        }
        if next == Next::Now {
            self.activate(cx, i);
        }
        match job.purpose {
            Purpose::Clock | Purpose::Steering => Outcome::Nothing,
            _ => Outcome::Retrying { job, attempt, error },
        }
    }

    /// Makes a job that has failed ready for its next attempt, if there is to be one.
    fn next(&mut self, cx: &mut Cx<'_>, i: usize, attempt: &Attempt, kind: ErrorKind, cause: Cause) -> Next {
        let hope = self
            .jobs
            .get(i)
            .map_or(Hope::None, |job| self.hope(cx, job, attempt));
        let Some(job) = self.jobs.get_mut(i) else {
            return Next::GiveUp;
        };
        if self.offline && matches!(kind, ErrorKind::Network | ErrorKind::Timeout) {
            job.state = State::Waiting {
                until: cx.now + OFFLINE_PAUSE,
            };
            return Next::Later;
        }
        if cause == Cause::Unauthorized && cx.config.retry.authorization && !job.renewed {
            job.renewed = true;
            return Next::Now;
        }
        let policy = cx.config.retry.policy(job.purpose.request_kind());
        job.failures += 1;
        let more = job.at + 1 < job.places.len();
        let attempts = match more {
            true => policy.attempts.min(ATTEMPTS_BEFORE_ANOTHER),
            false => policy.attempts,
        };
        let stays = match cause {
            Cause::Absent | Cause::Unauthorized => false,
            // It says itself when to ask again, or that one should not.
            Cause::Passing if job.purpose == Purpose::Steering => attempt.status != 429,
            Cause::Passing => !more || attempt.retry_after.is_none(),
            Cause::Unreachable => !more,
        };
        if stays && job.failures < attempts {
            let doubled = policy.backoff_ms.saturating_mul(1 << (job.failures - 1).min(20));
            let jitter = 1.0 + policy.jitter.clamp(0.0, 1.0) * (2.0 * cx.rng.next_f64() - 1.0);
            let pause = doubled.min(policy.max_backoff_ms) as f64 * 1000.0 * jitter;
            let pause = Duration::from_micros(pause as u64);
            let asked = attempt.retry_after.map(|asked| asked.min(MAX_RETRY_AFTER));
            job.state = State::Waiting {
                until: cx.now + asked.map_or(pause, |asked| asked.max(pause)),
            };
            return Next::Later;
        }
        if job.purpose.track().is_some() {
            self.pathways.on_failure(cx.now, job.pathway());
        }
        if !more {
            // Segments are chosen anew by those who want them.
            let passing = matches!(kind, ErrorKind::Network | ErrorKind::Timeout)
                && job.purpose.track().is_some()
                && !matches!(job.purpose, Purpose::Segment { .. });
            // Where other things come, another rendition may.
            if !passing || hope != Hope::Outage || job.rounds >= MAX_ROUNDS {
                return Next::GiveUp;
            }
            job.rounds += 1;
            job.since = cx.now;
            job.at = 0;
            job.failures = 0;
            job.state = State::Waiting {
                until: cx.now + Duration::from_millis(policy.max_backoff_ms),
            };
            return Next::Later;
        }
        job.at += 1;
        job.failures = 0;
        job.renewed = false;
        Next::Now
    }
}

/// What becomes of a job that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    GiveUp,
    Later,
    Now,
}

/// How often one begins again with what could not be had while nothing comes.
const MAX_ROUNDS: u32 = 20;
/// Attempts at a place while there is another one.
const ATTEMPTS_BEFORE_ANOTHER: u32 = 2;
/// A server may ask for a longer pause than this, but not get it.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(60);
/// How often one tries, while the machine says that it is offline: it may be wrong.
const OFFLINE_PAUSE: Duration = Duration::from_secs(30);
