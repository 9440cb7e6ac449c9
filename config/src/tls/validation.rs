//! `CertificateValidationContext` to plain data. Called for TLS contexts, for secrets, and for a fetched context that is merged over
//! a given one: whatever way a demand comes, it is read here, and one that this proxy would not enforce is rejected, never dropped.

use std::fmt;
use std::sync::Arc;

use prost::Message;

use super::{SanKind, SanMatcher, spiffe};
use crate::field_rules;
use crate::matcher;
use crate::options::Options;
use crate::proto::{self, extensions::transport_sockets::tls::v3 as pb};
use crate::rejection::{At, Rejection};
use crate::secret::{
    ValidationContext,
    decode::{data_source_in, watched_directory},
};

/// The message that a context was read from, encoded: hundreds of clusters have one.
#[derive(Clone, Default)]
pub(crate) struct AsItCame(Arc<[u8]>);

impl fmt::Debug for AsItCame {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("CertificateValidationContext")
    }
}

impl ValidationContext {
    /// All that it says, as octets: two contexts that say the same have the same.
    pub fn encoded(&self) -> &[u8] {
        &self.proto.0
    }

    /// This context merged over `default` as protobuf merges: what is repeated is appended, what is set here replaces, messages merge.
    /// What comes out is judged as if it had come in one piece.
    ///
    /// # Errors
    /// The two together say something that neither says alone and that would not be enforced.
    pub fn over(&self, default: &ValidationContext) -> Result<ValidationContext, Rejection> {
        let at = At::root();
        let mut merged = pb::CertificateValidationContext::default();
        merged
            .merge(default.encoded())
            .and_then(|()| merged.merge(self.encoded()))
            .map_err(|error| at.reject(format!("cannot be merged with its default: {error}")))?;
        context(&at, &merged, &Options::default())
    }

    /// Whether it can stand alone. Half of a combined context need not: the other half may hold the roots.
    ///
    /// # Errors
    /// What is asked of certificates is asked of none without roots.
    pub fn stands_alone(&self, at: &At<'_>) -> Result<(), Rejection> {
        if self.crl.is_some() && self.trusted_ca.is_none() && self.spiffe.is_none() {
            return Err(at
                .field("crl")
                .reject("Failed to load CRL without trusted CA; give trusted_ca, or take this out"));
        }
        if self.allow_expired && self.trusted_ca.is_none() && self.spiffe.is_none() {
            return Err(at.field("allow_expired_certificate").reject(
                "Certificate validity period is always ignored without trusted CA; give trusted_ca, or take this out",
            ));
        }
        Ok(())
    }
}

/// `CertificateValidationContext`.
pub(crate) fn context(
    at: &At<'_>,
    proto: &pb::CertificateValidationContext,
    options: &Options,
) -> Result<ValidationContext, Rejection> {
    use pb::certificate_validation_context::TrustChainVerification;
    refuse_what_would_not_be_enforced(at, proto)?;
    let watched = watched_directory(at, &proto.watched_directory)?;
    let source = |name: &str, value: &Option<crate::proto::core::v3::DataSource>| {
        value.as_ref().map(|value| data_source_in(&at.field(name), value, watched.as_ref())).transpose()
    };
    let at_trust = at.field("trust_chain_verification");
    let trust = proto::defined::<TrustChainVerification>(&at_trust, proto.trust_chain_verification)?;
    let at_hash = at.field("verify_certificate_hash");
    let at_spki = at.field("verify_certificate_spki");
    let hashes = proto.verify_certificate_hash.iter().enumerate();
    let spki = proto.verify_certificate_spki.iter().enumerate();
    let max_verify_depth = proto::uint32(&proto.max_verify_depth);
    if max_verify_depth.is_some_and(|depth| depth > 100) {
        return Err(at.field("max_verify_depth").reject("must be at most 100"));
    }
    let custom = proto.custom_validator_config.as_ref();
    let spiffe =
        custom.map(|custom| spiffe::decode(&at.field("custom_validator_config"), custom, options)).transpose()?;
    let mut subject_alt_names = subject_alt_names(at, proto)?;
    if spiffe.is_some() {
        spiffe::refuse_what_is_not_asked(at, proto)?;
        subject_alt_names = spiffe::of_uris(at, subject_alt_names)?;
        if proto.trusted_ca.is_some() {
            options.note(
                &at.field("trusted_ca"),
                "the SPIFFE validator has roots of its own and does not look at these, as by Envoy",
            );
        }
    }
    Ok(ValidationContext {
        spiffe,
        trusted_ca: source("trusted_ca", &proto.trusted_ca)?,
        crl: source("crl", &proto.crl)?,
        only_leaf_crl: proto.only_verify_leaf_cert_crl,
        allow_expired: proto.allow_expired_certificate,
        max_verify_depth,
        subject_alt_names,
        accept_untrusted: trust == TrustChainVerification::AcceptUntrusted,
        suppress_client_ca_list: proto.suppress_client_ca_list,
        certificate_hashes: hashes
            .map(|(index, text)| hex_hash(&at_hash.index(index), text))
            .collect::<Result<_, _>>()?,
        certificate_spki: spki
            .map(|(index, text)| base64_hash(&at_spki.index(index), text))
            .collect::<Result<_, _>>()?,
        proto: AsItCame(proto.encode_to_vec().into()),
    })
}

