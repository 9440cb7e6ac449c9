//! An ordered header list. Codecs fill it with slices of what was read; routes, filters and logs read and change it.
//!
//! Order is kept across removals and insertions, as Envoy keeps it. Names are lower case. It never validates what
//! codecs have read: they do. What anybody else puts in is judged by [`sound`].

use std::fmt;

use bytes::Bytes;

mod known;
pub use known::{Name, NameSet};
mod sound;
pub use sound::{flaw_of_request, is_header, is_name, is_token, is_value};

/// What no trailer may say: how the message that it ends was framed, and where it went (RFC 9110 section 6.5.1).
pub const NEVER_TRAILERS: NameSet = NameSet::of([
    Name::CONTENT_LENGTH,
    Name::TRANSFER_ENCODING,
    Name::HOST,
    Name::CONNECTION,
    Name::UPGRADE,
    Name::KEEP_ALIVE,
    Name::PROXY_CONNECTION,
]);

/// One header.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Lower-case name.
    pub name: Name,
    /// Value, without surrounding white space.
    pub value: Bytes,
    /// The name as it was spelt on the wire, if the codec was told to keep it (`preserve_case`). Boxed, for it is hardly ever there.
    pub spelling: Option<Box<Bytes>>,
}

/// What a codec kept of how the names of a message were spelt (`preserve_case`). It decides how they are written, whichever codec writes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// Anything at all.
    pub spelling: bool,
    /// Names that were added since have proper case.
    pub own_proper: bool,
    /// `host` was in lower case.
    pub lower_host: bool,
    /// `Transfer-Encoding` had proper case.
    pub proper_encoding: bool,
    /// The server's reason phrase goes on.
    pub reason: bool,
}

/// Headers in wire order.
#[derive(Clone, Default)]
pub struct Headers {
    /// How they came.
    pub kept: Kept,
    entries: Vec<Header>,
    /// The interned names that may be there; those that are not in it are not. Most look-ups are for headers that are absent.
    maybe: NameSet,
    /// The interned names of which there may be several lines.
    repeated: NameSet,
    /// Something was put in that is no header ([`sound`]).
    doubted: bool,
}

impl Kept {
    /// Nothing.
    pub const NONE: Kept =
        Kept { spelling: false, own_proper: false, lower_host: false, proper_encoding: false, reason: false };
}

impl PartialEq for Headers {
    fn eq(&self, other: &Headers) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Headers {}

impl Headers {
    /// No headers.
    pub const fn new() -> Headers {
        Headers {
            kept: Kept::NONE,
            entries: Vec::new(),
            maybe: NameSet::EMPTY,
            repeated: NameSet::EMPTY,
            doubted: false,
        }
    }

    /// Room for `count` without another allocation.
    pub fn with_capacity(count: usize) -> Headers {
        Headers { entries: Vec::with_capacity(count), ..Headers::new() }
    }

    /// How many lines (a repeated name counts each time).
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Octets of names and values.
    pub fn octets(&self) -> u64 {
        self.iter().map(|header| (header.name.as_bytes().len() + header.value.len()) as u64).sum()
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.entries.iter()
    }

    /// All values of a name, to change them in place.
    pub fn values_mut<'a>(&'a mut self, name: &'a Name) -> impl Iterator<Item = &'a mut Bytes> {
        let entries = if self.maybe.admits(name) { &mut self.entries[..] } else { &mut [] };
        entries.iter_mut().filter(move |header| header.name == *name).map(|header| &mut header.value)
    }

    /// The first value of a name.
    pub fn get(&self, name: &Name) -> Option<&Bytes> {
        if !self.maybe.admits(name) {
            return None;
        }
        self.entries.iter().find(|header| header.name == *name).map(|header| &header.value)
    }

    /// The first value of a name given as text, lower case.
    pub fn get_str(&self, name: &str) -> Option<&Bytes> {
        match Name::find(name.as_bytes()) {
            Some(known) => self.get(&known),
            None => {
                self.entries.iter().find(|header| header.name.is_other(name.as_bytes())).map(|header| &header.value)
            }
        }
    }

