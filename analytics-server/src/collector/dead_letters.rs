//! What was sent as a beacon and is none, kept for the operator: a line of JSON each, in two files of bounded length.
//!
//! Senders' addresses are not in it; viewers' ids and what may be secret in URLs are taken out. It need not survive a crash.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::num::NonZeroU32;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use governor::clock::MonotonicClock;
use governor::{DefaultDirectRateLimiter, RateLimiter};
use serde::{Deserialize, Serialize};

use super::accept::{clean, word_without_secrets};
use super::sites::quota;
use super::viewers::replace;
use crate::id::Id;

/// A file is at most so long; there are two.
const MAX_FILE_BYTES: u64 = 4 << 20;
/// So much of a body is kept.
const MAX_BODY_BYTES: usize = 2048;
/// So many are kept a second.
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(99);

const CURRENT: &str = "current.ndjson";
const PREVIOUS: &str = "previous.ndjson";

/// A refused beacon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// When it came, milliseconds since 1970 by the server's clock.
    pub received_ms: i64,
    /// Where it was sent: `beacons` or `cmcd`.
    pub route: String,
    /// Why it was refused.
    pub reason: String,
    /// How long it was.
    pub bytes: usize,
    /// Its beginning, without what may be secret.
    pub body: String,
}

/// Where they are kept.
pub(crate) struct DeadLetters {
    folder: PathBuf,
    rate: DefaultDirectRateLimiter,
    /// The file and its length.
    current: Mutex<(File, u64)>,
    max_file_bytes: u64,
}

impl DeadLetters {
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            rate: RateLimiter::direct_with_clock(quota(PER_SECOND), MonotonicClock),
            current: Mutex::new(open(&folder.join(CURRENT))?),
            max_file_bytes: MAX_FILE_BYTES,
        })
    }

    /// Answers whether it is kept.
    pub(super) fn keep(&self, received_ms: i64, route: &str, reason: &str, body: &[u8]) -> bool {
        if self.rate.check().is_err() {
            return false;
        }
        let letter = DeadLetter {
            received_ms,
            route: route.to_owned(),
            reason: reason.to_owned(),
            bytes: body.len(),
            body: excerpt(body),
        };
        self.append(&letter)
            .inspect_err(|error| tracing::warn!(%error, "a refused beacon could not be kept"))
            .is_ok()
    }

    /// Removes what names one of these views.
    pub(crate) fn remove(&self, view_ids: &HashSet<Id>) -> io::Result<()> {
        if view_ids.is_empty() {
            return Ok(());
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        for name in [CURRENT, PREVIOUS] {
            let path = self.folder.join(name);
            let before = match fs::read(&path) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let lines = before.split_inclusive(|byte| *byte == b'\n');
            let after: Vec<u8> = lines
                .filter(|line| !names_one(line, view_ids))
                .flatten()
                .copied()
                .collect();
            if after.len() < before.len() {
                replace(&path, &after)?;
            }
        }
        *current = open(&self.folder.join(CURRENT))?;
        Ok(())
    }

    /// The newest first.
    pub(super) fn newest(&self, limit: usize) -> io::Result<Vec<DeadLetter>> {
        read(&self.folder, limit)
    }

    fn append(&self, letter: &DeadLetter) -> io::Result<()> {
        let mut line = serde_json::to_vec(letter)?;
        line.push(b'\n');
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.1 + line.len() as u64 > self.max_file_bytes {
            fs::rename(self.folder.join(CURRENT), self.folder.join(PREVIOUS))?;
            *current = open(&self.folder.join(CURRENT))?;
        }
        current.1 += line.len() as u64;
        current.0.write_all(&line)
    }
}

/// The newest dead letters of a server's data folder, which may be running, the newest first.
///
/// # Errors
/// If they cannot be read. That there are none is no error.
pub fn dead_letters(data_dir: &Path, limit: usize) -> io::Result<Vec<DeadLetter>> {
    read(&folder(data_dir), limit)
}

/// Where they are in a data folder.
pub(crate) fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("dead-letters")
}

fn read(folder: &Path, limit: usize) -> io::Result<Vec<DeadLetter>> {
    let mut letters = Vec::new();
    for name in [CURRENT, PREVIOUS] {
        let file = match File::open(folder.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let mut of_file = Vec::new();
        for line in BufReader::new(file.take(MAX_FILE_BYTES)).split(b'\n') {
            // The last line may be torn.
            of_file.extend(serde_json::from_slice::<DeadLetter>(&line?));
        }
        letters.extend(of_file.into_iter().rev());
        if letters.len() >= limit {
            break;
        }
    }
    letters.truncate(limit);
    Ok(letters)
}

fn open(path: &Path) -> io::Result<(File, u64)> {
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)?;
    let len = file.metadata()?.len();
    Ok((file, len))
}

/// Whether one of these ids is in a line.
fn names_one(line: &[u8], ids: &HashSet<Id>) -> bool {
    line.windows(Id::LEN)
        .filter(|window| window.get(8) == Some(&b'-'))
        .filter_map(|window| Id::parse(str::from_utf8(window).ok()?))
        .any(|id| ids.contains(&id))
}

