//! All thumbnails of a load: where they come from, what must be fetched first, and the list for a seek bar.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use core::time::Duration;

use player_core::manifest::parse;
use player_core::presentation::{Presentation, SegmentIndex};
use player_core::text::webvtt::WebVtt;
use player_core::thumbnails::{Found, MAX_LISTED, Need, Picture, Sprites, Thumbnails, to_webvtt};
use player_core::{Instant, MediaTime};

const START: Instant = Instant::from_micros(1);
const VARIANTS: &str = "#EXTM3U\n#EXT-X-DEFINE:NAME=\"v\",VALUE=\"7\"\n#EXT-X-STREAM-INF:BANDWIDTH=1000000,CODECS=\"avc1.64001f\"\nv.m3u8\n";
const IMAGES: &str = "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=10000,RESOLUTION=160x90,CODECS=\"jpeg\",URI=\"small.m3u8\"\n\
    #EXT-X-IMAGE-STREAM-INF:BANDWIDTH=40000,RESOLUTION=320x180,CODECS=\"jpeg\",URI=\"large.m3u8\"\n";
const FRAMES: &str =
    "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=100000,RESOLUTION=640x360,CODECS=\"avc1.64001f\",URI=\"i.m3u8\"\n";

fn s(s: i64) -> MediaTime {
    MediaTime::from_millis(s * 1000)
}

fn at(seconds: u64) -> Instant {
    START + Duration::from_secs(seconds)
}

fn hls(lines: &str) -> Presentation {
    parse(format!("{VARIANTS}{lines}").as_bytes(), "https://h/a/all.m3u8").unwrap()
}

fn thumbnails(presentation: &Presentation) -> Thumbnails {
    let mut thumbnails = Thumbnails::new(presentation.variables.clone());
    thumbnails.set_periods(&presentation.periods);
    thumbnails
}

/// What is found at `seconds`, in a few words.
fn found(thumbnails: &mut Thumbnails, seconds: i64, width: u32) -> String {
    match thumbnails.thumbnail_at(s(seconds), width, START) {
        Found::Fetch(need) => {
            let range = need
                .resource
                .range
                .map(|range| format!(" {}+{}", range.offset, range.length));
            format!("fetch {}{}", need.resource.url, range.unwrap_or_default())
        }
        Found::Here(Picture::Image(image)) => image.url(),
        Found::Here(Picture::Frame(frame)) => {
            let range = frame
                .resource
                .range
                .map(|range| format!(" {}+{}", range.offset, range.length));
            let init = frame.init.map(|init| format!(" after {}", init.url));
            let more = range.unwrap_or_default() + &init.unwrap_or_default();
            format!("{} {}{more}", frame.mime, frame.resource.url)
        }
        Found::Nothing => "nothing".into(),
        Found::Pending => "pending".into(),
    }
}

fn needed<T: core::fmt::Debug>(found: Found<T>) -> Need {
    match found {
        Found::Fetch(need) => need,
        other => panic!("{other:?}"),
    }
}

fn zero(_: &SegmentIndex) -> MediaTime {
    MediaTime::ZERO
}

fn load(thumbnails: &mut Thumbnails, need: &Need, text: &str) {
    let url = &need.resource.url;
    thumbnails
        .loaded(need.source, url, text.as_bytes(), START, &zero)
        .unwrap();
}

fn images(layout: &str, resolution: &str, count: usize, end: &str) -> String {
    let mut text = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:60\n#EXT-X-IMAGES-ONLY\n");
    for n in 0..count {
        text += &format!("#EXT-X-TILES:RESOLUTION={resolution},LAYOUT={layout}\n#EXTINF:60,\n{n}.jpg\n");
    }
    text + end
}

