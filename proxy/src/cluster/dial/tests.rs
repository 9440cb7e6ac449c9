//! Tests of `dial`: the server is a port of our own.

use std::future::Future;

use config::cluster::{TransportMatch, UpstreamTransport};
use config::tls::{SecretSource, UpstreamTls};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::cluster::testing::{assignment, config, eds, endpoint, endpoint_at, run};
use crate::tls::ServerContext;
use crate::tls::testing::{Authority, Part, exact, given, hash, istio_client, istio_server, roots, sds};
use crate::transport::Io;

const SERVER: &str = "spiffe://mesh/ns/istio-system/sa/istiod";

/// A control plane of an authority, which asks for client certificates, and a cluster that leads to it.
struct Mesh {
    authority: Authority,
    socket: TcpListener,
}

impl Mesh {
    async fn new() -> Mesh {
        Mesh { authority: Authority::new("mesh"), socket: TcpListener::bind("127.0.0.1:0").await.expect("a port") }
    }

    fn cluster(&self, transport: UpstreamTransport) -> Cluster {
        let place = endpoint(self.socket.local_addr().expect("bound"));
        Cluster { transport, ..config(Discovery::Static(assignment(vec![place]))) }
    }

    /// What a client of the mesh is configured with; these are its demands on the server.
    fn client(&self, demands: &[Part]) -> UpstreamTls {
        let mut tls = istio_client(&["h2"], Vec::new());
        let own = self.authority.issue("spiffe://cluster.local/ns/a/sa/b");
        tls.common.certificates = vec![SecretSource::Inline(Arc::new(own.config()))];
        tls.common.validation = given(&[&[roots(&self.authority.root)], demands].concat());
        tls
    }

    /// The server's end of a connection, after this many octets in front of TLS.
    async fn accept(&self, ahead: usize) -> Result<Vec<u8>, String> {
        let (mut socket, _) = self.socket.accept().await.expect("accepted");
        let mut header = vec![0; ahead];
        socket.read_exact(&mut header).await.expect("the header");
        let secrets = Secrets::new();
        secrets.update(&sds("ROOTCA").id(), self.authority.roots()).expect("good roots");
        secrets.update(&sds("default").id(), self.authority.issue(SERVER).secret()).expect("a good certificate");
        let context = ServerContext::new(&istio_server(&["h2"]), &secrets, "test").expect("a good context");
        let accepted = context.accept(Stream::new(Io::Tcp(socket))).await;
        accepted.map(|_| header).map_err(|failure| failure.reason.to_string())
    }

    /// Connects; both ends.
    async fn meet(&self, cluster: Cluster, ahead: usize) -> (Result<(), String>, Result<Vec<u8>, String>) {
        let dialer = dialer(cluster).expect("a good cluster");
        assert!(dialer.is_encrypted());
        let connect = async { dialer.connect().await.map(drop).map_err(|failure| failure.to_string()) };
        tokio::join!(connect, self.accept(ahead))
    }
}

fn dialer(cluster: Cluster) -> Result<Dialer, Rejection> {
    Dialer::new(Arc::new(cluster), "xds-grpc", &Secrets::new(), Resolver::system())
}

fn with_mesh<F: Future<Output = ()>>(test: impl FnOnce(Mesh) -> F) {
    run(async { test(Mesh::new().await).await });
}

#[test]
fn the_client_context_is_that_of_every_cluster() {
    with_mesh(|mesh| async move {
        let tls = |demands: &[Part]| UpstreamTransport::Tls(Arc::new(mesh.client(demands)));
        let (client, server) = mesh.meet(mesh.cluster(tls(&[exact(SERVER)])), 0).await;
        assert_eq!((client, server), (Ok(()), Ok(vec![])), "the server demands a client certificate, and has it");
        let (client, _) = mesh.meet(mesh.cluster(tls(&[exact("spiffe://mesh/ns/a/sa/other")])), 0).await;
        assert!(client.expect_err("another name").contains("SAN matcher"));
        let (client, _) = mesh.meet(mesh.cluster(tls(&[hash([7; 32])])), 0).await;
        client.expect_err("another certificate than the pinned one");
        let mut nobody = mesh.client(&[]);
        nobody.common.certificates.clear();
        let (_, server) = mesh.meet(mesh.cluster(UpstreamTransport::Tls(Arc::new(nobody))), 0).await;
        server.expect_err("a client without a certificate");
    });
}

