//! Sample entries (ISO/IEC 14496-12 §8.5.2) as bytes, so that every codec and every box in them fits.

use mp4_atom::{Codec, Decode};

use super::{aac, avc, encode};

/// What a track's samples are: the whole sample entry box and its name in manifests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SampleEntry {
    /// The box, header included.
    pub(crate) bytes: Vec<u8>,
    /// RFC 6381.
    pub(crate) codecs: String,
}

impl SampleEntry {
    pub(crate) fn new(codec: &Codec, codecs: String) -> Result<Self, String> {
        let mut bytes = Vec::new();
        encode(codec, &mut bytes)?;
        Ok(Self { bytes, codecs })
    }

    /// Reads the entry that `bytes` are, header included.
    pub(crate) fn read(bytes: Vec<u8>) -> Result<Self, String> {
        let codec = Codec::decode(&mut bytes.as_slice()).map_err(|error| error.to_string())?;
        let codecs = match &codec {
            Codec::Avc1(avc1) => avc::codec_string(&avc1.avcc),
            Codec::Mp4a(mp4a) => aac::codec_string(&mp4a.esds),
            _ => None,
        };
        let codecs = codecs.ok_or_else(|| "a sample entry without a known codec".to_owned())?;
        Ok(Self { bytes, codecs })
    }

    /// The box's type, such as `avc1`.
    pub(crate) fn kind(&self) -> [u8; 4] {
        self.bytes
            .get(4..8)
            .and_then(|kind| kind.try_into().ok())
            .unwrap_or_default()
    }
}
