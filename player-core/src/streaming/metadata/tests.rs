#![allow(clippy::unwrap_used)]

use super::*;

const SCTE: &str = "urn:scte:scte35:2013:bin";

fn ms(ms: i64) -> MediaTime {
    MediaTime::from_millis(ms)
}

fn emsg(id: u32, time_ms: u64, duration_ms: Option<u32>) -> Emsg {
    Emsg {
        scheme: SCTE.into(),
        id,
        timescale: 1000,
        time: time_ms,
        duration: duration_ms,
        data: vec![0xfc, id as u8],
        ..Emsg::default()
    }
}

fn tag(time_ms: i64, text: &str) -> Id3 {
    Id3 {
        time: ms(time_ms),
        frames: vec![Frame {
            id: "TIT2".into(),
            text: text.into(),
            ..Frame::default()
        }],
    }
}

/// A line an event, as `known 1`.
fn shown(events: &[MetadataEvent]) -> String {
    let lines = events.iter().map(|event| match event {
        MetadataEvent::Enter(metadata) => format!("enter {}", metadata.key),
        MetadataEvent::Known(metadata) => format!("known {}", metadata.key),
        MetadataEvent::Leave { key } => format!("leave {key}"),
        MetadataEvent::Removed { key } => format!("removed {key}"),
    });
    lines.collect::<Vec<_>>().join(", ")
}

fn due(metadata: &mut TimedMetadata, position_ms: i64) -> String {
    shown(&metadata.due(ms(position_ms), false))
}

