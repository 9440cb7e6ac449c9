//! `/runtime` and `/runtime_modify`: the layers of the runtime, and what an operator says in the one that is theirs.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use super::query::Query;
use super::{Admin, reply};

/// Each key with what each layer says of it; the last that says something wins.
pub fn show(admin: &Admin) -> Response {
    let layers = admin.layers.shown();
    let mut entries = BTreeMap::new();
    for key in layers.iter().flat_map(|(_, values)| values.keys()) {
        let values: Vec<&str> = layers.iter().map(|(_, values)| values.get(key).map_or("", |value| value)).collect();
        let last = values.iter().rfind(|value| !value.is_empty()).copied().unwrap_or_default();
        entries.insert(&**key, json!({ "layer_values": values, "final_value": last }));
    }
    let names: Vec<&str> = layers.iter().map(|(name, _)| &**name).collect();
    reply::pretty(&json!({ "layers": names, "entries": entries }))
}

/// Takes what stands in the query, or in a form that was sent.
pub fn modify(admin: &Admin, query: &Query) -> Response {
    if query.pairs().len() == 0 {
        return reply::failure(StatusCode::BAD_REQUEST, USAGE);
    }
    match admin.layers.modify(query.pairs()) {
        Ok(()) => reply::ok(),
        Err(reason) => reply::failure(StatusCode::SERVICE_UNAVAILABLE, reason),
    }
}

const USAGE: &str = "usage: /runtime_modify?key1=value1&key2=value2&keyN=valueN\n       or send the parameters as form values\n\
                     use an empty value to remove a previously added override";
