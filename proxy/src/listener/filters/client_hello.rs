//! SNI and ALPN out of a ClientHello, from bytes that may end anywhere (RFC 8446, sections 4.1.2 and 5.1; RFC 6066, section 3; RFC 7301).
//! Pure: given the same bytes, in whatever pieces, it says the same. What does not look like TLS is plain text, as Envoy decides; an
//! alert and a version that nobody knows end the connection, whatever the listener says of errors.

use smallvec::SmallVec;

use super::Progress;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const LARGEST_RECORD: usize = 16 * 1024;
/// What a message may say of its own length.
const LARGEST_MESSAGE: usize = 16 * 1024;
/// Records without content, before the connection is given up.
const EMPTY_RECORDS: usize = 32;
/// Those of TLS 1.0 to 1.3 (RFC 8446 section 4.1.2 has one of them stand for all).
const VERSIONS: std::ops::RangeInclusive<u16> = 0x0301..=0x0304;
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

/// What a connection begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::listener) enum Beginning {
    /// TLS.
    Hello(ClientHello),
    /// Something else.
    Plain,
    /// TLS that has ended before it began.
    Over,
}

/// Reads as far as it can.
pub(in crate::listener) fn parse(bytes: &[u8]) -> Progress<Beginning> {
    match message(bytes) {
        Ok(Progress::More) => Progress::More,
        Ok(Progress::Done(message)) => Progress::Done(hello(&message[4..]).unwrap_or(Beginning::Plain)),
        Err(instead) => Progress::Done(instead),
    }
}

/// The ClientHello that the records hold, behind its type and length. `Err`: they hold none.
fn message(mut bytes: &[u8]) -> Result<Progress<Vec<u8>>, Beginning> {
    let (mut message, mut empty) = (Vec::new(), 0);
    loop {
        let (kind, length, rest) = match bytes {
            [kind, ..] if !matches!(*kind, HANDSHAKE | ALERT) => return Err(Beginning::Plain),
            [_, major, ..] if *major != 3 => return Err(Beginning::Plain),
            [kind, _, _, high, low, rest @ ..] => (*kind, usize::from(u16::from_be_bytes([*high, *low])), rest),
            _ => return Ok(Progress::More),
        };
        if length > LARGEST_RECORD {
            return Err(Beginning::Plain);
        }
        // A record counts once it is whole, as BoringSSL reads it.
        let Some((record, next)) = rest.split_at_checked(length) else { return Ok(Progress::More) };
        bytes = next;
        if kind == ALERT {
            return Err(Beginning::Over);
        }
        empty += usize::from(record.is_empty());
        if empty > EMPTY_RECORDS {
            return Err(Beginning::Plain);
        }
        message.extend_from_slice(record);
        match &*message {
            [kind, ..] if *kind != CLIENT_HELLO => return Err(Beginning::Plain),
            [_, a, b, c, body @ ..] => {
                let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
                if length > LARGEST_MESSAGE {
                    return Err(Beginning::Plain);
                }
                if body.len() >= length {
                    message.truncate(4 + length);
                    return Ok(Progress::Done(message));
                }
            }
            _ => {}
        }
    }
}

/// Of the body of a ClientHello. `None`: it is malformed.
fn hello(body: &[u8]) -> Option<Beginning> {
    let mut input = Input(body);
    let version = input.u16()?;
    input.take(32)?;
    if input.vector8()?.len() > LONGEST_SESSION_ID {
        return None;
    }
    let suites = input.vector16()?;
    let compression = input.vector8()?;
    if suites.is_empty() || suites.len() % 2 != 0 || compression.is_empty() {
        return None;
    }
    let mut found = ClientHello::default();
    let known = |found| if VERSIONS.contains(&version) { Beginning::Hello(found) } else { Beginning::Over };
    if input.0.is_empty() {
        return Some(known(found));
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
    (!is_twice).then(|| known(found))
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
