//! Reads what the owner of the element says of keys.

use std::fmt;

use js_sys::Uint8Array;
use player_core::drm::cdm::{ClosedReason, Event, Grant, KeyStatus, NoAccess, Refusal, SessionId};
use player_core::drm::{InitData, InitDataType, KeyId, MessageType};
use player_core::input::RequestId;

use crate::fields::Fields;

/// `{ type: 'drm', event, … }`, as `ts/drm-messages.ts` has it.
#[derive(Clone, Debug, PartialEq)]
pub enum FromCdm {
    /// As the engine is told.
    Event(Event),
    /// `{ event: 'message', session, messageType, bytes }`: the CDM wants this to be sent.
    Message {
        /// The session.
        session: SessionId,
        /// What it is.
        message_type: MessageType,
        /// It.
        bytes: Bytes,
    },
    /// `{ event: 'response', request, status, contentType, retryAfter }`: a server has begun to answer.
    Response {
        /// The request.
        request: RequestId,
        /// Of HTTP.
        status: u16,
        /// The header of that name.
        content_type: Option<String>,
        /// The header of that name.
        retry_after: Option<String>,
    },
    /// `{ event: 'body', request, contentType, bytes }`: that is all of the answer.
    Body {
        /// The request.
        request: RequestId,
        /// If it is another one than the server's.
        content_type: Option<String>,
        /// It.
        bytes: Bytes,
    },
    /// `{ event: 'failed', request, error }`: there is no answer.
    Failed {
        /// The request.
        request: RequestId,
        /// Why.
        error: String,
    },
}

/// Bytes that are not to be shown: a message, a licence.
#[derive(Clone)]
pub struct Bytes(pub Uint8Array);

impl PartialEq for Bytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_vec() == other.0.to_vec()
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.length())
    }
}

impl FromCdm {
    pub(crate) fn read(message: &Fields<'_>) -> Self {
        let session = SessionId(message.count("session"));
        let request = RequestId(message.count("request"));
        let error = message.string("error");
        Self::Event(match message.text("event").as_str() {
            "access" => Event::Access {
                request,
                result: match message.string("refused").as_deref() {
                    None => Ok(Grant {
                        candidate: message.count("candidate") as usize,
                        types: message.strings("types"),
                    }),
                    Some("insecure-context") => Err(NoAccess::InsecureContext),
                    Some("timeout") => Err(NoAccess::Timeout),
                    Some(_) => Err(NoAccess::Unsupported),
                },
            },
            "attached" => Event::Attached { error },
            "certified" => Event::Certified { error },
            "hdcp" => Event::Hdcp {
                lacking: message.strings("lacking"),
            },
            "opened" => Event::Opened {
                session,
                result: match message.string("refused").as_deref() {
                    None => Ok(message.text("id")),
                    Some("absent") => Err(Refusal::Absent),
                    Some("quota") => Err(Refusal::Quota),
                    Some(_) => Err(Refusal::Other(error.unwrap_or_default())),
                },
            },
            "message" => {
                return Self::Message {
                    session,
                    // Some platforms do not say.
                    message_type: MessageType::from_name(&message.text("messageType"))
                        .unwrap_or(MessageType::LicenceRequest),
                    bytes: bytes(message),
                };
            }
            "updated" => Event::Updated { session, error },
            "keys" => Event::Keys {
                session,
                keys: message
                    .objects("keys")
                    .iter()
                    .filter_map(|key| Some((KeyId::parse(&key.text("id"))?, status(&key.text("status")))))
                    .collect(),
            },
            "closed" => Event::Closed {
                session,
                reason: reason(&message.text("reason")),
            },
            "encrypted" => {
                let kind = InitDataType::from_name(&message.text("initDataType"));
                if kind.is_none() {
                    message.wrong("initDataType", "cenc, keyids, sinf, skd or webm");
                }
                Event::Encrypted {
                    init: InitData {
                        kind: kind.unwrap_or(InitDataType::Cenc),
                        data: bytes(message).0.to_vec(),
                    },
                }
            }
            "waiting-for-key" => Event::WaitingForKey,
            "response" => {
                return Self::Response {
                    request,
                    status: message.count("status") as u16,
                    content_type: message.string("contentType"),
                    retry_after: message.string("retryAfter"),
                };
            }
            "body" => {
                return Self::Body {
                    request,
                    content_type: message.string("contentType"),
                    bytes: bytes(message),
                };
            }
            other => {
                if other != "failed" {
                    message.refuse("event", ["unknown event \"", other, "\""].concat());
                }
                return Self::Failed {
                    request,
                    error: error.unwrap_or_default(),
                };
            }
        })
    }
}

fn bytes(message: &Fields<'_>) -> Bytes {
    Bytes(
        message
            .bytes("bytes")
            .unwrap_or_else(|| Uint8Array::new_with_length(0)),
    )
}

/// What EME does not know is a failure of the CDM.
fn status(name: &str) -> KeyStatus {
    match name {
        "usable" => KeyStatus::Usable,
        "expired" => KeyStatus::Expired,
        "released" => KeyStatus::Released,
        "output-restricted" => KeyStatus::OutputRestricted,
        "output-downscaled" => KeyStatus::OutputDownscaled,
        "usable-in-future" => KeyStatus::UsableInFuture,
        "status-pending" => KeyStatus::StatusPending,
        _ => KeyStatus::InternalError,
    }
}

fn reason(name: &str) -> ClosedReason {
    match name {
        "closed-by-application" => ClosedReason::ClosedByApplication,
        "release-acknowledged" => ClosedReason::ReleaseAcknowledged,
        "hardware-context-reset" => ClosedReason::HardwareContextReset,
        "resource-evicted" => ClosedReason::ResourceEvicted,
        _ => ClosedReason::InternalError,
    }
}
