//! `google.api.expr.v1alpha1.Expr` to plain data. Called through the folder's front.

use std::cell::Cell;
use std::sync::Arc;

use envoy_types::pb::google::api::expr::v1alpha1 as pb;

use super::attribute::{self, Attribute};
use super::function::{self, Enabled, Function};
use super::{Expr, Literal, MetadataOf, Place, text};
use crate::endpoint::Locality;
use crate::matcher::re2;
use crate::options::Options;
use crate::proto::core::v3 as core;
use crate::rejection::{At, Rejection};

/// An expression that is a condition.
pub(crate) fn condition(
    at: &At<'_>,
    proto: &pb::Expr,
    config: Option<&core::CelExpressionConfig>,
    place: Place,
) -> Result<Expr, Rejection> {
    Reader::new(config, place).read(at, proto)
}

/// An expression that stands in a text.
///
/// # Errors
/// Line, column, and what is wrong there.
pub(crate) fn of_text(text: &str, config: Option<&core::CelExpressionConfig>, place: Place) -> Result<Expr, String> {
    let wrong = |offset, reason: &str| {
        let (line, column) = text::position(text, offset);
        format!("at {line}:{column}: {reason}")
    };
    let proto = text::parse(text).map_err(|fault| wrong(fault.offset, &fault.reason))?;
    let reader = Reader::new(config, place);
    reader.read(&At::root(), &proto).map_err(|rejection| {
        let offset = usize::try_from(reader.at.get()).unwrap_or_default();
        wrong(offset.saturating_sub(1), &rejection.reason)
    })
}

/// A value that Istio's metrics have, with everything that may stand in it; and why it has none, where this build or Envoy does not
/// know what it asks for.
///
/// # Errors
/// Line, column, and why it is no expression.
pub(crate) fn value_of_text(text: &str, options: &Options) -> Result<(Expr, Option<String>), String> {
    let wrong = |offset, reason: &str| {
        let (line, column) = text::position(text, offset);
        format!("at {line}:{column}: {reason}")
    };
    let proto = text::parse(text).map_err(|fault| wrong(fault.offset, &fault.reason))?;
    let config = core::CelExpressionConfig {
        enable_string_conversion: true,
        enable_string_concat: true,
        enable_string_functions: true,
    };
    let mut reader = Reader::new(Some(&config), Place::Line);
    reader.node = Some(options);
    Ok(match reader.read(&At::root(), &proto) {
        Ok(expr) => (expr, None),
        Err(rejection) => {
            let offset = usize::try_from(reader.at.get()).unwrap_or_default();
            (Expr::Unknown, Some(wrong(offset.saturating_sub(1), &rejection.reason)))
        }
    })
}

/// What stays the same while an expression is read.
struct Reader<'o> {
    place: Place,
    enabled: Enabled,
    /// Strings may be joined.
    joins: bool,
    /// The part that is read, by its number.
    at: Cell<i64>,
    /// Who says what `xds.node` is, where that is known.
    node: Option<&'o Options>,
}

/// What an expression is before it is known to be a value.
enum Read {
    Value(Expr),
    /// `request` and the like.
    Root(Arc<str>),
    /// A message of metadata.
    Message(MetadataOf),
    /// What is known now.
    Known(serde_json::Value),
}

