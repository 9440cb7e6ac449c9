//! `envoy.extensions.filters.network.rbac.v3.RBAC`: connections that its rules deny are closed when their first octets come, after
//! `delay_deny` if there is one. A client that says nothing is not judged, as with Envoy. Honoured: all but what `config` refuses.

use std::time::Duration;

use config::Rejection;
use config::filters::network::rbac as plain;
use serde_json::{Map, Value};
use tokio::time::Instant;

use super::filter::{FilterDeps, Hooks, NetworkFilter, Step, Turn};
use crate::call::wait::{Wait, Waited};
use crate::failure::ResponseFlags;
use crate::policy::rbac::{Decision, Engine, join};
use crate::stats::Counter;
use crate::telemetry::stream_info::{ConnectionInfo, Denial};

/// Where verdicts stand in the metadata.
const NAMESPACE: &str = "envoy.filters.network.rbac";

/// The filter.
pub(super) struct Rbac {
    rules: Option<Engine>,
    shadow: Option<Engine>,
    shadow_prefix: Box<str>,
    delay_deny: Option<Duration>,
    allowed: Counter,
    denied: Counter,
    shadow_allowed: Counter,
    shadow_denied: Counter,
}

impl NetworkFilter for Rbac {
    type Config = plain::Rbac;
    type State = ();

    fn compile(config: &plain::Rbac, deps: &FilterDeps<'_>) -> Result<Rbac, Rejection> {
        let engine = |config: &Option<_>| config.as_ref().map(|config| Engine::compile(config, None)).transpose();
        let base = join(&config.stat_prefix, "rbac");
        let shadow = match &*config.rbac.shadow_stat_prefix {
            "" => base.clone(),
            prefix => join(&base, prefix),
        };
        let counter = |prefix: &str, end: &str| deps.stats.counter(&join(prefix, end));
        Ok(Rbac {
            rules: engine(&config.rbac.rules)?,
            shadow: engine(&config.rbac.shadow)?,
            shadow_prefix: (&*config.rbac.shadow_stat_prefix).into(),
            delay_deny: config.delay_deny,
            allowed: counter(&base, "allowed"),
            denied: counter(&base, "denied"),
            shadow_allowed: counter(&shadow, "shadow_allowed"),
            shadow_denied: counter(&shadow, "shadow_denied"),
        })
    }

    fn wants(&self) -> Hooks {
        if self.rules.is_none() && self.shadow.is_none() { Hooks::default() } else { Hooks::FIRST }
    }

    fn first(&self, turn: &mut Turn<'_, ()>, _octets: &mut bytes::BytesMut) -> Step {
        let connection = &**turn.view.connection;
        if let Some(shadow) = &self.shadow {
            let decision = shadow.judge(connection);
            if decision.allowed {
                self.shadow_allowed.inc()
            } else {
                self.shadow_denied.inc()
            }
            self.tell(connection, decision);
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

    fn resumed(&self, _turn: &mut Turn<'_, ()>, _waited: Waited) -> Step {
        Step::Close(ResponseFlags::NONE)
    }
}

impl Rbac {
    fn tell(&self, connection: &ConnectionInfo, decision: Decision<'_>) {
        let prefix = &self.shadow_prefix;
        let mut told = Map::new();
        if let Some(policy) = decision.policy {
            told.insert(format!("{prefix}shadow_effective_policy_id"), Value::from(&*policy.name));
        }
        told.insert(format!("{prefix}shadow_engine_result"), Value::from(decision.result()));
        connection.metadata.borrow_mut().merge(NAMESPACE, &Value::Object(told));
    }
}
