//! The response body on its way to the client, with what is left of the request flowing the other way. Called by `exchange` after the
//! response head was sent; ends when the response has ended.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;

use super::attempt;
use super::record::Record;
use super::stop::Stop;
use super::upload::{Progress, Upload};
use crate::failure::ResponseFlags;
use crate::wire::codec::{Downstream, StreamError, Upstream};
use crate::wire::message::{Frame, Protocol};

/// What is relayed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Raw bytes both ways, after an upgrade.
    pub tunnel: bool,
    /// Protocol of the upstream.
    pub upstream: Protocol,
}

/// How far the response has come.
#[derive(Debug)]
struct Download {
    kind: Kind,
    /// The client must say that it takes more before it gets more.
    blocked: bool,
    ended: bool,
}

/// Relays until the response has ended and is written.
pub(super) async fn run(
    record: &mut Record<'_>,
    downstream: &mut dyn Downstream,
    upstream: &mut dyn Upstream,
    upload: &mut Upload,
    kind: Kind,
) -> Result<(), Stop> {
    let mut download = Download { kind, blocked: false, ended: false };
    poll_fn(|cx| {
        if let Poll::Ready(result) = download.poll(cx, downstream, upstream, record) {
            return Poll::Ready(result);
        }
        let uploaded = match upload.poll(cx, downstream, upstream, record) {
            Ok(progress) => progress == Progress::Done,
            Err(error) => return Poll::Ready(Err(Stop::Gone(error))),
        };
        if uploaded && kind.tunnel && upload.is_read() && record.request.protocol != Protocol::Http2 {
            // As with Envoy an HTTP/1 client's tunnel ends with either of its directions; an HTTP/2 stream has two ends.
            return Poll::Ready(Err(Stop::Gone(StreamError::Closed("end of stream".into()))));
        }
        if uploaded && let Poll::Ready(error) = downstream.poll_gone(cx) {
            return Poll::Ready(Err(Stop::Gone(error)));
        }
        record.deadlines.poll(cx).map(|expired| Err(record.expired(expired)))
    })
    .await
}

impl Download {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut dyn Downstream,
        upstream: &mut dyn Upstream,
        record: &mut Record<'_>,
    ) -> Poll<Result<(), Stop>> {
        loop {
            if self.ended {
                return downstream.poll_flush(cx).map_err(Stop::Gone);
            }
            if self.blocked {
                match downstream.poll_ready(cx) {
                    Poll::Ready(result) => result?,
                    Poll::Pending => return Poll::Pending,
                }
                self.blocked = false;
            }
            match upstream.poll_body(cx) {
                Poll::Ready(Ok(frame)) => self.pass(frame, downstream, record)?,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(cut_short(&error, self.kind))),
                Poll::Pending => {
                    // What has come so far goes out before more is awaited.
                    return match downstream.poll_flush(cx) {
                        Poll::Ready(Err(error)) => Poll::Ready(Err(Stop::Gone(error))),
                        _ => Poll::Pending,
                    };
                }
            }
        }
    }

    fn pass(&mut self, frame: Frame, downstream: &mut dyn Downstream, record: &mut Record<'_>) -> Result<(), Stop> {
        record.deadlines.touch_try();
        match frame {
            Frame::Data(data) => {
                record.info.bytes_sent += data.len() as u64;
                self.blocked = true;
                downstream.send_data(data, false)?;
            }
            Frame::Trailers(trailers) => {
                self.ended = true;
                downstream.send_trailers(&trailers)?;
                record.trailers = Some(trailers);
            }
            Frame::End => {
                self.ended = true;
                if self.kind.tunnel && self.kind.upstream != Protocol::Http2 {
                    // The only way in which such a tunnel ends; Envoy takes it for a loss.
                    record.info.flags.set(ResponseFlags::UPSTREAM_CONNECTION_TERMINATION);
                    record.info.response_code_details = Some(details("connection termination").into());
                }
                downstream.send_data(Bytes::new(), true)?;
            }
        }
        Ok(())
    }
}

/// The upstream failed within the body.
fn cut_short(error: &StreamError, kind: Kind) -> Stop {
    let (flags, reason) = match error {
        // Envoy's HTTP/1 codec takes a connection that ends within a body for a breach of the protocol.
        StreamError::Closed(_) | StreamError::Io(_) if !kind.tunnel && kind.upstream != Protocol::Http2 => {
            (ResponseFlags::UPSTREAM_PROTOCOL_ERROR, "protocol error")
        }
        other => attempt::reset_of(other),
    };
    Stop::Abort { flags, details: details(reason).into(), reason: crate::wire::codec::ResetReason::InternalError }
}

fn details(reason: &str) -> String {
    format!("upstream_reset_after_response_started{{{}}}", reason.replace(' ', "_"))
}
