//! Handshakes between our own two sides, in memory.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use config::matcher::StringMatcher;
use config::secret::SecretKind;
use config::tls::{DownstreamTls, SanKind, SanMatcher, SecretSource, TlsVersion, UpstreamTls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::info::TlsInfo;
use super::testing::{Authority, alpn, exact, inline, istio_client, istio_server, prefix};
use super::{ClientContext, FailureKind, HandshakeFailure, Secrets, ServerContext};
use crate::transport::{Io, Stream};

const SERVER: &str = "spiffe://cluster.local/ns/default/sa/details";
const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/productpage";

struct Side {
    secrets: Arc<Secrets>,
}

impl Side {
    fn new(authority: &Authority, identity: &str) -> Side {
        let secrets = Secrets::new();
        secrets.update("ROOTCA", authority.roots()).unwrap();
        secrets.update("default", authority.issue(identity).secret()).unwrap();
        Side { secrets }
    }

    fn server(&self, config: &DownstreamTls) -> Arc<ServerContext> {
        ServerContext::new(config, &self.secrets, "test").unwrap()
    }

    fn client(&self, config: &UpstreamTls) -> Arc<ClientContext> {
        ClientContext::new(config, &self.secrets, "test").unwrap()
    }
}

type Finished = Result<(Stream, TlsInfo), HandshakeFailure>;

async fn shake(client: &ClientContext, server: &ServerContext) -> (Finished, Finished) {
    shake_with(client, server, None, None).await
}

/// A handshake; with TLS 1.3 the client learns only from its first read whether the server took its certificate.
async fn shake_with(
    client: &ClientContext,
    server: &ServerContext,
    protocols: Option<&[&str]>,
    sni: Option<&str>,
) -> (Finished, Finished) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let protocols = protocols.map(|protocols| alpn(protocols).into());
    let connecting = async {
        let (mut stream, info) = client.connect(Stream::new(Io::Memory(near)), protocols.as_ref(), sni).await?;
        let mut greeting = [0; 5];
        stream.read_exact(&mut greeting).await?;
        assert_eq!(&greeting, b"hello");
        Ok((stream, info))
    };
    let accepting = async {
        let (mut stream, info) = server.accept(Stream::new(Io::Memory(far))).await?;
        stream.write_all(b"hello").await?;
        stream.flush().await?;
        Ok((stream, info))
    };
    tokio::join!(connecting, accepting)
}

fn mesh() -> (Side, Side) {
    let authority = Authority::new("mesh");
    (Side::new(&authority, CLIENT), Side::new(&authority, SERVER))
}

fn failure(finished: Finished) -> HandshakeFailure {
    match finished {
        Ok(_) => panic!("the handshake succeeded"),
        Err(failure) => failure,
    }
}

#[tokio::test]
async fn mutual_tls_tells_both_sides_who_the_other_is() {
    let (near, far) = mesh();
    let client = near.client(&istio_client(&["istio"], vec![exact(SERVER)]));
    let server = far.server(&istio_server(&["h2", "http/1.1"]));
    let offered: &[&str] = &["istio-http/1.1", "istio", "http/1.1"];
    let (connected, accepted) = shake_with(&client, &server, Some(offered), None).await;
    let (connected, accepted) = (connected.unwrap().1, accepted.unwrap().1);
    for info in [&connected, &accepted] {
        assert_eq!(info.alpn.as_deref(), Some(&b"http/1.1"[..]));
        assert_eq!((info.version, info.cipher), ("TLSv1.3", "TLS_AES_128_GCM_SHA256"));
        assert_eq!(info.server_name.as_deref(), Some("outbound_.8080_._.app.default.svc.cluster.local"));
        assert!(!info.resumed);
    }
    let peer = accepted.peer.unwrap();
    assert_eq!(peer.uri_sans, [Arc::from(CLIENT)]);
    assert_eq!(&*peer.subject, "");
    assert_eq!(peer.sha256.len(), 64);
    assert_eq!(peer.chain.len(), 2, "istiod appends the root");
    assert_eq!(&*accepted.local_uri_sans, [Arc::from(SERVER)]);
    assert_eq!(connected.peer.unwrap().uri_sans, [Arc::from(SERVER)]);
    assert_eq!(&*connected.local_uri_sans, [Arc::from(CLIENT)]);
}

