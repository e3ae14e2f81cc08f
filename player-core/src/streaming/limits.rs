//! What may be chosen: the caps on the ladder, whoever sets them.

use super::drm::Locks;
use super::frames::Frames;
use super::slots::Slot;
use crate::config::{AbrConfig, Preset};
use crate::input::Host;
use crate::output::Limit;

/// Everything that caps the ladder but the configuration.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) host: Host,
    /// Ids of the renditions that cannot be shown now.
    pub(crate) restricted: Vec<String>,
    /// What of them for want of keys.
    pub(crate) locks: Locks,
    pub(crate) frames: Frames,
}

impl Limits {
    pub(crate) fn is_restricted(&self, slot: &Slot) -> bool {
        self.restricted.contains(&slot.rendition.id) || self.locks.hold(&slot.lock, &slot.rendition)
    }

    /// Takes out of `ladder` (positions in a track's renditions, lowest bitrate first) what may not be chosen, and says by what.
    /// The lowest one is always left.
    pub(crate) fn apply<'a>(
        &self,
        config: &AbrConfig,
        ladder: &mut Vec<usize>,
        slot: impl Fn(usize) -> Option<&'a Slot>,
    ) -> Vec<Limit> {
        let mut by = Vec::new();
        let mut keep = |limit: Limit, ladder: &mut Vec<usize>, may: &dyn Fn(&Slot) -> bool| {
            let before = ladder.len();
            let lowest = ladder.first().copied();
            ladder.retain(|i| slot(*i).is_some_and(may));
            if ladder.is_empty() {
                ladder.extend(lowest);
            }
            if ladder.len() < before {
                by.push(limit);
            }
        };
        let below = |kbps: f64, height: u32| {
            move |slot: &Slot| {
                let r = &slot.rendition;
                r.bandwidth.as_f64() <= kbps * 1000.0 && r.height <= height
            }
        };
        keep(Limit::Restricted, ladder, &|slot| !self.is_restricted(slot));
        let kbps = config.max_bandwidth_kbps.unwrap_or(f64::INFINITY);
        keep(
            Limit::Application,
            ladder,
            &below(kbps, config.max_height.unwrap_or(u32::MAX)),
        );
        let (kbps, height) = self.data_saver(config);
        keep(Limit::DataSaver, ladder, &below(kbps, height));
        if let Some(first) = self.frames.first_dropping() {
            keep(Limit::DroppedFrames, ladder, &|slot| {
                slot.rendition.bandwidth < first
            });
        }
        let Host { width, height, .. } = self.host;
        if config.cap_to_element_size && width > 0 && height > 0 {
            // Everything of the size that covers the element, nothing larger.
            let covering = ladder
                .iter()
                .filter_map(|i| slot(*i))
                .find(|s| s.rendition.width >= width || s.rendition.height >= height)
                .map_or(u32::MAX, |s| s.rendition.height);
            keep(Limit::ElementSize, ladder, &|slot| {
                slot.rendition.height <= covering
            });
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
