//! Where the clocks of the media are on the presentation timeline, where no manifest says it (HLS): each discontinuity has a clock
//! of its own, and the first segment of it that arrives tells.

use crate::time::MediaTime;

/// Older ones are learnt again if the playhead goes back to them.
const MAX_ANCHORS: usize = 1000;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Anchors {
    /// Discontinuity sequence number, and what must be added to media times.
    known: Vec<(u64, MediaTime)>,
}

impl Anchors {
    pub(crate) fn offset(&self, discontinuity: u64) -> Option<MediaTime> {
        let found = self.known.iter().find(|(known, _)| *known == discontinuity);
        found.map(|(_, offset)| *offset)
    }

    /// Media that is to begin at `start` begins at `media` by its own clock. The first word counts.
    pub(crate) fn learn(&mut self, discontinuity: u64, start: MediaTime, media: MediaTime) {
        if self.offset(discontinuity).is_some() {
            return;
        }
        if self.known.len() >= MAX_ANCHORS {
            self.known.remove(0);
        }
        self.known.push((discontinuity, start - media));
    }
}
