//! The listener: every connection has a thread, every stream a desk at which its encoder waits.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use ffmpeg_next::format::context::StreamIo;
use ffmpeg_next::{Dictionary, format};

use super::flv::{self, FlvReader};
use super::session::{Said, Session};
use crate::error::EncodeError;
use crate::live::ingest::{Feeder, StreamKey};
use crate::live::{LiveError, LiveEvent};
use crate::vod::CancelToken;

/// Takes publishers at one address, for several streams.
pub(crate) struct RtmpServer {
    listener: TcpListener,
    address: SocketAddr,
    app: String,
    doors: Vec<Door>,
    cancel: CancelToken,
}

/// One stream, as publishers see it.
struct Door {
    name: String,
    key: StreamKey,
    is_busy: AtomicBool,
    arrivals: SyncSender<FlvReader>,
}

/// Where a stream's encoder waits for its publishers.
pub(crate) struct Desk {
    /// As publishers write it, without the key.
    pub(crate) address: String,
    arrivals: Receiver<FlvReader>,
    cancel: CancelToken,
}

impl RtmpServer {
    pub(crate) fn bind(address: SocketAddr, app: &str, cancel: &CancelToken) -> Result<Self, LiveError> {
        let failed = |source| LiveError::Listen {
            address: format!("rtmp://{address}"),
            source,
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        Ok(Self {
            listener,
            address,
            app: app.to_owned(),
            doors: Vec::new(),
            cancel: cancel.clone(),
        })
    }

    /// Opens a stream to whoever knows its key.
    pub(crate) fn open(&mut self, name: &str, key: StreamKey) -> Desk {
        let (sender, arrivals) = sync_channel(1);
        self.doors.push(Door {
            name: name.to_owned(),
            key,
            is_busy: AtomicBool::new(false),
            arrivals: sender,
        });
        Desk {
            address: format!("rtmp://{}/{}", self.address, self.app),
            arrivals,
            cancel: self.cancel.clone(),
        }
    }

    /// Takes connections until it is cancelled.
    pub(crate) fn run(&self, tell: &(dyn Fn(LiveEvent) + Sync)) {
        let open = AtomicUsize::new(0);
        thread::scope(|scope| {
            while !self.cancel.is_cancelled() {
                match self.listener.accept() {
                    Ok((socket, _)) if open.load(Ordering::Relaxed) < MAX_CONNECTIONS => {
                        open.fetch_add(1, Ordering::Relaxed);
                        let open = &open;
                        let connection = thread::Builder::new().name("rtmp".to_owned());
                        let spawned = connection.spawn_scoped(scope, move || {
                            if let Err(error) = self.serve(socket, tell) {
                                tracing::debug!("RTMP: {error}");
                            }
                            open.fetch_sub(1, Ordering::Relaxed);
                        });
                        if spawned.is_err() {
                            open.fetch_sub(1, Ordering::Relaxed);
                        }
                    }
                    // Too many: the connection is closed.
                    Ok(_) => {}
                    // Nobody, or one that is gone already.
                    Err(_) => thread::sleep(LOOK_EVERY),
                }
            }
        });
    }

    fn serve(&self, mut socket: TcpStream, tell: &(dyn Fn(LiveEvent) + Sync)) -> io::Result<()> {
        socket.set_nonblocking(false)?;
        socket.set_read_timeout(Some(LOOK_EVERY))?;
        socket.set_write_timeout(Some(SILENCE))?;
        socket.set_nodelay(true)?;
        let mut session = Session::new();
        let mut media: Option<Media<'_>> = None;
        let began = Instant::now();
        let mut heard = began;
        let mut buffer = vec![0; 64 << 10];
        while !self.cancel.is_cancelled() {
            let read = match socket.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => read,
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()) => 0,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if read > 0 {
                heard = Instant::now();
            }
            let is_late = media.is_none() && began.elapsed() > UNTIL_PUBLISH;
            if is_late || heard.elapsed() > SILENCE {
                return Err(ErrorKind::TimedOut.into());
            }
            let said = session.receive(buffer.get(..read).unwrap_or_default());
            let said = said.map_err(|reason| io::Error::new(ErrorKind::InvalidData, reason))?;
            for said in said {
                match said {
                    Said::Publish { app, key } => match self.admit(&app, &key) {
                        Ok(admitted) => {
                            session.accept();
                            media = Some(admitted);
                        }
                        Err((stream, reason)) => {
                            session.refuse(reason);
                            tell(LiveEvent::Refused {
                                stream,
                                reason: reason.to_owned(),
                            });
                            // Keys are not to be tried one after the other.
                            thread::sleep(AFTER_REFUSAL);
                            socket.write_all(&session.take_output())?;
                            return Ok(());
                        }
                    },
                    Said::Media(tag) => {
                        let is_wanted = media.as_ref().is_some_and(|media| media.tags.send(tag).is_ok());
                        if !is_wanted {
                            return Ok(());
                        }
                    }
                    Said::Done => return Ok(()),
                }
            }
            let output = session.take_output();
            if !output.is_empty() {
                socket.write_all(&output)?;
            }
        }
        Ok(())
    }

