//! MPDs: periods, tracks and what is said of them.
#![allow(clippy::unwrap_used)]

use core::time::Duration;

use player_core::MediaTime;
use player_core::input::TrackKind;
use player_core::manifest::{ManifestError, dash, datetime};
use player_core::presentation::{Presentation, SegmentSource};

const URL: &str = "https://h/d/m.mpd";
/// Two segments of 10 s.
const TEMPLATE: &str = "<SegmentTemplate duration='10' media='$RepresentationID$/$Number$'/>";

fn read(mpd: &str) -> Presentation {
    dash::parse(mpd, URL).unwrap_or_else(|error| panic!("{error}: {mpd}"))
}

/// A static MPD of one period of 20 s.
fn in_period(inner: &str) -> Presentation {
    read(&format!(
        "<MPD mediaPresentationDuration='PT20S'><Period id='p'>{inner}</Period></MPD>"
    ))
}

/// A set of video with one representation.
fn video(attributes: &str, inner: &str) -> String {
    format!(
        "<AdaptationSet mimeType='video/mp4' codecs='avc1.1' {attributes}>{inner}{TEMPLATE}<Representation id='v' bandwidth='500'/></AdaptationSet>"
    )
}

fn audio(attributes: &str, inner: &str) -> String {
    format!(
        "<AdaptationSet mimeType='audio/mp4' codecs='mp4a.40.2' {attributes}>{inner}{TEMPLATE}<Representation id='a' bandwidth='64'/></AdaptationSet>"
    )
}

fn ms(time: i64) -> MediaTime {
    MediaTime::from_millis(time)
}

fn warnings(presentation: &Presentation) -> String {
    let all = presentation.warnings.iter();
    all.map(|w| format!("{}: {}\n", w.line, w.message)).collect()
}

#[test]
fn common_attributes_are_inherited() {
    let mpd = format!(
        "<AdaptationSet id='7' lang='en' contentType='video' mimeType='video/mp4' codecs='hvc1.1' width='640' frameRate='30000/1001' \
         scte214:supplementalCodecs='dvh1.08'>{TEMPLATE}<SupplementalProperty schemeIdUri='urn:mpeg:mpegB:cicp:TransferCharacteristics' value='16'/>\
         <Representation id='hi' bandwidth='900' width='1920' height='1080' codecs='hvc1.2' frameRate='60' qualityRanking='1'/>\
         <Representation id='lo' bandwidth='100' height='360' qualityRanking='2'/></AdaptationSet>"
    );
    let presentation = in_period(&mpd);
    let track = &presentation.periods[0].tracks[0];
    assert_eq!(
        (track.kind, &*track.id, &*track.language),
        (TrackKind::Video, "7", "en")
    );
    let [lo, hi] = &*track.renditions else { panic!() };
    assert_eq!(
        (&*lo.id, lo.width, lo.height, &*lo.codecs),
        ("lo", 640, 360, "hvc1.1")
    );
    assert_eq!(
        (&*hi.id, hi.width, hi.height, &*hi.codecs),
        ("hi", 1920, 1080, "hvc1.2")
    );
    assert_eq!(
        ((lo.frame_rate * 1000.0) as u32, hi.frame_rate as u32),
        (29_970, 60)
    );
    assert_eq!((&*lo.supplemental_codecs, &*lo.video_range), ("dvh1.08", "PQ"));
    assert!(hi.score > lo.score);
    assert_eq!(hi.mime(), "video/mp4; codecs=\"hvc1.2\"");
}

