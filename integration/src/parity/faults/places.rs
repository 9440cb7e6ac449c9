//! Places that fail, each in its own way. Used by [`super::play`] alone.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{namespace, until_idle};
use crate::control_plane::ca::Authority;
use crate::embedded::app::read_head;
use crate::embedded::ports;
use crate::parity::address;
use crate::parity::started::Failure;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
const PART: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf";
/// Longer than any timer of the proxy.
const LONG: Duration = Duration::from_secs(60);

/// Where a cluster's requests go.
pub(super) struct Place {
    /// The cluster's, and the host's.
    pub name: &'static str,
    /// For people.
    pub what: &'static str,
    pub at: Option<SocketAddr>,
    pub is_tls: bool,
    /// What else its cluster has.
    pub more: Value,
    /// Done between the first request and the second, given the admin interface.
    pub between: Option<fn(SocketAddr) -> Result<(), Failure>>,
    /// What listens there. It is never accepted from where nobody accepts.
    _held: Option<Socket>,
}

/// Who vouches for places.
pub(super) struct Trust {
    authority: Authority,
}

impl Trust {
    pub fn new() -> Trust {
        Trust { authority: Authority::new() }
    }

    /// The socket of clusters that demand a certificate of the authority.
    pub fn socket(&self) -> Value {
        json!({ "name": "tls", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "common_tls_context": { "validation_context": {
                "trusted_ca": { "inline_string": self.authority.roots() } } } } })
    }

    /// TLS with a certificate that ended yesterday.
    fn expired(&self) -> Result<TlsAcceptor, Failure> {
        let day = Duration::from_secs(24 * 3600);
        let (from, until) = (SystemTime::now() - 2 * day, SystemTime::now() - day);
        let leaf = self.authority.issue_for("spiffe://mesh/peer", from, until);
        let chain = CertificateDer::pem_slice_iter(leaf.chain.as_bytes()).collect::<Result<_, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes())?;
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let config =
            config.with_safe_default_protocol_versions()?.with_no_client_auth().with_single_cert(chain, key)?;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

fn place(name: &'static str, what: &'static str, at: Option<SocketAddr>) -> Place {
    Place { name, what, at, is_tls: false, more: json!({}), between: None, _held: None }
}

/// A server that treats each connection so.
async fn server<F>(at: Ipv4Addr, serve: impl Fn(TcpStream) -> F + Send + 'static) -> Result<Option<SocketAddr>, Failure>
where
    F: Future<Output = std::io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind((at, 0)).await?;
    let at = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    Ok(Some(at))
}

/// One whose queue of connections is full: further ones get no answer.
fn full() -> Result<(Socket, SocketAddr), Failure> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(0)?;
    let at = socket.local_addr()?.as_socket().ok_or("it has an address")?;
    // Until one is not taken.
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&at, Duration::from_millis(300)) {
        std::mem::forget(stream);
    }
    Ok((socket, at))
}

/// Closes with a reset.
fn reset(stream: &TcpStream) -> std::io::Result<()> {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))
}

