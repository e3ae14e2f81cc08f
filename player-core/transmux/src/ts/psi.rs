//! Tables: which packets hold which streams (ISO/IEC 13818-1, 2.4.4).

/// Sections are no longer than this; `section_length` has twelve bits, of which tables of programs may use ten.
const MAX_SECTION: usize = 1024;

/// Puts the sections of one PID together.
#[derive(Debug, Default)]
pub(crate) struct Sections {
    bytes: Vec<u8>,
    open: bool,
}

impl Sections {
    /// Takes a packet's payload and shows each section that it completes.
    pub(crate) fn push(&mut self, start: bool, payload: &[u8], mut found: impl FnMut(&[u8])) {
        let mut rest = payload;
        if start {
            let Some((&pointer, after)) = payload.split_first() else {
                return;
            };
            let Some((before, after)) = after.split_at_checked(usize::from(pointer)) else {
                return;
            };
            if self.open {
                self.bytes.extend_from_slice(before);
                self.take(&mut found);
            }
            self.bytes.clear();
            self.open = true;
            rest = after;
        }
        if self.open {
            self.bytes.extend_from_slice(rest);
            self.take(&mut found);
        }
    }

    fn take(&mut self, found: &mut impl FnMut(&[u8])) {
        let mut at = 0;
        while let Some(&[table, high, low]) = self.bytes.get(at..).and_then(|rest| rest.first_chunk::<3>()) {
            let length = 3 + usize::from(u16::from_be_bytes([high & 0x0f, low]));
            if table == 0xff || length > MAX_SECTION {
                self.open = false;
                break;
            }
            let Some(section) = self.bytes.get(at..at + length) else {
                break;
            };
            found(section);
            at += length;
        }
        self.bytes.drain(..at.min(self.bytes.len()));
        if !self.open {
            self.bytes.clear();
        }
    }
}

/// The body of a section with syntax: after the eight bytes of header, before the CRC. `None` if it is not this table, not in
/// force yet, or its CRC is wrong.
fn body(section: &[u8], table: u8) -> Option<&[u8]> {
    let current = section.get(5)? & 1 == 1;
    if section[0] != table || section[1] & 0x80 == 0 || !current || crc(section) != 0 {
        return None;
    }
    section.get(8..section.len().checked_sub(4)?)
}

/// Over a whole section with its CRC it is zero.
fn crc(section: &[u8]) -> u32 {
    section.iter().fold(u32::MAX, |mut crc, byte| {
        crc ^= u32::from(*byte) << 24;
        for _ in 0..8 {
            crc = crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 };
        }
        crc
    })
}

/// The PIDs of the tables of all programs.
pub(crate) fn pat(section: &[u8]) -> Option<Vec<u16>> {
    let programs = body(section, 0)?.chunks_exact(4);
    Some(
        programs
            .filter(|p| p[0] != 0 || p[1] != 0)
            .map(|p| u16::from_be_bytes([p[2] & 0x1f, p[3]]))
            .collect(),
    )
}

/// What a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamKind {
    Aac,
    Ac3,
    Avc,
    Eac3,
    Hevc,
    Id3,
    /// AAC in LATM.
    Latm,
    MpegAudio,
    /// Something else, by its `stream_type`.
    Other(u8),
}

/// A stream of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    pub(crate) pid: u16,
    pub(crate) kind: StreamKind,
    /// Its samples are encrypted.
    pub(crate) encrypted: bool,
}

/// The streams of a program, in order.
pub(crate) fn pmt(section: &[u8]) -> Option<Vec<Stream>> {
    let body = body(section, 2)?;
    let skipped = usize::from(u16::from_be_bytes([*body.get(2)? & 0x0f, *body.get(3)?]));
    let mut rest = body.get(4 + skipped..)?;
    let mut streams = Vec::new();
    while let Some((&[stream_type, pid_high, pid_low, high, low], after)) = rest.split_first_chunk::<5>() {
        let length = usize::from(u16::from_be_bytes([high & 0x0f, low]));
        let Some((descriptors, after)) = after.split_at_checked(length) else {
            break;
        };
        let (kind, encrypted) = kind(stream_type, descriptors);
        streams.push(Stream {
            pid: u16::from_be_bytes([pid_high & 0x1f, pid_low]),
            kind,
            encrypted,
        });
        rest = after;
    }
    Some(streams)
}

fn kind(stream_type: u8, descriptors: &[u8]) -> (StreamKind, bool) {
    let clear = |kind| (kind, false);
    match stream_type {
        0x03 | 0x04 => clear(StreamKind::MpegAudio),
        0x06 => clear(private(descriptors).unwrap_or(StreamKind::Other(stream_type))),
        0x0f => clear(StreamKind::Aac),
        0x11 => clear(StreamKind::Latm),
        0x15 => clear(StreamKind::Id3),
        0x1b => clear(StreamKind::Avc),
        0x24 => clear(StreamKind::Hevc),
        0x81 => clear(StreamKind::Ac3),
        0x87 => clear(StreamKind::Eac3),
        0xc1 => (StreamKind::Ac3, true),
        0xc2 => (StreamKind::Eac3, true),
        0xcf => (StreamKind::Aac, true),
        0xdb => (StreamKind::Avc, true),
        _ => clear(StreamKind::Other(stream_type)),
    }
}

/// Private data say by a descriptor what they are (ETSI EN 300 468, 6.2; registrations at SMPTE).
fn private(mut descriptors: &[u8]) -> Option<StreamKind> {
    while let Some((&[tag, length], rest)) = descriptors.split_first_chunk::<2>() {
        let (data, after) = rest.split_at_checked(usize::from(length))?;
        match (tag, data.get(..4)) {
            (0x05, Some(b"AC-3")) | (0x6a, _) => return Some(StreamKind::Ac3),
            (0x05, Some(b"EAC3")) | (0x7a, _) => return Some(StreamKind::Eac3),
            (0x05, Some(b"HEVC")) => return Some(StreamKind::Hevc),
            (0x05 | 0x26, Some(b"ID3 ")) => return Some(StreamKind::Id3),
            _ => descriptors = after,
        }
    }
    None
}
