//! `headgate-encode run`: the jobs of a file.

use std::collections::HashMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, bail};
use clap::error::{ContextKind, ContextValue};
use clap::{ArgAction, Args, Command, FromArgMatches};
use encoder::jobs::{self, Event, Field, Job, JobEntry, JobFile, JobReport, JobState, Value};
use encoder::view::View;
use encoder::vod::CancelToken;
use encoder::{EncodeError, explain};
use indicatif::{MultiProgress, ProgressBar};

use super::stop_on_signals;
use super::vod::JobArgs;

/// Arguments of `run`.
#[derive(Args)]
pub(crate) struct Run {
    /// The job file: YAML or JSON.
    file: PathBuf,
    /// How many jobs run at a time, in place of what the file says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    parallel: Option<u8>,
    /// Report as JSON, one object a line, each with its job: job_begin, start, progress, job_end; at last: done.
    #[arg(long)]
    json: bool,
}

pub(crate) const EXAMPLES: &str = "Example:
  headgate-encode run jobs.yaml

A job file; every option of headgate-encode vod is known by its name:
  parallel: 2
  defaults:
    out: s3://films/public
    ladder: 720p:2500k,360p:600k,audio:128k
    segment_s: 4
  jobs:
    - input: a.mp4
      id: a
    - input: b.mp4
      id: b
      single_file: true

A job whose output is there already, of the same source and settings, is not done again. Paths are relative to the current
folder. With work: each job keeps its unfinished renditions in a folder there, also after Ctrl-C, and goes on with them.";

pub(crate) fn run(arguments: &Run) -> anyhow::Result<()> {
    let file = JobFile::read(&arguments.file)?;
    let jobs = read_jobs(&file)?;
    let parallel = arguments.parallel.map_or(file.parallel, usize::from);
    let cancel = CancelToken::default();
    stop_on_signals(&cancel.flag())?;
    let board = Board::new(arguments.json);
    let reports = jobs::run(&jobs, parallel, &cancel, &|id, event| board.show(id, &event));
    if arguments.json {
        let line = serde_json::json!({"event": "done", "jobs": reports});
        writeln!(std::io::stdout(), "{line}").context("standard output")?;
    } else {
        print_table(&reports).context("standard output")?;
    }
    let count = |state| reports.iter().filter(|report| report.state == state).count();
    let (failed, stopped) = (count(JobState::Failed), count(JobState::Stopped));
    if failed + stopped > 0 {
        bail!(
            "of {} jobs {failed} failed and {stopped} were stopped",
            reports.len()
        );
    }
    Ok(())
}

/// The jobs of a file; the command line's own reader checks their options.
fn read_jobs(file: &JobFile) -> anyhow::Result<Vec<Job>> {
    let mut jobs: Vec<Job> = Vec::new();
    for entry in &file.jobs {
        let mut job = read_job(file, entry)?;
        let fail = |reason: &str| file.error(entry, None, reason);
        let location = job.options.location();
        if let Some(number) = jobs.iter().position(|other| other.options.location() == location) {
            let reason = format!("its output {location} is also that of job {}", number + 1);
            return Err(fail(&reason).into());
        }
        let key_file = key_file(&mut job).cloned();
        if let Some(path) = key_file
            && jobs
                .iter_mut()
                .any(|other| self::key_file(other) == Some(&mut path.clone()))
        {
            let reason = format!("its key-out {} is also that of another job", path.display());
            return Err(fail(&reason).into());
        }
        if jobs.iter().any(|other| other.id == job.id) {
            // Two files of the same name in different folders, with outputs of their own.
            job.id = format!("{}-{}", job.id, entry.number);
        }
        if jobs.iter().any(|other| other.id == job.id) {
            return Err(fail(&format!("the id {:?} is also that of another job", job.id)).into());
        }
        job.options.work_dir = job.options.work_dir.map(|work| work.join(&job.id));
        jobs.push(job);
    }
    Ok(jobs)
}

/// Where a job's keys are written to.
pub(crate) fn key_file(job: &mut Job) -> Option<&mut PathBuf> {
    job.options.packaging.protection.as_mut()?.key_file.as_mut()
}

fn read_job(file: &JobFile, entry: &JobEntry) -> anyhow::Result<Job> {
    let command = JobArgs::augment_args(Command::new("job"))
        .no_binary_name(true)
        .disable_help_flag(true);
    let mut input = None;
    let mut arguments = Vec::new();
    for field in &entry.fields {
        let fail = |reason: &str| file.error(entry, Some(field), reason);
        if field.name == "input" {
            match &field.value {
                Value::Text(text) => input = Some(PathBuf::from(text)),
                _ => return Err(fail("name a file").into()),
            }
            continue;
        }
        let argument = command
            .get_arguments()
            .find(|argument| argument.get_id() == field.name.as_str());
        let name = argument.and_then(clap::Arg::get_long);
        let (Some(argument), Some(name)) = (argument, name) else {
            return Err(
                fail("there is no such option; headgate-encode vod --help lists those for jobs").into(),
            );
        };
        let is_flag = matches!(argument.get_action(), ArgAction::SetTrue);
        let is_many = matches!(argument.get_action(), ArgAction::Append);
        match &field.value {
            Value::Null | Value::Flag(false) if is_flag || field.value == Value::Null => {}
            Value::Flag(true) if is_flag => arguments.push(format!("--{name}")),
            _ if is_flag => return Err(fail("use true or false").into()),
            Value::Flag(flag) => arguments.push(format!("--{name}={flag}")),
            Value::Text(text) => arguments.push(format!("--{name}={text}")),
            Value::List(list) if is_many => {
                arguments.extend(list.iter().map(|text| format!("--{name}={text}")));
            }
            _ => return Err(fail("use one value").into()),
        }
    }
    let Some(input) = input else {
        return Err(file.error(entry, None, "input is missing").into());
    };
    let matches = command
        .try_get_matches_from(arguments)
        .and_then(|matches| JobArgs::from_arg_matches(&matches));
    let arguments = matches.map_err(|error| misread(file, entry, &error))?;
    let out = arguments.target.out();
    let job = out.and_then(|out| arguments.job(input, out));
    job.map_err(|error| {
        let reason = explain(error.as_ref());
        let about = entry.fields.iter().find(|field| is_about(&error, field));
        file.error(entry, about, &reason).into()
    })
}

