//! WebVTT: what a writer writes is read, and what is malformed is passed over as the specification's parser does.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::MediaTime;
use player_core::text::webvtt::{
    Align, Edge, LinePosition, MAX_CUES, Piece, Settings, Side, Vertical, WebVtt, WebVttError,
};
use proptest::prelude::*;

fn read(text: &str) -> WebVtt {
    WebVtt::parse(text.as_bytes()).unwrap()
}

/// Start, end, identifier and payload of each cue.
fn cues(vtt: &WebVtt) -> Vec<(i64, i64, &str, &str)> {
    vtt.cues()
        .map(|cue| (cue.start.as_millis(), cue.end.as_millis(), cue.id, cue.text))
        .collect()
}

fn warnings(vtt: &WebVtt) -> Vec<(u32, &str)> {
    vtt.warnings
        .iter()
        .map(|w| (w.line, w.message.as_str()))
        .collect()
}

#[test]
fn a_file_with_everything() {
    let text = "\u{feff}WEBVTT - Captions\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000\nKind: captions\n\n\
        NOTE a comment\nof two lines\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:fred\nwidth:40%\n\nREGION \nid:bill scroll:up\n\n\
        first\n00:01.000 --> 00:02.000 region:fred align:left\nHello\n<b>world</b>\n\nNOTE\n\n\
        100:00:00.000 --> 100:00:00.500\n\n\n\n2\n00:03.000-->00:04.000\nlast";
    let vtt = read(text);
    assert_eq!(warnings(&vtt), []);
    assert_eq!(vtt.title(), "- Captions");
    let header: Vec<_> = vtt.header().collect();
    assert_eq!(
        header,
        [
            "X-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:900000",
            "Kind: captions"
        ]
    );
    assert_eq!(vtt.timestamp_map.unwrap().mpegts, 900_000);
    assert_eq!(vtt.styles().collect::<Vec<_>>(), ["::cue { color: red }"]);
    let regions: Vec<_> = vtt
        .regions
        .iter()
        .map(|r| (r.id.as_str(), r.width, r.scroll_up))
        .collect();
    assert_eq!(regions, [("fred", 40.0, false), ("bill", 100.0, true)]);
    assert_eq!(
        cues(&vtt),
        [
            (1000, 2000, "first", "Hello\n<b>world</b>"),
            (360_000_000, 360_000_500, "", ""),
            (3000, 4000, "2", "last")
        ]
    );
    assert_eq!(
        [vtt.line(0), vtt.line(1), vtt.line(2), vtt.line(3)],
        [Some(19), Some(25), Some(30), None]
    );
    let settings = vtt.cue(0).unwrap().settings;
    assert_eq!((settings.region, settings.align), ("fred", Align::Left));
}

#[test]
fn every_line_end_is_read() {
    let text = "WEBVTT\n\n00:01.000 --> 00:02.000\na\nb\n\n00:03.000 --> 00:04.000\nc\n";
    let expected = read(text);
    assert_eq!(cues(&expected), [(1000, 2000, "", "a\nb"), (3000, 4000, "", "c")]);
    for end in ["\r\n", "\r"] {
        assert_eq!(read(&text.replace('\n', end)), expected);
    }
}

#[test]
fn files_of_a_header_only() {
    for text in [
        "WEBVTT",
        "WEBVTT\n",
        "WEBVTT \n\n\n",
        "\u{feff}WEBVTT\tx\r\n",
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:1,LOCAL:00:00.000",
    ] {
        assert!(read(text).is_empty(), "{text:?}");
    }
}

#[test]
fn what_is_no_webvtt_is_refused() {
    for text in [
        "",
        "WEBVT",
        "WEBVTTX",
        "WEBVTT:",
        " WEBVTT",
        "\nWEBVTT",
        "1\n00:01.000 --> 00:02.000\na",
        "#EXTM3U",
    ] {
        assert!(
            matches!(WebVtt::parse(text.as_bytes()), Err(WebVttError::NotWebVtt(_))),
            "{text:?}"
        );
    }
    assert_eq!(
        WebVtt::parse(b"\n<!DOCTYPE html><title>404</title>"),
        Err(WebVttError::Html)
    );
    assert!(WebVtt::parse(&[0xff; 40]).is_err());
}

