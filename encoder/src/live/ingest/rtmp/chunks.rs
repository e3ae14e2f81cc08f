//! The chunk stream: messages cut in chunks, several streams interleaved (RTMP §5.3).

use std::collections::BTreeMap;

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: u8,
    /// Milliseconds.
    pub(super) time: u32,
    pub(super) body: Vec<u8>,
}

/// Puts messages together.
pub(super) struct Reader {
    bytes: Vec<u8>,
    /// As many of them are read.
    used: usize,
    streams: BTreeMap<u32, Stream>,
    chunk_bytes: usize,
    /// No message may be larger.
    pub(super) largest: usize,
}

#[derive(Default)]
struct Stream {
    time: u32,
    /// What the last header had for a time or a difference.
    field: u32,
    is_extended: bool,
    length: usize,
    kind: u8,
    body: Vec<u8>,
}

impl Reader {
    pub(super) fn new(largest: usize) -> Self {
        Self {
            bytes: Vec::new(),
            used: 0,
            streams: BTreeMap::new(),
            chunk_bytes: 128,
            largest,
        }
    }

    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The peer's Set Chunk Size.
    pub(super) fn set_chunk_bytes(&mut self, bytes: u32) {
        self.chunk_bytes = (bytes.clamp(1, 0xff_ffff)) as usize;
    }

    /// The peer's Abort Message.
    pub(super) fn abort(&mut self, stream: u32) {
        if let Some(stream) = self.streams.get_mut(&stream) {
            stream.body.clear();
        }
    }

    /// The next message that is whole.
    pub(super) fn next(&mut self) -> Result<Option<Message>, &'static str> {
        loop {
            match self.chunk()? {
                None => return Ok(None),
                Some((used, message)) => {
                    self.used = used;
                    if message.is_some() {
                        return Ok(message);
                    }
                }
            }
        }
    }

    /// Takes a whole chunk: where it ends, and the message that it ends.
    fn chunk(&mut self) -> Result<Option<(usize, Option<Message>)>, &'static str> {
        let mut rest = self.bytes.get(self.used..).unwrap_or_default();
        let Some(header) = Header::read(&mut rest) else {
            return Ok(None);
        };
        if !self.streams.contains_key(&header.stream) && self.streams.len() >= MAX_STREAMS {
            return Err("too many chunk streams");
        }
        let stream = self.streams.entry(header.stream).or_default();
        let mut field = header.field.unwrap_or(stream.field);
        let is_extended = match header.field {
            Some(field) => field == EXTENDED,
            None => stream.is_extended,
        };
        if is_extended {
            let Some((extended, after)) = rest.split_first_chunk::<4>() else {
                return Ok(None);
            };
            field = u32::from_be_bytes(*extended);
            rest = after;
        }
        let (length, kind) = header.message.unwrap_or((stream.length, stream.kind));
        if length > self.largest {
            return Err("a message is too large");
        }
        let is_new = stream.body.is_empty() || header.field.is_some();
        let had = if is_new { 0 } else { stream.body.len() };
        let take = (length - had.min(length)).min(self.chunk_bytes);
        let Some((payload, after)) = rest.split_at_checked(take) else {
            return Ok(None);
        };
        if is_new {
            stream.body.clear();
            stream.time = match header.is_absolute {
                true => field,
                false => stream.time.wrapping_add(field),
            };
            (stream.field, stream.is_extended) = (field, is_extended);
            (stream.length, stream.kind) = (length, kind);
        }
        stream.body.extend_from_slice(payload);
        let used = self.bytes.len() - after.len();
        let message = (stream.body.len() >= stream.length).then(|| Message {
            kind: stream.kind,
            time: stream.time,
            body: std::mem::take(&mut stream.body),
        });
        Ok(Some((used, message)))
    }
}

/// The head of a chunk.
struct Header {
    stream: u32,
    is_absolute: bool,
    /// Time, or difference to the last.
    field: Option<u32>,
    /// Bytes and kind of the message.
    message: Option<(usize, u8)>,
}

