//! Uploads to an object store: several at once in bounded memory, large ones in parts.

use std::fs::File;
use std::future::Future;
use std::io::{self, Read};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use object_store::path::Path as Key;
use object_store::retry::{RetryContext, RetryFailure, RetryPolicy};
use object_store::{
    Attribute, Attributes, Error, MultipartUpload, ObjectStore, PutMultipartOptions, PutOptions, PutPayload,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;

use super::headers::{CacheRule, cache_control, content_type};
use super::location::ObjectLocation;

/// What all uploads of an output share.
pub(crate) struct Uploads {
    store: Arc<dyn ObjectStore>,
    location: ObjectLocation,
    rules: Vec<CacheRule>,
    /// In units of [`MEMORY_UNIT`].
    memory: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    stop: watch::Sender<bool>,
    failure: Mutex<Option<UploadError>>,
    pub(crate) bytes: AtomicU64,
    pub(crate) files: AtomicU64,
    pub(crate) known_bytes: AtomicU64,
    pub(crate) known_files: AtomicU64,
}

/// What becomes an object.
pub(crate) enum Body {
    /// With the memory that they were granted.
    Bytes(bytes::Bytes, Option<OwnedSemaphorePermit>),
    /// What `head` and `file` hold, `bytes` in all.
    File {
        head: bytes::Bytes,
        file: File,
        bytes: u64,
    },
}

/// Why an upload ended early.
#[derive(Debug)]
pub(crate) enum UploadError {
    Read(io::Error),
    Stopped,
    Store { name: String, error: Error },
}

impl Uploads {
    pub(crate) fn new(
        store: Arc<dyn ObjectStore>,
        location: &ObjectLocation,
        rules: &[CacheRule],
    ) -> Arc<Self> {
        Arc::new(Self {
            store,
            location: location.clone(),
            rules: rules.to_vec(),
            memory: Arc::new(Semaphore::new(MEMORY / MEMORY_UNIT)),
            requests: Arc::new(Semaphore::new(REQUESTS)),
            stop: watch::Sender::new(false),
            failure: Mutex::new(None),
            bytes: AtomicU64::new(0),
            files: AtomicU64::new(0),
            known_bytes: AtomicU64::new(0),
            known_files: AtomicU64::new(0),
        })
    }

    pub(crate) fn key(&self, name: &str) -> Key {
        let key = self.location.key(name);
        Key::parse(&key).unwrap_or_else(|_| Key::from(key))
    }

    /// Waits until `bytes` may be held in memory; None when uploads were stopped meanwhile.
    pub(crate) async fn reserve(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        // What is larger than all of it waits for all of it.
        let units = bytes.div_ceil(MEMORY_UNIT).clamp(1, MEMORY / MEMORY_UNIT);
        let permits = Arc::clone(&self.memory).acquire_many_owned(u32::try_from(units).unwrap_or(u32::MAX));
        tokio::select! {
            biased;
            () = self.stopped() => None,
            permit = permits => permit.ok(),
        }
    }

    /// Ends all uploads soon.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// The first failure.
    pub(crate) fn take_failure(&self) -> Option<UploadError> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn stopped(&self) {
        // The sender lives as long as self.
        let _ = self.stop.subscribe().wait_for(|is_stopped| *is_stopped).await;
    }

    /// Uploads one object; a failure is kept and stops all others.
    pub(crate) async fn run(self: Arc<Self>, name: String, body: Body) {
        let result = match body {
            Body::Bytes(bytes, permit) if bytes.len() <= PART_BYTES * 2 => {
                let done = tokio::select! {
                    biased;
                    () = self.stopped() => Err(UploadError::Stopped),
                    done = self.put(&name, bytes.into()) => done,
                };
                drop(permit);
                done
            }
            body => self.put_parts(&name, body).await,
        };
        match result {
            Ok(()) => {
                self.files.fetch_add(1, Ordering::Relaxed);
            }
            Err(UploadError::Stopped) => {}
            Err(error) => {
                let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
                failure.get_or_insert(error);
                drop(failure);
                self.stop();
            }
        }
    }

    /// Uploads one object in one request. The store's client repeats requests by itself; what fails all the same, such as a
    /// stream that broke, is begun anew with a new signature.
    async fn put(&self, name: &str, payload: PutPayload) -> Result<(), UploadError> {
        let bytes = payload.content_length() as u64;
        for attempt in 0.. {
            let put = async {
                let _request = self.requests.acquire().await;
                let options = PutOptions {
                    attributes: self.attributes(name),
                    ..PutOptions::default()
                };
                self.store
                    .put_opts(&self.key(name), payload.clone(), options)
                    .await
            };
            match put.await {
                Ok(_) => break,
                Err(error) if attempt + 1 < TRIES && is_transient(&error) => {
                    tracing::info!(object = name, "an upload is tried again");
                    tokio::time::sleep(backoff(attempt)).await;
                }
                Err(error) => {
                    return Err(UploadError::Store {
                        name: name.to_owned(),
                        error,
                    });
                }
            }
        }
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Uploads one object in parts, some of them at once.
    async fn put_parts(self: &Arc<Self>, name: &str, body: Body) -> Result<(), UploadError> {
        let fail = |error| UploadError::Store {
            name: name.to_owned(),
            error,
        };
        if self.is_stopped() {
            return Err(UploadError::Stopped);
        }
        let options = PutMultipartOptions {
            attributes: self.attributes(name),
            ..PutMultipartOptions::default()
        };
        let options = options.with_retry_policy(Arc::new(Repeat));
        // Not interrupted: an upload whose id is not known could not be taken back.
        let mut upload = self
            .store
            .put_multipart_opts(&self.key(name), options)
            .await
            .map_err(fail)?;
        let sent = tokio::select! {
            biased;
            () = self.stopped() => Err(UploadError::Stopped),
            sent = self.send_parts(upload.as_mut(), name, body) => sent,
        };
        let done = match sent {
            Ok(()) => upload.complete().await.map(drop).map_err(fail),
            Err(error) => Err(error),
        };
        if done.is_err() && tokio::time::timeout(ABORT_TIMEOUT, upload.abort()).await.is_err() {
            tracing::warn!(object = name, "the parts of an upload could not be taken back");
        }
        done
    }

    async fn send_parts(
        self: &Arc<Self>,
        upload: &mut dyn MultipartUpload,
        name: &str,
        body: Body,
    ) -> Result<(), UploadError> {
        let mut parts = Parts::new(body);
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < PARTS_AT_ONCE {
                // A part of a file takes memory as it is read.
                let permit = match parts.reads() {
                    0 => None,
                    bytes => Some(self.reserve(bytes).await.ok_or(UploadError::Stopped)?),
                };
                let read = tokio::task::spawn_blocking(move || {
                    let part = parts.next();
                    (parts, part)
                });
                let (next, part) = read.await.map_err(|error| UploadError::Read(error.into()))?;
                parts = next;
                let Some(part) = part.map_err(UploadError::Read)? else {
                    break;
                };
                let uploads = Arc::clone(self);
                let bytes = part.len() as u64;
                let request = upload.put_part(part.into());
                // It goes on while this waits for memory.
                under_way.spawn(async move {
                    let _permits = (permit, uploads.requests.acquire().await);
                    request.await?;
                    uploads.bytes.fetch_add(bytes, Ordering::Relaxed);
                    Ok(())
                });
            }
            match under_way.join_next().await {
                None => return Ok(()),
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(error))) => {
                    return Err(UploadError::Store {
                        name: name.to_owned(),
                        error,
                    });
                }
                Some(Err(error)) => return Err(UploadError::Read(error.into())),
            }
        }
    }

    fn attributes(&self, name: &str) -> Attributes {
        Attributes::from_iter([
            (Attribute::ContentType, content_type(name).to_owned()),
            (
                Attribute::CacheControl,
                cache_control(name, &self.rules).to_owned(),
            ),
        ])
    }
}

