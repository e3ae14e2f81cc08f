//! What a broadcast publishes, read by others' readers.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use player_core::manifest::hls::MediaPlaylist;
use proptest::prelude::*;

use super::testing::{feed, open, part, take};
use super::{Broadcast, ClipOptions, ClipTime, LiveError, LiveSink, TrackKeys, clip};
use crate::protect::{ContentProtection, HlsKey};

const URL: &str = "https://h/live/s/hls/v.m3u8";

fn wall() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn full(broadcast: &Broadcast, track: &str) -> String {
    let view = broadcast.view(track).unwrap();
    let full = view.state.borrow().full.clone();
    String::from_utf8(full.to_vec()).unwrap()
}

fn delta(broadcast: &Broadcast, track: &str) -> Option<String> {
    let view = broadcast.view(track).unwrap();
    let delta = view.state.borrow().delta.clone();
    delta.map(|delta| String::from_utf8(delta.to_vec()).unwrap())
}

fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let prefix = format!("#{name}:");
    text.lines().find_map(|line| line.strip_prefix(&prefix))
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let of = |entry: fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => bytes_in(&entry.path()),
        false => entry.metadata().unwrap().len(),
    };
    entries.map(of).sum()
}

#[test]
fn a_live_playlist_says_all_that_low_latency_needs() {
    let folder = tempfile::tempdir().unwrap();
    let broadcast = open(folder.path(), 60);
    broadcast.begin(take(&["v", "a"], wall())).unwrap();
    feed(&broadcast, 2, 0..22);
    let text = full(&broadcast, "v");
    assert_eq!(
        tag(&text, "EXT-X-SERVER-CONTROL").unwrap(),
        "CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0,PART-HOLD-BACK=1.5"
    );
    assert_eq!(tag(&text, "EXT-X-PART-INF").unwrap(), "PART-TARGET=0.5");
    assert!(text.ends_with(
        "#EXTINF:2.0,\n../v/5.m4s\n#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:10.000Z\n\
         #EXT-X-PART:DURATION=0.5,URI=\"../v/6.0.m4s\",INDEPENDENT=YES\n#EXT-X-PART:DURATION=0.5,URI=\"../v/6.1.m4s\"\n\
         #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"../v/6.2.m4s\"\n\
         #EXT-X-RENDITION-REPORT:URI=\"a.m3u8\",LAST-MSN=6,LAST-PART=0\n"
    ) || text.contains("LAST-MSN=6,LAST-PART="), "{text}");
    // Parts of the last three target durations: those of segments 3 to 6.
    assert!(text.contains("/3.0.m4s") && !text.contains("/1.0.m4s"), "{text}");
    let (_, theirs) = m3u8_rs::parse_media_playlist(text.as_bytes()).unwrap();
    assert_eq!((theirs.media_sequence, theirs.segments.len()), (1, 5));
    let ours = MediaPlaylist::read(text.as_bytes(), URL, None).unwrap();
    assert_eq!(ours.tags.preload_hints[0].url, "https://h/live/s/v/6.2.m4s");
    assert_eq!(ours.tags.rendition_reports.len(), 1);
    assert!(ours.warnings.is_empty(), "{:?}", ours.warnings);
}

#[test]
fn a_publisher_that_comes_back_is_behind_a_discontinuity() {
    let folder = tempfile::tempdir().unwrap();
    let broadcast = open(folder.path(), 60);
    broadcast.begin(take(&["v", "a"], wall())).unwrap();
    feed(&broadcast, 2, 0..5);
    // The sound has not come as far as the pictures.
    broadcast.part(0, part(5)).unwrap();
    broadcast.part(0, part(6)).unwrap();
    broadcast.part(0, part(7)).unwrap();
    broadcast.part(0, part(8)).unwrap();
    broadcast.pause();
    let sound = full(&broadcast, "a");
    assert!(sound.contains("../a/2.m4s\n#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:04.000Z\n#EXT-X-GAP\n#EXTINF:0.5,\n../a/3.m4s"), "{sound}");
    broadcast
        .begin(take(&["v", "a"], wall() + Duration::from_secs(30)))
        .unwrap();
    feed(&broadcast, 2, 0..4);
    for track in ["v", "a"] {
        let text = full(&broadcast, track);
        let expected = format!(
            "#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"../{track}/init-1.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2027-01-15T08:00:30.000Z"
        );
        assert!(text.contains(&expected), "{text}");
        assert!(text.contains(&format!("../{track}/4.m4s")), "{text}");
    }
    let mpd = String::from_utf8(broadcast.mpd().unwrap().to_vec()).unwrap();
    let read = dash_mpd_core::parse(&mpd).unwrap();
    assert_eq!(read.periods.len(), 2, "{mpd}");
    // What only one of both has is not of the period.
    assert_eq!(read.periods[0].duration, Some(Duration::from_millis(2500)));
    assert_eq!(read.periods[1].start, Some(Duration::from_secs(30)));
}

