//! Opening the sockets of an address: one for each worker. Called by the control thread; workers own what it returns for as
//! long as the address is configured, because closing one of several sockets of an address resets what its queue holds.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::path::Path;

use config::address::Address;
use config::cluster::TcpKeepalive;
use config::listener::{AdditionalAddress, Listener, SocketOption, SocketState};
use config::{At, Rejection};
use socket2::{Domain, Protocol, SockAddr, Socket as RawSocket, Type};

use crate::sys;

mod admin;
mod strangers;

pub use admin::AdminPlace;

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

/// How the sockets of a listener are opened. Sockets that were opened in one way serve every listener that wants it so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `enable_reuse_port`: a socket of its own for each worker.
    pub reuse_port: bool,
    freebind: bool,
    transparent: bool,
    backlog: i32,
    keepalive: Option<TcpKeepalive>,
    options: Vec<SocketOption>,
    /// An IPv6 socket takes IPv4, too.
    ipv4_compat: bool,
    /// Of a Unix socket's file; 0 is as the process makes files.
    pipe_mode: u32,
}

impl Settings {
    /// What a listener asks for.
    pub fn of(config: &Listener) -> Settings {
        Settings {
            reuse_port: config.reuse_port,
            freebind: config.freebind,
            transparent: config.transparent,
            backlog: config.backlog.map_or(BACKLOG, |backlog| i32::try_from(backlog).unwrap_or(i32::MAX)),
            keepalive: config.tcp_keepalive,
            options: config.socket_options.clone(),
            ipv4_compat: config.ipv4_compat,
            pipe_mode: config.pipe_mode,
        }
    }

    /// What one of the listener's additional addresses asks for.
    fn of_additional(config: &Listener, more: &AdditionalAddress) -> Settings {
        let mut settings = Settings::of(config);
        if let Some(options) = &more.socket_options {
            settings.options.clone_from(options);
        }
        settings.keepalive = more.tcp_keepalive.or(settings.keepalive);
        settings.ipv4_compat = more.ipv4_compat;
        settings
    }
}

/// What of ours holds an address, or one that overlaps with it (all addresses of a port, and one of them).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbours {
    /// Nothing: whoever holds it is a stranger.
    None,
    /// Sockets of ours: a bind without sharing would fail for them.
    Ours,
}

/// The bound sockets of one address, one for each worker. They hold the address; clients are refused until [`Bound::listen`].
#[derive(Debug)]
pub struct Bound {
    workers: Vec<RawSocket>,
    backlog: i32,
    /// What is told to sockets that listen.
    options: Vec<SocketOption>,
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

/// Where a listener binds, each address once. Nowhere with `bind_to_port: false`, and internal ones.
pub fn addresses(config: &Listener) -> Vec<Address> {
    places(config).into_iter().map(|(address, _)| address).collect()
}

/// The same, and how.
pub fn places(config: &Listener) -> Vec<(Address, Settings)> {
    let mut all: Vec<(Address, Settings)> = Vec::new();
    if let Some(address @ (Address::Socket(_) | Address::Pipe(_))) = &config.address
        && config.bind_to_port
    {
        all.push((address.clone(), Settings::of(config)));
        for more in &config.additional_addresses {
            let address = Address::Socket(more.address);
            if has_port_of_its_own(&address) || all.iter().all(|(known, _)| *known != address) {
                all.push((address, Settings::of_additional(config, more)));
            }
        }
    }
    all
}

/// Port 0 is a new port each time.
pub fn has_port_of_its_own(address: &Address) -> bool {
    matches!(address, Address::Socket(address) if address.port() == 0)
}

/// Whether sockets of both addresses may stand in each other's way.
pub fn overlap((one, how): (&Address, &Settings), (other, how_other): (&Address, &Settings)) -> bool {
    let compat = how.ipv4_compat || how_other.ipv4_compat;
    match (one, other) {
        (Address::Socket(one), Address::Socket(other)) => {
            let (left, right) = (one.ip(), other.ip());
            one.port() != 0
                && one.port() == other.port()
                && match (left.to_canonical(), right.to_canonical()) {
                    (IpAddr::V6(all), IpAddr::V4(_)) | (IpAddr::V4(_), IpAddr::V6(all)) => {
                        compat && all.is_unspecified()
                    }
                    (left, right) => left == right || left.is_unspecified() || right.is_unspecified(),
                }
        }
        _ => one == other,
    }
}

/// Opens and binds the sockets of an address.
///
/// # Errors
/// The address cannot be had; what was opened before is closed.
pub fn open(
    address: &Address,
    settings: &Settings,
    workers: usize,
    neighbours: Neighbours,
) -> Result<Bound, BindFailure> {
    let fail = |error: io::Error| match (address, error.kind()) {
        (Address::Socket(address), io::ErrorKind::AddrInUse)
            if neighbours == Neighbours::Ours && !strangers::listen_on(*address) =>
        {
            BindFailure { address: address.to_string(), error, advice: OUR_OWN }
        }
        _ => BindFailure::new(printed(address), error),
    };
    let workers = workers.max(1);
    let sockets = match address {
        Address::Socket(address) => open_tcp(*address, settings, workers, neighbours),
        Address::Pipe(path) => open_unix(path, settings, neighbours).and_then(|socket| share(&socket, workers)),
        Address::Name { .. } | Address::Internal { .. } => Err(io::ErrorKind::AddrNotAvailable.into()),
    };
    Ok(Bound { workers: sockets.map_err(fail)?, backlog: settings.backlog, options: settings.options.clone() })
}

impl Bound {
    /// Where it is bound, a port that the system chose filled in; `None` for Unix sockets.
    pub fn address(&self) -> Option<SocketAddr> {
        self.workers.first()?.local_addr().ok()?.as_socket()
    }

