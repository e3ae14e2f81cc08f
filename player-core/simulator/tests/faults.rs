//! What becomes of each fault that HTTP knows, for each thing that is fetched: the table in `docs/fault-matrix.md` is what happens here.
//!
//! `UPDATE=1 cargo test -p simulator --test faults` writes it anew.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use simulator::Trace;
use simulator::faults::{FaultKind, Faults, Rule};
use simulator::network::Link;
use simulator::soak::streams::{Extent, Packaging, Protocol, Stream};
use simulator::soak::{Plan, Violation, Watched, watch};

/// What is fetched: its name, the pattern of its path where there is a copy in each rendition, that of one rendition, and whether the stream
/// is encrypted, in files with ranges, or live.
struct Thing {
    name: &'static str,
    all: &'static str,
    one: Option<&'static str>,
    encrypted: bool,
    live: bool,
}

const THINGS: [Thing; 8] = [
    thing("manifest", "master.m3u8", None),
    thing("playlist", "v*.m3u8", Some("v2.m3u8")),
    thing("initialization section", "v*/init.mp4", Some("v2/init.mp4")),
    thing("segment", "v*/4.m4s", Some("v2/4.m4s")),
    thing("sound segment", "a0/4.m4s", None),
    Thing {
        encrypted: true,
        ..thing("key", "key-0.bin", None)
    },
    thing("text", "t0/2.vtt", None),
    Thing {
        live: true,
        ..thing("live playlist, read again", "v*.m3u8", None)
    },
];

const fn thing(name: &'static str, all: &'static str, one: Option<&'static str>) -> Thing {
    Thing {
        name,
        all,
        one,
        encrypted: false,
        live: false,
    }
}

const KINDS: [FaultKind; 23] = [
    FaultKind::Status(204),
    FaultKind::Status(403),
    FaultKind::Status(404),
    FaultKind::Status(410),
    FaultKind::RetryAfter,
    FaultKind::Status(500),
    FaultKind::Status(503),
    FaultKind::Timeout,
    FaultKind::Stall,
    FaultKind::Break,
    FaultKind::Truncate,
    FaultKind::Empty,
    FaultKind::NoRange,
    FaultKind::OtherRange,
    FaultKind::Refuse,
    FaultKind::Loop,
    FaultKind::Redirect,
    FaultKind::Html,
    FaultKind::Type,
    FaultKind::Bomb,
    FaultKind::Drip,
    FaultKind::Stale,
    FaultKind::Status(418),
];

fn play(thing: &Thing, kind: FaultKind, pattern: &str, times: Option<u32>) -> Result<Watched, Violation> {
    let ranges = matches!(kind, FaultKind::NoRange | FaultKind::OtherRange);
    // One file a rendition: the pattern names the file, and the initialization section is its first range.
    let pattern = match pattern.split_once('/') {
        Some((name, _)) if ranges && !name.starts_with('t') => format!("{name}.mp4"),
        _ => pattern.to_owned(),
    };
    let extent = match thing.live {
        true => Extent::Live {
            window: 10,
            before: 30,
            ends: None,
        },
        false => Extent::Finished(10),
    };
    let stream = Stream {
        protocol: Protocol::Hls,
        packaging: Packaging::Fmp4,
        extent,
        encrypted: thing.encrypted,
        languages: 1,
        text: true,
        ranges: ranges && !thing.encrypted && !thing.live,
        timeline: false,
        period: 0,
        segment_ms: 4000,
        seed: 1,
    };
    let rule = Rule { kind, pattern, times };
    let trace = Trace::constant("steady", 12_000.0, 40.0).unwrap();
    watch(Plan {
        stream,
        trace: &trace,
        link: Link::default(),
        faults: Faults::rules(vec![rule]),
        trouble: None,
        element_faults: 0.0,
        quota_bytes: None,
        clock_off_ms: 0,
        busy_every: Duration::ZERO,
        lasts: Duration::from_secs(if thing.live { 90 } else { 900 }),
        again: false,
        seed: 1,
        subtitles: thing.name == "text",
        size: (1920, 1080),
    })
}

