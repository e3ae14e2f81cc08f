//! Messages of CDMs are wrapped or refused, answers of licence servers unwrapped or refused; what is unwrapped is a licence as it is.
//! The first byte chooses system and type.
#![no_main]

mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::drm::{KeySystem, MAX_MESSAGE, MessageType, SpcForm, WrapOptions, unwrap, wrap};

/// Bytes of heap.
const MOST: usize = 4 << 20;

const TYPES: [MessageType; 4] = [
    MessageType::LicenceRequest,
    MessageType::LicenceRenewal,
    MessageType::LicenceRelease,
    MessageType::IndividualizationRequest,
];
const FORMS: [SpcForm; 3] = [SpcForm::Raw, SpcForm::Form, SpcForm::Json];

fuzz_target!(|bytes: &[u8]| heap::within(MOST, || read(bytes)));

fn read(bytes: &[u8]) {
    let Some((&choice, bytes)) = bytes.split_first() else { return };
    let choice = usize::from(choice);
    let (system, kind) = (KeySystem::ALL[choice % 4], TYPES[choice / 4 % 4]);
    for spc in FORMS {
        let Ok(request) = wrap(system, kind, bytes, WrapOptions { spc }) else { continue };
        assert!(!request.body.is_empty() && request.body.len() <= 4 * bytes.len() + 16);
        assert!(!request.content_type.is_empty() && request.headers.len() <= 32);
        let fields = request.headers.iter().map(|(name, value)| [name.as_str(), value.as_str()]);
        for text in fields.flatten().chain([request.content_type.as_str()]) {
            assert!(text.bytes().all(|b| b == b'\t' || (32..127).contains(&b)));
        }
    }
    for content_type in [None, Some("text/html")] {
        let Ok(licence) = unwrap(system, kind, bytes, content_type) else { continue };
        assert!(licence.len() <= MAX_MESSAGE);
        assert_eq!(unwrap(system, kind, &licence, None).as_ref(), Ok(&licence), "it is unwrapped once");
    }
}
