//! Names that a dynamic forward proxy resolves on the way. Filters ask for one and wait until something is known; the control thread looks it up,
//! again and again while it is used, and tells the clusters of the cache, whose endpoints the names are.
//!
//! Callers say which names, so there are `max_hosts` of them at most, and `max_pending_requests` callers wait.

mod run;
mod stats;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use config::dns_cache::DnsCache;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use self::stats::CacheStats;
use super::Resolver;
use crate::cluster::Cluster;
use crate::stats::Stats;
use crate::telemetry::stream_info::ConnectionInfo;

/// A cache. Shared by the clusters that name it and by all workers.
pub struct Cache {
    config: Arc<DnsCache>,
    /// Locked for a look-up by each request to a cluster of this kind, and by the control thread.
    names: Mutex<HashMap<Arc<str>, Arc<Name>>>,
    /// Those that nobody has looked up yet.
    asked: mpsc::UnboundedSender<Arc<Name>>,
    /// The other end, until somebody begins to look up.
    unserved: Mutex<Option<mpsc::UnboundedReceiver<Arc<Name>>>>,
    /// Callers that wait.
    waiting: AtomicU32,
    clusters: Mutex<Vec<Weak<Cluster>>>,
    stats: CacheStats,
    /// From when on uses are told.
    since: Instant,
}

/// A host and port that somebody has asked for.
#[derive(Debug)]
pub struct Name {
    /// `host:port`.
    key: Arc<str>,
    host: Arc<str>,
    port: u16,
    known: watch::Sender<Found>,
    /// Its addresses: they are endpoints before anybody is told of them. Of the control thread.
    found: Mutex<Option<Arc<[IpAddr]>>>,
    /// When it was used last, in milliseconds. A late read keeps a name that could go.
    used: AtomicU64,
}

/// What is known of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It is being looked up.
    Nothing,
    /// Where it is. That stays when a look-up fails.
    Addresses(Arc<[IpAddr]>),
    /// It has no address, and why.
    No(Arc<str>),
}

/// What there is of a name that is asked for.
#[derive(Debug)]
pub enum Load {
    /// Something is known.
    Known(Arc<Name>),
    /// Something will be: [`Name::settles`].
    Coming(Arc<Name>),
    /// There are too many names.
    Overflow,
    /// It is no host with a port.
    NoName,
}

/// A caller that may wait; gives its place back when it is dropped.
pub struct Waits(Arc<Cache>);

impl Cache {
    /// Nothing in it.
    pub fn new(config: Arc<DnsCache>, stats: &Arc<Stats>) -> Arc<Cache> {
        let (asked, unserved) = mpsc::unbounded_channel();
        let stats = CacheStats::new(stats, &config);
        Arc::new(Cache {
            config,
            names: Mutex::default(),
            asked,
            unserved: Mutex::new(Some(unserved)),
            waiting: AtomicU32::new(0),
            clusters: Mutex::default(),
            stats,
            since: Instant::now(),
        })
    }

    /// Its settings.
    pub fn config(&self) -> &Arc<DnsCache> {
        &self.config
    }

    /// Names are endpoints of this cluster, too. Needs the current `LocalSet`: with the first cluster names begin to be looked up.
    pub fn serve(self: &Arc<Self>, cluster: &Arc<Cluster>, resolver: &Arc<Resolver>) {
        lock(&self.clusters).push(Arc::downgrade(cluster));
        let unserved = lock(&self.unserved).take();
        match unserved {
            Some(unserved) => {
                tokio::task::spawn_local(run::run(Arc::downgrade(self), unserved, Arc::clone(resolver)));
                for (host, port) in &self.config.beforehand {
                    self.find(host, *port);
                }
            }
            None => self.publish(),
        }
    }

