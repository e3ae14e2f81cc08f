#![allow(clippy::unwrap_used)]
use std::path::Path;

use player_core::drm::{InitData, KeySystem};
use player_core::input::RequestId;
use player_core::output::{Method, RequestKind};
use player_core::presentation::SegmentSource;

use super::*;
use crate::content::Segment;

fn origin() -> Origin {
    let json = br#"{"segment_duration_ms": 2002, "bitrates_kbps": [300, 750.5], "segment_sizes_bits": [[800, 1600], [8, 16]]}"#;
    Origin::new(Content::parse(Path::new("t.json"), json).unwrap())
}

fn fetch(url: &str, range: Option<(u64, u64)>) -> Fetch {
    Fetch {
        request: RequestId(1),
        url: url.to_owned(),
        range: range.map(|(offset, length)| ByteRange { offset, length }),
        kind: RequestKind::Segment,
        deliver: if range.is_some() {
            Deliver::Handle
        } else {
            Deliver::Body
        },
        max_bytes: 1_000_000,
        chunks: false,
        method: Method::Get,
        headers: Vec::new(),
        licence: None,
    }
}

#[test]
fn the_manifest_gives_every_range() {
    let text = origin().manifest().to_owned();
    assert!(
        text.contains("mediaPresentationDuration=\"PT4.004000S\""),
        "{text}"
    );
    assert!(
        text.contains("<Representation id=\"1\" bandwidth=\"750500\"><BaseURL>1.mp4</BaseURL>"),
        "{text}"
    );
    assert!(
        text.contains("<SegmentList timescale=\"1000000\" duration=\"2002000\">"),
        "{text}"
    );
    assert!(
        text.contains("<SegmentURL mediaRange=\"0-99\"/>\n<SegmentURL mediaRange=\"100-100\"/>"),
        "{text}"
    );
    assert!(
        text.contains("<SegmentURL mediaRange=\"0-199\"/>\n<SegmentURL mediaRange=\"200-201\"/>"),
        "{text}"
    );
}

#[test]
fn requests_are_for_the_manifest_or_exactly_one_segment() {
    let origin = origin();
    assert_eq!(origin.resolve(&fetch(MANIFEST_URL, None)), Ok(Resource::Manifest));
    let segment = |rung, index, bytes| {
        let kind = TrackKind::Video;
        Ok(Resource::Segment(SegmentRef {
            kind,
            rung,
            index,
            bytes,
        }))
    };
    assert_eq!(
        origin.resolve(&fetch("https://origin.invalid/0.mp4", Some((100, 1)))),
        segment(0, 1, 1)
    );
    assert_eq!(
        origin.resolve(&fetch("https://origin.invalid/1.mp4", Some((0, 200)))),
        segment(1, 0, 200)
    );
    let odd = [
        ("https://origin.invalid/1.mp4", Some((0, 202))),
        ("https://origin.invalid/1.mp4", Some((1, 199))),
        ("https://origin.invalid/1.mp4", Some((5, u64::MAX))),
        ("https://origin.invalid/2.mp4", Some((0, 200))),
        ("https://origin.invalid/other.mp4", Some((0, 200))),
        ("https://elsewhere.invalid/1.mp4", Some((0, 200))),
        ("https://origin.invalid/1.mp4", None),
        (MANIFEST_URL, Some((0, 10))),
    ];
    for (url, range) in odd {
        assert!(origin.resolve(&fetch(url, range)).is_err(), "{url} {range:?}");
    }
}

#[test]
fn segments_follow_each_other() {
    assert_eq!(
        origin().time_range(1),
        TimeRange::new(MediaTime::from_millis(2002), MediaTime::from_millis(4004))
    );
}

#[test]
fn audio_is_a_set_of_its_own() {
    let origin = origin().with_audio(96.0).unwrap();
    let presentation = player_core::manifest::parse(origin.manifest().as_bytes(), MANIFEST_URL).unwrap();
    let tracks = &presentation.periods[0].tracks;
    assert_eq!(
        tracks.iter().map(|t| t.kind).collect::<Vec<_>>(),
        [TrackKind::Video, TrackKind::Audio]
    );
    assert_eq!(tracks[1].renditions[0].mime(), "audio/mp4; codecs=\"mp4a.40.2\"");
    // 2.002 s of 96 kbit/s.
    let expected = SegmentRef {
        kind: TrackKind::Audio,
        rung: 0,
        index: 1,
        bytes: 24_024,
    };
    let second = fetch("https://origin.invalid/audio.mp4", Some((24_024, 24_024)));
    assert_eq!(origin.resolve(&second), Ok(Resource::Segment(expected)));
    assert!(
        self::origin().resolve(&second).is_err(),
        "there is no audio without asking"
    );
    for odd in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(self::origin().with_audio(odd).is_err());
    }
}

