//! A sink that keeps what it is given, and readers of that.
#![allow(clippy::unwrap_used, dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use encoder::live::{
    self, LiveError, LiveEvent, LiveInput, LiveOptions, LiveSink, LiveStream, Part, Take, TrackKeys,
    TrackKind,
};
use encoder::vod::CancelToken;
use mp4_atom::{Any, Buf, DecodeMaybe, Prft};

/// A take and the parts of its tracks.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) take: Take,
    pub(crate) parts: Vec<Vec<Part>>,
    /// Track, parts before, tags for HLS.
    pub(crate) keys: Vec<(usize, usize, Vec<String>)>,
    pub(crate) is_over: bool,
}

/// Keeps everything, and stops the stream when it has enough.
#[derive(Default)]
pub(crate) struct Collector {
    takes: Mutex<Vec<Kept>>,
    ends: Mutex<u32>,
    /// Of the first track of the last take.
    enough_s: Option<(f64, CancelToken)>,
}

impl Collector {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self::default())
    }

    /// Stops `options` when the first track has so many seconds.
    pub(crate) fn until(seconds: f64, options: &LiveOptions) -> Arc<Self> {
        Arc::new(Self {
            enough_s: Some((seconds, options.cancel.clone())),
            ..Self::default()
        })
    }

    pub(crate) fn takes(&self) -> Vec<Kept> {
        self.takes.lock().unwrap().clone()
    }

    pub(crate) fn ends(&self) -> u32 {
        *self.ends.lock().unwrap()
    }

    /// Seconds of the first track of take `index`.
    pub(crate) fn seconds(&self, index: usize) -> f64 {
        let takes = self.takes.lock().unwrap();
        takes.get(index).map_or(0.0, |kept| kept.seconds(0))
    }
}

impl LiveSink for Collector {
    fn begin(&self, take: Take) -> Result<(), LiveError> {
        let parts = take.tracks.iter().map(|_| Vec::new()).collect();
        let mut takes = self.takes.lock().unwrap();
        assert!(
            takes.last().is_none_or(|last| last.is_over),
            "no pause before a take"
        );
        takes.push(Kept {
            take,
            parts,
            keys: Vec::new(),
            is_over: false,
        });
        Ok(())
    }

    fn part(&self, track: usize, part: Part) -> Result<(), LiveError> {
        let mut takes = self.takes.lock().unwrap();
        let kept = takes.last_mut().expect("a part before its take");
        assert!(!kept.is_over, "a part after its take");
        kept.parts[track].push(part);
        if let Some((enough_s, cancel)) = &self.enough_s
            && kept.seconds(0) >= *enough_s
        {
            cancel.cancel();
        }
        Ok(())
    }

    fn keys(&self, track: usize, keys: TrackKeys) -> Result<(), LiveError> {
        let mut takes = self.takes.lock().unwrap();
        let kept = takes.last_mut().expect("keys before their take");
        let before = kept.parts[track].len();
        assert!(
            kept.parts[track].last().is_none_or(|part| part.last),
            "keys within a segment"
        );
        kept.keys.push((track, before, keys.hls_tags()));
        Ok(())
    }

    fn pause(&self) {
        self.takes.lock().unwrap().last_mut().unwrap().is_over = true;
    }

    fn end(&self) -> Result<(), LiveError> {
        *self.ends.lock().unwrap() += 1;
        Ok(())
    }
}

impl Kept {
    pub(crate) fn seconds(&self, track: usize) -> f64 {
        let ticks: u64 = self.parts[track]
            .iter()
            .map(|part| u64::from(part.duration))
            .sum();
        ticks as f64 / f64::from(self.take.tracks[track].timescale)
    }

