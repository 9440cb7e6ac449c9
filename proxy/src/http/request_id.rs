//! `x-request-id`: a version 4 UUID whose 15th character carries the decision whether to trace. Called once a request by `exchange`.

use bytes::Bytes;
use config::hcm::{HttpConnectionManager, Tracing};

use super::ConnectionManager;
use crate::telemetry::uuid::{self, LENGTH};
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

/// Place of the UUID's version digit, and of the trace decision.
const DECISION: usize = 14;
const NOT_TRACED: u8 = b'4';
const SAMPLED: u8 = b'9';
const FORCED: u8 = b'a';
const CLIENT: u8 = b'b';

/// Makes sure of a request id, and packs the trace decision into it. `edge` requests get a new one unless the client's is to be kept.
pub(super) fn apply(manager: &ConnectionManager, request: &mut RequestHead, edge: bool) {
    let decision = set(&manager.config, request, edge);
    if let Some(stats) = &manager.tracing {
        match decision {
            Some(SAMPLED) => stats.random_sampling.inc(),
            Some(FORCED) => stats.service_forced.inc(),
            Some(CLIENT) => stats.client_enabled.inc(),
            _ => stats.not_traceable.inc(),
        }
    }
}

/// Sets the id; the trace decision, where one is made.
fn set(config: &HttpConnectionManager, request: &mut RequestHead, edge: bool) -> Option<u8> {
    let present = request.headers.get(&Name::X_REQUEST_ID).is_some_and(|id| !id.is_empty());
    let fresh = config.generate_request_id && (!present || (edge && !config.preserve_external_request_id));
    if !fresh && !present {
        return None;
    }
    let Some(tracing) = config.tracing.filter(|_| config.request_id_samples) else {
        if fresh {
            request.headers.set(Name::X_REQUEST_ID, Bytes::copy_from_slice(&uuid::random()));
        }
        return None;
    };
    if fresh {
        let mut id = uuid::random();
        let decision = decide(&mut id, config, tracing, request);
        request.headers.set(Name::X_REQUEST_ID, Bytes::copy_from_slice(&id));
        return decision;
    }
    if let Some(given) = request.headers.get(&Name::X_REQUEST_ID)
        && let Ok(mut id) = <[u8; LENGTH]>::try_from(&given[..])
    {
        let before = id[DECISION];
        let decision = decide(&mut id, config, tracing, request);
        if id[DECISION] != before {
            request.headers.set(Name::X_REQUEST_ID, Bytes::copy_from_slice(&id));
        }
        return decision;
    }
    None
}

/// Packs the decision: a client's wish, then force, then a random share that every hop computes alike from the id.
fn decide(
    id: &mut [u8; LENGTH],
    config: &HttpConnectionManager,
    tracing: Tracing,
    request: &RequestHead,
) -> Option<u8> {
    let number = leading_number(id)?;
    let falls_into = |percent: f64| f64::from(number % 10_000) < percent * 100.0;
    let traced = |digit: u8| matches!(digit, SAMPLED | FORCED | CLIENT);
    let mut decision = id[DECISION];
    if !traced(decision) {
        if request.headers.contains(&Name::X_CLIENT_TRACE_ID) && falls_into(tracing.client_sampling) {
            decision = CLIENT;
        } else if request.headers.contains(&Name::X_ENVOY_FORCE_TRACE) {
            decision = FORCED;
        } else if falls_into(tracing.random_sampling) {
            decision = SAMPLED;
        }
    }
    if traced(decision) && !falls_into(tracing.overall_sampling) {
        decision = NOT_TRACED;
    }
    if config.request_id_packs_trace_reason {
        id[DECISION] = decision;
    }
    Some(decision)
}

/// The first eight hex digits; `None` when they are none.
fn leading_number(id: &[u8; LENGTH]) -> Option<u32> {
    id[..8].iter().try_fold(0u32, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests;
