//! `envoy.extensions.filters.http.fault.v3.HTTPFault`: delays, aborts and slow responses on purpose. Istio has it in every chain, without
//! a fault of its own; what VirtualServices inject comes with their routes.
//!
//! Fields honoured: `delay`, `abort` and `response_rate_limit`, each fixed or by the request's headers (`controls`), each for a
//! percentage; `headers`, `upstream_cluster`, `downstream_nodes`, `max_active_faults`, `disable_downstream_cluster_stats`,
//! `filter_metadata`, and the runtime's keys for all of them but those of callers.

mod controls;
mod counts;
mod limiter;

use std::time::Duration;

use bytes::Bytes;
use config::Rejection;
use config::filters::fault::Fault as Config;
use tokio::time::Instant;

use self::controls::Aborted;
use self::counts::Counts;
use self::limiter::Limiter;
use super::filter::{FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::{Wait, Waited};
use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::http::stream::Stream;
use crate::policy::headers::HeaderMatchers;
use crate::wire::headers::Name;
use crate::wire::message::Frame;

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct Fault {
    settings: Settings,
    counts: Counts,
}

/// What the chain or a route wants injected.
#[derive(Debug)]
pub(crate) struct Settings {
    config: Config,
    headers: HeaderMatchers,
    body: Bytes,
}

/// What one request remembers, once a fault meets it.
#[derive(Debug, Default)]
pub(crate) struct State(Option<Box<Injected>>);

#[derive(Debug, Default)]
struct Injected {
    /// It counts as an active fault.
    active: bool,
    limiter: Option<Limiter>,
    /// The caller's cluster, where it says so.
    caller: Option<Bytes>,
}

impl HttpFilter for Fault {
    type Config = Config;
    type ScopedConfig = Config;
    type Scoped = Settings;
    type State = State;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<Fault, Rejection> {
        let counts = Counts::new(deps.stats, deps.scope, !config.disable_downstream_cluster_stats);
        Ok(Fault { settings: Settings::compile(config), counts })
    }

    fn scope(config: &Config, _deps: &FilterDeps<'_>) -> Result<Settings, Rejection> {
        Ok(Settings::compile(config))
    }

    fn acts(&self, scope: Option<&Settings>) -> Hooks {
        let config = &scope.unwrap_or(&self.settings).config;
        let nothing = config.delay.is_none() && config.abort.is_none();
        match config.response_rate_limit {
            Some(_) => Hooks::REQUEST.with(Hooks::RESPONSE_FRAMES),
            None if nothing => Hooks::NONE,
            None => Hooks::REQUEST,
        }
    }

    fn request(&self, turn: &mut Turn<'_, '_, Fault>) -> Step {
        let settings = turn.scope.unwrap_or(&self.settings);
        if !settings.means(turn.stream) {
            turn.skip(Hooks::RESPONSE_FRAMES);
            return Step::Continue;
        }
        let caller = turn.stream.request.headers.get(&Name::X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER);
        let caller = caller.filter(|_| !settings.config.disable_downstream_cluster_stats).cloned();
        turn.state.0 = Some(Box::new(Injected { caller, ..Injected::default() }));
        match controls::rate(&settings.config, &turn.stream.request.headers) {
            Some(rate) if self.begin(settings, turn.state) => {
                self.counts.response_rl_injected.inc();
                if let Some(injected) = &mut turn.state.0 {
                    injected.limiter = Some(Limiter::new(rate));
                }
            }
            _ => turn.skip(Hooks::RESPONSE_FRAMES),
        }
        if let Some(delay) = controls::delay(&settings.config, &turn.stream.request.headers)
            && self.begin(settings, turn.state)
        {
            self.counts.delay(turn.state.caller());
            turn.stream.info.flags.set(ResponseFlags::DELAY_INJECTED);
            settings.mark(turn);
            return Step::Wait(Wait::Until(after(delay)));
        }
        match controls::abort(&settings.config, &turn.stream.request.headers) {
            Some(with) if self.begin(settings, turn.state) => self.abort(turn, with),
            _ => Step::Continue,
        }
    }

    fn resumed(&self, turn: &mut Turn<'_, '_, Fault>, way: Way, _waited: Waited, body: &mut Out<'_>) -> Step {
        if way == Way::Response {
            return turn.state.limiter().map_or(Step::Continue, |limiter| limiter.release(body));
        }
        // The delay is over.
        let settings = turn.scope.unwrap_or(&self.settings);
        if let Some(with) = controls::abort(&settings.config, &turn.stream.request.headers) {
            return self.abort(turn, with);
        }
        if settings.config.response_rate_limit.is_none() {
            self.finish(turn.state);
        }
        Step::Continue
    }

    fn frame(&self, turn: &mut Turn<'_, '_, Fault>, _way: Way, frame: Frame, out: &mut Out<'_>) -> Step {
        match turn.state.limiter() {
            Some(limiter) => limiter.take(frame, out),
            None => {
                out.push(frame);
                Step::Continue
            }
        }
    }

    fn end(&self, turn: &mut Turn<'_, '_, Fault>) {
        self.finish(turn.state);
    }
}

impl Fault {
    /// Whether one more request may have a fault. One that has may have several.
    fn begin(&self, settings: &Settings, state: &mut State) -> bool {
        let Some(injected) = &mut state.0 else { return false };
        injected.active = injected.active
            || self
                .counts
                .begin(settings.config.most_of_runtime.get().or(settings.config.max_active_faults.map(u64::from)));
        injected.active
    }

    fn finish(&self, state: &mut State) {
        if let Some(injected) = &mut state.0
            && std::mem::take(&mut injected.active)
        {
            self.counts.end();
        }
    }

    fn abort(&self, turn: &mut Turn<'_, '_, Fault>, with: Aborted) -> Step {
        let settings = turn.scope.unwrap_or(&self.settings);
        self.counts.abort(turn.state.caller());
        settings.mark(turn);
        let (status, grpc_status) = match with {
            Aborted::Http(status) => (status, None),
            Aborted::Grpc(status) => (200, Some(status)),
        };
        let mut reply = LocalReply::new(status, "fault_filter_abort")
            .body(settings.body.clone())
            .flags(ResponseFlags::FAULT_INJECTED);
        reply.grpc_status = grpc_status;
        reply.into()
    }
}

impl State {
    fn caller(&self) -> Option<&Bytes> {
        self.0.as_ref()?.caller.as_ref()
    }

    fn limiter(&mut self) -> Option<&mut Limiter> {
        self.0.as_mut()?.limiter.as_mut()
    }
}

impl Settings {
    fn compile(config: &Config) -> Settings {
        let words = config.abort.as_ref().and_then(|abort| abort.body.as_deref()).unwrap_or("fault filter abort");
        Settings {
            headers: HeaderMatchers::compile(&config.headers),
            body: Bytes::copy_from_slice(words.as_bytes()),
            config: config.clone(),
        }
    }

    /// Writes what logs are to be told of a request that is delayed or aborted, under the filter's name in the chain.
    fn mark(&self, turn: &mut Turn<'_, '_, Fault>) {
        if let Some(metadata) = &self.config.metadata {
            turn.stream.info.metadata.merge(&turn.slot.name, metadata);
        }
    }

    /// Whether faults are for this request.
    fn means(&self, stream: &Stream<'_>) -> bool {
        let request = &stream.request;
        let wanted = self.config.upstream_cluster.as_deref();
        let to = wanted.is_none() || stream.cluster_name() == wanted;
        let nodes = &self.config.downstream_nodes;
        let node = request.headers.get(&Name::X_ENVOY_DOWNSTREAM_SERVICE_NODE);
        let from =
            nodes.is_empty() || node.is_some_and(|node| nodes.iter().any(|wanted| wanted.as_bytes() == &node[..]));
        to && from && self.headers.match_request(request)
    }
}

fn after(delay: Duration) -> Instant {
    // What a header says may be longer than the clock goes.
    let now = Instant::now();
    now.checked_add(delay).unwrap_or(now + Duration::from_secs(365 * 24 * 3600))
}

#[cfg(test)]
mod tests;
