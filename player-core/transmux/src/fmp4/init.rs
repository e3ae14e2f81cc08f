//! Initialization sections.

use super::{Description, begin, begin_full, end, put16, put32, zeros};
use crate::audio::{self, Detail, ac3, adts};
use crate::video::{self, Coding};

/// Identity, 16.16 and 2.30 (ISO/IEC 14496-12, 8.2.2.3).
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// `ftyp` and `moov`.
pub(crate) fn write(tracks: &[Description]) -> Vec<u8> {
    let mut out = Vec::with_capacity(2048);
    let ftyp = begin(&mut out, b"ftyp");
    out.extend(b"iso5\0\0\0\x01iso5iso6mp41");
    end(&mut out, ftyp);
    let moov = begin(&mut out, b"moov");
    header(&mut out);
    for track in tracks {
        track_box(&mut out, track);
    }
    let mvex = begin(&mut out, b"mvex");
    for track in tracks {
        let trex = begin_full(&mut out, b"trex", 0, 0);
        for value in [track.track_id(), 1, 0, 0, 0] {
            put32(&mut out, value);
        }
        end(&mut out, trex);
    }
    end(&mut out, mvex);
    end(&mut out, moov);
    out
}

fn header(out: &mut Vec<u8>) {
    let mvhd = begin_full(out, b"mvhd", 0, 0);
    for value in [0, 0, video::TIMESCALE, 0, 0x1_0000] {
        put32(out, value);
    }
    put16(out, 0x100);
    zeros(out, 10);
    MATRIX.iter().for_each(|value| put32(out, *value));
    zeros(out, 24);
    put32(out, u32::MAX);
    end(out, mvhd);
}

fn track_box(out: &mut Vec<u8>, track: &Description) {
    let trak = begin(out, b"trak");
    let tkhd = begin_full(out, b"tkhd", 0, 7);
    for value in [0, 0, track.track_id(), 0, 0] {
        put32(out, value);
    }
    zeros(out, 8);
    let (width, height) = match track {
        Description::Audio(_) => (0, 0),
        Description::Video(video) => shown(video),
    };
    zeros(out, 4);
    put16(out, if width == 0 { 0x100 } else { 0 });
    zeros(out, 2);
    MATRIX.iter().for_each(|value| put32(out, *value));
    put32(out, width << 16);
    put32(out, height << 16);
    end(out, tkhd);
    let mdia = begin(out, b"mdia");
    let mdhd = begin_full(out, b"mdhd", 0, 0);
    for value in [0, 0, track.timescale(), 0] {
        put32(out, value);
    }
    // Undetermined (`und`).
    put16(out, 0x55c4);
    zeros(out, 2);
    end(out, mdhd);
    let hdlr = begin_full(out, b"hdlr", 0, 0);
    zeros(out, 4);
    out.extend(match track {
        Description::Audio(_) => b"soun",
        Description::Video(_) => b"vide",
    });
    zeros(out, 13);
    end(out, hdlr);
    let minf = begin(out, b"minf");
    match track {
        Description::Audio(_) => {
            let smhd = begin_full(out, b"smhd", 0, 0);
            zeros(out, 4);
            end(out, smhd);
        }
        Description::Video(_) => {
            let vmhd = begin_full(out, b"vmhd", 0, 1);
            zeros(out, 8);
            end(out, vmhd);
        }
    }
    let dinf = begin(out, b"dinf");
    let dref = begin_full(out, b"dref", 0, 0);
    put32(out, 1);
    let url = begin_full(out, b"url ", 0, 1);
    end(out, url);
    end(out, dref);
    end(out, dinf);
    let stbl = begin(out, b"stbl");
    let stsd = begin_full(out, b"stsd", 0, 0);
    put32(out, 1);
    match track {
        Description::Audio(audio) => sound(out, audio),
        Description::Video(video) => pictures(out, video),
    }
    end(out, stsd);
    for (kind, bytes) in [(b"stts", 4), (b"stsc", 4), (b"stsz", 8), (b"stco", 4)] {
        let table = begin_full(out, kind, 0, 0);
        zeros(out, bytes);
        end(out, table);
    }
    end(out, stbl);
    end(out, minf);
    end(out, mdia);
    end(out, trak);
}

