#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use ffmpeg_next::frame;
use player_core::MediaTime;
use player_core::manifest::hls::{MediaPlaylist, Multivariant};
use player_core::presentation::ImageTrack as PlayerTrack;
use player_core::text::webvtt::WebVtt;
use player_core::thumbnails::{Area, Sprites, Thumbnail, thumbnail_at};

use super::features::{Features, Planes};
use super::*;
use crate::error::EncodeError;
use crate::graph::Wired;
use crate::manifest::xml::Element;
use crate::storage::Output;

/// Files as they were written, without a disk.
#[derive(Default)]
pub(crate) struct Memory(Mutex<BTreeMap<String, Vec<u8>>>);

impl Memory {
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        self.0.lock().unwrap().clone()
    }
}

impl Output for Memory {
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), EncodeError> {
        let before = self.0.lock().unwrap().insert(name.to_owned(), bytes.to_vec());
        assert!(before.is_none(), "{name} was there already");
        Ok(())
    }

    fn write_joined(&self, name: &str, head: &[u8], body: &Path) -> Result<(), EncodeError> {
        self.write(name, &[head, &std::fs::read(body).unwrap()].concat())
    }

    fn commit(&self) -> Result<(), EncodeError> {
        Ok(())
    }
}

/// The pictures of a filter graph that makes its own, tapped by a plan, with their times.
fn tapped(graph: &str, plan: Plan) -> Vec<(u64, frame::Video)> {
    crate::init_ffmpeg();
    let filters = plan.filters(&frame::Video::empty());
    let mut graph = Wired::build("", "", "buffersink", 1, format!("{graph},{filters}[out0]")).unwrap();
    let mut pictures = Vec::new();
    loop {
        let mut picture = frame::Video::empty();
        if !graph.pull(0, &mut picture).unwrap() {
            return pictures;
        }
        pictures.push((picture.pts().unwrap() as u64 * TAP_MS, picture));
    }
}

fn record(path: &Path, plan: Plan, pictures: &[(u64, frame::Video)]) {
    let mut recorder = Recorder::open(path, plan).unwrap();
    for (time_ms, picture) in pictures {
        recorder.take(picture, *time_ms).unwrap();
    }
}

/// An album of a graph's pictures, and the folder that its files are in.
fn album(graph: &str, plan: Plan) -> (tempfile::TempDir, Album) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("thumbs");
    record(&path, plan, &tapped(graph, plan));
    let album = Album::open(&[path]).unwrap().unwrap();
    (dir, album)
}

fn plan() -> Plan {
    Plan::new((192, 108), Some(60.0), None)
}

/// Parts one after the other as one graph.
fn sequence(parts: &[&str]) -> String {
    let mut graph = String::new();
    let mut labels = String::new();
    for (index, part) in parts.iter().enumerate() {
        graph += &format!("{part},format=yuv420p,setsar=1,settb=1/10,setpts=N[p{index}];");
        labels += &format!("[p{index}]");
    }
    format!("{graph}{labels}concat=n={}", parts.len())
}

const SCENE: &str = "mandelbrot=s=192x108:r=10:start_scale=0.4:end_scale=0.01:end_pts=200";
const OTHER: &str = "testsrc2=s=192x108:r=10";

