//! Decision times, in time of a core.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpu_time::ThreadTime;
use player_core::Bitrate;
use player_core::abr::{Abr, Context, Download, Flight, NetworkMemory, Progress};

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

/// An algorithm whose decisions are timed in time of a core: on a busy machine a thread waits, too. It decides exactly as the one inside.
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

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let start = ThreadTime::now();
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
