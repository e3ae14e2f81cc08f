//! Sessions over links that start slowly and break, with audio beside the video, and what is recorded of them.
#![allow(clippy::unwrap_used)]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{flat_origin, scripted, session, trace};
use player_core::abr::{Abr, Context, Download, Flight, Progress};
use player_core::{Bitrate, Instant, MediaTime, record};
use proptest::prelude::*;
use simulator::batch::yardstick;
use simulator::content::Segment;
use simulator::network::{Link, Outage, Outages};
use simulator::origin::Origin;
use simulator::session::{Outcome, SessionError};
use simulator::timeline::{BufferLevel, Timeline};
use simulator::{Content, Session};

fn outage(at_ms: u64, ms: u64) -> Outages {
    Outages::at(vec![Outage {
        at: Instant::from_micros(at_ms * 1000),
        duration: Duration::from_millis(ms),
    }])
}

fn recorded(session: Session<'_>) -> (Outcome, Timeline) {
    let session = Session {
        timeline: true,
        ..session
    };
    let mut outcome = session.run().unwrap();
    let timeline = outcome.timeline.take().unwrap();
    (outcome, timeline)
}

/// When each transfer was asked for and ended, rounded to milliseconds.
fn times_ms(timeline: &Timeline) -> Vec<(i64, i64)> {
    let ms = |s: f64| (s * 1000.0).round() as i64;
    let transfers = timeline.transfers.iter();
    transfers.map(|t| (ms(t.requested_s), ms(t.ended_s))).collect()
}

#[test]
fn the_timeline_shows_levels_transfers_and_stalls() {
    // 2 s segments of 1 Mbit/s over 800 kbit/s: each takes 2.6 s.
    let origin = flat_origin(2000, &[1000.0], 2);
    let trace = trace(100.0, &[(1000.0, 800.0)]);
    let (outcome, timeline) = recorded(scripted(&trace, &origin, 30.0, &[0; 2]));
    let level = |at_s: f64, buffer_s: f64| BufferLevel { at_s, buffer_s };
    assert_eq!(
        timeline.buffer,
        [
            level(2.6, 0.0),
            level(2.6, 2.0),
            level(4.6, 0.0),
            level(5.2, 0.0),
            level(5.2, 2.0),
            level(7.2, 0.0)
        ]
    );
    assert_eq!(timeline.stalls, [(0.0, 2.6), (4.6, 5.2)]);
    assert_eq!(times_ms(&timeline), [(0, 2600), (2600, 5200)]);
    let second = timeline.transfers[1];
    assert!((second.first_byte_s - 2.7).abs() < 1e-9);
    assert_eq!(
        (second.segment, second.rung, second.bytes, second.abandoned),
        (1, 0, 250_000, false)
    );
    assert!(timeline.audio.is_empty());
    // It changes nothing, and is not there if nobody asked for it.
    let plain = scripted(&trace, &origin, 30.0, &[0; 2]).run().unwrap();
    assert_eq!(plain, outcome);
}

#[test]
fn slow_start_costs_round_trips_after_a_pause_only() {
    // 250 000 bytes a segment, 1000 a millisecond, 100 ms a round trip. 102 200 of them come in three rounds of 14 600,
    // 29 200 and 58 400; then the link is full and 147.8 ms do for the rest.
    let origin = flat_origin(2000, &[1000.0], 5);
    let trace = trace(100.0, &[(1000.0, 8000.0)]);
    let link = Link {
        slow_start: true,
        ..Link::default()
    };
    let slow = Session {
        link,
        ..scripted(&trace, &origin, 6.0, &[0; 5])
    };
    let (outcome, timeline) = recorded(slow);
    // The fourth waits until the first has been played, for longer than the time-out of a second.
    assert_eq!(
        times_ms(&timeline),
        [(0, 548), (548, 898), (898, 1248), (2548, 3096), (4548, 5096)]
    );
    assert_eq!(outcome.duration, Duration::from_micros(547_800 + 10_000_000));
    let (_, fast) = recorded(scripted(&trace, &origin, 6.0, &[0; 5]));
    assert_eq!(times_ms(&fast)[..2], [(0, 350), (350, 700)]);
}

