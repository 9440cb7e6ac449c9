//! `envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`: asks a service about each request before it goes on. Carries policy: what
//! cannot be asked is refused, unless `failure_mode_allow` says otherwise.
//!
//! As in Envoy `pack_as_bytes` is the filter's, also where a route has body settings of its own, and a request without a route is not
//! asked about. `question` makes what a gRPC service is asked, `over_http` speaks with an HTTP service; `outcome` counts what is answered and `verdict`
//! does it.

mod outcome;
mod over_http;
mod question;
mod verdict;

use std::sync::Arc;

use bytes::Bytes;
use config::Rejection;
use config::filters::ext_authz::{BodySettings, ExtAuthz as Config, ExtAuthzPerRoute, Service};
use config::services::ext_authz as message;
use tokio::time::Instant;

use self::over_http::HttpTarget;
use super::Scope;
use super::buffer::too_large;
use super::filter::{Collect, FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::{Wait, Waited};
use crate::call::{GrpcCall, GrpcTarget, Reply};
use crate::failure::ResponseFlags;
use crate::http::attempt;
use crate::http::trace::called;
use crate::policy::{Opened, falls_into};
use crate::stats::{self, Kind};
use crate::telemetry::dynamic::{Form, Shared, StateObject};
use crate::telemetry::format;
use crate::telemetry::shadow::Outcome;
use crate::wire::grpc::{self, frames::Framed};
use crate::wire::h1::phrase;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::BodyLength;

/// The filter.
#[derive(Debug)]
pub(crate) struct ExtAuthz {
    config: Config,
    target: Target,
    names: Names,
    stats: Counts,
    /// Of the names below a cluster's.
    of_cluster: String,
    /// For logs, as JSON.
    filter_metadata: Option<Bytes>,
    opened: Opened,
}

/// Headers that only this filter knows, interned.
#[derive(Debug)]
struct Names {
    failure_mode_allowed: Name,
    downstream_service: Name,
    partial_body: Name,
}

crate::stats::counters! {
    struct Counts {
        ok denied error disabled failure_mode_allowed invalid ignored_dynamic_metadata omitted_response_headers
        request_header_limits_reached filter_state_name_collision shadow_denied shadow_error
    }
}

/// What Envoy shows and cannot happen here: an answer of an HTTP service may have any number of headers.
const QUIET: stats::Names = &[(Kind::Counter, "response_header_limits_reached")];

/// What a level says.
#[derive(Debug)]
pub(crate) struct PerRoute {
    config: ExtAuthzPerRoute,
    target: Option<Target>,
}

/// Who is asked.
#[derive(Debug)]
enum Target {
    Grpc(Arc<GrpcTarget>),
    Http(Arc<HttpTarget>),
}

/// What one request remembers.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// When it was asked.
    asked: Option<Instant>,
    /// What the service wants done to the response.
    response: ForResponse,
}

type ForResponse = Option<Box<Vec<message::HeaderChange>>>;

impl HttpFilter for ExtAuthz {
    type Config = Config;
    type ScopedConfig = ExtAuthzPerRoute;
    type Scoped = PerRoute;
    type State = State;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<ExtAuthz, Rejection> {
        let of_cluster = match &config.stat_prefix {
            Some(prefix) => format!("ext_authz.{prefix}."),
            None => "ext_authz.".to_owned(),
        };
        let prefix = format!("{}{of_cluster}", deps.scope);
        deps.stats.quiet(&prefix, QUIET);
        Ok(ExtAuthz {
            target: Target::new(&config.service),
            names: Names {
                failure_mode_allowed: Name::new("x-envoy-auth-failure-mode-allowed"),
                downstream_service: Name::new("x-envoy-downstream-service-cluster"),
                partial_body: Name::new("x-envoy-auth-partial-body"),
            },
            stats: Counts::new(deps.stats, &prefix),
            of_cluster,
            opened: Opened::default(),
            filter_metadata: config.filter_metadata.as_ref().map(|metadata| Bytes::from(metadata.to_string())),
            config: config.clone(),
        })
    }

    fn scope(config: &ExtAuthzPerRoute, _deps: &FilterDeps<'_>) -> Result<PerRoute, Rejection> {
        Ok(PerRoute { config: config.clone(), target: config.service.as_ref().map(Target::new) })
    }

    fn acts(&self, scope: Option<&PerRoute>) -> Hooks {
        match scope {
            Some(scope) if scope.config.disabled => Hooks::NONE,
            _ => Hooks::REQUEST.with(Hooks::RESPONSE),
        }
    }

    fn request(&self, turn: &mut Turn<'_, '_, ExtAuthz>) -> Step {
        // As in Envoy nobody is asked about what leads nowhere; what is sent to https leads there.
        if turn.stream.route.is_none() && !turn.stream.to_tls {
            return Step::Continue;
        }
        if !self.is_enabled(turn) {
            self.stats.disabled.inc();
            if self.config.deny_at_disable.get() && self.config.shadow {
                turn.stream.info.flags.set(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE);
                return self.told(turn, Outcome::Denied, self.config.status_on_error, Vec::new());
            }
            if self.config.deny_at_disable.get() {
                return self.refusal(self.config.status_on_error, "ext_authz_error").into();
            }
            return Step::Continue;
        }
        if let Some(body) = self.wanted_body(turn) {
            return Step::Collect(Collect { limit: body.most as usize });
        }
        self.ask(turn, None)
    }

