//! Concurrent viewers over time.

use duckdb::{Connection, named_params};

use crate::error::StoreError;
use crate::metrics::ratio;
use crate::query::range::Range;
use crate::sessions::LiveSite;

/// Samples of concurrent viewers in one bucket.
#[derive(Clone, Debug, Default)]
pub(crate) struct Viewers {
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

    pub(crate) fn mean(&self) -> Option<f64> {
        ratio(self.sum, self.samples)
    }

    pub(crate) fn peak(&self) -> Option<f64> {
        (self.samples > 0.0).then_some(self.peak)
    }
}

/// The concurrent viewers in each of these buckets; `live` has those that the store may not have yet.
pub(crate) fn viewers(
    connection: &Connection,
    range: Range,
    bucket_ms: i64,
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
        "from": range.from_ms, "to": range.to_ms, "site": site, "bucket": bucket_ms,
    })?;
    while let Some(row) = rows.next()? {
        if let Some(place) = place(row.get(0)?) {
            viewers_in[place].add(row.get(1)?, row.get(2)?, row.get(3)?);
        }
    }
    // What has been sampled lately. A moment later the store has it, too: twice, it makes no other mean and no other peak.
    for cell in &live.cells {
        if (range.from_ms..range.to_ms).contains(&cell.at_ms)
            && let Some(place) = place(cell.at_ms.div_euclid(bucket_ms))
        {
            viewers_in[place].add(cell.samples as f64, cell.viewers_sum, cell.viewers_peak);
        }
    }
    Ok(viewers_in)
}

/// The mean number of viewers at a time, of each site that was counted at all.
pub(crate) fn viewers_by_site(
    connection: &Connection,
    range: Range,
) -> Result<Vec<(String, f64)>, StoreError> {
    let mut statement = connection.prepare(
        "SELECT site, sum(viewers_sum) / sum(samples) FROM concurrency WHERE at_ms >= $from AND at_ms < $to
         GROUP BY site HAVING sum(samples) > 0",
    )?;
    let rows = statement.query_map(
        named_params! { "from": range.from_ms, "to": range.to_ms },
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}
