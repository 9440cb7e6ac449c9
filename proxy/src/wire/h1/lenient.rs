//! Cuts the heads that httparse refuses and Envoy takes: folded lines, CR inside values, more than one space in the first line,
//! other minor versions, any number of lines. Called by `head` when httparse has refused. The rules are Envoy's, measured.

use memchr::{memchr, memchr_iter};

use super::ParseError;
use super::head::{Cut, Kind, Line, Lines, Span, trim};
use crate::wire::headers::is_token;

/// Where the head ends (after its empty line), looking no further back than `from`.
pub(super) fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let from = from.saturating_sub(2);
    memchr_iter(b'\n', &bytes[from..]).find_map(|at| {
        let next = from + at + 1;
        match bytes[next..] {
            [b'\n', ..] => Some(next + 1),
            [b'\r', b'\n', ..] => Some(next + 2),
            _ => None,
        }
    })
}

/// As [`super::head::cut`], for heads out of the ordinary.
pub(super) fn cut(kind: Kind, bytes: &[u8]) -> Result<Option<Cut>, ParseError> {
    if bytes.first().is_some_and(|byte| *byte <= b' ') {
        return Err(ParseError::CODEC);
    }
    let Some(line_end) = memchr(b'\n', bytes) else { return Ok(None) };
    let words = words(bytes, line_end);
    // As with Envoy characters that no head may have are found when all of it is there.
    let is_clean = is_clean(&bytes[..line_end]);
    if kind == Kind::Request && words[2].is_empty() {
        // A first line without a version (HTTP/0.9) is all of a request.
        let cut = Cut { words, lines: Lines::new(), length: line_end + 1 };
        return if is_clean { Ok(Some(cut)) } else { Err(ParseError::CHARACTERS) };
    }
    if kind == Kind::Request && is_clean && !bytes[words[0].clone()].iter().all(|byte| is_token(*byte)) {
        return Err(ParseError::CODEC);
    }
    let Some(length) = end_of_head(bytes, line_end) else { return Ok(None) };
    let head = &bytes[..length];
    if head.iter().any(|byte| is_forbidden(*byte)) {
        return Err(ParseError::CHARACTERS);
    }
    let lines = lines(head, line_end + 1)?;
    Ok(Some(Cut { words, lines, length }))
}

/// Cuts the header lines that begin at `start` and end with an empty line at the end of `head`.
pub(super) fn lines(head: &[u8], start: usize) -> Result<Lines, ParseError> {
    let mut lines = Lines::new();
    let mut begin = start;
    while let Some(at) = memchr(b'\n', &head[begin..]) {
        let mut end = begin + at;
        if matches!(head[begin..end], [] | [b'\r']) {
            break;
        }
        let mut next = end + 1;
        while matches!(head.get(next), Some(b' ' | b'\t')) {
            let Some(at) = memchr(b'\n', &head[next..]) else { break };
            end = next + at;
            next = end + 1;
        }
        lines.push(line(head, begin..end)?);
        begin = next;
    }
    Ok(lines)
}

fn line(head: &[u8], span: Span) -> Result<Line, ParseError> {
    let colon = memchr(b':', &head[span.clone()]).ok_or(ParseError::CODEC)?;
    let name = span.start..span.start + colon;
    if name.is_empty() || !head[name.clone()].iter().all(|byte| is_token(*byte)) {
        return Err(ParseError::CODEC);
    }
    let value = trim(head, name.end + 1..span.end);
    let broken = head[value.clone()].iter().any(|byte| matches!(byte, b'\r' | b'\n'));
    Ok(Line { name, value, broken })
}

/// The three words of a request's first line, once it is there, and whether it has only characters that a head may have.
pub(super) fn first_line(bytes: &[u8]) -> Option<([Span; 3], bool)> {
    let line_end = memchr(b'\n', bytes)?;
    Some((words(bytes, line_end), is_clean(&bytes[..line_end])))
}

fn is_clean(line: &[u8]) -> bool {
    !line.iter().any(|byte| is_forbidden(*byte))
}

/// The three words of the first line; the third takes the rest of it.
fn words(bytes: &[u8], line_end: usize) -> [Span; 3] {
    let line = trim(bytes, 0..line_end);
    let first = word(bytes, line.clone());
    let second = word(bytes, first.end..line.end);
    let rest = trim(bytes, second.end..line.end);
    [first, second, rest]
}

fn word(bytes: &[u8], span: Span) -> Span {
    let start = span.clone().find(|at| bytes[*at] > b' ').unwrap_or(span.end);
    let end = (start..span.end).find(|at| bytes[*at] <= b' ').unwrap_or(span.end);
    start..end
}

/// Control characters that no head may hold.
pub(super) fn is_forbidden(byte: u8) -> bool {
    (byte < b' ' && !matches!(byte, b'\t' | b'\r' | b'\n')) || byte == 0x7f
}
