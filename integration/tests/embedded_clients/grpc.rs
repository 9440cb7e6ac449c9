//! gRPC with tonic on both ends: one service with a method of each kind, whose messages are octets. Part of the test in [`super`].

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes};
use futures_util::{Stream, StreamExt, stream};
use http::uri::PathAndQuery;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use outrigger_integration::control_plane::model::Protocol;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::server::{ClientStreamingService, ServerStreamingService, StreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status, Streaming};

use super::{HOST, mesh, was_mutual};

/// Messages as they are.
#[derive(Clone, Copy)]
struct Octets;

impl Codec for Octets {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Octets;
    type Decoder = Octets;

    fn encoder(&mut self) -> Octets {
        Octets
    }

    fn decoder(&mut self) -> Octets {
        Octets
    }
}

impl Encoder for Octets {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Octets {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, octets: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(octets.copy_to_bytes(octets.remaining())))
    }
}

type Answers = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;
type Promise<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

/// The service. `begun` hears of each call that waits; `left` hears of the end of each stream both ways, and of each call that waited in vain.
#[derive(Clone, Default)]
struct Service {
    begun: Arc<Notify>,
    left: Arc<Notify>,
}

/// Tells when it is dropped.
struct Told(Arc<Notify>);

impl Drop for Told {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Says back what it hears, with the caller's metadata; fails or waits for ever where that asks for it.
impl UnaryService<Bytes> for Service {
    type Response = Bytes;
    type Future = Promise<Bytes>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let (begun, left) = (self.begun.clone(), self.left.clone());
        Box::pin(async move {
            let metadata = request.metadata();
            if metadata.contains_key("x-fails") {
                let mut said = MetadataMap::new();
                said.insert("x-why", MetadataValue::from_static("because"));
                return Err(Status::with_details_and_metadata(
                    Code::ResourceExhausted,
                    "voll & müde",
                    Bytes::from_static(b"\0details"),
                    said,
                ));
            }
            if metadata.contains_key("x-waits") {
                let _told = Told(left);
                begun.notify_one();
                std::future::pending::<()>().await;
            }
            let mut response = Response::new(request.get_ref().clone());
            for key in ["x-text", "x-octets-bin"] {
                if let Some(value) = metadata.as_ref().get(key) {
                    response.metadata_mut().as_mut().insert(http::HeaderName::from_static(key), value.clone());
                }
            }
            Ok(response)
        })
    }
}

/// As many answers as it is asked for.
impl ServerStreamingService<Bytes> for Service {
    type Response = Bytes;
    type ResponseStream = Answers;
    type Future = Promise<Answers>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let count: u32 = String::from_utf8_lossy(request.get_ref()).parse().unwrap_or(0);
        let answers = stream::iter((0..count).map(|number| Ok(Bytes::from(number.to_string()))));
        Box::pin(async move { Ok(Response::new(Box::pin(answers) as Answers)) })
    }
}

/// How many messages and octets it has heard.
impl ClientStreamingService<Bytes> for Service {
    type Response = Bytes;
    type Future = Promise<Bytes>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        Box::pin(async move {
            let (mut messages, mut octets) = (0, 0);
            let mut heard = request.into_inner();
            while let Some(message) = heard.message().await? {
                (messages, octets) = (messages + 1, octets + message.len());
            }
            Ok(Response::new(Bytes::from(format!("{messages} {octets}"))))
        })
    }
}

/// Says each message back when it hears it.
impl StreamingService<Bytes> for Service {
    type Response = Bytes;
    type ResponseStream = Answers;
    type Future = Promise<Answers>;

    fn call(&mut self, request: Request<Streaming<Bytes>>) -> Self::Future {
        let told = Told(self.left.clone());
        let answers = request.into_inner().map(move |message| {
            let _kept = &told;
            message
        });
        Box::pin(async move { Ok(Response::new(Box::pin(answers) as Answers)) })
    }
}

async fn answer(service: Service, request: http::Request<Incoming>) -> http::Response<tonic::body::Body> {
    let mut grpc = tonic::server::Grpc::new(Octets).max_decoding_message_size(64 << 20);
    match request.uri().path() {
        "/t.T/Unary" => grpc.unary(service, request).await,
        "/t.T/Many" => grpc.server_streaming(service, request).await,
        "/t.T/Heard" => grpc.client_streaming(service, request).await,
        "/t.T/Both" => grpc.streaming(service, request).await,
        _ => Status::unimplemented("no such method").into_http(),
    }
}

async fn start(service: Service) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            let answer = service_fn(move |request| {
                let service = service.clone();
                async move { Ok::<_, std::convert::Infallible>(answer(service, request).await) }
            });
            tokio::spawn(async move {
                let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    });
    address
}

type Client = tonic::client::Grpc<Channel>;

async fn client(egress: SocketAddr) -> Client {
    let endpoint = Endpoint::from_shared(format!("http://{egress}")).unwrap();
    let endpoint = endpoint.origin(format!("http://{HOST}").parse().unwrap());
    tonic::client::Grpc::new(endpoint.connect().await.unwrap()).max_decoding_message_size(64 << 20)
}

