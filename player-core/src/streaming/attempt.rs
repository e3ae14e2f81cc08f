//! One request: how long it may take, and whether what came is what was asked for.

use core::time::Duration;

use crate::config::RetryPolicy;
use crate::input::{Headers, Integrity, RequestId};
use crate::output::RequestKind;
use crate::time::{ByteRange, Instant};

/// What comes more slowly is no download: it is given up when its time is over.
const SLOWEST_BPS: u64 = 10_000;
/// What comes faster has so many times as long.
const GRACE: u32 = 4;
/// Bytes of a key of AES-128.
const KEY_BYTES: u64 = 16;
/// Who is so far away is there no more: for deadlines that there are not.
const NEVER: Instant = Instant::from_micros(u64::MAX);

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
    /// Where redirects led: what relative URLs in the body resolve against.
    pub(crate) url: String,
    /// Since when its time runs: later than when it was asked for, if the machine was offline meanwhile.
    pub(super) runs_since: Instant,
    pub(super) html: bool,
    pub(super) retry_after: Option<Duration>,
    pub(super) headers: Headers,
}

impl Attempt {
    pub(super) fn new(now: Instant, request: RequestId, url: &str, range: Option<ByteRange>) -> Self {
        Self {
            request,
            requested_at: now,
            first_byte_at: None,
            last_byte_at: now,
            bytes: 0,
            expected: range.map(|range| range.length),
            status: 0,
            url: url.to_owned(),
            runs_since: now,
            html: false,
            retry_after: None,
            headers: Headers::default(),
        }
    }

    /// When it has taken too long, and what to say then. The server may hold the answer for `patience`.
    pub(super) fn time_out(&self, policy: &RetryPolicy, patience: Duration) -> (Instant, &'static str) {
        let after = |since: Instant, ms: u64| match ms {
            0 => NEVER,
            ms => since + Duration::from_millis(ms),
        };
        let silence = match self.first_byte_at {
            None => (
                after(self.runs_since, policy.ttfb_timeout_ms) + patience,
                "no answer in time",
            ),
            Some(_) => (
                after(self.last_byte_at.max(self.runs_since), policy.stall_timeout_ms),
                "the answer stopped coming",
            ),
        };
        if policy.total_timeout_ms == 0 {
            return silence;
        }
        let total = Duration::from_millis(policy.total_timeout_ms);
        // What has come is worth so much time.
        let earned = Duration::from_micros(self.bytes.saturating_mul(8_000_000) / SLOWEST_BPS);
        let end = self.runs_since + earned.clamp(total, total.saturating_mul(GRACE));
        silence.min((end + patience, "the answer comes too slowly"))
    }

    /// What is wrong with the head of a response of status 200 or 206.
    pub(super) fn misses(&self, asked: Option<ByteRange>) -> bool {
        let begins = self
            .headers
            .range
            .filter(|_| self.status == 206)
            .map(|range| range.offset);
        begins.is_some_and(|offset| offset != asked.map_or(0, |range| range.offset))
    }
}

/// What is wrong with bytes that the driver keeps, after a colon.
pub(super) fn wrong_media(
    kind: RequestKind,
    attempt: &Attempt,
    asked: Option<ByteRange>,
    integrity: &Integrity,
    any_container: bool,
) -> Option<String> {
    const PAGE: &str = "the server answered with a web page (HTML) instead of media";
    let bytes = attempt.bytes;
    if kind == RequestKind::Key {
        return (bytes != KEY_BYTES).then(|| format!("a key has 16 bytes, not {bytes}"));
    }
    if matches!(kind, RequestKind::Certificate | RequestKind::Licence) && attempt.html {
        return Some("the server answered with a web page (HTML)".to_owned());
    }
    match integrity {
        _ if bytes == 0 => Some("it is empty".to_owned()),
        Integrity::Foreign(start)
            if attempt.html && (!any_container || start.trim_start().starts_with('<')) =>
        {
            Some(PAGE.to_owned())
        }
        Integrity::Foreign(start) if !any_container => {
            Some(format!("this is no media file (it begins with \"{start}\")"))
        }
        Integrity::Truncated(missing) if !any_container => {
            Some(format!("it is cut off, {missing} bytes are missing"))
        }
        _ => match attempt.expected.or(asked.map(|range| range.length)) {
            Some(expected) if bytes < expected => {
                Some(format!("it is cut off after {bytes} of {expected} bytes"))
            }
            _ => None,
        },
    }
}

