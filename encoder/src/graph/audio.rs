//! The sound's graph: each rendition's rate and channels, silence where the source has gaps.

use ffmpeg_next::mathematics::Rescale;
use ffmpeg_next::{ChannelLayout, Rational, format, frame};

use super::Wired;
use crate::error::EncodeError;

/// One graph for a sound rendition: its rate and channels, silence where the source has gaps.
pub(crate) struct AudioGraph {
    graph: Wired,
    shape: AudioShape,
    time_base: Rational,
    adapter: Option<(AudioShape, Wired)>,
}

impl AudioGraph {
    /// Builds the graph for sources like `first`; frames come out with `samples` each at `rate`. Sound that is up to
    /// `tolerance_s` early or late follows what is before it as it is.
    pub(crate) fn new(
        first: &frame::Audio,
        time_base: Rational,
        rate: u32,
        channels: u8,
        samples: u32,
        format: format::Sample,
        tolerance_s: f64,
    ) -> Result<Self, EncodeError> {
        let shape = AudioShape::of(first);
        let layout = match channels {
            1 => "mono",
            2 => "stereo",
            _ => "5.1",
        };
        // async=1 fills gaps and a late start with silence, so that sound stays with the picture. Where channels are
        // mixed, it is by the usual coefficients (-3 dB for centre and surround, ITU-R BS.775), brought to a sum of 1
        // so that nothing clips.
        let spec = format!(
            "[in]aresample={rate}:async=1:min_hard_comp={tolerance_s}:first_pts=0:rematrix_maxval=1,\
             aformat=sample_fmts={}:sample_rates={rate}:channel_layouts={layout}[out0]",
            format.name()
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

    fn arguments(&self, time_base: Rational) -> String {
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
