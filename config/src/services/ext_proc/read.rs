//! What a processor says, out of its bytes. Called by the filter through the folder's front.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{Answer, BodyMutation, Common, HeaderChange, HeaderMutation, Immediate, Of, ProcessingResponse};
use crate::filters::ext_proc::ProcessingMode;
use crate::proto::{self, core::v3 as core, envoy::service::ext_proc::v3 as pb, wkt};
use crate::rejection::{At, Rejection};

/// The message in these bytes.
///
/// # Errors
/// Bytes that are no message.
pub fn decode(bytes: &[u8]) -> Result<ProcessingResponse, Rejection> {
    use pb::processing_response::Response;
    let proto: pb::ProcessingResponse = proto::message(bytes, &At::root())?;
    let answer = proto.response.and_then(|response| {
        Some(match response {
            Response::RequestHeaders(one) => Answer::Headers(Of::Request, common(one.response)),
            Response::ResponseHeaders(one) => Answer::Headers(Of::Response, common(one.response)),
            Response::RequestBody(one) => Answer::Body(Of::Request, common(one.response)),
            Response::ResponseBody(one) => Answer::Body(Of::Response, common(one.response)),
            Response::RequestTrailers(one) => Answer::Trailers(Of::Request, one.header_mutation.map(mutation)),
            Response::ResponseTrailers(one) => Answer::Trailers(Of::Response, one.header_mutation.map(mutation)),
            Response::ImmediateResponse(one) => Answer::Immediate(immediate(one)),
            Response::StreamedImmediateResponse(_) => return None,
        })
    });
    let at = At::root();
    let mode = proto.mode_override.map(|mode| ProcessingMode::decode(&at.field("mode_override"), &mode));
    let typed = proto.typed_dynamic_metadata.into_iter();
    Ok(ProcessingResponse {
        answer,
        metadata: proto.dynamic_metadata.map(|metadata| objects(&metadata)),
        typed_metadata: typed.map(|(namespace, any)| (namespace, any.type_url, Bytes::from(any.value))).collect(),
        mode,
        timeout: proto.override_message_timeout.map(|timeout| milliseconds(&timeout)),
    })
}

/// Objects by namespace: what is none there is an empty one, as Envoy takes it.
fn objects(metadata: &wkt::Struct) -> Value {
    let one = |(namespace, value): (&String, &wkt::Value)| {
        let value = proto::value_to_json(value);
        (namespace.clone(), if value.is_object() { value } else { Value::Object(Map::new()) })
    };
    Value::Object(metadata.fields.iter().map(one).collect())
}

fn milliseconds(timeout: &wkt::Duration) -> Option<u64> {
    let (seconds, nanos) = (u64::try_from(timeout.seconds).ok()?, u64::try_from(timeout.nanos).ok()?);
    seconds.checked_mul(1000)?.checked_add(nanos / 1_000_000)
}

fn common(response: Option<pb::CommonResponse>) -> Common {
    use pb::common_response::ResponseStatus;
    let Some(response) = response else { return Common::default() };
    Common {
        replace: response.status == ResponseStatus::ContinueAndReplace as i32,
        headers: response.header_mutation.map(mutation),
        body: response.body_mutation.map(body),
        clear_route_cache: response.clear_route_cache,
    }
}

fn body(mutation: pb::BodyMutation) -> BodyMutation {
    use pb::body_mutation::Mutation;
    match mutation.mutation {
        Some(Mutation::Body(body)) => BodyMutation::Replace(Bytes::from(body)),
        Some(Mutation::ClearBody(true)) => BodyMutation::Clear,
        Some(Mutation::ClearBody(false)) | None => BodyMutation::Keep,
        Some(Mutation::StreamedResponse(_)) => BodyMutation::Streamed,
    }
}

fn mutation(mutation: pb::HeaderMutation) -> HeaderMutation {
    HeaderMutation {
        set: mutation.set_headers.into_iter().filter_map(change).collect(),
        remove: mutation.remove_headers,
    }
}

fn change(option: core::HeaderValueOption) -> Option<HeaderChange> {
    let header = option.header?;
    Some(HeaderChange {
        name: header.key,
        value: if header.raw_value.is_empty() { Bytes::from(header.value) } else { Bytes::from(header.raw_value) },
        append: option.append.map(|append| append.value),
    })
}

fn immediate(response: pb::ImmediateResponse) -> Immediate {
    Immediate {
        status: response.status.map(|status| status.code),
        headers: response.headers.map(mutation),
        body: Bytes::from(response.body),
        grpc_status: response.grpc_status.map(|status| status.status),
        details: response.details,
    }
}
