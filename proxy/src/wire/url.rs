//! An absolute URL as a browser or a server writes it into a header, read as Envoy reads it: what it takes for none is none here. Policy
//! hangs on it. Called by filters and by what follows or checks such headers; must never guess.

/// The parts of a URL that somebody asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Url<'u> {
    /// As it was written.
    pub scheme: &'u [u8],
    /// Without a user.
    pub host_and_port: &'u [u8],
    /// From the first octet behind the authority; empty where nothing is.
    pub path_and_rest: &'u [u8],
    /// A user or a password stands before the host.
    pub has_user: bool,
    /// It ends in `#` and more.
    pub has_fragment: bool,
}

impl<'u> Url<'u> {
    /// `None` for what is no absolute URL.
    pub fn parse(text: &'u [u8]) -> Option<Url<'u>> {
        let scheme_end = memchr::memchr(b':', text)?;
        let (scheme, rest) = (&text[..scheme_end], text[scheme_end..].strip_prefix(b"://")?);
        let (first, others) = scheme.split_first()?;
        if !first.is_ascii_alphabetic()
            || !others.iter().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(octet))
        {
            return None;
        }
        let end = rest.iter().position(|octet| matches!(octet, b'/' | b'?')).unwrap_or(rest.len());
        let (authority, path_and_rest) = rest.split_at(end);
        let (user, host_and_port) = split_user(authority)?;
        // Blanks, what is not ASCII and the like are in no path.
        if !path_and_rest.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let fragment = memchr::memchr(b'#', path_and_rest).map_or(&[][..], |at| &path_and_rest[at..]);
        let has_fragment = fragment.iter().any(|octet| *octet != b'#');
        Some(Url { scheme, host_and_port, path_and_rest, has_user: !user.is_empty(), has_fragment })
    }
}

/// Host and port of an authority, without a user; `None` for what is no authority of a URL.
pub fn host_and_port(authority: &[u8]) -> Option<&[u8]> {
    split_user(authority).map(|(_, host)| host)
}

/// Whether a text is a host and perhaps a port, as they stand in a URL: a name of letters, digits, `.` and `-`, or an address in brackets.
pub fn is_host_and_port(text: &[u8]) -> bool {
    host_end(text).is_some_and(|end| {
        let port = &text[end..];
        port.is_empty() || port.strip_prefix(b":").is_some_and(is_port)
    })
}

/// The same with a port.
pub fn is_host_with_port(text: &[u8]) -> bool {
    is_host_and_port(text) && host_end(text).is_some_and(|end| end < text.len())
}

fn split_user(authority: &[u8]) -> Option<(&[u8], &[u8])> {
    let (user, host) = match memchr::memchr(b'@', authority) {
        Some(at) => (&authority[..at], &authority[at + 1..]),
        None => (&authority[..0], authority),
    };
    (user.iter().all(|octet| is_user_octet(*octet)) && is_host_and_port(host)).then_some((user, host))
}

fn is_user_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"-_.!~*'()%;:&=+$,".contains(&octet)
}

/// Where the host ends; `None` when there is none.
fn host_end(text: &[u8]) -> Option<usize> {
    if let Some(inner) = text.strip_prefix(b"[") {
        let end = memchr::memchr(b']', inner)?;
        std::str::from_utf8(&inner[..end]).ok()?.parse::<std::net::Ipv6Addr>().ok()?;
        return Some(end + 2);
    }
    let end = memchr::memchr(b':', text).unwrap_or(text.len());
    let plain = text[..end].iter().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'-'));
    (plain && end > 0).then_some(end)
}

/// Leading zeros are none of its value.
fn is_port(digits: &[u8]) -> bool {
    let mut value = 0_u32;
    !digits.is_empty()
        && digits.iter().all(|digit| {
            value = value * 10 + u32::from(digit.wrapping_sub(b'0'));
            digit.is_ascii_digit() && value <= u32::from(u16::MAX)
        })
}

#[cfg(test)]
mod tests;
