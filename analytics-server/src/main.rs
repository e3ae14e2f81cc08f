//! `headgate-analytics`: the analytics server as a program of its own.

mod cli;
#[cfg(feature = "load")]
mod load_command;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use analytics_server::{
    Admin, AdminAccess, Analytics, Config, EXAMPLE, Server, Settings, Site, compact, dead_letters,
};
use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A request makes some eighty small allocations, and another thread frees half of them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Collects beacons of Headgate players and shows what viewers saw.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  headgate-analytics serve --data analytics-data --site-key demo\n  \
    then open http://127.0.0.1:8091/dashboard; the password is in analytics-data/admin-token"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Makes a backup of a running server, in its data folder.
    #[command(after_help = "Example:\n  headgate-analytics backup --token-file analytics-data/admin-token")]
    Backup(cli::Backup),
    /// Says whether a configuration file is good.
    #[command(after_help = "Example:\n  headgate-analytics check /etc/headgate/analytics.toml")]
    Check {
        /// The configuration file.
        file: PathBuf,
    },
    /// Writes the store of a server that is stopped anew: smaller, and with nothing left of what was deleted.
    #[command(after_help = "Example:\n  headgate-analytics compact analytics-data")]
    Compact {
        /// The server's data folder.
        data: PathBuf,
    },
    /// Prints what was sent as beacons and was none, the newest first, one JSON object a line.
    #[command(after_help = "Example:\n  headgate-analytics dead-letters --data analytics-data --limit 20")]
    DeadLetters(DeadLetters),
    /// Erases a view or a viewer's past from a running server, for good.
    #[command(
        after_help = "Examples:\n  headgate-analytics delete --viewer anna --token-file analytics-data/admin-token\n  \
        headgate-analytics delete --view 01993c5e-8f7a-7c3e-8a4e-5d2f1c0b9a87 --site shop"
    )]
    Delete(cli::Delete),
    /// Prints a configuration file with every key.
    #[command(after_help = "Example:\n  headgate-analytics example-config > analytics.toml")]
    ExampleConfig,
    /// Lets simulated viewers report to a server, or fills a new server with hours of them.
    #[cfg(feature = "load")]
    #[command(after_help = load_command::EXAMPLES)]
    Load(load_command::Load),
    /// Asks a running server for metrics, and prints a table.
    #[command(
        after_help = "Examples:\n  headgate-analytics query rebuffer_ratio,attempts --by cdn_host --last 24h\n  \
        headgate-analytics query startup_ms_p95 --by device --filter country:in:DE,AT --last 6h --bucket 15m"
    )]
    Query(cli::Query),
    /// Serves the collector, the queries and the dashboard until SIGTERM or Ctrl-C.
    #[command(
        after_help = "Examples:\n  headgate-analytics serve --config /etc/headgate/analytics.toml\n  \
        headgate-analytics serve --data analytics-data --site-key shop=k3y --site-key blog=0ther\n\n\
        `headgate-analytics example-config` prints a configuration file with every key."
    )]
    Serve(Serve),
    /// Says what became of beacons at a running server, and what is watched now.
    Status(cli::Status),
    /// Lists the newest views of a running server.
    #[command(
        after_help = "Example:\n  headgate-analytics views --filter failed --filter device:eq:tv --limit 20"
    )]
    Views(cli::Views),
}

#[derive(clap::Args)]
struct Serve {
    /// The configuration file: everything that the other options say, and more.
    #[arg(
        long,
        value_name = "FILE",
        env = "HEADGATE_ANALYTICS_CONFIG",
        exclusive = true,
        required_unless_present = "data"
    )]
    config: Option<PathBuf>,
    /// Folder of the beacon log and the store; created if it is missing.
    #[arg(long, value_name = "DIR", env = "HEADGATE_ANALYTICS_DATA")]
    data: Option<PathBuf>,
    /// Address that players report to.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Address of queries and dashboard.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8091")]
    admin_listen: SocketAddr,
    /// File with the token of queries and dashboard. Without it one is made, and kept in DIR/admin-token.
    #[arg(long, value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Lets everybody on this machine ask without a token.
    #[arg(long, conflicts_with = "admin_token_file")]
    admin_without_token: bool,
    /// KEY, or NAME=KEY: a site whose beacons are accepted. May be given several times.
    #[arg(
        long = "site-key",
        value_name = "KEY",
        env = "HEADGATE_SITE_KEYS",
        value_delimiter = ',',
        default_value = "demo",
        value_parser = Site::parse
    )]
    sites: Vec<Site>,
    /// Memory that the store may use, for instance 2GB.
    #[arg(long, value_name = "SIZE", default_value = "512MB")]
    store_memory: String,
    /// Header in which a proxy in front tells the sender's country, for instance CF-IPCountry. Only for a proxy that
    /// overwrites what senders put there.
    #[arg(long, value_name = "NAME")]
    country_header: Option<String>,
    /// Threads that the store may use.
    #[arg(long, value_name = "N", default_value_t = 2)]
    store_threads: usize,
}

