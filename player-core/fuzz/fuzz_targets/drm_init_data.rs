//! Initialization data is read or refused, whatever form it is said to have; what a system is given of it stays within limits, and can be
//! read by that system.
#![no_main]

mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::drm::playready::Header;
use player_core::drm::{InitData, InitDataType, KeySystem, MAX_INIT_DATA, MAX_KEY_IDS, pssh, widevine};
use player_core::presentation::Protection;

/// Bytes of heap.
const MOST: usize = 4 << 20;

const SCHEMES: [&str; 5] = [
    "com.apple.streamingkeydelivery",
    "com.microsoft.playready",
    "identity",
    "urn:mpeg:dash:mp4protection:2011",
    "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed",
];

fuzz_target!(|bytes: &[u8]| heap::within(MOST, || read(bytes)));

fn read(bytes: &[u8]) {
    let mut at = 0;
    for found in pssh::parse(bytes).flatten() {
        at += found.source.len();
        assert!(at <= bytes.len() && found.data.len() < found.source.len());
        if found.source.get(..4) != Some(&[0; 4]) {
            let ids: Vec<_> = found.key_ids().collect();
            let again = pssh::write(&found.system_id, &ids, found.data);
            assert!(again.len() <= found.source.len());
            let again = pssh::parse(&again).next().and_then(Result::ok);
            assert_eq!(again.map(|again| again.data), Some(found.data));
        }
        assert!(widevine::data(found.data).is_ok_and(|data| data.key_ids.len() <= MAX_KEY_IDS) || bytes.len() > 16 << 10);
    }
    if let Ok(header) = Header::of_object(bytes) {
        assert!(header.on_demand || !header.key_ids.is_empty());
    }
    for name in ["cenc", "keyids", "sinf", "skd", "webm"] {
        let Some(kind) = InitDataType::from_name(name) else { return };
        if let Ok(init) = InitData::new(kind, bytes.to_vec()) {
            assert_eq!(init.data, bytes);
            check(&init);
        }
    }
    if let Ok(init) = InitData::detect(bytes.to_vec()) {
        assert_eq!(init.data, bytes);
    }
    let mut way = Protection {
        url: String::from_utf8_lossy(bytes).into_owned(),
        ..Protection::default()
    };
    for scheme in SCHEMES {
        way.scheme = scheme.to_owned();
        for _ in 0..2 {
            for system in KeySystem::ALL {
                if let Some(init) = InitData::of_manifest(system, &way) {
                    assert!(init.check(system).is_ok());
                    check(&init);
                }
            }
            way.pssh = bytes.to_vec();
            way.pro = bytes.to_vec();
        }
        way.pssh.clear();
        way.pro.clear();
    }
}

fn check(init: &InitData) {
    assert!(!init.data.is_empty() && init.data.len() <= MAX_INIT_DATA);
    let ids = init.key_ids();
    assert!(ids.len() <= MAX_KEY_IDS);
    assert!(ids.iter().all(|id| !id.is_zero()));
    for system in KeySystem::ALL {
        let Some(own) = init.clone().for_system(system) else { continue };
        assert!(own.data.len() <= init.data.len());
        if own.kind == InitDataType::Cenc {
            assert!(own.check(system).is_ok());
            assert_eq!(own.clone().for_system(system), Some(own), "what was picked is picked again");
        }
    }
}
