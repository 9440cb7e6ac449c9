//! CEL, evaluated: what `config::cel` has read, over the facts of a request or connection. Called by policies; must never know where a
//! fact comes from.
//!
//! An evaluator of our own, for it runs for each request: values borrow from the facts, an attribute that is not asked for costs nothing,
//! and what Envoy's options allow is a small part of the language. As in Envoy, an error is a value of its own that makes a condition
//! false: `false && error` is false, `true || error` is true, and everything else that meets an error is one. A constant pattern that is
//! asked of what is no text ends the whole expression.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use config::cel::{Attribute, Expr, Function, HeadersOf, Literal, MetadataOf};

use self::value::{Fault, Outcome, Value};
use crate::policy::facts::{Fact, Facts};
use crate::policy::headers::Field;

mod call;
mod early;
mod look;
mod print;
mod time;
mod value;

/// An expression, compiled.
#[derive(Debug)]
pub(crate) struct Expression(Node);

#[derive(Debug)]
enum Node {
    Literal(Literal),
    Attribute(Attribute),
    Headers(HeadersOf),
    Header(HeadersOf, Field),
    FilterMetadata(MetadataOf),
    Metadata(MetadataOf, Arc<str>, Box<[Arc<str>]>),
    FilterState,
    Unknown,
    Select(Box<Node>, Arc<str>),
    Has(Box<Node>, Arc<str>),
    HasHeader(HeadersOf, Field),
    HasMetadata(MetadataOf, Arc<str>, Box<[Arc<str>]>),
    HasAttribute(Attribute),
    True,
    And(Box<[Node; 2]>),
    Or(Box<[Node; 2]>),
    Choice(Box<[Node; 3]>),
    Matches(Box<Node>, regex::bytes::Regex),
    /// `x in [constants]`: no list is made.
    OneOf(Box<Node>, Box<[Literal]>),
    Call(Function, Box<[Node]>),
    List(Box<[Node]>),
    Map(Box<[(Node, Node)]>),
}

impl Expression {
    pub(crate) fn compile(config: &Expr) -> Expression {
        Expression(Node::compile(config))
    }

    /// Whether it is true: an error is not, and neither is what is no truth value.
    pub(crate) fn holds(&self, facts: &dyn Facts) -> bool {
        matches!(self.0.evaluate(facts), Ok(Value::Bool(true)))
    }

    /// The same, while a response may still come; `None`: it is not true, and has asked for what the response will say. As in Envoy, what
    /// is true by now is so for good.
    pub(crate) fn holds_by_now(&self, facts: &dyn Facts) -> Option<bool> {
        if facts.response().is_some() || facts.response_trailers().is_some() {
            return Some(self.holds(facts));
        }
        let noting = early::Noting::new(facts);
        let holds = self.holds(&noting);
        (holds || !noting.has_asked()).then_some(holds)
    }

    /// Appends its value as a text; false (and nothing appended) where it has none.
    pub(crate) fn print(&self, facts: &dyn Facts, out: &mut Vec<u8>) -> bool {
        self.0.evaluate(facts).map(|value| print::text(&value, out)).is_ok()
    }

    /// Its value as a service is told it: truth values and whole numbers as they are, all others as a text; `None` where it has none.
    pub(crate) fn told(&self, facts: &dyn Facts) -> Option<serde_json::Value> {
        let value = self.0.evaluate(facts).ok()?;
        Some(match value {
            Value::Bool(value) => value.into(),
            Value::Int(value) => value.into(),
            Value::Uint(value) => value.into(),
            value => {
                let mut text = Vec::new();
                print::text(&value, &mut text);
                String::from_utf8_lossy(&text).into_owned().into()
            }
        })
    }

    /// Appends its value as JSON; false (and nothing appended) where it has none. A text is cut to a length.
    pub(crate) fn print_json(&self, facts: &dyn Facts, limit: Option<usize>, out: &mut Vec<u8>) -> bool {
        let json = self.0.evaluate(facts).and_then(|value| print::json(facts, &value, limit));
        json.map(|json| out.extend_from_slice(json.to_string().as_bytes())).is_ok()
    }
}

