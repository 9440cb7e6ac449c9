//! `envoy.service.ext_proc.v3`: what a processor is told, and what it says. Called by the `ext_proc` filter, which knows nothing of protobuf.
//! A message that cannot be read is a failure of the processor, never its consent.

mod read;

use bytes::Bytes;
use prost::Message as _;
use serde_json::Value;

use super::ext_authz::MetadataContext;
pub use read::decode;

use crate::filters::ext_proc::{BodyMode, ProcessingMode};
use crate::proto::{
    self, core::v3 as core, envoy::service::ext_proc::v3 as pb,
    extensions::filters::http::ext_proc::v3::processing_mode,
};
use crate::rejection::Rejection;

/// The method of the service.
pub const PROCESS: &str = "/envoy.service.ext_proc.v3.ExternalProcessor/Process";

/// Where attributes stand, whatever the filter's name is.
const ATTRIBUTES: &str = "envoy.filters.http.ext_proc";

/// A direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The request.
    Request,
    /// The response.
    Response,
}

/// `ProcessingRequest`.
#[derive(Debug)]
pub struct ProcessingRequest<'a> {
    /// What it tells of.
    pub of: Of,
    /// What it tells.
    pub part: Part<'a>,
    /// `metadata_context`.
    pub metadata: &'a MetadataContext<'a>,
    /// `attributes`, an object.
    pub attributes: Option<&'a Value>,
    /// `protocol_config`, of a stream's first message: the modes of both bodies.
    pub modes: Option<(BodyMode, BodyMode)>,
}

/// A part of a request or response.
#[derive(Debug)]
pub enum Part<'a> {
    /// Headers, pseudo headers too; and whether there is nothing else.
    Headers(Vec<(&'a str, &'a [u8])>, bool),
    /// Octets of the body; and whether they are its end, without trailers.
    Body(&'a [u8], bool),
    /// Trailers.
    Trailers(Vec<(&'a str, &'a [u8])>),
}

/// `ProcessingResponse`.
#[derive(Debug)]
pub struct ProcessingResponse {
    /// `response`; `None`: none that is known here.
    pub answer: Option<Answer>,
    /// `dynamic_metadata`: objects by namespace.
    pub metadata: Option<Value>,
    /// `typed_dynamic_metadata`: namespace, type URL, bytes.
    pub typed_metadata: Vec<(String, String, Bytes)>,
    /// `mode_override`; a rejection where it names what does not act.
    pub mode: Option<Result<ProcessingMode, Rejection>>,
    /// `override_message_timeout`, in milliseconds; the inner one is `None` for what is no such time.
    pub timeout: Option<Option<u64>>,
}

/// What a processor says.
#[derive(Debug)]
pub enum Answer {
    /// To headers.
    Headers(Of, Common),
    /// To a body.
    Body(Of, Common),
    /// To trailers.
    Trailers(Of, Option<HeaderMutation>),
    /// `immediate_response`.
    Immediate(Immediate),
}

/// `CommonResponse`.
#[derive(Debug, Default)]
pub struct Common {
    /// `CONTINUE_AND_REPLACE`.
    pub replace: bool,
    /// `header_mutation`.
    pub headers: Option<HeaderMutation>,
    /// `body_mutation`.
    pub body: Option<BodyMutation>,
    /// `clear_route_cache`.
    pub clear_route_cache: bool,
}

/// `BodyMutation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyMutation {
    /// `body`.
    Replace(Bytes),
    /// `clear_body`.
    Clear,
    /// It says nothing.
    Keep,
    /// `streamed_response`, for a mode that does not act.
    Streamed,
}

/// `HeaderMutation`, as the processor sent it: nothing of it is checked.
#[derive(Debug, Default)]
pub struct HeaderMutation {
    /// `set_headers`.
    pub set: Vec<HeaderChange>,
    /// `remove_headers`.
    pub remove: Vec<String>,
}

/// `HeaderValueOption`.
#[derive(Debug)]
pub struct HeaderChange {
    /// As it came.
    pub name: String,
    /// As it came.
    pub value: Bytes,
    /// `append`, where it is set; Envoy looks at no `append_action` here.
    pub append: Option<bool>,
}

/// `ImmediateResponse`.
#[derive(Debug, Default)]
pub struct Immediate {
    /// `status`; `None`: not set.
    pub status: Option<i32>,
    /// `headers`.
    pub headers: Option<HeaderMutation>,
    /// `body`.
    pub body: Bytes,
    /// `grpc_status`.
    pub grpc_status: Option<u32>,
    /// `details`.
    pub details: String,
}

/// The bytes of what is told.
pub fn encode(request: &ProcessingRequest<'_>) -> Vec<u8> {
    use pb::processing_request::Request;
    let told = match (&request.part, request.of) {
        (Part::Headers(list, end), of) => {
            let headers = pb::HttpHeaders { headers: Some(map(list)), end_of_stream: *end, ..Default::default() };
            if of == Of::Request { Request::RequestHeaders(headers) } else { Request::ResponseHeaders(headers) }
        }
        (Part::Body(octets, end), of) => {
            let body = pb::HttpBody { body: octets.to_vec(), end_of_stream: *end, ..Default::default() };
            if of == Of::Request { Request::RequestBody(body) } else { Request::ResponseBody(body) }
        }
        (Part::Trailers(list), of) => {
            let trailers = pb::HttpTrailers { trailers: Some(map(list)) };
            if of == Of::Request { Request::RequestTrailers(trailers) } else { Request::ResponseTrailers(trailers) }
        }
    };
    let attributes = request.attributes.map(|value| (ATTRIBUTES.to_owned(), proto::json_to_struct(value)));
    let protocol_config = request.modes.map(|(of_request, of_response)| pb::ProtocolConfiguration {
        request_body_mode: number(of_request),
        response_body_mode: number(of_response),
        send_body_without_waiting_for_header_response: false,
    });
    pb::ProcessingRequest {
        metadata_context: Some(super::ext_authz::metadata(request.metadata)),
        attributes: attributes.into_iter().collect(),
        protocol_config,
        request: Some(told),
        ..Default::default()
    }
    .encode_to_vec()
}

fn map(list: &[(&str, &[u8])]) -> core::HeaderMap {
    let header = |(name, value): &(&str, &[u8])| core::HeaderValue {
        key: (*name).to_owned(),
        raw_value: value.to_vec(),
        ..Default::default()
    };
    core::HeaderMap { headers: list.iter().map(header).collect() }
}

fn number(mode: BodyMode) -> i32 {
    use processing_mode::BodySendMode as Mode;
    let mode = match mode {
        BodyMode::None => Mode::None,
        BodyMode::Streamed => Mode::Streamed,
        BodyMode::Buffered => Mode::Buffered,
        BodyMode::BufferedPartial => Mode::BufferedPartial,
    };
    mode.into()
}

#[cfg(test)]
mod tests;
