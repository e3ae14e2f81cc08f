//! Little text that would come to very much: memory and time stay bounded.
#![allow(clippy::unwrap_used)]

use player_core::manifest::dash::{Mpd, PatchOutcome};
use player_core::manifest::hls::MediaPlaylist;
use player_core::manifest::{ManifestError, dash};
use player_core::presentation::Presentation;

const URL: &str = "https://h/a";

/// `n` texts in a row.
fn all(n: usize, text: impl Fn(usize) -> String) -> String {
    (0..n).map(text).collect()
}

/// A static MPD of one set: what is in the set's tag and after it, and 1000 representations.
fn mpd(
    head: &str,
    set: &str,
    representation: impl Fn(usize) -> String,
) -> Result<Presentation, ManifestError> {
    let representations = all(1000, representation);
    let text = format!(
        "<MPD mediaPresentationDuration='PT1H'>{head}<Period><AdaptationSet mimeType='video/mp4' {set}{representations}</AdaptationSet></Period></MPD>"
    );
    dash::parse(&text, URL)
}

const NUMBERED: &str = "><SegmentTemplate media='$Number$' duration='2'/>";

fn plain(i: usize) -> String {
    format!("<Representation id='{i}' bandwidth='1'/>")
}

fn renditions(read: &Presentation) -> usize {
    let tracks = read.periods.iter().flat_map(|period| &period.tracks);
    tracks.map(|track| track.renditions.len()).sum()
}

#[test]
fn what_a_thousand_representations_inherit_is_bounded() {
    assert_eq!(renditions(&mpd("", NUMBERED, plain).unwrap()), 1000);
    // Keys by reference.
    let pssh = "A".repeat(60_000);
    let shared = format!(
        "<ContentProtection refId='r' schemeIdUri='urn:uuid:1'><cenc:pssh>{pssh}</cenc:pssh></ContentProtection>"
    );
    let refers = |i| {
        let refs = "<ContentProtection ref='r'/>".repeat(20);
        format!("<Representation id='{i}' bandwidth='1'>{refs}</Representation>")
    };
    let read = mpd(&shared, NUMBERED, refers).unwrap();
    assert!((10..200).contains(&renditions(&read)), "{}", renditions(&read));
    assert!(
        read.warnings
            .iter()
            .any(|w| w.message.contains("comes to too much"))
    );
    // Places, of which each has a long address.
    let places = all(30, |i| format!("<BaseURL>{i}{}/</BaseURL>", "x".repeat(60_000)));
    let read = mpd(&places, NUMBERED, plain).unwrap();
    assert!((10..200).contains(&renditions(&read)), "{}", renditions(&read));
    // Points of access.
    let points = format!("{NUMBERED}{}", "<Resync dT='5'/>".repeat(8000));
    assert!((10..1000).contains(&renditions(&mpd("", &points, plain).unwrap())));
    // A timeline of sequences whose segments have no whole number of ticks.
    let sequences = "><SegmentTemplate media='$Number$' timescale='1000'><SegmentTimeline><S d='3' k='2' r='199999'/></SegmentTimeline></SegmentTemplate>";
    assert!((10..200).contains(&renditions(&mpd("", sequences, plain).unwrap())));
    // A list that is everyone's.
    let entries = all(20_000, |i| format!("<SegmentURL media='{i}'/>"));
    let list = format!("><SegmentList duration='2'>{entries}</SegmentList>");
    assert!((10..200).contains(&renditions(&mpd("", &list, plain).unwrap())));
}

#[test]
fn what_each_representation_looks_through_is_bounded() {
    let unknown = format!("{NUMBERED}{}", "<X/>".repeat(20_000));
    assert!(matches!(
        mpd("", &unknown, plain),
        Err(ManifestError::NothingToPlay(_))
    ));
    for tag in [
        format!("codecs='{}'{NUMBERED}", "a".repeat(70_000)),
        format!("{}{NUMBERED}", all(10_000, |i| format!("a{i}='1' "))),
    ] {
        assert!(matches!(mpd("", &tag, plain), Err(ManifestError::Limit { .. })));
    }
    let template = format!(
        "><SegmentTemplate media='{}' duration='2'/>",
        "$Number$".repeat(200)
    );
    assert!(matches!(
        mpd("", &template, plain),
        Err(ManifestError::NothingToPlay(_))
    ));
    let times = all(4000, |i| {
        format!(
            "<ProducerReferenceTime id='{i}' presentationTime='1' wallClockTime='2026-01-01T00:00:00Z'/><InbandEventStream schemeIdUri='{i}'/>"
        )
    });
    let read = mpd("", &format!("{NUMBERED}{times}"), plain).unwrap();
    let track = &read.periods[0].tracks[0];
    assert_eq!(
        (track.reference_times.len(), track.inband_events.len()),
        (100, 100)
    );
}

