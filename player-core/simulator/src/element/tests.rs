use proptest::prelude::*;

use super::*;

const VIDEO: TrackKind = TrackKind::Video;
const AUDIO: TrackKind = TrackKind::Audio;

fn element() -> Element {
    let mut element = Element::new();
    assert!(element.create_buffer(VIDEO));
    element
}

fn range(from_ms: i64, to_ms: i64) -> TimeRange {
    TimeRange::new(MediaTime::from_millis(from_ms), MediaTime::from_millis(to_ms))
}

const fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1000)
}

const fn stall(from_ms: u64, ms: u64, position_ms: i64) -> Stall {
    let position = MediaTime::from_millis(position_ms);
    Stall {
        from: at(from_ms),
        duration: Duration::from_millis(ms),
        for_key: Duration::ZERO,
        position,
    }
}

/// Lets it play until `ms`; the times of its reports.
fn play_until(element: &mut Element, ms: u64) -> Vec<u64> {
    let mut reports = Vec::new();
    while let Some(next) = element.next().filter(|next| *next <= at(ms)) {
        if element.advance(next) {
            reports.push(next.as_micros() / 1000);
        }
    }
    element.advance(at(ms));
    reports
}

#[test]
fn it_starts_stalls_goes_on_and_ends() {
    let mut e = element();
    assert_eq!(
        (e.next(), e.state().ready_state, e.state().paused),
        (None, 0, false)
    );
    e.advance(at(700));
    assert!(e.append(VIDEO, range(0, 1000)), "it starts");
    assert_eq!((e.state().ready_state, e.is_playing()), (4, true));
    assert_eq!(play_until(&mut e, 2000), [950, 1200, 1450, 1700]);
    assert_eq!((e.state().ready_state, e.is_playing()), (2, false));
    assert_eq!(e.position(), MediaTime::from_millis(1000));
    assert!(e.append(VIDEO, range(1000, 2000)), "it goes on");
    assert!(!e.append(VIDEO, range(2000, 2100)), "more media changes nothing");
    assert!(!e.end_of_stream());
    assert_eq!(play_until(&mut e, 9000), [2250, 2500, 2750, 3000, 3100]);
    assert!(e.has_ended() && e.state().ended);
    assert_eq!(e.position(), MediaTime::from_millis(2100));
    assert_eq!(e.state().decoded_frames, 52);
    assert_eq!(e.stalls(), [stall(0, 700, 0), stall(1700, 300, 1000)]);
    assert_eq!(e.next(), None);
}

#[test]
fn without_the_end_of_the_stream_it_waits_for_more() {
    let mut e = element();
    e.append(VIDEO, range(0, 100));
    assert_eq!(play_until(&mut e, 500), [100]);
    assert!(!e.has_ended());
    assert!(e.end_of_stream());
    assert!(e.has_ended());
}

#[test]
fn a_gap_stops_it_until_it_is_told_to_jump() {
    let mut e = element();
    e.append(VIDEO, range(0, 100));
    e.append(VIDEO, range(150, 400));
    assert_eq!(e.buffered(VIDEO), [range(0, 100), range(150, 400)]);
    assert_eq!(play_until(&mut e, 200), [100]);
    e.seek(MediaTime::from_millis(150));
    assert!(e.is_playing() && !e.state().seeking);
    e.seek(MediaTime::from_millis(900));
    assert_eq!(
        (e.is_playing(), e.state().seeking, e.state().ready_state),
        (false, true, 1)
    );
    assert_eq!(e.stalls(), [stall(0, 0, 0), stall(100, 100, 150)]);
}

#[test]
fn a_viewer_pauses_and_hurries() {
    let mut e = element();
    e.append(VIDEO, range(0, 4000));
    assert!(e.set_paused(true) && !e.set_paused(true));
    assert_eq!(
        (e.next(), e.state().paused, e.state().ready_state),
        (None, true, 4)
    );
    e.advance(at(1000));
    assert_eq!(e.position(), MediaTime::ZERO);
    assert!(e.set_paused(false) && e.is_playing());
    e.set_rate(4.0);
    assert_eq!(play_until(&mut e, 1600), [1250, 1500]);
    assert_eq!(e.position(), MediaTime::from_millis(2400));
    e.set_rate(f64::NAN);
    e.set_rate(0.5);
    assert_eq!(e.state().rate, 0.5);
    e.end_of_stream();
    play_until(&mut e, 9000);
    assert!(e.has_ended());
    assert_eq!(e.position(), MediaTime::from_millis(4000));
}

#[test]
fn a_decoder_hangs_and_fails() {
    let mut e = element();
    e.append(VIDEO, range(0, 4000));
    e.set_frozen(true);
    assert_eq!(play_until(&mut e, 1000), [250, 500, 750, 1000]);
    assert_eq!((e.position(), e.state().ready_state), (MediaTime::ZERO, 4));
    e.set_frozen(false);
    e.set_rate(2.0);
    e.fail(3);
    assert_eq!((e.is_playing(), e.state().error), (false, Some(3)));
    e.close();
    assert_eq!(
        (e.state().error, e.rate(), e.has_buffer(VIDEO)),
        (None, 2.0, false)
    );
}

