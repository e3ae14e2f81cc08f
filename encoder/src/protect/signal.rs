//! What playlists, manifests and init segments say of keys.
//!
//! - HLS: one `EXT-X-KEY` for each system, in force until the next of the same `KEYFORMAT`; `EXT-X-SESSION-KEY` lines with the
//!   same attributes let players ask for licences early.
//! - DASH: `ContentProtection` elements of an adaptation set. Where keys rotate, identifiers and `pssh` are in the segments alone.

use std::borrow::Cow;
use std::fmt::Write as _;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use super::keys::{ContentKey, KeyId, hex};
use super::pssh::{self, System};
use super::{Scheme, playready};
use crate::error::EncodeError;

/// Who gives out keys, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Licensing {
    /// The systems that are named.
    pub systems: Vec<System>,
    /// A licence server of W3C ClearKey, for DASH.
    pub clear_key_url: Option<String>,
    /// FairPlay's URI, by default `skd://{kid}`. `{kid}` stands for the key's identifier.
    pub fairplay_uri: Option<String>,
    /// Where the bare key is (HLS `KEYFORMAT="identity"`); `{kid}` stands for its identifier. Whoever may read it can play.
    pub key_url: Option<String>,
    /// A PlayReady licence server.
    pub playready_url: Option<String>,
    /// A Widevine licence server, for DASH.
    pub widevine_url: Option<String>,
}

impl Licensing {
    /// Refuses addresses that do not fit where they are written: a line of a playlist, XML, and a PlayReady header, whose size has 16
    /// bits.
    ///
    /// # Errors
    /// [`EncodeError::BadOption`], without the address: it may hold a secret.
    pub fn check(&self) -> Result<(), EncodeError> {
        let given = [
            ("--licence-url", &self.clear_key_url),
            ("--licence-url", &self.playready_url),
            ("--licence-url", &self.widevine_url),
            ("--fairplay-uri", &self.fairplay_uri),
            ("--key-url", &self.key_url),
        ];
        let is_bad = |url: &str| {
            !(1..=MAX_URL_BYTES).contains(&url.len())
                || url.contains(|c: char| {
                    c.is_control() || c.is_whitespace() || "\"<>\u{fffe}\u{ffff}".contains(c)
                })
        };
        let bad = given
            .into_iter()
            .find(|(_, url)| url.as_deref().is_some_and(is_bad));
        match bad {
            Some((option, _)) => Err(EncodeError::BadOption {
                option,
                value: "…".to_owned(),
                reason: format!("use a URL of at most {MAX_URL_BYTES} bytes without blanks and quotes"),
            }),
            None => Ok(()),
        }
    }
}

/// What is said of one rendition, in one crypto period.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signal<'a> {
    pub(crate) scheme: Scheme,
    /// The rendition's key.
    pub(crate) key: &'a ContentKey,
    /// The identifiers of all keys of the period, so that one licence serves all renditions.
    pub(crate) ids: &'a [KeyId],
    pub(crate) licensing: &'a Licensing,
}

/// The attributes of an `EXT-X-KEY` or `EXT-X-SESSION-KEY` tag (RFC 8216bis §4.4.4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HlsKey {
    pub(crate) method: Cow<'static, str>,
    pub(crate) uri: String,
    pub(crate) iv: Option<[u8; 16]>,
    pub(crate) key_format: Option<Cow<'static, str>>,
    /// Not of the standard; players for Widevine read it.
    pub(crate) key_id: Option<KeyId>,
}

/// A `ContentProtection` element (ISO/IEC 23009-1 §5.8.4.1, ISO/IEC 23001-7 §11).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ContentProtection {
    pub(crate) scheme_id_uri: String,
    pub(crate) value: Option<Cow<'static, str>>,
    pub(crate) default_kid: Option<KeyId>,
    pub(crate) pssh: Option<Vec<u8>>,
    /// `mspr:pro`.
    pub(crate) playready_object: Option<Vec<u8>>,
    /// `dashif:Laurl`.
    pub(crate) licence_url: Option<String>,
}

