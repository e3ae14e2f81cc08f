//! The init segment: `ftyp` and `moov`.

use mp4_atom::{
    Dinf, Dref, Edts, Elst, ElstEntry, FourCC, Ftyp, Hdlr, Mdhd, Mehd, Mvex, Mvhd, Smhd, Stco, Stsc, Stsz,
    Stts, Tkhd, Trex, Url, Vmhd,
};

use super::{BRANDS, SampleEntry, container, encode, full_box};

/// What an init segment says about its one track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Track {
    /// Ticks per second.
    pub(crate) timescale: u32,
    /// What is presented, in ticks; 0 while it is not known.
    pub(crate) duration: u64,
    /// Ticks at the start of the media that are decoded but not presented (an encoder's priming).
    pub(crate) skipped: u64,
    /// Ticks of a sample that states no duration of its own.
    pub(crate) default_sample_ticks: u32,
    /// ISO 639-2/T.
    pub(crate) language: String,
    pub(crate) media: Media,
    pub(crate) entry: SampleEntry,
}

/// What a track shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Media {
    /// Pixels across and down.
    Video { width: u16, height: u16 },
    /// Channels, and samples per second.
    Audio { channels: u8, rate: u32 },
}

/// What an encrypted track has in place of its own sample entry, and beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Protected {
    /// Sample entry boxes, the default one first.
    pub(crate) entries: Vec<Vec<u8>>,
    /// `pssh` boxes.
    pub(crate) pssh: Vec<Vec<u8>>,
}

/// The one track's identifier in every file.
pub(super) const TRACK_ID: u32 = 1;

/// Writes the init segment of `track`, with what `protected` says if it is encrypted.
pub(crate) fn init_segment(track: &Track, protected: Option<&Protected>) -> Result<Vec<u8>, String> {
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
        container(b"trak", out, |out| trak(track, protected, out))?;
        let trex = Trex {
            track_id: TRACK_ID,
            default_sample_description_index: 1,
            default_sample_duration: track.default_sample_ticks,
            ..Default::default()
        };
        let mehd = Mehd {
            fragment_duration: track.duration,
        };
        let mvex = Mvex {
            mehd: Some(mehd),
            trex: vec![trex],
        };
        encode(&mvex, out)?;
        let pssh = protected.iter().flat_map(|protected| &protected.pssh);
        pssh.for_each(|pssh| out.extend_from_slice(pssh));
        Ok(())
    })?;
    Ok(out)
}

fn trak(track: &Track, protected: Option<&Protected>, out: &mut Vec<u8>) -> Result<(), String> {
    let mut tkhd = Tkhd {
        track_id: TRACK_ID,
        enabled: true,
        in_movie: true,
        ..Default::default()
    };
    let (handler, name) = match track.media {
        Media::Video { width, height } => {
            tkhd.width = width.into();
            tkhd.height = height.into();
            (b"vide", "video")
        }
        Media::Audio { .. } => {
            tkhd.volume = 1.into();
            tkhd.alternate_group = 1;
            (b"soun", "audio")
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
        let elst = Some(Elst { entries: vec![entry] });
        encode(&Edts { elst }, out)?;
    }
    let mdhd = Mdhd {
        timescale: track.timescale,
        language: track.language.clone(),
        ..Default::default()
    };
    let hdlr = Hdlr {
        handler: FourCC::new(handler),
        name: name.to_owned(),
    };
    let dref = Dref {
        entries: vec![Url::default().into()],
    };
    container(b"mdia", out, |out| {
        encode(&mdhd, out)?;
        encode(&hdlr, out)?;
        container(b"minf", out, |out| {
            match track.media {
                Media::Video { .. } => encode(&Vmhd::default(), out)?,
                Media::Audio { .. } => encode(&Smhd::default(), out)?,
            }
            encode(&Dinf { dref }, out)?;
            container(b"stbl", out, |out| {
                full_box(b"stsd", 0, 0, out, |out| {
                    let own = std::slice::from_ref(&track.entry.bytes);
                    let entries = protected.map_or(own, |protected| protected.entries.as_slice());
                    out.extend_from_slice(&(entries.len() as u32).to_be_bytes());
                    entries.iter().for_each(|entry| out.extend_from_slice(entry));
                    Ok(())
                })?;
                encode(&Stts::default(), out)?;
                encode(&Stsc::default(), out)?;
                encode(&Stsz::default(), out)?;
                encode(&Stco::default(), out)
            })
        })
    })
}
