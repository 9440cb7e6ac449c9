//! What an endpoint keeps across assignments as long as its address stays. Made by [`super::endpoints`], read by workers, health checks and
//! outlier detection.

use std::fmt;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use config::address::Address;
use config::endpoint::EndpointCheck;
use tokio::time::Instant;

use super::health::Failing;
use super::host_stats::HostShard;
use super::outlier::{Monitor, Watch};
use crate::status::HealthFlags;

/// What an endpoint keeps across assignments as long as its address stays: its counts, and with them its pools.
pub struct Identity {
    /// Where it is reached.
    pub address: Address,
    /// The same, printed as Envoy prints it.
    pub printed: Arc<str>,
    /// Each worker's counts, by worker index. Locked when a worker first uses the endpoint, by admin, and for a new connection where hosts
    /// have a limit of their own; never per request.
    shards: Mutex<Vec<(usize, Arc<HostShard>)>>,
    /// What was found out of its health. Written by the control thread alone; workers read what is in their endpoint set.
    flags: AtomicU16,
    /// Where outlier detection counts.
    monitor: Option<Box<Monitor>>,
    /// Where an answer is told that calls it failing, if it is checked.
    failing: Option<Arc<Failing>>,
    /// When it became healthy, where balancing wants to know. Locked by the control thread alone.
    well_since: Mutex<Option<Instant>>,
}

/// How hosts of a cluster begin that were not there before.
#[derive(Clone, Copy, Default)]
pub struct Born<'a> {
    /// Outlier detection counts them.
    pub outliers: Option<&'a Arc<Watch>>,
    /// They are checked.
    pub failing: Option<&'a Arc<Failing>>,
    /// What is known of those that are checked, and have not been.
    pub flags: HealthFlags,
    /// The moment, where balancing wants to know when hosts became healthy.
    pub now: Option<Instant>,
}

impl Born<'_> {
    /// Whether one that says this of its checks is checked.
    pub(super) fn checks(&self, check: Option<&EndpointCheck>) -> bool {
        self.failing.is_some() && !check.is_some_and(|check| check.disabled)
    }
}

impl Identity {
    /// A new one. `check`: how it is checked, if it says so itself.
    pub fn new(address: Address, born: &Born<'_>, check: Option<&EndpointCheck>) -> Arc<Identity> {
        let is_checked = born.checks(check);
        let flags = if is_checked { born.flags } else { HealthFlags::NONE };
        Arc::new(Identity {
            printed: print(&address),
            address,
            shards: Mutex::default(),
            flags: AtomicU16::new(flags.bits()),
            monitor: born.outliers.map(|watch| Box::new(Monitor::new(watch))),
            failing: born.failing.filter(|_| is_checked).cloned(),
            // One that is checked is healthy from its first good check on.
            well_since: Mutex::new(born.now.filter(|_| !is_checked)),
        })
    }

    /// It becomes healthy now.
    pub fn becomes_well(&self) {
        *self.well_since.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    pub(super) fn well_since(&self) -> Option<Instant> {
        *self.well_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was found out of its health. A stale read shows the moment before; what workers heed comes with an endpoint set.
    pub fn flags(&self) -> HealthFlags {
        HealthFlags::from_bits(self.flags.load(Ordering::Relaxed))
    }

    /// Changes that. For the control thread alone, which publishes the endpoints then.
    pub fn set_flags(&self, flags: HealthFlags) {
        self.flags.store(flags.bits(), Ordering::Relaxed);
    }

    /// What outlier detection counts of it.
    pub fn monitor(&self) -> Option<&Monitor> {
        self.monitor.as_deref()
    }

    /// Where it is told that an answer calls it failing; `None` where it is not checked.
    pub fn failing(&self) -> Option<&Failing> {
        self.failing.as_deref()
    }

    /// The counts that this worker writes.
    pub fn shard(&self, worker: usize) -> Arc<HostShard> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shard)) = shards.iter().find(|(index, _)| *index == worker) {
            return Arc::clone(shard);
        }
        let shard = Arc::<HostShard>::default();
        shards.push((worker, Arc::clone(&shard)));
        shard
    }

    /// Its connections, over all workers.
    pub fn connections(&self) -> u64 {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.iter().map(|(_, shard)| shard.cx_active.get()).sum()
    }

    /// All workers' counts.
    pub fn shards(&self) -> Vec<Arc<HostShard>> {
        let shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.iter().map(|(_, shard)| Arc::clone(shard)).collect()
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.printed)
    }
}

/// As Envoy prints it in logs and in `/clusters`.
pub fn print(address: &Address) -> Arc<str> {
    match address {
        Address::Socket(address) => address.to_string().into(),
        Address::Name { host, port } => format!("{host}:{port}").into(),
        Address::Pipe(path) => path.to_string_lossy().into(),
        Address::Internal { listener, endpoint_id } => format!("envoy://{listener}/{endpoint_id}").into(),
    }
}
