//! What some messages say of themselves: whether a config has any rules, what a struct stands for, which filter it is.

use prost::Message as _;

use crate::extension::message_name;
use crate::fields::wire::{self, Wire};
use crate::proto::extensions::filters::http::rbac::v3 as http;
use crate::proto::extensions::filters::network::http_connection_manager::v3::{HttpFilter, http_filter};
use crate::proto::extensions::filters::network::rbac::v3 as network;
use crate::proto::rbac::v3::{Rbac as Rules, rbac::Action};
use crate::proto::route::v3 as route;
use crate::schema::Message;

/// `udpa.type.v1.TypedStruct` and its successor: what it stands for.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct TypedStruct {
    #[prost(string, tag = "1")]
    pub type_url: String,
}

pub(super) fn typed_struct(type_name: &str, bytes: &[u8]) -> Option<TypedStruct> {
    let is_one = matches!(type_name, "udpa.type.v1.TypedStruct" | "xds.type.v3.TypedStruct");
    is_one.then(|| TypedStruct::decode(bytes).unwrap_or_default())
}

/// Name and type of an HTTP filter, if its type is known now.
pub(super) fn http_filter(bytes: &[u8]) -> Option<(String, Option<String>)> {
    let filter = HttpFilter::decode(bytes).ok()?;
    let of = match &filter.config_type {
        Some(http_filter::ConfigType::TypedConfig(any)) => {
            let type_name = message_name(&any.type_url);
            let inner = typed_struct(type_name, &any.value);
            Some(inner.map_or(type_name.to_owned(), |inner| message_name(&inner.type_url).to_owned()))
        }
        _ => None,
    };
    Some((filter.name, of))
}

/// What is to be said of a config beside its type and name; `None` if it lets all pass.
pub(super) fn remark(type_name: &str, bytes: &[u8]) -> Option<&'static str> {
    match type_name {
        "envoy.extensions.filters.http.rbac.v3.RBAC" => of_http(&http::Rbac::decode(bytes).ok()?),
        "envoy.extensions.filters.http.rbac.v3.RBACPerRoute" => match http::RbacPerRoute::decode(bytes).ok()?.rbac {
            Some(rbac) => of_http(&rbac).or(Some(" (without rules)")),
            None => Some(" (without rules)"),
        },
        "envoy.extensions.filters.network.rbac.v3.RBAC" => {
            let rbac = network::Rbac::decode(bytes).ok()?;
            said(&rbac.rules, rbac.matcher.is_some(), rbac.shadow_rules.is_some() || rbac.shadow_matcher.is_some())
        }
        _ => Some(""),
    }
}

fn of_http(rbac: &http::Rbac) -> Option<&'static str> {
    said(&rbac.rules, rbac.matcher.is_some(), rbac.shadow_rules.is_some() || rbac.shadow_matcher.is_some())
}

/// Rules that deny nobody, or only note, let all pass.
fn may_deny(rules: &Rules) -> bool {
    match rules.action() {
        Action::Allow => true,
        Action::Deny => !rules.policies.is_empty(),
        Action::Log => false,
    }
}

/// Whether it is an HTTP filter that acts only where a route switches it on.
pub(super) fn is_switched_off(message: Message, seen: &[wire::Occurrence<'_>]) -> bool {
    message.name() == HTTP_FILTER
        && seen.iter().any(|one| one.field.name() == "disabled" && !one.value.is_default(one.field))
}

/// Whether a `FilterConfig` does that.
pub(super) fn switches_off(bytes: &[u8]) -> bool {
    route::FilterConfig::decode(bytes).is_ok_and(|config| config.disabled)
}

/// What is demanded of peers, each kind once: a list of names that grows demands no more.
pub(super) fn demands(message: Message, seen: &[wire::Occurrence<'_>]) -> impl Iterator<Item = &'static str> {
    let fields = match message.name() {
        "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext" => &CONTEXT[..],
        "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext" => &BY_NAME[..],
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext" => &["auto_sni_san_validation"][..],
        "envoy.config.core.v3.UpstreamHttpProtocolOptions" => &["auto_san_validation"][..],
        VIRTUAL_HOST => &[TLS_OF_CLIENTS][..],
        _ => &[],
    };
    let of_all = message.name() == VIRTUAL_HOST
        && seen.iter().any(|one| one.field.name() == TLS_OF_CLIENTS && one.value == Wire::Number(ALL));
    fields
        .iter()
        .copied()
        .filter(|field| seen.iter().any(|one| one.field.name() == *field && !one.value.is_default(one.field)))
        .chain(of_all.then_some("require_tls of all"))
}

const VIRTUAL_HOST: &str = "envoy.config.route.v3.VirtualHost";
const TLS_OF_CLIENTS: &str = "require_tls";
/// `TlsRequirementType.ALL`.
const ALL: u64 = 2;

pub(super) const HTTP_FILTER: &str = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter";
const BY_NAME: [&str; 2] = ["validation_context_sds_secret_config", "combined_validation_context"];
const CONTEXT: [&str; 8] = [
    "trusted_ca",
    "verify_certificate_hash",
    "verify_certificate_spki",
    "match_typed_subject_alt_names",
    "match_subject_alt_names",
    "crl",
    "require_signed_certificate_timestamp",
    "custom_validator_config",
];

fn said(rules: &Option<Rules>, matches: bool, tries: bool) -> Option<&'static str> {
    match (matches || rules.as_ref().is_some_and(may_deny), tries) {
        (true, _) => Some(""),
        (false, true) => Some(" (shadow rules alone)"),
        (false, false) => None,
    }
}
