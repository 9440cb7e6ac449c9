//! Credentials that filters show to services: generic secrets, each as the value of a header. Filters hold one and read it for each
//! request; the store of secrets, on the control thread, puts each version in. It is never printed.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use config::secret::GenericSecret;
use config::tls::SdsName;

use super::files::Reader;

/// A secret, as a header has it. It is wanted of the control plane while somebody holds this.
pub struct Credential {
    name: SdsName,
    prefix: Arc<str>,
    value: ArcSwapOption<Bytes>,
}

impl Credential {
    pub(super) fn new(name: SdsName, prefix: Arc<str>) -> Credential {
        Credential { name, prefix, value: ArcSwapOption::empty() }
    }

    /// Where it comes from.
    pub(super) fn name(&self) -> &SdsName {
        &self.name
    }

    /// Another version of its secret; `None` where there is none that can be shown.
    pub(super) fn put(&self, secret: Option<&Bytes>) {
        let whole = secret.map(|secret| match self.prefix.is_empty() {
            true => Arc::new(secret.clone()),
            false => Arc::new(config::secret::wiped([self.prefix.as_bytes(), secret].concat())),
        });
        self.value.store(whole);
    }

    /// The header's value; `None` while there is none.
    pub fn value(&self) -> Option<Bytes> {
        self.value.load().as_ref().map(|value| Bytes::clone(value))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_here = self.value.load().is_some();
        out.debug_struct("Credential").field("name", &self.name.name).field("is_here", &is_here).finish()
    }
}

/// What of a generic secret may be shown, without the line break that files end with.
///
/// # Errors
/// The file or variable that cannot be read.
pub(super) fn parse(name: &str, generic: &GenericSecret, reader: Reader<'_>) -> Result<Option<Bytes>, String> {
    for source in generic.secrets.values() {
        reader.read(source)?;
    }
    let Some(source) = &generic.secret else { return Ok(None) };
    let whole = reader.read(source)?;
    let length = whole.iter().rposition(|octet| !matches!(octet, b'\r' | b'\n')).map_or(0, |last| last + 1);
    let shown = whole.slice(..length);
    if shown.iter().any(|octet| (*octet < b' ' && *octet != b'\t') || *octet == 0x7f) {
        let secret = config::discreet::shown(name);
        tracing::warn!(target: "secret", "secret '{secret}' holds a line break or another control character: no header can carry it, so it is nobody's credential");
        return Ok(None);
    }
    Ok((!shown.is_empty()).then_some(shown))
}

#[cfg(test)]
mod tests;
