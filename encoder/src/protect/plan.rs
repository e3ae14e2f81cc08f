//! Which key a segment is encrypted with.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Scheme;
use super::keys::{ContentKey, Iv, KeyId, random};
use crate::error::EncodeError;

/// What tracks are told apart by, where they do not share a key. Lines are those of the shorter side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TrackClass {
    /// Sound.
    Audio,
    /// Pictures of up to 576 lines.
    Sd,
    /// Up to 1080 lines.
    Hd,
    /// Up to 2160 lines.
    Uhd1,
    /// More lines.
    Uhd2,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyLabel {
    /// Everything that no other label fits.
    All,
    /// Sound.
    Audio,
    /// [`TrackClass::Hd`].
    Hd,
    /// [`TrackClass::Sd`].
    Sd,
    /// [`TrackClass::Uhd1`].
    Uhd1,
    /// [`TrackClass::Uhd2`].
    Uhd2,
    /// Every picture that no resolution's label fits.
    Video,
}

/// Which tracks share a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeySharing {
    /// All of them.
    One,
    /// Sound has one, pictures another.
    #[default]
    PerType,
    /// Each [`TrackClass`] has its own, so that a licence may leave out what a screen must not show.
    PerClass,
}

/// How often the key changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CryptoPeriod {
    /// After so many segments, at least one.
    Segments(u32),
    /// After so many seconds, at the next segment.
    Seconds(f64),
}

/// When segments are clear, and when their key changes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Schedule {
    /// Segments that begin in the first so many seconds stay clear.
    pub clear_lead_s: f64,
    /// Key rotation, if any.
    pub crypto_period: Option<CryptoPeriod>,
}

/// What a segment is encrypted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Nothing.
    Clear,
    /// The key of the crypto period of this number, counted from 0. Without rotation all have 0.
    Period(u32),
}

/// The keys of a presentation. Keys are either all given or all made as they are needed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPlan {
    scheme: Scheme,
    /// Where keys are made.
    sharing: Option<KeySharing>,
    keys: BTreeMap<(KeyLabel, u32), ContentKey>,
}

impl TrackClass {
    /// The class of pictures of this size.
    pub fn of_pictures(width: u32, height: u32) -> Self {
        match width.min(height) {
            ..=576 => Self::Sd,
            577..=1080 => Self::Hd,
            1081..=2160 => Self::Uhd1,
            _ => Self::Uhd2,
        }
    }

    fn label(self) -> KeyLabel {
        match self {
            Self::Audio => KeyLabel::Audio,
            Self::Sd => KeyLabel::Sd,
            Self::Hd => KeyLabel::Hd,
            Self::Uhd1 => KeyLabel::Uhd1,
            Self::Uhd2 => KeyLabel::Uhd2,
        }
    }

    /// The label under `sharing`.
    fn shared_label(self, sharing: KeySharing) -> KeyLabel {
        match (sharing, self) {
            (KeySharing::One, _) => KeyLabel::All,
            (KeySharing::PerType, Self::Audio) => KeyLabel::Audio,
            (KeySharing::PerType, _) => KeyLabel::Video,
            (KeySharing::PerClass, class) => class.label(),
        }
    }
}

impl KeyLabel {
    const NAMES: [(&str, Self); 7] = [
        ("all", Self::All),
        ("audio", Self::Audio),
        ("hd", Self::Hd),
        ("sd", Self::Sd),
        ("uhd1", Self::Uhd1),
        ("uhd2", Self::Uhd2),
        ("video", Self::Video),
    ];

    fn name(self) -> &'static str {
        let named = Self::NAMES.iter().find(|(_, label)| *label == self);
        named.map_or("all", |(name, _)| name)
    }
}

impl FromStr for KeyLabel {
    type Err = EncodeError;

    fn from_str(text: &str) -> Result<Self, EncodeError> {
        let lower = text.to_ascii_lowercase();
        let named = Self::NAMES.iter().find(|(name, _)| *name == lower);
        named.map(|(_, label)| *label).ok_or_else(|| EncodeError::BadKey {
            what: format!("label {text:?}"),
            reason: format!("use one of {}", Self::NAMES.map(|(name, _)| name).join(", ")),
        })
    }
}

