//! Time expressions (TTML2, 12.3).

use crate::text::webvtt::decimal;
use crate::time::MediaTime;

/// How frames and ticks count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rates {
    /// Frames a second, as declared.
    frames: f64,
    /// What they are multiplied with.
    multiplier: f64,
    /// Parts of a frame.
    sub_frames: f64,
    /// Ticks a second, if declared.
    ticks: Option<f64>,
    /// `ttp:frameRate` is there.
    is_declared: bool,
}

impl Default for Rates {
    fn default() -> Self {
        Self {
            frames: 30.0,
            multiplier: 1.0,
            sub_frames: 1.0,
            ticks: None,
            is_declared: false,
        }
    }
}

impl Rates {
    /// Takes an attribute of the root; nothing if it is another one, or makes no sense.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Option<()> {
        let value = value.trim();
        let positive = |text: &str| decimal(text).filter(|n| *n > 0.0 && *n < 1e12);
        match name {
            "frameRate" => {
                self.frames = positive(value)?;
                self.is_declared = true;
            }
            "frameRateMultiplier" => {
                let (over, under) = value.split_once([' ', ':']).unwrap_or((value, "1"));
                self.multiplier = positive(over)? / positive(under.trim())?;
            }
            "subFrameRate" => self.sub_frames = positive(value)?,
            "tickRate" => self.ticks = Some(positive(value)?),
            _ => return None,
        }
        Some(())
    }

    /// `01:02:03.4`, `01:02:03:12`, `01:02:03:12.1`, `12.5s`; nothing if it is malformed.
    pub(super) fn time(&self, text: &str) -> Option<MediaTime> {
        let text = text.trim();
        let seconds = if text.contains(':') {
            self.clock_time(text)?
        } else {
            self.offset_time(text)?
        };
        Some(MediaTime::from_secs_f64(seconds))
    }

    fn clock_time(&self, text: &str) -> Option<f64> {
        let mut parts = text.split(':');
        let hours = decimal(parts.next()?)?;
        let minutes = decimal(parts.next()?)?;
        let seconds = decimal(parts.next()?)?;
        let mut time = hours * 3600.0 + minutes * 60.0 + seconds;
        if let Some(part) = parts.next() {
            let (frames, sub_frames) = part.split_once('.').unwrap_or((part, "0"));
            let frames = decimal(frames)? + decimal(sub_frames)? / self.sub_frames;
            time += frames / (self.frames * self.multiplier);
        }
        parts.next().is_none().then_some(time)
    }

    fn offset_time(&self, text: &str) -> Option<f64> {
        let length = text.bytes().take_while(|b| !b.is_ascii_alphabetic()).count();
        let (number, metric) = text.split_at_checked(length)?;
        let number = decimal(number)?;
        Some(match metric {
            "h" => number * 3600.0,
            "m" => number * 60.0,
            "s" | "" => number,
            "ms" => number / 1000.0,
            "f" => number / (self.frames * self.multiplier),
            "t" => number / self.ticks.unwrap_or_else(|| self.ticks_by_default()),
            _ => return None,
        })
    }

    fn ticks_by_default(&self) -> f64 {
        if self.is_declared {
            self.frames * self.sub_frames
        } else {
            1.0
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn rates(attributes: &[(&str, &str)]) -> Rates {
        let mut rates = Rates::default();
        for (name, value) in attributes {
            rates.set(name, value).unwrap();
        }
        rates
    }

    #[test]
    fn every_form_of_time() {
        let ntsc = rates(&[
            ("frameRate", "30"),
            ("frameRateMultiplier", "1000 1001"),
            ("subFrameRate", "2"),
        ]);
        let us = |rates: &Rates, text| rates.time(text).map(MediaTime::as_micros);
        for (text, expected) in [
            ("00:00:01", 1_000_000),
            ("01:02:03.4567", 3_723_456_700),
            ("100:00:00.001", 360_000_001_000),
            ("00:00:01:15", 1_500_500),
            ("00:00:00:00.1", 16_683),
            ("1.5h", 5_400_000_000),
            ("2m", 120_000_000),
            (" 12.5s ", 12_500_000),
            ("0.5", 500_000),
            ("250ms", 250_000),
            ("30f", 1_001_000),
            ("60t", 1_000_000),
        ] {
            assert_eq!(us(&ntsc, text), Some(expected), "{text}");
        }
        let ticks = rates(&[("tickRate", "10000000")]);
        assert_eq!(us(&ticks, "17000000000000001t"), Some(1_700_000_000_000_000));
        assert_eq!(us(&Rates::default(), "3t"), Some(3_000_000));
        assert_eq!(us(&Rates::default(), "00:00:00:15"), Some(500_000));
    }

    #[test]
    fn what_is_no_time_is_none() {
        for bad in [
            "",
            "s",
            "-1s",
            "1x",
            "1:2",
            "1:2:3:4:5",
            "a:b:c",
            "1e3s",
            "NaN",
            "1.s",
            "١s",
            "00:00:01,5",
        ] {
            assert_eq!(Rates::default().time(bad), None, "{bad}");
        }
        let nines = "9".repeat(300);
        assert_eq!(Rates::default().time(&format!("{nines}h")), Some(MediaTime::MAX));
        for (name, value) in [
            ("frameRate", "0"),
            ("tickRate", "-1"),
            ("frameRateMultiplier", "1 0"),
            ("lang", "en"),
        ] {
            assert_eq!(Rates::default().set(name, value), None);
        }
    }
}
