//! MPD patches and remote elements.
#![allow(clippy::unwrap_used)]

use player_core::manifest::ManifestError;
use player_core::manifest::dash::{Element, Mpd, PatchOutcome, Remote};
use player_core::presentation::SegmentSource;

const URL: &str = "https://h/d/m.mpd";

const LIVE: &str = "<MPD xmlns='urn:mpeg:dash:schema:mpd:2011' id='m' type='dynamic' publishTime='2026-01-01T00:00:00Z' availabilityStartTime='1970-01-01T00:00:00Z'>
  <PatchLocation ttl='60'>p?t=0</PatchLocation>
  <Period id='P0' start='PT0S'>
    <AdaptationSet id='1' mimeType='video/mp4' codecs='avc1.1'>
      <SegmentTemplate timescale='10' startNumber='1' media='$Number$.$Time$'>
        <SegmentTimeline><S t='0' d='20' r='2'/><S d='21'/><S t='90' d='19'/></SegmentTimeline>
      </SegmentTemplate>
      <Representation id='v' bandwidth='500'/>
    </AdaptationSet>
    <AdaptationSet id='2' mimeType='audio/mp4'>
      <SegmentTemplate duration='2' media='$Number$'/>
      <Representation id='a' bandwidth='64'/>
    </AdaptationSet>
  </Period>
</MPD>";

fn patch(operations: &str) -> String {
    format!(
        "<?xml version='1.0'?><Patch xmlns='urn:mpeg:dash:schema:mpd-patch:2020' mpdId='m' originalPublishTime='2026-01-01T00:00:00Z' \
         publishTime='2026-01-01T00:00:02Z'><replace sel='/MPD/@publishTime'>2026-01-01T00:00:02Z</replace>{operations}</Patch>"
    )
}

const TIMELINE: &str = "/MPD/Period[@id='P0']/AdaptationSet[@id='1']/SegmentTemplate/SegmentTimeline";

/// What LIVE is after some operations.
fn patched(operations: &str) -> Mpd {
    let mut mpd = Mpd::parse(LIVE, URL).unwrap();
    match mpd.patch(patch(operations)).unwrap() {
        PatchOutcome::Applied => mpd,
        PatchOutcome::FetchWhole(reason) => panic!("{operations}: {reason}"),
    }
}

fn refused(operations: &str) -> String {
    let mut mpd = Mpd::parse(LIVE, URL).unwrap();
    match mpd.patch(patch(operations)).unwrap() {
        PatchOutcome::Applied => panic!("{operations}"),
        PatchOutcome::FetchWhole(reason) => reason,
    }
}

fn urls(mpd: &Mpd) -> Vec<String> {
    let presentation = mpd.presentation().unwrap();
    let SegmentSource::Index(index) = &presentation.periods[0].tracks[0].renditions[0].source else {
        panic!()
    };
    let all = (0..index.len().min(20)).filter_map(|i| index.get(i));
    all.map(|s| s.resource.url.trim_start_matches("https://h/d/").to_owned())
        .collect()
}

/// The first descendant of a name.
fn find<'a>(element: &'a Element, name: &str) -> Option<&'a Element> {
    element.children().iter().find_map(|child| {
        if child.name() == name {
            Some(child)
        } else {
            find(child, name)
        }
    })
}

#[test]
fn timelines_slide_as_packagers_write_it() {
    assert_eq!(urls(&patched("")), ["1.0", "2.20", "3.40", "4.60", "5.90"]);
    // Segments leave at the front and come at the end.
    let mpd = patched(&format!(
        "<remove sel=\"{TIMELINE}/S[1]\"/><add sel=\"{TIMELINE}\" pos=\"prepend\">\n  <S t=\"20\" d=\"20\" r=\"1\"/>\n</add>\
         <replace sel=\"/MPD/Period[@id='P0']/AdaptationSet[@id='1']/SegmentTemplate/@startNumber\">2</replace>\
         <add sel=\"{TIMELINE}/S[3]\" pos=\"after\"><S d=\"11\"/><S d=\"12\"/></add>\
         <replace sel=\"/MPD/PatchLocation[1]\"><PatchLocation ttl=\"60\">p?t=1</PatchLocation></replace>"
    ));
    assert_eq!(urls(&mpd), ["2.20", "3.40", "4.60", "5.90", "6.109", "7.120"]);
    let live = mpd.presentation().unwrap().live.unwrap();
    assert_eq!(live.patch.unwrap().0, "https://h/d/p?t=1");
    assert_eq!(
        mpd.root().attribute("publishTime").as_deref(),
        Some("2026-01-01T00:00:02Z")
    );
}

