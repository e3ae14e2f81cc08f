//! Protected streams: key systems, sessions, licences, and what becomes of the ladder.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use std::time::Duration;

use player_core::config::{Certificate, Config, DrmConfig, KeySystemConfig};
use player_core::drm::cdm::{ClosedReason, Command, Event, KeyStatus, NoAccess, Refusal, SessionId};
use player_core::drm::{KeyId, KeySystem};
use player_core::error::{DrmErrorKind, PlayerError};
use player_core::input::{Input, Load};
use player_core::media::fmp4::{Facts, Protected};
use player_core::output::{Limit, PlayerEvent, RequestKind};
use player_core::telemetry::schema::PlaybackState;
use world::{World, status, text};

use crate::world;

const SD: KeyId = KeyId([1; 16]);
const HD: KeyId = KeyId([2; 16]);
const SOUND: KeyId = KeyId([3; 16]);
const SERVER: &str = "https://licences/";
const WIDEVINE: &str = "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed";

fn system(system: KeySystem) -> KeySystemConfig {
    KeySystemConfig {
        system,
        server: SERVER.into(),
        ..KeySystemConfig::default()
    }
}

fn config(system: KeySystemConfig) -> Config {
    Config {
        drm: DrmConfig {
            systems: vec![system],
            ..DrmConfig::default()
        },
        ..Config::default()
    }
}

fn clear_key() -> Config {
    config(system(KeySystem::ClearKey))
}

/// The stream of [`World::serve_dash`], of which `low` and `mid` have one key, `high` has another, and the sound a third.
fn serve(world: &mut World) -> &'static str {
    let url = world.serve_dash(50);
    let reply = world.files[url].clone();
    let mpd = String::from_utf8(reply.body).unwrap();
    let protection = |key: KeyId| {
        let pssh = player_core::drm::pssh::write(&KeySystem::Widevine.system_ids()[0], &[], &key.0);
        format!(
            "<ContentProtection schemeIdUri=\"urn:mpeg:dash:mp4protection:2011\" value=\"cenc\" \
             xmlns:cenc=\"urn:mpeg:cenc:2013\" cenc:default_KID=\"{key}\"/>\
             <ContentProtection schemeIdUri=\"{WIDEVINE}\" xmlns:cenc=\"urn:mpeg:cenc:2013\"><cenc:pssh>{}</cenc:pssh></ContentProtection>",
            base64(&pssh)
        )
    };
    let mut protected = mpd;
    for (id, key) in [("low", SD), ("mid", SD), ("high", HD), ("audio", SOUND)] {
        let start = protected.find(&format!("<Representation id=\"{id}\"")).unwrap();
        let end = start + protected[start..].find("/>").unwrap();
        protected.replace_range(end..end + 2, &format!(">{}</Representation>", protection(key)));
    }
    world.files.insert(url.into(), text(&protected));
    world.files.insert(SERVER.into(), text("a licence"));
    world.locked = [("low", SD), ("mid", SD), ("high", HD)]
        .into_iter()
        .map(|(name, key)| (name.to_owned(), key))
        .collect();
    url
}

/// RFC 4648, 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |group: &[u8]| {
        let bits = group
            .iter()
            .chain(&[0; 2])
            .take(3)
            .fold(0usize, |bits, byte| bits << 8 | usize::from(*byte));
        (0..4)
            .map(move |i| {
                if i <= group.len() {
                    DIGITS[bits >> (18 - 6 * i) & 63] as char
                } else {
                    '='
                }
            })
            .collect::<String>()
    };
    bytes.chunks(3).map(group).collect()
}

fn usable(keys: &[KeyId]) -> Vec<(KeyId, KeyStatus)> {
    keys.iter().map(|key| (*key, KeyStatus::Usable)).collect()
}

fn start(config: Config, prepare: impl FnOnce(&mut World)) -> World {
    let mut world = World::new(config);
    let url = serve(&mut world);
    world.cdm.licence = usable(&[SD, HD, SOUND]);
    prepare(&mut world);
    world.load(url);
    world.play();
    world
}

fn fatal(world: &World) -> Option<PlayerError> {
    let fatal = |event: &PlayerEvent| match event {
        PlayerEvent::Error(error) if error.fatal => Some(error.clone()),
        _ => None,
    };
    world.events.iter().find_map(fatal)
}

fn fatal_kind(world: &World) -> DrmErrorKind {
    let error = fatal(world).unwrap_or_else(|| panic!("no fatal error: {:?}", world.errors()));
    error.drm.unwrap_or_else(|| panic!("{}", error.message)).kind
}

