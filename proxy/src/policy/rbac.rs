//! `envoy.config.rbac.v3`, compiled: whether one may pass, and which policy says so. Called by the RBAC filters of HTTP and of
//! connections. It only judges; what a verdict leads to, the filters know. Allocates nothing while it judges.
//!
//! Policies are tried in the order of their names. A tree that says nothing, or cannot yet, denies.

use std::sync::Arc;

use config::rbac::{self as plain, Action};
use config::{At, Rejection};

use self::index::Index;
use self::rule::Rule;
use crate::policy::cel::Expression;
use crate::policy::facts::Facts;
use crate::policy::match_tree::{Tree, Verdict};
use crate::stats::{Counter, Stats};

mod index;
mod rule;

/// What decides; `T` is what is told of a verdict. Boxed: filters that hold one stay small.
#[derive(Debug)]
pub struct Engine<T>(Box<Kind<T>>);

#[derive(Debug)]
struct Kind<T> {
    by: By<T>,
    /// Of the verdict that no policy gave.
    nobody: T,
}

#[derive(Debug)]
enum By<T> {
    Rules { action: Action, policies: Box<[Policy<T>]>, index: Option<Index> },
    Tree { tree: Tree<Named<T>>, logs: bool },
}

#[derive(Debug)]
struct Policy<T> {
    id: PolicyId<T>,
    permissions: Box<[Rule]>,
    principals: Box<[Rule]>,
    condition: Option<Expression>,
}

#[derive(Debug)]
struct Named<T> {
    id: PolicyId<T>,
    action: Action,
}

/// A policy, and how often it said what.
#[derive(Debug)]
pub struct PolicyId<T> {
    /// Its name.
    pub name: Arc<str>,
    counters: Option<[Counter; 2]>,
    told: T,
}

/// A verdict.
#[derive(Debug)]
pub struct Decision<'e, T> {
    /// It may pass.
    pub allowed: bool,
    /// The policy that matched.
    pub policy: Option<&'e PolicyId<T>>,
    /// What logs are told of it (`access_log_hint`).
    pub log: Option<bool>,
    /// What is told of it.
    pub told: &'e T,
}

/// Where the statistics of each policy are kept: `<prefix>policy.<name>.<allowed>` and its contrary.
#[derive(Clone, Copy)]
pub struct PerPolicy<'a> {
    /// Where they are registered.
    pub stats: &'a Arc<Stats>,
    /// What stands before `policy.`.
    pub prefix: &'a str,
    /// `allowed` and `denied`, or what the shadow calls them.
    pub ends: [&'a str; 2],
}

impl PerPolicy<'_> {
    /// The counter of a verdict of a policy.
    pub(crate) fn counter(&self, name: &str, allowed: bool) -> Counter {
        let PerPolicy { stats, prefix, ends } = self;
        stats.counter(&format!("{prefix}policy.{name}.{}", ends[usize::from(!allowed)]))
    }
}

/// Makes what is told of a verdict: the policy's name, if one matched, and whether one may pass.
pub type Tell<'t, T> = &'t dyn Fn(Option<&Arc<str>>, bool) -> T;

impl<T> Engine<T> {
    /// Compiles.
    ///
    /// # Errors
    /// What of it cannot be honoured.
    pub fn compile(
        config: &plain::Engine,
        per_policy: Option<PerPolicy<'_>>,
        tell: Tell<'_, T>,
    ) -> Result<Engine<T>, Rejection> {
        let id = |name: &Arc<str>, allowed| PolicyId {
            name: name.clone(),
            counters: per_policy.map(|per_policy| [true, false].map(|allowed| per_policy.counter(name, allowed))),
            told: tell(Some(name), allowed),
        };
        let (by, nobody) = match config {
            plain::Engine::Rules(action, policies) => {
                let compiled = policies.iter().map(|(name, policy)| Policy {
                    id: id(name, *action != Action::Deny),
                    permissions: policy.permissions.iter().map(Rule::compile).collect(),
                    principals: policy.principals.iter().map(Rule::compile).collect(),
                    condition: policy.condition.as_deref().map(Expression::compile),
                });
                let by =
                    By::Rules { action: *action, policies: compiled.collect(), index: Index::of(policies.values()) };
                (by, *action != Action::Allow)
            }
            plain::Engine::Tree(tree) => {
                let mut logs = false;
                let tree = Tree::compile(&At::root(), tree, &mut |_, named: &plain::Named| {
                    logs |= named.action == Action::Log;
                    Ok(Named { id: id(&named.name, named.action != Action::Deny), action: named.action })
                })?;
                (By::Tree { tree, logs }, false)
            }
        };
        Ok(Engine(Box::new(Kind { by, nobody: tell(None, nobody) })))
    }

    /// Judges, and counts for the policy that matched.
    pub fn judge(&self, facts: &dyn Facts) -> Decision<'_, T> {
        let Kind { by, nobody } = &*self.0;
        let (policy, allowed, log) = match by {
            By::Rules { action, policies, index } => {
                let policy = match index {
                    Some(index) => index.find(facts, |at| policies[at].matches(facts)).map(|at| &policies[at].id),
                    None => policies.iter().find(|policy| policy.matches(facts)).map(|policy| &policy.id),
                };
                let matched = policy.is_some();
                let (allowed, log) = match action {
                    Action::Allow => (matched, None),
                    Action::Deny => (!matched, None),
                    Action::Log => (true, Some(matched)),
                };
                (policy, allowed, log)
            }
            By::Tree { tree, logs } => match tree.judge(facts) {
                Verdict::Later | Verdict::Nothing => (None, false, None),
                Verdict::Action(Named { id, action }) => {
                    (Some(id), *action != Action::Deny, logs.then_some(*action == Action::Log))
                }
            },
        };
        if let Some([of_allowed, of_denied]) = policy.and_then(|policy| policy.counters.as_ref()) {
            if allowed { of_allowed.inc() } else { of_denied.inc() }
        }
        Decision { allowed, policy, log, told: policy.map_or(nobody, |policy| &policy.told) }
    }
}

impl<T> Policy<T> {
    fn matches(&self, facts: &dyn Facts) -> bool {
        self.permissions.iter().any(|rule| rule.holds(facts))
            && self.principals.iter().any(|rule| rule.holds(facts))
            && self.condition.as_ref().is_none_or(|condition| condition.holds(facts))
    }
}

impl<T> Decision<'_, T> {
    /// Response-code details, or those of a connection's end, of a verdict that denies. Blanks would break logs.
    pub fn details(&self) -> String {
        let name = self.policy.map_or("none", |policy| &policy.name);
        let name = name.replace(|char: char| char.is_ascii_whitespace() || char == '\u{b}', "_");
        format!("rbac_access_denied_matched_policy[{name}]")
    }
}

/// What metadata says of a verdict: the policy that gave it, and the result.
pub fn in_metadata(prefix: &str, kind: &str, name: Option<&Arc<str>>, allowed: bool) -> serde_json::Value {
    let mut told = serde_json::Map::new();
    if let Some(name) = name {
        told.insert(format!("{prefix}{kind}_effective_policy_id"), (**name).into());
    }
    told.insert(format!("{prefix}{kind}_engine_result"), if allowed { "allowed" } else { "denied" }.into());
    serde_json::Value::Object(told)
}

/// A prefix with its end, as Envoy joins them.
pub fn join(prefix: &str, end: &str) -> String {
    match prefix {
        "" => end.to_owned(),
        prefix if prefix.ends_with('.') => format!("{prefix}{end}"),
        prefix => format!("{prefix}.{end}"),
    }
}

#[cfg(test)]
mod tests;
