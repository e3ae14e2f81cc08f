//! What the engine plays of an MPD.
#![allow(clippy::unwrap_used)]

mod world;

use player_core::Config;
use player_core::output::PlayerEvent;
use world::{World, text};

const URL: &str = "https://host/other.mpd";
const SET: &str =
    "<SegmentTemplate duration='2' media='$Number$.m4s'/><Representation id='v' bandwidth='500000'/>";

fn load(mpd: &str) -> World {
    let mut world = World::new(Config::default());
    world.files.insert(URL.into(), text(mpd));
    world.load(URL);
    world.run(2.0);
    world
}

fn mpd(first: &str, second: &str) -> String {
    let set = |inner: &str| {
        format!("<AdaptationSet mimeType='video/mp4' codecs='avc1.64001f'>{inner}{SET}</AdaptationSet>")
    };
    let mut periods = format!("<Period duration='PT20S'>{}</Period>", set(first));
    if !second.is_empty() {
        periods.push_str(&format!("<Period duration='PT20S'>{}</Period>", set(second)));
    }
    format!("<MPD>{periods}</MPD>")
}

#[test]
fn what_is_encrypted_is_refused_with_its_reason() {
    let protection = "<ContentProtection schemeIdUri='urn:mpeg:dash:mp4protection:2011' value='cenc'/>";
    let world = load(&mpd(protection, ""));
    let errors = world.errors().join("\n");
    assert!(
        errors.contains("encrypted, which this version does not play"),
        "{errors}"
    );
}

#[test]
fn a_live_mpd_is_refused_with_its_reason() {
    let world = load(&mpd("", "").replace("<MPD>", "<MPD type='dynamic'>"));
    let errors = world.errors().join("\n");
    assert!(errors.contains("is a live stream"), "{errors}");
}

#[test]
fn of_several_periods_the_first_is_played() {
    let world = load(&mpd("", " "));
    let loaded = world.events.iter().find_map(|event| match event {
        PlayerEvent::Loaded {
            duration, warnings, ..
        } => Some((*duration, warnings.clone())),
        _ => None,
    });
    let (duration, warnings) = loaded.unwrap();
    assert_eq!(duration.unwrap().as_millis(), 20_000);
    assert_eq!(
        warnings,
        ["only the first of 2 periods is played by this version"]
    );
}
