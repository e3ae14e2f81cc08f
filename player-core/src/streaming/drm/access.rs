//! Which key systems a browser is asked for.

use super::Drm;
use crate::config::{DrmConfig, KeySystemConfig};
use crate::drm::cdm::{Candidate, Requirement};
use crate::drm::{InitDataType, KeySystem};
use crate::presentation::Protection;

/// A browser is asked for no more than this.
const MAX_CANDIDATES: usize = 32;

/// A way to get at keys.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) protection: Protection,
    /// Something is about to be played with it,
    pub(super) wanted: bool,
    /// and a session was asked for.
    pub(super) queued: bool,
}

impl Way {
    pub(super) const fn new(protection: Protection) -> Self {
        Self {
            protection,
            wanted: false,
            queued: false,
        }
    }
}

/// The key systems that come into question, the preferred one first.
pub(super) fn systems<'a>(
    config: &'a DrmConfig,
    ways: impl Iterator<Item = &'a Protection> + Clone + 'a,
) -> impl Iterator<Item = KeySystemConfig> + 'a {
    let declared = ways.clone().filter_map(|way| KeySystem::of_scheme(&way.scheme));
    // Where none is named, the media name theirs.
    let any = declared.clone().next().is_none();
    let is_declared = move |system: KeySystem| {
        // ClearKey needs nothing but ids of keys.
        any || system == KeySystem::ClearKey || declared.clone().any(|declared| declared == system)
    };
    let named = server_of(ways.clone());
    let configured = config
        .systems
        .iter()
        .filter(move |system| is_declared(system.system))
        .filter_map(move |system| {
            let mut system = system.clone();
            if system.server.is_empty() {
                system.server = named(system.system)?;
            }
            Some(system)
        });
    let named = server_of(ways);
    let others = KeySystem::ALL.into_iter().filter_map(move |system| {
        if config.systems.iter().any(|known| known.system == system) {
            return None;
        }
        Some(KeySystemConfig {
            system,
            server: named(system)?,
            ..KeySystemConfig::default()
        })
    });
    configured.chain(others)
}

/// What the manifest says of a system's licence server.
fn server_of<'a>(
    ways: impl Iterator<Item = &'a Protection> + Clone + 'a,
) -> impl Fn(KeySystem) -> Option<String> + 'a {
    move |system| {
        let mut of_system = ways
            .clone()
            .filter(|way| way.scheme != "identity" && KeySystem::of_scheme(&way.scheme) == Some(system));
        let found = of_system.find(|way| way.url.starts_with("http"))?;
        Some(found.url.clone())
    }
}

/// The encryption scheme of ISO/IEC 23001-7 that a manifest means.
fn scheme(method: &str) -> &str {
    match method {
        "SAMPLE-AES" => "cbcs",
        "SAMPLE-AES-CTR" | "SAMPLE-AES-CENC" => "cenc",
        other => other,
    }
}

impl Drm {
    pub(super) fn candidates(
        &self,
        persistent: bool,
        system: KeySystemConfig,
    ) -> Vec<(KeySystemConfig, Candidate)> {
        let widevine = system.system == KeySystem::Widevine;
        let ladder = |configured: &[String], default: &'static str| match configured {
            [] if widevine => vec![default.to_owned()],
            [] => vec![String::new()],
            configured => configured.to_vec(),
        };
        let audio = ladder(&system.audio_robustness, "SW_SECURE_CRYPTO");
        let video = ladder(&system.video_robustness, "SW_SECURE_DECODE");
        let names: Vec<String> = match system.names.as_slice() {
            [] => system
                .system
                .key_systems()
                .iter()
                .map(|n| (*n).to_owned())
                .collect(),
            names => names.to_vec(),
        };
        let mut methods = self.ways.iter().map(|way| scheme(&way.protection.method));
        let first = methods.find(|method| !method.is_empty()).unwrap_or_default();
        let mixed = methods.any(|method| !method.is_empty() && method != first);
        let webm = self
            .video
            .iter()
            .chain(&self.audio)
            .any(|mime| mime.contains("/webm"));
        let mut init_data_types = match system.system {
            KeySystem::ClearKey => vec![InitDataType::KeyIds, InitDataType::Cenc],
            KeySystem::FairPlay => vec![InitDataType::Sinf, InitDataType::Skd],
            KeySystem::PlayReady | KeySystem::Widevine => vec![InitDataType::Cenc],
        };
        if webm {
            init_data_types.push(InitDataType::Webm);
        }
        let at = |ladder: &[String], i: usize| {
            let place = i.min(ladder.len().saturating_sub(1));
            ladder.get(place).cloned().unwrap_or_default()
        };
        let mut candidates = Vec::new();
        for name in names {
            for i in 0..audio.len().max(video.len()) {
                if self.offered.len() + candidates.len() >= MAX_CANDIDATES {
                    return candidates;
                }
                let candidate = Candidate {
                    key_system: name.clone(),
                    init_data_types: init_data_types.clone(),
                    audio: self.audio.clone(),
                    video: self.video.clone(),
                    audio_robustness: at(&audio, i),
                    video_robustness: at(&video, i),
                    encryption_scheme: if mixed { "" } else { first }.to_owned(),
                    persistent,
                    persistent_state: if persistent {
                        Requirement::Required
                    } else {
                        system.persistent_state
                    },
                    distinctive_identifier: system.distinctive_identifier,
                };
                candidates.push((system.clone(), candidate));
            }
        }
        candidates
    }
}
