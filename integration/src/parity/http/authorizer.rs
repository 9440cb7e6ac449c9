//! The authorization service that both proxies ask. A request's `check` says what it answers: an object, the `CheckResponse` as
//! protobuf-JSON; a number, the gRPC status of a failure; `"silent"`: nothing, so that the caller's timeout ends it; `"garbage"`: what is no
//! message; without one it grants. What it was asked is a part of the text. Used by [`super::play`] alone.

use std::sync::Arc;

use envoy_types::pb::envoy::service::auth::v3::authorization_server::{Authorization, AuthorizationServer};
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use prost::Message;
use serde_json::{Value, json};
use tonic::codegen::Service as _;

use super::Failure;
use super::scripted::{Body, Script, Scripted};
use crate::control_plane::json as protobuf_json;

/// What changes from run to run, or says nothing.
const CHANGING: [&str; 6] =
    ["source.address.", "destination.address.", "request.time", "request.http.id", "x-answer", "x-request-id"];

/// Headers of every call, which say when and by which machine.
const OF_PROXY: [&str; 3] = ["x-request-id", "x-envoy-expected-rq-timeout-ms", "x-forwarded-for"];

/// Starts one.
///
/// # Errors
/// There is no loopback port.
pub async fn start() -> Result<Scripted, Failure> {
    Scripted::start(answer).await
}

async fn answer(script: Arc<Script>, request: http::Request<Incoming>) -> Result<http::Response<Body>, Failure> {
    if let Some(garbage) = script.begin(&request, |name| name.starts_with("x-") && !OF_PROXY.contains(&name))? {
        return Ok(garbage);
    }
    let response = AuthorizationServer::new(Tonic(script)).call(request).await?;
    Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
}

struct Tonic(Arc<Script>);

#[tonic::async_trait]
impl Authorization for Tonic {
    async fn check(
        &self,
        request: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        let asked = lines(&request.into_inner());
        self.0.tell(|told| told.extend(asked));
        let answer = match self.0.answers() {
            Value::Number(status) => {
                let status = status.as_i64().and_then(|status| i32::try_from(status).ok()).unwrap_or(2);
                return Err(tonic::Status::new(status.into(), "it was asked for"));
            }
            Value::String(_) => return std::future::pending().await,
            Value::Null => json!({}),
            answer => answer,
        };
        let bytes = protobuf_json::encode("type.googleapis.com/envoy.service.auth.v3.CheckResponse", &answer);
        let answer = CheckResponse::decode(bytes).map_err(|error| tonic::Status::internal(error.to_string()))?;
        Ok(tonic::Response::new(answer))
    }
}

/// A question as sorted lines.
fn lines(question: &CheckRequest) -> Vec<String> {
    let bytes = question.encode_to_vec();
    let json = protobuf_json::decode("type.googleapis.com/envoy.service.auth.v3.CheckRequest", &bytes);
    let mut lines = Vec::new();
    flatten(&json["attributes"], "", &mut lines);
    lines.retain(|line| !CHANGING.iter().any(|name| line.contains(name)));
    lines.sort();
    lines
}

/// The values in an object, with their paths.
pub(super) fn flatten(value: &Value, path: &str, lines: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(key, value)| {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            flatten(value, &path, lines);
        }),
        Value::Array(items) => items.iter().for_each(|value| flatten(value, &format!("{path}[]"), lines)),
        value => lines.push(format!("{path} {value}")),
    }
}
