//! The actions of a limit: each adds an entry to the descriptor, or says that there is none. Called by [`super`].

use std::net::IpAddr;
use std::sync::Arc;

use config::access_log::Format;
use config::matcher::{QueryParameterMatcher, QueryRule, octets};
use config::rate_limit::{self as plain, MetadataSource};
use ipnet::IpNet;
use serde_json::Value as Json;
use smallvec::SmallVec;

use super::descriptor::Descriptor;
use crate::http::stream::Stream;
use crate::policy::cel::Expression;
use crate::policy::headers::{Field, HeaderMatchers};
use crate::telemetry::facts::Known;
use crate::telemetry::format;
use crate::wire::query;

/// An action, compiled.
#[derive(Debug)]
pub(super) enum Action {
    Fixed { key: Arc<str>, value: Arc<str> },
    DestinationCluster,
    Header { field: Field, key: Arc<str>, skip_if_absent: bool },
    Query { name: Arc<str>, key: Arc<str>, skip_if_absent: bool },
    RemoteAddress,
    MaskedRemoteAddress { v4: u8, v6: u8 },
    HeaderMatch { key: Arc<str>, value: Arc<str>, expect: bool, headers: HeaderMatchers },
    QueryMatch { key: Arc<str>, value: Arc<str>, expect: bool, query: Box<[QueryParameterMatcher]> },
    AddressMatch(Box<AddressMatch>),
    Metadata(Box<Metadata>),
    HeaderInput { field: Field, key: Arc<str> },
    Expression { key: Arc<str>, value: Box<Expression>, skip_if_error: bool },
}

#[derive(Debug)]
pub(super) struct AddressMatch {
    key: Arc<str>,
    value: Format,
    default: Option<Arc<str>>,
    ranges: Box<[IpNet]>,
    invert: bool,
}

#[derive(Debug)]
pub(super) struct Metadata {
    key: Arc<str>,
    source: MetadataSource,
    filter: Arc<str>,
    path: Vec<Arc<str>>,
    default: Option<Arc<str>>,
    skip_if_absent: bool,
}

impl Action {
    pub fn compile(config: &plain::Action) -> Action {
        match config.clone() {
            plain::Action::SourceCluster(value) => Action::Fixed { key: Arc::from("source_cluster"), value },
            plain::Action::DestinationCluster => Action::DestinationCluster,
            plain::Action::RequestHeader { name, key, skip_if_absent } => {
                Action::Header { field: Field::compile(&name), key, skip_if_absent }
            }
            plain::Action::QueryParameter { name, key, skip_if_absent } => Action::Query { name, key, skip_if_absent },
            plain::Action::RemoteAddress => Action::RemoteAddress,
            plain::Action::MaskedRemoteAddress { v4, v6 } => Action::MaskedRemoteAddress { v4, v6 },
            plain::Action::GenericKey { key, value } => Action::Fixed { key, value },
            plain::Action::HeaderMatch { key, value, expect, headers } => {
                Action::HeaderMatch { key, value, expect, headers: HeaderMatchers::compile(&headers) }
            }
            plain::Action::QueryMatch { key, value, expect, query } => {
                Action::QueryMatch { key, value, expect, query: query.into() }
            }
            plain::Action::AddressMatch { key, mut value, default, ranges, invert } => {
                format::settle(&mut value);
                Action::AddressMatch(Box::new(AddressMatch { key, value, default, ranges: ranges.into(), invert }))
            }
            plain::Action::Metadata { key, source, filter, path, default, skip_if_absent } => {
                Action::Metadata(Box::new(Metadata { key, source, filter, path, default, skip_if_absent }))
            }
            plain::Action::HeaderInput { name, key } => Action::HeaderInput { field: Field::compile(&name), key },
            plain::Action::Expression { key, value, skip_if_error } => {
                Action::Expression { key, value: Box::new(Expression::compile(&value)), skip_if_error }
            }
        }
    }

