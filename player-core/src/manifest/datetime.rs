//! Dates of manifests: ISO 8601 as RFC 8216 and XML Schema's `xs:dateTime` write it.

use crate::time::{MediaTime, WallTime};

const DAY_US: i64 = 86_400_000_000;

/// `2026-11-22T21:50:00.123456Z`, with an offset as `+01:00`, `+0100` or `+01`, or with none, which means UTC. `None` if it is malformed.
pub fn parse(text: &str) -> Option<WallTime> {
    let text = text.trim_ascii();
    // A live playlist has thousands of them in this form.
    if let Some(us) = scan::date(text.as_bytes()) {
        return Some(WallTime::from_unix_micros(us));
    }
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut parts = date.rsplitn(3, '-');
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    // Years of six digits may be beyond what microseconds can count.
    let (year, month, day) = (digits(year, 4..6)?, digits(month, 1..3)?, digits(day, 1..3)?);
    let valid = (1..=12).contains(&month) && (1..=31).contains(&day);
    let (clock, offset_us) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => (time.get(..at)?, offset(time.get(at..)?)?),
        None => (time, 0),
    };
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (digits(parts.next()?, 1..3)?, digits(parts.next()?, 1..3)?);
    let second = parts.next().unwrap_or("0");
    let (whole, fraction) = second.split_once('.').unwrap_or((second, ""));
    // 60 is a leap second, 24:00 the end of a day.
    let whole = digits(whole, 1..3).filter(|s| *s <= 60)?;
    (valid && hour <= 24 && minute < 60 && fraction.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
    let micros = (0..6).fold(0, |sum, i| {
        sum * 10 + fraction.as_bytes().get(i).map_or(0, |b| i64::from(b - b'0'))
    });
    let seconds = (hour * 60 + minute) * 60 + whole;
    let us = days(year, month, day) * DAY_US + seconds * 1_000_000 + micros - offset_us;
    Some(WallTime::from_unix_micros(us))
}

/// `Z`, or hours and minutes ahead of UTC; in microseconds.
fn offset(text: &str) -> Option<i64> {
    let sign = match text.get(..1)? {
        "+" => 1,
        "-" => -1,
        _ => return (text.len() == 1).then_some(0),
    };
    let rest = text.get(1..)?;
    let (hours, minutes) = match rest.len() {
        2 => (rest, "0"),
        4 => (rest.get(..2)?, rest.get(2..)?),
        _ => rest.split_once(':')?,
    };
    let minutes = digits(hours, 1..3)? * 60 + digits(minutes, 1..3)?;
    Some(sign * minutes * 60_000_000)
}

fn digits(text: &str, length: core::ops::Range<usize>) -> Option<i64> {
    (length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())).then_some(())?;
    text.parse().ok()
}

/// Days from 1970-01-01 in the Gregorian calendar: the year is taken to begin in March, so that the leap day is its last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let from_march = (month + 9) % 12;
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// A time in the form that [`parse`] reads, with microseconds.
pub fn format(at: WallTime) -> String {
    let us = at.as_unix_micros();
    let (day, of_day) = (
        us.div_euclid(DAY_US),
        MediaTime::from_micros(us.rem_euclid(DAY_US)),
    );
    // The inverse of `days`.
    let shifted = day + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = era * 400 + year + i64::from(month <= 2);
    let seconds = of_day.as_micros() / 1_000_000;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{:06}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60,
        of_day.as_micros() % 1_000_000
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(text: &str) -> Option<i64> {
        parse(text).map(WallTime::as_unix_micros)
    }

    #[test]
    fn every_form_is_read() {
        assert_eq!(us("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(us("2026-11-22T21:50:00.123456789Z"), Some(1_795_384_200_123_456));
        let same = us("2026-11-22T21:50:00Z");
        for text in [
            "2026-11-22T22:50:00+01:00",
            "2026-11-22T22:50:00+0100",
            "2026-11-22T16:50-05",
            " 2026-11-22t21:50:00z ",
            "2026-11-22 21:50:00",
        ] {
            assert_eq!(us(text), same, "{text}");
        }
        assert_eq!(us("1969-12-31T23:59:59.5Z"), Some(-500_000));
        assert_eq!(us("99999-12-31T00:00:00Z"), Some(3_093_527_894_400_000_000));
        assert_eq!(us("2024-02-29T24:00:00Z"), us("2024-03-01T00:00:00Z"));
        for usual in [
            "2026-11-22T21:50:00Z",
            "0001-01-01T00:00:00.5Z",
            "9999-12-31T23:59:59.999999999Z",
            "2000-02-29T12:00:00.1Z",
        ] {
            assert_eq!(us(usual), us(&usual.replace('Z', "+00")), "{usual}");
        }
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for bad in [
            "",
            "T",
            "2026",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-01T25:00:00Z",
            "2026-01-01T00:61:00Z",
            "2026-01-01T00:00:99Z",
            "2026-01-01T00:00:0xZ",
            "2026-01-01T00:00:00+1:2:3",
            "2026-01-01T00:00:00.1e5Z",
            "-026-01-01T00:00:00Z",
            // Beyond what microseconds can count.
            "392026-03-01T11:00:20Z",
        ] {
            assert_eq!(us(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        for us in [
            0,
            -1,
            951_782_400_000_000,
            1_795_384_200_123_456,
            4_102_444_800_000_000,
        ] {
            let at = WallTime::from_unix_micros(us);
            assert_eq!(parse(&format(at)), Some(at), "{}", format(at));
        }
        assert_eq!(format(WallTime::default()), "1970-01-01T00:00:00.000000Z");
    }
}