impl Header {
    fn read(rest: &mut &[u8]) -> Option<Self> {
        let [first] = take(rest)?;
        let stream = match first & 0x3f {
            0 => {
                let [low] = take(rest)?;
                64 + u32::from(low)
            }
            1 => {
                let [low, high] = take(rest)?;
                64 + u32::from(low) + u32::from(high) * 256
            }
            small => small.into(),
        };
        let form = first >> 6;
        let mut header = Self {
            stream,
            is_absolute: form == 0,
            field: None,
            message: None,
        };
        if form <= 2 {
            header.field = Some(three(take(rest)?));
        }
        if form <= 1 {
            let length = three(take(rest)?);
            let [kind] = take(rest)?;
            header.message = Some((length as usize, kind));
        }
        if form == 0 {
            // The message stream: a publisher has but one.
            let _: [u8; 4] = take(rest)?;
        }
        Some(header)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

fn three([a, b, c]: [u8; 3]) -> u32 {
    u32::from_be_bytes([0, a, b, c])
}

/// Appends a message of ours; control messages go by chunk stream 2.
pub(super) fn write(kind: u8, message_stream: u32, body: &[u8], out: &mut Vec<u8>) {
    let stream = if kind <= 6 { 2 } else { 3 };
    out.push(stream);
    // Its time.
    out.extend_from_slice(&[0; 3]);
    out.extend_from_slice(&(body.len() as u32).to_be_bytes()[1..]);
    out.push(kind);
    out.extend_from_slice(&message_stream.to_le_bytes());
    for (index, chunk) in body.chunks(128).enumerate() {
        if index > 0 {
            out.push(0xc0 | stream);
        }
        out.extend_from_slice(chunk);
    }
}

/// Of a time that stands after the header.
const EXTENDED: u32 = 0xff_ffff;
/// Publishers use five or so.
const MAX_STREAMS: usize = 16;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_are_put_together_from_any_pieces() {
        let mut bytes = Vec::new();
        let body: Vec<u8> = (0..1000_u32).map(|byte| byte as u8).collect();
        write(20, 1, &body, &mut bytes);
        write(1, 0, &[0, 0, 16, 0], &mut bytes);
        for piece in [1, 3, 127, 5000] {
            let mut reader = Reader::new(4096);
            let mut messages = Vec::new();
            for part in bytes.chunks(piece) {
                reader.feed(part);
                while let Some(message) = reader.next().unwrap() {
                    messages.push((message.kind, message.body));
                }
            }
            assert_eq!(messages, [(20, body.clone()), (1, vec![0, 0, 16, 0])]);
        }
    }

    #[test]
    fn times_add_up_and_may_be_long() {
        let mut reader = Reader::new(64);
        let first = [4, 0, 0, 10, 0, 0, 1, 9, 1, 0, 0, 0, 7];
        let delta = [0x44, 0, 0, 33, 0, 0, 1, 9, 8];
        let same = [0xc4, 9];
        let long = [4, 255, 255, 255, 0, 0, 1, 9, 1, 0, 0, 0, 2, 0, 0, 0, 5];
        reader.feed(&[first.as_slice(), &delta, &same, &long].concat());
        let mut times = Vec::new();
        while let Some(message) = reader.next().unwrap() {
            times.push((message.time, message.body));
        }
        assert_eq!(
            times,
            [
                (10, vec![7]),
                (43, vec![8]),
                (76, vec![9]),
                (0x0200_0000, vec![5])
            ]
        );
    }

    #[test]
    fn too_much_is_refused() {
        let mut reader = Reader::new(64);
        reader.feed(&[3, 0, 0, 0, 0, 0, 65, 20, 0, 0, 0, 0]);
        assert!(reader.next().is_err());
        let mut reader = Reader::new(64);
        for stream in 3..40 {
            reader.feed(&[stream, 0, 0, 0, 0, 0, 2, 20, 0, 0, 0, 0, 1, 2]);
        }
        let mut result = Ok(None);
        for _ in 0..40 {
            result = reader.next();
        }
        assert!(result.is_err());
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut reader = Reader::new(256);
            reader.feed(&bytes);
            for _ in 0..700 {
                match reader.next() {
                    Ok(Some(message)) => prop_assert!(message.body.len() <= 256),
                    Ok(None) | Err(_) => break,
                }
            }
        }
    }
}
