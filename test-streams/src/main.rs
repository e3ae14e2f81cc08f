//! `headgate-origin`: serves test streams over a network that can be told how to behave.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use encoder::view::View;
use encoder::vod::CancelToken;
use simulator::trace::Trace;
use test_streams::faults::Faults;
use test_streams::made::Recipe;
use test_streams::origin::{Origin, OriginConfig, SignedUrl};
use test_streams::shaping::Shape;
use test_streams::signing::{Grant, Keyring, SigningKey};
use test_streams::stop::Stop;
use tokio::net::TcpListener;

/// Serves test streams as a CDN does, over a network that can be told how to behave.
#[derive(Parser)]
#[command(name = "headgate-origin", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write the keys of an encrypted test stream, for a licence server: everybody can have them, for they follow from its name.
    #[command(after_help = KEYS_EXAMPLES)]
    Keys(Keys),
    /// Serve every stream below a folder until Ctrl-C or SIGTERM.
    #[command(after_help = EXAMPLES)]
    Serve(Serve),
    /// Print a signed URL for an origin with the same signing key.
    #[command(after_help = SIGN_EXAMPLES)]
    Sign(Sign),
}

#[derive(Args)]
struct Keys {
    /// The stream: sample-20s-720p-cenc, …
    name: String,
    /// The file, in the form that headgate-encode has for --key-file.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
struct Serve {
    /// The folder to serve, for example what `headgate-encode vod --out DIR --id ID` wrote.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,
    /// Address to listen at; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Shape the network as this trace file says: CSV of duration_ms,bandwidth_kbps,latency_ms. It begins with the first
    /// request and is repeated.
    #[arg(long, value_name = "FILE", conflicts_with = "rate_kbps")]
    trace: Option<PathBuf>,
    /// Shape the network to a steady rate, kbit/s.
    #[arg(long, value_name = "N")]
    rate_kbps: Option<f64>,
    /// Milliseconds between a request and its answer's first byte, in place of the trace's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(0..=60_000))]
    latency_ms: Option<u64>,
    /// Serve only these streams.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    streams: Vec<String>,
    /// Make this test stream first if it is not there: sample-10s, sample-20s-360p, …; encrypted sample-20s-720p-cenc, -cbcs,
    /// -cenc-rotation, -cbcs-lead, -aes128, -aes128-iv, -sampleaes.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    make: Vec<String>,
    /// What shall go wrong: KIND:PATTERN or KINDxTIMES:PATTERN, KIND being a status from 400 to 599, break, html or truncate.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    faults: Vec<String>,
    /// Serve only what is below /t/TOKEN/ with a token of this key. Give it again for further keys, while they are changed: the
    /// first one signs. The file's bytes are the secret, at least 32: `openssl rand -hex 32 > FILE`.
    #[arg(long, value_name = "[ID:]FILE")]
    signing_key: Vec<String>,
    /// How long after its expiry a token still counts, because clocks differ.
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = humantime::parse_duration, requires = "signing_key")]
    signing_skew: Duration,
    /// Give a token to WHOEVER ASKS, at /sign?prefix=/demo/: for demos and tests, never for content that is to be protected.
    #[arg(long, requires = "signing_key")]
    sign_for_everybody: bool,
    /// Report as JSON, one object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct Sign {
    /// The key to sign with, as `serve` has it.
    #[arg(long, value_name = "[ID:]FILE")]
    signing_key: String,
    /// What may be fetched: everything below a path that ends with a slash, or one file. Not percent-encoded.
    #[arg(long, value_name = "PATH")]
    prefix: String,
    /// For how long, as 90s, 10m or 24h.
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = humantime::parse_duration)]
    expires: Duration,
    /// A pseudonym of the session that the URL is for.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Where the origin is, with the path that it is mounted at, if any.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    base_url: String,
    /// Print {"url", "token", "expires_ms"}.
    #[arg(long)]
    json: bool,
}

const SIGN_EXAMPLES: &str = "Examples:
  headgate-origin sign --signing-key 2026-07:secret.key --prefix /videos/demo/ --expires 10m --base-url https://cdn.example
  headgate-origin sign --signing-key secret.key --prefix /poster.jpg --json";

const KEYS_EXAMPLES: &str = "Examples:
  headgate-origin keys sample-20s-720p-cenc --out keys.json";

const EXAMPLES: &str = "Examples:
  headgate-origin serve --root public --make sample-10s
  headgate-origin serve --root public --trace traces/norway_3g/report.2010-09-13_1003CEST.csv
  headgate-origin serve --root public --rate-kbps 1500 --latency-ms 60 --faults '404x2:*/720p/3.m4s'

While it serves:
  curl -X POST http://127.0.0.1:8081/_origin/reset
  curl -X PUT --json '{\"rate_kbps\": 800, \"latency_ms\": 40}' http://127.0.0.1:8081/_origin/shape
  curl -X PUT --json '[\"truncatex1:*/480p/2.m4s\"]' http://127.0.0.1:8081/_origin/faults";

