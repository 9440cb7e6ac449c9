//! ADS streams, delta and state of the world, with istiod's habits: no resource versions, all listeners with each change
//! of one, endpoints again after each answer for clusters, an answer for every name.
//!
//! Spawned by the control plane for each call. Must never push to a stream what its proxy did not ask for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::ControlPlane as Identifier;
use envoy_types::pb::envoy::service::discovery::v3 as discovery;
use envoy_types::pb::google::protobuf::Any;
use prost::Message;

use super::grpc::Call;
use super::resources::{ResourceSet, types};
use super::seen::{Seen, What};
use super::{Misbehaviour, World};

/// One proxy's stream.
struct Stream {
    world: Arc<World>,
    workload: String,
    number: u64,
    delta: bool,
    call: Call,
    types: BTreeMap<String, Watched>,
    pushes: u64,
}

/// What a stream knows about one type.
#[derive(Default)]
struct Watched {
    wildcard: bool,
    names: BTreeSet<String>,
    /// What the proxy was sent last.
    sent: BTreeMap<String, Bytes>,
    nonce: String,
}

/// Serves one ADS call of a workload's proxy until it ends.
pub(super) async fn serve(world: Arc<World>, workload: String, call: Call) {
    let mut changes = world.changes();
    let number = world.next_stream();
    if let Some(misbehaviour) = world.next_misbehaviour(&workload) {
        misbehave(call, misbehaviour);
        return;
    }
    let delta = call.path.ends_with("/DeltaAggregatedResources");
    let mut stream = Stream { world, workload, number, delta, call, types: BTreeMap::new(), pushes: 0 };
    loop {
        tokio::select! {
            request = stream.call.request() => match request {
                Some(message) if stream.delta => stream.delta_request(message),
                Some(message) => stream.sotw_request(message),
                None => return,
            },
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
                if let Some(misbehaviour) = stream.world.next_misbehaviour(&stream.workload) {
                    misbehave(stream.call, misbehaviour);
                    return;
                }
                stream.push_changes();
            }
        }
    }
}

fn misbehave(call: Call, misbehaviour: Misbehaviour) {
    match misbehaviour {
        Misbehaviour::Garbage => call.send_bytes(b"\xff\xff\xff\xff this is no discovery response"),
        Misbehaviour::Unframed => call.send_raw(Bytes::from_static(b"HTTP/1.1 400 Bad Request\r\n\r\n")),
        // A message of 4 GiB is announced, and three bytes of it come.
        Misbehaviour::HangUpMidMessage => call.send_raw(Bytes::from_static(b"\0\xff\xff\xff\xff\x0a\x01\x61")),
        Misbehaviour::Reset => call.reset(),
        Misbehaviour::End(code, message) => call.end(code, &message),
    }
}

impl Stream {
    fn delta_request(&mut self, message: Bytes) {
        let request = discovery::DeltaDiscoveryRequest::decode(message).expect("a proxy sends delta requests");
        let type_url = request.type_url.clone();
        let mut held: Vec<String> = request.initial_resource_versions.into_keys().collect();
        held.sort();
        let changes = !request.resource_names_subscribe.is_empty() || !request.resource_names_unsubscribe.is_empty();
        let answers = !request.response_nonce.is_empty();
        let node = request.node.map(|node| node.id);
        self.record(
            &type_url,
            node,
            match (answers, changes, request.error_detail) {
                (true, true, _) => What::Mixed,
                (true, false, None) => What::Ack,
                (true, false, Some(error)) => What::Nack(error.message),
                (false, ..) => What::Subscribe {
                    names: request.resource_names_subscribe.clone(),
                    unsubscribed: request.resource_names_unsubscribe.clone(),
                    held: held.clone(),
                },
            },
        );
        if answers && !changes {
            return;
        }
        let first = !self.types.contains_key(&type_url);
        let watched = self.types.entry(type_url.clone()).or_default();
        let asked: BTreeSet<String> = request.resource_names_subscribe.into_iter().collect();
        if (first && asked.is_empty()) || asked.contains("*") {
            watched.wildcard = true;
        }
        for name in &request.resource_names_unsubscribe {
            watched.names.remove(name);
            watched.sent.remove(name);
        }
        watched.names.extend(asked.iter().filter(|name| *name != "*").cloned());
        let current = self.current(&type_url);
        let watched = self.types.get_mut(&type_url).expect("it was just made");
        if watched.wildcard {
            let removed = held.into_iter().filter(|name| !current.contains_key(name)).collect();
            self.send(&type_url, current, removed);
        } else if !asked.is_empty() {
            let answer = current.into_iter().filter(|(name, _)| asked.contains(name)).collect();
            self.send(&type_url, answer, Vec::new());
        }
        if type_url == types::CLUSTER && self.types.contains_key(types::ENDPOINT) {
            let endpoints = self.current(types::ENDPOINT);
            self.send(types::ENDPOINT, endpoints, Vec::new());
        }
    }

