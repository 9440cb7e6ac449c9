//! `strict_check_headers`: a request whose wishes to the router make no sense is refused, where they would otherwise be passed over.
//! Called by the loop in [`super`] once the cluster is known, as in Envoy.

use config::hcm::StrictHeader;
use config::route::RetryOn;

use crate::failure::ResponseFlags;
use crate::http::local_reply::LocalReply;
use crate::http::stop::Stop;
use crate::http::stream::Stream;
use crate::wire::headers::Name;

/// Judges the headers that the router is strict about.
pub(super) fn check(stream: &Stream<'_>) -> Result<(), Stop> {
    for header in &stream.context.manager.config.router.strict_headers {
        let name = name_of(*header);
        let Some(value) = stream.request.headers.get(&name) else { continue };
        if !is_valid(*header, value) {
            let value = String::from_utf8_lossy(value);
            let details = format!("request_headers_failed_strict_check{{{}}}", name.as_str());
            return Err(LocalReply::new(400, details)
                .body(format!("invalid header '{}' with value '{value}'", name.as_str()))
                .flags(ResponseFlags::INVALID_ENVOY_REQUEST_HEADERS)
                .into());
        }
    }
    Ok(())
}

fn name_of(header: StrictHeader) -> Name {
    match header {
        StrictHeader::Timeout => Name::X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS,
        StrictHeader::PerTryTimeout => Name::X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS,
        StrictHeader::MaxRetries => Name::X_ENVOY_MAX_RETRIES,
        StrictHeader::RetryOn => Name::X_ENVOY_RETRY_ON,
        StrictHeader::RetryGrpcOn => Name::X_ENVOY_RETRY_GRPC_ON,
    }
}

fn is_valid(header: StrictHeader, value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    let words = |grpc: bool| {
        text.split(',').all(|word| {
            let meant = RetryOn::parse(word);
            if grpc { meant.grpc().0 != 0 } else { meant.http().0 != 0 }
        })
    };
    match header {
        StrictHeader::Timeout | StrictHeader::PerTryTimeout | StrictHeader::MaxRetries => text.parse::<u64>().is_ok(),
        StrictHeader::RetryOn => words(false),
        StrictHeader::RetryGrpcOn => words(true),
    }
}

#[cfg(test)]
mod tests;
