//! A cluster as one worker uses it: balancer state, hosts with their pools, permits. Made by [`WorkerClusters`](super::WorkerClusters).

use std::any::Any;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;

use config::cluster::{Discovery, UpstreamProtocol};
use config::metadata::Metadata;
use tokio::time::Instant;

use super::balance::{Balancer, Group};
use super::circuit_breaker::{Permit, Resource};
use super::connect::{Connector, connect};
use super::endpoints::{EndpointSet, Identity};
use super::grpc::GrpcCounters;
use super::host::{Active, Host, HostState};
use super::named::NamedCounters;
use super::pool::{Counted, KeyRef, Speaks};
use super::stats::{ClusterStats, Codes, ResponseCounters};
use super::{
    Attached, Cluster, ConnectFailure, ConnectFailureKind, HttpLease, HttpWant, OverrideHost, Pick, PickFailure,
    Priority, TcpLease, TcpWant,
};
use crate::telemetry::stream_info::Labels;
use crate::wire::h2::CodecStats;
use crate::wire::message::Protocol;

/// What pools and guards of one cluster on one worker share.
pub struct Core {
    /// The cluster.
    pub shared: Arc<Cluster>,
    /// Its statistics, copied so that a count costs no detour.
    pub stats: ClusterStats,
    /// What makes its connections.
    pub connector: Rc<dyn Connector>,
    codec: OnceCell<CodecStats>,
}

impl Core {
    /// A cluster on this worker.
    pub fn new(shared: &Arc<Cluster>, connector: &Rc<dyn Connector>) -> Rc<Core> {
        Rc::new(Core {
            shared: Arc::clone(shared),
            stats: *shared.stats(),
            connector: Rc::clone(connector),
            codec: OnceCell::new(),
        })
    }

    /// What the HTTP/2 codec counts; as with Envoy it is there once HTTP/2 is spoken.
    pub fn codec_stats(&self) -> CodecStats {
        let scope = self.shared.scope();
        *self.codec.get_or_init(|| CodecStats {
            close_notify: self.stats.upstream_cx_close_notify,
            ..CodecStats::new(|name| scope.counter(name), |name| scope.gauge(name))
        })
    }
}

/// A cluster as this worker uses it.
pub struct WorkerCluster {
    core: Rc<Core>,
    worker: usize,
    /// By address of the identity, which the state keeps alive.
    hosts: RefCell<HashMap<*const Identity, Rc<HostState>>>,
    balance: RefCell<Balance>,
    responses: ResponseCounters,
    filters: Option<Attached>,
    /// What filters count of gRPC requests.
    pub grpc: GrpcCounters,
    /// What else they count.
    pub named: NamedCounters,
    /// What those above make of its configuration. Nobody here knows what that is.
    made: OnceCell<Rc<dyn Any>>,
    touched: Cell<bool>,
    /// When it was last said why there is no host.
    told: Cell<Option<Instant>>,
    /// Original destinations that were connected to.
    destinations: RefCell<HashMap<SocketAddr, Host>>,
}

/// The balancer, and the endpoint set that it was built from.
struct Balance {
    endpoints: Arc<EndpointSet>,
    balancer: Balancer,
}

impl WorkerCluster {
    /// Nothing under way yet.
    pub(super) fn new(shared: &Arc<Cluster>, worker: usize, connector: &Rc<dyn Connector>) -> Rc<WorkerCluster> {
        let endpoints = shared.endpoints_owned();
        let core = Core::new(shared, connector);
        let mut hosts = HashMap::new();
        let balancer = build_balancer(&core, &endpoints, &mut hosts, worker);
        Rc::new(WorkerCluster {
            core,
            worker,
            hosts: RefCell::new(hosts),
            balance: RefCell::new(Balance { endpoints, balancer }),
            responses: ResponseCounters::default(),
            filters: shared.attached().map(|filters| Arc::clone(filters).on_worker()),
            grpc: GrpcCounters::default(),
            named: NamedCounters::default(),
            made: OnceCell::new(),
            touched: Cell::new(true),
            told: Cell::new(None),
            destinations: RefCell::default(),
        })
    }

    /// The configuration.
    pub fn config(&self) -> &config::cluster::Cluster {
        self.core.shared.config()
    }

    /// What was made of its own filters.
    pub fn filters(&self) -> Option<&Attached> {
        self.filters.as_ref()
    }

