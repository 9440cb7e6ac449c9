//! Pools over TLS: what is offered by ALPN, what that makes the pool speak, and that nothing is shared which should not be.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use config::cluster::{Cluster as Config, Discovery, UpstreamProtocol, UpstreamTransport};
use config::tls::{CommonTls, DownstreamTls, SecretSource, SessionTickets, TlsVersion, UpstreamTls};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::cluster::testing::*;
use crate::cluster::{ConnectFailure, ConnectFailureKind, HttpLease, HttpWant, Pick};
use crate::tls::testing::{Authority, alpn, given, roots};
use crate::tls::{AlpnList, Secrets, ServerContext};
use crate::transport::Stream;
use crate::wire::message::Protocol;

/// Server name and negotiated ALPN of a connection.
type Seen = (Option<String>, Option<String>);

/// A TLS server that writes down each connection's server name and ALPN, and keeps it open.
struct Server {
    address: std::net::SocketAddr,
    authority: Authority,
    seen: Rc<RefCell<Vec<Seen>>>,
}

fn common(protocols: &[&str]) -> CommonTls {
    CommonTls {
        min_version: TlsVersion::Tls12,
        max_version: TlsVersion::Tls13,
        cipher_suites: Vec::new(),
        ecdh_curves: Vec::new(),
        compliance: None,
        signature_algorithms: Vec::new(),
        alpn: alpn(protocols),
        certificates: Vec::new(),
        validation: None,
    }
}

impl Server {
    async fn start(protocols: &[&str]) -> Server {
        let authority = Authority::new("root");
        let leaf = authority.issue("app.example");
        let config = DownstreamTls {
            common: CommonTls {
                certificates: vec![SecretSource::Inline(Arc::new(leaf.config()))],
                ..common(protocols)
            },
            require_client_certificate: false,
            require_sni: false,
            tickets: SessionTickets::OwnKeys,
            disable_stateful_resumption: false,
            session_timeout: None,
            staple_policy: config::tls::StaplePolicy::Lenient,
            prefer_client_ciphers: false,
            full_scan_on_sni_mismatch: false,
        };
        let context = ServerContext::new(&config, &Secrets::new(), "test").expect("a good context");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let seen: Rc<RefCell<Vec<Seen>>> = Rc::default();
        let noted = Rc::clone(&seen);
        tokio::task::spawn_local(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (context, noted) = (Arc::clone(&context), Rc::clone(&noted));
                tokio::task::spawn_local(async move {
                    let Ok((mut stream, info)) = context.accept(Stream::from(stream)).await else { return };
                    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                    noted
                        .borrow_mut()
                        .push((info.server_name.map(|name| name.to_string()), info.alpn.as_deref().map(text)));
                    if info.alpn.as_deref() == Some(b"h2") {
                        // An empty SETTINGS frame.
                        let _closed = stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await;
                        let _closed = stream.flush().await;
                    }
                    std::future::pending::<()>().await;
                });
            }
        });
        Server { address, authority, seen }
    }

    /// A cluster that trusts it.
    fn cluster(&self, protocol: UpstreamProtocol, protocols: &[&str], change: impl FnOnce(&mut Config)) -> Config {
        let tls = UpstreamTls {
            common: CommonTls { validation: given(&[roots(&self.authority.root)]), ..common(protocols) },
            sni: Some("outbound_.80_._.app".into()),
            auto_host_sni: false,
            auto_sni_san_validation: false,
            max_session_keys: 1,
        };
        let mut config = config(Discovery::Static(assignment(vec![endpoint(self.address)])));
        config.http.protocol = protocol;
        config.transport = UpstreamTransport::Tls(Arc::new(tls));
        change(&mut config);
        config
    }

    /// What a request gets, and what the server saw of it.
    async fn ask(&self, config: Config, want: &HttpWant<'_>) -> (Result<HttpLease, ConnectFailure>, Option<Seen>) {
        let bench = Bench::new();
        bench.publish(config);
        let cluster = bench.worker("outbound|80||app");
        let host = cluster.pick(&Pick::default()).expect("a host");
        let lease = cluster.http(&host, want).await;
        let before = self.seen.borrow().len();
        if lease.is_ok() && before == 0 {
            until(|| !self.seen.borrow().is_empty()).await;
        }
        (lease, self.seen.borrow_mut().pop())
    }
}

fn list(names: &[&str]) -> AlpnList {
    alpn(names).into()
}

#[test]
fn without_names_of_its_own_a_pool_offers_what_it_speaks() {
    run(async {
        for (offers, takes, protocol, expected) in [
            (UpstreamProtocol::Http1, &["http/1.1"][..], Protocol::Http11, Some("http/1.1")),
            (UpstreamProtocol::Http2, &["h2"], Protocol::Http2, Some("h2")),
            (UpstreamProtocol::Auto, &["h2", "http/1.1"], Protocol::Http2, Some("h2")),
            (UpstreamProtocol::Auto, &["http/1.1"], Protocol::Http11, Some("http/1.1")),
            (UpstreamProtocol::Auto, &[], Protocol::Http11, None),
        ] {
            let server = Server::start(takes).await;
            let (lease, seen) = server.ask(server.cluster(offers, &[], |_| {}), &want()).await;
            let lease = lease.expect("a stream");
            assert_eq!(lease.protocol, protocol, "{offers:?} to {takes:?}");
            assert_eq!(seen.expect("seen").1.as_deref(), expected);
            assert_eq!(lease.connection.tls.as_ref().and_then(|tls| tls.alpn.as_deref()), expected.map(str::as_bytes));
        }
    });
}

