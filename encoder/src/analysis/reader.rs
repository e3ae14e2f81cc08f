//! Frames of a source through filters, numbered as the encoding numbers them.

use std::path::Path;

use ffmpeg_next::frame;

use crate::decode::{VideoDecoding, next_packet, seek};
use crate::error::EncodeError;
use crate::graph::{Scan, VideoShape, Wired, normalising};
use crate::source::{self, Source, VideoStream};
use crate::timing::FrameRate;

/// Reads a source's pictures one after the other.
pub(crate) struct Reader {
    source: Source,
    decoding: VideoDecoding,
    filter: Filter,
    broken: u64,
    is_at_end: bool,
}

struct Filter {
    graph: Option<(VideoShape, Wired)>,
    rate: FrameRate,
    first_frame: u64,
    /// Filters after those of every encoding.
    tail: String,
}

impl Reader {
    /// Opens the video of `path` at `rate` from `first_frame`; its frames go through the filters `tail`.
    pub(crate) fn open(
        path: &Path,
        rate: FrameRate,
        first_frame: u64,
        tail: impl Into<String>,
    ) -> Result<Self, EncodeError> {
        let mut source = source::open(path)?;
        let decoding = VideoDecoding::of(&mut source, rate).ok_or_else(|| EncodeError::NoFrames {
            path: path.to_owned(),
        })?;
        seek(&mut source, rate, first_frame)?;
        Ok(Self {
            source,
            decoding,
            filter: Filter {
                graph: None,
                rate,
                first_frame,
                tail: tail.into(),
            },
            broken: 0,
            is_at_end: false,
        })
    }

    /// The next picture; its `pts` is its number, from 0 at the start of the source.
    pub(crate) fn next_frame(&mut self) -> Result<Option<frame::Video>, EncodeError> {
        loop {
            let mut frame = frame::Video::empty();
            if let Some((_, graph)) = &mut self.filter.graph
                && graph.pull(0, &mut frame)?
            {
                return Ok(Some(frame));
            }
            if self.is_at_end {
                return Ok(None);
            }
            let filter = &mut self.filter;
            let mut take = |frame: frame::Video, stream: &VideoStream| filter.push(&frame, stream);
            match next_packet(&mut self.source.input, &self.source.path, &mut self.broken)? {
                Some(packet) if packet.stream() == self.decoding.stream.index => {
                    self.decoding.decode(Some(&packet), &mut take)?;
                }
                Some(_) => {}
                None => {
                    self.is_at_end = true;
                    self.decoding.decode(None, &mut take)?;
                    if let Some((_, graph)) = &mut self.filter.graph {
                        graph.finish(self.decoding.end())?;
                    }
                }
            }
        }
    }
}

impl Filter {
    fn push(&mut self, frame: &frame::Video, stream: &VideoStream) -> Result<(), EncodeError> {
        let shape = VideoShape::of(frame);
        let graph = match &mut self.graph {
            // Pictures of another shape are few, and what is looked for is in the others.
            Some((first, _)) if *first != shape => return Ok(()),
            Some((_, graph)) => graph,
            None => {
                let steps = normalising(
                    frame,
                    stream.orientation,
                    Scan::AsFlagged,
                    self.rate,
                    self.first_frame,
                )
                .join(",");
                let spec = format!("[in]{steps},{}[out0]", self.tail);
                let graph = Wired::build(
                    "buffer",
                    &shape.arguments(stream.time_base),
                    "buffersink",
                    1,
                    spec,
                )?;
                &mut self.graph.insert((shape, graph)).1
            }
        };
        graph.push(frame)
    }
}
