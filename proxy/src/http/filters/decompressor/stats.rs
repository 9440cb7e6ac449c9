//! Statistics of a decompressor, `http.<prefix>.decompressor.<library's name>.<library>.*`, by Envoy's names. Used by the filter alone.

use std::sync::Arc;

use crate::http::filters::compression::Broken;
use crate::http::filters::filter::Way;
use crate::stats::{self, Counter, counters};

/// All of them.
#[derive(Debug)]
pub(super) struct Stats {
    pub request: Common,
    pub response: Common,
    broken: Vec<(Broken, Counter)>,
}

counters! {
    /// Those of a direction.
    pub(super) struct Common { decompressed not_decompressed total_uncompressed_bytes total_compressed_bytes }
}

impl Stats {
    /// Registers the names below `prefix` and the library's.
    pub fn new(stats: &Arc<stats::Stats>, prefix: &str, (library, broken): (&str, &[(Broken, &'static str)])) -> Stats {
        let below = |part: &str| format!("{prefix}.{library}.{part}.");
        let of_library = below("decompressor_library");
        let broken = broken.iter().map(|(broken, name)| (*broken, stats.counter(&format!("{of_library}{name}"))));
        Stats {
            request: Common::new(stats, &below("request")),
            response: Common::new(stats, &below("response")),
            broken: broken.collect(),
        }
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
