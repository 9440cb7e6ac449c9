//! What is resumed, with whose keys; signatures, suites and certificates that both sides can be held to.

use config::secret::TicketKeys;
use config::tls::{SessionTickets, TlsVersion};
use rustls::SignatureScheme;

use super::*;

/// Whether the second of two connections is resumed.
async fn resumes(client: &ClientContext, server: &ServerContext) -> bool {
    assert!(!shake(client, server).await.1.unwrap().1.resumed);
    shake(client, server).await.1.unwrap().1.resumed
}

#[tokio::test]
async fn each_kind_of_resumption_is_turned_off_by_itself() {
    let (near, far) = mesh();
    for (newest, tickets, stateful_off, expected) in [
        (TlsVersion::Tls12, SessionTickets::OwnKeys, false, true),
        (TlsVersion::Tls12, SessionTickets::OwnKeys, true, true),
        (TlsVersion::Tls12, SessionTickets::Off, false, true),
        (TlsVersion::Tls12, SessionTickets::Off, true, false),
        (TlsVersion::Tls13, SessionTickets::OwnKeys, true, true),
        // Without tickets it knows no sessions.
        (TlsVersion::Tls13, SessionTickets::Off, false, false),
        (TlsVersion::Tls13, SessionTickets::Off, true, false),
    ] {
        let mut config = istio_server(&[]);
        (config.tickets, config.disable_stateful_resumption) = (tickets.clone(), stateful_off);
        let mut client = istio_client(&[], vec![]);
        client.common.max_version = newest;
        let resumed = resumes(&near.client(&client), &far.server(&config)).await;
        assert_eq!(resumed, expected, "{newest:?} {tickets:?} {stateful_off}");
    }
}

fn keys(fills: &[u8]) -> TicketKeys {
    let key = |fill: &u8| DataSource::Inline(vec![*fill; 80].into());
    TicketKeys { keys: fills.iter().map(key).collect() }
}

use config::secret::DataSource;

#[tokio::test]
async fn tickets_under_given_keys_are_taken_by_others_who_have_them() {
    let (near, far) = mesh();
    let with = |keys: TicketKeys| {
        let mut config = istio_server(&[]);
        config.tickets = SessionTickets::Keys(SecretSource::Inline(Arc::new(keys)));
        far.server(&config)
    };
    for newest in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let mut config = istio_client(&[], vec![]);
        config.common.max_version = newest;
        let client = near.client(&config);
        assert!(!shake(&client, &with(keys(&[1, 2]))).await.1.unwrap().1.resumed);
        assert!(shake(&client, &with(keys(&[2, 1]))).await.1.unwrap().1.resumed, "{newest:?}");
        assert!(!shake(&client, &with(keys(&[3]))).await.1.unwrap().1.resumed, "{newest:?}");
    }
    let mut config = istio_server(&[]);
    let short = TicketKeys { keys: vec![DataSource::Inline(vec![0; 48].into())] };
    config.tickets = SessionTickets::Keys(SecretSource::Inline(Arc::new(short)));
    let reason = ServerContext::new(&config, &far.secrets, "test").unwrap_err();
    assert_eq!(
        reason,
        "session_ticket_keys[0]: Incorrect TLS session ticket key length. Length 48, expected length 80"
    );
}

#[tokio::test]
async fn a_ticket_of_a_laxer_context_opens_no_stricter_one() {
    let (near, far) = mesh();
    let keys = || SessionTickets::Keys(SecretSource::Inline(Arc::new(keys(&[1]))));
    let (mut lax, mut strict) = (istio_server(&[]), istio_server(&[]));
    (lax.tickets, strict.tickets) = (keys(), keys());
    (lax.require_client_certificate, lax.common.validation) = (false, None);
    let (lax, strict) = (far.server(&lax), far.server(&strict));
    for newest in [TlsVersion::Tls12, TlsVersion::Tls13] {
        let mut config = istio_client(&[], vec![]);
        config.common.max_version = newest;
        config.common.certificates.clear();
        let client = near.client(&config);
        shake(&client, &lax).await.1.unwrap();
        assert!(shake(&client, &lax).await.1.unwrap().1.resumed);
        assert!(shake(&client, &strict).await.1.is_err(), "{newest:?}");
    }
    // Nor does one of a client that the other does not trust.
    let stranger = Side::new(&Authority::new("elsewhere"), CLIENT);
    let client = stranger.client(&UpstreamTls { max_session_keys: 1, ..untrusting() });
    shake(&client, &lax).await.1.unwrap();
    assert!(shake(&client, &strict).await.1.is_err());
}

