//! Codecs as in RFC 6381, from sample descriptions (ISO/IEC 14496-12, 8.5.2).

use crate::media::boxes::{Cursor, find};

/// The codec of the first sample entry.
pub(super) fn codec(stsd: &[u8]) -> Option<String> {
    let entries = stsd.get(8..)?;
    let mut cursor = Cursor(entries);
    let size = cursor.u32()? as usize;
    let format = cursor.take::<4>()?;
    let entry = entries.get(8..size)?;
    let configuration = |kind| children(entry).into_iter().find_map(|inside| find(inside, kind));
    // The original one of an encrypted track (ISO/IEC 23001-7, 4.1).
    let format = match &format {
        b"encv" | b"enca" => configuration(b"sinf")
            .and_then(|sinf| find(sinf, b"frma"))
            .and_then(|frma| Cursor(frma).take::<4>())
            .unwrap_or(format),
        _ => format,
    };
    let mut name = String::from_utf8_lossy(&format).into_owned();
    // Where its configuration is cut short, the name alone is as much as there is to say.
    let detail = match &format {
        b"avc1" | b"avc3" | b"avc2" | b"avc4" => configuration(b"avcC").and_then(avc),
        b"hvc1" | b"hev1" => configuration(b"hvcC").and_then(hevc),
        b"dvh1" | b"dvhe" | b"dva1" | b"dvav" | b"dav1" => configuration(b"dvcC")
            .or_else(|| configuration(b"dvvC"))
            .and_then(dolby_vision),
        b"vp08" | b"vp09" => configuration(b"vpcC").and_then(vp),
        b"av01" => configuration(b"av1C").and_then(av1),
        b"mp4a" => configuration(b"esds").and_then(esds),
        _ => None,
    };
    name.push_str(&detail.unwrap_or_default());
    Some(name)
}

/// Where the boxes of an entry may begin: after the fields of pictures, of sound (in QuickTime's versions 0, 1 and 2).
pub(super) fn children(entry: &[u8]) -> [&[u8]; 4] {
    [78, 28, 44, 64].map(|fields| entry.get(fields..).unwrap_or_default())
}

/// `.` and profile, compatibility, level (ISO/IEC 14496-15, annex E).
fn avc(body: &[u8]) -> Option<String> {
    let mut name = String::from(".");
    for byte in body.get(1..4)? {
        hex(&mut name, u32::from(*byte), 2);
    }
    Some(name)
}

fn hevc(body: &[u8]) -> Option<String> {
    let mut body = Cursor(body);
    let [_, profile] = body.take()?;
    let compatibility = body.u32()?;
    let constraints = body.take::<6>()?;
    let level = body.u8()?;
    let mut name = String::from(".");
    if let Some(space) = [None, Some('A'), Some('B'), Some('C')][usize::from(profile >> 6)] {
        name.push(space);
    }
    decimal(&mut name, profile & 31, 1);
    name.push('.');
    hex(&mut name, compatibility.reverse_bits(), 1);
    name.push_str(if profile & 32 == 0 { ".L" } else { ".H" });
    decimal(&mut name, level, 1);
    let used = constraints
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    for byte in constraints.iter().take(used) {
        name.push('.');
        hex(&mut name, u32::from(*byte), 1);
    }
    Some(name)
}

/// Profile and level (*Dolby Vision Streams within the ISO Base Media File Format*, 3).
fn dolby_vision(body: &[u8]) -> Option<String> {
    let [_, _, high, low] = Cursor(body).take()?;
    let bits = u16::from_be_bytes([high, low]);
    let mut name = String::new();
    for part in [bits >> 9, bits >> 3 & 63] {
        name.push('.');
        decimal(&mut name, part as u8, 2);
    }
    Some(name)
}

/// Profile, level, bit depth (*VP Codec ISO Media File Format Binding*).
fn vp(body: &[u8]) -> Option<String> {
    let [_, _, _, _, profile, level, depth] = Cursor(body).take()?;
    let mut name = String::new();
    for part in [profile, level, depth >> 4] {
        name.push('.');
        decimal(&mut name, part, 2);
    }
    Some(name)
}

/// Profile, level and tier, bit depth (*AV1 Codec ISO Media File Format Binding*, 5).
fn av1(body: &[u8]) -> Option<String> {
    let [_, profile, flags] = Cursor(body).take()?;
    let mut name = String::from(".");
    decimal(&mut name, profile >> 5, 1);
    name.push('.');
    decimal(&mut name, profile & 31, 2);
    name.push_str(if flags & 0x80 == 0 { "M." } else { "H." });
    name.push_str(match flags >> 5 & 3 {
        2 => "10",
        3 => "12",
        _ => "08",
    });
    Some(name)
}

/// Object type, and of MPEG-4 audio the kind of it (ISO/IEC 14496-1, 7.2.6).
fn esds(body: &[u8]) -> Option<String> {
    let mut body = Cursor(body);
    body.full()?;
    let mut stream = Cursor(descriptor(&mut body, 3)?);
    let [_, _, flags] = stream.take()?;
    if flags & 0x80 != 0 {
        stream.slice(2)?;
    }
    if flags & 0x40 != 0 {
        let length = stream.u8()?;
        stream.slice(usize::from(length))?;
    }
    if flags & 0x20 != 0 {
        stream.slice(2)?;
    }
    let mut decoder = Cursor(descriptor(&mut stream, 4)?);
    let kind = decoder.u8()?;
    let mut name = String::from(".");
    hex(&mut name, u32::from(kind), 2);
    let specific = decoder.slice(12).and_then(|_| descriptor(&mut decoder, 5));
    if let (0x40, Some(&[first, ref rest @ ..])) = (kind, specific) {
        let object = match first >> 3 {
            // Five bits more than five bits.
            31 => 32 + ((first & 7) << 3 | rest.first()? >> 5),
            object => object,
        };
        name.push('.');
        decimal(&mut name, object, 1);
    }
    Some(name)
}

/// The body of a descriptor of this tag, which is next; as much as there is.
fn descriptor<'a>(from: &mut Cursor<'a>, tag: u8) -> Option<&'a [u8]> {
    (from.u8()? == tag).then_some(())?;
    let mut length = 0;
    for _ in 0..4 {
        let byte = from.u8()?;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte < 0x80 {
            break;
        }
    }
    from.slice(length.min(from.0.len()))
}

/// Digits of base 16, at least as many as `width`.
fn hex(into: &mut String, number: u32, width: u32) {
    let digits = (32 - number.leading_zeros()).div_ceil(4).max(width);
    for digit in (0..digits).rev() {
        into.push(char::from_digit(number >> (4 * digit) & 15, 16).unwrap_or('0'));
    }
}

/// Digits of base 10, at least as many as `width`.
fn decimal(into: &mut String, number: u8, width: u32) {
    for (place, digit) in [(100, 3), (10, 2), (1, 1)] {
        if number >= place || digit <= width {
            into.push(char::from(b'0' + number / place % 10));
        }
    }
}
