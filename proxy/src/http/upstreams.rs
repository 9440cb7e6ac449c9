//! What the exchange asks of clusters, and nothing more: find one, pick a host, borrow a stream. The words are the exchange's, the work is
//! that of the worker's clusters; unit tests put pipes in the place of their sockets, and nothing in the place of this.

use std::rc::Rc;
use std::sync::Arc;

use config::cluster::Discovery;
use config::metadata::Criteria;

use super::retry::{Retry, Rules};
use crate::call::{Calls, HttpCall, Told};
use crate::cluster::ClusterStats;
use crate::cluster::{
    Alternative, Asks, Attached, Beside, Codes, ConnectFailure, Destination, GrpcCounters, Host, HttpLease, HttpWant,
    Membership, NameCache, Outcome, OverrideHost, Pick, PickFailure, Priority, TcpWant, UpstreamStream, WorkerCluster,
};
use crate::stats::{Counter, Scope};
use crate::telemetry::stream_info::{Labels, StreamInfo, UpstreamConnection};
use crate::wire::codec::Upstream;
use crate::wire::message::{Protocol, ResponseHead};
use crate::worker::Worker;

pub(super) use crate::cluster::RetryPermit as Permit;

/// The clusters that a connection can reach: those of its worker.
pub(super) struct Upstreams(Rc<Worker>);

/// One cluster.
pub(super) struct UpstreamCluster(Rc<WorkerCluster>);

/// A host that was picked.
#[derive(Debug, Clone)]
pub(super) struct Target(Host);

/// A borrowed stream. Dropping it gives it back, or closes it when it is not over.
pub(super) struct Lease(HttpLease);

impl Upstreams {
    /// Those of this worker.
    pub fn new(worker: Rc<Worker>) -> Upstreams {
        Upstreams(worker)
    }

    /// The cluster of a name.
    pub fn get(&self, name: &str) -> Option<UpstreamCluster> {
        self.0.clusters.get(&self.0.published, name).map(UpstreamCluster)
    }

    /// The cache of that name, which dynamic forward proxies resolve hosts with.
    pub fn names(&self, name: &str) -> Option<Arc<NameCache>> {
        self.0.calls.names(name)
    }

    /// Calls to services.
    pub fn calls(&self) -> &Calls {
        &self.0.calls
    }

    /// Tells a service something: a mirror.
    pub fn tell(&self, call: HttpCall, has_body: bool) -> Option<Told> {
        self.0.calls.tell(call, has_body)
    }
}

impl UpstreamCluster {
    /// Its configuration.
    pub fn config(&self) -> &config::cluster::Cluster {
        self.0.config()
    }

    /// Its name; the worker's own copy.
    pub fn name(&self) -> &Rc<str> {
        self.0.name()
    }

    /// `alt_stat_name`, likewise, when it has one.
    pub fn observed_name(&self) -> Option<&Rc<str>> {
        self.0.observed_name()
    }

    /// What was made of its own filters behind the router, if it has any.
    pub fn filters(&self) -> Option<&Attached> {
        self.0.filters()
    }

