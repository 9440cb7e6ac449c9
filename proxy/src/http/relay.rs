//! The response body on its way to the client, with what is left of the request flowing the other way. Called by `exchange` after the
//! response head was sent; ends when the response has ended.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::attempt;
use super::exchange::Exchange;
use super::filters::filter::Way;
use super::filters::frames::{Own, Source};
use super::stop::Stop;
use super::stream::Stream;
use super::upload::{Progress, Upload};
use super::upstreams::Target;
use crate::failure::ResponseFlags;
use crate::stats::Counter;
use crate::wire::codec::{Downstream, ResetReason, StreamError, Upstream};
use crate::wire::grpc;
use crate::wire::message::{Frame, Protocol};

/// What is relayed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Kind {
    /// Raw bytes both ways, after an upgrade.
    pub tunnel: bool,
    /// Protocol of the upstream.
    pub upstream: Protocol,
    /// The upstream speaks no HTTP: that it ends is an end like any other.
    pub raw: bool,
    /// Count waits for the client, in which the upstream is not read, and their ends.
    pub flow: [Counter; 2],
}

/// Where a response's body comes from.
pub(super) enum Origin<'x> {
    /// An attempt.
    Upstream(FromUpstream<'x>),
    /// It is there.
    Own(Own),
}

/// The body of an upstream's response, and what is left of the request's.
pub(super) struct FromUpstream<'x> {
    upstream: &'x mut dyn Upstream,
    upload: &'x mut Upload,
    kind: Kind,
    awaits_trailers: Option<AwaitsTrailers>,
    /// The head has gone to the client: what is lost from here on is cut short, and not answered.
    head_sent: bool,
    /// Something came since this was last asked.
    touched: bool,
}

/// A gRPC request counts as an error of its host or not by what the trailers say.
pub(super) struct AwaitsTrailers {
    pub host: Target,
    /// Counts those that end without any, in a reset.
    pub lost: Counter,
}

/// A response's body before the filters behind the router.
struct Raw<'f, 'x>(&'f mut FromUpstream<'x>);

impl<'s> Source<'s> for Raw<'_, '_> {
    fn poll(&mut self, cx: &mut Context<'_>, _stream: &mut Stream<'s>) -> Poll<Result<Frame, Stop>> {
        self.0.poll_raw(cx)
    }
}

/// How far the response has come.
#[derive(Debug, Default)]
struct Download {
    /// The client must say that it takes more before it gets more.
    blocked: bool,
    ended: bool,
    /// The upstream is not read meanwhile.
    paused: bool,
}

/// Relays until the response has ended and is written.
pub(super) async fn run<'s>(
    exchange: &mut Exchange<'s>,
    downstream: &mut dyn Downstream,
    origin: &mut Origin<'_>,
) -> Result<(), Stop> {
    let mut download = Download::default();
    if let Origin::Upstream(from) = origin {
        from.head_sent = true;
    }
    poll_fn(|cx| {
        if let Poll::Ready(result) = download.poll(cx, downstream, origin, exchange) {
            return Poll::Ready(result);
        }
        // While the client takes no more, or a filter waits, nobody reads what comes from the upstream; that it is lost is noticed all
        // the same.
        if (download.blocked || exchange.response_frames.is_some())
            && !download.ended
            && let Poll::Ready(stop) = origin.poll_lost(cx)
        {
            return Poll::Ready(Err(stop));
        }
        if let Err(stop) = origin.drive(cx, exchange, downstream) {
            return Poll::Ready(Err(stop));
        }
        exchange.poll_over(downstream, cx)
    })
    .await
}

impl Download {
    fn poll<'s>(
        &mut self,
        cx: &mut Context<'_>,
        downstream: &mut dyn Downstream,
        origin: &mut Origin<'_>,
        exchange: &mut Exchange<'s>,
    ) -> Poll<Result<(), Stop>> {
        loop {
            if self.ended {
                return downstream.poll_flush(cx).map_err(Stop::Gone);
            }
            if self.blocked {
                let ready = downstream.poll_ready(cx);
                self.pauses(ready.is_pending(), origin);
                match ready {
                    Poll::Ready(result) => result?,
                    Poll::Pending => return Poll::Pending,
                }
                self.blocked = false;
            }
            let frame = exchange.poll_response_body(origin, cx);
            if origin.take_touched() {
                exchange.watch.deadlines.touch_try();
            }
            match frame {
                Poll::Ready(frame) => {
                    self.pass(frame?, downstream, &mut exchange.stream)?;
                    if self.ended {
                        exchange.watch.response_ends(exchange.stream.request.protocol);
                    }
                }
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

    fn pauses(&mut self, now: bool, origin: &Origin<'_>) {
        if std::mem::replace(&mut self.paused, now) != now
            && let Origin::Upstream(from) = origin
        {
            from.kind.flow[usize::from(!now)].inc();
        }
    }

    fn pass(&mut self, frame: Frame, downstream: &mut dyn Downstream, stream: &mut Stream<'_>) -> Result<(), Stop> {
        match frame {
            Frame::Data(data) => {
                stream.info.bytes_sent += data.len() as u64;
                self.blocked = true;
                downstream.send_data(data, false)?;
            }
            Frame::Trailers(trailers) => {
                self.ended = true;
                downstream.send_trailers(&trailers)?;
                stream.trailers = Some(trailers);
            }
            Frame::End => {
                self.ended = true;
                downstream.send_data(Bytes::new(), true)?;
            }
        }
        Ok(())
    }
}

impl<'s> Source<'s> for Origin<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, stream: &mut Stream<'s>) -> Poll<Result<Frame, Stop>> {
        match self {
            Origin::Upstream(from) => from.poll(cx, stream),
            Origin::Own(own) => own.poll(cx, stream),
        }
    }

    fn is_here(&self) -> bool {
        self.is_own()
    }

    fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        match self {
            Origin::Upstream(from) => from.upstream.poll_lost(cx).map(|error| from.lost(&error)),
            Origin::Own(_) => Poll::Pending,
        }
    }

    fn drive(
        &mut self,
        cx: &mut Context<'_>,
        exchange: &mut Exchange<'s>,
        downstream: &mut dyn Downstream,
    ) -> Result<(), Stop> {
        let Origin::Upstream(from) = self else { return Ok(()) };
        let uploaded = from.upload.poll(cx, downstream, from.upstream, exchange)? == Progress::Done;
        if uploaded && from.kind.tunnel && from.upload.is_read() && exchange.stream.request.protocol != Protocol::Http2
        {
            // As with Envoy an HTTP/1 client's tunnel ends with either of its directions; an HTTP/2 stream has two ends.
            return Err(Stop::Gone(StreamError::Closed("end of stream".into())));
        }
        Ok(())
    }
}

