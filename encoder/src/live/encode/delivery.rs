//! Hands what the encoders make to the sink: first the take with all its tracks, then their parts.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, SystemTime};

use crate::error::EncodeError;
use crate::live::{LiveError, LiveSink, Part, Take, Track, TrackKeys};

/// What an encoder made, with its track's place.
pub(crate) enum Made {
    Track(usize, Track),
    /// Of the next part on.
    Keys(usize, TrackKeys),
    Part(usize, Part),
}

/// One track's way to the sink.
#[derive(Clone)]
pub(crate) struct Outlet {
    track: usize,
    queue: SyncSender<Made>,
}

impl Outlet {
    pub(crate) fn new(track: usize, queue: SyncSender<Made>) -> Self {
        Self { track, queue }
    }

    pub(crate) fn begin(&self, track: Track) -> Result<(), EncodeError> {
        self.send(Made::Track(self.track, track))
    }

    pub(crate) fn keys(&self, keys: TrackKeys) -> Result<(), EncodeError> {
        self.send(Made::Keys(self.track, keys))
    }

    pub(crate) fn part(&self, part: Part) -> Result<(), EncodeError> {
        self.send(Made::Part(self.track, part))
    }

    /// The track's place.
    pub(crate) fn place(&self) -> usize {
        self.track
    }

    /// The delivery is gone only when the sink failed, which says why itself.
    fn send(&self, made: Made) -> Result<(), EncodeError> {
        self.queue.send(made).map_err(|_| EncodeError::Cancelled)
    }
}

/// How long after the capture of their last frame parts reach the sink.
#[derive(Debug, Default)]
pub(crate) struct Delay(AtomicU64);

impl Delay {
    fn note(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.0.fetch_max(millis, Ordering::Relaxed);
    }

    /// The longest since the last call, in milliseconds.
    pub(crate) fn take(&self) -> u64 {
        self.0.swap(0, Ordering::Relaxed)
    }
}

/// Collects what the tracks of one take are, and gives it to the sink in order.
pub(crate) struct Delivery {
    pub(crate) wall: SystemTime,
    pub(crate) part_target: Duration,
    pub(crate) segment_target: Duration,
    made: Receiver<Made>,
}

/// Parts that may wait for the sink, of all tracks together.
const QUEUED_PARTS: usize = 64;

impl Delivery {
    /// For `tracks` tracks; each gets its outlet.
    pub(crate) fn new(
        tracks: usize,
        wall: SystemTime,
        part_target: Duration,
        segment_target: Duration,
    ) -> (Self, Vec<Outlet>) {
        let (queue, made) = sync_channel(QUEUED_PARTS);
        let outlets = (0..tracks)
            .map(|track| Outlet::new(track, queue.clone()))
            .collect();
        let delivery = Self {
            wall,
            part_target,
            segment_target,
            made,
        };
        (delivery, outlets)
    }

    /// Runs until all outlets are gone; `tell` hears of the take when it begins. Gives whether it began.
    pub(crate) fn run(
        self,
        tracks: usize,
        sink: &dyn LiveSink,
        delay: &Delay,
        tell: &(dyn Fn(&Take) + Sync),
    ) -> Result<bool, LiveError> {
        let mut known: Vec<Option<Track>> = (0..tracks).map(|_| None).collect();
        let mut waiting = Vec::new();
        let mut has_begun = false;
        for made in self.made {
            match made {
                Made::Part(track, part) if has_begun => {
                    if let Some(Some(known)) = known.get(track) {
                        let end = part.decode_time + u64::from(part.duration);
                        let end_s = end as f64 / f64::from(known.timescale.max(1));
                        let captured = self.wall + Duration::from_secs_f64(end_s);
                        delay.note(captured.elapsed().unwrap_or_default());
                    }
                    sink.part(track, part)?;
                }
                Made::Keys(track, keys) if has_begun => sink.keys(track, keys)?,
                Made::Part(..) | Made::Keys(..) => waiting.push(made),
                Made::Track(place, track) => {
                    if let Some(slot) = known.get_mut(place) {
                        *slot = Some(track);
                    }
                    if has_begun || known.iter().any(Option::is_none) {
                        continue;
                    }
                    let take = Take {
                        tracks: known.iter().flatten().cloned().collect(),
                        wall: self.wall,
                        part_target: self.part_target,
                        segment_target: self.segment_target,
                    };
                    tell(&take);
                    sink.begin(take)?;
                    has_begun = true;
                    for made in waiting.drain(..) {
                        match made {
                            Made::Keys(track, keys) => sink.keys(track, keys)?,
                            Made::Part(track, part) => sink.part(track, part)?,
                            Made::Track(..) => {}
                        }
                    }
                }
            }
        }
        Ok(has_begun)
    }
}
