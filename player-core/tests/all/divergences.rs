//! Where Headgate reads manifests otherwise than m3u8-rs and dash-mpd-core: each row of `docs/manifest-divergences.md` is shown on both
//! sides, and each difference that is shown is in a row.
#![allow(clippy::unwrap_used)]

use m3u8_rs::QuotedOrUnquoted;
use player_core::manifest::dash::{self, Mpd, PatchOutcome};
use player_core::manifest::hls::{MediaPlaylist, Multivariant};
use player_core::presentation::{Presentation, SegmentIndex, SegmentSource};

const DOCUMENT: &str = include_str!("../../../docs/manifest-divergences.md");
const URL: &str = "https://h/v/main.m3u8?q%5F=%C3%A4%20b&e=";

/// The name of each row, and what shows it.
const ROWS: &[(&str, fn())] = &[
    ("hls-bom", hls_bom),
    ("hls-empty-string", hls_empty_string),
    ("hls-instream-id", hls_instream_id),
    ("hls-newer-tags", hls_newer_tags),
    ("hls-number", hls_number),
    ("hls-relative-uri", hls_relative_uri),
    ("hls-tag-twice", hls_tag_twice),
    ("hls-two-uris", hls_two_uris),
    ("hls-uri-missing", hls_uri_missing),
    ("hls-variables", hls_variables),
    ("media-dateranges", media_dateranges),
    ("media-duration", media_duration),
    ("media-key-carried", media_key_carried),
    ("media-keys", media_keys),
    ("media-live-edge", media_live_edge),
    ("dash-duration-malformed", dash_duration_malformed),
    ("dash-event-content", dash_event_content),
    ("dash-list-offset", dash_list_offset),
    ("dash-namespaces", dash_namespaces),
    ("dash-patch", dash_patch),
    ("dash-s-without-d", dash_s_without_d),
    ("dash-segments", dash_segments),
    ("dash-steering", dash_steering),
    ("dash-template-duration", dash_template_duration),
];

#[test]
fn every_row_is_shown_and_every_difference_has_its_row() {
    let mut listed: Vec<&str> = DOCUMENT
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(name, _)| name)
        .collect();
    let mut shown: Vec<&str> = ROWS.iter().map(|(name, _)| *name).collect();
    listed.sort_unstable();
    shown.sort_unstable();
    assert_eq!(listed, shown);
    for (name, show) in ROWS {
        println!("{name}");
        show();
    }
}

#[test]
fn every_row_names_the_clause_that_decides() {
    for row in DOCUMENT.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 5, "{row}");
        assert!(cells[4].bytes().any(|byte| byte.is_ascii_digit()), "{row}");
    }
}

// Multivariant playlists ----------------------------------------------------------------------------------------------

fn peer(text: &str) -> m3u8_rs::MasterPlaylist {
    m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap().1
}

fn ours(text: &str) -> Multivariant {
    Multivariant::read(text, URL).unwrap()
}

fn uris(text: &str) -> (Vec<String>, Vec<String>) {
    let theirs = peer(text).variants.into_iter().map(|v| v.uri).collect();
    (theirs, ours(text).variants.into_iter().map(|v| v.uri).collect())
}

fn with(lines: &str) -> String {
    format!("#EXTM3U\n{lines}\n#EXT-X-STREAM-INF:BANDWIDTH=1\nhttps://h/x.m3u8\n")
}

fn hls_bom() {
    let text = format!("\u{feff}{}", with("").replace('\n', "\r\n"));
    assert!(m3u8_rs::parse_master_playlist(text.as_bytes()).is_err());
    assert_eq!(ours(&text).variants.len(), 1);
}

fn hls_empty_string() {
    let text = with("#EXT-X-SESSION-DATA:DATA-ID=\"d\",VALUE=\"\"");
    assert_eq!(peer(&text).session_data, []);
    assert_eq!(ours(&text).session_data[0].value.as_deref(), Some(""));
}

fn hls_instream_id() {
    let text = with("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"n\",INSTREAM-ID=\"3\"");
    assert_eq!(peer(&text).alternatives, []);
    assert_eq!(ours(&text).media[0].instream_id, "3");
}

fn hls_newer_tags() {
    let text = with(
        "#EXT-X-CONTENT-STEERING:SERVER-URI=\"s\"\n#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=1,URI=\"i\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=2,PATHWAY-ID=\"p\"\nhttps://h/a.m3u8",
    );
    let theirs = peer(&text);
    assert_eq!(theirs.unknown_tags.len(), 2);
    let other = theirs.variants[0].other_attributes.as_ref().unwrap();
    assert_eq!(
        other.get("PATHWAY-ID"),
        Some(&QuotedOrUnquoted::Quoted("p".into()))
    );
    let ours = ours(&text);
    assert!(ours.content_steering.is_some());
    assert_eq!(
        (ours.image_streams.len(), ours.variants[0].pathway_id.as_str()),
        (1, "p")
    );
}

