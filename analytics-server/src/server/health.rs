//! `/healthz`: the process answers. `/readyz`: it may be sent beacons.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use crate::collector::Collector;

pub(crate) fn router(collector: Arc<Collector>) -> Router {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .with_state(collector)
}

async fn ready(State(collector): State<Arc<Collector>>) -> (StatusCode, &'static str) {
    if collector.is_ready() {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}
