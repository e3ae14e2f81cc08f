//! Numbers and dates, in the forms that nearly all have: for others there are slower readers.

const DAY_US: i64 = 86_400_000_000;

/// A decimal number without a sign or an exponent, in millionths, rounded to the nearest; `None` for other texts and from 10⁹.
#[inline(never)]
pub fn micros(text: &[u8]) -> Option<i64> {
    let mut whole: i64 = 0;
    let mut read = 0;
    while let Some(digit) = digit(text, read) {
        if read == 9 {
            return None;
        }
        whole = whole * 10 + i64::from(digit);
        read += 1;
    }
    let mut micros: i64 = 0;
    if text.get(read) == Some(&b'.') {
        read += 1;
        let first = read;
        let mut unit = 100_000;
        while let Some(digit) = digit(text, read) {
            micros += i64::from(digit) * unit;
            // The seventh digit rounds, those that follow it are nothing.
            if read - first == 6 {
                micros += i64::from(digit >= 5);
            }
            unit /= 10;
            read += 1;
        }
        if read == 1 {
            return None;
        }
    }
    (read > 0 && read == text.len()).then_some(whole * 1_000_000 + micros)
}

fn digit(text: &[u8], at: usize) -> Option<u8> {
    text.get(at)
        .map(|byte| byte.wrapping_sub(b'0'))
        .filter(|digit| *digit < 10)
}

/// `2026-11-22T21:50:00Z` with up to nine digits of a second, in microseconds since 1970.
#[inline(never)]
pub fn date(text: &[u8]) -> Option<i64> {
    let (
        &[
            y0,
            y1,
            y2,
            y3,
            b'-',
            m0,
            m1,
            b'-',
            d0,
            d1,
            b'T',
            h0,
            h1,
            b':',
            n0,
            n1,
            b':',
            s0,
            s1,
        ],
        rest,
    ) = text.split_first_chunk()?
    else {
        return None;
    };
    let mut valid = true;
    let mut two = |tens: u8, ones: u8| {
        let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
        valid &= tens < 10 && ones < 10;
        u32::from(tens) * 10 + u32::from(ones)
    };
    let year = two(y0, y1) * 100 + two(y2, y3);
    let (month, day) = (two(m0, m1), two(d0, d1));
    let (hour, minute, second) = (two(h0, h1), two(n0, n1), two(s0, s1));
    let mut micros = 0;
    let (last, fraction) = rest.split_last()?;
    if let Some((point, digits)) = fraction.split_first() {
        valid &= *point == b'.' && digits.len() < 10;
        let mut unit = 100_000;
        for digit in digits {
            let digit = digit.wrapping_sub(b'0');
            valid &= digit < 10;
            micros += u32::from(digit) * unit;
            unit /= 10;
        }
    }
    valid &= *last == b'Z' && hour < 24 && minute < 60 && second < 60;
    valid &= month.wrapping_sub(1) < 12 && day.wrapping_sub(1) < 31 && year >= 1;
    if !valid {
        return None;
    }
    // The year is taken to begin in March, so that the leap day is its last.
    let from_march = (month + 9) % 12;
    let year = year - u32::from(month <= 2);
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    let days =
        i64::from(year / 400 * 146_097 + year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year)
            - 719_468;
    let seconds = i64::from((hour * 60 + minute) * 60 + second);
    Some(days * DAY_US + seconds * 1_000_000 + i64::from(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exact_or_left_to_others() {
        for (text, expected) in [
            ("4.004", 4_004_000),
            ("6", 6_000_000),
            ("6.", 6_000_000),
            (".5", 500_000),
            ("0.0000004999", 0),
            ("0.0000005", 1),
            ("1.9999995", 2_000_000),
            ("999999999.999999", 999_999_999_999_999),
        ] {
            assert_eq!(micros(text.as_bytes()), Some(expected), "{text}");
        }
        for other in [
            "",
            ".",
            "-1",
            "+1",
            "1e1",
            "1.2.3",
            " 1",
            "1 ",
            "NaN",
            "1000000000",
            "4,5",
        ] {
            assert_eq!(micros(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn dates_are_exact_or_left_to_others() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", 0),
            ("1969-12-31T23:59:59.5Z", -500_000),
            ("2026-11-22T21:50:00.123456789Z", 1_795_384_200_123_456),
            ("2000-02-29T12:00:00.1Z", 951_825_600_100_000),
        ] {
            assert_eq!(date(text.as_bytes()), Some(expected), "{text}");
        }
        for other in [
            "",
            "2026-11-22T21:50:00",
            "2026-11-22T21:50:00+01:00",
            "2026-13-01T00:00:00Z",
            "2026-01-01T24:00:00Z",
        ] {
            assert_eq!(date(other.as_bytes()), None, "{other}");
        }
    }
}
