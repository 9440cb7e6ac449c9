//! `SPIFFECertValidatorConfig`: each trust domain with the roots that may vouch for its names. Called for validation contexts. What of a
//! context this validator would not look at and that makes it stricter is rejected, never dropped.

use std::sync::Arc;

use super::{SanKind, SanMatcher};
use crate::extension;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{core::v3 as core, extensions::transport_sockets::tls::v3 as pb};
use crate::registry::SPIFFE_VALIDATOR;
use crate::rejection::{At, Rejection};
use crate::secret::{DataSource, decode::data_source};

/// The validator's name, by which Envoy finds it.
const NAME: &str = "envoy.tls.cert_validator.spiffe";

/// Roots by trust domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpiffeTrust {
    /// `trust_domains`: a PEM bundle for each.
    Domains(Vec<TrustDomain>),
    /// `trust_bundles`: a map of SPIFFE bundles as JSON, which takes the place of the former.
    Bundles(DataSource),
}

/// A trust domain and who may vouch for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustDomain {
    /// `cluster.local`, without a scheme.
    pub name: Arc<str>,
    /// PEM certificates, and revocation lists.
    pub bundle: DataSource,
}

impl SpiffeTrust {
    /// Everything that it is read from.
    pub fn sources(&self) -> Vec<&DataSource> {
        match self {
            Self::Domains(domains) => domains.iter().map(|domain| &domain.bundle).collect(),
            Self::Bundles(bundles) => vec![bundles],
        }
    }
}

/// `custom_validator_config`, of which there is this kind alone.
pub(super) fn decode(
    at: &At<'_>,
    custom: &core::TypedExtensionConfig,
    options: &Options,
) -> Result<SpiffeTrust, Rejection> {
    let at_config = at.field("typed_config");
    let extension = extension::open_required(&at_config, &custom.typed_config)?;
    if custom.name != NAME || extension.type_name != SPIFFE_VALIDATOR {
        let reason = format!(
            "certificate validator {:?} ({}) is not supported; peers would not be verified as asked; give {NAME} with its own config, or keep Envoy for this workload",
            custom.name, extension.type_name
        );
        return Err(at.only_envoys(reason).withholding_policy());
    }
    let config: pb::SpiffeCertValidatorConfig = extension.decode(&at_config, options)?;
    if let Some(bundles) = &config.trust_bundles {
        return Ok(SpiffeTrust::Bundles(data_source(&at_config.field("trust_bundles"), bundles)?));
    }
    let at_domains = at_config.field("trust_domains");
    field_rules::at_least_one(&at_domains, &config.trust_domains)?;
    let mut domains: Vec<TrustDomain> = Vec::with_capacity(config.trust_domains.len());
    for (index, domain) in config.trust_domains.iter().enumerate() {
        let domain = trust_domain(&at_domains.index(index), domain)?;
        if domains.iter().any(|known| known.name == domain.name) {
            let reason = format!(
                "Multiple trust bundles are given for one trust domain for {}; put their certificates into one bundle",
                domain.name
            );
            return Err(at_domains.index(index).reject(reason));
        }
        domains.push(domain);
    }
    Ok(SpiffeTrust::Domains(domains))
}

fn trust_domain(at: &At<'_>, proto: &pb::spiffe_cert_validator_config::TrustDomain) -> Result<TrustDomain, Rejection> {
    let at_name = at.field("name");
    let name = field_rules::not_empty(&at_name, &proto.name)?;
    if name.contains('/') {
        return Err(
            at_name.reject("is no trust domain: no peer could be of it; give the name alone, without spiffe://")
        );
    }
    if !proto.workload_trust_domain.is_empty() {
        return Err(at.field("workload_trust_domain").unsupported("is not supported: nothing here chooses by it"));
    }
    let at_bundle = at.field("trust_bundle");
    let bundle = data_source(&at_bundle, field_rules::required(&at_bundle, &proto.trust_bundle)?)?;
    Ok(TrustDomain { name, bundle })
}

/// Refuses what the context demands beside and this validator never asks for.
pub(super) fn refuse_what_is_not_asked(at: &At<'_>, proto: &pb::CertificateValidationContext) -> Result<(), Rejection> {
    const LISTS: &str =
        "is not looked at by the SPIFFE validator; put the lists into the bundles of their trust domains";
    const PINS: &str = "is not looked at by the SPIFFE validator; take it out, or the validator";
    let refused = [
        ("crl", proto.crl.is_some(), LISTS),
        ("only_verify_leaf_cert_crl", proto.only_verify_leaf_cert_crl, LISTS),
        ("verify_certificate_hash", !proto.verify_certificate_hash.is_empty(), PINS),
        ("verify_certificate_spki", !proto.verify_certificate_spki.is_empty(), PINS),
        ("max_verify_depth", proto.max_verify_depth.is_some(), PINS),
    ];
    match refused.iter().find(|(_, set, _)| *set) {
        Some((field, _, reason)) => Err(at.field(field).reject(*reason).withholding_policy()),
        None => Ok(()),
    }
}

/// The matchers as this validator asks them: of URI names alone.
pub(super) fn of_uris(at: &At<'_>, matchers: Vec<SanMatcher>) -> Result<Vec<SanMatcher>, Rejection> {
    let at = at.field("match_typed_subject_alt_names");
    let one = |(index, matcher): (usize, SanMatcher)| match matcher.kind {
        None | Some(SanKind::Uri) => Ok(SanMatcher { kind: Some(SanKind::Uri), ..matcher }),
        Some(_) => Err(at
            .index(index)
            .field("san_type")
            .reject("the SPIFFE validator compares URI names alone and would never ask this; give URI")
            .withholding_policy()),
    };
    matchers.into_iter().enumerate().map(one).collect()
}
