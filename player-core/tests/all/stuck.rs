//! What a soak has found: playheads that stood, and servers that were asked the same again and again.
#![allow(clippy::unwrap_used)]

use crate::world;

use player_core::input::AppendFailure;
use player_core::telemetry::schema::PlaybackState;
use player_core::{Config, Input, MediaTime};
use world::World;

fn playing() -> World {
    let mut world = World::new(Config::default());
    let url = world.serve_hls(40);
    world.load(url);
    world.run(0.5);
    world.play();
    world.run(5.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    world
}

#[test]
fn a_segment_that_is_gone_is_not_asked_for_again_after_a_seek_into_it() {
    let mut world = playing();
    world.files.remove("https://h/audio/20.m4s");
    world.seek(78.5);
    world.run(20.0);
    let asked = world.fetched.iter().filter(|url| url.ends_with("audio/20.m4s"));
    assert_eq!(asked.count(), 1);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    assert!(world.element.position > MediaTime::from_millis(80_000));
}

#[test]
fn what_lies_far_ahead_makes_way_in_a_full_buffer() {
    let mut world = playing();
    world.seek(120.0);
    world.run(5.0);
    world.seek(40.0);
    world.run(0.3);
    world.refuse_appends = vec![AppendFailure::Quota];
    world.run(5.0);
    let far = MediaTime::from_millis(115_000);
    let makes_way = world
        .removed
        .iter()
        .any(|(_, range)| range.end > far && range.start < far);
    assert!(makes_way, "{:?}", world.removed);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
}

#[test]
fn a_viewer_who_seeks_while_the_source_is_opened_anew_gets_there() {
    let mut world = playing();
    world.element.error = Some(3);
    let failed = world.element;
    world.element.error = None;
    world.element.position = MediaTime::ZERO;
    world.element.ready_state = 0;
    world.give(Input::Media(failed));
    world.run(0.05);
    world.seek(60.0);
    world.run(10.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    assert!(
        world.element.position > MediaTime::from_millis(62_000),
        "{:?}",
        world.element
    );
}

#[test]
fn a_playhead_just_before_what_is_buffered_is_moved_into_it() {
    let mut world = playing();
    // So close to the next segment that the one before is not fetched.
    world.seek(79.995);
    world.run(10.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    assert!(
        world.element.position > MediaTime::from_millis(82_000),
        "{:?}",
        world.element
    );
}

#[test]
fn a_tunnel_is_waited_out() {
    let mut world = playing();
    world.is_silent = true;
    world.run(150.0);
    assert_eq!(world.state(), PlaybackState::Rebuffering, "{:?}", world.errors());
    let stood = world.element.position;
    world.is_silent = false;
    world.run(40.0);
    assert_eq!(world.state(), PlaybackState::Playing, "{:?}", world.errors());
    assert!(world.element.position > stood + MediaTime::from_millis(10_000));
}

#[test]
fn nobody_waits_for_ever() {
    let mut world = playing();
    world.is_silent = true;
    world.run(900.0);
    assert_eq!(world.state(), PlaybackState::Failed, "{:?}", world.errors());
}

#[test]
fn an_end_that_is_gone_is_seen_from_before_it() {
    let mut world = playing();
    world.files.remove("https://h/audio/40.m4s");
    world.seek(158.0);
    world.run(20.0);
    assert!(world.element.ended, "{:?} {:?}", world.element, world.errors());
}

#[test]
fn pictures_that_freeze_at_the_very_end_do_not_keep_it_from_coming() {
    let mut world = playing();
    world.seek(157.0);
    world.run(1.0);
    world.frozen_at = Some(MediaTime::from_millis(159_500));
    world.run(20.0);
    assert!(world.element.ended, "{:?} {:?}", world.element, world.errors());
}

#[test]
fn a_download_is_not_given_up_for_one_that_is_gone() {
    let mut world = playing();
    let here = |url: &String| !url.contains("/20.m4s") || url.contains("/high/") || url.contains("/audio/");
    world.files.retain(|url, _| here(url));
    world.seek(78.0);
    world.bps = 2e5;
    world.run(60.0);
    let asked = world.fetched.iter().filter(|url| url.ends_with("/20.m4s"));
    assert!(asked.count() <= 6, "{:?}", world.fetched);
}
