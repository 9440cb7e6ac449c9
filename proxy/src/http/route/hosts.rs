//! From `:authority` to a virtual host: exact > longest `*.suffix` > longest `prefix.*` > `*`, case ignored.
//!
//! Called by [`super::RouteTable`] alone. A lookup allocates nothing for names of up to 256 octets.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

/// Domains, each with the index of its virtual host. They are the control plane's: a client's name is looked up and never kept, so a
/// quick hash will do.
type Domains = HashMap<Arc<[u8]>, u32, RandomState>;
/// Wildcard domains by the length of what is not wild.
type ByLength = Vec<(usize, Domains)>;

/// Domains of a table, each with the index of its virtual host.
#[derive(Debug)]
pub(super) struct Hosts {
    ignore_port: bool,
    exact: Domains,
    /// By length of the suffix (the `*` left out), longest first.
    suffixes: ByLength,
    /// By length of the prefix, longest first.
    prefixes: ByLength,
    any: Option<u32>,
}

impl Hosts {
    pub(super) fn new(ignore_port: bool) -> Hosts {
        Hosts { ignore_port, exact: Domains::default(), suffixes: Vec::new(), prefixes: Vec::new(), any: None }
    }

    /// Adds a domain. The error says why it is refused.
    pub(super) fn insert(&mut self, domain: &str, host: u32) -> Result<(), String> {
        let lower = domain.to_ascii_lowercase();
        let domain = lower.as_bytes();
        let earlier = match (domain, domain.first(), domain.last()) {
            (b"*", ..) => self.any.replace(host),
            (_, Some(b'*'), _) => by_length(&mut self.suffixes, domain.len() - 1).insert(Arc::from(&domain[1..]), host),
            (_, _, Some(b'*')) => {
                let prefix = &domain[..domain.len() - 1];
                by_length(&mut self.prefixes, prefix.len()).insert(Arc::from(prefix), host)
            }
            (_, None, _) => return Err("is empty; a domain names a host".to_owned()),
            _ => self.exact.insert(Arc::from(domain), host),
        };
        match earlier {
            None => Ok(()),
            Some(_) => Err(format!(
                "\"{lower}\" is a domain of an earlier virtual host; every domain may stand once in a table"
            )),
        }
    }

    /// The virtual host of all names, where no other names any.
    pub(super) fn only(&self) -> Option<u32> {
        let others = !(self.exact.is_empty() && self.suffixes.is_empty() && self.prefixes.is_empty());
        self.any.filter(|_| !others)
    }

    /// The virtual host of an authority.
    pub(super) fn find(&self, authority: &[u8]) -> Option<u32> {
        if let Some(only) = self.only() {
            return Some(only);
        }
        let mut lowered: SmallVec<[u8; 256]>;
        let whole = if authority.iter().any(u8::is_ascii_uppercase) {
            lowered = SmallVec::from_slice(authority);
            lowered.make_ascii_lowercase();
            &lowered[..]
        } else {
            authority
        };
        let host = if self.ignore_port { without_port(whole) } else { whole };
        // A table whose ports are ignored may still hold `host:port` domains (Istio's `http_proxy` table for ports other than 80). Envoy
        // never finds those; here the name with its port comes first, for that is another service than the name alone.
        let ported = if host.len() == whole.len() { None } else { self.exact.get(whole).copied() };
        ported
            .or_else(|| self.named(host))
            .or_else(|| if host.len() == whole.len() { None } else { self.named(whole) })
            .or(self.any)
    }

    /// The virtual host that names the host of an authority, wherever its port stands, and whether it names the port too. A wildcard
    /// that stands for all names nobody.
    pub(super) fn names(&self, authority: &[u8]) -> Option<(u32, bool)> {
        let whole = authority.to_ascii_lowercase();
        if let Some(found) = self.exact.get(&whole[..]) {
            return Some((*found, true));
        }
        self.named(without_port(&whole)).map(|found| (found, false))
    }

    fn named(&self, host: &[u8]) -> Option<u32> {
        if let Some(found) = self.exact.get(host) {
            return Some(*found);
        }
        // The wildcard stands for at least one octet: `*.foo.com` is not `.foo.com`.
        let suffix = self.suffixes.iter().filter(|(length, _)| *length < host.len());
        let found = suffix.filter_map(|(length, domains)| domains.get(&host[host.len() - length..])).next();
        found
            .or_else(|| {
                let prefix = self.prefixes.iter().filter(|(length, _)| *length < host.len());
                prefix.filter_map(|(length, domains)| domains.get(&host[..*length])).next()
            })
            .copied()
    }
}

/// The authority without its port; an IPv6 literal keeps its brackets.
pub(crate) fn without_port(authority: &[u8]) -> &[u8] {
    match memchr::memrchr(b':', authority) {
        Some(colon) if memchr::memchr(b']', &authority[colon..]).is_none() => &authority[..colon],
        _ => authority,
    }
}

fn by_length(lists: &mut ByLength, length: usize) -> &mut Domains {
    let position = match lists.binary_search_by(|(other, _)| length.cmp(other)) {
        Ok(position) => position,
        Err(position) => {
            lists.insert(position, (length, Domains::default()));
            position
        }
    };
    &mut lists[position].1
}
