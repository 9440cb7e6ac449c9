//! SNI and ALPN out of a ClientHello, from bytes that may end anywhere (RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3; RFC 7301).
//! Pure: given the same bytes, in whatever pieces, it says the same. What does not look like TLS is plain text, as Envoy decides.

use smallvec::SmallVec;

use super::Progress;

const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const LARGEST_RECORD: usize = 16 * 1024;
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
/// `NameType.host_name` (RFC 6066 section 3).
const HOST_NAME: u8 = 0;
const LONGEST_NAME: usize = 255;
const LONGEST_SESSION_ID: usize = 32;

/// What a ClientHello tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::listener) struct ClientHello {
    /// Host name, lower case.
    pub server_name: Option<Vec<u8>>,
    /// Protocols in the client's order.
    pub alpn: Vec<Box<[u8]>>,
}

/// Reads as far as it can. `Done(None)`: it is not TLS.
pub(in crate::listener) fn parse(bytes: &[u8]) -> Progress<Option<ClientHello>> {
    let (message, is_whole) = match unwrap_records(bytes) {
        Some(found) => found,
        None => return Progress::Done(None),
    };
    match message.first() {
        Some(&CLIENT_HELLO) => {}
        Some(_) => return Progress::Done(None),
        None => return Progress::More,
    }
    match is_whole {
        true => Progress::Done(hello(message.get(4..).unwrap_or_default())),
        false => Progress::More,
    }
}

/// The first handshake message, put together from its records, and whether all of it is here. `None`: these are not such records.
fn unwrap_records(mut bytes: &[u8]) -> Option<(Vec<u8>, bool)> {
    let mut message = Vec::new();
    loop {
        let (header, rest) = match bytes {
            [kind, ..] if *kind != HANDSHAKE => return None,
            [_, major, ..] if *major != 3 => return None,
            [_, _, _, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
            _ => return Some((message, false)),
        };
        // A handshake record is never empty (RFC 8446, 5.1) and never longer than 2^14.
        if header == 0 || header > LARGEST_RECORD {
            return None;
        }
        message.extend_from_slice(&rest[..header.min(rest.len())]);
        if let [_, a, b, c, body @ ..] = &*message {
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if body.len() >= length {
                message.truncate(length + 4);
                return Some((message, true));
            }
        }
        match rest.get(header..) {
            Some(next) => bytes = next,
            None => return Some((message, false)),
        }
    }
}

/// The body of a ClientHello. `None`: it is malformed.
fn hello(body: &[u8]) -> Option<ClientHello> {
    let mut input = Input(body);
    input.take(2 + 32)?;
    if input.vector8()?.len() > LONGEST_SESSION_ID {
        return None;
    }
    let suites = input.vector16()?;
    let compression = input.vector8()?;
    if suites.is_empty() || suites.len() % 2 != 0 || compression.is_empty() {
        return None;
    }
    let mut found = ClientHello::default();
    if input.0.is_empty() {
        return Some(found);
    }
    let mut extensions = Input(input.vector16()?);
    if !input.0.is_empty() {
        return None;
    }
    let mut kinds = SmallVec::<[u16; 32]>::new();
    while !extensions.0.is_empty() {
        let kind = extensions.u16()?;
        let data = extensions.vector16()?;
        kinds.push(kind);
        match kind {
            SERVER_NAME => found.server_name = Some(server_name(data)?),
            // A malformed list is the TLS library's to refuse.
            ALPN => found.alpn = alpn(data).unwrap_or_default(),
            _ => {}
        }
    }
    kinds.sort_unstable();
    let is_twice = kinds.windows(2).any(|two| two[0] == two[1]);
    (!is_twice).then_some(found)
}

/// The host name of a ServerNameList: one, whatever its octets. `None`: it is malformed, as BoringSSL sees it.
fn server_name(data: &[u8]) -> Option<Vec<u8>> {
    let mut outer = Input(data);
    let mut list = Input(outer.vector16()?);
    let kind = list.take(1)?[0];
    let name = list.vector16()?;
    let is_all = outer.0.is_empty() && list.0.is_empty();
    let is_name = kind == HOST_NAME && !name.is_empty() && name.len() <= LONGEST_NAME && !name.contains(&0);
    (is_all && is_name).then(|| name.to_ascii_lowercase())
}

fn alpn(data: &[u8]) -> Option<Vec<Box<[u8]>>> {
    let mut outer = Input(data);
    let mut list = Input(outer.vector16()?);
    if !outer.0.is_empty() || list.0.is_empty() {
        return None;
    }
    let mut protocols = Vec::new();
    while !list.0.is_empty() {
        let protocol = list.vector8()?;
        if protocol.is_empty() {
            return None;
        }
        protocols.push(protocol.into());
    }
    Some(protocols)
}

/// Bytes that are read from the front.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2).map(|bytes| u16::from_be_bytes([bytes[0], bytes[1]]))
    }

    fn vector8(&mut self) -> Option<&'a [u8]> {
        let length = self.take(1)?[0];
        self.take(length.into())
    }

    fn vector16(&mut self) -> Option<&'a [u8]> {
        let length = self.u16()?;
        self.take(length.into())
    }
}

#[cfg(test)]
pub(in crate::listener) mod tests;
