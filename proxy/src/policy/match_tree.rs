//! `xds.type.matcher.v3.Matcher`, compiled: which action is taken for what. Called by those who hold a tree: filters of HTTP and
//! policies. It never takes the action, and never waits: an input that is not here yet makes the answer [`Verdict::Later`], and who
//! asked asks again when more is known.
//!
//! As in Envoy: a branch that finds nothing gives the search back to where it came from; an input that will never be here meets no
//! condition, so that the negation of one holds; of prefixes the longest is tried first, then the shorter ones.

use std::collections::BTreeMap;
use std::ops::Bound;

use config::match_tree as plain;
use config::{At, Rejection};

use self::custom::{Domains, Ranges};
use self::input::{Found, Input};
use self::predicate::Predicate;
use crate::policy::facts::Facts;

mod custom;
mod input;
mod predicate;

/// A tree.
#[derive(Debug)]
pub(crate) struct Tree<A> {
    rules: Rules<A>,
    no_match: Option<OnMatch<A>>,
    comes: Comes,
}

#[derive(Debug)]
enum Rules<A> {
    Nothing,
    List(Box<[(Predicate, OnMatch<A>)]>),
    Exact(Input, Map<A>),
    Prefix(Input, Map<A>),
    Ranges(Input, Ranges<A>),
    Domains(Input, Domains<A>),
}

type Map<A> = BTreeMap<Box<[u8]>, OnMatch<A>>;

#[derive(Debug)]
enum OnMatch<A> {
    Tree(Box<Tree<A>>),
    Action(A),
}

/// What a tree says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict<'t, A> {
    /// An input that it takes to say is not here yet.
    Later,
    /// Nothing matches.
    Nothing,
    /// This.
    Action(&'t A),
}

/// Which of a tree's inputs are not there from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comes(u8);

#[allow(missing_docs)]
impl Comes {
    pub const NOTHING_LATER: Comes = Comes(0);
    pub const WITH_REQUEST_TRAILERS: Comes = Comes(1);
    pub const WITH_RESPONSE: Comes = Comes(2);
    pub const WITH_RESPONSE_TRAILERS: Comes = Comes(4);

    /// Any of these.
    pub const fn has(self, any: Comes) -> bool {
        self.0 & any.0 != 0
    }

    /// Both.
    pub const fn with(self, other: Comes) -> Comes {
        Comes(self.0 | other.0)
    }

    fn add(&mut self, other: Comes) {
        *self = self.with(other);
    }
}

/// Compiles an action; the place is that of its `typed_config`.
pub(crate) type CompileAction<'c, C, A> = &'c mut dyn FnMut(&At<'_>, &C) -> Result<A, Rejection>;

impl<A> Tree<A> {
    /// Compiles a tree with its actions.
    ///
    /// # Errors
    /// The first action that cannot be honoured; the path begins at `at`, the tree.
    pub(crate) fn compile<C>(
        at: &At<'_>,
        config: &plain::Matcher<C>,
        action: CompileAction<'_, C, A>,
    ) -> Result<Tree<A>, Rejection> {
        let mut comes = Comes::NOTHING_LATER;
        let rules = match &config.rules {
            plain::Rules::Nothing => Rules::Nothing,
            plain::Rules::List(list) => {
                let (at_list, mut compiled) = (at.field("matcher_list"), Vec::with_capacity(list.len()));
                let at_list = at_list.field("matchers");
                for (index, (predicate, on_match)) in list.iter().enumerate() {
                    let predicate = Predicate::compile(predicate, &mut comes);
                    let at = at_list.index(index);
                    compiled.push((predicate, OnMatch::compile(&at.field("on_match"), on_match, action, &mut comes)?));
                }
                Rules::List(compiled.into())
            }
            plain::Rules::Exact(input, map) => {
                let map = Self::map(at, "exact_match_map", map, action, &mut comes)?;
                Rules::Exact(compile_input(input, &mut comes), map)
            }
            plain::Rules::Prefix(input, map) => {
                let map = Self::map(at, "prefix_match_map", map, action, &mut comes)?;
                Rules::Prefix(compile_input(input, &mut comes), map)
            }
            plain::Rules::Ranges(input, list) => {
                let ranges = Ranges::compile(at, list, action, &mut comes)?;
                Rules::Ranges(compile_input(input, &mut comes), ranges)
            }
            plain::Rules::Domains(input, list) => {
                let domains = Domains::compile(at, list, action, &mut comes)?;
                Rules::Domains(compile_input(input, &mut comes), domains)
            }
        };
        let no_match = match &config.no_match {
            Some(no_match) => Some(OnMatch::compile(&at.field("on_no_match"), no_match, action, &mut comes)?),
            None => None,
        };
        Ok(Tree { rules, no_match, comes })
    }

    fn map<C>(
        at: &At<'_>,
        field: &str,
        map: &BTreeMap<std::sync::Arc<str>, plain::OnMatch<C>>,
        action: CompileAction<'_, C, A>,
        comes: &mut Comes,
    ) -> Result<Map<A>, Rejection> {
        let at = at.field("matcher_tree");
        let at = at.field(field);
        let at = at.field("map");
        let mut compiled = Map::new();
        for (key, on_match) in map {
            compiled.insert(key.as_bytes().into(), OnMatch::compile(&at.key(key), on_match, action, comes)?);
        }
        Ok(compiled)
    }

    /// Which of its inputs come later than the request's head.
    pub(crate) fn comes(&self) -> Comes {
        self.comes
    }

    /// Shows all its actions.
    pub(crate) fn actions<'t>(&'t self, see: &mut dyn FnMut(&'t A)) {
        let mut on_match = |on_match: &'t OnMatch<A>| match on_match {
            OnMatch::Tree(tree) => tree.actions(see),
            OnMatch::Action(action) => see(action),
        };
        match &self.rules {
            Rules::Nothing => {}
            Rules::List(list) => list.iter().for_each(|(_, one)| on_match(one)),
            Rules::Exact(_, map) | Rules::Prefix(_, map) => map.values().for_each(&mut on_match),
            Rules::Ranges(_, ranges) => ranges.each().for_each(&mut on_match),
            Rules::Domains(_, domains) => domains.each().for_each(&mut on_match),
        }
        self.no_match.iter().for_each(on_match);
    }

    /// What it says of these facts.
    pub(crate) fn judge(&self, facts: &dyn Facts) -> Verdict<'_, A> {
        let verdict = match &self.rules {
            Rules::Nothing => Verdict::Nothing,
            Rules::List(list) => judge_list(list, facts),
            Rules::Exact(input, map) => judge_map(input, facts, |value| match map.get(value) {
                Some(found) => found.judge(facts),
                None => Verdict::Nothing,
            }),
            Rules::Prefix(input, map) => judge_map(input, facts, |value| judge_prefixes(map, value, facts)),
            Rules::Ranges(input, ranges) => judge_by(input, facts, |value| match value {
                Found::Ip(ip) => ranges.judge(*ip, facts),
                Found::Text(text) => match std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
                    Some(ip) => ranges.judge(ip, facts),
                    None => Verdict::Nothing,
                },
                _ => Verdict::Nothing,
            }),
            Rules::Domains(input, domains) => judge_map(input, facts, |name| domains.judge(name, facts)),
        };
        match (verdict, &self.no_match) {
            (Verdict::Nothing, Some(no_match)) => no_match.judge(facts),
            (verdict, _) => verdict,
        }
    }
}

