//! A manifest is read or refused; what was read can be asked for any segment.
#![no_main]

mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::MediaTime;
use player_core::manifest::parse;
use player_core::presentation::{Protocol, SegmentSource};

/// Bytes of heap: what every representation inherits is there once for each, and there may be 1000 of them.
const MOST: usize = 128 << 20;

fuzz_target!(|text: &[u8]| heap::within(MOST, || read(text)));

fn read(text: &[u8]) {
    let Ok(presentation) = parse(text, "https://host.example/a/manifest") else { return };
    for rendition in presentation.periods.iter().flat_map(|p| &p.tracks).flat_map(|t| &t.renditions) {
        let _ = rendition.mime();
        if let SegmentSource::Index(index) = &rendition.source {
            // A playlist may have nothing but the first parts of its first segment.
            assert!(!index.is_empty() || presentation.protocol == Protocol::Hls);
            for position in [0, 1, index.len() / 2, index.len().wrapping_sub(1), index.len(), usize::MAX] {
                let segment = index.get(position);
                assert_eq!(segment.is_some(), index.times(position).is_some());
                if let Some(segment) = segment {
                    assert!(segment.start <= segment.end);
                }
            }
            for at in [MediaTime::from_micros(i64::MIN), MediaTime::ZERO, MediaTime::from_millis(5000), MediaTime::MAX] {
                assert!(index.position_at(at) <= index.len());
            }
        }
    }
}
