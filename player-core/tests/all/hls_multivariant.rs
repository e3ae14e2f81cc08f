//! HLS multivariant playlists: what is read, and what becomes of it.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::input::TrackKind;
use player_core::manifest::hls::multivariant::MAX_OTHER;
use player_core::manifest::hls::{Multivariant, Origin};
use player_core::manifest::{self, ManifestError};
use player_core::presentation::{Period, Presentation, Rendition, SegmentSource, Track};
use player_core::time::MediaTime;

const URL: &str = "https://h/v/main.m3u8?token=a%2Fb&session=7";

/// Every tag and attribute.
const FULL: &str = include_str!("hls/full.m3u8");

fn model(text: &str) -> Multivariant {
    Multivariant::read(text, URL).unwrap()
}

fn presentation(text: &str) -> Presentation {
    manifest::parse(text.as_bytes(), URL).unwrap()
}

fn period(text: &str) -> Period {
    presentation(text).periods.remove(0)
}

fn said(text: &str) -> Vec<String> {
    let warnings = presentation(text).warnings.into_iter();
    warnings.map(|w| format!("{}: {}", w.line, w.message)).collect()
}

fn urls(rendition: &Rendition) -> Vec<&str> {
    let SegmentSource::Playlist(url) = &rendition.source else {
        panic!("not a playlist");
    };
    let copies = rendition.alternatives.iter().map(|copy| copy.url.as_str());
    [url.as_str()].into_iter().chain(copies).collect()
}

fn ids(tracks: &[Track]) -> Vec<(&str, Vec<&str>)> {
    tracks
        .iter()
        .map(|track| {
            let renditions = track.renditions.iter().map(|r| r.id.as_str()).collect();
            (track.id.as_str(), renditions)
        })
        .collect()
}

/// What is declared in a value: its debug form without the fields that are empty, and with tuples and byte strings on one line.
fn declared(value: &impl std::fmt::Debug) -> String {
    let text = format!("{value:#?}");
    let mut out: Vec<String> = Vec::new();
    for line in text.lines() {
        let field = line.split_once(": ").map(|(_, value)| value);
        if matches!(
            field,
            Some("\"\"," | "None," | "[]," | "false," | "0," | "0.0," | "0s,")
        ) {
            continue;
        }
        // `Some(`, `x,`, `),` become `Some(x),`.
        let is_end = line.trim_start().starts_with([')', ']']);
        let open = out.iter().rposition(|l| l.ends_with(['(', '['])).filter(|i| {
            is_end
                && out[i + 1..]
                    .iter()
                    .all(|l| l.ends_with(',') && !l.contains(": ") && !l.ends_with("},"))
        });
        match open {
            Some(i) => {
                let inner: Vec<_> = out
                    .drain(i + 1..)
                    .map(|l| l.trim().trim_end_matches(',').to_owned())
                    .collect();
                let joined = format!("{}{}{}", out[i], inner.join(", "), line.trim_start());
                out[i] = joined;
            }
            None => out.push(line.to_owned()),
        }
    }
    out.join("\n")
}

/// A playlist of these lines, with a variant at its end.
fn playlist(lines: &str) -> String {
    format!("#EXTM3U\n{lines}\n#EXT-X-STREAM-INF:BANDWIDTH=1000\nlast.m3u8\n")
}

#[test]
fn everything_is_read() {
    let playlist = model(FULL);
    assert_eq!(playlist.warnings, []);
    insta::assert_snapshot!("full_model", declared(&playlist));
}

#[test]
fn everything_that_can_be_played_is_offered() {
    insta::assert_snapshot!("full_presentation", declared(&presentation(FULL)));
}

#[test]
fn what_is_not_known_is_reported_only_when_asked_for() {
    let other: Vec<_> = model(FULL)
        .other
        .into_iter()
        .map(|o| (o.line, o.tag, o.attribute, o.value))
        .collect();
    let expect = |line: u32, tag: &str, name: &str, value: &str| {
        (line, tag.to_owned(), name.to_owned(), value.to_owned())
    };
    assert_eq!(
        other,
        [
            expect(10, "EXT-X-SESSION-KEY", "X-VENDOR", "y"),
            expect(33, "EXT-X-STREAM-INF", "PROGRAM-ID", "1"),
            expect(33, "EXT-X-STREAM-INF", "X-NOTE", "a,b"),
            expect(48, "EXT-X-VENDOR", "", "a=b"),
            expect(49, "EXT-X-BARE", "", ""),
        ]
    );
    let many = format!("{}{}", "#EXT-X-Q\n".repeat(MAX_OTHER + 5), playlist(""));
    assert_eq!(model(&many).other.len(), MAX_OTHER);
}