#[test]
fn a_poster_is_never_black_white_faded_or_blurred() {
    // Seconds of what may be chosen, in tenths: a cut and half a second around it may not.
    type Case = (&'static str, Vec<String>, &'static [(u64, u64)]);
    let cases: [Case; 11] = [
        (
            "a black start",
            vec![
                "color=black:s=192x108:r=10:d=6".into(),
                format!("{SCENE},trim=duration=4"),
            ],
            &[(6500, 9999)],
        ),
        (
            "fades in and out",
            vec![format!("{SCENE},trim=duration=12,fade=in:d=3,fade=out:st=8:d=4")],
            &[(3000, 8000)],
        ),
        (
            "fades from and to white",
            vec![format!(
                "{OTHER},trim=duration=12,fade=in:d=4:color=white,fade=out:st=9:d=3:color=white"
            )],
            &[(4000, 9000)],
        ),
        (
            "mostly blurred",
            vec![
                format!("{SCENE},trim=duration=7,boxblur=8:2"),
                format!("{SCENE},trim=duration=3"),
                format!("{SCENE},trim=duration=4,boxblur=8:2"),
            ],
            &[(7000, 9999)],
        ),
        (
            "flashes",
            vec![format!(
                "{SCENE},trim=duration=10,drawbox=color=white:t=fill:enable='lt(mod(t\\,2.5)\\,0.2)'"
            )],
            &[(500, 2000), (3000, 4500), (5500, 7000), (8000, 9999)],
        ),
        (
            "partial flashes",
            vec![format!(
                "{OTHER},trim=duration=10,eq=brightness=0.5:enable='lt(mod(t\\,2)\\,0.4)'"
            )],
            &[
                (500, 1999),
                (2500, 3999),
                (4500, 5999),
                (6500, 7999),
                (8500, 9999),
            ],
        ),
        (
            "credits",
            vec![
                format!("{SCENE},trim=duration=4"),
                "color=black:s=192x108:r=10:d=12,drawgrid=w=14:h=9:t=2:color=white@0.9,\
                 drawbox=w=60:h=108:color=black:t=fill,drawbox=x=130:w=62:h=108:color=black:t=fill"
                    .into(),
            ],
            &[(0, 3500)],
        ),
        (
            "a title on grey",
            vec![
                "color=0x606060:s=192x108:r=10:d=8,drawgrid=w=14:h=9:t=2:color=white@0.9,\
                 drawbox=w=60:h=108:color=0x606060:t=fill,drawbox=x=130:w=62:h=108:color=0x606060:t=fill"
                    .into(),
                format!("{OTHER},trim=duration=4"),
            ],
            &[(8500, 11_999)],
        ),
        (
            "too much light",
            vec![
                format!("{SCENE},trim=duration=4"),
                format!("{SCENE},trim=duration=4,lutyuv=y='clip(val*2+40,16,235)'"),
            ],
            &[(0, 3500)],
        ),
        (
            "night",
            vec![
                format!("{OTHER},trim=duration=6,lutyuv=y='16+(val-16)/12'"),
                format!("{SCENE},trim=duration=4"),
            ],
            &[(6500, 9999)],
        ),
        (
            "a dissolve",
            vec![format!(
                "{SCENE},trim=duration=5,format=yuv420p,settb=1/10,setpts=N[a];smptehdbars=s=192x108:r=10:d=5,\
                 rotate=0.3,format=yuv420p,settb=1/10,setpts=N[b];[a][b]xfade=offset=3:duration=2"
            )],
            &[(0, 3000), (5000, 8000)],
        ),
    ];
    for (name, parts, allowed) in cases {
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let (_dir, album) = album(&sequence(&parts), plan());
        let is_allowed = |time_ms: u64| allowed.iter().any(|(from, to)| (*from..=*to).contains(&time_ms));
        let faults = poster::faults(album.pictures());
        for (picture, fault) in album.pictures().iter().zip(faults) {
            let time_ms = picture.time_ms;
            assert!(
                fault > 0 || is_allowed(time_ms),
                "{name}: nothing speaks against {time_ms}"
            );
        }
        let ranked = rank(album.pictures());
        assert!(!ranked.is_empty(), "{name}");
        for candidate in &ranked {
            let time_ms = candidate.time_ms;
            assert!(
                is_allowed(time_ms),
                "{name}: {time_ms} of {:?}",
                ranked
                    .iter()
                    .map(|candidate| candidate.time_ms)
                    .collect::<Vec<_>>()
            );
        }
    }
}

#[test]
fn a_poster_is_like_most_of_the_film() {
    let graph = sequence(&[
        "smptehdbars=s=192x108:r=10:d=3",
        &format!("{SCENE},trim=duration=14"),
        "yuvtestsrc=s=192x108:r=10:d=3",
    ]);
    let (_dir, album) = album(&graph, plan());
    let ranked = rank(album.pictures());
    assert!(
        ranked
            .iter()
            .all(|candidate| (3500..16_500).contains(&candidate.time_ms))
    );
}

