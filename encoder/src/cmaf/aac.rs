//! AAC-LC as ISO base media files hold it (ISO/IEC 14496-3 and 14496-14).

use mp4_atom::esds::{DecoderConfig, DecoderSpecific, EsDescriptor, Esds, SLConfig};
use mp4_atom::{Audio, Codec, Mp4a};

use super::SampleEntry;

/// Samples of one AAC frame.
pub(crate) const FRAME_SAMPLES: u32 = 1024;

/// The codec string of RFC 6381, for example `mp4a.40.2`.
pub(crate) fn codec_string(esds: &Esds) -> Option<String> {
    let config = &esds.es_desc.dec_config;
    let profile = config.dec_specific.as_ref()?.profile;
    Some(format!("mp4a.{:02x}.{profile}", config.object_type_indication))
}

/// The sample entry; `None` for a rate that AAC has no index for.
pub(crate) fn entry(rate: u32, channels: u8, max_bps: u32, average_bps: u32) -> Option<SampleEntry> {
    let esds = esds(rate, channels, max_bps, average_bps)?;
    let codecs = codec_string(&esds)?;
    let mp4a = Mp4a {
        audio: Audio {
            data_reference_index: 1,
            channel_count: u16::from(channels),
            sample_size: 16,
            sample_rate: u16::try_from(rate).unwrap_or(0).into(),
        },
        esds,
        btrt: None,
        taic: None,
    };
    SampleEntry::new(&Codec::from(mp4a), codecs).ok()
}

fn esds(rate: u32, channels: u8, max_bps: u32, average_bps: u32) -> Option<Esds> {
    let freq_index = RATES.iter().position(|candidate| *candidate == rate)? as u8;
    let config = DecoderConfig {
        object_type_indication: 0x40,
        stream_type: 5,
        up_stream: 0,
        max_bitrate: max_bps,
        avg_bitrate: average_bps,
        dec_specific: Some(DecoderSpecific {
            profile: AAC_LC,
            freq_index,
            chan_conf: channels,
            ..Default::default()
        }),
        ..Default::default()
    };
    Some(Esds {
        es_desc: EsDescriptor {
            dec_config: config,
            sl_config: SLConfig::default(),
            ..Default::default()
        },
    })
}

const AAC_LC: u8 = 2;

/// By `samplingFrequencyIndex`.
const RATES: [u32; 13] = [
    96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];
