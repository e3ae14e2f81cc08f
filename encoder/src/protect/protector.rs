//! One presentation's encryption: its keys, made or found for every track alike, and each track's way through its segments.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::cenc::{ChunkKey, Fragment, TrackEncryption};
use super::hls::{self, SampleAes};
use super::keys::{ContentKey, Key, KeyId};
use super::plan::{KeyPlan, Protection, Schedule, TrackClass};
use super::signal::{ContentProtection, HlsKey, Licensing, Signal};
use crate::cmaf::{Chunk, Protected};
use crate::error::EncodeError;

/// How a presentation is encrypted.
#[derive(Clone, Debug, PartialEq)]
pub struct ProtectOptions {
    /// Its keys, and with them the scheme.
    pub keys: KeyPlan,
    /// From when on, and how often the key changes.
    pub schedule: Schedule,
    /// What players are told of keys.
    pub licensing: Licensing,
    /// Where all keys are written to, before anything that needs them is published; not in what is published
    /// ([`check_key_file`](super::check_key_file)).
    pub key_file: Option<PathBuf>,
}

/// The encryption of all tracks of one presentation.
#[derive(Debug)]
pub(crate) struct Protector {
    plan: Mutex<KeyPlan>,
    options: ProtectOptions,
    classes: Vec<TrackClass>,
}

/// The encryption of one track, segment by segment.
pub(crate) struct ProtectedTrack<'a> {
    protector: &'a Protector,
    class: TrackClass,
    name: &'a str,
    cipher: TrackEncryption,
    entries: Vec<Vec<u8>>,
    /// Some segment is not clear.
    is_encrypted: bool,
    signals: Signals,
    /// Tags were told of.
    is_tagged: bool,
    now: Option<Protection>,
}

/// How segments of MPEG-TS are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TsMethod {
    /// Whole segments. Pictures in them cannot be shown alone.
    Aes128,
    /// Samples of H.264, AAC and AC-3.
    SampleAes,
}

/// The encryption of one rendition in MPEG-TS, segment by segment.
pub(crate) struct ProtectedTs<'a> {
    protector: &'a Protector,
    class: TrackClass,
    method: TsMethod,
    signals: Signals,
    now: Option<Protection>,
}

/// What a segment of MPEG-TS is encrypted with.
#[derive(Clone, Copy, Debug)]
pub(crate) enum TsKey {
    /// Nothing.
    Clear,
    /// Its samples, before they are multiplexed.
    Samples(SampleAes),
    /// The segment, after that.
    Whole(Key, [u8; 16]),
}

/// What manifests say of one rendition's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signals {
    /// HLS: in order, each in force from its segment on.
    pub(crate) changes: Vec<KeyChange>,
    /// DASH.
    pub(crate) content_protections: Vec<ContentProtection>,
}

/// The keys that hold from a segment on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeyChange {
    /// The segment's number.
    pub(crate) segment: u32,
    /// None where the segments are clear.
    pub(crate) keys: Vec<HlsKey>,
}

impl Protector {
    /// `classes` are those of all tracks.
    pub(crate) fn new(options: &ProtectOptions, classes: impl IntoIterator<Item = TrackClass>) -> Self {
        let mut classes: Vec<_> = classes.into_iter().collect();
        classes.sort_unstable();
        classes.dedup();
        Self {
            plan: Mutex::new(options.keys.clone()),
            options: options.clone(),
            classes,
        }
    }

