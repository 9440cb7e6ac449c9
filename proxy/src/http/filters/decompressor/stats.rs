//! Statistics of a decompressor, `http.<prefix>.decompressor.<library's name>.<library>.*`, by Envoy's names. Used by the filter alone.

use std::sync::Arc;

use crate::http::filters::compression::Broken;
use crate::http::filters::filter::Way;
use crate::stats::{self, Counter};

/// All of them.
#[derive(Debug)]
pub(super) struct Stats {
    pub request: Common,
    pub response: Common,
    broken: Vec<(Broken, Counter)>,
}

/// Those of a direction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    pub decompressed: Counter,
    pub not_decompressed: Counter,
    pub total_uncompressed_bytes: Counter,
    pub total_compressed_bytes: Counter,
}

impl Stats {
    /// Registers the names below `prefix` and the library's.
    pub fn new(stats: &Arc<stats::Stats>, prefix: &str, (library, broken): (&str, &[(Broken, &'static str)])) -> Stats {
        let counter = |name: &str| stats.counter(&format!("{prefix}.{library}.{name}"));
        let common = |direction: &str| {
            let counter = |name: &str| counter(&format!("{direction}.{name}"));
            Common {
                decompressed: counter("decompressed"),
                not_decompressed: counter("not_decompressed"),
                total_uncompressed_bytes: counter("total_uncompressed_bytes"),
                total_compressed_bytes: counter("total_compressed_bytes"),
            }
        };
        let broken = broken.iter().map(|(broken, name)| (*broken, counter(&format!("decompressor_library.{name}"))));
        Stats { request: common("request"), response: common("response"), broken: broken.collect() }
    }

    /// Those of one direction.
    pub fn of(&self, way: Way) -> Common {
        match way {
            Way::Request => self.request,
            Way::Response => self.response,
        }
    }

    /// A body could not be decompressed.
    pub fn broken(&self, broken: Broken) {
        if let Some((_, counter)) = self.broken.iter().find(|(one, _)| *one == broken) {
            counter.inc();
        }
    }
}
