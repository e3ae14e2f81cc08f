//! How a live stream is encoded.

use crate::encode::{PRESETS, check_rung};
use crate::ladder::{AudioCodec, AudioRung, Ladder, VideoCodec};
use crate::protect::{ProtectOptions, Scheme};
use crate::vod::CancelToken;

use super::LiveError;

/// How a live stream is encoded.
#[derive(Clone, Debug)]
pub struct LiveOptions {
    /// The renditions to offer: H.264 and AAC. Of the sound's the first is taken.
    pub ladder: Ladder,
    /// For rungs that have no preset of their own.
    pub preset: String,
    /// Threads of each video encoder; 0 shares the machine's among the rungs.
    pub threads: usize,
    /// Parts last at most about so many milliseconds, 200 to 500.
    pub part_ms: u32,
    /// Segments last about so many seconds, 1 to 10.
    pub segment_s: f64,
    /// Burns the time of capture into the pictures ([`clock`](super::clock)).
    pub burns_clock: bool,
    /// Keeps all rungs, also where the machine is too slow for them.
    pub keeps_rungs: bool,
    /// Encryption of one stream, with `cbcs`. Crypto periods and the clear beginning count from the stream's first picture, and go on
    /// where a publisher comes back.
    pub protection: Option<ProtectOptions>,
    /// Ends the stream from another thread.
    pub cancel: CancelToken,
}

impl Default for LiveOptions {
    /// 720p and 360p at `superfast`, in segments of 2 s and parts of a third of a second.
    fn default() -> Self {
        let usual = Ladder::default();
        let video = usual
            .video
            .into_iter()
            .filter(|rung| [720, 360].contains(&rung.height));
        Self {
            ladder: Ladder {
                video: video.collect(),
                audio: usual.audio,
            },
            preset: "superfast".to_owned(),
            threads: 0,
            part_ms: 333,
            segment_s: 2.0,
            burns_clock: false,
            keeps_rungs: false,
            protection: None,
            cancel: CancelToken::default(),
        }
    }
}

impl LiveOptions {
    pub(crate) fn check(&self) -> Result<(), LiveError> {
        let bad = |option, reason: String| Err(LiveError::BadOption { option, reason });
        if !PRESETS.contains(&self.preset.as_str()) {
            return bad("--preset", format!("use one of {}", PRESETS.join(", ")));
        }
        if !(200..=500).contains(&self.part_ms) {
            return bad("--part-ms", format!("{}: use 200 to 500", self.part_ms));
        }
        if !(1.0..=10.0).contains(&self.segment_s) {
            return bad("--segment-s", format!("{}: use 1 to 10", self.segment_s));
        }
        if let Err(reason) = self.ladder.check() {
            return bad("--ladder", reason);
        }
        for rung in &self.ladder.video {
            if rung.codec != VideoCodec::H264 {
                let reason = format!("{}: a live stream is encoded to H.264", rung.name);
                return bad("--ladder", reason);
            }
            let preset = rung.preset.as_deref().unwrap_or(&self.preset);
            if let Err(reason) = check_rung(rung, preset) {
                return bad("--ladder", reason);
            }
        }
        if let Some(protection) = &self.protection {
            protection.licensing.check()?;
            // Counters of `cenc` would have to go on over takes and restarts, or what they hide could be read.
            if protection.keys.scheme() != Scheme::Cbcs {
                return bad("--encrypt", "a live stream is encrypted with cbcs".to_owned());
            }
        }
        match self.ladder.audio.first() {
            Some(AudioRung {
                codec: AudioCodec::Aac,
                ..
            }) => Ok(()),
            _ => bad("--ladder", "a live stream has one rung of AAC".to_owned()),
        }
    }
}
