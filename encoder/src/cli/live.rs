//! `headgate-encode live`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use encoder::ladder::Ladder;
use encoder::live::{
    self, Broadcast, BroadcastOptions, LiveEvent, LiveInput, LiveOptions, LiveOrigin, LiveStream, StreamKey,
};
use encoder::protect::check_key_file;
use encoder::storage::Location;
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::protect::ProtectArgs;
use super::stop_on_signals;

/// Arguments of `live`.
#[derive(Args)]
pub(crate) struct Live {
    /// rtmp://HOST:PORT/APP or srt://HOST:PORT, where publishers are waited for, or a file. By RTMP several streams are published
    /// at one address; by SRT the first stream has this port, the next one the next.
    #[arg(long, value_name = "WHERE")]
    // Not parsed by clap, which repeats what it cannot parse: that could be a key.
    input: String,
    /// Play a file over and over.
    #[arg(long = "loop")]
    loops: bool,
    /// A stream's name; may be repeated for several publishers.
    #[arg(long = "stream", value_name = "NAME", default_value = "live")]
    streams: Vec<String>,
    /// The streams' keys: {"NAME":"key"}, each of 10 to 79 letters, digits and signs. Publishers by RTMP have theirs behind the
    /// address (rtmp://HOST:PORT/APP/KEY), by SRT as the passphrase. A single stream's may be in HEADGATE_STREAM_KEY.
    #[arg(long, value_name = "FILE")]
    stream_keys: Option<PathBuf>,
    /// The folder to make, with a folder for each stream. One that an earlier run has left is gone on with.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Where the streams are served from, as http://ADDRESS/live/NAME/hls/master.m3u8 and …/dash/manifest.mpd; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// How far back viewers may go, seconds. Twice as much is on disk at most.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    window_s: u64,
    /// How long to serve on when all streams are over, seconds, for viewers to see the end; afterwards --out can be served as it is
    /// by anything, at the same paths. A second Ctrl-C ends that, too.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    linger_s: u64,
    #[command(flatten)]
    encoding: Encoding,
    #[command(flatten)]
    protection: ProtectArgs,
    /// Report as JSON, one object a line: serving, listening, take, status, dropped, overloaded, refused, paused, ended.
    #[arg(long)]
    json: bool,
}

/// How it is encoded.
#[derive(Args)]
#[command(next_help_heading = "Encoding")]
struct Encoding {
    /// Renditions to offer, of H.264 and one of AAC: a JSON file, or text such as 720p:2500k,360p:600k,audio:128k.
    /// Default: 720p:2500k,360p:600k,audio:128k. None is made above the publisher's size, and none that this machine is too
    /// slow for.
    #[arg(long, value_name = "FILE|SPEC")]
    ladder: Option<String>,
    /// The preset of rungs that state none: ultrafast to placebo.
    #[arg(long, default_value = "superfast")]
    preset: String,
    /// Threads of each video encoder; 0 shares the machine's among the rungs.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Seconds of a segment, 1 to 10.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    segment_s: f64,
    /// Milliseconds of a part at most, 200 to 500.
    #[arg(long, value_name = "MS", default_value_t = 333)]
    part_ms: u32,
    /// Burn the time of capture into the pictures, for programs and people to read.
    #[arg(long)]
    burn_clock: bool,
    /// Encode all rungs, also where the machine is too slow for them.
    #[arg(long)]
    keep_rungs: bool,
}

pub(crate) const EXAMPLES: &str = "Examples:
  headgate-encode live --input clip.mp4 --loop --burn-clock --out live
  HEADGATE_STREAM_KEY=… headgate-encode live --input rtmp://127.0.0.1:1935/live --stream news --out live
  headgate-encode live --input srt://0.0.0.0:9000 --stream news --stream sports --stream-keys keys.json --out live --json

Publish with:
  ffmpeg -re -i clip.mp4 -c copy -f flv rtmp://127.0.0.1:1935/live/KEY
  ffmpeg -re -i clip.mp4 -c copy -f mpegts 'srt://127.0.0.1:9000?passphrase=KEY'

