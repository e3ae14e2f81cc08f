//! Packages and publishes.

use std::thread;
use std::time::{Duration, Instant};

use super::{Progress, REPORT_EVERY, VodOptions};
use crate::error::EncodeError;
use crate::extras::Extras;
use crate::index::{Presentation, Rendition};
use crate::packager::{self, Packaged};
use crate::storage::{self, Output, Publishing, Scratch, Teller};
use crate::{manifest, measure, pertitle};

/// Packages `streams` and publishes the output.
pub(crate) fn publish(
    streams: &[packager::Stream],
    extras: &Extras,
    options: &VodOptions,
    progress: &mut dyn FnMut(Progress),
) -> Result<Vec<Rendition>, EncodeError> {
    let location = options.location();
    let waiter = &mut options.waiter(progress);
    storage::check_replaceable(&location, options.force, &options.input, waiter)?;
    let scratch = Scratch::open(&storage::scratch_for(&location, "partial")?)?;
    let publishing = Publishing {
        location: &location,
        force: options.force,
        cache_control: &options.cache_control,
        fingerprint: options.fingerprint.as_deref(),
    };
    let output = storage::create(&publishing, &scratch, waiter)?;
    let output = output.as_ref();
    let is_cancelled = || options.cancel.is_cancelled();
    let packaging = &options.packaging;
    let write = || {
        let Packaged {
            mut renditions,
            mut for_hls,
        } = packager::package(streams, packaging, output, scratch.path(), &is_cancelled)?;
        measure::apply(streams, &mut renditions)?;
        if let Some(for_hls) = &mut for_hls {
            measure::apply(streams, for_hls)?;
        }
        let texts = extras.write_texts(&renditions, packaging, output)?;
        let images = extras.write_pictures(&renditions, output)?;
        if let Some(report) = &extras.report {
            pertitle::write(output, report)?;
        }
        let presentation = Presentation {
            renditions,
            for_hls,
            texts,
            images,
        };
        manifest::write(output, &presentation, packaging)?;
        if is_cancelled() {
            return Err(EncodeError::Cancelled);
        }
        output.commit()?;
        Ok(presentation.renditions)
    };
    let written = match output.position() {
        None => write(),
        Some(_) => {
            let teller = Teller::new(location.to_string());
            with_upload_progress(write, output, streams, teller, progress)
        }
    };
    written.map_err(|error| output.discard(error))
}

/// Runs `write` beside reports of how far the uploads are.
fn with_upload_progress<T: Send>(
    write: impl FnOnce() -> Result<T, EncodeError> + Send,
    output: &dyn Output,
    streams: &[packager::Stream],
    mut teller: Teller,
    progress: &mut dyn FnMut(Progress),
) -> Result<T, EncodeError> {
    let pieces = streams.iter().flat_map(|stream| &stream.pieces);
    let expected_bytes: u64 = pieces
        .filter_map(|path| std::fs::metadata(path).ok())
        .map(|data| data.len())
        .sum();
    let upload = |expected_bytes: u64| {
        let position = output.position().unwrap_or_default();
        Progress::Upload {
            bytes: position.bytes,
            total_bytes: position.known_bytes.max(expected_bytes),
            files: position.files,
            packaged_files: position.known_files,
        }
    };
    let result = thread::scope(|scope| {
        let worker = scope.spawn(write);
        let mut reported = Instant::now();
        while !worker.is_finished() {
            thread::sleep(LOOK_EVERY);
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
                progress(upload(expected_bytes));
                if let Some(waiting) = teller.tell(output.failing(), None) {
                    progress(waiting);
                }
            }
        }
        worker
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    progress(upload(0));
    Ok(result)
}

const LOOK_EVERY: Duration = Duration::from_millis(20);
