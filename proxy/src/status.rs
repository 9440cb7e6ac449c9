//! What the runtime tells of itself, as plain data, and what it may be asked. Written by `xds` and `cluster`, read by admin.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;

use config::address::Address;
use config::endpoint::{EndpointCheck, HealthStatus, Locality};
use config::metadata::Metadata;
use tokio::sync::oneshot;

use crate::stats::ServerState;
use crate::store::Snapshot;

mod health;

pub use health::HealthFlags;

/// A listener that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerStatus {
    /// Name.
    pub name: Arc<str>,
    /// Where it is bound, ports that the system chose filled in.
    pub addresses: Vec<SocketAddr>,
    /// The path of its Unix socket.
    pub path: Option<PathBuf>,
    /// It accepts no more, as an operator has asked (`drain_listeners`).
    pub stopped: bool,
}

/// Shared status. A stale read shows an operator the moment before.
#[derive(Debug)]
pub struct Status {
    state: AtomicU8,
}

impl Status {
    /// Pre-initialising.
    pub fn new() -> Arc<Status> {
        let state = AtomicU8::new(STATES.len() as u8 - 1);
        Arc::new(Status { state })
    }

    /// The state of this moment.
    pub fn state(&self) -> ServerState {
        STATES[usize::from(self.state.load(Ordering::Relaxed))]
    }

    /// Changes the state.
    pub fn set_state(&self, state: ServerState) {
        let index = STATES.iter().position(|known| *known == state).unwrap_or_default();
        self.state.store(index as u8, Ordering::Relaxed);
    }
}

const STATES: [ServerState; 4] =
    [ServerState::Live, ServerState::Draining, ServerState::Initializing, ServerState::PreInitializing];

/// What configuration is at one moment.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Every resource.
    pub resources: Snapshot,
    /// Listeners in use, by name.
    pub listeners: Vec<ListenerStatus>,
    /// The control plane is away, and this is what was accepted until then, before this process began.
    pub stale_since: Option<SystemTime>,
}

/// What the control loop is asked.
#[derive(Debug)]
pub enum Ask {
    /// To do something.
    Do(Request),
    /// To tell what configuration is.
    Show(oneshot::Sender<Shown>),
}

/// What admin and signals ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// `drain_listeners`.
    Drain {
        /// Inbound listeners alone.
        inbound_only: bool,
        /// Keep accepting for the drain time.
        graceful: bool,
        /// Never stop accepting.
        skip_exit: bool,
    },
    /// `healthcheck/fail` and `healthcheck/ok`.
    SetHealthy(bool),
    /// `quitquitquit`.
    Quit,
}

/// One endpoint.
#[derive(Debug, Clone)]
pub struct HostStatus {
    /// As printed: `10.0.0.1:80`, or a path.
    pub address: Arc<str>,
    /// Taken apart.
    pub target: Address,
    /// `hostname`.
    pub hostname: Arc<str>,
    /// What the control plane said.
    pub health: HealthStatus,
    /// What was found out.
    pub flags: HealthFlags,
    /// `success_rate` and `local_origin_success_rate`, percent; -1 where outlier detection has none.
    pub success_rates: [f64; 2],
    /// Weight.
    pub weight: u32,
    /// 0 is the highest.
    pub priority: u32,
    /// Where.
    pub locality: Locality,
    /// It is one by its metadata.
    pub canary: bool,
    /// Counts.
    pub counts: HostCounts,
}

/// A cluster's endpoints as they are at one moment, in the shape of an assignment.
#[derive(Debug, Clone, Default)]
pub struct Assignment {
    /// `overprovisioning_factor`, percent.
    pub overprovisioning: u32,
    /// Of a million requests so many are not sent.
    pub drops: u32,
    /// They.
    pub hosts: Vec<AssignedHost>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct AssignedHost {
    /// Where it is reached; of names what they resolve to.
    pub address: Address,
    /// Further addresses.
    pub additional: Box<[SocketAddr]>,
    /// `hostname`.
    pub hostname: Arc<str>,
    /// Healthy, degraded or unhealthy: what the control plane says and what was found out, together.
    pub health: HealthStatus,
    /// Weight.
    pub weight: u32,
    /// 0 is the highest.
    pub priority: u32,
    /// Where.
    pub locality: Locality,
    /// The weight of its locality.
    pub locality_weight: Option<u32>,
    /// Its metadata, where it has a field for it.
    pub metadata: Option<Arc<Metadata>>,
    /// How it is checked.
    pub check: Option<Arc<EndpointCheck>>,
}

/// What happened at an endpoint, over all workers, by Envoy's names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)] // The names are the statistics' own.
pub struct HostCounts {
    pub cx_active: u64,
    pub cx_connect_fail: u64,
    pub cx_total: u64,
    pub rq_active: u64,
    pub rq_error: u64,
    pub rq_success: u64,
    pub rq_timeout: u64,
    pub rq_total: u64,
}