#[test]
fn even_a_film_without_a_good_picture_has_one() {
    for graph in [
        "color=black:s=192x108:r=10:d=3",
        "color=white:s=192x108:r=10:d=0.2",
    ] {
        let (_dir, album) = album(graph, plan());
        assert!(!rank(album.pictures()).is_empty(), "{graph}");
    }
    assert_eq!(rank(&[]), []);
}

#[test]
fn work_files_survive_interruption_and_division() {
    let plan = plan();
    let pictures = tapped(&format!("{SCENE},trim=duration=12"), plan);
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let contents = |paths: &[PathBuf]| {
        let mut album = Album::open(paths).unwrap().unwrap();
        let times: Vec<u64> = album.pictures().iter().map(|picture| picture.time_ms).collect();
        let kept = album.kept();
        let planes: Vec<Planes> = kept
            .iter()
            .map(|(_, number)| album.planes(*number).unwrap().unwrap())
            .collect();
        (times, kept, planes)
    };
    record(&path("whole"), plan, &pictures);
    let whole = contents(&[path("whole")]);
    assert_eq!(whole.0, (0..24).map(|n| n * 500).collect::<Vec<_>>());
    assert_eq!(
        whole.1.iter().map(|(time_ms, _)| *time_ms).collect::<Vec<_>>(),
        (0..12).map(|n| n * 1000).collect::<Vec<_>>()
    );

    // Cut anywhere, and gone on with from a little earlier.
    record(&path("part"), plan, &pictures[..9]);
    let bytes = std::fs::read(path("part")).unwrap();
    for cut in [3, 21, 400, bytes.len() / 2, bytes.len() - 1] {
        std::fs::write(path("cut"), &bytes[..cut]).unwrap();
        record(&path("cut"), plan, &pictures[..9]);
        record(&path("cut"), plan, &pictures[5..]);
        assert_eq!(contents(&[path("cut")]), whole, "{cut}");
    }
    // Three workers, one of which began in the middle of a step, and two that overlap.
    record(&path("a"), plan, &pictures[..7]);
    record(&path("b"), plan, &pictures[7..16]);
    record(&path("c"), plan, &pictures[14..]);
    assert_eq!(contents(&[path("c"), path("a"), path("b")]), whole);

    // What is no work file, or another film's, is refused.
    std::fs::write(path("text"), "no pictures in here at all").unwrap();
    assert!(Album::open(&[path("text")]).is_err());
    let other = Plan::new((108, 192), Some(60.0), None);
    drop(Recorder::open(&path("empty"), other).unwrap());
    assert!(Album::open(&[path("empty")]).unwrap().is_none());
    assert!(Album::open(&[path("a"), path("empty")]).is_err());
}

#[test]
fn workers_tap_the_same_pictures_as_one_alone() {
    let plan = plan();
    let rate = "30000/1001";
    let film = format!("testsrc2=s=192x108:r={rate}:d=7");
    let whole = tapped(&format!("{film},fps={rate}:start_time=0"), plan);
    assert_eq!(
        whole.iter().map(|(time_ms, _)| *time_ms).collect::<Vec<_>>(),
        (0..15).map(|n| n * 500).collect::<Vec<_>>()
    );
    // Parted at frame 70, which lies between two tapped times; the first worker decodes a little farther.
    let start_s = 70.0 * 1001.0 / 30_000.0;
    let mut parts = tapped(&format!("{film},fps={rate}:start_time=0,trim=end_frame=72"), plan);
    parts.extend(tapped(
        &format!("{film},fps={rate}:start_time={start_s:.9}"),
        plan,
    ));
    assert_eq!(parts.len(), whole.len());
    for ((time_ms, picture), (other_ms, other)) in parts.iter().zip(&whole) {
        assert_eq!((time_ms, Planes::of(picture)), (other_ms, Planes::of(other)));
    }
}

