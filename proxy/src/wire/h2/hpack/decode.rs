//! Header blocks into lines. The block may come in pieces: what is whole is decoded, the rest waits for more.
//!
//! What a peer can make this hold: its dynamic table, and the lines of one message up to their limits. What comes beyond them is decoded,
//! for the table must stay that of the peer, and forgotten.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::{DEFAULT_TABLE, FieldName, OVERHEAD, STATIC, huffman};
use crate::wire::h2::lines::{Lines, Sound};
use crate::wire::headers::Name;

/// The state of the compression is lost, and with it the connection (RFC 9113 section 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wire::h2) struct Broken(pub(in crate::wire::h2) &'static str);

/// The reading end of a connection's compression.
#[derive(Debug)]
pub(in crate::wire::h2) struct Decoder {
    /// The newest first.
    table: VecDeque<Entry>,
    pub(super) size: usize,
    /// What the peer has chosen.
    limit: usize,
    /// What it may choose.
    allowed: usize,
    /// It has agreed to a smaller table, and must say so before it goes on.
    owes_update: bool,
    /// The largest encoded name or value.
    max_field: usize,
}

#[derive(Debug)]
struct Entry {
    name: FieldName,
    value: Bytes,
    /// With [`OVERHEAD`].
    size: usize,
    sound: Sound,
}

impl Decoder {
    pub(in crate::wire::h2) fn new(max_field: usize) -> Decoder {
        let limit = DEFAULT_TABLE as usize;
        Decoder { table: VecDeque::new(), size: 0, limit, allowed: limit, owes_update: false, max_field }
    }

    /// The peer may use a table of that size; a smaller one than before it must have agreed to (`agreed`).
    pub(in crate::wire::h2) fn allow(&mut self, size: u32, agreed: bool) {
        let size = size as usize;
        if agreed || size > self.allowed {
            self.allowed = size;
            self.owes_update = self.limit > size;
        }
    }

    /// Decodes the fields that are whole; tells how many octets they had. With `begins` the block begins here.
    pub(in crate::wire::h2) fn decode(
        &mut self,
        block: &[u8],
        begins: bool,
        lines: &mut Lines,
    ) -> Result<usize, Broken> {
        let mut rest = block;
        let mut may_resize = begins;
        loop {
            let Some(first) = rest.first() else { return Ok(block.len()) };
            let whole = block.len() - rest.len();
            if first & 0xe0 == 0x20 {
                let Some(size) = integer(&mut rest, 5)? else { return Ok(whole) };
                if !may_resize {
                    return Err(Broken("a table size update behind a field"));
                }
                self.resize(size)?;
                continue;
            }
            if self.owes_update {
                return Err(Broken("no table size update"));
            }
            may_resize = false;
            let complete = match first {
                0x80.. => self.indexed(&mut rest, lines)?,
                0x40.. => self.literal(&mut rest, 6, true, lines)?,
                _ => self.literal(&mut rest, 4, false, lines)?,
            };
            if !complete {
                return Ok(whole);
            }
        }
    }

    fn resize(&mut self, size: usize) -> Result<(), Broken> {
        if size > self.allowed {
            return Err(Broken("a table above its limit"));
        }
        self.owes_update = false;
        self.limit = size;
        self.evict(size);
        Ok(())
    }

    fn indexed(&mut self, rest: &mut &[u8], lines: &mut Lines) -> Result<bool, Broken> {
        let Some(index) = integer(rest, 7)? else { return Ok(false) };
        if let Some((name, value)) = index.checked_sub(1).and_then(|index| STATIC.get(index)) {
            lines.shared(name, value, Sound::YES);
        } else {
            let entry = self.dynamic(index)?;
            lines.shared(&entry.name, &entry.value, entry.sound);
        }
        Ok(true)
    }

    fn dynamic(&self, index: usize) -> Result<&Entry, Broken> {
        let place = index.checked_sub(STATIC.len() + 1);
        place.and_then(|place| self.table.get(place)).ok_or(Broken("an index that there is not"))
    }

