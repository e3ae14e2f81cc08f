//! Samples, sample entries and pieces.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use ffmpeg_next::codec::Id;

use super::colour::Colour;
use super::{
    Bitrate, Bitstream, Chunk, Fragments, Header, Picture, SampleEntry, init_segment, read_header,
    write_chunk,
};

/// A stream's packets on their way to samples.
pub struct Stream(Bitstream);

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    pub is_idr: bool,
    pub is_open_gop: bool,
    pub is_reference: bool,
    pub size: usize,
}

/// A whole sample entry box and its codec string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub bytes: Vec<u8>,
    pub codecs: String,
}

impl Stream {
    /// Of one of nine codecs.
    pub fn new(codec: u8, extradata: &[u8], channels: u8) -> Result<Self, String> {
        const CODECS: [Id; 9] = [
            Id::H264,
            Id::HEVC,
            Id::AV1,
            Id::VP9,
            Id::AAC,
            Id::AC3,
            Id::EAC3,
            Id::FLAC,
            Id::OPUS,
        ];
        let codec = CODECS[usize::from(codec) % CODECS.len()];
        Bitstream::of_codec(codec, extradata.to_vec(), channels).map(Self)
    }

    pub fn append(&mut self, packet: &[u8], out: &mut Vec<u8>) -> Unit {
        let unit = self.0.append(packet, out);
        Unit {
            is_idr: unit.is_idr,
            is_open_gop: unit.is_open_gop,
            is_reference: unit.is_reference,
            size: unit.size,
        }
    }

    pub fn video_entry(&self, size: [u16; 2], pixel_aspect: (u32, u32), fps: f64) -> Result<Entry, String> {
        let picture = Picture {
            width: size[0],
            height: size[1],
            pixel_aspect,
            colour: Colour::BT709,
            bitrate: None,
        };
        self.0.video_entry(&picture, fps).map(Entry::from)
    }

    pub fn audio_entry(&self) -> Result<Entry, String> {
        self.0.audio_entry(None).map(Entry::from)
    }
}

impl Entry {
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        SampleEntry::read(bytes.to_vec()).map(Self::from)
    }

    /// With rates in place of what it states.
    pub fn with_bitrate(&self, [buffer_bytes, max_bps, average_bps]: [u32; 3]) -> Self {
        let mut entry = SampleEntry {
            bytes: self.bytes.clone(),
            codecs: self.codecs.clone(),
        };
        entry.set_bitrate(Bitrate {
            buffer_bytes,
            max_bps,
            average_bps,
        });
        Self::from(entry)
    }
}

impl From<SampleEntry> for Entry {
    fn from(entry: SampleEntry) -> Self {
        // What it says of colour is asked for of every picture.
        let _ = entry.colour();
        Self {
            bytes: entry.bytes,
            codecs: entry.codecs,
        }
    }
}

/// A piece, or as much of it as there is.
#[derive(Debug)]
pub struct Piece {
    header: Header,
    chunks: Vec<Chunk>,
    /// Where the last whole chunk ends.
    pub position: u64,
    /// Why no more was read.
    pub error: Option<String>,
}

impl Piece {
    pub fn read(mut bytes: &[u8]) -> Result<Self, String> {
        let header = read_header(&mut bytes)?;
        let mut fragments = Fragments::after(&header, bytes);
        let mut chunks = Vec::new();
        let error = loop {
            match fragments.next_chunk() {
                Ok(Some(chunk)) => chunks.push(chunk),
                Ok(None) => break None,
                Err(reason) => break Some(reason),
            }
        };
        Ok(Self {
            position: fragments.position(),
            header,
            chunks,
            error,
        })
    }

    pub fn write(&self) -> Result<Vec<u8>, String> {
        let mut out = init_segment(&self.header.track, None)?;
        for chunk in &self.chunks {
            write_chunk(chunk, None, &mut out)?;
        }
        Ok(out)
    }

    /// Whether the tracks say the same.
    pub fn is_of_track(&self, other: &Self) -> bool {
        self.header.track == other.header.track
    }

    pub fn timescale(&self) -> u32 {
        self.header.track.timescale
    }

    /// When each chunk begins and ends, in ticks, its samples and its bytes.
    pub fn chunks(&self) -> impl Iterator<Item = (u64, u64, usize, &[u8])> {
        let facts = |chunk: &Chunk| (chunk.decode_time, chunk.end(), chunk.samples.len());
        self.chunks.iter().map(move |chunk| {
            let (start, end, samples) = facts(chunk);
            (start, end, samples, chunk.data.as_slice())
        })
    }
}
