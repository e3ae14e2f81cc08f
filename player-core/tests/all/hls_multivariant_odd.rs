//! HLS multivariant playlists that are not as they should be: what is refused, what odd lines cost, and that limits hold.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::manifest::hls::Multivariant;
use player_core::manifest::hls::multivariant::MediaType;
use player_core::manifest::{self, MAX_LINE, MAX_RENDITIONS, ManifestError};
use player_core::presentation::Presentation;
use proptest::prelude::*;

const URL: &str = "https://h/v/main.m3u8?token=a%2Fb&session=7";

/// Every tag and attribute.
const FULL: &str = include_str!("hls/full.m3u8");

fn model(text: &str) -> Multivariant {
    Multivariant::read(text, URL).unwrap()
}

fn presentation(text: &str) -> Presentation {
    manifest::parse(text.as_bytes(), URL).unwrap()
}

fn said(text: &str) -> Vec<String> {
    let warnings = presentation(text).warnings.into_iter();
    warnings.map(|w| format!("{}: {}", w.line, w.message)).collect()
}

/// A playlist of these lines, with a variant at its end.
fn playlist(lines: &str) -> String {
    format!("#EXTM3U\n{lines}\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nlast.m3u8\n")
}

#[test]
fn every_line_ending_gives_the_same() {
    let expected = presentation(FULL);
    for text in [
        FULL.replace('\n', "\r\n"),
        format!("\u{feff}{FULL}"),
        FULL.replace('\n', " \n"),
    ] {
        assert_eq!(presentation(&text), expected);
    }
    // With CR alone all is one line to those who count.
    let p = presentation(&FULL.replace('\n', "\r"));
    assert_eq!(
        (p.periods, p.session_keys),
        (expected.periods, expected.session_keys)
    );
}

#[test]
fn what_is_no_playlist_is_refused() {
    for text in ["", "hello", "EXTM3U\n", "\u{feff}\u{feff}#EXTM3U"] {
        let error = manifest::parse(text.as_bytes(), URL).unwrap_err();
        assert!(
            matches!(error, ManifestError::NotAManifest(_)),
            "{text:?}: {error}"
        );
    }
    assert_eq!(
        manifest::parse(b"#EXTM3U\n\xff\xfe", URL),
        Err(ManifestError::Encoding)
    );
    for text in [
        "#EXTM3U\n",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n",
        "#EXTM3U\nx.m3u8\n",
    ] {
        let error = Multivariant::read(text, URL).unwrap_err();
        assert!(
            matches!(error, ManifestError::NothingToPlay(_)),
            "{text:?}: {error}"
        );
    }
    // Read directly, a missing first line is only odd.
    let text = "#EXT-X-STREAM-INF:BANDWIDTH=1\nx.m3u8\n";
    assert_eq!(model(text).warnings.len(), 1);
}

