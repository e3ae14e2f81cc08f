//! A small world around the engine: a server, two source buffers and an element, on a virtual clock.
//!
//! Every request has its own line of constant rate. A segment's time range is read off its URL: `…/<n>.m4s` holds
//! `[(n - 1) · 4 s, n · 4 s)`.

#![allow(
    clippy::unwrap_used,
    dead_code,
    reason = "a test may panic, and each uses another part"
)]

mod cdm;
pub(crate) mod low_latency;

use std::collections::BTreeMap;
use std::time::Duration;

use cdm::Cdm;
use low_latency::{LowLatency, PARTS};
use player_core::abr::NetworkMemory;
use player_core::drm::KeyId;
use player_core::drm::cdm::Event as DrmEvent;
use player_core::input::{
    AppendFailure, Body, Decoding, Headers, Input, Integrity, Load, MediaState, NetworkFailure, RequestId,
    TrackKind,
};
use player_core::media::fmp4::Facts;
use player_core::output::{Append, DecodingConfig, Deliver, Fetch, Output, PlayerEvent};
use player_core::telemetry::schema::{Beacon, PlaybackState};
use player_core::time::ByteRange;
use player_core::time::TimeRange;
use player_core::{Config, Instant, MediaTime, Player};

pub(crate) const SEGMENT_S: i64 = 4;
pub(crate) const WALL_CLOCK_MS: u64 = 1_700_000_000_000;

#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) bytes: u64,
    pub(crate) content_type: &'static str,
    pub(crate) integrity: Integrity,
    /// Never answers.
    pub(crate) silent: bool,
    /// From a cache on this machine: there at once.
    pub(crate) cached: bool,
    /// Never connected.
    pub(crate) refused: bool,
    /// The connection breaks in the middle.
    pub(crate) breaks: bool,
    pub(crate) retry_after_s: Option<u32>,
    pub(crate) headers: Headers,
}

pub(crate) fn text(body: &str) -> Reply {
    Reply {
        bytes: body.len() as u64,
        body: body.into(),
        ..media(0)
    }
}

pub(crate) fn media(bytes: u64) -> Reply {
    let integrity = Integrity::Whole;
    Reply {
        status: 200,
        body: Vec::new(),
        bytes,
        content_type: "video/mp4",
        integrity,
        silent: false,
        cached: false,
        refused: false,
        breaks: false,
        retry_after_s: None,
        headers: Headers::default(),
    }
}

/// The answer to a request for a range.
fn part_of(reply: Reply, range: ByteRange) -> Reply {
    let (start, end) = (range.offset as usize, (range.offset + range.length) as usize);
    Reply {
        status: 206,
        bytes: range.length,
        body: reply.body.get(start..end).map_or(Vec::new(), <[u8]>::to_vec),
        ..reply
    }
}

pub(crate) fn status(status: u16) -> Reply {
    Reply { status, ..media(10) }
}

