//! Descriptors (ISO/IEC 23009-1, 5.8): properties, roles, channels, captions.

use super::super::tree::Element;
use crate::presentation::CaptionChannel;

/// Fast-forward and rewind (DASH-IF IOP, 3.2.9).
pub(super) const TRICK_MODE: &str = "http://dashif.org/guidelines/trickmode";
/// Sets between which one may switch (5.3.3.5).
pub(super) const SWITCHING: &str = "urn:mpeg:dash:adaptation-set-switching:2016";
/// Grids of thumbnails (DASH-IF IOP, 6.2.6).
const THUMBNAILS: [&str; 2] = [
    "http://dashif.org/guidelines/thumbnail_tile",
    "http://dashif.org/thumbnail_tile",
];
/// CC1 to CC4, and 63 services.
const MAX_CAPTIONS: usize = 67;
const ROLE: &str = "urn:mpeg:dash:role:2011";

/// Value of the first supplemental property of a scheme.
pub(super) fn supplemental(element: &Element, scheme: &str) -> Option<String> {
    values(element, "SupplementalProperty", scheme).into_iter().next()
}

/// Values of the essential and supplemental properties of a scheme.
pub(super) fn property(element: &Element, scheme: &str) -> Vec<String> {
    let mut all = values(element, "EssentialProperty", scheme);
    all.extend(values(element, "SupplementalProperty", scheme));
    all
}

/// Values of the descriptors of a name and a scheme.
fn values(element: &Element, name: &str, scheme: &str) -> Vec<String> {
    let mut all = element.named(name);
    all.retain(|property| property.is("schemeIdUri", scheme));
    all.into_iter().map(|property| property.string("value")).collect()
}

/// Scheme of an essential property that this player does not know.
pub(super) fn unknown_essential(element: &Element) -> Option<String> {
    let mut schemes = element
        .named("EssentialProperty")
        .into_iter()
        .map(|p| p.string("schemeIdUri"));
    schemes.find(|scheme| {
        // These say how to show it, or what is true already.
        let known = scheme.starts_with("urn:mpeg:mpegB:cicp:")
            || [
                THUMBNAILS[0],
                THUMBNAILS[1],
                TRICK_MODE,
                SWITCHING,
                "http://dashif.org/guidelines/last-segment-number",
            ]
            .contains(&&**scheme);
        !known
    })
}

/// It is for fast-forward and rewind.
pub(super) fn is_trick_mode(element: &Element) -> bool {
    !values(element, "EssentialProperty", TRICK_MODE).is_empty()
}

/// Columns and rows of a thumbnail track, if it says so.
pub(super) fn tiles(element: &Element) -> Option<(u32, u32)> {
    let value = THUMBNAILS
        .into_iter()
        .find_map(|scheme| property(element, scheme).into_iter().next())?;
    let (columns, rows) = value.split_once(['x', 'X'])?;
    let side = |text: &str| text.trim().parse().ok().filter(|n| (1..=1000).contains(n));
    Some((side(columns)?, side(rows)?))
}

/// Roles: the value of those of MPEG, scheme and value of others.
pub(super) fn roles(element: &Element, into: &mut Vec<String>) {
    for role in element.named("Role") {
        let value = role.string("value");
        into.push(if role.is("schemeIdUri", ROLE) {
            value
        } else {
            scheme_and_value(role)
        });
    }
}

/// `scheme=value`.
pub(super) fn scheme_and_value(descriptor: &Element) -> String {
    let mut out = descriptor.string("schemeIdUri");
    out.push('=');
    out.push_str(&descriptor.string("value"));
    out
}

/// Channels of sound, as HLS writes them.
pub(super) fn channels(element: &Element) -> Option<String> {
    // ETSI TS 103 420, E.5.
    let kind = supplemental(element, "tag:dolby.com,2018:dash:EC3_ExtensionType:2018");
    if kind.is_some_and(|kind| kind == "JOC") {
        let objects = supplemental(
            element,
            "tag:dolby.com,2018:dash:EC3_ExtensionComplexityIndex:2018",
        );
        return Some(format!("{}/JOC", objects.as_deref().unwrap_or("16")));
    }
    let all = element.named("AudioChannelConfiguration");
    all.into_iter().find_map(|config| {
        let (scheme, value) = (config.string("schemeIdUri"), config.string("value"));
        let count = if [b"dolby.com" as &[u8], b"dolby:dash"]
            .iter()
            .any(|part| scan::contains(scheme.as_bytes(), part))
        {
            speakers(u16::from_str_radix(&value, 16).ok()?)
        } else if scheme.ends_with(":ChannelConfiguration") {
            // ISO/IEC 23091-3, table 4.
            let counts = [
                0, 1, 2, 3, 4, 5, 6, 8, 0, 3, 4, 7, 8, 24, 8, 12, 10, 12, 14, 12, 14,
            ];
            *counts.get(value.parse::<usize>().ok()?)?
        } else {
            value.parse().ok()?
        };
        (count > 0).then(|| count.to_string())
    })
}

