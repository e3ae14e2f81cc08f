//! Media playlists: what is read of them, and that a version that is taken over in place is the same as one that is read as a whole.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fmt::Write as _;

use player_core::MediaTime;
use player_core::manifest::ManifestError;
use player_core::manifest::hls::{MediaPlaylist, Refreshed};
use player_core::presentation::Segment;
use player_core::time::ByteRange;
use proptest::prelude::*;

const URL: &str = "https://h/v/720p.m3u8";

fn read(text: &str) -> Result<MediaPlaylist, ManifestError> {
    MediaPlaylist::read(text.as_bytes(), URL, None)
}

fn segments(playlist: &MediaPlaylist) -> Vec<Segment> {
    (0..playlist.index.len())
        .map(|i| playlist.index.get(i).unwrap())
        .collect()
}

#[test]
fn a_vod_playlist() {
    let playlist = read(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"../720p/init.mp4\"\n#EXT-X-BITRATE:1000\n\
         #EXTINF:4.004,title\n../720p/1.m4s\n#EXTINF:2,\n../720p/2.m4s\n#EXT-X-ENDLIST\n",
    )
    .unwrap();
    assert!(playlist.ended());
    assert_eq!(playlist.duration(), MediaTime::from_micros(6_004_000));
    let last = playlist.index.get(1).unwrap();
    assert_eq!(last.start, MediaTime::from_micros(4_004_000));
    assert_eq!(last.resource.url, "https://h/720p/2.m4s");
    assert_eq!((last.bytes, last.init, last.number), (Some(250_000), Some(0), 1));
    assert_eq!(playlist.index.inits[0].url, "https://h/720p/init.mp4");
    assert_eq!(playlist.container, "video/mp4");
    assert_eq!(playlist.warnings, []);
}

#[test]
fn byte_ranges_follow_each_other_in_the_same_resource() {
    let playlist = read(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n#EXT-X-BYTERANGE:100@50\na.mp4\n#EXTINF:2,\n#EXT-X-BYTERANGE:70\na.mp4\n\
         #EXTINF:2,\n#EXT-X-BYTERANGE:70\nb.mp4\n#EXTINF:2,\n#EXT-X-BYTERANGE:18446744073709551615@1\na.mp4\n#EXT-X-ENDLIST",
    )
    .unwrap();
    let range = |i: usize| playlist.index.get(i).unwrap().resource.range;
    assert_eq!(
        range(1),
        Some(ByteRange {
            offset: 150,
            length: 70
        })
    );
    // What cannot be fetched is a gap, not the end of it all.
    let gaps: Vec<_> = segments(&playlist).iter().map(|s| s.gap).collect();
    assert_eq!(gaps, [false, false, true, true]);
    assert_eq!(
        playlist.warnings.iter().map(|w| w.line).collect::<Vec<_>>(),
        [11, 14]
    );
}

#[test]
fn bad_durations_cost_their_segment_only() {
    let playlist =
        read("#EXTM3U\n#EXTINF:NaN,\na.mp4\n#EXTINF:0,\nb.mp4\n#EXTINF:1e308,\nc.mp4\n#EXTINF:3\nd.mp4\n")
            .unwrap();
    assert_eq!(playlist.index.len(), 1);
    assert_eq!(playlist.warnings.len(), 6);
    assert_eq!(playlist.warnings[0].line, 2);
}

#[test]
fn what_is_odd_near_the_end_is_said_once() {
    let playlist = read(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-PART-INF:PART-TARGET=2\n#EXT-X-PART:DURATION=2,URI=\"a\"\n#EXT-X-PART:URI=\"b\"\n\
         #EXT-X-PROGRAM-DATE-TIME:today\n#EXT-X-DATERANGE:CLASS=\"x\"\n#EXTINF:4,\na.mp4\n",
    )
    .unwrap();
    let lines: Vec<_> = playlist.warnings.iter().map(|w| w.line).collect();
    assert_eq!(lines, [6, 7, 5], "{:?}", playlist.warnings);
}

