//! What tracing knows without knowing requests: contexts as headers carry them, custom tags, samplers. Called by `http`'s tracing, which
//! makes spans of requests, and by the exporter.

pub mod b3;
mod context;
mod tags;

pub use b3::B3;
pub use context::{Context, Found, random_id};
pub use tags::{CustomTags, written};

use config::tracing::Sampler;

use crate::policy::falls_into;

/// Whether a span is sampled, by a sampler of OpenTelemetry. `parent`: whether its caller's was, where there is one.
pub fn samples(sampler: &Sampler, parent: Option<bool>, trace: [u8; 16]) -> bool {
    match sampler {
        Sampler::AlwaysOn => true,
        Sampler::Ratio(share) => {
            let [first, ..] = trace.as_chunks::<8>().0 else { return false };
            // Little-endian, as in Envoy on the machines that it runs on: both must choose the same traces.
            falls_into(*share, u64::from_le_bytes(*first))
        }
        Sampler::ParentBased(root) => parent.unwrap_or_else(|| samples(root, None, trace)),
    }
}

#[cfg(test)]
mod tests;
