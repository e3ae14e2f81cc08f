//! Filter graphs: decoded frames in, frames as the encoders want them out.

mod audio;
mod interlace;
mod video;

pub(crate) use audio::AudioGraph;
pub(crate) use interlace::{Scan, detect};
pub(crate) use video::{PictureOutput, VideoGraph, VideoShape, filter_picture, normalising, turns};

use ffmpeg_next::filter::{self, Context, Graph};
use ffmpeg_next::{Rational, format};

use crate::encode::is_pause;
use crate::error::EncodeError;

/// A configured graph with one source and some sinks.
pub(crate) struct Wired {
    source: Option<Context>,
    sinks: Vec<Context>,
    spec: String,
    // Owns what the contexts point to.
    _graph: Graph,
}

impl Wired {
    /// Builds `spec`, whose open ends are `[in]` (left out for a graph that makes its own frames) and `[out0]`… .
    pub(crate) fn build(
        source_filter: &str,
        source_arguments: &str,
        sink_filter: &str,
        sinks: usize,
        spec: String,
    ) -> Result<Self, EncodeError> {
        match Self::try_build(source_filter, source_arguments, sink_filter, sinks, &spec) {
            Ok((graph, source, sinks)) => Ok(Self {
                source,
                sinks,
                spec,
                _graph: graph,
            }),
            Err(source) => Err(EncodeError::Filter { graph: spec, source }),
        }
    }

    fn try_build(
        source_filter: &str,
        source_arguments: &str,
        sink_filter: &str,
        sink_count: usize,
        spec: &str,
    ) -> Result<(Graph, Option<Context>, Vec<Context>), ffmpeg_next::Error> {
        let find = |name: &str| filter::find(name).ok_or(ffmpeg_next::Error::FilterNotFound);
        let mut graph = Graph::new();
        let source = match source_filter {
            "" => None,
            name => Some(graph.add(&find(name)?, "in", source_arguments)?),
        };
        let sinks = (0..sink_count)
            .map(|index| graph.add(&find(sink_filter)?, &format!("out{index}"), ""))
            .collect::<Result<Vec<_>, _>>()?;
        let mut parser = filter::graph::Parser::new(&mut graph);
        if source.is_some() {
            parser = parser.output("in", 0)?;
        }
        for index in 0..sink_count {
            parser = parser.input(&format!("out{index}"), 0)?;
        }
        parser.parse(spec)?;
        graph.validate()?;
        Ok((graph, source, sinks))
    }

    fn failed(&self, source: ffmpeg_next::Error) -> EncodeError {
        EncodeError::Filter {
            graph: self.spec.clone(),
            source,
        }
    }

    pub(crate) fn push(&mut self, frame: &ffmpeg_next::Frame) -> Result<(), EncodeError> {
        let result = self
            .source
            .as_mut()
            .map_or(Ok(()), |source| source.source().add(frame));
        result.map_err(|error| self.failed(error))
    }

    pub(crate) fn finish(&mut self, end: i64) -> Result<(), EncodeError> {
        let result = self
            .source
            .as_mut()
            .map_or(Ok(()), |source| source.source().close(end));
        result.map_err(|error| self.failed(error))
    }

    /// Whether sink `index` had a frame.
    pub(crate) fn pull(&mut self, index: usize, frame: &mut ffmpeg_next::Frame) -> Result<bool, EncodeError> {
        let Some(sink) = self.sinks.get_mut(index) else {
            return Ok(false);
        };
        match sink.sink().frame(frame) {
            Ok(()) => Ok(true),
            Err(error) if is_pause(error) => Ok(false),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Lets the sinks give frames of `samples` each.
    pub(crate) fn set_frame_samples(&mut self, samples: u32) {
        for sink in &mut self.sinks {
            sink.sink().set_frame_size(samples);
        }
    }

    pub(crate) fn time_base(&mut self, index: usize) -> Rational {
        self.sinks
            .get_mut(index)
            .map_or(Rational::new(1, 1), |sink| sink.sink().time_base())
    }
}

pub(crate) trait Named {
    fn name(&self) -> &'static str;
}

impl Named for format::Pixel {
    fn name(&self) -> &'static str {
        self.descriptor().map_or("none", |descriptor| descriptor.name())
    }
}
