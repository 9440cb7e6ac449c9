//! Keys and tokens for tests, of this module and of the filter: made anew in each run.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Far enough away.
pub(crate) const FAR: u64 = 4_102_444_800;

/// A key that signs.
pub(crate) enum Signer {
    Rsa(RsaKeyPair),
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
    Shared(Vec<u8>),
}

pub(crate) fn base64url(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

impl Signer {
    pub fn rsa() -> Signer {
        Signer::Rsa(RsaKeyPair::generate(rsa::KeySize::Rsa2048).unwrap())
    }

    /// For one of ES256, ES384 and ES512.
    pub fn ec(alg: &str) -> Signer {
        let (curve, algorithm) = match alg {
            "ES384" => ("P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            "ES512" => ("P-521", &signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            _ => ("P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        };
        Signer::Ec(curve, EcdsaKeyPair::generate(algorithm).unwrap())
    }

    pub fn ed25519() -> Signer {
        Signer::Ed(Ed25519KeyPair::generate().unwrap())
    }

    pub fn shared() -> Signer {
        Signer::Shared(b"a secret that both sides know, and nobody else".to_vec())
    }

    /// Its key as others see it (a shared one is seen whole), with more fields.
    pub fn jwk(&self, more: Value) -> Value {
        let mut jwk = match self {
            Signer::Rsa(pair) => {
                let (n, e) = rsa_numbers(pair.public_key().as_ref());
                json!({"kty": "RSA", "n": base64url(n), "e": base64url(e)})
            }
            Signer::Ec(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y)})
            }
            Signer::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key())}),
            Signer::Shared(key) => json!({"kty": "oct", "k": base64url(key)}),
        };
        for (key, value) in more.as_object().into_iter().flatten() {
            jwk[key] = value.clone();
        }
        jwk
    }

    /// A signature by an algorithm of its kind.
    pub fn sign(&self, alg: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Signer::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match alg {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut out = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut out).unwrap();
                out
            }
            Signer::Ec(_, pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Signer::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Signer::Shared(key) => {
                let hash = match alg {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(hash, key), message).as_ref().to_vec()
            }
        }
    }

    /// A token with this header and these claims, as text.
    pub fn token(&self, header: &Value, claims: &Value) -> String {
        self.raw(&header.to_string(), &claims.to_string(), header["alg"].as_str().unwrap_or_default())
    }

    /// A token with any header and payload, signed by an algorithm.
    pub fn raw(&self, header: &str, payload: &str, alg: &str) -> String {
        let message = format!("{}.{}", base64url(header), base64url(payload));
        let signature = base64url(self.sign(alg, message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// A token of `i` about `s` with more claims; `null` takes one out.
    pub fn good(&self, alg: &str, more: Value) -> String {
        self.token(&json!({"alg": alg}), &claims(more))
    }
}

/// The claims of a good token, changed.
pub(crate) fn claims(more: Value) -> Value {
    let mut claims = json!({"iss": "i", "sub": "s", "exp": FAR});
    for (key, value) in more.as_object().into_iter().flatten() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(key)),
            value => claims[key] = value.clone(),
        }
    }
    claims
}

pub(crate) fn set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

/// Modulus and exponent of `RSAPublicKey` in DER.
fn rsa_numbers(der: &[u8]) -> (Vec<u8>, Vec<u8>) {
    fn element(der: &[u8]) -> (&[u8], &[u8]) {
        let (length, start) = match der[1] {
            0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
            0x81 => (usize::from(der[2]), 3),
            short => (usize::from(short), 2),
        };
        (&der[start..start + length], &der[start + length..])
    }
    let (sequence, _) = element(der);
    let (n, rest) = element(sequence);
    (n.to_vec(), element(rest).0.to_vec())
}
