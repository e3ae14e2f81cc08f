//! Samples that were encrypted are the same when they are decrypted again by what their boxes say, and every byte of them is in these.
//! The first byte says how; then come a sample entry and samples, each with its length before it.
#![no_main]

mod boxes;
#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;
mod input;

use aes::Aes128;
use aes::cipher::{Block, BlockModeDecrypt, KeyIvInit, StreamCipher};
use encoder::fuzzing::Sample;
use encoder::fuzzing::cmaf::Entry;
use encoder::fuzzing::protect::Encryption;
use encoder::protect::{ContentKey, Iv, KeyId, Scheme};
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside: the parsers of parameter sets keep large structures of each.
const MOST: (usize, usize) = (64, 32 << 20);
const KEY: [u8; 16] = *b"0123456789abcdef";
const VECTOR: [u8; 16] = [7; 16];

fuzz_target!(
    init: let_parsers_panic(),
    |bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes))
);

/// The encoder catches what cros-codecs cannot bear; every other panic is found here.
fn let_parsers_panic() {
    let abort = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_parser = |path: &str| path.contains("cros-codecs") || path.contains("bitreader");
        if !panic.location().is_some_and(|place| is_parser(place.file())) {
            abort(panic);
        }
    }));
}

fn read(bytes: &[u8]) {
    let mut input = input::Input(bytes);
    let mode = input.u8();
    let (scheme, iv) = match mode & 3 {
        0 => (Scheme::Cbcs, Iv::Sixteen(VECTOR)),
        1 => (Scheme::Cenc, Iv::Sixteen(VECTOR)),
        _ => (Scheme::Cenc, Iv::Eight([0xff; 8])),
    };
    let key = ContentKey {
        id: KeyId([3; 16]),
        key: "30313233343536373839616263646566".parse().expect("a key"),
        iv: Some(iv),
    };
    let is_rotated = mode & 4 != 0;
    // Whatever is encrypted was read so before.
    let Ok(entry) = Entry::read(input.run()) else {
        return;
    };
    // Without a default key the first vector is made at random; what comes out is the same in all else.
    let Ok(mut track) = Encryption::new(&entry.bytes, scheme, key, is_rotated, u32::from(mode >> 3 & 3))
    else {
        return;
    };
    let sinf = boxes::of_entry(&track.entry).pop().expect("it ends with sinf");
    assert_eq!(sinf.0, b"sinf");
    let is_whole = &track.entry[4..8] == b"enca";
    let mut vectors = std::collections::BTreeSet::new();
    while !input.is_empty() {
        let count = 1 + usize::from(input.u8() & 3);
        let samples: Vec<&[u8]> = (0..count).map(|_| input.run()).collect();
        let of = |data| Sample {
            duration: 1,
            composition_offset: 0,
            is_sync: true,
            data,
        };
        let given: Vec<_> = samples.iter().copied().map(of).collect();
        let Ok(fragment) = track.fragment(&given) else {
            return;
        };
        check(&fragment, &samples, (scheme, is_whole), &mut vectors);
    }
}

