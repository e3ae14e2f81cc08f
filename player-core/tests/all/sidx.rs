//! Segment index boxes: a file's index is read with as few requests as it needs, and whatever it says, reading ends.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::MediaTime;
use player_core::media::sidx::{PROBE_BYTES, Progress, Reference, Sidx, SidxError, SidxReader};
use player_core::presentation::{Resource, SegmentIndex, SidxSource};
use player_core::time::ByteRange;
use proptest::prelude::*;

const URL: &str = "https://h/video.mp4";

fn source(range: Option<(u64, u64)>) -> SidxSource {
    SidxSource {
        index: Resource {
            url: URL.into(),
            range: range.map(|(offset, length)| ByteRange { offset, length }),
        },
        init: None,
        timestamp_offset: MediaTime::ZERO,
        end: None,
    }
}

fn container(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let mut out = (body.len() as u32 + 8).to_be_bytes().to_vec();
    out.extend(kind);
    out.extend(body);
    out
}

fn write(sidx: &Sidx, version: u8) -> Vec<u8> {
    let mut body = vec![version, 0, 0, 0];
    body.extend(sidx.reference_id.to_be_bytes());
    body.extend(sidx.timescale.to_be_bytes());
    if version == 0 {
        body.extend((sidx.earliest_presentation_time as u32).to_be_bytes());
        body.extend((sidx.first_offset as u32).to_be_bytes());
    } else {
        body.extend(sidx.earliest_presentation_time.to_be_bytes());
        body.extend(sidx.first_offset.to_be_bytes());
    }
    body.extend((sidx.references.len() as u32).to_be_bytes());
    for r in &sidx.references {
        body.extend((u32::from(r.is_index) << 31 | r.size).to_be_bytes());
        body.extend(r.duration.to_be_bytes());
        let sap = u32::from(r.starts_with_sap) << 31 | u32::from(r.sap_type) << 28 | r.sap_delta;
        body.extend(sap.to_be_bytes());
    }
    container(b"sidx", &body)
}

fn media(size: u32, duration: u32) -> Reference {
    Reference {
        size,
        duration,
        starts_with_sap: true,
        sap_type: 1,
        ..Reference::default()
    }
}

fn index(size: u32, duration: u32) -> Reference {
    Reference {
        is_index: true,
        size,
        duration,
        ..Reference::default()
    }
}

fn sidx(references: Vec<Reference>) -> Sidx {
    Sidx {
        reference_id: 1,
        timescale: 1000,
        references,
        ..Sidx::default()
    }
}

/// Fetches from a file what the reader asks for. Also: how often, and how many bytes.
fn fetch(file: &[u8], source: SidxSource) -> (Result<SegmentIndex, SidxError>, usize, usize) {
    let mut reader = SidxReader::new(source);
    assert_eq!(reader.url(), URL);
    let mut range = reader.request();
    let (mut requests, mut bytes) = (0, 0);
    loop {
        requests += 1;
        assert!(requests <= 2001, "it does not end");
        let from = (range.offset as usize).min(file.len());
        let to = range.offset.saturating_add(range.length).min(file.len() as u64) as usize;
        bytes += to - from;
        match reader.push(range.offset, &file[from..to]) {
            Ok(Progress::Need(next)) => {
                assert_eq!(reader.request(), next);
                range = next;
            }
            Ok(Progress::Ready(index)) => return (Ok(*index), requests, bytes),
            Err(error) => return (Err(error), requests, bytes),
        }
    }
}

fn read(file: &[u8], range: Option<(u64, u64)>) -> Result<SegmentIndex, SidxError> {
    fetch(file, source(range)).0
}

/// Offset, length, start and end (milliseconds) of each segment.
fn segments(index: &SegmentIndex) -> Vec<(u64, u64, i64, i64)> {
    (0..index.len())
        .map(|position| {
            let segment = index.get(position).unwrap();
            assert_eq!(segment.resource.url, URL);
            let range = segment.resource.range.unwrap();
            (
                range.offset,
                range.length,
                segment.start.as_millis(),
                segment.end.as_millis(),
            )
        })
        .collect()
}