impl Schedule {
    /// What the segment of this index (from 0), start and duration is encrypted with. Sound and pictures are cut within a
    /// frame of each other, so a segment belongs where it is shortly after its start.
    pub(crate) fn at(&self, index: u32, start_s: f64, duration_s: f64) -> Protection {
        let inside_s = start_s + (duration_s / 2.0).min(CUTS_APART_S);
        if self.clear_lead_s > 0.0 && inside_s < self.clear_lead_s {
            return Protection::Clear;
        }
        Protection::Period(match self.crypto_period {
            None => 0,
            Some(CryptoPeriod::Segments(count)) => index / count.max(1),
            Some(CryptoPeriod::Seconds(seconds)) if seconds > 0.0 => (inside_s / seconds) as u32,
            Some(CryptoPeriod::Seconds(_)) => 0,
        })
    }

    /// Whether the key changes.
    pub fn is_rotating(&self) -> bool {
        self.crypto_period.is_some()
    }
}

/// No frame of sound lasts longer, nor does a picture at five frames a second.
const CUTS_APART_S: f64 = 0.2;

impl KeyPlan {
    /// Makes random keys as they are asked for.
    pub fn made(scheme: Scheme, sharing: KeySharing) -> Self {
        Self {
            scheme,
            sharing: Some(sharing),
            keys: BTreeMap::new(),
        }
    }

    /// One given key for everything.
    ///
    /// # Errors
    /// [`EncodeError::BadKey`] for an initialization vector that `scheme` cannot use.
    pub fn single(scheme: Scheme, key: ContentKey) -> Result<Self, EncodeError> {
        Self::given(scheme, [((KeyLabel::All, 0), key)])
    }

    /// Reads a key file: `{"keys":[{"label":"video","kid":"…","key":"…","iv":"…","period":0}]}` with 32 hexadecimal digits in
    /// each (an `iv` may have 16 for `cenc`); `iv` and `period` may be left out. Labels are those of [`KeyLabel`] in lower case.
    ///
    /// # Errors
    /// [`EncodeError::KeyFile`] or [`EncodeError::BadKey`], without a word of what is in the file.
    pub fn read(scheme: Scheme, path: &Path) -> Result<Self, EncodeError> {
        let bad = |reason: String| EncodeError::KeyFile {
            path: path.to_owned(),
            reason,
        };
        let mut text = String::new();
        fs::File::open(path)
            .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text))
            .map_err(|error| {
                bad(format!(
                    "cannot be read ({error}); check the path and its permissions"
                ))
            })?;
        Self::parse(scheme, &text).map_err(bad)
    }

    /// Reads what a key file holds.
    pub(super) fn parse(scheme: Scheme, text: &str) -> Result<Self, String> {
        // The parser's own words may quote a key.
        let file: FileForm = serde_json::from_str(text).map_err(|error| {
            format!(
                "line {} column {} is not of the form {FORM}",
                error.line(),
                error.column()
            )
        })?;
        let entry = |form: &EntryForm| -> Result<_, EncodeError> {
            let key = ContentKey {
                id: form.kid.parse()?,
                key: form.key.parse()?,
                iv: form.iv.as_deref().map(str::parse).transpose()?,
            };
            Ok(((form.label.parse()?, form.period), key))
        };
        let mut entries = Vec::new();
        for (form, number) in file.keys.iter().zip(1..) {
            entries.push(entry(form).map_err(|error| format!("entry {number}: {error}"))?);
        }
        Self::given(scheme, entries).map_err(|error| error.to_string())
    }

    fn given(
        scheme: Scheme,
        entries: impl IntoIterator<Item = ((KeyLabel, u32), ContentKey)>,
    ) -> Result<Self, EncodeError> {
        let bad = |id: KeyId, reason: &str| EncodeError::BadKey {
            what: format!("key {id}"),
            reason: reason.to_owned(),
        };
        let mut keys = BTreeMap::<_, ContentKey>::new();
        let mut of_ids = BTreeMap::new();
        for (place, key) in entries {
            if scheme == Scheme::Cbcs && matches!(key.iv, Some(Iv::Eight(_))) {
                return Err(bad(
                    key.id,
                    "cbcs needs an initialization vector of 32 hexadecimal digits",
                ));
            }
            if *of_ids.entry(key.id).or_insert(key.key) != key.key {
                return Err(bad(
                    key.id,
                    "is there twice with different keys; give each key its own id",
                ));
            }
            if keys.insert(place, key).is_some() {
                return Err(bad(
                    key.id,
                    "its label and period are there already; name each once",
                ));
            }
        }
        if keys.is_empty() {
            return Err(EncodeError::BadKey {
                what: "keys".to_owned(),
                reason: "there are none; give at least one".to_owned(),
            });
        }
        Ok(Self {
            scheme,
            sharing: None,
            keys,
        })
    }

    /// The key of a track in a crypto period.
    ///
    /// # Errors
    /// [`EncodeError::BadKey`] if keys were given and this one is not among them.
    pub fn key(&mut self, class: TrackClass, period: u32) -> Result<ContentKey, EncodeError> {
        let place = match self.sharing {
            Some(sharing) => (class.shared_label(sharing), period),
            None => self.place(class, period)?,
        };
        let key = match self.keys.get(&place) {
            Some(key) => *key,
            None => ContentKey::random()?,
        };
        // FairPlay's licences carry the vector beside the key, so a key file must have it.
        let iv = match (key.iv, self.scheme) {
            (None, Scheme::Cbcs) => Some(Iv::Sixteen(random()?)),
            (iv, _) => iv,
        };
        let key = ContentKey { iv, ..key };
        self.keys.insert(place, key);
        Ok(key)
    }

    fn place(&self, class: TrackClass, period: u32) -> Result<(KeyLabel, u32), EncodeError> {
        let kind = if class == TrackClass::Audio {
            KeyLabel::Audio
        } else {
            KeyLabel::Video
        };
        let labels = [class.label(), kind, KeyLabel::All];
        let places = labels.map(|label| (label, period));
        let found = places.into_iter().find(|place| self.keys.contains_key(place));
        found.ok_or_else(|| EncodeError::BadKey {
            what: format!("crypto period {period}"),
            reason: format!(
                "no key of the label {}, {} or all was given for it; add one",
                class.label().name(),
                kind.name()
            ),
        })
    }

    /// The identifiers of all keys of a crypto period that were given or made, sorted.
    pub fn ids(&self, period: u32) -> Vec<KeyId> {
        let of_period = self.keys.iter().filter(|((_, of), _)| *of == period);
        let mut ids: Vec<_> = of_period.map(|(_, key)| key.id).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Which scheme the keys are for.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Writes every key down that was given or made, in a form that [`read`](Self::read) takes. Only its owner may read the file.
    ///
    /// # Errors
    /// [`EncodeError::KeyFile`] if it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), EncodeError> {
        let bad = |reason: String| EncodeError::KeyFile {
            path: path.to_owned(),
            reason: format!("cannot be written ({reason}); check the folder and its permissions"),
        };
        let text = self.to_json().map_err(|error| bad(error.to_string()))?;
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        // Made with mode 0600, and in place only when it is whole.
        let mut draft = tempfile::NamedTempFile::new_in(folder).map_err(|error| bad(error.to_string()))?;
        draft
            .write_all(text.as_bytes())
            .and_then(|()| draft.as_file().sync_all())
            .map_err(|error| bad(error.to_string()))?;
        draft
            .persist(path)
            .map_err(|error| bad(error.error.to_string()))?;
        Ok(())
    }

    /// What a key file holds.
    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        let entry = |(&(label, period), key): (&(KeyLabel, u32), &ContentKey)| EntryForm {
            label: label.name().to_owned(),
            kid: key.id.to_string(),
            key: key.key.reveal(),
            iv: key.iv.map(|iv| iv.hex()),
            period,
        };
        let file = FileForm {
            keys: self.keys.iter().map(entry).collect(),
        };
        let mut text = serde_json::to_string_pretty(&file)?;
        text.push('\n');
        Ok(text)
    }
}

