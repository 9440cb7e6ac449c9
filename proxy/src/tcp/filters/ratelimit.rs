//! `envoy.extensions.filters.network.ratelimit.v3.RateLimit`: a service that knows of all proxies says whether a new connection is above a
//! limit; then it is closed. Without its answer connections go on, unless `failure_mode_deny` says otherwise. Honoured: all fields
//! that Envoy tells the service of.

use std::sync::Arc;

use config::Rejection;
use config::filters::network::ratelimit::RateLimit as Config;
use config::services::ratelimit as message;

use super::filter::{FilterDeps, Hooks, NetworkFilter, Step, Turn};
use crate::call::wait::{Wait, Waited};
use crate::call::{GrpcCall, GrpcTarget, Reply};
use crate::failure::ResponseFlags;
use crate::policy::Opened;
use crate::stats::{Counter, Gauge};
use crate::telemetry::stream_info::ConnectionInfo;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::Headers;

/// The filter.
pub(super) struct RateLimit {
    config: Config,
    target: Arc<GrpcTarget>,
    total: Counter,
    ok: Counter,
    over_limit: Counter,
    error: Counter,
    opened: Opened,
    failure_mode_allowed: Counter,
    cx_closed: Counter,
    active: Gauge,
}

/// A question under way; dropped with its connection, it is counted no more.
pub(super) struct Asking(Gauge);

impl Drop for Asking {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl NetworkFilter for RateLimit {
    type Config = Config;
    type State = Option<Asking>;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<RateLimit, Rejection> {
        let name = |name: &str| format!("ratelimit.{}.{name}", config.stat_prefix);
        let counter = |end: &str| deps.stats.counter(&name(end));
        Ok(RateLimit {
            target: Arc::new(GrpcTarget::new(&config.service)),
            total: counter("total"),
            ok: counter("ok"),
            over_limit: counter("over_limit"),
            error: counter("error"),
            failure_mode_allowed: counter("failure_mode_allowed"),
            cx_closed: counter("cx_closed"),
            active: deps.stats.gauge(&name("active")),
            opened: Opened::default(),
            config: config.clone(),
        })
    }

    fn wants(&self) -> Hooks {
        Hooks::CONNECTED
    }

    fn connected(&self, turn: &mut Turn<'_, Option<Asking>>) -> Step {
        self.total.inc();
        self.active.inc();
        *turn.state = Some(Asking(self.active));
        let connection = turn.view.connection;
        let message = Framed::of(&self.question(connection));
        let mut render = super::render(connection);
        let call = GrpcCall::unary(&self.target, message::SHOULD_RATE_LIMIT, message, Headers::new(), &mut render);
        Step::Wait(Wait::Call(turn.view.calls.grpc(call)))
    }

    fn resumed(&self, turn: &mut Turn<'_, Option<Asking>>, waited: Waited) -> Step {
        *turn.state = None;
        let connection = turn.view.connection;
        let answer = match waited {
            Waited::Call(Ok(Reply::Grpc(reply))) => message::decode(&reply.message).map_err(|error| error.to_string()),
            Waited::Call(Err(failure)) => Err(failure.to_string()),
            _ => Err("the answer is not gRPC".to_owned()),
        };
        match answer {
            Ok(answer) => {
                self.opened.answered(format_args!("network ratelimit of the domain '{}'", self.config.domain));
                if let Some(metadata) = &answer.metadata {
                    connection.metadata.borrow_mut().merge("envoy.filters.network.ratelimit", metadata);
                }
                if !answer.over_limit {
                    self.ok.inc();
                    return Step::Continue;
                }
                self.over_limit.inc();
                self.close()
            }
            Err(why) if !self.config.deny_on_failure => {
                self.error.inc();
                self.failure_mode_allowed.inc();
                self.opened.failed(format_args!("network ratelimit of the domain '{}'", self.config.domain), &why);
                Step::Continue
            }
            Err(why) => {
                self.error.inc();
                tracing::debug!(target: "filter", id = connection.id, "ratelimit: connection closed: {why}");
                self.close()
            }
        }
    }
}

impl RateLimit {
    /// As with Envoy no flag says why.
    fn close(&self) -> Step {
        self.cx_closed.inc();
        Step::Close(ResponseFlags::NONE)
    }

    /// The bytes of the question.
    fn question(&self, connection: &std::rc::Rc<ConnectionInfo>) -> Vec<u8> {
        let mut render = super::render(connection);
        let mut written = |format| {
            let mut text = Vec::new();
            render(format, &mut text);
            text
        };
        let values: Vec<Vec<Vec<u8>>> = self
            .config
            .descriptors
            .iter()
            .map(|descriptor| descriptor.entries.iter().map(|(_, format)| written(format)).collect())
            .collect();
        let descriptors = self.config.descriptors.iter().zip(&values).map(|(descriptor, values)| message::Descriptor {
            entries: descriptor
                .entries
                .iter()
                .zip(values)
                .map(|((key, _), value)| (key.as_bytes(), &value[..]))
                .collect(),
            limit: None,
            hits: None,
            negative: false,
        });
        let descriptors = descriptors.collect();
        message::encode(&message::Question { domain: &self.config.domain, hits: 0, descriptors })
    }
}
