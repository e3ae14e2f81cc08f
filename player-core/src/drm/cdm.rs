//! What the engine and a content decryption module (CDM) tell each other, through the driver.
//!
//! The engine decides; the driver makes the calls of Encrypted Media Extensions (EME, W3C). What a CDM and a licence server say to each
//! other stays with the driver, under the ids of messages and responses: no key, licence or token reaches the engine, or a log.
//!
//! ```text
//! Access ─▶ Access ─▶ Attach ─▶ Attached ─▶ Open ─▶ Message ─▶ Fetch (licence) ─▶ Complete ─▶ Update ─▶ Updated, Keys
//! ```

use serde::{Deserialize, Serialize};

use super::{InitData, InitDataType, KeyId, MessageType};
use crate::input::RequestId;

/// Names a key session; never used twice in the life of a player.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(pub u64);

/// Names a message of a CDM, whose bytes the driver keeps until its session is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub u64);

/// One thing to do, of [`Output::Drm`](crate::Output::Drm).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Command {
    /// Ask for access to key systems, in order, until one is granted (`MediaCapabilities.decodingInfo`, else
    /// `requestMediaKeySystemAccess`); answer [`Event::Access`].
    Access {
        /// Names the question.
        request: RequestId,
        /// The best first.
        candidates: Vec<Candidate>,
    },
    /// Make `MediaKeys` of the access that was granted and set them on the element; answer [`Event::Attached`].
    Attach,
    /// Give the CDM its server's certificate (`setServerCertificate`): the bytes of this response, or those that the application has
    /// given to the driver; answer [`Event::Certified`].
    Certify {
        /// The response, which is not needed any more.
        response: Option<RequestId>,
    },
    /// Say which of these versions of HDCP the output has (`MediaKeys.getStatusForPolicy`); answer [`Event::Hdcp`], or nothing
    /// where the browser cannot tell.
    Hdcp {
        /// As `1.4`, `2.2`.
        versions: Vec<String>,
    },
    /// Make a key session and its request (`createSession`, `generateRequest`); answer [`Event::Opened`], and tell what it says.
    Open {
        /// The session.
        session: SessionId,
        /// The licence is to be stored (`persistent-license`).
        persistent: bool,
        /// What for.
        init: InitData,
    },
    /// Make a key session of a licence that was stored (`createSession`, `load`); answer [`Event::Opened`], and tell what it says.
    Load {
        /// The session.
        session: SessionId,
        /// Its id when it was stored.
        stored: String,
    },
    /// Give a session what its licence server answered (`update`), unwrapped ([`unwrap`](super::unwrap)); answer
    /// [`Event::Updated`]. The response is not needed any more.
    Update {
        /// The session.
        session: SessionId,
        /// What it answers.
        message_type: MessageType,
        /// The response.
        response: RequestId,
    },
    /// Ask FairPlay for a new request (`update` with `renew`); answer [`Event::Updated`].
    Renew {
        /// The session.
        session: SessionId,
    },
    /// Close a session.
    Close {
        /// The session.
        session: SessionId,
    },
    /// Drop the licence that a session has stored (`remove`); the CDM says good-bye to the server in a message.
    Remove {
        /// The session.
        session: SessionId,
    },
    /// Take the `MediaKeys` off the element. All sessions have been closed. They may be kept for the next [`Command::Attach`].
    Detach,
}

/// What may be asked of a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Candidate {
    /// The key system string, as `com.widevine.alpha`.
    pub key_system: String,
    /// Forms of initialization data, the one most likely used first.
    pub init_data_types: Vec<InitDataType>,
    /// Sound: MIME types with codecs.
    pub audio: Vec<String>,
    /// Pictures: MIME types with codecs.
    pub video: Vec<String>,
    /// Robustness of the sound; empty if any will do.
    pub audio_robustness: String,
    /// Robustness of the pictures; empty if any will do.
    pub video_robustness: String,
    /// `cenc`, `cbcs`; empty if not known.
    pub encryption_scheme: String,
    /// Licences are to be stored.
    pub persistent: bool,
    /// Whether state must be kept on the machine.
    pub persistent_state: Requirement,
    /// Whether the machine must have an identifier.
    pub distinctive_identifier: Requirement,
}

