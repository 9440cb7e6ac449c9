//! The processor that both proxies tell of requests. A request's `process` says what it answers, by message (`request_headers` and so on): an
//! object, the `ProcessingResponse` as protobuf-JSON; a list of those; a number, the gRPC status that ends the stream; `"ends"`: it ends in
//! order; `"silent"`: nothing; `"shout"`: a body in upper case with a mark behind it; without one it agrees. `"garbage"` in place of all that:
//! what is no stream. What it was told is a part of the text. Used by [`super::play`] alone.

use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use envoy_types::pb::envoy::config::core::v3::HeaderMap;
use envoy_types::pb::envoy::service::ext_proc::v3::external_processor_server::{
    ExternalProcessor, ExternalProcessorServer,
};
use envoy_types::pb::envoy::service::ext_proc::v3::processing_request::Request;
use envoy_types::pb::envoy::service::ext_proc::v3::{ProcessingRequest, ProcessingResponse};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use prost::Message;
use serde_json::{Value, json};
use tokio_stream::{Stream, StreamExt};
use tonic::codegen::Service as _;

use super::Failure;
use super::authorizer::flatten;
use super::scripted::{Body, Script, Scripted};
use crate::control_plane::json as protobuf_json;

/// Headers that change from run to run, say nothing, or are between two hops.
const CHANGING: [&str; 7] =
    ["x-answer", "x-request-id", "x-envoy-upstream-service-time", "date", "server", "host", "transfer-encoding"];

/// Starts one.
///
/// # Errors
/// There is no loopback port.
pub async fn start() -> Result<Scripted, Failure> {
    Scripted::start(answer).await
}

async fn answer(script: Arc<Script>, request: http::Request<Incoming>) -> Result<http::Response<Body>, Failure> {
    if let Some(garbage) = script.begin(&request, |name| name.starts_with("x-mine"))? {
        return Ok(garbage);
    }
    let response = ExternalProcessorServer::new(Tonic(script)).call(request).await?;
    Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
}

struct Tonic(Arc<Script>);

type Answers = Pin<Box<dyn Stream<Item = Result<ProcessingResponse, tonic::Status>> + Send>>;

#[tonic::async_trait]
impl ExternalProcessor for Tonic {
    type ProcessStream = Answers;

    async fn process(
        &self,
        request: tonic::Request<tonic::Streaming<ProcessingRequest>>,
    ) -> Result<tonic::Response<Answers>, tonic::Status> {
        let (script, mut messages) = (self.0.clone(), request.into_inner());
        let (sender, receiver) = tokio::sync::mpsc::channel(16);
        tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                script.tell(|told| tell(told, &message));
                let Some(said) = said(&script.answers(), &message) else { return };
                for one in said {
                    let failed = one.is_err();
                    if sender.send(one).await.is_err() || failed {
                        return;
                    }
                }
            }
        });
        Ok(tonic::Response::new(Box::pin(tokio_stream::wrappers::ReceiverStream::new(receiver))))
    }
}

/// What it says to a message; `None`: it ends.
fn said(answers: &Value, message: &ProcessingRequest) -> Option<Vec<Result<ProcessingResponse, tonic::Status>>> {
    let kind = kind(message);
    let answer = &answers[kind];
    match answer {
        Value::String(word) if word == "ends" => None,
        Value::String(word) if word == "silent" => Some(Vec::new()),
        Value::String(_) => Some(vec![Ok(read(&shouted(kind, message)))]),
        Value::Number(status) => {
            let status = status.as_i64().and_then(|status| i32::try_from(status).ok()).unwrap_or(2);
            Some(vec![Err(tonic::Status::new(status.into(), "it-was-asked-for"))])
        }
        Value::Array(several) => Some(several.iter().map(|one| Ok(read(one))).collect()),
        Value::Null => Some(vec![Ok(read(&json!({ kind: {} })))]),
        one => Some(vec![Ok(read(one))]),
    }
}

fn read(answer: &Value) -> ProcessingResponse {
    let bytes = protobuf_json::encode("type.googleapis.com/envoy.service.ext_proc.v3.ProcessingResponse", answer);
    ProcessingResponse::decode(bytes).expect("a scenario has messages of the service")
}

fn shouted(kind: &str, message: &ProcessingRequest) -> Value {
    let Some(Request::RequestBody(body) | Request::ResponseBody(body)) = &message.request else { return json!({}) };
    let mut loud = body.body.to_ascii_uppercase();
    if !loud.is_empty() {
        loud.push(b'!');
    }
    let loud = base64::engine::general_purpose::STANDARD.encode(loud);
    json!({ kind: { "response": { "body_mutation": { "body": loud } } } })
}

fn kind(message: &ProcessingRequest) -> &'static str {
    match &message.request {
        Some(Request::RequestHeaders(_)) => "request_headers",
        Some(Request::ResponseHeaders(_)) => "response_headers",
        Some(Request::RequestBody(_)) => "request_body",
        Some(Request::ResponseBody(_)) => "response_body",
        Some(Request::RequestTrailers(_)) => "request_trailers",
        Some(Request::ResponseTrailers(_)) => "response_trailers",
        None => "nothing",
    }
}

/// A message as lines. How a body is cut into pieces is left out.
fn tell(lines: &mut Vec<String>, message: &ProcessingRequest) {
    let kind = kind(message);
    let (mut more, empty) = (Vec::new(), HeaderMap::default());
    match &message.request {
        Some(Request::RequestBody(body) | Request::ResponseBody(body)) => {
            let before = lines.pop_if(|line| line.starts_with(&format!("{kind} body"))).unwrap_or_default();
            let before = before.strip_prefix(&format!("{kind} body ")).unwrap_or_default().to_owned();
            let end = if body.end_of_stream { "(end)" } else { "" };
            lines.push(format!("{kind} body {before}{}{end}", body.body.escape_ascii()));
        }
        Some(Request::RequestHeaders(one) | Request::ResponseHeaders(one)) => {
            more.push(format!("{kind} end {}", one.end_of_stream));
            headers(&mut more, kind, one.headers.as_ref().unwrap_or(&empty));
        }
        Some(Request::RequestTrailers(one) | Request::ResponseTrailers(one)) => {
            more.push(kind.to_owned());
            headers(&mut more, kind, one.trailers.as_ref().unwrap_or(&empty));
        }
        None => more.push(kind.to_owned()),
    }
    let rest = ProcessingRequest { request: None, ..message.clone() }.encode_to_vec();
    let rest = protobuf_json::decode("type.googleapis.com/envoy.service.ext_proc.v3.ProcessingRequest", &rest);
    for part in ["attributes", "metadata_context", "protocol_config"] {
        flatten(&rest[part], &format!("{kind} {part}"), &mut more);
    }
    more.sort();
    lines.extend(more);
}

fn headers(lines: &mut Vec<String>, kind: &str, map: &HeaderMap) {
    for header in map.headers.iter().filter(|header| !CHANGING.contains(&header.key.as_str())) {
        let plain = if header.value.is_empty() { "" } else { " (as text)" };
        let value = if header.value.is_empty() { &header.raw_value[..] } else { header.value.as_bytes() };
        lines.push(format!("{kind} {}: {}{plain}", header.key, value.escape_ascii()));
    }
}
