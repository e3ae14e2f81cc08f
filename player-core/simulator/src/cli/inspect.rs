//! `headgate-sim inspect`.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use player_core::manifest::MAX_BYTES;
use player_core::url;
use simulator::inspect::{self, Format};

/// Prints everything that the engine understands of a manifest from the standard input as JSON.
///
/// The exit code is 1 if nothing in it can be played; what is printed is then {"error": {"kind", "message", "line"}}.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  curl -s https://cdn.example/live/720p.m3u8 | headgate-sim inspect hls --url https://cdn.example/live/720p.m3u8
  headgate-sim inspect mpd --limit-segments 3 < manifest.mpd | jq '.periods[].adaptation_sets[].representations[].segments'

docs/inspect.md describes the form.")]
pub(super) struct Inspect {
    /// What the text is.
    #[arg(value_enum)]
    format: Kind,
    /// Where it was fetched from: its URLs are resolved against this.
    #[arg(long, default_value = "https://example.com/")]
    url: String,
    /// List at most so many segments of the playlist, or of each representation (cues of a WebVTT file) [default: all, of an MPD 1000]
    #[arg(long, value_name = "N")]
    limit_segments: Option<usize>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// An HLS playlist, multivariant or media
    Hls,
    /// A DASH MPD
    Mpd,
    /// A WebVTT file
    Vtt,
}

impl Inspect {
    pub(super) fn run(self) -> Result<ExitCode> {
        ensure!(
            url::resolve(&self.url, "").is_ok(),
            "--url must be an absolute http: or https: URL, not \"{}\"",
            self.url
        );
        let mut bytes = Vec::new();
        // One more than is read, to see that there is more.
        io::stdin()
            .lock()
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)
            .context("cannot read the standard input")?;
        let format = match self.format {
            Kind::Hls => Format::Hls,
            Kind::Mpd => Format::Mpd,
            Kind::Vtt => Format::Vtt,
        };
        let (json, code) = match inspect::inspect(format, &bytes, &self.url, self.limit_segments) {
            Ok(json) => (json, ExitCode::SUCCESS),
            Err(failure) => (failure.to_json(), ExitCode::FAILURE),
        };
        let mut out = io::BufWriter::new(io::stdout().lock());
        let written = serde_json::to_writer_pretty(&mut out, &json)
            .map_err(io::Error::from)
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush());
        match written {
            // Who reads it has seen enough.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(code),
            written => written.map(|()| code).context("cannot write the result"),
        }
    }
}
