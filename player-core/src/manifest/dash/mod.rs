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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_segment_table_is_found_at_either_level() {
        let property = |url: &str| {
            format!("<SupplementalProperty schemeIdUri=\"urn:headgate:segments:2026\" value=\"{url}\"/>")
        };
        let read = |in_mpd: &str, in_set: &str| {
            let text = format!(
                "<MPD mediaPresentationDuration=\"PT4S\"><BaseURL>v/</BaseURL>{in_mpd}<Period><BaseURL>p/</BaseURL>\
                 <AdaptationSet mimeType=\"video/mp4\">{in_set}<SegmentTemplate duration=\"2\" media=\"$Number$\"/>\
                 <Representation id=\"a\" bandwidth=\"1\"/></AdaptationSet></Period></MPD>"
            );
            parse(&text, "https://h/m.mpd").unwrap().segment_table
        };
        let other = "<SupplementalProperty schemeIdUri=\"urn:x\" value=\"no\"/>";
        assert_eq!(read(other, other), None);
        assert_eq!(
            read(&property("../s.json"), "").as_deref(),
            Some("https://h/s.json")
        );
        let both = read(&format!("{other}{}", property("a.json")), &property("b.json"));
        assert_eq!(both.as_deref(), Some("https://h/v/a.json"));
        assert_eq!(
            read("", &property("b.json")).as_deref(),
            Some("https://h/v/p/b.json")
        );
        assert_eq!(
            read(&property("file:///s"), &property("b.json")).as_deref(),
            Some("https://h/v/p/b.json")
        );
    }
}
