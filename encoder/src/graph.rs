//! Filter graphs: decoded frames in, frames as the encoders want them out.

use ffmpeg_next::filter::{self, Context, Graph};
use ffmpeg_next::mathematics::Rescale;
use ffmpeg_next::{ChannelLayout, Rational, color, format, frame};

use crate::encode::is_pause;
use crate::error::EncodeError;
use crate::ladder::Rung;
use crate::source::Orientation;
use crate::timing::FrameRate;

/// One graph for every rung: the source is turned, brought to a constant rate, split and scaled.
pub(crate) struct VideoGraph {
    graph: Wired,
    shape: VideoShape,
    time_base: Rational,
    /// Brings frames of another shape than the first to the first's.
    adapter: Option<(VideoShape, Wired)>,
}

/// One graph for a sound rendition: its rate and channels, silence where the source has gaps.
pub(crate) struct AudioGraph {
    graph: Wired,
    shape: AudioShape,
    time_base: Rational,
    adapter: Option<(AudioShape, Wired)>,
}

/// What every graph begins with: the source's frames deinterlaced, at a constant rate from `first_frame`, upright.
pub(crate) fn normalising(
    first: &frame::Video,
    orientation: Orientation,
    rate: FrameRate,
    first_frame: u64,
) -> Vec<String> {
    let mut steps = Vec::new();
    if first.is_interlaced() {
        steps.push("yadif=deint=interlaced".to_owned());
    }
    // Trims what was decoded only to get there, and repeats the first frame where the picture starts late.
    steps.push(format!("fps={rate}:start_time={:.9}", rate.seconds(first_frame)));
    steps.extend(turns(orientation));
    steps
}

impl VideoGraph {
    /// Builds the graph for sources like `first`, whose times count in `time_base`.
    pub(crate) fn new(
        first: &frame::Video,
        time_base: Rational,
        orientation: Orientation,
        rate: FrameRate,
        first_frame: u64,
        rungs: &[&Rung],
    ) -> Result<Self, EncodeError> {
        let shape = VideoShape::of(first);
        let steps = normalising(first, orientation, rate, first_frame);
        let labels: String = (0..rungs.len()).map(|index| format!("[s{index}]")).collect();
        let mut spec = format!("[in]{},split={}{labels}", steps.join(","), rungs.len());
        // RGB has no matrix of its own; what it is given is also what it is tagged with.
        let is_rgb = first.color_space() == color::Space::RGB || shape.is_rgb();
        let (matrix, tags) = match is_rgb {
            true => (":out_color_matrix=bt709", RGB_TAGS),
            false => ("", ""),
        };
        // Only when it is needed: with this option even a rung of the source's size is copied.
        let range = if first.color_range() == color::Range::JPEG {
            ":out_range=tv"
        } else {
            ""
        };
        for (index, Rung { width, height, .. }) in rungs.iter().enumerate() {
            spec += &format!(
                ";[s{index}]scale={width}:{height}:flags=bicubic{range}{matrix},format=yuv420p,setsar=1{tags}[out{index}]"
            );
        }
        let graph = Wired::build(
            "buffer",
            &shape.arguments(time_base),
            "buffersink",
            rungs.len(),
            spec,
        )?;
        Ok(Self {
            graph,
            shape,
            time_base,
            adapter: None,
        })
    }

    /// Puts a decoded frame in; `pts` counts in the graph's time base.
    pub(crate) fn push(&mut self, mut frame: frame::Video) -> Result<(), EncodeError> {
        let shape = VideoShape::of(&frame);
        if shape != self.shape {
            let pts = frame.pts();
            if self.adapter.as_ref().is_none_or(|(from, _)| *from != shape) {
                let to = &self.shape;
                let spec = format!(
                    "[in]scale={}:{}:flags=bicubic,format={},setsar={}/{}[out0]",
                    to.width,
                    to.height,
                    to.format.name(),
                    to.aspect.0,
                    to.aspect.1
                );
                let graph = Wired::build("buffer", &shape.arguments(self.time_base), "buffersink", 1, spec)?;
                self.adapter = Some((shape, graph));
            }
            let Some((_, adapter)) = &mut self.adapter else {
                return Ok(());
            };
            adapter.push(&frame)?;
            frame = frame::Video::empty();
            if !adapter.pull(0, &mut frame)? {
                return Ok(());
            }
            frame.set_pts(pts);
        }
        self.graph.push(&frame)
    }

