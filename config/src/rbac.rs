//! `envoy.config.rbac.v3`: who may do what, as rules or as a match tree. Called by the two RBAC filters. A rule that is not understood
//! refuses the filter: one that is skipped would let pass what somebody forbade.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use ipnet::IpNet;

use crate::address;
use crate::cel;
use crate::extension;
use crate::field_rules;
use crate::match_tree::{self, Matcher, Place};
use crate::matcher::{self, HeaderMatcher, MetadataMatcher, StringMatcher};
use crate::options::Options;
use crate::proto::{self, core::v3 as core, rbac::v3 as pb, types::matcher::v3 as types};
use crate::registry;
use crate::rejection::{At, Rejection};
use crate::tls::SanMatcher;

mod rule;

/// The rules of a filter: those that decide, and those whose verdict is only told.
#[derive(Debug, Clone, Default)]
pub struct Rbac {
    /// `matcher`, or else `rules`; `None`: all is allowed.
    pub rules: Option<Engine>,
    /// `rules_stat_prefix`.
    pub rules_stat_prefix: Arc<str>,
    /// `shadow_matcher`, or else `shadow_rules`.
    pub shadow: Option<Engine>,
    /// `shadow_rules_stat_prefix`.
    pub shadow_stat_prefix: Arc<str>,
    /// `track_per_rule_stats`.
    pub track_per_rule_stats: bool,
}

/// What decides.
#[derive(Debug, Clone)]
pub enum Engine {
    /// `RBAC`: an action, and for whom.
    Rules(Action, BTreeMap<Arc<str>, Policy>),
    /// A tree that names policies. What it does not say is denied.
    Tree(Matcher<Named>),
}

/// `RBAC.Action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Whom a policy matches may pass, and nobody else.
    Allow,
    /// Whom a policy matches may not pass.
    Deny,
    /// All may pass; logs are told of those whom a policy matches.
    Log,
}

/// `Action`: what a tree says.
#[derive(Debug, Clone)]
pub struct Named {
    /// `name` of the policy.
    pub name: Arc<str>,
    /// `action`.
    pub action: Action,
}

/// `Policy`: all must match.
#[derive(Debug, Clone)]
pub struct Policy {
    /// `permissions`: one of them.
    pub permissions: Vec<Rule>,
    /// `principals`: one of them.
    pub principals: Vec<Rule>,
    /// `condition`.
    pub condition: Option<Arc<cel::Expr>>,
}

/// `Permission`, or `Principal`.
#[derive(Debug, Clone)]
pub enum Rule {
    /// `any`.
    Any,
    /// `and_rules`, `and_ids`.
    All(Vec<Rule>),
    /// `or_rules`, `or_ids`.
    OneOf(Vec<Rule>),
    /// `not_rule`, `not_id`.
    Not(Box<Rule>),
    /// `header`: each of its lines is looked at by itself.
    Header(HeaderMatcher),
    /// `url_path`: without query and fragment.
    UrlPath(StringMatcher),
    /// `uri_template`: likewise.
    UriTemplate(regex::bytes::Regex),
    /// `destination_ip`.
    DestinationIp(IpNet),
    /// `destination_port`.
    DestinationPort(u16),
    /// `destination_port_range`.
    DestinationPorts(Range<u32>),
    /// `requested_server_name`; none is empty.
    ServerName(StringMatcher),
    /// `metadata`, and `sourced_metadata` of what filters have written.
    Metadata(MetadataMatcher),
    /// `sourced_metadata` of the route.
    RouteMetadata(MetadataMatcher),
    /// `source_ip`: who connected, as PROXY protocol says.
    SourceIp(IpNet),
    /// `direct_remote_ip`: who connected.
    DirectRemoteIp(IpNet),
    /// `remote_ip`: as headers say.
    RemoteIp(IpNet),
    /// `authenticated`: TLS, with one of these names if there is a matcher.
    Authenticated(Option<StringMatcher>),
    /// `filter_state.string_match`.
    FilterState(Arc<str>, StringMatcher),
    /// `filter_state.address_match`: an object that is an address, in one of these ranges, or in none of them.
    FilterStateIp {
        /// Of the object.
        key: Arc<str>,
        /// `ranges`.
        ranges: Vec<IpNet>,
        /// `invert_match`.
        invert: bool,
    },
    /// `matcher`: `UpstreamIpPortMatcher`, which looks at an object that nothing here can set.
    Nothing,
    /// `custom`: `MTlsAuthenticated`, a certificate that was verified, with this name if one is asked for.
    MtlsAuthenticated(Option<SanMatcher>),
}

