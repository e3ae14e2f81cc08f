//! A trace of any form is read or refused; one that was read is whole, and written it is the same again.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use simulator::Trace;
use simulator::trace::MICROBITS_PER_BYTE;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let path = Path::new("trace.csv");
    match Trace::parse(path, text) {
        Ok(trace) => {
            assert!(trace.mean_bps() > 0.0);
            let sum: f64 = trace.points().map(|point| point.duration_ms).sum();
            let period_ms = trace.duration().as_secs_f64() * 1000.0;
            assert!((sum - period_ms).abs() <= 1e-6 * period_ms);
            let carried = trace.carried(trace.duration());
            assert!(trace.time_of(carried) <= trace.duration());
            assert!(trace.carried(trace.time_of(MICROBITS_PER_BYTE)) >= MICROBITS_PER_BYTE);
            assert_eq!(Trace::parse(path, &trace.to_csv()).expect("a written trace can be read"), trace);
        }
        Err(error) => {
            let error = error.to_string();
            assert!(error.starts_with("trace.csv") && !error.contains('\n'), "{error}");
        }
    }
});