    /// The cluster that all workers share.
    pub fn shared(&self) -> &Arc<Cluster> {
        &self.core.shared
    }

    /// Statistics that others than the pools count: timeouts, retries, resets, octets.
    pub fn stats(&self) -> &ClusterStats {
        &self.core.stats
    }

    /// What is made of its configuration once, by the one who asks first: all who ask make the same type.
    pub fn made<T: 'static>(&self, make: impl FnOnce() -> T) -> Rc<T> {
        let made = self.made.get_or_init(|| Rc::new(make()));
        Rc::downcast(made.clone()).expect("there is one kind of it")
    }

    /// Counts a response by its code, and how long it took in milliseconds (`None` for replies made here).
    pub fn count_response(&self, status: u16, codes: Codes, milliseconds: Option<u64>) {
        let scope = self.core.shared.scope();
        self.core.stats.upstream_rq_completed.inc();
        self.responses.count(scope, status, codes);
        if let Some(milliseconds) = milliseconds {
            self.core.stats.upstream_rq_time.record(milliseconds);
            self.responses.time(scope, codes.internal, milliseconds);
        }
    }

    /// Counts a response that is not passed on, for the request is tried again.
    pub fn count_retried(&self, status: u16, codes: Codes) {
        self.responses.count_retried(self.core.shared.scope(), status, codes);
    }

    /// Chooses a host for one attempt.
    ///
    /// # Errors
    /// There is none: 503 `UH`.
    pub fn pick(&self, want: &Pick<'_>) -> Result<Host, PickFailure> {
        self.follow_endpoints();
        let result = match want.prefer {
            Some(wanted) => self.preferred(wanted).unwrap_or_else(|| self.balanced(want)),
            None => self.balanced(want),
        };
        if result.is_err() {
            self.core.stats.upstream_cx_none_healthy.inc();
        }
        result
    }

    fn balanced(&self, want: &Pick<'_>) -> Result<Host, PickFailure> {
        let config = self.core.shared.config();
        match &config.discovery {
            Discovery::OriginalDst => self.destination(want.original_destination),
            Discovery::Inert(_) => Err(PickFailure::Inert),
            Discovery::Static(_) | Discovery::StrictDns(..) | Discovery::LogicalDns(..) | Discovery::Eds { .. } => {
                let balancer = &mut self.balance.borrow_mut().balancer;
                match balancer.pick(config, want) {
                    Some((host, panic)) => {
                        if panic {
                            self.core.stats.lb_healthy_panic.inc();
                        }
                        Ok(host)
                    }
                    None if !balancer.is_empty() => Err(PickFailure::NoHealthyEndpoint),
                    None if is_dns(&config.discovery) => Err(PickFailure::Unresolved),
                    None => Err(PickFailure::NoEndpoints),
                }
            }
        }
    }

    /// The host that a filter has chosen; `None` where the balancer is to choose another.
    fn preferred(&self, wanted: &OverrideHost) -> Option<Result<Host, PickFailure>> {
        let statuses = &self.core.shared.config().override_host_statuses;
        let mut balance = self.balance.borrow_mut();
        let host = balance.balancer.host(&wanted.address).filter(|host| statuses.contains(&host.status()));
        match (host, wanted.strict) {
            (Some(host), _) => Some(Ok(host.clone())),
            (None, Some(status)) => Some(Err(PickFailure::OverrideHost(status))),
            (None, None) => None,
        }
    }

    /// Says why there is no host, for connections that have no other line: one a minute for each cluster and worker, however many fail.
    pub fn tell(&self, failure: PickFailure) {
        let now = Instant::now();
        if self.told.get().is_none_or(|told| now.duration_since(told) >= TELL_INTERVAL) {
            self.told.set(Some(now));
            tracing::warn!(cluster = %self.config().name, reason = %failure, "no healthy upstream");
        }
    }

    /// Lends a stream to the host: of a connection that is there, or of one that is made now.
    ///
    /// # Errors
    /// A circuit breaker is open, or the connection could not be made.
    pub async fn http(&self, host: &Host, want: &HttpWant<'_>) -> Result<HttpLease, ConnectFailure> {
        let config = self.core.shared.config();
        let transport = self.core.shared.transport(host.endpoint().transport);
        let key = KeyRef {
            transport: host.endpoint().transport,
            speaks: speaks(config.http.protocol, want.downstream),
            priority: want.priority,
            // Parts that this transport does not use must not split its connections.
            alpn: want.alpn.filter(|_| transport.tls().is_some()),
            sni: transport
                .tls()
                .and_then(|tls| want.sni.or_else(|| auto_sni(config, want.authority, tls.has_own_name()))),
            demanded: auto_san(config, want.authority).filter(|_| transport.tls().is_some()),
            proxied: want.proxied.filter(|_| transport.proxy_protocol().is_some()),
        };
        let state = host.state();
        state.pool(&self.core, host.endpoint(), key).lend(state).await
    }

    /// Lends a new connection to the host.
    ///
    /// # Errors
    /// A circuit breaker is open, or the connection could not be made.
    pub async fn tcp(&self, host: &Host, want: &TcpWant<'_>) -> Result<TcpLease, ConnectFailure> {
        let Some(permit) = Permit::take(&self.core, want.priority, Resource::Connections) else {
            self.core.stats.upstream_cx_overflow.inc();
            return Err(ConnectFailure::new(ConnectFailureKind::Overflow));
        };
        let key = KeyRef {
            transport: host.endpoint().transport,
            speaks: Speaks::Bytes,
            priority: want.priority,
            alpn: want.alpn,
            sni: want.sni,
            // `auto_san_validation` is about the host of a request, and there is none.
            demanded: None,
            proxied: want.proxied,
        };
        let mut counted = Counted::begin(&self.core, host.state().shard(), permit);
        match connect(&*self.core.connector, &self.core.shared, host.endpoint(), &key.owned()).await {
            Ok(connected) => {
                counted.connected(connected.facts.tls.as_deref());
                let active = Active::begin(&self.core, host.state(), want.priority)?;
                Ok(TcpLease { stream: Some(connected.stream), connection: connected.facts, counted, _active: active })
            }
            Err(failure) => {
                counted.failed(&failure);
                Err(failure)
            }
        }
    }

    /// Permission for one retry; `None` when `max_retries` are under way (`UO` is then added to the flags).
    pub fn retry_permit(&self, priority: Priority) -> Option<RetryPermit> {
        let permit = Permit::take(&self.core, priority, Resource::Retries);
        if permit.is_none() {
            self.core.stats.upstream_rq_retry_overflow.inc();
        }
        permit.map(|permit| RetryPermit { _permit: permit })
    }

    /// Rebuilds the balancer if the endpoints have changed, and lets go of those that are gone.
    pub(super) fn follow_endpoints(&self) {
        let current = self.core.shared.endpoints();
        if Arc::ptr_eq(&current, &self.balance.borrow().endpoints) {
            return;
        }
        let endpoints = self.core.shared.endpoints_owned();
        let gone = {
            let mut hosts = self.hosts.borrow_mut();
            let mut before = std::mem::take(&mut *hosts);
            for endpoint in endpoints.iter() {
                let identity = Arc::as_ptr(&endpoint.identity);
                if let Some(state) = before.remove(&identity) {
                    hosts.insert(identity, state);
                }
            }
            let balancer = build_balancer(&self.core, &endpoints, &mut hosts, self.worker);
            *self.balance.borrow_mut() = Balance { endpoints, balancer };
            before
        };
        for state in gone.into_values() {
            state.retire();
        }
    }

    /// The host of a restored original destination. Never made up from the address that the client connected to: that is ourselves.
    fn destination(&self, address: Option<SocketAddr>) -> Result<Host, PickFailure> {
        let address = address.ok_or(PickFailure::NoOriginalDestination)?;
        let mut destinations = self.destinations.borrow_mut();
        if let Some(host) = destinations.get(&address) {
            return Ok(host.clone());
        }
        let transport = self.core.shared.transport_of(address).ok_or(PickFailure::NoOriginalDestination)?;
        let endpoint = EndpointSet::dynamic(address, transport);
        let state = HostState::new(&endpoint.identity, self.worker);
        let host = Host::new(endpoint, state);
        destinations.insert(address, host.clone());
        Ok(host)
    }

    /// Whether somebody asked for it since the last time this was asked, or it holds anything.
    pub(super) fn is_wanted(self: &Rc<Self>) -> bool {
        self.touched.replace(false)
            || Rc::strong_count(self) > 1
            || !self.destinations.borrow().is_empty()
            || self.hosts.borrow().values().any(|state| state.prune())
    }

    /// Somebody asks for it.
    pub(super) fn touch(&self) {
        self.touched.set(true);
    }

    /// Closes what has been idle or alive for too long, and registers `cx` with what is idle.
    pub(super) fn sweep(&self, now: Instant, cx: &mut Context<'_>) {
        let hosts: Vec<Rc<HostState>> = self.hosts.borrow().values().cloned().collect();
        for pool in hosts.iter().flat_map(|state| state.pools()) {
            pool.sweep(now, cx);
        }
        self.destinations.borrow_mut().retain(|_, host| {
            for pool in host.state().pools() {
                pool.sweep(now, cx);
            }
            host.state().prune() || host.active() > 0
        });
        for state in hosts {
            state.prune();
        }
    }

    /// Closes what is idle and lets the rest finish: the cluster is gone.
    pub(super) fn retire(&self) {
        let hosts = std::mem::take(&mut *self.hosts.borrow_mut());
        let destinations = std::mem::take(&mut *self.destinations.borrow_mut());
        hosts.into_values().for_each(|state| state.retire());
        destinations.into_values().for_each(|host| host.state().retire());
    }
}

