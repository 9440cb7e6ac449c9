//! What the exchange asks of clusters, and nothing more: find one, pick a host, borrow a stream. In production the worker's clusters;
//! in unit tests a fake, so that an exchange runs without a socket.

use std::rc::Rc;
use std::sync::Arc;

use super::retry::{Retry, Rules};
use crate::call::{Calls, HttpCall, Told};
use crate::cluster::ClusterStats;
use crate::cluster::{
    Codes, ConnectFailure, GrpcCounters, Host, HttpLease, HttpWant, Membership, OverrideHost, Pick, PickFailure,
    Priority, RetryPermit, WorkerCluster,
};
use crate::stats::{Counter, Scope};
use crate::telemetry::stream_info::{Labels, StreamInfo, UpstreamConnection};
use crate::wire::codec::Upstream;
use crate::wire::message::Protocol;
use crate::worker::Worker;

#[cfg(test)]
use super::testing::fake;

/// The clusters that a connection can reach.
pub(super) enum Upstreams {
    /// Of this worker.
    Worker(Rc<Worker>),
    /// Scripted.
    #[cfg(test)]
    Fake(Rc<fake::Upstreams>),
}

/// One cluster.
pub(super) enum UpstreamCluster {
    /// Of this worker.
    Worker(Rc<WorkerCluster>),
    /// Scripted.
    #[cfg(test)]
    Fake(Rc<fake::Cluster>),
}

/// A host that was picked.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// An endpoint.
    Host(Host),
    /// Scripted.
    #[cfg(test)]
    Fake(Arc<str>),
}

/// A borrowed stream. Dropping it gives it back, or closes it when it is not over.
// One lives on the stack of each exchange; only tests have a smaller variant.
#[allow(clippy::large_enum_variant)]
pub(super) enum Lease {
    /// Of a pool.
    Pool(HttpLease),
    /// Scripted.
    #[cfg(test)]
    Fake(Box<fake::Lease>),
}

/// The hosts of earlier attempts.
#[derive(Debug, Default, Clone)]
pub(super) struct Tried {
    hosts: Vec<Host>,
    #[cfg(test)]
    pub fakes: Vec<Arc<str>>,
}

impl Upstreams {
    /// The cluster of a name.
    pub fn get(&self, name: &str) -> Option<UpstreamCluster> {
        match self {
            Upstreams::Worker(worker) => worker.clusters.get(&worker.published, name).map(UpstreamCluster::Worker),
            #[cfg(test)]
            Upstreams::Fake(fake) => fake.get(name).map(UpstreamCluster::Fake),
        }
    }
}

impl Upstreams {
    /// Calls to services.
    pub fn calls(&self) -> &Calls {
        match self {
            Upstreams::Worker(worker) => &worker.calls,
            #[cfg(test)]
            Upstreams::Fake(fake) => fake.calls.as_ref().expect("the test sets up calls"),
        }
    }
}

impl Upstreams {
    /// Tells a service something: a mirror.
    pub fn tell(&self, call: HttpCall, has_body: bool) -> Option<Told> {
        match self {
            Upstreams::Worker(worker) => worker.calls.tell(call, has_body),
            #[cfg(test)]
            Upstreams::Fake(fake) => fake.tell(call, has_body),
        }
    }
}

impl UpstreamCluster {
    /// Its configuration.
    pub fn config(&self) -> &config::cluster::Cluster {
        match self {
            UpstreamCluster::Worker(cluster) => cluster.config(),
            #[cfg(test)]
            UpstreamCluster::Fake(cluster) => &cluster.config,
        }
    }

    /// How many hosts it has, and how many of them are well.
    pub fn membership(&self) -> Membership {
        match self {
            UpstreamCluster::Worker(cluster) => cluster.shared().endpoints().counts(),
            #[cfg(test)]
            UpstreamCluster::Fake(cluster) => cluster.membership(),
        }
    }

    /// What it says of itself.
    pub fn labels(&self) -> Option<Rc<dyn Labels>> {
        match self {
            UpstreamCluster::Worker(cluster) => Some(cluster.clone()),
            #[cfg(test)]
            UpstreamCluster::Fake(_) => None,
        }
    }

    /// Chooses a host: the one that is preferred, else by the hash; `retry` may have wishes about it.
    pub fn pick(
        &self,
        prefer: Option<&OverrideHost>,
        hash: Option<u64>,
        tried: &Tried,
        retry: Option<&Retry<'_>>,
    ) -> Result<Target, PickFailure> {
        match self {
            UpstreamCluster::Worker(cluster) => {
                let again = retry.and_then(|retry| retry.again(&tried.hosts));
                let pick = Pick { hash, prefer, again, original_destination: None };
                cluster.pick(&pick).map(Target::Host)
            }
            #[cfg(test)]
            UpstreamCluster::Fake(cluster) => cluster.pick(prefer, tried).map(Target::Fake),
        }
    }

    /// Borrows a stream to a host.
    pub async fn http(&self, target: &Target, want: &HttpWant<'_>) -> Result<Lease, ConnectFailure> {
        match (self, target) {
            (UpstreamCluster::Worker(cluster), Target::Host(host)) => cluster.http(host, want).await.map(Lease::Pool),
            #[cfg(test)]
            (UpstreamCluster::Fake(cluster), Target::Fake(host)) => {
                cluster.http(host, want).await.map(|lease| Lease::Fake(Box::new(lease)))
            }
            #[cfg(test)]
            _ => unreachable!("a cluster picks hosts of its own kind"),
        }
    }

