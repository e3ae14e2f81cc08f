//! Samples as transport streams hold them: H.264 and HEVC as byte streams, AAC with ADTS headers, AC-3 as it is.

use super::tables::descriptor;
use crate::cmaf::entry::child;
use crate::protect::{SampleAes, avc_sets, hevc_sets};

/// How one track's samples are written.
#[derive(Clone, Debug)]
pub(super) enum Units {
    Aac {
        adts: [u8; ADTS_HEADER_BYTES],
        config: Vec<u8>,
    },
    Ac3,
    Avc {
        length_bytes: usize,
        sets: Vec<u8>,
    },
    Eac3,
    Hevc {
        length_bytes: usize,
        sets: Vec<u8>,
    },
}

/// What is to be done to a sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct Form<'a> {
    /// Decoding can start here.
    pub(super) is_sync: bool,
    pub(super) encryption: Option<&'a SampleAes>,
}

pub(super) const ADTS_HEADER_BYTES: usize = 7;

impl Units {
    /// Of the track with this clear sample entry box.
    pub(super) fn new(entry: &[u8]) -> Result<Self, String> {
        let format = entry.get(4..8).unwrap_or_default();
        let length_bytes =
            |config: &[u8], at: usize| config.get(at).map_or(4, |byte| usize::from(byte & 3) + 1);
        match format {
            b"avc1" | b"avc3" => {
                let config = child(entry, b"avcC")?;
                Ok(Self::Avc {
                    length_bytes: length_bytes(config, 4),
                    sets: byte_stream(&avc_sets(config).ok_or("its avcC box is cut off")?),
                })
            }
            b"hvc1" | b"hev1" => {
                let config = child(entry, b"hvcC")?;
                Ok(Self::Hevc {
                    length_bytes: length_bytes(config, 21),
                    sets: byte_stream(&hevc_sets(config).ok_or("its hvcC box is cut off")?),
                })
            }
            b"mp4a" => {
                let config = audio_config(child(entry, b"esds")?);
                let config = config.ok_or("its esds box describes no AAC")?.to_vec();
                let adts = adts_header(&config)?;
                Ok(Self::Aac { adts, config })
            }
            b"ac-3" => Ok(Self::Ac3),
            b"ec-3" => Ok(Self::Eac3),
            other => Err(format!(
                "{:?} has no place in HLS's MPEG-TS; use CMAF segments",
                String::from_utf8_lossy(other)
            )),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Aac { .. } => "AAC",
            Self::Ac3 => "AC-3",
            Self::Avc { .. } => "H.264",
            Self::Eac3 => "Enhanced AC-3",
            Self::Hevc { .. } => "HEVC",
        }
    }

    pub(super) fn is_picture(&self) -> bool {
        matches!(self, Self::Avc { .. } | Self::Hevc { .. })
    }

    /// §2.4.3.7; AC-3 is private data.
    pub(super) fn stream_id(&self) -> u8 {
        match self {
            Self::Avc { .. } | Self::Hevc { .. } => 0xe0,
            Self::Aac { .. } => 0xc0,
            Self::Ac3 | Self::Eac3 => 0xbd,
        }
    }

