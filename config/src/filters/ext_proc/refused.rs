//! Fields of `ExternalProcessor` and of what routes say that do not act: a processor may hold policy, so each is refused by name. Called by
//! the decoder.

use crate::proto::extensions::filters::http::ext_proc::v3 as pb;
use crate::rejection::{At, Rejection};

pub(super) fn of_filter(at: &At<'_>, proto: &pb::ExternalProcessor) -> Result<(), Rejection> {
    let extension = "is code of Envoy's own, which is not part of this build; take it out";
    let fields = [
        (proto.http_service.is_some(), "http_service", "is not supported; give grpc_service"),
        (
            proto.observability_mode,
            "observability_mode",
            "is not supported; without it the processor's answers are waited for",
        ),
        (
            proto.send_body_without_waiting_for_header_response,
            "send_body_without_waiting_for_header_response",
            "is not supported; a body is sent when the headers have been answered",
        ),
        (
            proto.allow_content_length_header,
            "allow_content_length_header",
            "is not supported; the length of a body that a processor may change is not known before its end",
        ),
        (proto.processing_request_modifier.is_some(), "processing_request_modifier", extension),
        (proto.on_processing_response.is_some(), "on_processing_response", extension),
    ];
    first(at, &fields)
}

pub(super) fn of_route(at: &At<'_>, proto: &pb::ExtProcOverrides) -> Result<(), Rejection> {
    let extension = "is code of Envoy's own, which is not part of this build; take it out";
    first(at, &[(proto.processing_request_modifier.is_some(), "processing_request_modifier", extension)])
}

pub(super) fn of_clusters(at: &At<'_>, proto: &pb::MetadataOptions) -> Result<(), Rejection> {
    let field = "cluster_metadata_forwarding_namespaces";
    let why = "is not supported; the processor would decide without it";
    first(at, &[(proto.cluster_metadata_forwarding_namespaces.is_some(), field, why)])
}

fn first(at: &At<'_>, fields: &[(bool, &str, &str)]) -> Result<(), Rejection> {
    match fields.iter().find(|(is_set, ..)| *is_set) {
        Some((_, field, why)) => Err(at.field(field).unsupported(why)),
        None => Ok(()),
    }
}
