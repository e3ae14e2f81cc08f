//! Stretches of time and their buckets.

use super::invalid::Invalid;

/// Without `from`, the last 15 minutes.
const DEFAULT_RANGE_MS: i64 = 15 * 60_000;
/// Longest range: 92 days.
const MAX_RANGE_MS: i64 = 92 * 24 * 3_600_000;
/// Most buckets in a series.
const MAX_BUCKETS: i64 = 1_500;
/// Without `bucket`, the shortest of these that gives no more than [`DEFAULT_BUCKETS`].
const BUCKETS_MS: [i64; 11] = [
    10_000, 30_000, 60_000, 300_000, 900_000, 1_800_000, 3_600_000, 10_800_000, 21_600_000, 43_200_000,
    86_400_000,
];
const DEFAULT_BUCKETS: i64 = 100;
/// Played time is stored in stretches of this length.
const CELL_MS: i64 = 10_000;

/// From a time, inclusive, to another, exclusive, in milliseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from_ms: i64,
    pub(crate) to_ms: i64,
}

impl Range {
    pub(super) fn new(now_ms: i64, from: Option<i64>, to: Option<i64>) -> Result<Self, Invalid> {
        let to_ms = to.unwrap_or(now_ms);
        let from_ms = from.unwrap_or(to_ms.saturating_sub(DEFAULT_RANGE_MS));
        let length_ms = to_ms.saturating_sub(from_ms);
        if from_ms < 0 || length_ms <= 0 || length_ms > MAX_RANGE_MS {
            return Err(Invalid::Range);
        }
        Ok(Self { from_ms, to_ms })
    }

    /// The length of the buckets that a text asks for, as `10s`, `1m`, `6h` or `1d`.
    pub(super) fn bucket_ms(self, text: &str) -> Result<i64, Invalid> {
        let bucket_ms = duration_ms(text).ok_or(Invalid::Bucket)?;
        if (self.to_ms - self.from_ms) / bucket_ms >= MAX_BUCKETS {
            return Err(Invalid::Buckets(MAX_BUCKETS));
        }
        Ok(bucket_ms)
    }

    /// A length that gives about a hundred buckets.
    pub(super) fn default_bucket_ms(self) -> i64 {
        BUCKETS_MS
            .into_iter()
            .find(|bucket_ms| (self.to_ms - self.from_ms) / bucket_ms <= DEFAULT_BUCKETS)
            .unwrap_or(86_400_000)
    }
}

fn duration_ms(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let duration_ms = i64::from(number.parse::<u32>().ok()?).checked_mul(unit_ms)?;
    ((CELL_MS..=MAX_RANGE_MS).contains(&duration_ms) && duration_ms % CELL_MS == 0).then_some(duration_ms)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ranges_are_checked() {
        let now_ms = 1_800_000_000_000;
        let default = Range::new(now_ms, None, None).unwrap();
        assert_eq!((default.from_ms, default.to_ms), (now_ms - 900_000, now_ms));
        assert_eq!(default.default_bucket_ms(), 10_000);
        let day = Range::new(now_ms, Some(now_ms - 86_400_000), None).unwrap();
        assert_eq!(day.default_bucket_ms(), 900_000);
        assert_eq!(day.bucket_ms("1m"), Ok(60_000));
        assert_eq!(day.bucket_ms("10s"), Err(Invalid::Buckets(MAX_BUCKETS)));
        for text in ["1s", "15s", "99999999999d", "é", "", "m"] {
            assert_eq!(day.bucket_ms(text), Err(Invalid::Bucket), "{text}");
        }
        for (from, to) in [
            (Some(-1), None),
            (Some(now_ms), Some(now_ms)),
            (Some(i64::MIN), Some(i64::MAX)),
            (Some(0), None),
        ] {
            assert_eq!(
                Range::new(now_ms, from, to),
                Err(Invalid::Range),
                "{from:?} {to:?}"
            );
        }
    }
}