#[test]
fn odd_lines_cost_only_themselves() {
    for (lines, expected) in [
        (
            "#EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=5\nx.m3u8",
            "2: a playlist without BANDWIDTH is skipped: \"AVERAGE-BANDWIDTH=5\"",
        ),
        (
            "#EXT-X-STREAM-INF:BANDWIDTH=5\njavascript:alert(1)",
            "2: a URI is refused: \"the scheme \"javascript:\" is not fetched; only http: and https: are\"",
        ),
        (
            "#EXT-X-STREAM-INF:BANDWIDTH=5\nfile:///etc/passwd",
            "2: a URI is refused: \"the scheme \"file:\" is not fetched; only http: and https: are\"",
        ),
        (
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",URI=\"file:///x\"",
            "2: a URI is refused: \"the scheme \"file:\" is not fetched; only http: and https: are\"",
        ),
        (
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=5",
            "2: a playlist has no URI: \"BANDWIDTH=5\"",
        ),
        (
            "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=5,URI=\"data:,x\"",
            "2: a URI is refused: \"the scheme \"data:\" is not fetched; only http: and https: are\"",
        ),
        (
            "#EXT-X-STREAM-INF:BANDWIDTH=5",
            "2: EXT-X-STREAM-INF without a URI",
        ),
        (
            "x.m3u8",
            "2: a URI without EXT-X-STREAM-INF is skipped: \"x.m3u8\"",
        ),
        (
            "#EXT-X-MEDIA:TYPE=SMELL,GROUP-ID=\"a\",NAME=\"n\"",
            "2: EXT-X-MEDIA of an unknown TYPE is skipped: \"SMELL\"",
        ),
        (
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"a\",NAME=\"n\"",
            "2: subtitles without a URI are skipped: \"TYPE=SUBTITLES,GROUP-ID=\"a\",NAME=\"n\"\"",
        ),
        ("#EXT-X-VERSION:x", "2: EXT-X-VERSION is not valid: \"x\""),
        (
            "#EXT-X-VERSION:4\n#EXT-X-VERSION:5",
            "3: a tag is there again: the first one counts: \"EXT-X-VERSION\"",
        ),
        (
            "#EXT-X-START:PRECISE=YES",
            "2: EXT-X-START without a TIME-OFFSET is not used: \"PRECISE=YES\"",
        ),
        (
            "#EXT-X-START:TIME-OFFSET=NaN",
            "2: EXT-X-START without a TIME-OFFSET is not used: \"TIME-OFFSET=NaN\"",
        ),
        (
            "#EXT-X-START:TIME-OFFSET=1,PRECISE=MAYBE",
            "2: PRECISE is not valid: \"MAYBE\"",
        ),
        (
            "#EXT-X-SESSION-DATA:DATA-ID=\"d\"",
            "2: session data must have a DATA-ID and either a VALUE or a URI: \"DATA-ID=\"d\"\"",
        ),
        (
            "#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"\"\n#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"2\"",
            "3: session data is there already: \"d\"",
        ),
        (
            "#EXT-X-SESSION-KEY:METHOD=NONE",
            "2: a session key must have a METHOD other than NONE",
        ),
        (
            "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\",IV=0x12",
            "2: an IV has fewer than 128 bits: zeros are put before it: \"0x12\"",
        ),
        (
            "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"javascript:x\"",
            "2: the URI of a key is refused: \"the scheme \"javascript:\" is not fetched; only http: and https: are\"",
        ),
        (
            "#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"\n#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"k\"",
            "3: a session key is there already",
        ),
        (
            "#EXT-X-CONTENT-STEERING:PATHWAY-ID=\"a\"",
            "2: EXT-X-CONTENT-STEERING without a SERVER-URI is not used: \"PATHWAY-ID=\"a\"\"",
        ),
        ("#EXT-X-DEFINE:NAME=\"a\"", "2: a variable has no VALUE: \"a\""),
        (
            "#EXT-X-DEFINE:IMPORT=\"a\"",
            "2: a multivariant playlist cannot IMPORT: \"a\"",
        ),
        (
            "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{$a}\"",
            "2: a variable is not defined: \"a\"",
        ),
        (
            "#EXT-X-DEFINE:QUERYPARAM=\"nope\"",
            "2: the playlist's URL has no query parameter with a value for: \"nope\"",
        ),
        (
            "#EXT-X-STREAM-INF:BANDWIDTH=5\n{$x}.m3u8",
            "2: a variable is not defined: \"x\"",
        ),
        ("# a\0b", "2: the playlist has control characters"),
    ] {
        let text = playlist(lines);
        assert_eq!(said(&text), [expected], "{lines}");
        let tracks = &presentation(&text).periods[0].tracks;
        let ids = tracks.iter().map(|track| {
            (
                track.id.as_str(),
                track.renditions[0].id.as_str(),
                track.renditions.len(),
            )
        });
        assert_eq!(ids.collect::<Vec<_>>(), [("main", "last", 1)], "{lines}");
    }
}

#[test]
fn numbers_that_are_none_are_not_declared() {
    let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5,AVERAGE-BANDWIDTH=-1,SCORE=inf,RESOLUTION=1920,FRAME-RATE=NaN\na.m3u8\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",BIT-DEPTH=x,SAMPLE-RATE=99999999999\n";
    let playlist = model(text);
    let v = &playlist.variants[0];
    assert_eq!(
        (v.average_bandwidth, v.score, v.resolution, v.frame_rate),
        (None, None, None, None)
    );
    let m = &playlist.media[0];
    assert_eq!(
        (m.kind, m.bit_depth, m.sample_rate),
        (MediaType::Audio, None, None)
    );
    assert_eq!(playlist.warnings.len(), 5);
}

#[test]
fn a_nul_in_a_uri_is_refused() {
    let text = playlist("#EXT-X-STREAM-INF:BANDWIDTH=5\na\0.m3u8");
    assert_eq!(presentation(&text).periods[0].tracks[0].renditions.len(), 1);
    assert_eq!(
        said(&text),
        [
            "3: the playlist has control characters",
            "2: a URI with control characters is refused"
        ]
    );
}

