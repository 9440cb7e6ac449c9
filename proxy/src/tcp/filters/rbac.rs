//! `envoy.extensions.filters.network.rbac.v3.RBAC`: connections that its rules deny are closed when their first octets come, or a relayed
//! client says that none will, or, where enforcement is CONTINUOUS, when any do; after `delay_deny` if there is one. Before that nobody is
//! judged, as with Envoy. Honoured: all but what `config` refuses.

use std::sync::Arc;
use std::time::Duration;

use config::Rejection;
use config::filters::network::rbac as plain;
use tokio::time::Instant;

use super::filter::{FilterDeps, Hooks, NetworkFilter, Step, Turn};
use crate::call::wait::{Wait, Waited};
use crate::failure::ResponseFlags;
use crate::policy::rbac::{Engine, in_metadata, join};
use crate::stats::Counter;
use crate::telemetry::dynamic::Saying;
use crate::telemetry::stream_info::Denial;

/// Where verdicts stand in the metadata.
const NAMESPACE: &str = "envoy.filters.network.rbac";

/// The filter.
pub(super) struct Rbac {
    rules: Option<Engine<()>>,
    shadow: Option<Engine<Saying>>,
    delay_deny: Option<Duration>,
    is_continuous: bool,
    allowed: Counter,
    denied: Counter,
    shadow_allowed: Counter,
    shadow_denied: Counter,
}

impl NetworkFilter for Rbac {
    type Config = plain::Rbac;
    type State = ();

    fn compile(config: &plain::Rbac, deps: &FilterDeps<'_>) -> Result<Rbac, Rejection> {
        let prefix = &config.rbac.shadow_stat_prefix;
        let tell =
            |name: Option<&Arc<str>>, allowed| Saying::new(NAMESPACE, in_metadata(prefix, "shadow", name, allowed));
        let (rules, shadow) = (config.rbac.rules.as_ref(), config.rbac.shadow.as_ref());
        let rules = rules.map(|rules| Engine::compile(rules, None, &|_, _| ())).transpose()?;
        let judged = shadow.map(|rules| Engine::compile(rules, None, &tell)).transpose()?;
        let base = join(&config.stat_prefix, "rbac");
        let shadow = match &*config.rbac.shadow_stat_prefix {
            "" => base.clone(),
            prefix => join(&base, prefix),
        };
        let counter = |prefix: &str, end: &str| deps.stats.counter(&join(prefix, end));
        Ok(Rbac {
            rules,
            shadow: judged,
            delay_deny: config.delay_deny,
            is_continuous: config.is_continuous,
            allowed: counter(&base, "allowed"),
            denied: counter(&base, "denied"),
            shadow_allowed: counter(&shadow, "shadow_allowed"),
            shadow_denied: counter(&shadow, "shadow_denied"),
        })
    }

    fn wants(&self) -> Hooks {
        match (&self.rules, &self.shadow) {
            (None, None) => Hooks::default(),
            _ if self.is_continuous => Hooks::FIRST.with(Hooks::MORE),
            _ => Hooks::FIRST,
        }
    }

    fn first(&self, turn: &mut Turn<'_, ()>) -> Step {
        self.judge(turn)
    }

    fn more(&self, turn: &mut Turn<'_, ()>) -> Step {
        self.judge(turn)
    }

    fn resumed(&self, _turn: &mut Turn<'_, ()>, _waited: Waited) -> Step {
        Step::Close(ResponseFlags::NONE)
    }
}

impl Rbac {
    fn judge(&self, turn: &mut Turn<'_, ()>) -> Step {
        let connection = &**turn.view.connection;
        if let Some(shadow) = &self.shadow {
            let decision = shadow.judge(connection);
            if decision.allowed {
                self.shadow_allowed.inc()
            } else {
                self.shadow_denied.inc()
            }
            connection.metadata.borrow_mut().say(decision.told);
        }
        let Some(rules) = &self.rules else { return Step::Continue };
        let decision = rules.judge(connection);
        if let Some(log) = decision.log {
            let hint = serde_json::json!({ "access_log_hint": log });
            connection.metadata.borrow_mut().merge("envoy.common", &hint);
        }
        if decision.allowed {
            self.allowed.inc();
            return Step::Continue;
        }
        self.denied.inc();
        *connection.denied.borrow_mut() = Some(Denial::Termination(decision.details().into()));
        match self.delay_deny.and_then(|delay| Instant::now().checked_add(delay)) {
            Some(then) => Step::Wait(Wait::Until(then)),
            None => Step::Close(ResponseFlags::NONE),
        }
    }
}