    /// Starts with a track: its clear sample entry box, and its number among all of the presentation.
    pub(crate) fn track<'a>(
        &'a self,
        name: &'a str,
        class: TrackClass,
        entry: &[u8],
        ordinal: u32,
    ) -> Result<ProtectedTrack<'a>, EncodeError> {
        let failed = |reason| EncodeError::packaging(name, reason);
        let is_rotating = self.options.schedule.is_rotating();
        let (key, ids) = self.keys(class, 0)?;
        let default = (!is_rotating).then_some(&key);
        let cipher =
            TrackEncryption::new(entry, self.options.keys.scheme(), default, ordinal).map_err(failed)?;
        let has_clear = self.options.schedule.clear_lead_s > 0.0;
        let entries = cipher.entries(entry, has_clear).map_err(failed)?;
        let content_protections = self.signal(&key, &ids).content_protections(is_rotating);
        Ok(ProtectedTrack {
            protector: self,
            class,
            name,
            cipher,
            entries,
            is_encrypted: false,
            signals: Signals {
                changes: Vec::new(),
                content_protections,
            },
            is_tagged: false,
            now: None,
        })
    }

    /// How samples are encrypted.
    pub(crate) fn scheme(&self) -> super::Scheme {
        self.options.keys.scheme()
    }

    /// Starts with a rendition in MPEG-TS.
    pub(crate) fn transport_stream(&self, class: TrackClass, method: TsMethod) -> ProtectedTs<'_> {
        ProtectedTs {
            protector: self,
            class,
            method,
            signals: Signals::default(),
            now: None,
        }
    }

    /// Writes the key file, if one was asked for.
    pub(crate) fn write_keys(&self) -> Result<(), EncodeError> {
        let plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        match &self.options.key_file {
            Some(path) => plan.write(path),
            None => Ok(()),
        }
    }

    /// The track's key, and the identifiers of the keys of all tracks, in a crypto period.
    fn keys(&self, class: TrackClass, period: u32) -> Result<(ContentKey, Vec<KeyId>), EncodeError> {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        for other in &self.classes {
            plan.key(*other, period)?;
        }
        Ok((plan.key(class, period)?, plan.ids(period)))
    }

    fn signal<'a>(&'a self, key: &'a ContentKey, ids: &'a [KeyId]) -> Signal<'a> {
        Signal {
            scheme: self.options.keys.scheme(),
            key,
            ids,
            licensing: &self.options.licensing,
        }
    }
}

