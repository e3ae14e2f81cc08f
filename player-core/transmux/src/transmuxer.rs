//! The way in: bytes as they came, bytes that a source buffer takes.

use player_core::input::Prepared;
use player_core::media::fmp4::{Facts, facts};
use player_core::output::{Container, Encryption};

use crate::crypt::{SampleKey, decrypt};
use crate::error::TransmuxError;
use crate::fmp4::samples::Pictures;
use crate::segment::Stream;
use crate::{packed, segment};

/// What is to be done to a segment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings<'a> {
    /// What it is.
    pub container: Container,
    /// It goes on where the one before ended: timestamps, captions and half frames of that count.
    pub continuous: bool,
    /// Drop the sound.
    pub mute: bool,
    /// Take captions out of the pictures.
    pub captions: bool,
    /// How it is encrypted, if it is.
    pub decrypt: Option<Key>,
    /// Its initialization section, decrypted, where that is apart: of a transport stream the tables.
    pub init: Option<&'a [u8]>,
}

/// A key. It is never printed.
#[derive(Clone, Copy)]
pub struct Key {
    /// The method.
    pub method: Encryption,
    /// The key itself.
    pub key: [u8; 16],
    /// Initialization vector.
    pub iv: [u8; 16],
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Key")
            .field("method", &self.method)
            .finish_non_exhaustive()
    }
}

/// A segment that a source buffer takes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ready {
    buffer: Vec<u8>,
    /// What comes before is room that was not needed.
    start: usize,
    /// What is known of it.
    pub prepared: Prepared,
}

impl Ready {
    pub(crate) fn new(buffer: Vec<u8>, start: usize, mut prepared: Prepared) -> Self {
        prepared.bytes = buffer.len().saturating_sub(start) as u64;
        Self {
            buffer,
            start,
            prepared,
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    /// The bytes as a vector; they are moved to its beginning.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.buffer.drain(..self.start.min(self.buffer.len()));
        self.buffer
    }
}

/// Prepares the segments of one stream, in the order in which they are played.
#[derive(Debug, Default)]
pub struct Transmuxer {
    stream: Stream,
}

impl Transmuxer {
    /// One that has seen nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a segment ready. It takes the bytes, since what is only decrypted stays where it is.
    ///
    /// What is odd is told in [`Prepared::warnings`]. Memory and time are in proportion to the bytes, whatever they are.
    ///
    /// # Errors
    /// If nothing in it can be played. What is remembered of the segments before stays as it was, as far as that is possible.
    pub fn prepare(&mut self, bytes: Vec<u8>, settings: &Settings<'_>) -> Result<Ready, TransmuxError> {
        /// Sizes and offsets have 32 bits.
        const MAX_BYTES: usize = 1 << 30;
        if bytes.len() > MAX_BYTES {
            return Err(TransmuxError::Unsupported("a segment of more than a gigabyte"));
        }
        let (bytes, samples) = match settings.decrypt {
            None => (bytes, None),
            Some(Key {
                method: Encryption::SampleAes,
                key,
                iv,
            }) => (bytes, Some(SampleKey { key, iv })),
            Some(Key { key, iv, .. }) => (decrypt(bytes, &key, &iv)?, None),
        };
        let ready = match settings.container {
            Container::Fmp4 if samples.is_some() => {
                return Err(TransmuxError::Unsupported("fMP4 with encrypted samples"));
            }
            Container::Fmp4 => self.pass(bytes, settings),
            Container::PackedAudio => packed::prepare(&mut self.stream, bytes, settings, samples.as_ref())?,
            _ => segment::prepare(&mut self.stream, &bytes, settings, samples.as_ref())?,
        };
        Ok(ready)
    }

    /// fMP4 is what a source buffer takes.
    fn pass(&mut self, bytes: Vec<u8>, settings: &Settings<'_>) -> Ready {
        let media = look(&bytes);
        let mut captions = Vec::new();
        if settings.captions {
            self.stream.begin(settings.continuous);
            let pictures = match settings.init {
                Some(init) => Pictures::read(init, &look(init)),
                None => Pictures::read(&bytes, &media),
            };
            if let Some(pictures) = pictures {
                pictures.walk(&bytes, &mut self.stream.captions);
                captions = self.stream.captions.end_of_segment();
            }
        }
        let prepared = Prepared {
            captions,
            media: Some(Box::new(media)),
            ..Prepared::default()
        };
        Ready::new(bytes, 0, prepared)
    }
}

fn look(bytes: &[u8]) -> Facts {
    facts(bytes.len() as u64, |offset, into| {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|offset| bytes.get(offset..))
            .unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
    })
}
