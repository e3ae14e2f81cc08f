//! A view of a player that reports by CMCD: from states and when they changed, to counters.

use player_core::cmcd::reader::Line;
use player_core::telemetry::schema::{
    Beacon, Counters, Event, PlaybackState, RebufferCause, SCHEMA_VERSION, TimedEvent, ViewInfo,
};

/// Two reports that are further apart are not of one view.
const MAX_STEP_MS: u64 = 24 * 3_600_000;
/// The description is sent so often.
const DESCRIBE_EVERY_MS: u64 = 10 * 60_000;

/// What is known of a view, and what of that the log does not have yet.
#[derive(Debug)]
pub(super) struct CmcdView {
    pub(super) view_id: String,
    pub(super) session_id: String,
    /// By the player's clock, milliseconds since 1970.
    began_ms: u64,
    last_ms: u64,
    state: PlaybackState,
    /// Whether it has said so, or it was guessed.
    is_state_told: bool,
    is_hidden: bool,
    /// The viewer went away.
    is_left: bool,
    counters: Counters,
    /// Time spent starting, without that in which the page was hidden.
    starting_ms: u64,
    /// It had been going on for some time when its first report came.
    joined_late: bool,
    kbps: u64,
    /// Behind the live edge.
    latency_ms: Option<u64>,
    /// Playback rate, thousandths.
    rate: u64,
    info: ViewInfo,
    described_ms: Option<u64>,
    seq: u32,
    is_changed: bool,
    events: Vec<TimedEvent>,
}

impl CmcdView {
    /// Begins with its first report.
    pub(super) fn new(
        view_id: String,
        session_id: String,
        player: &str,
        line: &Line<'_>,
        at_ms: u64,
    ) -> Self {
        let mut view = Self {
            view_id,
            session_id,
            began_ms: at_ms,
            last_ms: at_ms,
            state: PlaybackState::Idle,
            is_state_told: false,
            is_hidden: false,
            is_left: false,
            counters: Counters::default(),
            starting_ms: 0,
            joined_late: line.number("sn").is_some_and(|sn| sn > 0),
            kbps: 0,
            latency_ms: None,
            rate: 1000,
            info: ViewInfo {
                player: player.to_owned(),
                ..ViewInfo::default()
            },
            described_ms: None,
            seq: 0,
            is_changed: false,
            events: Vec::new(),
        };
        view.event(Event::ViewStart);
        view
    }

    /// Whether this report is of another view: of other content, of the start after an end, or of another day.
    pub(super) fn is_over_before(&self, line: &Line<'_>, at_ms: u64) -> bool {
        let content = line.text("cid").unwrap_or_default();
        let is_other = !content.is_empty() && !self.info.video_id.is_empty() && content != self.info.video_id;
        let is_over = self.is_left || matches!(self.state, PlaybackState::Ended | PlaybackState::Failed);
        let is_long_after = at_ms.abs_diff(self.last_ms) > MAX_STEP_MS;
        is_other || is_long_after || (is_over && line.text("sta") == Some("s"))
    }

    /// Takes a report.
    pub(super) fn apply(&mut self, line: &Line<'_>, at_ms: u64) {
        self.is_changed = true;
        self.pass(at_ms);
        self.describe(line);
        if let Some(hidden) = line.flag("bg")
            && hidden != self.is_hidden
        {
            self.is_hidden = hidden;
            self.event(Event::Hidden { hidden });
        }
        if let Some(rate) = line.thousandths("pr") {
            self.rate = u64::try_from(rate).unwrap_or(0).min(100_000);
        }
        if let Some(latency_ms) = line.number("ltc") {
            self.latency_ms = Some(latency_ms.min(MAX_STEP_MS));
        }
        if let Some(startup_ms) = line.number("msd") {
            self.counters.startup_ms = Some(startup_ms.min(MAX_STEP_MS));
            self.counters.play_intent = true;
        }
        match line.text("sta").and_then(state) {
            Some(state) => {
                self.is_state_told = true;
                self.enter(state, line);
            }
            None if !self.is_state_told => self.guess(line),
            None => {}
        }
        if line.text("sta") == Some("q") && !self.is_left {
            self.is_left = true;
            self.event(Event::ViewEnd);
        }
        match line.text("e").unwrap_or_default() {
            "e" if self.counters.fatal.is_none() => self.event(error(line, false)),
            "rr" => self.request(line),
            "t" => self.event(sample(line)),
            _ => {}
        }
        if line.text("e") != Some("rr")
            && let Some(kbps) = line
                .number("br")
                .or_else(|| line.number("ab"))
                .filter(|kbps| *kbps > 0)
        {
            self.rendition(kbps);
        }
    }

