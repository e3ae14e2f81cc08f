//! What is remembered: where each rule is at each site, the alerts there were, and what is still to be told. It is one file, replaced
//! as a whole whenever something changes.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::judge::Judgement;
use super::phase::{Change, Phase};
use super::rule::{AlertRule, Direction};
use crate::collector::replace_file;

const FILE: &str = "alerts.json";

/// The file of alerts; there is none before the first.
pub(crate) fn alerts_file(data_dir: &Path) -> PathBuf {
    data_dir.join(FILE)
}
const VERSION: u32 = 1;
/// Alerts that are over and kept.
const MAX_ALERTS: usize = 1_000;
/// Messages that wait for the webhook; then the oldest is dropped.
const MAX_WAITING: usize = 256;
/// Another file is not read.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// An alert, for people and programs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Alert {
    pub(super) id: String,
    pub(super) rule: String,
    pub(super) metric: String,
    pub(super) site: String,
    pub(super) state: State,
    pub(super) since_ms: i64,
    pub(super) fired_ms: Option<i64>,
    pub(super) resolved_ms: Option<i64>,
    /// The worst so far.
    pub(super) value: Option<f64>,
    pub(super) threshold: f64,
    pub(super) baseline: Option<f64>,
    /// Views that count in the window of that value.
    pub(super) n: i64,
    pub(super) cohort: Option<FoundCohort>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Pending,
    Firing,
    Resolved,
}

/// Where it is that something is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct FoundCohort {
    pub(super) by: BTreeMap<String, String>,
    pub(super) filters: Vec<String>,
    pub(super) value: Option<f64>,
    pub(super) n: Option<i64>,
    pub(super) impact: f64,
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Message {
    pub(super) event: Event,
    /// As it was then.
    pub(super) alert: Alert,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Event {
    #[serde(rename = "alert.firing")]
    Firing,
    #[serde(rename = "alert.resolved")]
    Resolved,
}

/// See the module's text.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Book {
    version: u32,
    /// Rules have been evaluated up to here.
    pub(super) evaluated_ms: i64,
    /// Rule → site → where it is.
    phases: BTreeMap<String, BTreeMap<String, Phase>>,
    /// The newest first.
    alerts: VecDeque<Alert>,
    /// The oldest first.
    waiting: VecDeque<Message>,
    #[serde(skip)]
    path: PathBuf,
    /// Nobody is to be told.
    #[serde(skip)]
    is_mute: bool,
}

impl Book {
    /// Reads what an earlier run has left in a folder. What these rules and sites do not have any more is over at `now_ms`. A file
    /// that cannot be read is put aside.
    ///
    /// # Errors
    /// If the folder cannot be used.
    pub(super) fn open(
        data_dir: &Path,
        now_ms: i64,
        rules: &[AlertRule],
        sites: &[String],
        is_mute: bool,
    ) -> io::Result<Self> {
        let path = alerts_file(data_dir);
        let mut book = match read(&path) {
            Ok(Some(book)) => book,
            Ok(None) => Self::new(now_ms),
            Err(error) => {
                let aside = data_dir.join(format!("{FILE}.unreadable"));
                tracing::error!(%error, file = %aside.display(), "the alerts' history cannot be read; it is put aside");
                fs::rename(&path, &aside)?;
                Self::new(now_ms)
            }
        };
        book.path = path;
        book.is_mute = is_mute;
        if is_mute {
            book.waiting.clear();
        }
        let watched: HashSet<(&str, &str)> = rules
            .iter()
            .flat_map(|rule| rule.sites(sites).map(|site| (rule.name.as_str(), site)))
            .collect();
        for (rule, places) in &mut book.phases {
            places.retain(|site, _| watched.contains(&(rule.as_str(), site.as_str())));
        }
        book.alerts.retain_mut(|alert| {
            if !watched.contains(&(alert.rule.as_str(), alert.site.as_str())) {
                match alert.state {
                    State::Pending => return false,
                    State::Firing => alert.resolve(now_ms),
                    State::Resolved => {}
                }
            }
            true
        });
        Ok(book)
    }

    fn new(now_ms: i64) -> Self {
        Self {
            version: VERSION,
            evaluated_ms: now_ms,
            phases: BTreeMap::new(),
            alerts: VecDeque::new(),
            waiting: VecDeque::new(),
            path: PathBuf::new(),
            is_mute: true,
        }
    }

