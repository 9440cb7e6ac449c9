//! CEL: conditions and values that an operator writes as expressions, as a tree (`google.api.expr.v1alpha1`) or as a text. Called by RBAC's
//! policies and by access logs. What comes out is resolved as far as it can be: which attribute, which function. The proxy only evaluates.
//!
//! As in Envoy: no comprehensions, no messages, strings are neither made nor joined unless `CelExpressionConfig` says so, and a function
//! that there is not refuses the resource. What Envoy would find out for each request is refused here where it can be seen now: a
//! pattern that is none, an attribute that is never known at this place.

use std::sync::Arc;

mod attribute;
mod decode;
mod function;
mod text;

pub use attribute::{Attribute, HeadersOf, MetadataOf, Side, TlsField};
pub use function::Function;

pub(crate) use decode::{condition, of_text, value_of_text};

/// Where an expression is evaluated: what is known there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a filter of HTTP, when the request's head is there.
    Request,
    /// In a network filter.
    Connection,
    /// In a line of a log, or the value of a header.
    Line,
}

/// An expression.
#[derive(Debug, Clone)]
pub enum Expr {
    /// A constant.
    Literal(Literal),
    /// `request.path` and the like.
    Attribute(Attribute),
    /// `request.headers` as a whole.
    Headers(HeadersOf),
    /// `request.headers["name"]`: the name is lower case, or a pseudo header.
    Header(HeadersOf, Arc<str>),
    /// `metadata.filter_metadata` as a whole.
    FilterMetadata(MetadataOf),
    /// `metadata.filter_metadata["filter"]` and what is below it.
    Metadata(MetadataOf, Arc<str>, Vec<Arc<str>>),
    /// `filter_state`.
    FilterState,
    /// A name that nothing has: an error, each time.
    Unknown,
    /// `operand.field`.
    Select(Box<Expr>, Arc<str>),
    /// `has(operand.field)`.
    Has(Box<Expr>, Arc<str>),
    /// `has(request.headers)`: what is a map of ours is there.
    Is,
    /// `has(request.path)`.
    HasAttribute(Attribute),
    /// `a && b`.
    And(Box<[Expr; 2]>),
    /// `a || b`.
    Or(Box<[Expr; 2]>),
    /// `a ? b : c`.
    Choice(Box<[Expr; 3]>),
    /// `matches` of a pattern that is known.
    Matches(Box<Expr>, regex::bytes::Regex),
    /// Everything else that is called; the receiver comes first.
    Call(Function, Vec<Expr>),
    /// `[a, b]`.
    List(Vec<Expr>),
    /// `{a: b}`.
    Map(Vec<(Expr, Expr)>),
}

impl Expr {
    /// Whether it asks for an attribute of which this is so.
    pub fn asks(&self, is_so: &dyn Fn(Attribute) -> bool) -> bool {
        let any = |list: &[Expr]| list.iter().any(|one| one.asks(is_so));
        match self {
            Expr::Attribute(attribute) | Expr::HasAttribute(attribute) => is_so(*attribute),
            Expr::Literal(_)
            | Expr::Headers(_)
            | Expr::Header(..)
            | Expr::FilterMetadata(_)
            | Expr::Metadata(..)
            | Expr::FilterState
            | Expr::Unknown
            | Expr::Is => false,
            Expr::Select(one, _) | Expr::Has(one, _) | Expr::Matches(one, _) => one.asks(is_so),
            Expr::And(both) | Expr::Or(both) => any(&both[..]),
            Expr::Choice(three) => any(&three[..]),
            Expr::Call(_, list) | Expr::List(list) => any(list),
            Expr::Map(entries) => entries.iter().any(|(key, value)| key.asks(is_so) || value.asks(is_so)),
        }
    }
}

/// A constant.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Literal {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    Text(Arc<str>),
    Octets(Arc<[u8]>),
    /// Nanoseconds.
    Duration(i128),
    /// Nanoseconds since the epoch.
    Time(i128),
    /// The name of a type.
    Type(&'static str),
}

#[cfg(test)]
mod tests;
