//! How good pictures look beside their source, 0 to 100 as VMAF counts: 100 is the source, 6 points are seen.
//!
//! Where the FFmpeg that is linked has libvmaf it is VMAF (`vmaf_v0.6.1`). Elsewhere [`model`] predicts it.

mod features;
mod model;
mod vmaf;

use ffmpeg_next::frame;
use serde::{Deserialize, Serialize};

use crate::error::EncodeError;
use features::Plane;
use vmaf::Vmaf;

/// How quality is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Method {
    /// By libvmaf.
    Vmaf,
    /// A prediction of VMAF from VIF and DLM.
    VmafModel,
}

impl Method {
    /// The best that the linked FFmpeg has.
    pub(crate) fn best() -> Self {
        match ffmpeg_next::filter::find("libvmaf") {
            Some(_) => Self::Vmaf,
            None => Self::VmafModel,
        }
    }

    /// As it is written down.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Vmaf => "vmaf",
            Self::VmafModel => "vmaf-model",
        }
    }
}

/// Measures one rendition's pictures against the source's, both of one size in `yuv420p`.
pub(crate) struct Meter {
    stride: u64,
    kind: Kind,
}

enum Kind {
    Vmaf(Box<Vmaf>),
    Model(Vec<(u64, f64)>),
}

impl Meter {
    /// Measures every `stride`-th frame of pictures of `width` × `height`.
    pub(crate) fn new(method: Method, width: u32, height: u32, stride: u64) -> Result<Self, EncodeError> {
        let kind = match method {
            Method::Vmaf => Kind::Vmaf(Box::new(Vmaf::new(width, height, stride)?)),
            Method::VmafModel => Kind::Model(Vec::new()),
        };
        Ok(Self { stride, kind })
    }

    /// Whether [`add`](Self::add) wants this frame. VMAF sees motion, and so wants all.
    pub(crate) fn wants(&self, frame: u64) -> bool {
        matches!(self.kind, Kind::Vmaf(_)) || frame.is_multiple_of(self.stride)
    }

    /// Compares frame number `frame`, of whose reference [`motion`] is known.
    pub(crate) fn add(
        &mut self,
        frame: u64,
        reference: &frame::Video,
        motion: f32,
        distorted: &frame::Video,
    ) -> Result<(), EncodeError> {
        match &mut self.kind {
            Kind::Vmaf(vmaf) => vmaf.add(frame, reference, distorted),
            Kind::Model(scores) => {
                let features = features::compare(&luma(reference), &luma(distorted));
                scores.push((frame, model::score(&features, motion)));
                Ok(())
            }
        }
    }

    /// The frames' numbers and quality.
    pub(crate) fn finish(self) -> Result<Vec<(u64, f64)>, EncodeError> {
        match self.kind {
            Kind::Vmaf(vmaf) => vmaf.finish(),
            Kind::Model(scores) => Ok(scores),
        }
    }
}

/// How much a picture moves beside those before and after it, as far as there are any: the lesser, so that a cut is none.
pub(crate) fn motion<'a>(
    picture: &frame::Video,
    neighbours: impl IntoIterator<Item = &'a frame::Video>,
) -> f32 {
    let plane = luma(picture);
    let differences = neighbours
        .into_iter()
        .map(|neighbour| features::motion(&plane, &luma(neighbour)));
    differences.reduce(f32::min).unwrap_or(0.0)
}

/// The mean of some frames' quality; none of none.
pub(crate) fn mean(scores: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = scores
        .into_iter()
        .fold((0.0, 0_u32), |(sum, count), score| (sum + score, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

fn luma(frame: &frame::Video) -> Plane {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let rows = frame.data(0).chunks(frame.stride(0).max(1)).take(height);
    Plane {
        width,
        height,
        pixels: rows
            .flat_map(|row| row.iter().take(width).copied().map(f32::from))
            .collect(),
    }
}
