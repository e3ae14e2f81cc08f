//! The thread that evaluates rules and tells the webhook.
//!
//! A rule is evaluated for each half minute in turn, two minutes late, so that beacons have come and views have ended. While the
//! store lags behind the log, nothing is evaluated; it is made up for later, and so is what was missed while the server did not
//! run, but for what is more than an hour old.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use duckdb::Connection;
use tokio::sync::watch;

use super::book::FoundCohort;
use super::judge::{Measured, judge};
use super::phase::{Change, STEP_MS};
use super::rule::{AlertRule, Condition, Watched};
use super::webhook::{Attempts, Messenger};
use super::{Alerts, blame};
use crate::error::StoreError;
use crate::query::ast::{Dimension, Field, Filter};
use crate::query::cohorts::Question;
use crate::query::range::Range;
use crate::query::{groups, viewers_by_site};
use crate::store::StoreReader;

/// Beacons may be this late.
const WATERMARK_MS: i64 = 120_000;
/// What is older is not made up for.
const MAX_BEHIND_MS: i64 = 3_600_000;
/// How often it is looked whether there is something to do.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Baselines are computed anew after this time, or after a window's length if that is less.
const BASELINE_STEP_MS: i64 = 300_000;
/// What was measured, by site.
type BySite = HashMap<String, Measured>;

pub(super) struct Watch {
    pub(super) alerts: Arc<Alerts>,
    pub(super) reader: StoreReader,
    /// The place of a rule → since when its baseline holds, and the baseline: what was measured on each other day.
    pub(super) baselines: HashMap<usize, (i64, Arc<Vec<BySite>>)>,
}

