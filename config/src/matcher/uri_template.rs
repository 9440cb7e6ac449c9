//! `UriTemplateMatchConfig.path_template` as a regular expression: `*` is one segment, `**` any number of them, `{name}` and
//! `{name=...}` the same with a name, which a rewrite may ask for. Called by RBAC's rules and by routes.
//!
//! What Envoy might read otherwise is refused: more than one operator in a segment, or text before one.

use std::sync::Arc;

use super::re2;
use crate::rejection::{At, Rejection};

/// Octets that a segment may hold.
const SEGMENT: &str = r"a-zA-Z0-9\-._~%!$&'()+,;:@";
const MOST_VARIABLES: usize = 5;
const LONGEST_NAME: usize = 16;

/// What has been read.
#[derive(Default)]
struct Template<'p> {
    regex: String,
    names: Vec<&'p str>,
    /// `**` was there: no other operator may follow.
    all: bool,
}

/// A template made ready.
#[derive(Debug, Clone)]
pub struct UriTemplate {
    /// The expression that a whole path must match. Its groups are the variables.
    pub regex: regex::bytes::Regex,
    /// Their names.
    variables: Vec<Arc<str>>,
}

/// A template.
pub(crate) fn template(at: &At<'_>, pattern: &str) -> Result<UriTemplate, Rejection> {
    let refuse = |reason: &str| at.reject(format!("{pattern:?}: {reason}"));
    let Some(path) = pattern.strip_prefix('/') else { return Err(refuse("must begin with a slash")) };
    let mut template = Template::default();
    for segment in segments(path) {
        template.regex.push('/');
        template.segment(segment).map_err(&refuse)?;
    }
    if pattern.contains("//") {
        return Err(refuse("has two slashes in a row"));
    }
    Ok(UriTemplate {
        regex: re2::full_match(&template.regex).map_err(|reason| refuse(&reason))?,
        variables: template.names.into_iter().map(Arc::from).collect(),
    })
}

/// Between slashes; those inside of braces do not count.
fn segments(path: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_i32;
    path.split(move |char| {
        match char {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        char == '/' && depth <= 0
    })
}

impl<'p> Template<'p> {
    fn segment(&mut self, segment: &'p str) -> Result<(), &'static str> {
        let suffix = if let Some(rest) = segment.strip_prefix("**") {
            self.operator(true)?;
            rest
        } else if let Some(rest) = segment.strip_prefix('*') {
            self.operator(false)?;
            rest
        } else if let Some(rest) = segment.strip_prefix('{') {
            let (variable, rest) = rest.split_once('}').ok_or("has a brace that is not closed")?;
            self.variable(variable)?;
            rest
        } else {
            segment
        };
        self.literal(suffix)
    }

    fn operator(&mut self, all: bool) -> Result<(), &'static str> {
        if self.all {
            return Err("has an operator behind **");
        }
        self.all = all;
        self.regex.push_str(&if all { format!("[{SEGMENT}/]*") } else { format!("[{SEGMENT}]+") });
        Ok(())
    }

    fn variable(&mut self, variable: &'p str) -> Result<(), &'static str> {
        let (name, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
        let letters = |char: char| char.is_ascii_alphanumeric() || char == '_';
        if !name.starts_with(|char: char| char.is_ascii_alphabetic()) || !name.chars().all(letters) {
            return Err("has a variable whose name is not made of letters, digits and underscores");
        }
        if name.len() > LONGEST_NAME || self.names.len() == MOST_VARIABLES || self.names.contains(&name) {
            return Err("has a variable twice, more than 5, or one whose name is longer than 16");
        }
        self.names.push(name);
        self.regex.push('(');
        for (index, part) in pattern.split('/').enumerate() {
            if index > 0 {
                self.regex.push('/');
            }
            match part {
                "" => return Err("has a variable with an empty part"),
                "*" | "**" => self.operator(part == "**")?,
                part => self.literal(part)?,
            }
        }
        self.regex.push(')');
        Ok(())
    }

    fn literal(&mut self, text: &str) -> Result<(), &'static str> {
        let valid = |char: char| char.is_ascii_alphanumeric() || "-._~%!$&'()+,;:@".contains(char);
        if !text.chars().all(valid) {
            return Err("has text that no path segment may hold");
        }
        for char in text.chars() {
            if "$()+.".contains(char) {
                self.regex.push('\\');
            }
            self.regex.push(char);
        }
        Ok(())
    }
}

/// A piece of a path that is made of what a template has matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it is.
    Literal(Arc<str>),
    /// What the variable stands for: the group of that number.
    Variable(usize),
}

/// `UriTemplateRewriteConfig.path_template_rewrite`, for what this template matches.
pub(crate) fn rewrite(at: &At<'_>, text: &str, matched: &UriTemplate) -> Result<Vec<Piece>, Rejection> {
    let refuse = |reason: &str| at.reject(format!("{text:?}: {reason}"));
    if !text.starts_with('/') {
        return Err(refuse("must begin with a slash"));
    }
    if text.contains("//") {
        return Err(refuse("has two slashes in a row"));
    }
    let (mut pieces, mut rest) = (Vec::new(), text);
    while !rest.is_empty() {
        let (literal, after) = rest.split_at(rest.find('{').unwrap_or(rest.len()));
        let valid = |char: char| char.is_ascii_alphanumeric() || "/-._~%!$&'()+,;:@".contains(char);
        if !literal.chars().all(valid) {
            return Err(refuse("has text that no path may hold"));
        }
        if !literal.is_empty() {
            pieces.push(Piece::Literal(literal.into()));
        }
        let Some(variable) = after.strip_prefix('{') else { break };
        let (name, after) = variable.split_once('}').ok_or_else(|| refuse("has a brace that is not closed"))?;
        let Some(index) = matched.variables.iter().position(|known| **known == *name) else {
            return Err(refuse("mismatch between variables in path_match_policy and path_rewrite_policy"));
        };
        pieces.push(Piece::Variable(index + 1));
        rest = after;
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests;
