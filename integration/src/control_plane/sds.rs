//! SDS streams with the agent's habits: state of the world alone, one set of names for a stream.
//!
//! Spawned by the control plane for each call. Must never answer for a name that was not asked for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::service::discovery::v3 as discovery;
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use super::World;
use super::grpc::Call;
use super::resources::types;
use super::seen::{Seen, What};

/// Serves one SDS call until it ends.
pub(super) async fn serve(world: Arc<World>, workload: String, mut call: Call) {
    if !call.path.ends_with("/StreamSecrets") {
        return call.end(UNIMPLEMENTED, "only StreamSecrets is served");
    }
    let mut changes = world.changes();
    let number = world.next_stream();
    let mut names = BTreeSet::new();
    let mut sent = BTreeMap::new();
    let mut pushes = 0;
    loop {
        let fresh = tokio::select! {
            request = call.request() => {
                let Some(message) = request else { return };
                let request = discovery::DiscoveryRequest::decode(message).expect("a proxy sends discovery requests");
                let asked: BTreeSet<String> = request.resource_names.iter().cloned().collect();
                let grown: BTreeSet<String> = asked.difference(&names).cloned().collect();
                world.record(Seen {
                    workload: workload.clone(),
                    stream: number,
                    type_url: types::SECRET.to_owned(),
                    node: request.node.map(|node| node.id),
                    what: match request.error_detail {
                        Some(error) => What::Nack(error.message),
                        None if request.response_nonce.is_empty() || !grown.is_empty() => What::Subscribe {
                            names: request.resource_names,
                            unsubscribed: Vec::new(),
                            held: Vec::new(),
                        },
                        None => What::Ack,
                    },
                });
                names = asked;
                grown
            }
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                names.clone()
            }
        };
        for name in fresh {
            let Some(body) = world.secret(&workload, &name) else {
                return call.end(NOT_FOUND, &format!("no secret {name}"));
            };
            if sent.get(&name) == Some(&body) {
                continue;
            }
            pushes += 1;
            send(&call, &world.version(), &format!("sds-{number}-{pushes}"), &body);
            sent.insert(name, body);
        }
    }
}

fn send(call: &Call, version: &str, nonce: &str, body: &Bytes) {
    call.send(&discovery::DiscoveryResponse {
        version_info: version.to_owned(),
        nonce: nonce.to_owned(),
        type_url: types::SECRET.to_owned(),
        resources: vec![Any { type_url: types::SECRET.to_owned(), value: body.to_vec() }],
        ..Default::default()
    });
}

const NOT_FOUND: u8 = 5;
const UNIMPLEMENTED: u8 = 12;