impl Body {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes, _) => bytes.len() as u64,
            Self::File { bytes, .. } => *bytes,
        }
    }
}

/// A body in pieces of equal size, as all stores ask for.
struct Parts {
    body: Body,
    part_bytes: usize,
    left: u64,
}

impl Parts {
    fn new(body: Body) -> Self {
        let left = body.len();
        let least = usize::try_from(left.div_ceil(MAX_PARTS)).unwrap_or(usize::MAX);
        Self {
            body,
            part_bytes: least.max(PART_BYTES),
            left,
        }
    }

    /// How much the next part takes that is not in memory yet.
    fn reads(&self) -> usize {
        match &self.body {
            Body::Bytes(..) => 0,
            Body::File { .. } => self.next_bytes(),
        }
    }

    fn next_bytes(&self) -> usize {
        usize::try_from(self.left).map_or(self.part_bytes, |left| left.min(self.part_bytes))
    }

    fn next(&mut self) -> io::Result<Option<bytes::Bytes>> {
        let bytes = self.next_bytes();
        if bytes == 0 {
            return Ok(None);
        }
        self.left -= bytes as u64;
        Ok(Some(match &mut self.body {
            Body::Bytes(all, _) => all.split_to(bytes),
            Body::File { head, file, .. } => {
                let mut part = Vec::with_capacity(bytes);
                part.extend_from_slice(&head.split_to(head.len().min(bytes)));
                let rest = (bytes - part.len()) as u64;
                if file.by_ref().take(rest).read_to_end(&mut part)? as u64 != rest {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                part.into()
            }
        }))
    }
}

/// Sends a part anew after the client's own attempts.
#[derive(Debug)]
struct Repeat;

impl RetryPolicy for Repeat {
    fn retry<'life, 'result>(
        &'life self,
        context: RetryContext,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'result>>
    where
        'life: 'result,
        Self: 'result,
    {
        Box::pin(async move {
            let is_transient = match context.failure {
                RetryFailure::Status(status) => !status.is_client_error(),
                _ => true,
            };
            let attempt = u32::try_from(context.attempt).unwrap_or(u32::MAX);
            if attempt >= TRIES || !is_transient {
                return false;
            }
            tokio::time::sleep(backoff(attempt)).await;
            true
        })
    }
}

fn is_transient(error: &Error) -> bool {
    matches!(error, Error::Generic { .. } | Error::JoinError { .. })
}

/// Twice as long each time.
pub(crate) fn backoff(attempt: u32) -> Duration {
    Duration::from_millis(500) * 2_u32.saturating_pow(attempt.min(6))
}

/// S3 takes parts of 5 MiB and more; this needs few requests and little memory.
pub(crate) const PART_BYTES: usize = 8 << 20;
/// Of a multipart upload, on S3 and GCS.
const MAX_PARTS: u64 = 10_000;
const PARTS_AT_ONCE: usize = 4;
/// Requests at once.
const REQUESTS: usize = 8;
/// What waits for being sent, in bytes.
const MEMORY: usize = 64 << 20;
const MEMORY_UNIT: usize = 4096;
const TRIES: u32 = 3;
const ABORT_TIMEOUT: Duration = Duration::from_secs(30);

#[cfg(test)]
#[path = "../../tests/common/s3.rs"]
mod s3;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::io::Write;