#[test]
fn every_kind_of_selector_finds_its_s() {
    for (operations, expected) in [
        (format!("<replace sel='{}/S[1]/@r'>0</replace>", TIMELINE.replace('\'', "\"")), vec!["1.0", "2.20", "3.90"]),
        (format!("<remove sel=\"{TIMELINE}/S[@t='0']/@r\"/>"), vec!["1.0", "2.20", "3.90"]),
        (format!("<add sel=\"{TIMELINE}/S[2]\" type='@r'>1</add>"), vec!["1.0", "2.20", "3.40", "4.60", "5.81", "6.102"]),
        (format!("<add sel=\"{TIMELINE}/S[@t='90']\" pos='before'><S d='5'/></add>"), vec!["1.0", "2.20", "3.40", "4.60", "5.81", "6.90"]),
        (format!("<add sel=\"{TIMELINE}\"><S d='3'/></add>"), vec!["1.0", "2.20", "3.40", "4.60", "5.90", "6.109"]),
        (format!("<replace sel=\"{TIMELINE}/S[@d='21']\"><S d='30'/></replace>"), vec!["1.0", "2.20", "3.40", "4.60", "5.90"]),
        (format!("<replace sel=\"{TIMELINE}/S[3]/@t\">100</replace>"), vec!["1.0", "2.20", "3.40", "4.60", "5.100"]),
        (format!("<replace sel=\"{TIMELINE}\"><SegmentTimeline><S t='7' d='3'/></SegmentTimeline></replace>"), vec!["1.7"]),
        ("<replace sel='/MPD/Period[1]/AdaptationSet[1]/SegmentTemplate[1]/SegmentTimeline[1]/S[3]'><S t='200' d='1' n='77'/></replace>".to_owned(),
         vec!["1.0", "2.20", "3.40", "4.60", "77.200"]),
        ("<remove sel='/m:MPD/m:Period[ 1 ]/m:AdaptationSet[ @id = \"1\" ]/m:SegmentTemplate/m:SegmentTimeline/m:S[2]'/>".to_owned(),
         vec!["1.0", "2.20", "3.40", "4.90"]),
    ] {
        assert_eq!(urls(&patched(&operations)), expected, "{operations}");
    }
}

#[test]
fn elements_attributes_and_text_change() {
    let mpd = patched(
        "<add sel=\"/MPD\"><Period id='P1' start='PT100S'><AdaptationSet id='1' mimeType='video/mp4'><SegmentTemplate media='$Number$' duration='4'/>\
           <Representation id='w' bandwidth='5'/></AdaptationSet></Period></add>\
         <add sel=\"/MPD/Period[@id='P0']\" pos='before'><UTCTiming schemeIdUri='urn:mpeg:dash:utc:direct:2014' value='x'/></add>\
         <add sel=\"/MPD/Period[@id='P0']/AdaptationSet[2]\" type='@lang'>de</add>\
         <replace sel=\"/MPD/Period[@id='P0']/AdaptationSet[2]/SegmentTemplate/@media\">a&amp;b-$Number$</replace>\
         <add sel=\"/MPD/Period[@id='P0']\" type=\"@duration\">PT100S</add>\
         <replace sel='/MPD/PatchLocation/text()'>new</replace>\
         <remove sel=\"/MPD/Period[@id='P0']/AdaptationSet[@id='1']\"/>",
    );
    let presentation = mpd.presentation().unwrap();
    let periods: Vec<_> = presentation
        .periods
        .iter()
        .map(|p| (&*p.id, p.tracks.len(), p.start.as_millis()))
        .collect();
    assert_eq!(periods, [("P0", 1, 0), ("P1", 1, 100_000)]);
    assert_eq!(presentation.periods[0].tracks[0].language, "de");
    assert_eq!(urls(&mpd)[0], "a&b-1");
    let live = presentation.live.unwrap();
    assert_eq!(
        (live.clocks.len(), live.patch.unwrap().0),
        (1, "https://h/d/new".to_owned())
    );
    let whole = patched(&format!(
        "<replace sel='/MPD'>{}</replace>",
        LIVE.replace("id='P0'", "id='Q'")
    ));
    assert_eq!(whole.presentation().unwrap().periods[0].id, "Q");
}

