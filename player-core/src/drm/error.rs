//! What can be wrong with data of key systems.

/// Why data of a key system cannot be used. Quotes none of it: it may hold keys or tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DrmFormatError {
    /// It breaks the rules of its format.
    #[error("{what} is malformed: {why}")]
    Malformed {
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// There is more of it than is read.
    #[error("{what} is too large: the limit is {limit}")]
    TooLarge {
        /// What there is too much of.
        what: &'static str,
        /// The limit; bytes, or how many.
        limit: usize,
    },
    /// It names no key.
    #[error("{0} has no key id")]
    NoKeyId(&'static str),
    /// It is initialization data of no known form.
    #[error("this is initialization data of no known form")]
    Unknown,
    /// The licence server's answer is no licence.
    #[error("the licence server's answer was refused: {0}")]
    Rejected(Rejection),
}

impl DrmFormatError {
    pub(super) const fn malformed(what: &'static str, why: &'static str) -> Self {
        Self::Malformed { what, why }
    }
}

impl From<Rejection> for DrmFormatError {
    fn from(why: Rejection) -> Self {
        Self::Rejected(why)
    }
}

/// Why an answer is no licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Nothing in it.
    #[error("it is empty")]
    Empty,
    /// A web page.
    #[error("it is a web page (HTML): check the address and the entitlement")]
    Html,
    /// The server says that something went wrong.
    #[error("it is an error message of the server")]
    Error,
    /// It should be JSON.
    #[error("it is not the JSON that it should be")]
    NotJson,
    /// No key at all.
    #[error("it has no keys")]
    NoKeys,
    /// A key, or the id of one, that cannot be one.
    #[error("a key in it has not 128 bits")]
    BadKey,
    /// It should be base64.
    #[error("it is not base64")]
    NotBase64,
    /// The licence is not where it should be.
    #[error("no licence is where it should be")]
    NoLicence,
}
