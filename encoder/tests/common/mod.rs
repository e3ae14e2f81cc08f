//! Fixtures, and readers of what was written.
#![allow(clippy::unwrap_used, dead_code)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use encoder::sample::{self, SampleOptions};
use encoder::vod::{self, Summary, VodOptions};
use mp4_atom::{Any, Buf, DecodeMaybe, Moov};
use tempfile::TempDir;

/// A folder for one test, with a clip made by the `ffmpeg` command.
pub(crate) struct Bench {
    pub(crate) dir: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The sample clip: 30 frames per second, 48 kHz stereo.
    pub(crate) fn sample(&self, seconds: u32, width: u32, height: u32) -> PathBuf {
        let path = self.path("sample.mp4");
        let mut options = SampleOptions::new(&path);
        (options.seconds, options.width, options.height) = (seconds, width, height);
        sample::write(&options, &mut |_| {}).unwrap();
        path
    }

    /// Runs `ffmpeg` with `arguments` and the path of `name` to write.
    pub(crate) fn ffmpeg(&self, arguments: &str, name: &str) -> PathBuf {
        let path = self.path(name);
        run_ffmpeg(&format!("-v error -y {arguments} {}", path.display()));
        path
    }

    /// Options for a fast encoding into `out`.
    pub(crate) fn options(&self, input: &Path, ladder: &str) -> VodOptions {
        let mut options = VodOptions::new(input, self.path("out"));
        options.preset = "ultrafast".to_owned();
        options.ladder = ladder.parse().unwrap();
        options
    }

    pub(crate) fn encode(&self, input: &Path, ladder: &str) -> Summary {
        vod::encode(&self.options(input, ladder), &mut |_| {}).unwrap()
    }

    /// The rendition's init segment and media segments in one file, as a player appends them.
    pub(crate) fn joined(&self, rendition: &str) -> PathBuf {
        let folder = self.path("out").join(rendition);
        let mut bytes = fs::read(folder.join("init.mp4")).unwrap();
        for number in 1.. {
            match fs::read(folder.join(format!("{number}.m4s"))) {
                Ok(segment) => bytes.extend(segment),
                Err(_) => break,
            }
        }
        let path = self.path(&format!("{rendition}.joined.mp4"));
        fs::write(&path, bytes).unwrap();
        path
    }
}

/// Runs `ffmpeg` and returns what it printed on both outputs. Words are split at blanks; quote with `"`.
pub(crate) fn run_ffmpeg(arguments: &str) -> String {
    let mut words = Vec::new();
    for (index, part) in arguments.split('"').enumerate() {
        match index % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    let output = Command::new("ffmpeg")
        .args(&words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "ffmpeg {arguments}: {text}");
    text
}

/// The checksum of every decoded frame of a file's stream, without the frames' times.
pub(crate) fn frame_sums(path: &Path, map: &str) -> Vec<String> {
    let text = run_ffmpeg(&format!(
        "-v error -i {} -map {map} -f framemd5 -",
        path.display()
    ));
    let sums = text.lines().filter(|line| !line.starts_with('#'));
    sums.filter_map(|line| line.rsplit(',').next())
        .map(|sum| sum.trim().to_owned())
        .collect()
}

/// What `ffmpeg` writes to its standard output.
pub(crate) fn ffmpeg_bytes(arguments: &str) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error"])
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "ffmpeg {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

pub(crate) fn boxes(path: &Path) -> Vec<Any> {
    let bytes = fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut found = Vec::new();
    while rest.has_remaining() {
        found.push(Any::decode_maybe(&mut rest).unwrap().expect("a whole box"));
    }
    found
}

pub(crate) fn kinds(boxes: &[Any]) -> Vec<String> {
    boxes.iter().map(|atom| atom.kind().to_string()).collect()
}

/// One rendition as a player sees it.
pub(crate) struct Track {
    pub(crate) moov: Moov,
    pub(crate) segments: Vec<Segment>,
}

pub(crate) struct Segment {
    pub(crate) decode_time: u64,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Clone, Debug)]
pub(crate) struct Sample {
    /// Ticks, after the edit list.
    pub(crate) presentation_time: i64,
    pub(crate) duration: u32,
    pub(crate) is_sync: bool,
    pub(crate) data: Vec<u8>,
}

impl Track {
    pub(crate) fn read(out: &Path, rendition: &str) -> Self {
        let folder = out.join(rendition);
        let init = boxes(&folder.join("init.mp4"));
        assert_eq!(kinds(&init), ["ftyp", "moov"]);
        let Some(Any::Moov(moov)) = init.into_iter().next_back() else {
            panic!("no moov")
        };
        let skipped = skipped(&moov);
        let mut segments = Vec::new();
        for number in 1.. {
            let path = folder.join(format!("{number}.m4s"));
            if !path.exists() {
                break;
            }
            segments.push(read_segment(&path, number, skipped));
        }
        assert_eq!(fs::read_dir(&folder).unwrap().count(), segments.len() + 1);
        Self { moov, segments }
    }

    pub(crate) fn timescale(&self) -> f64 {
        f64::from(self.moov.trak[0].mdia.mdhd.timescale)
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.segments.iter().flat_map(|segment| &segment.samples)
    }