#[test]
fn an_unclosed_quote_runs_to_the_end_of_the_line() {
    let playlist = model("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5,CODECS=\"avc1.1,AUDIO=\"a\na.m3u8\n");
    assert_eq!(playlist.variants[0].codecs, "avc1.1,AUDIO=");
    let playlist = model("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5,CODECS=\"avc1.1,AUDIO=1\na.m3u8\n");
    assert_eq!(playlist.variants[0].codecs, "avc1.1,AUDIO=1");
}

#[test]
fn limits_hold() {
    let variants = |n: usize| {
        let lines = (0..n).map(|i| format!("#EXT-X-STREAM-INF:BANDWIDTH={}\n{i}.m3u8\n", i + 1));
        format!("#EXTM3U\n{}", lines.collect::<String>())
    };
    assert_eq!(model(&variants(MAX_RENDITIONS)).variants.len(), MAX_RENDITIONS);
    let error = Multivariant::read(&variants(MAX_RENDITIONS + 1), URL).unwrap_err();
    assert!(
        matches!(error, ManifestError::Limit { line: 2002, .. }),
        "{error}"
    );
    let media =
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",URI=\"a.m3u8\"\n".repeat(MAX_RENDITIONS + 1);
    let error = Multivariant::read(&playlist(&media), URL).unwrap_err();
    assert!(matches!(error, ManifestError::Limit { .. }), "{error}");
    // What one can play without is cut off.
    let keys = (0..2000).map(|i| format!("#EXT-X-SESSION-KEY:METHOD=AES-128,URI=\"{i}\"\n"));
    let read = model(&playlist(&keys.collect::<String>()));
    assert_eq!(
        (read.session_keys.len(), read.warnings.len()),
        (MAX_RENDITIONS, 100)
    );
    let long = playlist(&"x".repeat(MAX_LINE + 1));
    let error = Multivariant::read(&long, URL).unwrap_err();
    assert!(matches!(error, ManifestError::Limit { line: 2, .. }), "{error}");
    // Small text, large in memory.
    let mut bomb = format!(
        "#EXTM3U\n#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{}\"\n",
        "x".repeat(60_000)
    );
    for i in 1..1000 {
        bomb += &format!("#EXT-X-STREAM-INF:BANDWIDTH={i},NAME=\"{{$a}}\",CODECS=\"{{$a}}\"\n{{$a}}\n");
    }
    let error = Multivariant::read(&bomb, URL).unwrap_err();
    assert!(
        matches!(error, ManifestError::Limit { line, .. } if line < 400),
        "{error}"
    );
}

#[test]
fn names_longer_than_any_are_none() {
    let long = "x".repeat(1025);
    let text = playlist(&format!(
        "#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"{long}\"\n#EXT-X-STREAM-INF:BANDWIDTH=5,NAME=\"{long}\"\na.m3u8"
    ));
    let playlist = model(&text);
    assert_eq!(playlist.variants[0].name, "");
    assert_eq!(playlist.session_data[0].value.as_deref(), Some(long.as_str()));
    assert_eq!(playlist.warnings.iter().map(|w| w.line).collect::<Vec<_>>(), [3]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn garbage_in_the_middle_is_survived(
        garbage in "\\PC{0,40}|[#EXT:=,\"{}$\r\n\0-9x-]{0,40}",
        at in any::<prop::sample::Index>(),
        cut in 0usize..200,
    ) {
        let at = at.index(FULL.len());
        let start = (0..=at).rev().find(|i| FULL.is_char_boundary(*i)).unwrap();
        let end = (start + cut..).find(|i| *i >= FULL.len() || FULL.is_char_boundary(*i)).unwrap();
        let rest = FULL.get(end..).unwrap_or_default();
        let text = [FULL.get(..start).unwrap(), &garbage, rest].concat();
        if let Ok(playlist) = Multivariant::read(&text, URL) {
            prop_assert!(playlist.warnings.len() <= 100);
            let lines = text.split('\n').count() as u32;
            prop_assert!(playlist.warnings.iter().all(|w| (1..=lines).contains(&w.line)));
            if let Ok(presentation) = playlist.into_presentation() {
                prop_assert!(presentation.warnings.len() <= 100);
                prop_assert!(presentation.periods[0].tracks.iter().all(|t| !t.renditions.is_empty()));
            }
        }
    }
}
