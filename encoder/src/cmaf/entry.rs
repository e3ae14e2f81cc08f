//! Sample entries as whole boxes (ISO/IEC 14496-12 §8.5.2), and the codec strings of RFC 6381 read back from them.

use super::colour::Colour;
use super::{aac, av1, avc, hevc, vp9};

/// How a track's samples are coded: the whole sample entry box, for example `avc1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SampleEntry {
    pub(crate) bytes: Vec<u8>,
    /// RFC 6381, for example `avc1.640028`.
    pub(crate) codecs: String,
}

/// What every video sample entry says beside its codec's configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Picture {
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Of a pixel, across to down.
    pub(crate) pixel_aspect: (u32, u32),
    pub(crate) colour: Colour,
    pub(crate) bitrate: Option<Bitrate>,
}

/// What every audio sample entry says beside its codec's configuration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sound {
    /// Samples per second.
    pub(crate) rate: u32,
    pub(crate) channels: u16,
    pub(crate) bitrate: Option<Bitrate>,
}

/// `btrt` (ISO/IEC 14496-12 §8.5.2.2): what the samples need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bitrate {
    /// The decoder's buffer in bytes.
    pub(crate) buffer_bytes: u32,
    /// In any second.
    pub(crate) max_bps: u32,
    /// Over the whole track.
    pub(crate) average_bps: u32,
}

impl Bitrate {
    /// As `btrt` has them.
    fn fields(self) -> [u32; 3] {
        [self.buffer_bytes, self.max_bps, self.average_bps]
    }
}

impl SampleEntry {
    /// Reads the codec string out of a whole sample entry box.
    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let unknown = || {
            let kind = bytes.get(4..8).unwrap_or_default();
            format!(
                "the sample entry {:?} is none that is known, or broken",
                String::from_utf8_lossy(kind)
            )
        };
        let (_, boxes) = split(&bytes).ok_or_else(unknown)?;
        // What is put at its end later must be found there.
        let filled: usize = children(boxes).map(|(_, payload)| payload.len() + 8).sum();
        if filled != boxes.len() {
            return Err(unknown());
        }
        let codecs = codec_string(&bytes).ok_or_else(unknown)?;
        Ok(Self { bytes, codecs })
    }

    /// A video sample entry around its configuration boxes.
    pub(super) fn video(
        kind: &[u8; 4],
        picture: &Picture,
        configuration: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Self, String> {
        let mut bytes = Vec::with_capacity(256);
        boxed(kind, &mut bytes, |out| {
            start_entry(out);
            out.extend_from_slice(&[0; 16]);
            out.extend_from_slice(&picture.width.to_be_bytes());
            out.extend_from_slice(&picture.height.to_be_bytes());
            // 72 dpi, one frame a sample, no name, 24 bits deep.
            out.extend_from_slice(&[0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]);
            out.extend_from_slice(&[0; 32]);
            out.extend_from_slice(&[0, 0x18, 0xff, 0xff]);
            configuration(out);
            let (across, down) = picture.pixel_aspect;
            if across != down && across > 0 && down > 0 {
                boxed(b"pasp", out, |out| {
                    out.extend_from_slice(&across.to_be_bytes());
                    out.extend_from_slice(&down.to_be_bytes());
                });
            }
            picture.colour.append_boxes(out);
            append_bitrate(picture.bitrate, out);
        });
        Self::read(bytes)
    }

    /// An audio sample entry around its configuration boxes.
    pub(super) fn audio(
        kind: &[u8; 4],
        sound: &Sound,
        configuration: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Self, String> {
        let mut bytes = Vec::with_capacity(128);
        boxed(kind, &mut bytes, |out| {
            start_entry(out);
            out.extend_from_slice(&[0; 8]);
            out.extend_from_slice(&sound.channels.to_be_bytes());
            out.extend_from_slice(&[0, 16, 0, 0, 0, 0]);
            // 16.16; what does not fit is left to the configuration.
            let rate = u16::try_from(sound.rate).unwrap_or(0);
            out.extend_from_slice(&(u32::from(rate) << 16).to_be_bytes());
            configuration(out);
            append_bitrate(sound.bitrate, out);
        });
        Self::read(bytes)
    }

    /// The box's type, such as `avc1`.
    pub(crate) fn kind(&self) -> [u8; 4] {
        let kind = self.bytes.get(4..8).and_then(|kind| kind.try_into().ok());
        kind.unwrap_or_default()
    }

    /// The boxes inside: their kinds and payloads.
    pub(crate) fn children(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let (_, children) = split(&self.bytes).unwrap_or_default();
        self::children(children)
    }

    /// As [`set_bitrate`].
    pub(crate) fn set_bitrate(&mut self, bitrate: Bitrate) {
        set_bitrate(&mut self.bytes, bitrate);
    }

    /// What a video entry says of colour.
    pub(crate) fn colour(&self) -> Colour {
        Colour::of_boxes(self.children())
    }
}

/// Puts what was measured into a whole sample entry box, encrypted or not, in place of what was expected: `btrt`, and `esds` for
/// AAC. A decoder's buffer stays as large as it was stated.
pub(crate) fn set_bitrate(entry: &mut Vec<u8>, mut bitrate: Bitrate) {
    let Some((_, boxes)) = split(entry) else { return };
    let mut at = entry.len() - boxes.len();
    let mut stated = None;
    let mut descriptor = None;
    for (kind, payload) in children(boxes) {
        let end = at + payload.len() + 8;
        match kind {
            b"btrt" => stated = stated.or(Some((at..end, payload))),
            b"esds" => descriptor = Some(at + 8..end),
            _ => {}
        }
        at = end;
    }
    if let Some(buffer) = stated.as_ref().and_then(|(_, payload)| payload.first_chunk()) {
        bitrate.buffer_bytes = bitrate.buffer_bytes.max(u32::from_be_bytes(*buffer));
    }
    let place = stated.map_or(entry.len()..entry.len(), |(place, _)| place);
    if let Some(esds) = descriptor.and_then(|range| entry.get_mut(range)) {
        aac::set_bitrate(esds, bitrate);
    }
    let mut measured = Vec::new();
    append_bitrate(Some(bitrate), &mut measured);
    entry.splice(place, measured);
    let size = (entry.len() as u32).to_be_bytes();
    if let Some(field) = entry.first_chunk_mut() {
        *field = size;
    }
}

/// Writes the box `kind` around what `fill` writes.
pub(super) fn boxed(kind: &[u8; 4], out: &mut Vec<u8>, fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(kind);
    fill(out);
    let size = (out.len() - start) as u32;
    if let Some(field) = out.get_mut(start..start + 4) {
        field.copy_from_slice(&size.to_be_bytes());
    }
}

/// The boxes in `bytes`, kinds and payloads, up to the first that is broken.
pub(super) fn children(mut bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    std::iter::from_fn(move || {
        let size = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let (kind, payload) = (bytes.get(4..8)?, bytes.get(8..size)?);
        bytes = bytes.get(size..)?;
        Some((kind, payload))
    })
}

/// The payload of a box inside the sample entry that `entry` is, header included.
pub(crate) fn child<'a>(entry: &'a [u8], wanted: &[u8; 4]) -> Result<&'a [u8], String> {
    let boxes = split(entry).map(|(_, boxes)| boxes).unwrap_or_default();
    let found = children(boxes).find(|(kind, _)| kind == wanted);
    found
        .map(|(_, payload)| payload)
        .ok_or_else(|| format!("its sample entry has no {} box", String::from_utf8_lossy(wanted)))
}