#[test]
fn keys_are_told_where_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let keys = |name: &str| TrackKeys {
        hls: vec![HlsKey {
            method: "SAMPLE-AES".into(),
            uri: format!("skd://{name}"),
            iv: None,
            key_format: None,
            key_id: None,
        }],
        dash: vec![ContentProtection {
            scheme_id_uri: format!("urn:{name}"),
            ..ContentProtection::default()
        }],
    };
    let check = |broadcast: &Broadcast| {
        let text = full(broadcast, "v");
        let lines: Vec<&str> = text
            .lines()
            .filter(|line| line.starts_with("#EXT-X-KEY") || line.ends_with(".m4s"))
            .collect();
        let expected = [
            "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://one\"",
            "../v/1.m4s",
            "../v/2.m4s",
            "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"skd://two\"",
            "../v/3.m4s",
        ];
        assert_eq!(lines, expected, "{text}");
        let mpd = String::from_utf8(broadcast.mpd().unwrap().to_vec()).unwrap();
        assert!(
            mpd.contains("schemeIdUri=\"urn:two\"") && !mpd.contains("urn:one"),
            "{mpd}"
        );
    };
    {
        let broadcast = open(folder.path(), 60);
        broadcast.begin(take(&["v"], wall())).unwrap();
        broadcast.keys(0, keys("one")).unwrap();
        feed(&broadcast, 1, 0..8);
        broadcast.keys(0, keys("two")).unwrap();
        feed(&broadcast, 1, 8..9);
        // Within a segment nothing changes.
        assert!(broadcast.keys(0, keys("three")).is_err());
        feed(&broadcast, 1, 9..12);
        broadcast.pause();
        check(&broadcast);
    }
    // A process that follows knows them.
    let broadcast = open(folder.path(), 60);
    check(&broadcast);
    // What is clear says so.
    broadcast
        .begin(take(&["v"], wall() + Duration::from_secs(60)))
        .unwrap();
    feed(&broadcast, 1, 0..4);
    let text = full(&broadcast, "v");
    assert!(
        text.contains("#EXT-X-DISCONTINUITY\n#EXT-X-KEY:METHOD=NONE\n"),
        "{text}"
    );
}

