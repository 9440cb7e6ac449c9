//! Permissions and principals, compiled. Called by the engine. What is not there never meets a rule, but for the server name, which is
//! empty then, and for the negation of a rule, which holds.

use std::sync::Arc;

use config::matcher::{MetadataMatcher, StringMatcher};
use config::rbac::Rule as Config;
use config::tls::SanMatcher;
use ipnet::IpNet;

use crate::policy::facts::Facts;
use crate::policy::headers::HeaderMatchers;
use crate::tls::info::TlsInfo;
use crate::tls::proves;

/// One of them.
#[derive(Debug)]
pub(super) enum Rule {
    Any,
    All(Box<[Rule]>),
    OneOf(Box<[Rule]>),
    Not(Box<Rule>),
    Header(HeaderMatchers),
    UrlPath(StringMatcher),
    UriTemplate(regex::bytes::Regex),
    DestinationIp(IpNet),
    DestinationPorts(std::ops::Range<u32>),
    ServerName(StringMatcher),
    Metadata(MetadataMatcher),
    RouteMetadata(MetadataMatcher),
    SourceIp(IpNet),
    DirectRemoteIp(IpNet),
    RemoteIp(IpNet),
    Authenticated(Option<StringMatcher>),
    FilterState(Arc<str>, StringMatcher),
    FilterStateIp { key: Arc<str>, ranges: Box<[IpNet]>, invert: bool },
    MtlsAuthenticated(Option<SanMatcher>),
}

impl Rule {
    pub(super) fn compile(config: &Config) -> Rule {
        let all = |rules: &[Config]| rules.iter().map(Rule::compile).collect();
        match config {
            Config::Any => Rule::Any,
            Config::All(rules) => Rule::All(all(rules)),
            Config::OneOf(rules) => Rule::OneOf(all(rules)),
            Config::Not(rule) => Rule::Not(Box::new(Rule::compile(rule))),
            Config::Header(matcher) => Rule::Header(HeaderMatchers::compile(std::slice::from_ref(matcher))),
            Config::UrlPath(matcher) => Rule::UrlPath(matcher.clone()),
            Config::UriTemplate(regex) => Rule::UriTemplate(regex.clone()),
            Config::DestinationIp(range) => Rule::DestinationIp(*range),
            Config::DestinationPort(port) => Rule::DestinationPorts(u32::from(*port)..u32::from(*port) + 1),
            Config::DestinationPorts(range) => Rule::DestinationPorts(range.clone()),
            Config::ServerName(matcher) => Rule::ServerName(matcher.clone()),
            Config::Metadata(matcher) => Rule::Metadata(matcher.clone()),
            Config::RouteMetadata(matcher) => Rule::RouteMetadata(matcher.clone()),
            Config::SourceIp(range) => Rule::SourceIp(*range),
            Config::DirectRemoteIp(range) => Rule::DirectRemoteIp(*range),
            Config::RemoteIp(range) => Rule::RemoteIp(*range),
            Config::Authenticated(name) => Rule::Authenticated(name.clone()),
            Config::FilterState(key, matcher) => Rule::FilterState(key.clone(), matcher.clone()),
            Config::FilterStateIp { key, ranges, invert } => {
                Rule::FilterStateIp { key: key.clone(), ranges: ranges.as_slice().into(), invert: *invert }
            }
            Config::Nothing => Rule::OneOf(Box::default()),
            Config::MtlsAuthenticated(name) => Rule::MtlsAuthenticated(name.clone()),
        }
    }

    pub(super) fn holds(&self, facts: &dyn Facts) -> bool {
        match self {
            Rule::Any => true,
            Rule::All(rules) => rules.iter().all(|rule| rule.holds(facts)),
            Rule::OneOf(rules) => rules.iter().any(|rule| rule.holds(facts)),
            Rule::Not(rule) => !rule.holds(facts),
            Rule::Header(matcher) => facts.request().is_some_and(|head| matcher.match_request(head)),
            Rule::UrlPath(matcher) => url_path(facts).is_some_and(|path| matcher.matches(path)),
            Rule::UriTemplate(regex) => url_path(facts).is_some_and(|path| regex.is_match(path)),
            Rule::DestinationIp(range) => range.contains(&facts.local().ip()),
            Rule::DestinationPorts(range) => range.contains(&u32::from(facts.local().port())),
            Rule::ServerName(matcher) => matcher.matches(facts.server_name().unwrap_or_default()),
            Rule::Metadata(matcher) => {
                let mut holds = matcher.invert;
                facts.metadata(&matcher.filter, &matcher.path, &mut |value| {
                    holds = matcher.value.matches(value) != matcher.invert;
                });
                holds
            }
            Rule::RouteMetadata(matcher) => {
                facts.route_metadata().is_some_and(|metadata| matcher.matches(metadata.of_filter(&matcher.filter)))
            }
            Rule::SourceIp(range) => range.contains(&facts.connection_remote().ip()),
            Rule::DirectRemoteIp(range) => range.contains(&facts.direct_remote().ip()),
            Rule::RemoteIp(range) => range.contains(&facts.remote().ip()),
            Rule::Authenticated(name) => facts.tls().is_some_and(|tls| is_called(tls, name.as_ref())),
            Rule::FilterState(key, matcher) => facts.filter_state(key).is_some_and(|value| matcher.matches(&value)),
            Rule::FilterStateIp { key, ranges, invert } => facts
                .filter_state_address(key)
                .is_some_and(|address| ranges.iter().any(|range| range.contains(&address.ip())) != *invert),
            Rule::MtlsAuthenticated(name) => facts.tls().is_some_and(|tls| {
                tls.validated
                    && name.as_ref().is_none_or(|name| tls.peer.as_ref().is_some_and(|peer| proves(peer, name)))
            }),
        }
    }
}

/// Without query and fragment.
pub(super) fn url_path(facts: &dyn Facts) -> Option<&[u8]> {
    let path = &facts.request()?.path[..];
    let end = path.iter().position(|octet| matches!(octet, b'?' | b'#')).unwrap_or(path.len());
    Some(&path[..end]).filter(|path| !path.is_empty())
}

/// One of the peer's names: URIs, then DNS names, then the subject, which is empty where there is none.
fn is_called(tls: &TlsInfo, name: Option<&StringMatcher>) -> bool {
    let Some(name) = name else { return true };
    let Some(peer) = &tls.peer else { return name.matches(b"") };
    let mut names = peer.uri_sans.iter().chain(&peer.dns_sans);
    names.any(|one| name.matches(one.as_bytes())) || name.matches(peer.subject.as_bytes())
}
