//! `grpc.health.v1`: what a server is asked about itself. Called by active health checks.

use prost::Message as _;

use crate::proto;
use crate::rejection::{At, Rejection};

/// The method of the service.
pub const CHECK: &str = "/grpc.health.v1.Health/Check";

/// `HealthCheckRequest`.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// `HealthCheckResponse`.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// The bytes of a request; an empty name asks for the server as a whole.
pub fn encode(service: &str) -> Vec<u8> {
    HealthCheckRequest { service: service.to_owned() }.encode_to_vec()
}

/// Whether the answer says `SERVING`.
///
/// # Errors
/// Bytes that are no answer.
pub fn is_serving(bytes: &[u8]) -> Result<bool, Rejection> {
    const SERVING: i32 = 1;
    let response: HealthCheckResponse = proto::message(bytes, &At::root())?;
    Ok(response.status == SERVING)
}

#[cfg(test)]
mod tests;
