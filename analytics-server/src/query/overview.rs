//! `GET /v1/overview?from&to&bucket&site&bots`: totals and time series, put together from [questions](super::ast).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::Queries;
use super::answer::{Cell, answer};
use super::ast::{Field, Filter, Query};
use super::duckdb::{self, Viewers};
use super::range::Range;
use crate::error::StoreError;
use crate::metrics::Metric;
use crate::parameters::Parameters;
use crate::problem::Problem;
use crate::sessions::LiveSite;

/// What totals and series are made of.
const METRICS: [&str; 25] = [
    "attempts",
    "plays",
    "startup_ms_p50",
    "startup_ms_p95",
    "startup_failures",
    "playback_failures",
    "exits_before_start",
    "played_ms",
    "rebuffer_ms",
    "rebuffer_ratio",
    "avg_bitrate",
    "views",
    "startup_failure",
    "playback_fail",
    "failures",
    "failure_pct",
    "ebvs",
    "exits_before_start_under_1s",
    "rebuffer_count",
    "cirr",
    "rebuffer_freq",
    "rebuffered_views",
    "stalled_pct_cta",
    "media_ms",
    "dropped",
];
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Params {
    from: Option<i64>,
    to: Option<i64>,
    bucket: Option<String>,
    site: Option<String>,
    /// Programs count, too.
    #[serde(default)]
    bots: bool,
}

/// The answer.
#[derive(Serialize)]
pub(super) struct Overview {
    now_ms: i64,
    from_ms: i64,
    to_ms: i64,
    bucket_ms: i64,
    concurrent_viewers: f64,
    /// Programs were left out, but for concurrent viewers.
    bots_excluded: bool,
    totals: Metrics,
    /// One value a bucket in each.
    series: Series,
}

#[derive(Serialize)]
struct Metrics {
    views: i64,
    attempts: f64,
    plays: f64,
    startup_ms: Quantiles,
    startup_failures: f64,
    startup_failure_ratio: Option<f64>,
    playback_failures: f64,
    playback_failure_ratio: Option<f64>,
    failures: f64,
    failure_ratio: Option<f64>,
    exits_before_start: f64,
    exits_before_start_ratio: Option<f64>,
    exits_before_start_under_1s: f64,
    played_ms: f64,
    rebuffer_ms: f64,
    rebuffer_count: f64,
    rebuffer_ratio: Option<f64>,
    cirr: Option<f64>,
    rebuffers_per_minute: Option<f64>,
    rebuffered_plays_ratio: Option<f64>,
    stalled_pct_cta: Option<f64>,
    media_ms: f64,
    avg_bitrate_kbps: Option<f64>,
    dropped_frames_ratio: Option<f64>,
    concurrent_viewers_peak: Option<f64>,
}

#[derive(Serialize)]
struct Quantiles {
    p50: Option<f64>,
    p95: Option<f64>,
    n: i64,
}

#[derive(Default, Serialize)]
struct Series {
    t_ms: Vec<i64>,
    /// `null` where the server did not run.
    concurrent_viewers: Vec<Option<f64>>,
    concurrent_viewers_peak: Vec<Option<f64>>,
    attempts: Vec<f64>,
    plays: Vec<f64>,
    startup_p50_ms: Vec<Option<f64>>,
    startup_p95_ms: Vec<Option<f64>>,
    startup_n: Vec<i64>,
    startup_failures: Vec<f64>,
    playback_failures: Vec<f64>,
    exits_before_start: Vec<f64>,
    played_ms: Vec<f64>,
    rebuffer_ms: Vec<f64>,
    rebuffer_ratio: Vec<Option<f64>>,
    avg_bitrate_kbps: Vec<Option<f64>>,
}

pub(super) async fn overview(
    State(queries): State<Arc<Queries>>,
    Parameters(params): Parameters<Params>,
) -> Result<Json<Overview>, Problem> {
    let now_ms = queries.clock.now_ms();
    let site = queries.site(params.site)?;
    let range = Range::new(now_ms, params.from, params.to)?;
    let bucket_ms = match params.bucket {
        Some(text) => range.bucket_ms(&text)?,
        None => range.default_bucket_ms(),
    };
    let live = queries.shared.live().of(site.as_deref());
    let overview = queries
        .reader
        .run(move |connection| read(connection, now_ms, range, bucket_ms, site, params.bots, &live))
        .await?;
    Ok(Json(overview))
}