/// All of them.
pub(super) async fn all(trust: &Trust) -> Result<Vec<Place>, Failure> {
    let here = Ipv4Addr::LOCALHOST;
    let nobody = ports::free(here.into());
    let mut all = vec![
        place("refuses", "nobody listens", Some(nobody)),
        place("lost", "packets are lost on the way", Some((namespace::LOST, 80).into())),
    ];
    let (held, at) = full()?;
    all.push(Place { _held: Some(held), ..place("full", "connections wait in a full queue", Some(at)) });
    all.push(place("late", "connections are accepted late", late().await?));
    let resets = |stream: TcpStream| async move {
        // Once something has come: before that it might not have been a connection yet.
        stream.peek(&mut [0]).await?;
        reset(&stream)
    };
    all.push(place("resets", "the server resets each connection", server(here, resets).await?));
    let killed = |mut stream: TcpStream| async move {
        read_head(&mut stream).await;
        reset(&stream)
    };
    all.push(place("killed", "the server is killed while it works", server(here, killed).await?));
    let ends = |mut stream: TcpStream| async move {
        read_head(&mut stream).await;
        stream.shutdown().await
    };
    all.push(place("ends", "the server ends the connection without an answer", server(here, ends).await?));
    let killed_within = |mut stream: TcpStream| async move {
        read_head(&mut stream).await;
        stream.write_all(PART).await?;
        // The answer has been read once the proxy has no more to wait for; then the reset cannot overtake it.
        tokio::time::sleep(Duration::from_millis(200)).await;
        reset(&stream)
    };
    all.push(place("killed-within", "the server is killed within the answer", server(here, killed_within).await?));
    let ends_within = |mut stream: TcpStream| async move {
        read_head(&mut stream).await;
        stream.write_all(PART).await?;
        stream.shutdown().await
    };
    all.push(place(
        "ends-within",
        "the server ends the connection within the answer",
        server(here, ends_within).await?,
    ));
    let hangs = |mut stream: TcpStream| async move {
        read_head(&mut stream).await;
        tokio::time::sleep(LONG).await;
        Ok(())
    };
    all.push(place("hangs", "the server hangs", server(here, hangs).await?));
    let hangs_within = |mut stream: TcpStream| async move {
        read_head(&mut stream).await;
        stream.write_all(PART).await?;
        tokio::time::sleep(LONG).await;
        Ok(())
    };
    all.push(place("hangs-within", "the server hangs within the answer", server(here, hangs_within).await?));
    let nonsense = |mut stream: TcpStream| async move {
        read_head(&mut stream).await;
        stream.write_all(b"hello\r\n\r\n").await
    };
    all.push(place("nonsense", "the server speaks no HTTP", server(here, nonsense).await?));
    all.extend(twice().await?);
    all.extend(names(nobody)?);
    all.extend(certificates(trust).await?);
    Ok(all)
}

/// Accepts when the connection has stood for a while.
async fn late() -> Result<Option<SocketAddr>, Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let at = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let Ok((mut stream, _)) = listener.accept().await else { return };
            tokio::spawn(async move {
                read_head(&mut stream).await;
                stream.write_all(OK).await
            });
        }
    });
    Ok(Some(at))
}

/// Those that fail after the first answer.
async fn twice() -> Result<[Place; 2], Failure> {
    let once = |mut stream: TcpStream| async move {
        read_head(&mut stream).await;
        stream.write_all(OK).await
    };
    let idle = Place {
        between: Some(|admin| until_idle(admin, "twice-idle")),
        ..place("twice-idle", "the server has closed an idle connection", server(Ipv4Addr::LOCALHOST, once).await?)
    };
    namespace::bring_back()?;
    let always = |mut stream: TcpStream| async move {
        while !read_head(&mut stream).await.is_empty() {
            stream.write_all(OK).await?;
        }
        Ok(())
    };
    let vanished = Place {
        between: Some(|_| namespace::take_away()),
        ..place(
            "twice-half",
            "a connection is half open: its server is gone without a word",
            server(namespace::MOVES, always).await?,
        )
    };
    Ok([idle, vanished])
}

/// Those of a name.
fn names(nobody: SocketAddr) -> Result<[Place; 1], Failure> {
    let resolver = json!({ "name": "cares", "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig",
        "resolvers": [address(nobody)], "use_resolvers_as_fallback": false,
        "dns_resolver_options": { "no_default_search_domain": true } } });
    let endpoint =
        json!({ "endpoint": { "address": { "socket_address": { "address": "app.example", "port_value": 80 } } } });
    let more = json!({ "type": "STRICT_DNS", "dns_lookup_family": "V4_ONLY", "typed_dns_resolver_config": resolver,
        "load_assignment": { "cluster_name": "dns", "endpoints": [{ "lb_endpoints": [endpoint] }] } });
    Ok([Place { more, ..place("dns", "no resolver answers", None) }])
}

/// Those of TLS.
async fn certificates(trust: &Trust) -> Result<[Place; 2], Failure> {
    let acceptor = trust.expired()?;
    let expired = move |stream: TcpStream| {
        let acceptor = acceptor.clone();
        async move {
            let mut stream = acceptor.accept(stream).await?;
            let mut room = [0; 1024];
            stream.read(&mut room).await.map(|_| ())
        }
    };
    let at = server(Ipv4Addr::LOCALHOST, expired).await?;
    let expired = Place { is_tls: true, ..place("expired", "the server's certificate is out of date", at) };
    let plain = |mut stream: TcpStream| async move {
        let mut room = [0; 1024];
        let _hello = stream.read(&mut room).await?;
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n").await
    };
    let at = server(Ipv4Addr::LOCALHOST, plain).await?;
    Ok([expired, Place { is_tls: true, ..place("plain", "the server speaks no TLS", at) }])
}
