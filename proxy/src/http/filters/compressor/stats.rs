//! Statistics of a compressor, `http.<prefix>.compressor.<library's name>.<library>.*`, by Envoy's names. Used by the filter alone.

use std::sync::Arc;

use crate::stats::{self, Counter};

/// All of them.
#[derive(Debug)]
pub(super) struct Stats {
    pub request: Common,
    pub response: Common,
    pub no_accept_header: Counter,
    pub header_identity: Counter,
    pub header_compressor_used: Counter,
    pub header_compressor_overshadowed: Counter,
    pub header_wildcard: Counter,
    pub header_not_valid: Counter,
    pub not_compressed_etag: Counter,
}

/// Those of a direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    pub compressed: Counter,
    pub not_compressed: Counter,
    pub total_uncompressed_bytes: Counter,
    pub total_compressed_bytes: Counter,
    pub content_length_too_small: Counter,
}

impl Stats {
    /// Registers the names below `prefix`; those of responses below its `response.` if that is configured by itself.
    pub fn new(stats: &Arc<stats::Stats>, prefix: &str, own: bool) -> Stats {
        let counter = |name: &str| stats.counter(&format!("{prefix}{name}"));
        let common = |direction: &str| {
            let counter = |name: &str| counter(&format!("{direction}{name}"));
            Common {
                compressed: counter("compressed"),
                not_compressed: counter("not_compressed"),
                total_uncompressed_bytes: counter("total_uncompressed_bytes"),
                total_compressed_bytes: counter("total_compressed_bytes"),
                content_length_too_small: counter("content_length_too_small"),
            }
        };
        Stats {
            request: common("request."),
            response: common(if own { "response." } else { "" }),
            no_accept_header: counter("no_accept_header"),
            header_identity: counter("header_identity"),
            header_compressor_used: counter("header_compressor_used"),
            header_compressor_overshadowed: counter("header_compressor_overshadowed"),
            header_wildcard: counter("header_wildcard"),
            header_not_valid: counter("header_not_valid"),
            not_compressed_etag: counter("not_compressed_etag"),
        }
    }
}
