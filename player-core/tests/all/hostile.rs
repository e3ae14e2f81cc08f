//! Nothing that a driver or a server says makes the engine panic or run for ever.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test may panic")]

use player_core::abr::NetworkMemory;
use player_core::config::{Algorithm, Config, KeySystemConfig, TelemetryConfig};
use player_core::drm::{InitData, KeyId, MessageType, cdm};
use player_core::input::{
    AppendFailure, Body, Decoding, Headers, Host, Input, Integrity, Load, MediaState, NetworkFailure,
    RequestId, TrackKind,
};
use player_core::time::TimeRange;
use player_core::{Instant, MediaTime, Output, Player, manifest};
use proptest::prelude::*;

const TABLE: &str = "{\"version\":1,\"renditions\":[{\"hls\":\"low.m3u8\",\"dash\":\"a\",\"bytes\":[0,1e99,3],\"quality\":[-1,50,null]}]}";
const MASTER: &str = "#EXTM3U\n#EXT-X-SESSION-DATA:DATA-ID=\"dev.headgate.segments\",URI=\"s.json\"\n#EXT-X-STREAM-INF:BANDWIDTH=600000,CODECS=\"avc1.64001f\",RESOLUTION=640x360\nlow.m3u8\n\
    #EXT-X-STREAM-INF:BANDWIDTH=2000000,CODECS=\"avc1.64001f\",RESOLUTION=1280x720\nmid.m3u8\n";
const MEDIA: &str = "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXT-X-MAP:URI=\"i.mp4\"\n#EXTINF:4,\n1.m4s\n#EXTINF:4,\n2.m4s\n#EXT-X-GAP\n#EXTINF:4,\n3.m4s\n#EXT-X-ENDLIST\n";
const MPD: &str = "<MPD mediaPresentationDuration=\"PT20S\"><Period><AdaptationSet mimeType=\"video/mp4\" codecs=\"avc1.1\">\
    <SegmentTemplate timescale=\"1000\" media=\"$RepresentationID$/$Time$\"><SegmentTimeline><S t=\"0\" d=\"4000\" r=\"3\"/><S d=\"2000\" r=\"-1\"/></SegmentTimeline></SegmentTemplate>\
    <Representation id=\"a\" bandwidth=\"1000\"/><Representation id=\"b\" bandwidth=\"1000\"/></AdaptationSet></Period></MPD>";

const PROTECTION: &str = "<ContentProtection schemeIdUri=\"urn:mpeg:dash:mp4protection:2011\" value=\"cenc\" \
    cenc:default_KID=\"01010101-0101-0101-0101-010101010101\"/><SegmentTemplate";

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![0.0f64..60.0, Just(f64::NAN), Just(-5.0), Just(f64::INFINITY)]
}

fn kind() -> impl Strategy<Value = TrackKind> {
    prop_oneof![
        Just(TrackKind::Video),
        Just(TrackKind::Audio),
        Just(TrackKind::Text)
    ]
}

fn request() -> impl Strategy<Value = RequestId> {
    (0u64..30).prop_map(RequestId)
}

fn time() -> impl Strategy<Value = MediaTime> {
    prop_oneof![
        (0i64..30_000).prop_map(MediaTime::from_millis),
        Just(MediaTime::MAX),
        Just(MediaTime::from_micros(i64::MIN)),
    ]
}

fn ranges() -> impl Strategy<Value = Vec<TimeRange>> {
    prop::collection::vec((time(), time()).prop_map(|(a, b)| TimeRange::new(a, b)), 0..4)
}

fn body() -> impl Strategy<Value = Body> {
    prop_oneof![
        Just(Body(MASTER.into())),
        Just(Body(MEDIA.into())),
        Just(Body(MPD.into())),
        Just(Body(MPD.replace("<SegmentTemplate", PROTECTION).into())),
        Just(Body(TABLE.into())),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Body),
    ]
}

