//! Initialization data: what a key session begins with.

use core::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::clearkey::{self, Request};
use super::{DrmFormatError, KeyId, KeySystem, MAX_INIT_DATA, Result, fairplay, playready, pssh, widevine};
use crate::base64;
use crate::manifest::json::Json;
use crate::media::boxes::find;
use crate::media::fmp4::default_key_id;

const WHAT: &str = "initialization data";

/// The form of initialization data (*Encrypted Media Extensions Initialization Data Format Registry*; `sinf` and `skd` are Apple's).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InitDataType {
    /// `pssh` boxes, one after the other.
    Cenc,
    /// JSON: `{"kids":["…"]}`.
    KeyIds,
    /// JSON: `{"sinf":["…"]}`, base64 of the boxes of a protected sample entry.
    Sinf,
    /// A URI.
    Skd,
    /// The id of a key.
    Webm,
}

/// Initialization data. It is no secret; but it is long, and [`Debug`] tells its length alone.
///
/// The same data are the same session: [`PartialEq`] and [`Hash`] are of the bytes.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct InitData {
    /// Its form.
    #[serde(rename = "type")]
    pub kind: InitDataType,
    /// What it is; base64 where it is written.
    #[serde(serialize_with = "write", deserialize_with = "read")]
    pub data: Vec<u8>,
}

impl InitDataType {
    /// The name in EME.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cenc => "cenc",
            Self::KeyIds => "keyids",
            Self::Sinf => "sinf",
            Self::Skd => "skd",
            Self::Webm => "webm",
        }
    }

    /// The form with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Cenc, Self::KeyIds, Self::Sinf, Self::Skd, Self::Webm]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

impl InitData {
    /// Of what a browser, a manifest or media say.
    ///
    /// # Errors
    /// If it has not this form, or is larger than [`MAX_INIT_DATA`]. What only one system reads of it is not looked at: see
    /// [`check`](Self::check).
    pub fn new(kind: InitDataType, data: Vec<u8>) -> Result<Self> {
        super::within(data.len(), MAX_INIT_DATA, WHAT)?;
        if data.is_empty() {
            return Err(DrmFormatError::malformed(WHAT, "it is empty"));
        }
        match kind {
            InitDataType::Cenc => pssh::parse(&data).try_for_each(|found| found.map(drop))?,
            InitDataType::KeyIds => drop(Request::parse(&data)?),
            InitDataType::Sinf => drop(sinf(&data)?),
            InitDataType::Skd if core::str::from_utf8(&data).is_err() => {
                return Err(DrmFormatError::malformed("a key URI", "it is not UTF-8"));
            }
            InitDataType::Skd | InitDataType::Webm => {}
        }
        Ok(Self { kind, data })
    }

    /// Of data whose form nobody tells: `pssh` boxes, JSON, a URI (`skd:`), or the id of a key.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn detect(data: Vec<u8>) -> Result<Self> {
        let is_json = data.trim_ascii_start().first() == Some(&b'{');
        let kind = match data.as_slice() {
            [_, _, _, _, b'p', b's', b's', b'h', ..] => InitDataType::Cenc,
            json if is_json && scan::contains(json, b"\"sinf\"") => InitDataType::Sinf,
            _ if is_json => InitDataType::KeyIds,
            [b's' | b'S', b'k' | b'K', b'd' | b'D', b':', ..] => InitDataType::Skd,
            id if id.len() == 16 => InitDataType::Webm,
            long if long.len() > MAX_INIT_DATA => InitDataType::Cenc,
            _ => return Err(DrmFormatError::Unknown),
        };
        Self::new(kind, data)
    }

    /// Of the form `keyids`; `None` of no keys.
    pub fn of_key_ids(ids: &[KeyId]) -> Option<Self> {
        let data = clearkey::key_ids_json(ids).into_bytes();
        Self::new(InitDataType::KeyIds, data).ok()
    }

    /// The keys that it names; none where it does not say, or not in a way that can be read.
    pub fn key_ids(&self) -> Vec<KeyId> {
        let mut ids = Vec::new();
        // What one system does not understand is no obstacle to others.
        for system in KeySystem::ALL {
            let _ = self.collect(system, &mut ids);
        }
        ids
    }

    /// The keys that it names to a system.
    ///
    /// # Errors
    /// If what that system reads of it is malformed, or names no key where it must.
    pub fn check(&self, system: KeySystem) -> Result<Vec<KeyId>> {
        let mut ids = Vec::new();
        self.collect(system, &mut ids)?;
        Ok(ids)
    }

    fn collect(&self, system: KeySystem, ids: &mut Vec<KeyId>) -> Result<()> {
        match self.kind {
            InitDataType::Cenc => {
                for found in pssh::parse(&self.data) {
                    let found = found?;
                    if !system.system_ids().contains(&found.system_id) {
                        continue;
                    }
                    for id in found.key_ids() {
                        super::add(ids, id)?;
                    }
                    let inside = match system {
                        KeySystem::PlayReady => playready::Header::of_object(found.data)?.key_ids,
                        KeySystem::Widevine => widevine::data(found.data)?.key_ids,
                        KeySystem::ClearKey | KeySystem::FairPlay => Vec::new(),
                    };
                    for id in inside {
                        super::add(ids, id)?;
                    }
                }
            }
            InitDataType::KeyIds => {
                for id in Request::parse(&self.data)?.key_ids {
                    super::add(ids, id)?;
                }
            }
            InitDataType::Sinf => {
                for id in sinf(&self.data)? {
                    super::add(ids, id)?;
                }
            }
            InitDataType::Skd => {
                let uri = core::str::from_utf8(&self.data).ok();
                if let Some(id) = uri.and_then(fairplay::key_id) {
                    super::add(ids, id)?;
                }
            }
            InitDataType::Webm => {
                if let Some(id) = KeyId::of_bytes(&self.data) {
                    super::add(ids, id)?;
                }
            }
        }
        Ok(())
    }
}

