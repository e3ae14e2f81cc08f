//! Clips: a piece of a live stream, or of one that is over, as VOD of its own. Nothing is encoded again: it begins and ends with whole
//! segments.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::broadcast::{archive, failed};
use super::dash::kept_from;
use super::journal;
use super::window::{Segment, Window};
use super::{LiveError, times};

/// What to cut, and where it goes.
#[derive(Clone, Debug)]
pub struct ClipOptions {
    /// A stream's folder, as [`Broadcast`](super::Broadcast) keeps it; it may be in use.
    pub stream: PathBuf,
    /// A folder to make.
    pub out: PathBuf,
    /// Its first moment.
    pub from: ClipTime,
    /// The moment behind its last.
    pub to: ClipTime,
}

/// A moment of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClipTime {
    /// When it was captured.
    Wall(SystemTime),
    /// Since the stream began, by the time of capture.
    Since(Duration),
}

impl FromStr for ClipTime {
    type Err = String;

    /// An RFC 3339 date and time, or seconds since the stream began, or hours, minutes and seconds (`1:02:03.5`).
    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "{text:?} is neither a date such as 2026-11-24T20:15:00Z nor a time such as 95.5 or 1:02:03"
            )
        };
        if text.contains('T') {
            return humantime::parse_rfc3339(text)
                .map(Self::Wall)
                .map_err(|_| refused());
        }
        let mut seconds = 0.0;
        for (at, digits) in text.split(':').enumerate() {
            let number: f64 = digits.parse().map_err(|_| refused())?;
            if at > 2 || !(0.0..1e9).contains(&number) {
                return Err(refused());
            }
            seconds = seconds * 60.0 + number;
        }
        Ok(Self::Since(Duration::from_secs_f64(seconds)))
    }
}

/// What was cut.
#[derive(Clone, Debug, Serialize)]
pub struct Clip {
    /// When its first frame was captured, RFC 3339.
    pub from: String,
    /// Its length, seconds.
    pub duration_s: f64,
    /// Segments, of all tracks.
    pub segments: usize,
    /// Bytes of them.
    pub bytes: u64,
    /// Where it is.
    pub folder: PathBuf,
}

/// Cuts a clip: the segments that lie between the two moments, wholly or in part. Where the file system can, they are the stream's own
/// files under other names (hard links), and stay when the stream lets go of them.
///
/// # Errors
/// If the folder holds no stream, nothing of it lies between the moments, part of it has left its window, or the clip cannot be written.
pub fn clip(options: &ClipOptions) -> Result<Clip, LiveError> {
    let mut window = Window::new(Duration::MAX);
    let path = options.stream.join(journal::NAME);
    journal::read(&path, &mut window).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LiveError::BadOption {
            option: "stream",
            reason: format!(
                "{} holds no live stream; name the folder of one, NAME in the --out of `live`",
                options.stream.display()
            ),
        },
        _ => failed(&path, &error),
    })?;
    window.settle(false);
    let began = window.epoch.unwrap_or(SystemTime::UNIX_EPOCH);
    let at = |time| match time {
        ClipTime::Wall(wall) => wall,
        ClipTime::Since(since) => began + since,
    };
    let (from, to) = (at(options.from), at(options.to));
    let nothing = |window: &Window| LiveError::BadOption {
        option: "from",
        reason: match span(window) {
            Some((first, last)) => format!(
                "nothing is there from then on until \"to\"; the stream has {} to {}",
                times::date(first),
                times::date(last)
            ),
            None => "the stream has nothing yet".to_owned(),
        },
    };
    let inside: Vec<u64> = walls(&window)
        .filter(|(_, start, end)| *end > from && *start < to)
        .map(|(number, ..)| number)
        .collect();
    let (Some(first), Some(last)) = (inside.iter().min(), inside.iter().max()) else {
        return Err(nothing(&window));
    };
    window.forget_after(*last);
    window.forget(*first);
    window.is_over = true;
    let Some((begins, ends)) = span(&window) else {
        return Err(nothing(&window));
    };
    // Its own time begins at 0.
    window.epoch = window
        .takes
        .front()
        .map(|take| take.wall + kept_from(take, &window).1);
    if options.out.exists() {
        return Err(LiveError::BadOption {
            option: "out",
            reason: format!(
                "{} is there already; choose another folder",
                options.out.display()
            ),
        });
    }
    let (mut segments, mut bytes) = (0, 0);
    for track in &window.tracks {
        let kept: Vec<&Segment> = track.segments.iter().filter(|segment| !segment.is_gap).collect();
        if kept.is_empty() {
            continue;
        }
        let (source, target) = (options.stream.join(&track.name), options.out.join(&track.name));
        fs::create_dir_all(&target).map_err(|error| failed(&target, &error))?;
        let mut takes: Vec<u32> = kept.iter().map(|segment| segment.take).collect();
        takes.dedup();
        for take in takes {
            link(&source, &target, &format!("init-{take}.mp4"))?;
        }
        for segment in kept {
            link(&source, &target, &format!("{}.m4s", segment.number))?;
            segments += 1;
            bytes += segment.bytes;
        }
    }
    archive(&window, &options.out)?;
    Ok(Clip {
        from: times::date(begins),
        duration_s: ends.duration_since(begins).unwrap_or_default().as_secs_f64(),
        segments,
        bytes,
        folder: options.out.clone(),
    })
}

/// Number, beginning and end of every segment, by the time of capture.
fn walls(window: &Window) -> impl Iterator<Item = (u64, SystemTime, SystemTime)> {
    let segments = window.tracks.iter().flat_map(|track| &track.segments);
    segments.filter(|segment| !segment.is_gap).filter_map(|segment| {
        let take = window.take(segment.take)?;
        Some((
            segment.number,
            take.wall + segment.starts_at(),
            take.wall + segment.ends_at(),
        ))
    })
}

fn span(window: &Window) -> Option<(SystemTime, SystemTime)> {
    let first = walls(window).map(|(_, start, _)| start).min()?;
    let last = walls(window).map(|(.., end)| end).max()?;
    Some((first, last))
}

fn link(from: &Path, to: &Path, name: &str) -> Result<(), LiveError> {
    let (from, to) = (from.join(name), to.join(name));
    let made = fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(|_| ()));
    made.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => LiveError::Output {
            reason: format!("{} has left the stream's window meanwhile", from.display()),
        },
        _ => failed(&to, &error),
    })
}
