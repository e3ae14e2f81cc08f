//! Timed metadata in ID3 tags (ID3v2.3 and 2.4), as HLS carries it.

use serde::{Deserialize, Serialize};

/// Bytes that are read.
const MAX_BYTES: usize = 1 << 20;
/// Frames that are read.
const MAX_FRAMES: usize = 256;
/// Bytes of a tag's header, and of its footer.
const HEADER: usize = 10;

/// A frame of a tag.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Frame {
    /// As `TXXX`, `PRIV`.
    pub id: String,
    /// Description (`TXXX`, `WXXX`, `COMM`, `USLT`, `APIC`, `GEOB`), owner (`PRIV`, `UFID`), or empty.
    pub description: String,
    /// Text or URL, if it is a frame of those; the MIME type of what `APIC` and `GEOB` hold. A zero parts several texts.
    pub text: String,
    /// The frame's other bytes: the language of `COMM` and `USLT`, the picture of `APIC`.
    pub data: Vec<u8>,
}

/// Bytes that are no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Id3Error {
    /// They do not begin with `ID3`.
    #[error("this is no ID3 tag")]
    Missing,
    /// The tag is longer than the bytes, or than 1 MiB.
    #[error("the ID3 tag is cut short")]
    Truncated,
    /// Neither 2.3 nor 2.4.
    #[error("the ID3 tag is of version 2.{0}")]
    Version(u8),
}

/// Reads the tags that the bytes begin with, one right behind the other: their frames (at most 256), and how many bytes they are.
/// Frames that are compressed or encrypted are left out, and what follows one that cannot be.
///
/// ```
/// use player_core::media::id3::parse;
///
/// let (frames, bytes) = parse(b"ID3\x04\0\0\0\0\0\x14TXXX\0\0\0\x0a\0\0\x03key\0valueand more")?;
/// assert_eq!((frames[0].description.as_str(), frames[0].text.as_str()), ("key", "value"));
/// assert_eq!(bytes, 30);
/// # Ok::<(), player_core::media::id3::Id3Error>(())
/// ```
///
/// # Errors
/// Why the first tag cannot be read. Those behind it end where one cannot.
pub fn parse(bytes: &[u8]) -> Result<(Vec<Frame>, usize), Id3Error> {
    let bytes = bytes.get(..MAX_BYTES).unwrap_or(bytes);
    let mut frames = Vec::new();
    let mut read = tag(bytes, &mut frames)?;
    while let Some(Ok(more)) = bytes.get(read..).map(|rest| tag(rest, &mut frames)) {
        read += more;
    }
    Ok((frames, read))
}

impl Frame {
    /// What the timestamps of packed audio begin with (RFC 8216, 3.4): 33 bits, 90 kHz.
    pub fn transport_stream_timestamp(&self) -> Option<u64> {
        let is_one = self.id == "PRIV" && self.description == "com.apple.streaming.transportStreamTimestamp";
        let time = is_one.then(|| self.data.first_chunk())?.copied();
        time.map(|time| u64::from_be_bytes(time) & 0x1_ffff_ffff)
    }
}

/// Reads a tag; how many bytes it is.
fn tag(bytes: &[u8], frames: &mut Vec<Frame>) -> Result<usize, Id3Error> {
    let Some(([b'I', b'D', b'3', major, _, flags, size @ ..], rest)) = bytes.split_first_chunk::<HEADER>()
    else {
        return Err(if bytes.starts_with(b"ID3") {
            Id3Error::Truncated
        } else {
            Id3Error::Missing
        });
    };
    if !matches!(major, 3 | 4) {
        return Err(Id3Error::Version(*major));
    }
    let is_new = *major == 4;
    let size = number(*size, true) as usize;
    let body = rest.get(..size).ok_or(Id3Error::Truncated)?;
    let footer = if is_new && flags & 0x10 != 0 { HEADER } else { 0 };
    let unsynchronised = flags & 0x80 != 0;
    let restored;
    let mut body = if unsynchronised && !is_new {
        restored = restore(body);
        restored.as_slice()
    } else {
        body
    };
    if flags & 0x40 != 0 {
        // The size of the extended header counts itself since 2.4.
        let skip = body
            .first_chunk()
            .map_or(0, |size| number(*size, is_new) as usize);
        let skip = if is_new { skip } else { skip.saturating_add(4) };
        body = body.get(skip..).unwrap_or_default();
    }
    while frames.len() < MAX_FRAMES {
        let Some(([i0, i1, i2, i3, s0, s1, s2, s3, _, format], rest)) = body.split_first_chunk::<HEADER>()
        else {
            break;
        };
        let id = [*i0, *i1, *i2, *i3];
        let is_name = |b: &u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        // Padding, or nothing that could be read on.
        if !id.iter().all(is_name) {
            break;
        }
        let size = number([*s0, *s1, *s2, *s3], is_new) as usize;
        let Some((content, after)) = rest.split_at_checked(size) else {
            break;
        };
        body = after;
        if let Some(content) = content_of(content, *format, is_new, unsynchronised) {
            frames.extend(frame(id, &content));
        }
    }
    // Where a footer lacks, the tag ends with the bytes.
    Ok((HEADER + size + footer).min(bytes.len()))
}

