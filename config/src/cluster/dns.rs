//! DNS settings of a cluster, and clusters that are extensions (`cluster_type`). Called by [`super::decode`].

use std::time::Duration;

use super::resolver::{self, Spellings};
use super::{Discovery, DnsFamily, DnsResolver, DnsSettings, decode};
use crate::extension;
use crate::options::Options;
use crate::proto::{self, cluster::v3 as pb, extensions};
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};

const DEFAULT_REFRESH: Duration = Duration::from_secs(5);

/// The settings in the cluster's own (deprecated, and by istiod used) fields.
pub(super) fn settings(at: &At<'_>, proto: &pb::Cluster, options: &Options) -> Result<DnsSettings, Rejection> {
    let (typed, untyped) = (proto.typed_dns_resolver_config.as_ref(), proto.dns_resolution_config.as_ref());
    let resolver = match resolver::decode(at, &Spellings { typed, untyped }, options)? {
        Some(resolver) => resolver,
        None if proto.dns_resolvers.is_empty() && !proto.use_tcp_for_dns_lookups => options.dns_resolver.clone(),
        None => DnsResolver {
            servers: resolver::addresses(&at.field("dns_resolvers"), &proto.dns_resolvers)?,
            tcp: proto.use_tcp_for_dns_lookups,
            ..DnsResolver::default()
        },
    };
    let failure = proto.dns_failure_refresh_rate.as_ref();
    let failure =
        failure.map(|rate| resolver::failure_rate(at, &rate.base_interval, &rate.max_interval)).transpose()?;
    Ok(DnsSettings {
        family: resolver::family(at, proto.dns_lookup_family)?,
        refresh: proto::positive(&at.field("dns_refresh_rate"), &proto.dns_refresh_rate)?.unwrap_or(DEFAULT_REFRESH),
        respect_ttl: proto.respect_dns_ttl,
        least: Duration::ZERO,
        jitter: proto::duration(&at.field("dns_jitter"), &proto.dns_jitter)?.unwrap_or_default(),
        resolver,
        failure: failure.flatten(),
        waits: waits(proto),
    })
}

/// Where nothing is said, nothing waits for names.
fn waits(proto: &pb::Cluster) -> bool {
    proto::bool_or(&proto.wait_for_warm_on_init, false)
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
    let failure =
        failure.map(|rate| resolver::failure_rate(at, &rate.base_interval, &rate.max_interval)).transpose()?;
    let settings = DnsSettings {
        family,
        refresh: proto::positive(&at.field("dns_refresh_rate"), &dns.dns_refresh_rate)?.unwrap_or(DEFAULT_REFRESH),
        respect_ttl: dns.respect_dns_ttl,
        least: proto::duration(&at.field("dns_min_refresh_rate"), &dns.dns_min_refresh_rate)?.unwrap_or_default(),
        jitter: proto::duration(&at.field("dns_jitter"), &dns.dns_jitter)?.unwrap_or_default(),
        resolver: resolver::decode(
            at,
            &Spellings { typed: dns.typed_dns_resolver_config.as_ref(), untyped: None },
            options,
        )?
        .unwrap_or_else(|| options.dns_resolver.clone()),
        failure: failure.flatten(),
        waits: waits(proto),
    };
    let root = At::root();
    let assignment = decode::assignment(&root, proto)?;
    if dns.all_addresses_in_single_endpoint {
        decode::single_endpoint(&root, &assignment)?;
        return Ok(Discovery::LogicalDns(assignment, settings));
    }
    Ok(Discovery::StrictDns(assignment, settings))
}