#[test]
fn what_does_not_fit_is_fetched_as_a_whole() {
    for bad in [
        "<remove sel='/MPD/Period[3]'/>",
        "<remove sel='/MPD/Period[0]'/>",
        "<remove sel='/MPD/Nothing'/>",
        "<remove sel='/Other'/>",
        "<remove sel='/MPD'/>",
        "<remove sel=''/>",
        "<remove/>",
        "<remove sel='MPD/Period'/>",
        "<remove sel='//Period'/>",
        "<remove sel='/MPD/*'/>",
        "<remove sel='/MPD/Period[last()]'/>",
        "<remove sel='/MPD/Period[@id]'/>",
        "<remove sel='/MPD/Period[@id=P0]'/>",
        "<remove sel='/MPD/Period/AdaptationSet'/>",
        "<remove sel='/MPD/@nothing'/>",
        "<replace sel='/MPD/@nothing'>x</replace>",
        "<replace sel='/MPD/Period'/>",
        "<replace sel='/MPD/Period'><Period/><Period/></replace>",
        "<add sel='/MPD/Period'/>",
        "<add sel='/MPD/Period' pos='sideways'><Period/></add>",
        "<add sel='/MPD' pos='after'><Period/></add>",
        "<add sel='/MPD/Period' type='namespace::x'>urn:x</add>",
        "<move sel='/MPD/Period'/>",
    ] {
        assert!(refused(bad).contains("does not fit"), "{bad}");
    }
    for bad in [
        "/S[4]",
        "/S[@t='1']",
        "/S",
        "/S[@x='1']",
        "/S[1]/text()",
        "/S[1]/X",
    ] {
        assert!(
            refused(&format!("<remove sel=\"{TIMELINE}{bad}\"/>")).contains("does not fit"),
            "{bad}"
        );
    }
    for (bad, value) in [
        ("/S[1]/@r", "x"),
        ("/S[1]/@d", "-1"),
        ("/S[1]/@t", "99999999999999999999"),
        ("/S[1]/@q", "1"),
    ] {
        assert!(
            refused(&format!("<replace sel=\"{TIMELINE}{bad}\">{value}</replace>")).contains("does not fit"),
            "{bad}"
        );
    }
    assert!(refused(&format!("<add sel=\"{TIMELINE}\"><X/></add>")).contains("does not fit"));
    assert!(refused(&format!("<remove sel=\"{TIMELINE}/S[1]/@d\"/>")).contains("does not fit"));
    let many = "<S d='1'/>".repeat(100_000);
    assert!(refused(&format!("<add sel=\"{TIMELINE}\">{many}</add>")).contains("does not fit"));
    // Ever deeper.
    let deep = format!(
        "<add sel='/MPD/Period'>{}{}</add>",
        "<x>".repeat(60),
        "</x>".repeat(60)
    );
    let path = format!("/MPD/Period{}", "/x".repeat(60));
    let deeper: String = (0..8)
        .map(|i| {
            format!(
                "<add sel='/MPD/Period{}'>{}{}</add>",
                "/x".repeat(60 * i),
                "<x>".repeat(60),
                "</x>".repeat(60)
            )
        })
        .collect();
    assert!(refused(&deeper).contains("too large"));
    assert!(find(patched(&deep).root(), "x").is_some(), "{path}");
}

#[test]
fn a_patch_of_another_version_is_refused() {
    let outcome = |text: &str| {
        let mut mpd = Mpd::parse(LIVE, URL).unwrap();
        let before = mpd.clone();
        let outcome = mpd.patch(text);
        assert_eq!(mpd, before);
        outcome
    };
    let good = patch("");
    for bad in [
        good.replace("mpdId='m'", "mpdId='other'"),
        good.replace("mpdId='m'", ""),
        good.replace(
            "originalPublishTime='2026-01-01T00:00:00Z'",
            "originalPublishTime='2026-01-01T00:00:01Z'",
        ),
        good.replace("originalPublishTime='2026-01-01T00:00:00Z'", ""),
        LIVE.to_owned(),
    ] {
        assert!(matches!(outcome(&bad), Ok(PatchOutcome::FetchWhole(_))), "{bad}");
    }
    for bad in ["", "<Patch", "<html>", "<!DOCTYPE a><Patch/>"] {
        assert!(matches!(outcome(bad), Err(ManifestError::Syntax { .. })), "{bad}");
    }
    // The same time in another form; and it says itself when it was made if nothing else does.
    let mut mpd = Mpd::parse(LIVE, URL).unwrap();
    let other_form = good
        .replace(
            "originalPublishTime='2026-01-01T00:00:00Z'",
            "originalPublishTime='2026-01-01T01:00:00.000+01:00'",
        )
        .replace(
            "<replace sel='/MPD/@publishTime'>2026-01-01T00:00:02Z</replace>",
            "",
        );
    assert_eq!(mpd.patch(&other_form), Ok(PatchOutcome::Applied));
    // It was applied: it does not fit a second time.
    assert!(matches!(mpd.patch(&other_form), Ok(PatchOutcome::FetchWhole(_))));
}

