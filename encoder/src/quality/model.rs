//! VMAF predicted from what [`super::features`] compares.
//!
//! A sum of the features with weights that are not negative, so that it falls whenever something more is lost. They were
//! fitted by least squares to VMAF (`vmaf_v0.6.1` of FFmpeg 9) on 1,765 frames of 149 encodings by x264 (five CRFs from 17 to
//! 39, three or four sizes from the source's to a third) of eight clips: animation, two of filmed sport and one of a talking
//! head at 640×272, 1280×544 and 352×288, a screen with text, grain on a slow pan, a fast pan, and the sample clip. The
//! clips count alike.
//!
//! The error of an encoding's mean is 2.9 points (root of the mean square) on those clips, and 4.4 on a clip that the fit
//! has not seen; of single frames 3.8. It is worst on pictures that are softer than their size (6 too low) and on text that
//! does not move (4 too low, and up to 7 off). What is compared for a ladder are encodings of one film, whose errors are
//! alike.

use super::features::Features;

/// The prediction, 0 to 100. Where much moves, less is seen: `motion` is the mean change of luma to the next picture.
pub(super) fn score(features: &Features, motion: f32) -> f64 {
    let [half, quarter, eighth] = features.information.map(f64::from);
    let [fine, middle, coarse] = features.detail.map(f64::from);
    let error = 1.0 / (1.0 + f64::from(features.squared_error) / 50.0);
    let hidden = 1.0 - (-f64::from(motion) / 6.0).exp();
    let sum = 6.48 * half
        + 4.31 * quarter.powi(4)
        + 12.25 * eighth.powi(4)
        + 21.65 * fine
        + 11.17 * middle
        + 11.58 * middle.powi(4)
        + 29.14 * coarse.powi(4)
        + 32.37 * error
        + 10.54 * hidden
        - 27.66;
    sum.clamp(0.0, 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(left: f32, squared_error: f32) -> Features {
        Features {
            information: [left; 3],
            detail: [left; 3],
            squared_error,
        }
    }

    #[test]
    fn the_source_has_all_and_noise_has_nothing() {
        assert_eq!(score(&features(1.0, 0.0), 0.0), 100.0);
        assert_eq!(score(&features(0.0, 3000.0), 0.0), 0.0);
        let middle = score(&features(0.8, 20.0), 3.0);
        assert!((40.0..80.0).contains(&middle), "{middle}");
        assert!(score(&features(0.8, 20.0), 10.0) > middle);
    }
}
