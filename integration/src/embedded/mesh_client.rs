//! A client of the mesh that a test plays itself: mTLS with a certificate of the embedded authority, or without one.
//!
//! Called by tests of what an ingress listener shows and takes. It checks nothing about the server; tests look at what
//! it says. Must never be used where trust matters.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::client::Failure;
use crate::control_plane::ca::Leaf;
use crate::control_plane::seen::DEADLINE;

/// An open mTLS connection to an ingress listener.
#[derive(Debug)]
pub struct MeshConnection {
    stream: TlsStream<TcpStream>,
}

/// Connects as an Istio sidecar that speaks HTTP/1.1 would.
///
/// # Errors
/// If the connection or the handshake fails. With TLS 1.3 a refused client certificate shows at the first read only.
pub async fn connect(address: SocketAddr, leaf: Option<&Leaf>) -> Result<MeshConnection, Failure> {
    connect_with_alpn(address, leaf, &["istio-http/1.1", "istio", "http/1.1"]).await
}

/// Connects with an ALPN list of the test's own.
///
/// # Errors
/// As [`connect`].
pub async fn connect_with_alpn(
    address: SocketAddr,
    leaf: Option<&Leaf>,
    alpn: &[&str],
) -> Result<MeshConnection, Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TakeAnything(provider)));
    let mut config = match leaf {
        Some(leaf) => {
            let chain = CertificateDer::pem_slice_iter(leaf.chain.as_bytes()).collect::<Result<_, _>>()?;
            builder.with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(leaf.key.as_bytes())?)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("outbound_.9080_._.details.bookinfo.svc.cluster.local")?;
    let connecting = async {
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    Ok(MeshConnection { stream: tokio::time::timeout(DEADLINE, connecting).await?? })
}

impl MeshConnection {
    /// What the server showed: leaf first.
    pub fn server_chain(&self) -> Vec<CertificateDer<'static>> {
        let chain = self.stream.get_ref().1.peer_certificates().unwrap_or_default();
        chain.iter().map(|certificate| certificate.clone().into_owned()).collect()
    }

    /// The protocol agreed on, if any was.
    pub fn alpn(&self) -> Option<String> {
        self.stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned())
    }

    /// Sends `GET PATH` and gives everything until the server closes.
    ///
    /// # Errors
    /// If the server refuses the certificate, or ends without a goodbye.
    pub async fn get(mut self, path: &str) -> Result<String, Failure> {
        let request = format!("GET {path} HTTP/1.1\r\nhost: details\r\nconnection: close\r\n\r\n");
        let exchange = async {
            self.stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            self.stream.read_to_end(&mut answer).await?;
            Ok::<_, std::io::Error>(String::from_utf8_lossy(&answer).into_owned())
        };
        Ok(tokio::time::timeout(DEADLINE, exchange).await??)
    }
}

#[derive(Debug)]
struct TakeAnything(Arc<CryptoProvider>);

impl ServerCertVerifier for TakeAnything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
