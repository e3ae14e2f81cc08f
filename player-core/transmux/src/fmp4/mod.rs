//! Fragmented MP4 (ISO/IEC 14496-12): initialization sections and movie fragments.

pub(crate) mod fragment;
pub(crate) mod init;
pub(crate) mod samples;

/// What a track holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Description {
    Audio(crate::audio::Description),
    Video(crate::video::Description),
}

impl Description {
    /// The same for a kind in all segments, so that any of them can follow any other.
    pub(crate) const fn track_id(&self) -> u32 {
        match self {
            Self::Audio(_) => 2,
            Self::Video(_) => 1,
        }
    }

    const fn timescale(&self) -> u32 {
        match self {
            Self::Audio(audio) => audio.rate,
            Self::Video(_) => crate::video::TIMESCALE,
        }
    }

    /// As in RFC 6381.
    pub(crate) fn codec(&self) -> String {
        match self {
            Self::Audio(audio) => audio.codec(),
            Self::Video(video) => video.codec.clone(),
        }
    }
}

/// The full type of media with these tracks.
pub(crate) fn mime(tracks: &[Description]) -> String {
    let pictures = tracks.iter().any(|track| matches!(track, Description::Video(_)));
    let codecs: Vec<_> = tracks.iter().map(Description::codec).collect();
    let start = if pictures {
        "video/mp4; codecs=\""
    } else {
        "audio/mp4; codecs=\""
    };
    [start, &codecs.join(","), "\""].concat()
}

/// Begins a box; [`end`] writes its size.
fn begin(out: &mut Vec<u8>, kind: &[u8; 4]) -> usize {
    let at = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    at
}

/// Begins a box with version and flags.
fn begin_full(out: &mut Vec<u8>, kind: &[u8; 4], version: u8, flags: u32) -> usize {
    let at = begin(out, kind);
    put32(out, u32::from(version) << 24 | flags);
    at
}

fn end(out: &mut [u8], at: usize) {
    let size = (out.len() - at) as u32;
    patch32(out, at, size);
}

fn patch32(out: &mut [u8], at: usize, value: u32) {
    if let Some(bytes) = out.get_mut(at..).and_then(|rest| rest.first_chunk_mut()) {
        *bytes = value.to_be_bytes();
    }
}

fn put16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_be_bytes());
}

fn put32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_be_bytes());
}

fn zeros(out: &mut Vec<u8>, count: usize) {
    out.resize(out.len() + count, 0);
}