#[test]
fn every_line_ending_and_a_byte_order_mark_are_read() {
    for text in [
        "\u{feff}#EXTM3U\r\n#EXTINF:2,\r\na.ts\r\n#EXT-X-ENDLIST\r\n",
        "#EXTM3U\r#EXTINF:2,\ra.ts\r#EXT-X-ENDLIST",
        "\n #EXTM3U \n\n\t#EXTINF:2,\n  a.ts  \n\n",
    ] {
        let playlist = read(text).unwrap();
        assert_eq!(
            playlist.index.get(0).unwrap().resource.url,
            "https://h/v/a.ts",
            "{text:?}"
        );
        assert_eq!(playlist.container, "video/mp2t");
    }
}

#[test]
fn what_is_hostile_is_refused_or_left_out() {
    assert!(matches!(
        read("#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n"),
        Err(ManifestError::NothingToPlay(_))
    ));
    assert!(matches!(
        read("#EXTINF:4,\na.ts\n"),
        Err(ManifestError::NotAManifest(_))
    ));
    assert!(matches!(read(""), Err(ManifestError::NotAManifest(_))));
    let long = format!("#EXTM3U\n#EXTINF:4,\n{}\n", "a".repeat(70_000));
    assert!(matches!(read(&long), Err(ManifestError::Limit { line: 3, .. })));
    let many = format!("#EXTM3U\n{}", "#EXTINF:4,\na.ts\n".repeat(100_001));
    assert!(matches!(read(&many), Err(ManifestError::Limit { .. })));
    for uri in [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "data:text/html,x",
        "//",
        "http:",
    ] {
        let playlist = read(&format!("#EXTM3U\n#EXTINF:4,\n{uri}\n#EXTINF:4,\nb.ts\n")).unwrap();
        assert!(playlist.index.get(0).is_none_or(|s| s.gap), "{uri}");
        assert_eq!(playlist.index.get(1).unwrap().resource.url, "https://h/v/b.ts");
    }
    let nul = read("#EXTM3U\n#EXTINF:4,\na\0.ts\n").unwrap();
    assert_eq!(nul.index.len(), 1);
    let max =
        read("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:18446744073709551615\n#EXTINF:4,\na.ts\n#EXTINF:4,\nb.ts\n")
            .unwrap();
    assert_eq!(max.index.get(1).unwrap().number, 1);
    assert_eq!(max.warnings.len(), 1);
}

#[test]
fn keys_are_carried_on_by_format() {
    let playlist = read(
        "#EXTM3U\n#EXTINF:4,\n0.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"k1\"\n#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://a\",KEYFORMAT=\"com.apple.streamingkeydelivery\"\n\
         #EXTINF:4,\n1.ts\n#EXTINF:4,\n2.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"k2\"\n#EXTINF:4,\n3.ts\n#EXT-X-KEY:METHOD=NONE\n#EXTINF:4,\n4.ts\n#EXT-X-ENDLIST\n",
    )
    .unwrap();
    let keys = |i: usize| {
        let segment = playlist.index.get(i).unwrap();
        let mut urls: Vec<_> = segment.keys.map_or(vec![], |k| {
            playlist.index.keys[k].iter().map(|p| p.url.clone()).collect()
        });
        urls.sort();
        urls
    };
    assert_eq!(keys(0), Vec::<String>::new());
    assert_eq!(keys(1), ["https://h/v/k1", "skd://a"]);
    assert_eq!(keys(2), keys(1));
    assert_eq!(keys(3), ["https://h/v/k2", "skd://a"]);
    assert_eq!(keys(4), Vec::<String>::new());
}

