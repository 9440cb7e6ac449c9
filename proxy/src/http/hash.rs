//! The hash of a request, for clusters that balance by hash. Called once an attempt; nothing is computed for routes without a policy.

use std::sync::Arc;

use bytes::Bytes;
use config::route::{HashBy, HashPolicy};
use smallvec::SmallVec;

use super::cookie;
use super::rewrite::substitute;
use super::route::query_parameter;
use super::stream::{Chosen, Stream};
use crate::wire::message::RequestHead;

/// The hash by the cluster's policies, or the route's if that has none, combined in their order; `None` when none applies.
pub(super) fn of_request(of_cluster: &[HashPolicy], chosen: Chosen<'_>, stream: &Stream<'_>) -> Option<u64> {
    let policies = policies(of_cluster, chosen)?;
    let mut combined = None;
    for policy in policies {
        if let Some(hash) = of_policy(&policy.by, stream) {
            combined = Some(combined.map_or(hash, |earlier: u64| earlier.rotate_left(1) ^ hash));
        }
        if policy.terminal && combined.is_some() {
            break;
        }
    }
    combined
}

/// The cookies that the client is to send with its next request, so that it comes to the same host: values of `set-cookie`.
pub(super) fn cookies(of_cluster: &[HashPolicy], chosen: Chosen<'_>, stream: &Stream<'_>) -> Vec<String> {
    let mut set = Vec::new();
    let policies = policies(of_cluster, chosen).unwrap_or_default();
    for (index, policy) in policies.iter().enumerate() {
        if let HashBy::Cookie { name, ttl: Some(ttl), path, attributes } = &policy.by
            && cookie::value(&stream.request.headers, name.as_bytes()).is_none()
        {
            let attributes = cookie::Attributes { path, max_age: Some(*ttl), others: attributes };
            set.push(cookie::set(name, &of_connection(stream), &attributes));
        }
        if policy.terminal && policies[..=index].iter().any(|one| of_policy(&one.by, stream).is_some()) {
            break;
        }
    }
    set
}

fn policies<'a>(of_cluster: &'a [HashPolicy], chosen: Chosen<'a>) -> Option<&'a [HashPolicy]> {
    if of_cluster.is_empty() { Some(&chosen.forwarding?.config.hash) } else { Some(of_cluster) }
}

fn of_policy(policy: &HashBy, stream: &Stream<'_>) -> Option<u64> {
    let request = &stream.request;
    match policy {
        HashBy::Header(name, rewrite) => of_header(request, name, rewrite.as_ref()),
        HashBy::FilterState(key) => stream.state(key).map(|value| hash(&value)),
        HashBy::Cookie { name, ttl, .. } => match cookie::value(&request.headers, name.as_bytes()) {
            Some(value) => Some(hash(value)),
            None => ttl.map(|_| hash(of_connection(stream).as_bytes())),
        },
        HashBy::SourceIp => Some(hash(stream.info.remote().ip().to_string().as_bytes())),
        HashBy::QueryParameter(name) => {
            let query = memchr::memchr(b'?', &request.path).map(|start| &request.path[start + 1..])?;
            query_parameter(query, name.as_bytes()).map(hash)
        }
    }
}

/// The hash of a header. Of several lines as with Envoy: each seeds the next, sorted, so that their order does not matter.
fn of_header(request: &RequestHead, name: &str, rewrite: Option<&(regex::bytes::Regex, Arc<str>)>) -> Option<u64> {
    let lines = request.headers.iter().filter(|header| header.name.as_bytes() == name.as_bytes());
    let values = lines.map(|header| match rewrite {
        Some((pattern, substitution)) => substitute(pattern, substitution, &header.value),
        None => header.value.clone(),
    });
    let mut values: SmallVec<[Bytes; 2]> = values.collect();
    values.sort_unstable();
    (!values.is_empty()).then(|| values.iter().fold(0, |seed, value| xxhash_rust::xxh64::xxh64(value, seed)))
}

/// The value of a cookie that is made: the same for all requests of a connection, which may run at once.
fn of_connection(stream: &Stream<'_>) -> String {
    let connection = &stream.context.connection;
    format!("{:016x}", hash(format!("{}{}", connection.remote, connection.local).as_bytes()))
}

/// Envoy's hash, so that a mixed fleet sends a key to the same host.
fn hash(bytes: &[u8]) -> u64 {
    xxhash_rust::xxh64::xxh64(bytes, 0)
}

#[cfg(test)]
mod tests;