#[test]
fn a_clip_has_the_segments_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let broadcast = open(&folder.path().join("stream"), 600);
    broadcast.begin(take(&["v", "a"], wall())).unwrap();
    feed(&broadcast, 2, 0..24);
    broadcast.pause();
    broadcast
        .begin(take(&["v", "a"], wall() + Duration::from_secs(60)))
        .unwrap();
    feed(&broadcast, 2, 0..9);
    let cut = |from: &str, to: &str, name: &str| {
        clip(&ClipOptions {
            stream: folder.path().join("stream"),
            out: folder.path().join(name),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        })
    };
    // The stream is on the air; segments are 2 s, and what is in production is not of the clip.
    let made = cut("9.5", "2027-01-15T08:01:30Z", "two").unwrap();
    assert_eq!((made.segments, made.duration_s), (8, 56.0), "{made:?}");
    let out = folder.path().join("two");
    let text = fs::read_to_string(out.join("hls/v.m3u8")).unwrap();
    let names: Vec<&str> = text.lines().filter(|line| line.ends_with(".m4s")).collect();
    assert_eq!(
        names,
        ["../v/5.m4s", "../v/6.m4s", "../v/7.m4s", "../v/8.m4s"],
        "{text}"
    );
    assert!(
        text.contains("#EXT-X-ENDLIST") && text.contains("#EXT-X-DISCONTINUITY\n"),
        "{text}"
    );
    for track in ["v", "a"] {
        let source = folder.path().join("stream").join(track);
        let mut names: Vec<String> = (5..9).map(|number| format!("{number}.m4s")).collect();
        names.extend(["init-0.mp4".to_owned(), "init-1.mp4".to_owned()]);
        for name in &names {
            let copy = fs::read(out.join(track).join(name)).unwrap();
            assert_eq!(copy, fs::read(source.join(name)).unwrap());
        }
        assert_eq!(fs::read_dir(out.join(track)).unwrap().count(), names.len());
    }
    let mpd = fs::read_to_string(out.join("dash/manifest.mpd")).unwrap();
    let read = dash_mpd_core::parse(&mpd).unwrap();
    let periods: Vec<_> = read
        .periods
        .iter()
        .map(|period| (period.start, period.duration))
        .collect();
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(
        periods,
        [(seconds(0), seconds(4)), (seconds(52), seconds(4))],
        "{mpd}"
    );
    assert!(
        mpd.contains("startNumber=\"5\"") && mpd.contains("presentationTimeOffset=\"720000\""),
        "{mpd}"
    );
    assert!(fs::exists(out.join("hls/master.m3u8")).unwrap());

    let refused = |from: &str, to: &str, name: &str| cut(from, to, name).unwrap_err().to_string();
    assert!(refused("9", "12", "two").contains("there already"));
    assert!(refused("20", "30", "none").contains("2027-01-15T08:00:00"));
    assert!(refused("30", "10", "none").contains("nothing is there"));
    for text in ["", "x", "-1", "1:2:3:4", "1e300", "2026-13-01T00:00:00Z"] {
        assert!(text.parse::<ClipTime>().is_err(), "{text}");
    }
    assert_eq!(
        "1:02:03.5".parse(),
        Ok(ClipTime::Since(Duration::from_millis(3_723_500)))
    );
}

#[test]
fn a_rung_that_is_left_out_gets_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let broadcast = open(folder.path(), 60);
    broadcast.begin(take(&["v", "w"], wall())).unwrap();
    feed(&broadcast, 2, 0..4);
    broadcast
        .begin(take(&["v"], wall() + Duration::from_secs(2)))
        .unwrap();
    feed(&broadcast, 1, 0..8);
    let text = full(&broadcast, "w");
    assert_eq!(text.matches("#EXT-X-GAP").count(), 2, "{text}");
    assert!(!text.contains("w/init-1.mp4"), "{text}");
    let master = String::from_utf8(broadcast.multivariant().unwrap().to_vec()).unwrap();
    assert!(!master.contains("w.m3u8"), "{master}");
}

#[test]
fn a_take_without_media_leaves_no_mark() {
    let folder = tempfile::tempdir().unwrap();
    let broadcast = open(folder.path(), 60);
    broadcast.begin(take(&["v"], wall())).unwrap();
    feed(&broadcast, 1, 0..4);
    for _ in 0..3 {
        broadcast.begin(take(&["v"], wall())).unwrap();
        broadcast.pause();
    }
    broadcast.begin(take(&["v"], wall())).unwrap();
    feed(&broadcast, 1, 0..4);
    let text = full(&broadcast, "v");
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
}

#[test]
fn what_is_over_is_vod_over_the_same_objects() {
    let folder = tempfile::tempdir().unwrap();
    let broadcast = open(folder.path(), 60);
    broadcast.begin(take(&["v", "a"], wall())).unwrap();
    feed(&broadcast, 2, 0..30);
    let before = full(&broadcast, "v");
    let mut watching = MediaPlaylist::read(before.as_bytes(), URL, None).unwrap();
    broadcast.end().unwrap();
    let after = full(&broadcast, "v");
    assert!(after.ends_with("../v/8.m4s\n#EXT-X-ENDLIST\n"), "{after}");
    for gone in ["PART", "SERVER-CONTROL", "HINT", "REPORT"] {
        assert!(!after.contains(gone), "{gone}: {after}");
    }
    assert!(!watching.refresh(after.as_bytes(), URL).unwrap().discontinued);
    assert!(watching.ended());
    let on_disk = fs::read_to_string(folder.path().join("hls/v.m3u8")).unwrap();
    assert_eq!(on_disk, after);
    let mpd = fs::read_to_string(folder.path().join("dash/manifest.mpd")).unwrap();
    let read = dash_mpd_core::parse(&mpd).unwrap();
    assert_eq!(read.mpdtype.as_deref(), Some("static"));
    assert_eq!(read.mediaPresentationDuration, Some(Duration::from_secs(15)));
    assert!(matches!(
        broadcast.begin(take(&["v"], wall())),
        Err(LiveError::Output { .. })
    ));
    // A restart does not make it live again.
    drop(broadcast);
    assert_eq!(full(&open(folder.path(), 60), "v"), after);
}