    /// Says that no frame follows and that the last one ends at `end`, in the graph's time base.
    pub(crate) fn finish(&mut self, end: i64) -> Result<(), EncodeError> {
        self.graph.finish(end)
    }

    /// Takes the next frame for rung `index`; `pts` is its number, from 0 at the start of the source.
    pub(crate) fn pull(&mut self, index: usize) -> Result<Option<frame::Video>, EncodeError> {
        let mut frame = frame::Video::empty();
        Ok(self.graph.pull(index, &mut frame)?.then_some(frame))
    }
}

impl AudioGraph {
    /// Builds the graph for sources like `first`; frames come out with `samples` each at `rate`.
    pub(crate) fn new(
        first: &frame::Audio,
        time_base: Rational,
        rate: u32,
        channels: u8,
        samples: u32,
    ) -> Result<Self, EncodeError> {
        let shape = AudioShape::of(first);
        // async=1 fills gaps and a late start with silence, so that sound stays with the picture.
        let layout = match channels {
            1 => "mono",
            2 => "stereo",
            _ => "5.1",
        };
        let spec = format!(
            "[in]aresample={rate}:async=1:first_pts=0,aformat=sample_fmts=fltp:sample_rates={rate}:channel_layouts={layout}[out0]"
        );
        let mut graph = Wired::build("abuffer", &shape.arguments(time_base), "abuffersink", 1, spec)?;
        graph.set_frame_samples(samples);
        Ok(Self {
            graph,
            shape,
            time_base,
            adapter: None,
        })
    }

    /// Puts a decoded frame in; `pts` counts in the graph's time base.
    pub(crate) fn push(&mut self, frame: &frame::Audio) -> Result<(), EncodeError> {
        let shape = AudioShape::of(frame);
        if shape == self.shape {
            return self.graph.push(frame);
        }
        if self.adapter.as_ref().is_none_or(|(from, _)| *from != shape) {
            let to = &self.shape;
            let spec = format!(
                "[in]aresample={0},aformat=sample_fmts={1}:sample_rates={0}:channel_layouts=0x{2:x}[out0]",
                to.rate,
                to.format.name(),
                to.layout
            );
            let graph = Wired::build(
                "abuffer",
                &shape.arguments(self.time_base),
                "abuffersink",
                1,
                spec,
            )?;
            self.adapter = Some((shape, graph));
        }
        let Some((_, adapter)) = &mut self.adapter else {
            return Ok(());
        };
        adapter.push(frame)?;
        let mut adapted = frame::Audio::empty();
        while adapter.pull(0, &mut adapted)? {
            let time_base = adapter.time_base(0);
            let pts = adapted.pts().map(|pts| pts.rescale(time_base, self.time_base));
            adapted.set_pts(pts);
            self.graph.push(&adapted)?;
        }
        Ok(())
    }

    /// Says that no frame follows and that the last one ends at `end`, in the graph's time base.
    pub(crate) fn finish(&mut self, end: i64) -> Result<(), EncodeError> {
        self.graph.finish(end)
    }

    /// Takes the next frame.
    pub(crate) fn pull(&mut self) -> Result<Option<frame::Audio>, EncodeError> {
        let mut frame = frame::Audio::empty();
        Ok(self.graph.pull(0, &mut frame)?.then_some(frame))
    }
}

