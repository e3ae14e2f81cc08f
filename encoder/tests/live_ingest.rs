//! Publishers by RTMP and SRT: Debian's `ffmpeg` command, or whichever is there.
#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/live.rs"]
mod live;

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use common::run_ffmpeg;
use encoder::live::{LiveError, LiveEvent, LiveInput, LiveOptions, LiveStream, StreamKey, run};
use live::{Collector, Told, options};

const KEY: &str = "sesame-4711-open";
const OTHER_KEY: &str = "sesame-0815-shut";
const SOURCE: &str = "-re -f lavfi -i testsrc2=s=320x180:r=25";
const SOUND: &str = "-re -f lavfi -i sine=440:r=44100";
const CODING: &str = "-c:v libx264 -preset ultrafast -tune zerolatency -g 25 -pix_fmt yuv420p -c:a aac";

/// An `ffmpeg` that publishes; it is ended with the test.
struct Publisher(Child);

impl Publisher {
    fn new(arguments: &str) -> Self {
        let child = Command::new("ffmpeg")
            .args(["-nostdin", "-v", "error"])
            .args(arguments.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// What it says when it ends by itself.
    fn wait(mut self) -> (bool, String) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.0.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "a publisher does not end");
            thread::sleep(Duration::from_millis(20));
        }
        let status = self.0.wait().unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(self.0.stderr.as_mut().unwrap(), &mut text).unwrap();
        (status.success(), text)
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A live encoder with the streams "one" and "two" that runs until it is dropped.
struct Running {
    options: LiveOptions,
    told: Arc<Told>,
    thread: Option<thread::JoinHandle<Result<(), LiveError>>>,
}

impl Running {
    fn start(input: LiveInput, streams: &[(&str, &str, &Arc<Collector>)]) -> Self {
        let options = options("180p:200k,audio:64k");
        let told = Arc::new(Told::default());
        let streams = streams.iter().map(|(name, key, sink)| LiveStream {
            name: (*name).to_owned(),
            key: Some(StreamKey::new(key).unwrap()),
            sink: Arc::clone(sink) as Arc<_>,
        });
        let streams: Vec<_> = streams.collect();
        let (running, hearing) = (options.clone(), Arc::clone(&told));
        let thread = thread::spawn(move || run(&input, streams, &running, &|event| hearing.tell(event)));
        Self {
            options,
            told,
            thread: Some(thread),
        }
    }

    fn rtmp(streams: &[(&str, &str, &Arc<Collector>)]) -> (Self, String) {
        let running = Self::start("rtmp://127.0.0.1:0/live".parse().unwrap(), streams);
        let address = running.until("listening", |event| match event {
            LiveEvent::Listening { address, .. } => Some(address.clone()),
            _ => None,
        });
        (running, address)
    }