fn hls_number() {
    let (theirs, ours) = uris(&with(
        "#EXT-X-STREAM-INF:BANDWIDTH=2,FRAME-RATE=fast\nhttps://h/a.m3u8",
    ));
    assert_eq!(theirs, ["https://h/x.m3u8"]);
    assert_eq!(ours, ["https://h/a.m3u8", "https://h/x.m3u8"]);
}

fn hls_relative_uri() {
    let (theirs, ours) = uris(&with("#EXT-X-STREAM-INF:BANDWIDTH=2\n../a.m3u8"));
    assert_eq!(
        (theirs[0].as_str(), ours[0].as_str()),
        ("../a.m3u8", "https://h/a.m3u8")
    );
}

fn hls_tag_twice() {
    let text = with("#EXT-X-VERSION:4\n#EXT-X-VERSION:5");
    assert_eq!((peer(&text).version, ours(&text).version), (Some(5), Some(4)));
}

fn hls_two_uris() {
    let (theirs, ours) = uris(&with(
        "#EXT-X-STREAM-INF:BANDWIDTH=2\nhttps://h/a.m3u8\nhttps://h/b.m3u8",
    ));
    assert_eq!(
        (theirs[0].as_str(), ours[0].as_str()),
        ("https://h/b.m3u8", "https://h/a.m3u8")
    );
}

fn hls_uri_missing() {
    let text = with("#EXT-X-STREAM-INF:BANDWIDTH=2");
    let (theirs, read) = uris(&text);
    assert_eq!(theirs, ["", "https://h/x.m3u8"]);
    assert_eq!((read.len(), ours(&text).warnings.len()), (1, 1));
}

fn hls_variables() {
    let text =
        with("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"b\"\n#EXT-X-STREAM-INF:BANDWIDTH=2\nhttps://h/{$a}.m3u8");
    let (theirs, ours) = uris(&text);
    assert_eq!(
        (theirs[0].as_str(), ours[0].as_str()),
        ("https://h/{$a}.m3u8", "https://h/b.m3u8")
    );
}

// Media playlists -----------------------------------------------------------------------------------------------------

/// What both readers make of a media playlist with these lines.
fn media(lines: &str) -> (m3u8_rs::MediaPlaylist, MediaPlaylist) {
    let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{lines}");
    let theirs = m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap().1;
    (theirs, MediaPlaylist::read(text.as_bytes(), URL, None).unwrap())
}

fn media_dateranges() {
    let range = |id: &str| format!("#EXT-X-DATERANGE:ID=\"{id}\",START-DATE=\"2026-01-01T00:00:00Z\"\n");
    let (theirs, ours) = media(&format!("{}{}#EXTINF:4,\n1.ts\n", range("a"), range("b")));
    assert_eq!(theirs.segments[0].daterange.as_ref().unwrap().id, "b");
    let ids: Vec<_> = ours
        .tags
        .date_ranges
        .iter()
        .map(|range| range.id.as_str())
        .collect();
    assert_eq!(ids, ["a", "b"]);
}

fn media_duration() {
    let (theirs, ours) = media("#EXTINF:4.00000025,\n1.ts\n#EXTINF:16777.217,\n2.ts\n");
    assert!((f64::from(theirs.segments[1].duration) - 16_777.217).abs() > 1e-4);
    assert_eq!(
        ours.index.get(1).map(|s| (s.end - s.start).as_micros()),
        Some(16_777_217_000)
    );
}

fn media_key_carried() {
    let (theirs, ours) = media("#EXT-X-KEY:METHOD=AES-128,URI=\"k\"\n#EXTINF:4,\n1.ts\n#EXTINF:4,\n2.ts\n");
    assert_eq!(
        (theirs.segments[0].key.is_some(), theirs.segments[1].key.is_some()),
        (true, false)
    );
    assert_eq!(ours.index.get(1).unwrap().keys, ours.index.get(0).unwrap().keys);
    assert!(ours.index.get(1).unwrap().keys.is_some());
}

fn media_keys() {
    let key = |format: &str| format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://k\",KEYFORMAT=\"{format}\"\n");
    let (theirs, ours) = media(&format!("{}{}#EXTINF:4,\n1.ts\n", key("a"), key("b")));
    assert_eq!(
        theirs.segments[0].key.as_ref().unwrap().keyformat.as_deref(),
        Some("b")
    );
    let keys = ours.index.get(0).unwrap().keys.unwrap();
    let formats: Vec<_> = ours.index.keys[keys]
        .iter()
        .map(|key| key.scheme.as_str())
        .collect();
    assert_eq!(formats, ["a", "b"]);
}

fn media_live_edge() {
    let (theirs, ours) = media(
        "#EXT-X-PART-INF:PART-TARGET=1\n#EXTINF:4,\n1.ts\n#EXT-X-PART:DURATION=1,URI=\"2.0.ts\"\n\
         #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"2.1.ts\"\n#EXT-X-RENDITION-REPORT:URI=\"o.m3u8\",LAST-MSN=2\n",
    );
    let kept = format!("{theirs:?}");
    assert!(
        !kept.contains("2.0.ts") && !kept.contains("2.1.ts") && !kept.contains("o.m3u8"),
        "{kept}"
    );
    assert_eq!(ours.parts[0].resource.url, "https://h/v/2.0.ts");
    assert_eq!(ours.tags.preload_hints[0].url, "https://h/v/2.1.ts");
    assert_eq!(ours.tags.rendition_reports[0].url, "https://h/v/o.m3u8");
}

