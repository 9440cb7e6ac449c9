//! Opening the sockets of a listener: one for each worker and address. Called by the control thread; workers own what it returns for as
//! long as the address is configured, because closing one of several sockets of an address resets what its queue holds.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::path::Path;

use config::address::Address;
use config::listener::Listener;
use config::{At, Rejection};
use socket2::{Domain, Protocol, SockAddr, Socket as RawSocket, TcpKeepalive, Type};

use crate::sys;

/// Envoy's default (`net.core.somaxconn`, 4096 on current kernels, cuts it).
const BACKLOG: i32 = 4096;

/// A listening socket.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A Unix domain socket.
    Unix(std::os::unix::net::UnixListener),
}

impl From<std::net::TcpListener> for Socket {
    fn from(socket: std::net::TcpListener) -> Socket {
        Socket::Tcp(socket)
    }
}

/// The bound sockets of one listener, for each worker one for each address. They hold the addresses; clients are refused until
/// [`Bound::listen`].
#[derive(Debug)]
pub struct Bound {
    workers: Vec<Vec<RawSocket>>,
    backlog: i32,
}

/// Why an address could not be bound, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("cannot bind {address}: {error}{advice}")]
pub struct BindFailure {
    /// The address and port.
    pub address: String,
    /// What the system said.
    pub error: io::Error,
    advice: &'static str,
}

/// Binds. Nothing for listeners with `bind_to_port: false` and internal ones.
///
/// # Errors
/// The first address that cannot be had; what was opened before is closed.
pub fn bind(config: &Listener, workers: usize) -> Result<Bound, BindFailure> {
    let backlog = config.backlog.map_or(BACKLOG, |backlog| i32::try_from(backlog).unwrap_or(i32::MAX));
    let mut bound = Bound { workers: (0..workers.max(1)).map(|_| Vec::new()).collect(), backlog };
    if !config.bind_to_port {
        return Ok(bound);
    }
    match &config.address {
        Some(Address::Socket(address)) => bind_tcp(config, *address, &mut bound)?,
        Some(Address::Pipe(path)) => bind_unix(path, &mut bound)?,
        Some(Address::Name { .. } | Address::Internal { .. }) | None => return Ok(bound),
    }
    for address in &config.additional_addresses {
        bind_tcp(config, *address, &mut bound)?;
    }
    Ok(bound)
}

impl Bound {
    /// Where the first worker's sockets are bound.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        let first = self.workers.first().map(Vec::as_slice).unwrap_or_default();
        first.iter().filter_map(|socket| socket.local_addr().ok()?.as_socket()).collect()
    }

    /// Begins to take connections: the sockets of each worker, in order.
    ///
    /// # Errors
    /// Another process listens on the address since it was bound.
    pub fn listen(self) -> Result<Vec<Vec<Socket>>, BindFailure> {
        let listen = |socket: RawSocket| {
            let address = socket.local_addr().ok();
            let fail = |error| BindFailure::new(address.as_ref().map(printed_raw).unwrap_or_default(), error);
            socket.listen(self.backlog).map_err(fail)?;
            Ok(match address.as_ref().is_some_and(|address| address.as_socket().is_some()) {
                true => Socket::Tcp(socket.into()),
                false => Socket::Unix(socket.into()),
            })
        };
        self.workers.into_iter().map(|sockets| sockets.into_iter().map(listen).collect()).collect()
    }
}

fn printed_raw(address: &SockAddr) -> String {
    match address.as_socket() {
        Some(address) => address.to_string(),
        None => address.as_pathname().map_or_else(|| "unix socket".into(), |path| path.display().to_string()),
    }
}

/// An address as messages and stats names print it.
pub(super) fn printed(address: &Address) -> String {
    match address {
        Address::Socket(address) => address.to_string(),
        Address::Name { host, port } => format!("{host}:{port}"),
        Address::Pipe(path) => path.display().to_string(),
        Address::Internal { listener, endpoint_id } => format!("envoy://{listener}/{endpoint_id}"),
    }
}

/// Why both listeners cannot be had: they want one address.
pub fn duplicate(config: &Listener, other: &Listener) -> Option<Rejection> {
    let taken = tcp_addresses(other).find(|taken| tcp_addresses(config).any(|address| address == *taken))?;
    let reason = format!(
        "listener '{}' has duplicate address '{taken}' as existing listener '{}'; give one of them another address or port",
        config.name, other.name
    );
    Some(At::root().field("address").reject(reason))
}

