//! Beacons of 10 events each from 100,000 views through the real program, end to end into DuckDB: the program on one core,
//! its players on the other. How many it takes, how long an acknowledgement takes at half of what is wanted, its memory,
//! and how long it takes until it is ready again after `kill -9`.
//!
//! ```sh
//! cargo bench -p analytics-server --bench ingest
//! ```

mod support;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use player_core::telemetry::schema::{
    Beacon, Counters, Event, PlaybackState, Rung, SCHEMA_VERSION, TimedEvent, ViewInfo,
};
use support::{Connection, PLAYERS_CORE, figure, move_to, quantile, start};

const VIEWS: usize = 100_000;
const EVENTS: usize = 10;
/// Connections, each with one request under way.
const CONNECTIONS: usize = 96;
/// Beacons of each view.
const ROUNDS: u32 = 3;
/// Beacons a second when acknowledgements are timed: half of what is wanted.
const PACE: f64 = 150_000.0 / EVENTS as f64 / 2.0;
/// Longer than it takes until the store has merged its own log into its file, which is when it writes most.
const PACED_ROUNDS: u32 = 2;

fn main() {
    move_to(PLAYERS_CORE);
    let base_ms = 1_800_000_000_000;
    let rounds: Vec<Vec<Vec<u8>>> = (0..ROUNDS + PACED_ROUNDS)
        .map(|seq| (0..VIEWS).map(|view| request(view, seq, base_ms)).collect())
        .collect();
    let (rounds, paced) = rounds.split_at(ROUNDS as usize);
    let mean = rounds.iter().flatten().map(Vec::len).sum::<usize>() / (rounds.len() * VIEWS);
    println!("{VIEWS} views, {EVENTS} events a beacon, {mean} bytes a request");

    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let program = start(dir.path());
    let began = Instant::now();
    for round in rounds {
        post(program.address, round, None);
    }
    let acknowledged_s = began.elapsed().as_secs_f64();
    program.wait_for("events");
    let took_s = began.elapsed().as_secs_f64();
    let beacons = (rounds.len() * VIEWS) as f64;
    println!(
        "acknowledged in {acknowledged_s:.1} s, stored in {took_s:.1} s with {:.1} CPU-s",
        program.cpu_s()
    );
    figure(
        "durable ingest into DuckDB, one core",
        "events/s",
        beacons * EVENTS as f64 / took_s,
    );
    figure(
        "memory at 100,000 concurrent views",
        "MiB",
        program.peak_memory_mib(),
    );

    // Every view again, at a pace.
    let mut times: Vec<f64> = paced
        .iter()
        .flat_map(|round| post(program.address, round, Some(PACE)))
        .collect();
    for (share, name) in [(0.5, "p50"), (0.99, "p99"), (0.999, "p99.9")] {
        let name = format!("acknowledgement {name} at 75,000 events/s, one core");
        figure(&name, "ms", quantile(&mut times, share));
    }
    // What is in the log and not in rows of views is read again.
    let log = program.get("/v1/status")["log"].clone();
    println!("killed with the log at {log}");
    program.kill();
    restart(rounds);
}

/// A million events that the store has not got.
fn restart(rounds: &[Vec<Vec<u8>>]) {
    let dir = tempfile::tempdir().expect("there is a place for temporary files");
    let program = start(dir.path());
    post(program.address, &rounds[0], None);
    let log = program.get("/v1/status")["log"].clone();
    let number = |mark: &str| log[mark].as_f64().unwrap_or(0.0);
    program.kill();
    let began = Instant::now();
    let program = start(dir.path());
    let ready_s = began.elapsed().as_secs_f64();
    program.wait_for("events");
    let live_s = began.elapsed().as_secs_f64();
    program.wait_for("stored");
    println!(
        "restart with {:.0} events in the log, {:.0} of them not in the store: accepts after {ready_s:.2} s, all views stored after {:.2} s",
        (number("head") - number("stored")) * EVENTS as f64,
        (number("head") - number("events")) * EVENTS as f64,
        began.elapsed().as_secs_f64()
    );
    figure("restart with 1,000,000 live events in the log", "s", live_s);
}