    /// The stream type and its descriptors.
    pub(super) fn clear_type(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Aac { .. } => (0x0f, Vec::new()),
            Self::Ac3 => (0x81, descriptor(REGISTRATION, b"AC-3")),
            Self::Avc { .. } => (0x1b, Vec::new()),
            Self::Eac3 => (0x87, descriptor(REGISTRATION, b"EAC3")),
            Self::Hevc { .. } => (0x24, descriptor(REGISTRATION, b"HEVC")),
        }
    }

    /// The stream type under `SAMPLE-AES`, where there is one.
    pub(super) fn encrypted_type(&self) -> Option<u8> {
        match self {
            Self::Aac { .. } => Some(0xcf),
            Self::Ac3 => Some(0xc1),
            Self::Avc { .. } => Some(0xdb),
            Self::Eac3 => Some(0xc2),
            Self::Hevc { .. } => None,
        }
    }

    /// The descriptors under `SAMPLE-AES`: what it is, and how sound is set up, which is AAC's configuration or the beginning of
    /// an AC-3 frame.
    pub(super) fn encrypted_descriptors(&self, data: &[u8]) -> Vec<u8> {
        const PRIVATE_DATA_INDICATOR: u8 = 0x0f;
        const FRAME_START_BYTES: usize = 10;
        let start = data.get(..FRAME_START_BYTES).unwrap_or(data);
        let (indicator, setup) = match self {
            Self::Aac { config, .. } => (b"aacd", Some((b"zaac", config.as_slice()))),
            Self::Ac3 => (b"ac3d", Some((b"zac3", start))),
            Self::Eac3 => (b"ec3d", Some((b"zec3", start))),
            Self::Avc { .. } | Self::Hevc { .. } => (b"zavc", None),
        };
        let mut out = descriptor(PRIVATE_DATA_INDICATOR, indicator);
        if let Some((kind, setup)) = setup {
            // Priming is told by the timestamps; version 1.
            let head = [&b"apad"[..], kind, &[0, 0, 1, setup.len() as u8]].concat();
            out.extend(descriptor(REGISTRATION, &[&head, setup].concat()));
        }
        out
    }

    /// Appends a sample.
    pub(super) fn append(&self, sample: &[u8], form: Form<'_>, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Aac { adts, .. } => {
                let start = out.len();
                let length = u16::try_from(sample.len() + ADTS_HEADER_BYTES).ok();
                let length = length
                    .filter(|length| *length < 1 << 13)
                    .ok_or("a frame of AAC is over 8 KiB")?;
                let [a, b, c, d, _, _, g] = *adts;
                let header = [
                    a,
                    b,
                    c,
                    d | (length >> 11) as u8,
                    (length >> 3) as u8,
                    (length << 5) as u8 | 0x1f,
                    g,
                ];
                out.extend(header);
                out.extend_from_slice(sample);
                if let (Some(aes), Some(frame)) = (form.encryption, out.get_mut(start..)) {
                    aes.encrypt_adts(frame, ADTS_HEADER_BYTES);
                }
            }
            Self::Ac3 | Self::Eac3 => {
                let start = out.len();
                out.extend_from_slice(sample);
                if let (Some(aes), Some(frame)) = (form.encryption, out.get_mut(start..)) {
                    aes.encrypt_ac3(frame);
                }
            }
            Self::Avc { length_bytes, sets } => {
                const DELIMITER: [u8; 2] = [9, 0xf0];
                let kind = |nal: &[u8]| nal.first().map_or(0, |byte| byte & 0x1f);
                let has_sets =
                    nal_units(sample, *length_bytes).any(|nal| nal.is_ok_and(|nal| kind(nal) == 7));
                append_nal(&DELIMITER, None, out);
                if form.is_sync && !has_sets {
                    out.extend_from_slice(sets);
                }
                for nal in nal_units(sample, *length_bytes) {
                    let nal = nal?;
                    if kind(nal) != DELIMITER[0] {
                        append_nal(nal, form.encryption, out);
                    }
                }
            }
            Self::Hevc { length_bytes, sets } => {
                const DELIMITER: [u8; 3] = [35 << 1, 1, 0x50];
                let kind = |nal: &[u8]| nal.first().map_or(0, |byte| byte >> 1 & 0x3f);
                let has_sets =
                    nal_units(sample, *length_bytes).any(|nal| nal.is_ok_and(|nal| kind(nal) == 33));
                append_nal(&DELIMITER, None, out);
                if form.is_sync && !has_sets {
                    out.extend_from_slice(sets);
                }
                for nal in nal_units(sample, *length_bytes) {
                    let nal = nal?;
                    if kind(nal) != 35 {
                        append_nal(nal, None, out);
                    }
                }
            }
        }
        Ok(())
    }
}

const REGISTRATION: u8 = 5;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

fn append_nal(nal: &[u8], encryption: Option<&SampleAes>, out: &mut Vec<u8>) {
    out.extend(START_CODE);
    match encryption {
        Some(aes) => aes.append_nal(nal, out),
        None => out.extend_from_slice(nal),
    }
}

fn byte_stream(sets: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    sets.iter().for_each(|set| append_nal(set, None, &mut out));
    out
}

/// Length-prefixed NAL units; the last item is an error if they do not end where the sample does.
fn nal_units(mut rest: &[u8], length_bytes: usize) -> impl Iterator<Item = Result<&[u8], &'static str>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let unit = rest.split_at_checked(length_bytes).and_then(|(length, after)| {
            let length = length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            after.split_at_checked(length)
        });
        let Some((nal, after)) = unit else {
            rest = &[];
            return Some(Err("a NAL unit is cut off"));
        };
        rest = after;
        Some(Ok(nal))
    })
}

