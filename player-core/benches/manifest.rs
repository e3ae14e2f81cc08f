//! What reading a manifest costs: the first time, natively. Wasm beside our peers is `scripts/bench-manifest`.

#![allow(missing_docs, reason = "a benchmark")]
#![allow(clippy::unwrap_used, reason = "what it reads is its own")]

mod inputs;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use player_core::manifest;
use player_core::manifest::hls::MediaPlaylist;

const URL: &str = "https://cdn.example.com/live/channel/manifest";

criterion_group!(benches, first_read);
criterion_main!(benches);

fn first_read(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("first read");
    group.sample_size(40);
    for (name, text) in [
        ("playlist with parts", inputs::playlist_with_parts(0)),
        ("playlist with dates", inputs::playlist_with_dates(0)),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher
                .iter_with_large_drop(|| MediaPlaylist::read(black_box(text.as_bytes()), URL, None).unwrap());
        });
    }
    let text = inputs::mpd_with_timelines(0);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("MPD with timelines", |bencher| {
        bencher.iter_with_large_drop(|| manifest::parse(black_box(text.as_bytes()), URL).unwrap());
    });
    group.finish();
}