/// What the three readers of the player say of a film of `seconds` that was tapped in pictures of `size`.
fn read_back(size: (u32, u32), seconds: f64, interval_s: Option<f64>) -> ImageTrack {
    let plan = Plan::new(size, Some(seconds), interval_s);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("thumbs");
    let graph = format!("color=gray:s={}x{}:r=2:d={seconds}", plan.width, plan.height);
    record(&path, plan, &tapped(&graph, plan));
    let mut album = Album::open(&[path]).unwrap().unwrap();
    let duration_us = (seconds * 1e6) as u64;
    let output = Memory::default();
    let track = write(&mut album, "thumbnails", duration_us, interval_s, 160, &output).unwrap();
    let files = output.files();
    assert_eq!(files.len(), track.images.len());
    for image in &track.images {
        let bytes = &files[&format!("thumbnails/{}.jpg", image.number)];
        assert!(bytes.starts_with(b"\xff\xd8\xff\xe0") && bytes.ends_with(b"\xff\xd9"));
        assert_eq!(bytes.len() as u64, image.bytes);
    }

    let vtt = webvtt(&track, "thumbnails/");
    let sprites = Sprites::new(
        WebVtt::parse(vtt.as_bytes()).unwrap(),
        "https://h/f/thumbnails.vtt",
    );
    assert_eq!(sprites.warnings, []);

    let main = format!(
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1000000\nv.m3u8\n{}",
        hls_stream_inf(&track, "thumbnails.m3u8")
    );
    let hls = Multivariant::read(&main, "https://h/f/hls/master.m3u8").unwrap();
    assert_eq!(hls.warnings, []);
    let hls = &hls.into_presentation().unwrap().periods[0].thumbnails[0].clone();
    let text = hls_playlist(&track, "../thumbnails/");
    let playlist = MediaPlaylist::read(text.as_bytes(), "https://h/f/hls/thumbnails.m3u8", None).unwrap();
    assert_eq!(playlist.warnings, []);
    assert!(playlist.tags.images_only);
    let hls = hls.clone().with_playlist(playlist);

    let period = Element::new("Period")
        .with("id", 0)
        .with("start", "PT0S")
        .child(dash_adaptation_set(&track, 3, "../thumbnails/"));
    let mpd = Element::new("MPD")
        .with("xmlns", "urn:mpeg:dash:schema:mpd:2011")
        .with("type", "static")
        .with("profiles", "urn:mpeg:dash:profile:isoff-live:2011")
        .with("minBufferTime", "PT2S")
        .with("mediaPresentationDuration", format!("PT{seconds:.6}S"))
        .child(period)
        .document();
    let video = "<AdaptationSet mimeType=\"video/mp4\"><Representation id=\"v\" bandwidth=\"1\" codecs=\"avc1.64001f\">\
        <SegmentTemplate media=\"v-$Number$.mp4\" initialization=\"i.mp4\" duration=\"2\"/></Representation></AdaptationSet>";
    let mpd = mpd.replace("    <AdaptationSet", &format!("{video}\n    <AdaptationSet"));
    let dash = player_core::manifest::parse(mpd.as_bytes(), "https://h/f/dash/manifest.mpd").unwrap();
    let dash = &dash.periods[0].thumbnails[0];
    assert_eq!((dash.width, dash.height), (track.width(), track.height()));

    for ms in (0..(seconds * 1000.0) as i64).step_by(173) {
        let at = |track: &PlayerTrack| thumbnail_at(track, MediaTime::from_millis(ms)).unwrap();
        let whole = Area::Pixels {
            x: 0,
            y: 0,
            width: track.width(),
            height: track.height(),
        };
        let shown = |thumbnail: &Thumbnail| {
            let area = if thumbnail.area == Area::Whole {
                whole
            } else {
                thumbnail.area
            };
            (thumbnail.resource.url.clone(), area)
        };
        let (by_hls, by_dash) = (at(&hls), at(dash));
        let by_vtt = sprites.thumbnail_at(MediaTime::from_millis(ms)).unwrap();
        let is_near_edge = [&by_hls, &by_dash, &by_vtt].iter().any(|thumbnail| {
            let from_end = thumbnail.end.as_millis() - ms;
            from_end <= 2 || ms - thumbnail.start.as_millis() <= 2
        });
        if !is_near_edge || track.tile_us.is_multiple_of(1000) {
            assert_eq!(shown(&by_hls), shown(&by_vtt), "{ms}");
            assert_eq!(shown(&by_dash), shown(&by_vtt), "{ms}");
        }
    }
    let end = MediaTime::from_millis((seconds * 1000.0) as i64 + 1);
    assert_eq!((thumbnail_at(&hls, end), sprites.thumbnail_at(end)), (None, None));
    track
}

