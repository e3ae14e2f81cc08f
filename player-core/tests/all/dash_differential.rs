//! The MPD reader beside dash-mpd-core: MPDs that it writes are read by both, and mean the same.
//!
//! Where they differ: `docs/manifest-divergences.md` and `divergences.rs`. Theirs expands nothing: what is compared below is expanded by the
//! rules of ISO/IEC 23009-1, 5.3.9.4 to 5.3.9.6 once more, segment by segment.
#![allow(clippy::unwrap_used)]

use core::time::Duration;

use dash_mpd_core::{
    AdaptationSet, BaseURL, ContentProtection, Label, MPD, Period, Representation, Role, S, SegmentList,
    SegmentTemplate, SegmentTimeline, SegmentURL,
};
use player_core::manifest::dash;
use player_core::presentation::{SegmentSource, Track};
use player_core::url;
use proptest::prelude::*;

const URL: &str = "https://h/d/m.mpd";

fn times() -> impl Strategy<Value = Vec<S>> {
    let s = (
        prop::option::of(0_u64..50),
        1_u64..200,
        prop::option::of(-1_i64..6),
    )
        .prop_map(|(gap, d, r)| S {
            t: gap,
            d,
            r,
            ..S::default()
        });
    prop::collection::vec(s, 1..6).prop_map(|mut all| {
        // Times that only rise: a gap behind what is there.
        let mut at = 0;
        for s in &mut all {
            // A negative repeat is only kept for the last one: where it ends is then the period's matter.
            if let Some(gap) = s.t {
                s.t = Some(at + gap);
                at += gap;
            }
            at += s.d * (s.r.unwrap_or(0).max(0) as u64 + 1);
        }
        let last = all.len() - 1;
        for s in all.iter_mut().take(last) {
            s.r = s.r.map(|r| r.max(0));
        }
        all
    })
}

fn template(level: u8) -> impl Strategy<Value = SegmentTemplate> {
    let media = prop::sample::select(vec![
        "$RepresentationID$/$Number$.m4s",
        "$Number%05d$-$Bandwidth$.m4s",
        "../t/$Time$?a=1&b=2",
        "/abs/$Time%012d$",
        "https://o/$RepresentationID$-$$-$Number$",
    ]);
    (
        prop::option::of(media),
        prop::option::of(1_u64..1000),
        prop::option::of(0_u64..20),
        prop::option::of(0_u64..3000),
        prop::option::of(times()),
        prop::option::of(1_u32..500),
        prop::option::of(Just("i-$RepresentationID$.mp4")),
        prop::option::of(prop_oneof![
            Just(f64::INFINITY),
            (0_i32..100).prop_map(|n| f64::from(n) / 4.0)
        ]),
    )
        .prop_map(
            move |(media, timescale, start, offset, timeline, duration, init, ato)| SegmentTemplate {
                // The farthest level has what is needed.
                media: media.or((level == 0).then_some("$Number$")).map(str::to_owned),
                timescale,
                startNumber: start,
                presentationTimeOffset: offset,
                SegmentTimeline: timeline.map(|segments| SegmentTimeline { segments }),
                duration: duration.or((level == 0).then_some(100)).map(f64::from),
                initialization: init.map(str::to_owned),
                availabilityTimeOffset: ato,
                ..SegmentTemplate::default()
            },
        )
}

fn bases() -> impl Strategy<Value = Vec<BaseURL>> {
    let base = prop::sample::select(vec!["x/", "../y/", "/z", "https://cdn/é/", "q?r=1&s"]);
    let base = (base, prop::option::of("[a-c]")).prop_map(|(base, name)| BaseURL {
        base: base.to_owned(),
        serviceLocation: name,
        ..BaseURL::default()
    });
    prop::collection::vec(base, 0..2)
}