    fn literal(&mut self, rest: &mut &[u8], prefix: u32, keep: bool, lines: &mut Lines) -> Result<bool, Broken> {
        let Some(index) = integer(rest, prefix)? else { return Ok(false) };
        let (mut said, mut known) = (None, None);
        match index {
            0 => match string(rest, self.max_field)? {
                None => return Ok(false),
                text => said = text,
            },
            index => {
                known = Some(match STATIC.get(index - 1) {
                    Some((name, _)) => name.clone(),
                    None => self.dynamic(index)?.name.clone(),
                });
            }
        }
        // Nothing is decoded before all of it is here: a name would be once more with each piece of its value.
        let Some(value) = string(rest, self.max_field)? else { return Ok(false) };
        let begin = lines.text.len();
        said.map_or(Ok(()), |name| add(name, &mut lines.text))?;
        let middle = lines.text.len();
        add(value, &mut lines.text)?;
        let sound = Sound::of(&lines.text[middle..]);
        let name = match known {
            Some(name) => {
                let length = match index.checked_sub(STATIC.len() + 1).and_then(|place| self.table.get(place)) {
                    Some(entry) => entry.size - OVERHEAD - entry.value.len(),
                    None => super::STATIC_TEXT[index - 1].0.len(),
                };
                if keep {
                    self.insert(name.clone(), length, &lines.text[middle..], sound);
                }
                name
            }
            None => self.named(&lines.text[begin..middle], &lines.text[middle..], keep, sound),
        };
        lines.literal(name, begin, middle, sound);
        Ok(true)
    }

    /// A name that came as text.
    fn named(&mut self, text: &[u8], value: &[u8], keep: bool, sound: Sound) -> FieldName {
        let name = FieldName::read(text, || {
            // Only a name that stays has memory of its own; the others are part of their message's text.
            if keep { Bytes::copy_from_slice(text) } else { Bytes::new() }
        });
        if keep {
            self.insert(name.clone(), text.len(), value, sound);
        }
        name
    }

    fn insert(&mut self, name: FieldName, name_length: usize, value: &[u8], sound: Sound) {
        let size = name_length + value.len() + OVERHEAD;
        if size > self.limit {
            // Section 4.4: that empties the table, and is no error.
            self.evict(0);
            return;
        }
        self.evict(self.limit - size);
        self.size += size;
        self.table.push_front(Entry { name, value: Bytes::copy_from_slice(value), size, sound });
    }

    fn evict(&mut self, limit: usize) {
        while self.size > limit
            && let Some(entry) = self.table.pop_back()
        {
            self.size -= entry.size;
        }
    }
}

/// Whether a name was left to the message's text: see [`Decoder::named`].
pub(in crate::wire::h2) fn is_in_text(name: &Name) -> bool {
    name.as_bytes().is_empty()
}

/// An integer behind so many bits (section 5.1). `None`: it is not whole.
fn integer(rest: &mut &[u8], prefix: u32) -> Result<Option<usize>, Broken> {
    let Some((first, mut after)) = rest.split_first() else { return Ok(None) };
    let mask = (1_u32 << prefix) - 1;
    let mut value = u32::from(*first) & mask;
    if value == mask {
        let mut shift = 0;
        loop {
            let Some((next, behind)) = after.split_first() else { return Ok(None) };
            after = behind;
            let part = u32::from(next & 0x7f);
            let grown =
                if shift > 28 || part.leading_zeros() < shift { None } else { value.checked_add(part << shift) };
            value = grown.ok_or(Broken("an integer that is too large"))?;
            if next & 0x80 == 0 {
                break;
            }
            shift += 7;
        }
    }
    *rest = after;
    Ok(Some(value as usize))
}

/// A string as it came (section 5.2), and whether it is Huffman coded. `None`: it is not whole.
fn string<'a>(rest: &mut &'a [u8], max: usize) -> Result<Option<(&'a [u8], bool)>, Broken> {
    let mut after = *rest;
    let Some(first) = after.first() else { return Ok(None) };
    let coded = first & 0x80 != 0;
    let Some(length) = integer(&mut after, 7)? else { return Ok(None) };
    if length > max {
        return Err(Broken("a field above the limit"));
    }
    let Some((text, behind)) = after.split_at_checked(length) else { return Ok(None) };
    *rest = behind;
    Ok(Some((text, coded)))
}

/// Adds what a string says.
fn add((text, coded): (&[u8], bool), out: &mut BytesMut) -> Result<(), Broken> {
    if coded {
        return huffman::decode(text, out).map_err(|_| Broken("no Huffman code"));
    }
    out.extend_from_slice(text);
    Ok(())
}
