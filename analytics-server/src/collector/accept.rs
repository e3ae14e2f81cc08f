//! From bytes to a beacon that the rest of the server can trust: ids are UUIDs, numbers have room to be added up,
//! strings are short, and URLs carry neither user info nor query nor fragment.

use player_core::telemetry::schema::{
    Beacon, Counters, Dimension, Event, MAX_DIMENSION_VALUE_BYTES, MAX_DIMENSIONS, MAX_EVENTS_PER_BEACON,
    SCHEMA_VERSION, ViewInfo,
};

/// Longest time since the view began: 400 days.
const MAX_T_MS: u64 = 400 * 24 * 3_600_000;
/// Largest counter: what a JavaScript number holds exactly.
const MAX_COUNT: u64 = 1 << 53;
/// Smallest share of views that a site may sample.
const MIN_SAMPLE_RATE: f64 = 1e-6;
/// Longest string of a view's description or an event, bytes.
const MAX_TEXT_BYTES: usize = 500;
/// Longest URL, bytes.
const MAX_URL_BYTES: usize = 1000;
/// Most renditions in a ladder.
const MAX_RUNGS: usize = 64;

/// Why bytes are not a beacon.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidBeacon {
    /// A line of CMCD cannot be read, or is of no session.
    #[error("the line is not CMCD with a session (`sid`) of at most 64 bytes")]
    Cmcd,
    /// There is nothing in the batch.
    #[error("the batch is empty")]
    Empty,
    /// An id is not a UUID.
    #[error("{0} is not a UUID")]
    Id(&'static str),
    /// It is not JSON, or not of a beacon's form.
    #[error("the body is not a beacon: {0}")]
    Json(String),
    /// A number cannot be.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// There are too many events in it.
    #[error("{0} events are more than {MAX_EVENTS_PER_BEACON}; send fewer at a time")]
    TooManyEvents(usize),
    /// It is of another version.
    #[error("schema version {0} is not known here; this server reads version {SCHEMA_VERSION}")]
    Version(u32),
}

impl InvalidBeacon {
    pub(super) fn json(error: &serde_json::Error) -> Self {
        Self::Json(without_input(error))
    }
}

/// Reads a beacon as the collector does: checks it and cleans its strings.
///
/// # Errors
/// If it is none.
pub fn read_beacon(body: &[u8]) -> Result<Beacon, InvalidBeacon> {
    let mut beacon: Beacon = serde_json::from_slice(body).map_err(|error| InvalidBeacon::json(&error))?;
    if beacon.v != SCHEMA_VERSION {
        return Err(InvalidBeacon::Version(beacon.v));
    }
    beacon.view_id = uuid(&beacon.view_id).ok_or(InvalidBeacon::Id("view_id"))?;
    beacon.session_id = uuid(&beacon.session_id).ok_or(InvalidBeacon::Id("session_id"))?;
    if beacon.events.len() > MAX_EVENTS_PER_BEACON {
        return Err(InvalidBeacon::TooManyEvents(beacon.events.len()));
    }
    if !(MIN_SAMPLE_RATE..=1.0).contains(&beacon.sample_rate) {
        return Err(InvalidBeacon::Range("sample_rate"));
    }
    clean_beacon(&mut beacon)?;
    Ok(beacon)
}

/// Checks the numbers of a beacon and cleans its strings.
pub(super) fn clean_beacon(beacon: &mut Beacon) -> Result<(), InvalidBeacon> {
    if beacon.t_ms > MAX_T_MS {
        return Err(InvalidBeacon::Range("t_ms"));
    }
    if beacon.sent_at_ms > MAX_COUNT {
        return Err(InvalidBeacon::Range("sent_at_ms"));
    }
    if beacon.latency_ms.is_some_and(|latency| latency > MAX_COUNT) {
        return Err(InvalidBeacon::Range("latency_ms"));
    }
    check_counters(&beacon.counters)?;
    clean_counters(&mut beacon.counters);
    beacon.info.as_mut().map(clean_info);
    for event in &mut beacon.events {
        if event.t > MAX_T_MS {
            return Err(InvalidBeacon::Range("t of an event"));
        }
        clean_event(&mut event.event)?;
    }
    Ok(())
}

/// serde_json's messages quote what they found; an answer must not echo strings of the body.
fn without_input(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Data => "a field is missing or of another type",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Io | serde_json::error::Category::Syntax => "it is not JSON",
    };
    format!("{what}, at line {} column {}", error.line(), error.column())
}

/// The text in lower case, if it is a UUID (RFC 9562, section 4).
pub(super) fn uuid(text: &str) -> Option<String> {
    let shaped = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    shaped.then(|| text.to_ascii_lowercase())
}

