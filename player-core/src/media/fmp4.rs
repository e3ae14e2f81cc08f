//! What the engine must know of fragmented MP4 (ISO/IEC 14496-12) that passes through untouched: its times, the events in it, and
//! how it is encrypted.

mod codec;
mod fragment;
mod init;
mod protection;

use serde::{Deserialize, Serialize};

pub(crate) use protection::default_key_id;
pub use protection::{Protected, ProtectedTrack};

use super::boxes::Cursor;
use super::emsg::Emsg;
use super::isobmff::BoxWalker;
use crate::input::Integrity;
use crate::time::{MediaTime, WallTime};

/// Larger boxes are not read.
const MAX_MOOV: u64 = 1 << 20;
const MAX_MOOF: u64 = 4 << 20;
const MAX_EMSG: u64 = 64 << 10;
const MAX_PRFT: u64 = 64;
/// Event messages of a response.
const MAX_EVENTS: usize = 64;
/// Tracks of a response.
const MAX_TRACKS: usize = 64;
/// So many fragments in a row without a new track, and no more are read: a track that comes later has no part in the first chunk.
const MAX_STALE: u32 = 4;

/// What a look into a response found. Of a media segment only what an initialization section cannot say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// The tracks that `moov` declares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<Track>,
    /// Where the first fragment of each track begins.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub starts: Vec<Start>,
    /// Event messages, in the order of the bytes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Emsg>,
    /// What the wall clock said (`prft`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clocks: Vec<Clock>,
    /// How it is encrypted; `None` if nothing says that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protection: Option<Box<Protected>>,
}

/// Looks into a response of `length` bytes. `read` copies bytes from an offset on into a buffer, as many as there are; it is asked for
/// sixteen bytes a box, and for the boxes that say something: `moov` (to 1 MiB), `emsg` (64, to 64 KiB each), `prft`, and of the `moof`
/// (to 4 MiB) the first of each track. Never for media. What cannot be is left out.
///
/// ```
/// use player_core::media::fmp4::facts;
///
/// let mut segment = Vec::new();
/// for (size, kind, body) in [
///     (68, b"moof", &[][..]),
///     (60, b"traf", &[]),
///     (16, b"tfhd", &[0, 0, 0, 0, 0, 0, 0, 1]),
///     (16, b"tfdt", &[0, 0, 0, 0, 0, 1, 0x5f, 0x90]),
///     (20, b"trun", &[0, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 9]),
///     (9, b"mdat", &[0]),
/// ] {
///     segment.extend(u32::to_be_bytes(size));
///     segment.extend(kind);
///     segment.extend(body);
/// }
/// let facts = facts(segment.len() as u64, |offset, into| {
///     let rest = &segment[offset as usize..];
///     let n = rest.len().min(into.len());
///     into[..n].copy_from_slice(&rest[..n]);
/// });
/// assert_eq!((facts.starts[0].track, facts.starts[0].decode_time), (1, 90_000));
/// ```
pub fn facts(length: u64, read: impl FnMut(u64, &mut [u8])) -> Facts {
    look(length, read).1
}

/// [`facts`] and [`check`](super::isobmff::check) in one.
pub fn look(length: u64, mut read: impl FnMut(u64, &mut [u8])) -> (Integrity, Facts) {
    look_by(length, &mut read)
}

fn look_by(length: u64, read: &mut dyn FnMut(u64, &mut [u8])) -> (Integrity, Facts) {
    let mut facts = Facts::default();
    let mut protected = Protected::default();
    let mut walker = BoxWalker::new(length);
    // What `mvex` says, for fragments of the same response.
    let mut defaults = Vec::new();
    let mut stale = 0;
    let mut buffer = Vec::new();
    loop {
        let found = match walker.next(read) {
            Ok(found) => found,
            Err(verdict) => {
                facts.protection = (!protected.is_empty()).then(|| Box::new(protected));
                return (verdict, facts);
            }
        };
        let most = match &found.kind {
            b"moov" if facts.tracks.is_empty() => MAX_MOOV,
            b"moof" if stale < MAX_STALE => MAX_MOOF,
            b"emsg" if facts.events.len() < MAX_EVENTS => MAX_EMSG,
            b"prft" if facts.clocks.len() < MAX_TRACKS => MAX_PRFT,
            _ => continue,
        };
        if found.length > most {
            continue;
        }
        buffer.clear();
        buffer.resize(found.length as usize, 0);
        read(found.offset, &mut buffer);
        match &found.kind {
            b"moov" => init::read(&buffer, &mut facts.tracks, &mut defaults, &mut protected),
            b"moof" => {
                let before = facts.starts.len();
                fragment::read(&buffer, &defaults, &mut facts.starts);
                protected.on_fragment(&buffer);
                stale = if facts.starts.len() > before { 0 } else { stale + 1 };
            }
            b"emsg" => facts.events.extend(Emsg::parse(&buffer)),
            _ => {
                let clock = Clock::parse(&buffer);
                // A chunk has one; the first will do.
                let is_new = |clock: &Clock| facts.clocks.iter().all(|other| other.track != clock.track);
                if let Some(clock) = clock.filter(is_new) {
                    facts.clocks.push(clock);
                }
            }
        }
    }
}

