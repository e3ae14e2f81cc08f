//! What the player's engine makes of an output: the quality of segments, from the manifests to whoever chooses renditions.
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::Bench;
use encoder::vod;
use player_core::abr::{Abr, Context, Download, Flight, Progress};
use player_core::input::{Body, Input, Integrity, Load, MediaState, RequestId, TrackKind};
use player_core::output::{Deliver, Fetch, Output, PlayerEvent};
use player_core::time::TimeRange;
use player_core::{Bitrate, Config, Instant, MediaTime, Player};
use serde_json::Value;

const BASE: &str = "https://h/films/a/";
const SEGMENTS: usize = 6;

/// What is known of the segments to come, by rung: how many are left, and bytes and quality of each.
type Known = (usize, Vec<Vec<(Option<u64>, Option<f64>)>>);

/// Always chooses the lowest rung, and notes what it is told.
struct Spy(Arc<Mutex<Vec<Known>>>);

impl Abr for Spy {
    fn name(&self) -> &str {
        "spy"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, _: &Download) {}

    fn choose(&mut self, context: &Context<'_>) -> usize {
        // Before it has seen a media playlist, it does not know how many there are.
        let Some(left) = context.remaining else {
            return 0;
        };
        let of = |rung| {
            let known = (0..left).map(|ahead| {
                (
                    context.upcoming.bytes(rung, ahead),
                    context.upcoming.quality(rung, ahead),
                )
            });
            known.collect()
        };
        let known = (0..context.ladder.len()).map(of).collect();
        self.0.lock().unwrap().push((left, known));
        0
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        None
    }
}

/// A player whose network is a folder, and whose element plays what it is given.
struct Drive {
    player: Player,
    folder: PathBuf,
    now: Instant,
    deadline: Option<Instant>,
    inputs: Vec<Input>,
    urls: HashMap<RequestId, String>,
    buffers: BTreeMap<TrackKind, Vec<TimeRange>>,
    element: MediaState,
    errors: Vec<String>,
}

impl Drive {
    /// Plays for some seconds.
    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds * 20 {
            self.now = self.now + STEP;
            for input in std::mem::take(&mut self.inputs) {
                self.give(input);
            }
            let at = self.element.position;
            let has_more = |ranges: &Vec<TimeRange>| ranges.iter().any(|range| range.contains(at));
            let is_fed = !self.buffers.is_empty() && self.buffers.values().all(has_more);
            self.element.ready_state = if is_fed { 4 } else { 1 };
            if is_fed {
                self.element.position = at + STEP.into();
            }
            self.give(Input::Media(self.element));
            if self.deadline.is_some_and(|deadline| deadline <= self.now) {
                self.give(Input::Tick);
            }
        }
    }

    fn give(&mut self, input: Input) {
        self.player.handle_input(self.now, input);
        loop {
            match self.player.poll_output() {
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    return;
                }
                Output::Fetch(fetch) => self.fetch(fetch),
                Output::OpenSource => self.inputs.push(Input::SourceOpened),
                Output::ProbeTypes { types } => self.inputs.push(Input::TypesSupported(types)),
                Output::CreateBuffer { kind, .. } => {
                    self.buffers.insert(kind, Vec::new());
                }
                Output::Append(append) => {
                    let buffer = self.buffers.get_mut(&append.kind).unwrap();
                    let url = &self.urls[&append.request];
                    let file = url.rsplit('/').next().unwrap();
                    if let Some(number) = file.strip_suffix(".m4s") {
                        let start: i64 = (number.parse::<i64>().unwrap() - 1) * 1000;
                        let [start, end] = [start, start + 1000].map(MediaTime::from_millis);
                        match buffer.last_mut() {
                            Some(last) if last.end == start => last.end = end,
                            _ => buffer.push(TimeRange::new(start, end)),
                        }
                    }
                    let buffered = buffer.clone();
                    self.inputs.push(Input::Appended {
                        kind: append.kind,
                        buffered,
                    });
                }
                Output::Event(PlayerEvent::Error(error)) => self.errors.push(format!("{error:?}")),
                _ => {}
            }
        }
    }

    fn fetch(&mut self, fetch: Fetch) {
        let name = fetch.url.strip_prefix(BASE).unwrap().to_owned();
        let mut bytes = fs::read(self.folder.join(name)).unwrap();
        if let Some(range) = fetch.range {
            bytes = bytes[range.offset as usize..][..range.length as usize].to_vec();
        }
        let request = fetch.request;
        self.urls.insert(request, fetch.url);
        self.inputs.push(Input::Response {
            request,
            status: if fetch.range.is_some() { 206 } else { 200 },
            url: None,
            content_type: None,
            content_length: Some(bytes.len() as u64),
            retry_after_s: None,
            headers: Default::default(),
        });
        self.inputs.push(match fetch.deliver {
            Deliver::Body => Input::Body {
                request,
                body: Body(bytes),
            },
            Deliver::Handle => Input::Complete {
                request,
                bytes: bytes.len() as u64,
                integrity: Integrity::Whole,
                cached: false,
                media: None,
            },
        });
    }
}

