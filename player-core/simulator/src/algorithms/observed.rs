//! What an algorithm decides: how long it takes, in time of a core, and what it reckons with.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpu_time::ThreadTime;
use player_core::abr::{Abr, Context, Download, Flight, NetworkMemory, Progress};
use player_core::{Bitrate, Instant};

/// One [`Abr::choose`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When, by the player's clock.
    pub at: Instant,
    /// How long it took: on a busy machine a thread waits, too, so this is time of a core.
    pub took: Duration,
    /// The throughput that the algorithm reckons with.
    pub estimate: Option<Bitrate>,
}

/// The decisions of an [`Observed`] algorithm, in their order. Clones share the same list.
#[derive(Clone, Debug, Default)]
pub struct Decisions(Arc<Mutex<Vec<Decision>>>);

impl Decisions {
    /// The decisions so far; the list is empty afterwards.
    pub fn take(&self) -> Vec<Decision> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, decision: Decision) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(decision);
    }
}

/// An algorithm whose decisions are noted. It decides exactly as the one inside.
pub struct Observed {
    inner: Box<dyn Abr>,
    decisions: Decisions,
}

impl Observed {
    /// Notes the decisions of `inner`.
    pub fn new(inner: Box<dyn Abr>, decisions: Decisions) -> Self {
        Self { inner, decisions }
    }
}

impl Abr for Observed {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn on_progress(&mut self, progress: &Progress) {
        self.inner.on_progress(progress);
    }

    fn on_download(&mut self, download: &Download) {
        self.inner.on_download(download);
    }

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let start = ThreadTime::now();
        let choice = self.inner.choose(context);
        let took = start.elapsed();
        self.decisions.add(Decision {
            at: context.now,
            took,
            estimate: self.inner.estimate(),
        });
        choice
    }

    fn abandon(&mut self, context: &Context<'_>, flight: &Flight) -> Option<usize> {
        self.inner.abandon(context, flight)
    }

    fn estimate(&self) -> Option<Bitrate> {
        self.inner.estimate()
    }

    fn memory(&self) -> Option<NetworkMemory> {
        self.inner.memory()
    }

    fn recall(&mut self, memory: &NetworkMemory, age: Duration) {
        self.inner.recall(memory, age);
    }

    fn on_seek(&mut self) {
        self.inner.on_seek();
    }
}