#[test]
fn images_are_read_when_they_are_wanted() {
    let mut thumbnails = thumbnails(&hls(IMAGES));
    // The smallest that is wide enough; said once.
    assert_eq!(found(&mut thumbnails, 70, 200), "fetch https://h/a/large.m3u8");
    assert_eq!(found(&mut thumbnails, 70, 200), "pending");
    let small = needed(thumbnails.thumbnail_at(s(70), 100, START));
    assert_eq!(small.resource.url, "https://h/a/small.m3u8");
    load(
        &mut thumbnails,
        &small,
        &images("3x2", "160x90", 2, "#EXT-X-ENDLIST"),
    );
    assert_eq!(
        found(&mut thumbnails, 70, 100),
        "https://h/a/1.jpg#xywh=160,0,160,90"
    );
    // Meanwhile, another one is better than none; and if the best cannot be had, for good.
    assert_eq!(
        found(&mut thumbnails, 70, 200),
        "https://h/a/1.jpg#xywh=160,0,160,90"
    );
    assert_eq!(found(&mut thumbnails, 500, 200), "pending");
    assert_eq!(found(&mut thumbnails, 500, 100), "nothing");
}

#[test]
fn what_cannot_be_had_is_passed_over() {
    let mut thumbnails = thumbnails(&hls(&format!("{IMAGES}{FRAMES}")));
    let large = needed(thumbnails.thumbnail_at(s(0), 1000, START));
    assert_eq!(large.resource.url, "https://h/a/large.m3u8");
    thumbnails.failed(large.source, START);
    let small = needed(thumbnails.thumbnail_at(s(0), 1000, START));
    let url = &small.resource.url;
    let read = thumbnails.loaded(small.source, url, b"<html>", START, &zero);
    assert!(read.is_err());
    let frames = needed(thumbnails.thumbnail_at(s(0), 1000, START));
    assert_eq!(frames.resource.url, "https://h/a/i.m3u8");
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-I-FRAMES-ONLY\n#EXT-X-MAP:URI=\"init.mp4\"\n\
        #EXTINF:4,\n#EXT-X-BYTERANGE:100@1000\nv.mp4\n#EXTINF:4,\n#EXT-X-BYTERANGE:100@9000\nv.mp4\n#EXT-X-ENDLIST\n";
    load(&mut thumbnails, &frames, text);
    let second = "video/mp4; codecs=\"avc1.64001f\" https://h/a/v.mp4 9000+100 after https://h/a/init.mp4";
    assert_eq!(found(&mut thumbnails, 5, 1000), second);
    assert_eq!(found(&mut thumbnails, 9, 1000), "nothing");
    assert_eq!(thumbnails.list(1000, START), Found::Nothing);
    let Found::Here((mime, shots)) =
        thumbnails.fast_forward(s(0), 8.0, (Duration::from_millis(500), 9), 1000, START)
    else {
        panic!("they are there");
    };
    assert_eq!(
        (mime.as_str(), shots.len()),
        ("video/mp4; codecs=\"avc1.64001f\"", 2)
    );
}

#[test]
fn sprites_of_the_page_go_first() {
    let mut thumbnails = thumbnails(&hls(IMAGES));
    thumbnails.set_sprites(Some("https://page/t/thumbs.vtt"));
    let sprites = needed(thumbnails.thumbnail_at(s(0), 100, START));
    assert_eq!(sprites.resource.url, "https://page/t/thumbs.vtt");
    load(
        &mut thumbnails,
        &sprites,
        "WEBVTT\n\n00:00.000 --> 00:10.000\na.jpg#xywh=0,0,9,9\n",
    );
    assert_eq!(
        found(&mut thumbnails, 0, 100),
        "https://page/t/a.jpg#xywh=0,0,9,9"
    );
    // In their holes, others.
    assert_eq!(found(&mut thumbnails, 10, 100), "fetch https://h/a/small.m3u8");
    // A newer manifest changes nothing; other sprites do.
    thumbnails.set_periods(&hls(IMAGES).periods);
    assert_eq!(
        found(&mut thumbnails, 0, 100),
        "https://page/t/a.jpg#xywh=0,0,9,9"
    );
    assert_eq!(found(&mut thumbnails, 10, 100), "pending");
    thumbnails.set_sprites(Some("https://page/empty.vtt"));
    let sprites = needed(thumbnails.list(100, START));
    load(&mut thumbnails, &sprites, "WEBVTT\n");
    assert_eq!(found(&mut thumbnails, 0, 100), "pending");
    thumbnails.set_sprites(None);
    assert_eq!(found(&mut thumbnails, 0, 100), "pending");
}

