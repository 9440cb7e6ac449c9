//! Mirrors (`request_mirror_policies`): copies of a request that go to other clusters, and whose answers go nowhere. Made ready by
//! `route` when configuration arrives, prepared by `attempt` with the head that goes upstream, begun with the first attempt, and given the
//! body by `upload` as it comes. They outlive the request, but not one that is broken off, and never change or delay its answer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use config::access_log::Format;
use config::matcher::Fraction;
use config::route::{Mirror as Config, MirrorTarget};

use crate::call::{HttpCall, Told};
use crate::http::mutate::OrderedMutations;
use crate::http::reason;
use crate::http::stream::{Chosen, Stream, asks_for_tunnel};
use crate::policy::falls_into;
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::format;
use crate::wire::headers::Name;
use crate::wire::message::{Frame, RequestHead};

/// One policy, made ready.
#[derive(Debug)]
pub(in crate::http) struct Mirror {
    to: Target,
    fraction: Option<Fraction>,
    keeps_host: bool,
    mutations: OrderedMutations,
    host: Option<Bytes>,
}

#[derive(Debug)]
enum Target {
    Cluster(Arc<str>),
    Header(Name),
}

/// The mirrors of one request, until it has been read.
#[derive(Debug)]
pub(in crate::http) struct Mirrors {
    /// Not begun yet.
    copies: Vec<(Arc<str>, RequestHead)>,
    timeout: Option<Duration>,
    /// Those that take the body.
    told: Vec<(Arc<str>, Told)>,
}

impl Mirror {
    /// Makes the policies of one level ready.
    pub fn compile(policies: &[Config]) -> Box<[Mirror]> {
        policies.iter().map(Mirror::new).collect()
    }

    fn new(config: &Config) -> Mirror {
        Mirror {
            to: match &config.to {
                MirrorTarget::Cluster(name) => Target::Cluster(name.clone()),
                MirrorTarget::Header(name) => Target::Header(Name::new(name)),
            },
            fraction: config.fraction,
            keeps_host: config.keeps_host,
            mutations: OrderedMutations::compile(&config.mutations),
            host: config.host_rewrite.as_ref().map(|host| Bytes::copy_from_slice(host.as_bytes())),
        }
    }

    fn cluster(&self, request: &RequestHead) -> Option<Arc<str>> {
        match &self.to {
            Target::Cluster(name) => Some(name.clone()),
            Target::Header(name) => {
                let value = request.headers.get(name).filter(|value| !value.is_empty())?;
                std::str::from_utf8(value).ok().map(Arc::from)
            }
        }
    }

    /// The copy's own head.
    fn head(&self, stream: &Stream<'_>) -> RequestHead {
        let mut head = stream.request.clone();
        let render = |head: &RequestHead, format: &Format, out: &mut Vec<u8>| {
            let entry = LogEntry { request: Some(head), ..stream.entry(None, None) };
            format::write(format, &entry, out);
        };
        self.mutations.apply(&mut head, |head| Some(&mut head.headers), render);
        match &self.host {
            Some(host) => head.authority = host.clone(),
            None if self.keeps_host => {}
            None => head.authority = shadow(&head.authority),
        }
        head
    }
}

/// The mirrors of a request whose head is as it goes upstream. `of_cluster`: policies of its cluster, which come before all others.
pub(super) fn prepare(
    stream: &Stream<'_>,
    chosen: Chosen<'_>,
    of_cluster: &[Config],
    timeout: Option<Duration>,
) -> Option<Box<Mirrors>> {
    let own;
    let policies = if of_cluster.is_empty() {
        chosen.mirrors()
    } else {
        // So rare, and so dear anyway, that it is made ready here.
        own = Mirror::compile(of_cluster);
        &own
    };
    if policies.is_empty() || asks_for_tunnel(&stream.request) {
        return None;
    }
    // One number for all: policies of the same share choose the same requests, as with Envoy.
    let random = fastrand::u64(..);
    let chosen = policies.iter().filter(|policy| policy.fraction.is_none_or(|share| falls_into(share, random)));
    let copies: Vec<_> =
        chosen.filter_map(|policy| Some((policy.cluster(&stream.request)?, policy.head(stream)))).collect();
    (!copies.is_empty()).then(|| Box::new(Mirrors { copies, timeout, told: Vec::new() }))
}

impl Mirrors {
    /// Begins with them all; nothing the second time.
    pub fn begin(&mut self, stream: &Stream<'_>, has_body: bool) {
        for (cluster, head) in std::mem::take(&mut self.copies) {
            if stream.context.upstreams.get(&cluster).is_none() {
                reason::mirror_lost(stream, &cluster, "it is not (or not yet) known");
                continue;
            }
            let call = HttpCall { timeout: self.timeout, ..HttpCall::new(&cluster, head, Bytes::new()) };
            self.told.extend(stream.context.upstreams.tell(call, has_body).map(|told| (cluster, told)));
        }
    }

    /// Hands on the next frame of the body.
    pub fn push(&mut self, frame: &Frame, stream: &Stream<'_>) {
        self.told.retain(|(cluster, told)| {
            let keeps_up = told.push(frame);
            if !keeps_up {
                reason::mirror_lost(stream, cluster, "it does not keep up with the request");
            }
            keeps_up
        });
    }
}

/// `web:80` becomes `web-shadow:80`.
fn shadow(authority: &[u8]) -> Bytes {
    let host = crate::http::route::without_port(authority);
    Bytes::from([host, b"-shadow", &authority[host.len()..]].concat())
}

#[cfg(test)]
mod tests;
