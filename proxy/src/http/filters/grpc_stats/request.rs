//! One request of gRPC or Connect while it is counted. Used by the filter alone.

use std::rc::Rc;

use tokio::time::Instant;

use super::connect::EndOfStream;
use crate::cluster::GrpcMethod;
use crate::http::route::is_grpc;
use crate::http::stream::{Sent, Stream};
use crate::http::upstreams::UpstreamCluster;
use crate::stats::Scope;
use crate::wire::grpc::{self, frames::Follow};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, RequestHead, ResponseHead};

/// What a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// gRPC.
    Grpc,
    /// Connect's unary requests: a body is a message.
    ConnectUnary,
    /// Connect's streams: messages as gRPC has them, and a last one that tells how it ended.
    ConnectStream,
}

impl Kind {
    /// `None` for what is not counted.
    pub fn of(request: &RequestHead) -> Option<Kind> {
        if is_grpc(request) {
            return Some(Kind::Grpc);
        }
        if request.path.is_empty() {
            return None;
        }
        if is_connect_stream(&request.headers) {
            return Some(Kind::ConnectStream);
        }
        request.headers.contains(&Name::CONNECT_PROTOCOL_VERSION).then_some(Kind::ConnectUnary)
    }
}

fn is_connect_stream(headers: &Headers) -> bool {
    headers.get(&Name::CONTENT_TYPE).is_some_and(|value| value.starts_with(b"application/connect+"))
}

/// A request that is counted.
pub(super) struct Counting {
    kind: Kind,
    /// The cluster, and what counts there.
    counter: Option<(UpstreamCluster, Rc<GrpcMethod>)>,
    timed: bool,
    /// The response is gRPC, too.
    grpc_response: bool,
    follows: [Follow; 2],
    messages: [u64; 2],
    end: EndOfStream,
}

impl Counting {
    pub fn new(kind: Kind, counter: Option<(UpstreamCluster, Rc<GrpcMethod>)>, timed: bool) -> Counting {
        Counting {
            kind,
            counter,
            timed,
            grpc_response: false,
            follows: Default::default(),
            messages: [0; 2],
            end: EndOfStream::default(),
        }
    }

    /// Messages of the request, and of the response.
    pub fn messages(&self) -> (u64, u64) {
        (self.messages[0], self.messages[1])
    }

    pub fn request_frame(&mut self, frame: &Frame) {
        let count = match (self.kind, frame) {
            (Kind::Grpc | Kind::ConnectStream, Frame::Data(data)) => self.follows[0].count(data),
            (Kind::ConnectUnary, Frame::End) => 1,
            _ => return,
        };
        if count > 0 {
            self.messages[0] += count;
            self.count(|counter, scope| counter.requests(scope, count));
        }
    }

    pub fn response(&mut self, head: &ResponseHead, stream: &Stream<'_>) {
        let ends = head.body == BodyLength::Empty;
        let status = head.headers.get(&Name::GRPC_STATUS);
        self.grpc_response =
            if ends { status.is_some() } else { head.status == 200 && grpc::has_content_type(&head.headers) };
        match self.kind {
            Kind::ConnectUnary => self.count(|counter, scope| counter.ended(scope, head.status == 200)),
            _ if head.status == 200 && is_connect_stream(&head.headers) => {}
            _ => self.status(&head.headers),
        }
        if ends {
            self.time(stream);
        }
    }

    pub fn response_frame(&mut self, frame: &Frame, stream: &Stream<'_>) {
        match (self.kind, frame) {
            (_, Frame::Data(data)) if self.grpc_response => {
                // As in Envoy a message that is marked as Connect's last one ends the count here, too.
                let count = self.end.count(&mut self.follows[1], data);
                self.responses(count);
            }
            (Kind::ConnectStream, Frame::Data(data)) if !self.grpc_response => {
                let count = self.end.count(&mut self.follows[1], data);
                self.responses(count);
            }
            (Kind::ConnectStream, Frame::End) if !self.grpc_response => {
                let success = self.end.is_success();
                self.count(|counter, scope| counter.ended(scope, success));
                self.time(stream);
            }
            (Kind::ConnectUnary, Frame::End) if !self.grpc_response => {
                self.responses(1);
                self.time(stream);
            }
            (Kind::Grpc, Frame::Trailers(trailers)) => {
                self.status(trailers);
                self.time(stream);
            }
            _ => {}
        }
    }

    fn responses(&mut self, count: u64) {
        if count > 0 {
            self.messages[1] += count;
            self.count(|counter, scope| counter.responses(scope, count));
        }
    }

    fn status(&self, headers: &Headers) {
        if let Some(status) = headers.get(&Name::GRPC_STATUS) {
            self.count(|counter, scope| counter.status(scope, status));
        }
    }

    /// The upstream's share of a request that it has answered.
    fn time(&self, stream: &Stream<'_>) {
        let answered = stream.info.response_first_byte.is_some();
        if let (true, true, Sent::At(sent)) = (self.timed, answered, stream.sent) {
            let time = Instant::now().saturating_duration_since(sent);
            let milliseconds = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            self.count(|counter, scope| counter.time(scope, milliseconds));
        }
    }

    fn count(&self, count: impl FnOnce(&GrpcMethod, &Scope)) {
        if let Some((cluster, counter)) = &self.counter {
            count(counter, cluster.grpc().1);
        }
    }
}