/// Plays a manifest of an output; what was known at each choice, and what went wrong.
fn play(folder: &Path, manifest: &str) -> (Vec<Known>, Vec<String>) {
    let told = Arc::default();
    let spy = Box::new(Spy(Arc::clone(&told)));
    let mut drive = Drive {
        player: Player::with_abr(Config::default(), spy, Instant::ZERO),
        folder: folder.to_owned(),
        now: Instant::ZERO,
        deadline: None,
        inputs: Vec::new(),
        urls: HashMap::new(),
        buffers: BTreeMap::new(),
        element: MediaState {
            paused: false,
            ..MediaState::default()
        },
        errors: Vec::new(),
    };
    drive.give(Input::Load(Load {
        url: format!("{BASE}{manifest}"),
        ..Load::default()
    }));
    drive.run(SEGMENTS as u32 + 4);
    let told = told.lock().unwrap().clone();
    (told, drive.errors)
}

#[test]
fn whoever_chooses_renditions_knows_the_quality_of_every_segment() {
    let bench = Bench::new();
    let source = bench.sample(SEGMENTS as u32, 160, 90);
    let mut options = bench.options(&source, "90p:200k,60p:30k,audio:48k");
    options.segment_s = 1.0;
    options.measure = true;
    options.pictures = false;
    vod::encode(&options, &mut |_| {}).unwrap();
    let out = bench.path("out");
    let table: Value = serde_json::from_slice(&fs::read(out.join("segments.json")).unwrap()).unwrap();
    // The lowest first, as the engine counts.
    let expected = ["60p", "90p"].map(|name| {
        let rows = table["renditions"].as_array().unwrap();
        let row = rows.iter().find(|row| row["dash"] == name).unwrap();
        let column = |name: &str| row[name].as_array().unwrap().clone();
        let cells = column("bytes").into_iter().zip(column("quality"));
        let cells = cells.map(|(bytes, quality)| (bytes.as_u64(), quality.as_f64()));
        cells.collect::<Vec<_>>()
    });
    assert!(expected.iter().all(|row| row.len() == SEGMENTS));
    let means = expected
        .each_ref()
        .map(|row| row.iter().map(|(_, quality)| quality.unwrap()).sum::<f64>());
    assert!(means[1] > means[0], "{expected:?}");

    for manifest in ["hls/master.m3u8", "dash/manifest.mpd"] {
        let (told, errors) = play(&out, manifest);
        assert_eq!(errors, Vec::<String>::new(), "{manifest}");
        // The table is fetched after the first segment, and all choices after that know it.
        let informed: Vec<&Known> = told.iter().filter(|(_, known)| known[0][0].1.is_some()).collect();
        let first = told
            .iter()
            .position(|(_, known)| known[0][0].1.is_some())
            .unwrap();
        assert_eq!(
            informed.len(),
            told.len() - first,
            "{manifest}: it is not forgotten"
        );
        assert!(first > 0 && informed.len() >= 3, "{manifest}: {told:?}");
        assert!(
            informed.iter().any(|(left, _)| *left == 1),
            "{manifest}: to the end"
        );
        for (left, known) in informed {
            for (rung, row) in known.iter().enumerate() {
                let to_come = &expected[rung][SEGMENTS - left..];
                for ((bytes, quality), (tabled_bytes, tabled)) in row.iter().zip(to_come) {
                    assert_eq!(bytes, tabled_bytes, "{manifest}, rung {rung}, {left} left");
                    let off = quality.unwrap() - tabled.unwrap();
                    assert!(off.abs() < 0.001, "{manifest}, rung {rung}, {left} left");
                }
            }
        }
    }
}

const STEP: Duration = Duration::from_millis(50);
