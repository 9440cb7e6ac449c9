//! A key set (RFC 7517), or certificates by their `kid`, and which of its keys a token is verified with.

use serde_json::{Map, Value};

use super::jwk::{Algorithm, Jwk};
use super::{Status, Token, json};

/// Keys, in their order.
pub struct KeySet(Box<[Jwk]>);

/// Octets of a signature of Ed25519.
const ED25519_SIGNATURE: usize = 64;

impl KeySet {
    /// Reads a set. Keys that cannot be read are left out, as in Envoy, where others can.
    ///
    /// # Errors
    /// It is none, or has no good key: then why the first one is none.
    pub fn parse(text: &[u8]) -> Result<KeySet, Status> {
        let set = json::object(text).ok_or(Status::KeysJson)?;
        let Some(keys) = set.get("keys") else { return KeySet::of_certificates(&set) };
        let Value::Array(keys) = keys else { return Err(Status::BadKeys) };
        let (mut good, mut first_fault) = (Vec::new(), None);
        for key in keys.iter().filter_map(Value::as_object) {
            match Jwk::from_json(key) {
                Ok(key) => good.push(key),
                Err(status) => drop(first_fault.get_or_insert(status)),
            }
        }
        if good.is_empty() { Err(first_fault.unwrap_or(Status::NoValidKeys)) } else { Ok(KeySet(good.into())) }
    }

    fn of_certificates(set: &Map<String, Value>) -> Result<KeySet, Status> {
        let whole = |pem: &&str| {
            pem.starts_with("-----BEGIN CERTIFICATE-----\n") && pem.ends_with("\n-----END CERTIFICATE-----\n")
        };
        let named = set.iter().filter(|(kid, _)| !kid.is_empty());
        let pems: Vec<_> = named.filter_map(|(kid, value)| Some((kid, value.as_str().filter(whole)?))).collect();
        // All of them, or it is something else.
        if pems.is_empty() || pems.len() != set.len() {
            return Err(Status::NoKeys);
        }
        let keys = pems.into_iter().map(|(kid, pem)| Jwk::from_certificate(kid, pem));
        Ok(KeySet(keys.collect::<Result<_, _>>()?))
    }

    /// How many keys verify nothing: RSA keys of less than 2048 bits.
    pub fn weak(&self) -> usize {
        self.0.iter().filter(|key| key.is_weak()).count()
    }

    /// Whether a key of the set has signed a token. A `kid` or `alg` that both have must be the same.
    ///
    /// # Errors
    /// No key has, or none may be asked.
    pub fn verify(&self, token: &Token) -> Result<(), Status> {
        let named = |key: &&Jwk| token.kid.is_empty() || key.kid.is_empty() || key.kid == token.kid;
        let meant = |key: &&Jwk| key.alg.is_empty() || key.alg == token.algorithm.name();
        let mut failure = Status::NoMatchingKey;
        for key in self.0.iter().filter(named).filter(meant) {
            let is_ed25519 = token.algorithm == Algorithm::EdDsa && key.is_ed25519();
            if is_ed25519 && token.signature.len() != ED25519_SIGNATURE {
                return Err(Status::Ed25519Length);
            }
            if !token.demands_more() && key.has_signed(token.algorithm, token.signed(), &token.signature) {
                return Ok(());
            }
            failure = Status::VerificationFails;
        }
        Err(failure)
    }
}

impl std::fmt::Debug for KeySet {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "KeySet({} keys)", self.0.len())
    }
}