/// The key ids (`tenc`) of protected sample entries.
fn sinf(json: &[u8]) -> Result<Vec<KeyId>> {
    const SINF: &str = "initialization data of the form sinf";
    let bad = DrmFormatError::malformed(SINF, "it is not the JSON that it should be");
    let text = core::str::from_utf8(json).map_err(|_| bad)?;
    let mut ids = Vec::new();
    let mut result = Ok(());
    let mut json = Json::new(text);
    json.object(&mut |json, name| match name {
        "sinf" => json.array(&mut |json| {
            let boxes = base64::decode(json.string()?.as_bytes(), MAX_INIT_DATA).unwrap_or_default();
            // With the box around them, or without.
            let inside = find(&boxes, b"sinf").unwrap_or(&boxes);
            let tenc = find(inside, b"schi").and_then(|schi| find(schi, b"tenc"));
            let added = match tenc.and_then(default_key_id) {
                Some(id) => super::add(&mut ids, id),
                None => Err(DrmFormatError::malformed(SINF, "it has no tenc box")),
            };
            result = result.and(added);
            Ok(())
        }),
        _ => json.skip(),
    })
    .and_then(|()| json.end())
    .map_err(|_| bad)?;
    result.map(|()| ids)
}

impl fmt::Debug for InitData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InitData({}, {} bytes)", self.kind.name(), self.data.len())
    }
}

fn write<S: Serializer>(bytes: &[u8], serializer: S) -> core::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&base64::encode(bytes))
}