    /// Begins to take connections: a socket for each worker, in order.
    ///
    /// # Errors
    /// Another process listens on the address since it was bound.
    pub fn listen(self) -> Result<Vec<Socket>, BindFailure> {
        let listen = |socket: RawSocket| {
            let address = socket.local_addr().ok();
            let fail = |error| BindFailure::new(address.as_ref().map(printed_raw).unwrap_or_default(), error);
            socket.listen(self.backlog).map_err(fail)?;
            tell(&socket, &self.options, SocketState::Listening, is_four(address.as_ref())).map_err(fail)?;
            Ok(match address.as_ref().is_some_and(|address| address.as_socket().is_some()) {
                true => Socket::Tcp(socket.into()),
                false => Socket::Unix(socket.into()),
            })
        };
        self.workers.into_iter().map(listen).collect()
    }
}

fn printed_raw(address: &SockAddr) -> String {
    match address.as_socket() {
        Some(address) => address.to_string(),
        None => address.as_pathname().map_or_else(|| "unix socket".into(), |path| path.display().to_string()),
    }
}

/// An address as messages and stats names print it.
pub fn printed(address: &Address) -> String {
    match address {
        Address::Socket(address) => address.to_string(),
        Address::Name { host, port } => format!("{host}:{port}"),
        Address::Pipe(path) => path.display().to_string(),
        Address::Internal { listener, endpoint_id } => format!("envoy://{listener}/{endpoint_id}"),
    }
}

/// Why both listeners cannot be had: they want one address.
pub fn duplicate(config: &Listener, other: &Listener) -> Option<Rejection> {
    let (wanted, taken) = (addresses(config), addresses(other));
    let both = wanted.iter().find(|address| !has_port_of_its_own(address) && taken.contains(address))?;
    Some(duplicate_of(&config.name, both, &other.name))
}

/// The refusal of an address that another listener of ours has.
pub fn duplicate_of(listener: &str, address: &Address, other: &str) -> Rejection {
    At::root().field("address").reject(format!(
        "listener '{listener}' has duplicate address '{}' as existing listener '{other}'; give one of them another address or port",
        printed(address)
    ))
}

fn open_tcp(
    address: SocketAddr,
    settings: &Settings,
    workers: usize,
    neighbours: Neighbours,
) -> io::Result<Vec<RawSocket>> {
    // SO_REUSEPORT hides a conflict with a socket of the same user, an older copy of ours for one. So the first bind is without it; it
    // holds the address alone, and is not listening, so nothing is lost when it goes. Beside sockets of ours it would fail for these.
    let found = match neighbours {
        Neighbours::None => {
            let probe = new_socket(address, settings)?;
            probe.bind(&address.into())?;
            if !settings.reuse_port {
                inheritable(&probe, settings)?;
                return share(&probe, workers);
            }
            // Port 0 keeps the number that it found.
            probe.local_addr()?
        }
        Neighbours::Ours if strangers::listen_on(address) => return Err(io::ErrorKind::AddrInUse.into()),
        Neighbours::Ours => address.into(),
    };
    let count = if settings.reuse_port { workers } else { 1 };
    let mut sockets = Vec::with_capacity(count);
    for _ in 0..count {
        let socket = new_socket(address, settings)?;
        socket.set_reuse_port(settings.reuse_port)?;
        socket.bind(&found)?;
        inheritable(&socket, settings)?;
        sockets.push(socket);
    }
    if settings.reuse_port { Ok(sockets) } else { share(&sockets[0], workers) }
}

/// One socket for all workers: each has a duplicate of its descriptor.
fn share(socket: &RawSocket, workers: usize) -> io::Result<Vec<RawSocket>> {
    (0..workers).map(|_| socket.try_clone()).collect()
}

fn new_socket(address: SocketAddr, settings: &Settings) -> io::Result<RawSocket> {
    let socket = RawSocket::new(Domain::for_address(address), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(!settings.ipv4_compat)?;
    }
    if settings.freebind {
        match address {
            SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
            SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
        }
    }
    if settings.transparent && address.is_ipv4() {
        socket.set_ip_transparent_v4(true)?;
    } else if settings.transparent {
        sys::set_socket_option(socket.as_fd(), libc::SOL_IPV6, libc::IPV6_TRANSPARENT, &1i32.to_ne_bytes())?;
    }
    tell(&socket, &settings.options, SocketState::Prebind, Some(address.is_ipv4()))?;
    Ok(socket)
}

/// Options that accepted connections inherit.
fn inheritable(socket: &RawSocket, settings: &Settings) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    if let Some(keepalive) = &settings.keepalive {
        let mut wanted = socket2::TcpKeepalive::new();
        if let Some(time) = keepalive.time {
            wanted = wanted.with_time(time);
        }
        if let Some(interval) = keepalive.interval {
            wanted = wanted.with_interval(interval);
        }
        if let Some(probes) = keepalive.probes {
            wanted = wanted.with_retries(probes);
        }
        socket.set_tcp_keepalive(&wanted)?;
    }
    let address = socket.local_addr()?;
    tell(socket, &settings.options, SocketState::Bound, is_four(Some(&address)))
}

