//! Every metric.

use super::{Among, Better, Counter, Measure, Metric, Sum, Unit, Value};

const PLAYED: Sum = Sum::of(&[Counter::PlayedMs]);
const PLAYED_AND_REBUFFERED: Sum = Sum::of(&[Counter::PlayedMs, Counter::RebufferMs]);
const MEDIA: Sum = Sum::of(&[Counter::MediaMs]);
const SCALED: Sum = Sum::of(&[Counter::ScaledMediaMs]);
const ATTEMPTS: Sum = Sum::views(Among::Attempts);
const PLAYS: Sum = Sum::views(Among::Plays);

const fn count(name: &'static str, better: Better, among: Among, definition: &'static str) -> Metric {
    Metric {
        name,
        unit: Unit::Count,
        better,
        definition,
        value: Value::Total(Sum::views(among)),
    }
}

const fn total(
    name: &'static str,
    unit: Unit,
    better: Better,
    counters: &'static [Counter],
    definition: &'static str,
) -> Metric {
    Metric {
        name,
        unit,
        better,
        definition,
        value: Value::Total(Sum::of(counters)),
    }
}

const fn ratio(
    name: &'static str,
    unit: Unit,
    better: Better,
    numerator: Sum,
    denominator: Sum,
    definition: &'static str,
) -> Metric {
    Metric {
        name,
        unit,
        better,
        definition,
        value: Value::Ratio {
            numerator,
            denominator,
            times: match unit {
                Unit::PerMinute => 60_000.0,
                _ => 1.0,
            },
        },
    }
}

const fn share(name: &'static str, numerator: Sum, denominator: Sum, definition: &'static str) -> Metric {
    ratio(
        name,
        Unit::Ratio,
        Better::Lower,
        numerator,
        denominator,
        definition,
    )
}

const fn quantile(name: &'static str, of: Measure, share: f64, definition: &'static str) -> Metric {
    Metric {
        name,
        unit: Unit::Milliseconds,
        better: Better::Lower,
        definition,
        value: Value::Quantile { of, share },
    }
}

