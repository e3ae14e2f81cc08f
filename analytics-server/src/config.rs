//! What an analytics server is told at its start.

use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Clock;

/// Settings of an [`Analytics`](crate::Analytics).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Folder of the beacon log and the store; created if it is missing.
    pub data_dir: PathBuf,
    /// The sites whose beacons are accepted.
    pub sites: Vec<Site>,
    /// Memory that DuckDB may use, in its own spelling. Default `512MB`.
    pub store_memory_limit: String,
    /// Threads that DuckDB may use, if there are so many cores. Default 2.
    pub store_threads: usize,
    /// Queries that may run at once; more wait. Default 4.
    pub query_concurrency: usize,
    /// A query is interrupted after this time. Default 10 s.
    pub query_timeout: Duration,
    /// Beacons that may wait for the log; more are answered with 503. Default 4096.
    pub queue_beacons: usize,
    /// The header in which a proxy in front of the collector tells the sender's country, in two letters (ISO 3166-1). Only
    /// for a proxy that overwrites what senders put there. Default: none, and no country is known.
    pub country_header: Option<String>,
    /// The clock. Default: the system's.
    pub clock: Clock,
}

impl Config {
    /// The default settings with this folder and these sites.
    pub fn new(data_dir: impl Into<PathBuf>, sites: impl IntoIterator<Item = Site>) -> Self {
        Self {
            data_dir: data_dir.into(),
            sites: sites.into_iter().collect(),
            store_memory_limit: "512MB".to_owned(),
            store_threads: 2,
            query_concurrency: 4,
            query_timeout: Duration::from_secs(10),
            queue_beacons: 4096,
            country_header: None,
            clock: Clock::system(),
        }
    }
}

/// A site: one customer's property, with the key that its players send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The name under which its views are stored and shown.
    pub name: String,
    /// The key in [`Beacon::site`](player_core::telemetry::schema::Beacon::site). Public: pages carry it.
    pub key: String,
}

impl Site {
    /// A site whose name and key may differ.
    pub fn new(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            key: key.into(),
        }
    }

    /// Reads `KEY` or `NAME=KEY`.
    ///
    /// # Errors
    /// A message for people if the name or the key is empty or longer than 64 bytes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, key) = text.split_once('=').unwrap_or((text, text));
        if name.is_empty() || key.is_empty() || name.len() > 64 || key.len() > 64 {
            return Err(format!("`{text}` is not KEY or NAME=KEY with 1 to 64 bytes each"));
        }
        Ok(Self::new(name, key))
    }
}
