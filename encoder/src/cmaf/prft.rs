//! `prft` (ISO/IEC 14496-12 §8.16.5): when what a chunk shows was captured.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::full_box;
use super::init::TRACK_ID;

/// Appends the box: what is presented at `media_time`, in ticks of the track, was captured at `wall`.
pub(crate) fn append_prft(wall: SystemTime, media_time: u64, out: &mut Vec<u8>) -> Result<(), String> {
    full_box(b"prft", 1, CAPTURED, out, |out| {
        out.extend_from_slice(&TRACK_ID.to_be_bytes());
        out.extend_from_slice(&ntp(wall).to_be_bytes());
        out.extend_from_slice(&media_time.to_be_bytes());
        Ok(())
    })
}

/// NTP's 64 bits (RFC 5905 §6): seconds since 1900 before the point, which wrap in 2036.
fn ntp(wall: SystemTime) -> u64 {
    let since = wall.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs().wrapping_add(SECONDS_1900_TO_1970) << 32) | fraction
}

/// The wall clock is off by a small constant from that of what is shown: 8 and 16 in the table of the clause.
const CAPTURED: u32 = 24;
const SECONDS_1900_TO_1970: u64 = 2_208_988_800;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use mp4_atom::{Decode, Prft, ReferenceTime};

    use super::*;

    #[test]
    fn another_reader_finds_the_time() {
        let wall = UNIX_EPOCH + Duration::from_millis(1_700_000_000_250);
        let mut out = Vec::new();
        append_prft(wall, 90_000, &mut out).unwrap();
        // The version: a media time of 64 bits.
        assert_eq!((out.len(), out[8]), (32, 1));
        let read = Prft::decode(&mut out.as_slice()).unwrap();
        assert_eq!((read.reference_track_id, read.media_time), (1, 90_000));
        assert_eq!(read.utc_time_semantics, ReferenceTime::RealTime);
        assert_eq!(read.ntp_timestamp >> 32, 1_700_000_000 + 2_208_988_800);
        assert_eq!(read.ntp_timestamp & 0xffff_ffff, 1 << 30);
    }
}
