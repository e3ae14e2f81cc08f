//! Times as manifests write them.

use std::time::{Duration, SystemTime};

/// ISO 8601 in UTC, to the millisecond.
pub(super) fn date(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

/// `xs:duration` in seconds.
pub(super) fn duration(time: Duration) -> String {
    format!("PT{}S", crate::manifest::tag::decimal(time.as_secs_f64()))
}
