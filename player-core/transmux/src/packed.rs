//! Packed audio: frames of sound behind an ID3 tag that says when they are due (RFC 8216, 3.4).

use player_core::input::Id3;
use player_core::media::id3;

use crate::assemble::{Assembly, Part, Pictures, Sound, media_time};
use crate::audio::Coding;
use crate::audio::frames::{self, Frame, Mark, header, tag_size};
use crate::audio::track::{self, End};
use crate::crypt::SampleKey;
use crate::error::{TransmuxError, first_bytes};
use crate::segment::Stream;
use crate::transmuxer::{Ready, Settings};
use crate::video::TIMESCALE;
use crate::warnings::Warnings;

/// Prepares a segment.
pub(crate) fn prepare(
    stream: &mut Stream,
    bytes: Vec<u8>,
    settings: &Settings<'_>,
    key: Option<&SampleKey>,
) -> Result<Ready, TransmuxError> {
    let mut warnings = Warnings::default();
    let start = leading_tags(&bytes);
    let coding =
        coding(&bytes[start..]).ok_or_else(|| TransmuxError::NotPackedAudio(first_bytes(&bytes[start..])))?;
    stream.begin(settings.continuous);
    let tags = read_tags(&bytes, &mut warnings);
    let stamp = tags.iter().find_map(id3::Frame::transport_stream_timestamp);
    let time = match stamp {
        Some(stamp) => {
            let mut place = stream.clock.place();
            Some(stream.clock.next(&mut place, stamp, &mut warnings))
        }
        None if stream.sound_end.is_some() => None,
        None => {
            warnings.add("packed audio without a timestamp: it begins at zero");
            Some(0)
        }
    };
    // Half a frame from the segment before comes first.
    let mut elementary = core::mem::take(&mut stream.half_frame);
    if stream.half_coding != Some(coding) {
        elementary.clear();
    }
    let offset = elementary.len();
    elementary.extend_from_slice(&bytes[start..]);
    drop(bytes);
    let marks = [Mark {
        offset,
        time,
        epoch: 0,
    }];
    let found = frames::find(coding, &mut elementary, &marks, key, &mut warnings);
    let groups = track::place(&found.frames, stream.sound_end, None, None, &mut warnings);
    let Some(first) = groups.first() else {
        return Err(TransmuxError::NothingToPlay("no whole frame of sound".into()));
    };
    let begins = first.span().start;
    let mut metadata = Vec::new();
    push_tag(&mut metadata, begins, tags);
    for (before, at) in &found.tags {
        let frames = read_tags(elementary.get(*at..).unwrap_or_default(), &mut warnings);
        push_tag(
            &mut metadata,
            begins + ticks(found.frames.get(..*before).unwrap_or_default()),
            frames,
        );
    }
    stream.keep_half(coding, elementary.get(found.rest..).unwrap_or_default());
    let mut assembly = Assembly {
        // No pictures, but the part of the segment that sound belongs to.
        pictures: Pictures {
            parts: vec![Part::default()],
            ..Pictures::default()
        },
        sound: Sound {
            groups,
            bytes: elementary,
        },
        ..Assembly::default()
    };
    if assembly.lift() {
        stream.clock.lift();
    }
    if let Some(last) = assembly.sound.groups.last() {
        stream.sound_end = Some(End {
            description: last.description,
            time: last.end,
        });
        stream.sound = Some(last.description);
    }
    let written = assembly.write(&mut stream.sequence);
    Ok(stream.ready(written, metadata, warnings))
}

/// Where the first byte behind the tags is.
fn leading_tags(bytes: &[u8]) -> usize {
    let mut at: usize = 0;
    while let Some(size) = bytes.get(at..).and_then(tag_size) {
        at = at.saturating_add(size);
    }
    at.min(bytes.len())
}

fn read_tags(bytes: &[u8], warnings: &mut Warnings) -> Vec<id3::Frame> {
    if tag_size(bytes).is_none() {
        return Vec::new();
    }
    id3::parse(bytes).map_or_else(
        |_| {
            warnings.add("an ID3 tag that cannot be read was left out");
            Vec::new()
        },
        |(frames, _)| frames,
    )
}

/// What is for the player alone is no metadata.
fn push_tag(metadata: &mut Vec<Id3>, time: i64, mut frames: Vec<id3::Frame>) {
    frames.retain(|frame| frame.transport_stream_timestamp().is_none());
    if !frames.is_empty() {
        metadata.push(Id3 {
            time: media_time(time),
            frames,
        });
    }
}

/// The coding of the first frames; what comes before them must be little.
fn coding(bytes: &[u8]) -> Option<Coding> {
    const SEARCHED: usize = 1 << 13;
    let is = |coding: Coding, bytes: &[u8]| {
        header(coding, bytes).is_some_and(|first| match bytes.get(first.size..) {
            Some(next) if next.len() >= 8 => header(coding, next).is_some(),
            Some(next) => next.is_empty(),
            None => false,
        })
    };
    let starts = (0..bytes.len().min(SEARCHED)).filter(|at| matches!(bytes[*at], 0x0b | 0xff));
    starts.map(|at| &bytes[at..]).find_map(|rest| {
        [Coding::Aac, Coding::Ac3, Coding::Mpeg]
            .into_iter()
            .find(|coding| is(*coding, rest))
    })
}

/// How long frames last.
fn ticks(frames: &[Frame]) -> i64 {
    let Some(first) = frames.first() else { return 0 };
    let samples = frames.iter().map(|frame| i64::from(frame.samples)).sum();
    track::convert(samples, first.description.rate, TIMESCALE)
}
