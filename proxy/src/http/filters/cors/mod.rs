//! `envoy.extensions.filters.http.cors.v3`: preflights are answered, and responses to allowed origins say so. The filter has no settings
//! of its own; what acts is the `CorsPolicy` of routes: as their settings of the filter, or their `cors`.
//!
//! Fields honoured: all of `CorsPolicy`. Whether it is enabled is the most specific level's word; of everything else the most specific
//! level that says something is heard.

use bytes::Bytes;
use config::Rejection;
use config::filters::cors::{Cors as Config, CorsPolicy, OF_LEVEL};

use super::Scope;
use super::compressor::joined;
use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::local_reply::LocalReply;
use crate::policy::falls_into;
use crate::wire::headers::Name;
use crate::wire::message::{Method, RequestHead};

/// The filter.
#[derive(Debug)]
pub(crate) struct Cors {
    counts: Counts,
    names: Names,
}

/// Headers that only this filter knows, interned.
#[derive(Debug)]
struct Names {
    origin: Name,
    request_method: Name,
    request_headers: Name,
    request_private_network: Name,
    allow_origin: Name,
    allow_credentials: Name,
    allow_methods: Name,
    allow_headers: Name,
    allow_private_network: Name,
    expose_headers: Name,
    max_age: Name,
}

/// What a level says.
#[derive(Debug)]
pub(crate) struct Policy {
    config: CorsPolicy,
    allow_methods: Option<Bytes>,
    allow_headers: Option<Bytes>,
    expose_headers: Option<Bytes>,
    max_age: Option<Bytes>,
}

crate::stats::counters! {
    struct Counts { origin_valid origin_invalid }
}

impl HttpFilter for Cors {
    type Config = Config;
    type ScopedConfig = CorsPolicy;
    type Scoped = Policy;
    /// The origin that the response is for.
    type State = Option<Box<Bytes>>;

    fn compile(_config: &Config, deps: &FilterDeps<'_>) -> Result<Cors, Rejection> {
        Ok(Cors {
            counts: Counts::new(deps.stats, &format!("{}cors.", deps.scope)),
            names: Names {
                origin: Name::new("origin"),
                request_method: Name::new("access-control-request-method"),
                request_headers: Name::new("access-control-request-headers"),
                request_private_network: Name::new("access-control-request-private-network"),
                allow_origin: Name::new("access-control-allow-origin"),
                allow_credentials: Name::new("access-control-allow-credentials"),
                allow_methods: Name::new("access-control-allow-methods"),
                allow_headers: Name::new("access-control-allow-headers"),
                allow_private_network: Name::new("access-control-allow-private-network"),
                expose_headers: Name::new("access-control-expose-headers"),
                max_age: Name::new("access-control-max-age"),
            },
        })
    }

    fn scope(config: &CorsPolicy, _deps: &FilterDeps<'_>) -> Result<Policy, Rejection> {
        let value = |text: &Option<std::sync::Arc<str>>| {
            text.as_ref().filter(|text| !text.is_empty()).map(|text| Bytes::copy_from_slice(text.as_bytes()))
        };
        Ok(Policy {
            allow_methods: value(&config.allow_methods),
            allow_headers: value(&config.allow_headers),
            expose_headers: value(&config.expose_headers),
            max_age: value(&config.max_age),
            config: config.clone(),
        })
    }

    fn acts(&self, scope: Option<&Policy>) -> Hooks {
        if scope.is_some() { Hooks::REQUEST.with(Hooks::RESPONSE) } else { Hooks::NONE }
    }

    fn request(&self, turn: &mut Turn<'_, '_, Cors>) -> Step {
        let (Some(policy), true) = (turn.scope, forwards(turn)) else { return Step::Continue };
        let enabled = policy.config.enabled.as_ref().is_none_or(|share| falls_into(share.get(), fastrand::u64(..)));
        let shadow = policy.config.shadow.as_ref().is_some_and(|share| falls_into(share.get(), fastrand::u64(..)));
        if !enabled && !shadow {
            return Step::Continue;
        }
        let request = &turn.stream.request;
        let Some(origin) = joined(&request.headers, &self.names.origin).filter(|origin| !origin.is_empty()) else {
            return Step::Continue;
        };
        let allowed = allows(turn, &origin);
        if allowed { self.counts.origin_valid } else { self.counts.origin_invalid }.inc();
        if !enabled {
            return Step::Continue;
        }
        if allowed {
            *turn.state = Some(Box::new(origin.clone()));
        }
        let Some(method) = self.preflight_for(&turn.stream.request) else { return Step::Continue };
        if !allowed && word(turn, |policy| policy.config.forward_not_matching_preflights).unwrap_or(true) {
            return Step::Continue;
        }
        self.answer(turn, method, allowed.then_some(origin)).into()
    }

