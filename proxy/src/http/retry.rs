//! The retries of one request: the route's policy, and what headers ask for. `attempt` makes and asks them;
//! how is decided in `cluster::retry`.

use config::route::RetryOn;

use super::upstreams::{Permit, UpstreamCluster};
use crate::cluster::Priority;
use crate::cluster::retry::{Retries, Wishes};
use crate::wire::headers::{Name, NameSet};
use crate::wire::message::{RequestHead, ResponseHead};

pub(super) use crate::cluster::retry::{Decision, Reset, Rules};

/// The retries of one request.
pub(super) type Retry<'p> = Retries<'p, Permit>;

impl<'p> Retry<'p> {
    /// From the route's policy and the request's own headers, which only internal callers and our own filters have any of. Takes those
    /// headers away. `None` when there is no chance of a retry.
    pub(super) fn new(rules: Option<&'p Rules>, request: &mut RequestHead) -> Option<Retry<'p>> {
        let wanted = rules.is_none_or(|rules| rules.means(request));
        let mut wishes = Wishes::of(rules);
        read_headers(request, &mut wishes);
        if wanted { Retries::begin(wishes, rules) } else { None }
    }

    /// About a response.
    pub(super) fn on_response(
        &mut self,
        head: &ResponseHead,
        cluster: &UpstreamCluster,
        priority: Priority,
    ) -> Decision {
        self.answered(head, || cluster.retry_permit(priority))
    }

    /// About an attempt that is late and goes on.
    pub(super) fn on_late(&mut self, cluster: &UpstreamCluster, priority: Priority) -> Decision {
        self.late(|| cluster.retry_permit(priority))
    }

    /// About an attempt that failed before its response. `sent` tells whether any octet of the request went out.
    pub(super) fn on_reset(
        &mut self,
        reset: Reset,
        sent: bool,
        cluster: &UpstreamCluster,
        priority: Priority,
    ) -> Decision {
        self.failed(reset, sent, || cluster.retry_permit(priority))
    }
}

/// By which a request asks to be tried again.
const WISHES: NameSet = NameSet::of([
    Name::X_ENVOY_RETRY_ON,
    Name::X_ENVOY_RETRY_GRPC_ON,
    Name::X_ENVOY_MAX_RETRIES,
    Name::X_ENVOY_RETRIABLE_STATUS_CODES,
    Name::X_ENVOY_RETRIABLE_HEADER_NAMES,
    Name::X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
    Name::X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
]);

fn read_headers(request: &mut RequestHead, wishes: &mut Wishes) {
    if !request.headers.may_hold(WISHES) {
        return;
    }
    // Those that a route writes beside the client's.
    request.headers.join_repeated(WISHES);
    let mut take = |name: &Name| {
        let value = request.headers.get(name).cloned();
        request.headers.remove(name);
        value.and_then(|value| String::from_utf8(value.to_vec()).ok())
    };
    let words = |value: Option<String>| value.map_or(RetryOn::default(), |value| RetryOn::parse(&value));
    wishes.on.0 |= words(take(&Name::X_ENVOY_RETRY_ON)).http().0;
    wishes.on.0 |= words(take(&Name::X_ENVOY_RETRY_GRPC_ON)).grpc().0;
    if let Some(retries) = take(&Name::X_ENVOY_MAX_RETRIES).and_then(|value| value.trim().parse().ok()) {
        wishes.retries = retries;
    }
    if let Some(codes) = take(&Name::X_ENVOY_RETRIABLE_STATUS_CODES) {
        wishes.status_codes.extend(codes.split(',').filter_map(|code| code.trim().parse::<u16>().ok()));
    }
    if let Some(names) = take(&Name::X_ENVOY_RETRIABLE_HEADER_NAMES) {
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        wishes.headers.extend(names.map(|name| Name::new(&name.to_ascii_lowercase())));
    }
    // As with Envoy these have been decided when a route writes its headers, and go no further.
    take(&Name::X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS);
    take(&Name::X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT);
}

#[cfg(test)]
mod tests;
