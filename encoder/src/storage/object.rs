//! Output into an object store: what players load first, what names it last.
//!
//! A store has no folder that could be renamed, so the order makes it whole: everything that a manifest names is there before
//! the manifest is, and the multivariant playlist comes last of all. What was uploaded is removed again when something fails.

use std::fs::File;
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::headers::is_manifest;
use super::location::ObjectLocation;
use super::store::{self, Store};
use super::upload::{Body, UploadError, Uploads};
use super::{Failing, Output, Publishing, Record, UploadPosition, Waiter, record, runtime};
use crate::error::EncodeError;
use crate::manifest::{MPD_PATH, MULTIVARIANT_PATH};
use crate::vod::CancelToken;

/// Objects under a prefix that no manifest names until the commit.
pub(crate) struct ObjectOutput {
    location: ObjectLocation,
    store: Store,
    uploads: Arc<Uploads>,
    state: Mutex<State>,
    /// Whatever was uploaded is to stay, or was removed.
    is_settled: AtomicBool,
    force: bool,
    /// The names of an earlier output's objects; None where they are not known.
    earlier: Option<Vec<String>>,
    fingerprint: Option<String>,
    cancel: CancelToken,
}

#[derive(Default)]
struct State {
    tasks: JoinSet<()>,
    /// Names of all objects, begun or done.
    begun: Vec<String>,
    manifests: Vec<(String, bytes::Bytes)>,
}

impl ObjectOutput {
    /// Prepares to write below `location`. An earlier output's manifests are removed first: while its objects are being
    /// replaced, nobody is to be sent to a mixture.
    pub(crate) fn create(
        location: &ObjectLocation,
        publishing: &Publishing<'_>,
        waiter: &mut Waiter<'_>,
    ) -> Result<Self, EncodeError> {
        let store = Store::open(location)?;
        store.check_replaceable(publishing.force, waiter)?;
        let uploads = Uploads::new(store.client(), location, publishing.cache_control);
        let mut output = Self {
            location: location.clone(),
            store,
            uploads,
            state: Mutex::new(State::default()),
            is_settled: AtomicBool::new(false),
            force: publishing.force,
            earlier: None,
            fingerprint: publishing.fingerprint.map(str::to_owned),
            cancel: waiter.cancel.clone(),
        };
        if !publishing.force {
            return Ok(output);
        }
        let store = &output.store;
        let earlier = store.read_any_record(waiter)?.map(|record| record.files);
        let is_replaced = store.exists(MULTIVARIANT_PATH, waiter)? || store.exists(MPD_PATH, waiter)?;
        if is_replaced {
            tracing::warn!(
                "{location} is replaced; caches may serve the earlier objects until they are purged, since segments keep their names"
            );
        }
        let mut manifests: Vec<String> = [MULTIVARIANT_PATH, MPD_PATH].map(str::to_owned).to_vec();
        manifests.extend(earlier.iter().flatten().filter(|name| is_manifest(name)).cloned());
        let left = store.delete(manifests, CLEAN_UP_TIMEOUT, &mut store.patience(waiter))?;
        if left > 0 {
            return Err(output.storage("its earlier manifests could not be removed; check the permissions"));
        }
        output.earlier = earlier;
        Ok(output)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn storage(&self, reason: impl Into<String>) -> EncodeError {
        self.store.error(reason)
    }

    /// Hands an object over; what waits is bounded.
    fn push(&self, name: &str, body: Body) -> Result<(), EncodeError> {
        let uploads = &self.uploads;
        uploads.known_bytes.fetch_add(body.len(), Ordering::Relaxed);
        uploads.known_files.fetch_add(1, Ordering::Relaxed);
        let task = Arc::clone(uploads).run(name.to_owned(), body);
        let mut state = self.state();
        while state.tasks.try_join_next().is_some() {}
        state.begun.push(name.to_owned());
        state.tasks.spawn_on(task, runtime()?.handle());
        Ok(())
    }

    /// Waits until `bytes` may be held.
    fn reserve(&self, bytes: usize) -> Result<tokio::sync::OwnedSemaphorePermit, EncodeError> {
        let permit = runtime()?.block_on(async {
            let permit = self.uploads.reserve(bytes);
            tokio::pin!(permit);
            loop {
                if self.cancel.is_cancelled() {
                    return None;
                }
                if let Ok(permit) = tokio::time::timeout(POLL, &mut permit).await {
                    return permit;
                }
            }
        });
        match permit {
            Some(permit) => Ok(permit),
            None => Err(self.why_stopped()),
        }
    }

    /// Waits for all uploads.
    fn drain(&self) -> Result<(), EncodeError> {
        let mut tasks = mem::take(&mut self.state().tasks);
        let mut cancelled = None;
        runtime()?.block_on(async {
            while !tasks.is_empty() {
                if self.cancel.is_cancelled() {
                    self.uploads.stop();
                    let since = *cancelled.get_or_insert_with(Instant::now);
                    if since.elapsed() > self.clean_up_timeout() {
                        tracing::warn!(
                            "{} does not answer; parts of uploads may be left there",
                            self.location
                        );
                        return;
                    }
                }
                // A task's own failure is kept by the uploads.
                let _ = tokio::time::timeout(POLL, tasks.join_next()).await;
            }
        });
        match self.uploads.is_stopped() {
            true => Err(self.why_stopped()),
            false => Ok(()),
        }
    }

    fn why_stopped(&self) -> EncodeError {
        self.uploads.stop();
        match self.uploads.take_failure() {
            Some(UploadError::Store { name, error }) => {
                self.storage(format!("{name}: {}", store::explain(&error)))
            }
            Some(UploadError::Read(error)) => {
                self.storage(format!("what is to be uploaded cannot be read ({error})"))
            }
            _ if self.cancel.is_cancelled() => EncodeError::Cancelled,
            _ => self.storage("uploads had stopped before; run it again"),
        }
    }

    /// Removes objects and returns how many of them are still there.
    fn delete(&self, names: Vec<String>) -> usize {
        let count = names.len();
        let deleted = self.store.delete(names, self.clean_up_timeout(), &mut || Ok(()));
        deleted.unwrap_or(count)
    }

    /// Who has asked to stop does not wait long for a store that is not there.
    fn clean_up_timeout(&self) -> Duration {
        match (self.cancel.is_cancelled(), self.store.failing()) {
            (false, _) => CLEAN_UP_TIMEOUT,
            (true, None) => CANCELLED_TIMEOUT,
            (true, Some(_)) => DEAD_TIMEOUT,
        }
    }

    /// Removes what was uploaded and returns how many objects are left.
    fn clean_up(&self) -> usize {
        if self.is_settled.swap(true, Ordering::Relaxed) {
            return 0;
        }
        self.uploads.stop();
        // Why it stopped is known already.
        let _ = self.drain();
        let begun = mem::take(&mut self.state().begun);
        self.delete(begun)
    }

    /// Removes what only the earlier output had.
    fn remove_stale(&self, files: &[String]) {
        let Some(earlier) = &self.earlier else {
            if self.force {
                tracing::warn!(
                    "{} says nothing about an earlier output; objects of one that are not part of this one are left there",
                    self.location
                );
            }
            return;
        };
        let is_stale = |name: &&String| !files.contains(name) && name.as_str() != record::PATH;
        let stale: Vec<String> = earlier.iter().filter(is_stale).cloned().collect();
        let left = self.delete(stale);
        if left > 0 {
            tracing::warn!(
                "{left} objects of the earlier output under {} could not be removed",
                self.location
            );
        }
    }
}

impl Output for ObjectOutput {
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), EncodeError> {
        if is_manifest(name) {
            let manifest = (name.to_owned(), bytes::Bytes::copy_from_slice(bytes));
            self.state().manifests.push(manifest);
            return Ok(());
        }
        let permit = self.reserve(bytes.len())?;
        self.push(
            name,
            Body::Bytes(bytes::Bytes::copy_from_slice(bytes), Some(permit)),
        )
    }