fn read(
    connection: &::duckdb::Connection,
    now_ms: i64,
    range: Range,
    bucket_ms: i64,
    site: Option<String>,
    bots: bool,
    live: &LiveSite,
) -> Result<Overview, StoreError> {
    let metrics: Vec<&'static Metric> = METRICS.into_iter().filter_map(Metric::named).collect();
    let filters: Vec<Filter> = site.iter().map(|site| Filter::is(Field::Site, site)).collect();
    let ask = |metrics: &[&'static Metric], bucket_ms: Option<i64>| {
        let query = Query::totals(metrics.to_vec(), filters.clone(), bots, range, bucket_ms);
        answer(&query, |select| duckdb::select(connection, now_ms, select))
    };

    let first = range.from_ms.div_euclid(bucket_ms);
    let buckets = usize::try_from((range.to_ms - 1).div_euclid(bucket_ms) - first + 1).unwrap_or(0);
    let place = |bucket: i64| {
        usize::try_from(bucket - first)
            .ok()
            .filter(|place| *place < buckets)
    };
    let mut cells_in = vec![Cells::default(); buckets];
    for row in ask(&metrics, Some(bucket_ms))?.rows {
        let place = row.at_ms.and_then(|at_ms| place(at_ms.div_euclid(bucket_ms)));
        if let Some(cells) = place.and_then(|place| cells_in.get_mut(place)) {
            *cells = Cells(row.cells);
        }
    }
    // Sums of the whole are those of its buckets; only quantiles must be asked for again.
    let (quantiles, _): (Vec<_>, Vec<_>) = metrics.iter().partition(|metric| metric.is_quantile());
    let asked = ask(&quantiles, None)?.rows.pop().map(|row| row.cells);
    let mut asked = asked.unwrap_or_default().into_iter();
    let total = |(place, metric): (usize, &&'static Metric)| match metric.is_quantile() {
        true => asked.next().unwrap_or_default(),
        false => Cell::sum(metric, cells_in.iter().filter_map(|cells| cells.0.get(place))),
    };
    let totals = Cells(metrics.iter().enumerate().map(total).collect());
    let viewers_in = duckdb::viewers(
        connection,
        range,
        bucket_ms,
        site.as_deref(),
        live,
        buckets,
        place,
    )?;

    let mut series = Series::default();
    for ((bucket, cells), viewers) in (first..).zip(&cells_in).zip(&viewers_in) {
        series.t_ms.push(bucket * bucket_ms);
        series.concurrent_viewers.push(viewers.mean());
        series.concurrent_viewers_peak.push(viewers.peak());
        series.attempts.push(cells.sum("attempts"));
        series.plays.push(cells.sum("plays"));
        series.startup_p50_ms.push(cells.value("startup_ms_p50"));
        series.startup_p95_ms.push(cells.value("startup_ms_p95"));
        series.startup_n.push(cells.n("startup_ms_p50"));
        series.startup_failures.push(cells.sum("startup_failures"));
        series.playback_failures.push(cells.sum("playback_failures"));
        series.exits_before_start.push(cells.sum("exits_before_start"));
        series.played_ms.push(cells.sum("played_ms"));
        series.rebuffer_ms.push(cells.sum("rebuffer_ms"));
        series.rebuffer_ratio.push(cells.value("rebuffer_ratio"));
        series.avg_bitrate_kbps.push(cells.value("avg_bitrate"));
    }
    let peak = viewers_in.iter().filter_map(Viewers::peak).reduce(f64::max);
    Ok(Overview {
        now_ms,
        from_ms: range.from_ms,
        to_ms: range.to_ms,
        bucket_ms,
        concurrent_viewers: live.concurrent_viewers,
        bots_excluded: !bots,
        totals: Metrics::new(&totals, peak),
        series,
    })
}

/// What [`METRICS`], or the first of them, come to; empty where there were no rows.
#[derive(Clone, Debug, Default)]
struct Cells(Vec<Cell>);

impl Cells {
    fn of(&self, name: &str) -> Option<&Cell> {
        self.0.get(METRICS.iter().position(|metric| *metric == name)?)
    }

    fn value(&self, name: &str) -> Option<f64> {
        self.of(name)?.value
    }

    fn sum(&self, name: &str) -> f64 {
        self.value(name).unwrap_or(0.0)
    }

    fn n(&self, name: &str) -> i64 {
        self.of(name).and_then(|cell| cell.n).unwrap_or(0)
    }
}

impl Metrics {
    fn new(cells: &Cells, concurrent_viewers_peak: Option<f64>) -> Self {
        Self {
            views: cells.n("views"),
            attempts: cells.sum("attempts"),
            plays: cells.sum("plays"),
            startup_ms: Quantiles {
                p50: cells.value("startup_ms_p50"),
                p95: cells.value("startup_ms_p95"),
                n: cells.n("startup_ms_p50"),
            },
            startup_failures: cells.sum("startup_failures"),
            startup_failure_ratio: cells.value("startup_failure"),
            playback_failures: cells.sum("playback_failures"),
            playback_failure_ratio: cells.value("playback_fail"),
            failures: cells.sum("failures"),
            failure_ratio: cells.value("failure_pct"),
            exits_before_start: cells.sum("exits_before_start"),
            exits_before_start_ratio: cells.value("ebvs"),
            exits_before_start_under_1s: cells.sum("exits_before_start_under_1s"),
            played_ms: cells.sum("played_ms"),
            rebuffer_ms: cells.sum("rebuffer_ms"),
            rebuffer_count: cells.sum("rebuffer_count"),
            rebuffer_ratio: cells.value("rebuffer_ratio"),
            cirr: cells.value("cirr"),
            rebuffers_per_minute: cells.value("rebuffer_freq"),
            rebuffered_plays_ratio: cells.value("rebuffered_views"),
            stalled_pct_cta: cells.value("stalled_pct_cta"),
            media_ms: cells.sum("media_ms"),
            avg_bitrate_kbps: cells.value("avg_bitrate"),
            dropped_frames_ratio: cells.value("dropped"),
            concurrent_viewers_peak,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_one() {
        for name in METRICS {
            assert!(Metric::named(name).is_some(), "{name}");
        }
    }
}
