#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::process::{Command, Stdio};

use ffmpeg_next::Packet;
use player_core::text::{Format, read};
use proptest::prelude::*;

use super::*;
use crate::error::EncodeError;
use crate::pictures::tests::Memory;

fn read_text(text: impl AsRef<[u8]>, is_webvtt: bool) -> TextTrack {
    let mut track = TextTrack::new("en".to_owned(), None, Role::Subtitle);
    reader::read(text.as_ref(), is_webvtt, &mut track);
    track
}

/// Cues in short: id, times, settings, text.
fn short(track: &TextTrack) -> Vec<(&str, u64, u64, &str, &str)> {
    let cues = track.cues.iter();
    cues.map(|cue| {
        let Cue {
            id,
            start_ms,
            end_ms,
            settings,
            text,
        } = cue;
        (id.as_str(), *start_ms, *end_ms, settings.as_str(), text.as_str())
    })
    .collect()
}

#[test]
fn subrip_as_it_is_found() {
    let track = read_text(
        "\u{feff}1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Fish</i> & chips\r\nfor two\r\n\r\n\
         2\r\n00:00:03.000 -> 00:00:04:250  X1:10 X2:20\r\n{\\an8}Above\r\n\r\nafter a blank line\r\n\r\n\
         3\r\n0:0:5 --> 0:0:6,5\r\n1984\r\n\r\n\
         1:00:00,000 --> 1:00:01,000\r\nno number\r\n\r\n\
         5\r\n00:00:xx,000 --> 00:00:09,000\r\nlost\r\n\r\n\
         6\r\n-00:00:01,000 --> 00:00:00,800\r\nearly 10:20 -> 10:30\r\n\r\n7\r\n00:00:09,000 --> 00:00:08,000\r\nbackwards",
        false,
    );
    assert_eq!(
        short(&track),
        [
            ("1", 0, 800, "", "early 10:20 -&gt; 10:30"),
            ("2", 1000, 2500, "", "<i>Fish</i> &amp; chips\nfor two"),
            ("3", 3000, 4250, "line:0", "Above\nafter a blank line"),
            ("4", 5000, 6500, "", "1984"),
            ("5", 9000, 11_000, "", "backwards"),
            ("6", 3_600_000, 3_601_000, "", "no number"),
        ]
    );
    assert_eq!(
        track.warnings,
        [
            "one cue with times that are not understood left out",
            "one cue without an end later than the start: shown until the next, for two seconds at most"
        ]
    );
}

#[test]
fn webvtt_as_it_is_found() {
    let track = read_text(
        "WEBVTT - a title\n\nSTYLE\n::cue(.loud) { color: red }\n\nREGION\nid:fred width:40% depth:3\n\nNOTE nothing\n\n\
         intro\n00:01.000 --> 00:02.000 region:fred align:middle speed:5\n<v Ann>Hi <c.loud>you</c>\n\n\
         00:00:02.000 --> 00:00:03.000 line:0\nno id\n\nintro\n00:02.500 --> 00:04.000\ntwice &eacute;\n\
         00:05.000 --> 00:06.000\nwithout a blank line before\n",
        true,
    );
    assert_eq!(
        short(&track),
        [
            (
                "intro",
                1000,
                2000,
                "region:fred align:center",
                "<v Ann>Hi <c.loud>you</c></v>"
            ),
            ("2", 2000, 3000, "line:0", "no id"),
            ("3", 2500, 4000, "", "twice &eacute;"),
            ("4", 5000, 6000, "", "without a blank line before"),
        ]
    );
    assert_eq!(
        track.preamble,
        ["STYLE\n::cue(.loud) { color: red }", "REGION\nid:fred\nwidth:40%"]
    );
    assert_eq!(
        track.warnings,
        [
            "cue settings that are not understood left out: 1",
            "one cue shown while another one still is"
        ]
    );
}

