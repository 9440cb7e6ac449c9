//! Protobuf messages of the two ADS protocols, brought to one shape and back.
//!
//! Called by the session and the task. Must never keep state.

use std::collections::HashMap;

use bytes::Bytes;
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3 as discovery;
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::google::rpc::Status;
use prost::Message;

use crate::type_url::WRAPPED_RESOURCE;
use crate::update::Resource;

/// A request, before it is decided whether it carries the node.
#[derive(Debug)]
pub(crate) enum Request {
    Delta(Box<discovery::DeltaDiscoveryRequest>),
    Sotw(Box<discovery::DiscoveryRequest>),
}

impl Request {
    pub(crate) fn delta(type_url: &str) -> discovery::DeltaDiscoveryRequest {
        discovery::DeltaDiscoveryRequest { type_url: type_url.to_owned(), ..Default::default() }
    }

    pub(crate) fn sotw(type_url: &str) -> discovery::DiscoveryRequest {
        discovery::DiscoveryRequest { type_url: type_url.to_owned(), ..Default::default() }
    }

    /// The bytes to send.
    pub(crate) fn encode(self, node: Option<&Node>) -> Bytes {
        match self {
            Self::Delta(mut request) => {
                request.node = node.cloned();
                request.encode_to_vec().into()
            }
            Self::Sotw(mut request) => {
                request.node = node.cloned();
                request.encode_to_vec().into()
            }
        }
    }
}

/// A response of either protocol.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) type_url: String,
    pub(crate) version: String,
    pub(crate) nonce: String,
    pub(crate) control_plane: Option<String>,
    pub(crate) resources: Vec<Received>,
    /// Always empty for state of the world.
    pub(crate) removed: Vec<String>,
}

/// One resource of a response.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) any_type_url: String,
    pub(crate) body: Bytes,
    /// The name that the resource itself has; `None` if the bytes are no protobuf.
    pub(crate) own_name: Option<String>,
}

impl From<Received> for Resource {
    fn from(received: Received) -> Resource {
        Resource { name: received.name, version: received.version, body: received.body }
    }
}

impl Response {
    pub(crate) fn decode(message: Bytes, delta: bool) -> Result<Self, prost::DecodeError> {
        if delta { Self::decode_delta(message) } else { Self::decode_sotw(message) }
    }

    fn decode_delta(message: Bytes) -> Result<Self, prost::DecodeError> {
        let response = discovery::DeltaDiscoveryResponse::decode(message)?;
        let resources = response
            .resources
            .into_iter()
            // Without a body it is a heartbeat: nothing changed.
            .filter_map(|resource| Some(Received::new(resource.name, resource.version, resource.resource?)));
        Ok(Self {
            resources: resources.collect(),
            type_url: response.type_url,
            version: response.system_version_info,
            nonce: response.nonce,
            control_plane: response.control_plane.map(|control_plane| control_plane.identifier),
            removed: response.removed_resources,
        })
    }

    fn decode_sotw(message: Bytes) -> Result<Self, prost::DecodeError> {
        let response = discovery::DiscoveryResponse::decode(message)?;
        let mut resources = Vec::with_capacity(response.resources.len());
        for any in response.resources {
            resources.extend(unwrapped(any, &response.version_info));
        }
        Ok(Self {
            resources,
            type_url: response.type_url,
            version: response.version_info,
            nonce: response.nonce,
            control_plane: response.control_plane.map(|control_plane| control_plane.identifier),
            removed: Vec::new(),
        })
    }
}

impl Received {
    fn new(name: String, version: String, any: Any) -> Self {
        let own_name = name_of(&any.value);
        Self { name, version, any_type_url: any.type_url, body: any.value.into(), own_name }
    }

    /// Under its own name; the empty one if it has none, which is for the proxy to refuse.
    fn unnamed(version: String, any: Any) -> Self {
        let received = Self::new(String::new(), version, any);
        Self { name: received.own_name.clone().unwrap_or_default(), ..received }
    }
}

/// A state-of-the-world resource, which may be wrapped to carry its name; a wrapped heartbeat has no body.
fn unwrapped(any: Any, version: &str) -> Option<Received> {
    if any.type_url != WRAPPED_RESOURCE {
        return Some(Received::unnamed(version.to_owned(), any));
    }
    let Ok(wrapped) = discovery::Resource::decode(any.value.as_slice()) else {
        // Whatever it is, the others of the response are good.
        return Some(Received { own_name: None, ..Received::new(String::new(), version.to_owned(), any) });
    };
    let inner = wrapped.resource?;
    Some(match wrapped.name.is_empty() {
        true => Received::unnamed(wrapped.version, inner),
        false => Received::new(wrapped.name, wrapped.version, inner),
    })
}

/// The name of a resource. Every xDS type that can be asked for by name keeps it in field 1.
fn name_of(body: &[u8]) -> Option<String> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Named {
        #[prost(string, tag = "1")]
        name: String,
    }
    Named::decode(body).map(|named| named.name).ok()
}

/// The `error_detail` of a NACK, with the code that Envoy uses.
pub(crate) fn nack(message: String) -> Status {
    const INTERNAL: i32 = 13;
    Status { code: INTERNAL, message, details: Vec::new() }
}

/// Names with the versions held, as a delta request takes them.
pub(crate) type Versions = HashMap<String, String>;