fn known(metadata: &mut TimedMetadata) -> Vec<Metadata> {
    let events = metadata.known().into_iter();
    events
        .map(|event| match event {
            MetadataEvent::Known(metadata) => *metadata,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn the_playhead_enters_and_leaves() {
    let mut metadata = TimedMetadata::default();
    metadata.add_emsg(
        &[
            emsg(1, 2000, Some(3000)),
            emsg(2, 2500, Some(0)),
            emsg(3, 8000, None),
        ],
        ms(0),
        ms(1000),
    );
    assert_eq!(shown(&metadata.known()), "known 1, known 2, known 3");
    assert_eq!(due(&mut metadata, 0), "");
    assert_eq!(metadata.next_change(), Some(ms(3000)));
    assert_eq!(due(&mut metadata, 2999), "");
    assert_eq!(due(&mut metadata, 3000), "enter 1");
    assert_eq!(due(&mut metadata, 3000), "");
    assert_eq!(metadata.next_change(), Some(ms(3500)));
    assert_eq!(due(&mut metadata, 3600), "enter 2");
    assert_eq!(metadata.next_change(), Some(ms(6000)));
    assert_eq!(due(&mut metadata, 6000), "leave 1");
    assert_eq!(due(&mut metadata, 10_000), "enter 3");
    assert_eq!(metadata.next_change(), Some(ms(609_000)));
    // What has no end does not go on for ever.
    assert_eq!(due(&mut metadata, 9000 + 599_000), "");
    assert_eq!(due(&mut metadata, 9000 + 601_000), "leave 3");
    assert_eq!(metadata.next_change(), None);
    assert_eq!(shown(&metadata.known()), "removed 1, removed 2, removed 3");
}

#[test]
fn a_seek_passes_over_what_lies_between() {
    let mut metadata = TimedMetadata::default();
    metadata.add_id3(&[tag(0, "a"), tag(5000, "b"), tag(20_000, "c")], ms(0));
    metadata.add_emsg(
        &[
            emsg(1, 4000, Some(1000)),
            emsg(2, 9000, Some(6000)),
            emsg(3, 1000, Some(60_000)),
        ],
        ms(0),
        ms(0),
    );
    // By their time: a 1, 3 6, 1 4, b 2, 2 5, c 3.
    assert_eq!(due(&mut metadata, 0), "enter 1");
    assert_eq!(due(&mut metadata, 2000), "enter 6");
    assert_eq!(shown(&metadata.due(ms(10_000), true)), "enter 5");
    assert_eq!(due(&mut metadata, 16_000), "leave 5");
    // Back: the long one is not left.
    assert_eq!(due(&mut metadata, 3000), "");
    // A stretch that is shorter than the time between two looks.
    assert_eq!(due(&mut metadata, 6000), "enter 4, leave 4, enter 2");
    // A point just before the place that was sought.
    assert_eq!(shown(&metadata.due(ms(20_200), true)), "enter 3");
    assert_eq!(shown(&metadata.due(ms(100), true)), "leave 6, enter 1");
    assert_eq!(shown(&metadata.due(ms(70_000), true)), "");
}

#[test]
fn what_is_late_is_entered_late() {
    let mut metadata = TimedMetadata::default();
    assert_eq!(due(&mut metadata, 0), "");
    metadata.add_id3(&[tag(-20, "start")], ms(0));
    assert_eq!(due(&mut metadata, 0), "enter 1");
    assert_eq!(due(&mut metadata, 4000), "");
    metadata.add_id3(&[tag(3000, "late")], ms(0));
    metadata.add_emsg(&[emsg(1, 1000, Some(9000))], ms(0), ms(0));
    assert_eq!(due(&mut metadata, 4100), "enter 3, enter 2");
    // Not what was before the first position.
    let mut metadata = TimedMetadata::default();
    metadata.add_id3(&[tag(0, "start")], ms(0));
    assert_eq!(due(&mut metadata, 60_000), "");
}

#[test]
fn what_is_repeated_is_one() {
    let mut metadata = TimedMetadata::default();
    let mut relative = emsg(7, 500, None);
    relative.relative = true;
    metadata.add_emsg(&[relative.clone()], ms(8000), ms(123));
    // The next segment repeats it; then its end is known.
    metadata.add_emsg(
        &[Emsg {
            time: 0,
            ..relative.clone()
        }],
        ms(12_000),
        ms(123),
    );
    let first = known(&mut metadata);
    assert_eq!((first.len(), first[0].start, first[0].end), (1, ms(8500), None));
    metadata.add_emsg(
        &[Emsg {
            duration: Some(4000),
            ..relative.clone()
        }],
        ms(8000),
        ms(123),
    );
    let better = known(&mut metadata);
    assert_eq!(
        (better.len(), better[0].key, better[0].end),
        (1, first[0].key, Some(ms(12_500)))
    );
    assert_eq!(better[0].message, Message::Bytes(vec![0xfc, 7]));
    // The same id far away with another message, another value, another scheme: those are others.
    let others = [
        Emsg {
            time: 60_000,
            data: vec![9],
            ..relative.clone()
        },
        Emsg {
            value: "2".into(),
            ..relative.clone()
        },
        Emsg {
            scheme: "urn:x".into(),
            ..relative
        },
    ];
    metadata.add_emsg(&others, ms(8000), ms(123));
    assert_eq!(known(&mut metadata).len(), 3);
    // Tags, from two renditions.
    metadata.add_id3(&[tag(1000, "a"), tag(2000, "a"), tag(1000, "b")], ms(0));
    metadata.add_id3(&[tag(1040, "a"), tag(2000, "a"), tag(1000, "b")], ms(10));
    assert_eq!(known(&mut metadata).len(), 3);
}

#[test]
fn tags_in_messages_are_tags() {
    let mut metadata = TimedMetadata::default();
    let event = Emsg {
        scheme: "https://aomedia.org/emsg/ID3".into(),
        data: b"ID3\x04\0\0\0\0\0\x0dTIT2\0\0\0\x03\0\0\x03hi".to_vec(),
        ..emsg(1, 90, None)
    };
    metadata.add_emsg(&[event], ms(0), ms(10));
    let found = known(&mut metadata).remove(0);
    assert_eq!(
        (found.source, found.frames[0].text.as_str()),
        (MetadataSource::Id3, "hi")
    );
    assert_eq!((found.start, found.end), (ms(100), Some(ms(100))));
    assert_eq!(found.message, Message::None);
}

fn range(id: &str, start_s: Option<i64>) -> DateRange {
    DateRange {
        id: id.into(),
        class: "ads".into(),
        start: start_s.map(|s| WallTime::from_unix_micros(s * 1_000_000)),
        ..DateRange::default()
    }
}

/// The wall clock shows 1000 s where the timeline is zero.
fn media_of(wall: WallTime) -> Option<MediaTime> {
    let time = wall.since(WallTime::from_unix_micros(1_000_000_000));
    (time >= MediaTime::ZERO).then_some(time)
}

#[test]
fn date_ranges_grow() {
    let mut metadata = TimedMetadata::default();
    let mut first = range("a", Some(1010));
    first.planned_duration = Some(ms(12_500));
    first.attributes = vec![("X-A".into(), "1".into())];
    let unmapped = range("before", Some(1));
    metadata.add_date_ranges(&[first.clone(), unmapped, range("nowhere", None)], &media_of);
    let a = known(&mut metadata).remove(0);
    assert_eq!(
        (a.id.as_str(), a.scheme.as_str(), a.start, a.end),
        ("a", "ads", ms(10_000), None)
    );
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(
        a.attributes,
        [pair("X-A", "1"), pair("PLANNED-DURATION", "12.500")]
    );
    assert_eq!(due(&mut metadata, 11_000), "enter 1");
    // The same again: nothing. A clock that drifts a little: nothing.
    metadata.add_date_ranges(&[first.clone()], &media_of);
    metadata.add_date_ranges(&[first], &|wall| Some(media_of(wall)? + ms(20)));
    assert_eq!(shown(&metadata.known()), "");
    // Its end comes, and another attribute.
    let mut end = range("a", None);
    end.class.clear();
    end.end = Some(WallTime::from_unix_micros(1_013_000_000));
    end.cue = "ONCE".into();
    end.attributes = vec![("X-B".into(), "2".into())];
    metadata.add_date_ranges(&[end], &media_of);
    let a = known(&mut metadata).remove(0);
    assert_eq!(
        (a.key, a.start, a.end, a.scheme.as_str()),
        (1, ms(10_000), Some(ms(13_000)), "ads")
    );
    assert_eq!(a.attributes.len(), 4);
    assert_eq!(due(&mut metadata, 13_000), "leave 1");
}

#[test]
fn date_ranges_that_end_with_the_next() {
    let mut metadata = TimedMetadata::default();
    let programme = |id, s| DateRange {
        end_on_next: true,
        ..range(id, Some(s))
    };
    let mut list = vec![programme("a", 1000), programme("b", 1060)];
    metadata.add_date_ranges(&list, &media_of);
    let ends: Vec<_> = known(&mut metadata).iter().map(|range| range.end).collect();
    assert_eq!(ends, [Some(ms(60_000)), None]);
    list.push(DateRange {
        class: "other".into(),
        ..programme("c", 1070)
    });
    list.push(programme("d", 1090));
    metadata.add_date_ranges(&list, &media_of);
    let changed = known(&mut metadata);
    let changed: Vec<_> = changed
        .iter()
        .map(|range| (range.id.as_str(), range.end))
        .collect();
    assert_eq!(changed, [("b", Some(ms(90_000))), ("c", None), ("d", None)]);
    metadata.add_date_ranges(&list, &media_of);
    assert_eq!(shown(&metadata.known()), "");
}

#[test]
fn what_a_manifest_takes_back_is_gone() {
    let event = |id, start_s: i64| Event {
        id,
        start: ms(start_s * 1000),
        duration: Some(ms(5000)),
        data: "<x/>".into(),
    };
    let stream = |events: &[Event]| {
        [EventStream {
            scheme: "urn:x".into(),
            value: "1".into(),
            events: events.to_vec(),
        }]
    };
    let mut metadata = TimedMetadata::default();
    metadata.add_manifest_events(stream(&[event(Some(1), 10), event(None, 20), event(Some(3), 30)]).iter());
    let first = known(&mut metadata);
    assert_eq!(first.len(), 3);
    assert_eq!(first[0].message, Message::Text("<x/>".into()));
    assert_eq!(due(&mut metadata, 10_000), "enter 1");
    // One has moved, one is gone, one goes on although it is not listed any more.
    metadata.add_manifest_events(stream(&[event(Some(3), 31)]).iter());
    assert_eq!(shown(&metadata.known()), "removed 2, known 3");
    assert_eq!(due(&mut metadata, 12_000), "");
    assert_eq!(due(&mut metadata, 15_000), "leave 1");
    assert_eq!(metadata.entries.len(), 2);
}

#[test]
fn calls_for_a_newer_manifest_are_not_metadata() {
    let mut metadata = TimedMetadata::default();
    let mut call = Emsg {
        scheme: REFRESH.into(),
        value: "1".into(),
        data: b"2024-01-01T00:00:00Z".to_vec(),
        ..emsg(5, 4000, None)
    };
    let refreshes = metadata.add_emsg(&[call.clone(), call.clone()], ms(0), ms(1000));
    assert_eq!(refreshes.len(), 1);
    assert_eq!(refreshes[0].at, ms(5000));
    assert_eq!(refreshes[0].published, datetime::parse("2024-01-01T00:00:00Z"));
    // A patch follows its time of publication.
    call.value = "2".into();
    call.data = b"2024-01-01T00:00:09Z\0<Patch/>".to_vec();
    let refreshes = metadata.add_emsg(&[call.clone()], ms(0), ms(1000));
    assert_eq!(refreshes[0].published, datetime::parse("2024-01-01T00:00:09Z"));
    call.data = vec![0xff];
    assert_eq!(metadata.add_emsg(&[call], ms(0), ms(0))[0].published, None);
    assert_eq!(shown(&metadata.known()), "");
}

#[test]
fn hours_of_events_take_no_more_room_than_one() {
    let mut metadata = TimedMetadata::default();
    let (mut entered, mut removed) = (0, 0);
    let mut most = (0, 0);
    for second in 0..9000_u32 {
        let at = i64::from(second) * 1000;
        let ahead = at + 10_000;
        metadata.add_id3(&[tag(ahead, "beat")], ms(0));
        let mut open = emsg(second, ahead as u64, None);
        open.data = vec![0; 1000];
        metadata.add_emsg(&[open], ms(0), ms(0));
        let known = metadata.known();
        removed += known.len() - 2;
        entered += metadata
            .due(ms(at), false)
            .iter()
            .filter(|e| matches!(e, MetadataEvent::Enter(_)))
            .count();
        most = (most.0.max(metadata.entries.len()), most.1.max(metadata.bytes));
    }
    assert_eq!(entered, 2 * 8990);
    assert!(removed > 2 * 8000, "{removed}");
    assert!(most.0 < 1300 && most.1 < 1 << 20, "{most:?}");
    assert_eq!(
        metadata.bytes,
        metadata.entries.iter().map(|entry| entry.bytes).sum::<usize>()
    );
}

#[test]
fn hostile_amounts_are_refused() {
    let mut metadata = TimedMetadata::default();
    for n in 0..10_000 {
        metadata.add_emsg(
            &[emsg(n, u64::MAX - u64::from(n) * 10_000, Some(u32::MAX - 1))],
            ms(0),
            MediaTime::MAX,
        );
    }
    assert_eq!(metadata.entries.len(), MAX_ENTRIES);
    let mut metadata = TimedMetadata::default();
    for n in 0..1000 {
        let mut large = emsg(n, 1000, None);
        large.data = vec![n as u8; 60_000];
        large.data.extend(n.to_be_bytes());
        metadata.add_emsg(&[large], ms(0), ms(0));
    }
    assert!(metadata.bytes <= MAX_BYTES && metadata.entries.len() > 100);
    let mut metadata = TimedMetadata::default();
    for n in 0..1000 {
        let mut grown = range("a", Some(1010));
        grown.attributes = vec![(format!("X-{n}"), "x".repeat(2 * n))];
        metadata.add_date_ranges(&[grown], &media_of);
    }
    assert_eq!(metadata.entries.len(), 1);
    let attributes = &metadata.entries[0].metadata.attributes;
    let text: usize = attributes
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    assert!((MAX_TEXT - 1000..=MAX_TEXT).contains(&text), "{text}");
    for n in 0..1000 {
        let mut grown = range("b", Some(1010));
        grown.attributes = vec![(format!("X-{n}"), String::new())];
        metadata.add_date_ranges(&[grown], &media_of);
    }
    assert_eq!(metadata.entries[0].metadata.attributes.len(), MAX_ATTRIBUTES);
}
