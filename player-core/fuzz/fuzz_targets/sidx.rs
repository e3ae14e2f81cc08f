//! The index of a file is read, found wanting, or found not to be there, after a bounded number of requests, each of which asks for
//! something new.
#![no_main]

use libfuzzer_sys::fuzz_target;
use player_core::MediaTime;
use player_core::media::sidx::{Progress, SidxReader};
use player_core::presentation::{Resource, SidxSource};
use player_core::time::ByteRange;

// Nine bytes say where the index is said to be and when the period ends; the file follows.
fuzz_target!(|input: &[u8]| {
    let Some(([known, o0, o1, l0, l1, e0, e1, e2, e3], file)) = input.split_first_chunk::<9>() else { return };
    let range = (*known > 0).then(|| ByteRange {
        offset: u16::from_be_bytes([*o0, *o1]).into(),
        length: u16::from_be_bytes([*l0, *l1]).into(),
    });
    let end = Some(u32::from_be_bytes([*e0, *e1, *e2, *e3])).filter(|ms| *ms > 0);
    let mut reader = SidxReader::new(SidxSource {
        index: Resource { url: "https://host.example/a.mp4".into(), range },
        init: None,
        timestamp_offset: MediaTime::ZERO,
        end: end.map(|ms| MediaTime::from_millis(ms.into())),
    });
    let mut range = reader.request();
    for _ in 0..=2000 {
        let from = usize::try_from(range.offset).unwrap_or(usize::MAX).min(file.len());
        let to = usize::try_from(range.offset.saturating_add(range.length)).unwrap_or(usize::MAX).min(file.len());
        match reader.push(range.offset, file.get(from..to).unwrap_or_default()) {
            Ok(Progress::Need(next)) => {
                assert!(next.length > 0 && next != range);
                range = next;
            }
            Ok(Progress::Ready(index)) => {
                assert!(!index.is_empty() && index.len() <= 100_000);
                let mut last = (index.start(), 0);
                for segment in (0..index.len()).filter_map(|position| index.get(position)) {
                    let range = segment.resource.range.expect("a segment is part of the file");
                    assert!(segment.start == last.0 && segment.start < segment.end);
                    assert!(range.length > 0 && range.offset.checked_add(range.length).is_some());
                    last = (segment.end, range.offset);
                }
                return;
            }
            Err(_) => return,
        }
    }
    panic!("it does not end");
});