#[test]
fn the_message_of_an_event_may_be_long() {
    let event = format!(
        "<EventStream schemeIdUri='u'><Event messageData='{}'/></EventStream>",
        "x".repeat(100_000)
    );
    let text = format!(
        "<MPD mediaPresentationDuration='PT1H'><Period>{event}<AdaptationSet mimeType='video/mp4' {NUMBERED}{}</AdaptationSet></Period></MPD>",
        plain(0)
    );
    assert_eq!(
        dash::parse(&text, URL).unwrap().periods[0].events[0].events[0]
            .data
            .len(),
        100_000
    );
}

#[test]
fn patches_do_not_go_on_for_ever() {
    let mpd = format!(
        "<MPD id='m' type='dynamic' publishTime='2026-01-01T00:00:00Z'><Period start='PT0S'><AdaptationSet mimeType='video/mp4' {NUMBERED}{}</AdaptationSet></Period></MPD>",
        plain(0)
    );
    let outcome = |operations: &str| {
        let patch =
            format!("<Patch mpdId='m' originalPublishTime='2026-01-01T00:00:00Z'>{operations}</Patch>");
        Mpd::parse(&mpd, URL).unwrap().patch(&patch).unwrap()
    };
    let attribute = |i: usize, value: &str| format!("<add sel='/MPD' type='@a{i}'>{value}</add>");
    assert_eq!(outcome(&all(2000, |i| attribute(i, "x"))), PatchOutcome::Applied);
    for operations in [
        all(2001, |i| attribute(i, "x")),
        // The tag of one element would become ever longer.
        all(100, |i| attribute(i, &"x".repeat(1000))),
        format!("<remove sel='/MPD/Period{}'/>", "[1]".repeat(5)),
    ] {
        assert!(matches!(outcome(&operations), PatchOutcome::FetchWhole(_)));
    }
}

#[test]
fn remote_elements_are_asked_for_up_to_a_limit() {
    let periods = all(1000, |i| format!("<Period xlink:href='{i}'/>"));
    let mpd = Mpd::parse(format!("<MPD type='dynamic'>{periods}</MPD>"), URL).unwrap();
    assert_eq!(mpd.remote().len(), 256);
}

fn media(body: &str) -> MediaPlaylist {
    let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:4\n{body}");
    MediaPlaylist::read(text.as_bytes(), URL, None).unwrap()
}

#[test]
fn keys_that_go_on_are_bounded() {
    let key = |uri: &str, i: usize| {
        format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://{uri}\",KEYFORMAT=\"f{i}\"\n#EXTINF:4,\n{i}.ts\n")
    };
    // One more at each segment, and a long one beside many.
    let long = key(&"x".repeat(60_000), 0);
    for playlist in [
        media(&all(5000, |i| key("k", i))),
        media(&format!("{long}{}", all(5000, |i| key(&format!("k{i}"), 1)))),
    ] {
        let bytes =
            |key: &player_core::presentation::Protection| size_of_val(key) + key.url.len() + key.scheme.len();
        let total: usize = playlist.index.keys.iter().flatten().map(bytes).sum();
        assert!(total < 48 << 20, "{total}");
        assert!(
            playlist
                .warnings
                .iter()
                .any(|w| w.message.contains("too many keys"))
        );
        // Each is encrypted all the same.
        assert!((0..playlist.index.len()).all(|i| playlist.index.get(i).unwrap().keys.is_some()));
    }
    // Rotated as it is done: three key systems, for each segment.
    let rotated = media(&all(3000, |i| {
        let keys = all(3, |system| {
            format!("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://{i}\",KEYFORMAT=\"f{system}\"\n")
        });
        format!("{keys}#EXTINF:4,\n{i}.ts\n")
    }));
    let last = rotated.index.get(2999).unwrap().keys.unwrap();
    assert_eq!((rotated.index.keys[last].len(), rotated.warnings.len()), (3, 0));
}

#[test]
fn variables_come_to_no_more_than_a_limit() {
    let define = format!("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{}\"\n", "x".repeat(60_000));
    let ranges = all(2000, |i| {
        format!("#EXT-X-DATERANGE:ID=\"{i}{{$a}}\",START-DATE=\"2026-01-01T00:00:00Z\"\n")
    });
    let playlist = media(&format!("{define}{ranges}#EXTINF:4,\n1.ts\n"));
    let total: usize = playlist.tags.date_ranges.iter().map(|range| range.id.len()).sum();
    assert!((20 << 20..=40 << 20).contains(&total), "{total}");
    assert!(playlist.warnings.iter().any(|w| w.message.contains("too long")));
    // As many as there may be of the usual length are no trouble.
    let playlist = media(&format!(
        "#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{}\"\n{}",
        "x".repeat(100),
        all(50_000, |i| format!("#EXTINF:4,\n{{$a}}/{i}.ts\n"))
    ));
    assert_eq!((playlist.index.len(), playlist.warnings.len()), (50_000, 0));
}