#[test]
fn a_live_playlist_is_read_again_when_it_may_have_grown() {
    let mut thumbnails = thumbnails(&hls(IMAGES));
    let need = needed(thumbnails.thumbnail_at(s(1000), 100, at(0)));
    let text = images("1x1", "160x90", 2, "");
    let shift = |_: &SegmentIndex| s(900);
    let load = |thumbnails: &mut Thumbnails, text: &str, now| {
        thumbnails.loaded(need.source, &need.resource.url, text.as_bytes(), now, &shift)
    };
    load(&mut thumbnails, &text, at(0)).unwrap();
    let url = |thumbnails: &mut Thumbnails, seconds, now| match thumbnails.thumbnail_at(s(seconds), 100, now)
    {
        Found::Here(Picture::Image(image)) => image.resource.url,
        other => format!("{other:?}").chars().take(7).collect(),
    };
    assert_eq!(url(&mut thumbnails, 1000, at(0)), "https://h/a/1.jpg");
    assert_eq!(url(&mut thumbnails, 1030, at(59)), "Nothing");
    assert_eq!(url(&mut thumbnails, 1030, at(60)), "Fetch(N");
    assert_eq!(url(&mut thumbnails, 1030, at(60)), "Pending");
    assert_eq!(url(&mut thumbnails, 1000, at(60)), "https://h/a/1.jpg");
    load(&mut thumbnails, &images("1x1", "160x90", 3, ""), at(61)).unwrap();
    assert_eq!(url(&mut thumbnails, 1030, at(61)), "https://h/a/2.jpg");
    // What fails then does not take away what is there.
    assert_eq!(url(&mut thumbnails, 1100, at(200)), "Fetch(N");
    thumbnails.failed(need.source, at(200));
    assert_eq!(url(&mut thumbnails, 1030, at(201)), "https://h/a/2.jpg");
    assert_eq!(url(&mut thumbnails, 1100, at(259)), "Nothing");
    assert_eq!(url(&mut thumbnails, 1100, at(260)), "Fetch(N");
    load(
        &mut thumbnails,
        &images("1x1", "160x90", 4, "#EXT-X-ENDLIST"),
        at(260),
    )
    .unwrap();
    assert_eq!(url(&mut thumbnails, 1100, at(260)), "https://h/a/3.jpg");
    assert_eq!(url(&mut thumbnails, 1500, at(900)), "Nothing");
}

fn mpd(periods: &str) -> Presentation {
    let text = format!(
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" mediaPresentationDuration=\"PT200S\">{periods}</MPD>"
    );
    parse(text.as_bytes(), "https://h/d/all.mpd").unwrap()
}

fn tiles(name: &str, tiles: &str) -> String {
    format!(
        "<AdaptationSet contentType=\"image\" mimeType=\"image/jpeg\">\
        <SegmentTemplate media=\"{name}-$Number$.jpg\" duration=\"50\" timescale=\"1\"/>\
        <Representation id=\"{name}\" bandwidth=\"1000\" width=\"400\" height=\"90\">\
        <EssentialProperty schemeIdUri=\"http://dashif.org/guidelines/thumbnail_tile\" value=\"{tiles}\"/>\
        </Representation></AdaptationSet>"
    )
}

const VIDEO: &str = "<AdaptationSet mimeType=\"video/mp4\"><Representation id=\"v\" bandwidth=\"1\" codecs=\"avc1.64001f\">\
    <SegmentTemplate media=\"v-$Number$.mp4\" initialization=\"i.mp4\" duration=\"2\"/></Representation></AdaptationSet>";