    /// What is made of its configuration once, by the one who asks first: all who ask make the same type.
    pub fn made<T: 'static>(&self, make: impl FnOnce() -> T) -> Rc<T> {
        self.0.made(make)
    }

    /// How many hosts it has, and how many of them are well.
    pub fn membership(&self) -> Membership {
        self.0.shared().endpoints().counts()
    }

    /// Of a million requests so many are not to be sent.
    pub fn drops(&self) -> u32 {
        self.0.shared().drops()
    }

    /// What it says of itself.
    pub fn labels(&self) -> Option<Rc<dyn Labels>> {
        Some(self.0.clone())
    }

    /// Where a request goes, if its cluster leaves that to it.
    pub fn destination(&self, asks: &impl Asks) -> Option<Destination> {
        self.0.destination_of(asks)
    }

    /// The cache of a dynamic forward proxy, whose endpoints are the hosts that requests ask for.
    pub fn forwards(&self) -> Option<&str> {
        match &self.config().discovery {
            Discovery::DynamicForward(cache) => Some(&cache.name),
            _ => None,
        }
    }

    /// Whether it has subsets, so that what a request asks of hosts counts.
    pub fn has_subsets(&self) -> bool {
        self.config().subsets.is_some()
    }

    /// Chooses a host: the one that is preferred, else by the hash, of those that have the metadata; `retry` may have wishes about it.
    pub fn pick(
        &self,
        prefer: Option<&OverrideHost>,
        hash: Option<u64>,
        retry: Option<&Retry<'_>>,
        metadata: Option<&Criteria>,
        destination: Option<&Destination>,
    ) -> Result<Target, PickFailure> {
        let again = retry.and_then(Retry::again);
        self.0.pick(&Pick { hash, prefer, again, metadata, destination }).map(Target)
    }

    /// Borrows a stream to a host.
    pub async fn http(&self, target: &Target, want: &HttpWant<'_>) -> Result<Lease, ConnectFailure> {
        self.0.http(&target.0, want).await.map(Lease)
    }

    /// Borrows a connection for the octets of a tunnel.
    pub async fn raw(
        &self,
        target: &Target,
        want: &TcpWant<'_>,
        proxy_protocol: Option<u8>,
    ) -> Result<Lease, ConnectFailure> {
        self.0.raw(&target.0, want, proxy_protocol).await.map(Lease)
    }

    /// Counts what the router knows and the pools do not.
    pub fn count(&self, counter: impl FnOnce(&ClusterStats) -> Counter) {
        counter(self.0.stats()).inc();
    }

    /// `retry_policy` of the cluster itself.
    pub fn retry_rules(&self) -> Option<&Rules> {
        self.0.shared().retry.as_ref()
    }

    /// What counts waits of one side for the other, and their ends.
    pub fn counts_waits(&self, counters: impl FnOnce(&ClusterStats) -> [Counter; 2]) -> [Counter; 2] {
        counters(self.0.stats())
    }

    /// What counts a body that was too long to be kept for a retry or a mirror.
    pub fn counts_abandoned(&self) -> Option<Counter> {
        Some(self.0.stats().retry_or_shadow_abandoned)
    }

    /// Counts a response by its status; `milliseconds` when it came from upstream.
    pub fn count_response(&self, status: u16, codes: Codes, milliseconds: Option<u64>) {
        self.0.count_response(status, codes, milliseconds);
    }

    /// Where responses of that host are counted beside that; `canary`: this one says that it is a canary's.
    pub fn beside<'t>(&'t self, target: Option<&'t Target>, canary: bool) -> Beside<'t> {
        self.0.beside(target.map(|target| &target.0), canary)
    }

    /// Counts a response there.
    pub fn count_beside(&self, beside: Beside<'_>, status: u16, milliseconds: Option<u64>) {
        self.0.count_beside(beside, status, milliseconds);
    }

    /// What counts under a name that a request asks for; `None` for one too many.
    pub fn alternative(&self, name: &str) -> Option<Rc<Alternative>> {
        self.0.alternative(name)
    }

    /// Where its statistics are named.
    pub fn scope(&self) -> &Scope {
        self.0.shared().scope()
    }

    /// Counts a response that is not passed on, for the request is tried again.
    pub fn count_retried(&self, status: u16, codes: Codes) {
        self.0.count_retried(status, codes);
    }

    /// What counts its gRPC requests, and where names for that are made.
    pub fn grpc(&self) -> (&GrpcCounters, &Scope) {
        (&self.0.grpc, self.0.shared().scope())
    }

    /// Counts under a name that a filter has made of its configuration: the cluster's prefix, `prefix` and `name`.
    pub fn count_named(&self, prefix: &str, name: &'static str) {
        self.0.named.count(self.0.shared().scope(), prefix, name);
    }

    /// Permission for one more retry.
    pub fn retry_permit(&self, priority: Priority) -> Option<Permit> {
        self.0.retry_permit(priority)
    }
}

impl Target {
    /// Address, printed.
    pub fn address(&self) -> Arc<str> {
        self.0.reached()
    }

    /// Counts a request of it that is over: an error of the host, or none.
    pub fn count(&self, error: bool) {
        self.0.count(error);
    }

    /// Counts an answer of it by its status.
    pub fn count_response(&self, status: u16) {
        self.0.count_response(status);
    }

    /// Tells outlier detection what has become of a request of it.
    pub fn put(&self, outcome: Outcome) {
        self.0.put(outcome);
    }

    /// The same of an answer; `grpc` is asked only where it matters.
    pub fn put_answer(&self, head: &ResponseHead, grpc: impl FnOnce() -> Option<u16>) {
        self.0.put_answer(head, grpc);
    }

    /// The same host once more, if outlier detection wants to know what becomes of it.
    pub fn watched(&self) -> Option<Target> {
        self.0.is_watched().then(|| self.clone())
    }

    /// What it says of itself.
    pub fn labels(&self) -> Option<Rc<dyn Labels>> {
        Some(self.0.labels())
    }

    /// Counts a request of it that timed out.
    pub fn count_timeout(&self) {
        self.0.count_timeout();
    }

    /// An attempt that is not the last had it: the retry policy may want to know.
    pub fn attempted(&self, retry: &mut Retry<'_>) {
        retry.attempted(&self.0);
    }

    /// The endpoint's host name, when it has one.
    pub fn hostname(&self) -> Option<&str> {
        Some(&*self.0.endpoint().hostname).filter(|name| !name.is_empty())
    }
}

impl Lease {
    /// The stream.
    pub fn stream(&mut self) -> &mut dyn Upstream {
        &mut self.0.stream
    }

    /// Address of the host, printed.
    pub fn host(&self) -> Arc<str> {
        self.0.connection.peer.clone()
    }

    /// Writes down what it is.
    pub fn tell(&self, info: &mut StreamInfo) {
        info.upstream_host = Some(self.host());
        info.upstream_connection = self.connection();
        // As with Envoy there is none where a tunnel ends.
        info.upstream_protocol = (!self.is_raw()).then(|| self.protocol());
        info.attempted();
    }

    /// The connection.
    pub fn connection(&self) -> Option<Rc<UpstreamConnection>> {
        Some(self.0.connection.clone())
    }

    /// The scheme that its transport stands for.
    pub fn scheme(&self) -> &'static str {
        if self.0.connection.tls.is_some() { "https" } else { "http" }
    }

    /// Protocol of the connection.
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// Whether the host speaks no HTTP: a tunnel ends here.
    pub fn is_raw(&self) -> bool {
        matches!(self.0.stream, UpstreamStream::Raw(_))
    }
}
