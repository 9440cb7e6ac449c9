//! `Secret` to plain data. Called for SDS resources, static secrets, and the certificates inside TLS contexts.
//! PEM is the proxy's matter; key material never enters a message of this module.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::{DataSource, Secret, SecretKind, TlsCertificate};
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, core::v3 as core, extensions::transport_sockets::tls::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::tls::validation;

/// A `Secret` as the bytes of its Any.
pub fn decode(bytes: &[u8], options: &Options) -> Result<Secret, Rejection> {
    let at = At::root();
    extension::check("envoy.extensions.transport_sockets.tls.v3.Secret", bytes, &at, options)?;
    from_proto(&proto::message(bytes, &at)?, options)
}

/// A `Secret`.
pub fn from_proto(proto: &pb::Secret, _options: &Options) -> Result<Secret, Rejection> {
    use pb::secret::Type;
    let at = At::root();
    let kind = match &proto.r#type {
        None => return Err(at.reject("holds nothing; give tls_certificate or validation_context")),
        Some(Type::TlsCertificate(certificate)) => {
            SecretKind::TlsCertificate(tls_certificate(&at.field("tls_certificate"), certificate)?)
        }
        Some(Type::ValidationContext(context)) => {
            SecretKind::ValidationContext(validation::context(&at.field("validation_context"), context)?)
        }
        Some(Type::SessionTicketKeys(_) | Type::GenericSecret(_)) => SecretKind::Other,
    };
    Ok(Secret { name: Arc::from(proto.name.as_str()), kind })
}

/// `TlsCertificate`.
pub(crate) fn tls_certificate(at: &At<'_>, proto: &pb::TlsCertificate) -> Result<TlsCertificate, Rejection> {
    if proto.pkcs12.is_some() {
        return Err(at.field("pkcs12").reject("is not supported; give certificate_chain and private_key as PEM"));
    }
    if let Some(provider) = &proto.private_key_provider {
        let reason = format!("{:?} is not supported; give private_key", provider.provider_name);
        return Err(at.field("private_key_provider").reject(reason));
    }
    let at_chain = at.field("certificate_chain");
    let at_key = at.field("private_key");
    Ok(TlsCertificate {
        chain: data_source(&at_chain, field_rules::required(&at_chain, &proto.certificate_chain)?)?,
        key: data_source(&at_key, field_rules::required(&at_key, &proto.private_key)?)?,
        password: proto.password.as_ref().map(|password| data_source(&at.field("password"), password)).transpose()?,
    })
}

/// `DataSource`.
pub(crate) fn data_source(at: &At<'_>, proto: &core::DataSource) -> Result<DataSource, Rejection> {
    use core::data_source::Specifier;
    Ok(match &proto.specifier {
        None => return Err(at.reject("is empty; give filename, inline_string, inline_bytes or environment_variable")),
        Some(Specifier::Filename(path)) => {
            DataSource::File(PathBuf::from(&*field_rules::not_empty(&at.field("filename"), path)?))
        }
        Some(Specifier::InlineBytes(bytes)) => DataSource::Inline(Bytes::copy_from_slice(bytes)),
        Some(Specifier::InlineString(text)) => DataSource::Inline(Bytes::copy_from_slice(text.as_bytes())),
        Some(Specifier::EnvironmentVariable(name)) => {
            DataSource::Environment(field_rules::not_empty(&at.field("environment_variable"), name)?)
        }
    })
}