#[test]
fn an_index_at_a_known_place() {
    let mut file = container(b"ftyp", &[0; 12]);
    file.extend(container(b"moov", &[0; 5000]));
    let at = file.len() as u64;
    let mut box_ = sidx(vec![media(100, 2000), media(200, 2000), media(50, 500)]);
    box_.earliest_presentation_time = 1000;
    box_.first_offset = 10;
    let box_ = write(&box_, 0);
    let length = box_.len() as u64;
    file.extend(box_);
    file.extend([0; 360]);
    let mut source = source(Some((at, length)));
    source.timestamp_offset = MediaTime::from_millis(9000);
    let (index, requests, bytes) = fetch(&file, source);
    let index = index.unwrap();
    let first = at + length + 10;
    assert_eq!(
        segments(&index),
        [
            (first, 100, 10_000, 12_000),
            (first + 100, 200, 12_000, 14_000),
            (first + 300, 50, 14_000, 14_500)
        ]
    );
    assert_eq!((requests, bytes), (1, length as usize));
    assert_eq!(index.timestamp_offset, MediaTime::from_millis(9000));
    let init = Resource {
        url: URL.into(),
        range: Some(ByteRange {
            offset: 0,
            length: at,
        }),
    };
    assert_eq!(
        (index.inits.as_slice(), index.get(0).unwrap().init),
        (&[init][..], Some(0))
    );
}

#[test]
fn an_index_that_has_to_be_found() {
    // Past a large moov, and larger than what is asked for at first.
    let mut file = container(b"ftyp", &[0; 12]);
    file.extend(container(b"moov", &[0; 100_000]));
    file.extend(container(b"free", &[0; 9]));
    let at = file.len() as u64;
    file.extend(write(&sidx(vec![media(7, 1000); 600]), 1));
    let end = file.len() as u64;
    file.extend(container(b"moof", &[0; 4192]));
    let (index, requests, bytes) = fetch(&file, source(None));
    let index = index.unwrap();
    assert_eq!(
        (index.len(), index.get(1).unwrap().resource.range.unwrap().offset),
        (600, end + 7)
    );
    assert_eq!(index.inits[0].range.unwrap().length, at);
    assert_eq!(
        (requests, bytes),
        (3, 2 * PROBE_BYTES as usize + (end - at) as usize)
    );
}

#[test]
fn an_initialization_section_apart() {
    let file = write(&sidx(vec![media(5, 1000)]), 0);
    assert!(read(&file, None).unwrap().inits.is_empty());
    let init = Resource {
        url: "https://h/init.mp4".into(),
        range: None,
    };
    let apart = SidxSource {
        init: Some(init.clone()),
        ..source(None)
    };
    assert_eq!(fetch(&file, apart).0.unwrap().inits, [init]);
}

#[test]
fn a_server_that_knows_no_ranges() {
    let mut file = container(b"moov", &[0; 9000]);
    let at = file.len() as u64;
    file.extend(write(&sidx(vec![media(5, 1000)]), 0));
    let mut reader = SidxReader::new(source(Some((at, 44))));
    assert!(matches!(reader.push(0, &file), Ok(Progress::Ready(_))));
}

#[test]
fn a_range_that_is_too_short_or_begins_too_early() {
    let mut file = container(b"styp", &[0; 12]);
    let at = file.len() as u64;
    file.extend(write(&sidx(vec![media(5, 1000); 10]), 0));
    for range in [(at, 1), (at, 20), (at, 151), (0, 30), (0, 9)] {
        assert_eq!(read(&file, Some(range)).unwrap().len(), 10, "{range:?}");
    }
}

/// `levels` of indexes, each with `width` references, in front of what they refer to.
fn tree(levels: u32, width: u32, offset: u64) -> Vec<u8> {
    let mut body = Vec::new();
    let mut references = Vec::new();
    for _ in 0..width {
        let child = if levels == 1 {
            vec![0xee; 10]
        } else {
            tree(levels - 1, width, 0)
        };
        let duration = 1000 * width.pow(levels - 1);
        let size = child.len() as u32;
        references.push(if levels == 1 {
            media(size, duration)
        } else {
            index(size, duration)
        });
        body.extend(child);
    }
    let mut out = write(
        &Sidx {
            earliest_presentation_time: offset,
            ..sidx(references)
        },
        1,
    );
    out.extend(body);
    out
}