#[test]
fn all_manifests_show_the_same_tile_at_the_same_time() {
    let track = read_back((1920, 1080), 100.0, Some(2.0));
    assert_eq!((track.columns, track.rows, track.tile_us), (10, 5, 2_000_000));
    assert_eq!(
        (track.tile_width, track.tile_height, track.images.len()),
        (160, 90, 1)
    );
    // More than one sheet, of a length that does not come out even.
    let track = read_back((1080, 1920), 257.32, Some(1.0));
    assert_eq!((track.tile_width, track.tile_height), (90, 160));
    assert_eq!((track.columns, track.rows, track.images.len()), (10, 9, 3));
    assert!((900_000..=1_000_000).contains(&track.tile_us));
    let track = read_back((1920, 804), 1.3, None);
    assert_eq!((track.columns, track.rows, track.images.len()), (1, 1, 1));
    assert!(track.peak_bps() == track.average_bps() && track.peak_bps() > 1000);
}

/// A JPEG file's pixels in grey, by the `ffmpeg` command.
fn decoded(jpeg: &[u8], dir: &Path) -> (u32, u32, Vec<u8>) {
    let path = dir.join("decoded.jpg");
    std::fs::write(&path, jpeg).unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    };
    let path = path.to_str().unwrap();
    let size = run(
        "ffprobe",
        &[
            "-v",
            "error",
            "-show_entries",
            "stream=width,height",
            "-of",
            "csv=p=0",
            path,
        ],
    );
    let size = String::from_utf8(size).unwrap();
    let (width, height) = size.trim().split_once(',').unwrap();
    let pixels = run(
        "ffmpeg",
        &[
            "-v", "error", "-i", path, "-pix_fmt", "gray", "-f", "rawvideo", "-",
        ],
    );
    (width.parse().unwrap(), height.parse().unwrap(), pixels)
}

#[test]
fn a_tile_shows_the_middle_of_its_time() {
    // Grey grows by 12 levels a second.
    let graph = "color=black:s=160x90:r=10:d=20,format=yuv420p,geq=lum='16+T*10':cb=128:cr=128";
    let plan = Plan::new((160, 90), Some(20.0), None);
    let (dir, mut album) = album(graph, plan);
    let output = Memory::default();
    let track = write(&mut album, "t", 20_000_000, None, 160, &output).unwrap();
    let sheet = output.files().remove("t/1.jpg").unwrap();
    assert_eq!((track.columns, track.rows, track.tile_us), (5, 2, 2_000_000));
    let (width, height, pixels) = decoded(&sheet, dir.path());
    assert_eq!((width, height), (800, 180));
    for tile in 0..10_u32 {
        let (x, y) = (tile % 5 * 160 + 80, tile / 5 * 90 + 45);
        let middle_s = f64::from(tile) * 2.0 + 1.0;
        let expected = middle_s * 10.0 * 255.0 / 219.0;
        let pixel = f64::from(pixels[(y * width + x) as usize]);
        assert!(
            (pixel - expected).abs() < 4.0,
            "tile {tile}: {pixel}, not {expected}"
        );
    }
}

