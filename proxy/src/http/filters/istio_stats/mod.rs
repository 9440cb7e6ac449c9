//! `stats.PluginConfig`, Istio's own statistics of requests: who called whom, how it ended, how long it took and how many octets it was.
//! Counted when a request is over, as its log line is written; what is known of the peer is in filter state by then. Messages of gRPC are
//! counted every `tcp_reporting_duration` as well, when another one passes: a stream that has fallen silent tells its last ones at its end.
//!
//! Honoured: all but what `config` names. Octets are those of heads and bodies: what the framing of a version of HTTP adds (chunks,
//! frames) is not in them, and heads of HTTP/2 are counted before they are compressed.

use std::convert::Infallible;
use std::rc::Rc;

use config::Rejection;
use config::filters::istio_stats::{IstioStats as Config, Reporter as Configured};
use config::listener::Direction;

use super::filter::{FilterDeps, Hooks, HttpFilter, Step, Turn, Way};
use crate::http::attempt;
use crate::http::route::is_grpc;
use crate::http::stream::Stream;
use crate::telemetry::facts::Known;
use crate::telemetry::mesh::{Amounts, Outcome, Parties, Protocol, Reporter, Role, with_parties};
use crate::telemetry::peer::{Peer, Side};
use crate::wire::grpc;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::Frame;

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct IstioStats {
    gateway: bool,
    host_names_service: bool,
    /// How often messages are counted, in milliseconds.
    interval: u32,
    reporter: Reporter,
}

/// What one request remembers.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct State {
    /// It is gRPC, as it came here.
    grpc: bool,
    /// Messages that were counted.
    told: [u32; 2],
    /// When they are counted again, in milliseconds since it began.
    due: u32,
}

const SEES: Hooks = Hooks::REQUEST_SEES.with(Hooks::RESPONSE_SEES);

impl HttpFilter for IstioStats {
    type Config = Config;
    type ScopedConfig = Infallible;
    type Scoped = Infallible;
    type State = State;

    fn compile(config: &Config, deps: &FilterDeps<'_>) -> Result<IstioStats, Rejection> {
        Ok(IstioStats {
            gateway: config.reporter == Configured::Gateway,
            host_names_service: config.host_names_service,
            interval: u32::try_from(config.interval.as_millis()).unwrap_or(u32::MAX),
            reporter: Reporter::new(config, deps.stats),
        })
    }

    fn scope(config: &Infallible, _deps: &FilterDeps<'_>) -> Result<Infallible, Rejection> {
        match *config {}
    }

    fn acts(&self, _scope: Option<&Infallible>) -> Hooks {
        Hooks::REQUEST.with(SEES)
    }

    fn request(&self, turn: &mut Turn<'_, '_, IstioStats>) -> Step {
        turn.state.grpc = is_grpc(&turn.stream.request);
        turn.state.due = self.interval;
        if !turn.state.grpc {
            turn.skip(SEES);
        }
        Step::Continue
    }

    fn sees(&self, turn: &mut Turn<'_, '_, IstioStats>, _way: Way, frame: &Frame) {
        if let (true, Frame::Data(_)) = (turn.state.grpc, frame) {
            let age = turn.stream.info.start.elapsed().as_millis();
            let age = u32::try_from(age).unwrap_or(u32::MAX);
            if age >= turn.state.due && self.knows_peer(turn.stream) {
                turn.state.due = age.saturating_add(self.interval.max(1));
                self.with_parties(turn.stream, |parties| self.messages(turn.state, turn.stream, parties));
            }
        }
    }

    fn end(&self, turn: &mut Turn<'_, '_, IstioStats>) {
        let grpc = turn.state.grpc;
        attempt::name_cluster(turn.stream);
        let stream = &*turn.stream;
        self.with_parties(stream, |parties| {
            if grpc {
                self.messages(turn.state, stream, parties);
            }
            let entry = stream.entry(stream.response.as_ref(), stream.trailers.as_ref());
            self.reporter.request(&Known::of(&entry), parties, outcome(stream, grpc), amounts(stream));
        });
    }
}

