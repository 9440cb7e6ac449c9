//! The authorization service that both proxies ask. A request's `check` says what it answers: an object, the `CheckResponse` as
//! protobuf-JSON; a number, the gRPC status of a failure; `"silent"`: nothing, so that the caller's timeout ends it; `"garbage"`: what is no
//! message; without one it grants. What it was asked is a part of the text. Used by [`super::play`] alone.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use envoy_types::pb::envoy::service::auth::v3::authorization_server::{Authorization, AuthorizationServer};
use envoy_types::pb::envoy::service::auth::v3::{CheckRequest, CheckResponse};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use prost::Message;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::codegen::Service as _;

use super::Failure;
use crate::control_plane::json as protobuf_json;
use crate::serving::serve;

/// A running service. Ends when dropped.
#[derive(Debug)]
pub struct Authorizer {
    /// Where it listens.
    pub address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    answer: Mutex<Value>,
    asked: Mutex<Vec<String>>,
}

/// What changes from run to run, or says nothing.
const CHANGING: [&str; 6] =
    ["source.address.", "destination.address.", "request.time", "request.http.id", "x-answer", "x-request-id"];

/// Headers of every call, which say when and by which machine.
const OF_PROXY: [&str; 3] = ["x-request-id", "x-envoy-expected-rq-timeout-ms", "x-forwarded-for"];

impl Authorizer {
    /// Starts one.
    ///
    /// # Errors
    /// There is no loopback port.
    pub async fn start() -> Result<Authorizer, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::<State>::default();
        let shared = state.clone();
        let mut serving = JoinSet::new();
        serve(&mut serving, listener, move |request| answer(shared.clone(), request));
        Ok(Authorizer { address, state, _serving: serving })
    }

    /// What it answers from now on.
    pub fn answers(&self, answer: &Value) {
        *self.state.answer.lock().expect("nothing panics while it holds the answer") = answer.clone();
    }

    /// What it was asked since this was last asked: lines of path and value.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.state.asked.lock().expect("nothing panics while it holds the list"))
    }
}

type Body = UnsyncBoxBody<Bytes, Failure>;

async fn answer(
    state: Arc<State>,
    request: http::Request<hyper::body::Incoming>,
) -> Result<http::Response<Body>, Failure> {
    let mine = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        let shown = name.as_str().starts_with("x-") && !OF_PROXY.contains(&name.as_str());
        shown.then(|| format!("call {name}: {}", value.as_bytes().escape_ascii()))
    };
    let mut headers: Vec<_> = request.headers().iter().filter_map(mine).collect();
    headers.sort();
    state.asked.lock().expect("nothing panics while it holds the list").extend(headers);
    let garbage = *state.answer.lock().expect("nothing panics while it holds the answer") == "garbage";
    if garbage {
        let body = Full::new(Bytes::from_static(b"<html>not here</html>")).map_err(|never| match never {});
        return Ok(http::Response::builder().header("content-type", "text/html").body(body.boxed_unsync())?);
    }
    let response = AuthorizationServer::new(Tonic(state)).call(request).await?;
    Ok(response.map(|body| body.map_err(Into::into).boxed_unsync()))
}

struct Tonic(Arc<State>);

#[tonic::async_trait]
impl Authorization for Tonic {
    async fn check(
        &self,
        request: tonic::Request<CheckRequest>,
    ) -> Result<tonic::Response<CheckResponse>, tonic::Status> {
        let asked = lines(&request.into_inner());
        self.0.asked.lock().expect("nothing panics while it holds the list").extend(asked);
        let answer = self.0.answer.lock().expect("nothing panics while it holds the answer").clone();
        let answer = match answer {
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
