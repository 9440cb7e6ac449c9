//! The cipher suites, curves and versions that a context asks for, and the crypto provider that it so uses. Pure, but that
//! contexts which ask for the same have one provider.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use config::tls::{CommonTls, Compliance, TlsVersion};
use rustls::crypto::aws_lc_rs::{self, cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::{CipherSuite, SupportedCipherSuite, SupportedProtocolVersion};

mod known;
mod rules;

use rules::{Fault, Preference};

/// Suites of TLS 1.3, never configurable (as with BoringSSL), in BoringSSL's order.
const TLS13: &[SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
];

/// Those of them that BoringSSL has under `FIPS_202205`.
const TLS13_FIPS: &[SupportedCipherSuite] =
    &[cipher_suite::TLS13_AES_128_GCM_SHA256, cipher_suite::TLS13_AES_256_GCM_SHA384];

/// And of TLS 1.2.
const FIPS: &str = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

/// What Envoy has when the configuration names none.
const DEFAULT: &str = "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:\
[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";

/// Every name that [`super::info::TlsInfo::cipher`] can have.
pub const CIPHER_NAMES: [&str; 9] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
];

/// Every name that [`super::info::TlsInfo::version`] can have.
pub const VERSION_NAMES: [&str; 2] = ["TLSv1.2", "TLSv1.3"];

/// OpenSSL's name of a negotiated suite.
pub(super) fn name(suite: CipherSuite) -> &'static str {
    match suite {
        CipherSuite::TLS13_AES_128_GCM_SHA256 => "TLS_AES_128_GCM_SHA256",
        CipherSuite::TLS13_AES_256_GCM_SHA384 => "TLS_AES_256_GCM_SHA384",
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256 => "TLS_CHACHA20_POLY1305_SHA256",
        suite => known::CIPHERS
            .iter()
            .find(|known| known.suite.is_some_and(|known| known.suite() == suite))
            .map_or("", |known| known.name),
    }
}

/// Every name that [`super::info::TlsInfo::group`] can have.
pub const GROUP_NAMES: [&str; 5] = ["X25519", "X25519MLKEM768", "P-256", "P-384", "P-521"];

/// BoringSSL's name of a group.
pub(super) fn group_name(group: rustls::NamedGroup) -> &'static str {
    use rustls::NamedGroup;
    match group {
        NamedGroup::X25519 => "X25519",
        NamedGroup::X25519MLKEM768 => "X25519MLKEM768",
        NamedGroup::secp256r1 => "P-256",
        NamedGroup::secp384r1 => "P-384",
        NamedGroup::secp521r1 => "P-521",
        _ => "",
    }
}

/// Envoy's name of a protocol version.
pub(super) fn version(version: Option<rustls::ProtocolVersion>) -> &'static str {
    match version {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
        _ => "",
    }
}

/// Versions between the two bounds.
///
/// # Errors
/// One sentence when there is none.
pub(super) fn versions(common: &CommonTls) -> Result<Vec<&'static SupportedProtocolVersion>, String> {
    let mut versions = Vec::with_capacity(2);
    if common.max_version >= TlsVersion::Tls13 {
        versions.push(&rustls::version::TLS13);
    }
    if common.min_version <= TlsVersion::Tls12 {
        versions.push(&rustls::version::TLS12);
    }
    if common.min_version > common.max_version {
        return Err("tls_minimum_protocol_version is above tls_maximum_protocol_version".into());
    }
    Ok(versions)
}

/// One provider for all contexts that ask for the same: there are as many of them as clusters. Locked when a context is made.
fn shared(made: CryptoProvider) -> Arc<CryptoProvider> {
    static KEPT: Mutex<Vec<Weak<CryptoProvider>>> = Mutex::new(Vec::new());
    // A panic while it was held leaves a list that is whole.
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept.retain(|one| one.strong_count() > 0);
    if let Some(same) = kept.iter().filter_map(Weak::upgrade).find(|one| is_same(one, &made)) {
        return same;
    }
    let made = Arc::new(made);
    if kept.len() < MOST_KEPT {
        kept.push(Arc::downgrade(&made));
    }
    made
}