#[test]
fn tracks_say_for_whom_they_are() {
    let role = |value: &str| format!("<Role schemeIdUri='urn:mpeg:dash:role:2011' value='{value}'/>");
    let commentary = audio(
        "id='2' lang='en'",
        &format!(
            "{}<Label lang='en'>Director</Label><Label lang='de'> Regie &amp; mehr </Label>",
            role("commentary")
        ),
    );
    let main = audio(
        "id='1'",
        &format!(
            "<ContentComponent contentType='audio' lang='fr'/>{}<Role schemeIdUri='urn:x' value='y'/><Accessibility schemeIdUri='urn:tva' value='1'/>\
             <AudioChannelConfiguration schemeIdUri='urn:mpeg:mpegB:cicp:ChannelConfiguration' value='6'/><InbandEventStream schemeIdUri='urn:e' value='1'/>\
             <SupplementalProperty schemeIdUri='urn:mpeg:dash:adaptation-set-switching:2016' value='2, 5'/>",
            role("main")
        ),
    );
    let forced = format!(
        "<AdaptationSet id='3' mimeType='application/mp4' codecs='stpp' selectionPriority='5'>{}{TEMPLATE}<Representation id='s' bandwidth='9'/></AdaptationSet>",
        role("forced-subtitle")
    );
    let presentation = in_period(&format!("{commentary}{main}{forced}"));
    let ids: Vec<_> = presentation.periods[0].tracks.iter().map(|t| &*t.id).collect();
    // By priority, then the main one, then as written.
    assert_eq!(ids, ["3", "1", "2"]);
    let [forced, main, commentary] = &*presentation.periods[0].tracks else {
        panic!()
    };
    assert!(forced.forced && forced.kind == TrackKind::Text && forced.priority == 5);
    assert!(main.default && !commentary.default);
    assert_eq!((&*main.language, &*main.channels), ("fr", "6"));
    assert_eq!(main.roles, ["main", "urn:x=y"]);
    assert_eq!(main.accessibility, ["urn:tva=1"]);
    assert_eq!(main.switches_with, ["2", "5"]);
    assert_eq!(
        (&*main.inband_events[0].scheme, &*main.inband_events[0].value),
        ("urn:e", "1")
    );
    assert_eq!(commentary.label, "Director");
    assert_eq!(commentary.labels[1], ("de".to_owned(), "Regie & mehr".to_owned()));
}

#[test]
fn thumbnails_trick_play_captions_and_preselections_are_apart() {
    let tiles = "<AdaptationSet id='t' contentType='image' mimeType='image/jpeg'><SegmentTemplate duration='10' media='$Number$.jpg'/>\
                 <Representation id='big' bandwidth='9' width='3200' height='1800'>\
                 <EssentialProperty schemeIdUri='http://dashif.org/thumbnail_tile' value='10x5'/></Representation>\
                 <Representation id='small' width='320' height='180'>\
                 <SupplementalProperty schemeIdUri='http://dashif.org/guidelines/thumbnail_tile' value='0x5'/></Representation></AdaptationSet>";
    let trick = video(
        "id='k'",
        "<EssentialProperty schemeIdUri='http://dashif.org/guidelines/trickmode' value='1'/>",
    );
    let captions = "<Accessibility schemeIdUri='urn:scte:dash:cc:cea-608:2015' value='CC1=eng'/>";
    let preselection = "<Preselection id='x' preselectionComponents='1 2' lang='de'><Label>Alles</Label></Preselection>\
                        <Preselection preselectionComponents='1 99'/>\
                        <Preselection preselectionComponents='1'><EssentialProperty schemeIdUri='urn:unknown'/></Preselection>";
    let presentation = in_period(&format!(
        "{tiles}{trick}{}{}{preselection}",
        video("id='1'", captions),
        audio("id='2'", "")
    ));
    let period = &presentation.periods[0];
    let thumbnails: Vec<_> = period
        .thumbnails
        .iter()
        .map(|t| (&*t.id, t.tiles, t.width))
        .collect();
    assert_eq!(thumbnails, [("small", (1, 1), 320), ("big", (10, 5), 3200)]);
    assert!(matches!(&period.thumbnails[0].source, SegmentSource::Index(index) if index.len() == 2));
    assert_eq!(
        period.trick_play.iter().map(|t| &*t.id).collect::<Vec<_>>(),
        ["k"]
    );
    assert_eq!(
        period.tracks.iter().map(|t| &*t.id).collect::<Vec<_>>(),
        ["1", "2"]
    );
    assert_eq!(
        (&*period.captions[0].channel, &*period.captions[0].language),
        ("CC1", "eng")
    );
    let [only] = &*period.preselections else { panic!() };
    assert_eq!((&*only.id, &*only.label, &*only.language), ("x", "Alles", "de"));
    assert_eq!(only.tracks, ["1", "2"]);
}

