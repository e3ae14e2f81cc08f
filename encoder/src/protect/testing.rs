//! Fragmented MP4 from the `ffmpeg` command taken apart, encrypted and put together again, and other tools to hold it against.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cmaf::{Chunk, Sample};

/// A tool that may be absent, named by an environment variable; a word about it if it is.
pub(crate) fn tool(variable: &str) -> Option<PathBuf> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    if path.is_none() {
        println!("skipped: {variable} names no program");
    }
    path
}

/// Runs a program in a folder, which must succeed, and returns what it printed.
pub(crate) fn run(folder: &Path, program: impl AsRef<std::ffi::OsStr>, arguments: &str) -> String {
    let output = Command::new(&program)
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{} {arguments}: {}",
        program.as_ref().display(),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// The hashes of the decoded frames of a file's only stream, without their times.
pub(crate) fn frame_hashes(folder: &Path, ffmpeg: &Path, arguments: &str, file: &str) -> Vec<String> {
    let text = run(
        folder,
        ffmpeg,
        &format!("-v error -nostdin {arguments} -i {file} -fps_mode passthrough -f framemd5 -"),
    );
    let frames = text.lines().filter(|line| !line.starts_with('#'));
    frames
        .map(|line| line.rsplit(',').next().unwrap().trim().to_owned())
        .collect()
}

/// A fragmented file of one track.
pub(crate) struct Fragmented {
    /// `ftyp` and `moov`.
    pub(crate) init: Vec<u8>,
    /// The sample entry box.
    pub(crate) entry: Vec<u8>,
    /// Ticks per second.
    pub(crate) timescale: u32,
    pub(crate) chunks: Vec<Chunk>,
}

impl Fragmented {
    /// Encodes a source with these arguments of `ffmpeg` into one fragment a group of pictures.
    pub(crate) fn encode(folder: &Path, arguments: &str) -> Self {
        let to = "-f mp4 -movflags +frag_keyframe+empty_moov+default_base_moof+omit_tfhd_offset -frag_duration 1000000 clear.mp4";
        run(
            folder,
            "ffmpeg",
            &format!("-v error -nostdin -y {arguments} {to}"),
        );
        Self::read(&std::fs::read(folder.join("clear.mp4")).unwrap())
    }

    pub(crate) fn read(bytes: &[u8]) -> Self {
        let mut file = Self {
            init: Vec::new(),
            entry: Vec::new(),
            timescale: 0,
            chunks: Vec::new(),
        };
        let mut defaults = (0, 0, 0);
        for (kind, whole) in boxes(bytes) {
            match &kind {
                b"ftyp" => file.init.extend(whole),
                b"moov" => {
                    file.init.extend(whole);
                    let stsd = find(whole, &[b"trak", b"mdia", b"minf", b"stbl", b"stsd"]).unwrap();
                    file.entry = boxes(&stsd[16..]).next().unwrap().1.to_vec();
                    let mdhd = find(whole, &[b"trak", b"mdia", b"mdhd"]).unwrap();
                    file.timescale = word(mdhd, if mdhd[8] == 0 { 20 } else { 28 });
                    let trex = find(whole, &[b"mvex", b"trex"]).unwrap();
                    defaults = (word(trex, 20), word(trex, 24), word(trex, 28));
                }
                b"moof" => file.chunks.push(chunk(whole, defaults)),
                b"mdat" => file.chunks.last_mut().unwrap().data = whole[8..].to_vec(),
                _ => {}
            }
        }
        file
    }

    /// The init segment with other sample entries and more at the end of `moov`.
    pub(crate) fn init_with(&self, entries: &[Vec<u8>], more: &[u8]) -> Vec<u8> {
        rebuild(&self.init, entries, more)
    }
}

fn chunk(moof: &[u8], (duration, size, flags): (u32, u32, u32)) -> Chunk {
    let tfhd = find(moof, &[b"traf", b"tfhd"]).unwrap();
    let mut at = 16;
    let mut field = |bit: u32, default: u32| {
        if word(tfhd, 8) & bit == 0 {
            return default;
        }
        at += 4;
        word(tfhd, at - 4)
    };
    let (duration, size, flags) = (field(8, duration), field(16, size), field(32, flags));
    let tfdt = find(moof, &[b"traf", b"tfdt"]).unwrap();
    let decode_time = match tfdt[8] {
        0 => u64::from(word(tfdt, 12)),
        _ => u64::from(word(tfdt, 12)) << 32 | u64::from(word(tfdt, 16)),
    };
    let trun = find(moof, &[b"traf", b"trun"]).unwrap();
    let present = word(trun, 8);
    let mut at = 16 + if present & 1 != 0 { 4 } else { 0 };
    let mut next = |bit: u32, default: u32| {
        if present & bit == 0 {
            return default;
        }
        at += 4;
        word(trun, at - 4)
    };
    let first_flags = next(4, flags);
    let samples = (0..word(trun, 12)).map(|number| {
        let (duration, size) = (next(0x100, duration), next(0x200, size));
        let flags = next(0x400, if number == 0 { first_flags } else { flags });
        Sample {
            duration,
            size,
            composition_offset: next(0x800, 0) as i32,
            is_sync: flags & 0x1_0000 == 0,
            is_reference: true,
        }
    });
    Chunk {
        sequence: word(find(moof, &[b"mfhd"]).unwrap(), 12),
        decode_time,
        samples: samples.collect(),
        data: Vec::new(),
    }
}

fn rebuild(bytes: &[u8], entries: &[Vec<u8>], more: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, whole) in boxes(bytes) {
        let body = match &kind {
            b"moov" => [rebuild(&whole[8..], entries, more), more.to_vec()].concat(),
            b"trak" | b"mdia" | b"minf" | b"stbl" => rebuild(&whole[8..], entries, more),
            b"stsd" => [
                &whole[8..12],
                &(entries.len() as u32).to_be_bytes(),
                &entries.concat(),
            ]
            .concat(),
            _ => whole[8..].to_vec(),
        };
        out.extend((body.len() as u32 + 8).to_be_bytes());
        out.extend(kind);
        out.extend(body);
    }
    out
}

/// The boxes that follow each other in these bytes, each with its header.
pub(crate) fn boxes(mut rest: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let size = word(rest.get(..8)?, 0) as usize;
        let (whole, after) = rest.split_at(size);
        rest = after;
        Some((whole[4..8].try_into().unwrap(), whole))
    })
}

/// The box at a path below a container.
pub(crate) fn find<'a>(container: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    path.iter().try_fold(container, |inside, kind| {
        boxes(&inside[8..])
            .find(|(found, _)| found == *kind)
            .map(|(_, whole)| whole)
    })
}

pub(crate) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}