#[test]
fn a_low_latency_playlist() {
    let playlist = read(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-VERSION:9\n#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=1.0,CAN-SKIP-UNTIL=24.0,HOLD-BACK=12\n\
         #EXT-X-PART-INF:PART-TARGET=0.33334\n#EXT-X-MEDIA-SEQUENCE:266\n#EXT-X-PROGRAM-DATE-TIME:2026-02-14T02:13:36.106Z\n#EXT-X-MAP:URI=\"init.mp4\"\n\
         #EXTINF:4.00008,\nfileSequence266.mp4\n#EXT-X-PART:DURATION=2,URI=\"filePart267.a.mp4\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=2.00008,URI=\"filePart267.b.mp4\"\n\
         #EXTINF:4.00008,\nfileSequence267.mp4\n#EXT-X-PART:DURATION=0.33334,URI=\"filePart268.mp4\",BYTERANGE=\"100@0\",INDEPENDENT=YES\n\
         #EXT-X-PART:DURATION=0.33334,URI=\"filePart268.mp4\",BYTERANGE=\"50\",GAP=YES\n\
         #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"filePart268.mp4\",BYTERANGE-START=150\n#EXT-X-RENDITION-REPORT:URI=\"../1M/waitForMSN.php\",LAST-MSN=267,LAST-PART=1\n\
         #EXT-X-DATERANGE:ID=\"ad\",CLASS=\"com.apple.hls.interstitial\",START-DATE=\"2026-02-14T02:13:40Z\",DURATION=15,X-ASSET-URI=\"a.m3u8\",SCTE35-OUT=0xFC\n",
    )
    .unwrap();
    assert!(!playlist.ended());
    assert_eq!(playlist.warnings, []);
    assert_eq!(playlist.index.get(1).unwrap().number, 267);
    let wall = |i: usize| playlist.index.get(i).unwrap().wall.unwrap();
    assert_eq!(wall(1).since(wall(0)), MediaTime::from_micros(4_000_080));
    let parts: Vec<_> = playlist
        .parts
        .iter()
        .map(|p| (p.number, p.index, p.independent, p.gap, p.resource.range))
        .collect();
    assert_eq!(
        parts,
        [
            (267, 0, true, false, None),
            (267, 1, false, false, None),
            (
                268,
                0,
                true,
                false,
                Some(ByteRange {
                    offset: 0,
                    length: 100
                })
            ),
            (
                268,
                1,
                false,
                true,
                Some(ByteRange {
                    offset: 100,
                    length: 50
                })
            ),
        ]
    );
    assert_eq!(
        playlist.parts[3].start,
        playlist.index.end() + MediaTime::from_micros(333_340)
    );
    assert_eq!(playlist.tags.preload_hints[0].start, 150);
    assert_eq!(
        playlist.tags.rendition_reports[0].url,
        "https://h/1M/waitForMSN.php"
    );
    assert_eq!(playlist.tags.rendition_reports[0].last_part, Some(1));
    assert!(playlist.tags.server_control.can_block_reload);
    assert_eq!(
        playlist.tags.date_ranges[0].attributes[0],
        ("X-ASSET-URI".to_owned(), "a.m3u8".to_owned())
    );
}

/// A live stream, of which any window can be written as a playlist.
#[derive(Clone, Debug)]
struct Stream {
    segments: Vec<Made>,
    first_number: u64,
    with_parts: bool,
    with_dates: bool,
}

#[derive(Clone, Debug)]
struct Made {
    duration_ms: u64,
    name: String,
    discontinuous: bool,
    gap: bool,
    map: u8,
    key: u8,
    ranged: bool,
}

