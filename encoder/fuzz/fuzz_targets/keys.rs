//! A key file is read or refused, without a word of the keys in it; what is said of its keys to players can be read again. The first
//! byte says how; a NUL in the text divides the file from the addresses of licences.
#![no_main]

mod boxes;
#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;

use encoder::fuzzing::protect;
use encoder::protect::{Key, KeyId, KeyPlan, Licensing, Scheme, System, TrackClass};
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (64, 1 << 20);
const CLASSES: [TrackClass; 5] = [
    TrackClass::Audio,
    TrackClass::Sd,
    TrackClass::Hd,
    TrackClass::Uhd1,
    TrackClass::Uhd2,
];

fuzz_target!(|bytes: &[u8]| {
    let Some((&mode, rest)) = bytes.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(rest);
    heap::within(MOST.1 + MOST.0 * bytes.len(), || read(mode, &text));
});

fn read(mode: u8, text: &str) {
    let scheme = if mode & 1 == 0 { Scheme::Cbcs } else { Scheme::Cenc };
    let (file, url) = text.split_once('\0').unwrap_or((text, ""));
    ids(file);
    let mut plan = match protect::keys(scheme, file) {
        Ok(plan) => plan,
        Err(reason) => {
            check_reason(file, &reason);
            return;
        }
    };
    let written = protect::key_file(&plan);
    assert_eq!(protect::keys(scheme, &written).as_ref(), Ok(&plan));
    let url = (!url.is_empty()).then(|| url.to_owned());
    let licensing = Licensing {
        systems: vec![
            System::Common,
            System::FairPlay,
            System::PlayReady,
            System::Widevine,
        ],
        clear_key_url: url.clone(),
        fairplay_uri: url.clone(),
        key_url: url.clone(),
        playready_url: url.clone(),
        widevine_url: url,
    };
    let is_usable = licensing.check().is_ok();
    for (period, class) in (0..2).flat_map(|period| CLASSES.map(|class| (period, class))) {
        let Ok(key) = plan.key(class, period) else {
            continue;
        };
        assert!(key.iv.is_some() || scheme == Scheme::Cenc);
        assert_eq!(
            plan.key(class, period).as_ref().ok(),
            Some(&key),
            "another key the second time"
        );
        let ids = plan.ids(period);
        assert!(ids.contains(&key.id) && ids.is_sorted());
        if is_usable {
            let (pssh, object, lines) = protect::said(scheme, &key, &ids, &licensing);
            check_boxes(&pssh, &ids);
            check_object(&object);
            lines.iter().for_each(|line| check_line(line));
        }
    }
    check_written(&plan);
}

/// No key is quoted; only identifiers are.
fn check_reason(file: &str, reason: &str) {
    let plain = file.replace('-', "").to_ascii_lowercase();
    for key in file.split("\"key\":\"").skip(1).filter_map(|rest| rest.get(..32)) {
        let is_key = key.parse::<Key>().is_ok() && plain.matches(&key.to_ascii_lowercase()).count() == 1;
        assert!(!is_key || !reason.contains(key), "{reason}");
    }
}

/// An identifier has one form, however it was written.
fn ids(text: &str) {
    if let Ok(id) = text.parse::<KeyId>() {
        assert_eq!(id.to_string().parse::<KeyId>().ok(), Some(id));
        assert_eq!(id.uuid().parse::<KeyId>().ok(), Some(id));
        assert_eq!(id.uuid().len(), 36);
    }
}

fn check_written(plan: &KeyPlan) {
    let text = format!("{plan:?}");
    assert!(text.contains("Key(…)"), "a key is shown");
}

fn check_boxes(pssh: &[Vec<u8>], ids: &[KeyId]) {
    for whole in pssh {
        let found = boxes::all(whole);
        let [(kind, body)] = found.as_slice() else {
            panic!("not one box")
        };
        assert_eq!(kind, b"pssh");
        let mut rest = &body[20..];
        if body[0] == 1 {
            let count = boxes::number(rest, 0) as usize;
            assert_eq!(count, ids.len());
            for (given, id) in rest[4..].chunks(16).zip(ids) {
                assert_eq!(given, id.0);
            }
            rest = &rest[4 + 16 * count..];
        }
        assert_eq!(boxes::number(rest, 0) as usize, rest.len() - 4);
    }
}

/// One record that fills a PlayReady object, of text that is XML.
fn check_object(object: &[u8]) {
    let size = u32::from_le_bytes(*object.first_chunk().expect("a size"));
    assert_eq!(size as usize, object.len());
    let record = u16::from_le_bytes([object[8], object[9]]);
    assert_eq!(usize::from(record), object.len() - 10);
    let units: Vec<u16> = object[10..]
        .chunks(2)
        .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
        .collect();
    let text = String::from_utf16(&units).expect("UTF-16");
    assert!(!text.chars().any(char::is_control));
    assert_eq!(text.matches('<').count(), text.matches('>').count());
}

/// A line that a player and another reader take for one key tag.
fn check_line(line: &str) {
    assert!(!line.contains(['\n', '\r']), "{line:?}");
    let playlist = format!(
        "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n{line}\n#EXTINF:4.0,\n1.m4s\n#EXT-X-ENDLIST\n"
    );
    let read = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).expect("it is a playlist");
    let key = read.segments[0].key.as_ref().expect("a key");
    assert!(key.uri.is_some(), "{line:?}");
}
