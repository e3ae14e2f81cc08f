//! AC-3 and Enhanced AC-3 as ISO base media files hold them (ETSI TS 102 366 Annex F): packaged, never encoded here.

use super::bits::Bits;
use super::entry::{Bitrate, SampleEntry, Sound, boxed};

/// The sample entry for a stream whose first access unit is `unit`: `ac-3` or `ec-3`.
pub(crate) fn entry(unit: &[u8], bitrate: Option<Bitrate>) -> Result<SampleEntry, String> {
    let mut frames = syncframes(unit);
    let broken = || "no whole AC-3 or E-AC-3 frame was found".to_owned();
    let first = frames.next().ok_or_else(broken)?;
    // Those of the next frame of the same unit are the same substreams.
    let dependent = frames.take_while(|frame| frame.is_dependent);
    let dependent: Vec<Frame> = dependent.take(MAX_DEPENDENT).collect();
    let sound = Sound {
        rate: first.rate,
        // Of the frame that all decoders understand; the configuration tells the rest.
        channels: first.channels(),
        bitrate,
    };
    let Some(rate_code) = first.ac3_rate_code else {
        return SampleEntry::audio(b"ec-3", &sound, |out| {
            boxed(b"dec3", out, |out| first.append_dec3(&dependent, out));
        });
    };
    SampleEntry::audio(b"ac-3", &sound, |out| {
        boxed(b"dac3", out, |out| {
            let fields = first.rate_index << 22
                | first.stream_id << 17
                | first.mode << 14
                | first.layout << 11
                | first.lfe << 10
                | rate_code << 5;
            out.extend_from_slice(&fields.to_be_bytes()[1..]);
        });
    })
}

/// The header of a syncframe (ETSI TS 102 366 §4.3 and §E.1.2).
#[derive(Clone, Copy, Debug)]
struct Frame {
    bytes: usize,
    rate: u32,
    /// `fscod`, `bsid`, `bsmod`, `acmod` and `lfeon`.
    rate_index: u32,
    stream_id: u32,
    mode: u32,
    layout: u32,
    lfe: u32,
    /// Of AC-3 alone.
    ac3_rate_code: Option<u32>,
    is_dependent: bool,
    samples: u32,
    /// `chanmap` as it stands in a dependent frame.
    channel_map: Option<u32>,
}

impl Frame {
    fn read(bytes: &[u8]) -> Option<Self> {
        let stream_id = u32::from(bytes.get(5)? >> 3);
        let frame = match stream_id {
            0..=10 => Self::read_ac3(stream_id, bytes)?,
            11..=16 => Self::read_eac3(stream_id, bytes)?,
            _ => return None,
        };
        (bytes.get(..2)? == [0x0b, 0x77]).then_some(frame)
    }

    fn read_ac3(stream_id: u32, bytes: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(bytes.get(4..)?);
        let rate_index = bits.read(2)?;
        let size_code = bits.read(6)?;
        bits.skip(5)?;
        let mode = bits.read(3)?;
        let layout = bits.read(3)?;
        if layout & 1 == 1 && layout != 1 {
            bits.skip(2)?;
        }
        if layout & 4 != 0 {
            bits.skip(2)?;
        }
        if layout == 2 {
            bits.skip(2)?;
        }
        let lfe = bits.read(1)?;
        let rate = *RATES.get(rate_index as usize)?;
        let kbps = *AC3_KBPS.get(size_code as usize / 2)?;
        let words = match rate_index {
            0 => kbps * 2,
            // The odd codes have a word more.
            1 => kbps * 96_000 / 44_100 + (size_code & 1),
            _ => kbps * 3,
        };
        Some(Self {
            bytes: words as usize * 2,
            rate,
            rate_index,
            stream_id,
            mode,
            layout,
            lfe,
            ac3_rate_code: Some(size_code / 2),
            is_dependent: false,
            samples: 1536,
            channel_map: None,
        })
    }

    fn read_eac3(stream_id: u32, bytes: &[u8]) -> Option<Self> {
        let mut bits = Bits::new(bytes.get(2..)?);
        let kind = bits.read(2)?;
        bits.skip(3)?;
        let words = bits.read(11)? + 1;
        let rate_index = bits.read(2)?;
        let (rate, blocks) = if rate_index == 3 {
            (RATES.get(bits.read(2)? as usize)? / 2, 6)
        } else {
            let blocks = [1, 2, 3, 6].get(bits.read(2)? as usize).copied()?;
            (*RATES.get(rate_index as usize)?, blocks)
        };
        let layout = bits.read(3)?;
        let lfe = bits.read(1)?;
        bits.skip(5)?;
        // Loudness and compression, twice for two mono channels.
        for _ in 0..if layout == 0 { 2 } else { 1 } {
            bits.skip(5)?;
            if bits.flag()? {
                bits.skip(8)?;
            }
        }
        let is_dependent = kind == 1;
        let channel_map = if is_dependent && bits.flag()? {
            Some(bits.read(16)?)
        } else {
            None
        };
        Some(Self {
            bytes: words as usize * 2,
            rate,
            rate_index,
            stream_id,
            mode: 0,
            layout,
            lfe,
            ac3_rate_code: None,
            is_dependent,
            samples: blocks * 256,
            channel_map,
        })
    }