impl Stream {
    /// Segments `from..to` as a playlist; with `skip`, so many at the start are skipped.
    fn write(&self, from: usize, to: usize, skip: usize, ended: bool) -> String {
        let mut text = "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:4\n".to_owned();
        let number = self.first_number + from as u64;
        writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{number}").unwrap();
        let breaks = self.segments[..from].iter().filter(|s| s.discontinuous).count();
        // The discontinuity of the first segment is said by its own tag, as long as it is there.
        writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{breaks}").unwrap();
        if self.with_parts {
            text.push_str("#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=24\n#EXT-X-PART-INF:PART-TARGET=1\n");
        }
        if skip > 0 {
            writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skip}").unwrap();
        }
        let (mut map, mut key) = (0, 0);
        if skip > 0 {
            let last = &self.segments[from + skip - 1];
            (map, key) = (last.map, last.key);
        }
        let mut ms: u64 = self.segments[..from + skip].iter().map(|s| s.duration_ms).sum();
        for (i, segment) in self.segments.iter().enumerate().take(to).skip(from + skip) {
            if segment.discontinuous {
                text.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if segment.map != map {
                map = segment.map;
                writeln!(text, "#EXT-X-MAP:URI=\"init-{map}.mp4\"").unwrap();
            }
            if segment.key != key {
                key = segment.key;
                match key {
                    0 => text.push_str("#EXT-X-KEY:METHOD=NONE\n"),
                    _ => writeln!(text, "#EXT-X-KEY:METHOD=AES-128,URI=\"key-{key}\"").unwrap(),
                }
            }
            if self.with_dates {
                writeln!(
                    text,
                    "#EXT-X-PROGRAM-DATE-TIME:2026-02-14T{:02}:{:02}:{:02}.{:03}Z",
                    ms / 3_600_000,
                    ms / 60_000 % 60,
                    ms / 1000 % 60,
                    ms % 1000
                )
                .unwrap();
            }
            if segment.gap {
                text.push_str("#EXT-X-GAP\n");
            }
            if self.with_parts && i + 4 > to {
                for part in 0..4 {
                    writeln!(
                        text,
                        "#EXT-X-PART:DURATION={},URI=\"{}.{part}\"",
                        segment.duration_ms as f64 / 4000.0,
                        segment.name
                    )
                    .unwrap();
                }
            }
            if segment.ranged {
                writeln!(text, "#EXT-X-BYTERANGE:1000@{}", i * 1000).unwrap();
            }
            writeln!(
                text,
                "#EXTINF:{:.3},\n{}",
                segment.duration_ms as f64 / 1000.0,
                segment.name
            )
            .unwrap();
            ms += segment.duration_ms;
        }
        if ended {
            text.push_str("#EXT-X-ENDLIST\n");
        }
        text
    }
}

fn streams() -> impl Strategy<Value = Stream> {
    let segment = (
        prop_oneof![5 => Just(2000_u64), 1 => 1_u64..4000],
        prop_oneof![20 => Just(0), 1 => 0_u8..3],
        prop_oneof![20 => Just(false), 1 => Just(true)],
        prop_oneof![20 => Just(false), 1 => Just(true)],
        any::<u8>(),
    );
    (
        prop::collection::vec(segment, 20..260),
        0_u64..100,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    )
        .prop_map(
            |(segments, first_number, with_parts, with_dates, hashed, ranged)| {
                let (mut map, mut key) = (1, 0);
                let segments = segments.into_iter().enumerate().map(
                    |(i, (duration_ms, change, discontinuous, gap, hash))| {
                        if change == 1 {
                            map = map % 3 + 1;
                        } else if change == 2 {
                            key = (key + 1) % 3;
                        }
                        let name = if hashed {
                            format!("{:02x}/{i}-{hash}.m4s", hash)
                        } else {
                            format!("seg-{i}.m4s")
                        };
                        Made {
                            duration_ms,
                            name,
                            discontinuous,
                            gap,
                            map,
                            key,
                            ranged,
                        }
                    },
                );
                Stream {
                    segments: segments.collect(),
                    first_number,
                    with_parts,
                    with_dates,
                }
            },
        )
}