fn check(
    fragment: &[u8],
    samples: &[&[u8]],
    (scheme, is_whole): (Scheme, bool),
    vectors: &mut std::collections::BTreeSet<u128>,
) {
    let top = boxes::all(fragment);
    let moof = boxes::all(boxes::first(&top, b"moof").expect("moof"));
    let traf = boxes::all(boxes::first(&moof, b"traf").expect("traf"));
    let mdat = boxes::first(&top, b"mdat").expect("mdat");
    assert_eq!(
        mdat.len(),
        samples.iter().map(|sample| sample.len()).sum::<usize>()
    );
    let senc = boxes::first(&traf, b"senc").expect("senc");
    let has_subsamples = senc[3] & 2 != 0;
    assert_eq!(has_subsamples, !is_whole);
    assert_eq!(boxes::number(senc, 4) as usize, samples.len());
    let saiz = boxes::first(&traf, b"saiz");
    if let (Some(saiz), Some(saio)) = (saiz, boxes::first(&traf, b"saio")) {
        assert_eq!(boxes::number(saiz, 5) as usize, samples.len());
        let at = boxes::number(saio, 8) as usize;
        assert!(fragment[at..].starts_with(&senc[8..]));
    }
    let iv_bytes = match scheme {
        Scheme::Cbcs => 0,
        Scheme::Cenc if boxes::first(&traf, b"sgpd").is_some() => 8,
        Scheme::Cenc => 0,
    };
    let (mut notes, mut data) = (&senc[8..], mdat);
    for (number, sample) in samples.iter().enumerate() {
        let size = saiz.map_or(0, |saiz| match saiz[4] {
            0 => saiz[9 + number],
            same => same,
        });
        let (note, rest) = notes.split_at(size.into());
        notes = rest;
        let (encrypted, rest) = data.split_at(sample.len());
        data = rest;
        let iv_bytes = match (scheme, is_whole) {
            (Scheme::Cbcs, _) => 0,
            (_, true) => note.len(),
            // What is left when the subsamples are taken off: a count and six bytes each.
            _ if iv_bytes > 0 => iv_bytes,
            _ => (note.len() - 2) % 6 + if (note.len() - 2) % 6 == 2 { 6 } else { 12 },
        };
        let (iv, note) = note.split_at(iv_bytes);
        let subsamples = match has_subsamples {
            true => subsamples(note, sample.len(), scheme),
            false => vec![(0, sample.len())],
        };
        let mut clear = encrypted.to_vec();
        match scheme {
            Scheme::Cbcs => decrypt_cbcs(&mut clear, &subsamples, is_whole),
            Scheme::Cenc => decrypt_cenc(&mut clear, &subsamples, iv, vectors),
        }
        assert_eq!(&clear, sample, "sample {number}");
    }
    assert!(notes.is_empty() && data.is_empty());
}

/// Where protected runs begin and how long they are. All of the sample is described.
fn subsamples(note: &[u8], size: usize, scheme: Scheme) -> Vec<(usize, usize)> {
    let (count, runs) = note.split_first_chunk::<2>().expect("a count");
    assert_eq!(usize::from(u16::from_be_bytes(*count)) * 6, runs.len());
    let (mut at, mut found) = (0, Vec::new());
    for run in runs.chunks(6) {
        let clear = usize::from(u16::from_be_bytes([run[0], run[1]]));
        let protected = boxes::number(run, 2) as usize;
        assert!(scheme == Scheme::Cbcs || protected.is_multiple_of(16));
        found.push((at + clear, protected));
        at += clear + protected;
    }
    assert_eq!(at, size, "subsamples do not fill the sample");
    found
}

fn decrypt_cbcs(sample: &mut [u8], subsamples: &[(usize, usize)], is_whole: bool) {
    for &(at, size) in subsamples {
        let mut cipher = cbc::Decryptor::<Aes128>::new(&KEY.into(), &VECTOR.into());
        for (number, block) in sample[at..at + size].chunks_exact_mut(16).enumerate() {
            if is_whole || number.is_multiple_of(10) {
                cipher.decrypt_block(<&mut Block<Aes128>>::try_from(block).expect("a block"));
            }
        }
    }
}

fn decrypt_cenc(
    sample: &mut [u8],
    subsamples: &[(usize, usize)],
    iv: &[u8],
    vectors: &mut std::collections::BTreeSet<u128>,
) {
    let mut block = [0; 16];
    block[..iv.len()].copy_from_slice(iv);
    let mut cipher = ctr::Ctr128BE::<Aes128>::new(&KEY.into(), &block.into());
    let mut used = 0;
    for &(at, size) in subsamples {
        cipher.apply_keystream(&mut sample[at..at + size]);
        used += size;
    }
    let first = u128::from_be_bytes(block);
    for counter in 0..used.div_ceil(16) as u128 {
        assert!(
            vectors.insert(first.wrapping_add(counter)),
            "a counter block is used twice"
        );
    }
}
