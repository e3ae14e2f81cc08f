//! A sans-IO adaptive-bitrate player engine: HLS and DASH, ABR, buffering, telemetry.