#[test]
fn the_engine_reads_different_durations_and_all_sizes_exactly() {
    let segments: Vec<_> = [4_000_000, 4_000_000, 2_600_001, 4_000_000, 40_000]
        .iter()
        .enumerate()
        .map(|(i, us)| Segment {
            duration: MediaTime::from_micros(*us),
            bytes: vec![100 + i as u64, 7000],
            vmaf: Vec::new(),
        })
        .collect();
    let content = Content::new("c", vec![10.0, 20.0], segments.clone()).unwrap();
    let origin = Origin::new(content).with_audio(64.0).unwrap();
    let presentation = player_core::manifest::parse(origin.manifest().as_bytes(), MANIFEST_URL).unwrap();
    assert_eq!(presentation.duration, Some(origin.content().duration()));
    assert_eq!(presentation.warnings, []);
    for track in &presentation.periods[0].tracks {
        for (rung, rendition) in track.renditions.iter().enumerate() {
            let SegmentSource::Index(index) = &rendition.source else {
                panic!("a list was expected")
            };
            assert_eq!(index.len(), segments.len());
            for (i, segment) in segments.iter().enumerate() {
                let found = index.get(i).unwrap();
                assert_eq!(TimeRange::new(found.start, found.end), origin.time_range(i));
                if track.kind == TrackKind::Video {
                    assert_eq!(found.resource.range.unwrap().length, segment.bytes[rung]);
                }
            }
        }
    }
}

#[test]
fn quality_is_in_a_table_that_the_engine_reads() {
    let segments = [[20.0, 71.25], [33.5, 90.0]].map(|vmaf| Segment {
        duration: MediaTime::from_millis(2000),
        bytes: vec![1000, 2000],
        vmaf: vmaf.to_vec(),
    });
    let content = Content::new("c", vec![4.0, 8.0], segments.to_vec()).unwrap();
    let origin = Origin::new(content);
    let presentation = player_core::manifest::parse(origin.manifest().as_bytes(), MANIFEST_URL).unwrap();
    assert_eq!(presentation.segment_table.as_deref(), Some(TABLE_URL));
    assert_eq!(origin.resolve(&fetch(TABLE_URL, None)), Ok(Resource::Table));
    let table = player_core::manifest::table::parse(origin.table().unwrap().as_bytes(), TABLE_URL);
    let quality = table
        .unwrap()
        .of_representation("1")
        .map(|row| (row.quality(0), row.quality(1)));
    assert_eq!(quality, Some((Some(71.25), Some(90.0))));
    let plain = self::origin();
    assert_eq!(plain.table(), None);
    assert!(!plain.manifest().contains("SupplementalProperty"));
    assert!(plain.resolve(&fetch(TABLE_URL, None)).is_err());
}

#[test]
fn what_is_protected_names_its_keys() {
    for system in [KeySystem::ClearKey, KeySystem::PlayReady, KeySystem::Widevine] {
        let scenario = Scenario {
            system,
            ..Scenario::default()
        };
        let origin = origin().with_audio(96.0).unwrap().protected(scenario);
        let presentation = player_core::manifest::parse(origin.manifest().as_bytes(), MANIFEST_URL).unwrap();
        assert_eq!(presentation.warnings, []);
        for track in &presentation.periods[0].tracks {
            for (rung, rendition) in track.renditions.iter().enumerate() {
                let key = origin.key(track.kind, rung).unwrap();
                let ways = &rendition.protection;
                assert!(ways.iter().any(|way| way.key_ids == [key.0]), "{ways:?}");
                let found = ways
                    .iter()
                    .find_map(|way| InitData::of_manifest(system, way))
                    .unwrap();
                assert_eq!(found.check(system).unwrap(), [key]);
            }
        }
    }
    let clear = origin();
    assert_eq!(clear.key(TrackKind::Video, 0), None);
    assert!(!clear.manifest().contains("ContentProtection"));
}
