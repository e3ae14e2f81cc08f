//! The numbers of now, and their samples over time.

use std::collections::BTreeMap;

use serde::Serialize;

use super::view::View;
use crate::store::rows::ConcurrencyRow;

/// Viewers are sampled into stretches of this length.
pub(crate) const SAMPLE_CELL_MS: i64 = 10_000;

/// A moment of the whole server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LiveSnapshot {
    /// When it was taken.
    pub(crate) at_ms: i64,
    /// Site → its moment.
    pub(crate) sites: BTreeMap<String, LiveSite>,
}

/// A moment of one site.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct LiveSite {
    /// Views that somebody watches now.
    pub(crate) concurrent_viewers: f64,
    /// Views that go on, watched or not.
    pub(crate) open_views: f64,
    /// Open views by state.
    pub(crate) states: BTreeMap<&'static str, f64>,
    /// The unfinished stretch of samples.
    #[serde(skip)]
    pub(crate) cell: Cell,
}

/// Samples of one stretch.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Cell {
    pub(crate) at_ms: i64,
    pub(crate) samples: i64,
    pub(crate) viewers_sum: f64,
    pub(crate) viewers_peak: f64,
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
            for (state, views) in &site.states {
                *all.states.entry(state).or_default() += views;
            }
            // Every site is sampled at the same moments.
            all.cell.at_ms = site.cell.at_ms;
            all.cell.samples = all.cell.samples.max(site.cell.samples);
            all.cell.viewers_sum += site.cell.viewers_sum;
            all.cell.viewers_peak += site.cell.viewers_peak;
        }
        all
    }
}

/// Counts viewers and gathers the counts.
pub(super) struct Sampler {
    cells: BTreeMap<String, Cell>,
    done: Vec<ConcurrencyRow>,
}

impl Sampler {
    pub(super) fn new(sites: Vec<String>) -> Self {
        Self {
            cells: sites.into_iter().map(|site| (site, Cell::default())).collect(),
            done: Vec::new(),
        }
    }

    pub(super) fn sample<'a>(&mut self, now_ms: i64, views: impl Iterator<Item = &'a View>) -> LiveSnapshot {
        let mut sites: BTreeMap<String, LiveSite> = self
            .cells
            .keys()
            .map(|site| (site.clone(), LiveSite::default()))
            .collect();
        for view in views.filter(|view| view.is_open(now_ms)) {
            // A site that is no longer configured may have views in the store.
            let Some(site) = sites.get_mut(&view.row.site) else {
                continue;
            };
            site.open_views += view.row.weight;
            *site.states.entry(super::view::name(view.state)).or_default() += view.row.weight;
            if view.is_watched(now_ms) {
                site.concurrent_viewers += view.row.weight;
            }
        }
        let at_ms = now_ms - now_ms.rem_euclid(SAMPLE_CELL_MS);
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
            live.cell = cell.clone();
        }
        LiveSnapshot { at_ms: now_ms, sites }
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

fn row(site: &str, cell: &Cell) -> Option<ConcurrencyRow> {
    (cell.samples > 0).then(|| ConcurrencyRow {
        site: site.to_owned(),
        at_ms: cell.at_ms,
        samples: cell.samples,
        viewers_sum: cell.viewers_sum,
        viewers_peak: cell.viewers_peak,
    })
}