impl Labels for WorkerCluster {
    fn metadata(&self) -> &Arc<Metadata> {
        &self.config().metadata
    }
}

impl fmt::Debug for WorkerCluster {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.core.shared.fmt(out)
    }
}

/// One retry under way; gives its place back when dropped.
#[derive(Debug)]
pub struct RetryPermit {
    _permit: Permit,
}

fn build_balancer(
    core: &Rc<Core>,
    endpoints: &EndpointSet,
    hosts: &mut HashMap<*const Identity, Rc<HostState>>,
    worker: usize,
) -> Balancer {
    let levels = endpoints.levels.iter().map(|groups| {
        let groups = groups.iter().map(|group| Group {
            weight: group.weight.unwrap_or(0),
            hosts: group
                .endpoints
                .iter()
                .map(|endpoint| {
                    let state = hosts
                        .entry(Arc::as_ptr(&endpoint.identity))
                        .or_insert_with(|| HostState::new(&endpoint.identity, worker));
                    Host::new(Arc::clone(endpoint), Rc::clone(state))
                })
                .collect(),
        });
        groups.collect()
    });
    let threshold = core.shared.config().panic_threshold;
    Balancer::new(levels.collect(), endpoints.overprovisioning, threshold, fastrand::Rng::new())
}

fn is_dns(discovery: &Discovery) -> bool {
    matches!(discovery, Discovery::StrictDns(..) | Discovery::LogicalDns(..))
}

