//! JSON that keeps the order of its fields, as messages print them: without what Envoy's files mark sensitive, which the printer
//! in `config` leaves out.

use std::fmt;

use config::descriptors::Descriptors;
use config::json::AnyJson;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Tree {
    /// Null, bool, number or string.
    Plain(Value),
    /// `[…]`.
    List(Vec<Tree>),
    /// `{…}`, in order.
    Map(Vec<(String, Tree)>),
}

/// A resource with its `@type`, redacted. One of an unknown type is its bytes in base64.
pub fn resource(descriptors: &mut Descriptors, type_url: &str, bytes: &[u8]) -> Tree {
    let any = AnyJson::new(descriptors, type_url, bytes);
    Tree::of(&any)
}

/// A message without `@type`, redacted.
pub fn message(descriptors: &mut Descriptors, type_url: &str, bytes: &[u8]) -> Option<Tree> {
    let any = AnyJson::new(descriptors, type_url, bytes);
    let message = any.message()?;
    Some(Tree::of(&message))
}

impl Tree {
    /// A string.
    pub fn text(text: impl Into<String>) -> Tree {
        Tree::Plain(Value::String(text.into()))
    }

    fn of(value: &impl Serialize) -> Tree {
        let tree = serde_json::to_string(value).and_then(|text| serde_json::from_str(&text));
        tree.unwrap_or_else(|error| Tree::text(format!("cannot be printed: {error}")))
    }
}

impl Serialize for Tree {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Tree::Plain(value) => value.serialize(serializer),
            Tree::List(items) => items.serialize(serializer),
            Tree::Map(fields) => {
                let mut map = serializer.serialize_map(Some(fields.len()))?;
                for (name, value) in fields {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> serde::Deserialize<'de> for Tree {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
        Ok(Tree::Plain(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
        Ok(Tree::text(value))
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Plain(Value::Null))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Tree, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Tree::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Tree, A::Error> {
        let mut map = Vec::new();
        while let Some(field) = fields.next_entry()? {
            map.push(field);
        }
        Ok(Tree::Map(map))
    }
}