#[test]
fn playback_goes_on_after_an_outage() {
    // Each segment takes 0.6 s of a link twice as fast as needed; the third breaks at 1.5 s with 50 of its 125 kB.
    let origin = flat_origin(2000, &[500.0], 6);
    let trace = trace(100.0, &[(1000.0, 2000.0)]);
    let broken = Session {
        link: Link {
            outages: outage(1500, 10_000),
            ..Link::default()
        },
        ..scripted(&trace, &origin, 30.0, &[0; 6])
    };
    let (outcome, timeline) = recorded(broken);
    assert_eq!((outcome.failed, outcome.requests), (1, 7));
    let lost = timeline.transfers[2];
    assert_eq!((lost.segment, lost.bytes, lost.abandoned), (2, 50_000, true));
    assert!((lost.ended_s - 1.5).abs() < 1e-9);
    let again = timeline.transfers[3];
    // A pause of half a second, ± a quarter, then a request that gets through 15 s after it was made.
    let pause = again.requested_s - 1.5;
    assert!((0.375..=0.625).contains(&pause), "{pause}");
    assert!(
        (again.first_byte_s - (again.requested_s + 15.1)).abs() < 1e-6,
        "{again:?}"
    );
    assert_eq!((again.segment, again.bytes, again.abandoned), (2, 125_000, false));
    // Four seconds were there, from 0.6 s on.
    let stall = outcome.played[2].stall.as_secs_f64();
    assert!((stall - (again.ended_s - 4.6)).abs() < 1e-6, "{stall}");
    assert_eq!(outcome.played.len(), 6);
}

#[test]
fn an_outage_without_end_is_the_end_of_playback() {
    let origin = flat_origin(2000, &[500.0], 60);
    let trace = trace(100.0, &[(1000.0, 2000.0)]);
    let broken = Session {
        link: Link {
            outages: outage(1500, 100_000_000),
            ..Link::default()
        },
        ..scripted(&trace, &origin, 30.0, &[0; 60])
    };
    let error = broken.run().unwrap_err();
    assert!(matches!(error, SessionError::Player { .. }), "{error}");
    assert!(
        error.to_string().contains("no connection could be made"),
        "{error}"
    );
}

#[test]
fn audio_and_video_share_the_link_and_play_together() {
    // 250 000 and 25 000 bytes a segment at 250 a millisecond: audio ends at 0.3 s with half of the link, video at 1.2 s.
    let origin = flat_origin(2000, &[1000.0], 4).with_audio(100.0).unwrap();
    let trace = trace(100.0, &[(1000.0, 2000.0)]);
    let (outcome, timeline) = recorded(scripted(&trace, &origin, 30.0, &[0; 4]));
    let starts: Vec<_> = (0..4).map(|i| (i * 1200, (i + 1) * 1200)).collect();
    assert_eq!(times_ms(&timeline), starts);
    assert_eq!(timeline.audio.len(), 4);
    assert!(
        (timeline.audio[1].ended_s - 1.5).abs() < 1e-9,
        "{:?}",
        timeline.audio
    );
    assert_eq!(outcome.requests, 8);
    assert_eq!(outcome.duration, Duration::from_millis(1200 + 8000));
}

#[test]
fn playback_waits_for_the_sound() {
    // 62 500 and 125 000 bytes a segment: video ends at 0.6 s; audio has half of the link, all of it for the round trip of
    // the second segment of video, then half again, until 1 s.
    let origin = flat_origin(2000, &[250.0], 4).with_audio(500.0).unwrap();
    let trace = trace(100.0, &[(1000.0, 2000.0)]);
    let (outcome, timeline) = recorded(scripted(&trace, &origin, 30.0, &[0; 4]));
    assert!(
        (timeline.audio[0].ended_s - 1.0).abs() < 1e-9,
        "{:?}",
        timeline.audio
    );
    assert_eq!(outcome.played[0].stall, Duration::from_millis(1000));
    assert_eq!(timeline.stalls.len(), 1);
}

#[test]
fn the_same_link_gives_the_same_log_and_the_log_replays() {
    let origin = flat_origin(3000, &[300.0, 800.0, 2000.0, 4000.0], 60)
        .with_audio(128.0)
        .unwrap();
    let trace = trace(
        50.0,
        &[(4000.0, 3000.0), (5000.0, 500.0), (3000.0, 0.0), (9000.0, 6000.0)],
    );
    let run = |seed: u64| {
        let link = Link {
            slow_start: true,
            outages: Outages::random(40.0, 3.0, seed).unwrap(),
        };
        let mut log = Vec::new();
        let session = Session {
            link,
            ..session(&trace, &origin, "headgate", yardstick(20.0))
        };
        let outcome = session.run_logged(&mut log).unwrap();
        (outcome, log)
    };
    let (outcome, log) = run(5);
    assert!(outcome.failed > 0 && outcome.played.len() == 60);
    assert_eq!((&outcome, &log), (&run(5).0, &run(5).1));
    assert!(run(6).1 != log);
    let mut again = Vec::new();
    let replay = record::replay(log.as_slice(), &mut again).unwrap();
    assert_eq!(replay.first_difference, None);
    assert!(again == log);
}

