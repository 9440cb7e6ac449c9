//! What some messages say of themselves: whether a config has any rules, what a struct stands for, which filter it is.

use prost::Message as _;

use crate::extension::message_name;
use crate::proto::extensions::filters::http::rbac::v3 as http;
use crate::proto::extensions::filters::network::http_connection_manager::v3::{HttpFilter, http_filter};
use crate::proto::extensions::filters::network::rbac::v3 as network;

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
            said(
                rbac.rules.is_some() || rbac.matcher.is_some(),
                rbac.shadow_rules.is_some() || rbac.shadow_matcher.is_some(),
            )
        }
        _ => Some(""),
    }
}

fn of_http(rbac: &http::Rbac) -> Option<&'static str> {
    said(rbac.rules.is_some() || rbac.matcher.is_some(), rbac.shadow_rules.is_some() || rbac.shadow_matcher.is_some())
}

fn said(judges: bool, tries: bool) -> Option<&'static str> {
    match (judges, tries) {
        (true, _) => Some(""),
        (false, true) => Some(" (shadow rules alone)"),
        (false, false) => None,
    }
}