/// Of providers of one library: whether suites and curves are the same, in the same order.
fn is_same(one: &CryptoProvider, other: &CryptoProvider) -> bool {
    let suites =
        |provider: &CryptoProvider| provider.cipher_suites.iter().map(|suite| suite.suite()).collect::<Vec<_>>();
    let groups = |provider: &CryptoProvider| provider.kx_groups.iter().map(|group| group.name()).collect::<Vec<_>>();
    suites(one) == suites(other) && groups(one) == groups(other)
}

/// So many that differ are looked through.
const MOST_KEPT: usize = 32;

/// Suites, their order, and curves of a context.
pub(super) struct Suites {
    pub provider: Arc<CryptoProvider>,
    /// Those of TLS 1.3.
    newer: &'static [SupportedCipherSuite],
    /// Those of TLS 1.2, with what is equal to us.
    older: Preference,
}

impl Suites {
    /// What the context asks for. Suites that the library lacks are left out and told once.
    ///
    /// # Errors
    /// One sentence when a list is not one, or nothing is left of it.
    pub fn of(common: &CommonTls, scope: &str) -> Result<Suites, String> {
        // What is named is judged, whether or not it counts.
        let (asked, groups) = (read(common)?, groups(common, scope)?);
        let (newer, asked, groups) = match common.compliance {
            None => (TLS13, asked, groups),
            Some(Compliance::Fips202205) => {
                let fips = rules::read(FIPS).map_err(|_| "the suites of FIPS_202205 cannot be read".to_owned())?;
                (TLS13_FIPS, fips, vec![kx_group::SECP256R1, kx_group::SECP384R1])
            }
        };
        // rustls offers what is listed, also of a version that is not allowed.
        let newer = if common.max_version >= TlsVersion::Tls13 { newer } else { &[] };
        let older = match common.min_version {
            TlsVersion::Tls12 => available(asked, scope)?,
            TlsVersion::Tls13 => Preference::default(),
        };
        let provider = CryptoProvider {
            cipher_suites: [newer, &older.suites].concat(),
            kx_groups: groups,
            ..aws_lc_rs::default_provider()
        };
        Ok(Suites { provider: shared(provider), newer, older })
    }

    /// Those of TLS 1.2 in our order, and where we have none in the client's; `None` where that is how they stand.
    pub fn as_client_orders(&self, client: &[CipherSuite]) -> Option<Vec<SupportedCipherSuite>> {
        if self.older.groups.iter().all(|length| *length < 2) {
            return None;
        }
        let mut suites = self.older.suites.clone();
        let place = |suite: &SupportedCipherSuite| client.iter().position(|known| *known == suite.suite());
        let mut rest = &mut suites[..];
        for length in &self.older.groups {
            let (group, others) = rest.split_at_mut(*length);
            // What the client lacks stays behind what it has.
            group.sort_by_key(|suite| place(suite).unwrap_or(usize::MAX));
            rest = others;
        }
        let same = suites.iter().map(SupportedCipherSuite::suite).eq(self
            .older
            .suites
            .iter()
            .map(SupportedCipherSuite::suite));
        (!same).then_some(suites)
    }

    /// The provider with other suites of TLS 1.2.
    pub fn provider_of(&self, older: Vec<SupportedCipherSuite>) -> Arc<CryptoProvider> {
        let cipher_suites = [self.newer, &older].concat();
        Arc::new(CryptoProvider { cipher_suites, ..CryptoProvider::clone(&self.provider) })
    }
}

