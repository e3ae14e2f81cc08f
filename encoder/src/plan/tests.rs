//! A plan as it is written down.

use serde_json::{Value, json};

pub(crate) fn plan() -> Value {
    json!({
        "version": 1,
        "source": {"bytes": 10, "digest": "00"},
        "idr": {"rate": {"num": 30000, "den": 1001}, "cuts": {"regular": {"frames_per_segment": 60, "frames_per_gop": 30}}},
        "scan": "as_flagged",
        "video": [{"name": "360p", "width": 640, "height": 360, "bitrate_kbps": 600, "preset": "fast"}],
        "audio": [{
            "name": "audio", "stream": 1, "codec": "aac", "bitrate_kbps": 128, "language": "eng",
            "sound": {
                "rate": 48000, "channels": 2, "language": "en", "label": "English", "is_default": true,
                "describes_video": false, "group": "audio"
            }
        }],
        "pictures": {"width": 320, "height": 180, "keep_ms": 1000},
        "per_title": {
            "version": 1,
            "asked": {
                "per_title": {"codec": "h264", "max_height": 1080, "max_rungs": 8, "quality_target": 95.0},
                "ladder": {"video": [{"name": "a", "width": 640, "height": 360, "bitrate_kbps": 600}]},
                "preset": "veryfast", "segment_frames": 50, "gop_frames": 50
            },
            "method": "vmaf-model",
            "measured_every": 2,
            "display": [640, 360],
            "stretches": [{"start_s": 0.0, "duration_s": 2.0, "weight": 1.0}],
            "points": [{"width": 640, "height": 360, "crf": 23.0, "kbps": 500.0, "peak_kbps": 600.0, "quality": 90.0}],
            "hull": [],
            "rungs": [{
                "name": "360p", "width": 640, "height": 360, "crf": 23.0, "kbps": 500.0, "cap_kbps": 800, "quality": 90.0
            }],
            "fixed": [],
            "saving": {
                "mean": null, "delta_rate": null, "sum": null, "chosen_total_kbps": 500.0, "fixed_total_kbps": 0.0
            }
        },
        "preset": "veryfast",
        "chunks": [0, 120],
        "duration_s": 634.566_666_666_666_7
    })
}