fn check_counters(counters: &Counters) -> Result<(), InvalidBeacon> {
    let numbers = [
        ("startup_ms", counters.startup_ms.unwrap_or(0)),
        ("played_ms", counters.played_ms),
        ("paused_ms", counters.paused_ms),
        ("rebuffer_ms", counters.rebuffer_ms),
        ("rebuffer_count", counters.rebuffer_count),
        ("rebuffer_network_ms", counters.rebuffer_network_ms),
        ("seek_ms", counters.seek_ms),
        ("seek_count", counters.seek_count),
        ("media_ms", counters.media_ms),
        ("bitrate_kbps_media_ms", counters.bitrate_kbps_media_ms),
        ("scaled_media_ms", counters.scaled_media_ms),
        ("upscale_media_ms", counters.upscale_media_ms),
        ("downscale_media_ms", counters.downscale_media_ms),
        ("latency_played_ms", counters.latency_played_ms),
        ("latency_ms_played_ms", counters.latency_ms_played_ms),
        ("switches_up", counters.switches_up),
        ("switches_down", counters.switches_down),
        ("decoded_frames", counters.decoded_frames),
        ("dropped_frames", counters.dropped_frames),
        ("requests", counters.requests),
        ("requests_failed", counters.requests_failed),
        ("requests_cancelled", counters.requests_cancelled),
        ("bytes", counters.bytes),
    ];
    match numbers.iter().find(|(_, number)| *number > MAX_COUNT) {
        Some((name, _)) => Err(InvalidBeacon::Range(name)),
        None => Ok(()),
    }
}

fn clean_counters(counters: &mut Counters) {
    counters.fatal.as_mut().map(clean_text);
}

fn clean_info(info: &mut ViewInfo) {
    // First what is invisible: a URL with it inside is not seen to be one.
    clean(&mut info.source, MAX_URL_BYTES);
    info.source = without_secrets(&info.source);
    for text in [
        &mut info.protocol,
        &mut info.stream_type,
        &mut info.video_id,
        &mut info.video_title,
        &mut info.viewer_id,
        &mut info.player,
        &mut info.abr,
        &mut info.device,
        &mut info.browser,
        &mut info.os,
        &mut info.network,
        &mut info.page_host,
        &mut info.cdn_host,
    ] {
        clean_text(text);
    }
    info.duration_ms = info.duration_ms.min(MAX_COUNT);
    info.ladder.truncate(MAX_RUNGS);
    for rung in &mut info.ladder {
        clean_text(&mut rung.id);
    }
    if let Some(experiment) = &mut info.experiment {
        clean_text(&mut experiment.name);
        clean_text(&mut experiment.arm);
        experiment.probability = experiment
            .probability
            .filter(|share| *share > 0.0 && *share <= 1.0);
    }
    info.dimensions
        .retain(|dimension| Dimension::is_name(&dimension.name));
    info.dimensions.truncate(MAX_DIMENSIONS);
    for dimension in &mut info.dimensions {
        clean(&mut dimension.value, MAX_DIMENSION_VALUE_BYTES);
    }
}

fn clean_event(event: &mut Event) -> Result<(), InvalidBeacon> {
    match event {
        Event::Error { kind, message, .. } => {
            clean_text(kind);
            clean_text(message);
            *message = message
                .split(' ')
                .map(word_without_secrets)
                .collect::<Vec<_>>()
                .join(" ");
        }
        Event::Limit { id, by } => {
            clean_text(id);
            clean_text(by);
        }
        Event::Rendition { id, .. } => clean_text(id),
        Event::Request {
            kind,
            track,
            rendition,
            media_ms,
            bytes,
            ttfb_ms,
            ms,
            ..
        } => {
            clean_text(kind);
            clean_text(track);
            clean_text(rendition);
            in_range(
                "a number of a request event",
                &[*bytes, *ttfb_ms, *ms, media_ms.unwrap_or(0)],
            )?;
        }
        Event::Sample {
            pos_ms,
            buffer_ms,
            kbps,
        } => in_range("a number of a sample event", &[*pos_ms, *buffer_ms, *kbps])?,
        Event::Seek { to_ms } => in_range("to_ms of a seek event", &[*to_ms])?,
        _ => {}
    }
    Ok(())
}

fn in_range(name: &'static str, numbers: &[u64]) -> Result<(), InvalidBeacon> {
    let all = numbers.iter().all(|number| *number <= MAX_COUNT);
    if all {
        Ok(())
    } else {
        Err(InvalidBeacon::Range(name))
    }
}

pub(super) fn clean_text(text: &mut String) {
    clean(text, MAX_TEXT_BYTES);
}

/// Without control characters and without the marks that reorder the text around them; not longer than `max` bytes.
pub(super) fn clean(text: &mut String, max: usize) {
    // As nearly all are.
    if text.len() <= max && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return;
    }
    text.retain(|c| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
}

