//! How soon a live origin lets go of everybody who waits for the next part: 5,000 players, each with a connection of its own and a
//! blocking reload (RFC 8216bis §6.2.5.2), the origin on one thread of a process of its own.
//!
//! It prints milliseconds from where the encoder hands over the part to where a player has the last byte of the playlist.
#![allow(clippy::expect_used, clippy::print_stdout)]

use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use encoder::live::{Broadcast, BroadcastOptions, LiveOrigin, LiveSink, Part, Take, Track, TrackKind};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Barrier, mpsc, oneshot};

/// Who waits.
const PLAYERS: usize = 5_000;
/// Parts that are waited for.
const ROUNDS: u64 = 12;
/// The first ones, which are not counted.
const WARM_UP: u64 = 2;
const PART: Duration = Duration::from_millis(333);
const PARTS: u64 = 6;
const TIMESCALE: u32 = 90_000;
/// Of a DVR window of a minute.
const SEGMENTS_BEFORE: u64 = 30;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    if std::env::args().any(|argument| argument == "--serve") {
        return runtime.block_on(serve());
    }
    let program = std::env::current_exe().expect("this program");
    let mut server = Command::new(program)
        .arg("--serve")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the origin starts");
    let mut lines = BufReader::new(server.stdout.take().expect("its output")).lines();
    let mut next = move || lines.next().expect("a line").expect("a line");
    let address: SocketAddr = next().parse().expect("an address");
    let mut go = server.stdin.take().expect("its input");
    let mut latencies = Vec::new();
    runtime.block_on(async {
        let (sender, mut arrivals) = mpsc::unbounded_channel();
        let all = Arc::new(Barrier::new(PLAYERS + 1));
        for _ in 0..PLAYERS {
            tokio::spawn(play(address, Arc::clone(&all), sender.clone()));
        }
        for round in 0..ROUNDS {
            all.wait().await;
            // All requests have left by then, and are held.
            tokio::time::sleep(Duration::from_millis(500)).await;
            go.write_all(b"\n").expect("the origin is there");
            let mut at = Vec::with_capacity(PLAYERS);
            while at.len() < PLAYERS {
                at.push(arrivals.recv().await.expect("an answer"));
            }
            let ready: u128 = next().parse().expect("a time");
            if round >= WARM_UP {
                latencies.extend(at.iter().map(|at| at.saturating_sub(ready) as f64 / 1e6));
            }
        }
    });
    drop(go);
    server.wait().expect("the origin ends");
    latencies.sort_by(f64::total_cmp);
    let quantile = |q: f64| latencies[((latencies.len() - 1) as f64 * q) as usize];
    println!(
        "{PLAYERS} waiting, {} releases: p50 {:.1} ms, p99 {:.1} ms, last {:.1} ms",
        ROUNDS - WARM_UP,
        quantile(0.5),
        quantile(0.99),
        quantile(1.0)
    );
    for (name, q) in [("p50", 0.5), ("p99", 0.99)] {
        println!(
            r#"{{"bench": "origin: release of {PLAYERS} blocked reloads, {name}", "unit": "ms", "ours": {:.2}, "peer_name": null, "peer": null}}"#,
            quantile(q)
        );
    }
}

fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos()
}

/// Asks for the next part's playlist, round after round, and says when it is there.
async fn play(address: SocketAddr, all: Arc<Barrier>, arrivals: mpsc::UnboundedSender<u128>) {
    let mut connection = TcpStream::connect(address).await.expect("a connection");
    connection.set_nodelay(true).expect("no delay");
    let mut buffer = vec![0; 64 << 10];
    for round in 0..ROUNDS {
        let (msn, part) = (SEGMENTS_BEFORE + 1 + round / PARTS, round % PARTS);
        let request = format!(
            "GET /live/s/hls/v.m3u8?_HLS_msn={msn}&_HLS_part={part}&_HLS_skip=YES HTTP/1.1\r\nHost: h\r\n\r\n"
        );
        connection.write_all(request.as_bytes()).await.expect("a request");
        all.wait().await;
        let mut filled = 0;
        loop {
            filled += connection.read(&mut buffer[filled..]).await.expect("an answer");
            if is_whole(&buffer[..filled]) {
                break;
            }
        }
        arrivals.send(now()).expect("somebody who counts");
    }
}

fn is_whole(answer: &[u8]) -> bool {
    let text = std::str::from_utf8(answer).expect("text");
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.expect("a length").parse().expect("a number")
}

/// The origin: a part for each line, and the time at which it was handed over.
async fn serve() {
    let folder = tempfile::tempdir().expect("a folder");
    let broadcast = Broadcast::open(BroadcastOptions::new(folder.path())).expect("a broadcast");
    let track = Track {
        name: "v".to_owned(),
        kind: TrackKind::Video {
            width: 1280,
            height: 720,
            frame_rate: (30, 1),
        },
        codecs: "avc1.64001f".to_owned(),
        timescale: TIMESCALE,
        bandwidth: 2_500_000,
        init: Bytes::from_static(b"init"),
    };
    let take = Take {
        tracks: vec![track],
        wall: SystemTime::now(),
        part_target: PART + Duration::from_millis(1),
        segment_target: PART * PARTS as u32,
    };
    broadcast.begin(take).expect("a take");
    let mut index = 0;
    let mut add = || {
        let duration = (PART.as_millis() as u32) * (TIMESCALE / 1000);
        let part = Part {
            decode_time: index * u64::from(duration),
            duration,
            independent: index % PARTS == 0,
            last: index % PARTS == PARTS - 1,
            bytes: Bytes::from(vec![0; 100_000]),
        };
        index += 1;
        broadcast.part(0, part).expect("a part");
    };
    (0..SEGMENTS_BEFORE * PARTS).for_each(|_| add());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    let origin = LiveOrigin::default();
    origin.add("s", Arc::clone(&broadcast)).expect("a stream");
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(async move {
        let stopped = async {
            let _ = stopped.await;
        };
        origin.serve(listener, stopped).await
    });
    let (sender, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    while lines.recv().await.is_some() {
        let ready = now();
        add();
        println!("{ready}");
    }
    let _ = stop.send(());
    serving.abort();
}
