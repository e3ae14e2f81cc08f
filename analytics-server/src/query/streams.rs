//! `GET /v1/live` as a stream of server-sent events: `live` every second, `quality` at once and every ten seconds.
//!
//! One task a site asks, as long as anybody listens, and everybody gets the same text. Who reads slowly misses events; nothing is
//! kept for anyone.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::MissedTickBehavior;

use super::answer::{Cell, answer};
use super::ast::{Field, Filter, Query};
use super::range::Range;
use super::{Queries, duckdb};
use crate::metrics::Metric;
use crate::problem::Problem;

/// Most streams at a time: half of the connections that the admin address has.
const MAX_STREAMS: usize = 128;
const LIVE_EVERY: Duration = Duration::from_secs(1);
const QUALITY_EVERY: Duration = Duration::from_secs(10);
/// Quality is that of so long a time before now.
const QUALITY_MS: i64 = 5 * 60_000;
/// What `quality` tells.
const METRICS: [&str; 11] = [
    "attempts",
    "plays",
    "startup_ms_p50",
    "startup_ms_p95",
    "startup_failure",
    "ebvs",
    "playback_fail",
    "failure_pct",
    "rebuffer_ratio",
    "avg_bitrate",
    "live_latency",
];

/// The streams there are.
pub(crate) struct LiveStreams {
    /// By site; of all sites without one.
    feeds: Mutex<HashMap<Option<String>, Arc<Feed>>>,
    room: Arc<Semaphore>,
    stopped: watch::Sender<bool>,
}

/// The newest events of a site.
struct Feed {
    live: watch::Sender<Arc<str>>,
    quality: watch::Sender<Option<Arc<str>>>,
}

/// One stream's place in the feed.
struct Listener {
    live: watch::Receiver<Arc<str>>,
    quality: watch::Receiver<Option<Arc<str>>>,
    _room: OwnedSemaphorePermit,
}

#[derive(Serialize)]
struct Quality {
    now_ms: i64,
    from_ms: i64,
    to_ms: i64,
    bots_excluded: bool,
    values: BTreeMap<&'static str, Cell>,
}

impl Default for LiveStreams {
    fn default() -> Self {
        Self {
            feeds: Mutex::default(),
            room: Arc::new(Semaphore::new(MAX_STREAMS)),
            stopped: watch::Sender::new(false),
        }
    }
}

impl LiveStreams {
    /// Ends all streams; those that are asked for later end after their first event.
    pub(crate) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        MAX_STREAMS - self.room.available_permits()
    }

    fn feeds(&self) -> MutexGuard<'_, HashMap<Option<String>, Arc<Feed>>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets a feed to which nobody listens any more. Answers whether it did.
    fn forget(&self, site: &Option<String>, feed: &Feed) -> bool {
        let mut feeds = self.feeds();
        let unused = *self.stopped.borrow() || feed.live.receiver_count() == 0;
        if unused {
            feeds.remove(site);
        }
        unused
    }
}

/// The events of a site, or of all.
pub(super) fn events(queries: &Arc<Queries>, site: Option<String>) -> Result<Response, Problem> {
    let listener = listen(queries, site)?;
    let events = stream::unfold(listener, |mut listener| async {
        let event = listener.next().await?;
        Some((Ok::<_, Infallible>(event), listener))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new()).into_response();
    // nginx would hold events back until it has some kilobytes.
    response.headers_mut().insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(response)
}

fn listen(queries: &Arc<Queries>, site: Option<String>) -> Result<Listener, Problem> {
    let streams = &queries.streams;
    let room = Arc::clone(&streams.room).try_acquire_owned();
    let room = room.map_err(|_| Problem::unavailable("busy", "there are too many streams"))?;
    let mut feeds = streams.feeds();
    let feed = match feeds.get(&site) {
        Some(feed) => Arc::clone(feed),
        None => {
            let feed = Arc::new(Feed {
                live: watch::Sender::new(live(queries, site.as_deref())),
                quality: watch::Sender::new(None),
            });
            if !*streams.stopped.borrow() {
                feeds.insert(site.clone(), Arc::clone(&feed));
                tokio::spawn(feed_task(Arc::clone(queries), site, Arc::clone(&feed)));
            }
            feed
        }
    };
    let (mut live, mut quality) = (feed.live.subscribe(), feed.quality.subscribe());
    // The newest ones at once.
    live.mark_changed();
    if quality.borrow().is_some() {
        quality.mark_changed();
    }
    Ok(Listener {
        live,
        quality,
        _room: room,
    })
}

impl Listener {
    /// The next event, until the feed ends.
    async fn next(&mut self) -> Option<Event> {
        loop {
            tokio::select! {
                // What is there goes out before the end.
                biased;
                changed = self.live.changed() => {
                    changed.ok()?;
                    let text = self.live.borrow_and_update();
                    return Some(Event::default().event("live").data(&**text));
                }
                changed = self.quality.changed() => {
                    changed.ok()?;
                    if let Some(text) = self.quality.borrow_and_update().as_deref() {
                        return Some(Event::default().event("quality").data(text));
                    }
                }
            }
        }
    }
}

/// Asks, as long as anybody listens.
async fn feed_task(queries: Arc<Queries>, site: Option<String>, feed: Arc<Feed>) {
    let mut stopped = queries.streams.stopped.subscribe();
    let ask = async {
        let live_events = async {
            let mut ticks = ticks(LIVE_EVERY);
            loop {
                ticks.tick().await;
                feed.live.send_replace(live(&queries, site.as_deref()));
            }
        };
        let quality_events = async {
            let mut ticks = ticks(QUALITY_EVERY);
            loop {
                ticks.tick().await;
                if let Some(text) = quality(&queries, site.as_deref()).await {
                    feed.quality.send_replace(Some(text));
                }
            }
        };
        tokio::join!(live_events, quality_events)
    };
    tokio::pin!(ask);
    loop {
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => {}
            () = feed.live.closed() => {}
            _ = &mut ask => {}
        }
        // Somebody may have come in between.
        if queries.streams.forget(&site, &feed) {
            return;
        }
    }
}

