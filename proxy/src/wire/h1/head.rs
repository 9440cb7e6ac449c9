//! Finds a head in the read buffer and cuts it into its parts, as offsets. Called by `request`, `response` and `body` (trailers).
//!
//! httparse takes the well-formed heads, that is nearly all; what it refuses goes through `lenient`, which accepts the rest of what
//! Envoy accepts. Both give the same parts. No byte is copied or changed here, and nothing is judged but the syntax.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut, Range};

use bytes::{Buf, Bytes, BytesMut};

use super::{ParseError, lenient};
use crate::wire::headers::{Header, Headers, Kept, Name};
use config::hcm::HeaderCase;

/// A place in the head.
pub(super) type Span = Range<usize>;

/// One header line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: Span,
    /// Without white space around it.
    pub(super) value: Span,
    /// The value has CR or LF inside (folded lines), which must be taken out.
    pub(super) broken: bool,
}

/// The lines of a head. Their memory is kept for the next head on this thread: they live only while a head is taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lines(Vec<Line>);

thread_local! {
    static SPARE: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// More lines than this are not kept room for.
const KEPT_LINES: usize = 128;

impl Lines {
    pub(super) fn new() -> Lines {
        Lines(SPARE.take())
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        let mut lines = std::mem::take(&mut self.0);
        if lines.capacity() <= KEPT_LINES {
            lines.clear();
            SPARE.set(lines);
        }
    }
}

impl Deref for Lines {
    type Target = Vec<Line>;

    fn deref(&self) -> &Vec<Line> {
        &self.0
    }
}

impl DerefMut for Lines {
    fn deref_mut(&mut self) -> &mut Vec<Line> {
        &mut self.0
    }
}

/// A head cut into its parts: the first line's three words, the header lines, and how many octets all of it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    /// Method, target, version of a request; version, status, reason of a response.
    pub(super) words: [Span; 3],
    pub(super) lines: Lines,
    pub(super) length: usize,
}

/// Which first line to expect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Request,
    Response,
}

/// Looks for a head at the start of the buffer, remembering how far it has looked so that a head that comes octet by octet is not
/// parsed again for each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Finder {
    /// Octets that hold no end of a head.
    scanned: usize,
    /// Octets there were when parsing was last tried.
    tried: usize,
}

impl Finder {
    /// The head at the start of `buffer`, or `None` when more must be read. Empty lines before it are consumed.
    pub(super) fn find(&mut self, kind: Kind, buffer: &mut BytesMut, limit: usize) -> Result<Option<Cut>, ParseError> {
        if self.tried == 0 && !begins(kind, buffer)? {
            return Ok(None);
        }
        // Most heads are whole at first sight: their end is not looked for before.
        let seen = (self.tried == 0 && buffer.len() <= limit).then(|| strict(kind, buffer));
        if let Some(Ok(Some(cut))) = seen {
            return Ok(Some(cut));
        }
        let found = self.found_end(buffer);
        if found.is_none() && buffer.len() > limit {
            return Err(ParseError::TOO_LARGE);
        }
        // Parsing an unfinished head finds errors early; doing it only when the head has doubled keeps the whole linear.
        if found.is_none() && self.tried > 0 && buffer.len() < self.tried * 2 {
            return Ok(None);
        }
        self.tried = buffer.len();
        let cut = match seen {
            Some(Ok(cut)) => cut,
            Some(Err(Refused)) => lenient::cut(kind, buffer)?,
            None => cut(kind, buffer)?,
        };
        let cut = match cut {
            // A complete head must not be waited for, whatever httparse makes of it.
            None if found.is_some() => lenient::cut(kind, buffer)?,
            cut => cut,
        };
        let Some(cut) = cut else { return Ok(None) };
        *self = Finder::default();
        if cut.length > limit {
            return Err(ParseError::TOO_LARGE);
        }
        Ok(Some(cut))
    }

    /// Whether a head has begun to arrive.
    pub(super) fn started(&self) -> bool {
        self.tried > 0
    }

    fn found_end(&mut self, buffer: &[u8]) -> Option<usize> {
        let end = lenient::end_of_head(buffer, self.scanned);
        self.scanned = buffer.len().saturating_sub(2);
        end
    }
}

