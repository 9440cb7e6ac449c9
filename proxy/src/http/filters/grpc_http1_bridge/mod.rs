//! `envoy.extensions.filters.http.grpc_http1_bridge.v3.Config`: HTTP/1.1 clients, who see no trailers, call gRPC. The answer is held back until
//! its trailers are here; then the head tells the status, and 503 in place of 200 that it is not 0.
//!
//! Fields honoured: `upgrade_protobuf_to_grpc` (`application/x-protobuf` becomes a message of gRPC, and the answer's first message loses its
//! prefix) and `ignore_query_parameters`. What is held is bounded by the limits of connection and route: a longer request is
//! answered with 413, and a longer answer becomes 500. As with Envoy an answer that is a head alone, our own too, stays as it is.

use std::convert::Infallible;

use bytes::{Buf, Bytes};
use config::Rejection;
use config::filters::grpc_http1_bridge::GrpcHttp1Bridge as Config;

use super::buffer::{response_too_large, too_large};
use super::filter::{Collect, FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::Waited;
use crate::failure::ResponseFlags;
use crate::http::route::is_grpc;
use crate::http::stream::asks_for_tunnel;
use crate::wire::grpc::{self, frames::PREFIX};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, Protocol, RequestHead, ResponseHead};

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct GrpcHttp1Bridge(Config);

/// What one request remembers; nothing if it is not bridged.
#[derive(Default)]
pub(crate) struct State(Option<Bridged>);

#[derive(Debug, Default)]
struct Bridged {
    /// It came as a bare message.
    upgraded: bool,
    /// What goes before the request's message.
    prefix: Option<[u8; PREFIX]>,
    /// Octets that are yet to be taken off the answer.
    strip: usize,
}

impl HttpFilter for GrpcHttp1Bridge {
    type Config = Config;
    type ScopedConfig = Infallible;
    type Scoped = Infallible;
    type State = State;

    fn compile(config: &Config, _deps: &FilterDeps<'_>) -> Result<GrpcHttp1Bridge, Rejection> {
        Ok(GrpcHttp1Bridge(*config))
    }

    fn scope(config: &Infallible, _deps: &FilterDeps<'_>) -> Result<Infallible, Rejection> {
        match *config {}
    }

    fn acts(&self, _scope: Option<&Infallible>) -> Hooks {
        Hooks::REQUEST.with(Hooks::RESPONSE).with(Hooks::REQUEST_FRAMES).with(Hooks::RESPONSE_FRAMES)
    }

    fn request(&self, turn: &mut Turn<'_, '_, GrpcHttp1Bridge>) -> Step {
        let request = &mut turn.stream.request;
        let upgraded = self.0.upgrade_protobuf && is_bare_message(request);
        if request.protocol == Protocol::Http2 || !(upgraded || is_grpc(request)) {
            turn.skip(Hooks::RESPONSE.with(Hooks::REQUEST_FRAMES).with(Hooks::RESPONSE_FRAMES));
            return Step::Continue;
        }
        turn.state.0 = Some(Bridged { upgraded, ..Bridged::default() });
        if self.0.ignore_query {
            request.path = request.path.slice_ref(grpc::before_query(&request.path));
        }
        if !upgraded {
            turn.skip(Hooks::REQUEST_FRAMES.with(Hooks::RESPONSE_FRAMES));
            return Step::Continue;
        }
        request.headers.set(Name::CONTENT_TYPE, Bytes::from_static(b"application/grpc"));
        request.headers.remove(&Name::CONTENT_LENGTH);
        let has_body = request.body != BodyLength::Empty;
        if has_body {
            request.body = BodyLength::Unknown;
        }
        // Routes may be for gRPC alone.
        turn.stream.plan.rare().reroute = true;
        if !has_body {
            return Step::Continue;
        }
        Step::Collect(Collect { limit: turn.stream.may_hold(Way::Request) })
    }

