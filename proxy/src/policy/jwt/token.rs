//! A token, taken apart: header, claims, signature. Nothing of it is believed by being here.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::jwk::Algorithm;
use super::{Status, base64url, json};

/// A token. Its claims are JSON as dynamic metadata has it.
pub struct Token {
    /// The whole of it.
    text: Bytes,
    /// Where the payload stands in it; the signed part ends there.
    payload_at: (usize, usize),
    pub(super) algorithm: Algorithm,
    pub(super) kid: String,
    pub(super) signature: Vec<u8>,
    /// The JOSE header.
    pub header: Map<String, Value>,
    /// All claims.
    pub claims: Map<String, Value>,
    /// `aud`.
    pub audiences: Vec<String>,
    not_before: u64,
    expires: Option<u64>,
}

/// Octets of a token. Each is decoded before anything of it is believed.
const LONGEST: usize = 64 * 1024;

impl Token {
    /// Takes a token apart.
    ///
    /// # Errors
    /// What is wrong with it, in the order in which Envoy looks.
    pub fn parse(text: Bytes) -> Result<Token, Status> {
        if text.len() > LONGEST {
            return Err(Status::BadFormat);
        }
        let mut dots = memchr::memchr_iter(b'.', &text);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(Status::BadFormat);
        };
        if first == 0 || second == first + 1 || second + 1 == text.len() {
            return Err(Status::BadFormat);
        }
        let header = base64url::decode(&text[..first]).ok_or(Status::HeaderBase64)?;
        let header = json::object(&header).ok_or(Status::HeaderJson)?;
        let Some(Value::String(algorithm)) = header.get("alg") else { return Err(Status::BadAlg) };
        let algorithm = Algorithm::named(algorithm).ok_or(Status::UnknownAlg)?;
        let kid = text_of(&header, "kid", Status::BadKid)?.to_owned();
        let claims = base64url::decode(&text[first + 1..second]).ok_or(Status::PayloadBase64)?;
        let claims = json::object(&claims).ok_or(Status::PayloadJson)?;
        text_of(&claims, "iss", Status::BadIss)?;
        text_of(&claims, "sub", Status::BadSub)?;
        seconds(&claims, "iat", Status::BadIat, Status::IatRange)?;
        let not_before = seconds(&claims, "nbf", Status::BadNbf, Status::NbfRange)?.unwrap_or(0);
        let expires = seconds(&claims, "exp", Status::BadExp, Status::ExpRange)?;
        text_of(&claims, "jti", Status::BadJti)?;
        let audiences = audiences(&claims)?;
        let signature = base64url::decode(&text[second + 1..]).ok_or(Status::SignatureBase64)?;
        Ok(Token {
            payload_at: (first + 1, second),
            algorithm,
            kid,
            signature,
            header,
            claims,
            audiences,
            not_before,
            expires,
            text,
        })
    }

    /// `iss`; empty where there is none.
    pub fn issuer(&self) -> &str {
        self.claims.get("iss").and_then(Value::as_str).unwrap_or_default()
    }

    /// `sub`; empty where there is none.
    pub fn subject(&self) -> &str {
        self.claims.get("sub").and_then(Value::as_str).unwrap_or_default()
    }

    /// When it ends, in seconds of the Unix epoch.
    pub fn expires(&self) -> Option<u64> {
        self.expires
    }

    /// The payload as it stands in the token.
    pub fn payload(&self) -> Bytes {
        self.text.slice(self.payload_at.0..self.payload_at.1)
    }

    /// What is signed.
    pub(super) fn signed(&self) -> &[u8] {
        &self.text[..self.payload_at.1]
    }

    /// Extensions that a reader must understand (RFC 7515 section 4.1.11); none is understood here.
    pub(super) fn demands_more(&self) -> bool {
        self.header.contains_key("crit")
    }

    /// Whether this is its time, in seconds of the Unix epoch, with clocks that may differ by so many.
    ///
    /// # Errors
    /// It is too early, or too late.
    pub fn check_time(&self, now: u64, skew: u64) -> Result<(), Status> {
        if now.saturating_add(skew) < self.not_before {
            return Err(Status::NotYetValid);
        }
        match self.expires {
            Some(end) if now > end.saturating_add(skew) => Err(Status::Expired),
            _ => Ok(()),
        }
    }
}

fn text_of<'m>(map: &'m Map<String, Value>, key: &str, wrong: Status) -> Result<&'m str, Status> {
    match map.get(key) {
        None => Ok(""),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(wrong),
    }
}

/// A number without its fraction.
fn seconds(map: &Map<String, Value>, key: &str, wrong: Status, range: Status) -> Result<Option<u64>, Status> {
    const END: f64 = 18_446_744_073_709_551_616.0;
    let Some(value) = map.get(key) else { return Ok(None) };
    let number = value.as_f64().ok_or(wrong)?;
    if (0.0..END).contains(&number) { Ok(Some(number as u64)) } else { Err(range) }
}

fn audiences(claims: &Map<String, Value>) -> Result<Vec<String>, Status> {
    match claims.get("aud") {
        None => Ok(Vec::new()),
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(Value::Array(list)) => {
            list.iter().map(|one| one.as_str().map(str::to_owned).ok_or(Status::BadAud)).collect()
        }
        Some(_) => Err(Status::BadAud),
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Token")
    }
}
