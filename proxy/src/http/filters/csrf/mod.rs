//! `envoy.extensions.filters.http.csrf.v3.CsrfPolicy`: a request that changes something must come from a page of the same origin.
//! Carries policy.
//!
//! Fields honoured: all.

use bytes::Bytes;
use config::Rejection;
use config::filters::csrf::Csrf as Config;

use super::compressor::joined;
use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::local_reply::LocalReply;
use crate::policy::falls_into;
use crate::stats::Counter;
use crate::wire::headers::Name;
use crate::wire::message::{Method, RequestHead};
use crate::wire::url::{self, Url};

/// The filter.
#[derive(Debug)]
pub(crate) struct Csrf {
    config: Config,
    origin: Name,
    counts: Counts,
}

crate::stats::counters! {
    struct Counts { missing_source_origin request_invalid request_valid }
}

impl HttpFilter for Csrf {
    type Config = Config;
    type ScopedConfig = Config;
    type Scoped = Config;
    type State = ();

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<Csrf, Rejection> {
        Ok(Csrf {
            config: config.clone(),
            origin: Name::new("origin"),
            counts: Counts::new(deps.stats, &format!("{}csrf.", deps.scope)),
        })
    }

    fn scope(config: &Config, _deps: &FilterDeps<'_>) -> Result<Config, Rejection> {
        Ok(config.clone())
    }

    fn acts(&self, _scope: Option<&Config>) -> Hooks {
        Hooks::REQUEST
    }

    fn request(&self, turn: &mut Turn<'_, '_, Csrf>) -> Step {
        let policy = turn.scope.unwrap_or(&self.config);
        let enabled = falls_into(policy.enabled.get(), fastrand::u64(..));
        let shadow = policy.shadow.as_ref().is_some_and(|share| falls_into(share.get(), fastrand::u64(..)));
        let request = &turn.stream.request;
        if !(enabled || shadow) || !changes_something(request) {
            return Step::Continue;
        }
        match self.judge(policy, request) {
            None => {
                self.counts.request_valid.inc();
                return Step::Continue;
            }
            Some(counter) => counter.inc(),
        }
        if !enabled {
            return Step::Continue;
        }
        LocalReply::new(403, "csrf_origin_mismatch").body(&b"Invalid origin"[..]).into()
    }
}

impl Csrf {
    /// What counts a request that is not from here.
    fn judge(&self, policy: &Config, request: &RequestHead) -> Option<&Counter> {
        // Of several lines one list, which is no URL.
        let of = |name: &Name| joined(&request.headers, name).map(host_or_all).filter(|host| !host.is_empty());
        // A browser that will not say it says `null`, whatever the referer is.
        let source = match of(&self.origin) {
            Some(origin) if origin == "null" => None,
            origin => origin.or_else(|| of(&Name::REFERER)),
        };
        let Some(source) = source else { return Some(&self.counts.missing_source_origin) };
        let same = is_of(&source, request);
        let other = || policy.additional_origins.iter().any(|matcher| matcher.matches(&source));
        (!same && !other()).then_some(&self.counts.request_invalid)
    }
}

/// Host and port of a URL; what is none is taken as it is.
fn host_or_all(text: Bytes) -> Bytes {
    match Url::parse(&text) {
        Some(url) => text.slice_ref(url.host_and_port),
        None => text,
    }
}

/// Whether that is where the request goes. Its own URL may be none, too, and is then taken as it is.
fn is_of(source: &[u8], request: &RequestHead) -> bool {
    match url::host_and_port(&request.authority) {
        Some(target) => source == target,
        None => {
            let authority = source.strip_prefix(&request.scheme[..]).and_then(|rest| rest.strip_prefix(b"://"));
            authority == Some(&request.authority[..])
        }
    }
}

fn changes_something(request: &RequestHead) -> bool {
    matches!(request.method, Method::Post | Method::Put | Method::Delete | Method::Patch)
}

#[cfg(test)]
mod tests;