#[test]
fn other_encodings_are_understood() {
    let cue = "1\n00:00:01,000 --> 00:00:02,000\n";
    let latin = [cue.as_bytes(), b"Caf\xe9 \x93quoted\x94"].concat();
    let track = read_text(latin, false);
    assert_eq!(track.cues[0].text, "Café “quoted”");
    assert_eq!(
        track.warnings,
        ["it is not UTF-8: taken for Windows-1252 (Latin-1)"]
    );
    let utf16 = format!("{cue}Ünï")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect::<Vec<u8>>();
    let track = read_text([b"\xff\xfe".as_slice(), &utf16].concat(), false);
    assert_eq!((track.cues[0].text.as_str(), track.warnings.len()), ("Ünï", 0));
    let track = read_text(
        "1\r00:00:01,000 --> 00:00:02,000\rold\r\r2\r00:00:03,000 --> 00:00:04,000\rMac",
        false,
    );
    assert_eq!(track.cues.len(), 2);
    assert_eq!(
        (track.cues[0].text.as_str(), track.cues[1].text.as_str()),
        ("old", "Mac")
    );
}

/// Id, times, settings and text of a cue as the player reads it.
type Played = (String, i64, i64, String, String);

/// Reads segments with the player's reader: what it finds in each, and all of it once.
fn play(track: &TextTrack, cuts: &Cuts) -> (Vec<usize>, Vec<Played>) {
    let output = Memory::default();
    let segments = write(track, "text/en", cuts, 0, &output).unwrap();
    let files = output.files();
    assert_eq!(segments.len(), files.len());
    let mut counts = Vec::new();
    let mut all: Vec<Played> = Vec::new();
    for segment in &segments {
        let bytes = &files[&format!("text/en/{}.vtt", segment.number)];
        assert_eq!(segment.bytes, bytes.len() as u64);
        let head = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n";
        assert!(bytes.starts_with(head.as_bytes()));
        let found = read(bytes, None, Format::WebVtt).unwrap();
        assert_eq!(found.warnings, [], "{}", String::from_utf8_lossy(bytes));
        let map = found.timestamp_map.unwrap();
        assert_eq!((map.mpegts, map.local.as_micros()), (0, 0));
        counts.push(found.cues.len());
        for cue in found.cues {
            let cue = (
                cue.id,
                cue.start.as_millis(),
                cue.end.as_millis(),
                cue.settings,
                cue.text,
            );
            if !all.contains(&cue) {
                assert!(!all.iter().any(|other| other.0 == cue.0), "{cue:?}");
                all.push(cue);
            }
        }
    }
    (counts, all)
}