#[test]
fn cues_without_a_blank_line_between_them() {
    let vtt = read(
        "WEBVTT\n00:01.000 --> 00:02.000\na\nb\n00:03.000 --> 00:04.000\nc\n00:05.000 --> 00:06.000\n00:07.000 --> 00:08.000\nd",
    );
    assert_eq!(
        cues(&vtt),
        [
            (1000, 2000, "", "a\nb"),
            (3000, 4000, "", "c"),
            (5000, 6000, "", ""),
            (7000, 8000, "", "d")
        ]
    );
}

#[test]
fn malformed_cues_are_left_out_with_their_lines() {
    let text = "WEBVTT\n\n00:01 --> 00:02.000\nlost\n\nid\n00:01,000 --> 00:02,000\nlost\n\nlost\nand lost\n\n00:01.000 -> 00:02.000\nlost\n\n\
        00:03.000 --> 00:04.000 position:50 align:middle\nkept\n\n00:09.000 --> 00:05.000\nbackwards\n\nSTYLE\nlate\n\nx\nREGION\nid:late";
    let vtt = read(text);
    assert_eq!(
        cues(&vtt),
        [(3000, 4000, "", "kept"), (9000, 5000, "", "backwards")]
    );
    assert_eq!(vtt.styles().count() + vtt.regions.len(), 0);
    assert_eq!(
        warnings(&vtt),
        [
            (3, "the times of a cue are malformed: it is left out"),
            (7, "the times of a cue are malformed: it is left out"),
            (10, "a block that is no cue is left out"),
            (13, "a block that is no cue is left out"),
            (16, "the setting \"position:50\" is not understood"),
            (16, "the setting \"align:middle\" is not understood"),
            (19, "a cue ends before it begins"),
            (22, "a style sheet or region behind the first cue is left out"),
            (25, "a block that is no cue is left out")
        ]
    );
}

#[test]
fn a_timestamp_map_is_found_where_it_should_not_be_and_told_when_it_is_odd() {
    let map = "X-TIMESTAMP-MAP=MPEGTS:8589934593,LOCAL:00:00.000";
    let late = read(&format!("WEBVTT\n\n{map}\n\n00:01.000 --> 00:02.000\na"));
    assert_eq!(late.timestamp_map.unwrap().mpegts, (1 << 33) + 1);
    assert_eq!(warnings(&late), [(3, "MPEGTS has more than 33 bits")]);
    let bad = read("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000\n");
    assert_eq!(bad.timestamp_map, None);
    assert_eq!(warnings(&bad), [(2, "X-TIMESTAMP-MAP is malformed")]);
}

#[test]
fn a_timestamp_map_that_wraps_within_a_day_of_subtitles() {
    // One map for the whole stream, and segments a day and more into it: what changes is where the media is.
    let vtt = read(
        "WEBVTT\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:8589934000\n\n00:00.500 --> 00:02.000\na\n\n30:00:00.000 --> 30:00:02.000\nb",
    );
    let map = vtt.timestamp_map.unwrap();
    let first = vtt.cue(0).unwrap();
    // 592 ticks before the wrap: half a second later the media has begun again.
    let begun_again = map.media_time(first.start, MediaTime::ZERO);
    assert_eq!(begun_again.as_micros(), 493_422);
    let went_on = map.media_time(first.start, MediaTime::from_millis(95_443_000));
    assert_eq!((went_on - begun_again).as_micros(), 95_443_717_689);
    let later = vtt.cue(1).unwrap();
    let near = MediaTime::from_millis((108_000 - 95_444) * 1000);
    assert!((map.media_time(later.start, near) - near).as_millis().abs() < 1000);
}

#[test]
fn bytes_that_are_no_text() {
    let vtt = WebVtt::parse(b"WEBVTT\n\n00:01.000 --> 00:02.000\na\0b\xff\xfec").unwrap();
    assert_eq!(cues(&vtt), [(1000, 2000, "", "a\u{fffd}b\u{fffd}\u{fffd}c")]);
}

