//! `envoy.config.rbac.v3`, compiled: whether one may pass, and which policy says so. Called by the RBAC filters of HTTP and of
//! connections. It only judges; what a verdict leads to, the filters know. Allocates nothing while it judges.
//!
//! Policies are tried in the order of their names. A tree that says nothing, or cannot yet, denies.

use std::sync::Arc;

use config::rbac::{self as plain, Action};
use config::{At, Rejection};

use self::rule::Rule;
use crate::policy::facts::Facts;
use crate::policy::match_tree::{Tree, Verdict};
use crate::stats::{Counter, Stats};

mod judge;
mod rule;

pub(crate) use judge::Judge;

/// What decides. Boxed: filters that hold one stay small.
#[derive(Debug)]
struct Engine(Box<Kind>);

#[derive(Debug)]
enum Kind {
    Rules { action: Action, policies: Box<[Policy]> },
    Tree { tree: Tree<Named>, logs: bool },
}

#[derive(Debug)]
struct Policy {
    id: PolicyId,
    permissions: Box<[Rule]>,
    principals: Box<[Rule]>,
}

#[derive(Debug)]
struct Named {
    id: PolicyId,
    action: Action,
}

/// A policy, and how often it said what.
#[derive(Debug)]
pub(crate) struct PolicyId {
    /// Its name.
    pub name: Arc<str>,
    counters: Option<[Counter; 2]>,
}

/// A verdict.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Decision<'e> {
    /// It may pass.
    pub allowed: bool,
    /// The policy that matched.
    pub policy: Option<&'e PolicyId>,
    /// What logs are told of it (`access_log_hint`).
    pub log: Option<bool>,
}

/// Where the statistics of each policy are kept: `<prefix>policy.<name>.<allowed>` and its contrary.
#[derive(Clone, Copy)]
pub(crate) struct PerPolicy<'a> {
    pub stats: &'a Arc<Stats>,
    pub prefix: &'a str,
    /// `allowed` and `denied`, or what the shadow calls them.
    pub ends: [&'a str; 2],
}

impl Engine {
    /// Compiles.
    fn compile(config: &plain::Engine, per_policy: Option<PerPolicy<'_>>) -> Result<Engine, Rejection> {
        let id = |name: &Arc<str>| PolicyId {
            name: name.clone(),
            counters: per_policy.map(|PerPolicy { stats, prefix, ends }| {
                ends.map(|end| stats.counter(&format!("{prefix}policy.{name}.{end}")))
            }),
        };
        Ok(Engine(Box::new(match config {
            plain::Engine::Rules(action, policies) => {
                let policies = policies.iter().map(|(name, policy)| Policy {
                    id: id(name),
                    permissions: policy.permissions.iter().map(Rule::compile).collect(),
                    principals: policy.principals.iter().map(Rule::compile).collect(),
                });
                Kind::Rules { action: *action, policies: policies.collect() }
            }
            plain::Engine::Tree(tree) => {
                let mut logs = false;
                let tree = Tree::compile(&At::root(), tree, &mut |_, named: &plain::Named| {
                    logs |= named.action == Action::Log;
                    Ok(Named { id: id(&named.name), action: named.action })
                })?;
                Kind::Tree { tree, logs }
            }
        })))
    }

    /// Judges, and counts for the policy that matched.
    fn judge(&self, facts: &dyn Facts) -> Decision<'_> {
        let decision = match &*self.0 {
            Kind::Rules { action, policies } => {
                let policy = policies.iter().find(|policy| policy.matches(facts)).map(|policy| &policy.id);
                let matched = policy.is_some();
                let (allowed, log) = match action {
                    Action::Allow => (matched, None),
                    Action::Deny => (!matched, None),
                    Action::Log => (true, Some(matched)),
                };
                Decision { allowed, policy, log }
            }
            Kind::Tree { tree, logs } => match tree.judge(facts) {
                Verdict::Later | Verdict::Nothing => Decision { allowed: false, policy: None, log: None },
                Verdict::Action(Named { id, action }) => Decision {
                    allowed: *action != Action::Deny,
                    policy: Some(id),
                    log: logs.then_some(*action == Action::Log),
                },
            },
        };
        if let Some([allowed, denied]) = decision.policy.and_then(|policy| policy.counters.as_ref()) {
            if decision.allowed { allowed.inc() } else { denied.inc() }
        }
        decision
    }
}

impl Policy {
    fn matches(&self, facts: &dyn Facts) -> bool {
        self.permissions.iter().any(|rule| rule.holds(facts)) && self.principals.iter().any(|rule| rule.holds(facts))
    }
}

impl Decision<'_> {
    /// Response-code details, or those of a connection's end, of a verdict that denies. Blanks would break logs.
    pub(crate) fn details(&self) -> String {
        let name = self.policy.map_or("none", |policy| &policy.name);
        let name = name.replace(|char: char| char.is_ascii_whitespace() || char == '\u{b}', "_");
        format!("rbac_access_denied_matched_policy[{name}]")
    }

    /// `allowed` or `denied`, as metadata has it.
    fn result(&self) -> &'static str {
        if self.allowed { "allowed" } else { "denied" }
    }
}

/// A prefix with its end, as Envoy joins them.
pub(crate) fn join(prefix: &str, end: &str) -> String {
    match prefix {
        "" => end.to_owned(),
        prefix if prefix.ends_with('.') => format!("{prefix}{end}"),
        prefix => format!("{prefix}.{end}"),
    }
}

#[cfg(test)]
mod tests;
