//! All streams of one input.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::thread;

use super::ingest::rtmp::{Desk, RtmpServer};
use super::ingest::srt;
use super::session::LiveEncoder;
use super::{LiveError, LiveEvent, LiveOptions, LiveSink, StreamKey};

/// Where media comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LiveInput {
    /// A file, in real time.
    File {
        /// The file.
        path: PathBuf,
        /// Over and over.
        loops: bool,
    },
    /// Publishers by RTMP: H.264 and AAC, each with its stream's key behind the address.
    Rtmp {
        /// Where to listen; port 0 takes any.
        address: SocketAddr,
        /// The application's name.
        app: String,
    },
    /// Publishers by SRT: MPEG-TS, encrypted with the stream's key. The first stream's port is that of the address, the next has the
    /// next.
    Srt {
        /// Where to listen.
        address: SocketAddr,
    },
}

/// One stream to encode.
pub struct LiveStream {
    /// Names it in what is said of it.
    pub name: String,
    /// What its publishers must know; a file needs none.
    pub key: Option<StreamKey>,
    /// Takes what is made.
    pub sink: Arc<dyn LiveSink>,
}

impl fmt::Debug for LiveStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveStream")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// `rtmp://HOST:PORT/APP`, `srt://HOST:PORT`, or a file that is not repeated.
impl FromStr for LiveInput {
    type Err = LiveError;

    fn from_str(text: &str) -> Result<Self, LiveError> {
        // What stands there may be a key, so it is not repeated.
        let bad = |reason: &str| LiveError::BadOption {
            option: "--input",
            reason: reason.to_owned(),
        };
        let address = |text: &str, port: u16| {
            let named = match text.rsplit_once(':') {
                Some((_, last)) if last.parse::<u16>().is_ok() => text.to_owned(),
                _ => format!("{text}:{port}"),
            };
            let found = named.to_socket_addrs().ok().and_then(|mut found| found.next());
            found.ok_or_else(|| bad("no address of this machine; write rtmp://127.0.0.1:1935/live"))
        };
        match text.split_once("://") {
            Some(("rtmp", rest)) => {
                let (host, app) = rest.split_once('/').unwrap_or((rest, "live"));
                let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
                if app.is_empty() || !app.chars().all(is_plain) {
                    return Err(bad(
                        "write rtmp://HOST:PORT/APP with a plain name; keys are given apart",
                    ));
                }
                Ok(Self::Rtmp {
                    address: address(host, RTMP_PORT)?,
                    app: app.to_owned(),
                })
            }
            Some(("srt", rest)) if rest.contains(['?', '/']) => {
                Err(bad("write srt://HOST:PORT; keys are given apart"))
            }
            Some(("srt", rest)) => Ok(Self::Srt {
                address: address(rest, SRT_PORT)?,
            }),
            Some(_) => Err(bad("use rtmp://…, srt://… or a file")),
            None => Ok(Self::File {
                path: PathBuf::from(text),
                loops: false,
            }),
        }
    }
}

