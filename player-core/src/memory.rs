//! What is learnt of the network, from one player to the next: the host keeps it.

use core::time::Duration;

use crate::abr::{Abr, NetworkMemory};
use crate::input::Load;
use crate::time::Instant;

/// Not handed out more often than this.
const INTERVAL: Duration = Duration::from_secs(10);
/// A change smaller than this share of the throughput is none.
const CHANGE: f64 = 0.05;
/// Older than this it may be another network.
const MAX_AGE_MS: i64 = 24 * 60 * 60 * 1000;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// The wall clock, milliseconds since 1970, and when it showed that.
    wall: Option<(Instant, u64)>,
    /// When something was measured that was not handed out yet.
    measured: Option<Instant>,
    due: Instant,
    last: Option<NetworkMemory>,
}

impl Memory {
    /// A load begins: sets the clock, and gives the algorithm what an earlier player knew.
    pub(crate) fn begin(&mut self, now: Instant, load: &Load, abr: &mut dyn Abr) {
        self.wall = (load.wall_clock_ms > 0).then_some((now, load.wall_clock_ms));
        self.due = now + INTERVAL;
        let Some(memory) = load.network_memory.filter(is_sane) else {
            return;
        };
        let age_ms = i64::try_from(load.wall_clock_ms)
            .unwrap_or(i64::MAX)
            .saturating_sub(memory.unix_ms);
        if self.wall.is_some() && (0..=MAX_AGE_MS).contains(&age_ms) {
            abr.recall(&memory, Duration::from_millis(age_ms as u64));
        }
    }

    /// A media download has ended.
    pub(crate) fn on_download(&mut self, now: Instant) {
        self.measured = Some(now);
    }

    /// What should be kept now. At the end it does not wait.
    pub(crate) fn due(&mut self, now: Instant, abr: &dyn Abr, end: bool) -> Option<NetworkMemory> {
        let (at, wall_clock_ms) = self.wall?;
        let measured = self.measured.filter(|_| end || now >= self.due)?;
        let memory = abr.memory().filter(is_sane)?;
        self.measured = None;
        self.due = now + INTERVAL;
        let since_ms = i64::try_from(measured.since(at).as_millis()).unwrap_or(i64::MAX);
        let memory = NetworkMemory {
            unix_ms: i64::try_from(wall_clock_ms)
                .unwrap_or(i64::MAX)
                .saturating_add(since_ms),
            ..memory
        };
        let is_new = self.last.is_none_or(|last| {
            let change = (memory.kbps / last.kbps - 1.0)
                .abs()
                .max((memory.spread - last.spread).abs());
            change >= CHANGE || memory.unix_ms - last.unix_ms >= 60 * INTERVAL.as_millis() as i64
        });
        if is_new {
            self.last = Some(memory);
        }
        self.last.filter(|_| is_new)
    }
}

fn is_sane(memory: &NetworkMemory) -> bool {
    let NetworkMemory { kbps, spread, .. } = *memory;
    kbps.is_finite() && kbps > 0.0 && spread.is_finite() && spread >= 0.0
}
