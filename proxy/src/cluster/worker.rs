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

use config::cluster::UpstreamProtocol;
use config::metadata::Metadata;
use tokio::time::Instant;

use self::balance::{Balance, Local};
use super::alternative::{Alternative, Alternatives};
use super::circuit_breaker::{Permit, Resource};
use super::connect::{Connector, connect};
use super::core::Core;
use super::grpc::GrpcCounters;
use super::host::{Active, Host, HostState};
use super::identity::Identity;
use super::named::NamedCounters;
use super::names::{auto_san, auto_sni};
use super::outlier::Outcome;
use super::pool::{Counted, KeyRef, Made, Pending, Speaks};
use super::stats::{Beside, ClusterStats, Codes, ResponseCounters};
use super::{
    Attached, Cluster, ConnectFailure, ConnectFailureKind, HttpLease, HttpWant, PickFailure, Priority, RawStream,
    TcpLease, TcpWant, UpstreamStream, proxy_protocol,
};
use crate::telemetry::stream_info::Labels;
use crate::wire::h1;
use crate::wire::message::Protocol;

mod balance;
mod choice;

/// A cluster as this worker uses it.
pub struct WorkerCluster {
    core: Rc<Core>,
    worker: usize,
    /// Copies, so that no request counts references where other workers do.
    name: Rc<str>,
    observed_name: Option<Rc<str>>,
    /// The proxy's own zone, where it is known.
    zone: Option<Arc<str>>,
    /// By address of the identity, which the state keeps alive.
    hosts: RefCell<HashMap<*const Identity, Rc<HostState>>>,
    balance: RefCell<Balance>,
    responses: ResponseCounters,
    alternatives: Alternatives,
    filters: Option<Attached>,
    /// What filters count of gRPC requests.
    pub grpc: GrpcCounters,
    /// What else they count.
    pub named: NamedCounters,
    /// What those above make of its configuration. Nobody here knows what that is.
    made: OnceCell<Rc<dyn Any>>,
    touched: Cell<bool>,
    /// When it was last said why there is no host, or no tunnel.
    told: Cell<Option<Instant>>,
    /// Original destinations that were connected to.
    destinations: RefCell<HashMap<SocketAddr, Host>>,
}