#[test]
fn variables_are_replaced_in_texts_and_uris_and_nowhere_else() {
    let text = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"bw\",VALUE=\"5\"\n#EXT-X-DEFINE:QUERYPARAM=\"token\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1000,NAME=\"n{$bw}\",VIDEO-RANGE={$bw}\na/{$bw}.m3u8?t={$token}\n\
        #EXT-X-STREAM-INF:BANDWIDTH={$bw}\nb.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2000\n{$later}.m3u8\n#EXT-X-DEFINE:NAME=\"later\",VALUE=\"x\"\n";
    let playlist = model(text);
    let variants: Vec<_> = playlist
        .variants
        .iter()
        .map(|v| (v.name.as_str(), v.video_range.as_str(), v.uri.as_str()))
        .collect();
    assert_eq!(variants, [("n5", "{$bw}", "https://h/v/a/5.m3u8?t=a/b")]);
    let lines: Vec<_> = playlist.warnings.iter().map(|w| w.line).collect();
    assert_eq!(lines, [6, 6, 8]);
    let origins: Vec<_> = playlist.defines.iter().map(|d| (d.line, d.origin)).collect();
    assert_eq!(
        origins,
        [(2, Origin::Value), (3, Origin::QueryParam), (10, Origin::Value)]
    );
}

#[test]
fn redundant_variants_are_copies_of_the_first() {
    let p = period(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=2000,RESOLUTION=640x360\nb1.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=320x180\na1.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=2000,RESOLUTION=640x360\nb2.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=2000,RESOLUTION=640x360\nb2.m3u8\n\
         #EXT-X-STREAM-INF:BANDWIDTH=2000,RESOLUTION=640x360,FRAME-RATE=50\nc.m3u8\n",
    );
    let main = &p.tracks[0];
    assert_eq!(ids(&p.tracks), [("main", vec!["180p", "360p", "360p-2000"])]);
    assert_eq!(urls(&main.renditions[0]), ["https://h/v/a1.m3u8"]);
    assert_eq!(
        urls(&main.renditions[1]),
        ["https://h/v/b1.m3u8", "https://h/v/b2.m3u8"]
    );
    assert_eq!(urls(&main.renditions[2]), ["https://h/v/c.m3u8"]);
}

/// Two pathways, the second of which has groups of its own, more bitrate and a variant more.
const PATHWAYS: &str = "#EXTM3U\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a1\",NAME=\"English\",LANGUAGE=\"en\",URI=\"https://one/en.m3u8\"\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a2\",NAME=\"English\",LANGUAGE=\"en\",URI=\"https://two/en.m3u8\"\n\
    #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s1\",NAME=\"English\",LANGUAGE=\"en\",URI=\"https://one/text.m3u8\"\n\
    #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s2\",NAME=\"English\",LANGUAGE=\"en\",URI=\"https://two/text.m3u8\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=320x180,CODECS=\"avc1.1,mp4a.40.2\",AUDIO=\"a1\",SUBTITLES=\"s1\",PATHWAY-ID=\"one\",STABLE-VARIANT-ID=\"low\"\nhttps://one/low.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=1001,RESOLUTION=320x180,CODECS=\"avc1.1,mp4a.40.2\",AUDIO=\"a2\",SUBTITLES=\"s2\",PATHWAY-ID=\"two\",STABLE-VARIANT-ID=\"low\"\nhttps://two/low.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2000,RESOLUTION=640x360,CODECS=\"avc1.1,mp4a.40.2\",AUDIO=\"a2\",SUBTITLES=\"s2\",PATHWAY-ID=\"two\",STABLE-VARIANT-ID=\"high\"\nhttps://two/high.m3u8\n\
    #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100,PATHWAY-ID=\"one\",URI=\"https://one/i.m3u8\"\n\
    #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100,PATHWAY-ID=\"two\",URI=\"https://two/i.m3u8\"\n";

