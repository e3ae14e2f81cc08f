//! MPDs, patches and remote elements that nobody should write.
#![allow(clippy::unwrap_used)]

use player_core::MediaTime;
use player_core::manifest::dash::Mpd;
use player_core::presentation::SegmentSource;
use proptest::prelude::*;

const URL: &str = "https://h/d/m.mpd";

/// Something of everything.
const MPD: &str = "<MPD id='m' type='dynamic' publishTime='2026-01-01T00:00:00Z' availabilityStartTime='1970-01-01T00:00:00Z' minimumUpdatePeriod='PT2S' \
    mediaPresentationDuration='PT1H' timeShiftBufferDepth='PT30S'><BaseURL serviceLocation='a' availabilityTimeOffset='2.5'>x/</BaseURL><BaseURL>y/</BaseURL>\
    <Location>n.mpd</Location><PatchLocation ttl='9'>p</PatchLocation><ServiceDescription><Latency target='3'/><PlaybackRate min='0.9' max='1.1'/></ServiceDescription>\
    <UTCTiming schemeIdUri='urn:mpeg:dash:utc:http-iso:2014' value='t'/><ContentProtection refId='r' schemeIdUri='urn:uuid:1'/>\
    <Period id='1' start='PT0S' duration='PT60S'><EventStream schemeIdUri='u' timescale='10'><Event presentationTime='5' duration='2' id='3'>x</Event></EventStream>\
    <AdaptationSet id='1' contentType='video' mimeType='video/mp4' codecs='avc1.1'><Role schemeIdUri='urn:mpeg:dash:role:2011' value='main'/>\
    <ContentProtection ref='r' cenc:default_KID='00112233445566778899aabbccddeeff'><cenc:pssh>AAAA</cenc:pssh></ContentProtection>\
    <SegmentTemplate timescale='10' startNumber='5' presentationTimeOffset='7' media='$Number%03d$-$Time$-$SubNumber$' initialization='i$RepresentationID$'>\
    <SegmentTimeline><S t='7' d='20' r='2' k='3'/><S d='21' n='40'/><S t='130' d='19' r='-1'/></SegmentTimeline></SegmentTemplate>\
    <ProducerReferenceTime id='1' wallClockTime='2026-01-01T00:00:00Z' presentationTime='9'/><Resync dT='5' dImax='0.5'/>\
    <Representation id='v' bandwidth='500' width='640' height='360' frameRate='30/1' qualityRanking='1'/></AdaptationSet>\
    <AdaptationSet id='2' mimeType='image/jpeg'><SegmentTemplate duration='10' media='$Number$'/><Representation id='t' bandwidth='5'>\
    <EssentialProperty schemeIdUri='http://dashif.org/thumbnail_tile' value='10x5'/></Representation></AdaptationSet></Period>\
    <Period id='2' xlink:href='r.xml' xlink:actuate='onLoad'><AdaptationSet mimeType='audio/mp4'><Representation id='a' bandwidth='64'><SegmentList duration='4' timescale='1'>\
    <SegmentURL media='s' mediaRange='0-9'/><SegmentURL media='s' mediaRange='10-29'/></SegmentList></Representation><Representation id='b' bandwidth='65'>\
    <BaseURL>f.mp4</BaseURL><SegmentBase indexRange='10-99'><Initialization range='0-9'/></SegmentBase></Representation></AdaptationSet></Period></MPD>";

const PATCH: &str = "<Patch mpdId='m' originalPublishTime='2026-01-01T00:00:00Z' publishTime='2026-01-01T00:00:02Z'>\
    <replace sel='/MPD/@publishTime'>2026-01-01T00:00:02Z</replace><remove sel=\"/MPD/Period[@id='1']/AdaptationSet[1]/SegmentTemplate/SegmentTimeline/S[1]\"/>\
    <add sel=\"/MPD/Period[1]/AdaptationSet[@id='1']/SegmentTemplate/SegmentTimeline/S[@t='130']\" pos='before'><S d='9' r='4'/></add>\
    <replace sel='/MPD/Period[1]/AdaptationSet[1]/SegmentTemplate/SegmentTimeline/S[1]/@d'>30</replace><add sel='/MPD/Period[2]' type='@start'>PT60S</add>\
    <add sel='/MPD' pos='prepend'><Period id='0'/></add></Patch>";

