//! A licence request is read or refused; what is read is within its limits.
#![no_main]

use libfuzzer_sys::fuzz_target;

const MOST: usize = 16;

fuzz_target!(|body: &[u8]| {
    match licence_server::fuzzing::request(body, MOST) {
        Ok((ids, session)) => {
            assert!((1..=MOST).contains(&ids));
            assert!(session == "temporary" || session == "persistent-license");
        }
        Err(error) => assert!(error.len() < 200 && !error.contains('\n'), "{error}"),
    }
});
