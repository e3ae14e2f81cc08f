//! The sample clip is worth watching: it moves, is detailed and sounds.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Bench, ffmpeg_bytes, run_ffmpeg};

#[test]
fn it_moves_and_sounds() {
    let bench = Bench::new();
    let clip = bench.sample(4, 320, 180);
    let clip = clip.display();
    let probed = run_ffmpeg(&format!("-i {clip} -f null -"));
    assert!(
        probed.contains("320x180") && probed.contains("30 fps") && probed.contains("48000 Hz, stereo"),
        "{probed}"
    );
    assert!(probed.contains("Duration: 00:00:04.0"), "{probed}");

    let frames = ffmpeg_bytes(&format!(
        "-i {clip} -vf fps=2,scale=64:36 -pix_fmt gray -f rawvideo -"
    ));
    let frames: Vec<&[u8]> = frames.chunks_exact(64 * 36).collect();
    assert_eq!(frames.len(), 8);
    for pair in frames.windows(2) {
        let change: u32 = pair[0]
            .iter()
            .zip(pair[1])
            .map(|(a, b)| u32::from(a.abs_diff(*b)))
            .sum();
        assert!(change / (64 * 36) >= 3, "half a second changes the picture");
    }
    let values = frames[0].iter().collect::<std::collections::BTreeSet<_>>();
    assert!(values.len() > 50, "the picture is not flat");

    let sound = ffmpeg_bytes(&format!("-i {clip} -ac 1 -f f32le -"));
    let samples: Vec<f32> = sound
        .chunks_exact(4)
        .map(|chunk| f32::from_le_bytes(chunk.try_into().unwrap()))
        .collect();
    for second in samples.chunks(48_000).take(4) {
        let loudness = (second.iter().map(|s| s * s).sum::<f32>() / second.len() as f32).sqrt();
        assert!((0.02..0.5).contains(&loudness), "{loudness}");
    }
}
