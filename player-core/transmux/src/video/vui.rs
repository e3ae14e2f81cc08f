//! What AVC and HEVC say of pictures alike: shape of a pixel, colours, clock (ITU-T H.264, E.1; H.265, E.2).

use crate::bits::Bits;

/// Colours as in a `colr` box of type `nclx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colours {
    pub(crate) primaries: u8,
    pub(crate) transfer: u8,
    pub(crate) matrix: u8,
    pub(crate) full_range: bool,
}

/// The start of the video usability information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vui {
    /// Width and height of a pixel, if it is not square.
    pub(crate) pixel: Option<(u16, u16)>,
    pub(crate) colours: Option<Colours>,
    /// Units in a tick, ticks a second.
    pub(crate) clock: Option<(u32, u32)>,
}

/// Shapes by `aspect_ratio_idc` 1 to 16.
const PIXELS: [(u16, u16); 16] = [
    (1, 1),
    (12, 11),
    (10, 11),
    (16, 11),
    (40, 33),
    (24, 11),
    (20, 11),
    (32, 11),
    (80, 33),
    (18, 11),
    (15, 11),
    (64, 33),
    (160, 99),
    (4, 3),
    (3, 2),
    (2, 1),
];

impl Vui {
    /// Reads as far as both have it alike: past `chroma_loc_info`.
    pub(crate) fn common(bits: &mut Bits<'_>) -> Option<Self> {
        let mut vui = Self::default();
        if bits.bit()? {
            let pixel = match bits.byte()? {
                255 => Some((bits.take(16)? as u16, bits.take(16)? as u16)),
                idc => PIXELS.get(usize::from(idc).wrapping_sub(1)).copied(),
            };
            vui.pixel = pixel.filter(|(width, height)| *width > 0 && *height > 0 && width != height);
        }
        if bits.bit()? {
            bits.skip(1)?;
        }
        if bits.bit()? {
            bits.skip(3)?;
            let full_range = bits.bit()?;
            if bits.bit()? {
                vui.colours = Some(Colours {
                    primaries: bits.byte()?,
                    transfer: bits.byte()?,
                    matrix: bits.byte()?,
                    full_range,
                });
            }
        }
        if bits.bit()? {
            bits.ue()?;
            bits.ue()?;
        }
        Some(vui)
    }

    pub(crate) fn read_clock(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        if bits.bit()? {
            let (units, scale) = (bits.take(32)?, bits.take(32)?);
            self.clock = (units > 0 && scale > 0).then_some((units, scale));
        }
        Some(())
    }
}
