//! One entry for text of every format.
#![allow(clippy::unwrap_used)]

use player_core::MediaTime;
use player_core::text::{Format, TextError, read};

#[test]
fn formats_by_container_codecs_and_ending() {
    for (container, codecs, url, expected) in [
        ("text/vtt", "", "a.mp4", Format::WebVtt),
        ("text/vtt", "wvtt", "https://h/a.vtt", Format::WebVtt),
        ("application/ttml+xml", "", "", Format::Ttml),
        ("application/mp4", "stpp.ttml.im1t", "", Format::Mp4),
        ("application/mp4", "", "", Format::Mp4),
        ("", "wvtt", "https://h/seg1", Format::Mp4),
        ("", "", "https://h/a.b/c.dfxp?x=.vtt", Format::Ttml),
        ("", "", "https://h/c.CMFT#t=1", Format::Mp4),
        ("", "", "https://h/subtitles.webvtt", Format::WebVtt),
        ("", "", "", Format::WebVtt),
    ] {
        assert_eq!(
            Format::of(container, codecs, url),
            expected,
            "{container} {codecs} {url}"
        );
    }
}

#[test]
fn webvtt_with_settings_regions_and_the_map_of_hls() {
    let vtt = b"WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\n\nREGION\nid:r\nlines:2\n\nREGION\nid:r\nlines:4\n\n\
        one\n00:01.000 --> 00:02.000 align:left  line:50.0% position:10% bogus:1\n<i>a</i> &amp; b\n\n\
        00:02.000 --> 00:03.000 region:r\nc\n\n00:04.000 --> 00:03.000\nbackwards\n";
    for format in [Format::WebVtt, Format::Ttml, Format::Mp4] {
        let cues = read(vtt, None, format).unwrap();
        assert_eq!(cues.timestamp_map.unwrap().mpegts, 900_000);
        let [a, c] = cues.cues.as_slice() else {
            panic!("{cues:?}")
        };
        assert_eq!((a.id.as_str(), a.text.as_str()), ("one", "<i>a</i> &amp; b"));
        assert_eq!(a.settings, "line:50% position:10% align:left");
        assert_eq!(
            (a.start, a.end),
            (MediaTime::from_millis(1000), MediaTime::from_millis(2000))
        );
        assert_eq!(a.region, None);
        assert_eq!((c.settings.as_str(), c.region.as_ref().unwrap().lines), ("", 4));
        assert_eq!(cues.warnings.len(), 2);
    }
}

#[test]
fn too_many_cues_are_told() {
    let cues: String = (0..10_001).map(|_| "\n00:00.000 --> 00:01.000\nx\n").collect();
    let cues = read(format!("WEBVTT\n{cues}").as_bytes(), None, Format::WebVtt).unwrap();
    assert_eq!(cues.cues.len(), 10_000);
    assert_eq!(cues.warnings.len(), 1);
    assert_eq!(cues.warnings[0].line, 3 + 3 * 10_000);
}

#[test]
fn what_is_empty_or_something_else() {
    let empty = read(b" \n", None, Format::WebVtt).unwrap();
    assert!(empty.cues.is_empty() && empty.warnings.len() == 1);
    for format in [Format::WebVtt, Format::Ttml] {
        assert_eq!(read(b"<!doctype html><html>", None, format), Err(TextError::Html));
        assert!(matches!(
            read(b"{\"error\":404}", None, format),
            Err(TextError::Unknown(_))
        ));
    }
    assert!(matches!(
        read(b"{\"error\":404}", None, Format::Mp4),
        Err(TextError::Malformed { line: 0, .. })
    ));
}
