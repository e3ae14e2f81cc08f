//! Changing the network and the faults while requests are served.

use std::time::Duration;

use axum::Router;
use axum::extract::{Json, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use simulator::trace::{Point, PointsError, Trace};

use super::{Origin, problem};
use crate::faults::Fault;
use crate::shaping::Shape;

/// What to make of the network: `{}` lifts every limit, `rate_kbps` makes a steady link, `steps` one that changes and
/// begins again at its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShapeRequest {
    /// A name to be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Capacity, kbit/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_kbps: Option<f64>,
    /// Round trip before the first byte of each answer, milliseconds. With `steps`, in place of theirs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
    /// Capacity over time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<ShapeStep>,
}

/// A stretch of time in which the network stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShapeStep {
    /// How long it lasts, milliseconds.
    pub duration_ms: f64,
    /// Capacity, kbit/s; 0 is an outage.
    pub bandwidth_kbps: f64,
    /// Round trip, milliseconds; 0 = unknown.
    #[serde(default)]
    pub latency_ms: f64,
}

/// What the network is like now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShapeState {
    /// Its name.
    pub name: String,
    /// Time since it began, milliseconds.
    pub position_ms: f64,
    /// How long it lasts before it begins again, milliseconds.
    pub duration_ms: f64,
    /// Capacity now, kbit/s.
    pub bandwidth_kbps: f64,
    /// Round trip now, milliseconds.
    pub latency_ms: f64,
}

pub(super) fn router() -> Router<Origin> {
    Router::new()
        .route("/reset", post(reset))
        .route("/shape", get(shape).put(set_shape))
        .route("/faults", get(faults).put(set_faults))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "there are reset, shape and faults here") })
}

impl ShapeRequest {
    /// The shape that is asked for; `None` is a link without limits.
    ///
    /// # Errors
    /// For people, when it contradicts itself or a figure is out of range.
    pub fn shape(&self) -> Result<Option<Shape>, String> {
        let points: Vec<Point> = match (self.rate_kbps, self.steps.as_slice()) {
            (None, []) if self.latency_ms.is_none() => return Ok(None),
            (None, []) => return Err("latency_ms goes with rate_kbps or steps".to_owned()),
            (Some(bandwidth_kbps), []) => vec![Point {
                duration_ms: 1000.0,
                bandwidth_kbps,
                latency_ms: 0.0,
            }],
            (None, steps) => steps.iter().map(|step| step.point()).collect(),
            (Some(_), _) => return Err("give rate_kbps or steps, not both".to_owned()),
        };
        let trace = Trace::new(&self.name(), &points).map_err(|error: PointsError| error.to_string())?;
        // A steady link has the latency that is named and no other.
        let named = self.latency_ms.or_else(|| self.rate_kbps.map(|_| 0.0));
        let latency = named
            .map(|ms| Duration::try_from_secs_f64(ms / 1000.0))
            .transpose();
        let latency = latency.map_err(|error| format!("latency_ms: {error}"))?;
        if latency.is_some_and(|latency| latency > LONGEST_LATENCY) {
            return Err("latency_ms: more than a minute".to_owned());
        }
        Ok(Some(Shape { trace, latency }))
    }

    fn name(&self) -> String {
        match (&self.name, self.rate_kbps) {
            (Some(name), _) => name.clone(),
            (None, Some(kbps)) => format!("{kbps} kbit/s"),
            (None, None) => format!("{} steps", self.steps.len()),
        }
    }
}

impl ShapeStep {
    fn point(self) -> Point {
        let Self {
            duration_ms,
            bandwidth_kbps,
            latency_ms,
        } = self;
        Point {
            duration_ms,
            bandwidth_kbps,
            latency_ms,
        }
    }
}

async fn reset(State(origin): State<Origin>) -> StatusCode {
    origin.link().reset();
    StatusCode::NO_CONTENT
}

async fn shape(State(origin): State<Origin>) -> Json<Option<ShapeState>> {
    let Some(shape) = origin.link().shape() else {
        return Json(None);
    };
    let position = origin.link().position();
    Json(Some(ShapeState {
        name: shape.trace.name().to_owned(),
        position_ms: position.as_secs_f64() * 1000.0,
        duration_ms: shape.trace.duration().as_secs_f64() * 1000.0,
        bandwidth_kbps: shape.trace.bandwidth_bps(position) as f64 / 1000.0,
        latency_ms: shape.latency(position).as_secs_f64() * 1000.0,
    }))
}

async fn set_shape(State(origin): State<Origin>, Json(request): Json<ShapeRequest>) -> Response {
    match request.shape() {
        Ok(shape) => {
            tracing::info!(name = request.name(), "the network changes");
            origin.link().set_shape(shape);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(reason) => problem(StatusCode::BAD_REQUEST, &reason),
    }
}

async fn faults(State(origin): State<Origin>) -> Json<Vec<String>> {
    Json(origin.faults().rules().iter().map(ToString::to_string).collect())
}

async fn set_faults(State(origin): State<Origin>, Json(rules): Json<Vec<String>>) -> Response {
    match rules
        .iter()
        .map(|rule| rule.parse())
        .collect::<Result<Vec<Fault>, _>>()
    {
        Ok(rules) => {
            origin.faults().replace(rules);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => problem(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// No network is slower than that.
const LONGEST_LATENCY: Duration = Duration::from_secs(60);