#[test]
fn a_million_cues_are_bounded() {
    // Fewer bytes a cue are not possible, so that the number of cues is the limit …
    let mut text = "WEBVTT\n".to_owned();
    text.push_str(&"00:00.000-->00:00.001\n".repeat(1_000_000));
    let vtt = read(&text);
    assert_eq!(vtt.len(), MAX_CUES);
    assert!(
        vtt.warnings
            .iter()
            .any(|w| w.line == MAX_CUES as u32 + 2 && w.message.contains("too many cues"))
    );
    // … and here it is the number of bytes. The last cue is whole.
    let mut text = "WEBVTT\n\n".to_owned();
    for i in 0..1_000_000 {
        text.push_str(&format!(
            "{:02}:{:02}:00.000 --> 99:00:00.000\nthis is what is said\n\n",
            i / 60 % 90,
            i % 60
        ));
    }
    let vtt = read(&text);
    assert!((150_000..MAX_CUES).contains(&vtt.len()), "{}", vtt.len());
    assert_eq!(vtt.cue(vtt.len() - 1).unwrap().text, "this is what is said");
    assert_eq!(
        vtt.warnings.last().map(|w| w.message.as_str()),
        Some("the file is too long: what follows is left out")
    );
}

#[test]
fn warnings_regions_and_style_sheets_are_bounded() {
    let text = format!(
        "WEBVTT\n\n{}{}{}",
        "REGION\nid:a x:y\n\n".repeat(2000),
        "STYLE\na\n\n".repeat(2000),
        "00:00.000 --> 00:01.000 a b c d\n\n".repeat(2000)
    );
    let vtt = read(&text);
    assert_eq!(
        (
            vtt.warnings.len(),
            vtt.regions.len(),
            vtt.styles().count(),
            vtt.len()
        ),
        (100, 100, 100, 2000)
    );
}

#[test]
fn one_line_without_end() {
    let long = "<b>&amp;".repeat(1_000_000);
    let vtt = read(&format!("WEBVTT\n\n00:00.000 --> 00:01.000\n{long}"));
    let texts = vtt
        .cue(0)
        .unwrap()
        .markup()
        .filter(|p| matches!(p, Piece::Text(_)));
    assert_eq!(texts.count(), 1_000_000);
}

/// A cue for the writer.
#[derive(Clone, Debug)]
struct Written {
    id: String,
    start: i64,
    end: i64,
    settings: Settings<'static>,
    text: String,
}

fn percent() -> impl Strategy<Value = f64> {
    (0u32..=1000).prop_map(|n| f64::from(n) / 10.0)
}

fn settings() -> impl Strategy<Value = Settings<'static>> {
    let line = prop_oneof![
        Just(None),
        (-20i32..20).prop_map(|n| Some(LinePosition::Number(n.into()))),
        percent().prop_map(|n| Some(LinePosition::Percent(n)))
    ];
    let vertical = prop_oneof![
        Just(None),
        Just(Some(Vertical::LeftToRight)),
        Just(Some(Vertical::RightToLeft))
    ];
    let edge = prop_oneof![Just(Edge::Start), Just(Edge::Center), Just(Edge::End)];
    let side = prop_oneof![
        Just(None),
        Just(Some(Side::LineLeft)),
        Just(Some(Side::Center)),
        Just(Some(Side::LineRight))
    ];
    let align = prop_oneof![
        Just(Align::Start),
        Just(Align::Center),
        Just(Align::End),
        Just(Align::Left),
        Just(Align::Right)
    ];
    let position = prop::option::of(percent());
    (line, vertical, edge, side, align, position, percent()).prop_map(
        |(line, vertical, edge, side, align, position, size)| Settings {
            line,
            vertical,
            line_align: if line.is_some() { edge } else { Edge::Start },
            position,
            position_align: position.and(side),
            size,
            align,
            region: "",
        },
    )
}

fn written() -> impl Strategy<Value = Written> {
    // Text that is not blank, holds no arrow, and no character that the reader must change.
    let line = "[a-zA-Zé漢<>&;/.:=\" ]{0,12}[a-z]";
    let text = prop::collection::vec(line, 0..4).prop_map(|lines| lines.join("\n"));
    let id = "([a-zA-Z0-9 ]{0,6}[A-Z0-9])?";
    (id, 0i64..1_000_000_000, 1i64..100_000, settings(), text).prop_map(
        |(id, start, duration, settings, text)| Written {
            id,
            start,
            end: start + duration,
            settings,
            text,
        },
    )
}

