//! Services that a proxy calls, all on one port and each with every way to go wrong: authorization over gRPC (`ext_authz`) and over HTTP,
//! rate limits, and a stream of messages (`ext_proc`).
//!
//! Tests start one in their own process and ask what it saw; people start `outrigger-lab-app service NAME ADDRESS --mode deny`. The good
//! answers are tonic's, over Envoy's own messages; what goes wrong is done below it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use envoy_types::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption};
use envoy_types::pb::envoy::service::auth::v3::authorization_server::{Authorization, AuthorizationServer};
use envoy_types::pb::envoy::service::auth::v3::{
    CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse, check_response,
};
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::{
    ExternalProcessor, ExternalProcessorServer,
};
use envoy_types::pb::envoy::service::ext_proc::v3::{
    BodyResponse, HeadersResponse, ImmediateResponse, ProcessingRequest, ProcessingResponse, TrailersResponse,
    processing_request, processing_response,
};
use envoy_types::pb::envoy::service::ratelimit::v3::rate_limit_service_server::{
    RateLimitService, RateLimitServiceServer,
};
use envoy_types::pb::envoy::service::ratelimit::v3::{RateLimitRequest, RateLimitResponse};
use envoy_types::pb::envoy::r#type::v3::HttpStatus;
use envoy_types::pb::google::rpc;
use futures_util::{Stream, StreamExt, stream};
use http::{HeaderMap, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tonic::codegen::Service as _;

use super::limits::Limits;
use super::report;

/// What the service does with the requests that come from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mode {
    /// Grants everything; a stream's messages are answered with "go on"
    Ok,
    /// Denies everything; a stream's messages with an answer of its own
    Deny,
    /// Grants, but not soon
    Slow,
    /// Says nothing until it is told to do something else
    Held,
    /// Answers what is no gRPC
    Garbage,
    /// Answers with half of a message
    Half,
    /// Closes the connection
    Close,
}

/// How long [`Mode::Slow`] waits: longer than callers do.
const SLOW: Duration = Duration::from_secs(30);

/// A request as the service saw it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Path and query.
    pub target: String,
    /// In the order of arrival.
    pub headers: HeaderMap,
}

/// A running service. Ends when dropped.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

#[derive(Debug)]
struct State {
    name: String,
    mode: watch::Sender<Mode>,
    asked: Mutex<Vec<Asked>>,
    checks: Mutex<Vec<CheckRequest>>,
    limits: Limits,
}

impl Service {
    /// Starts one on a free port of 127.0.0.1.
    pub async fn start(mode: Mode) -> Service {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        Service::serve("service", mode, listener)
    }

    fn serve(name: &str, mode: Mode, listener: TcpListener) -> Service {
        let address = listener.local_addr().expect("it is bound");
        let state = Arc::new(State {
            name: name.to_owned(),
            mode: watch::Sender::new(mode),
            asked: Mutex::default(),
            checks: Mutex::default(),
            limits: Limits::default(),
        });
        let mut serving = JoinSet::new();
        serving.spawn(accept(state.clone(), listener));
        Service { address, state, _serving: serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes what it does with the requests to come, and with those that are held.
    pub fn set_mode(&self, mode: Mode) {
        self.state.mode.send_replace(mode);
    }

    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.state.asked.lock().expect("nothing panics while it holds the list").clone()
    }

    /// Every question of authorization over gRPC so far.
    pub fn checks(&self) -> Vec<CheckRequest> {
        self.state.checks.lock().expect("nothing panics while it holds the list").clone()
    }
}

/// Serves `listen` for ever, and reports each request.
pub async fn serve(name: String, listen: SocketAddr, mode: Mode) -> std::io::Result<()> {
    let mut service = Service::serve(&name, mode, TcpListener::bind(listen).await?);
    let _ = service._serving.join_next().await;
    Ok(())
}

async fn accept(state: Arc<State>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(connection(state.clone(), stream));
    }
}