/// A size: of seven bits a byte where it is synchsafe, unless a writer did not know that.
fn number(bytes: [u8; 4], synchsafe: bool) -> u32 {
    let plain = u32::from_be_bytes(bytes);
    if synchsafe && plain & 0x8080_8080 == 0 {
        bytes.iter().fold(0, |sum, byte| sum << 7 | u32::from(*byte))
    } else {
        plain
    }
}

/// A frame's content without what its flags put before and into it; `None` if it is compressed or encrypted.
fn content_of(content: &[u8], format: u8, is_new: bool, unsynchronised: bool) -> Option<Vec<u8>> {
    let (unreadable, grouped, counted) = if is_new {
        (0x0c, 0x40, format & 1 != 0)
    } else {
        (0xc0, 0x20, false)
    };
    if format & unreadable != 0 {
        return None;
    }
    let skip = usize::from(format & grouped != 0) + 4 * usize::from(counted);
    let content = content.get(skip..)?;
    Some(if is_new && (unsynchronised || format & 2 != 0) {
        restore(content)
    } else {
        content.to_vec()
    })
}

/// Takes out the zeros that unsynchronisation has put behind bytes of ones.
fn restore(bytes: &[u8]) -> Vec<u8> {
    let mut restored = Vec::with_capacity(bytes.len());
    let mut after_ones = false;
    for byte in bytes {
        if !(after_ones && *byte == 0) {
            restored.push(*byte);
        }
        after_ones = *byte == 0xff;
    }
    restored
}

/// `None` where its fields are cut short.
fn frame(id: [u8; 4], content: &[u8]) -> Option<Frame> {
    let mut frame = Frame {
        id: String::from_utf8_lossy(&id).into_owned(),
        ..Frame::default()
    };
    const LATIN: u8 = 0;
    let rest = match &id {
        b"PRIV" | b"UFID" => {
            let (owner, data) = until_zero(content, LATIN);
            frame.description = decode(owner, LATIN);
            frame.data = data.to_vec();
            return Some(frame);
        }
        b"TXXX" | b"WXXX" | b"COMM" | b"USLT" | b"APIC" | b"GEOB" => content,
        [b'T', ..] => {
            let (encoding, text) = content.split_first()?;
            frame.text = decode(text, *encoding);
            return Some(frame);
        }
        [b'W', ..] => {
            frame.text = decode(until_zero(content, LATIN).0, LATIN);
            return Some(frame);
        }
        _ => {
            frame.data = content.to_vec();
            return Some(frame);
        }
    };
    let (encoding, mut rest) = rest.split_first()?;
    match &id {
        b"COMM" | b"USLT" => {
            let (language, after) = rest.split_first_chunk::<3>()?;
            frame.data = language.to_vec();
            rest = after;
        }
        b"APIC" | b"GEOB" => {
            let (mime, after) = until_zero(rest, LATIN);
            frame.text = decode(mime, LATIN);
            // The kind of the picture, or the name of the file.
            rest = if &id == b"APIC" {
                after.get(1..)?
            } else {
                until_zero(after, *encoding).1
            };
        }
        _ => {}
    }
    let (description, value) = until_zero(rest, *encoding);
    frame.description = decode(description, *encoding);
    match &id {
        b"APIC" | b"GEOB" => frame.data = value.to_vec(),
        b"WXXX" => frame.text = decode(until_zero(value, LATIN).0, LATIN),
        _ => frame.text = decode(value, *encoding),
    }
    Some(frame)
}

const fn is_wide(encoding: u8) -> bool {
    matches!(encoding, 1 | 2)
}

/// What comes before the first zero (of the width that the encoding has), and what comes after it.
fn until_zero(bytes: &[u8], encoding: u8) -> (&[u8], &[u8]) {
    let width = if is_wide(encoding) { 2 } else { 1 };
    let zero = bytes
        .chunks_exact(width)
        .position(|unit| unit.iter().all(|byte| *byte == 0));
    match zero.map(|unit| bytes.split_at(unit * width)) {
        Some((before, after)) => (before, after.get(width..).unwrap_or_default()),
        None => (bytes, &[]),
    }
}