/// The codec string of a whole sample entry box.
fn codec_string(bytes: &[u8]) -> Option<String> {
    let (kind, boxes) = split(bytes)?;
    let child = |wanted: &[u8; 4]| {
        children(boxes)
            .find(|(kind, _)| kind == wanted)
            .map(|(_, payload)| payload)
    };
    let name = String::from_utf8_lossy(kind).into_owned();
    let colour = || Colour::of_boxes(children(boxes));
    match kind {
        b"avc1" | b"avc3" => avc::codec_string(&name, child(b"avcC")?),
        b"hvc1" | b"hev1" => hevc::codec_string(&name, child(b"hvcC")?),
        b"av01" => av1::codec_string(child(b"av1C")?, &colour()),
        b"vp09" => vp9::codec_string(child(b"vpcC")?),
        b"mp4a" => aac::codec_string(child(b"esds")?),
        b"Opus" => child(b"dOps").map(|_| "opus".to_owned()),
        b"fLaC" => child(b"dfLa").map(|_| "flac".to_owned()),
        b"ac-3" => child(b"dac3").map(|_| name),
        b"ec-3" => child(b"dec3").map(|_| name),
        _ => None,
    }
}

/// A sample entry's kind and the bytes of the boxes inside.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let size = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
    let kind = bytes.get(4..8)?;
    let header = match kind {
        b"avc1" | b"avc3" | b"hvc1" | b"hev1" | b"av01" | b"vp09" | b"encv" => 78,
        b"mp4a" | b"Opus" | b"fLaC" | b"ac-3" | b"ec-3" | b"enca" => 28,
        _ => 8,
    };
    (size == bytes.len()).then_some(())?;
    Some((kind, bytes.get(8 + header..)?))
}

/// Reserved bytes and the data reference, as every sample entry has them.
fn start_entry(out: &mut Vec<u8>) {
    out.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 1]);
}

fn append_bitrate(bitrate: Option<Bitrate>, out: &mut Vec<u8>) {
    if let Some(bitrate) = bitrate {
        boxed(b"btrt", out, |out| {
            for number in bitrate.fields() {
                out.extend_from_slice(&number.to_be_bytes());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn rates_change_nothing_else() {
        let entry = aac::Configuration::low_complexity(48_000, 2)
            .unwrap()
            .entry(None)
            .unwrap();
        for boxes in [&b"\0\0\0\x08btrt"[..], b"\0\0\0\x0cbtrtabcd", b""] {
            let other = b"\0\0\0\x14freeabcdefghijkl";
            let mut bytes = [&entry.bytes, boxes, other].concat();
            let size = (bytes.len() as u32).to_be_bytes();
            bytes[..4].copy_from_slice(&size);
            let bitrate = Bitrate {
                buffer_bytes: 1,
                max_bps: 2,
                average_bps: 3,
            };
            set_bitrate(&mut bytes, bitrate);
            assert_eq!(child(&bytes, b"free").unwrap(), &other[8..]);
            let read = SampleEntry::read(bytes.clone()).unwrap();
            let mut rates = read.children().filter(|(kind, _)| kind == b"btrt");
            assert!(rates.next().unwrap().1.ends_with(&[0, 0, 0, 2, 0, 0, 0, 3]));
            assert!(rates.next().is_none());
            set_bitrate(&mut bytes, bitrate);
            assert_eq!(bytes, read.bytes, "once more changes nothing");
            // What its boxes do not fill is broken.
            let mut longer = [&bytes[..], b"\0\0\0\x40"].concat();
            let size = (longer.len() as u32).to_be_bytes();
            longer[..4].copy_from_slice(&size);
            assert!(SampleEntry::read(longer).is_err());
        }
    }
}