/// Whether an error is about one option.
fn is_about(error: &anyhow::Error, field: &Field) -> bool {
    match error.downcast_ref() {
        Some(EncodeError::BadLadder { .. }) => field.name == "ladder",
        Some(EncodeError::KeyFile { path, .. }) => match &field.value {
            Value::Text(text) => field.name.starts_with("key_") && path == Path::new(text),
            _ => false,
        },
        Some(EncodeError::BadOption { option, .. }) => {
            let name = option.trim_start_matches('-').replace('-', "_");
            name == field.name || (name == "output" && field.name == "out")
        }
        _ => false,
    }
}

/// What clap says, about the option that it is about.
fn misread(file: &JobFile, entry: &JobEntry, error: &clap::Error) -> EncodeError {
    let about = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::String(text)) => text.trim_start_matches('-').split([' ', '=']).next(),
        _ => None,
    };
    let about = about.map(|name| name.replace('-', "_"));
    let field = entry
        .fields
        .iter()
        .find(|field| Some(&field.name) == about.as_ref());
    let text = error.to_string();
    let reason = text.lines().next().unwrap_or_default();
    file.error(entry, field, reason.trim_start_matches("error: "))
}

/// What several jobs show at once.
pub(crate) struct Board {
    is_json: bool,
    bars: Option<MultiProgress>,
    views: Mutex<HashMap<String, View>>,
}

impl Board {
    pub(crate) fn new(is_json: bool) -> Self {
        let has_bars = !is_json && std::io::stderr().is_terminal();
        Self {
            is_json,
            bars: has_bars.then(MultiProgress::new),
            views: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) fn show(&self, id: &str, event: &Event<'_>) {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Begin if self.is_json => print_json(id, serde_json::json!({"event": "job_begin"})),
            Event::Begin => {
                let view = match &self.bars {
                    Some(bars) => {
                        let bar = ProgressBar::no_length().with_prefix(format!("{id} "));
                        View::of_bar(bars.add(bar))
                    }
                    None => View::quiet(),
                };
                views.insert(id.to_owned(), view);
            }
            Event::Progress(progress) if self.is_json => {
                if let Ok(line) = serde_json::to_value(progress) {
                    print_json(id, line);
                }
            }
            Event::Progress(progress) => {
                if let Some(view) = views.get_mut(id) {
                    view.show(progress);
                }
            }
            Event::End(report) => {
                if let Some(view) = views.remove(id) {
                    view.end();
                }
                self.end(id, report);
            }
        }
    }

    fn end(&self, id: &str, report: &JobReport) {
        if self.is_json {
            if let Ok(mut line) = serde_json::to_value(report) {
                if let Some(line) = line.as_object_mut() {
                    line.insert("event".to_owned(), "job_end".into());
                }
                print_json(id, line);
            }
            return;
        }
        let say = |text: String| match &self.bars {
            Some(bars) => drop(bars.println(text)),
            None => eprintln!("{text}"),
        };
        match (&report.error, report.state) {
            (Some(error), _) => say(format!("{id}: failed: {error}")),
            (None, JobState::Stopped) => {}
            (None, JobState::AlreadyDone) => say(format!("{id}: was done before")),
            (None, _) => say(format!("{id}: done in {:.1} s", report.wall_s)),
        }
        if let Some(reason) = &report.webhook_error {
            say(format!("{id}: {reason}"));
        }
    }
}

/// One line with the job's id.
fn print_json(id: &str, mut line: serde_json::Value) {
    if let Some(line) = line.as_object_mut() {
        line.insert("job".to_owned(), id.into());
    }
    // A closed pipe is noticed when the result is printed.
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn print_table(reports: &[JobReport]) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let width = reports
        .iter()
        .map(|report| report.job.chars().count())
        .max()
        .unwrap_or(0);
    for report in reports {
        let state = match report.state {
            JobState::AlreadyDone => "done before",
            JobState::Done => "done",
            JobState::Failed => "failed",
            JobState::Stopped => "stopped",
        };
        let result = match (&report.error, &report.summary) {
            (Some(error), _) => error.clone(),
            (None, Some(summary)) => format!("{:.1} s of media, {}", summary.duration_s, summary.out),
            (None, None) => String::new(),
        };
        writeln!(
            out,
            "{:<width$}  {state:<11} {:>8.1} s  {result}",
            report.job, report.wall_s
        )?;
    }
    Ok(())
}