    /// Lets a publisher in; or tells why not, and which stream it knows the key of.
    fn admit(&self, app: &str, key: &str) -> Result<Media<'_>, (Option<String>, &'static str)> {
        // Every key is looked at, so that the time tells nothing.
        let known = self.doors.iter().filter(|door| door.key.is(key)).last();
        let door = known
            .filter(|_| app == self.app)
            .ok_or((None, "No stream here has this key."))?;
        let refused = |reason| (Some(door.name.clone()), reason);
        if door.is_busy.swap(true, Ordering::SeqCst) {
            return Err(refused(
                "This stream has a publisher already. If it is you, wait ten seconds and try again.",
            ));
        }
        let (tags, reader) = flv::pipe(&self.cancel);
        let media = Media { tags, door };
        match door.arrivals.try_send(reader) {
            Ok(()) => Ok(media),
            Err(TrySendError::Full(_)) => Err(refused("The stream is still busy with its last publisher.")),
            Err(TrySendError::Disconnected(_)) => Err(refused("The stream is over.")),
        }
    }
}

/// An admitted publisher's way to the encoder; the door is free when it is gone.
struct Media<'a> {
    tags: SyncSender<Vec<u8>>,
    door: &'a Door,
}

impl Drop for Media<'_> {
    fn drop(&mut self) {
        self.door.is_busy.store(false, Ordering::SeqCst);
    }
}

impl Desk {
    /// Waits for the next publisher, and looks at what it sends; none when the stream is cancelled.
    pub(crate) fn accept(&self) -> Result<Option<Feeder>, LiveError> {
        let reader = loop {
            match self.arrivals.recv_timeout(LOOK_EVERY) {
                Ok(reader) => break reader,
                Err(RecvTimeoutError::Timeout) if !self.cancel.is_cancelled() => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(None),
            }
        };
        let path = Path::new(&self.address);
        let not_media = |source| EncodeError::NotMedia {
            path: path.to_owned(),
            source,
        };
        let mut options = Dictionary::new();
        options.set("protocol_whitelist", "none");
        options.set("format_whitelist", "flv");
        options.set("probesize", "2000000");
        options.set("analyzeduration", "1000000");
        // A small buffer: libavformat reads until it is full.
        let io = StreamIo::from_read_with_capacity(reader, READ_BYTES).map_err(not_media)?;
        let input = format::input_from_stream(io, None, Some(options)).map_err(not_media)?;
        Feeder::of_publisher(path, input).map(Some)
    }
}

const READ_BYTES: usize = 4096;
const MAX_CONNECTIONS: usize = 64;
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A publisher that sends nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// How long it may take to say what it wants.
const UNTIL_PUBLISH: Duration = Duration::from_secs(10);
const AFTER_REFUSAL: Duration = Duration::from_millis(300);
