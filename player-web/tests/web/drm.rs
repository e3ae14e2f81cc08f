//! What the driver is told of keys.

use js_sys::Uint8Array;
use player_core::config::Certificate;
use player_core::drm::cdm::{
    ClosedReason, Event, Grant, KeyStatus, NoAccess, Refusal, Requirement, SessionId,
};
use player_core::drm::{InitDataType, KeyId, KeySystem, MessageType, SpcForm};
use player_core::input::RequestId;
use player_web::drm::{Bytes, FromCdm};
use player_web::message::ToDriver;
use player_web::options::Options;
use wasm_bindgen_test::wasm_bindgen_test;

use crate::js;

/// Of `{ type: 'drm', … }`, with these bytes.
fn said(json: &str, bytes: &[u8]) -> Result<ToDriver, String> {
    let message = js(&json.replacen('{', r#"{"type":"drm","#, 1));
    if !bytes.is_empty() {
        js_sys::Reflect::set(&message, &"bytes".into(), &Uint8Array::from(bytes)).unwrap();
    }
    ToDriver::read(&message).map_err(|error| error.to_string())
}

#[wasm_bindgen_test]
fn what_is_said_of_keys_is_read() {
    let event = |json: &str| match said(json, b"") {
        Ok(ToDriver::Drm(FromCdm::Event(event))) => event,
        other => panic!("{other:?}"),
    };
    let (request, session) = (RequestId(3), SessionId(5));
    let access = |result| Event::Access { request, result };
    let grant = Grant {
        candidate: 2,
        types: vec!["video/mp4".into()],
    };
    assert_eq!(
        event(r#"{"event":"access","request":3,"candidate":2,"types":["video/mp4"]}"#),
        access(Ok(grant))
    );
    for (name, why) in [
        ("insecure-context", NoAccess::InsecureContext),
        ("timeout", NoAccess::Timeout),
        ("unsupported", NoAccess::Unsupported),
    ] {
        let json = format!(r#"{{"event":"access","request":3,"refused":"{name}"}}"#);
        assert_eq!(event(&json), access(Err(why)));
    }
    let opened = |result| Event::Opened { session, result };
    assert_eq!(
        event(r#"{"event":"opened","session":5,"id":"a"}"#),
        opened(Ok("a".into()))
    );
    assert_eq!(
        event(r#"{"event":"opened","session":5,"refused":"quota"}"#),
        opened(Err(Refusal::Quota))
    );
    assert_eq!(
        event(r#"{"event":"opened","session":5,"refused":"other","error":"no"}"#),
        opened(Err(Refusal::Other("no".into())))
    );
    let id = KeyId::parse("00112233445566778899aabbccddeeff").unwrap();
    assert_eq!(
        event(
            r#"{"event":"keys","session":5,"keys":[{"id":"00112233445566778899aabbccddeeff","status":"output-restricted"},{"id":"00","status":"usable"}]}"#
        ),
        Event::Keys {
            session,
            keys: vec![(id, KeyStatus::OutputRestricted)]
        }
    );
    for (name, reason) in [
        ("hardware-context-reset", ClosedReason::HardwareContextReset),
        ("resource-evicted", ClosedReason::ResourceEvicted),
        ("no one knows", ClosedReason::InternalError),
    ] {
        let json = format!(r#"{{"event":"closed","session":5,"reason":"{name}"}}"#);
        assert_eq!(event(&json), Event::Closed { session, reason });
    }
    assert_eq!(event(r#"{"event":"waiting-for-key"}"#), Event::WaitingForKey);
    match said(r#"{"event":"encrypted","initDataType":"sinf"}"#, b"abc") {
        Ok(ToDriver::Drm(FromCdm::Event(Event::Encrypted { init }))) => {
            assert_eq!(
                (init.kind, init.data.as_slice()),
                (InitDataType::Sinf, &b"abc"[..])
            );
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(
        said(r#"{"event":"encrypted","initDataType":"x"}"#, b"abc"),
        Err("`initDataType` must be cenc, keyids, sinf, skd or webm".into())
    );
    assert_eq!(
        said(r#"{"event":"body","request":3,"bytes":"abc"}"#, b""),
        Err("`bytes` must be a Uint8Array".into())
    );
    assert_eq!(
        said(r#"{"event":"dream"}"#, b""),
        Err("`event`: unknown event \"dream\"".into())
    );
}

#[wasm_bindgen_test]
fn messages_and_licences_are_not_shown() {
    let message = said(
        r#"{"event":"message","session":5,"messageType":"license-renewal"}"#,
        b"secret",
    );
    let expected = FromCdm::Message {
        session: SessionId(5),
        message_type: MessageType::LicenceRenewal,
        bytes: Bytes(Uint8Array::from(&b"secret"[..])),
    };
    assert_eq!(message, Ok(ToDriver::Drm(expected)));
    let body = said(r#"{"event":"body","request":3}"#, b"secret");
    for shown in [format!("{message:?}"), format!("{body:?}")] {
        assert!(
            shown.contains("6 bytes") && !shown.contains("115") && !shown.contains("secret"),
            "{shown}"
        );
    }
}

#[wasm_bindgen_test]
fn key_systems_are_read() {
    let read = |json: &str| {
        let options = Options::read(&js(&format!(r#"{{"drm":{json}}}"#)));
        options.map_err(|error| error.to_string())
    };
    let options = read(
        r#"{"systems":[{"system":"com.microsoft.playready","server":"https://pr.example/","certificate":"given","videoRobustness":["3000",""]},
            {"system":"com.widevine.alpha.experiment","certificate":"https://wv.example/cert","persistentStateRequired":true}],
            "keyTimeoutMs":5000,"maxSessions":4,"persistent":true,"stored":["a"],"spc":"json"}"#,
    )
    .unwrap();
    assert_eq!(options.spc, SpcForm::Json);
    let drm = options.config.drm;
    assert_eq!(
        (drm.key_timeout_ms, drm.max_sessions, drm.persistent),
        (5000, 4, true)
    );
    assert_eq!(drm.stored, ["a"]);
    let [playready, widevine] = drm.systems.as_slice() else {
        panic!("{:?}", drm.systems);
    };
    assert_eq!(
        (playready.system, playready.names.len()),
        (KeySystem::PlayReady, 0)
    );
    assert_eq!(playready.server, "https://pr.example/");
    assert_eq!(playready.certificate, Certificate::Given);
    assert_eq!(playready.video_robustness, ["3000", ""]);
    assert_eq!(playready.persistent_state, Requirement::Optional);
    assert_eq!(widevine.names, ["com.widevine.alpha.experiment"]);
    assert_eq!(
        widevine.certificate,
        Certificate::Url("https://wv.example/cert".into())
    );
    assert_eq!(widevine.persistent_state, Requirement::Required);
    assert_eq!(
        read(r#"{"systems":[{"system":"com.example"}]}"#),
        Err("`drm.systems.system`: unknown key system \"com.example\"".into())
    );
    assert_eq!(
        read(r#"{"server":"x"}"#),
        Err(
            "unknown setting `drm.server`; known are keyTimeoutMs, maxSessions, persistent, spc, stored, systems"
                .into()
        )
    );
}
