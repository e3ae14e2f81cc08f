//! Sending beacons, as players do: again when the server asks for it, and not again when it says no.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use serde::Serialize;
use tokio::sync::Semaphore;
use tower::ServiceExt as _;

use super::{Audience, Due, LoadError};
use crate::clock::Clock;
use crate::http_client;

/// A beacon is sent this often at most.
const TRIES: u32 = 6;
const TIMEOUT: Duration = Duration::from_secs(20);
/// Longest pause that a server may ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// Sends beacons to a server over a limited number of connections.
#[derive(Clone)]
pub struct Sender {
    sink: Arc<Sink>,
    /// Header in which the viewer's country is told.
    country_header: Option<String>,
    connections: Arc<Semaphore>,
    max_connections: u32,
    tally: Arc<Mutex<Tally>>,
}

enum Sink {
    Http {
        client: reqwest::Client,
        url: reqwest::Url,
    },
    Router(Router),
}

/// What became of what was sent.
#[derive(Default)]
struct Tally {
    sent: u64,
    acknowledged: u64,
    refused: BTreeMap<u16, u64>,
    unanswered: u64,
    given_up: u64,
    late: u64,
    times: Times,
}

enum Next {
    Done,
    /// After so long, if the server says how long.
    Again(Option<Duration>),
}

impl Tally {
    fn count(&mut self, answer: Option<(StatusCode, Option<Duration>)>, took: Duration) -> Next {
        self.sent += 1;
        match answer {
            Some((StatusCode::NO_CONTENT, _)) => {
                self.acknowledged += 1;
                self.times.add(took);
                Next::Done
            }
            Some((status, retry_after)) => {
                *self.refused.entry(status.as_u16()).or_default() += 1;
                match status {
                    StatusCode::REQUEST_TIMEOUT
                    | StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::SERVICE_UNAVAILABLE => Next::Again(retry_after),
                    _ => {
                        self.given_up += 1;
                        Next::Done
                    }
                }
            }
            None => {
                self.unanswered += 1;
                Next::Again(None)
            }
        }
    }
}

/// What became of what was sent, in figures.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Views that began.
    pub views: u64,
    /// Requests.
    pub sent: u64,
    /// Requests that were answered with 204.
    pub acknowledged: u64,
    /// Requests by other statuses.
    pub refused: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub unanswered: u64,
    /// Beacons that were never acknowledged.
    pub given_up: u64,
    /// Beacons that went out more than a second after their time, for want of a connection.
    pub late: u64,
    /// From the request to the acknowledgement, milliseconds, to within 2%; nothing if there was none.
    pub ack_ms: Option<AckTimes>,
    /// Seconds that it took.
    pub elapsed_s: f64,
}

/// Quantiles.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct AckTimes {
    /// The median.
    pub p50: f64,
    /// 99 of 100 were quicker.
    pub p99: f64,
    /// The longest.
    pub max: f64,
}

