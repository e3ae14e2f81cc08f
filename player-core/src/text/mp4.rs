//! Text as samples of fragmented MP4 (ISO/IEC 14496-30): WebVTT (`wvtt`) and TTML (`stpp`).

use super::webvtt::{Region, Settings, WebVtt};
use super::{Cues, TextCue, TextError, ttml, write};
use crate::time::MediaTime;

/// The most samples of a segment that are read.
const MAX_SAMPLES: usize = 10_000;

/// A text track of an initialization section.
#[derive(Debug, Default)]
struct Track {
    id: u32,
    timescale: u32,
    /// Samples are WebVTT; else TTML.
    is_webvtt: bool,
    /// Of the header of WebVTT.
    regions: Vec<Region>,
    /// Duration and size of a sample where nothing else is said.
    defaults: (u32, u32),
}

/// Where and when a sample is.
#[derive(Clone, Copy)]
struct Sample<'a> {
    data: &'a [u8],
    start: MediaTime,
    end: MediaTime,
}

/// Boxes that follow each other: types and contents. One that breaks off is the last.
struct Boxes<'a>(&'a [u8]);

/// A full box: its version and flags, and a cursor over its fields. Fields that are not there are zero, and `is_short` says so.
struct FullBox<'a> {
    version: u8,
    flags: u32,
    rest: &'a [u8],
    is_short: bool,
}

/// Reads a segment. Times are the track's own, without its edit list; cues of TTML are shown only within their sample, and those of WebVTT
/// that go on from one sample into the next are one.
///
/// # Errors
/// If there is no text track in the initialization section (or, without one, in the segment), or nothing of it in the segment.
pub fn read(segment: &[u8], init: Option<&[u8]>) -> Result<Cues, TextError> {
    let track = Track::find(init.unwrap_or(segment))?;
    let mut reader = Reader {
        track: &track,
        cues: Cues::default(),
        samples: 0,
        bytes: segment.len(),
    };
    let mut rest = segment;
    let mut has_moof = false;
    while let Some((kind, content, after)) = split(rest) {
        if kind == *b"moof" {
            has_moof = true;
            // Offsets count from its first byte.
            reader.moof(content, rest, segment);
        }
        rest = after;
    }
    if !has_moof {
        return Err(TextError::malformed("the segment has no movie fragment (moof)"));
    }
    Ok(reader.cues)
}

struct Reader<'a> {
    track: &'a Track,
    cues: Cues,
    samples: usize,
    /// How many bytes of samples may still come: they do not share any.
    bytes: usize,
}

