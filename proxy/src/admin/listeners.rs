//! `/listeners`: names and bound addresses.

use axum::response::Response;
use serde_json::json;

use super::query::Query;
use super::reply;
use crate::status::{ListenerStatus, Shown};

/// `name::address` lines, or JSON.
pub fn show(query: &Query, shown: &Shown) -> Response {
    let listeners = &shown.listeners;
    if query.get("format") == Some("json") {
        let mut statuses: Vec<_> = listeners.iter().map(status).collect();
        if !query.has("stopped") {
            statuses.iter_mut().for_each(|status| status.stopped = false);
        }
        return match statuses.is_empty() {
            true => reply::json("{}\n"),
            false => reply::pretty(&json!({ "listener_statuses": statuses })),
        };
    }
    let mut text = String::new();
    for listener in listeners {
        for address in &listener.addresses {
            text.push_str(&format!("{}::{address}\n", listener.name));
        }
        if let Some(path) = &listener.path {
            text.push_str(&format!("{}::{}\n", listener.name, path.display()));
        }
    }
    reply::text(text)
}

#[derive(serde::Serialize)]
struct Status<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    local_address: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    additional_local_addresses: Vec<serde_json::Value>,
    /// Envoy does not tell, so only who asks is told.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stopped: bool,
}

fn status(listener: &ListenerStatus) -> Status<'_> {
    let socket = |address: &std::net::SocketAddr| json!({ "socket_address": { "address": address.ip().to_string(), "port_value": address.port() } });
    let pipe = listener.path.iter().map(|path| json!({ "pipe": { "path": path.display().to_string() } }));
    let mut addresses = listener.addresses.iter().map(socket).chain(pipe);
    Status {
        name: &listener.name,
        local_address: addresses.next(),
        additional_local_addresses: addresses.collect(),
        stopped: listener.stopped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_sockets_are_shown_as_by_envoy() {
        let listener = ListenerStatus {
            name: "pipe".into(),
            addresses: Vec::new(),
            path: Some("/run/l.sock".into()),
            stopped: false,
        };
        let json = serde_json::to_value(status(&listener)).unwrap();
        assert_eq!(json, json!({ "name": "pipe", "local_address": { "pipe": { "path": "/run/l.sock" } } }));
    }
}