/// Remembers what quality was known of the next segments, and chooses the lowest rung.
struct Curious(Arc<Mutex<Vec<[Option<f64>; 2]>>>);

impl Abr for Curious {
    fn name(&self) -> &str {
        "curious"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, _: &Download) {}

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let quality = |ahead| context.upcoming.quality(1, ahead);
        self.0.lock().unwrap().push([quality(0), quality(1)]);
        0
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        None
    }
}

#[test]
fn the_quality_of_the_content_reaches_the_algorithm() {
    let segments = (0..5).map(|i| Segment {
        duration: MediaTime::from_millis(2000),
        bytes: vec![1000, 2000],
        vmaf: vec![f64::from(i), 50.0 + f64::from(i)],
    });
    let content = Content::new("content", vec![4.0, 8.0], segments.collect()).unwrap();
    let origin = Origin::new(content);
    let trace = trace(100.0, &[(1000.0, 2000.0)]);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let session = Session {
        abr: Box::new(Curious(Arc::clone(&seen))),
        ..scripted(&trace, &origin, 30.0, &[])
    };
    session.run().unwrap();
    let seen = seen.lock().unwrap();
    // The table is asked for when the first segment is here, with the second.
    assert_eq!(seen[0], [None, None]);
    let known: Vec<_> = (2..5)
        .map(|i| [Some(50.0 + f64::from(i)), (i < 4).then(|| 51.0 + f64::from(i))])
        .collect();
    assert_eq!(seen[2..], known);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_link_lets_a_session_end_or_says_why_not(
        pieces in prop::collection::vec((1_u32..20_000, prop_oneof![Just(0_u32), 1_u32..50_000]), 1..12),
        rtt_ms in 0_u32..3000,
        slow_start in any::<bool>(),
        outages in prop::option::of((0.01_f64..300.0, 0.001_f64..200.0, any::<u64>())),
        audio in prop::option::of(1.0_f64..500.0),
        durations in prop::collection::vec(40_i64..12_000, 1..30),
        ladder in prop::collection::vec(1_u64..3_000_000, 1..6),
        seed in any::<u64>(),
        time_outs in any::<bool>(),
    ) {
        let mut points: Vec<_> = pieces.iter().map(|&(ms, kbps)| (f64::from(ms), f64::from(kbps))).collect();
        points.push((500.0, 400.0));
        let trace = trace(f64::from(rtt_ms), &points);
        let mut sizes = ladder;
        sizes.sort_unstable();
        let kbps = sizes.iter().map(|bytes| *bytes as f64 / 100.0).collect();
        let segments: Vec<_> = durations
            .iter()
            .map(|ms| Segment { duration: MediaTime::from_millis(*ms), bytes: sizes.clone(), vmaf: Vec::new() })
            .collect();
        let mut origin = Origin::new(Content::new("any", kbps, segments).unwrap());
        if let Some(kbps) = audio {
            origin = origin.with_audio(kbps).unwrap();
        }
        let outages = match outages {
            Some((every, lasting, seed)) => Outages::random(every, lasting, seed).unwrap(),
            None => Outages::NONE,
        };
        let mut config = yardstick(24.0);
        config.seed = seed;
        if time_outs {
            config.retry = player_core::config::RetryConfig::default();
        }
        let link = Link { slow_start, outages };
        let session = Session { link, timeline: true, ..session(&trace, &origin, "headgate", config) };
        match session.run() {
            Ok(outcome) => {
                prop_assert_eq!(outcome.played.len(), durations.len());
                let stalls: Duration = outcome.played.iter().map(|p| p.stall).sum();
                let content = origin.content().duration().as_duration();
                prop_assert_eq!(outcome.duration, stalls + content);
                let timeline = outcome.timeline.unwrap();
                prop_assert!(timeline.buffer.windows(2).all(|w| w[0].at_s <= w[1].at_s));
                let ended = timeline.transfers.iter().chain(&timeline.audio);
                prop_assert!(ended.clone().all(|t| t.requested_s <= t.first_byte_s && t.first_byte_s <= t.ended_s));
                prop_assert_eq!(ended.count() as u64, outcome.requests);
            }
            Err(error @ (SessionError::TooLong { .. } | SessionError::Player { .. })) => {
                prop_assert!(!error.to_string().is_empty());
            }
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}
