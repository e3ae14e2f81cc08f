//! Reports of their own: events, gathered for each collector (CTA-5004-B, event mode).

use std::collections::VecDeque;

use core::time::Duration;

use super::fields::{Report, quoted};
use super::{Cmcd, Object, Playback, rate, state_token};
use crate::base64;
use crate::config::CmcdTarget;
use crate::output::Output;
use crate::telemetry::schema::PlaybackState;
use crate::time::{Bitrate, Instant, WallTime};
use crate::url;

const CONTENT_TYPE: &str = "application/cmcd";
/// What is gathered is sent after so long, however little it is.
const PATIENCE: Duration = Duration::from_secs(10);
const MAX_BATCH: usize = 100;
/// What collectors get that do not say what they want.
const USUAL: [&str; 3] = ["e", "ps", "t"];

/// A collector.
#[derive(Debug)]
pub(super) struct Target {
    config: CmcdTarget,
    sequence: u64,
    start_told: bool,
    lines: Vec<String>,
    /// When the next event `t` is due, and when what is gathered.
    interval: Option<Instant>,
    flush: Option<Instant>,
}

/// How a request ended.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    /// Where it went to.
    pub(crate) url: &'a str,
    /// 0 if there was no answer.
    pub(crate) status: u16,
    pub(crate) requested: WallTime,
    pub(crate) first_byte: Option<Duration>,
    pub(crate) last_byte: Option<Duration>,
    pub(crate) object: Option<&'a Object>,
    /// The headers CMSD-Static and CMSD-Dynamic.
    pub(crate) cmsd: &'a [String],
}

/// What one event says besides how playback stands.
struct Told<'a> {
    kind: &'static str,
    at: WallTime,
    error: &'a str,
    response: Option<&'a Response<'a>>,
}

impl Target {
    pub(super) fn new(config: &CmcdTarget, now: Instant) -> Self {
        let mut target = Self {
            config: config.clone(),
            sequence: 0,
            start_told: false,
            lines: Vec::new(),
            interval: None,
            flush: None,
        };
        if config.interval_s > 0 && target.wants("t") {
            target.interval = Some(now + target.every());
        }
        target
    }

    fn every(&self) -> Duration {
        Duration::from_secs(self.config.interval_s.into())
    }

    fn wants(&self, kind: &str) -> bool {
        match self.config.events.as_slice() {
            [] => USUAL.contains(&kind),
            events => events.iter().any(|event| event == kind),
        }
    }
}