fn timestamp(ms: i64) -> String {
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let millis = ms % 1000;
    match hours {
        0 => format!("{minutes:02}:{seconds:02}.{millis:03}"),
        _ => format!("{hours:02}:{minutes:02}:{seconds:02}.{millis:03}"),
    }
}

fn write(cue: &Written) -> String {
    let s = &cue.settings;
    let mut out = String::new();
    if !cue.id.is_empty() {
        out.push_str(&format!("{}\n", cue.id));
    }
    out.push_str(&format!("{} --> {}", timestamp(cue.start), timestamp(cue.end)));
    match s.vertical {
        None => {}
        Some(Vertical::LeftToRight) => out.push_str(" vertical:lr"),
        Some(Vertical::RightToLeft) => out.push_str(" vertical:rl"),
    }
    let edge = match s.line_align {
        Edge::Start => "start",
        Edge::Center => "center",
        Edge::End => "end",
    };
    match s.line {
        None => {}
        Some(LinePosition::Number(n)) => out.push_str(&format!(" line:{n},{edge}")),
        Some(LinePosition::Percent(n)) => out.push_str(&format!(" line:{n}%,{edge}")),
    }
    if let Some(position) = s.position {
        let side = match s.position_align {
            None => "",
            Some(Side::LineLeft) => ",line-left",
            Some(Side::Center) => ",center",
            Some(Side::LineRight) => ",line-right",
        };
        out.push_str(&format!(" position:{position}%{side}"));
    }
    let align = match s.align {
        Align::Start => "start",
        Align::Center => "center",
        Align::End => "end",
        Align::Left => "left",
        Align::Right => "right",
    };
    out.push_str(&format!(" size:{}% align:{align}\n", s.size));
    out.push_str(&cue.text);
    out.push('\n');
    out
}

proptest! {
    #[test]
    fn what_is_written_is_read(cues in prop::collection::vec(written(), 0..20), end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")]) {
        let blocks: Vec<_> = cues.iter().map(write).collect();
        let text = format!("WEBVTT\n\n{}", blocks.join("\n")).replace('\n', end);
        let vtt = read(&text);
        prop_assert_eq!(warnings(&vtt), []);
        prop_assert_eq!(vtt.len(), cues.len());
        for (cue, written) in vtt.cues().zip(&cues) {
            prop_assert_eq!(cue.id, &written.id);
            prop_assert_eq!((cue.start.as_millis(), cue.end.as_millis()), (written.start, written.end));
            prop_assert_eq!(cue.settings, written.settings);
            prop_assert_eq!(cue.text, &written.text);
        }
    }

    #[test]
    fn text_that_is_escaped_comes_through_as_it_was(text in "[ -~é漢]{0,40}") {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let vtt = read(&format!("WEBVTT\n\n00:00.000 --> 00:01.000\n<i>{escaped}"));
        let mut read = String::new();
        for piece in vtt.cue(0).unwrap().markup() {
            if let Piece::Text(text) = piece {
                read.push_str(&text);
            }
        }
        prop_assert_eq!(read, text);
    }

    #[test]
    fn elements_are_balanced_whatever_is_written(text in "(</?(b|i|c\\.x|v a|ruby|rt|lang en|x|00:01\\.000)>|a|&lt;|<|>|\n){0,40}") {
        let vtt = read(&format!("WEBVTT\n\n00:00.000 --> 00:01.000\nx{text}"));
        for cue in vtt.cues() {
            let mut open = Vec::new();
            for piece in cue.markup() {
                match piece {
                    Piece::Open(element) => open.push(element.tag),
                    Piece::Close(tag) => prop_assert_eq!(open.pop(), Some(tag)),
                    Piece::Text(text) => prop_assert!(!text.is_empty()),
                    Piece::Time(_) => {}
                }
            }
            prop_assert_eq!(open, []);
        }
    }

    #[test]
    fn anything_is_read_or_refused(text in "(WEBVTT|\n|-->|00:01\\.000| |STYLE|REGION|NOTE|id:a|<b>|&#1;|\\PC){0,60}") {
        if let Ok(vtt) = WebVtt::parse(format!("WEBVTT\n{text}").as_bytes()) {
            for cue in vtt.cues() {
                prop_assert!(!cue.text.contains("-->"));
                prop_assert!(cue.markup().count() <= 2 * text.len() + 1);
            }
        }
    }
}
