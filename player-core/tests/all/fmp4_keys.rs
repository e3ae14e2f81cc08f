//! What a look into fragmented MP4 finds of keys.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::drm::KeyId;
use player_core::media::fmp4::{Facts, ProtectedTrack};

use crate::fmp4::{container, entry, facts, full, moof, tfdt, trak};

/// A protected sample entry.
fn protected(format: &str, fields: usize, scheme: &[u8], id: [u8; 16]) -> Vec<u8> {
    let tenc = container("tenc", &[&[0, 0, 0, 0, 0, 0, 1, 8], &id]);
    let schm = container("schm", &[&[0; 4], scheme, &[0, 1, 0, 0]]);
    let sinf = container(
        "sinf",
        &[
            &container("frma", &[b"avc1"]),
            &schm,
            &container("schi", &[&tenc]),
        ],
    );
    entry(format, fields, &[&container("avcC", &[&[1]]), &sinf])
}

fn pssh(system: u8, bytes: usize) -> Vec<u8> {
    let length = (bytes as u32).to_be_bytes();
    container("pssh", &[&[0; 4], &[system; 16], &length, &vec![system; bytes]])
}

/// A fragment with a group of samples that has this key.
fn rotated(sgpd: &[u8], pssh: &[u8]) -> Vec<u8> {
    let trun = full("trun", 0, 1, &[1, 100]);
    let traf = container("traf", &[&full("tfhd", 0, 0x2_0000, &[1]), &tfdt(0), &trun, sgpd]);
    container("moof", &[&full("mfhd", 0, 0, &[1]), &traf, pssh])
}

fn seig(version: u8, entries: &[[u8; 20]], length: &[u8]) -> Vec<u8> {
    let count = (entries.len() as u32).to_be_bytes();
    container(
        "sgpd",
        &[&[version, 0, 0, 0], b"seig", length, &count, &entries.concat()],
    )
}

fn group(is_protected: u8, id: [u8; 16]) -> [u8; 20] {
    let mut entry = [0; 20];
    entry[2] = is_protected;
    entry[3] = 8;
    entry[4..].copy_from_slice(&id);
    entry
}

#[test]
fn what_an_initialization_section_says_of_its_keys() {
    let clear = entry("avc1", 78, &[]);
    let video = protected("encv", 78, b"cenc", [1; 16]);
    let audio = protected("enca", 28, b"cbcs", [0; 16]);
    let moov = container(
        "moov",
        &[
            &pssh(1, 3),
            &trak(1, "vide", 1000, &[], &[clear, video].concat()),
            &trak(2, "soun", 1000, &[], &audio),
            &trak(3, "text", 1000, &[], &entry("wvtt", 8, &[])),
            &pssh(2, 0),
            &pssh(1, 3),
        ],
    );
    let found = facts(&moov);
    assert!(!found.is_empty());
    let keys = found.protection.as_deref().unwrap();
    let track = |id, scheme: &str, key_id| ProtectedTrack {
        id,
        scheme: scheme.into(),
        key_id,
    };
    let first = KeyId([1; 16]);
    assert_eq!(
        keys.tracks,
        [track(1, "cenc", Some(first)), track(2, "cbcs", None)]
    );
    assert_eq!(keys.pssh, [pssh(1, 3), pssh(2, 0)]);
    assert_eq!(keys.key_ids().collect::<Vec<_>>(), [first]);
    let json = player_core::json::to_string(&found);
    assert_eq!(serde_json::from_str::<Facts>(&json).unwrap(), found);
    // What says nothing of keys is written as it always was.
    let clear = facts(&moof(1, &tfdt(0), 0, 0, &[(0, 0)]));
    assert_eq!(clear.protection, None);
    assert!(!player_core::json::to_string(&clear).contains("protection"));
}

#[test]
fn keys_that_rotate_are_in_the_fragments() {
    let (first, second) = ([1; 16], [2; 16]);
    let in_groups = |sgpd: &[u8]| -> Vec<u8> {
        let found = facts(&rotated(sgpd, &[])).protection;
        found
            .iter()
            .flat_map(|p| p.fragment_keys.clone())
            .map(|id| id.0[0])
            .collect()
    };
    let two = [
        group(1, first),
        group(1, second),
        group(1, first),
        group(0, [3; 16]),
    ];
    assert_eq!(in_groups(&seig(1, &two, &[0, 0, 0, 20])), [1, 2]);
    assert_eq!(in_groups(&seig(2, &two, &[0, 0, 0, 1])), [1, 2]);
    assert_eq!(in_groups(&seig(0, &two, &[])), [1, 2]);
    let own_length = [&[0, 0, 0, 20][..], &group(1, second)].concat();
    let sgpd = container(
        "sgpd",
        &[&[1, 0, 0, 0], b"seig", &[0; 4], &[0, 0, 0, 1], &own_length],
    );
    assert_eq!(in_groups(&sgpd), [2]);
    for length in [19, 21, u32::MAX] {
        assert_eq!(
            in_groups(&seig(1, &two[..1], &length.to_be_bytes())),
            [0; 0],
            "{length}"
        );
    }
    let mut other = seig(1, &two, &[0, 0, 0, 20]);
    other[12..16].copy_from_slice(b"roll");
    assert_eq!(in_groups(&other), [0; 0]);
    // No more than there are bytes for.
    let mut huge = seig(1, &two, &[0, 0, 0, 20]);
    huge[20..24].copy_from_slice(&[0xff; 4]);
    assert_eq!(in_groups(&huge), [1, 2]);
    let many: Vec<_> = (1..=100).map(|n| group(1, [n; 16])).collect();
    assert_eq!(in_groups(&seig(1, &many, &[0, 0, 0, 20])).len(), 64);

    let sgpd = seig(1, &two, &[0, 0, 0, 20]);
    let segment = [rotated(&sgpd, &pssh(5, 9)), rotated(&sgpd, &pssh(5, 9))].concat();
    assert_eq!(facts(&segment).protection.unwrap().pssh, [pssh(5, 9)]);
}

#[test]
fn boxes_for_key_systems_are_bounded() {
    let boxes = |all: Vec<Vec<u8>>| {
        facts(&container("moov", &[&all.concat()]))
            .protection
            .map(|p| p.pssh.len())
    };
    assert_eq!(boxes((0..40).map(|n| pssh(n, 8)).collect()), Some(16));
    assert_eq!(
        boxes(vec![pssh(1, 60_000), pssh(2, 10_000), pssh(3, 1000)]),
        Some(2)
    );
    assert_eq!(boxes(vec![pssh(1, 1 << 17)]), None);
}
