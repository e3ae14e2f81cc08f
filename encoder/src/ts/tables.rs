//! Program tables (ISO/IEC 13818-1 §2.4.4).

/// A program's streams.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Whose packets carry the clock.
    pub(super) clock_pid: u16,
    pub(super) streams: Vec<ProgramStream>,
}

#[derive(Clone, Debug)]
pub(super) struct ProgramStream {
    pub(super) pid: u16,
    pub(super) stream_type: u8,
    pub(super) descriptors: Vec<u8>,
}

pub(super) const PAT_PID: u16 = 0;
pub(super) const PMT_PID: u16 = 0x1000;
const PROGRAM: u16 = 1;

/// The table of the one program.
pub(super) fn pat() -> Vec<u8> {
    let mut body = PROGRAM.to_be_bytes().to_vec();
    body.extend((RESERVED_3 | PMT_PID).to_be_bytes());
    section(0, &body)
}

impl Program {
    /// The table of its streams.
    pub(super) fn pmt(&self) -> Vec<u8> {
        let mut body = (RESERVED_3 | self.clock_pid).to_be_bytes().to_vec();
        body.extend(RESERVED_4.to_be_bytes());
        for stream in &self.streams {
            body.push(stream.stream_type);
            body.extend((RESERVED_3 | stream.pid).to_be_bytes());
            body.extend((RESERVED_4 | stream.descriptors.len() as u16).to_be_bytes());
            body.extend_from_slice(&stream.descriptors);
        }
        section(2, &body)
    }
}

const RESERVED_3: u16 = 0xe000;
const RESERVED_4: u16 = 0xf000;

fn section(table: u8, body: &[u8]) -> Vec<u8> {
    const SYNTAX: u16 = 0xb000;
    /// After the length: identifier, version 0 in force, section 0 of 0.
    const FIELDS: [u8; 5] = [(PROGRAM >> 8) as u8, PROGRAM as u8, 0xc1, 0, 0];
    const CRC_BYTES: usize = 4;
    let length = (FIELDS.len() + body.len() + CRC_BYTES) as u16;
    let mut section = vec![table];
    section.extend((SYNTAX | length).to_be_bytes());
    section.extend(FIELDS);
    section.extend_from_slice(body);
    section.extend(crc(&section).to_be_bytes());
    section
}

/// Annex A.
fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| {
            crc << 1 ^ if crc >> 31 == 1 { 0x04c1_1db7 } else { 0 }
        })
    })
}

/// A descriptor (§2.6).
pub(super) fn descriptor(tag: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![tag, data.len() as u8];
    out.extend_from_slice(data);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_its_checksum() {
        // As FFmpeg 5.1 writes it for a program 1 whose table is at 0x1000.
        assert_eq!(
            pat(),
            [
                0, 0xb0, 0x0d, 0, 1, 0xc1, 0, 0, 0, 1, 0xf0, 0, 0x2a, 0xb1, 0x04, 0xb2
            ]
        );
        let program = Program {
            clock_pid: 0x100,
            streams: vec![ProgramStream {
                pid: 0x100,
                stream_type: 0x1b,
                descriptors: descriptor(5, b"TEST"),
            }],
        };
        let pmt = program.pmt();
        assert_eq!(pmt[8..12], [0xe1, 0, 0xf0, 0]);
        assert_eq!(
            pmt[12..pmt.len() - 4],
            [0x1b, 0xe1, 0, 0xf0, 6, 5, 4, b'T', b'E', b'S', b'T']
        );
        assert_eq!(crc(&pmt), 0);
    }
}
