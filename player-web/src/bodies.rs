//! The bodies of media responses. They live in JavaScript's memory; this holds references.

use js_sys::Uint8Array;
use player_core::input::{Integrity, RequestId};
use player_core::media::fmp4::{self, Facts};
use player_core::time::ByteRange;

#[derive(Debug, Default)]
pub(crate) struct Bodies {
    /// A handful at a time.
    by_request: Vec<(RequestId, Uint8Array)>,
    /// What has arrived of those that are on their way and may be played from.
    arriving: Vec<(RequestId, Vec<Uint8Array>)>,
}

impl Bodies {
    pub(crate) fn keep(&mut self, request: RequestId, body: Uint8Array) {
        self.release(request);
        self.by_request.push((request, body));
    }

    /// More of a body has arrived.
    pub(crate) fn extend(&mut self, request: RequestId, chunks: &[Uint8Array]) {
        match self.arriving.iter_mut().find(|(known, _)| *known == request) {
            Some((_, held)) => held.extend_from_slice(chunks),
            None => self.arriving.push((request, chunks.to_vec())),
        }
    }

    /// Nothing more of it arrives.
    pub(crate) fn end(&mut self, request: RequestId) {
        self.arriving.retain(|(known, _)| *known != request);
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
        self.arriving.clear();
    }

    /// A view of some of the bytes of a body, or of all of them; nothing is copied.
    pub(crate) fn view(&self, request: RequestId, bytes: Option<ByteRange>) -> Option<Uint8Array> {
        let Some((_, body)) = self.by_request.iter().find(|(held, _)| *held == request) else {
            let (_, chunks) = self.arriving.iter().find(|(known, _)| *known == request)?;
            return cut(chunks, bytes?);
        };
        let Some(ByteRange { offset, length }) = bytes else {
            return Some(body.clone());
        };
        let end = offset
            .checked_add(length)
            .filter(|end| *end <= u64::from(body.length()))?;
        Some(body.subarray(offset as u32, end as u32))
    }
}

/// Some of the bytes of chunks, in one piece; `None` if they are not all there.
fn cut(chunks: &[Uint8Array], ByteRange { offset, length }: ByteRange) -> Option<Uint8Array> {
    let end = offset.checked_add(length)?;
    let mut parts = Vec::new();
    let mut at = 0;
    for chunk in chunks {
        let from = offset.saturating_sub(at).min(chunk.length().into());
        let to = end.saturating_sub(at).min(chunk.length().into());
        if from < to {
            parts.push(chunk.subarray(from as u32, to as u32));
        }
        at += u64::from(chunk.length());
    }
    (end <= at).then(|| join(&parts))
}

/// Copies bytes of chunks from an offset on, as many as there are.
pub(crate) fn copy(chunks: &[Uint8Array], offset: u64, into: &mut [u8]) {
    let length = into.len() as u64;
    let mut at = 0;
    for chunk in chunks {
        let size = u64::from(chunk.length());
        let (from, to) = (offset.max(at), (offset + length).min(at + size));
        if from < to
            && let Some(into) = into.get_mut((from - offset) as usize..(to - offset) as usize)
        {
            chunk.subarray((from - at) as u32, (to - at) as u32).copy_to(into);
        }
        at += size;
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

/// What is before the media data of a segment, if that has all arrived and is no more than boxes.
pub(crate) fn head(chunks: &[Uint8Array]) -> Option<Box<Facts>> {
    let begin = match chunks {
        [only] => only.clone(),
        [first, rest @ ..] => {
            // Long heads do not matter so much that they are joined again and again.
            let enough = rest.iter().take(2);
            join(&core::iter::once(first).chain(enough).cloned().collect::<Vec<_>>())
        }
        [] => return None,
    };
    let mut at = 0_u32;
    loop {
        let mut header = [0; 8];
        if at.checked_add(8)? > begin.length() {
            return None;
        }
        begin.subarray(at, at + 8).copy_to(&mut header);
        let [s0, s1, s2, s3, kind @ ..] = header;
        if &kind == b"mdat" {
            let (integrity, facts) = look(&begin.subarray(0, at));
            return facts.filter(|_| integrity == Integrity::Whole);
        }
        let size = u32::from_be_bytes([s0, s1, s2, s3]);
        at = at.checked_add(size).filter(|_| size >= 8)?;
    }
}