async fn connection(state: Arc<State>, stream: TcpStream) {
    let hang_up = Arc::new(Notify::new());
    let told = hang_up.clone();
    let service = service_fn(move |request| answer(state.clone(), told.clone(), request));
    let builder = auto::Builder::new(TokioExecutor::new());
    tokio::select! {
        // An error is the client's.
        _ = builder.serve_connection(TokioIo::new(stream), service) => {}
        () = hang_up.notified() => {}
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;
type Body = UnsyncBoxBody<Bytes, Failure>;

async fn answer(
    state: Arc<State>,
    hang_up: Arc<Notify>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Failure> {
    let target = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let mut mode = *state.mode.borrow();
    report(&json!({ "service": state.name, "mode": format!("{mode:?}"), "target": target }));
    let asked = Asked { target: target.clone(), headers: request.headers().clone() };
    state.asked.lock().expect("nothing panics while it holds the list").push(asked);
    let grpc = request
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
    if mode == Mode::Held
        && let Ok(other) = state.mode.subscribe().wait_for(|mode| *mode != Mode::Held).await
    {
        mode = *other;
    }
    match mode {
        Mode::Ok | Mode::Deny | Mode::Held => {}
        Mode::Slow => tokio::time::sleep(SLOW).await,
        Mode::Garbage => {
            let page = Ok(Frame::data(Bytes::from_static(b"<html>not here</html>")));
            return Ok(raw(grpc, stream::iter([page])));
        }
        Mode::Half => return Ok(raw(grpc, half(grpc))),
        Mode::Close => {
            hang_up.notify_one();
            return std::future::pending().await;
        }
    }
    let whole = |response: Response<tonic::body::Body>| response.map(|body| body.map_err(Into::into).boxed_unsync());
    if target.starts_with("/envoy.service.auth.v3.Authorization/") {
        return Ok(whole(AuthorizationServer::new(Tonic(state)).call(request).await?));
    }
    if target.starts_with("/envoy.service.ratelimit.v3.RateLimitService/") {
        return Ok(whole(RateLimitServiceServer::new(Tonic(state)).call(request).await?));
    }
    if target.starts_with("/envoy.service.ext_proc.v3.ExternalProcessor/") {
        return Ok(whole(ExternalProcessorServer::new(Tonic(state)).call(request).await?));
    }
    let (status, text) = if mode == Mode::Deny { (403, "denied") } else { (200, "granted") };
    let response = Response::builder().status(status).header("x-authorized-by", &state.name);
    Ok(response.body(Full::new(text.into()).map_err(|never| match never {}).boxed_unsync())?)
}

fn raw(grpc: bool, frames: impl Stream<Item = Result<Frame<Bytes>, Failure>> + Send + 'static) -> Response<Body> {
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    if grpc {
        response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/grpc"));
    }
    response
}

/// Less than was promised, and then a happy end (gRPC) or none (HTTP).
fn half(grpc: bool) -> impl Stream<Item = Result<Frame<Bytes>, Failure>> + Send + 'static {
    let piece = Ok(Frame::data(Bytes::from_static(&[0, 0, 0, 0, 100, 1, 2, 3])));
    stream::iter([piece]).chain(stream::once(async move {
        if grpc {
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", http::HeaderValue::from_static("0"));
            return Ok(Frame::trailers(trailers));
        }
        // A reset at once would overtake the half that is to be seen.
        tokio::time::sleep(HALF_TIME).await;
        Err("half of it is enough".into())
    }))
}

/// Between the half of an answer and its end.
const HALF_TIME: Duration = Duration::from_millis(100);

/// The good answers.
struct Tonic(Arc<State>);

impl Tonic {
    fn denies(&self) -> bool {
        *self.0.mode.borrow() == Mode::Deny
    }
}

#[tonic::async_trait]
impl Authorization for Tonic {
    async fn check(
        &self,
        request: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        self.0.checks.lock().expect("nothing panics while it holds the list").push(request.into_inner());
        let header = HeaderValueOption {
            header: Some(HeaderValue {
                key: "x-authorized-by".into(),
                value: self.0.name.clone(),
                ..HeaderValue::default()
            }),
            ..HeaderValueOption::default()
        };
        let (code, response) = if self.denies() {
            let denied = DeniedHttpResponse {
                status: Some(HttpStatus { code: 403 }),
                headers: vec![header],
                body: format!("denied by {}", self.0.name),
            };
            (7, check_response::HttpResponse::DeniedResponse(denied))
        } else {
            let granted = OkHttpResponse { headers: vec![header], ..OkHttpResponse::default() };
            (0, check_response::HttpResponse::OkResponse(granted))
        };
        Ok(tonic::Response::new(CheckResponse {
            status: Some(rpc::Status { code, ..rpc::Status::default() }),
            http_response: Some(response),
            ..CheckResponse::default()
        }))
    }
}

#[tonic::async_trait]
impl RateLimitService for Tonic {
    async fn should_rate_limit(
        &self,
        request: tonic::Request<RateLimitRequest>,
    ) -> Result<tonic::Response<RateLimitResponse>, tonic::Status> {
        Ok(tonic::Response::new(self.0.limits.judge(&request.into_inner())))
    }
}

#[tonic::async_trait]
impl ExternalProcessor for Tonic {
    type ProcessStream = Pin<Box<dyn Stream<Item = Result<ProcessingResponse, tonic::Status>> + Send>>;

    async fn process(
        &self,
        request: tonic::Request<tonic::Streaming<ProcessingRequest>>,
    ) -> Result<tonic::Response<Self::ProcessStream>, tonic::Status> {
        let denies = self.denies();
        let answers = request.into_inner().map(move |request| Ok(processed(&request?, denies)));
        Ok(tonic::Response::new(answers.boxed()))
    }
}

fn processed(request: &ProcessingRequest, denies: bool) -> ProcessingResponse {
    use processing_request::Request as Asks;
    use processing_response::Response as Says;
    let says = if denies {
        let status = Some(HttpStatus { code: 403 });
        Some(Says::ImmediateResponse(ImmediateResponse { status, ..ImmediateResponse::default() }))
    } else {
        request.request.as_ref().map(|asks| match asks {
            Asks::RequestHeaders(_) => Says::RequestHeaders(HeadersResponse::default()),
            Asks::ResponseHeaders(_) => Says::ResponseHeaders(HeadersResponse::default()),
            Asks::RequestBody(_) => Says::RequestBody(BodyResponse::default()),
            Asks::ResponseBody(_) => Says::ResponseBody(BodyResponse::default()),
            Asks::RequestTrailers(_) => Says::RequestTrailers(TrailersResponse::default()),
            Asks::ResponseTrailers(_) => Says::ResponseTrailers(TrailersResponse::default()),
        })
    };
    ProcessingResponse { response: says, ..ProcessingResponse::default() }
}
