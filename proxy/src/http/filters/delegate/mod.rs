//! Filters behind a match tree: `envoy.extensions.common.matching.v3.ExtensionWithMatcher` (match_delegate), around a filter that acts
//! unless the tree skips it, and `envoy.extensions.filters.http.composite.v3.Composite`, which becomes what the tree says. Both are
//! conditions of a place in the chain: what is inside is compiled like any other filter and has the name of the place, by which routes
//! speak of it. [`running`] is a request's share.
//!
//! They may stand inside one another. What a route tells the place is for the outermost: inside itself a tree would never end.
//!
//! Fields honoured: all of both, of `ExecuteFilterAction` and of their messages for routes, but these, which are refused: a composite's
//! own `matcher` inside a match_delegate whose tree says, too, what it becomes (Envoy calls that undefined), and `dynamic_config` in
//! what a route tells.

use std::sync::Arc;

use bytes::Bytes;
use config::filters::HttpFilterConfig;
use config::filters::composite::{self, Execute as ExecuteConfig, ExecuteFilter, NamedFilter};
use config::filters::match_delegate::{DelegateAction, MatchDelegate, MatchDelegatePerRoute};
use config::match_tree::{Matcher, Rules};
use config::matcher::Fraction;
use config::runtime::Live;
use config::{At, Rejection};

use super::chain::Slot;
use super::filter::{FilterDeps, Hooks};
use super::{Filter, discovered};
use crate::policy::match_tree::Tree;
use crate::stats::Counter;

pub(in crate::http) mod running;

/// Where composite filters leave what they became, as Envoy's do.
const MATCHED_ACTIONS: &str = "envoy.extensions.filters.http.composite.matched_actions";

/// A place of the chain with its condition.
#[derive(Debug)]
pub(crate) struct Delegate {
    /// It is a match_delegate; otherwise a composite filter with a tree of its own.
    wraps: bool,
    tree: Option<Tree<Act>>,
    base: Base,
    /// Places in a request's list of filters: as many as the longest chain that it may become.
    width: u16,
}

/// What a level tells it: another tree.
#[derive(Debug)]
pub(crate) struct DelegateScope {
    tree: Tree<Act>,
    width: u16,
}

// Few, and made with the chain: a box would be one more hop for each request.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
enum Base {
    /// Acts unless it is skipped. It may have places of its own.
    Filter(Box<Slot>),
    /// Becomes something.
    Composite(Composite),
}

#[derive(Debug)]
struct Composite {
    /// `named_filter_chains`.
    chains: Box<[(Arc<str>, Execute)]>,
    success: Counter,
    /// Filters that Envoy could not make of an action. Here such an action is refused when it is configured.
    _error: Counter,
}

/// What a tree says.
#[derive(Debug)]
enum Act {
    Skip,
    Execute { sample: Option<Live<Fraction>>, what: What },
}

#[derive(Debug)]
enum What {
    These(Execute),
    /// One of [`Composite::chains`]; where it is not among them, nothing.
    Named(Arc<str>),
}

/// What a composite filter becomes.
#[derive(Debug)]
struct Execute {
    filters: Box<[Slot]>,
    /// The object of [`MATCHED_ACTIONS`] where this is all there is in it.
    note: Bytes,
}

impl Delegate {
    /// A match_delegate; `None` where the filter inside does not act.
    pub(super) fn match_delegate(
        config: &MatchDelegate,
        name: &Arc<str>,
        deps: &FilterDeps<'_>,
    ) -> Result<Option<Delegate>, Rejection> {
        let root = At::root();
        let at = root.field("extension_config");
        let at = at.field("typed_config");
        let base = match &config.filter {
            HttpFilterConfig::Composite(composite)
                if composite.matcher.is_some() && config.matcher.as_ref().is_some_and(executes) =>
            {
                return Err(at.field("matcher").reject(
                    "may not be set inside a match_delegate whose tree says what the filter becomes; take one of them out",
                ));
            }
            HttpFilterConfig::Composite(composite) if composite.matcher.is_none() => {
                Base::Composite(Composite::compile(&at, composite, name, deps)?)
            }
            filter => match inner(&at, filter, name, deps)? {
                Some(slot) => Base::Filter(Box::new(slot)),
                None => return Ok(None),
            },
        };
        let at = root.field(if config.deprecated { "matcher" } else { "xds_matcher" });
        let tree = config.matcher.as_ref().map(|tree| delegate_tree(&at, tree, name, deps)).transpose()?;
        Ok(Some(Delegate::new(true, tree, base)))
    }

