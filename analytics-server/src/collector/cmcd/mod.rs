//! `POST /v1/cmcd?site=KEY`: reports of players that are not ours (CTA-5004-B, event mode), one event a line; and
//! `GET /v1/cmcd?site=KEY&CMCD=…`, what a player says with a request (CTA-5004), passed on by whoever got it.
//!
//! Each line becomes a change of a [view](view), and each body a beacon of each view that it changes: from there on they are
//! views like all others. A report counts once, by `sn`. What is told again because it was not acknowledged is not lost: a view
//! remembers what the log did not take. CMCD tells neither bytes nor why playback halted.

mod sessions;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use futures_util::future::join_all;
use player_core::cmcd::reader::Line;
use serde::Deserialize;

use super::accept::{InvalidBeacon, clean_beacon};
use super::body::{self, MAX_BATCH};
use super::caller::Caller;
use super::refusal::Refusal;
use super::{Collector, Outcome, answered, batch_answer, preflight, store};
use crate::log::Appender;
use crate::parameters::Parameters;
pub(crate) use sessions::CmcdSessions;
use sessions::{Full, Report};

/// Longest id of a session, bytes (CTA-5004).
const MAX_SESSION_BYTES: usize = 64;
/// Largest time, milliseconds since 1970.
const MAX_TIME_MS: u64 = 1 << 53;

#[derive(Default, Deserialize)]
struct Params {
    site: Option<String>,
    #[serde(rename = "CMCD")]
    cmcd: Option<String>,
}

pub(super) fn route() -> MethodRouter<Arc<Collector>> {
    get(get_cmcd).post(post_cmcd).options(preflight)
}

async fn post_cmcd(
    State(collector): State<Arc<Collector>>,
    params: Parameters<Params>,
    request: Request,
) -> Response {
    let caller = collector.caller(&request);
    answered(&collector, collect(&collector, &caller, &params, request).await)
}

async fn get_cmcd(
    State(collector): State<Arc<Collector>>,
    params: Parameters<Params>,
    request: Request,
) -> Response {
    let caller = collector.caller(&request);
    let line = params.cmcd.as_deref().unwrap_or_default();
    let result = async {
        let log = collector.appender()?;
        collector.admit(&caller)?;
        let mut results = take(&collector, &log, &caller, &params, vec![line]).await;
        results.pop().unwrap_or(Ok(()))
    };
    let result = result.await.map(|()| {
        collector.outcomes.count(Outcome::Accepted);
        StatusCode::NO_CONTENT.into_response()
    });
    answered(&collector, result)
}

async fn collect(
    collector: &Collector,
    caller: &Caller,
    params: &Params,
    request: Request<Body>,
) -> Result<Response, Refusal> {
    let log = collector.appender()?;
    collector.admit(caller)?;
    let (head, body) = request.into_parts();
    let body = body::read(&head.headers, body).await?;
    let text = std::str::from_utf8(&body).map_err(|_| InvalidBeacon::Cmcd)?;
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.take(MAX_BATCH + 1).collect();
    match lines.len() {
        0 => return Err(InvalidBeacon::Empty.into()),
        1..=MAX_BATCH => {}
        _ => return Err(Refusal::TooMany),
    }
    let results = take(collector, &log, caller, params, lines).await;
    if results.iter().all(Result::is_ok) {
        (0..results.len()).for_each(|_| collector.outcomes.count(Outcome::Accepted));
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(batch_answer(collector, results))
}

/// What becomes of each line.
async fn take(
    collector: &Collector,
    log: &Appender,
    caller: &Caller,
    params: &Params,
    lines: Vec<&str>,
) -> Vec<Result<(), Refusal>> {
    let now_ms = collector.clock.now_ms();
    let mut results: Vec<Result<(), Refusal>> = Vec::new();
    // Session → its reports, and where they stand in the body.
    let mut sessions: BTreeMap<String, (Vec<Report<'_>>, Vec<usize>)> = BTreeMap::new();
    for (place, text) in lines.into_iter().enumerate() {
        let read = Line::read(text).ok();
        match read.and_then(|line| Some((session(&line)?, report(line, now_ms)))) {
            Some((session, report)) => {
                let (reports, places) = sessions.entry(session).or_default();
                reports.push(report);
                places.push(place);
                results.push(Ok(()));
            }
            None => {
                collector.keep(now_ms, "cmcd", &InvalidBeacon::Cmcd, text.as_bytes());
                results.push(Err(InvalidBeacon::Cmcd.into()));
            }
        }
    }
    let taken = join_all(sessions.iter().map(async |(session, (reports, places))| {
        let taken = take_session(collector, log, caller, params, session, reports).await;
        taken.err().map(|refusal| (places, refusal))
    }));
    for (places, refusal) in taken.await.into_iter().flatten() {
        for place in places {
            if let Some(result) = results.get_mut(*place) {
                *result = Err(refusal.clone());
            }
        }
    }
    results
}

/// Applies the reports of one session, and makes what they change durable.
async fn take_session(
    collector: &Collector,
    log: &Appender,
    caller: &Caller,
    params: &Params,
    session: &str,
    reports: &[Report<'_>],
) -> Result<(), Refusal> {
    let now_ms = collector.clock.now_ms();
    let key = params.site.as_deref().unwrap_or_default();
    let site = collector.sites.admit(key, caller, [session, session], now_ms)?;
    let beacons = collector
        .cmcd
        .apply(&site.name, &player(&caller.user_agent), session, reports, now_ms)
        .map_err(|Full| Refusal::Busy)?;
    for beacon in beacons {
        let mut clean = beacon.clone();
        clean_beacon(&mut clean).map_err(Refusal::Invalid)?;
        let record = collector.record(clean, site, caller, now_ms)?;
        if let Err(refusal) = store(log, record).await {
            collector.cmcd.take_back(&site.name, session, beacon);
            return Err(refusal);
        }
    }
    Ok(())
}

fn session(line: &Line<'_>) -> Option<String> {
    let id = line.text("sid")?;
    (1..=MAX_SESSION_BYTES).contains(&id.len()).then(|| id.to_owned())
}

fn report(line: Line<'_>, now_ms: i64) -> Report<'_> {
    let now_ms = u64::try_from(now_ms).unwrap_or(0);
    let at_ms = line
        .number("ts")
        .filter(|at_ms| *at_ms <= MAX_TIME_MS)
        .unwrap_or(now_ms);
    Report { line, at_ms }
}

/// The player's name and version, where a user agent begins with it; browsers begin with what they are not.
fn player(user_agent: &str) -> String {
    let product = user_agent.split([' ', '(']).next().unwrap_or_default();
    match product {
        "" => "cmcd".to_owned(),
        _ if product.starts_with("Mozilla/") => "cmcd".to_owned(),
        _ => product.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_are_named_by_their_user_agents() {
        for (agent, expected) in [
            (
                "ExoPlayerDemo/1.0 (Linux; Android 14) AndroidXMedia3/1.4.1",
                "ExoPlayerDemo/1.0",
            ),
            ("VLC/3.0.20 LibVLC/3.0.20", "VLC/3.0.20"),
            ("Mozilla/5.0 (X11; Linux x86_64) Chrome/141.0.0.0", "cmcd"),
            ("", "cmcd"),
        ] {
            assert_eq!(player(agent), expected);
        }
    }
}
