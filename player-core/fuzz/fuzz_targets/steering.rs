//! Steering manifests and asset lists are read or refused; what was read stays within its limits and can be applied.
#![no_main]

mod heap;

use libfuzzer_sys::fuzz_target;
use player_core::Bitrate;
use player_core::manifest::{interstitial, steering};
use player_core::presentation::Protocol;

const BASE: &str = "https://host.example/a/steering.json";

/// Bytes of heap.
const MOST: usize = 16 << 20;

fuzz_target!(|text: &[u8]| heap::within(MOST, || read(text)));

fn read(text: &[u8]) {
    if let Ok(manifest) = steering::parse(text, BASE) {
        assert!((steering::MIN_TTL..=steering::MAX_TTL).contains(&manifest.ttl));
        assert!(manifest.reload.starts_with("http"));
        assert!(manifest.priority.len() <= 100 && manifest.clones.len() <= 100 && manifest.warnings.len() <= 100);
        let used: Vec<_> = manifest.priority.iter().map(|id| (id.as_str(), Some(Bitrate::from_bps(1)))).collect();
        for protocol in [Protocol::Dash, Protocol::Hls] {
            let url = steering::request_url(&manifest.reload, protocol, &used);
            assert_eq!(steering::request_url(&url, protocol, &used), url, "asked twice, told once");
        }
        for clone in &manifest.clones {
            let url = clone.url("https://a.example:8443/x/y.m3u8?k=v");
            assert!(url.contains("/x/y.m3u8"));
            for (id, replacement) in &clone.variants {
                assert!(replacement.starts_with("http") && clone.variant_url(id, &url).starts_with("http"));
            }
        }
    }
    if let Ok(list) = interstitial::parse_assets(text, BASE) {
        assert!(list.assets.len() <= interstitial::MAX_ASSETS && list.warnings.len() <= 100);
        assert!(list.assets.iter().all(|asset| asset.url.starts_with("http")));
    }
}
