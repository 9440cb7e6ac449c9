//! One key: RSA, EC, Ed25519 or shared, from its JSON or a certificate. A key verifies the algorithms of its own kind and curve, whatever a
//! token's header says: a public key is never taken for a shared one.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm};
use serde_json::{Map, Value};

use super::{Status, base64url};

/// Makes the closed set of algorithms.
macro_rules! algorithms {
    ($($variant:ident $name:literal)*) => {
        /// What a token is signed with.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub(crate) enum Algorithm {
            $($variant,)*
        }

        impl Algorithm {
            /// By its name in a header. `none` is none.
            pub fn named(name: &str) -> Option<Algorithm> {
                match name {
                    $($name => Some(Algorithm::$variant),)*
                    _ => None,
                }
            }

            /// That name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Algorithm::$variant => $name,)*
                }
            }
        }
    };
}

algorithms! {
    Rs256 "RS256" Rs384 "RS384" Rs512 "RS512"
    Ps256 "PS256" Ps384 "PS384" Ps512 "PS512"
    Es256 "ES256" Es384 "ES384" Es512 "ES512"
    Hs256 "HS256" Hs384 "HS384" Hs512 "HS512"
    EdDsa "EdDSA"
}

/// A key of a set.
pub(super) struct Jwk {
    /// Empty: for tokens of any.
    pub kid: String,
    /// Empty: for all algorithms of its kind.
    pub alg: String,
    /// What it verifies, an entry an algorithm. Empty for an RSA key that is too short to be believed.
    verifiers: Vec<(Algorithm, Verifier)>,
}

enum Verifier {
    Public(ParsedPublicKey),
    Shared(Box<hmac::Key>),
}

const RSA: [(Algorithm, &RsaParameters); 6] = [
    (Algorithm::Rs256, &signature::RSA_PKCS1_2048_8192_SHA256),
    (Algorithm::Rs384, &signature::RSA_PKCS1_2048_8192_SHA384),
    (Algorithm::Rs512, &signature::RSA_PKCS1_2048_8192_SHA512),
    (Algorithm::Ps256, &signature::RSA_PSS_2048_8192_SHA256),
    (Algorithm::Ps384, &signature::RSA_PSS_2048_8192_SHA384),
    (Algorithm::Ps512, &signature::RSA_PSS_2048_8192_SHA512),
];

const SHARED: [(Algorithm, hmac::Algorithm); 3] = [
    (Algorithm::Hs256, hmac::HMAC_SHA256),
    (Algorithm::Hs384, hmac::HMAC_SHA384),
    (Algorithm::Hs512, hmac::HMAC_SHA512),
];

impl Jwk {
    /// A key from its JSON.
    ///
    /// # Errors
    /// What is wrong, in the order in which Envoy looks.
    pub fn from_json(json: &Map<String, Value>) -> Result<Jwk, Status> {
        let kty = field(json, "kty", Status::MissingKty, Status::BadKty)?;
        let optional = |key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (kid, alg) = (optional("kid"), optional("alg"));
        let verifiers = match kty {
            "EC" => ec(json, &alg)?,
            "RSA" => rsa(json, &alg)?,
            "oct" => shared(json, &alg)?,
            "OKP" => okp(json, &alg)?,
            _ => return Err(Status::UnknownKty),
        };
        Ok(Jwk { kid, alg, verifiers })
    }

    /// The RSA key of a certificate in PEM.
    ///
    /// # Errors
    /// It is none, or has another key.
    pub fn from_certificate(kid: &str, pem: &str) -> Result<Jwk, Status> {
        let key = crate::tls::public_key_of(pem.as_bytes()).ok_or(Status::X509Parse)?;
        let parse = |(algorithm, parameters): (Algorithm, &'static RsaParameters)| {
            let key = ParsedPublicKey::new(parameters, &key).map_err(|_| Status::X509Key)?;
            Ok((algorithm, Verifier::Public(key)))
        };
        let verifiers = RSA.into_iter().map(parse).collect::<Result<_, _>>()?;
        Ok(Jwk { kid: kid.to_owned(), alg: String::new(), verifiers })
    }

    /// It verifies nothing: an RSA key that is too short.
    pub fn is_weak(&self) -> bool {
        self.verifiers.is_empty()
    }

    /// Whether it has signed a message with an algorithm.
    pub fn has_signed(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let verifier = self.verifiers.iter().find(|(known, _)| *known == algorithm);
        verifier.is_some_and(|(_, verifier)| match verifier {
            Verifier::Public(key) => key.verify_sig(message, signature).is_ok(),
            // In constant time.
            Verifier::Shared(key) => hmac::verify(key, message, signature).is_ok(),
        })
    }

    /// It is for EdDSA.
    pub fn is_ed25519(&self) -> bool {
        self.verifiers.iter().any(|(algorithm, _)| *algorithm == Algorithm::EdDsa)
    }
}

fn field<'j>(json: &'j Map<String, Value>, key: &str, missing: Status, wrong: Status) -> Result<&'j str, Status> {
    json.get(key).ok_or(missing)?.as_str().ok_or(wrong)
}

/// An entry for its algorithm, or where it names none, for all of its kind.
fn of_kind<A>(alg: &str, kind: impl IntoIterator<Item = (Algorithm, A)>) -> impl Iterator<Item = (Algorithm, A)> {
    kind.into_iter().filter(move |(algorithm, _)| alg.is_empty() || alg == algorithm.name())
}

