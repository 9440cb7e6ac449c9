//! A scripted client.

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context as Task, Poll, ready};

use bytes::Bytes;
use tokio::time::Sleep;

use crate::wire::codec::{Downstream, ResetReason, StreamError};
use crate::wire::headers::Headers;
use crate::wire::message::{Frame, ResponseHead};

/// A scripted client: gives a body, takes a response.
#[derive(Default)]
pub struct Client {
    /// Pieces of the request body.
    pub pieces: VecDeque<Result<Frame, StreamError>>,
    /// The end of the body comes at that time.
    pub ends_at: Option<Pin<Box<Sleep>>>,
    /// Goes away if the response has not come by then.
    pub gone: Option<StreamError>,
    pub gone_at: Option<Pin<Box<Sleep>>>,
    /// The client takes nothing of the body after its first piece.
    pub deaf: bool,
    /// The client takes no more body for so many polls of readiness.
    pub slow: Cell<u32>,
    pub informational: Vec<u16>,
    pub head: Option<ResponseHead>,
    pub body: Vec<Bytes>,
    pub trailers: Option<Headers>,
    pub ended: bool,
    pub closes: bool,
    pub reset: Option<ResetReason>,
}

impl Client {
    /// Whether its body has trailers.
    pub fn has_trailers(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Ok(Frame::Trailers(_))))
    }

    /// A client that sends these pieces and ends.
    pub fn sending(pieces: &[&'static str]) -> Client {
        let data = |piece: &&'static str| Ok(Frame::Data(Bytes::from_static(piece.as_bytes())));
        Client { pieces: pieces.iter().map(data).chain([Ok(Frame::End)]).collect(), ..Client::default() }
    }
}

impl Downstream for Client {
    fn poll_body(&mut self, cx: &mut Task<'_>) -> Poll<Result<Frame, StreamError>> {
        if let (Some(Ok(Frame::End)), Some(ends)) = (self.pieces.front(), &mut self.ends_at) {
            ready!(ends.as_mut().poll(cx));
        }
        match self.pieces.pop_front() {
            Some(piece) => Poll::Ready(piece),
            None => Poll::Pending,
        }
    }

    fn send_informational(&mut self, head: &ResponseHead) -> Result<(), StreamError> {
        assert!(self.head.is_none(), "informational heads come first");
        self.informational.push(head.status);
        Ok(())
    }

    fn send_head(&mut self, head: &ResponseHead, end: bool) -> Result<(), StreamError> {
        assert!(self.head.is_none(), "one head");
        self.head = Some(head.clone());
        self.ended = end;
        Ok(())
    }

    fn poll_ready(&mut self, cx: &mut Task<'_>) -> Poll<Result<(), StreamError>> {
        if self.deaf {
            return Poll::Pending;
        }
        match self.slow.get().checked_sub(1) {
            Some(left) => {
                self.slow.set(left);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(Ok(())),
        }
    }

    fn send_data(&mut self, data: Bytes, end: bool) -> Result<(), StreamError> {
        assert!(!self.ended && self.head.is_some());
        if !data.is_empty() {
            self.body.push(data);
        }
        self.ended = end;
        Ok(())
    }

    fn send_trailers(&mut self, trailers: &Headers) -> Result<(), StreamError> {
        assert!(!self.ended);
        self.trailers = Some(trailers.clone());
        self.ended = true;
        Ok(())
    }

    fn poll_flush(&mut self, _cx: &mut Task<'_>) -> Poll<Result<(), StreamError>> {
        Poll::Ready(Ok(()))
    }

    fn poll_gone(&mut self, cx: &mut Task<'_>) -> Poll<StreamError> {
        if let Some(time) = &mut self.gone_at {
            ready!(time.as_mut().poll(cx));
        }
        match &self.gone {
            Some(error) => Poll::Ready(error.clone()),
            None => Poll::Pending,
        }
    }

    fn reset(&mut self, reason: ResetReason) {
        self.reset = Some(reason);
    }

    fn close_after(&mut self) {
        self.closes = true;
    }
}
