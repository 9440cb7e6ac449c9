//! Requests that never became one: a head that cannot be parsed, that came too slowly or only in part. HTTP/1 only; they are answered
//! and logged as Envoy does, with the detail of what was wrong. Called by `connection`.

use std::future::poll_fn;

use bytes::Bytes;

use super::context::Context;
use super::date;
use crate::failure::ResponseFlags;
use crate::telemetry::access_log::{LogEntry, More};
use crate::telemetry::stream_info::StreamInfo;
use crate::wire::codec::Downstream;
use crate::wire::h1::{self, ParseError};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Protocol, ResponseHead};

/// Answers a head that breaks the protocol.
pub(super) async fn malformed(context: &Context, connection: &mut h1::server::Connection, error: ParseError) {
    context.manager.stats.downstream_cx_protocol_error.inc();
    let mut info = begin(context);
    info.flags.set(ResponseFlags::DOWNSTREAM_PROTOCOL_ERROR);
    info.response_code_details = Some(error.detail.into());
    answer(context, connection, info, error.status, h1::phrase(error.status).as_bytes()).await;
}

/// Answers a head that was not complete in time.
pub(super) async fn slow_head(context: &Context, connection: &mut h1::server::Connection) {
    context.manager.stats.downstream_rq_header_timeout.inc();
    let mut info = begin(context);
    info.response_code_details = Some("request_header_timeout".into());
    connection.refuse_next();
    answer(context, connection, info, 408, b"request header timeout").await;
}

/// Logs a client that left in the middle of a head.
pub(super) fn disconnected(context: &Context) {
    let mut info = begin(context);
    info.flags.set(ResponseFlags::DOWNSTREAM_CONNECTION_TERMINATION);
    info.response_code_details = Some("downstream_remote_disconnect".into());
    end(context, &mut info, None);
}

fn begin(context: &Context) -> StreamInfo {
    context.manager.stats.request_begins(Protocol::Http11);
    let mut info = StreamInfo::begin(context.connection.clone(), Some(Protocol::Http11));
    info.times = context.manager.wants_times.then(Box::default);
    info
}

async fn answer(
    context: &Context,
    connection: &mut h1::server::Connection,
    mut info: StreamInfo,
    status: u16,
    body: &'static [u8],
) {
    let mut headers = Headers::with_capacity(4);
    headers.append(Name::CONTENT_LENGTH, body.len().to_string());
    headers.append(Name::CONTENT_TYPE, Bytes::from_static(b"text/plain"));
    headers.append(Name::DATE, date::at(std::time::SystemTime::now()));
    headers.append(Name::SERVER, context.manager.server.clone());
    let head = ResponseHead {
        protocol: Protocol::Http11,
        status,
        reason: Bytes::new(),
        headers,
        body: BodyLength::Exact(body.len() as u64),
        wire_size: 0,
    };
    connection.close_after();
    context.manager.stats.downstream_rq_response_before_rq_complete.inc();
    let sent = connection.send_head(&head, false).and_then(|()| connection.send_data(Bytes::from_static(body), true));
    if sent.is_ok() {
        info.response_code = status;
        info.bytes_sent = body.len() as u64;
        context.manager.stats.response(status);
        // The client may be gone; the log tells what it was sent.
        let _ = tokio::time::timeout(WRITE, poll_fn(|cx| connection.poll_flush(cx))).await;
        info.client_wire(|| connection.on_wire());
    }
    end(context, &mut info, Some(&head));
}

/// Time for a client to take the answer.
const WRITE: std::time::Duration = std::time::Duration::from_secs(5);

fn end(context: &Context, info: &mut StreamInfo, response: Option<&ResponseHead>) {
    context.manager.stats.downstream_rq_active.dec();
    info.end = Some(tokio::time::Instant::now().into_std());
    context.finish(LogEntry { info, request: None, response, trailers: None, more: More::default() });
}
