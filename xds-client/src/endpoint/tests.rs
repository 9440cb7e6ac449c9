//! Endpoints that cannot be reached say which and why.

use super::*;

async fn failure(endpoint: Endpoint) -> String {
    let connecting = endpoint.connect(Duration::from_secs(5), Keepalive::default());
    connecting.await.expect_err("nothing listens there").to_string()
}

#[tokio::test]
async fn a_missing_socket_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("XDS");
    let text = failure(Endpoint::Uds(path.clone())).await;
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert!(text.contains("No such file"), "{text}");
}

#[tokio::test]
async fn a_refused_connection_is_named() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let text = failure(Endpoint::Tcp { host: "127.0.0.1".into(), port }).await;
    assert!(text.contains(&format!("127.0.0.1:{port}")) && text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_missing_root_file_is_named() {
    let tls = TlsSettings { roots: Pem::File("/nowhere/root.pem".into()), server_name: "x".into(), identity: None };
    let text = failure(Endpoint::Tls { host: "127.0.0.1".into(), port: 1, tls }).await;
    assert!(text.contains("/nowhere/root.pem"), "{text}");
}

#[test]
fn a_key_is_never_printed() {
    assert_eq!(format!("{:?}", Pem::Inline(b"secret".to_vec())), "Inline(6 bytes)");
}

/// A TLS server for `istiod.istio-system.svc` that wants a client certificate if told to; it serves one connection after
/// another and answers every call with 200 and nothing else.
struct TlsServer {
    port: u16,
    root: String,
    client: (String, String),
    _task: tokio::task::JoinSet<()>,
}

impl TlsServer {
    async fn start(wants_client: bool) -> Self {
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::default();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let leaf = |name: &str| {
            let key = rcgen::KeyPair::generate().unwrap();
            let params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
            (params.signed_by(&key, &issuer).unwrap(), key)
        };
        let (server, server_key) = leaf("istiod.istio-system.svc");
        let (client, client_key) = leaf("client");
        let mut roots = rustls::RootCertStore::empty();
        roots.add(root.der().clone()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder =
            rustls::ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
        let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
        let builder = match wants_client {
            true => builder.unwrap().with_client_cert_verifier(verifier.build().unwrap()),
            false => builder.unwrap().with_no_client_auth(),
        };
        let key = rustls::pki_types::PrivateKeyDer::try_from(server_key.serialize_der()).unwrap();
        let mut config = builder.with_single_cert(vec![server.der().clone()], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut task = tokio::task::JoinSet::new();
        task.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let answer = |_| async { Ok::<_, std::convert::Infallible>(http::Response::new(String::new())) };
                let service = hyper::service::service_fn(answer);
                let builder = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            }
        });
        Self { port, root: root.pem(), client: (client.pem(), client_key.serialize_pem()), _task: task }
    }

    fn endpoint(&self, roots: Pem, server_name: &str, identity: Option<ClientIdentity>) -> Endpoint {
        let tls = TlsSettings { roots, server_name: server_name.into(), identity };
        Endpoint::Tls { host: "127.0.0.1".into(), port: self.port, tls }
    }

    fn inline_root(&self) -> Pem {
        Pem::Inline(self.root.clone().into_bytes())
    }
}

/// Connects and makes a call, which the server does not understand: only then has TLS 1.3 checked both sides.
async fn call(endpoint: Endpoint) -> String {
    match endpoint.connect(Duration::from_secs(20), Keepalive::default()).await {
        Ok(channel) => {
            let (_sender, requests) = tokio::sync::mpsc::channel(1);
            match crate::grpc::call(channel, "/x/y", &[], requests).await {
                Ok(mut answers) => answers.next().await.expect_err("it sends nothing").to_string(),
                Err(end) => end.to_string(),
            }
        }
        Err(error) => error.to_string(),
    }
}

const CONNECTED: &str = "the server closed the stream";

#[tokio::test]
async fn tls_checks_the_name_that_was_asked_for() {
    let server = TlsServer::start(false).await;
    assert_eq!(call(server.endpoint(server.inline_root(), "istiod.istio-system.svc", None)).await, CONNECTED);
    let text = call(server.endpoint(server.inline_root(), "other.istio-system.svc", None)).await;
    assert!(text.contains("not valid for name"), "{text}");
}

#[tokio::test]
async fn tls_reads_the_roots_again_for_every_connection() {
    let server = TlsServer::start(false).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("root.pem");
    std::fs::write(&path, TlsServer::start(false).await.root).unwrap();
    let endpoint = server.endpoint(Pem::File(path.clone()), "istiod.istio-system.svc", None);
    let text = call(endpoint.clone()).await;
    assert!(text.to_lowercase().contains("certificate"), "{text}");
    std::fs::write(&path, &server.root).unwrap();
    assert_eq!(call(endpoint).await, CONNECTED);
}

#[tokio::test]
async fn tls_shows_a_client_certificate_if_it_has_one() {
    let server = TlsServer::start(true).await;
    let pem = |text: &String| Pem::Inline(text.clone().into_bytes());
    let identity = ClientIdentity { chain: pem(&server.client.0), key: pem(&server.client.1) };
    let endpoint = server.endpoint(server.inline_root(), "istiod.istio-system.svc", Some(identity));
    assert_eq!(call(endpoint).await, CONNECTED);
    let text = call(server.endpoint(server.inline_root(), "istiod.istio-system.svc", None)).await;
    assert_ne!(text, CONNECTED);
}

#[tokio::test]
async fn roots_that_are_no_certificates_are_refused() {
    let server = TlsServer::start(false).await;
    let text = call(server.endpoint(Pem::Inline(b"not PEM".to_vec()), "istiod.istio-system.svc", None)).await;
    assert_ne!(text, CONNECTED);
}
