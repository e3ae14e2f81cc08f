//! Which initialization data a key system is given, of what manifest and media offer.

use super::playready::{self, Header};
use super::pssh;
use super::{InitData, InitDataType, KeyId, KeySystem, MAX_INIT_DATA};
use crate::base64;
use crate::presentation::Protection;

/// The scheme of URIs that have their data in them.
const DATA: &str = "data:";

impl InitData {
    /// What a manifest offers a system: its `pssh` boxes, its PlayReady object, its key URI (HLS `data:` or `skd:`); ClearKey needs no
    /// more than ids of keys. `None` if there is nothing of use: media may have more to say.
    pub fn of_manifest(system: KeySystem, protection: &Protection) -> Option<Self> {
        let declared = KeySystem::of_scheme(&protection.scheme);
        let is_own = declared == Some(system);
        let boxes = core::slice::from_ref(&protection.pssh);
        let mut ids: Vec<KeyId> = protection.key_ids.iter().copied().map(KeyId).collect();
        if !is_own {
            // Another system's description names keys, too.
            if ids.is_empty() && system == KeySystem::ClearKey && declared.is_some() {
                ids = Self::of_manifest(declared?, protection)?.key_ids();
            }
            return Self::of_media(system, boxes, &ids);
        }
        of_boxes(system, boxes)
            .or_else(|| of_object(&protection.pro).filter(|_| system == KeySystem::PlayReady))
            .or_else(|| of_uri(system, &protection.url))
            .or_else(|| Self::of_media(system, &[], &ids))
    }

    /// What media offer a system: its `pssh` boxes. ClearKey is given the ids of keys, or those that the W3C's common boxes name.
    pub fn of_media(system: KeySystem, boxes: &[Vec<u8>], key_ids: &[KeyId]) -> Option<Self> {
        if system != KeySystem::ClearKey {
            return of_boxes(system, boxes);
        }
        Self::of_key_ids(key_ids).or_else(|| {
            let common = of_boxes(system, boxes)?.key_ids();
            Self::of_key_ids(&common)
        })
    }

    /// What of this is for a system, of data of the form `cenc` that has boxes of several. Other forms are as they are.
    pub fn for_system(self, system: KeySystem) -> Option<Self> {
        match self.kind {
            InitDataType::Cenc => of_boxes(system, &[self.data]),
            _ => Some(self),
        }
    }
}

/// The boxes of a system, each once; only such that the system can read. The W3C's common ones are ClearKey's: what other systems make of
/// them differs, and a session for them beside the one for a system's own box would ask for the same keys again.
fn of_boxes(system: KeySystem, boxes: &[Vec<u8>]) -> Option<InitData> {
    let mut data = Vec::new();
    let mut taken: Vec<&[u8]> = Vec::new();
    // A box that is broken ends the boxes that it is in.
    for found in boxes.iter().flat_map(|boxes| pssh::parse(boxes)).flatten() {
        let is_own = system.system_ids().contains(&found.system_id);
        let again = taken.contains(&found.source);
        if again || !is_own || data.len() + found.source.len() > MAX_INIT_DATA {
            continue;
        }
        let alone = InitData::new(InitDataType::Cenc, found.source.to_vec());
        if alone.and_then(|alone| alone.check(system)).is_ok() {
            taken.push(found.source);
            data.extend_from_slice(found.source);
        }
    }
    let all = InitData::new(InitDataType::Cenc, data).ok();
    // Together they may name more keys than there may be.
    all.filter(|all| all.check(system).is_ok())
}

/// A PlayReady object as a box, if there is a header in it that can be used.
fn of_object(object: &[u8]) -> Option<InitData> {
    Header::of_object(object).ok()?;
    let id = KeySystem::PlayReady.system_ids().first()?;
    InitData::new(InitDataType::Cenc, pssh::write(id, &[], object)).ok()
}

/// What an HLS key URI says.
fn of_uri(system: KeySystem, uri: &str) -> Option<InitData> {
    let scheme = uri.get(..DATA.len()).unwrap_or_default();
    if !scheme.eq_ignore_ascii_case(DATA) {
        let is_key = system == KeySystem::FairPlay && super::fairplay::content_id(uri).is_some();
        let uri = uri.as_bytes().to_vec();
        return is_key
            .then(|| InitData::new(InitDataType::Skd, uri).ok())
            .flatten();
    }
    let data = data_uri(uri)?;
    if system == KeySystem::PlayReady
        && let Some(found) = of_object(&data)
    {
        return Some(found);
    }
    // A header without an object around it.
    if system == KeySystem::PlayReady && data.starts_with(b"<\0W\0") {
        return of_object(&playready::object(&playready::utf16(&data)).ok()?);
    }
    let found = InitData::detect(data).ok()?;
    match (system, found.kind) {
        (KeySystem::ClearKey, _) => InitData::of_key_ids(&found.key_ids()),
        (_, InitDataType::Cenc) => found.for_system(system),
        (KeySystem::FairPlay, InitDataType::Sinf | InitDataType::Skd) => Some(found),
        _ => None,
    }
}