#[test]
fn what_is_essential_and_unknown_is_skipped_with_a_warning() {
    let unknown = "<EssentialProperty schemeIdUri='urn:x:unknown' value='1'/>";
    let known = "<EssentialProperty schemeIdUri='urn:mpeg:mpegB:cicp:ColourPrimaries' value='1'/>";
    let presentation = in_period(&format!(
        "\n{}\n{}",
        video("id='1'", unknown),
        audio("id='2'", known)
    ));
    assert_eq!(presentation.periods[0].tracks.len(), 1);
    assert_eq!(
        warnings(&presentation),
        "2: an AdaptationSet is skipped: its EssentialProperty \"urn:x:unknown\" is not known\n"
    );
    let set = format!(
        "<AdaptationSet mimeType='video/mp4'>{TEMPLATE}<Representation id='a' bandwidth='1'>{unknown}</Representation>\
         <Representation id='b' bandwidth='2'/><Representation id='c' bandwidth='3' dependencyId='b'/><Representation id='d'/></AdaptationSet>"
    );
    let presentation = in_period(&set);
    let ids: Vec<_> = presentation.periods[0].tracks[0]
        .renditions
        .iter()
        .map(|r| &*r.id)
        .collect();
    assert_eq!(ids, ["b"]);
    assert_eq!(presentation.warnings.len(), 3, "{}", warnings(&presentation));
    // For the MPD it is only said: better something than nothing.
    let presentation = read(&format!(
        "<MPD mediaPresentationDuration='PT1S'>{unknown}<Period>{}</Period></MPD>",
        video("", "")
    ));
    assert!(warnings(&presentation).contains("of the MPD is not known"));
    let error = dash::parse(format!("<MPD><Period>{}</Period></MPD>", video("", unknown)), URL).unwrap_err();
    assert!(error.to_string().contains("urn:x:unknown"), "{error}");
}

#[test]
fn periods_follow_one_another() {
    let times = |mpd: &str| -> Vec<(String, i64, Option<i64>)> {
        let periods = read(mpd).periods;
        let all = periods.iter();
        all.map(|p| {
            (
                p.id.clone(),
                p.start.as_millis(),
                p.duration.map(MediaTime::as_millis),
            )
        })
        .collect()
    };
    let set = video("", "");
    // By start, by duration, by the start of the next, by the end of the presentation (5.3.2.1).
    let mpd = format!(
        "<MPD mediaPresentationDuration='PT100S'><Period id='a' duration='PT10S'>{set}</Period><Period id='b'  duration='PT20S'>{set}</Period>\
         <Period id='c' start='PT40S'>{set}</Period><Period id='d' start='PT60S'>{set}</Period></MPD>"
    );
    let (a, b, c, d) = ("a".to_owned(), "b".to_owned(), "c".to_owned(), "d".to_owned());
    assert_eq!(
        times(&mpd),
        [
            (a.clone(), 0, Some(10_000)),
            (b.clone(), 10_000, Some(20_000)),
            (c, 40_000, Some(20_000)),
            (d, 60_000, Some(40_000))
        ]
    );
    assert_eq!(read(&mpd).duration, Some(ms(100_000)));
    // One that overlaps the next is cut; one that ends before it begins is left out.
    let mpd = format!(
        "<MPD mediaPresentationDuration='PT30S'><Period id='a' duration='PT15S'>{set}</Period><Period id='x' start='PT12S'>{set}</Period>\
         <Period id='b' start='PT10S'>{set}</Period></MPD>"
    );
    assert_eq!(
        times(&mpd),
        [(a.clone(), 0, Some(12_000)), (b.clone(), 10_000, Some(20_000))]
    );
    assert!(warnings(&read(&mpd)).contains("ends before it begins"));
    // A timeline says how long its period is where nothing else does.
    let timed = "<AdaptationSet mimeType='video/mp4'><SegmentTemplate media='$Time$'><SegmentTimeline><S d='4' r='2'/></SegmentTimeline></SegmentTemplate>\
                 <Representation id='v' bandwidth='1'/></AdaptationSet>";
    let mpd = format!("<MPD><Period id='a'>{timed}</Period><Period id='b'>{timed}</Period></MPD>");
    assert_eq!(times(&mpd), [(a, 0, Some(12_000)), (b, 12_000, None)]);
    assert_eq!(read(&mpd).duration, Some(ms(24_000)));
    // Segments of the second period are where it is.
    let presentation = read(&mpd);
    let SegmentSource::Index(index) = &presentation.periods[1].tracks[0].renditions[0].source else {
        panic!()
    };
    assert_eq!((index.start(), index.timestamp_offset), (ms(12_000), ms(12_000)));
}

