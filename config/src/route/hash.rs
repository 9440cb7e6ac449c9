//! `hash_policy` to plain data. Called by [`super::action`].

use std::sync::Arc;

use super::HashPolicy;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{self, route::v3::route_action as pb};
use crate::rejection::{At, Rejection};

/// The policies of a route, those left out that this proxy has no value for.
pub(crate) fn policies(at: &At<'_>, list: &[pb::HashPolicy], options: &Options) -> Result<Vec<HashPolicy>, Rejection> {
    let mut policies = Vec::with_capacity(list.len());
    for (index, proto) in list.iter().enumerate() {
        policies.extend(policy(&at.index(index), proto, options)?);
    }
    Ok(policies)
}

fn policy(at: &At<'_>, proto: &pb::HashPolicy, options: &Options) -> Result<Option<HashPolicy>, Rejection> {
    use pb::hash_policy::PolicySpecifier as Policy;
    Ok(Some(match &proto.policy_specifier {
        None => return Err(at.reject("is empty; give header, cookie, connection_properties or query_parameter")),
        Some(Policy::Header(header)) => {
            let at = at.field("header");
            HashPolicy::Header(field_rules::header_name(&at.field("header_name"), &header.header_name)?)
        }
        Some(Policy::Cookie(cookie)) => {
            let at = at.field("cookie");
            HashPolicy::Cookie {
                name: field_rules::not_empty(&at.field("name"), &cookie.name)?,
                ttl: proto::duration(&at.field("ttl"), &cookie.ttl)?,
                path: Arc::from(cookie.path.as_str()),
            }
        }
        Some(Policy::ConnectionProperties(properties)) if properties.source_ip => HashPolicy::SourceIp,
        Some(Policy::ConnectionProperties(_)) => return Ok(None),
        Some(Policy::QueryParameter(query)) => {
            let at = at.field("query_parameter");
            HashPolicy::QueryParameter(field_rules::not_empty(&at.field("name"), &query.name)?)
        }
        Some(Policy::FilterState(_)) => {
            options.note(&at.field("filter_state"), "is not acting; no filter writes such state");
            return Ok(None);
        }
    }))
}
