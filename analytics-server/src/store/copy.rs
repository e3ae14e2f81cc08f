//! A copy of the store as it is at one moment, without what was erased from it, while it goes on.

use std::fs::File;
use std::path::Path;

use duckdb::Connection;

use crate::error::StoreError;

/// The copy's name while it is made.
const COPY: &str = "copy_of_store";

/// What the store held when this was made.
pub(crate) struct Snapshot {
    connection: Connection,
}

impl Snapshot {
    /// The transaction that is seen begins here.
    pub(super) fn begin(connection: Connection) -> Result<Self, StoreError> {
        // One of before may have failed.
        connection.execute_batch(&format!("DETACH DATABASE IF EXISTS {COPY}; BEGIN TRANSACTION"))?;
        let _: i64 = connection.query_row("SELECT count(*) FROM meta", [], |row| row.get(0))?;
        Ok(Self { connection })
    }

    /// Ends the copying, which then fails.
    pub(crate) fn interrupt_handle(&self) -> std::sync::Arc<duckdb::InterruptHandle> {
        self.connection.interrupt_handle()
    }

    /// A time as a name, as `20270115T080000Z`.
    pub(crate) fn stamp(&self, at_ms: i64) -> Result<String, StoreError> {
        let sql = "SELECT strftime(make_timestamp_ms(?), '%Y%m%dT%H%M%SZ')";
        Ok(self.connection.query_row(sql, [at_ms], |row| row.get(0))?)
    }

    /// Writes it into a new file, which has to be in the store's folder of copies.
    pub(crate) fn write(self, path: &Path) -> Result<(), StoreError> {
        let connection = &self.connection;
        let written = write(connection, path);
        if written.is_err() {
            // Of the errors the first one tells what happened.
            let _ = connection.execute_batch("ROLLBACK");
            let _ = connection.execute_batch(&format!("DETACH DATABASE IF EXISTS {COPY}"));
        }
        written
    }
}

fn write(connection: &Connection, path: &Path) -> Result<(), StoreError> {
    let store: String = connection.query_row("SELECT current_database()", [], |row| row.get(0))?;
    let file = path.to_string_lossy().replace('\'', "''");
    connection.execute_batch(&format!(
        "ATTACH '{file}' AS {COPY};
         COPY FROM DATABASE \"{store}\" TO {COPY};
         COMMIT;
         CHECKPOINT {COPY};
         DETACH {COPY};"
    ))?;
    // Whoever renames it next relies on it.
    File::open(path)?.sync_all()?;
    Ok(())
}