    /// Time goes on; what is told late changes no time.
    fn pass(&mut self, at_ms: u64) {
        let ms = at_ms.saturating_sub(self.last_ms);
        self.last_ms = self.last_ms.max(at_ms);
        let counters = &mut self.counters;
        match self.state {
            PlaybackState::Playing => {
                counters.played_ms += ms;
                if let Some(latency_ms) = self.latency_ms {
                    counters.latency_played_ms += ms;
                    counters.latency_ms_played_ms =
                        add(counters.latency_ms_played_ms, ms.saturating_mul(latency_ms));
                }
                // Media whose bitrate is unknown would count as 0 kbit/s in the average.
                if self.kbps > 0 {
                    let media_ms = ms * self.rate / 1000;
                    counters.media_ms += media_ms;
                    counters.bitrate_kbps_media_ms =
                        add(counters.bitrate_kbps_media_ms, media_ms.saturating_mul(self.kbps));
                }
            }
            PlaybackState::Paused if counters.startup_ms.is_some() => counters.paused_ms += ms,
            PlaybackState::Rebuffering => counters.rebuffer_ms += ms,
            PlaybackState::Seeking => counters.seek_ms += ms,
            PlaybackState::Starting if !self.is_hidden => self.starting_ms += ms,
            _ => {}
        }
    }

    fn describe(&mut self, line: &Line<'_>) {
        let before = self.info.clone();
        let info = &mut self.info;
        if let Some(content) = line.text("cid") {
            content.clone_into(&mut info.video_id);
        }
        match line.text("sf") {
            Some("d") => "dash".clone_into(&mut info.protocol),
            Some("h") => "hls".clone_into(&mut info.protocol),
            Some("s") => "smooth".clone_into(&mut info.protocol),
            _ => {}
        }
        match line.text("st") {
            Some("l" | "ll") => "live".clone_into(&mut info.stream_type),
            Some("v") => "vod".clone_into(&mut info.stream_type),
            _ => {}
        }
        if let Some(host) = line.text("url").and_then(host) {
            host.clone_into(&mut info.cdn_host);
        }
        if *info != before {
            self.described_ms = None;
        }
    }

    /// A request of CMCD version 1 says little of how playback stands.
    fn guess(&mut self, line: &Line<'_>) {
        let has_started = self.counters.startup_ms.is_some();
        let state = match (self.rate, line.flag("su") == Some(true) && !has_started) {
            (0, _) => PlaybackState::Paused,
            (_, true) => PlaybackState::Starting,
            _ => PlaybackState::Playing,
        };
        if line.flag("bs") == Some(true) && has_started {
            self.counters.rebuffer_count += 1;
        }
        self.enter(state, line);
    }

