//! How names are looked up: resolver settings in each of their spellings (`typed_dns_resolver_config`, `dns_resolution_config`, the fields of old).
//! Called for DNS clusters, for caches of dynamic forward proxies, and for the bootstrap.

use std::net::SocketAddr;
use std::time::Duration;

use crate::address::{self, Address};
use crate::extension::{self, Extension};
use crate::options::Options;
use crate::proto::{self, core::v3 as core, extensions, uint32};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

/// Whom to ask, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct DnsResolver {
    /// Servers in place of the system's; none means those.
    pub servers: Vec<SocketAddr>,
    /// `use_resolvers_as_fallback`: the system's servers are asked where there are any.
    pub is_fallback: bool,
    /// `use_tcp_for_dns_lookups`: never over UDP.
    pub tcp: bool,
    /// `no_default_search_domain`: names are asked for as they stand.
    pub no_search: bool,
    /// `query_timeout_seconds`.
    pub timeout: Option<Duration>,
    /// `query_tries`.
    pub tries: Option<u32>,
    /// `rotate_nameservers`: servers are asked in turn, and not the first one first.
    pub rotates: bool,
    /// `filter_unroutable_families`: addresses of a family that no interface has are left out.
    pub routable_only: bool,
    /// `edns0_max_payload_size`.
    pub payload: Option<u16>,
}

/// One of the two messages that hold a resolver, and where: the typed one counts.
pub(crate) struct Spellings<'a> {
    pub typed: Option<&'a core::TypedExtensionConfig>,
    pub untyped: Option<&'a core::DnsResolutionConfig>,
}

/// What either spelling says; `None` where neither is there.
pub(crate) fn decode(
    at: &At<'_>,
    spellings: &Spellings<'_>,
    options: &Options,
) -> Result<Option<DnsResolver>, Rejection> {
    if let Some(config) = spellings.typed {
        return typed(&at.field("typed_dns_resolver_config"), config, options).map(Some);
    }
    let Some(config) = spellings.untyped else { return Ok(None) };
    let at = at.field("dns_resolution_config");
    let servers = addresses(&at.field("resolvers"), &config.resolvers)?;
    Ok(Some(DnsResolver { servers, ..asked(config.dns_resolver_options.as_ref()) }))
}

/// A resolver that is an extension.
pub(super) fn typed(
    at: &At<'_>,
    config: &core::TypedExtensionConfig,
    options: &Options,
) -> Result<DnsResolver, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &config.typed_config)?;
    match &*extension.type_name {
        "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig" => cares(&at, &extension, options),
        "envoy.extensions.network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig" => {
            let config: extensions::network::dns_resolver::getaddrinfo::v3::GetAddrInfoDnsResolverConfig =
                extension.decode(&at, options)?;
            let tries = uint32(&config.num_retries).map(|retries| retries.saturating_add(1));
            Ok(DnsResolver { tries, ..DnsResolver::default() })
        }
        _ => {
            registry::inert(&at, Kind::DnsResolver, &config.name, &extension, options)?;
            Ok(DnsResolver::default())
        }
    }
}

fn cares(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<DnsResolver, Rejection> {
    let cares: extensions::network::dns_resolver::cares::v3::CaresDnsResolverConfig = extension.decode(at, options)?;
    Ok(DnsResolver {
        servers: addresses(&at.field("resolvers"), &cares.resolvers)?,
        is_fallback: cares.use_resolvers_as_fallback,
        timeout: cares.query_timeout_seconds.as_ref().map(|seconds| Duration::from_secs(seconds.value)),
        tries: uint32(&cares.query_tries),
        rotates: cares.rotate_nameservers,
        routable_only: cares.filter_unroutable_families,
        payload: uint32(&cares.edns0_max_payload_size).and_then(|size| u16::try_from(size).ok()),
        ..asked(cares.dns_resolver_options.as_ref())
    })
}

fn asked(proto: Option<&core::DnsResolverOptions>) -> DnsResolver {
    let Some(proto) = proto else { return DnsResolver::default() };
    DnsResolver {
        tcp: proto.use_tcp_for_dns_lookups,
        no_search: proto.no_default_search_domain,
        ..DnsResolver::default()
    }
}

pub(super) fn addresses(at: &At<'_>, list: &[core::Address]) -> Result<Vec<SocketAddr>, Rejection> {
    let one = |(index, proto): (usize, &core::Address)| match address::decode::address(&at.index(index), proto)? {
        Address::Socket(address) => Ok(address),
        _ => Err(at.index(index).reject("a DNS resolver is given by IP address and port")),
    };
    list.iter().enumerate().map(one).collect()
}

/// `RefreshRate`: how soon after a failure, and how late at most.
pub(crate) fn failure_rate(
    at: &At<'_>,
    base: &Option<proto::wkt::Duration>,
    most: &Option<proto::wkt::Duration>,
) -> Result<Option<(Duration, Duration)>, Rejection> {
    let at = at.field("dns_failure_refresh_rate");
    let Some(base) = proto::positive(&at.field("base_interval"), base)? else { return Ok(None) };
    let most = proto::positive(&at.field("max_interval"), most)?.unwrap_or(base.saturating_mul(10));
    if most < base {
        return Err(at.reject("must have max_interval greater than or equal to the base_interval"));
    }
    Ok(Some((base, most)))
}

/// `dns_lookup_family` of a cluster or a cache.
pub(crate) fn family(at: &At<'_>, value: i32) -> Result<super::DnsFamily, Rejection> {
    use proto::cluster::v3::cluster::DnsLookupFamily;
    Ok(match proto::defined::<DnsLookupFamily>(&at.field("dns_lookup_family"), value)? {
        DnsLookupFamily::Auto => super::DnsFamily::Auto,
        DnsLookupFamily::V4Only => super::DnsFamily::V4Only,
        DnsLookupFamily::V6Only => super::DnsFamily::V6Only,
        DnsLookupFamily::V4Preferred => super::DnsFamily::V4Preferred,
        DnsLookupFamily::All => super::DnsFamily::All,
    })
}
