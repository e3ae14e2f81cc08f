//! VMAF predicted from what [`super::features`] compares.

use super::features::COUNT;

/// The prediction, 0 to 100; it rises with every feature.
pub(super) fn score(features: &[f32; COUNT]) -> f64 {
    let sum: f64 = features.iter().map(|f| f64::from(*f)).sum();
    (sum / COUNT as f64 * 100.0).clamp(0.0, 100.0)
}
