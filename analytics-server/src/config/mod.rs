//! What an analytics server is told at its start.

mod file;

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use crate::alerts::{AlertRule, Webhook};
use crate::clock::Clock;
use crate::collector::DiskSpace;
use crate::error::Error;
use crate::server::auth::TOKEN_FILE;
pub use file::{Admin, AdminAccess, EXAMPLE, Public, Settings, SettingsError};

/// Fewest bytes of a secret.
const MIN_SECRET_BYTES: usize = 16;

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
    /// Where players reach the collector, as `https://stats.example`, for the dashboard to tell. Default: unknown, as the
    /// dashboard itself.
    pub public_url: Option<String>,
    /// What the collector takes.
    pub limits: Limits,
    /// Proxies whose `X-Forwarded-For` says who sends. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which a proxy in front of the collector tells the sender's country, in two letters (ISO 3166-1). Only
    /// for a proxy that overwrites what senders put there. Default: none, and no country is known.
    pub country_header: Option<String>,
    /// Viewers whom the application does not name get a pseudonym that holds for a day. Default: yes.
    pub daily_viewers: bool,
    /// What is watched. Default: [`AlertRule::defaults`].
    pub alerts: Vec<AlertRule>,
    /// Who is told when an alert fires or is over. Default: nobody.
    pub webhook: Option<Webhook>,
    /// Where the server learns how full the disk is. Default: the system.
    pub disk_space: DiskSpace,
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
            public_url: None,
            limits: Limits::default(),
            trusted_proxies: Vec::new(),
            country_header: None,
            daily_viewers: true,
            alerts: AlertRule::defaults(),
            webhook: None,
            disk_space: DiskSpace::system(),
            clock: Clock::system(),
        }
    }

    /// Where the admin token is kept if none was given.
    pub fn admin_token_file(&self) -> PathBuf {
        self.data_dir.join(TOKEN_FILE)
    }

    /// # Errors
    /// If two sites share a name or a key, or the alerts cannot be together.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.check_sites()?;
        let has_site = |name: &str| self.sites.iter().any(|site| site.name == name);
        AlertRule::check(&self.alerts, has_site).map_err(Error::Alerts)
    }

    fn check_sites(&self) -> Result<(), Error> {
        let mut taken = HashSet::new();
        for site in &self.sites {
            let texts = std::iter::once((0, &site.name)).chain(site.keys.iter().map(|key| (1, key)));
            for text in texts {
                if !taken.insert(text) {
                    return Err(Error::SiteTwice(site.name.clone()));
                }
            }
        }
        Ok(())
    }
}

/// What the collector takes; more is refused, and counted.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Limits {
    /// Beacons that may wait for the log; more are answered with 503. Default 4096.
    pub queue_beacons: usize,
    /// Requests a second from one IPv4 address or IPv6 /64, and once twice as many; more are answered with 429. Addresses of
    /// this machine have no limit. 0: any number. Default 200, which is a household of two thousand viewers.
    pub requests_per_second_per_address: u32,
    /// Distinct values of each dimension, a site and day; further ones become `other`. Default 2000.
    pub dimension_values: usize,
    /// When the disk holds less than this, beacons are answered with 503. Default 256 MiB.
    pub min_free_disk_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_beacons: 4096,
            requests_per_second_per_address: 200,
            dimension_values: 2000,
            min_free_disk_bytes: 256 << 20,
        }
    }
}

/// A site: one customer's property, with the keys that its players send.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Site {
    /// The name under which its views are stored and shown.
    pub name: String,
    /// Keys in [`Beacon::site`](player_core::telemetry::schema::Beacon::site): one, or more while players change theirs.
    /// Public: pages carry them.
    pub keys: Vec<String>,
    /// Origins whose pages may send: `https://shop.example`, `https://*.shop.example`, and `none` for what sends no origin, which
    /// are players that are no browser. Empty: any.
    pub origins: Vec<String>,
    /// With a secret, beacons need a token that is signed by it.
    pub token_secret: Option<String>,
    /// Beacons a second, and once twice as many; more are answered with 429. Nothing: any number.
    pub beacons_per_second: Option<u32>,
    /// Viewers' ids are stored as a hash.
    pub hash_viewer_ids: bool,
    /// It takes no beacons any more: they are answered with 410, and players stop sending.
    pub closed: bool,
}

impl Site {
    /// A site whose name and key may differ.
    pub fn new(name: impl Into<String>, key: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            keys: vec![key.into()],
            origins: Vec::new(),
            token_secret: None,
            beacons_per_second: None,
            hash_viewer_ids: false,
            closed: false,
        }
    }

    /// Reads `KEY` or `NAME=KEY`.
    ///
    /// # Errors
    /// A message for people if the name or the key is empty or longer than 64 bytes.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (name, key) = text.split_once('=').unwrap_or((text, text));
        let site = Self::new(name, key);
        match site.check() {
            Ok(()) => Ok(site),
            Err(_) => Err(format!("`{text}` is not KEY or NAME=KEY with 1 to 64 bytes each")),
        }
    }

    /// # Errors
    /// A message for people if the site cannot be so.
    pub(crate) fn check(&self) -> Result<(), String> {
        let fits = |text: &String| (1..=64).contains(&text.len());
        if !fits(&self.name) || self.keys.is_empty() || !self.keys.iter().all(fits) {
            return Err("its name and its keys, of which it needs one, have 1 to 64 bytes each".to_owned());
        }
        if let Some(origin) = self.origins.iter().find(|origin| !is_origin(origin)) {
            return Err(format!(
                "`{origin}` is no origin as `https://shop.example` or `https://*.shop.example`, nor `none`"
            ));
        }
        if self
            .token_secret
            .as_ref()
            .is_some_and(|secret| secret.len() < MIN_SECRET_BYTES)
        {
            return Err(format!("token_secret has fewer than {MIN_SECRET_BYTES} bytes"));
        }
        if self.beacons_per_second == Some(0) {
            return Err("beacons_per_second is 0; `closed = true` closes a site".to_owned());
        }
        Ok(())
    }
}

fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let host = host.map(|host| host.strip_prefix("*.").unwrap_or(host));
    let fits = |host: &str| !host.is_empty() && !host.contains(['/', '*', '?', '#', '@', ' ']);
    text == "none" || host.is_some_and(fits)
}