/// The `AudioSpecificConfig` in an `esds` box (ISO/IEC 14496-1 §7.2.6, 14496-14 §5.6).
fn audio_config(esds: &[u8]) -> Option<&[u8]> {
    const ES: u8 = 3;
    const DECODER_CONFIG: u8 = 4;
    const DECODER_SPECIFIC: u8 = 5;
    let es = tagged(esds.get(4..)?, ES)?;
    // Identifier, then flags that say which optional fields there are.
    let flags = *es.get(2)?;
    let mut at = 3;
    if flags & 0x80 != 0 {
        at += 2;
    }
    if flags & 0x40 != 0 {
        at += 1 + usize::from(*es.get(at)?);
    }
    if flags & 0x20 != 0 {
        at += 2;
    }
    let decoder = tagged(es.get(at..)?, DECODER_CONFIG)?;
    tagged(decoder.get(13..)?, DECODER_SPECIFIC)
}

/// A descriptor's content; its length takes up to four bytes of seven bits.
fn tagged(bytes: &[u8], tag: u8) -> Option<&[u8]> {
    let (found, mut rest) = bytes.split_first()?;
    let mut length = 0;
    for _ in 0..4 {
        let (byte, after) = rest.split_first()?;
        rest = after;
        length = length << 7 | usize::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return rest.get(..length).filter(|_| *found == tag);
        }
    }
    None
}

/// What a program's table of one packet has room for.
const MAX_CONFIG_BYTES: usize = 64;

/// The ADTS header of every frame, but for the length (ISO/IEC 14496-3 §1.A.2.2).
fn adts_header(config: &[u8]) -> Result<[u8; ADTS_HEADER_BYTES], String> {
    const SBR: u16 = 5;
    const PARAMETRIC_STEREO: u16 = 29;
    let [high, low] = *config.first_chunk().ok_or("its AudioSpecificConfig is cut off")?;
    if config.len() > MAX_CONFIG_BYTES {
        return Err("its AudioSpecificConfig is longer than any; use CMAF segments".to_owned());
    }
    let word = u16::from_be_bytes([high, low]);
    let (kind, rate, channels) = (word >> 11, word >> 7 & 0x0f, word >> 3 & 0x0f);
    // SBR and parametric stereo are found by the decoder; what ADTS names is the core, which is AAC-LC.
    let kind = if [SBR, PARAMETRIC_STEREO].contains(&kind) {
        2
    } else {
        kind
    };
    if !(1..=4).contains(&kind) || rate > 12 || !(1..=7).contains(&channels) {
        return Err(format!(
            "AAC of object type {kind}, rate index {rate} and channel configuration {channels} has no ADTS header; use CMAF segments"
        ));
    }
    let (kind, rate, channels) = (kind as u8, rate as u8, channels as u8);
    Ok([
        0xff,
        0xf1,
        (kind - 1) << 6 | rate << 2 | channels >> 2,
        channels << 6,
        0,
        0x1f,
        0xfc,
    ])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_adts_header_is_made_from_the_configuration() {
        // AAC-LC, 48 kHz, stereo.
        assert_eq!(
            adts_header(&[0x11, 0x90]).unwrap(),
            [0xff, 0xf1, 0x4c, 0x80, 0, 0x1f, 0xfc]
        );
        // HE-AAC, 24 kHz core, stereo: the core is named.
        assert_eq!(adts_header(&[0x2b, 0x11, 0x88]).unwrap()[2], 0x58);
        assert!(
            adts_header(&[0x11, 0x80])
                .unwrap_err()
                .contains("channel configuration 0")
        );
        assert!(adts_header(&[0x17]).unwrap_err().contains("cut off"));
    }

    #[test]
    fn a_sample_that_is_cut_off_is_an_error() {
        let avc = Units::Avc {
            length_bytes: 4,
            sets: Vec::new(),
        };
        let form = Form {
            is_sync: true,
            encryption: None,
        };
        assert!(avc.append(&[0, 0, 0, 9, 0x65], form, &mut Vec::new()).is_err());
        let aac = Units::Aac {
            adts: [0; 7],
            config: Vec::new(),
        };
        assert!(aac.append(&[0; 9000], form, &mut Vec::new()).is_err());
    }

    #[test]
    fn what_has_no_place_in_it_is_told() {
        assert!(Units::new(b"\0\0\0\x08av01").unwrap_err().contains("use CMAF"));
        assert!(Units::new(b"\0\0\0\x08hvc1").unwrap_err().contains("no hvcC"));
        assert!(Units::new(b"").is_err());
        assert_eq!(audio_config(&[0, 0, 0, 0, 3, 0x80, 0x80]), None);
    }
}