/// Cuts the head at the start of `bytes`; `None` when it is not complete.
pub(super) fn cut(kind: Kind, bytes: &[u8]) -> Result<Option<Cut>, ParseError> {
    match strict(kind, bytes) {
        Ok(cut) => Ok(cut),
        Err(Refused) => lenient::cut(kind, bytes),
    }
}

fn strict(kind: Kind, bytes: &[u8]) -> Strict {
    match kind {
        Kind::Request => strict_request(bytes),
        Kind::Response => strict_response(bytes),
    }
}

/// The headers of a cut head, as slices of `head`, with names in lower case.
///
/// `buffer` still holds the head: names are lowered and broken values mended in place, then the head is split off.
pub(super) fn build(buffer: &mut BytesMut, cut: &mut Cut, case: HeaderCase) -> (Bytes, Headers) {
    let keep_spelling = matches!(case, HeaderCase::Preserve { .. });
    let spellings = spellings(buffer, &cut.lines, keep_spelling);
    for line in cut.lines.iter_mut() {
        buffer[line.name.clone()].make_ascii_lowercase();
        if line.broken {
            line.value = mend(buffer, line.value.clone());
        }
    }
    let head = take(buffer, cut.length);
    let mut headers = Headers::with_capacity(cut.lines.len() + SPARE_LINES);
    if let HeaderCase::Preserve { reason, own_proper } = case {
        headers.kept = Kept { spelling: true, own_proper, reason, ..Kept::NONE };
    }
    let mut spelt = 0;
    for line in cut.lines.iter() {
        let spelling = keep_spelling.then(|| {
            let length = line.name.len();
            spelt += length;
            Box::new(spellings.slice(spelt - length..spelt))
        });
        let name = Name::from_lower_with(&head[line.name.clone()], || head.slice(line.name.clone()));
        if let Some(spelling) = &spelling {
            headers.kept.lower_host |= spelling[..] == b"host"[..];
            headers.kept.proper_encoding |= spelling[..] == b"Transfer-Encoding"[..];
        }
        headers.push(Header { name, value: head.slice(line.value.clone()), spelling });
    }
    (head, headers)
}

/// Heads up to so many octets are copied out of the read buffer.
const COPIED: usize = 4 * 1024;

/// Takes a head off the front. A small one becomes a piece of memory of its own, so that the read buffer is free again while the
/// request is served, and the next connection reads into memory that the processor still holds.
fn take(buffer: &mut BytesMut, length: usize) -> Bytes {
    if length > COPIED {
        return buffer.split_to(length).freeze();
    }
    let head = if length <= SHORT { Short::copy(&buffer[..length]) } else { Bytes::copy_from_slice(&buffer[..length]) };
    buffer.advance(length);
    head
}

/// A head that is no longer than most. Its octets stand beside the count of those who hold it: one allocation, where slices of any other
/// text cost a second one.
struct Short {
    length: usize,
    octets: [u8; SHORT],
}

/// Longer heads are not worth moving about.
const SHORT: usize = 512;

impl Short {
    /// Of a text that is no longer than [`SHORT`].
    fn copy(text: &[u8]) -> Bytes {
        let mut short = Short { length: text.len(), octets: [0; SHORT] };
        short.octets[..text.len()].copy_from_slice(text);
        Bytes::from_owner(short)
    }
}