/// The namespaces of what is in [`ContentProtection`] elements, as attributes of `MPD`.
pub(crate) const NAMESPACES: [(&str, &str); 3] = [
    ("xmlns:cenc", "urn:mpeg:cenc:2013"),
    ("xmlns:dashif", "https://dashif.org/CPS"),
    ("xmlns:mspr", "urn:microsoft:playready"),
];

/// The tag of segments that are not encrypted; only needed after others were.
pub(crate) const HLS_CLEAR: &str = "#EXT-X-KEY:METHOD=NONE";

impl Signal<'_> {
    /// The key tags of CMAF segments.
    pub(crate) fn hls_keys(&self) -> Vec<HlsKey> {
        let method = match self.scheme {
            Scheme::Cbcs => "SAMPLE-AES",
            Scheme::Cenc => "SAMPLE-AES-CTR",
        };
        let tag = |uri: String, key_format: &'static str| HlsKey {
            method: method.into(),
            uri,
            iv: None,
            key_format: Some(key_format.into()),
            key_id: None,
        };
        let data = |bytes: &[u8]| format!("data:text/plain;base64,{}", BASE64_STANDARD.encode(bytes));
        let mut tags = Vec::new();
        for system in &self.licensing.systems {
            match system {
                System::Common => {
                    // Its data is no more than the identifier, which hls.js looks for at the beginning.
                    tags.push(tag(data(&self.key.id.0), "org.w3.clearkey"));
                }
                System::FairPlay if self.scheme == Scheme::Cbcs => {
                    let uri = self.licensing.fairplay_uri.as_deref().unwrap_or("skd://{kid}");
                    tags.push(tag(self.with_kid(uri), "com.apple.streamingkeydelivery"));
                }
                System::FairPlay => {}
                System::PlayReady => {
                    let object = BASE64_STANDARD.encode(self.playready_object());
                    let uri = format!("data:text/plain;charset=UTF-16;base64,{object}");
                    tags.push(tag(uri, "com.microsoft.playready"));
                }
                System::Widevine => {
                    let uri = data(&self.pssh_of(*system).unwrap_or_default());
                    tags.push(HlsKey {
                        key_id: Some(self.key.id),
                        ..tag(uri, "urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed")
                    });
                }
            }
        }
        if let Some(url) = &self.licensing.key_url {
            tags.push(tag(self.with_kid(url), "identity"));
        }
        tags
    }

    /// The elements of an adaptation set whose renditions all have this key.
    pub(crate) fn content_protections(&self, is_rotating: bool) -> Vec<ContentProtection> {
        let mut elements = vec![ContentProtection {
            scheme_id_uri: "urn:mpeg:dash:mp4protection:2011".to_owned(),
            value: Some(self.scheme.fourcc().into()),
            default_kid: (!is_rotating).then_some(self.key.id),
            ..Default::default()
        }];
        let licensing = self.licensing;
        for system in &licensing.systems {
            let (value, licence_url) = match system {
                System::Common => (None, &licensing.clear_key_url),
                System::FairPlay if self.scheme == Scheme::Cenc => continue,
                System::FairPlay => (None, &None),
                System::PlayReady => (Some("MSPR 2.0".into()), &licensing.playready_url),
                System::Widevine => (None, &licensing.widevine_url),
            };
            let is_playready = *system == System::PlayReady;
            elements.push(ContentProtection {
                scheme_id_uri: format!("urn:uuid:{}", system.id().uuid()),
                value,
                default_kid: None,
                pssh: self.pssh_of(*system).filter(|_| !is_rotating),
                playready_object: (is_playready && !is_rotating).then(|| self.playready_object()),
                licence_url: licence_url.clone(),
            });
            if *system == System::Common && licensing.clear_key_url.is_some() {
                elements.push(ContentProtection {
                    scheme_id_uri: CLEAR_KEY.to_owned(),
                    value: Some("ClearKey1.0".into()),
                    licence_url: licensing.clear_key_url.clone(),
                    ..Default::default()
                });
            }
        }
        elements
    }

    /// The `pssh` boxes, for `moov` or, where keys rotate, for `moof`.
    pub(crate) fn pssh(&self) -> Vec<Vec<u8>> {
        let systems = self.licensing.systems.iter();
        systems.filter_map(|system| self.pssh_of(*system)).collect()
    }

    fn pssh_of(&self, system: System) -> Option<Vec<u8>> {
        let url = self.licensing.playready_url.as_deref();
        pssh::pssh(system, self.scheme, self.ids, self.key, url)
    }

    fn playready_object(&self) -> Vec<u8> {
        playready::object(self.scheme, &[*self.key], self.licensing.playready_url.as_deref())
    }

    fn with_kid(&self, uri: &str) -> String {
        uri.replace("{kid}", &self.key.id.to_string())
    }
}

