//! A server with a history to look at: viewers of some hours are simulated, their beacons posted through the HTTP API
//! under a clock that runs ahead, then others come and go in real time.
//!
//! ```sh
//! cargo run -p analytics-server --example sample -- --data /tmp/sample --hours 24
//! ```

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use analytics_server::{Analytics, Clock, Config, Site};
use anyhow::ensure;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use clap::Parser;
use player_core::telemetry::schema::{
    Beacon, Counters, Event, HEARTBEAT_INTERVAL_MS, PlaybackState, RebufferCause, Rung, SCHEMA_VERSION,
    TimedEvent, ViewInfo,
};
use tower::ServiceExt as _;

#[derive(Parser)]
struct Options {
    /// Folder of the server's data; better an empty one.
    #[arg(long)]
    data: PathBuf,
    #[arg(long, default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Hours of history.
    #[arg(long, default_value_t = 2.0)]
    hours: f64,
    /// Viewers at a time, on average.
    #[arg(long, default_value_t = 14.0)]
    viewers: f64,
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let simulated = Arc::new(AtomicI64::new(0));
    let system = Clock::system();
    let end_ms = system.now_ms();
    let begin_ms = end_ms - (options.hours * 3_600_000.0) as i64;
    simulated.store(begin_ms, Ordering::SeqCst);
    let mut config = Config::new(&options.data, [Site::new("demo", "demo")]);
    let clock = Arc::clone(&simulated);
    config.clock = Clock::from_fn(move || match clock.load(Ordering::SeqCst) {
        0 => system.now_ms(),
        now_ms => now_ms,
    });
    let analytics = Arc::new(Analytics::open(config)?);
    let router = analytics.router();

    let mut beacons = audience(&options, begin_ms, end_ms + 3_600_000);
    beacons.sort_by_key(|(at_ms, _)| *at_ms);
    let now = beacons.partition_point(|(at_ms, _)| *at_ms <= end_ms);
    for (at_ms, beacon) in &beacons[..now] {
        simulated.store(*at_ms, Ordering::SeqCst);
        post(&router, beacon).await?;
    }
    simulated.store(0, Ordering::SeqCst);
    let future = beacons.split_off(now);
    let listener = tokio::net::TcpListener::bind(options.listen).await?;
    println!("{now} beacons  http://{}/dashboard", listener.local_addr()?);

    let live = router.clone();
    tokio::spawn(async move {
        for (at_ms, beacon) in future {
            let wait_ms = at_ms - Clock::system().now_ms();
            tokio::time::sleep(Duration::from_millis(u64::try_from(wait_ms).unwrap_or(0))).await;
            post(&live, &beacon).await?;
        }
        anyhow::Ok(())
    });
    let stopping = Arc::clone(&analytics);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            drop(tokio::signal::ctrl_c().await);
            stopping.drain();
        })
        .await?;
    Ok(analytics.shutdown().await?)
}

async fn post(router: &Router, beacon: &Beacon) -> anyhow::Result<()> {
    let body = Body::from(serde_json::to_vec(beacon)?);
    let answer = router
        .clone()
        .oneshot(Request::post("/v1/beacons").body(body)?)
        .await?;
    ensure!(
        answer.status() == StatusCode::NO_CONTENT,
        "the server answered {}",
        answer.status()
    );
    Ok(())
}

/// Everyone's beacons: more people in the middle of the time, and some minutes of trouble at two thirds of it.
fn audience(options: &Options, begin_ms: i64, end_ms: i64) -> Vec<(i64, Beacon)> {
    let mut dice = Dice(options.seed.max(1));
    let mut beacons = Vec::new();
    let length_ms = (end_ms - begin_ms) as f64;
    // A view takes about five minutes.
    let every_ms = 300_000.0 / options.viewers.max(0.01);
    let mut at_ms = begin_ms as f64;
    let mut number = 0;
    while at_ms < end_ms as f64 {
        let place = (at_ms - begin_ms as f64) / length_ms;
        let crowd = 0.55 + 0.8 * (place * std::f64::consts::PI).sin();
        at_ms += dice.exponential(every_ms / crowd);
        let trouble = (0.62..0.68).contains(&place);
        number += 1;
        Viewer::new(&mut dice, at_ms as i64, number, trouble).watch(&mut dice, &mut beacons);
    }
    beacons
}

