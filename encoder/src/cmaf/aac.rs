//! AAC as ISO base media files hold it (ISO/IEC 14496-3 and 14496-14).

use super::bits::Bits;
use super::entry::{Bitrate, SampleEntry, Sound, boxed};

/// Samples of one AAC frame.
pub(crate) const FRAME_SAMPLES: u32 = 1024;

/// An `AudioSpecificConfig` (ISO/IEC 14496-3 §1.6.2.1), as far as a sample entry needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    bytes: Vec<u8>,
    pub(crate) channels: u8,
    /// Samples per second of the core; SBR doubles what is heard.
    pub(crate) rate: u32,
}

impl Configuration {
    /// AAC-LC with `channels` channels in MPEG's usual layouts; `None` for what it has no code for.
    pub(crate) fn low_complexity(rate: u32, channels: u8) -> Option<Self> {
        let rate_index = RATES.iter().position(|candidate| *candidate == rate)? as u8;
        let layout = match channels {
            1..=6 => channels,
            8 => 7,
            _ => return None,
        };
        Some(Self {
            bytes: vec![
                LOW_COMPLEXITY << 3 | rate_index >> 1,
                rate_index << 7 | layout << 3,
            ],
            channels,
            rate,
        })
    }

    /// Reads an `AudioSpecificConfig`, FFmpeg's extradata; `channels` is for what it describes in the stream itself.
    pub(crate) fn of_bytes(bytes: &[u8], channels: u8) -> Option<Self> {
        let mut bits = Bits::new(bytes);
        object_type(&mut bits)?;
        let rate = match bits.read(4)? {
            15 => bits.read(24)?,
            index => *RATES.get(index as usize)?,
        };
        let channels = match bits.read(4)? {
            0 => channels,
            7 => 8,
            layout @ 1..=6 => layout as u8,
            _ => return None,
        };
        Some(Self {
            bytes: bytes.to_vec(),
            channels,
            rate,
        })
    }

    /// Reads the fixed header of an ADTS frame; with it, how long the header is.
    pub(crate) fn of_adts(frame: &[u8]) -> Option<(Self, usize)> {
        let mut bits = Bits::new(frame);
        (bits.read(12)? == 0xfff).then_some(())?;
        bits.skip(3)?;
        let has_no_checksum = bits.flag()?;
        let object_type = bits.read(2)? + 1;
        let rate_index = bits.read(4)?;
        bits.skip(1)?;
        let layout = bits.read(3)?;
        let bytes = [
            (object_type << 3 | rate_index >> 1) as u8,
            (rate_index << 7 | layout << 3) as u8,
        ];
        let configuration = Self::of_bytes(&bytes, 2).filter(|_| layout > 0)?;
        Some((configuration, if has_no_checksum { 7 } else { 9 }))
    }

    /// The `mp4a` sample entry.
    pub(crate) fn entry(&self, bitrate: Option<Bitrate>) -> Result<SampleEntry, String> {
        let sound = Sound {
            rate: self.rate,
            channels: self.channels.into(),
            bitrate,
        };
        SampleEntry::audio(b"mp4a", &sound, |out| {
            boxed(b"esds", out, |out| {
                out.extend_from_slice(&[0; 4]);
                out.extend_from_slice(&self.descriptor(bitrate));
            });
        })
    }

    /// An `ES_Descriptor` (ISO/IEC 14496-1 §7.2.6.5).
    fn descriptor(&self, bitrate: Option<Bitrate>) -> Vec<u8> {
        let bitrate = bitrate.unwrap_or(Bitrate {
            buffer_bytes: 0,
            max_bps: 0,
            average_bps: 0,
        });
        let mut decoder = vec![OBJECT_TYPE_AAC, STREAM_TYPE_AUDIO << 2 | 1];
        decoder.extend_from_slice(&bitrate.buffer_bytes.to_be_bytes()[1..]);
        decoder.extend_from_slice(&bitrate.max_bps.to_be_bytes());
        decoder.extend_from_slice(&bitrate.average_bps.to_be_bytes());
        append_descriptor(TAG_DECODER_SPECIFIC, &self.bytes, &mut decoder);
        let mut stream = vec![0, 0, 0];
        append_descriptor(TAG_DECODER, &decoder, &mut stream);
        append_descriptor(TAG_SYNC, &[2], &mut stream);
        let mut out = Vec::new();
        append_descriptor(TAG_STREAM, &stream, &mut out);
        out
    }
}