impl WorkerCluster {
    /// Nothing under way yet. `local` is the cluster of which the proxy is a member, where this one looks at zones.
    pub(super) fn new(
        shared: &Arc<Cluster>,
        worker: usize,
        connector: &Rc<dyn Connector>,
        local: Option<&Arc<Cluster>>,
        zone: Option<Arc<str>>,
    ) -> Rc<WorkerCluster> {
        let endpoints = shared.endpoints_owned();
        let core = Core::new(shared, connector);
        let mut hosts = HashMap::new();
        let config = shared.config();
        let local = config.local_zone.as_ref().zip(local).map(|(zone, local)| Local::new(zone, Arc::clone(local)));
        let balance = Balance::build(&core, endpoints, &mut hosts, worker, local);
        Rc::new(WorkerCluster {
            core,
            worker,
            name: Rc::from(&*config.name),
            observed_name: (config.stat_name != config.name).then(|| Rc::from(&*config.stat_name)),
            zone,
            hosts: RefCell::new(hosts),
            balance: RefCell::new(balance),
            responses: ResponseCounters::default(),
            alternatives: Alternatives::default(),
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

    /// Its name; the worker's own copy.
    pub fn name(&self) -> &Rc<str> {
        &self.name
    }

    /// `alt_stat_name`, likewise, when it has one.
    pub fn observed_name(&self) -> Option<&Rc<str>> {
        self.observed_name.as_ref()
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

    /// Where responses of that host are counted beside that; `canary`: this one says that it is a canary's.
    pub fn beside<'h>(&'h self, host: Option<&'h Host>, canary: bool) -> Beside<'h> {
        let Some(host) = host else { return Beside { canary, zones: None } };
        let to = || Some(&*host.endpoint().locality.zone).filter(|zone| !zone.is_empty());
        Beside {
            canary: canary || host.endpoint().canary,
            zones: self.zone.as_deref().and_then(|from| Some((from, to()?))),
        }
    }

    /// Counts a response there.
    pub fn count_beside(&self, beside: Beside<'_>, status: u16, milliseconds: Option<u64>) {
        self.responses.count_beside(self.core.shared.scope(), beside, status, milliseconds);
    }

    /// Counts a response to a call, everywhere: what that host answers, or what stands for its failure.
    pub fn count_called(
        &self,
        host: Option<&Host>,
        status: u16,
        codes: Codes,
        milliseconds: Option<u64>,
        canary: bool,
    ) {
        self.count_response(status, codes, milliseconds);
        let beside = self.beside(host, canary);
        if !beside.is_nothing() {
            self.count_beside(beside, status, milliseconds);
        }
    }

    /// What counts under a name that a request asks for; `None` for one too many.
    pub fn alternative(&self, name: &str) -> Option<Rc<Alternative>> {
        self.alternatives.of(self.core.shared.scope(), name)
    }

    /// Counts a response that is not passed on, for the request is tried again.
    pub fn count_retried(&self, status: u16, codes: Codes) {
        self.responses.count_retried(self.core.shared.scope(), status, codes);
    }

    /// Says why there is no host, for connections that have no other line: one a minute for each cluster and worker, however many fail.
    pub fn tell(&self, failure: PickFailure) {
        if self.may_tell() {
            tracing::warn!(cluster = %self.config().name, reason = %failure, "no healthy upstream");
        }
    }

    /// Says why there is no tunnel to `asked`, as often.
    pub fn tell_no_tunnel(&self, host: &str, asked: &[u8], why: &str, next: &str) {
        if self.may_tell() {
            let asked = asked.escape_ascii().to_string();
            tracing::warn!(cluster = %self.config().name, host, asked, "there is no tunnel: {why}; {next}");
        }
    }

    fn may_tell(&self) -> bool {
        let now = Instant::now();
        let may = self.told.get().is_none_or(|told| now.duration_since(told) >= TELL_INTERVAL);
        if may {
            self.told.set(Some(now));
        }
        may
    }

    /// Lends a stream to the host: of a connection that is there, or of one that is made now.
    ///
    /// # Errors
    /// A circuit breaker is open, or the connection could not be made.
    pub async fn http(&self, host: &Host, want: &HttpWant<'_>) -> Result<HttpLease, ConnectFailure> {
        let config = self.core.shared.config();
        let transport = self.core.shared.transport(host.endpoint().transport);
        let client = want.client.filter(|_| config.pool_per_client);
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
            tlvs: want.tlvs.filter(|_| transport.proxy_protocol().is_some()),
            client: client.map(|client| client.id),
        };
        if config.preconnect.ahead > 1.0 {
            self.connect_ahead(key, client);
        }
        let state = host.state();
        let lent = state.pool(&self.core, host.endpoint(), key, client).lend(state).await;
        match &lent {
            Ok(_) => host.put(Outcome::Connected),
            Err(failure) if failure.is_connect_failure() => host.put(Outcome::Failed),
            Err(_) => {}
        }
        lent
    }

    /// Lends a connection to the host: one that was made beforehand, where the cluster wants that, or a new one.
    ///
    /// # Errors
    /// A circuit breaker is open, or the connection could not be made.
    pub async fn tcp(&self, host: &Host, want: &TcpWant<'_>) -> Result<TcpLease, ConnectFailure> {
        let endpoint = host.endpoint();
        let transport = self.core.shared.transport(endpoint.transport);
        let announces = transport.proxy_protocol().is_some();
        let key = KeyRef {
            transport: endpoint.transport,
            speaks: Speaks::Bytes,
            priority: want.priority,
            alpn: want.alpn.filter(|_| transport.tls().is_some()),
            sni: want.sni.filter(|_| transport.tls().is_some()),
            // `auto_san_validation` is about the host of a request, and there is none.
            demanded: None,
            proxied: want.proxied.filter(|_| announces),
            tlvs: want.tlvs.filter(|_| announces),
            client: None,
        };
        let preconnect = &self.core.shared.config().preconnect;
        // What tells of a client is of no use to the next one.
        let lent = if announces || preconnect.per_host.max(preconnect.ahead) <= 1.0 {
            self.connected(host, key).await.map(|made| (made, None))
        } else {
            if preconnect.ahead > 1.0 {
                self.connect_ahead(key, None);
            }
            // Boxed, for all connections would hold its room.
            let pool = host.state().tcp_pool(&self.core, endpoint, key);
            Box::pin(async move { pool.lend().await }).await.map(|(made, lent)| (made, Some(lent)))
        };
        match lent {
            Ok((Made { connected, counted }, lent)) => {
                host.put(Outcome::ConnectedForGood);
                let active = Active::begin(&self.core, host.state(), want.priority)?;
                Ok(TcpLease {
                    stream: Some(connected.stream),
                    connection: connected.facts,
                    counted,
                    _lent: lent,
                    _active: active,
                })
            }
            Err(failure) => {
                self.core.stats.upstream_rq_pending_failure_eject.inc();
                match failure.kind {
                    ConnectFailureKind::Timeout => host.put(Outcome::TimedOut(504)),
                    ConnectFailureKind::Remote => host.put(Outcome::Failed),
                    // As in Envoy: of connections that are no request's it says nothing of the host.
                    ConnectFailureKind::Local | ConnectFailureKind::Overflow => {}
                }
                Err(failure)
            }
        }
    }

    /// Makes a connection for this client alone.
    async fn connected(&self, host: &Host, key: KeyRef<'_>) -> Result<Made, ConnectFailure> {
        let place = Pending::place(&self.core, key.priority)?;
        let Some(permit) = Permit::connection(&self.core, key.priority, &host.endpoint().identity) else {
            return Err(ConnectFailure::new(ConnectFailureKind::Overflow));
        };
        let mut counted = Counted::begin(&self.core, host.state().shard(), permit);
        let mut pending = Pending::begin(&self.core, place);
        let connected = connect(&*self.core.connector, &self.core.shared, host.endpoint(), &key.owned()).await;
        pending.answered = true;
        match connected {
            Ok(connected) => {
                counted.connected(connected.facts.tls.as_deref());
                Ok(Made { connected, counted })
            }
            Err(failure) => {
                counted.failed(&failure);
                Err(failure)
            }
        }
    }

    /// Lends a new connection to the host for the octets of a tunnel; they begin with a PROXY protocol header of this version.
    ///
    /// # Errors
    /// As [`tcp`](WorkerCluster::tcp).
    pub async fn raw(
        &self,
        host: &Host,
        want: &TcpWant<'_>,
        proxy_protocol: Option<u8>,
    ) -> Result<HttpLease, ConnectFailure> {
        let TcpLease { stream, connection, counted, _lent, _active } = self.tcp(host, want).await?;
        let stream = stream.ok_or_else(|| ConnectFailure::new(ConnectFailureKind::Overflow))?.counted(counted.bytes());
        let config = self.core.shared.config();
        let settings = h1::Settings::upstream(&config.http, config.buffer_limit);
        let first =
            proxy_protocol.map(|version| proxy_protocol::header(version, want.proxied, &[])).unwrap_or_default();
        let codec = h1::client::Connection::raw(stream, &settings, &first);
        Ok(HttpLease {
            stream: UpstreamStream::Raw(Box::new(RawStream { codec, _counted: counted, _lent })),
            protocol: Protocol::Http11,
            connection,
            _active,
        })
    }

    /// Permission for one retry; `None` when `max_retries` are under way (`UO` is then added to the flags).
    pub fn retry_permit(&self, priority: Priority) -> Option<RetryPermit> {
        let permit = Permit::take(&self.core, priority, Resource::Retries);
        if permit.is_none() {
            self.core.stats.upstream_rq_retry_overflow.inc();
        }
        permit.map(|permit| RetryPermit { _permit: permit })
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
        hosts.iter().for_each(|state| state.sweep(now, cx));
        self.destinations.borrow_mut().retain(|_, host| {
            host.state().sweep(now, cx);
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

fn speaks(protocol: UpstreamProtocol, downstream: Protocol) -> Speaks {
    match (protocol, downstream) {
        (UpstreamProtocol::Http1, _) | (UpstreamProtocol::Downstream, Protocol::Http10 | Protocol::Http11) => {
            Speaks::Http1
        }
        (UpstreamProtocol::Http2, _) | (UpstreamProtocol::Downstream, Protocol::Http2) => Speaks::Http2,
        (UpstreamProtocol::Auto, _) => Speaks::Either,
    }
}

const TELL_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
