//! The algorithms by name. A further one is a line in [`ALL`] and an implementation of [`Abr`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use player_core::abr::{self, Abr, Context, Download, Flight, Progress};
use player_core::config::Algorithm;
use player_core::{Bitrate, Config};

use crate::{Content, Trace};

/// An algorithm that can be run.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    make: fn(&mut Config, &Setting<'_>) -> Box<dyn Abr>,
}

/// What a session is about: what only an oracle may look at.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// The network.
    pub trace: &'a Trace,
    /// The content.
    pub content: &'a Content,
}

/// All algorithms, by name.
pub const ALL: &[Entry] = &[
    Entry {
        name: "bola",
        about: "buffer level alone",
        make: |config, _| engine(config, Algorithm::Bola),
    },
    Entry {
        name: "headgate",
        about: "the engine's own",
        make: |config, _| engine(config, Algorithm::Headgate),
    },
    Entry {
        name: "throughput",
        about: "throughput alone",
        make: |config, _| engine(config, Algorithm::Throughput),
    },
];

/// No algorithm has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm \"{name}\"; known are {}", names().join(", "))]
pub struct UnknownAlgorithm {
    /// The name.
    pub name: String,
}

/// The algorithm of a name.
///
/// # Errors
/// If there is none.
pub fn find(name: &str) -> Result<&'static Entry, UnknownAlgorithm> {
    ALL.iter()
        .find(|entry| entry.name == name)
        .ok_or_else(|| UnknownAlgorithm {
            name: name.to_owned(),
        })
}

/// The names of all algorithms.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|entry| entry.name).collect()
}

impl Entry {
    /// A new instance, and `config` made to name it, so that a log made with it can be replayed.
    pub fn make(&self, config: &mut Config, setting: &Setting<'_>) -> Box<dyn Abr> {
        (self.make)(config, setting)
    }
}

fn engine(config: &mut Config, algorithm: Algorithm) -> Box<dyn Abr> {
    config.abr.algorithm = algorithm;
    abr::from_config(&config.abr)
}

/// How long each [`Abr::choose`] of a [`Timed`] algorithm took. Clones share the same list.
#[derive(Clone, Debug, Default)]
pub struct Timings(Arc<Mutex<Vec<Duration>>>);

impl Timings {
    /// An empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// The times so far, in the order of the decisions; the list is empty afterwards.
    pub fn take(&self) -> Vec<Duration> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, duration: Duration) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(duration);
    }
}

/// An algorithm whose decisions are timed by the real clock. It decides exactly as the one inside.
pub struct Timed {
    inner: Box<dyn Abr>,
    timings: Timings,
}

impl Timed {
    /// Times `inner` into `timings`.
    pub fn new(inner: Box<dyn Abr>, timings: Timings) -> Self {
        Self { inner, timings }
    }
}

impl Abr for Timed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn on_progress(&mut self, progress: &Progress) {
        self.inner.on_progress(progress);
    }

    fn on_download(&mut self, download: &Download) {
        self.inner.on_download(download);
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the real clock measures and decides nothing"
    )]
    fn choose(&mut self, context: &Context<'_>) -> usize {
        let start = std::time::Instant::now();
        let choice = self.inner.choose(context);
        self.timings.add(start.elapsed());
        choice
    }

    fn abandon(&mut self, context: &Context<'_>, flight: &Flight) -> Option<usize> {
        self.inner.abandon(context, flight)
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.inner.estimate()
    }

    fn on_seek(&mut self) {
        self.inner.on_seek();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_name_makes_its_algorithm() {
        let trace = Trace::constant("t", 1000.0, 0.0).unwrap();
        let table = br#"{"segment_duration_ms": 1000, "bitrates_kbps": [1], "segment_sizes_bits": [[8]]}"#;
        let content = Content::parse(std::path::Path::new("t.json"), table).unwrap();
        let setting = Setting {
            trace: &trace,
            content: &content,
        };
        for entry in ALL {
            let mut config = Config::default();
            let abr = find(entry.name).unwrap().make(&mut config, &setting);
            assert_eq!(abr.name(), entry.name);
            assert_eq!(abr::from_config(&config.abr).name(), entry.name, "a log names it");
        }
        assert!(names().is_sorted());
    }

    #[test]
    fn an_unknown_one_is_told_the_known_ones() {
        let error = find("magic").unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown algorithm \"magic\"; known are bola, headgate, throughput"
        );
    }
}