    fn resumed(&self, turn: &mut Turn<'_, '_, ExtAuthz>, _way: Way, waited: Waited, body: &mut Out<'_>) -> Step {
        if let Waited::Call(answer) = &waited {
            self.leave_stats(turn, answer.as_ref().ok());
        }
        match waited {
            Waited::Collected { complete } => {
                let settings = self.body_settings(turn);
                if !complete && !settings.is_some_and(|settings| settings.partial) {
                    return too_large(turn.stream).into();
                }
                let most = settings.map_or(0, |settings| settings.most as usize);
                let data = body.data();
                let told = data.slice(..data.len().min(most));
                self.ask(turn, Some((told, !complete)))
            }
            Waited::Call(Ok(Reply::Grpc(reply))) => match message::decode(&reply.message) {
                Ok(answer) => {
                    called::grpc_ended(turn.stream, 0, status_of(&answer));
                    self.judged(turn, answer)
                }
                Err(rejection) => {
                    called::grpc_ended(turn.stream, grpc::INTERNAL, None);
                    self.failed(turn, message::Denied::default(), &format!("the answer cannot be read: {rejection}"))
                }
            },
            Waited::Call(Ok(Reply::Http(reply))) => match target(turn) {
                Target::Http(target) => {
                    called::http_ended(turn.stream, Ok(&reply), said_by_http);
                    self.judged(turn, over_http::answer(target.config(), reply))
                }
                Target::Grpc(_) => self.failed(turn, message::Denied::default(), "the answer is not gRPC"),
            },
            Waited::Call(Err(failure)) => {
                match target(turn) {
                    Target::Http(_) => called::http_ended(turn.stream, Err(&failure), said_by_http),
                    Target::Grpc(_) => called::grpc_ended(turn.stream, failure.grpc_status(), None),
                }
                self.failed(turn, message::Denied::default(), &failure.to_string())
            }
            _ => Step::Abort(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE, "ext_authz_error"),
        }
    }

    fn response(&self, turn: &mut Turn<'_, '_, ExtAuthz>) -> Step {
        let most = self.config.enforce_header_limits.then(|| outcome::most_headers(turn.stream)).flatten();
        if let (Some(changes), Some(head)) = (turn.state.response.take(), &mut turn.stream.response) {
            let results = changes.iter().map(|change| verdict::change_response(&mut head.headers, change, most));
            // All of them are tried: some may change a header that is there.
            if results.filter(Result::is_err).count() > 0 {
                self.stats.omitted_response_headers.inc();
            }
        }
        Step::Continue
    }
}

impl ExtAuthz {
    fn is_enabled(&self, turn: &Turn<'_, '_, ExtAuthz>) -> bool {
        let metadata = &turn.stream.info.metadata;
        self.config.enabled.as_ref().is_none_or(|share| falls_into(share.get(), fastrand::u64(..)))
            && self
                .config
                .enabled_metadata
                .as_ref()
                .is_none_or(|matcher| matcher.matches(metadata.get(&matcher.filter)))
    }

    /// The body that the service wants to see, of a request that has one.
    fn wanted_body(&self, turn: &Turn<'_, '_, ExtAuthz>) -> Option<BodySettings> {
        let request = &turn.stream.request;
        let settings = self.body_settings(turn)?;
        (request.upgrade.is_none() && request.body != BodyLength::Empty).then_some(settings)
    }

    fn body_settings(&self, turn: &Turn<'_, '_, ExtAuthz>) -> Option<BodySettings> {
        match turn.scope.map(|scope| &scope.config) {
            Some(scope) if scope.without_body => None,
            Some(scope) => scope.body.or(self.config.body),
            None => self.config.body,
        }
    }

    /// Asks. `body` is what the service is told of it, and whether that is only its beginning.
    fn ask(&self, turn: &mut Turn<'_, '_, ExtAuthz>, body: Option<(Bytes, bool)>) -> Step {
        self.leave_metadata(turn);
        attempt::name_cluster(turn.stream);
        turn.state.asked = Some(Instant::now());
        let emits = turn.scope.and_then(|scope| scope.config.emits_span).unwrap_or(self.config.emits_span);
        let target = match target(turn) {
            Target::Grpc(target) => target,
            Target::Http(target) => {
                let mut call = over_http::question(self, target, turn.stream, body.as_ref());
                called::by_http(turn.stream, &call.cluster, emits, &mut call.head.headers);
                return Step::Wait(Wait::Call(turn.stream.context.upstreams.calls().http(call)));
            }
        };
        let question = question::encode(self, turn, body.as_ref());
        let mut told = Headers::new();
        called::by_grpc(turn.stream, target, message::CHECK, emits, &mut told);
        let stream = &*turn.stream;
        let entry = stream.entry(None, None);
        let mut render = |format: &config::access_log::Format, out: &mut Vec<u8>| format::write(format, &entry, out);
        let message = Framed::of(&question);
        let call = GrpcCall::unary(target, message::CHECK, message, told, &mut render);
        Step::Wait(Wait::Call(stream.context.upstreams.calls().grpc(call)))
    }

