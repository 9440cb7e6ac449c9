//! `/memory`: what the system counts for this process.

use axum::response::Response;

use super::reply;

#[derive(serde::Serialize)]
struct Memory {
    allocated: String,
    heap_size: String,
    pageheap_unmapped: String,
    pageheap_free: String,
    total_thread_cache: String,
    total_physical_bytes: String,
}

/// The status of this process, as the system tells it.
fn status() -> String {
    std::fs::read_to_string("/proc/self/status").unwrap_or_default()
}

/// What `/memory` calls `allocated` and `total_physical_bytes`, for the gauges of these.
pub fn sizes() -> [u64; 2] {
    let status = status();
    [ANONYMOUS, RESIDENT].map(|field| octets(&status, field))
}

/// Octets, as strings. The allocator keeps no cheap count of its own, so `allocated` is the anonymous memory in use.
pub fn show() -> Response {
    let status = status();
    reply::pretty(&Memory {
        allocated: octets(&status, ANONYMOUS).to_string(),
        heap_size: octets(&status, "VmData:").to_string(),
        pageheap_unmapped: "0".into(),
        pageheap_free: "0".into(),
        total_thread_cache: "0".into(),
        total_physical_bytes: octets(&status, RESIDENT).to_string(),
    })
}

const ANONYMOUS: &str = "RssAnon:";
const RESIDENT: &str = "VmRSS:";

/// The system counts in KiB.
fn octets(status: &str, field: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|number| number.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}
