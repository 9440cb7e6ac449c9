//! `io.istio.http.peer_metadata.Config`, Istio's metadata exchange: proxies tell each other which workload they stand for, in headers of
//! requests and responses, or in baggage.
//!
//! Honoured: all methods in their order but `upstream_filter_state`, which `config` names. As in Istio's own:
//! the first method that finds a peer counts, headers are stripped whatever they said, and a client is answered only what it has told
//! itself. Filter state has the peers under `downstream_peer` and `upstream_peer`, for logs, expressions and statistics.
//!
//! What peers say is a stranger's: a header that is none, or too long, counts as none (`peer_metadata.rejected`), and what is too long in
//! it is cut (`peer_metadata.cut`).

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use config::Rejection;
use config::filters::peer_metadata::{Discovery, PeerMetadata as Config, Propagation};
use config::workload::Workload;

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::stream::Stream;
use crate::stats::counters;
use crate::telemetry::peer::{self, Peer, Side};
use crate::wire::headers::{Headers, Name, NameSet};

const OURS: NameSet = NameSet::of([Name::X_ENVOY_PEER_METADATA, Name::X_ENVOY_PEER_METADATA_ID]);

counters! {
    /// What was wrong with what peers said.
    struct Counters { rejected cut }
}

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct PeerMetadata {
    config: Config,
    id: Bytes,
    header: Bytes,
    baggage: Bytes,
    counters: Counters,
}

/// What a client has told, of which it is told as much.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Received {
    id: bool,
    metadata: bool,
}

impl HttpFilter for PeerMetadata {
    type Config = Config;
    type ScopedConfig = Infallible;
    type Scoped = Infallible;
    type State = Received;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<PeerMetadata, Rejection> {
        Ok(PeerMetadata {
            id: lasting(&config.id),
            header: lasting(&config.header),
            baggage: lasting(&config.baggage),
            counters: Counters::new(deps.stats, &format!("{}peer_metadata.", deps.scope)),
            config: config.clone(),
        })
    }

    fn scope(config: &Infallible, _deps: &FilterDeps<'_>) -> Result<Infallible, Rejection> {
        match *config {}
    }

    fn acts(&self, _scope: Option<&Infallible>) -> Hooks {
        let config = &self.config;
        let of = |hook, found: bool, told: bool| if found || told { hook } else { Hooks::NONE };
        of(Hooks::REQUEST, !config.downstream_discovery.is_empty(), !config.upstream_propagation.is_empty()).with(of(
            Hooks::RESPONSE,
            !config.upstream_discovery.is_empty(),
            !config.downstream_propagation.is_empty(),
        ))
    }

    fn request(&self, turn: &mut Turn<'_, '_, PeerMetadata>) -> Step {
        let stream = &mut *turn.stream;
        let methods = &self.config.downstream_discovery;
        let address = stream.info.remote().ip();
        let found = self.discover(methods, &stream.request.headers, || Some(address), Some(turn.state));
        set(stream, Side::Downstream, found);
        strip(methods, &mut stream.request.headers);
        if !self.config.upstream_propagation.is_empty() {
            let told = self.told(&self.config.upstream_propagation, stream, None);
            told.say(self, &mut stream.request.headers);
        }
        // A client that has told nothing is told nothing.
        let only_headers = self.config.downstream_propagation.iter().all(|method| *method != Propagation::Baggage);
        if only_headers && *turn.state == Received::default() && self.config.upstream_discovery.is_empty() {
            turn.skip(Hooks::RESPONSE);
        }
        Step::Continue
    }

    fn response(&self, turn: &mut Turn<'_, '_, PeerMetadata>) -> Step {
        let methods = &self.config.upstream_discovery;
        let address = || turn.stream.info.upstream_host.as_ref()?.parse().ok().map(|host: SocketAddr| host.ip());
        let head = turn.stream.response.as_ref();
        let found = head.and_then(|head| self.discover(methods, &head.headers, address, None));
        set(turn.stream, Side::Upstream, found);
        let told = self.told(&self.config.downstream_propagation, turn.stream, Some(*turn.state));
        if let Some(head) = &mut turn.stream.response {
            strip(methods, &mut head.headers);
            told.say(self, &mut head.headers);
        }
        Step::Continue
    }
}

