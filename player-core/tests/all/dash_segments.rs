//! MPDs: where segments are, and when.
#![allow(clippy::unwrap_used)]

use player_core::MediaTime;
use player_core::manifest::dash;
use player_core::presentation::{Presentation, Rendition, SegmentIndex, SegmentSource, SidxSource};

const URL: &str = "https://h/d/m.mpd?token=1";

fn read(mpd: &str) -> Presentation {
    dash::parse(mpd, URL).unwrap_or_else(|error| panic!("{error}: {mpd}"))
}

/// A static MPD of 20 s with a set of one representation, `a`.
fn one(in_period: &str, in_set: &str, in_representation: &str) -> String {
    format!(
        "<MPD mediaPresentationDuration='PT20S'><Period>{in_period}<AdaptationSet mimeType='video/mp4' codecs='avc1.1'>{in_set}\
         <Representation id='a' bandwidth='500'>{in_representation}</Representation></AdaptationSet></Period></MPD>"
    )
}

fn rendition(presentation: &Presentation) -> &Rendition {
    &presentation.periods[0].tracks[0].renditions[0]
}

fn index(presentation: &Presentation) -> &SegmentIndex {
    match &rendition(presentation).source {
        SegmentSource::Index(index) => index,
        other => panic!("{other:?}"),
    }
}

fn sidx(presentation: &Presentation) -> &SidxSource {
    match &rendition(presentation).source {
        SegmentSource::Sidx(source) => source,
        other => panic!("{other:?}"),
    }
}

/// URLs (without what all have), and starts in milliseconds.
fn list(index: &SegmentIndex) -> Vec<String> {
    (0..index.len().min(50))
        .filter_map(|i| index.get(i))
        .map(|s| {
            let range = s
                .resource
                .range
                .map_or(String::new(), |r| format!("[{}+{}]", r.offset, r.length));
            let url = s.resource.url.trim_start_matches("https://h/d/").to_owned();
            format!("{url}{range}@{}", s.start.as_millis())
        })
        .collect()
}

fn segments(in_set: &str) -> Vec<String> {
    list(index(&read(&one("", in_set, ""))))
}

fn refused(in_set: &str) -> String {
    match dash::parse(one("", in_set, ""), URL) {
        Err(error) => error.to_string(),
        Ok(read) => panic!("{in_set}: {read:?}"),
    }
}

#[test]
fn numbers_times_and_widths() {
    let template = |media: &str| {
        format!("<SegmentTemplate timescale='10' duration='80' startNumber='7' media='{media}'/>")
    };
    assert_eq!(
        segments(&template(
            "../$RepresentationID$/$Bandwidth%05d$-$Number%03d$.m4s?x=$$"
        )),
        [
            "https://h/a/00500-007.m4s?x=$@0",
            "https://h/a/00500-008.m4s?x=$@8000",
            "https://h/a/00500-009.m4s?x=$@16000"
        ]
    );
    assert_eq!(
        segments(&template("$Time%04d$")),
        ["0000@0", "0080@8000", "0160@16000"]
    );
    for bad in [
        "$Number%0999999999d$",
        "$Number%21d$",
        "$Number%x$",
        "$Nonsense$",
        "$Number",
        "a$$b$",
        "file:///$Number$",
    ] {
        assert!(!refused(&template(bad)).is_empty(), "{bad}");
    }
    // A number may end the segments before the period does, and an init may not depend on the segment.
    let ended = "<SegmentTemplate duration='4' startNumber='3' endNumber='4' media='$Number$' initialization='$RepresentationID$-i'/>";
    let read = read(&one("", ended, ""));
    assert_eq!(list(index(&read)), ["3@0", "4@4000"]);
    assert_eq!(index(&read).inits[0].url, "https://h/d/a-i");
    assert!(
        refused("<SegmentTemplate duration='4' media='$Number$' initialization='$Number$'/>")
            .contains("must not depend")
    );
}

#[test]
fn presentation_time_offset_moves_media_times_but_not_numbers() {
    let read = read(&one(
        "",
        "<SegmentTemplate timescale='1000' duration='8000' presentationTimeOffset='5000' media='$Number$-$Time$'/>",
        "",
    ));
    assert_eq!(list(index(&read)), ["1-5000@0", "2-13000@8000", "3-21000@16000"]);
    assert_eq!(index(&read).timestamp_offset, MediaTime::from_millis(-5000));
    assert!(
        refused(
            "<SegmentTemplate duration='1' presentationTimeOffset='18446744073709551615' media='$Number$'/>"
        )
        .contains("too large")
    );
}

fn timeline(s: &str) -> String {
    format!(
        "<SegmentTemplate timescale='10' media='$Time$'><SegmentTimeline>{s}</SegmentTimeline></SegmentTemplate>"
    )
}