/// The suites that the context asks for. Envoy joins all elements of its list, and names those that fail by themselves.
fn read(common: &CommonTls) -> Result<Preference, String> {
    if common.cipher_suites.is_empty() {
        return rules::read(DEFAULT).map_err(|_| "the default cipher suites cannot be read".to_owned());
    }
    let text = common.cipher_suites.join(":");
    rules::read(&text).map_err(|fault| {
        let what = match fault {
            Fault::Unknown => {
                let names = text.split([':', '+', '!', '[', '|', ']']).map(|name| name.trim_start_matches('-'));
                let bad: Vec<_> = names.filter(|name| !name.is_empty() && rules::read(name).is_err()).collect();
                format!("The following ciphers were rejected when tried individually: {}", bad.join(", "))
            }
            Fault::Group => "a group is [A|B], without operators or other groups inside".to_owned(),
            Fault::Mixed => {
                "a list with groups has no -, !, + or @; write it without the suites that are not wanted".to_owned()
            }
        };
        config::discreet::shown(&format!("Failed to initialize cipher suites {text}. {what}")).into_owned()
    })
}

fn available(asked: Preference, scope: &str) -> Result<Preference, String> {
    let missing = asked.missing.join(", ");
    if asked.suites.is_empty() {
        return Err(match missing.is_empty() {
            true => "cipher_suites leave none; name an ECDHE suite with AES-GCM".to_owned(),
            false => format!("none of the cipher suites {missing} is available; name an ECDHE suite with AES-GCM"),
        });
    }
    if !missing.is_empty() {
        tracing::debug!(scope, suites = missing, "cipher suites that are not available were left out");
        warn_once(&missing);
    }
    Ok(asked)
}

/// Istio names two suites that we lack in every context: one warning for the process is enough.
fn warn_once(missing: &str) {
    static WARNED: std::sync::Once = std::sync::Once::new();
    WARNED.call_once(|| {
        tracing::warn!(suites = missing, "these cipher suites are not available (no forward secrecy) and are left out");
    });
}

fn groups(common: &CommonTls, scope: &str) -> Result<Vec<&'static dyn SupportedKxGroup>, String> {
    if common.ecdh_curves.is_empty() {
        return Ok(vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1]);
    }
    let mut known: Vec<&'static dyn SupportedKxGroup> = Vec::new();
    let mut lacking = Vec::new();
    // As in OpenSSL's lists, one entry may hold several.
    for name in common.ecdh_curves.iter().flat_map(|names| names.split(':')) {
        match group(name) {
            Group::Is(group) if known.iter().any(|other| other.name() == group.name()) => {
                return Err(format!("the curve {name} is named twice in ecdh_curves; name it once"));
            }
            Group::Is(group) => known.push(group),
            Group::NotHere => lacking.push(name),
            Group::Nowhere => {
                let name = config::discreet::shown(name);
                return Err(format!("{name} in ecdh_curves is no curve; use X25519MLKEM768, X25519, P-256 or P-384"));
            }
        }
    }
    let lacking = lacking.join(", ");
    if known.is_empty() {
        return Err(format!("none of the ecdh_curves {lacking} is available; use X25519 or P-256"));
    }
    if !lacking.is_empty() {
        tracing::warn!(scope, curves = lacking, "some ecdh_curves are not available and are left out");
    }
    Ok(known)
}

enum Group {
    Is(&'static dyn SupportedKxGroup),
    /// BoringSSL has it, and this library has not.
    NotHere,
    Nowhere,
}

/// By either of BoringSSL's names.
fn group(name: &str) -> Group {
    Group::Is(match name {
        "X25519" | "x25519" => kx_group::X25519,
        "P-256" | "prime256v1" => kx_group::SECP256R1,
        "P-384" | "secp384r1" => kx_group::SECP384R1,
        "X25519MLKEM768" => kx_group::X25519MLKEM768,
        "P-521" | "secp521r1" | "MLKEM1024" => return Group::NotHere,
        _ => return Group::Nowhere,
    })
}

#[cfg(test)]
mod tests;