/// Whether one more handshake of these two, which succeeds, resumes a session.
async fn resumed(client: &ClientContext, server: &ServerContext) -> bool {
    let (connected, accepted) = shake(client, server).await;
    assert!(connected.is_ok(), "{}", connected.map(|_| ()).unwrap_err());
    accepted.unwrap().1.resumed
}

#[tokio::test]
async fn a_change_of_anything_that_a_session_was_judged_by_ends_it() {
    let (authority, other) = (Authority::new("mesh"), Authority::new("other"));
    let certificates = [authority.issue(SERVER), authority.issue(SERVER)];
    let both = format!("{}{}", authority.root, other.root);
    let lists = [authority.revoke(7), authority.revoke(8)];
    let only_leaf = vec![roots(&authority.root), crl(&lists[0]), only_leaf_crl()];
    // Each step changes one thing, and lets both in as the one before does.
    let steps: [(&str, SecretKind); 8] = [
        ("default", certificates[0].secret()),
        ("default", certificates[1].secret()),
        ("ROOTCA", secret(&[roots(&both)])),
        ("ROOTCA", secret(&[roots(&authority.root)])),
        ("ROOTCA", secret(&[roots(&authority.root), prefix("spiffe://cluster.local/ns/")])),
        ("ROOTCA", secret(&[roots(&authority.root), prefix("spiffe://cluster.local/ns/default/")])),
        ("ROOTCA", secret(&only_leaf)),
        ("ROOTCA", secret(&[roots(&authority.root), crl(&lists[1]), only_leaf_crl()])),
    ];
    for newest in [TlsVersion::Tls12, TlsVersion::Tls13] {
        for tickets in [SessionTickets::OwnKeys, SessionTickets::Keys(SecretSource::Inline(Arc::new(keys(&[1]))))] {
            let (near, far) = (Side::new(&authority, CLIENT), Side::new(&authority, SERVER));
            let mut config = istio_server(&[]);
            config.tickets = tickets.clone();
            let server = far.server(&config);
            let mut config = istio_client(&[], vec![]);
            config.common.max_version = newest;
            let client = near.client(&config);
            for (name, kind) in &steps {
                // Of the server, while the client keeps its sessions.
                far.secrets.update(&sds(name).id(), kind.clone()).unwrap();
                assert!(!resumed(&client, &server).await, "{newest:?} {tickets:?} {kind:?} at the server");
                assert!(resumed(&client, &server).await, "{newest:?} {tickets:?} {kind:?}: nothing changed");
                // Of the client, while the server keeps its keys.
                if *name == "ROOTCA" {
                    near.secrets.update(&sds(name).id(), kind.clone()).unwrap();
                    assert!(!resumed(&client, &server).await, "{newest:?} {tickets:?} {kind:?} at the client");
                    assert!(resumed(&client, &server).await);
                }
            }
            near.secrets.update(&sds("default").id(), authority.issue(CLIENT).secret()).unwrap();
            assert!(!resumed(&client, &server).await, "{newest:?} {tickets:?}: the client's certificate");
        }
    }
}

/// A client that takes any server.
fn untrusting() -> UpstreamTls {
    let mut config = istio_client(&[], vec![]);
    config.common.validation = None;
    config
}

#[tokio::test]
async fn a_context_waits_for_its_ticket_keys_and_takes_new_ones() {
    let (near, far) = mesh();
    let mut config = istio_server(&[]);
    config.tickets = SessionTickets::Keys(SecretSource::Sds(sds("tickets")));
    let server = far.server(&config);
    assert!(!server.is_ready());
    far.secrets.update(&sds("tickets").id(), SecretKind::TicketKeys(keys(&[1]))).unwrap();
    assert!(server.is_ready());
    let client = near.client(&istio_client(&[], vec![]));
    assert!(resumes(&client, &server).await);
    far.secrets.update(&sds("tickets").id(), SecretKind::TicketKeys(keys(&[2, 1]))).unwrap();
    assert!(shake(&client, &server).await.1.unwrap().1.resumed);
    far.secrets.update(&sds("tickets").id(), SecretKind::TicketKeys(keys(&[3]))).unwrap();
    assert!(!shake(&client, &server).await.1.unwrap().1.resumed);
}