fn main() -> ExitCode {
    let command = Cli::parse().command;
    let filter = tracing_subscriber::EnvFilter::try_from_env("HEADGATE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let done = match command {
        Command::Keys(Keys { name, out }) => write_keys(&name, &out),
        Command::Serve(serve) => run(serve),
        Command::Sign(sign) => print_signed(&sign),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", encoder::explain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(serve: Serve) -> anyhow::Result<()> {
    let stop = Stop::listen().context("signals cannot be handled")?;
    let mut config = OriginConfig::new(&serve.root);
    config.shape = shape(&serve)?;
    config.faults = Faults::parse(&serve.faults)?;
    config.streams = serve.streams;
    if !serve.signing_key.is_empty() {
        let keys = serve.signing_key.iter().map(|key| SigningKey::read(key));
        let keys = Keyring::new(keys.collect::<Result<_, _>>()?)?;
        config.keys = Some(keys.with_skew(serve.signing_skew));
        config.sign_for_everybody = serve.sign_for_everybody;
    }
    // What is cheap to find wrong comes before what takes long.
    let recipes = serve
        .make
        .iter()
        .map(|name| Recipe::named(name))
        .collect::<Result<Vec<_>, _>>()?;
    let listener = TcpListener::bind(serve.listen).await.with_context(|| {
        format!(
            "cannot listen at {}; choose another address with --listen",
            serve.listen
        )
    })?;
    for recipe in recipes {
        make(recipe, &serve.root, serve.json, stop.clone()).await?;
    }
    let origin = Origin::open(config)?;
    announce(&origin, listener.local_addr()?, serve.json)?;
    if !serve.signing_key.is_empty() && !serve.json {
        tracing::info!("only signed URLs are served; see headgate-origin sign --help");
    }
    if serve.sign_for_everybody {
        tracing::warn!("whoever asks gets a token at /sign");
    }
    let serving = axum::serve(listener, origin.router()).with_graceful_shutdown(stop.clone().requested());
    tokio::select! {
        result = serving => result.context("the server stopped"),
        // Answers over a slow link are not waited for.
        () = async { stop.requested().await; tokio::time::sleep(PATIENCE).await } => Ok(()),
    }
}

fn write_keys(name: &str, out: &Path) -> anyhow::Result<()> {
    Ok(Recipe::named(name)?.write_keys(out)?)
}

fn print_signed(sign: &Sign) -> anyhow::Result<()> {
    let keys = Keyring::new(vec![SigningKey::read(&sign.signing_key)?])?;
    let base = sign.base_url.trim_end_matches('/');
    let uri = base.parse::<axum::http::Uri>().ok();
    let usable =
        |uri: axum::http::Uri| matches!(uri.scheme_str(), Some("http" | "https")) && uri.query().is_none();
    if !uri.is_some_and(usable) || base.contains('#') {
        anyhow::bail!("--base-url must be as https://cdn.example/videos, without a query");
    }
    let expires = SystemTime::now()
        .checked_add(sign.expires)
        .context("--expires is too long")?;
    let mut grant = Grant::new(sign.prefix.as_str(), expires).context("--prefix")?;
    if let Some(session) = &sign.session {
        grant = grant.for_session(session.as_str()).context("--session")?;
    }
    let signed = SignedUrl::new(&keys, &grant, base);
    let line = if sign.json {
        serde_json::to_string(&signed)?
    } else {
        signed.url
    };
    writeln!(std::io::stdout(), "{line}").context("standard output")
}

fn shape(serve: &Serve) -> anyhow::Result<Option<Shape>> {
    let latency = serve.latency_ms.map(Duration::from_millis);
    if let Some(path) = &serve.trace {
        let trace = Trace::read(path).context("--trace")?;
        return Ok(Some(Shape { trace, latency }));
    }
    match (serve.rate_kbps, latency) {
        (None, None) => Ok(None),
        (rate_kbps, latency) => {
            let rate_kbps = rate_kbps.unwrap_or(UNLIMITED_KBPS);
            Ok(Some(
                Shape::constant(rate_kbps, latency.unwrap_or_default()).context("--rate-kbps")?,
            ))
        }
    }
}

async fn make(recipe: Recipe, root: &Path, json: bool, stop: Stop) -> anyhow::Result<()> {
    let cancel = CancelToken::default();
    let root = root.to_owned();
    let flag = cancel.clone();
    let mut working = tokio::task::spawn_blocking(move || {
        let mut view = if json { View::quiet() } else { View::new(false) };
        let made = recipe.make(&root, &flag, &mut |progress| view.show(&progress));
        view.end();
        made
    });
    let made = tokio::select! {
        made = &mut working => made,
        () = stop.requested() => {
            cancel.cancel();
            working.await
        }
    };
    made.context("the encoder failed")??;
    Ok(())
}

fn announce(origin: &Origin, address: SocketAddr, json: bool) -> anyhow::Result<()> {
    let streams = origin.streams().context("the root cannot be read")?;
    let mut out = std::io::stdout().lock();
    if json {
        let line = serde_json::json!({"event": "listening", "url": format!("http://{address}/"), "streams": streams});
        return writeln!(out, "{line}").context("standard output");
    }
    let mut print = || -> std::io::Result<()> {
        writeln!(out, "Index  http://{address}/streams.json")?;
        for path in streams
            .iter()
            .flat_map(|stream| stream.hls.iter().chain(&stream.dash))
        {
            let protocol = if path.ends_with(".mpd") { "DASH" } else { "HLS" };
            writeln!(out, "{protocol:<6} http://{address}/{path}")?;
        }
        Ok(())
    };
    print().context("standard output")?;
    if streams.is_empty() {
        tracing::warn!("there is no stream below the root; encode one, or give --make sample-10s");
    }
    Ok(())
}

/// With a latency alone, the rate is no limit.
const UNLIMITED_KBPS: f64 = 1e7;
/// How long answers in flight may take after the signal.
const PATIENCE: Duration = Duration::from_secs(1);
