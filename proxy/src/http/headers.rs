//! An ordered header list. Codecs fill it with slices of what was read; routes, filters and logs read and change it.
//!
//! Order is kept across removals and insertions, as Envoy keeps it. Names are lower case. It never validates: the codecs do.

use std::fmt;

use bytes::Bytes;

mod known;
pub use known::{Name, NameSet};

/// One header.
#[derive(Clone, PartialEq, Eq)]
pub struct Header {
    /// Lower-case name.
    pub name: Name,
    /// Value, without surrounding white space.
    pub value: Bytes,
    /// The name as it was spelt on the wire; empty unless the codec was told to keep it (`preserve_case`).
    pub spelling: Bytes,
}

/// Headers in wire order.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    entries: Vec<Header>,
}

impl Headers {
    /// No headers.
    pub const fn new() -> Headers {
        Headers { entries: Vec::new() }
    }

    /// Room for `count` without another allocation.
    pub fn with_capacity(count: usize) -> Headers {
        Headers { entries: Vec::with_capacity(count) }
    }

    /// How many lines (a repeated name counts each time).
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Header> {
        self.entries.iter()
    }

    /// All, in order, to change values in place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Header> {
        self.entries.iter_mut()
    }

    /// The first value of a name.
    pub fn get(&self, name: &Name) -> Option<&Bytes> {
        self.entries.iter().find(|header| header.name == *name).map(|header| &header.value)
    }

    /// The first value of a name given as text, lower case.
    pub fn get_str(&self, name: &str) -> Option<&Bytes> {
        self.entries.iter().find(|header| header.name.as_bytes() == name.as_bytes()).map(|header| &header.value)
    }

    /// All values of a name.
    pub fn get_all<'a>(&'a self, name: &'a Name) -> impl Iterator<Item = &'a Bytes> {
        self.entries.iter().filter(move |header| header.name == *name).map(|header| &header.value)
    }

    /// Whether the name is there.
    pub fn contains(&self, name: &Name) -> bool {
        self.entries.iter().any(|header| header.name == *name)
    }

    /// Adds a line at the end.
    pub fn append(&mut self, name: Name, value: impl Into<Bytes>) {
        self.entries.push(Header { name, value: value.into(), spelling: Bytes::new() });
    }

    /// Adds a whole line at the end.
    pub fn push(&mut self, header: Header) {
        self.entries.push(header);
    }

    /// Replaces the first value and removes further ones; adds at the end when absent.
    pub fn set(&mut self, name: Name, value: impl Into<Bytes>) {
        let Some(first) = self.entries.iter().position(|header| header.name == name) else {
            return self.append(name, value);
        };
        self.entries[first].value = value.into();
        let mut index = 0;
        self.entries.retain(|header| {
            index += 1;
            index <= first + 1 || header.name != name
        });
    }

    /// Removes every line of a name; the order of the rest stays. Tells whether any was there.
    pub fn remove(&mut self, name: &Name) -> bool {
        let before = self.entries.len();
        self.entries.retain(|header| header.name != *name);
        self.entries.len() != before
    }

    /// Keeps the lines for which `keep` is true.
    pub fn retain(&mut self, keep: impl FnMut(&Header) -> bool) {
        self.entries.retain(keep);
    }

    /// Removes all, keeping the allocation.
    pub fn clear(&mut self) {
        self.entries.clear();
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
