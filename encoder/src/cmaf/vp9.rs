//! VP9 as ISO base media files hold it (VP Codec ISO Media File Format Binding 1.0): frames and superframes as they are.

use super::bits::Bits;
use super::entry::{Picture, SampleEntry, boxed};
use super::nal::AccessUnit;

/// What is known of a stream from its last key frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Configuration {
    format: Option<Format>,
}

/// Appends a frame or superframe to `out`, noting what a key frame says in `configuration`.
pub(crate) fn append_access_unit(
    frame: &[u8],
    configuration: &mut Configuration,
    out: &mut Vec<u8>,
) -> AccessUnit {
    out.extend_from_slice(frame);
    inspect(frame, configuration)
}

/// What a sample is.
pub(crate) fn inspect(sample: &[u8], configuration: &mut Configuration) -> AccessUnit {
    let mut unit = AccessUnit {
        size: sample.len(),
        ..AccessUnit::default()
    };
    for (index, frame) in frames(sample).into_iter().enumerate() {
        let header = Header::read(frame).unwrap_or_default();
        if let Some(format) = header.key {
            configuration.format = Some(format);
            unit.is_idr |= index == 0;
        }
        unit.is_reference |= header.is_reference;
    }
    unit
}

impl Configuration {
    /// The `vp09` sample entry at `fps` frames per second; fails before a key frame was seen.
    pub(crate) fn entry(&self, picture: &Picture, fps: f64) -> Result<SampleEntry, String> {
        let format = self.format.ok_or("no VP9 key frame was found")?;
        let colour = picture.colour;
        let level = level(picture, fps);
        SampleEntry::video(b"vp09", picture, |out| {
            boxed(b"vpcC", out, |out| {
                out.extend_from_slice(&[1, 0, 0, 0]);
                let depth_and_more =
                    format.depth << 4 | format.subsampling << 1 | u8::from(colour.full_range);
                out.extend_from_slice(&[format.profile, level, depth_and_more]);
                out.extend_from_slice(&[colour.primaries, colour.transfer, colour.matrix, 0, 0]);
            });
        })
    }
}

