//! A place in an object store: what is asked of it, and how long answers are waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::client::ClientConfigKey;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path as Key;
use object_store::{BackoffConfig, Error, ObjectStore, ObjectStoreExt, RetryConfig};

use super::location::{ObjectLocation, Service};
use super::trouble::{Failing, Observer, Teller, Trouble};
use super::{Record, Waiter, record, redact, runtime, wait};
use crate::error::EncodeError;
use crate::manifest::{MPD_PATH, MULTIVARIANT_PATH};

/// A prefix in a bucket, with a client for it.
pub(crate) struct Store {
    location: ObjectLocation,
    client: Arc<dyn ObjectStore>,
    trouble: Arc<Trouble>,
}

impl Store {
    /// A client with what the environment says.
    pub(crate) fn open(location: &ObjectLocation) -> Result<Self, EncodeError> {
        let trouble = Trouble::new(location.to_string());
        Ok(Self {
            location: location.clone(),
            client: client(location, &trouble)?,
            trouble,
        })
    }

    pub(crate) fn client(&self) -> Arc<dyn ObjectStore> {
        Arc::clone(&self.client)
    }

    /// None while requests are answered.
    pub(crate) fn failing(&self) -> Option<Failing> {
        self.trouble.failing()
    }

    /// Refuses a place with an output in it, unless `force` allows to replace it. It also shows early whether the store can
    /// be used at all.
    pub(crate) fn check_replaceable(&self, force: bool, waiter: &mut Waiter<'_>) -> Result<(), EncodeError> {
        match force {
            true => self.exists(MULTIVARIANT_PATH, waiter).map(drop),
            false => self.check_free(waiter),
        }
    }

    pub(crate) fn check_free(&self, waiter: &mut Waiter<'_>) -> Result<(), EncodeError> {
        for name in [MULTIVARIANT_PATH, MPD_PATH] {
            if self.exists(name, waiter)? {
                return Err(EncodeError::OutputExists {
                    location: self.location.clone().into(),
                });
            }
        }
        Ok(())
    }

    pub(crate) fn exists(&self, name: &str, waiter: &mut Waiter<'_>) -> Result<bool, EncodeError> {
        let key = self.key(name);
        match wait(self.client.head(&key), &mut self.patience(waiter))? {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(self.error(explain(&error))),
        }
    }

    /// The record of a whole output.
    pub(crate) fn read_record(&self, waiter: &mut Waiter<'_>) -> Result<Option<Record>, EncodeError> {
        match self.exists(MULTIVARIANT_PATH, waiter)? {
            true => self.read_any_record(waiter),
            false => Ok(None),
        }
    }

    /// The record, whatever else is there.
    pub(crate) fn read_any_record(&self, waiter: &mut Waiter<'_>) -> Result<Option<Record>, EncodeError> {
        let read = async {
            let found = self.client.get(&self.key(record::PATH)).await?;
            match found.meta.size {
                size if size > MAX_RECORD_BYTES => Ok(None),
                _ => found.bytes().await.map(|json| Record::parse(&json)),
            }
        };
        match wait(read, &mut self.patience(waiter))? {
            Ok(record) => Ok(record),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(self.error(explain(&error))),
        }
    }

    /// Removes objects and returns how many of them are still there.
    pub(crate) fn delete(
        &self,
        names: Vec<String>,
        timeout: Duration,
        tick: &mut dyn FnMut() -> Result<(), EncodeError>,
    ) -> Result<usize, EncodeError> {
        let count = names.len();
        let keys: Vec<_> = names.iter().map(|name| Ok(self.key(name))).collect();
        let done = async {
            let deleted = self.client.delete_stream(stream::iter(keys).boxed());
            let gone = deleted.filter(|result| {
                let is_gone = matches!(result, Ok(_) | Err(Error::NotFound { .. }));
                std::future::ready(is_gone)
            });
            tokio::time::timeout(timeout, gone.count()).await
        };
        let done = wait(done, tick)?;
        Ok(count - done.unwrap_or(0).min(count))
    }

    /// Ends the waiting when it was cancelled, and tells why it takes long.
    pub(crate) fn patience<'a, 'b>(
        &self,
        waiter: &'a mut Waiter<'b>,
    ) -> impl FnMut() -> Result<(), EncodeError> + use<'a, 'b> {
        let mut teller = Teller::new(self.location.to_string());
        let trouble = Arc::clone(&self.trouble);
        let asked = Instant::now();
        move || {
            if waiter.cancel.is_cancelled() {
                return Err(EncodeError::Cancelled);
            }
            if let Some(event) = teller.tell(trouble.failing(), Some(asked)) {
                (waiter.progress)(event);
            }
            Ok(())
        }
    }

    pub(crate) fn error(&self, reason: impl Into<String>) -> EncodeError {
        error(&self.location, reason)
    }

    fn key(&self, name: &str) -> Key {
        let key = self.location.key(name);
        Key::parse(&key).unwrap_or_else(|_| Key::from(key))
    }
}

fn client(location: &ObjectLocation, trouble: &Arc<Trouble>) -> Result<Arc<dyn ObjectStore>, EncodeError> {
    // Its threads, and the TLS provider that they have in common.
    runtime()?;
    let fail = |reason: Error| error(location, explain(&reason));
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
                .with_retry(retry)
                .with_http_connector(Observer(Arc::clone(trouble)));
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
                .with_retry(retry)
                .with_http_connector(Observer(Arc::clone(trouble)));
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
pub(crate) fn explain(error: &Error) -> String {
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

fn error(location: &ObjectLocation, reason: impl Into<String>) -> EncodeError {
    EncodeError::Storage {
        location: location.to_string(),
        reason: reason.into(),
    }
}

/// For the largest segment on a slow line.
const REQUEST_TIMEOUT: &str = "300 seconds";
const MAX_RECORD_BYTES: u64 = 64 << 20;
