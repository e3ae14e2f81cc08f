//! Headers of PES packets (ISO/IEC 13818-1, 2.4.3.6).

/// More than this a header cannot be: nine bytes and what the last of them says.
const MAX_HEADER: usize = 9 + 255;

/// The times of a PES packet, 90 kHz, 33 bits each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) pts: u64,
    pub(crate) dts: u64,
}

/// A header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of it.
    pub(crate) length: usize,
    pub(crate) times: Option<Times>,
    pub(crate) scrambled: bool,
}

/// What was made of the first bytes of a PES packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Read {
    Header(Header),
    /// It goes on in the next packet.
    More,
    /// It is none.
    Wrong,
}

pub(crate) fn read(bytes: &[u8]) -> Read {
    if !bytes.starts_with(&[0, 0, 1][..bytes.len().min(3)]) {
        return Read::Wrong;
    }
    let Some(fixed) = bytes.first_chunk::<9>() else {
        return Read::More;
    };
    // Streams without the optional header: padding, program stream map and their like (2.4.3.7).
    if matches!(fixed[3], 0xbc | 0xbe | 0xbf | 0xf0 | 0xf1 | 0xf2 | 0xf8 | 0xff) {
        return Read::Wrong;
    }
    let length = 9 + usize::from(fixed[8]);
    let Some(header) = bytes.get(..length) else {
        return if bytes.len() < MAX_HEADER {
            Read::More
        } else {
            Read::Wrong
        };
    };
    let pts = if fixed[7] & 0x80 != 0 {
        stamp(&header[9..])
    } else {
        None
    };
    let dts = if fixed[7] & 0x40 != 0 && header.len() >= 14 {
        stamp(&header[14..])
    } else {
        None
    };
    Read::Header(Header {
        length,
        times: pts.map(|pts| Times {
            pts,
            dts: dts.unwrap_or(pts),
        }),
        scrambled: fixed[6] & 0x30 != 0,
    })
}

fn stamp(bytes: &[u8]) -> Option<u64> {
    let b = bytes.first_chunk::<5>()?.map(u64::from);
    Some((b[0] >> 1 & 7) << 30 | b[1] << 22 | (b[2] >> 1) << 15 | b[3] << 7 | b[4] >> 1)
}

/// Puts the header of one stream's PES packets together where it is split over packets.
#[derive(Debug, Default)]
pub(crate) struct Opening {
    head: Vec<u8>,
    waiting: bool,
}

/// What a packet's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A PES packet begins; its data do at this byte of the payload.
    Begin(Header, usize),
    /// Data of the PES packet under way.
    Data,
    /// Nothing that can be used: part of a header, or what is no PES packet.
    Nothing,
    /// A PES packet should begin, but does not.
    Wrong,
}

impl Opening {
    #[inline]
    pub(crate) fn part(&mut self, start: bool, payload: &[u8]) -> Part {
        if !start && !self.waiting {
            return Part::Data;
        }
        self.open(start, payload)
    }

    fn open(&mut self, start: bool, payload: &[u8]) -> Part {
        let before = if start { 0 } else { self.head.len() };
        let read = if before == 0 {
            read(payload)
        } else {
            self.head.extend_from_slice(payload);
            read(&self.head)
        };
        self.waiting = read == Read::More;
        if start && self.waiting {
            self.head.clear();
            self.head.extend_from_slice(payload);
        }
        match read {
            Read::Header(header) => Part::Begin(header, header.length.saturating_sub(before)),
            Read::More => Part::Nothing,
            Read::Wrong => Part::Wrong,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 20] = [
        0, 0, 1, 0xe0, 0, 0, 0x80, 0xc0, 11, 0x3f, 0xff, 0xff, 0xff, 0xfd, 0x11, 0, 1, 0, 3, 0xff,
    ];

    #[test]
    fn times_are_read() {
        let Read::Header(header) = read(&HEADER) else {
            panic!()
        };
        let times = Times {
            pts: (1 << 33) - 2,
            dts: 1,
        };
        assert_eq!((header.length, header.times), (20, Some(times)));
    }

    #[test]
    fn a_header_may_be_split_anywhere() {
        for at in 1..HEADER.len() {
            let mut opening = Opening::default();
            assert_eq!(opening.part(true, &HEADER[..at]), Part::Nothing, "{at}");
            let rest = [&HEADER[at..], &[1, 2, 3]].concat();
            let Part::Begin(header, data) = opening.part(false, &rest) else {
                panic!("{at}")
            };
            assert_eq!((header.times.map(|t| t.dts), data), (Some(1), HEADER.len() - at));
            assert_eq!(opening.part(false, &[1]), Part::Data);
        }
    }

    #[test]
    fn what_is_no_pes_packet_is_said_to_be_none() {
        assert_eq!(read(&[0, 0, 2]), Read::Wrong);
        assert_eq!(read(&[0, 0, 1, 0xbe, 0, 0, 0, 0, 0]), Read::Wrong);
        assert_eq!(read(&[]), Read::More);
    }
}
