//! Opus as ISO base media files hold it ("Encapsulation of Opus in ISO Base Media File Format" 0.8.1).

use super::entry::{Bitrate, SampleEntry, Sound, boxed};

/// The rate that Opus is always decoded at.
pub(crate) const RATE: u32 = 48_000;

/// What `dOps` holds (RFC 7845 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(crate) channels: u8,
    /// Samples at 48 kHz to decode and not to play at the start.
    pub(crate) pre_skip: u16,
    /// What the source had, in Hz; only told.
    input_rate: u32,
    output_gain: u16,
    mapping_family: u8,
    /// Streams, coupled streams, and the stream of each channel; empty for family 0.
    mapping: Vec<u8>,
}

impl Configuration {
    /// Of an encoder for `channels` channels in the order of Vorbis, as libopus codes them (RFC 7845 §5.1.1.2).
    pub(crate) fn new(channels: u8, pre_skip: u16) -> Option<Self> {
        let mapping: &[u8] = match channels {
            1 | 2 => &[],
            3 => &[2, 1, 0, 2, 1],
            4 => &[2, 2, 0, 1, 2, 3],
            5 => &[3, 2, 0, 4, 1, 2, 3],
            6 => &[4, 2, 0, 4, 1, 2, 3, 5],
            7 => &[4, 3, 0, 4, 1, 2, 3, 5, 6],
            8 => &[5, 3, 0, 6, 1, 2, 3, 4, 5, 7],
            _ => return None,
        };
        Some(Self {
            channels,
            pre_skip,
            input_rate: RATE,
            output_gain: 0,
            mapping_family: u8::from(channels > 2),
            mapping: mapping.to_vec(),
        })
    }

    /// Reads the header of an Ogg stream, `OpusHead`, which is also FFmpeg's extradata.
    pub(crate) fn of_head(head: &[u8]) -> Option<Self> {
        let [
            version,
            channels,
            skip_low,
            skip_high,
            r0,
            r1,
            r2,
            r3,
            gain_low,
            gain_high,
            family,
            mapping @ ..,
        ] = head.strip_prefix(b"OpusHead")?
        else {
            return None;
        };
        let mapping = match family {
            0 => &[],
            _ => mapping.get(..2 + usize::from(*channels))?,
        };
        let most = if *family == 0 { 2 } else { u8::MAX };
        (version >> 4 == 0 && (1..=most).contains(channels)).then_some(())?;
        Some(Self {
            channels: *channels,
            pre_skip: u16::from_le_bytes([*skip_low, *skip_high]),
            input_rate: u32::from_le_bytes([*r0, *r1, *r2, *r3]),
            output_gain: u16::from_le_bytes([*gain_low, *gain_high]),
            mapping_family: *family,
            mapping: mapping.to_vec(),
        })
    }

    /// The `Opus` sample entry.
    pub(crate) fn entry(&self, bitrate: Option<Bitrate>) -> Result<SampleEntry, String> {
        let sound = Sound {
            rate: RATE,
            channels: self.channels.into(),
            bitrate,
        };
        SampleEntry::audio(b"Opus", &sound, |out| {
            boxed(b"dOps", out, |out| {
                out.extend_from_slice(&[0, self.channels]);
                out.extend_from_slice(&self.pre_skip.to_be_bytes());
                out.extend_from_slice(&self.input_rate.to_be_bytes());
                out.extend_from_slice(&self.output_gain.to_be_bytes());
                out.push(self.mapping_family);
                out.extend_from_slice(&self.mapping);
            });
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// What libopus writes for 5.1.
    const HEAD: &[u8] = b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05";

    #[test]
    fn an_ogg_header_becomes_a_sample_entry() {
        let configuration = Configuration::of_head(HEAD).unwrap();
        assert_eq!(configuration, Configuration::new(6, 312).unwrap());
        let entry = configuration.entry(None).unwrap();
        assert_eq!(entry.codecs, "opus");
        let (kind, payload) = entry.children().next().unwrap();
        assert_eq!(kind, b"dOps");
        let expected = b"\0\x06\x01\x38\0\0\xbb\x80\0\0\x01\x04\x02\0\x04\x01\x02\x03\x05";
        assert_eq!(payload, expected);
        let stereo = Configuration::new(2, 312).unwrap().entry(None).unwrap();
        let mut bytes = stereo.bytes.as_slice();
        let opus = <mp4_atom::Opus as mp4_atom::Decode>::decode(&mut bytes).unwrap();
        assert_eq!((opus.dops.pre_skip, opus.audio.channel_count), (312, 2));
    }

    #[test]
    fn broken_headers_are_refused() {
        for end in 0..HEAD.len() {
            assert_eq!(Configuration::of_head(&HEAD[..end]), None, "{end}");
        }
        assert_eq!(Configuration::new(9, 312), None);
        // Without a mapping there are two channels at most.
        let mut unmapped = HEAD.to_vec();
        unmapped[18] = 0;
        assert_eq!(Configuration::of_head(&unmapped), None);
    }
}
