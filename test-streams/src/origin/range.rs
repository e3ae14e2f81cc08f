//! Conditional requests and byte ranges (RFC 9110 §13 and §14).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE};

/// What identifies one state of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Validators {
    /// A strong entity tag, quotes included.
    pub(super) etag: String,
    pub(super) modified: Option<SystemTime>,
}

/// What part of a file to answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it, status 200.
    Whole,
    /// These bytes, both ends included, status 206.
    Bytes { first: u64, last: u64 },
    /// None of what was asked for exists, status 416.
    Unsatisfiable,
}

impl Validators {
    pub(super) fn new(bytes: u64, modified: Option<SystemTime>) -> Self {
        let stamp = modified
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .map_or(0, |age| age.as_nanos());
        Self {
            etag: format!("\"{bytes:x}-{stamp:x}\""),
            modified,
        }
    }

    /// Whether the client has this state already (RFC 9110 §13.2.2).
    pub(super) fn not_modified(&self, headers: &HeaderMap) -> bool {
        if let Some(tags) = text(headers, IF_NONE_MATCH) {
            return tags
                .split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || weak(tag) == self.etag);
        }
        match (
            text(headers, IF_MODIFIED_SINCE).and_then(|date| httpdate::parse_http_date(date).ok()),
            self.modified,
        ) {
            (Some(since), Some(modified)) => whole_seconds(modified) <= since,
            _ => false,
        }
    }

    /// Which part the client asks for. Several ranges, other units and nonsense count as no range at all (RFC 9110
    /// §14.2 allows it).
    pub(super) fn part(&self, headers: &HeaderMap, length: u64) -> Part {
        let Some(range) = text(headers, RANGE) else {
            return Part::Whole;
        };
        if let Some(condition) = text(headers, IF_RANGE)
            && !self.if_range(condition)
        {
            return Part::Whole;
        }
        parse_range(range, length)
    }

    /// Whether the state is the one that `If-Range` names: a strong tag or an exact date (RFC 9110 §13.1.5).
    fn if_range(&self, condition: &str) -> bool {
        if condition.contains('"') {
            return condition == self.etag;
        }
        match (httpdate::parse_http_date(condition), self.modified) {
            (Ok(date), Some(modified)) => whole_seconds(modified) == date,
            _ => false,
        }
    }
}

fn parse_range(text: &str, length: u64) -> Part {
    let spec = match text.split_once('=') {
        Some((unit, spec)) if unit.trim().eq_ignore_ascii_case("bytes") && !spec.contains(',') => spec,
        _ => return Part::Whole,
    };
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Part::Whole;
    };
    match (number(first), number(last)) {
        (Some(first), None) if last.is_empty() => bytes(first, u64::MAX, length),
        (Some(first), Some(last)) if first <= last => bytes(first, last, length),
        (None, Some(0)) if first.is_empty() => Part::Unsatisfiable,
        (None, Some(count)) if first.is_empty() => bytes(length.saturating_sub(count), u64::MAX, length),
        _ => Part::Whole,
    }
}

fn bytes(first: u64, last: u64, length: u64) -> Part {
    if first < length {
        Part::Bytes {
            first,
            last: last.min(length - 1),
        }
    } else {
        Part::Unsatisfiable
    }
}

/// Digits only; what is beyond 64 bits is beyond any file.
fn number(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn weak(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// HTTP dates have no fractions.
fn whole_seconds(time: SystemTime) -> SystemTime {
    match time.duration_since(UNIX_EPOCH) {
        Ok(age) => UNIX_EPOCH + Duration::from_secs(age.as_secs()),
        Err(_) => UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::http::HeaderValue;

    use super::*;

    fn validators() -> Validators {
        Validators::new(100, Some(UNIX_EPOCH + Duration::from_millis(1_000_500)))
    }

    fn headers(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap()))
            .collect()
    }

    #[test]
    fn ranges() {
        let bytes = |first, last| Part::Bytes { first, last };
        for (range, expected) in [
            ("bytes=0-0", bytes(0, 0)),
            ("bytes=0-", bytes(0, 99)),
            ("bytes=10-19", bytes(10, 19)),
            ("Bytes = 10-19", bytes(10, 19)),
            ("bytes=90-1000", bytes(90, 99)),
            ("bytes=-10", bytes(90, 99)),
            ("bytes=-1000", bytes(0, 99)),
            ("bytes=99-99999999999999999999999", bytes(99, 99)),
            ("bytes=100-", Part::Unsatisfiable),
            ("bytes=99999999999999999999999-", Part::Unsatisfiable),
            ("bytes=-0", Part::Unsatisfiable),
            ("bytes=20-10", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=", Part::Whole),
            ("bytes=-", Part::Whole),
            ("bytes=+1-2", Part::Whole),
            ("bytes=a-b", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("0-1", Part::Whole),
        ] {
            assert_eq!(
                validators().part(&headers(&[(RANGE, range)]), 100),
                expected,
                "{range}"
            );
        }
        assert_eq!(validators().part(&HeaderMap::new(), 100), Part::Whole);
        assert_eq!(parse_range("bytes=0-", 0), Part::Unsatisfiable);
        assert_eq!(parse_range("bytes=-5", 0), Part::Unsatisfiable);
    }

    #[test]
    fn a_range_of_another_state_gets_the_whole_file() {
        let etag = validators().etag;
        let date = "Thu, 01 Jan 1970 00:16:40 GMT";
        for (condition, part) in [
            (etag.as_str(), Part::Bytes { first: 0, last: 9 }),
            (date, Part::Bytes { first: 0, last: 9 }),
            ("\"other\"", Part::Whole),
            (&format!("W/{etag}"), Part::Whole),
            ("Thu, 01 Jan 1970 00:16:41 GMT", Part::Whole),
            ("yesterday", Part::Whole),
        ] {
            let headers = headers(&[(RANGE, "bytes=0-9"), (IF_RANGE, condition)]);
            assert_eq!(validators().part(&headers, 100), part, "{condition}");
        }
    }

    #[test]
    fn a_client_that_has_it_is_told_so() {
        let etag = validators().etag;
        for (name, value, expected) in [
            (IF_NONE_MATCH, etag.as_str(), true),
            (IF_NONE_MATCH, &format!("\"x\", W/{etag}"), true),
            (IF_NONE_MATCH, "*", true),
            (IF_NONE_MATCH, "\"x\"", false),
            (IF_MODIFIED_SINCE, "Thu, 01 Jan 1970 00:16:40 GMT", true),
            (IF_MODIFIED_SINCE, "Thu, 01 Jan 1970 00:16:39 GMT", false),
            (IF_MODIFIED_SINCE, "never", false),
        ] {
            assert_eq!(
                validators().not_modified(&headers(&[(name, value)])),
                expected,
                "{value}"
            );
        }
        // The tag decides where both are given.
        let both = [
            (IF_NONE_MATCH, "\"x\""),
            (IF_MODIFIED_SINCE, "Thu, 01 Jan 2099 00:00:00 GMT"),
        ];
        assert!(!validators().not_modified(&headers(&both)));
        assert_ne!(Validators::new(100, None).etag, Validators::new(101, None).etag);
    }
}
