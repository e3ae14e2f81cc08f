//! Sprites: a WebVTT file whose cues are URLs of images, or of parts of them.

use std::collections::BinaryHeap;

use super::{Area, Thumbnail, fragment};
use crate::presentation::{Resource, Warning};
use crate::text::webvtt::{Cue, WebVtt};
use crate::time::MediaTime;
use crate::url::{self, UrlError};

const MAX_WARNINGS: usize = 100;

/// Thumbnails as a WebVTT file lists them, by time. A URL is resolved when it is asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sprites {
    base: String,
    vtt: WebVtt,
    /// In order and without overlap.
    entries: Vec<Entry>,
    /// What was odd, in the file or in its URLs.
    pub warnings: Vec<Warning>,
}

/// In order of its start; where two begin together, of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    start: MediaTime,
    cue: u32,
    end: MediaTime,
}

impl Sprites {
    /// The thumbnails of a file that was fetched from `base`. The payload of each cue is a URL relative to that, and may name
    /// a part of the image: `#xywh=160,90,160,90`, in pixels, or in percent as `#xywh=percent:0,0,25,25`. Where two overlap, the
    /// one that begins later counts from there on.
    pub fn new(mut vtt: WebVtt, base: &str) -> Self {
        let mut warnings = core::mem::take(&mut vtt.warnings);
        let mut entries = BinaryHeap::new();
        for (position, cue) in vtt.cues().enumerate() {
            if let Some(message) = check(&cue) {
                if warnings.len() < MAX_WARNINGS {
                    warnings.push(Warning {
                        line: vtt.line(position).unwrap_or_default(),
                        message: message.to_owned(),
                    });
                }
                continue;
            }
            if cue.start < cue.end {
                entries.push(Entry {
                    start: cue.start,
                    end: cue.end,
                    cue: position as u32,
                });
            }
        }
        // The library's sorting of slices would be ten times as large.
        let mut entries = entries.into_sorted_vec();
        let mut next = MediaTime::MAX;
        for entry in entries.iter_mut().rev() {
            entry.end = entry.end.min(next);
            next = entry.start;
        }
        // Of those that begin together, the last one.
        entries.retain(|entry| entry.start < entry.end);
        Self {
            base: base.to_owned(),
            vtt,
            entries,
            warnings,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// A thumbnail by its position; `None` if there is none or its URL may not be fetched.
    pub fn get(&self, position: usize) -> Option<Thumbnail> {
        let entry = self.entries.get(position)?;
        let cue = self.vtt.cue(entry.cue as usize)?;
        let (reference, fragment) = split(&cue);
        Some(Thumbnail {
            resource: Resource {
                url: url::resolve(&self.base, reference).ok()?,
                range: None,
            },
            area: fragment::area(fragment).unwrap_or(Area::Whole),
            start: entry.start,
            end: entry.end,
        })
    }

    /// The thumbnail that shows the picture at `t`; `None` in a hole and past the ends. O(log n).
    pub fn thumbnail_at(&self, t: MediaTime) -> Option<Thumbnail> {
        let position = self
            .entries
            .partition_point(|entry| entry.start <= t)
            .checked_sub(1)?;
        self.get(position).filter(|thumbnail| t < thumbnail.end)
    }
}

/// The URL in a cue, and its fragment.
fn split<'a>(cue: &Cue<'a>) -> (&'a str, &'a str) {
    let line = cue
        .text
        .trim_ascii()
        .split('\n')
        .next()
        .unwrap_or_default()
        .trim_ascii_end();
    line.split_once('#').unwrap_or((line, ""))
}

/// What keeps a cue from being a thumbnail.
fn check(cue: &Cue<'_>) -> Option<&'static str> {
    let (reference, fragment) = split(cue);
    if reference.is_empty() {
        return Some("it names no image");
    }
    // Whatever the base is; that is known to be one, and may be long.
    match url::resolve("https://h/", reference) {
        Ok(_) => {}
        Err(UrlError::Scheme(_)) => return Some("only http: and https: are fetched"),
        Err(_) => return Some("its URL cannot be used"),
    }
    fragment::area(fragment)
        .is_err()
        .then_some("its part of the image (xywh) is malformed")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sprites(text: &str) -> Sprites {
        let vtt = WebVtt::parse(format!("WEBVTT\n\n{text}").as_bytes()).unwrap();
        Sprites::new(vtt, "https://h/a/thumbs.vtt")
    }

    fn at(sprites: &Sprites, ms: i64) -> Option<(String, Area)> {
        let found = sprites.thumbnail_at(MediaTime::from_millis(ms))?;
        Some((found.resource.url, found.area))
    }

    #[test]
    fn a_sprite_sheet() {
        let sprites = sprites(
            "00:00.000 --> 00:05.000\ns-0.jpg#xywh=0,0,160,90\n\n00:05.000 --> 00:10.000\ns-0.jpg#xywh=160,0,160,90\n\n\
            00:12.000 --> 00:15.000\n/b/s.jpg?x=1&y=2\n",
        );
        let area = |x| Area::Pixels {
            x,
            y: 0,
            width: 160,
            height: 90,
        };
        assert_eq!(at(&sprites, 0), Some(("https://h/a/s-0.jpg".into(), area(0))));
        assert_eq!(at(&sprites, 4999).unwrap().1, area(0));
        assert_eq!(at(&sprites, 5000).unwrap().1, area(160));
        assert_eq!(at(&sprites, 10_000), None);
        assert_eq!(
            at(&sprites, 12_000),
            Some(("https://h/b/s.jpg?x=1&y=2".into(), Area::Whole))
        );
        assert_eq!(at(&sprites, 15_000), None);
        assert_eq!(at(&sprites, -1), None);
        assert_eq!((sprites.len(), sprites.warnings.len()), (3, 0));
        assert_eq!(sprites.get(3), None);
    }

    #[test]
    fn order_and_overlap_do_not_matter() {
        let sprites = sprites(
            "00:05.000 --> 00:20.000\nc\n\n00:00.000 --> 00:08.000\na\n\n00:00.000 --> 00:04.000\nb\n\n00:09.000 --> 00:09.000\nd",
        );
        assert_eq!(sprites.len(), 2);
        let name = |ms| at(&sprites, ms).map(|(url, _)| url.replace("https://h/a/", ""));
        assert_eq!(name(3000), Some("b".into()));
        assert_eq!(name(4500), None);
        assert_eq!(name(6000), Some("c".into()));
        assert_eq!(name(9000), Some("c".into()));
    }

    #[test]
    fn what_is_no_thumbnail_is_told() {
        let sprites = sprites(
            "00:00.000 --> 00:01.000\njavascript:alert(1)\n\n00:01.000 --> 00:02.000\n#xywh=0,0,1,1\n\n\
            00:02.000 --> 00:03.000\na.jpg#xywh=0,0,0,1\n\n00:03.000 --> 00:04.000\nhttp://\n",
        );
        assert!(sprites.is_empty());
        let warnings: Vec<_> = sprites
            .warnings
            .iter()
            .map(|w| (w.line, w.message.as_str()))
            .collect();
        assert_eq!(
            warnings,
            [
                (3, "only http: and https: are fetched"),
                (6, "it names no image"),
                (9, "its part of the image (xywh) is malformed"),
                (12, "its URL cannot be used")
            ]
        );
    }
}
