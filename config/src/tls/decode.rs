//! `UpstreamTlsContext` and `DownstreamTlsContext` to plain data. Called for transport sockets. A demand on the peer that this
//! proxy would not enforce is rejected, never dropped.

use std::sync::Arc;

use super::{
    CommonTls, Compliance, DownstreamTls, SdsName, SdsSource, SecretSource, SessionTickets, StaplePolicy, TlsVersion,
    UpstreamTls, Validation, validation,
};
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, bool_or, core::v3 as core, extensions::transport_sockets::tls::v3 as pb, uint32};
use crate::rejection::{At, Rejection};
use crate::secret::{self, FileSource, decode::watched_directory};
use crate::xds_server;

/// `UpstreamTlsContext`.
pub(crate) fn upstream(
    at: &At<'_>,
    proto: &pb::UpstreamTlsContext,
    options: &Options,
) -> Result<UpstreamTls, Rejection> {
    if proto.sni.len() > 255 {
        return Err(at.field("sni").reject("is longer than 255 octets"));
    }
    // Envoy's client goes up to TLS 1.2 unless told otherwise.
    let common = common(at, &proto.common_tls_context, TlsVersion::Tls12, options)?;
    if common.certificates.len() > 1 {
        return Err(at.field("common_tls_context").reject(
            "Multiple TLS certificates are not supported for client contexts; leave the one that servers shall see",
        ));
    }
    Ok(UpstreamTls {
        common,
        sni: proto::text(&proto.sni),
        auto_host_sni: proto.auto_host_sni,
        auto_sni_san_validation: proto.auto_sni_san_validation,
        max_session_keys: uint32(&proto.max_session_keys).unwrap_or(1),
    })
}

/// `DownstreamTlsContext`.
pub(crate) fn downstream(
    at: &At<'_>,
    proto: &pb::DownstreamTlsContext,
    options: &Options,
) -> Result<DownstreamTls, Rejection> {
    use pb::downstream_tls_context::OcspStaplePolicy;
    let staple_policy =
        match proto::defined::<OcspStaplePolicy>(&at.field("ocsp_staple_policy"), proto.ocsp_staple_policy)? {
            OcspStaplePolicy::LenientStapling => StaplePolicy::Lenient,
            OcspStaplePolicy::StrictStapling => StaplePolicy::Strict,
            OcspStaplePolicy::MustStaple => StaplePolicy::Must,
        };
    let common = common(at, &proto.common_tls_context, TlsVersion::Tls13, options)?;
    let at_common = at.field("common_tls_context");
    if common.certificates.is_empty() {
        return Err(at_common
            .reject("a server needs a certificate; give tls_certificates or tls_certificate_sds_secret_configs"));
    }
    let is_inline = |source: &SecretSource<_>| matches!(source, SecretSource::Inline(_));
    if common.certificates.iter().any(is_inline) && !common.certificates.iter().all(is_inline) {
        return Err(at_common.reject(
            "SDS and non-SDS TLS certificates may not be mixed in server contexts; give all of them in one way",
        ));
    }
    let require_client_certificate = bool_or(&proto.require_client_certificate, false);
    if require_client_certificate && common.validation.is_none() {
        return Err(at
            .field("require_client_certificate")
            .reject(
                "a client certificate is required and nothing says who may vouch for it: anybody's would do; give \
                 common_tls_context a validation context with trusted_ca",
            )
            .withholding_policy());
    }
    Ok(DownstreamTls {
        common,
        require_client_certificate,
        require_sni: bool_or(&proto.require_sni, false),
        tickets: session_tickets(at, proto, options)?,
        disable_stateful_resumption: proto.disable_stateful_session_resumption,
        // Zero is the default to BoringSSL.
        session_timeout: proto::duration(&at.field("session_timeout"), &proto.session_timeout)?
            .filter(|timeout| timeout.as_secs() > 0),
        staple_policy,
        prefer_client_ciphers: proto.prefer_client_ciphers,
        full_scan_on_sni_mismatch: bool_or(&proto.full_scan_certs_on_sni_mismatch, false),
    })
}

