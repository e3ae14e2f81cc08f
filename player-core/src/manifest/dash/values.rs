//! Values of attributes.

use crate::time::{ByteRange, MediaTime};

/// An `xs:duration`; `None` if it is malformed, negative, or beyond about a century. A year counts 365 days and a month 30.
pub(super) fn duration(text: &str) -> Option<MediaTime> {
    let rest = text.trim().strip_prefix('P')?;
    if !rest.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let (date, time) = rest.split_once('T').unwrap_or((rest, ""));
    let mut us: u64 = 0;
    let date_units: &[(u8, u64)] = &[
        (b'Y', 31_536_000),
        (b'M', 2_592_000),
        (b'W', 604_800),
        (b'D', 86_400),
    ];
    let time_units: &[(u8, u64)] = &[(b'H', 3600), (b'M', 60), (b'S', 1)];
    for (mut rest, units) in [(date, date_units), (time, time_units)] {
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let (number, tail) = (rest.get(..end)?, rest.get(end..)?);
            let unit = tail.bytes().next()?;
            let (_, seconds) = units.iter().find(|(u, _)| *u == unit)?;
            us = us.checked_add(micros(number)?.checked_mul(*seconds)?)?;
            rest = tail.get(1..)?;
        }
    }
    let us = i64::try_from(us).ok().filter(|us| *us < 3_200_000_000_000_000)?;
    Some(MediaTime::from_micros(us))
}

/// A decimal number, in millionths, rounded to the nearest.
pub(super) fn micros(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    if !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut digits = fraction.bytes().map(|b| u64::from(b - b'0'));
    let millionths = (0..6).fold(0, |sum, _| sum * 10 + digits.next().unwrap_or(0));
    let round = u64::from(digits.next().is_some_and(|d| d >= 5));
    whole.checked_mul(1_000_000)?.checked_add(millionths + round)
}

/// `first-last`, both inclusive.
pub(super) fn byte_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.split_once('-')?;
    let (first, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
    let length = last.checked_sub(first)?.checked_add(1)?;
    Some(ByteRange {
        offset: first,
        length,
    })
}

/// `30`, `30000/1001`.
pub(super) fn frame_rate(text: &str) -> Option<f64> {
    let (over, under) = text.split_once('/').unwrap_or((text, "1"));
    let (over, under) = (micros(over.trim())?, micros(under.trim())?);
    (over > 0 && under > 0).then_some(over as f64 / under as f64)
}

/// Seconds, as `@availabilityTimeOffset` writes them: `INF` is later than everything.
pub(super) fn seconds(text: &str) -> Option<MediaTime> {
    if matches!(text, "INF" | "+INF") {
        return Some(MediaTime::MAX);
    }
    let (sign, number) = text.strip_prefix('-').map_or((1, text), |number| (-1, number));
    let us = i64::try_from(micros(number)?).ok()?;
    Some(MediaTime::from_micros(sign * us))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let us = |text| duration(text).map(MediaTime::as_micros);
        assert_eq!(us("PT1H2M3.5S"), Some(3_723_500_000));
        assert_eq!(us("P1DT0.001S"), Some(86_400_001_000));
        assert_eq!(
            us("P1Y1M1W"),
            Some((31_536_000 + 2_592_000 + 604_800) * 1_000_000)
        );
        assert_eq!(us("PT0.0333333333S"), Some(33_333));
        assert_eq!(us("PT.5S"), Some(500_000));
        assert_eq!(us("PT1.9999999S"), Some(2_000_000));
        for bad in [
            "",
            "P",
            "PT",
            "PT1E30S",
            "-PT1S",
            "PT99999999999999S",
            "P1H",
            "PTS",
            "1S",
            "PT1",
            "PT1.1.1S",
            "PT-1S",
            "PT99999999999999999999999S",
            "P999999Y",
        ] {
            assert_eq!(duration(bad), None, "{bad}");
        }
    }

    #[test]
    fn ranges_and_rates() {
        assert_eq!(
            byte_range("0-99"),
            Some(ByteRange {
                offset: 0,
                length: 100
            })
        );
        assert_eq!(byte_range("5-4"), None);
        assert_eq!(byte_range("0-18446744073709551615"), None);
        assert_eq!(
            frame_rate("30000/1001").map(|f| (f * 1000.0) as u32),
            Some(29_970)
        );
        assert_eq!(frame_rate("1/0"), None);
        assert_eq!(seconds("INF"), Some(MediaTime::MAX));
        assert_eq!(seconds("-0.5"), Some(MediaTime::from_millis(-500)));
        assert_eq!(seconds("nan"), None);
    }
}