    /// A composite filter with a tree of its own.
    pub(super) fn composite(
        config: &composite::Composite,
        name: &Arc<str>,
        deps: &FilterDeps<'_>,
    ) -> Result<Delegate, Rejection> {
        let root = At::root();
        let base = Base::Composite(Composite::compile(&root, config, name, deps)?);
        let tree = config.matcher.as_ref();
        let tree = tree.map(|tree| composite_tree(&root.field("matcher"), tree, name, deps)).transpose()?;
        Ok(Delegate::new(false, tree, base))
    }

    fn new(wraps: bool, tree: Option<Tree<Act>>, base: Base) -> Delegate {
        let width = match &base {
            // What a tree executes is for composite filters: this one acts, once.
            Base::Filter(slot) => slot.width(),
            Base::Composite(composite) => {
                let chains = composite.chains.iter().map(|(_, chain)| places(&chain.filters)).max().unwrap_or(0);
                chains.max(tree.as_ref().map_or(0, width))
            }
        };
        Delegate { wraps, tree, base, width }
    }

    /// Places in a request's list of filters.
    pub(super) fn width(&self) -> u16 {
        self.width
    }

    /// The hooks that are called where routes say nothing. Without a tree it is skipped, as in Envoy.
    pub(super) fn acts(&self) -> Hooks {
        if self.tree.is_some() { Hooks::REQUEST } else { Hooks::NONE }
    }
}

impl DelegateScope {
    /// `ExtensionWithMatcherPerRoute`. Without a tree nothing matches, and so nothing is skipped.
    pub(super) fn match_delegate(
        config: &MatchDelegatePerRoute,
        name: &Arc<str>,
        deps: &FilterDeps<'_>,
    ) -> Result<DelegateScope, Rejection> {
        let nothing = Matcher { rules: Rules::Nothing, no_match: None };
        let tree = config.matcher.as_ref().unwrap_or(&nothing);
        DelegateScope::new(delegate_tree(&At::root().field("xds_matcher"), tree, name, deps)?)
    }

    /// `CompositePerRoute`.
    pub(super) fn composite(
        config: &composite::CompositePerRoute,
        name: &Arc<str>,
        deps: &FilterDeps<'_>,
    ) -> Result<DelegateScope, Rejection> {
        DelegateScope::new(composite_tree(&At::root().field("matcher"), &config.matcher, name, deps)?)
    }

    fn new(tree: Tree<Act>) -> Result<DelegateScope, Rejection> {
        Ok(DelegateScope { width: width(&tree), tree })
    }
}

impl Composite {
    fn compile(
        at: &At<'_>,
        config: &composite::Composite,
        name: &Arc<str>,
        deps: &FilterDeps<'_>,
    ) -> Result<Composite, Rejection> {
        let at = at.field("named_filter_chains");
        let mut chains = Vec::with_capacity(config.chains.len());
        for (key, filters) in &config.chains {
            chains.push((key.clone(), Execute::chain(&at.key(key), filters, key, name, deps)?));
        }
        let counter = |end: &str| deps.stats.counter(&format!("{}composite.filter_delegation_{end}", deps.scope));
        Ok(Composite { chains: chains.into(), success: counter("success"), _error: counter("error") })
    }

    fn chain(&self, name: &str) -> Option<&Execute> {
        self.chains.iter().find(|(key, _)| **key == *name).map(|(_, chain)| chain)
    }
}