    /// Permission to wait for a name; `None` where too many do (`dns_rq_pending_overflow`).
    pub fn wait(self: &Arc<Self>) -> Option<Waits> {
        let most = self.config.max_pending;
        let taken = self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |waiting| {
            (waiting < most).then(|| waiting.saturating_add(1))
        });
        match taken {
            Ok(before) => {
                self.stats.waits(before.saturating_add(1) == most);
                Some(Waits(Arc::clone(self)))
            }
            Err(_) => {
                self.stats.dns_rq_pending_overflow.inc();
                None
            }
        }
    }

    /// The name of a host, once it is known or has failed; `None` where nobody may wait for it, or it is none.
    pub async fn settled(self: &Arc<Self>, authority: &str) -> Option<Arc<Name>> {
        match self.load(authority, 0) {
            Load::Known(name) => Some(name),
            Load::Coming(name) => {
                let _place = self.wait()?;
                Arc::clone(&name).settles().await;
                Some(name)
            }
            Load::Overflow | Load::NoName => None,
        }
    }

    /// The host of a request, perhaps with a port.
    pub fn load(&self, authority: &str, default_port: u16) -> Load {
        match split(authority, default_port) {
            Some((host, port)) => self.find(host, port),
            None => Load::NoName,
        }
    }

    fn find(&self, host: &str, port: u16) -> Load {
        let key = key(host, port);
        let mut names = lock(&self.names);
        match names.get(&*key).cloned() {
            Some(name) if self.config.forgets_failures && name.has_failed() => {
                names.remove(&*key);
                self.counts_removed();
            }
            Some(name) => {
                drop(names);
                name.used.store(self.now(), Ordering::Relaxed);
                return if name.is_settled() { Load::Known(name) } else { Load::Coming(name) };
            }
            None => {}
        }
        if names.len() >= self.config.max_hosts {
            self.stats.host_overflow.inc();
            return Load::Overflow;
        }
        let name = Arc::new(Name {
            key: Arc::clone(&key),
            host: host.into(),
            port,
            known: watch::Sender::new(Found::Nothing),
            found: Mutex::default(),
            used: AtomicU64::new(self.now()),
        });
        names.insert(key, Arc::clone(&name));
        drop(names);
        self.stats.host_added.inc();
        self.stats.num_hosts.inc();
        // Fails when the process ends.
        let _ = self.asked.send(Arc::clone(&name));
        Load::Coming(name)
    }

    fn counts_removed(&self) {
        self.stats.host_removed.inc();
        self.stats.num_hosts.dec();
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Makes what is known the endpoints of its clusters.
    fn publish(&self) {
        let mut names: Vec<Reached> = lock(&self.names).values().filter_map(|name| name.reached()).collect();
        names.sort_by(|one, other| (&one.host, one.port).cmp(&(&other.host, other.port)));
        let mut clusters = lock(&self.clusters);
        clusters.retain(|cluster| cluster.strong_count() > 0);
        for cluster in clusters.iter().filter_map(Weak::upgrade) {
            cluster.assign_named(&names);
        }
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        // Nobody looks them up any more.
        for name in lock(&self.names).values() {
            name.fails("the cache is gone");
        }
    }
}

impl std::fmt::Debug for Cache {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Cache").field("name", &self.config.name).finish_non_exhaustive()
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        let before = self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.stats.waits_no_more(before == self.0.config.max_pending);
    }
}

impl std::fmt::Debug for Waits {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Waits")
    }
}

/// A name and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    /// The name.
    pub host: Arc<str>,
    /// And its port.
    pub port: u16,
    /// At least one.
    pub addresses: Arc<[IpAddr]>,
}

impl Name {
    /// `host:port`, as its endpoint is called.
    pub fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// What is known of it.
    pub fn known(&self) -> Found {
        self.known.borrow().clone()
    }

    fn is_settled(&self) -> bool {
        *self.known.borrow() != Found::Nothing
    }

    fn has_failed(&self) -> bool {
        matches!(&*self.known.borrow(), Found::No(_))
    }

    /// Ends when something is known.
    pub async fn settles(self: Arc<Self>) {
        // The sender is in the name itself.
        let _ = self.known.subscribe().wait_for(|known| *known != Found::Nothing).await;
    }

    /// Whether whoever goes there comes back to where this connection has come in.
    pub fn leads_back(&self, connection: &ConnectionInfo) -> bool {
        self.is_at(connection.local) || self.is_at(connection.direct_local)
    }

    /// Whether one of its addresses is this one.
    fn is_at(&self, address: SocketAddr) -> bool {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        match &*self.known.borrow() {
            Found::Addresses(addresses) => {
                let here = |found: &IpAddr| found.is_unspecified() || found.to_canonical() == address.ip();
                self.port == address.port() && addresses.iter().any(here)
            }
            Found::Nothing | Found::No(_) => false,
        }
    }

    fn reached(&self) -> Option<Reached> {
        let addresses = lock(&self.found).clone()?;
        Some(Reached { host: Arc::clone(&self.host), port: self.port, addresses })
    }

    /// It has no address, unless it is known to have some.
    fn fails(&self, why: &str) {
        self.known.send_if_modified(|known| match known {
            Found::Addresses(_) => false,
            Found::Nothing | Found::No(_) => {
                *known = Found::No(why.into());
                true
            }
        });
    }
}

/// As the endpoint of a name is called.
pub fn key(host: &str, port: u16) -> Arc<str> {
    format!("{host}:{port}").into()
}

/// A host and its port.
pub fn split(authority: &str, default_port: u16) -> Option<(&str, u16)> {
    let (host, port) = match authority.rsplit_once(':') {
        // An address of version 6 has colons of its own.
        Some((host, port)) if !port.ends_with(']') && (!host.contains(':') || host.ends_with(']')) => {
            (host, port.parse().ok()?)
        }
        _ => (authority, default_port),
    };
    (!host.is_empty()).then_some((host, port))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
