//! Packets of a transport stream and the PES packets in them, read by nobody else's code.

use std::collections::BTreeMap;

/// The payload of each stream's PES packets. Counters go on in `counters`; what is no stream as it should be panics.
pub fn read(stream: &[u8], counters: &mut BTreeMap<u16, u8>) -> BTreeMap<u16, Vec<u8>> {
    assert!(stream.len().is_multiple_of(188));
    let mut found = BTreeMap::<u16, Vec<u8>>::new();
    let mut announced = BTreeMap::<u16, usize>::new();
    for packet in stream.chunks_exact(188) {
        assert_eq!(packet[0], 0x47);
        let pid = u16::from_be_bytes([packet[1] & 0x1f, packet[2]]);
        let counter = packet[3] & 0x0f;
        if let Some(before) = counters.insert(pid, counter) {
            assert_eq!(counter, (before + 1) & 0x0f, "a packet is missing");
        }
        let mut payload = &packet[4..];
        if packet[3] & 0x20 != 0 {
            payload = &payload[1 + usize::from(payload[0])..];
        }
        if pid < 0x100 || pid == 0x1000 {
            assert!(packet[1] & 0x40 != 0 && payload[0] == 0);
            let length = usize::from(u16::from_be_bytes([payload[2], payload[3]]) & 0xfff);
            assert_eq!(crc(&payload[1..4 + length]), 0, "a table is broken");
            continue;
        }
        if packet[1] & 0x40 != 0 {
            assert_eq!(
                announced.insert(pid, 0).unwrap_or(0),
                0,
                "a PES packet is cut off"
            );
            assert_eq!(payload[..3], [0, 0, 1]);
            let length = usize::from(u16::from_be_bytes([payload[4], payload[5]]));
            let header = 9 + usize::from(payload[8]);
            announced.insert(pid, (length + 6).saturating_sub(header));
            if length == 0 {
                announced.remove(&pid);
            }
            payload = &payload[header..];
        }
        if let Some(left) = announced.get_mut(&pid) {
            *left = left.checked_sub(payload.len()).expect("more than was announced");
        }
        found.entry(pid).or_default().extend_from_slice(payload);
    }
    assert!(announced.values().all(|left| *left == 0));
    found
}

/// Of ISO/IEC 13818-1, Annex A: 0 of what ends with its own.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// The frames of AAC without their ADTS headers.
#[allow(dead_code, reason = "not every target has sound")]
pub fn adts(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while !stream.is_empty() {
        assert_eq!((stream[0], stream[1]), (0xff, 0xf1));
        let size =
            usize::from(stream[3] & 3) << 11 | usize::from(stream[4]) << 3 | usize::from(stream[5] >> 5);
        frames.push(stream[7..size].to_vec());
        stream = &stream[size..];
    }
    frames
}
