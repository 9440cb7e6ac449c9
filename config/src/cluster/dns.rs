//! DNS settings of a cluster, and clusters that are extensions (`cluster_type`). Called by [`super::decode`].

use std::net::SocketAddr;
use std::time::Duration;

use super::{Discovery, DnsFamily, DnsSettings, decode};
use crate::address::{self, Address};
use crate::extension;
use crate::options::Options;
use crate::proto::{self, cluster::v3 as pb, core::v3 as core, extensions, wkt};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

const DEFAULT_REFRESH: Duration = Duration::from_secs(5);

/// The settings in the cluster's own (deprecated, and by istiod used) fields.
pub(super) fn settings(at: &At<'_>, proto: &pb::Cluster, options: &Options) -> Result<DnsSettings, Rejection> {
    use pb::cluster::DnsLookupFamily;
    let family = match proto::defined::<DnsLookupFamily>(&at.field("dns_lookup_family"), proto.dns_lookup_family)? {
        DnsLookupFamily::Auto => DnsFamily::Auto,
        DnsLookupFamily::V4Only => DnsFamily::V4Only,
        DnsLookupFamily::V6Only => DnsFamily::V6Only,
        DnsLookupFamily::V4Preferred => DnsFamily::V4Preferred,
        DnsLookupFamily::All => DnsFamily::All,
    };
    let resolvers = match &proto.typed_dns_resolver_config {
        Some(config) => resolvers(&at.field("typed_dns_resolver_config"), config, options)?,
        None => match &proto.dns_resolution_config {
            Some(config) => addresses(&at.field("dns_resolution_config").field("resolvers"), &config.resolvers)?,
            None => addresses(&at.field("dns_resolvers"), &proto.dns_resolvers)?,
        },
    };
    let failure = proto.dns_failure_refresh_rate.as_ref();
    let failure = failure.map(|rate| failure_rate(at, &rate.base_interval, &rate.max_interval)).transpose()?;
    Ok(DnsSettings {
        family,
        refresh: proto::positive(&at.field("dns_refresh_rate"), &proto.dns_refresh_rate)?.unwrap_or(DEFAULT_REFRESH),
        respect_ttl: proto.respect_dns_ttl,
        jitter: proto::duration(&at.field("dns_jitter"), &proto.dns_jitter)?.unwrap_or_default(),
        resolvers,
        failure: failure.flatten(),
    })
}

/// `RefreshRate` of either spelling.
fn failure_rate(
    at: &At<'_>,
    base: &Option<wkt::Duration>,
    most: &Option<wkt::Duration>,
) -> Result<Option<(Duration, Duration)>, Rejection> {
    let at = at.field("dns_failure_refresh_rate");
    let Some(base) = proto::positive(&at.field("base_interval"), base)? else { return Ok(None) };
    let most = proto::positive(&at.field("max_interval"), most)?.unwrap_or(base.saturating_mul(10));
    if most < base {
        return Err(at.reject("must have max_interval greater than or equal to the base_interval"));
    }
    Ok(Some((base, most)))
}

/// A cluster whose kind is an extension.
pub(super) fn custom(
    at: &At<'_>,
    custom: &pb::cluster::CustomClusterType,
    proto: &pb::Cluster,
    options: &Options,
) -> Result<Discovery, Rejection> {
    let at_config = at.field("typed_config");
    let extension = extension::open_required(&at_config, &custom.typed_config)?;
    match &*extension.type_name {
        "envoy.extensions.clusters.dns.v3.DnsCluster" => {
            dns_cluster(&at_config, &extension.decode(&at_config, options)?, proto, options)
        }
        "envoy.extensions.clusters.original_dst.v3.OriginalDstCluster" => {
            Ok(Discovery::OriginalDst(super::original_dst::typed(&at_config, &extension, options)?))
        }
        _ => {
            registry::inert(&at_config, Kind::Cluster, &custom.name, &extension, options)?;
            Ok(Discovery::Inert(extension.type_name.as_ref().into()))
        }
    }
}

fn dns_cluster(
    at: &At<'_>,
    dns: &extensions::clusters::dns::v3::DnsCluster,
    proto: &pb::Cluster,
    options: &Options,
) -> Result<Discovery, Rejection> {
    use extensions::clusters::common::dns::v3::DnsLookupFamily;
    let family = match proto::defined::<DnsLookupFamily>(&at.field("dns_lookup_family"), dns.dns_lookup_family)? {
        DnsLookupFamily::Unspecified | DnsLookupFamily::Auto => DnsFamily::Auto,
        DnsLookupFamily::V4Only => DnsFamily::V4Only,
        DnsLookupFamily::V6Only => DnsFamily::V6Only,
        DnsLookupFamily::V4Preferred => DnsFamily::V4Preferred,
        DnsLookupFamily::All => DnsFamily::All,
    };
    let failure = dns.dns_failure_refresh_rate.as_ref();
    let failure = failure.map(|rate| failure_rate(at, &rate.base_interval, &rate.max_interval)).transpose()?;
    let settings = DnsSettings {
        family,
        refresh: proto::positive(&at.field("dns_refresh_rate"), &dns.dns_refresh_rate)?.unwrap_or(DEFAULT_REFRESH),
        respect_ttl: dns.respect_dns_ttl,
        jitter: proto::duration(&at.field("dns_jitter"), &dns.dns_jitter)?.unwrap_or_default(),
        resolvers: match &dns.typed_dns_resolver_config {
            Some(config) => resolvers(&at.field("typed_dns_resolver_config"), config, options)?,
            None => Vec::new(),
        },
        failure: failure.flatten(),
    };
    let root = At::root();
    let assignment = decode::assignment(&root, proto)?;
    if dns.all_addresses_in_single_endpoint {
        decode::single_endpoint(&root, &assignment)?;
        return Ok(Discovery::LogicalDns(assignment, settings));
    }
    Ok(Discovery::StrictDns(assignment, settings))
}

fn resolvers(
    at: &At<'_>,
    config: &core::TypedExtensionConfig,
    options: &Options,
) -> Result<Vec<SocketAddr>, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &config.typed_config)?;
    if extension.type_name == "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig" {
        let cares: extensions::network::dns_resolver::cares::v3::CaresDnsResolverConfig =
            extension.decode(&at, options)?;
        return addresses(&at.field("resolvers"), &cares.resolvers);
    }
    registry::inert(&at, Kind::DnsResolver, &config.name, &extension, options)?;
    Ok(Vec::new())
}

fn addresses(at: &At<'_>, list: &[core::Address]) -> Result<Vec<SocketAddr>, Rejection> {
    let one = |(index, proto): (usize, &core::Address)| match address::decode::address(&at.index(index), proto)? {
        Address::Socket(address) => Ok(address),
        _ => Err(at.index(index).reject("a DNS resolver is given by IP address and port")),
    };
    list.iter().enumerate().map(one).collect()
}
