//! `envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`: asks a service about each request before it goes on. Carries policy: what
//! cannot be asked is refused, unless `failure_mode_allow` says otherwise.
//!
//! With a gRPC service; an HTTP service is refused at load. `filter_enabled` and `deny_at_disable` go by their default values: there is
//! no runtime here. `bootstrap_metadata_labels_key`, `route_metadata_context_namespaces` and `emit_filter_state_stats` are refused.
//! Not acting: `charge_cluster_response_stats` (the cluster does not count denials), `filter_metadata`, `enforce_response_header_limits`,
//! and `pack_as_bytes` of a route's own body settings (the filter's is taken). None of them decides who passes.
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
use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::http::reason;
use crate::policy::falls_into;
use crate::stats::Counter;
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
    stats: Stats,
}

/// Headers that only this filter knows, interned.
#[derive(Debug)]
struct Names {
    failure_mode_allowed: Name,
    downstream_service: Name,
    partial_body: Name,
}

#[derive(Debug)]
struct Stats {
    ok: Counter,
    denied: Counter,
    error: Counter,
    disabled: Counter,
    failure_mode_allowed: Counter,
    invalid: Counter,
    ignored_dynamic_metadata: Counter,
    omitted_response_headers: Counter,
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
        let prefix = match &config.stat_prefix {
            Some(prefix) => format!("{}ext_authz.{prefix}.", deps.scope),
            None => format!("{}ext_authz.", deps.scope),
        };
        let counter = |name: &str| deps.stats.counter(&format!("{prefix}{name}"));
        Ok(ExtAuthz {
            target: target(&root, &config.service)?,
            names: Names {
                failure_mode_allowed: Name::new("x-envoy-auth-failure-mode-allowed"),
                downstream_service: Name::new("x-envoy-downstream-service-cluster"),
                partial_body: Name::new("x-envoy-auth-partial-body"),
            },
            stats: Stats {
                ok: counter("ok"),
                denied: counter("denied"),
                error: counter("error"),
                disabled: counter("disabled"),
                failure_mode_allowed: counter("failure_mode_allowed"),
                invalid: counter("invalid"),
                ignored_dynamic_metadata: counter("ignored_dynamic_metadata"),
                omitted_response_headers: counter("omitted_response_headers"),
            },
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
        if let (Some(changes), Some(head)) = (turn.state.take(), &mut turn.stream.response) {
            for change in changes.iter() {
                if !verdict::change_response(&mut head.headers, change) {
                    self.stats.omitted_response_headers.inc();
                }
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
                self.stats.ok.inc();
                Step::Continue
            }
            message::Verdict::Denied(denied) => {
                self.stats.denied.inc();
                let reply = self.refusal(denied.status.unwrap_or(403), "ext_authz_denied");
                match verdict::denial(&self.config, reply, denied) {
                    Ok(reply) => reply.into(),
                    Err(name) => self.invalid(turn, &name),
                }
            }
            message::Verdict::Failed(_) => self.failed(turn, "the service says that it failed"),
        }
    }

    /// There is no verdict.
    fn failed(&self, turn: &mut Turn<'_, '_, ExtAuthz>, why: &str) -> Step {
        self.stats.error.inc();
        if self.config.failure_mode_allow {
            self.stats.failure_mode_allowed.inc();
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
