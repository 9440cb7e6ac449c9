//! `hash_policy` to plain data. Called by [`super::action`] and for clusters.

use std::sync::Arc;

use super::{HashBy, HashPolicy};
use crate::field_rules;
use crate::matcher;
use crate::options::Options;
use crate::proto::{self, route::v3::route_action as pb};
use crate::rejection::{At, Rejection};

/// The policies of a route, those left out that hash nothing.
pub(crate) fn policies(at: &At<'_>, list: &[pb::HashPolicy], options: &Options) -> Result<Vec<HashPolicy>, Rejection> {
    let mut policies = Vec::with_capacity(list.len());
    for (index, proto) in list.iter().enumerate() {
        let by = by(&at.index(index), proto, options)?;
        policies.extend(by.map(|by| HashPolicy { by, terminal: proto.terminal }));
    }
    Ok(policies)
}

fn by(at: &At<'_>, proto: &pb::HashPolicy, options: &Options) -> Result<Option<HashBy>, Rejection> {
    use pb::hash_policy::PolicySpecifier as Policy;
    Ok(Some(match &proto.policy_specifier {
        None => {
            return Err(
                at.reject("is empty; give header, cookie, connection_properties, query_parameter or filter_state")
            );
        }
        Some(Policy::Header(header)) => {
            let at = at.field("header");
            let at_rewrite = at.field("regex_rewrite");
            let rewrite = header.regex_rewrite.as_ref();
            HashBy::Header(
                field_rules::header_name(&at.field("header_name"), &header.header_name)?,
                rewrite.map(|one| matcher::decode::substitution(&at_rewrite, one, options)).transpose()?.flatten(),
            )
        }
        Some(Policy::Cookie(cookie)) => {
            let at = at.field("cookie");
            let at_attributes = at.field("attributes");
            let attribute = |(index, one): (usize, &pb::hash_policy::CookieAttribute)| {
                let at = at_attributes.index(index);
                field_rules::cookie_text(&at.field("name"), &one.name)?;
                field_rules::cookie_text(&at.field("value"), &one.value)?;
                Ok((field_rules::not_empty(&at.field("name"), &one.name)?, Arc::from(one.value.as_str())))
            };
            field_rules::cookie_text(&at.field("name"), &cookie.name)?;
            field_rules::cookie_text(&at.field("path"), &cookie.path)?;
            HashBy::Cookie {
                name: field_rules::not_empty(&at.field("name"), &cookie.name)?,
                ttl: proto::duration(&at.field("ttl"), &cookie.ttl)?,
                path: Arc::from(cookie.path.as_str()),
                attributes: cookie.attributes.iter().enumerate().map(attribute).collect::<Result<_, Rejection>>()?,
            }
        }
        Some(Policy::ConnectionProperties(properties)) if properties.source_ip => HashBy::SourceIp,
        Some(Policy::ConnectionProperties(_)) => return Ok(None),
        Some(Policy::QueryParameter(query)) => {
            let at = at.field("query_parameter");
            HashBy::QueryParameter(field_rules::not_empty(&at.field("name"), &query.name)?)
        }
        Some(Policy::FilterState(state)) => {
            HashBy::FilterState(field_rules::not_empty(&at.field("filter_state").field("key"), &state.key)?)
        }
    }))
}
