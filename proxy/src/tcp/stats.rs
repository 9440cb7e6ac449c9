//! Statistics of a TCP proxy (`tcp.<stat_prefix>.*`). Names are Envoy's.

use std::sync::Arc;

use crate::stats::{Counter, Stats};
use crate::transport::ByteCounts;

pub(super) struct TcpStats {
    pub cx_total: Counter,
    pub cx_no_route: Counter,
    pub bytes: ByteCounts,
    pub idle_timeout: Counter,
    pub max_duration: Counter,
    pub early_data: Counter,
    pub drain_close: Counter,
}

impl TcpStats {
    pub fn new(stat_prefix: &str, stats: &Arc<Stats>) -> TcpStats {
        let counter = |name: &str| stats.counter(&format!("tcp.{stat_prefix}.{name}"));
        // Envoy counts here upstreams that outlive their downstream; ours end together. Shown, always 0.
        counter("upstream_flush_total");
        stats.gauge(&format!("tcp.{stat_prefix}.upstream_flush_active"));
        TcpStats {
            cx_total: counter("downstream_cx_total"),
            cx_no_route: counter("downstream_cx_no_route"),
            bytes: ByteCounts {
                read: counter("downstream_cx_rx_bytes_total"),
                written: counter("downstream_cx_tx_bytes_total"),
            },
            idle_timeout: counter("idle_timeout"),
            max_duration: counter("max_downstream_connection_duration"),
            early_data: counter("early_data_received_count_total"),
            drain_close: counter("downstream_cx_drain_close"),
        }
    }
}