    fn enter(&mut self, state: PlaybackState, line: &Line<'_>) {
        let before = std::mem::replace(&mut self.state, state);
        if before == state {
            return;
        }
        if before == PlaybackState::Rebuffering {
            self.event(Event::RebufferEnd);
        }
        match state {
            PlaybackState::Starting => self.intend(),
            PlaybackState::Playing => self.start(before),
            PlaybackState::Paused => self.event(Event::Pause),
            PlaybackState::Rebuffering if self.counters.startup_ms.is_some() => {
                self.counters.rebuffer_count += 1;
                // CMCD does not tell why.
                self.event(Event::RebufferStart {
                    cause: RebufferCause::Other,
                });
            }
            // What waits for its first frame is starting.
            PlaybackState::Rebuffering => {
                self.state = PlaybackState::Starting;
                self.intend();
            }
            PlaybackState::Seeking => {
                self.counters.seek_count += 1;
                self.event(Event::Seek {
                    to_ms: line.number("pt").unwrap_or(0),
                });
            }
            PlaybackState::Ended => {
                self.counters.ended = true;
                self.event(Event::Ended);
            }
            PlaybackState::Failed => {
                let error = error(line, true);
                if let Event::Error { kind, .. } = &error {
                    self.counters.fatal = Some(kind.clone());
                }
                self.event(error);
            }
            PlaybackState::Idle => {}
        }
    }

    fn intend(&mut self) {
        if !self.counters.play_intent && !self.joined_late {
            self.counters.play_intent = true;
            self.event(Event::Play);
        }
    }

    fn start(&mut self, before: PlaybackState) {
        self.intend();
        if self.counters.startup_ms.is_none() && !self.joined_late {
            self.counters.startup_ms = Some(self.starting_ms);
            self.event(Event::FirstFrame);
        }
        if before == PlaybackState::Seeking {
            self.event(Event::Seeked);
        }
        self.event(Event::Playing);
    }

    fn rendition(&mut self, kbps: u64) {
        let before = std::mem::replace(&mut self.kbps, kbps.min(10_000_000));
        if before == self.kbps {
            return;
        }
        if before > 0 {
            let up = self.kbps > before;
            self.counters.switches_up += u64::from(up);
            self.counters.switches_down += u64::from(!up);
        }
        self.event(Event::Rendition {
            id: String::new(),
            kbps: u32::try_from(self.kbps).unwrap_or(u32::MAX),
            height: 0,
        });
    }

    fn request(&mut self, line: &Line<'_>) {
        let status = line
            .number("rc")
            .and_then(|status| u16::try_from(status).ok())
            .unwrap_or(0);
        self.counters.requests += 1;
        self.counters.requests_failed += u64::from(status == 0 || status >= 400);
        let (kind, track) = match line.text("ot") {
            Some("m") => ("manifest", ""),
            Some("i") => ("init", ""),
            Some("k") => ("key", ""),
            Some("a") => ("segment", "audio"),
            Some("c" | "tt") => ("segment", "text"),
            Some("v" | "av") => ("segment", "video"),
            _ => ("other", ""),
        };
        self.event(Event::Request {
            kind: kind.to_owned(),
            track: track.to_owned(),
            rendition: String::new(),
            media_ms: None,
            bytes: 0,
            ttfb_ms: line.number("ttfb").unwrap_or(0),
            ms: line.number("ttlb").unwrap_or(0),
            status,
            cancelled: false,
        });
    }

    fn event(&mut self, event: Event) {
        let t = self.t_ms();
        self.events.push(TimedEvent { t, event });
    }

    const fn t_ms(&self) -> u64 {
        self.last_ms.saturating_sub(self.began_ms)
    }

    /// What the log does not have yet, if there is anything.
    pub(super) fn beacon(&mut self) -> Option<Beacon> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let t_ms = self.t_ms();
        let describes = self.described_ms.is_none_or(|at| t_ms >= at + DESCRIBE_EVERY_MS);
        if describes {
            self.described_ms = Some(t_ms);
        }
        let seq = self.seq;
        self.seq = seq.saturating_add(1);
        Some(Beacon {
            v: SCHEMA_VERSION,
            site: String::new(),
            view_id: self.view_id.clone(),
            session_id: self.session_id.clone(),
            seq,
            sent_at_ms: self.last_ms,
            t_ms,
            sample_rate: 1.0,
            info: describes.then(|| self.info.clone()),
            state: self.state,
            latency_ms: self.latency_ms,
            counters: self.counters.clone(),
            events: std::mem::take(&mut self.events),
        })
    }

    /// The log did not take a beacon: what was in it is told with the next.
    pub(super) fn take_back(&mut self, beacon: Beacon) {
        self.is_changed = true;
        if beacon.info.is_some() {
            self.described_ms = None;
        }
        let later = std::mem::replace(&mut self.events, beacon.events);
        self.events.extend(later);
    }
}

