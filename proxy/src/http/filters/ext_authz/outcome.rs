//! What comes of a question: a verdict, or none. Counted for the filter and for the cluster of the request's route. Called by [`super`].

use bytes::Bytes;
use config::services::ext_authz as message;

use super::{ExtAuthz, Target, target, verdict};
use crate::cluster::Codes;
use crate::failure::ResponseFlags;
use crate::http::filters::filter::{Step, Turn};
use crate::http::filters::rules;
use crate::http::local_reply::LocalReply;
use crate::http::reason;
use crate::http::stream::Stream;
use crate::stats::Counter;
use crate::telemetry::shadow::{Decision, Outcome};

impl ExtAuthz {
    pub(super) fn judged(&self, turn: &mut Turn<'_, '_, ExtAuthz>, answer: message::CheckResponse) -> Step {
        if !matches!(answer.verdict, message::Verdict::Failed(_)) {
            self.opened.answered(format_args!("ext_authz '{}'", turn.slot.name));
        }
        if let Some(name) = answer.unknown_action().filter(|_| self.config.validate_mutations) {
            return self.invalid(turn, name);
        }
        if let Some(metadata) = &answer.metadata {
            self.remember(turn, metadata, matches!(answer.verdict, message::Verdict::Allowed(_)));
        }
        match answer.verdict {
            message::Verdict::Allowed(allowed) => {
                let changed = match verdict::apply(&self.config, turn.stream, &allowed) {
                    Ok(changed) => changed,
                    Err(name) => return self.invalid(turn, &name),
                };
                if changed && !rules::fits(turn.stream) {
                    self.stats.request_header_limits_reached.inc();
                    return self.invalid(turn, "its headers");
                }
                if changed && self.config.clear_route_cache {
                    turn.stream.plan.rare().reroute = true;
                }
                if !allowed.response_headers.is_empty() {
                    turn.state.response = Some(Box::new(allowed.response_headers));
                }
                self.count(turn.stream, self.stats.ok, "ok");
                if self.config.shadow { self.told(turn, Outcome::Ok, 200, Vec::new()) } else { Step::Continue }
            }
            message::Verdict::Denied(denied) if self.config.shadow => {
                self.count(turn.stream, self.stats.denied, "denied");
                let status = denied.status.unwrap_or(403);
                let code = status.to_string();
                let headers = self.of_denial(turn, &denied, &code);
                self.told(turn, Outcome::Denied, status, headers)
            }
            message::Verdict::Denied(denied) => {
                self.count(turn.stream, self.stats.denied, "denied");
                let reply = self.refusal(verdict::status(&denied).unwrap_or(403), "ext_authz_denied");
                if let Some(cluster) = turn.stream.cluster().filter(|_| self.config.charge_cluster) {
                    cluster.count_response(reply.status, Codes::of(true), None);
                }
                match verdict::denial(&self.config, reply, denied) {
                    Ok(reply) => reply.into(),
                    Err(name) => self.invalid(turn, &name),
                }
            }
            message::Verdict::Failed(told) => self.failed(turn, told, "the service says that it failed"),
        }
    }

    /// Keeps what the service says for later filters and logs.
    fn remember(&self, turn: &mut Turn<'_, '_, ExtAuthz>, metadata: &serde_json::Value, allowed: bool) {
        if !self.config.takes_metadata {
            self.stats.ignored_dynamic_metadata.inc();
            return;
        }
        let kept = &mut turn.stream.info.metadata;
        kept.merge("envoy.filters.http.ext_authz", metadata);
        if let Some(asked) = turn.state.asked.filter(|_| allowed) {
            let duration = serde_json::json!({ "ext_authz_duration": asked.elapsed().as_millis() as u64 });
            kept.merge("envoy.filters.http.ext_authz", &duration);
        }
    }

