//! Lines into header blocks. What repeats from message to message goes into the dynamic table; what differs each time does not, which is
//! learned for each name. Secrets never do (RFC 7541 section 7.1.3).

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use super::{DEFAULT_TABLE, OVERHEAD, Pseudo, STATIC_TEXT, huffman};
use crate::wire::headers::{Name, NameSet};

/// The writing end of a connection's compression.
#[derive(Debug)]
pub(in crate::wire::h2) struct Encoder {
    /// The newest first.
    table: VecDeque<Entry>,
    size: usize,
    limit: usize,
    /// What we would use if the peer allowed it.
    wanted: usize,
    /// The smallest limit since the last block, and the one that holds now: the peer must be told.
    update: Option<(usize, usize)>,
    /// Entries that were ever made.
    made: u32,
    /// For each interned name, and by hash for the others: its last entry.
    known: Vec<Memory>,
    coded: Option<bool>,
}

#[derive(Debug)]
struct Entry {
    /// The text of a name that is not interned.
    name: Bytes,
    value: Bytes,
    size: usize,
}

#[derive(Debug, Clone, Copy, Default)]
struct Memory {
    /// Its number, from 1 on; 0 is none.
    entry: u32,
    /// Values in a row that were not the last one.
    misses: u16,
}

/// A name that is written.
enum Left<'a> {
    Pseudo(Pseudo),
    Header(&'a Name),
}

/// What is never put into a table, here or by who passes it on.
const SECRETS: NameSet = NameSet::of([Name::AUTHORIZATION, Name::PROXY_AUTHORIZATION, Name::COOKIE, Name::SET_COOKIE]);

/// Places for names that are not interned.
const OTHERS: usize = 64;
/// After so many values that differ, a name's values are tried now and then only.
const PATIENCE: u16 = 4;
const AGAIN: u16 = 64;

impl Encoder {
    /// `wanted` is the most that the table may have; `coded`: whether text is Huffman coded where that is shorter. By default that is
    /// done with what goes into the table: the rest would cost the time each time.
    pub(in crate::wire::h2) fn new(wanted: u32, coded: Option<bool>) -> Encoder {
        let wanted = wanted as usize;
        let limit = wanted.min(DEFAULT_TABLE as usize);
        Encoder {
            table: VecDeque::new(),
            size: 0,
            limit,
            wanted,
            update: (limit < DEFAULT_TABLE as usize).then_some((limit, limit)),
            made: 0,
            known: Vec::new(),
            coded,
        }
    }

    /// The peer's limit (`SETTINGS_HEADER_TABLE_SIZE`).
    pub(in crate::wire::h2) fn limited(&mut self, size: u32) {
        let limit = self.wanted.min(size as usize);
        if limit != self.limit {
            let least = self.update.map_or(limit, |(least, _)| least.min(limit));
            self.update = Some((least, limit));
            self.limit = limit;
            self.evict(limit);
        }
    }

    /// Begins a block.
    pub(in crate::wire::h2) fn begin(&mut self, out: &mut BytesMut) {
        if let Some((least, limit)) = self.update.take() {
            if least < limit {
                integer(out, 0x20, 5, least);
                self.evict(least);
            }
            integer(out, 0x20, 5, limit);
        }
        if self.known.is_empty() {
            self.known = vec![Memory::default(); Name::KNOWN + OTHERS + Pseudo::COUNT];
        }
    }

    /// A header.
    pub(in crate::wire::h2) fn header(&mut self, name: &Name, value: &Bytes, out: &mut BytesMut) {
        if SECRETS.contains(name) {
            // The name of each is in the static table.
            integer(out, 0x10, 4, name.index().and_then(|known| STATIC_OF[known]).map_or(0, usize::from));
            return string(out, value, self.coded == Some(true));
        }
        let memory = match name.index() {
            Some(known) => known,
            None => Name::KNOWN + hash(name.as_bytes()),
        };
        self.field(Left::Header(name), memory, value, out);
    }

    /// A pseudo-header.
    pub(in crate::wire::h2) fn pseudo(&mut self, pseudo: Pseudo, value: &[u8], out: &mut BytesMut) {
        let text = pseudo.text();
        let same = STATIC_TEXT[..14].iter().position(|(name, known)| *name == text && known.as_bytes() == value);
        if let Some(index) = same.filter(|_| !value.is_empty()) {
            return out.put_u8(0x81 + index as u8);
        }
        let memory = Name::KNOWN + OTHERS + pseudo as usize;
        self.field(Left::Pseudo(pseudo), memory, value, out);
    }

