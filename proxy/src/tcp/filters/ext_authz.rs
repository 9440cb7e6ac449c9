//! `envoy.extensions.filters.network.ext_authz.v3.ExtAuthz`: a gRPC service is asked about each connection when its first octets come, or
//! a relayed client says that none will; one that it denies is closed. Carries policy: where the service cannot be asked the connection is
//! closed, unless `failure_mode_allow` says otherwise.
//!
//! With `shadow_mode` what is decided is left in the filter state, and every connection goes on.
//! Honoured: all fields but `send_tls_alert_on_denial`: rustls sends no alert of that kind.

use std::sync::Arc;

use config::Rejection;
use config::filters::network::ext_authz::ExtAuthz as Config;
use config::services::ext_authz as message;
use tokio::time::Instant;

use super::filter::{FilterDeps, Hooks, NetworkFilter, Step, Turn};
use crate::call::wait::{Wait, Waited};
use crate::call::{GrpcCall, GrpcTarget, Reply};
use crate::failure::ResponseFlags;
use crate::policy::Opened;
use crate::stats::{Counter, Gauge};
use crate::telemetry::shadow::{Decision, Outcome};
use crate::telemetry::stream_info::{ConnectionInfo, Denial};
use crate::tls;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::Headers;

/// Where what the service says stands in the metadata.
const NAMESPACE: &str = "envoy.filters.network.ext_authz";

/// The filter.
pub(super) struct ExtAuthz {
    config: Config,
    target: Arc<GrpcTarget>,
    total: Counter,
    ok: Counter,
    denied: Counter,
    error: Counter,
    failure_mode_allowed: Counter,
    cx_closed: Counter,
    disabled: Counter,
    active: Gauge,
    opened: Opened,
}

/// A question under way; dropped with its connection, it is counted no more.
pub(super) struct Asking {
    active: Gauge,
    since: Instant,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.active.dec();
    }
}

impl NetworkFilter for ExtAuthz {
    type Config = Config;
    type State = Option<Asking>;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<ExtAuthz, Rejection> {
        let name = |name: &str| format!("ext_authz.{}.{name}", config.stat_prefix);
        let counter = |end: &str| deps.stats.counter(&name(end));
        Ok(ExtAuthz {
            target: Arc::new(GrpcTarget::new(&config.service)),
            total: counter("total"),
            ok: counter("ok"),
            denied: counter("denied"),
            error: counter("error"),
            failure_mode_allowed: counter("failure_mode_allowed"),
            cx_closed: counter("cx_closed"),
            disabled: counter("disabled"),
            active: deps.stats.gauge(&name("active")),
            opened: Opened::default(),
            config: config.clone(),
        })
    }

    fn wants(&self) -> Hooks {
        Hooks::FIRST
    }

    fn first(&self, turn: &mut Turn<'_, Option<Asking>>) -> Step {
        let connection = turn.view.connection;
        let enabled = self.config.enabled_metadata.as_ref();
        if !enabled.is_none_or(|matcher| matcher.matches(connection.metadata.borrow().get(&matcher.filter))) {
            self.disabled.inc();
            return Step::Continue;
        }
        self.total.inc();
        self.active.inc();
        *turn.state = Some(Asking { active: self.active, since: Instant::now() });
        let message = Framed::of(&self.question(connection));
        let mut render = super::render(connection);
        let call = GrpcCall::unary(&self.target, message::CHECK, message, Headers::new(), &mut render);
        Step::Wait(Wait::Call(turn.view.calls.grpc(call)))
    }