#[test]
fn the_mpd_is_read_by_the_player_and_by_another_reader() {
    let folder = tempfile::tempdir().unwrap();
    let broadcast = open(folder.path(), 60);
    broadcast
        .begin(take(&["v", "w", "a"], SystemTime::now()))
        .unwrap();
    assert!(broadcast.mpd().is_none());
    feed(&broadcast, 3, 0..6);
    let mpd = String::from_utf8(broadcast.mpd().unwrap().to_vec()).unwrap();
    let read = dash_mpd_core::parse(&mpd).unwrap();
    let set = &read.periods[0].adaptations[0];
    let template = set.representations[0].SegmentTemplate.as_ref().unwrap();
    assert_eq!(set.representations.len(), 2);
    assert_eq!(
        (template.duration, template.startNumber),
        (Some(180_000.0), Some(1))
    );
    assert_eq!(template.availabilityTimeComplete, Some(false));
    assert!(template.availabilityTimeOffset.unwrap() <= 1.5);
    let ours = player_core::manifest::dash::parse(&mpd, "https://h/live/s/dash/manifest.mpd").unwrap();
    assert!(ours.warnings.is_empty(), "{:?}", ours.warnings);
    assert!(ours.live.is_some());
    assert_eq!(ours.periods[0].tracks.len(), 2);
}

#[test]
fn disk_and_playlists_are_bounded_by_the_window() {
    let folder = tempfile::tempdir().unwrap();
    let broadcast = open(folder.path(), 20);
    let mut most = 0;
    for round in 0..6 {
        broadcast
            .begin(take(&["v", "a"], wall() + Duration::from_secs(100 * round)))
            .unwrap();
        for segment in 0..40 {
            feed(&broadcast, 2, segment * 4..segment * 4 + 4);
            most = most.max(bytes_in(folder.path()));
        }
    }
    // Two windows of two tracks at 2 s and about 4.5 KB a segment, some segments more, and the journal.
    assert!(most < 2 * 2 * 13 * 4600 + 40_000, "{most}");
    let text = full(&broadcast, "v");
    // What has left goes with the next part.
    assert_eq!(text.matches("#EXTINF").count(), 11);
    assert_eq!(tag(&text, "EXT-X-DISCONTINUITY-SEQUENCE"), Some("5"));
    let inits = fs::read_dir(folder.path().join("v")).unwrap();
    let inits = inits
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .starts_with("init")
        })
        .count();
    assert!(inits <= 2, "{inits}");
}

#[test]
fn what_cannot_be_served_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let broadcast = open(folder.path(), 60);
    for names in [&["hls"][..], &["../x"], &["v", "v"], &[""], &[]] {
        assert!(
            matches!(
                broadcast.begin(take(names, wall())),
                Err(LiveError::BadOption { .. })
            ),
            "{names:?}"
        );
    }
    broadcast.begin(take(&["v"], wall())).unwrap();
    assert!(broadcast.part(1, part(0)).is_err());
    broadcast.part(0, part(1)).unwrap();
    assert!(broadcast.part(0, part(0)).is_err());
    let mut long = part(2);
    long.duration = 90_000;
    assert!(broadcast.part(0, long).is_err());
    let mut longer = take(&["v"], wall());
    longer.segment_target = Duration::from_secs(4);
    assert!(matches!(
        broadcast.begin(longer),
        Err(LiveError::BadOption { .. })
    ));
    // One process at a time.
    assert!(Broadcast::open(super::BroadcastOptions::new(folder.path())).is_err());
}

