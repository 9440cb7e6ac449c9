//! Resources to runtime, on the control thread only: decode, check, compile off to the side, warm, publish.
//!
//! `app` starts it; the data path never imports it. A bad resource is refused alone; what it would have replaced keeps serving.
//!
//! - [`control`] is the loop: one event in, then everything that became possible is done.
//! - [`clusters`] CDS and EDS, [`listeners`] LDS, [`routes`] RDS, [`secrets`] SDS.
//! - [`crate::store`] keeps the bytes as they were received, for `config_dump`.

pub mod clusters;
pub mod control;
pub mod listeners;
pub mod routes;
pub mod secrets;
#[cfg(test)]
pub(crate) mod testing;

use xds_client::{Rejected, Verdict};

/// Says once what resources ask for and do not get. `what` names where they came from.
pub fn tell_notes(what: &str, options: &config::Options) {
    for note in options.take_notes() {
        tracing::info!(target: "config", "{what}: {note}");
    }
}

/// A response is accepted when nothing of it was refused.
fn verdict(rejected: Vec<Rejected>) -> Verdict {
    if rejected.is_empty() { Ok(()) } else { Err(rejected) }
}
