//! What downloads said of the network, one sample a download.

use std::collections::VecDeque;

use player_core::abr::Download;
use player_core::{Bitrate, Instant};

/// Seconds and bits of a download.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// From the request to the first byte.
    pub(super) latency_s: f64,
    /// From the first byte to the last.
    pub(super) transfer_s: f64,
    pub(super) bits: f64,
}

impl Sample {
    /// Of a download that says something: not from a cache, not empty. One that was given up counts too.
    pub(super) fn of(download: &Download) -> Option<Self> {
        let progress = &download.progress;
        let seconds = |from, to: Instant| to.since(from).as_secs_f64();
        let sample = Self {
            latency_s: seconds(progress.requested_at, progress.first_byte_at),
            transfer_s: seconds(progress.first_byte_at, progress.at),
            bits: progress.bytes as f64 * 8.0,
        };
        let useful = !download.cached && sample.bits > 0.0;
        (useful && sample.transfer_s > 0.0).then_some(sample)
    }

    /// From the request to the last byte.
    pub(super) fn seconds(&self) -> f64 {
        self.latency_s + self.transfer_s
    }

    /// Bits per second while bytes flowed.
    pub(super) fn bps(&self) -> f64 {
        self.bits / self.transfer_s
    }
}

/// The last few numbers.
#[derive(Clone, Debug)]
pub(super) struct Recent {
    most: usize,
    values: VecDeque<f64>,
}

impl Recent {
    /// The last `most` are kept.
    pub(super) const fn new(most: usize) -> Self {
        Self {
            most,
            values: VecDeque::new(),
        }
    }

    pub(super) fn push(&mut self, value: f64) {
        if self.values.len() == self.most {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    pub(super) fn harmonic_mean(&self) -> Option<f64> {
        let inverse: f64 = self.values.iter().map(|value| 1.0 / value).sum();
        (inverse > 0.0).then(|| self.values.len() as f64 / inverse)
    }

    /// The largest; zero if there are none.
    pub(super) fn largest(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }
}

/// Two exponentially weighted averages by transfer time, corrected for their start from nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Averages {
    fast: Average,
    slow: Average,
}

#[derive(Clone, Copy, Debug)]
struct Average {
    half_life: f64,
    weighted: f64,
    weight: f64,
}

impl Averages {
    /// Half-lives, in the unit of the weights.
    pub(super) fn new(fast: f64, slow: f64) -> Self {
        let average = |half_life| Average {
            half_life,
            weighted: 0.0,
            weight: 0.0,
        };
        Self {
            fast: average(fast),
            slow: average(slow),
        }
    }

    pub(super) fn add(&mut self, value: f64, weight: f64) {
        for average in [&mut self.fast, &mut self.slow] {
            let keep = libm::exp2(-weight / average.half_life);
            average.weighted = average.weighted * keep + value * (1.0 - keep);
            average.weight = average.weight * keep + (1.0 - keep);
        }
    }

    /// The lower one of the two: quick to fall, slow to rise.
    pub(super) fn lower(&self) -> Option<f64> {
        let of = |average: &Average| average.weighted / average.weight;
        (self.fast.weight > 0.0).then(|| of(&self.fast).min(of(&self.slow)))
    }

    /// The higher one, for latencies.
    pub(super) fn higher(&self) -> Option<f64> {
        let of = |average: &Average| average.weighted / average.weight;
        (self.fast.weight > 0.0).then(|| of(&self.fast).max(of(&self.slow)))
    }
}

pub(super) fn bitrate(bps: f64) -> Bitrate {
    Bitrate::from_bps(bps as u64)
}
