//! gRPC statuses.

use config::access_log::GrpcStatusFormat;

use super::{Written, header, number, text};
use crate::telemetry::access_log::LogEntry;
use crate::wire::grpc;

/// The names that Envoy has of its own.
const CAMEL: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// The gRPC status of a gRPC request.
pub fn status(format: GrpcStatusFormat, entry: &LogEntry<'_>, out: &mut Vec<u8>) -> Written {
    let Some(code) = code(entry) else { return Written::Absent };
    let Ok(code) = code else { return text(Some(b"-1"), out) };
    let name = usize::try_from(code).ok().and_then(|code| CAMEL.get(code).copied());
    match (format, name) {
        (GrpcStatusFormat::Number, _) => number(code, out),
        // Where a name was asked for, a number is a text, too.
        (_, None) => text(Some(itoa::Buffer::new().format(code).as_bytes()), out),
        (GrpcStatusFormat::Camel, Some(name)) => text(Some(name.as_bytes()), out),
        (GrpcStatusFormat::Snake, Some(_)) => text(Some(grpc::name_of(code as u8).as_bytes()), out),
    }
}

/// What is no number.
struct NoNumber;

/// From the trailers, the headers, or guessed from the HTTP status.
fn code(entry: &LogEntry<'_>) -> Option<Result<u64, NoNumber>> {
    if !grpc::has_content_type(&entry.request?.headers) {
        return None;
    }
    let sent = entry.trailers.and_then(|trailers| header(trailers, "grpc-status"));
    let sent = sent.or_else(|| header(&entry.response?.headers, "grpc-status"));
    let read = |value: &[u8]| std::str::from_utf8(value).ok().and_then(|text| text.trim().parse().ok()).ok_or(NoNumber);
    Some(match sent.filter(|value| !value.is_empty()) {
        Some(value) => read(value),
        None => Ok(grpc::status_of(entry.info.response_code).into()),
    })
}
