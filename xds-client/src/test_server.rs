//! A gRPC server for tests, on a Unix socket: the test holds the other end of every stream and plays the control plane
//! by hand, also a bad one. Only tests of this crate use it.

use std::path::PathBuf;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::StreamExt;
use http_body_util::StreamBody;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;

use crate::Endpoint;
use crate::grpc::Answers;

/// The server; a stream of it for each call that the client makes.
pub(crate) struct TestServer {
    folder: TempDir,
    streams: mpsc::UnboundedReceiver<TestStream>,
    sender: mpsc::UnboundedSender<TestStream>,
    connections: JoinSet<()>,
}

/// The server's end of one call.
pub(crate) struct TestStream {
    pub(crate) path: String,
    pub(crate) headers: http::HeaderMap,
    requests: Answers,
    frames: mpsc::UnboundedSender<Result<http_body::Frame<Bytes>, std::io::Error>>,
}

impl TestServer {
    pub(crate) fn start() -> Self {
        let (sender, streams) = mpsc::unbounded_channel();
        let mut server = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            streams,
            sender,
            connections: JoinSet::new(),
        };
        server.listen();
        server
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("XDS")
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::uds(self.path())
    }

    /// Listens (again).
    pub(crate) fn listen(&mut self) {
        let listener = UnixListener::bind(self.path()).expect("a free socket path");
        let sender = self.sender.clone();
        self.connections.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let sender = sender.clone();
                let service = hyper::service::service_fn(move |request| {
                    let sender = sender.clone();
                    async move { Ok::<_, std::convert::Infallible>(answer(request, &sender)) }
                });
                connections.spawn(async move {
                    let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
    }

    /// Drops the listener and every connection without a goodbye.
    pub(crate) async fn kill(&mut self) {
        self.connections.shutdown().await;
        std::fs::remove_file(self.path()).expect("the socket's file is ours");
    }

    /// The next call of the client.
    pub(crate) async fn stream(&mut self) -> TestStream {
        self.streams.recv().await.expect("the server runs")
    }
}

fn answer(
    request: http::Request<hyper::body::Incoming>,
    sender: &mpsc::UnboundedSender<TestStream>,
) -> http::Response<Body> {
    let (head, body) = request.into_parts();
    let (frames, receiver) = mpsc::unbounded_channel();
    let stream = TestStream {
        path: head.uri.path().to_owned(),
        headers: head.headers,
        requests: Answers::over(Body::new(body), 1 << 20),
        frames,
    };
    sender.send(stream).expect("the test runs");
    let body = Body::new(StreamBody::new(UnboundedReceiverStream::new(receiver).boxed()));
    http::Response::builder().header("content-type", "application/grpc").body(body).expect("a plain response")
}

impl TestStream {
    /// The client's next request.
    pub(crate) async fn request<M: Message + Default>(&mut self) -> M {
        let bytes = self.requests.next().await.expect("the client sends on");
        M::decode(bytes).expect("a request of the type that was asked for")
    }

    /// Whether the client has ended the call.
    pub(crate) async fn is_over(&mut self) -> bool {
        self.requests.next().await.is_err()
    }

    pub(crate) fn send(&self, message: &impl Message) {
        self.send_bytes(&message.encode_to_vec());
    }

    /// A well-framed message with these bytes.
    pub(crate) fn send_bytes(&self, message: &[u8]) {
        let mut frame = BytesMut::new();
        frame.put_u8(0);
        frame.put_u32(message.len() as u32);
        frame.put_slice(message);
        self.send_raw(frame.freeze());
    }

    /// Bytes without a frame around them.
    pub(crate) fn send_raw(&self, bytes: Bytes) {
        let _ = self.frames.send(Ok(http_body::Frame::data(bytes)));
    }

    /// Ends the call with a status.
    pub(crate) fn end(self, code: u8, message: &str) {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", code.to_string().parse().expect("digits"));
        trailers.insert("grpc-message", message.parse().expect("plain text"));
        let _ = self.frames.send(Ok(http_body::Frame::trailers(trailers)));
    }

    /// Resets the call.
    pub(crate) fn reset(self) {
        let _ = self.frames.send(Err(std::io::Error::other("reset by the test")));
    }
}
