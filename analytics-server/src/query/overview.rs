//! `GET /v1/overview?from&to&bucket&site`: totals and time series.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use duckdb::{Connection, named_params};
use serde::{Deserialize, Serialize};

use super::Queries;
use crate::error::StoreError;
use crate::metrics::{BEAT_TOTALS, BeatTotals, VIEW_TOTALS, ViewTotals, ratio};
use crate::problem::Problem;
use crate::sessions::LiveSite;

/// Without `from`, the last 15 minutes.
const DEFAULT_RANGE_MS: i64 = 15 * 60_000;
/// Longest range: 92 days.
const MAX_RANGE_MS: i64 = 92 * 24 * 3_600_000;
/// Most buckets in a series.
const MAX_BUCKETS: i64 = 1_500;
/// Without `bucket`, the shortest of these that gives no more than [`DEFAULT_BUCKETS`].
const BUCKETS_MS: [i64; 11] = [
    10_000, 30_000, 60_000, 300_000, 900_000, 1_800_000, 3_600_000, 10_800_000, 21_600_000, 43_200_000,
    86_400_000,
];
const DEFAULT_BUCKETS: i64 = 100;

#[derive(Deserialize)]
pub(super) struct Params {
    from: Option<i64>,
    to: Option<i64>,
    bucket: Option<String>,
    site: Option<String>,
}