fn licences(world: &World) -> usize {
    let licence = |(_, fetch): &&(_, player_core::output::Fetch)| fetch.kind == RequestKind::Licence;
    world.fetches.iter().filter(licence).count()
}

fn count(world: &World, is: fn(&Command) -> bool) -> usize {
    world.cdm.commands.iter().filter(|command| is(command)).count()
}

#[test]
fn a_licence_is_asked_for_beside_the_first_segments() {
    let mut world = start(clear_key(), |_| {});
    world.run(20.0);
    assert_eq!(world.errors(), Vec::<String>::new());
    assert_eq!(world.state(), PlaybackState::Playing);
    assert_eq!(world.rendition(), Some("high"));
    // One request for all keys, before any segment has come.
    assert_eq!(licences(&world), 1);
    let at = |is: fn(&str) -> bool| world.fetches.iter().position(|(_, f)| is(&f.url)).unwrap();
    let licence = at(|url| url == SERVER);
    let segment = world
        .fetches
        .iter()
        .find(|(_, f)| f.url.ends_with("/1.m4s"))
        .unwrap();
    let (asked, _) = &world.fetches[licence];
    assert!(
        asked.since(segment.0) < Duration::from_millis(100),
        "{asked:?} {segment:?}"
    );
    // The browser is asked for the types that are protected, with the scheme.
    let Command::Access { candidates, .. } = &world.cdm.commands[0] else {
        panic!("{:?}", world.cdm.commands[0]);
    };
    let first = &candidates[0];
    assert_eq!(
        (first.key_system.as_str(), first.encryption_scheme.as_str()),
        ("org.w3.clearkey", "cenc")
    );
    assert_eq!(first.video, ["video/mp4; codecs=\"avc1.64001f\""]);
    assert_eq!(first.audio, ["audio/mp4; codecs=\"mp4a.40.2\""]);
    world.give(Input::Unload);
    assert!(matches!(world.cdm.commands.last(), Some(Command::Detach)));
    assert_eq!(world.cdm.sessions.len(), 0);
}

#[test]
fn buffers_wait_for_media_keys_and_downloads_do_not() {
    let mut world = start(clear_key(), |world| world.cdm.latency = Duration::from_secs(2));
    world.run(3.0);
    assert!(world.buffers.is_empty());
    assert!(world.fetched.iter().any(|url| url.ends_with("/1.m4s")));
    world.run(10.0);
    assert_eq!(world.state(), PlaybackState::Playing);
}

#[test]
fn where_the_key_of_high_resolutions_is_withheld_the_rest_is_played() {
    let mut world = start(clear_key(), |world| world.cdm.licence = usable(&[SD, SOUND]));
    world.bps = 50e6;
    world.run(30.0);
    assert_eq!(fatal(&world), None);
    assert_eq!(world.state(), PlaybackState::Playing);
    assert_eq!(world.rendition(), Some("mid"));
    let told = world.events.iter().any(|event| {
        matches!(event, PlayerEvent::Limited { highest, by } if highest == "mid" && by.contains(&Limit::Restricted))
    });
    assert!(told);
    // It comes back when the key does.
    let session = *world.cdm.sessions.iter().next().unwrap();
    world.cdm.licence = usable(&[SD, HD, SOUND]);
    let keys = world.cdm.keys(session);
    world.give(Input::Drm(keys));
    world.run(60.0);
    assert_eq!(world.rendition(), Some("high"));
}

#[test]
fn keys_that_the_output_may_not_have_take_their_renditions_away() {
    let mut world = start(clear_key(), |world| {
        world.cdm.licence = vec![
            (SD, KeyStatus::OutputDownscaled),
            (HD, KeyStatus::OutputRestricted),
            (SOUND, KeyStatus::Usable),
        ];
    });
    world.run(30.0);
    assert_eq!((fatal(&world), world.rendition()), (None, Some("mid")));
    // And when none is left, playback ends.
    let session = *world.cdm.sessions.iter().next().unwrap();
    world.cdm.licence[0].1 = KeyStatus::OutputRestricted;
    let keys = world.cdm.keys(session);
    world.give(Input::Drm(keys));
    world.run(1.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::OutputRestricted);
    let error = fatal(&world).unwrap().drm.unwrap();
    assert_eq!(error.system, Some(KeySystem::ClearKey));
    assert!(error.key_id.is_some() && !error.retriable);
}