#[tokio::test]
async fn only_signatures_that_are_named_are_taken_and_made() {
    let authority = Authority::new("mesh");
    let (near, far) = (Side::new(&authority, CLIENT), Side::new(&authority, SERVER));
    let rsa = "rsa_pkcs1_sha256";
    for (at_client, at_server, expected) in [
        (vec![], vec![], true),
        (vec!["ecdsa_secp256r1_sha256"], vec!["ECDSA+SHA256"], true),
        (vec![], vec!["rsa_pss_rsae_sha256", "ecdsa_secp256r1_sha256"], true),
        (vec!["ecdsa_secp256r1_sha256:rsa_pss_rsae_sha256"], vec![], true),
        // The certificates are of ECDSA.
        (vec![rsa], vec![], false),
        (vec![], vec![rsa], false),
    ] {
        for newest in [TlsVersion::Tls12, TlsVersion::Tls13] {
            let (mut client, mut server) = (istio_client(&[], vec![]), istio_server(&[]));
            client.common.max_version = newest;
            client.common.signature_algorithms = at_client.iter().map(|name| (*name).into()).collect();
            server.common.signature_algorithms = at_server.iter().map(|name| (*name).into()).collect();
            let (connected, accepted) = shake(&near.client(&client), &far.server(&server)).await;
            assert_eq!(connected.is_ok() && accepted.is_ok(), expected, "{newest:?} {at_client:?} {at_server:?}");
        }
    }
    let mut client = istio_client(&[], vec![]);
    client.common.signature_algorithms = vec!["ed25519".into()];
    let reason = ClientContext::new(&client, &near.secrets, "test").unwrap_err();
    assert!(reason.contains("signature_algorithms: ed25519 is not available; name one of ecdsa_"), "{reason}");
}

#[test]
fn contexts_show_what_they_use_and_when_the_first_of_it_expires() {
    let authority = Authority::new("mesh");
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        file(folder.path().join(name))
    };
    let (now, day) = (SystemTime::now(), Duration::from_secs(86_400));
    let leaf = authority.issue_for("a.example", now - day, now + 10 * day + HOUR);
    let soon = authority.issue_for("b.example", now - day, now + 5 * day + HOUR);
    let secrets = Secrets::new();
    assert_eq!(secrets.days_until_first_expires(now), None);
    // A secret that no context uses does not count.
    secrets.update(&sds("unused").id(), soon.secret()).unwrap();
    let mut config = istio_server(&[]);
    let mut certificate = leaf.config();
    (certificate.chain, certificate.key) = (write("chain.pem", &leaf.chain), write("key.pem", &leaf.key));
    config.common.certificates = vec![SecretSource::Inline(Arc::new(certificate))];
    let server = ServerContext::new(&config, &secrets, "test").unwrap();
    assert!(secrets.contexts().is_empty(), "it waits for its roots");
    secrets.update(&sds("ROOTCA").id(), authority.roots()).unwrap();
    let shown = secrets.contexts();
    assert_eq!((shown.len(), shown[0].authorities.len(), shown[0].chain.len()), (1, 1, 1));
    assert!(shown[0].chain[0].path.as_deref().is_some_and(|path| path.ends_with("chain.pem")));
    assert_eq!(secrets.days_until_first_expires(now), Some(10));
    secrets.update(&sds("default").id(), soon.secret()).unwrap();
    let client = ClientContext::new(&istio_client(&[], vec![]), &secrets, "test").unwrap();
    assert_eq!((secrets.contexts().len(), secrets.days_until_first_expires(now)), (2, Some(5)));
    assert_eq!(secrets.days_until_first_expires(now + 6 * day), Some(0));
    drop(client);
    assert_eq!((secrets.contexts().len(), secrets.days_until_first_expires(now)), (1, Some(10)));
    drop(server);
    assert_eq!(secrets.days_until_first_expires(now), None);
}

/// What the leaf that the server shows is called.
async fn shown(server: &ServerContext, client: &ClientContext, sni: &str) -> Option<String> {
    let (connected, _) = shake_with(client, server, None, Some(sni)).await;
    let peer = connected.ok()?.1.peer?;
    peer.dns_sans.first().map(|name| name.text().to_string())
}