fn refuse_what_would_not_be_enforced(at: &At<'_>, proto: &pb::CertificateValidationContext) -> Result<(), Rejection> {
    let refused = [
        ("ca_certificate_provider_instance", proto.ca_certificate_provider_instance.is_some()),
        ("system_root_certs", proto.system_root_certs.is_some()),
        ("require_signed_certificate_timestamp", proto::bool_or(&proto.require_signed_certificate_timestamp, false)),
    ];
    match refused.iter().find(|(_, set)| *set) {
        Some((field, _)) => Err(at.field(field).unsupported("is not supported; peers would not be verified as asked")),
        None => Ok(()),
    }
}

/// `match_typed_subject_alt_names`; the deprecated list, which names no kind, only where that is empty, as Envoy.
fn subject_alt_names(at: &At<'_>, proto: &pb::CertificateValidationContext) -> Result<Vec<SanMatcher>, Rejection> {
    let at_typed = at.field("match_typed_subject_alt_names");
    let at_any = at.field("match_subject_alt_names");
    if proto.match_typed_subject_alt_names.is_empty() {
        let any = proto.match_subject_alt_names.iter().enumerate();
        let any = any.map(|(index, name)| {
            Ok(SanMatcher { kind: None, oid: None, matcher: matcher::decode::string(&at_any.index(index), name)? })
        });
        return proto::all(any);
    }
    let typed = proto.match_typed_subject_alt_names.iter().enumerate();
    proto::all(typed.map(|(index, name)| typed_name(&at_typed.index(index), name)))
}

/// One of them.
pub(crate) fn typed_name(at: &At<'_>, proto: &pb::SubjectAltNameMatcher) -> Result<SanMatcher, Rejection> {
    let kind = san_kind(&at.field("san_type"), proto.san_type)?;
    let at_matcher = at.field("matcher");
    let matcher = matcher::decode::string(&at_matcher, field_rules::required(&at_matcher, &proto.matcher)?)?;
    let oid = match kind {
        SanKind::OtherName => Some(object_identifier(&at.field("oid"), &proto.oid)?),
        // Envoy looks at it for other names alone.
        _ => None,
    };
    Ok(SanMatcher { kind: Some(kind), oid, matcher })
}

/// Numbers with dots between.
fn object_identifier(at: &At<'_>, text: &str) -> Result<Arc<str>, Rejection> {
    let numbers = text.split('.').filter(|part| part.parse::<u64>().is_ok_and(|number| number.to_string() == *part));
    let count = text.split('.').count();
    // The first arc is 0, 1 or 2; below the first two there are 40 (X.660).
    let arcs: Vec<u64> = text.split('.').take(2).filter_map(|part| part.parse().ok()).collect();
    let is_rooted = matches!(arcs[..], [0 | 1, 0..40] | [2, _]);
    if count < 2 || numbers.count() != count || !is_rooted {
        return Err(at.reject("OTHER_NAME needs the object identifier of the name; give numbers with dots between"));
    }
    Ok(text.into())
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
