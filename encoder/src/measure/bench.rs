//! Pictures of a source beside those of encodings of it, at the size of the display.

use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};
use std::thread;

use ffmpeg_next::frame;

use crate::analysis::Reader;
use crate::error::EncodeError;
use crate::graph::{PictureOutput, Scan};
use crate::medium::Medium;
use crate::pertitle::{MEASURED, Scaler};
use crate::quality::{self, Meter, Method};
use crate::timing::FrameRate;

/// What is compared with, and how.
pub(crate) struct Bench<'a> {
    pub(crate) reference: &'a Path,
    pub(crate) rate: FrameRate,
    pub(crate) scan: Scan,
    /// The reference's first frame that is decoded.
    pub(crate) start: u64,
    /// The first that is not any more.
    pub(crate) end: Option<u64>,
    /// Whose pictures both are compared as.
    pub(crate) output: PictureOutput,
    pub(crate) method: Method,
    /// Every how many-th frame is measured.
    pub(crate) stride: u64,
}

/// What is compared with the reference.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) medium: Medium,
    /// Its first frame that is compared, and the reference's that is shown with it.
    pub(crate) first_frame: u64,
    pub(crate) start: u64,
    /// It has every so many-th of the reference's frames.
    pub(crate) divisor: u32,
}

impl Subject {
    /// The frame that every measured one is a multiple of the stride away from.
    fn phase(&self) -> u64 {
        self.start % u64::from(self.divisor)
    }

    /// Whether the reference's frame `number` is measured.
    fn is_measured(&self, number: u64, stride: u64) -> bool {
        number >= self.start && (number - self.phase()).is_multiple_of(stride)
    }
}

/// A picture of the reference.
struct Shown {
    number: u64,
    frame: frame::Video,
    motion: f32,
}

impl Bench<'_> {
    /// The measured frames of each subject, by their numbers in the reference, with their quality. The reference is decoded
    /// once; `tick` hears at which of its frames it is.
    pub(crate) fn compare(
        &self,
        subjects: &[Subject],
        tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
    ) -> Result<Vec<Vec<(u64, f64)>>, EncodeError> {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let mut queues = Vec::new();
            let mut handles = Vec::new();
            for subject in subjects {
                let (queue, shown) = sync_channel(QUEUED_FRAMES);
                let is_over = &is_over;
                handles.push(scope.spawn(move || self.measure(subject, shown, is_over)));
                queues.push(queue);
            }
            let fed = self.feed(subjects, &queues, tick);
            if fed.is_err() {
                is_over.store(true, Ordering::Relaxed);
            }
            drop(queues);
            let measured = handles.into_iter().map(|handle| match handle.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            let measured: Vec<_> = measured.collect();
            fed?;
            measured.into_iter().collect()
        })
    }

    /// Hands the reference's frames out, each with how much it moves.
    fn feed(
        &self,
        subjects: &[Subject],
        queues: &[SyncSender<Arc<Shown>>],
        tick: &mut dyn FnMut(u64) -> Result<(), EncodeError>,
    ) -> Result<(), EncodeError> {
        let mut reader =
            Reader::open_pictures(self.reference, self.rate, self.start, self.scan, self.output)?;
        let mut plain = Scaler::default();
        let mut before: Option<frame::Video> = None;
        let mut current: Option<(u64, frame::Video)> = None;
        loop {
            let mut next = None;
            if let Some(frame) = reader.next_frame()? {
                let number = frame.pts().map_or(0, i64::unsigned_abs);
                tick(number)?;
                if self.end.is_none_or(|end| number < end) {
                    let (width, height) = (frame.width(), frame.height());
                    next = Some((number, plain.scale(&frame, width, height, MEASURED)?));
                }
            }
            if let Some((number, frame)) = current.take() {
                let is_measured = |subject: &Subject| subject.is_measured(number, self.stride);
                let is_measured = subjects.iter().any(is_measured);
                let motion = match is_measured {
                    true => {
                        quality::motion(&frame, before.iter().chain(next.as_ref().map(|(_, frame)| frame)))
                    }
                    false => 0.0,
                };
                if is_measured || self.method == Method::Vmaf {
                    let shown = Arc::new(Shown {
                        number,
                        frame: frame.clone(),
                        motion,
                    });
                    // One may end earlier; one that failed says why when it is joined.
                    let sent = queues
                        .iter()
                        .filter(|queue| queue.send(Arc::clone(&shown)).is_ok());
                    if sent.count() == 0 {
                        return Ok(());
                    }
                }
                before = Some(frame);
            }
            if next.is_none() {
                return Ok(());
            }
            current = next;
        }
    }

    fn measure(
        &self,
        subject: &Subject,
        shown: Receiver<Arc<Shown>>,
        is_over: &AtomicBool,
    ) -> Result<Vec<(u64, f64)>, EncodeError> {
        let divisor = u64::from(subject.divisor);
        let PictureOutput { width, height, .. } = self.output;
        let select = match self.method {
            Method::Vmaf => String::new(),
            // Only these are scaled.
            Method::VmafModel => format!("select=not(mod(n*{divisor}+{}\\,{})),", self.start, self.stride),
        };
        let tail = format!("{select}scale={width}:{height}:flags=bicubic,format={MEASURED}");
        let rate = self.rate.divided(subject.divisor);
        let mut reader = Reader::open_medium(&subject.medium, rate, subject.first_frame, tail)?;
        let mut meter = Meter::new(self.method, width, height, self.stride)?;
        'shown: for shown in shown {
            let is_wanted = match self.method {
                Method::Vmaf => shown.number >= subject.start,
                Method::VmafModel => subject.is_measured(shown.number, self.stride),
            };
            let offset = shown.number.saturating_sub(subject.start);
            if !is_wanted || !offset.is_multiple_of(divisor) {
                continue;
            }
            loop {
                let Some(frame) = reader.next_frame()? else {
                    break 'shown;
                };
                let number = frame.pts().map_or(0, i64::unsigned_abs);
                let at = number.saturating_sub(subject.first_frame) * divisor;
                if at >= offset {
                    if at == offset {
                        meter.add(shown.number, &shown.frame, shown.motion, &frame)?;
                    }
                    break;
                }
            }
        }
        match is_over.load(Ordering::Relaxed) {
            true => Ok(Vec::new()),
            false => meter.finish(),
        }
    }
}

