//! MPEG-DASH (ISO/IEC 23009-1).
//!
//! Three steps: `xml` gives nodes one at a time, within limits; `tree` keeps the elements as they were written, so that [patches](Mpd::patch)
//! and [remote elements](Mpd::insert_remote) can change any of them, but a `SegmentTimeline` as numbers; `resolve` works out what they
//! mean: inheritance, base URLs, times.

mod patch;
mod remote;
mod resolve;
pub mod schema;
mod service;
mod timeline;
mod tree;
mod values;
pub(crate) mod xml;

pub use patch::PatchOutcome;
pub use remote::Remote;
pub use service::{Operating, ServiceDescription};
pub use timeline::{S, Timeline};
pub use tree::Element;

use super::ManifestError;
use crate::presentation::{Presentation, Warning};

/// Reads an MPD that was fetched from `url`. Remote elements are not fetched: where they have content of their own, that is taken.
///
/// # Errors
/// If nothing in it can be played.
pub fn parse(text: impl AsRef<[u8]>, url: &str) -> Result<Presentation, ManifestError> {
    Mpd::parse(text, url)?.presentation()
}

/// An MPD that can be brought up to date.
#[derive(Clone, Debug, PartialEq)]
pub struct Mpd {
    root: Element,
    url: String,
    remotes: remote::Remotes,
    warnings: Vec<Warning>,
}

impl Mpd {
    /// Reads an MPD that was fetched from `url`.
    ///
    /// # Errors
    /// If it is no MPD, no well-formed XML, or beyond a limit.
    pub fn parse(text: impl AsRef<[u8]>, url: &str) -> Result<Self, ManifestError> {
        let mut mpd = Self {
            root: read(text.as_ref(), &[])?,
            url: url.to_owned(),
            remotes: remote::Remotes::default(),
            warnings: Vec::new(),
        };
        mpd.tidy();
        Ok(mpd)
    }

    /// Takes a whole new text, fetched from `url`, in the place of the old one. What a `SegmentTimeline` repeats is mostly not read again
    /// but taken over. Remote elements that both have are not to be fetched again.
    ///
    /// # Errors
    /// As [`Self::parse`]; nothing has changed then.
    pub fn refresh(&mut self, text: impl AsRef<[u8]>, url: &str) -> Result<(), ManifestError> {
        let mut older = Vec::new();
        self.root.timelines(&mut older);
        self.root = read(text.as_ref(), &older)?;
        url.clone_into(&mut self.url);
        self.warnings.clear();
        self.insert_known();
        Ok(())
    }

    /// What it describes.
    ///
    /// # Errors
    /// If nothing in it can be played.
    pub fn presentation(&self) -> Result<Presentation, ManifestError> {
        resolve::presentation(self)
    }

    /// The `MPD` element.
    pub fn root(&self) -> &Element {
        &self.root
    }

    /// Where it was fetched from.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// It may change (`@type` is `dynamic`).
    pub fn is_dynamic(&self) -> bool {
        self.root.is("type", "dynamic")
    }

    /// Its service descriptions, those of its periods last.
    pub fn service_descriptions(&self) -> Vec<ServiceDescription> {
        service::descriptions(&self.root)
    }
}

fn read(text: &[u8], older: &[&Timeline]) -> Result<Element, ManifestError> {
    let root = tree::newer(text, older)?;
    if root.name() == "MPD" {
        return Ok(root);
    }
    let name: String = root.name().chars().take(40).collect();
    Err(ManifestError::NotAManifest(format!("<{name}>")))
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