/// Posts requests over all connections; answers how long each took, in milliseconds from when it was to be sent.
fn post(address: SocketAddr, requests: &[Vec<u8>], pace: Option<f64>) -> Vec<f64> {
    let next = AtomicUsize::new(0);
    let began = Instant::now();
    let one = || {
        let mut connection = Connection::open(address).expect("the server accepts connections");
        let mut times = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(request) = requests.get(at) else {
                return times;
            };
            let mut due = Instant::now();
            if let Some(pace) = pace {
                due = began + Duration::from_secs_f64(at as f64 / pace);
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
            }
            loop {
                match connection.send(request).expect("the server answers") {
                    (204, _) => break,
                    // As players do, if sooner.
                    (503, _) => std::thread::sleep(Duration::from_millis(20)),
                    (status, body) => panic!("{status} {}", String::from_utf8_lossy(&body)),
                }
            }
            times.push(due.elapsed().as_secs_f64() * 1000.0);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(one)).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().expect("a player does not panic"))
            .collect()
    })
}

fn request(view: usize, seq: u32, base_ms: u64) -> Vec<u8> {
    let body = serde_json::to_vec(&beacon(view, seq, base_ms)).expect("a beacon is JSON");
    let mut request = format!(
        "POST /v1/beacons HTTP/1.1\r\nhost: bench\r\ncontent-type: text/plain\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    request.extend(body);
    request
}

/// A heartbeat as players send it: cumulative counters, samples and requests of ten seconds.
fn beacon(view: usize, seq: u32, base_ms: u64) -> Beacon {
    let n = u64::from(seq) + 1;
    let t_ms = n * 10_000;
    let mut events = Vec::new();
    for at in 0..EVENTS as u64 / 2 {
        let t = t_ms - 10_000 + at * 2_000;
        events.push(TimedEvent {
            t,
            event: Event::Sample {
                pos_ms: t,
                buffer_ms: 20_000 + at * 7,
                kbps: 8_000 + view as u64 % 977,
            },
        });
        events.push(TimedEvent {
            t: t + 300,
            event: Event::Request {
                kind: "segment".into(),
                track: "video".into(),
                rendition: "v1080".into(),
                media_ms: Some(t + 20_000),
                bytes: 900_000 + view as u64 % 4_099,
                ttfb_ms: 31,
                ms: 640,
                status: 200,
                cancelled: false,
            },
        });
    }
    Beacon {
        v: SCHEMA_VERSION,
        site: "bench".into(),
        view_id: id(view, 1),
        session_id: id(view, 2),
        seq,
        sent_at_ms: base_ms + t_ms,
        t_ms,
        sample_rate: 1.0,
        info: (seq == 0).then(|| info(view)),
        state: PlaybackState::Playing,
        latency_ms: None,
        counters: Counters {
            play_intent: true,
            startup_ms: Some(300 + view as u64 % 900),
            played_ms: n * 9_600,
            rebuffer_ms: n * (view as u64 % 5) * 40,
            rebuffer_count: n * (view as u64 % 5) / 4,
            media_ms: n * 9_600,
            bitrate_kbps_media_ms: n * 9_600 * 4_500,
            scaled_media_ms: n * 9_600,
            downscale_media_ms: n * 3_200,
            decoded_frames: n * 240,
            dropped_frames: n / 2,
            requests: n * 5,
            bytes: n * 5 * 900_000,
            ..Counters::default()
        },
        events,
    }
}

/// The times of UUIDs of version 7 go up as views begin.
fn id(view: usize, kind: u64) -> String {
    let scrambled = (view as u64 ^ kind << 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!(
        "0199{:04x}-{:04x}-7{:03x}-8{:03x}-{:012x}",
        view >> 16,
        view & 0xffff,
        scrambled >> 52,
        scrambled >> 40 & 0xfff,
        scrambled & 0xffff_ffff_ffff
    )
}

fn info(view: usize) -> ViewInfo {
    let ladder = [(600, 640, 360), (2_000, 1_280, 720), (5_000, 1_920, 1_080)];
    ViewInfo {
        source: format!(
            "https://cdn{}.example/videos/{}/master.m3u8",
            view % 4,
            view % 500
        ),
        protocol: "hls".into(),
        stream_type: "vod".into(),
        video_id: format!("video-{}", view % 500),
        video_title: format!("Video {}", view % 500),
        viewer_id: format!("viewer-{view}"),
        duration_ms: 1_200_000,
        player: "headgate/0.1.0".into(),
        abr: "headgate".into(),
        device: ["desktop", "phone", "tv"][view % 3].into(),
        browser: ["Chrome", "Firefox", "Safari"][view % 3].into(),
        os: ["Windows", "Android", "webOS", "iOS"][view % 4].into(),
        page_host: "shop.example".into(),
        cdn_host: format!("cdn{}.example", view % 4),
        ladder: ladder
            .map(|(bandwidth_kbps, width, height)| Rung {
                id: format!("v{height}"),
                bandwidth_kbps,
                width,
                height,
            })
            .into(),
        ..ViewInfo::default()
    }
}
