//! `envoy.extensions.filters.http.ratelimit.v3.RateLimit`: a service that knows of all proxies says whether a request is above a limit.
//! Without its answer requests pass, unless `failure_mode_deny` says otherwise.
//!
//! Fields honoured: all, but that limits with a `disable_key` are never switched off. `question` makes what the service is asked, `answer` reads what it says.

mod answer;
mod question;

use std::sync::Arc;

use bytes::Bytes;
use config::Rejection;
use config::filters::ratelimit::{RateLimit as Config, RateLimitPerRoute};
use config::matcher::Fraction;
use config::route::HeaderChanges;
use config::runtime::Live;
use config::services::ratelimit as message;

use self::answer::Names;
use super::filter::{FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::{Wait, Waited};
use crate::call::{GrpcCall, GrpcTarget, Reply};
use crate::cluster::Codes;
use crate::failure::ResponseFlags;
use crate::http::grpc;
use crate::http::local_reply::LocalReply;
use crate::http::rate_limit::RateLimit as Limit;
use crate::http::reason;
use crate::http::respond;
use crate::http::stream::Stream;
use crate::http::trace::called;
use crate::mutate::Mutation;
use crate::policy::{Opened, falls_into};
use crate::telemetry::format;
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::{Headers, Name};

/// The filter.
#[derive(Debug)]
pub(crate) struct RateLimit {
    // Boxed, so that a place in a chain is as small as those of other filters.
    settings: Box<Settings>,
}

#[derive(Debug)]
struct Settings {
    config: Config,
    target: Arc<GrpcTarget>,
    /// In place of those of routes.
    rate_limits: Box<[Limit]>,
    /// Answers to requests that are limited.
    mutation: Mutation,
    names: Names,
    /// Of the names below a cluster's.
    of_cluster: String,
    opened: Opened,
}

/// What a level says.
#[derive(Debug)]
pub(crate) struct PerRoute {
    config: RateLimitPerRoute,
    rate_limits: Box<[Limit]>,
}

/// What one request remembers.
#[derive(Debug, Default)]
pub(crate) struct State {
    phase: Phase,
    /// What its response is told.
    headers: Option<Box<[(Name, Bytes)]>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// It is none of those that are limited.
    #[default]
    Idle,
    Asking,
    /// Its end may be counted.
    Begun,
}

impl HttpFilter for RateLimit {
    type Config = Config;
    type ScopedConfig = RateLimitPerRoute;
    type Scoped = PerRoute;
    type State = State;

    fn compile(config: &Config, _deps: &FilterDeps<'_>) -> Result<RateLimit, Rejection> {
        Ok(RateLimit {
            settings: Box::new(Settings {
                target: Arc::new(GrpcTarget::new(&config.service)),
                rate_limits: Limit::compile(&config.rate_limits),
                mutation: Mutation::compile(&HeaderChanges {
                    response_add: config.response_headers.clone(),
                    ..HeaderChanges::default()
                }),
                names: Names::new(),
                of_cluster: match &config.stat_prefix {
                    Some(prefix) => format!("ratelimit.{prefix}."),
                    None => "ratelimit.".to_owned(),
                },
                opened: Opened::default(),
                config: config.clone(),
            }),
        })
    }

    fn scope(config: &RateLimitPerRoute, _deps: &FilterDeps<'_>) -> Result<PerRoute, Rejection> {
        Ok(PerRoute { rate_limits: Limit::compile(&config.rate_limits), config: config.clone() })
    }

    fn acts(&self, _scope: Option<&PerRoute>) -> Hooks {
        match &self.settings.config.enabled {
            Some(share) if share.settled().is_some_and(|share| share.numerator == 0) => Hooks::NONE,
            _ => Hooks::REQUEST.with(Hooks::RESPONSE),
        }
    }

    fn request(&self, turn: &mut Turn<'_, '_, RateLimit>) -> Step {
        let settings = &*self.settings;
        // Only what goes to a cluster that is there has limits.
        if !is_meant(settings.config.enabled.as_ref())
            || !settings.is_for(turn.stream)
            || turn.stream.cluster().is_none()
        {
            return Step::Continue;
        }
        turn.state.phase = Phase::Begun;
        let Some(mut call) = settings.call(turn, false) else { return Step::Continue };
        called::by_grpc(turn.stream, &settings.target, message::SHOULD_RATE_LIMIT, true, call.metadata());
        turn.state.phase = Phase::Asking;
        Step::Wait(Wait::Call(turn.stream.context.upstreams.calls().grpc(call)))
    }

    fn resumed(&self, turn: &mut Turn<'_, '_, RateLimit>, _way: Way, waited: Waited, _body: &mut Out<'_>) -> Step {
        turn.state.phase = Phase::Begun;
        match waited {
            Waited::Call(Ok(Reply::Grpc(reply))) => match message::decode(&reply.message) {
                Ok(answer) => {
                    let said = if answer.over_limit { "over_limit" } else { "ok" };
                    called::grpc_ended(turn.stream, 0, Some(("ratelimit_status", said)));
                    self.settings.judged(turn, answer)
                }
                Err(rejection) => {
                    called::grpc_ended(turn.stream, grpc::INTERNAL, None);
                    self.settings.failed(turn.stream, &format!("the answer cannot be read: {rejection}"))
                }
            },
            Waited::Call(Err(failure)) => {
                called::grpc_ended(turn.stream, failure.grpc_status(), None);
                self.settings.failed(turn.stream, &failure.to_string())
            }
            _ => self.settings.failed(turn.stream, "the answer is not gRPC"),
        }
    }

    fn response(&self, turn: &mut Turn<'_, '_, RateLimit>) -> Step {
        if let (Some(told), Some(head)) = (turn.state.headers.take(), &mut turn.stream.response) {
            told.into_iter().for_each(|(name, value)| head.headers.append_said(name, value));
        }
        Step::Continue
    }

    fn end(&self, turn: &mut Turn<'_, '_, RateLimit>) {
        if turn.state.phase == Phase::Begun
            && let Some(call) = self.settings.call(turn, true)
        {
            turn.stream.context.upstreams.calls().report(call);
        }
    }
}

impl Settings {
    /// Whether it is of the kind of requests that are limited.
    fn is_for(&self, stream: &Stream<'_>) -> bool {
        let internal = || stream.request.headers.get(&Name::X_ENVOY_INTERNAL).is_some_and(|value| **value == *b"true");
        self.config.internal.is_none_or(|wanted| wanted == internal())
    }

    /// What the service is asked of the request, or told of its end; `None`: it has no limit.
    fn call(&self, turn: &Turn<'_, '_, RateLimit>, at_the_end: bool) -> Option<GrpcCall> {
        let question = question::encode(self, turn, at_the_end)?;
        let entry = turn.stream.entry(None, None);
        let mut render = |format: &config::access_log::Format, out: &mut Vec<u8>| format::write(format, &entry, out);
        let message = Framed::of(&question);
        Some(GrpcCall::unary(&self.target, message::SHOULD_RATE_LIMIT, message, Headers::new(), &mut render))
    }

    fn judged(&self, turn: &mut Turn<'_, '_, RateLimit>, answer: message::Answer) -> Step {
        self.opened.answered(format_args!("ratelimit of the domain '{}'", self.config.domain));
        if let Some(metadata) = &answer.metadata {
            turn.stream.info.metadata.merge(&self.config.metadata_namespace, metadata);
        }
        self.count(turn.stream, if answer.over_limit { "over_limit" } else { "ok" });
        if answer.over_limit
            && let Some(cluster) = turn.stream.cluster()
        {
            cluster.count_response(self.config.status, Codes::of(true), None);
        }
        let told = answer::response_headers(&self.config, &self.names, &answer);
        if answer.over_limit && is_meant(self.config.enforced.as_ref()) {
            // Headers that are added may tell of it.
            turn.stream.info.response_code_details = Some("request_rate_limited".into());
            return self.refusal(turn.stream, &answer, told).into();
        }
        for (name, value) in &answer.request_headers {
            answer::add(&mut turn.stream.request, name, value);
        }
        if !told.is_empty() {
            turn.state.headers = Some(told.into_boxed_slice());
        }
        Step::Continue
    }

    fn refusal(&self, stream: &Stream<'_>, answer: &message::Answer, told: Vec<(Name, Bytes)>) -> LocalReply {
        let mut reply = LocalReply::new(self.config.status, "request_rate_limited")
            .body(answer.body.clone())
            .flags(ResponseFlags::RATE_LIMITED);
        reply.grpc_status = self.config.resource_exhausted.then_some(u32::from(grpc::RESOURCE_EXHAUSTED));
        reply.headers = told;
        reply.headers.extend(answer::retry_after(&self.config, &self.names, answer, &reply.headers));
        reply.headers.extend(respond::response_additions(stream, &self.mutation));
        reply
    }

    /// There is no answer.
    fn failed(&self, stream: &Stream<'_>, why: &str) -> Step {
        self.count(stream, "error");
        if !falls_into(self.config.deny_on_failure.get(), fastrand::u64(..)) {
            self.count(stream, "failure_mode_allowed");
            self.opened.failed(format_args!("ratelimit of the domain '{}'", self.config.domain), why);
            return Step::Continue;
        }
        reason::tell(stream, "rate_limiter_error", why);
        LocalReply::new(self.config.status_on_error, "rate_limiter_error")
            .flags(ResponseFlags::RATELIMIT_SERVICE_ERROR)
            .into()
    }

    /// Counts an outcome for the cluster of the request's route.
    fn count(&self, stream: &Stream<'_>, outcome: &'static str) {
        if let Some(cluster) = stream.cluster() {
            cluster.count_named(&self.of_cluster, outcome);
        }
    }
}

fn is_meant(share: Option<&Live<Fraction>>) -> bool {
    share.is_none_or(|share| falls_into(share.get(), fastrand::u64(..)))
}

#[cfg(test)]
mod tests;