impl Facts {
    /// Whether nothing was found.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
            && self.starts.is_empty()
            && self.events.is_empty()
            && self.clocks.is_empty()
            && self.protection.is_none()
    }

    /// The earliest presentation time of a segment, on its own timeline: of its first video track, else of its first audio track, else
    /// of any. `tracks` are those of its initialization section; its own if it has some.
    pub fn start(&self, tracks: &[Track]) -> Option<MediaTime> {
        let tracks = if self.tracks.is_empty() {
            tracks
        } else {
            &self.tracks
        };
        let of = |handler: &str| {
            let mut tracks = tracks
                .iter()
                .filter(|track| handler.is_empty() || track.handler == handler);
            tracks.find_map(|track| {
                let start = self.starts.iter().find(|start| start.track == track.id)?;
                track.time(start)
            })
        };
        of("vide").or_else(|| of("soun")).or_else(|| of(""))
    }

    /// The full type of an initialization section, as `video/mp4; codecs="avc1.64001f,mp4a.40.2"`; empty if it declares no track.
    pub fn mime(&self) -> String {
        if self.tracks.is_empty() {
            return String::new();
        }
        let has = |handler: &str| self.tracks.iter().any(|track| track.handler == handler);
        let container = if has("vide") {
            "video/mp4"
        } else if has("soun") {
            "audio/mp4"
        } else {
            "application/mp4"
        };
        let mut mime = String::from(container);
        let mut before = "; codecs=\"";
        for track in self.tracks.iter().filter(|track| !track.codec.is_empty()) {
            mime.push_str(before);
            mime.push_str(&track.codec);
            before = ",";
        }
        if before == "," {
            mime.push('"');
        }
        mime
    }
}

impl Track {
    /// When the fragment's first picture or sound is presented; `None` without a timescale.
    fn time(&self, start: &Start) -> Option<MediaTime> {
        let ticks = i128::from(start.decode_time) + i128::from(start.composition_offset)
            - i128::from(self.edit_offset);
        let ticks = ticks.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        (self.timescale > 0).then(|| MediaTime::from_ticks(ticks, self.timescale))
    }
}

impl Clock {
    /// Reads the body of a `prft` box.
    fn parse(body: &[u8]) -> Option<Self> {
        let mut body = Cursor(body);
        let (version, flags) = body.full()?;
        Some(Self {
            track: body.u32()?,
            wall: wall(body.u64()?),
            time: body.wide(version)?,
            flags,
        })
    }
}

/// An NTP timestamp (RFC 5905, 6): seconds since 1900 in 32 bits, which start over in 2036, and their fraction.
const fn wall(ntp: u64) -> WallTime {
    const TO_1970: i64 = 2_208_988_800;
    let seconds = (ntp >> 32) as i64;
    let era = if seconds < 1 << 31 { 1 << 32 } else { 0 };
    let fraction = ((ntp & 0xffff_ffff) * 1_000_000) >> 32;
    WallTime::from_unix_micros((seconds + era - TO_1970) * 1_000_000 + fraction as i64)
}

/// A track of an initialization section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Track {
    /// `track_ID`.
    pub id: u32,
    /// Handler type, as `vide`, `soun`, `text`, `subt`.
    pub handler: String,
    /// Codec as in RFC 6381; only the four characters of the sample entry where more is not known.
    pub codec: String,
    /// Ticks a second.
    pub timescale: u32,
    /// What its edit list takes from composition times, ticks. As in browsers (*ISO BMFF Byte Stream Format*, 3), that is the media time of
    /// the first edit, and nothing if that is empty.
    pub edit_offset: i64,
}

/// Where a track's first fragment in a segment begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// `track_ID`.
    pub track: u32,
    /// `baseMediaDecodeTime`, ticks.
    pub decode_time: u64,
    /// The least composition time, ticks from `decode_time`; that of the first sample where the fragment does not say how long samples
    /// last.
    pub composition_offset: i64,
}

/// A producer reference time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// `track_ID`.
    pub track: u32,
    /// Media time, ticks.
    pub time: u64,
    /// The wall clock then.
    pub wall: WallTime,
    /// Flags of the box: what event of the producer the time is of (ISO/IEC 14496-12, 8.16.5).
    pub flags: u32,
}
