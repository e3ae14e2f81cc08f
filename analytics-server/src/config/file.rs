//! The configuration file: TOML, in which every key is known. [`EXAMPLE`] has them all.

use std::fmt;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use serde::Deserialize;

use super::{Config, Limits, Site};
use crate::alerts::{AlertRule, RuleSection, Webhook, WebhookSection};
use crate::error::Error;

/// A configuration file with every key, each at its default unless it is commented otherwise.
pub const EXAMPLE: &str = include_str!("example.toml");

/// Fewest bytes of a token.
const MIN_TOKEN_BYTES: usize = 16;

/// What the program is told: the server's [`Config`], and where it listens.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Of the server.
    pub config: Config,
    /// What players reach.
    pub public: Public,
    /// What people and programs that watch reach.
    pub admin: Admin,
}

/// The address that players report to: beacons and health.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Public {
    /// Where it listens. Default `127.0.0.1:8090`.
    pub listen: SocketAddr,
    /// Connections at a time; more wait in the system's queue. Default 10,000.
    pub max_connections: usize,
    /// Connections at a time from one address; more are closed at once. Default 1,000.
    pub max_connections_per_address: usize,
    /// At the end, so long between the answer 503 of `/readyz` and the last connection that is taken, seconds. Default 1.
    pub drain_s: u64,
}

/// The address of queries, dashboard and status.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admin {
    /// Where it listens. Default `127.0.0.1:8091`.
    pub listen: SocketAddr,
    /// Who may ask.
    pub access: AdminAccess,
}

/// Who may ask the admin address.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AdminAccess {
    /// Whoever has the token in the file `admin-token` of the data folder, which is made if it is missing.
    Generated,
    /// Anybody on this machine. Not with an address that others reach.
    Open,
    /// Whoever has this token.
    Token(String),
}

impl fmt::Debug for AdminAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generated => "Generated",
            Self::Open => "Open",
            Self::Token(_) => "Token(…)",
        })
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// An alert or the webhook cannot be as it is described.
    #[error("{0}")]
    Alert(String),
    /// The admin address can be reached from elsewhere, and asks for no token.
    #[error(
        "admin.listen is {0}, which others reach: without_token is for addresses of this machine only (127.0.0.1, [::1])"
    )]
    OpenToAll(SocketAddr),
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A site cannot be as it is described.
    #[error("site `{name}`: {what}")]
    Site {
        /// Its name.
        name: String,
        /// What is wrong.
        what: String,
    },
    /// The text is not TOML, or has a key or a value that cannot be.
    #[error("{path}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and what.
        message: String,
    },
    /// A token is too short.
    #[error("the admin token has fewer than {MIN_TOKEN_BYTES} bytes; make one with `openssl rand -hex 32`")]
    Token,
    /// Two ways to be let in, or to be let in without.
    #[error("admin: give one of token, token_file and without_token")]
    TwoTokens,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    data: PathBuf,
    #[serde(default)]
    public: PublicSection,
    #[serde(default)]
    admin: AdminSection,
    #[serde(default)]
    store: StoreSection,
    #[serde(default)]
    limits: Limits,
    #[serde(default)]
    privacy: PrivacySection,
    sites: Vec<SiteSection>,
    /// In place of the built-in ones.
    alerts: Option<Vec<RuleSection>>,
    webhook: Option<WebhookSection>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PublicSection {
    listen: Option<SocketAddr>,
    url: Option<String>,
    trusted_proxies: Vec<IpNet>,
    country_header: Option<String>,
    max_connections: Option<usize>,
    max_connections_per_address: Option<usize>,
    drain_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AdminSection {
    listen: SocketAddr,
    token: Option<String>,
    token_file: Option<PathBuf>,
    without_token: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StoreSection {
    memory: Option<String>,
    threads: Option<usize>,
    queries: Option<usize>,
    query_timeout_s: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PrivacySection {
    daily_viewers: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SiteSection {
    name: String,
    keys: Vec<String>,
    #[serde(default)]
    origins: Vec<String>,
    token_secret: Option<String>,
    beacons_per_second: Option<u32>,
    #[serde(default)]
    hash_viewer_ids: bool,
    #[serde(default)]
    closed: bool,
}

impl Default for Public {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8090).into(),
            max_connections: 10_000,
            max_connections_per_address: 1_000,
            drain_s: 1,
        }
    }
}

impl Default for AdminSection {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::LOCALHOST, 8091).into(),
            token: None,
            token_file: None,
            without_token: false,
        }
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            listen: AdminSection::default().listen,
            access: AdminAccess::Generated,
        }
    }
}