pub(crate) struct World {
    pub(crate) player: Player,
    pub(crate) now: Instant,
    pub(crate) files: BTreeMap<String, Reply>,
    /// Answers that are given once, before those of `files`.
    pub(crate) once: BTreeMap<String, Vec<Reply>>,
    pub(crate) bps: f64,
    pub(crate) latency: Duration,
    /// Every response begins with ten packets and doubles with each round trip, as a connection does that was idle.
    pub(crate) slow_start: bool,
    /// Segments can be appended while they are on their way.
    pub(crate) heads: bool,
    /// Bytes of requests that were appended before all of them were there, and what of them is in the parser of a source buffer.
    pub(crate) early: BTreeMap<RequestId, u64>,
    parsing: BTreeMap<TrackKind, (RequestId, u64)>,
    sizes: BTreeMap<RequestId, (u64, u64)>,
    /// Frames of 25 a second that are dropped, by rendition.
    pub(crate) dropping: BTreeMap<&'static str, u64>,
    pub(crate) fetched: Vec<String>,
    /// The same with everything, and when.
    pub(crate) fetches: Vec<(Instant, Fetch)>,
    /// URLs that begin like this are not answered: no connection.
    pub(crate) down: Vec<String>,
    /// Reports: URL and body.
    pub(crate) reports: Vec<(String, String)>,
    /// How well the machine decodes, if it says so.
    pub(crate) decodes: Option<fn(&DecodingConfig) -> Decoding>,
    /// The element halts so far before a hole.
    pub(crate) halts_short: MediaTime,
    /// The element goes on with the sound where there are no pictures.
    pub(crate) blind: bool,
    /// No request is answered any more, and none is refused.
    pub(crate) is_silent: bool,
    /// The pictures stand still here, though the element says that it can go on.
    pub(crate) frozen_at: Option<MediaTime>,
    pub(crate) cdm: Cdm,
    /// A live stream at `https://h/ll/`.
    pub(crate) low_latency: Option<LowLatency>,
    /// The playback rates that were asked for, and when.
    pub(crate) rates: Vec<(Instant, f64)>,
    /// The pictures and sound that cannot be shown without a key, by rendition, and since when the element waits for one.
    pub(crate) locked: BTreeMap<String, KeyId>,
    waiting_for_key: bool,
    /// What media say of their protection, by URL.
    pub(crate) facts: BTreeMap<String, Facts>,
    pub(crate) remembered: Vec<NetworkMemory>,
    pub(crate) events: Vec<PlayerEvent>,
    pub(crate) beacons: Vec<Beacon>,
    pub(crate) buffers: BTreeMap<TrackKind, Vec<TimeRange>>,
    pub(crate) refuse_appends: Vec<AppendFailure>,
    pub(crate) end_of_stream: bool,
    pub(crate) duration: MediaTime,
    pub(crate) element: MediaState,
    pub(crate) released: Vec<RequestId>,
    /// Media responses that the engine was told of.
    pub(crate) completed: Vec<RequestId>,
    /// Removals, with the playhead at that time.
    pub(crate) removed: Vec<(MediaTime, TimeRange)>,
    pub(crate) log: Vec<String>,
    urls: BTreeMap<RequestId, String>,
    coming: Vec<(Instant, u64, Input)>,
    order: u64,
    deadline: Option<Instant>,
    last_report: Instant,
    /// The video that was appended, newest last, and of which rendition.
    shown: Vec<(TimeRange, String)>,
    /// Frames, times a million.
    frames: (u64, u64),
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        Self::around(Player::new(config, Instant::ZERO))
    }

    pub(crate) fn around(player: Player) -> Self {
        Self {
            player,
            now: Instant::ZERO,
            files: BTreeMap::new(),
            once: BTreeMap::new(),
            bps: 8e6,
            latency: Duration::from_millis(50),
            slow_start: false,
            heads: false,
            early: BTreeMap::new(),
            parsing: BTreeMap::new(),
            sizes: BTreeMap::new(),
            dropping: BTreeMap::new(),
            fetched: Vec::new(),
            fetches: Vec::new(),
            down: Vec::new(),
            reports: Vec::new(),
            decodes: None,
            halts_short: MediaTime::ZERO,
            blind: false,
            is_silent: false,
            frozen_at: None,
            cdm: Cdm::default(),
            low_latency: None,
            rates: Vec::new(),
            locked: BTreeMap::new(),
            waiting_for_key: false,
            facts: BTreeMap::new(),
            remembered: Vec::new(),
            events: Vec::new(),
            beacons: Vec::new(),
            buffers: BTreeMap::new(),
            refuse_appends: Vec::new(),
            end_of_stream: false,
            duration: MediaTime::ZERO,
            element: MediaState::default(),
            released: Vec::new(),
            completed: Vec::new(),
            removed: Vec::new(),
            log: Vec::new(),
            urls: BTreeMap::new(),
            coming: Vec::new(),
            order: 0,
            deadline: None,
            last_report: Instant::ZERO,
            shown: Vec::new(),
            frames: (0, 0),
        }
    }

    /// Bytes of a segment of the streams.
    pub(crate) fn segment_bytes(&self, name: &str, n: usize) -> u64 {
        self.files[&format!("https://h/{name}/{n}.m4s")].bytes
    }

    /// Serves an HLS stream of `segments` segments in three renditions with separate audio, below `https://h/`.
    pub(crate) fn serve_hls(&mut self, segments: usize) -> &'static str {
        let mut master = String::from(
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"main\",DEFAULT=YES,URI=\"audio.m3u8\"\n",
        );
        for (name, kbps, height) in LADDER {
            master.push_str(&format!(
                "#EXT-X-STREAM-INF:BANDWIDTH={},CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION={}x{height},AUDIO=\"a\"\n{name}.m3u8\n",
                kbps * 1000,
                height * 16 / 9
            ));
            self.serve_playlist(name, segments);
        }
        self.serve_playlist("audio", segments);
        self.files.insert("https://h/master.m3u8".into(), text(&master));
        self.serve_segments(segments);
        "https://h/master.m3u8"
    }

    /// Serves the same stream as DASH with a file a rendition, whose segments are listed in the file.
    pub(crate) fn serve_single_files(&mut self, segments: usize) -> &'static str {
        let mut sets = String::new();
        for (kind, codecs, names) in [
            ("video", "avc1.64001f", &["low", "mid", "high"][..]),
            ("audio", "mp4a.40.2", &["audio"]),
        ] {
            sets.push_str(&format!(
                "<AdaptationSet contentType=\"{kind}\" mimeType=\"{kind}/mp4\" codecs=\"{codecs}\">"
            ));
            for name in names {
                let ladder = LADDER.iter().find(|(known, ..)| known == name);
                let (kbps, height) = ladder.map_or((128, 0), |(_, kbps, height)| (*kbps, *height));
                let bytes = kbps * 125 * SEGMENT_S as u32;
                let mut file = vec![0; 800];
                file.extend((32 + 12 * segments as u32).to_be_bytes());
                file.extend(b"sidx\0\0\0\0");
                for word in [1, 1000, 0, 0, segments as u32] {
                    file.extend(u32::to_be_bytes(word));
                }
                for _ in 0..segments {
                    for word in [bytes, SEGMENT_S as u32 * 1000, 0x9000_0000] {
                        file.extend(word.to_be_bytes());
                    }
                }
                let head = file.len();
                let reply = Reply {
                    bytes: head as u64 + u64::from(bytes) * segments as u64,
                    body: file,
                    ..media(0)
                };
                self.files.insert(format!("https://h/{name}.mp4"), reply);
                sets.push_str(&format!(
                    "<Representation id=\"{name}\" bandwidth=\"{}\" height=\"{height}\"><BaseURL>{name}.mp4</BaseURL>\
                     <SegmentBase indexRange=\"800-{}\"><Initialization range=\"0-799\"/></SegmentBase></Representation>",
                    kbps * 1000,
                    head - 1
                ));
            }
            sets.push_str("</AdaptationSet>");
        }
        let duration = segments as i64 * SEGMENT_S;
        let mpd = format!(
            "<MPD type=\"static\" mediaPresentationDuration=\"PT{duration}S\"><Period>{sets}</Period></MPD>"
        );
        self.files.insert("https://h/single.mpd".into(), text(&mpd));
        "https://h/single.mpd"
    }

    /// Serves the same stream as DASH.
    pub(crate) fn serve_dash(&mut self, segments: usize) -> &'static str {
        let duration = segments as i64 * SEGMENT_S;
        let template = format!(
            "<SegmentTemplate timescale=\"1000\" duration=\"{}\" media=\"$RepresentationID$/$Number$.m4s\" initialization=\"$RepresentationID$/init.mp4\"/>",
            SEGMENT_S * 1000
        );
        let mut sets = format!(
            "<AdaptationSet contentType=\"video\" mimeType=\"video/mp4\" codecs=\"avc1.64001f\">{template}"
        );
        for (name, kbps, height) in LADDER {
            sets.push_str(&format!(
                "<Representation id=\"{name}\" bandwidth=\"{}\" height=\"{height}\"/>",
                kbps * 1000
            ));
        }
        sets.push_str(&format!(
            "</AdaptationSet><AdaptationSet contentType=\"audio\" mimeType=\"audio/mp4\" codecs=\"mp4a.40.2\">{template}\
             <Representation id=\"audio\" bandwidth=\"128000\"/></AdaptationSet>"
        ));
        let mpd = format!(
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" mediaPresentationDuration=\"PT{duration}S\"><Period>{sets}</Period></MPD>"
        );
        self.files.insert("https://h/manifest.mpd".into(), text(&mpd));
        self.serve_segments(segments);
        "https://h/manifest.mpd"
    }

    fn serve_playlist(&mut self, name: &str, segments: usize) {
        let mut playlist =
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:{SEGMENT_S}\n#EXT-X-MAP:URI=\"{name}/init.mp4\"\n");
        for n in 1..=segments {
            playlist.push_str(&format!("#EXTINF:{SEGMENT_S},\n{name}/{n}.m4s\n"));
        }
        playlist.push_str("#EXT-X-ENDLIST\n");
        self.files
            .insert(format!("https://h/{name}.m3u8"), text(&playlist));
    }

    fn serve_segments(&mut self, segments: usize) {
        for (name, kbps) in LADDER
            .iter()
            .map(|(name, kbps, _)| (*name, *kbps))
            .chain([("audio", 128)])
        {
            self.files
                .insert(format!("https://h/{name}/init.mp4"), media(800));
            for n in 1..=segments {
                self.files.insert(
                    format!("https://h/{name}/{n}.m4s"),
                    media(kbps as u64 * 125 * SEGMENT_S as u64),
                );
            }
        }
    }

    pub(crate) fn load(&mut self, url: &str) {
        self.load_remembering(url, None);
    }

    /// Loads with what an earlier player remembered of the network.
    pub(crate) fn load_remembering(&mut self, url: &str, network_memory: Option<NetworkMemory>) {
        let load = Load {
            url: url.into(),
            wall_clock_ms: WALL_CLOCK_MS + self.now.as_micros() / 1000,
            network_memory,
            ..Load::default()
        };
        self.element = MediaState::default();
        self.frames = (0, 0);
        self.give(Input::Load(load));
    }

    pub(crate) fn play(&mut self) {
        self.element.paused = false;
        self.update_element();
        self.report();
    }

    pub(crate) fn pause(&mut self) {
        self.element.paused = true;
        self.report();
    }

    pub(crate) fn seek(&mut self, to_s: f64) {
        self.seek_element(MediaTime::from_secs_f64(to_s));
    }

    fn seek_element(&mut self, to: MediaTime) {
        self.element.position = to;
        self.element.seeking = true;
        self.element.ended = false;
        self.element.ready_state = 1;
        self.report();
        self.update_element();
    }

    pub(crate) fn state(&self) -> PlaybackState {
        let state = |e: &PlayerEvent| {
            if let PlayerEvent::State { state, .. } = e {
                Some(*state)
            } else {
                None
            }
        };
        self.events.iter().rev().find_map(state).unwrap_or_default()
    }

    pub(crate) fn errors(&self) -> Vec<String> {
        let error = |e: &PlayerEvent| {
            if let PlayerEvent::Error(e) = e {
                Some(e.to_string())
            } else {
                None
            }
        };
        self.events.iter().filter_map(error).collect()
    }

    /// Runs for so many seconds.
    pub(crate) fn run(&mut self, seconds: f64) {
        let until = self.now + Duration::from_secs_f64(seconds);
        let mut steps = 0;
        loop {
            steps += 1;
            assert!(
                steps < 200_000,
                "the engine does not come to rest at {:?}",
                self.now
            );
            let input = self.coming.iter().map(|(at, ..)| *at).min();
            let element = self.next_element_event();
            let next = [input, self.deadline, element]
                .into_iter()
                .flatten()
                .min()
                .filter(|at| *at <= until);
            let Some(next) = next else { break };
            self.advance(next.max(self.now));
            if input == Some(next) {
                let i = (0..self.coming.len())
                    .min_by_key(|i| (self.coming[*i].0, self.coming[*i].1))
                    .unwrap();
                let (_, _, input) = self.coming.remove(i);
                self.give(input);
            } else if element == Some(next) {
                self.update_element();
                self.report();
            } else {
                self.give(Input::Tick);
            }
        }
        self.advance(until);
        self.report();
    }

    fn playing(&self) -> bool {
        !self.element.paused && !self.element.seeking && !self.element.ended && self.element.ready_state >= 3
    }

    fn advance(&mut self, to: Instant) {
        if self.playing() {
            let dropping = self
                .rendition()
                .and_then(|name| self.dropping.get(name).copied())
                .unwrap_or(0);
            let us = to.since(self.now).as_micros() as u64;
            let moved = MediaTime::from_secs_f64(to.since(self.now).as_secs_f64() * self.element.rate);
            self.frames.0 += us * 25;
            self.frames.1 += us * dropping;
            self.element.decoded_frames = self.frames.0 / 1_000_000;
            self.element.dropped_frames = self.frames.1 / 1_000_000;
            let end = self.playable_end().unwrap_or(self.element.position);
            let frozen = self.frozen_at.filter(|at| self.element.position <= *at);
            let end = frozen.map_or(end, |at| end.min(at));
            self.element.position = (self.element.position + moved).min(end);
        }
        self.now = to;
    }

    /// The rendition under the playhead.
    pub(crate) fn rendition(&self) -> Option<&str> {
        let position = self.element.position;
        let shown = self
            .shown
            .iter()
            .rev()
            .find(|(range, _)| range.contains(position))?;
        Some(&shown.1)
    }

    /// The renditions of the video segments that were asked for since `from` requests, in order.
    pub(crate) fn video_since(&self, from: usize) -> Vec<&str> {
        let segments = self.fetched.iter().skip(from).filter(|u| u.ends_with(".m4s"));
        segments
            .filter_map(|u| u.strip_prefix("https://h/")?.split('/').next())
            .filter(|name| *name != "audio")
            .collect()
    }

    fn playable_end(&self) -> Option<MediaTime> {
        let p = self.element.position;
        // At the end of the stream what ends first goes on as silence or a still picture (MSE, HTMLMediaElement.buffered).
        let last = |ranges: &Vec<TimeRange>| ranges.last().map(|r| r.end);
        let longest = self.buffers.values().filter_map(last).max();
        let end = |ranges: &Vec<TimeRange>| {
            let of = |r: &TimeRange| match longest {
                Some(longest) if self.end_of_stream && last(ranges) == Some(r.end) => longest,
                _ => r.end,
            };
            ranges.iter().find(|r| r.start <= p && p < of(r)).map(of)
        };
        let kinds = self
            .buffers
            .iter()
            .filter(|(kind, _)| !self.blind || **kind == TrackKind::Audio);
        let end = kinds.map(|(_, ranges)| end(ranges)).collect::<Option<Vec<_>>>()?;
        let end = end.into_iter().min()?;
        let end = self.locked_from().map_or(end, |from| end.min(from.max(p)));
        if end <= p {
            return None;
        }
        let last = end + MediaTime::from_millis(1) >= self.duration;
        let halt = if last { end } else { end - self.halts_short };
        (halt > p).then_some(halt)
    }

    /// Where the first pictures ahead begin that no key is there for.
    fn locked_from(&self) -> Option<MediaTime> {
        let p = self.element.position;
        let shown = |at: MediaTime| self.shown.iter().rev().find(|(range, _)| range.contains(at));
        let is_locked = |name: &String| self.locked.get(name).is_some_and(|key| !self.cdm.has(*key));
        let ahead = self
            .shown
            .iter()
            .filter(|(range, name)| range.end > p && is_locked(name));
        let starts = ahead.map(|(range, _)| range.start.max(p));
        starts
            .filter(|at| shown(*at).is_some_and(|(_, name)| is_locked(name)))
            .min()
    }

    fn next_element_event(&self) -> Option<Instant> {
        if !self.playing() {
            return None;
        }
        let left = self.playable_end().map_or(Duration::ZERO, |end| {
            (end - self.element.position)
                .as_duration()
                .div_f64(self.element.rate)
        });
        Some(
            (self.now + left)
                .min(self.last_report + Duration::from_millis(250))
                .max(self.now),
        )
    }

    /// What the element makes of its buffers.
    fn update_element(&mut self) {
        let at_end = self.end_of_stream && self.element.position + MediaTime::from_millis(1) >= self.duration;
        let ahead = self.playable_end().is_some();
        self.element.ready_state = match (ahead, at_end) {
            (_, true) | (true, _) => 4,
            _ if self.buffers.is_empty() => 0,
            _ => 1.max(2 * u8::from(!self.element.seeking)),
        };
        if self.element.seeking && (ahead || at_end) {
            self.element.seeking = false;
        }
        self.element.ended = at_end && !self.element.paused;
        let waits =
            self.element.ready_state < 3 && self.locked_from().is_some_and(|at| at <= self.element.position);
        if waits && !std::mem::replace(&mut self.waiting_for_key, waits) {
            self.send(Duration::ZERO, Input::Drm(DrmEvent::WaitingForKey));
        }
        self.waiting_for_key = waits;
    }

    fn report(&mut self) {
        self.last_report = self.now;
        self.give(Input::Media(self.element));
    }

    pub(crate) fn give(&mut self, input: Input) {
        match &input {
            Input::Complete { request, .. } => self.completed.push(*request),
            Input::Progress { request, bytes } => self.sizes.get_mut(request).unwrap().0 = *bytes,
            _ => {}
        }
        self.log
            .push(serde_json::to_string(&player_core::record::Line::In(self.now, input.clone())).unwrap());
        self.player.handle_input(self.now, input);
        loop {
            let output = self.player.poll_output();
            self.log
                .push(serde_json::to_string(&player_core::record::Line::Out(output.clone())).unwrap());
            match output {
                Output::Wait(deadline) => {
                    self.deadline = deadline;
                    break;
                }
                output => self.act(output),
            }
        }
    }

    fn send(&mut self, after: Duration, input: Input) {
        self.order += 1;
        self.coming.push((self.now + after, self.order, input));
    }

    fn act(&mut self, output: Output) {
        match output {
            Output::Fetch(fetch) => {
                self.fetched.push(fetch.url.clone());
                self.fetches.push((self.now, fetch.clone()));
                self.urls.insert(fetch.request, self.name_of(&fetch));
                let chunks = self.low_latency.as_ref();
                if let Some((times, bytes)) = chunks.and_then(|live| live.chunks(self.now, &fetch.url)) {
                    return self.answer_chunks(&fetch, &times, bytes);
                }
                let live = self
                    .low_latency
                    .as_ref()
                    .and_then(|live| live.answer(self.now, &fetch.url));
                if let Some((hold, reply)) = live {
                    let usual = self.latency;
                    self.latency += hold;
                    self.answer(fetch.request, fetch.deliver, reply);
                    self.latency = usual;
                    return;
                }
                let once = self
                    .once
                    .get_mut(&fetch.url)
                    .filter(|q| !q.is_empty())
                    .map(|q| q.remove(0));
                let reply = once
                    .or_else(|| self.files.get(&fetch.url).cloned())
                    .or_else(|| self.files.get(fetch.url.split('?').next()?).cloned())
                    .unwrap_or(status(404));
                let refused = reply.refused || self.down.iter().any(|down| fetch.url.starts_with(down));
                if refused {
                    let reason = NetworkFailure::Connection("refused".into());
                    let request = fetch.request;
                    return self.send(self.latency, Input::Failed { request, reason });
                }
                let reply = match fetch.range {
                    Some(range) if reply.status == 200 => part_of(reply, range),
                    _ => reply,
                };
                self.answer(fetch.request, fetch.deliver, reply);
            }
            Output::Cancel { request } => self.coming.retain(|(_, _, input)| about(input) != Some(request)),
            Output::Drm(command) => {
                let latency = self.cdm.latency;
                for input in self.cdm.act(command) {
                    self.send(latency, input);
                }
            }
            Output::OpenSource => self.send(Duration::from_millis(5), Input::SourceOpened),
            Output::CloseSource => {
                self.shown.clear();
                self.buffers.clear();
                self.parsing.clear();
                self.end_of_stream = false;
                self.coming
                    .retain(|(_, _, input)| !matches!(input, Input::Appended { .. } | Input::Removed { .. }));
            }
            Output::ProbeDecoding { request, configs } => {
                if let Some(decodes) = self.decodes {
                    let answers = configs.iter().map(decodes).collect();
                    self.send(Duration::from_millis(7), Input::Decoding { request, answers });
                }
            }
            Output::ProbeTypes { types } => self.send(Duration::ZERO, Input::TypesSupported(types)),
            Output::CreateBuffer { kind, .. } => {
                self.buffers.insert(kind, Vec::new());
            }
            Output::SetDuration { duration } => self.duration = duration,
            Output::Append(append) => {
                let kind = append.kind;
                if let Some(reason) = self.refuse_appends.pop() {
                    let buffered = self.buffers[&kind].clone();
                    return self.send(
                        Duration::from_millis(1),
                        Input::AppendFailed {
                            kind,
                            reason,
                            buffered,
                        },
                    );
                }
                self.end_of_stream = false;
                let (from, to) = self.parse(&append);
                let url = self.urls[&append.request].clone();
                let name = url.rsplit('/').next().unwrap_or_default();
                let numbers = name
                    .strip_suffix(".m4s")
                    .map(|n| n.split('.').map(str::parse::<i64>));
                let numbers: Vec<i64> = numbers.into_iter().flatten().filter_map(Result::ok).collect();
                if let Some(n) = numbers.first() {
                    let part = numbers
                        .get(1)
                        .map_or((0.0, 1.0), |part| (*part as f64 / PARTS as f64, PARTS as f64));
                    let ms =
                        |share: f64| ((n - 1) as f64 + part.0 + share / part.1) * (SEGMENT_S * 1000) as f64;
                    let at = |share: f64| MediaTime::from_millis(ms(share) as i64);
                    let range = TimeRange::new(at(from), at(to));
                    add(self.buffers.get_mut(&kind).unwrap(), range);
                    if kind == TrackKind::Video {
                        let name = url.rsplit('/').nth(1).unwrap_or_default().to_owned();
                        self.shown.push((range, name));
                    }
                }
                let buffered = self.buffers[&kind].clone();
                self.send(Duration::from_millis(1), Input::Appended { kind, buffered });
                self.element_changed();
            }
            Output::Remove { kind, range } => {
                self.end_of_stream = false;
                self.removed.push((self.element.position, range));
                let ranges = self.buffers.get_mut(&kind).unwrap();
                *ranges = ranges.iter().flat_map(|r| cut(*r, range)).collect();
                let buffered = ranges.clone();
                self.send(Duration::from_millis(1), Input::Removed { kind, buffered });
            }
            Output::EndOfStream => {
                self.end_of_stream = true;
                self.element_changed();
            }
            Output::Seek { to } => {
                self.element.position = to;
                self.element.seeking = true;
                self.element.ready_state = 1;
                self.element_changed();
            }
            Output::SetRate { rate } => {
                self.rates.push((self.now, rate));
                self.element.rate = rate;
            }
            Output::Remember(memory) => self.remembered.push(memory),
            Output::Release { request } => self.released.push(request),
            Output::Report { url, body, .. } => self.reports.push((url, body)),
            Output::Event(event) => self.events.push(event),
            Output::Beacon(beacon) => self.beacons.push(*beacon),
            _ => {}
        }
    }

    /// Which part of a response is appended; a source buffer takes the beginning first, and then the rest.
    fn parse(&mut self, append: &Append) -> (f64, f64) {
        let (kind, request) = (append.kind, append.request);
        if append.reset {
            self.parsing.remove(&kind);
        }
        let complete = self.completed.contains(&request);
        let (arrived, total) = self.sizes[&request];
        let held = if complete { total } else { arrived };
        let (offset, length) = append.bytes.map_or((0, total), |part| (part.offset, part.length));
        let before = self.parsing.remove(&kind).unwrap_or((request, 0));
        assert_eq!(before, (request, offset), "a segment is cut");
        let end = offset + length;
        assert!(end <= held, "{end} of {held} bytes");
        if end < total {
            self.parsing.insert(kind, (request, end));
        }
        if !complete {
            self.early.insert(request, end);
        }
        (offset as f64 / total as f64, end as f64 / total as f64)
    }

    /// The URL, or what it would be if each segment were a file.
    fn name_of(&self, fetch: &Fetch) -> String {
        let parts = fetch
            .url
            .strip_suffix(".mp4")
            .zip(fetch.range)
            .zip(self.files.get(&fetch.url));
        match parts {
            Some(((name, range), file)) if range.offset >= file.body.len() as u64 => {
                let n = (range.offset - file.body.len() as u64) / range.length + 1;
                format!("{name}/{n}.m4s")
            }
            _ => fetch.url.split('?').next().unwrap_or_default().to_owned(),
        }
    }

    fn element_changed(&mut self) {
        let before = self.element;
        self.update_element();
        if before != self.element || self.element.seeking {
            let state = self.element;
            self.send(Duration::from_millis(2), Input::Media(state));
        }
    }

    /// An answer that comes as it is made.
    fn answer_chunks(&mut self, fetch: &Fetch, times: &[Duration], bytes: u64) {
        assert!(fetch.chunks, "{} is being made", fetch.url);
        let request = fetch.request;
        let total = bytes * times.len() as u64;
        self.sizes.insert(request, (0, total));
        let response = Input::Response {
            request,
            status: 200,
            url: None,
            content_type: Some("video/mp4".into()),
            content_length: None,
            retry_after_s: None,
            headers: Headers::default(),
        };
        self.send(self.latency, response);
        let took = Duration::from_secs_f64(bytes as f64 * 8.0 / self.bps);
        let mut line = Duration::ZERO;
        for (i, time) in times.iter().enumerate() {
            line = line.max(*time) + took;
            let end = bytes * (i + 1) as u64;
            self.send(self.latency + line, Input::Progress { request, bytes: end });
            if i == 0 {
                let media = Box::default();
                self.send(self.latency + line, Input::Head { request, media });
            }
            let took_us = took.as_micros() as u64;
            self.send(
                self.latency + line,
                Input::Chunk {
                    request,
                    end,
                    bytes,
                    took_us,
                },
            );
        }
        let complete = Input::Complete {
            request,
            bytes: total,
            integrity: Integrity::Whole,
            cached: false,
            media: None,
        };
        self.send(self.latency + line, complete);
    }

    fn answer(&mut self, request: RequestId, deliver: Deliver, reply: Reply) {
        if reply.silent || self.is_silent {
            return;
        }
        let response = Input::Response {
            request,
            status: reply.status,
            url: None,
            content_type: Some(reply.content_type.into()),
            content_length: Some(reply.bytes),
            retry_after_s: reply.retry_after_s,
            headers: reply.headers,
        };
        let latency = if reply.cached {
            Duration::ZERO
        } else {
            self.latency
        };
        self.send(latency, response);
        self.sizes.insert(request, (0, reply.bytes));
        let mut end = Duration::from_secs_f64(reply.bytes as f64 * 8.0 / self.bps);
        if reply.cached {
            end = Duration::from_millis(2);
        } else if self.slow_start {
            let (mut bytes, mut flight) = (14_600, 14_600.0);
            end = Duration::ZERO;
            while bytes < reply.bytes {
                self.send(latency + end, Input::Progress { request, bytes });
                flight *= 2.0;
                let most = self.bps / 8.0 * latency.as_secs_f64();
                bytes += f64::min(flight, most) as u64;
                end += latency;
            }
        }
        let step = Duration::from_millis(if self.heads { 50 } else { 250 });
        let mut t = step;
        while t < end && !self.slow_start {
            let bytes = (t.as_secs_f64() * self.bps / 8.0) as u64;
            self.send(latency + t, Input::Progress { request, bytes });
            if self.heads && t == step && deliver == Deliver::Handle {
                let media = Box::default();
                self.send(latency + t, Input::Head { request, media });
            }
            t += step;
        }
        if reply.breaks {
            let reason = NetworkFailure::Connection("broken".into());
            return self.send(latency + end, Input::Failed { request, reason });
        }
        let input = match deliver {
            Deliver::Body => Input::Body {
                request,
                body: Body(reply.body),
            },
            Deliver::Handle => Input::Complete {
                request,
                bytes: reply.bytes,
                integrity: reply.integrity,
                cached: reply.cached,
                media: self
                    .urls
                    .get(&request)
                    .and_then(|url| self.facts.get(url))
                    .cloned()
                    .map(Box::new),
            },
        };
        self.send(latency + end, input);
    }
}

