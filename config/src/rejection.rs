//! Why a resource was refused, and where in it. Used by every translation of this crate.

use std::borrow::Cow;
use std::fmt;

use crate::discreet;

/// A refused resource: the field, what was wrong with it, what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}{}{reason}", if path.is_empty() { "" } else { ": " })]
pub struct Rejection {
    /// Path of the field from the resource's root, e.g. `filter_chains[2].filters[0].typed_config.max_age`.
    pub path: String,
    /// What is wrong, and what to do about it, as one sentence.
    pub reason: String,
    /// It is refused because it carries policy that this build does not enforce: what was in force before must not go on either,
    /// for it lets pass what the policy forbids.
    pub withholds_policy: bool,
    /// It is valid for Envoy, and this build has it not.
    pub is_unsupported: bool,
}

impl Rejection {
    /// The same rejection, of policy that is not enforced here.
    pub fn withholding_policy(self) -> Rejection {
        Rejection { withholds_policy: true, ..self }
    }

    /// The same rejection, where the resource itself stands at `at` of something larger.
    pub fn below(self, at: &At<'_>) -> Rejection {
        let prefix = at.to_string();
        let dot = if prefix.is_empty() || self.path.is_empty() || self.path.starts_with('[') { "" } else { "." };
        Rejection { path: format!("{prefix}{dot}{}", self.path), ..self }
    }
}

/// Names in a sentence; of many the first few, and how many there are more.
pub(crate) fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    const MOST: usize = 16;
    let names: Vec<&str> = names.into_iter().collect();
    match names.len() {
        count if count > MOST => format!("{} and {} more", names[..MOST].join(", "), count - MOST),
        _ => names.join(", "),
    }
}

/// A place in a resource while it is being read. Cheap to make (no allocation until a rejection is built).
#[derive(Clone, Copy)]
pub struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl At<'static> {
    /// The resource itself.
    pub const fn root() -> At<'static> {
        At { parent: None, step: Step::Root }
    }
}

impl<'a> At<'a> {
    /// A field of this message.
    pub fn field(&'a self, name: &'a str) -> At<'a> {
        At { parent: Some(self), step: Step::Field(name) }
    }

    /// An element of this repeated field.
    pub fn index(&'a self, index: usize) -> At<'a> {
        At { parent: Some(self), step: Step::Index(index) }
    }

    /// A value of this map.
    pub fn key(&'a self, key: &'a str) -> At<'a> {
        At { parent: Some(self), step: Step::Key(key) }
    }

    /// Whether it is the resource itself.
    pub(crate) fn is_root(&self) -> bool {
        self.parent.is_none()
    }

    /// A rejection at this place. What in the reason looks like a secret is not shown.
    pub fn reject(&self, reason: impl Into<String>) -> Rejection {
        let reason = reason.into();
        let reason = match discreet::shown(&reason) {
            Cow::Borrowed(_) => reason,
            Cow::Owned(reason) => reason,
        };
        Rejection { path: self.to_string(), reason, withholds_policy: false, is_unsupported: false }
    }

    /// A rejection of something at this place that Envoy has and this build has not, where the reason says what to do about it.
    pub fn only_envoys(&self, reason: impl Into<String>) -> Rejection {
        Rejection { is_unsupported: true, ..self.reject(reason) }
    }

    /// The same, and what to do about it.
    pub fn unsupported(&self, reason: impl fmt::Display) -> Rejection {
        self.only_envoys(format!("{reason}; take it out, or keep Envoy for this workload"))
    }
}

impl fmt::Display for At<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(parent) = self.parent else { return Ok(()) };
        parent.fmt(out)?;
        let first = matches!(parent.step, Step::Root);
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) if first => out.write_str(name),
            Step::Field(name) => write!(out, ".{name}"),
            Step::Index(index) => write!(out, "[{index}]"),
            Step::Key(key) => write!(out, "[\"{}\"]", discreet::shown(key)),
        }
    }
}

impl fmt::Debug for At<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}
