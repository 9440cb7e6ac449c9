//! `envoy.extensions.filters.http.ext_proc.v3.ExternalProcessor`: a gRPC service is told of a request and its response, part by part, over
//! one stream, and changes them or answers in the application's place.
//!
//! Fields honoured: all but `http_service`, `observability_mode`, the modes of bodies `FULL_DUPLEX_STREAMED` and `GRPC`,
//! `send_body_without_waiting_for_header_response`, `allow_content_length_header`, cluster metadata, and code of Envoy's own, each of which
//! refuses the resource. Without an answer nothing passes, unless `failure_mode_allow` says otherwise.
//!
//! [`session`] is what one request remembers; `heads` and `bodies` say what is told when, `question` makes it; `heard` sorts what the
//! service says and `answer` does it, with `changes`; `failure` is what happens without. One message of each direction is under way at a time. What the
//! service says unasked is seen when its next word is waited for.

mod answer;
mod bodies;
mod changes;
mod failure;
mod heads;
mod heard;
mod question;
mod session;

use std::sync::Arc;

use config::Rejection;
use config::filters::ext_proc::{ExtProc as Config, ExtProcPerRoute, Namespace};

use self::session::{Session, Side};
use super::Scope;
use super::filter::{FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::Waited;
use crate::call::GrpcTarget;
use crate::failure::ResponseFlags;
use crate::policy::Opened;
use crate::policy::cel::Expression;
use crate::stats::{self, Kind};
use crate::wire::message::Frame;

/// The filter.
#[derive(Debug)]
pub(crate) struct ExtProc {
    config: Config,
    target: Arc<GrpcTarget>,
    stats: Counts,
    /// Of requests, and of responses.
    attributes: [Attributes; 2],
    opened: Opened,
}

/// What a service is told beside the parts of a message, by name.
type Attributes = Box<[(Arc<str>, Expression)]>;

crate::stats::counters! {
    struct Counts {
        streams_started stream_msgs_sent stream_msgs_received spurious_msgs_received streams_closed streams_failed
        failure_mode_allowed message_timeouts rejected_header_mutations override_message_timeout_received
        override_message_timeout_ignored clear_route_cache_ignored clear_route_cache_disabled immediate_responses_sent
        server_half_closed
    }
}

/// What Envoy shows and cannot happen here: behind the router, and over HTTP.
const QUIET: stats::Names =
    &[(Kind::Counter, "clear_route_cache_upstream_ignored"), (Kind::Counter, "http_not_ok_resp_received")];

/// What a level says.
#[derive(Debug)]
pub(crate) struct PerRoute {
    config: ExtProcPerRoute,
    target: Option<Arc<GrpcTarget>>,
}

/// What one request remembers, once it has been told of.
#[derive(Debug, Default)]
pub(crate) struct State(Option<Box<Session>>);

type Turned<'t, 's> = Turn<'t, 's, ExtProc>;

impl HttpFilter for ExtProc {
    type Config = Config;
    type ScopedConfig = ExtProcPerRoute;
    type Scoped = PerRoute;
    type State = State;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<ExtProc, Rejection> {
        let prefix = match &config.stat_prefix {
            Some(prefix) => format!("{}ext_proc.{prefix}.", deps.scope),
            None => format!("{}ext_proc.", deps.scope),
        };
        deps.stats.quiet(&prefix, QUIET);
        let attributes = [&config.request_attributes, &config.response_attributes];
        let compiled = |(name, read): &(Arc<str>, config::cel::Expr)| (name.clone(), Expression::compile(read));
        Ok(ExtProc {
            target: Arc::new(GrpcTarget::new(&config.service)),
            stats: Counts::new(deps.stats, &prefix),
            attributes: attributes.map(|list| list.iter().map(compiled).collect()),
            opened: Opened::default(),
            config: config.clone(),
        })
    }

    fn scope(config: &ExtProcPerRoute, _deps: &FilterDeps<'_>) -> Result<PerRoute, Rejection> {
        let target = config.service.as_ref().map(|service| Arc::new(GrpcTarget::new(service)));
        Ok(PerRoute { config: config.clone(), target })
    }

    fn acts(&self, scope: Option<&PerRoute>) -> Hooks {
        match scope {
            Some(scope) if scope.config.disabled => Hooks::NONE,
            _ => Hooks::REQUEST.with(Hooks::RESPONSE).with(Hooks::REQUEST_FRAMES).with(Hooks::RESPONSE_FRAMES),
        }
    }

    fn request(&self, turn: &mut Turned<'_, '_>) -> Step {
        with_session(turn, Way::Request, |side| self.head(side))
    }

    fn response(&self, turn: &mut Turned<'_, '_>) -> Step {
        if turn.state.0.is_none() {
            // An answer to a request that did not come so far.
            let mut session = Session::begin(turn);
            session.part(Way::Request).done = true;
            turn.state.0 = Some(session);
        }
        with_session(turn, Way::Response, |side| self.head(side))
    }

    fn frame(&self, turn: &mut Turned<'_, '_>, way: Way, frame: Frame, out: &mut Out<'_>) -> Step {
        with_session(turn, way, |side| self.piece(side, frame, out))
    }

    fn resumed(&self, turn: &mut Turned<'_, '_>, way: Way, waited: Waited, body: &mut Out<'_>) -> Step {
        with_session(turn, way, |side| match waited {
            // The other direction has ended what there was between both.
            _ if side.session.over => self.goes_on(side, body),
            Waited::Collected { complete } => self.collected(side, complete, body),
            Waited::Message(Ok(Some(message))) => self.heard(side, &message, body),
            Waited::Message(Ok(None)) => self.left(side, body),
            Waited::Message(Err(failure)) => self.failed(side, &failure, body),
            Waited::Elapsed => self.late(side, body),
            _ => Step::Abort(ResponseFlags::NONE, "filter_not_resumable"),
        })
    }

    fn end(&self, turn: &mut Turned<'_, '_>) {
        if let Some(session) = &mut turn.state.0 {
            // Reset: what is left of it is nobody's.
            self.close(session);
        }
    }
}

/// Does something with what the request remembers.
fn with_session(turn: &mut Turned<'_, '_>, way: Way, act: impl FnOnce(&mut Side<'_, '_, '_>) -> Step) -> Step {
    let mut session = turn.state.0.take().unwrap_or_else(|| Session::begin(turn));
    let step = act(&mut Side { turn, session: &mut session, way });
    turn.state.0 = Some(session);
    step
}

/// The settings of every level, the most specific first.
fn levels<'s>(turn: &Turned<'_, 's>) -> impl Iterator<Item = &'s PerRoute> {
    #[allow(irrefutable_let_patterns)]
    turn.levels(|scope| if let Scope::ExtProc(scope) = scope { Some(scope) } else { None })
}

/// The namespaces of metadata that the service is told, or that it may say: what the most specific level says of them.
fn namespaces<'s>(
    turn: &Turned<'_, 's>,
    of: impl Fn(&'s config::filters::ext_proc::Namespaces) -> Option<&'s Namespace>,
) -> Option<&'s Namespace> {
    let of_levels = turn.scope.and_then(|_| levels(turn).find_map(|level| of(&level.config.metadata)));
    of_levels.or_else(|| of(&turn.filter.config.metadata))
}

#[cfg(test)]
mod tests;
