//! [`Standalone`] for JavaScript: numbers both ways, -1 or not a number where there is none. `ts/abr.ts` checks types.

use player_core::abr::Utility;
use player_core::config::{AbrConfig, Algorithm, Preset};
use wasm_bindgen::prelude::*;

use crate::standalone::{Download, Moment, Standalone};

/// A rendition chooser.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Engine(Standalone);

#[wasm_bindgen]
#[expect(
    clippy::too_many_arguments,
    reason = "what crosses over costs least as plain numbers"
)]
impl Engine {
    /// Names as in [`AbrConfig`], an empty one is the default. `numbers`: initial throughput and highest bitrate
    /// (kbit/s), most lines, horizon (segments), costs of a stall, a rise and a fall; not a number is the default, and an initial
    /// throughput of zero none.
    ///
    /// # Errors
    /// For a name that there is not.
    #[wasm_bindgen(constructor)]
    pub fn new(
        algorithm: &str,
        preset: &str,
        utility: &str,
        abandonment: bool,
        numbers: &[f64],
    ) -> Result<Self, JsError> {
        let number = |i: usize| numbers.get(i).copied().filter(|n| !n.is_nan());
        let default = AbrConfig::default();
        Ok(Self(Standalone::new(AbrConfig {
            algorithm: find(&Algorithm::ALL, algorithm, Algorithm::name)?,
            preset: find(&Preset::ALL, preset, Preset::name)?,
            utility: match utility {
                "" => None,
                "bitrate" => Some(Utility::Bitrate),
                "log_bitrate" => Some(Utility::LogBitrate),
                "quality" => Some(Utility::Quality),
                _ => return Err(unknown(utility)),
            },
            abandonment,
            initial_throughput_kbps: match number(0) {
                Some(0.0) => None,
                kbps => kbps.or(default.initial_throughput_kbps),
            },
            max_bandwidth_kbps: number(1),
            max_height: number(2).map(|lines| lines as u32),
            horizon: number(3).map_or(default.horizon, |segments| segments as u32),
            stall_cost: number(4),
            rise_cost: number(5),
            fall_cost: number(6),
            ..default
        })))
    }

    /// See [`Standalone::set_ladder`].
    #[wasm_bindgen(js_name = setLadder)]
    pub fn set_ladder(&mut self, bitrates: &[f64], heights: &[f64]) {
        self.0.set_ladder(bitrates, heights);
    }

    /// See [`Standalone::set_first_segment`].
    #[wasm_bindgen(js_name = setFirstSegment)]
    pub fn set_first_segment(&mut self, first: f64) {
        self.0.set_first_segment(first);
    }

    /// See [`Standalone::set_segment_bytes`].
    #[wasm_bindgen(js_name = setSegmentBytes)]
    pub fn set_segment_bytes(&mut self, index: usize, bytes: &[f64]) {
        self.0.set_segment_bytes(index, bytes);
    }

    /// See [`Standalone::set_segment_quality`].
    #[wasm_bindgen(js_name = setSegmentQuality)]
    pub fn set_segment_quality(&mut self, index: usize, quality: &[f64]) {
        self.0.set_segment_quality(index, quality);
    }

    /// See [`Standalone::on_request`].
    #[wasm_bindgen(js_name = onRequest)]
    pub fn on_request(&mut self, at_ms: f64, index: i32) {
        self.0.on_request(at_ms, option(index));
    }

    /// See [`Standalone::on_progress`].
    #[wasm_bindgen(js_name = onProgress)]
    pub fn on_progress(&mut self, at_ms: f64, bytes: f64, first_byte_at_ms: f64) {
        self.0.on_progress(at_ms, bytes, first_byte_at_ms);
    }

    /// See [`Standalone::on_download`].
    #[wasm_bindgen(js_name = onDownload)]
    pub fn on_download(
        &mut self,
        at_ms: f64,
        requested_at_ms: f64,
        first_byte_at_ms: f64,
        bytes: f64,
        index: i32,
        cached: bool,
        abandoned: bool,
    ) {
        self.0.on_download(&Download {
            at_ms,
            requested_at_ms,
            first_byte_at_ms,
            bytes,
            index: option(index),
            cached,
            abandoned,
        });
    }

    /// See [`Standalone::choose`]. `started`: 0 no, 1 yes, -1 not said.
    pub fn choose(
        &mut self,
        at_ms: f64,
        buffer_s: f64,
        buffer_max_s: f64,
        segment_s: f64,
        last: i32,
        remaining: f64,
        started: i32,
        number: f64,
    ) -> i32 {
        let moment = moment(
            at_ms,
            buffer_s,
            buffer_max_s,
            segment_s,
            last,
            remaining,
            started,
            number,
        );
        answer(self.0.choose(&moment))
    }

    /// See [`Standalone::abandon`].
    pub fn abandon(
        &mut self,
        at_ms: f64,
        buffer_s: f64,
        buffer_max_s: f64,
        segment_s: f64,
        last: i32,
        remaining: f64,
        started: i32,
        number: f64,
        total_bytes: f64,
    ) -> i32 {
        let moment = moment(
            at_ms,
            buffer_s,
            buffer_max_s,
            segment_s,
            last,
            remaining,
            started,
            number,
        );
        answer(self.0.abandon(&moment, total_bytes))
    }

    /// Bit/s, or not a number.
    pub fn estimate(&self) -> f64 {
        self.0.estimate().map_or(f64::NAN, |bitrate| bitrate.as_f64())
    }

    /// See [`Standalone::on_seek`].
    #[wasm_bindgen(js_name = onSeek)]
    pub fn on_seek(&mut self) {
        self.0.on_seek();
    }

    /// Median throughput (kbit/s) and the spread of its logarithm, or nothing.
    pub fn memory(&self) -> Vec<f64> {
        self.0
            .memory()
            .map_or_else(Vec::new, |memory| vec![memory.kbps, memory.spread])
    }

    /// See [`Standalone::recall`].
    pub fn recall(&mut self, kbps: f64, spread: f64, age_ms: f64) -> bool {
        self.0.recall(kbps, spread, age_ms)
    }
}

#[expect(clippy::too_many_arguments, reason = "see above")]
fn moment(
    at_ms: f64,
    buffer_s: f64,
    buffer_max_s: f64,
    segment_s: f64,
    last: i32,
    remaining: f64,
    started: i32,
    number: f64,
) -> Moment {
    Moment {
        at_ms,
        buffer_s,
        buffer_max_s,
        segment_s,
        last: option(last),
        remaining,
        started: (started >= 0).then_some(started > 0),
        number,
    }
}

fn option(index: i32) -> Option<usize> {
    usize::try_from(index).ok()
}

fn answer(index: Option<usize>) -> i32 {
    index.and_then(|index| i32::try_from(index).ok()).unwrap_or(-1)
}

fn find<T: Copy + Default>(all: &[T], name: &str, name_of: fn(T) -> &'static str) -> Result<T, JsError> {
    if name.is_empty() {
        return Ok(T::default());
    }
    all.iter()
        .copied()
        .find(|item| name_of(*item) == name)
        .ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> JsError {
    let mut text = String::from("there is no ");
    text.push_str(name);
    JsError::new(&text)
}
