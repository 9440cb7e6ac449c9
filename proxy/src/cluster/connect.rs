//! Making one connection to an endpoint: socket, addresses in turn, PROXY protocol header, TLS. Pools ask a [`Connector`], which is
//! [`Sockets`] but in tests, where whole clusters run over pipes in memory. Nothing here knows of pools or counts.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use config::address::Address;
use config::cluster::HappyEyeballs;
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep_until};

use super::endpoints::Endpoint;
use super::identity::print;
use super::pool::{Connected, Key, Speaks};
use super::proxy_protocol;
use super::shared::Cluster;
use super::transport::{TlsTransport, Transport};
use super::{ConnectFailure, ConnectFailureKind};
use crate::telemetry::peer::Peer;
use crate::telemetry::stream_info::UpstreamConnection;
use crate::tls::info::TlsInfo;
use crate::tls::{AlpnList, Asked};
use crate::transport::{Io, Stream};

mod socket;
mod tunnel;

/// Makes the connections of one worker.
pub trait Connector {
    /// A connection to the endpoint, made as its cluster and the key say: TLS is done when it stands.
    fn connect<'a>(&'a self, cluster: &'a Cluster, endpoint: &'a Endpoint, key: &'a Key) -> Connecting<'a>;
}

/// A connection that is being made. Boxed: the task that waits for it costs more.
pub type Connecting<'a> = Pin<Box<dyn Future<Output = Result<Connected, ConnectFailure>> + 'a>>;

/// Connects over the system's sockets.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sockets;

impl Connector for Sockets {
    fn connect<'a>(&'a self, cluster: &'a Cluster, endpoint: &'a Endpoint, key: &'a Key) -> Connecting<'a> {
        Box::pin(establish(cluster, endpoint, key))
    }
}

/// Connects, within the cluster's `connect_timeout`, which covers the TLS handshake too, as in Envoy.
///
/// # Errors
/// In Envoy's words.
pub async fn connect(
    connector: &dyn Connector,
    cluster: &Cluster,
    endpoint: &Endpoint,
    key: &Key,
) -> Result<Connected, ConnectFailure> {
    let attempt = connector.connect(cluster, endpoint, key);
    match tokio::time::timeout(cluster.config().connect_timeout, attempt).await {
        Ok(result) => result,
        Err(_) => Err(ConnectFailure::new(ConnectFailureKind::Timeout)),
    }
}

async fn establish(cluster: &Cluster, endpoint: &Endpoint, key: &Key) -> Result<Connected, ConnectFailure> {
    let begun = Instant::now().into_std();
    let transport = cluster.transport(key.transport);
    let told = endpoint.told.as_deref();
    let goal = Goal {
        hostname: &endpoint.hostname,
        address: &endpoint.address,
        proxy: transport.http_proxy(told.and_then(|told| told.http_proxy)),
        tlvs: told.map_or(&[], |told| &told.tlvs),
    };
    let (stream, raced) = goal.open(cluster.config(), &endpoint.additional).await?;
    let peer = raced.map_or_else(|| own_copy(&endpoint.identity.printed), |address| address.to_string().into());
    // A logical host's identity is its name; logs show where it was reached. Of proxies on the way they say nothing.
    let peer = match goal.proxy {
        _ if endpoint.address == endpoint.identity.address => peer,
        Some(_) => print(&endpoint.address),
        None => printed_peer(&stream, peer),
    };
    let local = match &stream {
        Io::Tcp(stream) => stream.local_addr().ok(),
        _ => None,
    };
    let connected = Instant::now().into_std();
    let (stream, tls) = dress(Stream::new(stream), transport, &goal, key).await?;
    let (stream, peer_says) = exchange(cluster, stream, tls.as_ref(), &peer).await?;
    let facts = UpstreamConnection {
        id: NUMBERS.fetch_add(1, Ordering::Relaxed),
        peer,
        local,
        secured: tls.is_some().then(|| Instant::now().into_std()),
        tls: tls.map(Rc::new),
        begun,
        connected,
        peer_says,
    };
    Ok(Connected { stream, facts: Rc::new(facts) })
}

/// Both ends say which workload they stand for, where the cluster has the filter and the server agrees.
async fn exchange(
    cluster: &Cluster,
    stream: Stream,
    tls: Option<&TlsInfo>,
    printed: &str,
) -> Result<(Stream, Option<Rc<Peer>>), ConnectFailure> {
    let Some(exchange) = cluster.exchange() else { return Ok((stream, None)) };
    let alpn = tls.and_then(|tls| tls.alpn.as_deref());
    let address = printed.parse().ok().map(|server: SocketAddr| server.ip());
    let begun = exchange.begin(stream, alpn, address).await;
    let (stream, peer) =
        begun.map_err(|error| ConnectFailure::because(ConnectFailureKind::Remote, system_text(&error)))?;
    Ok((stream, Some(peer)))
}

