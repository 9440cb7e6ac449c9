//! Session tickets under given keys, of the real Envoy and of Outrigger: what another process with the same keys resumes, which of several
//! keys seals, what a change over SDS does, and what keys of another length come to. The client is rustls.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use envoy_types::pb::envoy::config::core::v3::{DataSource, data_source::Specifier};
use envoy_types::pb::envoy::extensions::transport_sockets::tls::v3::{Secret, TlsSessionTicketKeys, secret};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::envoy::service::secret::v3::secret_discovery_service_server::{
    SecretDiscoveryService, SecretDiscoveryServiceServer,
};
use envoy_types::pb::google::protobuf::Any;
use futures_util::Stream;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use outrigger_integration::embedded::{binary, ports};
use outrigger_integration::parity::address;
use outrigger_integration::parity::envoy;
use outrigger_integration::parity::started::Started;
use outrigger_integration::skip::or_skip;
use prost::Message;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore, SupportedProtocolVersion};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsConnector;
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::Service as _;

const DEADLINE: Duration = Duration::from_secs(20);
const TLS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const SECRETS: &str = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
const VERSIONS: [&SupportedProtocolVersion; 2] = [&rustls::version::TLS12, &rustls::version::TLS13];

/// The one server that all processes stand for.
struct Identity {
    chain: String,
    key: String,
}

impl Identity {
    fn new() -> Identity {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["app.example".to_owned()]).expect("a name");
        Identity { chain: params.self_signed(&key).expect("a certificate").pem(), key: key.serialize_pem() }
    }

    fn client(&self, version: &'static SupportedProtocolVersion) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.chain.as_bytes()).expect("PEM")).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).expect("known");
        TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth()))
    }

    fn context(&self, tickets: &Value) -> Value {
        let mut context = json!({"@type": TLS, "common_tls_context": {"tls_certificates": [
            {"certificate_chain": {"inline_string": self.chain}, "private_key": {"inline_string": self.key}}]}});
        for (field, value) in tickets.as_object().into_iter().flatten() {
            context[field] = value.clone();
        }
        context
    }
}

/// A key by its number; octets of one with a length.
fn octets(number: u8, length: usize) -> Vec<u8> {
    (0..length).map(|at| number.wrapping_mul(31).wrapping_add(at as u8)).collect()
}

fn given(numbers: &[u8], length: usize) -> Value {
    let key = |number: &u8| json!({"inline_bytes": STANDARD.encode(octets(*number, length))});
    json!({"session_ticket_keys": {"keys": numbers.iter().map(key).collect::<Vec<_>>()}})
}

fn free() -> SocketAddr {
    ports::free(IpAddr::V4(Ipv4Addr::LOCALHOST))
}

/// Starts a process with one listener of this context; `None` when it does not begin with it.
fn start(program: &Path, context: &Value, sds: SocketAddr) -> Option<(Started, SocketAddr)> {
    let (folder, at) = (tempfile::tempdir().expect("a folder"), free());
    let admin = free();
    let manager = json!({
        "@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "h",
        "http_filters": [{"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}}],
        "route_config": {"virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [
            {"match": {"prefix": "/"}, "direct_response": {"status": 200}}]}]},
    });
    let http2 = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": {}}}});
    let bootstrap = json!({
        "node": {"id": "node", "cluster": "cluster"},
        "admin": {"address": address(admin)},
        "static_resources": {
            "listeners": [{"name": "l", "address": address(at), "filter_chains": [{
                "filters": [{"name": "m", "typed_config": manager}],
                "transport_socket": {"name": "tls", "typed_config": context}}]}],
            "clusters": [{"name": "sds", "connect_timeout": "5s", "typed_extension_protocol_options": http2,
                "load_assignment": {"cluster_name": "sds", "endpoints": [
                    {"lb_endpoints": [{"endpoint": {"address": address(sds)}}]}]}}]
        }
    });
    let mut started = Started::launch(program, folder, &bootstrap.to_string()).expect("it can be started");
    let began = Instant::now();
    while std::net::TcpStream::connect(at).is_err() {
        if started.has_ended() {
            return None;
        }
        assert!(began.elapsed() < DEADLINE, "neither listens nor ends");
        std::thread::sleep(Duration::from_millis(10));
    }
    Some((started, at))
}