#[test]
fn cues_are_in_each_segment_that_they_last_into() {
    let track = read_text(
        "WEBVTT\n\n00:01.000 --> 00:02.000\na\n\n00:03.500 --> 00:08.200 line:0\nlong\n\n00:08.000 --> 00:09.000\nb\n\n\
         00:15.900 --> 00:30.000\nlast\n\n00:16.000 --> 00:17.000\nbehind the end\n",
        true,
    );
    // 29.97 frames a second, 60 to a segment.
    let starts: Vec<u64> = (0..8).map(|n| n * 60_060).chain([480_000]).collect();
    let cuts = Cuts::new(30_000, &starts, None);
    let (counts, all) = play(&track, &cuts);
    assert_eq!(counts, [1, 1, 1, 2, 2, 0, 0, 1]);
    let expected = |id: &str, start, end, settings: &str, text: &str| {
        (id.to_owned(), start, end, settings.to_owned(), text.to_owned())
    };
    assert_eq!(
        all,
        [
            expected("1", 1000, 2000, "", "a"),
            expected("2", 3500, 8200, "line:0", "long"),
            expected("3", 8000, 9000, "", "b"),
            expected("4", 15_900, 16_000, "", "last"),
        ]
    );
    let longer = Cuts::new(30_000, &starts, Some(5));
    let output = Memory::default();
    let segments = write(&track, "t", &longer, 900_000, &output).unwrap();
    for bytes in output.files().values() {
        assert!(bytes.starts_with(b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000\n"));
    }
    let durations: Vec<u64> = segments.iter().map(|segment| segment.duration).collect();
    assert_eq!(durations, [120_120, 120_120, 120_120, 119_640]);
    assert_eq!(segments[1].start, 120_120);

    let file = read(&whole(&track, 16_000), None, Format::WebVtt).unwrap();
    assert_eq!((file.cues.len(), file.warnings.len()), (4, 0));
    assert_eq!(file.cues[3].end.as_millis(), 16_000);
}

#[test]
fn styles_and_regions_are_in_every_segment() {
    let track = read_text(
        "WEBVTT\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:r\nlines:2\n\n00:01.000 --> 00:05.000 region:r\na\n",
        true,
    );
    let cuts = Cuts::new(1000, &[0, 2000, 4000, 6000], None);
    let output = Memory::default();
    write(&track, "t", &cuts, 0, &output).unwrap();
    assert_eq!(output.files().len(), 3);
    for (number, bytes) in output.files().values().enumerate() {
        let vtt = player_core::text::webvtt::WebVtt::parse(bytes).unwrap();
        assert_eq!(vtt.warnings, []);
        assert_eq!(vtt.styles().collect::<Vec<_>>(), ["::cue { color: red }"]);
        assert_eq!((vtt.regions[0].id.as_str(), vtt.regions[0].lines), ("r", 2));
        assert_eq!(vtt.cue(0).unwrap().settings.region, "r", "{number}");
    }
}

#[test]
fn options_name_language_role_and_file() {
    let parsed = |text: &str| text.parse::<Sidecar>();
    let sidecar = |language: &str, role, path: &str| Sidecar {
        language: language.to_owned(),
        role,
        path: path.into(),
    };
    assert_eq!(
        parsed("ger=a=b.srt").unwrap(),
        sidecar("de", Role::Subtitle, "a=b.srt")
    );
    assert_eq!(
        parsed("pt-br:forced=x.vtt").unwrap(),
        sidecar("pt-BR", Role::Forced, "x.vtt")
    );
    assert_eq!(
        parsed("en:sdh=x.vtt").unwrap(),
        sidecar("en", Role::Caption, "x.vtt")
    );
    for bad in ["", "de", "de=", "=x.srt", "german=x.srt", "de:loud=x.srt"] {
        assert!(matches!(parsed(bad), Err(EncodeError::BadOption { .. })), "{bad}");
    }
    let caption = TextTrack::new("de".to_owned(), None, Role::Caption);
    assert_eq!(
        (caption.name.as_str(), caption.role.dash_role()),
        ("Deutsch (SDH)", "caption")
    );
    assert!(caption.role.hls_characteristics().is_some() && !caption.role.is_forced());
    assert_eq!(Role::Subtitle.hls_characteristics(), None);
    assert!(Role::Forced.is_forced());
}

#[test]
fn a_file_without_cues_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let sidecar = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        format!("en={}", path.display())
            .parse::<Sidecar>()
            .unwrap()
            .read()
    };
    let good = sidecar("a.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHi\n").unwrap();
    assert_eq!((good.name.as_str(), good.cues.len()), ("English", 1));
    let bad = sidecar("b.srt", b"<html>not found</html>").unwrap_err();
    assert!(
        bad.to_string().contains("b.srt") && bad.to_string().contains("no cues"),
        "{bad}"
    );
    let long = sidecar("c.vtt", &vec![b'a'; 10 * 1024 * 1024 + 1]).unwrap_err();
    assert!(long.to_string().contains("10 MiB"));
    let missing = "en=/nowhere/x.srt".parse::<Sidecar>().unwrap().read();
    assert!(matches!(missing, Err(EncodeError::InputMissing { .. })));
}

/// The text tracks of a file, and what is said about streams that are left out.
fn source_text(path: &Path) -> (Vec<TextTrack>, Vec<String>) {
    crate::init_ffmpeg();
    let mut source = crate::source::open(path).unwrap();
    let mut text = SourceText::open(&source.input, source.origin_us);
    let warnings = text.warnings.iter().map(ToString::to_string).collect();
    loop {
        let mut packet = Packet::empty();
        match packet.read(&mut source.input) {
            Ok(()) => {
                text.take(&packet);
            }
            Err(_) => return (text.finish(), warnings),
        }
    }
}

