//! MPEG-DASH (ISO/IEC 23009-1).
//!
//! Three steps: `xml` gives elements one at a time, within limits; `mpd` reads them into the elements' own terms, with what
//! is inherited still apart; `resolve` applies inheritance and makes the presentation.

mod mpd;
mod resolve;
mod segments;
mod xml;

use super::ManifestError;
use crate::presentation::Presentation;

/// Reads an MPD that was fetched from `url`.
///
/// # Errors
/// If nothing in it can be played.
pub fn parse(text: &str, url: &str) -> Result<Presentation, ManifestError> {
    let mut warnings = Vec::new();
    let mpd = mpd::read(text, &mut warnings)?;
    resolve::presentation(&mpd, url, warnings)
}
