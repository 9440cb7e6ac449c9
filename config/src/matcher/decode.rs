//! Matcher messages to plain data. Called for routes, TLS subject names, access-log filters and the stats matcher.

use std::sync::Arc;

use super::{
    CookieMatcher, FilterStateMatcher, FilterStateRule, Fraction, HeaderMatcher, HeaderRule, QueryParameterMatcher,
    QueryRule, StringMatcher, re2,
};
use crate::address;
use crate::field_rules;
use crate::options::Options;
use crate::proto::{core, route::v3 as route, types::matcher::v3 as pb, types::v3 as percent};
use crate::rejection::{At, Rejection};
use crate::runtime::Live;

/// `StringMatcher`.
pub(crate) fn string(at: &At<'_>, proto: &pb::StringMatcher) -> Result<StringMatcher, Rejection> {
    use pb::string_matcher::MatchPattern;
    let ignore_case = proto.ignore_case;
    let value = |text: &str| -> Arc<str> { if ignore_case { text.to_ascii_lowercase().into() } else { text.into() } };
    let some = |name, text: &str| field_rules::not_empty(&at.field(name), text);
    Ok(match &proto.match_pattern {
        None => return Err(at.reject("has no pattern; give exact, prefix, suffix, contains or safe_regex")),
        Some(MatchPattern::Exact(text)) => StringMatcher::Exact { value: value(text), ignore_case },
        Some(MatchPattern::Prefix(text)) => StringMatcher::Prefix { value: value(&some("prefix", text)?), ignore_case },
        Some(MatchPattern::Suffix(text)) => StringMatcher::Suffix { value: value(&some("suffix", text)?), ignore_case },
        Some(MatchPattern::Contains(text)) => {
            StringMatcher::Contains { value: value(&some("contains", text)?), ignore_case }
        }
        Some(MatchPattern::SafeRegex(regex)) => StringMatcher::Regex(full_regex(&at.field("safe_regex"), regex)?),
        Some(MatchPattern::Custom(custom)) => {
            return Err(at
                .field("custom")
                .unsupported(format!("matcher extension {:?} is not supported", custom.name)));
        }
    })
}

/// Several string matchers.
pub(crate) fn strings(at: &At<'_>, list: &[pb::StringMatcher]) -> Result<Vec<StringMatcher>, Rejection> {
    list.iter().enumerate().map(|(index, one)| string(&at.index(index), one)).collect()
}

/// A regular expression that must match the whole value.
pub(crate) fn full_regex(at: &At<'_>, proto: &pb::RegexMatcher) -> Result<regex::bytes::Regex, Rejection> {
    let at = at.field("regex");
    field_rules::not_empty(&at, &proto.regex)?;
    re2::full_match(&proto.regex).map_err(|reason| at.reject(reason))
}

/// `RegexMatchAndSubstitute`: the pattern, which may match anywhere, and the replacement. `None` where the replacement names a
/// group that the pattern does not have: Envoy takes that and replaces nothing.
pub(crate) fn substitution(
    at: &At<'_>,
    proto: &pb::RegexMatchAndSubstitute,
    options: &Options,
) -> Result<Option<(regex::bytes::Regex, Arc<str>)>, Rejection> {
    let at_pattern = at.field("pattern");
    let pattern = field_rules::required(&at_pattern, &proto.pattern)?;
    let at_regex = at_pattern.field("regex");
    field_rules::not_empty(&at_regex, &pattern.regex)?;
    let regex = re2::partial_match(&pattern.regex).map_err(|reason| at_regex.reject(reason))?;
    let at_substitution = at.field("substitution");
    match re2::check_substitution(&regex, &proto.substitution).map_err(|reason| at_substitution.reject(reason))? {
        re2::Substitution::Valid => Ok(Some((regex, Arc::from(proto.substitution.as_str())))),
        re2::Substitution::NoSuchGroup(group) => {
            options.note(
                &at_substitution,
                format_args!("\\{group} names a group that the pattern does not have; nothing is replaced"),
            );
            Ok(None)
        }
    }
}