fn session_tickets(
    at: &At<'_>,
    proto: &pb::DownstreamTlsContext,
    options: &Options,
) -> Result<SessionTickets, Rejection> {
    use pb::downstream_tls_context::SessionTicketKeysType as Type;
    Ok(match &proto.session_ticket_keys_type {
        None | Some(Type::DisableStatelessSessionResumption(false)) => SessionTickets::OwnKeys,
        Some(Type::DisableStatelessSessionResumption(true)) => SessionTickets::Off,
        Some(Type::SessionTicketKeys(keys)) => {
            let keys = secret::decode::ticket_keys(&at.field("session_ticket_keys"), keys)?;
            SessionTickets::Keys(SecretSource::Inline(Arc::new(keys)))
        }
        Some(Type::SessionTicketKeysSdsSecretConfig(config)) => {
            let at = at.field("session_ticket_keys_sds_secret_config");
            SessionTickets::Keys(SecretSource::Sds(sds_name(&at, config, options)?))
        }
    })
}

fn common(
    at: &At<'_>,
    proto: &Option<pb::CommonTlsContext>,
    default_max: TlsVersion,
    options: &Options,
) -> Result<CommonTls, Rejection> {
    let at = at.field("common_tls_context");
    let empty = pb::CommonTlsContext::default();
    let proto = proto.as_ref().unwrap_or(&empty);
    refuse_other_sources(&at, proto)?;
    let params = proto.tls_params.clone().unwrap_or_default();
    let at_params = at.field("tls_params");
    let min =
        version(&at_params.field("tls_minimum_protocol_version"), params.tls_minimum_protocol_version, Bound::Least)?;
    let max =
        version(&at_params.field("tls_maximum_protocol_version"), params.tls_maximum_protocol_version, Bound::Most)?;
    let min_version = min.unwrap_or(TlsVersion::Tls12);
    let max_version = max.unwrap_or(default_max.max(min_version));
    if min_version > max_version {
        return Err(
            at_params.reject("the minimum protocol version is above the maximum; lower the one or raise the other")
        );
    }
    let compliance = compliance(&at_params.field("compliance_policies"), &params.compliance_policies)?;
    let (min_version, max_version) = match compliance {
        Some(Compliance::Fips202205) => (TlsVersion::Tls12, TlsVersion::Tls13),
        None => (min_version, max_version),
    };
    Ok(CommonTls {
        min_version,
        max_version,
        compliance,
        cipher_suites: params.cipher_suites.iter().map(|name| Arc::from(name.as_str())).collect(),
        signature_algorithms: params.signature_algorithms.iter().map(|name| Arc::from(name.as_str())).collect(),
        ecdh_curves: params.ecdh_curves.iter().map(|name| Arc::from(name.as_str())).collect(),
        alpn: alpn(&at.field("alpn_protocols"), &proto.alpn_protocols)?,
        certificates: certificates(&at, proto, options)?,
        validation: context(&at, proto, options)?,
    })
}

fn compliance(at: &At<'_>, policies: &[i32]) -> Result<Option<Compliance>, Rejection> {
    use pb::tls_parameters::CompliancePolicy;
    let one = |(index, policy): (usize, &i32)| match proto::defined(&at.index(index), *policy)? {
        CompliancePolicy::Fips202205 => Ok(Compliance::Fips202205),
        other @ (CompliancePolicy::Cnsa1202603 | CompliancePolicy::Cnsa2202603) => {
            let name = other.as_str_name();
            Err(at
                .index(index)
                .only_envoys(format!("{name} is not supported; list cipher_suites and ecdh_curves instead")))
        }
    };
    policies.iter().enumerate().next_back().map(one).transpose()
}

fn refuse_other_sources(at: &At<'_>, proto: &pb::CommonTlsContext) -> Result<(), Rejection> {
    let refused = [
        ("tls_certificate_provider_instance", proto.tls_certificate_provider_instance.is_some()),
        ("tls_certificate_certificate_provider", proto.tls_certificate_certificate_provider.is_some()),
        (
            "tls_certificate_certificate_provider_instance",
            proto.tls_certificate_certificate_provider_instance.is_some(),
        ),
        ("custom_tls_certificate_selector", proto.custom_tls_certificate_selector.is_some()),
        ("custom_handshaker", proto.custom_handshaker.is_some()),
    ];
    match refused.iter().find(|(_, set)| *set) {
        Some((field, _)) => Err(at.field(field).only_envoys("is not supported; give certificates inline or by SDS")),
        None => Ok(()),
    }
}

