//! `ContentProtection` (ISO/IEC 23009-1, 5.8.4.1; DASH-IF IOP part 6), by reference too.

use super::super::Mpd;
use super::super::tree::Element;
use crate::base64;
use crate::drm::KeyId;
use crate::presentation::Protection;
use crate::url;

/// Says that the files are encrypted, how, and with which keys.
const COMMON: &str = "urn:mpeg:dash:mp4protection:2011";
/// The most descriptors of an element, and key ids of a descriptor.
const MAX_KEYS: usize = 64;
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
    for own in element.named("ContentProtection").into_iter().take(MAX_KEYS) {
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
    let attribute = |name: &str| match shared {
        Some(shared) if own.attribute(name).is_none() => shared.string(name),
        _ => own.string(name),
    };
    let mut protection = Protection {
        scheme: attribute("schemeIdUri").to_ascii_lowercase(),
        robustness: attribute("robustness"),
        ..Protection::default()
    };
    if protection.scheme == COMMON {
        protection.method = attribute("value");
    }
    for id in attribute("cenc:default_KID")
        .split_ascii_whitespace()
        .take(MAX_KEYS)
    {
        protection.key_ids.extend(KeyId::parse(id).map(|id| id.0));
    }
    let above = shared.map(Element::children).unwrap_or_default();
    for child in own.children().iter().chain(above) {
        let bytes = |into: &mut Vec<u8>| {
            if into.is_empty() {
                *into = base64::decode(child.text().as_bytes(), MAX_PSSH).unwrap_or_default();
            }
        };
        match child.name() {
            "pssh" => bytes(&mut protection.pssh),
            "pro" => bytes(&mut protection.pro),
            "Laurl" | "laurl" if protection.url.is_empty() => {
                let attribute = child.string("licenseUrl");
                let reference = if attribute.is_empty() {
                    child.text()
                } else {
                    &attribute
                };
                protection.url = url::resolve(&mpd.url, reference).unwrap_or_default();
            }
            "Certurl" if protection.certificate_url.is_empty() => {
                protection.certificate_url = url::resolve(&mpd.url, child.text()).unwrap_or_default();
            }
            _ => {}
        }
    }
    protection
}
