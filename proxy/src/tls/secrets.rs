//! The store of secrets by name. The control thread updates it; contexts that use a name rebuild at once.

use std::sync::Arc;
use std::time::SystemTime;

use config::secret::SecretKind;

/// Secrets by name, and the contexts that use them.
pub struct Secrets {}

impl Secrets {
    /// An empty store.
    pub fn new() -> Arc<Secrets> {
        Arc::new(Secrets {})
    }

    /// Takes a new version of a secret. Every context that names it uses it for its next handshake; open connections live on.
    ///
    /// # Errors
    /// One sentence that names the secret and what is wrong with it; the version before stays in use.
    pub fn update(&self, name: &str, _secret: SecretKind) -> Result<(), String> {
        Err(format!("secret {name}: the store is not built yet"))
    }

    /// Whether some version of the secret is held.
    pub fn has(&self, _name: &str) -> bool {
        false
    }

    /// What the certificates held are, for the admin's `/certs`.
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        Vec::new()
    }
}

/// A certificate that the store holds.
#[derive(Debug, Clone)]
pub struct CertificateFacts {
    /// Name of the secret.
    pub secret: Arc<str>,
    /// Whether it is a trusted root; a leaf of our own otherwise.
    pub is_ca: bool,
    /// File it came from; `None` when it was given inline.
    pub path: Option<Arc<str>>,
    /// Serial number, lower-case hex.
    pub serial: Arc<str>,
    /// URI SANs.
    pub uri_sans: Vec<Arc<str>>,
    /// DNS SANs.
    pub dns_sans: Vec<Arc<str>>,
    /// IP SANs, printed.
    pub ip_sans: Vec<Arc<str>>,
    /// First moment of validity.
    pub valid_from: SystemTime,
    /// Last moment of validity.
    pub expires: SystemTime,
}