impl<'x> FromUpstream<'x> {
    pub fn new(
        upstream: &'x mut dyn Upstream,
        upload: &'x mut Upload,
        kind: Kind,
        awaits_trailers: Option<AwaitsTrailers>,
    ) -> FromUpstream<'x> {
        FromUpstream { upstream, upload, kind, awaits_trailers, head_sent: false, touched: false }
    }

    /// The upstream failed within the body.
    fn lost(&mut self, error: &StreamError) -> Stop {
        if let Some(awaits) = self.awaits_trailers.take() {
            awaits.host.count(true);
            awaits.lost.inc();
        }
        let (flags, reason) = match error {
            // Envoy's HTTP/1 codec takes a connection that ends within a body for a breach of the protocol.
            StreamError::Closed(_) | StreamError::Io(_)
                if !self.kind.tunnel && !self.kind.raw && self.kind.upstream != Protocol::Http2 =>
            {
                (ResponseFlags::UPSTREAM_PROTOCOL_ERROR, "protocol error")
            }
            other => attempt::reset_of(other),
        };
        if !self.head_sent {
            return attempt::reset_reply(flags, reason, details(reason)).into();
        }
        Stop::Abort { flags, details: details(reason).into(), reason: ResetReason::InternalError }
    }

    /// As the upstream sends it.
    fn poll_raw(&mut self, cx: &mut Context<'_>) -> Poll<Result<Frame, Stop>> {
        let frame = ready!(self.upstream.poll_body(cx)).map_err(|error| self.lost(&error))?;
        self.touched = true;
        Poll::Ready(Ok(frame))
    }

    /// As the router sees it: behind the filters that stand there.
    fn poll<'s>(&mut self, cx: &mut Context<'_>, stream: &mut Stream<'s>) -> Poll<Result<Frame, Stop>> {
        let frame = match self.upload.behind() {
            None => self.poll_raw(cx),
            place => {
                let mut raw = Raw(&mut *self);
                let frame = stream
                    .with_behind(place, |filters, stream| filters.poll_frame(Way::Response, cx, &mut raw, stream));
                frame.unwrap_or_else(|| self.poll_raw(cx))
            }
        };
        let frame = ready!(frame)?;
        if let Some(times) = &mut stream.info.times {
            let time = if matches!(frame, Frame::Data(_)) { &mut times.body_begins } else { &mut times.response_ends };
            time.get_or_insert_with(std::time::Instant::now);
        }
        if !matches!(frame, Frame::Data(_))
            && let Some(awaits) = self.awaits_trailers.take()
        {
            let status = if let Frame::Trailers(trailers) = &frame { grpc::status(trailers) } else { None };
            awaits.host.count(grpc::is_host_error(status));
        }
        if matches!(frame, Frame::End) && self.kind.tunnel && !self.kind.raw && self.kind.upstream != Protocol::Http2 {
            // The only way in which such a tunnel ends; Envoy takes it for a loss, and a client whose protocol can say so is told.
            let (flags, details) =
                (ResponseFlags::UPSTREAM_CONNECTION_TERMINATION, details("connection termination").into());
            if stream.request.protocol == Protocol::Http2 {
                let reason = ResetReason::InternalError;
                return Poll::Ready(Err(Stop::Abort { flags, details, reason }));
            }
            stream.info.flags.set(flags);
            stream.info.response_code_details = Some(details);
        }
        Poll::Ready(Ok(frame))
    }
}

impl Origin<'_> {
    /// Raw bytes both ways.
    pub fn is_tunnel(&self) -> bool {
        matches!(self, Origin::Upstream(from) if from.kind.tunnel)
    }

    /// An answer of our own.
    pub fn is_own(&self) -> bool {
        matches!(self, Origin::Own(_))
    }

    fn take_touched(&mut self) -> bool {
        match self {
            Origin::Upstream(from) => std::mem::take(&mut from.touched),
            Origin::Own(_) => false,
        }
    }
}

fn details(reason: &str) -> String {
    format!("upstream_reset_after_response_started{{{}}}", reason.replace(' ', "_"))
}
