//! Statistics of a compressor, `http.<prefix>.compressor.<library's name>.<library>.*`, by Envoy's names. Used by the filter alone.

use std::sync::Arc;

use crate::stats::{self, counters};

/// All of them.
#[derive(Debug)]
pub(super) struct Stats {
    pub request: Common,
    pub response: Common,
    pub choice: Choice,
}

counters! {
    /// Those of a direction.
    pub(super) struct Common {
        compressed not_compressed total_uncompressed_bytes total_compressed_bytes content_length_too_small
    }
}

counters! {
    /// What clients accept.
    pub(super) struct Choice {
        no_accept_header header_identity header_compressor_used header_compressor_overshadowed header_wildcard
        header_not_valid not_compressed_etag
    }
}

impl Stats {
    /// Registers the names below `prefix`; those of responses below its `response.` if that is configured by itself.
    pub fn new(stats: &Arc<stats::Stats>, prefix: &str, own: bool) -> Stats {
        let responses = if own { "response." } else { "" };
        Stats {
            request: Common::new(stats, &format!("{prefix}request.")),
            response: Common::new(stats, &format!("{prefix}{responses}")),
            choice: Choice::new(stats, prefix),
        }
    }
}
