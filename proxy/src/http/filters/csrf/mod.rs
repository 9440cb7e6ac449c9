//! `envoy.extensions.filters.http.csrf.v3.CsrfPolicy`: a request that changes something must come from a page of the same origin.
//! Carries policy.
//!
//! Fields honoured: all. `filter_enabled` and `shadow_enabled` go by their default values: there is no runtime here.

use config::Rejection;
use config::filters::csrf::Csrf as Config;

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::local_reply::LocalReply;
use crate::policy::falls_into;
use crate::stats::Counter;
use crate::wire::headers::Name;
use crate::wire::message::{Method, RequestHead};

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
        let enabled = falls_into(policy.enabled, fastrand::u64(..));
        let shadow = policy.shadow.is_some_and(|share| falls_into(share, fastrand::u64(..)));
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
        let of =
            |name: &Name| request.headers.get(name).map(|value| host_and_port(value)).filter(|host| !host.is_empty());
        // A browser that will not say it says `null`, whatever the referer is.
        let source = match of(&self.origin) {
            Some(b"null") => None,
            origin => origin.or_else(|| of(&Name::REFERER)),
        };
        let Some(source) = source else { return Some(&self.counts.missing_source_origin) };
        let same = source == host_and_port(&request.authority);
        let other = || policy.additional_origins.iter().any(|matcher| matcher.matches(source));
        (!same && !other()).then_some(&self.counts.request_invalid)
    }
}

fn changes_something(request: &RequestHead) -> bool {
    matches!(request.method, Method::Post | Method::Put | Method::Delete | Method::Patch)
}

/// Host and port of a URL; anything else is taken as it is.
fn host_and_port(url: &[u8]) -> &[u8] {
    let Some(scheme) = memchr::memmem::find(url, b"://") else { return url };
    let rest = &url[scheme + 3..];
    let end = rest.iter().position(|octet| matches!(octet, b'/' | b'?' | b'#')).unwrap_or(rest.len());
    let authority = &rest[..end];
    let host = memchr::memrchr(b'@', authority).map_or(authority, |at| &authority[at + 1..]);
    if host.is_empty() { url } else { host }
}

#[cfg(test)]
mod tests;