/// `HeaderMatcher`.
pub(crate) fn header(at: &At<'_>, proto: &route::HeaderMatcher) -> Result<HeaderMatcher, Rejection> {
    use pb::string_matcher::MatchPattern;
    use route::header_matcher::HeaderMatchSpecifier as Rule;
    let name = field_rules::header_name(&at.field("name"), &proto.name)?;
    // The deprecated spellings mean the same as `string_match`.
    let plain = |field: &str, pattern: MatchPattern| {
        let proto = pb::StringMatcher { match_pattern: Some(pattern), ignore_case: false };
        string(&at.field(field), &proto).map(HeaderRule::String)
    };
    let rule = match &proto.header_match_specifier {
        None => HeaderRule::Present(true),
        Some(Rule::PresentMatch(present)) => HeaderRule::Present(*present),
        Some(Rule::StringMatch(matcher)) => HeaderRule::String(string(&at.field("string_match"), matcher)?),
        Some(Rule::ExactMatch(text)) => plain("exact_match", MatchPattern::Exact(text.clone()))?,
        Some(Rule::PrefixMatch(text)) => plain("prefix_match", MatchPattern::Prefix(text.clone()))?,
        Some(Rule::SuffixMatch(text)) => plain("suffix_match", MatchPattern::Suffix(text.clone()))?,
        Some(Rule::ContainsMatch(text)) => plain("contains_match", MatchPattern::Contains(text.clone()))?,
        Some(Rule::SafeRegexMatch(regex)) => {
            HeaderRule::String(StringMatcher::Regex(full_regex(&at.field("safe_regex_match"), regex)?))
        }
        Some(Rule::RangeMatch(range)) => HeaderRule::Range { start: range.start, end: range.end },
    };
    Ok(HeaderMatcher { name, rule, invert: proto.invert_match, missing_is_empty: proto.treat_missing_header_as_empty })
}

/// Several header matchers.
pub(crate) fn headers(at: &At<'_>, list: &[route::HeaderMatcher]) -> Result<Vec<HeaderMatcher>, Rejection> {
    list.iter().enumerate().map(|(index, one)| header(&at.index(index), one)).collect()
}

/// `CookieMatcher`.
pub(crate) fn cookie(at: &At<'_>, proto: &route::CookieMatcher) -> Result<CookieMatcher, Rejection> {
    let at_value = at.field("string_match");
    Ok(CookieMatcher {
        name: field_rules::not_empty(&at.field("name"), &proto.name)?,
        value: string(&at_value, field_rules::required(&at_value, &proto.string_match)?)?,
        invert: proto.invert_match,
    })
}

/// `FilterStateMatcher`.
pub(crate) fn filter_state(at: &At<'_>, proto: &pb::FilterStateMatcher) -> Result<FilterStateMatcher, Rejection> {
    use pb::filter_state_matcher::Matcher;
    let rule = match &proto.matcher {
        None => return Err(at.reject("has no matcher; give string_match or address_match")),
        Some(Matcher::StringMatch(text)) => FilterStateRule::String(string(&at.field("string_match"), text)?),
        Some(Matcher::AddressMatch(address)) => FilterStateRule::Address {
            ranges: address::decode::xds_cidrs(&at.field("address_match").field("ranges"), &address.ranges)?,
            invert: address.invert_match,
        },
    };
    Ok(FilterStateMatcher { key: field_rules::not_empty(&at.field("key"), &proto.key)?, rule })
}

/// `QueryParameterMatcher`.
pub(crate) fn query(at: &At<'_>, proto: &route::QueryParameterMatcher) -> Result<QueryParameterMatcher, Rejection> {
    use route::query_parameter_matcher::QueryParameterMatchSpecifier as Rule;
    let name = field_rules::not_empty(&at.field("name"), &proto.name)?;
    let rule = match &proto.query_parameter_match_specifier {
        None => QueryRule::Present(true),
        Some(Rule::PresentMatch(present)) => QueryRule::Present(*present),
        Some(Rule::StringMatch(matcher)) => QueryRule::String(string(&at.field("string_match"), matcher)?),
    };
    Ok(QueryParameterMatcher { name, rule })
}

/// `FractionalPercent`.
pub(crate) fn fraction(at: &At<'_>, proto: &percent::FractionalPercent) -> Result<Fraction, Rejection> {
    use percent::fractional_percent::DenominatorType;
    let denominator = match crate::proto::defined::<DenominatorType>(&at.field("denominator"), proto.denominator)? {
        DenominatorType::Hundred => 100,
        DenominatorType::TenThousand => 10_000,
        DenominatorType::Million => 1_000_000,
    };
    Ok(Fraction { numerator: proto.numerator, denominator })
}

/// `RuntimeFractionalPercent`.
pub(crate) fn fraction_at(
    at: &At<'_>,
    proto: &core::v3::RuntimeFractionalPercent,
    options: &Options,
) -> Result<Live<Fraction>, Rejection> {
    let at = at.field("default_value");
    let default = fraction(&at, field_rules::required(&at, &proto.default_value)?)?;
    Ok(options.runtime.live(&proto.runtime_key, default))
}
