//! A small multiplexer.

/// Writes packets.
#[derive(Clone, Debug, Default)]
pub struct Muxer {
    pub bytes: Vec<u8>,
    counters: std::collections::BTreeMap<u16, u8>,
}

pub const PMT_PID: u16 = 0x100;
pub const VIDEO: u16 = 0x101;
pub const AUDIO: u16 = 0x102;
pub const METADATA: u16 = 0x103;

impl Muxer {
    /// PAT and PMT; streams by PID, type and descriptors.
    pub fn program(&mut self, streams: &[(u16, u8, &[u8])]) {
        self.tables(PMT_PID, streams);
    }

    pub fn tables(&mut self, pmt_pid: u16, streams: &[(u16, u8, &[u8])]) {
        let pat = [0, 1, 0xe0 | (pmt_pid >> 8) as u8, pmt_pid as u8];
        self.section(0, 0, &pat);
        let mut pmt = vec![0xe1, 0x01, 0xf0, 0];
        for (pid, kind, descriptors) in streams {
            pmt.extend([
                *kind,
                0xe0 | (pid >> 8) as u8,
                *pid as u8,
                0xf0,
                descriptors.len() as u8,
            ]);
            pmt.extend_from_slice(descriptors);
        }
        self.section(pmt_pid, 2, &pmt);
    }

    /// A section with syntax; longer ones are split over packets.
    pub fn section(&mut self, pid: u16, table: u8, body: &[u8]) {
        let length = body.len() + 9;
        let mut section = vec![table, 0xb0 | (length >> 8) as u8, length as u8, 0, 1, 0xc1, 0, 0];
        section.extend_from_slice(body);
        let crc = section.iter().fold(u32::MAX, |mut crc, byte| {
            for bit in (0..8).rev() {
                let top = crc >> 31 ^ u32::from(byte >> bit & 1);
                crc = (crc << 1) ^ (top * 0x04c1_1db7);
            }
            crc
        });
        section.extend(crc.to_be_bytes());
        section.insert(0, 0);
        while section.len() % 184 != 0 {
            section.push(0xff);
        }
        for (n, chunk) in section.chunks(184).enumerate() {
            self.packet(pid, n == 0, chunk);
        }
    }

    /// A PES packet.
    pub fn pes(&mut self, pid: u16, stream_id: u8, times: Option<(u64, u64)>, data: &[u8]) {
        let mut pes = vec![0, 0, 1, stream_id, 0, 0, 0x80];
        match times {
            None => pes.extend([0, 0]),
            Some((pts, dts)) if pts == dts => {
                pes.extend([0x80, 5]);
                pes.extend(stamp(2, pts));
            }
            Some((pts, dts)) => {
                pes.extend([0xc0, 10]);
                pes.extend(stamp(3, pts));
                pes.extend(stamp(1, dts));
            }
        }
        pes.extend_from_slice(data);
        self.chunks(pid, &pes);
    }

    /// A PES packet's bytes.
    pub fn chunks(&mut self, pid: u16, pes: &[u8]) {
        for (n, chunk) in pes.chunks(184).enumerate() {
            self.packet(pid, n == 0, chunk);
        }
    }

    pub fn video(&mut self, pts: u64, dts: u64, data: &[u8]) {
        self.pes(VIDEO, 0xe0, Some((pts, dts)), data);
    }

    pub fn audio(&mut self, pts: u64, data: &[u8]) {
        self.pes(AUDIO, 0xc0, Some((pts, pts)), data);
    }

    /// A packet with at most 184 bytes of payload.
    pub fn packet(&mut self, pid: u16, start: bool, payload: &[u8]) {
        let counter = self.counters.entry(pid).or_default();
        let stuffing = 184 - payload.len();
        let control = if stuffing > 0 { 0x30 } else { 0x10 };
        self.bytes.extend([
            0x47,
            u8::from(start) << 6 | (pid >> 8) as u8,
            pid as u8,
            control | *counter,
        ]);
        *counter = (*counter + 1) & 15;
        if stuffing > 0 {
            self.bytes.push(stuffing as u8 - 1);
            if stuffing > 1 {
                self.bytes.push(0);
                self.bytes.extend(vec![0xff; stuffing - 2]);
            }
        }
        self.bytes.extend_from_slice(payload);
    }

    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

fn stamp(prefix: u8, time: u64) -> [u8; 5] {
    let byte = |shift: u32, bits: u64| ((time >> shift & ((1 << bits) - 1)) as u8) << ((8 - bits as u32) % 8);
    [
        prefix << 4 | byte(30, 3) >> 4 | 1,
        byte(22, 8),
        byte(15, 7) | 1,
        byte(7, 8),
        byte(0, 7) | 1,
    ]
}

/// NAL units as a byte stream: the first start code has four bytes.
pub fn annex_b(nals: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![0];
    for nal in nals {
        out.extend([0, 0, 1]);
        out.extend_from_slice(nal);
    }
    out
}

/// x264's parameter sets for 320 × 180, Main, 25 frames a second.
pub const SPS: [u8; 25] = [
    0x67, 0x4d, 0x40, 0x0d, 0xec, 0xa0, 0xa0, 0xcf, 0xcf, 0x80, 0xb5, 0x01, 0x01, 0x01, 0x40, 0x00, 0x00,
    0x03, 0x00, 0x40, 0x00, 0x00, 0x0c, 0x83, 0xc5,
];
pub const PPS: [u8; 4] = [0x68, 0xef, 0xbc, 0x80];
pub const AUD: [u8; 2] = [0x09, 0xf0];

/// A slice of no meaning: its first macroblock is 0, then a type (7 = I, 5 = P, 6 = B).
pub fn slice(idr: bool, kind: u8, fill: u8, size: usize) -> Vec<u8> {
    let mut nal = vec![if idr { 0x65 } else { 0x41 }];
    // 1, then ue(type): 7 = 0001000, 5 = 00110, 6 = 00111.
    nal.push(match kind {
        7 => 0b1000_1000,
        5 => 0b1001_1000,
        _ => 0b1001_1100,
    });
    nal.extend((0..size).map(|n| {
        if n % 37 == 0 {
            fill
        } else {
            0x40 | (n as u8 & 0x3f)
        }
    }));
    nal.push(0x80);
    nal
}

/// An access unit of a keyframe.
pub fn keyframe(fill: u8) -> Vec<u8> {
    annex_b(&[&AUD, &SPS, &PPS, &slice(true, 7, fill, 500)])
}

/// An access unit of another frame.
pub fn frame(fill: u8) -> Vec<u8> {
    annex_b(&[&AUD, &slice(false, 5, fill, 300)])
}

/// A frame of AAC-LC in ADTS: 48 kHz, two channels, of no meaning.
pub fn adts(fill: u8, size: usize) -> Vec<u8> {
    adts_of(3, 2, fill, size)
}

pub fn adts_of(rate_index: u8, channels: u8, fill: u8, size: usize) -> Vec<u8> {
    let length = size + 7;
    let mut frame = vec![
        0xff,
        0xf1,
        0x40 | rate_index << 2 | channels >> 2,
        channels << 6 | (length >> 11) as u8,
        (length >> 3) as u8,
        (length << 5) as u8 | 0x1f,
        0xfc,
    ];
    frame.extend(vec![fill; size]);
    frame
}
