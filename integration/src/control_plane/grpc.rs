//! A gRPC server for streams, below any generated code, so that it can also misbehave: send garbage, stop in the middle
//! of a message, reset.
//!
//! Called by the control plane for each socket it serves. Must never end a connection that a test did not ask to end.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnboundedReceiverStream;

/// The server's end of one call.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) path: String,
    body: Incoming,
    buffer: BytesMut,
    frames: mpsc::UnboundedSender<Result<Frame<Bytes>, std::io::Error>>,
}

/// What serves a call.
pub(super) type Handler = Arc<dyn Fn(Call) -> futures_util::future::BoxFuture<'static, ()> + Send + Sync>;

/// Serves a socket until the future is dropped, and every connection with it.
pub(super) async fn serve(listener: UnixListener, handler: Handler) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { return };
                connections.spawn(connection(stream, handler.clone()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Binds a socket, in place of one that an earlier server left.
pub(super) fn bind(path: &Path) -> UnixListener {
    let _ = std::fs::remove_file(path);
    UnixListener::bind(path).expect("the folder is ours")
}

async fn connection(stream: tokio::net::UnixStream, handler: Handler) {
    // Dropped with the connection: its calls end too.
    let (spawn, mut spawned) = mpsc::unbounded_channel::<Call>();
    let service = hyper::service::service_fn(move |request: http::Request<Incoming>| {
        let (head, body) = request.into_parts();
        let (frames, receiver) = mpsc::unbounded_channel();
        let call = Call { path: head.uri.path().to_owned(), body, buffer: BytesMut::new(), frames };
        let _ = spawn.send(call);
        let body = StreamBody::new(UnboundedReceiverStream::new(receiver).boxed());
        let response = http::Response::builder().header("content-type", "application/grpc").body(body);
        async move { Ok::<_, Infallible>(response.expect("a constant head")) }
    });
    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    let serving = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let mut calls = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut serving => return,
            Some(call) = spawned.recv() => { calls.spawn(handler(call)); }
        }
    }
}

impl Call {
    /// The next request; `None` at the end of the call.
    pub(super) async fn request(&mut self) -> Option<Bytes> {
        loop {
            if let Some(message) = self.take_message() {
                return Some(message);
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(_)) | None => return None,
            }
        }
    }

    fn take_message(&mut self) -> Option<Bytes> {
        let length = (self.buffer.get(1..5)?).get_u32() as usize;
        if self.buffer.len() < 5 + length {
            return None;
        }
        self.buffer.advance(5);
        Some(self.buffer.split_to(length).freeze())
    }

    pub(super) fn send(&self, message: &impl Message) {
        self.send_bytes(&message.encode_to_vec());
    }

    /// A well-framed message, whatever its bytes.
    pub(super) fn send_bytes(&self, message: &[u8]) {
        let mut frame = BytesMut::with_capacity(5 + message.len());
        frame.put_u8(0);
        frame.put_u32(u32::try_from(message.len()).expect("test messages are small"));
        frame.put_slice(message);
        self.send_raw(frame.freeze());
    }

    /// Bytes without a frame around them.
    pub(super) fn send_raw(&self, bytes: Bytes) {
        let _ = self.frames.send(Ok(Frame::data(bytes)));
    }

    /// Ends the call with a status.
    pub(super) fn end(self, code: u8, message: &str) {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", http::HeaderValue::from(u16::from(code)));
        trailers.insert("grpc-message", http::HeaderValue::from_str(message).expect("plain text"));
        let _ = self.frames.send(Ok(Frame::trailers(trailers)));
    }

    /// Resets the call.
    pub(super) fn reset(self) {
        let _ = self.frames.send(Err(std::io::Error::other("reset")));
    }
}
