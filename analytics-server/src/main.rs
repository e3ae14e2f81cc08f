//! `headgate-analytics`: the analytics server as a program of its own.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use analytics_server::{Analytics, Config, Site};
use anyhow::Context as _;
use clap::{Parser, Subcommand};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Collects beacons of Headgate players and shows what viewers saw.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:\n  headgate-analytics serve --data analytics-data --site-key demo\n  \
    then open http://127.0.0.1:8090/dashboard"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serves the collector, the queries and the dashboard until SIGTERM or Ctrl-C.
    #[command(
        after_help = "Example:\n  headgate-analytics serve --data analytics-data --site-key shop=k3y --site-key blog=0ther"
    )]
    Serve(Serve),
}

#[derive(clap::Args)]
struct Serve {
    /// Folder of the beacon log and the store; created if it is missing.
    #[arg(long, value_name = "DIR", env = "HEADGATE_ANALYTICS_DATA")]
    data: PathBuf,
    /// Address to listen at. Queries need no password: keep it local, or behind a proxy that asks for one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
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

fn main() -> anyhow::Result<()> {
    let Command::Serve(serve) = Cli::parse().command;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(run(serve))
}

async fn run(serve: Serve) -> anyhow::Result<()> {
    let listener = TcpListener::bind(serve.listen)
        .await
        .with_context(|| format!("cannot listen at {}; choose another with --listen", serve.listen))?;
    let mut config = Config::new(serve.data, serve.sites);
    config.store_memory_limit = serve.store_memory;
    config.store_threads = serve.store_threads;
    config.country_header = serve.country_header;
    let stop = stop_signal()?;
    let analytics = Analytics::open(config)?;
    let address = listener.local_addr()?;
    // Whoever started it may not care to read this, and may have closed the pipe.
    let _ = writeln!(
        std::io::stdout(),
        "Dashboard  http://{address}/dashboard\nBeacons    http://{address}/v1/beacons"
    );
    axum::serve(listener, analytics.router())
        .with_graceful_shutdown(stop)
        .await?;
    analytics.shutdown().await?;
    Ok(())
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