#[test]
fn tiles_of_periods() {
    let presentation = mpd(&format!(
        "<Period id=\"1\" duration=\"PT100S\">{VIDEO}{}</Period><Period id=\"2\" duration=\"PT100S\">{VIDEO}{}</Period>",
        tiles("a", "5x1"),
        tiles("b", "2x1")
    ));
    let mut thumbnails = thumbnails(&presentation);
    assert_eq!(
        found(&mut thumbnails, 65, 0),
        "https://h/d/a-2.jpg#xywh=80,0,80,90"
    );
    assert_eq!(
        found(&mut thumbnails, 125, 0),
        "https://h/d/b-1.jpg#xywh=200,0,200,90"
    );
    let Found::Here(list) = thumbnails.list(0, START) else {
        panic!("they are there");
    };
    let text = to_webvtt(&list);
    let cues: Vec<_> = text.split("\n\n").collect();
    assert_eq!(cues.len(), 1 + 10 + 4);
    assert_eq!(
        cues[1],
        "00:00:00.000 --> 00:00:10.000\nhttps://h/d/a-1.jpg#xywh=0,0,80,90"
    );
    assert_eq!(
        cues[14],
        "00:02:55.000 --> 00:03:20.000\nhttps://h/d/b-2.jpg#xywh=200,0,200,90\n"
    );
    // As sprites they are what they were.
    let sprites = Sprites::new(WebVtt::parse(text.as_bytes()).unwrap(), "https://other/");
    assert_eq!(sprites.warnings, []);
    let again: Vec<_> = (0..sprites.len()).filter_map(|n| sprites.get(n)).collect();
    assert_eq!(again, list);
}

#[test]
fn trick_modes_with_an_index_in_the_file() {
    let trick = "<AdaptationSet mimeType=\"video/mp4\">\
        <EssentialProperty schemeIdUri=\"http://dashif.org/guidelines/trickmode\" value=\"1\"/>\
        <Representation id=\"t\" bandwidth=\"1\" width=\"320\" height=\"180\" codecs=\"avc1.64000d\"><BaseURL>t.mp4</BaseURL>\
        <SegmentBase indexRange=\"800-843\"><Initialization range=\"0-799\"/></SegmentBase></Representation></AdaptationSet>";
    let main = VIDEO.replacen("mimeType", "id=\"1\" mimeType", 1);
    let presentation = mpd(&format!("<Period>{main}{trick}</Period>"));
    let mut thumbnails = thumbnails(&presentation);
    let need = needed(thumbnails.thumbnail_at(s(5), 0, START));
    let range = need.resource.range.unwrap();
    assert_eq!((range.offset, range.length), (800, 44));
    assert_eq!(found(&mut thumbnails, 5, 0), "pending");
    let mut sidx = 44_u32.to_be_bytes().to_vec();
    sidx.extend(b"sidx\0\0\0\0");
    for word in [1, 1, 0, 0, 1, 1000, 100, 0x9000_0000_u32] {
        sidx.extend(word.to_be_bytes());
    }
    thumbnails
        .loaded(need.source, &need.resource.url, &sidx, START, &zero)
        .unwrap();
    assert_eq!(
        found(&mut thumbnails, 5, 0),
        "video/mp4; codecs=\"avc1.64000d\" https://h/d/t.mp4 844+1000 after https://h/d/t.mp4"
    );
}

#[test]
fn long_lists_are_thinned_out() {
    let presentation = mpd(&format!(
        "<Period>{VIDEO}{}</Period>",
        tiles("a", "10x10").replace(
            "duration=\"50\" timescale=\"1\"",
            "duration=\"1\" timescale=\"1\""
        )
    ));
    let mut thumbnails = thumbnails(&presentation);
    let Found::Here(list) = thumbnails.list(0, START) else {
        panic!("they are there");
    };
    // 200 images of 100: one in four.
    assert_eq!(list.len(), MAX_LISTED);
    assert_eq!((list[0].start, list[0].end), (s(0), MediaTime::from_millis(40)));
    assert!(list.windows(2).all(|pair| pair[0].end == pair[1].start));
    assert_eq!(list[4999].end.as_millis(), 199_970);
}

#[test]
fn hostile_manifests_are_bounded() {
    let huge = tiles("a", "1x1")
        .replace("duration=\"50\"", "duration=\"1\"")
        .replace("timescale=\"1\"", "timescale=\"100000\"");
    let presentation = mpd(&format!("<Period>{VIDEO}{huge}</Period>"));
    let mut thumbnails = thumbnails(&presentation);
    let Found::Here(list) = thumbnails.list(0, START) else {
        panic!("they are there");
    };
    assert!(list.len() <= MAX_LISTED);
    let many: String = (0..900).map(|n| tiles(&format!("t{n}"), "1x1")).collect();
    let mut many = self::thumbnails(&mpd(&format!("<Period>{VIDEO}{many}</Period>")));
    assert_ne!(found(&mut many, 5, 100), "nothing");
}