fn judge_list<'t, A>(list: &'t [(Predicate, OnMatch<A>)], facts: &dyn Facts) -> Verdict<'t, A> {
    for (predicate, on_match) in list {
        match predicate.holds(facts) {
            None => return Verdict::Later,
            Some(false) => {}
            Some(true) => match on_match.judge(facts) {
                Verdict::Nothing => {}
                verdict => return verdict,
            },
        }
    }
    Verdict::Nothing
}

fn judge_map<'t, A>(input: &Input, facts: &dyn Facts, judge: impl Fn(&[u8]) -> Verdict<'t, A>) -> Verdict<'t, A> {
    judge_by(input, facts, |found| match found {
        Found::Text(text) => judge(text),
        Found::Ip(ip) => judge(ip.to_string().as_bytes()),
        _ => Verdict::Nothing,
    })
}

/// By an input that is here.
fn judge_by<'t, A>(input: &Input, facts: &dyn Facts, judge: impl Fn(&Found<'_>) -> Verdict<'t, A>) -> Verdict<'t, A> {
    let mut verdict = Verdict::Later;
    input.see(facts, &mut |found| {
        verdict = match found {
            Found::Later => Verdict::Later,
            found => judge(&found),
        };
    });
    verdict
}

/// The longest prefix first; where that finds nothing, the next shorter one.
fn judge_prefixes<'t, A>(map: &'t Map<A>, value: &[u8], facts: &dyn Facts) -> Verdict<'t, A> {
    let mut below = Bound::Included(value);
    while let Some((prefix, on_match)) = map.range::<[u8], _>((Bound::Unbounded, below)).next_back() {
        let common = prefix.iter().zip(value).take_while(|(left, right)| left == right).count();
        if common < prefix.len() {
            // All that lies between begins otherwise.
            below = Bound::Included(&value[..common]);
            continue;
        }
        match on_match.judge(facts) {
            Verdict::Nothing => below = Bound::Excluded(&value[..common]),
            verdict => return verdict,
        }
    }
    Verdict::Nothing
}

impl<A> OnMatch<A> {
    fn compile<C>(
        at: &At<'_>,
        config: &plain::OnMatch<C>,
        action: CompileAction<'_, C, A>,
        comes: &mut Comes,
    ) -> Result<OnMatch<A>, Rejection> {
        Ok(match config {
            plain::OnMatch::Matcher(tree) => {
                let tree = Tree::compile(&at.field("matcher"), tree, action)?;
                comes.add(tree.comes);
                OnMatch::Tree(Box::new(tree))
            }
            plain::OnMatch::Action(config) => {
                OnMatch::Action(action(&at.field("action").field("typed_config"), config)?)
            }
        })
    }

    fn judge(&self, facts: &dyn Facts) -> Verdict<'_, A> {
        match self {
            OnMatch::Tree(tree) => tree.judge(facts),
            OnMatch::Action(action) => Verdict::Action(action),
        }
    }
}

fn compile_input(config: &plain::Input, comes: &mut Comes) -> Input {
    let input = Input::compile(config);
    comes.add(input.comes());
    input
}

#[cfg(test)]
mod tests;
