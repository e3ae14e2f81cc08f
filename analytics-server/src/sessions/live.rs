//! The numbers of now, and their samples over time.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::rollups::CELL_MS;
use super::view::View;
use crate::store::rows::ConcurrencyRow;

/// While beacons are applied, viewers are counted this often by the time at which they came.
const SAMPLE_EVERY_MS: i64 = 1_000;

/// A moment of the whole server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LiveSnapshot {
    /// When it was taken.
    pub(crate) at_ms: i64,
    /// Site → its moment.
    pub(crate) sites: BTreeMap<Arc<str>, LiveSite>,
}

/// A moment of one site.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct LiveSite {
    /// Views that somebody watches now.
    pub(crate) concurrent_viewers: f64,
    /// Views that go on, watched or not.
    pub(crate) open_views: f64,
    /// Views that asked to play in the last 60 s.
    pub(crate) starts_last_minute: f64,
    /// Open views by state.
    pub(crate) states: BTreeMap<&'static str, f64>,
    /// The stretches of samples that the store may not have yet, the last one unfinished.
    #[serde(skip)]
    pub(crate) cells: Vec<Cell>,
}

/// Samples of one stretch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    pub(crate) at_ms: i64,
    pub(crate) samples: i64,
    pub(crate) viewers_sum: f64,
    pub(crate) viewers_peak: f64,
}

impl From<&ConcurrencyRow> for Cell {
    fn from(row: &ConcurrencyRow) -> Self {
        let ConcurrencyRow {
            at_ms,
            samples,
            viewers_sum,
            viewers_peak,
            ..
        } = *row;
        Self {
            at_ms,
            samples,
            viewers_sum,
            viewers_peak,
        }
    }
}

impl LiveSnapshot {
    /// One site, or all of them together.
    pub(crate) fn of(&self, site: Option<&str>) -> LiveSite {
        if let Some(site) = site {
            return self.sites.get(site).cloned().unwrap_or_default();
        }
        let mut all = LiveSite::default();
        for site in self.sites.values() {
            all.concurrent_viewers += site.concurrent_viewers;
            all.open_views += site.open_views;
            all.starts_last_minute += site.starts_last_minute;
            for (state, views) in &site.states {
                *all.states.entry(state).or_default() += views;
            }
            for cell in &site.cells {
                // Every site is sampled at the same moments.
                match all.cells.iter_mut().find(|other| other.at_ms == cell.at_ms) {
                    Some(other) => {
                        other.viewers_sum += cell.viewers_sum;
                        other.viewers_peak += cell.viewers_peak;
                    }
                    None => all.cells.push(cell.clone()),
                }
            }
        }
        all
    }
}

/// Counts viewers and gathers the counts.
pub(super) struct Sampler {
    cells: BTreeMap<Arc<str>, Cell>,
    /// The time of the last sample.
    sampled_ms: i64,
    done: Vec<ConcurrencyRow>,
}

impl Sampler {
    pub(super) fn new(sites: Vec<Arc<str>>) -> Self {
        Self {
            cells: sites.into_iter().map(|site| (site, Cell::default())).collect(),
            sampled_ms: i64::MIN,
            done: Vec::new(),
        }
    }

    /// Whether it is time for the next sample.
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        now_ms >= self.sampled_ms.saturating_add(SAMPLE_EVERY_MS)
    }

    pub(super) fn sample<'a>(&mut self, now_ms: i64, views: impl Iterator<Item = &'a View>) -> LiveSnapshot {
        let mut sites: Vec<(Arc<str>, LiveSite)> = self
            .cells
            .keys()
            .map(|site| (Arc::clone(site), LiveSite::default()))
            .collect();
        self.sampled_ms = now_ms;
        for view in views {
            // A site that is no longer configured may have views in the store.
            // Sites are few, and views have the sampler's own texts.
            let Some((_, site)) = sites
                .iter_mut()
                .find(|(name, _)| Arc::ptr_eq(name, &view.row.site))
            else {
                continue;
            };
            let started = view.row.intent_t_ms.map(|t_ms| view.row.start_ms + t_ms);
            if started.is_some_and(|at_ms| (now_ms - 60_000..now_ms).contains(&(at_ms - 1))) {
                site.starts_last_minute += view.row.weight;
            }
            if !view.is_open(now_ms) {
                continue;
            }
            site.open_views += view.row.weight;
            *site.states.entry(view.row.state.name()).or_default() += view.row.weight;
            if view.is_watched(now_ms) {
                site.concurrent_viewers += view.row.weight;
            }
        }
        let at_ms = now_ms - now_ms.rem_euclid(CELL_MS);
        for (name, live) in &mut sites {
            let Some(cell) = self.cells.get_mut(name) else {
                continue;
            };
            if cell.at_ms != at_ms {
                self.done.extend(row(name, cell));
                *cell = Cell {
                    at_ms,
                    ..Cell::default()
                };
            }
            cell.samples += 1;
            cell.viewers_sum += live.concurrent_viewers;
            cell.viewers_peak = cell.viewers_peak.max(live.concurrent_viewers);
            let waiting = self.done.iter().filter(|row| row.site == *name).map(Cell::from);
            live.cells = waiting.chain([cell.clone()]).collect();
        }
        LiveSnapshot {
            at_ms: now_ms,
            sites: sites.into_iter().collect(),
        }
    }

    pub(super) fn take_rows(&mut self, unfinished: bool) -> Vec<ConcurrencyRow> {
        if unfinished {
            for (name, cell) in &mut self.cells {
                self.done.extend(row(name, cell));
                *cell = Cell::default();
            }
        }
        std::mem::take(&mut self.done)
    }
}

fn row(site: &Arc<str>, cell: &Cell) -> Option<ConcurrencyRow> {
    (cell.samples > 0).then(|| ConcurrencyRow {
        site: Arc::clone(site),
        at_ms: cell.at_ms,
        samples: cell.samples,
        viewers_sum: cell.viewers_sum,
        viewers_peak: cell.viewers_peak,
    })
}
