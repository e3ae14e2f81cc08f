//! Timestamps, and what HLS says they mean.

use crate::time::MediaTime;

/// `X-TIMESTAMP-MAP` (rfc8216bis, 3.1.4): a time of the file and a timestamp of the media that are the same moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimestampMap {
    /// `LOCAL`: a time of the file.
    pub local: MediaTime,
    /// `MPEGTS`: ticks of 90 kHz, as written. Its 33 bits wrap about once a day.
    pub mpegts: u64,
}

impl TimestampMap {
    /// The time in the media's timestamps of a time of the file. Of all that differ by whole wraps of 33 bits, it is the one
    /// closest to `near`: where the media is that this file goes with.
    pub fn media_time(&self, cue: MediaTime, near: MediaTime) -> MediaTime {
        // Microseconds and ticks are both whole numbers of these.
        const PER_MICRO: i128 = 9;
        const PER_TICK: i128 = 100;
        const WRAP: i128 = PER_TICK << 33;
        let units = |t: MediaTime| i128::from(t.as_micros()) * PER_MICRO;
        let at = units(cue) - units(self.local) + i128::from(self.mpegts) * PER_TICK;
        let wraps = (units(near) - at + WRAP / 2).div_euclid(WRAP);
        let us = (at + wraps * WRAP).div_euclid(PER_MICRO);
        MediaTime::from_micros(us.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
    }

    /// The value of the header line: `LOCAL:00:00:00.000,MPEGTS:900000`, in any order.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (mut local, mut mpegts) = (None, None);
        for part in value.split(',').map(str::trim) {
            if let Some(time) = part.strip_prefix("LOCAL:") {
                local = whole(time);
            } else if let Some(ticks) = part.strip_prefix("MPEGTS:") {
                mpegts = ticks.parse().ok();
            }
        }
        Some(Self {
            local: local?,
            mpegts: mpegts?,
        })
    }
}

/// A timestamp that is all of `text`.
pub(in crate::text) fn whole(text: &str) -> Option<MediaTime> {
    take(text).and_then(|(time, rest)| rest.is_empty().then_some(time))
}

/// The timestamp that `text` begins with, and what follows it: `[hours:]minutes:seconds.milliseconds`, with any number of hours.
pub(super) fn take(text: &str) -> Option<(MediaTime, &str)> {
    let (first, length, rest) = number(text);
    let has_hours = length != 2 || first > 59;
    let (second, rest) = two(rest.strip_prefix(':')?)?;
    (length > 0).then_some(())?;
    let (hours, minutes, seconds, rest) = match rest.strip_prefix(':') {
        Some(rest) => {
            let (third, rest) = two(rest)?;
            (first, second, third, rest)
        }
        None if has_hours => return None,
        None => (0, first, second, rest),
    };
    let (millis, length, rest) = number(rest.strip_prefix('.')?);
    (length == 3 && minutes <= 59 && seconds <= 59).then_some(())?;
    let seconds = hours.saturating_mul(3600).saturating_add(minutes * 60 + seconds);
    Some((
        MediaTime::from_millis(seconds.saturating_mul(1000).saturating_add(millis)),
        rest,
    ))
}

fn two(text: &str) -> Option<(i64, &str)> {
    let (value, length, rest) = number(text);
    (length == 2).then_some((value, rest))
}

/// The digits that `text` begins with: their value, how many there are, and what follows.
fn number(text: &str) -> (i64, usize, &str) {
    let length = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = text.split_at_checked(length).unwrap_or_default();
    let value = digits.bytes().fold(0i64, |sum, digit| {
        sum.saturating_mul(10).saturating_add(i64::from(digit - b'0'))
    });
    (value, length, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(text: &str) -> Option<i64> {
        whole(text).map(MediaTime::as_millis)
    }

    #[test]
    fn hours_are_optional_and_unlimited() {
        assert_eq!(millis("00:01.002"), Some(1002));
        assert_eq!(millis("59:59.999"), Some(3_599_999));
        assert_eq!(millis("1:00:00.000"), Some(3_600_000));
        assert_eq!(millis("100:00:00.001"), Some(360_000_001));
        assert_eq!(millis("00:00:00.000"), Some(0));
        assert_eq!(whole("99999999999999999999999:00:00.000"), Some(MediaTime::MAX));
    }

    #[test]
    fn what_is_no_timestamp_is_refused() {
        for bad in [
            "",
            ":",
            "1",
            "00:00",
            "0:00.000",
            "60:00.000",
            "00:60.000",
            "00:60:00.000",
            "00:00.00",
            "00:00.0000",
            "00:00,000",
            "-00:00.000",
            "00:00.000 ",
            "00:0é.000",
            ":00:00.000",
        ] {
            assert_eq!(whole(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_map_is_read_in_any_order() {
        let map = TimestampMap::parse("MPEGTS:900000, LOCAL:00:00:10.000");
        assert_eq!(
            map,
            Some(TimestampMap {
                local: MediaTime::from_millis(10_000),
                mpegts: 900_000
            })
        );
        for bad in [
            "",
            "LOCAL:00:00.000",
            "MPEGTS:1",
            "MPEGTS:-1,LOCAL:00:00.000",
            "MPEGTS:1,LOCAL:0",
        ] {
            assert_eq!(TimestampMap::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn wraps_of_33_bits_are_resolved_by_where_the_media_is() {
        let map = TimestampMap {
            local: MediaTime::ZERO,
            mpegts: 900_000,
        };
        let at = |cue, near| map.media_time(MediaTime::from_millis(cue), MediaTime::from_millis(near));
        assert_eq!(at(1000, 11_000).as_millis(), 11_000);
        assert_eq!(at(1000, 0).as_millis(), 11_000);
        // 2^33 / 90000 s = 95443.717688… s.
        assert_eq!(at(1000, 95_454_000).as_micros(), 95_443_717_688 + 11_000_000);
        assert_eq!(
            at(1000, 10 * 95_443_718).as_micros(),
            954_437_176_888 + 11_000_000
        );
        // A cue past the wrap while the media's timestamps have begun again.
        assert_eq!(at(95_443_800, 10_000).as_micros(), 10_082_311);
        // More than 33 bits, as some write.
        let long = TimestampMap {
            mpegts: (1 << 33) + 900_000,
            ..map
        };
        assert_eq!(
            long.media_time(MediaTime::ZERO, MediaTime::ZERO).as_millis(),
            10_000
        );
        for near in [MediaTime::MAX, -MediaTime::MAX] {
            let extreme = TimestampMap {
                local: -near,
                mpegts: u64::MAX,
            };
            let there = extreme.media_time(near, near);
            assert!((there - near).as_millis().abs() <= 47_721_859, "{there:?}");
        }
    }
}