pub(super) fn word_without_secrets(word: &str) -> String {
    let relative_with_query = word.split_once('?').is_some_and(|(_, query)| query.contains('='));
    if word.contains("://") || relative_with_query || word.contains("t/") {
        without_secrets(word)
    } else {
        word.to_owned()
    }
}

/// A URL without user info, query and fragment, and with `/t/-/` in place of the token of a signed URL (`/t/<token>/`).
fn without_secrets(url: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let url = &url[..end];
    let Some((scheme, rest)) = url.split_once("://") else {
        return without_tokens(url);
    };
    let (authority, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{}", without_tokens(path))
}

/// What comes after a part `t` of a path is taken for a token, at the end only if it is long: that may be a file, or a path that was cut.
fn without_tokens(path: &str) -> String {
    const LONG: usize = 40;
    let mut parts = path.split('/').peekable();
    let mut out = parts.next().unwrap_or_default().to_owned();
    let mut after_t = out == "t";
    while let Some(part) = parts.next() {
        let masked = after_t && (parts.peek().is_some() || part.len() >= LONG);
        out.extend(["/", if masked { "-" } else { part }]);
        after_t = part == "t";
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use player_core::telemetry::schema::{Experiment, Rung, TimedEvent};
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{at, beacon};

    fn roundtrip(beacon: &Beacon) -> Result<Beacon, InvalidBeacon> {
        read_beacon(&serde_json::to_vec(beacon).unwrap())
    }

    #[test]
    fn a_good_beacon_passes_unchanged() {
        let mut good = beacon(1, 3);
        good.events = vec![at(
            20_500,
            Event::Sample {
                pos_ms: 1,
                buffer_ms: 2,
                kbps: 3,
            },
        )];
        good.info = Some(ViewInfo {
            source: "https://cdn.example/a/master.m3u8".into(),
            ..ViewInfo::default()
        });
        assert_eq!(roundtrip(&good).unwrap(), good);
    }

    #[test]
    fn numbers_that_cannot_be_are_refused() {
        let refused = |change: fn(&mut Beacon)| {
            let mut bad = beacon(1, 3);
            change(&mut bad);
            roundtrip(&bad).unwrap_err()
        };
        assert_eq!(refused(|b| b.v = 2), InvalidBeacon::Version(2));
        assert_eq!(refused(|b| b.view_id = "me".into()), InvalidBeacon::Id("view_id"));
        assert_eq!(
            refused(|b| b.session_id = "x'; DROP TABLE views; --".into()),
            InvalidBeacon::Id("session_id")
        );
        assert_eq!(refused(|b| b.t_ms = u64::MAX), InvalidBeacon::Range("t_ms"));
        assert_eq!(
            refused(|b| b.sample_rate = 0.0),
            InvalidBeacon::Range("sample_rate")
        );
        assert_eq!(
            refused(|b| b.sample_rate = 1.5),
            InvalidBeacon::Range("sample_rate")
        );
        assert_eq!(
            refused(|b| b.counters.bytes = u64::MAX),
            InvalidBeacon::Range("bytes")
        );
        assert_eq!(
            refused(|b| b.events = vec![at(0, Event::Seek { to_ms: u64::MAX })]),
            InvalidBeacon::Range("to_ms of a seek event")
        );
        assert_eq!(
            refused(|b| b.events = vec![
                TimedEvent {
                    t: 0,
                    event: Event::Play
                };
                MAX_EVENTS_PER_BEACON + 1
            ]),
            InvalidBeacon::TooManyEvents(MAX_EVENTS_PER_BEACON + 1)
        );
    }

    #[test]
    fn secrets_and_control_characters_are_removed() {
        let mut dirty = beacon(1, 0);
        dirty.info = Some(ViewInfo {
            source: "https://user:pass@cdn.example:8443/v/master.m3u8?token=hunter2#t=1".into(),
            video_title: "a\u{202e}b\u{0}c\n<script>alert(1)</script>".into(),
            ladder: vec![Rung::default(); 1000],
            ..ViewInfo::default()
        });
        dirty.events = vec![at(
            0,
            Event::Error {
                kind: "http".into(),
                fatal: true,
                message: "403 for https://cdn.example/v/1.m4s?sig=hunter2 or seg.m4s?sig=hunter2 (why?)"
                    .into(),
            },
        )];
        let clean = roundtrip(&dirty).unwrap();
        let info = clean.info.unwrap();
        assert_eq!(info.source, "https://cdn.example:8443/v/master.m3u8");
        assert_eq!(info.video_title, "abc<script>alert(1)</script>");
        assert_eq!(info.ladder.len(), MAX_RUNGS);
        let Event::Error { message, .. } = &clean.events[0].event else {
            panic!("another event")
        };
        assert_eq!(message, "403 for https://cdn.example/v/1.m4s or seg.m4s (why?)");
    }

    #[test]
    fn tokens_in_paths_are_masked() {
        let token = "AQJrMQAAAABqVdL8AAYvZGVtby9TTUxMKJAtVvLZgYwQX2nN0O1pC9nHgqkv0kTqTBnJ4A";
        for (url, masked) in [
            (
                "https://cdn.example/t/TOKEN/demo/master.m3u8",
                "https://cdn.example/t/-/demo/master.m3u8",
            ),
            (
                "https://me@cdn.example/videos/t/TOKEN/a.mpd?x=1",
                "https://cdn.example/videos/t/-/a.mpd",
            ),
            ("https://cdn.example/t/TOKEN", "https://cdn.example/t/-"),
            ("/t/TOKEN/1.m4s", "/t/-/1.m4s"),
            ("t/TOKEN/1.m4s", "t/-/1.m4s"),
            (
                "https://cdn.example/t/t/TOKEN/1.m4s",
                "https://cdn.example/t/-/-/1.m4s",
            ),
            ("https://cdn.example/t/film.mpd", "https://cdn.example/t/film.mpd"),
            (
                "https://cdn.example/cut/film.mpd",
                "https://cdn.example/cut/film.mpd",
            ),
        ] {
            let mut dirty = beacon(1, 0);
            dirty.info = Some(ViewInfo {
                source: url.replace("TOKEN", token),
                ..ViewInfo::default()
            });
            let message = format!("403 for {} (why?)", url.replace("TOKEN", token));
            dirty.events = vec![at(
                0,
                Event::Error {
                    kind: "http".into(),
                    fatal: true,
                    message,
                },
            )];
            let clean = roundtrip(&dirty).unwrap();
            assert_eq!(clean.info.unwrap().source, masked);
            let Event::Error { message, .. } = &clean.events[0].event else {
                panic!("another event")
            };
            assert_eq!(*message, format!("403 for {masked} (why?)"));
        }
    }

    #[test]
    fn what_is_invisible_hides_no_secret() {
        let mut dirty = beacon(1, 0);
        dirty.info = Some(ViewInfo {
            source: "https:\u{0}//user:pass@h/a?token=hunter2".into(),
            ..ViewInfo::default()
        });
        dirty.events = vec![at(
            0,
            Event::Error {
                kind: "http".into(),
                fatal: false,
                message: "at https:\u{202e}//h/a?hunter2".into(),
            },
        )];
        let clean = roundtrip(&dirty).unwrap();
        assert_eq!(clean.info.unwrap().source, "https://h/a");
        let Event::Error { message, .. } = &clean.events[0].event else {
            panic!("another event")
        };
        assert_eq!(message, "at https://h/a");
    }

    #[test]
    fn dimensions_and_experiments_are_bounded() {
        let mut wild = beacon(1, 0);
        let dimension = |name: &str, value: &str| Dimension {
            name: name.into(),
            value: value.into(),
        };
        let mut dimensions = vec![dimension("no names with spaces", "x"), dimension("", "x")];
        dimensions.extend((0..20).map(|at| dimension(&format!("d{at}"), &"v".repeat(300))));
        wild.info = Some(ViewInfo {
            dimensions,
            experiment: Some(Experiment {
                name: "a\u{1f}b".into(),
                arm: "x".repeat(5_000),
                probability: Some(2.0),
            }),
            ..ViewInfo::default()
        });
        let info = roundtrip(&wild).unwrap().info.unwrap();
        assert_eq!(info.dimensions.len(), MAX_DIMENSIONS);
        assert_eq!(info.dimensions[0].name, "d0");
        assert_eq!(info.dimensions[0].value.len(), MAX_DIMENSION_VALUE_BYTES);
        let experiment = info.experiment.unwrap();
        assert_eq!((&*experiment.name, experiment.probability), ("ab", None));
        assert_eq!(experiment.arm.len(), MAX_TEXT_BYTES);
    }

    #[test]
    fn the_answer_does_not_echo_the_body() {
        let error = read_beacon(br#"{"v":"hunter2"}"#).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn events_from_the_future_are_accepted_as_unknown() {
        let mut json = serde_json::to_value(beacon(1, 0)).unwrap();
        json["events"] = serde_json::json!([{ "t": 3, "e": "teleport", "to": "mars" }]);
        json["colour"] = "blue".into();
        let read = read_beacon(json.to_string().as_bytes()).unwrap();
        assert_eq!(read.events, [at(3, Event::Unknown)]);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = read_beacon(&bytes);
        }

        #[test]
        fn texts_stay_short_and_whole(text in ".*", max in 0_usize..40) {
            let mut cleaned = text;
            clean(&mut cleaned, max);
            prop_assert!(cleaned.len() <= max);
        }
    }
}