#[test]
fn a_licence_server_that_refuses_is_named_at_once() {
    for (code, retriable, requests) in [(403, false, 1), (404, false, 1), (500, true, 3)] {
        let mut world = start(clear_key(), |world| {
            world.files.insert(SERVER.into(), status(code));
        });
        world.run(10.0);
        assert_eq!(fatal_kind(&world), DrmErrorKind::RequestHttp);
        let error = fatal(&world).unwrap();
        let drm = error.drm.unwrap();
        assert_eq!(
            (drm.status, drm.retriable),
            (Some(code), retriable),
            "{}",
            error.message
        );
        assert!(drm.session.is_some());
        assert_eq!(licences(&world), requests);
        assert_eq!(world.state(), PlaybackState::Failed);
        // Said once.
        let said = world
            .errors()
            .iter()
            .filter(|error| error.contains("licence"))
            .count();
        assert_eq!(said, requests);
    }
}

#[test]
fn a_licence_server_that_does_not_answer_is_given_up() {
    let mut config = clear_key();
    config.retry.licence.ttfb_timeout_ms = 1000;
    let mut world = start(config, |world| {
        let silent = world::Reply {
            silent: true,
            ..text("")
        };
        world.files.insert(SERVER.into(), silent);
    });
    world.run(15.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::RequestNetwork);
    let page = world::Reply {
        content_type: "text/html; charset=utf-8",
        ..text("<html>")
    };
    let mut world = start(clear_key(), |world| {
        world.files.insert(SERVER.into(), page);
    });
    world.run(15.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::ResponseRejected);
}

#[test]
fn a_licence_without_the_key_is_an_error_within_the_deadline() {
    let mut world = start(clear_key(), |world| world.cdm.licence = usable(&[KeyId([9; 16])]));
    world.run(5.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::KeyMissingTimeout);
    // One that the CDM refuses too.
    let mut world = start(clear_key(), |world| {
        world.cdm.update_error = Some("no JSON".into())
    });
    world.run(5.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::ResponseRejected);
}

#[test]
fn an_element_that_waits_for_a_key_that_nobody_names_does_not_wait_for_ever() {
    let mut world = start(clear_key(), |_| {});
    world.run(3.0);
    world.frozen_at = Some(world.element.position);
    world.locked = [("low", "x"), ("mid", "x"), ("high", "x")]
        .map(|(name, _)| (name.to_owned(), KeyId([7; 16])))
        .into();
    world.run(20.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::KeyMissingTimeout);
}

#[test]
fn what_runs_out_is_renewed_once() {
    let mut world = start(clear_key(), |_| {});
    world.run(5.0);
    let session = *world.cdm.sessions.iter().next().unwrap();
    let expired = |keys: [KeyId; 3]| keys.map(|key| (key, KeyStatus::Expired)).to_vec();
    let all = [SD, HD, SOUND];
    world.give(Input::Drm(Event::Keys {
        session,
        keys: expired(all),
    }));
    world.run(10.0);
    assert_eq!((world.cdm.opened, licences(&world), fatal(&world)), (2, 2, None));
    assert_eq!(world.state(), PlaybackState::Playing);
    // The server does not give it more time.
    world.cdm.later = Some(expired(all));
    let session = *world.cdm.sessions.iter().next().unwrap();
    world.give(Input::Drm(Event::Keys {
        session,
        keys: expired(all),
    }));
    world.run(15.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::Expired);
    assert_eq!(world.cdm.opened, 3);
}

#[test]
fn a_renewal_that_is_refused_is_not_waited_for() {
    let mut world = start(clear_key(), |_| {});
    world.run(5.0);
    world.files.insert(SERVER.into(), status(403));
    let session = *world.cdm.sessions.iter().next().unwrap();
    let keys = [SD, HD, SOUND].map(|key| (key, KeyStatus::Expired)).to_vec();
    world.give(Input::Drm(Event::Keys { session, keys }));
    world.run(2.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::Expired);
    assert_eq!(licences(&world), 2);
}

#[test]
fn what_has_run_out_before_its_licence_was_taken_is_renewed_too() {
    let mut world = start(clear_key(), |world| world.cdm.keys_first = true);
    world.cdm.licence = [SD, HD, SOUND].map(|key| (key, KeyStatus::Expired)).to_vec();
    world.cdm.later = Some(usable(&[SD, HD, SOUND]));
    world.run(5.0);
    assert_eq!(
        (fatal(&world), world.cdm.opened, world.state()),
        (None, 2, PlaybackState::Playing)
    );
}

