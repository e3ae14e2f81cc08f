//! What an algorithm reckons with, for charts.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use player_core::abr::{Abr, Context, Download, Flight, NetworkMemory, Progress};
use player_core::{Bitrate, Instant};

/// The throughput that a [`Watched`] algorithm reckoned with at each choice: seconds, kbit/s. Clones share the same list.
#[derive(Clone, Debug, Default)]
pub(super) struct Estimates(Arc<Mutex<Vec<(f64, f64)>>>);

impl Estimates {
    /// The estimates so far; the list is empty afterwards.
    pub(super) fn take(&self) -> Vec<(f64, f64)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn add(&self, at: Instant, estimate: Bitrate) {
        let at_s = at.since(Instant::ZERO).as_secs_f64();
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((at_s, estimate.as_f64() / 1000.0));
    }
}

/// An algorithm whose estimates are noted. It decides exactly as the one inside.
pub(super) struct Watched {
    inner: Box<dyn Abr>,
    estimates: Estimates,
}

impl Watched {
    /// Notes the estimates of `inner`.
    pub(super) fn new(inner: Box<dyn Abr>, estimates: Estimates) -> Self {
        Self { inner, estimates }
    }
}

impl Abr for Watched {
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
        let choice = self.inner.choose(context);
        if let Some(estimate) = self.inner.estimate() {
            self.estimates.add(context.now, estimate);
        }
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