#[test]
fn indexes_in_indexes() {
    let file = tree(3, 4, 500);
    let index = read(&file, Some((0, 40))).unwrap();
    let found = segments(&index);
    assert_eq!(found.len(), 64);
    for (i, (offset, length, start, end)) in found.iter().enumerate() {
        let i = i as i64;
        assert_eq!((*length, *start, *end), (10, 500 + i * 1000, 1500 + i * 1000));
        assert!(
            file[*offset as usize..][..10].iter().all(|b| *b == 0xee),
            "{offset}"
        );
    }
}

#[test]
fn a_chain_of_indexes_is_not_deep() {
    // Each has two segments and refers to the next one behind them.
    let mut file: Vec<u8> = Vec::new();
    for i in 0..200 {
        let mut references = vec![media(30, 1000), media(30, 1000)];
        if i < 199 {
            references.push(index(100, 2000));
        }
        file.extend(write(&sidx(references), 0));
        file.extend([0; 60]);
    }
    let index = read(&file, None).unwrap();
    assert_eq!((index.len(), index.end().as_millis()), (400, 400_000));
}

#[test]
fn a_url_that_cannot_be_used() {
    let file = write(&sidx(vec![media(5, 1000)]), 0);
    let mut reader = SidxReader::new(SidxSource {
        index: Resource {
            url: "file:///etc/passwd".into(),
            range: None,
        },
        ..source(None)
    });
    assert!(matches!(reader.push(0, &file), Err(SidxError::Url(_))));
}

#[test]
fn what_is_past_the_end_of_the_period_is_left_out() {
    let file = write(&sidx(vec![media(5, 1000); 10]), 0);
    let bounded = |ms| {
        let source = SidxSource {
            end: Some(MediaTime::from_millis(ms)),
            ..source(None)
        };
        fetch(&file, source).0.map(|index| index.len())
    };
    assert_eq!(bounded(3000), Ok(3));
    assert_eq!(bounded(3001), Ok(4));
    assert_eq!(bounded(0), Err(SidxError::Empty));
}

#[test]
fn what_has_no_bytes_or_no_duration_is_no_segment() {
    let file = write(
        &sidx(vec![media(5, 1000), media(0, 1000), media(7, 0), media(5, 1000)]),
        0,
    );
    let end = file.len() as u64;
    assert_eq!(
        segments(&read(&file, None).unwrap()),
        [(end, 5, 0, 1000), (end + 12, 5, 1000, 3000)]
    );
    assert_eq!(read(&write(&sidx(vec![]), 0), None), Err(SidxError::Empty));
}

fn message(file: &[u8]) -> String {
    read(file, None).unwrap_err().to_string()
}

#[test]
fn sizes_of_boxes_that_lead_nowhere() {
    let index = write(&sidx(vec![media(5, 1000)]), 0);
    let with_size = |size: u32| {
        let mut file = index.clone();
        file[..4].copy_from_slice(&size.to_be_bytes());
        file
    };
    assert_eq!(
        message(&with_size(0)),
        "byte 0: the size of the segment index cannot be"
    );
    for size in 2..8 {
        assert_eq!(
            message(&with_size(size)),
            "byte 0: a box is smaller than its header"
        );
    }
    assert_eq!(message(&with_size(8)), "byte 0: it is too short");
    assert_eq!(message(&with_size(43)), "byte 0: it is too short");
    assert_eq!(
        message(&with_size(45)),
        "byte 44: the file or the answer ends in the segment index"
    );
    assert_eq!(
        message(&with_size(u32::MAX)),
        "byte 0: the size of the segment index cannot be"
    );
    let large = |kind: &[u8; 4], size: u64| {
        let mut file = vec![0, 0, 0, 1];
        file.extend(kind);
        file.extend(size.to_be_bytes());
        file
    };
    assert_eq!(
        message(&large(b"free", 15)),
        "byte 0: a box is smaller than its header"
    );
    assert_eq!(
        message(&large(b"sidx", u64::MAX)),
        "byte 0: the size of the segment index cannot be"
    );
    assert_eq!(
        message(&large(b"free", u64::MAX)),
        "byte 18446744073709551615: the file or the answer ends in the segment index"
    );
    let mut twice = container(b"free", &[]);
    twice.extend(large(b"free", u64::MAX));
    assert_eq!(
        message(&twice),
        "byte 8: there is no segment index (sidx) before the media"
    );
    // A box with a 64-bit size in front of the index is passed over.
    let mut file = large(b"free", 16);
    file.extend(&index);
    assert_eq!(read(&file, None).unwrap().len(), 1);
}

