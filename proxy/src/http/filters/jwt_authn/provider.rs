//! A provider, compiled: whether a token is good, and what becomes of a good one.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use config::filters::jwt_authn::{Lifetime, Provider as Config};
use config::{At, Rejection};
use serde_json::{Map, Value};

use super::Counts;
use super::cache::Cache;
use super::keys::Keys;
use crate::http::filters::filter::FilterDeps;
use crate::policy::jwt::{Audiences, KeySet, Status, Token, claim, header_text};
use crate::telemetry::wall;
use crate::wire::headers::{Headers, Name};

/// A provider.
#[derive(Debug)]
pub(super) struct Provider {
    pub config: Config,
    pub keys: Keys,
    audiences: Audiences,
    payload_header: Option<Name>,
    /// In the order of `claim_to_headers`.
    claim_headers: Box<[Name]>,
    cache: Option<Cache>,
}

impl Provider {
    pub fn compile(at: &At<'_>, config: &Config, counts: Counts, deps: &FilterDeps<'_>) -> Result<Provider, Rejection> {
        Ok(Provider {
            keys: Keys::compile(&at.key(&config.name), &config.name, &config.keys, counts, deps)?,
            audiences: Audiences::new(&config.audiences),
            payload_header: config.forwarding.payload_header.as_deref().map(Name::new),
            claim_headers: config.forwarding.claims.iter().map(|one| Name::new(&one.header)).collect(),
            cache: config.cache.map(Cache::new),
            config: config.clone(),
        })
    }

    /// The headers that it writes.
    pub fn own_headers(&self) -> impl Iterator<Item = &Name> {
        self.payload_header.iter().chain(&self.claim_headers)
    }

    /// A token that was verified before, with the keys of now.
    pub fn remembered(&self, text: &Bytes) -> Option<Arc<Token>> {
        let cache = self.cache.as_ref()?;
        let token = cache.find(text, &self.keys.newest()?)?;
        let over = token.check_time(seconds(now()), u64::from(self.config.clock_skew)) == Err(Status::Expired);
        if over {
            cache.forget(text);
        }
        (!over).then_some(token)
    }

    /// Remembers one that these keys have verified.
    pub fn remember(&self, text: &Bytes, token: &Arc<Token>, keys: &Arc<KeySet>) {
        if let Some(cache) = &self.cache {
            cache.add(text, token, keys);
        }
    }

    /// Whether a token may be used, if it is signed. `audiences` take the place of the provider's.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, token: &Token, audiences: Option<&Audiences>) -> Result<(), Status> {
        let now = now();
        token.check_time(seconds(now), u64::from(self.config.clock_skew))?;
        if !audiences.unwrap_or(&self.audiences).allow(&token.audiences) {
            return Err(Status::AudienceNotAllowed);
        }
        let subject_is_allowed =
            self.config.subjects.as_ref().is_none_or(|subjects| subjects.matches(token.subject().as_bytes()));
        if subject_is_allowed && self.lifetime_is_allowed(token.expires(), now) {
            Ok(())
        } else {
            Err(Status::VerificationFails)
        }
    }

    fn lifetime_is_allowed(&self, expires: Option<u64>, now: Duration) -> bool {
        let most = match self.config.lifetime {
            Lifetime::Any => return true,
            Lifetime::Ends => return expires.is_some(),
            Lifetime::Below(most) => most,
        };
        expires.is_some_and(|end| Duration::from_secs(end).saturating_sub(now) < most)
    }

    /// Writes what a good token says into the request's head. Whether that may change the route.
    pub fn write_headers(&self, token: &Token, headers: &mut Headers) -> bool {
        if let Some(name) = &self.payload_header {
            headers.append(name.clone(), self.payload(token));
        }
        let mut written = false;
        for (name, one) in self.claim_headers.iter().zip(&self.config.forwarding.claims) {
            if let Some(text) = claim(&token.claims, &one.claim).and_then(header_text) {
                headers.append_said(name.clone(), text);
                written = true;
            }
        }
        self.config.clears_route && (written || self.config.metadata.payload.is_some())
    }

    fn payload(&self, token: &Token) -> Bytes {
        let payload = token.payload();
        let missing = match payload.len() % 4 {
            _ if !self.config.forwarding.pads => 0,
            0 => 0,
            rest => 4 - rest,
        };
        if missing == 0 {
            return payload;
        }
        let mut padded = BytesMut::from(&payload[..]);
        padded.resize(payload.len() + missing, b'=');
        padded.freeze()
    }

    /// What dynamic metadata is told of a good token.
    pub fn told(&self, token: &Token) -> impl Iterator<Item = (&Arc<str>, Value)> {
        let metadata = &self.config.metadata;
        let header = metadata.header.as_ref().map(|key| (key, Value::Object(token.header.clone())));
        let payload = metadata.payload.as_ref().map(|key| (key, Value::Object(self.normalized(&token.claims))));
        header.into_iter().chain(payload)
    }

    fn normalized(&self, claims: &Map<String, Value>) -> Map<String, Value> {
        let mut claims = claims.clone();
        for name in &self.config.metadata.lists {
            let Some(claim) = claims.get_mut(&**name) else { continue };
            let Some(text) = claim.as_str() else { continue };
            let list: Vec<Value> = text.split(' ').filter(|one| !one.is_empty()).map(Value::from).collect();
            // A claim that has nothing in it stays what it is.
            if !list.is_empty() {
                *claim = Value::Array(list);
            }
        }
        claims
    }
}

/// Since the Unix epoch.
fn now() -> Duration {
    let now: SystemTime = wall::at(Instant::now());
    now.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn seconds(time: Duration) -> u64 {
    time.as_secs()
}
