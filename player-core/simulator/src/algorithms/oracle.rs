//! Algorithms that know the network in advance: what the others are measured against.

use player_core::abr::{Abr, Context, Download, Flight, Progress};
use player_core::{Bitrate, Config, Instant};

use super::Setting;
use crate::optimal::{Planner, Start};

/// Follows the best schedule of the whole session: see [`crate::optimal`].
#[derive(Clone, Debug)]
pub(super) struct Optimal {
    rungs: Vec<usize>,
}

impl Optimal {
    pub(super) fn new(config: &Config, setting: &Setting<'_>) -> Self {
        let mut planner = planner(config, setting);
        let segments = setting.content.segments().len();
        Self {
            rungs: planner.plan(&Start {
                segment: 0,
                segments,
                now_s: 0.0,
                buffer_s: 0.0,
                last: None,
                first: Some(0),
            }),
        }
    }
}

fn planner(config: &Config, setting: &Setting<'_>) -> Planner {
    Planner::new(
        setting.trace,
        setting.content,
        &config.abr.objective(),
        config.buffer.goal_s,
    )
}

impl Abr for Optimal {
    fn name(&self) -> &str {
        "optimal"
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, _: &Download) {}

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let left = context.remaining.unwrap_or_default();
        let segment = self.rungs.len().saturating_sub(left);
        self.rungs.get(segment).copied().unwrap_or_default()
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        None
    }
}

/// Knows the network of the next few segments, and at each choice takes the first step of the best sequence for them.
///
/// What the segments after them will need it does not know: like the other planners with a horizon, it lets the buffer run
/// down towards the end of it.
pub(super) struct Oracle {
    planner: Planner,
    horizon: usize,
    segments: usize,
    name: String,
}

impl Oracle {
    pub(super) fn new(config: &Config, setting: &Setting<'_>, horizon: usize) -> Self {
        Self {
            planner: planner(config, setting),
            horizon,
            segments: setting.content.segments().len(),
            name: format!("oracle-{horizon}"),
        }
    }
}

impl Abr for Oracle {
    fn name(&self) -> &str {
        &self.name
    }

    fn on_progress(&mut self, _: &Progress) {}

    fn on_download(&mut self, _: &Download) {}

    fn choose(&mut self, context: &Context<'_>) -> usize {
        let left = context.remaining.unwrap_or_default();
        let rungs = self.planner.plan(&Start {
            segment: self.segments.saturating_sub(left),
            segments: self.horizon,
            now_s: context.now.since(Instant::ZERO).as_secs_f64(),
            buffer_s: context.buffer_s,
            last: context.last,
            first: context.last.is_none().then_some(0),
        });
        rungs.first().copied().unwrap_or_default()
    }

    fn abandon(&mut self, _: &Context<'_>, _: &Flight) -> Option<usize> {
        None
    }

    fn estimate(&self) -> Option<Bitrate> {
        None
    }
}
