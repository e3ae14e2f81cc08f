//! Encryption and keys.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use super::cenc::{ChunkKey, TrackEncryption};
use super::signal::Signal;
use super::{ContentKey, KeyId, KeyPlan, Licensing, Scheme, playready};
use crate::cmaf::write_chunk;
use crate::fuzzing::{Sample, chunk};

/// A track that is encrypted with one key.
pub struct Encryption {
    track: TrackEncryption,
    key: ContentKey,
    is_rotated: bool,
    /// The encrypted sample entry.
    pub entry: Vec<u8>,
}

impl Encryption {
    pub fn new(
        entry: &[u8],
        scheme: Scheme,
        key: ContentKey,
        is_rotated: bool,
        ordinal: u32,
    ) -> Result<Self, String> {
        let default = (!is_rotated).then_some(&key);
        let track = TrackEncryption::new(entry, scheme, default, ordinal)?;
        let entry = track.entries(entry, false)?.swap_remove(0);
        Ok(Self {
            track,
            key,
            is_rotated,
            entry,
        })
    }

    /// `moof` and `mdat`.
    pub fn fragment(&mut self, samples: &[Sample<'_>]) -> Result<Vec<u8>, String> {
        let mut chunk = chunk(0, samples);
        let key = match self.is_rotated {
            true => ChunkKey::Rotated(&self.key, Vec::new()),
            false => ChunkKey::Default(&self.key, Vec::new()),
        };
        let fragment = self.track.encrypt(&mut chunk, &key)?;
        let mut out = Vec::new();
        write_chunk(&chunk, Some(&fragment), &mut out)?;
        Ok(out)
    }
}

pub fn keys(scheme: Scheme, text: &str) -> Result<KeyPlan, String> {
    KeyPlan::parse(scheme, text)
}

pub fn key_file(plan: &KeyPlan) -> String {
    plan.to_json().expect("numbers and texts")
}

/// What is said of a key: `pssh` boxes, a PlayReady object, lines of a playlist.
pub fn said(
    scheme: Scheme,
    key: &ContentKey,
    ids: &[KeyId],
    licensing: &Licensing,
) -> (Vec<Vec<u8>>, Vec<u8>, Vec<String>) {
    let signal = Signal {
        scheme,
        key,
        ids,
        licensing,
    };
    let object = playready::object(scheme, &[*key], licensing.playready_url.as_deref());
    let lines = signal.hls_keys().iter().map(|tag| tag.key_tag()).collect();
    (signal.pssh(), object, lines)
}