    /// All values of a name.
    pub fn get_all<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Bytes> {
        let entries = if self.maybe.admits(name) { &self.entries[..] } else { &[] };
        entries.iter().filter(move |header| header.name == *name).map(|header| &header.value)
    }

    /// Whether the name is there.
    pub fn contains(&self, name: &Name) -> bool {
        self.maybe.admits(name) && self.entries.iter().any(|header| header.name == *name)
    }

    /// Adds a line at the end.
    pub fn append(&mut self, name: Name, value: impl Into<Bytes>) {
        self.push(Header { name, value: value.into(), spelling: None });
    }

    /// Appends to the first value of a list header, or adds the header.
    pub fn append_list(&mut self, name: Name, value: &str, separator: &[u8]) {
        let Some(existing) = self.values_mut(&name).next() else {
            return self.append(name, Bytes::copy_from_slice(value.as_bytes()));
        };
        let before = if existing.is_empty() { &b""[..] } else { separator };
        *existing = [&existing[..], before, value.as_bytes()].concat().into();
    }

    /// Adds a whole line at the end.
    pub fn push(&mut self, header: Header) {
        self.maybe.insert_again(&header.name, &mut self.repeated);
        self.entries.push(header);
    }

    /// Replaces the first value and removes further ones; adds at the end when absent.
    pub fn set(&mut self, name: Name, value: impl Into<Bytes>) {
        let find = || self.entries.iter().position(|header| header.name == name);
        let Some(first) = self.maybe.admits(&name).then(find).flatten() else {
            return self.append(name, value);
        };
        self.entries[first].value = value.into();
        if name.index().is_some() && !self.repeated.contains(&name) {
            return;
        }
        let mut index = 0;
        self.entries.retain(|header| {
            index += 1;
            index <= first + 1 || header.name != name
        });
    }

    /// Removes every line of a name; the order of the rest stays. Tells whether any was there.
    #[inline]
    pub fn remove(&mut self, name: &Name) -> bool {
        self.maybe.admits(name) && self.remove_found(name)
    }

    fn remove_found(&mut self, name: &Name) -> bool {
        let before = self.entries.len();
        self.entries.retain(|header| header.name != *name);
        self.maybe.remove(name);
        self.entries.len() != before
    }

    /// Removes every line whose name is in the set.
    #[inline]
    pub fn remove_all(&mut self, names: NameSet) {
        if self.maybe.meets(names) {
            self.entries.retain(|header| !names.contains(&header.name));
            self.maybe = self.maybe.without(names);
        }
    }

    /// Whether one of the names may be there.
    pub fn may_hold(&self, names: NameSet) -> bool {
        self.maybe.meets(names)
    }

    /// Makes one line, where the first stood, of repeated lines of each of these interned names: `a,b`.
    pub fn join_repeated(&mut self, names: NameSet) {
        if !self.repeated.meets(names) {
            return;
        }
        let repeated = self.repeated.and(names);
        let mut at = 0;
        while let Some(header) = self.entries.get(at) {
            at += 1;
            if repeated.contains(&header.name) {
                let name = header.name.clone();
                // As with Envoy an empty line adds nothing to the list.
                let values = self.get_all(&name).map(|value| &value[..]).filter(|value| !value.is_empty());
                let values: Vec<&[u8]> = values.collect();
                let joined = values.join(&b',');
                self.set(name, joined);
            }
        }
        self.repeated = self.repeated.without(names);
    }

    /// Keeps the lines for which `keep` is true.
    pub fn retain(&mut self, keep: impl FnMut(&Header) -> bool) {
        self.entries.retain(keep);
    }

    /// Removes all, keeping the allocation.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.maybe = NameSet::EMPTY;
        self.repeated = NameSet::EMPTY;
        self.doubted = false;
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map()
            .entries(self.entries.iter().map(|header| (header.name.as_str(), header.value.escape_ascii().to_string())))
            .finish()
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.name.as_str(), self.value.escape_ascii())
    }
}
