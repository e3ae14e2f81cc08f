//! Stage one: judges tapped pictures and keeps some of them in a work file.
//!
//! The file is a header and records that are appended as they come. A record that a crash cut short does not count, and
//! what follows is written over it. Workers that have parts of a film write files of their own.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use ffmpeg_next::frame;

use super::features::{Features, Planes};
use super::plan::Plan;
use crate::error::EncodeError;

/// Writes a work file.
pub(crate) struct Recorder {
    file: File,
    path: PathBuf,
    plan: Plan,
    /// Time of the last record, in milliseconds.
    last_ms: Option<u64>,
    /// The step of [`Plan::keep_ms`] that a picture was kept for last.
    kept: Option<u64>,
    record: Vec<u8>,
}

/// One record as it stands in the file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    /// Presentation time.
    pub(super) time_ms: u64,
    pub(super) features: Features,
    /// Where the planes begin in the file, if they were kept.
    pub(super) planes_at: Option<u64>,
}

impl Recorder {
    /// Opens `path`, or makes it. What was recorded before with the same plan stays.
    pub(crate) fn open(path: &Path, plan: Plan) -> Result<Self, EncodeError> {
        let unwritable = |error| EncodeError::unwritable(path, error);
        let mut file = OpenOptions::new()
            .create(true)
            .read(true)
            .write(true)
            .truncate(false)
            .open(path)
            .map_err(unwritable)?;
        let mut found = None;
        if read_header(&mut file).is_some_and(|before| before == plan) {
            let mut last = None;
            let end = read_records(&mut file, plan, &mut |record| last = Some(record)).map_err(unwritable)?;
            found = last.map(|record| record.time_ms);
            file.set_len(end).map_err(unwritable)?;
        } else {
            file.set_len(0).map_err(unwritable)?;
            file.seek(SeekFrom::Start(0)).map_err(unwritable)?;
            file.write_all(&header(plan)).map_err(unwritable)?;
        }
        file.seek(SeekFrom::End(0)).map_err(unwritable)?;
        Ok(Self {
            file,
            path: path.to_owned(),
            plan,
            last_ms: found,
            // One more than needed is kept after an interruption; the album has one for each step all the same.
            kept: None,
            record: Vec::new(),
        })
    }

    /// Takes a tapped picture, shown at `time_ms`. Times ascend; what was recorded before is passed over.
    pub(crate) fn take(&mut self, picture: &frame::Video, time_ms: u64) -> Result<(), EncodeError> {
        let size = (picture.width(), picture.height());
        if self.last_ms.is_some_and(|last_ms| time_ms <= last_ms)
            || size != (self.plan.width, self.plan.height)
        {
            return Ok(());
        }
        let planes = Planes::of(picture);
        let step = time_ms / self.plan.keep_ms;
        let is_kept = self.kept != Some(step);
        self.record.clear();
        self.record.push(u8::from(is_kept));
        self.record.extend(time_ms.to_le_bytes());
        Features::of(&planes).write(&mut self.record);
        if is_kept {
            self.record.extend_from_slice(&planes.bytes);
            self.kept = Some(step);
        }
        // Last, so that a record without it was cut short.
        self.record.extend(END);
        self.last_ms = Some(time_ms);
        self.file
            .write_all(&self.record)
            .map_err(|error| EncodeError::unwritable(&self.path, error))
    }
}

/// The plan that a work file was made with.
pub(super) fn read_header(file: &mut File) -> Option<Plan> {
    let mut bytes = [0; HEADER_BYTES];
    file.seek(SeekFrom::Start(0)).ok()?;
    file.read_exact(&mut bytes).ok()?;
    let (magic, rest) = bytes.split_at_checked(MAGIC.len())?;
    let number = |at: usize| Some(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?));
    let plan = Plan {
        width: number(0)?,
        height: number(4)?,
        keep_ms: u64::from(number(8)?),
    };
    let is_side = |pixels: u32| (2..=MAX_SIDE).contains(&pixels) && pixels.is_multiple_of(2);
    (magic == MAGIC && is_side(plan.width) && is_side(plan.height) && plan.keep_ms > 0).then_some(plan)
}

/// Reads whole records behind the header; returns where the last one ends.
pub(super) fn read_records(
    file: &mut File,
    plan: Plan,
    each: &mut dyn FnMut(Record),
) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let planes_bytes = Planes::size(plan.width, plan.height) as u64;
    let mut at = HEADER_BYTES as u64;
    let mut head = [0; HEAD_BYTES];
    let mut end = [0; END.len()];
    loop {
        file.seek(SeekFrom::Start(at))?;
        if at + (HEAD_BYTES + END.len()) as u64 > length {
            return Ok(at);
        }
        file.read_exact(&mut head)?;
        let kept_bytes = if head[0] == 1 { planes_bytes } else { 0 };
        let planes_at = at + HEAD_BYTES as u64;
        let next = planes_at + kept_bytes + END.len() as u64;
        if next > length || head[0] > 1 {
            return Ok(at);
        }
        file.seek(SeekFrom::Start(planes_at + kept_bytes))?;
        file.read_exact(&mut end)?;
        let time_ms = head.get(1..9).and_then(|bytes| bytes.try_into().ok());
        let features = head.get(9..).and_then(Features::read);
        let (Some(time_ms), Some(features), true) = (time_ms, features, end == END) else {
            return Ok(at);
        };
        each(Record {
            time_ms: u64::from_le_bytes(time_ms),
            features,
            planes_at: (kept_bytes > 0).then_some(planes_at),
        });
        at = next;
    }
}

fn header(plan: Plan) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for number in [plan.width, plan.height, plan.keep_ms as u32] {
        bytes.extend(number.to_le_bytes());
    }
    bytes
}

const MAGIC: &[u8] = b"HGTHUMB1";
const HEADER_BYTES: usize = 8 + 3 * 4;
const HEAD_BYTES: usize = 1 + 8 + Features::BYTES;
const END: [u8; 4] = *b"\xf5end";
/// No plan has more; a header that says so is none.
const MAX_SIDE: u32 = 4096;
