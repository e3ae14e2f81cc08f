//! Transport streams become fMP4 or are refused. The first byte says how: whole packets as they are, or what is put into packets here.
#![no_main]

mod fragments;
mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::output::{Container, Encryption};
use transmux::{Key, Settings, Transmuxer};

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (64, 4 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    let Some((&mode, bytes)) = bytes.split_first() else {
        return;
    };
    let segments = match mode & 1 {
        0 => vec![bytes.to_vec()],
        // Two of them.
        _ => bytes
            .split_at_checked(bytes.len() / 2)
            .map_or(Vec::new(), |(a, b)| vec![packed(a), packed(b)]),
    };
    let decrypt = (mode & 2 != 0).then_some(Key {
        method: Encryption::SampleAes,
        key: [1; 16],
        iv: [2; 16],
    });
    let mut transmuxer = Transmuxer::new();
    for segment in segments {
        let settings = Settings {
            container: Container::MpegTs,
            continuous: mode & 4 != 0,
            mute: mode & 8 != 0,
            captions: mode & 16 != 0,
            decrypt,
            init: None,
        };
        let Ok(ready) = transmuxer.prepare(segment, &settings) else {
            continue;
        };
        assert_eq!(ready.prepared.bytes, ready.bytes().len() as u64);
        fragments::check(ready.bytes());
        let times = ready.prepared.times.unwrap();
        assert!(times.start <= times.end && times.start.as_micros() >= 0 && ready.prepared.warnings.len() <= 32);
        assert!(ready.prepared.metadata.is_sorted_by_key(|tag| tag.time));
    }
}

/// Packets of a program whose streams the first byte names. Then each chunk has a byte that says which stream, whether a PES packet
/// begins, and with which times; and a byte with its length.
fn packed(bytes: &[u8]) -> Vec<u8> {
    let Some((&kinds, mut rest)) = bytes.split_first() else {
        return Vec::new();
    };
    let pictures = [0x1b, 0x24, 0xdb][usize::from(kinds % 3)];
    let sound = [0x0f, 0x81, 0x87, 0x03, 0xcf, 0xc1, 0xc2][usize::from(kinds / 3 % 7)];
    let mut out = Vec::new();
    section(&mut out, 0, 0, &[0, 1, 0xe1, 0]);
    section(
        &mut out,
        0x100,
        2,
        &[
            0xe1, 1, 0xf0, 0, pictures, 0xe1, 1, 0xf0, 0, sound, 0xe1, 2, 0xf0, 0, 0x15, 0xe1, 3, 0xf0, 0,
        ],
    );
    let mut counters = [0u8; 4];
    while let Some((&[head, length], after)) = rest.split_first_chunk::<2>() {
        let stream = head & 3;
        let start = head & 4 != 0;
        let mut pes = Vec::new();
        let mut data = after;
        if start {
            pes.extend([0, 0, 1, 0xe0, 0, 0, 0x80]);
            if let Some((times, after)) = after.split_first_chunk::<5>().filter(|_| head & 8 != 0) {
                pes.extend([0xc0, 10]);
                pes.extend(times);
                pes.extend([
                    times[0],
                    times[1],
                    times[2],
                    times[3],
                    times[4].wrapping_sub(head >> 4),
                ]);
                data = after;
            } else {
                pes.extend([0, 0]);
            }
        }
        let length = usize::from(length).min(184 - pes.len()).min(data.len());
        pes.extend_from_slice(&data[..length]);
        rest = &data[length..];
        let counter = &mut counters[usize::from(stream)];
        packet(&mut out, 0x100 + u16::from(stream), start, *counter, &pes);
        *counter = (*counter + 1) & 15;
    }
    out
}

fn packet(out: &mut Vec<u8>, pid: u16, start: bool, counter: u8, payload: &[u8]) {
    let stuffing = 184 - payload.len();
    out.extend([
        0x47,
        u8::from(start) << 6 | (pid >> 8) as u8,
        pid as u8,
        if stuffing > 0 { 0x30 } else { 0x10 } | counter,
    ]);
    if stuffing > 0 {
        out.push(stuffing as u8 - 1);
        out.extend((1..stuffing).map(|n| if n == 1 { 0 } else { 0xff }));
    }
    out.extend_from_slice(payload);
}

fn section(out: &mut Vec<u8>, pid: u16, table: u8, body: &[u8]) {
    let mut section = vec![0, table, 0xb0, body.len() as u8 + 9, 0, 1, 0xc1, 0, 0];
    section.extend_from_slice(body);
    let crc = section[1..].iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
        }
        crc
    });
    section.extend(crc.to_be_bytes());
    packet(out, pid, true, 0, &section);
}
