//! Rates as they are measured of a track's samples.

use std::collections::VecDeque;

use super::{Bitrate, Sample};

/// Measures a track as its samples come by, in decode order.
#[derive(Clone, Debug)]
pub(crate) struct RateMeter {
    /// Ticks of a second.
    timescale: u64,
    /// The samples of the last second: when they are decoded, and their bytes.
    second: VecDeque<(u64, u32)>,
    second_bytes: u64,
    most_bytes: u64,
    ticks: u64,
    bytes: u64,
    largest: u32,
}

impl RateMeter {
    pub(crate) fn new(timescale: u32) -> Self {
        Self {
            timescale: timescale.into(),
            second: VecDeque::new(),
            second_bytes: 0,
            most_bytes: 0,
            ticks: 0,
            bytes: 0,
            largest: 0,
        }
    }

    pub(crate) fn add(&mut self, sample: &Sample) {
        self.second.push_back((self.ticks, sample.size));
        self.second_bytes += u64::from(sample.size);
        while let Some((at, size)) = self.second.front()
            && at + self.timescale <= self.ticks
        {
            self.second_bytes -= u64::from(*size);
            self.second.pop_front();
        }
        self.most_bytes = self.most_bytes.max(self.second_bytes);
        self.largest = self.largest.max(sample.size);
        self.bytes += u64::from(sample.size);
        self.ticks += u64::from(sample.duration);
    }

    /// The rates of what came by; none of nothing. The buffer holds the largest sample.
    pub(crate) fn bitrate(&self) -> Option<Bitrate> {
        let bits = u128::from(self.bytes) * 8;
        let average_bps = (bits * u128::from(self.timescale)).div_ceil(u128::from(self.ticks.max(1)));
        let average_bps = u64::try_from(average_bps).unwrap_or(u64::MAX);
        let bps = |bps: u64| u32::try_from(bps).unwrap_or(u32::MAX);
        (self.ticks > 0).then(|| Bitrate {
            buffer_bytes: self.largest,
            // What is shorter than a second has it in less.
            max_bps: bps((self.most_bytes * 8).max(average_bps)),
            average_bps: bps(average_bps),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(timescale: u32, samples: &[(u32, u32)]) -> Option<Bitrate> {
        let mut meter = RateMeter::new(timescale);
        for &(duration, size) in samples {
            meter.add(&Sample {
                duration,
                size,
                composition_offset: 0,
                is_sync: true,
                is_reference: true,
            });
        }
        meter.bitrate()
    }

    #[test]
    fn the_most_is_of_any_second_and_the_mean_of_all() {
        let bitrate = |buffer_bytes, max_bps, average_bps| Bitrate {
            buffer_bytes,
            max_bps,
            average_bps,
        };
        // Four a second: the best are 10, 90, 20, 30.
        let samples = [(1, 5), (1, 1), (1, 10), (1, 90), (1, 20), (1, 30), (1, 1), (1, 3)];
        assert_eq!(measured(4, &samples), Some(bitrate(90, 150 * 8, 80 * 8)));
        // One that lasts longer than a second is alone in it.
        assert_eq!(measured(4, &[(8, 100), (4, 40)]), Some(bitrate(100, 800, 374)));
        assert_eq!(measured(4, &[(1, 10)]), Some(bitrate(10, 320, 320)));
        assert_eq!(measured(4, &[]), None);
        assert_eq!(
            measured(1_000_000, &[(1, u32::MAX)]),
            Some(bitrate(u32::MAX, u32::MAX, u32::MAX))
        );
    }
}
