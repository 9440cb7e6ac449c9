//! Requests that never became one: a head that cannot be parsed, that came too slowly or only in part. What they are answered leaves as
//! every answer does, through the filters; their line in the log has no request. Called by `connection`.

use std::time::Duration;

use super::context::Context;
use super::deadlines::Expired;
use super::exchange::{abandoned, refused};
use super::local_reply::LocalReply;
use crate::failure::ResponseFlags;
use crate::wire::codec::{Downstream, StreamError};
use crate::wire::h1::{self, ParseError};
use crate::wire::h2;
use crate::wire::message::Protocol;

/// A client that does not take the answer is not waited for.
const WRITE: Duration = Duration::from_secs(5);

/// Answers a head that breaks the protocol.
pub(super) async fn malformed(context: &Context, connection: &mut h1::server::Connection, error: ParseError) {
    context.broken();
    let reply = LocalReply::new(error.status, error.detail)
        .body(h1::phrase(error.status).as_bytes())
        .flags(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR);
    answered(context, connection, Protocol::Http11, reply).await;
}

/// Answers a head that was not complete in time: that of `request_headers_timeout`, or another that bounds the request as a whole.
pub(super) async fn slow_head(
    context: &Context,
    downstream: &mut dyn Downstream,
    protocol: Protocol,
    whole: Option<Expired>,
) {
    let stats = &context.manager.stats;
    let reply = match whole {
        Some(expired) => LocalReply::late(expired, 408, stats),
        None => {
            stats.downstream_rq_header_timeout.inc();
            LocalReply::new(408, "request_header_timeout").body(&b"request header timeout"[..])
        }
    };
    answered(context, downstream, protocol, reply).await;
}

async fn answered(context: &Context, downstream: &mut dyn Downstream, protocol: Protocol, reply: LocalReply) {
    // What is over is logged when it is dropped.
    let _ = tokio::time::timeout(WRITE, refused(context, downstream, protocol, reply)).await;
}

/// Logs a client that left in the middle of a head.
pub(super) fn disconnected(context: &Context, protocol: Protocol) {
    abandoned(context, protocol, &StreamError::Closed("end of stream".into()));
}

/// Logs a client of HTTP/2 whose connection is no HTTP/2 in the middle of a head.
pub(super) fn broken(context: &Context) {
    abandoned(context, Protocol::Http2, &StreamError::Protocol { detail: h2::GARBLED, status: 400 });
}
