//! `envoy.extensions.filters.http.set_filter_state.v3.Config`: leaves objects on a request for later filters, the router and logs.
//!
//! Fields honoured: all; those of routes come after the filter's own, the least specific first. What reads objects: the router
//! (`envoy.network.upstream_server_name`, `envoy.network.application_protocols`), and `%FILTER_STATE%` in logs and headers.
//! Refused: objects that nothing here reads, names that upstreams must prove, and hashable strings that are shared with upstream
//! connections, which are not kept apart by them.

use config::filters::set_filter_state::{FilterStateValue, Object, SetFilterState as Config, SharedWithUpstream};
use config::{At, Rejection};
use smallvec::SmallVec;

use super::Scope;
use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::attempt;
use crate::http::stream::Stream;
use crate::telemetry::state_values::StateValues;

/// The filter, and what a level adds to it.
#[derive(Debug)]
pub(crate) struct SetFilterState {
    values: StateValues,
    clear_route_cache: bool,
}

impl HttpFilter for SetFilterState {
    type Config = Config;
    type ScopedConfig = Config;
    type Scoped = SetFilterState;
    type State = ();

    fn compile(config: &Config, _deps: &FilterDeps<'_>) -> Result<SetFilterState, Rejection> {
        let root = At::root();
        let at = root.field("on_request_headers");
        for (index, value) in config.on_request_headers.iter().enumerate() {
            check(&at.index(index), value)?;
        }
        Ok(SetFilterState {
            values: StateValues::compile(&config.on_request_headers),
            clear_route_cache: config.clear_route_cache,
        })
    }

    fn scope(config: &Config, deps: &FilterDeps<'_>) -> Result<SetFilterState, Rejection> {
        SetFilterState::compile(config, deps)
    }

    fn acts(&self, scope: Option<&SetFilterState>) -> Hooks {
        let nothing = self.values.is_empty() && !self.clear_route_cache && scope.is_none();
        if nothing { Hooks::NONE } else { Hooks::REQUEST }
    }

    fn request(&self, turn: &mut Turn<'_, '_, SetFilterState>) -> Step {
        let levels: SmallVec<[&SetFilterState; 5]> = levels(turn).chain([turn.filter]).collect();
        attempt::name_cluster(turn.stream);
        for level in levels.iter().rev() {
            level.set(turn.stream);
        }
        if levels.iter().any(|level| level.clear_route_cache) {
            turn.stream.plan.rare().reroute = true;
        }
        Step::Continue
    }
}

impl SetFilterState {
    fn set(&self, stream: &mut Stream<'_>) {
        for value in self.values.iter() {
            if let Some(object) = value.object(&stream.entry(None, None)) {
                stream.info.set_state(object);
            }
        }
    }
}

/// The values of every level, the most specific first.
fn levels<'s>(turn: &Turn<'_, 's, SetFilterState>) -> impl Iterator<Item = &'s SetFilterState> {
    turn.levels(|scope| if let Scope::SetFilterState(scope) = scope { Some(scope) } else { None })
}

fn check(at: &At<'_>, value: &FilterStateValue) -> Result<(), Rejection> {
    match value.object {
        Object::UpstreamSubjectAltNames => {
            Err(at.field("object_key").unsupported("names that an upstream must prove are not taken from filter state"))
        }
        Object::HashableText | Object::Address if value.shared != SharedWithUpstream::No => {
            Err(at.field("shared_with_upstream").unsupported("upstream connections are not kept apart by filter state"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
