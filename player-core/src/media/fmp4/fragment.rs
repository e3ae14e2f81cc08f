//! Movie fragments (ISO/IEC 14496-12, 8.8): where they begin.

use super::init::Defaults;
use super::{MAX_TRACKS, Start};
use crate::media::boxes::{Boxes, Cursor, find};

/// Adds where the tracks of a `moof` begin, as far as they are new. One without a time or without samples says nothing.
pub(super) fn read(moof: &[u8], defaults: &[Defaults], starts: &mut Vec<Start>) {
    for (_, traf) in Boxes(moof).filter(|(kind, _)| kind == b"traf") {
        if starts.len() >= MAX_TRACKS {
            return;
        }
        let Some((track, duration)) = find(traf, b"tfhd").and_then(header) else {
            continue;
        };
        if starts.iter().any(|start| start.track == track) {
            continue;
        }
        let declared = defaults.iter().find(|defaults| defaults.track == track);
        let duration = duration.or(declared.map(|defaults| defaults.duration));
        let time = find(traf, b"tfdt").and_then(decode_time);
        if let (Some(decode_time), Some(composition_offset)) = (time, least(traf, duration)) {
            starts.push(Start {
                track,
                decode_time,
                composition_offset,
            });
        }
    }
}

/// Its track, and how long its samples last unless they say otherwise.
fn header(tfhd: &[u8]) -> Option<(u32, Option<u32>)> {
    let mut body = Cursor(tfhd);
    let (_, flags) = body.full()?;
    let track = body.u32()?;
    if flags & 1 != 0 {
        body.u64()?;
    }
    if flags & 2 != 0 {
        body.u32()?;
    }
    let duration = if flags & 8 != 0 { Some(body.u32()?) } else { None };
    Some((track, duration))
}

fn decode_time(tfdt: &[u8]) -> Option<u64> {
    let mut body = Cursor(tfdt);
    let (version, _) = body.full()?;
    body.wide(version)
}

/// The least composition time of a fragment's samples, from the decode time of the first; `None` if it has none.
fn least(traf: &[u8], duration: Option<u32>) -> Option<i64> {
    let mut least: Option<i64> = None;
    let mut time: i64 = 0;
    for (_, trun) in Boxes(traf).filter(|(kind, _)| kind == b"trun") {
        let mut body = Cursor(trun);
        let (Some((_, flags)), Some(count)) = (body.full(), body.u32()) else {
            break;
        };
        let has = |flag| usize::from(flags & flag != 0);
        if body.slice(4 * (has(1) + has(4))).is_none() || count == 0 {
            continue;
        }
        let bytes = 4 * (has(0x100) + has(0x200) + has(0x400) + has(0x800));
        // Samples that take no bytes are all alike: the first is the earliest. Else there are as many as there are bytes for.
        let there = body.0.len().checked_div(bytes).unwrap_or(1);
        for _ in 0..there.min(count as usize) {
            let own = if flags & 0x100 != 0 { body.u32() } else { duration };
            let _ = body.slice(4 * (has(0x200) + has(0x400)));
            // In version 0 it has no sign; but there are writers that give it one, and none whose offsets are so large.
            let offset = if flags & 0x800 != 0 { body.u32()? as i32 } else { 0 };
            let composition = time.saturating_add(offset.into());
            least = Some(least.map_or(composition, |least| least.min(composition)));
            let Some(own) = own else {
                return least;
            };
            time = time.saturating_add(own.into());
        }
        if bytes == 0 {
            let Some(duration) = duration else {
                return least;
            };
            let rest = i64::from(duration).saturating_mul(i64::from(count - 1));
            time = time.saturating_add(rest);
        }
    }
    least
}