OBS Studio: server rtmp://HOST:1935/live, and the stream key; a key frame every 2 s or more often. A publisher that was cut off
may come back: what follows is behind a discontinuity. Ctrl-C ends the streams: what is in --out then is VOD.";

pub(crate) fn run(arguments: Live) -> anyhow::Result<()> {
    let Live {
        encoding, streams, ..
    } = &arguments;
    let mut options = LiveOptions {
        preset: encoding.preset.clone(),
        threads: encoding.threads,
        part_ms: encoding.part_ms,
        segment_s: encoding.segment_s,
        burns_clock: encoding.burn_clock,
        keeps_rungs: encoding.keep_rungs,
        protection: arguments.protection.options()?,
        ..LiveOptions::default()
    };
    let protection = options.protection.as_ref();
    if let Some(path) = protection.and_then(|protection| protection.key_file.as_ref()) {
        check_key_file(path, &Location::from(arguments.out.clone()))?;
    }
    if let Some(ladder) = &encoding.ladder {
        options.ladder = Ladder::read(ladder)?;
    }
    let mut input: LiveInput = arguments.input.parse()?;
    match &mut input {
        LiveInput::File { loops, .. } => *loops = arguments.loops,
        LiveInput::Rtmp { .. } | LiveInput::Srt { .. } if arguments.loops => {
            bail!("--loop plays a file over and over; publishers send what they send")
        }
        LiveInput::Rtmp { .. } | LiveInput::Srt { .. } => {}
    }
    let mut keys = keys(&arguments, &input)?;
    let origin = LiveOrigin::default();
    let streams = streams.iter().map(|name| {
        check_name(name)?;
        let mut kept = BroadcastOptions::new(arguments.out.join(name));
        kept.window = Duration::from_secs(arguments.window_s);
        let broadcast = Broadcast::open(kept)?;
        if broadcast.is_over() {
            bail!("the stream {name:?} in --out is over, and is kept as VOD; take another --stream or --out");
        }
        origin.add(name, Arc::clone(&broadcast))?;
        Ok(LiveStream {
            name: name.clone(),
            key: keys.remove(name),
            sink: broadcast,
        })
    });
    let streams = streams.collect::<anyhow::Result<Vec<_>>>()?;
    if let Some(unknown) = keys.keys().next() {
        bail!("--stream-keys has a key for {unknown:?}, which no --stream names");
    }
    stop_on_signals(&options.cancel.flag())?;
    let is_json = arguments.json;
    let serving = Serving::start(arguments.listen, origin)?;
    for name in &arguments.streams {
        serving.announce(name, is_json);
    }
    let ran = live::run(&input, streams, &options, &|event| print(&event, is_json));
    if ran.is_ok() {
        thread::sleep(Duration::from_secs(arguments.linger_s));
    }
    serving.stop();
    Ok(ran?)
}

/// The origin, on threads of its own.
struct Serving {
    runtime: Runtime,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    done: JoinHandle<std::io::Result<()>>,
}

impl Serving {
    fn start(listen: SocketAddr, origin: LiveOrigin) -> anyhow::Result<Self> {
        // Encoders have the other cores; an origin needs little of one.
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = runtime
            .block_on(TcpListener::bind(listen))
            .with_context(|| format!("cannot listen at {listen}; choose another address with --listen"))?;
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let done = runtime.spawn(async move {
            let stopped = async {
                // Where the sender is gone, so is the program.
                let _ = stopped.await;
            };
            origin.serve(listener, stopped).await
        });
        Ok(Self {
            runtime,
            address,
            stop,
            done,
        })
    }

    fn announce(&self, stream: &str, is_json: bool) {
        let url = format!("http://{}/live/{stream}/", self.address);
        let (hls, dash) = (format!("{url}hls/master.m3u8"), format!("{url}dash/manifest.mpd"));
        let line = match is_json {
            true => serde_json::json!({"event": "serving", "stream": stream, "hls": hls, "dash": dash})
                .to_string(),
            false => format!("{stream}: {hls}\n{stream}: {dash}"),
        };
        // Nobody listens: the streams go on.
        let _ = writeln!(std::io::stdout(), "{line}");
    }

