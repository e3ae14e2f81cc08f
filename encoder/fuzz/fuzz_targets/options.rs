//! What a rung of a ladder asks of its encoder is refused, or becomes options that FFmpeg takes as they are: each once, and text. The
//! first bytes are the distance of key frames; JSON of a ladder follows.
#![no_main]

#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;
mod input;

use std::collections::BTreeSet;

use encoder::fuzzing::encode::encoder_options;
use encoder::ladder::Ladder;
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (512, 1 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    let mut input = input::Input(bytes);
    let (flags, max_gop) = (input.u8(), 1 + u64::from(input.u16()));
    let text = String::from_utf8_lossy(input.0);
    let ladder = match text.starts_with('{') {
        true => Ladder::read(&text),
        false => text.parse(),
    };
    for rung in ladder.into_iter().flat_map(|ladder| ladder.video) {
        let preset = rung.preset.as_deref().unwrap_or("veryfast");
        let is_regular = flags & 1 != 0;
        let Ok(options) = encoder_options(&rung, preset, (max_gop, is_regular), flags & 2 != 0) else {
            continue;
        };
        let names: BTreeSet<_> = options.iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), options.len(), "an option is there twice");
        // FFmpeg's texts end with a zero.
        let mut texts = options.iter().flat_map(|(name, value)| [name, value]);
        assert!(texts.all(|text| !text.contains('\0') && text.len() < 10_000));
        let value = |name: &str| {
            options
                .iter()
                .find(|(other, _)| other == name)
                .map(|(_, value)| value.as_str())
        };
        for (name, given) in &rung.options {
            let written = value(name).expect("what is asked for is there");
            assert!(written == given || name.ends_with("-params") && written.ends_with(given.as_str()));
        }
        if !rung.options.contains_key("g") {
            let distance: u64 = value("g").expect("a distance").parse().expect("a number");
            assert!(distance == max_gop || !is_regular && distance > max_gop);
        }
        if !rung.options.contains_key("maxrate") {
            let peak: u64 = value("maxrate").expect("a peak").parse().expect("a number");
            assert!(
                (u64::from(rung.bitrate_kbps) * 900..=u64::from(rung.bitrate_kbps) * 1250 + 1000)
                    .contains(&peak)
            );
        }
    }
}
