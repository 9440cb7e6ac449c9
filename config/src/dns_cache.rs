//! `DnsCacheConfig`: the names that a dynamic forward proxy resolves on the way, kept under the cache's name. Called for its cluster and its filters.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::address;
use crate::cluster::resolver::{self, Spellings};
use crate::cluster::{DnsFamily, DnsResolver};
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, core::v3 as core, extensions::common::dynamic_forward_proxy::v3 as pb, types, uint32};
use crate::rejection::{At, Rejection};

/// A cache.
#[derive(Debug, Clone, PartialEq)]
pub struct DnsCache {
    /// `name`: caches of one name are one, and say the same.
    pub name: Arc<str>,
    /// `dns_lookup_family`.
    pub family: DnsFamily,
    /// `dns_refresh_rate`, of names that do not resolve; default 60 s.
    pub refresh: Duration,
    /// `dns_min_refresh_rate`, of records that live shorter; default 5 s.
    pub least: Duration,
    /// `host_ttl`: names that nobody asks for are forgotten; default 5 min.
    pub host_ttl: Duration,
    /// `max_hosts`, default 1024.
    pub max_hosts: usize,
    /// `dns_failure_refresh_rate`: after the first failure, and at most.
    pub failure: Option<(Duration, Duration)>,
    /// `disable_dns_refresh_on_failure`: a name that does not resolve is looked up when it is asked for again.
    pub forgets_failures: bool,
    /// `dns_cache_circuit_breaker.max_pending_requests`, default 1024.
    pub max_pending: u32,
    /// Whom to ask, and how.
    pub resolver: DnsResolver,
    /// `preresolve_hostnames`.
    pub beforehand: Vec<(Arc<str>, u16)>,
    /// `dns_query_timeout`, default 5 s; `None` = as long as the resolver takes.
    pub query_timeout: Option<Duration>,
    /// `resolved_address_filter`: addresses that do not count.
    pub without: Option<Addresses>,
}

/// `AddressMatcher`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses {
    /// `ranges`.
    pub ranges: Vec<IpNet>,
    /// `invert_match`: all others.
    pub inverted: bool,
}

impl Addresses {
    /// Whether it is one of them.
    pub fn has(&self, address: IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(&address)) != self.inverted
    }
}

/// A `DnsCacheConfig`.
pub(crate) fn decode(at: &At<'_>, proto: &pb::DnsCacheConfig, options: &Options) -> Result<Arc<DnsCache>, Rejection> {
    let (typed, untyped) = (proto.typed_dns_resolver_config.as_ref(), proto.dns_resolution_config.as_ref());
    let resolver =
        resolver::decode(at, &Spellings { typed, untyped }, options)?.unwrap_or_else(|| options.dns_resolver.clone());
    let resolver = DnsResolver { tcp: resolver.tcp || proto.use_tcp_for_dns_lookups, ..resolver };
    let failure = proto.dns_failure_refresh_rate.as_ref();
    let failure =
        failure.map(|rate| resolver::failure_rate(at, &rate.base_interval, &rate.max_interval)).transpose()?;
    let positive = |field, value, default| proto::positive(&at.field(field), value).map(|some| some.unwrap_or(default));
    let breaker = proto.dns_cache_circuit_breaker.as_ref().and_then(|breaker| uint32(&breaker.max_pending_requests));
    let max_hosts = uint32(&proto.max_hosts).unwrap_or(1024);
    if max_hosts == 0 {
        return Err(at.field("max_hosts").reject("must be greater than 0"));
    }
    let query_timeout =
        proto::timeout(&at.field("dns_query_timeout"), &proto.dns_query_timeout, Some(Duration::from_secs(5)))?;
    Ok(Arc::new(DnsCache {
        name: field_rules::not_empty(&at.field("name"), &proto.name)?,
        family: resolver::family(at, proto.dns_lookup_family)?,
        refresh: positive("dns_refresh_rate", &proto.dns_refresh_rate, Duration::from_secs(60))?,
        least: positive("dns_min_refresh_rate", &proto.dns_min_refresh_rate, Duration::from_secs(5))?,
        host_ttl: positive("host_ttl", &proto.host_ttl, Duration::from_secs(300))?,
        max_hosts: max_hosts as usize,
        failure: failure.flatten(),
        forgets_failures: proto.disable_dns_refresh_on_failure,
        max_pending: breaker.unwrap_or(1024),
        resolver,
        beforehand: beforehand(&at.field("preresolve_hostnames"), &proto.preresolve_hostnames)?,
        query_timeout,
        without: without(&at.field("resolved_address_filter"), proto.resolved_address_filter.as_ref())?,
    }))
}

fn beforehand(at: &At<'_>, list: &[core::SocketAddress]) -> Result<Vec<(Arc<str>, u16)>, Rejection> {
    let one = |(index, name): (usize, &core::SocketAddress)| {
        let at = at.index(index);
        match address::decode::socket_address(&at, name)? {
            address::Address::Name { host, port } => Ok((host, port)),
            address::Address::Socket(address) => Ok((Arc::from(address.ip().to_string()), address.port())),
            _ => Err(at.reject("is no host and port")),
        }
    };
    list.iter().enumerate().map(one).collect()
}

fn without(at: &At<'_>, proto: Option<&types::matcher::v3::AddressMatcher>) -> Result<Option<Addresses>, Rejection> {
    let Some(matcher) = proto else { return Ok(None) };
    let ranges = address::decode::xds_cidrs(&at.field("ranges"), &matcher.ranges)?;
    Ok(Some(Addresses { ranges, inverted: matcher.invert_match }))
}
