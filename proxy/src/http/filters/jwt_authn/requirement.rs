//! Trees of requirements, compiled: their leaves are numbered, so that a request may come back to one that waits.

use std::sync::Arc;

use config::filters::jwt_authn::{JwtAuthn as Config, Requirement as Tree};

use super::extract::Places;
use crate::policy::jwt::Audiences;
use crate::wire::headers::Name;

/// A tree.
#[derive(Debug)]
pub(super) struct Requirement {
    pub root: Node,
    /// How many leaves it has.
    pub leaves: usize,
}

/// A part of a tree.
#[derive(Debug)]
pub(super) enum Node {
    Nothing,
    Leaf(Box<Leaf>),
    All(Box<[Node]>),
    Any {
        of: Box<[Node]>,
        /// No token at all is good, too.
        or_missing: bool,
        /// Whatever there is is good, too.
        or_failed: bool,
    },
}

/// Tokens that are looked for.
#[derive(Debug)]
pub(super) struct Leaf {
    pub number: usize,
    pub mode: Mode,
    pub places: Places,
    /// Headers that its providers write: what others of the tree have written there goes.
    pub own_headers: Box<[Name]>,
}

/// Whose tokens, and what else is good.
#[derive(Debug)]
pub(super) enum Mode {
    /// One of this provider.
    Provider(usize, Option<Audiences>),
    /// None, or good ones of any.
    Missing,
    /// Anything.
    MissingOrFailed,
    /// The same, and this header tells of bad ones.
    Unverified(Name),
}

impl Requirement {
    pub fn compile(tree: &Tree, config: &Config) -> Requirement {
        let mut leaves = 0;
        let root = node(tree, config, &mut leaves);
        Requirement { root, leaves }
    }
}

fn node(tree: &Tree, config: &Config, leaves: &mut usize) -> Node {
    match tree {
        Tree::Nothing => Node::Nothing,
        Tree::Provider { provider, audiences } => {
            let audiences = (!audiences.is_empty()).then(|| Audiences::new(audiences));
            leaf(Mode::Provider(*provider, audiences), config, leaves)
        }
        Tree::Missing => leaf(Mode::Missing, config, leaves),
        Tree::MissingOrFailed => leaf(Mode::MissingOrFailed, config, leaves),
        Tree::Unverified { header } => leaf(Mode::Unverified(Name::new(header)), config, leaves),
        Tree::All(of) => Node::All(of.iter().map(|one| node(one, config, leaves)).collect()),
        Tree::Any(of) => any(of, config, leaves),
    }
}

fn any(of: &[Tree], config: &Config, leaves: &mut usize) -> Node {
    let or_missing = of.iter().any(|one| matches!(one, Tree::Missing));
    let or_failed = of.iter().any(|one| matches!(one, Tree::MissingOrFailed));
    let others = of.iter().filter(|one| !matches!(one, Tree::Missing | Tree::MissingOrFailed));
    let mut nodes: Vec<Node> = others.map(|one| node(one, config, leaves)).collect();
    if nodes.is_empty() {
        let mode = if or_failed { Mode::MissingOrFailed } else { Mode::Missing };
        nodes.push(leaf(mode, config, leaves));
    }
    Node::Any { of: nodes.into(), or_missing, or_failed }
}

fn leaf(mode: Mode, config: &Config, leaves: &mut usize) -> Node {
    let providers = match &mode {
        Mode::Provider(place, _) => config.providers.get(*place..=*place).unwrap_or_default(),
        _ => &config.providers[..],
    };
    let names = |one: &config::filters::jwt_authn::Provider| {
        let claims = one.forwarding.claims.iter().map(|claim| claim.header.clone());
        one.forwarding.payload_header.iter().cloned().chain(claims).collect::<Vec<Arc<str>>>()
    };
    let leaf = Leaf {
        number: *leaves,
        places: Places::compile(providers),
        own_headers: providers.iter().flat_map(names).map(|name| Name::new(&name)).collect(),
        mode,
    };
    *leaves += 1;
    Node::Leaf(Box::new(leaf))
}