impl<'o> Reader<'o> {
    fn new(config: Option<&core::CelExpressionConfig>, place: Place) -> Reader<'o> {
        let enabled = Enabled {
            string_conversion: config.is_some_and(|config| config.enable_string_conversion),
            string_functions: config.is_some_and(|config| config.enable_string_functions),
        };
        Reader {
            place,
            enabled,
            joins: config.is_some_and(|config| config.enable_string_concat),
            at: Cell::default(),
            node: None,
        }
    }

    /// `xds.node`: what of it stays the same as long as the process.
    fn node(&self) -> Option<serde_json::Value> {
        let options = self.node?;
        let Locality { region, zone, .. } = &options.node_locality;
        Some(serde_json::json!({
            "id": *options.node_id,
            "cluster": *options.service_cluster,
            "metadata": *options.node_metadata,
            "locality": { "region": **region, "zone": **zone },
        }))
    }

    /// A value.
    fn read(&self, at: &At<'_>, proto: &pb::Expr) -> Result<Expr, Rejection> {
        match self.any(at, proto)? {
            Read::Value(Expr::FilterMetadata(_)) | Read::Message(_) => {
                Err(at.unsupported("metadata as a whole is not a value here; name the filter in filter_metadata"))
            }
            Read::Value(value) => Ok(value),
            Read::Known(json) => Ok(constant(&json)),
            Read::Root(name) => {
                Err(at.unsupported(format!("{name} as a whole is not a value here, only what is in it")))
            }
        }
    }

    fn all(&self, at: &At<'_>, list: &[pb::Expr]) -> Result<Vec<Expr>, Rejection> {
        list.iter().enumerate().map(|(index, one)| self.read(&at.index(index), one)).collect()
    }

    fn any(&self, at: &At<'_>, proto: &pb::Expr) -> Result<Read, Rejection> {
        use pb::expr::ExprKind as Kind;
        self.at.set(proto.id);
        Ok(Read::Value(match &proto.expr_kind {
            None => return Err(at.reject("is empty; give an expression")),
            Some(Kind::ConstExpr(constant)) => Expr::Literal(literal(&at.field("const_expr"), constant)?),
            Some(Kind::IdentExpr(ident)) => return self.name(&at.field("ident_expr").field("name"), &ident.name),
            Some(Kind::SelectExpr(select)) => return self.select(&at.field("select_expr"), proto.id, select),
            Some(Kind::CallExpr(call)) => return self.call(&at.field("call_expr"), proto.id, call),
            Some(Kind::ListExpr(list)) => {
                let at = at.field("list_expr");
                if !list.optional_indices.is_empty() {
                    return Err(at.field("optional_indices").unsupported("optional elements are not supported"));
                }
                Expr::List(self.all(&at.field("elements"), &list.elements)?)
            }
            Some(Kind::StructExpr(one)) => self.map(&at.field("struct_expr"), one)?,
            Some(Kind::ComprehensionExpr(_)) => {
                return Err(at.field("comprehension_expr").reject(
                    "comprehensions (all, exists, map, filter) are not allowed, as in Envoy; write it without them",
                ));
            }
        }))
    }

    fn name(&self, at: &At<'_>, name: &str) -> Result<Read, Rejection> {
        let types = ["null_type", "bool", "int", "uint", "double", "string", "bytes", "list", "map", "type"];
        Ok(match name {
            "" => return Err(at.reject("must not be empty")),
            "metadata" => Read::Message(MetadataOf::Stream),
            "filter_state" => Read::Value(Expr::FilterState),
            name if attribute::is_root(name) => Read::Root(name.into()),
            "google.protobuf.Timestamp" => Read::Value(Expr::Literal(Literal::Type("google.protobuf.Timestamp"))),
            "google.protobuf.Duration" => Read::Value(Expr::Literal(Literal::Type("google.protobuf.Duration"))),
            name => match types.iter().find(|one| **one == name) {
                Some(one) => Read::Value(Expr::Literal(Literal::Type(one))),
                None => Read::Value(Expr::Unknown),
            },
        })
    }

    fn select(&self, at: &At<'_>, id: i64, select: &pb::expr::Select) -> Result<Read, Rejection> {
        let (at_operand, at_field) = (at.field("operand"), at.field("field"));
        let Some(operand) = &select.operand else { return Err(at_operand.reject("is required and not set; set it")) };
        if select.field.is_empty() {
            return Err(at_field.reject("must not be empty"));
        }
        let key = Literal::Text(select.field.as_str().into());
        let operand = self.any(&at_operand, operand)?;
        self.at.set(id);
        if !select.test_only {
            return self.below(&at_field, operand, key, true);
        }
        Ok(Read::Value(match operand {
            Read::Known(json) => Expr::Has(Box::new(constant(&json)), select.field.as_str().into()),
            Read::Value(operand) => Expr::Has(Box::new(operand), select.field.as_str().into()),
            operand => match self.below(&at_field, operand, key, true)? {
                Read::Value(Expr::Attribute(attribute)) => Expr::HasAttribute(attribute),
                Read::Value(Expr::Headers(_)) => Expr::Is,
                _ => return Err(at.unsupported("this presence is not known here")),
            },
        }))
    }

    /// `operand.key` and `operand["key"]`, resolved where that is known now.
    fn below(&self, at: &At<'_>, operand: Read, key: Literal, selected: bool) -> Result<Read, Rejection> {
        let text = match &key {
            Literal::Text(text) => Some(text.clone()),
            _ => None,
        };
        Ok(Read::Value(match (operand, text) {
            (Read::Known(json), Some(name)) => match json.get(&*name) {
                Some(json) => return Ok(Read::Known(json.clone())),
                None => Expr::Unknown,
            },
            (Read::Known(json), None) => Expr::Call(Function::Index, vec![constant(&json), Expr::Literal(key)]),
            (Read::Root(root), Some(name)) if *root == *"xds" && *name == *"node" => match self.node() {
                Some(node) => return Ok(Read::Known(node)),
                None => return Err(at.unsupported("xds.node is not known here")),
            },
            (Read::Root(root), Some(name)) => match attribute::find(&root, &name, self.place) {
                attribute::Found::Attribute(attribute) => Expr::Attribute(attribute),
                attribute::Found::Headers(of) => Expr::Headers(of),
                attribute::Found::Metadata(of) => return Ok(Read::Message(of)),
                attribute::Found::NotHere => {
                    return Err(at.unsupported(format!("{root}.{name} is not known here")));
                }
            },
            (Read::Root(_), None) => Expr::Attribute(Attribute::Absent),
            (Read::Message(of), Some(name)) if selected => match &*name {
                "filter_metadata" => Expr::FilterMetadata(of),
                "typed_filter_metadata" => return Err(at.unsupported("typed metadata is not kept here")),
                _ => Expr::Unknown,
            },
            // A message is no map.
            (Read::Message(_), _) => Expr::Unknown,
            (Read::Value(Expr::Headers(of)), Some(name)) => Expr::Header(of, name.to_ascii_lowercase().into()),
            (Read::Value(Expr::FilterMetadata(of)), Some(name)) => Expr::Metadata(of, name, Vec::new()),
            (Read::Value(Expr::Metadata(of, filter, mut path)), Some(name)) => {
                path.push(name);
                Expr::Metadata(of, filter, path)
            }
            (Read::Value(operand), Some(name)) if selected => Expr::Select(Box::new(operand), name),
            (Read::Value(operand), _) => Expr::Call(Function::Index, vec![operand, Expr::Literal(key)]),
        }))
    }

    fn call(&self, at: &At<'_>, id: i64, call: &pb::expr::Call) -> Result<Read, Rejection> {
        let (at_function, at_args) = (at.field("function"), at.field("args"));
        let name = call.function.as_str();
        if let ("_[_]", None, [operand, key]) = (name, &call.target, &call.args[..]) {
            let operand = self.any(&at_args.index(0), operand)?;
            let key = self.read(&at_args.index(1), key)?;
            self.at.set(id);
            return match key {
                Expr::Literal(key) => self.below(&at_args.index(1), operand, key, false),
                key => match operand {
                    Read::Known(json) => Ok(Read::Value(Expr::Call(Function::Index, vec![constant(&json), key]))),
                    Read::Value(operand) => Ok(Read::Value(Expr::Call(Function::Index, vec![operand, key]))),
                    Read::Root(root) => {
                        Err(at_args.index(1).unsupported(format!("what of {root} is asked for must be a constant")))
                    }
                    Read::Message(_) => Ok(Read::Value(Expr::Unknown)),
                },
            };
        }
        // `re.extract(...)` is a function of that name.
        if let Some(pb::expr::ExprKind::IdentExpr(ident)) = call.target.as_ref().and_then(|one| one.expr_kind.as_ref())
        {
            let joined = format!("{}.{name}", ident.name);
            if function::find(&joined, false, call.args.len(), self.enabled) == function::Found::NotHere {
                return Err(at_function.unsupported(format!("the function {joined} is not supported")));
            }
        }
        // Before what it is given: who calls what there is not wants to know that.
        self.is_known(&at_function, name, (call.target.is_some(), call.args.len()))?;
        let mut args = Vec::with_capacity(call.args.len() + 1);
        if let Some(target) = &call.target {
            args.push(self.read(&at.field("target"), target)?);
        }
        args.extend(self.all(&at_args, &call.args)?);
        self.at.set(id);
        self.function(&at_function, &at_args, name, (call.target.is_some(), call.args.len()), args).map(Read::Value)
    }

    fn function(
        &self,
        at: &At<'_>,
        at_args: &At<'_>,
        name: &str,
        (receiver, count): (bool, usize),
        args: Vec<Expr>,
    ) -> Result<Expr, Rejection> {
        let wrong = |_| at.reject(format!("{name} takes another number of arguments"));
        match name {
            "_&&_" => return Ok(Expr::And(Box::new(args.try_into().map_err(wrong)?))),
            "_||_" => return Ok(Expr::Or(Box::new(args.try_into().map_err(wrong)?))),
            "_?_:_" => return Ok(Expr::Choice(Box::new(args.try_into().map_err(wrong)?))),
            _ => {}
        }
        match function::find(name, receiver, count, self.enabled) {
            function::Found::Function(Function::Add) if !self.joins => Ok(Expr::Call(Function::AddNumbers, args)),
            function::Found::Function(function) => Ok(Expr::Call(function, args)),
            function::Found::Matches => {
                let [text, pattern] = <[Expr; 2]>::try_from(args).map_err(wrong)?;
                let at = at_args.index(count - 1);
                let Expr::Literal(Literal::Text(pattern)) = pattern else {
                    return Err(at.unsupported("a pattern that is not a constant is not compiled for each request"));
                };
                let pattern = re2::partial_match_of_text(&pattern).map_err(|reason| at.reject(reason))?;
                Ok(Expr::Matches(Box::new(text), pattern))
            }
            function::Found::NotHere | function::Found::Nowhere => Err(wrong(Vec::new())),
        }
    }

    fn is_known(&self, at: &At<'_>, name: &str, (receiver, count): (bool, usize)) -> Result<(), Rejection> {
        if matches!(name, "_&&_" | "_||_" | "_?_:_") {
            return Ok(());
        }
        match function::find(name, receiver, count, self.enabled) {
            function::Found::Function(_) | function::Found::Matches => Ok(()),
            function::Found::NotHere => {
                Err(at.unsupported(format!("the function {name}, called in this way, is not supported")))
            }
            function::Found::Nowhere => Err(at.reject(format!(
                "there is no function {name:?} that is called in this way, or cel_config does not enable it; mend the expression"
            ))),
        }
    }

    fn map(&self, at: &At<'_>, proto: &pb::expr::CreateStruct) -> Result<Expr, Rejection> {
        use pb::expr::create_struct::entry::KeyKind;
        if !proto.message_name.is_empty() {
            return Err(at.field("message_name").unsupported("messages are not made by expressions"));
        }
        let at = at.field("entries");
        let entry = |(index, entry): (usize, &pb::expr::create_struct::Entry)| {
            let at = at.index(index);
            if entry.optional_entry {
                return Err(at.field("optional_entry").unsupported("optional entries are not supported"));
            }
            let key = match &entry.key_kind {
                Some(KeyKind::MapKey(key)) => self.read(&at.field("map_key"), key)?,
                _ => return Err(at.reject("is no entry of a map; give map_key")),
            };
            let at_value = at.field("value");
            let Some(value) = &entry.value else { return Err(at_value.reject("is required and not set; set it")) };
            Ok((key, self.read(&at_value, value)?))
        };
        Ok(Expr::Map(proto.entries.iter().enumerate().map(entry).collect::<Result<_, _>>()?))
    }
}

