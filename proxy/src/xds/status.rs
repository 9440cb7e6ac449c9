//! What the control loop tells of itself: the server's state and the listeners in use. Written by the loop, read by admin.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use arc_swap::ArcSwap;

use crate::telemetry::stats::ServerState;

/// A listener that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveListener {
    /// Name.
    pub name: Arc<str>,
    /// Where it is bound, ports that the system chose filled in.
    pub addresses: Vec<SocketAddr>,
}

/// Shared status. A stale read shows an operator the moment before.
#[derive(Debug)]
pub struct Status {
    state: AtomicU8,
    /// Listeners in use, by name.
    pub listeners: ArcSwap<Vec<ActiveListener>>,
}

impl Status {
    /// Pre-initialising, with no listener.
    pub fn new() -> Arc<Status> {
        let state = AtomicU8::new(STATES.len() as u8 - 1);
        Arc::new(Status { state, listeners: ArcSwap::default() })
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
