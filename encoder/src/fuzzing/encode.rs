//! Settings of encoders.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use super::options::{Keyframes, check, options};
use crate::cmaf::colour::{Colour, ContentLight, Mastering};
use crate::ladder::Rung;

/// The options for a rung's encoder, where it can be encoded here.
pub fn encoder_options(
    rung: &Rung,
    preset: &str,
    (max_gop, is_regular): (u64, bool),
    is_hdr: bool,
) -> Result<Vec<(String, String)>, String> {
    rung.check()?;
    check(rung, preset)?;
    let keyframes = Keyframes { max_gop, is_regular };
    let mastering = Mastering {
        red: [34_000, 16_000],
        green: [13_250, 34_500],
        blue: [7500, 3000],
        white: [15_635, 16_450],
        max_luminance: 10_000_000,
        min_luminance: 1,
    };
    let light = ContentLight {
        max: 1000,
        max_average: 400,
    };
    let colour = Colour {
        mastering: is_hdr.then_some(mastering),
        content_light: is_hdr.then_some(light),
        ..Colour::BT709
    };
    Ok(options(rung, preset, keyframes, &colour))
}