    fn response(&self, turn: &mut Turn<'_, '_, Cors>) -> Step {
        let Some(origin) = turn.state.take() else { return Step::Continue };
        let credentials = word(turn, |policy| policy.config.allow_credentials) == Some(true);
        let expose = word(turn, |policy| policy.expose_headers.clone());
        if let Some(head) = &mut turn.stream.response {
            head.headers.set_said(self.names.allow_origin.clone(), *origin);
            if credentials {
                head.headers.set(self.names.allow_credentials.clone(), Bytes::from_static(b"true"));
            }
            if let Some(expose) = expose {
                head.headers.set(self.names.expose_headers.clone(), expose);
            }
        }
        Step::Continue
    }
}

impl Cors {
    /// The method that a preflight asks about.
    fn preflight_for(&self, request: &RequestHead) -> Option<Bytes> {
        if request.method != Method::Options {
            return None;
        }
        joined(&request.headers, &self.names.request_method).filter(|method| !method.is_empty())
    }

    /// The answer to a preflight.
    fn answer(&self, turn: &Turn<'_, '_, Cors>, method: Bytes, origin: Option<Bytes>) -> LocalReply {
        let names = &self.names;
        let asked = &turn.stream.request.headers;
        let mut reply = LocalReply::new(200, "cors_response").plain();
        let mut add =
            |name: &Name, value: Option<Bytes>| reply.headers.extend(value.map(|value| (name.clone(), value)));
        add(&names.allow_origin, origin);
        let yes = |word: Option<bool>| (word == Some(true)).then(|| Bytes::from_static(b"true"));
        add(&names.allow_credentials, yes(word(turn, |policy| policy.config.allow_credentials)));
        // A star stands for what was asked for.
        let methods = word(turn, |policy| policy.allow_methods.clone());
        add(&names.allow_methods, methods.map(|methods| if methods == "*" { method } else { methods }));
        let headers = word(turn, |policy| policy.allow_headers.clone());
        let wanted = || joined(asked, &names.request_headers).unwrap_or_default();
        add(&names.allow_headers, headers.map(|headers| if headers == "*" { wanted() } else { headers }));
        add(&names.max_age, word(turn, |policy| policy.max_age.clone()));
        if asked.get(&names.request_private_network).is_some_and(|value| value == "true") {
            add(&names.allow_private_network, yes(word(turn, |policy| policy.config.allow_private_network)));
        }
        reply
    }
}

/// As with Envoy only routes that forward have a policy.
fn forwards(turn: &Turn<'_, '_, Cors>) -> bool {
    turn.stream.route.is_some_and(|chosen| chosen.forwarding.is_some())
}

/// The policies of all levels, the most specific first; where none tells the filter anything by its name, the levels' own.
fn policies<'s>(turn: &Turn<'_, 's, Cors>) -> impl Iterator<Item = &'s Policy> {
    let of = |scope: &'s Scope| if let Scope::Cors(policy) = scope { Some(policy) } else { None };
    let mut by_name = turn.levels(of).peekable();
    let own = by_name.peek().is_none().then(|| turn.levels_of(OF_LEVEL, of));
    by_name.chain(own.into_iter().flatten())
}

/// What the most specific level says that says something.
fn word<T>(turn: &Turn<'_, '_, Cors>, of: impl Fn(&Policy) -> Option<T>) -> Option<T> {
    policies(turn).find_map(of)
}

fn allows(turn: &Turn<'_, '_, Cors>, origin: &Bytes) -> bool {
    let matchers = policies(turn).map(|policy| &policy.config.allow_origin).find(|list| !list.is_empty());
    // A matcher that would match a star matches everything, as with Envoy.
    matchers.into_iter().flatten().any(|matcher| matcher.matches(b"*") || matcher.matches(origin))
}

#[cfg(test)]
mod tests;
