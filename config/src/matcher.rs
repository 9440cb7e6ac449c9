//! String, header, query and range matchers, parsed once (`envoy.type.matcher.v3`, `envoy.config.route.v3.HeaderMatcher`).

use std::sync::Arc;

/// `envoy.type.matcher.v3.StringMatcher`. Regexes match the full value, as RE2's `FullMatch` does.
#[derive(Debug, Clone)]
pub enum StringMatcher {
    /// Equal.
    Exact {
        /// The value; lower case when `ignore_case`.
        value: Arc<str>,
        /// ASCII case is ignored.
        ignore_case: bool,
    },
    /// Begins with.
    Prefix {
        /// The value; lower case when `ignore_case`.
        value: Arc<str>,
        /// ASCII case is ignored.
        ignore_case: bool,
    },
    /// Ends with.
    Suffix {
        /// The value; lower case when `ignore_case`.
        value: Arc<str>,
        /// ASCII case is ignored.
        ignore_case: bool,
    },
    /// Contains.
    Contains {
        /// The value; lower case when `ignore_case`.
        value: Arc<str>,
        /// ASCII case is ignored.
        ignore_case: bool,
    },
    /// Full match of a regular expression (RE2 syntax).
    Regex(regex::bytes::Regex),
}

impl StringMatcher {
    /// Whether the value matches.
    pub fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Exact { value: want, ignore_case: false } => value == want.as_bytes(),
            Self::Exact { value: want, ignore_case: true } => value.eq_ignore_ascii_case(want.as_bytes()),
            Self::Prefix { value: want, ignore_case } => {
                value.get(..want.len()).is_some_and(|head| equal(head, want.as_bytes(), *ignore_case))
            }
            Self::Suffix { value: want, ignore_case } => value
                .len()
                .checked_sub(want.len())
                .is_some_and(|start| equal(&value[start..], want.as_bytes(), *ignore_case)),
            Self::Contains { value: want, ignore_case } => {
                want.is_empty() || value.windows(want.len()).any(|part| equal(part, want.as_bytes(), *ignore_case))
            }
            // The translation anchors the expression, so `is_match` is a full match.
            Self::Regex(regex) => regex.is_match(value),
        }
    }
}

fn equal(left: &[u8], right: &[u8], ignore_case: bool) -> bool {
    if ignore_case { left.eq_ignore_ascii_case(right) } else { left == right }
}

/// `envoy.config.route.v3.CookieMatcher`.
#[derive(Debug, Clone)]
pub struct CookieMatcher {
    /// Name of the cookie.
    pub name: Arc<str>,
    /// What its value must be; one that is not there is nothing.
    pub value: StringMatcher,
    /// `invert_match`.
    pub invert: bool,
}

/// `envoy.type.matcher.v3.FilterStateMatcher`.
#[derive(Debug, Clone)]
pub struct FilterStateMatcher {
    /// Which object.
    pub key: Arc<str>,
    /// What it must be; one that is not there is nothing.
    pub rule: FilterStateRule,
}

/// The condition of a [`FilterStateMatcher`].
#[derive(Debug, Clone)]
pub enum FilterStateRule {
    /// `string_match`.
    String(StringMatcher),
    /// `address_match`.
    Address {
        /// `ranges`.
        ranges: Vec<ipnet::IpNet>,
        /// `invert_match`.
        invert: bool,
    },
}

/// `envoy.config.route.v3.HeaderMatcher`.
#[derive(Debug, Clone)]
pub struct HeaderMatcher {
    /// Lower-case header name, or a pseudo header such as `:method`.
    pub name: Arc<str>,
    /// What its value must be.
    pub rule: HeaderRule,
    /// `invert_match`.
    pub invert: bool,
    /// `treat_missing_header_as_empty`.
    pub missing_is_empty: bool,
}

/// The condition of a [`HeaderMatcher`]. A header with several lines meets it by any one of them.
#[derive(Debug, Clone)]
pub enum HeaderRule {
    /// `present_match`; false means the header must be absent.
    Present(bool),
    /// `string_match` and the deprecated spellings of it.
    String(StringMatcher),
    /// `range_match`: start inclusive, end exclusive, of a decimal 64-bit integer.
    Range {
        /// First value that matches.
        start: i64,
        /// First value after the range.
        end: i64,
    },
}

impl HeaderMatcher {
    /// Whether the header matches, given its value (`None`: absent; several values are joined with `,` before).
    pub fn matches(&self, value: Option<&[u8]>) -> bool {
        match (&self.rule, value) {
            // A header that counts as empty is there.
            (rule, None) if self.missing_is_empty => rule.matches(b"") != self.invert,
            (HeaderRule::Present(wanted), value) => (value.is_some() == *wanted) != self.invert,
            (_, None) => false,
            (rule, Some(value)) => rule.matches(value) != self.invert,
        }
    }
}

impl HeaderRule {
    fn matches(&self, value: &[u8]) -> bool {
        match self {
            HeaderRule::Present(wanted) => *wanted,
            HeaderRule::String(matcher) => matcher.matches(value),
            HeaderRule::Range { start, end } => {
                let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<i64>().ok());
                number.is_some_and(|number| (*start..*end).contains(&number))
            }
        }
    }
}

/// `envoy.config.route.v3.QueryParameterMatcher`.
#[derive(Debug, Clone)]
pub struct QueryParameterMatcher {
    /// Parameter name, case-sensitive.
    pub name: Arc<str>,
    /// `None`: presence suffices. `Some(false-ish)` presence is expressed with [`QueryRule`].
    pub rule: QueryRule,
}

/// The condition of a [`QueryParameterMatcher`].
#[derive(Debug, Clone)]
pub enum QueryRule {
    /// `present_match`.
    Present(bool),
    /// `string_match`.
    String(StringMatcher),
}

/// `envoy.type.v3.FractionalPercent`: `numerator` of `denominator` (100, 10 000 or 1 000 000).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fraction {
    /// How many.
    pub numerator: u32,
    /// Of how many.
    pub denominator: u32,
}

impl Fraction {
    /// Of a hundred.
    pub const fn percent(numerator: u32) -> Fraction {
        Fraction { numerator, denominator: 100 }
    }
}

pub use predicate::ResponsePredicate;
pub use value::{MetadataMatcher, ValueMatcher};

pub(crate) mod decode;
pub mod octets;
pub(crate) mod predicate;
pub mod re2;
pub(crate) mod uri_template;
pub(crate) mod value;
pub use uri_template::{Piece as TemplatePiece, UriTemplate};
