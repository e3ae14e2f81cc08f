//! From the elements of an MPD to the presentation: period times, inheritance, base URLs.

mod base;
mod descriptors;
mod events;
mod periods;
mod protection;
mod segments;
mod template;
mod track;

use base::Bases;

use super::{Mpd, service};
use crate::manifest::{ManifestError, table};
use crate::presentation::{Period, Presentation, Protocol, SegmentSource, Warning};
use crate::time::MediaTime;
use crate::url;

/// The most warnings that are kept.
const MAX_WARNINGS: usize = 100;
/// About so many bytes all representations may come to: each has its own copy of what it inherits.
const MAX_RESOLVED: usize = 64 * 1024 * 1024;

/// What was odd, and how much there is, up to a limit.
struct Notes {
    warnings: Vec<Warning>,
    /// Bytes that the representations which follow may come to.
    room: usize,
    /// Why something cannot be played; empty if everything can.
    why: String,
}

impl Notes {
    fn warn(&mut self, line: u32, message: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(Warning { line, message });
        }
    }

    /// Something is left out.
    fn skip(&mut self, line: u32, what: &str, reason: &str) {
        if self.why.is_empty() {
            self.why = format!(": {reason}");
        }
        self.warn(line, format!("{what} is skipped: {reason}"));
    }
}

pub(super) fn presentation(mpd: &Mpd) -> Result<Presentation, ManifestError> {
    let root = &mpd.root;
    let mut notes = Notes {
        warnings: mpd.warnings.clone(),
        room: MAX_RESOLVED,
        why: String::new(),
    };
    let bases = Bases::of_mpd(mpd);
    // Its author asks that it be ignored as a whole (5.8.4.8): better to play what can be played.
    if let Some(scheme) = descriptors::unknown_essential(root) {
        notes.warn(
            root.line(),
            format!("the EssentialProperty \"{scheme}\" of the MPD is not known"),
        );
    }
    let live = service::live(mpd);
    let periods = periods::all(mpd, &bases, &mut notes);
    if periods.is_empty() {
        return Err(ManifestError::NothingToPlay(notes.why));
    }
    let last = periods.last();
    let duration = root
        .duration("mediaPresentationDuration")
        .or_else(|| last.and_then(|last| Some(last.start + last.duration?)))
        .or_else(|| {
            let ends = last.filter(|_| live.is_none()).and_then(end_of_segments);
            ends.filter(|end| *end > MediaTime::ZERO)
        });
    Ok(Presentation {
        protocol: Protocol::Dash,
        duration,
        live,
        periods,
        steering: service::steering(mpd),
        segment_table: segment_table(mpd, &bases),
        warnings: notes.warnings,
        ..Presentation::default()
    })
}

fn end_of_segments(period: &Period) -> Option<MediaTime> {
    let ends = period
        .tracks
        .iter()
        .flat_map(|t| &t.renditions)
        .filter_map(|r| match &r.source {
            SegmentSource::Index(index) => Some(index.end()),
            SegmentSource::Playlist(_) | SegmentSource::Sidx(_) => None,
        });
    ends.max()
}

/// The segment table of the MPD, or else the first one of an adaptation set in the period that is played.
fn segment_table(mpd: &Mpd, bases: &Bases) -> Option<String> {
    let of = |element: &super::Element, bases: &Bases| {
        let reference = descriptors::supplemental(element, table::SCHEME)?;
        url::resolve(bases.first(), &reference).ok()
    };
    let in_sets = || {
        let period = mpd.root.child("Period")?;
        let bases = bases.under(period);
        let sets = period.named("AdaptationSet");
        sets.into_iter().find_map(|set| of(set, &bases.under(set)))
    };
    of(&mpd.root, bases).or_else(in_sets)
}