fn rsa(json: &Map<String, Value>, alg: &str) -> Result<Vec<(Algorithm, Verifier)>, Status> {
    /// What is shorter is none, as in Envoy.
    const LEAST: usize = 512 / 8;
    const SHORTEST: usize = 2048 / 8;
    const LONGEST: usize = 8192 / 8;
    if !alg.is_empty() && !alg.starts_with("RS") && !alg.starts_with("PS") {
        return Err(Status::RsaBadAlg);
    }
    let n = field(json, "n", Status::RsaMissingN, Status::RsaBadN)?;
    let e = field(json, "e", Status::RsaMissingE, Status::RsaBadE)?;
    let number = |text: &str| base64url::decode(text.as_bytes()).ok_or(Status::RsaParse);
    let (n, e) = (number(n)?, number(e)?);
    let (n, e) = (without_zeros(&n), without_zeros(&e));
    let exponent_is_usual = matches!(e, [3] | [1, 0, 1]);
    let is_odd = n.last().is_some_and(|last| last % 2 == 1);
    if !exponent_is_usual || !is_odd || !(LEAST..=LONGEST).contains(&n.len()) {
        return Err(Status::RsaParse);
    }
    if n.len() < SHORTEST || (n.len() == SHORTEST && n[0] < 0x80) {
        return Ok(Vec::new());
    }
    let components = RsaPublicKeyComponents { n, e };
    let parse = |(algorithm, parameters)| {
        let key = components.to_parsed_public_key(parameters).map_err(|_| Status::RsaParse)?;
        Ok((algorithm, Verifier::Public(key)))
    };
    of_kind(alg, RSA).map(parse).collect()
}

fn without_zeros(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|octet| *octet != 0).unwrap_or(number.len());
    &number[start..]
}

/// A curve, by its name or that of its algorithm.
struct Curve {
    name: &'static str,
    algorithm: Algorithm,
    verification: &'static dyn VerificationAlgorithm,
    /// Octets of a coordinate.
    size: usize,
}

const CURVES: [Curve; 3] = [
    Curve { name: "P-256", algorithm: Algorithm::Es256, verification: &signature::ECDSA_P256_SHA256_FIXED, size: 32 },
    Curve { name: "P-384", algorithm: Algorithm::Es384, verification: &signature::ECDSA_P384_SHA384_FIXED, size: 48 },
    Curve { name: "P-521", algorithm: Algorithm::Es512, verification: &signature::ECDSA_P521_SHA512_FIXED, size: 66 },
];

fn ec(json: &Map<String, Value>, alg: &str) -> Result<Vec<(Algorithm, Verifier)>, Status> {
    if !alg.is_empty() && !alg.starts_with("ES") {
        return Err(Status::EcBadAlg);
    }
    let crv = json.get("crv").map_or(Ok(""), |crv| crv.as_str().ok_or(Status::EcBadCrv))?;
    let curve = match (alg, crv) {
        ("", "") => Some(&CURVES[0]),
        (alg, "") => CURVES.iter().find(|curve| curve.algorithm.name() == alg),
        ("", crv) => CURVES.iter().find(|curve| curve.name == crv),
        (alg, crv) => {
            let both = CURVES.iter().find(|curve| curve.algorithm.name() == alg && curve.name == crv);
            Some(both.ok_or(Status::EcIncompatible)?)
        }
    };
    let curve = curve.ok_or(Status::EcUnsupported)?;
    let x = field(json, "x", Status::EcMissingX, Status::EcBadX)?;
    let y = field(json, "y", Status::EcMissingY, Status::EcBadY)?;
    let number = |text: &str| base64url::decode(text.as_bytes()).ok_or(Status::EcBase64);
    let (x, y) = (number(x)?, number(y)?);
    let mut point = vec![0; 1 + 2 * curve.size];
    point[0] = 4;
    for (place, number) in [&x, &y].into_iter().enumerate() {
        let number = without_zeros(number);
        let end = 1 + (place + 1) * curve.size;
        let start = end.checked_sub(number.len()).filter(|start| *start > place * curve.size);
        point[start.ok_or(Status::EcParse)?..end].copy_from_slice(number);
    }
    let key = ParsedPublicKey::new(curve.verification, &point).map_err(|_| Status::EcParse)?;
    Ok(vec![(curve.algorithm, Verifier::Public(key))])
}

fn shared(json: &Map<String, Value>, alg: &str) -> Result<Vec<(Algorithm, Verifier)>, Status> {
    if !alg.is_empty() && !SHARED.iter().any(|(algorithm, _)| algorithm.name() == alg) {
        return Err(Status::OctBadAlg);
    }
    let key = field(json, "k", Status::OctMissingK, Status::OctBadK)?;
    let key = base64url::decode(key.as_bytes()).filter(|key| !key.is_empty()).ok_or(Status::OctBase64)?;
    let entry = |(algorithm, hash)| (algorithm, Verifier::Shared(Box::new(hmac::Key::new(hash, &key))));
    Ok(of_kind(alg, SHARED).map(entry).collect())
}

fn okp(json: &Map<String, Value>, alg: &str) -> Result<Vec<(Algorithm, Verifier)>, Status> {
    const LENGTH: usize = 32;
    if !alg.is_empty() && alg != Algorithm::EdDsa.name() {
        return Err(Status::OkpBadAlg);
    }
    let crv = field(json, "crv", Status::OkpMissingCrv, Status::OkpBadCrv)?;
    if crv != "Ed25519" {
        return Err(Status::OkpUnsupported);
    }
    let x = field(json, "x", Status::OkpMissingX, Status::OkpBadX)?;
    let x = base64url::decode(x.as_bytes()).ok_or(Status::OkpBase64)?;
    if x.len() != LENGTH {
        return Err(Status::OkpLength);
    }
    let key = ParsedPublicKey::new(&signature::ED25519, &x).map_err(|_| Status::OkpBase64)?;
    Ok(vec![(Algorithm::EdDsa, Verifier::Public(key))])
}
