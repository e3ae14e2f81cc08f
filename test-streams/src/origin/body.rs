//! A file's bytes on their way over the link.

use std::io;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::time::sleep;

use crate::shaping::Flow;

struct Sending {
    file: File,
    flow: Flow,
    left: u64,
    /// Whether the connection is to be closed when nothing is left.
    breaks: bool,
}

/// `length` bytes of `file` from `first` on, over `flow`; with `breaks`, the connection is closed after them.
pub(super) async fn body(
    mut file: File,
    first: u64,
    length: u64,
    flow: Flow,
    breaks: bool,
) -> io::Result<Body> {
    file.seek(io::SeekFrom::Start(first)).await?;
    let sending = Sending {
        file,
        flow,
        left: length,
        breaks,
    };
    Ok(Body::from_stream(stream::try_unfold(
        sending,
        |mut sending| async move {
            let packet = sending.packet().await?;
            Ok::<_, io::Error>(packet.map(|packet| (packet, sending)))
        },
    )))
}

impl Sending {
    async fn packet(&mut self) -> io::Result<Option<Bytes>> {
        if self.left == 0 {
            if !self.breaks {
                return Ok(None);
            }
            // The server sends what it has collected before it waits. Without this a client might see nothing at all, which
            // browsers answer with a silent second try.
            sleep(FLUSH).await;
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let most = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(self.flow.packet_bytes());
        let mut packet = vec![0; most];
        let count = self.file.read(&mut packet).await?;
        if count == 0 {
            // The file became shorter under way: what was promised cannot be kept.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        packet.truncate(count);
        self.left -= count as u64;
        self.flow.send(count).await;
        Ok(Some(packet.into()))
    }
}

/// Long enough for the server to have written to the socket.
const FLUSH: Duration = Duration::from_millis(50);
