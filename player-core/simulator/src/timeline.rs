//! What happened when in a session, for charts.

use player_core::Instant;
use player_core::input::TrackKind;

use crate::element::Stall;

/// A session over time; seconds are of the virtual clock, from the load.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    /// The buffer, at each change of its course (in between it runs straight).
    pub buffer: Vec<BufferLevel>,
    /// Requests for segments of video, in the order of their ends.
    pub transfers: Vec<Transfer>,
    /// Requests for segments of audio, in the order of their ends.
    pub audio: Vec<Transfer>,
    /// Times without pictures: from, to. The first one is start-up.
    pub stalls: Vec<(f64, f64)>,
}

/// Media ahead of the playhead at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BufferLevel {
    /// When, seconds.
    pub at_s: f64,
    /// How much, seconds.
    pub buffer_s: f64,
}

/// A request for a segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transfer {
    /// When it was made, seconds.
    pub requested_s: f64,
    /// When its first byte came, or `ended_s` if none did.
    pub first_byte_s: f64,
    /// When it was complete or given up.
    pub ended_s: f64,
    /// Number of the segment.
    pub segment: usize,
    /// Rung of the ladder.
    pub rung: usize,
    /// Bytes that came.
    pub bytes: u64,
    /// It was given up, or it failed.
    pub abandoned: bool,
}

/// Gathers a timeline while a session runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorder {
    timeline: Timeline,
    playing: bool,
}

impl Recorder {
    /// The buffer's level at a time.
    pub(crate) fn level(&mut self, at_s: f64, buffer_s: f64) {
        let level = BufferLevel { at_s, buffer_s };
        let levels = &mut self.timeline.buffer;
        if levels.last() == Some(&level) {
            return;
        }
        // At one time only the levels before and after a jump matter.
        if let [.., before, last] = levels.as_mut_slice()
            && before.at_s == at_s
            && last.at_s == at_s
        {
            *last = level;
        } else {
            levels.push(level);
        }
    }

    /// Whether the element plays now; true if that is new.
    pub(crate) const fn turns(&mut self, playing: bool) -> bool {
        let turns = self.playing != playing;
        self.playing = playing;
        turns
    }

    /// A request has ended.
    pub(crate) fn transfer(&mut self, kind: TrackKind, transfer: Transfer) {
        match kind {
            TrackKind::Audio => self.timeline.audio.push(transfer),
            TrackKind::Text | TrackKind::Video => self.timeline.transfers.push(transfer),
        }
    }

    /// The timeline, with the element's stalls.
    pub(crate) fn finish(self, stalls: &[Stall]) -> Timeline {
        let s = |at: Instant| at.since(Instant::ZERO).as_secs_f64();
        let stalls = stalls.iter().filter(|stall| !stall.duration.is_zero());
        Timeline {
            stalls: stalls
                .map(|stall| (s(stall.from), s(stall.from + stall.duration)))
                .collect(),
            ..self.timeline
        }
    }
}
