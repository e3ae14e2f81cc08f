//! Prepares HLS and DASH ladders with FFmpeg.