/// Every metric, those that belong together side by side.
pub static METRICS: &[Metric] = &[
    count("views", Better::Neither, Among::All, "views"),
    count(
        "attempts",
        Better::Neither,
        Among::Attempts,
        "views with play_intent",
    ),
    count("plays", Better::Neither, Among::Plays, "views with first_frame"),
    ratio(
        "startup_ms",
        Unit::Milliseconds,
        Better::Lower,
        Sum {
            counters: &[Counter::StartupMs],
            among: Among::Plays,
        },
        PLAYS,
        "first_frame - play_intent, monotonic clock, minus hidden/autoplay-blocked time: mean",
    ),
    quantile(
        "startup_ms_p50",
        Measure::StartupMs,
        0.5,
        "first_frame - play_intent, monotonic clock, minus hidden/autoplay-blocked time: median",
    ),
    quantile(
        "startup_ms_p75",
        Measure::StartupMs,
        0.75,
        "first_frame - play_intent, monotonic clock, minus hidden/autoplay-blocked time: 75th percentile",
    ),
    quantile(
        "startup_ms_p95",
        Measure::StartupMs,
        0.95,
        "first_frame - play_intent, monotonic clock, minus hidden/autoplay-blocked time: 95th percentile",
    ),
    count(
        "startup_failures",
        Better::Lower,
        Among::StartupFailures,
        "attempts with fatal before first_frame",
    ),
    share(
        "startup_failure",
        Sum::views(Among::StartupFailures),
        ATTEMPTS,
        "fatal before first_frame / attempts",
    ),
    count(
        "exits_before_start",
        Better::Lower,
        Among::ExitsBeforeStart,
        "ended with no first_frame, no fatal, waited >= 1000 ms",
    ),
    share(
        "ebvs",
        Sum::views(Among::ExitsBeforeStart),
        ATTEMPTS,
        "ended with no first_frame, no fatal, waited >= 1000 ms / attempts",
    ),
    count(
        "exits_before_start_under_1s",
        Better::Neither,
        Among::ExitsUnder1s,
        "ended with no first_frame, no fatal, waited < 1000 ms",
    ),
    share(
        "ebvs_under_1s",
        Sum::views(Among::ExitsUnder1s),
        ATTEMPTS,
        "ended with no first_frame, no fatal, waited < 1000 ms / attempts",
    ),
    count(
        "playback_failures",
        Better::Lower,
        Among::PlaybackFailures,
        "fatal after first_frame",
    ),
    share(
        "playback_fail",
        Sum::views(Among::PlaybackFailures),
        PLAYS,
        "fatal after first_frame / plays",
    ),
    count("failures", Better::Lower, Among::Failures, "any fatal"),
    share(
        "failure_pct",
        Sum::views(Among::Failures),
        ATTEMPTS,
        "any fatal / attempts",
    ),
    total(
        "played_ms",
        Unit::Milliseconds,
        Better::Neither,
        &[Counter::PlayedMs],
        "sum played_ms",
    ),
    total(
        "rebuffer_ms",
        Unit::Milliseconds,
        Better::Lower,
        &[Counter::RebufferMs],
        "sum rebuf_ms",
    ),
    share(
        "rebuffer_ratio",
        Sum::of(&[Counter::RebufferMs]),
        PLAYED_AND_REBUFFERED,
        "sum rebuf_ms / sum(played_ms + rebuf_ms)",
    ),
    share(
        "stalled_pct_cta",
        Sum {
            counters: &[Counter::RebufferMs],
            among: Among::Plays,
        },
        Sum {
            counters: &[
                Counter::StartupMs,
                Counter::PlayedMs,
                Counter::RebufferMs,
                Counter::SeekMs,
            ],
            among: Among::Plays,
        },
        "sum stall_ms / sum watched_ms",
    ),
    share(
        "cirr",
        Sum::of(&[Counter::RebufferNetworkMs]),
        PLAYED_AND_REBUFFERED,
        "sum rebuf_ms(cause = network) / sum(played_ms + rebuf_ms)",
    ),
    total(
        "rebuffer_count",
        Unit::Count,
        Better::Lower,
        &[Counter::RebufferCount],
        "sum count",
    ),
    ratio(
        "rebuffer_freq",
        Unit::PerMinute,
        Better::Lower,
        Sum::of(&[Counter::RebufferCount]),
        PLAYED,
        "sum count / sum played minutes",
    ),
    share(
        "rebuffered_views",
        Sum::views(Among::RebufferedPlays),
        PLAYS,
        "views with first_frame and >= 1 rebuffer / plays",
    ),
    total(
        "media_ms",
        Unit::Milliseconds,
        Better::Neither,
        &[Counter::MediaMs],
        "sum media_ms",
    ),
    ratio(
        "avg_bitrate",
        Unit::KilobitsPerSecond,
        Better::Higher,
        Sum::of(&[Counter::BitrateKbpsMediaMs]),
        MEDIA,
        "sum(kbps * media_ms) / sum media_ms",
    ),
    share(
        "upscale",
        Sum::of(&[Counter::UpscaleMediaMs]),
        SCALED,
        "sum(s * media_ms) / sum media_ms, s = max(0, u - 1)",
    ),
    share(
        "downscale",
        Sum::of(&[Counter::DownscaleMediaMs]),
        SCALED,
        "sum(s * media_ms) / sum media_ms, s = max(0, 1 - u)",
    ),
    ratio(
        "live_latency",
        Unit::Milliseconds,
        Better::Lower,
        Sum::of(&[Counter::LatencyMsPlayedMs]),
        Sum::of(&[Counter::LatencyPlayedMs]),
        "time-weighted mean",
    ),
    quantile(
        "live_latency_p50",
        Measure::LiveLatencyMs,
        0.5,
        "time-weighted mean of each view: median",
    ),
    quantile(
        "live_latency_p95",
        Measure::LiveLatencyMs,
        0.95,
        "time-weighted mean of each view: 95th percentile",
    ),
    share(
        "dropped",
        Sum::of(&[Counter::DroppedFrames]),
        Sum::of(&[Counter::DecodedFrames]),
        "sum dropped / sum decoded frames",
    ),
    total(
        "bytes",
        Unit::Bytes,
        Better::Neither,
        &[Counter::Bytes],
        "sum of media bytes received",
    ),
];
