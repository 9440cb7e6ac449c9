//! Workload discovery (`istio.workload.Workload` over ADS): what the control plane tells of workloads, by name, published by address.
//! Called by the control loop; nothing waits for it, and what is refused here is one workload that is not known.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use config::workload::{Discovered, Workload, of_xds};
use xds_client::{Rejected, Update, Verdict};

use crate::stats::{Gauge, Stats};
use crate::telemetry::peer::discovered;

/// The type of such resources.
pub const WORKLOAD: &str = "type.googleapis.com/istio.workload.Workload";

/// A workload, and where it is.
type Addresses = (Arc<Workload>, Vec<IpAddr>);

/// The workloads that are known. Made where the bootstrap asks for them.
pub struct Workloads {
    by_name: HashMap<Box<str>, Addresses>,
    total: Gauge,
}

impl Workloads {
    /// None is known yet.
    pub fn new(stats: &Arc<Stats>) -> Workloads {
        Workloads { by_name: HashMap::new(), total: stats.gauge("workload_discovery.total") }
    }

    /// Takes a response.
    pub fn update(&mut self, update: &Update) -> Verdict {
        let (mut gone, mut come, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
        for name in &update.removed {
            gone.extend(self.by_name.remove(name.as_str()));
        }
        for resource in &update.resources {
            match of_xds(&resource.body) {
                Ok(Discovered { workload, addresses }) => {
                    let workload = Arc::new(workload);
                    gone.extend(self.by_name.remove(resource.name.as_str()));
                    come.extend(addresses.iter().map(|address| (*address, workload.clone())));
                    self.by_name.insert(resource.name.as_str().into(), (workload, addresses));
                }
                Err(error) => rejected.push(Rejected { name: resource.name.clone(), reason: error.to_string() }),
            }
        }
        self.total.set(discovered::change(&gone, &come) as u64);
        if rejected.is_empty() { Ok(()) } else { Err(rejected) }
    }
}

#[cfg(test)]
mod tests;