impl Sender {
    /// To the collector at this address, as `http://127.0.0.1:8090`.
    ///
    /// # Errors
    /// If that is none.
    pub fn http(address: &str, connections: u32, country_header: Option<String>) -> Result<Self, LoadError> {
        let wrong = || LoadError::Address(address.to_owned());
        let url = reqwest::Url::parse(address).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(wrong());
        }
        let url = url.join("/v1/beacons").map_err(|_| wrong())?;
        let client = http_client::new(&url, TIMEOUT).map_err(LoadError::Client)?;
        Ok(Self::new(Sink::Http { client, url }, connections, country_header))
    }

    /// To a server in this program.
    pub fn router(router: Router, country_header: Option<String>) -> Self {
        Self::new(Sink::Router(router), 64, country_header)
    }

    fn new(sink: Sink, connections: u32, country_header: Option<String>) -> Self {
        let max_connections = connections.max(1);
        Self {
            sink: Arc::new(sink),
            country_header,
            connections: Arc::new(Semaphore::new(max_connections as usize)),
            max_connections,
            tally: Arc::default(),
        }
    }

    /// Sends what an audience reports at its times, `speed` times as fast, until a time of the audience in ms since 1970. Views
    /// that go on then are left as they are, as if their machines had been switched off.
    ///
    /// # Errors
    /// If the server says that it takes none of it: the site key is wrong, or the address.
    pub async fn follow(&self, audience: &mut Audience, speed: f64, until_ms: i64) -> Result<(), LoadError> {
        let clock = Clock::system();
        let (began_ms, first_ms) = (clock.now_ms(), audience.next_ms());
        while audience.next_ms() < until_ms {
            let Some(due) = audience.next() else { break };
            let at_ms = match speed {
                1.0 => due.at_ms,
                speed => began_ms + ((due.at_ms - first_ms) as f64 / speed) as i64,
            };
            let wait_ms = at_ms - clock.now_ms();
            if let Ok(wait_ms) = u64::try_from(wait_ms) {
                tokio::time::sleep(Duration::from_millis(wait_ms)).await;
            }
            if clock.now_ms() - at_ms > 1_000 {
                self.tally().late += 1;
            }
            let Ok(permit) = Arc::clone(&self.connections).acquire_owned().await else {
                break;
            };
            self.check()?;
            let sender = self.clone();
            tokio::spawn(async move {
                sender.send(&due).await;
                drop(permit);
            });
        }
        // Those under way.
        drop(self.connections.acquire_many(self.max_connections).await);
        self.check()
    }

    /// Sends a beacon until it is acknowledged, refused for good, or was sent often enough.
    pub async fn send(&self, due: &Due) {
        let Ok(body) = serde_json::to_vec(&due.beacon) else {
            return;
        };
        let mut pause = Duration::from_millis(500);
        for _ in 0..TRIES {
            let began = Instant::now();
            let answer = self.post(body.clone(), due.country).await;
            match self.tally().count(answer, began.elapsed()) {
                Next::Done => return,
                Next::Again(asked) => pause = asked.unwrap_or(pause),
            }
            tokio::time::sleep(pause.min(LONGEST_PAUSE)).await;
            pause *= 2;
        }
        self.tally().given_up += 1;
    }

    /// Status and `Retry-After` of the answer, if there is one.
    async fn post(&self, body: Vec<u8>, country: &str) -> Option<(StatusCode, Option<Duration>)> {
        let seconds = |headers: &HeaderMap| {
            let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
            Some(Duration::from_secs(text.parse().ok()?))
        };
        match &*self.sink {
            Sink::Http { client, url } => {
                let mut request = client
                    .post(url.clone())
                    .header(header::CONTENT_TYPE, "text/plain")
                    .body(body);
                if let Some(name) = &self.country_header {
                    request = request.header(name, country);
                }
                let response = request.send().await.ok()?;
                let answer = (response.status(), seconds(response.headers()));
                // The connection is used again once it is read.
                response.bytes().await.ok()?;
                Some(answer)
            }
            Sink::Router(router) => {
                let mut request = Request::post("/v1/beacons").header(header::CONTENT_TYPE, "text/plain");
                if let Some(name) = &self.country_header {
                    request = request.header(name, country);
                }
                let request = request.body(Body::from(body)).ok()?;
                let response = router.clone().oneshot(request).await.ok()?;
                let answer = (response.status(), seconds(response.headers()));
                to_bytes(response.into_body(), MAX_ANSWER_BYTES).await.ok()?;
                Some(answer)
            }
        }
    }

    /// Nobody goes on sending what is refused altogether.
    pub(super) fn check(&self) -> Result<(), LoadError> {
        let tally = self.tally();
        let hopeless = [400, 401, 403, 404, 405, 410].into_iter().find(|status| {
            tally.acknowledged == 0 && tally.refused.get(status).is_some_and(|count| *count >= 5)
        });
        hopeless.map_or(Ok(()), |status| Err(LoadError::Refused(status)))
    }

    /// What has become of all of it so far, in so long a time.
    pub fn summary(&self, views: u64, elapsed: Duration) -> Summary {
        let tally = self.tally();
        Summary {
            views,
            sent: tally.sent,
            acknowledged: tally.acknowledged,
            refused: tally.refused.clone(),
            unanswered: tally.unanswered,
            given_up: tally.given_up,
            late: tally.late,
            ack_ms: tally.times.quantiles(),
            elapsed_s: elapsed.as_secs_f64(),
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Durations in classes whose bounds are 2% apart.
#[derive(Default)]
struct Times {
    classes: BTreeMap<u32, u64>,
    count: u64,
    max: Duration,
}

const STEP: f64 = 1.02;

impl Times {
    fn add(&mut self, time: Duration) {
        let class = (time.as_micros().max(1) as f64).ln() / STEP.ln();
        *self.classes.entry(class as u32).or_default() += 1;
        self.count += 1;
        self.max = self.max.max(time);
    }

    fn quantiles(&self) -> Option<AckTimes> {
        let ms = |share: f64| {
            let rank = (self.count as f64 * share).ceil().max(1.0) as u64;
            let mut below = 0;
            let class = self.classes.iter().find(|(_, count)| {
                below += *count;
                below >= rank
            });
            class.map(|(class, _)| STEP.powf(f64::from(*class) + 0.5) / 1000.0)
        };
        Some(AckTimes {
            p50: ms(0.5)?,
            p99: ms(0.99)?,
            max: self.max.as_secs_f64() * 1000.0,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn quantiles_are_within_two_percent() {
        let mut times = Times::default();
        assert_eq!(times.quantiles(), None);
        for ms in 1..=1000 {
            times.add(Duration::from_millis(ms));
        }
        let found = times.quantiles().unwrap();
        assert!((found.p50 / 500.0 - 1.0).abs() < 0.02, "{found:?}");
        assert!((found.p99 / 990.0 - 1.0).abs() < 0.02, "{found:?}");
        assert_eq!(found.max, 1000.0);
    }
}
