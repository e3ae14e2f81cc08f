//! `ContentProtection` (ISO/IEC 23009-1, 5.8.4.1; DASH-IF IOP part 6), by reference too.

use super::super::Mpd;
use super::super::tree::Element;
use super::super::values;
use crate::presentation::Protection;
use crate::url;

/// Says that the files are encrypted, how, and with which keys.
const COMMON: &str = "urn:mpeg:dash:mp4protection:2011";
/// The longest `pssh` that is kept, bytes.
const MAX_PSSH: usize = 64 * 1024;

/// The ways to the keys of `element`. `inherited` are those of the element that it is in.
pub(super) fn read(
    mpd: &Mpd,
    period: &Element,
    element: &Element,
    inherited: &[Protection],
) -> Vec<Protection> {
    let mut all = Vec::new();
    for own in element.named("ContentProtection") {
        let mut shared = None;
        if let Some(id) = own.attribute("ref") {
            let mut above = period.named("ContentProtection");
            above.extend(mpd.root.named("ContentProtection"));
            shared = above.into_iter().find(|shared| shared.is("refId", &id));
        }
        all.push(protection(mpd, own, shared));
    }
    // What the general descriptor says holds for every key system.
    let common = |all: &[Protection]| all.iter().find(|p| p.scheme == COMMON).cloned();
    if let Some(common) = common(&all).or_else(|| common(inherited)) {
        for protection in &mut all {
            if protection.method.is_empty() {
                protection.method.clone_from(&common.method);
            }
            if protection.key_ids.is_empty() {
                protection.key_ids.clone_from(&common.key_ids);
            }
        }
    }
    all
}

fn protection(mpd: &Mpd, own: &Element, shared: Option<&Element>) -> Protection {
    // Its own first, then that of the descriptor it refers to.
    let attribute = |name: &str| {
        let own = own.attribute(name);
        own.or_else(|| shared?.attribute(name))
            .map(Into::<String>::into)
            .unwrap_or_default()
    };
    let child = |name: &str| {
        let find = |e: &Element| {
            e.children()
                .iter()
                .position(|c| c.name().eq_ignore_ascii_case(name))
        };
        let of = |e: Option<&Element>| e.and_then(|e| e.children().get(find(e)?).cloned());
        of(Some(own)).or_else(|| of(shared))
    };
    let bytes = |name| {
        let child = child(name);
        child
            .and_then(|c| values::base64(c.text(), MAX_PSSH))
            .unwrap_or_default()
    };
    let scheme = attribute("schemeIdUri").to_ascii_lowercase();
    let laurl = child("laurl").map(|c| {
        let reference = c
            .attribute("licenseUrl")
            .map_or_else(|| c.text().to_owned(), Into::into);
        url::resolve(&mpd.url, &reference).unwrap_or_default()
    });
    Protection {
        method: if scheme == COMMON {
            attribute("value")
        } else {
            String::new()
        },
        url: laurl.unwrap_or_default(),
        key_ids: attribute("cenc:default_KID")
            .split_ascii_whitespace()
            .filter_map(values::key_id)
            .collect(),
        pssh: bytes("pssh"),
        pro: bytes("pro"),
        robustness: attribute("robustness"),
        scheme,
        ..Protection::default()
    }
}
