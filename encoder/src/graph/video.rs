//! The picture's graph: deinterlaced, at a constant rate, turned, scaled, and tone-mapped where that is needed.

use ffmpeg_next::{Rational, color, format, frame};

use super::{Named, Scan, Wired};
use crate::cmaf::colour::{Colour, VideoRange};
use crate::error::EncodeError;
use crate::ladder::{Rung, VideoCodec};
use crate::pictures;
use crate::source::{Orientation, VideoStream};
use crate::timing::FrameRate;

/// One graph for every rung: the source is turned, brought to a constant rate, split and scaled.
pub(crate) struct VideoGraph {
    graph: Wired,
    shape: VideoShape,
    time_base: Rational,
    /// Brings frames of another shape than the first to the first's.
    adapter: Option<(VideoShape, Wired)>,
}

/// What one output of the graph looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PictureOutput {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Keeps more than 8 bits, and HDR, where the source has them; else it is 8 bits and SDR.
    pub(crate) keeps_depth: bool,
}

impl PictureOutput {
    /// For a fitted rung: all codecs but H.264, of which few players have more than 8 bits, keep everything.
    pub(crate) fn of_rung(rung: &Rung) -> Self {
        Self {
            width: rung.width,
            height: rung.height,
            keeps_depth: rung.codec != VideoCodec::H264,
        }
    }
}

/// What every graph begins with: the source's frames deinterlaced, at a constant rate from `first_frame`, upright.
pub(crate) fn normalising(
    first: &frame::Video,
    orientation: Orientation,
    scan: Scan,
    rate: FrameRate,
    first_frame: u64,
) -> Vec<String> {
    let mut steps = Vec::new();
    steps.extend(scan.filter(first.is_interlaced()));
    // Trims what was decoded only to get there, and repeats the first frame where the picture starts late.
    steps.push(format!("fps={rate}:start_time={:.9}", rate.seconds(first_frame)));
    steps.extend(turns(orientation));
    steps
}

