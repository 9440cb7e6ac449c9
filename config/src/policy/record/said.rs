//! What is said of an extension that carries policy, and how much it judges. Counted by [`super::Walk`]; the trail prints it. It never
//! says what stands inside: that may be a secret.

use std::fmt;

use super::strength::Strength;
use super::{Judging, Record};
use crate::discreet;
use crate::registry::DOWNSTREAM_TLS;

/// An extension: its type, the name that it has, and what is particular about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said {
    pub kind: &'static str,
    pub name: String,
    /// It is told to a filter of that name.
    pub is_scoped: bool,
    /// Of the filters of upgrades to that.
    pub upgrade: Option<String>,
    pub remark: &'static str,
    pub strength: Strength,
}

/// The kinds with their names, each with how often it stands there.
impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.counts.iter().peekable();
        let mut comma = "";
        while let Some((said, count)) = rest.next() {
            // How much each of them judges is not told.
            let others = std::iter::from_fn(|| rest.next_if(|(other, _)| other.sounds_like(said)));
            let count = count + others.map(|(_, count)| count).sum::<usize>();
            write!(out, "{comma}{}", said.kind.trim_start_matches("envoy.extensions."))?;
            if !said.name.is_empty() {
                let whose = if said.is_scoped { " for" } else { "" };
                write!(out, "{whose} '{}'", discreet::shown(&said.name))?;
            }
            if let Some(upgrade) = &said.upgrade {
                write!(out, " of upgrades to '{}'", discreet::shown(upgrade))?;
            }
            write!(out, "{} x{count}", said.remark)?;
            comma = ", ";
        }
        Ok(())
    }
}

impl Said {
    fn sounds_like(&self, other: &Said) -> bool {
        (self.kind, &self.name, self.is_scoped, &self.upgrade, self.remark)
            == (other.kind, &other.name, other.is_scoped, &other.upgrade, other.remark)
    }

    /// How it judges, if it does.
    pub fn judging(&self) -> impl Iterator<Item = Judging> {
        let levels = match self.strength {
            _ if !self.remark.is_empty() || self.kind == DOWNSTREAM_TLS => 0,
            Strength::Nothing => 0,
            Strength::Some => 1,
            Strength::All => 2,
        };
        let kind = self.kind;
        (1..=levels).map(move |level| (kind, level))
    }
}