    /// Counts an outcome, for the filter and for the cluster of the request's route.
    fn count(&self, stream: &Stream<'_>, counter: Counter, outcome: &'static str) {
        counter.inc();
        if let Some(cluster) = stream.cluster() {
            cluster.count_named(&self.of_cluster, outcome);
        }
    }

    /// There is no verdict. `told` is what the service would have answered, where it says that itself.
    pub(super) fn failed(&self, turn: &mut Turn<'_, '_, ExtAuthz>, told: message::Denied, why: &str) -> Step {
        self.count(turn.stream, self.stats.error, "error");
        if self.config.shadow {
            return self.told(turn, Outcome::Error, told.status.unwrap_or(self.config.status_on_error), Vec::new());
        }
        if self.config.failure_mode_allow {
            self.count(turn.stream, self.stats.failure_mode_allowed, "failure_mode_allowed");
            self.opened.failed(format_args!("ext_authz '{}'", turn.slot.name), why);
            if self.config.failure_mode_allow_header {
                let headers = &mut turn.stream.request.headers;
                headers.set(self.names.failure_mode_allowed.clone(), Bytes::from_static(b"true"));
            }
            return Step::Continue;
        }
        reason::tell(turn.stream, "ext_authz_error", why);
        let reply = self.refusal(verdict::status(&told).unwrap_or(self.config.status_on_error), "ext_authz_error");
        match verdict::denial(&self.config, reply, told) {
            Ok(reply) => reply.into(),
            Err(name) => self.invalid(turn, &name),
        }
    }

    /// Leaves what was decided for later filters and logs, and lets the request pass.
    pub(super) fn told(
        &self,
        turn: &mut Turn<'_, '_, ExtAuthz>,
        outcome: Outcome,
        status: u16,
        headers: Vec<(&str, &[u8])>,
    ) -> Step {
        match outcome {
            Outcome::Ok => {}
            Outcome::Denied => self.stats.shadow_denied.inc(),
            Outcome::Error => self.stats.shadow_error.inc(),
        }
        let key = format!("{}.shadow", turn.slot.name).into();
        turn.stream.info.set_state(Decision { outcome, status: Some(status), headers }.object(key));
        Step::Continue
    }

    /// The headers of a denial, none of which is looked at. An HTTP service's status is one of them, as in Envoy.
    fn of_denial<'d>(
        &self,
        turn: &Turn<'_, '_, ExtAuthz>,
        denied: &'d message::Denied,
        code: &'d str,
    ) -> Vec<(&'d str, &'d [u8])> {
        let status = matches!(target(turn), Target::Http(_)).then_some((":status", code.as_bytes()));
        let set = denied.headers.iter().filter(|change| change.append != Some(true));
        status.into_iter().chain(set.map(|change| (change.name.as_str(), &change.value[..]))).collect()
    }

    /// The service wants a header that is none, that the rules forbid as an error, or more of them than there is room for.
    fn invalid(&self, turn: &mut Turn<'_, '_, ExtAuthz>, what: &str) -> Step {
        self.count(turn.stream, self.stats.invalid, "invalid");
        if self.config.shadow {
            return self.told(turn, Outcome::Error, 500, Vec::new());
        }
        reason::tell(
            turn.stream,
            "ext_authz_invalid",
            format_args!("the authorizer sent {what:?}, which is not valid, not allowed or too much"),
        );
        self.refusal(500, "ext_authz_invalid").into()
    }

    pub(super) fn refusal(&self, status: u16, details: &'static str) -> LocalReply {
        LocalReply::new(status, details).flags(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE)
    }
}

/// How many lines the head of a response may have: as many as those of its cluster. Answers of our own have no limit.
pub(super) fn most_headers(stream: &Stream<'_>) -> Option<usize> {
    let from_upstream = stream.info.response_code_details.as_deref() == Some("via_upstream");
    let cluster = stream.context.upstreams.get(stream.info.upstream_cluster.as_ref().filter(|_| from_upstream)?)?;
    Some(cluster.config().http.max_headers_count as usize)
}
