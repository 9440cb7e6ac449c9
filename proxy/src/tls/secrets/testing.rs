//! What tests ask of secrets.

use super::*;
use crate::tls::certificate::CertificateFacts;

impl Secrets {
    /// Tells versions of a secret apart.
    pub(crate) fn version(&self, id: &SecretId) -> Option<usize> {
        let held = self.lock().held.get(id)?.clone();
        held.identity
            .map(|identity| Arc::as_ptr(&identity).addr())
            .or(held.peers.map(|peers| Arc::as_ptr(&peers).addr()))
    }

    /// What the secrets held are, those with a key first.
    pub fn certificates(&self) -> Vec<CertificateFacts> {
        let held = self.lock().held.clone();
        let own = held.values().flat_map(|held| held.identity.iter().map(|identity| identity.shown()));
        own.chain(held.values().flat_map(|held| held.peers.iter().flat_map(|peers| peers.trust.shown()))).collect()
    }
}
