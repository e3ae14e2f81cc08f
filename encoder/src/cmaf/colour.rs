//! Colour as coded video describes it: code points (ISO/IEC 23091-2), the mastering display and the content's light.

use ffmpeg_next::ffi::{AVColorPrimaries, AVColorSpace, AVColorTransferCharacteristic};
use ffmpeg_next::format::stream::Stream;
use ffmpeg_next::util::color;
use ffmpeg_next::{codec, frame};
use serde::{Deserialize, Serialize};

use super::entry::boxed;

/// What the numbers of a picture mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Colour {
    /// Code point of ISO/IEC 23091-2; 2 when it is not known, here and in the next two.
    pub(crate) primaries: u8,
    pub(crate) transfer: u8,
    pub(crate) matrix: u8,
    pub(crate) full_range: bool,
    pub(crate) mastering: Option<Mastering>,
    pub(crate) content_light: Option<ContentLight>,
}

/// The display that a film was mastered on (SMPTE ST 2086).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mastering {
    /// x and y of red, green, blue and white, in units of 0.00002.
    pub(crate) red: [u16; 2],
    pub(crate) green: [u16; 2],
    pub(crate) blue: [u16; 2],
    pub(crate) white: [u16; 2],
    /// In units of 0.0001 cd/m².
    pub(crate) max_luminance: u32,
    /// In units of 0.0001 cd/m².
    pub(crate) min_luminance: u32,
}

/// How bright the content is (CTA-861.3), in cd/m².
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContentLight {
    /// MaxCLL: the brightest pixel.
    pub(crate) max: u16,
    /// MaxFALL: the brightest frame's mean.
    pub(crate) max_average: u16,
}

/// HLS's VIDEO-RANGE (RFC 8216bis §4.4.6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum VideoRange {
    Hlg,
    Pq,
    Sdr,
}

impl Colour {
    pub(crate) const BT709: Self = Self {
        primaries: 1,
        transfer: 1,
        matrix: 1,
        full_range: false,
        mastering: None,
        content_light: None,
    };

    pub(crate) const UNKNOWN: Self = Self {
        primaries: UNSPECIFIED,
        transfer: UNSPECIFIED,
        matrix: UNSPECIFIED,
        ..Self::BT709
    };

    /// What a decoded frame says of itself.
    pub(crate) fn of_frame(frame: &frame::Video) -> Self {
        let side_data = |kind| frame.side_data(kind);
        let mut colour = Self::of_tags(
            frame.color_primaries(),
            frame.color_transfer_characteristic(),
            frame.color_space(),
            frame.color_range(),
        );
        colour.mastering = side_data(frame::side_data::Type::MasteringDisplayMetadata)
            .and_then(|data| Mastering::read(data.data()));
        colour.content_light = side_data(frame::side_data::Type::ContentLightLevel)
            .and_then(|data| ContentLight::read(data.data()));
        colour
    }

    /// From FFmpeg's tags, whose numbers are those of the standard.
    pub(crate) fn of_tags(
        primaries: color::Primaries,
        transfer: color::TransferCharacteristic,
        space: color::Space,
        range: color::Range,
    ) -> Self {
        Self {
            primaries: code_point(AVColorPrimaries::from(primaries) as u32),
            transfer: code_point(AVColorTransferCharacteristic::from(transfer) as u32),
            matrix: match AVColorSpace::from(space) as u32 {
                // RGB's own "matrix" is 0.
                0 => 0,
                other => code_point(other),
            },
            full_range: range == color::Range::JPEG,
            mastering: None,
            content_light: None,
        }
    }

    /// What the container says of how HDR was mastered.
    pub(crate) fn of_stream(stream: &Stream<'_>) -> Self {
        use codec::packet::side_data::Type;
        let mut colour = Self::UNKNOWN;
        for data in stream.side_data() {
            match data.kind() {
                Type::MasteringDisplayMetadata => colour.mastering = Mastering::read(data.data()),
                Type::ContentLightLevel => colour.content_light = ContentLight::read(data.data()),
                _ => {}
            }
        }
        colour
    }

    /// With how HDR was mastered from `other`, where this does not say it.
    pub(crate) fn or_mastered_as(self, other: &Self) -> Self {
        Self {
            mastering: self.mastering.or(other.mastering),
            content_light: self.content_light.or(other.content_light),
            ..self
        }
    }