    /// Adds its entry. False: there is no descriptor.
    pub fn add(&self, stream: &Stream<'_>, to: &mut Descriptor) -> bool {
        let mut pushed = |key: &str, value: &[u8]| {
            to.push(key.as_bytes(), value);
            true
        };
        match self {
            Action::Fixed { key, value } => pushed(key, value.as_bytes()),
            Action::DestinationCluster => match stream.cluster_name() {
                Some(name) => pushed("destination_cluster", name.as_bytes()),
                None => false,
            },
            Action::Header { field, key, skip_if_absent } => match field.first(&stream.request) {
                Some(value) => pushed(key, value),
                None => *skip_if_absent,
            },
            Action::Query { name, key, skip_if_absent } => {
                match query::decoded(query::of(&stream.request.path), name.as_bytes()) {
                    Some(value) => pushed(key, &value),
                    None => *skip_if_absent,
                }
            }
            Action::RemoteAddress => pushed("remote_address", remote(stream).to_string().as_bytes()),
            Action::MaskedRemoteAddress { v4, v6 } => {
                let address = remote(stream);
                let bits = if address.is_ipv4() { *v4 } else { *v6 };
                let network = IpNet::new(address, bits).map(|network| network.trunc().to_string());
                network.is_ok_and(|network| pushed("masked_remote_address", network.as_bytes()))
            }
            Action::HeaderMatch { key, value, expect, headers } => {
                headers.match_request(&stream.request) == *expect && pushed(key, value.as_bytes())
            }
            Action::QueryMatch { key, value, expect, query } => {
                queries_match(query, &stream.request.path) == *expect && pushed(key, value.as_bytes())
            }
            Action::AddressMatch(one) => one.add(stream, to),
            Action::Metadata(metadata) => metadata.add(stream, to),
            Action::HeaderInput { field, key } => {
                let mut joined = SmallVec::new();
                match field.of_request(&stream.request, &mut joined) {
                    None => false,
                    Some(b"") => true,
                    Some(value) => pushed(key, value),
                }
            }
            Action::Expression { key, value, skip_if_error } => {
                let mut text = Vec::new();
                if value.print(&Known::of(&stream.entry(None, None)), &mut text) {
                    pushed(key, &text)
                } else {
                    *skip_if_error
                }
            }
        }
    }
}

impl AddressMatch {
    fn add(&self, stream: &Stream<'_>, to: &mut Descriptor) -> bool {
        let address = remote(stream);
        if self.ranges.iter().any(|range| range.contains(&address)) == self.invert {
            return false;
        }
        let mut text = Vec::new();
        format::write(&self.value, &stream.entry(None, None), &mut text);
        let value = if text.is_empty() { self.default.as_ref().map(|text| text.as_bytes()) } else { Some(&text[..]) };
        value.is_some_and(|value| {
            to.push(self.key.as_bytes(), value);
            true
        })
    }
}

impl Metadata {
    fn add(&self, stream: &Stream<'_>, to: &mut Descriptor) -> bool {
        let path = || self.path.iter().map(|key| &**key);
        let below = |metadata: &config::metadata::Metadata| {
            let start = metadata.of_filter(&self.filter)?;
            text(path().try_fold(start, |value, key| value.get(key)))
        };
        let found = match self.source {
            MetadataSource::Dynamic => text(stream.info.metadata.at(&self.filter, path())),
            MetadataSource::Route => stream.route.and_then(|chosen| below(&chosen.route.config.metadata)),
            MetadataSource::Cluster => {
                let cluster = stream.cluster();
                cluster.and_then(|cluster| below(&cluster.config().metadata))
            }
            // No endpoint is chosen yet.
            MetadataSource::Locality => None,
        };
        match found.as_deref().or(self.default.as_deref()) {
            Some(value) => {
                to.push(self.key.as_bytes(), value.as_bytes());
                true
            }
            None => self.skip_if_absent,
        }
    }
}

fn text(value: Option<&Json>) -> Option<String> {
    let text = value?.as_str().filter(|text| !text.is_empty())?;
    Some(String::from_utf8_lossy(&octets::of_text(text)).into_owned())
}

fn remote(stream: &Stream<'_>) -> IpAddr {
    stream.info.remote().ip()
}

fn queries_match(wanted: &[QueryParameterMatcher], path: &[u8]) -> bool {
    let query = query::of(path);
    wanted.iter().all(|parameter| {
        let value = query::decoded(query, parameter.name.as_bytes());
        match &parameter.rule {
            QueryRule::Present(wanted) => value.is_some() == *wanted,
            QueryRule::String(matcher) => value.is_some_and(|value| matcher.matches(&value)),
        }
    })
}
