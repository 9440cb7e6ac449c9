//! Which stage of a request's life a source file belongs to.

use super::callgrind::Place;

/// Parts of paths, the more special ones first.
const STAGES: &[(&str, &str)] = &[
    ("proxy/src/wire/", "codec"),
    ("/httparse-", "codec"),
    ("proxy/src/http/connection", "connection"),
    ("proxy/src/http/filters/", "filters"),
    ("proxy/src/http/route/", "route"),
    ("proxy/src/http/router.rs", "route"),
    ("proxy/src/http/attempt", "attempts"),
    ("proxy/src/http/retry.rs", "attempts"),
    ("proxy/src/http/upload.rs", "attempts"),
    ("proxy/src/http/upstreams.rs", "attempts"),
    ("proxy/src/http/timeouts.rs", "timeouts"),
    ("proxy/src/http/deadlines.rs", "timeouts"),
    ("proxy/src/http/watch.rs", "timeouts"),
    ("proxy/src/http/", "exchange"),
    ("proxy/src/cluster/", "cluster"),
    ("proxy/src/telemetry/", "log"),
    ("proxy/src/stats/", "statistics"),
    ("proxy/src/tls/", "TLS"),
    ("/rustls-", "TLS"),
    ("/tokio-rustls-", "TLS"),
    ("/aws-lc", "TLS"),
    ("proxy/src/transport", "transport"),
    ("proxy/src/sys.rs", "transport"),
    ("proxy/src/listener/", "listener"),
    ("/tokio-", "tokio"),
    ("/mio-", "tokio"),
    ("/bytes-", "bytes"),
];

/// Functions of the C library and of the allocator's door, by the beginnings of their names.
const MEMORY: &[&str] =
    &["malloc", "free", "_int_malloc", "_int_free", "realloc", "_int_realloc", "calloc", "posix_memalign"];

/// The stage of a place.
pub fn of(place: &Place) -> &'static str {
    if let Some((_, stage)) = STAGES.iter().find(|(part, _)| place.file.contains(part)) {
        return stage;
    }
    let name = place.function.trim_start_matches('_');
    if name.starts_with("mem") || name.contains("memcpy") || name.contains("memmove") {
        return "copies and comparisons";
    }
    if MEMORY.iter().any(|beginning| place.function.starts_with(beginning)) || place.function.contains("alloc") {
        return "allocation";
    }
    if place.file.starts_with("/rustc/") {
        return "the language's library";
    }
    "other"
}