const MAX_URL_BYTES: usize = 4096;
/// DASH-IF's identifier of W3C ClearKey with a licence server.
const CLEAR_KEY: &str = "urn:uuid:e2719d58-a985-b3c9-781a-b030af78d30e";

impl HlsKey {
    /// The tag that stands before the first segment it is for.
    pub(crate) fn key_tag(&self) -> String {
        format!("#EXT-X-KEY:{}", self.attributes())
    }

    /// The tag of the multivariant playlist.
    pub(crate) fn session_key_tag(&self) -> String {
        format!("#EXT-X-SESSION-KEY:{}", self.attributes())
    }

    fn attributes(&self) -> String {
        let uri = quoted(&self.uri);
        let mut list = format!("METHOD={},URI=\"{uri}\"", self.method);
        if let Some(id) = &self.key_id {
            let _ = write!(list, ",KEYID=0x{id}");
        }
        if let Some(iv) = &self.iv {
            let _ = write!(list, ",IV=0x{}", hex(iv));
        }
        if let Some(format) = &self.key_format {
            let _ = write!(list, ",KEYFORMAT=\"{format}\",KEYFORMATVERSIONS=\"1\"");
        }
        list
    }
}

/// The distinct session keys of these tags, in their order.
pub(crate) fn session_keys<'a>(keys: impl IntoIterator<Item = &'a HlsKey>) -> Vec<String> {
    let mut lines = Vec::new();
    for key in keys {
        let line = key.session_key_tag();
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines
}

/// A quoted string of a playlist has no quotes and no line ends in it.
fn quoted(text: &str) -> String {
    text.replace('"', "%22").replace('\n', "%0A").replace('\r', "%0D")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn key() -> ContentKey {
        ContentKey {
            id: "00112233445566778899aabbccddeeff".parse().unwrap(),
            key: "0123456789abcdef0123456789abcdef".parse().unwrap(),
            iv: None,
        }
    }

    fn licensing() -> Licensing {
        Licensing {
            systems: vec![
                System::Common,
                System::FairPlay,
                System::PlayReady,
                System::Widevine,
            ],
            clear_key_url: Some("https://l.example/ck?a=1&b=2".to_owned()),
            key_url: Some("https://l.example/keys/{kid}".to_owned()),
            ..Licensing::default()
        }
    }

    #[test]
    fn addresses_must_fit_where_they_are_written() {
        assert!(licensing().check().is_ok());
        for url in ["", "a b", "https://l.example/\"", "skd://\n", &"x".repeat(40_000)] {
            let bad = Licensing {
                playready_url: Some(url.to_owned()),
                ..licensing()
            };
            let error = bad.check().unwrap_err().to_string();
            assert!(error.starts_with("--licence-url \"…\""), "{error}");
        }
        let longest = Licensing {
            playready_url: Some("&".repeat(4096)),
            ..licensing()
        };
        assert!(longest.check().is_ok());
        let object = playready::object(Scheme::Cbcs, &[key()], longest.playready_url.as_deref());
        assert_eq!(
            usize::from(u16::from_le_bytes([object[8], object[9]])),
            object.len() - 10
        );
    }

    fn signal<'a>(
        scheme: Scheme,
        key: &'a ContentKey,
        ids: &'a [KeyId],
        licensing: &'a Licensing,
    ) -> Signal<'a> {
        Signal {
            scheme,
            key,
            ids,
            licensing,
        }
    }

    #[test]
    fn hls_has_a_tag_for_each_system() {
        let (key, licensing) = (key(), licensing());
        let ids = ["ffeeddccbbaa99887766554433221100".parse().unwrap(), key.id];
        let tags = signal(Scheme::Cbcs, &key, &ids, &licensing).hls_keys();
        let lines: Vec<_> = tags.iter().map(HlsKey::key_tag).collect();
        assert_eq!(lines.len(), 5);
        assert!(
            lines
                .iter()
                .all(|line| line.starts_with("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\""))
        );
        assert!(
            lines[0].contains("base64,ABEiM0RVZneImaq7zN3u/w==\",KEYFORMAT=\"org.w3.clearkey\""),
            "{}",
            lines[0]
        );
        assert!(lines[1].contains("URI=\"skd://00112233445566778899aabbccddeeff\",KEYFORMAT=\"com.apple.streamingkeydelivery\",KEYFORMATVERSIONS=\"1\""));
        assert!(
            lines[2].contains("charset=UTF-16;base64,vgEAAAEAAQ"),
            "{}",
            lines[2]
        );
        // As shaka-packager 3.8.0 wrote it.
        assert_eq!(
            lines[3],
            "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"data:text/plain;base64,AAAASnBzc2gAAAAA7e+LqXnWSs6jyCfc1R0h7QAAACoSEP/u3cy7qpmId2ZVRDMiEQASEAARIjNEVWZ3iJmqu8zd7v9I88aJmwY=\",KEYID=0x00112233445566778899aabbccddeeff,KEYFORMAT=\"urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed\",KEYFORMATVERSIONS=\"1\""
        );
        assert!(
            lines[4]
                .contains("https://l.example/keys/00112233445566778899aabbccddeeff\",KEYFORMAT=\"identity\"")
        );
        let cenc = signal(Scheme::Cenc, &key, &ids, &licensing).hls_keys();
        assert_eq!(cenc.len(), 4);
        assert!(cenc.iter().all(|tag| tag.method == "SAMPLE-AES-CTR"));
        let session = session_keys(tags.iter().chain(&tags));
        assert_eq!(session.len(), 5);
        assert!(session[0].starts_with("#EXT-X-SESSION-KEY:METHOD=SAMPLE-AES,"));
    }

    #[test]
    fn dash_has_an_element_for_each_system() {
        let (key, licensing) = (key(), licensing());
        let signal = signal(Scheme::Cbcs, &key, std::slice::from_ref(&key.id), &licensing);
        let elements = signal.content_protections(false);
        assert_eq!(
            elements[0],
            ContentProtection {
                scheme_id_uri: "urn:mpeg:dash:mp4protection:2011".to_owned(),
                value: Some("cbcs".into()),
                default_kid: Some(key.id),
                ..ContentProtection::default()
            }
        );
        let systems: Vec<_> = elements
            .iter()
            .skip(1)
            .map(|element| &element.scheme_id_uri[9..17])
            .collect();
        assert_eq!(
            systems,
            ["1077efec", "e2719d58", "94ce86fb", "9a04f079", "edef8ba9"]
        );
        let has_pssh: Vec<_> = elements.iter().map(|element| element.pssh.is_some()).collect();
        assert_eq!(has_pssh, [false, true, false, false, true, true]);
        assert!(elements[4].playready_object.is_some());
        assert_eq!(elements[2].licence_url, licensing.clear_key_url);
        assert_eq!(signal.pssh().len(), 3);
    }

    #[test]
    fn a_rotating_key_is_not_in_the_manifest() {
        let (key, licensing) = (key(), licensing());
        let signal = signal(Scheme::Cenc, &key, std::slice::from_ref(&key.id), &licensing);
        let elements = signal.content_protections(true);
        // FairPlay has no cenc.
        assert_eq!(elements.len(), 5);
        for element in &elements {
            assert_eq!(
                (&element.default_kid, &element.pssh, &element.playready_object),
                (&None, &None, &None)
            );
        }
    }

    #[test]
    fn no_uri_ends_its_quotes() {
        let licensing = Licensing {
            key_url: Some("https://l.example/\"\n#EXT-X-ENDLIST".to_owned()),
            ..Licensing::default()
        };
        let key = key();
        let tags = signal(Scheme::Cbcs, &key, &[], &licensing).hls_keys();
        assert!(tags[0].key_tag().contains("/%22%0A#EXT-X-ENDLIST\""));
    }
}
