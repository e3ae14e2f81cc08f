//! `headgate-sim inspect`: what it prints of everything that the readers know, and what it refuses.
#![allow(clippy::unwrap_used)]

use std::io::{ErrorKind, Write as _};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

const URL: &str = "https://example.com/live/x.m3u8?token=abc";

/// What is printed for an input, and the exit code.
fn run(args: &str, input: &[u8]) -> (String, Option<i32>) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_headgate-sim"))
        .arg("inspect")
        .args(args.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || match stdin.write_all(&input) {
        // What is too long is not read to its end.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        result => result.unwrap(),
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{args}: {stderr}");
    (String::from_utf8(output.stdout).unwrap(), output.status.code())
}

/// What is printed for an input that can be played.
fn shown(args: &str, input: &str) -> Value {
    let (out, code) = run(args, input.as_bytes());
    assert_eq!(code, Some(0), "{args}: {out}");
    serde_json::from_str(&out).unwrap()
}

fn snapshot(name: &str, args: &str, input: &str) {
    let (out, code) = run(args, input.as_bytes());
    assert_eq!(code, Some(0), "{out}");
    // The order of members is part of the form: it is the text that is compared.
    insta::assert_snapshot!(name, out);
}

#[test]
fn a_multivariant_playlist_with_every_tag() {
    snapshot(
        "multivariant",
        &format!("hls --url {URL}"),
        include_str!("inspect/multivariant.m3u8"),
    );
}

#[test]
fn a_media_playlist_with_every_tag() {
    snapshot(
        "media",
        &format!("hls --url {URL}"),
        include_str!("inspect/media.m3u8"),
    );
}

#[test]
fn a_low_latency_playlist_that_is_a_delta_update() {
    snapshot(
        "low_latency",
        &format!("hls --url {URL}"),
        include_str!("inspect/low-latency.m3u8"),
    );
}

#[test]
fn an_mpd_with_every_element() {
    snapshot(
        "mpd",
        "mpd --url https://example.com/m.mpd --limit-segments 3",
        include_str!("inspect/all.mpd"),
    );
}

#[test]
fn captions() {
    snapshot("captions", "vtt", include_str!("inspect/captions.vtt"));
}

#[test]
fn sprites() {
    snapshot(
        "sprites",
        "vtt --url https://example.com/t/s.vtt",
        include_str!("inspect/sprites.vtt"),
    );
}

#[test]
fn what_cannot_be_played_is_an_error_with_a_kind_and_a_line() {
    let html = b"<!DOCTYPE html><html><body>404</body></html>".as_slice();
    let playlist = b"#EXTM3U\n#EXTINF:4,\na.ts\n".as_slice();
    let long = format!("#EXTM3U\n#EXTINF:4,\n{}\n", "a".repeat(70_000));
    let huge = vec![b'\n'; 10 * 1024 * 1024 + 1];
    for (args, input, kind, line) in [
        ("hls", html, "html", None),
        ("mpd", html, "html", None),
        ("vtt", html, "html", None),
        ("hls", b"", "not_a_manifest", None),
        ("mpd", b"", "not_a_manifest", None),
        ("vtt", b"", "not_webvtt", None),
        ("hls", b"#EXTINF:4,\na.ts\n", "not_a_manifest", None),
        ("hls", b"<MPD/>", "not_a_manifest", None),
        ("mpd", playlist, "not_a_manifest", None),
        ("mpd", b"<Period/>", "not_a_manifest", None),
        ("vtt", playlist, "not_webvtt", None),
        ("hls", b"\x89PNG\r\n\x1a\n\0\0\0\xff", "encoding", None),
        ("mpd", b"\x89PNG\r\n\x1a\n\0\0\0\xff", "encoding", None),
        ("hls", b"#EXTM3U\n\xff\n", "encoding", None),
        ("hls", b"#EXTM3U\n", "nothing_to_play", None),
        (
            "hls",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:4\n",
            "nothing_to_play",
            None,
        ),
        ("mpd", b"<MPD></MPD>", "nothing_to_play", None),
        ("mpd", b"<MPD>\n<Period>\n</MPD>", "syntax", Some(3)),
        ("hls", long.as_bytes(), "limit", Some(3)),
        ("hls", &huge, "limit", None),
        ("mpd", &huge, "limit", None),
        ("vtt", &huge, "limit", None),
    ] {
        let (out, code) = run(args, input);
        let head = String::from_utf8_lossy(input.get(..input.len().min(40)).unwrap()).into_owned();
        assert_eq!(code, Some(1), "{args} {head}: {out}");
        let error: Value = serde_json::from_str(&out).unwrap();
        assert_eq!(error["error"]["kind"], kind, "{args} {head}: {out}");
        assert_eq!(error["error"]["line"], json!(line), "{args} {head}: {out}");
        assert!(error["error"]["message"].as_str().unwrap().len() > 10, "{out}");
    }
}

#[test]
fn the_url_must_be_one() {
    let (out, code) = run("hls --url x.m3u8", b"#EXTM3U\n");
    assert_eq!((out.as_str(), code), ("", Some(1)));
}

#[test]
fn a_limit_shortens_every_list_of_segments_and_the_count_stays() {
    let media: String = (0..2500).map(|i| format!("#EXTINF:2,\n{i}.ts\n")).collect();
    let media = format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{media}");
    let len = |value: &Value| value.as_array().unwrap().len();
    for (args, listed) in [
        ("hls", 2500),
        ("hls --limit-segments 2", 2),
        ("hls --limit-segments 0", 0),
    ] {
        let json = shown(args, &media);
        assert_eq!(
            (len(&json["segments"]), &json["segment_count"]),
            (listed, &json!(2500))
        );
    }
    for (args, listed) in [
        ("mpd", 1000),
        ("mpd --limit-segments 2", 2),
        ("mpd --limit-segments 0", 0),
        ("mpd --limit-segments 99999", 5000),
    ] {
        let json = shown(
            args,
            &template("mediaPresentationDuration=\"PT10000S\"", "duration=\"2\"", ""),
        );
        let representation = &json["periods"][0]["adaptation_sets"][0]["representations"][0];
        assert_eq!(
            (len(&representation["segments"]), &representation["segment_count"]),
            (listed, &json!(5000)),
            "{args}"
        );
    }
    let json = shown("vtt --limit-segments 1", include_str!("inspect/sprites.vtt"));
    assert_eq!(
        (len(&json["cues"]), len(&json["thumbnails"]), &json["cue_count"]),
        (1, 1, &json!(3))
    );
}

#[test]
fn segments_without_end_are_not_worked_out() {
    let trillion = template(
        "mediaPresentationDuration=\"PT1000000000S\"",
        "timescale=\"1000\"",
        "<SegmentTimeline><S t=\"0\" d=\"1\" r=\"999999999999\"/></SegmentTimeline>",
    );
    let live = "type=\"dynamic\" availabilityStartTime=\"2026-01-01T00:00:00Z\"";
    let formula = template(live, "duration=\"2\"", "");
    let open = template(
        live,
        "",
        "<SegmentTimeline><S t=\"0\" d=\"2\" r=\"-1\"/></SegmentTimeline>",
    );
    for (text, count) in [
        (&trillion, json!(1_000_000_000_000_u64)),
        (&formula, json!(null)),
        (&open, json!(null)),
    ] {
        let json = shown("mpd", text);
        let representation = &json["periods"][0]["adaptation_sets"][0]["representations"][0];
        assert_eq!(representation["segment_count"], count);
        assert_eq!(representation["segments"].as_array().unwrap().len(), 1000);
    }
    let (out, _) = run("mpd --limit-segments 18446744073709551615", formula.as_bytes());
    assert_eq!(out.matches("\"uri\": \"https://example.com/").count(), 250_000);
}

/// An MPD with one representation.
fn template(mpd: &str, template: &str, timeline: &str) -> String {
    format!(
        "<MPD {mpd}><Period start=\"PT0S\"><AdaptationSet mimeType=\"video/mp4\">\
         <SegmentTemplate media=\"$Number$.m4s\" {template}>{timeline}</SegmentTemplate>\
         <Representation id=\"a\" bandwidth=\"1\"/></AdaptationSet></Period></MPD>"
    )
}

#[test]
fn what_is_alike_is_told_apart() {
    // Sets and representations without ids, one period of which comes to nothing.
    let set = |media: &str| {
        format!(
            "<AdaptationSet mimeType=\"video/mp4\"><SegmentTemplate media=\"{media}-$Number$-$Bandwidth$\" duration=\"2\"/>\
             <Representation bandwidth=\"9\"/><Representation bandwidth=\"5\"/></AdaptationSet>"
        )
    };
    let text = format!(
        "<MPD><Period duration=\"PT2S\">{}</Period>\
         <Period duration=\"PT2S\"><AdaptationSet mimeType=\"video/mp4\"/></Period>\
         <Period duration=\"PT2S\">{}{}</Period></MPD>",
        set("a"),
        set("b"),
        set("c")
    );
    let json = shown("mpd", &text);
    let mut found = Vec::new();
    for period in json["periods"].as_array().unwrap() {
        for set in period["adaptation_sets"].as_array().unwrap() {
            for one in set["representations"].as_array().into_iter().flatten() {
                let segment = &one["segments"][0];
                found.push(format!(
                    "{} {}",
                    segment["uri"].as_str().unwrap(),
                    segment["start"]
                ));
            }
        }
    }
    let url = |name: &str, start: &str| format!("https://example.com/{name} {start}");
    assert_eq!(
        found,
        [
            url("a-1-9", "0.0"),
            url("a-1-5", "0.0"),
            url("b-1-9", "4.0"),
            url("b-1-5", "4.0"),
            url("c-1-9", "4.0"),
            url("c-1-5", "4.0")
        ]
    );
    assert_eq!(json["periods"][1]["skipped"], true);
}
