//! The figures of a soak.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

/// What was counted; the same for the same seed.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Virtual time, seconds.
    pub simulated_s: f64,
    /// Viewings.
    pub views: u64,
    /// Time with moving pictures, seconds.
    pub played_s: f64,
    /// Time paused, seconds.
    pub paused_s: f64,
    /// Time of start-up, of seeks and after the end, seconds.
    pub other_s: f64,
    /// Stalls by their cause.
    pub stalls: BTreeMap<String, Stalls>,
    /// The longest time that a playhead stood which was to move, seconds.
    pub longest_stand_s: f64,
    /// Requests.
    pub requests: u64,
    /// Of them, those for what was not there (any more, or yet) by the origin's clock.
    pub not_found: u64,
    /// The most of them in a minute.
    pub most_requests_a_minute: u64,
    /// The most of them under way at once.
    pub most_requests: usize,
    /// The most responses that the driver held for the engine.
    pub most_bodies: usize,
    /// Inputs to the engine.
    pub inputs: u64,
    /// The most of them in a second of virtual time.
    pub most_inputs_a_second: u32,
    /// What the viewer did.
    pub actions: u64,
    /// Faults by kind.
    pub faults: BTreeMap<String, Met>,
    /// Errors that were reported, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Those that ended playback.
    pub fatal: u64,
    /// How often the engine moved the playhead.
    pub jumps: u64,
    /// How often it opened the source anew.
    pub reopenings: u64,
}

/// Stalls of one cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stalls {
    /// How many.
    pub count: u64,
    /// How long together, seconds.
    pub seconds: f64,
}

/// Faults of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Met {
    /// How many there were.
    pub met: u64,
    /// What was asked for came after all, or could be used as it was.
    pub recovered: u64,
    /// It was passed over, or something else was played, or nobody wanted it any more.
    pub left: u64,
    /// Playback ended.
    pub fatal: u64,
}

impl Tally {
    /// Adds the figures of a view.
    pub(super) fn add(&mut self, view: &Self) {
        self.simulated_s += view.simulated_s;
        self.views += view.views;
        self.played_s += view.played_s;
        self.paused_s += view.paused_s;
        self.other_s += view.other_s;
        for (cause, stalls) in &view.stalls {
            let all = self.stalls.entry(cause.clone()).or_default();
            all.count += stalls.count;
            all.seconds += stalls.seconds;
        }
        self.longest_stand_s = self.longest_stand_s.max(view.longest_stand_s);
        self.requests += view.requests;
        self.not_found += view.not_found;
        self.most_requests_a_minute = self.most_requests_a_minute.max(view.most_requests_a_minute);
        self.most_requests = self.most_requests.max(view.most_requests);
        self.most_bodies = self.most_bodies.max(view.most_bodies);
        self.inputs += view.inputs;
        self.most_inputs_a_second = self.most_inputs_a_second.max(view.most_inputs_a_second);
        self.actions += view.actions;
        for (kind, met) in &view.faults {
            let all = self.faults.entry(kind.clone()).or_default();
            all.met += met.met;
            all.recovered += met.recovered;
            all.left += met.left;
            all.fatal += met.fatal;
        }
        for (kind, count) in &view.errors {
            *self.errors.entry(kind.clone()).or_default() += count;
        }
        self.fatal += view.fatal;
        self.jumps += view.jumps;
        self.reopenings += view.reopenings;
    }

    /// A table for people.
    pub fn table(&self) -> String {
        let hours = |seconds: f64| format!("{:.2} h", seconds / 3600.0);
        let stalled = self.stalls.values().fold(0.0, |sum, stalls| sum + stalls.seconds);
        let mut text = String::new();
        let mut row = |name: &str, value: String| {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "  {name:<34}{value}");
        };
        row(
            "simulated",
            format!("{} in {} views", hours(self.simulated_s), self.views),
        );
        row("played", hours(self.played_s));
        row("paused", hours(self.paused_s));
        row("start-up, seeks, after the end", hours(self.other_s));
        row("stalled", hours(stalled));
        for (cause, stalls) in &self.stalls {
            let value = format!("{} stalls, {:.0} s", stalls.count, stalls.seconds);
            row(&format!("  by {cause}"), value);
        }
        row(
            "longest stand of a playhead",
            format!("{:.1} s", self.longest_stand_s),
        );
        row("viewer's actions", self.actions.to_string());
        row("jumps by the engine", self.jumps.to_string());
        row("sources opened anew", self.reopenings.to_string());
        row(
            "requests",
            format!(
                "{} ({} not found), at most {} a minute and {} at once",
                self.requests, self.not_found, self.most_requests_a_minute, self.most_requests
            ),
        );
        row("responses held", format!("at most {}", self.most_bodies));
        row(
            "inputs",
            format!("{}, at most {} a second", self.inputs, self.most_inputs_a_second),
        );
        let errors: Vec<_> = self
            .errors
            .iter()
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        row("errors reported", errors.join(", "));
        row("fatal errors", self.fatal.to_string());
        let _ = writeln!(
            text,
            "\n  {:<14}{:>8}{:>12}{:>8}{:>8}",
            "fault", "met", "recovered", "left", "fatal"
        );
        for (kind, met) in &self.faults {
            let _ = writeln!(
                text,
                "  {kind:<14}{:>8}{:>12}{:>8}{:>8}",
                met.met, met.recovered, met.left, met.fatal
            );
        }
        text
    }
}