#[test]
fn a_period_that_is_only_announced_is_left_out() {
    let mpd = format!(
        "<MPD type='dynamic' availabilityStartTime='2026-01-01T00:00:00Z'><Period id='a' start='PT0S'>{set}</Period><Period id='b'>{set}</Period></MPD>",
        set = video("", "")
    );
    let presentation = read(&mpd);
    assert_eq!(presentation.periods.len(), 1);
    assert!(warnings(&presentation).contains("neither its start nor the duration"));
    let without_start = mpd.replace(" start='PT0S'", "");
    assert!(warnings(&read(&without_start)).contains("taken to be zero"));
}

#[test]
fn a_live_mpd_says_when_and_where() {
    let mpd = format!(
        "<MPD type='dynamic' id='m' availabilityStartTime='2026-01-01T00:00:00Z' availabilityEndTime='2026-01-02T00:00:00Z' publishTime='2026-01-01T01:00:00Z' \
         minimumUpdatePeriod='PT2S' timeShiftBufferDepth='PT5M' suggestedPresentationDelay='PT6S'>\
         <Location>/new.mpd?a=1&amp;b=2</Location><Location>file:///etc/passwd</Location><PatchLocation ttl='60'>p.mpp</PatchLocation>\
         <ServiceDescription id='9'><Scope schemeIdUri='urn:dvb:dash:lowlatency:scope:2019'/><Latency target='1'/></ServiceDescription>\
         <ServiceDescription id='0'><Latency target='3500' min='2000' max='6000' referenceId='4'/><PlaybackRate min='0.96' max='1.04'/>\
         <OperatingQuality mediaType='video' min='1' max='5' target='3' type='urn:q' maxDifference='2'/><OperatingBandwidth max='5000000'/>\
         <ContentSteering defaultServiceLocation='alpha beta' queryBeforeStart='true'>steer.dcsm</ContentSteering></ServiceDescription>\
         <UTCTiming schemeIdUri='urn:mpeg:dash:utc:http-iso:2014' value='/time https://t/x'/><UTCTiming schemeIdUri='urn:mpeg:dash:utc:direct:2014' value='2026-01-01T01:00:00Z'/>\
         <Period id='p' start='PT10S'>{}</Period></MPD>",
        video(
            "",
            "<ProducerReferenceTime id='4' type='captured' inband='true' wallClockTime='2026-01-01T00:00:12Z' presentationTime='2'/>\
                   <Resync type='2' dT='1' dImax='0.8' marker='true'/>"
        )
    );
    let presentation = read(&mpd);
    let live = presentation.live.as_ref().unwrap();
    let at = |text: &str| datetime::parse(text);
    assert_eq!(live.refresh, Some(Duration::from_secs(2)));
    assert_eq!(
        live.locations.iter().map(|l| &*l.url).collect::<Vec<_>>(),
        ["https://h/new.mpd?a=1&b=2"]
    );
    assert_eq!(
        live.patch,
        Some(("https://h/d/p.mpp".to_owned(), Some(Duration::from_secs(60))))
    );
    assert_eq!(live.availability_start, at("2026-01-01T00:00:00Z"));
    assert_eq!(live.availability_end, at("2026-01-02T00:00:00Z"));
    assert_eq!(live.published, at("2026-01-01T01:00:00Z"));
    assert_eq!(
        (live.window, live.suggested_delay),
        (Some(ms(300_000)), Some(ms(6000)))
    );
    let latency = live.latency.unwrap();
    assert_eq!(
        (latency.target, latency.min, latency.max),
        (Some(ms(3500)), Some(ms(2000)), Some(ms(6000)))
    );
    assert_eq!(latency.rates, Some((0.96, 1.04)));
    assert_eq!(live.clocks[0].value, "https://h/time https://t/x");
    assert_eq!(live.clocks[1].value, "2026-01-01T01:00:00Z");
    let steering = presentation.steering.as_ref().unwrap();
    assert_eq!(
        (&*steering.url, steering.before_start),
        ("https://h/d/steer.dcsm", true)
    );
    assert_eq!(steering.first, ["alpha", "beta"]);
    // Media time and wall clock: the period starts 10 s after the availability start.
    let period = &presentation.periods[0];
    assert_eq!(live.wall_of(period.start), at("2026-01-01T00:00:10Z"));
    assert_eq!(
        live.media_of(at("2026-01-01T00:00:10Z").unwrap()),
        Some(period.start)
    );
    let reference = &period.tracks[0].reference_times[0];
    assert_eq!(
        (reference.media, Some(reference.wall)),
        (ms(12_000), at("2026-01-01T00:00:12Z"))
    );
    assert!(reference.captured && reference.inband);
    let resync = period.tracks[0].renditions[0].resyncs[0];
    assert_eq!(
        (resync.sap_type, resync.interval, resync.bytes, resync.marker),
        (2, ms(1000), Some((0, 50)), true)
    );
    // No end: segments go on, and which of them are there yet is the wall clock's business.
    assert_eq!((presentation.duration, period.duration), (None, None));
    let SegmentSource::Index(index) = &period.tracks[0].renditions[0].source else {
        panic!()
    };
    let segment = index.get(1_000_000_000).unwrap();
    assert_eq!(
        (segment.number, segment.start.as_millis()),
        (1_000_000_001, 10_000_000_010_000)
    );
    assert_eq!(index.position_at(ms(10_000_000_010_000)), 1_000_000_000);
    let services = dash::Mpd::parse(&mpd, URL).unwrap().service_descriptions();
    assert_eq!((services.len(), &*services[1].latency_reference), (2, "4"));
    assert_eq!(
        (
            services[1].qualities[0].max,
            services[1].bandwidths[0].max_bitrate().unwrap().as_kbps()
        ),
        (Some(5), 5000)
    );
    assert_eq!(services[0].scopes[0].0, "urn:dvb:dash:lowlatency:scope:2019");
}