    use object_store::aws::AmazonS3Builder;

    use super::s3::{FakeS3, SECRET};
    use super::*;
    use crate::storage::{Location, runtime};

    fn uploads(server: &FakeS3) -> Arc<Uploads> {
        runtime().unwrap();
        let store = AmazonS3Builder::new()
            .with_endpoint(format!("http://{}", server.address))
            .with_allow_http(true)
            .with_bucket_name("films")
            .with_access_key_id("fake-id")
            .with_secret_access_key(SECRET)
            .build()
            .unwrap();
        let location: Location = "s3://films/a".parse().unwrap();
        Uploads::new(Arc::new(store), location.objects().unwrap(), &[])
    }

    fn noise(bytes: usize) -> Vec<u8> {
        let step = |state: &mut u32| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some((*state >> 24) as u8)
        };
        std::iter::repeat_n((), bytes)
            .scan(7, |state, ()| step(state))
            .collect()
    }

    /// A head of 1000 bytes and 20 MiB in a file.
    fn body(all: &[u8]) -> Body {
        let (head, rest) = all.split_at(1000);
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(rest).unwrap();
        io::Seek::rewind(&mut file).unwrap();
        Body::File {
            head: bytes::Bytes::copy_from_slice(head),
            file,
            bytes: all.len() as u64,
        }
    }

    #[test]
    fn a_large_file_goes_in_parts_and_survives_errors() {
        let server = FakeS3::start();
        let uploads = uploads(&server);
        let all = noise((20 << 20) + 1000);
        server.store().faults.errors = 2;
        server.store().faults.breaks = 1;
        let run = Arc::clone(&uploads).run("film.mp4".to_owned(), body(&all));
        runtime().unwrap().block_on(run);
        assert!(uploads.take_failure().is_none());
        let store = server.store();
        let object = &store.objects["films/a/film.mp4"];
        assert!(object.bytes == all);
        assert_eq!((object.content_type.as_str(), store.parts), ("video/mp4", 3));
        assert!(object.cache_control.contains("immutable"));
        assert_eq!(uploads.bytes.load(Ordering::Relaxed), all.len() as u64);
        assert_eq!(uploads.memory.available_permits(), MEMORY / MEMORY_UNIT);
    }

    #[test]
    fn many_large_files_at_once_stay_in_bounds_and_finish() {
        let server = FakeS3::start();
        let uploads = uploads(&server);
        let all = noise((17 << 20) + 5);
        let mut tasks = JoinSet::new();
        for number in 0..6 {
            let run = Arc::clone(&uploads).run(format!("{number}.mp4"), body(&all));
            tasks.spawn_on(run, runtime().unwrap().handle());
        }
        let all_done = async { tokio::time::timeout(Duration::from_secs(60), tasks.join_all()).await };
        runtime().unwrap().block_on(all_done).unwrap();
        let store = server.store();
        assert_eq!(store.objects.len(), 6);
        assert!(store.objects.values().all(|object| object.bytes == all));
        assert_eq!(uploads.files.load(Ordering::Relaxed), 6);
    }

    #[test]
    fn a_large_file_that_fails_takes_its_parts_back_and_stops_the_others() {
        let server = FakeS3::start();
        let uploads = uploads(&server);
        let all = noise(20 << 20);
        server.store().faults.full_after = Some(1);
        let run = Arc::clone(&uploads).run("film.mp4".to_owned(), body(&all));
        runtime().unwrap().block_on(run);
        assert!(matches!(uploads.take_failure(), Some(UploadError::Store { .. })));
        assert!(uploads.is_stopped());
        let store = server.store();
        assert_eq!((store.open_uploads(), store.objects.len()), (0, 0));
        assert!(runtime().unwrap().block_on(uploads.reserve(1)).is_none());
    }

    #[test]
    fn parts_grow_so_that_ten_thousand_are_enough() {
        let parts = Parts::new(Body::File {
            head: bytes::Bytes::new(),
            file: tempfile::tempfile().unwrap(),
            bytes: 200 << 30,
        });
        assert!(parts.part_bytes as u64 * MAX_PARTS >= parts.left);
    }
}
