//! An MPD and what comes after it, separated by lines `---`: newer texts, patches, remote elements. Whatever they say, segments stay in
//! order, and what is refused changes nothing.
#![no_main]

mod heap;
mod versions;

use libfuzzer_sys::fuzz_target;
use player_core::MediaTime;
use player_core::manifest::dash::Mpd;
use player_core::presentation::{SegmentIndex, SegmentSource};

const URL: &str = "https://host.example/a/manifest.mpd";
/// Bytes of heap: what every representation inherits is there once for each, and there may be 1000 of them.
const MOST: usize = 128 << 20;

fuzz_target!(|text: &[u8]| {
    let Ok(text) = core::str::from_utf8(text) else { return };
    heap::within(MOST, || read(text));
});

fn read(text: &str) {
    let mut versions = versions::split(text.as_bytes()).into_iter();
    let mut next = || core::str::from_utf8(versions.next()?).ok();
    let Ok(mut mpd) = Mpd::parse(next().unwrap_or_default(), URL) else { return };
    check(&mpd);
    for _ in 0..8 {
        let Some(text) = next() else { break };
        let before = mpd.clone();
        let refused = if text.contains("<MPD") {
            mpd.refresh(text, URL).is_err()
        } else if text.contains("<Patch") {
            mpd.patch(text).is_err()
        } else {
            let wanted = mpd.remote().into_iter().next();
            if let Some(wanted) = wanted {
                // An empty answer is none.
                let answer = Some(text.as_bytes()).filter(|text| !text.trim_ascii().is_empty());
                mpd.insert_remote(&wanted.url, answer);
                assert!(mpd.remote().iter().all(|left| left.url != wanted.url));
            }
            false
        };
        if refused {
            assert_eq!(mpd, before);
        } else {
            check(&mpd);
        }
    }
}

fn check(mpd: &Mpd) {
    let Ok(presentation) = mpd.presentation() else { return };
    assert!(!presentation.periods.is_empty() && presentation.warnings.len() <= 100);
    for period in &presentation.periods {
        assert!(period.duration.is_none_or(|d| d >= MediaTime::ZERO));
        let tracks = period.tracks.iter().chain(&period.trick_play);
        let sources = tracks.flat_map(|t| &t.renditions).map(|r| &r.source);
        for source in sources.chain(period.thumbnails.iter().map(|t| &t.source)) {
            match source {
                SegmentSource::Index(index) => check_index(index),
                SegmentSource::Sidx(sidx) => assert!(sidx.index.url.starts_with("http")),
                SegmentSource::Playlist(_) => panic!("an MPD has no playlists"),
            }
        }
    }
}

fn check_index(index: &SegmentIndex) {
    let len = index.len();
    assert!(len > 0);
    assert_eq!((index.get(len), index.times(usize::MAX)), (None, None));
    // All of them are too many: some at either end, and some in between.
    for first in [0, len / 2, len.saturating_sub(50)] {
        let mut before = None;
        for position in first..len.min(first + 50) {
            let segment = index.get(position).expect("it is within the index");
            assert_eq!(index.times(position), Some((segment.start, segment.end)));
            assert!(segment.start <= segment.end);
            assert!(before.is_none_or(|end| end <= segment.start));
            assert!(segment.resource.url.starts_with("http"));
            before = Some(segment.end);
        }
    }
    assert!(index.start() <= index.end());
    for at in [MediaTime::from_micros(i64::MIN), MediaTime::ZERO, MediaTime::from_millis(5000), MediaTime::MAX] {
        let position = index.position_at(at);
        assert!(position <= len);
        if let Some((_, end)) = index.times(position) {
            assert!(end > at);
        }
    }
}
