//! Names of headers that are not in lower case: as they came (`preserve_case`), or `Like-This` (`proper_case_words`). Called by `encode`
//! for messages of which some side wants that, and for no others.

use bytes::{BufMut, BytesMut};

use crate::wire::headers::{Headers, Name, is_value};

/// Writes all but `transfer-encoding`, and nothing that would end or break a line.
#[cold]
pub(super) fn headers(out: &mut BytesMut, headers: &Headers) {
    for header in headers.iter().filter(|header| header.name != Name::TRANSFER_ENCODING && is_value(&header.value)) {
        match &header.spelling {
            Some(spelling) if headers.kept.spelling => out.extend_from_slice(spelling),
            _ => name(out, header.name.as_bytes(), headers),
        }
        out.extend_from_slice(b": ");
        out.extend_from_slice(&header.value);
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes a line that the codec has made.
#[cold]
pub(super) fn own_line(out: &mut BytesMut, line: &[u8], headers: &Headers) {
    let (word, rest) = line.split_at(memchr::memchr(b':', line).unwrap_or(line.len()));
    if word == b"transfer-encoding" && headers.kept.proper_encoding {
        proper(out, word);
    } else {
        name(out, word, headers);
    }
    out.extend_from_slice(rest);
}

/// A name that the message did not come with. A message of which nothing was kept is written so by a side that wants proper case.
fn name(out: &mut BytesMut, name: &[u8], headers: &Headers) {
    if headers.kept.own_proper || !headers.kept.spelling {
        proper(out, name);
    } else {
        out.extend_from_slice(name);
    }
}

/// The first letter, and each behind what is neither a letter nor a digit, is a capital.
fn proper(out: &mut BytesMut, name: &[u8]) {
    let mut begins = true;
    for octet in name {
        out.put_u8(if begins { octet.to_ascii_uppercase() } else { *octet });
        begins = !octet.is_ascii_alphanumeric();
    }
}