    /// Takes a judgement of a rule at a site at a time into account. An alert that begins to fire has no cohort yet.
    pub(super) fn note(&mut self, rule: &AlertRule, site: &str, at_ms: i64, judged: &Judgement) -> Change {
        let places = self.phases.entry(rule.name.clone()).or_default();
        let phase = places.entry(site.to_owned()).or_default();
        let change = phase.step(at_ms, judged.verdict, i64::from(rule.for_s) * 1000);
        let is_open =
            |alert: &Alert| alert.rule == rule.name && alert.site == site && alert.state != State::Resolved;
        let open = self.alerts.iter().position(is_open);
        match (change, open) {
            (Change::Began, _) | (Change::Fired, None) => {
                let mut alert = Alert::new(rule, site, at_ms);
                alert.saw(judged, rule.direction());
                self.alerts.push_front(alert);
            }
            (Change::Dropped, Some(at)) => {
                self.alerts.remove(at);
            }
            (_, Some(at)) => self.alerts[at].saw(judged, rule.direction()),
            (_, None) => {}
        }
        if let Some(alert) = self.alerts.iter_mut().find(|alert| is_open(alert)) {
            match change {
                Change::Fired => (alert.state, alert.fired_ms) = (State::Firing, Some(at_ms)),
                Change::Resolved => {
                    alert.resolve(at_ms);
                    let alert = alert.clone();
                    self.tell(Event::Resolved, alert);
                }
                _ => {}
            }
        }
        while self.alerts.len() > MAX_ALERTS {
            let Some(oldest) = self
                .alerts
                .iter()
                .rposition(|alert| alert.state == State::Resolved)
            else {
                break;
            };
            self.alerts.remove(oldest);
        }
        change
    }

    /// Says where it is that the alert of a rule at a site, which has begun to fire, is wrong, and that it is to be told.
    pub(super) fn fired(&mut self, rule: &AlertRule, site: &str, cohort: Option<FoundCohort>) {
        let is_it = |alert: &&mut Alert| {
            alert.rule == rule.name && alert.site == site && alert.state == State::Firing
        };
        if let Some(alert) = self.alerts.iter_mut().find(is_it) {
            alert.cohort = cohort;
            let alert = alert.clone();
            self.tell(Event::Firing, alert);
        }
    }

    fn tell(&mut self, event: Event, alert: Alert) {
        if self.is_mute {
            return;
        }
        if self.waiting.len() >= MAX_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Message { event, alert });
    }

    /// What is to be told next.
    pub(super) fn next_message(&self) -> Option<Message> {
        self.waiting.front().cloned()
    }

    /// It was told, or never will be.
    pub(super) fn forget_message(&mut self, message: &Message) {
        self.waiting.retain(|waiting| waiting != message);
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The newest first, of one site or all.
    pub(super) fn alerts(&self, site: Option<&str>) -> Vec<Alert> {
        let is_asked = |alert: &&Alert| site.is_none_or(|site| alert.site == site);
        self.alerts.iter().filter(is_asked).cloned().collect()
    }

    /// How many are in a state, of one site or all.
    pub(super) fn count(&self, state: State, site: Option<&str>) -> usize {
        let is_asked = |alert: &&Alert| alert.state == state && site.is_none_or(|site| alert.site == site);
        self.alerts.iter().filter(is_asked).count()
    }

    /// Writes it all.
    pub(super) fn save(&self) -> io::Result<()> {
        replace_file(&self.path, &serde_json::to_vec(self)?)
    }
}

impl Alert {
    fn new(rule: &AlertRule, site: &str, since_ms: i64) -> Self {
        Self {
            id: format!("{since_ms}-{site}-{}", rule.name).replace(' ', "-"),
            rule: rule.name.clone(),
            metric: rule.metric.name().to_owned(),
            site: site.to_owned(),
            state: State::Pending,
            since_ms,
            fired_ms: None,
            resolved_ms: None,
            value: None,
            threshold: 0.0,
            baseline: None,
            n: 0,
            cohort: None,
        }
    }

    /// Keeps the worst value.
    fn saw(&mut self, judged: &Judgement, direction: Direction) {
        let Some(value) = judged.measured.value else {
            return;
        };
        let is_worse = self.value.is_none_or(|before| match direction {
            Direction::Above => value > before,
            Direction::Below => value < before,
        });
        if is_worse && judged.verdict != super::judge::Verdict::Unknown {
            self.value = Some(value);
            self.n = judged.measured.n;
            self.threshold = judged.threshold;
            self.baseline = judged.baseline;
        }
    }

    fn resolve(&mut self, now_ms: i64) {
        self.state = State::Resolved;
        self.resolved_ms = Some(now_ms);
    }
}

