//! Boxes of ISO base media files, read by nobody else's code.
#![allow(dead_code, reason = "not every target looks everywhere")]

/// The boxes that fill `bytes`: kinds and contents. Panics where they do not fill it.
pub fn all(mut bytes: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let size = number(bytes, 0) as usize;
        found.push((*bytes[4..].first_chunk().unwrap(), &bytes[8..size]));
        bytes = &bytes[size..];
    }
    found
}

/// The first box of a kind.
pub fn first<'a>(boxes: &[([u8; 4], &'a [u8])], kind: &[u8; 4]) -> Option<&'a [u8]> {
    boxes
        .iter()
        .find(|(other, _)| other == kind)
        .map(|(_, content)| *content)
}

/// The boxes inside a sample entry as far as they are whole, with where their contents are in it.
pub fn of_entry(entry: &[u8]) -> Vec<(&[u8], std::ops::Range<usize>)> {
    let header = match &entry[4..8] {
        b"avc1" | b"avc3" | b"hvc1" | b"hev1" | b"av01" | b"vp09" | b"encv" => 78,
        b"mp4a" | b"Opus" | b"fLaC" | b"ac-3" | b"ec-3" | b"enca" => 28,
        _ => 8,
    };
    let (mut at, mut found) = (8 + header, Vec::new());
    while let Some(start) = entry.get(at..at + 8) {
        let size = number(start, 0) as usize;
        if size < 8 || at + size > entry.len() {
            break;
        }
        found.push((&entry[at + 4..at + 8], at + 8..at + size));
        at += size;
    }
    found
}

pub fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(*bytes[at..].first_chunk().unwrap())
}
