//! `headgate-analytics load`: simulated viewers.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use analytics_server::load::{Audience, History, Incident, Options, Sender, Summary, duration};
use analytics_server::{Admin, AdminAccess, Analytics, Clock, Config, Server, Settings, Site};
use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};

pub(crate) const EXAMPLES: &str = "Examples:\n  \
    headgate-analytics load --url http://127.0.0.1:8090 --site-key demo --viewers 200 --for 10m\n  \
    headgate-analytics load --history 24h --data /tmp/demo \\\n    \
    --incident at=80%,for=30m,where=cdn_host:cdn-b.example,what=slow\n\n\
    The second one fills the folder as if the viewers had been there, serves it and goes on in real time until Ctrl-C.";

/// In a server of its own, the header that tells the country.
const COUNTRY_HEADER: &str = "x-country";

#[derive(clap::Args)]
pub(crate) struct Load {
    /// Address of the server that they report to.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://127.0.0.1:8090",
        conflicts_with = "history"
    )]
    url: String,
    /// The site key that their players send.
    #[arg(long, value_name = "KEY", default_value = "demo")]
    site_key: String,
    /// Viewers at a time.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=200_000))]
    viewers: u32,
    /// How long they report: 90s, 10m, 24h. By default 10m; after --history, until Ctrl-C, and with 0s nothing is served.
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    lasts: Option<Duration>,
    /// Beacons are sent so many times as fast, which their contents do not tell; for benches of the collector.
    #[arg(long, value_name = "X", default_value_t = 1.0, value_parser = speed, conflicts_with = "history")]
    speed: f64,
    /// What goes wrong: at=40%,for=10m,where=cdn_host:cdn-b.example,what=slow. `at` is a share of --for, of --history, or a duration
    /// since the beginning; `what` is slow, down or errors; `where` may be given several times, and not at all. May be given several
    /// times.
    #[arg(long = "incident", value_name = "INCIDENT")]
    incidents: Vec<Incident>,
    /// Network traces, files and folders, as `headgate-sim` reads them; by default they are made up.
    #[arg(long, value_name = "PATH")]
    traces: Vec<PathBuf>,
    /// Viewings that are simulated at first; each viewer reports one of them as a view of its own.
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    viewings: u32,
    /// Another seed is another audience.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Connections at a time.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    connections: u32,
    /// Header in which the viewers' countries are told; the server has to be told likewise.
    #[arg(long, value_name = "NAME", conflicts_with = "history")]
    country_header: Option<String>,
    /// Prints the summary as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    past: Past,
}

/// A server of its own, with a past.
#[derive(clap::Args)]
struct Past {
    /// Fills the folder of a server with so much of the past, more viewers in the evening than in the morning (UTC), and serves it.
    #[arg(long, value_name = "DURATION", value_parser = duration, requires = "data")]
    history: Option<Duration>,
    /// That folder; new or empty.
    #[arg(long, value_name = "DIR", requires = "history")]
    data: Option<PathBuf>,
    /// Address that players report to.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Address of queries and dashboard.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8091")]
    admin_listen: SocketAddr,
    /// Lets everybody on this machine ask without a token.
    #[arg(long)]
    admin_without_token: bool,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.01..=1000.0).contains(speed));
    speed.ok_or_else(|| format!("`{text}` is no number from 0.01 to 1000"))
}

