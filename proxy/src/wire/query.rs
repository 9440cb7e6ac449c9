//! Query strings: what a parameter says, and how a query is written that was changed. Called by filters, match trees and logs: one
//! reading for all who judge by it. Must never know what a parameter means.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// The query of a path, without its `?`; empty where there is none.
pub fn of(path: &[u8]) -> &[u8] {
    split(path).1
}

/// A path and its query.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'?', path) {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (path, &[]),
    }
}

/// The first value of a parameter, as it stands there. The name may be escaped, too.
pub fn first<'q>(query: &'q [u8], name: &[u8]) -> Option<&'q [u8]> {
    pairs(query).find(|(known, _)| decode(known) == name).map(|(_, value)| value)
}

/// The same, decoded.
pub fn decoded<'q>(query: &'q [u8], name: &[u8]) -> Option<Cow<'q, [u8]>> {
    first(query, name).map(decode)
}

/// The parameters of a query by name. As in Envoy a query that was changed is written anew: sorted by parameter, each with `=`.
#[derive(Debug)]
pub struct Parameters {
    values: BTreeMap<Vec<u8>, Vec<Vec<u8>>>,
    /// Names are decoded, and are encoded again when they are written.
    decoded: bool,
}

impl Parameters {
    /// As they stand there.
    pub fn verbatim(query: &[u8]) -> Parameters {
        let mut parameters = Parameters { values: BTreeMap::new(), decoded: false };
        pairs(query).for_each(|(name, value)| parameters.add(name, value.to_vec()));
        parameters
    }

    /// Decoded. Unlike Envoy's, octets that would mean something else when they stand bare stay encoded: a decoded `&`, `#` or line break
    /// never gets into the path.
    pub fn decoded(query: &[u8]) -> Parameters {
        let mut parameters = Parameters { values: BTreeMap::new(), decoded: true };
        for (name, value) in pairs(query) {
            parameters.add(&decode(name), escaped(&decode(value), may_stand_bare));
        }
        parameters
    }

    /// Whether there is one of that name.
    pub fn contains(&self, name: &[u8]) -> bool {
        self.values.contains_key(name)
    }

    /// One more; the value as it will stand there.
    pub fn add(&mut self, name: &[u8], value: Vec<u8>) {
        self.values.entry(name.to_vec()).or_default().push(value);
    }

    /// In place of all of that name.
    pub fn set(&mut self, name: &[u8], value: Vec<u8>) {
        self.values.insert(name.to_vec(), vec![value]);
    }

    /// Takes all of that name out.
    pub fn remove(&mut self, name: &[u8]) {
        self.values.remove(name);
    }

    /// Behind a path.
    pub fn write(&self, path: &[u8]) -> Vec<u8> {
        let mut out = path.to_vec();
        let mut before = b'?';
        for (name, values) in &self.values {
            for value in values {
                out.push(before);
                if self.decoded {
                    out.extend(escaped(name, |octet| may_stand_bare(octet) && octet != b'='));
                } else {
                    out.extend_from_slice(name);
                }
                out.push(b'=');
                out.extend_from_slice(value);
                before = b'&';
            }
        }
        out
    }
}

/// Text with those octets percent-encoded that may not stand bare.
pub fn escaped(text: &[u8], bare: impl Fn(u8) -> bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for octet in text {
        if bare(*octet) {
            out.push(*octet);
        } else {
            out.extend_from_slice(percent_encoding::percent_encode_byte(*octet).as_bytes());
        }
    }
    out
}

/// Names and values as they stand there, in order. Without `=` the value is empty.
fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    // What follows the last `&` is a parameter only if there is something.
    let query = query.strip_suffix(b"&").unwrap_or(query);
    let list = query.split(|octet| *octet == b'&').filter(move |_| !query.is_empty());
    list.map(|one| match memchr::memchr(b'=', one) {
        Some(at) => (&one[..at], &one[at + 1..]),
        None => (one, &[][..]),
    })
}

/// What is no escape stands for itself.
fn decode(text: &[u8]) -> Cow<'_, [u8]> {
    percent_encoding::percent_decode(text).into()
}

/// Not the end of a parameter, of the query or of the path, nor half an escape.
fn may_stand_bare(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"&#%".contains(&octet)
}
