//! Fields of an encoded message as they lie in its bytes. What is no field ends the list: decoding says what is wrong.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use crate::schema::{Field, Message};

/// `google.protobuf.FieldDescriptorProto.Type`, those that matter here.
pub(super) mod kind {
    pub(in crate::fields) const DOUBLE: u8 = 1;
    pub(in crate::fields) const FLOAT: u8 = 2;
    pub(in crate::fields) const STRING: u8 = 9;
    pub(in crate::fields) const BYTES: u8 = 12;
    pub(in crate::fields) const SINT32: u8 = 17;
    pub(in crate::fields) const SINT64: u8 = 18;
}

/// A field that occurs.
pub(crate) struct Occurrence<'a> {
    pub field: Field,
    pub value: Wire<'a>,
}

/// Its value as it lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Wire<'a> {
    /// A varint, or eight or four octets.
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    pub(crate) fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Wire::Bytes(bytes) => Some(bytes),
            Wire::Number(_) => None,
        }
    }

    /// A value that says no more than none.
    pub(crate) fn is_default(self, field: Field) -> bool {
        match self {
            Wire::Number(number) => number == 0 && !field.is_repeated(),
            Wire::Bytes(bytes) => match field.message() {
                None => bytes.is_empty() && !field.is_repeated(),
                // Off is what nearly all of them are when they are not set, and senders write it out.
                Some(of) => of.name() == "google.protobuf.BoolValue" && matches!(bytes, [] | [8, 0]),
            },
        }
    }
}

/// All fields of `message` in `bytes` that are known.
pub(crate) fn occurrences<'a>(message: Message, bytes: &'a [u8]) -> SmallVec<[Occurrence<'a>; 16]> {
    all(message, bytes, |_| {})
}

/// The same; the numbers of those that are not known go to `unknown`.
pub(crate) fn all<'a>(
    message: Message,
    bytes: &'a [u8],
    mut unknown: impl FnMut(u32),
) -> SmallVec<[Occurrence<'a>; 16]> {
    let mut found = SmallVec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let Some((number, value)) = next(&mut rest) else { break };
        match (message.field(number), value) {
            (Some(field), Some(value)) => found.push(Occurrence { field, value }),
            (None, _) => unknown(number),
            (Some(_), None) => {}
        }
    }
    found
}

/// Each field of a message as a message of its own, all that there is of it.
pub(crate) fn alone(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut found: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
    let mut rest = bytes;
    loop {
        let before = rest;
        let Some((number, _)) = next(&mut rest) else { break };
        found.entry(number).or_default().extend_from_slice(&before[..before.len() - rest.len()]);
    }
    found.into_values().collect()
}

/// Key and value of a map's entry.
pub(crate) fn entry(entry: Message, bytes: &[u8]) -> (String, &[u8]) {
    let (mut key, mut value) = (String::new(), &[][..]);
    for one in occurrences(entry, bytes) {
        match (one.field.number(), one.value) {
            (1, Wire::Bytes(text)) => key = String::from_utf8_lossy(text).into_owned(),
            (1, Wire::Number(number)) => key = number.to_string(),
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => {}
        }
    }
    (key, value)
}

/// The numbers of a packed field.
pub(crate) fn packed(mut bytes: &[u8]) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || varint(&mut bytes))
}

/// A field's number and value; groups have none.
fn next<'a>(rest: &mut &'a [u8]) -> Option<(u32, Option<Wire<'a>>)> {
    let tag = varint(rest)?;
    let number = u32::try_from(tag >> 3).ok()?;
    let value = match tag & 7 {
        0 => Some(Wire::Number(varint(rest)?)),
        1 => Some(Wire::Number(u64::from_le_bytes(*split(rest, 8)?.first_chunk()?))),
        2 => {
            let length = usize::try_from(varint(rest)?).ok()?;
            Some(Wire::Bytes(split(rest, length)?))
        }
        5 => Some(Wire::Number(u32::from_le_bytes(*split(rest, 4)?.first_chunk()?).into())),
        3 | 4 => None,
        _ => return None,
    };
    Some((number, value))
}

fn split<'a>(rest: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for (index, byte) in rest.iter().take(10).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            *rest = &rest[index + 1..];
            return Some(value);
        }
    }
    None
}
