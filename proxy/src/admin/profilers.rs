//! Pages of Envoy's about its allocator, its locks and its profilers, of which there are none here: each says so, with the status that
//! Envoy's has where its build lacks the thing.

use axum::http::StatusCode;
use axum::response::Response;

use super::query::Query;
use super::reply;

/// `/cpuprofiler` and its like: a switch for what is not there.
pub fn switch(query: &Query) -> Response {
    match query.get("enable") {
        Some("y" | "n") => missing("profiler; perf(1) shows where time goes, without it"),
        _ => reply::failure(StatusCode::BAD_REQUEST, "?enable=<y|n>\n"),
    }
}

/// `/heapprofiler`, which has no usage to tell.
pub fn of_heap() -> Response {
    missing("heap profiler; heaptrack and the like see it from outside")
}

/// `/heap_dump` and its like.
pub fn heap() -> Response {
    missing("heap dump: memory is the C library's; /memory has what the system counts")
}

/// `/memory/tcmalloc`.
pub fn tcmalloc() -> Response {
    missing("TCMalloc: memory is the C library's; /memory has what the system counts")
}

fn missing(what: &str) -> Response {
    reply::failure(StatusCode::NOT_IMPLEMENTED, format!("This build has no {what}\n"))
}