/// What is wrong with bytes that the engine reads, before it has tried.
pub(super) fn wrong_text(kind: RequestKind, attempt: &Attempt, body: &[u8]) -> Option<&'static str> {
    if !matches!(
        kind,
        RequestKind::Manifest | RequestKind::Playlist | RequestKind::Text
    ) {
        return None;
    }
    // Where nothing is said there may be nothing.
    if body.is_empty() && kind != RequestKind::Text {
        return Some("it is empty");
    }
    let start = body.trim_ascii_start();
    let is_page = ["<!doctype html", "<html"].into_iter().any(|tag| {
        let head = start.get(..tag.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(tag.as_bytes()))
    });
    (is_page && attempt.html).then_some("the server answered with a web page (HTML)")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn attempt() -> Attempt {
        Attempt::new(at(1000), RequestId(1), "https://h/1", None)
    }

    #[test]
    fn silence_ends_an_attempt_and_so_does_a_drip() {
        let policy = RetryPolicy {
            ttfb_timeout_ms: 8000,
            stall_timeout_ms: 5000,
            total_timeout_ms: 20_000,
            ..RetryPolicy::default()
        };
        let mut attempt = attempt();
        assert_eq!(attempt.time_out(&policy, Duration::ZERO).0, at(9000));
        attempt.first_byte_at = Some(at(2000));
        attempt.last_byte_at = at(14_000);
        attempt.bytes = 100;
        assert_eq!(
            attempt.time_out(&policy, Duration::ZERO),
            (at(19_000), "the answer stopped coming")
        );
        // 100 bytes in 20 seconds are a drip; 40 kB are worth 32 seconds, and nothing is worth more than four times the limit.
        attempt.last_byte_at = at(20_500);
        assert_eq!(
            attempt.time_out(&policy, Duration::ZERO),
            (at(21_000), "the answer comes too slowly")
        );
        attempt.bytes = 40_000;
        attempt.last_byte_at = at(30_000);
        assert_eq!(attempt.time_out(&policy, Duration::ZERO).0, at(33_000));
        attempt.bytes = u64::MAX;
        attempt.last_byte_at = at(80_500);
        assert_eq!(attempt.time_out(&policy, Duration::ZERO).0, at(81_000));
        // Offline does not count.
        attempt.runs_since = at(100_000);
        assert_eq!(attempt.time_out(&policy, Duration::ZERO).0, at(105_000));
        let none = RetryPolicy {
            ttfb_timeout_ms: 0,
            stall_timeout_ms: 0,
            total_timeout_ms: 0,
            ..policy
        };
        assert_eq!(attempt.time_out(&none, Duration::ZERO).0, NEVER);
    }

    #[test]
    fn a_range_must_begin_where_it_was_asked_for() {
        let mut attempt = attempt();
        let range = |offset| Some(ByteRange { offset, length: 10 });
        for (status, said, asked, misses) in [
            (206, range(100), range(100), false),
            (206, range(0), range(100), true),
            (206, None, range(100), false),
            (206, range(100), None, true),
            (200, range(0), range(100), false),
        ] {
            attempt.status = status;
            attempt.headers.range = said;
            assert_eq!(attempt.misses(asked), misses, "{status} {said:?} {asked:?}");
        }
    }

    #[test]
    fn what_is_no_media_is_told_from_what_is() {
        let mut attempt = attempt();
        attempt.bytes = 100;
        attempt.html = true;
        let foreign = Integrity::Foreign("<!DOCTYPE".into());
        let wrong = |attempt: &Attempt, integrity, any| {
            wrong_media(RequestKind::Segment, attempt, None, integrity, any).unwrap_or_default()
        };
        assert!(wrong(&attempt, &foreign, false).contains("web page"));
        assert!(wrong(&attempt, &foreign, true).contains("web page"));
        let stream = Integrity::Foreign("G@".into());
        // Servers are not careful with types.
        assert_eq!(wrong(&attempt, &stream, true), "");
        attempt.html = false;
        assert!(wrong(&attempt, &stream, false).contains("no media file"));
        assert!(wrong(&attempt, &Integrity::Truncated(5), false).contains("5 bytes"));
        assert_eq!(wrong(&attempt, &Integrity::Whole, false), "");
        attempt.expected = Some(101);
        assert!(wrong(&attempt, &stream, true).contains("100 of 101"));
        attempt.bytes = 0;
        attempt.expected = None;
        assert_eq!(wrong(&attempt, &Integrity::Whole, false), "it is empty");
        for (bytes, fine) in [(0, false), (16, true), (17, false)] {
            attempt.bytes = bytes;
            let wrong = wrong_media(RequestKind::Key, &attempt, None, &Integrity::Unchecked, false);
            assert_eq!(wrong.is_none(), fine, "{bytes}");
        }
    }

    #[test]
    fn a_web_page_is_no_manifest_and_an_mpd_of_the_wrong_type_is() {
        let mut attempt = attempt();
        attempt.html = true;
        let wrong = |body: &str| wrong_text(RequestKind::Manifest, &attempt, body.as_bytes()).is_some();
        assert!(wrong(" \n<!doctype HTML><p>Log in"));
        assert!(wrong(""));
        assert!(!wrong("<MPD/>"));
        assert!(!wrong("#EXTM3U"));
        assert_eq!(wrong_text(RequestKind::Clock, &attempt, b""), None);
    }
}