impl Load {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        super::start_log("warn");
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let summary = match self.past.history {
            Some(length) => runtime.block_on(self.fill(length))?,
            None => runtime.block_on(self.report())?,
        };
        self.print(&summary)?;
        Ok(())
    }

    fn options(&self) -> anyhow::Result<Options> {
        let options = Options::new(self.site_key.clone(), self.viewers as usize);
        let options = options.with_traces(&self.traces)?;
        Ok(Options {
            viewings: self.viewings as usize,
            seed: self.seed,
            daily: self.past.history.is_some(),
            incidents: self.incidents.clone(),
            ..options
        })
    }

    /// An audience from now on, or from a time in ms since 1970.
    fn audience(&self, from_ms: i64, lasts: Duration) -> anyhow::Result<Audience> {
        let options = self.options()?;
        let bar = bar(u64::from(self.viewings), "viewings simulated");
        let until_ms = from_ms + lasts.as_millis() as i64;
        let audience = Audience::new(&options, from_ms, until_ms, &|done| bar.set_position(done as u64))?;
        bar.finish_and_clear();
        Ok(audience)
    }

    /// In real time, to a server that runs elsewhere.
    async fn report(&self) -> anyhow::Result<Summary> {
        let lasts = self.lasts.unwrap_or(Duration::from_secs(600));
        let sender = Sender::http(&self.url, self.connections, self.country_header.clone())?;
        let stop = super::stop_signal()?;
        let clock = Clock::system();
        let mut audience = self.audience(clock.now_ms(), lasts)?;
        let until_ms = audience.next_ms() + lasts.as_millis() as i64;
        let began = Instant::now();
        tokio::select! {
            () = stop => {}
            ended = sender.follow(&mut audience, self.speed, until_ms) => ended?,
        }
        Ok(sender.summary(audience.views(), began.elapsed()))
    }

    /// The past, and then the present.
    async fn fill(&self, length: Duration) -> anyhow::Result<Summary> {
        let data = self.past.data.as_ref().context("give --data")?;
        let history = History::of(length);
        let clock = history.clock();
        let from_ms = clock.now_ms();
        let mut audience = self.audience(from_ms, length)?;
        let mut config = Config::new(data, [Site::new(&self.site_key, &self.site_key)]);
        config.clock = clock;
        config.country_header = Some(COUNTRY_HEADER.to_owned());
        let access = match self.past.admin_without_token {
            true => AdminAccess::Open,
            false => AdminAccess::Generated,
        };
        let mut settings = Settings::new(config);
        settings.public.listen = self.past.listen;
        settings.admin = Admin::new(self.past.admin_listen, access)?;
        let Settings {
            mut config,
            public,
            admin,
            ..
        } = settings;
        let token = (admin.access == AdminAccess::Generated).then(|| config.admin_token_file());
        let stop = super::stop_signal()?;
        // Before the work, so that an address that is taken is found out at once.
        let server = match self.lasts {
            Some(Duration::ZERO) => None,
            _ => {
                let server = Server::bind(public, admin).await?;
                let lines = super::addresses(&server, &mut config, token.as_deref())?;
                Some((server, lines))
            }
        };
        let analytics = Analytics::open(config)?;
        let router = analytics.router();
        let sender = Sender::router(router.clone(), Some(COUNTRY_HEADER.to_owned()));
        let began = Instant::now();
        let bar = bar(length.as_secs(), "seconds of history");
        let filled = history.replay(&mut audience, &sender, &router, |at_ms| {
            bar.set_position(u64::try_from(at_ms - from_ms).unwrap_or(0) / 1000);
        });
        tokio::pin!(stop);
        tokio::select! {
            () = &mut stop => {
                analytics.shutdown().await?;
                anyhow::bail!("stopped before the history was complete");
            }
            filled = filled => filled?,
        }
        bar.finish_and_clear();
        let Some((server, lines)) = server else {
            analytics.shutdown().await?;
            return Ok(sender.summary(audience.views(), began.elapsed()));
        };
        let _ = std::io::stdout().write_all(lines.as_bytes());
        let now_ms = Clock::system().now_ms();
        let until_ms = self
            .lasts
            .map_or(i64::MAX, |lasts| now_ms + lasts.as_millis() as i64);
        let reporting = async {
            if let Err(error) = sender.follow(&mut audience, 1.0, until_ms).await {
                tracing::error!(%error, "no more viewers");
            }
            if self.lasts.is_none() {
                std::future::pending::<()>().await;
            }
        };
        let ended = async {
            tokio::select! {
                () = stop => {}
                () = reporting => {}
            }
        };
        server.run(analytics, ended).await?;
        Ok(sender.summary(audience.views(), began.elapsed()))
    }

    fn print(&self, summary: &Summary) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, summary)?;
            writeln!(out)?;
            return Ok(());
        }
        writeln!(
            out,
            "{} views, {} beacons acknowledged of {} sent in {:.0} s",
            summary.views, summary.acknowledged, summary.sent, summary.elapsed_s
        )?;
        for (status, count) in &summary.refused {
            writeln!(out, "{count} answered with {status}")?;
        }
        for (count, what) in [
            (summary.unanswered, "without an answer"),
            (summary.given_up, "given up"),
            (summary.late, "sent late"),
        ] {
            if count > 0 {
                writeln!(out, "{count} {what}")?;
            }
        }
        if let Some(times) = &summary.ack_ms {
            writeln!(
                out,
                "acknowledged after {:.1} ms (median), {:.1} ms (99 of 100), {:.1} ms at most",
                times.p50, times.p99, times.max
            )?;
        }
        Ok(())
    }
}

fn bar(length: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(what);
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {msg} {wide_bar} {eta}") {
        bar.set_style(style);
    }
    bar
}
