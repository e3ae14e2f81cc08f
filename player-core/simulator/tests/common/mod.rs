//! Content, traces and algorithms for tests.
#![allow(dead_code, reason = "each file of tests uses its part")]

use std::path::Path;

use player_core::abr::{Abr, Context, Download, Flight, Progress};
use player_core::{Bitrate, Config};
use simulator::algorithms::Setting;
use simulator::batch::yardstick;
use simulator::network::Link;
use simulator::origin::Origin;
use simulator::session::{Outcome, SessionError};
use simulator::trace::Point;
use simulator::{Content, Session, Trace};

/// Content with these bitrates; sizes in bits, by segment and rung.
pub(crate) fn origin(segment_ms: u32, bitrates_kbps: &[f64], bits: &[Vec<u64>]) -> Origin {
    let json = serde_json::json!({
        "segment_duration_ms": segment_ms, "bitrates_kbps": bitrates_kbps, "segment_sizes_bits": bits,
    });
    Origin::new(Content::parse(Path::new("content.json"), json.to_string().as_bytes()).unwrap())
}

/// Content whose segments have exactly the nominal bitrate.
pub(crate) fn flat_origin(segment_ms: u32, bitrates_kbps: &[f64], segments: usize) -> Origin {
    let row = bitrates_kbps
        .iter()
        .map(|kbps| (kbps * f64::from(segment_ms)) as u64)
        .collect();
    origin(segment_ms, bitrates_kbps, &vec![row; segments])
}

/// A trace of (ms, kbit/s) with one latency.
pub(crate) fn trace(latency_ms: f64, points: &[(f64, f64)]) -> Trace {
    let points: Vec<_> = points
        .iter()
        .map(|&(duration_ms, bandwidth_kbps)| Point {
            duration_ms,
            bandwidth_kbps,
            latency_ms,
        })
        .collect();
    Trace::new("trace", &points).unwrap()
}

/// A session with an algorithm of the engine.
pub(crate) fn session<'a>(
    trace: &'a Trace,
    origin: &'a Origin,
    algorithm: &str,
    mut config: Config,
) -> Session<'a> {
    let setting = Setting {
        trace,
        content: origin.content(),
    };
    let abr = simulator::algorithms::find(algorithm)
        .unwrap()
        .make(&mut config, &setting);
    Session {
        trace,
        origin,
        config,
        abr,
        link: Link::default(),
        timeline: false,
    }
}

/// Plays with a rung for each segment, chosen in advance.
pub(crate) fn play(
    trace: &Trace,
    origin: &Origin,
    buffer_s: f64,
    rungs: &[usize],
) -> Result<Outcome, SessionError> {
    scripted(trace, origin, buffer_s, rungs).run()
}

/// The same with content of its own.
pub(crate) fn play_content(
    trace: &Trace,
    content: Content,
    buffer_s: f64,
    rungs: &[usize],
) -> Result<Outcome, SessionError> {
    play(trace, &Origin::new(content), buffer_s, rungs)
}

/// A session with a rung for each segment, chosen in advance.
pub(crate) fn scripted<'a>(
    trace: &'a Trace,
    origin: &'a Origin,
    buffer_s: f64,
    rungs: &[usize],
) -> Session<'a> {
    let abr = Box::new(Script {
        rungs: rungs.to_vec(),
    });
    Session {
        trace,
        origin,
        config: yardstick(buffer_s),
        abr,
        link: Link::default(),
        timeline: false,
    }
}

/// Chooses what it was told.
struct Script {
    /// By segment; the last one counts for all that follow.
    rungs: Vec<usize>,
}

impl Abr for Script {
    fn name(&self) -> &str {
        "script"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, _: &Download) {}

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let left = context.remaining.unwrap();
        self.rungs[self.rungs.len() - left]
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        None
    }
}
