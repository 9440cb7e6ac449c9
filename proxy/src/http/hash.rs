//! The hash of a request, for clusters that balance by hash. Called once an attempt; nothing is computed for routes without a policy.

use config::route::HashPolicy;

use super::route::query_parameter;
use super::stream::{Chosen, Stream};
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

/// The hash by the route's policies, combined in their order; `None` when none applies.
pub(super) fn of_request(chosen: Chosen<'_>, stream: &Stream<'_>) -> Option<u64> {
    let policies = &chosen.forwarding?.config.hash;
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
        HashPolicy::Cookie { name, .. } => cookie(request, name.as_bytes()).map(hash),
        HashPolicy::SourceIp => {
            let address = stream.info.downstream_remote.unwrap_or(stream.context.connection.remote);
            Some(hash(address.ip().to_string().as_bytes()))
        }
        HashPolicy::QueryParameter(name) => {
            let query = memchr::memchr(b'?', &request.path).map(|start| &request.path[start + 1..])?;
            query_parameter(query, name.as_bytes()).map(hash)
        }
    }
}

fn cookie<'a>(request: &'a RequestHead, name: &[u8]) -> Option<&'a [u8]> {
    request.headers.iter().filter(|header| header.name == Name::COOKIE).find_map(|header| {
        header.value.split(|octet| *octet == b';').find_map(|pair| {
            let value = pair.trim_ascii().strip_prefix(name)?.strip_prefix(b"=")?;
            Some(value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value))
        })
    })
}

/// Envoy's hash, so that a mixed fleet sends a key to the same host.
fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh64::xxh64(bytes, 0)
}
