//! Packets of every codec become samples, and these a sample entry, or are refused: what was appended is what is said of it.
#![no_main]

mod boxes;
#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;
mod input;

use encoder::fuzzing::cmaf::{Entry, Stream};
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (32, 1 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    let mut input = input::Input(bytes);
    let (codec, channels) = (input.u8() % 9, input.u8());
    let extradata = input.run();
    let size = [input.u16(), input.u16()];
    let (aspect, fps) = ((input.any() as u32, input.any() as u32), input.f64());
    let Ok(mut stream) = Stream::new(codec, extradata, channels) else {
        return;
    };
    let mut out = vec![0xa5; 3];
    while !input.is_empty() {
        let (packet, start) = (input.run(), out.len());
        let unit = stream.append(packet, &mut out);
        assert_eq!(unit.size, out.len() - start);
        assert!(!(unit.is_idr && codec > 3) || unit.is_reference);
        let is_prefixed = extradata.first() == Some(&1);
        if codec < 2 && !is_prefixed {
            check_units(codec, &out[start..]);
        }
        if codec > 2 && codec != 4 {
            assert_eq!(&out[start..], packet);
        }
    }
    assert_eq!(&out[..3], [0xa5; 3]);
    let entries = [stream.video_entry(size, aspect, fps), stream.audio_entry()];
    assert!(entries.iter().any(Result::is_err));
    for entry in entries.into_iter().flatten() {
        let end = boxes::of_entry(&entry.bytes).last().map(|(_, range)| range.end);
        assert_eq!(end, Some(entry.bytes.len()), "its boxes do not fill it");
        assert!(entry.codecs.is_ascii() && !entry.codecs.contains([',', '"', ' ']));
        if let Some((_, range)) = boxes::of_entry(&entry.bytes)
            .iter()
            .find(|(kind, _)| *kind == b"dec3")
        {
            let dec3 = &entry.bytes[range.clone()];
            assert!(dec3[4] >> 5 == 0 && dec3.len() == 5 + usize::from(dec3[4] >> 1 > 0));
        }
        assert_eq!(Entry::read(&entry.bytes), Ok(entry));
    }
}

/// Units that fill a sample, none of them a parameter set or a delimiter.
fn check_units(codec: u8, mut sample: &[u8]) {
    while !sample.is_empty() {
        let size = boxes::number(sample, 0) as usize;
        let unit = &sample[4..4 + size];
        let kind = match codec {
            0 => unit[0] & 0x1f,
            _ => unit[0] >> 1 & 0x3f,
        };
        assert!(![[7, 8, 9, 9], [32, 33, 34, 35]][usize::from(codec)].contains(&kind));
        assert_ne!(unit.last(), Some(&0));
        assert!(!unit.windows(3).any(|bytes| bytes == [0, 0, 1]));
        sample = &sample[4 + size..];
    }
}
