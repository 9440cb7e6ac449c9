//! `envoy.extensions.filters.http.rbac.v3.RBAC`: requests that its rules deny are answered with 403.
//!
//! Fields honoured: all of the filter and of `RBACPerRoute`, but that statistics for each policy are not kept for what routes set. What
//! of the rules is refused stands in `config/src/rbac`. The shadow's rules are judged first and only told: in statistics and metadata.

use config::Rejection;
use config::filters::rbac::RbacPerRoute;
use config::rbac::Rbac as Config;
use serde_json::Map;

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::local_reply::LocalReply;
use crate::policy::rbac::{Judge, PerPolicy, join};
use crate::stats::Counter;
use crate::telemetry::facts::Known;

/// Where verdicts stand in the metadata.
const NAMESPACE: &str = "envoy.filters.http.rbac";

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct Rbac {
    rules: Rules,
    /// Allowed, denied.
    enforced: [Counter; 2],
    shadow: [Counter; 2],
}

/// What it judges by, or what a route has in its place.
#[derive(Debug)]
pub(crate) struct Rules {
    enforced: Option<Judge>,
    shadow: Option<Judge>,
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
            enforced: ["allowed", "denied"].map(|end| counter(&enforced, end)),
            shadow: ["shadow_allowed", "shadow_denied"].map(|end| counter(&shadow, end)),
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
            shadow.tell(shadow.judge(&known, self.shadow), &mut told);
        }
        let decision = rules.enforced.as_ref().map(|enforced| {
            let decision = enforced.judge(&known, self.enforced);
            enforced.tell(decision, &mut told);
            decision
        });
        let metadata = &mut stream.info.metadata;
        metadata.merge_owned(NAMESPACE, told);
        let Some(decision) = decision else { return Step::Continue };
        if let Some(log) = decision.log {
            metadata.merge("envoy.common", &serde_json::json!({ "access_log_hint": log }));
        }
        if decision.allowed {
            return Step::Continue;
        }
        LocalReply::new(403, decision.details()).body(&b"RBAC: access denied"[..]).into()
    }
}

impl Rules {
    fn compile(
        config: &Config,
        per_policy: Option<PerPolicy<'_>>,
        per_shadow_policy: Option<PerPolicy<'_>>,
    ) -> Result<Rules, Rejection> {
        let (rules, shadow) = (config.rules.as_ref(), config.shadow.as_ref());
        Ok(Rules {
            enforced: Judge::compile(rules, per_policy, &config.rules_stat_prefix, "enforced")?,
            shadow: Judge::compile(shadow, per_shadow_policy, &config.shadow_stat_prefix, "shadow")?,
        })
    }
}

#[cfg(test)]
mod tests;
