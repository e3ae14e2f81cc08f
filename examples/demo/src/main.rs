//! The whole of Headgate in one process: encodes a video, serves it, plays it in a page, and shows what its viewers saw.
//!
//! | Path | What |
//! |---|---|
//! | `/` | the page of `web/` with `<headgate-video>` |
//! | `/videos/` | the origin of `test-streams` with the encoded videos |
//! | `/licences/clearkey` | licences for the encrypted video: `licence-server` |
//! | `/entitlement` | what an application's own server does: tokens that say what a viewer may see |
//! | `/v1/`, `/dashboard` | the collector, the queries and the dashboard of `analytics-server` |

mod page;
mod protected;
mod rights;
mod video;

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use analytics_server::{Analytics, Config, Site};
use anyhow::{Context, bail};
use axum::Router;
use clap::Parser;
use encoder::ladder::Ladder;
use encoder::sample::parse_size;
use encoder::view::View;
use encoder::vod::CancelToken;
use test_streams::faults::Faults;
use test_streams::origin::{Origin, OriginConfig};
use test_streams::stop::Stop;
use tokio::net::TcpListener;

use page::{Demo, Page};
use protected::Protected;
use video::{Encoded, Source};

/// Plays your video, or a sample clip, with everything that Headgate has.
#[derive(Parser)]
#[command(name = "demo", version, after_help = EXAMPLES)]
struct Cli {
    /// A video file; without one, a clip is made.
    video: Option<PathBuf>,
    /// Port to listen at; 0 takes a free one.
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// Address to listen at. The demo asks nobody for a password: keep it local.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    host: IpAddr,
    /// Folder for encoded videos and collected views [default: headgate/demo in the user's cache folder].
    #[arg(long, value_name = "DIR", env = "HEADGATE_DEMO_DATA")]
    data: Option<PathBuf>,
    /// Renditions to make: a JSON file, or text such as 720p:2500k,360p:600k,audio:128k.
    #[arg(long, value_name = "FILE|SPEC")]
    ladder: Option<String>,
    /// Length of the clip in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    sample_seconds: u32,
    /// Size of the clip in pixels.
    #[arg(long, value_name = "WxH", default_value = "1280x720")]
    sample_size: String,
    /// Encode again, even if it was done before.
    #[arg(long)]
    fresh: bool,
    /// What shall go wrong with answers: KIND:PATTERN or KINDxTIMES:PATTERN, KIND being a status, break, html or truncate.
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    faults: Vec<String>,
    /// Folder of the built page.
    #[arg(long, value_name = "DIR", default_value = page::BUILT)]
    web: PathBuf,
    /// Report as JSON, one object a line.
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "Examples:
  npm start
  npm start -- my.mp4
  PORT=9000 npm start -- my.mp4 --ladder 1080p:5000k,540p:1500k,audio:128k";

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("HEADGATE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}", encoder::explain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run(cli: Cli) -> anyhow::Result<()> {
    let stop = Stop::listen().context("signals cannot be handled")?;
    // What is quickly found wrong comes before what takes long.
    let page = Page::read(&cli.web)?;
    let source = source(&cli)?;
    let ladder = cli
        .ladder
        .as_deref()
        .map(Ladder::read)
        .transpose()?
        .unwrap_or_default();
    let faults = Faults::parse(&cli.faults)?;
    let data = match cli.data {
        Some(data) => data,
        None => default_data()?,
    };
    let listener = listen(SocketAddr::new(cli.host, cli.port)).await?;
    // Likewise: another demo may have it open.
    let site = Site::new(page::SITE, page::SITE);
    let analytics = Analytics::open(Config::new(data.join("analytics"), [site]))
        .context("the demo's analytics cannot start; with --data it gets a folder of its own")?;

    let played = play(
        listener,
        &page,
        &analytics,
        stop,
        Job {
            source,
            ladder,
            faults,
            data,
            fresh: cli.fresh,
            json: cli.json,
        },
    )
    .await;
    analytics.shutdown().await?;
    played
}

/// What to prepare, and how to serve it.
struct Job {
    source: Source,
    ladder: Ladder,
    faults: Faults,
    data: PathBuf,
    fresh: bool,
    json: bool,
}

/// Prepares the video and serves everything until it is told to stop.
async fn play(
    listener: TcpListener,
    page: &Page,
    analytics: &Analytics,
    stop: Stop,
    job: Job,
) -> anyhow::Result<()> {
    let Job {
        source,
        ladder,
        faults,
        data,
        fresh,
        json,
    } = job;
    let Some((encoded, protected)) = prepare(source, ladder, data.clone(), fresh, json, stop.clone()).await?
    else {
        return Ok(());
    };
    let rights = rights::router(&protected, &data).await?;
    let mut config = OriginConfig::new(data.join("videos"));
    config.faults = faults;
    let origin = Origin::open(config)?;
    let demo = Demo::new(&encoded, &protected);
    let app = Router::new()
        .nest("/videos", origin.router())
        .merge(analytics.router())
        .merge(rights)
        .merge(page.router(&demo));
    announce(listener.local_addr()?, &demo, json)?;
    let serving = axum::serve(listener, app).with_graceful_shutdown(stop.clone().requested());
    tokio::select! {
        result = serving => result.context("the server stopped"),
        // Answers over a slow link are not waited for.
        () = async {
            stop.requested().await;
            analytics.drain();
            tokio::time::sleep(PATIENCE).await;
        } => Ok(()),
    }
}

fn source(cli: &Cli) -> anyhow::Result<Source> {
    if let Some(path) = &cli.video {
        return Source::file(path);
    }
    let (width, height) = parse_size(&cli.sample_size)?;
    Ok(Source::Sample {
        seconds: cli.sample_seconds,
        width,
        height,
    })
}

/// The same folder that scripts/ uses.
fn default_data() -> anyhow::Result<PathBuf> {
    let variable = |name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let cache = variable("HEADGATE_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|caches| caches.join("headgate")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/headgate")));
    Ok(cache
        .context("there is no home folder to keep encoded videos in; name one with --data")?
        .join("demo"))
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
            "port {} of {} is in use, perhaps by another demo; stop that, or choose another port: PORT={} npm start",
            address.port(),
            address.ip(),
            address.port().checked_add(1).unwrap_or(8080)
        ),
        Err(error) => Err(error).with_context(|| {
            format!("cannot listen at {address}; choose another port with PORT=9000 or --port, another address with --host")
        }),
    }
}

