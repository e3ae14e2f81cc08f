//! The init segment: `ftyp` and `moov`.

use mp4_atom::{
    Audio, Avc1, Avcc, Codec, Dinf, Dref, Edts, Elst, ElstEntry, Esds, FourCC, Ftyp, Hdlr, Mdhd, Mdia, Mehd,
    Minf, Mp4a, Mvex, Mvhd, Smhd, Stbl, Stsd, Tkhd, Trex, Url, Visual, Vmhd,
};

use super::{BRANDS, container, encode};

/// What an init segment says about its one track.
pub(crate) struct Track {
    /// Ticks per second.
    pub(crate) timescale: u32,
    /// What is presented, in ticks.
    pub(crate) duration: u64,
    /// Ticks at the start of the media that are decoded but not presented (an encoder's priming).
    pub(crate) skipped: u64,
    /// Ticks of a sample that states no duration of its own.
    pub(crate) default_sample_ticks: u32,
    pub(crate) entry: SampleEntry,
}

/// The codec's own part.
pub(crate) enum SampleEntry {
    Avc { width: u16, height: u16, avcc: Avcc },
    Aac { rate: u16, channels: u8, esds: Esds },
}

/// The one track's identifier in every file.
pub(super) const TRACK_ID: u32 = 1;

/// Writes the init segment of `track`.
pub(crate) fn init_segment(track: &Track) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(1024);
    let ftyp = Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: BRANDS.iter().map(|brand| FourCC::new(brand)).collect(),
    };
    encode(&ftyp, &mut out)?;
    container(b"moov", &mut out, |out| {
        let mvhd = Mvhd {
            timescale: track.timescale,
            next_track_id: TRACK_ID + 1,
            ..Default::default()
        };
        encode(&mvhd, out)?;
        container(b"trak", out, |out| trak(track, out))?;
        let trex = Trex {
            track_id: TRACK_ID,
            default_sample_description_index: 1,
            default_sample_duration: track.default_sample_ticks,
            ..Default::default()
        };
        let mehd = Mehd {
            fragment_duration: track.duration,
        };
        encode(
            &Mvex {
                mehd: Some(mehd),
                trex: vec![trex],
            },
            out,
        )
    })?;
    Ok(out)
}

fn trak(track: &Track, out: &mut Vec<u8>) -> Result<(), String> {
    let mut tkhd = Tkhd {
        track_id: TRACK_ID,
        enabled: true,
        in_movie: true,
        ..Default::default()
    };
    let (handler, name, vmhd, smhd) = match &track.entry {
        SampleEntry::Avc { width, height, .. } => {
            tkhd.width = (*width).into();
            tkhd.height = (*height).into();
            (b"vide", "video", Some(Vmhd::default()), None)
        }
        SampleEntry::Aac { .. } => {
            tkhd.volume = 1.into();
            tkhd.alternate_group = 1;
            (b"soun", "audio", None, Some(Smhd::default()))
        }
    };
    encode(&tkhd, out)?;
    if track.skipped > 0 {
        // A duration of 0 spans whatever the fragments bring (ISO/IEC 14496-12 §8.6.6).
        let entry = ElstEntry {
            segment_duration: 0,
            media_time: Some(track.skipped),
            media_rate: 1.into(),
        };
        encode(
            &Edts {
                elst: Some(Elst { entries: vec![entry] }),
            },
            out,
        )?;
    }
    let codec = match &track.entry {
        SampleEntry::Avc { width, height, avcc } => Codec::from(Avc1 {
            visual: Visual {
                data_reference_index: 1,
                width: *width,
                height: *height,
                ..Default::default()
            },
            avcc: avcc.clone(),
            ..Default::default()
        }),
        SampleEntry::Aac { rate, channels, esds } => Codec::from(Mp4a {
            audio: Audio {
                data_reference_index: 1,
                channel_count: u16::from(*channels),
                sample_size: 16,
                sample_rate: (*rate).into(),
            },
            esds: esds.clone(),
            btrt: None,
            taic: None,
        }),
    };
    let mdia = Mdia {
        mdhd: Mdhd {
            timescale: track.timescale,
            language: "und".to_owned(),
            ..Default::default()
        },
        hdlr: Hdlr {
            handler: FourCC::new(handler),
            name: name.to_owned(),
        },
        minf: Minf {
            vmhd,
            smhd,
            dinf: Dinf {
                dref: Dref {
                    entries: vec![Url::default().into()],
                },
            },
            stbl: Stbl {
                stsd: Stsd { codecs: vec![codec] },
                stco: Some(Default::default()),
                ..Default::default()
            },
            ..Default::default()
        },
    };
    encode(&mdia, out)
}