/// What is known now, as a value. Every number is a double, as in `google.protobuf.Value`.
fn constant(json: &serde_json::Value) -> Expr {
    use serde_json::Value as Json;
    Expr::Literal(match json {
        Json::Null => Literal::Null,
        Json::Bool(value) => Literal::Bool(*value),
        Json::Number(value) => Literal::Double(value.as_f64().unwrap_or(f64::NAN)),
        Json::String(value) => Literal::Text(value.as_str().into()),
        Json::Array(list) => return Expr::List(list.iter().map(constant).collect()),
        Json::Object(map) => {
            let key = |name: &String| Expr::Literal(Literal::Text(name.as_str().into()));
            return Expr::Map(map.iter().map(|(name, value)| (key(name), constant(value))).collect());
        }
    })
}

fn literal(at: &At<'_>, proto: &pb::Constant) -> Result<Literal, Rejection> {
    use pb::constant::ConstantKind as Kind;
    let nanos = |seconds: i64, nanos: i32| i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Ok(match &proto.constant_kind {
        None => return Err(at.reject("is empty; give a value")),
        Some(Kind::NullValue(_)) => Literal::Null,
        Some(Kind::BoolValue(value)) => Literal::Bool(*value),
        Some(Kind::Int64Value(value)) => Literal::Int(*value),
        Some(Kind::Uint64Value(value)) => Literal::Uint(*value),
        Some(Kind::DoubleValue(value)) => Literal::Double(*value),
        Some(Kind::StringValue(value)) => Literal::Text(value.as_str().into()),
        Some(Kind::BytesValue(value)) => Literal::Octets(value.as_slice().into()),
        Some(Kind::DurationValue(value)) => Literal::Duration(nanos(value.seconds, value.nanos)),
        Some(Kind::TimestampValue(value)) => Literal::Time(nanos(value.seconds, value.nanos)),
    })
}
