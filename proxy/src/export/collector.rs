//! A collector of OpenTelemetry, over gRPC or HTTP: what spans and records of logs are sent to. Called by [`super::spans`] and
//! [`super::records`]; what is sent is theirs.

use std::sync::Arc;

use config::tracing::Collector;

use super::TIMEOUT;
use super::http::{Http, settled};
use crate::call::{CallFailure, Calls, GrpcCall, GrpcTarget, Reply};
use crate::wire::grpc::frames::Framed;
use crate::wire::headers::Headers;

/// See above.
#[derive(Debug)]
pub(super) enum Otlp {
    Grpc(Arc<GrpcTarget>),
    Http(Http),
}

impl Otlp {
    pub fn of(collector: &Collector) -> Otlp {
        match collector {
            Collector::Grpc(service) => {
                let timeout = service.timeout.or(Some(TIMEOUT));
                Otlp::Grpc(Arc::new(GrpcTarget::new(&settled(service)).with_timeout(timeout)))
            }
            Collector::Http(service) => Otlp::Http(Http::otlp(service)),
        }
    }

    /// Sends the message that `encode` appends; `method` is gRPC's.
    pub async fn send(
        &self,
        method: &'static str,
        encode: impl FnOnce(&mut Vec<u8>),
        calls: &Calls,
    ) -> Result<Reply, CallFailure> {
        match self {
            Otlp::Grpc(target) => {
                let message = Framed::new(encode);
                calls.grpc(GrpcCall::unary(target, method, message, Headers::new(), &mut |_, _| {})).await
            }
            Otlp::Http(http) => {
                let mut body = Vec::new();
                encode(&mut body);
                calls.http(http.call(body)).await
            }
        }
    }
}

/// Why a service has not taken what it was sent.
pub(super) fn refusal(result: &Result<Reply, CallFailure>) -> Option<String> {
    match result {
        Err(failure) => Some(failure.to_string()),
        Ok(Reply::Http(reply)) => {
            Some(reply.head.status).filter(|status| status / 100 != 2).map(|status| format!("it answers {status}"))
        }
        Ok(_) => None,
    }
}
