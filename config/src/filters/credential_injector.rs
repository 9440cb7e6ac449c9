//! `envoy.extensions.filters.http.credential_injector.v3.CredentialInjector`. Called by the list of filters. The credential itself is a
//! secret, and no part of this.

use std::sync::Arc;

use crate::extension::{self, Extension};
use crate::field_rules;
use crate::options::Options;
use crate::proto::extensions::filters::http::credential_injector::v3 as pb;
use crate::proto::extensions::http::injected_credentials::generic::v3::Generic;
use crate::registry::{self, Kind};
use crate::rejection::{At, Rejection};
use crate::tls::SdsName;
use crate::tls::decode::sds_name;

/// The filter.
#[derive(Debug, Clone)]
pub struct CredentialInjector {
    /// `overwrite`: in place of what the client has sent.
    pub overwrites: bool,
    /// `allow_request_without_credential`.
    pub may_lack: bool,
    /// `Generic.credential`.
    pub secret: SdsName,
    /// `Generic.header`, lower case.
    pub header: Arc<str>,
    /// `Generic.header_value_prefix`.
    pub prefix: Arc<str>,
}

pub(super) fn decode(
    at: &At<'_>,
    extension: &Extension<'_>,
    options: &Options,
) -> Result<CredentialInjector, Rejection> {
    let proto: pb::CredentialInjector = extension.decode(at, options)?;
    let at = at.field("credential");
    let credential = field_rules::required(&at, &proto.credential)?;
    let at = at.field("typed_config");
    let inner = extension::open_required(&at, &credential.typed_config)?;
    if inner.type_name != registry::GENERIC_CREDENTIAL {
        return Err(match registry::find(Kind::Credential, &inner.type_name) {
            Some(entry) => registry::refused(&at, &credential.name, entry),
            None => registry::not_registered(&at, &credential.name, &inner.type_name),
        });
    }
    let generic: Generic = inner.decode(&at, options)?;
    let at_secret = at.field("credential");
    let secret = sds_name(&at_secret, field_rules::required(&at_secret, &generic.credential)?, options)?;
    let header = match generic.header.as_str() {
        "" => Arc::from("authorization"),
        name => field_rules::mutable_header_name(&at.field("header"), name)?,
    };
    field_rules::header_value(&at.field("header_value_prefix"), &generic.header_value_prefix)?;
    Ok(CredentialInjector {
        overwrites: proto.overwrite,
        may_lack: proto.allow_request_without_credential,
        secret,
        header,
        prefix: generic.header_value_prefix.into(),
    })
}
