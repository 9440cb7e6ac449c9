//! The hash of a request, for clusters that balance by hash. Called once an attempt; nothing is computed for routes without a policy.

use config::route::HashPolicy;

use super::cookie;
use super::route::query_parameter;
use super::stream::{Chosen, Stream};

/// The hash by the cluster's policies, or the route's if that has none, combined in their order; `None` when none applies.
pub(super) fn of_request(of_cluster: &[HashPolicy], chosen: Chosen<'_>, stream: &Stream<'_>) -> Option<u64> {
    let policies = if of_cluster.is_empty() { &chosen.forwarding?.config.hash } else { of_cluster };
    let mut combined = None;
    for policy in policies {
        if let Some(hash) = of_policy(policy, stream) {
            combined = Some(combined.map_or(hash, |earlier: u64| earlier.rotate_left(1) ^ hash));
        }
    }
    combined
}

fn of_policy(policy: &HashPolicy, stream: &Stream<'_>) -> Option<u64> {
    let request = &stream.request;
    match policy {
        HashPolicy::Header(name) => request.headers.get_str(name).map(|value| hash(value)),
        HashPolicy::Cookie { name, .. } => cookie::value(&request.headers, name.as_bytes()).map(hash),
        HashPolicy::SourceIp => Some(hash(stream.info.remote().ip().to_string().as_bytes())),
        HashPolicy::QueryParameter(name) => {
            let query = memchr::memchr(b'?', &request.path).map(|start| &request.path[start + 1..])?;
            query_parameter(query, name.as_bytes()).map(hash)
        }
    }
}

/// Envoy's hash, so that a mixed fleet sends a key to the same host.
fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh64::xxh64(bytes, 0)
}
