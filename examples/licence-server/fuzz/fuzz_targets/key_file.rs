//! A key file is read or refused, and nothing of a key is told.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    match licence_server::fuzzing::key_file(text) {
        Ok(keys) => assert!(keys.iter().all(|key| key.len() == 32)),
        Err(error) => {
            assert!(error.len() < 300 && !error.contains('\n'), "{error}");
            // 32 digits in a row are a key, or its id.
            let mut run = 0;
            for byte in error.bytes() {
                run = if byte.is_ascii_hexdigit() { run + 1 } else { 0 };
                assert!(run < 16, "{error}");
            }
        }
    }
});
