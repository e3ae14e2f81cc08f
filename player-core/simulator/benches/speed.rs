//! Speed of whole sessions: an element is a second of virtual time, so that elements per second are multiples of real time.
#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used)]

use std::path::Path;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use simulator::algorithms::Setting;
use simulator::batch::yardstick;
use simulator::network::Link;
use simulator::origin::Origin;
use simulator::trace::Point;
use simulator::{Content, Session, Trace, algorithms};

/// Ten minutes in ten bitrates, with sizes that vary as real ones do.
fn origin() -> Origin {
    let bitrates = [
        230.0, 331.0, 477.0, 688.0, 991.0, 1427.0, 2056.0, 2962.0, 5027.0, 6000.0,
    ];
    let sizes: Vec<Vec<f64>> = (0..200_u32)
        .map(|i| {
            bitrates
                .iter()
                .map(|kbps| (kbps * 3000.0 * (1.0 + 0.3 * f64::from(i).sin())).round())
                .collect()
        })
        .collect();
    let json = serde_json::json!({"segment_duration_ms": 3000, "bitrates_kbps": bitrates, "segment_sizes_bits": sizes});
    Origin::new(Content::parse(Path::new("bench.json"), json.to_string().as_bytes()).unwrap())
}

/// A network that moves between 0.5 and 4.5 Mbit/s.
fn trace() -> Trace {
    let points: Vec<_> = (0..600_u32)
        .map(|i| Point {
            duration_ms: 1000.0,
            bandwidth_kbps: 2500.0 + 1500.0 * (f64::from(i) / 7.0).sin() + 500.0 * (f64::from(i) * 1.7).sin(),
            latency_ms: 60.0,
        })
        .collect();
    Trace::new("bench", &points).unwrap()
}

fn sessions(c: &mut Criterion) {
    let (origin, trace) = (origin(), trace());
    let mut group = c.benchmark_group("session");
    group.sample_size(20);
    for entry in algorithms::ALL {
        let run = || {
            let mut config = yardstick(30.0);
            let abr = entry.make(
                &mut config,
                &Setting {
                    trace: &trace,
                    content: origin.content(),
                },
            );
            Session {
                trace: &trace,
                origin: &origin,
                config,
                abr,
                link: Link::default(),
                timeline: false,
            }
            .run()
            .unwrap()
        };
        group.throughput(Throughput::Elements(run().duration.as_secs()));
        group.bench_function(entry.name, |b| b.iter(run));
    }
    group.finish();
}

criterion_group!(benches, sessions);
criterion_main!(benches);