    /// Init segment and parts in one file.
    pub(crate) fn joined(&self, track: usize, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.mp4", self.take.tracks[track].name));
        let mut bytes = self.take.tracks[track].init.to_vec();
        for part in &self.parts[track] {
            bytes.extend_from_slice(&part.bytes);
        }
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Holds what every take promises: contiguous decode times from 0, parts within the target, segments that begin
    /// independently and end alike on all tracks, `prft` before every `moof`.
    pub(crate) fn check(&self) {
        let mut cuts: Vec<Vec<f64>> = Vec::new();
        for (track, parts) in self.take.tracks.iter().zip(&self.parts) {
            let name = &track.name;
            let seconds = |ticks: u64| ticks as f64 / f64::from(track.timescale);
            let (mut end, mut begins_segment) = (0, true);
            let mut ends = Vec::new();
            for part in parts {
                assert_eq!(part.decode_time, end, "{name}");
                end += u64::from(part.duration);
                let target_s = self.take.part_target.as_secs_f64();
                assert!(
                    seconds(part.duration.into()) <= target_s + 1e-9,
                    "{name}: {part:?}"
                );
                assert!(
                    part.independent || !begins_segment,
                    "{name} at {}",
                    part.decode_time
                );
                begins_segment = part.last;
                if part.last {
                    ends.push(seconds(end));
                }
                let (atoms, capture) = (atoms(&part.bytes), capture(part));
                assert_eq!(kinds(&atoms), ["prft", "moof", "mdat"], "{name}");
                let media = self.take.wall + Duration::from_secs_f64(seconds(part.decode_time));
                let apart = capture.duration_since(media).unwrap_or_else(|e| e.duration());
                assert!(apart < Duration::from_millis(1), "{name}: {apart:?}");
            }
            cuts.push(ends);
        }
        let segment_s = self.take.segment_target.as_secs_f64();
        for (track, ends) in self.take.tracks.iter().zip(&cuts) {
            // The last one is as long as there was something.
            for (index, end) in ends.iter().take(ends.len().saturating_sub(1)).enumerate() {
                let planned = segment_s * (index + 1) as f64;
                let most = match track.kind {
                    TrackKind::Video { .. } => 1e-6,
                    TrackKind::Audio { rate, .. } => 513.0 / f64::from(rate),
                };
                assert!(
                    (end - planned).abs() <= most,
                    "{}: {end} for {planned}",
                    track.name
                );
            }
        }
    }
}

pub(crate) fn atoms(bytes: &[u8]) -> Vec<Any> {
    let mut rest = bytes;
    let mut found = Vec::new();
    while rest.has_remaining() {
        found.push(Any::decode_maybe(&mut rest).unwrap().expect("a whole box"));
    }
    found
}

pub(crate) fn kinds(atoms: &[Any]) -> Vec<String> {
    atoms.iter().map(|atom| atom.kind().to_string()).collect()
}

/// When a part was captured, by its `prft`.
pub(crate) fn capture(part: &Part) -> SystemTime {
    let prft = atoms(&part.bytes).into_iter().find_map(|atom| match atom {
        Any::Prft(prft) => Some(prft),
        _ => None,
    });
    let Prft {
        ntp_timestamp,
        media_time,
        reference_track_id,
        ..
    } = prft.expect("a prft");
    assert_eq!((reference_track_id, media_time), (1, part.decode_time));
    let nanos = ((ntp_timestamp & 0xffff_ffff) * 1_000_000_000) >> 32;
    UNIX_EPOCH + Duration::new((ntp_timestamp >> 32) - 2_208_988_800, nanos as u32)
}

/// What was told.
#[derive(Default)]
pub(crate) struct Told(Mutex<Vec<LiveEvent>>);

impl Told {
    pub(crate) fn tell(&self, event: LiveEvent) {
        self.0.lock().unwrap().push(event);
    }

    pub(crate) fn all(&self) -> Vec<LiveEvent> {
        self.0.lock().unwrap().clone()
    }
}

/// Fast options that do not depend on how fast the machine is.
pub(crate) fn options(ladder: &str) -> LiveOptions {
    LiveOptions {
        ladder: ladder.parse().unwrap(),
        preset: "ultrafast".to_owned(),
        keeps_rungs: true,
        ..LiveOptions::default()
    }
}

/// Plays a file as the stream "clip".
pub(crate) fn play(
    path: &Path,
    loops: bool,
    options: &LiveOptions,
    sink: &Arc<Collector>,
    tell: &(dyn Fn(LiveEvent) + Sync),
) -> Result<(), LiveError> {
    let input = LiveInput::File {
        path: path.to_owned(),
        loops,
    };
    let stream = LiveStream {
        name: "clip".to_owned(),
        key: None,
        sink: sink.clone(),
    };
    live::run(&input, vec![stream], options, tell)
}
