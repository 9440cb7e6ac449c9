//! `/init_dump`: what the start, or an update, still waits for.

use axum::response::Response;
use serde_json::{Value, json};

use super::query::Query;
use super::{Admin, reply};
use crate::status::Shown;
use crate::store::Kind;

/// A manager for the server while it is not ready, and one for each resource that warms. `mask=listener` leaves listeners alone.
pub fn show(admin: &Admin, query: &Query, shown: &Shown) -> Response {
    let listeners_alone = query.get("mask").is_some_and(|mask| mask == "listener");
    let mut dumps: Vec<Value> = Vec::new();
    let starts = matches!(admin.source.state(), "PRE_INITIALIZING" | "INITIALIZING");
    if starts && !listeners_alone {
        let discoveries = [("CDS", Kind::Cluster), ("LDS", Kind::Listener)];
        let missing = discoveries.iter().filter(|(_, kind)| shown.resources.version(*kind).is_empty());
        let names: Vec<&str> = missing.map(|(name, _)| *name).collect();
        if !names.is_empty() {
            dumps.push(json!({ "name": "init manager Server", "target_names": names }));
        }
    }
    let kinds = [(Kind::Listener, "Listener-local-init-manager"), (Kind::Cluster, "Cluster")];
    for (kind, word) in kinds.iter().filter(|(kind, _)| *kind == Kind::Listener || !listeners_alone) {
        let warming = shown.resources.resources(*kind).iter().filter(|entry| entry.warming.is_some());
        dumps.extend(warming.map(|entry| {
            json!({ "name": format!("init manager {word} {}", entry.name), "target_names": [format!("{} (warming)", entry.name)] })
        }));
    }
    match dumps.is_empty() {
        true => reply::json("{}\n"),
        false => reply::pretty(&json!({ "unready_targets_dumps": dumps })),
    }
}