impl IstioStats {
    fn role(&self, stream: &Stream<'_>) -> Role {
        match stream.context.manager.direction {
            _ if self.gateway => Role::Gateway,
            Direction::Inbound => Role::Destination,
            Direction::Outbound | Direction::Unspecified => Role::Source,
        }
    }

    /// Whether it is known by now who the peer is.
    fn knows_peer(&self, stream: &Stream<'_>) -> bool {
        let side = if self.role(stream) == Role::Source { Side::Upstream } else { Side::Downstream };
        peer(stream, side).is_some()
    }

    fn with_parties(&self, stream: &Stream<'_>, see: impl FnOnce(Parties<'_>)) {
        let named: &[u8] = if self.host_names_service { &stream.request.authority } else { b"" };
        let route = stream.route.map(|chosen| &*chosen.route.config.name);
        with_parties(self.role(stream), &stream.info, |side| peer(stream, side), (route, named), see);
    }

    /// Those since the last time.
    fn messages(&self, state: &mut State, stream: &Stream<'_>, parties: Parties<'_>) {
        let now = stream.info.grpc_messages;
        if now != [0; 2] {
            let since = [0, 1].map(|side| u64::from(now[side].saturating_sub(state.told[side])));
            state.told = now;
            // Heads are not looked at, as in Istio's proxy.
            let known = Known { request: None, ..Known::of(&stream.entry(None, None)) };
            self.reporter.messages(&known, parties, since);
        }
    }
}

fn peer(stream: &Stream<'_>, side: Side) -> Option<Rc<Peer>> {
    let own = stream.info.filter_state.peer(side).cloned();
    let of_connection = || stream.info.connection.filter_state.borrow().peer(side).cloned();
    own.or_else(of_connection)
}

fn outcome(stream: &Stream<'_>, grpc: bool) -> Outcome {
    Outcome {
        protocol: if grpc { Protocol::Grpc } else { Protocol::Http },
        status: stream.info.response_code,
        grpc_status: if grpc { grpc_status(stream) } else { None },
        flags: stream.info.flags,
    }
}

/// Of the trailers, else the head, else what its status says. `None`: there was no response. What is no status of gRPC is -1.
fn grpc_status(stream: &Stream<'_>) -> Option<i8> {
    let said = |headers: Option<&Headers>| headers?.get(&Name::GRPC_STATUS).cloned();
    let head = stream.response.as_ref().map(|head| &head.headers);
    match said(stream.trailers.as_ref()).or_else(|| said(head)) {
        Some(text) => {
            let status = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
            Some(status.filter(|status| (0..=16).contains(status)).unwrap_or(-1))
        }
        None if stream.info.response_code == 0 => None,
        None => i8::try_from(grpc::status_of(stream.info.response_code)).ok(),
    }
}

fn amounts(stream: &Stream<'_>) -> Amounts {
    let info = &stream.info;
    let length = info.end.map(|end| end.saturating_duration_since(info.start)).unwrap_or_default();
    Amounts {
        milliseconds: u64::try_from(length.as_millis()).unwrap_or(u64::MAX),
        received: u64::from(info.request_head) + info.bytes_received,
        sent: stream.response.as_ref().map_or(0, |head| size(&head.headers)) + info.bytes_sent,
    }
}

/// Octets of a response's head, as HTTP/1.1 writes it: a line of status, then name, colon, space and value of each header, and a last line.
fn size(headers: &Headers) -> u64 {
    const LINES: u64 = "HTTP/1.1 200 OK\r\n\r\n".len() as u64;
    LINES + headers.iter().map(|header| (header.name.as_bytes().len() + header.value.len() + 4) as u64).sum::<u64>()
}

#[cfg(test)]
mod tests;
