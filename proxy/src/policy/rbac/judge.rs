//! An engine with the names of its verdicts: what the RBAC filters of requests and of connections have in common. It counts and writes
//! down what was judged; what comes of it, the filters know.

use config::{Rejection, rbac as plain};
use serde_json::{Map, Value};

use super::{Decision, Engine, PerPolicy};
use crate::policy::facts::Facts;
use crate::stats::Counter;

/// One of the two that a filter may have: its verdicts are obeyed, or only told.
#[derive(Debug)]
pub(crate) struct Judge {
    engine: Engine,
    policy_key: Box<str>,
    result_key: Box<str>,
}

impl Judge {
    /// Compiles; `None` where nothing is configured. In metadata its verdicts begin with `prefix` and `role`, which is `enforced` or
    /// `shadow`.
    ///
    /// # Errors
    /// As [`Engine::compile`].
    pub(crate) fn compile(
        engine: Option<&plain::Engine>,
        per_policy: Option<PerPolicy<'_>>,
        prefix: &str,
        role: &str,
    ) -> Result<Option<Judge>, Rejection> {
        let Some(engine) = engine else { return Ok(None) };
        Ok(Some(Judge {
            engine: Engine::compile(engine, per_policy)?,
            policy_key: format!("{prefix}{role}_effective_policy_id").into(),
            result_key: format!("{prefix}{role}_engine_result").into(),
        }))
    }

    /// Judges, and counts one of these: allowed, denied.
    pub(crate) fn judge(&self, facts: &dyn Facts, [allowed, denied]: [Counter; 2]) -> Decision<'_> {
        let decision = self.engine.judge(facts);
        if decision.allowed {
            allowed.inc()
        } else {
            denied.inc()
        }
        decision
    }

    /// Writes a verdict down, as metadata has it.
    pub(crate) fn tell(&self, decision: Decision<'_>, told: &mut Map<String, Value>) {
        if let Some(policy) = decision.policy {
            told.insert(self.policy_key.to_string(), Value::from(&*policy.name));
        }
        told.insert(self.result_key.to_string(), Value::from(decision.result()));
    }
}
