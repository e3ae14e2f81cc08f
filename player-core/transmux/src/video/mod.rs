//! Pictures: NAL units become samples, parameter sets a description.

pub(crate) mod access;
pub(crate) mod avc;
pub(crate) mod hevc;
pub(crate) mod sets;
pub(crate) mod timing;
mod vui;

pub(crate) use vui::Colours;
use vui::Vui;

/// Ticks a second of pictures: that of the timestamps in a transport stream.
pub(crate) const TIMESCALE: u32 = 90_000;

/// How pictures are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Avc,
    Hevc,
}

/// What a sequence parameter set says of pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    /// Pixels that are shown.
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Width and height of a pixel, if it is not square.
    pub(crate) pixel: Option<(u16, u16)>,
    pub(crate) colours: Option<Colours>,
    /// How long a picture lasts, ticks.
    pub(crate) ticks: Option<u32>,
}

impl Picture {
    fn new(width: u32, height: u32, vui: &Vui, clock: Option<(u64, u32)>) -> Option<Self> {
        let side = |n: u32| u16::try_from(n).ok().filter(|n| *n > 0);
        // Of a second down to a frame in 10 s.
        let ticks = clock.map(|(units, scale)| units * u64::from(TIMESCALE) / u64::from(scale));
        Some(Self {
            width: side(width)?,
            height: side(height)?,
            pixel: vui.pixel,
            colours: vui.colours,
            ticks: ticks
                .filter(|ticks| (90..=900_000).contains(ticks))
                .map(|ticks| ticks as u32),
        })
    }
}

/// All that an initialization section says of pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    pub(crate) coding: Coding,
    pub(crate) picture: Picture,
    /// The box `avcC` or `hvcC` without its header.
    pub(crate) configuration: Vec<u8>,
    /// As in RFC 6381.
    pub(crate) codec: String,
}

fn push_hex(text: &mut String, byte: u8, lower: bool) {
    let digits = if lower {
        b"0123456789abcdef"
    } else {
        b"0123456789ABCDEF"
    };
    text.push(char::from(digits[usize::from(byte >> 4)]));
    text.push(char::from(digits[usize::from(byte & 15)]));
}
