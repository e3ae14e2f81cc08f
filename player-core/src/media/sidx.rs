//! The segment index box (`sidx`, ISO/IEC 14496-12, 8.16.3): where the segments of a file are.
//!
//! [`SidxReader`] turns a [`SidxSource`] into a [`SegmentIndex`]: it says which bytes it needs, is given them, and says more, until it
//! has followed every index that the first one refers to.
//!
//! ```
//! use player_core::MediaTime;
//! use player_core::media::sidx::{Progress, SidxReader};
//! use player_core::presentation::{Resource, SidxSource};
//!
//! // A file: an index of 44 bytes, of one segment of 1000 bytes and 2 s; then the segment.
//! let mut file = vec![0, 0, 0, 44];
//! file.extend(b"sidx\0\0\0\0");
//! for word in [1, 1000, 0, 0, 1, 1000, 2000, 0x9000_0000_u32] {
//!     file.extend(word.to_be_bytes());
//! }
//! let index = Resource { url: "https://h/video.mp4".into(), range: None };
//! let mut reader = SidxReader::new(SidxSource { index, init: None, timestamp_offset: MediaTime::ZERO, end: None });
//! let range = reader.request();
//! let index = match reader.push(range.offset, &file)? {
//!     Progress::Ready(index) => index,
//!     Progress::Need(range) => panic!("fetch {range:?} and push it"),
//! };
//! let segment = index.get(0).ok_or("no segment")?;
//! assert_eq!((segment.end.as_millis(), segment.bytes), (2000, Some(1000)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::boxes::Cursor;
use crate::manifest::MAX_ENTRIES;
use crate::presentation::{Context, Resource, SegmentIndex, SidxSource};
use crate::time::{ByteRange, MediaTime};
use crate::url::{self, UrlError};

/// How many bytes are asked for where it is not known how many there are to read.
pub const PROBE_BYTES: u64 = 4096;

/// A full box with 65,535 references has 786,464 bytes.
const MAX_BOX: u64 = 1024 * 1024;
/// Of indexes in indexes.
const MAX_DEPTH: usize = 16;
/// Of requests for one source.
const MAX_REQUESTS: u32 = 2000;
/// Of references that are read for one source, those to indexes too.
const MAX_REFERENCES: usize = 2 * MAX_ENTRIES;

/// Why no index can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SidxError {
    /// A box cannot be what it says.
    #[error("byte {offset}: {message}")]
    Box {
        /// Where it begins in the file.
        offset: u64,
        /// What is wrong.
        message: &'static str,
    },
    /// It lists no segment.
    #[error("the segment index lists nothing")]
    Empty,
    /// A limit of this reader is exceeded.
    #[error("the segment index has {0}")]
    Limit(&'static str),
    /// There is none before the media.
    #[error("byte {offset}: there is no segment index (sidx) before the media")]
    Missing {
        /// How far it was looked for.
        offset: u64,
    },
    /// The answer has not got the bytes that were asked for.
    #[error("byte {offset}: the file or the answer ends in the segment index")]
    Truncated {
        /// From here on they lack.
        offset: u64,
    },
    /// The URL of the file is none.
    #[error(transparent)]
    Url(#[from] UrlError),
}

/// What a reader says of bytes that it was given.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// These bytes of the same URL are needed next; fewer if the file ends in them.
    Need(ByteRange),
    /// The index is complete.
    Ready(Box<SegmentIndex>),
}

/// A segment index box.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidx {
    /// The stream that it is of: the track, mostly.
    pub reference_id: u32,
    /// Ticks a second; more than zero.
    pub timescale: u32,
    /// Presentation time of the first segment, ticks.
    pub earliest_presentation_time: u64,
    /// Bytes between the end of the box and what the first reference refers to.
    pub first_offset: u64,
    /// What it refers to, one right behind the other.
    pub references: Vec<Reference>,
}

/// A reference of a segment index box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// To another index, not to media.
    pub is_index: bool,
    /// Bytes, of an index together with its media if these follow it.
    pub size: u32,
    /// Ticks.
    pub duration: u32,
    /// It begins with a stream access point.
    pub starts_with_sap: bool,
    /// Type of the (first) stream access point, 0 to 7; 0 if not declared.
    pub sap_type: u8,
    /// Ticks from the start to it.
    pub sap_delta: u32,
}

/// Reads the index of a file, with the indexes that it refers to. There is no loop: each index must be behind the one before.
#[derive(Clone, Debug)]
pub struct SidxReader {
    source: SidxSource,
    /// Where the next box begins.
    at: u64,
    asked: ByteRange,
    requests: u32,
    references: usize,
    /// From the outermost to the innermost.
    open: Vec<Frame>,
    /// What was read so far.
    index: Option<SegmentIndex>,
    /// Where the last segment ends.
    end: MediaTime,
}

/// An index that was read in part.
#[derive(Clone, Debug)]
struct Frame {
    references: std::vec::IntoIter<Reference>,
    /// Where the next one refers to.
    offset: u64,
    /// The origin of its clock,
    base: MediaTime,
    /// and what that shows when the next one begins.
    ticks: u64,
    timescale: u32,
}