/// Where a listener binds. Port 0 is a new port each time.
fn tcp_addresses(config: &Listener) -> impl Iterator<Item = SocketAddr> {
    let first = match &config.address {
        Some(Address::Socket(address)) => Some(*address),
        _ => None,
    };
    let all = first.into_iter().chain(config.additional_addresses.iter().copied());
    all.filter(|address| config.bind_to_port && address.port() != 0)
}

fn bind_tcp(config: &Listener, address: SocketAddr, bound: &mut Bound) -> Result<(), BindFailure> {
    let fail = |error| BindFailure::new(address.to_string(), error);
    let probe = open(config, address).map_err(fail)?;
    probe.bind(&address.into()).map_err(fail)?;
    if !config.reuse_port {
        return inheritable(&probe, config).and_then(|()| share(&probe, bound)).map_err(fail);
    }
    // SO_REUSEPORT hides a conflict with a socket of the same user, an older copy of ours for one. The first bind was without it and
    // held the address alone; it was not listening, so nothing is lost when it goes. Port 0 keeps the number that it found.
    let found = probe.local_addr().map_err(fail)?;
    drop(probe);
    for worker in &mut bound.workers {
        let socket = open(config, address).map_err(fail)?;
        socket.set_reuse_port(true).map_err(fail)?;
        socket.bind(&found).map_err(fail)?;
        inheritable(&socket, config).map_err(fail)?;
        worker.push(socket);
    }
    Ok(())
}

/// One socket for all workers: each has a duplicate of its descriptor.
fn share(socket: &RawSocket, bound: &mut Bound) -> io::Result<()> {
    for worker in &mut bound.workers {
        worker.push(socket.try_clone()?);
    }
    Ok(())
}

fn open(config: &Listener, address: SocketAddr) -> io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // Envoy's `ipv4_compat` is off by default: an IPv6 socket takes IPv6 alone.
        socket.set_only_v6(true)?;
    }
    if config.freebind {
        match address {
            SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
            SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
        }
    }
    if config.transparent && address.is_ipv4() {
        socket.set_ip_transparent_v4(true)?;
    } else if config.transparent {
        sys::set_socket_option(socket.as_fd(), libc::SOL_IPV6, libc::IPV6_TRANSPARENT, &1i32.to_ne_bytes())?;
    }
    Ok(socket)
}

/// Options that accepted connections inherit.
fn inheritable(socket: &RawSocket, config: &Listener) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if let Some(keepalive) = &config.tcp_keepalive {
        let mut settings = TcpKeepalive::new();
        if let Some(time) = keepalive.time {
            settings = settings.with_time(time);
        }
        if let Some(interval) = keepalive.interval {
            settings = settings.with_interval(interval);
        }
        if let Some(probes) = keepalive.probes {
            settings = settings.with_retries(probes);
        }
        socket.set_tcp_keepalive(&settings)?;
    }
    for option in &config.socket_options {
        sys::set_socket_option(socket.as_fd(), option.level, option.name, &option.value)?;
    }
    Ok(())
}

fn bind_unix(path: &Path, bound: &mut Bound) -> Result<(), BindFailure> {
    let fail = |error| BindFailure::new(path.display().to_string(), error);
    open_unix(path).and_then(|socket| share(&socket, bound)).map_err(fail)
}

fn open_unix(path: &Path) -> io::Result<RawSocket> {
    let text = path.to_string_lossy();
    let address = match text.strip_prefix('@') {
        // socket2 takes a leading NUL for the abstract name space.
        Some(name) => SockAddr::unix(format!("\0{name}"))?,
        None => {
            remove_stale(path)?;
            SockAddr::unix(path)?
        }
    };
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    socket.bind(&address)?;
    Ok(socket)
}

/// A socket file that nobody listens on is what a process left behind when it was killed.
fn remove_stale(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(_) => std::fs::remove_file(path),
    }
}

impl BindFailure {
    fn new(address: String, error: io::Error) -> BindFailure {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => {
                "; another process holds it (`ss -ltnp` names it): stop that one, or give the listener another port"
            }
            io::ErrorKind::AddrNotAvailable => {
                "; this host has no such address: add it to an interface, or bind another one"
            }
            io::ErrorKind::PermissionDenied => {
                "; ports below 1024 need CAP_NET_BIND_SERVICE: grant it, or use a higher port"
            }
            _ => "",
        };
        BindFailure { address, error, advice }
    }
}

#[cfg(test)]
mod tests;