/// The same segments and parts, at the same distances.
fn assert_same(kept: &MediaPlaylist, fresh: &MediaPlaylist) -> Result<(), TestCaseError> {
    let (a, b) = (segments(kept), segments(fresh));
    prop_assert_eq!(a.len(), b.len());
    let shift = kept.index.start() - fresh.index.start();
    for (a, b) in a.iter().zip(&b) {
        let init = |p: &MediaPlaylist, s: &Segment| s.init.map(|i| p.index.inits[i].clone());
        let keys = |p: &MediaPlaylist, s: &Segment| s.keys.map(|k| p.index.keys[k].clone());
        prop_assert_eq!(init(kept, a), init(fresh, b));
        prop_assert_eq!(keys(kept, a), keys(fresh, b));
        let moved = Segment {
            start: b.start + shift,
            end: b.end + shift,
            init: a.init,
            keys: a.keys,
            ..b.clone()
        };
        prop_assert_eq!(a, &moved);
    }
    let parts: Vec<_> = fresh
        .parts
        .iter()
        .map(|p| (p.number, p.index, p.start + shift, p.resource.clone()))
        .collect();
    // A player may know parts still that the playlist has dropped.
    let first = fresh.parts.first().map_or(u64::MAX, |p| p.number);
    let kept_parts: Vec<_> = kept
        .parts
        .iter()
        .filter(|p| p.number >= first)
        .map(|p| (p.number, p.index, p.start, p.resource.clone()))
        .collect();
    prop_assert_eq!(kept_parts, parts);
    prop_assert_eq!(&kept.tags, &fresh.tags);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn a_window_that_slides_is_taken_over_in_place(
        stream in streams(),
        window in 3_usize..240,
        steps in prop::collection::vec((0_usize..5, any::<bool>(), 0_usize..100), 1..12),
    ) {
        let all = stream.segments.len();
        let mut to = window.min(all);
        let mut from = 0;
        let mut playlist = read(&stream.write(from, to, 0, false)).unwrap();
        let mut start = playlist.index.start();
        for (step, delta, skip) in steps {
            let (old_from, old_to) = (from, to);
            to = (to + step).min(all);
            from = to.saturating_sub(window).max(from);
            if from >= old_to {
                break;
            }
            for segment in &stream.segments[old_from..from] {
                start += MediaTime::from_millis(segment.duration_ms as i64);
            }
            let known = old_to - from;
            let skip = if delta { skip.min(known) } else { 0 };
            let text = stream.write(from, to, skip, false);
            if skip > 0 && from + skip == to {
                continue;
            }
            let url = format!("{URL}?_HLS_msn={to}");
            let refreshed = playlist.refresh(text.as_bytes(), &url).unwrap();
            prop_assert_eq!(refreshed, Refreshed { added: to - old_to, removed: from - old_from, discontinued: false });
            prop_assert_eq!(playlist.index.start(), start);
            let fresh = read(&stream.write(from, to, 0, false)).unwrap();
            let mut kept = playlist.clone();
            kept.tags.skipped = None;
            assert_same(&kept, &fresh)?;
        }
    }
}

proptest! {
    #[test]
    fn a_version_that_is_broken_harms_nothing(
        stream in streams(),
        at in any::<prop::sample::Index>(),
        cut in 0_usize..40,
        put in "[#A-Z:=,0-9\n\r\u{e9}@-]{0,20}",
        skip in 0_usize..40,
    ) {
        let all = stream.segments.len();
        let mut playlist = read(&stream.write(0, all - 2, 0, false)).unwrap();
        let mut text = stream.write(1, all, skip.min(all - 4), false);
        let at = at.index(text.len());
        let end = (at + cut).min(text.len());
        text.replace_range(at..end, &put);
        let before = playlist.clone();
        match playlist.refresh(text.as_bytes(), URL) {
            Ok(_) => {
                let (mut last, mut end) = (None, None);
                for segment in segments(&playlist) {
                    prop_assert!(last.is_none_or(|last| segment.number == last + 1));
                    prop_assert!(end.is_none_or(|end| segment.start == end));
                    (last, end) = (Some(segment.number), Some(segment.end));
                }
            }
            Err(_) => prop_assert_eq!(playlist, before),
        }
    }
}

#[test]
fn a_playlist_of_parts_alone_goes_on_with_its_first_segment() {
    let url = "https://h/live.m3u8";
    let text = |body: &str| {
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-PART-INF:PART-TARGET=1\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MAP:URI=\"i.mp4\"\n\
             #EXT-X-PART:DURATION=1,URI=\"7.0.mp4\",INDEPENDENT=YES\n{body}"
        )
    };
    let mut playlist = MediaPlaylist::read(text("").as_bytes(), url, None).unwrap();
    let more = text("#EXT-X-PART:DURATION=1,URI=\"7.1.mp4\"\n");
    let refreshed = playlist.refresh(more.as_bytes(), url).unwrap();
    assert_eq!((refreshed.added, refreshed.discontinued), (0, false));
    let whole = format!("{more}#EXTINF:2,\n7.mp4\n");
    let refreshed = playlist.refresh(whole.as_bytes(), url).unwrap();
    assert_eq!((refreshed.added, refreshed.discontinued), (1, false));
    assert_eq!((playlist.index.len(), playlist.parts.len()), (1, 2));
    // Numbers that went back are no continuation.
    let other = whole.replace("SEQUENCE:7", "SEQUENCE:3");
    assert!(playlist.refresh(other.as_bytes(), url).unwrap().discontinued);
}
