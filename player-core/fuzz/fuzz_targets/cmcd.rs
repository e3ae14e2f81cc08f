//! A line of CMCD is read or refused; what was read can be asked for everything.
#![no_main]

mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::cmcd::reader::{Line, MAX_BYTES, Value};

/// Bytes of heap.
const MOST: usize = 4 << 20;

const KEYS: [&str; 12] = [
    "bl", "br", "cid", "com.example-key", "e", "ec", "nor", "pr", "sid", "sn", "sta", "ts",
];

fuzz_target!(|bytes: &[u8]| heap::within(MOST, || {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match Line::read(text) {
        Ok(line) => {
            assert!(text.len() <= MAX_BYTES);
            for key in KEYS {
                for item in line.items(key) {
                    assert!(item.parameters.len() <= 200);
                    if let Value::Text(text) = &item.value {
                        assert!(text.len() <= bytes.len());
                    }
                }
                if let Some(number) = line.number(key) {
                    assert_eq!(line.thousandths(key).map(|thousandths| thousandths as u64 / 1000), Some(number));
                }
                assert!(line.text(key).is_none() || line.flag(key).is_none());
            }
        }
        Err(error) => assert!(error.at <= text.len()),
    }
}));