    fn sotw_request(&mut self, message: Bytes) {
        let request = discovery::DiscoveryRequest::decode(message).expect("a proxy sends discovery requests");
        let type_url = request.type_url.clone();
        let node = request.node.map(|node| node.id);
        let names: BTreeSet<String> = request.resource_names.iter().cloned().collect();
        let watched = self.types.entry(type_url.clone()).or_default();
        let first = watched.nonce.is_empty();
        let same = names == watched.names;
        let what = match request.error_detail {
            Some(error) => What::Nack(error.message),
            None if !first && same => What::Ack,
            None => {
                What::Subscribe { names: request.resource_names.clone(), unsubscribed: Vec::new(), held: Vec::new() }
            }
        };
        // A nonce that is not the newest is about a response that was overtaken.
        let stale = !request.response_nonce.is_empty() && request.response_nonce != watched.nonce;
        let respond = matches!(what, What::Subscribe { .. }) && !stale;
        if respond {
            watched.wildcard = matches!(type_url.as_str(), types::CLUSTER | types::LISTENER);
        }
        let grown: BTreeSet<String> = names.difference(&watched.names).cloned().collect();
        if respond {
            watched.names = names;
        }
        let wildcard = watched.wildcard;
        self.record(&type_url, node, what);
        if respond && (wildcard || !grown.is_empty()) {
            let current = self.current(&type_url);
            let answer = current.into_iter().filter(|(name, _)| wildcard || grown.contains(name)).collect();
            self.send(&type_url, answer, Vec::new());
        }
    }

    /// Everything of a type that the proxy asked for, as it is now.
    fn current(&self, type_url: &str) -> BTreeMap<String, Bytes> {
        self.select(&self.world.resources(&self.workload), type_url)
    }

    fn select(&self, set: &ResourceSet, type_url: &str) -> BTreeMap<String, Bytes> {
        let Some(watched) = self.types.get(type_url) else { return BTreeMap::new() };
        let encode = |name: &str, body: &_| (name.to_owned(), self.world.encode(type_url, body));
        if watched.wildcard {
            return set.of_type(type_url).map(|(name, body)| encode(name, body)).collect();
        }
        let named = |name: &String| set.answer(type_url, name).map(|body| encode(name, &body));
        watched.names.iter().filter_map(named).collect()
    }

    fn push_changes(&mut self) {
        let set = self.world.resources(&self.workload);
        for type_url in types::PUSHED {
            let current = self.select(&set, type_url);
            let Some(watched) = self.types.get(type_url) else { continue };
            let changed: BTreeMap<_, _> =
                current.iter().filter(|(name, body)| watched.sent.get(*name) != Some(body)).collect();
            let removed: Vec<String> =
                watched.sent.keys().filter(|name| !current.contains_key(*name)).cloned().collect();
            if changed.is_empty() && removed.is_empty() {
                continue;
            }
            let whole = type_url == types::LISTENER || (!self.delta && type_url != types::ENDPOINT);
            let resources = if whole {
                current
            } else {
                changed.into_iter().map(|(name, body)| (name.clone(), body.clone())).collect()
            };
            self.send(type_url, resources, removed);
        }
    }

    fn send(&mut self, type_url: &str, resources: BTreeMap<String, Bytes>, removed: Vec<String>) {
        if self.world.resources(&self.workload).withholds(type_url) {
            return;
        }
        self.pushes += 1;
        let version = self.world.version();
        let nonce = format!("{version}-{}-{}", self.number, self.pushes);
        let any = |body: &Bytes| Any { type_url: type_url.to_owned(), value: body.to_vec() };
        let control_plane = Some(Identifier { identifier: "embedded control plane".into() });
        if self.delta {
            let resource = |(name, body): (&String, &Bytes)| discovery::Resource {
                name: name.clone(),
                resource: Some(any(body)),
                ..Default::default()
            };
            self.call.send(&discovery::DeltaDiscoveryResponse {
                system_version_info: version,
                type_url: type_url.to_owned(),
                nonce: nonce.clone(),
                resources: resources.iter().map(resource).collect(),
                removed_resources: removed.clone(),
                control_plane,
                ..Default::default()
            });
        } else {
            self.call.send(&discovery::DiscoveryResponse {
                version_info: version,
                type_url: type_url.to_owned(),
                nonce: nonce.clone(),
                resources: resources.values().map(any).collect(),
                control_plane,
                ..Default::default()
            });
        }
        let watched = self.types.entry(type_url.to_owned()).or_default();
        watched.nonce = nonce;
        for name in &removed {
            watched.sent.remove(name);
        }
        watched.sent.extend(resources);
    }

    fn record(&self, type_url: &str, node: Option<String>, what: What) {
        self.world.record(Seen {
            workload: self.workload.clone(),
            stream: self.number,
            type_url: type_url.to_owned(),
            node,
            what,
        });
    }
}
