//! What is known of a stream, as match trees and policies ask for it. Made by filters for the time of one question.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use config::cel::{Attribute, MetadataOf};
use config::metadata::Metadata;
use serde_json::Value;

use crate::policy::facts::{Fact, Facts};
use crate::telemetry::access_log::LogEntry;
use crate::telemetry::stream_info::{ConnectionInfo, StreamInfo};
use crate::tls::info::{PeerName, TlsInfo};
use crate::wire::headers::Headers;
use crate::wire::message::{RequestHead, ResponseHead};

mod attributes;

/// A request at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The stream.
    pub info: &'a StreamInfo,
    /// The request's head, once it may be looked at.
    pub request: Option<&'a RequestHead>,
    /// Its trailers.
    pub request_trailers: Option<&'a Headers>,
    /// The response's head.
    pub response: Option<&'a ResponseHead>,
    /// Its trailers.
    pub response_trailers: Option<&'a Headers>,
    /// The name of the route, if there is one.
    pub route_name: Option<&'a str>,
    /// Its metadata.
    pub route: Option<&'a Metadata>,
    /// And of its virtual host, where that is kept.
    pub virtual_host: Option<&'a Metadata>,
}

impl<'a> Known<'a> {
    /// What a line is written from.
    pub fn of(entry: &LogEntry<'a>) -> Known<'a> {
        Known {
            info: entry.info,
            request: entry.request,
            request_trailers: None,
            response: entry.response,
            response_trailers: entry.trailers,
            route_name: entry.more.route_name,
            route: entry.more.route,
            virtual_host: entry.more.virtual_host,
        }
    }
}

impl Facts for Known<'_> {
    fn request(&self) -> Option<&RequestHead> {
        self.request
    }

    fn request_trailers(&self) -> Option<&Headers> {
        self.request_trailers
    }

    fn response(&self) -> Option<&ResponseHead> {
        self.response
    }

    fn response_trailers(&self) -> Option<&Headers> {
        self.response_trailers
    }

    fn local(&self) -> SocketAddr {
        self.info.connection.local
    }

    fn remote(&self) -> SocketAddr {
        self.info.remote()
    }

    fn is_local_reply(&self) -> bool {
        let details = self.info.response_code_details.as_deref();
        details.is_some_and(|details| !matches!(details, "via_upstream" | "websocket_handshake_unsuccessful"))
    }

    fn connection_remote(&self) -> SocketAddr {
        self.info.connection.remote
    }

    fn direct_remote(&self) -> SocketAddr {
        self.info.connection.direct_remote
    }

    fn server_name(&self) -> Option<&[u8]> {
        self.info.connection.server_name()
    }

    fn tls(&self) -> Option<&TlsInfo> {
        self.info.connection.tls.as_deref()
    }

    fn metadata(&self, filter: &str, path: &[Arc<str>], see: &mut dyn FnMut(Option<&Value>)) {
        see(self.info.metadata.at(filter, path.iter().map(|key| &**key)));
    }

    fn route_metadata(&self) -> Option<&Metadata> {
        self.route
    }

    fn other_metadata(&self, of: MetadataOf) -> Option<&Metadata> {
        match of {
            MetadataOf::VirtualHost => self.virtual_host,
            MetadataOf::Cluster => self.info.upstream_labels[0].as_ref().map(|cluster| &**cluster.metadata()),
            MetadataOf::Endpoint => self.info.upstream_labels[1].as_ref().map(|host| &**host.metadata()),
            MetadataOf::Stream | MetadataOf::Route | MetadataOf::Listener => None,
        }
    }

    fn filter_state(&self, key: &str) -> Option<Bytes> {
        let own = self.info.filter_state.get(key).map(|object| object.value.clone());
        own.or_else(|| Facts::filter_state(&*self.info.connection, key))
    }

    fn filter_state_address(&self, key: &str) -> Option<SocketAddr> {
        match self.info.filter_state.get(key) {
            Some(object) => object.address(),
            None => self.info.connection.filter_state_address(key),
        }
    }

    fn filter_state_object(&self, key: &str) -> Option<Value> {
        match self.info.filter_state.get(key) {
            Some(object) => object.structure().cloned(),
            None => self.info.connection.filter_state_object(key),
        }
    }

    fn listener_metadata(&self) -> Option<&Metadata> {
        self.info.connection.labels[0].as_deref()
    }

    fn attribute(&self, attribute: Attribute) -> Fact<'_> {
        attributes::of_request(self, attribute)
    }
}

/// A connection that carries no requests, or none yet.
impl Facts for ConnectionInfo {
    fn request(&self) -> Option<&RequestHead> {
        None
    }

    fn request_trailers(&self) -> Option<&Headers> {
        None
    }

    fn response(&self) -> Option<&ResponseHead> {
        None
    }

    fn response_trailers(&self) -> Option<&Headers> {
        None
    }

    fn local(&self) -> SocketAddr {
        self.local
    }

    fn remote(&self) -> SocketAddr {
        self.remote
    }

    fn connection_remote(&self) -> SocketAddr {
        self.remote
    }

    fn direct_remote(&self) -> SocketAddr {
        self.direct_remote
    }

    fn server_name(&self) -> Option<&[u8]> {
        // As in Envoy, what the TLS inspector has seen: where none is, nobody knows it.
        self.requested_server_name.as_ref().map(PeerName::as_bytes)
    }

    fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    fn metadata(&self, filter: &str, path: &[Arc<str>], see: &mut dyn FnMut(Option<&Value>)) {
        see(self.metadata.borrow().at(filter, path.iter().map(|key| &**key)));
    }

    fn route_metadata(&self) -> Option<&Metadata> {
        None
    }

    fn filter_state(&self, key: &str) -> Option<Bytes> {
        self.filter_state.borrow().get(key).map(|object| object.value.clone())
    }

    fn filter_state_address(&self, key: &str) -> Option<SocketAddr> {
        self.filter_state.borrow().get(key)?.address()
    }

    fn filter_state_object(&self, key: &str) -> Option<Value> {
        self.filter_state.borrow().get(key)?.structure().cloned()
    }

    fn listener_metadata(&self) -> Option<&Metadata> {
        self.labels[0].as_deref()
    }

    fn attribute(&self, attribute: Attribute) -> Fact<'_> {
        attributes::of_connection(self, attribute)
    }
}