    /// Counts what the router knows and the pools do not.
    pub fn count(&self, counter: impl FnOnce(&ClusterStats) -> Counter) {
        match self {
            UpstreamCluster::Worker(cluster) => counter(cluster.stats()).inc(),
            #[cfg(test)]
            UpstreamCluster::Fake(_) => {
                let _ = counter;
            }
        }
    }

    /// `retry_policy` of the cluster itself.
    pub fn retry_rules(&self) -> Option<&Rules> {
        match self {
            UpstreamCluster::Worker(cluster) => cluster.shared().retry.as_ref(),
            #[cfg(test)]
            UpstreamCluster::Fake(_) => None,
        }
    }

    /// What counts a body that was too long to be kept for a retry or a mirror.
    pub fn counts_abandoned(&self) -> Option<Counter> {
        match self {
            UpstreamCluster::Worker(cluster) => Some(cluster.stats().retry_or_shadow_abandoned),
            #[cfg(test)]
            UpstreamCluster::Fake(_) => None,
        }
    }

    /// Counts a response by its status; `milliseconds` when it came from upstream.
    pub fn count_response(&self, status: u16, codes: Codes, milliseconds: Option<u64>) {
        match self {
            UpstreamCluster::Worker(cluster) => cluster.count_response(status, codes, milliseconds),
            #[cfg(test)]
            UpstreamCluster::Fake(cluster) => cluster.counted.borrow_mut().push((status, codes)),
        }
    }

    /// Counts a response that is not passed on, for the request is tried again.
    pub fn count_retried(&self, status: u16, codes: Codes) {
        match self {
            UpstreamCluster::Worker(cluster) => cluster.count_retried(status, codes),
            #[cfg(test)]
            UpstreamCluster::Fake(_) => {}
        }
    }

    /// What counts its gRPC requests, and where names for that are made.
    pub fn grpc(&self) -> (&GrpcCounters, &Scope) {
        match self {
            UpstreamCluster::Worker(cluster) => (&cluster.grpc, cluster.shared().scope()),
            #[cfg(test)]
            UpstreamCluster::Fake(cluster) => (&cluster.grpc, cluster.scope.get().expect("a context was made of it")),
        }
    }

    /// Permission for one more retry.
    pub fn retry_permit(&self, priority: Priority) -> Option<Permit> {
        match self {
            UpstreamCluster::Worker(cluster) => cluster.retry_permit(priority).map(Permit::Worker),
            #[cfg(test)]
            UpstreamCluster::Fake(cluster) => cluster.retries_allowed.get().then_some(Permit::Fake),
        }
    }
}

/// One retry under way.
#[allow(dead_code)]
pub(super) enum Permit {
    /// Counted by a circuit breaker.
    Worker(RetryPermit),
    /// Scripted.
    #[cfg(test)]
    Fake,
}

impl Target {
    /// Address, printed.
    pub fn address(&self) -> Arc<str> {
        match self {
            Target::Host(host) => Arc::from(host.address()),
            #[cfg(test)]
            Target::Fake(host) => host.clone(),
        }
    }
}

impl Target {
    /// Counts a request of it that is over: an error of the host, or none.
    pub fn count(&self, error: bool) {
        #[allow(irrefutable_let_patterns)]
        if let Target::Host(host) = self {
            host.count(error);
        }
    }

    /// What it says of itself.
    pub fn labels(&self) -> Option<Rc<dyn Labels>> {
        match self {
            Target::Host(host) => Some(host.labels()),
            #[cfg(test)]
            Target::Fake(_) => None,
        }
    }

    /// Counts a request of it that timed out.
    pub fn count_timeout(&self) {
        #[allow(irrefutable_let_patterns)]
        if let Target::Host(host) = self {
            host.count_timeout();
        }
    }

    /// The endpoint's host name, when it has one.
    pub fn hostname(&self) -> Option<&str> {
        match self {
            Target::Host(host) => Some(&*host.endpoint().hostname).filter(|name| !name.is_empty()),
            #[cfg(test)]
            Target::Fake(_) => None,
        }
    }
}

impl Tried {
    /// Remembers a host, where the policy wants to know.
    pub fn add(&mut self, target: &Target, retry: &mut Retry<'_>) {
        match target {
            Target::Host(host) => {
                retry.attempted(host);
                if retry.declines_tried() {
                    self.hosts.push(host.clone());
                }
            }
            #[cfg(test)]
            Target::Fake(host) => self.fakes.push(host.clone()),
        }
    }
}

impl Lease {
    /// The stream.
    pub fn stream(&mut self) -> &mut dyn Upstream {
        match self {
            Lease::Pool(lease) => &mut lease.stream,
            #[cfg(test)]
            Lease::Fake(lease) => &mut **lease,
        }
    }

    /// Address of the host, printed.
    pub fn host(&self) -> Arc<str> {
        match self {
            Lease::Pool(lease) => lease.connection.peer.clone(),
            #[cfg(test)]
            Lease::Fake(lease) => lease.host.clone(),
        }
    }

    /// Writes down what it is.
    pub fn tell(&self, info: &mut StreamInfo) {
        info.upstream_host = Some(self.host());
        info.upstream_connection = self.connection();
        info.upstream_protocol = Some(self.protocol());
    }

    /// The connection.
    pub fn connection(&self) -> Option<Rc<UpstreamConnection>> {
        match self {
            Lease::Pool(lease) => Some(lease.connection.clone()),
            #[cfg(test)]
            Lease::Fake(_) => None,
        }
    }

    /// Protocol of the connection.
    pub fn protocol(&self) -> Protocol {
        match self {
            Lease::Pool(lease) => lease.protocol,
            #[cfg(test)]
            Lease::Fake(lease) => lease.protocol,
        }
    }
}