#[tokio::test]
async fn the_certificate_is_chosen_by_name_then_by_what_the_client_verifies() {
    let authority = Authority::new("mesh");
    let (near, far) = (Side::new(&authority, CLIENT), Side::new(&authority, SERVER));
    let certificates = [
        authority.issue("first.example"),
        authority.issue_rsa_for("both.example"),
        authority.issue("*.wild.example"),
        authority.issue("both.example"),
    ];
    let mut config = istio_server(&[]);
    (config.require_client_certificate, config.common.validation) = (false, None);
    config.common.certificates =
        certificates.iter().map(|leaf| SecretSource::Inline(Arc::new(leaf.config()))).collect();
    let server = far.server(&config);
    config.full_scan_on_sni_mismatch = true;
    let scanning = far.server(&config);
    let client = |schemes: &[&str]| {
        let mut client = istio_client(&[], vec![]);
        client.common.signature_algorithms = schemes.iter().map(|name| (*name).into()).collect();
        near.client(&client)
    };
    let (any, only_rsa) = (client(&[]), client(&["rsa_pss_rsae_sha256"]));
    for (name, client, expected) in [
        ("first.example", &any, Some("first.example")),
        ("a.wild.example", &any, Some("*.wild.example")),
        ("a.b.wild.example", &any, Some("first.example")),
        ("elsewhere.example", &any, Some("first.example")),
        ("both.example", &only_rsa, Some("both.example")),
        // The first of all, which the client cannot verify: nothing else is looked for.
        ("elsewhere.example", &only_rsa, None),
    ] {
        assert_eq!(shown(&server, client, name).await.as_deref(), expected, "{name}");
    }
    assert_eq!(shown(&scanning, &only_rsa, "elsewhere.example").await.as_deref(), Some("both.example"));
    assert_eq!(shown(&scanning, &any, "elsewhere.example").await.as_deref(), Some("first.example"));
}

#[tokio::test]
async fn the_order_of_the_client_counts_where_the_context_says_so_or_has_none() {
    let (near, far) = mesh();
    let chosen = async |suites: &[&str], prefer_client: bool| {
        let mut client = istio_client(&[], vec![]);
        client.common.max_version = TlsVersion::Tls12;
        client.common.cipher_suites = vec!["ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256".into()];
        let mut server = istio_server(&[]);
        server.common.cipher_suites = suites.iter().map(|rule| (*rule).into()).collect();
        server.prefer_client_ciphers = prefer_client;
        let server = far.server(&server);
        let client = near.client(&client);
        let first = shake(&client, &server).await.1.unwrap().1;
        let again = shake(&client, &server).await.1.unwrap().1;
        assert!(again.resumed && again.cipher == first.cipher);
        first.cipher
    };
    const AES: &str = "ECDHE-ECDSA-AES128-GCM-SHA256";
    const CHACHA: &str = "ECDHE-ECDSA-CHACHA20-POLY1305";
    assert_eq!(chosen(&[AES, CHACHA], false).await, AES);
    assert_eq!(chosen(&[AES, CHACHA], true).await, CHACHA);
    assert_eq!(chosen(&[&format!("[{AES}|{CHACHA}]")], false).await, CHACHA);
    assert_eq!(chosen(&[], false).await, CHACHA, "Envoy's default has groups");
    assert_eq!(chosen(&["ALL", "-CHACHA20"], true).await, AES);
}

/// The names of authorities that a server sends with its request for a certificate.
#[derive(Debug, Default)]
struct Hinted(std::sync::Mutex<Vec<Vec<u8>>>);

impl rustls::client::ResolvesClientCert for Hinted {
    fn resolve(&self, hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        *self.0.lock().unwrap() = hints.iter().map(|hint| hint.to_vec()).collect();
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn clients_are_told_the_names_of_the_roots_unless_that_is_suppressed() {
    let (authority, other) = (Authority::new("mesh"), Authority::new("other"));
    let far = Side::new(&authority, SERVER);
    for suppressed in [false, true] {
        let bundle = format!("{}{}{}", authority.root, other.root, authority.root);
        let parts = if suppressed { vec![roots(&bundle), no_hints()] } else { vec![roots(&bundle)] };
        far.secrets.update(&sds("ROOTCA").id(), secret(&parts)).unwrap();
        let mut config = istio_server(&[]);
        config.require_client_certificate = false;
        config.common.validation = fetched(&[]);
        let server = far.server(&config);
        let hinted = Arc::new(Hinted::default());
        let client =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(super::super::verify::ServerVerifier::anything()))
                .with_client_cert_resolver(hinted.clone());
        let (near, distant) = tokio::io::duplex(64 * 1024);
        let name = rustls::pki_types::ServerName::try_from("details").unwrap();
        let connecting = tokio_rustls::TlsConnector::from(Arc::new(client)).connect(name, near);
        let (connected, accepted) = tokio::join!(connecting, server.accept(Stream::new(Io::Memory(distant))));
        assert!(connected.is_ok() && accepted.is_ok());
        assert_eq!(hinted.0.lock().unwrap().len(), if suppressed { 0 } else { 2 });
    }
}
