//! A certificate authority and contexts for tests.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use config::secret::{DataSource, FileSource, SecretKind, TlsCertificate};
use config::tls::{
    CommonTls, DownstreamTls, SdsName, SdsSource, SecretSource, SessionTickets, TlsVersion, UpstreamTls,
};
use config::xds_server::XdsServer;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
};

mod demands;
mod responses;
mod spoiled;

pub use demands::*;
pub use responses::{Status, ocsp_response, serial_of};
pub use spoiled::{Marks, spoiled};

/// Issues certificates as istiod does: SPIFFE URI, no subject, the root last in the chain.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// PEM of the root.
    pub root: String,
}

/// A PEM chain and its PEM key.
#[derive(Clone)]
pub struct Leaf {
    pub chain: String,
    pub key: String,
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, name);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), root }
    }

    /// A certificate that is valid now.
    pub fn issue(&self, san: &str) -> Leaf {
        let hour = Duration::from_secs(3600);
        self.issue_for(san, SystemTime::now() - hour, SystemTime::now() + hour)
    }

    pub fn issue_for(&self, san: &str, from: SystemTime, until: SystemTime) -> Leaf {
        self.issue_with(san, from, until, |_| {})
    }

    pub fn issue_with(
        &self,
        san: &str,
        from: SystemTime,
        until: SystemTime,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Leaf {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![match san.contains("://") {
            true => SanType::URI(san.try_into().unwrap()),
            false => SanType::DnsName(san.try_into().unwrap()),
        }];
        params.not_before = from.into();
        params.not_after = until.into();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        self.sign(params, &KeyPair::generate().unwrap())
    }

    fn sign(&self, params: CertificateParams, key: &KeyPair) -> Leaf {
        let certificate = params.signed_by(key, &self.issuer).unwrap();
        Leaf { chain: format!("{}{}", certificate.pem(), self.root), key: key.serialize_pem() }
    }

    /// With a key of another kind.
    pub fn issue_of(&self, kind: &'static rcgen::SignatureAlgorithm, uri: &str) -> Leaf {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.distinguished_name = DistinguishedName::new();
        self.sign(params, &KeyPair::generate_for(kind).unwrap())
    }

    /// With a key of 2048 bits, istiod's default; the key as PKCS#8, too.
    pub fn issue_rsa(&self, uri: &str) -> (Leaf, Vec<u8>) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
        (self.sign(params, &key), key.serialize_der())
    }

    /// With a key of 2048 bits, for a DNS name.
    pub fn issue_rsa_for(&self, name: &str) -> Leaf {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        params.distinguished_name = DistinguishedName::new();
        self.sign(params, &KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap())
    }

    /// A revocation list with one serial number.
    pub fn revoke(&self, serial: u64) -> String {
        let now = SystemTime::now();
        let hour = Duration::from_secs(3600);
        let list = CertificateRevocationListParams {
            this_update: (now - hour).into(),
            next_update: (now + hour).into(),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: serial.into(),
                revocation_time: (now - hour).into(),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// The root as a secret.
    pub fn roots(&self) -> SecretKind {
        secret(&[roots(&self.root)])
    }
}

impl Leaf {
    pub fn config(&self) -> TlsCertificate {
        TlsCertificate { chain: inline(&self.chain), key: inline(&self.key), password: None, staple: None }
    }

    pub fn secret(&self) -> SecretKind {
        SecretKind::TlsCertificate(self.config())
    }
}

pub fn inline(text: &str) -> DataSource {
    DataSource::Inline(Bytes::copy_from_slice(text.as_bytes()))
}

/// A file that is looked at itself.
pub fn file(path: impl Into<std::path::PathBuf>) -> DataSource {
    DataSource::File(FileSource { path: path.into(), watched: None })
}

pub fn sds(name: &str) -> SdsName {
    SdsName { name: name.into(), source: SdsSource::Server(Arc::new(server("sds-grpc"))), initial_fetch_timeout: None }
}

/// A gRPC server behind this cluster.
pub fn server(cluster: &str) -> XdsServer {
    XdsServer {
        cluster: cluster.into(),
        authority: cluster.into(),
        delta: false,
        node_on_first_message_only: true,
        metadata: Vec::new(),
        back_off: None,
        largest_message: None,
    }
}

pub fn alpn(protocols: &[&str]) -> Vec<Arc<[u8]>> {
    protocols.iter().map(|protocol| Arc::from(protocol.as_bytes())).collect()
}

/// What istiod sends: `default` and `ROOTCA` by SDS, its list of suites.
pub fn istio_common(protocols: &[&str], sans: Vec<Part>) -> CommonTls {
    let suites = [
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
    ];
    CommonTls {
        min_version: TlsVersion::Tls12,
        max_version: TlsVersion::Tls13,
        cipher_suites: suites.iter().map(|suite| Arc::from(*suite)).collect(),
        ecdh_curves: Vec::new(),
        compliance: None,
        signature_algorithms: Vec::new(),
        alpn: alpn(protocols),
        certificates: vec![SecretSource::Sds(sds("default"))],
        validation: fetched(&sans),
    }
}

pub fn istio_server(protocols: &[&str]) -> DownstreamTls {
    DownstreamTls {
        common: istio_common(protocols, vec![prefix("spiffe://cluster.local/")]),
        require_client_certificate: true,
        require_sni: false,
        tickets: SessionTickets::OwnKeys,
        disable_stateful_resumption: false,
        session_timeout: None,
        staple_policy: config::tls::StaplePolicy::Lenient,
        prefer_client_ciphers: false,
        full_scan_on_sni_mismatch: false,
    }
}

pub fn istio_client(protocols: &[&str], sans: Vec<Part>) -> UpstreamTls {
    UpstreamTls {
        common: istio_common(protocols, sans),
        sni: Some("outbound_.8080_._.app.default.svc.cluster.local".into()),
        auto_host_sni: false,
        auto_sni_san_validation: false,
        max_session_keys: 1,
    }
}
