//! The caller's renditions, in the caller's order, and which of them may be chosen, lowest bitrate first.

use player_core::Bitrate;
use player_core::abr::Rung;
use player_core::config::AbrConfig;

#[derive(Clone, Debug, Default)]
pub(crate) struct Ladder {
    rungs: Vec<Rung>,
    /// The caller's index of each rung.
    callers: Vec<usize>,
    /// By the caller's index: the rung, or for what may not be chosen the highest one below it.
    nearest: Vec<usize>,
}

impl Ladder {
    /// From bitrates (bit/s) and heights (lines, 0 = unknown) in any order. If the limits leave nothing, the lowest is left.
    pub(crate) fn new(bitrates: &[f64], heights: &[f64], config: &AbrConfig) -> Self {
        let bps = |i: &usize| bitrates.get(*i).map_or(0, |bps| *bps as u64);
        let height = |i: &usize| heights.get(*i).map_or(0, |height| *height as u32);
        let key = |i: &usize| (bps(i), height(i));
        let mut order: Vec<usize> = Vec::with_capacity(bitrates.len());
        for i in 0..bitrates.len() {
            // Of equals the caller's order counts. (`sort_by_key` would be a tenth of the Wasm.)
            order.insert(order.partition_point(|o| key(o) <= key(&i)), i);
        }
        let limit_bps = config.bandwidth_limit_kbps() * 1000.0;
        let allowed = |i: &usize| bps(i) as f64 <= limit_bps && height(i) <= config.height_limit();
        let mut callers: Vec<usize> = order.iter().copied().filter(allowed).collect();
        if callers.is_empty() {
            callers.extend(order.first());
        }
        let mut nearest = vec![0; bitrates.len()];
        let mut rung = 0;
        for caller in order {
            if let Some(at) = callers.iter().position(|c| *c == caller) {
                rung = at;
            }
            if let Some(slot) = nearest.get_mut(caller) {
                *slot = rung;
            }
        }
        let rungs = callers.iter().map(|i| Rung {
            bitrate: Bitrate::from_bps(bps(i)),
        });
        Self {
            rungs: rungs.collect(),
            callers,
            nearest,
        }
    }

    pub(crate) fn rungs(&self) -> &[Rung] {
        &self.rungs
    }

    /// The rung of one of the caller's renditions, or the nearest below.
    pub(crate) fn rung(&self, caller: usize) -> Option<usize> {
        self.nearest.get(caller).copied()
    }

    /// The caller's index of a rung; past the end counts as the last.
    pub(crate) fn caller(&self, rung: usize) -> Option<usize> {
        self.callers.get(rung).or(self.callers.last()).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_in_the_callers_order() {
        let ladder = Ladder::new(&[3e6, 1e6, 6e6, 1e6], &[], &AbrConfig::default());
        let callers: Vec<_> = (0..5).map(|rung| ladder.caller(rung).unwrap()).collect();
        assert_eq!(callers, [1, 3, 0, 2, 2]);
        let rungs: Vec<_> = (0..4).map(|caller| ladder.rung(caller).unwrap()).collect();
        assert_eq!(rungs, [2, 0, 3, 1]);
        assert_eq!(ladder.rung(4), None);
    }

    #[test]
    fn limits_leave_the_lowest_at_least() {
        let limits = AbrConfig {
            max_bandwidth_kbps: Some(2000.0),
            max_height: Some(480),
            ..AbrConfig::default()
        };
        let ladder = Ladder::new(&[5e6, 1e6, 2e6, 1.5e6], &[1080.0, 360.0, 480.0, 720.0], &limits);
        assert_eq!(ladder.rungs().len(), 2);
        // What lies above a limit counts as the best that does not.
        let rungs: Vec<_> = (0..4).map(|caller| ladder.rung(caller).unwrap()).collect();
        assert_eq!(rungs, [1, 0, 1, 0]);
        let ladder = Ladder::new(&[5e6, 4e6], &[], &limits);
        assert_eq!((ladder.rungs().len(), ladder.caller(0)), (1, Some(1)));
    }
}
