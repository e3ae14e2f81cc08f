//! How long what is stored is kept, by whole days (UTC), and the job that deletes what is older.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::store::StoreWriter;
use crate::store::rows::{ConcurrencyRow, EventsRow, RollupRow, TombstoneRow, ViewRow};
use crate::store::table::TableRow as _;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// For how many days before today things are kept; 0: for ever.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Retention {
    /// Events: what the timeline of a view shows. No longer than their views. Default 7.
    pub events_days: u32,
    /// Views, and the hashes of deleted ones. Default 90.
    pub views_days: u32,
    /// Sums of ten seconds, and concurrent viewers. Default 400.
    pub rollups_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            events_days: 7,
            views_days: 90,
            rollups_days: 400,
        }
    }
}

/// A table and the column that says how old a row is.
#[derive(Clone, Copy)]
struct Aged {
    table: &'static str,
    at: &'static str,
    days: fn(&Retention) -> u32,
}

const AGED: [Aged; 5] = [
    Aged {
        table: EventsRow::TABLE,
        at: "received_ms",
        days: |keep| match (keep.events_days, keep.views_days) {
            (0, views) => views,
            (events, 0) => events,
            (events, views) => events.min(views),
        },
    },
    // Those that go on are kept whole.
    Aged {
        table: ViewRow::TABLE,
        at: "last_beat_ms",
        days: |keep| keep.views_days,
    },
    Aged {
        table: RollupRow::TABLE,
        at: "at_ms",
        days: |keep| keep.rollups_days,
    },
    Aged {
        table: ConcurrencyRow::TABLE,
        at: "at_ms",
        days: |keep| keep.rollups_days,
    },
    Aged {
        table: TombstoneRow::TABLE,
        at: "at_ms",
        days: |keep| keep.views_days,
    },
];

impl Aged {
    /// The start of the first day that is kept.
    fn keeps_from_ms(self, retention: &Retention, now_ms: i64) -> Option<i64> {
        let days = i64::from((self.days)(retention));
        (days > 0).then(|| (now_ms.div_euclid(DAY_MS) - days) * DAY_MS)
    }
}

/// The age of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Age {
    #[serde(skip)]
    pub(crate) table: &'static str,
    /// How long rows are kept; 0: for ever.
    pub(crate) days: u32,
    /// The day (UTC) of the oldest row.
    pub(crate) oldest_day: Option<String>,
}

/// Deletes what is too old, a piece at a time.
pub(crate) struct Expiry {
    retention: Retention,
    /// The day on which it was begun last.
    day: Option<i64>,
    /// What is not done: from when on what is kept.
    todo: VecDeque<(Aged, i64)>,
}

impl Expiry {
    pub(crate) fn new(retention: Retention) -> Self {
        Self {
            retention,
            day: None,
            todo: VecDeque::new(),
        }
    }

    /// Whether there is something to do: once a day, and at the start.
    pub(crate) fn is_due(&mut self, now_ms: i64) -> bool {
        let day = Some(now_ms.div_euclid(DAY_MS));
        if self.day != day {
            self.day = day;
            self.todo = AGED
                .into_iter()
                .filter_map(|aged| Some((aged, aged.keeps_from_ms(&self.retention, now_ms)?)))
                .collect();
        }
        !self.todo.is_empty()
    }

    /// Deletes the oldest hour of one table that is too old. Answers how many rows there were.
    pub(crate) fn step(&mut self, store: &StoreWriter) -> Result<usize, StoreError> {
        while let Some((Aged { table, at, .. }, from_ms)) = self.todo.front().copied() {
            if let Some(oldest_ms) = store.oldest_before(table, at, from_ms)? {
                let next_hour_ms = (oldest_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS;
                return store.delete_before(table, at, next_hour_ms.min(from_ms));
            }
            self.todo.pop_front();
        }
        Ok(0)
    }

    /// Hashes of what was deleted before this time are not kept.
    pub(crate) fn tombstones_from_ms(&self, now_ms: i64) -> i64 {
        let [.., tombstones] = AGED;
        tombstones
            .keeps_from_ms(&self.retention, now_ms)
            .unwrap_or(i64::MIN)
    }

    /// How old each table is.
    pub(crate) fn ages(&self, store: &StoreWriter) -> Result<Vec<Age>, StoreError> {
        AGED.iter()
            .map(|aged| {
                Ok(Age {
                    table: aged.table,
                    days: (aged.days)(&self.retention),
                    oldest_day: store.oldest_day(aged.table, aged.at)?,
                })
            })
            .collect()
    }
}
