//! Where a client carries the address of its endpoint: a cookie or a header. Used by the filter alone.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use config::filters::stateful_session::SessionState;
use config::services::session_cookie;
use tokio::time::Instant;

use crate::http::cookie::{self, Attributes};
use crate::telemetry::wall;
use crate::wire::headers::{Headers, Name};

/// A session state, compiled.
#[derive(Debug)]
pub(super) enum Carrier {
    Cookie { name: Arc<str>, ttl: Duration, path: Arc<str>, attributes: Vec<(Arc<str>, Arc<str>)> },
    Header(Name),
}

impl Carrier {
    pub fn compile(config: &SessionState) -> Carrier {
        match config {
            SessionState::Cookie { name, ttl, path, attributes } => Carrier::Cookie {
                name: name.clone(),
                ttl: ttl.unwrap_or_default(),
                path: path.clone(),
                attributes: attributes.clone(),
            },
            SessionState::Header(name) => Carrier::Header(Name::new(name)),
        }
    }

    /// Whether requests for this path have a session: the client would send the cookie with them.
    pub fn is_for(&self, request: &[u8]) -> bool {
        let Carrier::Cookie { path, .. } = self else { return true };
        if path.is_empty() || &**path == "/" {
            return true;
        }
        let Some(rest) = request.strip_prefix(path.as_bytes()) else { return false };
        path.ends_with('/') || rest.first().is_none_or(|next| b"/?#".contains(next))
    }

    /// The address that the client carries. What cannot be read is none.
    pub fn address(&self, headers: &Headers) -> Option<Box<str>> {
        match self {
            Carrier::Cookie { name, .. } => {
                let octets = STANDARD.decode(cookie::value(headers, name.as_bytes())?).ok()?;
                session_cookie::decode(&octets, now())
            }
            Carrier::Header(name) => {
                let octets = STANDARD.decode(headers.get(name)?).ok()?;
                let address = String::from_utf8_lossy(&octets).into_owned();
                (!address.is_empty()).then(|| address.into_boxed_str())
            }
        }
    }

    /// Gives the client an address to carry.
    pub fn tell(&self, headers: &mut Headers, address: &str) {
        match self {
            Carrier::Cookie { name, ttl, path, attributes } => {
                let expires = if ttl.is_zero() { 0 } else { now() + ttl.as_secs() };
                let value = STANDARD.encode(session_cookie::encode(address, expires));
                let attributes = Attributes { path, max_age: Some(*ttl), others: attributes };
                headers.append(Name::SET_COOKIE, cookie::set(name, &value, &attributes));
            }
            Carrier::Header(name) => headers.set(name.clone(), Bytes::from(STANDARD.encode(address))),
        }
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    let now = wall::at(Instant::now().into_std());
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
