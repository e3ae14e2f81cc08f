//! Alerts: rules that are evaluated over and over, what became of them, and word of it.

mod blame;
mod book;
mod judge;
mod phase;
mod rule;
mod watch;
mod webhook;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use axum::extract::State as Shares;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch::{Receiver, Sender, channel};

use crate::clock::Clock;
use crate::error::Error;
use crate::parameters::Parameters;
use crate::pipeline::Shared;
use crate::problem::Problem;
use crate::store::StoreReader;
pub(crate) use book::alerts_file;
use book::{Book, Message, State};
use watch::{Watch, tell};
use webhook::Messenger;

pub use rule::AlertRule;
pub(crate) use rule::RuleSection;
pub use webhook::Webhook;
pub(crate) use webhook::{Deliveries, WebhookSection};

/// The book is written after this time even if nothing has changed, so that a restart knows what has been evaluated.
const SAVE_EVERY_MS: i64 = 300_000;

/// The rules and what became of them.
pub(crate) struct Alerts {
    rules: Vec<AlertRule>,
    sites: Vec<String>,
    clock: Clock,
    shared: Arc<Shared>,
    book: Mutex<Book>,
    /// When the book was written, by the time that had been evaluated.
    saved_ms: Mutex<i64>,
    deliveries: Option<Mutex<Deliveries>>,
    stop: Sender<bool>,
}

/// How alerts are getting on.
#[derive(Serialize)]
pub(crate) struct Status {
    rules: usize,
    evaluated_ms: i64,
    pending: usize,
    firing: usize,
    webhook: Option<WebhookStatus>,
}

/// How the webhook is getting on.
#[derive(Serialize)]
pub(crate) struct WebhookStatus {
    #[serde(flatten)]
    pub(crate) deliveries: Deliveries,
    pub(crate) waiting: usize,
}

/// What there is to be told at the start.
pub(crate) struct Settings<'a> {
    pub(crate) data_dir: &'a Path,
    pub(crate) rules: Vec<AlertRule>,
    pub(crate) webhook: Option<Webhook>,
    pub(crate) sites: Vec<String>,
    pub(crate) clock: Clock,
}

/// Starts the thread that evaluates.
pub(crate) fn start(
    settings: Settings<'_>,
    reader: StoreReader,
    shared: Arc<Shared>,
) -> Result<(Arc<Alerts>, JoinHandle<()>), Error> {
    let now_ms = settings.clock.now_ms();
    let is_mute = settings.webhook.is_none();
    let data_dir_error = |source: io::Error| Error::DataDir {
        path: settings.data_dir.to_owned(),
        source,
    };
    let book = Book::open(
        settings.data_dir,
        now_ms,
        &settings.rules,
        &settings.sites,
        is_mute,
    );
    let messenger = settings.webhook.map(Messenger::new).transpose();
    let messenger = messenger.map_err(Error::Webhook)?;
    let (stop, stopped) = channel(false);
    let alerts = Arc::new(Alerts {
        rules: settings.rules,
        sites: settings.sites,
        clock: settings.clock,
        shared,
        book: Mutex::new(book.map_err(data_dir_error)?),
        saved_ms: Mutex::new(i64::MIN),
        deliveries: messenger.is_some().then(Mutex::default),
        stop,
    });
    let watch = Watch {
        alerts: Arc::clone(&alerts),
        reader,
        baselines: HashMap::new(),
    };
    let told = Arc::clone(&alerts);
    let thread = std::thread::Builder::new()
        .name("analytics-alerts".to_owned())
        .spawn(move || run(told, watch, messenger, stopped))
        .map_err(|_| Error::Thread("analytics-alerts"))?;
    Ok((alerts, thread))
}

fn run(alerts: Arc<Alerts>, watch: Watch, messenger: Option<Messenger>, stopped: Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            runtime.block_on(async {
                let telling =
                    messenger.map(|messenger| tell(Arc::clone(&alerts), messenger, stopped.clone()));
                let telling = async {
                    if let Some(telling) = telling {
                        telling.await;
                    }
                };
                tokio::join!(watch.run(stopped), telling);
            });
            // A query that is still running must not keep the program from ending.
            runtime.shutdown_background();
        }
        Err(error) => tracing::error!(%error, "alerts are not evaluated: their thread has no runtime"),
    }
    alerts.save();
}

