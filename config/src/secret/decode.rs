//! `Secret` to plain data. Called for SDS resources, static secrets, and the certificates inside TLS contexts.
//! PEM is the proxy's matter; key material never enters a message of this module.

use std::path::PathBuf;
use std::sync::Arc;

use super::{
    DataSource, FileSource, GenericSecret, Secret, SecretKind, TicketKeys, TlsCertificate, WatchedDirectory, wiped,
};
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
    let mut proto = proto::message(bytes, &at)?;
    let secret = from_proto(&proto, options);
    super::wiped::wipe_message(&mut proto);
    secret
}

/// A `Secret`.
pub fn from_proto(proto: &pb::Secret, options: &Options) -> Result<Secret, Rejection> {
    use pb::secret::Type;
    let at = At::root();
    let kind = match &proto.r#type {
        None => return Err(at.reject("holds nothing; give tls_certificate or validation_context")),
        Some(Type::TlsCertificate(certificate)) => {
            SecretKind::TlsCertificate(tls_certificate(&at.field("tls_certificate"), certificate)?)
        }
        Some(Type::ValidationContext(context)) => {
            SecretKind::ValidationContext(validation::context(&at.field("validation_context"), context, options)?)
        }
        Some(Type::SessionTicketKeys(keys)) => {
            SecretKind::TicketKeys(ticket_keys(&at.field("session_ticket_keys"), keys)?)
        }
        Some(Type::GenericSecret(generic)) => {
            SecretKind::Generic(generic_secret(&at.field("generic_secret"), generic)?)
        }
    };
    Ok(Secret { name: Arc::from(proto.name.as_str()), kind })
}

/// `TlsCertificate`.
pub(crate) fn tls_certificate(at: &At<'_>, proto: &pb::TlsCertificate) -> Result<TlsCertificate, Rejection> {
    if proto.pkcs12.is_some() {
        return Err(at.field("pkcs12").only_envoys("is not supported; give certificate_chain and private_key as PEM"));
    }
    if let Some(provider) = &proto.private_key_provider {
        let reason = format!("{:?} is not supported; give private_key", provider.provider_name);
        return Err(at.field("private_key_provider").reject(reason));
    }
    let at_chain = at.field("certificate_chain");
    let at_key = at.field("private_key");
    let watched = watched_directory(at, &proto.watched_directory)?;
    let watched = watched.as_ref();
    Ok(TlsCertificate {
        chain: data_source_in(&at_chain, field_rules::required(&at_chain, &proto.certificate_chain)?, watched)?,
        key: data_source_in(&at_key, field_rules::required(&at_key, &proto.private_key)?, watched)?,
        password: proto
            .password
            .as_ref()
            .map(|password| data_source_in(&at.field("password"), password, watched))
            .transpose()?,
        staple: staple(&at.field("ocsp_staple"), &proto.ocsp_staple, watched)?,
    })
}

fn staple(
    at: &At<'_>,
    proto: &Option<core::DataSource>,
    watched: Option<&WatchedDirectory>,
) -> Result<Option<DataSource>, Rejection> {
    use core::data_source::Specifier;
    match proto {
        // As with Envoy, whatever else stands there: an empty one is none.
        None | Some(core::DataSource { specifier: None, .. }) => Ok(None),
        Some(core::DataSource { specifier: Some(Specifier::InlineString(_)), .. }) => {
            Err(at.reject("OCSP staple cannot be provided via inline_string; give inline_bytes or filename, in DER"))
        }
        Some(source) => data_source_in(at, source, watched).map(Some),
    }
}

/// `TlsSessionTicketKeys`.
pub(crate) fn ticket_keys(at: &At<'_>, proto: &pb::TlsSessionTicketKeys) -> Result<TicketKeys, Rejection> {
    let at = at.field("keys");
    field_rules::at_least_one(&at, &proto.keys)?;
    let keys = proto.keys.iter().enumerate().map(|(index, key)| data_source(&at.index(index), key));
    Ok(TicketKeys { keys: keys.collect::<Result<_, _>>()? })
}

/// `GenericSecret`.
fn generic_secret(at: &At<'_>, proto: &pb::GenericSecret) -> Result<GenericSecret, Rejection> {
    let secret = proto.secret.as_ref().map(|source| data_source(&at.field("secret"), source)).transpose()?;
    let at = at.field("secrets");
    let named = |(name, source): (&String, _)| Ok((Arc::from(name.as_str()), data_source(&at.key(name), source)?));
    Ok(GenericSecret { secret, secrets: proto.secrets.iter().map(named).collect::<Result<_, _>>()? })
}

/// A data source inside of a message that may name a directory to watch for all of its files.
pub(crate) fn data_source_in(
    at: &At<'_>,
    proto: &core::DataSource,
    watched: Option<&WatchedDirectory>,
) -> Result<DataSource, Rejection> {
    let mut source = data_source(at, proto)?;
    if let DataSource::File(file) = &mut source
        && file.watched.is_none()
    {
        file.watched = watched.cloned();
    }
    Ok(source)
}

/// `watched_directory` of the message at this place.
pub(crate) fn watched_directory(
    at: &At<'_>,
    proto: &Option<core::WatchedDirectory>,
) -> Result<Option<WatchedDirectory>, Rejection> {
    let Some(proto) = proto else { return Ok(None) };
    let at = at.field("watched_directory");
    let path = field_rules::not_empty(&at.field("path"), &proto.path)?;
    Ok(Some(WatchedDirectory { path: PathBuf::from(&*path), modify: proto.watch_modify }))
}

/// `DataSource`.
pub(crate) fn data_source(at: &At<'_>, proto: &core::DataSource) -> Result<DataSource, Rejection> {
    use core::data_source::Specifier;
    Ok(match &proto.specifier {
        None => return Err(at.reject("is empty; give filename, inline_string, inline_bytes or environment_variable")),
        Some(Specifier::Filename(path)) => {
            let path = PathBuf::from(&*field_rules::not_empty(&at.field("filename"), path)?);
            DataSource::File(FileSource { path, watched: watched_directory(at, &proto.watched_directory)? })
        }
        Some(Specifier::InlineBytes(bytes)) => DataSource::Inline(wiped(bytes.clone())),
        Some(Specifier::InlineString(text)) => DataSource::Inline(wiped(text.clone().into_bytes())),
        Some(Specifier::EnvironmentVariable(name)) => {
            DataSource::Environment(field_rules::not_empty(&at.field("environment_variable"), name)?)
        }
    })
}
