//! `envoy.extensions.filters.http.basic_auth.v3.BasicAuth` and what routes set of it. Called by the list of filters. Names and hashes are
//! never printed.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;

use crate::extension::Extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{core::v3 as core, extensions::filters::http::basic_auth::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::secret::{DataSource, decode::data_source};

/// The filter.
#[derive(Debug, Clone)]
pub struct BasicAuth {
    /// `users`.
    pub users: Users,
    /// `forward_username_header`: lower case.
    pub forward_username_header: Option<Arc<str>>,
    /// `authentication_header`, or `authorization`.
    pub authentication_header: Arc<str>,
    /// `allow_missing`.
    pub allow_missing: bool,
    /// `emit_dynamic_metadata`.
    pub emit_dynamic_metadata: bool,
}

/// `BasicAuthPerRoute`.
#[derive(Debug, Clone)]
pub struct BasicAuthPerRoute {
    /// `users`, in place of the filter's.
    pub users: Users,
}

/// Who may come, by which password.
#[derive(Debug, Clone)]
pub enum Users {
    /// They stood in the configuration.
    Given(Passwords),
    /// They are read from here, once.
    From(DataSource),
}

/// SHA-1 of the password of each user.
#[derive(Clone, Default)]
pub struct Passwords(Arc<HashMap<Box<[u8]>, [u8; 20]>>);

impl fmt::Debug for Passwords {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Passwords({} users)", self.0.len())
    }
}

impl Passwords {
    /// Of a user.
    pub fn of(&self, user: &[u8]) -> Option<&[u8; 20]> {
        self.0.get(user)
    }

    /// From a file of `htpasswd`.
    ///
    /// # Errors
    /// What is wrong with which line; what stands in it is not told.
    pub fn parse(text: &[u8]) -> Result<Passwords, String> {
        let mut users = HashMap::new();
        for (number, line) in (1..).zip(text.split(|octet| *octet == b'\n')) {
            if line.is_empty() || line[0] == b'#' {
                continue;
            }
            let wrong = |why: &str| format!("line {number} {why}");
            let colon =
                memchr::memchr(b':', line).ok_or_else(|| wrong("is not as htpasswd writes it; give user:hash"))?;
            let (user, hash) = (&line[..colon], &line[colon + 1..]);
            if user.is_empty() || hash.is_empty() {
                return Err(wrong("has no user, or no hash"));
            }
            let hash = hash.strip_prefix(b"{SHA}").ok_or_else(|| wrong("has another hash; use SHA-1, htpasswd -s"))?;
            let hash = base64::engine::general_purpose::STANDARD.decode(hash);
            let hash = hash.map_err(|_| wrong("has a hash that is not as base64 writes one"))?;
            let hash = hash.try_into().map_err(|_| wrong("has a hash of another length"))?;
            if users.insert(Box::from(user), hash).is_some() {
                return Err(wrong("has a user who was there before"));
            }
        }
        Ok(Passwords(Arc::new(users)))
    }
}

pub(super) fn decode(at: &At<'_>, extension: &Extension<'_>, options: &Options) -> Result<BasicAuth, Rejection> {
    let proto: pb::BasicAuth = extension.decode(at, options)?;
    let header = |field: &str, name: &str| {
        (!name.is_empty()).then(|| field_rules::header_name(&at.field(field), name)).transpose()
    };
    if proto.allow_missing && !proto.emit_dynamic_metadata {
        return Err(at.field("allow_missing").reject(
            "needs emit_dynamic_metadata, so that a filter behind can tell who has come; set it, or leave this out",
        ));
    }
    Ok(BasicAuth {
        users: users(&at.field("users"), &proto.users)?,
        forward_username_header: header("forward_username_header", &proto.forward_username_header)?,
        authentication_header: header("authentication_header", &proto.authentication_header)?
            .unwrap_or_else(|| "authorization".into()),
        allow_missing: proto.allow_missing,
        emit_dynamic_metadata: proto.emit_dynamic_metadata,
    })
}

pub(super) fn scoped(
    at: &At<'_>,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<BasicAuthPerRoute, Rejection> {
    let proto: pb::BasicAuthPerRoute = extension.decode(at, options)?;
    Ok(BasicAuthPerRoute { users: users(&at.field("users"), &proto.users)? })
}

fn users(at: &At<'_>, proto: &Option<core::DataSource>) -> Result<Users, Rejection> {
    Ok(match data_source(at, field_rules::required(at, proto)?)? {
        DataSource::Inline(text) if text.is_empty() => {
            return Err(at.reject("DataSource cannot be empty; give users, or take the filter out"));
        }
        DataSource::Inline(text) => Users::Given(Passwords::parse(&text).map_err(|why| at.reject(why))?),
        from => Users::From(from),
    })
}