#[test]
fn fairplay_renews_in_its_session_and_needs_its_certificate() {
    let fairplay = |certificate| KeySystemConfig {
        certificate,
        ..system(KeySystem::FairPlay)
    };
    let given = config(fairplay(Certificate::Given));
    let mut world = start(given.clone(), |world| {
        world.cdm.systems = vec!["com.apple.fps"];
        world.cdm.certificate_error = Some("not a certificate".into());
        let url = "https://h/manifest.mpd";
        let mpd = String::from_utf8(world.files[url].body.clone()).unwrap();
        let mpd = mpd.replace(WIDEVINE, "urn:uuid:94ce86fb-07ff-4f43-adb8-93d2fa968ca2");
        world.files.insert(url.into(), text(&mpd));
    });
    world.run(5.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::Certificate);
}

#[test]
fn a_certificate_is_fetched_before_sessions_are_opened() {
    let widevine = KeySystemConfig {
        certificate: Certificate::Url("https://licences/certificate".into()),
        video_robustness: vec!["HW_SECURE_ALL".into(), "SW_SECURE_DECODE".into()],
        ..system(KeySystem::Widevine)
    };
    let mut world = start(config(widevine.clone()), |world| {
        world.cdm.systems = vec!["com.widevine.alpha"];
        let certificate = "https://licences/certificate";
        world.files.insert(certificate.into(), text("certificate"));
    });
    world.run(10.0);
    assert_eq!((world.errors(), world.state()), (vec![], PlaybackState::Playing));
    let place = |is: fn(&Command) -> bool| world.cdm.commands.iter().position(is).unwrap();
    let certify = place(|c| matches!(c, Command::Certify { response: Some(_) }));
    assert!(certify < place(|c| matches!(c, Command::Open { .. })));
    let Command::Access { candidates, .. } = &world.cdm.commands[0] else {
        panic!()
    };
    let robustness: Vec<&str> = candidates.iter().map(|c| c.video_robustness.as_str()).collect();
    assert_eq!(robustness, ["HW_SECURE_ALL", "SW_SECURE_DECODE"]);
    // Widevine asks its server for one where there is none.
    let mut world = start(config(widevine), |world| {
        world.cdm.systems = vec!["com.widevine.alpha"]
    });
    world.run(10.0);
    assert_eq!((fatal(&world), world.state()), (None, PlaybackState::Playing));
    assert!(!world.errors().is_empty());
}

#[test]
fn what_cannot_be_had_is_said() {
    for (no_access, kind) in [
        (NoAccess::Unsupported, DrmErrorKind::Unsupported),
        (NoAccess::Timeout, DrmErrorKind::Unsupported),
        (NoAccess::InsecureContext, DrmErrorKind::InsecureContext),
    ] {
        let mut world = start(clear_key(), |world| {
            world.cdm.systems = vec![];
            world.cdm.no_access = no_access;
        });
        world.run(3.0);
        assert_eq!(fatal_kind(&world), kind);
    }
    let mut world = start(Config::default(), |_| {});
    world.run(3.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::NoConfig);
    assert!(fatal(&world).unwrap().message.contains("widevine"));
    let mut world = start(clear_key(), |world| world.cdm.attach_error = Some("no".into()));
    world.run(3.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::Session);
}

#[test]
fn types_that_cannot_be_decrypted_are_left_out() {
    let mut world = start(clear_key(), |world| {
        world.cdm.types_refused = vec!["video/mp4; codecs=\"avc1.64001f\"".into()];
    });
    world.run(5.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::OutputRestricted);
}

#[test]
fn a_cdm_that_was_reset_gets_its_sessions_again() {
    let mut world = start(clear_key(), |_| {});
    let reset = |world: &mut World| {
        let sessions: Vec<SessionId> = world.cdm.sessions.iter().copied().collect();
        for session in sessions {
            world.cdm.close(session);
            world.give(Input::Drm(Event::Closed {
                session,
                reason: ClosedReason::HardwareContextReset,
            }));
        }
    };
    world.run(5.0);
    reset(&mut world);
    world.run(5.0);
    assert_eq!((fatal(&world), world.state()), (None, PlaybackState::Playing));
    assert_eq!(licences(&world), 2);
    for _ in 0..3 {
        reset(&mut world);
        world.run(5.0);
    }
    assert_eq!(fatal_kind(&world), DrmErrorKind::CdmReset);
}

