//! One connection's protocol, without its socket.

use super::amf::{Value, Writer, read_all};
use super::chunks::{Message, Reader, write};
use super::flv;

/// What a publisher says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// It wants to publish: the application, and the stream key.
    Publish { app: String, key: String },
    /// Pictures, sound or metadata, as a tag of FLV.
    Media(Vec<u8>),
    /// It is done.
    Done,
}

/// Speaks with a publisher: bytes in, bytes out.
pub(super) struct Session {
    /// What is left of the handshake, in bytes to come; none when it is over.
    handshake: Option<Handshake>,
    reader: Reader,
    out: Vec<u8>,
    app: String,
    is_publishing: bool,
    received: u32,
    acknowledged: u32,
    /// Bytes after which the peer wants to hear of them.
    window: u32,
}

struct Handshake {
    bytes: Vec<u8>,
    has_answered: bool,
}

impl Session {
    pub(super) fn new() -> Self {
        Self {
            handshake: Some(Handshake {
                bytes: Vec::new(),
                has_answered: false,
            }),
            reader: Reader::new(LARGEST_BEFORE),
            out: Vec::new(),
            app: String::new(),
            is_publishing: false,
            received: 0,
            acknowledged: 0,
            window: u32::MAX,
        }
    }

    /// What is to be sent.
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }

    /// Takes what was received; an error ends the connection.
    pub(super) fn receive(&mut self, bytes: &[u8]) -> Result<Vec<Said>, &'static str> {
        let rest = match self.handshake.take() {
            None => bytes.to_vec(),
            Some(mut handshake) => {
                handshake.bytes.extend_from_slice(bytes);
                match self.shake(&mut handshake)? {
                    None => {
                        self.handshake = Some(handshake);
                        return Ok(Vec::new());
                    }
                    Some(rest) => rest,
                }
            }
        };
        self.received = self.received.wrapping_add(rest.len() as u32);
        self.reader.feed(&rest);
        let mut said = Vec::new();
        while let Some(message) = self.reader.next()? {
            said.extend(self.message(message)?);
        }
        if self.received.wrapping_sub(self.acknowledged) >= self.window {
            self.acknowledged = self.received;
            write(ACKNOWLEDGEMENT, 0, &self.received.to_be_bytes(), &mut self.out);
        }
        Ok(said)
    }

    /// RTMP §5.2, in its simple form: gives what comes after it.
    fn shake(&mut self, handshake: &mut Handshake) -> Result<Option<Vec<u8>>, &'static str> {
        if handshake.bytes.first().is_some_and(|version| *version != 3) {
            return Err("no RTMP");
        }
        if !handshake.has_answered && handshake.bytes.len() > HALF {
            let theirs = handshake.bytes.get(1..=HALF).unwrap_or_default().to_vec();
            self.out.push(3);
            // Time 0, zeros, and what need not be random, since nothing is made of it.
            self.out.extend_from_slice(&[0; HALF]);
            self.out.extend_from_slice(&theirs);
            handshake.has_answered = true;
        }
        Ok(handshake.bytes.get(1 + 2 * HALF..).map(<[u8]>::to_vec))
    }

    fn message(&mut self, message: Message) -> Result<Option<Said>, &'static str> {
        let number = || {
            let bytes = message.body.first_chunk::<4>();
            bytes.map(|bytes| u32::from_be_bytes(*bytes))
        };
        match message.kind {
            SET_CHUNK_SIZE => self.reader.set_chunk_bytes(number().ok_or("no chunk size")?),
            ABORT => self.reader.abort(number().ok_or("no chunk stream")?),
            WINDOW_SIZE => self.window = number().ok_or("no window")?.max(LEAST_WINDOW),
            flv::AUDIO | flv::VIDEO if self.is_publishing => {
                return Ok(Some(Said::Media(flv::tag(
                    message.kind,
                    message.time,
                    &message.body,
                ))));
            }
            flv::DATA if self.is_publishing => {
                let body = message.body.strip_prefix(SET_DATA_FRAME).unwrap_or(&message.body);
                return Ok(Some(Said::Media(flv::tag(flv::DATA, message.time, body))));
            }
            COMMAND => return Ok(self.command(&message.body)),
            // The same after a byte, where the peer would rather have AMF 3.
            COMMAND_AMF3 => return Ok(self.command(message.body.get(1..).unwrap_or_default())),
            _ => {}
        }
        Ok(None)
    }

    fn command(&mut self, body: &[u8]) -> Option<Said> {
        let values = read_all(body);
        let name = values.first().and_then(Value::text)?;
        let transaction = match values.get(1) {
            Some(Value::Number(number)) => *number,
            _ => 0.0,
        };
        match name {
            "connect" => {
                let app = values.get(2).and_then(|object| object.get("app"));
                // Some peers add what belongs to their player.
                let app = app.and_then(Value::text).unwrap_or_default();
                let app = app.split('?').next().unwrap_or_default();
                app.trim_matches('/').clone_into(&mut self.app);
                write(WINDOW_SIZE, 0, &WINDOW.to_be_bytes(), &mut self.out);
                // 2: the limit is what the peer likes.
                let bandwidth = [WINDOW.to_be_bytes().as_slice(), &[2]].concat();
                write(PEER_BANDWIDTH, 0, &bandwidth, &mut self.out);
                let reply = Writer::default().text("_result").number(transaction);
                let reply = reply.object(&[("fmsVer", "FMS/3,0,1,123")]).object(&[
                    ("level", "status"),
                    ("code", "NetConnection.Connect.Success"),
                    ("description", "Connected."),
                ]);
                write(COMMAND, 0, &reply.0, &mut self.out);
            }
            "createStream" => {
                let reply = Writer::default().text("_result").number(transaction).null();
                write(COMMAND, 0, &reply.number(1.0).0, &mut self.out);
            }
            "publish" if !self.is_publishing => {
                let key = values.get(3).and_then(Value::text).unwrap_or_default();
                return Some(Said::Publish {
                    app: self.app.clone(),
                    key: key.to_owned(),
                });
            }
            "deleteStream" | "closeStream" | "FCUnpublish" if self.is_publishing => return Some(Said::Done),
            // A peer that says what it is about to do wants to hear that it may.
            "releaseStream" | "FCPublish" | "getStreamLength" | "_checkbw" => {
                let reply = Writer::default().text("_result").number(transaction).null();
                write(COMMAND, 0, &reply.null().0, &mut self.out);
            }
            _ => {}
        }
        None
    }

    /// The publisher may send.
    pub(super) fn accept(&mut self) {
        self.is_publishing = true;
        self.reader.largest = LARGEST;
        // Stream Begin.
        write(USER_CONTROL, 0, &[0, 0, 0, 0, 0, 1], &mut self.out);
        self.status("status", "NetStream.Publish.Start", "Publishing.");
    }

    /// It may not, and hears why.
    pub(super) fn refuse(&mut self, reason: &str) {
        self.status("error", "NetStream.Publish.BadName", reason);
    }

    fn status(&mut self, level: &str, code: &str, description: &str) {
        let status = Writer::default().text("onStatus").number(0.0).null().object(&[
            ("level", level),
            ("code", code),
            ("description", description),
        ]);
        write(COMMAND, 1, &status.0, &mut self.out);
    }
}

/// Bytes of each half of the handshake.
const HALF: usize = 1536;
/// What a message may have before its sender is known.
const LARGEST_BEFORE: usize = 16 << 10;
/// And after: more than an intra frame of any use.
const LARGEST: usize = 4 << 20;
const WINDOW: u32 = 2_500_000;
const LEAST_WINDOW: u32 = 64 << 10;
/// What publishers say before metadata, in AMF 0.
const SET_DATA_FRAME: &[u8] = b"\x02\0\x0d@setDataFrame";
const SET_CHUNK_SIZE: u8 = 1;
const ABORT: u8 = 2;
const ACKNOWLEDGEMENT: u8 = 3;
const USER_CONTROL: u8 = 4;
const WINDOW_SIZE: u8 = 5;
const PEER_BANDWIDTH: u8 = 6;
const COMMAND_AMF3: u8 = 17;
const COMMAND: u8 = 20;
