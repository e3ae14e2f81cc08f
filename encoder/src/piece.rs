//! Pieces: what an encoder made, as a clear fragmented file with one chunk a segment, waiting to be packaged.
//!
//! A piece grows under a name of its own and gets its final one when it is whole. What a crash left of one holds whole
//! segments, from which the encoding can go on.

use std::fs::{self, File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::cmaf::{Chunk, Fragments, Header, Sample, Track, init_segment, read_header, write_chunk};
use crate::error::EncodeError;

/// Writes one piece: samples in decode order in, a chunk a segment out. No more than one segment is in memory.
pub(crate) struct PieceWriter {
    path: PathBuf,
    file: BufWriter<File>,
    track: Option<Track>,
    open: Chunk,
    decode_time: u64,
    cuts: u64,
    scratch: Vec<u8>,
}

impl PieceWriter {
    /// Starts the piece that will be named `path`; its first sample is decoded at `decode_time` ticks.
    pub(crate) fn create(path: &Path, decode_time: u64) -> Result<Self, EncodeError> {
        let growing = growing(path);
        let file = File::create(&growing).map_err(|error| EncodeError::unwritable(&growing, error))?;
        Ok(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            track: None,
            open: Chunk {
                decode_time,
                ..Chunk::default()
            },
            decode_time,
            cuts: 0,
            scratch: Vec::new(),
        })
    }

    /// Goes on with what an interrupted encoding left of `path`; none when it left nothing of use.
    pub(crate) fn resume(path: &Path) -> Result<Option<Self>, EncodeError> {
        let growing = growing(path);
        let Ok(mut reader) = PieceReader::open_file(&growing) else {
            return Ok(None);
        };
        let (mut cuts, mut end) = (0, None);
        // A chunk that cannot be read ends what is of use, like the end of the file.
        while let Ok(Some(chunk)) = reader.next_chunk() {
            cuts += 1;
            end = Some((chunk.end(), reader.position()));
        }
        let Some((decode_time, bytes)) = end else {
            return Ok(None);
        };
        let track = reader.header.track;
        let unwritable = |error| EncodeError::unwritable(&growing, error);
        let file = OpenOptions::new()
            .append(true)
            .open(&growing)
            .map_err(unwritable)?;
        file.set_len(bytes).map_err(unwritable)?;
        Ok(Some(Self {
            path: path.to_owned(),
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            track: Some(track),
            open: Chunk {
                decode_time,
                ..Chunk::default()
            },
            decode_time,
            cuts,
            scratch: Vec::new(),
        }))
    }

    /// Says what the samples are, before the first cut. A resumed piece must hear the same again.
    pub(crate) fn begin(&mut self, track: Track) -> Result<(), EncodeError> {
        if let Some(earlier) = &self.track {
            return match *earlier == track {
                true => Ok(()),
                false => Err(self.failed("the encoder's settings are not those of the interrupted encoding")),
            };
        }
        let init = init_segment(&track, None).map_err(|reason| self.failed(reason))?;
        self.file
            .write_all(&init)
            .map_err(|error| EncodeError::unwritable(&self.path, error))?;
        self.track = Some(track);
        Ok(())
    }

    /// Whether [`begin`](Self::begin) was called in this run.
    pub(crate) fn track(&self) -> Option<&Track> {
        self.track.as_ref()
    }

    /// Decode time of the next sample, in ticks.
    pub(crate) fn decode_time(&self) -> u64 {
        self.decode_time
    }

    /// How many segments were ended.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts
    }

    /// Where the next sample's bytes are appended, before [`push`](Self::push).
    pub(crate) fn data(&mut self) -> &mut Vec<u8> {
        &mut self.open.data
    }

    /// Adds the sample whose bytes were appended.
    pub(crate) fn push(&mut self, sample: Sample) {
        self.open.samples.push(sample);
        self.decode_time += u64::from(sample.duration);
    }

    /// Ends the open segment; the next sample starts another.
    pub(crate) fn cut(&mut self) -> Result<(), EncodeError> {
        if self.open.samples.is_empty() {
            return Ok(());
        }
        if self.track.is_none() {
            return Err(self.failed("a segment before the codec's parameters"));
        }
        self.cuts += 1;
        self.open.sequence = u32::try_from(self.cuts).unwrap_or(u32::MAX);
        self.scratch.clear();
        write_chunk(&self.open, None, &mut self.scratch).map_err(|reason| self.failed(reason))?;
        // A whole segment at once, and on the disk's side of the buffer: a crash later takes nothing of it.
        self.file
            .write_all(&self.scratch)
            .and_then(|()| self.file.flush())
            .map_err(|error| EncodeError::unwritable(&self.path, error))?;
        self.open.samples.clear();
        self.open.data.clear();
        self.open.decode_time = self.decode_time;
        Ok(())
    }

    /// Says that there is nothing to encode: the piece is an empty file.
    pub(crate) fn nothing(path: &Path) -> Result<(), EncodeError> {
        File::create(path)
            .map(drop)
            .map_err(|error| EncodeError::unwritable(path, error))
    }

    /// Ends the piece and gives it its name.
    pub(crate) fn finish(mut self) -> Result<(), EncodeError> {
        self.cut()?;
        let unwritable = |error| EncodeError::unwritable(&self.path, error);
        self.file.flush().map_err(unwritable)?;
        fs::rename(growing(&self.path), &self.path).map_err(unwritable)
    }

    fn failed(&self, reason: impl Into<String>) -> EncodeError {
        EncodeError::packaging(&name_of(&self.path), reason)
    }
}

