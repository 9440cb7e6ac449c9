//! An HTTPS application with a certificate of its own, for TLS that a proxy passes through.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Makes a self-signed certificate for `names`, writes it to `certificate_file` for clients to trust, and serves for ever.
pub async fn serve(
    name: String,
    listen: SocketAddr,
    names: Vec<String>,
    certificate_file: &Path,
) -> Result<(), Failure> {
    let listener = TcpListener::bind(listen).await?;
    let acceptor = TlsAcceptor::from(Arc::new(server_config(names, certificate_file)?));
    loop {
        let (stream, peer) = listener.accept().await?;
        let (name, acceptor) = (name.clone(), acceptor.clone());
        tokio::spawn(async move {
            // A failed handshake is the client's to tell.
            if let Ok(stream) = acceptor.accept(stream).await {
                super::http::serve_connection(name, stream, peer).await;
            }
        });
    }
}

fn server_config(names: Vec<String>, certificate_file: &Path) -> Result<rustls::ServerConfig, Failure> {
    let signed = rcgen::generate_simple_self_signed(names)?;
    std::fs::write(certificate_file, signed.cert.pem())?;
    let key = PrivatePkcs8KeyDer::from(signed.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_no_client_auth().with_single_cert(vec![signed.cert.der().clone()], key.into())?)
}
