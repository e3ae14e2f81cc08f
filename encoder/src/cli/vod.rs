//! `headgate-encode vod`: everything from a file, or a worker's share of it.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use encoder::jobs::{self, Job, Webhook};
use encoder::ladder::Ladder;
use encoder::pertitle::PerTitle;
use encoder::protect::check_key_file;
use encoder::split::{self, Chunk, Share, ShareSummary};
use encoder::storage::{CacheRule, Location};
use encoder::view::View;
use encoder::vod::{self, Packaging, Sidecar, VodOptions};
use encoder::{EncodeError, explain};

use super::protect::ProtectArgs;
use super::stop_on_signals;
use super::view::{print_done, print_summary};

/// Arguments of `vod`.
#[derive(Args)]
pub(crate) struct Vod {
    /// The video file.
    input: PathBuf,
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    share: ShareArgs,
    /// Report as JSON, one object a line: start, progress, done.
    #[arg(long)]
    json: bool,
}

/// Everything that makes an output of an input. Job files have these options by the same names, and watched folders take them.
#[derive(Args)]
pub(crate) struct JobArgs {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    encoding: Encoding,
    #[command(flatten)]
    packaging: PackagingArgs,
    /// Tell this URL by a POST with JSON when it is done or has failed; signed by the secret in HEADGATE_WEBHOOK_SECRET.
    #[arg(long, value_name = "URL", help_heading = "Word to others")]
    // Not parsed by clap, which repeats what it cannot parse: that could be a secret.
    webhook: Option<String>,
}

/// Where output goes.
#[derive(Args)]
pub(crate) struct Target {
    /// The folder to make, s3://bucket/prefix or gs://bucket/prefix; with --id the video lies in PLACE/videos/ID.
    /// Credentials for a bucket are taken from the environment (AWS_*, with AWS_ENDPOINT_URL for other stores; GOOGLE_*).
    #[arg(long, value_name = "PLACE")]
    // Not parsed by clap, which repeats what it cannot parse: that could be a secret.
    pub(crate) out: Option<String>,
    /// Put the video under videos/ID/, as in a CDN.
    #[arg(long)]
    pub(crate) id: Option<String>,
    /// Replace an earlier output.
    #[arg(long)]
    pub(crate) force: bool,
    /// Cache-Control of the objects in a bucket whose name matches, as in '*.m3u8=max-age=10'; may be repeated.
    #[arg(long, value_name = "PATTERN=VALUE")]
    pub(crate) cache_control: Vec<CacheRule>,
}