impl Node {
    fn compile(config: &Expr) -> Node {
        let one = |expr: &Expr| Box::new(Node::compile(expr));
        match config {
            Expr::Literal(literal) => Node::Literal(literal.clone()),
            Expr::Attribute(attribute) => Node::Attribute(*attribute),
            Expr::Headers(of) => Node::Headers(*of),
            Expr::Header(of, name) => Node::Header(*of, Field::compile(name)),
            Expr::FilterMetadata(of) => Node::FilterMetadata(*of),
            Expr::Metadata(of, filter, path) => Node::Metadata(*of, filter.clone(), path.as_slice().into()),
            Expr::FilterState => Node::FilterState,
            Expr::Unknown => Node::Unknown,
            Expr::Select(operand, field) => Node::Select(one(operand), field.clone()),
            Expr::Has(operand, field) => match &**operand {
                Expr::Headers(of) => Node::HasHeader(*of, Field::compile(&field.to_ascii_lowercase())),
                Expr::FilterMetadata(of) => Node::HasMetadata(*of, field.clone(), Box::default()),
                Expr::Metadata(of, filter, path) => {
                    let path = path.iter().chain([field]).cloned();
                    Node::HasMetadata(*of, filter.clone(), path.collect())
                }
                operand => Node::Has(one(operand), field.clone()),
            },
            Expr::HasAttribute(attribute) => Node::HasAttribute(*attribute),
            Expr::Is => Node::True,
            Expr::And(both) => Node::And(Box::new(both.each_ref().map(Node::compile))),
            Expr::Or(both) => Node::Or(Box::new(both.each_ref().map(Node::compile))),
            Expr::Choice(three) => Node::Choice(Box::new(three.each_ref().map(Node::compile))),
            Expr::Matches(text, pattern) => Node::Matches(one(text), pattern.clone()),
            Expr::Call(Function::In, args) if let Some(literals) = literals(args.get(1)) => {
                Node::OneOf(one(&args[0]), literals)
            }
            Expr::Call(function, args) => Node::Call(*function, args.iter().map(Node::compile).collect()),
            Expr::List(list) => Node::List(list.iter().map(Node::compile).collect()),
            Expr::Map(entries) => {
                Node::Map(entries.iter().map(|(key, value)| (Node::compile(key), Node::compile(value))).collect())
            }
        }
    }

    fn evaluate<'a>(&'a self, facts: &'a dyn Facts) -> Outcome<'a> {
        match self {
            Node::Literal(literal) => Ok(Value::of(literal)),
            Node::Attribute(attribute) => attribute_of(facts, *attribute).ok_or(Fault::Error),
            Node::Headers(of) => Ok(Value::Headers(*of)),
            Node::Header(of, field) => look::header(facts, *of, field).map(Value::Text).ok_or(Fault::Error),
            Node::FilterMetadata(of) => Ok(Value::FilterMetadata(*of)),
            Node::Metadata(of, filter, path) => look::metadata(facts, *of, filter, path).ok_or(Fault::Error),
            Node::FilterState => Ok(Value::FilterState),
            Node::Unknown => Err(Fault::Error),
            Node::Select(operand, field) => match operand.evaluate(facts)? {
                operand @ (Value::Map(_) | Value::FilterState | Value::FilterMetadata(_) | Value::Headers(_)) => {
                    call::index(facts, &operand, &Value::Text(Cow::Borrowed(field.as_bytes())))
                }
                _ => Err(Fault::Error),
            },
            Node::Has(operand, field) => {
                let operand = operand.evaluate(facts)?;
                let key = Value::Text(Cow::Borrowed(field.as_bytes()));
                match operand {
                    Value::Map(_) | Value::FilterState => Ok(Value::Bool(call::index(facts, &operand, &key).is_ok())),
                    _ => Err(Fault::Error),
                }
            }
            Node::HasHeader(of, field) => Ok(Value::Bool(look::header(facts, *of, field).is_some())),
            Node::HasMetadata(of, filter, path) => look::has_metadata(facts, *of, filter, path).map(Value::Bool),
            Node::HasAttribute(attribute) => Ok(Value::Bool(attribute_of(facts, *attribute).is_some())),
            Node::True => Ok(Value::Bool(true)),
            Node::And(both) => decide(both, facts, false),
            Node::Or(both) => decide(both, facts, true),
            Node::Choice(three) => {
                let [condition, then, otherwise] = &**three;
                match condition.evaluate(facts)? {
                    Value::Bool(true) => then.evaluate(facts),
                    Value::Bool(false) => otherwise.evaluate(facts),
                    _ => Err(Fault::Error),
                }
            }
            Node::Matches(text, pattern) => match text.evaluate(facts) {
                Ok(Value::Text(text)) => Ok(Value::Bool(pattern.is_match(&text))),
                _ => Err(Fault::Ended),
            },
            Node::OneOf(one, literals) => {
                let one = one.evaluate(facts)?;
                Ok(Value::Bool(literals.iter().any(|literal| one.equals(&Value::of(literal)) == Ok(true))))
            }
            Node::Call(function, args) => match &args[..] {
                [one] => call::of_one(*function, facts, one.evaluate(facts)?),
                [one, other] => {
                    let (one, other) = both_of(one.evaluate(facts), || other.evaluate(facts))?;
                    call::of_two(*function, facts, one, other)
                }
                more => call::of_more(*function, &all_of(more.iter(), facts)?),
            },
            Node::List(list) => Ok(Value::List(all_of(list.iter(), facts)?.into())),
            Node::Map(entries) => {
                let mut made: Vec<(Value<'a>, Value<'a>)> = Vec::with_capacity(entries.len());
                let values = all_of(entries.iter().flat_map(|(key, value)| [key, value]), facts)?;
                let mut values = values.into_iter();
                while let (Some(key), Some(value)) = (values.next(), values.next()) {
                    if !key.is_key() || made.iter().any(|(other, _)| other.equals(&key) == Ok(true)) {
                        return Err(Fault::Error);
                    }
                    made.push((key, value));
                }
                Ok(Value::Map(Rc::from(made)))
            }
        }
    }
}