/// In a word or two.
fn outcome(thing: &Thing, kind: FaultKind, watched: &Result<Watched, Violation>) -> String {
    let watched = match watched {
        Ok(watched) => watched,
        // Without its end it is one that is still being made.
        Err(violation) if kind == FaultKind::Truncate && thing.name == "playlist" => {
            assert!(violation.what.starts_with("the playhead stands"), "{violation}");
            return "waits for more".to_owned();
        }
        // Each attempt has two minutes and more: bytes do come.
        Err(violation) if kind == FaultKind::Drip => {
            assert!(violation.what.starts_with("the playhead stands"), "{violation}");
            return "stalled for more than 5 min".to_owned();
        }
        Err(violation) => panic!("{} {kind}: {violation}", thing.name),
    };
    if watched.met == 0 {
        return "—".to_owned();
    }
    if let Some((kind, _)) = &watched.fatal {
        return format!("fatal: {kind}");
    }
    assert!(
        watched.ended || thing.live,
        "{}: it did not end: {:?}",
        thing.name,
        watched.errors
    );
    let passed = watched
        .errors
        .iter()
        .any(|(_, message)| message.contains("passed over"));
    let last = if thing.name == "text" && watched.cues < 10 {
        "without the cues"
    } else if passed {
        "passed over"
    } else if watched.errors.is_empty() {
        "as if nothing had been"
    } else {
        "recovered"
    };
    let stalled: f64 = watched.tally.stalls.values().map(|stalls| stalls.seconds).sum();
    match stalled >= 0.5 {
        true => format!("{last}, {stalled:.0} s stalled"),
        false => last.to_owned(),
    }
}

#[test]
fn the_matrix_is_what_happens() {
    let mut text = "# What becomes of faults\n\n\
        Made by `player-core/simulator/tests/faults.rs`, which plays each case through the engine; `UPDATE=1 cargo test -p simulator --test faults`\n\
        writes it anew. The stream is HLS of 40 s with three renditions, sound and subtitles apart, over 12 Mbit/s. *Once*: the first request fails\n\
        so. *One rendition*: each request for it in the best rendition. *Always*: each request for it, everywhere. Errors that are not fatal are reported,\n\
        and playback goes on.\n"
        .to_owned();
    for thing in &THINGS {
        let _ = write!(
            text,
            "\n## {}\n\n| fault | once | one rendition | always |\n|---|---|---|---|\n",
            thing.name
        );
        for kind in KINDS {
            let one = thing.one.map_or("—".to_owned(), |pattern| {
                outcome(thing, kind, &play(thing, kind, pattern, None))
            });
            let once = outcome(thing, kind, &play(thing, kind, thing.all, Some(1)));
            let always = outcome(thing, kind, &play(thing, kind, thing.all, None));
            if [&once, &one, &always].iter().any(|cell| *cell != "—") {
                let _ = writeln!(text, "| {kind} | {once} | {one} | {always} |");
            }
            // Whatever happens once is lived with, but for what says that the only one there is is gone.
            let is_gone = matches!(kind, FaultKind::Status(403 | 404 | 410 | 418) | FaultKind::Bomb);
            // Half a manifest is one that cannot be read, or one with less in it: nobody can tell.
            let is_half = kind == FaultKind::Truncate && thing.all.contains(".m3u8");
            assert!(
                is_gone || is_half || !once.contains("fatal"),
                "{}: {kind}: {once}",
                thing.name
            );
            // There are others.
            assert!(
                !one.contains("fatal"),
                "{}: {kind} in one rendition: {one}",
                thing.name
            );
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fault-matrix.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        known == text,
        "docs/fault-matrix.md is not what happens; UPDATE=1 writes it anew:\n{text}"
    );
}
