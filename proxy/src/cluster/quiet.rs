//! What Envoy shows of a cluster and cannot happen here, or only where endpoints grow stale: no HTTP/3 or early data, no limit on pools, no filter of maintenance; or not there,
//! where it has no subsets and no zones. Shown as 0, for dashboards that ask. Used by [`super::stats`] alone.

use crate::stats::{Kind, Names};

/// Of every cluster.
pub(super) const QUIET: Names = &[
    (Kind::Counter, "assignment_stale"),
    (Kind::Counter, "assignment_timeout_received"),
    (Kind::Counter, "assignment_use_cached"),
    (Kind::Gauge, "circuit_breakers.default.cx_pool_open"),
    (Kind::Gauge, "circuit_breakers.high.cx_pool_open"),
    (Kind::Counter, "http1.dropped_headers_with_underscores"),
    (Kind::Counter, "http1.metadata_not_supported_error"),
    (Kind::Counter, "http1.requests_rejected_with_underscores_in_headers"),
    (Kind::Counter, "http1.response_flood"),
    (Kind::Counter, "lb_local_cluster_not_ok"),
    (Kind::Counter, "lb_recalculate_zone_structures"),
    (Kind::Gauge, "lb_subsets_active"),
    (Kind::Counter, "lb_subsets_created"),
    (Kind::Counter, "lb_subsets_fallback"),
    (Kind::Counter, "lb_subsets_fallback_panic"),
    (Kind::Counter, "lb_subsets_removed"),
    (Kind::Counter, "lb_subsets_selected"),
    (Kind::Counter, "lb_zone_cluster_too_small"),
    (Kind::Counter, "lb_zone_no_capacity_left"),
    (Kind::Counter, "lb_zone_routing_all_directly"),
    (Kind::Counter, "lb_zone_routing_cross_zone"),
    (Kind::Counter, "lb_zone_routing_sampled"),
    (Kind::Counter, "original_dst_host_invalid"),
    (Kind::Counter, "upstream_cx_connect_attempts_exceeded"),
    (Kind::Counter, "upstream_cx_connect_with_0_rtt"),
    (Kind::Counter, "upstream_cx_http3_total"),
    (Kind::Counter, "upstream_cx_pool_overflow"),
    (Kind::Counter, "upstream_cx_preconnect_skipped"),
    (Kind::Counter, "upstream_http3_broken"),
    (Kind::Gauge, "upstream_queue_overloaded"),
    (Kind::Counter, "upstream_rq_0rtt"),
    (Kind::Counter, "upstream_rq_maintenance_mode"),
];

/// Of one with TLS: what has happened is counted with the first handshake that it happened in, and OCSP is not asked for.
pub(super) const QUIET_TLS: Names = &[
    (Kind::Counter, "client_ssl_socket_factory.downstream_context_secrets_not_ready"),
    (Kind::Counter, "client_ssl_socket_factory.ssl_context_update_by_sds"),
    (Kind::Counter, "client_ssl_socket_factory.upstream_context_secrets_not_ready"),
    (Kind::Counter, "ssl.connection_error"),
    (Kind::Counter, "ssl.fail_verify_cert_hash"),
    (Kind::Counter, "ssl.fail_verify_error"),
    (Kind::Counter, "ssl.fail_verify_no_cert"),
    (Kind::Counter, "ssl.fail_verify_san"),
    (Kind::Counter, "ssl.handshake"),
    (Kind::Counter, "ssl.no_certificate"),
    (Kind::Counter, "ssl.ocsp_staple_failed"),
    (Kind::Counter, "ssl.ocsp_staple_omitted"),
    (Kind::Counter, "ssl.ocsp_staple_requests"),
    (Kind::Counter, "ssl.ocsp_staple_responses"),
    (Kind::Counter, "ssl.session_reused"),
];
