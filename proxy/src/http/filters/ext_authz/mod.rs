//! `envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`: asks a service about each request before it goes on. Carries policy: what
//! cannot be asked is refused, unless `failure_mode_allow` says otherwise.
//!
//! With a gRPC service; an HTTP service is refused at load. `filter_enabled` and `deny_at_disable` go by their default values: there is
//! no runtime here. `bootstrap_metadata_labels_key`, `route_metadata_context_namespaces` and `emit_filter_state_stats` are refused.
//! As in Envoy `pack_as_bytes` is the filter's, also where a route has body settings of its own.
//! `question` makes what is asked, `verdict` does what is answered.

mod question;
mod verdict;

use std::sync::Arc;

use bytes::Bytes;
use config::filters::ext_authz::{BodySettings, ExtAuthz as Config, ExtAuthzPerRoute, Service};
use config::services::ext_authz as message;
use config::{At, Rejection};

use super::Scope;
use super::filter::{Collect, FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::{Wait, Waited};
use crate::call::{GrpcCall, GrpcTarget, Reply};
use crate::cluster::Codes;
use crate::failure::ResponseFlags;
use crate::http::attempt;
use crate::http::local_reply::LocalReply;
use crate::http::reason;
use crate::http::stream::Stream;
use crate::http::upstreams::UpstreamCluster;
use crate::policy::falls_into;
use crate::stats::Counter;
use crate::telemetry::dynamic::{Form, Shared, StateObject};
use crate::telemetry::format;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::BodyLength;

/// The filter.
#[derive(Debug)]
pub(crate) struct ExtAuthz {
    config: Config,
    target: Arc<GrpcTarget>,
    names: Names,
    stats: Counts,
    /// Of the names below a cluster's.
    of_cluster: String,
    /// For logs, as JSON.
    filter_metadata: Option<Bytes>,
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
    }
}

/// What a level says.
#[derive(Debug)]
pub(crate) struct PerRoute {
    config: ExtAuthzPerRoute,
    target: Option<Arc<GrpcTarget>>,
}

/// What the service wants done to the response.
type ForResponse = Option<Box<Vec<message::HeaderChange>>>;

impl HttpFilter for ExtAuthz {
    type Config = Config;
    type ScopedConfig = ExtAuthzPerRoute;
    type Scoped = PerRoute;
    type State = ForResponse;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<ExtAuthz, Rejection> {
        let root = At::root();
        let refused = |field: &str, why: &str| Err(root.field(field).unsupported(why));
        if config.labels_key.is_some() {
            return refused(
                "bootstrap_metadata_labels_key",
                "is not supported; the authorizer would judge without labels",
            );
        }
        if !config.route_metadata.is_empty() {
            return refused(
                "route_metadata_context_namespaces",
                "is not supported; the authorizer would judge without it",
            );
        }
        if config.emit_filter_state {
            return refused("emit_filter_state_stats", "is not supported; leave it out");
        }
        let of_cluster = match &config.stat_prefix {
            Some(prefix) => format!("ext_authz.{prefix}."),
            None => "ext_authz.".to_owned(),
        };
        Ok(ExtAuthz {
            target: target(&root, &config.service)?,
            names: Names {
                failure_mode_allowed: Name::new("x-envoy-auth-failure-mode-allowed"),
                downstream_service: Name::new("x-envoy-downstream-service-cluster"),
                partial_body: Name::new("x-envoy-auth-partial-body"),
            },
            stats: Counts::new(deps.stats, &format!("{}{of_cluster}", deps.scope)),
            of_cluster,
            filter_metadata: config.filter_metadata.as_ref().map(|metadata| Bytes::from(metadata.to_string())),
            config: config.clone(),
        })
    }

    fn scope(config: &ExtAuthzPerRoute, _deps: &FilterDeps<'_>) -> Result<PerRoute, Rejection> {
        let root = At::root();
        let at = root.field("check_settings");
        let target = config.service.as_ref().map(|service| target(&at, service)).transpose()?;
        Ok(PerRoute { config: config.clone(), target })
    }

    fn acts(&self, scope: Option<&PerRoute>) -> Hooks {
        match scope {
            Some(scope) if scope.config.disabled => Hooks::NONE,
            _ => Hooks::REQUEST.with(Hooks::RESPONSE),
        }
    }

