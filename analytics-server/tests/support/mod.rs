//! A server with a clock of its own, asked through its router.
#![allow(dead_code, clippy::unwrap_used, reason = "each test file uses a part of it")]

pub(crate) mod program;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use analytics_server::{Analytics, Clock, Config, Site};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use player_core::telemetry::schema::{
    Beacon, Counters, Event, PlaybackState, SCHEMA_VERSION, TimedEvent, ViewInfo,
};
use serde_json::Value;
use tower::ServiceExt as _;

/// When the tests' clock starts: a multiple of a minute.
pub(crate) const START_MS: i64 = 1_800_000_000_000;
pub(crate) const SITE_KEY: &str = "test-key";

/// A running server.
pub(crate) struct Server {
    pub(crate) analytics: Analytics,
    pub(crate) router: Router,
    clock: Arc<AtomicI64>,
}

impl Server {
    pub(crate) fn open(data_dir: &Path) -> Self {
        Self::open_at(data_dir, START_MS)
    }

    pub(crate) fn open_at(data_dir: &Path, now_ms: i64) -> Self {
        Self::start(data_dir, now_ms, |_| {})
    }

    /// With other settings.
    pub(crate) fn open_with(data_dir: &Path, change: impl FnOnce(&mut Config)) -> Self {
        Self::start(data_dir, START_MS, change)
    }

    fn start(data_dir: &Path, now_ms: i64, change: impl FnOnce(&mut Config)) -> Self {
        // The server's errors, beside the test that provoked them.
        let _ = tracing_subscriber::fmt()
            .with_test_writer()
            .with_env_filter("warn")
            .try_init();
        let clock = Arc::new(AtomicI64::new(now_ms));
        let ticks = Arc::clone(&clock);
        let mut config = Config::new(
            data_dir,
            [Site::new("test", SITE_KEY), Site::new("other", "other-key")],
        );
        config.clock = Clock::from_fn(move || ticks.load(Ordering::SeqCst));
        change(&mut config);
        let analytics = Analytics::open(config).unwrap();
        let router = analytics.router();
        Self {
            analytics,
            router,
            clock,
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.clock.load(Ordering::SeqCst)
    }

    pub(crate) fn set_clock(&self, now_ms: i64) {
        self.clock.store(now_ms, Ordering::SeqCst);
    }

    pub(crate) async fn request(
        &self,
        request: Request<Body>,
    ) -> (StatusCode, axum::http::HeaderMap, Vec<u8>) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        (
            status,
            headers,
            to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec(),
        )
    }

    pub(crate) async fn post_bytes(&self, body: impl Into<Body>) -> (StatusCode, Value) {
        let request = Request::post("/v1/beacons")
            .header("content-type", "text/plain")
            .body(body.into())
            .unwrap();
        let (status, _, body) = self.request(request).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// Posts a beacon, received `received_ms` after [`START_MS`], and expects it to be accepted.
    pub(crate) async fn post_at(&self, received_ms: i64, beacon: &Beacon) {
        self.set_clock(START_MS + received_ms);
        let (status, body) = self.post_bytes(serde_json::to_vec(beacon).unwrap()).await;
        assert_eq!(status, StatusCode::NO_CONTENT, "{body}");
    }

    pub(crate) async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (status, _, body) = self
            .request(Request::get(path).body(Body::empty()).unwrap())
            .await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let (status, body) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {body}");
        body
    }

    /// Waits until everything that was acknowledged can be queried.
    pub(crate) async fn stored(&self) {
        self.until("/v1/status", |status| {
            status["log"]["stored"] == status["log"]["head"]
        })
        .await;
    }

    /// Asks until the answer is as wished.
    pub(crate) async fn until(&self, path: &str, wished: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = self.json(path).await;
            if wished(&answer) {
                return answer;
            }
            assert!(Instant::now() < deadline, "{path} stays {answer}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn overview(&self, from_ms: i64, to_ms: i64) -> Value {
        self.stored().await;
        self.json(&format!(
            "/v1/overview?from={}&to={}&bucket=10s",
            START_MS + from_ms,
            START_MS + to_ms
        ))
        .await
    }
}

pub(crate) fn view_id(number: u32) -> String {
    format!("01890000-0000-7000-8000-{number:012x}")
}

/// A beacon with nothing in it but its place in the view.
pub(crate) fn beacon(view: u32, seq: u32, t_ms: u64) -> Beacon {
    Beacon {
        v: SCHEMA_VERSION,
        site: SITE_KEY.to_owned(),
        view_id: view_id(view),
        session_id: view_id(0),
        seq,
        sent_at_ms: (START_MS as u64) + t_ms,
        t_ms,
        sample_rate: 1.0,
        info: (seq == 0).then(|| ViewInfo {
            source: "https://cdn.example/videos/a/hls/master.m3u8".to_owned(),
            video_id: "a".to_owned(),
            video_title: "A video".to_owned(),
            ..ViewInfo::default()
        }),
        state: PlaybackState::Playing,
        latency_ms: None,
        counters: Counters::default(),
        events: Vec::new(),
    }
}

pub(crate) fn at(t: u64, event: Event) -> TimedEvent {
    TimedEvent { t, event }
}

/// Whether a number of an answer is this one, up to rounding.
#[track_caller]
pub(crate) fn assert_close(value: &Value, expected: f64) {
    let number = value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is not {expected}"));
    assert!(
        (number - expected).abs() <= 1e-9 * expected.abs().max(1.0),
        "{number} is not {expected}"
    );
}