// Remote elements -----------------------------------------------------------------------------------------------------

const SET: &str = "<AdaptationSet mimeType='video/mp4'><SegmentTemplate duration='2' media='$Number$'/><Representation id='v' bandwidth='5'/></AdaptationSet>";

fn remote(url: &str, on_load: bool) -> Remote {
    Remote {
        url: url.to_owned(),
        on_load,
    }
}

fn ids(mpd: &Mpd) -> Vec<String> {
    mpd.presentation()
        .unwrap()
        .periods
        .into_iter()
        .map(|p| p.id)
        .collect()
}

fn warnings(mpd: &Mpd) -> String {
    let all = mpd.presentation().unwrap().warnings;
    all.into_iter().map(|w| w.message + "\n").collect()
}

fn with_remotes(inner: &str) -> Mpd {
    let text = format!(
        "<MPD mediaPresentationDuration='PT60S' xmlns:xlink='http://www.w3.org/1999/xlink'>{inner}</MPD>"
    );
    Mpd::parse(&text, URL).unwrap()
}

#[test]
fn remote_periods_sets_and_events_take_their_places() {
    let mut mpd = with_remotes(&format!(
        "<Period id='a' duration='PT10S'>{SET}</Period><Period xlink:href='ad.xml' xlink:actuate='onLoad'/>\
         <Period id='z' start='PT30S'><EventStream xlink:href='https://e/ev' xlink:actuate='onLoad' schemeIdUri='u'/>\
         <AdaptationSet xl:href='set.xml?a=1&amp;b=2'/>{SET}</Period>"
    ));
    assert_eq!(
        mpd.remote(),
        [
            remote("https://h/d/ad.xml", true),
            remote("https://e/ev", true),
            remote("https://h/d/set.xml?a=1&b=2", false)
        ]
    );
    // Several periods in one, and nothing else of what is there.
    let ad = format!(
        "<?xml version='1.0'?>\n<Period id='ad1' duration='PT8S'>{SET}</Period><X/> <Period id='ad2' duration='PT2S'>{SET}</Period>"
    );
    mpd.insert_remote("https://h/d/ad.xml", Some(ad.as_bytes()));
    mpd.insert_remote(
        "https://e/ev",
        Some(b"<EventStream schemeIdUri='v'><Event id='5'/></EventStream>"),
    );
    let set = SET.replace("video/mp4", "audio/mp4");
    mpd.insert_remote("https://h/d/set.xml?a=1&b=2", Some(set.as_bytes()));
    assert_eq!(mpd.remote(), []);
    assert_eq!(ids(&mpd), ["a", "ad1", "ad2", "z"]);
    let presentation = mpd.presentation().unwrap();
    assert_eq!(presentation.periods[2].start.as_millis(), 18_000);
    let last = &presentation.periods[3];
    assert_eq!(
        (
            last.tracks.len(),
            last.events[0].events[0].id,
            &*last.events[0].scheme
        ),
        (2, Some(5), "v")
    );
}

#[test]
fn what_cannot_be_fetched_leaves_what_is_there() {
    let mut mpd = with_remotes(&format!(
        "<Period id='a' duration='PT10S' xlink:href='x' xlink:actuate='onLoad'>{SET}</Period><Period id='b' xlink:href='y'>{SET}</Period>\
         <Period xlink:href='urn:mpeg:dash:resolve-to-zero:2013' xlink:actuate='onLoad' id='zero'>{SET}</Period>\
         <Period id='c' start='PT50S' xlink:href='javascript:x'>{SET}</Period>"
    ));
    assert_eq!(
        mpd.remote(),
        [remote("https://h/d/x", true), remote("https://h/d/y", false)]
    );
    mpd.insert_remote("https://h/d/x", None);
    mpd.insert_remote("https://h/d/y", Some(b"<AdaptationSet/>"));
    mpd.insert_remote("https://h/d/unasked", Some(b"<Period/>"));
    assert_eq!(mpd.remote(), []);
    assert_eq!(ids(&mpd), ["a", "b", "c"]);
    assert!(
        warnings(&mpd).contains("it cannot be fetched"),
        "{}",
        warnings(&mpd)
    );
    for bad in [&b"<Period>"[..], b"<!DOCTYPE a><Period/>", b"\xff", b""] {
        let mut mpd = with_remotes(&format!("<Period id='a' xlink:href='x'>{SET}</Period>"));
        mpd.insert_remote("https://h/d/x", Some(bad));
        assert_eq!(ids(&mpd), ["a"]);
        assert!(!warnings(&mpd).is_empty());
    }
}