#[derive(PartialEq)]
enum Bound {
    Least,
    Most,
}

/// `None` for TLS_AUTO. TLS 1.0 and 1.1 as a least version mean 1.2 here; as a most version they leave nothing.
fn version(at: &At<'_>, value: i32, bound: Bound) -> Result<Option<TlsVersion>, Rejection> {
    use pb::tls_parameters::TlsProtocol;
    Ok(match proto::defined::<TlsProtocol>(at, value)? {
        TlsProtocol::TlsAuto => None,
        TlsProtocol::TlSv12 => Some(TlsVersion::Tls12),
        TlsProtocol::TlSv13 => Some(TlsVersion::Tls13),
        TlsProtocol::TlSv10 | TlsProtocol::TlSv11 if bound == Bound::Least => Some(TlsVersion::Tls12),
        TlsProtocol::TlSv10 | TlsProtocol::TlSv11 => {
            return Err(at.reject("TLS below 1.2 is not supported; give TLSv1_2 or TLSv1_3"));
        }
    })
}

/// Protocol names; an element may be several with commas between, as in Envoy, which joins all and splits them again.
fn alpn(at: &At<'_>, list: &[String]) -> Result<Vec<Arc<[u8]>>, Rejection> {
    let names = list.iter().enumerate().flat_map(|(index, names)| names.split(',').map(move |name| (index, name)));
    let one = |(index, name): (usize, &str)| {
        if name.len() <= 255 {
            Ok(Arc::from(name.as_bytes()))
        } else {
            Err(at.index(index).reject("a protocol name has at most 255 octets"))
        }
    };
    // An empty name is no protocol that anybody could choose.
    names.filter(|(_, name)| !name.is_empty()).map(one).collect()
}

fn certificates(
    at: &At<'_>,
    proto: &pb::CommonTlsContext,
    options: &Options,
) -> Result<Vec<SecretSource<secret::TlsCertificate>>, Rejection> {
    let at_inline = at.field("tls_certificates");
    let at_sds = at.field("tls_certificate_sds_secret_configs");
    let inline = proto.tls_certificates.iter().enumerate().map(|(index, certificate)| {
        let certificate = secret::decode::tls_certificate(&at_inline.index(index), certificate)?;
        Ok(SecretSource::Inline(Arc::new(certificate)))
    });
    let sds = proto.tls_certificate_sds_secret_configs.iter().enumerate();
    let sds = sds.map(|(index, config)| Ok(SecretSource::Sds(sds_name(&at_sds.index(index), config, options)?)));
    let mut all = proto::all(inline)?;
    all.extend(proto::all(sds)?);
    Ok(all)
}

fn context(at: &At<'_>, proto: &pb::CommonTlsContext, options: &Options) -> Result<Option<Validation>, Rejection> {
    use pb::common_tls_context::ValidationContextType as Type;
    Ok(match &proto.validation_context_type {
        None => None,
        Some(Type::ValidationContext(context)) => {
            let at = at.field("validation_context");
            let context = validation::context(&at, context, options)?;
            context.stands_alone(&at)?;
            let has_roots = context.trusted_ca.is_some() || context.spiffe.is_some();
            if !context.subject_alt_names.is_empty() && !has_roots {
                return Err(at.reject("names are demanded of a certificate that nothing verifies; give trusted_ca"));
            }
            Some(Validation::Inline(Arc::new(context)))
        }
        Some(Type::ValidationContextSdsSecretConfig(config)) => {
            let name = sds_name(&at.field("validation_context_sds_secret_config"), config, options)?;
            Some(Validation::Fetched { name, default: None })
        }
        Some(Type::CombinedValidationContext(combined)) => {
            Some(combined_context(&at.field("combined_validation_context"), combined, options)?)
        }
        Some(_) => return Err(at.reject("certificate providers are not supported; give the roots inline or by SDS")),
    })
}

