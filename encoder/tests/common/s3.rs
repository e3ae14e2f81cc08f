//! A store that speaks S3's protocol, in this process: as much of it as uploads need, with faults on demand.
#![allow(clippy::unwrap_used, dead_code)]

use std::collections::{BTreeMap, HashMap};
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};

/// A server on a port of its own; it ends with the process.
#[derive(Clone)]
pub(crate) struct FakeS3 {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<Store>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    pub(crate) bytes: Vec<u8>,
    pub(crate) content_type: String,
    pub(crate) cache_control: String,
}

#[derive(Default)]
pub(crate) struct Store {
    /// By `bucket/key`.
    pub(crate) objects: BTreeMap<String, Object>,
    /// Every request that was answered: method, `bucket/key`, query.
    pub(crate) log: Vec<(String, String, String)>,
    uploads: HashMap<String, Upload>,
    /// How many parts the last multipart upload had.
    pub(crate) parts: usize,
    pub(crate) faults: Faults,
}

/// A multipart upload that is under way.
struct Upload {
    name: String,
    object: Object,
    parts: BTreeMap<u32, Vec<u8>>,
}

/// What goes wrong.
#[derive(Default)]
pub(crate) struct Faults {
    /// This many PUTs are answered with 500.
    pub(crate) errors: usize,
    /// This many PUT requests are cut off without an answer.
    pub(crate) breaks: usize,
    /// No PUT whose key contains this is accepted any more.
    pub(crate) refuse: Option<String>,
    /// After this many PUTs none is accepted any more.
    pub(crate) full_after: Option<usize>,
    /// Every request is answered with 403.
    pub(crate) forbidden: bool,
    /// Deletions are refused.
    pub(crate) keep: bool,
    /// Requests need no signature.
    pub(crate) open: bool,
}

