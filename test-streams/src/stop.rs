//! The wish that a server stop: SIGHUP, SIGINT (Ctrl-C) or SIGTERM.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Whether a signal to stop has come. Clones share it.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Heeds the signals from this call on: none is lost between two waits for it. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the system lets nobody handle signals.
    pub fn listen() -> io::Result<Self> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            tokio::select! {
                _ = hangup.recv() => {}
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            sender.send_replace(true);
        });
        Ok(Self(receiver))
    }

    /// Ends when a signal has come.
    pub async fn requested(mut self) {
        // The sender lives until it has sent.
        let _ = self.0.wait_for(|stop| *stop).await;
    }
}
