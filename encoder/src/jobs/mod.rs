//! Many encodings: job files, folders that are watched, and word to others when one is done.
//!
//! ```no_run
//! use encoder::jobs::{Event, Job, run};
//! use encoder::vod::{CancelToken, VodOptions};
//!
//! let jobs = ["a.mp4", "b.mp4"].map(|input| Job::new(input, VodOptions::new(input, format!("out/{input}"))));
//! let reports = run(&jobs, 2, &CancelToken::default(), &|id, event| {
//!     if let Event::End(report) = event {
//!         println!("{id}: {:?}", report.state);
//!     }
//! });
//! assert!(reports.iter().all(|report| report.error.is_none()));
//! ```

mod file;
#[cfg(fuzzing)]
#[path = "../fuzzing/jobs.rs"]
pub mod fuzzing;
mod watch;
mod webhook;

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use serde::Serialize;

pub use self::file::{Field, JobEntry, JobFile, Value};
pub use self::watch::{WatchOptions, id_of, watch};
pub use self::webhook::Webhook;
use crate::error::{EncodeError, explain};
use crate::storage;
use crate::vod::{self, CancelToken, Progress, Summary, VodOptions};

/// One encoding among others.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name in reports; different for every job.
    pub id: String,
    /// What to encode. Its `fingerprint` and `cancel` are set when the job is run.
    pub options: VodOptions,
    /// Told when the job is done or has failed.
    pub webhook: Option<Webhook>,
}

/// What happens while jobs run.
#[derive(Debug)]
pub enum Event<'a> {
    /// The job begins.
    Begin,
    /// The job goes on.
    Progress(Progress),
    /// The job has ended.
    End(&'a JobReport),
}

/// How a job has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// The same source was encoded with the same settings before, and the output is there.
    AlreadyDone,
    /// The output is published.
    Done,
    /// [`JobReport::error`] says why.
    Failed,
    /// It was cancelled, or not begun.
    Stopped,
}

/// What became of a job.
#[derive(Clone, Debug, Serialize)]
pub struct JobReport {
    /// [`Job::id`].
    pub job: String,
    /// How it has ended.
    pub state: JobState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why the webhook could not be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_error: Option<String>,
    /// What was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// Seconds it took.
    pub wall_s: f64,
    /// The place of the output failed, so that unfinished work is of use.
    #[serde(skip)]
    pub(crate) is_output_error: bool,
}

impl Job {
    /// A job without a webhook.
    pub fn new(id: impl Into<String>, options: VodOptions) -> Self {
        Self {
            id: id.into(),
            options,
            webhook: None,
        }
    }
}

