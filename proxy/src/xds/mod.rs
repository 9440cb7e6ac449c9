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

use std::sync::Arc;

use xds_client::{Rejected, Update, Verdict};

use crate::store::Stored;

/// Says once what resources ask for and do not get. `what` names where they came from.
pub fn tell_notes(what: &str, options: &config::Options) {
    for note in options.take_notes() {
        tracing::info!(target: "config", "{what}: {note}");
    }
}

/// Hands over the resources of a response one by one. Those that are refused, with their reasons, are the verdict.
fn each(update: &Update, mut take: impl FnMut(&Arc<str>, Stored) -> Result<(), String>) -> Verdict {
    let version: Arc<str> = update.version.as_str().into();
    let mut rejected = Vec::new();
    for resource in &update.resources {
        let taken = take(&resource.name.as_str().into(), Stored::now(resource.body.clone(), &version));
        if let Err(reason) = taken {
            rejected.push(Rejected { name: resource.name.clone(), reason });
        }
    }
    if rejected.is_empty() { Ok(()) } else { Err(rejected) }
}