/// The size that pictures are compared at: the reference's, no larger than 1080p unless one that is compared is.
pub(crate) fn display(
    (width, height): (u32, u32),
    compared: impl IntoIterator<Item = (u32, u32)>,
) -> (u32, u32) {
    let (long, short) = (f64::from(width.max(height)), f64::from(width.min(height)));
    let scale = (DISPLAY.0 / long).min(DISPLAY.1 / short).min(1.0);
    let side = |side: u32| (((f64::from(side) * scale) as u32) & !1).max(2);
    let own = (side(width), side(height));
    match compared.into_iter().max() {
        Some(largest) if largest.0 > own.0 => largest,
        _ => own,
    }
}

/// The frames that all have of which each has every so many-th of `divisors`.
pub(crate) fn step(divisors: impl IntoIterator<Item = u32>) -> u64 {
    let divisors = divisors.into_iter().map(|divisor| u64::from(divisor.max(1)));
    divisors.fold(1, |step, divisor| {
        step / greatest_divisor(step, divisor) * divisor
    })
}

/// Every how many-th frame is measured, at `rate`, so that each is one of every `step`-th.
pub(crate) fn stride(rate: FrameRate, step: u64) -> u64 {
    ((rate.fps() / MEASURED_PER_S / step as f64).round().max(1.0) as u64) * step
}

fn greatest_divisor(a: u64, b: u64) -> u64 {
    match b {
        0 => a,
        b => greatest_divisor(b, a % b),
    }
}

const DISPLAY: (f64, f64) = (1920.0, 1080.0);
/// Frames whose quality is measured, in a second.
const MEASURED_PER_S: f64 = 4.0;
const QUEUED_FRAMES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_are_compared_at_the_size_of_the_display() {
        assert_eq!(display((3840, 2160), [(1280, 720)]), (1920, 1080));
        assert_eq!(display((3840, 2160), [(3840, 2160), (640, 360)]), (3840, 2160));
        assert_eq!(display((1080, 1920), [(540, 960)]), (1080, 1920));
        assert_eq!(display((641, 361), []), (640, 360));
        assert_eq!(display((1, 1), []), (2, 2));
    }

    #[test]
    fn measured_frames_are_those_that_all_have() {
        assert_eq!(step([1, 2, 4]), 4);
        assert_eq!(step([2, 3]), 6);
        assert_eq!(step([]), 1);
        assert_eq!(stride(FrameRate::new(25, 1), 1), 6);
        assert_eq!(stride(FrameRate::new(25, 1), 4), 8);
        assert_eq!(stride(FrameRate::new(1, 1), 1), 1);
    }
}