const LADDER: [(&str, u32, u32, u32); 4] = [
    ("v360", 640, 360, 600),
    ("v480", 854, 480, 1_000),
    ("v720", 1280, 720, 2_500),
    ("v1080", 1920, 1080, 5_000),
];
const SEGMENT_MS: u64 = 4_000;
const VIDEOS: [(&str, &str, u64); 6] = [
    ("rivers", "Where rivers begin", 1_260_000),
    ("harbour", "Harbour at dawn, one take", 604_000),
    ("locks", "How a canal lock works", 432_000),
    ("ferry", "The last ferry of the day", 1_830_000),
    ("weir", "Building a weir by hand", 918_000),
    ("tides", "Tides, explained <in ten minutes> & a bit", 655_000),
];
const DEVICES: [(&str, &str, &str); 6] = [
    ("Chrome", "Windows", "desktop"),
    ("Chrome", "Android", "phone"),
    ("Firefox", "Linux", "desktop"),
    ("Safari", "iOS", "phone"),
    ("Edge", "Windows", "desktop"),
    ("Chrome", "macOS", "desktop"),
];

/// One viewer's player, crudely.
struct Viewer {
    start_ms: i64,
    id: (u32, u64),
    info: ViewInfo,
    /// Bandwidth, kbit/s, around which it wanders.
    bandwidth_kbps: f64,
    trouble: bool,
    latency_ms: u64,
    t_ms: u64,
    state: PlaybackState,
    counters: Counters,
    events: Vec<TimedEvent>,
    seq: u32,
    beat_ms: u64,
}

impl Viewer {
    fn new(dice: &mut Dice, start_ms: i64, number: u32, trouble: bool) -> Self {
        let (video_id, title, duration_ms) = VIDEOS[dice.below(VIDEOS.len())];
        let (browser, os, device) = DEVICES[dice.below(DEVICES.len())];
        let dash = dice.chance(0.3);
        let (protocol, manifest) = if dash {
            ("dash", "dash/manifest.mpd")
        } else {
            ("hls", "hls/master.m3u8")
        };
        let rung = |(id, width, height, bandwidth_kbps): (&str, u32, u32, u32)| Rung {
            id: id.to_owned(),
            bandwidth_kbps,
            width,
            height,
        };
        let info = ViewInfo {
            source: format!("https://cdn.example/videos/{video_id}/{manifest}"),
            protocol: protocol.to_owned(),
            stream_type: "vod".to_owned(),
            video_id: video_id.to_owned(),
            video_title: title.to_owned(),
            viewer_id: format!("viewer-{:03}", dice.below(400)),
            duration_ms,
            player: "headgate/0.1.0".to_owned(),
            abr: "headgate".to_owned(),
            device: device.to_owned(),
            browser: browser.to_owned(),
            os: os.to_owned(),
            page_host: "watch.example".to_owned(),
            cdn_host: "cdn.example".to_owned(),
            ladder: LADDER.map(rung).to_vec(),
            ..ViewInfo::default()
        };
        let mobile = device == "phone";
        Self {
            start_ms,
            id: (number, dice.next()),
            info,
            bandwidth_kbps: (8.1 + dice.normal() * 0.75 - if mobile { 0.5 } else { 0.0 })
                .exp()
                .clamp(350.0, 80_000.0),
            trouble,
            latency_ms: 25 + dice.below(if mobile { 120 } else { 50 }) as u64,
            t_ms: 0,
            state: PlaybackState::Idle,
            counters: Counters::default(),
            events: Vec::new(),
            seq: 0,
            beat_ms: 0,
        }
    }