impl ProtectedTrack<'_> {
    /// What the init segment says, after the last segment.
    pub(crate) fn init(&self) -> Result<Protected, EncodeError> {
        // All of it lies in the clear beginning: a player must not wait for keys that nobody gives it.
        if !self.is_encrypted {
            let clear = self.entries.last().cloned().unwrap_or_default();
            return Ok(Protected {
                entries: vec![clear; self.entries.len()],
                pssh: Vec::new(),
            });
        }
        self.init_before()
    }

    /// What the init segment says of what will be encrypted, before the first segment.
    pub(crate) fn init_before(&self) -> Result<Protected, EncodeError> {
        // Where keys rotate, each segment brings its own.
        let pssh = match self.protector.options.schedule.is_rotating() {
            true => Vec::new(),
            false => {
                let (key, ids) = self.protector.keys(self.class, 0)?;
                self.protector.signal(&key, &ids).pssh()
            }
        };
        Ok(Protected {
            entries: self.entries.clone(),
            pssh,
        })
    }

    /// Encrypts the chunks of the segment of this number, counted from 1, and gives the boxes for each. Times are seconds of
    /// presentation time.
    pub(crate) fn encrypt(
        &mut self,
        number: u32,
        start_s: f64,
        duration_s: f64,
        chunks: &mut [Chunk],
    ) -> Result<Vec<Fragment>, EncodeError> {
        self.encrypt_part((number, start_s, duration_s), true, chunks)
    }

    /// As [`encrypt`](Self::encrypt), of some chunks of the segment, which may be its first.
    pub(crate) fn encrypt_part(
        &mut self,
        (number, start_s, duration_s): (u32, f64, f64),
        is_first: bool,
        chunks: &mut [Chunk],
    ) -> Result<Vec<Fragment>, EncodeError> {
        let protector = self.protector;
        let schedule = &protector.options.schedule;
        let protection = schedule.at(number.saturating_sub(1), start_s, duration_s);
        let keys = match protection {
            Protection::Clear => None,
            Protection::Period(period) => Some(protector.keys(self.class, period)?),
        };
        let signal = keys.as_ref().map(|(key, ids)| protector.signal(key, ids));
        self.is_encrypted |= signal.is_some();
        if self.now.replace(protection) != Some(protection) {
            let tags = signal.map(|signal| signal.hls_keys()).unwrap_or_default();
            // What is clear from the beginning needs no tag to say so.
            if !tags.is_empty() || self.is_tagged {
                self.is_tagged = true;
                self.signals.changes.push(KeyChange {
                    segment: number,
                    keys: tags,
                });
            }
        }
        // Players that meet clear segments first ask for keys only when a segment brings a `pssh`.
        let is_in_band = schedule.is_rotating() || schedule.clear_lead_s > 0.0;
        let mut pssh = signal
            .filter(|_| is_in_band && is_first)
            .map(|signal| signal.pssh());
        let mut fragments = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let key = match &signal {
                None => ChunkKey::Clear,
                Some(signal) => {
                    let pssh = pssh.take().unwrap_or_default();
                    match schedule.is_rotating() {
                        true => ChunkKey::Rotated(signal.key, pssh),
                        false => ChunkKey::Default(signal.key, pssh),
                    }
                }
            };
            let fragment = self.cipher.encrypt(chunk, &key);
            fragments.push(fragment.map_err(|reason| EncodeError::packaging(self.name, reason))?);
        }
        Ok(fragments)
    }

    /// The keys that came in force since the last call. Where they are made, those of the next crypto period are then known too,
    /// so that licences may be asked for in time.
    pub(crate) fn take_changes(&mut self) -> Vec<KeyChange> {
        let changes = std::mem::take(&mut self.signals.changes);
        if let (false, Some(Protection::Period(period))) = (changes.is_empty(), self.now)
            && self.protector.options.schedule.is_rotating()
        {
            // Keys that are given and end here are missed when it is their turn.
            let _ = self.protector.keys(self.class, period.saturating_add(1));
        }
        changes
    }

    /// What an MPD says of it.
    pub(crate) fn content_protections(&self) -> &[ContentProtection] {
        &self.signals.content_protections
    }

    /// What manifests say of it, after its last segment.
    pub(crate) fn finish(self) -> Signals {
        match self.is_encrypted {
            true => self.signals,
            false => Signals::default(),
        }
    }
}

