//! Captions inside pictures. A byte says what comes next: a picture with its time and pairs of bytes, a NAL unit as it is, the end of
//! a segment, or the start of something else.
#![no_main]

mod heap;
mod text;

use libfuzzer_sys::fuzz_target;
use player_core::input::Caption;
use transmux::captions::{Captions, Codec};

/// Bytes of heap.
const MOST: usize = 16 << 20;

fuzz_target!(|bytes: &[u8]| heap::within(MOST, || feed(bytes)));

fn feed(bytes: &[u8]) {
    let mut captions = Captions::new();
    let mut now: i64 = 0;
    // Where time is set back, cues of before and after may be in the same place.
    let (mut newest, mut is_set_back) = (i64::MIN, false);
    let mut rest = bytes;
    while let Some((op, after)) = rest.split_first() {
        rest = after;
        match op {
            0..=1 => {
                check(&captions.end_of_segment(), is_set_back);
                is_set_back = false;
            }
            2 => captions.reset(),
            3 => captions.advance(now),
            4..=7 => {
                // A NAL unit as it is.
                let Some((length, after)) = rest.split_first() else {
                    break;
                };
                let (nal, after) = after.split_at(usize::from(*length).min(after.len()));
                rest = after;
                captions.sei(now, if op % 2 == 0 { Codec::Avc } else { Codec::Hevc }, nal);
            }
            8..=11 => {
                // Any time.
                let Some((time, after)) = rest.split_first_chunk::<8>() else {
                    break;
                };
                rest = after;
                now = i64::from_be_bytes(*time);
            }
            _ => {
                // Pairs at a time a few frames on, or back.
                let step = i64::from(op >> 3 & 7) - 2;
                now = now.saturating_add(step * 33_367);
                let count = usize::from(op & 7) + 1;
                let (pairs, after) = rest.split_at((2 * count).min(rest.len()));
                rest = after;
                captions.sei(now, Codec::Avc, &nal(pairs, op >> 6));
            }
        }
        if now < newest.saturating_sub(10_000_000) {
            is_set_back = true;
            newest = now;
        }
        newest = newest.max(now);
    }
    captions.advance(now);
    check(&captions.end_of_segment(), is_set_back);
    check(&captions.end_of_segment(), false);
}

/// A NAL unit with these pairs; parity is put right unless `how` is 3.
fn nal(pairs: &[u8], how: u8) -> Vec<u8> {
    let mut message = vec![
        0xb5,
        0,
        0x31,
        b'G',
        b'A',
        b'9',
        b'4',
        3,
        0x40 | (pairs.len() / 2) as u8,
        0xff,
    ];
    for pair in pairs.chunks_exact(2) {
        message.push(0xfc | how & 1);
        message.extend(pair.iter().map(|byte| {
            let is_even = (byte & 0x7f).count_ones() % 2 == 0;
            if how == 3 {
                *byte
            } else {
                byte & 0x7f | u8::from(is_even) << 7
            }
        }));
    }
    // Emulation prevention may be left out: zeros with a parity bit are none.
    let mut nal = vec![6, 4, message.len() as u8];
    nal.extend(message);
    nal.push(0x80);
    nal
}

fn check(captions: &[Caption], may_overlap: bool) {
    assert!(captions.len() <= 2000);
    assert!(captions.is_sorted_by_key(|caption| caption.cue.start));
    for (i, Caption { channel, cue }) in captions.iter().enumerate().take(100) {
        assert!(cue.start < cue.end && !cue.text.is_empty() && !cue.id.is_empty());
        text::markup(&cue.settings, &cue.text);
        if may_overlap {
            continue;
        }
        // In one place there is one at a time.
        let mut others = captions
            .iter()
            .skip(i + 1)
            .filter(|other| other.channel == *channel);
        assert!(others.all(|other| {
            other.cue.start >= cue.end || other.cue.end <= cue.start || other.cue.settings != cue.settings
        }));
    }
}
