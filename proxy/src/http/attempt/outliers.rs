//! What outlier detection is told of attempts, as Envoy's router tells it. Clusters without it are asked one pointer. Called by the loop
//! in [`super`], by `one` and by `race`; connections that could not be made are told where they are made.

use crate::cluster::Outcome;
use crate::failure::ResponseFlags;
use crate::http::route::is_grpc;
use crate::http::stop::Stop;
use crate::http::upstreams::Target;
use crate::wire::codec::StreamError;
use crate::wire::grpc;
use crate::wire::message::{RequestHead, ResponseHead};

/// A head came. That of a gRPC answer may hold its status already; one that comes with the trailers is too late.
pub(super) fn answered(target: &Target, request: &RequestHead, head: &ResponseHead) {
    let of_grpc = || if is_grpc(request) { grpc::status_as_http(&head.headers) } else { None };
    target.put_answer(head, of_grpc);
}

/// The stream ended before its head, or within its body.
pub(super) fn failed(target: &Target) {
    target.put(Outcome::Failed);
}

/// The head could not be sent; where it was none, that is no fault of the host's.
pub(super) fn unsent(target: &Target, error: &StreamError) {
    if !matches!(error, StreamError::NoHeader(_)) {
        failed(target);
    }
}

/// No head came in time, and this is answered instead.
pub(super) fn timed_out(target: &Target, stop: &Stop) {
    let status = if let Stop::Reply(reply) = stop { reply.status } else { GATEWAY_TIMEOUT };
    target.put(Outcome::TimedOut(status));
}

/// No head came in time, and the attempt goes on.
pub(super) fn late(target: &Target) {
    target.put(Outcome::TimedOut(GATEWAY_TIMEOUT));
}

/// The upstream may have failed within its body.
pub(super) fn cut_short(target: &Target, stop: &Stop) {
    let flags = match stop {
        Stop::Abort { flags, .. } => *flags,
        Stop::Reply(reply) => reply.flags,
        _ => return,
    };
    let lost = [
        ResponseFlags::UPSTREAM_CONNECTION_TERMINATION,
        ResponseFlags::UPSTREAM_REMOTE_RESET,
        ResponseFlags::UPSTREAM_PROTOCOL_ERROR,
    ];
    if lost.into_iter().any(|flag| flags.has(flag)) {
        failed(target);
    }
}

const GATEWAY_TIMEOUT: u16 = 504;