    /// Waits for an event.
    fn until<T>(&self, what: &str, find: impl Fn(&LiveEvent) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(found) = self.told.all().iter().find_map(&find) {
                return found;
            }
            assert!(Instant::now() < deadline, "not {what}: {:?}", self.told.all());
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn stop(mut self) -> Vec<LiveEvent> {
        self.options.cancel.cancel();
        self.thread.take().unwrap().join().unwrap().unwrap();
        let told = self.told.all();
        let text = format!("{told:?}");
        assert!(!text.contains("sesame"), "a key was told: {text}");
        told
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.options.cancel.cancel();
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_so() {
        assert!(Instant::now() < deadline, "not {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn has_protocol(name: &str) -> bool {
    let all = run_ffmpeg("-hide_banner -protocols");
    let is_there = all.lines().any(|line| line.trim() == name);
    if !is_there {
        eprintln!("skipped: ffmpeg here has no {name}");
    }
    is_there
}

#[test]
fn rtmp_publishers_are_known_by_their_keys_and_may_come_back() {
    if !has_protocol("rtmp") {
        return;
    }
    let (one, two) = (Collector::new(), Collector::new());
    let (running, address) = Running::rtmp(&[("one", KEY, &one), ("two", OTHER_KEY, &two)]);
    let publish = |seconds: f64, key: &str| {
        Publisher::new(&format!(
            "{SOURCE} {SOUND} -t {seconds} {CODING} -f flv {address}/{key}"
        ))
    };

    let (is_taken, said) = publish(5.0, "sesame-9999-none").wait();
    assert!(
        !is_taken && said.contains("No stream here has this key"),
        "{said}"
    );

    let first = publish(8.0, KEY);
    until("a take", || !one.takes().is_empty());
    let (is_taken, said) = publish(5.0, KEY).wait();
    assert!(!is_taken && said.contains("has a publisher already"), "{said}");
    // The other stream is free.
    let (is_taken, said) = publish(2.0, OTHER_KEY).wait();
    assert!(is_taken, "{said}");
    assert!(first.wait().0);
    until("a pause", || one.takes().iter().all(|kept| kept.is_over));

    let (is_taken, said) = publish(4.0, KEY).wait();
    assert!(is_taken, "{said}");
    until("a second take", || {
        one.takes().len() == 2 && one.takes()[1].is_over
    });
    let told = running.stop();
    let refused: Vec<_> = told
        .iter()
        .filter_map(|event| match event {
            LiveEvent::Refused { stream, .. } => Some(stream.as_deref()),
            _ => None,
        })
        .collect();
    assert_eq!(refused, [None, Some("one")]);

    let takes = one.takes();
    assert_eq!(
        (takes.len(), two.takes().len(), one.ends(), two.ends()),
        (2, 1, 1, 1)
    );
    for (kept, seconds) in takes.iter().zip([8.0, 4.0]) {
        kept.check();
        // Less what was sent while the publisher was looked at.
        let apart = seconds - kept.seconds(0);
        assert!((-0.1..2.5).contains(&apart), "{apart}");
        let sound_apart = kept.seconds(0) - kept.seconds(1);
        assert!(sound_apart.abs() < 0.7, "{sound_apart}");
    }
    // The second was captured after the first ended.
    let first_end = takes[0].take.wall + Duration::from_secs_f64(takes[0].seconds(0));
    assert!(takes[1].take.wall > first_end);
}

#[test]
fn a_jump_of_the_publishers_clock_begins_another_take() {
    if !has_protocol("rtmp") {
        return;
    }
    let one = Collector::new();
    let (running, address) = Running::rtmp(&[("one", KEY, &one)]);
    let jump = "if(gte(T\\,4)\\,PTS+100/TB\\,PTS)";
    let publisher = Publisher::new(&format!(
        "{SOURCE} {SOUND} -t 8 -vf setpts={jump} -af asetpts={jump} -vsync passthrough {CODING} -t 1000 \
         -f flv {address}/{KEY}"
    ));
    until("two takes", || one.takes().len() == 2 && one.seconds(1) > 1.5);
    drop(publisher);
    until("a pause", || one.takes().iter().all(|kept| kept.is_over));
    running.stop();
    let takes = one.takes();
    assert_eq!(takes.len(), 2);
    takes.iter().for_each(live::Kept::check);
    // The wall clock did not jump.
    let gap = takes[1].take.wall.duration_since(takes[0].take.wall).unwrap();
    assert!(gap < Duration::from_secs(20), "{gap:?}");
}

#[test]
fn a_publisher_without_sound_has_silence() {
    if !has_protocol("rtmp") {
        return;
    }
    let one = Collector::new();
    let (running, address) = Running::rtmp(&[("one", KEY, &one)]);
    let (is_taken, said) = Publisher::new(&format!("{SOURCE} -t 5 {CODING} -f flv {address}/{KEY}")).wait();
    assert!(is_taken, "{said}");
    until("a pause", || one.takes().first().is_some_and(|kept| kept.is_over));
    running.stop();
    let kept = &one.takes()[0];
    kept.check();
    assert_eq!(kept.take.tracks.len(), 2);
    let apart = kept.seconds(0) - kept.seconds(1);
    assert!(apart.abs() < 0.3, "{apart}");
}

#[test]
fn srt_publishers_need_the_key_and_may_come_back() {
    if !has_protocol("srt") {
        return;
    }
    let one = Collector::new();
    let port = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let running = Running::start(LiveInput::Srt { address }, &[("one", KEY, &one)]);
    running.until("listening", |event| {
        matches!(event, LiveEvent::Listening { .. }).then_some(())
    });
    let publish = |seconds: f64, key: &str| {
        Publisher::new(&format!(
            "{SOURCE} {SOUND} -t {seconds} {CODING} -f mpegts srt://{address}?passphrase={key}&connect_timeout=2000"
        ))
    };
    assert!(!publish(3.0, OTHER_KEY).wait().0);
    assert!(one.takes().is_empty());
    for round in 1..=2 {
        let (is_taken, said) = publish(5.0, KEY).wait();
        assert!(is_taken, "{said}");
        until("a take", || {
            one.takes().len() == round && one.takes().iter().all(|kept| kept.is_over)
        });
    }
    running.stop();
    for kept in one.takes() {
        kept.check();
        assert!(kept.seconds(0) > 2.0, "{}", kept.seconds(0));
    }
    assert_eq!(one.ends(), 1);
}

#[test]
fn a_clock_of_33_bits_that_wraps_goes_on() {
    if !has_protocol("srt") {
        return;
    }
    let one = Collector::new();
    let port = UdpSocket::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let running = Running::start(LiveInput::Srt { address }, &[("one", KEY, &one)]);
    running.until("listening", |event| {
        matches!(event, LiveEvent::Listening { .. }).then_some(())
    });
    // 2^33 ticks of 90 kHz are 95,443.7 s.
    let (is_taken, said) = Publisher::new(&format!(
        "{SOURCE} {SOUND} -t 9 {CODING} -output_ts_offset 95438 -f mpegts \
         srt://{address}?passphrase={KEY}&connect_timeout=5000"
    ))
    .wait();
    assert!(is_taken, "{said}");
    until("a pause", || one.takes().first().is_some_and(|kept| kept.is_over));
    running.stop();
    let takes = one.takes();
    assert_eq!(takes.len(), 1);
    takes[0].check();
    assert!(takes[0].seconds(0) > 6.5, "{}", takes[0].seconds(0));
}

#[test]
fn who_talks_nonsense_or_nothing_is_let_go() {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    let one = Collector::new();
    let (running, address) = Running::rtmp(&[("one", KEY, &one)]);
    let host = address
        .trim_start_matches("rtmp://")
        .split('/')
        .next()
        .unwrap()
        .to_owned();
    for nonsense in [
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        [&[3][..], &[0xff; 6000]].concat(),
    ] {
        let mut socket = TcpStream::connect(&host).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // It may be gone before all is sent.
        let _ = socket.write_all(&nonsense);
        let mut answer = Vec::new();
        let ended = socket.read_to_end(&mut answer);
        assert!(ended.is_ok() || ended.unwrap_err().kind() == std::io::ErrorKind::ConnectionReset);
    }
    running.stop();
    assert!(one.takes().is_empty());
}

#[test]
fn streams_and_keys_that_do_not_fit_are_refused() {
    let refused = |input: &str, streams: &[(&str, Option<&str>)]| {
        let streams = streams.iter().map(|(name, key)| LiveStream {
            name: (*name).to_owned(),
            key: key.map(|key| StreamKey::new(key).unwrap()),
            sink: Collector::new(),
        });
        let input: LiveInput = match input.parse() {
            Ok(input) => input,
            Err(error) => return LiveError::to_string(&error),
        };
        let options = options("180p:200k");
        run(&input, streams.collect(), &options, &|_| {})
            .unwrap_err()
            .to_string()
    };
    let rtmp = "rtmp://127.0.0.1:0/live";
    for (input, streams, reason) in [
        (rtmp, &[("a", None)][..], "no key"),
        (rtmp, &[], "at least one"),
        (rtmp, &[("a", Some(KEY)), ("b", Some(KEY))], "one key"),
        (rtmp, &[("a", Some(KEY)), ("a", Some(OTHER_KEY))], "one name"),
        ("clip.mp4", &[("a", None), ("b", None)], "one stream"),
        ("srt://127.0.0.1:0", &[("a", Some(KEY))], "needs a port"),
        (
            "rtmp://127.0.0.1:1/live/sesame-secret",
            &[("a", Some(KEY))],
            "plain name",
        ),
        (
            "srt://127.0.0.1:1?passphrase=sesame",
            &[("a", Some(KEY))],
            "given apart",
        ),
        (
            "rtmp://192.0.2.1:1/live",
            &[("a", Some(KEY))],
            "cannot be listened on",
        ),
        ("http://127.0.0.1/a.mp4", &[("a", Some(KEY))], "rtmp://…"),
    ] {
        let error = refused(input, streams);
        assert!(error.contains(reason), "{input}: {error}");
        assert!(!error.contains("sesame"), "{error}");
    }
}
