//! Captions on their way out of pictures: from transport streams and from fMP4.
#![allow(clippy::unwrap_used)]

mod support;

use player_core::output::Container;
use support::ts::*;
use transmux::{Settings, Transmuxer};

/// Supplemental information with a pair of CEA-608 (ATSC A/53, 6.2.3).
fn sei(pair: [u8; 2]) -> Vec<u8> {
    let odd = |byte: u8| {
        if byte.count_ones().is_multiple_of(2) {
            byte | 0x80
        } else {
            byte
        }
    };
    let mut message = vec![
        0xb5,
        0,
        0x31,
        b'G',
        b'A',
        b'9',
        b'4',
        3,
        0x41,
        0xff,
        0xfc,
        odd(pair[0]),
        odd(pair[1]),
        0xff,
    ];
    message.splice(0..0, [6, 4, message.len() as u8]);
    message.push(0x80);
    message
}

/// A caption that is put up at the fourth picture and taken down at the last but one; pictures are shown in another order.
fn segment() -> Vec<u8> {
    let mut muxer = Muxer::default();
    muxer.program(&[(VIDEO, 0x1b, &[])]);
    let pairs = [
        [0x14, 0x20],
        [0x14, 0x70],
        *b"HI",
        [0x14, 0x2f],
        [0, 0],
        [0, 0],
        [0x14, 0x2c],
        [0, 0],
        [0, 0],
    ];
    // Decoded as 0 3 1 2, 6 4 5 …
    for (decoded, shown) in [0, 3, 1, 2, 6, 4, 5, 8, 7].into_iter().enumerate() {
        let pair = sei(pairs[shown]);
        let data = match decoded {
            0 => annex_b(&[&AUD, &SPS, &PPS, &pair, &slice(true, 7, 1, 100)]),
            _ => annex_b(&[&AUD, &pair, &slice(false, 5, 1, 100)]),
        };
        muxer.video(
            90_000 + 7200 + shown as u64 * 3600,
            90_000 + decoded as u64 * 3600,
            &data,
        );
    }
    muxer.take()
}

#[test]
fn captions_come_out_of_both_containers_alike() {
    let mut settings = Settings {
        captions: true,
        ..Settings::default()
    };
    let ready = Transmuxer::new().prepare(segment(), &settings).unwrap();
    let captions = ready.prepared.captions.clone();
    assert_eq!(captions.len(), 1);
    assert_eq!(
        (captions[0].channel.as_str(), captions[0].cue.text.as_str()),
        ("CC1", "HI")
    );
    assert_eq!(
        (captions[0].cue.start.as_millis(), captions[0].cue.end.as_millis()),
        (1200, 1320)
    );
    settings.container = Container::Fmp4;
    let passed = Transmuxer::new()
        .prepare(ready.bytes().to_vec(), &settings)
        .unwrap();
    assert_eq!(passed.prepared.captions, captions);
    assert!(passed.bytes() == ready.bytes());
    // With its initialization section apart.
    let bytes = ready.bytes();
    let moof = bytes.windows(4).position(|window| window == b"moof").unwrap() - 4;
    settings.init = Some(&bytes[..moof]);
    let passed = Transmuxer::new()
        .prepare(bytes[moof..].to_vec(), &settings)
        .unwrap();
    assert_eq!(passed.prepared.captions, captions);
    settings.captions = false;
    assert!(
        Transmuxer::new()
            .prepare(bytes.to_vec(), &settings)
            .unwrap()
            .prepared
            .captions
            .is_empty()
    );
}

#[test]
fn fmp4_that_lies_is_harmless() {
    let whole = Transmuxer::new()
        .prepare(segment(), &Settings::default())
        .unwrap()
        .into_bytes();
    let settings = Settings {
        container: Container::Fmp4,
        captions: true,
        ..Settings::default()
    };
    for at in 0..whole.len().min(1800) {
        for value in [0, 0x7f, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            let ready = Transmuxer::new().prepare(bytes.clone(), &settings).unwrap();
            assert!(ready.bytes() == bytes && ready.prepared.captions.len() <= 4);
        }
        Transmuxer::new()
            .prepare(whole[..at].to_vec(), &settings)
            .unwrap();
    }
}