/// Puts rates into the payload of an `esds` box.
pub(super) fn set_bitrate(esds: &mut [u8], bitrate: Bitrate) {
    let Some(at) = decoder_at(esds) else { return };
    // After its kind and its stream's.
    let Some((buffer, rates)) = esds
        .get_mut(at + 2..at + 13)
        .and_then(|fields| fields.split_at_mut_checked(3))
    else {
        return;
    };
    let [_, bytes @ ..] = bitrate.buffer_bytes.min(0xff_ffff).to_be_bytes();
    buffer.copy_from_slice(&bytes);
    for (field, rate) in rates
        .chunks_exact_mut(4)
        .zip([bitrate.max_bps, bitrate.average_bps])
    {
        field.copy_from_slice(&rate.to_be_bytes());
    }
}

/// The codec string with this `esds`, for example `mp4a.40.2`.
pub(super) fn codec_string(esds: &[u8]) -> Option<String> {
    let decoder = esds.get(decoder_at(esds)?..)?;
    let kind = *decoder.first()?;
    if kind != OBJECT_TYPE_AAC {
        return Some(format!("mp4a.{kind:02x}"));
    }
    let specific = decoder.get(find_descriptor(decoder.get(13..)?, TAG_DECODER_SPECIFIC)? + 13..)?;
    Some(format!("mp4a.40.{}", object_type(&mut Bits::new(specific))?))
}

/// Where the payload of the decoder's descriptor begins in that of an `esds` box.
fn decoder_at(esds: &[u8]) -> Option<usize> {
    let mut at = 4 + find_descriptor(esds.get(4..)?, TAG_STREAM)?;
    let flags = *esds.get(at + 2)?;
    // What may come before the decoder's description: a stream it depends on, a URL, a clock.
    at += 3 + if flags & 0x80 == 0 { 0 } else { 2 };
    if flags & 0x40 != 0 {
        at += 1 + usize::from(*esds.get(at)?);
    }
    at += if flags & 0x20 == 0 { 0 } else { 2 };
    Some(at + find_descriptor(esds.get(at..)?, TAG_DECODER)?)
}

fn object_type(bits: &mut Bits<'_>) -> Option<u32> {
    match bits.read(5)? {
        31 => Some(32 + bits.read(6)?),
        kind => Some(kind),
    }
}

fn append_descriptor(tag: u8, payload: &[u8], out: &mut Vec<u8>) {
    // All here are far below 128 bytes but for odd configurations, so the long form serves them all.
    let size = payload.len() as u32;
    out.push(tag);
    out.extend([21, 14, 7].map(|shift| (size >> shift & 0x7f) as u8 | 0x80));
    out.push((size & 0x7f) as u8);
    out.extend_from_slice(payload);
}

/// Where the payload of the first descriptor with `tag` begins, if it is whole.
fn find_descriptor(bytes: &[u8], tag: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = *bytes.get(at)?;
        at += 1;
        let mut size = 0_usize;
        for _ in 0..4 {
            let byte = *bytes.get(at)?;
            at += 1;
            size = size << 7 | usize::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                break;
            }
        }
        bytes.get(at..at.checked_add(size)?)?;
        if found == tag {
            return Some(at);
        }
        at += size;
    }
}

