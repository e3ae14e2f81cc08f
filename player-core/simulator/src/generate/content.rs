//! Content for made-up networks: ten minutes in ten bitrates that such a network can tell apart.

use std::path::PathBuf;

use super::Kind;
use super::random::{Rng, hash};
use crate::Content;

const SEGMENTS: usize = 200;
const SEGMENT_MS: f64 = 3000.0;
/// Standard deviations of ln(size): between shots, between the segments of a shot, and between renditions of a segment. With
/// them a rendition's segments vary by a fifth, as those of constrained variable-rate encodings do.
const SHOT_SD: f64 = 0.18;
const SEGMENT_SD: f64 = 0.1;
const RENDITION_SD: f64 = 0.04;
/// Share of shots that end with a segment.
const SHOT_END: f64 = 0.35;
/// What a segment that is harder to encode by 1 in ln(size) would need more for the same quality beyond that, in ln(bitrate).
const HARDNESS: f64 = 0.5;

/// Bitrates and what they look like.
#[derive(Debug)]
struct Ladder {
    name: &'static str,
    bitrates_kbps: [f64; 10],
    /// Bitrate of quality 50 of 100.
    half_kbps: f64,
    /// Slope of the quality's logistic curve in ln(bitrate).
    slope: f64,
}

/// Up to 1080p, 0.24 to 5.8 Mbit/s. The curve passes within seven points of the mean VMAF of each rendition of the "Envivio"
/// table that studies of Pensieve and Comyco use (23, 63, 76, 85, 93, 100 at 300, 750, 1200, 1850, 2850, 4300 kbit/s).
const HD: Ladder = Ladder {
    name: "hd",
    bitrates_kbps: [
        235.0, 375.0, 560.0, 750.0, 1050.0, 1750.0, 2350.0, 3000.0, 4300.0, 5800.0,
    ],
    half_kbps: 637.0,
    slope: 1.63,
};

/// Up to 2160p, 0.5 to 35 Mbit/s; the curve is stretched to the wider range.
const UHD: Ladder = Ladder {
    name: "uhd",
    bitrates_kbps: [
        500.0, 1000.0, 1800.0, 3000.0, 4700.0, 7500.0, 12_000.0, 18_000.0, 26_000.0, 35_000.0,
    ],
    half_kbps: 1800.0,
    slope: 1.25,
};

/// Up to 4320p, 1.5 to 80 Mbit/s; likewise.
const UHD_2: Ladder = Ladder {
    name: "uhd-2",
    bitrates_kbps: [
        1500.0, 3000.0, 5000.0, 8000.0, 12_000.0, 18_000.0, 27_000.0, 40_000.0, 60_000.0, 80_000.0,
    ],
    half_kbps: 5000.0,
    slope: 1.25,
};

/// Content that suits a kind of network: 200 segments of 3 s in ten bitrates, of which its traces can carry some and not others.
/// Sizes vary from segment to segment and have their nominal means; `segment_vmaf` is a curve and no measurement. Always the same.
///
/// Up to 1080p (0.24 to 5.8 Mbit/s) for `3g` and `congested`, up to 2160p (0.5 to 35 Mbit/s) for `cable`, `wifi` and `lte`, up to
/// 4320p (1.5 to 80 Mbit/s) for `5g`.
pub fn content(kind: Kind) -> Content {
    let path = PathBuf::from(format!("{}.json", ladder(kind).name));
    Content::parse(&path, content_json(kind).as_bytes()).expect("every value of the table is in range")
}

/// The table of [`content`], as JSON that [`Content::read`] reads.
pub fn content_json(kind: Kind) -> String {
    let ladder = ladder(kind);
    let mut rng = Rng::of(&[hash(ladder.name)]);
    let mut hardness = Vec::with_capacity(SEGMENTS);
    let mut shot = SHOT_SD * rng.normal();
    for _ in 0..SEGMENTS {
        if rng.uniform() < SHOT_END {
            shot = SHOT_SD * rng.normal();
        }
        hardness.push(shot + SEGMENT_SD * rng.normal());
    }
    let mut bits = vec![Vec::new(); SEGMENTS];
    for kbps in ladder.bitrates_kbps {
        let sizes: Vec<f64> = hardness
            .iter()
            .map(|h| libm::exp(h + RENDITION_SD * rng.normal()))
            .collect();
        let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
        for (row, size) in bits.iter_mut().zip(sizes) {
            // Whole bytes.
            row.push((size / mean * kbps * SEGMENT_MS / 8.0).round() * 8.0);
        }
    }
    let quality = |h: f64, kbps: f64| {
        let half_kbps = ladder.half_kbps * libm::exp(HARDNESS * h);
        let quality = 100.0 / (1.0 + libm::pow(half_kbps / kbps, ladder.slope));
        (quality * 10.0).round() / 10.0
    };
    let vmaf: Vec<Vec<f64>> = hardness
        .iter()
        .map(|h| ladder.bitrates_kbps.map(|kbps| quality(*h, kbps)).to_vec())
        .collect();
    serde_json::json!({
        "segment_duration_ms": SEGMENT_MS,
        "bitrates_kbps": ladder.bitrates_kbps,
        "segment_sizes_bits": bits,
        "segment_vmaf": vmaf,
    })
    .to_string()
}

const fn ladder(kind: Kind) -> &'static Ladder {
    match kind {
        Kind::ThreeG | Kind::Congested => &HD,
        Kind::Cable | Kind::Wifi | Kind::Lte => &UHD,
        Kind::FiveG => &UHD_2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_content_with_nominal_means_and_rising_quality() {
        for kind in Kind::ALL {
            let content = content(kind);
            assert_eq!(content, super::content(kind));
            assert_eq!(content.segments().len(), SEGMENTS);
            assert!(content.has_vmaf());
            for (rung, kbps) in content.bitrates_kbps().iter().enumerate() {
                let sizes = || content.segments().iter().filter_map(|s| s.bytes.get(rung));
                let mean = sizes().sum::<u64>() as f64 / SEGMENTS as f64;
                assert!((mean * 8.0 / (kbps * SEGMENT_MS) - 1.0).abs() < 1e-3);
                let spread = sizes()
                    .map(|bytes| libm::pow(libm::log(*bytes as f64 / mean), 2.0))
                    .sum::<f64>();
                let sd = (spread / SEGMENTS as f64).sqrt();
                assert!((0.15..0.3).contains(&sd), "{kind} {kbps}: {sd}");
            }
            for segment in content.segments() {
                assert!(segment.vmaf.is_sorted(), "{:?}", segment.vmaf);
                let best = segment.vmaf.last().copied().unwrap_or_default();
                assert!((90.0..100.0).contains(&best), "{best}");
            }
        }
    }

    #[test]
    fn the_curve_is_near_published_scores() {
        let published = [
            (300.0, 22.7),
            (750.0, 63.3),
            (1200.0, 75.9),
            (1850.0, 85.0),
            (2850.0, 93.2),
            (4300.0, 100.0),
        ];
        for (kbps, vmaf) in published {
            let quality = 100.0 / (1.0 + libm::pow(HD.half_kbps / kbps, HD.slope));
            assert!((quality - vmaf).abs() < 7.0, "{kbps}: {quality}");
        }
    }
}
