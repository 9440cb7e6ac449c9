//! Resources to runtime, on the control thread only: decode, check, compile off to the side, warm, publish.
//!
//! `app` starts it; the data path never imports it. A bad resource is refused alone; what it would have replaced keeps serving.
//!
//! - [`control`] is the loop: one event in, then everything that became possible is done.
//! - [`clusters`] CDS and EDS, [`listeners`] LDS, [`routes`] RDS, [`extensions`] ECDS, [`runtimes`] RTDS, [`secrets`] SDS, [`workloads`] who is at which address.
//! - `asked` counts what is asked for by name, and what comes of it. `audit` tells each change of policy and of certificates that took effect.
//! - `held` is what each of these holds: bytes as they were received, with what was made of them. [`crate::store`] is what admin gets of it.

pub mod asked;
mod audit;
pub mod cache;
pub mod clusters;
pub mod control;
pub mod extensions;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod held;
pub mod listeners;
pub mod routes;
pub mod runtimes;
pub mod secrets;
#[cfg(test)]
pub(crate) mod testing;
pub mod workloads;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use xds_client::{Rejected, Resource, Update, Verdict};

use crate::store::Stored;

/// What has been told, for the admin interface. Of the process, as the log is.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());
const MOST_TOLD: usize = 1024;

/// What the configuration asks for and does not get, in the order in which it came.
pub fn told() -> Vec<String> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Says once what resources ask for and do not get. `what` names where they came from.
pub fn tell_notes(what: &str, options: &config::Options) {
    tell(what, &options.take_notes());
}

/// The same of notes that are at hand.
pub fn tell(what: &str, notes: &[String]) {
    for note in notes {
        tracing::warn!(target: "config", "{what}: {note}");
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MOST_TOLD {
            told.push(format!("{what}: {note}"));
        }
    }
}

/// Which of its two names a resource goes by, where the one that it travels under is not the one inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// The one inside, as Envoy takes clusters and listeners.
    ByItself,
    /// They must be the same: the kind (as messages print it) is asked for by name.
    AsAskedFor(&'static str),
}

/// Hands over the resources of a response one by one. Those that are refused, with their reasons, are the verdict.
fn each(update: &Update, named: Named, mut take: impl FnMut(&Arc<str>, Stored) -> Result<(), String>) -> Verdict {
    let version: Arc<str> = update.version.as_str().into();
    let mut rejected = Vec::new();
    let mut seen: HashSet<Arc<str>> = HashSet::new();
    for resource in &update.resources {
        let taken = name_of(resource, named).and_then(|name| {
            if !seen.insert(name.clone()) {
                // As in Envoy: the first has been applied already.
                return Err(format!("duplicate resource {name} found"));
            }
            take(&name, Stored::now(resource.body.clone(), &version))
        });
        if let Err(reason) = taken {
            rejected.push(Rejected { name: resource.name.clone(), reason });
        }
    }
    if rejected.is_empty() { Ok(()) } else { Err(rejected) }
}

/// Hands over what was refused of a response before anybody here saw it: what is in use may lack policy that it carries.
fn each_refused(update: &Update, mut refuse: impl FnMut(&Arc<str>, Stored, &str)) {
    let version: Arc<str> = update.version.as_str().into();
    for (resource, reason) in &update.refused {
        refuse(&resource.name.as_str().into(), Stored::now(resource.body.clone(), &version), reason);
    }
}

fn name_of(resource: &Resource, named: Named) -> Result<Arc<str>, String> {
    let asked = resource.name.as_str();
    match (config::resource_name(&resource.body), named) {
        (inside, _) if inside.is_empty() || inside == asked => Ok(asked.into()),
        (inside, Named::ByItself) => Ok(inside.into()),
        (inside, Named::AsAskedFor(kind)) => Err(format!("Unexpected {kind} (expecting {asked}): {inside}")),
    }
}