#[test]
fn the_poster_is_decoded_once_again_at_full_size() {
    crate::init_ffmpeg();
    let dir = tempfile::tempdir().unwrap();
    // A turned phone clip that begins late: black, then a picture that changes every half second.
    let plain = dir.path().join("plain.mp4");
    let source = dir.path().join("source.mp4");
    let run = |arguments: &[&str]| {
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-y"])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    run(&[
        "-f",
        "lavfi",
        "-i",
        "color=black:s=640x360:r=10:d=2[a];testsrc2=s=640x360:r=10:d=3[b];[a][b]concat",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-g",
        "100",
        "-output_ts_offset",
        "3",
        plain.to_str().unwrap(),
    ]);
    run(&[
        "-i",
        plain.to_str().unwrap(),
        "-c",
        "copy",
        "-metadata:s:v",
        "rotate=270",
        "-copyts",
        source.to_str().unwrap(),
    ]);
    let plan = Plan::new((360, 640), Some(5.0), None);
    let upright =
        "color=black:s=640x360:r=10:d=2[a];testsrc2=s=640x360:r=10:d=3[b];[a][b]concat,transpose=clock";
    let (_folder, album) = album(upright, plan);
    let ranked = rank(album.pictures());
    let time_ms = ranked[0].time_ms;
    assert!((2500..5000).contains(&time_ms));
    let made = posters(&source, plan, &ranked).unwrap().unwrap();
    assert_eq!(made.time_ms, time_ms);
    let (width, height, large) = decoded(&made.large, dir.path());
    assert_eq!((width, height), (360, 640));
    let (small_width, small_height, _) = decoded(&made.small, dir.path());
    assert_eq!((small_width, small_height), (360, 640));
    // Where a stream's times have jumped, the picture there is another one: the next candidate counts.
    let mut misled = ranked[0].clone();
    misled.time_ms = 500;
    let found = posters(&source, plan, &[misled, ranked[0].clone()])
        .unwrap()
        .unwrap();
    assert_eq!((found.time_ms, found.large), (time_ms, made.large));
    assert!(posters(&source, plan, &[]).unwrap().is_none());
    // It is that very frame, and the right way up.
    let frame = dir.path().join("frame.gray");
    let select = format!("{upright},select='eq(n\\,{})'", time_ms / 100);
    run(&[
        "-f",
        "lavfi",
        "-i",
        &select,
        "-frames:v",
        "1",
        "-pix_fmt",
        "gray",
        "-f",
        "rawvideo",
        frame.to_str().unwrap(),
    ]);
    let frame = std::fs::read(frame).unwrap();
    assert_eq!(frame.len(), large.len());
    let difference: u64 = frame
        .iter()
        .zip(&large)
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    assert!(difference / (large.len() as u64) < 6, "{difference}");
}

#[test]
fn hdr_is_shown_as_an_ordinary_screen_would() {
    crate::init_ffmpeg();
    // In PQ, 58% of the signal is the white of text; taken for SDR it would be grey.
    for tags in [
        "color_primaries=bt2020:colorspace=bt2020nc:color_trc=smpte2084",
        "color_trc=smpte2084",
    ] {
        let graph = format!(
            "color=gray:s=64x36:d=0.04,format=yuv420p10le,geq=lum=572:cb=512:cr=512,setparams={tags}:range=tv[out0]"
        );
        let mut graph = Wired::build("", "", "buffersink", 1, graph).unwrap();
        let mut picture = frame::Video::empty();
        assert!(graph.pull(0, &mut picture).unwrap());
        let filters = plan::look(&picture, (32, 18), "area");
        let seen = crate::graph::filter_picture(&picture, &filters).unwrap().unwrap();
        let mean = Features::of(&Planes::of(&seen)).mean;
        assert!((190.0..=255.0).contains(&mean), "{tags}: {mean}");
    }
}

#[test]
fn measures_do_not_depend_on_how_often_they_are_taken() {
    let (_dir, first) = album(&format!("{SCENE},trim=duration=3"), plan());
    let (_other, second) = album(&format!("{SCENE},trim=duration=3"), plan());
    let features = |album: &Album| -> Vec<Features> {
        album
            .pictures()
            .iter()
            .map(|picture| picture.features.clone())
            .collect()
    };
    assert_eq!(features(&first), features(&second));
    assert_eq!(rank(first.pictures()), rank(second.pictures()));
}
