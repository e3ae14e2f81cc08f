//! Initialization sections (ISO/IEC 14496-12, 8.2 to 8.6): their tracks.

use super::codec::codec;
use super::{MAX_TRACKS, Protected, Track};
use crate::media::boxes::{Boxes, Cursor, find};

/// What a track's fragments need not repeat (`trex`).
pub(super) struct Defaults {
    pub(super) track: u32,
    /// Of a sample, ticks.
    pub(super) duration: u32,
}

/// Adds the tracks of a `moov`, and how they are encrypted.
pub(super) fn read(
    moov: &[u8],
    tracks: &mut Vec<Track>,
    defaults: &mut Vec<Defaults>,
    protected: &mut Protected,
) {
    for (kind, body) in Boxes(moov) {
        match &kind {
            b"trak" if tracks.len() < MAX_TRACKS => tracks.extend(track(body, protected)),
            b"pssh" => protected.on_pssh(body),
            b"mvex" => {
                let boxes = Boxes(body).filter(|(kind, _)| kind == b"trex");
                defaults.extend(boxes.take(MAX_TRACKS).filter_map(|(_, trex)| trex_of(trex)));
            }
            _ => {}
        }
    }
}

fn track(trak: &[u8], protected: &mut Protected) -> Option<Track> {
    let mdia = find(trak, b"mdia")?;
    let mdhd = find(mdia, b"mdhd")?;
    let stsd = find(mdia, b"minf")
        .and_then(|minf| find(minf, b"stbl"))
        .and_then(|stbl| find(stbl, b"stsd"));
    let edits = find(trak, b"edts").and_then(|edts| find(edts, b"elst"));
    let id = after_times(find(trak, b"tkhd")?)?;
    if let Some(stsd) = stsd {
        protected.on_track(id, stsd);
    }
    Some(Track {
        id,
        handler: find(mdia, b"hdlr").and_then(handler).unwrap_or_default(),
        codec: stsd.and_then(codec).unwrap_or_default(),
        timescale: after_times(mdhd)?,
        edit_offset: edits.and_then(edit_offset).unwrap_or_default(),
    })
}

/// What follows the times of creation and modification: the id in `tkhd`, the timescale in `mdhd`.
fn after_times(body: &[u8]) -> Option<u32> {
    let mut body = Cursor(body);
    let (version, _) = body.full()?;
    body.wide(version)?;
    body.wide(version)?;
    body.u32()
}

fn handler(hdlr: &[u8]) -> Option<String> {
    let kind = hdlr.get(8..12)?;
    Some(String::from_utf8_lossy(kind).into_owned())
}

/// Media time of the first edit, if that has one.
fn edit_offset(elst: &[u8]) -> Option<i64> {
    let mut body = Cursor(elst);
    let (version, _) = body.full()?;
    let count = body.u32()?;
    body.wide(version)?;
    let time = if version == 0 {
        i64::from(body.u32()? as i32)
    } else {
        body.u64()? as i64
    };
    (count > 0 && time >= 0).then_some(time)
}

fn trex_of(trex: &[u8]) -> Option<Defaults> {
    let mut body = Cursor(trex);
    body.full()?;
    let track = body.u32()?;
    body.u32()?;
    Some(Defaults {
        track,
        duration: body.u32()?,
    })
}