/// Encodes the streams until they are over or cancelled. A file is one stream, which ends with it.
///
/// # Errors
/// [`LiveError`] for options that cannot be used, an address that cannot be listened on, and when encoding or a sink fails; the
/// other streams are then ended too.
pub fn run(
    input: &LiveInput,
    streams: Vec<LiveStream>,
    options: &LiveOptions,
    tell: &(dyn Fn(LiveEvent) + Sync),
) -> Result<(), LiveError> {
    crate::init_ffmpeg();
    options.check()?;
    let (entries, server) = entries(input, &streams, options)?;
    for (stream, entry) in streams.iter().zip(&entries) {
        if let Some(address) = entry.address() {
            tell(LiveEvent::Listening {
                stream: stream.name.clone(),
                address,
            });
        }
    }
    thread::scope(|scope| {
        let mut running = Vec::new();
        for (stream, entry) in streams.iter().zip(entries) {
            running.push(scope.spawn(move || {
                let encoder = LiveEncoder::new(&stream.name, options, Arc::clone(&stream.sink), tell);
                let played = entry.play(encoder, options);
                if played.is_err() {
                    options.cancel.cancel();
                }
                played
            }));
        }
        if let Some(server) = &server {
            server.run(tell);
        }
        let ended = running.into_iter().map(|stream| {
            let ended = stream.join();
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        // All of them, and then the first that failed.
        ended.collect::<Vec<_>>().into_iter().collect()
    })
}

/// One stream's way in.
enum Entry {
    File { path: PathBuf, loops: bool },
    Rtmp(Desk),
    Srt { address: SocketAddr, key: StreamKey },
}

impl Entry {
    fn address(&self) -> Option<String> {
        match self {
            Self::File { .. } => None,
            Self::Rtmp(desk) => Some(desk.address.clone()),
            Self::Srt { address, .. } => Some(format!("srt://{address}")),
        }
    }

    fn play(self, encoder: LiveEncoder<'_>, options: &LiveOptions) -> Result<(), LiveError> {
        match self {
            Self::File { path, loops } => encoder.play_file(&path, loops),
            Self::Rtmp(desk) => encoder.serve(&|| desk.accept()),
            Self::Srt { address, key } => encoder.serve(&|| srt::accept(address, &key, &options.cancel)),
        }
    }
}

/// An entry for every stream, and who lets publishers in.
fn entries(
    input: &LiveInput,
    streams: &[LiveStream],
    options: &LiveOptions,
) -> Result<(Vec<Entry>, Option<RtmpServer>), LiveError> {
    let bad = |option, reason: &str| LiveError::BadOption {
        option,
        reason: reason.to_owned(),
    };
    if streams.is_empty() {
        return Err(bad("--stream", "name at least one stream"));
    }
    if options.protection.is_some() && streams.len() > 1 {
        return Err(bad(
            "--encrypt",
            "several streams would share their keys; run one for each",
        ));
    }
    let mut names: Vec<_> = streams.iter().map(|stream| &stream.name).collect();
    names.sort_unstable();
    if names.windows(2).any(|pair| pair.first() == pair.last()) {
        return Err(bad("--stream", "two streams have one name"));
    }
    let keyed = || {
        streams.iter().map(|stream| {
            let key = stream.key.clone().ok_or_else(|| LiveError::BadOption {
                option: "--stream-keys",
                reason: format!("stream {:?} has no key; everybody could publish it", stream.name),
            });
            key.map(|key| (&stream.name, key))
        })
    };
    match input {
        LiveInput::File { .. } if streams.len() > 1 => Err(bad("--stream", "a file is one stream")),
        LiveInput::File { path, loops } => {
            let (path, loops) = (path.clone(), *loops);
            Ok((vec![Entry::File { path, loops }], None))
        }
        LiveInput::Srt { address } => {
            if address.port() == 0 {
                return Err(bad("--input", "SRT needs a port"));
            }
            let ports = address.port()..=u16::MAX;
            let entries = keyed().zip(ports).map(|(keyed, port)| {
                let address = SocketAddr::new(address.ip(), port);
                keyed.map(|(_, key)| Entry::Srt { address, key })
            });
            Ok((entries.collect::<Result<_, _>>()?, None))
        }
        LiveInput::Rtmp { address, app } => {
            let keyed = keyed().collect::<Result<Vec<_>, _>>()?;
            let is_twice = |(index, (_, key)): (usize, &(&String, StreamKey))| {
                keyed.iter().take(index).any(|(_, other)| other.is_same(key))
            };
            if keyed.iter().enumerate().any(is_twice) {
                return Err(bad("--stream-keys", "two streams have one key"));
            }
            let mut server = RtmpServer::bind(*address, app, &options.cancel)?;
            let desks = keyed
                .into_iter()
                .map(|(name, key)| Entry::Rtmp(server.open(name, key)));
            Ok((desks.collect(), Some(server)))
        }
    }
}

const RTMP_PORT: u16 = 1935;
const SRT_PORT: u16 = 9000;
