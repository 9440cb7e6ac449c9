//! `envoy.extensions.filters.http.stateful_session.v3.StatefulSession`: requests of a session go to the endpoint that answered the first
//! one, whose address the client carries in a cookie or a header.
//!
//! Fields honoured: all; of session states those of cookies and headers. An address from a client is no more than a wish: a host that
//! is not in the cluster of the route is never connected to.

mod carrier;
mod stats;

use std::sync::Arc;

use config::Rejection;
use config::filters::stateful_session::{StatefulSession as Config, StatefulSessionPerRoute as ScopedConfig};

use self::carrier::Carrier;
use self::stats::Counts;
use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::cluster::OverrideHost;
use crate::failure::ResponseFlags;

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct StatefulSession {
    settings: Settings,
}

/// What a level says.
#[derive(Debug)]
pub(crate) enum Scoped {
    /// Requests have no session.
    Disabled,
    /// They have this one.
    Session(Settings),
}

/// How a session is kept.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Without one no request has a session.
    carrier: Option<Carrier>,
    /// The status of the answer where the endpoint is gone; `None`: another one takes over.
    strict: Option<u16>,
    counts: Option<Counts>,
}

/// What one request remembers.
#[derive(Debug, Default)]
pub(crate) enum State {
    /// The filter has not seen it.
    #[default]
    Unseen,
    /// It has no session.
    Without,
    /// It has one, and this is the endpoint that it asked for.
    With(Option<Box<str>>),
}

impl HttpFilter for StatefulSession {
    type Config = Config;
    type ScopedConfig = ScopedConfig;
    type Scoped = Scoped;
    type State = State;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<StatefulSession, Rejection> {
        Ok(StatefulSession { settings: Settings::compile(config, deps) })
    }

    fn scope(config: &ScopedConfig, deps: &FilterDeps<'_>) -> Result<Scoped, Rejection> {
        Ok(match config {
            ScopedConfig::Disabled => Scoped::Disabled,
            ScopedConfig::Session(config) => Scoped::Session(Settings::compile(config, deps)),
        })
    }

    fn acts(&self, scope: Option<&Scoped>) -> Hooks {
        match self.settings(scope) {
            Some(settings) if settings.carrier.is_some() || settings.counts.is_some() => {
                Hooks::REQUEST.with(Hooks::RESPONSE)
            }
            _ => Hooks::NONE,
        }
    }

    fn request(&self, turn: &mut Turn<'_, '_, StatefulSession>) -> Step {
        let Some(settings) = self.settings(turn.scope) else { return Step::Continue };
        let request = &turn.stream.request;
        let Some(carrier) = settings.carrier.as_ref().filter(|carrier| carrier.is_for(&request.path)) else {
            *turn.state = State::Without;
            return Step::Continue;
        };
        let address = carrier.address(&request.headers);
        if let Some(address) = address.clone() {
            turn.stream.plan.rare().host = Some(OverrideHost { address, strict: settings.strict });
        }
        *turn.state = State::With(address);
        Step::Continue
    }

    fn response(&self, turn: &mut Turn<'_, '_, StatefulSession>) -> Step {
        let Some(settings) = self.settings(turn.scope) else { return Step::Continue };
        let host = turn.stream.info.upstream_host.clone();
        let outcome = match (&*turn.state, &host) {
            (State::Unseen, _) | (State::Without, None) => None,
            (State::Without, Some(_)) => Some(Outcome::NoSession),
            (State::With(wanted), Some(host)) if wanted.as_deref() == Some(&**host) => Some(Outcome::Routed),
            (State::With(_), Some(host)) => {
                tell(settings, turn, host);
                settings.strict.is_none().then_some(Outcome::FailedOpen)
            }
            (State::With(_), None) => {
                let nobody = turn.stream.info.flags.has(ResponseFlags::NO_HEALTHY_UPSTREAM);
                (nobody && settings.strict.is_some()).then_some(Outcome::FailedClosed)
            }
        };
        if let (Some(counts), Some(outcome)) = (&settings.counts, outcome) {
            counts.count(outcome);
        }
        Step::Continue
    }
}

/// What came of a session.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    /// Its endpoint was asked.
    Routed,
    /// Another one was, and begins the session that follows.
    FailedOpen,
    /// Its endpoint is gone, and no other would do.
    FailedClosed,
    /// There is none.
    NoSession,
}

/// Tells the client who answered.
fn tell(settings: &Settings, turn: &mut Turn<'_, '_, StatefulSession>, host: &Arc<str>) {
    if let (Some(carrier), Some(response)) = (&settings.carrier, &mut turn.stream.response) {
        carrier.tell(&mut response.headers, host);
    }
}

impl StatefulSession {
    fn settings<'f>(&'f self, scope: Option<&'f Scoped>) -> Option<&'f Settings> {
        match scope {
            None => Some(&self.settings),
            Some(Scoped::Session(settings)) => Some(settings),
            Some(Scoped::Disabled) => None,
        }
    }
}

impl Settings {
    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Settings {
        Settings {
            carrier: config.state.as_ref().map(Carrier::compile),
            strict: config.strict.then_some(config.status_when_gone),
            counts: config
                .stat_prefix
                .as_ref()
                .map(|prefix| Counts::new(deps.stats, &format!("{}stateful_session.{prefix}.", deps.scope))),
        }
    }
}

#[cfg(test)]
mod tests;