fn representation() -> impl Strategy<Value = Representation> {
    (
        prop::option::of(template(2)),
        bases(),
        1_u64..9_000_000,
        prop::option::of((1_u64..4000, 1_u64..3000)),
        prop::option::of(1_u32..60),
    )
        .prop_map(|(template, bases, bandwidth, size, rate)| Representation {
            bandwidth: Some(bandwidth),
            width: size.map(|s| s.0),
            height: size.map(|s| s.1),
            frameRate: rate.map(|r| format!("{r}000/1001")),
            SegmentTemplate: template,
            BaseURL: bases,
            ..Representation::default()
        })
}

fn list() -> impl Strategy<Value = SegmentList> {
    let url = (
        prop::option::of("[a-z]{1,3}"),
        prop::option::of((0_u64..1000, 0_u64..1000)),
    )
        .prop_map(|(media, range)| SegmentURL {
            media,
            mediaRange: range.map(|(first, more)| format!("{first}-{}", first + more)),
            ..SegmentURL::default()
        });
    (prop::collection::vec(url, 1..6), 1_u64..20).prop_map(|(segment_urls, duration)| SegmentList {
        duration: Some(duration),
        segment_urls,
        ..SegmentList::default()
    })
}

fn set() -> impl Strategy<Value = AdaptationSet> {
    let kind = prop::sample::select(vec!["video", "audio"]);
    let text = "[a-zé<>&\"' ]{0,10}";
    (
        kind,
        prop::option::of(template(1)),
        bases(),
        prop::collection::vec(representation(), 1..4),
        text,
        prop::option::of("[a-z]{2}"),
        prop::option::of(list()),
        any::<bool>(),
    )
        .prop_map(
            |(kind, template, bases, representations, label, lang, list, encrypted)| {
                let mut set = AdaptationSet {
                    mimeType: Some(format!("{kind}/mp4")),
                    codecs: Some("avc1.64001f".to_owned()),
                    lang,
                    SegmentTemplate: template,
                    BaseURL: bases,
                    Label: vec![Label {
                        content: label,
                        ..Label::default()
                    }],
                    Role: vec![Role {
                        schemeIdUri: "urn:mpeg:dash:role:2011".to_owned(),
                        value: Some("dub".to_owned()),
                        ..Role::default()
                    }],
                    representations,
                    ..AdaptationSet::default()
                };
                if encrypted {
                    set.ContentProtection.push(ContentProtection {
                        schemeIdUri: "urn:mpeg:dash:mp4protection:2011".to_owned(),
                        value: Some("cenc".to_owned()),
                        default_KID: Some("00112233-4455-6677-8899-aabbccddeeff".to_owned()),
                        ..ContentProtection::default()
                    });
                }
                if let Some(list) = list {
                    // A list instead.
                    set.SegmentTemplate = None;
                    for r in &mut set.representations {
                        r.SegmentTemplate = None;
                        r.SegmentList = Some(list.clone());
                    }
                }
                set
            },
        )
}

fn mpd() -> impl Strategy<Value = MPD> {
    let period = (
        prop::collection::vec(set(), 1..4),
        template(0),
        bases(),
        500_u64..60_000,
    );
    (prop::collection::vec(period, 1..4), bases()).prop_map(|(periods, base_url)| {
        let total: u64 = periods.iter().map(|p| p.3).sum();
        let periods = periods
            .into_iter()
            .enumerate()
            .map(|(i, (sets, template, bases, ms))| {
                let adaptations = sets.into_iter().enumerate().map(|(j, mut set)| {
                    set.id = Some(format!("{j}"));
                    for (k, r) in set.representations.iter_mut().enumerate() {
                        r.id = Some(format!("{i}-{j}-{k}"));
                        // Different bitrates, so that their order is known.
                        r.bandwidth = r.bandwidth.map(|b| b * 4 + k as u64);
                    }
                    set
                });
                Period {
                    id: Some(format!("p{i}")),
                    duration: Some(Duration::from_millis(ms)),
                    adaptations: adaptations.collect(),
                    SegmentTemplate: Some(template),
                    BaseURL: bases,
                    ..Period::default()
                }
            });
        MPD {
            mpdtype: Some("static".to_owned()),
            mediaPresentationDuration: Some(Duration::from_millis(total)),
            base_url,
            periods: periods.collect(),
            ..MPD::default()
        }
    })
}