#[test]
fn odd_live_values_are_survived() {
    let live = |attributes: &str| {
        let mpd = format!(
            "<MPD type='dynamic' {attributes}><Period start='PT0S'>{}</Period></MPD>",
            video("", "")
        );
        read(&mpd).live.unwrap()
    };
    assert_eq!(live("minimumUpdatePeriod='PT0S'").refresh, Some(Duration::ZERO));
    assert_eq!(live("minimumUpdatePeriod='PT1E30S'").refresh, None);
    assert_eq!(live("minimumUpdatePeriod='-PT1S'").refresh, None);
    assert_eq!(
        live("availabilityStartTime='1970-01-01T00:00:00Z'")
            .availability_start
            .unwrap()
            .as_unix_micros(),
        0
    );
    assert_eq!(
        live("availabilityStartTime='2999-01-01T00:00:00Z'").availability_start,
        datetime::parse("2999-01-01T00:00:00Z")
    );
    assert_eq!(live("availabilityStartTime='tomorrow'").availability_start, None);
    assert!(live("timeShiftBufferDepth='x'").window.is_none());
    // A static MPD is none that changes.
    assert_eq!(in_period(&video("", "")).live, None);
}

#[test]
fn protection_is_read_from_every_level() {
    let kid = "cenc:default_KID='00112233-4455-6677-8899-aabbccddeeff'";
    let common =
        format!("<ContentProtection schemeIdUri='urn:mpeg:dash:mp4protection:2011' value='cbcs' {kid}/>");
    let widevine = "<ContentProtection schemeIdUri='urn:uuid:EDEF8BA9-79D6-4ACE-A3C8-27DCD51D21ED' robustness='SW_SECURE_CRYPTO'>\
                    <cenc:pssh>AAAA\n BBBB</cenc:pssh><dashif:Laurl>https://l/w?a=1&amp;b=2</dashif:Laurl></ContentProtection>";
    let playready = "<ContentProtection schemeIdUri='urn:uuid:9a04f079-9840-4286-ab92-e65be0885f95'><mspr:pro>aGVsbG8=</mspr:pro>\
                     <ms:laurl licenseUrl='lic'/></ContentProtection>";
    let presentation = in_period(&video("", &format!("{common}{widevine}{playready}")));
    let protection = &presentation.periods[0].tracks[0].protection;
    let [common, widevine, playready] = &**protection else {
        panic!("{protection:?}")
    };
    assert_eq!(
        (&*common.scheme, &*common.method),
        ("urn:mpeg:dash:mp4protection:2011", "cbcs")
    );
    assert_eq!(common.key_ids[0][..2], [0, 0x11]);
    assert_eq!(widevine.scheme, "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed");
    assert_eq!((&*widevine.method, &widevine.key_ids), ("cbcs", &common.key_ids));
    assert_eq!(
        (widevine.pssh.len(), &*widevine.robustness),
        (6, "SW_SECURE_CRYPTO")
    );
    assert_eq!(widevine.url, "https://l/w?a=1&b=2");
    assert_eq!(
        (&*playready.pro, &*playready.url),
        (&b"hello"[..], "https://h/d/lic")
    );
}

