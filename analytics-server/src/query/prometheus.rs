//! `GET /metrics`: the server and what is watched now, in Prometheus' text format 0.0.4.
//!
//! Everything is from memory but the sizes of two files. Labels are sites and names that are in this program: there are never
//! more series than that.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Queries;
use crate::collector::Queued;
use crate::store::rows::ViewState;

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) async fn route(State(queries): State<Arc<Queries>>) -> Response {
    let store = queries.store_file.clone();
    let sizes =
        tokio::task::spawn_blocking(move || [size(&store), size(&store.with_extension("duckdb.wal"))]);
    let [database, write_ahead_log] = sizes.await.unwrap_or_default();
    let mut page = Page::default();
    server(&mut page, &queries);
    page.family(
        "headgate_store_bytes",
        Kind::Gauge,
        "Size of the store's files. The write-ahead log is merged into the database from time to time.",
    );
    page.sample("", &[("file", "database")], database);
    page.sample("", &[("file", "wal")], write_ahead_log);
    audience(&mut page, &queries);
    alerts(&mut page, &queries);
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], page.text).into_response()
}

/// How beacons fare.
fn server(page: &mut Page, queries: &Queries) {
    page.family("headgate_build_info", Kind::Gauge, "Always 1.");
    page.sample("", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.family(
        "headgate_ready",
        Kind::Gauge,
        "1 while beacons should be sent here, as /readyz says.",
    );
    page.sample("", &[], u8::from(queries.collector.is_ready()));
    page.family(
        "headgate_beacons_total",
        Kind::Counter,
        "What became of beacons. Duplicates were accepted, and count in both.",
    );
    for (outcome, times) in queries.outcomes.counts() {
        page.sample("", &[("outcome", outcome)], times);
    }
    page.family(
        "headgate_notes_total",
        Kind::Counter,
        "What else was done with beacons or seen in them.",
    );
    for (note, times) in queries.outcomes.notes() {
        page.sample("", &[("note", note)], times);
    }
    let Queued { beacons, bytes } = queries.collector.queued();
    page.family(
        "headgate_queue_beacons",
        Kind::Gauge,
        "Beacons waiting for the log.",
    );
    page.sample("", &[], beacons);
    page.family("headgate_queue_bytes", Kind::Gauge, "Bytes waiting for the log.");
    page.sample("", &[], bytes);

    let head = queries.log.head();
    page.family(
        "headgate_log_beacons_total",
        Kind::Counter,
        "Beacons that were ever written to the log.",
    );
    page.sample("", &[], head);
    page.family(
        "headgate_log_lag_beacons",
        Kind::Gauge,
        "Beacons of the log that the store does not have yet: their events and sums, or the rows of their views.",
    );
    for (of, mark) in [
        ("events", queries.shared.events()),
        ("views", queries.shared.stored()),
    ] {
        page.sample("", &[("of", of)], head.saturating_sub(mark));
    }
    let commits = queries.shared.commits();
    page.family(
        "headgate_store_commit_seconds",
        Kind::Summary,
        "How long the store took to commit batches.",
    );
    page.sample("_sum", &[], commits.took.as_secs_f64());
    page.sample("_count", &[], commits.count);
    page.family(
        "headgate_store_commit_failures_total",
        Kind::Counter,
        "Batches that the store refused; each is tried again.",
    );
    page.sample("", &[], commits.failed);
    page.family(
        "headgate_live_streams",
        Kind::Gauge,
        "Streams of /v1/live that are open.",
    );
    page.sample("", &[], queries.streams.len());
}

/// What is watched now.
fn audience(page: &mut Page, queries: &Queries) {
    let live = queries.shared.live();
    let sites: Vec<_> = queries
        .sites
        .iter()
        .map(|name| (name.as_str(), live.of(Some(name))))
        .collect();
    page.family(
        "headgate_concurrent_viewers",
        Kind::Gauge,
        "Views that somebody watches now.",
    );
    for (site, live) in &sites {
        page.sample("", &[("site", site)], live.concurrent_viewers);
    }
    page.family(
        "headgate_open_views",
        Kind::Gauge,
        "Views that go on, watched or not, by what their players do.",
    );
    for (site, live) in &sites {
        for state in ViewState::NAMES {
            let views = live.states.get(state).copied().unwrap_or(0.0);
            page.sample("", &[("site", site), ("state", state)], views);
        }
    }
    page.family(
        "headgate_starts_last_minute",
        Kind::Gauge,
        "Views that asked to play in the last minute.",
    );
    for (site, live) in &sites {
        page.sample("", &[("site", site)], live.starts_last_minute);
    }
}

/// What is wrong, and whether it is told.
fn alerts(page: &mut Page, queries: &Queries) {
    page.family("headgate_alerts", Kind::Gauge, "Alerts that are not over.");
    for site in &queries.sites {
        for (state, count) in queries.alerts.open(site) {
            page.sample("", &[("site", site), ("state", state)], count);
        }
    }
    let Some(webhook) = queries.alerts.webhook() else {
        return;
    };
    page.family(
        "headgate_webhook_waiting",
        Kind::Gauge,
        "Messages that wait for the webhook.",
    );
    page.sample("", &[], webhook.waiting);
    page.family(
        "headgate_webhook_attempts_total",
        Kind::Counter,
        "Attempts to send a message to the webhook.",
    );
    for (outcome, times) in [
        ("delivered", webhook.deliveries.delivered),
        ("failed", webhook.deliveries.failed),
    ] {
        page.sample("", &[("outcome", outcome)], times);
    }
    page.family(
        "headgate_webhook_given_up_total",
        Kind::Counter,
        "Messages that the webhook never took.",
    );
    page.sample("", &[], webhook.deliveries.given_up);
}

/// 0 if there is no such file.
fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |metadata| metadata.len())
}

#[derive(Clone, Copy)]
enum Kind {
    Counter,
    Gauge,
    Summary,
}

/// A page in the making: families of samples, one after the other.
#[derive(Default)]
struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Summary => "summary",
        };
        self.family = name;
        // Writing to a text does not fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample of the last family.
    fn sample(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        for (place, (name, text)) in labels.iter().enumerate() {
            let text = text
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            let open = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{open}{name}=\"{text}\"");
        }
        self.text.push_str(if labels.is_empty() { "" } else { "}" });
        let _ = writeln!(self.text, " {value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sites_stay_within_their_quotes() {
        let mut page = Page::default();
        page.family("a", Kind::Gauge, "b");
        page.sample("", &[("site", "x\"} 1\ny\\"), ("state", "é")], 0.5);
        assert_eq!(
            page.text,
            "# HELP a b\n# TYPE a gauge\na{site=\"x\\\"} 1\\ny\\\\\",state=\"é\"} 0.5\n"
        );
    }
}