#[test]
fn the_first_pathway_is_the_one_that_is_played() {
    let p = period(PATHWAYS);
    let main = &p.tracks[0].renditions;
    assert_eq!(ids(&p.tracks)[0], ("main", vec!["low", "high"]));
    assert_eq!(urls(&main[0]), ["https://one/low.m3u8", "https://two/low.m3u8"]);
    assert_eq!(
        (main[0].pathway.as_str(), main[0].alternatives[0].pathway.as_str()),
        ("one", "two")
    );
    assert_eq!(
        (main[1].pathway.as_str(), urls(&main[1])),
        ("two", vec!["https://two/high.m3u8"])
    );
    assert_eq!(
        urls(&p.trick_play[0].renditions[0]),
        ["https://one/i.m3u8", "https://two/i.m3u8"]
    );
}

#[test]
fn steering_says_which_pathway_is_first() {
    let steered = |id: &str| {
        let tag = format!("#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"/steer\",PATHWAY-ID=\"{id}\"\n");
        presentation(&PATHWAYS.replace("#EXTM3U\n", &tag))
    };
    let p = steered("two");
    let steering = p.steering.unwrap();
    assert_eq!(
        (steering.url.as_str(), steering.first),
        ("https://h/steer", vec!["two".to_owned()])
    );
    let [video, audio, text] = &p.periods[0].tracks[..] else {
        panic!("three tracks");
    };
    assert_eq!(
        urls(&video.renditions[0]),
        ["https://two/low.m3u8", "https://one/low.m3u8"]
    );
    // Groups that only copies name are copies too.
    assert_eq!(
        urls(&audio.renditions[0]),
        ["https://two/en.m3u8", "https://one/en.m3u8"]
    );
    assert_eq!(
        urls(&text.renditions[0]),
        ["https://two/text.m3u8", "https://one/text.m3u8"]
    );
    assert_eq!(video.renditions[0].audio_group, audio.renditions[0].audio_group);
    let p = steered("three");
    assert_eq!(
        urls(&p.periods[0].tracks[0].renditions[0])[0],
        "https://one/low.m3u8"
    );
    assert_eq!(p.warnings.iter().map(|w| w.line).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_pathway_without_a_name_is_the_dot() {
    let text = "#EXTM3U\n#EXT-X-CONTENT-STEERING:SERVER-URI=\"data:application/json,%7B%7D\",PATHWAY-ID=\".\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,PATHWAY-ID=\"x\"\nx.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1\ndot.m3u8\n";
    let p = presentation(text);
    assert_eq!(
        urls(&p.periods[0].tracks[0].renditions[0])[0],
        "https://h/v/dot.m3u8"
    );
    assert_eq!(p.steering.unwrap().url, "data:application/json,%7B%7D");
    assert_eq!(p.warnings, []);
}

#[test]
fn the_same_pictures_with_other_sound_are_one_rendition() {
    let group = |id: &str, channels: &str| {
        format!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{id}\",NAME=\"English\",LANGUAGE=\"en\",CHANNELS=\"{channels}\",DEFAULT=YES,URI=\"{id}.m3u8\"\n"
        )
    };
    let variant = |bandwidth: u32, codec: &str, group: &str| {
        format!(
            "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"avc1.1,{codec}\",RESOLUTION=640x360,AUDIO=\"{group}\"\nv.m3u8\n"
        )
    };
    let text = [
        "#EXTM3U\n".to_owned(),
        group("aac", "2"),
        group("ec3", "6"),
        variant(1500, "ec-3", "ec3"),
        variant(1000, "mp4a.40.2", "aac"),
    ]
    .concat();
    let p = period(&text);
    assert_eq!(
        ids(&p.tracks),
        [
            ("main", vec!["360p"]),
            ("audio-English", vec!["aac-English", "ec3-English"])
        ]
    );
    let video = &p.tracks[0].renditions[0];
    assert_eq!(
        (video.audio_group.as_str(), &video.more_audio_groups[..]),
        ("aac", &["ec3".to_owned()][..])
    );
    assert_eq!(video.codecs, "avc1.1");
    let sound: Vec<_> = p.tracks[1]
        .renditions
        .iter()
        .map(|r| (r.codecs.as_str(), r.channels.as_str()))
        .collect();
    assert_eq!(sound, [("mp4a.40.2", ""), ("ec-3", "6")]);
    assert_eq!((p.tracks[1].channels.as_str(), p.tracks[1].default), ("2", true));
}

#[test]
fn groups_that_are_not_as_they_should_be() {
    let text = "#EXTM3U\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"1.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",LANGUAGE=\"en\",URI=\"2.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",LANGUAGE=\"de\",DEFAULT=YES,URI=\"3.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"nobody\",NAME=\"x\",URI=\"4.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"free\",NAME=\"t\",URI=\"5.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"cc\",NAME=\"c\",INSTREAM-ID=\"SERVICE64\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.1,mp4a.40.2\",AUDIO=\"a\",VIDEO=\"none\",CLOSED-CAPTIONS=NONE\nv.m3u8\n";
    assert_eq!(
        said(text),
        [
            "7: captions without a valid INSTREAM-ID are skipped: \"SERVICE64\"",
            "3: two members of a group have the same NAME: \"x\"",
            "4: two members of a group have the same NAME: \"x\"",
            "4: two members of a group are its DEFAULT: \"a\"",
            "8: a variant names a group that is not there: \"none\"",
            "5: no variant plays with this group of sound: \"nobody\"",
            "6: no variant names this group of subtitles: \"free\"",
        ]
    );
    let p = period(text);
    assert_eq!(
        ids(&p.tracks),
        [
            ("main", vec!["v"]),
            ("audio-x", vec!["a-x"]),
            ("audio-x-de", vec!["a-x"]),
            ("text-t", vec!["free-t"])
        ]
    );
    // The same name and language again can only be a copy.
    assert_eq!(
        urls(&p.tracks[1].renditions[0]),
        ["https://h/v/1.m3u8", "https://h/v/2.m3u8"]
    );
    assert_eq!(p.tracks[0].renditions[0].caption_group, "NONE");
}

#[test]
fn sound_inside_the_variants_stays_there() {
    let text = "#EXTM3U\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Main\",DEFAULT=YES\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Other\",URI=\"o.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"avc1.1,stpp.ttml.im1t,mp4a.40.2\",AUDIO=\"a\"\nv.m3u8\n";
    let p = period(text);
    assert_eq!(ids(&p.tracks), [("main", vec!["v"])]);
    let r = &p.tracks[0].renditions[0];
    assert_eq!(
        (r.codecs.as_str(), r.audio_group.as_str()),
        ("avc1.1,mp4a.40.2", "")
    );
    assert_eq!(said(text).len(), 1);
}

#[test]
fn radio_has_tracks_of_sound_only() {
    let text = "#EXTM3U\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"English\",LANGUAGE=\"en\",DEFAULT=YES,URI=\"en.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"Deutsch\",LANGUAGE=\"de\",URI=\"de.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1,CODECS=\"mp4a.40.2\",AUDIO=\"a\"\nen.m3u8\n";
    let p = period(text);
    let tracks: Vec<_> = p
        .tracks
        .iter()
        .map(|t| (t.kind, t.language.as_str(), urls(&t.renditions[0])[0]))
        .collect();
    assert_eq!(
        tracks,
        [
            (TrackKind::Audio, "en", "https://h/v/en.m3u8"),
            (TrackKind::Audio, "de", "https://h/v/de.m3u8")
        ]
    );
    // Beside pictures a variant of sound is for those who cannot have more; it is no rung.
    let text =
        text.to_owned() + "#EXT-X-STREAM-INF:BANDWIDTH=9,CODECS=\"avc1.1,mp4a.40.2\",AUDIO=\"a\"\nv.m3u8\n";
    assert_eq!(
        ids(&period(&text).tracks),
        [
            ("main", vec!["v"]),
            ("audio-English", vec!["a-English"]),
            ("audio-Deutsch", vec!["a-Deutsch"])
        ]
    );
}

#[test]
fn other_cameras_are_tracks() {
    let text = "#EXTM3U\n\
        #EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"low\",NAME=\"Wide\",DEFAULT=YES\n\
        #EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"low\",NAME=\"Goal\",URI=\"goal-low.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"high\",NAME=\"Wide\",DEFAULT=YES,URI=\"wide-high.m3u8\"\n\
        #EXT-X-MEDIA:TYPE=VIDEO,GROUP-ID=\"high\",NAME=\"Goal\",URI=\"goal-high.m3u8\"\n\
        #EXT-X-STREAM-INF:BANDWIDTH=1000,RESOLUTION=320x180,VIDEO=\"low\"\nwide-low.m3u8\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2000,RESOLUTION=640x360,VIDEO=\"high\"\nwide-high.m3u8\n";
    let p = period(text);
    assert_eq!(
        ids(&p.tracks),
        [
            ("main", vec!["180p", "360p"]),
            ("video-Goal", vec!["low-Goal", "high-Goal"])
        ]
    );
    assert_eq!((p.tracks[0].label.as_str(), p.tracks[0].default), ("Wide", true));
    let goal: Vec<_> = p.tracks[1]
        .renditions
        .iter()
        .map(|r| (r.bandwidth.as_bps(), r.height, urls(r)[0]))
        .collect();
    assert_eq!(
        goal,
        [
            (1000, 180, "https://h/v/goal-low.m3u8"),
            (2000, 360, "https://h/v/goal-high.m3u8")
        ]
    );
}

#[test]
fn what_could_be_shown_wrongly_is_skipped() {
    let variant = |attribute: &str| {
        format!(
            "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\nflat.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=1,{attribute}\nv.m3u8\n"
        )
    };
    for (attribute, is_skipped) in [
        ("REQ-VIDEO-LAYOUT=\"CH-STEREO\"", false),
        ("REQ-VIDEO-LAYOUT=\"CH-STEREO/PROJ-HEQU,CH-MONO\"", false),
        ("REQ-VIDEO-LAYOUT=\"CH-STEREO,HOLOGRAM\"", true),
        ("REQ-VIDEO-LAYOUT=\"CH-STEREO/\"", true),
        ("VIDEO-RANGE=PQ", false),
        ("VIDEO-RANGE=HDR99", true),
    ] {
        let text = variant(attribute);
        let renditions = period(&text).tracks[0].renditions.len();
        assert_eq!(
            (renditions, said(&text).len()),
            (2 - usize::from(is_skipped), usize::from(is_skipped))
        );
        // The report has it all the same.
        assert_eq!(model(&text).variants.len(), 2);
    }
    let all = variant("VIDEO-RANGE=X").replace("BANDWIDTH=9", "BANDWIDTH=9,VIDEO-RANGE=X");
    let error = manifest::parse(all.as_bytes(), URL).unwrap_err();
    assert!(matches!(error, ManifestError::NothingToPlay(_)), "{error}");
}

#[test]
fn ids_stay_when_bitrates_order_and_urls_change() {
    let text = |bandwidth: u32, url: &str, order: [usize; 2]| {
        let lines = [
            format!(
                "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},RESOLUTION=640x360,NAME=\"x\",STABLE-VARIANT-ID=\"s-1\"\n{url}1.m3u8\n"
            ),
            format!(
                "#EXT-X-STREAM-INF:BANDWIDTH=500,RESOLUTION=640x360,NAME=\"x\",STABLE-VARIANT-ID=\"s-2\"\n{url}2.m3u8\n"
            ),
        ];
        let media = format!(
            "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",STABLE-RENDITION-ID=\"r-1\",URI=\"{url}a.m3u8\"\n"
        );
        let variants = order.map(|i| lines[i].replace("NAME=", "AUDIO=\"a\",NAME="));
        format!("#EXTM3U\n{media}{}", variants.concat())
    };
    let mut before: Vec<_> = Vec::new();
    for (bandwidth, url, order) in [(1000, "a/", [0, 1]), (1000, "b/", [1, 0]), (100, "c/", [0, 1])] {
        let p = period(&text(bandwidth, url, order));
        let mut now: Vec<String> = p
            .tracks
            .iter()
            .flat_map(|t| t.renditions.iter().map(|r| format!("{} {}", t.id, r.id)))
            .collect();
        now.sort();
        assert_eq!(now, ["audio-n r-1", "main s-1", "main s-2"]);
        assert!(before.is_empty() || before == now);
        before = now;
    }
}

#[test]
fn ids_are_unique() {
    let variant = "#EXT-X-STREAM-INF:BANDWIDTH=5,NAME=\"n\",FRAME-RATE=";
    let mut text = String::from("#EXTM3U\n");
    for i in 1..20 {
        text += &format!("{variant}{i}\n{i}.m3u8\n");
    }
    text += "#EXT-X-STREAM-INF:BANDWIDTH=6,NAME=\"n-5\"\na.m3u8\n#EXT-X-STREAM-INF:BANDWIDTH=4,NAME=\"n-5-3\"\nb.m3u8\n";
    let p = period(&text);
    let mut ids: Vec<_> = p.tracks[0].renditions.iter().map(|r| r.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 21);
}

#[test]
fn where_to_begin_may_be_at_either_end() {
    for (offset, expected) in [("-12.5", -12_500), ("+3", 3000), ("0", 0), ("-0.25", -250)] {
        let text = playlist(&format!("#EXT-X-START:TIME-OFFSET={offset},PRECISE=NO"));
        assert_eq!(
            presentation(&text).start,
            Some(MediaTime::from_millis(expected)),
            "{offset}"
        );
    }
}