    /// From the boxes `colr`, `mdcv` and `clli` among a sample entry's children.
    pub(crate) fn of_boxes<'a>(children: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Self {
        let mut colour = Self::UNKNOWN;
        for (kind, payload) in children {
            match (kind, payload) {
                (
                    b"colr",
                    [
                        b'n',
                        b'c',
                        b'l',
                        b'x',
                        _,
                        primaries,
                        _,
                        transfer,
                        _,
                        matrix,
                        range,
                        ..,
                    ],
                ) => {
                    (colour.primaries, colour.transfer, colour.matrix) = (*primaries, *transfer, *matrix);
                    colour.full_range = range & 0x80 != 0;
                }
                (b"mdcv", _) => colour.mastering = Mastering::of_box(payload),
                (b"clli", [a, b, c, d, ..]) => {
                    colour.content_light = Some(ContentLight {
                        max: u16::from_be_bytes([*a, *b]),
                        max_average: u16::from_be_bytes([*c, *d]),
                    });
                }
                _ => {}
            }
        }
        colour
    }

    /// Of frames on their way to an encoder: SDR has no use for how HDR was mastered.
    pub(crate) fn as_encoded(self) -> Self {
        match self.is_hdr() {
            true => self,
            false => Self {
                mastering: None,
                content_light: None,
                ..self
            },
        }
    }

    pub(crate) fn video_range(&self) -> VideoRange {
        match self.transfer {
            TRANSFER_PQ => VideoRange::Pq,
            TRANSFER_HLG => VideoRange::Hlg,
            _ => VideoRange::Sdr,
        }
    }

    pub(crate) fn is_hdr(&self) -> bool {
        self.video_range() != VideoRange::Sdr
    }

    /// Whether the primaries, the transfer and the matrix are all unknown.
    pub(crate) fn is_unknown(&self) -> bool {
        [self.primaries, self.transfer, self.matrix] == [UNSPECIFIED; 3]
    }

    /// Whether it is what codec strings stand for that say nothing of colour.
    pub(crate) fn is_plain(&self) -> bool {
        let plain = [1, UNSPECIFIED];
        plain.contains(&self.primaries)
            && plain.contains(&self.transfer)
            && plain.contains(&self.matrix)
            && !self.full_range
    }

    /// Appends `colr`, `clli` and `mdcv`, those that there is something to say in.
    pub(super) fn append_boxes(&self, out: &mut Vec<u8>) {
        if !self.is_unknown() || self.full_range {
            boxed(b"colr", out, |out| {
                out.extend_from_slice(b"nclx");
                for code in [self.primaries, self.transfer, self.matrix] {
                    out.extend_from_slice(&u16::from(code).to_be_bytes());
                }
                out.push(u8::from(self.full_range) << 7);
            });
        }
        if let Some(light) = &self.content_light {
            boxed(b"clli", out, |out| {
                out.extend_from_slice(&light.max.to_be_bytes());
                out.extend_from_slice(&light.max_average.to_be_bytes());
            });
        }
        if let Some(display) = &self.mastering {
            boxed(b"mdcv", out, |out| {
                for number in [display.green, display.blue, display.red, display.white].as_flattened() {
                    out.extend_from_slice(&number.to_be_bytes());
                }
                out.extend_from_slice(&display.max_luminance.to_be_bytes());
                out.extend_from_slice(&display.min_luminance.to_be_bytes());
            });
        }
    }
}

impl VideoRange {
    /// As HLS writes it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hlg => "HLG",
            Self::Pq => "PQ",
            Self::Sdr => "SDR",
        }
    }
}

impl Mastering {
    /// Reads FFmpeg's `AVMasteringDisplayMetadata`: ten fractions (red, green, blue, white, least and most luminance)
    /// and whether the first eight and the last two are set.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let numbers: Vec<i32> = data
            .chunks_exact(4)
            .filter_map(|bytes| Some(i32::from_ne_bytes(bytes.try_into().ok()?)))
            .collect();
        let fraction = |index: usize, unit: f64| {
            let (num, den) = (*numbers.get(index * 2)?, *numbers.get(index * 2 + 1)?);
            (num >= 0 && den > 0).then(|| (f64::from(num) / f64::from(den) * unit).round())
        };
        if numbers.get(20..22)? != [1, 1] {
            return None;
        }
        let point = |index: usize| {
            Some([
                fraction(index, CHROMATICITY_UNITS)? as u16,
                fraction(index + 1, CHROMATICITY_UNITS)? as u16,
            ])
        };
        Some(Self {
            red: point(0)?,
            green: point(2)?,
            blue: point(4)?,
            white: point(6)?,
            min_luminance: fraction(8, LUMINANCE_UNITS)? as u32,
            max_luminance: fraction(9, LUMINANCE_UNITS)? as u32,
        })
    }

    fn of_box(payload: &[u8]) -> Option<Self> {
        let point = |index: usize| {
            let bytes = payload.get(index * 4..index * 4 + 4)?;
            let [a, b, c, d] = <[u8; 4]>::try_from(bytes).ok()?;
            Some([u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])])
        };
        let number = |at: usize| Some(u32::from_be_bytes(payload.get(at..at + 4)?.try_into().ok()?));
        Some(Self {
            green: point(0)?,
            blue: point(1)?,
            red: point(2)?,
            white: point(3)?,
            max_luminance: number(16)?,
            min_luminance: number(20)?,
        })
    }
}