    fn resumed(&self, turn: &mut Turn<'_, Option<Asking>>, waited: Waited) -> Step {
        let asked = turn.state.take();
        let connection = turn.view.connection;
        let answer = match waited {
            Waited::Call(Ok(Reply::Grpc(reply))) => message::decode(&reply.message).map_err(|error| error.to_string()),
            Waited::Call(Err(failure)) => Err(failure.to_string()),
            _ => Err("the answer is not gRPC".to_owned()),
        };
        let answer = match answer {
            Ok(message::CheckResponse { verdict: message::Verdict::Failed(_), .. }) => {
                Err("the service says that it failed".to_owned())
            }
            other => other,
        };
        match answer {
            Ok(answer) => {
                self.opened.answered(format_args!("network ext_authz '{}'", self.config.stat_prefix));
                let allowed = matches!(answer.verdict, message::Verdict::Allowed(_));
                self.remember(connection, &answer, asked.filter(|_| allowed));
                if allowed {
                    self.ok.inc();
                    return self.told(connection, Outcome::Ok, None);
                }
                self.denied.inc();
                if self.config.shadow {
                    let told = match &answer.verdict {
                        message::Verdict::Denied(denied) => denied.status,
                        _ => None,
                    };
                    return self.told(connection, Outcome::Denied, Some(told.unwrap_or(403)));
                }
                self.close(connection, "ext_authz_denied")
            }
            Err(why) => {
                self.error.inc();
                if self.config.shadow {
                    return self.told(connection, Outcome::Error, None);
                }
                if self.config.failure_mode_allow {
                    self.failure_mode_allowed.inc();
                    self.opened.failed(format_args!("network ext_authz '{}'", self.config.stat_prefix), &why);
                    return Step::Continue;
                }
                tracing::debug!(target: "filter", id = connection.id, "ext_authz: connection closed: {why}");
                self.close(connection, "ext_authz_error")
            }
        }
    }
}

impl ExtAuthz {
    /// The connection goes on; where nobody obeys, what was decided is left for later filters and logs.
    fn told(&self, connection: &ConnectionInfo, outcome: Outcome, status: Option<u16>) -> Step {
        if self.config.shadow {
            let decision = Decision { outcome, status, headers: Vec::new() }.object(NAMESPACE.into());
            connection.filter_state.borrow_mut().set(decision);
        }
        Step::Continue
    }

    fn close(&self, connection: &ConnectionInfo, details: &'static str) -> Step {
        self.cx_closed.inc();
        *connection.denied.borrow_mut() = Some(Denial::Response(details));
        Step::Close(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE)
    }

    /// The bytes of the question.
    fn question(&self, connection: &ConnectionInfo) -> Vec<u8> {
        let tls = connection.tls.as_deref();
        let certificate = match tls.and_then(|tls| tls.peer.as_deref()) {
            Some(peer) if self.config.include_peer_certificate => {
                tls::url_encoded_pem(peer.chain.get(..1).unwrap_or_default())
            }
            _ => String::new(),
        };
        let (principal, local_principal) = tls.map(tls::principals).unwrap_or_default();
        let server_name = connection.requested_server_name.as_ref().map_or("", |name| name.text());
        let metadata = connection.metadata.borrow();
        let mut told = message::MetadataContext::default();
        for namespace in &self.config.metadata {
            told.plain.extend(metadata.get(namespace).map(|value| (&**namespace, value)));
        }
        for namespace in &self.config.typed_metadata {
            let value = metadata.typed(namespace);
            told.typed.extend(value.map(|value| (&**namespace, (&*value.type_url, &value.bytes[..]))));
        }
        message::encode(&message::CheckRequest {
            source: message::Peer {
                address: Some(connection.remote),
                principal,
                certificate: &certificate,
                ..message::Peer::default()
            },
            destination: message::Peer {
                address: Some(connection.local),
                service: server_name,
                principal: &local_principal,
                labels: self.config.labels.iter().map(|(name, value)| (&**name, &**value)).collect(),
                ..message::Peer::default()
            },
            sni: self.config.include_tls_session.then_some(server_name),
            metadata: told,
            ..message::CheckRequest::default()
        })
    }

    /// Keeps what the service says for later filters and logs, and of one that grants how long that took.
    fn remember(&self, connection: &ConnectionInfo, answer: &message::CheckResponse, asked: Option<Asking>) {
        let mut metadata = connection.metadata.borrow_mut();
        if let Some(told) = &answer.metadata {
            metadata.merge(NAMESPACE, told);
        }
        if let Some(asked) = asked {
            let duration = serde_json::json!({ "ext_authz_duration": asked.since.elapsed().as_millis() as u64 });
            metadata.merge(NAMESPACE, &duration);
        }
    }
}

#[cfg(test)]
mod tests;
