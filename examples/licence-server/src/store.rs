//! The database: keys, who plays, and who was given what. One thread has the connection; what it has answered is on disk.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::ids::{ContentKey, KeyId, KeyLabel};
use crate::key_file::KeyFile;
use crate::seal::{Pseudonym, Sealer};

/// Jobs that share a sync.
const MAX_JOBS: usize = 128;
/// More are refused: the disk does not keep up.
const MAX_WAITING: usize = 1024;
/// Entries of the audit are kept for so long, milliseconds.
const AUDIT_MS: i64 = 90 * 24 * 3_600_000;
/// What was sealed to tell the right master key.
const CHECK: KeyId = KeyId(*b"headgate-licence");

/// Says whether what it did is to stay, and what to tell once that is on disk, or is not.
type Job = Box<dyn FnOnce(&Connection, &Sealer) -> (bool, Tell) + Send>;
type Tell = Box<dyn FnOnce(bool) + Send>;

/// The database.
#[derive(Clone)]
pub struct Store {
    jobs: mpsc::SyncSender<Job>,
    _thread: Arc<Thread>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Store")
    }
}

struct Thread(Option<JoinHandle<()>>);

/// A key as it is listed: without itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Of what.
    pub content: String,
    /// Its id.
    pub kid: KeyId,
    /// What it is for.
    pub label: String,
    /// Its crypto period, from 0.
    pub period: u32,
}

/// A key that was found.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) asked: KeyId,
    pub(crate) content: String,
    pub(crate) label: KeyLabel,
    pub(crate) key: ContentKey,
}

/// What was asked, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// When, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// What came of it, as `granted`.
    pub outcome: String,
    /// `clearkey`, or the name of a vendor.
    pub service: String,
    /// Ids of content that were entitled.
    pub content: String,
    /// Keys that were given, with spaces between them.
    pub given: String,
    /// How many were asked for.
    pub asked: u32,
    /// A keyed hash of the viewer.
    pub viewer: String,
    /// The same of the address.
    pub address: String,
}

