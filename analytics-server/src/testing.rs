//! Beacons for unit tests.

use player_core::telemetry::schema::{Beacon, Counters, Event, PlaybackState, SCHEMA_VERSION, TimedEvent};

/// The id of the test view with this number.
pub(crate) fn view_id(number: u32) -> String {
    format!("01890000-0000-7000-8000-{number:012x}")
}

/// A beacon of a view: `seq` × 10 s after its start, playing, without events.
pub(crate) fn beacon(view: u32, seq: u32) -> Beacon {
    let t_ms = u64::from(seq) * 10_000;
    Beacon {
        v: SCHEMA_VERSION,
        site: "test".to_owned(),
        view_id: view_id(view),
        session_id: view_id(0),
        seq,
        sent_at_ms: 1_700_000_000_000 + t_ms,
        t_ms,
        sample_rate: 1.0,
        info: None,
        state: PlaybackState::Playing,
        latency_ms: None,
        counters: Counters {
            play_intent: true,
            startup_ms: Some(400),
            ..Counters::default()
        },
        events: Vec::new(),
    }
}

/// An event at a time.
pub(crate) fn at(t: u64, event: Event) -> TimedEvent {
    TimedEvent { t, event }
}
