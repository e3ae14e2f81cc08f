//! Two addresses over HTTP/1.1: the public one for players, the admin one for people and programs that watch.
//!
//! A connection costs memory, so there is a limit to how many there are, to how many come from one address, and to how long a
//! request's head may take. The body's time is the collector's matter.

pub(crate) mod auth;
mod connections;
pub(crate) mod health;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::config::{Admin, Public};
use crate::{Analytics, Error};
use connections::Connections;

/// A request's head must have arrived so long after the connection opened or after the answer before: longer than the pause
/// between two beacons.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Bytes that a request's head may have.
const MAX_HEAD_BYTES: usize = 32 << 10;
/// Connections of people and programs that watch.
const MAX_ADMIN_CONNECTIONS: usize = 256;
/// At the end, requests that are being answered get so long.
const FINISH_WITHIN: Duration = Duration::from_secs(10);
/// Log and store are looked after so often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After an error that is not one connection's: no file descriptors are left.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(200);

/// The two addresses, bound.
#[derive(Debug)]
pub struct Server {
    public: (TcpListener, Public),
    admin: (TcpListener, Admin),
}

impl Server {
    /// Listens at both addresses.
    ///
    /// # Errors
    /// If one of them cannot be listened at.
    pub async fn bind(public: Public, admin: Admin) -> Result<Self, Error> {
        Ok(Self {
            public: (listen(public.listen).await?, public),
            admin: (listen(admin.listen).await?, admin),
        })
    }

    /// Where players report to.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn public_address(&self) -> io::Result<SocketAddr> {
        self.public.0.local_addr()
    }

    /// Where queries and the dashboard are.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn admin_address(&self) -> io::Result<SocketAddr> {
        self.admin.0.local_addr()
    }

    /// Serves until `stop` ends. Then `/readyz` answers 503, a moment later no connection is taken any more, those there are
    /// finish what they do, and everything that was accepted is brought into the store.
    ///
    /// # Errors
    /// If the admin token cannot be kept, if log or store break, which ends it, or if a thread of the server had panicked.
    pub async fn run(self, analytics: Analytics, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let (public, settings) = self.public;
        let (admin, guard) = self.admin;
        let admin_router = analytics.admin_router(&guard.access)?;
        let (stopping, stopped) = watch::channel(false);
        let limits = Connections::new(
            settings.max_connections,
            settings.max_connections_per_address,
            analytics.trusted_proxies(),
        );
        let admin_limits = Connections::new(MAX_ADMIN_CONNECTIONS, MAX_ADMIN_CONNECTIONS, &[]);
        let serving = [
            tokio::spawn(accept(
                public,
                analytics.collector_router(),
                limits,
                stopped.clone(),
            )),
            tokio::spawn(accept(admin, admin_router, admin_limits, stopped)),
        ];
        let breakage = tokio::select! {
            () = stop => None,
            error = broken(&analytics) => Some(error),
        };
        analytics.drain();
        if breakage.is_none() {
            tokio::time::sleep(Duration::from_secs(settings.drain_s)).await;
        }
        // Nobody listens if both tasks are gone already.
        let _ = stopping.send(true);
        for task in serving {
            task.await.map_err(|_| Error::Thread("listener"))?;
        }
        analytics.shutdown().await?;
        breakage.map_or(Ok(()), Err)
    }
}

/// Ends when log or store takes nothing any more.
async fn broken(analytics: &Analytics) -> Error {
    loop {
        if let Some(error) = analytics.breakage() {
            return error;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })
}

/// Takes connections until it is told to stop, then lets those there are finish.
async fn accept(
    listener: TcpListener,
    router: Router,
    limits: Arc<Connections>,
    mut stop: watch::Receiver<bool>,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES);
    let graceful = GracefulShutdown::new();
    loop {
        let next = async {
            let room = limits.room().await;
            (listener.accept().await, room)
        };
        let (accepted, room) = tokio::select! {
            accepted = next => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                let one_connection = matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::ConnectionRefused
                );
                if !one_connection {
                    tracing::warn!(%error, "connections cannot be accepted; trying again");
                    tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                }
                continue;
            }
        };
        let Some(place) = limits.place(peer.ip(), room) else {
            tracing::debug!("an address has too many connections; closed one");
            continue;
        };
        let connection = graceful.watch(connection(&http, stream, peer, router.clone()));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended");
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(FINISH_WITHIN, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("requests that take too long are cut off");
    }
}

fn connection(
    http: &http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
) -> impl hyper_util::server::graceful::GracefulConnection<Error = hyper::Error> + use<> {
    // Answers are one packet: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    http.serve_connection(
        TokioIo::new(stream),
        service_fn(move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            router.clone().oneshot(request.map(Body::new))
        }),
    )
}
