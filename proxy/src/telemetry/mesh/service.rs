//! The service that is called, by what its cluster says of it. Read once for each cluster and worker.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use config::metadata::Metadata;

/// A service. What its cluster does not say is empty.
#[derive(Debug)]
pub struct Service {
    /// Of this one alone, in the process.
    pub number: u64,
    /// Its host.
    pub host: Arc<str>,
    /// Its short name, or that of the cluster that leads nowhere in the mesh.
    pub name: Arc<str>,
    /// Its namespace.
    pub namespace: Arc<str>,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub enum Goes<'a> {
    /// Nowhere: its route has no cluster.
    Nowhere,
    /// To a cluster of this name.
    To(&'a str, &'a Arc<Metadata>),
}

/// Routes that lead out of the mesh, by their names, and the clusters that stand for them.
const ROUTES: [(&str, &str); 2] = [("block_all", "BlackHoleCluster"), ("allow_any", "PassthroughCluster")];

/// Clusters that lead nowhere in the mesh, so that their names stand for a service.
const OUTSIDE: [&str; 5] = [
    "BlackHoleCluster",
    "PassthroughCluster",
    "InboundPassthroughCluster",
    "InboundPassthroughClusterIpv4",
    "InboundPassthroughClusterIpv6",
];

/// Clusters of which a worker remembers the services.
const MOST: usize = 4096;

type Known = HashMap<Box<str>, (Option<Arc<Metadata>>, Rc<Service>), foldhash::fast::RandomState>;

thread_local! {
    static KNOWN: RefCell<Known> = RefCell::default();
}

/// The service of a request that took this route.
pub fn service_of(route: Option<&str>, goes: Goes<'_>) -> Rc<Service> {
    if let Some((_, cluster)) = route.and_then(|route| ROUTES.iter().find(|(name, _)| *name == route)) {
        return of_cluster(cluster, None);
    }
    match goes {
        Goes::Nowhere => of_cluster("", None),
        Goes::To(cluster, metadata) => of_cluster(cluster, Some(metadata)),
    }
}

fn of_cluster(cluster: &str, metadata: Option<&Arc<Metadata>>) -> Rc<Service> {
    KNOWN.with_borrow_mut(|known| {
        if let Some((same, service)) = known.get(cluster)
            && match (same, metadata) {
                (Some(same), Some(metadata)) => Arc::ptr_eq(same, metadata),
                (None, None) => true,
                _ => false,
            }
        {
            return service.clone();
        }
        if known.len() >= MOST {
            known.clear();
        }
        let service = Rc::new(read(cluster, metadata.map(|metadata| &**metadata)));
        known.insert(cluster.into(), (metadata.cloned(), service.clone()));
        service
    })
}

fn read(cluster: &str, metadata: Option<&Metadata>) -> Service {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Relaxed);
    let nothing: Arc<str> = Arc::from("");
    if OUTSIDE.contains(&cluster) {
        return Service { number, host: nothing.clone(), name: cluster.into(), namespace: nothing };
    }
    let first = metadata.and_then(|metadata| metadata.get("istio", "services")?.get(0));
    let text = |key: &str| first.and_then(|first| first.get(key)?.as_str());
    let host = text("host").unwrap_or_default();
    let name = match text("name") {
        Some(name) => name,
        None => host.split('.').next().unwrap_or_default(),
    };
    Service { number, host: host.into(), name: name.into(), namespace: text("namespace").unwrap_or_default().into() }
}