// MPDs ----------------------------------------------------------------------------------------------------------------

fn mpd(attributes: &str, head: &str, segments: &str) -> String {
    format!(
        "<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" mediaPresentationDuration=\"PT8S\" {attributes}>{head}<Period id=\"p\"><AdaptationSet mimeType=\"video/mp4\">\
         {segments}<Representation id=\"v\" bandwidth=\"1\"/></AdaptationSet></Period></MPD>"
    )
}

const TEMPLATE: &str = "<SegmentTemplate media=\"$Number$.m4s\" duration=\"4\"/>";

fn read(text: &str) -> Presentation {
    dash::parse(text, "https://h/m.mpd").unwrap()
}

fn index(read: &Presentation) -> &SegmentIndex {
    match &read.periods[0].tracks[0].renditions[0].source {
        SegmentSource::Index(index) => index,
        other => panic!("{other:?}"),
    }
}

/// What their reader keeps of a text, written again.
fn kept(text: &str) -> String {
    dash_mpd_core::parse(text).unwrap().to_string()
}

fn dash_duration_malformed() {
    let text = mpd("minBufferTime=\"soon\"", "", TEMPLATE);
    assert!(dash_mpd_core::parse(&text).is_err());
    assert_eq!(index(&read(&text)).len(), 2);
}

fn dash_event_content() {
    let event =
        "<EventStream schemeIdUri=\"urn:x\"><Event><Note lang=\"en\">now</Note></Event></EventStream>";
    let text = mpd("", "", TEMPLATE).replace("<AdaptationSet", &format!("{event}<AdaptationSet"));
    assert!(!kept(&text).contains("now"));
    assert_eq!(
        read(&text).periods[0].events[0].events[0].data,
        "<Note lang=\"en\">now</Note>"
    );
}

fn dash_list_offset() {
    let list = "<SegmentList duration=\"4\" presentationTimeOffset=\"100\"><SegmentURL media=\"a\"/><SegmentURL media=\"b\"/></SegmentList>";
    let text = mpd("", "", list);
    assert!(!kept(&text).contains("presentationTimeOffset"));
    assert_eq!(index(&read(&text)).timestamp_offset.as_millis(), -100_000);
}

fn dash_namespaces() {
    let text = mpd("xmlns:my=\"urn:my\" my:note=\"mine\"", "", TEMPLATE);
    assert!(!kept(&text).contains("mine"));
    let ours = Mpd::parse(&text, "https://h/m.mpd").unwrap();
    assert_eq!(ours.root().attribute("my:note").as_deref(), Some("mine"));
}

fn dash_patch() {
    let text = mpd(
        "id=\"m\" type=\"dynamic\" publishTime=\"2026-01-01T00:00:00Z\"",
        "",
        TEMPLATE,
    );
    let patch = "<Patch mpdId=\"m\" originalPublishTime=\"2026-01-01T00:00:00Z\"><add sel=\"/MPD/Period[1]\" type=\"@start\">PT1S</add></Patch>";
    assert_eq!(dash_mpd_core::parse(patch).unwrap().periods, []);
    let mut ours = Mpd::parse(&text, "https://h/m.mpd").unwrap();
    assert_eq!(ours.patch(patch), Ok(PatchOutcome::Applied));
    assert_eq!(ours.presentation().unwrap().periods[0].start.as_millis(), 1000);
}

fn dash_s_without_d() {
    let timeline = "<SegmentTemplate media=\"$Time$\"><SegmentTimeline><S t=\"0\" d=\"4\"/><S t=\"4\"/></SegmentTimeline></SegmentTemplate>";
    let text = mpd("", "", timeline);
    assert!(kept(&text).contains("d=\"0\""));
    assert_eq!(index(&read(&text)).len(), 1);
}

fn dash_segments() {
    let text = mpd("", "<BaseURL>v/</BaseURL>", TEMPLATE);
    assert!(kept(&text).contains("$Number$.m4s"));
    let read = read(&text);
    let urls: Vec<_> = (0..2)
        .map(|i| index(&read).get(i).unwrap().resource.url)
        .collect();
    assert_eq!(urls, ["https://h/v/1.m4s", "https://h/v/2.m4s"]);
}

fn dash_steering() {
    let text = mpd(
        "",
        "<ContentSteering defaultServiceLocation=\"a\">https://steer.example/</ContentSteering>",
        TEMPLATE,
    );
    assert!(!kept(&text).contains("steer.example"));
    assert_eq!(read(&text).steering.unwrap().url, "https://steer.example/");
}

fn dash_template_duration() {
    let text = mpd("", "", &TEMPLATE.replace("\"4\"", "\"3.5\""));
    assert!(kept(&text).contains("3.5"));
    // No duration: a single segment (5.3.9.4.1).
    assert_eq!(index(&read(&text)).len(), 1);
}
