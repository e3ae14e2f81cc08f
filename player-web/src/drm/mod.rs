//! Keys. The calls of Encrypted Media Extensions are made by whoever owns the media element; here stays what a CDM and its licence server
//! say to each other, under the ids that the engine knows.
//!
//! ```text
//! engine ── Output::Drm ─▶ { type: 'drm', command, bytes } ─▶ owner ── { type: 'drm', event, … } ─▶ Input::Drm ─▶ engine
//! engine ── Output::Fetch ─▶ { type: 'licence', request, url, headers, body, … } ─▶ owner ── response, body, failed ─▶ engine
//! ```

mod error;
mod event;
pub(crate) mod options;

use std::rc::Rc;

use js_sys::{Reflect, Uint8Array};
use player_core::Input;
use player_core::drm::cdm::{self, Command, MessageId, SessionId};
use player_core::drm::{KeySystem, MessageType, SpcForm, WrapOptions, unwrap, wrap};
use player_core::input::{Headers, Integrity, NetworkFailure, RequestId};
use player_core::output::Fetch;
use wasm_bindgen::JsValue;

use crate::message::FromDriver;
use crate::net::retry_after_s;
use crate::shell::Shell;
use crate::source::to_js;
pub use error::KeyError;
pub use event::{Bytes, FromCdm};

/// Messages of a session that are kept: a newer one is sent in place of those before.
const MAX_MESSAGES: usize = 4;

/// What is kept for the engine.
#[derive(Default)]
pub(crate) struct Drm {
    /// How FairPlay's licence server wants its requests.
    spc: SpcForm,
    messages: Vec<Message>,
    last_message: u64,
    requests: Vec<Request>,
}

/// What a CDM wants to be sent.
struct Message {
    id: MessageId,
    session: SessionId,
    bytes: Vec<u8>,
}

/// A request for a licence or a certificate, until its answer was used.
struct Request {
    id: RequestId,
    /// Of a licence.
    system: Option<KeySystem>,
    content_type: Option<String>,
    /// It has not been answered.
    live: bool,
}

impl Drm {
    pub(crate) fn new(spc: SpcForm) -> Self {
        Self {
            spc,
            ..Self::default()
        }
    }

    fn keep(&mut self, session: SessionId, bytes: Vec<u8>) -> MessageId {
        self.last_message += 1;
        let id = MessageId(self.last_message);
        self.messages.push(Message { id, session, bytes });
        let of_session = |message: &Message| message.session == session;
        if self.messages.iter().filter(|message| of_session(message)).count() > MAX_MESSAGES
            && let Some(oldest) = self.messages.iter().position(of_session)
        {
            self.messages.remove(oldest);
        }
        id
    }

    fn request(&mut self, id: RequestId) -> Option<&mut Request> {
        self.requests
            .iter_mut()
            .find(|request| request.id == id && request.live)
    }

    fn take(&mut self, id: RequestId) -> Option<Request> {
        let at = self.requests.iter().position(|request| request.id == id)?;
        Some(self.requests.swap_remove(at))
    }

    /// An answer is not needed any more.
    pub(crate) fn release(&mut self, request: RequestId) {
        self.take(request);
    }

    pub(crate) fn clear(&mut self) {
        self.messages.clear();
        self.requests.clear();
    }
}

/// Has a command of the engine carried out.
pub(crate) fn perform(shell: &Rc<Shell>, command: Command) {
    let bytes = match &command {
        Command::Update {
            session,
            message_type,
            response,
        } => match licence(shell, *response, *message_type) {
            Ok(licence) => Some(licence),
            Err(error) => {
                return shell.tell(Input::Drm(cdm::Event::Updated {
                    session: *session,
                    error: Some(error),
                }));
            }
        },
        Command::Certify { response } => response.and_then(|response| answer(shell, response).0),
        Command::Close { session } => {
            let session = *session;
            shell
                .drm
                .borrow_mut()
                .messages
                .retain(|message| message.session != session);
            None
        }
        Command::Detach => {
            shell.drm.borrow_mut().messages.clear();
            None
        }
        _ => None,
    };
    post(shell, &FromDriver::Drm { command }, "bytes", bytes);
}

/// A licence as the CDM takes it.
fn licence(shell: &Shell, response: RequestId, message_type: MessageType) -> Result<Uint8Array, String> {
    let (body, request) = answer(shell, response);
    let (body, request) = body.zip(request).ok_or("the answer is not there any more")?;
    let system = request.system.ok_or("the answer is no licence")?;
    let licence = unwrap(
        system,
        message_type,
        &body.to_vec(),
        request.content_type.as_deref(),
    );
    licence
        .map(|licence| Uint8Array::from(licence.as_slice()))
        .map_err(|error| error.to_string())
}