impl Execute {
    fn filter(at: &At<'_>, filter: &NamedFilter, name: &Arc<str>, deps: &FilterDeps<'_>) -> Result<Execute, Rejection> {
        let slot = inner(&at.field("typed_config"), &filter.config, name, deps)?;
        Ok(Execute { filters: slot.into_iter().collect(), note: note(name, &filter.name) })
    }

    fn chain(
        at: &At<'_>,
        filters: &[NamedFilter],
        action: &str,
        name: &Arc<str>,
        deps: &FilterDeps<'_>,
    ) -> Result<Execute, Rejection> {
        let at = at.field("typed_config");
        let mut slots = Vec::with_capacity(filters.len());
        for (index, filter) in filters.iter().enumerate() {
            slots.extend(inner(&at.index(index).field("typed_config"), &filter.config, name, deps)?);
        }
        Ok(Execute { filters: slots.into(), note: note(name, action) })
    }
}

/// A filter inside; `None` where it does not act.
fn inner(
    at: &At<'_>,
    config: &HttpFilterConfig,
    name: &Arc<str>,
    deps: &FilterDeps<'_>,
) -> Result<Option<Slot>, Rejection> {
    let filter = Filter::compile(config, name, deps).map_err(|rejection| rejection.below(at))?;
    Ok(filter.map(|filter| Slot::new(name.clone(), filter)))
}

/// Whether a tree says of a composite filter what it becomes.
fn executes(tree: &Matcher<DelegateAction>) -> bool {
    let mut executes = false;
    tree.each_action(&mut |action| executes |= matches!(action, DelegateAction::Execute(_)));
    executes
}

fn delegate_tree(
    at: &At<'_>,
    tree: &Matcher<DelegateAction>,
    name: &Arc<str>,
    deps: &FilterDeps<'_>,
) -> Result<Tree<Act>, Rejection> {
    Tree::compile(at, tree, &mut |at, action| match action {
        DelegateAction::Skip => Ok(Act::Skip),
        DelegateAction::Execute(action) => execute(at, action, name, deps),
    })
}

fn composite_tree(
    at: &At<'_>,
    tree: &Matcher<Arc<ExecuteFilter>>,
    name: &Arc<str>,
    deps: &FilterDeps<'_>,
) -> Result<Tree<Act>, Rejection> {
    Tree::compile(at, tree, &mut |at, action| execute(at, action, name, deps))
}

fn execute(at: &At<'_>, action: &ExecuteFilter, name: &Arc<str>, deps: &FilterDeps<'_>) -> Result<Act, Rejection> {
    let what = match &action.what {
        ExecuteConfig::Filter(filter) => What::These(Execute::filter(&at.field("typed_config"), filter, name, deps)?),
        ExecuteConfig::Chain(filters) => {
            What::These(Execute::chain(&at.field("filter_chain"), filters, "filter_chain", name, deps)?)
        }
        ExecuteConfig::NamedChain(chain) => What::Named(chain.clone()),
        ExecuteConfig::Discovered(dynamic, discovery) => {
            let at = at.field("dynamic_config");
            if deps.discoveries.is_none() {
                return Err(at.unsupported("what a route tells a filter is not discovered").withholding_policy());
            }
            let filter = discovered::compile(dynamic, discovery, deps).map_err(|rejection| rejection.below(&at))?;
            let slot = filter.map(|filter| Slot::new(name.clone(), filter));
            What::These(Execute { filters: slot.into_iter().collect(), note: note(name, dynamic) })
        }
    };
    Ok(Act::Execute { sample: action.sample.clone(), what })
}

/// The longest list of filters among a tree's actions.
fn width(tree: &Tree<Act>) -> u16 {
    let mut most = 0;
    tree.actions(&mut |act| {
        if let Act::Execute { what: What::These(execute), .. } = act {
            most = most.max(places(&execute.filters));
        }
    });
    most
}

fn places(filters: &[Slot]) -> u16 {
    filters.iter().fold(0, |sum, slot| slot.width().saturating_add(sum))
}

fn note(name: &str, action: &str) -> Bytes {
    serde_json::json!({ name: action }).to_string().into()
}

#[cfg(test)]
mod tests;