#[tokio::test]
async fn tls_1_2_has_istios_suites_in_the_servers_order() {
    let (near, far) = mesh();
    let mut config = istio_client(&[], vec![]);
    config.common.max_version = TlsVersion::Tls12;
    config.common.cipher_suites.reverse();
    let (connected, accepted) = shake(&near.client(&config), &far.server(&istio_server(&[]))).await;
    assert!(connected.is_ok());
    let info = accepted.unwrap().1;
    assert_eq!((info.version, info.cipher), ("TLSv1.2", "ECDHE-ECDSA-AES256-GCM-SHA384"));
}

#[tokio::test]
async fn with_tls_1_3_the_clients_order_of_suites_counts() {
    let (near, far) = mesh();
    let server = far.server(&istio_server(&["h2"]));
    let mut suites = rustls::crypto::aws_lc_rs::default_provider();
    suites.cipher_suites = vec![
        rustls::crypto::aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
        rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
    ];
    let client = near.client(&istio_client(&["h2"], vec![])).with_provider(suites, &near.secrets);
    let info = shake(&client, &server).await.1.unwrap().1;
    assert_eq!((info.cipher, info.alpn.as_deref()), ("TLS_CHACHA20_POLY1305_SHA256", Some(&b"h2"[..])));
}

#[tokio::test]
async fn no_protocol_in_common_goes_on_without_alpn() {
    let (near, far) = mesh();
    let client = near.client(&istio_client(&["istio-peer-exchange", "istio"], vec![]));
    let server = far.server(&istio_server(&["istio-peer-exchange", "h2", "http/1.1"]));
    let (connected, accepted) = shake(&client, &server).await;
    assert_eq!(connected.unwrap().1.alpn, None);
    assert_eq!(accepted.unwrap().1.alpn, None);
}