impl Admin {
    /// # Errors
    /// If anybody could ask from elsewhere.
    pub fn new(listen: SocketAddr, access: AdminAccess) -> Result<Self, SettingsError> {
        match &access {
            AdminAccess::Open if !listen.ip().is_loopback() => Err(SettingsError::OpenToAll(listen)),
            AdminAccess::Token(token) if token.len() < MIN_TOKEN_BYTES => Err(SettingsError::Token),
            _ => Ok(Self { listen, access }),
        }
    }
}

impl AdminAccess {
    /// The token in a file, without the white space around it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn from_file(path: &Path) -> Result<Self, SettingsError> {
        Ok(Self::Token(read(path)?.trim().to_owned()))
    }
}

impl Settings {
    /// These settings of the server, and the default addresses.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            public: Public::default(),
            admin: Admin::default(),
        }
    }

    /// Reads a configuration file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// If it cannot be read, or says what cannot be; keys that are not known are named.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = read(path)?;
        let file: File = toml::from_str(&text).map_err(|error| SettingsError::Syntax {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        file.settings(path.parent().unwrap_or_else(|| Path::new("")))
    }

    /// Whether the server would take them; nothing is opened.
    ///
    /// # Errors
    /// If two sites share a name or a key, or the alerts cannot be together.
    pub fn check(&self) -> Result<(), Error> {
        self.config.check()
    }
}

impl File {
    fn settings(self, folder: &Path) -> Result<Settings, SettingsError> {
        let sites = self.sites.into_iter().map(SiteSection::site);
        let mut config = Config::new(folder.join(self.data), sites.collect::<Result<Vec<_>, _>>()?);
        if let Some(memory) = self.store.memory {
            config.store_memory_limit = memory;
        }
        if let Some(threads) = self.store.threads {
            config.store_threads = threads;
        }
        if let Some(queries) = self.store.queries {
            config.query_concurrency = queries;
        }
        if let Some(seconds) = self.store.query_timeout_s {
            config.query_timeout = Duration::from_secs(seconds);
        }
        if let Some(rules) = self.alerts {
            let rules = rules.into_iter().map(AlertRule::read);
            config.alerts = rules.collect::<Result<_, _>>().map_err(SettingsError::Alert)?;
        }
        let webhook = self.webhook.map(Webhook::read).transpose();
        config.webhook = webhook.map_err(SettingsError::Alert)?;
        config.limits = self.limits;
        config.daily_viewers = self.privacy.daily_viewers.unwrap_or(config.daily_viewers);
        config.public_url.clone_from(&self.public.url);
        config.country_header.clone_from(&self.public.country_header);
        config.trusted_proxies.clone_from(&self.public.trusted_proxies);
        Ok(Settings {
            config,
            public: self.public.public(),
            admin: self.admin.admin(folder)?,
        })
    }
}

impl PublicSection {
    fn public(self) -> Public {
        let default = Public::default();
        let per_address = self.max_connections_per_address;
        Public {
            listen: self.listen.unwrap_or(default.listen),
            max_connections: self.max_connections.unwrap_or(default.max_connections),
            max_connections_per_address: per_address.unwrap_or(default.max_connections_per_address),
            drain_s: self.drain_s.unwrap_or(default.drain_s),
        }
    }
}

impl AdminSection {
    fn admin(self, folder: &Path) -> Result<Admin, SettingsError> {
        let access = match (self.token, self.token_file, self.without_token) {
            (None, None, false) => AdminAccess::Generated,
            (None, None, true) => AdminAccess::Open,
            (Some(token), None, false) => AdminAccess::Token(token),
            (None, Some(path), false) => AdminAccess::from_file(&folder.join(path))?,
            _ => return Err(SettingsError::TwoTokens),
        };
        Admin::new(self.listen, access)
    }
}

fn read(path: &Path) -> Result<String, SettingsError> {
    fs::read_to_string(path).map_err(|source| SettingsError::Read {
        path: path.to_owned(),
        source,
    })
}

impl SiteSection {
    fn site(self) -> Result<Site, SettingsError> {
        let site = Site {
            name: self.name,
            keys: self.keys,
            origins: self.origins,
            token_secret: self.token_secret,
            beacons_per_second: self.beacons_per_second,
            hash_viewer_ids: self.hash_viewer_ids,
            closed: self.closed,
        };
        site.check().map_err(|what| SettingsError::Site {
            name: site.name.clone(),
            what,
        })?;
        Ok(site)
    }
}