#[test]
fn a_cdm_that_is_full_loses_its_oldest_session() {
    // Of Widevine each `pssh` has a session of its own.
    let widevine = || {
        start(config(system(KeySystem::Widevine)), |world| {
            world.cdm.systems = vec!["com.widevine.alpha"];
        })
    };
    let mut world = widevine();
    world.run(5.0);
    assert_eq!(world.cdm.sessions.len(), 3);
    let mut world = start(config(system(KeySystem::Widevine)), |world| {
        world.cdm.systems = vec!["com.widevine.alpha"];
        world.cdm.refusals = vec![Refusal::Quota; 20];
    });
    world.run(5.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::SessionLimit);
    let mut config = config(system(KeySystem::Widevine));
    config.drm.max_sessions = 2;
    let mut world = start(config, |world| world.cdm.systems = vec!["com.widevine.alpha"]);
    world.run(5.0);
    assert_eq!(world.cdm.sessions.len(), 2);
    assert!(count(&world, |c| matches!(c, Command::Close { .. })) > 0);
}

#[test]
fn a_key_that_does_not_fit_is_blamed() {
    let mut world = start(clear_key(), |_| {});
    world.run(0.4);
    world.element.error = Some(3);
    let element = world.element;
    world.give(Input::Media(element));
    assert_eq!(fatal_kind(&world), DrmErrorKind::WrongKey);
}

#[test]
fn licences_are_stored_loaded_and_given_back() {
    let mut config = clear_key();
    config.drm.persistent = true;
    let mut world = start(config.clone(), |_| {});
    world.run(5.0);
    let stored = world.events.iter().find_map(|event| match event {
        PlayerEvent::LicenceStored { id } => Some(id.clone()),
        _ => None,
    });
    let stored = stored.unwrap();
    config.drm.stored = vec![stored.clone()];
    let mut world = start(config.clone(), |world| world.cdm.stored = vec![stored]);
    world.run(5.0);
    assert_eq!((world.state(), licences(&world)), (PlaybackState::Playing, 0));
    world.give(Input::RemoveLicences);
    world.run(5.0);
    assert_eq!(count(&world, |c| matches!(c, Command::Remove { .. })), 1);
    assert_eq!(licences(&world), 1);
    // What is not there any more is fetched.
    let mut world = start(config, |_| {});
    world.run(5.0);
    assert_eq!((world.state(), licences(&world)), (PlaybackState::Playing, 1));
}

#[test]
fn what_is_loaded_ahead_asks_for_no_keys_until_it_is_played() {
    let mut world = World::new(clear_key());
    let url = serve(&mut world);
    world.cdm.licence = usable(&[SD, HD, SOUND]);
    let load = Load {
        url: url.into(),
        ..Load::default()
    };
    world.give(Input::Preload(Some(load)));
    world.run(5.0);
    assert!(world.cdm.commands.is_empty());
    assert!(world.fetched.iter().any(|url| url.ends_with(".m4s")));
    world.load(url);
    world.play();
    world.run(5.0);
    assert_eq!((world.errors(), world.state()), (vec![], PlaybackState::Playing));
}

#[test]
fn the_manifest_may_name_the_licence_server() {
    let mut world = start(Config::default(), |world| {
        world.cdm.systems = vec!["com.widevine.alpha"];
        let url = "https://h/manifest.mpd";
        let mpd = String::from_utf8(world.files[url].body.clone()).unwrap();
        let laurl = format!(
            "<dashif:Certurl xmlns:dashif=\"https://dashif.org/CPS\">certificate</dashif:Certurl><dashif:Laurl xmlns:dashif=\"https://dashif.org/CPS\">{SERVER}</dashif:Laurl><cenc:pssh>"
        );
        let mpd = mpd.replace("<cenc:pssh>", &laurl);
        world
            .files
            .insert("https://h/certificate".into(), text("certificate"));
        world.files.insert(url.into(), text(&mpd));
    });
    world.run(5.0);
    assert_eq!((world.errors(), world.state()), (vec![], PlaybackState::Playing));
    assert_eq!(
        count(&world, |c| matches!(c, Command::Certify { response: Some(_) })),
        1
    );
}

