//! What counters grew by, in ten seconds each, by what tells views apart that is asked for most.

use std::collections::HashMap;
use std::sync::Arc;

use super::Key;
use super::view::View;
use crate::log::Record;
use crate::store::rows::{Growth, RollupRow, signed};

/// Length of a cell.
pub(crate) const CELL_MS: i64 = 10_000;
/// A batch has no more hosts of media than this; the others count under [`OTHER`]. Whoever sends beacons names them.
const MAX_HOSTS: usize = 1_000;
const OTHER: &str = "(other)";

/// What has been reported since the last batch.
#[derive(Default)]
pub(super) struct Rollups {
    pending: Vec<Pending>,
    cells: HashMap<Cell, RollupRow>,
    /// Host → the host that it counts under.
    hosts: HashMap<Arc<str>, Arc<str>>,
}

/// A beat: it is dated when the batch is made, because its view's start may still turn out to be earlier.
struct Pending {
    key: Key,
    t_ms: i64,
    weight: f64,
    growth: Growth,
}

type Cell = (Arc<str>, i64, Arc<str>, Arc<str>, Arc<str>, Arc<str>);

impl Rollups {
    pub(super) fn add(&mut self, key: Key, record: &Record, weight: f64, growth: Growth) {
        if growth != Growth::default() {
            self.pending.push(Pending {
                key,
                t_ms: signed(record.beacon.t_ms),
                weight,
                growth,
            });
        }
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.len() + self.cells.len()
    }

    /// The sums of what is pending.
    pub(super) fn take(&mut self, views: &HashMap<Key, Box<View>>) -> Vec<RollupRow> {
        self.settle(views);
        self.hosts.clear();
        std::mem::take(&mut self.cells).into_values().collect()
    }

    /// Adds up what is pending, so that its views need not be known any more.
    pub(super) fn settle(&mut self, views: &HashMap<Key, Box<View>>) {
        for pending in self.pending.drain(..) {
            // No view is forgotten while it has something that is not written.
            let Some(View { row, .. }) = views.get(&pending.key).map(Box::as_ref) else {
                continue;
            };
            let known = self.hosts.len();
            let host = self.hosts.entry(Arc::clone(&row.cdn_host)).or_insert_with(|| {
                if known < MAX_HOSTS {
                    Arc::clone(&row.cdn_host)
                } else {
                    OTHER.into()
                }
            });
            let at_ms = row.start_ms + pending.t_ms;
            let cell = (
                Arc::clone(&row.site),
                at_ms - at_ms.rem_euclid(CELL_MS),
                Arc::clone(&row.stream_type),
                Arc::clone(host),
                Arc::clone(&row.country),
                Arc::clone(&row.device),
            );
            let sums = self.cells.entry(cell).or_insert_with_key(|cell| {
                let (site, at_ms, stream_type, cdn_host, country, device) = cell.clone();
                RollupRow {
                    site,
                    at_ms,
                    stream_type,
                    cdn_host,
                    country,
                    device,
                    ..RollupRow::default()
                }
            });
            sums.add(pending.weight, &pending.growth);
        }
    }
}