/// One request over a connection of its own: whether its handshake resumed a session. Tickets of TLS 1.3 come behind the handshake.
async fn resumes(client: &TlsConnector, at: SocketAddr) -> bool {
    let ask = async {
        let stream = TcpStream::connect(at).await?;
        let name = ServerName::try_from("app.example").expect("a name");
        let mut stream = client.connect(name, stream).await?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: app.example\r\nconnection: close\r\n\r\n").await?;
        let mut answer = Vec::new();
        // Some end without saying so.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", answer.escape_ascii());
        std::io::Result::Ok(stream.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed))
    };
    tokio::time::timeout(DEADLINE, ask).await.expect("in time").expect("a handshake and an answer")
}

/// Whether a session of one is resumed by another.
async fn passes(identity: &Identity, from: SocketAddr, to: SocketAddr) -> [bool; 2] {
    let mut passes = [false; 2];
    for (version, passes) in VERSIONS.into_iter().zip(&mut passes) {
        let client = identity.client(version);
        assert!(!resumes(&client, from).await, "nothing is there to resume");
        *passes = resumes(&client, to).await;
    }
    passes
}

/// A version, and what was wrong with it.
type Answer = (String, Option<String>);

/// A control plane of one secret.
#[derive(Clone)]
struct Sds {
    secret: watch::Sender<(u64, Vec<Vec<u8>>)>,
    /// Of each version that was answered.
    answers: Arc<Mutex<Vec<Answer>>>,
}

