//! Taking connections from a listening socket, on one worker. A full descriptor table or a limit slows it down and never makes it spin.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::Notify;

use super::accepted::Accepted;
use super::bind::Socket;
use super::connection;
use super::{Listener, limit};
use crate::worker::Worker;

/// How long a worker waits when the system has no descriptor or memory left: clients wait in the queue meanwhile.
const BACKOFF: Duration = Duration::from_millis(100);

/// What new connections of an address get. The worker replaces it when the listener changes; connections keep what they began with.
pub struct Slot {
    current: RefCell<Arc<Listener>>,
    state: Cell<State>,
    changed: Notify,
    /// The last accept failed: told once, not ten times a second.
    troubled: Cell<bool>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Accepting,
    /// Connections wait in the queue.
    Held,
    Stopped {
        was_held: bool,
    },
}

impl Slot {
    /// A slot with its first version.
    pub fn new(listener: Arc<Listener>) -> Slot {
        Slot {
            current: RefCell::new(listener),
            state: Cell::new(State::Accepting),
            changed: Notify::new(),
            troubled: Cell::new(false),
        }
    }

    /// New connections, and those that were held back, get another version.
    pub fn replace(&self, listener: Arc<Listener>) {
        self.current.replace(listener);
        self.change(State::Accepting);
    }

    /// Leave connections in the queue: the listener is gone, another one that takes its address is on its way.
    pub fn hold(&self) {
        self.change(State::Held);
    }

    /// Take what the queues hold, unless that was held back, then close the sockets.
    pub fn stop(&self) {
        self.change(State::Stopped { was_held: self.state.get() == State::Held });
    }

    /// The version of this moment.
    pub(super) fn load(&self) -> Arc<Listener> {
        self.current.borrow().clone()
    }

    fn change(&self, state: State) {
        self.state.set(state);
        self.changed.notify_waiters();
    }
}

/// Accepts until the slot is stopped. Each connection is a task of its own on this thread. `_open` goes when the socket is closed.
pub async fn accept_loop(worker: Rc<Worker>, slot: Rc<Slot>, socket: impl Into<Socket>, _open: Arc<()>) {
    let socket = match Acceptor::new(socket.into()) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(listener = &*slot.load().common().name, %error, "cannot accept on a socket");
            return;
        }
    };
    let was_held = loop {
        let changed = slot.changed.notified();
        match slot.state.get() {
            State::Stopped { was_held } => break was_held,
            State::Held => changed.await,
            State::Accepting if limit::has_stopped() && !slot.load().common().bypass_overload => {
                tokio::time::sleep(BACKOFF).await;
            }
            State::Accepting => tokio::select! {
                biased;
                () = changed => {}
                accepted = socket.accept() => take(&worker, &slot, accepted).await,
            },
        }
    };
    if was_held {
        return;
    }
    // Closing resets what waits in the queue: take it first.
    let queued = match socket.into_queued() {
        Ok(queued) => queued,
        Err(error) => {
            tracing::warn!(%error, "connections that waited on a removed listener are lost");
            return;
        }
    };
    for accepted in queued {
        take(&worker, &slot, Ok(accepted)).await;
    }
}

async fn take(worker: &Rc<Worker>, slot: &Rc<Slot>, accepted: io::Result<Accepted>) {
    let listener = slot.load();
    let common = listener.common();
    let accepted = match accepted {
        Ok(accepted) => accepted,
        Err(error) if is_of_one_connection(&error) => return,
        Err(error) => {
            if !slot.troubled.replace(true) {
                tracing::warn!(listener = &*common.name, %error, "cannot accept; trying again until it works");
            }
            tokio::time::sleep(BACKOFF).await;
            return;
        }
    };
    slot.troubled.set(false);
    // As Envoy: where there is no place the connection is taken and closed at once.
    let permit = match limit::acquire(common.ignore_connection_limit, common.bypass_overload) {
        Ok(permit) => permit,
        Err(limit::Full::Limit) => return common.stats.global_cx_overflow.inc(),
        Err(limit::Full::Overload) => return common.stats.cx_overload_reject.inc(),
    };
    tokio::task::spawn_local(connection::run(worker.clone(), slot.clone(), accepted, permit));
}

/// Errors that tell of a connection that went away in the queue, not of the socket (accept(2), "Error handling").
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::EPROTO
                | libc::EPERM
                | libc::ENETDOWN
                | libc::ENOPROTOOPT
                | libc::EHOSTDOWN
                | libc::ENONET
                | libc::EHOSTUNREACH
                | libc::EOPNOTSUPP
                | libc::ENETUNREACH
        )
    )
}

enum Acceptor {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Acceptor {
    fn new(socket: Socket) -> io::Result<Acceptor> {
        match socket {
            Socket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                TcpListener::from_std(socket).map(Acceptor::Tcp)
            }
            Socket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                UnixListener::from_std(socket).map(Acceptor::Unix)
            }
        }
    }

    async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Acceptor::Tcp(socket) => socket.accept().await.map(|(stream, remote)| Accepted::Tcp(stream, remote)),
            Acceptor::Unix(socket) => socket.accept().await.map(|(stream, _)| Accepted::Unix(stream)),
        }
    }

    /// What the queue holds; the socket closes. The system is asked itself: the runtime may not have heard of the newest ones.
    fn into_queued(self) -> io::Result<Vec<Accepted>> {
        let mut queued = Vec::new();
        match self {
            Acceptor::Tcp(socket) => {
                let socket = socket.into_std()?;
                while let Ok((stream, remote)) = socket.accept() {
                    stream.set_nonblocking(true)?;
                    queued.push(Accepted::Tcp(TcpStream::from_std(stream)?, remote));
                }
            }
            Acceptor::Unix(socket) => {
                let socket = socket.into_std()?;
                while let Ok((stream, _)) = socket.accept() {
                    stream.set_nonblocking(true)?;
                    queued.push(Accepted::Unix(UnixStream::from_std(stream)?));
                }
            }
        }
        Ok(queued)
    }
}