#[test]
fn a_negative_repeat_ends_where_it_must() {
    for (s, expected) in [
        // Up to the next time, to the end of the period, in the middle.
        (
            "<S d='30' r='-1'/><S t='60' d='70' r='-1'/>",
            &["0@0", "30@3000", "60@6000", "130@13000"][..],
        ),
        ("<S t='0' d='90' r='-1'/>", &["0@0", "90@9000", "180@18000"]),
        (
            "<S t='100' d='30' r='-1'/><S t='130' d='70'/>",
            &["100@10000", "130@13000"],
        ),
        // The next S does not say its time: it comes behind the period.
        (
            "<S t='0' d='90' r='-1'/><S d='10'/>",
            &["0@0", "90@9000", "180@18000"],
        ),
        // The next time is earlier than this one.
        ("<S t='50' d='30' r='-1'/><S t='10' d='40'/>", &["50@5000"]),
        ("<S t='150' d='30' r='-5'/>", &["150@15000", "180@18000"]),
    ] {
        assert_eq!(segments(&timeline(s)), expected, "{s}");
    }
    // Of an unknown end there is one segment.
    let open =
        one("", &timeline("<S t='0' d='30' r='-1'/>"), "").replace("mediaPresentationDuration='PT20S'", "");
    assert_eq!(list(index(&read(&open))), ["0@0"]);
}

#[test]
fn timelines_survive_odd_values() {
    for (s, expected) in [
        // Nothing lasts zero; times never run backwards; what begins after the period is not in it.
        (
            "<S t='5' d='40' r='1'/><S d='0' r='9'/><S t='2' d='5'/>",
            &["5@500", "45@4500", "85@8500"][..],
        ),
        ("<S t='0' d='190'/><S d='20' r='3'/>", &["0@0", "190@19000"]),
        // Sums beyond any number.
        (
            "<S t='0' d='18446744073709551615'/><S t='10' d='40'/>",
            &["10@1000"],
        ),
        ("<S t='18446744073709551615' d='150'/>", &["0@0"]),
        ("<S t='0' d='150' r='99999999999999999999999'/>", &["0@0"]),
        ("<S t='-5' d='150'/>", &["0@0"]),
        // Whatever else is there.
        (
            "text<S d='100'></S><!-- <S d='1'/> --><X><S d='1'/></X><S d=\"100\" a='b'><Y/></S>",
            &["0@0", "100@10000"],
        ),
        ("<ns:S d='100'/><S\n\td = '100' />", &["0@0", "100@10000"]),
        ("<S d='&#49;00'/><S d='100'/>", &["0@0", "100@10000"]),
    ] {
        assert_eq!(segments(&timeline(s)), expected, "{s}");
    }
    for nothing in [
        "",
        "<S d='0' r='-1'/>",
        "<S/>",
        "<S t='200' d='10'/>",
        "<S d='x'/>",
    ] {
        assert!(refused(&timeline(nothing)).contains("no segment"), "{nothing}");
    }
    let many = "<S d='1'/>".repeat(100_002);
    assert!(refused(&timeline(&many)).contains("too many S"));
}

#[test]
fn a_huge_repeat_count_costs_nothing() {
    for r in ["9223372036854775807", "1000000000000"] {
        let s = format!("<S t='0' d='10' r='{r}'/>");
        // Within the period,
        assert_eq!(index(&read(&one("", &timeline(&s), ""))).len(), 20);
        // and where its end is not known.
        let open = one("", &timeline(&s), "").replace("mediaPresentationDuration='PT20S'", "");
        let read = read(&open);
        let index = index(&read);
        assert_eq!(index.position_at(MediaTime::from_millis(5500)), 5);
        assert!(index.get(1_000_000).is_some());
    }
}

#[test]
fn numbers_of_s_and_sequences_are_followed() {
    let template = |media: &str, s: &str| {
        format!(
            "<SegmentTemplate timescale='10' startNumber='4' media='{media}'><SegmentTimeline>{s}</SegmentTimeline></SegmentTemplate>"
        )
    };
    let numbers = "<S t='0' d='50'/><S d='50' n='9'/><S d='50' r='1'/>";
    assert_eq!(
        segments(&template("$Number$", numbers)),
        ["4@0", "9@5000", "10@10000", "11@15000"]
    );
    let first = "<S t='0' d='50' r='2' n='1'/><S d='50'/>";
    assert_eq!(
        segments(&template("$Number$", first)),
        ["1@0", "2@5000", "3@10000", "4@15000"]
    );
    let sequences = "<S t='0' d='60' r='1' k='3'/><S d='60'/><S d='5' k='2'/>";
    assert_eq!(
        segments(&template("$Number$.$SubNumber$.$Time$", sequences)),
        [
            "4.0.0@0",
            "4.1.0@2000",
            "4.2.0@4000",
            "5.0.60@6000",
            "5.1.60@8000",
            "5.2.60@10000",
            "6.0.120@12000",
            "7.0.180@18000",
            "7.1.180@18200"
        ]
    );
}