/// How it is encoded.
#[derive(Args)]
#[command(next_help_heading = "Encoding")]
pub(crate) struct Encoding {
    /// Renditions to offer: a JSON file, or text such as 720p:2500k,360p:600k,audio:128k.
    /// Default: 1080p:5000k,720p:2500k,480p:1000k,360p:600k,audio:128k. None is made above the source's size.
    /// With auto, auto:h265 or auto:av1:2160p the rungs are chosen for this very film by trial encodings, and a report of
    /// them is written to analysis/; sound may follow: auto,audio:96k.
    #[arg(long, value_name = "FILE|SPEC|auto")]
    ladder: Option<String>,
    /// With --ladder auto: rungs at most.
    #[arg(long, value_name = "N")]
    max_rungs: Option<usize>,
    /// With --ladder auto: the quality of the top rung, on VMAF's scale of 0 to 100 [default: 95].
    #[arg(long, value_name = "VMAF")]
    quality_target: Option<f64>,
    /// Seconds of a segment.
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    segment_s: f64,
    /// Seconds between IDR frames, where they are to be closer than segments.
    #[arg(long, value_name = "SECONDS")]
    gop_s: Option<f64>,
    /// Begin segments where shots begin: between half and one and a half times their length. Decodes the video once more.
    #[arg(long)]
    shot_aligned: bool,
    /// Measure the quality of every segment, for players that choose by it (in segments.json); with --ladder auto it is
    /// measured anyway. Decodes everything once more.
    #[arg(long)]
    measure: bool,
    /// Make no poster and no thumbnails.
    #[arg(long)]
    no_pictures: bool,
    /// Take everything that decides the encoding from a plan (see headgate-encode plan).
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// The preset of rungs that state none: ultrafast to placebo.
    #[arg(long, default_value = "veryfast")]
    preset: String,
    /// Threads of each video encoder; 0 is automatic, 1 gives the same bytes every time.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Encode the video's time in this many chunks, as --chunk K/N of as many workers would.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) chunks: u32,
    /// Keep unfinished renditions here, so that a run that failed goes on where it was. Without it only a crash leaves
    /// some, beside the output.
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

/// What files are made.
#[derive(Args)]
#[command(next_help_heading = "Packaging")]
pub(crate) struct PackagingArgs {
    /// One file a rendition, with an index (sidx), in place of a file a segment.
    #[arg(long)]
    single_file: bool,
    /// Write segments in parts (CMAF chunks) of this length.
    #[arg(long, value_name = "SECONDS")]
    part_s: Option<f64>,
    /// Let HLS play MPEG-TS; DASH plays CMAF beside it. Encrypted, it is SAMPLE-AES with cbcs and AES-128 with cenc.
    #[arg(long)]
    hls_ts: bool,
    /// Subtitles in a SubRip or WebVTT file, such as de=film.de.srt, en:sdh=film.vtt or fr:forced=signs.srt; may be repeated.
    /// Those inside the source are taken anyway.
    #[arg(long, value_name = "LANG=FILE")]
    subtitles: Vec<Sidecar>,
    /// Join segments of subtitles up to this length.
    #[arg(long, value_name = "SECONDS")]
    text_segment_s: Option<u32>,
    /// Times in the MPD: a timeline of every segment, or one constant duration where segments are regular.
    #[arg(long, value_name = "KIND", default_value = "timeline", value_parser = ["timeline", "duration"])]
    mpd: String,
    #[command(flatten)]
    protection: ProtectArgs,
}

#[derive(Args)]
#[command(next_help_heading = "Sharing the work (see also: headgate-encode join)")]
struct ShareArgs {
    /// Encode only this rendition, into --work; may be repeated.
    #[arg(long, value_name = "NAME")]
    rendition: Vec<String>,
    /// Encode only this part of the video's time, into --work: 2/4 is the second of four. Sound is in the first.
    #[arg(long, value_name = "K/N")]
    chunk: Option<Chunk>,
}

impl Encoding {
    pub(crate) fn options(self, input: PathBuf, out: Location) -> anyhow::Result<VodOptions> {
        let mut options = VodOptions::new(input, out);
        if let Some(ladder) = &self.ladder {
            match PerTitle::split(ladder)? {
                Some((per_title, ladder)) => (options.per_title, options.ladder) = (Some(per_title), ladder),
                None => options.ladder = Ladder::read(ladder)?,
            }
        }
        match &mut options.per_title {
            Some(per_title) => {
                per_title.max_rungs = self.max_rungs.unwrap_or(per_title.max_rungs);
                per_title.quality_target = self.quality_target.unwrap_or(per_title.quality_target);
            }
            None if self.max_rungs.is_some() || self.quality_target.is_some() => {
                bail!("--max-rungs and --quality-target go with --ladder auto");
            }
            None => {}
        }
        options.segment_s = self.segment_s;
        options.gop_s = self.gop_s;
        options.shot_aligned = self.shot_aligned;
        options.measure = self.measure;
        options.pictures = !self.no_pictures;
        options.plan = self.plan;
        options.preset = self.preset;
        options.threads = self.threads;
        options.chunks = self.chunks;
        options.work_dir = self.work;
        Ok(options)
    }
}

impl JobArgs {
    /// The job that they describe.
    pub(crate) fn job(self, input: PathBuf, out: Location) -> anyhow::Result<Job> {
        let mut options = self.encoding.options(input, out)?;
        options.id = self.target.id;
        options.force = self.target.force;
        options.cache_control = self.target.cache_control;
        options.packaging = self.packaging.packaging()?;
        let protection = options.packaging.protection.as_ref();
        if let Some(path) = protection.and_then(|protection| protection.key_file.as_ref()) {
            // Before the first of many begins.
            check_key_file(path, &options.out)?;
        }
        let id = options.id.clone().unwrap_or_else(|| jobs::id_of(&options.input));
        let mut job = Job::new(id, options);
        job.webhook = self.webhook.as_deref().map(Webhook::new).transpose()?;
        Ok(job)
    }
}

impl PackagingArgs {
    pub(crate) fn packaging(&self) -> anyhow::Result<Packaging> {
        Ok(Packaging {
            single_file: self.single_file,
            part_s: self.part_s,
            hls_ts: self.hls_ts,
            subtitles: self.subtitles.clone(),
            text_segment_s: self.text_segment_s,
            constant_duration: self.mpd == "duration",
            protection: self.protection.options()?,
        })
    }
}

impl Target {
    /// The output folder, which only a worker's share does without.
    pub(crate) fn out(&self) -> anyhow::Result<Location> {
        let out = self.out.as_deref();
        let out =
            out.context("name the folder to make with --out DIR, or a place such as s3://bucket/prefix")?;
        Ok(out.parse()?)
    }
}

pub(crate) const EXAMPLES: &str = "Examples:
  headgate-encode vod film.mp4 --out out
  headgate-encode vod film.mp4 --out public --id film --ladder 720p:2500k,360p:600k --segment-s 4
  headgate-encode vod film.mp4 --out out --ladder 1080p:5M:crf22,1080p:3M:h265:crf25,720p:2500k:crf22,audio:128k,audio:96k:opus
  headgate-encode vod film.mp4 --out out --ladder auto         # rungs made for this film
  headgate-encode vod film.mp4 --out out --force --json | jq -c 'select(.event == \"done\")'
  headgate-encode vod film.mp4 --work part2 --chunk 2/4      # on one of four machines; then: headgate-encode join

A ladder file:
  {\"video\": [{\"name\": \"720p\", \"width\": 1280, \"height\": 720, \"bitrate_kbps\": 2500, \"codec\": \"h264\", \"crf\": 22}],
   \"audio\": [{\"bitrate_kbps\": 128}, {\"bitrate_kbps\": 384, \"channels\": 6}]}";

pub(crate) fn run(arguments: Vod) -> anyhow::Result<()> {
    let share = Share {
        renditions: arguments.share.rendition,
        chunk: arguments.share.chunk,
    };
    let is_share = share != Share::default();
    if is_share && arguments.job.encoding.work.is_none() {
        bail!("a share of the work needs a folder for its pieces: give --work DIR");
    }
    let out = if is_share {
        Location::from("")
    } else {
        arguments.job.target.out()?
    };
    let Job { id, options, webhook } = arguments.job.job(arguments.input, out)?;
    stop_on_signals(&options.cancel.flag())?;
    let mut view = View::new(arguments.json);
    if is_share {
        let summary = split::encode_share(&options, &share, &mut |progress| view.show(&progress));
        view.end();
        let summary = summary?;
        return if arguments.json {
            print_done(&summary)
        } else {
            print_share(&summary)
        };
    }
    let summary = vod::encode(&options, &mut |progress| view.show(&progress));
    view.end();
    if let Some(webhook) = &webhook
        && !matches!(summary, Err(EncodeError::Cancelled))
    {
        let error = summary.as_ref().err().map(|error| explain(error));
        let told = webhook.tell(&id, &options.input, summary.as_ref().ok(), error.as_deref());
        if let Err(reason) = told {
            tracing::warn!("{reason}");
        }
    }
    let summary = summary?;
    if arguments.json {
        print_done(&summary)
    } else {
        print_summary(&summary)
    }
}

fn print_share(summary: &ShareSummary) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    let (first, last) = summary.segments;
    let last = last.map_or("the last".to_owned(), |last| last.to_string());
    writeln!(
        out,
        "{}: segments {first} to {last} in {:.1} s ({:.1} CPU s)\nPieces in {}",
        summary.renditions.join(", "),
        summary.wall_s,
        summary.cpu_s,
        summary.work_dir.display()
    )
    .context("standard output")
}
