//! NAL units, as H.264 and H.265 share them: byte streams in, length-prefixed samples out.

/// What an access unit turned out to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct AccessUnit {
    /// Decoding can start here, and nothing after it refers to anything before it: an IDR picture, or a key frame.
    pub(crate) is_idr: bool,
    /// Decoding can start here, but pictures that are shown before it may refer to earlier ones (an open GOP).
    pub(crate) is_open_gop: bool,
    /// Other pictures may refer to it.
    pub(crate) is_reference: bool,
    /// Bytes appended.
    pub(crate) size: usize,
}

/// Appends `nal` with its length before it.
pub(super) fn append(nal: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(nal.len() as u32).to_be_bytes());
    out.extend_from_slice(nal);
}

/// Keeps a parameter set unless it is there already. A stream that has more of them than it can refer to is described by none.
pub(super) fn keep(sets: &mut Vec<Vec<u8>>, nal: &[u8]) {
    if sets.len() <= MAX_SETS && !sets.iter().any(|set| set == nal) {
        sets.push(nal.to_vec());
    }
}

/// The NAL units of an Annex B byte stream (ISO/IEC 14496-10 Annex B), without start codes and trailing zeros.
pub(super) fn nal_units(mut stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    stream = start_code(stream)
        .and_then(|(_, next)| stream.get(next..))
        .unwrap_or_default();
    std::iter::from_fn(move || {
        if stream.is_empty() {
            return None;
        }
        let (nal, rest) = match start_code(stream) {
            Some((end, next)) => (stream.get(..end)?, stream.get(next..)?),
            None => (stream, &[][..]),
        };
        stream = rest;
        let zeros = nal.iter().rev().take_while(|byte| **byte == 0).count();
        nal.get(..nal.len() - zeros)
    })
}

/// The NAL units of a sample in which lengths of `length_bytes` come before each, up to what is broken.
pub(super) fn length_prefixed(mut sample: &[u8], length_bytes: usize) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = sample.split_at_checked(length_bytes)?;
        let length = length
            .iter()
            .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        let (nal, rest) = rest.split_at_checked(length).filter(|_| length_bytes > 0)?;
        sample = rest;
        Some(nal)
    })
}

/// Where the next start code begins and ends.
fn start_code(stream: &[u8]) -> Option<(usize, usize)> {
    let mut from = 0;
    loop {
        // Looking for the rare 1 is many times faster than comparing three bytes everywhere.
        let one = from + stream.get(from..)?.iter().position(|byte| *byte == 1)?;
        if one >= 2 && stream.get(one - 2..one) == Some(&[0, 0]) {
            return Some((one - 2, one + 1));
        }
        from = one + 1;
    }
}

/// Picture parameter sets have most identifiers (ISO/IEC 14496-10 §7.4.2.2).
pub(super) const MAX_SETS: usize = 256;
