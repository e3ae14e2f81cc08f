//! Packets of 188 bytes, and the PES packets in them (ISO/IEC 13818-1 §2.4.3).

use std::collections::BTreeMap;

/// Writes packets and counts them.
#[derive(Clone, Debug, Default)]
pub(super) struct Packets {
    counters: BTreeMap<u16, u8>,
}

/// A PES packet's header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pes {
    pub(super) pid: u16,
    pub(super) stream_id: u8,
    /// Ticks of 90 kHz, of which 33 bits are written.
    pub(super) pts: u64,
    /// Ticks of 90 kHz.
    pub(super) dts: u64,
    /// The clock when its first byte arrives, in ticks of 90 kHz.
    pub(super) clock: Option<u64>,
    /// Decoding can start here.
    pub(super) is_random_access: bool,
    /// It states no length, as only pictures may.
    pub(super) is_unbounded: bool,
}

pub(super) const PACKET_BYTES: usize = 188;
const HEADER_BYTES: usize = 4;
const PAYLOAD_BYTES: usize = PACKET_BYTES - HEADER_BYTES;
const STUFFING: u8 = 0xff;

impl Packets {
    /// A section that fits one packet, whose rest is stuffed.
    pub(super) fn write_section(&mut self, pid: u16, section: &[u8], out: &mut Vec<u8>) {
        self.write_header(pid, true, false, out);
        out.push(0);
        let section = section.get(..PAYLOAD_BYTES - 1).unwrap_or(section);
        out.extend_from_slice(section);
        out.extend(std::iter::repeat_n(STUFFING, PAYLOAD_BYTES - 1 - section.len()));
    }

    /// A PES packet in as many packets as it takes.
    pub(super) fn write_pes(&mut self, pes: &Pes, payload: &[u8], out: &mut Vec<u8>) {
        let header = pes.header(payload.len());
        let mut rest = (header.as_slice(), payload);
        let mut adaptation = pes.adaptation();
        let mut is_first = true;
        while !rest.0.is_empty() || !rest.1.is_empty() {
            let left = rest.0.len() + rest.1.len();
            let room = PAYLOAD_BYTES - adaptation.as_ref().map_or(0, |fields| fields.len() + 1);
            // Only an adaptation field can be stuffed; one byte of it is the length alone.
            if let Some(missing) = room.checked_sub(left).filter(|missing| *missing > 0) {
                adaptation = Some(match adaptation {
                    Some(mut fields) => {
                        fields.extend(std::iter::repeat_n(STUFFING, missing));
                        fields
                    }
                    None if missing == 1 => Vec::new(),
                    None => {
                        let mut fields = vec![0];
                        fields.extend(std::iter::repeat_n(STUFFING, missing - 2));
                        fields
                    }
                });
            }
            self.write_header(pes.pid, is_first, adaptation.is_some(), out);
            let mut space = PAYLOAD_BYTES;
            if let Some(fields) = adaptation.take() {
                out.push(fields.len() as u8);
                out.extend_from_slice(&fields);
                space -= fields.len() + 1;
            }
            for part in [&mut rest.0, &mut rest.1] {
                let (now, later) = part.split_at(space.min(part.len()));
                out.extend_from_slice(now);
                space -= now.len();
                *part = later;
            }
            is_first = false;
        }
    }

    fn write_header(&mut self, pid: u16, is_start: bool, has_adaptation: bool, out: &mut Vec<u8>) {
        let counter = self.counters.entry(pid).or_default();
        let [high, low] = (pid | if is_start { 0x4000 } else { 0 }).to_be_bytes();
        let control = if has_adaptation { 0x30 } else { 0x10 };
        out.extend([0x47, high, low, control | *counter]);
        *counter = (*counter + 1) & 0x0f;
    }
}