/// Text in one of the four encodings, without zeros at its end.
fn decode(bytes: &[u8], encoding: u8) -> String {
    let mut text = match encoding {
        0 => bytes.iter().map(|byte| char::from(*byte)).collect(),
        1 | 2 => {
            let (little, bytes) = match bytes {
                [0xff, 0xfe, rest @ ..] => (true, rest),
                [0xfe, 0xff, rest @ ..] => (false, rest),
                // Without a mark, what most writers have.
                _ => (encoding == 1, bytes),
            };
            let units = bytes.as_chunks::<2>().0.iter();
            let units = units.map(|unit| {
                if little {
                    u16::from_le_bytes(*unit)
                } else {
                    u16::from_be_bytes(*unit)
                }
            });
            char::decode_utf16(units)
                .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        }
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    text.truncate(text.trim_end_matches('\0').len());
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn synchsafe(size: usize) -> [u8; 4] {
        [21, 14, 7, 0].map(|shift| (size >> shift & 0x7f) as u8)
    }

    fn framed(id: &str, format: u8, content: &[u8]) -> Vec<u8> {
        let mut frame = id.as_bytes().to_vec();
        frame.extend(synchsafe(content.len()));
        frame.extend([0, format]);
        frame.extend(content);
        frame
    }

    fn tagged(major: u8, flags: u8, body: &[u8]) -> Vec<u8> {
        let mut tag = vec![b'I', b'D', b'3', major, 0, flags];
        tag.extend(synchsafe(body.len()));
        tag.extend(body);
        tag
    }

    fn one(id: &str, content: &[u8]) -> Frame {
        let tag = tagged(4, 0, &framed(id, 0, content));
        let (frames, read) = parse(&tag).unwrap();
        assert_eq!((frames.len(), read), (1, tag.len()), "{id}");
        frames.into_iter().next().unwrap()
    }

    fn shown(frame: &Frame) -> (&str, &str, &[u8]) {
        (&frame.description, &frame.text, &frame.data)
    }

    #[test]
    fn kinds_of_frames() {
        assert_eq!(shown(&one("TIT2", b"\x03caf\xc3\xa9\0")), ("", "café", &[][..]));
        assert_eq!(shown(&one("TPE1", b"\x03a\0b")), ("", "a\0b", &[][..]));
        assert_eq!(shown(&one("TXXX", b"\x00k\0v\xe9")), ("k", "vé", &[][..]));
        assert_eq!(shown(&one("WOAR", b"http://h/\0x")), ("", "http://h/", &[][..]));
        assert_eq!(
            shown(&one("WXXX", b"\x03d\0http://h/")),
            ("d", "http://h/", &[][..])
        );
        assert_eq!(
            shown(&one("PRIV", b"owner\0\x01\x00\x02")),
            ("owner", "", &[1, 0, 2][..])
        );
        assert_eq!(shown(&one("COMM", b"\x00engd\0text")), ("d", "text", &b"eng"[..]));
        assert_eq!(
            shown(&one("APIC", b"\x00image/png\0\x03d\0\x89\0")),
            ("d", "image/png", &[0x89, 0][..])
        );
        assert_eq!(
            shown(&one("GEOB", b"\x00a/b\0file\0d\0\x01\x02")),
            ("d", "a/b", &[1, 2][..])
        );
        assert_eq!(shown(&one("MCDI", b"\x00\x01")), ("", "", &[0, 1][..]));
    }

    #[test]
    fn encodings() {
        assert_eq!(one("TIT2", b"\x00\xe9").text, "é");
        assert_eq!(one("TIT2", b"\x01\xff\xfe\x3d\xd8\x00\xde\0\0").text, "😀");
        assert_eq!(one("TIT2", b"\x01\xfe\xff\x00\xe9").text, "é");
        assert_eq!(one("TIT2", b"\x02\x00\xe9\xd8\x3d").text, "é\u{fffd}");
        assert_eq!(one("TIT2", b"\x09\xc3\xa9\xff").text, "é\u{fffd}");
        // A zero of two bytes begins where a unit does.
        assert_eq!(
            shown(&one("TXXX", b"\x02\x01\x00\x00\x61\0\0\0v")),
            ("Āa", "v", &[][..])
        );
    }

    #[test]
    fn timestamps_of_packed_audio() {
        let content = b"com.apple.streaming.transportStreamTimestamp\0\0\0\0\x01\0\0\0\x02";
        assert_eq!(
            one("PRIV", content).transport_stream_timestamp(),
            Some(0x1_0000_0002)
        );
        assert_eq!(one("PRIV", &content[..50]).transport_stream_timestamp(), None);
        assert_eq!(
            one("PRIV", b"o\0\0\0\0\0\0\0\0\0").transport_stream_timestamp(),
            None
        );
    }

    #[test]
    fn unsynchronisation() {
        let content = b"o\0\xff\x00\xe0\xff\x00\x00";
        let restored = [0xff, 0xe0, 0xff, 0];
        for (tag_flags, frame_flags) in [(0x80, 0), (0, 2), (0x80, 2)] {
            let tag = tagged(4, tag_flags, &framed("PRIV", frame_flags, content));
            assert_eq!(parse(&tag).unwrap().0[0].data, restored);
        }
        // In 2.3 the whole of the tag: its sizes count what it was before.
        let mut old = framed("PRIV", 0, content);
        old[7] -= 2;
        assert_eq!(parse(&tagged(3, 0x80, &old)).unwrap().0[0].data, restored);
    }

    #[test]
    fn headers_and_footers() {
        let frame = framed("TIT2", 0, b"\x03x");
        let mut new = vec![0, 0, 0, 6, 1, 0];
        new.extend(&frame);
        let mut tag = tagged(4, 0x50, &new);
        tag.extend(b"3DI\x04\0\0\0\0\0\0");
        let twice = [tag.clone(), tag.clone(), b"rest".to_vec()].concat();
        let (frames, read) = parse(&twice).unwrap();
        assert_eq!((frames.len(), read), (2, 2 * tag.len()));
        let mut old = vec![0, 0, 0, 6, 0, 0, 0, 0, 0, 0];
        old.extend(&frame);
        old.extend([0; 40]);
        assert_eq!(parse(&tagged(3, 0x40, &old)).unwrap().0[0].text, "x");
        // Data length, group.
        let new = framed("TIT2", 0x41, b"\x07\0\0\0\x02\x03x");
        assert_eq!(parse(&tagged(4, 0, &new)).unwrap().0[0].text, "x");
        for (major, format) in [(3, 0x80), (3, 0x40), (4, 8), (4, 4)] {
            let hidden = [framed("TIT2", format, b"\x03x"), framed("TIT3", 0, b"\x03y")].concat();
            let frames = parse(&tagged(major, 0, &hidden)).unwrap().0;
            assert_eq!((frames.len(), frames[0].text.as_str()), (1, "y"));
        }
    }

    #[test]
    fn sizes_that_are_not_synchsafe() {
        let mut content = vec![3];
        content.extend([b'a'; 0x80]);
        let mut frame = framed("TIT2", 0, &content);
        frame[4..8].copy_from_slice(&0x81_u32.to_be_bytes());
        assert_eq!(parse(&tagged(4, 0, &frame)).unwrap().0[0].text.len(), 0x80);
    }

    #[test]
    fn what_is_no_tag() {
        assert_eq!(parse(b""), Err(Id3Error::Missing));
        assert_eq!(parse(b"ID4\x04\0\0\0\0\0\0"), Err(Id3Error::Missing));
        assert_eq!(parse(b"ID3\x04\0\0"), Err(Id3Error::Truncated));
        assert_eq!(parse(b"ID3\x02\0\0\0\0\0\0"), Err(Id3Error::Version(2)));
        assert_eq!(parse(b"ID3\x04\0\0\0\0\0\x05abc"), Err(Id3Error::Truncated));
        assert_eq!(parse(b"ID3\x04\0\0\xff\xff\xff\xffabc"), Err(Id3Error::Truncated));
        assert_eq!(parse(b"ID3\x04\0\0\0\0\0\0"), Ok((vec![], 10)));
        // A frame that is too long, a text without an encoding.
        let cut = [framed("TIT2", 0, b""), b"TIT3\0\0\0\x7f\0\0\x03x".to_vec()].concat();
        assert_eq!(parse(&tagged(4, 0, &cut)), Ok((vec![], 10 + cut.len())));
    }

    #[test]
    fn there_is_an_end_to_frames() {
        let tag = tagged(4, 0, &framed("TIT2", 0, b"\x03x").repeat(1000));
        let (frames, read) = parse(&tag.repeat(3)).unwrap();
        assert_eq!((frames.len(), read), (MAX_FRAMES, 3 * tag.len()));
    }
}
