//! The bodies of media responses. They live in JavaScript's memory; this holds references.

use js_sys::Uint8Array;
use player_core::input::{Integrity, RequestId};
use player_core::media::fmp4::{self, Facts};
use player_core::time::ByteRange;

#[derive(Debug, Default)]
pub(crate) struct Bodies {
    /// A handful at a time.
    by_request: Vec<(RequestId, Uint8Array)>,
}

impl Bodies {
    pub(crate) fn keep(&mut self, request: RequestId, body: Uint8Array) {
        self.release(request);
        self.by_request.push((request, body));
    }

    /// Takes these bytes in place of those that are kept; nothing if they have been released.
    pub(crate) fn replace(&mut self, request: RequestId, body: Uint8Array) {
        if let Some((_, kept)) = self.by_request.iter_mut().find(|(held, _)| *held == request) {
            *kept = body;
        }
    }

    pub(crate) fn release(&mut self, request: RequestId) {
        self.by_request.retain(|(held, _)| *held != request);
    }

    pub(crate) fn clear(&mut self) {
        self.by_request.clear();
    }

    /// A view of some of the bytes of a body, or of all of them; nothing is copied.
    pub(crate) fn view(&self, request: RequestId, bytes: Option<ByteRange>) -> Option<Uint8Array> {
        let (_, body) = self.by_request.iter().find(|(held, _)| *held == request)?;
        let Some(ByteRange { offset, length }) = bytes else {
            return Some(body.clone());
        };
        let end = offset
            .checked_add(length)
            .filter(|end| *end <= u64::from(body.length()))?;
        Some(body.subarray(offset as u32, end as u32))
    }
}

/// The chunks of a body in one piece: source buffers take only that, and the parser's work is less a piece than a chunk.
pub(crate) fn join(chunks: &[Uint8Array]) -> Uint8Array {
    if let [only] = chunks {
        return only.clone();
    }
    let whole = Uint8Array::new_with_length(chunks.iter().map(Uint8Array::length).sum());
    let mut offset = 0;
    for chunk in chunks {
        whole.set(chunk, offset);
        offset += chunk.length();
    }
    whole
}

/// Looks at the boxes of a body, and into those that are not media.
pub(crate) fn look(body: &Uint8Array) -> (Integrity, Option<Box<Facts>>) {
    let length = body.length();
    let (integrity, facts) = fmp4::look(u64::from(length), |offset, into| {
        let offset = u32::try_from(offset).unwrap_or(length).min(length);
        let end = offset.saturating_add(into.len() as u32).min(length);
        if let Some(into) = into.get_mut(..(end - offset) as usize) {
            body.subarray(offset, end).copy_to(into);
        }
    });
    (integrity, (!facts.is_empty()).then(|| Box::new(facts)))
}