impl Sds {
    async fn start(keys: Vec<Vec<u8>>) -> (Sds, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let at = listener.local_addr().expect("an address");
        let sds = Sds { secret: watch::Sender::new((1, keys)), answers: Arc::default() };
        let shared = sds.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let sds = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| {
                        let sds = sds.clone();
                        async move { SecretDiscoveryServiceServer::new(sds).call(request).await }
                    });
                    let _ =
                        auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        (sds, at)
    }

    fn answer(&self, nonce: &str) -> Option<Option<String>> {
        let answers = self.answers.lock().expect("nothing panics while it holds the list");
        answers.iter().find(|(of, _)| of == nonce).map(|(_, wrong)| wrong.clone())
    }

    /// Sends other keys; what was wrong with them.
    async fn push(&self, keys: Vec<Vec<u8>>) -> Option<String> {
        let mut version = 0;
        self.secret.send_modify(|secret| {
            version = secret.0 + 1;
            *secret = (version, keys);
        });
        let nonce = version.to_string();
        let began = Instant::now();
        loop {
            if let Some(wrong) = self.answer(&nonce) {
                return wrong;
            }
            assert!(began.elapsed() < DEADLINE, "no answer to version {nonce}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, tonic::Status>> + Send>>;

#[tonic::async_trait]
impl SecretDiscoveryService for Sds {
    type DeltaSecretsStream = Answers<DeltaDiscoveryResponse>;
    type StreamSecretsStream = Answers<DiscoveryResponse>;

    async fn delta_secrets(
        &self,
        _: tonic::Request<tonic::Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<tonic::Response<Self::DeltaSecretsStream>, tonic::Status> {
        Err(tonic::Status::unimplemented("state of the world alone"))
    }

    async fn stream_secrets(
        &self,
        request: tonic::Request<tonic::Streaming<DiscoveryRequest>>,
    ) -> Result<tonic::Response<Self::StreamSecretsStream>, tonic::Status> {
        let (mut asked, answers, mut secret) = (request.into_inner(), self.answers.clone(), self.secret.subscribe());
        let (send, answer) = mpsc::channel(8);
        tokio::spawn(async move {
            secret.mark_changed();
            let mut subscribed = false;
            loop {
                tokio::select! {
                    message = asked.message() => {
                        let Ok(Some(message)) = message else { return };
                        subscribed = true;
                        if !message.response_nonce.is_empty() {
                            let wrong = message.error_detail.map(|error| error.message);
                            answers.lock().expect("nothing panics").push((message.response_nonce, wrong));
                        }
                    }
                    Ok(()) = secret.changed(), if subscribed => {
                        let (version, keys) = secret.borrow_and_update().clone();
                        if send.send(Ok(response(version, keys))).await.is_err() {
                            return;
                        }
                    }
                }
            }
        });
        Ok(tonic::Response::new(Box::pin(ReceiverStream::new(answer))))
    }

    async fn fetch_secrets(
        &self,
        _: tonic::Request<DiscoveryRequest>,
    ) -> Result<tonic::Response<DiscoveryResponse>, tonic::Status> {
        Err(tonic::Status::unimplemented("streams alone"))
    }
}

fn response(version: u64, keys: Vec<Vec<u8>>) -> DiscoveryResponse {
    let key = |octets| DataSource { specifier: Some(Specifier::InlineBytes(octets)), ..DataSource::default() };
    let keys = TlsSessionTicketKeys { keys: keys.into_iter().map(key).collect() };
    let secret = Secret { name: "tickets".into(), r#type: Some(secret::Type::SessionTicketKeys(keys)) };
    DiscoveryResponse {
        version_info: version.to_string(),
        nonce: version.to_string(),
        type_url: SECRETS.to_owned(),
        resources: vec![Any { type_url: SECRETS.to_owned(), value: secret.encode_to_vec() }],
        ..DiscoveryResponse::default()
    }
}

async fn hold(program: &Path) {
    let identity = Identity::new();
    let (sds, sds_at) = Sds::start(vec![octets(1, 80)]).await;
    let begin =
        |keys: &[u8]| start(program, &identity.context(&given(keys, 80)), sds_at).expect("it begins with these keys");
    let (both, turned, one, other) = (begin(&[1, 2]), begin(&[2, 1]), begin(&[1]), begin(&[3]));
    for (case, from, to, want) in [
        ("itself", &both, &both, true),
        ("the same keys in another order", &both, &turned, true),
        ("and back", &turned, &both, true),
        ("the first key seals", &both, &one, true),
        ("and not the second", &turned, &one, false),
        ("a key that only opens", &one, &turned, true),
        ("other keys", &both, &other, false),
        ("and back", &other, &both, false),
    ] {
        assert_eq!(passes(&identity, from.1, to.1).await, [want; 2], "{case}");
    }
    for length in [0, 48, 79, 81] {
        let begun = start(program, &identity.context(&given(&[1], length)), sds_at);
        assert!(begun.is_none(), "it begins with a key of {length} octets");
    }

    let discovered = json!({"session_ticket_keys_sds_secret_config": {"name": "tickets", "sds_config": {
        "resource_api_version": "V3", "api_config_source": {"api_type": "GRPC", "transport_api_version": "V3",
            "grpc_services": [{"envoy_grpc": {"cluster_name": "sds"}}]}}}});
    let (_discovers, at) = start(program, &identity.context(&discovered), sds_at).expect("it begins");
    assert_eq!(passes(&identity, one.1, at).await, [true; 2]);
    assert_eq!(sds.push(vec![octets(3, 80)]).await, None);
    assert_eq!(passes(&identity, one.1, at).await, [false; 2], "the key before is gone");
    assert_eq!(passes(&identity, other.1, at).await, [true; 2]);
    assert_eq!(sds.push(vec![octets(2, 80), octets(1, 80)]).await, None);
    assert_eq!(passes(&identity, one.1, at).await, [true; 2]);
    assert_eq!(passes(&identity, at, one.1).await, [false; 2], "the first of them seals");
    assert_eq!(passes(&identity, at, both.1).await, [true; 2]);
    for keys in [vec![octets(3, 48)], vec![octets(3, 80), octets(1, 81)]] {
        let wrong = sds.push(keys).await.expect("it is refused");
        assert!(wrong.contains("Incorrect TLS session ticket key length"), "{wrong}");
        assert_eq!(passes(&identity, one.1, at).await, [true; 2], "what was before stays");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_resumes_as_expected() {
    if let Some(envoy) = or_skip("envoy_resumes_as_expected", envoy()) {
        hold(&envoy).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn outrigger_resumes_as_envoy_does() {
    hold(&binary::build().expect("the binary builds")).await;
}
