//! `OriginalDstLbConfig`, and the same as an extension: what besides the connection says where a request goes. Called by [`super::decode`] and
//! [`super::dns`].

use std::sync::Arc;

use super::{MetadataKey, OriginalDst};
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, cluster::v3 as pb, extensions, types, wkt};
use crate::rate_limit;
use crate::rejection::{At, Rejection};

/// Of the cluster's own field.
pub(super) fn untyped(at: &At<'_>, proto: &pb::Cluster) -> Result<OriginalDst, Rejection> {
    let Some(pb::cluster::LbConfig::OriginalDstLbConfig(config)) = &proto.lb_config else {
        return Ok(OriginalDst::default());
    };
    Fields {
        use_header: config.use_http_header,
        header: &config.http_header_name,
        port: &config.upstream_port_override,
        metadata: &config.metadata_key,
    }
    .read(&at.field("original_dst_lb_config"))
}

/// Of the extension.
pub(super) fn typed(
    at: &At<'_>,
    extension: &crate::extension::Extension<'_>,
    options: &Options,
) -> Result<OriginalDst, Rejection> {
    let config: extensions::clusters::original_dst::v3::OriginalDstCluster = extension.decode(at, options)?;
    Fields {
        use_header: config.use_http_header,
        header: &config.http_header_name,
        port: &config.upstream_port_override,
        metadata: &config.metadata_key,
    }
    .read(at)
}

struct Fields<'a> {
    use_header: bool,
    header: &'a str,
    port: &'a Option<wkt::UInt32Value>,
    metadata: &'a Option<types::metadata::v3::MetadataKey>,
}

impl Fields<'_> {
    fn read(&self, at: &At<'_>) -> Result<OriginalDst, Rejection> {
        let header = match (self.use_header, self.header) {
            (false, "") => None,
            (false, _) => {
                return Err(at.field("http_header_name").reject(
                    "is set and use_http_header is not; set that, too, if the header is meant to name the destination",
                ));
            }
            (true, "") => Some(Arc::from("x-envoy-original-dst-host")),
            (true, name) => Some(field_rules::header_name(&at.field("http_header_name"), name)?),
        };
        let at_port = at.field("upstream_port_override");
        let port = match proto::uint32(self.port) {
            Some(port) => Some(u16::try_from(port).map_err(|_| at_port.reject(format!("{port} is not a port")))?),
            None => None,
        };
        let metadata = match self.metadata {
            Some(_) => {
                let (namespace, path) = rate_limit::decode::metadata_key(&at.field("metadata_key"), self.metadata)?;
                Some(MetadataKey { namespace, path })
            }
            None => None,
        };
        Ok(OriginalDst { header, port, metadata })
    }
}