/// Whether something is needed (EME, `MediaKeysRequirement`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// It may not be used.
    NotAllowed,
    /// It may be used.
    #[default]
    Optional,
    /// It must be there.
    Required,
}

/// One thing that happened, of [`Input::Drm`](crate::Input::Drm).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// The answer to [`Command::Access`].
    Access {
        /// The question.
        request: RequestId,
        /// What was granted, or why nothing.
        result: Result<Grant, NoAccess>,
    },
    /// The answer to [`Command::Attach`].
    Attached {
        /// What went wrong, in the driver's words.
        error: Option<String>,
    },
    /// The answer to [`Command::Certify`]. That a CDM takes no certificate is no error.
    Certified {
        /// What went wrong, in the driver's words.
        error: Option<String>,
    },
    /// The answer to [`Command::Hdcp`].
    Hdcp {
        /// Those versions of the question that the output has not got.
        lacking: Vec<String>,
    },
    /// The answer to [`Command::Open`] and [`Command::Load`].
    Opened {
        /// The session.
        session: SessionId,
        /// The CDM's id of it, by which a stored licence is loaded; or what went wrong.
        result: Result<String, Refusal>,
    },
    /// The CDM wants this to be sent.
    Message {
        /// The session.
        session: SessionId,
        /// The message, which stays with the driver.
        message: MessageId,
        /// What it is.
        message_type: MessageType,
    },
    /// The answer to [`Command::Update`] and [`Command::Renew`].
    Updated {
        /// The session.
        session: SessionId,
        /// What went wrong, in the driver's words, without anything of the licence.
        error: Option<String>,
    },
    /// The keys of a session, all of them.
    Keys {
        /// The session.
        session: SessionId,
        /// Id and status of each.
        keys: Vec<(KeyId, KeyStatus)>,
    },
    /// A session was closed.
    Closed {
        /// The session.
        session: SessionId,
        /// Why.
        reason: ClosedReason,
    },
    /// The element has met initialization data (`encrypted`). Each needs to be told once.
    Encrypted {
        /// It.
        init: InitData,
    },
    /// The element cannot go on without a key (`waitingforkey`).
    WaitingForKey,
}

/// What a browser grants.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Grant {
    /// Which of the candidates, from 0.
    pub candidate: usize,
    /// Those of its types that can be decrypted and decoded; empty if the browser does not say.
    pub types: Vec<String>,
}

/// Why there is no access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoAccess {
    /// The page was not loaded over HTTPS, nor from this machine.
    InsecureContext,
    /// None of the candidates can be had here.
    #[default]
    Unsupported,
    /// The browser did not answer in time.
    Timeout,
}

/// Why a session cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// The CDM has as many as it can have.
    Quota,
    /// There is no such licence in the store.
    Absent,
    /// Something else, in the driver's words.
    Other(String),
}

/// What can be done with a key (EME, `MediaKeyStatus`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyStatus {
    /// It decrypts.
    Usable,
    /// Its time is over.
    Expired,
    /// It was given back.
    Released,
    /// The output is not protected well enough for it.
    OutputRestricted,
    /// It decrypts, at a lower resolution.
    OutputDownscaled,
    /// Its time has not come.
    UsableInFuture,
    /// It is not known yet.
    StatusPending,
    /// The CDM has failed.
    #[serde(other)]
    InternalError,
}

/// Why a session was closed (EME, `MediaKeySessionClosedReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClosedReason {
    /// As asked.
    ClosedByApplication,
    /// The licence was given back, and the server knows.
    ReleaseAcknowledged,
    /// The hardware has begun anew: all sessions are gone.
    HardwareContextReset,
    /// Another one needed its place.
    ResourceEvicted,
    /// The CDM has failed, or does not say.
    #[serde(other)]
    InternalError,
}