#[derive(Clone, Copy)]
struct Header {
    kind: [u8; 4],
    /// `None` if to the end of the file.
    size: Option<u64>,
    length: usize,
}

impl Sidx {
    /// Reads a whole box, header and all.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        let header = Header::read(bytes)?.ok_or("it is too short")?;
        if &header.kind != b"sidx" {
            return Err("it is no segment index");
        }
        let size = header.size.and_then(|size| usize::try_from(size).ok());
        let body = size.and_then(|size| bytes.get(header.length..size));
        Self::body(Cursor(body.ok_or("it is too short")?)).ok_or("it is too short")?
    }

    fn body(mut body: Cursor<'_>) -> Option<Result<Self, &'static str>> {
        let version = body.u32()? >> 24;
        let reference_id = body.u32()?;
        let timescale = body.u32()?;
        let (earliest_presentation_time, first_offset) = match version {
            0 => (body.u32()?.into(), body.u32()?.into()),
            1 => (body.u64()?, body.u64()?),
            _ => return Some(Err("it is a segment index of an unknown version")),
        };
        if timescale == 0 {
            return Some(Err("the timescale of the segment index is 0"));
        }
        let count = body.u32()? & 0xffff;
        // As many as there are bytes for, whatever the count says.
        let mut references = Vec::with_capacity((body.0.len() / 12).min(count as usize));
        for _ in 0..count {
            let (size, duration, sap) = (body.u32()?, body.u32()?, body.u32()?);
            references.push(Reference {
                is_index: size >> 31 == 1,
                size: size & 0x7fff_ffff,
                duration,
                starts_with_sap: sap >> 31 == 1,
                sap_type: (sap >> 28 & 7) as u8,
                sap_delta: sap & 0x0fff_ffff,
            });
        }
        Some(Ok(Self {
            reference_id,
            timescale,
            earliest_presentation_time,
            first_offset,
            references,
        }))
    }
}

impl SidxReader {
    /// A reader that has read nothing.
    pub fn new(source: SidxSource) -> Self {
        let asked = source.index.range.unwrap_or(ByteRange {
            offset: 0,
            length: PROBE_BYTES,
        });
        Self {
            at: asked.offset,
            asked,
            source,
            requests: 0,
            references: 0,
            open: Vec::new(),
            index: None,
            end: MediaTime::ZERO,
        }
    }

    /// Where the bytes are to be fetched from.
    pub fn url(&self) -> &str {
        &self.source.index.url
    }

    /// The bytes that are needed now.
    pub fn request(&self) -> ByteRange {
        self.asked
    }

    /// Takes the bytes of the file that begin at `offset`: those asked for, or all of it, as from a server that knows no ranges.
    ///
    /// # Errors
    /// If they, or those before, hold no index. A reader that has failed, or is ready, is not to be used any more.
    pub fn push(&mut self, offset: u64, bytes: &[u8]) -> Result<Progress, SidxError> {
        self.requests += 1;
        loop {
            let skip = self.at.checked_sub(offset).and_then(|n| usize::try_from(n).ok());
            let have = skip.and_then(|n| bytes.get(n..)).unwrap_or_default();
            let error = |message| SidxError::Box {
                offset: self.at,
                message,
            };
            let Some(header) = Header::read(have).map_err(error)? else {
                return self.need(16, have.len());
            };
            let is_name = |b: &u8| (0x20..0x7f).contains(b) || *b == 0xa9;
            if !header.kind.iter().all(is_name) {
                return Err(error("this is no MP4 file"));
            }
            if &header.kind == b"sidx" {
                let size = header.size.filter(|size| *size <= MAX_BOX);
                let size = size.ok_or_else(|| error("the size of the segment index cannot be"))?;
                let Some(bytes) = have.get(..size as usize) else {
                    return self.need(size, have.len());
                };
                let sidx = Sidx::parse(bytes).map_err(error)?;
                self.open(sidx, size)?;
                let Some(next) = self.advance()? else {
                    return self.finish();
                };
                self.at = next;
                continue;
            }
            let is_media = matches!(&header.kind, b"moof" | b"mdat");
            let end = header.size.and_then(|size| self.at.checked_add(size));
            match end.filter(|_| !is_media) {
                Some(end) => self.at = end,
                None => return Err(SidxError::Missing { offset: self.at }),
            }
        }
    }

    /// Asks for `length` bytes of the box at hand, `have` of which are there.
    fn need(&mut self, length: u64, have: usize) -> Result<Progress, SidxError> {
        let asked_end = self.asked.offset.saturating_add(self.asked.length);
        let wanted_end = self.at.checked_add(length);
        let was_asked_for = self.asked.offset <= self.at && wanted_end.is_some_and(|end| end <= asked_end);
        if was_asked_for || wanted_end.is_none() {
            return Err(SidxError::Truncated {
                offset: self.at.saturating_add(have as u64),
            });
        }
        if self.requests >= MAX_REQUESTS {
            return Err(SidxError::Limit("too many parts"));
        }
        self.asked = ByteRange {
            offset: self.at,
            length: length.max(PROBE_BYTES),
        };
        Ok(Progress::Need(self.asked))
    }