/// Does nothing unless it is started by the test below.
#[test]
#[ignore = "a process to be killed"]
fn feeds_until_it_is_killed() {
    let Some(folder) = std::env::var_os("HEADGATE_KILLED") else {
        return;
    };
    let broadcast = open(Path::new(&folder), 20);
    broadcast.begin(take(&["v", "a"], SystemTime::now())).unwrap();
    for index in 0..100_000 {
        feed(&broadcast, 2, index..index + 1);
        // What players could have seen.
        let seen = Path::new(&folder).join("seen");
        fs::write(seen.with_extension("new"), full(&broadcast, "v")).unwrap();
        fs::rename(seen.with_extension("new"), seen).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_killed_process_is_followed_by_one_that_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut last: Option<MediaPlaylist> = None;
    for round in 1..=4_u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "live::tests::feeds_until_it_is_killed", "--ignored"])
            .env("HEADGATE_KILLED", folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let deadline = std::time::Instant::now() + Duration::from_secs(60);
        let seen = folder.path().join("seen");
        let _ = fs::remove_file(&seen);
        let segments = || fs::read_to_string(&seen).map_or(0, |text| text.matches("#EXTINF").count());
        while segments() < 7 + round as usize {
            assert!(std::time::Instant::now() < deadline);
            std::thread::sleep(Duration::from_millis(3));
            assert!(child.try_wait().unwrap().is_none());
        }
        // SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();
        let text = fs::read_to_string(&seen).unwrap();
        let killed = MediaPlaylist::read(text.as_bytes(), URL, None).unwrap();
        let after = {
            let broadcast = open(folder.path(), 20);
            broadcast.begin(take(&["v", "a"], SystemTime::now())).unwrap();
            feed(&broadcast, 2, 0..1);
            let text = full(&broadcast, "v");
            broadcast.pause();
            text
        };
        let next = MediaPlaylist::read(after.as_bytes(), URL, None).unwrap();
        assert!(next.tags.media_sequence >= killed.tags.media_sequence);
        assert!(next.tags.discontinuity_sequence >= killed.tags.discontinuity_sequence);
        // Nothing that was seen gets another meaning: the new take begins behind it.
        let hinted = |text: &str| {
            let hint = text
                .split("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"../v/")
                .nth(1)
                .unwrap();
            hint.split('.').next().unwrap().parse::<u64>().unwrap()
        };
        assert!(hinted(&after) > hinted(&text) || !text.contains("#EXT-X-PART:"));
        assert!(after.contains("#EXT-X-GAP"), "{after}");
        if let Some(last) = last {
            assert!(next.tags.media_sequence >= last.tags.media_sequence);
        }
        last = Some(next);
        // Two tracks, two windows, some more.
        assert!(bytes_in(folder.path()) < 2 * 2 * 14 * 4600 + 60_000);
    }
}

/// What a publisher does.
#[derive(Clone, Copy, Debug)]
enum Step {
    Parts(u8),
    /// Of the first track alone.
    Ahead(u8),
    Pause,
    Begin,
    Restart,
    End,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (1_u8..30).prop_map(Step::Parts),
        2 => (1_u8..4).prop_map(Step::Ahead),
        1 => Just(Step::Pause),
        1 => Just(Step::Begin),
        1 => Just(Step::Restart),
    ];
    (prop::collection::vec(step, 1..24), any::<bool>()).prop_map(|(mut steps, ends)| {
        if ends {
            steps.push(Step::End);
        }
        steps
    })
}

/// What a viewer of one track has.
#[derive(Default)]
struct Viewer {
    by_full: Option<MediaPlaylist>,
    by_delta: Option<MediaPlaylist>,
    /// The lines of each segment, as first seen.
    segments: BTreeMap<u64, String>,
    target: Option<String>,
}

