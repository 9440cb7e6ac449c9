//! `CertificateValidationContext` to plain data: inline, fetched, or both merged. Called by [`super::decode`].

use std::sync::Arc;

use super::{SanKind, SanMatcher, SdsName, SecretSource, Validation};
use crate::matcher;
use crate::options::Options;
use crate::proto::{self, extensions::transport_sockets::tls::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::secret;

/// Everything is in the context itself.
pub(crate) fn inline(
    at: &At<'_>,
    proto: &pb::CertificateValidationContext,
    options: &Options,
) -> Result<Validation, Rejection> {
    let mut validation = demands(at, proto, options)?;
    if proto.trusted_ca.is_some() {
        validation.context = Some(SecretSource::Inline(Arc::new(secret::decode::validation_context(at, proto)?)));
    } else if !validation.subject_alt_names.is_empty() && !validation.accept_untrusted {
        return Err(at.reject("names are demanded of a certificate that nothing verifies; give trusted_ca"));
    }
    Ok(validation)
}

/// All of it is fetched.
pub(crate) fn from_sds(name: SdsName) -> Validation {
    Validation {
        context: Some(SecretSource::Sds(name)),
        subject_alt_names: Vec::new(),
        accept_untrusted: false,
        certificate_hashes: Vec::new(),
        certificate_spki: Vec::new(),
        crl: None,
    }
}

/// The fetched context is merged over the default one: roots come from the fetched one, demands from both.
pub(crate) fn combined(
    at: &At<'_>,
    default: &pb::CertificateValidationContext,
    name: SdsName,
    options: &Options,
) -> Result<Validation, Rejection> {
    let mut validation = demands(at, default, options)?;
    validation.crl = default.crl.as_ref().map(|crl| secret::decode::data_source(&at.field("crl"), crl)).transpose()?;
    validation.context = Some(SecretSource::Sds(name));
    Ok(validation)
}

fn demands(at: &At<'_>, proto: &pb::CertificateValidationContext, options: &Options) -> Result<Validation, Rejection> {
    use pb::certificate_validation_context::TrustChainVerification;
    refuse_what_would_not_be_enforced(at, proto)?;
    if proto.allow_expired_certificate {
        options.note(&at.field("allow_expired_certificate"), "is not acting; expired certificates are refused");
    }
    let at_trust = at.field("trust_chain_verification");
    let trust = proto::defined::<TrustChainVerification>(&at_trust, proto.trust_chain_verification)?;
    let at_hash = at.field("verify_certificate_hash");
    let at_spki = at.field("verify_certificate_spki");
    let hashes = proto.verify_certificate_hash.iter().enumerate();
    let spki = proto.verify_certificate_spki.iter().enumerate();
    Ok(Validation {
        context: None,
        subject_alt_names: subject_alt_names(at, proto)?,
        accept_untrusted: trust == TrustChainVerification::AcceptUntrusted,
        certificate_hashes: hashes
            .map(|(index, text)| hex_hash(&at_hash.index(index), text))
            .collect::<Result<_, _>>()?,
        certificate_spki: spki
            .map(|(index, text)| base64_hash(&at_spki.index(index), text))
            .collect::<Result<_, _>>()?,
        crl: None,
    })
}

fn refuse_what_would_not_be_enforced(at: &At<'_>, proto: &pb::CertificateValidationContext) -> Result<(), Rejection> {
    if let Some(custom) = &proto.custom_validator_config {
        let reason = format!(
            "certificate validator {:?} is not supported; peers would not be verified as asked; take it out, or keep Envoy for this workload",
            custom.name
        );
        return Err(at.field("custom_validator_config").reject(reason));
    }
    let refused = [
        ("ca_certificate_provider_instance", proto.ca_certificate_provider_instance.is_some()),
        ("system_root_certs", proto.system_root_certs.is_some()),
        ("require_signed_certificate_timestamp", proto::bool_or(&proto.require_signed_certificate_timestamp, false)),
        ("max_verify_depth", proto.max_verify_depth.is_some()),
    ];
    match refused.iter().find(|(_, set)| *set) {
        Some((field, _)) => Err(at.field(field).unsupported("is not supported; peers would not be verified as asked")),
        None => Ok(()),
    }
}

/// `match_typed_subject_alt_names`, then the deprecated list that matches any kind.
pub(crate) fn subject_alt_names(
    at: &At<'_>,
    proto: &pb::CertificateValidationContext,
) -> Result<Vec<SanMatcher>, Rejection> {
    let at_typed = at.field("match_typed_subject_alt_names");
    let at_any = at.field("match_subject_alt_names");
    let typed = proto.match_typed_subject_alt_names.iter().enumerate().map(|(index, name)| {
        let at = at_typed.index(index);
        let kind = san_kind(&at.field("san_type"), name.san_type)?;
        let at_matcher = at.field("matcher");
        let matcher = matcher::decode::string(&at_matcher, crate::field_rules::required(&at_matcher, &name.matcher)?)?;
        Ok(SanMatcher { kind: Some(kind), matcher })
    });
    let any = proto.match_subject_alt_names.iter().enumerate();
    let any = any.map(|(index, name)| {
        Ok(SanMatcher { kind: None, matcher: matcher::decode::string(&at_any.index(index), name)? })
    });
    typed.chain(any).collect()
}

fn san_kind(at: &At<'_>, value: i32) -> Result<SanKind, Rejection> {
    use pb::subject_alt_name_matcher::SanType;
    Ok(match proto::defined::<SanType>(at, value)? {
        SanType::Unspecified => return Err(at.reject("must be set: EMAIL, DNS, URI or IP_ADDRESS")),
        SanType::Email => SanKind::Email,
        SanType::Dns => SanKind::Dns,
        SanType::Uri => SanKind::Uri,
        SanType::IpAddress => SanKind::IpAddress,
        SanType::OtherName => SanKind::OtherName,
    })
}

/// 64 hexadecimal digits, or 32 pairs with colons between.
fn hex_hash(at: &At<'_>, text: &str) -> Result<[u8; 32], Rejection> {
    let wrong = || at.reject("is not a SHA-256; give 64 hexadecimal digits, with or without colons between pairs");
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b':').collect();
    if digits.len() != 64 || !(text.len() == 64 || text.len() == 95) {
        return Err(wrong());
    }
    let mut hash = [0; 32];
    for (octet, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16).ok_or_else(wrong)?;
        let low = char::from(pair[1]).to_digit(16).ok_or_else(wrong)?;
        // Two hexadecimal digits fit an octet.
        *octet = (high * 16 + low) as u8;
    }
    Ok(hash)
}

/// 44 characters of base64.
fn base64_hash(at: &At<'_>, text: &str) -> Result<[u8; 32], Rejection> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .ok_or_else(|| at.reject("is not a base64-encoded SHA-256; give 44 characters"))
}