fn ticks(every: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// What the route answers as JSON.
fn live(queries: &Queries, site: Option<&str>) -> Arc<str> {
    // Numbers and names: nothing in it cannot be written.
    serde_json::to_string(&queries.live(site))
        .unwrap_or_default()
        .into()
}

/// Nothing if it cannot be had now; it is asked for again.
async fn quality(queries: &Queries, site: Option<&str>) -> Option<Arc<str>> {
    let now_ms = queries.clock.now_ms();
    let range = Range {
        from_ms: now_ms - QUALITY_MS,
        to_ms: now_ms,
    };
    let metrics = METRICS.into_iter().filter_map(Metric::named).collect();
    let filters = site.iter().map(|site| Filter::is(Field::Site, site)).collect();
    let query = Query::totals(metrics, filters, false, range, None);
    let bots_excluded = query.bots_excluded;
    let found = queries
        .reader
        .run(move |connection| answer(&query, |select| duckdb::select(connection, now_ms, select)))
        .await;
    let mut rows = match found {
        Ok(found) => found.rows,
        Err(error) => {
            tracing::warn!(%error, "the quality of the last minutes cannot be told to those who watch");
            return None;
        }
    };
    let cells = rows.pop().map(|row| row.cells).unwrap_or_default();
    let quality = Quality {
        now_ms,
        from_ms: range.from_ms,
        to_ms: range.to_ms,
        bots_excluded,
        values: METRICS.into_iter().zip(cells).collect(),
    };
    serde_json::to_string(&quality).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::{Analytics, Config, Site};

    #[test]
    fn every_metric_is_one() {
        for name in METRICS {
            assert!(Metric::named(name).is_some(), "{name}");
        }
    }

    #[tokio::test]
    async fn a_feed_ends_with_its_last_listener() {
        let dir = tempfile::tempdir().unwrap();
        let analytics = Analytics::open(Config::new(dir.path(), [Site::new("a", "a")])).unwrap();
        let queries = &analytics.queries;
        let mut first = listen(queries, None).unwrap();
        let second = listen(queries, None).unwrap();
        let other = listen(queries, Some("a".to_owned())).unwrap();
        assert_eq!((queries.streams.feeds().len(), queries.streams.len()), (2, 3));
        assert!(first.next().await.is_some());
        drop((second, other));
        let patience = Duration::from_secs(30);
        let ended = tokio::time::timeout(patience, async {
            while queries.streams.feeds().len() != 1 {
                assert!(first.next().await.is_some());
            }
        });
        ended.await.unwrap();
        let rest: Vec<_> = (0..MAX_STREAMS - 1)
            .map(|_| listen(queries, None).unwrap())
            .collect();
        assert!(listen(queries, None).is_err(), "there are too many");
        drop(rest);
        analytics.drain();
        let ended = tokio::time::timeout(patience, async { while first.next().await.is_some() {} });
        ended.await.unwrap();
        let mut late = listen(queries, None).unwrap();
        assert!(late.next().await.is_some() && late.next().await.is_none());
        assert!(queries.streams.feeds().is_empty());
        analytics.shutdown().await.unwrap();
    }
}