/// A segment: URL, first byte and how many, start and end in microseconds.
type Line = (String, Option<(u64, u64)>, i64, i64);

fn floor(ticks: i128, timescale: u64) -> i64 {
    i64::try_from((ticks * 1_000_000).div_euclid(i128::from(timescale))).unwrap()
}

/// The segments of a representation, by the book; up to `most`.
fn expand(
    period: &Period,
    set: &AdaptationSet,
    representation: &Representation,
    base: &str,
    start_us: i64,
    most: usize,
) -> Vec<Line> {
    let period_us = i64::try_from(period.duration.unwrap().as_micros()).unwrap();
    if let Some(list) = &representation.SegmentList {
        let each = i64::try_from(list.duration.unwrap()).unwrap() * 1_000_000;
        let mut at = 0;
        let all = list.segment_urls.iter().map(|s| {
            let url = url::resolve(base, s.media.as_deref().unwrap_or_default()).unwrap();
            let range = s.mediaRange.as_ref().map(|r| {
                let (first, last) = r.split_once('-').unwrap();
                let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
                (first, last - first + 1)
            });
            // The last one ends with the period; those behind it take no time that counts.
            let end = (at + each).min(period_us.max(at + 1));
            let line = (url, range, start_us + at, start_us + end);
            at = end;
            line
        });
        return all.take(most).collect();
    }
    let levels: Vec<&SegmentTemplate> = [
        &representation.SegmentTemplate,
        &set.SegmentTemplate,
        &period.SegmentTemplate,
    ]
    .into_iter()
    .flatten()
    .collect();
    fn first<T>(levels: &[&SegmentTemplate], f: impl Fn(&SegmentTemplate) -> Option<T>) -> Option<T> {
        levels.iter().find_map(|level| f(level))
    }
    let timescale = first(&levels, |t| t.timescale).unwrap_or(1);
    let offset = i128::from(first(&levels, |t| t.presentationTimeOffset).unwrap_or(0));
    let number = first(&levels, |t| t.startNumber).unwrap_or(1);
    let media = first(&levels, |t| t.media.clone()).unwrap();
    let period_end = offset + i128::from(period_us) * i128::from(timescale) / 1_000_000;
    let mut spans: Vec<(i128, i128)> = Vec::new();
    match first(&levels, |t| t.SegmentTimeline.clone()) {
        Some(timeline) => {
            let mut at = 0_i128;
            for s in timeline.segments {
                at = s.t.map_or(at, |t| i128::from(t).max(at));
                let mut left = s.r.unwrap_or(0);
                while at < period_end && spans.len() < most {
                    spans.push((at, at + i128::from(s.d)));
                    at += i128::from(s.d);
                    if left == 0 {
                        break;
                    }
                    left -= i64::from(left > 0);
                }
                if at >= period_end {
                    at += i128::from(s.d) * i128::from(left.max(0));
                }
            }
        }
        None => {
            let each = first(&levels, |t| t.duration).unwrap() as i128;
            let mut at = 0;
            // A last segment of less than a millisecond is one of rounding.
            while (at == 0 || floor(at, timescale) + 1000 < period_us) && spans.len() < most {
                spans.push((offset + at, offset + at + each));
                at += each;
            }
        }
    }
    spans
        .into_iter()
        .enumerate()
        .map(|(i, (from, to))| {
            let number = number + i as u64;
            let name = media
                .replace("$$", "\u{2}")
                .replace("$RepresentationID$", representation.id.as_deref().unwrap())
                .replace("$Bandwidth$", &representation.bandwidth.unwrap().to_string())
                .replace("$Number$", &number.to_string())
                .replace("$Number%05d$", &format!("{number:05}"))
                .replace("$Time$", &from.to_string())
                .replace("$Time%012d$", &format!("{from:012}"))
                .replace('\u{2}', "$");
            let shift = start_us - floor(offset, timescale);
            (
                url::resolve(base, &name).unwrap(),
                None,
                floor(from, timescale) + shift,
                floor(to, timescale) + shift,
            )
        })
        .collect()
}