impl FakeS3 {
    pub(crate) fn start() -> Self {
        let state = Arc::new(Mutex::new(Store::default()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let router = Router::new()
                    .fallback(answer)
                    .layer(DefaultBodyLimit::disable())
                    .with_state(shared);
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { address, state }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.state.lock().unwrap()
    }

    /// The variables of the environment with which it is used.
    pub(crate) fn environment(&self) -> [(&'static str, String); 4] {
        [
            ("AWS_ENDPOINT_URL", format!("http://{}", self.address)),
            ("AWS_ACCESS_KEY_ID", "fake-id".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
            ("AWS_REGION", "eu-central-1".to_owned()),
        ]
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.store().objects.keys().cloned().collect()
    }

    /// The names of all PUTs and completed multipart uploads, in order.
    pub(crate) fn written(&self) -> Vec<String> {
        let store = self.store();
        let is_write = |(method, _, query): &&(String, String, String)| {
            (method == "PUT" && query.is_empty()) || (method == "POST" && query.starts_with("uploadId"))
        };
        store
            .log
            .iter()
            .filter(is_write)
            .map(|(_, name, _)| name.clone())
            .collect()
    }
}

pub(crate) const SECRET: &str = "do-not-show-this";

async fn answer(State(state): State<Arc<Mutex<Store>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let method = parts.method;
    // Google's client escapes what it need not.
    let name = parts.uri.path().trim_start_matches('/');
    let name = name.replace("%2F", "/").replace("%2E", ".").replace("%2D", "-");
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let Ok(body) = axum::body::to_bytes(body, 1 << 30).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut store = state.lock().unwrap();
    if let Some(fault) = store.fault(&method, &name, &parts.headers) {
        return fault;
    }
    store.log.push((method.to_string(), name.clone(), query.clone()));
    store.serve(&method, &name, &query, &parts.headers, body)
}

impl Store {
    fn fault(&mut self, method: &Method, name: &str, headers: &HeaderMap) -> Option<Response> {
        let is_signed = headers.get("authorization").is_some_and(|value| {
            value
                .to_str()
                .unwrap()
                .starts_with("AWS4-HMAC-SHA256 Credential=fake-id/")
        });
        if self.faults.forbidden || !(is_signed || self.faults.open) {
            let text = "<Error><Code>SignatureDoesNotMatch</Code></Error>";
            return Some((StatusCode::FORBIDDEN, text).into_response());
        }
        let is_write = *method == Method::PUT;
        if is_write && self.faults.errors > 0 {
            self.faults.errors -= 1;
            return Some(StatusCode::INTERNAL_SERVER_ERROR.into_response());
        }
        if is_write && self.faults.breaks > 0 {
            self.faults.breaks -= 1;
            // A body that fails ends the connection in the middle of the answer.
            let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
            return Some(
                Response::builder()
                    .header("content-length", "10")
                    .header("etag", "\"x\"")
                    .status(StatusCode::INTERNAL_SERVER_ERROR)
                    .body(Body::from_stream(broken))
                    .unwrap(),
            );
        }
        let is_refused = self
            .faults
            .refuse
            .as_ref()
            .is_some_and(|part| name.contains(part));
        let is_full = self
            .faults
            .full_after
            .is_some_and(|count| self.log.iter().filter(|(method, ..)| method == "PUT").count() >= count);
        if is_write && (is_refused || is_full) {
            let text = "<Error><Code>QuotaExceeded</Code><Message>no more</Message></Error>";
            return Some((StatusCode::BAD_REQUEST, text).into_response());
        }
        None
    }

    fn serve(
        &mut self,
        method: &Method,
        name: &str,
        query: &str,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response {
        let header = |name: &str| {
            headers
                .get(name)
                .map_or(String::new(), |value| value.to_str().unwrap().to_owned())
        };
        let parameter = |name: &str| {
            query
                .split('&')
                .filter_map(|pair| pair.split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.to_owned())
        };
        let object = || Object {
            bytes: body.to_vec(),
            content_type: header("content-type"),
            cache_control: header("cache-control"),
        };
        let xml = |text: String| ([("content-type", "application/xml")], text).into_response();
        let etag = [("etag", "\"0\"")];
        match (method.as_str(), parameter("uploadId")) {
            ("PUT", Some(id)) => {
                let number = parameter("partNumber").unwrap().parse().unwrap();
                match self.uploads.get_mut(&id) {
                    Some(upload) => {
                        upload.parts.insert(number, body.to_vec());
                        etag.into_response()
                    }
                    None => StatusCode::NOT_FOUND.into_response(),
                }
            }
            ("POST", Some(id)) => {
                let Upload {
                    name,
                    mut object,
                    parts,
                } = self.uploads.remove(&id).unwrap();
                self.parts = parts.len();
                let (last, others) = parts
                    .values()
                    .collect::<Vec<_>>()
                    .split_last()
                    .map(|(last, others)| ((*last).clone(), others.to_vec()))
                    .unwrap();
                // As S3 has it: at least 5 MiB, but for the last.
                assert!(others.iter().all(|part| part.len() >= 5 << 20) && !last.is_empty());
                object.bytes = parts.into_values().flatten().collect();
                self.objects.insert(name, object);
                xml(
                    "<CompleteMultipartUploadResult><ETag>\"0\"</ETag></CompleteMultipartUploadResult>"
                        .to_owned(),
                )
            }
            ("DELETE", Some(id)) => {
                self.uploads.remove(&id);
                StatusCode::NO_CONTENT.into_response()
            }
            ("POST", None) if query.starts_with("uploads") => {
                let id = format!("upload-{}", self.log.len());
                let upload = Upload {
                    name: name.to_owned(),
                    object: object(),
                    parts: BTreeMap::new(),
                };
                self.uploads.insert(id.clone(), upload);
                xml(format!(
                    "<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>"
                ))
            }
            ("POST", None) if query.starts_with("delete") => {
                self.delete_many(name, &String::from_utf8_lossy(&body))
            }
            ("PUT", None) => {
                self.objects.insert(name.to_owned(), object());
                etag.into_response()
            }
            ("GET" | "HEAD", None) => match self.objects.get(name) {
                Some(object) => {
                    let headers = [
                        ("etag", "\"0\"".to_owned()),
                        ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT".to_owned()),
                        ("content-length", object.bytes.len().to_string()),
                    ];
                    match method.as_str() {
                        "HEAD" => headers.into_response(),
                        _ => (headers, object.bytes.clone()).into_response(),
                    }
                }
                None => StatusCode::NOT_FOUND.into_response(),
            },
            ("DELETE", None) => {
                self.objects.remove(name);
                StatusCode::NO_CONTENT.into_response()
            }
            _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        }
    }

    fn delete_many(&mut self, bucket: &str, body: &str) -> Response {
        let mut answer = b"<DeleteResult>".to_vec();
        for key in body
            .split("<Key>")
            .skip(1)
            .filter_map(|rest| rest.split_once("</Key>"))
        {
            let key = key.0;
            if self.faults.keep {
                write!(
                    answer,
                    "<Error><Key>{key}</Key><Code>AccessDenied</Code><Message>kept</Message></Error>"
                )
                .unwrap();
            } else {
                self.objects
                    .remove(&format!("{}/{key}", bucket.trim_end_matches('/')));
                write!(answer, "<Deleted><Key>{key}</Key></Deleted>").unwrap();
            }
        }
        answer.extend(b"</DeleteResult>");
        answer.into_response()
    }

    /// Multipart uploads that were neither completed nor taken back.
    pub(crate) fn open_uploads(&self) -> usize {
        self.uploads.len()
    }
}