    fn watch(mut self, dice: &mut Dice, out: &mut Vec<(i64, Beacon)>) {
        self.event(Event::ViewStart);
        self.beat(out);
        self.t_ms += 40 + dice.below(60) as u64;
        self.counters.play_intent = true;
        self.state = PlaybackState::Starting;
        let intent_ms = self.t_ms;
        self.event(Event::Play);
        self.beat(out);
        if dice.chance(if self.trouble { 0.22 } else { 0.012 }) {
            self.fetch(dice, "manifest", "", "", None, 312, 503);
            return self.fail(
                "http",
                "the manifest answered 503: https://cdn.example/videos/master.m3u8",
                out,
            );
        }
        self.fetch(dice, "manifest", "", "", None, 2_400, 200);
        self.event(Event::Manifest);
        if dice.chance(if self.trouble { 0.15 } else { 0.03 }) {
            self.t_ms += 600 + dice.below(5_000) as u64;
            return self.leave(out);
        }
        let mut rung = if self.bandwidth_kbps > 9_000.0 { 2 } else { 1 };
        for (track, id) in [("video", LADDER[rung].0), ("audio", "audio")] {
            self.fetch(dice, "playlist", track, id, None, 6_000, 200);
            self.fetch(dice, "init", track, id, None, 900, 200);
        }

        let leaves_ms = dice.exponential(420_000.0) as u64 + 8_000;
        let (mut loaded_ms, mut buffer_ms, mut seen) = (0_u64, 0_i64, usize::MAX);
        let mut pauses = dice.chance(0.25).then(|| 20_000 + dice.below(120_000) as u64);
        let mut seeks = dice.chance(0.3).then(|| 15_000 + dice.below(200_000) as u64);
        let mut estimate_kbps = 0.0;
        let mut sample_ms = self.t_ms;
        loop {
            // Load one segment, or wait until there is room.
            let before_ms = self.t_ms;
            if buffer_ms > 26_000 || loaded_ms >= self.info.duration_ms {
                self.t_ms += 1_000;
            } else {
                let media_ms = Some(loaded_ms);
                let kbps = f64::from(LADDER[rung].3) * (0.55 + 0.35 * dice.unit());
                let bytes = (kbps * SEGMENT_MS as f64 / 8.0) as u64;
                let failed = dice.chance(if self.trouble { 0.05 } else { 0.002 });
                if failed {
                    self.fetch(dice, "segment", "video", LADDER[rung].0, media_ms, 300, 504);
                    if dice.chance(0.3) {
                        return self.fail("http", "a segment answered 504 five times", out);
                    }
                }
                let rate = self.fetch(dice, "segment", "video", LADDER[rung].0, media_ms, bytes, 200);
                self.fetch(dice, "segment", "audio", "audio", media_ms, 64_000, 200);
                estimate_kbps = if estimate_kbps == 0.0 {
                    rate
                } else {
                    0.7 * estimate_kbps + 0.3 * rate
                };
                let fits = LADDER
                    .iter()
                    .rposition(|(.., kbps)| f64::from(*kbps) < 0.75 * estimate_kbps)
                    .unwrap_or(0);
                rung = if fits > rung { rung + 1 } else { fits };
                loaded_ms += SEGMENT_MS;
                buffer_ms += SEGMENT_MS as i64;
            }
            // Meanwhile playback went on.
            let elapsed_ms = self.t_ms - before_ms;
            match self.state {
                PlaybackState::Playing => {
                    let played_ms = (elapsed_ms as i64).min(buffer_ms.max(0)) as u64;
                    buffer_ms -= played_ms as i64;
                    self.play(played_ms, seen);
                    if played_ms < elapsed_ms && loaded_ms < self.info.duration_ms {
                        self.stall(before_ms + played_ms, elapsed_ms - played_ms);
                    }
                    if rung != seen {
                        self.switch(seen, rung);
                        seen = rung;
                    }
                }
                _ => {
                    self.counters.startup_ms = Some(self.t_ms - intent_ms);
                    self.state = PlaybackState::Playing;
                    self.event(Event::FirstFrame);
                    self.event(Event::Playing);
                    self.switch(seen, rung);
                    seen = rung;
                    self.beat(out);
                }
            }
            while sample_ms < self.t_ms {
                let (pos_ms, buffer_ms) = (self.counters.media_ms, u64::try_from(buffer_ms).unwrap_or(0));
                self.events.push(TimedEvent {
                    t: sample_ms,
                    event: Event::Sample {
                        pos_ms,
                        buffer_ms,
                        kbps: estimate_kbps as u64,
                    },
                });
                sample_ms += 2_000;
            }
            if pauses.take_if(|at_ms| self.t_ms > *at_ms).is_some() {
                self.pause(dice, out);
            }
            if seeks.take_if(|at_ms| self.t_ms > *at_ms).is_some() {
                self.seek(dice, loaded_ms + 30_000);
                buffer_ms = SEGMENT_MS as i64;
                loaded_ms = (loaded_ms + 30_000 + SEGMENT_MS).min(self.info.duration_ms);
            }
            if self.t_ms - self.beat_ms >= HEARTBEAT_INTERVAL_MS {
                self.beat(out);
            }
            if loaded_ms >= self.info.duration_ms && buffer_ms <= 0 {
                self.state = PlaybackState::Ended;
                self.counters.ended = true;
                self.event(Event::Ended);
                return self.leave(out);
            }
            if self.t_ms > leaves_ms {
                return self.leave(out);
            }
        }
    }