fn read<'de, D: Deserializer<'de>>(deserializer: D) -> core::result::Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    base64::decode(text.as_bytes(), MAX_INIT_DATA).ok_or_else(|| de::Error::custom("no base64, or too much"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::pssh::write as boxed;
    use super::*;

    const ID: &str = "00112233445566778899aabbccddeeff";

    fn id() -> KeyId {
        KeyId::parse(ID).unwrap()
    }

    fn tenc() -> Vec<u8> {
        let mut tenc = vec![0, 0, 0, 32, b't', b'e', b'n', b'c', 0, 0, 0, 0, 0, 0, 1, 8];
        tenc.extend(id().0);
        let mut schi = vec![0, 0, 0, 40, b's', b'c', b'h', b'i'];
        schi.extend(tenc);
        schi
    }

    fn sinf_of(boxes: &[u8]) -> Vec<u8> {
        format!("{{\"sinf\":[\"{}\"]}}", base64::encode(boxes)).into_bytes()
    }

    #[test]
    fn it_is_written_as_base64_and_shown_by_its_length() {
        let data = InitData::of_key_ids(&[id()]).unwrap();
        let json = crate::json::to_string(&data);
        assert_eq!(
            json,
            r#"{"type":"keyids","data":"eyJraWRzIjpbIkFCRWlNMFJWWm5lSW1hcTd6TjN1X3ciXX0="}"#
        );
        assert_eq!(serde_json::from_str::<InitData>(&json).unwrap(), data);
        assert_eq!(format!("{data:?}"), "InitData(keyids, 35 bytes)");
        for bad in ["*", "", &"AAAA".repeat(30_000)] {
            let json = format!("{{\"type\":\"cenc\",\"data\":\"{bad}\"}}");
            assert!(serde_json::from_str::<InitData>(&json).is_err());
        }
    }

    #[test]
    fn forms_have_the_names_of_eme() {
        for name in ["cenc", "keyids", "sinf", "skd", "webm"] {
            assert_eq!(InitDataType::from_name(name).unwrap().name(), name);
        }
        assert_eq!(InitDataType::from_name("CENC"), None);
    }

    #[test]
    fn every_form_is_told_and_names_its_keys() {
        let common = boxed(
            &KeySystem::ClearKey.system_ids()[0][..].try_into().unwrap(),
            &[id()],
            &[],
        );
        let box_and_all = [&[0, 0, 0, 48, b's', b'i', b'n', b'f'][..], &tenc()].concat();
        for (data, kind) in [
            (common, InitDataType::Cenc),
            (InitData::of_key_ids(&[id()]).unwrap().data, InitDataType::KeyIds),
            (sinf_of(&tenc()), InitDataType::Sinf),
            (sinf_of(&box_and_all), InitDataType::Sinf),
            (format!("skd://{ID}").into_bytes(), InitDataType::Skd),
            (id().0.to_vec(), InitDataType::Webm),
        ] {
            let found = InitData::detect(data).unwrap();
            assert_eq!((found.kind, found.key_ids()), (kind, vec![id()]));
        }
        assert_eq!(InitData::detect(b"skd://film".to_vec()).unwrap().key_ids(), []);
        assert_eq!(InitData::new(InitDataType::Webm, vec![1]).unwrap().key_ids(), []);
        assert_eq!(InitData::detect(b"what".to_vec()), Err(DrmFormatError::Unknown));
        assert_eq!(InitData::of_key_ids(&[]), None);
    }

    #[test]
    fn a_system_is_asked_for_its_own_boxes_alone() {
        let [widevine, play_ready] =
            [KeySystem::Widevine, KeySystem::PlayReady].map(|system| system.system_ids()[0]);
        let mut data = boxed(&widevine, &[], &[&[0x12, 16][..], &id().0].concat());
        data.extend(boxed(&play_ready, &[], b"no object"));
        let init = InitData::new(InitDataType::Cenc, data).unwrap();
        assert_eq!(init.key_ids(), [id()]);
        assert_eq!(init.check(KeySystem::Widevine), Ok(vec![id()]));
        assert_eq!(init.check(KeySystem::ClearKey), Ok(vec![]));
        assert!(matches!(
            init.check(KeySystem::PlayReady),
            Err(DrmFormatError::Malformed { .. })
        ));
    }

    #[test]
    fn what_has_not_its_form_or_is_too_large_is_refused() {
        for (kind, bad) in [
            (InitDataType::Cenc, &b"<html>"[..]),
            (InitDataType::KeyIds, b"{\"kids\":[]}"),
            (InitDataType::KeyIds, b"{\"sinf\":[]}"),
            (InitDataType::Sinf, b"{\"sinf\":[1]}"),
            (InitDataType::Sinf, b"{\"sinf\":[\"AAAA\"]}"),
            (InitDataType::Skd, b"skd://\xff"),
            (InitDataType::Webm, b""),
        ] {
            assert!(InitData::new(kind, bad.to_vec()).is_err(), "{kind:?}");
        }
        let too_large = Err(DrmFormatError::TooLarge {
            what: WHAT,
            limit: MAX_INIT_DATA,
        });
        let huge = boxed(&[1; 16], &[], &vec![0; 1 << 20]);
        assert_eq!(InitData::detect(huge.clone()), too_large);
        for kind in ["cenc", "keyids", "sinf", "skd", "webm"] {
            let kind = InitDataType::from_name(kind).unwrap();
            assert_eq!(InitData::new(kind, huge.clone()), too_large);
        }
        assert_eq!(InitData::detect(vec![0; 1 << 20]), too_large);
        let ids: Vec<_> = (1..2000_u128).map(|n| KeyId(n.to_be_bytes())).collect();
        let many = boxed(&KeySystem::ClearKey.system_ids()[0], &ids, &[]);
        let many = InitData::new(InitDataType::Cenc, many).unwrap();
        assert!(matches!(
            many.check(KeySystem::ClearKey),
            Err(DrmFormatError::TooLarge { .. })
        ));
        assert_eq!(many.key_ids().len(), super::super::MAX_KEY_IDS);
    }
}
