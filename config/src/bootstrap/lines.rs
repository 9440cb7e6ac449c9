//! Where in a text the field stands that a rejection names. Called once something is wrong, for a command that tells people. JSON is
//! read as the YAML that it is.

use std::borrow::Cow;

use saphyr_parser::{Event, Parser};

/// The line of the field of that path (`static_resources.clusters["a"].connect_timeout`), or of what is nearest above it; `None` where
/// not even its beginning is found.
pub fn line_of(text: &str, path: &str) -> Option<usize> {
    // What is a blank to JSON is none to YAML.
    let text: Cow<'_, str> = if text.contains('\t') { text.replace('\t', " ").into() } else { text.into() };
    let mut node = &tree(&text)?;
    let mut line = None;
    for step in steps(path) {
        let Some((at, below)) = node.below(&step) else { break };
        (line, node) = (Some(at), below);
    }
    line
}

enum Node {
    Map(Vec<(String, usize, Node)>),
    List(Vec<(usize, Node)>),
    Scalar(String),
}

impl Node {
    fn below(&self, step: &Step<'_>) -> Option<(usize, &Node)> {
        match (self, step) {
            (Node::Map(pairs), Step::Name(name)) => {
                let same = |key: &str| key == *name || snake_case(key) == *name;
                pairs.iter().find(|(key, ..)| same(key)).map(|(_, line, node)| (*line, node))
            }
            (Node::List(items), Step::Index(index)) => items.get(*index).map(|(line, node)| (*line, node)),
            (Node::List(items), Step::Name(name)) => {
                items.iter().find(|(_, node)| node.is_called(name)).map(|(line, node)| (*line, node))
            }
            _ => None,
        }
    }

    fn is_called(&self, wanted: &str) -> bool {
        let Node::Map(pairs) = self else { return false };
        pairs.iter().any(|(key, _, node)| key == "name" && matches!(node, Node::Scalar(name) if name == wanted))
    }
}

/// A key of a map in brackets and the name of a field are found alike.
enum Step<'a> {
    Name(&'a str),
    Index(usize),
}

fn steps(path: &str) -> impl Iterator<Item = Step<'_>> {
    let mut rest = path;
    std::iter::from_fn(move || {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if rest.is_empty() {
            return None;
        }
        if let Some(inside) = rest.strip_prefix("[\"") {
            let (name, after) = inside.split_once("\"]").unwrap_or((inside, ""));
            rest = after;
            return Some(Step::Name(name));
        }
        if let Some(inside) = rest.strip_prefix('[') {
            let (index, after) = inside.split_once(']').unwrap_or((inside, ""));
            rest = after;
            return index.parse().ok().map(Step::Index);
        }
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        let name = &rest[..end];
        rest = &rest[end..];
        Some(Step::Name(name))
    })
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

/// A container that is not at its end, and the key that waits for its value.
struct Open {
    node: Node,
    line: usize,
    key: Option<(String, usize)>,
}

/// The first document; as far as it can be read.
fn tree(text: &str) -> Option<Node> {
    let mut open: Vec<Open> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.ok()?;
        let line = span.start.line();
        let (node, at) = match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let is_list = matches!(event, Event::SequenceStart(..));
                let node = if is_list { Node::List(Vec::new()) } else { Node::Map(Vec::new()) };
                open.push(Open { node, line, key: None });
                continue;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Open { node, line, .. } = open.pop()?;
                (node, line)
            }
            Event::Scalar(text, ..) => (Node::Scalar(text.into_owned()), line),
            Event::Alias(_) => (Node::Scalar(String::new()), line),
            _ => continue,
        };
        let Some(parent) = open.last_mut() else { return Some(node) };
        match (&mut parent.node, parent.key.take(), node) {
            (Node::List(items), _, node) => items.push((at, node)),
            (Node::Map(pairs), Some((key, line)), node) => pairs.push((key, line, node)),
            (Node::Map(_), None, Node::Scalar(key)) => parent.key = Some((key, at)),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests;
