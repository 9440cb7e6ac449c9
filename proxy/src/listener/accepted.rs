//! A socket as it was accepted. Made by `accept`; `connection` and the listener filters ask it whose it is and what it says first.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use crate::transport::Io;

/// An accepted socket.
#[derive(Debug)]
pub(super) enum Accepted {
    /// TCP, with the peer's address.
    Tcp(TcpStream, SocketAddr),
    /// A Unix domain socket.
    Unix(UnixStream),
}

impl Accepted {
    /// Where the client connected to, and the client.
    pub(super) fn addresses(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        match self {
            // On a socket for both families an IPv4 client comes with a mapped address; as in Envoy it is one of IPv4 from here on.
            Accepted::Tcp(stream, remote) => (stream.local_addr().ok().map(canonical), Some(canonical(*remote))),
            Accepted::Unix(_) => (None, None),
        }
    }

    /// Closing sends a reset: what the client sent was not taken. Envoy only peeks at it, and closing with unread bytes resets.
    pub(super) fn reset_on_close(&self) {
        if let Accepted::Tcp(stream, _) = self {
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
    }

    pub(super) fn into_io(self) -> Io {
        match self {
            Accepted::Tcp(stream, _) => Io::Tcp(stream),
            Accepted::Unix(stream) => Io::Unix(stream),
        }
    }
}

fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
