//! Output into an object store: what players load first, what names it last.
//!
//! A store has no folder that could be renamed, so the order makes it whole: everything that a manifest names is there before
//! the manifest is, and the multivariant playlist comes last of all. What was uploaded is removed again when something fails.

use std::fs::File;
use std::mem;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::ClientConfigKey;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path as Key;
use object_store::{BackoffConfig, Error, ObjectStore, ObjectStoreExt, RetryConfig};
use tokio::task::JoinSet;

use super::headers::is_manifest;
use super::location::{ObjectLocation, Service};
use super::upload::{Body, UploadError, Uploads};
use super::{Output, Publishing, Record, UploadPosition, record, redact, runtime};
use crate::error::EncodeError;
use crate::manifest::{MPD_PATH, MULTIVARIANT_PATH};
use crate::vod::CancelToken;

/// Objects under a prefix that no manifest names until the commit.
pub(crate) struct ObjectOutput {
    location: ObjectLocation,
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
    ) -> Result<Self, EncodeError> {
        check_replaceable(location, publishing.force)?;
        let store = open(location)?;
        let uploads = Uploads::new(store, location, publishing.cache_control);
        let mut output = Self {
            location: location.clone(),
            uploads,
            state: Mutex::new(State::default()),
            is_settled: AtomicBool::new(false),
            force: publishing.force,
            earlier: None,
            fingerprint: publishing.fingerprint.map(str::to_owned),
            cancel: publishing.cancel.clone(),
        };
        if !publishing.force {
            return Ok(output);
        }
        let earlier = read_any_record(location)?.map(|record| record.files);
        let is_replaced = output.exists(MULTIVARIANT_PATH)? || output.exists(MPD_PATH)?;
        if is_replaced {
            tracing::warn!(
                "{location} is replaced; caches may serve the earlier objects until they are purged, since segments keep their names"
            );
        }
        let mut manifests: Vec<String> = [MULTIVARIANT_PATH, MPD_PATH].map(str::to_owned).to_vec();
        manifests.extend(earlier.iter().flatten().filter(|name| is_manifest(name)).cloned());
        let left = output.delete(manifests)?;
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
        storage(&self.location, reason)
    }

    fn exists(&self, name: &str) -> Result<bool, EncodeError> {
        exists(self.uploads.store(), &self.location, name)
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
        runtime()?.block_on(async {
            while !tasks.is_empty() {
                if self.cancel.is_cancelled() {
                    self.uploads.stop();
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
            Some(UploadError::Store { name, error }) => self.storage(format!("{name}: {}", explain(&error))),
            Some(UploadError::Read(error)) => {
                self.storage(format!("what is to be uploaded cannot be read ({error})"))
            }
            _ if self.cancel.is_cancelled() => EncodeError::Cancelled,
            _ => self.storage("uploads had stopped before; run it again"),
        }
    }

    /// Removes objects and returns how many of them are still there.
    fn delete(&self, names: Vec<String>) -> Result<usize, EncodeError> {
        let keys: Vec<Key> = names.iter().map(|name| self.uploads.key(name)).collect();
        let count = keys.len();
        let done = runtime()?.block_on(async {
            let keys = stream::iter(keys.into_iter().map(Ok)).boxed();
            let deleted = self.uploads.store().delete_stream(keys);
            let gone = deleted.filter(|result| {
                let is_gone = matches!(result, Ok(_) | Err(Error::NotFound { .. }));
                std::future::ready(is_gone)
            });
            tokio::time::timeout(CLEAN_UP_TIMEOUT, gone.count()).await
        });
        Ok(count - done.unwrap_or(0).min(count))
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
        let count = begun.len();
        self.delete(begun).unwrap_or(count)
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
        let count = stale.len();
        let left = self.delete(stale).unwrap_or(count);
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
            check_free(self.uploads.store(), &self.location)?;
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
}

impl Drop for ObjectOutput {
    /// For a panic: everything else has ended with a commit or a discard.
    fn drop(&mut self) {
        self.clean_up();
    }
}

/// Refuses a place with an output in it, unless `force` allows to replace it. It also shows early whether the store can be
/// used at all.
pub(crate) fn check_replaceable(location: &ObjectLocation, force: bool) -> Result<(), EncodeError> {
    let store = open(location)?;
    match force {
        true => exists(&store, location, MULTIVARIANT_PATH).map(drop),
        false => check_free(&store, location),
    }
}

/// The record of a whole output.
pub(crate) fn read_record(location: &ObjectLocation) -> Result<Option<Record>, EncodeError> {
    let store = open(location)?;
    match exists(&store, location, MULTIVARIANT_PATH)? {
        true => read_any_record(location),
        false => Ok(None),
    }
}

fn read_any_record(location: &ObjectLocation) -> Result<Option<Record>, EncodeError> {
    let store = open(location)?;
    let read = async {
        let found = store.get(&key(location, record::PATH)).await?;
        match found.meta.size {
            size if size > MAX_RECORD_BYTES => Ok(None),
            _ => found.bytes().await.map(|json| Record::parse(&json)),
        }
    };
    match runtime()?.block_on(read) {
        Ok(record) => Ok(record),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(storage(location, explain(&error))),
    }
}

fn check_free(store: &Arc<dyn ObjectStore>, location: &ObjectLocation) -> Result<(), EncodeError> {
    for name in [MULTIVARIANT_PATH, MPD_PATH] {
        if exists(store, location, name)? {
            return Err(EncodeError::OutputExists {
                location: location.clone().into(),
            });
        }
    }
    Ok(())
}

fn exists(store: &Arc<dyn ObjectStore>, location: &ObjectLocation, name: &str) -> Result<bool, EncodeError> {
    match runtime()?.block_on(store.head(&key(location, name))) {
        Ok(_) => Ok(true),
        Err(Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(storage(location, explain(&error))),
    }
}

fn key(location: &ObjectLocation, name: &str) -> Key {
    let key = location.key(name);
    Key::parse(&key).unwrap_or_else(|_| Key::from(key))
}

/// A client with what the environment says.
fn open(location: &ObjectLocation) -> Result<Arc<dyn ObjectStore>, EncodeError> {
    // Its threads, and the TLS provider that they have in common.
    runtime()?;
    let fail = |error: Error| storage(location, explain(&error));
    let is_set = |name: &str| std::env::var_os(name).is_some();
    let is_plain = |names: &[&str]| {
        names
            .iter()
            .filter_map(|name| std::env::var(name).ok())
            .any(|url| url.starts_with("http://"))
    };
    let retry = RetryConfig {
        backoff: BackoffConfig::default(),
        max_retries: 5,
        retry_timeout: Duration::from_secs(90),
    };
    Ok(match location.service {
        Service::S3 => {
            let mut builder = AmazonS3Builder::from_env()
                .with_bucket_name(&location.bucket)
                .with_retry(retry);
            if !is_set("AWS_TIMEOUT") {
                builder = builder.with_config(
                    AmazonS3ConfigKey::Client(ClientConfigKey::Timeout),
                    REQUEST_TIMEOUT,
                );
            }
            // Whoever names an endpoint without TLS wants one; requests are signed and hold no secret key.
            if is_plain(&["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"]) {
                builder = builder.with_allow_http(true);
            }
            Arc::new(builder.build().map_err(fail)?)
        }
        Service::Gcs => {
            let mut builder = GoogleCloudStorageBuilder::from_env()
                .with_bucket_name(&location.bucket)
                .with_retry(retry);
            if !is_set("GOOGLE_TIMEOUT") {
                builder =
                    builder.with_config(GoogleConfigKey::Client(ClientConfigKey::Timeout), REQUEST_TIMEOUT);
            }
            if is_plain(&["GOOGLE_BASE_URL"]) {
                builder = builder.with_config(GoogleConfigKey::Client(ClientConfigKey::AllowHttp), "true");
            }
            Arc::new(builder.build().map_err(fail)?)
        }
    })
}

/// What a store's error means, without anything secret.
fn explain(error: &Error) -> String {
    let next_step = match error {
        Error::Unauthenticated { .. } => {
            "; check the credentials in the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or GOOGLE_SERVICE_ACCOUNT)"
        }
        Error::PermissionDenied { .. } => {
            "; check the credentials and that they may read, write and delete there"
        }
        Error::NotFound { .. } => "; check the name of the bucket",
        _ => "; check the network, the endpoint and the region, then run it again",
    };
    redact(&crate::explain(error)) + next_step
}

fn storage(location: &ObjectLocation, reason: impl Into<String>) -> EncodeError {
    EncodeError::Storage {
        location: location.to_string(),
        reason: reason.into(),
    }
}

const POLL: Duration = Duration::from_millis(100);
/// For the largest segment on a slow line.
const REQUEST_TIMEOUT: &str = "300 seconds";
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(120);
const MAX_RECORD_BYTES: u64 = 64 << 20;
