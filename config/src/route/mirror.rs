//! `RequestMirrorPolicy` to plain data. Called for routes, virtual hosts, tables and clusters.

use std::sync::Arc;

use super::{Mirror, MirrorTarget};
use crate::field_rules;
use crate::header_mutation;
use crate::matcher;
use crate::options::Options;
use crate::proto::{self, route::v3 as pb};
use crate::rejection::{At, Rejection};

/// The mirrors of one level.
pub(crate) fn policies(
    at: &At<'_>,
    list: &[pb::route_action::RequestMirrorPolicy],
    options: &Options,
) -> Result<Vec<Mirror>, Rejection> {
    list.iter().enumerate().map(|(index, one)| policy(&at.index(index), one, options)).collect()
}

fn policy(at: &At<'_>, proto: &pb::route_action::RequestMirrorPolicy, options: &Options) -> Result<Mirror, Rejection> {
    let fraction = proto.runtime_fraction.as_ref();
    let fraction =
        fraction.map(|one| matcher::decode::fraction_at(&at.field("runtime_fraction"), one, options)).transpose()?;
    field_rules::header_value(&at.field("host_rewrite_literal"), &proto.host_rewrite_literal)?;
    let at_mutations = at.field("request_headers_mutations");
    if proto.request_headers_mutations.len() > MOST_MUTATIONS {
        return Err(at_mutations.reject(format!("must have at most {MOST_MUTATIONS} elements")));
    }
    Ok(Mirror {
        to: target(at, proto)?,
        fraction,
        keeps_host: proto.disable_shadow_host_suffix_append,
        mutations: header_mutation::decode(&at_mutations, &proto.request_headers_mutations)?,
        host_rewrite: proto::text(&proto.host_rewrite_literal),
        traced: proto::bool_or(&proto.trace_sampled, true),
    })
}

const MOST_MUTATIONS: usize = 1000;

fn target(at: &At<'_>, proto: &pb::route_action::RequestMirrorPolicy) -> Result<MirrorTarget, Rejection> {
    match (proto.cluster.as_str(), proto.cluster_header.as_str()) {
        ("", "") => {
            Err(at.reject("Exactly one of cluster or cluster_header in request mirror policy need to be specified"))
        }
        ("", header) => Ok(MirrorTarget::Header(field_rules::header_name(&at.field("cluster_header"), header)?)),
        (cluster, "") => Ok(MirrorTarget::Cluster(Arc::from(cluster))),
        (cluster, header) => Err(at.reject(format!(
            "Only one of cluster '{cluster}' or cluster_header '{header}' in request mirror policy can be specified"
        ))),
    }
}