/// The codec string with this `vpcC`, for example `vp09.02.41.10`; colour is named when it is not the usual one.
pub(super) fn codec_string(vpcc: &[u8]) -> Option<String> {
    let [
        1,
        _,
        _,
        _,
        profile,
        level,
        depth_and_more,
        primaries,
        transfer,
        matrix,
        ..,
    ] = vpcc
    else {
        return None;
    };
    let depth = depth_and_more >> 4;
    let mut text = format!("vp09.{profile:02}.{level:02}.{depth:02}");
    let is_full_range = depth_and_more & 1;
    let is_plain = [primaries, transfer, matrix]
        .into_iter()
        .all(|code| [1, 2].contains(code))
        && is_full_range == 0;
    if !is_plain {
        let subsampling = depth_and_more >> 1 & 7;
        text += &format!(".{subsampling:02}.{primaries:02}.{transfer:02}.{matrix:02}.{is_full_range:02}");
    }
    Some(text)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Format {
    profile: u8,
    depth: u8,
    /// As `vpcC` counts: 1 is 4:2:0 beside the luma, 2 is 4:2:2 and 3 is 4:4:4.
    subsampling: u8,
}

#[derive(Clone, Copy, Debug, Default)]
struct Header {
    /// Of a key frame that is shown or hidden.
    key: Option<Format>,
    is_reference: bool,
}

impl Header {
    /// Reads an uncompressed header (VP9 §6.2) up to which references it refreshes.
    fn read(frame: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(frame);
        if bits.read(2)? != 2 {
            return None;
        }
        let profile = (bits.read(1)? | bits.read(1)? << 1) as u8;
        if profile == 3 {
            bits.skip(1)?;
        }
        if bits.flag()? {
            // Shown once more.
            return Some(Self::default());
        }
        let is_key = !bits.flag()?;
        let (is_shown, is_resilient) = (bits.flag()?, bits.flag()?);
        if is_key {
            let format = Format::read(profile, &mut bits)?;
            return Some(Self {
                key: Some(format),
                is_reference: true,
            });
        }
        let is_intra_only = !is_shown && bits.flag()?;
        if !is_resilient {
            bits.skip(2)?;
        }
        if is_intra_only {
            match profile {
                0 => bits.skip(24)?,
                _ => _ = Format::read(profile, &mut bits)?,
            }
        }
        Some(Self {
            key: None,
            is_reference: bits.read(8)? != 0,
        })
    }
}

impl Format {
    fn read(profile: u8, bits: &mut Bits<'_>) -> Option<Self> {
        if bits.read(24)? != SYNC_CODE {
            return None;
        }
        let depth = match profile {
            0 | 1 => 8,
            _ if bits.flag()? => 12,
            _ => 10,
        };
        let subsampling = if bits.read(3)? == SPACE_RGB {
            SUBSAMPLING_444
        } else {
            bits.skip(1)?;
            match profile {
                1 | 3 => match (bits.flag()?, bits.flag()?) {
                    (true, false) => SUBSAMPLING_422,
                    (true, true) => SUBSAMPLING_420,
                    _ => SUBSAMPLING_444,
                },
                _ => SUBSAMPLING_420,
            }
        };
        if matches!(profile, 1 | 3) {
            bits.skip(1)?;
        }
        Some(Self {
            profile,
            depth,
            subsampling,
        })
    }
}

/// The frames of a superframe (VP9 Annex B), or the one frame that it is.
fn frames(sample: &[u8]) -> Vec<&[u8]> {
    superframe(sample).unwrap_or_else(|| vec![sample])
}

fn superframe(sample: &[u8]) -> Option<Vec<&[u8]>> {
    let marker = *sample.last()?;
    if marker & 0xe0 != 0xc0 {
        return None;
    }
    let (count, size_bytes) = (usize::from(marker & 7) + 1, usize::from(marker >> 3 & 3) + 1);
    let index_at = sample.len().checked_sub(2 + count * size_bytes)?;
    let (mut data, index) = sample.split_at_checked(index_at)?;
    let sizes = index.strip_prefix(&[marker])?;
    let mut frames = Vec::with_capacity(count);
    for size in sizes.chunks_exact(size_bytes).take(count) {
        let size = size
            .iter()
            .rev()
            .fold(0_usize, |size, byte| size << 8 | usize::from(*byte));
        let (frame, rest) = data.split_at_checked(size)?;
        frames.push(frame);
        data = rest;
    }
    Some(frames)
}

/// The lowest level that holds the picture's size, rate and bitrate (VP9 Annex A).
fn level(picture: &Picture, fps: f64) -> u8 {
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    let longer = u64::from(picture.width.max(picture.height));
    let samples_per_s = (pixels as f64 * fps) as u64;
    let kbps = picture
        .bitrate
        .map_or(0, |bitrate| u64::from(bitrate.average_bps) / 1000);
    let fits = |(_, max_samples_per_s, max_pixels, max_side, max_kbps): &(u8, u64, u64, u64, u64)| {
        samples_per_s <= *max_samples_per_s
            && pixels <= *max_pixels
            && longer <= *max_side
            && kbps <= *max_kbps
    };
    LEVELS
        .into_iter()
        .find(fits)
        .map_or(HIGHEST_LEVEL, |(level, ..)| level)
}

/// Level times ten, luma samples per second, luma samples of a picture, longest side, kbit/s.
const LEVELS: [(u8, u64, u64, u64, u64); 14] = [
    (10, 829_440, 36_864, 512, 200),
    (11, 2_764_800, 73_728, 768, 800),
    (20, 4_608_000, 122_880, 960, 1_800),
    (21, 9_216_000, 245_760, 1_344, 3_600),
    (30, 20_736_000, 552_960, 2_048, 7_200),
    (31, 36_864_000, 983_040, 2_752, 12_000),
    (40, 83_558_400, 2_228_224, 4_160, 18_000),
    (41, 160_432_128, 2_228_224, 4_160, 30_000),
    (50, 311_951_360, 8_912_896, 8_384, 60_000),
    (51, 588_251_136, 8_912_896, 8_384, 120_000),
    (52, 1_176_502_272, 8_912_896, 8_384, 180_000),
    (60, 1_176_502_272, 35_651_584, 16_832, 180_000),
    (61, 2_353_004_544, 35_651_584, 16_832, 240_000),
    (62, 4_706_009_088, 35_651_584, 16_832, 480_000),
];
const HIGHEST_LEVEL: u8 = 62;
const SYNC_CODE: u32 = 0x49_8342;
const SPACE_RGB: u32 = 7;
const SUBSAMPLING_420: u8 = 1;
const SUBSAMPLING_422: u8 = 2;
const SUBSAMPLING_444: u8 = 3;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::colour::Colour;
    use super::super::colour::tests::HDR10;
    use super::*;

    const PICTURE: Picture = Picture {
        width: 1920,
        height: 1080,
        pixel_aspect: (1, 1),
        colour: Colour::BT709,
        bitrate: None,
    };

    /// The beginning of a key frame from libvpx at 10 bits.
    const KEY: [u8; 10] = [0x92, 0x49, 0x83, 0x42, 0, 0x09, 0xf8, 0x05, 0x9b, 0x03];

    #[test]
    fn a_key_frame_tells_the_format() {
        let (mut configuration, mut out) = (Configuration::default(), Vec::new());
        assert!(configuration.entry(&PICTURE, 30.0).is_err());
        let unit = append_access_unit(&KEY, &mut configuration, &mut out);
        assert!(unit.is_idr && unit.is_reference);
        assert_eq!(out, KEY);
        assert_eq!(
            configuration.entry(&PICTURE, 30.0).unwrap().codecs,
            "vp09.02.40.10"
        );
        let hdr = Picture {
            colour: HDR10,
            ..PICTURE
        };
        let entry = configuration.entry(&hdr, 60.0).unwrap();
        assert_eq!(entry.codecs, "vp09.02.41.10.01.09.16.09.00");
        let mut bytes = entry.bytes.as_slice();
        let vp09 = <mp4_atom::Vp09 as mp4_atom::Decode>::decode(&mut bytes).unwrap();
        assert_eq!((vp09.vpcc.bit_depth, vp09.vpcc.profile), (10, 2));
        assert_eq!(vp09.vpcc.color_primaries, 9);
    }

    #[test]
    fn a_superframe_is_one_sample_of_several_frames() {
        // A hidden reference frame and a shown one that refreshes nothing; then one alone.
        let hidden = [0b1000_0100, 0b0011_1111, 0b1100_0000];
        let shown = [0b1000_0110, 0, 0];
        let index = [0xc1, 3, 3, 0xc1];
        let sample = [&hidden[..], &shown, &index].concat();
        assert_eq!(frames(&sample), [&hidden, &shown]);
        let mut configuration = Configuration::default();
        let unit = inspect(&sample, &mut configuration);
        assert!(unit.is_reference && !unit.is_idr);
        assert!(!inspect(&shown, &mut configuration).is_reference);
        let sample = [&KEY[..], &shown, &[0xc1, 10, 3, 0xc1]].concat();
        assert!(inspect(&sample, &mut configuration).is_idr);
    }

    #[test]
    fn junk_is_no_key_frame() {
        for junk in [&[][..], &[0xc9], &[0xff; 40], &[0; 4], &[0x92, 0x49]] {
            assert!(!inspect(junk, &mut Configuration::default()).is_idr);
        }
    }
}
