//! Handshakes where each trust domain has roots of its own.

use rcgen::{CertificateParams, KeyUsagePurpose, SanType};

use super::*;

/// A certificate of that name whose key signs handshakes, changed.
fn svid(authority: &Authority, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
    let now = SystemTime::now();
    authority.issue_with(name, now - HOUR, now + HOUR, |params| {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        change(params);
    })
}

/// A server that trusts the two by domain, and what it demands beside; the roots come over SDS, as SPIRE sends them.
struct Mesh {
    ours: Authority,
    theirs: Authority,
    secrets: Arc<Secrets>,
}

impl Mesh {
    fn new() -> Mesh {
        let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
        let secrets = Secrets::new();
        let mesh = Mesh { ours, theirs, secrets };
        mesh.secrets.update(&sds("default").id(), svid(&mesh.ours, "spiffe://ours/server", |_| {}).secret()).unwrap();
        mesh.trust(&[("ours", &mesh.ours.root), ("theirs", &mesh.theirs.root)]);
        mesh
    }

    fn trust(&self, domains: &[(&str, &str)]) {
        self.secrets.update(&sds("ROOTCA").id(), secret(&[spiffe(domains)])).unwrap();
    }

    fn server(&self, demands: &[Part]) -> Arc<ServerContext> {
        let mut config = istio_server(&[]);
        config.require_client_certificate = false;
        config.common.validation = fetched(demands);
        ServerContext::new(&config, &self.secrets, "test").unwrap()
    }

    /// A client that verifies the server by its domain, too.
    fn client(&self, leaf: Option<&Leaf>) -> Arc<ClientContext> {
        let mut config = istio_client(&[], vec![]);
        config.common.certificates = leaf.iter().map(|leaf| SecretSource::Inline(Arc::new(leaf.config()))).collect();
        ClientContext::new(&config, &self.secrets, "test").unwrap()
    }
}

/// Why the server does not let it in.
async fn refusal(mesh: &Mesh, server: &ServerContext, leaf: &Leaf) -> Option<String> {
    let accepted = shake(&mesh.client(Some(leaf)), server).await.1;
    accepted.err().map(|failure| failure.reason.to_string())
}

#[tokio::test]
async fn the_roots_of_one_domain_vouch_for_no_name_of_another() {
    let mesh = Mesh::new();
    let server = mesh.server(&[]);
    let two = |first: &str, second: &str| {
        let (first, second) = (first.to_owned(), second.to_owned());
        move |params: &mut CertificateParams| {
            let uri = |name: &str| SanType::URI(name.try_into().unwrap());
            params.subject_alt_names = vec![uri(&first), uri(&second)];
        }
    };
    for (authority, name, expected) in [
        (&mesh.ours, "spiffe://ours/a", None),
        (&mesh.theirs, "spiffe://theirs/a", None),
        (&mesh.theirs, "spiffe://ours/a", Some("verify cert failed: X509_verify_cert: certificate verification error")),
        (&mesh.ours, "spiffe://theirs/a", Some("verify cert failed: X509_verify_cert: certificate verification error")),
        (&mesh.ours, "spiffe://ours.evil/a", Some("verify cert failed: no trust bundle store")),
        (&mesh.ours, "spiffe://our/s/a", Some("verify cert failed: no trust bundle store")),
        (&mesh.ours, "https://ours/a", Some("verify cert failed: no trust bundle store")),
    ] {
        let said = refusal(&mesh, &server, &svid(authority, name, |_| {})).await;
        match expected {
            None => assert_eq!(said, None, "{name}"),
            Some(expected) => assert!(said.as_ref().is_some_and(|said| said.contains(expected)), "{name}: {said:?}"),
        }
    }
    let leaf = svid(&mesh.ours, "spiffe://ours/a", two("spiffe://ours/a", "spiffe://theirs/admin"));
    assert!(refusal(&mesh, &server, &leaf).await.unwrap().contains("more than one URI SAN"));
    let signs = |params: &mut CertificateParams| params.key_usages.push(KeyUsagePurpose::KeyCertSign);
    let leaf = svid(&mesh.ours, "spiffe://ours/a", signs);
    assert!(refusal(&mesh, &server, &leaf).await.unwrap().contains("verify cert failed: cert precheck"));
}

#[tokio::test]
async fn a_certificate_is_demanded_whatever_the_context_says() {
    let mesh = Mesh::new();
    let failed = shake(&mesh.client(None), &mesh.server(&[])).await.1.err().unwrap();
    assert_eq!(failed.kind, FailureKind::NoCertificate);
    // Nor does the mode that takes anybody act.
    let stranger = svid(&Authority::new("stranger"), "spiffe://ours/a", |_| {});
    assert!(refusal(&mesh, &mesh.server(&[accept_untrusted()]), &stranger).await.is_some());
}

#[tokio::test]
async fn demands_of_the_given_part_are_asked_of_uri_names() {
    let mesh = Mesh::new();
    let leaf = svid(&mesh.theirs, "spiffe://theirs/ns/a", |params| {
        params.subject_alt_names.push(SanType::DnsName("a.example".try_into().unwrap()));
    });
    for (demands, expected) in [
        (vec![prefix("spiffe://theirs/ns/")], true),
        (vec![prefix("spiffe://ours/")], false),
        (vec![exact("a.example")], false),
        (vec![typed(3, "spiffe://theirs/ns/a", "")], true),
    ] {
        let server = mesh.server(&demands);
        let said = refusal(&mesh, &server, &leaf).await;
        assert_eq!(said.is_none(), expected, "{demands:?}: {said:?}");
        assert!(said.is_none_or(|said| said.contains("verify cert failed: SAN match")));
    }
    // A name of another kind would never be asked for.
    let mut config = istio_server(&[]);
    config.common.validation = fetched(&[typed(2, "a.example", "")]);
    let reason = ServerContext::new(&config, &mesh.secrets, "test").unwrap_err();
    assert!(reason.contains("compares URI names alone"), "{reason}");
}

#[tokio::test]
async fn a_domain_that_is_taken_away_is_trusted_no_more_and_its_sessions_end() {
    let mesh = Mesh::new();
    let server = mesh.server(&[]);
    let leaf = svid(&mesh.theirs, "spiffe://theirs/a", |_| {});
    let client = mesh.client(Some(&leaf));
    assert!(!shake(&client, &server).await.1.unwrap().1.resumed);
    assert!(shake(&client, &server).await.1.unwrap().1.resumed);
    mesh.trust(&[("ours", &mesh.ours.root)]);
    assert!(shake(&client, &server).await.1.is_err());
    mesh.trust(&[("ours", &mesh.ours.root), ("theirs", &mesh.theirs.root)]);
    assert!(!shake(&client, &server).await.1.unwrap().1.resumed);
}

#[test]
fn bundles_that_are_none_leave_the_former() {
    let mesh = Mesh::new();
    for bundle in ["", "nothing", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let reason = mesh.secrets.update(&sds("ROOTCA").id(), secret(&[spiffe(&[("ours", bundle)])])).unwrap_err();
        assert!(reason.contains("Failed to load trusted CA certificate for ours"), "{reason}");
    }
    let shown = mesh.secrets.certificates();
    assert_eq!(shown.len(), 3, "its own and two roots");
}
