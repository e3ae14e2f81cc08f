//! What a decision costs, by size of ladder, horizon and algorithm.
//!
//! `cargo bench -p player-core --bench decision` is criterion's means over a session; with `-- --lines` each setting is one line
//! of JSON with the median and the 99th percentile of single decisions, which `scripts/bench-decision` reads.

#![allow(missing_docs, reason = "a benchmark")]
#![expect(clippy::disallowed_methods, reason = "a benchmark has a clock")]

mod sequence;

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion};
use player_core::abr::{self, Abr};
use player_core::config::{AbrConfig, Algorithm};
use sequence::{Answers, Sequence};

const RUNGS: [usize; 5] = [3, 6, 10, 20, 40];
const HORIZONS: [u32; 3] = [3, 5, 8];
/// The least disturbed of so many runs counts.
const RUNS: usize = 7;

fn main() {
    if std::env::args().any(|argument| argument == "--lines") {
        for setting in settings() {
            setting.print();
        }
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("decision");
    for setting in settings() {
        let id = BenchmarkId::new(
            setting.algorithm.name(),
            format!("{} rungs, horizon {}", setting.rungs, setting.horizon),
        );
        let sequence = Sequence::new(setting.rungs);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|iterations| setting.time(&sequence, iterations));
        });
    }
    group.finish();
    criterion.final_summary();
}

#[derive(Clone, Copy)]
struct Setting {
    algorithm: Algorithm,
    rungs: usize,
    horizon: u32,
}

fn settings() -> Vec<Setting> {
    let of = |algorithm, rungs, horizon| Setting {
        algorithm,
        rungs,
        horizon,
    };
    // What users get, by ladder; then the other horizons.
    let usual = AbrConfig::default().horizon;
    let mut settings: Vec<_> = RUNGS
        .iter()
        .map(|rungs| of(Algorithm::Headgate, *rungs, usual))
        .collect();
    let other = HORIZONS.iter().filter(|horizon| **horizon != usual);
    settings.extend(other.map(|horizon| of(Algorithm::Headgate, 10, *horizon)));
    settings.extend([Algorithm::Bola, Algorithm::Throughput].map(|algorithm| of(algorithm, 10, usual)));
    settings
}

impl Setting {
    fn algorithm(self) -> Box<dyn Abr> {
        abr::from_config(&AbrConfig {
            algorithm: self.algorithm,
            horizon: self.horizon,
            ..AbrConfig::default()
        })
    }

    /// Time of so many decisions.
    fn time(self, sequence: &Sequence, iterations: u64) -> Duration {
        let mut left = iterations as usize;
        let mut sum = Duration::ZERO;
        while left > 0 {
            let answers = black_box(sequence).play(&mut *self.algorithm());
            let counted = left.min(answers.choose.len());
            sum += answers.choose.iter().take(counted).sum::<Duration>();
            left -= counted;
        }
        sum
    }

    fn print(self) {
        let sequence = Sequence::new(self.rungs);
        let runs: Vec<Answers> = (0..RUNS)
            .map(|_| black_box(&sequence).play(&mut *self.algorithm()))
            .collect();
        let checksum = runs.first().map_or(0, |run| run.checksum);
        let least = |of: fn(&Answers) -> &Vec<Duration>, share: f64| {
            let each = runs.iter().map(|run| percentile_us(of(run), share));
            each.fold(f64::INFINITY, f64::min)
        };
        println!(
            "{{\"algorithm\":\"{}\",\"rungs\":{},\"horizon\":{},\"checksum\":{checksum},\
             \"choose_p50\":{:.3},\"choose_p99\":{:.3},\"abandon_p50\":{:.3},\"abandon_p99\":{:.3}}}",
            self.algorithm.name(),
            self.rungs,
            self.horizon,
            least(|run| &run.choose, 0.5),
            least(|run| &run.choose, 0.99),
            least(|run| &run.abandon, 0.5),
            least(|run| &run.abandon, 0.99),
        );
    }
}

fn percentile_us(times: &[Duration], share: f64) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let last = sorted.len().saturating_sub(1);
    let rank = (last as f64 * share).round() as usize;
    sorted
        .get(rank)
        .map_or(0.0, |time| time.as_nanos() as f64 / 1000.0)
}