/// The rules or the tree of one kind; the tree goes first, as with Envoy.
pub(crate) fn engine(
    (at_rules, rules): (&At<'_>, &Option<pb::Rbac>),
    (at_tree, tree): (&At<'_>, &Option<envoy_types::pb::xds::r#type::matcher::v3::Matcher>),
    place: Place,
    options: &Options,
) -> Result<Option<Engine>, Rejection> {
    if let Some(tree) = tree {
        if rules.is_some() {
            options.note(at_rules, format_args!("these rules are not acting beside a matcher"));
        }
        let tree = match_tree::xds(at_tree, tree, place, options, &|at, one| named(at, one, options))?;
        return Ok(Some(Engine::Tree(tree)));
    }
    let Some(rules) = rules else { return Ok(None) };
    if rules.audit_logging_options.is_some() {
        options.note(&at_rules.field("audit_logging_options"), format_args!("nothing is audited, as in Envoy"));
    }
    let action = action(&at_rules.field("action"), rules.action)?;
    let at = at_rules.field("policies");
    // Sorted, so that the same rejection is told each time.
    let sorted: BTreeMap<_, _> = rules.policies.iter().collect();
    let policies = sorted
        .into_iter()
        .map(|(name, one)| Ok((Arc::from(name.as_str()), policy(&at.key(name), one, place, options)?)));
    Ok(Some(Engine::Rules(action, policies.collect::<Result<_, Rejection>>()?)))
}

fn action(at: &At<'_>, value: i32) -> Result<Action, Rejection> {
    Ok(match proto::defined::<pb::rbac::Action>(at, value)? {
        pb::rbac::Action::Allow => Action::Allow,
        pb::rbac::Action::Deny => Action::Deny,
        pb::rbac::Action::Log => Action::Log,
    })
}

fn named(at: &At<'_>, one: &core::TypedExtensionConfig, options: &Options) -> Result<Named, Rejection> {
    let at = at.field("typed_config");
    let extension = extension::open_required(&at, &one.typed_config)?;
    if extension.type_name != "envoy.config.rbac.v3.Action" {
        return Err(registry::not_registered(&at, &one.name, &extension.type_name));
    }
    let proto: pb::Action = extension.decode(&at, options)?;
    let name = field_rules::not_empty(&at.field("name"), &proto.name)?;
    Ok(Named { name, action: action(&at.field("action"), proto.action)? })
}

fn policy(at: &At<'_>, proto: &pb::Policy, place: Place, options: &Options) -> Result<Policy, Rejection> {
    if proto.checked_condition.is_some() {
        return Err(at
            .field("checked_condition")
            .reject("is not evaluated, and Envoy does not look at it; give the expression inside it as condition"));
    }
    let place_of_condition = match place {
        Place::Http | Place::Rbac => cel::Place::Request,
        Place::Network => cel::Place::Connection,
    };
    let condition = proto.condition.as_ref();
    let condition = condition
        .map(|one| {
            cel::condition(&at.field("condition"), one, proto.cel_config.as_ref(), place_of_condition).map(Arc::new)
        })
        .transpose()?;
    let (at_permissions, at_principals) = (at.field("permissions"), at.field("principals"));
    field_rules::at_least_one(&at_permissions, &proto.permissions)?;
    field_rules::at_least_one(&at_principals, &proto.principals)?;
    let permissions = proto.permissions.iter().enumerate();
    let principals = proto.principals.iter().enumerate();
    Ok(Policy {
        permissions: permissions
            .map(|(index, one)| rule::permission(&at_permissions.index(index), one, place, options))
            .collect::<Result<_, _>>()?,
        principals: principals
            .map(|(index, one)| rule::principal(&at_principals.index(index), one, place, options))
            .collect::<Result<_, _>>()?,
        condition,
    })
}

fn url_path(at: &At<'_>, proto: &types::PathMatcher) -> Result<Rule, Rejection> {
    match &proto.rule {
        None => Err(at.reject("is empty; give path")),
        Some(types::path_matcher::Rule::Path(path)) => {
            Ok(Rule::UrlPath(matcher::decode::string(&at.field("path"), path)?))
        }
    }
}

fn sourced(at: &At<'_>, proto: &pb::SourcedMetadata) -> Result<Rule, Rejection> {
    let at_matcher = at.field("metadata_matcher");
    let found = matcher::value::metadata(&at_matcher, field_rules::required(&at_matcher, &proto.metadata_matcher)?)?;
    Ok(match proto::defined::<pb::MetadataSource>(&at.field("metadata_source"), proto.metadata_source)? {
        pb::MetadataSource::Dynamic => Rule::Metadata(found),
        pb::MetadataSource::Route => Rule::RouteMetadata(found),
    })
}

fn cidr(at: &At<'_>, proto: &core::CidrRange) -> Result<IpNet, Rejection> {
    address::decode::cidr(at, proto)
}
