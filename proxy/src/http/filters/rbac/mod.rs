//! `envoy.extensions.filters.http.rbac.v3.RBAC`: requests that its rules deny are answered with 403.
//!
//! Fields honoured: all of the filter and of `RBACPerRoute`, but that statistics for each policy are not kept for what routes set. What
//! of the rules is refused stands in `config/src/rbac`. The shadow's rules are judged first and only told: in statistics and metadata.

use config::Rejection;
use config::filters::rbac::RbacPerRoute;
use config::rbac::Rbac as Config;
use serde_json::{Map, Value};

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::local_reply::LocalReply;
use crate::policy::rbac::{Decision, Engine, PerPolicy, join};
use crate::stats::Counter;
use crate::telemetry::dynamic::DynamicMetadata;
use crate::telemetry::facts::Known;

/// Where verdicts stand in the metadata.
const NAMESPACE: &str = "envoy.filters.http.rbac";

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct Rbac {
    rules: Rules,
    allowed: Counter,
    denied: Counter,
    shadow_allowed: Counter,
    shadow_denied: Counter,
}

/// What it judges by, or what a route has in its place.
#[derive(Debug)]
pub(crate) struct Rules {
    enforced: Option<Judge>,
    shadow: Option<Judge>,
}

/// An engine, and what its verdicts are called in the metadata.
#[derive(Debug)]
struct Judge {
    engine: Engine,
    policy_key: Box<str>,
    result_key: Box<str>,
}

impl HttpFilter for Rbac {
    type Config = Config;
    type ScopedConfig = RbacPerRoute;
    type Scoped = Rules;
    type State = ();

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<Rbac, Rejection> {
        let base = format!("{}rbac.", deps.scope);
        let prefix = |own: &str| if own.is_empty() { base.clone() } else { join(&join(&base, own), "") };
        let (enforced, shadow) = (prefix(&config.rules_stat_prefix), prefix(&config.shadow_stat_prefix));
        let per_policy =
            |prefix, ends| config.track_per_rule_stats.then_some(PerPolicy { stats: deps.stats, prefix, ends });
        let counter = |prefix: &str, end: &str| deps.stats.counter(&format!("{prefix}{end}"));
        Ok(Rbac {
            rules: Rules::compile(
                config,
                per_policy(&enforced, ["allowed", "denied"]),
                per_policy(&shadow, ["shadow_allowed", "shadow_denied"]),
            )?,
            allowed: counter(&enforced, "allowed"),
            denied: counter(&enforced, "denied"),
            shadow_allowed: counter(&shadow, "shadow_allowed"),
            shadow_denied: counter(&shadow, "shadow_denied"),
        })
    }

    fn scope(config: &RbacPerRoute, _deps: &FilterDeps<'_>) -> Result<Rules, Rejection> {
        Rules::compile(&config.rbac, None, None)
    }

    fn acts(&self, scope: Option<&Rules>) -> Hooks {
        let rules = scope.unwrap_or(&self.rules);
        if rules.enforced.is_none() && rules.shadow.is_none() { Hooks::NONE } else { Hooks::REQUEST }
    }

    fn request(&self, turn: &mut Turn<'_, '_, Rbac>) -> Step {
        let rules = turn.scope.unwrap_or(&self.rules);
        let stream = &mut *turn.stream;
        let known = Known {
            info: &stream.info,
            request: Some(&stream.request),
            request_trailers: None,
            response: None,
            response_trailers: None,
            route: stream.route.map(|chosen| &*chosen.route.config.metadata),
        };
        let mut told = Map::new();
        if let Some(shadow) = &rules.shadow {
            let decision = shadow.engine.judge(&known);
            if decision.allowed {
                self.shadow_allowed.inc()
            } else {
                self.shadow_denied.inc()
            }
            shadow.tell(decision, &mut told);
        }
        let decision = rules.enforced.as_ref().map(|enforced| {
            let decision = enforced.engine.judge(&known);
            if decision.allowed {
                self.allowed.inc()
            } else {
                self.denied.inc()
            }
            enforced.tell(decision, &mut told);
            decision
        });
        let metadata = &mut stream.info.metadata;
        metadata.merge(NAMESPACE, &Value::Object(told));
        match decision {
            Some(decision) => {
                hint(metadata, decision);
                if decision.allowed { Step::Continue } else { denied(decision).into() }
            }
            None => Step::Continue,
        }
    }
}

impl Rules {
    fn compile(
        config: &Config,
        per_policy: Option<PerPolicy<'_>>,
        per_shadow_policy: Option<PerPolicy<'_>>,
    ) -> Result<Rules, Rejection> {
        let judge = |engine: &Option<_>, per_policy, prefix: &str, kind: &str| -> Result<Option<Judge>, Rejection> {
            let Some(engine) = engine else { return Ok(None) };
            Ok(Some(Judge {
                engine: Engine::compile(engine, per_policy)?,
                policy_key: format!("{prefix}{kind}_effective_policy_id").into(),
                result_key: format!("{prefix}{kind}_engine_result").into(),
            }))
        };
        Ok(Rules {
            enforced: judge(&config.rules, per_policy, &config.rules_stat_prefix, "enforced")?,
            shadow: judge(&config.shadow, per_shadow_policy, &config.shadow_stat_prefix, "shadow")?,
        })
    }
}

impl Judge {
    fn tell(&self, decision: Decision<'_>, told: &mut Map<String, Value>) {
        if let Some(policy) = decision.policy {
            told.insert(self.policy_key.to_string(), Value::from(&*policy.name));
        }
        told.insert(self.result_key.to_string(), Value::from(decision.result()));
    }
}

fn hint(metadata: &mut DynamicMetadata, decision: Decision<'_>) {
    if let Some(log) = decision.log {
        metadata.merge("envoy.common", &serde_json::json!({ "access_log_hint": log }));
    }
}

fn denied(decision: Decision<'_>) -> LocalReply {
    LocalReply::new(403, decision.details()).body(&b"RBAC: access denied"[..])
}

#[cfg(test)]
mod tests;
