//! `grpc_health_check`: `grpc.health.v1.Health/Check`, and what its answer means. Called by [`super::ask`].

use std::time::Duration;

use bytes::Bytes;
use config::cluster::GrpcCheck;
use config::services::grpc_health;

use super::connection::Answer;
use super::http::{add, user_agent};
use super::state::{Failure, Found, Kind};
use crate::wire::grpc;
use crate::wire::grpc::frames::{Framed, Messages};
use crate::wire::headers::{Headers, Name};
use crate::wire::message::{BodyLength, Method, Protocol, RequestHead};

/// The request's head and body.
pub fn request(check: &GrpcCheck, host: &str, tls: bool, timeout: Duration) -> (RequestHead, Bytes) {
    let mut headers = Headers::new();
    headers.append(Name::TE, Bytes::from_static(b"trailers"));
    headers.append(Name::CONTENT_TYPE, Bytes::from_static(b"application/grpc"));
    headers.append(Name::USER_AGENT, user_agent());
    add(&mut headers, &check.metadata);
    headers.set(Name::GRPC_TIMEOUT, grpc::write_timeout(timeout));
    let head = RequestHead {
        protocol: Protocol::Http2,
        method: Method::Post,
        path: Bytes::from_static(grpc_health::CHECK.as_bytes()),
        about_server: false,
        authority: Bytes::copy_from_slice(host.as_bytes()),
        scheme: Bytes::from_static(if tls { b"https" } else { b"http" }),
        headers,
        body: BodyLength::Unknown,
        upgrade: None,
        wire_size: 0,
    };
    (head, Framed::of(&grpc_health::encode(&check.service)).into_bytes())
}

/// What an answer says of its endpoint: well is a status of 0 and one message that says `SERVING`.
pub fn judge(answer: &Answer) -> Found {
    let failure = Found::Ill(Failure::of(Kind::Active));
    let status = match &answer.trailers {
        Some(trailers) => grpc::status(trailers),
        None => grpc::status(&answer.head.headers),
    };
    if answer.head.status != 200 || status != Some(0) {
        return failure;
    }
    let mut messages = Messages::new(LONGEST);
    messages.push(Bytes::copy_from_slice(&answer.body));
    match messages.take() {
        Ok(Some(message)) if messages.is_empty() && grpc_health::is_serving(&message).unwrap_or(false) => {
            Found::Well { degraded: false }
        }
        _ => failure,
    }
}

/// Octets of an answer that are taken.
pub const LONGEST: u32 = 4096;