/// Sends one picture through filters of its own; `None` when they give none.
pub(crate) fn filter_picture(
    picture: &frame::Video,
    filters: &str,
) -> Result<Option<frame::Video>, EncodeError> {
    let time_base = Rational::new(1, 1);
    let arguments = VideoShape::of(picture).arguments(time_base);
    let mut graph = Wired::build(
        "buffer",
        &arguments,
        "buffersink",
        1,
        format!("[in]{filters}[out0]"),
    )?;
    let mut picture = picture.clone();
    picture.set_pts(Some(0));
    graph.push(&picture)?;
    graph.finish(1)?;
    let mut filtered = frame::Video::empty();
    Ok(graph.pull(0, &mut filtered)?.then_some(filtered))
}

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

    pub(crate) fn set_frame_samples(&mut self, samples: u32) {
        for sink in &mut self.sinks {
            sink.sink().set_frame_size(samples);
        }
    }

    fn time_base(&mut self, index: usize) -> Rational {
        self.sinks
            .get_mut(index)
            .map_or(Rational::new(1, 1), |sink| sink.sink().time_base())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct VideoShape {
    format: format::Pixel,
    width: u32,
    height: u32,
    /// Of a pixel.
    aspect: (i32, i32),
}

impl VideoShape {
    pub(crate) fn of(frame: &frame::Video) -> Self {
        let aspect = frame.aspect_ratio();
        let aspect = match (aspect.numerator(), aspect.denominator()) {
            (num, den) if num > 0 && den > 0 => (num, den),
            _ => (1, 1),
        };
        Self {
            format: frame.format(),
            width: frame.width(),
            height: frame.height(),
            aspect,
        }
    }

    pub(crate) fn arguments(&self, time_base: Rational) -> String {
        format!(
            "video_size={}x{}:pix_fmt={}:time_base={}/{}:pixel_aspect={}/{}",
            self.width,
            self.height,
            self.format.name(),
            time_base.numerator(),
            time_base.denominator(),
            self.aspect.0,
            self.aspect.1
        )
    }

    fn is_rgb(&self) -> bool {
        [
            "rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr",
        ]
        .iter()
        .any(|start| self.format.name().starts_with(start))
    }
}

trait Named {
    fn name(&self) -> &'static str;
}

impl Named for format::Pixel {
    fn name(&self) -> &'static str {
        self.descriptor().map_or("none", |descriptor| descriptor.name())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct AudioShape {
    format: format::Sample,
    rate: u32,
    layout: u64,
}

impl AudioShape {
    fn of(frame: &frame::Audio) -> Self {
        let layout = match frame.channel_layout() {
            unknown if unknown.is_empty() => ChannelLayout::default(i32::from(frame.channels().max(1))),
            layout => layout,
        };
        Self {
            format: frame.format(),
            rate: frame.rate(),
            layout: layout.bits(),
        }
    }

    pub(crate) fn arguments(&self, time_base: Rational) -> String {
        format!(
            "time_base={}/{}:sample_rate={}:sample_fmt={}:channel_layout=0x{:x}",
            time_base.numerator(),
            time_base.denominator(),
            self.rate,
            self.format.name(),
            self.layout
        )
    }
}

/// The filters that turn a picture as it is to be shown.
pub(crate) fn turns(orientation: Orientation) -> Vec<String> {
    match orientation {
        Orientation::Clockwise { mirrored: false } => vec!["transpose=clock".to_owned()],
        Orientation::Clockwise { mirrored: true } => vec!["transpose=cclock_flip".to_owned()],
        Orientation::Counterclockwise { mirrored: false } => vec!["transpose=cclock".to_owned()],
        Orientation::Counterclockwise { mirrored: true } => vec!["transpose=clock_flip".to_owned()],
        Orientation::Flipped {
            horizontally,
            vertically,
        } => {
            let flips = [(horizontally, "hflip"), (vertically, "vflip")];
            flips
                .into_iter()
                .filter(|(is_set, _)| *is_set)
                .map(|(_, flip)| flip.to_owned())
                .collect()
        }
        Orientation::Upright => Vec::new(),
    }
}

const RGB_TAGS: &str = ",setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv";
