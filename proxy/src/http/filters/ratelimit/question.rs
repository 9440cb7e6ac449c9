//! What the service is asked: the descriptors that a request makes of the limits that are for it. Called by [`super`].

use config::filters::ratelimit::VirtualHostLimits;
use config::services::ratelimit as message;
use smallvec::SmallVec;

use super::{RateLimit, Settings};
use crate::http::filters::filter::Turn;
use crate::http::rate_limit::{Descriptor, Hits, RateLimit as Limit};
use crate::http::stream::Stream;

/// Descriptors, and in place of which limit of the service's own: seldom more than one or two.
type Described = SmallVec<[(Descriptor, Option<(u32, config::rate_limit::Unit)>); 2]>;

/// The bytes of the question; `None`: no limit has anything to say. `at_the_end` are the limits that count the end of a request.
pub(super) fn encode(filter: &Settings, turn: &Turn<'_, '_, RateLimit>, at_the_end: bool) -> Option<Vec<u8>> {
    let described = describe(filter, turn, at_the_end);
    if described.is_empty() {
        return None;
    }
    let domain = turn.scope.and_then(|scope| scope.config.domain.as_deref()).unwrap_or(&filter.config.domain);
    Some(message::encode(&message::Question {
        domain,
        hits: hits(turn.stream),
        descriptors: described.iter().map(|(descriptor, limit)| told(descriptor, *limit)).collect(),
    }))
}

fn told(descriptor: &Descriptor, limit: Option<(u32, config::rate_limit::Unit)>) -> message::Descriptor<'_> {
    let (hits, negative) = match descriptor.hits {
        Hits::Taken(count) => (count, false),
        Hits::GivenBack(count) => (count, true),
    };
    message::Descriptor {
        entries: descriptor.entries().collect(),
        limit,
        hits: descriptor.counted.then_some(hits),
        negative,
    }
}

fn describe(filter: &Settings, turn: &Turn<'_, '_, RateLimit>, at_the_end: bool) -> Described {
    let stream = &*turn.stream;
    let mut described = Described::new();
    let own = turn.scope.map(|scope| &scope.rate_limits).filter(|limits| !limits.is_empty());
    let own = own.unwrap_or(&filter.rate_limits);
    if !own.is_empty() {
        let limits = own.iter().filter(|limit| limit.on_stream_done == at_the_end);
        described.extend(limits.filter_map(|limit| Some((limit.describe_counted(stream)?, None))));
        return described;
    }
    let Some((chosen, forwarding)) = stream.route.and_then(|chosen| Some((chosen, chosen.forwarding?))) else {
        return described;
    };
    let option = turn.scope.map_or(VirtualHostLimits::Override, |scope| scope.config.virtual_host);
    let of_host = match option {
        _ if forwarding.config.include_host_rate_limits => true,
        VirtualHostLimits::Include => true,
        VirtualHostLimits::Ignore => false,
        VirtualHostLimits::Override => forwarding.rate_limits.is_empty(),
    };
    let of_host = chosen.host.rate_limits.iter().filter(|_| of_host);
    let is_meant = |limit: &&Limit| limit.stage == filter.config.stage && limit.on_stream_done == at_the_end;
    let limits = forwarding.rate_limits.iter().chain(of_host).filter(is_meant);
    described.extend(limits.filter_map(|limit| Some((limit.describe(stream)?, limit.limit(stream)))));
    described
}

/// How many hits the request is, where filter state says that.
fn hits(stream: &Stream<'_>) -> u32 {
    let state = stream.state("envoy.ratelimit.hits_addend");
    state.and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok()).unwrap_or(0)
}