    fn write_joined(&self, name: &str, head: &[u8], body: &Path) -> Result<(), EncodeError> {
        let unreadable = |source| EncodeError::InputUnreadable {
            path: body.to_owned(),
            source,
        };
        // Open from here on, so that it may be removed.
        let file = File::open(body).map_err(unreadable)?;
        let bytes = head.len() as u64 + file.metadata().map_err(unreadable)?.len();
        let head = bytes::Bytes::copy_from_slice(head);
        if self.uploads.is_stopped() {
            return Err(self.why_stopped());
        }
        self.push(name, Body::File { head, file, bytes })
    }

    fn commit(&self) -> Result<(), EncodeError> {
        self.drain()?;
        if !self.force {
            // Whoever reports of the uploads tells of troubles, too.
            let waiter = &mut Waiter {
                cancel: &self.cancel,
                progress: &mut |_| {},
            };
            self.store.check_free(waiter)?;
        }
        let (mut last, mut rest): (Vec<_>, Vec<_>) = mem::take(&mut self.state().manifests)
            .into_iter()
            .partition(|(name, _)| name == MPD_PATH || name == MULTIVARIANT_PATH);
        last.sort_by_key(|(name, _)| name == MULTIVARIANT_PATH);
        let mut files = self.state().begun.clone();
        files.extend(rest.iter().chain(&last).map(|(name, _)| name.clone()));
        files.push(record::PATH.to_owned());
        files.sort();
        let record = Record::new(self.fingerprint.as_deref(), files.clone());
        rest.push((record::PATH.to_owned(), record.to_json()?.into()));
        // The first group at once, the others each after what is before it.
        let groups = [rest].into_iter().chain(last.into_iter().map(|one| vec![one]));
        for group in groups {
            if self.cancel.is_cancelled() {
                return Err(EncodeError::Cancelled);
            }
            for (name, bytes) in group {
                self.push(&name, Body::Bytes(bytes, None))?;
            }
            self.drain()?;
        }
        self.is_settled.store(true, Ordering::Relaxed);
        self.remove_stale(&files);
        Ok(())
    }

    fn discard(&self, error: EncodeError) -> EncodeError {
        let count = self.state().begun.len();
        match (self.clean_up(), error) {
            (0, EncodeError::Storage { location, reason }) if count > 0 => EncodeError::Storage {
                location,
                reason: format!("{reason}; what had been uploaded was removed again"),
            },
            (0, error) => error,
            (left, error) => EncodeError::LeftBehind {
                location: self.location.to_string(),
                left,
                source: Box::new(error),
            },
        }
    }

    fn position(&self) -> Option<UploadPosition> {
        let uploads = &self.uploads;
        Some(UploadPosition {
            bytes: uploads.bytes.load(Ordering::Relaxed),
            files: uploads.files.load(Ordering::Relaxed),
            known_bytes: uploads.known_bytes.load(Ordering::Relaxed),
            known_files: uploads.known_files.load(Ordering::Relaxed),
        })
    }

    fn failing(&self) -> Option<Failing> {
        self.store.failing()
    }
}

impl Drop for ObjectOutput {
    /// For a panic: everything else has ended with a commit or a discard.
    fn drop(&mut self) {
        self.clean_up();
    }
}

/// What clean-up may take: where it is waited for, and where nothing answers.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(120);
const CANCELLED_TIMEOUT: Duration = Duration::from_secs(30);
const DEAD_TIMEOUT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(100);
