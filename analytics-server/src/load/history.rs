//! The past of a server: an audience of some hours, under a clock that runs ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use futures_util::future::join_all;
use serde_json::Value;
use tower::ServiceExt as _;

use super::{Audience, LoadError, Sender};
use crate::clock::Clock;

/// What is due within this time is sent at its end.
const SLICE_MS: i64 = 2_000;
/// The store is waited for after so much time of the audience.
const WAIT_EVERY_MS: i64 = 20 * 60_000;
/// Alerts are evaluated two minutes late, each half minute.
const EVALUATED_LATE_MS: i64 = 160_000;
/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A clock that is in the past until it is let go, and then the system's.
#[derive(Clone, Debug)]
pub struct History {
    /// 0 is the present.
    simulated: Arc<AtomicI64>,
    system: Clock,
}

impl History {
    /// Begins so long ago.
    pub fn of(length: Duration) -> Self {
        let system = Clock::system();
        let from_ms = system.now_ms() - i64::try_from(length.as_millis()).unwrap_or(i64::MAX / 2);
        Self {
            simulated: Arc::new(AtomicI64::new(from_ms)),
            system,
        }
    }

    /// For [`Config::clock`](crate::Config::clock).
    pub fn clock(&self) -> Clock {
        let own = self.clone();
        Clock::from_fn(move || match own.simulated.load(Ordering::SeqCst) {
            0 => own.system.now_ms(),
            simulated_ms => simulated_ms,
        })
    }

    /// Sends everything that an audience has reported until now to a server in this program that has this clock. `progress` hears
    /// how far it has come, in ms since 1970.
    ///
    /// # Errors
    /// If the server refuses it or does not keep up.
    pub async fn replay(
        &self,
        audience: &mut Audience,
        sender: &Sender,
        router: &Router,
        mut progress: impl FnMut(i64),
    ) -> Result<(), LoadError> {
        let mut waited_ms = audience.next_ms();
        loop {
            let next_ms = audience.next_ms();
            if next_ms >= self.system.now_ms() - SLICE_MS {
                break;
            }
            let end_ms = next_ms + SLICE_MS;
            let mut slice = Vec::new();
            while audience.next_ms() < end_ms {
                slice.extend(audience.next());
            }
            self.simulated.store(end_ms, Ordering::SeqCst);
            join_all(slice.iter().map(|due| sender.send(due))).await;
            sender.check()?;
            if end_ms - waited_ms >= WAIT_EVERY_MS {
                waited_ms = end_ms;
                self.caught_up(router).await?;
                progress(end_ms);
            }
        }
        self.caught_up(router).await?;
        self.simulated.store(0, Ordering::SeqCst);
        Ok(())
    }

    /// Waits until the store has what the log has, and alerts have been evaluated.
    async fn caught_up(&self, router: &Router) -> Result<(), LoadError> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let due_ms = self.simulated.load(Ordering::SeqCst) - EVALUATED_LATE_MS;
            if let Some(status) = status(router).await
                && status["log"]["stored"] == status["log"]["head"]
                && status["alerts"]["evaluated_ms"].as_i64() >= Some(due_ms)
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(LoadError::Stuck)
    }
}

async fn status(router: &Router) -> Option<Value> {
    let request = Request::get("/v1/status").body(Body::empty()).ok()?;
    let response = router.clone().oneshot(request).await.ok()?;
    let body = to_bytes(response.into_body(), 1 << 20).await.ok()?;
    serde_json::from_slice(&body).ok()
}
