//! Bad input: the error names the thing and the next step, and nothing is left behind.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::Bench;
use encoder::EncodeError;
use encoder::sample::{self, SampleOptions};
use encoder::vod::{self, VodOptions};

/// The error for `input`, after a look that the output folder's surroundings are as they were.
fn error_for(bench: &Bench, input: &Path) -> EncodeError {
    let before = names(bench);
    let error = vod::encode(&VodOptions::new(input, bench.path("out")), &mut |_| {}).unwrap_err();
    assert_eq!(names(bench), before, "something was left behind");
    let text = error.to_string();
    assert!(
        text.contains(&*input.file_name().unwrap().to_string_lossy()),
        "{text}"
    );
    error
}

fn names(bench: &Bench) -> Vec<String> {
    let entries = fs::read_dir(bench.dir.path()).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn inputs_that_are_no_video() {
    let bench = Bench::new();
    let file = |name: &str, bytes: &[u8]| {
        let path = bench.path(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    assert!(matches!(
        error_for(&bench, &bench.path("missing.mp4")),
        EncodeError::InputMissing { .. }
    ));
    assert!(matches!(
        error_for(&bench, Path::new("https://example.com/film.mp4")),
        EncodeError::InputIsUrl { .. }
    ));
    let folder = bench.path("folder");
    fs::create_dir(&folder).unwrap();
    assert!(matches!(
        error_for(&bench, &folder),
        EncodeError::InputIsFolder { .. }
    ));
    for (name, bytes) in [
        ("empty.mp4", &b""[..]),
        ("text.mp4", b"This is a text, not a video.\n"),
        ("page.html", b"<!doctype html><html><body>404</body></html>"),
        ("zeros.mp4", &[0; 4096]),
        ("image.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"),
    ] {
        let error = error_for(&bench, &file(name, bytes));
        assert!(matches!(error, EncodeError::NotMedia { .. }), "{name}: {error}");
        // FFmpeg's reason is given, once.
        let text = encoder::explain(&error);
        assert!(!text.contains("()"), "{text}");
        assert_eq!(text, error.to_string());
    }
}

#[test]
fn playlists_are_never_followed() {
    let bench = Bench::new();
    let secret = bench.sample(1, 64, 64);
    let secret = secret.display();
    let playlists = [
        (
            "list.m3u8",
            format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://{secret}\n#EXT-X-ENDLIST\n"),
        ),
        ("list.mp4", format!("#EXTM3U\n#EXTINF:1,\n{secret}\n")),
        ("list.txt", format!("ffconcat version 1.0\nfile '{secret}'\n")),
        (
            "list.mpd",
            "<?xml version=\"1.0\"?><MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"></MPD>".to_owned(),
        ),
        (
            "call.sdp",
            "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 5000 RTP/AVP 96\n".to_owned(),
        ),
    ];
    for (name, text) in playlists {
        let path = bench.path(name);
        fs::write(&path, text).unwrap();
        let error = error_for(&bench, &path);
        assert!(
            matches!(error, EncodeError::InputIsPlaylist { .. }),
            "{name}: {error}"
        );
    }
    // Without the tell-tale first line the format is still not among those allowed.
    let path = bench.path("plain.ffconcat");
    fs::write(
        &path,
        format!("# a comment\nffconcat version 1.0\nfile '{secret}'\n"),
    )
    .unwrap();
    assert!(matches!(error_for(&bench, &path), EncodeError::NotMedia { .. }));
}

#[test]
fn files_without_anything_to_show() {
    let bench = Bench::new();
    fs::write(bench.path("a.srt"), "1\n00:00:00,000 --> 00:00:01,000\nHello\n").unwrap();
    let subtitles = bench.ffmpeg(
        &format!("-i {} -c:s srt", bench.path("a.srt").display()),
        "subtitles.mkv",
    );
    let error = error_for(&bench, &subtitles);
    assert!(matches!(error, EncodeError::NoStreams { .. }), "{error}");

    // A header and an index, but every coded picture is zeros.
    let whole = bench.ffmpeg(
        "-f lavfi -i testsrc2=s=64x64:r=25 -t 1 -c:v libx264 -preset ultrafast -movflags +faststart",
        "whole.mp4",
    );
    let mut bytes = fs::read(&whole).unwrap();
    let mdat = bytes.windows(4).position(|window| window == b"mdat").unwrap() + 4;
    bytes[mdat..].fill(0);
    let hollow = bench.path("hollow.mp4");
    fs::write(&hollow, bytes).unwrap();
    let error = error_for(&bench, &hollow);
    assert!(matches!(error, EncodeError::NoFrames { .. }), "{error}");
}

#[test]
fn outputs_that_cannot_be_made() {
    let bench = Bench::new();
    let source = bench.sample(1, 64, 64);
    let options = VodOptions::new(&source, source.join("out"));
    let error = vod::encode(&options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, EncodeError::OutputUnwritable { .. }), "{error}");
    fs::create_dir(bench.path("taken")).unwrap();
    fs::write(bench.path("taken/notes.txt"), "mine").unwrap();
    let mut options = VodOptions::new(&source, bench.path("taken"));
    let error = vod::encode(&options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, EncodeError::OutputExists { .. }), "{error}");
    options.force = true;
    let error = vod::encode(&options, &mut |_| {}).unwrap_err();
    assert!(matches!(error, EncodeError::OutputNotOurs { .. }), "{error}");
    assert_eq!(fs::read_to_string(bench.path("taken/notes.txt")).unwrap(), "mine");
}

#[test]
fn options_out_of_range() {
    let bench = Bench::new();
    let source = bench.sample(1, 64, 64);
    let try_with = |change: &dyn Fn(&mut VodOptions)| {
        let mut options = VodOptions::new(&source, bench.path("out"));
        change(&mut options);
        vod::encode(&options, &mut |_| {}).unwrap_err().to_string()
    };
    assert!(try_with(&|options| options.preset = "warp".to_owned()).contains("veryfast"));
    assert!(try_with(&|options| options.segment_s = 70.0).contains("use 0.5 to 30"));
    for id in ["", "../up", ".hidden", "a/b", "ä"] {
        assert!(
            try_with(&|options| options.id = Some(id.to_owned())).contains("--id"),
            "{id:?}"
        );
    }
    assert!(try_with(&|options| options.ladder.video.clear()).contains("no video rung"));
    let mut options = SampleOptions::new(bench.path("s.mp4"));
    options.width = 321;
    assert!(
        sample::write(&options, &mut |_| {})
            .unwrap_err()
            .to_string()
            .contains("even sides")
    );
    let error = sample::write(&SampleOptions::new(&source), &mut |_| {}).unwrap_err();
    assert!(matches!(error, EncodeError::OutputExists { .. }), "{error}");
}

#[test]
fn a_cancelled_encoding_leaves_nothing() {
    let bench = Bench::new();
    let source = bench.sample(5, 320, 180);
    let before = names(&bench);
    let options = bench.options(&source, "180p:300k");
    let cancel = options.cancel.clone();
    let mut seen = 0;
    let error = vod::encode(&options, &mut |_| {
        seen += 1;
        cancel.cancel();
    })
    .unwrap_err();
    assert!(matches!(error, EncodeError::Cancelled), "{error}");
    assert_eq!((seen, names(&bench)), (1, before));
}
