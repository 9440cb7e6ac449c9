//! `envoy.clusters.dynamic_forward_proxy`: a cluster that goes where each request asks. Called by [`super::decode`].

use std::sync::Arc;

use super::{Balancer, UpstreamHttp};
use crate::dns_cache::{self, DnsCache};
use crate::extension;
use crate::options::Options;
use crate::proto::{cluster::v3 as pb, extensions::clusters::dynamic_forward_proxy::v3 as typed};
use crate::rejection::{At, Rejection};

/// Its type.
const TYPE: &str = "envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig";

/// The cache of such a cluster; `None` for one of another kind. Beyond its own config Envoy demands that who is asked proves that he is
/// who was asked for.
pub(super) fn decode(
    at: &At<'_>,
    proto: &pb::Cluster,
    balancer: &Balancer,
    http: &mut UpstreamHttp,
    options: &Options,
) -> Result<Option<Arc<DnsCache>>, Rejection> {
    use typed::cluster_config::ClusterImplementationSpecifier as Kind;
    let Some(pb::cluster::ClusterDiscoveryType::ClusterType(custom)) = &proto.cluster_discovery_type else {
        return Ok(None);
    };
    let at_type = at.field("cluster_type");
    let at_config = at_type.field("typed_config");
    let extension = extension::open_required(&at_config, &custom.typed_config)?;
    if extension.type_name != TYPE {
        return Ok(None);
    }
    if *balancer != Balancer::ClusterProvided {
        return Err(at
            .field("lb_policy")
            .reject("only CLUSTER_PROVIDED is allowed with cluster type 'envoy.clusters.dynamic_forward_proxy'"));
    }
    if proto.typed_extension_protocol_options.is_empty() && proto.upstream_http_protocol_options.is_none() {
        (http.auto_sni, http.auto_san_validation) = (true, true);
    }
    let config: typed::ClusterConfig = extension.decode(&at_config, options)?;
    if !(config.allow_insecure_cluster_options || http.auto_sni && http.auto_san_validation) {
        return Err(at_config.field("allow_insecure_cluster_options").reject(
            "dynamic_forward_proxy cluster must have auto_sni and auto_san_validation true unless allow_insecure_cluster_options is set",
        ));
    }
    match &config.cluster_implementation_specifier {
        Some(Kind::DnsCacheConfig(config)) => {
            dns_cache::decode(&at_config.field("dns_cache_config"), config, options).map(Some)
        }
        Some(Kind::SubClustersConfig(_)) => Err(at_config
            .field("sub_clusters_config")
            .only_envoys("clusters of one host each are not made; give dns_cache_config")),
        None => Err(at_config.field("dns_cache_config").reject("is required and not set; set it")),
    }
}