impl AsRef<[u8]> for Short {
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

/// Room for the headers that the exchange adds.
const SPARE_LINES: usize = 8;

/// All names as they were spelt, one after the other.
fn spellings(buffer: &[u8], lines: &Lines, keep: bool) -> Bytes {
    if !keep {
        return Bytes::new();
    }
    let mut all = BytesMut::with_capacity(lines.iter().map(|line| line.name.len()).sum());
    for line in lines.iter() {
        all.extend_from_slice(&buffer[line.name.clone()]);
    }
    all.freeze()
}

/// Takes CR and LF out of a value, and the white space that is then at its ends.
fn mend(buffer: &mut [u8], span: Span) -> Span {
    let mut end = span.start;
    for index in span.clone() {
        if !matches!(buffer[index], b'\r' | b'\n') {
            buffer[end] = buffer[index];
            end += 1;
        }
    }
    trim(buffer, span.start..end)
}

/// The span without spaces and tabs (and CR, LF) at its ends.
pub(super) fn trim(bytes: &[u8], mut span: Span) -> Span {
    while span.start < span.end && bytes[span.start] <= b' ' {
        span.start += 1;
    }
    while span.start < span.end && bytes[span.end - 1] <= b' ' {
        span.end -= 1;
    }
    span
}

/// Whether a first line begins. Empty lines before a request are consumed.
fn begins(kind: Kind, buffer: &mut BytesMut) -> Result<bool, ParseError> {
    if kind == Kind::Request {
        let blank = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        buffer.advance(blank);
    }
    match buffer.first() {
        None => Ok(false),
        Some(byte) if *byte <= b' ' => Err(ParseError::CODEC),
        Some(_) => Ok(true),
    }
}

/// httparse does not take it.
struct Refused;

type Strict = Result<Option<Cut>, Refused>;

/// More lines than this go to the lenient parser, which has no bound of its own.
const STRICT_LINES: usize = 104;

fn strict_request(bytes: &[u8]) -> Strict {
    let mut storage = [const { MaybeUninit::uninit() }; STRICT_LINES];
    let mut request = httparse::Request::new(&mut []);
    let result = request.parse_with_uninit_headers(bytes, &mut storage);
    let (Some(method), Some(target)) = (request.method, request.path) else { return unfinished(result) };
    let words = [span_of(bytes, method.as_bytes()), span_of(bytes, target.as_bytes()), 0..0];
    let version = words[1].end + 1..words[1].end + 9;
    complete(bytes, result, [words[0].clone(), words[1].clone(), version], request.headers)
}

fn strict_response(bytes: &[u8]) -> Strict {
    let mut storage = [const { MaybeUninit::uninit() }; STRICT_LINES];
    let mut response = httparse::Response::new(&mut []);
    let parser = httparse::ParserConfig::default();
    let result = parser.parse_response_with_uninit_headers(&mut response, bytes, &mut storage);
    if response.reason.is_none() {
        return unfinished(result);
    }
    // Taken from the line itself: httparse gives an empty one when there are high octets in it.
    let line_end = memchr::memchr2(b'\r', b'\n', bytes).unwrap_or(bytes.len()).max(12);
    let reason = trim(bytes, 12..line_end);
    // The syntax that httparse accepts puts the version and the status at fixed places.
    complete(bytes, result, [0..8, 9..12, reason], response.headers)
}

fn unfinished(result: httparse::Result<usize>) -> Strict {
    match result {
        Ok(httparse::Status::Partial) => Ok(None),
        _ => Err(Refused),
    }
}

fn complete(
    bytes: &[u8],
    result: httparse::Result<usize>,
    words: [Span; 3],
    headers: &[httparse::Header<'_>],
) -> Strict {
    let Ok(httparse::Status::Complete(length)) = result else { return unfinished(result) };
    let mut lines = Lines::new();
    lines.reserve(headers.len());
    for header in headers {
        let name = span_of(bytes, header.name.as_bytes());
        // httparse points empty values at a place of its own.
        let value = if header.value.is_empty() { name.end..name.end } else { span_of(bytes, header.value) };
        // It has taken the white space around them, too.
        lines.push(Line { name, value, broken: false });
    }
    Ok(Some(Cut { words, lines, length }))
}

/// Where a part lies in the whole. Both come from the same buffer.
fn span_of(whole: &[u8], part: &[u8]) -> Span {
    let start = (part.as_ptr() as usize).wrapping_sub(whole.as_ptr() as usize).min(whole.len());
    start..(start + part.len()).min(whole.len())
}

/// See [`super::check_parsers_agree`].
#[cfg(any(test, fuzzing))]
pub(super) fn check_parsers_agree(kind: Kind, bytes: &[u8]) {
    // The finder lets neither begin with white space.
    if bytes.first().is_some_and(|byte| *byte <= b' ') {
        return;
    }
    let Ok(Some(mut strict)) = strict(kind, bytes) else { return };
    let mut lenient = lenient::cut(kind, bytes).expect("no stricter than httparse").expect("complete");
    // Empty pieces lie wherever each parser left them.
    for cut in [&mut strict, &mut lenient] {
        cut.words.iter_mut().filter(|word| word.start == word.end).for_each(|word| *word = 0..0);
        cut.lines.iter_mut().filter(|line| line.value.start == line.value.end).for_each(|line| line.value = 0..0);
    }
    assert_eq!(strict, lenient);
}
