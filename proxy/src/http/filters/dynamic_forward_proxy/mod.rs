//! `envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig`: the host of a request is resolved before it is sent to a cluster of that kind.
//!
//! Honoured: all but sub clusters and `save_upstream_address`, which are refused. It acts where the cluster of the route is a dynamic forward
//! proxy; and a host that leads back to where the request has come in is none.

use std::sync::Arc;

use bytes::Bytes;
use config::Rejection;
use config::dns_cache::DnsCache;
use config::filters::dynamic_forward_proxy::{DynamicForwardProxy as Config, NewHost as ScopedConfig};

use super::filter::{FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::{Wait, Waited};
use crate::cluster::{CachedName, Found, Load, Waits, default_port, dynamic_name};
use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::http::reason;
use crate::http::stream::Stream;
use crate::wire::headers::Name;

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct DynamicForwardProxy {
    cache: Arc<DnsCache>,
    heeds_state: bool,
}

/// What a route says of the host.
#[derive(Debug)]
pub(crate) enum NewHost {
    Same,
    Literal(Bytes),
    Header(Name),
}

/// What a request waits for.
#[derive(Debug)]
pub(crate) struct Waiting {
    name: Arc<CachedName>,
    _place: Waits,
}

impl HttpFilter for DynamicForwardProxy {
    type Config = Config;
    type ScopedConfig = ScopedConfig;
    type Scoped = NewHost;
    type State = Option<Box<Waiting>>;

    fn compile(config: &Config, _deps: &FilterDeps<'_>) -> Result<DynamicForwardProxy, Rejection> {
        Ok(DynamicForwardProxy { cache: Arc::clone(&config.cache), heeds_state: config.heeds_state })
    }

    fn scope(config: &ScopedConfig, _deps: &FilterDeps<'_>) -> Result<NewHost, Rejection> {
        Ok(match config {
            ScopedConfig::Same => NewHost::Same,
            ScopedConfig::Literal(host) => NewHost::Literal(Bytes::copy_from_slice(host.as_bytes())),
            ScopedConfig::Header(name) => NewHost::Header(Name::new(name)),
        })
    }

    fn acts(&self, _scope: Option<&NewHost>) -> Hooks {
        Hooks::REQUEST
    }

    fn request(&self, turn: &mut Turn<'_, '_, DynamicForwardProxy>) -> Step {
        let stream = &mut *turn.stream;
        let Some(cluster) = stream.cluster().filter(|cluster| cluster.forwards().is_some()) else {
            return Step::Continue;
        };
        match turn.scope {
            Some(NewHost::Literal(host)) => stream.request.authority = host.clone(),
            Some(NewHost::Header(name)) => {
                if let Some(host) = stream.request.headers.get(name) {
                    stream.request.authority = host.clone();
                }
            }
            Some(NewHost::Same) | None => {}
        }
        // Where there is no such cache the cluster has another one, and asks that itself.
        let Some(cache) = stream.context.upstreams.names(&self.cache.name) else { return Step::Continue };
        let Some(place) = cache.wait() else {
            let details = "dynamic_forward_proxy_pending_request_overflow";
            reason::tell(stream, details, "too many requests wait for names; see circuit_breakers of the DNS cache");
            return refused(details, "Dynamic forward proxy pending request overflow");
        };
        let port = default_port(cluster.config());
        if stream.request.authority.is_empty() {
            return LocalReply::new(400, "empty_host_header").body(&b"Empty host header"[..]).into();
        }
        let asked = if self.heeds_state { dynamic_name(stream, port) } else { None };
        let loaded = match &asked {
            Some((host, port)) => cache.load(host, *port),
            None => cache.load(std::str::from_utf8(&stream.request.authority).unwrap_or_default(), port),
        };
        match loaded {
            Load::Known(name) => judge(turn, &name),
            Load::Coming(name) => {
                *turn.state = Some(Box::new(Waiting { name: Arc::clone(&name), _place: place }));
                Step::Wait(Wait::Event(Box::pin(name.settles())))
            }
            Load::Overflow => {
                let details = "dns_cache_overflow";
                reason::tell(stream, details, "the DNS cache holds as many names as it may; see max_hosts of it");
                refused(details, "DNS cache overflow")
            }
            Load::NoName => unresolved(stream, "it is no host with a port"),
        }
    }

    fn resumed(
        &self,
        turn: &mut Turn<'_, '_, DynamicForwardProxy>,
        _way: Way,
        _waited: Waited,
        _body: &mut Out<'_>,
    ) -> Step {
        match turn.state.take() {
            Some(waiting) => judge(turn, &waiting.name),
            None => Step::Abort(ResponseFlags::NONE, "filter_not_resumable"),
        }
    }
}

/// Whether the request may go on.
fn judge(turn: &Turn<'_, '_, DynamicForwardProxy>, name: &CachedName) -> Step {
    if name.leads_back(&turn.stream.info.connection) {
        return unresolved(turn.stream, "it leads back here");
    }
    match name.known() {
        Found::Addresses(_) => Step::Continue,
        Found::No(why) => unresolved(turn.stream, &why),
        Found::Nothing => unresolved(turn.stream, "no_host"),
    }
}

fn refused(details: &'static str, body: &'static str) -> Step {
    LocalReply::new(503, details).body(body.as_bytes()).into()
}

fn unresolved(stream: &Stream<'_>, why: &str) -> Step {
    let next = "see whether the host that was asked for is a name that the resolvers of the DNS cache know";
    reason::tell(stream, "dns_resolution_failure", format_args!("{why}; {next}"));
    // As in Envoy: details have no spaces.
    let why = why.replace(|letter: char| letter.is_whitespace(), "_");
    LocalReply::new(503, format!("dns_resolution_failure{{{why}}}"))
        .body(&b"DNS resolution failure"[..])
        .flags(ResponseFlags::DNS_RESOLUTION_FAILED)
        .into()
}

#[cfg(test)]
mod tests;
