//! The store: DuckDB, embedded. One [`StoreWriter`] owns the writing connection; [`StoreReader`]s run queries on
//! clones of it.

mod copy;
mod reader;
pub(crate) mod rows;
pub(crate) mod table;

use std::io;
use std::path::{Path, PathBuf};

use duckdb::{Connection, params, params_from_iter};

use crate::config::Config;
use crate::error::StoreError;
use crate::id::Id;
use crate::log::{Deleted, Deletion};
use crate::sessions::{Key, KnownViews};
pub(crate) use copy::Snapshot;
pub(crate) use reader::{QueryError, StoreReader};
use rows::{ConcurrencyRow, EventsRow, RollupRow, TombstoneRow, ViewRow};
use table::TableRow;

/// The version of the tables.
const SCHEMA_VERSION: i64 = 2;

/// DuckDB's own log is merged into its file when it is as large as this: each time, what was last written is written again
/// with what is around it. A start reads it.
const CHECKPOINT_BYTES: &str = "128MB";

/// What a stretch of the log changes, committed at once together with how far it goes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The offset after the last record that is in here, but for rows of views.
    pub(crate) log_offset: u64,
    /// Rows of views have all records before this offset. Those between the two are read again after a restart, for
    /// the views alone.
    pub(crate) views_offset: u64,
    /// Views that changed, each as it is now.
    pub(crate) views: Vec<ViewRow>,
    /// How many of them have an older row.
    pub(crate) replaced: usize,
    /// New rows.
    pub(crate) events: Vec<EventsRow>,
    /// New rows.
    pub(crate) rollups: Vec<RollupRow>,
    /// New rows.
    pub(crate) concurrency: Vec<ConcurrencyRow>,
    /// Views of which nothing is to be left.
    pub(crate) erased: Vec<Key>,
    /// New rows.
    pub(crate) tombstones: Vec<TombstoneRow>,
}

/// The one writer.
pub(crate) struct StoreWriter {
    connection: Connection,
    exports: PathBuf,
}

impl StoreWriter {
    /// Opens or creates the store in `path`.
    pub(crate) fn open(path: &Path, config: &Config) -> Result<Self, StoreError> {
        // More threads than cores would wait for each other in a loop.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = config.store_threads.clamp(1, cores);
        let copies = std::path::absolute(config.backups_dir())?;
        let copies = copies.to_string_lossy().replace('\'', "''");
        let exports = empty_folder(&path.with_extension("exports"))?;
        let allowed = exports.to_string_lossy().replace('\'', "''");
        let settings = duckdb::Config::default()
            .enable_autoload_extension(false)?
            .with("autoinstall_known_extensions", "false")?
            .with("checkpoint_threshold", CHECKPOINT_BYTES)?
            .max_memory(&config.store_memory_limit)?
            .threads(i64::try_from(threads).unwrap_or(1))?;
        let connection = Connection::open_with_flags(path, settings)?;
        // From here on it can read and write no other files but copies and exports, and that cannot be undone.
        connection.execute_batch(&format!(
            "SET allowed_directories = ['{copies}/', '{allowed}'];
             SET enable_external_access = false;
             CREATE TABLE IF NOT EXISTS meta (name VARCHAR PRIMARY KEY, value BIGINT NOT NULL)"
        ))?;
        let store = Self { connection, exports };
        match store.meta("schema_version")? {
            None | Some(SCHEMA_VERSION) => {}
            Some(found) if found > SCHEMA_VERSION => {
                return Err(StoreError::Newer {
                    found,
                    known: SCHEMA_VERSION,
                });
            }
            Some(found) => {
                return Err(StoreError::Older {
                    found,
                    known: SCHEMA_VERSION,
                });
            }
        }
        store.connection.execute_batch(&format!(
            "BEGIN;
             INSERT INTO meta VALUES
                 ('schema_version', {SCHEMA_VERSION}), ('log_offset', 0), ('views_offset', 0) ON CONFLICT DO NOTHING;
             {views};
             {rollups};
             {events};
             {concurrency};
             {tombstones};
             COMMIT;
             CREATE TEMP TABLE changed_views AS SELECT * FROM views LIMIT 0;
             CREATE TEMP TABLE erased_views AS SELECT site, view_id FROM views LIMIT 0;",
            views = ViewRow::ddl(),
            rollups = RollupRow::ddl(),
            events = EventsRow::ddl(),
            concurrency = ConcurrencyRow::ddl(),
            tombstones = TombstoneRow::ddl(),
        ))?;
        Ok(store)
    }

    /// The only folder that DuckDB may write files to.
    pub(crate) fn exports(&self) -> &Path {
        &self.exports
    }

    /// A pool for queries.
    pub(crate) fn reader(&self, config: &Config) -> Result<StoreReader, StoreError> {
        let connections = (0..config.query_concurrency.max(1)).map(|_| self.connection.try_clone());
        Ok(StoreReader::new(
            connections.collect::<Result<_, _>>()?,
            config.query_timeout,
        ))
    }

