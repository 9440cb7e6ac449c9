//! `envoy.extensions.filters.http.grpc_web.v3.GrpcWeb`: browsers' gRPC-Web becomes gRPC on its way to the application, and the answer
//! gRPC-Web again. The filter has no settings.
//!
//! Of a request the content type decides (`application/grpc-web`, `-text`, each also with `+proto`), of its answer `accept`: text is base64.
//! Trailers become the last message of the body. An answer that is no gRPC, our own too, becomes a head that tells its text as
//! `grpc-message`; its HTTP status stays. What is counted are requests by method (`cluster.<name>.grpc-web.*`).

mod request;
mod response;

use std::convert::Infallible;
use std::rc::Rc;

use bytes::Bytes;
use config::Rejection;

use self::request::Decoder;
use self::response::{Encoder, Translated};
use super::filter::{Collect, FilterDeps, Hooks, HttpFilter, Out, Step, Turn, Way};
use super::wait::Waited;
use crate::cluster::{GrpcMethod, GrpcNaming};
use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::http::stream::Stream;
use crate::http::upstreams::UpstreamCluster;
use crate::wire::grpc::{self, Method};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame};

const PROTO: &[u8] = b"application/grpc-web+proto";
const TEXT_PROTO: &[u8] = b"application/grpc-web-text+proto";
/// Octets of an answer that is no gRPC which become its `grpc-message`. The rest is not read.
const MESSAGE: usize = 16 * 1024;

/// The filter, compiled.
#[derive(Debug)]
pub(crate) struct GrpcWeb;

/// What one request remembers; nothing if it is not gRPC-Web.
#[derive(Default)]
pub(crate) struct State(Option<Box<Call>>);

struct Call {
    /// Text that comes.
    decoder: Option<Decoder>,
    /// The client wants text.
    text: bool,
    /// What becomes of the answer's body.
    encoder: Option<Encoder>,
    /// Where its end is counted.
    counter: Option<(UpstreamCluster, Rc<GrpcMethod>)>,
}

impl HttpFilter for GrpcWeb {
    type Config = config::filters::grpc_web::GrpcWeb;
    type ScopedConfig = Infallible;
    type Scoped = Infallible;
    type State = State;

    fn compile(_config: &Self::Config, _deps: &FilterDeps<'_>) -> Result<GrpcWeb, Rejection> {
        Ok(GrpcWeb)
    }

    fn scope(config: &Infallible, _deps: &FilterDeps<'_>) -> Result<Infallible, Rejection> {
        match *config {}
    }

    fn acts(&self, _scope: Option<&Infallible>) -> Hooks {
        Hooks::REQUEST.with(Hooks::RESPONSE).with(Hooks::REQUEST_FRAMES).with(Hooks::RESPONSE_FRAMES)
    }

    fn request(&self, turn: &mut Turn<'_, '_, GrpcWeb>) -> Step {
        let Some(kind) = Kind::of(turn.stream.request.headers.get(&Name::CONTENT_TYPE)) else {
            turn.skip(Hooks::RESPONSE.with(Hooks::REQUEST_FRAMES).with(Hooks::RESPONSE_FRAMES));
            return Step::Continue;
        };
        let decoder = (kind == Kind::Text).then(Decoder::default);
        if decoder.is_none() {
            turn.skip(Hooks::REQUEST_FRAMES);
        }
        let counter = counter(turn.stream);
        let text = Kind::of(turn.stream.request.headers.get(&Name::ACCEPT)) == Some(Kind::Text);
        turn.state.0 = Some(Box::new(Call { decoder, text, encoder: None, counter }));

        let request = &mut turn.stream.request;
        if request.body != BodyLength::Empty {
            request.body = BodyLength::Unknown;
        }
        let headers = &mut request.headers;
        headers.remove(&Name::CONTENT_LENGTH);
        headers.set(Name::CONTENT_TYPE, Bytes::from_static(b"application/grpc"));
        headers.set(Name::TE, Bytes::from_static(b"trailers"));
        if !headers.contains(&Name::GRPC_ACCEPT_ENCODING) {
            headers.append(Name::GRPC_ACCEPT_ENCODING, Bytes::from_static(b"identity"));
        }
        Step::Continue
    }

