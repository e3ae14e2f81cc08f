//! Manifests.
#![allow(missing_docs, reason = "each is called once, by the target of its name")]

use std::collections::BTreeMap;

use super::write;
use crate::error::EncodeError;
use crate::fuzzing::Files;
use crate::index::{Container, KeyFrame, Kind, Presentation, Rendition, Segment, Sound, Text};
use crate::packager::Packaging;
use crate::text::{Role, TextSegment};
use crate::timing::FrameRate;

/// A packaged rendition.
#[derive(Clone, Debug)]
pub struct Made {
    pub name: String,
    /// Of pictures.
    pub size: Option<[u32; 2]>,
    pub language: Option<String>,
    pub label: String,
    pub timescale: u32,
    /// Bytes of the init segment and the index of a single file.
    pub head: Option<[u64; 2]>,
    pub segments: Vec<MadeSegment>,
}

#[derive(Clone, Debug)]
pub struct MadeSegment {
    pub start: u64,
    pub duration: u64,
    pub offset: u64,
    pub bytes: u64,
    pub quality: Option<f64>,
    /// When each begins, where in the segment, and its bytes.
    pub key_frames: Vec<[u64; 3]>,
}

/// Every manifest of a presentation, by name. There is text in the language of each label, cut as the first rendition is.
pub fn manifests(
    made: &[Made],
    texts: &[(String, String)],
    (constant_duration, in_ts): (bool, bool),
) -> Result<BTreeMap<String, Vec<u8>>, EncodeError> {
    let renditions: Vec<Rendition> = made.iter().map(rendition).collect();
    let guide = renditions.first();
    let text = |((language, label), number): (&(String, String), usize)| Text {
        name: format!("text-{number}"),
        language: language.clone(),
        label: label.clone(),
        role: Role::Subtitle,
        timescale: guide.map_or(1, |guide| guide.timescale),
        segments: guide
            .iter()
            .flat_map(|guide| &guide.segments)
            .map(|segment| TextSegment {
                number: segment.number,
                start: segment.start,
                duration: segment.duration,
                bytes: 100,
            })
            .collect(),
    };
    let texts = texts.iter().zip(1..).map(text).collect();
    let in_ts = in_ts.then(|| {
        let stream = |rendition: &Rendition| Rendition {
            container: Container::TransportStream,
            ..rendition.clone()
        };
        renditions.iter().map(stream).collect()
    });
    let packaging = Packaging {
        constant_duration,
        single_file: made.first().is_some_and(|first| first.head.is_some()),
        ..Packaging::default()
    };
    let presentation = Presentation {
        renditions,
        for_hls: in_ts,
        texts,
        images: None,
    };
    let files = Files::default();
    write(&files, &presentation, &packaging)?;
    Ok(files.into_inner())
}

fn rendition(made: &Made) -> Rendition {
    let kind = match made.size {
        Some([width, height]) => Kind::Video {
            width,
            height,
            rate: FrameRate::new(25, 1),
        },
        None => Kind::Audio(Sound {
            rate: 48_000,
            channels: 2,
            language: made.language.clone(),
            label: made.label.clone(),
            is_default: false,
            describes_video: false,
            group: "audio".to_owned(),
        }),
    };
    let segment = |(segment, number): (&MadeSegment, u32)| Segment {
        number,
        start: segment.start,
        duration: segment.duration,
        bytes: segment.bytes,
        offset: segment.offset,
        quality: segment.quality,
        key_frames: segment
            .key_frames
            .iter()
            .map(|&[start, offset, bytes]| KeyFrame { start, offset, bytes })
            .collect(),
    };
    Rendition {
        name: made.name.clone(),
        codecs: if made.size.is_some() {
            "avc1.64001f"
        } else {
            "mp4a.40.2"
        }
        .to_owned(),
        kind,
        timescale: made.timescale,
        container: match made.head {
            Some([init_bytes, index_bytes]) => Container::SingleFile {
                init_bytes,
                index_bytes,
            },
            None => Container::Files,
        },
        colour: None,
        segments: made.segments.iter().zip(1..).map(segment).collect(),
        protection: None,
    }
}