pub(crate) const LADDER: [(&str, u32, u32); 3] =
    [("low", 600, 360), ("mid", 2000, 720), ("high", 5000, 1080)];

fn about(input: &Input) -> Option<RequestId> {
    match input {
        Input::Response { request, .. }
        | Input::Progress { request, .. }
        | Input::Head { request, .. }
        | Input::Body { request, .. }
        | Input::Complete { request, .. }
        | Input::Failed { request, .. } => Some(*request),
        _ => None,
    }
}

fn add(ranges: &mut Vec<TimeRange>, new: TimeRange) {
    ranges.push(new);
    ranges.sort_by_key(|r| r.start);
    let mut merged: Vec<TimeRange> = Vec::new();
    for r in ranges.drain(..) {
        match merged.last_mut() {
            Some(last) if r.start <= last.end => last.end = last.end.max(r.end),
            _ => merged.push(r),
        }
    }
    *ranges = merged;
}

fn cut(r: TimeRange, hole: TimeRange) -> Vec<TimeRange> {
    let parts = [
        TimeRange::new(r.start, r.end.min(hole.start)),
        TimeRange::new(r.start.max(hole.end), r.end),
    ];
    parts
        .into_iter()
        .filter(|p| p.duration() > MediaTime::ZERO)
        .collect()
}