/// The body of an answer, which is not kept any longer, and its request.
fn answer(shell: &Shell, response: RequestId) -> (Option<Uint8Array>, Option<Request>) {
    let mut bodies = shell.bodies.borrow_mut();
    let body = bodies.view(response, None);
    bodies.release(response);
    (body, shell.drm.borrow_mut().take(response))
}

/// Has a licence or a certificate fetched.
pub(crate) fn fetch(shell: &Rc<Shell>, fetch: Fetch) {
    let id = fetch.request;
    let mut message = FromDriver::Licence {
        request: id.0,
        url: fetch.url,
        max_bytes: fetch.max_bytes,
        session: None,
        message_type: None,
        headers: fetch.headers,
    };
    let mut sent = None;
    if let Some(asked) = fetch.licence {
        match wrapped(shell, &asked) {
            Ok(made) => {
                sent = Some(Uint8Array::from(made.body.as_slice()));
                if let FromDriver::Licence {
                    session,
                    message_type,
                    headers,
                    ..
                } = &mut message
                {
                    *session = Some(asked.session.0);
                    *message_type = Some(asked.message_type.name());
                    headers.push(("Content-Type".to_owned(), made.content_type));
                    headers.extend(made.headers);
                }
            }
            Err(error) => {
                let reason = NetworkFailure::Connection(error);
                return shell.tell(Input::Failed { request: id, reason });
            }
        }
    }
    shell.drm.borrow_mut().requests.push(Request {
        id,
        system: fetch.licence.map(|asked| asked.system),
        content_type: None,
        live: true,
    });
    post(shell, &message, "body", sent);
}

fn wrapped(
    shell: &Shell,
    asked: &player_core::output::LicenceRequest,
) -> Result<player_core::drm::LicenceRequest, String> {
    let drm = shell.drm.borrow();
    let message = drm.messages.iter().find(|message| message.id == asked.message);
    let message = message.ok_or("the message of the CDM is not there any more")?;
    let options = WrapOptions { spc: drm.spc };
    wrap(asked.system, asked.message_type, &message.bytes, options).map_err(|error| error.to_string())
}

/// Nobody waits for this any more, if it is about keys.
pub(crate) fn cancel(shell: &Rc<Shell>, request: RequestId) {
    let ours = shell.drm.borrow_mut().take(request);
    if ours.is_some_and(|request| request.live) {
        let message = FromDriver::CancelLicence { request: request.0 };
        post(shell, &message, "", None);
    }
}

/// What the owner of the element says.
pub(crate) fn handle(shell: &Rc<Shell>, said: FromCdm) {
    let input = match said {
        FromCdm::Event(event) => {
            if let cdm::Event::Closed { session, .. } = event {
                shell
                    .drm
                    .borrow_mut()
                    .messages
                    .retain(|message| message.session != session);
            }
            Some(Input::Drm(event))
        }
        FromCdm::Message {
            session,
            message_type,
            bytes,
        } => {
            let message = shell.drm.borrow_mut().keep(session, bytes.0.to_vec());
            Some(Input::Drm(cdm::Event::Message {
                session,
                message,
                message_type,
            }))
        }
        FromCdm::Response {
            request,
            status,
            content_type,
            retry_after,
        } => shell.drm.borrow_mut().request(request).map(|held| {
            held.content_type.clone_from(&content_type);
            Input::Response {
                request,
                status,
                url: None,
                content_type,
                content_length: None,
                retry_after_s: retry_after.and_then(|value| retry_after_s(&value)),
                headers: Headers::default(),
            }
        }),
        FromCdm::Body {
            request,
            content_type,
            bytes: Bytes(bytes),
        } => shell.drm.borrow_mut().request(request).map(|held| {
            held.live = false;
            held.content_type = content_type.or(held.content_type.take());
            let complete = Input::Complete {
                request,
                bytes: u64::from(bytes.length()),
                integrity: Integrity::default(),
                cached: false,
                media: None,
            };
            shell.bodies.borrow_mut().keep(request, bytes);
            complete
        }),
        FromCdm::Failed { request, error } => {
            let ours = shell.drm.borrow_mut().take(request).is_some_and(|held| held.live);
            ours.then_some(Input::Failed {
                request,
                reason: NetworkFailure::Connection(error),
            })
        }
    };
    if let Some(input) = input {
        shell.tell(input);
    }
}

fn post(shell: &Shell, message: &FromDriver, name: &str, bytes: Option<Uint8Array>) {
    let message = to_js(message);
    if let Some(bytes) = bytes {
        // Of a plain object that is ours: this cannot fail.
        let _: Result<bool, JsValue> = Reflect::set(&message, &name.into(), &bytes);
    }
    shell.post_js(&message);
}
