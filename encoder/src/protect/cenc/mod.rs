//! Common Encryption (ISO/IEC 23001-7) of one track: samples in place, and the boxes that tell how.
//!
//! [`TrackEncryption`] is made from the clear sample entry. It wraps that entry as `encv` or `enca`, encrypts one chunk after the
//! other, and gives for each the boxes that its `moof` needs ([`Fragment`]).
//!
//! Where keys rotate, each fragment names its key in a sample group (`seig`). Where the beginning is clear, the init segment has
//! the clear sample entry too, as the second one, and clear fragments refer to it: unlike a sample group that says "not
//! protected", every reader tried understands that.

mod boxes;
mod cipher;
mod subsamples;

pub(crate) use boxes::Fragment;
pub(crate) use subsamples::{avc_sets, hevc_sets};

use self::boxes::{Defaults, senc_entry};
use self::cipher::{CounterIv, encrypt_cbcs, encrypt_cenc};
use self::subsamples::{Layout, SubsampleMap};
use super::Scheme;
use super::keys::{ContentKey, Iv, KeyId, random};
use crate::cmaf::Chunk;

/// One track's encryption, from its first segment to its last. It follows the parameter sets and reference frames of the
/// stream, so chunks must come in order.
pub(crate) struct TrackEncryption {
    scheme: Scheme,
    map: SubsampleMap,
    defaults: Defaults,
    /// The next sample's, under `cenc`.
    counter: CounterIv,
}

/// What one chunk is encrypted with.
#[derive(Clone, Debug)]
pub(crate) enum ChunkKey<'a> {
    /// Nothing.
    Clear,
    /// The key that the init segment names. The `pssh` boxes are put into the chunk.
    Default(&'a ContentKey, Vec<Vec<u8>>),
    /// Another one, which the chunk names.
    Rotated(&'a ContentKey, Vec<Vec<u8>>),
}

impl TrackEncryption {
    /// Encryption of the track with this clear sample entry box. `default` is the key that the init segment names, none where
    /// keys rotate. `ordinal` tells apart tracks that share a key, so that none reuses another's initialization vectors.
    pub(crate) fn new(
        entry: &[u8],
        scheme: Scheme,
        default: Option<&ContentKey>,
        ordinal: u32,
    ) -> Result<Self, String> {
        let map = SubsampleMap::new(entry)?;
        let given = default.and_then(|key| key.iv);
        let counter = match given {
            Some(iv) => CounterIv::from_given(iv, ordinal),
            None => CounterIv::random(random().map_err(|error| error.to_string())?),
        };
        let defaults = Defaults {
            scheme,
            is_pattern: !map.is_whole(),
            id: default.map_or(KeyId::default(), |key| key.id),
            iv_bytes: counter.size(),
            constant_iv: constant_iv(given),
        };
        Ok(Self {
            scheme,
            map,
            defaults,
            counter,
        })
    }

    /// The sample entries of the encrypted track, from its clear one; that comes second where some of its chunks are clear.
    pub(crate) fn entries(&self, clear: &[u8], has_clear_chunks: bool) -> Result<Vec<Vec<u8>>, String> {
        let mut entries = vec![boxes::protected_entry(
            clear,
            self.map.is_picture(),
            &self.defaults,
        )?];
        entries.extend(has_clear_chunks.then(|| clear.to_vec()));
        Ok(entries)
    }

    /// Encrypts a chunk's samples and gives the boxes for its `moof`.
    pub(crate) fn encrypt(&mut self, chunk: &mut Chunk, key: &ChunkKey<'_>) -> Result<Fragment, String> {
        let (content_key, pssh) = match key {
            ChunkKey::Clear => (None, Vec::new()),
            ChunkKey::Default(key, pssh) | ChunkKey::Rotated(key, pssh) => (Some(*key), pssh.clone()),
        };
        let group = matches!(key, ChunkKey::Rotated(..))
            .then_some(content_key)
            .flatten();
        let group = group.map(|key| Defaults {
            id: key.id,
            constant_iv: constant_iv(key.iv),
            ..self.defaults
        });
        let mut fragment = Fragment::new(chunk.samples.len(), group.as_ref(), pssh);
        let iv = constant_iv(content_key.and_then(|key| key.iv));
        let mut rest = chunk.data.as_mut_slice();
        for (sample, number) in chunk.samples.iter().zip(1..) {
            let (bytes, after) = std::mem::take(&mut rest)
                .split_at_mut_checked(sample.size as usize)
                .ok_or_else(|| format!("sample {number} of chunk {} is not there", chunk.sequence))?;
            rest = after;
            // Clear samples are read too: they may carry parameter sets and references.
            let layout = self.map.map(bytes, self.scheme)?;
            let Some(key) = content_key else { continue };
            let entry = match self.scheme {
                Scheme::Cbcs => {
                    encrypt_cbcs(bytes, &layout, &key.key, &iv);
                    senc_entry(&[], &layout)?
                }
                Scheme::Cenc => {
                    let blocks = encrypt_cenc(bytes, &layout, &key.key, &self.counter);
                    let entry = senc_entry(self.counter.bytes(), &layout)?;
                    self.counter.advance(blocks);
                    entry
                }
            };
            fragment.push(&entry, matches!(layout, Layout::Subsamples(_)));
        }
        Ok(fragment)
    }
}

/// The vector of `cbcs`; keys that come from a [`KeyPlan`](super::KeyPlan) have one.
fn constant_iv(iv: Option<Iv>) -> [u8; 16] {
    match iv {
        Some(Iv::Sixteen(bytes)) => bytes,
        _ => [0; 16],
    }
}

#[cfg(test)]
mod tests;