    fn channels(&self) -> u16 {
        let full = [2, 1, 2, 3, 3, 4, 4, 5].get(self.layout as usize).copied();
        full.unwrap_or(2) + self.lfe as u16
    }

    /// One independent substream and those that depend on it.
    fn append_dec3(&self, dependent: &[Self], out: &mut Vec<u8>) {
        let bytes: usize = self.bytes + dependent.iter().map(|frame| frame.bytes).sum::<usize>();
        let bps = bytes as u64 * 8 * u64::from(self.rate) / u64::from(self.samples);
        let kbps = (bps + 500) / 1000;
        let substreams = 0;
        out.extend_from_slice(&((kbps.min(0x1fff) as u16) << 3 | substreams).to_be_bytes());
        let mut fields = u64::from(self.rate_index) << 22
            | u64::from(self.stream_id) << 17
            | u64::from(self.mode) << 12
            | u64::from(self.layout) << 9
            | u64::from(self.lfe) << 8
            | (dependent.len() as u64) << 1;
        let mut size = 3;
        if !dependent.is_empty() {
            let map = dependent
                .iter()
                .filter_map(|frame| frame.channel_map)
                .fold(0, |map, one| map | one);
            fields = fields << 8 | u64::from(dec3_locations(map));
            size = 4;
        }
        out.extend_from_slice(&fields.to_be_bytes()[8 - size..]);
    }
}

/// `chan_loc` of `dec3` from a `chanmap`: from Lc/Rc on (bit 5 from the top) to LFE2 (bit 15), nine bits.
fn dec3_locations(map: u32) -> u32 {
    let bit = |from_top: u32| map >> (15 - from_top) & 1;
    // Lc/Rc, Lrs/Rrs, Cs, Ts, Lsd/Rsd, Lw/Rw, Lvh/Rvh, Cvh, LFE2 in this order from the lowest bit.
    [5, 6, 7, 8, 9, 10, 11, 12, 14]
        .into_iter()
        .enumerate()
        .fold(0, |locations, (at, from_top)| locations | bit(from_top) << at)
}

fn syncframes(mut unit: &[u8]) -> impl Iterator<Item = Frame> {
    std::iter::from_fn(move || {
        let frame = Frame::read(unit)?;
        unit = unit.get(frame.bytes..).unwrap_or_default();
        Some(frame)
    })
}

/// Dependent substreams of one that is independent (ETSI TS 102 366 §E.1.3.1.2).
const MAX_DEPENDENT: usize = 8;
const RATES: [u32; 3] = [48_000, 44_100, 32_000];
const AC3_KBPS: [u32; 19] = [
    32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn payload(unit: &[u8]) -> (String, Vec<u8>) {
        let entry = entry(unit, None).unwrap();
        let (_, payload) = entry.children().next().unwrap();
        (entry.codecs.clone(), payload.to_vec())
    }

    #[test]
    fn headers_become_configurations() {
        // Frames of FFmpeg's encoders for 5.1 at 44.1 kHz and 448 kbit/s, with what FFmpeg's own muxer makes of them.
        let ac3 = [0x0b, 0x77, 0x0d, 0xce, 0x5e, 0x40, 0xeb, 0xf8, 0x40];
        assert_eq!(payload(&ac3), ("ac-3".to_owned(), vec![0x50, 0x3d, 0xe0]));
        let eac3 = [0x0b, 0x77, 0x03, 0xce, 0x7f, 0x87, 0xc0, 0x00];
        let (codecs, dec3) = payload(&eac3);
        assert_eq!(
            (codecs.as_str(), dec3.as_slice()),
            ("ec-3", &[0x0e, 0, 0x60, 0x0f, 0][..])
        );
    }

    #[test]
    fn a_dependent_frame_adds_its_channels() {
        // 7.1: an independent frame of 4 words, then a dependent one with a map of Lrs/Rrs.
        let independent = [0x0b, 0x77, 0x00, 0x03, 0x3f, 0x87, 0xc0, 0x00];
        let dependent = [0x0b, 0x77, 0x40, 0x03, 0x3a, 0x87, 0b1101_0000, 0b0010_0000, 0, 0];
        let unit = [&independent[..], &dependent].concat();
        let (_, dec3) = payload(&unit);
        assert_eq!(dec3.len(), 6);
        assert_eq!((dec3[4] >> 1 & 0xf, dec3[5]), (1, 2));
        let whole = [&[0x0b, 0x77, 0x40, 0x04], &dependent[4..]].concat();
        let once = [&independent[..], &whole].concat();
        assert_eq!(
            payload(&once.repeat(2)),
            payload(&once),
            "they belong to the first"
        );
        let many = [&independent[..], &whole.repeat(40)].concat();
        assert_eq!(payload(&many).1[4], 8 << 1);
    }

    #[test]
    fn junk_makes_no_entry() {
        for junk in [&[][..], &[0x0b, 0x77], &[0; 16], &[0xff; 16]] {
            assert!(entry(junk, None).is_err());
        }
    }
}