#[test]
fn the_nearest_element_counts_and_inherits_from_its_like() {
    // 5.3.9.1: a SegmentTemplate inherits from the SegmentTemplates above it, not from a SegmentBase.
    let period = "<SegmentTemplate timescale='10' startNumber='5' initialization='p-$RepresentationID$'/><SegmentBase timescale='99'/>";
    let set = "<SegmentTemplate duration='100'/>";
    let own = "<SegmentTemplate media='$Number$' startNumber='8'/>";
    let presentation = read(&one(period, set, own));
    assert_eq!(list(index(&presentation)), ["8@0", "9@10000"]);
    assert_eq!(index(&presentation).inits[0].url, "https://h/d/p-a");
    let own = "<SegmentList timescale='1' duration='10'><SegmentURL media='x'/><SegmentURL media='y'/></SegmentList>";
    assert_eq!(list(index(&read(&one(period, set, own)))), ["x@0", "y@10000"]);
    // A timescale of zero is none.
    assert_eq!(
        segments("<SegmentTemplate timescale='0' duration='10' media='$Number$'/>"),
        ["1@0", "2@10000"]
    );
}

#[test]
fn lists_of_segments() {
    let media = "<SegmentURL media='f' mediaRange='0-99'/><SegmentURL media='f' mediaRange='100-249'/><SegmentURL media='g'/>";
    let init = "<Initialization sourceURL='i' range='5-9'/>";
    let read_list = |attributes: &str, inner: &str| {
        read(&one(
            "",
            &format!("<SegmentList {attributes}>{inner}</SegmentList>"),
            "",
        ))
    };
    let presentation = read_list("timescale='1000' duration='8000'", &format!("{init}{media}"));
    assert_eq!(
        list(index(&presentation)),
        ["f[0+100]@0", "f[100+150]@8000", "g@16000"]
    );
    // The last one ends with the period.
    assert_eq!(index(&presentation).end(), MediaTime::from_millis(20_000));
    assert_eq!(index(&presentation).get(1).unwrap().bytes, Some(150));
    let init = &index(&presentation).inits[0];
    assert_eq!((&*init.url, init.range.unwrap().offset), ("https://h/d/i", 5));
    let timed = read_list(
        "",
        &format!("<SegmentTimeline><S t='0' d='3'/><S d='5'/><S d='4'/></SegmentTimeline>{media}"),
    );
    assert_eq!(list(index(&timed)), ["f[0+100]@0", "f[100+150]@3000", "g@8000"]);
    // One alone lasts as long as the period.
    let single = read_list("", "<SegmentURL media='all'/>");
    assert_eq!(
        (index(&single).len(), index(&single).end().as_millis()),
        (1, 20_000)
    );
    assert!(refused("<SegmentList duration='4'/>").contains("empty"));
    assert!(refused(&format!("<SegmentList>{media}</SegmentList>")).contains("neither"));
}

#[test]
fn a_single_segment_needs_no_duration() {
    let presentation = read(&one("", "<SegmentTemplate media='$RepresentationID$.mp4'/>", ""));
    assert_eq!(list(index(&presentation)), ["a.mp4@0"]);
    assert_eq!(index(&presentation).end().as_millis(), 20_000);
    assert!(refused("<SegmentTemplate duration='2'/>").contains("media"));
    assert!(refused("").contains("SegmentTemplate"));
}

#[test]
fn a_file_with_an_index_inside() {
    let own = "<BaseURL>v.mp4</BaseURL><SegmentBase timescale='1000' presentationTimeOffset='500' indexRange='700-899'>\
               <Initialization range='0-699'/></SegmentBase>";
    let presentation = read(&one("", "", own));
    let source = sidx(&presentation);
    assert_eq!(source.index.url, "https://h/d/v.mp4");
    assert_eq!(source.index.range.map(|r| (r.offset, r.length)), Some((700, 200)));
    let init = source.init.as_ref().unwrap();
    assert_eq!(
        (&*init.url, init.range.map(|r| (r.offset, r.length))),
        ("https://h/d/v.mp4", Some((0, 700)))
    );
    assert_eq!(source.timestamp_offset, MediaTime::from_millis(-500));
    assert_eq!(source.end, Some(MediaTime::from_millis(20_000)));
    // The index in a file of its own; and nothing said at all.
    let apart = "<SegmentBase><RepresentationIndex sourceURL='i.sidx' range='0-9'/></SegmentBase>";
    assert_eq!(sidx(&read(&one("", apart, ""))).index.url, "https://h/d/i.sidx");
    let bare = read(&one("", "", "<BaseURL>v.mp4</BaseURL>"));
    assert_eq!(
        (&*sidx(&bare).index.url, sidx(&bare).index.range),
        ("https://h/d/v.mp4", None)
    );
}

