//! The admin interface's own connections. Whoever opens many, sends half a head or reads slowly keeps nobody else from being answered:
//! heads have a time, connections a number, and the oldest goes when another comes above it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::AbortHandle;

use super::{Socket, logged};
use crate::logs::AdminLog;

/// Connections at a time.
const MOST: usize = 128;
/// From the last answer, or the beginning, to the end of the next head.
const HEAD_TIME: Duration = Duration::from_secs(60);
/// Octets of a head.
const LARGEST_HEAD: usize = 64 * 1024;
/// After an accept that failed: descriptors may be used up.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until the process ends. Connections are tasks of the current `LocalSet`.
///
/// # Errors
/// The socket cannot be used at all.
pub async fn serve(socket: Socket, router: Router, log: Option<Rc<AdminLog>>) -> io::Result<()> {
    let open = Open { tasks: RefCell::default(), log };
    match socket {
        Socket::Tcp(socket) => {
            let socket = TcpListener::from_std(socket)?;
            loop {
                match socket.accept().await {
                    Ok((stream, remote)) => {
                        let ends = stream.local_addr().ok().map(|local| (local, remote));
                        open.add(stream, &router, ends);
                    }
                    Err(error) => pause(&error).await,
                }
            }
        }
        Socket::Unix(socket) => {
            let socket = UnixListener::from_std(socket)?;
            loop {
                match socket.accept().await {
                    Ok((stream, _)) => open.add(stream, &router, None),
                    Err(error) => pause(&error).await,
                }
            }
        }
    }
}

async fn pause(error: &io::Error) {
    tracing::warn!(target: "admin", "the admin interface cannot accept: {error}; it tries again");
    tokio::time::sleep(PAUSE).await;
}

/// Connections that are open, the oldest first.
#[derive(Default)]
struct Open {
    tasks: RefCell<VecDeque<AbortHandle>>,
    log: Option<Rc<AdminLog>>,
}

impl Open {
    fn add(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
        router: &Router,
        ends: Option<(SocketAddr, SocketAddr)>,
    ) {
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(LARGEST_HEAD).half_close(true);
        let (stream, router) = (TokioIo::new(stream), router.clone());
        // Who breaks off is gone.
        let task = match &self.log {
            None => tokio::task::spawn_local(async move {
                let _ = server.serve_connection(stream, TowerToHyperService::new(router)).await;
            }),
            Some(log) => {
                let service = logged::service(log.clone(), ends, router);
                tokio::task::spawn_local(async move {
                    let _ = server.serve_connection(stream, service).await;
                })
            }
        };
        let mut open = self.tasks.borrow_mut();
        open.retain(|task| !task.is_finished());
        if open.len() == MOST
            && let Some(oldest) = open.pop_front()
        {
            oldest.abort();
        }
        open.push_back(task.abort_handle());
    }
}

#[cfg(test)]
mod tests;