impl Pes {
    /// §2.4.3.6.
    fn header(&self, payload_bytes: usize) -> Vec<u8> {
        const DATA_ALIGNMENT: u8 = 0x84;
        let mut fields = Vec::new();
        if self.dts == self.pts {
            timestamp(2, self.pts, &mut fields);
        } else {
            timestamp(3, self.pts, &mut fields);
            timestamp(1, self.dts, &mut fields);
        }
        let flags = if self.dts == self.pts { 0x80 } else { 0xc0 };
        let length = payload_bytes + fields.len() + 3;
        let length = u16::try_from(length)
            .ok()
            .filter(|_| !self.is_unbounded)
            .unwrap_or(0);
        let mut header = vec![0, 0, 1, self.stream_id];
        header.extend(length.to_be_bytes());
        header.extend([DATA_ALIGNMENT, flags, fields.len() as u8]);
        header.extend(fields);
        header
    }

    /// The adaptation field of its first packet, without the length (§2.4.3.4).
    fn adaptation(&self) -> Option<Vec<u8>> {
        const RANDOM_ACCESS: u8 = 0x40;
        const CLOCK: u8 = 0x10;
        let random_access = if self.is_random_access { RANDOM_ACCESS } else { 0 };
        match self.clock {
            Some(clock) => {
                let mut fields = vec![random_access | CLOCK];
                // 33 bits of 90 kHz, six reserved, nine of 27 MHz.
                let bits = (clock & TIMESTAMP_MASK) << 15 | 0x7e00;
                fields.extend_from_slice(bits.to_be_bytes().get(2..).unwrap_or_default());
                Some(fields)
            }
            None => self.is_random_access.then(|| vec![random_access]),
        }
    }
}

const TIMESTAMP_MASK: u64 = (1 << 33) - 1;

fn timestamp(prefix: u8, ticks: u64, out: &mut Vec<u8>) {
    let ticks = ticks & TIMESTAMP_MASK;
    let part = |shift: u32| ((ticks >> shift) << 1) as u8 | 1;
    out.push(prefix << 4 | (part(30) & 0x0f));
    out.extend([(ticks >> 22) as u8, part(15), (ticks >> 7) as u8, part(0)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pes(clock: Option<u64>) -> Pes {
        Pes {
            pid: 0x101,
            stream_id: 0xe0,
            pts: (1 << 33) + 1,
            dts: (1 << 33) - 1,
            clock,
            is_random_access: clock.is_some(),
            is_unbounded: true,
        }
    }

    #[test]
    fn every_length_fills_whole_packets() {
        for clock in [None, Some(9)] {
            for length in 0..600 {
                let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
                let (mut packets, mut out) = (Packets::default(), Vec::new());
                packets.write_pes(&pes(clock), &payload, &mut out);
                assert_eq!(out.len() % PACKET_BYTES, 0, "{length}");
                let mut read = Vec::new();
                for (number, packet) in out.chunks(PACKET_BYTES).enumerate() {
                    assert_eq!((packet[0], packet[3] & 0x0f), (0x47, number as u8));
                    assert_eq!(packet[1] & 0x40 != 0, number == 0);
                    let skipped = if packet[3] & 0x20 == 0 {
                        0
                    } else {
                        usize::from(packet[4]) + 1
                    };
                    read.extend_from_slice(&packet[4 + skipped..]);
                }
                assert_eq!(read[19..], payload, "{length}");
            }
        }
    }

    #[test]
    fn timestamps_wrap_at_33_bits() {
        let header = pes(None).header(0);
        assert_eq!(header[6..9], [0x84, 0xc0, 10]);
        assert_eq!(header[9..14], [0x31, 0, 1, 0, 3]);
        assert_eq!(header[14..], [0x1f, 0xff, 0xff, 0xff, 0xff]);
        let clock = pes(Some((1 << 33) - 2)).adaptation();
        assert_eq!(clock, Some(vec![0x50, 0xff, 0xff, 0xff, 0xff, 0x7e, 0]));
    }
}
