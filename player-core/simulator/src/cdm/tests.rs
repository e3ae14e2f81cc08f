#![allow(clippy::unwrap_used)]
use player_core::drm::cdm::Candidate;
use player_core::drm::{InitData, MessageType};

use super::*;

const SESSION: SessionId = SessionId(5);

fn at(ms: u64) -> Instant {
    Instant::from_micros(ms * 1000)
}

fn cdm(scenario: &str) -> Cdm {
    Cdm::new(&scenario.parse().unwrap(), Instant::ZERO)
}

/// What happens until then, with its time.
fn until(cdm: &mut Cdm, ms: u64) -> Vec<(u64, Event)> {
    let mut told = Vec::new();
    while let Some(next) = cdm.next().filter(|next| *next <= at(ms)) {
        let mut out = Vec::new();
        cdm.advance(next, &mut out);
        told.extend(out.into_iter().map(|event| (next.as_micros() / 1000, event)));
    }
    cdm.advance(at(ms), &mut Vec::new());
    told
}

fn open(cdm: &mut Cdm, session: SessionId) {
    let keys = Class::ALL.map(|class| class.key(0));
    let command = Command::Open {
        session,
        persistent: false,
        init: InitData::of_key_ids(&keys).unwrap(),
    };
    cdm.command(&command).unwrap();
}

/// Fetches the licence that a message asks for, and gives it to its session.
fn answer(cdm: &mut Cdm, event: &Event) -> Option<FaultKind> {
    let Event::Message {
        session,
        message,
        message_type,
    } = *event
    else {
        panic!("{event:?}");
    };
    let request = LicenceRequest {
        system: cdm.system(),
        session,
        message,
        message_type,
    };
    let answer = cdm.licence(&request).unwrap();
    let fault = answer.fault;
    let response = RequestId(message.0);
    cdm.hold(response, answer.arrives());
    cdm.command(&Command::Update {
        session,
        message_type,
        response,
    })
    .unwrap();
    fault
}

#[test]
fn each_step_takes_its_time() {
    let mut cdm = cdm("access=100,session=20,request=30,update=50,hd=withheld,expiry=10");
    let candidate = |name: &str| Candidate {
        key_system: name.to_owned(),
        video: vec!["video/mp4".to_owned()],
        ..Candidate::default()
    };
    let candidates = ["com.widevine.alpha", "org.w3.clearkey"].map(candidate).to_vec();
    let request = RequestId(1);
    cdm.command(&Command::Access { request, candidates }).unwrap();
    let told = until(&mut cdm, 100);
    assert!(
        matches!(&told[..], [(100, Event::Access { result: Ok(grant), .. })] if grant.candidate == 1),
        "{told:?}"
    );
    cdm.command(&Command::Attach).unwrap();
    assert_eq!(until(&mut cdm, 1000), [(200, Event::Attached { error: None })]);
    open(&mut cdm, SESSION);
    let told = until(&mut cdm, 1050);
    assert_eq!(told.iter().map(|(ms, _)| *ms).collect::<Vec<_>>(), [1020, 1050]);
    assert!(cdm.usable().is_empty());
    assert_eq!(answer(&mut cdm, &told[1].1), None);
    let told = until(&mut cdm, 9000);
    let keys = vec![
        (Class::Audio.key(0), KeyStatus::Usable),
        (Class::Sd.key(0), KeyStatus::Usable),
    ];
    let session = SESSION;
    assert_eq!(
        told[..2],
        [
            (1100, Event::Keys { session, keys }),
            (1100, Event::Updated { session, error: None })
        ]
    );
    // Four fifths of ten seconds later it asks for more.
    let (ms, renewal) = until(&mut cdm, 9200).pop().unwrap();
    assert!(
        ms == 9100
            && matches!(
                renewal,
                Event::Message {
                    message_type: MessageType::LicenceRenewal,
                    ..
                }
            ),
        "{renewal:?}"
    );
    answer(&mut cdm, &renewal);
    until(&mut cdm, 12_000);
    assert_eq!(cdm.usable().len(), 2, "it has begun anew");
    // The next one nobody answers.
    until(&mut cdm, 30_000);
    assert!(cdm.usable().is_empty());
    cdm.command(&Command::Close { session }).unwrap();
    assert_eq!(cdm.left(), (0, 0));
    cdm.command(&Command::Detach).unwrap();
}

#[test]
fn what_goes_wrong_goes_wrong_so_often() {
    let mut cdm = cdm("sessions=1,renewal=refused,expiry=5,fault=licence-500x1,fault=updatex1,reset=60");
    cdm.command(&Command::Attach).unwrap();
    open(&mut cdm, SESSION);
    open(&mut cdm, SessionId(6));
    let told = until(&mut cdm, 10);
    let refused = |(_, event): &(u64, Event)| {
        matches!(
            event,
            Event::Opened {
                result: Err(Refusal::Quota),
                ..
            }
        )
    };
    assert!(told.iter().any(refused), "{told:?}");
    let is_message = |event: &Event| matches!(event, Event::Message { .. });
    let message = told.into_iter().find(|(_, event)| is_message(event)).unwrap().1;
    assert_eq!(answer(&mut cdm, &message), Some(FaultKind::Status(500)));
    let told = until(&mut cdm, 20);
    assert!(
        matches!(told[0].1, Event::Updated { error: Some(_), .. }),
        "{told:?}"
    );
    for usable in [0, 3] {
        assert_eq!(answer(&mut cdm, &message), None);
        until(&mut cdm, 30);
        assert_eq!(cdm.usable().len(), usable);
    }
    // Each key is given once.
    assert_eq!(answer(&mut cdm, &message), Some(FaultKind::Status(403)));
    let told = until(&mut cdm, 70_000);
    assert!(
        matches!(
            told.last(),
            Some((
                60_000,
                Event::Closed {
                    reason: ClosedReason::HardwareContextReset,
                    ..
                }
            ))
        ),
        "{told:?}"
    );
    assert_eq!((cdm.next(), cdm.left(), cdm.requests()), (None, (0, 0), 4));
}

#[test]
fn what_the_engine_may_not_ask_is_found_out() {
    let mut cdm = cdm("");
    let session = SESSION;
    let init = InitData::of_key_ids(&[Class::Sd.key(0)]).unwrap();
    let persistent = false;
    let early = Command::Open {
        session,
        persistent,
        init,
    };
    assert!(cdm.command(&early).unwrap_err().contains("before the element"));
    cdm.command(&Command::Attach).unwrap();
    cdm.command(&early).unwrap();
    assert!(cdm.command(&early).unwrap_err().contains("twice"));
    assert!(
        cdm.command(&Command::Detach)
            .unwrap_err()
            .contains("never closed")
    );
    let (message_type, response) = (MessageType::LicenceRequest, RequestId(1));
    let update = Command::Update {
        session,
        message_type,
        response,
    };
    assert!(cdm.command(&update).unwrap_err().contains("not there"));
    let request = LicenceRequest {
        system: cdm.system(),
        session,
        message: MessageId(9),
        message_type,
    };
    assert!(cdm.licence(&request).is_err());
}

#[test]
fn chance_is_the_same_for_a_seed() {
    let times = |seed: u64| {
        let mut cdm = cdm(&format!("latency=1000,jitter=0.5,seed={seed}"));
        cdm.command(&Command::Attach).unwrap();
        open(&mut cdm, SESSION);
        until(&mut cdm, 10_000)
            .into_iter()
            .map(|(ms, _)| ms)
            .collect::<Vec<_>>()
    };
    assert_eq!(times(1), times(1));
    assert_ne!(times(1), times(2));
}