    fn request(&self, turn: &mut Turn<'_, '_, ExtAuthz>) -> Step {
        if !self.is_enabled(turn) {
            self.stats.disabled.inc();
            if self.config.deny_at_disable {
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
        match waited {
            Waited::Collected { complete } => {
                let settings = self.body_settings(turn);
                if !complete && !settings.is_some_and(|settings| settings.partial) {
                    return LocalReply::new(413, "request_payload_too_large").body(&b"Payload Too Large"[..]).into();
                }
                let most = settings.map_or(0, |settings| settings.most as usize);
                let data = body.data();
                let told = data.slice(..data.len().min(most));
                self.ask(turn, Some((told, !complete)))
            }
            Waited::Call(Ok(Reply::Grpc(reply))) => match message::decode(&reply.message) {
                Ok(answer) => self.judged(turn, answer),
                Err(rejection) => self.failed(turn, &format!("the answer cannot be read: {rejection}")),
            },
            Waited::Call(Ok(Reply::Http(_))) => self.failed(turn, "the answer is not gRPC"),
            Waited::Call(Err(failure)) => self.failed(turn, &failure.to_string()),
            _ => Step::Abort(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE, "ext_authz_error"),
        }
    }

    fn response(&self, turn: &mut Turn<'_, '_, ExtAuthz>) -> Step {
        let most = self.config.enforce_header_limits.then(|| most_headers(turn.stream)).flatten();
        if let (Some(changes), Some(head)) = (turn.state.take(), &mut turn.stream.response) {
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
        self.config.enabled.is_none_or(|share| falls_into(share, fastrand::u64(..)))
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
        if let Some(value) = &self.filter_metadata {
            turn.stream.info.filter_state.set(StateObject {
                key: turn.slot.name.clone(),
                value: value.clone(),
                form: Form::Json,
                read_only: false,
                shared: Shared::None,
            });
        }
        let question = question::encode(self, turn, body.as_ref());
        let target = turn.scope.and_then(|scope| scope.target.as_ref()).unwrap_or(&self.target);
        let stream = &*turn.stream;
        let entry = stream.entry(None, None);
        let mut render = |format: &config::access_log::Format, out: &mut Vec<u8>| format::write(format, &entry, out);
        let message = Framed::of(&question);
        let call = GrpcCall::unary(target, message::CHECK, message, Headers::new(), &mut render);
        Step::Wait(Wait::Call(stream.context.upstreams.calls().grpc(call)))
    }

    fn judged(&self, turn: &mut Turn<'_, '_, ExtAuthz>, answer: message::CheckResponse) -> Step {
        if let Some(metadata) = &answer.metadata {
            if self.config.takes_metadata {
                turn.stream.info.metadata.merge("envoy.filters.http.ext_authz", metadata);
            } else {
                self.stats.ignored_dynamic_metadata.inc();
            }
        }
        match answer.verdict {
            message::Verdict::Allowed(allowed) => {
                let changed = match verdict::apply(&self.config, &mut turn.stream.request, &allowed) {
                    Ok(changed) => changed,
                    Err(name) => return self.invalid(turn, &name),
                };
                if changed && self.config.clear_route_cache {
                    turn.stream.plan.rare().reroute = true;
                }
                if !allowed.response_headers.is_empty() {
                    *turn.state = Some(Box::new(allowed.response_headers));
                }
                self.count(turn.stream, self.stats.ok, "ok");
                Step::Continue
            }
            message::Verdict::Denied(denied) => {
                self.count(turn.stream, self.stats.denied, "denied");
                let reply = self.refusal(denied.status.unwrap_or(403), "ext_authz_denied");
                if let Some(cluster) = cluster(turn.stream).filter(|_| self.config.charge_cluster) {
                    cluster.count_response(reply.status, Codes::of(true), None);
                }
                match verdict::denial(&self.config, reply, denied) {
                    Ok(reply) => reply.into(),
                    Err(name) => self.invalid(turn, &name),
                }
            }
            message::Verdict::Failed(_) => self.failed(turn, "the service says that it failed"),
        }
    }

    /// Counts an outcome, for the filter and for the cluster of the request's route.
    fn count(&self, stream: &Stream<'_>, counter: Counter, outcome: &str) {
        counter.inc();
        if let Some(cluster) = cluster(stream) {
            // A look-up by name, beside a call to another service.
            cluster.grpc().1.counter(&format!("{}{outcome}", self.of_cluster)).inc();
        }
    }

    /// There is no verdict.
    fn failed(&self, turn: &mut Turn<'_, '_, ExtAuthz>, why: &str) -> Step {
        self.count(turn.stream, self.stats.error, "error");
        if self.config.failure_mode_allow {
            self.count(turn.stream, self.stats.failure_mode_allowed, "failure_mode_allowed");
            if self.config.failure_mode_allow_header {
                let headers = &mut turn.stream.request.headers;
                headers.set(self.names.failure_mode_allowed.clone(), Bytes::from_static(b"true"));
            }
            return Step::Continue;
        }
        reason::tell(turn.stream, "ext_authz_error", why);
        self.refusal(self.config.status_on_error, "ext_authz_error").into()
    }

    /// The service wants a header that is none, or that the rules forbid as an error.
    fn invalid(&self, turn: &mut Turn<'_, '_, ExtAuthz>, name: &str) -> Step {
        self.stats.invalid.inc();
        reason::tell(
            turn.stream,
            "ext_authz_invalid",
            &format!("the authorizer sent the header {name:?}, which is not valid or not allowed"),
        );
        self.refusal(500, "ext_authz_invalid").into()
    }

    fn refusal(&self, status: u16, details: &'static str) -> LocalReply {
        LocalReply::new(status, details).flags(ResponseFlags::UNAUTHORIZED_EXTERNAL_SERVICE)
    }
}

/// The cluster of the request's route.
fn cluster(stream: &Stream<'_>) -> Option<UpstreamCluster> {
    let chosen = stream.route?;
    let name = attempt::cluster_name(stream, chosen, chosen.forwarding?)?;
    stream.context.upstreams.get(&name)
}

/// How many lines the head of a response may have: as many as those of its cluster. Answers of our own have no limit.
fn most_headers(stream: &Stream<'_>) -> Option<usize> {
    let from_upstream = stream.info.response_code_details.as_deref() == Some("via_upstream");
    let cluster = stream.context.upstreams.get(stream.info.upstream_cluster.as_ref().filter(|_| from_upstream)?)?;
    Some(cluster.config().http.max_headers_count as usize)
}

fn target(at: &At<'_>, service: &Service) -> Result<Arc<GrpcTarget>, Rejection> {
    match service {
        Service::Grpc(service) => Ok(Arc::new(GrpcTarget::new(service))),
        Service::Http(_) => Err(at.field("http_service").unsupported("is not supported; use grpc_service")),
    }
}

/// The settings of every level, the most specific first.
fn levels<'s>(turn: &Turn<'_, 's, ExtAuthz>) -> impl Iterator<Item = &'s PerRoute> {
    #[allow(irrefutable_let_patterns)]
    turn.levels(|scope| if let Scope::ExtAuthz(scope) = scope { Some(scope) } else { None })
}

#[cfg(test)]
mod tests;
