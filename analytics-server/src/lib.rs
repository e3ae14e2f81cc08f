//! Beacon collector, sessions, store, queries and dashboard for Headgate players.
//!
//! ```text
//! POST /v1/beacons ─▶ collector ─▶ log (fjall, group commit) ─▶ 204
//!                                   └▶ sessions ─▶ store (DuckDB) ─▶ queries ─▶ dashboard
//! ```
//!
//! [`Analytics::open`] starts it all; [`Server`] serves it at two addresses, one for players and one for those who watch, or
//! [`Analytics::router`] is mounted in a program's own axum server; [`Analytics::shutdown`] brings every accepted beacon into
//! the store.
//!
//! ```no_run
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! use analytics_server::{Analytics, Config, Server, Settings, Site};
//!
//! let settings = Settings::new(Config::new("data", [Site::new("demo", "demo")]));
//! let server = Server::bind(settings.public, settings.admin).await?;
//! let analytics = Analytics::open(settings.config)?;
//! server.run(analytics, async { drop(tokio::signal::ctrl_c().await) }).await?;
//! # Ok(())
//! # }
//! ```
//!
//! What each number means is defined in [`metrics`].

mod alerts;
mod backup;
mod clock;
mod collector;
mod config;
mod dashboard;
mod error;
#[doc(hidden)]
pub mod http_client;
mod id;
#[cfg(feature = "load")]
pub mod load;
mod log;
pub mod metrics;
mod parameters;
mod pipeline;
mod problem;
mod query;
mod retention;
mod server;
mod sessions;
mod store;
#[cfg(test)]
mod store_down;
#[cfg(test)]
mod testing;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use axum::Router;

use alerts::Alerts;
use backup::{Backups, LOG_FOLDER, STORE_FILE};
use collector::{Backlog, Collector, DeadLetters, Outcomes, dead_letters_folder, viewer_key};
use pipeline::Shared;
use query::{Exports, LiveStreams, Queries};
use retention::Expiry;
use sessions::{FINAL_AFTER_MS, Sessions, Tombstones};
use store::{StoreReader, StoreWriter};

pub use alerts::{AlertRule, Webhook};
pub use backup::compact;
pub use clock::Clock;
pub use collector::{DeadLetter, DiskSpace, InvalidBeacon, dead_letters, read_beacon};
pub use config::{Admin, AdminAccess, Config, EXAMPLE, Limits, Public, Settings, SettingsError, Site};
pub use error::{Error, LogError, StoreError};
pub use retention::Retention;
pub use server::Server;

/// A running analytics server. Dropping it without [`shutdown`](Self::shutdown) loses no acknowledged beacon: the next
/// start finds them in the log.
pub struct Analytics {
    log: Arc<log::BeaconLog>,
    collector: Arc<Collector>,
    queries: Arc<Queries>,
    reader: StoreReader,
    shared: Arc<Shared>,
    backups: Arc<Backups>,
    alerts: Arc<Alerts>,
    threads: Mutex<Option<Threads>>,
    data_dir: PathBuf,
}

struct Threads {
    log: JoinHandle<()>,
    pipeline: JoinHandle<()>,
    alerts: JoinHandle<()>,
}

impl Analytics {
    /// Opens or creates the data folder and starts the server's threads.
    ///
    /// # Errors
    /// If the folder cannot be used or belongs to a running server or a newer version, two sites or two alerts are the same, or an
    /// alert is of a site that there is not.
    pub fn open(config: Config) -> Result<Self, Error> {
        config.check()?;
        let data_dir_error = |source| Error::DataDir {
            path: config.data_dir.clone(),
            source,
        };
        std::fs::create_dir_all(&config.data_dir).map_err(data_dir_error)?;
        // The log first: its error says best that another process owns the folder.
        let log_path = config.data_dir.join(LOG_FOLDER);
        let mut log = log::BeaconLog::open(&log_path)?;
        let store_file = config.data_dir.join(STORE_FILE);
        let store = StoreWriter::open(&store_file, &config)?;
        if (1..=store.views_offset()?).contains(&log.head()) {
            // So that nothing is left of what was deleted.
            log = log.renew(&log_path)?;
        }
        log.start_at_least(store.log_offset()?);
        let log = Arc::new(log);
        let now_ms = config.clock.now_ms();
        let sites: Vec<String> = config.sites.iter().map(|site| site.name.clone()).collect();
        let sessions = Sessions::new(
            &sites,
            store.known_views()?,
            Tombstones::new(
                viewer_key(&config.data_dir).map_err(data_dir_error)?,
                store.tombstones()?,
            ),
            store.views_since(now_ms - FINAL_AFTER_MS)?,
        );
        let reader = store.reader(&config)?;
        let store_exports = store.exports().to_owned();
        let outcomes = Arc::new(Outcomes::default());
        let dead_letters = DeadLetters::open(&dead_letters_folder(&config.data_dir));
        let dead_letters = Arc::new(dead_letters.map_err(data_dir_error)?);
        let shared = Arc::new(Shared::default());
        tracing::info!(
            data_dir = %config.data_dir.display(),
            sites = sites.len(),
            replay_beacons = log.head() - store.views_offset()?.min(log.head()),
            "analytics is open"
        );
        let pipeline = pipeline::start(pipeline::Parts {
            log: Arc::clone(&log),
            store,
            sessions,
            expiry: Expiry::new(config.retention.clone()),
            clock: config.clock.clone(),
            outcomes: Arc::clone(&outcomes),
            dead_letters: Arc::clone(&dead_letters),
            shared: Arc::clone(&shared),
        })?;
        let (appender, writer) = log::start_writer(Arc::clone(&log), config.limits.queue_beacons)?;
        let backlog = Backlog::new(
            Arc::clone(&log),
            Arc::clone(&shared),
            config.limits.backlog_beacons,
        );
        let collector = Collector::new(&config, Arc::clone(&outcomes), dead_letters, backlog, appender);
        let collector = Arc::new(collector.map_err(data_dir_error)?);
        let backups = Arc::new(Backups::new(&config, Arc::clone(&shared)));
        let settings = alerts::Settings {
            data_dir: &config.data_dir,
            rules: config.alerts,
            webhook: config.webhook,
            sites: sites.clone(),
            clock: config.clock.clone(),
        };
        let (alerts, alerts_thread) = alerts::start(settings, reader.clone(), Arc::clone(&shared))?;
        let queries = Arc::new(Queries {
            reader: reader.clone(),
            clock: config.clock.clone(),
            shared: Arc::clone(&shared),
            log: Arc::clone(&log),
            collector: Arc::clone(&collector),
            outcomes,
            sites,
            public_url: config.public_url,
            streams: LiveStreams::default(),
            exports: Exports::new(store_exports),
            store_file,
            alerts: Arc::clone(&alerts),
        });
        let threads = Mutex::new(Some(Threads {
            log: writer,
            pipeline,
            alerts: alerts_thread,
        }));
        Ok(Self {
            log,
            collector,
            queries,
            reader,
            shared,
            backups,
            alerts,
            threads,
            data_dir: config.data_dir,
        })
    }