/// How many speakers are in Dolby's bit field (ETSI TS 102 366, E.1.3.1.8): some bits are pairs.
fn speakers(bits: u16) -> u32 {
    const PAIRS: u16 = 0x0674;
    bits.count_ones() + (bits & PAIRS).count_ones()
}

/// `SDR`, `PQ` or `HLG` (ISO/IEC 23091-2, 8.2).
pub(super) fn video_range(element: &Element) -> Option<&'static str> {
    let values = property(element, "urn:mpeg:mpegB:cicp:TransferCharacteristics");
    let value = values.first()?;
    Some(match &**value {
        "1" | "6" | "13" | "14" | "15" => "SDR",
        "16" => "PQ",
        "18" => "HLG",
        _ => return None,
    })
}

/// Captions inside the pictures (SCTE 214-1, 6.9): `CC1=eng;CC3=deu`, `eng;deu`, `1=lang:eng;2=lang:deu,er:1`.
pub(super) fn captions(element: &Element, into: &mut Vec<CaptionChannel>) {
    for (scheme, prefix) in [
        ("urn:scte:dash:cc:cea-608:2015", "CC"),
        ("urn:scte:dash:cc:cea-708:2015", "SERVICE"),
    ] {
        for value in values(element, "Accessibility", scheme) {
            for (i, entry) in value.split(';').enumerate() {
                let entry = entry.trim();
                // Without a number they are the first channel of each field, CC1 and CC3, or services from 1 on.
                let nth = if prefix == "CC" { 2 * i + 1 } else { i + 1 };
                let (channel, language) = match entry.split_once('=') {
                    Some((channel, language)) => (channel.to_owned(), language),
                    None => (nth.to_string(), entry),
                };
                let channel = if channel.starts_with(prefix) {
                    channel
                } else {
                    prefix.to_owned() + &channel
                };
                if into.iter().any(|c| c.channel == channel) || into.len() >= MAX_CAPTIONS {
                    continue;
                }
                let language = language.split(',').next().unwrap_or_default();
                into.push(CaptionChannel {
                    channel,
                    language: language.strip_prefix("lang:").unwrap_or(language).to_owned(),
                    ..CaptionChannel::default()
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::super::tree;
    use super::*;

    #[test]
    fn channels_are_counted() {
        let count = |scheme: &str, value: &str| {
            let text =
                format!("<a><AudioChannelConfiguration schemeIdUri=\"{scheme}\" value=\"{value}\"/></a>");
            channels(&tree::document(text.as_bytes()).unwrap())
        };
        let mpeg = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011";
        assert_eq!(count(mpeg, "6").as_deref(), Some("6"));
        assert_eq!(count(mpeg, "x"), None);
        let dolby = "tag:dolby.com,2014:dash:audio_channel_configuration:2011";
        assert_eq!(count(dolby, "F801").as_deref(), Some("6"));
        assert_eq!(count(dolby, "FA01").as_deref(), Some("8"));
        assert_eq!(count(dolby, "A000").as_deref(), Some("2"));
        let cicp = "urn:mpeg:mpegB:cicp:ChannelConfiguration";
        assert_eq!(count(cicp, "2").as_deref(), Some("2"));
        assert_eq!(count(cicp, "12").as_deref(), Some("8"));
        assert_eq!(count(cicp, "8"), None);
        let joc = "<a><SupplementalProperty schemeIdUri=\"tag:dolby.com,2018:dash:EC3_ExtensionType:2018\" value=\"JOC\"/>\
            <SupplementalProperty schemeIdUri=\"tag:dolby.com,2018:dash:EC3_ExtensionComplexityIndex:2018\" value=\"12\"/></a>";
        assert_eq!(
            channels(&tree::document(joc.as_bytes()).unwrap()).as_deref(),
            Some("12/JOC")
        );
    }

    #[test]
    fn captions_of_both_kinds() {
        let read = |standard: &str, value: &str| {
            let text = format!(
                "<a><Accessibility schemeIdUri=\"urn:scte:dash:cc:cea-{standard}:2015\" value=\"{value}\"/></a>"
            );
            let mut all = Vec::new();
            captions(&tree::document(text.as_bytes()).unwrap(), &mut all);
            all.into_iter()
                .map(|c| format!("{}={}", c.channel, c.language))
                .collect::<Vec<_>>()
        };
        assert_eq!(read("608", "CC1=eng;CC3=deu"), ["CC1=eng", "CC3=deu"]);
        assert_eq!(read("608", "eng;deu"), ["CC1=eng", "CC3=deu"]);
        assert_eq!(
            read("708", "1=lang:eng;2=lang:deu,war:1,er:1"),
            ["SERVICE1=eng", "SERVICE2=deu"]
        );
    }
}