/// A sum that is no more than a JavaScript number holds exactly.
fn add(sum: u64, more: u64) -> u64 {
    sum.saturating_add(more).min(1 << 53)
}

fn state(token: &str) -> Option<PlaybackState> {
    Some(match token {
        "a" | "w" => PlaybackState::Paused,
        "d" => PlaybackState::Idle,
        "e" => PlaybackState::Ended,
        "f" => PlaybackState::Failed,
        "k" => PlaybackState::Seeking,
        "p" => PlaybackState::Playing,
        "r" => PlaybackState::Rebuffering,
        "s" => PlaybackState::Starting,
        _ => return None,
    })
}

fn error(line: &Line<'_>, fatal: bool) -> Event {
    let kind = line.text("ec").filter(|code| !code.is_empty()).unwrap_or("cmcd");
    Event::Error {
        kind: kind.to_owned(),
        fatal,
        message: String::new(),
    }
}

fn sample(line: &Line<'_>) -> Event {
    let buffers = line.items("bl").iter();
    let buffers = buffers.filter_map(|item| match item.value {
        player_core::cmcd::reader::Value::Number(number) => u64::try_from(number / 1000).ok(),
        _ => None,
    });
    Event::Sample {
        pos_ms: line.number("pt").unwrap_or(0),
        buffer_ms: buffers.min().unwrap_or(0),
        kbps: line.number("mtp").unwrap_or(0),
    }
}

/// The host of a URL.
fn host(url: &str) -> Option<&str> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    Some(host).filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;
    use crate::collector::accept::clean_beacon;

    #[test]
    fn hosts_are_found_in_urls() {
        for (url, expected) in [
            ("https://cdn.example/a", Some("cdn.example")),
            ("https://me:secret@cdn.example:8443?x", Some("cdn.example")),
            ("//cdn.example/a", None),
            ("https:///a", None),
        ] {
            assert_eq!(host(url), expected, "{url}");
        }
    }

    proptest! {
        #[test]
        fn any_reports_become_beacons_that_are_accepted(
            reports in proptest::collection::vec(
                ("[a-z]{1,2}", "[adefkpqrsw]", 0..100_000_u64, 0..5_i64, 0..9_u64, any::<u64>()), 1..40
            ),
            first in 0..1_800_000_000_000_u64,
        ) {
            let mut view: Option<CmcdView> = None;
            let mut seq = 0;
            for (e, sta, ms, rate, cid, number) in &reports {
                let number = number % 1_000_000_000_000_000;
                let text = format!(
                    "bg=?{},bl=({number} 1),br={number},bs,cid=\"{}\",e={e},msd={number},pr=0.{rate},rc={number},sn={ms},sta={sta},ttlb={number}",
                    rate % 2, cid / 8,
                );
                let line = Line::read(&text).unwrap();
                let at_ms = first + ms;
                if view.as_ref().is_some_and(|view| view.is_over_before(&line, at_ms)) {
                    view = None;
                    seq = 0;
                }
                let view = view.get_or_insert_with(|| CmcdView::new(
                    "01890000-0000-7000-8000-000000000001".into(), "s".into(), "x", &line, at_ms,
                ));
                view.apply(&line, at_ms);
                let mut beacon = view.beacon().unwrap();
                prop_assert!(view.beacon().is_none());
                prop_assert_eq!(clean_beacon(&mut beacon), Ok(()));
                prop_assert_eq!(beacon.seq, seq);
                seq += 1;
                let c = &beacon.counters;
                prop_assert!(c.played_ms + c.paused_ms + c.rebuffer_ms + c.seek_ms <= beacon.t_ms);
                prop_assert!(beacon.events.iter().all(|event| event.t <= beacon.t_ms));
            }
        }
    }
}