impl ContentLight {
    /// Reads FFmpeg's `AVContentLightMetadata`.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let number = |at: usize| Some(u32::from_ne_bytes(data.get(at..at + 4)?.try_into().ok()?));
        let light = Self {
            max: number(0)?.try_into().ok()?,
            max_average: number(4)?.try_into().ok()?,
        };
        // 0 says that it is not known.
        (light.max > 0).then_some(light)
    }
}

fn code_point(value: u32) -> u8 {
    match u8::try_from(value) {
        Ok(0) | Err(_) => UNSPECIFIED,
        Ok(code) => code,
    }
}

const UNSPECIFIED: u8 = 2;
const TRANSFER_PQ: u8 = 16;
const TRANSFER_HLG: u8 = 18;
const CHROMATICITY_UNITS: f64 = 50_000.0;
const LUMINANCE_UNITS: f64 = 10_000.0;

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::entry::children;
    use super::*;

    /// HDR10 on a P3 display of 1000 cd/m².
    pub(crate) const HDR10: Colour = Colour {
        primaries: 9,
        transfer: 16,
        matrix: 9,
        full_range: false,
        mastering: Some(Mastering {
            red: [34_000, 16_000],
            green: [13_250, 34_500],
            blue: [7_500, 3_000],
            white: [15_635, 16_450],
            max_luminance: 10_000_000,
            min_luminance: 1,
        }),
        content_light: Some(ContentLight {
            max: 1000,
            max_average: 400,
        }),
    };

    #[test]
    fn boxes_are_read_back() {
        for colour in [HDR10, Colour::BT709, Colour::UNKNOWN] {
            let mut bytes = Vec::new();
            colour.append_boxes(&mut bytes);
            assert_eq!(Colour::of_boxes(children(&bytes)), colour);
        }
        let mut bytes = Vec::new();
        HDR10.append_boxes(&mut bytes);
        let kinds: Vec<_> = children(&bytes)
            .map(|(kind, payload)| (kind, payload.len()))
            .collect();
        assert_eq!(kinds, [(&b"colr"[..], 11), (&b"clli"[..], 4), (&b"mdcv"[..], 24)]);
    }

    #[test]
    fn the_range_follows_the_transfer() {
        assert_eq!(HDR10.video_range().name(), "PQ");
        let hlg = Colour {
            transfer: 18,
            ..HDR10
        };
        assert_eq!(hlg.video_range(), VideoRange::Hlg);
        assert!(!Colour::UNKNOWN.is_hdr() && Colour::UNKNOWN.is_plain() && !HDR10.is_plain());
    }

    #[test]
    fn ffmpegs_side_data_is_read() {
        let fractions = [
            (34_000, 50_000),
            (16_000, 50_000),
            (265, 1000),
            (69, 100),
            (15, 100),
            (6, 100),
            (3127, 10_000),
            (329, 1000),
            (1, 10_000),
            (1000, 1),
        ];
        let mut data: Vec<u8> = fractions
            .iter()
            .flat_map(|(num, den): &(i32, i32)| [num.to_ne_bytes(), den.to_ne_bytes()].concat())
            .collect();
        assert_eq!(Mastering::read(&data), None, "whether it is set is missing");
        data.extend([1_i32.to_ne_bytes(), 1_i32.to_ne_bytes()].concat());
        assert_eq!(Mastering::read(&data), HDR10.mastering);
        let light = [1000_u32.to_ne_bytes(), 400_u32.to_ne_bytes()].concat();
        assert_eq!(ContentLight::read(&light), HDR10.content_light);
        assert_eq!(ContentLight::read(&[0; 8]), None);
    }

    #[test]
    fn ffmpegs_tags_are_the_standards_numbers() {
        let colour = Colour::of_tags(
            color::Primaries::BT2020,
            color::TransferCharacteristic::SMPTE2084,
            color::Space::BT2020NCL,
            color::Range::MPEG,
        );
        assert_eq!((colour.primaries, colour.transfer, colour.matrix), (9, 16, 9));
        let none = Colour::of_tags(
            color::Primaries::Unspecified,
            color::TransferCharacteristic::Unspecified,
            color::Space::Unspecified,
            color::Range::Unspecified,
        );
        assert_eq!(none, Colour::UNKNOWN);
    }
}
