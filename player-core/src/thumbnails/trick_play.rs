//! Fast-forward and rewind: which pictures of an I-frame playlist or a trick-mode set to show, and when.

use core::time::Duration;

use crate::presentation::{Resource, SegmentIndex};
use crate::time::MediaTime;

/// A picture of a fast-forward.
#[derive(Clone, Debug, PartialEq)]
pub struct Shot {
    /// When to show it, from now.
    pub after: Duration,
    /// What to fetch.
    pub resource: Resource,
    /// What to fetch before that, if anything.
    pub init: Option<Resource>,
    /// It stands for the time from here
    pub start: MediaTime,
    /// to here.
    pub end: MediaTime,
}

/// Pictures that are missing in a row are passed over, so many.
const MAX_GAPS: usize = 1000;
/// Faster is not possible.
const MAX_RATE: f64 = 1000.0;

/// The next pictures, at most `count`, of a playback from `position` at `rate` times the normal speed, backwards if that is negative. There
/// is not more than one each `interval`. None at the ends of the index, nor at a rate of zero. O(count · log segments).
///
/// ```
/// use core::time::Duration;
/// use player_core::MediaTime;
/// use player_core::manifest::hls::MediaPlaylist;
/// use player_core::thumbnails::fast_forward;
///
/// // A picture each two seconds.
/// let mut text = String::from("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-I-FRAMES-ONLY\n");
/// for n in 0..60 {
///     text += &format!("#EXTINF:2,\n#EXT-X-BYTERANGE:1000@{}\nvideo.mp4\n", n * 9000);
/// }
/// let playlist = MediaPlaylist::read((text + "#EXT-X-ENDLIST").as_bytes(), "https://h/i.m3u8", None)?;
/// let interval = Duration::from_millis(250);
/// let shots = fast_forward(&playlist.index, MediaTime::from_millis(10_500), 16.0, interval, 3);
/// let shown: Vec<_> = shots.iter().map(|shot| (shot.after.as_millis(), shot.start.as_millis())).collect();
/// assert_eq!(shown, [(0, 10_000), (250, 14_000), (500, 18_000)]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fast_forward(
    index: &SegmentIndex,
    position: MediaTime,
    rate: f64,
    interval: Duration,
    count: usize,
) -> Vec<Shot> {
    let mut shots = Vec::new();
    let speed = rate.abs().min(MAX_RATE);
    if rate.is_nan() || speed == 0.0 {
        return shots;
    }
    let step = MediaTime::from_secs_f64(interval.as_secs_f64() * speed).max(MediaTime::from_micros(1));
    let backwards = rate < 0.0;
    let mut target = position;
    let mut gaps = 0;
    while shots.len() < count && gaps < MAX_GAPS {
        let mut at = index.position_at(target);
        if backwards && index.times(at).is_none_or(|(start, _)| start > target) {
            // In a hole, or behind the end.
            match at.min(index.len()).checked_sub(1) {
                Some(before) => at = before,
                None => break,
            }
        }
        let Some(segment) = index.get(at) else { break };
        // When the playhead is in it.
        let met = if backwards {
            target.min(segment.end)
        } else {
            target.max(segment.start)
        };
        let after = (met - position).max(position - met).as_secs_f64() / speed;
        // One picture stands for all of its segment.
        target = if backwards {
            (met - step).min(segment.start - MediaTime::from_micros(1))
        } else {
            (met + step).max(segment.end)
        };
        if segment.gap {
            gaps += 1;
            continue;
        }
        gaps = 0;
        shots.push(Shot {
            after: Duration::try_from_secs_f64(after).unwrap_or(Duration::MAX),
            resource: segment.resource,
            init: segment.init.and_then(|init| index.inits.get(init).cloned()),
            start: segment.start,
            end: segment.end,
        });
    }
    shots
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::presentation::SegmentIndexBuilder;

    fn ms(ms: i64) -> MediaTime {
        MediaTime::from_millis(ms)
    }

    /// Pictures each two seconds from 10 s on, ten of them; the fourth is missing.
    fn index() -> SegmentIndex {
        let mut builder = SegmentIndexBuilder::new(ms(10_000));
        for n in 0..10 {
            let url = format!("https://h/{n}.mp4");
            builder.push(ms(2000), Resource { url, range: None }, None, n == 3);
        }
        builder.build(MediaTime::ZERO)
    }

    fn shown(position_ms: i64, rate: f64, count: usize) -> Vec<(u128, i64)> {
        let shots = fast_forward(&index(), ms(position_ms), rate, Duration::from_millis(500), count);
        let shown = shots
            .iter()
            .map(|shot| (shot.after.as_millis(), shot.start.as_millis()));
        shown.collect()
    }

    #[test]
    fn forward() {
        // Slower than the pictures come: each of them.
        assert_eq!(
            shown(10_500, 2.0, 3),
            [(0, 10_000), (750, 12_000), (1750, 14_000)]
        );
        // The missing one is passed over.
        assert_eq!(
            shown(14_000, 2.0, 3),
            [(0, 14_000), (2000, 18_000), (3000, 20_000)]
        );
        // Faster: some of them, up to the end.
        assert_eq!(
            shown(10_000, 16.0, 9),
            [(0, 10_000), (500, 18_000), (1000, 26_000)]
        );
        assert_eq!(shown(5000, 10.0, 2), [(500, 10_000), (1000, 14_000)]);
        assert_eq!(shown(30_000, 8.0, 3), []);
    }

    #[test]
    fn backward() {
        assert_eq!(
            shown(21_000, -2.0, 3),
            [(0, 20_000), (500, 18_000), (2500, 14_000)]
        );
        assert_eq!(
            shown(29_000, -16.0, 9),
            [(0, 28_000), (500, 20_000), (1000, 12_000)]
        );
        assert_eq!(shown(31_000, -16.0, 1), [(62, 28_000)]);
        assert_eq!(shown(9000, -2.0, 3), []);
    }

    #[test]
    fn rates_that_are_none() {
        for rate in [0.0, -0.0, f64::NAN] {
            assert_eq!(shown(10_000, rate, 9), []);
        }
        assert_eq!(shown(10_000, f64::INFINITY, 9), [(0, 10_000)]);
        assert_eq!(shown(i64::MIN, 1e-300, 2).len(), 2);
        let still = fast_forward(&index(), ms(10_000), 1e-9, Duration::ZERO, 100);
        assert_eq!(still.len(), 9);
    }
}
