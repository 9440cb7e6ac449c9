//! Handshakes between our own two sides, in memory.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use config::secret::SecretKind;
use config::tls::{DownstreamTls, SecretSource, TlsVersion, UpstreamTls};
use rustls::SignatureScheme;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::info::{PeerName, TlsInfo};
use super::testing::*;
use super::{Asked, ClientContext, FailureKind, HandshakeFailure, Secrets, ServerContext};
use crate::transport::{Io, Stream};

mod sessions;
mod spiffe;
mod staples;

const SERVER: &str = "spiffe://cluster.local/ns/default/sa/details";
const CLIENT: &str = "spiffe://cluster.local/ns/default/sa/productpage";

struct Side {
    secrets: Arc<Secrets>,
}

impl Side {
    fn new(authority: &Authority, identity: &str) -> Side {
        let secrets = Secrets::new();
        secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
        secrets.update(&sds("default").id(), authority.issue(identity).secret()).unwrap();
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
    let protocols = protocols.map(|protocols| alpn(protocols).into());
    shake_asked(client, server, Asked { alpn: protocols.as_ref(), sni, demanded: None }).await
}

async fn shake_asked(client: &ClientContext, server: &ServerContext, asked: Asked<'_>) -> (Finished, Finished) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let connecting = async {
        let (mut stream, info) = client.connect(Stream::new(Io::Memory(near)), asked).await?;
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
    assert_eq!(peer.uri_sans, [PeerName::from(CLIENT)]);
    assert_eq!(&*peer.subject, "");
    assert_eq!(peer.sha256.len(), 64);
    assert_eq!(peer.chain.len(), 2, "istiod appends the root");
    assert_eq!(&*accepted.local_uri_sans, [Arc::from(SERVER)]);
    assert_eq!(connected.peer.unwrap().uri_sans, [PeerName::from(SERVER)]);
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
    let client = near.client(&istio_client(&["istio"], vec![]));
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
async fn metadata_exchange_is_agreed_on_like_any_protocol() {
    let (near, far) = mesh();
    let client = near.client(&istio_client(&["istio-peer-exchange", "istio"], vec![]));
    let server = far.server(&istio_server(&["istio-peer-exchange", "h2"]));
    let (connected, accepted) = shake(&client, &server).await;
    assert_eq!(connected.unwrap().1.alpn.as_deref(), Some(&b"istio-peer-exchange"[..]));
    assert_eq!(accepted.unwrap().1.alpn.as_deref(), Some(&b"istio-peer-exchange"[..]));
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
    optional.common.validation = fetched(&[]);
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
    let words = "error at depth 1: self signed certificate in certificate chain";
    assert!(refused.reason.contains(words), "istiod appends the root: {}", refused.reason);
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
        (now - 2 * hour, now - hour, "certificate has expired (spiffe://cluster.local/ns/default/sa/details, 360"),
        (now + hour, now + 2 * hour, "certificate is not yet valid (if it is right, the clock is 3"),
    ] {
        let far = Side::new(&authority, SERVER);
        far.secrets.update(&sds("default").id(), authority.issue_for(SERVER, from, until).secret()).unwrap();
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
        side.secrets.update(&sds("ROOTCA").id(), new.roots()).unwrap();
    }
    let (connected, _) = shake(&client, &server).await;
    assert_eq!(failure(connected).kind, FailureKind::Certificate, "no session of the old roots is resumed");

    near.secrets.update(&sds("default").id(), new.issue(CLIENT).secret()).unwrap();
    far.secrets.update(&sds("default").id(), new.issue(SERVER).secret()).unwrap();
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
    assert_eq!(info.peer.unwrap().uri_sans, [PeerName::from(CLIENT)], "a resumed session still has its peer");
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
    secrets.update(&sds("default").id(), authority.issue(SERVER).secret()).unwrap();
    assert!(!server.is_ready());
    secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
    assert!(server.is_ready());
    assert_eq!(secrets.certificates().len(), 2);
}

#[tokio::test]
async fn bad_secrets_are_named_and_the_former_version_stays() {
    let authority = Authority::new("mesh");
    let secrets = Secrets::new();
    let good = authority.issue(SERVER);
    secrets.update(&sds("default").id(), good.secret()).unwrap();
    let mut mixed = good.config();
    mixed.key = inline(&authority.issue(SERVER).key);
    let mut garbage = good.config();
    garbage.chain = inline("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let mut empty = good.config();
    empty.chain = inline("");
    let mut missing = good.config();
    missing.key = file("/no/such/key.pem");
    let mut folder = good.config();
    folder.chain = file("/tmp");
    for (config, words) in [
        (mixed, "the private key does not match the certificate"),
        (garbage, "does not parse"),
        (empty, "no PEM certificate"),
        (missing, "private_key.filename: cannot read /no/such/key.pem: No such file"),
        (folder, "certificate_chain.filename: /tmp is no regular file; put one there"),
    ] {
        let reason = secrets.update(&sds("default").id(), SecretKind::TlsCertificate(config)).unwrap_err();
        assert!(reason.starts_with("secret default: ") && reason.contains(words), "{reason}");
    }
    let server = ServerContext::new(&istio_server(&[]), &secrets, "test").unwrap();
    secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
    assert!(server.is_ready());
}

/// What names a secret as a certificate has nothing in roots.
#[tokio::test]
async fn a_secret_of_another_kind_is_refused_and_the_former_version_stays() {
    let authority = Authority::new("mesh");
    let secrets = Secrets::new();
    let server = ServerContext::new(&istio_server(&[]), &secrets, "test").unwrap();
    let (own, roots) = (sds("default").id(), sds("ROOTCA").id());
    let generic = || {
        SecretKind::Generic(config::secret::GenericSecret { secret: Some(inline("a")), secrets: Default::default() })
    };
    for before in [true, false] {
        for (id, wrong, words) in [
            (
                &own,
                authority.roots(),
                "secret default: it is validation_context, and is named where tls_certificate is wanted",
            ),
            (&own, generic(), "secret default: it is generic_secret, and is named where tls_certificate is wanted"),
            (
                &roots,
                authority.issue(SERVER).secret(),
                "secret ROOTCA: it is tls_certificate, and is named where validation_context is wanted",
            ),
        ] {
            let reason = secrets.update(id, wrong).unwrap_err();
            assert!(reason.starts_with(words) && reason.ends_with("; send that, or correct the name"), "{reason}");
        }
        assert_eq!(server.is_ready(), !before);
        secrets.update(&own, authority.issue(SERVER).secret()).unwrap();
        secrets.update(&roots, authority.roots()).unwrap();
        assert!(server.is_ready());
    }
    // Who named it is gone: it may become anything.
    drop(server);
    secrets.update(&own, authority.roots()).unwrap();
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
    // Inside of PKCS#8 it does not name the curve; alone it must: version and key come first, then the curve, then the public key.
    const CURVE: [u8; 12] = [0xa0, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let (private, public) = der[start + 2..start + 0x6d].split_at(3 + 34);
    let sec1 = pem("EC PRIVATE KEY", &[&[0x30, 0x6b + 12], private, &CURVE, public].concat());
    let mut config = leaf.config();
    config.key = inline(&sec1);
    Secrets::new().update(&sds("default").id(), SecretKind::TlsCertificate(config)).unwrap();

    let (leaf, pkcs8) = authority.issue_rsa(SERVER);
    Secrets::new().update(&sds("default").id(), leaf.secret()).unwrap();
    // The head of PKCS#8 for a key of 2048 bits has 26 octets.
    let mut config = leaf.config();
    config.key = inline(&pem("RSA PRIVATE KEY", &pkcs8[26..]));
    Secrets::new().update(&sds("default").id(), SecretKind::TlsCertificate(config)).unwrap();
    for kind in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ECDSA_P521_SHA512] {
        Secrets::new().update(&sds("default").id(), authority.issue_of(kind, SERVER).secret()).unwrap();
    }
    // openssl writes version 1 of PKCS#8; rcgen's version 2, with the public key, is nothing that BoringSSL reads either.
    const HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    let leaf = authority.issue_of(&rcgen::PKCS_ED25519, SERVER);
    let newer = rcgen::KeyPair::from_pem(&leaf.key).unwrap().serialize_der();
    let mut config = leaf.config();
    config.key = inline(&pem("PRIVATE KEY", &[&HEAD, &newer[16..48]].concat()));
    Secrets::new().update(&sds("default").id(), SecretKind::TlsCertificate(config)).unwrap();
}

#[tokio::test]
async fn chains_and_roots_have_all_of_openssls_labels_and_nothing_broken() {
    let authority = Authority::new("mesh");
    let leaf = authority.issue(SERVER);
    let relabelled = |text: &str, label: &str| {
        text.replace("BEGIN CERTIFICATE", &format!("BEGIN {label}")).replace("END CERTIFICATE", &format!("END {label}"))
    };
    let take = |chain: &str| {
        let mut config = leaf.config();
        config.chain = inline(chain);
        Secrets::new().update(&sds("default").id(), SecretKind::TlsCertificate(config))
    };
    let trust = |bundle: &str| Secrets::new().update(&sds("ROOTCA").id(), secret(&[roots(bundle)]));
    for label in ["X509 CERTIFICATE", "TRUSTED CERTIFICATE"] {
        take(&relabelled(&leaf.chain, label)).unwrap();
        trust(&relabelled(&authority.root, label)).unwrap();
    }
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let cut = &authority.root[..authority.root.len() / 2];
    for tail in [broken, cut] {
        let after = take(&format!("{}{tail}", leaf.chain)).unwrap_err();
        assert!(after.contains("a certificate of it does not parse"), "{after}");
        let after = trust(&format!("{}{tail}", authority.root)).unwrap_err();
        assert!(after.contains("does not parse"), "{after}");
    }
    take(&format!("said before\n{}said after", leaf.chain)).unwrap();
    // Lists among the roots count.
    let far = Side::new(&authority, SERVER);
    let bundle = format!("{}{}", authority.root, authority.revoke(77));
    far.secrets.update(&sds("ROOTCA").id(), secret(&[roots(&bundle)])).unwrap();
    let near = Side::new(&authority, CLIENT);
    let now = SystemTime::now();
    let numbered = |serial: u64| {
        authority.issue_with(CLIENT, now - HOUR, now + HOUR, |params| params.serial_number = Some(serial.into()))
    };
    let (client, server) = (near.client(&istio_client(&[], vec![])), far.server(&istio_server(&[])));
    for (serial, accepted) in [(78, true), (77, false)] {
        near.secrets.update(&sds("default").id(), numbered(serial).secret()).unwrap();
        assert_eq!(shake(&client, &server).await.1.is_ok(), accepted, "{serial}");
    }
}

#[test]
fn encrypted_keys_are_opened_with_their_password() {
    let chain = include_str!("testing/encrypted_chain.pem");
    for (file, key) in [
        ("PKCS#8", include_str!("testing/encrypted_pkcs8.pem")),
        ("as OpenSSL once wrote them", include_str!("testing/encrypted_old.pem")),
    ] {
        let take = |password: Option<&str>| {
            let password = password.map(inline);
            let config =
                config::secret::TlsCertificate { chain: inline(chain), key: inline(key), password, staple: None };
            Secrets::new().update(&sds("default").id(), SecretKind::TlsCertificate(config))
        };
        take(Some("correct horse")).unwrap_or_else(|reason| panic!("{file}: {reason}"));
        for password in [None, Some(""), Some("battery staple"), Some("correct horse "), Some(&*"x".repeat(5000))] {
            let reason = take(password).unwrap_err();
            assert!(reason.contains("password"), "{file}: {reason}");
            assert!(!reason.contains("battery"), "{reason}");
        }
    }
}

#[tokio::test]
async fn rsa_keys_work_with_both_versions() {
    let (near, far) = mesh();
    let authority = Authority::new("rsa");
    for side in [&near, &far] {
        side.secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
        side.secrets.update(&sds("default").id(), authority.issue_rsa(SERVER).0.secret()).unwrap();
    }
    let server = far.server(&istio_server(&[]));
    let mut config = istio_client(&[], vec![exact(SERVER)]);
    assert!(shake(&near.client(&config), &server).await.1.is_ok());
    config.common.max_version = TlsVersion::Tls12;
    let info = shake(&near.client(&config), &server).await.1.unwrap().1;
    assert_eq!(info.cipher, "ECDHE-RSA-AES256-GCM-SHA384");
}

#[test]
fn rsa_keys_sign_with_what_boringssl_prefers() {
    let secrets = Secrets::new();
    secrets
        .update(&sds("default").id(), Authority::new("rsa").issue_rsa(SERVER).0.secret())
        .expect("a good certificate");
    let identity = secrets.identity(&sds("default").id()).expect("held");
    let key = super::signature::limited(&identity.key, &super::signature::SCHEMES.into());
    let signs = |offered: &[SignatureScheme]| key.key.choose_scheme(offered).map(|signer| signer.scheme());
    let [sha512, sha256] = [SignatureScheme::RSA_PSS_SHA512, SignatureScheme::RSA_PSS_SHA256];
    assert_eq!(signs(&[sha512, SignatureScheme::RSA_PKCS1_SHA256, sha256]), Some(sha256));
    assert_eq!(signs(&[sha512, SignatureScheme::RSA_PKCS1_SHA256]), Some(SignatureScheme::RSA_PKCS1_SHA256));
    assert_eq!(signs(&[sha512]), Some(sha512));
}

#[tokio::test]
async fn before_tls_1_3_the_client_knows_the_curve_of_the_certificate_or_is_shown_another() {
    let (near, far) = mesh();
    let authority = Authority::new("two");
    for side in [&near, &far] {
        side.secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
        side.secrets.update(&sds("default").id(), authority.issue(CLIENT).secret()).unwrap();
    }
    let given = |leaf: Leaf| match leaf.secret() {
        SecretKind::TlsCertificate(certificate) => SecretSource::Inline(Arc::new(certificate)),
        other => panic!("no certificate: {}", other.field()),
    };
    let mut serving = istio_server(&[]);
    serving.common.certificates = vec![given(authority.issue_rsa(SERVER).0), given(authority.issue(SERVER))];
    // A name that no certificate has would be answered with the first one.
    let mut config = UpstreamTls { sni: None, ..istio_client(&[], vec![exact(SERVER)]) };
    for (most, of_server, curves, cipher) in [
        (TlsVersion::Tls12, TlsVersion::Tls13, "X25519", "ECDHE-RSA-AES256-GCM-SHA384"),
        (TlsVersion::Tls12, TlsVersion::Tls13, "X25519:P-384", "ECDHE-RSA-AES256-GCM-SHA384"),
        (TlsVersion::Tls12, TlsVersion::Tls13, "X25519:P-256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (TlsVersion::Tls13, TlsVersion::Tls12, "X25519", "ECDHE-RSA-AES256-GCM-SHA384"),
    ] {
        config.common.max_version = most;
        config.common.ecdh_curves = vec![curves.into()];
        serving.common.max_version = of_server;
        let (connected, accepted) = shake(&near.client(&config), &far.server(&serving)).await;
        assert!(connected.is_ok(), "{curves}");
        assert_eq!(accepted.expect("served").1.cipher, cipher, "{curves}");
    }
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
    far.secrets.update(&sds("ROOTCA").id(), secret(&[roots(&authority.root), crl(&authority.revoke(77))])).unwrap();
    let (client, server) = (near.client(&istio_client(&[], vec![])), far.server(&istio_server(&[])));
    near.secrets.update(&sds("default").id(), numbered(78).secret()).unwrap();
    shake(&client, &server).await.1.unwrap();
    near.secrets.update(&sds("default").id(), numbered(77).secret()).unwrap();
    let refused = failure(shake(&client, &server).await.1);
    assert!(refused.reason.contains("certificate revoked"), "{}", refused.reason);
    let garbage = secret(&[roots(&authority.root), crl("garbage")]);
    let reason = far.secrets.update(&sds("ROOTCA").id(), garbage).unwrap_err();
    assert!(reason.contains("no PEM revocation list"), "{reason}");
}

/// Base64 on one line.
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in bytes.chunks(3) {
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
    text
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = base64(der);
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
    const DNS: u8 = 2;
    const URI: u8 = 3;
    for (matcher, fits) in [
        (typed(DNS, "www.example.com", ""), true),
        (typed(DNS, "a.b.example.com", ""), false),
        (typed(URI, "*.example.com", ""), false),
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

/// A client that trusts the authority and demands no more than `change` says, and a server of that authority with these names.
fn named(change: impl FnOnce(&mut UpstreamTls), names: &[&str]) -> (Arc<ClientContext>, Arc<ServerContext>) {
    let authority = Authority::new("mesh");
    let (near, far) = (Side::new(&authority, CLIENT), Side::new(&authority, SERVER));
    let now = SystemTime::now();
    let leaf = authority.issue_with(SERVER, now - HOUR, now + HOUR, |params| {
        params.subject_alt_names = names.iter().map(|name| san_type(name)).collect();
    });
    far.secrets.update(&sds("default").id(), leaf.secret()).unwrap();
    let mut config = istio_client(&[], vec![]);
    config.sni = None;
    change(&mut config);
    let mut server = istio_server(&[]);
    server.require_client_certificate = false;
    server.common.validation = None;
    (near.client(&config), far.server(&server))
}

const HOUR: Duration = Duration::from_secs(3600);

fn san_type(name: &str) -> rcgen::SanType {
    match name.parse() {
        Ok(address) => rcgen::SanType::IpAddress(address),
        Err(_) if name.contains("://") => rcgen::SanType::URI(name.try_into().unwrap()),
        Err(_) => rcgen::SanType::DnsName(name.try_into().unwrap()),
    }
}

#[tokio::test]
async fn auto_sni_san_validation_is_not_met_when_nothing_can_be_compared() {
    let names = ["a.example", "10.0.0.1", "::1", "spiffe://x/y"];
    let on = |config: &mut UpstreamTls| config.auto_sni_san_validation = true;
    for (sni, met) in [
        (None, false),
        (Some(""), false),
        (Some("a.example"), true),
        (Some("b.example"), false),
        (Some("10.0.0.1"), true),
        (Some("10.0.0.2"), false),
        (Some("::1"), true),
        (Some("0:0::1"), true),
        (Some("::2"), false),
    ] {
        let (client, server) = named(on, &names);
        let connected = shake_with(&client, &server, None, sni).await.0;
        assert_eq!(connected.is_ok(), met, "{sni:?}");
        if let Err(failure) = connected {
            assert_eq!(failure.kind, FailureKind::SubjectAltName, "{sni:?}: {}", failure.reason);
        }
    }
    // As Envoy: without a server name the matchers are asked.
    for (matcher, met) in [(exact("a.example"), true), (exact("b.example"), false)] {
        let on = |config: &mut UpstreamTls| {
            config.auto_sni_san_validation = true;
            config.common.validation = fetched(&[matcher]);
        };
        let (client, server) = named(on, &names);
        assert_eq!(shake(&client, &server).await.0.is_ok(), met);
    }
}

#[tokio::test]
async fn a_demanded_name_must_be_proved_whatever_is_sent() {
    let names = ["*.example", "10.0.0.1", "::1", "spiffe://x/y"];
    for (sni, demanded, met) in [
        (None, "", false),
        (Some("a.example"), "", false),
        (None, "a.example", true),
        (Some("a.example"), "example", false),
        (Some("a.example"), "other", false),
        (None, "10.0.0.1", true),
        (None, "10.0.0.2", false),
        (Some("a.example"), "::1", true),
        (Some("a.example"), "::2", false),
    ] {
        let (client, server) = named(|_| {}, &names);
        let asked = Asked { sni, demanded: Some(demanded), ..Asked::default() };
        let connected = shake_asked(&client, &server, asked).await.0;
        assert_eq!(connected.is_ok(), met, "{sni:?} {demanded:?}");
        if let Err(failure) = connected {
            let words =
                format!("verify cert failed: verify SAN list, expected SANs: [{demanded}], certificate SANs: [");
            assert!(failure.reason.contains(&words), "{}", failure.reason);
        }
    }
    // It does not take the place of the matchers, and there is none where nothing vouches for the certificate.
    let other = |config: &mut UpstreamTls| {
        config.common.validation = fetched(&[exact("b.other")]);
    };
    let unverified = |config: &mut UpstreamTls| config.common.validation = given(&[]);
    let asked = Asked { demanded: Some("a.example"), ..Asked::default() };
    for (client, server) in [named(other, &names), named(unverified, &names)] {
        assert!(shake_asked(&client, &server, asked).await.0.is_err());
    }
}

#[tokio::test]
async fn a_resumed_session_proves_its_names_again() {
    let (client, server) = named(|_| {}, &["a.example"]);
    let asked = |name| Asked { demanded: Some(name), ..Asked::default() };
    assert!(!shake_asked(&client, &server, asked("a.example")).await.0.unwrap().1.resumed);
    assert!(shake_asked(&client, &server, asked("a.example")).await.0.unwrap().1.resumed);
    let refused = failure(shake_asked(&client, &server, asked("b.example")).await.0);
    assert_eq!(refused.kind, FailureKind::SubjectAltName, "{}", refused.reason);
}

#[tokio::test]
async fn without_roots_any_certificate_is_taken_and_names_cannot_be_demanded() {
    let (near, far) = (Side::new(&Authority::new("a"), CLIENT), Side::new(&Authority::new("b"), SERVER));
    let mut server = istio_server(&[]);
    server.require_client_certificate = false;
    server.common.validation = None;
    let server = far.server(&server);
    let mut config = istio_client(&[], vec![]);
    config.common.validation = given(&[]);
    assert!(shake(&near.client(&config), &server).await.0.is_ok());
    config.common.validation = given(&[exact(SERVER)]);
    let reason = ClientContext::new(&config, &near.secrets, "test").unwrap_err();
    assert!(reason.contains("insecure and not allowed"), "{reason}");
    config.common.validation = given(&[exact(SERVER), accept_untrusted()]);
    let reason = ClientContext::new(&config, &near.secrets, "test").unwrap_err();
    assert!(reason.contains("insecure and not allowed"), "{reason}");
}

#[test]
fn a_client_certificate_is_demanded_where_somebody_vouches_for_it() {
    let far = Side::new(&Authority::new("b"), SERVER);
    let mut demanding = istio_server(&[]);
    for (parts, taken) in [
        (vec![], false),
        (vec![accept_untrusted()], true),
        (vec![hash([7; 32])], true),
        (vec![exact(CLIENT), accept_untrusted()], false),
    ] {
        demanding.common.validation = given(&parts);
        let made = ServerContext::new(&demanding, &far.secrets, "test");
        assert_eq!(made.is_ok(), taken, "{parts:?} {:?}", made.err());
    }
    demanding.common.validation = None;
    assert!(ServerContext::new(&demanding, &far.secrets, "test").unwrap_err().contains("require_client_certificate"));
}

#[tokio::test]
async fn roots_that_go_missing_do_not_open_the_door() {
    let (near, far) = mesh();
    let (client, server) = (near.client(&istio_client(&[], vec![exact(SERVER)])), far.server(&istio_server(&[])));
    let stranger = Side::new(&Authority::new("other"), SERVER);
    for side in [&near, &far] {
        // Names of a certificate that nobody vouches for say nothing: the former roots stay in use.
        side.secrets.update(&sds("ROOTCA").id(), secret(&[])).unwrap();
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
    config.common.validation = fetched(&[hash(super::sha256(&leaf.chain[0]))]);
    assert!(shake(&near.client(&config), &server).await.0.is_ok());
    config.common.validation = fetched(&[hash([7; 32])]);
    assert_eq!(failure(shake(&near.client(&config), &server).await.0).kind, FailureKind::Pin);
    let key = super::x509::Certificate::from_der(&leaf.chain[0]).unwrap().public_key_info();
    config.common.validation = fetched(&[hash([7; 32]), spki(super::sha256(&key))]);
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

#[tokio::test]
async fn a_fetched_context_is_merged_over_the_given_one() {
    let (mesh, other) = (Authority::new("mesh"), Authority::new("other"));
    let far = Side::new(&mesh, SERVER);
    let server = |given: &[Part], fetched_parts: &[Part]| {
        far.secrets.update(&sds("ROOTCA").id(), secret(fetched_parts)).unwrap();
        let mut config = istio_server(&[]);
        config.require_client_certificate = true;
        config.common.validation = fetched(given);
        ServerContext::new(&config, &far.secrets, "test")
    };
    let (ours, theirs) = (roots(&mesh.root), roots(&other.root));
    let named = exact(CLIENT);
    let nobody = exact("spiffe://nobody");
    for (given, fetched, (friend, stranger)) in [
        // Roots are those of the given context where the fetched one has none, else the fetched one's alone.
        (vec![ours.clone()], vec![], (true, false)),
        (vec![ours.clone()], vec![theirs.clone()], (false, true)),
        (vec![], vec![ours.clone()], (true, false)),
        // Names of both count.
        (vec![ours.clone(), nobody.clone()], vec![], (false, false)),
        (vec![ours.clone(), nobody.clone()], vec![named.clone()], (true, false)),
        (vec![nobody.clone()], vec![ours.clone(), named.clone()], (true, false)),
        (vec![named.clone()], vec![ours.clone(), nobody.clone()], (true, false)),
        // The deprecated list counts only where no typed one is, in whichever of the two.
        (vec![ours.clone(), named.clone()], vec![typed(3, "spiffe://nobody", "")], (false, false)),
        (vec![typed(3, CLIENT, "")], vec![ours.clone(), nobody.clone()], (true, false)),
        // Pins, lists and settings of the fetched context act too.
        (vec![ours.clone()], vec![hash([7; 32])], (false, false)),
        (vec![hash([7; 32])], vec![ours.clone()], (false, false)),
        (vec![ours.clone()], vec![crl(&other.revoke(1))], (false, false)),
        (vec![ours.clone()], vec![accept_untrusted()], (true, true)),
        (vec![ours.clone(), accept_untrusted()], vec![], (true, true)),
        // What neither half could ask for alone.
        (vec![ours.clone()], vec![allow_expired()], (true, false)),
        (vec![allow_expired()], vec![ours.clone()], (true, false)),
    ] {
        let context = server(&given, &fetched).unwrap();
        for (authority, expected) in [(&mesh, friend), (&other, stranger)] {
            let near = Side::new(authority, CLIENT);
            let mut config = istio_client(&[], vec![]);
            config.common.validation = None;
            let accepted = shake(&near.client(&config), &context).await.1;
            assert_eq!(accepted.is_ok(), expected, "{given:?} {fetched:?}");
        }
    }
    // What is merged is judged whole: names without roots are refused.
    assert!(server(&[named], &[]).unwrap_err().contains("insecure and not allowed"));
    assert!(server(&[allow_expired()], &[]).unwrap_err().contains("ignored without trusted CA"));
    assert!(server(&[crl(&other.revoke(1))], &[]).unwrap_err().contains("CRL without trusted CA"));
}

#[test]
fn dns_names_match_as_envoys_do() {
    use super::verify::dns_name_matches as matches;
    for (name, pattern, expected) in [
        ("a.example", "A.Example", true),
        ("a.example", "*.example", true),
        ("a.b.example", "*.example", false),
        ("a.example", "*", false),
        ("example", "*", false),
        ("foobar.example", "foo*.example", true),
        ("foobar.example", "*bar.example", true),
        ("foobar.example", "f*r.example", true),
        ("foo.example", "foo*.example", true),
        ("fo.example", "fo*o.example", false),
        ("foobar.example", "f*o*.example", false),
        ("a.b.example", "a.*.example", false),
        ("xn--a.example", "xn--*.example", false),
        ("xn--a.example", "*.example", true),
    ] {
        assert_eq!(matches(name.as_bytes(), pattern.as_bytes()), expected, "{name} {pattern}");
    }
}

#[test]
fn nothing_of_a_broken_secret_is_said() {
    let authority = Authority::new("mesh");
    let leaf = authority.issue(SERVER);
    let mut refused = 0;
    let secrets = |key: &str, chain: &str, password: Option<&str>| {
        let password = password.map(inline);
        config::secret::TlsCertificate { chain: inline(chain), key: inline(key), password, staple: None }
    };
    let mut all = Vec::new();
    for key in spoiled(&leaf.key) {
        all.push(SecretKind::TlsCertificate(secrets(&key, &leaf.chain, None)));
        all.push(SecretKind::TlsCertificate(secrets(&key, &leaf.chain, Some("mark of a password"))));
        // In the wrong place.
        all.push(SecretKind::TlsCertificate(secrets(&leaf.chain, &key, None)));
        all.push(secret(&[roots(&key)]));
        all.push(secret(&[roots(&authority.root), crl(&key)]));
    }
    let marks = Marks::of(&leaf.key);
    let says = |text: &str| marks.in_text(text) || text.contains("mark of a password");
    assert!(says(&leaf.key));
    for kind in all {
        assert!(!says(&format!("{kind:?}")), "Debug of a secret");
        if let Err(reason) = Secrets::new().update(&sds("default").id(), kind) {
            refused += 1;
            assert!(!says(&reason), "{reason}");
        }
    }
    assert!(refused > 300, "{refused}");
}