fn ffmpeg(arguments: &str, dir: &Path) {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-y"])
        .args(arguments.split_whitespace())
        .current_dir(dir)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A picture stream of four seconds.
const PICTURES: &str = "-f lavfi -i color=gray:s=32x32:r=5:d=4";

#[test]
fn text_streams_of_all_kinds_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(
        dir.join("a.srt"),
        "1\n00:00:00,500 --> 00:00:01,250\n<i>Fish</i> & chips\n\n2\n00:00:02,000 --> 00:00:03,000\n{\\an8}two\nlines <3\n",
    )
    .unwrap();
    std::fs::write(
        dir.join("a.ass"),
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, \
         OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, \
         Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\n\
         Style: Sign,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,-1,0,0,100,100,0,0,1,1,0,8,10,10,10,1\n\n\
         [Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n\
         Dialogue: 0,0:00:01.00,0:00:02.00,Sign,,0,0,0,,Exit, {\\c&H00FFFF&}left{\\c}\\Nnow\n\
         Dialogue: 0,0:00:03.00,0:00:03.50,Sign,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}\n",
    )
    .unwrap();
    std::fs::write(
        dir.join("a.vtt"),
        "WEBVTT\n\nfirst\n00:01.000 --> 00:02.500 line:10% align:left\n<v Ann>Hi & bye</v>\n",
    )
    .unwrap();
    ffmpeg(
        &format!(
            "{PICTURES} -i a.srt -i a.ass -i a.vtt -map 0 -map 1 -map 2 -map 3 -c:v mpeg4 -c:s copy \
             -metadata:s:s:0 language=ger -metadata:s:s:1 language=eng -metadata:s:s:1 title=Signs \
             -disposition:s:1 forced -disposition:s:2 hearing_impaired -metadata:s:s:2 language=fre text.mkv"
        ),
        dir,
    );
    let (tracks, warnings) = source_text(&dir.join("text.mkv"));
    assert_eq!(warnings, Vec::<String>::new());
    let head = |track: &TextTrack| (track.language.clone(), track.name.clone(), track.role);
    assert_eq!(
        tracks.iter().map(head).collect::<Vec<_>>(),
        [
            ("de".to_owned(), "Deutsch".to_owned(), Role::Subtitle),
            ("en".to_owned(), "Signs".to_owned(), Role::Forced),
            ("fr".to_owned(), "Français (SDH)".to_owned(), Role::Caption),
        ]
    );
    assert_eq!(
        short(&tracks[0]),
        [
            ("1", 500, 1250, "", "<i>Fish</i> &amp; chips"),
            ("2", 2000, 3000, "line:0", "two\nlines &lt;3")
        ]
    );
    assert_eq!(
        short(&tracks[1]),
        [("1", 1000, 2000, "line:0", "<i>Exit, <c.yellow>left</c>\nnow</i>")]
    );
    assert_eq!(
        short(&tracks[2]),
        [(
            "first",
            1000,
            2500,
            "line:10% align:left",
            "<v Ann>Hi &amp; bye</v>"
        )]
    );

    // The text of MP4 files; and presentation time 0 is where the pictures begin.
    ffmpeg(
        &format!(
            "{PICTURES} -i a.srt -c:v mpeg4 -c:s mov_text -metadata:s:s:0 language=eng -output_ts_offset 2 text.mp4"
        ),
        dir,
    );
    let (tracks, _) = source_text(&dir.join("text.mp4"));
    assert_eq!(
        head(&tracks[0]),
        ("en".to_owned(), "English".to_owned(), Role::Subtitle)
    );
    let cues = short(&tracks[0]);
    assert_eq!(
        (cues[0].1, cues[0].2, cues[0].4),
        (500, 1250, "<i>Fish</i> &amp; chips")
    );
    assert_eq!(
        (cues[1].1, cues[1].2, cues[1].4),
        (2000, 3000, "two\nlines &lt;3")
    );
}