/// Numbers of connections: one step for each that is made, of whichever worker.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// Where a connection is to lead.
pub(super) struct Goal<'e> {
    /// The endpoint's host name, if it has one.
    pub hostname: &'e str,
    /// Its address.
    pub address: &'e Address,
    /// The HTTP proxy that it goes by.
    pub proxy: Option<SocketAddr>,
    /// What the endpoint is told of itself in a header of the PROXY protocol.
    pub tlvs: &'e [u8],
}

impl Goal<'_> {
    /// A bare connection to it, or to the proxy; and which of several addresses it is.
    pub async fn open(
        &self,
        config: &config::cluster::Cluster,
        additional: &[SocketAddr],
    ) -> Result<(Io, Option<SocketAddr>), ConnectFailure> {
        match self.proxy {
            Some(proxy) => open(config, &Address::Socket(proxy), &[]).await,
            None => open(config, self.address, additional).await,
        }
    }
}

/// A bare connection to an address, and which of several it is.
async fn open(
    config: &config::cluster::Cluster,
    address: &Address,
    additional: &[SocketAddr],
) -> Result<(Io, Option<SocketAddr>), ConnectFailure> {
    let connect = |address| socket::tcp(address, config.bind.as_deref(), config.tcp_keepalive.as_ref());
    match address {
        Address::Socket(only) if additional.is_empty() => Ok((Io::Tcp(connect(*only).await?), None)),
        Address::Socket(first) => {
            let (stream, address) = race(&interleave(*first, additional, config.happy_eyeballs), connect).await?;
            Ok((Io::Tcp(stream), Some(address)))
        }
        Address::Pipe(path) => Ok((Io::Unix(socket::unix(path).await?), None)),
        // Never chosen: the endpoint set holds neither.
        Address::Name { .. } | Address::Internal { .. } => Err(ConnectFailure::new(ConnectFailureKind::Local)),
    }
}

/// Puts on what the cluster's transport socket says: PROXY protocol headers, a tunnel, TLS.
pub(super) async fn dress(
    mut stream: Stream,
    mut transport: &Transport,
    goal: &Goal<'_>,
    key: &Key,
) -> Result<(Stream, Option<TlsInfo>), ConnectFailure> {
    loop {
        match transport {
            Transport::Raw => return Ok((stream, None)),
            Transport::Unavailable => return Err(ConnectFailure::new(ConnectFailureKind::Local)),
            Transport::ProxyProtocol { version, added, passes, inner } => {
                let client = key.tlvs.as_deref().unwrap_or_default();
                let tlvs = proxy_protocol::told(goal.tlvs, added, client, passes);
                let tlvs =
                    tlvs.ok_or_else(|| ConnectFailure::because(ConnectFailureKind::Local, proxy_protocol::TOO_LONG))?;
                announce(&mut stream, *version, key.proxied, &tlvs).await?;
                transport = inner;
            }
            Transport::HttpProxy { inner, .. } => {
                // What is not encrypted the proxy can forward without one, as with Envoy.
                if let Some(proxy) = goal.proxy
                    && inner.tls().is_some()
                {
                    tunnel::open(&mut stream, goal, proxy).await?;
                }
                transport = inner;
            }
            Transport::Tls(context) => {
                let (stream, info) = handshake(context, stream, goal.hostname, key).await?;
                return Ok((stream, Some(info)));
            }
        }
    }
}

async fn handshake(
    tls: &TlsTransport,
    stream: Stream,
    hostname: &str,
    key: &Key,
) -> Result<(Stream, TlsInfo), ConnectFailure> {
    let fallback;
    let alpn = match (&key.alpn, tls.has_alpn()) {
        (Some(list), _) => Some(list),
        (None, true) => None,
        // Neither the request nor the cluster names protocols: what the pool's codec speaks is offered, as in Envoy.
        (None, false) => {
            fallback = own_protocols(key.speaks);
            fallback.as_ref()
        }
    };
    let hostname = (tls.auto_host_sni() && !hostname.is_empty()).then_some(hostname);
    let sni = key.sni.as_deref().or(hostname);
    let context = tls.context().map_err(|reason| ConnectFailure::because(ConnectFailureKind::Local, reason))?;
    context.connect(stream, Asked { alpn, sni, demanded: key.demanded.as_deref() }).await.map_err(|failure| {
        ConnectFailure {
            handshake: Some(failure.kind),
            ..ConnectFailure::because(ConnectFailureKind::Remote, failure.reason)
        }
    })
}

