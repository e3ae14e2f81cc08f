//! A beacon is read or refused; one that was read is within its limits, has no secrets, and read again is the same.
#![no_main]

use analytics_server::read_beacon;
use libfuzzer_sys::fuzz_target;
use player_core::telemetry::schema::{Event, MAX_EVENTS_PER_BEACON};

fuzz_target!(|body: &[u8]| {
    let beacon = match read_beacon(body) {
        Ok(beacon) => beacon,
        Err(error) => {
            let error = error.to_string();
            assert!(error.len() < 200 && !error.contains('\n'), "{error}");
            return;
        }
    };
    assert_eq!((beacon.view_id.len(), beacon.session_id.len()), (36, 36));
    assert!(beacon.sample_rate > 0.0 && beacon.sample_rate <= 1.0);
    assert!(beacon.events.len() <= MAX_EVENTS_PER_BEACON);
    if let Some(info) = &beacon.info {
        assert!(info.source.len() <= 1000 && !info.source.contains(['?', '#']));
        for text in [&info.video_title, &info.viewer_id, &info.player, &info.cdn_host] {
            assert!(text.len() <= 500 && !text.contains(char::is_control));
        }
        assert!(info.ladder.len() <= 64);
    }
    for event in &beacon.events {
        if let Event::Error { kind, message, .. } = &event.event {
            assert!(kind.len() <= 500 && message.len() <= 500 && !message.contains(char::is_control));
        }
    }
    let written = serde_json::to_vec(&beacon).expect("it can be written");
    assert_eq!(read_beacon(&written), Ok(beacon));
});
