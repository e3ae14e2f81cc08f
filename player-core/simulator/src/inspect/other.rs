//! What is not known in a media playlist. The engine has no use for it and does not keep it.

use player_core::manifest::hls::attributes;
use player_core::manifest::hls::multivariant::{MAX_OTHER, Other};

/// Tags that have a list of attributes, and those that are known.
const ATTRIBUTES: [(&str, &str); 12] = [
    (
        "EXT-X-DATERANGE",
        "ID CLASS START-DATE END-DATE DURATION PLANNED-DURATION END-ON-NEXT CUE SCTE35-CMD SCTE35-OUT SCTE35-IN",
    ),
    ("EXT-X-DEFINE", "NAME VALUE IMPORT QUERYPARAM"),
    ("EXT-X-KEY", "METHOD URI IV KEYFORMAT KEYFORMATVERSIONS KEYID"),
    ("EXT-X-MAP", "URI BYTERANGE"),
    ("EXT-X-PART", "URI DURATION INDEPENDENT BYTERANGE GAP"),
    ("EXT-X-PART-INF", "PART-TARGET"),
    ("EXT-X-PRELOAD-HINT", "TYPE URI BYTERANGE-START BYTERANGE-LENGTH"),
    ("EXT-X-RENDITION-REPORT", "URI LAST-MSN LAST-PART"),
    (
        "EXT-X-SERVER-CONTROL",
        "CAN-BLOCK-RELOAD CAN-SKIP-UNTIL CAN-SKIP-DATERANGES HOLD-BACK PART-HOLD-BACK",
    ),
    ("EXT-X-SKIP", "SKIPPED-SEGMENTS RECENTLY-REMOVED-DATERANGES"),
    ("EXT-X-START", "TIME-OFFSET PRECISE"),
    ("EXT-X-TILES", "RESOLUTION LAYOUT DURATION"),
];

/// The attributes that are not known, in order; at most [`MAX_OTHER`].
pub(super) fn unknown_attributes(text: &str) -> Vec<Other> {
    let mut all = Vec::new();
    for (i, line) in text.split('\n').enumerate() {
        let mut parts = line.split('\r').map(str::trim);
        while let Some((tag, list)) = parts
            .next()
            .map(|part| part.split_once(':').unwrap_or((part, "")))
        {
            let Some((name, known)) = ATTRIBUTES
                .iter()
                .find(|(name, _)| tag.strip_prefix('#') == Some(name))
            else {
                continue;
            };
            for (attribute, value) in attributes(list) {
                // Those of date ranges that begin with X- are shown with them.
                let is_known = known.split(' ').any(|known| known == attribute)
                    || (*name == "EXT-X-DATERANGE" && attribute.starts_with("X-"));
                if !is_known && all.len() < MAX_OTHER {
                    all.push(Other {
                        line: i as u32 + 1,
                        tag: (*name).to_owned(),
                        attribute: attribute.to_owned(),
                        value: value.to_owned(),
                    });
                }
            }
        }
    }
    all
}
