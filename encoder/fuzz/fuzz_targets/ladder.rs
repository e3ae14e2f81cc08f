//! A ladder, text or JSON, is read or refused; what was read is the same after a trip through JSON and fits pictures of any size.
//! The first four bytes are such a size.
#![no_main]

#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;
mod input;

use encoder::ladder::Ladder;
use encoder::pertitle::PerTitle;
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (512, 1 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    let mut input = input::Input(bytes);
    let (width, height) = (u32::from(input.u16()) + 1, u32::from(input.u16()) + 1);
    let text = String::from_utf8_lossy(input.0);
    if let Ok(Some((per_title, ladder))) = PerTitle::split(&text) {
        assert!((120..=4320).contains(&per_title.max_height));
        check(&ladder, width, height);
    }
    let ladder = match text.starts_with('{') {
        true => Ladder::read(&text),
        // What names no file is taken for the ladder itself.
        false => text.parse(),
    };
    if let Ok(ladder) = ladder {
        check(&ladder, width, height);
    }
}

fn check(ladder: &Ladder, width: u32, height: u32) {
    let json = serde_json::to_string(ladder).expect("finite numbers");
    assert_eq!(&Ladder::read(&json).expect("it was written here"), ladder);
    assert!(!ladder.video.is_empty() && ladder.video.len() <= 100 && ladder.audio.len() <= 100);
    let names = || ladder.video.iter().map(|rung| &rung.name);
    assert!(names().all(|name| name.len() <= 64 && !name.contains(['/', '.', '\\'])));
    let fitted = ladder.fit(width, height);
    assert!(!fitted.is_empty());
    for rung in &fitted {
        assert!(rung.width >= 2 && rung.height >= 2);
        assert!(rung.width.is_multiple_of(2) && rung.height.is_multiple_of(2));
        assert!(
            rung.width <= width.max(2) && rung.height <= height.max(2),
            "{rung:?} of {width}x{height}"
        );
    }
    let mut distinct: Vec<_> = fitted.iter().map(|rung| rung.name.to_ascii_lowercase()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), fitted.len(), "two renditions have one name");
}