    fn field(&mut self, left: Left<'_>, memory: usize, value: &[u8], out: &mut BytesMut) {
        let place = self.place(self.known[memory].entry, &left);
        if let Some(place) = place.filter(|place| self.table[*place].value == value) {
            self.known[memory].misses = 0;
            return integer(out, 0x80, 7, STATIC_TEXT.len() + 1 + place);
        }
        let misses = self.known[memory].misses;
        self.known[memory].misses = misses.wrapping_add(1);
        let size = left.text().len() + value.len() + OVERHEAD;
        let keep = (misses < PATIENCE || misses.is_multiple_of(AGAIN)) && size <= self.limit / 2;
        let index = place.map(|place| STATIC_TEXT.len() + 1 + place).or_else(|| left.in_static()).unwrap_or(0);
        if keep {
            integer(out, 0x40, 6, index)
        } else {
            integer(out, 0, 4, index)
        }
        if index == 0 {
            string(out, left.text(), self.coded.unwrap_or(keep));
        }
        string(out, value, self.coded.unwrap_or(keep));
        if keep {
            self.insert(&left, memory, value, size);
        }
    }

    /// Where the entry of that number stands, if it is still there and has that name.
    fn place(&self, entry: u32, left: &Left<'_>) -> Option<usize> {
        let place = (self.made.wrapping_sub(entry)) as usize;
        let found = self.table.get(place).filter(|_| entry != 0)?;
        match left {
            // One place for many names.
            Left::Header(name) if name.index().is_none() => (found.name == name.as_bytes()).then_some(place),
            _ => Some(place),
        }
    }

    fn insert(&mut self, left: &Left<'_>, memory: usize, value: &[u8], size: usize) {
        self.evict(self.limit - size);
        if self.made == u32::MAX {
            // Numbers begin anew, and nobody's entry is known any more.
            self.made = 0;
            self.known.fill(Memory::default());
        }
        self.made += 1;
        self.known[memory].entry = self.made;
        let name = match left {
            Left::Header(name) if name.index().is_none() => Bytes::copy_from_slice(name.as_bytes()),
            _ => Bytes::new(),
        };
        self.table.push_front(Entry { name, value: Bytes::copy_from_slice(value), size });
        self.size += size;
    }

    fn evict(&mut self, limit: usize) {
        while self.size > limit
            && let Some(entry) = self.table.pop_back()
        {
            self.size -= entry.size;
        }
    }
}

impl Left<'_> {
    fn text(&self) -> &[u8] {
        match self {
            Left::Pseudo(pseudo) => pseudo.text().as_bytes(),
            Left::Header(name) => name.as_bytes(),
        }
    }

    fn in_static(&self) -> Option<usize> {
        match self {
            Left::Pseudo(Pseudo::Authority) => Some(1),
            Left::Pseudo(Pseudo::Method) => Some(2),
            Left::Pseudo(Pseudo::Path) => Some(4),
            Left::Pseudo(Pseudo::Scheme) => Some(6),
            Left::Pseudo(Pseudo::Status) => Some(8),
            Left::Pseudo(Pseudo::Protocol) => None,
            Left::Header(name) => name.index().and_then(|known| STATIC_OF[known]).map(usize::from),
        }
    }
}

/// For each interned name its index in the static table.
static STATIC_OF: std::sync::LazyLock<[Option<u8>; Name::KNOWN]> = std::sync::LazyLock::new(|| {
    let mut table = [None; Name::KNOWN];
    for (place, (text, _)) in STATIC_TEXT.iter().enumerate() {
        if let Some(known) = Name::find(text.as_bytes()).and_then(|name| name.index()) {
            table[known].get_or_insert(place as u8 + 1);
        }
    }
    table
});

fn hash(text: &[u8]) -> usize {
    let mut hash = text.len() as u32;
    for octet in text {
        hash = (hash ^ u32::from(*octet)).wrapping_mul(0x9e37_79b1);
    }
    (hash >> 26) as usize
}

const _: () = assert!(OTHERS == 1 << 6);

/// An integer behind the bits of `kind` (section 5.1).
pub(super) fn integer(out: &mut BytesMut, kind: u8, prefix: u32, value: usize) {
    let mask = (1 << prefix) - 1;
    if value < mask {
        return out.put_u8(kind | value as u8);
    }
    out.put_u8(kind | mask as u8);
    let mut rest = value - mask;
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// A string (section 5.2).
pub(super) fn string(out: &mut BytesMut, text: &[u8], coded: bool) {
    if coded {
        let length = huffman::encoded_len(text);
        if length < text.len() {
            integer(out, 0x80, 7, length);
            return huffman::encode(text, out);
        }
    }
    integer(out, 0, 7, text.len());
    out.put_slice(text);
}