    /// Advances the time by a request; answers its throughput.
    #[allow(clippy::too_many_arguments, reason = "a request has that many properties")]
    fn fetch(
        &mut self,
        dice: &mut Dice,
        kind: &str,
        track: &str,
        rendition: &str,
        media_ms: Option<u64>,
        bytes: u64,
        status: u16,
    ) -> f64 {
        let congestion = if self.trouble { 0.25 } else { 1.0 };
        let rate = (self.bandwidth_kbps * congestion * (dice.normal() * 0.45).exp()).max(150.0);
        let ttfb_ms = self.latency_ms + dice.below(20) as u64;
        let ms = ttfb_ms + ((bytes * 8) as f64 / rate) as u64;
        self.t_ms += ms;
        self.counters.requests += 1;
        self.counters.requests_failed += u64::from(status >= 400);
        self.counters.bytes += bytes;
        self.event(Event::Request {
            kind: kind.to_owned(),
            track: track.to_owned(),
            rendition: rendition.to_owned(),
            media_ms,
            bytes,
            ttfb_ms,
            ms,
            status,
            cancelled: false,
        });
        rate
    }

    fn play(&mut self, played_ms: u64, rung: usize) {
        let kbps = LADDER.get(rung).map_or(0, |(.., kbps)| u64::from(*kbps));
        self.counters.played_ms += played_ms;
        self.counters.media_ms += played_ms;
        self.counters.bitrate_kbps_media_ms += played_ms * kbps;
        self.counters.decoded_frames += played_ms / 40;
        self.counters.dropped_frames += if rung == 3 { played_ms / 9_000 } else { 0 };
    }

    fn stall(&mut self, since_ms: u64, ms: u64) {
        if ms < 250 {
            return;
        }
        self.counters.rebuffer_ms += ms;
        self.counters.rebuffer_network_ms += ms;
        self.counters.rebuffer_count += 1;
        self.events.push(TimedEvent {
            t: since_ms,
            event: Event::RebufferStart {
                cause: RebufferCause::Network,
            },
        });
        self.event(Event::RebufferEnd);
        self.event(Event::Playing);
    }

