//! A live encoder without pictures: parts of real boxes whose media is a pattern.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;

use super::{Broadcast, BroadcastOptions, LiveSink, Part, Take, Track, TrackKind};
use crate::cmaf::{Chunk, Sample, write_chunk};

/// Four parts a segment of two seconds.
pub(super) const PARTS: u64 = 4;
pub(super) const TIMESCALE: u32 = 90_000;
pub(super) const PART_TICKS: u32 = 45_000;

pub(super) fn track(name: &str) -> Track {
    let kind = match name.starts_with('a') {
        true => TrackKind::Audio {
            rate: 48_000,
            channels: 2,
            language: Some("en".to_owned()),
        },
        false => TrackKind::Video {
            width: 640,
            height: 360,
            frame_rate: (30, 1),
        },
    };
    Track {
        name: name.to_owned(),
        codecs: match kind {
            TrackKind::Audio { .. } => "mp4a.40.2",
            TrackKind::Video { .. } => "avc1.64001e",
        }
        .to_owned(),
        kind,
        timescale: TIMESCALE,
        bandwidth: 1_000_000,
        init: Bytes::from(format!("init of {name}")),
    }
}

pub(super) fn take(names: &[&str], wall: SystemTime) -> Take {
    Take {
        tracks: names.iter().map(|name| track(name)).collect(),
        wall,
        part_target: Duration::from_millis(500),
        segment_target: Duration::from_secs(2),
    }
}

/// Part `index` of a take.
pub(super) fn part(index: u64) -> Part {
    let decode_time = index * u64::from(PART_TICKS);
    let sample = Sample {
        duration: PART_TICKS,
        size: 1000,
        composition_offset: 0,
        is_sync: true,
        is_reference: true,
    };
    let chunk = Chunk {
        sequence: index as u32 + 1,
        decode_time,
        samples: vec![sample],
        data: vec![index as u8; 1000],
    };
    let mut bytes = Vec::new();
    write_chunk(&chunk, None, &mut bytes).unwrap();
    Part {
        decode_time,
        duration: PART_TICKS,
        independent: index.is_multiple_of(PARTS),
        last: index % PARTS == PARTS - 1,
        bytes: bytes.into(),
    }
}

pub(super) fn open(folder: &std::path::Path, window_s: u64) -> Arc<Broadcast> {
    let mut options = BroadcastOptions::new(folder);
    options.window = Duration::from_secs(window_s);
    Broadcast::open(options).unwrap()
}

/// Parts `from..to` of every track.
pub(super) fn feed(broadcast: &Broadcast, tracks: usize, parts: std::ops::Range<u64>) {
    for index in parts {
        for track in 0..tracks {
            broadcast.part(track, part(index)).unwrap();
        }
    }
}