/// Reads a piece, a segment at a time.
pub(crate) struct PieceReader {
    path: PathBuf,
    header: Header,
    fragments: Fragments<BufReader<File>>,
}

impl PieceReader {
    /// Opens a whole piece.
    pub(crate) fn open(path: &Path) -> Result<Self, EncodeError> {
        Self::open_file(path)
    }

    fn open_file(path: &Path) -> Result<Self, EncodeError> {
        let unreadable = |reason: String| EncodeError::Piece {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
        let header = read_header(&mut reader).map_err(unreadable)?;
        let fragments = Fragments::after(&header, reader);
        Ok(Self {
            path: path.to_owned(),
            header,
            fragments,
        })
    }

    pub(crate) fn track(&self) -> &Track {
        &self.header.track
    }

    /// The next segment.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Chunk>, EncodeError> {
        self.fragments.next_chunk().map_err(|reason| EncodeError::Piece {
            path: self.path.clone(),
            reason,
        })
    }

    fn position(&self) -> u64 {
        self.fragments.position()
    }
}

fn growing(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

fn name_of(path: &Path) -> String {
    path.file_stem()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

const BUFFER_BYTES: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::cmaf::{Media, aac};

    fn track() -> Track {
        Track {
            timescale: 48_000,
            duration: 0,
            skipped: 1024,
            default_sample_ticks: 1024,
            language: "eng".to_owned(),
            media: Media::Audio {
                channels: 2,
                rate: 48_000,
            },
            entry: aac::Configuration::low_complexity(48_000, 2)
                .unwrap()
                .entry(None)
                .unwrap(),
        }
    }

    fn write(piece: &mut PieceWriter, segments: std::ops::Range<u8>) {
        for segment in segments {
            for sample in 0..3 {
                piece.data().extend([segment, sample]);
                piece.push(Sample {
                    duration: 1024,
                    size: 2,
                    composition_offset: 0,
                    is_sync: true,
                    is_reference: true,
                });
            }
            piece.cut().unwrap();
        }
    }

    fn read(path: &Path) -> Vec<(u64, Vec<u8>)> {
        let mut reader = PieceReader::open(path).unwrap();
        assert_eq!(*reader.track(), track());
        std::iter::from_fn(|| reader.next_chunk().unwrap())
            .map(|chunk| (chunk.decode_time, chunk.data))
            .collect()
    }

    #[test]
    fn what_was_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let mut piece = PieceWriter::create(&path, 0).unwrap();
        piece.begin(track()).unwrap();
        write(&mut piece, 0..2);
        assert!(!path.exists(), "it has its name when it is whole");
        piece.finish().unwrap();
        let chunks = read(&path);
        assert_eq!(chunks[1], (3072, vec![1, 0, 1, 1, 1, 2]));
        assert_eq!(chunks.len(), 2);
    }

    #[test]
    fn an_interrupted_piece_goes_on_after_its_last_whole_segment() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let mut piece = PieceWriter::create(&path, 0).unwrap();
        piece.begin(track()).unwrap();
        write(&mut piece, 0..3);
        drop(piece);
        let growing = growing(&path);
        let whole = fs::read(&growing).unwrap();
        for lost in [0, 1, 5, 30] {
            fs::write(&growing, &whole[..whole.len() - lost]).unwrap();
            let mut piece = PieceWriter::resume(&path).unwrap().unwrap();
            let kept = if lost == 0 { 3 } else { 2 };
            assert_eq!(
                (piece.cuts(), piece.decode_time()),
                (kept, kept * 3072),
                "lost {lost}"
            );
            piece.begin(track()).unwrap();
            write(&mut piece, kept as u8..4);
            piece.finish().unwrap();
            assert_eq!(read(&path).len(), 4);
            assert_eq!(read(&path)[3].0, 3 * 3072);
        }
        assert!(
            PieceWriter::resume(&path).unwrap().is_none(),
            "a whole piece is not resumed"
        );
        fs::write(&growing, &whole[..40]).unwrap();
        assert!(PieceWriter::resume(&path).unwrap().is_none());
    }
}