#[test]
fn pictures_of_text_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // Presentation graphics: a composition without objects, and its end, twice.
    let mut graphics = Vec::new();
    for time in [90_000_u32, 180_000] {
        let composition = [0, 32, 0, 32, 0x10, 0, 0, 0x80, 0, 0, 0];
        for (kind, payload) in [(0x16, composition.as_slice()), (0x80, &[])] {
            graphics.extend(b"PG");
            graphics.extend(time.to_be_bytes());
            graphics.extend([0; 4]);
            graphics.push(kind);
            graphics.extend((payload.len() as u16).to_be_bytes());
            graphics.extend(payload);
        }
    }
    std::fs::write(dir.join("a.sup"), graphics).unwrap();
    ffmpeg(
        &format!(
            "{PICTURES} -f sup -i a.sup -map 0 -map 1 -c:v mpeg4 -c:s copy -metadata:s:s:0 language=eng a.mkv"
        ),
        dir,
    );
    let (tracks, warnings) = source_text(&dir.join("a.mkv"));
    assert_eq!(tracks, []);
    assert_eq!(
        warnings,
        [
            "stream 1 (hdmv_pgs_subtitle, eng): pictures of text cannot be made into text; name a .srt or .vtt file by \
          --subtitles"
        ]
    );
}

/// What holds for every track, whatever was read.
fn check(track: &TextTrack) {
    assert!(track.warnings.len() <= MAX_WARNINGS);
    assert!(track.cues.is_sorted_by_key(|cue| (cue.start_ms, cue.end_ms)));
    for cue in &track.cues {
        assert!(cue.start_ms < cue.end_ms, "{cue:?}");
        for text in [&cue.id, &cue.settings, &cue.text] {
            assert!(
                !text.contains("-->") && !text.contains("\n\n") && !text.contains('\r'),
                "{cue:?}"
            );
        }
        assert!(!cue.text.is_empty() && !cue.id.contains('\n') && !cue.id.is_empty());
    }
    // The player reads what is written, all of it, without a warning.
    let end_ms = track.cues.iter().map(|cue| cue.end_ms).max().unwrap_or(0);
    let found = read(&whole(track, end_ms), None, Format::WebVtt).unwrap();
    assert_eq!(found.warnings, []);
    assert_eq!(found.cues.len(), track.cues.len());
    for (found, cue) in found.cues.iter().zip(&track.cues) {
        let times = (found.start.as_millis() as u64, found.end.as_millis() as u64);
        assert_eq!(times, (cue.start_ms, cue.end_ms));
        assert_eq!((&found.id, &found.text), (&cue.id, &cue.text));
    }
    let cuts = Cuts::new(1000, &[0, end_ms / 3, end_ms / 2, end_ms], None);
    if track.cues.len() < 100 {
        let (_, all) = play(track, &cuts);
        assert_eq!(all.len(), track.cues.len());
    }
}

/// Texts made of what subtitles are made of, in any order.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "\n", "\r\n", "\n\n", "\r", " ", "1", "12", "WEBVTT\n\n", "NOTE\n", "STYLE\n", "REGION\n", "id:a", "-->", "->", " --> ",
            "00:00:01,000", "00:00:02.500", "01:00.000", "99:59:59,999", "-00:00:01,000", "00:00:01,000 --> 00:00:02,000\n",
            "00:01.000 --> 00:03.000 line:0\n", "<i>", "</i>", "<b", "</b>", "<v Ann-->", "<c.a-->", "<v a&gt;b>", "<ruby>", "<rt>",
            "<lang en>", "<00:00:01.000>", "<font color=#ff0000>", "</font>", "{\\an8}", "{\\i1}", "}", "&amp;", "&", "&#0;", "&#10;",
            "&lt;", "&x;", "\u{feff}", "\u{0}", "\u{2028}", "\u{85}", "é", "region:a", "align:start", "X-TIMESTAMP-MAP=MPEGTS:1,LOCAL:0",
        ]).prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..60).prop_map(|pieces| pieces.concat())
}