impl Reader<'_> {
    fn moof(&mut self, moof: &[u8], from_moof: &[u8], segment: &[u8]) {
        for (kind, traf) in Boxes(moof) {
            if kind == *b"traf" && self.traf(traf, from_moof, segment).is_none() {
                self.cues.warn(0, "a track fragment is malformed: it is left out");
            }
        }
    }

    fn traf(&mut self, traf: &[u8], from_moof: &[u8], segment: &[u8]) -> Option<()> {
        let mut tfhd = FullBox::new(find(traf, b"tfhd")?);
        let flags = tfhd.flags;
        if tfhd.u32() != self.track.id {
            return Some(());
        }
        let base = match flags & 1 {
            1 => segment.get(usize::try_from(tfhd.u64()).ok()?..)?,
            _ => from_moof,
        };
        tfhd.optional(flags & 2 != 0);
        let defaults = (
            tfhd.optional(flags & 8 != 0).unwrap_or(self.track.defaults.0),
            tfhd.optional(flags & 0x10 != 0).unwrap_or(self.track.defaults.1),
        );
        let mut time = match find(traf, b"tfdt") {
            Some(tfdt) => {
                let mut tfdt = FullBox::new(tfdt);
                if tfdt.version == 1 {
                    tfdt.u64()
                } else {
                    u64::from(tfdt.u32())
                }
            }
            None => {
                self.cues.warn(
                    0,
                    "a track fragment does not say when it begins (tfdt): it begins at zero",
                );
                0
            }
        };
        // A run without an offset goes on behind the one before it.
        let mut data: &[u8] = base;
        for (_, trun) in Boxes(traf).filter(|(kind, _)| kind == b"trun") {
            let mut trun = FullBox::new(trun);
            let flags = trun.flags;
            let count = trun.u32();
            if let Some(offset) = trun.optional(flags & 1 != 0) {
                data = base.get(usize::try_from(offset).ok()?..)?;
            }
            trun.optional(flags & 4 != 0);
            for _ in 0..count {
                let duration = trun.optional(flags & 0x100 != 0).unwrap_or(defaults.0);
                let size = trun.optional(flags & 0x200 != 0).unwrap_or(defaults.1);
                trun.optional(flags & 0x400 != 0);
                let offset = trun.optional(flags & 0x800 != 0).unwrap_or_default();
                if trun.is_short {
                    self.cues.warn(0, "a run of samples breaks off");
                    break;
                }
                self.samples += 1;
                let Some((bytes, after)) = data.split_at_checked(size as usize) else {
                    self.cues.warn(
                        0,
                        "a sample is not in the segment: it and what follows it is left out",
                    );
                    break;
                };
                let left = self.bytes.checked_sub(bytes.len());
                self.bytes = left.unwrap_or_default();
                if self.samples > MAX_SAMPLES || left.is_none() {
                    self.cues
                        .warn_once(0, "there are too many samples: what follows is left out");
                    return Some(());
                }
                data = after;
                // Signed in version 1; text has none in practice.
                let offset = if trun.version == 0 {
                    i64::from(offset)
                } else {
                    i64::from(offset as i32)
                };
                let at = i64::try_from(time).unwrap_or(i64::MAX).saturating_add(offset);
                time = time.saturating_add(u64::from(duration));
                let micros = |ticks| MediaTime::from_ticks(ticks, self.track.timescale);
                self.sample(Sample {
                    data: bytes,
                    start: micros(at),
                    end: micros(at.saturating_add(i64::from(duration))),
                });
            }
        }
        Some(())
    }

    fn sample(&mut self, sample: Sample<'_>) {
        if sample.data.is_empty() {
            return;
        }
        if self.track.is_webvtt {
            self.webvtt(sample);
        } else {
            self.ttml(sample);
        }
    }

    /// A sample of cues that are all shown from its start to its end.
    fn webvtt(&mut self, sample: Sample<'_>) {
        for (kind, content) in Boxes(sample.data) {
            if kind != *b"vttc" {
                // Nothing is shown (vtte), or a comment (vtta).
                continue;
            }
            let text = |kind| {
                find(content, kind)
                    .map(String::from_utf8_lossy)
                    .unwrap_or_default()
            };
            let payload = text(b"payl");
            if payload.is_empty() {
                continue;
            }
            let settings = text(b"sttg");
            let settings = Settings::parse(&settings, &self.track.regions, &mut |_| {});
            let mut regions = self.track.regions.iter().rev();
            let region = regions.find(|region| !region.id.is_empty() && region.id == settings.region);
            let cue = TextCue {
                id: text(b"iden").into_owned(),
                start: sample.start,
                end: sample.end,
                settings: write::settings(&settings),
                text: payload.into_owned(),
                region: region.cloned(),
            };
            if cue.end > cue.start {
                self.add(cue);
            }
        }
    }

    /// A document whose times are those of the track.
    fn ttml(&mut self, sample: Sample<'_>) {
        let document = match ttml::read(sample.data) {
            Ok(document) => document,
            Err(error) => {
                self.cues.warn(0, &error.to_string());
                return;
            }
        };
        for warning in document.warnings {
            self.cues.warn(warning.line, &warning.message);
        }
        let (start, end) = (sample.start, sample.end);
        let mut cues = document.cues;
        let is_inside = |cue: &TextCue| cue.start < end && cue.end > start;
        if !cues.is_empty() && start > MediaTime::ZERO && !cues.iter().any(is_inside) {
            // Some count from the start of the sample.
            let length = end - start;
            if cues.iter().all(|cue| cue.start < length) {
                self.cues.warn_once(
                    0,
                    "times count from the start of the sample instead of that of the track",
                );
                for cue in &mut cues {
                    cue.start += start;
                    cue.end += start;
                }
            }
        }
        for mut cue in cues {
            cue.start = cue.start.max(start);
            cue.end = cue.end.min(end);
            if cue.start < cue.end {
                self.add(cue);
            }
        }
    }

    /// Adds a cue, or lengthens the one that it goes on from.
    fn add(&mut self, cue: TextCue) {
        /// Cues that are shown at a time.
        const RECENT: usize = 16;
        let mut recent = self.cues.cues.iter_mut().rev().take(RECENT);
        let before = recent.find(|before| {
            before.end == cue.start
                && before.text == cue.text
                && before.id == cue.id
                && before.settings == cue.settings
                && before.region == cue.region
        });
        match before {
            Some(before) => before.end = cue.end,
            None => {
                if !self.cues.push(cue) {
                    self.cues.full(0);
                    self.samples = MAX_SAMPLES;
                }
            }
        }
    }
}

