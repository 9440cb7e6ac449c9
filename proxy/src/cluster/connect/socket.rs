//! Sockets towards endpoints, and Envoy's words for what goes wrong with them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use config::cluster::{Bind, TcpKeepalive};
use config::listener::SocketState;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::{TcpStream, UnixStream};

use super::system_text;
use crate::cluster::{ConnectFailure, ConnectFailureKind};
use crate::sys::set_socket_option;

/// A TCP connection. A bind address of another family than the endpoint's is not used, as in Envoy.
///
/// # Errors
/// `immediate connect error`, `delayed connect error` or `failed to bind`, with the system's words.
pub async fn tcp(
    address: SocketAddr,
    bind: Option<&Bind>,
    keepalive: Option<&TcpKeepalive>,
) -> Result<TcpStream, ConnectFailure> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP));
    let socket = socket.map_err(|error| local(&error))?;
    // Best effort, as in Envoy: a connection without them works.
    let _refused = socket.set_tcp_nodelay(true);
    if let Some(keepalive) = keepalive {
        let _refused = keep_alive(&socket, keepalive);
    }
    let (source, options) = bind.map_or((None, &[][..]), |bind| bind.towards(address));
    // As in Envoy: what is for sockets in another state than that before a bind is not set at all.
    for option in options.iter().filter(|option| option.is_for(SocketState::Prebind, Some(address.is_ipv4()))) {
        // And who asked for it wants no connection without it.
        set_socket_option(socket.as_fd(), option.level, option.name, &option.value).map_err(|error| {
            let reason =
                format!("failed to set socket option {}/{}: {}", option.level, option.name, system_text(&error));
            ConnectFailure::because(ConnectFailureKind::Local, reason)
        })?;
    }
    if let Some(source) = source {
        if bind.is_some_and(|bind| bind.freebind) {
            free(&socket, source).map_err(|error| local(&error))?;
        }
        socket.bind(&source.into()).map_err(|error| {
            let reason = format!("failed to bind to {source}: {}", system_text(&error));
            ConnectFailure::because(ConnectFailureKind::Local, reason)
        })?;
    }
    let under_way = begin(&socket, &address.into(), || address.to_string())?;
    let stream = TcpStream::from_std(socket.into()).map_err(|error| local(&error))?;
    if under_way {
        stream.writable().await.map_err(|error| delayed(&error))?;
        if let Some(error) = stream.take_error().map_err(|error| delayed(&error))? {
            return Err(delayed(&error));
        }
    }
    Ok(stream)
}

/// A connection to a Unix domain socket; a leading `@` means the abstract name space.
///
/// # Errors
/// As [`tcp`].
pub async fn unix(path: &Path) -> Result<UnixStream, ConnectFailure> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking(), None).map_err(|error| local(&error))?;
    let address = match path.as_os_str().as_bytes().strip_prefix(b"@") {
        Some(name) => {
            let abstract_name = [b"\0", name].concat();
            SockAddr::unix(std::ffi::OsStr::from_bytes(&abstract_name))
        }
        None => SockAddr::unix(path),
    };
    let address = address.map_err(|error| local(&error))?;
    let under_way = begin(&socket, &address, || path.to_string_lossy().into_owned())?;
    let stream = UnixStream::from_std(socket.into()).map_err(|error| local(&error))?;
    if under_way {
        stream.writable().await.map_err(|error| delayed(&error))?;
        if let Some(error) = stream.take_error().map_err(|error| delayed(&error))? {
            return Err(delayed(&error));
        }
    }
    Ok(stream)
}

/// Begins to connect. True while it is under way, false when it stands already.
fn begin(socket: &Socket, address: &SockAddr, printed: impl Fn() -> String) -> Result<bool, ConnectFailure> {
    match socket.connect(address) {
        Ok(()) => Ok(false),
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(true),
        Err(error) => {
            let reason = format!("immediate connect error: {}|remote address:{}", system_text(&error), printed());
            // An address that is not ours to connect from is our own fault; the rest Envoy blames on the host.
            let kind = match error.raw_os_error() {
                Some(libc::EADDRNOTAVAIL) => ConnectFailureKind::Local,
                _ => ConnectFailureKind::Remote,
            };
            Err(ConnectFailure::because(kind, reason))
        }
    }
}

/// An address that need not be there may be bound.
fn free(socket: &Socket, source: SocketAddr) -> io::Result<()> {
    match source {
        SocketAddr::V4(_) => socket.set_freebind_v4(true),
        SocketAddr::V6(_) => socket.set_freebind_v6(true),
    }
}

fn keep_alive(socket: &Socket, settings: &TcpKeepalive) -> io::Result<()> {
    socket.set_keepalive(true)?;
    let mut keepalive = socket2::TcpKeepalive::new();
    if let Some(probes) = settings.probes {
        keepalive = keepalive.with_retries(probes);
    }
    if let Some(time) = settings.time {
        keepalive = keepalive.with_time(time);
    }
    if let Some(interval) = settings.interval {
        keepalive = keepalive.with_interval(interval);
    }
    socket.set_tcp_keepalive(&keepalive)
}

fn delayed(error: &io::Error) -> ConnectFailure {
    ConnectFailure::because(ConnectFailureKind::Remote, format!("delayed connect error: {}", system_text(error)))
}

fn local(error: &io::Error) -> ConnectFailure {
    ConnectFailure::because(ConnectFailureKind::Local, system_text(error))
}