#[test]
fn files_without_an_index() {
    assert_eq!(
        message(&container(b"moof", &[0; 20])),
        "byte 0: there is no segment index (sidx) before the media"
    );
    assert_eq!(
        message(&[0, 0, 0, 0, b'f', b'r', b'e', b'e']),
        "byte 0: there is no segment index (sidx) before the media"
    );
    assert_eq!(
        message(b""),
        "byte 0: the file or the answer ends in the segment index"
    );
    assert_eq!(
        message(&container(b"ftyp", &[0; 4])),
        "byte 12: the file or the answer ends in the segment index"
    );
    assert!(message(&[0xff; 64]).contains("this is no MP4 file"));
    assert!(matches!(
        read(b"<!DOCTYPE html><html><head></head></html>", None),
        Err(SidxError::Truncated { .. })
    ));
}

#[test]
fn loops_and_overflow() {
    // To itself, to one in front, and again and again to the same one.
    let zero = write(&sidx(vec![index(0, 1000); 3]), 0);
    let mut file = zero.clone();
    file.extend(write(&sidx(vec![media(1, 1)]), 0));
    assert_eq!(message(&file), "byte 68: the segment index refers back");
    let mut far = sidx(vec![media(1, 1), index(u32::MAX >> 1, 1), index(1, 1)]);
    far.first_offset = u64::MAX - 200;
    assert_eq!(
        message(&write(&far, 1)),
        "byte 0: the segment index refers to more than a file can be"
    );
    far.first_offset = u64::MAX;
    assert_eq!(
        message(&write(&far, 1)),
        "byte 0: the segment index refers to more than a file can be"
    );
    let mut late = sidx(vec![media(1, u32::MAX); 5]);
    late.earliest_presentation_time = u64::MAX;
    late.timescale = 1;
    assert_eq!(read(&write(&late, 1), None), Err(SidxError::Empty));
    let mut never = sidx(vec![media(1, 1)]);
    never.timescale = 0;
    assert_eq!(
        message(&write(&never, 0)),
        "byte 0: the timescale of the segment index is 0"
    );
    assert_eq!(
        message(&write(&sidx(vec![]), 2)),
        "byte 0: it is a segment index of an unknown version"
    );
}

#[test]
fn depth_and_numbers_are_bounded() {
    // Each holds the next one and something behind it.
    let mut file = write(&sidx(vec![media(1, 1)]), 0);
    for _ in 0..20 {
        let mut outer = write(&sidx(vec![index(file.len() as u32, 1), media(1, 1)]), 0);
        outer.append(&mut file);
        file = outer;
    }
    assert_eq!(message(&file), "the segment index has too many levels");
    // Indexes side by side.
    let full = write(&sidx(vec![media(1, 1); 60_000]), 0);
    let mut file = write(&sidx(vec![index(full.len() as u32, 60_000); 10]), 0);
    for _ in 0..10 {
        file.extend(&full);
    }
    assert_eq!(message(&file), "the segment index has too many segments");
    let nothing = write(&sidx(vec![media(0, 1); 60_000]), 0);
    let mut file = write(&sidx(vec![index(nothing.len() as u32, 60_000); 10]), 0);
    for _ in 0..10 {
        file.extend(&nothing);
    }
    assert_eq!(message(&file), "the segment index has too many references");
    // A chain that never ends, one request a link.
    let link = write(&sidx(vec![media(6000, 1), index(100, 1)]), 0);
    let mut reader = SidxReader::new(source(None));
    let mut requests = 0;
    let error = loop {
        requests += 1;
        let offset = reader.request().offset;
        match reader.push(offset, &link) {
            Ok(Progress::Need(_)) => {}
            Ok(Progress::Ready(_)) => panic!("it has no end"),
            Err(error) => break error,
        }
    };
    assert_eq!((error, requests), (SidxError::Limit("too many parts"), 2000));
    // More references than there are bytes for.
    let mut file = write(&sidx(vec![media(1, 1)]), 0);
    file[30..32].copy_from_slice(&[0xff, 0xff]);
    assert_eq!(message(&file), "byte 0: it is too short");
}