    /// `filter_metadata`, under the filter's name, unless something stands there.
    fn leave_metadata(&self, turn: &mut Turn<'_, '_, ExtAuthz>) {
        if self.filter_metadata.is_none() && !self.config.emits_stats {
            return;
        }
        match (self.has_place(turn), &self.filter_metadata) {
            (Some(false), _) => self.stats.filter_state_name_collision.inc(),
            (None, Some(value)) => leave(turn, value.clone(), Form::Json),
            (Some(true), _) | (None, None) => {}
        }
    }

    /// Whether what stands under the filter's name is its own, as after a redirect that was followed; `None` where nothing does.
    fn has_place(&self, turn: &Turn<'_, '_, ExtAuthz>) -> Option<bool> {
        let (info, name) = (&turn.stream.info, &turn.slot.name);
        let is_ours = |object: &StateObject| matches!(object.form, Form::Json | Form::Measured(_));
        let of_connection = || info.connection.filter_state.borrow().get(name).map(is_ours);
        info.filter_state.get(name).map(is_ours).or_else(of_connection)
    }

    /// `emit_filter_state_stats`, once there is an answer, or none will come. As with Envoy octets are told of gRPC alone.
    fn leave_stats(&self, turn: &mut Turn<'_, '_, ExtAuthz>, answer: Option<&Reply>) {
        let Some(asked) = turn.state.asked.filter(|_| self.config.emits_stats) else { return };
        if self.has_place(turn) == Some(false) {
            return;
        }
        let latency = u64::try_from(asked.elapsed().as_micros()).unwrap_or(u64::MAX);
        let wire = answer.and_then(|answer| if let Reply::Grpc(reply) = answer { reply.wire } else { None });
        let octets = wire.into_iter().flat_map(|wire| [("bytesSent", wire.sent), ("bytesReceived", wire.received)]);
        let fields = std::iter::once(("latency_us", latency)).chain(octets).collect();
        leave(turn, self.filter_metadata.clone().unwrap_or_default(), Form::Measured(fields));
    }

    /// Whether the service is told a header of the request: an HTTP service hears of few unless it is allowed more.
    fn tells(&self, name: &str) -> bool {
        const ALWAYS: [&str; 4] = ["authorization", ":method", ":path", ":authority"];
        let listed =
            |list: &[config::matcher::StringMatcher]| list.iter().any(|matcher| matcher.matches(name.as_bytes()));
        if listed(&self.config.disallowed_headers) {
            return false;
        }
        match (&self.config.service, &self.config.allowed_headers) {
            (Service::Grpc(_), allowed) => allowed.as_deref().is_none_or(listed),
            (Service::Http(_), allowed) => ALWAYS.contains(&name) || allowed.as_deref().is_some_and(listed),
        }
    }
}

fn leave(turn: &mut Turn<'_, '_, ExtAuthz>, value: Bytes, form: Form) {
    let key = turn.slot.name.clone();
    turn.stream.info.set_state(StateObject { key, value, form, read_only: false, shared: Shared::None });
}

/// What its span says of an answer over gRPC.
fn status_of(answer: &message::CheckResponse) -> Option<(&'static str, &'static str)> {
    let allowed = matches!(answer.verdict, message::Verdict::Allowed(_));
    Some((TRACE_STATUS, if allowed { "ext_authz_ok" } else { "ext_authz_unauthorized" }))
}

/// And over HTTP.
fn said_by_http(status: u16) -> [(&'static str, &'static str); 2] {
    let verdict = if status == 200 { "ext_authz_ok" } else { "ext_authz_unauthorized" };
    [(TRACE_STATUS, verdict), ("ext_authz_http_status", phrase(status))]
}

const TRACE_STATUS: &str = "ext_authz_status";

/// Whom this route asks.
fn target<'s>(turn: &Turn<'_, 's, ExtAuthz>) -> &'s Target {
    turn.scope.and_then(|scope| scope.target.as_ref()).unwrap_or(&turn.filter.target)
}

impl Target {
    fn new(service: &Service) -> Target {
        match service {
            Service::Grpc(service) => Target::Grpc(Arc::new(GrpcTarget::new(service))),
            Service::Http(service) => Target::Http(Arc::new(HttpTarget::new(service))),
        }
    }
}

/// The settings of every level, the most specific first.
fn levels<'s>(turn: &Turn<'_, 's, ExtAuthz>) -> impl Iterator<Item = &'s PerRoute> {
    #[allow(irrefutable_let_patterns)]
    turn.levels(|scope| if let Scope::ExtAuthz(scope) = scope { Some(scope) } else { None })
}

#[cfg(test)]
pub(super) mod tests;
