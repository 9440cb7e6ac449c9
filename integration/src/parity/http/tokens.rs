//! Keys and tokens of scenarios, made anew in each run: a scenario says what a token has in it, and texts name it as `${name}`. What is told
//! afterwards names it so again. Used by [`super::scenario`] and [`super::play`].
//!
//! `key_sets` are lists of keys (`{"key": "rsa"}` with more fields of a JWK) by name; `tokens` have a `key` that signs, a `header`, and
//! `claims` or a `payload` as text. `claims` of `null` are left out; a token that says no other is `i`'s about `s`.

use std::sync::LazyLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaEncoding, RsaKeyPair};
use aws_lc_rs::{hmac, rsa};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Failure;

/// A name and what stands in its place.
pub type Named = (String, String);

/// A key that signs.
pub enum Key {
    /// RSA of 2048 bits.
    Rsa(RsaKeyPair),
    /// On a curve, by its name in a JWK.
    Ec(&'static str, EcdsaKeyPair),
    /// Ed25519.
    Ed(Ed25519KeyPair),
    /// Known to both sides.
    Shared(&'static [u8]),
}

struct Keys(Vec<(&'static str, Key)>);

static KEYS: LazyLock<Result<Keys, String>> = LazyLock::new(|| Keys::generate().map_err(|error| error.to_string()));

impl Keys {
    fn generate() -> Result<Keys, Failure> {
        let ec = |curve, algorithm| -> Result<Key, Failure> { Ok(Key::Ec(curve, EcdsaKeyPair::generate(algorithm)?)) };
        Ok(Keys(vec![
            ("rsa", Key::rsa()?),
            ("other", Key::rsa()?),
            ("p256", ec("P-256", &signature::ECDSA_P256_SHA256_FIXED_SIGNING)?),
            ("p384", ec("P-384", &signature::ECDSA_P384_SHA384_FIXED_SIGNING)?),
            ("p521", ec("P-521", &signature::ECDSA_P521_SHA512_FIXED_SIGNING)?),
            ("ed", Key::Ed(Ed25519KeyPair::generate()?)),
            ("shared", Key::Shared(b"a secret that both sides know, and nobody else")),
        ]))
    }

    fn find(name: &Value) -> Result<&'static Key, Failure> {
        let keys = KEYS.as_ref().map_err(|error| error.clone())?;
        let found = keys.0.iter().find(|(known, _)| *name == *known);
        found.map(|(_, key)| key).ok_or_else(|| format!("{name} is no key").into())
    }
}

impl Key {
    /// A new one.
    ///
    /// # Errors
    /// The library's.
    pub fn rsa() -> Result<Key, Failure> {
        Ok(Key::Rsa(RsaKeyPair::generate(rsa::KeySize::Rsa2048)?))
    }

    /// As verifiers know it, with more fields.
    pub fn jwk(&self, more: &Value) -> Value {
        let mut jwk = match self {
            Key::Rsa(pair) => {
                let (n, e) = numbers(pair.public_key().as_ref());
                json!({ "kty": "RSA", "n": base64url(n), "e": base64url(e) })
            }
            Key::Ec(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({ "kty": "EC", "crv": curve, "x": base64url(x), "y": base64url(y) })
            }
            Key::Ed(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(pair.public_key()) }),
            Key::Shared(key) => json!({ "kty": "oct", "k": base64url(key) }),
        };
        for (key, value) in more.as_object().into_iter().flatten().filter(|(key, _)| *key != "key") {
            jwk[key] = value.clone();
        }
        jwk
    }

    /// A token with this header and payload, signed as the header says.
    ///
    /// # Errors
    /// The library's.
    pub fn token(&self, header: &Value, payload: &str) -> Result<String, Failure> {
        let message = format!("{}.{}", base64url(header.to_string()), base64url(payload));
        let signature = self.sign(header["alg"].as_str().unwrap_or_default(), message.as_bytes())?;
        Ok(format!("{message}.{}", base64url(signature)))
    }

    fn sign(&self, alg: &str, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let random = SystemRandom::new();
        Ok(match self {
            Key::Rsa(pair) => {
                let encoding: &'static dyn RsaEncoding = match alg {
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    "PS512" => &signature::RSA_PSS_SHA512,
                    _ => &signature::RSA_PKCS1_SHA256,
                };
                let mut signed = vec![0; pair.public_modulus_len()];
                pair.sign(encoding, &random, message, &mut signed)?;
                signed
            }
            Key::Ec(_, pair) => pair.sign(&random, message)?.as_ref().to_vec(),
            Key::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Key::Shared(key) => {
                let hash = match alg {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                hmac::sign(&hmac::Key::new(hash, key), message).as_ref().to_vec()
            }
        })
    }
}

/// Makes what a scenario names, and puts it in place of its names. Gives the tokens, so that they can be named again.
pub(super) fn put_in(scenario: &mut Value) -> Result<Vec<Named>, Failure> {
    let sets = scenario["key_sets"].as_object().cloned().unwrap_or_default();
    let set = |(name, keys): (&String, &Value)| -> Result<Named, Failure> {
        let keys = keys.as_array().into_iter().flatten().map(|key| Ok(Keys::find(&key["key"])?.jwk(key)));
        let keys = keys.collect::<Result<Vec<_>, Failure>>()?;
        Ok((format!("${{{name}}}"), json!({ "keys": keys }).to_string()))
    };
    let sets = sets.iter().map(set).collect::<Result<Vec<_>, _>>()?;
    let tokens = scenario["tokens"].as_object().cloned().unwrap_or_default();
    let tokens = tokens.iter().map(|(name, token)| Ok((format!("${{{name}}}"), self::token(token)?)));
    let tokens = tokens.collect::<Result<Vec<Named>, Failure>>()?;
    replace(scenario, &|text| {
        sets.iter().chain(&tokens).fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
    });
    Ok(tokens)
}

fn token(token: &Value) -> Result<String, Failure> {
    let payload = match token["payload"].as_str() {
        Some(payload) => payload.to_owned(),
        None => {
            let mut claims = json!({ "iss": "i", "sub": "s", "exp": 4_102_444_800_u64 });
            for (name, value) in token["claims"].as_object().into_iter().flatten() {
                claims[name] = value.clone();
            }
            if let Some(claims) = claims.as_object_mut() {
                claims.retain(|_, value| !value.is_null());
            }
            claims.to_string()
        }
    };
    Keys::find(&token["key"])?.token(&token["header"], &payload)
}

fn replace(value: &mut Value, with: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = with(text),
        Value::Array(list) => list.iter_mut().for_each(|one| replace(one, with)),
        Value::Object(map) => map.values_mut().for_each(|one| replace(one, with)),
        _ => {}
    }
}

fn base64url(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// Modulus and exponent of `RSAPublicKey` in DER.
fn numbers(der: &[u8]) -> (&[u8], &[u8]) {
    let (sequence, _) = element(der);
    let (n, rest) = element(sequence);
    (n, element(rest).0)
}

fn element(der: &[u8]) -> (&[u8], &[u8]) {
    let (length, start) = match der[1] {
        0x82 => (usize::from(der[2]) << 8 | usize::from(der[3]), 4),
        0x81 => (usize::from(der[2]), 3),
        short => (usize::from(short), 2),
    };
    (&der[start..start + length], &der[start + length..])
}
