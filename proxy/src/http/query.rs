//! Query strings: what a parameter says, and percent-encoding. Called by filters; must never know what a parameter means.

/// The query of a path, without its `?`; empty where there is none.
pub(super) fn of(path: &[u8]) -> &[u8] {
    memchr::memchr(b'?', path).map_or(&[], |start| &path[start + 1..])
}

/// Parameters as they stand there, in order: name and value. Without `=` the value is empty.
pub(super) fn parameters(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    // What follows the last `&` is a parameter only if there is something.
    let query = query.strip_suffix(b"&").unwrap_or(query);
    let list = query.split(|octet| *octet == b'&').filter(move |_| !query.is_empty());
    list.map(|one| match memchr::memchr(b'=', one) {
        Some(at) => (&one[..at], &one[at + 1..]),
        None => (one, &[][..]),
    })
}

/// The first value of a parameter, both decoded.
pub(super) fn decoded(query: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    parameters(query).find(|(known, _)| decode(known) == name).map(|(_, value)| decode(value))
}

/// What is no escape stands for itself.
pub(super) fn decode(text: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(text).collect()
}

/// Not the end of a parameter, of the query or of the path, nor half an escape.
pub(super) fn may_stand_bare(octet: u8) -> bool {
    octet.is_ascii_graphic() && !b"&#%".contains(&octet)
}

/// Writes text so that it is no end of a parameter, of the query or of the path.
pub(super) fn escape(text: &[u8], out: &mut Vec<u8>, bare: impl Fn(u8) -> bool) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for octet in text {
        if bare(*octet) {
            out.push(*octet);
        } else {
            out.extend([b'%', DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 15)]]);
        }
    }
}
