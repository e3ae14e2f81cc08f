//! A job file is read or refused with the line that is wrong; whatever aliases and defaults copy, memory stays in bounds.
#![no_main]

#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;

use std::collections::BTreeSet;

use encoder::EncodeError;
use encoder::fuzzing::jobs::job_file;
use encoder::jobs::{Field, Value};
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside: copies by aliases and defaults are bounded by themselves.
const MOST: (usize, usize) = (1024, 64 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || read(bytes)));

fn read(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = text.split(['\n', '\r']).count();
    let file = match job_file(&text) {
        Ok(file) => file,
        Err(EncodeError::JobFile { line, reason, .. }) => {
            assert!(
                (1..=lines + 1).contains(&line),
                "line {line} of {lines}: {reason}"
            );
            assert!(reason.len() <= 10 * text.len() + 200);
            return;
        }
        Err(other) => panic!("{other}"),
    };
    assert!((1..=64).contains(&file.parallel) && !file.jobs.is_empty());
    for (job, number) in file.jobs.iter().zip(1..) {
        assert!(job.number == number && (1..=lines + 1).contains(&job.line));
        let names: BTreeSet<_> = job.fields.iter().map(|field| &field.name).collect();
        assert_eq!(names.len(), job.fields.len(), "an option is there twice");
        for Field { name, line, value } in &job.fields {
            assert!((1..=lines + 1).contains(line) && !name.contains('-'));
            let is_text = job.text(name).is_some();
            assert_eq!(is_text, matches!(value, Value::Text(_)));
        }
        // What goes wrong later is told with its place.
        let told = file.error(job, job.fields.first(), "it is wrong").to_string();
        assert!(told.contains(&format!("job {number}:")));
    }
}
