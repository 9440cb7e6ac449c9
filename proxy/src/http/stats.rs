//! Statistics of a connection manager (`http.<stat_prefix>.*`) and of routes that have a `stat_prefix`. Handles are resolved when the
//! configuration is compiled.

use std::sync::Arc;

use crate::stats::{Counter, Gauge, Histogram, Kind, Names, Stats};
use crate::wire::message::Protocol;

macro_rules! http_stats {
    (counters: $($counter:ident)*; gauges: $($gauge:ident)*; histograms: $($histogram:ident)*;) => {
        /// Handles, by Envoy's names.
        #[derive(Debug)]
        #[allow(missing_docs)]
        pub(super) struct HttpStats {
            $(pub $counter: Counter,)*
            $(pub $gauge: Gauge,)*
            $(pub $histogram: Histogram,)*
            /// `tracing.health_check`: what a filter took for health checks, with tracing or without.
            pub health_checks: Counter,
            /// `listener.<address>.http.<prefix>.*`.
            of_listener: ListenerStats,
        }

        impl HttpStats {
            /// Registers the names below `http.<prefix>.`, and those of the listener, whose names begin with `listener`.
            pub fn new(prefix: &str, listener: &str, stats: &Arc<Stats>) -> HttpStats {
                stats.quiet(&format!("http.{prefix}."), QUIET);
                HttpStats {
                    $($counter: stats.counter(&format!("http.{prefix}.{}", stringify!($counter))),)*
                    $($gauge: stats.gauge(&format!("http.{prefix}.{}", stringify!($gauge))),)*
                    $($histogram: stats.histogram(&format!("http.{prefix}.{}", stringify!($histogram))),)*
                    health_checks: stats.counter(&format!("http.{prefix}.tracing.health_check")),
                    of_listener: ListenerStats::new(stats, &format!("{listener}http.{prefix}.")),
                }
            }
        }
    };
}

/// What Envoy shows and does not happen here: there is no HTTP/3, redirects are counted as direct responses (there,
/// too), and without tracing nothing is decided about it.
const QUIET: Names = &[
    (Kind::Gauge, "downstream_cx_http1_soft_drain"),
    (Kind::Gauge, "downstream_cx_http3_active"),
    (Kind::Counter, "downstream_cx_http3_total"),
    (Kind::Counter, "downstream_rq_http3_total"),
    (Kind::Counter, "downstream_rq_rejected_via_ip_detection"),
    (Kind::Counter, "rq_redirect"),
    (Kind::Counter, "tracing.client_enabled"),
    (Kind::Counter, "tracing.not_traceable"),
    (Kind::Counter, "tracing.random_sampling"),
    (Kind::Counter, "tracing.service_forced"),
];

http_stats! {
    counters:
        downstream_cx_total downstream_cx_ssl_total downstream_cx_http1_total downstream_cx_http2_total
        downstream_cx_destroy downstream_cx_destroy_local downstream_cx_destroy_remote
        downstream_cx_destroy_active_rq downstream_cx_destroy_local_active_rq downstream_cx_destroy_remote_active_rq
        downstream_cx_idle_timeout downstream_cx_max_duration_reached downstream_cx_max_requests_reached
        downstream_cx_rx_bytes_total downstream_cx_tx_bytes_total
        downstream_flow_control_paused_reading_total downstream_flow_control_resumed_reading_total
        downstream_cx_delayed_close_timeout
        downstream_cx_overload_disable_keepalive downstream_rq_overload_close rq_overload_local_reply
        downstream_cx_drain_close downstream_cx_protocol_error downstream_cx_upgrades_total
        downstream_rq_total downstream_rq_http1_total downstream_rq_http2_total downstream_rq_completed
        downstream_rq_1xx downstream_rq_2xx downstream_rq_3xx downstream_rq_4xx downstream_rq_5xx
        downstream_rq_too_large rs_too_large
        downstream_rq_timeout downstream_rq_header_timeout downstream_rq_idle_timeout downstream_rq_max_duration_reached
        downstream_rq_non_relative_path downstream_rq_response_before_rq_complete downstream_rq_rx_reset downstream_rq_too_many_premature_resets
        downstream_rq_tx_reset downstream_rq_ws_on_non_ws_route
        downstream_rq_redirected_with_normalized_path downstream_rq_failed_path_normalization
        no_route no_cluster passthrough_internal_redirect_bad_location passthrough_internal_redirect_no_route
        passthrough_internal_redirect_predicate passthrough_internal_redirect_too_many_redirects
        passthrough_internal_redirect_unsafe_scheme rq_direct_response rq_total
        rq_reset_after_downstream_response_started;
    gauges: downstream_cx_active downstream_cx_ssl_active downstream_cx_http1_active downstream_cx_http2_active
        downstream_cx_upgrades_active downstream_rq_active;
    histograms: downstream_cx_length_ms downstream_rq_time;
}

impl HttpStats {
    /// Counts a request that begins.
    pub fn request_begins(&self, protocol: Protocol) {
        self.downstream_rq_total.inc();
        self.downstream_rq_active.inc();
        match protocol {
            Protocol::Http10 | Protocol::Http11 => self.downstream_rq_http1_total.inc(),
            Protocol::Http2 => self.downstream_rq_http2_total.inc(),
        }
    }

    /// Counts a response by its class.
    pub fn response(&self, status: u16) {
        let listener = &self.of_listener;
        self.downstream_rq_completed.inc();
        listener.downstream_rq_completed.inc();
        let [own, of_listener] = match status / 100 {
            1 => [self.downstream_rq_1xx, listener.downstream_rq_1xx],
            2 => [self.downstream_rq_2xx, listener.downstream_rq_2xx],
            3 => [self.downstream_rq_3xx, listener.downstream_rq_3xx],
            4 => [self.downstream_rq_4xx, listener.downstream_rq_4xx],
            5 => [self.downstream_rq_5xx, listener.downstream_rq_5xx],
            _ => return,
        };
        own.inc();
        of_listener.inc();
    }
}

crate::stats::counters! {
    /// Trace decisions, `http.<prefix>.tracing.*`.
    pub(super) struct TracingStats { not_traceable random_sampling service_forced client_enabled }
}

crate::stats::counters! {
    /// The same of one listener, `listener.<address>.http.<prefix>.*`.
    struct ListenerStats {
        downstream_rq_1xx downstream_rq_2xx downstream_rq_3xx downstream_rq_4xx downstream_rq_5xx downstream_rq_completed
    }
}