impl Alerts {
    /// Ends the thread.
    pub(crate) fn stop(&self) {
        // Nobody listens if it has ended.
        let _ = self.stop.send(true);
    }

    /// For `/v1/status`.
    pub(crate) fn status(&self) -> Status {
        let webhook = self.webhook();
        let book = self.book();
        Status {
            rules: self.rules.len(),
            evaluated_ms: book.evaluated_ms,
            pending: book.count(State::Pending, None),
            firing: book.count(State::Firing, None),
            webhook,
        }
    }

    /// Pending and firing alerts of a site.
    pub(crate) fn open(&self, site: &str) -> [(&'static str, usize); 2] {
        let book = self.book();
        let count = |state| book.count(state, Some(site));
        [
            ("firing", count(State::Firing)),
            ("pending", count(State::Pending)),
        ]
    }

    /// Nothing without a webhook.
    pub(crate) fn webhook(&self) -> Option<WebhookStatus> {
        let deliveries = self.deliveries.as_ref()?;
        let waiting = self.book().waiting();
        let deliveries = deliveries.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Some(WebhookStatus { deliveries, waiting })
    }

    fn evaluated_ms(&self) -> i64 {
        self.book().evaluated_ms
    }

    fn evaluated(&self, at_ms: i64, is_changed: bool) {
        self.book().evaluated_ms = at_ms;
        let mut saved_ms = self.saved_ms.lock().unwrap_or_else(PoisonError::into_inner);
        if is_changed || at_ms >= saved_ms.saturating_add(SAVE_EVERY_MS) {
            *saved_ms = at_ms;
            drop(saved_ms);
            self.save();
        }
    }

    /// A message was sent, or not; then it is sent again or given up.
    fn told(&self, message: &Message, sent: Result<(), String>, again: bool) {
        if let Some(deliveries) = &self.deliveries {
            let mut deliveries = deliveries.lock().unwrap_or_else(PoisonError::into_inner);
            match sent {
                Ok(()) => {
                    deliveries.delivered += 1;
                    deliveries.last_error = None;
                }
                Err(error) => {
                    deliveries.failed += 1;
                    deliveries.given_up += u64::from(!again);
                    deliveries.last_error = Some(error);
                }
            }
        }
        if !again {
            self.book().forget_message(message);
            self.save();
        }
    }

    fn save(&self) {
        if let Err(error) = self.book().save() {
            tracing::error!(%error, "the alerts' history cannot be written; it is tried again with the next change");
        }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AlertRule {
    /// The sites that it watches, of these.
    fn sites<'a>(&'a self, all: &'a [String]) -> impl Iterator<Item = &'a str> {
        let is_watched = |site: &&str| self.site.as_deref().is_none_or(|only| only == *site);
        all.iter().map(String::as_str).filter(is_watched)
    }
}

/// `GET /v1/alerts`.
pub(crate) fn router(alerts: Arc<Alerts>) -> Router {
    Router::new().route("/v1/alerts", get(list)).with_state(alerts)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    site: Option<String>,
}

async fn list(
    Shares(alerts): Shares<Arc<Alerts>>,
    Parameters(Params { site }): Parameters<Params>,
) -> Result<Json<Value>, Problem> {
    let site = site.filter(|site| !site.is_empty());
    if site.as_ref().is_some_and(|site| !alerts.sites.contains(site)) {
        return Err(Problem::not_found("there is no site of this name"));
    }
    let of_site = |rule: &&AlertRule| {
        let watched = rule.site.as_ref();
        site.is_none() || watched.is_none() || watched == site.as_ref()
    };
    let rules: Vec<_> = alerts
        .rules
        .iter()
        .filter(of_site)
        .map(AlertRule::about)
        .collect();
    Ok(Json(json!({
        "now_ms": alerts.clock.now_ms(),
        "rules": rules,
        "alerts": alerts.book().alerts(site.as_deref()),
    })))
}
