//! Views themselves.

use duckdb::{Connection, named_params, params_from_iter};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Sql;
use crate::error::StoreError;
use crate::query::views::Wanted;
use crate::store::rows::ViewRow;
use crate::store::table::TableRow;

/// Views, the newest first.
pub(crate) fn list(connection: &Connection, wanted: &Wanted) -> Result<Vec<ViewRow>, StoreError> {
    let mut sql = Sql::default();
    sql.push(&format!("SELECT {} FROM views", ViewRow::names()));
    conditions(&mut sql, wanted);
    let mut statement = connection.prepare(&sql.text)?;
    let rows = statement.query_map(params_from_iter(sql.values), ViewRow::read)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Which views, in which order, and how many.
pub(super) fn conditions(sql: &mut Sql, wanted: &Wanted) {
    sql.push(" WHERE start_ms >= ");
    sql.bind(wanted.from_ms);
    sql.push(" AND start_ms < ");
    sql.bind(wanted.to_ms);
    sql.filters(&wanted.filters);
    if let Some(live_since_ms) = wanted.live_since_ms {
        sql.push(" AND NOT view_end AND last_beat_ms > ");
        sql.bind(live_since_ms);
    }
    if let Some((start_ms, view_id)) = &wanted.after {
        sql.push(" AND start_ms <= ");
        sql.bind(*start_ms);
        sql.push(" AND (start_ms < ");
        sql.bind(*start_ms);
        sql.push(" OR view_id > ");
        sql.bind(view_id.clone());
        sql.push(")");
    }
    let limit = wanted.limit;
    sql.push(&format!(" ORDER BY start_ms DESC, view_id LIMIT {limit}"));
}

/// When an event happened.
#[derive(Deserialize)]
struct At {
    t: u64,
}

/// A view and what happened in it, in order.
pub(crate) struct Stored {
    pub(crate) row: ViewRow,
    /// JSON, each.
    pub(crate) events: Vec<Box<RawValue>>,
}

/// The view with this id.
pub(crate) fn find(
    connection: &Connection,
    id: &str,
    site: Option<&str>,
) -> Result<Option<Stored>, StoreError> {
    let sql = format!(
        "SELECT {} FROM views WHERE view_id = $id AND ($site IS NULL OR site = $site) ORDER BY site LIMIT 1",
        ViewRow::names()
    );
    let mut statement = connection.prepare(&sql)?;
    let mut rows = statement.query_map(named_params! { "id": id, "site": site }, ViewRow::read)?;
    let Some(row) = rows.next().transpose()? else {
        return Ok(None);
    };
    let mut statement =
        connection.prepare("SELECT body FROM events WHERE view_id = $id AND site = $site ORDER BY seq")?;
    let mut rows = statement.query(named_params! { "id": id, "site": row.site })?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let body: String = row.get(0)?;
        for event in serde_json::from_str::<Vec<Box<RawValue>>>(&body)? {
            let At { t } = serde_json::from_str(event.get())?;
            events.push((t, event));
        }
    }
    // Beacons that hold events back overlap.
    events.sort_by_key(|(t, _)| *t);
    let events = events.into_iter().map(|(_, event)| event).collect();
    Ok(Some(Stored { row, events }))
}