/// Values that break things.
const ODD: &[&str] = &[
    "",
    "0",
    "-1",
    "1",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "99999999999999999999999",
    "1e308",
    "NaN",
    "INF",
    "PT0S",
    "PT1E30S",
    "-PT5S",
    "P99999Y",
    "PT99999999999S",
    "x",
    "&amp;",
    "$Number%0999999999d$",
    "$Time%20d$$Number%20d$",
    "$$",
    "$",
    "../../..",
    "javascript:x",
    "//",
    "https://",
    "1970-01-01T00:00:00Z",
    "9999-12-31T23:59:60Z",
    "0-18446744073709551615",
    "5-4",
    "m.mpd",
    "1/0",
    "0x0",
    "10x10000000000",
];

fn check(mpd: &Mpd) {
    let Ok(presentation) = mpd.presentation() else {
        return;
    };
    assert!(!presentation.periods.is_empty() && presentation.warnings.len() <= 100);
    for period in &presentation.periods {
        assert!(period.duration.is_none_or(|d| d >= MediaTime::ZERO));
        let tracks = period.tracks.iter().chain(&period.trick_play);
        let sources = tracks.flat_map(|t| &t.renditions).map(|r| &r.source);
        for source in sources.chain(period.thumbnails.iter().map(|t| &t.source)) {
            let SegmentSource::Index(index) = source else {
                continue;
            };
            assert!(!index.is_empty());
            let len = index.len();
            for position in [0, 1, len / 2, len - 1, len, usize::MAX] {
                let segment = index.get(position);
                assert_eq!(segment.is_some(), index.times(position).is_some());
                assert!(segment.is_none_or(|s| s.start <= s.end && s.resource.url.len() < 70_000));
            }
            for at in [
                MediaTime::from_micros(i64::MIN),
                MediaTime::ZERO,
                MediaTime::from_millis(5000),
                MediaTime::MAX,
            ] {
                assert!(index.position_at(at) <= len);
            }
        }
    }
}

/// Puts other values into some attributes, and other text in the place of some characters.
fn damaged(text: &'static str) -> impl Strategy<Value = String> {
    let values = prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(ODD)), 0..6);
    let cuts = prop::collection::vec(
        (any::<prop::sample::Index>(), 0_usize..30, "[<>/'\"= a-zA-Z]{0,4}"),
        0..2,
    );
    (values, cuts).prop_map(|(values, cuts)| {
        let mut parts: Vec<String> = text.split('\'').map(str::to_owned).collect();
        for (at, value) in values {
            // Every other part is the value of an attribute.
            let at = at.index(parts.len() / 2) * 2 + 1;
            value.clone_into(&mut parts[at]);
        }
        let mut text = parts.join("'");
        for (at, length, new) in cuts {
            let at = at.index(text.len());
            let end = (at + length).min(text.len());
            if text.is_char_boundary(at) && text.is_char_boundary(end) {
                text.replace_range(at..end, &new);
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_is_read_can_be_asked_for(first in damaged(MPD), second in damaged(MPD), patch in damaged(PATCH), remote in damaged(MPD)) {
        let Ok(mut mpd) = Mpd::parse(&first, URL) else { return Ok(()) };
        check(&mpd);
        for wanted in mpd.remote() {
            mpd.insert_remote(&wanted.url, Some(remote.as_bytes()));
        }
        check(&mpd);
        let _ = mpd.patch(&patch);
        check(&mpd);
        let _ = mpd.refresh(&second, URL);
        check(&mpd);
    }
}

#[test]
fn the_undamaged_ones_are_read() {
    let mut mpd = Mpd::parse(MPD, URL).unwrap();
    check(&mpd);
    let presentation = mpd.presentation().unwrap();
    assert_eq!(
        (presentation.periods.len(), presentation.warnings.len()),
        (2, 0),
        "{:?}",
        presentation.warnings
    );
    assert_eq!(mpd.remote().len(), 1);
    mpd.insert_remote("https://h/d/r.xml", None);
    assert_eq!(
        mpd.patch(PATCH),
        Ok(player_core::manifest::dash::PatchOutcome::Applied)
    );
    check(&mpd);
}