#[test]
fn the_cluster_s_names_and_then_the_request_s_come_first() {
    run(async {
        let server = Server::start(&["istio-http/1.1", "istio"]).await;
        let cluster = || server.cluster(UpstreamProtocol::Http1, &["istio"], |_| {});
        assert_eq!(server.ask(cluster(), &want()).await.1.expect("seen").1.as_deref(), Some("istio"));
        let names = list(&["istio-http/1.1", "istio", "http/1.1"]);
        let chosen = HttpWant { alpn: Some(&names), ..want() };
        assert_eq!(server.ask(cluster(), &chosen).await.1.expect("seen").1.as_deref(), Some("istio-http/1.1"));
    });
}

#[test]
fn server_names() {
    run(async {
        let server = Server::start(&[]).await;
        let cluster = |auto_sni| server.cluster(UpstreamProtocol::Http1, &[], |config| config.http.auto_sni = auto_sni);
        let seen = server.ask(cluster(false), &want()).await.1.expect("seen");
        assert_eq!(seen.0.as_deref(), Some("outbound_.80_._.app"));
        let named = HttpWant { authority: b"app.example:8443", ..want() };
        assert_eq!(server.ask(cluster(true), &named).await.1.expect("seen").0.as_deref(), Some("app.example"));
        let told = HttpWant { sni: Some("other.example"), ..named };
        assert_eq!(server.ask(cluster(true), &told).await.1.expect("seen").0.as_deref(), Some("other.example"));
    });
}

#[test]
fn auto_san_validation_demands_the_host_of_the_request() {
    run(async {
        let server = Server::start(&[]).await;
        for auto_sni in [true, false] {
            let cluster = || {
                server.cluster(UpstreamProtocol::Http1, &[], |config| {
                    config.http.auto_sni = auto_sni;
                    config.http.auto_san_validation = true;
                })
            };
            for authority in [&b"app.example"[..], b"app.example:8443"] {
                let good = HttpWant { authority, ..want() };
                assert!(server.ask(cluster(), &good).await.0.is_ok());
            }
            for authority in [&b"evil.example"[..], b"127.0.0.1", b"127.0.0.1:443", b"[::1]", b"", b"\xff"] {
                let bad = HttpWant { authority, ..want() };
                let failure = server.ask(cluster(), &bad).await.0.err().expect("refused");
                assert_eq!(failure.kind, ConnectFailureKind::Remote, "{authority:?}");
                assert!(failure.transport_reason.is_some_and(|reason| reason.contains("verify SAN list")));
            }
        }
    });
}

#[test]
fn auto_sni_san_validation_is_met_by_nobody_where_the_host_is_an_address() {
    run(async {
        let server = Server::start(&[]).await;
        let cluster = || {
            server.cluster(UpstreamProtocol::Http1, &[], |config| {
                config.http.auto_sni = true;
                let UpstreamTransport::Tls(tls) = &mut config.transport else { unreachable!("it is TLS") };
                let tls = Arc::get_mut(tls).expect("nobody else has it");
                (tls.sni, tls.auto_sni_san_validation) = (None, true);
            })
        };
        let ask = |authority: &'static [u8]| {
            let cluster = cluster();
            let server = &server;
            async move { server.ask(cluster, &HttpWant { authority, ..want() }).await.0.is_ok() }
        };
        assert!(ask(b"app.example").await);
        assert!(!ask(b"127.0.0.1").await);
        assert!(!ask(b"evil.example").await);
    });
}

#[test]
fn names_that_differ_have_connections_of_their_own() {
    run(async {
        let server = Server::start(&["istio", "other"]).await;
        let bench = Bench::new();
        bench.publish(server.cluster(UpstreamProtocol::Http1, &["istio"], |_| {}));
        let cluster = bench.worker("outbound|80||app");
        let host = cluster.pick(&Pick::default()).expect("a host");
        let (istio, other) = (list(&["istio"]), list(&["other"]));
        let wants = [
            want(),
            HttpWant { alpn: Some(&istio), ..want() },
            HttpWant { alpn: Some(&other), ..want() },
            HttpWant { sni: Some("a.example"), ..want() },
            HttpWant { sni: Some("b.example"), ..want() },
        ];
        for _ in 0..2 {
            for want in &wants {
                let lease = cluster.http(&host, want).await.expect("a stream");
                drop(lease);
            }
        }
        assert_eq!(host.state().pools().len(), wants.len());
        let idle: Vec<usize> = host.state().pools().iter().map(|pool| pool.state.borrow().idle.len()).collect();
        assert_eq!(idle, [1; 5]);
    });
}

#[test]
fn a_server_that_speaks_no_tls() {
    run(async {
        let plain = Http1Server::start().await;
        let server = Server::start(&[]).await;
        let mut config = server.cluster(UpstreamProtocol::Http1, &[], |_| {});
        config.discovery = Discovery::Static(assignment(vec![endpoint(plain.address)]));
        config.connect_timeout = std::time::Duration::from_millis(200);
        let failure = server.ask(config, &want()).await.0.err().expect("no stream");
        // It waits for the end of a request head that never comes: only the timeout ends it.
        assert_eq!(failure.kind, ConnectFailureKind::Timeout);
    });
}
