//! Statistics of the HTTP/2 codec, under Envoy's names: `http2.*` for all downstream connections, `cluster.<name>.http2.*` for a
//! cluster's. Resolved by the owners of connections and copied into each.

use crate::stats::{Counter, Gauge};

macro_rules! codec_stats {
    (counters: $($counter:ident)*; gauges: $($gauge:ident)*;) => {
        /// Handles.
        #[derive(Debug, Clone, Copy)]
        #[allow(missing_docs)]
        pub struct CodecStats {
            $(pub $counter: Counter,)*
            $(pub $gauge: Gauge,)*
            /// `upstream_cx_close_notify` of the connection's cluster: the peer has announced its end.
            pub close_notify: Counter,
        }

        impl CodecStats {
            /// Counts nothing.
            pub const NONE: CodecStats = CodecStats { $($counter: Counter::NONE,)* $($gauge: Gauge::NONE,)* close_notify: Counter::NONE };

            /// Resolves the names below `http2.`.
            pub fn new(counter: impl Fn(&str) -> Counter, gauge: impl Fn(&str) -> Gauge) -> CodecStats {
                CodecStats {
                    $($counter: counter(concat!("http2.", stringify!($counter))),)*
                    $($gauge: gauge(concat!("http2.", stringify!($gauge))),)*
                    close_notify: Counter::NONE,
                }
            }
        }
    };
}

codec_stats! {
    counters:
        dropped_headers_with_underscores goaway_sent header_overflow inbound_empty_frames_flood inbound_priority_frames_flood
        inbound_window_update_frames_flood keepalive_timeout outbound_control_flood outbound_flood
        requests_rejected_with_underscores_in_headers rx_messaging_error rx_reset stream_refused_errors trailers tx_flush_timeout
        tx_reset;
    gauges: pending_send_bytes streams_active;
}