#[tokio::test]
async fn the_server_chooses_the_protocol_in_its_own_order() {
    let (near, far) = mesh();
    let client = near.client(&istio_client(&["http/1.1", "h2"], vec![]));
    let (connected, _) = shake(&client, &far.server(&istio_server(&["h2", "http/1.1"]))).await;
    assert_eq!(connected.unwrap().1.alpn.as_deref(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn metadata_exchange_is_neither_offered_nor_accepted() {
    let (near, far) = mesh();
    let client = near.client(&istio_client(&["istio-peer-exchange", "h2"], vec![]));
    let server = far.server(&istio_server(&["istio-peer-exchange", "h2"]));
    let (connected, _) = shake_with(&client, &server, Some(&["istio-peer-exchange", "h2"]), None).await;
    assert_eq!(connected.unwrap().1.alpn.as_deref(), Some(&b"h2"[..]));
}

#[tokio::test]
async fn a_wrong_server_name_is_refused_in_envoys_words() {
    let (near, far) = mesh();
    let client = near.client(&istio_client(&[], vec![exact("spiffe://cluster.local/ns/default/sa/other")]));
    let (connected, _) = shake(&client, &far.server(&istio_server(&[]))).await;
    let failure = failure(connected);
    assert_eq!(failure.kind, FailureKind::SubjectAltName);
    assert_eq!(
        &*failure.reason,
        format!(
            "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:verify cert failed: \
             SAN matcher, certificate SANs are [{SERVER}]:TLS_error_end"
        )
    );
}

#[tokio::test]
async fn a_client_of_another_trust_domain_is_refused() {
    let authority = Authority::new("mesh");
    let near = Side::new(&authority, "spiffe://elsewhere/ns/default/sa/productpage");
    let far = Side::new(&authority, SERVER);
    let (connected, accepted) = shake(&near.client(&istio_client(&[], vec![])), &far.server(&istio_server(&[]))).await;
    assert_eq!(failure(accepted).kind, FailureKind::SubjectAltName);
    assert!(failure(connected).reason.contains("SSLV3_ALERT_CERTIFICATE_UNKNOWN"));
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_where_one_is_required() {
    let (near, far) = mesh();
    let mut config = istio_client(&[], vec![]);
    config.common.certificates.clear();
    let client = near.client(&config);
    let (connected, accepted) = shake(&client, &far.server(&istio_server(&[]))).await;
    let refused = failure(accepted);
    assert_eq!(refused.kind, FailureKind::NoCertificate);
    assert!(refused.reason.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE"), "{}", refused.reason);
    assert!(failure(connected).reason.contains("TLSV1_ALERT_CERTIFICATE_REQUIRED"));

    let mut optional = istio_server(&[]);
    optional.require_client_certificate = false;
    optional.common.validation.as_mut().unwrap().subject_alt_names.clear();
    let (_, accepted) = shake(&client, &far.server(&optional)).await;
    assert!(accepted.unwrap().1.peer.is_none());
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let near = Side::new(&Authority::new("mesh"), CLIENT);
    let far = Side::new(&Authority::new("other"), SERVER);
    let (connected, accepted) = shake(&near.client(&istio_client(&[], vec![])), &far.server(&istio_server(&[]))).await;
    let refused = failure(connected);
    assert_eq!(refused.kind, FailureKind::Certificate);
    assert!(refused.reason.contains("unable to get local issuer certificate"), "{}", refused.reason);
    assert!(failure(accepted).reason.contains("TLSV1_ALERT_UNKNOWN_CA"));
}

#[tokio::test]
async fn expired_and_not_yet_valid_certificates_are_told_apart() {
    let authority = Authority::new("mesh");
    let hour = Duration::from_secs(3600);
    let now = SystemTime::now();
    let near = Side::new(&authority, CLIENT);
    let client = near.client(&istio_client(&[], vec![]));
    for (from, until, words) in [
        (now - 2 * hour, now - hour, "certificate has expired"),
        (now + hour, now + 2 * hour, "certificate is not yet valid (if it is right, the clock is 3"),
    ] {
        let far = Side::new(&authority, SERVER);
        far.secrets.update("default", authority.issue_for(SERVER, from, until).secret()).unwrap();
        let (connected, accepted) = shake(&client, &far.server(&istio_server(&[]))).await;
        let refused = failure(connected);
        assert!(refused.reason.contains(words), "{}", refused.reason);
        assert!(failure(accepted).reason.contains("SSLV3_ALERT_CERTIFICATE_EXPIRED"));
    }
}

#[tokio::test]
async fn rotation_serves_new_handshakes_and_leaves_open_connections_alone() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let near = Side::new(&old, CLIENT);
    let far = Side::new(&old, SERVER);
    let client = near.client(&istio_client(&[], vec![]));
    let server = far.server(&istio_server(&[]));
    let (connected, accepted) = shake(&client, &server).await;
    let (mut open_near, mut open_far) = (connected.unwrap().0, accepted.unwrap().0);

    for side in [&near, &far] {
        side.secrets.update("ROOTCA", new.roots()).unwrap();
    }
    let (connected, _) = shake(&client, &server).await;
    assert_eq!(failure(connected).kind, FailureKind::Certificate, "no session of the old roots is resumed");

    near.secrets.update("default", new.issue(CLIENT).secret()).unwrap();
    far.secrets.update("default", new.issue(SERVER).secret()).unwrap();
    let (connected, accepted) = shake(&client, &server).await;
    assert!(!connected.unwrap().1.resumed);
    assert!(accepted.is_ok());

    open_near.write_all(b"still here").await.unwrap();
    open_near.flush().await.unwrap();
    let mut read = [0; 10];
    open_far.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"still here");
}

#[tokio::test]
async fn sessions_are_resumed_within_a_context_and_never_across() {
    let (near, far) = mesh();
    let client = near.client(&istio_client(&[], vec![exact(SERVER)]));
    let (one, other) = (far.server(&istio_server(&[])), far.server(&istio_server(&[])));
    shake(&client, &one).await.1.unwrap();
    let (connected, accepted) = shake(&client, &one).await;
    assert!(connected.unwrap().1.resumed);
    let info = accepted.unwrap().1;
    assert!(info.resumed);
    assert_eq!(info.peer.unwrap().uri_sans, [Arc::from(CLIENT)], "a resumed session still has its peer");
    assert!(!shake(&client, &other).await.1.unwrap().1.resumed, "another filter chain");
    let stranger = near.client(&istio_client(&[], vec![exact(SERVER)]));
    assert!(!shake(&stranger, &one).await.1.unwrap().1.resumed, "another cluster");

    let mut config = istio_client(&[], vec![]);
    config.max_session_keys = 0;
    let forgetful = near.client(&config);
    shake(&forgetful, &one).await.1.unwrap();
    assert!(!shake(&forgetful, &one).await.1.unwrap().1.resumed);
}

#[tokio::test]
async fn a_context_waits_for_its_secrets() {
    let authority = Authority::new("mesh");
    let secrets = Secrets::new();
    let server = ServerContext::new(&istio_server(&[]), &secrets, "test").unwrap();
    let names: Vec<_> = server.needs().iter().map(|need| need.name.to_string()).collect();
    assert_eq!(names, ["default", "ROOTCA"]);
    let (near, far) = tokio::io::duplex(1024);
    drop(near);
    let refused = failure(server.accept(Stream::new(Io::Memory(far))).await);
    assert_eq!(&*refused.reason, "TLS error: Secret is not supplied by SDS");
    secrets.update("default", authority.issue(SERVER).secret()).unwrap();
    assert!(!server.is_ready());
    secrets.update("ROOTCA", authority.roots()).unwrap();
    assert!(server.is_ready());
    assert_eq!(secrets.certificates().len(), 2);
}

#[tokio::test]
async fn bad_secrets_are_named_and_the_former_version_stays() {
    let authority = Authority::new("mesh");
    let secrets = Secrets::new();
    let good = authority.issue(SERVER);
    secrets.update("default", good.secret()).unwrap();
    let mut mixed = good.config();
    mixed.key = inline(&authority.issue(SERVER).key);
    let mut garbage = good.config();
    garbage.chain = inline("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let mut empty = good.config();
    empty.chain = inline("");
    let mut missing = good.config();
    missing.key = config::secret::DataSource::File("/no/such/key.pem".into());
    for (config, words) in [
        (mixed, "the private key does not match the certificate"),
        (garbage, "does not parse"),
        (empty, "no PEM certificate"),
        (missing, "cannot read /no/such/key.pem: No such file"),
    ] {
        let reason = secrets.update("default", SecretKind::TlsCertificate(config)).unwrap_err();
        assert!(reason.starts_with("secret default: ") && reason.contains(words), "{reason}");
    }
    let server = ServerContext::new(&istio_server(&[]), &secrets, "test").unwrap();
    secrets.update("ROOTCA", authority.roots()).unwrap();
    assert!(server.is_ready());
}

#[tokio::test]
async fn keys_of_every_pem_kind_are_taken() {
    // PKCS#1 and SEC1 as openssl writes them; rcgen writes PKCS#8.
    let authority = Authority::new("mesh");
    let leaf = authority.issue(SERVER);
    let pkcs8 =
        rustls::pki_types::PrivatePkcs8KeyDer::from(rcgen::KeyPair::from_pem(&leaf.key).unwrap().serialize_der());
    // The SEC1 structure is the OCTET STRING inside of PKCS#8.
    let der = pkcs8.secret_pkcs8_der();
    let start = der.windows(2).position(|pair| pair == [0x04, 0x6d]).expect("an OCTET STRING of 109 octets") + 2;
    let sec1 = pem("EC PRIVATE KEY", &der[start..start + 0x6d]);
    let mut config = leaf.config();
    config.key = inline(&sec1);
    Secrets::new().update("default", SecretKind::TlsCertificate(config)).unwrap();

    let (leaf, pkcs8) = authority.issue_rsa(SERVER);
    Secrets::new().update("default", leaf.secret()).unwrap();
    // The head of PKCS#8 for a key of 2048 bits has 26 octets.
    let mut config = leaf.config();
    config.key = inline(&pem("RSA PRIVATE KEY", &pkcs8[26..]));
    Secrets::new().update("default", SecretKind::TlsCertificate(config)).unwrap();
}

#[tokio::test]
async fn rsa_keys_work_with_both_versions() {
    let (near, far) = mesh();
    let authority = Authority::new("rsa");
    for side in [&near, &far] {
        side.secrets.update("ROOTCA", authority.roots()).unwrap();
        side.secrets.update("default", authority.issue_rsa(SERVER).0.secret()).unwrap();
    }
    let server = far.server(&istio_server(&[]));
    let mut config = istio_client(&[], vec![exact(SERVER)]);
    assert!(shake(&near.client(&config), &server).await.1.is_ok());
    config.common.max_version = TlsVersion::Tls12;
    let info = shake(&near.client(&config), &server).await.1.unwrap().1;
    assert_eq!(info.cipher, "ECDHE-RSA-AES256-GCM-SHA384");
}

#[tokio::test]
async fn revoked_certificates_are_refused() {
    let authority = Authority::new("mesh");
    let near = Side::new(&authority, CLIENT);
    let far = Side::new(&authority, SERVER);
    let hour = Duration::from_secs(3600);
    let now = SystemTime::now();
    let numbered = |serial: u64| {
        authority.issue_with(CLIENT, now - hour, now + hour, |params| params.serial_number = Some(serial.into()))
    };
    let mut validation = authority.validation();
    validation.crl = Some(inline(&authority.revoke(77)));
    far.secrets.update("ROOTCA", SecretKind::ValidationContext(validation.clone())).unwrap();
    let (client, server) = (near.client(&istio_client(&[], vec![])), far.server(&istio_server(&[])));
    near.secrets.update("default", numbered(78).secret()).unwrap();
    shake(&client, &server).await.1.unwrap();
    near.secrets.update("default", numbered(77).secret()).unwrap();
    let refused = failure(shake(&client, &server).await.1);
    assert!(refused.reason.contains("certificate revoked"), "{}", refused.reason);
    validation.crl = Some(inline("garbage"));
    let reason = far.secrets.update("ROOTCA", SecretKind::ValidationContext(validation)).unwrap_err();
    assert!(reason.contains("no PEM revocation list"), "{reason}");
}

fn pem(label: &str, der: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in der.chunks(3) {
        let word = u32::from(part[0]) << 16
            | u32::from(*part.get(1).unwrap_or(&0)) << 8
            | u32::from(*part.get(2).unwrap_or(&0));
        for place in 0..4 {
            match place <= part.len() {
                true => text.push(char::from(LETTERS[(word >> (18 - 6 * place)) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

#[tokio::test]
async fn typed_sans_and_dns_wildcards() {
    let authority = Authority::new("mesh");
    let near = Side::new(&authority, CLIENT);
    let far = Side::new(&authority, "*.example.com");
    let mut server = istio_server(&[]);
    server.require_client_certificate = false;
    server.common.validation = None;
    let server = far.server(&server);
    let typed = |kind, value: &str| SanMatcher {
        kind: Some(kind),
        matcher: StringMatcher::Exact { value: value.into(), ignore_case: false },
    };
    for (matcher, fits) in [
        (typed(SanKind::Dns, "www.example.com"), true),
        (typed(SanKind::Dns, "a.b.example.com"), false),
        (typed(SanKind::Uri, "*.example.com"), false),
        (exact("www.example.com"), true),
        (prefix("*.example"), true),
    ] {
        let client = near.client(&istio_client(&[], vec![matcher.clone()]));
        assert_eq!(shake(&client, &server).await.0.is_ok(), fits, "{matcher:?}");
    }
    let mut config = istio_client(&[], vec![exact("never looked at")]);
    config.auto_sni_san_validation = true;
    let client = near.client(&config);
    assert!(shake_with(&client, &server, None, Some("www.example.com")).await.0.is_ok());
    assert!(shake_with(&client, &server, None, Some("www.example.org")).await.0.is_err());
}

#[tokio::test]
async fn without_roots_any_certificate_is_taken_and_names_cannot_be_demanded() {
    let (near, far) = (Side::new(&Authority::new("a"), CLIENT), Side::new(&Authority::new("b"), SERVER));
    let mut server = istio_server(&[]);
    server.require_client_certificate = false;
    server.common.validation = None;
    let server = far.server(&server);
    let mut config = istio_client(&[], vec![]);
    config.common.validation.as_mut().unwrap().context = None;
    assert!(shake(&near.client(&config), &server).await.0.is_ok());
    config.common.validation.as_mut().unwrap().subject_alt_names.push(exact(SERVER));
    let reason = ClientContext::new(&config, &near.secrets, "test").unwrap_err();
    assert!(reason.contains("insecure and not allowed"), "{reason}");
    config.common.validation.as_mut().unwrap().accept_untrusted = true;
    assert!(shake(&near.client(&config), &server).await.0.is_ok());
}

#[tokio::test]
async fn roots_that_go_missing_do_not_open_the_door() {
    let (near, far) = mesh();
    let (client, server) = (near.client(&istio_client(&[], vec![exact(SERVER)])), far.server(&istio_server(&[])));
    let stranger = Side::new(&Authority::new("other"), SERVER);
    for side in [&near, &far] {
        // Names of a certificate that nobody vouches for say nothing: the former roots stay in use.
        side.secrets.update("ROOTCA", SecretKind::ValidationContext(Default::default())).unwrap();
    }
    assert!(shake(&client, &server).await.1.is_ok());
    assert!(shake(&client, &stranger.server(&istio_server(&[]))).await.0.is_err());
    let late = ClientContext::new(&istio_client(&[], vec![exact(SERVER)]), &near.secrets, "test");
    assert!(late.unwrap_err().contains("insecure and not allowed"));
}

#[tokio::test]
async fn pins_are_honoured() {
    let (near, far) = mesh();
    let server = far.server(&istio_server(&[]));
    let leaf = shake(&near.client(&istio_client(&[], vec![])), &server).await.0.unwrap().1.peer.unwrap();
    let mut config = istio_client(&[], vec![]);
    let hash = super::sha256(&leaf.chain[0]);
    config.common.validation.as_mut().unwrap().certificate_hashes = vec![hash];
    assert!(shake(&near.client(&config), &server).await.0.is_ok());
    config.common.validation.as_mut().unwrap().certificate_hashes = vec![[7; 32]];
    assert_eq!(failure(shake(&near.client(&config), &server).await.0).kind, FailureKind::Pin);
    let key = super::certificate::public_key_info(&leaf.chain[0]).unwrap();
    config.common.validation.as_mut().unwrap().certificate_spki = vec![super::sha256(&key)];
    assert!(shake(&near.client(&config), &server).await.0.is_ok());
}

#[tokio::test]
async fn what_is_not_tls_is_named() {
    let (_, far) = mesh();
    let server = far.server(&istio_server(&[]));
    let (mut near, distant) = tokio::io::duplex(1024);
    near.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let refused = failure(server.accept(Stream::new(Io::Memory(distant))).await);
    assert!(refused.reason.contains("WRONG_VERSION_NUMBER"), "{}", refused.reason);
    assert_eq!(refused.kind, FailureKind::Protocol);

    let (near, distant) = tokio::io::duplex(1024);
    drop(near);
    let gone = failure(server.accept(Stream::new(Io::Memory(distant))).await);
    assert_eq!((gone.kind, &*gone.reason), (FailureKind::Closed, ""));
}

#[test]
fn contexts_that_cannot_work_are_refused() {
    let secrets = Secrets::new();
    let mut config = istio_server(&[]);
    config.common.cipher_suites = vec!["AES128-GCM-SHA256".into()];
    let reason = ServerContext::new(&config, &secrets, "test").unwrap_err();
    assert!(reason.contains("AES128-GCM-SHA256") && reason.contains("ECDHE"), "{reason}");
    config.common.min_version = TlsVersion::Tls13;
    assert!(ServerContext::new(&config, &secrets, "test").is_ok(), "suites of TLS 1.3 are not configurable");
    let mut config = istio_server(&[]);
    config.common.certificates.clear();
    assert!(ServerContext::new(&config, &secrets, "test").unwrap_err().contains("certificate"));
    let mut config = istio_server(&[]);
    config.common.certificates = vec![SecretSource::Inline(Arc::new(Authority::new("x").issue(SERVER).config()))];
    assert!(ServerContext::new(&config, &secrets, "test").is_ok());
    let mut config = istio_client(&[], vec![]);
    config.sni = Some("not a name".into());
    assert!(ClientContext::new(&config, &secrets, "test").unwrap_err().contains("not a name"));
}
