//! Response flags as log services read them.

use super::pb;

/// Of their short names; `None` where there are none that log services know.
pub(super) fn message(flags: &[&str]) -> Option<pb::ResponseFlags> {
    let mut message = pb::ResponseFlags::default();
    let known = flags.iter().filter(|flag| set(&mut message, flag)).count();
    (known > 0).then_some(message)
}

fn set(message: &mut pb::ResponseFlags, flag: &str) -> bool {
    use pb::response_flags::{Unauthorized, unauthorized::Reason};
    let place = match flag {
        "LH" => &mut message.failed_local_healthcheck,
        "UH" => &mut message.no_healthy_upstream,
        "UT" => &mut message.upstream_request_timeout,
        "LR" => &mut message.local_reset,
        "UR" => &mut message.upstream_remote_reset,
        "UF" => &mut message.upstream_connection_failure,
        "UC" => &mut message.upstream_connection_termination,
        "UO" => &mut message.upstream_overflow,
        "NR" => &mut message.no_route_found,
        "DI" => &mut message.delay_injected,
        "FI" => &mut message.fault_injected,
        "RL" => &mut message.rate_limited,
        "RLSE" => &mut message.rate_limit_service_error,
        "DC" => &mut message.downstream_connection_termination,
        "URX" => &mut message.upstream_retry_limit_exceeded,
        "SI" => &mut message.stream_idle_timeout,
        "IH" => &mut message.invalid_envoy_request_headers,
        "DPE" => &mut message.downstream_protocol_error,
        "UMSDR" => &mut message.upstream_max_stream_duration_reached,
        "RFCF" => &mut message.response_from_cache_filter,
        "NFCF" => &mut message.no_filter_config_found,
        "DT" => &mut message.duration_timeout,
        "UPE" => &mut message.upstream_protocol_error,
        "NC" => &mut message.no_cluster_found,
        "OM" => &mut message.overload_manager,
        "DF" => &mut message.dns_resolution_failure,
        "DR" => &mut message.downstream_remote_reset,
        "UAEX" => {
            message.unauthorized_details = Some(Unauthorized { reason: Reason::ExternalService.into() });
            return true;
        }
        _ => return false,
    };
    *place = true;
    true
}
