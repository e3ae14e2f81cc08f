//! What goes wrong on the way to a store, seen at each request that its client will repeat.
//!
//! The client repeats requests by itself, for a minute and more, and says nothing meanwhile. This looks over its shoulder, so that
//! whoever waits is told why.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpRequest, HttpResponse, HttpService, ReqwestConnector,
};

use super::redact;
use crate::vod::Progress;

/// What requests to one place have met.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// What warnings call the place.
    location: String,
    state: Mutex<State>,
}

/// Requests that failed since the last that did not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failing {
    pub(crate) since: Instant,
    pub(crate) failures: u64,
    /// Of the last one, without anything secret.
    pub(crate) reason: String,
}

#[derive(Debug, Default)]
struct State {
    failing: Option<Failing>,
    warned: Option<Instant>,
}

impl Trouble {
    pub(crate) fn new(location: String) -> Arc<Self> {
        Arc::new(Self {
            location,
            state: Mutex::default(),
        })
    }

    /// None while requests are answered.
    pub(crate) fn failing(&self) -> Option<Failing> {
        self.state().failing.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, answer: &Result<HttpResponse, HttpError>) {
        let reason = match answer {
            Ok(answer) => {
                let status = answer.status();
                let is_repeated = status.is_server_error() || matches!(status.as_u16(), 408 | 429);
                is_repeated.then(|| format!("it answers {status}"))
            }
            Err(error) => Some(redact(&crate::explain(error))),
        };
        let mut state = self.state();
        let Some(reason) = reason else {
            state.failing = None;
            return;
        };
        let now = Instant::now();
        let failing = state.failing.get_or_insert(Failing {
            since: now,
            failures: 0,
            reason: String::new(),
        });
        failing.failures += 1;
        failing.reason.clone_from(&reason);
        if state.warned.is_none_or(|warned| now - warned >= WARN_EVERY) {
            state.warned = Some(now);
            drop(state);
            tracing::warn!("{}: {reason}; trying again", self.location);
        }
    }
}

/// Makes clients whose requests are noted.
#[derive(Debug)]
pub(crate) struct Observer(pub(crate) Arc<Trouble>);

impl HttpConnector for Observer {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Observed {
            client: ReqwestConnector::default().connect(options)?,
            trouble: Arc::clone(&self.0),
        }))
    }
}

#[derive(Debug)]
struct Observed {
    client: HttpClient,
    trouble: Arc<Trouble>,
}

impl HttpService for Observed {
    fn call<'life, 'result>(
        &'life self,
        request: HttpRequest,
    ) -> Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'result>>
    where
        'life: 'result,
        Self: 'result,
    {
        Box::pin(async move {
            let answer = self.client.execute(request).await;
            self.trouble.note(&answer);
            answer
        })
    }
}

/// Tells of a place that does not answer, when there is news.
#[derive(Debug)]
pub(crate) struct Teller {
    location: String,
    failures: u64,
    told: Instant,
    has_warned: bool,
}

impl Teller {
    pub(crate) fn new(location: String) -> Self {
        Self {
            location,
            failures: 0,
            told: Instant::now(),
            has_warned: false,
        }
    }

    /// `asked` is since when one answer is waited for, if it is one alone.
    pub(crate) fn tell(&mut self, failing: Option<Failing>, asked: Option<Instant>) -> Option<Progress> {
        let (since, failures, reason) = match failing {
            Some(failing) => (failing.since, failing.failures, Some(failing.reason)),
            None => (asked?, 0, None),
        };
        let is_another = failures > self.failures;
        self.failures = failures;
        if !is_another && self.told.elapsed() < TELL_EVERY {
            return None;
        }
        self.told = Instant::now();
        if failures == 0 && !self.has_warned {
            self.has_warned = true;
            tracing::warn!("{} has not answered yet; waiting for it", self.location);
        }
        Some(Progress::Waiting {
            location: self.location.clone(),
            waited_s: since.elapsed().as_secs_f64(),
            failures,
            reason,
        })
    }
}

/// How often it is said that nothing has changed.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// A store that comes and goes is not news each time.
const WARN_EVERY: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_is_news_and_silence_is_none_for_a_while() {
        let mut teller = Teller::new("s3://b/p".to_owned());
        let since = Instant::now();
        let failing = |failures| {
            Some(Failing {
                since,
                failures,
                reason: "refused".to_owned(),
            })
        };
        assert!(teller.tell(None, None).is_none());
        assert!(teller.tell(None, Some(since)).is_none());
        assert!(matches!(
            teller.tell(failing(1), None),
            Some(Progress::Waiting { failures: 1, .. })
        ));
        assert!(teller.tell(failing(1), None).is_none());
        assert!(teller.tell(failing(2), None).is_some());
        // It went well meanwhile.
        assert!(teller.tell(None, Some(since)).is_none());
        assert!(teller.tell(failing(1), None).is_some());
        teller.told -= TELL_EVERY;
        assert!(matches!(
            teller.tell(None, Some(since)),
            Some(Progress::Waiting {
                failures: 0,
                reason: None,
                ..
            })
        ));
    }
}