    /// The store as it is now, to be copied.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::begin(self.connection.try_clone()?)
    }

    /// The log's offset after the last record that is in the store, but for rows of views.
    pub(crate) fn log_offset(&self) -> Result<u64, StoreError> {
        self.offset("log_offset")
    }

    /// The log's offset before which rows of views have all records.
    pub(crate) fn views_offset(&self) -> Result<u64, StoreError> {
        self.offset("views_offset")
    }

    /// The views that had a beat at or after this time.
    pub(crate) fn views_since(&self, last_beat_ms: i64) -> Result<Vec<ViewRow>, StoreError> {
        let sql = format!("SELECT {} FROM views WHERE last_beat_ms >= ?", ViewRow::names());
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map(params![last_beat_ms], ViewRow::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Those of these views that are in the store.
    pub(crate) fn views_by_id(&self, view_ids: &[Id]) -> Result<Vec<ViewRow>, StoreError> {
        if view_ids.is_empty() {
            return Ok(Vec::new());
        }
        let places = vec!["?"; view_ids.len()].join(", ");
        let sql = format!(
            "SELECT {} FROM views WHERE view_id IN ({places})",
            ViewRow::names()
        );
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map(params_from_iter(view_ids), ViewRow::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The ids of all views in the store.
    pub(crate) fn known_views(&self) -> Result<KnownViews, StoreError> {
        let count: i64 = self
            .connection
            .query_row("SELECT count(*) FROM views", [], |row| row.get(0))?;
        let mut known = KnownViews::with_room(usize::try_from(count).unwrap_or(0));
        let mut statement = self.connection.prepare("SELECT view_id FROM views")?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            known.insert(row.get(0)?);
        }
        Ok(known)
    }

    /// What was deleted.
    pub(crate) fn tombstones(&self) -> Result<Vec<TombstoneRow>, StoreError> {
        let sql = format!("SELECT {} FROM {}", TombstoneRow::names(), TombstoneRow::TABLE);
        let mut statement = self.connection.prepare(&sql)?;
        let rows = statement.query_map([], TombstoneRow::read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The stored views that this deletion is of.
    pub(crate) fn views_of(&self, deletion: &Deletion) -> Result<Vec<Key>, StoreError> {
        let (column, ids) = match &deletion.of {
            Deleted::View(id) => ("view_id", vec![id]),
            Deleted::Viewer { viewer_id, hashed } => {
                let hashes = hashed.iter().map(|(_, hash)| hash);
                ("viewer_id", std::iter::once(viewer_id).chain(hashes).collect())
            }
        };
        let places = vec!["?"; ids.len()].join(", ");
        let sql = format!("SELECT site, view_id, viewer_id FROM views WHERE {column} IN ({places})");
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(ids))?;
        let mut views = Vec::new();
        while let Some(row) = rows.next()? {
            let (site, view_id): Key = (row.get(0)?, row.get(1)?);
            let viewer_id: String = row.get(2)?;
            if deletion.is_of(&site, view_id, &viewer_id) {
                views.push((site, view_id));
            }
        }
        Ok(views)
    }

    /// The least of a column's times that are before this one.
    pub(crate) fn oldest_before(
        &self,
        table: &str,
        column: &str,
        before_ms: i64,
    ) -> Result<Option<i64>, StoreError> {
        let sql = format!("SELECT min({column}) FROM {table} WHERE {column} < ?");
        Ok(self
            .connection
            .query_row(&sql, params![before_ms], |row| row.get(0))?)
    }

    /// The day of a column's least time, as `2027-01-15`.
    pub(crate) fn oldest_day(&self, table: &str, column: &str) -> Result<Option<String>, StoreError> {
        let sql = format!("SELECT strftime(make_timestamp_ms(min({column})), '%Y-%m-%d') FROM {table}");
        Ok(self.connection.query_row(&sql, [], |row| row.get(0))?)
    }

    /// Deletes the rows with times before this one; answers how many there were.
    pub(crate) fn delete_before(
        &self,
        table: &str,
        column: &str,
        before_ms: i64,
    ) -> Result<usize, StoreError> {
        let sql = format!("DELETE FROM {table} WHERE {column} < ?");
        Ok(self.connection.execute(&sql, params![before_ms])?)
    }

    /// Commits a batch, wholly or not at all.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.connection.execute_batch("BEGIN")?;
        let written = self
            .write(batch)
            .and_then(|()| Ok(self.connection.execute_batch("COMMIT")?));
        if written.is_err() {
            // Of the two errors the first one tells what happened.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        written
    }

    /// Whether it can be asked anything.
    pub(crate) fn is_usable(&self) -> bool {
        self.log_offset().is_ok()
    }

    /// Writes what the write-ahead log holds into the file.
    pub(crate) fn checkpoint(&self) -> Result<(), StoreError> {
        Ok(self.connection.execute_batch("CHECKPOINT")?)
    }

    fn write(&self, batch: &Batch) -> Result<(), StoreError> {
        self.append(EventsRow::TABLE, &batch.events)?;
        self.append(RollupRow::TABLE, &batch.rollups)?;
        self.append(ConcurrencyRow::TABLE, &batch.concurrency)?;
        self.append(TombstoneRow::TABLE, &batch.tombstones)?;
        self.erase(&batch.erased)?;
        if batch.replaced == 0 {
            self.append(ViewRow::TABLE, &batch.views)?;
        } else {
            self.connection.execute_batch("DELETE FROM changed_views")?;
            self.append("changed_views", &batch.views)?;
            // Not an upsert: it would need an index, which costs more than the whole batch, and with which DuckDB does not
            // reclaim deleted rows. A view's start only ever moves back, so the bound leaves out the past.
            let from_ms = batch
                .views
                .iter()
                .map(|view| view.start_ms)
                .min()
                .unwrap_or(i64::MIN);
            self.connection.execute(
                "DELETE FROM views USING changed_views AS changed
                 WHERE views.start_ms >= ? AND views.site = changed.site AND views.view_id = changed.view_id",
                params![from_ms],
            )?;
            self.connection
                .execute_batch("INSERT INTO views SELECT * FROM changed_views")?;
        }
        for (name, offset) in [
            ("log_offset", batch.log_offset),
            ("views_offset", batch.views_offset),
        ] {
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            self.connection
                .execute("UPDATE meta SET value = ? WHERE name = ?", params![offset, name])?;
        }
        Ok(())
    }

    fn erase(&self, views: &[Key]) -> Result<(), StoreError> {
        if views.is_empty() {
            return Ok(());
        }
        self.connection.execute_batch("DELETE FROM erased_views")?;
        let mut appender = self.connection.appender("erased_views")?;
        for (site, view_id) in views {
            appender.append_row(params![site, view_id])?;
        }
        appender.flush()?;
        for table in [ViewRow::TABLE, EventsRow::TABLE] {
            self.connection.execute_batch(&format!(
                "DELETE FROM {table} USING erased_views AS erased
                 WHERE {table}.site = erased.site AND {table}.view_id = erased.view_id"
            ))?;
        }
        Ok(())
    }

    fn append<R: TableRow>(&self, table: &str, rows: &[R]) -> Result<(), StoreError> {
        if rows.is_empty() {
            return Ok(());
        }
        let mut appender = self.connection.appender(table)?;
        for row in rows {
            appender.append_row(row.values().as_slice())?;
        }
        appender.flush()?;
        Ok(())
    }

    fn offset(&self, name: &str) -> Result<u64, StoreError> {
        Ok(u64::try_from(self.meta(name)?.unwrap_or(0)).unwrap_or(0))
    }

    fn meta(&self, name: &str) -> Result<Option<i64>, StoreError> {
        let value =
            self.connection
                .query_row("SELECT value FROM meta WHERE name = ?", params![name], |row| {
                    row.get(0)
                });
        match value {
            Ok(value) => Ok(Some(value)),
            Err(duckdb::Error::QueryReturnedNoRows) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// Makes a folder, or empties the one that is there, and names it from the root on.
fn empty_folder(path: &Path) -> io::Result<PathBuf> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => std::fs::create_dir_all(path)?,
    }
    path.canonicalize()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::config::Site;

    #[test]
    fn duckdb_reaches_no_other_files() {
        let dir = tempfile::tempdir().unwrap();
        let secret = dir.path().join("secret.csv");
        std::fs::write(&secret, "a\n1\n").unwrap();
        let config = Config::new(dir.path(), [Site::new("a", "a")]);
        let store = StoreWriter::open(&dir.path().join("store.duckdb"), &config).unwrap();
        for sql in [
            format!("SELECT * FROM read_csv('{}')", secret.display()),
            format!("COPY (SELECT 1) TO '{}'", secret.display()),
            format!("COPY (SELECT 1) TO '{}/../x.csv'", store.exports().display()),
            "SET allowed_directories = ['/']".to_owned(),
            "SET enable_external_access = true".to_owned(),
        ] {
            assert!(store.connection.execute_batch(&sql).is_err(), "{sql}");
        }
    }

    #[test]
    fn tables_of_another_version_are_refused_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("store.duckdb");
        let config = Config::new(dir.path(), [Site::new("a", "a")]);
        drop(StoreWriter::open(&path, &config).unwrap());
        for (version, what) in [(1, "move the data folder away"), (99, "use a newer server")] {
            let store = Connection::open(&path).unwrap();
            let sql = "UPDATE meta SET value = ? WHERE name = 'schema_version'";
            store.execute(sql, params![version]).unwrap();
            drop(store);
            let refused = StoreWriter::open(&path, &config).err().unwrap().to_string();
            assert!(refused.contains(what), "{refused}");
        }
    }
}