    /// All routes: [`collector_router`](Self::collector_router) and [`query_router`](Self::query_router). No token is asked
    /// for; this is for programs that look after that themselves.
    pub fn router(&self) -> Router {
        self.collector_router().merge(self.query_router())
    }

    /// What players talk to: `POST /v1/beacons`; `/healthz` and `/readyz`.
    pub fn collector_router(&self) -> Router {
        collector::router(Arc::clone(&self.collector)).merge(self.health_router())
    }

    /// [`query_router`](Self::query_router) for those who may use it, and `/healthz` and `/readyz` for all.
    ///
    /// # Errors
    /// If the admin token cannot be made or read.
    pub fn admin_router(&self, access: &AdminAccess) -> Result<Router, Error> {
        Ok(server::auth::guard(self.query_router(), access, &self.data_dir)?.merge(self.health_router()))
    }

    /// Why it can do nothing any more until it is opened anew.
    fn breakage(&self) -> Option<Error> {
        if self.collector.is_broken() {
            return Some(LogError::Broken.into());
        }
        self.shared.is_broken().then(|| StoreError::Broken.into())
    }

    fn trusted_proxies(&self) -> &[ipnet::IpNet] {
        self.collector.trusted_proxies()
    }

    fn health_router(&self) -> Router {
        server::health::router(Arc::clone(&self.collector))
    }

    /// What people and programs that watch talk to: `/v1/query`, `/v1/cohorts`, `/v1/definitions`, `/v1/overview`, `/v1/views`,
    /// `/v1/views/{id}`, `/v1/viewers/{id}`, `/v1/live`, `/v1/alerts`, `/v1/status`, `/v1/dead-letters`, `/v1/backup`, `/metrics`,
    /// `/v1/openapi.json`, `/dashboard`.
    pub fn query_router(&self) -> Router {
        query::router(Arc::clone(&self.queries))
            .merge(collector::admin_router(Arc::clone(&self.collector)))
            .merge(backup::router(Arc::clone(&self.backups)))
            .merge(alerts::router(Arc::clone(&self.alerts)))
            .merge(dashboard::router())
    }

    /// From now on `/readyz` answers 503, so that nobody is sent here any more, and streams of `/v1/live` end; beacons are still
    /// accepted. An HTTP server that waits for its connections is stopped after this.
    pub fn drain(&self) {
        self.queries.streams.stop();
        self.collector.drain();
    }

    /// Refuses new beacons, brings the accepted ones into the store, and closes log and store. Call it when the HTTP
    /// server has stopped; a second call does nothing.
    ///
    /// # Errors
    /// If one of the server's threads had panicked.
    pub async fn shutdown(&self) -> Result<(), Error> {
        self.queries.streams.stop();
        self.collector.close();
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(threads) = threads else { return Ok(()) };
        self.alerts.stop();
        join(threads.log, "beacon-log").await?;
        join(threads.alerts, "analytics-alerts").await?;
        self.shared.stop(&self.log);
        join(threads.pipeline, "analytics-store").await?;
        self.reader.close();
        self.backups.interrupt();
        tracing::info!("analytics is closed");
        Ok(())
    }
}

impl fmt::Debug for Analytics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Analytics")
            .field("log_head", &self.log.head())
            .finish_non_exhaustive()
    }
}

impl Drop for Analytics {
    fn drop(&mut self) {
        self.queries.streams.stop();
        self.collector.close();
        self.alerts.stop();
        self.shared.stop(&self.log);
    }
}

async fn join(thread: JoinHandle<()>, name: &'static str) -> Result<(), Error> {
    match tokio::task::spawn_blocking(move || thread.join()).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(Error::Thread(name)),
    }
}