fn own_protocols(speaks: Speaks) -> Option<AlpnList> {
    thread_local! {
        static LISTS: [AlpnList; 3] = [
            Arc::new([Arc::from(*b"http/1.1")]),
            Arc::new([Arc::from(*b"h2")]),
            Arc::new([Arc::from(*b"h2"), Arc::from(*b"http/1.1")]),
        ];
    }
    let list = match speaks {
        Speaks::Http1 => 0,
        Speaks::Http2 => 1,
        Speaks::Either => 2,
        Speaks::Bytes => return None,
    };
    LISTS.with(|lists| Some(Arc::clone(&lists[list])))
}

async fn announce(
    stream: &mut Stream,
    version: u8,
    proxied: Option<(SocketAddr, SocketAddr)>,
    added: &[u8],
) -> Result<(), ConnectFailure> {
    let header = proxy_protocol::header(version, proxied, added);
    let written = async {
        stream.write_all(&header).await?;
        stream.flush().await
    };
    written.await.map_err(|error| ConnectFailure::because(ConnectFailureKind::Remote, system_text(&error)))
}

/// Each request clones its connection's text: were it the endpoint's, all workers would count references in one place.
fn own_copy(text: &str) -> Arc<str> {
    Arc::from(text)
}

fn printed_peer(stream: &Io, otherwise: Arc<str>) -> Arc<str> {
    match stream {
        Io::Tcp(stream) => stream.peer_addr().map_or(otherwise, |address| print(&Address::Socket(address))),
        _ => otherwise,
    }
}

/// RFC 8305 section 4: families take turns, beginning with the first address's unless the cluster says otherwise.
fn interleave(first: SocketAddr, rest: &[SocketAddr], how: HappyEyeballs) -> Vec<SocketAddr> {
    let four_first = how.four_first.unwrap_or(first.is_ipv4());
    let all = || std::iter::once(&first).chain(rest).copied();
    let mut same = all().filter(|address| address.is_ipv4() == four_first);
    let mut other = all().filter(|address| address.is_ipv4() != four_first);
    let mut addresses = Vec::with_capacity(1 + rest.len());
    loop {
        let before = addresses.len();
        addresses.extend(same.by_ref().take(how.count));
        addresses.extend(other.next());
        if addresses.len() == before {
            return addresses;
        }
    }
}

/// Tries addresses in turn, the next one when the last has failed or has taken 300 ms, and takes the first that answers.
///
/// # Errors
/// When all have failed, the last failure.
async fn race<T, F>(
    addresses: &[SocketAddr],
    attempt: impl Fn(SocketAddr) -> F,
) -> Result<(T, SocketAddr), ConnectFailure>
where
    F: Future<Output = Result<T, ConnectFailure>>,
{
    let mut waiting = addresses.iter().copied();
    let mut running: Vec<(SocketAddr, Pin<Box<F>>)> = Vec::new();
    let mut timer = pin!(sleep_until(Instant::now()));
    let mut last = ConnectFailure::new(ConnectFailureKind::Local);
    std::future::poll_fn(|cx| {
        loop {
            let mut index = 0;
            while index < running.len() {
                match running[index].1.as_mut().poll(cx) {
                    Poll::Ready(Ok(made)) => return Poll::Ready(Ok((made, running[index].0))),
                    Poll::Ready(Err(failure)) => {
                        last = failure;
                        let _ended = running.remove(index);
                        timer.as_mut().reset(Instant::now());
                    }
                    Poll::Pending => index += 1,
                }
            }
            if waiting.len() == 0 {
                return if running.is_empty() { Poll::Ready(Err(last.clone())) } else { Poll::Pending };
            }
            if !running.is_empty() && timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if let Some(address) = waiting.next() {
                running.push((address, Box::pin(attempt(address))));
                timer.as_mut().reset(Instant::now() + ATTEMPT_DELAY);
            }
        }
    })
    .await
}

/// The system's words for an error, without Rust's `(os error 111)`.
pub fn system_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// Envoy's `happy_eyeballs` attempt delay.
const ATTEMPT_DELAY: Duration = Duration::from_millis(300);

#[cfg(test)]
mod tests;
