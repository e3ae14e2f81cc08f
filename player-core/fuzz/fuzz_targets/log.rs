//! A log of any inputs replays without a panic, and its replay replays to itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use player_core::record::replay;

fuzz_target!(|log: &[u8]| {
    let mut first = Vec::new();
    if replay(log, &mut first).is_ok() {
        let mut second = Vec::new();
        let again = replay(first.as_slice(), &mut second).expect("a written log can be read");
        assert_eq!(again.first_difference, None);
        assert_eq!(first, second);
    }
});
