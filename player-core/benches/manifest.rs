//! What reading a manifest costs natively: the first time, and again with one more segment. Wasm beside our peers is `scripts/bench-manifest`.

#![allow(missing_docs, reason = "a benchmark")]
#![allow(clippy::unwrap_used, reason = "what it reads is its own")]

mod inputs;

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use player_core::manifest::{self, dash, hls};

const URL: &str = "https://cdn.example.com/live/channel/manifest";

criterion_group!(benches, first_read, refresh);
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
            bencher.iter_with_large_drop(|| {
                hls::MediaPlaylist::read(black_box(text.as_bytes()), URL, None).unwrap()
            });
        });
    }
    let text = inputs::mpd_with_timelines(0);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("MPD with timelines", |bencher| {
        bencher.iter_with_large_drop(|| manifest::parse(black_box(text.as_bytes()), URL).unwrap());
    });
    group.finish();
}

fn refresh(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("refresh");
    group.sample_size(40);
    for (name, text) in [
        (
            "playlist with parts",
            inputs::playlist_with_parts as fn(u32) -> String,
        ),
        ("playlist with dates", inputs::playlist_with_dates),
    ] {
        let before = hls::MediaPlaylist::read(text(0).as_bytes(), URL, None).unwrap();
        let newer = text(1);
        group.throughput(Throughput::Bytes(newer.len() as u64));
        group.bench_function(name, |bencher| {
            let read_again = |mut playlist: hls::MediaPlaylist| {
                let refreshed = playlist.refresh(black_box(newer.as_bytes()), URL).unwrap();
                assert!(!refreshed.discontinued);
                playlist
            };
            bencher.iter_batched(|| before.clone(), read_again, BatchSize::LargeInput);
        });
    }
    let before = dash::Mpd::parse(inputs::mpd_with_timelines(0), URL).unwrap();
    let newer = inputs::mpd_with_timelines(1);
    group.throughput(Throughput::Bytes(newer.len() as u64));
    group.bench_function("MPD with timelines", |bencher| {
        let read_again = |mut mpd: dash::Mpd| {
            mpd.refresh(black_box(&newer), URL).unwrap();
            (mpd.presentation().unwrap(), mpd)
        };
        bencher.iter_batched(|| before.clone(), read_again, BatchSize::LargeInput);
    });
    group.finish();
}
