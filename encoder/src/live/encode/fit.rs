//! Whether this machine keeps up with a ladder: measured before a stream, and watched while it runs.

use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use ffmpeg_next::frame;
use ffmpeg_next::mathematics::Rescale;

use super::{Coders, Cutting, Lane, Load, Outlet, PictureLine, Refusal, VideoCoder};
use crate::encode::VideoTarget;
use crate::error::EncodeError;
use crate::graph::Wired;
use crate::ladder::Rung;
use crate::source::VideoStream;

/// What the pictures of a stream cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// Of a frame, with all rungs at once.
    pub(crate) frame: Duration,
    /// What there is for one.
    pub(crate) allowed: Duration,
}

impl Cost {
    pub(crate) fn fits(&self) -> bool {
        self.frame <= self.allowed
    }
}

/// Scales and encodes a few frames like those of `stream`, noisy enough to be costly, to all rungs at once.
pub(crate) fn measure(
    rungs: &[Rung],
    threads: usize,
    cutting: &Cutting,
    stream: &VideoStream,
) -> Result<Cost, EncodeError> {
    let rate = cutting.rate();
    let allowed = Duration::from_secs_f64(rate.seconds(1) * SHARE);
    let spec = format!(
        "testsrc2=s={}x{}:r={rate},noise=alls=12:allf=t,format=yuv420p[out0]",
        stream.decoder.width().max(16),
        stream.decoder.height().max(16)
    );
    let mut source = Wired::build("", "", "buffersink", 1, spec)?;
    let mut frames = Vec::new();
    for number in 0..FRAMES {
        let mut frame = frame::Video::empty();
        if !source.pull(0, &mut frame)? {
            break;
        }
        frame.set_pts(Some((number as i64).rescale(rate.time_base(), stream.time_base)));
        frames.push(frame);
    }
    let Some(first) = frames.first().cloned() else {
        return Ok(Cost {
            frame: Duration::ZERO,
            allowed,
        });
    };
    let (loads, wall): (Vec<Load>, _) = (rungs.iter().map(|_| Load::default()).collect(), SystemTime::now());
    thread::scope(|scope| {
        let mut coders = Coders::default();
        let (made, parts) = sync_channel(FRAMES as usize * rungs.len());
        let mut lanes = Vec::new();
        let began = Instant::now();
        for ((index, rung), load) in rungs.iter().enumerate().zip(&loads) {
            let coder = VideoCoder {
                target: VideoTarget {
                    rung,
                    preset: rung.preset.as_deref().unwrap_or_default(),
                    threads,
                    divisor: rate.divisor(rung.max_fps),
                    first_frame: 0,
                    source_colour: stream.colour,
                },
                cutting,
                wall,
                burns_clock: false,
                protection: None,
                load,
            };
            // Hardly a queue: what is not encoded in time is not waited for.
            let (queue, frames) = sync_channel(1);
            let outlet = Outlet::new(index, made.clone());
            coders.spawn(scope, &rung.name, move || coder.run(frames, &outlet))?;
            lanes.push(Lane::new(queue));
        }
        let mut line = PictureLine::new(&first, stream, rate, rungs, lanes)?;
        let mut pushed = 0;
        for frame in frames {
            if began.elapsed() > allowed * FRAMES * 3 {
                break;
            }
            let at = frame.pts().unwrap_or(0);
            match line.push(frame, at) {
                Ok(()) => pushed += 1,
                Err(Refusal::EncoderGone) => break,
                Err(Refusal::Failed(error)) => return Err(error),
            }
        }
        drop(line);
        coders.join()?;
        drop(parts);
        Ok(Cost {
            frame: began.elapsed() / pushed.max(1),
            allowed,
        })
    })
}

/// Watches whether pictures come in time.
#[derive(Debug)]
pub(crate) struct Watch {
    /// What encoders had kept pictures waiting for when they were last in time.
    blocked_before: Duration,
    window_began: Instant,
    /// In the window, in seconds.
    least_behind_s: f64,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// The encoders are too slow.
    Overloaded,
    /// What the publisher sends comes late, and stays late: its clock is slower than ours, or was off.
    Late,
}

impl Watch {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            blocked_before: Duration::ZERO,
            window_began: now,
            least_behind_s: f64::INFINITY,
        }
    }

    /// A picture was handed to the encoders `behind_s` after its capture; they have kept pictures waiting for `blocked` so far.
    pub(crate) fn note(&mut self, now: Instant, behind_s: f64, blocked: Duration) -> Verdict {
        if behind_s < IN_TIME_S {
            self.blocked_before = blocked;
        }
        if behind_s > BEHIND_S && blocked.saturating_sub(self.blocked_before) > BLOCKED {
            return Verdict::Overloaded;
        }
        self.least_behind_s = self.least_behind_s.min(behind_s);
        if now.saturating_duration_since(self.window_began) < WINDOW {
            return Verdict::Fine;
        }
        let is_late = self.least_behind_s > LATE_S;
        (self.window_began, self.least_behind_s) = (now, f64::INFINITY);
        match is_late {
            true => Verdict::Late,
            false => Verdict::Fine,
        }
    }
}

const FRAMES: u32 = 20;
/// The part of a frame's time that scaling and encoding may take; the rest is for decoding, and for what is harder to encode.
const SHARE: f64 = 0.7;
const IN_TIME_S: f64 = 0.3;
const BEHIND_S: f64 = 1.0;
const BLOCKED: Duration = Duration::from_millis(300);
const LATE_S: f64 = 3.0;
const WINDOW: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes a picture every 40 ms; `state` gives what is behind (s) and blocked (ms) after so many seconds.
    fn watch(seconds: f64, state: impl Fn(f64) -> (f64, f64)) -> Option<(f64, Verdict)> {
        let start = Instant::now();
        let mut watch = Watch::new(start);
        let times = (0..).map(|number| f64::from(number) * 0.04);
        times.take_while(|time| *time < seconds).find_map(|time| {
            let (behind_s, blocked_ms) = state(time);
            let blocked = Duration::from_secs_f64(blocked_ms / 1000.0);
            let verdict = watch.note(start + Duration::from_secs_f64(time), behind_s, blocked);
            (verdict != Verdict::Fine).then_some((time, verdict))
        })
    }

    #[test]
    fn encoders_that_fall_behind_are_found_in_a_second_or_two() {
        let found = watch(60.0, |time| (time * 0.5, time * 300.0));
        let (time, verdict) = found.unwrap_or((0.0, Verdict::Fine));
        assert_eq!(verdict, Verdict::Overloaded);
        assert!((1.9..2.5).contains(&time), "{time}");
    }

    #[test]
    fn a_pause_of_the_network_is_no_overload() {
        // Nothing for four seconds, then all of it at once.
        let state = |time: f64| match time {
            10.0..14.0 => (time - 9.9, 0.0),
            _ => (0.1, 0.0),
        };
        assert_eq!(watch(60.0, state), None);
        // Encoders that wait a little all the time, but are in time.
        assert_eq!(watch(60.0, |time| (0.2, time * 100.0)), None);
    }

    #[test]
    fn a_publisher_whose_clock_is_slow_is_late_some_time() {
        let found = watch(4000.0, |time| (time * 0.001, 0.0));
        let (time, verdict) = found.unwrap_or((0.0, Verdict::Fine));
        assert_eq!(verdict, Verdict::Late);
        assert!((3000.0..3011.0).contains(&time), "{time}");
    }
}