#[test]
fn keys_rotate_in_the_media() {
    let (first, second, third) = (KeyId([21; 16]), KeyId([22; 16]), KeyId([23; 16]));
    let mut world = World::new(clear_key());
    let url = world.serve_dash(20);
    let mpd = String::from_utf8(world.files[url].body.clone()).unwrap();
    let common = "<ContentProtection schemeIdUri=\"urn:mpeg:dash:mp4protection:2011\" value=\"cenc\"/>";
    let mpd = mpd.replace(
        "codecs=\"avc1.64001f\">",
        &format!("codecs=\"avc1.64001f\">{common}"),
    );
    world.files.insert(url.into(), text(&mpd));
    world.files.insert(SERVER.into(), text("a licence"));
    for (name, ..) in world::LADDER {
        for n in 1..=20 {
            let facts = Facts {
                protection: Some(Box::new(Protected {
                    fragment_keys: vec![[first, second, third][n / 7]],
                    ..Protected::default()
                })),
                ..Facts::default()
            };
            world.facts.insert(format!("https://h/{name}/{n}.m4s"), facts);
        }
    }
    world.cdm.licence = usable(&[first]);
    world.cdm.later = Some(usable(&[second]));
    world.load(url);
    world.play();
    world.run(30.0);
    assert_eq!((world.errors(), world.state()), (vec![], PlaybackState::Playing));
    assert_eq!(licences(&world), 2);
    // Nobody has the third.
    world.run(40.0);
    assert_eq!(fatal_kind(&world), DrmErrorKind::KeyMissingTimeout);
}

#[test]
fn an_output_without_hdcp_does_not_get_what_demands_it() {
    let mut world = World::new(clear_key());
    let url = world.serve_hls(20);
    let key = "#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,KEYFORMAT=\"org.w3.clearkey\",URI=\"data:,\",KEYID=0x";
    let files: Vec<String> = world
        .files
        .keys()
        .filter(|name| name.ends_with(".m3u8"))
        .cloned()
        .collect();
    for name in files {
        let playlist = String::from_utf8(world.files[&name].body.clone()).unwrap();
        let playlist = playlist
            .replace(
                "#EXT-X-TARGETDURATION:4\n",
                &format!("#EXT-X-TARGETDURATION:4\n{key}{SD}\n"),
            )
            .replace("RESOLUTION=1920x1080", "RESOLUTION=1920x1080,HDCP-LEVEL=TYPE-1");
        world.files.insert(name, text(&playlist));
    }
    world.files.insert(SERVER.into(), text("a licence"));
    world.cdm.licence = usable(&[SD]);
    world.cdm.hdcp_lacking = vec!["2.2".into()];
    world.bps = 50e6;
    world.load(url);
    world.play();
    world.run(30.0);
    assert_eq!((world.errors(), world.rendition()), (vec![], Some("mid")));
    assert!(
        world
            .cdm
            .commands
            .iter()
            .any(|c| matches!(c, Command::Hdcp { versions } if versions == &["2.2"]))
    );
}

#[test]
fn hls_asks_for_the_keys_of_the_session_before_its_playlists_are_there() {
    let mut world = World::new(clear_key());
    let url = world.serve_hls(20);
    let key = format!(
        "METHOD=SAMPLE-AES-CTR,KEYFORMAT=\"org.w3.clearkey\",URI=\"data:text/plain;base64,\",KEYID=0x{SD}"
    );
    let files: Vec<String> = world
        .files
        .keys()
        .filter(|name| name.ends_with(".m3u8"))
        .cloned()
        .collect();
    for name in files {
        let playlist = String::from_utf8(world.files[&name].body.clone()).unwrap();
        let (tag, before) = if name == url {
            ("SESSION-KEY", "#EXTM3U\n")
        } else {
            ("KEY", "#EXT-X-TARGETDURATION:4\n")
        };
        let playlist = playlist.replace(before, &format!("{before}#EXT-X-{tag}:{key}\n"));
        world.files.insert(name, text(&playlist));
    }
    world.files.insert(SERVER.into(), text("a licence"));
    world.cdm.licence = usable(&[SD]);
    world.load(url);
    world.play();
    world.run(10.0);
    assert_eq!((world.errors(), world.state()), (vec![], PlaybackState::Playing));
    let at = |end: &str| {
        world
            .fetches
            .iter()
            .position(|(_, f)| f.url.ends_with(end))
            .unwrap()
    };
    assert!(at(SERVER) < at("/1.m4s"));
    assert_eq!(licences(&world), 1);
}

#[test]
fn nothing_of_a_licence_is_in_the_log() {
    let mut world = start(clear_key(), |_| {});
    world.run(10.0);
    assert!(world.log.iter().any(|line| line.contains("license-request")));
    assert!(!world.log.iter().any(|line| line.contains("a licence")));
}