    /// Presentation times in ticks, sorted.
    pub(crate) fn times(&self) -> Vec<i64> {
        let mut times: Vec<i64> = self.samples().map(|sample| sample.presentation_time).collect();
        times.sort_unstable();
        times
    }

    /// The end of the last sample in seconds.
    pub(crate) fn end_s(&self) -> f64 {
        let ends = self
            .samples()
            .map(|sample| sample.presentation_time + i64::from(sample.duration));
        ends.max().unwrap() as f64 / self.timescale()
    }
}

/// Ticks that the edit list leaves out at the start.
pub(crate) fn skipped(moov: &Moov) -> u64 {
    let edits = moov.trak[0].edts.as_ref().and_then(|edts| edts.elst.as_ref());
    edits.and_then(|elst| elst.entries[0].media_time).unwrap_or(0)
}

fn read_segment(path: &Path, number: u32, skipped: u64) -> Segment {
    let found = boxes(path);
    let parts = (found.len() - 1) / 2;
    let expected: Vec<&str> = ["styp"]
        .into_iter()
        .chain(["moof", "mdat"].repeat(parts))
        .collect();
    assert_eq!(kinds(&found), expected, "{}", path.display());
    let bytes = fs::read(path).unwrap();
    let moofs = found.iter().filter_map(|atom| match atom {
        Any::Moof(moof) => Some(moof),
        _ => None,
    });
    let starts = (0..bytes.len())
        .filter(|at| bytes[*at..].starts_with(b"moof"))
        .map(|at| at - 4);
    let mut segment = Segment {
        decode_time: 0,
        samples: Vec::new(),
    };
    let mut end = 0;
    for (part, (moof, moof_start)) in moofs.zip(starts).enumerate() {
        assert!(moof.mfhd.sequence_number >= number);
        let traf = &moof.traf[0];
        assert!(traf.tfhd.default_base_is_moof);
        let decode_time = traf.tfdt.as_ref().unwrap().base_media_decode_time;
        if part == 0 {
            segment.decode_time = decode_time;
        }
        let mut at = moof_start + usize::try_from(traf.trun[0].data_offset.unwrap()).unwrap();
        let mut time = i64::try_from(decode_time).unwrap() - i64::try_from(skipped).unwrap();
        for entry in traf.trun[0].samples.iter() {
            let size = entry.size.unwrap() as usize;
            let duration = entry.duration.unwrap();
            let flags = entry.flags.or(traf.tfhd.default_sample_flags).unwrap();
            segment.samples.push(Sample {
                presentation_time: time + entry.cts.unwrap_or(0),
                duration,
                is_sync: flags & 0x1_0000 == 0,
                data: bytes[at..at + size].to_vec(),
            });
            at += size;
            time += i64::from(duration);
        }
        end = at;
    }
    assert_eq!(end, bytes.len(), "the samples fill mdat exactly");
    segment
}

/// Flashes and beeps at every whole second for a tenth of a second, as `ffmpeg` inputs.
pub(crate) const FLASHES: &str =
    "-f lavfi -i \"color=black:s=320x180:r=30,drawbox=color=white:t=fill:enable='lt(mod(t+0.001,1),0.1)'\"";
pub(crate) const BEEPS: &str = "-f lavfi -i \"aevalsrc='0.8*sin(2*PI*1000*t)*lt(mod(t,1),0.1)':s=48000\"";

/// Seconds at which the picture turns white, in presentation time.
pub(crate) fn flash_times(bench: &Bench, rendition: &str) -> Vec<f64> {
    let track = Track::read(&bench.path("out"), rendition);
    let joined = bench.joined(rendition);
    let pixels = ffmpeg_bytes(&format!(
        "-i {} -vsync passthrough -vf scale=1:1 -pix_fmt gray -f rawvideo -",
        joined.display()
    ));
    let times = track.times();
    assert_eq!(pixels.len(), times.len());
    onsets(pixels.iter().map(|pixel| *pixel > 128), |frame| {
        times[frame] as f64 / track.timescale()
    })
}

/// Seconds at which the sound begins, in presentation time.
pub(crate) fn beep_times(bench: &Bench, rendition: &str) -> Vec<f64> {
    let track = Track::read(&bench.path("out"), rendition);
    let joined = bench.joined(rendition);
    let bytes = ffmpeg_bytes(&format!("-i {} -ac 1 -f f32le -", joined.display()));
    // Some versions of FFmpeg leave the priming out of what they decode.
    let ticks: u64 = track.samples().map(|sample| u64::from(sample.duration)).sum();
    let priming = if bytes.len() as u64 / 4 >= ticks {
        skipped(&track.moov)
    } else {
        0
    };
    let loud: Vec<bool> = bytes
        .chunks_exact(4)
        .map(|chunk| f32::from_le_bytes(chunk.try_into().unwrap()).abs() > 0.3)
        .collect();
    // A tone crosses zero; it is on while any sample of the last few milliseconds is loud.
    let is_on = (0..loud.len()).map(|end| loud[end.saturating_sub(480)..=end].contains(&true));
    onsets(is_on, |sample| {
        (sample as f64 - priming as f64) / track.timescale()
    })
}

fn onsets(states: impl Iterator<Item = bool>, seconds: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut before = false;
    let mut found = Vec::new();
    for (index, state) in states.enumerate() {
        if state && !before {
            found.push(seconds(index));
        }
        before = state;
    }
    found
}
