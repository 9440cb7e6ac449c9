//! gRPC servers that xDS resources come from (`ApiConfigSource`). Used for ADS and for each source of secrets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, core::v3 as core, uint32};
use crate::rejection::{At, Rejection};

/// An `ApiConfigSource` over gRPC. Two that are equal are one source.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct XdsServer {
    /// The static cluster that carries it.
    pub cluster: Arc<str>,
    /// `:authority` of the requests: the cluster's name when unset.
    pub authority: Arc<str>,
    /// Delta or state of the world.
    pub delta: bool,
    /// `set_node_on_first_message_only`.
    pub node_on_first_message_only: bool,
    /// `initial_metadata` of the gRPC service.
    pub metadata: Vec<(Arc<str>, Arc<str>)>,
    /// `envoy_grpc.retry_policy.retry_back_off`: the first wait between two streams, and the longest.
    pub back_off: Option<(Duration, Duration)>,
    /// `envoy_grpc.max_receive_message_length`, in octets.
    pub largest_message: Option<u32>,
}

impl fmt::Debug for XdsServer {
    /// Without the values of the metadata, which may be tokens.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.metadata.iter().map(|(name, _)| name).collect();
        out.debug_struct("XdsServer")
            .field("cluster", &self.cluster)
            .field("authority", &self.authority)
            .field("delta", &self.delta)
            .field("metadata", &names)
            .finish_non_exhaustive()
    }
}

/// An `ApiConfigSource`.
pub(crate) fn decode(at: &At<'_>, proto: &core::ApiConfigSource, options: &Options) -> Result<XdsServer, Rejection> {
    use core::api_config_source::ApiType;
    use core::grpc_service::TargetSpecifier;
    let at_type = at.field("api_type");
    let delta = match proto::defined::<ApiType>(&at_type, proto.api_type)? {
        ApiType::Grpc => false,
        ApiType::DeltaGrpc => true,
        aggregated @ (ApiType::AggregatedGrpc | ApiType::AggregatedDeltaGrpc) => {
            let name = aggregated.as_str_name();
            return Err(at_type.reject(format!("Unsupported config source {name}; choose GRPC or DELTA_GRPC")));
        }
        ApiType::Rest | ApiType::DeprecatedAndUnavailableDoNotUse => {
            return Err(at_type.reject("only GRPC and DELTA_GRPC are supported; choose one of them"));
        }
    };
    if proto.transport_api_version == core::ApiVersion::V2 as i32 {
        return Err(at
            .field("transport_api_version")
            .reject("the v2 xDS major version has been removed and is no longer supported; set V3"));
    }
    if !proto.cluster_names.is_empty() {
        return Err(at
            .field("cluster_names")
            .reject("is for REST sources alone; name the cluster in grpc_services[0].envoy_grpc.cluster_name"));
    }
    if !proto.config_validators.is_empty() {
        return Err(at
            .field("config_validators")
            .unsupported("are not supported: updates would not be judged by them"));
    }
    let at_services = at.field("grpc_services");
    let [service] = proto.grpc_services.as_slice() else {
        let count = proto.grpc_services.len();
        return Err(at_services.reject(format!("must name exactly one gRPC service and names {count}")));
    };
    let at = at_services.index(0);
    let Some(TargetSpecifier::EnvoyGrpc(grpc)) = &service.target_specifier else {
        return Err(at.only_envoys("only envoy_grpc is supported; name a static cluster"));
    };
    let at_metadata = at.field("initial_metadata");
    let metadata = service.initial_metadata.iter().enumerate();
    let metadata = metadata.map(|(index, header)| field_rules::plain_header(&at_metadata.index(index), header));
    for (field, is_set) in [("timeout", service.timeout.is_some()), ("retry_policy", service.retry_policy.is_some())] {
        if is_set {
            options.note(
                &at.field(field),
                format_args!("{field} is for single calls and not acting: a stream of configuration stays open, and is opened again"),
            );
        }
    }
    let at = at.field("envoy_grpc");
    let cluster = field_rules::not_empty(&at.field("cluster_name"), &grpc.cluster_name)?;
    field_rules::header_value(&at.field("authority"), &grpc.authority)?;
    Ok(XdsServer {
        authority: proto::text(&grpc.authority).unwrap_or_else(|| cluster.clone()),
        cluster,
        delta,
        node_on_first_message_only: proto.set_node_on_first_message_only,
        metadata: metadata.collect::<Result<_, _>>()?,
        back_off: back_off(&at, grpc.retry_policy.as_ref())?,
        largest_message: uint32(&grpc.max_receive_message_length).filter(|most| *most > 0),
    })
}

fn back_off(at: &At<'_>, policy: Option<&core::RetryPolicy>) -> Result<Option<(Duration, Duration)>, Rejection> {
    let at = at.field("retry_policy");
    let at = at.field("retry_back_off");
    let Some(back_off) = policy.and_then(|policy| policy.retry_back_off.as_ref()) else { return Ok(None) };
    let at_base = at.field("base_interval");
    let base = proto::positive(&at_base, &back_off.base_interval)?
        .ok_or_else(|| at_base.reject("is required and not set; set it"))?;
    let at_max = at.field("max_interval");
    let max = proto::positive(&at_max, &back_off.max_interval)?.unwrap_or(base.saturating_mul(10));
    if max < base {
        return Err(at_max.reject("is below base_interval; raise it"));
    }
    Ok(Some((base, max)))
}