/// Sets the options that are for the state that a socket is in.
fn tell(socket: &RawSocket, options: &[SocketOption], state: SocketState, four: Option<bool>) -> io::Result<()> {
    let mut options = options.iter().filter(|option| option.is_for(state, four));
    options.try_for_each(|option| sys::set_socket_option(socket.as_fd(), option.level, option.name, &option.value))
}

/// Whether an address is one of IPv4, if it is of either kind.
fn is_four(address: Option<&SockAddr>) -> Option<bool> {
    address.and_then(SockAddr::as_socket).map(|address| address.is_ipv4())
}

fn open_unix(path: &Path, settings: &Settings, neighbours: Neighbours) -> io::Result<RawSocket> {
    use std::os::unix::fs::PermissionsExt;
    let text = path.to_string_lossy();
    let abstract_name = text.strip_prefix('@');
    let address = match abstract_name {
        // socket2 takes a leading NUL for the abstract name space.
        Some(name) => SockAddr::unix(format!("\0{name}"))?,
        None => {
            remove_stale(path, neighbours)?;
            SockAddr::unix(path)?
        }
    };
    let socket = RawSocket::new(Domain::UNIX, Type::STREAM.nonblocking(), None)?;
    tell(&socket, &settings.options, SocketState::Prebind, None)?;
    socket.bind(&address)?;
    if settings.pipe_mode != 0 && abstract_name.is_none() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(settings.pipe_mode))?;
    }
    tell(&socket, &settings.options, SocketState::Bound, None)?;
    Ok(socket)
}

/// A socket file that nobody listens on is what a process left behind when it was killed; one of ours that closes has lost its use.
fn remove_stale(path: &Path, neighbours: Neighbours) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_socket());
    if !is_socket {
        return Ok(());
    }
    if neighbours == Neighbours::None && std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(io::ErrorKind::AddrInUse.into());
    }
    std::fs::remove_file(path)
}

const OUR_OWN: &str = "; a listener of this proxy holds an address that overlaps, or held it until now: with enable_reuse_port on both \
                       they stand beside each other";

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
pub(super) mod tests;
