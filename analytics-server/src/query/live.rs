//! `GET /v1/live`: now, from memory, once or as a [stream](super::streams). `GET /v1/status`: how the server itself is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Queries, accepts, streams};
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::sessions::LiveSite;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    site: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Live {
    now_ms: i64,
    #[serde(flatten)]
    site: LiveSite,
}

pub(super) async fn live(
    State(queries): State<Arc<Queries>>,
    Parameters(params): Parameters<Params>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let site = queries.site(params.site)?;
    let mut response = if accepts(&headers, "text/event-stream") {
        streams::events(&queries, site)?
    } else {
        Json(queries.live(site.as_deref())).into_response()
    };
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

impl Queries {
    /// Now, at one site or all.
    pub(super) fn live(&self, site: Option<&str>) -> Live {
        let live = self.shared.live();
        Live {
            now_ms: live.at_ms,
            site: live.of(site),
        }
    }
}

/// 200 while beacons are accepted, 503 afterwards.
pub(super) async fn status(State(queries): State<Arc<Queries>>) -> (StatusCode, Json<Value>) {
    let ready = queries.collector.is_open();
    let code = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "ready": ready,
        "version": env!("CARGO_PKG_VERSION"),
        "sites": queries.sites,
        "public_url": queries.public_url,
        "beacons": queries.outcomes.counts(),
        "notes": queries.outcomes.notes(),
        "alerts": queries.alerts.status(),
        "log": {
            "stored": queries.shared.stored(),
            "events": queries.shared.events(),
            "head": queries.log.head(),
        },
    });
    (code, Json(body))
}
