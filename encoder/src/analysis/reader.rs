//! Frames of a source through filters, numbered as the encoding numbers them.

use std::path::Path;

use ffmpeg_next::frame;

use crate::decode::{VideoDecoding, next_packet, seek};
use crate::error::EncodeError;
use crate::graph::{PictureOutput, Scan, VideoGraph, VideoShape, Wired, normalising};
use crate::medium::Medium;
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
    graph: Option<Graph>,
    rate: FrameRate,
    first_frame: u64,
    tail: Tail,
}

/// What follows the filters of every encoding.
enum Tail {
    Filters(String),
    /// What an encoder would get.
    Picture(Scan, PictureOutput),
}

enum Graph {
    Filters(VideoShape, Wired),
    Picture(Box<VideoGraph>),
}

impl Reader {
    /// Opens the video of `path` at `rate` from `first_frame`; its frames go through the filters `tail`.
    pub(crate) fn open(
        path: &Path,
        rate: FrameRate,
        first_frame: u64,
        tail: impl Into<String>,
    ) -> Result<Self, EncodeError> {
        Self::open_medium(&Medium::of_file(path), rate, first_frame, tail)
    }

    /// As [`open`](Self::open), of what may be in several files.
    pub(crate) fn open_medium(
        medium: &Medium,
        rate: FrameRate,
        first_frame: u64,
        tail: impl Into<String>,
    ) -> Result<Self, EncodeError> {
        Self::open_with(medium, rate, first_frame, Tail::Filters(tail.into()))
    }

    /// Opens the video of `path` for the pictures that an encoder of `output` would get.
    pub(crate) fn open_pictures(
        path: &Path,
        rate: FrameRate,
        first_frame: u64,
        scan: Scan,
        output: PictureOutput,
    ) -> Result<Self, EncodeError> {
        Self::open_with(
            &Medium::of_file(path),
            rate,
            first_frame,
            Tail::Picture(scan, output),
        )
    }

    fn open_with(
        medium: &Medium,
        rate: FrameRate,
        first_frame: u64,
        tail: Tail,
    ) -> Result<Self, EncodeError> {
        let mut source = source::open_medium(medium)?;
        let decoding = VideoDecoding::of(&mut source, rate).ok_or_else(|| EncodeError::NoFrames {
            path: medium.path.clone(),
        })?;
        seek(&mut source, rate, first_frame)?;
        Ok(Self {
            source,
            decoding,
            filter: Filter {
                graph: None,
                rate,
                first_frame,
                tail,
            },
            broken: 0,
            is_at_end: false,
        })
    }

    /// The next picture; its `pts` is its number, from 0 at the start of the source.
    pub(crate) fn next_frame(&mut self) -> Result<Option<frame::Video>, EncodeError> {
        loop {
            if let Some(frame) = self.filter.pull()? {
                return Ok(Some(frame));
            }
            if self.is_at_end {
                return Ok(None);
            }
            let filter = &mut self.filter;
            let mut take = |frame: frame::Video, stream: &VideoStream| filter.push(frame, stream);
            match next_packet(&mut self.source.input, &self.source.path, &mut self.broken)? {
                Some(packet) if packet.stream() == self.decoding.stream.index => {
                    self.decoding.decode(Some(&packet), &mut take)?;
                }
                Some(_) => {}
                None => {
                    self.is_at_end = true;
                    self.decoding.decode(None, &mut take)?;
                    self.filter.finish(self.decoding.end())?;
                }
            }
        }
    }
}

impl Filter {
    fn push(&mut self, frame: frame::Video, stream: &VideoStream) -> Result<(), EncodeError> {
        let graph = match &mut self.graph {
            Some(graph) => graph,
            None => {
                let graph = self.build(&frame, stream)?;
                self.graph.insert(graph)
            }
        };
        match graph {
            // Pictures of another shape are few, and what is looked for is in the others.
            Graph::Filters(first, _) if *first != VideoShape::of(&frame) => Ok(()),
            Graph::Filters(_, graph) => graph.push(&frame),
            Graph::Picture(graph) => graph.push(frame),
        }
    }

    fn build(&self, first: &frame::Video, stream: &VideoStream) -> Result<Graph, EncodeError> {
        let (rate, first_frame) = (self.rate, self.first_frame);
        match &self.tail {
            Tail::Filters(tail) => {
                let scan = Scan::AsFlagged;
                let steps = normalising(first, stream.orientation, scan, rate, first_frame).join(",");
                let spec = format!("[in]{steps},{tail}[out0]");
                let shape = VideoShape::of(first);
                let arguments = shape.arguments(stream.time_base);
                let graph = Wired::build("buffer", &arguments, "buffersink", 1, spec)?;
                Ok(Graph::Filters(shape, graph))
            }
            Tail::Picture(scan, output) => {
                let graph = VideoGraph::new(first, stream, *scan, rate, first_frame, &[*output], None)?;
                Ok(Graph::Picture(Box::new(graph)))
            }
        }
    }

    fn pull(&mut self) -> Result<Option<frame::Video>, EncodeError> {
        match &mut self.graph {
            None => Ok(None),
            Some(Graph::Picture(graph)) => graph.pull(0),
            Some(Graph::Filters(_, graph)) => {
                let mut frame = frame::Video::empty();
                Ok(graph.pull(0, &mut frame)?.then_some(frame))
            }
        }
    }

    fn finish(&mut self, end: i64) -> Result<(), EncodeError> {
        match &mut self.graph {
            None => Ok(()),
            Some(Graph::Picture(graph)) => graph.finish(end),
            Some(Graph::Filters(_, graph)) => graph.finish(end),
        }
    }
}