#[test]
fn subtitles_in_one_file() {
    let mpd = "<MPD mediaPresentationDuration='PT9S'><Period><AdaptationSet mimeType='text/vtt' lang='de'>\
               <Representation id='t' bandwidth='10'><BaseURL>de.vtt</BaseURL></Representation></AdaptationSet></Period></MPD>";
    let presentation = read(mpd);
    assert_eq!(list(index(&presentation)), ["de.vtt@0"]);
    assert_eq!(index(&presentation).end().as_millis(), 9000);
}

#[test]
fn base_urls_resolve_level_by_level() {
    let mpd = "<MPD mediaPresentationDuration='PT2S'><BaseURL>../x/</BaseURL><Period><BaseURL>p/</BaseURL><AdaptationSet mimeType='video/mp4'>\
               <BaseURL>/abs/</BaseURL><SegmentTemplate duration='2' media='$Number$'/><Representation id='a' bandwidth='1'>\
               <BaseURL>r?q=1</BaseURL></Representation><Representation id='b' bandwidth='2'><BaseURL> https://o/\n </BaseURL></Representation>\
               </AdaptationSet></Period></MPD>";
    let presentation = read(mpd);
    let urls: Vec<_> = presentation.periods[0].tracks[0]
        .renditions
        .iter()
        .map(|r| match &r.source {
            SegmentSource::Index(index) => index.get(0).unwrap().resource.url,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(urls, ["https://h/abs/1", "https://o/1"]);
    // One alone, without a name, is no choice.
    assert!(rendition(&presentation).locations.is_empty());
}

#[test]
fn alternative_base_urls_keep_their_names_and_order() {
    let bases = "<BaseURL serviceLocation='a' dvb:priority='2'>https://a/</BaseURL><BaseURL serviceLocation='b' dvb:weight='5'>https://b/</BaseURL>\
                 <BaseURL>javascript:alert(1)</BaseURL><BaseURL>file:///c/</BaseURL>";
    let mpd = one(
        "<BaseURL>p/</BaseURL>",
        "<SegmentTemplate duration='20' media='$Number$'/>",
        "",
    )
    .replace("<Period>", &format!("{bases}<Period>"));
    let presentation = read(&mpd);
    let locations: Vec<_> = rendition(&presentation)
        .locations
        .iter()
        .map(|l| (&*l.url, &*l.name, l.priority, l.weight))
        .collect();
    assert_eq!(
        locations,
        [("https://b/p/", "b", 1, 5), ("https://a/p/", "a", 2, 1)]
    );
    assert_eq!(index(&presentation).get(0).unwrap().resource.url, "https://b/p/1");
    // Alternatives at two levels are combined, within a bound.
    let many: String = (0..30).map(|i| format!("<BaseURL>{i}/</BaseURL>")).collect();
    let mpd = one(&many, "<SegmentTemplate duration='20' media='$Number$'/>", &many);
    let locations = &rendition(&read(&mpd)).locations.clone();
    assert_eq!((locations.len(), &*locations[0].url), (16, "https://h/d/0/0/"));
}

#[test]
fn availability_offsets_come_from_the_nearest() {
    let template =
        |attributes: &str| format!("<SegmentTemplate duration='20' media='$Number$' {attributes}/>");
    let base = "<BaseURL availabilityTimeOffset='3.5' availabilityTimeComplete='false'>p/</BaseURL>";
    let of = |period: &str, set: &str| {
        let read = read(&one(period, set, ""));
        let r = rendition(&read);
        (
            r.availability_time_offset.map(|o| o.as_millis()),
            r.availability_incomplete,
        )
    };
    assert_eq!(of("", &template("")), (None, false));
    assert_eq!(of(base, &template("")), (Some(3500), true));
    // 5.3.9.2: what SegmentTemplate says takes the place of what BaseURL says.
    assert_eq!(
        of(
            base,
            &template("availabilityTimeOffset='1' availabilityTimeComplete='true'")
        ),
        (Some(1000), false)
    );
    assert_eq!(
        of("", &template("availabilityTimeOffset='INF'")).0,
        Some(MediaTime::MAX.as_millis())
    );
    assert_eq!(
        of("", &template("availabilityTimeOffset='nonsense'")),
        (None, false)
    );
}