impl Track {
    /// The first text track.
    fn find(init: &[u8]) -> Result<Self, TextError> {
        let moov = find(init, b"moov");
        let moov = moov.ok_or_else(|| TextError::malformed("there is no initialization section (moov)"))?;
        let mut error = TextError::malformed("there is no text track in the initialization section");
        for (_, trak) in Boxes(moov).filter(|(kind, _)| kind == b"trak") {
            match Self::read(trak) {
                Some(Ok(mut track)) => {
                    track.defaults = defaults(moov, track.id);
                    return Ok(track);
                }
                Some(Err(unsupported)) => error = unsupported,
                None => {}
            }
        }
        Err(error)
    }

    /// Nothing if it is no text.
    fn read(trak: &[u8]) -> Option<Result<Self, TextError>> {
        let mdia = find(trak, b"mdia")?;
        let stbl = find(find(mdia, b"minf")?, b"stbl")?;
        // Version and flags, and the count of entries.
        let (kind, entry) = Boxes(find(stbl, b"stsd")?.get(8..)?).next()?;
        let is_webvtt = match &kind {
            b"wvtt" => true,
            b"stpp" => false,
            b"enct" => return Some(Err(TextError::Unsupported("encrypted text"))),
            _ => return None,
        };
        let (mut tkhd, mut mdhd) = (
            FullBox::new(find(trak, b"tkhd")?),
            FullBox::new(find(mdia, b"mdhd")?),
        );
        for header in [&mut tkhd, &mut mdhd] {
            // When it was made and changed.
            header.skip(if header.version == 1 { 16 } else { 8 });
        }
        let mut track = Self {
            id: tkhd.u32(),
            timescale: mdhd.u32(),
            is_webvtt,
            ..Self::default()
        };
        if track.timescale == 0 {
            return Some(Err(TextError::malformed("the text track has no timescale")));
        }
        // Reserved bytes and the index of the data reference, then boxes.
        if let Some(header) = entry
            .get(8..)
            .filter(|_| is_webvtt)
            .and_then(|boxes| find(boxes, b"vttC"))
        {
            track.regions = WebVtt::parse(header).map(|vtt| vtt.regions).unwrap_or_default();
        }
        Some(Ok(track))
    }
}

/// Duration and size of the samples of a track where nothing else is said (`trex`).
fn defaults(moov: &[u8], track: u32) -> (u32, u32) {
    let Some(mvex) = find(moov, b"mvex") else {
        return (0, 0);
    };
    for (_, trex) in Boxes(mvex).filter(|(kind, _)| kind == b"trex") {
        let mut trex = FullBox::new(trex);
        if trex.u32() == track {
            trex.skip(4);
            return (trex.u32(), trex.u32());
        }
    }
    (0, 0)
}

/// The content of the first box of a type.
fn find<'a>(boxes: &'a [u8], kind: &[u8; 4]) -> Option<&'a [u8]> {
    Boxes(boxes).find(|(k, _)| k == kind).map(|(_, content)| content)
}

/// The first box: its type, its content, and what follows it.
fn split(bytes: &[u8]) -> Option<([u8; 4], &[u8], &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<8>()?;
    let [s0, s1, s2, s3, t0, t1, t2, t3] = *header;
    let (content, after) = match u32::from_be_bytes([s0, s1, s2, s3]) {
        0 => (rest, &[][..]),
        1 => {
            let (large, rest) = rest.split_first_chunk::<8>()?;
            let size = usize::try_from(u64::from_be_bytes(*large)).ok()?;
            rest.split_at_checked(size.checked_sub(16)?)?
        }
        size => rest.split_at_checked((size as usize).checked_sub(8)?)?,
    };
    Some(([t0, t1, t2, t3], content, after))
}

impl<'a> Iterator for Boxes<'a> {
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (kind, content, after) = split(self.0)?;
        self.0 = after;
        Some((kind, content))
    }
}

impl<'a> FullBox<'a> {
    fn new(content: &'a [u8]) -> Self {
        let mut full = Self {
            version: 0,
            flags: 0,
            rest: content,
            is_short: false,
        };
        let word = full.u32();
        full.version = (word >> 24) as u8;
        full.flags = word & 0xff_ffff;
        full
    }

    fn u32(&mut self) -> u32 {
        match self.rest.split_first_chunk::<4>() {
            Some((bytes, rest)) => {
                self.rest = rest;
                u32::from_be_bytes(*bytes)
            }
            None => {
                self.is_short = true;
                0
            }
        }
    }

    fn u64(&mut self) -> u64 {
        u64::from(self.u32()) << 32 | u64::from(self.u32())
    }

    fn optional(&mut self, is_there: bool) -> Option<u32> {
        is_there.then(|| self.u32())
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}