/// The beginning of a body as text that may be kept.
fn excerpt(body: &[u8]) -> String {
    // A secret that is cut at the end is still one: it is taken out before the rest is cut off.
    let text = String::from_utf8_lossy(body.get(..2 * MAX_BODY_BYTES).unwrap_or(body));
    let mut out = String::new();
    let mut of_viewer = false;
    for word in text.split_inclusive(['"', ' ', '\n', '\t', '<', '>', ',']) {
        let end = word.len() - word.chars().next_back().map_or(0, char::len_utf8);
        let (word, delimiter) = match word.chars().next_back() {
            Some('"' | ' ' | '\n' | '\t' | '<' | '>' | ',') => word.split_at(end),
            _ => (word, ""),
        };
        let is_colon = word.trim() == ":" || word.is_empty();
        if of_viewer && !is_colon {
            out.push('…');
        } else {
            out.push_str(&word_without_secrets(word));
        }
        of_viewer = (of_viewer && (is_colon || delimiter != "\"")) || word == "viewer_id";
        out.push_str(delimiter);
    }
    clean(&mut out, MAX_BODY_BYTES);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::testing::view_id;

    #[test]
    fn the_newest_are_read_first_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(dead_letters(dir.path(), 9).unwrap(), []);
        let mut letters = DeadLetters::open(&folder(dir.path())).unwrap();
        letters.max_file_bytes = 1000;
        for number in 0..40 {
            assert!(letters.keep(number, "beacons", "why", b"{}"));
        }
        OpenOptions::new()
            .append(true)
            .open(folder(dir.path()).join(CURRENT))
            .unwrap()
            .write_all(b"{\"torn")
            .unwrap();
        let times = |limit| -> Vec<i64> {
            let read = dead_letters(dir.path(), limit).unwrap();
            read.iter().map(|letter| letter.received_ms).collect()
        };
        assert_eq!(times(3), [39, 38, 37]);
        let all = times(100);
        assert!(
            all.len() < 30 && all.is_sorted_by(|a, b| a == &(b + 1)),
            "{all:?}"
        );
        let bytes: u64 = [CURRENT, PREVIOUS]
            .iter()
            .map(|name| fs::metadata(folder(dir.path()).join(name)).unwrap().len())
            .sum();
        assert!(bytes < 2100);
        assert_eq!(letters.newest(1).unwrap()[0].body, "{}");
    }

    #[test]
    fn what_names_a_deleted_view_goes() {
        let dir = tempfile::tempdir().unwrap();
        let letters = DeadLetters::open(&folder(dir.path())).unwrap();
        for number in 0..4 {
            let body = format!("{{\"v\":9,\"view_id\":\"{}\"}}", view_id(number).to_uppercase());
            letters.keep(i64::from(number), "beacons", "why", body.as_bytes());
        }
        let ids = [1, 3, 99].map(|number| Id::parse(&view_id(number)).unwrap());
        letters.remove(&HashSet::from(ids)).unwrap();
        letters.keep(4, "beacons", "why", b"later");
        let times: Vec<i64> = letters
            .newest(9)
            .unwrap()
            .iter()
            .map(|letter| letter.received_ms)
            .collect();
        assert_eq!(times, [4, 2, 0]);
    }

    #[test]
    fn so_many_a_second_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let letters = DeadLetters::open(dir.path()).unwrap();
        let kept = (0..10_000)
            .filter(|_| letters.keep(0, "beacons", "why", b"x"))
            .count();
        assert!((200..5_000).contains(&kept), "{kept}");
    }

    #[test]
    fn what_may_be_secret_is_taken_out() {
        let body = br#"{"site":"k","info":{"viewer_id": "anna@example.org, Anna","source":"https://u:p@h/a.m3u8?token=hunter2#x","title":"t"},"e":"GET seg.m4s?sig=hunter2"}"#;
        assert_eq!(
            excerpt(body),
            "{\"site\":\"k\",\"info\":{\"viewer_id\": \"…, …\",\"source\":\"https://h/a.m3u8\",\"title\":\"t\"},\"e\":\"GET seg.m4s\"}"
        );
        assert_eq!(
            excerpt(b"{\"viewer_id\":\"x\",\"a\":\"b\"}"),
            "{\"viewer_id\":\"…\",\"a\":\"b\"}"
        );
        assert_eq!(
            excerpt(b"{\"source\":\"https://h/t/hunter2/a.m3u8\"} https://h/t/hunter2/b"),
            "{\"source\":\"https://h/t/-/a.m3u8\"} https://h/t/-/b"
        );
        assert_eq!(excerpt(b"\x1b[2J\xff\0ok"), "[2J\u{fffd}ok");
    }

    proptest! {
        #[test]
        fn any_body_becomes_a_short_text(body in proptest::collection::vec(any::<u8>(), 0..300), times in 1..30_usize) {
            let text = excerpt(&body.repeat(times));
            prop_assert!(text.len() <= MAX_BODY_BYTES && !text.contains(char::is_control));
        }
    }
}
