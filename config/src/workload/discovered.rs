//! Workloads as the control plane tells of them (`istio.workload.Workload`). Called by the proxy for each that comes over xDS.

use std::net::IpAddr;
use std::sync::Arc;

use prost::Message as _;

use super::{Kind, Workload};
use crate::istio;

/// A workload and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovered {
    /// What it is.
    pub workload: Workload,
    /// Its addresses; what is none is left out.
    pub addresses: Vec<IpAddr>,
}

/// Reads one.
///
/// # Errors
/// Octets that are no such message.
pub fn of_xds(bytes: &[u8]) -> Result<Discovered, prost::DecodeError> {
    let proto = istio::Workload::decode(bytes)?;
    let text = |text: String| Arc::from(text);
    let locality = proto.locality.clone().unwrap_or_default();
    let identity = identity(&proto);
    Ok(Discovered {
        addresses: proto.addresses.iter().filter_map(|octets| address(octets)).collect(),
        workload: Workload {
            instance: text(proto.name),
            cluster: text(proto.cluster_id),
            namespace: text(proto.namespace),
            name: text(proto.workload_name),
            service: text(proto.canonical_name),
            revision: text(proto.canonical_revision),
            kind: match proto.workload_type {
                1 => Kind::CronJob,
                2 => Kind::Pod,
                3 => Kind::Job,
                _ => Kind::Deployment,
            },
            identity: text(identity),
            region: text(locality.region),
            zone: text(locality.zone),
            ..Workload::default()
        },
    })
}

/// What is left out has the mesh's usual value; without a namespace there is none.
fn identity(proto: &istio::Workload) -> String {
    let or = |value: &str, usual: &str| if value.is_empty() { usual.to_owned() } else { value.to_owned() };
    if proto.namespace.is_empty() {
        return String::new();
    }
    let (domain, account) = (or(&proto.trust_domain, "cluster.local"), or(&proto.service_account, "default"));
    format!("spiffe://{domain}/ns/{}/sa/{account}", proto.namespace)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(octets.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

#[cfg(test)]
mod tests;