const MAX_FILE_BYTES: u64 = 16 << 20;
const FORM: &str =
    r#"{"keys":[{"label":"video","kid":"32 hexadecimal digits","key":"32 hexadecimal digits"}]}"#;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct FileForm {
    keys: Vec<EntryForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryForm {
    label: String,
    kid: String,
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iv: Option<String>,
    #[serde(default)]
    period: u32,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";

    fn read(text: &str) -> Result<KeyPlan, EncodeError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        KeyPlan::read(Scheme::Cenc, file.path())
    }

    fn entry(label: &str, kid: &str, period: u32) -> String {
        format!(r#"{{"label":"{label}","kid":"{kid}","key":"{KEY}","period":{period}}}"#)
    }

    #[test]
    fn the_most_specific_key_is_taken() {
        let ids = ["00", "11", "22"].map(|pair| pair.repeat(16));
        let entries = [
            entry("ALL", &ids[0], 0),
            entry("video", &ids[1], 0),
            entry("hd", &ids[2], 0),
        ];
        let mut plan = read(&format!(r#"{{"keys":[{}]}}"#, entries.join(","))).unwrap();
        let mut id = |class| plan.key(class, 0).unwrap().id.to_string();
        assert_eq!(id(TrackClass::Audio), ids[0]);
        assert_eq!(id(TrackClass::Sd), ids[1]);
        assert_eq!(id(TrackClass::of_pictures(1080, 1920)), ids[2]);
        assert_eq!(plan.ids(0).len(), 3);
        let error = plan.key(TrackClass::Uhd2, 1).unwrap_err().to_string();
        assert!(
            error.contains("crypto period 1") && error.contains("uhd2, video or all"),
            "{error}"
        );
    }

    #[test]
    fn made_keys_are_shared_as_asked_and_come_back_from_their_file() {
        let classes = [
            TrackClass::Audio,
            TrackClass::Sd,
            TrackClass::Hd,
            TrackClass::Uhd1,
        ];
        for (sharing, count) in [
            (KeySharing::One, 1),
            (KeySharing::PerType, 2),
            (KeySharing::PerClass, 4),
        ] {
            let mut plan = KeyPlan::made(Scheme::Cbcs, sharing);
            let keys = classes.map(|class| plan.key(class, 0).unwrap());
            assert_eq!(classes.map(|class| plan.key(class, 0).unwrap()), keys);
            assert!(keys.iter().all(|key| matches!(key.iv, Some(Iv::Sixteen(_)))));
            assert_ne!(plan.key(TrackClass::Sd, 1).unwrap().id, keys[1].id);
            assert_eq!((plan.ids(0).len(), plan.ids(1).len()), (count, 1));
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("keys.json");
            fs::write(&path, "open to all").unwrap();
            plan.write(&path).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            let mut again = KeyPlan::read(Scheme::Cbcs, &path).unwrap();
            assert_eq!(classes.map(|class| again.key(class, 0).unwrap()), keys);
        }
    }

    #[test]
    fn a_bad_key_file_is_told_without_its_keys() {
        let keys = |entries: &str| format!(r#"{{"keys":[{entries}]}}"#);
        let id = "00".repeat(16);
        for (text, expected) in [
            (keys(""), "there are none"),
            ("{".to_owned(), "line 1 column 1"),
            (
                keys(&format!(r#"{{"label":"all","kid":"{id}","key":{KEY}}}"#)),
                "line 1",
            ),
            (
                keys(&format!(r#"{{"label":"all","kid":"{id}","key":"{KEY}00"}}"#)),
                "entry 1: key: 34 hex",
            ),
            (
                keys(&format!(r#"{{"label":"all","kid":"12","key":"{KEY}"}}"#)),
                "entry 1: key id: 2 hex",
            ),
            (
                keys(&entry("4k", &id, 0)),
                "entry 1: label \"4k\": use one of all, audio",
            ),
            (
                keys(&[entry("all", &id, 0), entry("all", &id, 0)].join(",")),
                "name each once",
            ),
            (
                keys(
                    &[
                        entry("all", &id, 0),
                        entry("hd", &id, 0).replace("cdef\"", "0000\""),
                    ]
                    .join(","),
                ),
                "twice with different keys",
            ),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("0123456789"), "{error}");
        }
        let error = KeyPlan::read(Scheme::Cenc, Path::new("/none"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/none") && error.contains("check the path"),
            "{error}"
        );
        let eight = entry("all", &id, 0).replace("\"period\"", r#""iv":"0011223344556677","period""#);
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), keys(&eight)).unwrap();
        KeyPlan::read(Scheme::Cenc, file.path()).unwrap();
        assert!(KeyPlan::read(Scheme::Cbcs, file.path()).is_err());
    }

    #[test]
    fn sound_and_pictures_change_keys_at_the_same_segment() {
        let schedule = Schedule {
            clear_lead_s: 4.0,
            crypto_period: Some(CryptoPeriod::Seconds(6.0)),
        };
        let pictures = (0..8).map(|n| schedule.at(n, f64::from(n) * 2.0, 2.0));
        // Cut up to a frame early or late.
        let sound = (0..8).map(|n| schedule.at(n, f64::from(n) * 2.0 - 0.02, 2.0));
        let late = (0..8).map(|n| schedule.at(n, f64::from(n) * 2.0 + 0.02, 2.0));
        let expected = [None, None, Some(0), Some(1), Some(1), Some(1), Some(2), Some(2)];
        let expected = expected.map(|period| period.map_or(Protection::Clear, Protection::Period));
        assert!(pictures.eq(expected) && sound.eq(expected) && late.eq(expected));
        let by_count = Schedule {
            clear_lead_s: 0.0,
            crypto_period: Some(CryptoPeriod::Segments(2)),
        };
        assert_eq!(by_count.at(3, 0.0, 2.0), Protection::Period(1));
        assert_eq!(Schedule::default().at(99, 1e9, 2.0), Protection::Period(0));
    }
}
