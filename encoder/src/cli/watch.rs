//! `headgate-encode watch`: what lands in a folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use encoder::jobs::{self, Job, WatchOptions};
use encoder::vod::CancelToken;

use super::run::{Board, key_file};
use super::stop_on_signals;
use super::vod::JobArgs;

/// Arguments of `watch`.
#[derive(Args)]
pub(crate) struct Watch {
    /// The folder to watch. Done files are moved to its folder done, failed ones to failed, with a text that says why.
    dir: PathBuf,
    #[command(flatten)]
    job: JobArgs,
    /// How many files are encoded at a time.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    parallel: u8,
    /// Seconds for which a file must not have changed before it is taken.
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0)]
    settle_s: f64,
    /// Report as JSON, one object a line, each with its job: job_begin, start, progress, job_end.
    #[arg(long)]
    json: bool,
}

pub(crate) const EXAMPLES: &str = "Example; film.mp4 becomes s3://films/public/videos/film:
  headgate-encode watch inbox --out s3://films/public --webhook https://example.com/hooks/encoded

Copy files to a name that ends in .part, or to one that begins with a dot, and rename them when they are whole; or rely on
--settle-s. With --key-out DIR each file's keys are written into a file of its own there. Ctrl-C stops, and what was being encoded is gone on with at the next start; a second Ctrl-C ends it at once.";

pub(crate) fn run(arguments: Watch) -> anyhow::Result<()> {
    if arguments.job.target.id.is_some() {
        bail!("--id: each file has its name as its id; leave it out");
    }
    if !(0.0..=3600.0).contains(&arguments.settle_s) {
        bail!("--settle-s: use 0 to 3600");
    }
    if !arguments.dir.is_dir() {
        bail!(
            "{} is not a folder; name one that is there",
            arguments.dir.display()
        );
    }
    let cancel = CancelToken::default();
    stop_on_signals(&cancel.flag())?;
    let options = WatchOptions {
        dir: arguments.dir,
        settle: Duration::from_secs_f64(arguments.settle_s),
        parallel: usize::from(arguments.parallel),
        cancel,
    };
    let out = arguments.job.target.out()?;
    let mut template = arguments.job.job(PathBuf::new(), out)?;
    if let Some(path) = key_file(&mut template)
        && !path.is_dir()
    {
        bail!(
            "--key-out {}: name a folder that is there, for a file of keys an input",
            path.display()
        );
    }
    let board = Board::new(arguments.json);
    let make = |path: &Path, id: &str| {
        let mut job = Job {
            id: id.to_owned(),
            ..template.clone()
        };
        job.options.input = path.to_owned();
        job.options.id = Some(id.to_owned());
        if let Some(path) = key_file(&mut job) {
            path.push(format!("{id}.json"));
        }
        job.options.work_dir = job.options.work_dir.map(|work| work.join(id));
        job
    };
    tracing::info!("watching {}", options.dir.display());
    jobs::watch(&options, &make, &|id, event| board.show(id, &event))?;
    Ok(())
}
