//! What media say of their encryption (ISO/IEC 23001-7): schemes, ids of keys, `pssh` boxes.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::MAX_TRACKS;
use super::codec::children;
use crate::base64;
use crate::drm::{KeyId, MAX_INIT_DATA};
use crate::media::boxes::{Boxes, Cursor, find};

/// `pssh` boxes of a response.
const MAX_PSSH: usize = 16;

/// How a response is encrypted, as far as its boxes say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Protected {
    /// The encrypted tracks that `moov` declares.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<ProtectedTrack>,
    /// Keys that samples of fragments have instead of their track's (sample groups `seig`): where keys rotate.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fragment_keys: Vec<KeyId>,
    /// `pssh` boxes of `moov` and of `moof`, each once, at most 16 and 64 KiB together.
    #[serde(
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "write",
        deserialize_with = "read"
    )]
    pub pssh: Vec<Vec<u8>>,
}

/// An encrypted track.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtectedTrack {
    /// `track_ID`.
    pub id: u32,
    /// The scheme (`schm`), as `cenc`, `cbcs`; empty if it is not said.
    pub scheme: String,
    /// The key (`tenc`) of samples that name no other; `None` if there is none (all zeros).
    pub key_id: Option<KeyId>,
}

impl Protected {
    /// All keys that it names.
    pub fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        let tracks = self.tracks.iter().filter_map(|track| track.key_id);
        tracks.chain(self.fragment_keys.iter().copied())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tracks.is_empty() && self.fragment_keys.is_empty() && self.pssh.is_empty()
    }

    /// Adds what an entry of a track's sample descriptions says; there may be clear ones beside it.
    pub(super) fn on_track(&mut self, id: u32, stsd: &[u8]) {
        let entries = Boxes(stsd.get(8..).unwrap_or_default());
        let mut encrypted = entries.filter(|(kind, _)| matches!(kind, b"encv" | b"enca" | b"enct" | b"encs"));
        let found = encrypted.find_map(|(_, entry)| {
            children(entry)
                .into_iter()
                .find_map(|inside| find(inside, b"sinf"))
        });
        let Some(sinf) = found.filter(|_| self.tracks.len() < MAX_TRACKS) else {
            return;
        };
        let scheme = find(sinf, b"schm").and_then(|schm| schm.get(4..8));
        let tenc = find(sinf, b"schi").and_then(|schi| find(schi, b"tenc"));
        self.tracks.push(ProtectedTrack {
            id,
            scheme: scheme
                .map(|name| String::from_utf8_lossy(name).into_owned())
                .unwrap_or_default(),
            key_id: tenc.and_then(default_key_id).filter(|id| !id.is_zero()),
        });
    }

    /// Adds what is in a `moof` and its `traf`.
    pub(super) fn on_fragment(&mut self, moof: &[u8]) {
        for (kind, body) in Boxes(moof) {
            match &kind {
                b"pssh" => self.on_pssh(body),
                b"traf" => {
                    for (_, sgpd) in Boxes(body).filter(|(kind, _)| kind == b"sgpd") {
                        let _ = self.groups(sgpd);
                    }
                }
                _ => {}
            }
        }
    }

    /// Adds a `pssh` box.
    pub(super) fn on_pssh(&mut self, body: &[u8]) {
        let mut whole = (body.len() as u32 + 8).to_be_bytes().to_vec();
        whole.extend_from_slice(b"pssh");
        whole.extend_from_slice(body);
        let bytes = self.pssh.iter().map(Vec::len).sum::<usize>() + whole.len();
        if self.pssh.len() < MAX_PSSH && bytes <= MAX_INIT_DATA && !self.pssh.contains(&whole) {
            self.pssh.push(whole);
        }
    }

    /// Adds the keys of sample groups (`CencSampleEncryptionInformationGroupEntry`, ISO/IEC 23001-7, 6).
    fn groups(&mut self, sgpd: &[u8]) -> Option<()> {
        let mut body = Cursor(sgpd);
        let (version, _) = body.full()?;
        if body.take()? != *b"seig" {
            return None;
        }
        let default_length = if version == 1 { body.u32()? } else { 0 };
        if version >= 2 {
            body.u32()?;
        }
        let count = body.u32()?;
        for _ in 0..count {
            let length = match (version, default_length) {
                (1, 0) => body.u32()?,
                (1, length) => length,
                // Without its length only what must be there can be.
                _ => 20,
            };
            let mut entry = Cursor(body.slice(usize::try_from(length).ok()?)?);
            let [_, _, is_protected, _] = entry.take()?;
            let id = entry.take().map(KeyId)?;
            let is_new = is_protected == 1 && !id.is_zero() && !self.fragment_keys.contains(&id);
            if is_new && self.fragment_keys.len() < MAX_TRACKS {
                self.fragment_keys.push(id);
            }
        }
        Some(())
    }
}

/// The key of a `tenc` box.
pub(crate) fn default_key_id(tenc: &[u8]) -> Option<KeyId> {
    KeyId::of_bytes(tenc.get(8..24)?)
}

fn write<S: Serializer>(boxes: &[Vec<u8>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(boxes.iter().map(|bytes| base64::encode(bytes)))
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Vec<u8>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let boxes = texts
        .iter()
        .take(MAX_PSSH)
        .map(|text| base64::decode(text.as_bytes(), MAX_INIT_DATA));
    let boxes: Option<Vec<_>> = boxes.collect();
    boxes.ok_or_else(|| de::Error::custom("no base64, or too much"))
}
