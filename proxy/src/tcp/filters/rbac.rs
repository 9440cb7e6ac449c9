//! `envoy.extensions.filters.network.rbac.v3.RBAC`: connections that its rules deny are closed when their first octets come, after
//! `delay_deny` if there is one. A client that says nothing is not judged, as with Envoy. Honoured: all but what `config` refuses.

use std::time::Duration;

use config::Rejection;
use config::filters::network::rbac as plain;
use serde_json::Map;
use tokio::time::Instant;

use super::filter::{FilterDeps, Hooks, NetworkFilter, Step, Turn};
use crate::call::wait::{Wait, Waited};
use crate::failure::ResponseFlags;
use crate::policy::rbac::{Judge, join};
use crate::stats::Counter;
use crate::telemetry::stream_info::Denial;

/// Where verdicts stand in the metadata.
const NAMESPACE: &str = "envoy.filters.network.rbac";

/// The filter.
pub(super) struct Rbac {
    rules: Option<Judge>,
    shadow: Option<Judge>,
    delay_deny: Option<Duration>,
    /// Allowed, denied.
    counts: [Counter; 2],
    shadow_counts: [Counter; 2],
}

impl NetworkFilter for Rbac {
    type Config = plain::Rbac;
    type State = ();

    fn compile(config: &plain::Rbac, deps: &FilterDeps<'_>) -> Result<Rbac, Rejection> {
        let rbac = &config.rbac;
        let base = join(&config.stat_prefix, "rbac");
        let shadow = match &*config.rbac.shadow_stat_prefix {
            "" => base.clone(),
            prefix => join(&base, prefix),
        };
        let counter = |prefix: &str, end: &str| deps.stats.counter(&join(prefix, end));
        Ok(Rbac {
            // Verdicts that are obeyed are not told in the metadata of connections.
            rules: Judge::compile(rbac.rules.as_ref(), None, "", "enforced")?,
            shadow: Judge::compile(rbac.shadow.as_ref(), None, &rbac.shadow_stat_prefix, "shadow")?,
            delay_deny: config.delay_deny,
            counts: ["allowed", "denied"].map(|end| counter(&base, end)),
            shadow_counts: ["shadow_allowed", "shadow_denied"].map(|end| counter(&shadow, end)),
        })
    }

    fn wants(&self) -> Hooks {
        if self.rules.is_none() && self.shadow.is_none() { Hooks::default() } else { Hooks::FIRST }
    }

    fn first(&self, turn: &mut Turn<'_, ()>, _octets: &mut bytes::BytesMut) -> Step {
        let connection = &**turn.view.connection;
        if let Some(shadow) = &self.shadow {
            let mut told = Map::new();
            shadow.tell(shadow.judge(connection, self.shadow_counts), &mut told);
            connection.metadata.borrow_mut().merge_owned(NAMESPACE, told);
        }
        let Some(rules) = &self.rules else { return Step::Continue };
        let decision = rules.judge(connection, self.counts);
        if let Some(log) = decision.log {
            let hint = serde_json::json!({ "access_log_hint": log });
            connection.metadata.borrow_mut().merge("envoy.common", &hint);
        }
        if decision.allowed {
            return Step::Continue;
        }
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
