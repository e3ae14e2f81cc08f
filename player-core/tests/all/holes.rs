//! Holes in what is buffered, and elements that take them differently.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::MediaTime;
use player_core::config::Config;
use player_core::telemetry::schema::PlaybackState;
use world::{World, status};

use crate::world;

/// Ten segments of four seconds, of which no rendition has the pictures of the third.
fn holed() -> World {
    let mut world = World::new(Config::default());
    let url = world.serve_hls(10);
    for name in ["low", "mid", "high"] {
        world.files.insert(format!("https://h/{name}/3.m4s"), status(404));
    }
    world.load(url);
    world.play();
    world
}

#[test]
fn a_hole_is_jumped_over_also_by_an_element_that_halts_a_frame_before_it() {
    for short in [0, 40, 120] {
        let mut world = holed();
        world.halts_short = MediaTime::from_millis(short);
        world.run(9.5);
        let position = world.element.position;
        assert!(
            position > MediaTime::from_millis(12_000),
            "{short}: {position:?} {:?}",
            world.errors()
        );
        world.run(60.0);
        assert_eq!(
            world.state(),
            PlaybackState::Ended,
            "{short}: {:?}",
            world.errors()
        );
    }
}

#[test]
fn an_element_that_plays_on_without_pictures_is_taken_to_where_they_go_on() {
    let mut world = holed();
    world.blind = true;
    while world.element.position < MediaTime::from_millis(8000) {
        world.run(0.05);
    }
    world.run(1.0);
    assert!(
        world.element.position > MediaTime::from_millis(12_000),
        "{:?}",
        world.element.position
    );
    world.run(60.0);
    assert_eq!(world.state(), PlaybackState::Ended, "{:?}", world.errors());
}

#[test]
fn a_stream_of_which_nothing_is_there_fails_with_the_cause() {
    let mut world = World::new(Config::default());
    let url = world.serve_hls(5);
    for name in ["low", "mid", "high"] {
        for n in 1..=5 {
            world
                .files
                .insert(format!("https://h/{name}/{n}.m4s"), status(404));
        }
    }
    world.load(url);
    world.play();
    world.run(60.0);
    assert_eq!(world.state(), PlaybackState::Failed);
    let errors = world.errors();
    assert!(errors.last().unwrap().contains("404"), "{errors:?}");
}
