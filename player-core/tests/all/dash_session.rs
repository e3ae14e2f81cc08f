//! What the engine plays of an MPD.
#![allow(clippy::unwrap_used)]

use crate::world;

use player_core::Config;
use player_core::output::PlayerEvent;
use player_core::telemetry::schema::PlaybackState;
use world::{World, media, text};

const URL: &str = "https://host/other.mpd";
const SET: &str =
    "<SegmentTemplate duration='4' media='$Number$.m4s'/><Representation id='v' bandwidth='500000'/>";

fn load(mpd: &str) -> World {
    let mut world = World::new(Config::default());
    world.files.insert(URL.into(), text(mpd));
    world.load(URL);
    world.run(0.1);
    world
}

fn mpd(first: &str, second: &str) -> String {
    let set = |inner: &str| {
        format!("<AdaptationSet mimeType='video/mp4' codecs='avc1.64001f'>{inner}{SET}</AdaptationSet>")
    };
    let mut periods = format!("<Period duration='PT20S'>{}</Period>", set(first));
    if !second.is_empty() {
        let set = set(second).replace("duration='4'", "duration='4' startNumber='6'");
        periods.push_str(&format!("<Period duration='PT20S'>{set}</Period>"));
    }
    format!("<MPD>{periods}</MPD>")
}

#[test]
fn what_is_encrypted_is_refused_with_its_reason() {
    let protection = "<ContentProtection schemeIdUri='urn:mpeg:dash:mp4protection:2011' value='cenc'/>";
    let world = load(&mpd(protection, ""));
    let errors = world.errors().join("\n");
    assert!(
        errors.contains("the stream is encrypted, and no licence server is known"),
        "{errors}"
    );
}

#[test]
fn periods_are_played_one_after_the_other() {
    let mut world = load(&mpd("", " "));
    let loaded = world.events.iter().find_map(|event| match event {
        PlayerEvent::Loaded {
            duration, warnings, ..
        } => Some((*duration, warnings.clone())),
        _ => None,
    });
    let (duration, warnings) = loaded.unwrap();
    assert_eq!(duration.unwrap().as_millis(), 40_000);
    assert_eq!(warnings, [""; 0]);
    for n in 1..=10 {
        world.files.insert(format!("https://host/{n}.m4s"), media(1000));
    }
    world.play();
    world.run(45.0);
    assert_eq!(world.state(), PlaybackState::Ended, "{:?}", world.errors());
    let segments = world.fetched.iter().filter_map(|url| url.strip_suffix(".m4s"));
    let numbers: Vec<&str> = segments.filter_map(|url| url.rsplit('/').next()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
}
