//! `envoy.extensions.filters.http.rbac.v3.RBAC`: requests that its rules deny are answered with 403.
//!
//! Fields honoured: all of the filter and of `RBACPerRoute`; what of the rules is refused stands in `config/src/rbac`. The shadow's rules
//! are judged first and only told: in statistics and metadata. A request that passes costs no allocation: what is told of a verdict was
//! made when the configuration arrived.

use std::fmt;
use std::sync::Arc;

use config::Rejection;
use config::filters::rbac::RbacPerRoute;
use config::rbac::Rbac as Config;

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn};
use crate::http::local_reply::LocalReply;
use crate::policy::facts::Facts;
use crate::policy::rbac::{Decision, Engine, PerPolicy, in_metadata, join};
use crate::stats::{Counter, Stats};
use crate::telemetry::dynamic::Saying;
use crate::telemetry::facts::Known;

/// Where verdicts stand in the metadata.
const NAMESPACE: &str = "envoy.filters.http.rbac";
/// What statistics call verdicts.
const ENDS: [&str; 2] = ["allowed", "denied"];
const SHADOW_ENDS: [&str; 2] = ["shadow_allowed", "shadow_denied"];

/// The filter, compiled.
pub(crate) struct Rbac {
    rules: Rules,
    enforced: Counts,
    shadow: Counts,
    stats: Arc<Stats>,
    hints: Hints,
}

/// How often who passed.
#[derive(Debug)]
struct Counts {
    allowed: Counter,
    denied: Counter,
    prefix: Box<str>,
    ends: [&'static str; 2],
}

/// What logs are told: that they are meant, or not.
#[derive(Debug)]
struct Hints([Saying; 2]);

/// What it judges by, or what a route has in its place.
#[derive(Debug)]
pub(crate) struct Rules {
    enforced: Option<Engine<Saying>>,
    shadow: Option<Engine<Saying>>,
    /// Each policy has statistics, of the filter that a request comes to.
    tracks: bool,
}

impl fmt::Debug for Rbac {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Rbac").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl HttpFilter for Rbac {
    type Config = Config;
    type ScopedConfig = RbacPerRoute;
    type Scoped = Rules;
    type State = ();

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<Rbac, Rejection> {
        // Behind the router the scope has no dot, and with Envoy it is RBAC alone that writes one.
        let dot = if deps.scope.is_empty() || deps.scope.ends_with('.') { "" } else { "." };
        let base = format!("{}{dot}rbac.", deps.scope);
        let prefix = |own: &str| if own.is_empty() { base.clone() } else { join(&join(&base, own), "") };
        let enforced = Counts::new(deps.stats, prefix(&config.rules_stat_prefix), ENDS);
        let shadow = Counts::new(deps.stats, prefix(&config.shadow_stat_prefix), SHADOW_ENDS);
        let tracks = config.track_per_rule_stats;
        Ok(Rbac {
            rules: Rules::compile(
                config,
                tracks.then(|| enforced.per_policy(deps.stats)),
                tracks.then(|| shadow.per_policy(deps.stats)),
            )?,
            enforced,
            shadow,
            stats: deps.stats.clone(),
            hints: Hints(
                [false, true].map(|hint| Saying::new("envoy.common", serde_json::json!({ "access_log_hint": hint }))),
            ),
        })
    }

    fn scope(config: &RbacPerRoute, _deps: &FilterDeps<'_>) -> Result<Rules, Rejection> {
        Ok(Rules { tracks: config.rbac.track_per_rule_stats, ..Rules::compile(&config.rbac, None, None)? })
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
            route_name: stream.route.map(|chosen| &*chosen.route.config.name),
            route: stream.route.map(|chosen| &*chosen.route.config.metadata),
            virtual_host: None,
        };
        let shadow = rules.shadow.as_ref().map(|engine| self.judge(engine, &self.shadow, rules, &known));
        let decision = rules.enforced.as_ref().map(|engine| self.judge(engine, &self.enforced, rules, &known));
        let metadata = &mut stream.info.metadata;
        shadow.iter().chain(&decision).for_each(|decision| metadata.say(decision.told));
        let Some(decision) = decision else { return Step::Continue };
        if let Some(hint) = decision.log {
            metadata.say(&self.hints.0[usize::from(hint)]);
        }
        if decision.allowed { Step::Continue } else { denied(&decision).into() }
    }
}

impl Rbac {
    fn judge<'e>(
        &self,
        engine: &'e Engine<Saying>,
        counts: &Counts,
        rules: &Rules,
        facts: &dyn Facts,
    ) -> Decision<'e, Saying> {
        let decision = engine.judge(facts);
        if decision.allowed {
            counts.allowed.inc()
        } else {
            counts.denied.inc()
        }
        if let Some(policy) = decision.policy.filter(|_| rules.tracks) {
            // A look-up by name: rules of a route do not know whose statistics they will count in.
            counts.per_policy(&self.stats).counter(&policy.name, decision.allowed).inc();
        }
        decision
    }
}

impl Counts {
    fn new(stats: &Arc<Stats>, prefix: String, ends: [&'static str; 2]) -> Counts {
        let [allowed, denied] = ends.map(|end| stats.counter(&format!("{prefix}{end}")));
        Counts { allowed, denied, prefix: prefix.into(), ends }
    }

    fn per_policy<'a>(&'a self, stats: &'a Arc<Stats>) -> PerPolicy<'a> {
        PerPolicy { stats, prefix: &self.prefix, ends: self.ends }
    }
}

impl Rules {
    fn compile(
        config: &Config,
        per_policy: Option<PerPolicy<'_>>,
        per_shadow_policy: Option<PerPolicy<'_>>,
    ) -> Result<Rules, Rejection> {
        let engine = |engine: &Option<_>, per_policy, prefix: &str, kind: &str| {
            let tell =
                |name: Option<&Arc<str>>, allowed| Saying::new(NAMESPACE, in_metadata(prefix, kind, name, allowed));
            engine.as_ref().map(|engine| Engine::compile(engine, per_policy, &tell)).transpose()
        };
        Ok(Rules {
            enforced: engine(&config.rules, per_policy, &config.rules_stat_prefix, "enforced")?,
            shadow: engine(&config.shadow, per_shadow_policy, &config.shadow_stat_prefix, "shadow")?,
            tracks: false,
        })
    }
}

fn denied(decision: &Decision<'_, Saying>) -> LocalReply {
    LocalReply::new(403, decision.details()).body(&b"RBAC: access denied"[..])
}

#[cfg(test)]
mod tests;
