//! The `ffmpeg` and `ffprobe` programs.

use std::path::Path;
use std::process::Command;

/// False, and a word about it, where they are not installed.
pub fn is_installed() -> bool {
    let works = |name: &str| {
        Command::new(name)
            .arg("-version")
            .output()
            .is_ok_and(|out| out.status.success())
    };
    let installed = works("ffmpeg") && works("ffprobe");
    if !installed {
        println!("skipped: ffmpeg and ffprobe are not installed");
    }
    installed
}

/// Runs ffmpeg in a folder; it must succeed.
pub fn ffmpeg(folder: &Path, arguments: &str) {
    let out = Command::new("ffmpeg")
        .current_dir(folder)
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-y"])
        .args(arguments.split_whitespace())
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "ffmpeg {arguments}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// A packet as ffprobe shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub pts: i64,
    pub dts: i64,
    pub duration: i64,
    pub size: i64,
    pub key: bool,
}

/// The packets of a stream (`v` or `a`), times in its timebase.
pub fn packets(file: &Path, stream: &str) -> Vec<Packet> {
    let out = Command::new("ffprobe")
        .args(["-loglevel", "error", "-select_streams", stream, "-show_entries"])
        .args(["packet=pts,dts,duration,size,flags", "-of", "compact=p=0"])
        .arg(file)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let text = String::from_utf8(out.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let field = |name: &str| {
                let prefix = format!("{name}=");
                line.split('|')
                    .find_map(|field| field.strip_prefix(&prefix))
                    .unwrap_or("")
            };
            let number = |name: &str| field(name).parse().unwrap_or(-1);
            Packet {
                pts: number("pts"),
                dts: number("dts"),
                duration: number("duration"),
                size: number("size"),
                key: field("flags").starts_with('K'),
            }
        })
        .collect()
}

/// Hashes of a stream's frames after decoding, without their times.
pub fn frames(file: &Path, stream: &str) -> Vec<String> {
    let codec = Command::new("ffprobe")
        .args([
            "-loglevel",
            "error",
            "-select_streams",
            stream,
            "-show_entries",
            "stream=codec_name",
            "-of",
            "csv=p=0",
        ])
        .arg(file)
        .output()
        .unwrap();
    // MPEG audio has several decoders, which round differently; which one is chosen depends on the container.
    let is_mpeg = codec.stdout.starts_with(b"mp2") || codec.stdout.starts_with(b"mp3");
    let out = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error"])
        .args(if is_mpeg { &["-c:a", "mp3float"][..] } else { &[] })
        .arg("-i")
        .arg(file)
        .args([
            "-map",
            &format!("0:{stream}"),
            "-fps_mode",
            "passthrough",
            "-f",
            "framemd5",
            "-",
        ])
        .output()
        .unwrap();
    assert!(
        out.status.success() && out.stderr.is_empty(),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
    let text = String::from_utf8(out.stdout).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}