impl Cmcd {
    /// When [`Cmcd::send`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let times = self
            .targets
            .iter()
            .flat_map(|target| [target.interval, target.flush]);
        times.flatten().min()
    }

    /// Gives out what is due, or all at the end.
    pub(crate) fn send(&mut self, now: Instant, wall: WallTime, end: bool, out: &mut VecDeque<Output>) {
        let mut due = Vec::new();
        for (i, target) in self.targets.iter_mut().enumerate() {
            if target.interval.is_some_and(|at| at <= now) {
                target.interval = Some(now + target.every());
                due.push(i);
            }
        }
        if !due.is_empty() {
            self.tell(now, &event("t", wall), Some(&due));
        }
        for target in &mut self.targets {
            let batch = (target.config.batch.max(1) as usize).min(MAX_BATCH);
            let is_due = target.flush.is_some_and(|at| at <= now) || target.lines.len() >= batch;
            if (is_due || end) && !target.lines.is_empty() {
                target.flush = None;
                let mut body = String::new();
                for line in target.lines.drain(..) {
                    body.push_str(&line);
                    body.push('\n');
                }
                let url = target.config.url.clone();
                let content_type = CONTENT_TYPE.to_owned();
                out.push_back(Output::Report {
                    url,
                    content_type,
                    body,
                });
            }
        }
    }

    /// Something went wrong; `kind` is the name of the class of error.
    pub(crate) fn on_error(&mut self, now: Instant, wall: WallTime, kind: &str) {
        self.tell(
            now,
            &Told {
                error: kind,
                ..event("e", wall)
            },
            None,
        );
    }

    /// A request has ended.
    pub(crate) fn on_response(&mut self, now: Instant, response: &Response<'_>) {
        let told = Told {
            response: Some(response),
            ..event("rr", response.requested)
        };
        self.tell(now, &told, None);
    }

    /// The view ends, by the viewer's wish unless it had ended before.
    pub(crate) fn close(&mut self, now: Instant, wall: WallTime, out: &mut VecDeque<Output>) {
        let over = [PlaybackState::Ended, PlaybackState::Failed];
        if self
            .playback
            .is_some_and(|playback| !over.contains(&playback.state))
        {
            self.tell(now, &event("q", wall), None);
        }
        self.send(now, wall, true, out);
    }

    /// An event for each thing that has changed.
    pub(super) fn compare(
        &mut self,
        now: Instant,
        wall: WallTime,
        before: Option<&Playback>,
        playback: &Playback,
    ) {
        if before.is_none() && !self.content_id.is_empty() {
            self.tell(now, &event("c", wall), None);
        }
        let changed = [
            ("ps", before.is_none_or(|b| b.state != playback.state)),
            ("pr", before.is_some_and(|b| rate(b) != rate(playback))),
            ("b", before.is_some_and(|b| b.hidden != playback.hidden)),
            (
                "bc",
                playback.selected.is_some() && before.is_none_or(|b| b.selected != playback.selected),
            ),
        ];
        for (kind, _) in changed.into_iter().filter(|(_, changed)| *changed) {
            self.tell(now, &event(kind, wall), None);
        }
    }

    /// To all that want it, or to those of these numbers.
    fn tell(&mut self, now: Instant, told: &Told<'_>, only: Option<&[usize]>) {
        for i in 0..self.targets.len() {
            let Some(target) = self.targets.get(i) else { break };
            // `q` is a state, not an event.
            let kind = if told.kind == "q" { "ps" } else { told.kind };
            if !target.wants(kind) || only.is_some_and(|only| !only.contains(&i)) {
                continue;
            }
            let mut report = Report::new(2, &target.config.keys);
            self.fill(&mut report, kind, told);
            report.number("sn", target.sequence);
            let mut start_told = target.start_told;
            if let Some(delay) = self.start_delay.filter(|_| !start_told) {
                start_told = report.number("msd", delay.as_millis() as u64);
            }
            let line = report.line();
            if let Some(target) = self.targets.get_mut(i) {
                target.sequence += 1;
                target.start_told = start_told;
                target.flush.get_or_insert(now + PATIENCE);
                target.lines.push(line);
            }
        }
    }

    fn fill(&self, report: &mut Report<'_>, kind: &'static str, told: &Told<'_>) {
        report.must("e", ["=", kind].concat());
        let ms = told.at.as_unix_micros().max(0) / 1000;
        report.must("ts", format!("={ms}"));
        let playback = self.playback.as_ref();
        match kind {
            "ps" => {
                let state = playback.map_or("d", |playback| state_token(playback.state));
                report.must("sta", ["=", if told.kind == "q" { "q" } else { state }].concat());
            }
            "pr" if playback.is_some_and(|playback| rate(playback) == 1.0) => {
                report.must("pr", "=1".to_owned());
            }
            // Or it is not said that it is in the background any more.
            "b" => {
                let hidden = playback.is_some_and(|playback| playback.hidden);
                report.must("bg", if hidden { String::new() } else { "=?0".to_owned() });
            }
            "c" => report.must("cid", ["=", &quoted(&self.content_id, 128)].concat()),
            "e" => report.must("ec", ["=(", &quoted(told.error, 64), ")"].concat()),
            _ => {}
        }
        self.session(report);
        self.status(report, None);
        let selected = playback.and_then(|playback| playback.selected);
        match told.response {
            Some(response) => response.fill(report),
            None => {
                if let Some(selected) = selected {
                    report.list("br", &[(selected.as_kbps(), "v")]);
                }
            }
        }
    }
}

impl Response<'_> {
    fn fill(&self, report: &mut Report<'_>) {
        // Tokens are nobody's business.
        report.must("url", ["=", &quoted(&url::public(self.url), usize::MAX)].concat());
        report.number("rc", self.status.into());
        for (key, time) in [("ttfb", self.first_byte), ("ttlb", self.last_byte)] {
            if let Some(time) = time {
                report.number(key, time.as_millis() as u64);
            }
        }
        if let Some(object) = self.object.filter(|object| object.kind.is_media()) {
            report.token("ot", object.kind.token());
            report.number("d", super::millis(object.duration));
            let [bitrate, ..] = object.bitrates.map(Bitrate::as_kbps);
            let key = if object.aggregate { "ab" } else { "br" };
            report.list(key, &[(bitrate, object.kind.token())]);
        }
        for (key, header) in ["cmsds", "cmsdd"].into_iter().zip(self.cmsd) {
            report.text(key, &base64::encode(header.as_bytes()), usize::MAX);
        }
    }
}

fn event(kind: &'static str, at: WallTime) -> Told<'static> {
    Told {
        kind,
        at,
        error: "",
        response: None,
    }
}
