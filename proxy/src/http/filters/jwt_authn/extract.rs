//! Where tokens stand in a request, and how one is taken out of it. A provider has its own places; requirements that name none look into
//! those of all, and each place knows whose tokens may stand there.

use std::sync::Arc;

use bytes::Bytes;
use config::filters::jwt_authn::Provider as Config;
use smallvec::SmallVec;

use crate::http::cookie;
use crate::wire::headers::Name;
use crate::wire::message::RequestHead;
use crate::wire::query::{self, Parameters};

/// The places of a requirement, in the order in which Envoy collects from them.
#[derive(Debug)]
pub(super) struct Places(Box<[Place]>);

#[derive(Debug)]
struct Place {
    kind: Kind,
    /// `None`: any.
    issuers: Option<Box<[Arc<str>]>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Header(Name, Arc<str>),
    Param(Arc<str>),
    Cookie(Arc<str>),
}

/// A token that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// The token: a part of the request's memory, unless it was written with escapes.
    pub token: Bytes,
    place: u16,
}

/// The tokens of a request: seldom more than one.
pub(super) type Tokens = SmallVec<[Found; 2]>;

impl Places {
    /// Of these providers.
    pub fn compile<'c>(providers: impl IntoIterator<Item = &'c Config>) -> Places {
        let mut places: Vec<(String, Place)> = Vec::new();
        for provider in providers {
            let locations = &provider.locations;
            let headers = locations.headers.iter().map(|header| {
                let kind = Kind::Header(Name::new(&header.name), header.prefix.clone());
                (format!("0{}{}", header.name, header.prefix), kind)
            });
            let params = locations.params.iter().map(|name| (format!("1{name}"), Kind::Param(name.clone())));
            let cookies = locations.cookies.iter().map(|name| (format!("2{name}"), Kind::Cookie(name.clone())));
            for (key, kind) in headers.chain(params).chain(cookies) {
                match places.iter_mut().find(|(_, place)| place.kind == kind) {
                    Some((_, place)) => place.issuers = both(place.issuers.take(), provider.issuer.as_ref()),
                    None => {
                        let issuers = provider.issuer.as_ref().map(|issuer| Box::from([issuer.clone()]));
                        places.push((key, Place { kind, issuers }));
                    }
                }
            }
        }
        places.sort_by(|(one, _), (other, _)| one.cmp(other));
        Places(places.into_iter().map(|(_, place)| place).collect())
    }

    /// All tokens.
    pub fn find(&self, request: &RequestHead) -> Tokens {
        let mut tokens = Tokens::new();
        for (place, at) in self.0.iter().zip(0..) {
            let mut add = |token| tokens.push(Found { token, place: at });
            match &place.kind {
                Kind::Header(name, prefix) => {
                    request.headers.get_all(name).filter_map(|value| after(value, prefix.as_bytes())).for_each(add);
                }
                Kind::Param(name) => match query::decoded(query::of(&request.path), name.as_bytes()) {
                    Some(std::borrow::Cow::Borrowed(value)) => add(request.path.slice_ref(value)),
                    Some(std::borrow::Cow::Owned(value)) => add(Bytes::from(value)),
                    None => {}
                },
                Kind::Cookie(name) => {
                    if let Some(value) = cookie::value(&request.headers, name.as_bytes()) {
                        add(Bytes::copy_from_slice(value));
                    }
                }
            }
        }
        tokens
    }

    /// Whether a token of this issuer may stand where it was found.
    pub fn may_hold(&self, found: &Found, issuer: &str) -> bool {
        let place = self.0.get(usize::from(found.place));
        place.is_some_and(|place| {
            place.issuers.as_ref().is_none_or(|issuers| issuers.iter().any(|known| **known == *issuer))
        })
    }

    /// Takes a token out of a request. As in Envoy cookies stay, and a query that was changed is written anew.
    pub fn remove(&self, found: &Found, request: &mut RequestHead) {
        match self.0.get(usize::from(found.place)).map(|place| &place.kind) {
            Some(Kind::Header(name, _)) => drop(request.headers.remove(name)),
            Some(Kind::Param(name)) => {
                let (path, query) = query::split(&request.path);
                let mut parameters = Parameters::decoded(query);
                parameters.remove(name.as_bytes());
                request.path = Bytes::from(parameters.write(path));
            }
            Some(Kind::Cookie(_)) | None => {}
        }
    }
}

fn both(issuers: Option<Box<[Arc<str>]>>, issuer: Option<&Arc<str>>) -> Option<Box<[Arc<str>]>> {
    let mut all = issuers?.into_vec();
    all.push(issuer?.clone());
    Some(all.into())
}

/// What follows a prefix, from the first character on that a token may have: `None` if the prefix is nowhere. Where there is no such
/// character it is the whole value.
fn after(value: &Bytes, prefix: &[u8]) -> Option<Bytes> {
    if prefix.is_empty() {
        return Some(value.clone());
    }
    let end = memchr::memmem::find(value, prefix)? + prefix.len();
    let is_of_token = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.".contains(octet);
    let start = value[end..].iter().position(is_of_token).map_or(0, |at| end + at);
    Some(value.slice(start..))
}
