//! The trees that are looked up by address and by domain: `IPMatcher` and `ServerNameMatcher`, compiled. Called by the tree.

use std::collections::BTreeMap;
use std::net::IpAddr;

use config::match_tree as plain;
use config::{At, Rejection};
use ipnet::IpNet;

use super::{Comes, CompileAction, OnMatch, Verdict};
use crate::policy::facts::Facts;

/// Ranges of addresses. The longest that has an address is asked first, then the shorter ones, but those that are exclusive.
#[derive(Debug)]
pub(super) struct Ranges<A> {
    /// Which of the list a range is of, in order; the range may stand there more than once.
    by_range: BTreeMap<IpNet, Vec<usize>>,
    /// Lengths that there are, the longest first.
    lengths: Box<[u8]>,
    list: Box<[Range<A>]>,
}

#[derive(Debug)]
struct Range<A> {
    exclusive: bool,
    next: OnMatch<A>,
}

impl<A> Ranges<A> {
    pub(super) fn compile<C>(
        at: &At<'_>,
        config: &[plain::Ranges<C>],
        action: CompileAction<'_, C, A>,
        comes: &mut Comes,
    ) -> Result<Ranges<A>, Rejection> {
        let at = at.field("matcher_tree");
        let at = at.field("custom_match");
        let at = at.field("typed_config");
        let at = at.field("range_matchers");
        let (mut by_range, mut list) = (BTreeMap::<IpNet, Vec<usize>>::new(), Vec::with_capacity(config.len()));
        for (index, one) in config.iter().enumerate() {
            for range in &one.ranges {
                by_range.entry(*range).or_default().push(index);
            }
            let next = OnMatch::compile(&at.index(index).field("on_match"), &one.next, action, comes)?;
            list.push(Range { exclusive: one.exclusive, next });
        }
        let mut lengths: Vec<u8> = by_range.keys().map(IpNet::prefix_len).collect();
        lengths.sort_unstable_by(|left, right| right.cmp(left));
        lengths.dedup();
        Ok(Ranges { by_range, lengths: lengths.into(), list: list.into() })
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &OnMatch<A>> {
        self.list.iter().map(|range| &range.next)
    }

    pub(super) fn judge(&self, ip: IpAddr, facts: &dyn Facts) -> Verdict<'_, A> {
        let whole = |length: &u8| IpNet::new(ip, *length).ok();
        let having = self.lengths.iter().filter_map(whole).filter_map(|range| self.by_range.get(&range.trunc()));
        for (tried, index) in having.flatten().enumerate() {
            let range = &self.list[*index];
            if tried > 0 && range.exclusive {
                continue;
            }
            match range.next.judge(facts) {
                Verdict::Nothing => {}
                verdict => return verdict,
            }
        }
        Verdict::Nothing
    }
}

/// Domains. A name as it stands goes first, then the longest wildcard, then the shorter ones, at last the wildcard that is all.
#[derive(Debug)]
pub(super) struct Domains<A> {
    names: BTreeMap<Box<[u8]>, usize>,
    /// What follows `*.`.
    wildcards: BTreeMap<Box<[u8]>, usize>,
    all: Option<usize>,
    list: Box<[OnMatch<A>]>,
}

impl<A> Domains<A> {
    pub(super) fn compile<C>(
        at: &At<'_>,
        config: &[plain::Domains<C>],
        action: CompileAction<'_, C, A>,
        comes: &mut Comes,
    ) -> Result<Domains<A>, Rejection> {
        let at = at.field("matcher_tree");
        let at = at.field("custom_match");
        let at = at.field("typed_config");
        let at = at.field("domain_matchers");
        let (mut names, mut wildcards, mut all) = (BTreeMap::new(), BTreeMap::new(), None);
        let mut list = Vec::with_capacity(config.len());
        for (index, one) in config.iter().enumerate() {
            for domain in &one.domains {
                match (&**domain, domain.strip_prefix("*.")) {
                    ("*", _) => all = Some(index),
                    (_, Some(end)) => _ = wildcards.insert(end.as_bytes().into(), index),
                    (name, None) => _ = names.insert(name.as_bytes().into(), index),
                }
            }
            list.push(OnMatch::compile(&at.index(index).field("on_match"), &one.next, action, comes)?);
        }
        Ok(Domains { names, wildcards, all, list: list.into() })
    }

    pub(super) fn each(&self) -> impl Iterator<Item = &OnMatch<A>> {
        self.list.iter()
    }

    pub(super) fn judge(&self, name: &[u8], facts: &dyn Facts) -> Verdict<'_, A> {
        if name.is_empty() {
            return Verdict::Nothing;
        }
        let ends = memchr::memchr_iter(b'.', name).filter_map(|dot| self.wildcards.get(&name[dot + 1..]));
        for index in self.names.get(name).into_iter().chain(ends).chain(&self.all) {
            match self.list[*index].judge(facts) {
                Verdict::Nothing => {}
                verdict => return verdict,
            }
        }
        Verdict::Nothing
    }
}