    fn switch(&mut self, from: usize, to: usize) {
        if from < LADDER.len() {
            self.counters.switches_up += u64::from(to > from);
            self.counters.switches_down += u64::from(to < from);
        }
        let (id, _, height, kbps) = LADDER[to];
        self.event(Event::Rendition {
            id: id.to_owned(),
            kbps,
            height,
        });
    }

    fn pause(&mut self, dice: &mut Dice, out: &mut Vec<(i64, Beacon)>) {
        self.event(Event::Pause);
        self.state = PlaybackState::Paused;
        let pause_ms = 4_000 + dice.below(40_000) as u64;
        for _ in 0..pause_ms / HEARTBEAT_INTERVAL_MS {
            self.beat(out);
            self.t_ms += HEARTBEAT_INTERVAL_MS;
            self.counters.paused_ms += HEARTBEAT_INTERVAL_MS;
        }
        self.beat(out);
        self.t_ms += pause_ms % HEARTBEAT_INTERVAL_MS;
        self.counters.paused_ms += pause_ms % HEARTBEAT_INTERVAL_MS;
        self.state = PlaybackState::Playing;
        self.event(Event::Play);
        self.event(Event::Playing);
    }

    fn seek(&mut self, dice: &mut Dice, to_ms: u64) {
        self.event(Event::Seek { to_ms });
        let before_ms = self.t_ms;
        self.fetch(dice, "segment", "video", LADDER[1].0, Some(to_ms), 400_000, 200);
        self.fetch(dice, "segment", "audio", "audio", Some(to_ms), 64_000, 200);
        self.counters.seek_count += 1;
        self.counters.seek_ms += self.t_ms - before_ms;
        self.event(Event::Seeked);
        self.event(Event::Playing);
    }

    fn fail(mut self, kind: &str, message: &str, out: &mut Vec<(i64, Beacon)>) {
        self.state = PlaybackState::Failed;
        self.counters.fatal = Some(kind.to_owned());
        self.event(Event::Error {
            kind: kind.to_owned(),
            fatal: true,
            message: message.to_owned(),
        });
        self.leave(out);
    }

    fn leave(mut self, out: &mut Vec<(i64, Beacon)>) {
        self.event(Event::ViewEnd);
        self.beat(out);
    }

    fn event(&mut self, event: Event) {
        self.events.push(TimedEvent { t: self.t_ms, event });
    }

    fn beat(&mut self, out: &mut Vec<(i64, Beacon)>) {
        self.beat_ms = self.t_ms;
        let at_ms = self.start_ms + self.t_ms as i64;
        let id = |kind: u64| {
            let random = self.id.1 ^ kind;
            let (high, low) = (
                (at_ms as u64 - self.t_ms) & 0xffff_ffff_ffff,
                random & 0x0fff_ffff_ffff_ffff,
            );
            let unique = u64::from(self.id.0) & 0xfff;
            format!(
                "{:08x}-{:04x}-7{unique:03x}-8{:03x}-{:012x}",
                high >> 16,
                high & 0xffff,
                low >> 48,
                low & 0xffff_ffff_ffff
            )
        };
        let beacon = Beacon {
            v: SCHEMA_VERSION,
            site: "demo".to_owned(),
            view_id: id(0),
            session_id: id(1),
            seq: self.seq,
            sent_at_ms: at_ms as u64,
            t_ms: self.t_ms,
            sample_rate: 1.0,
            info: (self.seq == 0).then(|| self.info.clone()),
            state: self.state,
            latency_ms: None,
            counters: self.counters.clone(),
            events: std::mem::take(&mut self.events),
        };
        self.seq += 1;
        out.push((at_ms, beacon));
    }
}

/// A xorshift generator: the same seed, the same audience.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }

    fn chance(&mut self, p: f64) -> bool {
        self.unit() < p
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.unit()).ln()
    }

    /// About normal: the sum of twelve.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.unit()).sum::<f64>() - 6.0
    }
}