#[test]
fn protection_by_reference_and_of_a_representation() {
    let shared = "<ContentProtection refId='r1' schemeIdUri='urn:mpeg:dash:mp4protection:2011' value='cenc' cenc:default_KID='00000000000000000000000000000001'/>";
    let in_the_period = "<ContentProtection refId='r2' schemeIdUri='urn:uuid:x'><cenc:pssh>AAAA</cenc:pssh></ContentProtection>\
                         <ContentProtection refId='unused' schemeIdUri='urn:uuid:y'/>";
    let own =
        "<ContentProtection schemeIdUri='urn:uuid:x'><cenc:pssh>BBBBBBBB</cenc:pssh></ContentProtection>";
    let mpd = format!(
        "<MPD mediaPresentationDuration='PT20S'>{shared}<Period>{in_the_period}<AdaptationSet mimeType='video/mp4'><ContentProtection ref='r1'/>\
         <ContentProtection ref='r2' robustness='HW'/><ContentProtection ref='nowhere'/>{TEMPLATE}<Representation id='a' bandwidth='1'/>\
         <Representation id='b' bandwidth='2'>{own}</Representation></AdaptationSet><AdaptationSet mimeType='audio/mp4'>{TEMPLATE}<Representation id='c' bandwidth='1'/>\
         </AdaptationSet></Period></MPD>"
    );
    let presentation = read(&mpd);
    let [video, audio] = &*presentation.periods[0].tracks else {
        panic!()
    };
    let of_set: Vec<_> = video
        .protection
        .iter()
        .map(|p| {
            (
                &*p.scheme,
                &*p.method,
                p.pssh.len(),
                p.key_ids.len(),
                &*p.robustness,
            )
        })
        .collect();
    assert_eq!(
        of_set,
        [
            ("urn:mpeg:dash:mp4protection:2011", "cenc", 0, 1, ""),
            ("urn:uuid:x", "cenc", 3, 1, "HW"),
            ("", "cenc", 0, 1, "")
        ]
    );
    let [a, b] = &*video.renditions else { panic!() };
    assert!(a.protection.is_empty());
    assert_eq!(
        (
            b.protection.len(),
            b.protection[0].pssh.len(),
            &*b.protection[0].method
        ),
        (1, 6, "cenc")
    );
    // What nobody refers to protects nothing.
    assert!(audio.protection.is_empty());
}

#[test]
fn events_are_on_the_timeline() {
    let streams = "<EventStream schemeIdUri='urn:scte' value='1' timescale='1000' presentationTimeOffset='500'>\
                   <Event presentationTime='4500' duration='2000' id='7' messageData='a&lt;b'/><Event presentationTime='1500'> text </Event>\
                   <Event><scte35:Signal a='&quot;'><scte35:Binary>/DA=</scte35:Binary></scte35:Signal></Event></EventStream>";
    let mpd = format!(
        "<MPD mediaPresentationDuration='PT20S'><Period start='PT100S'>{streams}{}</Period></MPD>",
        video("", "")
    );
    let presentation = read(&mpd);
    let stream = &presentation.periods[0].events[0];
    assert_eq!((&*stream.scheme, &*stream.value), ("urn:scte", "1"));
    let events: Vec<_> = stream
        .events
        .iter()
        .map(|e| {
            (
                e.id,
                e.start.as_millis(),
                e.duration.map(|d| d.as_millis()),
                &*e.data,
            )
        })
        .collect();
    assert_eq!(
        events,
        [
            (
                None,
                99_500,
                None,
                "<scte35:Signal a='&quot;'><scte35:Binary>/DA=</scte35:Binary></scte35:Signal>"
            ),
            (None, 101_000, None, "text"),
            (Some(7), 104_000, Some(2000), "a<b")
        ]
    );
    let overflow = "<EventStream schemeIdUri='u' timescale='0'><Event presentationTime='18446744073709551615' duration='18446744073709551615'/></EventStream>";
    let event = &in_period(&format!("{overflow}{}", video("", ""))).periods[0].events[0].events[0].clone();
    assert_eq!(event.start, MediaTime::MAX);
}

