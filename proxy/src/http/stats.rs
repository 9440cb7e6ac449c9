//! Statistics of a connection manager (`http.<stat_prefix>.*`) and of routes that have a `stat_prefix`. Handles are resolved when the
//! configuration is compiled.

use std::sync::Arc;

use crate::stats::{Counter, Gauge, Histogram, Stats};
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
        }

        impl HttpStats {
            /// Registers the names below `http.<prefix>.`.
            pub fn new(prefix: &str, stats: &Arc<Stats>) -> HttpStats {
                HttpStats {
                    $($counter: stats.counter(&format!("http.{prefix}.{}", stringify!($counter))),)*
                    $($gauge: stats.gauge(&format!("http.{prefix}.{}", stringify!($gauge))),)*
                    $($histogram: stats.histogram(&format!("http.{prefix}.{}", stringify!($histogram))),)*
                }
            }
        }
    };
}

http_stats! {
    counters:
        downstream_cx_total downstream_cx_ssl_total downstream_cx_http1_total downstream_cx_http2_total
        downstream_cx_destroy downstream_cx_destroy_local downstream_cx_destroy_remote
        downstream_cx_destroy_active_rq downstream_cx_destroy_local_active_rq downstream_cx_destroy_remote_active_rq
        downstream_cx_idle_timeout downstream_cx_max_duration_reached downstream_cx_max_requests_reached
        downstream_cx_rx_bytes_total downstream_cx_tx_bytes_total
        downstream_cx_drain_close downstream_cx_protocol_error downstream_cx_upgrades_total
        downstream_rq_total downstream_rq_http1_total downstream_rq_http2_total downstream_rq_completed
        downstream_rq_1xx downstream_rq_2xx downstream_rq_3xx downstream_rq_4xx downstream_rq_5xx
        downstream_rq_too_large rs_too_large
        downstream_rq_timeout downstream_rq_header_timeout downstream_rq_idle_timeout downstream_rq_max_duration_reached
        downstream_rq_non_relative_path downstream_rq_rx_reset downstream_rq_too_many_premature_resets
        downstream_rq_tx_reset downstream_rq_ws_on_non_ws_route
        downstream_rq_redirected_with_normalized_path downstream_rq_failed_path_normalization
        no_route no_cluster passthrough_internal_redirect_bad_location passthrough_internal_redirect_no_route
        passthrough_internal_redirect_predicate passthrough_internal_redirect_too_many_redirects
        passthrough_internal_redirect_unsafe_scheme rq_direct_response rq_redirect rq_total rq_reset_after_downstream_response_started;
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
        self.downstream_rq_completed.inc();
        match status / 100 {
            1 => self.downstream_rq_1xx.inc(),
            2 => self.downstream_rq_2xx.inc(),
            3 => self.downstream_rq_3xx.inc(),
            4 => self.downstream_rq_4xx.inc(),
            5 => self.downstream_rq_5xx.inc(),
            _ => {}
        }
    }
}

crate::stats::counters! {
    /// Trace decisions, `http.<prefix>.tracing.*`; health checks are what a filter took for some.
    pub(super) struct TracingStats { not_traceable random_sampling service_forced client_enabled health_check }
}
