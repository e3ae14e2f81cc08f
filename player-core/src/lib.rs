//! A sans-IO adaptive-bitrate player engine: HLS and DASH, ABR, buffering, telemetry.

pub mod error;
pub mod telemetry;