impl VideoGraph {
    /// Builds the graph for the source `stream`, whose frames are like `first`. Pictures that are tapped come out last.
    pub(crate) fn new(
        first: &frame::Video,
        stream: &VideoStream,
        scan: Scan,
        rate: FrameRate,
        first_frame: u64,
        outputs: &[PictureOutput],
        tap: Option<pictures::Plan>,
    ) -> Result<Self, EncodeError> {
        let shape = VideoShape::of(first);
        let time_base = stream.time_base;
        let steps = normalising(first, stream.orientation, scan, rate, first_frame);
        let look = Look::of(first, &stream.colour, &shape);
        tracing::info!(
            deinterlaced = scan.filter(first.is_interlaced()).is_some(),
            bits = if look.is_deep { "more than 8" } else { "8" },
            range = look.colour.video_range().name(),
            tone_mapped = outputs.iter().filter(|output| look.is_mapped(output)).count(),
            "pictures"
        );
        let mut steps = steps.join(",");
        if let Some(tap) = tap {
            let filters = tap.filters(first);
            steps += &format!(
                ",split=2[tap][all];[tap]{filters}[out{}];[all]null",
                outputs.len()
            );
        }
        let spec = look.spec(&steps, (shape.width, shape.height), outputs);
        let graph = Wired::build(
            "buffer",
            &shape.arguments(time_base),
            "buffersink",
            outputs.len() + usize::from(tap.is_some()),
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

/// What a source's numbers mean, as far as the graph must know.
#[derive(Clone, Copy)]
struct Look {
    colour: Colour,
    is_rgb: bool,
    is_deep: bool,
}

impl Look {
    fn of(first: &frame::Video, stream: &Colour, shape: &VideoShape) -> Self {
        Self {
            colour: Colour::of_frame(first).or_mastered_as(stream),
            is_rgb: first.color_space() == color::Space::RGB || shape.is_rgb(),
            is_deep: shape.is_deep(),
        }
    }

    /// The whole graph: `steps` once, then every output's size and format.
    fn spec(&self, steps: &str, (width, height): (u32, u32), outputs: &[PictureOutput]) -> String {
        let indexed = || outputs.iter().enumerate();
        let mapped: Vec<usize> = indexed()
            .filter(|(_, o)| self.is_mapped(o))
            .map(|(i, _)| i)
            .collect();
        let direct: Vec<usize> = indexed()
            .filter(|(_, o)| !self.is_mapped(o))
            .map(|(i, _)| i)
            .collect();
        let split = |indexes: &[usize]| {
            let labels: String = indexes.iter().map(|index| format!("[s{index}]")).collect();
            format!("split={}{labels}", indexes.len())
        };
        let mut spec = match (direct.is_empty(), mapped.is_empty()) {
            (_, true) => format!("[in]{steps},{}", split(&direct)),
            (is_alone, false) => {
                // The curve is costly, so it works on no more pixels than the largest of them has.
                let largest = |side: fn(&PictureOutput) -> u32| {
                    mapped
                        .iter()
                        .filter_map(|index| outputs.get(*index))
                        .map(side)
                        .max()
                };
                let size = (
                    largest(|output| output.width).unwrap_or(width),
                    largest(|output| output.height).unwrap_or(height),
                );
                let curve = self.tone_mapping(size);
                match is_alone {
                    true => format!("[in]{steps},{curve},{}", split(&mapped)),
                    false => format!(
                        "[in]{steps},split=2[direct][bright];[direct]{};[bright]{curve},{}",
                        split(&direct),
                        split(&mapped)
                    ),
                }
            }
        };
        for (index, output) in indexed() {
            let PictureOutput { width, height, .. } = output;
            let format = match output.keeps_depth && self.is_deep {
                true => "yuv420p10le",
                false => "yuv420p",
            };
            let (options, tags) = match self.is_mapped(output) {
                true => (String::new(), ""),
                false => self.conversion(),
            };
            spec += &format!(
                ";[s{index}]scale={width}:{height}:flags=bicubic{options},format={format},setsar=1{tags}[out{index}]"
            );
        }
        spec
    }

    fn is_mapped(&self, output: &PictureOutput) -> bool {
        self.colour.is_hdr() && !output.keeps_depth
    }

    /// Options of `scale` that bring the source to limited range, and the tags that say so.
    fn conversion(&self) -> (String, &'static str) {
        // Only when it is needed: with this option even a rung of the source's size is copied.
        let range = if self.colour.full_range {
            ":out_range=tv"
        } else {
            ""
        };
        // RGB has no matrix of its own; what it is given is also what it is tagged with.
        match (self.is_rgb, self.is_wide()) {
            (false, _) => (range.to_owned(), ""),
            (true, false) => (format!("{range}:out_color_matrix=bt709"), RGB_TAGS),
            (true, true) => (format!("{range}:out_color_matrix=bt2020"), WIDE_RGB_TAGS),
        }
    }

    fn is_wide(&self) -> bool {
        self.colour.is_hdr() || self.colour.primaries == PRIMARIES_BT2020
    }

    /// From PQ or HLG to BT.709: what is no brighter than SDR's white stays, and highlights are bent below it.
    fn tone_mapping(&self, (width, height): (u32, u32)) -> String {
        let transfer = match self.colour.video_range() {
            VideoRange::Hlg => "arib-std-b67",
            VideoRange::Pq | VideoRange::Sdr => "smpte2084",
        };
        let (options, _) = self.conversion();
        let light = self.colour.content_light.map(|light| f64::from(light.max));
        let display = self
            .colour
            .mastering
            .map(|display| f64::from(display.max_luminance) / 10_000.0);
        let peak_nits = light
            .or(display)
            .unwrap_or(USUAL_PEAK_NITS)
            .clamp(REFERENCE_WHITE_NITS, 10_000.0);
        format!(
            "scale={width}:{height}:flags=bicubic{options},format=yuv444p10le,\
             zscale=tin={transfer}:pin=bt2020:min=bt2020nc:rin=tv:t=linear:npl={REFERENCE_WHITE_NITS},\
             format=gbrpf32le,zscale=p=bt709,tonemap=tonemap=mobius:peak={:.3},\
             zscale=t=bt709:m=bt709:r=tv,format=yuv420p",
            peak_nits / REFERENCE_WHITE_NITS
        )
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

    /// Whether its samples have more than 8 bits.
    fn is_deep(&self) -> bool {
        self.format.descriptor().is_some_and(|descriptor| {
            let chroma = 2.0 / f64::from(1_u32 << (descriptor.log2_chroma_w() + descriptor.log2_chroma_h()));
            let samples_per_pixel = match descriptor.nb_components() {
                components @ 0..=2 => f64::from(components.max(1)),
                components => f64::from(components - 2) + chroma,
            };
            f64::from(descriptor.bits_per_pixel()) / samples_per_pixel > 8.5
        })
    }

    fn is_rgb(&self) -> bool {
        [
            "rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr",
        ]
        .iter()
        .any(|start| self.format.name().starts_with(start))
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
const WIDE_RGB_TAGS: &str = ",setparams=colorspace=bt2020nc:range=tv";
const PRIMARIES_BT2020: u8 = 9;
/// What diffuse white is in HDR (ITU-R BT.2408), in cd/m².
const REFERENCE_WHITE_NITS: f64 = 203.0;
/// Of content that does not say it.
const USUAL_PEAK_NITS: f64 = 1000.0;