#[test]
fn sets_without_anything_are_left_out() {
    let presentation = in_period(&format!(
        "<AdaptationSet/>\n<AdaptationSet mimeType='video/mp4'/>{}<EmptyAdaptationSet/>",
        audio("", "")
    ));
    assert_eq!(presentation.periods[0].tracks.len(), 1);
    assert_eq!(presentation.warnings.len(), 2);
    for empty in [
        "<MPD/>",
        "<MPD><Period/></MPD>",
        "<MPD><Period><AdaptationSet/></Period></MPD>",
        "<MPD type='dynamic'/>",
    ] {
        let error = dash::parse(empty, URL).unwrap_err();
        assert!(
            matches!(error, ManifestError::NothingToPlay(_)),
            "{empty}: {error}"
        );
    }
    assert!(matches!(
        dash::parse("<Period/>", URL),
        Err(ManifestError::NotAManifest(_))
    ));
}

#[test]
fn limits_hold() {
    let many = format!(
        "<MPD><Period><AdaptationSet>{}</AdaptationSet></Period></MPD>",
        "<Representation/>".repeat(1001)
    );
    assert!(matches!(
        dash::parse(&many, URL),
        Err(ManifestError::Limit {
            what: "too many representations",
            ..
        })
    ));
    let deep = format!("<MPD>{}{}</MPD>", "<x>".repeat(64), "</x>".repeat(64));
    assert!(matches!(
        dash::parse(&deep, URL),
        Err(ManifestError::Limit { .. })
    ));
    let doctype = "<!DOCTYPE MPD [<!ENTITY a 'b'><!ENTITY b '&a;&a;'>]><MPD/>";
    assert!(matches!(
        dash::parse(doctype, URL),
        Err(ManifestError::Syntax { line: 1, .. })
    ));
    // However much is odd, not more than a hundred warnings.
    let odd = format!("{}{}", "<AdaptationSet/>".repeat(5000), video("", ""));
    assert_eq!(in_period(&odd).warnings.len(), 100);
    for bad in ["PT1E30S", "-PT5S", "", "5", "PT"] {
        let mpd = format!(
            "<MPD mediaPresentationDuration='{bad}'><Period duration='PT20S'>{}</Period></MPD>",
            video("", "")
        );
        assert_eq!(read(&mpd).duration, Some(ms(20_000)), "{bad}");
    }
}

#[test]
fn ids_stay_the_same() {
    let mpd = |more: &str| {
        format!(
            "<MPD type='dynamic'><Period id='p' start='PT0S'>{}{}<AdaptationSet mimeType='text/mp4'>{TEMPLATE}<Representation bandwidth='1'/></AdaptationSet></Period>{more}</MPD>",
            video("id='v1'", ""),
            audio("", "")
        )
    };
    let names = |presentation: &Presentation| -> Vec<(String, String, String)> {
        let all = presentation.periods.iter();
        all.flat_map(|p| {
            let tracks = p.tracks.iter();
            tracks.flat_map(|t| {
                t.renditions
                    .iter()
                    .map(|r| (p.id.clone(), t.id.clone(), r.id.clone()))
            })
        })
        .collect()
    };
    let mut live = dash::Mpd::parse(mpd(""), URL).unwrap();
    let first = names(&live.presentation().unwrap());
    let name = |track: &str, rendition: &str| ("p".to_owned(), track.to_owned(), rendition.to_owned());
    assert_eq!(
        first,
        [
            name("v1", "v"),
            name("set-1", "a"),
            name("set-2", "representation-0")
        ]
    );
    live.refresh(mpd("<!-- newer -->"), URL).unwrap();
    assert_eq!(names(&live.presentation().unwrap()), first);
    // A text that is none changes nothing.
    assert!(live.refresh("<MPD>", URL).is_err());
    assert_eq!(names(&live.presentation().unwrap()), first);
}
