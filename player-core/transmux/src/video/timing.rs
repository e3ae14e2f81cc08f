//! When samples are decoded and shown.

use super::access::Access;
use crate::warnings::Warnings;

/// A sample as a track run has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timed {
    pub(crate) dts: i64,
    pub(crate) pts: i64,
    /// Until the next one is decoded.
    pub(crate) duration: u32,
}

/// No picture lasts longer than this, ticks, and none is shown later after it is decoded; what says so is wrong.
const MAX: i64 = 90_000 * 60;

/// Gives each sample its times. `expected` is where the samples before ended, `frame` how long one lasts if nothing else tells.
pub(crate) fn time(
    accesses: &[Access],
    expected: Option<i64>,
    frame: i64,
    warnings: &mut Warnings,
) -> Vec<Timed> {
    let frame = frame.clamp(1, MAX);
    let mut timed = stamp(accesses, expected, frame, warnings);
    let mut last: Option<i64> = None;
    for sample in &mut timed {
        if let Some(last) = last
            && sample.dts <= last
        {
            warnings.add("decoding times go back");
            sample.dts = last + 1;
        }
        if (sample.pts - sample.dts).abs() > MAX {
            warnings.add("a picture is shown long before or after it is decoded");
            sample.pts = sample.dts;
        }
        last = Some(sample.dts);
    }
    let mut next = None;
    for sample in timed.iter_mut().rev() {
        if let Some(next) = next {
            let duration: i64 = next - sample.dts;
            sample.duration = duration.clamp(1, i64::from(u32::MAX)) as u32;
        }
        next = Some(sample.dts);
    }
    // The last one lasts as long as the one before it.
    let before = timed
        .len()
        .checked_sub(2)
        .and_then(|before| timed.get(before))
        .map(|sample| i64::from(sample.duration));
    if let Some(end) = timed.last_mut() {
        end.duration = before.filter(|duration| *duration <= MAX).unwrap_or(frame) as u32;
    }
    timed
}

/// As the PES packets say; those without times are spread over what lies between their neighbours.
fn stamp(accesses: &[Access], expected: Option<i64>, frame: i64, warnings: &mut Warnings) -> Vec<Timed> {
    let mut timed: Vec<Timed> = Vec::with_capacity(accesses.len());
    let mut from = 0;
    // The first comes with a time, or where those before ended, or early enough for the first that has one.
    while from < accesses.len() {
        let until = (from..accesses.len())
            .find(|at| accesses[*at].times.is_some())
            .unwrap_or(accesses.len());
        let count = (until - from) as i64;
        let next = accesses.get(until).and_then(|access| access.times);
        if count > 0 {
            warnings.add("a picture without a time of its own");
            let before = timed.last().map(|sample| (sample.dts, sample.pts - sample.dts));
            let (start, step, delay) = match (before, next) {
                (Some((dts, delay)), Some((_, next))) if next > dts => {
                    let step = ((next - dts) / (count + 1)).clamp(1, MAX);
                    (dts + step, step, delay)
                }
                (Some((dts, delay)), _) => (dts + frame, frame, delay),
                (None, Some((pts, dts))) => ((dts - count * frame).max(0), frame, pts - dts),
                (None, None) => (expected.unwrap_or(0), frame, 0),
            };
            timed.extend((0..count).map(|n| {
                let dts = start + n * step;
                Timed {
                    dts,
                    pts: dts + delay,
                    duration: 0,
                }
            }));
        }
        timed.extend(next.map(|(pts, dts)| Timed {
            dts,
            pts,
            duration: 0,
        }));
        from = until + 1;
    }
    timed
}