/// With square pixels.
fn shown(video: &video::Description) -> (u32, u32) {
    let picture = &video.picture;
    let (x, y) = picture.pixel.unwrap_or((1, 1));
    let width = (u32::from(picture.width) * u32::from(x) + u32::from(y) / 2) / u32::from(y);
    (width.clamp(1, 0xffff), picture.height.into())
}

fn pictures(out: &mut Vec<u8>, video: &video::Description) {
    let (entry, configuration) = match video.coding {
        Coding::Avc => (b"avc1", b"avcC"),
        Coding::Hevc => (b"hvc1", b"hvcC"),
    };
    let entry = begin(out, entry);
    zeros(out, 6);
    put16(out, 1);
    zeros(out, 16);
    put16(out, video.picture.width);
    put16(out, video.picture.height);
    // 72 dpi, one frame a sample, no name, 24 bits a pixel.
    put32(out, 0x48_0000);
    put32(out, 0x48_0000);
    zeros(out, 4);
    put16(out, 1);
    zeros(out, 32);
    put16(out, 0x18);
    put16(out, u16::MAX);
    let at = begin(out, configuration);
    out.extend_from_slice(&video.configuration);
    end(out, at);
    if let Some(colours) = video.picture.colours {
        let colr = begin(out, b"colr");
        out.extend(b"nclx");
        for value in [colours.primaries, colours.transfer, colours.matrix] {
            put16(out, value.into());
        }
        out.push(u8::from(colours.full_range) << 7);
        end(out, colr);
    }
    if let Some((x, y)) = video.picture.pixel {
        let pasp = begin(out, b"pasp");
        put32(out, x.into());
        put32(out, y.into());
        end(out, pasp);
    }
    end(out, entry);
}

fn sound(out: &mut Vec<u8>, audio: &audio::Description) {
    let entry = begin(
        out,
        match audio.detail {
            Detail::Aac { .. } | Detail::Mpeg { .. } => b"mp4a",
            Detail::Ac3(_) => b"ac-3",
            Detail::Eac3(_) => b"ec-3",
        },
    );
    zeros(out, 6);
    put16(out, 1);
    zeros(out, 8);
    put16(out, audio.channels.into());
    put16(out, 16);
    zeros(out, 4);
    // 16.16; a rate that does not fit is in the configuration.
    put32(
        out,
        u16::try_from(audio.rate).map_or(0, |rate| u32::from(rate) << 16),
    );
    match audio.detail {
        Detail::Aac {
            object_type,
            rate_index,
            channel_configuration,
        } => {
            let specific = adts::specific_config(object_type, rate_index, channel_configuration);
            esds(out, 0x40, &specific);
        }
        Detail::Mpeg { first, .. } => esds(out, if first { 0x6b } else { 0x69 }, &[]),
        Detail::Ac3(dac3) => {
            let at = begin(out, b"dac3");
            out.extend(dac3);
            end(out, at);
        }
        Detail::Eac3(dec3) => {
            let at = begin(out, b"dec3");
            out.extend_from_slice(ac3::dec3(&dec3));
            end(out, at);
        }
    }
    end(out, entry);
}

/// `esds` (ISO/IEC 14496-1, 7.2.6).
fn esds(out: &mut Vec<u8>, object_type: u8, specific: &[u8]) {
    let at = begin_full(out, b"esds", 0, 0);
    let specific_size = if specific.is_empty() {
        0
    } else {
        specific.len() + 2
    };
    // ES_Descriptor of stream 0, without a priority.
    out.extend([3, (3 + 2 + 13 + specific_size + 3) as u8, 0, 0, 0]);
    // DecoderConfigDescriptor of an audio stream; sizes of buffers and bitrates are not known.
    out.extend([4, (13 + specific_size) as u8, object_type, 0x15]);
    zeros(out, 11);
    if !specific.is_empty() {
        out.extend([5, specific.len() as u8]);
        out.extend_from_slice(specific);
    }
    // SLConfigDescriptor: as MP4 has it.
    out.extend([6, 1, 2]);
    end(out, at);
}