impl Watch {
    /// Evaluates until it is told to stop.
    pub(super) async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut last_ms = self.alerts.evaluated_ms();
        loop {
            let until_ms = self.alerts.shared.complete_ms() - WATERMARK_MS;
            let oldest_ms = until_ms - MAX_BEHIND_MS;
            if last_ms < oldest_ms {
                last_ms = oldest_ms;
            }
            let next_ms = (last_ms.div_euclid(STEP_MS) + 1) * STEP_MS;
            if next_ms <= until_ms {
                self.evaluate(next_ms).await;
                last_ms = next_ms;
                if *stop.borrow() {
                    break;
                }
                continue;
            }
            tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn evaluate(&mut self, at_ms: i64) {
        let alerts = Arc::clone(&self.alerts);
        let mut is_changed = false;
        for (place, rule) in alerts.rules.iter().enumerate() {
            let range = Range {
                from_ms: at_ms - i64::from(rule.window_s) * 1000,
                to_ms: at_ms,
            };
            let past = self.past(place, rule, range).await;
            let measured = self.ask(rule, range).await;
            for site in rule.sites(&alerts.sites) {
                let now = measured.as_ref().and_then(|measured| measured.get(site));
                let past: Vec<Measured> = past.iter().filter_map(|day| day.get(site).copied()).collect();
                let judged = judge(rule, now.copied().unwrap_or_default(), &past);
                let change = alerts.book().note(rule, site, at_ms, &judged);
                is_changed |= change != Change::Nothing;
                if change == Change::Fired {
                    let cohort = self.cohort(rule, site, range, judged.usual).await;
                    tracing::warn!(
                        rule = rule.name,
                        site,
                        value = judged.measured.value,
                        "an alert fires"
                    );
                    alerts.book().fired(rule, site, cohort);
                }
                if change == Change::Resolved {
                    tracing::info!(rule = rule.name, site, "an alert is over");
                }
            }
        }
        alerts.evaluated(at_ms, is_changed);
    }

    /// What it is now; nothing if the store does not say.
    async fn ask(&self, rule: &AlertRule, range: Range) -> Option<BySite> {
        let asked = rule.clone();
        let answer = self
            .reader
            .run(move |connection| measure(connection, &asked, range))
            .await;
        answer
            .inspect_err(
                |error| tracing::warn!(%error, rule = rule.name, "an alert's rule cannot be evaluated"),
            )
            .ok()
    }

    /// What it was at the same time of other days.
    async fn past(&mut self, place: usize, rule: &AlertRule, range: Range) -> Arc<Vec<BySite>> {
        let Condition::Baseline(baseline) = rule.condition else {
            return Arc::default();
        };
        let step_ms = BASELINE_STEP_MS.min(range.to_ms - range.from_ms);
        let step = range.to_ms.div_euclid(step_ms);
        if let Some((_, known)) = self.baselines.get(&place).filter(|(of, _)| *of == step) {
            return Arc::clone(known);
        }
        let mut days = Vec::new();
        for day in 1..=i64::from(baseline.days) {
            let before_ms = day * baseline.season.ms();
            let range = Range {
                from_ms: range.from_ms - before_ms,
                to_ms: range.to_ms - before_ms,
            };
            let Some(measured) = self.ask(rule, range).await else {
                // Asked again the next time.
                return Arc::new(days);
            };
            days.push(measured);
        }
        let days = Arc::new(days);
        self.baselines.insert(place, (step, Arc::clone(&days)));
        days
    }

    /// The cohort to blame, if there is one.
    async fn cohort(&self, rule: &AlertRule, site: &str, range: Range, usual: f64) -> Option<FoundCohort> {
        let Watched::Metric(metric) = rule.metric else {
            return None;
        };
        if rule.by.is_empty() {
            return None;
        }
        let mut filters = rule.filters.clone();
        filters.push(Filter::is(Field::Site, site));
        let question = Question {
            metric,
            by: rule.by.clone(),
            filters,
            range,
            min_n: blame::MIN_N,
        };
        let now_ms = range.to_ms + WATERMARK_MS;
        let found = self
            .reader
            .run(move |connection| blame::find(connection, now_ms, &question, usual))
            .await;
        found
            .inspect_err(
                |error| tracing::warn!(%error, rule = rule.name, "an alert's cohort cannot be found"),
            )
            .ok()?
    }
}

fn measure(connection: &Connection, rule: &AlertRule, range: Range) -> Result<BySite, StoreError> {
    let metric = match rule.metric {
        Watched::ConcurrentViewers => {
            let viewers = viewers_by_site(connection, range)?;
            return Ok(viewers
                .into_iter()
                .map(|(site, mean)| {
                    let n = mean as i64;
                    (site, Measured { value: Some(mean), n })
                })
                .collect());
        }
        Watched::Metric(metric) => metric,
    };
    let question = Question {
        metric,
        by: vec![Dimension::Field(Field::Site)],
        filters: rule.filters.clone(),
        range,
        min_n: 0,
    };
    let found = groups(connection, range.to_ms + WATERMARK_MS, &question, &[(0, None)])?;
    let of_site = found.groups.into_iter().filter_map(|group| {
        let (_, site) = group.of.into_iter().next()?;
        let (value, n) = (group.cell.value, group.cell.n.unwrap_or(0));
        Some((site, Measured { value, n }))
    });
    Ok(of_site.collect())
}

/// Tells the webhook what there is to tell, in order, until it is told to stop.
pub(super) async fn tell(alerts: Arc<Alerts>, messenger: Messenger, mut stop: watch::Receiver<bool>) {
    let mut attempts = Attempts::default();
    loop {
        let mut pause = LOOK_EVERY;
        let next = alerts.book().next_message();
        if let Some(message) = next {
            let sent = tokio::select! {
                _ = stop.wait_for(|stop| *stop) => break,
                sent = messenger.send(&message) => sent,
            };
            let again = match &sent {
                Ok(()) => None,
                Err(error) => {
                    tracing::warn!(error, "the alerts' webhook failed");
                    attempts.pause()
                }
            };
            alerts.told(&message, sent, again.is_some());
            match again {
                Some(again) => pause = again,
                None => {
                    attempts = Attempts::default();
                    continue;
                }
            }
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
}
