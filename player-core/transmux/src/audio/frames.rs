//! Frames in a stream of bytes.

use super::{Coding, Description, Detail, ac3, adts, mpeg};
use crate::crypt::SampleKey;
use crate::warnings::Warnings;

/// What the first bytes of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Bytes of the frame, at least one.
    pub(crate) size: usize,
    /// Bytes of them that a sample does not have.
    pub(crate) strip: usize,
    /// Samples of a channel.
    pub(crate) samples: u32,
    /// It belongs to the frame before; the number says where its channels are, if it is known.
    pub(crate) follows: Option<Option<u16>>,
    pub(crate) description: Description,
}

/// From this byte on, this is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    pub(crate) offset: usize,
    /// When the first frame that begins here is due, 90 kHz.
    pub(crate) time: Option<i64>,
    /// How often the pictures' description had changed.
    pub(crate) epoch: usize,
}

/// A sample.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Where in the bytes, and how many.
    pub(crate) offset: usize,
    pub(crate) size: usize,
    pub(crate) samples: u32,
    pub(crate) time: Option<i64>,
    pub(crate) epoch: usize,
    pub(crate) description: Description,
}

/// A frame's header, if one begins here.
pub(crate) fn header(coding: Coding, bytes: &[u8]) -> Option<Header> {
    match coding {
        Coding::Aac => adts::header(bytes),
        Coding::Ac3 | Coding::Eac3 => ac3::header(bytes),
        Coding::Mpeg => mpeg::header(bytes),
    }
}

/// As many bytes of a frame as tell what it is.
const HEADER: usize = 8;
/// Samples of an Enhanced AC-3 sample; its frames may have fewer.
const JOINED: u32 = 1536;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) frames: Vec<Frame>,
    /// Where the last frame begins that is not whole.
    pub(crate) rest: usize,
    /// ID3 tags: how many frames came before, and where they begin.
    pub(crate) tags: Vec<(usize, usize)>,
}

/// Finds the frames, and decrypts them.
pub(crate) fn find(
    coding: Coding,
    bytes: &mut [u8],
    marks: &[Mark],
    key: Option<&SampleKey>,
    warnings: &mut Warnings,
) -> Found {
    let mut found: Vec<Frame> = Vec::new();
    let mut tags = Vec::new();
    let mut marks = marks.iter().peekable();
    let (mut at, mut in_step, mut joining) = (0, false, false);
    let (mut time, mut epoch) = (None, 0);
    while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= HEADER) {
        while let Some(mark) = marks.next_if(|mark| mark.offset <= at) {
            (time, epoch) = (mark.time.or(time), mark.epoch);
        }
        let header = header(coding, rest).filter(|header| in_step || is_confirmed(coding, rest, header.size));
        let Some(header) = header else {
            if let Some(size) = tag_size(rest) {
                tags.push((found.len(), at));
                at = at.saturating_add(size).min(bytes.len());
                joining = false;
                continue;
            }
            if in_step {
                warnings.add("bytes between frames of sound were passed over");
            }
            (in_step, joining) = (false, false);
            at += 1;
            continue;
        };
        let Some(frame) = bytes.get_mut(at..at + header.size) else {
            break;
        };
        if let Some(key) = key {
            // The first sixteen bytes are always clear, and so is a header before them.
            key.decrypt_frame(frame, 16 + header.strip);
        }
        in_step = true;
        match found.last_mut().filter(|_| joining) {
            Some(last) if header.follows.is_some() || last.samples + header.samples <= JOINED => {
                last.size += header.size;
                last.samples += header.samples;
                if let Some(Some(speakers)) = header.follows {
                    ac3::add_dependent(&mut last.description, speakers);
                }
            }
            _ if header.follows.is_some() => {}
            _ => found.push(Frame {
                offset: at + header.strip,
                size: header.size - header.strip,
                samples: header.samples,
                time: time.take(),
                epoch,
                description: header.description,
            }),
        }
        joining = matches!(header.description.detail, Detail::Eac3(_));
        at += header.size;
    }
    Found {
        frames: found,
        rest: at,
        tags,
    }
}

/// Bytes of an ID3 tag, if one begins here.
pub(crate) fn tag_size(bytes: &[u8]) -> Option<usize> {
    let (header, _) = bytes.split_first_chunk::<10>()?;
    let [b'I', b'D', b'3', version, _, flags, size @ ..] = header else {
        return None;
    };
    let footer = if *version >= 4 && flags & 0x10 != 0 { 10 } else { 0 };
    let body = size
        .iter()
        .fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
    Some(10 + body + footer)
}

/// Whether another frame follows, as far as can be seen.
fn is_confirmed(coding: Coding, bytes: &[u8], size: usize) -> bool {
    match bytes.get(size..) {
        Some(next) if next.len() >= HEADER => header(coding, next).is_some(),
        _ => true,
    }
}