/// What a head is to say.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    id: bool,
    metadata: bool,
    baggage: bool,
}

impl Told {
    fn say(self, filter: &PeerMetadata, headers: &mut Headers) {
        if self.id {
            headers.set(Name::X_ENVOY_PEER_METADATA_ID, filter.id.clone());
        }
        if self.metadata {
            headers.set(Name::X_ENVOY_PEER_METADATA, filter.header.clone());
        }
        if self.baggage {
            headers.set(Name::BAGGAGE, filter.baggage.clone());
        }
    }
}

impl PeerMetadata {
    /// The peer, by the first method that knows it. `address` is its own. `received`, of a client: which of its headers this has looked at.
    fn discover(
        &self,
        methods: &[Discovery],
        headers: &Headers,
        address: impl Fn() -> Option<IpAddr>,
        mut received: Option<&mut Received>,
    ) -> Option<std::rc::Rc<Peer>> {
        methods.iter().find_map(|method| match method {
            Discovery::Headers => {
                let value = headers.get(&Name::X_ENVOY_PEER_METADATA);
                if let Some(received) = received.as_deref_mut() {
                    received.id = headers.contains(&Name::X_ENVOY_PEER_METADATA_ID);
                    received.metadata = value.is_some();
                }
                self.hear(value.filter(|value| !value.is_empty())?)
            }
            Discovery::Baggage => {
                let value = headers.get(&Name::BAGGAGE)?;
                Some(Peer::new(Workload::of_baggage(&String::from_utf8_lossy(value))))
            }
            Discovery::Workloads => peer::discovered::peer(address()?),
        })
    }

    fn hear(&self, value: &[u8]) -> Option<std::rc::Rc<Peer>> {
        match peer::of_header(value, &self.config.labels) {
            Ok(heard) => {
                if heard.cut {
                    self.counters.cut.inc();
                }
                Some(heard.peer)
            }
            Err(_) => {
                self.counters.rejected.inc();
                None
            }
        }
    }

    /// What the other side is told. `received`: of a client, what it has told itself.
    fn told(&self, methods: &[Propagation], stream: &Stream<'_>, received: Option<Received>) -> Told {
        let mut told = Told::default();
        for method in methods {
            match method {
                Propagation::Baggage => told.baggage = true,
                Propagation::Headers { skip_external } => {
                    let received = received.unwrap_or(Received { id: true, metadata: true });
                    if received != Received::default() && !is_outside(stream, *skip_external) {
                        told.id |= received.id;
                        told.metadata |= received.metadata;
                    }
                }
            }
        }
        told
    }
}

/// The request goes where nobody is told anything: the cluster says so, or is outside of the mesh and that counts.
fn is_outside(stream: &Stream<'_>, skip_external: bool) -> bool {
    let Some(cluster) = stream.cluster() else { return false };
    let config = cluster.config();
    if skip_external && *config.name == *"PassthroughCluster" {
        return true;
    }
    let says = |key| config.metadata.get("istio", key).and_then(serde_json::Value::as_bool) == Some(true);
    skip_external && says("external") || says("disable_mx")
}

/// One that is known stays.
fn set(stream: &mut Stream<'_>, side: Side, peer: Option<std::rc::Rc<Peer>>) {
    if let Some(peer) = peer
        && stream.info.connection.filter_state.borrow().peer(side).is_none()
    {
        stream.info.filter_state.set_peer(side, peer);
    }
}

fn strip(methods: &[Discovery], headers: &mut Headers) {
    if methods.contains(&Discovery::Headers) {
        headers.remove_all(OURS);
    }
}

/// Octets that last as long as the process, so that a request that takes them counts no references, which all workers would share. There
/// is one of each kind in a process, and some more where labels are configured; what a control plane makes up beyond that is counted.
fn lasting(text: &str) -> Bytes {
    const MOST: usize = 256;
    static ALL: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let all = all.get_or_insert_default();
    if let Some(known) = all.get(text) {
        return Bytes::from_static(known.as_bytes());
    }
    if all.len() >= MOST {
        return Bytes::copy_from_slice(text.as_bytes());
    }
    let leaked: &'static str = Box::leak(Box::from(text));
    all.insert(leaked);
    Bytes::from_static(leaked.as_bytes())
}

#[cfg(test)]
mod tests;
