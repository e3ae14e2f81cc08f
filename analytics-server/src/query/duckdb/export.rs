//! Parquet files. DuckDB has no other access to files than to the folder that is named here.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use duckdb::types::Value;
use duckdb::{Connection, appender_params_from_iter, params_from_iter};

use super::Sql;
use super::views::conditions;
use crate::error::StoreError;
use crate::query::export::{Kind, Table};
use crate::query::views::Wanted;
use crate::sessions::dimensions::{IS, NEXT};
use crate::store::rows::ViewRow;
use crate::store::table::TableRow as _;

/// Columns of views that only sessions need.
const INTERNAL: [&str; 5] = [
    "hidden_since_t_ms",
    "hidden_waiting_ms",
    "info_seq",
    "seen",
    "waiting_since_t_ms",
];

/// A table as a file, which is in no folder any more.
pub(crate) fn table_file(connection: &Connection, folder: &Path, table: &Table) -> Result<File, StoreError> {
    let columns: Vec<String> = table
        .columns
        .iter()
        .map(|(name, kind)| {
            let kind = match kind {
                Kind::Text => "VARCHAR",
                Kind::Integer => "BIGINT",
                Kind::Number => "DOUBLE",
            };
            // Names of metrics and dimensions have no quotes in them.
            format!("\"{name}\" {kind}")
        })
        .collect();
    let columns = columns.join(", ");
    // A temporary table is its connection's alone.
    connection.execute_batch(&format!("CREATE OR REPLACE TEMP TABLE exported ({columns})"))?;
    let mut appender = connection.appender("exported")?;
    for row in &table.rows {
        let values = row.iter().zip(&table.columns);
        let values = values.map(|(value, (_, kind))| sql_value(value, *kind));
        appender.append_row(appender_params_from_iter(values))?;
    }
    appender.flush()?;
    drop(appender);
    let mut sql = Sql::default();
    sql.push("SELECT * FROM exported");
    let file = copy(connection, folder, sql);
    connection.execute_batch("DROP TABLE exported")?;
    file
}

/// Views as a file, which is in no folder any more.
pub(crate) fn views_file(
    connection: &Connection,
    folder: &Path,
    wanted: &Wanted,
) -> Result<File, StoreError> {
    let columns: Vec<String> = ViewRow::COLUMNS
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| !INTERNAL.contains(name))
        .map(|name| match name {
            "dimensions" => {
                let (next, is) = (u32::from(NEXT), u32::from(IS));
                format!(
                    "map_from_entries([row(split_part(part, chr({is}), 1), split_part(part, chr({is}), 2))
                     FOR part IN string_split(dimensions, chr({next})) IF part <> '']) AS dimensions"
                )
            }
            name => name.to_owned(),
        })
        .collect();
    let mut sql = Sql::default();
    sql.push(&format!("SELECT {} FROM views", columns.join(", ")));
    conditions(&mut sql, wanted);
    copy(connection, folder, sql)
}

/// Writes what a statement answers.
fn copy(connection: &Connection, folder: &Path, select: Sql) -> Result<File, StoreError> {
    static NEXT_FILE: AtomicU64 = AtomicU64::new(0);

    let number = NEXT_FILE.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("{number}.parquet"));
    let text = path.to_string_lossy().replace('\'', "''");
    let sql = format!(
        "COPY ({}) TO '{text}' (FORMAT parquet, COMPRESSION zstd)",
        select.text
    );
    let written = connection.execute(&sql, params_from_iter(select.values));
    // Whoever has it open can read it; nobody needs to remove it later.
    let file = File::open(&path);
    let removed = std::fs::remove_file(&path);
    written?;
    let file = file?;
    removed?;
    Ok(file)
}

fn sql_value(value: &serde_json::Value, kind: Kind) -> Value {
    let found = match kind {
        Kind::Text => value.as_str().map(|text| Value::Text(text.to_owned())),
        Kind::Integer => value.as_i64().map(Value::BigInt),
        Kind::Number => value.as_f64().map(Value::Double),
    };
    found.unwrap_or(Value::Null)
}
