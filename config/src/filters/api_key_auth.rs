//! `envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth` and what routes set of it. Called by the list of filters. Keys are never
//! printed, nor does a message repeat one.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::extension::Extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::extensions::filters::http::api_key_auth::v3 as pb;
use crate::rejection::{At, Rejection};

/// The filter, and what a route has in place of its parts.
#[derive(Debug, Clone, Default)]
pub struct ApiKeyAuth {
    /// `credentials`; `None` where there are none.
    pub credentials: Option<Credentials>,
    /// `key_sources`, in order.
    pub sources: Vec<Source>,
    /// `forwarding`.
    pub forwarding: Option<Forwarding>,
    /// `allowed_clients` of a route; empty: all.
    pub allowed_clients: Vec<Arc<str>>,
}

/// Clients by their keys.
#[derive(Clone)]
pub struct Credentials(Arc<HashMap<Box<[u8]>, Arc<str>>>);

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Credentials({} keys)", self.0.len())
    }
}

impl Credentials {
    /// Keys with their clients.
    ///
    /// # Errors
    /// The place of a key that was there before.
    pub fn new<'k>(list: impl IntoIterator<Item = (&'k str, Arc<str>)>) -> Result<Credentials, usize> {
        let mut clients = HashMap::new();
        for (place, (key, client)) in list.into_iter().enumerate() {
            if clients.insert(Box::from(key.as_bytes()), client).is_some() {
                return Err(place);
            }
        }
        Ok(Credentials(Arc::new(clients)))
    }

    /// Whose key it is.
    pub fn client(&self, key: &[u8]) -> Option<&Arc<str>> {
        self.0.get(key)
    }
}

/// `KeySource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `header`, lower case.
    Header(Arc<str>),
    /// `query`.
    Query(Arc<str>),
    /// `cookie`.
    Cookie(Arc<str>),
}

/// `Forwarding`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forwarding {
    /// `header`: it tells the application the client.
    pub header: Option<Arc<str>>,
    /// `hide_credentials`.
    pub hide_credentials: bool,
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<ApiKeyAuth, Rejection> {
    let proto: pb::ApiKeyAuth = extension.decode(at, options)?;
    Ok(ApiKeyAuth {
        credentials: credentials(&at.field("credentials"), &proto.credentials)?,
        sources: sources(&at.field("key_sources"), &proto.key_sources)?,
        forwarding: forwarding(&at.field("forwarding"), &proto.forwarding)?,
        allowed_clients: Vec::new(),
    })
}

pub(super) fn scoped(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<ApiKeyAuth, Rejection> {
    let proto: pb::ApiKeyAuthPerRoute = extension.decode(at, options)?;
    Ok(ApiKeyAuth {
        credentials: credentials(&at.field("credentials"), &proto.credentials)?,
        sources: sources(&at.field("key_sources"), &proto.key_sources)?,
        forwarding: forwarding(&at.field("forwarding"), &proto.forwarding)?,
        allowed_clients: proto.allowed_clients.iter().map(|client| client.as_str().into()).collect(),
    })
}

fn credentials(at: &At<'_>, list: &[pb::Credential]) -> Result<Option<Credentials>, Rejection> {
    if list.is_empty() {
        return Ok(None);
    }
    for (index, one) in list.iter().enumerate() {
        let at = at.index(index);
        field_rules::not_empty(&at.field("client"), &one.client)?;
        field_rules::not_empty(&at.field("key"), &one.key)?;
    }
    let keys = Credentials::new(list.iter().map(|one| (one.key.as_str(), Arc::from(one.client.as_str()))));
    let twice =
        |place| at.index(place).field("key").reject("is the key of another client, too; each key must be of one");
    keys.map(Some).map_err(twice)
}

fn sources(at: &At<'_>, list: &[pb::KeySource]) -> Result<Vec<Source>, Rejection> {
    let source = |(index, one): (usize, &pb::KeySource)| {
        let at = at.index(index);
        Ok(match (one.header.as_str(), one.query.as_str(), one.cookie.as_str()) {
            ("", "", "") => return Err(at.reject("is empty; give header, query or cookie")),
            ("", "", cookie) => Source::Cookie(cookie.into()),
            ("", query, _) => Source::Query(query.into()),
            (header, ..) => Source::Header(field_rules::header_name(&at.field("header"), header)?),
        })
    };
    list.iter().enumerate().map(source).collect()
}

fn forwarding(at: &At<'_>, proto: &Option<pb::Forwarding>) -> Result<Option<Forwarding>, Rejection> {
    let Some(proto) = proto else { return Ok(None) };
    let header = Some(proto.header.as_str()).filter(|name| !name.is_empty());
    Ok(Some(Forwarding {
        header: header.map(|name| field_rules::mutable_header_name(&at.field("header"), name)).transpose()?,
        hide_credentials: proto.hide_credentials,
    }))
}
