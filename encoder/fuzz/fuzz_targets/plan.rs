//! What one worker wrote for another is read or refused: plans, what was measured, notes of objects. The first byte says which. A plan
//! that was read can be followed: segments ascend, chunks begin with them, the report's page shows no more than it should.
#![no_main]

#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;

use std::collections::BTreeSet;

use encoder::fuzzing::plan::{Planned, measured, record};
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (256, 4 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    let Some((&kind, json)) = bytes.split_first() else {
        return;
    };
    match kind & 3 {
        0 => {
            let _ = measured(json);
        }
        1 => {
            for name in record(json).unwrap_or_default() {
                assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."));
            }
        }
        _ => {
            if let Ok(plan) = Planned::read(json) {
                check(&plan);
            }
        }
    }
}

fn check(plan: &Planned) {
    let written = plan.write();
    assert_eq!(Planned::read(&written).as_ref(), Ok(plan));
    let renditions = plan.renditions();
    let names: BTreeSet<_> = renditions
        .iter()
        .map(|(name, _)| name.to_ascii_lowercase())
        .collect();
    assert_eq!(names.len(), renditions.len(), "two renditions have one name");
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    assert!(
        names
            .iter()
            .all(|name| !name.is_empty() && name.len() <= 200 && name.chars().all(plain))
    );
    let mut before = None;
    for index in (0..40).chain([1 << 20, 1 << 30]) {
        let (frame, ticks) = plan.segment(index);
        assert!(before.is_none_or(|(last_frame, last_ticks)| frame > last_frame && ticks > last_ticks));
        assert!(plan.is_start(frame) && plan.segment_of(frame) == index);
        assert!(frame == 0 || plan.segment_of(frame - 1) == index - 1);
        before = Some((frame, ticks));
    }
    assert!(plan.max_gop() > 0);
    let spans = plan.spans();
    assert!(spans.first().is_some_and(|(start, _)| *start == 0) && spans.len() <= 1000);
    for (start, end) in spans {
        assert!(plan.is_start(start) && end.is_none_or(|end| end > start));
    }
    assert!(renditions.iter().all(|(_, pieces)| *pieces >= 1));
    let _ = plan.total_frames();
    for (name, file) in plan.report().expect("finite numbers") {
        let text = String::from_utf8(file).expect("text");
        if !name.ends_with(".json") {
            assert!(!text.contains("NaN") && !text.contains("inf") && !text.contains("<script"));
            assert_eq!(text.matches('<').count(), text.matches('>').count(), "{name}");
        }
        assert!(
            text.len() < 100_000 + 300 * written.len(),
            "{name} has {} bytes",
            text.len()
        );
    }
}
