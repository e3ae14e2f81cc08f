//! From a NAL unit to pairs of bytes.

use super::Codec;

/// `user_data_registered_itu_t_t35`.
const REGISTERED: usize = 4;
/// The United States, ATSC, and what it calls captions (ATSC A/53 part 4, 6.2.3).
const ATSC_CAPTIONS: [u8; 8] = [0xb5, 0x00, 0x31, b'G', b'A', b'9', b'4', 0x03];

/// Gives field (0 or 1) and two bytes, with parity, for each pair of CEA-608 that is neither invalid nor padding.
pub(super) fn read(codec: Codec, nal: &[u8], pair: &mut dyn FnMut(u8, [u8; 2])) {
    let body = match (codec, nal) {
        (Codec::Avc, [header, body @ ..]) if header & 0x1f == 6 => body,
        (Codec::Hevc, [header, _, body @ ..]) if matches!(header >> 1 & 0x3f, 39 | 40) => body,
        _ => return,
    };
    // No emulation prevention can be inside these letters: most SEI is told from captions without a copy.
    if !body.windows(4).any(|four| four == b"GA94") {
        return;
    }
    let payload = unescape(body);
    let mut rest = payload.as_slice();
    // The last byte holds the trailing bits.
    while rest.len() > 2 {
        let (kind, after) = number(rest);
        let (size, after) = number(after);
        let (message, after) = after.split_at(size.min(after.len()));
        if kind == REGISTERED {
            captions(message, pair);
        }
        rest = after;
    }
}

fn captions(message: &[u8], pair: &mut dyn FnMut(u8, [u8; 2])) {
    // Flags and count, and a byte that means nothing.
    let Some([flags, _, triples @ ..]) = message.strip_prefix(&ATSC_CAPTIONS) else {
        return;
    };
    if flags & 0x40 == 0 {
        return;
    }
    let count = usize::from(flags & 0x1f);
    for triple in triples.chunks_exact(3).take(count) {
        let [head, a, b] = *triple else { return };
        let (is_valid, kind) = (head & 4 != 0, head & 3);
        // Kinds 2 and 3 are CEA-708.
        if is_valid && kind < 2 && (a | b) & 0x7f != 0 {
            pair(kind, [a, b]);
        }
    }
}

/// A payload type or size: bytes are added up until one is not 255.
fn number(bytes: &[u8]) -> (usize, &[u8]) {
    let mut sum = 0;
    for (i, byte) in bytes.iter().enumerate() {
        sum += usize::from(*byte);
        if *byte != 0xff {
            return (sum, bytes.get(i + 1..).unwrap_or_default());
        }
    }
    (sum, &[])
}

/// Without emulation prevention bytes: the 3 of 0, 0, 3.
fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut zeros = 0;
    for byte in bytes {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(codec: Codec, nal: &[u8]) -> Vec<(u8, [u8; 2])> {
        let mut pairs = Vec::new();
        read(codec, nal, &mut |field, pair| pairs.push((field, pair)));
        pairs
    }

    /// A message of captions with these triples.
    fn message(triples: &[[u8; 3]]) -> Vec<u8> {
        let mut message = vec![4, (8 + 2 + 3 * triples.len() + 1) as u8];
        message.extend_from_slice(&ATSC_CAPTIONS);
        message.extend_from_slice(&[0xc0 | triples.len() as u8, 0xff]);
        message.extend(triples.iter().flatten());
        message.push(0xff);
        message
    }

    #[test]
    fn fields_are_told_and_what_is_invalid_or_empty_or_708_is_not() {
        let triples = [
            [0xfc, 0x94, 0x20],
            [0xfd, 0x15, 0x2c],
            [0xfc, 0x80, 0x80],
            [0xf8, 0x94, 0x20],
            [0xfe, 1, 2],
            [0xff, 1, 2],
        ];
        let expected = [(0, [0x94, 0x20]), (1, [0x15, 0x2c])];
        let message = message(&triples);
        let nal = |header: &[u8]| [header, message.as_slice(), &[0x80]].concat();
        assert_eq!(pairs(Codec::Avc, &nal(&[0x06])), expected);
        assert_eq!(pairs(Codec::Hevc, &nal(&[0x4e, 1])), expected);
        assert_eq!(pairs(Codec::Hevc, &nal(&[0x50, 1])), expected);
        assert_eq!(pairs(Codec::Avc, &nal(&[0x65])), []);
        assert_eq!(pairs(Codec::Hevc, &nal(&[0x06])), []);
    }

    #[test]
    fn other_messages_are_passed_over_and_several_read() {
        let other = [5, 0xff, 1].into_iter().chain([0; 256]);
        let captions = message(&[[0xfc, 0xc1, 0xc2]]);
        let mut directv = captions.clone();
        directv[4] = 0x2f;
        let nal: Vec<u8> = [6]
            .into_iter()
            .chain(other)
            .chain(directv)
            .chain(captions.clone())
            .chain(captions)
            .chain([0x80])
            .collect();
        assert_eq!(pairs(Codec::Avc, &nal), [(0, [0xc1, 0xc2]), (0, [0xc1, 0xc2])]);
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        let mut nal = vec![6, 5, 3, 0, 0, 3, 1];
        nal.extend(message(&[[0xfc, 0xc1, 0xc2]]));
        assert_eq!(pairs(Codec::Avc, &nal), [(0, [0xc1, 0xc2])]);
        assert_eq!(unescape(&[0, 0, 3, 0, 0, 3, 3, 0, 3]), [0, 0, 0, 0, 3, 0, 3]);
    }

    #[test]
    fn what_breaks_off_gives_what_is_whole() {
        let nal = [&[6][..], &message(&[[0xfc, 0xc1, 0xc2], [0xfc, 0xc3, 0xc4]])].concat();
        assert_eq!(pairs(Codec::Avc, &nal[..nal.len() - 2]), [(0, [0xc1, 0xc2])]);
        for length in 0..nal.len() {
            assert!(pairs(Codec::Avc, &nal[..length]).len() <= 2);
        }
    }
}
