//! The short texts that options are, a line each: what is understood has one form, and what may be secret is not shown.
#![no_main]

#[path = "../../../player-core/fuzz/fuzz_targets/heap.rs"]
mod heap;

use std::path::Path;

use encoder::fuzzing::text;
use encoder::jobs::{Webhook, id_of};
use encoder::protect::{KeyLabel, Scheme, System};
use encoder::split::Chunk;
use encoder::storage::{CacheRule, Location};
use encoder::vod::Sidecar;
use libfuzzer_sys::fuzz_target;

/// Bytes of heap for a byte of input, and beside.
const MOST: (usize, usize) = (64, 1 << 20);

fuzz_target!(|bytes: &[u8]| heap::within(MOST.1 + MOST.0 * bytes.len(), || {
    String::from_utf8_lossy(bytes).lines().for_each(read);
}));

fn read(line: &str) {
    location(line);
    if let Ok(chunk) = line.parse::<Chunk>() {
        assert!((1..=chunk.count).contains(&chunk.index) && chunk.count <= 1000);
    }
    if let Ok(rule) = line.parse::<CacheRule>() {
        let pattern = line.split_once('=').expect("it was read").0.trim();
        for name in ["hls/master.m3u8", "720p/1.m4s", "", "aab", "a", pattern] {
            assert_eq!(rule.matches(name), matches(pattern, name), "{pattern:?} {name:?}");
        }
    }
    if let Ok(sidecar) = line.parse::<Sidecar>() {
        language(&sidecar.language);
    }
    language(line);
    if let Ok(webhook) = Webhook::new(line) {
        webhook_text(line, &webhook.to_string());
    }
    let id = id_of(Path::new(line));
    assert!(!id.is_empty() && id.len() <= 128 && !id.starts_with('.'));
    assert!(
        id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)),
        "{id:?}"
    );
    let _ = (
        line.parse::<System>(),
        line.parse::<Scheme>(),
        line.parse::<KeyLabel>(),
    );
}

/// A place in a bucket has one form; what is joined to it lies below it, and an error shows nothing of it.
fn location(line: &str) {
    match line.parse::<Location>() {
        Ok(place) if place.folder().is_none() => {
            let shown = place.to_string();
            assert_eq!(shown.parse::<Location>().ok(), Some(place.clone()));
            let below = place.join("videos/a").to_string();
            assert_eq!(below, format!("{shown}/videos/a"));
            assert_eq!(below.parse::<Location>().ok(), Some(place.join("videos/a")));
            assert!(!shown.contains(['?', '#', '%', '*', '\\']) && !shown.contains("/../"));
        }
        Ok(place) => assert!(
            place
                .folder()
                .is_some_and(|folder| !folder.as_os_str().is_empty())
        ),
        Err(error) => {
            let rest = line.split_once("://").map_or("", |(_, rest)| rest);
            assert!(rest.len() < 12 || !error.to_string().contains(rest));
        }
    }
}

/// A tag is its own tag, and has a name.
fn language(line: &str) {
    let Some((tag, name)) = text::language(line) else {
        return;
    };
    assert_eq!(text::language(&tag).map(|(tag, _)| tag).as_ref(), Some(&tag));
    assert!(!name.is_empty() && tag.len() <= 35);
    assert!(
        tag.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    );
}

/// No path, no query and no password.
fn webhook_text(line: &str, shown: &str) {
    assert!(
        shown.ends_with("/…") && shown.matches('/').count() == 3,
        "{line:?}: {shown:?}"
    );
    assert!(!shown.contains(['@', '?', '#']));
}

/// `*` stands for any text: tried at every place.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let mut open = vec![true];
    open.extend(std::iter::repeat_n(false, name.len()));
    for letter in pattern {
        let mut next = vec![false; open.len()];
        for at in 0..open.len() {
            next[at] = match letter {
                '*' => open[at] || at > 0 && next[at - 1],
                letter => at > 0 && open[at - 1] && name[at - 1] == letter,
            };
        }
        open = next;
    }
    open[name.len()]
}