fn resolve(base: &str, bases: &[BaseURL]) -> String {
    bases
        .first()
        .map_or_else(|| base.to_owned(), |b| url::resolve(base, &b.base).unwrap())
}

fn check_track(period: &Period, set: &AdaptationSet, track: &Track, base: &str, start_us: i64) {
    assert_eq!(Some(&track.id), set.id.as_ref());
    assert_eq!(
        track.kind.name(),
        set.mimeType.as_deref().unwrap().split('/').next().unwrap()
    );
    assert_eq!(track.language, set.lang.clone().unwrap_or_default());
    assert_eq!(track.label, set.Label[0].content.trim());
    assert_eq!(track.roles, ["dub"]);
    assert_eq!(track.protection.len(), set.ContentProtection.len());
    for r in &track.renditions {
        let theirs = set
            .representations
            .iter()
            .find(|t| t.id.as_ref() == Some(&r.id))
            .unwrap();
        assert_eq!(Some(r.bandwidth.as_bps()), theirs.bandwidth);
        assert_eq!(
            (r.width, r.height),
            (
                theirs.width.unwrap_or(0) as u32,
                theirs.height.unwrap_or(0) as u32
            )
        );
        assert_eq!(
            (&*r.container, &*r.codecs),
            (set.mimeType.as_deref().unwrap(), "avc1.64001f")
        );
        let base = resolve(base, &theirs.BaseURL);
        let SegmentSource::Index(index) = &r.source else {
            panic!()
        };
        let expected = expand(period, set, theirs, &base, start_us, 200);
        let found: Vec<Line> = (0..index.len().min(200))
            .filter_map(|i| index.get(i))
            .map(|s| {
                (
                    s.resource.url,
                    s.resource.range.map(|r| (r.offset, r.length)),
                    s.start.as_micros(),
                    s.end.as_micros(),
                )
            })
            .collect();
        assert_eq!(found, expected, "{}", r.id);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_written_is_read(mpd in mpd()) {
        let text = mpd.to_string();
        let theirs = dash_mpd_core::parse(&text).unwrap();
        let ours = dash::parse(&text, URL);
        let Ok(ours) = ours else {
            // All timelines begin behind the end of their period.
            let any = theirs.periods.iter().any(|p| {
                p.adaptations.iter().any(|s| s.representations.iter().any(|r| !expand(p, s, r, URL, 0, 1).is_empty()))
            });
            prop_assert!(!any, "{:?}\n{}", ours, text);
            return Ok(());
        };
        prop_assert_eq!(ours.duration.map(|d| d.as_duration()), theirs.mediaPresentationDuration);
        let base = resolve(URL, &theirs.base_url);
        let mut start_us = 0;
        for period in &theirs.periods {
            let base = resolve(&base, &period.BaseURL);
            let found = ours.periods.iter().find(|p| Some(&p.id) == period.id.as_ref());
            for set in &period.adaptations {
                let base = resolve(&base, &set.BaseURL);
                let track = found.and_then(|p| p.tracks.iter().find(|t| Some(&t.id) == set.id.as_ref()));
                let full = set.representations.iter().filter(|r| !expand(period, set, r, URL, 0, 1).is_empty()).count();
                prop_assert_eq!(track.map_or(0, |t| t.renditions.len()), full, "{}", text);
                if let Some(track) = track {
                    prop_assert_eq!(found.unwrap().start.as_micros(), start_us);
                    check_track(period, set, track, &base, start_us);
                }
            }
            start_us += i64::try_from(period.duration.unwrap().as_micros()).unwrap();
        }
    }
}