fn input() -> impl Strategy<Value = Input> {
    let rate = prop_oneof![
        Just(1.0),
        Just(0.0),
        Just(-1.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        0.1f64..16.0
    ];
    let media = (
        time(),
        any::<[bool; 3]>(),
        0u8..6,
        rate,
        any::<(u64, u64)>(),
        prop::option::weighted(0.03, 1u8..5),
    )
        .prop_map(
            |(position, [paused, seeking, ended], ready_state, rate, frames, error)| {
                Input::Media(MediaState {
                    position,
                    paused,
                    seeking,
                    ended,
                    ready_state,
                    rate,
                    decoded_frames: frames.0,
                    dropped_frames: frames.1,
                    error,
                })
            },
        );
    let response = (
        request(),
        prop_oneof![9 => Just(200u16), 1 => any::<u16>()],
        any::<Option<u64>>(),
        any::<Option<u32>>(),
    )
        .prop_map(
            |(request, status, content_length, retry_after_s)| Input::Response {
                request,
                status,
                url: None,
                content_type: Some("text/html".into()),
                content_length,
                retry_after_s,
                headers: Headers::default(),
            },
        );
    let integrity = prop_oneof![
        6 => Just(Integrity::Whole),
        1 => Just(Integrity::Truncated(5)),
        1 => Just(Integrity::Foreign("x".into())),
    ];
    prop_oneof![
        4 => (request(), body()).prop_map(|(request, body)| Input::Body { request, body }),
        4 => (request(), any::<u32>(), integrity, any::<bool>())
            .prop_map(|(request, bytes, integrity, cached)| Input::Complete { request, bytes: bytes.into(), integrity, cached, media: None }),
        3 => response,
        3 => (request(), any::<u64>()).prop_map(|(request, bytes)| Input::Progress { request, bytes }),
        2 => request().prop_map(|request| Input::Head { request, media: Box::default() }),
        3 => (kind(), ranges()).prop_map(|(kind, buffered)| Input::Appended { kind, buffered }),
        1 => (kind(), ranges(), any::<bool>()).prop_map(|(kind, buffered, quota)| Input::AppendFailed {
            kind,
            buffered,
            reason: if quota { AppendFailure::Quota } else { AppendFailure::Media("x".into()) }
        }),
        1 => (kind(), ranges()).prop_map(|(kind, buffered)| Input::Removed { kind, buffered }),
        4 => media,
        1 => request().prop_map(|request| Input::Failed { request, reason: NetworkFailure::Connection("x".into()) }),
        1 => (any::<[bool; 3]>(), any::<u32>(), any::<u32>())
            .prop_map(|([hidden, save_data, offline], width, height)| Input::Host(Host { hidden, width, height, save_data, offline })),
        1 => (prop::option::of(number()), prop::option::of(any::<u32>()))
            .prop_map(|(max_bandwidth_kbps, max_height)| Input::Limits { max_bandwidth_kbps, max_height }),
        1 => prop::collection::vec(prop_oneof![Just("360p".to_owned()), Just("720p".into()), Just("a".into()), Just("b".into())], 0..3)
            .prop_map(|renditions| Input::Restrict { renditions }),
        1 => prop::option::of("[a-z0-9]{0,3}").prop_map(Input::SelectRendition),
        2 => Just(Input::SourceOpened),
        2 => Just(Input::TypesSupported(vec!["video/mp4; codecs=\"avc1.64001f\"".into(), "video/mp4; codecs=\"avc1.1\"".into()])),
        5 => Just(Input::Tick),
        1 => (number(), number(), any::<i64>(), any::<u64>()).prop_map(|(kbps, spread, unix_ms, wall_clock_ms)| Input::Load(Load {
            url: "https://h/m".into(),
            wall_clock_ms,
            network_memory: Some(NetworkMemory { kbps, spread, unix_ms }),
            ..Load::default()
        })),
        1 => prop::option::of(Just(Load { url: "https://h/m".into(), ..Load::default() })).prop_map(Input::Preload),
        1 => (request(), prop::collection::vec(prop_oneof![Just(Decoding::Rough), Just(Decoding::Unsupported), Just(Decoding::Efficient)], 0..9))
            .prop_map(|(request, answers)| Input::Decoding { request, answers }),
        4 => drm().prop_map(Input::Drm),
        1 => Just(Input::RemoveLicences),
        1 => prop_oneof![Just(16.0), Just(-8.0), Just(0.0), Just(f64::NAN)].prop_map(Input::Scan),
        1 => Just(Input::Unload),
    ]
}

fn drm() -> impl Strategy<Value = cdm::Event> {
    let session = || (0u64..40).prop_map(cdm::SessionId);
    let request = || (0u64..40).prop_map(RequestId);
    let error = || prop::option::of(Just("x".to_owned()));
    let status = prop_oneof![
        Just(cdm::KeyStatus::Usable),
        Just(cdm::KeyStatus::Expired),
        Just(cdm::KeyStatus::OutputRestricted),
        Just(cdm::KeyStatus::StatusPending),
        Just(cdm::KeyStatus::InternalError),
    ];
    let keys = prop::collection::vec(((0u8..4).prop_map(|id| KeyId([id; 16])), status), 0..5);
    let message_type = prop_oneof![
        Just(MessageType::LicenceRequest),
        Just(MessageType::LicenceRenewal),
        Just(MessageType::LicenceRelease),
    ];
    let reason = prop_oneof![
        Just(cdm::ClosedReason::HardwareContextReset),
        Just(cdm::ClosedReason::ResourceEvicted),
        Just(cdm::ClosedReason::ClosedByApplication),
    ];
    let refusal = prop_oneof![
        Just(cdm::Refusal::Quota),
        Just(cdm::Refusal::Absent),
        Just(cdm::Refusal::Other("x".into()))
    ];
    let init = (0u8..6).prop_filter_map("none", |id| InitData::of_key_ids(&[KeyId([id.max(1); 16])]));
    prop_oneof![
        3 => (request(), 0usize..3).prop_map(|(request, candidate)| cdm::Event::Access {
            request,
            result: Ok(cdm::Grant { candidate, types: Vec::new() })
        }),
        1 => request().prop_map(|request| cdm::Event::Access { request, result: Err(cdm::NoAccess::Timeout) }),
        3 => error().prop_map(|error| cdm::Event::Attached { error }),
        1 => error().prop_map(|error| cdm::Event::Certified { error }),
        1 => Just(cdm::Event::Hdcp { lacking: vec!["2.2".into()] }),
        3 => (session(), prop_oneof![3 => Just(Ok("id".to_owned())), 1 => refusal.prop_map(Err)])
            .prop_map(|(session, result)| cdm::Event::Opened { session, result }),
        4 => (session(), message_type).prop_map(|(session, message_type)| cdm::Event::Message {
            session,
            message: cdm::MessageId(session.0),
            message_type
        }),
        3 => (session(), error()).prop_map(|(session, error)| cdm::Event::Updated { session, error }),
        4 => (session(), keys).prop_map(|(session, keys)| cdm::Event::Keys { session, keys }),
        1 => (session(), reason).prop_map(|(session, reason)| cdm::Event::Closed { session, reason }),
        1 => init.prop_map(|init| cdm::Event::Encrypted { init }),
        1 => Just(cdm::Event::WaitingForKey),
    ]
}

fn config() -> impl Strategy<Value = Config> {
    (
        0usize..3,
        number(),
        number(),
        prop::option::of(number()),
        any::<bool>(),
        any::<u64>(),
    )
        .prop_map(|(algorithm, goal_s, back_s, initial, site, seed)| {
            let mut config = Config {
                seed,
                ..Config::default()
            };
            config.abr.algorithm = *Algorithm::ALL.get(algorithm).unwrap();
            config.abr.initial_throughput_kbps = initial;
            config.buffer.goal_s = goal_s;
            config.buffer.back_s = back_s;
            if seed % 2 == 0 {
                let server = "https://l/".to_owned();
                config.drm.systems = vec![KeySystemConfig {
                    server,
                    ..KeySystemConfig::default()
                }];
                config.drm.max_sessions = (seed % 5) as usize;
                config.drm.persistent = seed % 3 == 0;
                config.drm.stored = vec![String::new(); (seed % 7) as usize];
            }
            if site {
                config.telemetry = TelemetryConfig {
                    site: "s".into(),
                    ..TelemetryConfig::default()
                };
            }
            config
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn any_inputs_at_any_times(config in config(), inputs in prop::collection::vec((0u64..5_000_000, input()), 1..120)) {
        let run = |config: Config| {
            let mut player = Player::new(config, Instant::ZERO);
            let mut log = String::new();
            let load = Input::Load(Load { url: "https://h/m".into(), ..Load::default() });
            for (at, input) in [(0, load)].into_iter().chain(inputs.iter().cloned()) {
                player.handle_input(Instant::from_micros(at), input);
                for n in 0.. {
                    assert!(n < 1000, "one input must not give outputs without end");
                    let output = player.poll_output();
                    log.push_str(&format!("{output:?}\n"));
                    if matches!(output, Output::Wait(_)) {
                        break;
                    }
                }
            }
            log
        };
        prop_assert_eq!(run(config.clone()), run(config));
    }

    #[test]
    fn any_text_as_a_manifest(text in "\\PC{0,200}", line in 0usize..6) {
        // Garbage, and garbage in the middle of something real.
        for base in [MASTER, MEDIA, MPD] {
            let mut lines: Vec<&str> = base.split_inclusive(['\n', '>']).collect();
            lines.insert(line.min(lines.len()), &text);
            let _ = manifest::parse(lines.concat().as_bytes(), "https://h/m");
        }
        let _ = manifest::parse(text.as_bytes(), "https://h/m");
        let (before, after) = TABLE.split_at(line * TABLE.len() / 6);
        let _ = manifest::table::parse(format!("{before}{text}{after}").as_bytes(), "https://h/m");
        let _ = manifest::hls::MediaPlaylist::read(text.as_bytes(), "https://h/m", None);
    }

    #[test]
    fn any_bytes_as_a_manifest(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..400) {
        let _ = manifest::parse(&bytes, "https://h/m");
        for base in [MASTER, MEDIA, MPD] {
            let _ = manifest::parse(base.as_bytes().get(..cut.min(base.len())).unwrap(), "https://h/m");
        }
    }
}