const LOW_COMPLEXITY: u8 = 2;
const OBJECT_TYPE_AAC: u8 = 0x40;
const STREAM_TYPE_AUDIO: u8 = 5;
const TAG_STREAM: u8 = 3;
const TAG_DECODER: u8 = 4;
const TAG_DECODER_SPECIFIC: u8 = 5;
const TAG_SYNC: u8 = 6;

/// By `samplingFrequencyIndex`.
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn stereo_and_surround_have_entries() {
        for (channels, config) in [(2, [0x11, 0x90]), (6, [0x11, 0xb0])] {
            let configuration = Configuration::low_complexity(48_000, channels).unwrap();
            assert_eq!(configuration.bytes, config);
            assert_eq!(Configuration::of_bytes(&config, 0).unwrap(), configuration);
            let bitrate = Bitrate {
                buffer_bytes: 0,
                max_bps: 128_000,
                average_bps: 96_000,
            };
            let entry = configuration.entry(Some(bitrate)).unwrap();
            assert_eq!(entry.codecs, "mp4a.40.2");
            let mut bytes = entry.bytes.as_slice();
            let mp4a = <mp4_atom::Mp4a as mp4_atom::Decode>::decode(&mut bytes).unwrap();
            let decoder = mp4a.esds.es_desc.dec_config;
            assert_eq!((decoder.max_bitrate, decoder.avg_bitrate), (128_000, 96_000));
            assert_eq!(decoder.dec_specific.unwrap().chan_conf, channels);
            assert_eq!(mp4a.audio.channel_count, u16::from(channels));
            assert!(mp4a.btrt.is_some());

            let mut measured = entry.clone();
            measured.set_bitrate(Bitrate {
                buffer_bytes: 700,
                max_bps: 70_000,
                average_bps: 50_000,
            });
            let mut bytes = measured.bytes.as_slice();
            let mp4a = <mp4_atom::Mp4a as mp4_atom::Decode>::decode(&mut bytes).unwrap();
            let (decoder, btrt) = (mp4a.esds.es_desc.dec_config, mp4a.btrt.unwrap());
            assert_eq!((decoder.max_bitrate, decoder.avg_bitrate), (70_000, 50_000));
            assert_eq!(u32::from(decoder.buffer_size_db), 700);
            assert_eq!((btrt.max_bitrate, btrt.avg_bitrate), (70_000, 50_000));
            assert_eq!(decoder.dec_specific.unwrap().chan_conf, channels);
            assert_eq!(
                (measured.codecs, measured.bytes.len()),
                (entry.codecs, entry.bytes.len())
            );
        }
        assert_eq!(Configuration::low_complexity(48_001, 2), None);
    }

    #[test]
    fn other_kinds_are_named() {
        // SBR (HE-AAC), told in the first five bits.
        let entry = Configuration::of_bytes(&[0x2b, 0x11, 0x88, 0], 2).unwrap();
        assert_eq!(entry.entry(None).unwrap().codecs, "mp4a.40.5");
        assert_eq!(Configuration::of_bytes(&[0x11], 2), None);
        for broken in [
            &[0, 0, 0, 0, 3, 0x80][..],
            &[0, 0, 0, 0, 3, 5, 0, 0, 0, 4, 9],
            &[],
        ] {
            assert_eq!(codec_string(broken), None);
            let mut unchanged = broken.to_vec();
            set_bitrate(
                &mut unchanged,
                Bitrate {
                    buffer_bytes: 1,
                    max_bps: 2,
                    average_bps: 3,
                },
            );
            assert_eq!(unchanged, broken);
        }
    }

    #[test]
    fn an_adts_header_is_read() {
        let header = [0xff, 0xf1, 0x4c, 0x80, 0x2e, 0x7f, 0xfc];
        let (configuration, bytes) = Configuration::of_adts(&header).unwrap();
        assert_eq!(
            (configuration.rate, configuration.channels, bytes),
            (48_000, 2, 7)
        );
        assert_eq!(Configuration::of_adts(&[0xff, 0xe1, 0, 0]), None);
    }
}