#[test]
fn what_is_kept_does_not_ask_for_the_same_again() {
    let nested = format!("<Period id='a' xlink:href='x'>{SET}<AdaptationSet xlink:href='x'/></Period>");
    for answer in [None, Some(&b"<Label/>"[..])] {
        let mut mpd = with_remotes(&nested);
        mpd.insert_remote("https://h/d/x", answer);
        assert_eq!(mpd.remote(), []);
        assert_eq!(ids(&mpd), ["a"]);
    }
}

#[test]
fn circles_and_long_chains_end() {
    let period = |id: &str, href: &str| {
        format!("<Period id='{id}' duration='PT1S' xlink:href='{href}' xlink:actuate='onLoad'>{SET}</Period>")
    };
    // To itself, to the MPD, and round in a circle.
    let mut mpd = with_remotes(&format!("{}{}", period("a", "m.mpd"), period("b", "1.xml")));
    assert_eq!(mpd.remote(), [remote("https://h/d/1.xml", true)]);
    mpd.insert_remote("https://h/d/1.xml", Some(period("c", "sub/2.xml").as_bytes()));
    // Relative to where it came from.
    assert_eq!(mpd.remote(), [remote("https://h/d/sub/2.xml", true)]);
    mpd.insert_remote(
        "https://h/d/sub/2.xml",
        Some(format!("{}{}", period("d", "../1.xml"), period("e", "2.xml")).as_bytes()),
    );
    assert_eq!(mpd.remote(), []);
    assert_eq!(ids(&mpd), ["a", "d", "e"]);
    assert!(warnings(&mpd).contains("leads back to itself"));
    // Ever further.
    let mut mpd = with_remotes(&period("0", "1"));
    let mut fetched = 0;
    while let Some(next) = mpd.remote().first().cloned() {
        fetched += 1;
        assert!(fetched <= 5);
        let url = next.url;
        mpd.insert_remote(&url, Some(period("x", &(fetched + 1).to_string()).as_bytes()));
    }
    assert_eq!(fetched, 5);
    assert!(warnings(&mpd).contains("too many lead"));
    // Ever more: each one holds many.
    let mut mpd = with_remotes(&period("0", "1").repeat(300));
    let many = period("y", "2").repeat(300);
    mpd.insert_remote("https://h/d/1", Some(many.as_bytes()));
    mpd.insert_remote("https://h/d/2", Some(many.as_bytes()));
    assert_eq!(mpd.remote(), []);
}

#[test]
fn a_newer_text_keeps_what_was_fetched() {
    let text = |hrefs: &[&str]| {
        let periods: String = hrefs
            .iter()
            .map(|h| format!("<Period xlink:href='{h}' xlink:actuate='onLoad'/>"))
            .collect();
        format!(
            "<MPD type='dynamic' id='m' publishTime='2026-01-01T00:00:00Z'><Period id='a' start='PT0S' duration='PT9S'>{SET}</Period>{periods}</MPD>"
        )
    };
    let period = |id: &str| format!("<Period id='{id}' duration='PT9S'>{SET}</Period>");
    let mut mpd = Mpd::parse(text(&["b", "c"]), URL).unwrap();
    mpd.insert_remote("https://h/d/b", Some(period("b").as_bytes()));
    mpd.insert_remote("https://h/d/c", Some(period("c").as_bytes()));
    mpd.refresh(text(&["c", "d"]), URL).unwrap();
    assert_eq!(mpd.remote(), [remote("https://h/d/d", true)]);
    assert_eq!(ids(&mpd), ["a", "c"]);
    // What is referred to no more is forgotten.
    mpd.refresh(text(&["b"]), URL).unwrap();
    assert_eq!(mpd.remote(), [remote("https://h/d/b", true)]);
    // A patch may bring one too.
    let add = "<Patch mpdId='m' originalPublishTime='2026-01-01T00:00:00Z'><add sel='/MPD'><Period xlink:href='e'/></add></Patch>";
    assert_eq!(mpd.patch(add), Ok(PatchOutcome::Applied));
    assert_eq!(
        mpd.remote(),
        [remote("https://h/d/b", true), remote("https://h/d/e", false)]
    );
}