impl Store {
    /// Opens a database, or makes it.
    ///
    /// # Errors
    /// If it cannot be opened, or its keys were sealed with another master key.
    pub(crate) fn open(
        path: &Path,
        sealer: impl FnOnce(&[u8]) -> Result<Sealer, Error>,
    ) -> Result<Self, Error> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA busy_timeout = 5000;
             CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;
             CREATE TABLE IF NOT EXISTS content_key (kid BLOB PRIMARY KEY, content TEXT NOT NULL, label TEXT NOT NULL,
               period INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT;
             CREATE INDEX IF NOT EXISTS content_key_content ON content_key (content, period);
             CREATE TABLE IF NOT EXISTS playing (viewer BLOB NOT NULL, session BLOB NOT NULL, until_ms INTEGER NOT NULL,
               PRIMARY KEY (viewer, session)) STRICT;
             CREATE TABLE IF NOT EXISTS decision (at_ms INTEGER NOT NULL, outcome TEXT NOT NULL, service TEXT NOT NULL,
               content TEXT NOT NULL, given TEXT NOT NULL, asked INTEGER NOT NULL, viewer BLOB NOT NULL, address BLOB NOT NULL) STRICT;
             CREATE INDEX IF NOT EXISTS decision_at ON decision (at_ms);",
        )?;
        let sealer = sealer(&secret(&connection)?)?;
        check(&connection, &sealer, path)?;
        let (jobs, waiting) = mpsc::sync_channel::<Job>(MAX_WAITING);
        let thread = std::thread::Builder::new()
            .name("licence-store".into())
            .spawn(move || run(connection, &sealer, &waiting))
            .map_err(|source| Error::Read {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            jobs,
            _thread: Arc::new(Thread(Some(thread))),
        })
    }

    /// Does something in a transaction; the answer comes when that is on disk.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection, &Sealer) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let (tell, told) = oneshot::channel();
        let job: Job = Box::new(move |connection, sealer| {
            let done = work(connection, sealer);
            let stays = done.is_ok();
            let tell: Tell = Box::new(move |on_disk| {
                let answer = if on_disk { done } else { Err(Error::Stopping) };
                // Whoever asked may have gone.
                let _ = tell.send(answer);
            });
            (stays, tell)
        });
        self.jobs.try_send(job).map_err(|_| Error::Stopping)?;
        told.await.map_err(|_| Error::Stopping)?
    }

    /// Takes the keys of a key file for content.
    ///
    /// # Errors
    /// [`Error::KeyConflict`] if one of them is there with other bytes: then none is taken.
    pub async fn import(&self, content: &str, file: KeyFile) -> Result<usize, Error> {
        let content = content.to_owned();
        self.with(move |connection, sealer| {
            for entry in &file.entries {
                if let Some((_, _, key)) = find(connection, sealer, entry.id)?
                    && key != entry.key
                {
                    return Err(Error::KeyConflict(entry.id));
                }
            }
            for entry in &file.entries {
                connection.execute(
                    "INSERT INTO content_key VALUES (?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT (kid) DO UPDATE SET content = ?2, label = ?3, period = ?4",
                    params![
                        entry.id.0,
                        content,
                        entry.label.to_string(),
                        entry.period,
                        sealer.seal(entry.id, entry.key)?
                    ],
                )?;
            }
            Ok(file.entries.len())
        })
        .await
    }

    /// The keys of all content, or of one.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn list(&self, content: Option<String>) -> Result<Vec<Listed>, Error> {
        self.with(move |connection, _| {
            let mut query = connection.prepare(
                "SELECT content, kid, label, period FROM content_key WHERE ?1 IS NULL OR content = ?1
                 ORDER BY content, period, label",
            )?;
            let rows = query.query_map([content], |row| {
                Ok(Listed {
                    content: row.get(0)?,
                    kid: KeyId(row.get(1)?),
                    label: row.get(2)?,
                    period: row.get(3)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The newest decisions.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn audit(&self, most: u32) -> Result<Vec<Decision>, Error> {
        self.with(move |connection, _| {
            let mut query = connection.prepare(
                "SELECT at_ms, outcome, service, content, given, asked, lower(hex(viewer)), lower(hex(address))
                 FROM decision ORDER BY at_ms DESC, rowid DESC LIMIT ?1",
            )?;
            let rows = query.query_map([most], |row| {
                Ok(Decision {
                    at_ms: row.get(0)?,
                    outcome: row.get(1)?,
                    service: row.get(2)?,
                    content: row.get(3)?,
                    given: row.get(4)?,
                    asked: row.get(5)?,
                    viewer: row.get(6)?,
                    address: row.get(7)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // The channel's last sender went before: it ends when it has done what waits.
        if let Some(thread) = self.0.take()
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

/// The key of an id: content, label and the key. What PlayReady wrote the other way round is found, too.
pub(crate) fn find(
    connection: &Connection,
    sealer: &Sealer,
    id: KeyId,
) -> Result<Option<(String, KeyLabel, ContentKey)>, Error> {
    let mut query = connection.prepare("SELECT content, label, sealed FROM content_key WHERE kid = ?1")?;
    for id in [id, id.swapped()] {
        let row = query
            .query_row([id.0], |row| {
                Ok((
                    row.get::<_, String>(0)?,
                    row.get::<_, String>(1)?,
                    row.get::<_, Vec<u8>>(2)?,
                ))
            })
            .optional()?;
        if let Some((content, label, sealed)) = row {
            let label = label.parse().unwrap_or(KeyLabel::All);
            let key = sealer.open(id, &sealed).ok_or(Error::Crypto)?;
            return Ok(Some((content, label, key)));
        }
    }
    Ok(None)
}

/// Makes room for a session of a viewer until then; false if there are as many as there may be.
pub(crate) fn admit(
    connection: &Connection,
    viewer: Pseudonym,
    session: Pseudonym,
    most: Option<u32>,
    now_ms: i64,
    until_ms: i64,
) -> Result<bool, Error> {
    connection.execute("DELETE FROM playing WHERE until_ms <= ?1", [now_ms])?;
    let others: u32 = connection.query_row(
        "SELECT count(*) FROM playing WHERE viewer = ?1 AND session <> ?2",
        params![viewer, session],
        |row| row.get(0),
    )?;
    if most.is_some_and(|most| others >= most) {
        return Ok(false);
    }
    connection.execute(
        "INSERT INTO playing VALUES (?1, ?2, ?3) ON CONFLICT (viewer, session) DO UPDATE SET until_ms = max(until_ms, ?3)",
        params![viewer, session, until_ms],
    )?;
    Ok(true)
}

/// Writes a decision down.
pub(crate) fn note(
    connection: &Connection,
    decision: &Decision,
    viewer: Pseudonym,
    address: Pseudonym,
) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO decision VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            decision.at_ms,
            decision.outcome,
            decision.service,
            decision.content,
            decision.given,
            decision.asked,
            viewer,
            address
        ],
    )?;
    connection.execute(
        "DELETE FROM decision WHERE at_ms < ?1",
        [decision.at_ms - AUDIT_MS],
    )?;
    Ok(())
}

fn run(mut connection: Connection, sealer: &Sealer, waiting: &mpsc::Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let mut jobs = vec![first];
        while jobs.len() < MAX_JOBS
            && let Ok(job) = waiting.try_recv()
        {
            jobs.push(job);
        }
        let mut tells = Vec::new();
        let done = all(&mut connection, sealer, jobs, &mut tells);
        if let Err(error) = &done {
            tracing::error!("database: {error}");
        }
        for tell in tells {
            tell(done.is_ok());
        }
    }
}

/// One transaction, one sync; what fails of it is undone alone.
fn all(
    connection: &mut Connection,
    sealer: &Sealer,
    jobs: Vec<Job>,
    tells: &mut Vec<Tell>,
) -> rusqlite::Result<()> {
    let mut transaction = connection.transaction()?;
    for job in jobs {
        let mut point = transaction.savepoint()?;
        let (stays, tell) = job(&point, sealer);
        tells.push(tell);
        if !stays {
            point.rollback()?;
        }
        point.commit()?;
    }
    transaction.commit()
}

/// Random bytes that belong to the database.
fn secret(connection: &Connection) -> Result<Vec<u8>, Error> {
    let mut fresh = [0; 32];
    getrandom::fill(&mut fresh).map_err(|_| Error::Crypto)?;
    connection.execute("INSERT OR IGNORE INTO setting VALUES ('secret', ?1)", [fresh])?;
    Ok(
        connection.query_row("SELECT value FROM setting WHERE name = 'secret'", [], |row| {
            row.get(0)
        })?,
    )
}

fn check(connection: &Connection, sealer: &Sealer, path: &Path) -> Result<(), Error> {
    let known = ContentKey(CHECK.0);
    connection.execute(
        "INSERT OR IGNORE INTO setting VALUES ('check', ?1)",
        [sealer.seal(CHECK, known)?],
    )?;
    let sealed: Vec<u8> =
        connection.query_row("SELECT value FROM setting WHERE name = 'check'", [], |row| {
            row.get(0)
        })?;
    if sealer.open(CHECK, &sealed) != Some(known) {
        return Err(Error::OtherMasterKey(PathBuf::from(path)));
    }
    Ok(())
}
