//! What may be chosen: the caps on the ladder, whoever sets them.

use super::frames::Frames;
use crate::config::{AbrConfig, Preset};
use crate::input::Host;
use crate::output::Limit;
use crate::presentation::Rendition;

/// Everything that caps the ladder but the configuration.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) host: Host,
    /// Ids of the renditions that cannot be shown now.
    pub(crate) restricted: Vec<String>,
    pub(crate) frames: Frames,
}

impl Limits {
    pub(crate) fn is_restricted(&self, rendition: &Rendition) -> bool {
        self.restricted.contains(&rendition.id)
    }

    /// Takes out of `ladder` (positions in a track's renditions, lowest bitrate first) what may not be chosen, and says by what.
    /// The lowest one is always left.
    pub(crate) fn apply<'a>(
        &self,
        config: &AbrConfig,
        ladder: &mut Vec<usize>,
        rendition: impl Fn(usize) -> Option<&'a Rendition>,
    ) -> Vec<Limit> {
        let mut by = Vec::new();
        let mut keep = |limit: Limit, ladder: &mut Vec<usize>, may: &dyn Fn(usize, &Rendition) -> bool| {
            let before = ladder.len();
            let lowest = ladder.first().copied();
            ladder.retain(|i| rendition(*i).is_some_and(|r| may(*i, r)));
            if ladder.is_empty() {
                ladder.extend(lowest);
            }
            if ladder.len() < before {
                by.push(limit);
            }
        };
        let below = |kbps: f64, height: u32| {
            move |_: usize, r: &Rendition| r.bandwidth.as_f64() <= kbps * 1000.0 && r.height <= height
        };
        keep(Limit::Restricted, ladder, &|_, r| !self.is_restricted(r));
        let kbps = config.max_bandwidth_kbps.unwrap_or(f64::INFINITY);
        keep(
            Limit::Application,
            ladder,
            &below(kbps, config.max_height.unwrap_or(u32::MAX)),
        );
        let (kbps, height) = self.data_saver(config);
        keep(Limit::DataSaver, ladder, &below(kbps, height));
        if let Some(first) = self.frames.first_dropping() {
            keep(Limit::DroppedFrames, ladder, &|_, r| r.bandwidth < first);
        }
        let Host { width, height, .. } = self.host;
        if config.cap_to_element_size && width > 0 && height > 0 {
            // Everything of the size that covers the element, nothing larger.
            let covering = ladder
                .iter()
                .filter_map(|i| rendition(*i))
                .find(|r| r.width >= width || r.height >= height)
                .map_or(u32::MAX, |r| r.height);
            keep(Limit::ElementSize, ladder, &|_, r| r.height <= covering);
        }
        by
    }

    /// Kilobits per second and lines.
    fn data_saver(&self, config: &AbrConfig) -> (f64, u32) {
        // As a preset it is the application's own, and yields to the application's numbers; a viewer's wish does not.
        let mut limits = (config.bandwidth_limit_kbps(), config.height_limit());
        if self.host.save_data && config.follow_save_data {
            let saver = Preset::DataSaver;
            limits.0 = limits.0.min(saver.max_bandwidth_kbps().unwrap_or(limits.0));
            limits.1 = limits.1.min(saver.max_height().unwrap_or(limits.1));
        }
        limits
    }
}
