//! The client of a request that takes the place of another: its body is one that we have, all else is the client's own. Made by
//! [`exchange`](super::exchange) when a redirect is followed.

use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

use crate::wire::codec::{Downstream, OnWire, ResetReason, StreamError};
use crate::wire::headers::Headers;
use crate::wire::message::{Frame, ResponseHead};

/// A client whose body is here.
pub(super) struct Replayed<'x> {
    client: &'x mut dyn Downstream,
    body: Bytes,
    /// What ends it; told once.
    end: Option<Frame>,
}

impl<'x> Replayed<'x> {
    /// With this body.
    pub fn new(client: &'x mut dyn Downstream, body: Bytes, trailers: Option<Headers>) -> Replayed<'x> {
        Replayed { client, body, end: Some(trailers.map_or(Frame::End, Frame::Trailers)) }
    }
}

impl Downstream for Replayed<'_> {
    fn poll_body(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Frame, StreamError>> {
        if !self.body.is_empty() {
            return Poll::Ready(Ok(Frame::Data(std::mem::take(&mut self.body))));
        }
        match self.end.take() {
            Some(end) => Poll::Ready(Ok(end)),
            None => Poll::Pending,
        }
    }

    fn send_informational(&mut self, head: &ResponseHead) -> Result<(), StreamError> {
        self.client.send_informational(head)
    }

    fn send_head(&mut self, head: &ResponseHead, end: bool) -> Result<(), StreamError> {
        self.client.send_head(head, end)
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.client.poll_ready(cx)
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        self.client.send_data(data, end)
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        self.client.send_trailers(trailers)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), StreamError>> {
        self.client.poll_flush(cx)
    }

    fn flush_within(&mut self, limit: Option<Duration>) {
        self.client.flush_within(limit);
    }

    fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<StreamError> {
        self.client.poll_gone(cx)
    }

    fn reset(&mut self, reason: ResetReason) {
        self.client.reset(reason);
    }

    fn leads_nowhere(&mut self) {
        self.client.leads_nowhere();
    }

    fn close_after(&mut self) {
        self.client.close_after();
    }

    fn untaken(&self) -> u64 {
        self.client.untaken()
    }

    fn on_wire(&mut self) -> Option<OnWire> {
        self.client.on_wire()
    }
}
