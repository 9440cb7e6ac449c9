//! `envoy.extensions.filters.http.grpc_stats.v3.FilterConfig`: counts gRPC requests and their messages in the statistics of their cluster.
//! istiod has it in every chain. What is no gRPC (nor Connect, its cousin) costs a look at the head.
//!
//! Fields honoured: all. `emit_filter_state` leaves `<messages of the request>,<messages of the response>` under `envoy.filters.http.grpc_stats`.
//! Methods that strangers make up are counted by name up to a bound, and then together (`cluster/grpc.rs`).

mod connect;
mod request;

use std::collections::HashSet;
use std::convert::Infallible;

use bytes::Bytes;
use config::Rejection;
use config::filters::grpc_stats::{GrpcStats as Config, Methods};

use self::request::{Counting, Kind};
use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn, Way};
use crate::cluster::GrpcNaming;
use crate::http::stream::{Sent, Stream};
use crate::telemetry::dynamic::{Form, Shared, StateObject};
use crate::wire::grpc::Method;
use crate::wire::message::Frame;

const EVERYTHING: Hooks = Hooks::REQUEST.with(Hooks::RESPONSE).with(Hooks::REQUEST_SEES).with(Hooks::RESPONSE_SEES);

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct GrpcStats {
    emit_filter_state: bool,
    upstream_stats: bool,
    naming: Naming,
}

/// Which methods have names of their own.
#[derive(Debug)]
enum Naming {
    All(GrpcNaming),
    /// These, as `service/method`.
    Listed(HashSet<Box<str>>),
}

/// What one request remembers; nothing if it is not gRPC.
#[derive(Default)]
pub(crate) struct State(Option<Box<Counting>>);

impl HttpFilter for GrpcStats {
    type Config = Config;
    type ScopedConfig = Infallible;
    type Scoped = Infallible;
    type State = State;

    fn compile(config: &Config, _deps: &FilterDeps<'_>) -> Result<GrpcStats, Rejection> {
        let naming = match &config.methods {
            Methods::None => Naming::Listed(HashSet::new()),
            Methods::All if config.replace_dots => Naming::All(GrpcNaming::WithoutDots),
            Methods::All => Naming::All(GrpcNaming::Grpc),
            Methods::Listed(services) => {
                let methods = services.iter().flat_map(|service| {
                    service.methods.iter().map(|method| format!("{}/{method}", service.name).into_boxed_str())
                });
                Naming::Listed(methods.collect())
            }
        };
        Ok(GrpcStats { emit_filter_state: config.emit_filter_state, upstream_stats: config.upstream_stats, naming })
    }

    fn scope(config: &Infallible, _deps: &FilterDeps<'_>) -> Result<Infallible, Rejection> {
        match *config {}
    }

    fn acts(&self, _scope: Option<&Infallible>) -> Hooks {
        EVERYTHING
    }

    fn request(&self, turn: &mut Turn<'_, '_, GrpcStats>) -> Step {
        match Kind::of(&turn.stream.request) {
            Some(kind) => {
                if self.upstream_stats && turn.stream.sent == Sent::NobodyAsks {
                    turn.stream.sent = Sent::NotYet;
                }
                turn.state.0 = Some(Box::new(self.begin(kind, turn.stream)));
            }
            None => turn.skip(EVERYTHING),
        }
        Step::Continue
    }

    fn response(&self, turn: &mut Turn<'_, '_, GrpcStats>) -> Step {
        match (&mut turn.state.0, &turn.stream.response) {
            (Some(counting), Some(head)) => counting.response(head, turn.stream),
            // A request that the filter has not seen.
            _ => turn.skip(Hooks::RESPONSE_SEES),
        }
        Step::Continue
    }

    fn sees(&self, turn: &mut Turn<'_, '_, GrpcStats>, way: Way, frame: &Frame) {
        let Some(counting) = &mut turn.state.0 else { return };
        match way {
            Way::Request => counting.request_frame(frame),
            Way::Response => counting.response_frame(frame, turn.stream),
        }
        if self.emit_filter_state {
            let (of_request, of_response) = counting.messages();
            turn.stream.info.grpc_messages =
                [of_request, of_response].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    fn end(&self, turn: &mut Turn<'_, '_, GrpcStats>) {
        let Some(counting) = turn.state.0.as_ref().filter(|_| self.emit_filter_state) else { return };
        let (requests, responses) = counting.messages();
        if requests > 0 || responses > 0 {
            turn.stream.info.set_state(StateObject {
                key: "envoy.filters.http.grpc_stats".into(),
                value: Bytes::from(format!("{requests},{responses}")),
                form: Form::Messages,
                read_only: false,
                shared: Shared::None,
            });
        }
    }
}

impl GrpcStats {
    /// Finds what counts a request: nothing where its route leads to no known cluster, or its path names no method.
    fn begin(&self, kind: Kind, stream: &Stream<'_>) -> Counting {
        let counter = Method::of(&stream.request.path).zip(stream.cluster()).map(|(method, cluster)| {
            let counters = cluster.grpc().0;
            let counter = match &self.naming {
                Naming::All(naming) => counters.of(*naming, Some(&method)),
                Naming::Listed(listed) => {
                    counters.of(GrpcNaming::Grpc, Some(&method).filter(|method| listed.contains(method.key())))
                }
            };
            (cluster, counter)
        });
        Counting::new(kind, counter, self.upstream_stats)
    }
}

#[cfg(test)]
mod tests;