/// Runs `jobs`, `parallel` of them at a time, and goes on when one fails. The reports are in the jobs' order.
///
/// A job whose output is there already, of the same source and settings, is not done again. One that was interrupted goes
/// on with the renditions in its work folder.
pub fn run(
    jobs: &[Job],
    parallel: usize,
    cancel: &CancelToken,
    report: &(dyn Fn(&str, Event<'_>) + Sync),
) -> Vec<JobReport> {
    let next = AtomicUsize::new(0);
    let reports = Mutex::new((0..jobs.len()).map(|_| None).collect::<Vec<_>>());
    thread::scope(|scope| {
        for _ in 0..parallel.clamp(1, jobs.len().max(1)) {
            scope.spawn(|| {
                while let Some((index, job)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    jobs.get(index).map(|job| (index, job))
                } {
                    let done = run_one(job, cancel, report);
                    if let Some(slot) = reports
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .get_mut(index)
                    {
                        *slot = Some(done);
                    }
                }
            });
        }
    });
    let reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.into_iter().flatten().collect()
}

/// Runs one job and tells its webhook.
pub(crate) fn run_one(job: &Job, cancel: &CancelToken, report: &dyn Fn(&str, Event<'_>)) -> JobReport {
    let started = Instant::now();
    let mut done = JobReport {
        job: job.id.clone(),
        state: JobState::Stopped,
        error: None,
        webhook_error: None,
        summary: None,
        wall_s: 0.0,
        is_output_error: false,
    };
    if cancel.is_cancelled() {
        report(&job.id, Event::End(&done));
        return done;
    }
    report(&job.id, Event::Begin);
    // A fault of ours in one job does not end the others.
    let result = catch_unwind(AssertUnwindSafe(|| encode(job, cancel, report)));
    match result {
        Ok(Ok(None)) => done.state = JobState::AlreadyDone,
        Ok(Ok(Some(summary))) => {
            done.state = JobState::Done;
            done.summary = Some(summary);
        }
        Ok(Err(EncodeError::Cancelled)) => {}
        Ok(Err(error)) => {
            done.state = JobState::Failed;
            done.is_output_error = error.is_of_output();
            done.error = Some(explain(&error));
        }
        Err(_) => {
            done.state = JobState::Failed;
            done.error = Some("an internal fault; please report this with the source".to_owned());
        }
    }
    done.wall_s = started.elapsed().as_secs_f64();
    if let Some(webhook) = &job.webhook
        && matches!(done.state, JobState::Done | JobState::Failed)
    {
        let told = webhook.tell(
            &job.id,
            &job.options.input,
            done.summary.as_ref(),
            done.error.as_deref(),
        );
        done.webhook_error = told.err();
    }
    report(&job.id, Event::End(&done));
    done
}

/// None where it was done before.
fn encode(
    job: &Job,
    cancel: &CancelToken,
    report: &dyn Fn(&str, Event<'_>),
) -> Result<Option<Summary>, EncodeError> {
    let mut options = job.options.clone();
    options.cancel = cancel.clone();
    let fingerprint = fingerprint(&options)?;
    let mut progress = |progress| report(&job.id, Event::Progress(progress));
    let record = storage::read_record(&options.location(), &mut options.waiter(&mut progress))?;
    if record.is_some_and(|record| record.fingerprint.as_ref() == Some(&fingerprint)) {
        return Ok(None);
    }
    options.fingerprint = Some(fingerprint);
    vod::encode(&options, &mut progress).map(Some)
}

/// A digest of the source and of all settings that decide the output.
fn fingerprint(options: &VodOptions) -> Result<String, EncodeError> {
    let settings = VodOptions {
        // The same file may lie elsewhere.
        input: Default::default(),
        threads: 0,
        work_dir: None,
        force: false,
        fingerprint: None,
        cancel: CancelToken::default(),
        ..options.clone()
    };
    let mut context = ring::digest::Context::new(&ring::digest::SHA256);
    context.update(concat!("headgate-encode ", env!("CARGO_PKG_VERSION")).as_bytes());
    context.update(format!("{settings:?}").as_bytes());
    // Errors about the input have one place, where it is opened.
    let _ = read_ends(&options.input, &mut |bytes| context.update(bytes));
    let sidecars = options.packaging.subtitles.iter().map(|sidecar| &sidecar.path);
    for path in options.plan.iter().chain(sidecars) {
        let _ = read_ends(path, &mut |bytes| context.update(bytes));
    }
    Ok(storage::hex(context.finish().as_ref()))
}

/// A file's length and its first and last mebibyte tell it from others.
fn read_ends(path: &Path, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
    let mut file = File::open(path)?;
    let bytes = file.metadata()?.len();
    take(&bytes.to_le_bytes());
    let mut ends = Vec::new();
    file.by_ref().take(END_BYTES).read_to_end(&mut ends)?;
    file.seek(SeekFrom::Start(bytes.saturating_sub(END_BYTES)))?;
    file.take(END_BYTES).read_to_end(&mut ends)?;
    take(&ends);
    Ok(())
}

/// How many jobs make sense at once: each uses all cores for itself most of the time.
pub fn most_parallel() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

const END_BYTES: u64 = 1 << 20;