/// What a file may hold.
#[derive(Clone, Debug)]
enum Node {
    Index(Vec<Self>, u32),
    Media(u32, u32),
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = (1u32..9000, 1u32..100_000).prop_map(|(size, ms)| Node::Media(size, ms));
    leaf.prop_recursive(4, 40, 6, |inner| {
        (
            prop::collection::vec(inner, 1..6),
            prop_oneof![Just(1000u32), Just(10_000), Just(90_000)],
        )
            .prop_map(|(nodes, timescale)| Node::Index(nodes, timescale))
    })
}

fn duration(node: &Node) -> u32 {
    match node {
        Node::Index(nodes, _) => nodes.iter().map(duration).sum(),
        Node::Media(_, ms) => *ms,
    }
}

/// The bytes of a node at an offset, and the segments in it.
fn lay_out(node: &Node, gap: u32, offset: u64, found: &mut Vec<(u64, u64, u32)>) -> Vec<u8> {
    match node {
        Node::Media(size, ms) => {
            found.push((offset, u64::from(*size), *ms));
            vec![0; *size as usize]
        }
        Node::Index(nodes, timescale) => {
            let header = 40 + 12 * nodes.len() as u64;
            let mut body = vec![0; gap as usize];
            let mut references = Vec::new();
            for node in nodes {
                let at = offset + header + body.len() as u64;
                let bytes = lay_out(node, 0, at, found);
                let duration = duration(node) * (timescale / 1000);
                let size = bytes.len() as u32;
                references.push(match node {
                    Node::Index(..) => index(size, duration),
                    Node::Media(..) => media(size, duration),
                });
                body.extend(bytes);
            }
            let box_ = Sidx {
                timescale: *timescale,
                first_offset: gap.into(),
                earliest_presentation_time: u64::from(timescale * 7),
                ..sidx(references)
            };
            let mut out = write(&box_, 1);
            assert_eq!(out.len() as u64, header);
            out.extend(body);
            out
        }
    }
}

proptest! {
    #[test]
    fn a_box_that_is_written_is_read(
        words in any::<(u32, u64, u64)>(),
        timescale in 1u32..,
        references in prop::collection::vec(any::<(bool, u32, u32, bool, u8, u32)>(), 0..40),
        version in 0u8..2,
    ) {
        let references = references.into_iter().map(|(is_index, size, duration, starts_with_sap, sap_type, sap_delta)| Reference {
            is_index, size: size >> 1, duration, starts_with_sap, sap_type: sap_type >> 5, sap_delta: sap_delta >> 4,
        }).collect();
        let mask = if version == 0 { u64::from(u32::MAX) } else { u64::MAX };
        let written = Sidx {
            reference_id: words.0, timescale, earliest_presentation_time: words.1 & mask, first_offset: words.2 & mask, references,
        };
        prop_assert_eq!(Sidx::parse(&write(&written, version)), Ok(written));
    }

    #[test]
    fn a_file_that_is_written_is_read(nodes in prop::collection::vec(node(), 1..6), gap in 0u32..50, moov in 0usize..9000, known in any::<bool>()) {
        let mut file = container(b"moov", &vec![0; moov]);
        let at = file.len() as u64;
        let mut expected = Vec::new();
        file.extend(lay_out(&Node::Index(nodes, 1000), gap, at, &mut expected));
        let index = read(&file, known.then_some((at, 40))).unwrap();
        let mut start = 7000;
        let mut listed = Vec::new();
        for (offset, length, ms) in expected {
            listed.push((offset, length, start, start + i64::from(ms)));
            start += i64::from(ms);
        }
        prop_assert_eq!(segments(&index), listed);
    }

    #[test]
    fn whatever_a_file_holds_reading_ends(bytes in prop::collection::vec(prop_oneof![3 => Just(0u8), 1 => any::<u8>()], 0..400), at in 0usize..50, count in 0u8..8) {
        let mut file = bytes;
        let mut box_ = write(&sidx(vec![index(60, 1); count.into()]), 0);
        let at = at.min(file.len());
        box_.extend(file.split_off(at));
        file.extend(box_);
        let _ = read(&file, Some((at as u64, 100)));
        let _ = read(&file, None);
    }
}