fn speaks(protocol: UpstreamProtocol, downstream: Protocol) -> Speaks {
    match (protocol, downstream) {
        (UpstreamProtocol::Http1, _) | (UpstreamProtocol::Downstream, Protocol::Http10 | Protocol::Http11) => {
            Speaks::Http1
        }
        (UpstreamProtocol::Http2, _) | (UpstreamProtocol::Downstream, Protocol::Http2) => Speaks::Http2,
        (UpstreamProtocol::Auto, _) => Speaks::Either,
    }
}

/// The server name of `auto_sni`: the request's host. An address is never sent; it counts, for the check of the server's names, where
/// the transport has no name of its own.
pub(super) fn auto_sni<'a>(
    cluster: &config::cluster::Cluster,
    authority: &'a [u8],
    has_own_name: bool,
) -> Option<&'a str> {
    let host = cluster.http.auto_sni.then(|| host_of(authority)).filter(|host| !host.is_empty())?;
    let is_address = host.contains(':') || host.parse::<std::net::IpAddr>().is_ok();
    (!is_address || !has_own_name).then_some(host)
}

/// The name that `auto_san_validation` demands: the request's host, name or address. Empty, so that nobody can prove it, when there is none.
pub(super) fn auto_san<'a>(cluster: &config::cluster::Cluster, authority: &'a [u8]) -> Option<&'a str> {
    cluster.http.auto_san_validation.then(|| host_of(authority))
}

/// The host of an authority: without port, and without the brackets of an IPv6 address. Empty when it is no text.
fn host_of(authority: &[u8]) -> &str {
    let Ok(authority) = std::str::from_utf8(authority) else { return "" };
    if let Some((inside, _)) = authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return inside;
    }
    match authority.rsplit_once(':') {
        // More than one colon: an IPv6 address without its brackets.
        Some((host, _)) if !host.contains(':') => host,
        _ => authority,
    }
}

const TELL_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
