//! What changes what is kept: backups, and what is to be gone.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;

use super::client::{self, Client};
use super::print;

/// A backup copies the whole store.
const BACKUP_WITHIN: Duration = Duration::from_secs(6 * 3600);
const DELETED_WITHIN: Duration = Duration::from_secs(60);

/// A backup of a running server.
#[derive(clap::Args)]
pub(crate) struct Backup {
    #[command(flatten)]
    client: Client,
    /// Prints the server's JSON.
    #[arg(long)]
    json: bool,
}

/// What is to be deleted.
#[derive(clap::Args)]
#[group(required = true, multiple = false, id = "what")]
struct What {
    /// The view with this id.
    #[arg(long, value_name = "ID")]
    view: Option<String>,
    /// All views so far of the viewer with this id.
    #[arg(long, value_name = "ID")]
    viewer: Option<String>,
}

/// A view, or a viewer's past.
#[derive(clap::Args)]
pub(crate) struct Delete {
    #[command(flatten)]
    client: Client,
    #[command(flatten)]
    what: What,
    /// Only what this site has.
    #[arg(long)]
    site: Option<String>,
    /// Prints the server's JSON.
    #[arg(long)]
    json: bool,
}

impl Backup {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let text = self
            .client
            .request(Method::POST, "/v1/backup", &[], BACKUP_WITHIN)?;
        if self.json {
            return print(&text);
        }
        let answer = client::json(&text)?;
        let name = answer["name"].as_str().context("the server names no backup")?;
        let (bytes, took_ms) = (
            answer["bytes"].as_f64().unwrap_or(0.0),
            answer["took_ms"].as_f64().unwrap_or(0.0),
        );
        print(&format!(
            "backups/{name} in the server's data folder: {:.1} MB in {:.1} s\n",
            bytes / 1e6,
            took_ms / 1e3
        ))
    }
}

impl Delete {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let path = match (&self.what.view, &self.what.viewer) {
            (Some(id), _) => client::path("/v1/views/", id),
            (None, id) => client::path("/v1/viewers/", id.as_deref().unwrap_or_default()),
        };
        let site = self.site.iter().map(|site| ("site", site.clone()));
        let text = self
            .client
            .request(Method::DELETE, &path, &site.collect::<Vec<_>>(), DELETED_WITHIN)?;
        match self.json {
            true => print(&text),
            false => print("it is durable that this is to be gone; the store erases it within seconds\n"),
        }
    }
}
