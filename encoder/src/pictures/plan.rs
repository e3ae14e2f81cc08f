//! Which small pictures are tapped from the decode, and how.

use ffmpeg_next::{color, filter, frame};
use serde::{Deserialize, Serialize};

/// How a film is tapped: two pictures a second, small, in the colours of JPEG files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    /// Pixels across; even.
    pub(crate) width: u32,
    /// Pixels down; even.
    pub(crate) height: u32,
    /// A picture is kept, and not only judged, once in so many milliseconds.
    pub(crate) keep_ms: u64,
}

/// Milliseconds between tapped pictures. Cuts and fades are found by comparing neighbours, so they lie close.
pub(crate) const TAP_MS: u64 = 500;

impl Plan {
    /// The plan for a film of `size` square pixels as shown. Without a known length more is kept than is needed.
    pub(crate) fn new(size: (u32, u32), duration_s: Option<f64>, interval_s: Option<f64>) -> Self {
        let (width, height) = fit(size, LONG_SIDE);
        let interval_s = interval_s
            .or_else(|| duration_s.map(usual_interval_s))
            .unwrap_or(2.0);
        // Two to an interval: whatever the final interval is, each one has a picture near its middle.
        let keep_ms = (interval_s * 500.0).clamp(0.0, MAX_KEEP_MS as f64) as u64 / TAP_MS * TAP_MS;
        Self {
            width,
            height,
            keep_ms: keep_ms.max(TAP_MS),
        }
    }

    /// Says what makes a plan that was read one that cannot be tapped by.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_side = |side: u32| (SHORTEST_SIDE..=LONG_SIDE).contains(&side) && side.is_multiple_of(2);
        match is_side(self.width) && is_side(self.height) && (1..=MAX_KEEP_MS).contains(&self.keep_ms) {
            true => Ok(()),
            false => Err("pictures that cannot be tapped".to_owned()),
        }
    }

    /// Filters for an output of the graph, behind what turns the picture and makes its rate constant. A picture that comes
    /// out with time stamp n is the one on screen at n × [`TAP_MS`]. `first` is the first frame of the source.
    pub(crate) fn filters(&self, first: &frame::Video) -> String {
        let rate = 1000 / TAP_MS;
        let look = look(first, (self.width, self.height), "area");
        // No start: a worker that begins in the middle counts from the film's start all the same.
        format!("fps={rate}:round=up,{look}")
    }
}

/// Seconds between thumbnails when none are given.
pub(crate) fn usual_interval_s(duration_s: f64) -> f64 {
    match duration_s {
        short if short <= 300.0 => 2.0,
        middle if middle <= 1800.0 => 5.0,
        _ => 10.0,
    }
}

/// Filters that make a picture of `size` with the colours that JPEG files (JFIF) mean: BT.601 matrix, full range. HDR is
/// brought to what an ordinary screen shows.
pub(super) fn look(picture: &frame::Video, (width, height): (u32, u32), algorithm: &str) -> String {
    let scale = format!("scale={width}:{height}:flags={algorithm}");
    let end = "out_color_matrix=bt601:out_range=pc,format=yuvj420p,setsar=1";
    let is_hdr = matches!(
        picture.color_transfer_characteristic(),
        color::TransferCharacteristic::SMPTE2084 | color::TransferCharacteristic::ARIB_STD_B67
    );
    if is_hdr && filter::find("zscale").is_some() && filter::find("tonemap").is_some() {
        // What is not said is what HDR usually is; without it there would be nothing to convert from.
        let mut from = String::new();
        if picture.color_space() == color::Space::Unspecified {
            from += ",setparams=colorspace=bt2020nc";
        }
        if picture.color_primaries() == color::Primaries::Unspecified {
            from += ",setparams=color_primaries=bt2020";
        }
        // 203 cd/m² is the white of text and graphics in HDR (ITU-R BT.2408).
        return format!(
            "{scale}{from},zscale=transfer=linear:npl=203,format=gbrpf32le,zscale=primaries=709,\
             tonemap=mobius:desat=0,zscale=transfer=709:matrix=709:range=limited,format=yuv420p,scale={end}"
        );
    }
    format!("{scale}:{end}")
}

/// The size of a picture whose longer side is `long` at most; sides are even and not tiny.
pub(super) fn fit((width, height): (u32, u32), long: u32) -> (u32, u32) {
    let longer = f64::from(width.max(height).max(1));
    let factor = (f64::from(long) / longer).min(1.0);
    let side =
        |pixels: u32| ((f64::from(pixels) * factor / 2.0).round() as u32 * 2).clamp(SHORTEST_SIDE, long);
    (side(width), side(height))
}

/// What is tapped is twice as large as what is usually shown.
const LONG_SIDE: u32 = 320;
const SHORTEST_SIDE: u32 = 16;
const MAX_KEEP_MS: u64 = 3_600_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_the_shape_and_are_even() {
        let of = |size| {
            (
                Plan::new(size, None, None).width,
                Plan::new(size, None, None).height,
            )
        };
        assert_eq!(of((1920, 1080)), (320, 180));
        assert_eq!(of((1080, 1920)), (180, 320));
        assert_eq!(of((1920, 804)), (320, 134));
        assert_eq!(of((7680, 4320)), (320, 180));
        assert_eq!(of((100, 50)), (100, 50));
        assert_eq!(of((1, 1)), (16, 16));
        assert_eq!(of((4000, 2)), (320, 16));
    }

    #[test]
    fn two_pictures_are_kept_in_each_interval() {
        let keep = |duration_s, interval_s| Plan::new((640, 360), duration_s, interval_s).keep_ms;
        assert_eq!(keep(Some(7200.0), None), 5000);
        assert_eq!(keep(Some(600.0), None), 2500);
        assert_eq!(keep(Some(60.0), None), 1000);
        assert_eq!(keep(None, None), 1000);
        assert_eq!(keep(Some(7200.0), Some(1.0)), 500);
        assert_eq!(keep(None, Some(1e300)), 3_600_000);
    }
}