impl ProtectedTs<'_> {
    /// What the segment of this number is encrypted with; the number is its media sequence number too. Times are seconds of
    /// presentation time.
    pub(crate) fn segment(
        &mut self,
        number: u32,
        start_s: f64,
        duration_s: f64,
    ) -> Result<TsKey, EncodeError> {
        let options = &self.protector.options;
        let protection = options.schedule.at(number.saturating_sub(1), start_s, duration_s);
        let key = match protection {
            Protection::Clear => None,
            Protection::Period(period) => Some(self.protector.keys(self.class, period)?.0),
        };
        if self.now.replace(protection) != Some(protection) {
            let keys = match &key {
                Some(key) => self.tags(key)?,
                None => Vec::new(),
            };
            if !keys.is_empty() || !self.signals.changes.is_empty() {
                self.signals.changes.push(KeyChange {
                    segment: number,
                    keys,
                });
            }
        }
        let Some(key) = key else {
            return Ok(TsKey::Clear);
        };
        let iv = hls::segment_iv(&key, u64::from(number));
        Ok(match self.method {
            TsMethod::Aes128 => TsKey::Whole(key.key, iv),
            TsMethod::SampleAes => TsKey::Samples(SampleAes::new(key.key, iv)),
        })
    }

    /// What playlists say of it, after its last segment.
    pub(crate) fn finish(self) -> Signals {
        self.signals
    }

    /// Only these systems know the methods.
    fn tags(&self, key: &ContentKey) -> Result<Vec<HlsKey>, EncodeError> {
        let ids = [key.id];
        let tags = self.protector.signal(key, &ids).hls_keys();
        let format = |tag: &HlsKey, name: &str| tag.key_format.as_deref() == Some(name);
        let own = tags.into_iter().filter_map(|tag| match self.method {
            TsMethod::Aes128 => format(&tag, "identity").then(|| hls::segment_key_tag(key, tag.uri)),
            TsMethod::SampleAes => (format(&tag, "identity")
                || format(&tag, "com.apple.streamingkeydelivery"))
            .then(|| hls::sample_key_tag(key, tag)),
        });
        let own: Vec<_> = own.collect();
        if own.is_empty() {
            return Err(EncodeError::BadOption {
                option: "--key-url",
                value: String::new(),
                reason: "AES-128 and SAMPLE-AES in MPEG-TS need the address of the key, or FairPlay"
                    .to_owned(),
            });
        }
        Ok(own)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::protect::testing::Fragmented;
    use crate::protect::{CryptoPeriod, KeySharing, Scheme, System};

    fn options(schedule: Schedule) -> ProtectOptions {
        ProtectOptions {
            keys: KeyPlan::made(Scheme::Cbcs, KeySharing::PerType),
            schedule,
            licensing: Licensing {
                systems: vec![System::Common, System::Widevine],
                ..Licensing::default()
            },
            key_file: None,
        }
    }

    fn clip() -> Fragmented {
        let folder = tempfile::tempdir().unwrap();
        let clip = Fragmented::encode(folder.path(), "-f lavfi -i sine=440:r=48000:d=3 -c:a aac");
        assert!(clip.chunks.len() >= 3);
        clip
    }

    fn run(protector: &Protector, class: TrackClass, clip: &Fragmented) -> (Protected, Signals) {
        let mut track = protector.track("a", class, &clip.entry, 0).unwrap();
        for (chunk, index) in clip.chunks.iter().zip(0_u32..) {
            let mut chunks = [chunk.clone()];
            let fragments = track
                .encrypt(index + 1, f64::from(index), 1.0, &mut chunks)
                .unwrap();
            assert_eq!(fragments.len(), 1);
            let lead_s = protector.options.schedule.clear_lead_s;
            assert_eq!(chunks[0].data == chunk.data, f64::from(index) < lead_s);
        }
        (track.init().unwrap(), track.finish())
    }

    #[test]
    fn every_track_names_the_keys_of_all() {
        let protector = Protector::new(&options(Schedule::default()), [TrackClass::Sd, TrackClass::Audio]);
        let clip = clip();
        let (sound, signals) = run(&protector, TrackClass::Audio, &clip);
        let (pictures, others) = run(&protector, TrackClass::Hd, &clip);
        assert_eq!(sound.pssh, pictures.pssh);
        assert_eq!((sound.entries.len(), sound.pssh.len()), (1, 2));
        assert_eq!(signals.changes.len(), 1);
        assert_eq!(
            (signals.changes[0].segment, signals.changes[0].keys.len()),
            (1, 2)
        );
        assert_ne!(signals.changes, others.changes);
        assert_eq!(signals.content_protections.len(), 3);
        let text = serde_json::to_string(&signals).unwrap();
        assert_eq!(serde_json::from_str::<Signals>(&text).unwrap(), signals);
    }

    #[test]
    fn the_beginning_is_clear_and_keys_change() {
        let schedule = Schedule {
            clear_lead_s: 1.0,
            crypto_period: Some(CryptoPeriod::Segments(2)),
        };
        let folder = tempfile::tempdir().unwrap();
        let mut options = options(schedule);
        options.key_file = Some(folder.path().join("keys.json"));
        let protector = Protector::new(&options, [TrackClass::Audio]);
        let (init, signals) = run(&protector, TrackClass::Audio, &clip());
        assert_eq!((init.entries.len(), init.pssh.len()), (2, 0));
        let changes: Vec<u32> = signals.changes.iter().map(|change| change.segment).collect();
        assert_eq!(changes, [2, 3]);
        assert_ne!(signals.changes[0].keys, signals.changes[1].keys);
        protector.write_keys().unwrap();
        let mut plan = KeyPlan::read(Scheme::Cbcs, options.key_file.as_deref().unwrap()).unwrap();
        assert_eq!(
            plan.key(TrackClass::Audio, 1).unwrap(),
            protector.keys(TrackClass::Audio, 1).unwrap().0
        );
    }

    #[test]
    fn what_is_all_clear_does_not_ask_for_keys() {
        let schedule = Schedule {
            clear_lead_s: 60.0,
            crypto_period: None,
        };
        let protector = Protector::new(&options(schedule), [TrackClass::Audio]);
        let clip = clip();
        let (init, signals) = run(&protector, TrackClass::Audio, &clip);
        // Its fragments refer to the second.
        assert_eq!(init.entries, [clip.entry.clone(), clip.entry.clone()]);
        assert!(init.pssh.is_empty() && signals == Signals::default());
    }

    #[test]
    fn a_key_that_is_missing_is_told() {
        let mut options = options(Schedule::default());
        options.keys = KeyPlan::single(Scheme::Cenc, ContentKey::random().unwrap()).unwrap();
        options.schedule.crypto_period = Some(CryptoPeriod::Segments(1));
        let protector = Protector::new(&options, [TrackClass::Audio]);
        let clip = clip();
        let mut track = protector.track("a", TrackClass::Audio, &clip.entry, 0).unwrap();
        let mut chunks = [clip.chunks[0].clone()];
        let error = track.encrypt(2, 1.0, 1.0, &mut chunks).unwrap_err().to_string();
        assert!(error.contains("crypto period 1"), "{error}");
    }

    #[test]
    fn transport_streams_have_the_keys_of_their_methods() {
        let schedule = Schedule {
            clear_lead_s: 1.0,
            crypto_period: None,
        };
        let mut options = options(schedule);
        let lines = |options: &ProtectOptions, method| {
            let protector = Protector::new(options, [TrackClass::Sd]);
            let mut stream = protector.transport_stream(TrackClass::Sd, method);
            assert!(matches!(stream.segment(1, 0.0, 1.0).unwrap(), TsKey::Clear));
            let second = stream.segment(2, 1.0, 1.0)?;
            assert!(matches!(
                stream.segment(3, 2.0, 1.0)?,
                TsKey::Samples(_) | TsKey::Whole(..)
            ));
            let changes = stream.finish().changes;
            assert_eq!((changes.len(), changes[0].segment), (1, 2));
            let lines: Vec<_> = changes[0].keys.iter().map(HlsKey::key_tag).collect();
            Ok::<_, EncodeError>((second, lines))
        };
        let refused = lines(&options, TsMethod::Aes128).unwrap_err().to_string();
        assert!(refused.contains("--key-url"), "{refused}");
        options.licensing.key_url = Some("k/{kid}".to_owned());
        options.licensing.systems.push(System::FairPlay);
        let (key, tags) = lines(&options, TsMethod::SampleAes).unwrap();
        let TsKey::Samples(aes) = key else {
            panic!("{key:?}")
        };
        let mut frame = [0; 32];
        aes.encrypt_ac3(&mut frame);
        assert!(frame[..16] == [0; 16] && frame[16..] != [0; 16]);
        assert!(
            tags.len() == 2
                && tags
                    .iter()
                    .all(|tag| tag.contains("METHOD=SAMPLE-AES,") && tag.contains(",IV=0x"))
        );
        options.keys = KeyPlan::made(Scheme::Cenc, KeySharing::One);
        let (key, tags) = lines(&options, TsMethod::Aes128).unwrap();
        let TsKey::Whole(whole, iv) = key else {
            panic!("{key:?}")
        };
        assert_eq!(u128::from_be_bytes(iv), 2);
        assert_eq!(hls::encrypt_segment(vec![0; 188], &whole, &iv).len(), 192);
        assert!(
            tags.len() == 1
                && tags[0].starts_with("#EXT-X-KEY:METHOD=AES-128,URI=\"k/")
                && !tags[0].contains("IV")
        );
    }
}
