//! `envoy.config.route.v3.RateLimit`: which descriptors a request makes. Routes, virtual hosts and the filters that limit have
//! them; [`decode`] reads them.

use std::sync::Arc;

use ipnet::IpNet;

use crate::access_log::Format;
use crate::cel::Expr;
use crate::matcher::{HeaderMatcher, QueryParameterMatcher};
use crate::proto::types::v3 as types;

pub(crate) mod decode;
mod extension;

pub(crate) use decode::{of_filter, of_route};

/// One limit: the descriptor that its actions make, if all of them have something to say.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// `stage`: a filter looks at the limits of one.
    pub stage: u32,
    /// It has a `disable_key`, and is for filters that ask a service.
    pub disabled: bool,
    /// In order, an entry each.
    pub actions: Vec<Action>,
    /// `hits_addend`; `None` is one.
    pub hits: Option<Hits>,
    /// `apply_on_stream_done`: counted at the end, and never refused.
    pub on_stream_done: bool,
    /// `x_ratelimit_option`; unset is as the filter says.
    pub x_ratelimit_headers: Option<bool>,
    /// `limit`: what a service is told in place of its own.
    pub limit: Option<Override>,
}

/// `limit`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Override {
    /// `rate_limit`.
    Fixed {
        /// `requests_per_unit`.
        requests: u32,
        /// `unit`.
        unit: Unit,
    },
    /// `dynamic_metadata`: an object with `requests_per_unit` and the name of a `unit`; where there is none the service's own counts.
    Metadata {
        /// `metadata_key.key`: the filter.
        filter: Arc<str>,
        /// `metadata_key.path`.
        path: Vec<Arc<str>>,
    },
}

/// `RateLimitUnit`, as a service is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit(pub(crate) i32);

impl Unit {
    /// By its name in the protobuf.
    pub fn named(name: &str) -> Option<Unit> {
        types::RateLimitUnit::from_str_name(name).map(|unit| Unit(unit as i32))
    }
}

/// `hits_addend`.
#[derive(Debug, Clone)]
pub struct Hits {
    /// How many.
    pub count: Count,
    /// `is_negative_hits`: they are given back.
    pub negative: bool,
}

/// How many hits a request is.
#[derive(Debug, Clone)]
pub enum Count {
    /// `number`.
    Number(u64),
    /// `format`: a number by an operator; where it is none there is no descriptor.
    Format(Format),
}

impl Hits {
    /// More are none.
    pub const MOST: u64 = 1_000_000_000;
}

/// An action.
#[derive(Debug, Clone)]
pub enum Action {
    /// `source_cluster`: `--service-cluster` of this proxy.
    SourceCluster(Arc<str>),
    /// `destination_cluster`.
    DestinationCluster,
    /// `request_headers`.
    RequestHeader {
        /// Header, lower case.
        name: Arc<str>,
        /// Key of the entry.
        key: Arc<str>,
        /// Where it is missing: no entry, and the rest counts; else there is no descriptor.
        skip_if_absent: bool,
    },
    /// `query_parameters`.
    QueryParameter {
        /// Parameter.
        name: Arc<str>,
        /// Key of the entry.
        key: Arc<str>,
        /// As in [`Action::RequestHeader`].
        skip_if_absent: bool,
    },
    /// `remote_address`.
    RemoteAddress,
    /// `masked_remote_address`.
    MaskedRemoteAddress {
        /// Bits of an IPv4 address; default 32.
        v4: u8,
        /// Of an IPv6 address; default 128.
        v6: u8,
    },
    /// `generic_key`.
    GenericKey {
        /// Default `generic_key`.
        key: Arc<str>,
        /// What it is; `default_value` is for one that is empty, and none is.
        value: Arc<str>,
    },
    /// `header_value_match`.
    HeaderMatch {
        /// Default `header_match`.
        key: Arc<str>,
        /// What it is; `default_value` is for one that is empty, and none is.
        value: Arc<str>,
        /// Whether all must match, or not all.
        expect: bool,
        /// All of.
        headers: Vec<HeaderMatcher>,
    },
    /// `query_parameter_value_match`.
    QueryMatch {
        /// Default `query_match`.
        key: Arc<str>,
        /// What it is; `default_value` is for one that is empty, and none is.
        value: Arc<str>,
        /// Whether all must match, or not all.
        expect: bool,
        /// All of.
        query: Vec<QueryParameterMatcher>,
    },
    /// `remote_address_match`.
    AddressMatch {
        /// Default `remote_address_match`.
        key: Arc<str>,
        /// What it is.
        value: Format,
        /// `default_value`, where that is empty; without it there is no descriptor then.
        default: Option<Arc<str>>,
        /// Any of.
        ranges: Vec<IpNet>,
        /// `invert_match`.
        invert: bool,
    },
    /// `metadata`.
    Metadata {
        /// Key of the entry.
        key: Arc<str>,
        /// Whose.
        source: MetadataSource,
        /// `metadata_key.key`: the filter.
        filter: Arc<str>,
        /// `metadata_key.path`.
        path: Vec<Arc<str>>,
        /// `default_value`, where there is none.
        default: Option<Arc<str>>,
        /// As in [`Action::RequestHeader`].
        skip_if_absent: bool,
    },
    /// `extension`: `HttpRequestHeaderMatchInput`. Where the header is missing there is no descriptor, where it is empty no entry.
    HeaderInput {
        /// Header, lower case; several lines are one value.
        name: Arc<str>,
        /// Key of the entry: what the extension is called.
        key: Arc<str>,
    },
    /// `extension`: `envoy.rate_limit_descriptors.expr`.
    Expression {
        /// Key of the entry.
        key: Arc<str>,
        /// Its value, as a text.
        value: Box<Expr>,
        /// Where it has none: no entry, and the rest counts; else there is no descriptor.
        skip_if_error: bool,
    },
}

/// `MetaData.source`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataSource {
    /// The request's.
    Dynamic,
    /// The route's.
    Route,
    /// The cluster's.
    Cluster,
    /// The locality's of the endpoint's.
    Locality,
}
