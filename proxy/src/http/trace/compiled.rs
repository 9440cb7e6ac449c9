//! What configuration says of tracing, made ready: of a connection manager, of a route. Compiled by `manager` and `route`, read by [`super`].

use std::sync::Arc;

use config::access_log::Format;
use config::listener::Direction;
use config::services::span::Kind;
use config::tracing::{Node, Provider, Sampling, Tracing as Config};

use super::Reason;
use super::contexts::Contexts;
use crate::export::Spans;
use crate::http::stats::TracingStats;
use crate::stats::Stats;
use crate::telemetry::format;
use crate::telemetry::trace::CustomTags;

/// Tracing of a connection manager, made ready.
pub(in crate::http) struct Tracing {
    pub(super) sampling: Sampling,
    stats: TracingStats,
    /// `operation`: decorators name nothing, and are not told.
    pub(super) operation: Option<Format>,
    pub(super) tracer: Option<Tracer>,
}

/// What spans are made with, where there is a provider that acts.
pub(super) struct Tracer {
    pub(super) exporter: Spans,
    pub(super) contexts: Contexts,
    /// Of spans of requests.
    pub(super) kind: Kind,
    pub(super) spawns: bool,
    pub(super) propagates: bool,
    pub(super) verbose: bool,
    pub(super) max_path: usize,
    pub(super) tags: CustomTags,
    pub(super) upstream_operation: Option<Format>,
    /// Moments must be kept that are not kept otherwise.
    pub(super) wants_times: bool,
    pub(super) node: Arc<Node>,
}

/// `route.v3.Tracing`, made ready.
#[derive(Debug)]
pub struct OfRoute {
    pub(super) sampling: Sampling,
    pub(super) tags: CustomTags,
    pub(super) operation: Option<Format>,
    pub(super) upstream_operation: Option<Format>,
    pub(super) wants_times: bool,
}

impl Tracing {
    /// Makes it ready; statistics begin with `scope`. `spawns`: attempts have spans, whatever the configuration of tracing says.
    pub fn compile(config: &Config, spawns: bool, scope: &str, direction: Direction, stats: &Arc<Stats>) -> Tracing {
        let tracer = config.provider.as_ref().map(|provider| {
            let tags = CustomTags::compile(&config.custom_tags);
            let formats = [&config.operation, &config.upstream_operation];
            // With a span for each attempt, that of the request is the server's whichever way it goes; not where only the router says so.
            let splits = config.spawns || matches!(&**provider, Provider::Zipkin(zipkin) if zipkin.splits);
            Tracer {
                exporter: Spans::compile(provider, stats),
                contexts: Contexts::of(provider),
                kind: if direction == Direction::Outbound && !splits { Kind::Client } else { Kind::Server },
                spawns: spawns || config.spawns,
                propagates: config.propagates,
                verbose: config.verbose,
                max_path: config.max_path,
                wants_times: config.verbose || tags.wants_times() || want_times(formats),
                tags,
                upstream_operation: settled(&config.upstream_operation),
                node: config.node.clone(),
            }
        });
        Tracing {
            sampling: config.sampling.clone(),
            stats: TracingStats::new(stats, &format!("{scope}tracing.")),
            operation: settled(&config.operation),
            tracer,
        }
    }

    /// Counts a decision, once there is an answer.
    pub fn count(&self, reason: Reason) {
        match reason {
            Reason::NotTraceable => self.stats.not_traceable,
            Reason::Sampling => self.stats.random_sampling,
            Reason::ServiceForced => self.stats.service_forced,
            Reason::ClientForced => self.stats.client_enabled,
        }
        .inc();
    }
}

impl OfRoute {
    /// Makes it ready.
    pub fn compile(config: &config::tracing::OfRoute) -> OfRoute {
        let tags = CustomTags::compile(&config.custom_tags);
        OfRoute {
            sampling: config.sampling.clone(),
            wants_times: tags.wants_times() || want_times([&config.operation, &config.upstream_operation]),
            tags,
            operation: settled(&config.operation),
            upstream_operation: settled(&config.upstream_operation),
        }
    }
}

fn settled(format: &Option<Format>) -> Option<Format> {
    let mut format = format.clone();
    if let Some(format) = &mut format {
        format::settle(format);
    }
    format
}

fn want_times(formats: [&Option<Format>; 2]) -> bool {
    formats.into_iter().flatten().any(format::wants_times)
}
