//! `/runtime`: keys of the bootstrap's static layers.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::query::Query;
use super::{Admin, reply};

/// One layer: the last value of each key.
pub fn show(admin: &Admin) -> Response {
    let entries: BTreeMap<&str, serde_json::Value> = admin
        .runtime
        .iter()
        .map(|(key, value)| (&**key, json!({ "layer_values": [&**value], "final_value": &**value })))
        .collect();
    reply::pretty(&json!({ "layers": ["global config"], "entries": entries }))
}

/// Says why not.
pub fn modify(query: &Query) -> Response {
    if query.pairs().len() == 0 {
        let usage = "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n";
        return reply::failure(StatusCode::BAD_REQUEST, usage);
    }
    let text = "runtime values come from the bootstrap's static layers and cannot be changed here\n";
    reply::failure(StatusCode::SERVICE_UNAVAILABLE, text)
}
