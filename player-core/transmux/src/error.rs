//! Why nothing came of a segment.

use thiserror::Error;

/// Nothing can be played of these bytes, or nothing more can be known of them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransmuxError {
    /// No initialization section for pictures: no parameter sets in this segment or those before.
    #[error("no parameter sets: the pictures cannot be described")]
    Configuration,
    /// The end of a decrypted segment is not what an encryption with this key leaves there (PKCS #7).
    #[error("the key does not fit: wrong padding after decryption")]
    Key,
    /// The samples are encrypted, but no key was given.
    #[error("the samples are encrypted (SAMPLE-AES) and there is no key")]
    KeyMissing,
    /// An encrypted segment that is empty or no multiple of sixteen bytes long.
    #[error("{0} bytes cannot be AES-128 in CBC mode: not a multiple of 16")]
    Length(usize),
    /// Not a frame of sound in packed audio; the text shows the first bytes.
    #[error("no frame of AAC, AC-3 or MPEG audio: it begins with {0}")]
    NotPackedAudio(String),
    /// Not a transport stream; the text shows the first bytes.
    #[error("not an MPEG transport stream: it begins with {0}")]
    NotTransportStream(String),
    /// There are streams, but none with a frame that can be played; the text says what there is.
    #[error("nothing to play: {0}")]
    NothingToPlay(String),
    /// A transport stream without a program: no PAT and PMT in this segment or those before.
    #[error("no program: neither PAT nor PMT was found")]
    NoProgram,
    /// A combination of container and encryption that is done elsewhere or not at all.
    #[error("{0} cannot be prepared here")]
    Unsupported(&'static str),
}

/// The first bytes of what is no media, for people: text where it is text.
pub(crate) fn first_bytes(bytes: &[u8]) -> String {
    const SHOWN: usize = 12;
    let shown = bytes.get(..SHOWN).unwrap_or(bytes);
    if shown.is_empty() {
        return "nothing".into();
    }
    if shown.iter().all(|b| (0x20..0x7f).contains(b)) {
        return shown.iter().map(|b| char::from(*b)).collect();
    }
    let digit = |d: u8| char::from(b"0123456789abcdef"[usize::from(d & 15)]);
    shown.iter().flat_map(|b| [digit(b >> 4), digit(*b)]).collect()
}