    /// Answers under way are finished first.
    fn stop(self) {
        let _ = self.stop.send(());
        let _ = self
            .runtime
            .block_on(async { timeout(LAST_ANSWERS, self.done).await });
        self.runtime.shutdown_background();
    }
}

/// A stream's folder is named after it.
fn check_name(name: &str) -> anyhow::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    if !(1..=64).contains(&name.len()) || !name.chars().all(plain) {
        bail!("--stream {name:?}: use up to 64 letters, digits, - and _");
    }
    Ok(())
}

/// The keys by stream; none of them is in an error.
fn keys(arguments: &Live, input: &LiveInput) -> anyhow::Result<BTreeMap<String, StreamKey>> {
    let mut texts = BTreeMap::new();
    if let Some(path) = &arguments.stream_keys {
        let mut json = String::new();
        let read = File::open(path).and_then(|file| file.take(MAX_KEYS_BYTES).read_to_string(&mut json));
        read.with_context(|| format!("--stream-keys {}", path.display()))?;
        texts = serde_json::from_str(&json).map_err(|error| {
            anyhow::anyhow!(
                "--stream-keys {} line {} column {}: write {{\"NAME\":\"key\"}}",
                path.display(),
                error.line(),
                error.column()
            )
        })?;
    } else if let (Ok(text), [name]) = (std::env::var("HEADGATE_STREAM_KEY"), arguments.streams.as_slice())
        && !matches!(input, LiveInput::File { .. })
    {
        texts.insert(name.clone(), text);
    }
    let keys = texts.into_iter().map(|(name, text): (String, String)| {
        let key = StreamKey::new(&text).map_err(|reason| anyhow::anyhow!("the key of {name:?}: {reason}"))?;
        Ok((name, key))
    });
    keys.collect()
}

fn print(event: &LiveEvent, is_json: bool) {
    let line = match is_json {
        true => serde_json::to_string(event).ok(),
        false => line(event),
    };
    if let Some(line) = line {
        // Nobody listens: the streams go on.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}

/// For people; none for what comes every second.
fn line(event: &LiveEvent) -> Option<String> {
    Some(match event {
        LiveEvent::Listening { stream, address } => format!("{stream}: waiting for a publisher at {address}"),
        LiveEvent::Refused { stream, reason } => {
            let stream = stream.as_deref().unwrap_or("a publisher");
            format!("{stream}: refused: {reason}")
        }
        LiveEvent::Take {
            stream,
            renditions,
            frame_rate,
            part_ms,
            segment_ms,
            budget,
        } => {
            let rungs = renditions.iter();
            let rungs = rungs.map(|rung| format!("{} ({} kbit/s)", rung.name, rung.bandwidth / 1000));
            format!(
                "{stream}: {} at {frame_rate:.2} frames/s, segments of {segment_ms} ms in parts of {part_ms} ms\n\
                 {stream}: at least {} ms behind: {} for a frame, {} for a part, {} that a player keeps",
                rungs.collect::<Vec<_>>().join(", "),
                budget.total_ms(),
                budget.frame_ms,
                budget.part_ms,
                budget.hold_back_ms
            )
        }
        LiveEvent::Dropped {
            stream,
            renditions,
            reason,
        } => format!("{stream}: without {}: {reason}", renditions.join(", ")),
        LiveEvent::Overloaded { stream, reason } => format!("{stream}: too slow: {reason}"),
        LiveEvent::Paused { stream, reason } => format!("{stream}: paused: {reason}"),
        LiveEvent::Ended { stream } => format!("{stream}: over"),
        _ => return None,
    })
}

const MAX_KEYS_BYTES: u64 = 1 << 20;
/// For viewers to fetch what was the last.
const LAST_ANSWERS: Duration = Duration::from_secs(3);