#[test]
fn tracks_come_back_from_the_first_stage_as_they_were() {
    let track = read_text(
        "WEBVTT\n\nSTYLE\n::cue {}\n\na\n00:01.000 --> 00:02.000 line:0\n<b>x</b>\ny\n",
        true,
    );
    let json = serde_json::to_string(&[&track]).unwrap();
    assert_eq!(TextTrack::parse_all(json.as_bytes()).unwrap(), [track]);
    for (good, bad) in [
        (r#""language":"en""#, r#""language":"../x""#),
        (r#""name":"English""#, r#""name":"a\nb""#),
        (r#""start_ms":1000"#, r#""start_ms":2000"#),
        (r#""id":"a""#, r#""id":"-->""#),
        (r#""settings":"line:0""#, r#""settings":"\n""#),
        (r"</b>\ny", r"</b>\n\ny"),
        (r"::cue {}", r"-->"),
    ] {
        assert!(json.contains(good), "{good}");
        assert!(
            TextTrack::parse_all(json.replace(good, bad).as_bytes()).is_err(),
            "{bad}"
        );
    }
}

/// Files that nobody keeps.
struct Nowhere;

impl crate::storage::Output for Nowhere {
    fn write(&self, _name: &str, _bytes: &[u8]) -> Result<(), EncodeError> {
        Ok(())
    }

    fn write_joined(&self, _name: &str, _head: &[u8], _body: &Path) -> Result<(), EncodeError> {
        Ok(())
    }

    fn commit(&self) -> Result<(), EncodeError> {
        Ok(())
    }
}

#[test]
fn cues_that_never_end_do_not_fill_a_disk() {
    let cue = format!("00:00:00,000 --> 99:00:00,000\n{}\n\n", "x".repeat(4000));
    let track = read_text(cue.repeat(1000), false);
    let video: Vec<u64> = (0..1000).collect();
    let error = write(&track, "text-en", &Cuts::new(1, &video, None), 0, &Nowhere).unwrap_err();
    assert!(error.to_string().contains("mend their times"), "{error}");
    let few: Vec<u64> = (0..10).collect();
    assert!(write(&track, "text-en", &Cuts::new(1, &few, None), 0, &Nowhere).is_ok());
}

#[test]
fn nothing_in_ids_and_names_becomes_an_arrow_or_a_line() {
    let file = "WEBVTT\n\n--\u{1}>\n00:01.000 --> 00:02.000\n<v a&#45;&#45;>b</v>\n\n\
                --\u{7f}>-->\n00:03.000 --> 00:04.000\n<v a&#13;&#0;&#10;b>c</v><lang &#32;>d</lang>\n";
    let track = read_text(file, true);
    check(&track);
    assert_eq!(track.cues[0].text, "<v a>b</v>");
    assert_eq!(track.cues[1].text, "<v a b>c</v>d");
    for given in ["---->>", "a\u{1}-->", " --\u{2}> "] {
        assert_eq!(cue_id(given), "", "{given:?}");
    }
    assert_eq!(cue_id(" a\u{1} "), "a");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_read_can_be_played(bytes in pieces(), is_webvtt: bool) {
        check(&read_text(&bytes, is_webvtt));
        check(&read_text([b"WEBVTT\n\n".as_slice(), &bytes].concat(), true));
        check(&read_text([b"1\n00:00:01,000 --> 00:00:02,000\n".as_slice(), &bytes].concat(), false));
    }

    #[test]
    fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..400), is_webvtt: bool) {
        check(&read_text(&bytes, is_webvtt));
    }

    #[test]
    fn any_event_of_ass_is_converted(text in "[ -~\n]{0,80}|(\\{\\\\(i|b|u|an|c&H|p|r)[0-9]{0,3}\\}|[a<>&]|\\\\N){0,20}") {
        let converted = ass::Styles::default().convert(&format!("0,0,Default,,0,0,0,,{text}"));
        let mut track = TextTrack::new("en".to_owned(), None, Role::Subtitle);
        track.cues.push(Cue { start_ms: 1, end_ms: 2, settings: converted.settings, text: converted.text, ..Cue::default() });
        track.tidy();
        check(&track);
    }
}
