//! What tests ask of the worker's memory.

use super::*;

/// How many peers are remembered, and in how many octets.
pub(in crate::telemetry::peer) fn remembered(labels: &Arc<[Arc<str>]>) -> (usize, usize) {
    KNOWN.with_borrow_mut(|all| {
        let known = List::with(all, labels);
        (known.peers.len(), known.octets)
    })
}
