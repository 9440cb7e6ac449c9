//! What judgements may look at: one request or one connection, whoever holds it. Implemented by `telemetry`; asked by match trees and
//! policies, which know neither where a fact comes from nor whether there is a request at all.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use config::cel::{Attribute, MetadataOf};
use config::metadata::Metadata;
use serde_json::Value;

use crate::tls::info::TlsInfo;
use crate::wire::headers::Headers;
use crate::wire::message::{RequestHead, ResponseHead};

/// What is known of a request or a connection at this moment.
pub trait Facts {
    /// The request's head; `None` before it, and on connections.
    fn request(&self) -> Option<&RequestHead>;

    /// The request's trailers; `None` before they came.
    fn request_trailers(&self) -> Option<&Headers>;

    /// The response's head; `None` before it.
    fn response(&self) -> Option<&ResponseHead>;

    /// The response is one of ours. A connection has none.
    fn is_local_reply(&self) -> bool {
        false
    }

    /// The response's trailers; `None` before they came.
    fn response_trailers(&self) -> Option<&Headers>;

    /// Where the client connected to.
    fn local(&self) -> SocketAddr;

    /// The client, as headers and PROXY protocol say.
    fn remote(&self) -> SocketAddr;

    /// The client, as PROXY protocol says: no header of a request is believed.
    fn connection_remote(&self) -> SocketAddr;

    /// The peer that is connected, whatever it says.
    fn direct_remote(&self) -> SocketAddr;

    /// The server name that the client asked for.
    fn server_name(&self) -> Option<&[u8]>;

    /// The handshake; `None` on plaintext.
    fn tls(&self) -> Option<&TlsInfo>;

    /// Shows what dynamic metadata has under a filter, at the end of a path.
    fn metadata(&self, filter: &str, path: &[Arc<str>], see: &mut dyn FnMut(Option<&Value>));

    /// The metadata of the route; `None` where there is no route.
    fn route_metadata(&self) -> Option<&Metadata>;

    /// The metadata of the route's virtual host, of the cluster, of the endpoint; `None` where nobody has kept them.
    fn other_metadata(&self, _of: MetadataOf) -> Option<&Metadata> {
        None
    }

    /// The metadata of the listener.
    fn listener_metadata(&self) -> Option<&Metadata>;

    /// A filter state object, as it is printed.
    fn filter_state(&self, key: &str) -> Option<Bytes>;

    /// One that is an address: no text is, whatever it says.
    fn filter_state_address(&self, _key: &str) -> Option<SocketAddr> {
        None
    }

    /// What stands in one that is more than a text.
    fn filter_state_object(&self, _key: &str) -> Option<Value> {
        None
    }

    /// What expressions ask for. Most are borrowed; what must be written first is, and only then.
    fn attribute(&self, attribute: Attribute) -> Fact<'_>;
}

/// An attribute's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact<'a> {
    /// It is not there, or not yet.
    Absent,
    /// `bool`.
    Bool(bool),
    /// `int`.
    Int(i64),
    /// `uint`.
    Uint(u64),
    /// `string`: octets, for headers are no Unicode.
    Text(Cow<'a, [u8]>),
    /// `google.protobuf.Duration`.
    Duration(Duration),
    /// `google.protobuf.Timestamp`.
    Time(SystemTime),
}