fn path(method: &'static str) -> PathAndQuery {
    PathAndQuery::from_static(method)
}

async fn unary(client: &mut Client, request: Request<Bytes>) -> Result<Response<Bytes>, Status> {
    client.ready().await.map_err(|error| Status::unknown(error.to_string()))?;
    client.unary(request, path("/t.T/Unary"), Octets).await
}

#[tokio::test]
async fn grpc_passes_in_all_its_kinds() {
    let service = Service::default();
    let mesh = mesh(Protocol::Http2, start(service.clone()).await).await;
    let mut client = client(mesh.egress).await;

    let mut request = Request::new(Bytes::from_static(b"hello"));
    request.metadata_mut().insert("x-text", MetadataValue::from_static("a, b"));
    request.metadata_mut().insert_bin("x-octets-bin", MetadataValue::from_bytes(&[0, 1, 0xff]));
    let response = unary(&mut client, request).await.unwrap();
    assert_eq!(&response.get_ref()[..], b"hello");
    assert_eq!(response.metadata().get("x-text").unwrap(), "a, b");
    assert_eq!(response.metadata().get_bin("x-octets-bin").unwrap().to_bytes().unwrap()[..], [0, 1, 0xff]);

    let mut request = Request::new(Bytes::new());
    request.metadata_mut().insert("x-fails", MetadataValue::from_static("yes"));
    let status = unary(&mut client, request).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message(), status.details()),
        (Code::ResourceExhausted, "voll & müde", &b"\0details"[..])
    );
    assert_eq!(status.metadata().get("x-why").unwrap(), "because");

    // Larger than any window and any buffer.
    let large: Bytes = (0u32..4 << 20).flat_map(u32::to_be_bytes).collect::<Vec<u8>>().into();
    let response = unary(&mut client, Request::new(large.clone())).await.unwrap();
    assert!(*response.get_ref() == large, "{} octets", response.get_ref().len());

    client.ready().await.unwrap();
    let many =
        client.server_streaming(Request::new(Bytes::from_static(b"500")), path("/t.T/Many"), Octets).await.unwrap();
    let heard: Vec<Bytes> = many.into_inner().map(Result::unwrap).collect().await;
    assert!(heard.iter().enumerate().all(|(number, message)| *message == number.to_string()) && heard.len() == 500);

    client.ready().await.unwrap();
    let pieces = stream::iter((0..100).map(|_| Bytes::from(vec![7; 50_000])));
    let total = client.client_streaming(Request::new(pieces), path("/t.T/Heard"), Octets).await.unwrap();
    assert_eq!(&total.get_ref()[..], b"100 5000000");

    // In turns: nothing is held back.
    client.ready().await.unwrap();
    let (say, said) = mpsc::channel(1);
    say.send(Bytes::from_static(b"0")).await.unwrap();
    let both = client.streaming(Request::new(ReceiverStream::new(said)), path("/t.T/Both"), Octets).await.unwrap();
    let mut both = both.into_inner();
    for number in 0..50 {
        assert_eq!(both.message().await.unwrap().unwrap(), number.to_string());
        say.send(Bytes::from((number + 1).to_string())).await.unwrap();
    }
    drop(say);
    assert_eq!(both.message().await.unwrap().unwrap(), "50");
    assert_eq!(both.message().await.unwrap(), None);
    service.left.notified().await;

    let status = {
        client.ready().await.unwrap();
        client.unary(Request::new(Bytes::new()), path("/t.T/None"), Octets).await.unwrap_err()
    };
    assert_eq!(status.code(), Code::Unimplemented);
    was_mutual(&mesh).await;
}

#[tokio::test]
async fn a_service_hears_that_its_caller_has_given_up() {
    let service = Service::default();
    let mesh = mesh(Protocol::Http2, start(service.clone()).await).await;
    let mut client = client(mesh.egress).await;

    // Cancelled in the middle.
    let mut other = client.clone();
    let call = tokio::spawn(async move {
        let mut request = Request::new(Bytes::new());
        request.metadata_mut().insert("x-waits", MetadataValue::from_static("yes"));
        unary(&mut other, request).await
    });
    service.begun.notified().await;
    call.abort();
    service.left.notified().await;

    // Out of time.
    let mut request = Request::new(Bytes::new());
    request.metadata_mut().insert("x-waits", MetadataValue::from_static("yes"));
    request.set_timeout(Duration::from_millis(300));
    let status = unary(&mut client, request).await.unwrap_err();
    assert!(matches!(status.code(), Code::DeadlineExceeded | Code::Cancelled), "{status:?}");
    service.left.notified().await;

    // Others are served meanwhile and after.
    let response = unary(&mut client, Request::new(Bytes::from_static(b"still"))).await.unwrap();
    assert_eq!(&response.get_ref()[..], b"still");
}
