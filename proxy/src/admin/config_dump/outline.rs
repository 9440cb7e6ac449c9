//! The shape of a dump, with its resources not yet printed: maps and lists around leaves. Masks trim it, then it becomes a row of pieces.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use config::descriptors::Descriptors;
use config::dump::{Masked, masked};

use super::tree::{self, Tree};
use crate::admin::{certs, reply};

/// A part of a dump.
pub enum Node {
    /// Printed as it is.
    Tree(Tree),
    /// Printed when its turn comes.
    Leaf(Leaf),
    /// `{…}`.
    Map(Vec<(String, Node)>),
    /// `[…]`.
    List(Vec<Node>),
}

/// Something that has a name and holds resources.
pub struct Leaf {
    /// Name that `name_regex` looks at.
    pub name: Arc<str>,
    /// What is printed.
    pub value: Field,
}

/// A value of a leaf.
pub enum Field {
    Text(Arc<str>),
    Time(SystemTime),
    /// A resource with its `@type`.
    Any(&'static str, Bytes),
    /// One that is made when its turn comes.
    Later(&'static str, Box<dyn Fn() -> Bytes + Send + Sync>),
    /// A resource where the type is fixed.
    Message(&'static str, Bytes),
    Fields(Vec<(&'static str, Field)>),
}

/// A list of a section, alone.
pub struct List {
    /// Full name of its elements' type.
    pub of: String,
    /// They.
    pub leaves: Vec<Leaf>,
}

impl List {
    /// Whether all that the mask names is there to be named, in each element.
    pub fn is_masked_by(&self, mask: &Mask) -> bool {
        self.leaves.iter().all(|leaf| mask.fits(&self.of, Some(&leaf.value)))
    }

    /// The elements, each with its `@type`.
    pub fn into_nodes(self) -> Vec<Node> {
        let url = format!("type.googleapis.com/{}", self.of);
        let typed = |mut leaf: Leaf| {
            if let Field::Fields(fields) = &mut leaf.value {
                fields.insert(0, ("@type", Field::Text(url.as_str().into())));
            }
            Node::Leaf(leaf)
        };
        self.leaves.into_iter().map(typed).collect()
    }
}

/// A row of these is the dump.
pub enum Piece {
    Text(String),
    Leaf {
        leaf: Leaf,
        /// Levels of indentation.
        depth: usize,
    },
}

impl Leaf {
    /// Prints at a depth. The first line is not indented: punctuation before it was.
    pub fn write(&self, descriptors: &mut Descriptors, mask: Option<&Mask>, depth: usize, out: &mut String) {
        let mut tree = self.value.tree(descriptors);
        if let Some(mask) = mask {
            tree = mask.trim(tree);
        }
        indent(&reply::to_pretty(&tree), depth, out);
    }
}

impl Field {
    fn tree(&self, descriptors: &mut Descriptors) -> Tree {
        match self {
            Field::Text(text) => Tree::text(&**text),
            Field::Time(time) => Tree::text(certs::timestamp(*time)),
            Field::Any(type_url, body) => tree::resource(descriptors, type_url, body),
            Field::Later(type_url, body) => tree::resource(descriptors, type_url, &body()),
            Field::Message(type_url, body) => {
                tree::message(descriptors, type_url, body).unwrap_or_else(|| Tree::Map(Vec::new()))
            }
            Field::Fields(fields) => {
                let print = |(name, field): &(&'static str, Field)| ((*name).to_owned(), field.tree(descriptors));
                Tree::Map(fields.iter().map(print).collect())
            }
        }
    }
}

/// `{"configs": […]}` as pieces.
pub fn flatten(configs: Vec<Node>) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let configs = if configs.is_empty() { Vec::new() } else { vec![("configs".to_owned(), Node::List(configs))] };
    push(Node::Map(configs), 0, &mut pieces);
    pieces.push(Piece::Text("\n".into()));
    pieces
}

fn push(node: Node, depth: usize, pieces: &mut Vec<Piece>) {
    match node {
        Node::Tree(tree) => {
            let mut text = String::new();
            indent(&reply::to_pretty(&tree), depth, &mut text);
            pieces.push(Piece::Text(text));
        }
        Node::Leaf(leaf) => pieces.push(Piece::Leaf { leaf, depth }),
        Node::Map(fields) if fields.is_empty() => pieces.push(Piece::Text("{}".into())),
        Node::List(items) if items.is_empty() => pieces.push(Piece::Text("[]".into())),
        Node::Map(fields) => {
            for (index, (name, value)) in fields.into_iter().enumerate() {
                let open = if index == 0 { "{" } else { "," };
                let name = serde_json::Value::from(name);
                pieces.push(Piece::Text(format!("{open}\n{}{name}: ", " ".repeat(depth + 1))));
                push(value, depth + 1, pieces);
            }
            pieces.push(Piece::Text(format!("\n{}}}", " ".repeat(depth))));
        }
        Node::List(items) => {
            for (index, item) in items.into_iter().enumerate() {
                let open = if index == 0 { "[" } else { "," };
                pieces.push(Piece::Text(format!("{open}\n{}", " ".repeat(depth + 1))));
                push(item, depth + 1, pieces);
            }
            pieces.push(Piece::Text(format!("\n{}]", " ".repeat(depth))));
        }
    }
}

/// Shifts all lines but the first. Strings of JSON hold no line ends, so every line end is one of layout.
fn indent(text: &str, depth: usize, out: &mut String) {
    for (index, line) in text.lines().enumerate() {
        if index > 0 {
            out.push('\n');
            out.extend(std::iter::repeat_n(' ', depth));
        }
        out.push_str(line);
    }
}

/// A field mask: paths of fields to keep.
pub struct Mask {
    text: String,
    paths: Vec<Vec<String>>,
}

impl Mask {
    /// `a.b,c`. Names may be spelt `camelCase` too.
    pub fn parse(text: &str) -> Mask {
        let path = |path: &str| path.split('.').map(snake_case).collect();
        let paths = text.split(',').map(str::trim).filter(|path| !path.is_empty()).map(path).collect();
        Mask { text: text.to_owned(), paths }
    }

    /// As it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it names no field at all.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Whether each of its paths leads somewhere in a message of this type. What stands in an `Any` is known of a value alone.
    pub fn fits(&self, type_name: &str, value: Option<&Field>) -> bool {
        self.paths.iter().all(|path| leads_somewhere(type_name, value, path))
    }

    /// The rest of the mask below a field; `None` when the field is not kept.
    fn below(&self, field: &str) -> Option<Mask> {
        let inside = self.paths.iter().filter(|path| path.first().is_some_and(|first| first == field));
        let paths: Vec<Vec<String>> = inside.map(|path| path[1..].to_vec()).collect();
        (!paths.is_empty()).then(|| Mask { text: self.text.clone(), paths })
    }

    fn keeps_all(&self) -> bool {
        self.paths.iter().any(Vec::is_empty)
    }

    /// Whether any path begins with this field and, for a list, ends there: masks do not reach into lists.
    pub fn names(&self, field: &str, is_list: bool) -> bool {
        self.below(field).is_some_and(|rest| !is_list || rest.keeps_all())
    }

    /// What is left of a tree. `@type` stays where something does.
    pub fn trim(&self, tree: Tree) -> Tree {
        if self.keeps_all() {
            return tree;
        }
        let Tree::Map(fields) = tree else { return Tree::Map(Vec::new()) };
        let keep = |(name, value): (String, Tree)| {
            if name == "@type" {
                return Some((name, value));
            }
            let rest = self.below(&name)?;
            if rest.keeps_all() {
                return Some((name, value));
            }
            // Paths do not lead into lists or plain values.
            matches!(value, Tree::Map(_)).then(|| (name, rest.trim(value)))
        };
        Tree::Map(fields.into_iter().filter_map(keep).collect())
    }

    /// What is left of a node below `field`; `None` when nothing is.
    pub fn trim_field(&self, field: &str, node: Node) -> Option<Node> {
        let rest = self.below(field)?;
        if rest.keeps_all() {
            return Some(node);
        }
        match node {
            Node::Tree(tree @ Tree::Map(_)) => Some(Node::Tree(rest.trim(tree))),
            Node::Map(fields) => {
                let keep = |(name, node): (String, Node)| {
                    let node = rest.trim_field(&name, node)?;
                    Some((name, node))
                };
                Some(Node::Map(fields.into_iter().filter_map(keep).collect()))
            }
            Node::Tree(_) | Node::Leaf(_) | Node::List(_) => None,
        }
    }
}

fn leads_somewhere(type_name: &str, value: Option<&Field>, path: &[String]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    let below = match value {
        Some(Field::Fields(fields)) => fields.iter().find(|(name, _)| name == first).map(|(_, field)| field),
        _ => None,
    };
    match (masked(type_name, first), below) {
        (None, _) => false,
        (Some(Masked::End), _) => rest.is_empty(),
        (Some(Masked::Message(_)), Some(Field::Any(url, _) | Field::Later(url, _))) => {
            leads_somewhere(url.rsplit_once('/').map_or(url, |(_, name)| name), None, rest)
        }
        (Some(Masked::Message("google.protobuf.Any")), _) => true,
        (Some(Masked::Message(of)), below) => leads_somewhere(of, below, rest),
    }
}

fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}
