//! Reads a piece back: a fragmented file of one track with one chunk a segment, as this crate writes it.

use std::io::{self, Read};

use mp4_atom::{Decode, Edts, Mdhd, Mehd, Moof, Tkhd, Trex};

use super::init::{Media, Track};
use super::segment::{Chunk, FLAGS_DISPOSABLE, FLAGS_NOT_SYNC, Sample};
use super::{SampleEntry, container};

/// The head of a piece.
#[derive(Clone, Debug)]
pub(crate) struct Header {
    pub(crate) track: Track,
    /// How long it is.
    pub(crate) bytes: u64,
}

/// The chunks of a piece, one after the other. It ends where the file ends, also in the middle of a chunk (which a crash
/// may have left).
pub(crate) struct Fragments<R> {
    reader: R,
    /// Where the last whole chunk ended.
    position: u64,
}

/// Reads `ftyp` and `moov`.
pub(crate) fn read_header(reader: &mut impl Read) -> Result<Header, String> {
    let mut bytes = 0;
    loop {
        let Some((kind, body)) = read_box(reader)? else {
            return Err("it has no moov box".to_owned());
        };
        bytes += body.len() as u64 + 8;
        if kind == *b"moov" {
            let track = read_track(&body)?;
            return Ok(Header { track, bytes });
        }
    }
}

impl<R: Read> Fragments<R> {
    /// Chunks of what follows a header that was read from `reader`.
    pub(crate) fn after(header: &Header, reader: R) -> Self {
        Self {
            reader,
            position: header.bytes,
        }
    }

    /// Where the last whole chunk ended, in bytes from the start of the file.
    pub(crate) fn position(&self) -> u64 {
        self.position
    }

    /// The next chunk.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Chunk>, String> {
        let Some((kind, head)) = read_box(&mut self.reader)? else {
            return Ok(None);
        };
        if kind != *b"moof" {
            return Err(format!(
                "a box {:?} where a chunk was expected",
                String::from_utf8_lossy(&kind)
            ));
        }
        let Some((kind, data)) = read_box(&mut self.reader)? else {
            return Ok(None);
        };
        if kind != *b"mdat" {
            return Err("a moof without its mdat".to_owned());
        }
        let mut whole = Vec::with_capacity(head.len() + 8);
        container(b"moof", &mut whole, |out| {
            out.extend_from_slice(&head);
            Ok(())
        })?;
        let moof = Moof::decode(&mut whole.as_slice()).map_err(|error| error.to_string())?;
        let bytes = head.len() + data.len() + 16;
        let chunk = read_chunk(&moof, data)?;
        self.position += bytes as u64;
        Ok(Some(chunk))
    }
}

fn read_chunk(moof: &Moof, data: Vec<u8>) -> Result<Chunk, String> {
    let missing = |what: &str| format!("a chunk without {what}");
    let traf = moof.traf.first().ok_or_else(|| missing("traf"))?;
    let tfdt = traf.tfdt.as_ref().ok_or_else(|| missing("tfdt"))?;
    let mut samples = Vec::new();
    for entry in traf.trun.iter().flat_map(|trun| trun.samples.iter()) {
        let flags = entry.flags.or(traf.tfhd.default_sample_flags).unwrap_or(0);
        samples.push(Sample {
            duration: entry.duration.ok_or_else(|| missing("durations"))?,
            size: entry.size.ok_or_else(|| missing("sizes"))?,
            composition_offset: i32::try_from(entry.cts.unwrap_or(0))
                .map_err(|_| missing("usable offsets"))?,
            is_sync: flags & FLAGS_NOT_SYNC == 0,
            is_reference: flags & FLAGS_DISPOSABLE == 0,
        });
    }
    let ticks: u64 = samples.iter().map(|sample| u64::from(sample.duration)).sum();
    tfdt.base_media_decode_time
        .checked_add(ticks)
        .ok_or_else(|| missing("an end"))?;
    let bytes: u64 = samples.iter().map(|sample| u64::from(sample.size)).sum();
    if bytes != data.len() as u64 {
        return Err(format!(
            "a chunk of {} bytes whose samples have {bytes}",
            data.len()
        ));
    }
    Ok(Chunk {
        sequence: moof.mfhd.sequence_number,
        decode_time: tfdt.base_media_decode_time,
        samples,
        data,
    })
}

/// A box's type and body.
type Boxed = ([u8; 4], Vec<u8>);

/// A whole box; none at the end, and where the end cuts it.
fn read_box(reader: &mut impl Read) -> Result<Option<Boxed>, String> {
    let mut header = [0; 8];
    if !fill(reader, &mut header)? {
        return Ok(None);
    }
    let [a, b, c, d, kind @ ..] = header;
    let size = u32::from_be_bytes([a, b, c, d]);
    let length = size
        .checked_sub(8)
        .ok_or_else(|| format!("a box of {size} bytes"))?;
    let mut body = Vec::new();
    // Grows with what is there, not with what the box says.
    let taken = reader.take(u64::from(length)).read_to_end(&mut body);
    taken.map_err(|error| error.to_string())?;
    Ok((body.len() == length as usize).then_some((kind, body)))
}

fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> Result<bool, String> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error.to_string()),
    }
}

fn read_track(moov: &[u8]) -> Result<Track, String> {
    let part = |path: &[&[u8; 4]]| find(moov, path).ok_or_else(|| format!("no {}", name(path)));
    fn read<T: Decode>(bytes: &[u8]) -> Result<T, String> {
        T::decode(&mut &*bytes).map_err(|error| error.to_string())
    }
    let mdhd: Mdhd = read(part(&[b"trak", b"mdia", b"mdhd"])?)?;
    if mdhd.timescale == 0 {
        return Err("a track without a timescale".to_owned());
    }
    let tkhd: Tkhd = read(part(&[b"trak", b"tkhd"])?)?;
    let trex: Trex = read(part(&[b"mvex", b"trex"])?)?;
    let edts = part(&[b"trak", b"edts"]).ok().map(read::<Edts>).transpose()?;
    let mehd = part(&[b"mvex", b"mehd"]).ok().map(read::<Mehd>).transpose()?;
    let stsd = part(&[b"trak", b"mdia", b"minf", b"stbl", b"stsd"])?;
    let entry = SampleEntry::read(stsd.get(16..).unwrap_or_default().to_vec())?;
    let media = match part(&[b"trak", b"mdia", b"minf", b"smhd"]) {
        Ok(_) => {
            let channels = entry.bytes.get(25).copied().unwrap_or(2);
            let rate = mdhd.timescale;
            Media::Audio { channels, rate }
        }
        Err(_) => Media::Video {
            width: tkhd.width.integer(),
            height: tkhd.height.integer(),
        },
    };
    let skipped = edts
        .and_then(|edts| edts.elst)
        .and_then(|elst| elst.entries.first().and_then(|entry| entry.media_time));
    Ok(Track {
        timescale: mdhd.timescale,
        duration: mehd.map_or(0, |mehd| mehd.fragment_duration),
        skipped: skipped.unwrap_or(0),
        default_sample_ticks: trex.default_sample_duration,
        language: mdhd.language,
        media,
        entry,
    })
}

/// The box at `path`, header included.
fn find<'a>(mut bytes: &'a [u8], path: &[&[u8; 4]]) -> Option<&'a [u8]> {
    let (kind, deeper) = path.split_first()?;
    loop {
        let size = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let whole = bytes.get(..size.max(8))?;
        if whole.get(4..8)? == *kind {
            return match deeper {
                [] => Some(whole),
                deeper => find(whole.get(8..)?, deeper),
            };
        }
        bytes = bytes.get(whole.len()..)?;
    }
}

fn name(path: &[&[u8; 4]]) -> String {
    let names: Vec<_> = path.iter().map(|kind| String::from_utf8_lossy(*kind)).collect();
    names.join("/")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{aac, init_segment, write_chunk};
    use super::*;

    fn file(timescale: u32, decode_time: u64) -> Vec<u8> {
        let entry = aac::Configuration::low_complexity(48_000, 2).unwrap();
        let track = Track {
            timescale,
            duration: 0,
            skipped: 0,
            default_sample_ticks: 1024,
            language: "und".to_owned(),
            media: Media::Audio {
                channels: 2,
                rate: timescale,
            },
            entry: entry.entry(None).unwrap(),
        };
        let sample = Sample {
            duration: 1024,
            size: 1,
            composition_offset: 0,
            is_sync: true,
            is_reference: true,
        };
        let chunk = Chunk {
            sequence: 1,
            decode_time,
            samples: vec![sample],
            data: vec![7],
        };
        let mut out = init_segment(&track, None).unwrap();
        write_chunk(&chunk, None, &mut out).unwrap();
        out
    }

    fn chunk(bytes: &[u8]) -> Result<Option<Chunk>, String> {
        let mut rest = bytes;
        let header = read_header(&mut rest)?;
        Fragments::after(&header, rest).next_chunk()
    }

    #[test]
    fn what_is_whole_ends_before_what_cannot_be_read() {
        let good = file(48_000, 0);
        let mut bytes = good.clone();
        let bad = file(48_000, u64::MAX);
        let head = chunk_at(&bad);
        bytes.extend_from_slice(&bad[head..]);
        let mut rest = bytes.as_slice();
        let header = read_header(&mut rest).unwrap();
        let mut fragments = Fragments::after(&header, rest);
        assert!(fragments.next_chunk().unwrap().is_some());
        assert!(fragments.next_chunk().is_err());
        assert_eq!(fragments.position(), good.len() as u64);
    }

    fn chunk_at(file: &[u8]) -> usize {
        read_header(&mut &*file).unwrap().bytes as usize
    }

    #[test]
    fn times_that_nothing_can_be_reckoned_with_are_refused() {
        let last = u64::MAX - 1024;
        assert_eq!(chunk(&file(48_000, last)).unwrap().unwrap().end(), u64::MAX);
        assert!(chunk(&file(48_000, last + 1)).unwrap_err().contains("an end"));
        assert!(chunk(&file(0, 0)).unwrap_err().contains("timescale"));
    }
}