#[test]
fn a_transport_that_is_matched_or_wrapped_is_as_good() {
    with_mesh(|mesh| async move {
        let tls = || UpstreamTransport::Tls(Arc::new(mesh.client(&[exact(SERVER)])));
        let matched = TransportMatch { name: "tls".into(), criteria: Default::default(), transport: tls() };
        let cluster = Cluster { transport_matches: vec![matched], ..mesh.cluster(UpstreamTransport::Raw) };
        let (client, server) = mesh.meet(cluster, 0).await;
        assert_eq!((client, server), (Ok(()), Ok(vec![])));
        let wrapped = UpstreamTransport::ProxyProtocol {
            version: 1,
            added: Arc::default(),
            passes: Default::default(),
            inner: Box::new(tls()),
        };
        let header = b"PROXY UNKNOWN\r\n";
        let (client, server) = mesh.meet(mesh.cluster(wrapped), header.len()).await;
        assert_eq!((client, server), (Ok(()), Ok(header.to_vec())));
    });
}

#[test]
fn a_context_whose_secret_has_not_come_sends_nothing() {
    with_mesh(|mesh| async move {
        let tls = UpstreamTransport::Tls(Arc::new(istio_client(&["h2"], Vec::new())));
        let dialer = dialer(mesh.cluster(tls)).expect("a good cluster");
        dialer.connect().await.map(drop).expect_err("no certificate yet");
        let (mut socket, _) = mesh.socket.accept().await.expect("accepted");
        assert_eq!(socket.read(&mut [0]).await.expect("closed in order"), 0);
    });
}

#[test]
fn the_next_endpoint_is_tried_after_a_failure_and_names_are_looked_up() {
    run(async {
        let folder = tempfile::tempdir().expect("a folder");
        let hosts = folder.path().join("hosts");
        std::fs::write(&hosts, "127.0.0.1 istiod.example\n").expect("written");
        let resolver = Resolver::with_files(folder.path().join("resolv.conf"), hosts);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        let gone = endpoint_at(Address::Pipe(folder.path().join("gone")));
        let named = endpoint_at(Address::Name { host: "istiod.example".into(), port });
        let dns = config::cluster::DnsSettings {
            family: config::cluster::DnsFamily::V4Only,
            refresh: std::time::Duration::from_secs(5),
            respect_ttl: false,
            jitter: std::time::Duration::ZERO,
            least: std::time::Duration::ZERO,
            resolver: Default::default(),
            failure: None,
            waits: false,
        };
        let cluster = config(Discovery::StrictDns(assignment(vec![gone, named]), dns));
        let dialer = Dialer::new(Arc::new(cluster), "a", &Secrets::new(), resolver).expect("a good cluster");
        assert!(!dialer.is_encrypted());
        let failure = dialer.connect().await.map(drop).expect_err("no such socket").to_string();
        assert!(failure.contains("No such file"), "{failure}");
        let _stream = dialer.connect().await.expect("the second one is there");
        let _accepted: TcpStream = listener.accept().await.expect("accepted").0;
        let _again = dialer.connect().await.expect("what is good stays");
    });
}

#[test]
fn a_cluster_without_endpoints_of_its_own_is_no_server() {
    run(async {
        let reason = |cluster| dialer(cluster).map(drop).expect_err("no server").to_string();
        assert!(reason(config(eds())).starts_with("type: "), "{}", reason(config(eds())));
        assert!(reason(config(Discovery::Static(assignment(vec![])))).starts_with("load_assignment: "));
    });
}
