//! Common Media Server Data (CTA-5006): what servers say about a response.

use crate::time::{Bitrate, MediaTime};

/// A longer header is not read.
const MAX_BYTES: usize = 8192;

/// What a response says, as far as a player can use it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cmsd {
    /// Who made the object (`n` of CMSD-Static); empty if it is not said.
    pub origin: String,
    /// Who sent it: the server that is nearest to the player; empty if it is not said.
    pub server: String,
    /// Throughput between that server and the player (`etp`), as it estimates it.
    pub throughput: Option<Bitrate>,
    /// The highest bitrate that the player should ask for (`mb`).
    pub max_bitrate: Option<Bitrate>,
    /// How long that server waited for the object (`rd`).
    pub delay: Option<MediaTime>,
    /// Round-trip time between that server and the player (`rtt`).
    pub round_trip: Option<MediaTime>,
    /// The server is overloaded (`du`).
    pub duress: bool,
    /// When the first byte of the object was there to be fetched (`at`), milliseconds since 1970.
    pub available_ms: Option<u64>,
    /// How long it was held before it was sent (`ht`).
    pub held: Option<MediaTime>,
}

/// Reads the headers CMSD-Static and CMSD-Dynamic; either may be empty. What is malformed is passed over. Of the servers that
/// a dynamic header speaks of, the last one is the nearest.
pub fn parse(fixed: &str, dynamic: &str) -> Cmsd {
    let mut out = Cmsd::default();
    for member in split(fixed, ',') {
        let (key, value) = member.split_once('=').unwrap_or((member, ""));
        match key.trim() {
            "at" => out.available_ms = number(value),
            "ht" => out.held = millis(value),
            "n" => out.origin = text(value),
            _ => {}
        }
    }
    if let Some(last) = split(dynamic, ',').last() {
        let mut parts = split(last, ';').into_iter();
        out.server = text(parts.next().unwrap_or_default());
        for part in parts {
            let (key, value) = part.split_once('=').unwrap_or((part, "?1"));
            match key.trim() {
                "du" => out.duress = value.trim() == "?1",
                "etp" => out.throughput = kbps(value),
                "mb" => out.max_bitrate = kbps(value),
                "rd" => out.delay = millis(value),
                "rtt" => out.round_trip = millis(value),
                _ => {}
            }
        }
    }
    out
}

/// The parts between separators that are not in a string; none of nothing.
fn split(header: &str, separator: char) -> Vec<&str> {
    let mut parts = Vec::new();
    if header.trim().is_empty() || header.len() > MAX_BYTES {
        return parts;
    }
    let (mut quoted, mut escaped, mut start) = (false, false, 0);
    for (at, c) in header.char_indices() {
        if c == separator && !quoted {
            parts.push(header.get(start..at).unwrap_or_default().trim());
            start = at + 1;
        } else if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    parts.push(header.get(start..).unwrap_or_default().trim());
    parts
}

/// A string without its quotes, or a token.
fn text(value: &str) -> String {
    let value = value.trim();
    let inner = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let Some(inner) = inner else {
        return value.to_owned();
    };
    let mut out = String::with_capacity(inner.len());
    let mut escaped = false;
    for c in inner.chars() {
        escaped = c == '\\' && !escaped;
        if !escaped {
            out.push(c);
        }
    }
    out
}

fn number(value: &str) -> Option<u64> {
    value.trim().parse().ok()
}

fn kbps(value: &str) -> Option<Bitrate> {
    Some(Bitrate::from_bps(number(value)?.checked_mul(1000)?))
}

fn millis(value: &str) -> Option<MediaTime> {
    Some(MediaTime::from_millis(i64::try_from(number(value)?).ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_nearest_server_counts() {
        let read = parse(
            r#"ot=v,sf=h,st=v,d=5000,br=2000,n="Origin, \"Inc\"",at=1700000000000,ht=40"#,
            r#""CDNA-987.343";etp=76;rtt=32;mb=9000, "CDNB-3ak1;x=\"";etp=96;rtt=8;mb=5000;rd=20;du"#,
        );
        let expected = Cmsd {
            origin: "Origin, \"Inc\"".into(),
            server: "CDNB-3ak1;x=\"".into(),
            throughput: Some(Bitrate::from_bps(96_000)),
            max_bitrate: Some(Bitrate::from_bps(5_000_000)),
            delay: Some(MediaTime::from_millis(20)),
            round_trip: Some(MediaTime::from_millis(8)),
            duress: true,
            available_ms: Some(1_700_000_000_000),
            held: Some(MediaTime::from_millis(40)),
        };
        assert_eq!(read, expected);
        assert_eq!(parse("", " "), Cmsd::default());
        let odd = parse("at,ht=x,n", ";;etp=-1;mb=99999999999999999999;du=?0,,\"");
        assert_eq!(
            (odd.origin.as_str(), odd.duress, odd.throughput),
            ("", false, None)
        );
        assert!(!parse("n=a", r#""x";du=?0"#).duress);
    }

    proptest! {
        #[test]
        fn any_header_is_survived(fixed in "[-a-z0-9=;,?\"\\\\ é]{0,60}", dynamic in "[-a-z0-9=;,?\"\\\\ é]{0,60}") {
            let read = parse(&fixed, &dynamic);
            prop_assert!(read.server.len() <= dynamic.len() && read.origin.len() <= fixed.len());
        }
    }
}