fn read(path: &Path) -> io::Result<Option<Book>> {
    let length = match fs::metadata(path) {
        Ok(found) => found.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > MAX_FILE_BYTES {
        return Err(io::Error::other(format!("{length} bytes are too many")));
    }
    let book: Book = serde_json::from_slice(&fs::read(path)?)?;
    if book.version != VERSION {
        return Err(io::Error::other(format!("it is of version {}", book.version)));
    }
    Ok(Some(book))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::alerts::judge::{Measured, Verdict};

    fn judged(verdict: Verdict, value: f64) -> Judgement {
        Judgement {
            verdict,
            measured: Measured {
                value: Some(value),
                n: 100,
            },
            threshold: 0.05,
            usual: 0.03,
            baseline: None,
        }
    }

    /// Lets the rule of re-buffering fire at a time.
    fn fire(book: &mut Book, rule: &AlertRule, at_ms: i64) {
        for step in 0..=4 {
            book.note(
                rule,
                "demo",
                at_ms + step * 30_000,
                &judged(Verdict::Breach, 0.1 + step as f64 / 100.0),
            );
        }
        book.fired(rule, "demo", None);
    }

    fn clear(book: &mut Book, rule: &AlertRule, at_ms: i64) {
        for step in 0..=4 {
            book.note(rule, "demo", at_ms + step * 30_000, &judged(Verdict::Clear, 0.01));
        }
    }

    #[test]
    fn what_fires_is_remembered_and_told_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let rules = AlertRule::defaults();
        let sites = ["demo".to_owned()];
        let open = || Book::open(folder.path(), 1_000, &rules, &sites, false).unwrap();
        let mut book = open();
        assert_eq!(book.evaluated_ms, 1_000);
        fire(&mut book, &rules[0], 30_000);
        book.evaluated_ms = 150_000;
        book.save().unwrap();

        let mut book = open();
        let [alert] = &book.alerts(None)[..] else { panic!() };
        assert_eq!(
            (alert.state, alert.since_ms, alert.fired_ms),
            (State::Firing, 30_000, Some(150_000))
        );
        assert_eq!(
            (alert.value, alert.n, book.evaluated_ms),
            (Some(0.14), 100, 150_000)
        );
        assert_eq!(alert.id, "30000-demo-rebuffering");
        clear(&mut book, &rules[0], 180_000);
        assert_eq!(book.alerts(Some("demo"))[0].resolved_ms, Some(300_000));
        assert_eq!(book.alerts(Some("other")), []);
        let told: Vec<_> = std::iter::from_fn(|| {
            let message = book.next_message()?;
            book.forget_message(&message);
            Some((message.event, message.alert.state))
        })
        .collect();
        assert_eq!(
            told,
            [(Event::Firing, State::Firing), (Event::Resolved, State::Resolved)]
        );
    }

    #[test]
    fn what_is_no_longer_watched_is_over_and_what_cannot_be_read_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let rules = AlertRule::defaults();
        let sites = ["demo".to_owned()];
        let mut book = Book::open(folder.path(), 0, &rules, &sites, true).unwrap();
        fire(&mut book, &rules[0], 30_000);
        book.note(&rules[1], "demo", 30_000, &judged(Verdict::Breach, 0.2));
        assert_eq!(
            (
                book.count(State::Firing, None),
                book.count(State::Pending, Some("demo")),
                book.waiting()
            ),
            (1, 1, 0)
        );
        book.save().unwrap();
        let book = Book::open(folder.path(), 500_000, &rules[2..], &sites, true).unwrap();
        let [alert] = &book.alerts(None)[..] else { panic!() };
        assert_eq!((alert.state, alert.resolved_ms), (State::Resolved, Some(500_000)));

        fs::write(folder.path().join(FILE), "{").unwrap();
        let book = Book::open(folder.path(), 7, &rules, &sites, true).unwrap();
        assert_eq!((book.evaluated_ms, book.alerts(None).len()), (7, 0));
        assert!(folder.path().join("alerts.json.unreadable").exists());
    }

    #[test]
    fn there_is_an_end_to_what_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let rules = AlertRule::defaults();
        let sites = ["demo".to_owned()];
        let mut book = Book::open(folder.path(), 0, &rules, &sites, false).unwrap();
        for hour in 0..1_100 {
            fire(&mut book, &rules[0], hour * 3_600_000);
            clear(&mut book, &rules[0], hour * 3_600_000 + 600_000);
        }
        assert_eq!(
            (book.alerts(None).len(), book.waiting()),
            (MAX_ALERTS, MAX_WAITING)
        );
        assert_eq!(book.alerts(None)[0].since_ms, 1_099 * 3_600_000);
        book.save().unwrap();
        assert!(fs::metadata(&book.path).unwrap().len() < MAX_FILE_BYTES / 10);
    }
}