    fn response(&self, turn: &mut Turn<'_, '_, GrpcHttp1Bridge>) -> Step {
        match (&mut turn.state.0, &turn.stream.response) {
            (Some(bridged), Some(head)) if head.body != BodyLength::Empty => {
                if bridged.upgraded && head.status == 200 && grpc::has_content_type(&head.headers) {
                    bridged.strip = PREFIX;
                } else {
                    turn.skip(Hooks::RESPONSE_FRAMES);
                }
                Step::Collect(Collect { limit: turn.stream.may_hold(Way::Response) })
            }
            _ => {
                turn.skip(Hooks::RESPONSE_FRAMES);
                Step::Continue
            }
        }
    }

    fn resumed(&self, turn: &mut Turn<'_, '_, GrpcHttp1Bridge>, way: Way, waited: Waited, body: &mut Out<'_>) -> Step {
        let (Some(bridged), Waited::Collected { complete }) = (&mut turn.state.0, waited) else {
            return Step::Abort(ResponseFlags::NONE, "filter_not_resumable");
        };
        match (way, &mut turn.stream.response) {
            (Way::Request, _) if !complete => too_large(turn.stream).into(),
            (Way::Request, _) => {
                // At most what is held.
                let [a, b, c, d] = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
                bridged.prefix = Some([0, a, b, c, d]);
                turn.stream.request.body = BodyLength::Unknown;
                Step::Continue
            }
            (Way::Response, _) if !complete => response_too_large(turn.stream).into(),
            (Way::Response, Some(head)) => {
                bridged.answer(head, body);
                // For logs: nobody sends them behind a body of a known length.
                turn.stream.trailers = body.trailers().cloned();
                Step::Continue
            }
            (Way::Response, None) => Step::Continue,
        }
    }

    fn frame(&self, turn: &mut Turn<'_, '_, GrpcHttp1Bridge>, way: Way, frame: Frame, out: &mut Out<'_>) -> Step {
        let Some(bridged) = &mut turn.state.0 else {
            out.push(frame);
            return Step::Continue;
        };
        match (way, frame) {
            (Way::Request, frame) => {
                if let Some(prefix) = bridged.prefix.take() {
                    out.push(Frame::Data(Bytes::copy_from_slice(&prefix)));
                }
                out.push(frame);
            }
            (Way::Response, Frame::Data(mut data)) => {
                let off = bridged.strip.min(data.len());
                bridged.strip -= off;
                data.advance(off);
                if !data.is_empty() {
                    out.push(Frame::Data(data));
                }
            }
            (Way::Response, last) => out.push(last),
        }
        Step::Continue
    }
}

impl Bridged {
    /// Makes the head tell what the trailers say, and how long the body is. Without trailers it stays.
    fn answer(&self, head: &mut ResponseHead, body: &Out<'_>) {
        let length = body.len().saturating_sub(self.strip);
        let Some(trailers) = body.trailers() else {
            if self.strip > 0 {
                head.headers.remove(&Name::CONTENT_LENGTH);
                head.body = BodyLength::Unknown;
            }
            return;
        };
        tell(head, trailers);
        head.headers.set(Name::CONTENT_LENGTH, length.to_string());
        head.body = if length == 0 { BodyLength::Empty } else { BodyLength::Exact(length as u64) };
    }
}

fn tell(head: &mut ResponseHead, trailers: &Headers) {
    if let Some(status) = trailers.get(&Name::GRPC_STATUS) {
        let zero = std::str::from_utf8(status).is_ok_and(|status| status.parse() == Ok(0u64));
        if !zero {
            head.status = 503;
        }
        head.headers.set(Name::GRPC_STATUS, status.clone());
    }
    if let Some(message) = trailers.get(&Name::GRPC_MESSAGE) {
        head.headers.set(Name::GRPC_MESSAGE, message.clone());
    }
}

/// A message of protobuf without gRPC around it.
fn is_bare_message(request: &RequestHead) -> bool {
    !request.path.is_empty()
        && !asks_for_tunnel(request)
        && request.headers.get(&Name::CONTENT_TYPE).is_some_and(|value| &value[..] == b"application/x-protobuf")
}

#[cfg(test)]
mod tests;
