//! Keys that are fetched like segments (`EXT-X-KEY` without a key system). Their bytes stay with the driver.

use super::context::Cx;
use super::requests::{Purpose, Requests};
use crate::input::{RequestId, TrackKind};
use crate::output::{Decrypt, Encryption, Output};
use crate::presentation::{Protection, Resource};

/// More than a stream has in its window; older ones are fetched again if they come back.
const MAX_KEYS: usize = 64;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// By URL, the one that was wanted last at the end.
    known: Vec<(String, Key)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Key {
    Loading,
    Ready(RequestId),
}

/// How a segment is encrypted.
#[derive(Clone, Debug)]
pub(crate) struct Cipher {
    method: Encryption,
    url: String,
    iv: [u8; 16],
}

impl Cipher {
    /// The way that needs no key system, among the ways to get at a key; `number` is the media sequence number of the segment. Samples in
    /// fragmented MP4 (`is_fmp4`) are left to key systems.
    pub(crate) fn of(ways: &[Protection], number: u64, is_fmp4: bool) -> Option<Self> {
        ways.iter().find_map(|way| {
            let method = match way.method.as_str() {
                "AES-128" => Encryption::Aes128,
                "SAMPLE-AES" if !is_fmp4 => Encryption::SampleAes,
                _ => return None,
            };
            if !matches!(way.scheme.as_str(), "" | "identity") || way.url.is_empty() {
                return None;
            }
            Some(Self {
                method,
                url: way.url.clone(),
                iv: way.iv.unwrap_or_else(|| u128::from(number).to_be_bytes()),
            })
        })
    }

    /// Every byte of the response is encrypted: its boxes cannot be seen.
    pub(crate) fn is_whole(&self) -> bool {
        self.method == Encryption::Aes128
    }
}

impl Keys {
    /// Sees to it that the key is here or on its way.
    pub(crate) fn want(
        &mut self,
        cx: &mut Cx<'_>,
        requests: &mut Requests,
        cipher: &Cipher,
        kind: TrackKind,
        rendition: usize,
    ) {
        if let Some(at) = self.known.iter().position(|(url, _)| *url == cipher.url) {
            let key = self.known.remove(at);
            return self.known.push(key);
        }
        let resource = Resource {
            url: cipher.url.clone(),
            range: None,
        };
        requests.start(cx, Purpose::Key { kind, rendition }, resource);
        self.known.push((cipher.url.clone(), Key::Loading));
        if self.known.len() > MAX_KEYS
            && let Some(at) = self.known.iter().position(|(_, key)| *key != Key::Loading)
            && let (_, Key::Ready(request)) = self.known.remove(at)
        {
            cx.send(Output::Release { request });
        }
    }

    /// A key is here.
    pub(crate) fn on_key(&mut self, cx: &mut Cx<'_>, url: &str, request: RequestId) {
        match self.known.iter_mut().find(|(known, _)| known == url) {
            Some((_, key)) => *key = Key::Ready(request),
            None => cx.send(Output::Release { request }),
        }
    }

    /// A key cannot be had: the next one who wants it asks again.
    pub(crate) fn on_failed(&mut self, url: &str) {
        self.known.retain(|(known, _)| known != url);
    }

    /// How to decrypt, once the key is here.
    pub(crate) fn decrypt(&self, cipher: &Cipher) -> Option<Decrypt> {
        let (_, key) = self.known.iter().find(|(url, _)| *url == cipher.url)?;
        let Key::Ready(key) = *key else { return None };
        Some(Decrypt {
            method: cipher.method,
            key,
            iv: cipher.iv,
        })
    }

    pub(crate) fn release(&mut self, cx: &mut Cx<'_>) {
        for (_, key) in self.known.drain(..) {
            if let Key::Ready(request) = key {
                cx.send(Output::Release { request });
            }
        }
    }
}