fn combined_context(
    at: &At<'_>,
    proto: &pb::common_tls_context::CombinedCertificateValidationContext,
    options: &Options,
) -> Result<Validation, Rejection> {
    let providers = [
        ("validation_context_certificate_provider", proto.validation_context_certificate_provider.is_some()),
        (
            "validation_context_certificate_provider_instance",
            proto.validation_context_certificate_provider_instance.is_some(),
        ),
    ];
    if let Some((field, _)) = providers.iter().find(|(_, set)| *set) {
        return Err(at.field(field).only_envoys("is not supported; give the roots inline or by SDS"));
    }
    let at_default = at.field("default_validation_context");
    let default = field_rules::required(&at_default, &proto.default_validation_context)?;
    let at_sds = at.field("validation_context_sds_secret_config");
    let config = field_rules::required(&at_sds, &proto.validation_context_sds_secret_config)?;
    let name = sds_name(&at_sds, config, options)?;
    Ok(Validation::Fetched { name, default: Some(Arc::new(validation::context(&at_default, default, options)?)) })
}

/// `SdsSecretConfig`.
pub(crate) fn sds_name(at: &At<'_>, proto: &pb::SdsSecretConfig, options: &Options) -> Result<SdsName, Rejection> {
    use core::config_source::ConfigSourceSpecifier as Source;
    let name = field_rules::not_empty(&at.field("name"), &proto.name)?;
    let Some(config) = &proto.sds_config else {
        return Ok(SdsName { name, source: SdsSource::Static, initial_fetch_timeout: None });
    };
    let at = at.field("sds_config");
    let source = match &config.config_source_specifier {
        Some(Source::Ads(_) | Source::Self_(_)) => SdsSource::Ads,
        Some(Source::ApiConfigSource(api)) => {
            SdsSource::Server(Arc::new(xds_server::decode(&at.field("api_config_source"), api, options)?))
        }
        Some(Source::Path(path)) => SdsSource::File(Arc::new(FileSource {
            path: field_rules::not_empty(&at.field("path"), path)?.as_ref().into(),
            watched: None,
        })),
        Some(Source::PathConfigSource(file)) => {
            let at = at.field("path_config_source");
            // Every file is looked at again and again.
            if file.poll_interval.is_some() && file.watched_directory.is_some() {
                return Err(at
                    .field("poll_interval")
                    .reject("poll_interval and watched_directory cannot both be set; take one of them out"));
            }
            SdsSource::File(Arc::new(FileSource {
                path: field_rules::not_empty(&at.field("path"), &file.path)?.as_ref().into(),
                watched: watched_directory(&at, &file.watched_directory)?,
            }))
        }
        None => return Err(at.reject("says nowhere to ask; give ads, api_config_source or path_config_source")),
    };
    let initial_fetch_timeout = fetch_timeout(&at, config)?;
    Ok(SdsName { name, source, initial_fetch_timeout })
}

/// A source of resources that come over ADS here, whatever else Envoy has for them: how long the first of them is waited for.
pub(crate) fn over_ads(
    at: &At<'_>,
    config: &core::ConfigSource,
    reason: &str,
) -> Result<Option<std::time::Duration>, Rejection> {
    use core::config_source::ConfigSourceSpecifier as Source;
    match config.config_source_specifier {
        Some(Source::Ads(_) | Source::Self_(_)) => fetch_timeout(at, config),
        None => Err(at.reject(reason)),
        Some(_) => Err(at.only_envoys(reason)),
    }
}

/// `ConfigSource.initial_fetch_timeout`: Envoy's 15 s when unset, `None` (for ever) when zero.
pub(crate) fn fetch_timeout(
    at: &At<'_>,
    config: &core::ConfigSource,
) -> Result<Option<std::time::Duration>, Rejection> {
    let default = Some(std::time::Duration::from_secs(15));
    proto::timeout(&at.field("initial_fetch_timeout"), &config.initial_fetch_timeout, default)
}