/// The data of a `data:` URI (RFC 2397) in base64.
fn data_uri(uri: &str) -> Option<Vec<u8>> {
    let (head, data) = uri.split_once(',')?;
    let (_, coding) = head.rsplit_once(';')?;
    if !coding.eq_ignore_ascii_case("base64") {
        return None;
    }
    let mut text = Vec::new();
    let mut rest = data.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let Some((code, tail)) = tail.split_at_checked(2).filter(|_| byte == b'%') else {
            text.push(byte);
            continue;
        };
        rest = tail;
        let code = core::str::from_utf8(code).ok()?;
        text.push(u8::from_str_radix(code, 16).ok()?);
    }
    base64::decode(&text, MAX_INIT_DATA)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use KeySystem::{ClearKey, FairPlay, PlayReady, Widevine};

    use super::super::system::COMMON;
    use super::*;

    fn id(byte: u8) -> KeyId {
        KeyId([byte; 16])
    }

    fn widevine(byte: u8) -> Vec<u8> {
        let data = [&[0x12, 16][..], &id(byte).0].concat();
        pssh::write(&Widevine.system_ids()[0], &[], &data)
    }

    fn object(byte: u8) -> Vec<u8> {
        let id = base64::encode(&id(byte).to_guid());
        playready::object(&format!(
            "<WRMHEADER version=\"4.0.0.0\"><DATA><KID>{id}</KID></DATA></WRMHEADER>"
        ))
        .unwrap()
    }

    fn play_ready(byte: u8) -> Vec<u8> {
        pssh::write(&PlayReady.system_ids()[0], &[], &object(byte))
    }

    fn common(byte: u8) -> Vec<u8> {
        pssh::write(&COMMON, &[id(byte)], &[])
    }

    fn protection(scheme: &str) -> Protection {
        Protection {
            scheme: scheme.into(),
            ..Protection::default()
        }
    }

    fn urn(system: KeySystem) -> String {
        format!("urn:uuid:{}", KeyId(system.system_ids()[0]))
    }

    fn data_uri_of(bytes: &[u8]) -> String {
        format!("data:text/plain;charset=UTF-16;base64,{}", base64::encode(bytes))
    }

    #[test]
    fn media_offer_a_system_its_own_boxes() {
        let boxes = [
            widevine(1),
            [play_ready(1), common(1), widevine(2)].concat(),
            widevine(1),
        ];
        let of = |system| InitData::of_media(system, &boxes, &[]).unwrap();
        assert_eq!(of(Widevine).data, [widevine(1), widevine(2)].concat());
        assert_eq!(of(PlayReady).data, play_ready(1));
        assert_eq!(
            (of(ClearKey).kind, of(ClearKey).key_ids()),
            (InitDataType::KeyIds, vec![id(1)])
        );
        assert_eq!(InitData::of_media(FairPlay, &boxes, &[]), None);
        let named = InitData::of_media(ClearKey, &boxes, &[id(7)]).unwrap();
        assert_eq!(named.key_ids(), [id(7)]);
        assert_eq!(InitData::of_media(PlayReady, &[widevine(1)], &[id(1)]), None);
        assert_eq!(InitData::of_media(Widevine, &[], &[]), None);
        let all = InitData::new(InitDataType::Cenc, boxes.concat()).unwrap();
        assert_eq!(all.clone().for_system(PlayReady).unwrap().data, play_ready(1));
        assert_eq!(all.for_system(Widevine).unwrap().data, of(Widevine).data);
    }

    #[test]
    fn boxes_that_cannot_be_read_are_left_out() {
        let broken = pssh::write(&PlayReady.system_ids()[0], &[], b"x");
        let cut = &widevine(9)[..40];
        let boxes = [
            broken,
            play_ready(1),
            [widevine(1), cut.to_vec()].concat(),
            b"<html>".to_vec(),
        ];
        let of = |system| InitData::of_media(system, &boxes, &[]).map(|init| init.data);
        assert_eq!(of(PlayReady), Some(play_ready(1)));
        assert_eq!(of(Widevine), Some(widevine(1)));
        assert_eq!(of(ClearKey), None);
        // No more than there may be.
        let large = |byte| pssh::write(&Widevine.system_ids()[0], &[], &vec![byte; 40_000]);
        let found = InitData::of_media(Widevine, &[large(1), large(2), widevine(3)], &[]).unwrap();
        assert_eq!(found.data, [large(1), widevine(3)].concat());
        let many = |from: u128| {
            let ids: Vec<_> = (from..from + 600).map(|n| KeyId(n.to_be_bytes())).collect();
            pssh::write(&COMMON, &ids, &[])
        };
        assert!(InitData::of_media(ClearKey, &[many(1)], &[]).is_some());
        assert_eq!(InitData::of_media(ClearKey, &[many(1), many(601)], &[]), None);
    }

    #[test]
    fn a_dash_descriptor_offers_box_object_or_ids() {
        let mut own = protection(&urn(PlayReady));
        assert_eq!(InitData::of_manifest(PlayReady, &own), None);
        own.pro = object(1);
        assert_eq!(
            InitData::of_manifest(PlayReady, &own).unwrap().data,
            play_ready(1)
        );
        own.pssh = play_ready(2);
        assert_eq!(
            InitData::of_manifest(PlayReady, &own).unwrap().data,
            play_ready(2)
        );
        own.pssh = b"broken".to_vec();
        assert_eq!(
            InitData::of_manifest(PlayReady, &own).unwrap().data,
            play_ready(1)
        );
        assert_eq!(InitData::of_manifest(Widevine, &own), None);
        // ClearKey takes the ids of any.
        assert_eq!(InitData::of_manifest(ClearKey, &own).unwrap().key_ids(), [id(1)]);
        let general = Protection {
            key_ids: vec![id(5).0, id(6).0],
            ..protection("urn:mpeg:dash:mp4protection:2011")
        };
        assert_eq!(
            InitData::of_manifest(ClearKey, &general).unwrap().key_ids(),
            [id(5), id(6)]
        );
        assert_eq!(InitData::of_manifest(Widevine, &general), None);
        let shared = Protection {
            pssh: common(3),
            ..protection(&urn(ClearKey))
        };
        assert_eq!(InitData::of_manifest(ClearKey, &shared).unwrap().data, common(3));
        assert_eq!(InitData::of_manifest(Widevine, &shared), None);
        let url = Protection {
            url: "https://l.example/".into(),
            ..general
        };
        assert_eq!(
            InitData::of_manifest(ClearKey, &url).unwrap().key_ids(),
            [id(5), id(6)]
        );
    }

    #[test]
    fn an_hls_key_offers_its_uri() {
        let of = |system, format: &str, url: String| {
            let key = Protection {
                url,
                ..protection(format)
            };
            InitData::of_manifest(system, &key)
        };
        let data =
            |system, format: &str, bytes: &[u8]| of(system, format, data_uri_of(bytes)).map(|init| init.data);
        assert_eq!(data(Widevine, &urn(Widevine), &widevine(1)), Some(widevine(1)));
        assert_eq!(data(Widevine, &urn(Widevine), b"broken, or something else"), None);
        for bytes in [object(1), play_ready(1), object(1)[10..].to_vec()] {
            assert_eq!(
                data(PlayReady, "com.microsoft.playready", &bytes),
                Some(play_ready(1))
            );
        }
        for format in ["identity", "org.w3.clearkey"] {
            let found = of(ClearKey, format, data_uri_of(&id(4).0)).unwrap();
            assert_eq!((found.kind, found.key_ids()), (InitDataType::KeyIds, vec![id(4)]));
        }
        let skd = of(FairPlay, "com.apple.streamingkeydelivery", "skd://film".into()).unwrap();
        assert_eq!(
            (skd.kind, skd.data.as_slice()),
            (InitDataType::Skd, &b"skd://film"[..])
        );
        assert_eq!(
            of(FairPlay, "com.apple.streamingkeydelivery", "https://h/k".into()),
            None
        );
        assert_eq!(of(Widevine, &urn(Widevine), "skd://film".into()), None);
        // Others' data name keys, too.
        let others = of(ClearKey, &urn(Widevine), data_uri_of(&widevine(2))).unwrap();
        assert_eq!(others.key_ids(), [id(2)]);
    }

    #[test]
    fn data_uris_are_base64() {
        assert_eq!(data_uri("data:;base64,AAA%3D").unwrap(), [0, 0]);
        assert_eq!(data_uri("DATA:text/plain;BASE64,%41AA=").unwrap(), [0, 0]);
        for bad in [
            "data:,x",
            "data:text/plain,AAAA",
            "data:;base64",
            "data:;base64,%zz",
            "data:;base64,*",
            "data:;base64,%4",
        ] {
            assert_eq!(data_uri(bad), None, "{bad}");
        }
        let huge = data_uri_of(&vec![0; 1 << 20]);
        assert_eq!(data_uri(&huge), None);
    }
}
