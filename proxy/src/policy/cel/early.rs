//! Facts of a request before its response, which note whether that was asked for. Called by expressions that are judged again later.

use std::cell::Cell;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use config::cel::{Attribute, MetadataOf};
use config::metadata::Metadata;
use serde_json::Value;

use crate::policy::facts::{Fact, Facts};
use crate::tls::info::TlsInfo;
use crate::wire::headers::Headers;
use crate::wire::message::{RequestHead, ResponseHead};

/// The same facts.
pub(super) struct Noting<'f> {
    facts: &'f dyn Facts,
    asked: Cell<bool>,
}

impl<'f> Noting<'f> {
    pub(super) fn new(facts: &'f dyn Facts) -> Noting<'f> {
        Noting { facts, asked: Cell::new(false) }
    }

    /// Whether the response was asked for.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.get()
    }
}

/// What stands under `response`.
fn is_of_response(attribute: Attribute) -> bool {
    matches!(
        attribute,
        Attribute::ResponseCode
            | Attribute::ResponseCodeDetails
            | Attribute::ResponseFlags
            | Attribute::ResponseGrpcStatus
            | Attribute::ResponseSize
            | Attribute::ResponseTotalSize
            | Attribute::ResponseHeadersBytes
            | Attribute::BackendLatency
    )
}

impl Facts for Noting<'_> {
    fn response(&self) -> Option<&ResponseHead> {
        self.asked.set(true);
        self.facts.response()
    }
    fn response_trailers(&self) -> Option<&Headers> {
        self.asked.set(true);
        self.facts.response_trailers()
    }
    fn attribute(&self, attribute: Attribute) -> Fact<'_> {
        if is_of_response(attribute) {
            self.asked.set(true);
        }
        self.facts.attribute(attribute)
    }
    fn request(&self) -> Option<&RequestHead> {
        self.facts.request()
    }
    fn request_trailers(&self) -> Option<&Headers> {
        self.facts.request_trailers()
    }
    fn is_local_reply(&self) -> bool {
        self.facts.is_local_reply()
    }
    fn local(&self) -> SocketAddr {
        self.facts.local()
    }
    fn remote(&self) -> SocketAddr {
        self.facts.remote()
    }
    fn connection_remote(&self) -> SocketAddr {
        self.facts.connection_remote()
    }
    fn direct_remote(&self) -> SocketAddr {
        self.facts.direct_remote()
    }
    fn server_name(&self) -> Option<&[u8]> {
        self.facts.server_name()
    }
    fn tls(&self) -> Option<&TlsInfo> {
        self.facts.tls()
    }
    fn metadata(&self, filter: &str, path: &[Arc<str>], see: &mut dyn FnMut(Option<&Value>)) {
        self.facts.metadata(filter, path, see);
    }
    fn route_metadata(&self) -> Option<&Metadata> {
        self.facts.route_metadata()
    }
    fn other_metadata(&self, of: MetadataOf) -> Option<&Metadata> {
        self.facts.other_metadata(of)
    }
    fn listener_metadata(&self) -> Option<&Metadata> {
        self.facts.listener_metadata()
    }
    fn filter_state(&self, key: &str) -> Option<Bytes> {
        self.facts.filter_state(key)
    }
    fn filter_state_address(&self, key: &str) -> Option<SocketAddr> {
        self.facts.filter_state_address(key)
    }
    fn filter_state_object(&self, key: &str) -> Option<Value> {
        self.facts.filter_state_object(key)
    }
}