/// The answer.
#[derive(Serialize)]
pub(super) struct Overview {
    now_ms: i64,
    from_ms: i64,
    to_ms: i64,
    bucket_ms: i64,
    concurrent_viewers: f64,
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

/// What is asked for, checked.
#[derive(Clone, Debug, PartialEq)]
struct Range {
    from_ms: i64,
    to_ms: i64,
    bucket_ms: i64,
}

pub(super) async fn overview(
    State(queries): State<Arc<Queries>>,
    Query(params): Query<Params>,
) -> Result<Json<Overview>, Problem> {
    let now_ms = queries.clock.now_ms();
    let site = queries.site(params.site)?;
    let range = range(now_ms, params.from, params.to, params.bucket.as_deref())?;
    let live = queries.shared.live().of(site.as_deref());
    let overview = queries
        .reader
        .run(move |connection| query(connection, now_ms, &range, site, &live))
        .await?;
    Ok(Json(overview))
}

fn range(now_ms: i64, from: Option<i64>, to: Option<i64>, bucket: Option<&str>) -> Result<Range, Problem> {
    let to_ms = to.unwrap_or(now_ms);
    let from_ms = from.unwrap_or(to_ms.saturating_sub(DEFAULT_RANGE_MS));
    let length_ms = to_ms.saturating_sub(from_ms);
    if from_ms < 0 || length_ms <= 0 || length_ms > MAX_RANGE_MS {
        return Err(Problem::bad_request(
            "`from` must be before `to`, in ms since 1970, and at most 92 days before it",
        ));
    }
    let bucket_ms = match bucket {
        Some(text) => duration_ms(text).ok_or_else(|| {
            Problem::bad_request("`bucket` is a duration like 10s, 1m, 6h or 1d, of 10 s at least")
        })?,
        None => BUCKETS_MS
            .into_iter()
            .find(|bucket_ms| length_ms / bucket_ms <= DEFAULT_BUCKETS)
            .unwrap_or(86_400_000),
    };
    if length_ms / bucket_ms >= MAX_BUCKETS {
        return Err(Problem::bad_request(format!(
            "more than {MAX_BUCKETS} buckets; ask for longer ones"
        )));
    }
    Ok(Range {
        from_ms,
        to_ms,
        bucket_ms,
    })
}

fn duration_ms(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit_ms = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let duration_ms = number
        .parse::<u32>()
        .ok()
        .and_then(|number| i64::from(number).checked_mul(unit_ms))?;
    (10_000..=MAX_RANGE_MS)
        .contains(&duration_ms)
        .then_some(duration_ms)
}

fn query(
    connection: &Connection,
    now_ms: i64,
    range: &Range,
    site: Option<String>,
    live: &LiveSite,
) -> Result<Overview, StoreError> {
    let Range {
        from_ms,
        to_ms,
        bucket_ms,
    } = *range;
    let site = site.as_deref();
    let first = from_ms.div_euclid(bucket_ms);
    let buckets = usize::try_from((to_ms - 1).div_euclid(bucket_ms) - first + 1).unwrap_or(0);
    let place = |bucket: i64| {
        usize::try_from(bucket - first)
            .ok()
            .filter(|place| *place < buckets)
    };

    let of_views =
        "FROM views WHERE start_ms >= $from AND start_ms < $to AND ($site IS NULL OR site = $site)";
    let of_beats = "FROM beats WHERE at_ms >= $from AND at_ms < $to AND ($site IS NULL OR site = $site)";
    let views = connection.query_row(
        &format!("SELECT {VIEW_TOTALS} {of_views}"),
        named_params! { "from": from_ms, "to": to_ms, "site": site, "now": now_ms },
        |row| ViewTotals::read(row, 0),
    )?;

    let mut views_in = vec![ViewTotals::default(); buckets];
    let sql = format!("SELECT start_ms // $bucket AS bucket, {VIEW_TOTALS} {of_views} GROUP BY bucket");
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(
        named_params! { "from": from_ms, "to": to_ms, "site": site, "now": now_ms, "bucket": bucket_ms },
    )?;
    while let Some(row) = rows.next()? {
        if let Some(place) = place(row.get(0)?) {
            views_in[place] = ViewTotals::read(row, 1)?;
        }
    }

    let mut beats = BeatTotals::default();
    let mut beats_in = vec![BeatTotals::default(); buckets];
    let sql = format!(
        "SELECT at_ms // $bucket AS bucket, {BEAT_TOTALS} {of_beats} GROUP BY bucket ORDER BY bucket"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows =
        statement.query(named_params! { "from": from_ms, "to": to_ms, "site": site, "bucket": bucket_ms })?;
    while let Some(row) = rows.next()? {
        let bucket = BeatTotals::read(row, 1)?;
        beats += &bucket;
        if let Some(place) = place(row.get(0)?) {
            beats_in[place] = bucket;
        }
    }

    let viewers_in = concurrency(connection, range, site, live, buckets, place)?;
    let mut series = Series::default();
    for (at, ((views, beats), viewers)) in views_in.iter().zip(&beats_in).zip(&viewers_in).enumerate() {
        series.t_ms.push((first + at as i64) * bucket_ms);
        series.concurrent_viewers.push(viewers.mean());
        series.concurrent_viewers_peak.push(viewers.peak());
        series.attempts.push(views.attempts);
        series.plays.push(views.plays);
        series.startup_p50_ms.push(views.startup_p50_ms);
        series.startup_p95_ms.push(views.startup_p95_ms);
        series.startup_n.push(views.startup_n);
        series.startup_failures.push(views.startup_failures);
        series.playback_failures.push(views.playback_failures);
        series.exits_before_start.push(views.exits_before_start);
        series.played_ms.push(beats.played_ms);
        series.rebuffer_ms.push(beats.rebuffer_ms);
        series.rebuffer_ratio.push(beats.rebuffer_ratio());
        series.avg_bitrate_kbps.push(beats.avg_bitrate_kbps());
    }
    let peak = viewers_in.iter().filter_map(Viewers::peak).reduce(f64::max);
    Ok(Overview {
        now_ms,
        from_ms,
        to_ms,
        bucket_ms,
        concurrent_viewers: live.concurrent_viewers,
        totals: Metrics::new(&views, &beats, peak),
        series,
    })
}

/// Samples of concurrent viewers in one bucket.
#[derive(Clone, Debug, Default)]
struct Viewers {
    samples: f64,
    sum: f64,
    peak: f64,
}

impl Viewers {
    fn add(&mut self, samples: f64, sum: f64, peak: f64) {
        self.samples += samples;
        self.sum += sum;
        self.peak = self.peak.max(peak);
    }

    fn mean(&self) -> Option<f64> {
        ratio(self.sum, self.samples)
    }

    fn peak(&self) -> Option<f64> {
        (self.samples > 0.0).then_some(self.peak)
    }
}

fn concurrency(
    connection: &Connection,
    range: &Range,
    site: Option<&str>,
    live: &LiveSite,
    buckets: usize,
    place: impl Fn(i64) -> Option<usize>,
) -> Result<Vec<Viewers>, StoreError> {
    let mut viewers_in = vec![Viewers::default(); buckets];
    // Sites are sampled at the same moments: their viewers add up, their samples do not. Ten seconds in which the
    // server was started again have two rows.
    let sql = "
        SELECT at_ms, max(samples), sum(viewers_sum), sum(viewers_peak) FROM (
            SELECT at_ms, sum(samples) AS samples, sum(viewers_sum) AS viewers_sum, max(viewers_peak) AS viewers_peak
            FROM concurrency WHERE at_ms >= $from AND at_ms < $to AND ($site IS NULL OR site = $site)
            GROUP BY at_ms, site)
        GROUP BY at_ms";
    let sql = format!(
        "WITH cells(at_ms, samples, viewers_sum, viewers_peak) AS ({sql})
         SELECT at_ms // $bucket, sum(samples)::DOUBLE, sum(viewers_sum), max(viewers_peak) FROM cells GROUP BY 1"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query(named_params! {
        "from": range.from_ms, "to": range.to_ms, "site": site, "bucket": range.bucket_ms,
    })?;
    while let Some(row) = rows.next()? {
        if let Some(place) = place(row.get(0)?) {
            viewers_in[place].add(row.get(1)?, row.get(2)?, row.get(3)?);
        }
    }
    // What has been sampled lately. A moment later the store has it, too: twice, it makes no other mean and no other peak.
    for cell in &live.cells {
        if (range.from_ms..range.to_ms).contains(&cell.at_ms)
            && let Some(place) = place(cell.at_ms.div_euclid(range.bucket_ms))
        {
            viewers_in[place].add(cell.samples as f64, cell.viewers_sum, cell.viewers_peak);
        }
    }
    Ok(viewers_in)
}

impl Metrics {
    fn new(views: &ViewTotals, beats: &BeatTotals, concurrent_viewers_peak: Option<f64>) -> Self {
        Self {
            views: views.views,
            attempts: views.attempts,
            plays: views.plays,
            startup_ms: Quantiles {
                p50: views.startup_p50_ms,
                p95: views.startup_p95_ms,
                n: views.startup_n,
            },
            startup_failures: views.startup_failures,
            startup_failure_ratio: ratio(views.startup_failures, views.attempts),
            playback_failures: views.playback_failures,
            playback_failure_ratio: ratio(views.playback_failures, views.plays),
            failures: views.failures(),
            failure_ratio: ratio(views.failures(), views.attempts),
            exits_before_start: views.exits_before_start,
            exits_before_start_ratio: ratio(views.exits_before_start, views.attempts),
            exits_before_start_under_1s: views.exits_under_1s,
            played_ms: beats.played_ms,
            rebuffer_ms: beats.rebuffer_ms,
            rebuffer_count: beats.rebuffer_count,
            rebuffer_ratio: beats.rebuffer_ratio(),
            cirr: beats.cirr(),
            rebuffers_per_minute: beats.rebuffers_per_minute(),
            rebuffered_plays_ratio: ratio(views.rebuffered_plays, views.plays),
            stalled_pct_cta: ratio(views.stall_ms, views.watched_ms),
            media_ms: beats.media_ms,
            avg_bitrate_kbps: beats.avg_bitrate_kbps(),
            dropped_frames_ratio: beats.dropped_ratio(),
            concurrent_viewers_peak,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn ranges_are_checked() {
        let now_ms = 1_800_000_000_000;
        let default = range(now_ms, None, None, None).unwrap();
        assert_eq!(
            default,
            Range {
                from_ms: now_ms - 900_000,
                to_ms: now_ms,
                bucket_ms: 10_000
            }
        );
        let day = range(now_ms, Some(now_ms - 86_400_000), None, None).unwrap();
        assert_eq!(day.bucket_ms, 900_000);
        assert_eq!(
            range(now_ms, Some(5), Some(60_005), Some("1m"))
                .unwrap()
                .bucket_ms,
            60_000
        );
        for (from, to, bucket) in [
            (Some(-1), None, None),
            (Some(now_ms), Some(now_ms), None),
            (Some(i64::MIN), Some(i64::MAX), None),
            (Some(0), None, None),
            (None, None, Some("1s")),
            (None, None, Some("99999999999d")),
            (None, None, Some("é")),
            (None, None, Some("")),
            (Some(now_ms - 86_400_000), None, Some("10s")),
        ] {
            assert!(
                range(now_ms, from, to, bucket).is_err(),
                "{from:?} {to:?} {bucket:?}"
            );
        }
    }
}
