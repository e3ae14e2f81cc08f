//! The keys of a made-up stream, and how its manifests and media name them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use player_core::drm::{InitData, InitDataType, KeyId, KeySystem, playready, pssh};

/// Tracks that have one key: who may have it depends on nothing finer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Sound.
    Audio,
    /// Pictures that nobody minds.
    Sd,
    /// Pictures that are worth more.
    Hd,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Audio, Self::Sd, Self::Hd];

    /// The name in a [`Scenario`](super::Scenario).
    pub const fn name(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Sd => "sd",
            Self::Hd => "hd",
        }
    }

    /// The class of a rung among so many, from the lowest: the upper half of a ladder is HD.
    pub const fn of_rung(rung: usize, rungs: usize) -> Self {
        if rung >= rungs.div_ceil(2) {
            Self::Hd
        } else {
            Self::Sd
        }
    }

    /// The id of its key in a crypto period, from 0.
    pub fn key(self, period: u32) -> KeyId {
        let [a, b, c, d] = period.to_be_bytes();
        let [h, e, l, o, g, f, i, j] = *b"headgate";
        KeyId([self as u8 + 1, 0, 0, 0, h, e, l, o, g, f, i, j, a, b, c, d])
    }

    /// Whose key this is.
    pub fn of_key(key: KeyId) -> Option<Self> {
        let [.., first, second, third, fourth] = key.0;
        let period = u32::from_be_bytes([first, second, third, fourth]);
        Self::ALL.into_iter().find(|class| class.key(period) == key)
    }
}

/// What a packager writes for a system's CDM beside a key: a `pssh` box (ISO/IEC 23001-7, 8.1).
fn pssh_box(system: KeySystem, key: KeyId) -> Vec<u8> {
    let [id, ..] = system.system_ids() else {
        return Vec::new();
    };
    let (ids, data) = match system {
        KeySystem::ClearKey => (vec![key], Vec::new()),
        KeySystem::PlayReady => (Vec::new(), playready_object(key)),
        // Field 2 of WidevinePsshData is an id.
        KeySystem::Widevine | KeySystem::FairPlay => {
            (Vec::new(), [&[0x12, key.0.len() as u8], &key.0[..]].concat())
        }
    };
    pssh::write(id, &ids, &data)
}

/// What an element meets in the media: the box.
pub fn init_data(system: KeySystem, key: KeyId) -> Option<InitData> {
    InitData::new(InitDataType::Cenc, pssh_box(system, key)).ok()
}

fn playready_object(key: KeyId) -> Vec<u8> {
    let id = STANDARD.encode(key.to_guid());
    let header = format!(
        "<WRMHEADER xmlns=\"http://schemas.microsoft.com/DRM/2007/03/PlayReadyHeader\" version=\"4.2.0.0\"><DATA><PROTECTINFO><KIDS>\
         <KID ALGID=\"AESCTR\" VALUE=\"{id}\"></KID></KIDS></PROTECTINFO></DATA></WRMHEADER>"
    );
    // It is short.
    playready::object(&header).unwrap_or_default()
}

/// The `ContentProtection` elements of an MPD (ISO/IEC 23009-1, 5.8.4.1; DASH-IF IOP, 7.6), with their namespace.
pub fn content_protection(system: KeySystem, key: KeyId) -> String {
    let mut text = format!(
        "<ContentProtection schemeIdUri=\"urn:mpeg:dash:mp4protection:2011\" value=\"cenc\" xmlns:cenc=\"urn:mpeg:cenc:2013\" \
         cenc:default_KID=\"{}\"/>\n",
        uuid(key.0)
    );
    if let [.., id] = system.system_ids() {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "<ContentProtection schemeIdUri=\"urn:uuid:{}\" xmlns:cenc=\"urn:mpeg:cenc:2013\"><cenc:pssh>{}</cenc:pssh>\
             </ContentProtection>",
            uuid(*id),
            STANDARD.encode(pssh_box(system, key))
        );
    }
    text
}

/// The attributes of an `EXT-X-KEY` or `EXT-X-SESSION-KEY` (rfc8216bis, 4.4.4.4 and 4.4.6.5).
pub fn key_attributes(system: KeySystem, key: KeyId) -> String {
    let id: String = key.0.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02X}");
        text
    });
    let (format, data) = match system {
        KeySystem::PlayReady => ("com.microsoft.playready".to_owned(), playready_object(key)),
        system => {
            let format = system.system_ids().last().map(|id| uuid(*id));
            (
                format!("urn:uuid:{}", format.unwrap_or_default()),
                pssh_box(system, key),
            )
        }
    };
    format!(
        "METHOD=SAMPLE-AES-CTR,URI=\"data:text/plain;base64,{}\",KEYID=0x{id},KEYFORMAT=\"{format}\",KEYFORMATVERSIONS=\"1\"",
        STANDARD.encode(data)
    )
}

/// RFC 9562, 4.
fn uuid(id: [u8; 16]) -> String {
    let mut text = KeyId(id).to_string();
    for at in [20, 16, 12, 8] {
        text.insert(at, '-');
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keys_say_whose_they_are() {
        for class in Class::ALL {
            for period in [0, 1, u32::MAX] {
                assert_eq!(Class::of_key(class.key(period)), Some(class));
            }
        }
        assert_eq!(Class::of_key(KeyId([1; 16])), None);
        assert_eq!(Class::of_key(KeyId([0; 16])), None);
        let ladder = |rungs| (0..rungs).map(|r| Class::of_rung(r, rungs)).collect::<Vec<_>>();
        assert_eq!(ladder(1), [Class::Sd]);
        assert_eq!(ladder(3), [Class::Sd, Class::Sd, Class::Hd]);
    }

    #[test]
    fn the_engine_reads_the_boxes() {
        let key = Class::Hd.key(7);
        for system in [KeySystem::ClearKey, KeySystem::PlayReady, KeySystem::Widevine] {
            assert_eq!(
                init_data(system, key).unwrap().check(system).unwrap(),
                [key],
                "{system:?}"
            );
        }
    }
}