/// `&&` (decided by false) and `||` (decided by true): the other side decides where one is an error.
fn decide<'a>(both: &'a [Node; 2], facts: &'a dyn Facts, by: bool) -> Outcome<'a> {
    let truth = |node: &'a Node| match node.evaluate(facts) {
        Ok(Value::Bool(value)) => Ok(value),
        Ok(_) => Err(Fault::Error),
        Err(fault) => Err(fault),
    };
    let left = truth(&both[0]);
    if left == Ok(by) || left == Err(Fault::Ended) {
        return left.map(Value::Bool);
    }
    match truth(&both[1]) {
        Err(Fault::Ended) => Err(Fault::Ended),
        Ok(right) if right == by => Ok(Value::Bool(by)),
        right => left.and(right).map(Value::Bool),
    }
}

/// Both, where neither is an error. The second is evaluated beside an error as well: it may end everything.
fn both_of<'a>(one: Outcome<'a>, other: impl FnOnce() -> Outcome<'a>) -> Result<(Value<'a>, Value<'a>), Fault> {
    match one {
        Err(Fault::Ended) => Err(Fault::Ended),
        Err(Fault::Error) => Err(other().err().unwrap_or(Fault::Error)),
        Ok(one) => other().map(|other| (one, other)),
    }
}

/// All, in order; the same of an error among them.
fn all_of<'a>(nodes: impl Iterator<Item = &'a Node>, facts: &'a dyn Facts) -> Result<Vec<Value<'a>>, Fault> {
    let mut values: Result<Vec<_>, Fault> = Ok(Vec::with_capacity(nodes.size_hint().0));
    for node in nodes {
        match (node.evaluate(facts), &mut values) {
            (Err(Fault::Ended), _) => return Err(Fault::Ended),
            (Ok(value), Ok(values)) => values.push(value),
            (Err(fault), Ok(_)) => values = Err(fault),
            (_, Err(_)) => {}
        }
    }
    values
}

fn attribute_of(facts: &dyn Facts, attribute: Attribute) -> Option<Value<'_>> {
    Some(match facts.attribute(attribute) {
        Fact::Absent => return None,
        Fact::Bool(value) => Value::Bool(value),
        Fact::Int(value) => Value::Int(value),
        Fact::Uint(value) => Value::Uint(value),
        Fact::Text(value) => Value::Text(value),
        Fact::Duration(value) => Value::Duration(value.as_nanos() as i128),
        Fact::Time(value) => Value::Time(time::of(value)),
    })
}

/// A list of constants.
fn literals(expr: Option<&Expr>) -> Option<Box<[Literal]>> {
    let Some(Expr::List(list)) = expr else { return None };
    list.iter().map(|one| if let Expr::Literal(literal) = one { Some(literal.clone()) } else { None }).collect()
}

#[cfg(test)]
mod tests;
