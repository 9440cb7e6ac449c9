//! `x-request-id`: a version 4 UUID whose 15th character carries the decision whether to trace. Called once a
//! request by `exchange` and by `trace`.

use bytes::Bytes;
use config::hcm::HttpConnectionManager;
use config::tracing::Sampling;

use super::trace::Reason;
use crate::policy::falls_into;
use crate::telemetry::uuid::{self, LENGTH};
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;

/// Place of the UUID's version digit, and of the trace decision.
const DECISION: usize = 14;
const NOT_TRACED: u8 = b'4';
const SAMPLED: u8 = b'9';
const FORCED: u8 = b'a';
const CLIENT: u8 = b'b';

/// Makes sure of a request id. `edge` requests get a new one unless the client's is to be kept.
pub(super) fn apply(config: &HttpConnectionManager, request: &mut RequestHead, edge: bool) {
    let present = request.headers.get(&Name::X_REQUEST_ID).is_some_and(|id| !id.is_empty());
    if config.generate_request_id && (!present || (edge && !config.preserve_external_request_id)) {
        request.headers.set(Name::X_REQUEST_ID, Bytes::copy_from_slice(&uuid::random()));
    }
}

/// Whether a request is traced: as its id says, by a client's wish, by force, or as one of a share that every hop computes alike from the
/// id. Packs that into the id.
pub(super) fn decide(config: &HttpConnectionManager, sampling: &Sampling, request: &mut RequestHead) -> Reason {
    if !config.request_id_samples {
        return Reason::Sampling;
    }
    let headers = &request.headers;
    let id = headers.get(&Name::X_REQUEST_ID).and_then(|id| <[u8; LENGTH]>::try_from(&id[..]).ok());
    let Some((mut id, number)) = id.and_then(|id| Some((id, u64::from(uuid::leading_number(&id)? % 10_000)))) else {
        return Reason::NotTraceable;
    };
    let before = id[DECISION];
    let mut reason = match before {
        SAMPLED => Reason::Sampling,
        FORCED => Reason::ServiceForced,
        CLIENT => Reason::ClientForced,
        _ if headers.contains(&Name::X_CLIENT_TRACE_ID) && falls_into(sampling.client.get(), fastrand::u64(..)) => {
            Reason::ClientForced
        }
        _ if headers.contains(&Name::X_ENVOY_FORCE_TRACE) => Reason::ServiceForced,
        _ if falls_into(sampling.random.get(), number) => Reason::Sampling,
        _ => Reason::NotTraceable,
    };
    let traced = reason != Reason::NotTraceable;
    if traced && !falls_into(sampling.overall.get(), number) {
        reason = Reason::NotTraceable;
    }
    id[DECISION] = match reason {
        Reason::Sampling => SAMPLED,
        Reason::ServiceForced => FORCED,
        Reason::ClientForced => CLIENT,
        Reason::NotTraceable if traced => NOT_TRACED,
        Reason::NotTraceable => before,
    };
    if config.request_id_packs_trace_reason && id[DECISION] != before {
        request.headers.set(Name::X_REQUEST_ID, Bytes::copy_from_slice(&id));
    }
    reason
}

#[cfg(test)]
mod tests;
