//! Octets that stand in metadata as text. Metadata holds text, and Envoy's holds whatever octets a client has sent: what is no UTF-8 is
//! kept as characters of a private area, one an octet, so that policies judge what came. Written by filters that read headers; read by
//! whoever judges metadata or writes it out.

use std::borrow::Cow;

/// The character of the octet 0; private use, plane 16.
const FIRST: u32 = 0x10_fe00;

/// How the UTF-8 of all those characters begins.
const LEAD: u8 = 0xf4;

/// Text for octets: themselves, where they are UTF-8.
pub fn to_text(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) if !octets.contains(&LEAD) => Cow::Borrowed(text),
        _ => Cow::Owned(kept(octets)),
    }
}

fn kept(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() * 4);
    let stands_for = |octet: u8| char::from_u32(FIRST + u32::from(octet)).unwrap_or(char::REPLACEMENT_CHARACTER);
    for chunk in octets.utf8_chunks() {
        for one in chunk.valid().chars() {
            // Who sends such a character means its octets.
            match octet_of(one) {
                Some(_) => text.extend(one.encode_utf8(&mut [0; 4]).bytes().map(stands_for)),
                None => text.push(one),
            }
        }
        text.extend(chunk.invalid().iter().copied().map(stands_for));
    }
    text
}

/// The octets that the text stands for.
pub fn of_text(text: &str) -> Cow<'_, [u8]> {
    if !text.as_bytes().contains(&LEAD) {
        return Cow::Borrowed(text.as_bytes());
    }
    let mut octets = Vec::with_capacity(text.len());
    for one in text.chars() {
        match octet_of(one) {
            Some(octet) => octets.push(octet),
            None => octets.extend_from_slice(one.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    Cow::Owned(octets)
}

fn octet_of(one: char) -> Option<u8> {
    u32::from(one).checked_sub(FIRST).and_then(|octet| u8::try_from(octet).ok())
}

#[cfg(test)]
mod tests;
