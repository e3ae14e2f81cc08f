//! `DELETE /v1/views/{id}?site` and `DELETE /v1/viewers/{id}?site`: what is stored of a view, or of a viewer so far, goes. It is
//! answered when it is in the log, in the order of the beacons; the store erases it within seconds, or after a restart.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::accept::{clean_text, uuid};
use super::{Collector, store};
use crate::log::{Deleted, Deletion};
use crate::parameters::Parameters;
use crate::problem::Problem;

/// Known ones only: a misspelt `site` would mean all of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    site: Option<String>,
}

pub(super) async fn view(
    State(collector): State<Arc<Collector>>,
    Path(id): Path<String>,
    Parameters(params): Parameters<Params>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let id = uuid(&id).ok_or_else(|| Problem::bad_request("a view's id is a UUID"))?;
    delete(&collector, params, |_| Deleted::View(id)).await
}

pub(super) async fn viewer(
    State(collector): State<Arc<Collector>>,
    Path(mut viewer_id): Path<String>,
    Parameters(params): Parameters<Params>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    // As a beacon's.
    clean_text(&mut viewer_id);
    if viewer_id.is_empty() {
        return Err(Problem::bad_request("a viewer's id is not empty"));
    }
    let viewers = &collector.viewers;
    delete(&collector, params, |sites| {
        let hashed = sites
            .iter()
            .map(|site| (site.clone(), viewers.hashed(site, &viewer_id)));
        Deleted::Viewer {
            hashed: hashed.collect(),
            viewer_id,
        }
    })
    .await
}

async fn delete(
    collector: &Collector,
    Params { site }: Params,
    of: impl FnOnce(&[String]) -> Deleted,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let site = site.filter(|name| !name.is_empty());
    let sites: Vec<String> = collector
        .sites
        .names()
        .filter(|name| site.as_deref().is_none_or(|site| site == *name))
        .map(str::to_owned)
        .collect();
    if sites.is_empty() {
        return Err(Problem::not_found("there is no site of this name"));
    }
    let at_ms = collector.clock.now_ms();
    let deletion = Deletion {
        at_ms,
        of: of(&sites),
        site,
    };
    let log = collector.appender().map_err(|refusal| refusal.problem())?;
    store(&log, deletion).await.map_err(|refusal| refusal.problem())?;
    Ok((StatusCode::ACCEPTED, Json(json!({ "at_ms": at_ms }))))
}
