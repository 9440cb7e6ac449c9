//! The answer's side of a gRPC call: head, messages, status. Read by `unary` and `stream`.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::attempt::Open;
use super::failure::Why;
use crate::wire::grpc;
use crate::wire::grpc::frames::Messages;
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Frame, ResponseHead};

/// An answer that has begun.
pub(super) struct Incoming {
    messages: Messages,
    /// Headers before the messages.
    pub metadata: Headers,
    /// Headers after them, once they are here.
    pub trailers: Option<Headers>,
}

impl Incoming {
    /// From the head.
    pub fn begin(head: ResponseHead, longest: u32, open: &mut Open) -> Result<Incoming, Why> {
        let only_head = head.body == BodyLength::Empty;
        let status = head.headers.contains(&Name::GRPC_STATUS);
        if head.status != 200 && !(only_head && status) {
            open.host.count_response(head.status);
            return Err(Why::HttpStatus(head.status));
        }
        let mut incoming = Incoming { messages: Messages::new(longest), metadata: Headers::new(), trailers: None };
        if only_head {
            incoming.end(head.headers, open)?;
        } else {
            incoming.metadata = head.headers;
        }
        Ok(incoming)
    }

    /// The next message; `None` once the service has said OK.
    pub fn poll(&mut self, open: &mut Open, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Why>> {
        loop {
            if self.trailers.is_some() {
                return Poll::Ready(Ok(None));
            }
            match self.messages.take() {
                Ok(None) => {}
                Ok(message) => return Poll::Ready(Ok(message)),
                Err(malformed) => {
                    // Where the end came with it, nothing is left to reset.
                    if open.stream().is_over() {
                        let _ = open.stream().poll_body(cx);
                    }
                    return Poll::Ready(Err(malformed.into()));
                }
            }
            match ready!(open.stream().poll_body(cx)) {
                Ok(Frame::Data(data)) => self.messages.push(data),
                Ok(Frame::Trailers(trailers)) => self.end(trailers, open)?,
                Ok(Frame::End) => return Poll::Ready(Err(Why::NoStatus)),
                Err(error) => {
                    open.failed();
                    return Poll::Ready(Err(Why::Ended(error, true)));
                }
            }
        }
    }

    fn end(&mut self, trailers: Headers, open: &Open) -> Result<(), Why> {
        let Some(value) = trailers.get(&Name::GRPC_STATUS) else { return Err(Why::NoStatus) };
        let Some(status) = grpc::status(&trailers) else {
            let text = format!("grpc-status {:?} is no status", value.escape_ascii().to_string());
            return Err(Why::Status(grpc::UNKNOWN, text.into()));
        };
        open.host.count_response(grpc::http_status_of(status));
        if status != 0 {
            let message = trailers.get(&Name::GRPC_MESSAGE).map(|message| grpc::read_message(message));
            return Err(Why::Status(status, message.unwrap_or_default().into()));
        }
        if !self.messages.is_empty() {
            return Err(Why::HalfMessage);
        }
        self.trailers = Some(trailers);
        Ok(())
    }
}