/// Encodes and encrypts what was not before; `None` when a signal came first.
async fn prepare(
    source: Source,
    ladder: Ladder,
    data: PathBuf,
    fresh: bool,
    json: bool,
    stop: Stop,
) -> anyhow::Result<Option<(Encoded, Protected)>> {
    let cancel = CancelToken::default();
    let flag = cancel.clone();
    let mut working = tokio::task::spawn_blocking(move || {
        let mut view = View::with_lines(json);
        let encoded = video::prepare(&source, &ladder, &data, fresh, &flag, &mut view)?;
        let protected = protected::prepare(&encoded, &data, fresh, &flag, &mut view)?;
        Ok::<_, anyhow::Error>((encoded, protected))
    });
    tokio::select! {
        ready = &mut working => Ok(Some(ready.context("the encoder failed")??)),
        () = stop.requested() => {
            cancel.cancel();
            // It removes what is half done.
            let _ = working.await;
            Ok(None)
        }
    }
}

fn announce(address: SocketAddr, demo: &Demo, json: bool) -> anyhow::Result<()> {
    let url = format!("http://{address}/");
    let mut out = std::io::stdout().lock();
    if json {
        let line = serde_json::json!({"event": "listening", "url": url, "demo": demo});
        return writeln!(out, "{line}").context("standard output");
    }
    writeln!(
        out,
        "\n  Headgate plays {:?}\n\n  Player     {url}\n  Dashboard  {url}dashboard\n  HLS        {url}{}\n  DASH       {url}{}\n\n  Ctrl-C stops it.\n",
        demo.title, demo.hls, demo.dash
    )
    .context("standard output")
}

/// How long answers in flight may take after the signal.
const PATIENCE: Duration = Duration::from_secs(1);