impl Viewer {
    fn look(&mut self, broadcast: &Broadcast, track: &str) {
        let text = full(broadcast, track);
        if text.is_empty() || !text.contains("#EXT") {
            return;
        }
        let target = tag(&text, "EXT-X-TARGETDURATION").map(str::to_owned);
        assert_eq!(
            *self.target.get_or_insert_with(|| target.clone().unwrap()),
            target.unwrap()
        );
        let first: u64 = tag(&text, "EXT-X-MEDIA-SEQUENCE").unwrap().parse().unwrap();
        let uris = text.lines().filter(|line| line.ends_with(".m4s"));
        for (line, number) in uris.zip(first..) {
            assert_eq!(line, format!("../{track}/{number}.m4s"));
        }
        // What a segment is never changes.
        let mut lines = String::new();
        for line in text.lines() {
            if line.starts_with("#EXTINF")
                || line.starts_with("#EXT-X-GAP")
                || line.starts_with("#EXT-X-PROGRAM")
            {
                lines += line;
            } else if line.ends_with(".m4s") {
                let known = self.segments.entry(
                    line.split('/')
                        .nth(2)
                        .unwrap()
                        .trim_end_matches(".m4s")
                        .parse()
                        .unwrap(),
                );
                assert_eq!(*known.or_insert_with(|| lines.clone()), lines);
                lines.clear();
            }
        }
        let Ok(whole) = MediaPlaylist::read(text.as_bytes(), URL, None) else {
            // No segment is whole.
            assert!(!text.contains("#EXTINF"), "{text}");
            return;
        };
        assert!(whole.warnings.is_empty(), "{:?}\n{text}", whole.warnings);
        if let Some(before) = &self.by_full {
            assert!(before.tags.media_sequence <= whole.tags.media_sequence);
            assert!(before.tags.discontinuity_sequence <= whole.tags.discontinuity_sequence);
        }
        let by_full = self.by_full.get_or_insert_with(|| whole.clone());
        by_full.refresh(text.as_bytes(), URL).unwrap();
        let by_delta = self.by_delta.get_or_insert(whole);
        let delta = delta(broadcast, track);
        // A viewer who was away for too long asks for all of it.
        let known = by_delta.index.len() as u64 + by_delta.tags.media_sequence;
        let skips = delta.as_deref().and_then(|delta| tag(delta, "EXT-X-SKIP"));
        let skipped: u64 = skips.map_or(0, |skip| skip.rsplit('=').next().unwrap().parse().unwrap());
        let newer = delta.filter(|_| first + skipped <= known).unwrap_or(text);
        by_delta.refresh(newer.as_bytes(), URL).unwrap();
        let facts = |playlist: &MediaPlaylist| {
            (
                playlist.index.len(),
                playlist.duration(),
                playlist.parts.len(),
                playlist.tags.media_sequence,
                playlist.tags.discontinuity_sequence,
                playlist.ended(),
            )
        };
        assert_eq!(facts(by_full), facts(by_delta), "{newer}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn playlists_keep_the_rules_whatever_a_publisher_does(steps in steps()) {
        let folder = tempfile::tempdir().unwrap();
        let mut broadcast = open(folder.path(), 16);
        let (mut at, mut ahead, mut wall) = (0, 0, wall());
        let mut viewers = [("v", Viewer::default()), ("a", Viewer::default())];
        broadcast.begin(take(&["v", "a"], wall)).unwrap();
        let mut is_open = true;
        for step in steps {
            if !is_open && matches!(step, Step::Parts(_) | Step::Ahead(_)) {
                wall += Duration::from_secs(7);
                broadcast.begin(take(&["v", "a"], wall)).unwrap();
                (is_open, at, ahead) = (true, 0, 0);
            }
            match step {
                Step::Parts(count) => for _ in 0..count {
                    match ahead {
                        0 => broadcast.part(0, part(at)).unwrap(),
                        _ => ahead -= 1,
                    }
                    broadcast.part(1, part(at)).unwrap();
                    at += 1;
                    for (track, viewer) in &mut viewers { viewer.look(&broadcast, track); }
                },
                Step::Ahead(count) => {
                    for index in 0..u64::from(count) { broadcast.part(0, part(at + ahead + index)).unwrap(); }
                    ahead += u64::from(count);
                }
                Step::Pause => { broadcast.pause(); is_open = false; }
                Step::Begin => {
                    wall += Duration::from_secs(3);
                    broadcast.begin(take(&["v", "a"], wall)).unwrap();
                    (at, ahead, is_open) = (0, 0, true);
                }
                Step::Restart => { drop(broadcast); broadcast = open(folder.path(), 16); is_open = false; }
                Step::End => broadcast.end().unwrap(),
            }
            for (track, viewer) in &mut viewers { if broadcast.view(track).is_some() { viewer.look(&broadcast, track); } }
        }
    }
}
