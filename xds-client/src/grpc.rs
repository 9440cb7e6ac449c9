//! One bidirectional gRPC call over a tonic channel, message bytes in and out.
//!
//! Called by the ADS and SDS tasks. The framing is our own for two reasons, both about memory: tonic reserves the
//! length that a message's prefix claims before a byte of it came (four wrong bytes ask for 4 GiB, and the process is
//! gone), and its buffer stays as large as the largest push for the life of the stream. Here the buffer grows with what
//! arrives and goes when the message is complete.
//!
//! Must never wait for response headers before sending: a Go server sends them with its first message.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::transport::Channel;

use crate::endpoint::chain;

/// Why a call is over, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct CallEnd(pub(crate) String);

/// The answering half of a call.
#[derive(Debug)]
pub(crate) struct Answers {
    body: Body,
    buffer: BytesMut,
    largest: usize,
}

/// Starts a call. Messages put into `requests` are sent as they come, also while this waits for the response's head.
pub(crate) async fn call(
    mut channel: Channel,
    path: &'static str,
    metadata: &[(String, String)],
    requests: mpsc::Receiver<Bytes>,
    largest: usize,
) -> Result<Answers, CallEnd> {
    let frames = ReceiverStream::new(requests).map(|message| Ok::<_, std::convert::Infallible>(framed(&message)));
    let mut request = http::Request::new(Body::new(StreamBody::new(frames)));
    *request.method_mut() = http::Method::POST;
    *request.version_mut() = http::Version::HTTP_2;
    *request.uri_mut() = http::Uri::from_static(path);
    let headers = request.headers_mut();
    headers.insert(http::header::TE, http::HeaderValue::from_static("trailers"));
    headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
    add_metadata(headers, metadata);

    std::future::poll_fn(|context| GrpcService::poll_ready(&mut channel, context)).await.map_err(|e| failed(&e))?;
    let response = GrpcService::call(&mut channel, request).await.map_err(|e| failed(&e))?;
    let (head, body) = response.into_parts();
    if let Some(status) = tonic::Status::from_header_map(&head.headers) {
        return Err(ended(&status));
    }
    if head.status != http::StatusCode::OK {
        return Err(CallEnd(format!("the server answered HTTP status {} to a gRPC call", head.status)));
    }
    Ok(Answers::over(body, largest))
}

impl Answers {
    /// Messages of at most `largest` octets.
    pub(crate) fn over(body: Body, largest: usize) -> Self {
        Self { body, buffer: BytesMut::new(), largest }
    }

    /// The next message. Safe to drop and call again: what was read stays in the buffer.
    pub(crate) async fn next(&mut self) -> Result<Bytes, CallEnd> {
        loop {
            if let Some(message) = self.take_message()? {
                return Ok(message);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.buffer.extend_from_slice(&data),
                    Err(frame) => return Err(self.finished(frame.into_trailers().ok())),
                },
                Some(Err(error)) => return Err(failed(&error)),
                None => return Err(self.finished(None)),
            }
        }
    }

    fn take_message(&mut self) -> Result<Option<Bytes>, CallEnd> {
        if self.buffer.len() < PREFIX {
            return Ok(None);
        }
        if self.buffer[0] != 0 {
            return Err(CallEnd("the server sent a compressed message, or no gRPC at all".into()));
        }
        let length = (&self.buffer[1..PREFIX]).get_u32() as usize;
        if length > self.largest {
            let most = self.largest;
            return Err(CallEnd(format!(
                "the server announced a message of {length} octets; more than {most} are not taken"
            )));
        }
        if self.buffer.len() - PREFIX < length {
            return Ok(None);
        }
        self.buffer.advance(PREFIX);
        let message = self.buffer.split_to(length).freeze();
        // Let the large buffer go with the message; what already came of the next one is small.
        self.buffer = BytesMut::from(&self.buffer[..]);
        Ok(Some(message))
    }

    fn finished(&self, trailers: Option<http::HeaderMap>) -> CallEnd {
        if !self.buffer.is_empty() {
            return CallEnd("the server ended the stream in the middle of a message".into());
        }
        match trailers.as_ref().and_then(tonic::Status::from_header_map) {
            Some(status) => ended(&status),
            None => CallEnd("the server closed the stream".into()),
        }
    }
}

fn framed(message: &Bytes) -> http_body::Frame<Bytes> {
    let mut framed = BytesMut::with_capacity(PREFIX + message.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).expect("requests hold names, not four gigabytes"));
    framed.put_slice(message);
    http_body::Frame::data(framed.freeze())
}

fn add_metadata(headers: &mut http::HeaderMap, metadata: &[(String, String)]) {
    for (name, value) in metadata {
        let name = http::HeaderName::try_from(name.as_str());
        match (name, http::HeaderValue::try_from(value.as_str())) {
            (Ok(name), Ok(mut value)) => {
                value.set_sensitive(true);
                headers.append(name, value);
            }
            // The value may be a token: only the name is told.
            (Ok(name), Err(_)) => tracing::warn!("metadata {name} is not a header value and is not sent"),
            (Err(_), _) => tracing::warn!("a metadata name is not a header name and is not sent"),
        }
    }
}

fn failed(error: &dyn std::error::Error) -> CallEnd {
    CallEnd(chain(error))
}

fn ended(status: &tonic::Status) -> CallEnd {
    match status.message() {
        "" => CallEnd(format!("the server ended the stream: {:?}", status.code())),
        message => CallEnd(format!("the server ended the stream: {:?}, {message}", status.code())),
    }
}

/// Compressed flag and length.
const PREFIX: usize = 5;

#[cfg(test)]
mod tests;
