//! Handshakes with OCSP responses.

use std::sync::Mutex;

use config::secret::{DataSource, TlsCertificate};
use config::tls::{SecretSource, StaplePolicy};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, SupportedProtocolVersion};

use super::*;
use crate::tls::Stapling;
use crate::tls::testing::{Status, ocsp_response, serial_of};

/// Takes whatever is shown, and keeps the response.
#[derive(Debug, Default)]
struct Keeps(Mutex<Vec<u8>>);

impl ServerCertVerifier for Keeps {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        response: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().expect("nobody panics") = response.to_vec();
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

fn server(policy: StaplePolicy, certificates: Vec<TlsCertificate>) -> Result<Arc<ServerContext>, String> {
    let mut config = istio_server(&[]);
    config.require_client_certificate = false;
    config.common.validation = None;
    config.common.certificates = certificates.into_iter().map(|one| SecretSource::Inline(Arc::new(one))).collect();
    config.staple_policy = policy;
    ServerContext::new(&config, &Secrets::new(), "test")
}

fn with_response(leaf: &Leaf, response: Option<Vec<u8>>) -> TlsCertificate {
    TlsCertificate { staple: response.map(|der| DataSource::Inline(der.into())), ..leaf.config() }
}

/// What the client got, and what was told.
async fn shown(
    server: &ServerContext,
    version: &'static SupportedProtocolVersion,
) -> (Option<Vec<u8>>, Option<Stapling>) {
    let keeps = Arc::new(Keeps::default());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let client = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[version]).expect("a version");
    let client = client.dangerous().with_custom_certificate_verifier(keeps.clone()).with_no_client_auth();
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from("app.example").expect("a name");
    let connecting = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, near);
    let told = std::cell::Cell::new(None);
    let (connected, accepted) = tokio::join!(connecting, server.accept_telling(Stream::new(Io::Memory(far)), &told));
    assert_eq!(connected.is_ok(), accepted.is_ok());
    let response = keeps.0.lock().expect("nobody panics").clone();
    (connected.is_ok().then_some(response), told.get())
}

const LATER: Option<&str> = Some("20900101000000Z");
const BEFORE: Option<&str> = Some("20200101000000Z");

#[tokio::test]
async fn a_response_is_shown_while_it_is_good() {
    let leaf = Authority::new("mesh").issue("app.example");
    let response = |until| ocsp_response(&serial_of(&leaf), Status::Good, until);
    let (good, old) = (response(LATER), response(BEFORE));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        for (policy, staple, want, told) in [
            (StaplePolicy::Lenient, Some(&good), Some(&good[..]), Stapling::Shown),
            (StaplePolicy::Must, Some(&good), Some(&good[..]), Stapling::Shown),
            (StaplePolicy::Lenient, Some(&old), Some(&[][..]), Stapling::Omitted),
            (StaplePolicy::Strict, None, Some(&[][..]), Stapling::Omitted),
            (StaplePolicy::Strict, Some(&old), None, Stapling::Failed),
            (StaplePolicy::Must, Some(&old), None, Stapling::Failed),
        ] {
            let server = server(policy, vec![with_response(&leaf, staple.cloned())]).expect("a good context");
            let (response, stapling) = shown(&server, version).await;
            assert_eq!((response.as_deref(), stapling), (want, Some(told)), "{policy:?} {version:?}");
        }
    }
    // Where nothing is said of responses, nothing is looked at.
    let server = server(StaplePolicy::Lenient, vec![with_response(&leaf, None)]).expect("a good context");
    assert_eq!(shown(&server, &rustls::version::TLS13).await, (Some(Vec::new()), None));
}

#[tokio::test]
async fn a_certificate_whose_response_is_old_gives_way_to_one_that_may_be_shown() {
    let authority = Authority::new("mesh");
    let (one, other) = (authority.issue("app.example"), authority.issue("app.example"));
    let old = ocsp_response(&serial_of(&one), Status::Good, BEFORE);
    let good = ocsp_response(&serial_of(&other), Status::Good, LATER);
    let both = vec![with_response(&one, Some(old)), with_response(&other, Some(good.clone()))];
    let server = server(StaplePolicy::Strict, both).expect("a good context");
    assert_eq!(shown(&server, &rustls::version::TLS13).await, (Some(good), Some(Stapling::Shown)));
}

#[test]
fn what_cannot_be_shown_is_refused_at_once() {
    let authority = Authority::new("mesh");
    let (leaf, other) = (authority.issue("app.example"), authority.issue("app.example"));
    let reason = |policy, certificate| server(policy, vec![certificate]).map(drop).expect_err("it is refused");
    let lacking = reason(StaplePolicy::Must, with_response(&leaf, None));
    assert!(lacking.contains("Required OCSP response is missing from TLS context"), "{lacking}");
    let wrong = ocsp_response(&serial_of(&other), Status::Good, LATER);
    let wrong = reason(StaplePolicy::Lenient, with_response(&leaf, Some(wrong)));
    assert!(wrong.contains("another certificate"), "{wrong}");
    let broken = reason(StaplePolicy::Lenient, with_response(&leaf, Some(b"nothing".to_vec())));
    assert!(broken.contains("no OCSP response"), "{broken}");
    let hour = std::time::Duration::from_secs(3600);
    let now = std::time::SystemTime::now();
    let demanding = authority.issue_with("app.example", now - hour, now + hour, |params| {
        let features = rcgen::CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 24], vec![0x30, 3, 2, 1, 5]);
        params.custom_extensions.push(features);
    });
    let lacking = reason(StaplePolicy::Lenient, with_response(&demanding, None));
    assert!(lacking.contains("required for must-staple certificate"), "{lacking}");
    let response = ocsp_response(&serial_of(&demanding), Status::Good, LATER);
    assert!(server(StaplePolicy::Lenient, vec![with_response(&demanding, Some(response))]).is_ok());
}
