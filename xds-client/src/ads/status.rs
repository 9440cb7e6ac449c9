//! Counters of an ADS client as plain data, for stats and for people.
//!
//! Written by the ADS task, copied by [`AdsHandle::status`](crate::AdsHandle::status). Must never be needed by the
//! protocol itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

/// What an ADS client has seen so far.
#[derive(Debug, Clone, Default)]
pub struct AdsStatus {
    /// Whether a stream is open (`control_plane.connected_state`).
    pub connected: bool,
    /// Streams opened since the start.
    pub streams: u64,
    /// Attempts and streams that failed since the start.
    pub failures: u64,
    /// Why the last stream or attempt ended; kept after a reconnect.
    pub last_error: Option<String>,
    /// When the last response came.
    pub last_update: Option<SystemTime>,
    /// `control_plane.identifier` of the last response that had one.
    pub control_plane: String,
    /// By type URL.
    pub types: BTreeMap<Arc<str>, TypeStatus>,
}

/// One type's counters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeStatus {
    /// Requests for resources and responses received.
    pub update_attempt: u64,
    /// Responses acknowledged as a whole.
    pub update_success: u64,
    /// Responses of which something was refused.
    pub update_rejected: u64,
    /// Streams or attempts that failed while this type was wanted.
    pub update_failure: u64,
    /// The version of the last response acknowledged as a whole.
    pub version: String,
    /// When the last verdict that accepted everything came.
    pub last_success: Option<SystemTime>,
    /// Names asked for; 0 for a wildcard.
    pub wanted: usize,
    /// Resources held.
    pub held: usize,
}
