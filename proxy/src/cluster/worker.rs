//! Clusters as one worker uses them: balancer state and pools, made on first use.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::{
    Cluster, ConnectFailure, ConnectFailureKind, HttpLease, HttpWant, Pick, PickFailure, Priority, TcpLease, TcpWant,
};
use crate::published::Published;

/// The clusters that this worker has used. One per worker thread.
#[derive(Default)]
pub struct WorkerClusters {
    used: RefCell<HashMap<Arc<str>, Rc<WorkerCluster>>>,
}

impl WorkerClusters {
    /// None used yet. `index` is the worker's.
    pub fn new(_index: usize) -> WorkerClusters {
        WorkerClusters::default()
    }

    /// The cluster of that name as this worker uses it; `None` when there is no such cluster (`NC`).
    pub fn get(&self, published: &Published, name: &str) -> Option<Rc<WorkerCluster>> {
        let table = published.clusters.load();
        let cluster = table.get(name)?;
        let mut used = self.used.borrow_mut();
        if let Some(known) = used.get(name).filter(|known| Arc::ptr_eq(&known.shared, cluster)) {
            return Some(Rc::clone(known));
        }
        let made = Rc::new(WorkerCluster { shared: Arc::clone(cluster) });
        used.insert(Arc::from(name), Rc::clone(&made));
        Some(made)
    }

    /// Closes what has been idle too long, whose host or whose cluster is gone. Runs for the worker's life; the worker spawns it once.
    pub async fn maintain(&self, _published: &Published) {
        std::future::pending().await
    }
}

/// A cluster as this worker uses it.
#[derive(Debug)]
pub struct WorkerCluster {
    shared: Arc<Cluster>,
}

impl WorkerCluster {
    /// The configuration.
    pub fn config(&self) -> &config::cluster::Cluster {
        self.shared.config()
    }

    /// Chooses a host for one attempt.
    ///
    /// # Errors
    /// There is none: 503 `UH`.
    pub fn pick(&self, _want: &Pick<'_>) -> Result<Host, PickFailure> {
        Err(PickFailure::NoEndpoints)
    }

    /// Lends a stream to the host: of a connection that is there, or of one that is made now.
    ///
    /// # Errors
    /// A circuit breaker is open, or the connection could not be made.
    pub async fn http(&self, _host: &Host, _want: &HttpWant<'_>) -> Result<HttpLease, ConnectFailure> {
        Err(ConnectFailure::new(ConnectFailureKind::Overflow))
    }

    /// Lends a new connection to the host.
    ///
    /// # Errors
    /// A circuit breaker is open, or the connection could not be made.
    pub async fn tcp(&self, _host: &Host, _want: &TcpWant<'_>) -> Result<TcpLease, ConnectFailure> {
        Err(ConnectFailure::new(ConnectFailureKind::Overflow))
    }

    /// Permission for one retry; `None` when `max_retries` are under way (`UO` is then added to the flags).
    pub fn retry_permit(&self, _priority: Priority) -> Option<RetryPermit> {
        Some(RetryPermit {})
    }
}

/// An endpoint as this worker uses it. Cheap to clone; equal when the endpoint is the same.
#[derive(Debug, Clone)]
pub struct Host(Rc<str>);

impl Host {
    /// Address, printed.
    pub fn address(&self) -> &str {
        &self.0
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Host) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// One retry under way; gives its place back when dropped.
#[derive(Debug)]
pub struct RetryPermit {}
