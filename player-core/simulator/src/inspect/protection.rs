//! Ways to get at keys.

use player_core::presentation::Protection;

use super::node::{Node, Object, hexadecimal};

/// As `EXT-X-KEY` and `EXT-X-SESSION-KEY` write them.
pub(super) fn hls(keys: &[Protection]) -> Node {
    let one = |key: &Protection| {
        Object::default()
            .with("method", key.method.as_str())
            .text("uri", &key.url)
            .with("keyformat", key.scheme.as_str())
            .text("keyformatversions", &key.versions)
            .given("iv", key.iv.map(|iv| format!("0x{}", hexadecimal(&iv))))
            .given(
                "keyid",
                key.key_ids.first().map(|id| format!("0x{}", hexadecimal(id))),
            )
    };
    keys.iter().map(one).collect::<Vec<_>>().into()
}

/// As `ContentProtection` means them, with what they refer to.
pub(super) fn dash(keys: &[Protection]) -> Node {
    let one = |key: &Protection| {
        let ids: Vec<_> = key.key_ids.iter().map(|id| hexadecimal(id)).collect();
        Object::default()
            .with("scheme_id_uri", key.scheme.as_str())
            .text("value", &key.method)
            .with("default_kid", ids)
            .text("license_url", &key.url)
            .text("pssh", &hexadecimal(&key.pssh))
            .text("pro", &hexadecimal(&key.pro))
            .text("robustness", &key.robustness)
    };
    keys.iter().map(one).collect::<Vec<_>>().into()
}