#[test]
fn removing_splits_and_trims() {
    let mut e = element();
    e.append(VIDEO, range(0, 1000));
    e.remove(VIDEO, range(200, 300));
    e.remove(VIDEO, range(900, 2000));
    e.append(VIDEO, range(250, 300));
    assert_eq!(e.buffered(VIDEO), [range(0, 200), range(250, 900)]);
    assert!(e.remove(VIDEO, range(0, 150)), "the playhead lost its media");
    assert!(!e.is_playing());
}

#[test]
fn it_plays_what_both_buffers_hold() {
    let mut e = element();
    assert!(e.create_buffer(AUDIO) && !e.create_buffer(AUDIO));
    assert!(!e.append(VIDEO, range(0, 1000)), "there is no sound yet");
    assert_eq!((e.next(), e.state().ready_state), (None, 0));
    assert!(e.append(AUDIO, range(0, 400)));
    assert_eq!(e.ahead(), MediaTime::from_millis(400));
    assert_eq!(play_until(&mut e, 500), [250, 400]);
    e.append(AUDIO, range(600, 900));
    assert!(!e.is_playing(), "a hole in the sound");
    assert!(e.append(AUDIO, range(400, 650)));
    assert_eq!(e.ahead(), MediaTime::from_millis(500));
    e.end_of_stream();
    assert_eq!(play_until(&mut e, 5000), [750, 1000]);
    assert!(e.has_ended());
    assert!(
        !e.append(TrackKind::Text, range(0, 9000)),
        "nobody made that buffer"
    );
    assert_eq!(e.buffered(TrackKind::Text), []);
}

#[test]
fn what_is_encrypted_waits_for_its_key() {
    let [sd, hd] = [1, 2].map(|n| KeyId([n; 16]));
    let keys = |keys: &[KeyId]| keys.iter().copied().collect::<BTreeSet<_>>();
    let mut e = element();
    e.append(VIDEO, range(0, 1000));
    e.append_locked(VIDEO, range(1000, 2000), Some(sd));
    e.append_locked(VIDEO, range(2000, 3000), Some(hd));
    assert_eq!(e.ahead(), MediaTime::from_millis(1000), "the rest is locked");
    play_until(&mut e, 1500);
    assert_eq!(e.position(), MediaTime::from_millis(1000));
    assert_eq!((e.state().ready_state, e.waits_for_key()), (2, Some(sd)));
    assert!(!e.set_keys(keys(&[hd])), "another one is of no use");
    assert!(e.set_keys(keys(&[sd])), "it goes on");
    assert_eq!(e.stalls()[1].for_key, Duration::from_millis(500));
    play_until(&mut e, 3000);
    assert_eq!(
        (e.position(), e.waits_for_key()),
        (MediaTime::from_millis(2000), Some(hd))
    );
    // Whatever takes its place, the decoder waits on, until a seek.
    assert!(!e.append_locked(VIDEO, range(2000, 3000), Some(sd)));
    assert_eq!(e.waits_for_key(), Some(hd));
    e.seek(MediaTime::from_millis(2000));
    assert_eq!((e.is_playing(), e.waits_for_key()), (true, None));
    // A key that runs out stops it at once.
    play_until(&mut e, 3100);
    assert!(e.set_keys(keys(&[])));
    assert_eq!((e.is_playing(), e.waits_for_key()), (false, Some(sd)));
    e.close();
    e.create_buffer(VIDEO);
    e.append_locked(VIDEO, range(0, 1000), Some(sd));
    assert_eq!((e.state().ready_state, e.waits_for_key()), (1, Some(sd)));
    // What is removed needs no key.
    e.remove(VIDEO, range(500, 1000));
    e.seek(MediaTime::from_millis(600));
    assert_eq!(e.waits_for_key(), None);
}

proptest! {
    #[test]
    fn ranges_hold_every_millisecond_that_was_added(
        added in prop::collection::vec((0_i64..60, 1_i64..15), 0..12),
        removed in (0_i64..60, 1_i64..15),
    ) {
        let mut e = element();
        let mut held = [false; 80];
        for &(start, length) in &added {
            e.append(VIDEO, range(start, start + length));
            (start..start + length).for_each(|t| held[t as usize] = true);
        }
        e.remove(VIDEO, range(removed.0, removed.0 + removed.1));
        (removed.0..removed.0 + removed.1).for_each(|t| held[t as usize] = false);
        let ranges = e.buffered(VIDEO);
        for (t, held) in held.iter().enumerate() {
            let t = MediaTime::from_millis(t as i64);
            prop_assert_eq!(ranges.iter().any(|r| r.contains(t)), *held, "{:?}", ranges);
        }
        prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start), "{:?}", ranges);
    }
}