    /// Takes up an index that was found at the cursor.
    fn open(&mut self, sidx: Sidx, size: u64) -> Result<(), SidxError> {
        let first = self
            .at
            .checked_add(size)
            .and_then(|end| end.checked_add(sidx.first_offset));
        let offset = first.ok_or_else(|| self.overflow())?;
        self.references += sidx.references.len();
        if self.open.len() >= MAX_DEPTH {
            return Err(SidxError::Limit("too many levels"));
        }
        if self.references > MAX_REFERENCES {
            return Err(SidxError::Limit("too many references"));
        }
        let mut frame = Frame {
            references: sidx.references.into_iter(),
            offset,
            // One that another index refers to goes on where that says: its own clock may have another origin.
            base: self.end,
            ticks: 0,
            timescale: sidx.timescale,
        };
        if self.index.is_none() {
            frame.base = self.source.timestamp_offset;
            frame.ticks = sidx.earliest_presentation_time;
            self.end = frame.time();
            // The URL once, not with each segment.
            let url = url::resolve(&self.source.index.url, "")?;
            let mut index = SegmentIndex::of_list(&url, self.end);
            index.timestamp_offset = self.source.timestamp_offset;
            let before = ByteRange {
                offset: 0,
                length: self.at,
            };
            let init = self.source.init.take().or((self.at > 0).then_some(Resource {
                url,
                range: Some(before),
            }));
            index.inits.extend(init);
            self.index = Some(index);
        }
        self.open.push(frame);
        Ok(())
    }

    /// Adds segments up to the next index; where that is, or `None` at the end.
    fn advance(&mut self) -> Result<Option<u64>, SidxError> {
        while let Some(frame) = self.open.last_mut() {
            let Some(reference) = frame.references.next() else {
                self.open.pop();
                continue;
            };
            let offset = frame.offset;
            let next = offset.checked_add(reference.size.into());
            frame.ticks = frame.ticks.saturating_add(reference.duration.into());
            let end = frame.time();
            let is_last = frame.references.len() == 0;
            frame.offset = match next {
                Some(next) => next,
                None => return Err(self.overflow()),
            };
            if self.source.end.is_some_and(|end| self.end >= end) {
                self.open.clear();
                break;
            }
            if reference.is_index {
                // A chain of indexes, each the last reference of the one before, is no deeper for its length.
                if is_last {
                    self.open.pop();
                }
                if offset <= self.at {
                    return Err(SidxError::Box {
                        offset: self.at,
                        message: "the segment index refers back",
                    });
                }
                return Ok(Some(offset));
            }
            self.segment(reference, offset, end)?;
        }
        Ok(None)
    }

    fn segment(&mut self, reference: Reference, offset: u64, end: MediaTime) -> Result<(), SidxError> {
        // What has no bytes or lasts no time cannot be played; the segment after it fills the hole.
        if reference.size == 0 || reference.duration == 0 || end <= self.end {
            return Ok(());
        }
        let Some(index) = &mut self.index else {
            return Ok(());
        };
        if index.len() >= MAX_ENTRIES {
            return Err(SidxError::Limit("too many segments"));
        }
        let range = ByteRange {
            offset,
            length: reference.size.into(),
        };
        let context = Context {
            init: index.inits.len() as u32,
            ..Context::default()
        };
        index.push(end - self.end, "", Some(range), false, None, context);
        self.end = end;
        Ok(())
    }

    fn finish(&mut self) -> Result<Progress, SidxError> {
        let index = self.index.take().filter(|index| !index.is_empty());
        Ok(Progress::Ready(Box::new(index.ok_or(SidxError::Empty)?)))
    }

    fn overflow(&self) -> SidxError {
        SidxError::Box {
            offset: self.at,
            message: "the segment index refers to more than a file can be",
        }
    }
}

impl Frame {
    /// When the next one begins.
    fn time(&self) -> MediaTime {
        let ticks = i64::try_from(self.ticks).unwrap_or(i64::MAX);
        self.base + MediaTime::from_ticks(ticks, self.timescale)
    }
}

impl Header {
    /// The header of a box; `None` if there are too few bytes to tell.
    fn read(bytes: &[u8]) -> Result<Option<Self>, &'static str> {
        let mut cursor = Cursor(bytes);
        let (Some(small), Some(kind)) = (cursor.u32(), cursor.take::<4>()) else {
            return Ok(None);
        };
        let (size, length) = match small {
            0 => (None, 8),
            1 => match cursor.u64() {
                Some(large) => (Some(large), 16),
                None => return Ok(None),
            },
            n => (Some(n.into()), 8),
        };
        if size.is_some_and(|size| size < length as u64) {
            return Err("a box is smaller than its header");
        }
        Ok(Some(Self { kind, size, length }))
    }
}