    fn response(&self, turn: &mut Turn<'_, '_, GrpcWeb>) -> Step {
        let (Some(call), Some(head)) = (&mut turn.state.0, &mut turn.stream.response) else {
            // A request that the filter has not seen.
            turn.skip(Hooks::RESPONSE_FRAMES);
            return Step::Continue;
        };
        call.count(&head.headers);
        let ends = head.body == BodyLength::Empty;
        let as_it_is = ends || (head.status == 200 && response::is_meant(&head.headers));
        head.headers.remove(&Name::CONTENT_LENGTH);
        let kind = if call.text { TEXT_PROTO } else { PROTO };
        head.headers.set(Name::CONTENT_TYPE, Bytes::from_static(kind));
        if !as_it_is {
            turn.skip(Hooks::RESPONSE_FRAMES);
            return Step::Collect(Collect { limit: MESSAGE });
        }
        if !ends {
            head.body = BodyLength::Unknown;
            call.encoder = Some(Encoder::new(call.text));
        }
        Step::Continue
    }

    fn frame(&self, turn: &mut Turn<'_, '_, GrpcWeb>, way: Way, frame: Frame, out: &mut Out<'_>) -> Step {
        match (way, turn.state.0.as_deref_mut()) {
            (Way::Request, Some(Call { decoder: Some(decoder), .. })) => {
                if let Err(details) = decoder.frame(frame, out) {
                    let words = &b"Bad gRPC-web request, invalid base64 data."[..];
                    return LocalReply::new(400, details).body(words).into();
                }
            }
            (Way::Response, Some(call)) => {
                if let Frame::Trailers(trailers) = &frame {
                    call.count(trailers);
                }
                match &mut call.encoder {
                    Some(encoder) => encoder.frame(frame, out),
                    None => out.push(frame),
                }
            }
            _ => out.push(frame),
        }
        Step::Continue
    }

    fn resumed(&self, turn: &mut Turn<'_, '_, GrpcWeb>, way: Way, waited: Waited, body: &mut Out<'_>) -> Step {
        let (Way::Response, Waited::Collected { .. }, Some(head)) = (way, waited, &mut turn.stream.response) else {
            return Step::Abort(ResponseFlags::NONE, "filter_not_resumable");
        };
        Translated::of(body, MESSAGE).apply(head);
        Step::Continue
    }
}

impl Call {
    fn count(&self, headers: &Headers) {
        if let (Some((cluster, counter)), Some(status)) = (&self.counter, headers.get(&Name::GRPC_STATUS)) {
            counter.status(cluster.grpc().1, status);
        }
    }
}

/// How gRPC-Web is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Binary,
    /// In base64.
    Text,
}

impl Kind {
    /// Of `content-type` or `accept`; as with Envoy without parameters, and in lower case.
    fn of(value: Option<&Bytes>) -> Option<Kind> {
        match &value?[..] {
            b"application/grpc-web" | PROTO => Some(Kind::Binary),
            b"application/grpc-web-text" | TEXT_PROTO => Some(Kind::Text),
            _ => None,
        }
    }
}

/// What counts the request's method, where its route leads to a known cluster.
fn counter(stream: &Stream<'_>) -> Option<(UpstreamCluster, Rc<GrpcMethod>)> {
    let method = Method::of(&stream.request.path)?;
    let cluster = stream.cluster()?;
    let counter = cluster.grpc().0.of(GrpcNaming::Web, Some(&method));
    Some((cluster, counter))
}

/// `grpc-status` of an answer that is none, from its HTTP status.
fn status_of(status: u16) -> Bytes {
    Bytes::from(grpc::status_of(status).to_string())
}

#[cfg(test)]
mod tests;