#[derive(clap::Args)]
struct DeadLetters {
    /// The server's data folder; it may be running.
    #[arg(long, value_name = "DIR", env = "HEADGATE_ANALYTICS_DATA")]
    data: PathBuf,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

impl Serve {
    fn settings(self) -> anyhow::Result<Settings> {
        if let Some(path) = &self.config {
            return Ok(Settings::read(path)?);
        }
        let data = self.data.context("give --data or --config")?;
        let mut config = Config::new(data, self.sites);
        config.store_memory_limit = self.store_memory;
        config.store_threads = self.store_threads;
        config.country_header = self.country_header;
        let access = match &self.admin_token_file {
            Some(path) => AdminAccess::from_file(path)?,
            None if self.admin_without_token => AdminAccess::Open,
            None => AdminAccess::Generated,
        };
        let mut settings = Settings::new(config);
        settings.public.listen = self.listen;
        settings.admin = Admin::new(self.admin_listen, access)?;
        Ok(settings)
    }
}

fn main() -> anyhow::Result<()> {
    let serve = match Cli::parse().command {
        Command::Backup(options) => return options.run(),
        Command::Check { file } => return check(&file),
        Command::Compact { data } => {
            let (before, after) = compact(&data)?;
            writeln!(std::io::stdout(), "{before} bytes became {after}")?;
            return Ok(());
        }
        Command::DeadLetters(options) => return print_dead_letters(&options),
        Command::Delete(options) => return options.run(),
        Command::ExampleConfig => {
            std::io::stdout().write_all(EXAMPLE.as_bytes())?;
            return Ok(());
        }
        #[cfg(feature = "load")]
        Command::Load(load) => return load.run(),
        Command::Query(options) => return options.run(),
        Command::Status(options) => return options.run(),
        Command::Views(options) => return options.run(),
        Command::Serve(serve) => serve,
    };
    start_log("info");
    let settings = serve.settings()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(settings))
}

/// Writes the log to the standard error, at this level unless `RUST_LOG` says otherwise.
fn start_log(level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
}

fn print_dead_letters(options: &DeadLetters) -> anyhow::Result<()> {
    let letters = dead_letters(&options.data, options.limit)
        .with_context(|| format!("cannot read the dead letters in {}", options.data.display()))?;
    let mut out = std::io::stdout().lock();
    for letter in letters {
        serde_json::to_writer(&mut out, &letter)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn check(file: &Path) -> anyhow::Result<()> {
    let settings = Settings::read(file)?;
    settings.check()?;
    writeln!(
        std::io::stdout(),
        "{} is good: {} sites, beacons at {}, queries at {}",
        file.display(),
        settings.config.sites.len(),
        settings.public.listen,
        settings.admin.listen
    )?;
    Ok(())
}

async fn run(settings: Settings) -> anyhow::Result<()> {
    let Settings {
        mut config,
        public,
        admin,
        ..
    } = settings;
    let token = (admin.access == AdminAccess::Generated).then(|| config.admin_token_file());
    let server = Server::bind(public, admin).await?;
    let stop = stop_signal()?;
    let lines = addresses(&server, &mut config, token.as_deref())?;
    let analytics = Analytics::open(config)?;
    // Whoever started it may not care to read this, and may have closed the pipe.
    let _ = std::io::stdout().write_all(lines.as_bytes());
    server.run(analytics, stop).await?;
    Ok(())
}

/// What to tell whoever started it: where everything is. The dashboard is told, too.
fn addresses(server: &Server, config: &mut Config, token: Option<&Path>) -> anyhow::Result<String> {
    let public = format!("http://{}", server.public_address()?);
    let public = config.public_url.get_or_insert(public).clone();
    let mut lines = format!(
        "Dashboard  http://{}/dashboard\nBeacons    {public}/v1/beacons\n",
        server.admin_address()?
    );
    if let Some(path) = token {
        lines.push_str(&format!("Password   in {}\n", path.display()));
    }
    Ok(lines)
}

/// Ends at SIGTERM or Ctrl-C, which are heeded from this call on: none is lost before somebody waits.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tracing::info!("stopping");
    })
}
